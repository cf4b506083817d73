"""How long a frame of a zoomable sky takes, beside healpy's projections of the same pixels.

Run ``python benchmarks/sky_view.py`` (``--nside 512`` for a smaller map). Seconds depend on the machine, ratios hardly.
healpy is asked for the projected array alone (its projector classes, ``projmap``), without matplotlib's
drawing; it takes the nearest cell and has no pyramid. A peer that is not installed is left out. healpy has one
thread, our look-up ``SANKO_THREADS``.

``--disk`` writes a map of white noise, made part by part and never held, as a pyramid into a temporary folder, opens it
in a process of its own and looks at it: 5 GB of disk for ``--nside 8192 --disk``, three minutes or so.

Last printed with ``--frames --cpu`` (processor's time, one thread each, two shared cores, Python 3.11)::

    nside 64, 1200 × 600 pixels; the pyramid once: 0.00 s
                    whole, ms  zoom 8, ms  zoom 60, ms  healpy whole, ms  ratio
    mollweide            37.7        32.1         35.8              62.2    1.7
    orthographic         25.0        26.5         13.2              94.2    3.8
    cartesian            48.6        40.6         35.4             105.3    2.2
    gnomonic             30.5        29.9         30.0              35.5    1.2
    nside 2048, 1200 × 600 pixels; the pyramid once: 0.27 s
                    whole, ms  zoom 8, ms  zoom 60, ms  healpy whole, ms  ratio
    mollweide            35.5        33.5         33.7              67.8    1.9
    orthographic         26.6        33.4         12.5              95.5    3.6
    cartesian            28.1        26.8         23.9              78.3    2.8
    gnomonic             28.6        27.9         27.9              39.3    1.4
    nside 4096, 1200 × 600 pixels; the pyramid once: 3.28 s
                    whole, ms  zoom 8, ms  zoom 60, ms  healpy whole, ms  ratio
    mollweide            33.9        33.5         32.3              66.0    1.9
    orthographic         27.1        31.7         12.7              97.4    3.6
    cartesian            30.1        26.8         25.0              80.3    2.7
    gnomonic             31.8        28.7         29.0              43.8    1.4

Last printed with ``--nside 8192 --disk --cpu`` (processor's time; two cores shared by eight, load average 12)::

    nside 8192, 3.22 GB: written in 311 s, 83 s of processor; 3.99 GB on disk
    memory 0.12 GB at most before, 0.46 GB at most after
    opened in 1.30 s; frames of 1200 × 600 pixels from disk, ms
                   whole, new   again  zoom 8, new   again  zoom 60, new   again  zoom 2000, new   again
    mollweide           148.5    37.1         85.0    38.1          54.4    38.2            38.7    37.2
    orthographic        136.7    39.7        233.1    39.6          47.0    13.6             3.2     2.8
    cartesian            34.0    27.9         33.7    26.1          29.4    23.8            22.8    22.7
    gnomonic             62.3    29.6         38.2    25.9          24.6    24.4            24.6    24.4
    memory 0.09 GB at most after the imports, 0.28 GB at most after all frames

Printed before frames were made faster (time of the clock, load average 17)::

    lines of polarization, 1200 × 600 pixels:  pyramid of Q and U, s    4.06
                    drapery, ms  zoom 60, ms  segments, ms  image alone, ms
    mollweide              1363         1489           1.7            297.2
    orthographic           1069          553           0.9            156.6
    cartesian              1008         1000           0.9            112.2
    gnomonic               1023         1062           0.8            189.0
"""

from __future__ import annotations

import argparse
import importlib.util
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from analysis.panels.drapery import drapery
from analysis.panels.pointings import Pointing, window
from analysis.panels.pyramids import Pyramid, sky_pyramid, viewport
from analysis.panels.sky_lines import segments
from analysis.panels.turned_pyramids import turned_pyramids

REPEATS = 5
CLOCK = [time.perf_counter]
WIDTH = 1200
WIDE = 1200
CENTRE = (120.0, 40.0)


def best(task: Callable[[], Any]) -> float:
    """Return the least seconds of several runs."""
    taken = []
    for _ in range(REPEATS):
        start = CLOCK[0]()
        task()
        taken.append(CLOCK[0]() - start)
    return min(taken)


def peers(values: np.ndarray, nside: int, height: int) -> dict[str, Callable[[], Any]]:
    """Return healpy's projections of the same size, by our names."""
    if importlib.util.find_spec("healpy") is None:
        return {}
    import healpy
    from healpy.projector import CartesianProj, GnomonicProj, MollweideProj, OrthographicProj

    def cell(x: Any, y: Any, z: Any) -> Any:
        return healpy.vec2pix(nside, x, y, z, nest=True)

    step = 60 * np.degrees(2 * window(Pointing("gnomonic", field=60))[0]) / WIDTH
    rotation = [*CENTRE, 0]
    made = {
        "mollweide": MollweideProj(rot=rotation, xsize=WIDTH),
        "orthographic": OrthographicProj(rot=rotation, xsize=WIDTH),
        "cartesian": CartesianProj(rot=rotation, xsize=WIDTH, ysize=height),
        "gnomonic": GnomonicProj(rot=rotation, xsize=WIDTH, ysize=height, reso=step),
    }
    return {name: lambda p=projector: p.projmap(values, cell) for name, projector in made.items()}


def frame(pyramid: Pyramid, pointing: Pointing, zoom: float) -> None:
    """Look up one frame, this much larger than the whole picture."""
    x, y = (half / zoom for half in window(pointing))
    viewport(pyramid, pointing, (-x, x), (-y, y), width=WIDTH, height=WIDTH // 2)


def peak() -> str:
    """Return how much memory this process has had at most."""
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB at most"


def written(nside: int, store: Path) -> None:
    """Write white noise as a pyramid without ever holding it, and say what it took."""
    import dask.array as da

    from analysis import cmb

    cells, part = 12 * nside**2, min(4**11, nside**2)

    def made(block_info: dict) -> np.ndarray:
        dice = np.random.default_rng(block_info[None]["chunk-location"])
        return dice.standard_normal((1, part), dtype=np.float32)

    chunks = ((1,), (part,) * (cells // part))
    noise = da.map_blocks(made, chunks=chunks, dtype=np.float32, meta=np.empty((0, 0), np.float32))
    ids = da.arange(cells, chunks=part), {"level": nside.bit_length() - 1, "indexing_scheme": "nested"}
    coords = {"stokes": ["I"], "cell_ids": ("cells", *ids)}
    attrs = {"units": "uK", "frame": "galactic", "temperature_scale": "K_CMB", "long_name": "White noise"}
    sky = xr.DataArray(noise, coords, ["stokes", "cells"], "sky", attrs | {"synthetic": "true"})
    before, begun, used = peak(), time.perf_counter(), time.process_time()
    cmb.write_pyramid(sky, store)
    size = sum(file.stat().st_size for file in store.rglob("*") if file.is_file())
    taken = f"{time.perf_counter() - begun:.0f} s, {time.process_time() - used:.0f} s of processor"
    print(f"nside {nside}, {4e-9 * cells:.2f} GB: written in {taken}; {size / 1e9:.2f} GB on disk")
    print(f"memory {before} before, {peak()} after")


def looked_at(store: Path) -> None:
    """Print how long frames of a pyramid on disk take: the first of each part, and the same again."""
    from analysis.cmb.pyramid_stores import sky_levels
    from analysis.panels.pyramids import held_sky

    before, start, used = peak(), time.perf_counter(), CLOCK[0]()
    held = held_sky([level.sel(stokes="I", drop=True) for level in sky_levels(store)])
    print(f"opened in {time.perf_counter() - start:.2f} s; frames of {WIDTH} × {WIDTH // 2} pixels from disk, ms")
    print(f"{'':14}{'whole, new':>11}{'again':>8}{'zoom 8, new':>13}{'again':>8}{'zoom 60, new':>14}{'again':>8}"
          f"{'zoom 2000, new':>16}{'again':>8}")  # fmt: skip
    for projection in ("mollweide", "orthographic", "cartesian", "gnomonic"):
        pointing, line = Pointing(projection, *CENTRE), f"{projection:14}"
        for zoom, wide in ((1, 11), (8, 13), (60, 14), (2000, 16)):
            used = CLOCK[0]()
            frame(held.pyramid, pointing, zoom)
            line += f"{1e3 * (CLOCK[0]() - used):{wide}.1f}"
            line += f"{1e3 * best(partial(frame, held.pyramid, pointing, zoom)):8.1f}"
        print(line)
    print(f"memory {before} after the imports, {peak()} after all frames")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nside", type=int, default=2048)
    parser.add_argument("--frames", action="store_true", help="frames alone, no lines of polarization")
    parser.add_argument("--cpu", action="store_true", help="the processor's time, where others use it, too")
    parser.add_argument("--disk", action="store_true", help="frames of a pyramid on disk, written for this")
    parser.add_argument("--store", type=Path, help="frames of this pyramid on disk")
    asked = parser.parse_args()
    if asked.cpu:
        CLOCK[0] = time.process_time
    if asked.store:
        looked_at(asked.store)
        return
    if asked.disk:
        with tempfile.TemporaryDirectory() as folder:
            store = Path(folder) / "noise.zarr"
            written(asked.nside, store)
            sys.stdout.flush()
            more = ["--cpu"] if asked.cpu else []
            subprocess.run([sys.executable, __file__, "--store", str(store), *more], check=True)
        return
    nside = asked.nside
    cells = 12 * nside**2
    values = np.random.default_rng(1).normal(size=cells).astype(np.float32)
    ids = ("cells", np.arange(cells), {"level": nside.bit_length() - 1, "indexing_scheme": "nested"})
    sky = xr.DataArray(values, {"cell_ids": ids}, ["cells"], attrs={"units": "uK"})
    start = time.perf_counter()
    pyramid = sky_pyramid(sky)
    print(f"nside {nside}, {WIDTH} × {WIDTH // 2} pixels; the pyramid once: {time.perf_counter() - start:.2f} s")
    print(f"{'':14}{'whole, ms':>11}{'zoom 8, ms':>12}{'zoom 60, ms':>13}{'healpy whole, ms':>18}{'ratio':>7}")
    theirs = peers(values, nside, WIDTH // 2)
    for projection in ("mollweide", "orthographic", "cartesian", "gnomonic"):
        pointing = Pointing(projection, *CENTRE)
        ours = [best(partial(frame, pyramid, pointing, zoom)) for zoom in (1, 8, 60)]
        line = f"{projection:14}{ours[0] * 1e3:11.1f}{ours[1] * 1e3:12.1f}{ours[2] * 1e3:13.1f}"
        if projection in theirs:
            peer = best(theirs[projection])
            line += f"{peer * 1e3:18.1f}{peer / ours[0]:7.1f}"
        print(line)
    if asked.frames:
        return
    print(f"\nlines of polarization, {WIDE} × {WIDE // 2} pixels: {'pyramid of Q and U, s':>22}", end="")
    start = time.perf_counter()
    pair = turned_pyramids(sky, sky[::-1].assign_coords(cell_ids=sky["cell_ids"]), polconv="IAU")
    print(f"{time.perf_counter() - start:8.2f}")
    print(f"{'':14}{'drapery, ms':>13}{'zoom 60, ms':>13}{'segments, ms':>14}{'image alone, ms':>17}")
    for projection in ("mollweide", "orthographic", "cartesian", "gnomonic"):
        pointing = Pointing(projection, *CENTRE)
        whole = [(-half, half) for half in window(pointing)]
        near = [(-half / 60, half / 60) for half in window(pointing)]
        size = {"width": WIDE, "height": WIDE // 2}
        threads = [best(partial(drapery, *pair, pointing, *part, polconv="IAU", **size)) for part in (whole, near)]
        sticks = best(partial(segments, *pair, pointing, *whole, polconv="IAU"))
        image = best(partial(viewport, pair[0], pointing, *whole, **size))
        print(f"{projection:14}{threads[0] * 1e3:13.0f}{threads[1] * 1e3:13.0f}{sticks * 1e3:14.1f}{image * 1e3:17.1f}")
    if not theirs:
        print("healpy is not installed: left out")


if __name__ == "__main__":
    main()
