"""Sums over a whole field that an event index keeps: up to some energies and up to some times, and the image of all.

A band, or a range of time, of the whole field is then the difference of two sums and the few events between its ends
and the nearest of the energies or times that are kept.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.xray.brushes import Brush, Chosen, chosen_by

TIMES = 16  # times up to which sums are kept
SHARE = 0.1  # of the memory of the events that the sums may take
KINDS = {"slab": "energy", "block": "time"}
PRODUCTS = ("curve", "spectrum", "histogram", "image")


def with_layers(index: xr.Dataset, *, image: bool = True) -> xr.Dataset:
    """Return an event index with the sums over its whole field added; without those of images if told so.

    The sums are there if they take less than a tenth of the memory of the events: a short list is counted as quickly.
    """
    whole = chosen_by(index, Brush(), image=True) if image else chosen_by(index, Brush())
    made = {"all_image": (("image_row", "image_column"), whole.image)} if image else {}
    size = 4 * (index.sizes["x_edge"] * index.sizes["y_edge"] + sum(part.size for part in _bins(whole)))
    room = SHARE * sum(index.variables[name].nbytes for name in ("x", "y", "moment", "energy") if name in index)
    number = {"slab": index.sizes["slab_end"], "block": min(TIMES, int(room / size) - index.sizes["slab_end"])}
    for kind, held in number.items():
        edges = index["slab_edge"].values if kind == "slab" else _times(index, held)
        if held < 2 or edges.size < 2 or edges.size * size > room:
            edges = edges[:0]
        if kind == "block":
            made["block_edge"] = (("block_end",), edges)
        parts = [_between(index, kind, low, high, image) for low, high in zip(edges[:-1], edges[1:], strict=True)]
        for name in PRODUCTS if image else PRODUCTS[:3]:
            values = np.stack([getattr(part, name) for part in parts]) if parts else None
            if values is not None and values.size:
                sums = np.concatenate([np.zeros_like(values[:1]), np.cumsum(values, axis=0)]).astype(np.int32)
                rest = ("image_row", "image_column") if name == "image" else (f"{name}_slot",)
                made[f"{kind}_{name}"] = ((f"{kind}_end", *rest), sums)
    labels = {"block_edge": ("s", "Mission time up to which sums are kept")}
    summed = {name: ("ct", _said(name)) for name in made if name not in labels}
    attrs = {name: {"units": units, "long_name": label} for name, (units, label) in {**labels, **summed}.items()}
    return index.assign({name: (dims, values, attrs[name]) for name, (dims, values) in made.items()})


def _said(name: str) -> str:
    kind, product = name.split("_")
    return "Counts of all events" if kind == "all" else f"Counts below an {KINDS[kind]}, {product}".replace("an t", "a t")


def _bins(whole: Chosen) -> tuple[np.ndarray, ...]:
    return whole.curve, whole.spectrum, whole.histogram


def _between(index: xr.Dataset, kind: str, low: float, high: float, image: bool) -> Chosen:
    ends = (float(low), float(high))
    return chosen_by(index, Brush(band=ends) if kind == "slab" else Brush(seconds=ends), image=image, spare=True)


def _times(index: xr.Dataset, number: int) -> np.ndarray:
    """Times of events between which about as many events lie."""
    moments = index["moment"].values
    some = moments[:: max(1, moments.size // 100_000)]
    if number < 2 or not some.size:
        return np.empty(0)
    return np.unique(np.quantile(some, np.linspace(0, 1, number), method="nearest")).astype(float)
