"""Effective areas and responses to FITS, by CAL/GEN/92-002 and 92-002a."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from analysis.errors import WrongData
from analysis.formats import _ogipmade as made_of
from analysis.formats._fitscolumns import Ragged
from analysis.formats._fitswrite import Card, Field
from analysis.formats._ogipresponse import in_order, pruned


def area(nodes: Mapping[str, xr.Dataset], made: made_of.Made) -> None:
    (data,) = nodes.values()
    data = made_of.in_standard(data, {"energy_low": "keV", "energy_high": "keV", "effective_area": "cm2"})
    made_of.refuse_others(data, ("energy_low", "energy_high", "effective_area"), "effective area")
    columns = _energy_columns(data)
    columns["effective_area"] = Field("SPECRESP", data["effective_area"].values, "cm**2", "effective area")
    cards = [*made_of.classes("RESPONSE", "SPECRESP", version="1.1.0"), *made_of.observed(data)]
    if (kind := made_of.told_or(data.attrs, "response_type", "SPECRESP")) != "SPECRESP":
        cards.append(("CCNM0001", kind, "kind of response"))
    made.nodes["/"] = data
    made.add("SPECRESP", columns, cards, data, "/")


def _energy_columns(data: xr.Dataset) -> dict[str, Field]:
    low, high = data["energy_low"].values, data["energy_high"].values
    if not low.size or not (low <= high).all():
        raise WrongData("energy bins need a lower edge that is below the upper one; there are none, or some have not")
    return {
        "energy_low": Field("ENERG_LO", low, "keV", "lower edge of the energy bin"),
        "energy_high": Field("ENERG_HI", high, "keV", "upper edge of the energy bin"),
    }


def response(nodes: Mapping[str, xr.Dataset], made: made_of.Made) -> None:
    """Write one matrix or, of a tree, several, whose sum is the response."""
    ready = {node: _as_groups(data) for node, data in nodes.items()}
    first = next(iter(ready.values()))
    for version, (node, data) in enumerate(ready.items(), 1):
        if any(not data[name].variable.equals(first[name].variable) for name in ("channel", "e_min", "e_max")):
            raise WrongData(f"{node}: the matrices of one file have the same channels; these differ")
        made.nodes[node] = data
        _matrix(data, version, made)
    channel = first["channel"].values
    columns = {
        "channel": Field("CHANNEL", channel, "", "channel number", int(channel[0]), int(channel[-1])),
        "e_min": Field("E_MIN", first["e_min"].values, "keV", "lower energy of the channel"),
        "e_max": Field("E_MAX", first["e_max"].values, "keV", "upper energy of the channel"),
    }
    cards = [*made_of.classes("RESPONSE", "EBOUNDS", version="1.2.0"), *made_of.observed(first), *_channel_cards(first)]
    for node in ready:
        made.columns |= {(node, name): (len(made.hdus), column.name.lower()) for name, column in columns.items()}
    made.add("EBOUNDS", columns, cards, first, None)


def _channel_cards(data: xr.Dataset) -> list[Card]:
    return [
        ("CHANTYPE", made_of.told_or(data.attrs, "channel_type", "PI"), "kind of channels"),
        ("DETCHANS", data.sizes["channel"], "channels of the detector"),
    ]


def _matrix(data: xr.Dataset, version: int, made: made_of.Made) -> None:
    first, size, energy = (data[name].values for name in ("first_channel", "n_channels", "energy_index"))
    held = np.bincount(energy, minlength=data.sizes["energy"])
    counts = np.bincount(energy, size, data.sizes["energy"]).astype(np.int64)
    channel = data["channel"].values
    kind = made_of.told_or(data.attrs, "response_type", "FULL" if data["matrix"].attrs["units"] == "cm2" else "REDIST")
    columns = _energy_columns(data)
    lowest, highest = int(channel[0]), int(channel[-1])
    columns |= {
        "n_grp": Field("N_GRP", _small(held), "", "groups of the energy bin"),
        "f_chan": Field("F_CHAN", _of_rows(_small(first), held), "", "first channel of each group", lowest, highest),
        "n_chan": Field("N_CHAN", _of_rows(_small(size), held), "", "channels of each group"),
        "matrix": Field("MATRIX", Ragged(data["matrix"].values, counts), "cm**2" if kind == "FULL" else "", "elements"),
    }
    cards: list[Card] = [
        *made_of.classes("RESPONSE", "RSP_MATRIX", kind, version="1.3.0"),
        ("EXTVER", version, "number of the matrix"),
        *made_of.observed(data),
        *_channel_cards(data),
        ("NUMGRP", int(held.sum()), "groups in all"),
        ("NUMELT", int(data.sizes["element"]), "elements in all"),
        ("LO_THRES", made_of.number(data.attrs, "lo_thres", 0.0), "elements below it were left out"),
    ]
    node = list(made.nodes)[-1]
    made.columns |= {
        (node, name): (len(made.hdus), columns[name].name.lower()) for name in ("energy_low", "energy_high")
    }
    made.add("SPECRESP MATRIX" if kind == "FULL" else "MATRIX", columns, cards, data, None)


def _small(values: NDArray) -> NDArray:
    return values.astype(np.int16 if values.max(initial=0) < 2**15 else np.int32)


def _of_rows(values: NDArray, held: NDArray) -> NDArray | Ragged:
    """Return numbers of groups by row: one a row where no energy bin has more, else as many as there are."""
    if held.max(initial=0) > 1:
        return Ragged(values, held)
    full = np.zeros(held.size, values.dtype)
    full[held == 1] = values
    return full


def _as_groups(data: xr.Dataset) -> xr.Dataset:
    """Return a response in groups without zeros at their ends, in order of energy, in the standard's units."""
    if "channel_index" in data.variables:
        data = _from_elements(data)
    data = made_of.in_standard(data, {"energy_low": "keV", "energy_high": "keV", "e_min": "keV", "e_max": "keV"})
    known = ("energy_low", "energy_high", "e_min", "e_max", "channel", "first_channel", "n_channels", "energy_index")
    made_of.refuse_others(data, (*known, "matrix"), "response")
    channel = data["channel"].values.astype(np.int64)
    if not channel.size or (np.diff(channel) != 1).any():
        raise WrongData("the channels of a response must count by one")
    groups = in_order(*(data[name].values for name in ("first_channel", "n_channels", "energy_index", "matrix")))
    if int(groups[1].sum()) != groups[3].size or (groups[1] < 0).any():
        raise WrongData("the response's groups do not fit its elements")
    if not np.isfinite(groups[3]).all():
        raise WrongData("the response has elements that are no finite numbers")
    groups = pruned(*groups)
    if groups[0].size and (groups[0].min() < channel[0] or (groups[0] + groups[1] - 1).max() > channel[-1]):
        raise WrongData("the response's groups reach beyond its channels")
    made = data.drop_vars(["first_channel", "n_channels", "energy_index", "matrix"])
    for name, values in zip(("first_channel", "n_channels", "energy_index"), groups[:3], strict=True):
        made[name] = ("group", values.astype(np.int32), data[name].attrs)
    made["matrix"] = ("element", groups[3], data["matrix"].attrs)
    return made


def _from_elements(data: xr.Dataset) -> xr.Dataset:
    """Return what ``xray.response`` makes, in groups: runs of neighbouring channels of one energy bin."""
    first, channel = data["first_element"].values.astype(np.int64), data["channel_index"].values.astype(np.int64)
    energy = np.repeat(np.arange(first.size), np.diff(np.append(first, channel.size)))
    starts = np.flatnonzero((np.diff(energy, prepend=-1) != 0) | (np.diff(channel, prepend=-2) != 1))
    one = {"units": "1"}
    made = data.drop_vars(["first_element", "channel_index"])
    made["first_channel"] = (
        "group",
        data["channel"].values[0] + channel[starts],
        {**one, "long_name": "First channel of the group"},
    )
    sizes = np.diff(np.append(starts, channel.size))
    made["n_channels"] = ("group", sizes, {**one, "long_name": "Channels in the group"})
    made["energy_index"] = ("group", energy[starts], {**one, "long_name": "Energy bin of the group"})
    return made
