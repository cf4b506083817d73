"""What a HAPI server answers to a request, after the HAPI data access specification 3.3; no socket here.

Where the specification leaves a choice: NaN is null in JSON (RFC 8259 has no NaN); of several errors the one
reported is the first of unknown name, dataset, times, parameters, include, format, amount.
"""

import copy
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from servers import hapi_data
from servers.archive import Asked
from servers.hapi_data import duration, instant

# 4.2: HAPI code -> HTTP code and message.
STATUSES = {
    1200: (200, "OK"),
    1201: (200, "OK - no data for time range"),
    1400: (400, "Bad request - user input error"),
    1401: (400, "Bad request - unknown API parameter name"),
    1402: (400, "Bad request - syntax error in start time"),
    1403: (400, "Bad request - syntax error in stop time"),
    1404: (400, "Bad request - start equal to or after stop"),
    1405: (400, "Bad request - start < startDate and/or stop > stopDate"),
    1406: (404, "Bad request - unknown dataset id"),
    1407: (404, "Bad request - unknown dataset parameter"),
    1408: (400, "Bad request - too much time or data requested"),
    1409: (400, "Bad request - unsupported output format"),
    1410: (400, "Bad request - unsupported include value"),
    1411: (400, "Bad request - out-of-order or duplicate parameters"),
    1412: (400, "Bad request - unsupported resolve_references value"),
    1413: (400, "Bad request - unsupported depth value"),
    1500: (500, "Internal server error"),
    1501: (500, "Internal server error - upstream request error"),
}
TYPES = {"csv": "text/csv", "binary": "application/octet-stream", "json": "application/json"}
# The changelog: the version that a key of an info answer, or of one of its parameters, came with.
SINCE = {
    "unitsSchema": "3.0", "definitions": "3.0", "maxRequestDuration": "3.1", "coordinateSystemSchema": "3.1",
    "coordinateSystemName": "3.1", "vectorComponents": "3.1", "additionalMetadata": "3.1", "stringType": "3.2",
    "location": "3.3", "geoLocation": "3.3", "datasetCitation": "3.3", "licenseURL": "3.3", "provenance": "3.3",
    "note": "3.3", "warning": "3.3",
}  # fmt: skip
NAMES_2 = {"id": "dataset", "time.min": "start", "time.max": "stop"}  # 1.1


class HapiAsked(Asked):
    """One request: path, headers, at, method; endpoint and query in the names of HAPI 3."""

    @property
    def endpoint(self):
        return urlsplit(self.path).path.removeprefix("/hapi").strip("/")

    @property
    def query(self):
        pairs = parse_qsl(urlsplit(self.path).query, keep_blank_values=True)
        return {NAMES_2.get(key, key): value for key, value in pairs}


class Refused(Exception):
    """A request that gets an error status."""

    def __init__(self, code, message=None, http=None):
        known = STATUSES.get(code, (500, "Internal server error"))
        self.code, self.http, self.message = code, http or known[0], message or known[1]
        super().__init__(self.message)


@dataclass
class Answer:
    """One answer: its HAPI and HTTP codes, and its body in pieces."""

    pieces: Iterable[bytes]
    type: str = "application/json"
    hapi: int = 1200
    http: int = 200
    message: str = "OK"
    empty: bool = False


@dataclass
class Service:
    """Datasets by their ids, and how they are served; the fields are those of HapiServer."""

    datasets: dict
    version: str = "3.3"
    formats: tuple = ("csv", "binary", "json")
    empty: int = 1201
    newline: str = "\n"
    depth: bool = True
    keep: bool = False
    kept: dict = field(default_factory=dict)

    def header(self, code=1200, message=None):
        return {"HAPI": self.version, "status": {"code": code, "message": message or STATUSES[code][1]}}

    def answer(self, asked) -> Answer:
        """Return the answer to a request, or raise Refused."""
        known = {
            "capabilities": (self.capabilities, ()),
            "catalog": (self.catalog, ("depth",) * self.since("3.2") + ("resolve_references",) * self.since("3.3")),
            "info": (self.info, ("dataset", "parameters") + ("resolve_references",) * self.since("3.0")),
            "data": (self.data, ("dataset", "start", "stop", "parameters", "include", "format")),
        }
        if self.since("3.0"):
            known["about"] = (self.about, ())
        if asked.endpoint not in known:
            raise Refused(1400, "Bad request - unknown endpoint")
        function, names = known[asked.endpoint]
        return function(self.query(asked, names))

    def since(self, version):
        return self.version >= version

    def query(self, asked, names):
        """Return the request's parameters by their names in HAPI 3; strict, as 3.1 and 5.2 ask for."""
        told = {}
        for key, value in parse_qsl(urlsplit(asked.path).query, keep_blank_values=True):
            name = NAMES_2.get(key, key)
            if name not in names or (name in NAMES_2.values() and name == key and not self.since("3.0")):
                raise Refused(1401)
            if name in told:
                raise Refused(1400, "Bad request - the same thing is given twice")
            told[name] = value
        return told

    def json(self, told) -> Answer:
        return Answer([json.dumps(told, ensure_ascii=False, indent=1).encode()])

    def about(self, _):
        told = self.header() | {"id": "Loopback", "title": "Computed records", "contact": "nobody@localhost"}
        if self.since("3.2") and self.datasets:
            first = next(iter(self.datasets.values()))
            start = instant(first.start)
            times = {"start": first.date(start), "stop": first.date(start + 10 * duration(first.cadence))}
            told["dataTest"] = {"name": "Ping", "query": {"dataset": first.id} | times}
        return self.json(told)

    def capabilities(self, _):
        depths = {"catalogDepthOptions": ["dataset", "all"]} if self.since("3.2") and self.depth else {}
        return self.json(self.header() | {"outputFormats": list(self.formats)} | depths)

    def catalog(self, query):
        depth = query.get("depth", "dataset")
        if depth not in (("dataset", "all") if self.depth else ("dataset",)):
            raise Refused(1413)
        resolve = self.resolves(query)
        entries = []
        for dataset in self.datasets.values():
            entry = {"id": dataset.id} | ({"title": dataset.title} if dataset.title else {})
            if depth == "all":
                entry["info"] = self.described(dataset, dataset.all_parameters, resolve)
            entries.append(entry)
        return self.json(self.header() | {"catalog": entries})

    def info(self, query):
        dataset = self.dataset(query)
        resolve = self.resolves(query)
        return self.json(self.header() | self.described(dataset, self.subset(dataset, query), resolve))

    def resolves(self, query):
        asked = query.get("resolve_references", "true")
        if asked not in ("true", "false"):
            raise Refused(1412)
        return asked == "true"

    def dataset(self, query):
        if "dataset" not in query:
            raise Refused(1400, "Bad request - no dataset given")
        if query["dataset"] not in self.datasets:
            raise Refused(1406)
        return self.datasets[query["dataset"]]

    def subset(self, dataset, query):
        """Return the parameters asked for: 3.6.1, time always and first."""
        every = dataset.all_parameters
        names = [parameter.name for parameter in every]
        if not query.get("parameters"):
            return every
        asked = query["parameters"].split(",")
        if any(name not in names for name in asked):
            raise Refused(1407)
        places = [names.index(name) for name in asked]
        if self.since("2.1") and places != sorted(set(places)):
            raise Refused(1411)
        return tuple(parameter for place, parameter in enumerate(every) if place == 0 or place in places)

    def described(self, dataset, parameters, resolve=True):
        """Return a dataset's description as this version of HAPI has it."""
        told = copy.deepcopy(dataset.told())
        wanted = {parameter.name for parameter in parameters}
        told["parameters"] = [one for one in told["parameters"] if one["name"] in wanted]
        if resolve or not self.since("3.0"):
            told = _resolved(told, told.pop("definitions", {}))
        if not self.since("2.1") and "timeStampLocation" in told:
            told["timeStampLocation"] = told["timeStampLocation"].upper()
        for part in (told, *told["parameters"]):
            for key in [key for key in part if not self.since(SINCE.get(key, "2.0"))]:
                del part[key]
            if not self.since("3.0") and any(_moves(one) for one in part.get("bins", ())):
                del part["bins"]
        return told

    # -------------------------------------------------------------------------------- data

    def data(self, query):
        dataset = self.dataset(query)
        start, stop = self.interval(dataset, query)
        parameters = self.subset(dataset, query)
        if query.get("include", "header") != "header":
            raise Refused(1410)
        form = query.get("format", "csv")
        if form not in self.formats:
            raise Refused(1409)
        if dataset.max_request and instant(stop) - instant(start) > duration(dataset.max_request):
            raise Refused(1408)
        low, high = dataset.numbers(start, stop)
        nothing = next(dataset.blocks(low, high), None) is None
        code = self.empty if nothing and self.empty == 1201 else 1200
        head = self.header(code) | {"format": form} | self.described(dataset, parameters)
        bare = "include" not in query and form != "json"
        pieces = self.body(dataset, parameters, (low, high), form, None if bare else head)
        if self.keep:
            key = (dataset.id, tuple(parameter.name for parameter in parameters), low, high, form, bare)
            if key not in self.kept:
                self.kept[key] = b"".join(pieces)
            pieces = [self.kept[key]]
        http = 204 if nothing and bare and self.empty == 204 else 200
        return Answer(pieces, TYPES[form], code, http, STATUSES[code][1], empty=nothing and bare)

    def interval(self, dataset, query):
        if "start" not in query or "stop" not in query:
            raise Refused(1400, "Bad request - start and stop must be given")
        times = []
        for name, code in (("start", 1402), ("stop", 1403)):
            try:
                times.append(instant(query[name]))
            except ValueError:
                raise Refused(code) from None
        if times[0] >= times[1]:
            raise Refused(1404)
        if times[0] < instant(dataset.start) or times[1] > instant(dataset.stop):
            told = dataset.told()
            raise Refused(1405, f"{STATUSES[1405][1]}; it has {told['startDate']} to {told['stopDate']}")
        return query["start"], query["stop"]

    def body(self, dataset, parameters, numbers, form, head):
        """Yield the bytes of a data answer."""
        text = "" if head is None else json.dumps(head, ensure_ascii=False, indent=1)
        if form == "json":
            yield text.removesuffix("}").rstrip().encode() + b',\n"data": [\n'
        elif text:
            yield "".join(f"#{line}\n" for line in text.splitlines()).encode()
        for place, index in enumerate(dataset.blocks(*numbers)):
            if form == "csv":
                yield hapi_data.csv(parameters, index, self.newline)
            elif form == "binary":
                yield hapi_data.binary(parameters, index)
            else:
                yield (b",\n" if place else b"") + hapi_data.json_records(parameters, index)
        if form == "json":
            yield b"\n]\n}\n"


def _moves(bins):
    return any(isinstance(bins.get(key), str) for key in ("centers", "ranges"))


def _resolved(told, definitions):
    """Return metadata with what its references point to (3.6.14)."""
    if isinstance(told, list):
        return [_resolved(one, definitions) for one in told]
    if not isinstance(told, dict):
        return told
    if "$ref" in told:
        return copy.deepcopy(definitions[told["$ref"].removeprefix("#/definitions/")])
    return {key: _resolved(value, definitions) for key, value in told.items()}
