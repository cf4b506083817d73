"""Brushing events: ours beside a compiled full scan (numba) and numpy's boolean masks, equal count by count.

Run ``python benchmarks/brushing.py [COUNT …]`` (default 1e6 2e7). Each way gives light curve and spectrum of what is
chosen. Columns are float64 times and float32 or int16 others, as events are stored. CPU is what one call spends in all
threads together: divided by two it is the time on two idle cores, which wall-clock times on a machine that others use
do not show.

With 1e8 events (``python benchmarks/brushing.py 1e8``) some 6 GB of memory are needed, and masks are left out.

Last printed (shortened; CPU in brackets), on two cores with a load of 12 to 18 from other work, so that only CPU
compares::

    2e+07 of 440 MB; index of 1.40 times that in 128 x 128 tiles
      circle of 300 2770689 ours 3.8 ms (3.8) scan 583 ms (91) masks 10053 ms (835) equal: True
      circle of 4000 15985593 ours 3.3 ms (3.3) scan 995 ms (140) masks 18027 ms (1356) equal: True
      ellipse 6247012 ours 3.3 ms (3.3) scan 5243 ms (483) equal: True
      lasso of 200 corners 8774982 ours 20.8 ms (16.0) scan 20276 ms (3551) equal: True
      band 11720990 ours 36.5 ms (35.2) scan 467 ms (143) masks 1667 ms (485) equal: True
      a narrow band 195460 ours 15.7 ms (15.1) scan 593 ms (139) masks 448 ms (79) equal: True
      time 10797384 ours 6.2 ms (3.1) scan 174 ms (51) masks 2405 ms (322) equal: True
      an hour 719066 ours 2.6 ms (2.6) scan 82 ms (14) masks 343 ms (48) equal: True
      band and time 6326820 ours 126.7 ms (47.2) scan 629 ms (83) masks 3550 ms (335) equal: True
      nearly everything 19255170 ours 144.1 ms (42.7) scan 243 ms (100) masks 5023 ms (701) equal: True
      circle of 2000, band 4103267 ours 13.9 ms (13.9) scan 1476 ms (217) masks 3385 ms (439) equal: True
      lasso, band and time 2777832 ours 74.1 ms (27.8) scan 11313 ms (1187) equal: True
      image of band ours 35.1 ms (32.2), of time 32.0 ms (28.9), of both 208.5 ms (45.4)
      on disk 1.40 times the events, opened in CPU 201 ms, a band from there CPU 37.1 ms
    1e+08 of 2200 MB; index of 1.33 times that in 256 x 256 tiles, made in 125 s (load 9; stopped after these)
      circle of 300 13844880 ours 8.4 ms (8.3) scan 1736 ms (450) equal: True
      circle of 4000 79921144 ours 11.3 ms (6.6) scan 2668 ms (703) equal: True
      ellipse 31233677 ours 8.5 ms (6.6) scan 9957 ms (2414) equal: True
      lasso of 200 corners 43862525 ours 102.0 ms (27.0) scan 58105 ms (17368) equal: True
      band 58598105 ours 293.6 ms (143.9) scan 2321 ms (726) equal: True
      a narrow band 976207 ours 166.5 ms (61.6) scan 1724 ms (697) equal: True
      time 53996268 ours 15.1 ms (7.3) scan 747 ms (272) equal: True
      an hour 3600885 ours 6.4 ms (6.4) scan 211 ms (69) equal: True
      band and time 31643325 ours 561.9 ms (207.3) scan 860 ms (415) equal: True
      nearly everything 96277491 ours 334.7 ms (198.5) scan 880 ms (507) equal: True
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable

import numba
import numpy as np
import xarray as xr

from analysis import xray
from analysis.model import stamp

FACTS = {
    "title": "Benchmark",
    "institution": "nobody",
    "source": "noise",
    "references": ["none"],
    "license": "none",
    "history": ["made up"],
    "provenance": {},
}
SPAN = 1e5
TIMES = ("1998-01-01T05:00", "1998-01-01T20:00")


def made_events(count: int) -> xr.DataTree:
    """Return noise with a bright spot, in order of time, as an event tree."""
    rng = np.random.default_rng(1)
    bright = count // 5
    columns: dict[str, tuple[np.ndarray, str]] = {"time": (rng.random(count) * SPAN, "s")}
    columns["time"][0].sort()
    mixed = rng.permutation(count).astype("i4")
    for name in "xy":
        plane = rng.random(count, dtype="f4") * 8192 + np.float32(0.5)
        plane[mixed[:bright]] = 4096 + 200 * rng.standard_normal(bright, dtype="f4")
        columns[name] = (plane, "pix")
    columns["pi"] = (rng.integers(0, 1024, count, dtype="i2"), "chan")
    columns["energy"] = (columns["pi"][0] * np.float32(0.01) + np.float32(0.005), "keV")
    clock = {"mjdref": 50814.0, "timesys": "TT", "synthetic": "true"}
    events = {name: ("event", v, {"units": u, "long_name": name}) for name, (v, u) in columns.items()}
    edge = {name: ("interval", [v], {"units": "s", "long_name": name}) for name, v in (("start", 0.0), ("stop", SPAN))}
    nodes = {
        "events": stamp(xr.Dataset(events, attrs=clock), **FACTS),
        "gti": stamp(xr.Dataset(edge, attrs=clock), **FACTS),
    }
    return xr.DataTree.from_dict(nodes)


@numba.njit(nogil=True)
def scanned(x, y, times, energy, pi, circle, ellipse, corners, t0, t1, e0, e1, curve, counts):
    """Count all events by one loop over the whole list."""
    n = corners.shape[0]
    for i in range(x.size):
        if not (t0 <= times[i] < t1 and e0 <= energy[i] < e1):
            continue
        p, q = float(x[i]), float(y[i])
        if circle[2] > 0 and (p - circle[0]) ** 2 + (q - circle[1]) ** 2 > circle[2] ** 2:
            continue
        if ellipse[2] > 0:
            turn, u, v = np.radians(ellipse[4]), p - ellipse[0], q - ellipse[1]
            s, t = (
                (u * np.cos(turn) + v * np.sin(turn)) / ellipse[2],
                (v * np.cos(turn) - u * np.sin(turn)) / ellipse[3],
            )
            if s * s + t * t > 1:
                continue
        if n:
            inside = False
            for k in range(n):
                x0, y0, x1, y1 = corners[k - 1, 0], corners[k - 1, 1], corners[k, 0], corners[k, 1]
                if (y0 > q) != (y1 > q) and p < (x1 - x0) * (q - y0) / (y1 - y0) + x0:
                    inside = not inside
            if not inside:
                continue
        curve[min(int(times[i] / 1000), curve.size - 1)] += 1
        counts[pi[i]] += 1


def masked(held, circle, corners, t0, t1, e0, e1):
    """Count all events by numpy's masks, or None for a polygon, for which numpy has nothing."""
    if len(corners):
        return None
    keep = (held["time"] >= t0) & (held["time"] < t1) & (held["energy"] >= e0) & (held["energy"] < e1)
    if circle[2] > 0:
        p, q = held["x"].astype(float) - circle[0], held["y"].astype(float) - circle[1]
        keep &= p * p + q * q <= circle[2] ** 2
    return np.histogram(held["time"][keep], 100, (0, SPAN))[0], np.bincount(held["pi"][keep], minlength=1024)


def least(work: Callable[[], object], runs: int) -> tuple[float, float, object]:
    """Return the least wall-clock and CPU milliseconds of some runs, and what the last one gave."""
    wall, cpu, made = [], [], None
    for _ in range(runs):
        began, spent = time.perf_counter(), time.process_time()
        made = work()
        wall.append(time.perf_counter() - began)
        cpu.append(time.process_time() - spent)
    return min(wall) * 1e3, min(cpu) * 1e3, made


def brushes(count: int) -> None:
    """Print how long each way takes for some regions, bands and times."""
    tree = made_events(count)
    held = {str(name): tree["events"][name].values for name in tree["events"].data_vars}
    size = sum(v.nbytes for v in held.values())
    index = xray.event_index(tree, time_step=1000)
    ours = sum(v.nbytes for name, v in index.variables.items() if not str(name).startswith("list_"))
    print(f"{count:.0e} events of {size / 1e6:.0f} MB; index of {ours / size:.2f} times that", end="")
    print(f" in {index.attrs['side']} x {index.attrs['side']} tiles, made in {index.attrs['build_seconds']:.1f} s")
    turn = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    star = 2500 * (1 + 0.2 * np.cos(5 * turn))
    lasso = np.stack([4096 + star * np.cos(turn), 4096 + star * np.sin(turn)], axis=1)
    hour = ("1998-01-01T05:00", "1998-01-01T06:00")
    cases = {
        "circle of 300": {"circle": (4096.0, 4096.0, 300.0)},
        "circle of 4000": {"circle": (4096.0, 4096.0, 4000.0)},
        "ellipse": {"ellipse": (4096.0, 4096.0, 3000.0, 1000.0, 30.0)},
        "lasso of 200 corners": {"polygon": lasso},
        "band": {"band": (2, 8)},
        "a narrow band": {"band": (4.003, 4.1)},
        "time": {"time": TIMES},
        "an hour": {"time": hour},
        "band and time": {"band": (2, 8), "time": TIMES},
        "nearly everything": {"circle": (4096.0, 4096.0, 5500.0), "band": (0.2, 10.1)},
        "circle of 2000, band": {"circle": (4096.0, 4096.0, 2000.0), "band": (2, 8)},
        "lasso, band and time": {"polygon": lasso, "band": (2, 8), "time": TIMES},
    }
    from analysis.xray.selecting import mission_seconds

    runs = 5 if count <= 2e7 else 2
    for name, options in cases.items():
        circle = np.array(options.get("circle", (0.0, 0.0, 0.0)))
        corners = options.get("polygon", np.empty((0, 2)))
        turned = np.array(options.get("ellipse", (0.0,) * 5))
        ends = mission_seconds(index, options["time"]) if "time" in options else (-np.inf, np.inf)
        band = [float(np.float32(e)) for e in options.get("band", (-np.inf, np.inf))]

        def scan(circle=circle, turned=turned, corners=corners, ends=ends, band=band):
            made = np.zeros(100, np.int64), np.zeros(1024, np.int64)
            scanned(
                *(held[k] for k in ("x", "y", "time", "energy", "pi")), circle, turned, corners, *ends, *band, *made
            )
            return made

        wall, cpu, found = least(lambda options=options: xray.brushed(index, **options), 2 * runs)
        theirs, cpu_scan, full = least(scan, 1 if len(corners) else runs)
        equal = np.array_equal(found.counts.values, full[0]) and np.array_equal(found.spectrum.values, full[1])
        line = f"  {name:22s} {found.attrs['events']:9d} events  ours {wall:7.1f} ms (CPU {cpu:6.1f})"
        line += f"  full scan {theirs:8.1f} ms (CPU {cpu_scan:7.1f})"
        if not len(corners) and not turned.any() and count <= 2e7:
            masks, cpu_masks, also = least(lambda: masked(held, circle, corners, *ends, *band), 1)  # noqa: B023
            equal &= np.array_equal(also[0], full[0]) and np.array_equal(also[1], full[1])
            line += f"  masks {masks:8.1f} ms (CPU {cpu_masks:7.1f})"
        print(f"{line}  equal: {equal}", flush=True)
    for name, options in (
        ("band", {"band": (2, 8)}),
        ("time", {"time": TIMES}),
        ("both", {"band": (2, 8), "time": TIMES}),
    ):
        wall, cpu, _ = least(lambda options=options: xray.brushed_image(index, **options), runs)
        print(f"  {'image of ' + name:22s} {'':16s}  ours {wall:7.1f} ms (CPU {cpu:6.1f})", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        wall, cpu, path = least(lambda: xray.save_event_index(index, f"{folder}/index", overwrite=True), 1)
        size = sum(file.stat().st_size for file in path.iterdir()) / size
        _, opened, again = least(lambda: xray.open_event_index(path, tree), 1)
        xray.brushed(again, band=(2, 8))
        _, cpu_first, _ = least(lambda: xray.brushed(again, band=(2, 8)), 2)
        print(f"  on disk {size:.2f} times the events, written in {wall / 1e3:.1f} s (CPU {cpu / 1e3:.1f})", end="")
        print(f", opened in CPU {opened:.0f} ms, a band from there CPU {cpu_first:.1f} ms", flush=True)


if __name__ == "__main__":
    for given in sys.argv[1:] or ("1e6", "2e7"):
        brushes(int(float(given)))
