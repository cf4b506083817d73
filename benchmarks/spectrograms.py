"""What a frame of a large spectrogram costs the kernel, beside HoloViews' rasterize of a QuadMesh.

Run ``python benchmarks/spectrograms.py``. Processor time of one thread, the least of several frames at slightly
different places; ours are exact means in an array's own bins, datashader's a resampled mesh of 640 × 190 pixels. Frame:
from the visible range to cells; element: to the HoloViews element with labels, hover and notes. A peer that is not
installed is left out.

Last printed (two shared cores, Python 3.11):

    100,000 × 64; the coarser levels once: 0.07 s
                    rasterize for the first time: 1.86 s
          zoom   frame, ms   element, ms   rasterize, ms   ratio
             1         1.4          12.2           184.8    15.2
            10         8.6          17.8            46.1     2.6
           100         0.9           8.8            25.6     2.9
          1000         0.1           6.7            23.4     3.5
    1,000,000 × 32; the coarser levels once: 0.24 s
                    rasterize for the first time: 0.93 s
          zoom   frame, ms   element, ms   rasterize, ms   ratio
             1         0.3           6.9           913.0   132.5
            10         0.6           8.2           128.3    15.6
           100         1.5           9.2            47.2     5.1
          1000         0.4           6.9            38.4     5.6
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from analysis.panels import spectrogram
from analysis.panels.edges import cell_edges, time_edges
from analysis.panels.rebinning import mesh, visible

SIZES = ((100_000, 64), (1_000_000, 32))
ZOOMS = (1, 10, 100, 1000)
REPEATS = 3


def made(count: int, channels: int) -> xr.DataArray:
    """Return a spectrogram with one value in a hundred missing."""
    rng = np.random.default_rng(0)
    values = rng.gamma(2, size=(count, channels))
    values[rng.random(values.shape) < 0.01] = np.nan
    start = np.datetime64("2015-10-16", "ns")
    axes = {
        "time": start + np.arange(count) * np.timedelta64(150, "ms"),
        "energy": ("energy", np.geomspace(10, 3e4, channels), {"units": "eV"}),
    }
    return xr.DataArray(values, axes, ["time", "energy"], "flux", {"units": "cm-2 s-1", "source": "a gamma law"})


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
    if importlib.util.find_spec("datashader") is None:
        return None
    import holoviews as hv
    from holoviews.operation.datashader import rasterize

    hv.extension("bokeh")
    table = hv.QuadMesh((array["time"].values, array["energy"].values, array.values.T), ["time", "energy"], "flux")

    def frame(view: Any) -> Any:
        return rasterize(table, dynamic=False, width=640, height=190, x_range=view, y_range=(10, 3e4))

    return frame


def main() -> None:
    """Print the milliseconds of frames."""
    for count, channels in SIZES:
        array = made(count, channels)
        low, high = cell_edges(array, "energy", log=True)
        left, right = (edge.astype(np.int64) for edge in time_edges(array["time"].values))
        start = time.process_time()
        held = mesh(array, left, right, low, high, logy=True)
        print(f"{count:,} × {channels}; the coarser levels once: {time.process_time() - start:.2f} s")
        picture, other = spectrogram(array), peer(array)
        start = time.process_time()
        if other is not None:
            other(views(array, 1)[-1])
            print(f"{'':16}rasterize for the first time: {time.process_time() - start:.2f} s")
        print(f"{'zoom':>10}{'frame, ms':>12}{'element, ms':>14}{'rasterize, ms':>16}{'ratio':>8}")
        for zoom in ZOOMS:
            ranges = views(array, zoom)
            numbers = [tuple(int(end.astype(np.int64)) for end in view) for view in ranges]
            columns = min(800, 60_000 // channels)
            frame = least([partial(visible, held, view, columns=columns, rows=200) for view in numbers])
            element = least([partial(picture.callback.callable, x_range=view, y_range=None) for view in ranges])
            line = f"{zoom:>10}{frame:>12.1f}{element:>14.1f}"
            if other is not None:
                theirs = least([partial(other, view) for view in ranges])
                line += f"{theirs:>16.1f}{theirs / element:>8.1f}"
            print(line)


if __name__ == "__main__":
    main()
