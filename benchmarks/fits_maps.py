"""A HEALPix map from FITS to xarray beside healpy.read_map, where healpy is installed.

Run ``python benchmarks/fits_maps.py [--quick]``. All read the same I, Q, U map, nside 1024 (32 with --quick),
from the file cache. Sankō always gives NESTED order, checks the data contract and hands out xarray; healpy is
timed with the same order out (``nest=True``) and in RING order, its default. Compare ratios of CPU seconds.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from astropy.io import fits as astropy_fits

from analysis.formats import fits

FACTS = {"NSIDE": 0, "PIXTYPE": "HEALPIX", "INDXSCHM": "IMPLICIT", "COORDSYS": "G", "POLCCONV": "COSMO"}


def cpu_seconds(work: Callable[[], object], runs: int) -> float:
    """Return the least CPU seconds of a few runs after one that is not counted."""
    work()
    spent = []
    for _ in range(runs):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return min(spent)


def write_map(path: Path, nside: int, ordering: str) -> None:
    """Write an I, Q, U map of noise, 1024 pixels a row as HEALPix tools do."""
    rng = np.random.default_rng(1)
    values = rng.normal(size=(3, 12 * nside**2 // 1024, 1024)).astype(np.float32)
    names = ("I_STOKES", "Q_STOKES", "U_STOKES")
    columns = [astropy_fits.Column(n, "1024E", "K_CMB", array=v) for n, v in zip(names, values, strict=True)]
    table = astropy_fits.BinTableHDU.from_columns(columns)
    table.header.update({**FACTS, "NSIDE": nside, "ORDERING": ordering})
    table.writeto(path)


def peers(path: Path) -> dict[str, Callable[[], object]]:
    """Return the ways to read the file beside ours."""
    found: dict[str, Callable[[], object]] = {
        "astropy, columns to native": lambda: native_columns(path),
    }
    try:
        import healpy
    except ModuleNotFoundError:
        print("healpy is not installed: no ratio to it (pip install healpy)")
        return found
    found["healpy.read_map(nest=True)"] = lambda: healpy.read_map(path, field=(0, 1, 2), nest=True)
    found["healpy.read_map(nest=False)"] = lambda: healpy.read_map(path, field=(0, 1, 2), nest=False)
    return found


def native_columns(path: Path) -> list[np.ndarray]:
    """Return the columns through astropy in the file's own order."""
    with astropy_fits.open(path) as hdus:
        data = hdus[1].data
        return [np.ascontiguousarray(data[n], np.float32).reshape(-1) for n in data.names]


def main() -> None:
    """Print CPU seconds of each way for a file in RING and one in NESTED order."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true", help="nside 32, one run")
    quick = options.parse_args().quick
    nside, runs = (32, 1) if quick else (1024, 5)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        for ordering in ("RING", "NESTED"):
            path = Path(folder) / f"{ordering}.fits"
            write_map(path, nside, ordering)
            ours = cpu_seconds(partial(fits.read, path, {}), runs)
            print(f"nside {nside}, {ordering} in the file\n  {'sanko':30s} {ours:7.3f} s CPU")
            for name, work in peers(path).items():
                spent = cpu_seconds(work, runs)
                print(f"  {name:30s} {spent:7.3f} s CPU   {spent / ours:5.2f} x sanko")


if __name__ == "__main__":
    main()
