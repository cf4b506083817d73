"""An X-ray event list from FITS to xarray beside a raw memory map and astropy.

Run ``python benchmarks/fits_events.py [--quick]``. All read the same 1e7 events (1e5 with --quick) of four
columns from the file cache into native arrays. Sankō also checks that the file is whole, the order of
time, fills and the data contract; ``formats.read`` takes the file's checksum besides. The promise: the
reader takes at most 1.7 times the raw memory map.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from astropy.io import fits as astropy_fits

from analysis import formats
from analysis.formats import fits

COLUMNS = {"TIME": ("D", "s"), "X": ("E", "pixel"), "Y": ("E", "pixel"), "PI": ("J", "chan")}
CLOCK = {
    "HDUCLASS": "OGIP",
    "HDUCLAS1": "EVENTS",
    "MJDREF": 50814.0,
    "TIMESYS": "TT",
    "TELESCOP": "BENCHMARK",
}


def cpu_seconds(work: Callable[[], object], runs: int) -> float:
    """Return the least CPU seconds of a few runs after one that is not counted."""
    work()
    spent = []
    for _ in range(runs):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return min(spent)


def write_events(path: Path, count: int) -> None:
    """Write events of noise, in order of time."""
    rng = np.random.default_rng(1)
    values = {
        "TIME": np.sort(rng.uniform(0, 1e5, count)),
        "X": rng.uniform(0, 8192, count),
        "Y": rng.uniform(0, 8192, count),
        "PI": rng.integers(0, 1024, count),
    }
    columns = [astropy_fits.Column(n, form, unit, array=values[n]) for n, (form, unit) in COLUMNS.items()]
    table = astropy_fits.BinTableHDU.from_columns(columns, name="EVENTS")
    table.header.update(CLOCK)
    table.writeto(path)


def raw_columns(path: Path, count: int, offset: int) -> list[np.ndarray]:
    """Return the columns through numpy.memmap, knowing beforehand where they lie."""
    kind = np.dtype([("t", ">f8"), ("x", ">f4"), ("y", ">f4"), ("p", ">i4")])
    rows = np.memmap(path, kind, "r", offset, (count,))
    return [rows[name].astype(rows[name].dtype.newbyteorder("=")) for name in ("t", "x", "y", "p")]


def astropy_columns(path: Path) -> list[np.ndarray]:
    """Return the columns through astropy, memory-mapped."""
    with astropy_fits.open(path, memmap=True) as hdus:
        data = hdus[1].data
        return [data[n].astype(data[n].dtype.newbyteorder("=")) for n in COLUMNS]


def main() -> None:
    """Print CPU seconds of each way and its ratio to the raw memory map."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true", help="1e5 events, one run")
    quick = options.parse_args().quick
    count, runs = (100_000, 1) if quick else (10_000_000, 5)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.fits"
        write_events(path, count)
        with astropy_fits.open(path) as hdus:
            offset = hdus[1].fileinfo()["datLoc"]
        ways: dict[str, Callable[[], object]] = {
            "raw numpy.memmap": lambda: raw_columns(path, count, offset),
            "astropy, memory-mapped": lambda: astropy_columns(path),
            "sanko, the reader": lambda: fits.read(path, {}),
            "sanko, formats.read (+ sha256)": lambda: formats.read(path),
        }
        base = None
        for name, work in ways.items():
            spent = cpu_seconds(work, runs)
            base = spent if base is None else base
            print(f"{name:32s} {spent:7.3f} s CPU   {spent / base:5.2f} x raw")


if __name__ == "__main__":
    main()
