"""How long a CDF file takes to become an xarray Dataset, beside the raw bytes and the peers.

Run ``python benchmarks/cdf.py`` (``--mb 20`` for a smaller file). CPU seconds depend on the machine, ratios hardly.
The peer needs the extra ``peers``: ``pip install -e .[peers]``.

Last printed (two shared cores, Python 3.11; the peak counts the mapped file too)::

    206 MB                                     CPU s    × raw  peak ÷ file
    raw bytes                                  0.043      1.0         0.96
    pycdfpp arrays                             0.030      0.7         1.98
    analysis.formats.cdf.read                  0.068      1.6         2.11
    analysis.formats.read (with SHA-256)       0.211      4.9         2.11
    cdflib.cdf_to_xarray                       1.447     33.4         3.01
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

REPEATS = 7


def write(path: Path, megabytes: float) -> None:
    """Write a day of a magnetometer and of a particle spectrometer: noise in ISTP's words, ``megabytes`` large."""
    import pycdfpp

    records = int(megabytes * 1e6 / (8 + 3 * 8 + 32 * 4))
    random = np.random.default_rng(1)
    cdf = pycdfpp.CDF()
    cdf.add_attribute("TITLE", ["Noise, for a benchmark"])
    times = np.datetime64("2020-01-01", "ns") + np.arange(records) * np.timedelta64(10, "ms")
    on_time = {"DEPEND_0": "Epoch", "FILLVAL": [-1e31], "VAR_TYPE": "data"}
    cdf.add_variable("Epoch", values=times, data_type=pycdfpp.DataType.CDF_TIME_TT2000)
    cdf.add_variable(
        "energies", values=np.geomspace(10, 3e4, 32)[None], is_nrv=True, attributes={"UNITS": "eV", "CATDESC": "Energy"}
    )
    cdf.add_variable(
        "labels", values=[["Bx", "By", "Bz"]], is_nrv=True, attributes={"VAR_TYPE": "metadata", "CATDESC": "Labels"}
    )
    field = {"UNITS": "nT", "LABL_PTR_1": "labels", "CATDESC": "Magnetic field, GSE"}
    cdf.add_variable("B_GSE", values=random.normal(size=(records, 3)), attributes=on_time | field)
    flux = {"UNITS": "cm-2 s-1 sr-1 eV-1", "DEPEND_1": "energies", "CATDESC": "Electron flux"}
    values = random.random((records, 32), dtype="f4")
    cdf.add_variable("flux", values=values, attributes=on_time | flux)
    pycdfpp.save(cdf, str(path))


def raw_bytes(path: str) -> object:
    """Read the bytes and nothing else."""
    return np.fromfile(path, "u1")


def pycdfpp_arrays(path: str) -> object:
    """Load every variable as an array, without units, fills or axes."""
    import pycdfpp

    return [np.asarray(variable.values) for _, variable in pycdfpp.load(path).items()]


def reader(path: str) -> object:
    """Our reader: axes, units, fills, the data contract."""
    from analysis.formats import cdf

    return cdf.read(Path(path), {})


def front_door(path: str) -> object:
    """formats.read: our reader, and the SHA-256 of the file for its provenance."""
    from analysis import formats

    return formats.read(path)


def peer(path: str) -> object:
    """cdflib's own way to xarray."""
    from cdflib.xarray import cdf_to_xarray

    return cdf_to_xarray(path, to_datetime=True, fillval_to_nan=True)


def measured(work: Callable[[str], object], path: str, repeats: int) -> tuple[float, float]:
    """Return the least CPU seconds, and how much the peak of memory grew in bytes; run in a process of its own."""
    work(str(Path(path).with_name("small.cdf")))  # imports and caches don't count
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    spent = []
    for _ in range(repeats):
        start = time.process_time()
        result = work(path)
        spent.append(time.process_time() - start)
        del result
    unit = 1 if sys.platform == "darwin" else 1024
    return min(spent), (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit


def alone(work: Callable[..., Any], *arguments: object) -> Any:
    """Return what a function gives in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as own:
        return own.apply(work, arguments)


def main() -> None:
    """Print a table of CPU seconds and memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mb", type=float, default=206, help="size of the file in MB (default 206)")
    megabytes = parser.parse_args().mb
    works = {"raw bytes": raw_bytes, "pycdfpp arrays": pycdfpp_arrays, "analysis.formats.cdf.read": reader}
    works["analysis.formats.read (with SHA-256)"] = front_door
    try:
        import cdflib  # noqa: F401

        works["cdflib.cdf_to_xarray"] = peer
    except ImportError:
        print("cdflib is not installed, so it is left out: pip install -e .[peers]")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "day.cdf"
        alone(write, path, megabytes)  # a process inherits the memory peak of the one that starts it
        alone(write, path.with_name("small.cdf"), 0.1)
        size = path.stat().st_size
        print(f"{size / 1e6:.0f} MB{'CPU s':>42}{'× raw':>9}{'peak ÷ file':>13}")
        raw = 0.0
        for name, work in works.items():
            seconds, peak = alone(measured, work, str(path), 1 if work is peer else REPEATS)
            raw = raw or seconds
            print(f"{name:40}{seconds:8.3f}{seconds / raw:9.1f}{peak / size:13.2f}")


if __name__ == "__main__":
    main()
