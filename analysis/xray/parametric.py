"""Parametric responses: an effective-area curve and a Gaussian line spread, made of a few published numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from analysis.model import check, stamp
from analysis.xray.models import Array

REACH = 5.0  # σ on either side to which the line spread is followed; 6e-7 of it lies beyond
WIDTH = 2 * np.sqrt(2 * np.log(2))  # FWHM in σ


def line_width(law: Mapping[str, Any], energy: Array) -> Array:
    r"""Return the full width at half maximum in eV at energies in keV.

    ``constant``: ``fwhm``. ``points``: straight lines between ``energy`` (keV) and ``fwhm`` (eV), constant outside.
    ``fano``: :math:`2.355\,\omega\sqrt{n^2 + F E/\omega}` of ``noise`` n in electrons, ``fano`` F and ``pair`` ω in eV.

    Examples
    --------
    >>> line_width({"law": "fano", "noise": 3.0, "fano": 0.119, "pair": 3.749}, np.array([1.0, 5.0])).round(1).tolist()
    [56.3, 114.3]
    """
    if law["law"] == "constant":
        return np.full(np.shape(energy), float(law["fwhm"]))
    if law["law"] == "points":
        return np.interp(energy, law["energy"], law["fwhm"])
    pairs = 1000 * np.asarray(energy) / law["pair"]
    return WIDTH * law["pair"] * np.sqrt(law["noise"] ** 2 + law["fano"] * pairs)


def told_width(law: Mapping[str, Any]) -> str:
    """Return a law of line widths as text."""
    if law["law"] == "constant":
        return f"FWHM {law['fwhm']:g} eV at all energies"
    if law["law"] == "points":
        pairs = ", ".join(
            f"{fwhm:g} eV at {energy:g} keV" for energy, fwhm in zip(law["energy"], law["fwhm"], strict=True)
        )
        return f"FWHM {pairs}, straight between, constant outside"
    return (
        f"FWHM 2.355 w sqrt(n^2 + F E / w), n = {law['noise']:g} electrons, F = {law['fano']:g}, w = {law['pair']:g} eV"
    )


def parametric_response(name: str, preset: Mapping[str, Any], curve: Mapping[str, Any]) -> dict[str, xr.Dataset]:
    """Return the nodes ``rmf`` and ``arf`` of a preset: see ``instruments.toml`` for what it holds."""
    low, high = preset["energies"]
    number = round((high - low) / preset["step"])
    edges = low + (high - low) * np.arange(number + 1) / number
    middle = (edges[:-1] + edges[1:]) / 2
    area = np.exp(np.interp(np.log(middle), np.log(curve["energy"]), np.log(curve["area"])))
    told = _told(name, preset, curve)
    bins = {
        "energy_low": ("energy", edges[:-1], {"units": "keV", "long_name": "Lower edge of the energy bin"}),
        "energy_high": ("energy", edges[1:], {"units": "keV", "long_name": "Upper edge of the energy bin"}),
    }
    what = {"units": "cm2", "long_name": "Effective area, parametric"}
    arf = xr.Dataset({**bins, "effective_area": ("energy", area, what)})
    rmf = _spread(xr.Dataset(bins), middle, line_width(preset["width"], middle) / 1000 / WIDTH, preset["channel"])
    return {
        "rmf": _stamped(rmf, name, preset, told, "redistribution", [preset["width"]["source"]]),
        "arf": _stamped(arf, name, preset, told, "effective area", [curve["source"]]),
    }


def _spread(bins: xr.Dataset, middle: Array, sigma: Array, width: float) -> xr.Dataset:
    """The matrix of a Gaussian line spread, each row the channels within its reach."""
    from scipy.special import ndtr

    start = np.floor((middle[0] - REACH * sigma[0]) / width) * width
    start = max(start, 0.0)
    number = int(np.ceil((middle[-1] + REACH * sigma[-1] - start) / width))
    channel = np.arange(number)
    first = np.maximum(np.floor((middle - REACH * sigma - start) / width), 0).astype(np.int64)
    last = np.minimum(np.floor((middle + REACH * sigma - start) / width), number - 1).astype(np.int64)
    size = last - first + 1
    row = np.repeat(np.arange(middle.size), size)
    within = np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size)
    low = start + (first[row] + within) * width
    share = ndtr((low + width - middle[row]) / sigma[row]) - ndtr((low - middle[row]) / sigma[row])
    plain = {"units": "1"}
    return bins.assign(
        {
            "e_min": ("channel", start + channel * width, {"units": "keV", "long_name": "Lower energy of the channel"}),
            "e_max": (
                "channel",
                start + (channel + 1) * width,
                {"units": "keV", "long_name": "Upper energy of the channel"},
            ),
            "first_channel": ("group", first.astype(np.int32), {**plain, "long_name": "First channel of the group"}),
            "n_channels": ("group", size.astype(np.int32), {**plain, "long_name": "Channels in the group"}),
            "energy_index": (
                "group",
                np.arange(middle.size, dtype=np.int32),
                {**plain, "long_name": "Energy bin of the group"},
            ),
            "matrix": ("element", share, {**plain, "long_name": "Redistribution, parametric"}),
        }
    ).assign_coords(channel=("channel", channel.astype(np.int32), {**plain, "long_name": "Channel"}))


def _told(name: str, preset: Mapping[str, Any], curve: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes that say what a parametric response is made of."""
    sized = ("half_energy_width", "field_of_view")
    numbers = [
        {"number": "line width", "value": told_width(preset["width"]), "source": preset["width"]["source"]},
        {"number": "effective area", "value": f"curve of {len(curve['area'])} points", "source": curve["source"]},
    ]
    numbers += [
        {"number": key, "value": f"{preset[key]['value']:g} {preset[key]['units']}", "source": preset[key]["source"]}
        for key in sized
        if key in preset
    ]
    return {
        "preset": name,
        "responses": "parametric",
        "telescope": preset["telescope"],
        "instrument": preset["instrument"],
        "line_width": told_width(preset["width"]),
        **{f"{key}_{preset[key]['units']}": float(preset[key]["value"]) for key in sized if key in preset},
        "numbers": json.dumps(numbers, ensure_ascii=False),
        "official_responses": preset["official"],
    }


def _stamped(
    data: xr.Dataset, name: str, preset: Mapping[str, Any], told: Mapping[str, Any], what: str, sources: Sequence[str]
) -> xr.Dataset:
    made = stamp(
        data,
        title=f"{preset['title']}, parametric {what}",
        institution="Sankō, of published numbers",
        source=f"{preset['telescope']} / {preset['instrument']}, parametric",
        references=sources,
        license="published numbers; cite where they were read",
        history=[f"xray.instrument({name!r}): parametric {what}"],
        provenance={"query": {"instrument": name, "responses": "parametric"}},
    )
    caveats = "\n".join(preset["caveats"])
    return check(made.assign_attrs({**made.attrs, **told, "caveats": caveats, "synthetic": "true"}))
