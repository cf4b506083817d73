"""How long the curlometer takes for a million times of four spacecraft, beside the peers, and what it needs for ten.

Run ``python benchmarks/curlometer.py`` (``--points 100000`` for fewer, ``--largest 1e7`` for more of ours). CPU seconds
depend on the machine, ratios hardly. The peers, pyspedas and pyrfu, are left out if they are not installed. Each
works on arrays in memory, in a process of its own; the peak is what the process grew by while it worked.

Last printed (two busy shared cores, Python 3.11, ``--largest 1e7``; the best of three, of pyspedas the only one)::

                                          points    CPU s  us/point   ratio  peak MB  differs from ours by
    plasma.curlometer                     100000     0.06      0.58               40
    plasma.curlometer                    1000000     0.45      0.45     1.0      338
    plasma.curlometer                   10000000     7.05      0.71     1.6     3369
    plasma.curlometer with errors        1000000     0.80      0.80     1.8      338  0e+00
    pyrfu.pyrf.c_4_j                     1000000     4.14      4.14     9.2      864  1e-11
    pyspedas lingradest                  1000000   123.09    123.09   272.6      577  1e-10
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

START = np.datetime64("2030-01-01", "ns")
REPEATS = 3
CORNERS = 20 * np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / 2**1.5  # km, as MMS flies
CURRENT = 1e-3 / (4e-7 * np.pi)  # nA m-2 for 1 nT km-1


def measurements(points: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return times, fields (nT) and positions (km) of four spacecraft in noise, by spacecraft, time and component."""
    random = np.random.default_rng(1)
    times = START + np.arange(points) * np.timedelta64(62_500_000, "ns")
    field = random.normal(size=(4, points, 3)) + np.array([20, -10, 5])
    track = [6e4, 1e4, -2e3] + np.linspace(0, 1e4, points)[:, None] * [1, 0.5, 0.1]
    return times, field, CORNERS[:, None] + track + random.normal(size=(4, points, 3))


def ours(points: int) -> tuple[Callable[[], object], Callable[[Any], np.ndarray]]:
    """plasma.curlometer: currents, their parts, divergence, force, curvature, quality, with units and provenance."""
    import xarray as xr

    from analysis import plasma

    times, field, place = measurements(points)
    axes = {"spacecraft": list("1234"), "time": times, "component": ["x", "y", "z"]}
    b = xr.DataArray(field, axes, list(axes), attrs={"units": "nT", "frame": "GSE"})
    r = xr.DataArray(place, axes, list(axes), attrs={"units": "km", "frame": "GSE"})
    return lambda: plasma.curlometer(b, r), lambda made: made.current_density.values


def with_errors(points: int) -> tuple[Callable[[], object], Callable[[Any], np.ndarray]]:
    """The same with errors of field and position."""
    import xarray as xr

    from analysis import plasma

    times, field, place = measurements(points)
    axes = {"spacecraft": list("1234"), "time": times, "component": ["x", "y", "z"]}
    b = xr.DataArray(field, axes, list(axes), attrs={"units": "nT", "frame": "GSE"})
    r = xr.DataArray(place, axes, list(axes), attrs={"units": "km", "frame": "GSE"})
    return lambda: plasma.curlometer(b, r, sigma_b=0.1, sigma_r=0.1), lambda made: made.current_density.values


def pyrfu(points: int) -> tuple[Callable[[], object], Callable[[Any], np.ndarray]]:
    """pyrfu.pyrf.c_4_j: currents, divergence, force and its parts."""
    import xarray as xr
    from pyrfu.pyrf import c_4_j

    times, field, place = measurements(points)
    axes = {"time": times, "comp": ["x", "y", "z"]}
    fields = [xr.DataArray(one, axes, list(axes)) for one in field]
    places = [xr.DataArray(one, axes, list(axes)) for one in place]
    return lambda: c_4_j(places, fields), lambda made: made[0].values * 1e9


def pyspedas(points: int) -> tuple[Callable[[], object], Callable[[Any], np.ndarray]]:
    """pyspedas' lingradest: gradient, curl, divergence, curvature."""
    from pyspedas.analysis.lingradest import lingradest

    _, field, place = measurements(points)
    components = [np.ascontiguousarray(field[craft, :, axis]) for axis in range(3) for craft in range(4)]
    return (
        lambda: lingradest(*components, *place, scale_factor=1.0),
        lambda made: CURRENT * np.stack([made["LCxB"], made["LCyB"], made["LCzB"]], axis=1),
    )


def measured(name: str, points: int) -> tuple[float, float, np.ndarray]:
    """Return CPU seconds, growth of the peak of memory in bytes and every hundredth current; in its own process."""
    logging.disable(logging.INFO)
    make = {"ours": ours, "errors": with_errors, "pyrfu": pyrfu, "pyspedas": pyspedas}[name]
    small, _ = make(2000)
    small()  # imports and caches don't count
    work, currents = make(points)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    spent = []
    for _ in range(REPEATS if name != "pyspedas" else 1):
        result = None
        start = time.process_time()
        result = work()
        spent.append(time.process_time() - start)
    unit = 1 if sys.platform == "darwin" else 1024
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit
    return min(spent), grown, currents(result)[::100].copy()


def alone(name: str, points: int) -> tuple[float, float, np.ndarray]:
    """Return what :func:`measured` gives in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as own:
        return own.apply(measured, (name, points))


def main() -> None:
    """Print a table of CPU seconds and memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=float, default=1e6, help="times of four spacecraft (default 1e6)")
    parser.add_argument("--largest", type=float, default=0, help="and ours alone for this many")
    options = parser.parse_args()
    points, largest = int(options.points), int(options.largest)
    print(f"{'':34}{'points':>10}{'CPU s':>9}{'us/point':>10}{'ratio':>8}{'peak MB':>9}  differs from ours by")
    base, reference = 0.0, np.empty(0)
    rows = [("plasma.curlometer", "ours", points // 10), ("plasma.curlometer", "ours", points)]
    rows += [("plasma.curlometer", "ours", largest)] * bool(largest)
    rows += [("plasma.curlometer with errors", "errors", points)]
    rows += [("pyrfu.pyrf.c_4_j", "pyrfu", points), ("pyspedas lingradest", "pyspedas", points)]
    for label, name, count in rows:
        if name not in ("ours", "errors") and importlib.util.find_spec(name) is None:
            print(f"{name} is not installed, so it is left out")
            continue
        spent, grown, currents = alone(name, count)
        if name == "ours" and count == points:
            base, reference = spent / count, currents
        same = count == points and name != "ours"
        off = f"{np.nanmax(np.abs(currents - reference)) / np.nanmax(np.abs(reference)):.0e}" if same else ""
        ratio = f"{spent / count / base:8.1f}" if base else " " * 8
        print(
            f"{label:34}{count:10d}{spent:9.2f}{spent / count * 1e6:10.2f}{ratio}{grown / 1e6:9.0f}  {off}", flush=True
        )


if __name__ == "__main__":
    main()
