"""mitmproxy on loopback that answers for any host from recorded answers, and asks nobody.

with Replay(folder) as replay:
    replay.answer("https://example.org/tap", recorded, contains="SELECT", faults=[{"status": 503}])
    with environment(replay.environment): ...        # requests' own variables; libraries stay as they are
    replay.asked                                      # what arrived

It runs from a venv of its own: SANKO_MITMDUMP, mitmdump on PATH, or build/mitmproxy, which .ci/run makes. mitmdump
loads this same file as its script, with SANKO_REPLAY naming the folder in which both sides meet.
"""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from urllib.parse import unquote_plus

HERE = Path(__file__).resolve()
SECONDS_TO_START = 60


def mitmdump():
    """Return the program, or None."""
    places = [
        os.environ.get("SANKO_MITMDUMP"),
        shutil.which("mitmdump"),
        HERE.parents[2] / "build/mitmproxy/bin/mitmdump",
    ]
    return next((str(place) for place in places if place and Path(place).is_file()), None)


class Replay:
    """A proxy whose answers are the ones given to it."""

    def __init__(self, folder):
        self.folder, self.answers = Path(folder), []
        self.authority = self.folder / "mitmproxy-ca-cert.pem"

    def __enter__(self):
        self._write()
        (self.folder / "asked.jsonl").touch()
        options = {
            "confdir": self.folder,
            "connection_strategy": "lazy",
            "upstream_cert": "false",
            "listen_host": "127.0.0.1",
            "listen_port": "0",
        }
        command = [mitmdump(), "--quiet", "--scripts", str(HERE)]
        for name, value in options.items():
            command += ["--set", f"{name}={value}"]
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, env={**os.environ, "SANKO_REPLAY": str(self.folder)}
            )
        ready, until = self.folder / "port", time.monotonic() + SECONDS_TO_START
        while not ready.exists() and self._process.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        if not ready.exists():
            self.__exit__()
            raise RuntimeError("mitmdump did not start: " + (self.folder / "log").read_text(errors="replace"))
        self.url = f"http://127.0.0.1:{ready.read_text()}"
        return self

    def __exit__(self, *_):
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def environment(self):
        """What tells requests of the proxy and of its certificates."""
        names = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
        told = dict.fromkeys(names, self.url)
        return {**told, "REQUESTS_CA_BUNDLE": str(self.authority), "NO_PROXY": "", "no_proxy": ""}

    @property
    def asked(self):
        """Every request: method, url, text (of query and body), status of our answer."""
        return [json.loads(line) for line in (self.folder / "asked.jsonl").read_text().splitlines()]

    def answer(self, url, body, *, contains="", type="text/plain", method="", faults=(), headers=None):
        """Answer requests whose address begins so and whose query or body has such text; the first that fits counts.

        A fault is one of {"status": 503, …}, {"cut": bytes after which the connection closes}, {"kill": True} and
        {"body": text, "type": …}; the first so many requests get them, then the answer comes.
        """
        name = f"body-{len(self.answers)}"
        (self.folder / name).write_bytes(body if isinstance(body, bytes) else str(body).encode())
        keys = {"url": url, "body": name, "contains": contains, "type": type, "method": method}
        self.answers.append({**keys, "faults": list(faults), "headers": dict(headers or {})})
        self._write()

    def forget(self):
        """Drop all answers and what was asked."""
        self.answers = []
        self._write()
        (self.folder / "asked.jsonl").write_text("")

    def _write(self):
        beside = self.folder / "answers.new"
        beside.write_text(json.dumps({"at": time.time_ns(), "answers": self.answers}))
        beside.replace(self.folder / "answers.json")


class Script:
    """What runs inside mitmdump."""

    def __init__(self, folder):
        self.folder, self.table, self.spent = Path(folder), None, {}

    def running(self):
        """Say where the proxy listens."""
        from mitmproxy import ctx

        beside = self.folder / "port.new"
        beside.write_text(str(ctx.master.addons.get("proxyserver").listen_addrs()[0][1]))
        beside.replace(self.folder / "port")

    def request(self, flow):
        """Answer, so that no connection to the outside is ever made."""
        told = json.loads((self.folder / "answers.json").read_text())
        if self.table != told:
            if self.table is None or told["answers"][: len(self.table["answers"])] != self.table["answers"]:
                self.spent = {}
            self.table = told
        address, _, query = flow.request.pretty_url.partition("?")
        text = unquote_plus(query + "\n" + flow.request.get_text(strict=False))
        chosen = next(
            (
                (at, answer)
                for at, answer in enumerate(told["answers"])
                if address.startswith(answer["url"])
                and answer["contains"] in text
                and answer["method"] in ("", flow.request.method)
            ),
            None,
        )
        if chosen is None:
            status = self.reply(flow, 404, b"nothing was recorded for " + address.encode(), "text/plain", {})
        else:
            at, answer = chosen
            done = self.spent.get(at, 0)
            self.spent[at] = done + 1
            fault = answer["faults"][done] if done < len(answer["faults"]) else {}
            status = self.one(flow, answer, fault)
        line = {"method": flow.request.method, "url": address, "text": text, "status": status}
        line["agent"] = flow.request.headers.get("User-Agent", "")
        with (self.folder / "asked.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")

    def one(self, flow, answer, fault):
        """Give the answer, or what goes wrong with it."""
        if fault.get("kill"):
            flow.kill()
            return None
        body = fault["body"].encode() if "body" in fault else (self.folder / answer["body"]).read_bytes()
        headers = {**answer["headers"], **fault.get("headers", {})}
        if "cut" in fault:
            headers |= {"Content-Length": str(len(body)), "Connection": "close"}
            body = body[: fault["cut"]]
        return self.reply(flow, fault.get("status", 200), body, fault.get("type", answer["type"]), headers)

    def reply(self, flow, status, body, type, headers):
        from mitmproxy import http

        flow.response = http.Response.make(status, body, {"Content-Type": type})
        for name, value in headers.items():
            flow.response.headers[name] = value
        return status


if folder := os.environ.get("SANKO_REPLAY"):
    addons = [Script(folder)]
