"""Build the index of CDAWeb's datasets that ships: analysis/catalogue/cdaweb_index.json.xz.

    python tools/make_index.py [--check]

The package xhelio-cdaweb (import cdawebmcp) carries a description of each dataset: metadata/ has the parameters with
units, as CDAWeb's master CDFs have them, in the form of a HAPI /info answer without dates; observatories/ has title,
coverage and DOI, as CDAWeb's REST service tells them. The index has both, and nothing that depends on when or where
it is made. With --check nothing is written: the command fails if the index has not what would be written.
"""

from __future__ import annotations

import argparse
import json
import lzma
import sys
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

INDEX = Path(__file__).resolve().parents[1] / "analysis" / "catalogue" / "cdaweb_index.json.xz"
PACKAGE = "xhelio-cdaweb"
LARGEST = 1_000_000  # bytes that may ship


def main() -> int:
    """Write the index, or check it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the index is out of date")
    given = parser.parse_args()
    text = indexed()
    if given.check:
        held = lzma.decompress(INDEX.read_bytes()).decode("utf-8") if INDEX.is_file() else ""
        if held != text:
            print(f"{INDEX.name} is out of date: run python tools/make_index.py")
            return 1
        return 0
    packed = compressed(text)
    if len(packed) > LARGEST:
        print(f"the index would have {len(packed):,} bytes; {LARGEST:,} may ship")
        return 1
    INDEX.write_bytes(packed)
    print(f"{len(json.loads(text)['datasets']['id'])} datasets, {len(packed):,} bytes in {INDEX}")
    return 0


def indexed() -> str:
    """Return the index as JSON: columns over the datasets, in the order of their ids."""
    data = files("cdawebmcp") / "data"
    told = filed(data / "observatories")
    columns: dict[str, list[Any]] = {}
    for entry in sorted((data / "metadata").iterdir(), key=lambda one: one.name):
        name = entry.name.removesuffix(".json")
        parameters = [p for p in json.loads(entry.read_text("utf-8"))["parameters"] if p["name"] != "Time"]
        row = {
            "id": name,
            **told[name],
            "name": [p["name"] for p in parameters],
            "units": [p["units"] for p in parameters],
            "description": [p.get("description", "") for p in parameters],
        }
        for key, value in row.items():
            columns.setdefault(key, []).append(value)
    made_from = f"{PACKAGE} {version(PACKAGE)}, from CDAWeb's master CDFs and its REST service"
    return json.dumps({"made_from": made_from, "datasets": columns}, ensure_ascii=False, separators=(",", ":"))


def filed(folder: Traversable) -> dict[str, dict[str, str]]:
    """Return title, groups, coverage (UTC, to the second) and DOI of each dataset."""
    found: dict[str, dict[str, str]] = {}
    for entry in sorted(folder.iterdir(), key=lambda one: one.name):
        observatory = json.loads(entry.read_text("utf-8"))
        for instrument in observatory["instruments"].values():
            for name, said in instrument["datasets"].items():
                found[name] = {
                    "title": said["description"],
                    "mission": observatory["name"],
                    "instrument": instrument["name"],
                    "start": said["start_date"].partition(".")[0],
                    "stop": said["stop_date"].partition(".")[0],
                    "doi": said.get("doi", ""),
                }
    return found


def compressed(text: str) -> bytes:
    """Return the text as xz, the same bytes for the same text."""
    return lzma.compress(text.encode("utf-8"), format=lzma.FORMAT_XZ, preset=9 | lzma.PRESET_EXTREME)


if __name__ == "__main__":
    sys.exit(main())
