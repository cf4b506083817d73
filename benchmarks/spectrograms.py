"""What a frame of a large spectrogram costs the kernel, by size and beside HoloViews' rasterize of a QuadMesh.

Run ``python benchmarks/spectrograms.py``; with ``--largest`` also 1e9 cells from a memory map of 4 GB, with levels on
disk. Processor time, the least of several frames at slightly different places. Ours are exact means (and the highest
values) in an array's own bins, datashader's a resampled mesh of 640 × 190 pixels. Frame: from the visible range to
cells; element: to the HoloViews element with labels, hover and notes. Levels: made once; memory: levels, edges and
sample as a part of the array with its times. A peer that is not installed is left out.

Last printed (two shared cores under load, Python 3.11; datashader 0.19, ``--largest``):

    100,000 cells (32 up); levels once: 0.00 s, memory: 0.98 of the data
                    rasterize for the first time: 1.53 s
          zoom   frame, ms   element, ms   rasterize, ms   ratio
             1         1.3           9.3            24.3     2.6
            10         0.1           6.8            23.2     3.4
           100         0.1           6.5            21.3     3.3
          1000         0.2           6.4            21.8     3.4
    1,000,000 cells (32 up); levels once: 0.01 s, memory: 0.53 of the data
                    rasterize for the first time: 0.05 s
          zoom   frame, ms   element, ms   rasterize, ms   ratio
             1         1.0           8.5            50.6     6.0
            10         1.8           8.9            24.9     2.8
           100         0.1           7.0            21.1     3.0
          1000         0.1           6.4            20.7     3.3
    10,000,000 cells (32 up); levels once: 0.12 s, memory: 0.43 of the data
                    rasterize for the first time: 0.31 s
          zoom   frame, ms   element, ms   rasterize, ms   ratio
             1         1.3           8.7           287.3    33.2
            10         0.8           8.7            52.4     6.0
           100         1.5           8.3            27.2     3.3
          1000         0.2           6.7            24.9     3.7
    100,000,000 cells (32 up); levels once: 1.28 s, memory: 0.44 of the data
          zoom   frame, ms   element, ms   rasterize, ms   ratio
             1         0.8           7.8
            10         0.9           8.0
           100         1.1           7.5
          1000         1.2           7.8
    1,000,000,000 cells from a memory map; levels written once: 45.0 s, 0.19 of the data on disk;
      opened twice: 7.13 s, memory: 0.12 of the data
          zoom   frame, ms   element, ms   rasterize, ms   ratio
             1        11.8          18.5
            10        10.4          17.8
           100        10.4          14.5
          1000         5.7          11.9
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from analysis.panels import spectrogram, write_levels
from analysis.panels.edges import cell_edges, time_edges
from analysis.panels.level_stores import opened
from analysis.panels.levels import Levels
from analysis.panels.rebinning import Mesh, mesh, visible

CHANNELS = 32
SIZES = (100_000, 1_000_000, 10_000_000, 100_000_000)  # cells
LARGEST = 1_000_000_000
PEER_UP_TO = 32_000_000
ZOOMS = (1, 10, 100, 1000)
REPEATS = 3


def made(cells: int, *, folder: Path | None = None) -> xr.DataArray:
    """Return a spectrogram of 32-bit floats with one value in a hundred missing; in a folder, as a memory map."""
    count, rng = cells // CHANNELS, np.random.default_rng(0)
    block = rng.gamma(2, size=(100_000, CHANNELS)).astype(np.float32)
    block[rng.random(block.shape) < 0.01] = np.nan
    shape = (count, CHANNELS)
    values = (
        np.empty(shape, np.float32) if folder is None else np.memmap(folder / "flux", np.float32, "w+", shape=shape)
    )
    for begin in range(0, count, len(block)):
        values[begin : begin + len(block)] = block[: count - begin]
    start = np.datetime64("2015-10-16", "ns")
    axes = {
        "time": start + np.arange(count) * np.timedelta64(150, "ms"),
        "energy": ("energy", np.geomspace(10, 3e4, CHANNELS), {"units": "eV"}),
    }
    return xr.DataArray(values, axes, ["time", "energy"], "flux", {"units": "cm-2 s-1", "source": "a gamma law"})


def meshed(array: xr.DataArray, levels: Levels | None = None) -> Mesh:
    """Return the mesh of an array."""
    left, right = (edge.view(np.int64) for edge in time_edges(array["time"].values))
    return mesh(array, left, right, cell_edges(array, "energy", log=True), logy=True, levels=levels)


def part_of(held: Mesh, array: xr.DataArray) -> float:
    """Return the bytes of what a mesh holds besides the array, as a part of the array's and its times'."""
    tables = [t for level in held.levels.each for t in (level.firsts, level.sums, level.counts, level.peaks)]
    edges = [held.left, held.right, *([] if held.reach is held.right else [held.reach]), held.levels.sample]
    in_memory = sum(table.nbytes for table in [*tables, *edges] if isinstance(table, np.ndarray))
    return float(in_memory / (array.nbytes + array["time"].nbytes))


def least(tasks: list[Callable[[], Any]]) -> float:
    """Return the least milliseconds of processor time of several tasks."""
    taken = []
    for task in tasks:
        start = time.process_time()
        task()
        taken.append(time.process_time() - start)
    return 1e3 * min(taken)


def views(array: xr.DataArray, zoom: int) -> list[tuple[Any, Any]]:
    """Return visible ranges of the middle of an array, each a little further on."""
    times, half = array["time"].values, array.sizes["time"] // zoom // 2
    middle = times.size // 2
    return [
        (times[max(0, middle - half + n)], times[min(times.size - 1, middle + half - 1 + n)]) for n in range(REPEATS)
    ]


def peer(array: xr.DataArray) -> Callable[[Any], Any] | None:
    """Return HoloViews' rasterize of the same view, or None."""
    if importlib.util.find_spec("datashader") is None or array.size > PEER_UP_TO:
        return None
    import holoviews as hv
    from holoviews.operation.datashader import rasterize

    hv.extension("bokeh")
    table = hv.QuadMesh((array["time"].values, array["energy"].values, array.values.T), ["time", "energy"], "flux")

    def frame(view: Any) -> Any:
        return rasterize(table, dynamic=False, width=640, height=190, x_range=view, y_range=(10, 3e4))

    return frame


def frames(array: xr.DataArray, held: Mesh, picture: Any, other: Callable[[Any], Any] | None) -> None:
    """Print the milliseconds of frames at several zooms."""
    print(f"{'zoom':>10}{'frame, ms':>12}{'element, ms':>14}{'rasterize, ms':>16}{'ratio':>8}")
    for zoom in ZOOMS:
        ranges = views(array, zoom)
        numbers = [tuple(int(end.astype(np.int64)) for end in view) for view in ranges]
        frame = least([partial(visible, held, view, columns=800, rows=200) for view in numbers])
        element = least([partial(picture.callback.callable, x_range=view, y_range=None) for view in ranges])
        line = f"{zoom:>10}{frame:>12.1f}{element:>14.1f}"
        if other is not None:
            theirs = least([partial(other, view) for view in ranges])
            line += f"{theirs:>16.1f}{theirs / element:>8.1f}"
        print(line)


def in_memory(cells: int) -> None:
    """Print what frames of an array in memory cost."""
    array = made(cells)
    start = time.process_time()
    held = meshed(array)
    took = time.process_time() - start
    print(f"{cells:,} cells ({CHANNELS} up); levels once: {took:.2f} s, memory: {part_of(held, array):.2f} of the data")
    other = peer(array)
    start = time.process_time()
    if other is not None:
        other(views(array, 1)[-1])
        print(f"{'':16}rasterize for the first time: {time.process_time() - start:.2f} s")
    frames(array, held, spectrogram(array), other)


def on_disk(cells: int) -> None:
    """Print what frames of a memory map with levels on disk cost."""
    with tempfile.TemporaryDirectory() as folder:
        array = made(cells, folder=Path(folder))
        start = time.process_time()
        store = write_levels(array, Path(folder) / "levels.zarr")
        wrote = time.process_time() - start
        stored = sum(f.stat().st_size for f in store.rglob("*") if f.is_file()) / array.nbytes
        start = time.process_time()
        held, picture = meshed(array, opened(array, store)), spectrogram(array, levels=store)
        print(
            f"{cells:,} cells from a memory map; levels written: {wrote:.1f} s, {stored:.2f} of the data on disk;\n"
            f"  opened twice: {time.process_time() - start:.2f} s, memory: {part_of(held, array):.2f} of the data"
        )
        frames(array, held, picture, None)


def main() -> None:
    """Print the milliseconds of frames."""
    for cells in SIZES:
        in_memory(cells)
    on_disk(LARGEST if "--largest" in sys.argv[1:] else 10_000_000)


if __name__ == "__main__":
    main()
