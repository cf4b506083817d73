"""Event lists in bins: of time (light curves), of place (images), of channel or energy (spectra)."""

from __future__ import annotations

import xarray as xr

from analysis.xray.counting import Columns, counted
from analysis.xray.inputs import Amount, events_and_gti, intervals_of
from analysis.xray.planning import (
    band_columns,
    curve_of,
    image_of,
    plane_columns,
    plane_edges,
    seen_of,
    spectrum_of,
    spectrum_plan,
    time_edges,
    times_of,
)
from analysis.xray.sky import events_of


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
    Exposure is the overlap of each bin with the good time intervals, dead time not taken off; events outside them are
    left out, and ``history`` says how many. Where chips or telescopes have intervals of their own, an event belongs to
    those of its own, and the exposure is the mean of theirs, each weighed with its count rate: the rate is then
    Σ N/T over them. Errors: √N, and 1.84 counts for N = 0.

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
    seen = seen_of(events, listed, gti)
    edges = time_edges(gti, bin_size)
    columns = Columns(
        seen.good.size, times=times_of(listed), chosen=seen.chosen, **band_columns(listed, band, "light_curve")
    )
    return curve_of(listed, gti, seen, edges, counted(columns, curve=edges).curve, band, "light_curve")


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
    gti = intervals_of(events)
    seen = None if gti is None or not isinstance(events, xr.DataTree) else seen_of(events, listed, gti)
    edges = plane_edges(listed, bin_size, band, seen)
    columns = Columns(listed.sizes["event"], **plane_columns(listed, seen, band))
    return image_of(listed, gti, seen, edges, counted(columns, image=edges[:2]).image, band, "image")


def event_spectrum(
    events: xr.DataTree,
    *,
    rmf: xr.Dataset | xr.DataTree | None = None,
    bin_size: Amount | None = None,
    channel_width: Amount | None = None,
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
    channel_width : value with units, optional
        For lists whose ``pi`` is an energy (XMM-Newton's EPIC: in eV): the width of the response's channels, so
        that channel = floor(pi / width); ``"5 eV"`` is what evselect is usually told for EPIC.

    Returns
    -------
    xarray.Dataset
        ``counts`` on ``channel``, as a PHA file has it; or on ``energy`` (keV, middles of the steps, with
        the ends ``energy_low`` and ``energy_high``). And
        ``exposure`` in s: the good time, times the live fraction that the header says (DTCOR, DEADC, or LIVETIME
        over ONTIME); ``history`` says both, or that dead time is not known. Events outside the good times are left
        out, and so are those without a channel, or without an energy ≥ 0; ``history`` says how many.

    Raises
    ------
    UnknownVariable
        If the events have no ``pi`` (or no ``energy``).
    OutsideCoverage
        If events lie in channels that the response has not, or there is no good time.
    WrongData
        If the response's channels are wider or narrower than those of the list.
    BadOption
        If options are given that exclude each other, or a bin size is not positive.

    Examples
    --------
    >>> from analysis import xray
    >>> m82 = xray.fetch("m82_acis_events")
    >>> int(xray.event_spectrum(m82).counts.sum()) == m82["events"].sizes["event"]
    True
    """
    listed, gti = events_and_gti(events, "event_spectrum")
    seen = seen_of(events, listed, gti)
    plan = spectrum_plan(listed, seen, rmf, bin_size, channel_width)
    columns = Columns(seen.good.size, values=plan.values, chosen=seen.chosen)
    counts = counted(columns, spectrum=plan.edges).spectrum
    return spectrum_of(listed, gti, seen, plan, counts, rmf, "event_spectrum")
