"""How the tests ask a HAPI server: one request, byte for byte."""

import csv
import http.client
import io
import json
from urllib.parse import quote, urlsplit

import numpy as np
import pytest

HALF = "data?dataset=everything&start=2001-01-01T00:00:00Z&stop=2001-01-01T00:00:30Z"
EMPTY = "data?dataset=gaps&start=2001-01-01T01:00Z&stop=2001-01-01T02:00Z"


class Answer:
    def __init__(self, answer, body):
        self.code, self.reason, self.body = answer.status, answer.reason, body
        self.headers = {key.lower(): value for key, value in answer.getheaders()}
        self.type = self.headers.get("content-type")

    @property
    def json(self):
        return json.loads(self.body, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))

    @property
    def status(self):
        return self.json["status"]["code"]

    @property
    def rows(self):
        return list(csv.reader(io.StringIO(self.body.decode(), newline="")))


def ask(server, path, method="GET", **headers):
    """Return the answer to one request, byte for byte; an answer cut off raises IncompleteRead."""
    place = urlsplit(server.url)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=20)
    where = f"/hapi/{path}" if path and not path.startswith("/") else path or "/hapi"
    try:
        told = {key.replace("_", "-"): value for key, value in headers.items()}
        connection.request(method, quote(where, safe="/?&=:,-.%+*"), headers=told)
        answer = connection.getresponse()
        return Answer(answer, answer.read())
    finally:
        connection.close()


def header_and_rest(body):
    lines = body.split(b"\n")
    count = next(number for number, line in enumerate(lines) if not line.startswith(b"#"))
    head = b"\n".join(line.removeprefix(b"#") for line in lines[:count])
    return json.loads(head), b"\n".join(lines[count:])


def record_type(info):
    kinds = {"double": "<f8", "integer": "<i4"}
    fields = []
    for one in info["parameters"]:
        kind = kinds.get(one["type"]) or f"S{one['length']}"
        fields.append((one["name"], kind, tuple(one.get("size", ()))))
    return np.dtype(fields)
