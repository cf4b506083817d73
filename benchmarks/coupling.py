"""Mode coupling, mask-corrected spectra and purification, beside the times that NaMaster 3.0 took.

Run ``python benchmarks/coupling.py [--runs 5]``. NaMaster is not run here: its CPU seconds at nside 128, lmax 256 are
stored with the matrices and spectra it made (``SANKO_ORACLE``; without it there are no ratios), on another day of a
machine of the same kind. Ours are CPU seconds of one thread. The promises: spin-2 coupling 7 times NaMaster's stored
time, equal to 1e-12; mask to TT … TB within 0.5 s at nside 256, coupling and all; a purified field within 3 times a
plain one at equal accuracy.

Last printed (two cores shared with other work, load 6, Python 3.11)::

    coupling 00, 02, 22: 16.6 ms; NaMaster's stored time for 22 alone 164 ms (9.9 times faster; 3e-15 apart)
    plain field, 3 iterations: 77 ms; NaMaster's stored time 98 ms (1.3 times faster)
    plain field, 0 iterations: 24 ms; NaMaster's stored time 19 ms (0.8 times faster)
    pure field, 3 iterations: 206 ms; NaMaster's stored time 324 ms (1.6 times faster)
    pure field, 0 iterations: 90 ms; NaMaster's stored time 115 ms (1.3 times faster)
    a pure field takes 2.7 times a plain one with 3 iterations
    a pure field takes 3.7 times a plain one with 0 iterations
    mask to corrected TT … TB, nside 256, lmax 512, 0 iterations: 1.03 s, with pure B 2.46 s
    mask to corrected TT … TB, nside 256, lmax 512, 1 iterations: 2.17 s, with pure B 3.84 s
    mask to corrected TT … TB, nside 256, lmax 512, 3 iterations: 3.01 s, with pure B 4.83 s
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
from analysis.cmb.coupling import kernels
from analysis.cmb.fields import field_alms
from analysis.cmb.harmonics import alm_from_map, spectrum_of
from analysis.cmb.maps import cell_ids, ring_order

STORED = "cmb/namaster/namaster_v3_nside128.npz"


def seconds(work: Callable[[], object], runs: int, clock: Callable[[], float] = time.process_time) -> float:
    """Return the least seconds of some runs."""
    spent = []
    for _ in range(runs):
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
        print(
            f"{name} field, {iterations} iterations: {1e3 * spent:.0f} ms; NaMaster's stored time "
            f"{1e3 * theirs:.0f} ms ({theirs / spent:.1f} times faster)"
        )
    for iterations in (3, 0):
        ratio = ours_by["pure", iterations] / ours_by["plain", iterations]
        print(f"a pure field takes {ratio:.1f} times a plain one with {iterations} iterations")


def time_all(runs: int) -> None:
    """Print wall seconds from a mask and a map to bandpowers at nside 256, lmax 512."""
    sky = map_of(np.random.default_rng(1).normal(size=(3, 12 * 256**2)))
    mask = cmb.apodized_mask(cmb.galactic_mask(256, latitude=20), scale="5 deg")
    for iterations in (0, 1, 3):
        options = {"mask": mask, "lmax": 512, "iterations": iterations, "decouple": True}
        spent = seconds(lambda o=options: cmb.power_spectra(sky, **o), runs, time.perf_counter)
        pure = seconds(lambda o=options: cmb.power_spectra(sky, **o, purify="B"), runs, time.perf_counter)
        print(
            f"mask to corrected TT … TB, nside 256, lmax 512, {iterations} iterations: {spent:.2f} s, "
            f"with pure B {pure:.2f} s"
        )


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
