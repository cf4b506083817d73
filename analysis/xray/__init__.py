"""X-ray sources: event lists, spectra, responses and light curves, and what to make of them.

The verbs are ``search``, ``fetch``, ``collect``, ``view`` and ``explore``; everything else is a pure function
named after what it returns.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import xarray as xr

from analysis.errors import BadOption, OutsideCoverage
from analysis.model import check, derived
from analysis.xray.absorbers import absorbed_flux, cross_section, transmission
from analysis.xray.binning import event_spectrum, image, light_curve
from analysis.xray.emission import power_law
from analysis.xray.folding import folded, response
from analysis.xray.grouping import channel_bins, channel_energies
from analysis.xray.polarimetry import modulation_factor, polarization
from analysis.xray.selecting import selected
from analysis.xray.sky import hydrogen_column, sky_positions, within
from analysis.xray.spectra import count_rate, grouped
from analysis.xray.statistics import c_statistic, w_statistic
from analysis.xray.views import explore, view

if TYPE_CHECKING:
    import pandas as pd
    from astropy.coordinates import SkyCoord

    from analysis.catalogue import Chunks
    from analysis.xray.inputs import Amount

__all__ = [
    "absorbed_flux",
    "c_statistic",
    "channel_bins",
    "channel_energies",
    "collect",
    "count_rate",
    "cross_section",
    "event_spectrum",
    "explore",
    "fetch",
    "folded",
    "grouped",
    "hydrogen_column",
    "image",
    "light_curve",
    "modulation_factor",
    "polarization",
    "power_law",
    "response",
    "search",
    "selected",
    "sky_positions",
    "transmission",
    "view",
    "w_statistic",
    "within",
]


def search(text: str = "") -> pd.DataFrame:
    """Return the X-ray products in which every word of ``text`` occurs; all of them for an empty text.

    Returns
    -------
    pandas.DataFrame
        One row a product: ``product, title, mission, instrument, start, stop, kind, where``.

    Examples
    --------
    >>> "m82_acis_events" in set(search("chandra events")["product"])
    True
    """
    from analysis import catalogue

    return catalogue.search("xray", text)


def fetch(
    product: str,
    *,
    target: str | SkyCoord | None = None,
    radius: Amount | None = None,
    obsid: str | int | None = None,
    variables: Iterable[str] | None = None,
    chunks: Chunks | None = None,
) -> xr.Dataset | xr.DataTree:
    """Return an X-ray product: a DataTree of events or of a spectrum with its responses, or a Dataset.

    Parameters
    ----------
    product : str
        A name that :func:`search` lists.
    target : str or astropy.coordinates.SkyCoord, optional
        A place: ``"148.96 69.68"`` (ICRS, degrees) or ``"09h55m50s +69d40m47s"``. Of event lists the events
        within ``radius`` of it are given, of the map of hydrogen its value there. Names are not resolved
        offline.
    radius : text, astropy Quantity or DataArray, optional
        Of the circle around ``target``, with its unit: ``"30 arcsec"``.
    obsid : str or int, optional
        The observation that you mean; refused if the product is of another.
    variables : iterable of str, optional
        Keep these.
    chunks : int, "auto" or mapping, optional
        Give a Dask-backed result.

    Returns
    -------
    xarray.Dataset or xarray.DataTree
        Checked and stamped; ``search`` says which of the two.

    Raises
    ------
    UnknownProduct, UnknownVariable
        For a name that is not there.
    OutsideCoverage
        If the product is of another observation, or nothing of it lies at the target.
    BadOption, MissingUnits
        If target, radius or chunks cannot be used.

    Examples
    --------
    >>> core = fetch("m82_acis_events", target="09h55m50s +69d40m47s", radius="10 arcsec")
    >>> core["events"].attrs["region"]
    'circle(RA 148.95833, Dec +69.67972 deg, 0.166667 arcmin)'
    """
    from analysis import catalogue

    if target is None and radius is not None:
        raise BadOption(f"radius={radius!r} needs a target=, the middle of the circle")
    names = list(variables) if isinstance(variables, Iterable) and not isinstance(variables, str) else variables
    extra: list[str] = []
    if target is not None and names:  # a circle on the sky needs positions; they are taken out again
        held, names = catalogue.product("xray", product).holds, [names] if isinstance(names, str) else names
        extra = [name for name in ("x", "y") if isinstance(names, list) and name in held and name not in names]
        names = [*names, *extra] if extra else names
    data = catalogue.fetch("xray", product, variables=names, chunks=chunks)
    if obsid is not None:
        _refuse_other_observation(data, product, str(obsid))
    if target is None:
        return data
    cut = _at(data, product, target, radius)
    if not extra or not isinstance(cut, xr.DataTree):
        return cut
    return cut.map_over_datasets(lambda node: node.drop_vars(extra, errors="ignore"))


def collect(*products: str) -> xr.DataTree:
    """Return several products as one DataTree, a node each, each with its own provenance.

    Parameters
    ----------
    *products : str
        Names that :func:`search` lists.

    Raises
    ------
    UnknownProduct
        For a name that is not there.
    BadOption
        If none is given.

    Examples
    --------
    >>> sorted(collect("ngc7793_ulx4_pn")["ngc7793_ulx4_pn"].children)
    ['arf', 'background', 'rmf', 'spectrum']
    """
    from analysis import catalogue

    return catalogue.collect("xray", products)


def _refuse_other_observation(data: xr.Dataset | xr.DataTree, product: str, obsid: str) -> None:
    nodes = data.subtree if isinstance(data, xr.DataTree) else [data]
    held = {str(node.attrs["obs_id"]) for node in nodes if node.attrs.get("obs_id")}
    if not held:
        raise OutsideCoverage(f"{product} does not say which observation it is of; leave obsid={obsid!r} out")
    if obsid.strip().lstrip("0") not in {known.strip().lstrip("0") for known in held}:
        raise OutsideCoverage(f"{product} is of observation {', '.join(sorted(held))}, not {obsid}")


def _at(
    data: xr.Dataset | xr.DataTree, product: str, target: str | SkyCoord, radius: Amount | None
) -> xr.Dataset | xr.DataTree:
    """What of a product lies at a place: events in a circle, or a map's value."""
    if isinstance(data, xr.DataTree) and "events" in data.children:
        if radius is None:
            raise BadOption(f"fetch({product!r}, target=…) needs radius=, for example radius='30 arcsec'")
        return within(data, target, radius)
    if isinstance(data, xr.Dataset) and any(
        array.ndim == 2 and "wcs_ctype" in {**data.attrs, **array.attrs} for array in data.values()
    ):
        if radius is not None:
            raise BadOption(f"{product} is a map whose value at the target is given; leave radius={radius!r} out")
        found = hydrogen_column(data, target)
        step = f"xray.hydrogen_column: {found.attrs['target']}"
        return check(derived(xr.Dataset({found.name: found}), data, title=f"{found.attrs['long_name']}", step=step))
    raise BadOption(f"{product} holds no events and no map to take a place from; leave target={target!r} out")


def __dir__() -> list[str]:
    return sorted(__all__)
