"""How long a long time series takes to be drawn anew after a pan or zoom, beside HoloViews' own two ways.

Run ``python benchmarks/time_series.py`` (``--rows 10000000`` for a shorter series), or with ``--on-disk 1000000000``
(and ``--folder`` for a disk with 5 GB to spare) for series larger than memory. All figures are CPU time of this
process, its threads included; seconds depend on the machine, ratios hardly. Ours: the samples of a frame, and the
whole redraw of a figure as the kernel does it (new columns in Bokeh's sources). The peers' operations alone, on a
HoloViews Curve, without drawing: ``downsample1d`` (1,000 samples) and datashader's ``rasterize`` (640 × 190 pixels).
tsdownsample's MinMaxLTTB by itself is given the visible slice, so it reads what is visible and nothing else: of short
slices it is faster than anything that keeps gaps open. A peer that is not installed is left out.

The series is noise of float64 with a time of 8 bytes; the levels are made once. "levels ÷ data" is their size beside
values and times; "peak ÷ data" how much memory is in use at most while the first picture is made, data included. On
disk: float32, in a memory map with times that are computed and in a zarr store with times of its own (no index), with
and without stored extremes; the first picture's wall seconds in parentheses, memory as Python counts it.

Last printed, on two cores that many others used (wall seconds are three to six times those of a machine at rest)::

             rows  levels once, s  first picture, s  redraw whole, ms  a tenth, ms  levels ÷ data  peak ÷ data
          100,001            0.00              0.10              1.08         0.48          0.024         2.11
        1,000,000            0.00              0.09              2.18         0.79          0.023         1.64
       10,000,000            0.03              0.25              2.29         2.45          0.023         1.05
      100,000,000            0.31              0.40              3.17         2.62          0.023         1.05
    1,000,000 rows
                                   1 visible, ms     0.1 visible, ms   0.001 visible, ms   1e-05 visible, ms
    ours, the samples                       1.31                0.60                0.20                0.15
    ours, the figure                        2.06                1.16                1.08                0.44
    downsample1d, lttb               33.42 (16×)         12.83 (11×)           7.95 (7×)          7.63 (17×)
    downsample1d, minmax-lttb        39.36 (19×)         13.67 (12×)           8.87 (8×)          8.85 (20×)
    tsdownsample, sliced               8.90 (4×)           0.73 (1×)           0.05 (0×)           0.05 (0×)
    rasterize                       108.15 (52×)         72.11 (62×)         64.01 (59×)        67.00 (153×)
    10,000,000 rows
    ours, the samples                       1.73                1.30                0.16                0.08
    ours, the figure                        2.34                2.22                0.49                0.38
    downsample1d, lttb            1000.42 (427×)         54.20 (24×)         30.43 (62×)         27.65 (74×)
    downsample1d, minmax-lttb       203.37 (87×)         51.21 (23×)         29.42 (60×)         27.36 (73×)
    tsdownsample, sliced              22.01 (9×)           8.13 (4×)           0.09 (0×)           0.05 (0×)

                          rows  first picture, s  memory, MB  1 visible  0.1 visible  0.001 visible  1e-05 visible
    memory map      10,000,000        0.25 (3.4)          34       3.02         2.21           0.42           0.38
    , stored        10,000,000        0.21 (1.5)          25       3.19         2.83           0.78           0.94
    memory map   1,000,000,000       7.95 (41.4)         822       3.02         3.21           2.57           0.95
    , stored     1,000,000,000        0.26 (1.2)          25      19.07         4.39           2.44           1.11
    zarr            10,000,000        0.37 (2.8)          43       3.72         3.13           1.40           1.36
    , stored        10,000,000        0.29 (1.1)           9       6.15         6.78           3.05           2.92
    zarr         1,000,000,000     27.28 (178.0)         823       4.33         6.79           5.21           2.19
    , stored     1,000,000,000        0.39 (2.1)          17      24.83         6.18           5.99           3.32

The stored extremes of 1,000,000,000 rows were written in 15 s (memory map) and 32 s (zarr), and are 72 MB. The peers
at 100,000,000 rows were not run again in that hour.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

REPEATS = 7
START, STEP = np.datetime64("2020-01-01", "ns"), np.timedelta64(1_000_000, "ns")
PARTS = (1.0, 0.1, 0.001, 1e-5)


def noise(rows: int) -> xr.DataArray:
    """Return a series of noise, a sample a millisecond."""
    times = START + np.arange(rows) * STEP
    values = np.random.default_rng(1).standard_normal(rows)
    return xr.DataArray(values, {"time": times}, ["time"], name="b", attrs={"units": "nT"})


def cpu() -> float:
    """Return the seconds that this process worked: on a busy machine those of the clock say little."""
    return time.process_time()


def median(task: Callable[[], Any], repeats: int = REPEATS) -> float:
    """Return the median seconds of several runs."""
    taken = []
    for _ in range(repeats):
        start = cpu()
        task()
        taken.append(cpu() - start)
    return float(np.median(taken))


def stretches(rows: int, part: float) -> list[tuple[Any, Any]]:
    """Return stretches of this part of the series, none of them twice."""
    length = max(50, int(rows * part))
    first, step = (rows - length) // 2, max(1, length // 50)
    return [(START + (first + k * step) * STEP, START + (first + length - 1) * STEP) for k in range(2 * REPEATS)]


def redraw(array: xr.DataArray, extremes: Path | None = None) -> tuple[Callable[[Any, Any], None], float]:
    """Return a function that moves the time axis of a picture of ours, and the seconds until it was there first."""
    import holoviews as hv
    import panel as pn

    from analysis import panels

    start = cpu()
    picture = panels.curves(array, extremes=extremes)
    pane = pn.pane.HoloViews(picture)
    root = pane.get_root()
    taken = cpu() - start
    plot = pane._plots[root.ref["id"]][0]
    own = next(iter(picture))._plot_id
    stream = next(streams[-1] for source, streams in hv.streams.Stream.registry.items() if source._plot_id == own)
    axis, line = plot.state.x_range, plot.state.renderers[0].data_source

    def move(low: Any, high: Any) -> None:
        axis.start, axis.end = (float(end.astype("datetime64[us]").astype(np.int64)) / 1e3 for end in (low, high))
        before = line.data["b"]
        stream.event(x_range=(low, high))
        assert line.data["b"] is not before, "nothing was drawn"

    move.kept = picture, pane, root  # type: ignore[attr-defined]
    return move, taken


def peers(array: xr.DataArray) -> dict[str, Callable[[Any, Any], Any]]:
    """Return what the peers do for a frame, by name."""
    import holoviews as hv

    times, values = array["time"].values, array.values
    curve = hv.Curve((times, values), "time", "b")
    made: dict[str, Callable[[Any, Any], Any]] = {}
    from holoviews.operation.downsample import downsample1d

    fast = importlib.util.find_spec("tsdownsample") is not None
    made["downsample1d, lttb"] = lambda low, high: downsample1d(
        curve, dynamic=False, x_range=(low, high), width=1000, algorithm="lttb"
    )
    if fast:
        from tsdownsample import MinMaxLTTBDownsampler

        made["downsample1d, minmax-lttb"] = lambda low, high: downsample1d(
            curve, dynamic=False, x_range=(low, high), width=1000, algorithm="minmax-lttb"
        )
        sampler = MinMaxLTTBDownsampler()

        def alone(low: Any, high: Any) -> Any:
            first, last = np.searchsorted(times, [low, high])
            return sampler.downsample(times[first:last], values[first:last], n_out=2000)

        made["tsdownsample, sliced"] = alone
    else:
        print("tsdownsample is not installed: left out")
    if importlib.util.find_spec("datashader") is not None:
        from holoviews.operation.datashader import rasterize

        hv.config.image_rtol = 1.0  # no warnings about times
        made["rasterize"] = lambda low, high: rasterize(
            curve, dynamic=False, x_range=(low, high), width=640, height=190
        )
    else:
        print("datashader is not installed: left out")
    return made


def table(rows: int) -> None:
    """Print ours and the peers on one series."""
    from analysis.panels.visible import series_of, visible

    array = noise(rows)
    series = series_of(array)
    move, _ = redraw(array)
    ways: dict[str, Callable[[Any, Any], Any]] = {
        "ours, the samples": lambda low, high: visible(series, low, high),
        "ours, the figure": move,
        **peers(array),
    }
    heads = "".join(f"{f'{part:g} visible, ms':>20}" for part in PARTS)
    print(f"{rows:,} rows\n{'':28}{heads}", flush=True)
    ours = {}
    for name, way in ways.items():
        line = f"{name:28}"
        way(*stretches(rows, PARTS[-1])[0])  # what is compiled is compiled
        for part in PARTS:
            turns = iter(stretches(rows, part))
            slow = name not in ("ours, the samples", "ours, the figure") and rows * part > 2e6
            if not slow:
                way(*next(turns))
            taken = median(lambda way=way, turns=turns: way(*next(turns)), 1 if slow else REPEATS)
            ours.setdefault(part, {})[name] = taken
            ratio = f" ({taken / ours[part]['ours, the figure']:.0f}×)" if name in peers_names(ways) else ""
            line += f"{f'{taken * 1e3:.2f}{ratio}':>20}"
        print(line, flush=True)


def peers_names(ways: dict[str, Any]) -> list[str]:
    return [name for name in ways if not name.startswith("ours")]


def growth(most: int) -> None:
    """Print how the redraw grows with the number of rows, and what the levels cost."""
    from analysis.panels.visible import series_of

    print(f"\n{'rows':>13}{'levels once, s':>16}{'first picture, s':>18}{'redraw whole, ms':>18}{'a tenth, ms':>13}"
          f"{'levels ÷ data':>15}{'peak ÷ data':>13}")  # fmt: skip
    rows = 100_000 + 1
    while rows <= most + 1:
        array = noise(rows - 1 if rows > 100_001 else rows)
        size = array.nbytes + array["time"].nbytes
        redraw(array[:200_000])
        start = cpu()
        series = series_of(array)
        taken = cpu() - start
        held = sum(getattr(level, name).nbytes for level in series.lines[0].levels for name in vars(level))
        del series
        tracemalloc.start()
        redraw(array)
        peak = (size + tracemalloc.get_traced_memory()[1]) / size
        tracemalloc.stop()
        move, first = redraw(array)
        line = f"{array.size:13,}{taken:16.2f}{first:18.2f}"
        for part, width in ((1.0, 18), (0.1, 13)):
            turns = iter(stretches(array.size, part))
            move(*next(turns))
            line += f"{median(lambda turns=turns, move=move: move(*next(turns))) * 1e3:{width}.2f}"
        print(line + f"{held / size:15.3f}{peak:13.2f}", flush=True)
        del move, array
        rows = (rows - 1) * 10 + 1 if rows > 100_001 else 1_000_001


def in_memory_map(rows: int, folder: Path) -> xr.DataArray:
    """Return noise of float32 in a memory map made here, a sample a millisecond, its times computed."""
    from analysis import panels

    values = np.memmap(folder / "values", dtype="f4", mode="w+", shape=(rows,))
    for start, part in noise_parts(rows):
        values[start : start + part.size] = part
    values.flush()
    return xr.DataArray(values, panels.regular_times(START, STEP, rows), ["time"], name="b")


def in_zarr(rows: int, folder: Path) -> xr.DataArray:
    """Return the same, values and times in a zarr store, opened lazily and without an index."""
    import zarr

    store = zarr.open_group(folder / "series.zarr", mode="w", zarr_format=3)
    chunks = {"chunks": (min(rows, 500_000),), "dimension_names": ["time"]}
    values = store.create_array("b", shape=(rows,), dtype="f4", compressors=None, **chunks)
    units = {"units": "milliseconds since 2020-01-01", "calendar": "proleptic_gregorian"}
    times = store.create_array("time", shape=(rows,), dtype="i8", attributes=units, **chunks)
    for start, part in noise_parts(rows):
        values[start : start + part.size] = part
        times[start : start + part.size] = np.arange(start, start + part.size)
    opened = xr.open_zarr(folder / "series.zarr", chunks=None, consolidated=False, create_default_indexes=False)
    return opened["b"]


def noise_parts(rows: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield parts of noise, and where they begin."""
    random, step = np.random.default_rng(1), 10_000_000
    for start in range(0, rows, step):
        yield start, random.standard_normal(min(step, rows - start), dtype="f4")


def larger_than_memory(rows: int, folder: str | None) -> None:
    """Print the figures of series on disk, made here and removed after, without and with stored extremes."""
    from analysis import panels

    redraw(noise(200_000))
    heads = "".join(f"{f'{part:g} visible':>17}" for part in PARTS)
    print(f"\n{'':22}{'rows':>14}{'first picture, s':>18}{'memory, MB':>12}{heads}   (CPU ms of a redraw)")
    for kind, make in (("memory map", in_memory_map), ("zarr", in_zarr)):
        for count in (max(rows // 100, 1_000_000), rows):
            with tempfile.TemporaryDirectory(dir=folder) as place:
                array = make(count, Path(place))
                start = cpu()
                stored = panels.write_extremes(array, Path(place) / "extremes.zarr")
                written = cpu() - start
                size = sum(file.stat().st_size for file in stored.rglob("*") if file.is_file())
                for extremes in (None, stored):
                    gc.collect()
                    tracemalloc.start()
                    redraw(array, extremes)
                    held = tracemalloc.get_traced_memory()[1] / 1e6
                    tracemalloc.stop()
                    start, wall = cpu(), time.perf_counter()
                    move, _ = redraw(array, extremes)
                    taken, waited = cpu() - start, time.perf_counter() - wall
                    line = f"{kind + (', stored' if extremes else ''):22}{count:14,}"
                    line += f"{f'{taken:.2f} ({waited:.1f})':>18}{held:12.0f}"
                    for part in PARTS:
                        turns = iter(stretches(count, part))
                        move(*next(turns))
                        line += f"{median(lambda turns=turns, move=move: move(*next(turns))) * 1e3:17.2f}"
                    print(line, flush=True)
                    del move
                print(f"{'':22}{count:14,} written once in {written:.1f} s of CPU, {size / 1e6:.0f} MB", flush=True)
                del array


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000_000, help="of the series (default 1e8)")
    parser.add_argument("--on-disk", type=int, help="instead, rows of series on disk, say 1000000000 (5 bytes each)")
    parser.add_argument("--folder", help="where these are made, and removed again")
    chosen = parser.parse_args()
    if chosen.on_disk:
        larger_than_memory(chosen.on_disk, chosen.folder)
        return
    growth(chosen.rows)
    table(chosen.rows)


if __name__ == "__main__":
    main()
