"""A server that says, byte for byte, what a test wants it to: what no library would let a server send.

with Raw(lambda connection, number: connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")) as server:
    ...
"""

import contextlib
import socket
import threading


class Raw:
    """Let `answer(connection, number)` answer each request; `asked` has the requests as they came."""

    def __init__(self, answer):
        self._answer, self.asked = answer, []
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listening.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.over = threading.Event()

    def __enter__(self):
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self._listening.close()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._one, args=(self._listening.accept()[0],), daemon=True).start()

    def _one(self, connection):
        with contextlib.suppress(OSError), connection:
            asked = b""
            while b"\r\n\r\n" not in asked:
                if not (piece := connection.recv(1 << 16)):
                    return
                asked += piece
            self.asked.append(asked)
            self._answer(connection, len(self.asked))


def said(head, body=b""):
    """Return an answer of these lines and this body."""
    told = head.strip().encode("latin-1").replace(b"\n", b"\r\n") + b"\r\n\r\n" + body
    return lambda connection, _: connection.sendall(told)


def for_ever(first, again, *, pause=0.02):
    """Return an answer that goes on without an end."""

    def answer(connection, _):
        connection.sendall(first)
        waiting = threading.Event()
        while True:
            connection.sendall(again)
            waiting.wait(pause)

    return answer
