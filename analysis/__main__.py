"""The command line: ``python -m analysis search|fetch|read|explore|missions|status|store``."""

from __future__ import annotations

import argparse
import contextlib
import inspect
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.errors import AnalysisError, BadOption

if TYPE_CHECKING:
    import pandas as pd

# What fetch takes on the command line; a field takes those that its own fetch has.
OPTIONS = ("start", "stop", "variables", "target", "radius", "obsid", "nside", "frequency", "live")


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m analysis", description="Sankō on the command line.")
    commands = parser.add_subparsers(dest="command", required=True)
    search = commands.add_parser("search", help="list products whose words match")
    search.add_argument("words", nargs="*", help="for example: solar wind")
    fetch = commands.add_parser("fetch", help="write a product to a netCDF file")
    fetch.add_argument("product", help="as search lists it, or any HAPI dataset: cdaweb/AC_H0_MFI")
    fetch.add_argument("output", type=Path, help="a new file; its name should end in .nc")
    fetch.add_argument("--start", help="UTC, for example 2001-03-31 or 2001-03-31T08:00")
    fetch.add_argument("--stop", help="UTC; the interval ends before it")
    fetch.add_argument("--variables", nargs="+", metavar="NAME", help="only these and their flags")
    fetch.add_argument("--target", help="a place, '148.96 69.68', or an object's name")
    fetch.add_argument("--radius", help="of the circle around the target, for example '30 arcsec'")
    fetch.add_argument("--obsid", help="the observation")
    fetch.add_argument("--nside", type=int, help="of a map of the sky")
    fetch.add_argument("--frequency", help="of a map or of channels, for example '353 GHz'")
    fetch.add_argument("--live", action="store_true", default=None, help="ask the archive for what also ships")
    read = commands.add_parser("read", help="open a file of your own, show it and check it")
    read.add_argument("path", type=Path)
    explore = commands.add_parser("explore", help="look at a file of your own, or a product, in the browser")
    explore.add_argument(
        "target", metavar="FILE", help="a file of any format that is read, a zarr store, or a product's name"
    )
    explore.add_argument("--port", type=int, default=0, help="on this machine; a free one by default")
    explore.add_argument("--no-browser", action="store_true", help="only print the address")
    explore.add_argument("--state", type=Path, help="a view that was saved as JSON")
    explore.add_argument("--model", help="for a spectrum: 'tbabs * powerlaw' by default")
    explore.add_argument("--band", type=float, nargs=2, metavar=("LOW", "HIGH"), help="of a spectrum, in keV")
    explore.add_argument("--theme", choices=("light", "dark"), help="light by default")
    missions = commands.add_parser("missions", help="the ESA-JAXA programmes and what there is for each")
    missions.add_argument("words", nargs="*")
    status = commands.add_parser("status", help="ask the archives whether they answer; exit 1 if one does not")
    status.add_argument("servers", nargs="*", metavar="NAME", help="short names; all by default")
    store = commands.add_parser("store", help="what is held of the archives on this machine")
    tasks = store.add_subparsers(dest="task", required=True)
    tasks.add_parser("status", help="list what is held")
    verify = tasks.add_parser("verify", help="read every file and list the damaged ones; exit 1 if there are any")
    verify.add_argument("--remove", action="store_true", help="remove them, so that they are fetched anew")
    prune = tasks.add_parser("prune", help="remove what was unused for longest")
    prune.add_argument("size", help="what may stay, for example 5GB")
    return parser


def _search(words: str) -> str:
    import pandas as pd

    from analysis import catalogue

    found = pd.concat(
        [catalogue.search(field, words).assign(field=field) for field in catalogue.FIELDS], ignore_index=True
    )
    if found.empty:
        return f"no product has the words {words!r}; `python -m analysis search` lists all"
    lines = _table(found[["field", "product", "where", "title"]])
    many = f"{len(found)} products; fetch one with `python -m analysis fetch PRODUCT FILE.nc --start … --stop …`"
    return "\n".join([*lines, "", many])


def _table(frame: pd.DataFrame) -> list[str]:
    """Return a table's lines, columns to the left; in a terminal none is wider, its last column is cut."""
    rows = [list(frame.columns), *frame.astype(str).to_numpy().tolist()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    if not (sys.stdout.isatty() or "COLUMNS" in os.environ):
        return lines
    room = max(shutil.get_terminal_size().columns, 60)
    return [line if len(line) <= room else line[: room - 1].rstrip() + "…" for line in lines]


def _fetch(name: str, output: Path, options: Mapping[str, object]) -> str:
    from analysis import catalogue

    field = catalogue.field_of(name)
    fetch = import_module(f"analysis.{field}").fetch
    if output.exists():
        raise BadOption(f"{output} exists already and is left as it is; name a new file")
    if not output.absolute().parent.is_dir():
        raise BadOption(f"there is no folder {output.absolute().parent} to write {output.name} in")
    takes = [option for option in OPTIONS if option in inspect.signature(fetch).parameters]
    if wrong := [option for option in options if option not in takes]:
        raise BadOption(f"{field}.fetch takes no --{wrong[0]}; for {name} there are --{', --'.join(takes)}")
    data = fetch(name, **options)
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


def _status(names: Sequence[str]) -> tuple[str, int]:
    from analysis import catalogue

    table = catalogue.status(names)
    shown = table.assign(
        reachable=table["reachable"].map({True: "yes", False: "no"}),
        latency=[f"{ms:.0f} ms" if ms == ms else "" for ms in table["latency"]],
        newest=table["newest"].dt.strftime("%Y-%m-%d").fillna(""),
    )[["server", "protocol", "reachable", "version", "latency", "newest", "example"]]
    lines = [f"{int(table['reachable'].sum())} of {len(table)} archives answer"]
    silent = [f"{row.server}: {row.answer}" for row in table[~table["reachable"]].itertuples()]
    if len(silent) == len(table) > 3:  # then it is rather this machine's network
        silent = [f"is this machine connected? The first said: {silent[0]}"]
    lines += silent
    return "\n".join([*_table(shown), "", *lines]), 0 if table["reachable"].all() else 1


def _store(asked: argparse.Namespace) -> tuple[str, int]:
    from analysis import store

    if asked.task == "prune":
        removed = store.prune(_bytes(asked.size))
        return f"removed {len(removed)} files; {_held()}", 0
    if asked.task == "verify":
        damaged = store.verify(remove=asked.remove)
        if damaged.empty:
            return f"every file is what its checksum says; {_held()}", 0
        lines = [f"{row.path} {' '.join(row.urls)}" for row in damaged.itertuples()]
        return "\n".join([f"{len(damaged)} damaged{', removed' if asked.remove else ''}:", *lines]), 1
    table = store.status()
    if table.empty:
        return _held(), 0
    return f"{table[['size', 'held', 'retrieved', 'used', 'url']].to_string(index=False)}\n\n{_held()}", 0


def _held() -> str:
    from analysis import store

    table = store.status()
    number = int(table.loc[table["held"], "sha256"].nunique())
    return f"{number} files, {table.attrs['size'] / 1e6:.1f} MB, in {table.attrs['home']}"


def _bytes(text: str) -> int:
    """Return a size such as 5GB in bytes.

    Examples
    --------
    >>> _bytes("1.5 GB")
    1500000000
    """
    said = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kMGT]?)B?", text.strip(), re.I)
    if said is None:
        raise BadOption(f"{text!r} is no size; write for example 500MB or 5GB")
    return int(float(said[1]) * 1000 ** " kmgt".index(said[2].lower() or " "))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; print its answer, or the error's message to stderr.

    Returns
    -------
    int
        0, or 1 where Sankō refused, an archive does not answer or a file is damaged.
    """
    asked = _arguments().parse_args(arguments)
    code = 0
    try:
        match asked.command:
            case "search":
                answer = _search(" ".join(asked.words))
            case "fetch":
                options = {name: value for name in OPTIONS if (value := getattr(asked, name)) is not None}
                answer = _fetch(asked.product, asked.output, options)
            case "read":
                answer = _read(asked.path)
            case "explore":
                from analysis.serving import serve

                answer = serve(
                    asked.target,
                    port=asked.port,
                    browser=not asked.no_browser,
                    state=asked.state,
                    model=asked.model,
                    band=tuple(asked.band) if asked.band else None,
                    theme=asked.theme,
                )
            case "status":
                answer, code = _status(asked.servers)
            case "store":
                answer, code = _store(asked)
            case _:
                answer = _missions(" ".join(asked.words))
    except AnalysisError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    print(answer)
    return code


if __name__ == "__main__":
    sys.exit(main())
