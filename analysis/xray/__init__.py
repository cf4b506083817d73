"""X-ray sources: event lists, spectra, responses and light curves, and what to make of them.

The verbs are ``search``, ``fetch``, ``collect``, ``view`` and ``explore``; everything else is a pure function
named after what it returns.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from numbers import Integral
from typing import TYPE_CHECKING

import xarray as xr

from analysis.errors import BadOption, OutsideCoverage
from analysis.model import check, derived
from analysis.xray.absorbers import absorbed_flux, cross_section, transmission
from analysis.xray.archived_missions import missions_numbering_like, observatories
from analysis.xray.barycentre import barycentred
from analysis.xray.batches import fit_many
from analysis.xray.binning import event_spectrum, image, light_curve
from analysis.xray.brushes import brushed, brushed_image
from analysis.xray.comparing import compared, likelihood_ratio
from analysis.xray.component_plasma import apec
from analysis.xray.component_tables import table_model
from analysis.xray.component_users import user_model
from analysis.xray.components import model_components
from analysis.xray.contouring import contours
from analysis.xray.crossing import cross_spectrum, log_rebinned
from analysis.xray.emission import power_law
from analysis.xray.energy_lags import lag_energy_spectrum
from analysis.xray.evaluation import energy_bins, photon_flux
from analysis.xray.event_simulation import simulated_events
from analysis.xray.exposure_maps import flux_image
from analysis.xray.extinctions import column_of_extinction, extinction, reddening
from analysis.xray.feasibilities import feasibility
from analysis.xray.fitted import fitted_spectrum
from analysis.xray.fitting import fit
from analysis.xray.fluxes import equivalent_width, flux, luminosity
from analysis.xray.folding import folded, response
from analysis.xray.goodtimes import (
    common_good_times,
    gap_times,
    good_times,
    good_times_where,
    good_times_without,
    in_good_times,
    joined_good_times,
)
from analysis.xray.grouping import channel_bins, channel_energies
from analysis.xray.index_files import open_event_index, save_event_index
from analysis.xray.inputs import amount
from analysis.xray.instruments import instrument
from analysis.xray.interchange import from_stingray, to_stingray
from analysis.xray.judging import expected_statistic, goodness
from analysis.xray.matching import chance_probability, matched
from analysis.xray.models import model
from analysis.xray.observed_files import collected, observation_files
from analysis.xray.one_pass import event_products
from analysis.xray.outlines import region_outlines
from analysis.xray.periodicity import h_test, z_squared
from analysis.xray.plasma_files import plasma_tables
from analysis.xray.pointings import observations
from analysis.xray.polarimetry import modulation_factor, polarization
from analysis.xray.polarization_adding import polarization_rotated, polarization_sum
from analysis.xray.polarization_events import polarization_cube
from analysis.xray.polarization_plane import (
    minimum_detectable_polarization,
    polarization_contours,
    polarization_intervals,
)
from analysis.xray.polarization_simulation import polarized_events
from analysis.xray.polarization_spectra import polarization_spectrum, stokes_spectra
from analysis.xray.power_shapes import lorentzian_power
from analysis.xray.pulsations import phaseogram, pulse_phases, pulse_profile
from analysis.xray.regrouping import regrouped
from analysis.xray.resolutions import resolution
from analysis.xray.rows import background_of, spectrum_of
from analysis.xray.sampling import posterior
from analysis.xray.searching import pulse_search
from analysis.xray.selecting import selected
from analysis.xray.selection_files import read_selection, save_selection, selection_region
from analysis.xray.selections import Selection, in_selection, selection, selection_good_times, selection_mask
from analysis.xray.shapes import area_ratio, in_region, region_area
from analysis.xray.simulation import simulated_spectrum
from analysis.xray.sky import hydrogen_column, position, sky_positions, within
from analysis.xray.source_catalogues import cross_matched, sources_near
from analysis.xray.spectra import count_rate, grouped
from analysis.xray.spectrum_files import spectrum_from
from analysis.xray.statistics import c_statistic, w_statistic
from analysis.xray.three_bands import three_band_image
from analysis.xray.tiles import event_index
from analysis.xray.timing import dynamical_power_spectrum, integrated_rms, power_spectrum
from analysis.xray.timing_simulation import pulsed_events, variable_events
from analysis.xray.uncertainties import confidence_intervals
from analysis.xray.variability import bayesian_blocks, excess_variance
from analysis.xray.views import explore, view
from analysis.xray.xspec_components import xspec_models

if TYPE_CHECKING:
    import pandas as pd
    from astropy.coordinates import SkyCoord

    from analysis.catalogue import Chunks, Product
    from analysis.model.clocks import Instant
    from analysis.xray.inputs import Amount

NEARBY = 0.25  # degrees within which search(…, online=True) looks for observations: about a field of view

__all__ = [
    "Selection",
    "absorbed_flux",
    "apec",
    "area_ratio",
    "background_of",
    "barycentred",
    "bayesian_blocks",
    "brushed",
    "brushed_image",
    "c_statistic",
    "chance_probability",
    "channel_bins",
    "channel_energies",
    "collect",
    "column_of_extinction",
    "common_good_times",
    "compared",
    "confidence_intervals",
    "contours",
    "count_rate",
    "cross_matched",
    "cross_section",
    "cross_spectrum",
    "dynamical_power_spectrum",
    "energy_bins",
    "equivalent_width",
    "event_index",
    "event_products",
    "event_spectrum",
    "excess_variance",
    "expected_statistic",
    "explore",
    "extinction",
    "feasibility",
    "fetch",
    "fit",
    "fit_many",
    "fitted_spectrum",
    "flux",
    "flux_image",
    "folded",
    "from_stingray",
    "gap_times",
    "good_times",
    "good_times_where",
    "good_times_without",
    "goodness",
    "grouped",
    "h_test",
    "hydrogen_column",
    "image",
    "in_good_times",
    "in_region",
    "in_selection",
    "instrument",
    "integrated_rms",
    "joined_good_times",
    "lag_energy_spectrum",
    "light_curve",
    "likelihood_ratio",
    "log_rebinned",
    "lorentzian_power",
    "luminosity",
    "matched",
    "minimum_detectable_polarization",
    "model",
    "model_components",
    "modulation_factor",
    "observation_files",
    "observations",
    "open_event_index",
    "phaseogram",
    "photon_flux",
    "plasma_tables",
    "polarization",
    "polarization_contours",
    "polarization_cube",
    "polarization_intervals",
    "polarization_rotated",
    "polarization_spectrum",
    "polarization_sum",
    "polarized_events",
    "posterior",
    "power_law",
    "power_spectrum",
    "pulse_phases",
    "pulse_profile",
    "pulse_search",
    "pulsed_events",
    "read_selection",
    "reddening",
    "region_area",
    "region_outlines",
    "regrouped",
    "resolution",
    "response",
    "save_event_index",
    "save_selection",
    "search",
    "selected",
    "selection",
    "selection_good_times",
    "selection_mask",
    "selection_region",
    "simulated_events",
    "simulated_spectrum",
    "sky_positions",
    "sources_near",
    "spectrum_from",
    "spectrum_of",
    "stokes_spectra",
    "table_model",
    "three_band_image",
    "to_stingray",
    "transmission",
    "user_model",
    "variable_events",
    "view",
    "w_statistic",
    "within",
    "xspec_models",
    "z_squared",
]


def search(text: str = "", *, online: bool = False) -> pd.DataFrame:
    """Return the X-ray products in which every word of ``text`` occurs; all of them for an empty text.

    Parameters
    ----------
    text : str, optional
        Words of a name, title, mission, instrument, variable or keyword, in any letter case.
    online : bool, optional
        Take ``text`` for an object's name or a place too, and ask the archives which observations they have within
        a quarter of a degree of it. Without it nothing is asked over the network.

    Returns
    -------
    pandas.DataFrame
        One row a product: ``product, title, mission, instrument, start, stop, kind, where``; the last is
        ``bundled``, ``cached`` or the archive. With ``online`` rows of observations follow, the nearest first, and the
        columns ``obsid, target, ra, dec`` (deg), ``separation`` (arcmin), ``exposure`` (s), ``public`` (when it is
        released): ``fetch(row.product, obsid=row.obsid)`` brings one. :func:`observations` has one row an observation.

    Raises
    ------
    UnknownTarget, BadOption, DownloadError
        With ``online``, if the text is neither a name nor a place, or nobody can be asked.

    Warns
    -----
    AnalysisWarning
        With ``online``, for an archive that could not be asked.

    Examples
    --------
    >>> "m82_acis_events" in set(search("chandra events")["product"])
    True
    """
    from analysis import catalogue

    found = catalogue.search("xray", text)
    if not online:
        return found
    import pandas as pd

    place = position(text)
    seen = catalogue.observations("xray", float(place.ra.deg), float(place.dec.deg), NEARBY)
    shaped = found.assign(obsid="", target="").reindex(columns=seen.columns).astype(seen.dtypes)
    return pd.concat([shaped, seen], ignore_index=True) if len(shaped) else seen


def fetch(
    product: str,
    *,
    target: str | SkyCoord | None = None,
    radius: Amount | None = None,
    obsid: str | int | None = None,
    start: Instant | None = None,
    stop: Instant | None = None,
    variables: Iterable[str] | None = None,
    chunks: Chunks | None = None,
    live: bool = False,
) -> xr.Dataset | xr.DataTree:
    """Return an X-ray product: a DataTree of events or of a spectrum with its responses, or a Dataset.

    Parameters
    ----------
    product : str
        A name that :func:`search` lists.
    target : str or astropy.coordinates.SkyCoord, optional
        A place: ``"148.96 69.68"`` (ICRS, degrees), ``"09h55m50s +69d40m47s"``, or the name of an object, which
        is resolved over the network once and kept. Of event lists the events within ``radius`` of it are given,
        of an archive's table the rows, of the map of hydrogen its value there.
    radius : text, astropy Quantity or DataArray, optional
        Of the circle around ``target``, with its unit: ``"30 arcsec"``.
    obsid : str or int, optional
        The observation that you mean: chosen from an archive; refused if the product is of another.
    start, stop : time, optional
        Half-open interval in UTC, of light curves and of an archive's events; archives that file observations by
        month must be told. Cut events that you hold with :func:`selected`.
    variables : iterable of str, optional
        Keep these.
    chunks : int, "auto" or mapping, optional
        Give a Dask-backed result.
    live : bool, optional
        Ask the archive's product that stands for one that ships, for its observation if none is given.

    Returns
    -------
    xarray.Dataset or xarray.DataTree
        Checked and stamped; ``search`` says which of the two.

    Raises
    ------
    UnknownProduct, UnknownVariable, UnknownTarget
        For a name that is not there.
    OutsideCoverage
        If the product is of another observation, or nothing of it lies at the target or in the interval.
    BadOption, BadTime, MissingUnits
        If target, radius, obsid, start, stop or chunks cannot be used, or an archive's product needs one.
    DownloadError
        If an archive's data cannot be brought; Offline says what is held.

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
    wanted = catalogue.twin("xray", product) if live else catalogue.product("xray", product)
    if obsid is None and "obsid" in catalogue.needs("xray", product, live=live):
        obsid = _observation_that_ships(product)
    fields = _asked_of_archive(wanted, product, target, radius, obsid)
    extra: list[str] = []
    if target is not None and "ra" not in fields and names:  # a circle needs positions; they are taken out again
        names = [names] if isinstance(names, str) else names
        told = bool(wanted.holds) or wanted.source is None  # an archive's events have x and y, or are cut by nothing
        extra = [
            n for n in ("x", "y") if isinstance(names, list) and n not in names and (n in wanted.holds or not told)
        ]
        names = [*names, *extra] if extra else names
    data = catalogue.fetch(
        "xray", product, start=start, stop=stop, variables=names, chunks=chunks, fields=fields, live=live
    )
    if start is not None or stop is not None:
        data = _with_each_list(data, lambda events: selected(events, time=(start, stop)))
    if isinstance(data, xr.Dataset) and "obsid" in fields and data.sizes.get("row") == 0:
        raise OutsideCoverage(f"{product} has no observation {obsid}")
    if obsid is not None:
        _refuse_other_observation(data, product, str(obsid), chosen="obsid" in fields)
    if target is None or "ra" in fields:
        return data
    cut = _at(data, product, target, radius)
    if not extra or not isinstance(cut, xr.DataTree):
        return cut
    return cut.map_over_datasets(lambda node: node.drop_vars(extra, errors="ignore"))


def collect(
    *products: str,
    obsid: str | int | None = None,
    mission: str | None = None,
    kinds: str | Iterable[str] | None = None,
    source: int | Iterable[int] | None = None,
    start: Instant | None = None,
    live: bool = False,
) -> xr.DataTree:
    """Return several products as one tree, a node each, or all that an archive has of one observation.

    ``collect("ngc7793_ulx4_pn", "m82_acis_events")`` gives two products, ``collect(mission="xmm", obsid="0693760401",
    source=1)`` one observation: per camera and exposure its cleaned events with their good times, an image, and under
    ``source_1`` spectrum, background, arf and rmf, as far as the archive has them.

    Parameters
    ----------
    *products : str
        Names that :func:`search` lists.
    obsid : str or int, optional
        With products as for :func:`fetch`, of each; with `mission` the observation to collect, with its leading zeros.
    mission : {"xmm", "chandra", "nustar", "nicer", "swift", "xrism", "suzaku", "ixpe"}, optional
        Whose observation.
    kinds : str or iterable of str, optional
        Of an observation only these of ``"events"``, ``"spectra"``, ``"images"``; without it all that there is.
    source : int or iterable of int, optional
        Of an observation only the spectra of these of the pipeline's sources, by their decimal numbers (names of files
        have them in hexadecimal). Needed where there are more than ten.
    start : time, optional
        An instant of the month in which a NICER or Swift observation began; without it their list is asked.
    live
        As for :func:`fetch`, of products; the nodes keep the names given here.

    Returns
    -------
    xarray.DataTree
        Each node with its own provenance.

    Raises
    ------
    UnknownProduct
        For a name that is not there.
    BadOption
        If neither products nor an observation are given, both are, or the number fits no observation of the mission.
    OutsideCoverage, DownloadError
        As for :func:`fetch`; if the archive has no such observation, or not what is asked for of it.

    Warns
    -----
    AnalysisWarning
        If a response that a spectrum names cannot be found.

    Examples
    --------
    >>> sorted(collect("ngc7793_ulx4_pn")["ngc7793_ulx4_pn"].children)
    ['arf', 'background', 'rmf', 'spectrum']
    >>> from analysis.errors import BadOption
    >>> try:
    ...     collect(obsid="0693760401")
    ... except BadOption as error:
    ...     print(error)
    collect(obsid='0693760401') needs mission=, whose observation it is; numbers like it have xmm, nicer
    """
    from analysis import catalogue

    chosen = {"kinds": kinds, "source": source, "start": start}
    if mission is not None:
        if products or live:
            given = f"products ({', '.join(map(str, products))})" if products else "live=True"
            raise BadOption(f"collect takes {given} or an observation (mission={mission!r}), not both")
        if obsid is None:
            raise BadOption(f"collect(mission={mission!r}) needs obsid=; xray.observations(target) lists them")
        return collected(mission, obsid, kinds=kinds, source=source, start=start)
    if extra := [name for name, value in chosen.items() if value is not None]:
        raise BadOption(
            f"{', '.join(extra)} is for an observation: collect(mission='xmm', obsid='0693760401', source=1)"
        )
    if obsid is not None and not products:
        raise BadOption(
            f"collect(obsid={obsid!r}) needs mission=, whose observation it is; numbers like it have "
            f"{', '.join(missions_numbering_like(obsid)) or 'none of ' + ', '.join(observatories())}"
        )
    return catalogue.tree_of("xray", products, lambda name: fetch(name, obsid=obsid, live=live))


def _asked_of_archive(
    wanted: Product, name: str, target: str | SkyCoord | None, radius: Amount | None, obsid: str | int | None
) -> dict[str, str | float]:
    """Return what an archive is asked for: an observation, or of its tables the rows in a circle."""
    if wanted.source is None:
        return {}
    fields: dict[str, str | float] = {} if obsid is None else {"obsid": _observation(obsid)}
    if target is not None and wanted.source.archive == "tap":
        if radius is None:
            raise BadOption(f"fetch({name!r}, target=…) needs radius=, for example radius='30 arcsec'")
        size = amount(radius, "deg", "radius")
        if not 0 < size <= 180:
            raise BadOption(f"radius={radius!r} is none of a circle on the sky; give more than 0 and at most 180 deg")
        place = position(target)
        fields |= {"ra": float(place.ra.deg), "dec": float(place.dec.deg), "radius": size}
    return fields


def _observation(obsid: str | int) -> str:
    """Return the name of an observation as archives are asked for it."""
    said = str(obsid).strip()
    if isinstance(obsid, bool) or not isinstance(obsid, str | Integral) or not said or not said.isprintable():
        raise BadOption(f"obsid={obsid!r:.60} is no observation; give its number or name, for example obsid='754'")
    return said


def _observation_that_ships(product: str) -> str | None:
    """Return which observation a product that ships is of: the one to ask an archive for in its place."""
    from analysis import catalogue

    if catalogue.product("xray", product).source is not None:
        return None
    data = catalogue.fetch("xray", product)
    nodes = data.subtree if isinstance(data, xr.DataTree) else [data]
    return next((str(node.attrs["obs_id"]) for node in nodes if node.attrs.get("obs_id")), None)


def _refuse_other_observation(data: xr.Dataset | xr.DataTree, product: str, obsid: str, *, chosen: bool) -> None:
    """Raise OutsideCoverage for data of another observation, or which do not say of which and were not chosen by it."""
    nodes = data.subtree if isinstance(data, xr.DataTree) else [data]
    held = {str(node.attrs["obs_id"]) for node in nodes if node.attrs.get("obs_id")}
    if not held and chosen:
        return
    if not held:
        raise OutsideCoverage(f"{product} does not say which observation it is of; leave obsid={obsid!r} out")
    # SRG writes em01_134135 for the sky tile 134135
    numbers = {number.lstrip("0") for known in held for number in (known.strip(), *re.findall(r"\d+", known))}
    if obsid.strip().lstrip("0") not in numbers:
        raise OutsideCoverage(f"{product} is of observation {', '.join(sorted(held))}, not {obsid}")


def _at(
    data: xr.Dataset | xr.DataTree, product: str, target: str | SkyCoord, radius: Amount | None
) -> xr.Dataset | xr.DataTree:
    """What of a product lies at a place: events in a circle, or a map's value."""
    if _event_lists(data):
        if radius is None:
            raise BadOption(f"fetch({product!r}, target=…) needs radius=, for example radius='30 arcsec'")
        circle = radius
        return _with_each_list(data, lambda events: within(events, target, circle))
    if isinstance(data, xr.Dataset) and any(
        array.ndim == 2 and "wcs_ctype" in {**data.attrs, **array.attrs} for array in data.values()
    ):
        if radius is not None:
            raise BadOption(f"{product} is a map whose value at the target is given; leave radius={radius!r} out")
        found = hydrogen_column(data, target)
        step = f"xray.hydrogen_column: {found.attrs['target']}"
        return check(derived(xr.Dataset({found.name: found}), data, title=f"{found.attrs['long_name']}", step=step))
    raise BadOption(f"{product} holds no events and no map to take a place from; leave target={target!r} out")


def _event_lists(data: xr.Dataset | xr.DataTree) -> list[str]:
    """Return the nodes that are trees of events: the root, or one for each camera."""
    if isinstance(data, xr.Dataset):
        return []
    return [node.path for node in data.subtree if "events" in node.children]


def _with_each_list(
    data: xr.Dataset | xr.DataTree, cut: Callable[[xr.DataTree], xr.DataTree]
) -> xr.Dataset | xr.DataTree:
    """Return the data with each of its event lists cut."""
    lists = _event_lists(data)
    if isinstance(data, xr.Dataset) or not lists:
        return data
    if lists == ["/"]:
        return cut(data)
    cameras = {name: cut(node) if node.path in lists else node for name, node in data.children.items()}
    return xr.DataTree(children=cameras, name=data.name)


def __dir__() -> list[str]:
    return sorted(__all__)
