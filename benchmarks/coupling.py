"""Mode coupling, mask-corrected spectra and purification, beside the times that NaMaster 3.0 took.

Run ``python benchmarks/coupling.py [--runs 5]``. NaMaster is not run here: its CPU seconds at nside 128, lmax 256 are
stored with the matrices and spectra it made (``SANKO_ORACLE``; without it there are no ratios), on another day of a
machine of the same kind. Ours are CPU seconds of one thread. The promises: spin-2 coupling 7 times NaMaster's stored
time, equal to 1e-12; mask to TT … TB within 0.5 s at nside 256, coupling and all; a purified field within 3 times a
plain one at equal accuracy.

Each is timed with a mask that is new, and for the next map under the same mask, of which much is remembered.

Last printed (two cores shared with other work, load 14, Python 3.11; wall times mean little there)::

    coupling 00, 02, 22: 16.9 ms; NaMaster's stored time for 22 alone 164 ms (9.7 times faster; 3e-15 apart)
    plain field, 3 iterations: 73 ms; NaMaster's stored time 98 ms (1.3 times faster); the next map 68 ms
    plain field, 0 iterations: 14 ms; NaMaster's stored time 19 ms (1.3 times faster); the next map 17 ms
    pure field, 3 iterations: 186 ms; NaMaster's stored time 324 ms (1.7 times faster); the next map 116 ms
    pure field, 0 iterations: 76 ms; NaMaster's stored time 115 ms (1.5 times faster); the next map 32 ms
    a pure field takes 2.6 times a plain one with 3 iterations, that of the next map under the same mask 1.7 times
    a pure field takes 5.4 times a plain one with 0 iterations, that of the next map under the same mask 2.0 times
    mask to corrected TT … TB, nside 256, lmax 512, 0 iterations
      plain: 3.16 s (0.34 s CPU); the next map under the same mask 2.44 s (0.22 s CPU)
      pure B: 4.60 s (0.64 s CPU); the next map under the same mask 3.09 s (0.36 s CPU)
    mask to corrected TT … TB, nside 256, lmax 512, 1 iterations
      plain: 4.32 s (0.58 s CPU); the next map under the same mask 1.91 s (0.46 s CPU)
      pure B: 6.59 s (0.94 s CPU); the next map under the same mask 3.73 s (0.71 s CPU)
    mask to corrected TT … TB, nside 256, lmax 512, 3 iterations
      plain: 6.83 s (0.94 s CPU); the next map under the same mask 4.48 s (0.66 s CPU)
      pure B: 10.91 s (1.42 s CPU); the next map under the same mask 7.75 s (0.86 s CPU)
    mask to corrected TT … TB, nside 256, lmax 512, 2 iterations, ring weights
      plain: 5.97 s (0.83 s CPU); the next map under the same mask 4.05 s (0.46 s CPU)
      pure B: 9.21 s (1.32 s CPU); the next map under the same mask 5.98 s (0.77 s CPU)
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import xarray as xr

from analysis import cmb
from analysis.cmb import coupling, purification
from analysis.cmb.coupling import kernels
from analysis.cmb.fields import field_alms
from analysis.cmb.harmonics import alm_from_map, spectrum_of
from analysis.cmb.maps import cell_ids, ring_order

STORED = "cmb/namaster/namaster_v3_nside128.npz"


def forget() -> None:
    """Forget what is remembered of masks."""
    for kept in (coupling._kept_kernels, coupling._kept_mask_alm, purification._kept_derivatives):
        kept.cache_clear()


def seconds(
    work: Callable[[], object], runs: int, clock: Callable[[], float] = time.process_time, known: bool = False
) -> float:
    """Return the least seconds of some runs, each with a mask that is new, or known from the run before."""
    spent = []
    for _ in range(runs):
        if not known:
            forget()
        start = clock()
        work()
        spent.append(clock() - start)
    return min(spent)


def map_of(values: np.ndarray, stokes: str = "IQU") -> xr.DataArray:
    """Return values in NESTED order as a map."""
    nside = int(np.sqrt(values.shape[-1] // 12))
    attrs = {"units": "uK", "frame": "galactic", "polconv": "COSMO", "temperature_scale": "K_CMB"}
    coords = {"stokes": list(stokes), "cell_ids": cell_ids(nside)}
    return xr.DataArray(values, dims=("stokes", "cells"), coords=coords, attrs=attrs)


def compare(runs: int) -> None:
    """Print coupling and fields at nside 128, beside what is stored."""
    folder = os.environ.get("SANKO_ORACLE")
    if not folder or not Path(folder, STORED).is_file():
        print("SANKO_ORACLE does not say where NaMaster's results are: no ratios")
        return
    stored = np.load(Path(folder, STORED))
    mask, lmax, order = stored["mask"], 256, ring_order(128)
    alm = alm_from_map(mask[None], nside=128, lmax=lmax, iterations=3)[0]
    spectrum = spectrum_of(alm, alm, lmax=lmax)
    ours = seconds(lambda: kernels(spectrum, lmax), runs)
    theirs = float(stored["workspace_cpu_s_22"])
    apart = np.abs(kernels(spectrum, lmax)["22+"] * (2 * np.arange(lmax + 1) + 1) - stored["coupling_22"]).max()
    print(
        f"coupling 00, 02, 22: {1e3 * ours:.1f} ms; NaMaster's stored time for 22 alone {1e3 * theirs:.0f} ms "
        f"({theirs / ours:.1f} times faster; {apart:.0e} apart)"
    )
    nested = np.empty((2, mask.size))
    nested[:, order] = stored["iqu"][1:]
    sky, weights = map_of(nested, "QU"), np.empty(mask.size)
    weights[order] = mask
    names = ("plain", 3, ""), ("plain", 0, ""), ("pure", 3, "B"), ("pure", 0, "B")
    ours_by = {}
    for (name, iterations, purify), theirs in zip(names, stored["field_cpu_s"], strict=True):
        options = {"lmax": lmax, "iterations": iterations, "purify": purify}
        spent = ours_by[name, iterations] = seconds(lambda o=options: field_alms(sky, weights, **o), runs)
        again = ours_by[name + " again", iterations] = seconds(
            lambda o=options: field_alms(sky, weights, **o), runs, known=True
        )
        print(
            f"{name} field, {iterations} iterations: {1e3 * spent:.0f} ms; NaMaster's stored time "
            f"{1e3 * theirs:.0f} ms ({theirs / spent:.1f} times faster); the next map {1e3 * again:.0f} ms"
        )
    for iterations in (3, 0):
        ratio = ours_by["pure", iterations] / ours_by["plain", iterations]
        again = ours_by["pure again", iterations] / ours_by["plain again", iterations]
        print(
            f"a pure field takes {ratio:.1f} times a plain one with {iterations} iterations, "
            f"that of the next map under the same mask {again:.1f} times"
        )


def time_all(runs: int) -> None:
    """Print seconds from a mask and a map to bandpowers at nside 256, lmax 512."""
    sky = map_of(np.random.default_rng(1).normal(size=(3, 12 * 256**2)))
    mask = cmb.apodized_mask(cmb.galactic_mask(256, latitude=20), scale="5 deg")
    for iterations, weighted in ((0, False), (1, False), (3, False), (2, True)):
        options = {"mask": mask, "lmax": 512, "iterations": iterations, "ring_weights": weighted, "decouple": True}
        name = f"{iterations} iterations{', ring weights' if weighted else ''}"
        print(f"mask to corrected TT … TB, nside 256, lmax 512, {name}")
        for purify in ("", "B"):
            told = []
            for known in (False, True):
                wall, cpu = (
                    seconds(lambda o=options, p=purify: cmb.power_spectra(sky, **o, purify=p), runs, clock, known)
                    for clock in (time.perf_counter, time.process_time)
                )
                told.append(f"{wall:.2f} s ({cpu:.2f} s CPU)")
            print(f"  {'pure B' if purify else 'plain'}: {told[0]}; the next map under the same mask {told[1]}")


def main() -> None:
    """Read the command line and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    asked = parser.parse_args()
    given = os.environ.get("SANKO_THREADS")
    os.environ["SANKO_THREADS"] = "1"
    compare(asked.runs)
    os.environ.pop("SANKO_THREADS")
    if given:
        os.environ["SANKO_THREADS"] = given
    time_all(asked.runs)


if __name__ == "__main__":
    main()
