"""How long the distance of positions to a magnetopause takes, beside the peer, and whether both agree.

Run ``python benchmarks/boundaries.py``. Seconds depend on the machine, ratios hardly. The peer, ``pyrfu``, takes one
position at a time and searches the nearest point with scipy, sunward of the terminator and in the plane z = 0 only, so
the comparison keeps to places there; without it, only ours is timed.

Last printed (two shared cores, Python 3.11)::

                                                 µs a position   ratio
    plasma.boundary_distance                              7.36       1
    pyrfu.models.magnetopause_normal                    121.38      16
    signs agree at 100.0% of 300 positions
    peer's distance less ours (R_earth): -1.0e-14 to 6.4e-09
"""

from __future__ import annotations

import logging
import time

import numpy as np
import xarray as xr

from analysis import plasma

OURS, THEIRS = 100_000, 300


def positions(count: int) -> xr.DataArray:
    """Return places on the dayside, in the plane z = 0."""
    random = np.random.default_rng(1)
    places = random.uniform([5, 0, 0], [15, 10, 0], (count, 3))
    return xr.DataArray(places, dims=["point", "component"], attrs={"units": "R_earth", "frame": "GSM"})


def shue() -> xr.Dataset:
    """Return the magnetopause of Shue et al. (1998) for a Bz of -3 nT and 2 nPa."""
    bz = xr.DataArray(-3.0, attrs={"units": "nT", "frame": "GSM"})
    pdyn = xr.DataArray(2.0, attrs={"units": "nPa"})
    says = {"body": "Earth", "boundary": "magnetopause", "form": "shue", "frame": "GSM", "model": "Shue et al. 1998"}
    return plasma.magnetopause(bz=bz, pdyn=pdyn, model="shue_1998").assign_attrs(says)


def theirs(places: np.ndarray) -> np.ndarray | None:
    """Return the peer's distances, outside positive as ours are; None without the peer."""
    try:
        from pyrfu.models import magnetopause_normal
    except ImportError:
        return None
    logging.disable(logging.INFO)  # it says which model it uses for each position
    return np.array([-magnetopause_normal(place, -3.0, 2.0, "mp_shue98")[0] for place in places])


def main() -> None:
    """Print microseconds a position, the ratio, and how far apart the two are."""
    boundary, many, few = shue(), positions(OURS), positions(THEIRS)
    plasma.boundary_distance(boundary, few)  # what is imported on first use is not timed
    start = time.process_time()
    plasma.boundary_distance(boundary, many)
    ours = (time.process_time() - start) / OURS * 1e6
    print(f"{'':44}{'µs a position':>14}{'ratio':>8}")
    print(f"{'plasma.boundary_distance':44}{ours:14.2f}{1:8.0f}")
    theirs(few.values[:2])
    start = time.process_time()
    peer = theirs(few.values)
    if peer is None:
        print("pyrfu is not installed: left out")
        return
    spent = (time.process_time() - start) / THEIRS * 1e6
    print(f"{'pyrfu.models.magnetopause_normal':44}{spent:14.2f}{spent / ours:8.0f}")
    found = plasma.boundary_distance(boundary, few).values
    longer = np.abs(peer) - np.abs(found)
    print(f"signs agree at {np.mean(np.sign(peer) == np.sign(found)):.1%} of {THEIRS} positions")
    print(f"peer's distance less ours (R_earth): {longer.min():.1e} to {longer.max():.1e}")


if __name__ == "__main__":
    main()
