"""The command line: ``python -m analysis search|fetch|read|missions``."""

from __future__ import annotations

import argparse
import contextlib
import sys
import textwrap
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from analysis.errors import AnalysisError, BadOption


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m analysis", description="Sankō on the command line.")
    commands = parser.add_subparsers(dest="command", required=True)
    search = commands.add_parser("search", help="list products whose words match")
    search.add_argument("words", nargs="*", help="for example: solar wind")
    fetch = commands.add_parser("fetch", help="write a product to a netCDF file")
    fetch.add_argument("product")
    fetch.add_argument("output", type=Path, help="a new file; its name should end in .nc")
    read = commands.add_parser("read", help="open a file of your own, show it and check it")
    read.add_argument("path", type=Path)
    missions = commands.add_parser("missions", help="the ESA-JAXA programmes and what there is for each")
    missions.add_argument("words", nargs="*")
    return parser


def _search(words: str) -> str:
    import pandas as pd

    from analysis import catalogue

    found = pd.concat(
        [catalogue.search(field, words).assign(field=field) for field in catalogue.FIELDS], ignore_index=True
    )
    if found.empty:
        return f"no product has the words {words!r}; `python -m analysis search` lists all"
    return found[["field", "product", "title", "kind", "where"]].to_string(index=False)


def _fetch(name: str, output: Path) -> str:
    from analysis import catalogue

    data = import_module(f"analysis.{catalogue.field_of(name)}").fetch(name)
    if output.exists():
        raise BadOption(f"{output} exists already and is left as it is; name a new file")
    if not output.absolute().parent.is_dir():
        raise BadOption(f"there is no folder {output.absolute().parent} to write {output.name} in")
    partial = output.with_name(f".{output.name}.partial")
    try:
        data.to_netcdf(partial, engine="h5netcdf")
        partial.rename(output)
    except OSError as error:
        raise BadOption(f"{output} cannot be written: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
    return f"wrote {name} to {output}"


def _read(path: Path) -> str:
    from analysis import formats

    return f"{formats.read(path)}\n\nkeeps the data contract"


def _missions(words: str) -> str:
    from analysis import missions

    table = missions(words)
    if table.empty:
        return f"no programme has the words {words!r}; `python -m analysis missions` lists all"
    blocks = []
    for row in table.itertuples():
        lines = [f"{row.programme} ({row.agencies})", f"  phase: {row.phase}", f"  here: {row.offers}"]
        blocks.append("\n".join(textwrap.fill(line, 100, subsequent_indent="    ") for line in lines))
    return "\n\n".join(blocks)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; print its answer, or the error's message to stderr.

    Returns
    -------
    int
        0, or 1 where Sankō refused.
    """
    asked = _arguments().parse_args(arguments)
    try:
        match asked.command:
            case "search":
                answer = _search(" ".join(asked.words))
            case "fetch":
                answer = _fetch(asked.product, asked.output)
            case "read":
                answer = _read(asked.path)
            case _:
                answer = _missions(" ".join(asked.words))
    except AnalysisError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    print(answer)
    return 0


if __name__ == "__main__":
    sys.exit(main())
