"""Image, light curve and spectrum of an event list from one pass over it."""

from __future__ import annotations

import xarray as xr

from analysis.xray.counting import Columns, counted
from analysis.xray.inputs import Amount, events_and_gti, variable
from analysis.xray.intervals import usual_bin
from analysis.xray.planning import (
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


def event_products(
    events: xr.DataTree,
    *,
    pixel_size: float | None = None,
    time_step: Amount | None = None,
    band: tuple[Amount, Amount] | None = None,
    rmf: xr.Dataset | xr.DataTree | None = None,
    energy_step: Amount | None = None,
    channel_width: Amount | None = None,
) -> xr.DataTree:
    """Return the image, the light curve and the spectrum of an event list, counted in one pass.

    Parameters
    ----------
    events : xarray.DataTree
        With the nodes ``events`` (``time``, ``x``, ``y``, and ``pi`` or ``energy``) and ``gti``.
    pixel_size : float, optional
        As ``bin_size`` of :func:`analysis.xray.image`.
    time_step : float or value with units, optional
        As ``bin_size`` of :func:`analysis.xray.light_curve`; left out, about a hundred bins.
    band : (low, high), optional
        Of the image and the light curve, in keV; the spectrum is of all energies.
    rmf, energy_step, channel_width : optional
        As ``rmf``, ``bin_size`` and ``channel_width`` of :func:`analysis.xray.event_spectrum`.

    Returns
    -------
    xarray.DataTree
        Nodes ``image``, ``light_curve`` and ``spectrum``: each number is the one that the three functions give, and
        that numpy.histogram gives between the same edges.

    Raises
    ------
    WrongData, UnknownVariable, OutsideCoverage, BadOption
        As those functions do.

    Examples
    --------
    >>> from analysis import xray
    >>> made = xray.event_products(xray.fetch("m82_acis_events"), time_step="100 s")
    >>> sorted(made.children), int(made["light_curve"].counts.sum())
    (['image', 'light_curve', 'spectrum'], 4612)
    """
    what = "event_products"
    listed, gti = events_and_gti(events, what)
    for name in ("x", "y"):
        variable(listed, name, what)
    seen = seen_of(events, listed, gti)
    t_edges = time_edges(gti, usual_bin(gti) if time_step is None else time_step)
    p_edges = plane_edges(listed, pixel_size, band, seen)
    plan = spectrum_plan(listed, seen, rmf, energy_step, channel_width)
    columns = Columns(seen.good.size, times=times_of(listed), values=plan.values, **plane_columns(listed, seen, band))
    found = counted(columns, image=p_edges[:2], curve=t_edges, spectrum=plan.edges)
    return xr.DataTree.from_dict(
        {
            "image": image_of(listed, gti, seen, p_edges, found.image, band, what),
            "light_curve": curve_of(listed, gti, seen, t_edges, found.curve, band, what),
            "spectrum": spectrum_of(listed, gti, seen, plan, found.spectrum, rmf, what),
        }
    )
