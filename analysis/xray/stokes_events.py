"""Single events of a polarimeter: which may be used, with their Stokes parameters, weights, energies and exposure."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from analysis.errors import AnalysisWarning, BadOption, WrongData
from analysis.model import in_units
from analysis.xray.grouping import channel_energies
from analysis.xray.inputs import Amount, amount, as_dataset, events_and_gti, variable
from analysis.xray.intervals import good_time, inside

ON_CIRCLE = (3.6, 4.4)  # mean of q² + u² of an event: 4, but for small corrections of spurious modulation


@dataclass(frozen=True)
class Taken:
    """The events that count, their q, u and weights, and words for those left out."""

    events: xr.Dataset
    q: np.ndarray
    u: np.ndarray
    w: np.ndarray
    left_out: str


def taken(tree: xr.DataTree, weights: str | None, what: str) -> Taken:
    """Return the events in good time whose q, u and weight are numbers.

    Raises
    ------
    WrongData
        If q and u are not 2 cos 2φ and 2 sin 2φ, or a weight is negative.
    UnknownVariable
        If a column is missing.

    Warns
    -----
    AnalysisWarning
        For events without numbers.
    """
    events, gti = events_and_gti(tree, what)
    q, u = (variable(events, name, what).values.astype(float) for name in "qu")
    if weights is None:
        w = np.ones_like(q)
    else:
        if not isinstance(weights, str):
            raise BadOption(f"weights={weights!r} must be the name of a column, 'w_mom' in IXPE's files")
        w = variable(events, weights, f"{what} with weights").values.astype(float)
    good = inside(gti, in_units(events["time"], "s").values)
    whole = np.isfinite(q) & np.isfinite(u) & np.isfinite(w)
    outside, broken = int(np.count_nonzero(~good)), int(np.count_nonzero(good & ~whole))
    left_out = f"{outside} events outside the good times left out"
    if broken:
        left_out += f", {broken} without q, u or weight"
        warnings.warn(f"{what}: {broken} events have no q, u or weight and are left out", AnalysisWarning, stacklevel=4)
    if not (good & whole).all():
        kept = np.flatnonzero(good & whole)
        events, q, u, w = events.isel(event=kept), q[kept], u[kept], w[kept]
    if (w < 0).any():
        raise WrongData(f"{what}: {int((w < 0).sum())} weights are negative; weights are 0 or more")
    if q.size and not ON_CIRCLE[0] < (square := float(np.mean(q**2 + u**2))) < ON_CIRCLE[1]:
        raise WrongData(
            f"{what} needs q = 2 cos 2φ and u = 2 sin 2φ of each event, q² + u² = 4; here its mean is {square:.3g}"
        )
    return Taken(events, q, u, w, left_out)


def energies_of(events: xr.Dataset, rmf: xr.Dataset | xr.DataTree | None, what: str) -> np.ndarray:
    """Return the energies of events in keV: of their channels' middles, or as recorded; NaN outside the channels.

    Raises
    ------
    BadOption
        If they have channels only and there is no response.
    """
    if rmf is None:
        if "energy" not in events.variables:
            raise BadOption(f"{what} needs rmf=, which gives channels (pi) their energies: these events have no energy")
        return in_units(events["energy"], "keV").values.astype(float)
    bounds = channel_energies(rmf)
    return np.append(bounds["energy"].values, np.nan)[channel_rows(events, bounds["channel"].values, what)]


def channel_rows(events: xr.Dataset, channels: np.ndarray, what: str) -> np.ndarray:
    """Return the row of each event's channel among those of a response; -1 outside."""
    pi = variable(events, "pi", what).values.astype(float)
    row = np.where(np.isfinite(pi), pi, -np.inf) - channels[0]
    return np.where((row >= 0) & (row < channels.size), row, -1).astype(np.int64)


def energy_bins(energy: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return in which bin [low, high) each energy lies, -1 for none."""
    row = np.searchsorted(edges, energy, side="right") - 1
    return np.where((row < edges.size - 1) & np.isfinite(energy), row, -1)


def refuse_other_energies(rmf: xr.Dataset | xr.DataTree, arf: xr.Dataset | xr.DataTree, what: str) -> None:
    """Raise WrongData for a matrix and an area of different energy bins: they do not belong together."""
    ours, theirs = (in_units(variable(as_dataset(data, what), "energy_low", what), "keV").values for data in (rmf, arf))
    if ours.shape != theirs.shape or not np.allclose(ours, theirs, rtol=1e-5, atol=1e-6):
        raise WrongData(
            f"{what}: the energy bins of rmf ({ours.size}) and arf ({theirs.size}) differ; take those of one detector"
        )


def seconds_of(*trees: xr.DataTree) -> list[float]:
    """Return the exposures of event lists on one footing: the headers' live times, or else the good times.

    Raises
    ------
    WrongData
        If a header's time is longer than the good times: the events are then a part of an observation.
    """
    found = [events_and_gti(tree, "the exposure") for tree in trees]
    for name in ("livetime", "exposure"):
        if all(name in events.attrs for events, _ in found):
            seconds = [float(events.attrs[name]) for events, _ in found]
            for said, (_, gti) in zip(seconds, found, strict=True):
                if said > (good := good_time(gti)) * 1.001:
                    raise WrongData(
                        f"the header's {name} is {said:.0f} s, the good times last {good:.0f} s: these are part of "
                        f"an observation; take attrs[{name!r}] out of the events to count with the good times"
                    )
            if min(seconds) > 0:
                return seconds
    return [good_time(gti) for _, gti in found]


def energy_edges(edges: Sequence[Amount]) -> np.ndarray:
    """Return edges of energy bins in keV.

    Raises
    ------
    BadOption
        If they are fewer than two or do not increase.

    Examples
    --------
    >>> energy_edges((2, "4 keV", "8000 eV")).tolist()
    [2.0, 4.0, 8.0]
    """
    if isinstance(edges, xr.DataArray) and edges.ndim == 1:
        found = in_units(edges, "keV").values.astype(float)
    elif isinstance(edges, str) or not hasattr(edges, "__len__"):
        raise BadOption(f"edges={edges!r} are no energies such as (2, 4, 8), in keV")
    else:
        found = np.array([amount(edge, "keV", "edges", bare=True) for edge in edges])
    if found.size < 2 or not (np.isfinite(found).all() and found[0] >= 0 and (np.diff(found) > 0).all()):
        raise BadOption(f"edges={edges!r} must be two or more increasing energies in keV, such as (2, 4, 8)")
    return found
