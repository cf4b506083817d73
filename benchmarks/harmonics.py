"""Harmonic transforms of HEALPix maps beside healpy, where it is installed (``pip install -e '.[peers]'``).

Run ``python benchmarks/harmonics.py [--nside 512] [--lmax 1024] [--runs 3]``. Both run in one process, one
after the other, on the same map; CPU seconds of one thread, unless said. The promises: T, E, B coefficients of an IQU
map at nside 1024 at least 3 times faster than healpy without iterations and 2.5 times at the same error; smoothing 8
times and rotation of coefficients 5 times faster; spectra through a mask at nside 256, lmax 512 within 0.5 s.

Last printed (its first lines; two cores, tests running on one of them, Python 3.11)::

    IQU to T, E, B, nside 512, lmax 1024
      0 iterations: 0.355 s, largest error 3.2e-05; healpy 0.854 s, 3.2e-05: 2.4 times faster
      3 iterations: 2.514 s, largest error 5.8e-08; healpy 5.821 s, 5.8e-08: 2.3 times faster
      1 iterations, ring weights: 1.029 s, largest error 4.0e-07; healpy 2.483 s, 4.6e-07: 2.4 times faster
        (5.7 times than its 3 iterations without)
      2 iterations, ring weights: 1.757 s, largest error 2.3e-08; healpy 4.166 s, 2.4e-08: 2.4 times faster
        (3.3 times than its 3 iterations without)
    smoothing IQU to 1 deg, nside 512, multipoles up to 1024
      3 iterations: 3.027 s, largest error 2.0e-06
      2, ring weights: 2.358 s, largest error 9.8e-08
      healpy, 3 iterations, lmax=1024: 6.798 s, 2.0e-06 (ours are 2.2, 2.9 times faster)
      healpy, 3 iterations, its defaults, lmax=3 nside - 1: 13.632 s, 7.7e-05 (ours are 4.5, 5.8 times faster)
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from types import ModuleType

import numpy as np
import xarray as xr

from analysis import cmb
from analysis.cmb.coefficients import alm_dataset
from analysis.cmb.harmonics import alm_from_map, in_nested_order, in_ring_order, map_from_alm, multipoles
from analysis.cmb.maps import cell_ids


def peer() -> ModuleType | None:
    """Return healpy, which reads when it is imported how many threads it may use."""
    os.environ["OMP_NUM_THREADS"] = os.environ["SANKO_THREADS"] = "1"
    try:
        import healpy
    except ModuleNotFoundError:
        return None
    return healpy


def seconds(work: Callable[[], object], runs: int, clock: Callable[[], float] = time.process_time) -> float:
    """Return the least seconds of a few runs."""
    spent = []
    for _ in range(runs):
        start = clock()
        work()
        spent.append(clock() - start)
    return min(spent)


def coefficients(lmax: int) -> np.ndarray:
    """Return T, E, B coefficients that fall with ℓ as those of the sky do."""
    rng = np.random.default_rng(1)
    ell, m = multipoles(lmax)
    alm = (rng.normal(size=(3, ell.size)) + 1j * rng.normal(size=(3, ell.size))) / np.maximum(ell, 1)
    alm[:, m == 0] = alm[:, m == 0].real
    alm[:, ell < 2] = 0
    return alm


def teb(values: np.ndarray, nside: int, lmax: int, iterations: int, ring_weights: bool) -> np.ndarray:
    """Return T, E, B of an IQU map in RING order."""
    options = {"nside": nside, "lmax": lmax, "iterations": iterations, "ring_weights": ring_weights}
    return np.concatenate([alm_from_map(values[:1], **options), alm_from_map(values[1:], **options)])


def compare_analysis(nside: int, lmax: int, runs: int) -> None:
    """Print time and error of the analysis of an IQU map, ours and healpy's, both with ring weights and without."""
    healpy = peer()
    truth = coefficients(lmax)
    options = {"nside": nside, "lmax": lmax}
    values = np.concatenate([map_from_alm(truth[:1], **options), map_from_alm(truth[1:], **options)])
    print(f"IQU to T, E, B, nside {nside}, lmax {lmax}")
    theirs = {}
    for iterations, weighted in ((0, False), (3, False), (1, True), (2, True)):
        ours = seconds(lambda n=iterations, w=weighted: teb(values, nside, lmax, n, w), runs)
        wrong = np.abs(teb(values, nside, lmax, iterations, weighted) - truth).max() / np.abs(truth).max()
        line = (
            f"  {iterations} iterations{', ring weights' if weighted else ''}: {ours:.3f} s, largest error {wrong:.1e}"
        )
        if healpy is not None:
            same = {"lmax": lmax, "iter": iterations, "use_weights": weighted, "use_pixel_weights": False}
            theirs[iterations, weighted] = spent = seconds(lambda o=same: healpy.map2alm(values, **o), runs)
            other = np.abs(np.stack(healpy.map2alm(values, **same)) - truth).max() / np.abs(truth).max()
            line += f"; healpy {spent:.3f} s, {other:.1e}: {spent / ours:.1f} times faster"
            if weighted:
                line += f" ({theirs[3, False] / ours:.1f} times than its 3 iterations without)"
        print(line)


def compare_smoothing(nside: int, lmax: int, runs: int) -> None:
    """Print time and error of smoothing an IQU map: like for like, and as each is called without options."""
    healpy = peer()
    truth = coefficients(lmax)
    options = {"nside": nside, "lmax": lmax}
    ring = np.concatenate([map_from_alm(truth[:1], **options), map_from_alm(truth[1:], **options)])
    sky = map_of(in_nested_order(ring), nside)
    for width in (1, 3):
        ell, sigma = multipoles(lmax)[0], np.radians(width) / np.sqrt(8 * np.log(2))
        beamed = [alm * np.exp(-(ell * (ell + 1) - s**2) * sigma**2 / 2) for alm, s in ((truth[:1], 0), (truth[1:], 2))]
        wanted = np.concatenate([map_from_alm(alm, **options) for alm in beamed])
        print(f"smoothing IQU to {width} deg, nside {nside}, multipoles up to {lmax}")
        spent = {}
        for name, asked in (("3 iterations", {}), ("2, ring weights", {"iterations": 2, "ring_weights": True})):
            spent[name] = seconds(lambda o=asked, w=width: cmb.smoothed(sky, fwhm=w, lmax=lmax, **o), runs)
            made = in_ring_order(cmb.smoothed(sky, fwhm=width, lmax=lmax, **asked).sky.values)
            wrong = np.abs(made - wanted).max() / np.abs(wanted).max()
            print(f"  {name}: {spent[name]:.3f} s, largest error {wrong:.1e}")
        if healpy is None:
            continue
        same = {"fwhm": np.radians(width), "pol": True}
        for name, asked in ((f"lmax={lmax}", {"lmax": lmax}), ("its defaults, lmax=3 nside - 1", {})):
            theirs = seconds(lambda o=asked, w=same: healpy.smoothing(ring, **w, **o), 1)
            wrong = np.abs(healpy.smoothing(ring, **same, **asked) - wanted).max() / np.abs(wanted).max()
            ratios = ", ".join(f"{theirs / ours:.1f}" for ours in spent.values())
            print(f"  healpy, 3 iterations, {name}: {theirs:.3f} s, {wrong:.1e} (ours are {ratios} times faster)")


def compare_rotation(lmax: int, runs: int) -> None:
    """Print the time of rotating T, E, B coefficients, ours and healpy's."""
    healpy = peer()
    if healpy is None:
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
    for iterations, weighted in ((0, False), (1, False), (3, False), (2, True)):
        options = {"mask": mask, "lmax": 512, "iterations": iterations, "ring_weights": weighted}
        wall = seconds(lambda o=options: cmb.power_spectra(array, **o), runs, time.perf_counter)
        cpu = seconds(lambda o=options: cmb.power_spectra(array, **o), runs)
        name = f"{iterations} iterations{', ring weights' if weighted else ''}"
        print(f"mask to pseudo TT … TB, nside 256, lmax 512, {name}: {wall:.3f} s ({cpu:.3f} s CPU)")


def main() -> None:
    """Read the command line and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nside", type=int, default=512)
    parser.add_argument("--lmax", type=int, help="2 nside if left out; healpy's own default is 3 nside - 1")
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args()
    if peer() is None:
        print("healpy is not installed: no ratios")
    compare_analysis(asked.nside, asked.lmax or 2 * asked.nside, asked.runs)
    compare_smoothing(asked.nside, asked.lmax or 2 * asked.nside, asked.runs)
    compare_rotation(asked.lmax or 2 * asked.nside, asked.runs)
    os.environ.pop("SANKO_THREADS")
    time_spectra(asked.runs)


if __name__ == "__main__":
    main()
