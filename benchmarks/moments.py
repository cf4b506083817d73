"""Moments of 3-D distributions, and their reduction to one velocity, beside pyspedas and pyrfu, where installed.

Run ``python benchmarks/moments.py [--records 200] [--runs 3]``. One process, the same drifting bi-Maxwellian of
protons on the grid of MMS FPI (32 energies, 16 polar and 32 azimuthal bins) for all; only the ratios are stable
between machines. The error is that of the density, velocity and temperatures along and across the field against what
was put in. pyspedas takes records one by one (``moments_3d``), with arrays that are already in its units and order;
ours takes the labelled array. pyrfu's ``int_sph_dist`` is its compiled Monte Carlo sum, 10 points a bin; ours divides
bins by 2 x 2 x 2.

Last printed, on 2 shared cores (pyspedas 2.0, pyrfu 2.4.17):

    LASTPRINTED
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import xarray as xr

from analysis import plasma

PROTON = plasma.species("proton").mass
CHARGE = 1.602176634e-19
DENSITY, VELOCITY, ALONG, ACROSS = 5.0, np.array([-250.0, 80.0, 30.0]), 300.0, 150.0
FIELD = np.array([3.0, 4.0, -2.0])


def seconds(work: Callable[[], object], runs: int) -> float:
    """Return the shortest wall time of a few runs."""
    spent = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        spent.append(time.perf_counter() - start)
    return min(spent)


def distribution(records: int) -> xr.DataArray:
    """Return the phase-space density of the drifting bi-Maxwellian on the grid of FPI."""
    energy = np.geomspace(10, 30000, 32)
    theta, phi = np.arange(5.625, 180, 11.25), np.arange(5.625, 360, 11.25)
    sine, azimuth = np.sin(np.radians(theta))[:, None], np.radians(phi)
    n = np.stack(
        [sine * np.cos(azimuth), sine * np.sin(azimuth), np.cos(np.radians(theta))[:, None] + 0 * azimuth], axis=-1
    )
    w = np.sqrt(2 * energy * CHARGE / PROTON)[:, None, None, None] * n - VELOCITY * 1e3
    along = w @ FIELD / np.linalg.norm(FIELD)
    across2 = (w**2).sum(-1) - along**2
    norm = DENSITY * 1e6 * (PROTON / (2 * np.pi * CHARGE)) ** 1.5 / (ALONG**0.5 * ACROSS)
    f = norm * np.exp(-PROTON / (2 * CHARGE) * (along**2 / ALONG + across2 / ACROSS))
    times = np.datetime64("2017-07-11T22:34", "ns") + np.arange(records) * np.timedelta64(150, "ms")
    axes = {
        "time": times,
        "energy": ("energy", energy, {"units": "eV"}),
        "theta": ("theta", theta, {"units": "deg"}),
        "phi": ("phi", phi, {"units": "deg"}),
    }
    attrs = {"units": "s3 m-6", "frame": "GSE", "directions": "flow", "synthetic": "true"}
    return xr.DataArray(np.broadcast_to(f, (records, *f.shape)).copy(), axes, list(axes), "f", attrs)


def error(density: float, velocity: np.ndarray, along: float, across: float) -> str:
    """Return the relative errors of the moments as text."""
    off = np.linalg.norm(velocity - VELOCITY) / np.linalg.norm(VELOCITY)
    parts = [density / DENSITY - 1, off, along / ALONG - 1, across / ACROSS - 1]
    return ", ".join(f"{what} {100 * part:+.2f} %" for what, part in zip(("n", "V", "T∥", "T⊥"), parts, strict=True))


def compare_moments(f: xr.DataArray, b: xr.DataArray, runs: int) -> None:
    """Print time and error of all moments, ours and pyspedas'."""
    ours = seconds(lambda: plasma.moments(f, particle="proton", b=b), runs)
    found = plasma.moments(f, particle="proton", b=b).isel(time=0)
    says = error(found.density.item(), found.velocity.values, found.t_parallel.item(), found.t_perpendicular.item())
    count = f.sizes["time"]
    print(f"moments of {count} records: {ours:.3f} s ({says})")
    try:
        from pyspedas.particles.moments.moments_3d import moments_3d
    except ModuleNotFoundError:
        print("  pyspedas is not installed: left out")
        return
    flux = plasma.differential_energy_flux(f, particle="proton").values.reshape(count, 32, -1)
    shape = (32, 16, 32)
    edges = np.sqrt(f.energy.values[1:] * f.energy.values[:-1])
    edges = np.concatenate([[f.energy.values[0] ** 2 / edges[0]], edges, [f.energy.values[-1] ** 2 / edges[-1]]])

    def flat(values: np.ndarray) -> np.ndarray:
        return np.broadcast_to(values, shape).reshape(32, -1).copy()

    theirs_in = {
        "charge": 1.0,
        "mass": PROTON / CHARGE * 1e6,  # eV/(km/s)^2
        "magf": FIELD,
        "energy": flat(f.energy.values[:, None, None]),
        "denergy": flat(np.diff(edges)[:, None, None]),
        "theta": flat(90 - f.theta.values[:, None]),
        "dtheta": flat(np.array(11.25)),
        "phi": flat(f.phi.values),
        "dphi": flat(np.array(11.25)),
        "bins": np.ones((32, 512)),
    }

    def theirs() -> dict:
        for record in flux:
            last = moments_3d({**theirs_in, "data": record})
        return last

    spent, out = seconds(theirs, runs), theirs()
    unit = FIELD / np.linalg.norm(FIELD)
    along = unit @ out["ttens"] @ unit
    says = error(float(out["density"]), out["velocity"], along, (np.trace(out["ttens"]) - along) / 2)
    print(f"  pyspedas {spent:.3f} s ({says}): {spent / ours:.0f} times faster")


def compare_reduced(f: xr.DataArray, b: xr.DataArray, runs: int) -> None:
    """Print time and error of the distribution along the field, ours and pyrfu's."""
    few = f.isel(time=slice(0, 20))
    edges = np.linspace(-1500, 1500, 61)
    speeds = xr.DataArray(edges, dims="edge", attrs={"units": "km s-1"})
    along_b = b.isel(time=slice(0, 20))

    def work() -> xr.DataArray:
        return plasma.reduced_distribution(few, along_b, particle="proton", speeds=speeds, subdivisions=2)

    centres = (edges[1:] + edges[:-1]) / 2 * 1e3
    spread = ALONG * CHARGE / PROTON
    truth = np.exp(-((centres - VELOCITY @ FIELD / np.linalg.norm(FIELD) * 1e3) ** 2) / 2 / spread)
    truth *= DENSITY * 1e6 / np.sqrt(2 * np.pi * spread)
    ours, off = seconds(work, runs), np.abs(work().values[0] - truth).max() / truth.max()
    print(f"along the field, 20 records: {ours:.3f} s, largest error {100 * off:.1f} % of the peak")
    try:
        from pyrfu.pyrf import int_sph_dist
    except ModuleNotFoundError:
        print("  pyrfu is not installed: left out")
        return
    speed = np.sqrt(2 * f.energy.values * CHARGE / PROTON)
    ends = np.sqrt(speed[1:] * speed[:-1])
    ends = np.concatenate([[speed[0] ** 2 / ends[0]], ends, [speed[-1] ** 2 / ends[-1]]])
    phi, latitude = np.radians(f.phi.values), np.radians(90 - f.theta.values)
    unit = FIELD / np.linalg.norm(FIELD)
    other = np.cross(unit, [0.0, 0.0, 1.0])
    other /= np.linalg.norm(other)
    base = np.stack([unit, other, np.cross(unit, other)], axis=1)
    skymaps = few.transpose("time", "energy", "phi", "theta").values

    def theirs() -> np.ndarray:
        for record in skymaps:
            options = {"xyz": base, "velocity_grid_edges": edges * 1e3, "velocity_edges": ends, "n_mc": 10}
            last = int_sph_dist(record, speed, phi, latitude, centres, **options, phi_grid=None)
        return last["f"] if isinstance(last, dict) else last

    spent, out = seconds(theirs, runs), np.ravel(theirs())
    off = np.abs(out - truth).max() / truth.max()
    print(f"  pyrfu {spent:.3f} s, largest error {100 * off:.1f} %: {spent / ours:.1f} times faster")


def main() -> None:
    """Read the command line, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=200)
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args()
    f = distribution(asked.records)
    b = xr.DataArray(
        np.broadcast_to(FIELD, (asked.records, 3)),
        {"time": f.time},
        ["time", "component"],
        "b",
        {"units": "nT", "frame": "GSE"},
    )
    compare_moments(f, b, asked.runs)
    compare_reduced(f, b, asked.runs)


if __name__ == "__main__":
    main()
