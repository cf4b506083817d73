"""A map on larger cells beside healpy.ud_grade, where healpy is installed, and a frame by coefficients.

Run ``python benchmarks/degrading.py [--quick]``: nside 512 to 64 (64 to 16 with --quick). healpy averages Q and U as if
all meridians were parallel; Sankō carries them along great circles, checks every value and hands out xarray with its
history. ud_grade is timed in NESTED order, where it does the same work, and in RING order, its default.
CPU seconds, the least of five runs.

The turns of Q and U are kept after the first map of a size, which is not counted.

Last printed (two shared cores with other work on them, healpy 1.20.1)::

    cmb.degraded I    512 to 64                6.3 ms CPU
    cmb.degraded IQU  512 to 64                9.6 ms CPU
    healpy.ud_grade I   NESTED                 17.4 ms    2.79 x sanko
    healpy.ud_grade I   RING                   63.5 ms   10.13 x sanko
    healpy.ud_grade IQU NESTED                 52.1 ms    5.45 x sanko
    healpy.ud_grade IQU RING                  190.5 ms   19.90 x sanko
    cmb.to_frame nside 128                     71.1 ms CPU
    healpy rotate_map_alms                     76.9 ms    1.08 x sanko
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import xarray as xr

from analysis import cmb
from analysis.cmb.maps import cell_ids

FACTS = {"frame": "galactic", "polconv": "COSMO", "temperature_scale": "K_CMB"}


def cpu_seconds(work: Callable[[], object], runs: int = 5) -> float:
    """Return the least CPU seconds of a few runs after one that is not counted."""
    work()
    spent = []
    for _ in range(runs):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return min(spent)


def noise(nside: int) -> xr.Dataset:
    """Return an I, Q, U map of white noise."""
    values = np.random.default_rng(1).normal(size=(3, 12 * nside**2))
    coords = {"stokes": ("stokes", list("IQU"), {"long_name": "Stokes parameter"}), "cell_ids": cell_ids(nside)}
    sky = xr.DataArray(values, dims=("stokes", "cells"), coords=coords, attrs={"units": "uK", "long_name": "Noise"})
    return xr.Dataset({"sky": sky}, attrs={**FACTS, "synthetic": "true", "history": "made for a benchmark"})


def main() -> None:
    """Print CPU seconds of each way and their ratio to ours."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true", help="nside 64 to 16")
    fine, coarse = (64, 16) if options.parse_args().quick else (512, 64)
    sky = noise(fine)
    one = sky.isel(stokes=[0]).copy(deep=True)
    ours = {"I": cpu_seconds(lambda: cmb.degraded(one, coarse)), "IQU": cpu_seconds(lambda: cmb.degraded(sky, coarse))}
    for name, spent in ours.items():
        print(f"cmb.degraded {name:4s} {fine} to {coarse}           {spent * 1e3:8.1f} ms CPU")
    try:
        import healpy
    except ModuleNotFoundError:
        print("healpy is not installed: no ratio to it (pip install healpy)")
        return
    values = sky.sky.values
    for name, held in (("I", values[0]), ("IQU", values)):
        for order in ("NESTED", "RING"):
            spent = cpu_seconds(lambda m=held, o=order: healpy.ud_grade(m, coarse, order_in=o, order_out=o))
            ratio = f"{spent / ours[name]:5.2f} x sanko"
            print(f"healpy.ud_grade {name:4s}{order:7s}            {spent * 1e3:8.1f} ms   {ratio}")
    frame = noise(fine // 4)
    turned = cpu_seconds(lambda: cmb.to_frame(frame, "icrs", lmax=fine // 4, iterations=3), 2)
    rotator, ring = healpy.Rotator(coord="GC"), [healpy.reorder(m, n2r=True) for m in frame.sky.values]
    spent = cpu_seconds(lambda: rotator.rotate_map_alms(ring, lmax=fine // 4, use_pixel_weights=False), 2)
    print(f"cmb.to_frame nside {fine // 4}                {turned * 1e3:8.1f} ms CPU")
    print(f"healpy rotate_map_alms                {spent * 1e3:8.1f} ms   {spent / turned:5.2f} x sanko")


if __name__ == "__main__":
    main()
