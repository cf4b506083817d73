"""Component separation of 15 bands at nside 256, beside the time fgbuster 2.0.0 took when it was measured.

Run ``python benchmarks/components.py [--nside 256] [--runs 3]``. fgbuster is not on the package registry: its 22 s of
CPU (15 bands, Q and U, nside 256, ``basic_comp_sep`` with two spectral indices) were measured on one core of another
machine of this kind, and the ratio is to that stored number. Ours runs on one thread: ``OMP_NUM_THREADS=1``. The
promise: at least 30 times faster.

Last printed (two shared cores with other work on them, Python 3.11, numpy 2.4)::

    15 bands, Q and U, nside 256       CPU s   wall s   fgbuster ÷ ours (stored)
    parametric_components                0.110    0.110                        200
    …, galactic mask                     0.176    0.177                        125
    …, 192 patches                       0.137    0.137                        161
    indices off by [-1.58 -0.69] standard errors
    one LiteBIRD realization at nside 64 drawn and fitted: 0.350 s; 1,000 in 5.8 min
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import xarray as xr

from analysis import cmb

FGBUSTER_SECONDS = 22.0
FREQUENCIES = [40.0, 50, 60, 68, 78, 89, 100, 119, 140, 166, 195, 235, 280, 337, 402]
DEPTHS = [37.42, 33.46, 21.31, 16.87, 12.07, 11.3, 6.56, 4.58, 4.79, 5.57, 5.85, 10.79, 13.8, 21.95, 47.45]


def channels() -> xr.Dataset:
    """Return LiteBIRD's bands, those of one frequency together."""
    depth = ("channel_name", DEPTHS, {"units": "uK arcmin", "long_name": "Depth"})
    nu = ("channel_name", FREQUENCIES, {"units": "GHz", "long_name": "Band centre"})
    return xr.Dataset({"polarization_sensitivity": depth}, coords={"frequency": nu})


def seconds(work: Callable[[], object], runs: int) -> tuple[float, float]:
    """Return the least CPU and wall seconds of a few runs."""
    spent = []
    for _ in range(runs):
        cpu, wall = time.process_time(), time.perf_counter()
        work()
        spent.append((time.process_time() - cpu, time.perf_counter() - wall))
    return min(c for c, _ in spent), min(w for _, w in spent)


def main() -> None:
    """Print a line for each way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nside", type=int, default=256)
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args()
    sky = cmb.simulated_sky(channels(), asked.nside, seed=1, beams=None)
    mask = cmb.galactic_mask(asked.nside, latitude=20)
    works = {
        "parametric_components": lambda: cmb.parametric_components(sky),
        "…, galactic mask": lambda: cmb.parametric_components(sky, mask=mask),
        "…, 192 patches": lambda: cmb.parametric_components(sky, patches=4),
    }
    print(f"15 bands, Q and U, nside {asked.nside}{'CPU s':>12}{'wall s':>9}{'fgbuster ÷ ours (stored)':>27}")
    for name, work in works.items():
        cpu, wall = seconds(work, asked.runs)
        ratio = f"{FGBUSTER_SECONDS / cpu:27.0f}" if asked.nside == 256 else ""
        print(f"{name:33}{cpu:9.3f}{wall:9.3f}{ratio}", flush=True)
    fit = cmb.parametric_components(sky)
    away = ((fit.value - np.array([1.54, -3.0])) / fit.error).values
    print("indices off by", away.round(2), "standard errors")
    many = cmb.simulated_sky("litebird", 64, seed=1, beams="80 arcmin", realizations=20)
    start = time.perf_counter()
    for number in range(20):
        cmb.parametric_components(many.isel(realization=number))
    each = (time.perf_counter() - start) / 20
    print(f"one LiteBIRD realization at nside 64 drawn and fitted: {each:.3f} s; 1,000 in {each * 1000 / 60:.1f} min")


if __name__ == "__main__":
    main()
