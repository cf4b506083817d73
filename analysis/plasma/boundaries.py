"""Boundaries of magnetospheres: where the solar wind stops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import xarray as xr

from analysis.errors import BadOption, UnknownVariable, WrongData, WrongFrame
from analysis.model import derived, in_units, labelled
from analysis.plasma.inputs import named, not_negative, on_same_axes, refuse_vectors, synthetic_attrs
from analysis.plasma.quality import quality_of, with_worst_quality

Array = xr.DataArray
SHUE_1997 = "Shue et al., J. Geophys. Res. 102, 9497 (1997), doi:10.1029/97JA00196"
SHUE_1998 = "Shue et al., J. Geophys. Res. 103, 17691 (1998), doi:10.1029/98JA01103"


@dataclass(frozen=True, kw_only=True)
class Magnetopause:
    """One empirical model: stand-off (R_E) and flaring as functions of Bz (nT) and Pdyn (nPa)."""

    name: str
    standoff: Callable[[Array, Array], Array]
    flaring: Callable[[Array, Array], Array]
    bz: tuple[float, float]  # what the crossings that were fitted cover, nT
    pdyn: tuple[float, float]  # nPa
    reference: str

    @property
    def validity(self) -> str:
        """Say in words which solar wind the model was fitted to."""
        return f"{self.bz[0]:g} < Bz < {self.bz[1]:g} nT, {self.pdyn[0]:g} < Pdyn < {self.pdyn[1]:g} nPa"


# Both were fitted to the same crossings (ISEE 1 and 2, AMPTE/IRM, IMP 8); the form of 1998 was chosen so
# that it still behaves beyond them (Shue et al. 1998, section 2.1 and figures 10 and 13).
MODELS = {
    "shue_1997": Magnetopause(
        name="Shue et al. 1997",
        standoff=lambda bz, pdyn: (11.4 + xr.where(bz < 0, 0.14, 0.013) * bz) * pdyn ** (-1 / 6.6),
        flaring=lambda bz, pdyn: (0.58 - 0.010 * bz) * (1 + 0.010 * pdyn),
        bz=(-18.0, 15.0),
        pdyn=(0.5, 8.5),
        reference=SHUE_1997,
    ),
    "shue_1998": Magnetopause(
        name="Shue et al. 1998",
        standoff=lambda bz, pdyn: (10.22 + 1.29 * xr.ufuncs.tanh(0.184 * (bz + 8.14))) * pdyn ** (-1 / 6.6),
        flaring=lambda bz, pdyn: (0.58 - 0.007 * bz) * (1 + 0.024 * xr.ufuncs.log(pdyn)),
        bz=(-18.0, 15.0),
        pdyn=(0.5, 8.5),
        reference=SHUE_1998,
    ),
}


def magnetopause(
    wind: xr.Dataset | None = None,
    *,
    bz: xr.DataArray | None = None,
    pdyn: xr.DataArray | None = None,
    model: str = "shue_1998",
) -> xr.Dataset:
    r"""Return the size and shape of Earth's magnetopause for a solar wind.

    The surface is :math:`r = r_0 (2 / (1 + \cos\theta))^\alpha`; see :func:`magnetopause_shape`.

    Parameters
    ----------
    wind : xarray.Dataset, optional
        With ``bz`` (interplanetary field, GSM) and ``pdyn`` (dynamic pressure) on the same axes, as a
        Qin-Denton product has them.
    bz, pdyn : xarray.DataArray, optional
        The same as arrays, in any units of field and pressure, instead of what ``wind`` holds.
    model : {"shue_1998", "shue_1997"}, optional
        Empirical model. Both were fitted to -18 < Bz < 15 nT and 0.5 < Pdyn < 8.5 nPa. Beyond, that of 1998
        levels off and that of 1997 goes on linearly, to absurd distances in strong southward field.

    Returns
    -------
    xarray.Dataset
        ``standoff`` (:math:`r_0`, R_earth) and ``flaring`` (:math:`\alpha`), on the axes of the input, NaN
        where it is. Coordinates that stay with each of them: ``in_validity`` (true inside the range that was
        fitted) and, where the input has flags, ``standoff_quality`` and ``flaring_quality``: the worst flag
        of ``bz`` and ``pdyn``.

    Raises
    ------
    BadOption
        If the model is not known.
    UnknownVariable, WrongData
        If ``bz`` or ``pdyn`` is missing or a vector, a pressure is not above zero, or the axes differ; also if
        the model gives a distance that is not above zero (that of 1997 below -81 nT).
    WrongFrame
        If ``bz`` does not say that it is in GSM.
    WrongUnits, MissingUnits
        If an input is no field or no pressure.

    References
    ----------
    Shue et al., J. Geophys. Res. 102, 9497 (1997), doi:10.1029/97JA00196.
    Shue et al., J. Geophys. Res. 103, 17691 (1998), doi:10.1029/98JA01103.

    Examples
    --------
    >>> bz = xr.DataArray(-2.4, attrs={"units": "nT", "frame": "GSM"})
    >>> pdyn = xr.DataArray([2.0, 4.0], dims="case", attrs={"units": "nPa"})
    >>> magnetopause(bz=bz, pdyn=pdyn, model="shue_1997").standoff.values.round(3)
    array([9.961, 8.968])
    """
    if not isinstance(model, str) or model not in MODELS:
        raise BadOption(f"magnetopause model {model!r} is not known; there are {', '.join(MODELS)}")
    chosen = MODELS[model]
    field_given, pressure_given = _input(wind, bz, "bz"), _input(wind, pdyn, "pdyn")
    on_same_axes(bz=field_given, pdyn=pressure_given)
    refuse_vectors(bz=field_given, pdyn=pressure_given)
    _refuse_other_frame(field_given)
    field = in_units(field_given, "nT")
    pressure = not_negative(in_units(pressure_given, "nPa"), "pdyn", zero=False)

    distance = not_negative(
        chosen.standoff(field, pressure),
        f"standoff of {model}",
        zero=False,
        hint=f"the model was fitted to {chosen.validity}; use shue_1998 for stronger fields",
    )
    origin = field_given if wind is None else wind
    attrs = {"model": model, "references": chosen.reference}
    attrs |= synthetic_attrs(field_given, pressure_given, origin)
    if "source" in origin.attrs:
        attrs["source"] = origin.attrs["source"]  # a picture of one variable still says whose data it shows
    label = f"Magnetopause stand-off ({chosen.name})"
    standoff = labelled(distance, "standoff", units="R_earth", long_name=label, attrs=attrs)
    exponent = chosen.flaring(field, pressure)
    label = f"Magnetopause flaring ({chosen.name})"
    flaring = labelled(exponent, "flaring", units="1", long_name=label, attrs=attrs)
    flags = (
        quality_of(field_given, wind if bz is None else None),
        quality_of(pressure_given, wind if pdyn is None else None),
    )
    result = xr.Dataset(
        {"standoff": with_worst_quality(standoff, *flags), "flaring": with_worst_quality(flaring, *flags)}
    ).assign_coords(in_validity=_in_validity(field, pressure, chosen))
    return derived(
        result,
        origin,
        title=f"Earth's magnetopause after {chosen.name}",
        step=f"plasma.magnetopause(model={model!r})",
        references=[chosen.reference],
        also=[field_given, pressure_given],
    )


def magnetopause_shape(theta: xr.DataArray, standoff: xr.DataArray, flaring: xr.DataArray) -> xr.DataArray:
    r"""Return the distance of the magnetopause at angles from the Sun's direction.

    .. math:: r(\theta) = r_0 \left(\frac{2}{1 + \cos\theta}\right)^\alpha

    Parameters
    ----------
    theta : xarray.DataArray
        Angle at Earth's centre between the Sun's direction and a point of the surface, inside ±180°; any unit
        of angle. A dimension of its own gives the shape for each stand-off.
    standoff, flaring : xarray.DataArray
        :math:`r_0` (any length) and :math:`\alpha` (dimensionless), as :func:`magnetopause` gives them.

    Returns
    -------
    xarray.DataArray
        Distance from Earth's centre in the unit of ``standoff``, on the axes of all three.

    Raises
    ------
    WrongData
        If an angle is 180° or more, where the model's tail is open, or the axes differ.
    WrongUnits, MissingUnits
        If an input is of another kind.

    References
    ----------
    Shue et al., J. Geophys. Res. 102, 9497 (1997), doi:10.1029/97JA00196.

    Examples
    --------
    >>> theta = xr.DataArray([0.0, 90.0], dims="theta", attrs={"units": "deg"})
    >>> nose = xr.DataArray(10.0, attrs={"units": "R_earth"})
    >>> magnetopause_shape(theta, nose, xr.DataArray(0.5, attrs={"units": "1"})).values.round(3)
    array([10.   , 14.142])
    """
    on_same_axes(theta=theta, standoff=standoff, flaring=flaring)
    refuse_vectors(theta=theta, standoff=standoff, flaring=flaring)
    angle = in_units(named(theta, "theta"), "deg")
    if bool((abs(angle) >= 180).any()):
        raise WrongData("theta reaches 180°, where the model's tail is open; give angles inside ±180°")
    if angle.ndim == 1 and angle.dims[0] not in angle.coords:  # then each distance says at which angle it is
        says = {"units": "deg", "long_name": "Angle from the Sun's direction"}
        angle = angle.assign_coords({angle.dims[0]: (angle.dims, angle.values, says)})
    nose = not_negative(in_units(named(standoff, "standoff"), "R_earth"), "standoff", zero=False)
    exponent = in_units(named(flaring, "flaring"), "1")
    distance = nose * (2 / (1 + xr.ufuncs.cos(xr.ufuncs.radians(angle)))) ** exponent
    known = {key: standoff.attrs[key] for key in ("model", "references", "source") if key in standoff.attrs}
    made = labelled(
        distance,
        "distance",
        units="R_earth",
        long_name="Distance of the magnetopause",
        attrs={**known, **synthetic_attrs(standoff, flaring)},
    )
    converted = in_units(made, str(standoff.attrs["units"]))
    return with_worst_quality(converted, quality_of(standoff), quality_of(flaring))


def geosynchronous_orbit() -> xr.DataArray:
    """Return the radius of the geosynchronous orbit, 42,164 km, to compare a magnetopause with.

    Returns
    -------
    xarray.DataArray
        Scalar, km; a picture converts it to the unit of what it is drawn with.

    Examples
    --------
    >>> round(in_units(geosynchronous_orbit(), "R_earth").item(), 2)
    6.61
    """
    radius = xr.DataArray(42164.0)
    return labelled(radius, "geosynchronous_orbit", units="km", long_name="Radius of the geosynchronous orbit")


def _input(wind: xr.Dataset | None, given: xr.DataArray | None, name: str) -> xr.DataArray:
    if given is not None:
        return named(given, name)
    if wind is None:
        raise WrongData(f"magnetopause needs {name}: give a Dataset that has it, or {name}= as a DataArray")
    if not isinstance(wind, xr.Dataset):
        raise WrongData(
            f"magnetopause takes a Dataset with bz and pdyn, not a {type(wind).__name__}; "
            "give one node of a tree, or bz= and pdyn="
        )
    if name not in wind.variables:
        raise UnknownVariable(f"the dataset has no {name}; it has {', '.join(map(str, wind.data_vars))}")
    return wind[name]


def _refuse_other_frame(bz: xr.DataArray) -> None:
    frame = str(bz.attrs.get("frame", "")).strip()
    if frame.upper() != "GSM":
        says = f"is in {frame}" if frame else "does not say its frame"
        raise WrongFrame(
            f"{bz.name} {says}; the magnetopause models need Bz in GSM (if it is, say so: bz.assign_attrs(frame='GSM'))"
        )


def _in_validity(bz: xr.DataArray, pdyn: xr.DataArray, chosen: Magnetopause) -> xr.DataArray:
    inside = (bz > chosen.bz[0]) & (bz < chosen.bz[1]) & (pdyn > chosen.pdyn[0]) & (pdyn < chosen.pdyn[1])
    label = f"Inside the range that {chosen.name} fitted: {chosen.validity}"
    return labelled(inside.reset_coords(drop=True), "in_validity", units="1", long_name=label)
