"""The wave telescope beside pyrfu's four-spacecraft phase differences, where it is installed.

Run ``python benchmarks/k_filtering.py [--runs 3]``. Both get the same synthetic wave in noise at four points and are
asked for its wave vector, in one process with the same number of threads. They are two methods for one question:
``plasma.wave_vector_power`` with ``plasma.dispersion`` (k-filtering: power over a grid of all k at each frequency) and
``pyrfu.mms.fk_power_spectrum_4sc`` (phases between spacecraft from wavelets, one k for each block of samples and
frequency, binned by k_x, k_y, k_z). pyrfu has no k-filtering of its own, and its way gives one k where there are
several waves; for a single wave it is about as close. A plain loop over the same formula (one 2 x 2 inverse for each k
and frequency) shows what batching saves.

Last printed (two cores shared with other work, Python 3.11, one thread, pyrfu 2.4.21)::

    one wave, four points, noise 0.1 nT: 0.914 s, k off by 3.5e-05 rad/km; pyrfu 6.297 s, 1.0e-04: 6.9 times the time
    one wave, four points, noise 0.5 nT: 0.511 s, k off by 2.8e-04 rad/km; pyrfu 6.413 s, 1.3e-04: 12.5 times the time
    P(f, k), 4 points, 18,000 values: 0.0018 s, loop 1.16 s: 650 times faster, relative difference 4e-13
    P(f, k), 7 points, 18,000 values: 0.0039 s, loop 1.54 s: 391 times faster, relative difference 9e-13
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import xarray as xr

from analysis import plasma
from analysis.plasma.cross_spectra import cross_spectra
from analysis.plasma.k_filtering import filtered, loaded_inverse

K = np.array([0.008, -0.010, 0.006])  # rad/km
FREQUENCY = 1.0  # Hz
CADENCE = 0.1  # s


def seconds(work: Callable[[], object], runs: int) -> float:
    """Return the shortest wall time of a few runs."""
    spent = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        spent.append(time.perf_counter() - start)
    return min(spent)


def wave(noise: float, kind: str = "tetrahedron", outer: float | None = None) -> xr.Dataset:
    """Return a linearly polarized wave in noise at the points of a constellation."""
    times = plasma.sampling_times("2030-01-01", cadence=CADENCE, count=4096)
    path = plasma.straight_path(times, velocity=(0, 0, 0))
    across = np.cross(K, [0, 0, 1])
    field = plasma.plane_waves([K], [FREQUENCY], [across / np.linalg.norm(across)], mean_field=(5, 0, 0))
    formation = plasma.constellation(path, kind=kind, scale=100, outer_scale=outer)
    return plasma.sampled(field, formation, noise=noise, seed=1)


def ours(data: xr.Dataset) -> np.ndarray:
    """Return the wave vector of most power at the wave's frequency."""
    spectrum = plasma.wave_vector_power(data.b, data.position, segment=200, largest=0.03, points=21)
    return plasma.dispersion(spectrum).k.sel(frequency=FREQUENCY, method="nearest").values


def theirs(data: xr.Dataset) -> np.ndarray:
    """Return the means of k_x, k_y, k_z, weighted by power, at the wave's frequency, of pyrfu."""
    from pyrfu.mms import fk_power_spectrum_4sc

    times = data.time.values
    b, r = ([data[n].isel(spacecraft=s).transpose("time", "component") for s in range(4)] for n in ("b", "position"))
    plain = {
        name: [xr.DataArray(one.values, coords=[times, ["x", "y", "z"]], dims=["time", "comp"]) for one in group]
        for name, group in (("b", b), ("r", r))
    }
    first = [one[:, 0] for one in plain["b"]]  # the component in which the wave is strongest
    span = [str(times[100]), str(times[-100])]
    result = fk_power_spectrum_4sc(first, plain["r"], plain["b"], span, cav=8, num_k=121, num_f=40)
    row = int(np.argmin(np.abs(result["f"].values - FREQUENCY)))
    number = 1e3 * result["k_x"].values  # rad/m with positions in km; all three are binned by the same numbers
    power = np.stack([result[f"{name}_f"].values[:, row] for name in ("k_x", "k_y", "k_z")])
    return np.nansum(power * number, axis=1) / np.nansum(power, axis=1)


def compare_pyrfu(runs: int) -> None:
    """Print time and error of both."""
    for noise in (0.1, 0.5):
        data = wave(noise)
        spent, error = seconds(lambda d=data: ours(d), runs), np.linalg.norm(ours(data) - K)
        line = f"one wave, four points, noise {noise} nT: {spent:.3f} s, k off by {error:.1e} rad/km"
        try:
            other = np.linalg.norm(theirs(data) - K)
        except ModuleNotFoundError:
            print(line + "; pyrfu is not installed: left out")
            continue
        longer = seconds(lambda d=data: theirs(d), runs)
        print(line + f"; pyrfu {longer:.3f} s, {other:.1e}: {longer / spent:.1f} times the time")


def compare_loop(runs: int) -> None:
    """Print the time of P(f, k) in one go and by a loop over frequencies and wave vectors."""
    for kind, outer in (("tetrahedron", None), ("plasma_observatory", 400.0)):
        data = wave(0.1, kind, outer)
        _, matrices, frequency, _ = cross_spectra(data.b, 200, 0.5, CADENCE, (0.9, 1.3))
        r = data.position.isel(time=0).values
        k = np.random.default_rng(1).uniform(-0.03, 0.03, (2000, 3))
        inverse = loaded_inverse(matrices, 1e-3)

        def loop(k=k, r=r, inverse=inverse) -> np.ndarray:
            power = np.empty((len(inverse), len(k)))
            for row, m in enumerate(inverse):
                for column, one in enumerate(k):
                    h = np.concatenate([np.exp(1j * one @ place) * np.eye(3) for place in r])
                    h = h @ np.linalg.svd(one[None])[2][1:].T
                    power[row, column] = np.trace(np.linalg.inv(h.conj().T @ m @ h)).real
            return power

        batched = seconds(lambda i=inverse, k=k, r=r: filtered(i, k, r, divergence_free=True), runs)
        looped = seconds(loop, 1)
        same = np.abs(filtered(inverse, k, r, divergence_free=True) / loop() - 1).max()
        points = frequency.size * len(k)
        print(
            f"P(f, k), {len(r)} points, {points:,} values: {batched:.4f} s, loop {looped:.2f} s: "
            f"{looped / batched:.0f} times faster, relative difference {same:.0e}"
        )


def main() -> None:
    """Read the command line, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args()
    compare_pyrfu(asked.runs)
    compare_loop(asked.runs)


if __name__ == "__main__":
    main()
