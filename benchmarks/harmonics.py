"""Harmonic transforms of HEALPix maps beside healpy, where it is installed (``pip install -e '.[peers]'``).

Run ``python benchmarks/harmonics.py [--nside 512] [--lmax 1024] [--runs 3]``. Both run in one process, one
after the other, on the same map and with the same number of threads; only the ratios are stable between
machines. The promises: T, E, B coefficients of an IQU map at nside 1024 at least 3 times faster than healpy
without iterations and 2.5 times at the same error; spectra through a mask at nside 256, lmax 512 within 0.5
s.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

import numpy as np
import xarray as xr

from analysis import cmb
from analysis.cmb.harmonics import alm_from_map, map_from_alm, multipoles, thread_count
from analysis.cmb.maps import cell_ids


def seconds(work: Callable[[], object], runs: int) -> float:
    """Return the shortest wall time of a few runs."""
    spent = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        spent.append(time.perf_counter() - start)
    return min(spent)


def coefficients(lmax: int) -> np.ndarray:
    """Return T, E, B coefficients that fall with ℓ as those of the sky do."""
    rng = np.random.default_rng(1)
    ell, m = multipoles(lmax)
    alm = (rng.normal(size=(3, ell.size)) + 1j * rng.normal(size=(3, ell.size))) / np.maximum(ell, 1)
    alm[:, m == 0] = alm[:, m == 0].real
    alm[:, ell < 2] = 0
    return alm


def teb(values: np.ndarray, nside: int, lmax: int, iterations: int) -> np.ndarray:
    """Return T, E, B of an IQU map in RING order."""
    options = {"nside": nside, "lmax": lmax, "iterations": iterations}
    return np.concatenate([alm_from_map(values[:1], **options), alm_from_map(values[1:], **options)])


def compare_analysis(nside: int, lmax: int, runs: int) -> None:
    """Print time and error of the analysis of an IQU map, ours and healpy's."""
    truth = coefficients(lmax)
    options = {"nside": nside, "lmax": lmax}
    values = np.concatenate([map_from_alm(truth[:1], **options), map_from_alm(truth[1:], **options)])
    try:
        import healpy
    except ModuleNotFoundError:
        healpy = None
        print("healpy is not installed: no ratio")
    print(f"IQU to T, E, B, nside {nside}, lmax {lmax}, {thread_count()} threads")
    for iterations in (0, 3):
        ours = seconds(lambda n=iterations: teb(values, nside, lmax, n), runs)
        wrong = np.abs(teb(values, nside, lmax, iterations) - truth).max() / np.abs(truth).max()
        line = f"  {iterations} iterations: {ours:7.3f} s, largest error {wrong:.1e}"
        if healpy is not None:
            theirs = seconds(
                lambda n=iterations: healpy.map2alm(values, lmax=lmax, iter=n, use_pixel_weights=False), runs
            )
            other = np.abs(np.stack(healpy.map2alm(values, lmax=lmax, iter=iterations)) - truth).max()
            other /= np.abs(truth).max()
            line += f"; healpy {theirs:7.3f} s, {other:.1e}: {theirs / ours:.1f} times faster"
        print(line)


def time_spectra(runs: int) -> None:
    """Print the time from mask to spectra at nside 256."""
    rng = np.random.default_rng(2)
    array = xr.DataArray(
        rng.normal(size=(3, 12 * 256**2)),
        dims=("stokes", "cells"),
        coords={"stokes": ["I", "Q", "U"], "cell_ids": cell_ids(256)},
        attrs={"units": "uK", "frame": "galactic", "polconv": "COSMO", "temperature_scale": "thermodynamic"},
    )
    mask = cmb.galactic_mask(256, latitude=20)
    for iterations in (0, 1, 3):
        spent = seconds(lambda n=iterations: cmb.power_spectra(array, mask=mask, lmax=512, iterations=n), runs)
        print(f"mask to TT … TB, nside 256, lmax 512, {iterations} iterations: {spent:.3f} s")


def main() -> None:
    """Read the command line, set one number of threads for both, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nside", type=int, default=512)
    parser.add_argument("--lmax", type=int, help="2 nside if left out; healpy's own default is 3 nside - 1")
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", str(thread_count()))  # healpy reads it when it is imported
    compare_analysis(asked.nside, asked.lmax or 2 * asked.nside, asked.runs)
    time_spectra(asked.runs)


if __name__ == "__main__":
    main()
