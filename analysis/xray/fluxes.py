"""Fluxes and luminosities of models and fits, absorbed or not, with errors from the covariance or a posterior."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.model import check, derived, near, stamp
from analysis.xray.evaluation import Evaluator
from analysis.xray.inputs import Amount, amount, limits, number
from analysis.xray.models import Array, Component, Model, Term, about, factors, labels
from analysis.xray.propagating import Taken, described_number, propagated, taken_from

Cosmology = Literal["Planck18", "Planck15", "Planck13", "WMAP9", "WMAP7", "WMAP5"]
COSMOLOGIES = ("Planck18", "Planck15", "Planck13", "WMAP9", "WMAP7", "WMAP5")
ERG = 1.602176634e-9  # erg in a keV, exact (SI 2019)
PER_DECADE = 4000  # bins of energy: a power law's flux is good to 1e-7
HALF = 0.682689492137086  # probability within 1 σ
SCALING = ("cflux", "cpflux", "clumin", "cglumin")  # convolutions that bring all right of them to a flux
COLUMNS = ("nh", "n_h")  # what absorbers' parameters are called, in any letter case


def flux(
    source: Model | str | xr.Dataset,
    band: tuple[Amount, Amount],
    *,
    absorbed: bool = True,
    absorbers: Sequence[str] | None = None,
    posterior: xr.Dataset | None = None,
    draws: int = 1000,
    seed: int = 0,
    components: Mapping[str, Model] | None = None,
) -> xr.Dataset:
    """Return the energy flux and the photon flux of a model or fit in a band of energy.

    Parameters
    ----------
    source : Model, str or xarray.Dataset
        A model, or what :func:`fit` gave: then with errors. Of several spectra, the flux is that of the first.
    band : (low, high)
        Energies in keV as they are observed; not bound to the response's.
    absorbed : bool, optional
        False takes the absorbers out of the model: what would be seen without them.
    absorbers : sequence of str, optional
        Which components those are; left out, all factors with a parameter ``nh``, foreground and at the source.
    posterior : xarray.Dataset, optional
        What :func:`posterior` gave for the fit: its draws stand in place of the covariance's.
    draws, seed : int, optional
        How many draws of the parameters, from the Gaussian of the fit's covariance cut at the bounds; 0 for none.
    components : mapping, optional
        Components of your own in the model.

    Returns
    -------
    xarray.Dataset
        ``energy_flux`` (erg cm-2 s-1) and ``photon_flux`` (ph cm-2 s-1); of a fit also ``…_error`` (1σ by the slopes
        and the covariance) and ``…_lower``, ``…_upper`` (central 68.27 % of the draws), and both fluxes on
        ``draw`` (``…_draws``). NaN where the fit has no covariance.

    Raises
    ------
    BadOption
        If the model makes no photons, the band is none, or there are no absorbers to take out.
    WrongData
        If what is given is no fit, or the posterior is that of another model.

    Examples
    --------
    >>> from analysis import xray
    >>> found = xray.flux("powerlaw(photon_index=2, norm=1e-3)", (2, 10))
    >>> round(float(found.energy_flux) * 1e12, 4), found.energy_flux.attrs["units"]
    (2.5786, 'erg cm-2 s-1')
    """
    taken = taken_from(source, posterior, draws, seed, components)
    named = _absorbers(taken.source, absorbers) if not absorbed else ()
    if absorbed and absorbers is not None:
        raise BadOption(f"absorbers={list(absorbers)!r} are only taken out with absorbed=False")
    low, high = _band(band)
    variables, drawn_ = _integrals(taken, low, high, named)
    made = xr.Dataset(variables | drawn_)
    made.attrs = _told(taken, named) | {"band": f"{low:g}-{high:g} keV", "absorbed": str(not named).lower()}
    words = f"{low:g}-{high:g} keV, {'without ' + ', '.join(named) if named else 'as observed'}"
    return _stamped(made, taken, f"Flux of {taken.source}, {words}", f"xray.flux: {words}", ())


def luminosity(
    source: Model | str | xr.Dataset,
    band: tuple[Amount, Amount],
    *,
    redshift: float | None = None,
    distance: Amount | None = None,
    cosmology: Cosmology = "Planck18",
    absorbed: bool = False,
    absorbers: Sequence[str] | None = None,
    posterior: xr.Dataset | None = None,
    draws: int = 1000,
    seed: int = 0,
    components: Mapping[str, Model] | None = None,
) -> xr.Dataset:
    r"""Return the luminosity of a model or fit in a band of energy at the source.

    :math:`L = 4\pi d_L^2 F`, with F the flux between :math:`E_1/(1+z)` and :math:`E_2/(1+z)` as observed, which is the
    K correction by the model itself. The source is taken to shine alike in all directions.

    Parameters
    ----------
    source, absorbers, posterior, draws, seed, components
        As for :func:`flux`.
    band : (low, high)
        Energies in keV at the source.
    redshift : float, optional
        For the band, and for the distance by the cosmology unless ``distance`` is given.
    distance : text such as "3.9 Mpc", Quantity or DataArray, optional
        Luminosity distance; without a redshift the source is near, with z = 0.
    cosmology : str, optional
        "Planck18", "Planck15", "Planck13", "WMAP9", "WMAP7" or "WMAP5", as in astropy.
    absorbed : bool, optional
        Left out, the absorbers are taken out where there are any.

    Returns
    -------
    xarray.Dataset
        ``luminosity`` (erg s-1) with ``luminosity_error``, ``_lower``, ``_upper`` of a fit, and ``distance`` (Mpc). The
        distance's own error is not in them.

    Raises
    ------
    BadOption
        If neither redshift nor distance is given, or the cosmology is unknown.

    References
    ----------
    Hogg (1999), arXiv:astro-ph/9905116; K correction: Hogg et al. (2002), arXiv:astro-ph/0210394.

    Examples
    --------
    >>> from analysis import xray
    >>> found = xray.luminosity("powerlaw(photon_index=2, norm=1e-3)", (2, 10), distance="10 Mpc")
    >>> f"{float(found.luminosity):.3e}"
    '3.085e+40'
    """
    import astropy.units as u

    z = 0.0 if redshift is None else number(redshift, "redshift")
    if z < 0 or (z == 0 and distance is None):
        raise BadOption(f"redshift={redshift!r}, distance={distance!r}: give a redshift above 0, or distance='3.9 Mpc'")
    far = _distance(z, cosmology) if distance is None else amount(distance, "Mpc", "distance")
    if far <= 0:
        raise BadOption(f"distance={distance!r} must be above 0")
    low, high = _band(band)
    taken = taken_from(source, posterior, draws, seed, components)
    named: tuple[str, ...] = ()
    if absorbers is not None or (not absorbed and _columns(taken.source)):
        named = _absorbers(taken.source, absorbers)
    variables, _ = _integrals(taken, low / (1 + z), high / (1 + z), named)
    area = 4 * np.pi * (far * u.Mpc.to("cm")) ** 2
    made = xr.Dataset(
        {
            name.replace("energy_flux", "luminosity"): (
                dims,
                values * area,
                {"units": "erg s-1", "long_name": attrs["long_name"].replace("Energy flux", "Luminosity")},
            )
            for name, (dims, values, attrs) in variables.items()
            if name.startswith("energy_flux")
        }
    )
    made["distance"] = ((), far, {"units": "Mpc", "long_name": "Luminosity distance"})
    made.attrs = _told(taken, named) | {
        "band": f"{low:g}-{high:g} keV at the source",
        "redshift": z,
        "cosmology": cosmology if distance is None else "not used",
        "absorbed": str(not named).lower(),
    }
    words = f"{low:g}-{high:g} keV at z = {z:g}, {far:.6g} Mpc"
    papers = ["Hogg (1999), arXiv:astro-ph/9905116", "Hogg et al. (2002), arXiv:astro-ph/0210394"]
    return _stamped(made, taken, f"Luminosity of {taken.source}, {words}", f"xray.luminosity: {words}", papers)


def equivalent_width(
    source: Model | str | xr.Dataset,
    component: str,
    *,
    band: tuple[Amount, Amount] | None = None,
    draws: int = 0,
    seed: int = 0,
    components: Mapping[str, Model] | None = None,
) -> xr.Dataset:
    r"""Return the equivalent width of a component of a model: its photons over the others' density of photons.

    :math:`W = \int F_{line}(E) / F_{others}(E)\, dE`, in keV as observed; negative for a line of absorption that has a
    negative norm.

    Parameters
    ----------
    source, draws, seed, components
        As for :func:`flux`.
    component : str
        The component of the line: ``"gaussian"``. It must add photons.
    band : (low, high), optional
        Energies in keV that hold the line; left out, where its inner 99.99 % lie between 0.05 and 200 keV, and
        half as much again.

    Returns
    -------
    xarray.Dataset
        ``equivalent_width`` in keV; of a fit also ``_error``, ``_lower``, ``_upper`` as for :func:`flux`.

    Raises
    ------
    BadOption
        If the model has no such component, it adds no photons, there is nothing beside it, or a cflux scales both.
    WrongData
        If the others make no photons where the line is.
    """
    taken = taken_from(source, None, draws, seed, components)
    whole = taken.source
    if component not in whole.parts:
        raise BadOption(
            f"the model {whole} has no component {component!r}{near(component, whole.parts)}; it has "
            f"{', '.join(whole.parts)}"
        )
    if whole.parts[component].kind != "additive":
        raise BadOption(f"{component} makes no photons, so it has no equivalent width")
    rest = without(whole, [component])
    if rest is None or rest.kind != "additive":
        raise BadOption(f"beside {component} the model {whole} makes no photons to compare it with")
    if scaling := _scaling(whole.term, whole.parts, component):
        raise BadOption(
            f"{scaling} scales {component} together with others, so that neither is there without the other; take the "
            f"width of the model without {scaling}, which is the same"
        )
    low, high = _where(whole, rest, component, taken.values) if band is None else _band(band)
    edges = np.geomspace(low, high, 4001)
    below, above = edges[:-1], edges[1:]
    full, others = Evaluator(whole, below, above), Evaluator(rest, below, above)

    def width(values: Mapping[str, float]) -> float:
        beside = others.flux(values)
        line = full.flux(values) - beside
        part = line != 0
        if not (beside[part] > 0).all():
            raise WrongData(
                f"{rest} makes no photons at {below[part][0]:g}-{above[part][-1]:g} keV, where {component} is"
            )
        return float(np.sum(line[part] / beside[part] * (above - below)[part]))

    made = xr.Dataset(
        _with_errors(taken, "equivalent_width", "Equivalent width", "keV", lambda v: np.array([width(v)]))[0]
    )
    made.attrs = _told(taken, ()) | {"component": component, "band": f"{low:g}-{high:g} keV"}
    title = f"Equivalent width of {component} in {whole}"
    return _stamped(made, taken, title, f"xray.equivalent_width: {component}, {low:g}-{high:g} keV", ())


def without(source: Model, names: Sequence[str]) -> Model | None:
    """Return a model with some of its components taken out; None if nothing is left."""
    term = _without(source.term, set(names), source.parts)
    return None if term is None else Model(term, source.parts)


def _without(term: Term, names: set[str], parts: Mapping[str, Component]) -> Term | None:
    """A term without some components; what changed only their photons goes with them."""
    if isinstance(term, str):
        return None if term in names else term
    left, right = _without(term[1], names, parts), _without(term[2], names, parts)
    made: Term | None = (right if left is None else left) if left is None or right is None else (term[0], left, right)
    if made is not None and Model(term, parts).kind == "additive" and Model(made, parts).kind != "additive":
        return None
    return made


def _scaling(term: Term, parts: Mapping[str, Component], component: str) -> str:
    """The convolution that scales others to a flux together with a component, or behind it; empty if none does."""
    if isinstance(term, str):
        return ""
    if term[0] == "+":
        return _scaling(term[1], parts, component) or _scaling(term[2], parts, component)
    chain = factors(term)
    for i, factor in enumerate(chain):
        if isinstance(factor, str) and parts[factor].word.removeprefix("xspec.") in SCALING:
            scaled = [label for part in chain[i + 1 :] for label in labels(part)]
            alone = sum(parts[label].kind == "additive" for label in scaled) == 1
            if component in scaled and not (alone and parts[component].kind == "additive"):
                return factor
    return next((found for factor in chain if (found := _scaling(factor, parts, component))), "")


def _columns(source: Model) -> tuple[str, ...]:
    """The factors of a model that have a column density."""
    return tuple(
        label
        for label, part in source.parts.items()
        if part.kind == "multiplicative" and any(p.name.lower() in COLUMNS for p in part.parameters)
    )


def _absorbers(source: Model, asked: Sequence[str] | None) -> tuple[str, ...]:
    found = _columns(source)
    if asked is None:
        if not found:
            raise BadOption(
                f"{source} has no factor with a parameter nh to take out; name absorbers=, or absorbed=True"
            )
        return found
    listed = (asked,) if isinstance(asked, str) else tuple(asked)
    for name in listed:
        if name not in source.parts:
            raise BadOption(f"{source} has no component {name!r}{near(name, source.parts)}")
        if source.parts[name].kind != "multiplicative":
            raise BadOption(f"{name} is no factor, so it absorbs nothing; factors are {', '.join(found) or 'none'}")
    return listed


def _refuse_scaled(source: Model, absorbers: Sequence[str]) -> None:
    """Refuse to take out an absorber right of a cflux, which would bring what is left to the same flux again."""
    for name in absorbers:
        if scaling := _scaling(source.term, source.parts, name):
            raise BadOption(
                f"{scaling} brings the model behind {name} to a flux, so that without {name} it would be as bright: "
                f"fit with {name} left of {scaling}, or without {scaling}"
            )


def _band(band: tuple[Amount, Amount]) -> tuple[float, float]:
    low, high = limits(band)
    if not (low > 0 and np.isfinite(high)):
        raise BadOption(f"band={band!r} needs two energies above 0 keV: band=(0.5, 2)")
    return low, high


def _integrals(
    taken: Taken, low: float, high: float, removed: Sequence[str]
) -> tuple[dict[str, tuple], dict[str, tuple]]:
    _refuse_scaled(taken.source, removed)
    source = without(taken.source, removed)
    assert source is not None
    bins = max(400, int(np.ceil(PER_DECADE * np.log10(high / low))))
    edges = np.geomspace(low, high, bins + 1)
    below, above = edges[:-1], edges[1:]
    middle = (below + above) / 2
    on = Evaluator(source, below, above)

    def both(values: Mapping[str, float]) -> Array:
        photons = on.flux(values)
        return np.array([ERG * float(middle @ photons), float(photons.sum())])

    found: dict[str, tuple] = {}
    rows: dict[str, tuple] = {}
    kinds = (("energy_flux", "Energy flux", "erg cm-2 s-1"), ("photon_flux", "Photon flux", "ph cm-2 s-1"))
    spread = propagated(taken, both)
    for i, (name, long_name, units) in enumerate(kinds):
        variables, drawn_ = described_number(taken, name, long_name, units, i, spread)
        found |= variables
        rows |= drawn_
    return found, rows


def _with_errors(
    taken: Taken, name: str, long_name: str, units: str, of: Callable[[Mapping[str, float]], Array]
) -> tuple[dict, dict]:
    return described_number(taken, name, long_name, units, 0, propagated(taken, of))


def _where(source: Model, rest: Model, component: str, values: Mapping[str, float]) -> tuple[float, float]:
    """Energies that hold nearly all photons of a component, as the whole model shifts and smooths it."""
    edges = np.geomspace(0.05, 200, 2001)
    full, others = (Evaluator(part, edges[:-1], edges[1:]).flux(values) for part in (source, rest))
    alone = np.abs(full - others)
    alone[alone < 1e-12 * np.abs(full)] = 0.0  # differences of rounding
    if not alone.sum() > 0:
        raise WrongData(f"{component} makes no photons between 0.05 and 200 keV; its values are {dict(values)}")
    share = np.cumsum(alone) / alone.sum()
    first, last = np.searchsorted(share, [5e-5, 1 - 5e-5])
    low, high = edges[max(first, 1) - 1], edges[min(last + 2, edges.size - 1)]
    spare = 0.25 * (high - low)
    return float(max(low - spare, 0.05)), float(high + spare)


def _distance(z: float, cosmology: str) -> float:
    from astropy import cosmology as known

    if cosmology not in COSMOLOGIES:
        raise BadOption(
            f"cosmology={cosmology!r} is unknown{near(str(cosmology), COSMOLOGIES)}; known are {', '.join(COSMOLOGIES)}"
        )
    return float(getattr(known, cosmology).luminosity_distance(z).to_value("Mpc"))


def _told(taken: Taken, removed: Sequence[str]) -> dict[str, str]:
    told = {key: text for key, text in about(taken.source).items() if key != "references"}
    return {"model": str(taken.source), "taken_out": ", ".join(removed) or "nothing", **told}


def _stamped(made: xr.Dataset, taken: Taken, title: str, step: str, papers: Sequence[str]) -> xr.Dataset:
    told = [*papers, *([about(taken.source)["references"]] if "references" in about(taken.source) else [])]
    if taken.origin is not None:
        return check(derived(made, taken.origin, title=title, step=step, references=told))
    return check(
        stamp(
            made,
            title=title,
            institution="none",
            source="a model",
            references=told or ["none"],
            license="none",
            history=[step],
            provenance={},
        )
    )
