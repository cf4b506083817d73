"""Which bins an event list is counted in, and the labelled datasets that the counts become."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import xarray as xr

from analysis.errors import BadOption, OutsideCoverage, WrongData
from analysis.model import check, derived, in_units, labelled, utc_of_clock
from analysis.xray.counting import reach_of
from analysis.xray.detectors import GoodTimes, good_events, good_seconds, good_times_of, seconds_between
from analysis.xray.inputs import (
    Amount,
    amount,
    as_dataset,
    band_of,
    datasets,
    in_band,
    limits,
    no_events,
    on,
    titled,
    variable,
)
from analysis.xray.intervals import clock_of, live_fraction, merged, poisson_error
from analysis.xray.sky import sky_frame
from analysis.xray.skycoords import pixel_sky

MOST_BINS = 10_000_000
MOST_PIXELS = 4096 * 4096
DEFAULT_SIDE = 512  # an image is given about so many pixels on its longer side
OGIP_TIMES = "OGIP/93-003, Angelini et al. (1994), The Proposed Timing FITS File Format"

Band = tuple[Amount, Amount] | None


class BandColumns(TypedDict, total=False):
    """The energies that a band is cut in; nothing without a band."""

    energy: np.ndarray
    band: tuple[float, float]


class PlaneColumns(BandColumns):
    """The columns of an image."""

    x: np.ndarray
    y: np.ndarray
    chosen: np.ndarray


@dataclass(frozen=True, eq=False)
class Seen:
    """Good times of an event list, and which events lie in those of their own detector."""

    times: GoodTimes
    good: np.ndarray
    outside: int

    @property
    def chosen(self) -> np.ndarray:
        """Which events count, as the loops take it: empty for all of them."""
        return self.good if self.outside else np.empty(0, dtype=bool)


@dataclass(frozen=True, eq=False)
class Plan:
    """A spectrum to count: ``values`` between ``edges``; ``channels`` where it is of channels, else steps of energy."""

    values: np.ndarray
    edges: np.ndarray
    channels: np.ndarray | None
    step: float


def seen_of(tree: xr.DataTree, listed: xr.Dataset, gti: xr.Dataset) -> Seen:
    """Return which events of a tree lie in good time."""
    times = good_times_of(tree, listed, gti)
    good = good_events(times, listed)
    return Seen(times, good, int(good.size - np.count_nonzero(good)))


def times_of(listed: xr.Dataset) -> np.ndarray:
    """Return the events' times in s."""
    return in_units(listed["time"], "s").values


def band_columns(listed: xr.Dataset, band: Band, what: str) -> BandColumns:
    """Return the energies to cut a band in; nothing for none."""
    if band is None:
        return {}
    low_high = limits(band)
    return {"energy": in_units(variable(listed, "energy", f"{what} with a band"), "keV").values, "band": low_high}


def plane_columns(listed: xr.Dataset, seen: Seen | None, band: Band) -> PlaneColumns:
    """Return the columns of an image."""
    x, y = (variable(listed, name, "image").values for name in ("x", "y"))
    chosen = np.empty(0, bool) if seen is None else seen.chosen
    return {"x": x, "y": y, "chosen": chosen, **band_columns(listed, band, "image")}


# ------------------------------------------------------------------------------------------ light curves


def time_edges(gti: xr.Dataset, bin_size: Amount) -> np.ndarray:
    """Return edges in s from the start of the first good time on, until the last one ends.

    Raises
    ------
    BadOption
        If the bin size is not positive, or would make more than ten million bins.
    """
    width = amount(bin_size, "s", "bin_size", bare=True)
    if width <= 0:
        raise BadOption(f"bin_size={bin_size!r} is not positive")
    start, stop = merged(gti)
    number = max(1, int(np.ceil((stop[-1] - start[0]) / width * (1 - 1e-12))))
    if number > MOST_BINS:
        raise BadOption(f"bins of {width:g} s from {start[0]:.0f} s to {stop[-1]:.0f} s are {number}; take longer ones")
    return start[0] + width * np.arange(number + 1)


def curve_of(
    listed: xr.Dataset, gti: xr.Dataset, seen: Seen, edges: np.ndarray, counts: np.ndarray, band: Band, what: str
) -> xr.Dataset:
    """Return counts between edges of time as a light curve."""
    chosen = seen.good & in_band(listed, band, what) if seen.times.column else None
    exposure = seconds_between(seen.times, listed, chosen, edges)
    possible, energies = np.where(exposure > 0, exposure, np.nan), band_of(listed, band)
    clock, middles, width = clock_of(listed), (edges[:-1] + edges[1:]) / 2, float(edges[1] - edges[0])
    made = xr.Dataset(
        {
            "rate": on("time", counts / possible, "ct s-1", f"Count rate, {energies}"),
            "rate_error": on("time", poisson_error(counts) / possible, "ct s-1", "1σ error of the count rate"),
            "counts": on("time", counts, "ct", "Counts"),
            "exposure": on("time", exposure, "s", "Good time in the bin"),
        },
        coords={
            "time": ("time", utc_of_clock(middles, **clock), {"long_name": "Time, middle of the bin (UTC)"}),
            "seconds": (
                "time",
                middles,
                {"units": "s", "long_name": "Mission time, middle of the bin", **clock},
            ),
        },
        attrs={"bin_size": width, "bin_size_units": "s", "band": energies},
    )
    step = f"xray.{what}: bins of {width:g} s, {energies}; "
    step += f"{seen.outside} events outside the good times left out{seen.times.note}"
    title = titled("Light curve", listed)
    return check(derived(made, listed, title=title, step=step, references=[OGIP_TIMES], also=[gti]))


# ------------------------------------------------------------------------------------------ images


def plane_edges(
    listed: xr.Dataset, bin_size: Amount | None, band: Band, seen: Seen | None
) -> tuple[np.ndarray, np.ndarray, int]:
    """Return edges of x and of y, whole steps from half-integers, where the list's own pixels meet.

    And how many events have no position.

    Raises
    ------
    OutsideCoverage
        If no event has a position.
    BadOption
        If the bin size is not positive or makes too many pixels.
    """
    x, y = (variable(listed, name, "image").values for name in ("x", "y"))
    ends, placed = reach_of(x, y)
    if not placed:
        raise OutsideCoverage(no_events(x.size, band_of(listed, band), placed=np.zeros(x.size, bool)))
    low, high = ends[::2], ends[1::2]
    size = (
        max(1.0, np.ceil((high - low).max() / DEFAULT_SIDE))
        if bin_size is None
        else amount(bin_size, "pix", "bin_size", bare=True)
    )
    if size <= 0:
        raise BadOption(f"bin_size={bin_size!r} is not positive")
    first = np.floor(low - 0.5) + 0.5
    number = (np.floor((high - first) / size) + 1).tolist()
    if number[0] * number[1] > MOST_PIXELS:
        raise BadOption(f"bin_size={size:g} makes {number[0]:.0f} × {number[1]:.0f} pixels; take a larger one")
    x_edges, y_edges = (start + size * np.arange(int(n) + 1) for start, n in zip(first, number, strict=True))
    return x_edges, y_edges, x.size - placed


def image_of(
    listed: xr.Dataset,
    gti: xr.Dataset | None,
    seen: Seen | None,
    edges: tuple[np.ndarray, np.ndarray, int],
    counts: np.ndarray,
    band: Band,
    what: str,
) -> xr.Dataset:
    """Return counts per pixel as an image.

    Raises
    ------
    OutsideCoverage
        If it holds none; says why.
    """
    x_edges, y_edges, unplaced = edges
    if not counts.any():
        x, y = (listed[name].values for name in ("x", "y"))
        placed, good = np.isfinite(x) & np.isfinite(y), None if seen is None else seen.good
        raise OutsideCoverage(no_events(x.size, band_of(listed, band), placed=placed, good=good))
    middle = {name: (ends[:-1] + ends[1:]) / 2 for name, ends in (("x", x_edges), ("y", y_edges))}
    size = float(x_edges[1] - x_edges[0])
    coords = {name: (name, values, {"units": "pix", "long_name": f"Sky {name}"}) for name, values in middle.items()}
    long_name = f"Counts, {band_of(listed, band)}"
    made = xr.Dataset(
        {"counts": (("y", "x"), counts, {"units": "ct", "long_name": long_name})},
        coords=coords,
        attrs={"bin_size": size, "bin_size_units": "pix", "band": band_of(listed, band), **sky_frame(listed)},
    )
    step = f"xray.{what}: pixels of {size:g} sky pixels, {made.attrs['band']}; "
    step += f"{unplaced} events without a position left out, "
    step += (
        "good times not known"
        if seen is None
        else f"{seen.outside} events outside the good times left out{seen.times.note.partition(', exposure')[0]}"
    )
    made = pixel_sky(made)
    return check(derived(made, listed, title=titled("Image", listed), step=step, also=datasets(gti)))


# ------------------------------------------------------------------------------------------ spectra


def spectrum_plan(
    listed: xr.Dataset,
    seen: Seen,
    rmf: xr.Dataset | xr.DataTree | None,
    bin_size: Amount | None,
    channel_width: Amount | None,
) -> Plan:
    """Return what is counted between which edges: channels of the list or of a response, or steps of energy.

    Raises
    ------
    BadOption, OutsideCoverage, WrongData
        As for :func:`analysis.xray.event_spectrum`.
    """
    if bin_size is not None and (rmf is not None or channel_width is not None):
        raise BadOption("event_spectrum takes rmf= and channel_width= (channels), or bin_size= (energies), not both")
    if bin_size is not None:
        return _steps(listed, seen, bin_size)
    pi = variable(listed, "pi", "event_spectrum")
    response = None if rmf is None else as_dataset(rmf, "event_spectrum")
    values = pi.values
    if channel_width is not None:
        values = np.floor(values * _energy_of_channel(pi, channel_width) + 1e-9)  # 15 eV are three channels of 5 eV
    elif response is not None:
        _refuse_other_width(pi, response)
    if values.dtype.kind == "f":
        values = np.trunc(values)
    chosen = values[seen.good] if seen.outside else values
    chosen = chosen[np.isfinite(chosen)] if chosen.dtype.kind == "f" else chosen
    low, high = (int(chosen.min()), int(chosen.max())) if chosen.size else (0, -1)
    if response is not None:
        channels = variable(response, "channel", "event_spectrum").values
    elif chosen.size:
        if high - low >= MOST_BINS:
            raise BadOption(f"channels from {low} to {high} are {high - low + 1}; give rmf=, or bin_size= in energy")
        channels = np.arange(low, high + 1)
    else:
        raise OutsideCoverage("there is no event with a channel; give rmf= for a spectrum of zeros")
    if chosen.size and (low < channels[0] or high > channels[-1]):
        raise OutsideCoverage(
            f"events lie in channels {low} to {high}, the spectrum has {channels[0]} to {channels[-1]}"
        )
    edges = np.arange(channels.size + 1) + (channels[0] - 0.5)
    return Plan(values, edges, channels, 1.0)


def _energy_of_channel(pi: xr.DataArray, channel_width: Amount) -> float:
    """How many of the wanted channels one step of pi is."""
    width = amount(channel_width, "keV", "channel_width")
    if width <= 0:
        raise BadOption(f"channel_width={channel_width!r} is not positive")
    if "channel_width" not in pi.attrs:
        raise WrongData(
            "the list does not say which energy a step of its pi is, so channel_width= cannot be used; where you know "
            "it, say so: tree['events'].pi.attrs['channel_width'] = 0.001 (keV)"
        )
    if start := float(pi.attrs.get("channel_start", 0.0)):
        raise BadOption(
            f"channel_width= counts channels from 0 keV; the list's pi 0 is at {start:g} keV, so its channels are no "
            "multiples of others; leave channel_width= out"
        )
    return float(pi.attrs["channel_width"]) / width


def _refuse_other_width(pi: xr.DataArray, response: xr.Dataset) -> None:
    if "channel_width" not in pi.attrs or not {"e_min", "e_max"} <= set(map(str, response.variables)):
        return
    theirs = float(np.median((in_units(response["e_max"], "keV") - in_units(response["e_min"], "keV")).values))
    ours = float(pi.attrs["channel_width"])
    if not 0.7 < theirs / ours < 1.4:
        instead = f"channel_width='{round(theirs * 1e3, 2):g} eV' if they count from 0 keV, or "
        raise WrongData(
            f"a step of the list's pi is {ours * 1e3:g} eV, the response's channels are {theirs * 1e3:.4g} eV wide; "
            f"give {'' if pi.attrs.get('channel_start') else instead}a response that fits"
        )


def _steps(listed: xr.Dataset, seen: Seen, bin_size: Amount) -> Plan:
    step = amount(bin_size, "keV", "bin_size", bare=True)
    energy = in_units(variable(listed, "energy", "event_spectrum"), "keV").values
    if step <= 0:
        raise BadOption(f"bin_size={bin_size!r} is not positive")
    highest = float(np.fmax.reduce(energy[seen.good] if seen.outside else energy, initial=0.0))
    number = int(np.floor(highest / step)) + 1
    number += int(highest >= number * step)  # the last step is no wider than the others: nothing lies on its end
    if number > MOST_BINS:
        raise BadOption(f"bin_size={bin_size!r} would make {number} bins; take a longer one")
    return Plan(energy, np.arange(number + 1) * step, None, step)


def spectrum_of(
    listed: xr.Dataset,
    gti: xr.Dataset,
    seen: Seen,
    plan: Plan,
    counts: np.ndarray,
    rmf: xr.Dataset | xr.DataTree | None,
    what: str,
) -> xr.Dataset:
    """Return counts per channel or step of energy as a spectrum with its exposure."""
    if plan.channels is not None:
        channel = ("channel", plan.channels, {"units": "1", "long_name": "Channel"})
        made = xr.Dataset({"counts": on("channel", counts, "ct", "Counts")}, coords={"channel": channel})
    else:
        low, high = plan.edges[:-1], plan.edges[1:]
        coords = {
            "energy": on("energy", (np.arange(low.size) + 0.5) * plan.step, "keV", "Energy"),
            "energy_low": on("energy", low, "keV", "Energy"),
            "energy_high": on("energy", high, "keV", "Upper end of the step"),
        }
        made = xr.Dataset({"counts": on("energy", counts, "ct", f"Counts per {plan.step:g} keV")}, coords=coords)
    good = good_seconds(seen.times, listed, seen.good if seen.times.column else None)
    live = live_fraction(listed.attrs)
    seconds = good if live is None else good * live
    made["exposure"] = labelled(xr.DataArray(seconds), "exposure", units="s", long_name="Exposure")
    if "region_area" in listed.attrs:
        long_name = f"Area of the region ({listed.attrs['region_area_units']})"
        made["backscal"] = labelled(
            xr.DataArray(listed.attrs["region_area"]), "backscal", units="1", long_name=long_name
        )
    said = listed.attrs.get("exposure")
    note = "" if said is None else f"; the header's exposure is {float(said):.1f} s"
    lost = seen.good.size - seen.outside - int(counts.sum())
    step = f"xray.{what}: {seen.outside} events outside the good times and "
    step += f"{lost} events without {'channel' if plan.channels is not None else 'an energy ≥ 0'} left out; "
    dead = "dead time not known" if live is None else f"times the header's live fraction, {live:.6g}"
    step += f"exposure {seconds:.1f} s: {good:.1f} s of good time intervals, {dead}{note}{seen.times.note}"
    made.attrs["band"] = band_of(listed, None)
    return check(derived(made, listed, title=titled("Spectrum", listed), step=step, also=datasets(gti, rmf)))
