"""Harmonic transforms of HEALPix maps beside healpy, where it is installed (``pip install -e '.[peers]'``).

Run ``python benchmarks/harmonics.py [--nside 512] [--lmax 1024] [--runs 3]``. Both run in one process, one
after the other, on the same map and with the same number of threads; only the ratios are stable between
machines. The promises: T, E, B coefficients of an IQU map at nside 1024 at least 3 times faster than healpy
without iterations and 2.5 times at the same error; smoothing 8 times and rotation of coefficients 5 times faster;
spectra through a mask at nside 256, lmax 512 within 0.5 s.

Last printed (two cores shared with other work, load 6, Python 3.11; smoothing misses its promise)::

    IQU to T, E, B, nside 512, lmax 1024, 2 threads
      0 iterations:   0.912 s, largest error 3.2e-05; healpy   2.741 s, 3.2e-05: 3.0 times faster
      3 iterations:   8.484 s, largest error 5.8e-08; healpy  22.576 s, 5.8e-08: 2.7 times faster
    smoothing IQU, nside 512, lmax 1024, 0 iterations: 4.307 s; healpy 6.219 s (1.4 times faster; 2e-13 apart)
    smoothing IQU, nside 512, lmax 1024, 3 iterations: 8.890 s; healpy 14.838 s (1.7 times faster; 4e-13 apart)
    rotation of T, E, B, lmax 1024: 0.776 s; healpy 24.698 s (31.8 times faster)
    mask to pseudo TT … TB, nside 256, lmax 512, 0 iterations: 0.229 s
    mask to pseudo TT … TB, nside 256, lmax 512, 1 iterations: 0.468 s
    mask to pseudo TT … TB, nside 256, lmax 512, 3 iterations: 0.924 s
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

import numpy as np
import xarray as xr

from analysis import cmb
from analysis.cmb.coefficients import alm_dataset
from analysis.cmb.harmonics import alm_from_map, map_from_alm, multipoles, thread_count
from analysis.cmb.maps import cell_ids, ring_order


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


def compare_smoothing(nside: int, lmax: int, runs: int) -> None:
    """Print the time of smoothing an IQU map, ours and healpy's, neither with iterations more than the other."""
    try:
        import healpy
    except ModuleNotFoundError:
        return
    truth = coefficients(lmax)
    options = {"nside": nside, "lmax": lmax}
    ring = np.concatenate([map_from_alm(truth[:1], **options), map_from_alm(truth[1:], **options)])
    nested = np.empty_like(ring)
    nested[:, ring_order(nside)] = ring
    sky = map_of(nested, nside)
    for iterations in (0, 3):
        ours = seconds(lambda n=iterations: cmb.smoothed(sky, fwhm="1 deg", lmax=lmax, iterations=n), runs)
        same = {"fwhm": np.radians(1), "lmax": lmax, "iter": iterations, "pol": True}
        theirs = seconds(lambda o=same: healpy.smoothing(ring, **o), runs)
        one = cmb.smoothed(sky, fwhm="1 deg", lmax=lmax, iterations=iterations).sky.values[:, ring_order(nside)]
        apart = np.abs(one - healpy.smoothing(ring, **same)).max() / np.abs(one).max()
        print(
            f"smoothing IQU, nside {nside}, lmax {lmax}, {iterations} iterations: {ours:.3f} s; healpy {theirs:.3f} s "
            f"({theirs / ours:.1f} times faster; {apart:.0e} apart)"
        )


def compare_rotation(lmax: int, runs: int) -> None:
    """Print the time of rotating T, E, B coefficients, ours and healpy's."""
    try:
        import healpy
    except ModuleNotFoundError:
        return
    truth = alm_dataset(coefficients(lmax), "TEB", lmax, "uK", {"frame": "galactic"})
    ours = seconds(lambda: cmb.rotated_coefficients(truth, euler=(20, 30, 40)), runs)
    angles = np.radians([20, 30, 40])
    theirs = seconds(lambda: healpy.rotate_alm(truth.coefficients.values.copy(), *angles), runs)
    print(f"rotation of T, E, B, lmax {lmax}: {ours:.3f} s; healpy {theirs:.3f} s ({theirs / ours:.1f} times faster)")


def map_of(nested: np.ndarray, nside: int) -> xr.DataArray:
    """Return values (I, Q, U) as a map."""
    return xr.DataArray(
        nested,
        dims=("stokes", "cells"),
        coords={"stokes": ["I", "Q", "U"], "cell_ids": cell_ids(nside)},
        attrs={"units": "uK", "frame": "galactic", "polconv": "COSMO", "temperature_scale": "K_CMB"},
    )


def time_spectra(runs: int) -> None:
    """Print the time from mask to spectra at nside 256."""
    rng = np.random.default_rng(2)
    array = map_of(rng.normal(size=(3, 12 * 256**2)), 256)
    mask = cmb.galactic_mask(256, latitude=20)
    for iterations in (0, 1, 3):
        spent = seconds(lambda n=iterations: cmb.power_spectra(array, mask=mask, lmax=512, iterations=n), runs)
        print(f"mask to pseudo TT … TB, nside 256, lmax 512, {iterations} iterations: {spent:.3f} s")


def main() -> None:
    """Read the command line, set one number of threads for both, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nside", type=int, default=512)
    parser.add_argument("--lmax", type=int, help="2 nside if left out; healpy's own default is 3 nside - 1")
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", str(thread_count()))  # healpy reads it when it is imported
    compare_analysis(asked.nside, asked.lmax or 2 * asked.nside, asked.runs)
    compare_smoothing(asked.nside, asked.lmax or 2 * asked.nside, asked.runs)
    compare_rotation(asked.lmax or 2 * asked.nside, asked.runs)
    time_spectra(asked.runs)


if __name__ == "__main__":
    main()
