"""Build the index of CDAWeb's datasets that ships: analysis/catalogue/cdaweb_index.json.xz, cdaweb_parameters.json.xz.

    python tools/make_index.py [--check]

The package xhelio-cdaweb (import cdawebmcp) carries a description of each dataset: metadata/ has the parameters with
units, as CDAWeb's master CDFs have them, in the form of a HAPI /info answer without dates; observatories/ has title,
coverage and DOI, as CDAWeb's REST service tells them. The index has both, and nothing that depends on when or where
it is made. What a search looks through is in the first file, in plain lower-case words; the parameters with units and
descriptions are in the second, which is read only when they are asked for. With --check nothing is written: the
command fails if the index has not what would be written.
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

from analysis.catalogue.indexed import plain

FOLDER = Path(__file__).resolve().parents[1] / "analysis" / "catalogue"
PACKAGE = "xhelio-cdaweb"
LARGEST = 1_000_000  # bytes that may ship, of both


def main() -> int:
    """Write the index, or check it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the index is out of date")
    given = parser.parse_args()
    made = {FOLDER / name: text for name, text in indexed().items()}
    if given.check:
        old = [path.name for path, text in made.items() if _held(path) != text]
        if old:
            print(f"{' and '.join(old)}: out of date, run python tools/make_index.py")
        return int(bool(old))
    packed = {path: compressed(text) for path, text in made.items()}
    size = sum(map(len, packed.values()))
    if size > LARGEST:
        print(f"the index would have {size:,} bytes; {LARGEST:,} may ship")
        return 1
    for path, content in packed.items():
        path.write_bytes(content)
        print(f"{len(content):,} bytes in {path}")
    return 0


def _held(path: Path) -> str:
    return lzma.decompress(path.read_bytes()).decode("utf-8") if path.is_file() else ""


def indexed() -> dict[str, str]:
    """Return the files' texts by name: JSON, columns over the datasets, in the order of their ids."""
    data = files("cdawebmcp") / "data"
    told = filed(data / "observatories")
    found: dict[str, list[Any]] = {}
    more: dict[str, list[Any]] = {}
    for entry in sorted((data / "metadata").iterdir(), key=lambda one: one.name):
        name = entry.name.removesuffix(".json")
        parameters = [p for p in json.loads(entry.read_text("utf-8"))["parameters"] if p["name"] != "Time"]
        words = plain(" ".join(f"{p['name']} {p.get('description', '')}" for p in parameters))
        _add(found, {"id": name, **told[name], "words": words})
        row = {key: [p.get(key, "") for p in parameters] for key in ("name", "units", "description")}
        _add(more, {"id": name, **row})
    made_from = f"{PACKAGE} {version(PACKAGE)}, from CDAWeb's master CDFs and its REST service"
    columns = {"cdaweb_index.json.xz": found, "cdaweb_parameters.json.xz": more}
    return {
        name: json.dumps({"made_from": made_from, "datasets": told}, ensure_ascii=False, separators=(",", ":"))
        for name, told in columns.items()
    }


def _add(columns: dict[str, list[Any]], row: dict[str, Any]) -> None:
    for key, value in row.items():
        columns.setdefault(key, []).append(value)


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
