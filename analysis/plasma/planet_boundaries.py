"""Boundaries of Mercury, Mars, Jupiter and Saturn after published models, and a list of all models."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import xarray as xr

from analysis.errors import AnalysisWarning, BadOption, WrongData
from analysis.model import derived, in_units, labelled
from analysis.plasma.earth_models import earth_rows
from analysis.plasma.inputs import named, not_negative, on_same_axes, refuse_vectors, synthetic_attrs
from analysis.plasma.planet_models import PLANET_MODELS, PlanetModel, Terms
from analysis.plasma.quality import quality_of, with_worst_quality
from analysis.plasma.surfaces import FORMS
from analysis.plasma.vectors import component_labels, refuse_unknown

if TYPE_CHECKING:
    import pandas as pd

SAID = {
    "x0": "Place of the focus on the X axis",
    "eccentricity": "Eccentricity",
    "semilatus_rectum": "Semilatus rectum",
    "standoff": "Stand-off distance",
    "flaring": "Flaring",
}


def planetary_boundary(
    model: str,
    *,
    pdyn: xr.DataArray | None = None,
    aberration: xr.DataArray | None = None,
    frame: str | None = None,
) -> xr.Dataset:
    """Return a magnetopause, bow shock or magnetic pile-up boundary of Mercury, Mars, Jupiter or Saturn.

    Parameters
    ----------
    model : str
        One of ``boundary_models()``, such as ``"mars_bow_shock_vignes_2000"``.
    pdyn : xarray.DataArray, optional
        Dynamic pressure of the solar wind at the planet, any unit of pressure, for the models that depend on it:
        Jupiter's and Saturn's need it, Mercury's magnetopause is the average one without it.
    aberration : xarray.DataArray, optional
        Angle between the Sun's direction and the one that the wind comes from, a number or one for each time;
        :func:`aberration_angle` gives it. By default the model's own constant (4° at Mars, 6.75° at Mercury, none at
        Jupiter and Saturn).
    frame : str, optional
        Frame of the positions that will be compared with it: ``"MSO"`` (default) or ``"MSM"`` at Mercury, where MSM
        has its origin at the dipole, 0.196 radii north; ``"JSS"`` or ``"JSO"`` at Jupiter; MSO at Mars; KSM at
        Saturn. X points to the Sun and Y against the orbital motion in each of them.

    Returns
    -------
    xarray.Dataset
        The parameters of the surface under the names of its form, in km (R_jup at Jupiter) and on the axes of
        ``pdyn``; ``aberration`` and ``centre`` where the model has them; a coordinate ``planet_radius`` and, where
        the model says what pressures it was fitted to, ``in_validity``. Attrs ``body``, ``boundary``, ``model``,
        ``form``, ``frame``, ``fitted``.

    Raises
    ------
    BadOption
        If the model or its frame is not known, or it does not depend on a pressure that was given.
    WrongData
        If it needs a pressure and none was given, a pressure is not above zero, or the surface is none at it.
    WrongUnits, MissingUnits
        If an input is of another kind.

    Warns
    -----
    AnalysisWarning
        If a single pressure is outside the range that was fitted.

    References
    ----------
    Those of ``boundary_models()``; the result has its own in ``attrs["references"]``.

    Examples
    --------
    >>> shock = planetary_boundary("mars_bow_shock_vignes_2000")
    >>> round(shock.semilatus_rectum.item() / shock.planet_radius.item(), 2), shock.aberration.item()
    (2.04, 4.0)
    >>> wind = xr.DataArray([8.8, 14.3, 21.6], dims="case", attrs={"units": "nPa"})
    >>> nose = planetary_boundary("mercury_magnetopause_winslow_2013", pdyn=wind).standoff
    >>> (nose / 2440).values.round(2)
    array([1.56, 1.45, 1.36])
    """
    chosen = PLANET_MODELS[refuse_unknown(model, PLANET_MODELS, "planetary boundary")]
    place = chosen.frames[0] if frame is None else refuse_unknown(frame, chosen.frames, f"frame of {model}")
    pressure = _pressure(model, chosen, pdyn)
    unit, scale = ("R_jup", 1.0) if chosen.body == "Jupiter" else ("km", chosen.radius)
    attrs = {"model": chosen.name, "references": chosen.reference}
    result = xr.Dataset()
    for name, terms in {**chosen.parameters, **(chosen.driven if pdyn is not None else {})}.items():
        kind = FORMS[chosen.form].parameters[name]
        power = {"L": 1, "L2": 2}.get(kind, 0)
        value = _value(terms, pressure) * scale**power
        label = f"{SAID.get(name, f'Coefficient {name}')} of {chosen.body}'s {_said(chosen)} ({chosen.name})"
        array = labelled(value, name, units=kind.replace("L", unit), long_name=label, attrs=attrs)
        if pdyn is not None and not isinstance(terms, float):
            array = array.assign_attrs(synthetic_attrs(pdyn))
            array = with_worst_quality(array, quality_of(pdyn))
        result[name] = array
    origin = xr.DataArray(0.0) if pdyn is None else pdyn
    result = _placed(result, chosen, place, aberration, pressure, unit, scale)
    made = derived(
        result,
        origin,
        title=f"{_said(chosen).capitalize()} of {chosen.body} after {chosen.name}",
        step=f"plasma.planetary_boundary({model!r})",
        references=[chosen.reference],
        also=[one for one in (aberration,) if one is not None],
    )
    says = {"body": chosen.body, "boundary": chosen.boundary, "model": chosen.name, "form": chosen.form}
    stated = {} if pdyn is not None else {"institution": "Sankō", "source": f"the model of {chosen.name}"}
    return made.assign_attrs({**says, "frame": place, "fitted": chosen.fitted, **stated})


def aberration_angle(orbital_speed: xr.DataArray, wind_speed: xr.DataArray) -> xr.DataArray:
    r"""Return the angle by which the wind seems to come from beside the Sun, :math:`\arctan(v_{orbit} / v_{wind})`.

    A planet moves towards -Y of its solar-orbital frame (GSE, MSO, ...), so the wind seems to come from that side
    and the tail points to +Y of the antisunward direction.

    Parameters
    ----------
    orbital_speed : xarray.DataArray
        Speed of the planet across the direction of the Sun; any unit of speed.
    wind_speed : xarray.DataArray
        Speed of the solar wind, taken to be radial, on the same axes.

    Returns
    -------
    xarray.DataArray
        Degrees, positive; NaN where an input is.

    Raises
    ------
    WrongData
        If a speed is negative, the wind's is zero, or an input is a vector.
    WrongUnits, MissingUnits
        If an input is no speed.

    Examples
    --------
    >>> mercury = xr.DataArray([38.86, 58.98], dims="apsis", attrs={"units": "km s-1"})
    >>> aberration_angle(mercury, xr.DataArray(400.0, attrs={"units": "km s-1"})).values.round(1)
    array([5.5, 8.4])
    """
    on_same_axes(orbital_speed=orbital_speed, wind_speed=wind_speed)
    refuse_vectors(orbital_speed=orbital_speed, wind_speed=wind_speed)
    across = not_negative(in_units(named(orbital_speed, "orbital_speed"), "km s-1"), "orbital_speed")
    along = not_negative(in_units(named(wind_speed, "wind_speed"), "km s-1"), "wind_speed", zero=False)
    angle = xr.ufuncs.degrees(xr.ufuncs.arctan(across / along))
    attrs = synthetic_attrs(orbital_speed, wind_speed)
    return labelled(angle, "aberration", units="deg", long_name="Aberration of the solar wind", attrs=attrs)


def boundary_models(body: str = "") -> pd.DataFrame:
    """Return the list of all models of boundaries, one a row.

    Parameters
    ----------
    body : str, optional
        Only those of this planet, in any letter case; all by default.

    Returns
    -------
    pandas.DataFrame
        Columns ``model`` (the word to ask for), ``body``, ``boundary``, ``form``, ``drivers`` (what it goes with),
        ``parameters`` (of a planet's: lengths in its radii, P the dynamic pressure in nPa), ``errors`` (as published),
        ``validity``, ``frame`` (also the aberration and the offset of the centre), ``fitted`` and ``reference``.

    Raises
    ------
    BadOption
        If there is no model of the body.

    Examples
    --------
    >>> list(boundary_models("Saturn").model)
    ['saturn_magnetopause_kanani_2010', 'saturn_bow_shock_masters_2008']
    """
    import pandas as pd

    table = pd.DataFrame([*earth_rows(), *(_row(name, model) for name, model in PLANET_MODELS.items())])
    if not body:
        return table
    known = sorted(set(table.body))
    if not isinstance(body, str) or body.strip().lower() not in [one.lower() for one in known]:
        raise BadOption(f"no boundary of {body!r} is known; there are those of {', '.join(known)}")
    return table[table.body.str.lower() == body.strip().lower()].reset_index(drop=True)


def _row(name: str, model: PlanetModel) -> dict[str, str]:
    used = {key: value for key, value in {**model.parameters, **model.driven}.items() if value != 0.0}
    frame = " or ".join(model.frames)
    frame += f", aberrated by {model.aberration:g}°" if model.aberration else ""
    frame += f", centre at {model.offset:g} radii north in {model.frames[0]}" if model.offset else ""
    return {
        "model": name,
        "body": model.body,
        "boundary": model.boundary,
        "form": model.form,
        "drivers": "pdyn" if _goes_with_pressure(model) else "",
        "parameters": "; ".join(f"{key} = {_formula(value)}" for key, value in used.items()),
        "errors": "; ".join(f"{key} ± {value:g}" for key, value in model.errors.items()),
        "validity": f"{model.pdyn[0]:g} ≤ P ≤ {model.pdyn[1]:g} nPa" if model.pdyn else "",
        "frame": frame,
        "fitted": model.fitted,
        "reference": model.reference,
    }


def _formula(terms: Terms) -> str:
    if isinstance(terms, float):
        return f"{terms:g}"
    parts = [f"{factor:g}" + (f" P^{power:.4g}" if power else "") for factor, power in terms]
    return " + ".join(parts).replace("+ -", "- ").replace("P^1 ", "P ").removesuffix("^1")


def _goes_with_pressure(model: PlanetModel) -> bool:
    return bool(model.driven) or any(not isinstance(terms, float) for terms in model.parameters.values())


def _pressure(model: str, chosen: PlanetModel, pdyn: xr.DataArray | None) -> xr.DataArray | None:
    depends = _goes_with_pressure(chosen)
    if pdyn is None:
        if depends and not chosen.driven:
            raise WrongData(f"{model} depends on the solar wind: give its dynamic pressure at the planet, pdyn=")
        return None
    if not depends:
        raise BadOption(f"{model} is one fixed surface, which does not depend on the dynamic pressure; leave pdyn out")
    refuse_vectors(pdyn=pdyn)
    pressure = not_negative(in_units(named(pdyn, "pdyn"), "nPa"), "pdyn", zero=False)
    if chosen.pdyn and pressure.ndim == 0 and not chosen.pdyn[0] <= float(pressure) <= chosen.pdyn[1]:
        warnings.warn(
            f"{model}: {float(pressure):g} nPa is outside the {chosen.pdyn[0]:g} to {chosen.pdyn[1]:g} nPa that the "
            "model stands for (in_validity says so too)",
            AnalysisWarning,
            stacklevel=3,
        )
    return pressure.reset_coords([name for name in pressure.coords if str(name).endswith("_quality")], drop=True)


def _value(terms: Terms, pressure: xr.DataArray | None) -> xr.DataArray:
    if isinstance(terms, float):
        return xr.DataArray(terms)
    assert pressure is not None  # _pressure has refused to go on without
    first, *others = (factor * pressure**power for factor, power in terms)
    return sum(others, start=first)


def _placed(
    result: xr.Dataset,
    chosen: PlanetModel,
    frame: str,
    aberration: xr.DataArray | None,
    pressure: xr.DataArray | None,
    unit: str,
    scale: float,
) -> xr.Dataset:
    """Return the parameters with aberration, centre, the planet's radius and what the model is valid for."""
    if aberration is not None:
        refuse_vectors(aberration=aberration)
        label = "Angle between the Sun's direction and the wind's"
        angle = in_units(named(aberration, "aberration"), "deg").reset_coords(drop=True)
        result["aberration"] = labelled(
            angle, "aberration", units="deg", long_name=label, attrs=synthetic_attrs(aberration)
        )
    elif chosen.aberration:
        label = "Angle between the Sun's direction and the wind's (constant of the model)"
        result["aberration"] = labelled(xr.DataArray(chosen.aberration), "aberration", units="deg", long_name=label)
    if chosen.offset and frame == chosen.frames[0]:
        place = xr.DataArray([0.0, 0.0, chosen.offset * scale], dims="component")
        place = place.assign_coords(component=component_labels())
        label = "Centre of the model: the planet's dipole"
        result["centre"] = labelled(place, "centre", units=unit, long_name=label, attrs={"frame": frame})
    radius = xr.DataArray(chosen.radius)
    radius = labelled(radius, "planet_radius", units="km", long_name=f"Radius of {chosen.body} in the model")
    result = result.assign_coords(planet_radius=radius)
    if pressure is None or chosen.pdyn is None:
        return result
    inside = (pressure >= chosen.pdyn[0]) & (pressure <= chosen.pdyn[1])
    label = f"Inside {chosen.pdyn[0]:g} to {chosen.pdyn[1]:g} nPa, which {chosen.name} stands for"
    return result.assign_coords(in_validity=labelled(inside, "in_validity", units="1", long_name=label))


def _said(chosen: PlanetModel) -> str:
    return chosen.boundary.replace("_", " ").replace("pileup", "pile-up")
