"""Damaged files without end: small sound files, what is done to them, and a process that reads the results.

    python tests/mutants.py hapi 0 1000          reads mutants 0 to 999 of the kind
    python tests/mutants.py hapi 17 18 folder    writes mutant 17 into the folder and reads it there

Each mutant is made from its kind and number alone. The process says each number before it reads that mutant, and one
line of JSON for each that ended in anything but data that keep the contract or one of our errors. A mutant that takes
more than SECONDS of CPU time, or waits for WAITING, ends the process, with a traceback; memory ends at MEMORY above
what was there before.
"""

import base64
import collections
import contextlib
import faulthandler
import functools
import json
import random
import re
import resource
import signal
import struct
import sys
import tempfile
import traceback
import warnings
from pathlib import Path

from mutant_seeds import cdf_seeds, fits_seeds, hapi_seeds, pds_seeds, votable_seeds

SECONDS, WAITING, MEMORY = 5, 120, 1 << 30
NUMBERS = (0, 1, -1, 2, 7, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 1 << 24, 2**31 - 1, 2**31, 2**32 - 1)
NUMBERS += (2**53, 2**62, 2**63 - 1, -(2**31), -(2**63), 10**30)
WORDS = (
    "",
    " ",
    "NaN",
    "inf",
    "-inf",
    "1e999",
    "1e-400",
    "-0",
    "null",
    "true",
    "'",
    '"',
    "\0",
    "é∥🛰",
    "%s%n",
    "../../x",
)
WORDS += ("9" * 400, "-" * 9, "0x10", "1,2", "2001-02-30T25:61:61Z", "0000-00-00T00:00:00.000Z", "9999-12-31T23:59:60Z")


# ------------------------------------------------------------------------------------ any bytes


def flipped(chance, body):
    made = bytearray(body)
    reach = chance.choice([len(made), min(len(made), 2000)])
    for _ in range(chance.choice([1, 1, 2, 4, 16])):
        made[chance.randrange(reach)] ^= 1 << chance.randrange(8)
    return bytes(made)


def overwritten(chance, body):
    made = bytearray(body)
    at, size = chance.randrange(len(made)), chance.choice([1, 2, 4, 8, 64, 512])
    made[at : at + size] = chance.choice([b"\0", b"\xff", b" ", b"9", chance.randbytes(1)]) * len(made[at : at + size])
    return bytes(made)


def numbered(chance, body):
    """Put a telling number where a length, count or offset may be."""
    kind = chance.choice(["h", "i", "q"])
    size = struct.calcsize(kind)
    number = chance.choice(NUMBERS) % (1 << 8 * size)
    number -= (number >> (8 * size - 1)) << 8 * size
    reach = chance.choice([len(body), min(len(body), 1500)])
    at = chance.randrange(max(1, reach - size)) // size * size + chance.choice([0, 0, 4]) % max(1, reach)
    packed = struct.pack(chance.choice("<>") + kind, number)
    return body[:at] + packed + body[at + size :]


def cut(chance, body):
    return body[: chance.choice([chance.randrange(len(body)), len(body) - chance.randrange(1, min(len(body), 64))])]


def spliced(chance, body):
    """Take out, double or move a run of bytes."""
    first, size = chance.randrange(len(body)), chance.choice([1, 3, 8, 80, 400, 2880])
    run, other = body[first : first + size], chance.randrange(len(body))
    rest = body[:first] + body[first + size :]
    return chance.choice([rest, body[:other] + run + body[other:], rest[:other] + run + rest[other:]])


def retyped(chance, body):
    """Replace one number that is written in digits."""
    found = list(re.finditer(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?", body[: chance.choice([4000, len(body)])]))
    if not found:
        return flipped(chance, body)
    one = chance.choice(found)
    new = str(chance.choice(NUMBERS)) if chance.random() < 0.6 else chance.choice(WORDS)
    return body[: one.start()] + new.encode() + body[one.end() :]


ANY = (flipped, overwritten, numbered, cut, spliced, retyped)


# ------------------------------------------------------------------------------------ HAPI


def _mutated_value(chance, value):
    """Return JSON that is wrong in one place."""
    if isinstance(value, dict) and value and chance.random() < 0.85:
        key = chance.choice(list(value))
        made = dict(value)
        how = chance.random()
        if how < 0.12:
            del made[key]
        elif how < 0.2:
            made[chance.choice([*value, "x", "size", "bins", "length", "$ref"])] = made.pop(key)
        elif how < 0.28:
            made[key] = chance.choice([made[key], [made[key]], {key: made[key]}, {"$ref": f"#/{key}"}])
        else:
            made[key] = _mutated_value(chance, value[key])
        return made
    if isinstance(value, list) and value and chance.random() < 0.85:
        at = chance.randrange(len(value))
        how = chance.random()
        if how < 0.12:
            return value[:at] + value[at + 1 :]
        if how < 0.24:
            return value[:at] + [value[at]] * chance.choice([2, 3, 50]) + value[at + 1 :]
        return [*value[:at], _mutated_value(chance, value[at]), *value[at + 1 :]]
    number = chance.choice(NUMBERS)
    nested = functools.reduce(lambda inner, _: [inner], range(chance.choice([3, 300])), 1)
    return chance.choice([number, -number, float(number) / 3, None, True, [], {}, nested, *WORDS])


def header_changed(chance, body):
    """Change the JSON of a header, or of an answer that is all JSON."""
    lines = body.split(b"\n")
    count = next((n for n, line in enumerate(lines) if not line.startswith(b"#")), len(lines))
    text = b"\n".join(line[1:] for line in lines[:count]) if count else body
    try:
        told = json.loads(text)
    except ValueError:
        return retyped(chance, body)
    for _ in range(chance.choice([1, 1, 2, 3])):
        told = _mutated_value(chance, told)
    made = json.dumps(told).encode()
    return b"#" + made + b"\n" + b"\n".join(lines[count:]) if count else made


def line_changed(chance, body):
    """Take out, double or swap lines, or a cell of one."""
    lines = body.split(b"\n")
    at, other = chance.randrange(len(lines)), chance.randrange(len(lines))
    how = chance.random()
    if how < 0.2:
        del lines[at]
    elif how < 0.4:
        lines.insert(other, lines[at])
    elif how < 0.6:
        lines[at], lines[other] = lines[other], lines[at]
    else:
        cells = lines[at].split(b",")
        cells[chance.randrange(len(cells))] = str(chance.choice([*NUMBERS, *WORDS])).encode()
        lines[at] = b",".join(cells)
    return b"\n".join(lines)


# ------------------------------------------------------------------------------------ VOTable


def attribute_changed(chance, body):
    found = list(re.finditer(rb'(\w+)="([^"]*)"', body))
    one = chance.choice(found)
    if chance.random() < 0.15:
        return body[: one.start()] + body[one.end() :]
    other = chance.choice(found)[2]
    kinds = [b"boolean", b"bit", b"unsignedByte", b"short", b"int", b"long", b"char", b"unicodeChar", b"float"]
    kinds += [
        b"double",
        b"floatComplex",
        b"doubleComplex",
        b"*",
        b"3*",
        b"2x3",
        b"0",
        b"-1",
        b"99999999999",
        b"2x99999999",
    ]
    word = str(chance.choice([*NUMBERS, *WORDS])).replace('"', "&quot;").encode()
    return body[: one.start(2)] + chance.choice([other, word, chance.choice(kinds)]) + body[one.end(2) :]


def element_changed(chance, body):
    found = list(re.finditer(rb"</?[A-Z][A-Za-z0-9]*[^>]*>", body))
    one, other = chance.choice(found), chance.choice(found)
    how = chance.random()
    if how < 0.35:
        return body[: one.start()] + body[one.end() :]
    if how < 0.7:
        return body[: one.start()] + other[0] + body[one.end() :]
    if how < 0.9:
        return body[: other.start()] + one[0] * chance.choice([1, 2, 500]) + body[other.start() :]
    first, last = sorted([one.start(), other.end()])
    return body[:last] + body[first:last] * chance.choice([1, 3]) + body[last:]


def entities(chance, body):
    bomb = b'<!DOCTYPE V [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "' + b"&a;" * 50 + b'"><!ENTITY c "' + b"&b;" * 50 + b'">'
    bomb += b'<!ENTITY f SYSTEM "file:///etc/passwd">]>'
    at = body.find(b"?>") + 2
    return (body[:at] + bomb + body[at:]).replace(b"<TD>", b"<TD>" + chance.choice([b"&c;", b"&f;", b"&x;"]), 1)


def stream_changed(chance, body):
    """Change the bytes that a base64 stream packs."""
    found = re.search(rb"(<STREAM[^>]*>)([^<]*)(</STREAM>)", body)
    if not found:
        return attribute_changed(chance, body)
    packed = base64.b64decode(found[2])
    made = chance.choice(ANY)(chance, packed) if packed else chance.randbytes(9)
    return body[: found.start(2)] + base64.b64encode(made) + body[found.end(2) :]


# ------------------------------------------------------------------------------------ CDF


def record_changed(chance, body):
    """Put a telling number into one of the fields of a record."""
    places, at = [], 8
    while at + 12 <= len(body) and len(places) < 400:
        size = int.from_bytes(body[at : at + 8], "big")
        places.append((at, size))
        if size < 12:
            break
        at += size
    first, size = chance.choice(places)
    at = first + 4 * chance.randrange(max(1, min(size, 120) // 4))
    width = chance.choice([4, 8])
    old = int.from_bytes(body[at : at + width], "big")
    starts = [start for start, _ in places]
    choice = [*NUMBERS, old + 1, old - 1, old * 2, *chance.sample(starts, min(5, len(starts))), chance.randrange(60)]
    number = chance.choice(choice) % (1 << 8 * width)
    return body[:at] + number.to_bytes(width, "big") + body[at + width :]


# ------------------------------------------------------------------------------------ FITS


def card_changed(chance, body):
    """Change, double, swap or take out a card of a header."""
    cards = [
        at for at in range(0, min(len(body), 60_000), 80) if re.match(rb"[A-Z][A-Z0-9_-]*\s*(=|$)", body[at : at + 9])
    ]
    if not cards:
        return flipped(chance, body)
    at, other = chance.choice(cards), chance.choice(cards)
    card, how = body[at : at + 80], chance.random()
    if how < 0.1:
        new = b" " * 80
    elif how < 0.2:
        new = body[other : other + 80]
    elif how < 0.3:
        new = card[:8] + body[other + 8 : other + 80]
    elif how < 0.35:
        return body[:at] + body[at + 80 :]
    else:
        forms = [
            "'1J'",
            "'PE(9)'",
            "'QD'",
            "'1PJ(99999999)'",
            "'0A'",
            "'99999999999D'",
            "'X'",
            "'3L'",
            "'M'",
            "'-1I'",
            "'(3,-4)'",
        ]
        forms += [
            "'BINTABLE'",
            "'IMAGE'",
            "'TABLE'",
            "'MJD'",
            "'nope/s'",
            "T",
            "F",
            "1.5D400",
            "(1.0,2.0)",
            "'unclosed",
        ]
        value = chance.choice([str(chance.choice(NUMBERS)), chance.choice(forms), chance.choice(WORDS)])
        new = (card[:10] + f"{value:>20}".encode("utf-8", "replace"))[:80].ljust(80)
    return body[:at] + new + body[at + 80 :]


# ------------------------------------------------------------------------------------ PDS


def label_changed(chance, body):
    """Change a value of an ODL label, or of an XML one."""
    found = list(re.finditer(rb"=[ ]*([^\r\n]+)|>([^<>]+)<", body[:20_000]))
    if not found:
        return flipped(chance, body)
    one, other = chance.choice(found), chance.choice(found)
    group = 1 if one[1] is not None else 2
    word = chance.choice([str(chance.choice(NUMBERS)).encode(), chance.choice(WORDS).encode(), other[1] or other[2]])
    return body[: one.start(group)] + word + body[one.end(group) :]


KINDS = {
    "hapi": (hapi_seeds, (header_changed,) * 6 + (line_changed,) * 3 + ANY),
    "votable": (
        votable_seeds,
        (attribute_changed,) * 5 + (element_changed,) * 3 + (stream_changed,) * 3 + (entities,) + ANY,
    ),
    "cdf": (cdf_seeds, (record_changed,) * 8 + ANY),
    "fits": (fits_seeds, (card_changed,) * 8 + ANY),
    "pds": (pds_seeds, (label_changed,) * 6 + (element_changed, line_changed) + ANY),
}


# ------------------------------------------------------------------------------------ one after the other


@functools.cache
def seeds(kind):
    with warnings.catch_warnings(action="ignore"):
        return tuple(KINDS[kind][0]())


def mutant(kind, number):
    """Return the files of a mutant, that which is to be read first."""
    chance = random.Random(f"{kind} {number}")
    made = dict(chance.choice(seeds(kind)))
    names = list(made)
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        name = names[0] if chance.random() < 0.85 else chance.choice(names)
        with contextlib.suppress(IndexError, ValueError):  # a mutation that has no place in what others left
            made[name] = chance.choice(KINDS[kind][1])(chance, made[name]) or b"\n"
    return made


def read(folder, made):
    """Read a mutant; return what came of it: "data", the name of one of our errors, or else a traceback."""
    from analysis import formats
    from analysis.errors import AnalysisError
    from analysis.model import check

    for name, body in made.items():
        (folder / name).write_bytes(body)
    try:
        with warnings.catch_warnings(action="ignore"):
            check(formats.read(folder / next(iter(made))))
    except AnalysisError as error:
        return type(error).__name__
    except Exception:
        return traceback.format_exc(limit=-6)
    return "data"


def allow(seconds):
    """Let this process use so many seconds of CPU time from now on, then end it with a traceback."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + seconds + 1, resource.RLIM_INFINITY))


def main(kind, first, last, folder=None):
    came = collections.Counter()
    with tempfile.TemporaryDirectory(prefix="mutants-") as own:
        place = Path(folder or own)
        for one in seeds(kind):  # all is imported before memory is counted
            if (found := read(place, one)) != "data":
                raise SystemExit(f"a sound file of {kind}, {next(iter(one))}, cannot be read: {found}")
        held = int(re.search(r"VmSize:\s+(\d+)", Path("/proc/self/status").read_text())[1]) << 10
        resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY, held + MEMORY))
        faulthandler.enable()
        faulthandler.register(signal.SIGXCPU, chain=True)
        for number in range(int(first), int(last)):
            print(number, flush=True)
            made = mutant(kind, number)
            allow(SECONDS)
            faulthandler.dump_traceback_later(WAITING, exit=True)
            found = read(place, made)
            if "\n" in found:
                print(json.dumps({"mutant": number, "problem": found}), flush=True)
            came["problem" if "\n" in found else found] += 1
    faulthandler.cancel_dump_traceback_later()
    print(json.dumps({"came": came}))


if __name__ == "__main__":
    main(*sys.argv[1:])
