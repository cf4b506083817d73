"""Event lists in bins: of time (light curves), of place (images), of channel or energy (spectra)."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.errors import BadOption, OutsideCoverage
from analysis.model import check, derived, in_units, labelled, utc_of_clock
from analysis.xray.inputs import (
    Amount,
    amount,
    as_dataset,
    band_of,
    datasets,
    events_and_gti,
    in_band,
    intervals_of,
    no_events,
    titled,
    variable,
)
from analysis.xray.intervals import clock_of, exposure_between, good_time, inside, merged, poisson_error
from analysis.xray.sky import events_of, pixel_sky, sky_frame

MOST_BINS = 10_000_000
MOST_PIXELS = 4096 * 4096
DEFAULT_SIDE = 512  # an image is given about so many pixels on its longer side
OGIP_TIMES = "OGIP/93-003, Angelini et al. (1994), The Proposed Timing FITS File Format"


def light_curve(events: xr.DataTree, bin_size: Amount, *, band: tuple[Amount, Amount] | None = None) -> xr.Dataset:
    """Return the count rate in time, each bin divided by the good time in it.

    Parameters
    ----------
    events : xarray.DataTree
        With nodes ``events`` (``time``, and ``energy`` where a band is asked for) and ``gti``.
    bin_size : float or value with units
        Length of the bins; a bare number is in seconds.
    band : (low, high), optional
        Events with low ≤ energy < high, in keV.

    Returns
    -------
    xarray.Dataset
        On ``time`` (UTC, middles of the bins): ``rate`` and ``rate_error`` (ct s-1), ``counts`` (ct),
        ``exposure`` (good seconds of the bin) and the coordinate ``seconds`` (mission clock). Rate and
        error are NaN in bins without good time. The first bin starts with the first interval.

    Raises
    ------
    BadOption
        If the bin size is not positive, or would make more than ten million bins.
    WrongData, UnknownVariable
        If events or intervals are missing, or a band is asked for and there are no energies.

    Notes
    -----
    Exposure is the overlap of each bin with the union of the good time intervals, dead time not taken off;
    events outside them are left out, and ``history`` says how many. Errors: √N, and 1.84 counts for N = 0.

    References
    ----------
    OGIP/93-003, Angelini et al. (1994); Gehrels (1986), ApJ 303, 336, doi:10.1086/164079.

    Examples
    --------
    >>> from analysis import xray
    >>> curve = xray.light_curve(xray.fetch("m82_acis_events"), "100 s")
    >>> float(curve.exposure.sum().round())
    945.0
    """
    listed, gti = events_and_gti(events, "light_curve")
    width = amount(bin_size, "s", "bin_size", bare=True)
    if width <= 0:
        raise BadOption(f"bin_size={bin_size!r} is not positive")
    edges = _time_edges(gti, width)
    times = in_units(listed["time"], "s").values
    good = inside(gti, times)
    chosen = times[good & in_band(listed, band, "light_curve")]
    counts = _in_bins(chosen, edges)
    exposure = exposure_between(gti, edges)
    seen, energies = np.where(exposure > 0, exposure, np.nan), band_of(listed, band)
    clock, middles = clock_of(listed), (edges[:-1] + edges[1:]) / 2
    made = xr.Dataset(
        {
            "rate": _on("time", counts / seen, "ct s-1", f"Count rate, {energies}"),
            "rate_error": _on("time", poisson_error(counts) / seen, "ct s-1", "1σ error of the count rate"),
            "counts": _on("time", counts, "ct", "Counts"),
            "exposure": _on("time", exposure, "s", "Good time in the bin"),
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
    outside = int(np.count_nonzero(~good))
    step = f"xray.light_curve: bins of {width:g} s, {energies}; "
    step += f"{outside} events outside the good times left out"
    title = titled("Light curve", listed)
    return check(derived(made, listed, title=title, step=step, references=[OGIP_TIMES], also=[gti]))


def image(
    events: xr.DataTree | xr.Dataset,
    *,
    bin_size: float | None = None,
    band: tuple[Amount, Amount] | None = None,
) -> xr.Dataset:
    """Return how many events fell on each part of the sky plane.

    Parameters
    ----------
    events : xarray.DataTree or xarray.Dataset
        A tree with the node ``events``, or that node: ``x``, ``y`` and, for a band, ``energy``. Of a tree with
        ``gti`` the events outside the good times are left out, as everywhere; the node alone knows none, so all
        its events are drawn.
    bin_size : float, optional
        Side of the image's pixels, in the event list's sky pixels; left out, about 512 of them make the
        longer side.
    band : (low, high), optional
        Events with low ≤ energy < high, in keV.

    Returns
    -------
    xarray.Dataset
        ``counts`` on ``y, x`` (sky pixels, middles) that holds every good event once; ``ra`` and ``dec`` (deg)
        of each pixel's middle on the same dims, where the file says how the plane lies on the sky. With the
        usual negative step in right ascension, East is at small ``x``: on the left. ``history`` says how many
        events were left out.

    Raises
    ------
    UnknownVariable
        If the events have no positions.
    OutsideCoverage
        If no good event with a position lies in the band, or there are none at all.
    BadOption
        If the bin size is not positive or would make more than 4096 × 4096 pixels.

    Examples
    --------
    >>> from analysis import xray
    >>> m82 = xray.fetch("m82_acis_events")
    >>> int(xray.image(m82, bin_size=4).counts.sum()) == m82["events"].sizes["event"]
    True
    """
    listed = events_of(events, "image")
    x, y = (variable(listed, name, "image").values for name in ("x", "y"))
    gti = intervals_of(events)
    good = np.ones(x.size, dtype=bool)
    if gti is not None:
        good = inside(gti, in_units(variable(listed, "time", "image"), "s").values)
    placed = np.isfinite(x) & np.isfinite(y)
    kept = in_band(listed, band, "image") & placed & good
    if not kept.any():
        raise OutsideCoverage(no_events(x.size, band_of(listed, band), placed=placed, good=good))
    x_edges, y_edges = _plane_edges(x[placed], y[placed], bin_size)
    counts, _, _ = np.histogram2d(y[kept], x[kept], bins=(y_edges, x_edges))
    middle = {name: (edges[:-1] + edges[1:]) / 2 for name, edges in (("x", x_edges), ("y", y_edges))}
    size = float(x_edges[1] - x_edges[0])
    coords = {name: (name, values, {"units": "pix", "long_name": f"Sky {name}"}) for name, values in middle.items()}
    made = xr.Dataset(
        {
            "counts": (
                ("y", "x"),
                counts.astype(np.int64),
                {"units": "ct", "long_name": f"Counts, {band_of(listed, band)}"},
            )
        },
        coords=coords | pixel_sky(listed, middle["x"], middle["y"]),
        attrs={"bin_size": size, "bin_size_units": "pix", "band": band_of(listed, band), **sky_frame(listed)},
    )
    step = f"xray.image: pixels of {size:g} sky pixels, {made.attrs['band']}; "
    step += f"{int(np.count_nonzero(~placed))} events without a position left out, "
    outside = int(np.count_nonzero(~good))
    step += "good times not known" if gti is None else f"{outside} events outside the good times left out"
    return check(derived(made, listed, title=titled("Image", listed), step=step, also=datasets(gti)))


def event_spectrum(
    events: xr.DataTree, *, rmf: xr.Dataset | xr.DataTree | None = None, bin_size: Amount | None = None
) -> xr.Dataset:
    """Return the spectrum of an event list: counts per PI channel, or per step of energy.

    Parameters
    ----------
    events : xarray.DataTree
        With the nodes ``events`` (``pi``, or ``energy`` where a bin size is given) and ``gti``.
    rmf : xarray.Dataset, optional
        Response whose channels are to be filled; left out, from the lowest to the highest that has events.
    bin_size : float or value with units, optional
        Step in energy instead of channels; a bare number is in keV. Bins start at 0 keV.

    Returns
    -------
    xarray.Dataset
        ``counts`` on ``channel``, as a PHA file has it; or on ``energy`` (keV, middles of the steps, with
        the ends ``energy_low`` and ``energy_high``). And
        ``exposure`` in s: the good time, with a line in ``history`` where the header says another. Events
        outside the good times are left out, and so are those without a channel, or without an energy ≥ 0;
        ``history`` says how many.

    Raises
    ------
    UnknownVariable
        If the events have no ``pi`` (or no ``energy``).
    OutsideCoverage
        If events lie in channels that the response has not.
    BadOption
        If both options are given, or the bin size is not positive.

    Examples
    --------
    >>> from analysis import xray
    >>> m82 = xray.fetch("m82_acis_events")
    >>> int(xray.event_spectrum(m82).counts.sum()) == m82["events"].sizes["event"]
    True
    """
    listed, gti = events_and_gti(events, "event_spectrum")
    if rmf is not None and bin_size is not None:
        raise BadOption("event_spectrum takes rmf= (channels) or bin_size= (energies), not both")
    good = inside(gti, in_units(listed["time"], "s").values)
    seen = listed.isel(event=np.flatnonzero(good))
    made = _by_channel(seen, rmf) if bin_size is None else _by_energy(seen, bin_size)
    seconds = good_time(gti)
    made["exposure"] = labelled(xr.DataArray(seconds), "exposure", units="s", long_name="Exposure")
    said = listed.attrs.get("exposure")
    note = "" if said is None else f"; the header's exposure is {float(said):.1f} s"
    lost = seen.sizes["event"] - int(made["counts"].sum())
    step = f"xray.event_spectrum: {int(np.count_nonzero(~good))} events outside the good times and "
    step += f"{lost} events without {'channel' if bin_size is None else 'an energy ≥ 0'} left out; "
    step += f"exposure {seconds:.1f} s from the good time intervals{note}"
    made.attrs["band"] = band_of(listed, None)
    return check(derived(made, listed, title=titled("Spectrum", listed), step=step, also=datasets(gti, rmf)))


def _by_channel(listed: xr.Dataset, rmf: xr.Dataset | xr.DataTree | None) -> xr.Dataset:
    pi = variable(listed, "pi", "event_spectrum").values
    pi = pi[np.isfinite(pi)].astype(np.int64)
    if rmf is not None:
        channels = variable(as_dataset(rmf, "event_spectrum"), "channel", "event_spectrum").values
    elif pi.size:
        channels = np.arange(pi.min(), pi.max() + 1)
    else:
        raise OutsideCoverage("there is no event with a channel; give rmf= for a spectrum of zeros")
    if pi.size and (pi.min() < channels[0] or pi.max() > channels[-1]):
        raise OutsideCoverage(
            f"events lie in channels {pi.min()} to {pi.max()}, the spectrum has {channels[0]} to {channels[-1]}"
        )
    counts = np.bincount(pi - channels[0], minlength=channels.size)
    attrs = {"units": "1", "long_name": "Channel"}
    return xr.Dataset(
        {"counts": _on("channel", counts, "ct", "Counts")}, coords={"channel": ("channel", channels, attrs)}
    )


def _by_energy(listed: xr.Dataset, bin_size: Amount) -> xr.Dataset:
    step = amount(bin_size, "keV", "bin_size", bare=True)
    energy = in_units(variable(listed, "energy", "event_spectrum"), "keV").values
    if step <= 0:
        raise BadOption(f"bin_size={bin_size!r} is not positive")
    usable = energy[np.isfinite(energy) & (energy >= 0)]
    number = int(np.floor(usable.max(initial=0.0) / step)) + 1
    if number > MOST_BINS:
        raise BadOption(f"bin_size={bin_size!r} would make {number} bins; take a longer one")
    counts = np.bincount(np.minimum((usable / step).astype(np.int64), number - 1), minlength=number)
    steps = np.arange(number)
    coords = {
        "energy": ("energy", (steps + 0.5) * step, {"units": "keV", "long_name": "Energy"}),
        "energy_low": ("energy", steps * step, {"units": "keV", "long_name": "Energy"}),
        "energy_high": ("energy", (steps + 1) * step, {"units": "keV", "long_name": "Upper end of the step"}),
    }
    return xr.Dataset({"counts": _on("energy", counts, "ct", f"Counts per {step:g} keV")}, coords=coords)


def _time_edges(gti: xr.Dataset, width: float) -> np.ndarray:
    start, stop = merged(gti)
    number = max(1, int(np.ceil((stop[-1] - start[0]) / width * (1 - 1e-12))))
    if number > MOST_BINS:
        raise BadOption(f"bins of {width:g} s from {start[0]:.0f} s to {stop[-1]:.0f} s are {number}; take longer ones")
    return start[0] + width * np.arange(number + 1)


def _plane_edges(x: np.ndarray, y: np.ndarray, bin_size: float | None) -> tuple[np.ndarray, np.ndarray]:
    """Edges on the plane: whole steps from half-integers, where the event list's own pixels meet."""
    longest = max(np.ptp(x), np.ptp(y))
    size = (
        max(1.0, np.ceil(longest / DEFAULT_SIDE))
        if bin_size is None
        else amount(bin_size, "pix", "bin_size", bare=True)
    )
    if size <= 0:
        raise BadOption(f"bin_size={bin_size!r} is not positive")
    first = [np.floor(values.min() - 0.5) + 0.5 for values in (x, y)]
    number = [int(np.floor((values.max() - low) / size)) + 1 for values, low in zip((x, y), first, strict=True)]
    if number[0] * number[1] > MOST_PIXELS:
        raise BadOption(f"bin_size={size:g} makes {number[0]} × {number[1]} pixels; take a larger one")
    x_edges, y_edges = (low + size * np.arange(n + 1) for low, n in zip(first, number, strict=True))
    return x_edges, y_edges


def _in_bins(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    return np.histogram(values, bins=edges)[0]


def _on(dim: str, values: np.ndarray, units: str, long_name: str) -> tuple[str, np.ndarray, dict[str, str]]:
    return dim, values, {"units": units, "long_name": long_name}
