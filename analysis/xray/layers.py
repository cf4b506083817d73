"""Sums over a whole field that an event index keeps: up to some energies and up to some events in order of time.

A band, or a range of time, of the whole field is then the difference of two sums and the few events between its ends
and the nearest sums that are kept.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import xarray as xr

from analysis.xray.brush_counts import Brush, Chosen, chosen_by
from analysis.xray.ordered import counted_in_order

BLOCKS = 256  # of a list in order of time, up to which histograms are summed
IMAGES = 16  # of them, up to which images are
SHARE = 0.1  # of the memory of the events that the sums may take
PRODUCTS = ("curve", "spectrum", "histogram", "image")


def with_layers(index: xr.Dataset) -> xr.Dataset:
    """Return an event index with the sums over its whole field added, where these are small beside the events."""
    whole = chosen_by(index, Brush(), image=True)
    pixels, bins = (4 * n for n in (whole.image.size, whole.curve.size + whole.spectrum.size + whole.histogram.size))
    room = SHARE * sum(index.variables[name].nbytes for name in ("x", "y", "moment", "energy") if name in index)
    made = {"all_image": (("image_row", "image_column"), whole.image)} | _by_energy(index, pixels, bins, room / 2)
    if "list_time" in index:
        made |= _by_time(index, pixels, bins, room / 2)
    assigned = {}
    for name, (dims, values) in made.items():
        units = "1" if name.endswith("_first") else "ct"
        label = "First event of a block" if units == "1" else f"Counts up to each {dims[0]}, {name.partition('_')[2]}"
        assigned[name] = (dims, values, {"units": units, "long_name": label})
    return index.assign(assigned)


def _by_energy(index: xr.Dataset, pixels: int, bins: int, room: float) -> dict[str, tuple]:
    edges = index["slab_edge"].values
    if edges.size < 2 or edges.size * bins > room:
        return {}
    image = edges.size * (pixels + bins) <= room
    parts = [
        chosen_by(index, Brush(band=(float(low), float(high))), image=image, spare=True)
        for low, high in pairwise(edges.tolist())
    ]
    return _sums("slab", parts, PRODUCTS if image else PRODUCTS[:3])


def _by_time(index: xr.Dataset, pixels: int, bins: int, room: float) -> dict[str, tuple]:
    held = {str(name): variable.values for name, variable in index.variables.items()}
    made: dict[str, tuple] = {}
    size = held["list_time"].size
    for kind, each, most, image in (("block", bins, BLOCKS, False), ("image_block", pixels, IMAGES, True)):
        number = min(most, int(room / 2 / max(each, 1)) - 1, size)
        if number < 2:
            continue
        firsts = np.linspace(0, size, number + 1).astype(np.int64)
        made[f"{kind}_first"] = ((f"{kind}_end",), firsts)
        parts = [
            Chosen(*counted_in_order(held, int(low), int(high), image=image, bins=not image))
            for low, high in pairwise(firsts.tolist())
        ]
        made |= _sums(kind, parts, PRODUCTS[3:] if image else PRODUCTS[:3])
    return made


def _sums(kind: str, parts: list[Chosen], names: tuple[str, ...]) -> dict[str, Any]:
    made = {}
    for name in names:
        values = np.stack([getattr(part, name) for part in parts])
        if values.size:
            sums = np.concatenate([np.zeros_like(values[:1]), np.cumsum(values, axis=0)]).astype(np.int32)
            rest = ("image_row", "image_column") if name == "image" else (f"{name}_slot",)
            made[f"{kind.removeprefix('image_')}_{name}"] = ((f"{kind}_end", *rest), sums)
    return made
