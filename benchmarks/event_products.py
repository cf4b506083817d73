"""Image, light curve and spectrum of 5e7 events in one pass beside numpy.histogram*, and brushing 2e7 events.

Run ``python benchmarks/event_products.py [--quick]``. The counts of both ways are compared bin by bin. The promises:
one pass at least 20 times as fast as numpy; light curve and spectrum of a circle of 300 pixels within 12 ms and of 50
pixels within 1.5 ms, where a full scan by a compiled loop takes 50 to 94 ms.

Last printed, on two cores that other work shared::

    5e+07 events: image 512 x 513, 1000 bins of time, 1024 channels
      numpy.histogram2d, .histogram, .histogram     15.781 s   numpy takes   1.0 x as long
      one pass, counts alone                         0.579 s   numpy takes  27.3 x as long
      xray.event_products, checked and labelled      0.745 s   numpy takes  21.2 x as long
      equal bin by bin: True
    2e+07 events in 128 x 128 tiles: made in 3.85 s, compilation included
      radius 300 in the bright spot      5.58 ms    2770125 events, equal: True
      radius 300 elsewhere               0.43 ms      67557 events, equal: True
      radius  50 in the bright spot      2.90 ms     125086 events, equal: True
      radius  50 elsewhere               0.35 ms       1844 events, equal: True
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import xarray as xr

from analysis import xray
from analysis.model import stamp
from analysis.xray.counting import Columns, counted

FACTS = {
    "title": "Benchmark",
    "institution": "nobody",
    "source": "noise",
    "references": ["none"],
    "license": "none",
    "history": ["made up"],
    "provenance": {},
}


def seconds(work: Callable[[], object], runs: int) -> float:
    """Return the least wall-clock seconds of a few runs after one that is not counted (it compiles)."""
    work()
    spent = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        spent.append(time.perf_counter() - start)
    return min(spent)


def made_events(count: int) -> xr.DataTree:
    """Return noise with a bright spot, in order of time, as an event tree."""
    rng = np.random.default_rng(1)
    spot = rng.random(count) < 0.2
    plane = [np.where(spot, rng.normal(4096, 200, count), rng.uniform(0.5, 8192.5, count)) for _ in "xy"]
    columns = {
        "time": (np.sort(rng.uniform(0, 1e5, count)), "s"),
        "x": (plane[0].astype("f4"), "pix"),
        "y": (plane[1].astype("f4"), "pix"),
        "pi": (rng.integers(0, 1024, count, dtype="i4"), "chan"),
    }
    clock = {"mjdref": 50814.0, "timesys": "TT", "synthetic": "true"}
    events = {name: ("event", v, {"units": u, "long_name": name}) for name, (v, u) in columns.items()}
    edge = {name: ("interval", [v], {"units": "s", "long_name": name}) for name, v in (("start", 0.0), ("stop", 1e5))}
    nodes = {
        "events": stamp(xr.Dataset(events, attrs=clock), **FACTS),
        "gti": stamp(xr.Dataset(edge, attrs=clock), **FACTS),
    }
    return xr.DataTree.from_dict(nodes)


def products(count: int, runs: int) -> None:
    """Print how long numpy, the compiled loops alone and the labelled products take."""
    tree = made_events(count)
    held = {str(name): tree["events"][name].values for name in ("x", "y", "time", "pi")}
    first = xray.event_products(tree, pixel_size=16, time_step=100)
    x_edges, y_edges = (np.append(first["image"][d].values - 8, first["image"][d].values[-1] + 8) for d in "xy")
    t_edges, p_edges = np.arange(1001) * 100.0, np.arange(1025) - 0.5

    def by_numpy() -> tuple[np.ndarray, ...]:
        return (
            np.histogram2d(held["y"], held["x"], bins=(y_edges, x_edges))[0],
            np.histogram(held["time"], bins=t_edges)[0],
            np.histogram(held["pi"], bins=p_edges)[0],
        )

    columns = Columns(count, held["x"], held["y"], held["time"], values=held["pi"])
    theirs = by_numpy()
    ours = (first["image"].counts, first["light_curve"].counts, first["spectrum"].counts)
    equal = all(np.array_equal(a.values, b) for a, b in zip(ours, theirs, strict=True))
    ways: dict[str, Callable[[], object]] = {
        "numpy.histogram2d, .histogram, .histogram": by_numpy,
        "one pass, counts alone": lambda: counted(columns, image=(x_edges, y_edges), curve=t_edges, spectrum=p_edges),
        "xray.event_products, checked and labelled": lambda: xray.event_products(tree, pixel_size=16, time_step=100),
    }
    print(f"{count:.0e} events: image {len(y_edges) - 1} x {len(x_edges) - 1}, 1000 bins of time, 1024 channels")
    base = None
    for name, work in ways.items():
        spent = seconds(work, 1 if base is None else runs)
        base = spent if base is None else base
        print(f"  {name:44s} {spent:7.3f} s   numpy takes {base / spent:5.1f} x as long")
    print(f"  equal bin by bin: {equal}")


def brushes(count: int, runs: int) -> None:
    """Print how long circles take, of an index and by a full scan with numpy."""
    tree = made_events(count)
    start = time.perf_counter()
    index = xray.event_index(tree, time_step=1000)
    print(f"{count:.0e} events in 128 x 128 tiles: made in {time.perf_counter() - start:.2f} s, compilation included")
    x, y = (tree["events"][name].values.astype(float) for name in "xy")
    for radius in (300, 50):
        for name, middle in (("in the bright spot", (4096.0, 4096.0)), ("elsewhere", (2000.0, 6000.0))):
            circle = (*middle, float(radius))
            spent = seconds(lambda circle=circle: xray.brushed(index, circle=circle), 5 * runs)
            inside = (x - circle[0]) ** 2 + (y - circle[1]) ** 2 <= radius**2
            found = xray.brushed(index, circle=circle)
            theirs = np.bincount(tree["events"]["pi"].values[inside], minlength=1024)
            equal = np.array_equal(found["spectrum"].values, theirs)
            print(f"  radius {radius:3d} {name:20s} {spent * 1e3:7.2f} ms   {inside.sum():8d} events, equal: {equal}")


def main() -> None:
    """Print both comparisons."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true", help="a tenth of the events, one run")
    quick = options.parse_args().quick
    products(5_000_000 if quick else 50_000_000, 1 if quick else 5)
    brushes(2_000_000 if quick else 20_000_000, 1 if quick else 5)


if __name__ == "__main__":
    main()
