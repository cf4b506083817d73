"""Polarization of single events: ours beside ixpeobssim, the same events and responses, in one run.

Run with ``python benchmarks/polarization.py``; ixpeobssim (GPL, ``pip install ixpeobssim``) is the peer and is left
out where it is not installed. Both weigh 2e6 events with area and modulation factor and sum them in 6 bins.

Last printed (two shared cores with other work on them, Python 3.11, ixpeobssim 33.2.1)::

    1,938,607 events, 6 bins
    xray.polarization_cube          320 ms
    ixpeobssim xStokesAnalysis      758 ms   ratio 2.37
    degree differs by at most 2.9e-14 of itself
    2-8 keV in one bin: exact error 1.73 times the peer's
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from analysis import xray

EDGES = (2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0)


def best(run: Callable[[], object], times: int = 5) -> float:
    """Return the shortest of several runs, in seconds."""
    found = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        found.append(time.perf_counter() - start)
    return min(found)


def main() -> None:
    """Print times, their ratio, and by how much the numbers and the two kinds of errors differ."""
    ixpe = xray.fetch("ixpe_stokes")
    irf = {name: ixpe[name].to_dataset() for name in ("arf", "mrf")}
    low, high = ixpe["arf"].energy_low, ixpe["arf"].energy_high
    flux = xray.power_law(low, high, photon_index=2, norm=100)
    tree = xray.polarized_events(flux, "15 ks", **irf, degree=0.2, angle="30 deg", seed=1)
    events = tree["events"]
    ours = best(lambda: xray.polarization_cube(tree, EDGES, **irf))
    print(f"{events.sizes['event']:,} events, {len(EDGES) - 1} bins")
    print(f"xray.polarization_cube     {1e3 * ours:8.0f} ms")
    try:
        from ixpeobssim.evt.kislat2015 import xStokesAnalysis
    except ImportError:
        print("ixpeobssim is not installed: left out")
        return
    factor = xray.modulation_factor(irf["mrf"], irf["arf"])
    area = ixpe["arf"].effective_area.values.astype(float)
    energy, mu = factor.energy.values, factor.values
    q, u, e = (events[name].values for name in ("q", "u", "energy"))

    def peer() -> object:
        found = xStokesAnalysis(q, u, e, lambda x: np.interp(x, energy, mu), lambda x: np.interp(x, energy, area), 1.0)
        return found.polarization_table(np.array(EDGES))

    theirs = best(peer)
    print(f"ixpeobssim xStokesAnalysis {1e3 * theirs:8.0f} ms   ratio {theirs / ours:.2f}")
    table = peer()
    cube = xray.polarization_cube(tree, EDGES, **irf, errors="pcube")
    print(f"degree differs by at most {np.abs(cube.degree.values / np.array(table['PD']) - 1).max():.1e} of itself")
    wide = {kind: xray.polarization_cube(tree, (2, 8), **irf, errors=kind) for kind in ("exact", "pcube")}
    print(f"2-8 keV in one bin: exact error {wide['exact'].q_error[0] / wide['pcube'].q_error[0]:.2f} times the peer's")


if __name__ == "__main__":
    main()
