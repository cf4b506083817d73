"""How long a CDF file takes to become an xarray Dataset and back, beside the raw bytes and the peers.

Run ``python benchmarks/cdf.py`` (``--mb 20`` for a smaller file). Seconds depend on the machine, ratios hardly.
The peers need the extra ``peers``: ``pip install -e .[peers]``; one that is not installed is left out. Each runs in a
process of its own; "peak" is how much its memory grew, the mapped file included.

Last printed (two shared cores with other work on them, Python 3.11)::

    206 MB                                     CPU s   wall s  CPU × raw  peak ÷ file
    raw bytes                                  0.042    0.046       0.96         1.00
    pycdfpp arrays                             0.028    0.028       0.64         2.00
    formats.read                               0.067    0.073       1.52         2.12
    formats.read(checksum=True)                0.199    0.285       4.55         2.12
    formats.read(variables=['B_GSE'])          0.018    0.037       0.42         0.52
    formats.read(chunks={})                    0.050    0.050       1.14         0.22
    cdflib.cdf_to_xarray                       1.483    1.539      33.91         3.00
    pyspedas.cdf_to_tplot                      2.742    4.836      62.69         4.40
    spacepy.pycdf                              5.198    7.879     118.82         1.28

    206 MB                                     CPU s   wall s  CPU × raw
    formats.write(….cdf)                       0.131    0.504       2.62
    formats.write(….nc)                        0.143    0.440       2.86
    cdflib.xarray_to_cdf                      19.547   40.700     390.86

       records      MB   formats.read, CPU s  ns a record  peak ÷ file
        100000       3                 0.010        104.1         2.06
       1000000      32                 0.044         44.0         2.54
      10000000     320                 0.132         13.2         2.28
"""

from __future__ import annotations

import argparse
import importlib.util
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


def write_noise(path: Path, megabytes: float, energies: int = 32) -> None:
    """Write a day of a magnetometer and, with ``energies``, of a spectrometer: noise, ``megabytes`` large."""
    import pycdfpp

    records = int(megabytes * 1e6 / (8 + 3 * 8 + energies * 4))
    random = np.random.default_rng(1)
    cdf = pycdfpp.CDF()
    cdf.add_attribute("TITLE", ["Noise, for a benchmark"])
    times = np.datetime64("2020-01-01", "ns") + np.arange(records) * np.timedelta64(10, "ms")
    on_time = {"DEPEND_0": "Epoch", "FILLVAL": [-1e31], "VAR_TYPE": "data"}
    cdf.add_variable("Epoch", values=times, data_type=pycdfpp.DataType.CDF_TIME_TT2000)
    cdf.add_variable(
        "labels", values=[["Bx", "By", "Bz"]], is_nrv=True, attributes={"VAR_TYPE": "metadata", "CATDESC": "Labels"}
    )
    field = {"UNITS": "nT", "LABL_PTR_1": "labels", "CATDESC": "Magnetic field, GSE"}
    cdf.add_variable("B_GSE", values=random.normal(size=(records, 3)), attributes=on_time | field)
    if energies:
        _add_flux(cdf, random.random((records, energies), dtype="f4"), on_time)
    pycdfpp.save(cdf, str(path))


def _add_flux(cdf: Any, values: Any, on_time: dict) -> None:
    cdf.add_variable(
        "energies",
        values=np.geomspace(10, 3e4, values.shape[1])[None],
        is_nrv=True,
        attributes={"UNITS": "eV", "CATDESC": "Energy"},
    )
    flux = {"UNITS": "cm-2 s-1 sr-1 eV-1", "DEPEND_1": "energies", "CATDESC": "Electron flux"}
    cdf.add_variable("flux", values=values, attributes=on_time | flux)


def raw_bytes(path: str) -> object:
    """Read the bytes and nothing else."""
    return np.fromfile(path, "u1")


def pycdfpp_arrays(path: str) -> object:
    """Load every variable as an array, without units, fills or axes."""
    import pycdfpp

    return [np.asarray(variable.values) for _, variable in pycdfpp.load(path).items()]


def ours(path: str) -> object:
    """formats.read as it comes: no checksum of a file this large."""
    from analysis import formats

    return formats.read(path)


def ours_with_checksum(path: str) -> object:
    """formats.read with the SHA-256 of the file, taken in a thread beside it."""
    from analysis import formats

    return formats.read(path, checksum=True)


def ours_one_variable(path: str) -> object:
    """One variable out of the file."""
    from analysis import formats

    return formats.read(path, variables=["B_GSE"])


def ours_later(path: str) -> object:
    """Everything but the values, which are read on first use."""
    from analysis import formats

    return formats.read(path, chunks={})


def cdflib_xarray(path: str) -> object:
    """cdflib's own way to xarray."""
    from cdflib.xarray import cdf_to_xarray

    return cdf_to_xarray(path, to_datetime=True, fillval_to_nan=True)


def pyspedas_tplot(path: str) -> object:
    """pyspedas's way to tplot variables, which are xarray too."""
    from pyspedas.tplot_tools import cdf_to_tplot

    return cdf_to_tplot(path)


def spacepy_arrays(path: str) -> object:
    """spacepy's arrays through NASA's library: no fills, no axes, times as datetime."""
    from spacepy import pycdf

    with pycdf.CDF(path) as held:
        return {name: held[name][...] for name in held}


def ours_to_cdf(path: str) -> object:
    """formats.write of what was read before."""
    from analysis import formats

    return formats.write(KEPT[path], str(Path(path).with_name("again.cdf")), overwrite=True)


def ours_to_netcdf(path: str) -> object:
    """The same as netCDF."""
    from analysis import formats

    return formats.write(KEPT[path], str(Path(path).with_name("again.nc")), overwrite=True)


def cdflib_to_cdf(path: str) -> object:
    """cdflib's way back, of what it reads itself."""
    from cdflib.xarray import xarray_to_cdf

    other = Path(path).with_name("theirs.cdf")
    other.unlink(missing_ok=True)
    return xarray_to_cdf(KEPT[path], str(other), istp=False)


KEPT: dict[str, object] = {}
READS = {
    "raw bytes": raw_bytes,
    "pycdfpp arrays": pycdfpp_arrays,
    "formats.read": ours,
    "formats.read(checksum=True)": ours_with_checksum,
    "formats.read(variables=['B_GSE'])": ours_one_variable,
    "formats.read(chunks={})": ours_later,
    "cdflib.cdf_to_xarray": cdflib_xarray,
    "pyspedas.cdf_to_tplot": pyspedas_tplot,
    "spacepy.pycdf": spacepy_arrays,
}
WRITES = {
    "formats.write(….cdf)": ours_to_cdf,
    "formats.write(….nc)": ours_to_netcdf,
    "cdflib.xarray_to_cdf": cdflib_to_cdf,
}
NEEDS = {cdflib_xarray: "cdflib", pyspedas_tplot: "pyspedas", spacepy_arrays: "spacepy", cdflib_to_cdf: "cdflib"}
KEEPERS = {ours_to_cdf: ours, ours_to_netcdf: ours, cdflib_to_cdf: cdflib_xarray}


def measured(work: Callable[[str], object], path: str, repeats: int) -> tuple[float, float, float]:
    """Return the least CPU and wall seconds, and how much the peak of memory grew in bytes."""
    for one in (str(Path(path).with_name("small.cdf")), path):
        if work in KEEPERS:
            KEPT[one] = KEEPERS[work](one)
        if one != path:
            work(one)  # imports and caches don't count
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    cpu, wall = [], []
    for _ in range(repeats):
        start, clock = time.process_time(), time.perf_counter()
        result = work(path)
        cpu.append(time.process_time() - start)
        wall.append(time.perf_counter() - clock)
        del result
    unit = 1 if sys.platform == "darwin" else 1024
    return min(cpu), min(wall), (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit


def alone(work: Callable[..., Any], *arguments: object) -> Any:
    """Return what a function gives in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as own:
        return own.apply(work, arguments)


def there(work: Callable[[str], object]) -> bool:
    """Return whether what a peer needs is installed; say so if not."""
    needed = NEEDS.get(work)
    if needed is None or importlib.util.find_spec(needed) is not None:
        return True
    print(f"{needed} is not installed, so it is left out")
    return False


def table(works: dict[str, Callable[[str], object]], path: Path, *, peaks: bool) -> None:
    """Print a line for each way, with the ratio to the raw bytes; a writer's peak is hidden by that of reading."""
    size = path.stat().st_size
    head = f"{f'{size / 1e6:.0f} MB':40}{'CPU s':>8}{'wall s':>9}{'CPU × raw':>11}"
    print(head + (f"{'peak ÷ file':>13}" if peaks else ""), flush=True)
    raw = alone(measured, raw_bytes, str(path), REPEATS)[0]
    for name, work in works.items():
        if there(work):
            cpu, wall, peak = alone(measured, work, str(path), 1 if work in NEEDS else REPEATS)
            line = f"{name:40}{cpu:8.3f}{wall:9.3f}{cpu / raw:11.2f}"
            print(line + (f"{peak / size:13.2f}" if peaks else ""), flush=True)


def growth(folder: Path) -> None:
    """Print how time and memory grow with the number of records."""
    print(f"\n{'records':>10}{'MB':>8}{'formats.read, CPU s':>22}{'ns a record':>13}{'peak ÷ file':>13}")
    for records in (100_000, 1_000_000, 10_000_000):
        path = folder / "grown.cdf"
        alone(write_noise, path, records * (8 + 3 * 8) / 1e6, 0)
        cpu, _, peak = alone(measured, ours, str(path), 3)
        size = path.stat().st_size
        print(f"{records:10d}{size / 1e6:8.0f}{cpu:22.3f}{cpu / records * 1e9:13.1f}{peak / size:13.2f}", flush=True)


def main() -> None:
    """Print tables of CPU and wall seconds and memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mb", type=float, default=206, help="size of the file in MB (default 206)")
    megabytes = parser.parse_args().mb
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "day.cdf"
        alone(write_noise, path, megabytes)  # a process inherits the memory peak of the one that starts it
        alone(write_noise, path.with_name("small.cdf"), 0.1)
        table(READS, path, peaks=True)
        print()
        table(WRITES, path, peaks=False)
        growth(path.parent)


if __name__ == "__main__":
    main()
