"""Boundaries of magnetospheres: where the solar wind stops."""

from __future__ import annotations

import xarray as xr

from analysis.errors import WrongData
from analysis.model import in_units, labelled
from analysis.plasma.earth_inputs import asked_aberration, boundary_dataset, checked, drivers_of, within
from analysis.plasma.earth_models import MAGNETOPAUSES
from analysis.plasma.inputs import named, not_negative, on_same_axes, refuse_vectors, synthetic_attrs
from analysis.plasma.quality import quality_of, with_worst_quality
from analysis.plasma.vectors import refuse_unknown


def magnetopause(
    wind: xr.Dataset | None = None,
    *,
    bz: xr.DataArray | None = None,
    pdyn: xr.DataArray | None = None,
    magnetic_pressure: xr.DataArray | None = None,
    dipole_tilt: xr.DataArray | None = None,
    speed: xr.DataArray | None = None,
    model: str = "shue_1998",
    aberration: float | str | xr.DataArray | None = None,
) -> xr.Dataset:
    r"""Return the size and shape of Earth's magnetopause for a solar wind.

    Parameters
    ----------
    wind : xarray.Dataset, optional
        With what the model needs on the same axes: ``bz`` (interplanetary field, GSM) and ``pdyn`` (dynamic
        pressure), as a Qin-Denton product has them; for ``"lin_2010"`` also ``magnetic_pressure`` and
        ``dipole_tilt``; for ``"jelinek_2012"`` ``pdyn`` alone.
    bz, pdyn, magnetic_pressure, dipole_tilt, speed : xarray.DataArray, optional
        The same as arrays, in any units of their kind, instead of what ``wind`` holds. ``dipole_tilt`` is
        positive where the northern pole leans to the Sun; ``speed`` is for ``aberration="orbital"`` alone.
    model : {"shue_1998", "shue_1997", "lin_2010", "jelinek_2012"}, optional
        Empirical model. Shue's were fitted to -18 < Bz < 15 nT and 0.5 < Pdyn < 8.5 nPa; beyond, that of 1998
        levels off and that of 1997 goes on linearly, to absurd distances in strong southward field. Lin's alone has
        indentations at the cusps, and north and south, dawn and dusk differ.
    aberration : float, "orbital" or xarray.DataArray, optional
        Turn the axis from the Sun towards -Y by this angle (degrees), or by that which Earth's motion gives to a wind
        of ``speed``, arctan(29.78 km/s / speed); the frame is then GSE. By default the axis points to the Sun.

    Returns
    -------
    xarray.Dataset
        A boundary, in Earth radii, on the axes of the input, NaN where it is. ``standoff`` is the distance on the
        model's axis; beside it stand the parameters of the shape: ``flaring`` (Shue, :math:`r = r_0 (2 / (1 +
        \cos\theta))^\alpha`, see :func:`magnetopause_shape`), ``slimness`` (Jelínek) or those of Lin's
        equation 19. Coordinates that stay with each of them: ``in_validity`` (Shue only: true inside the range that
        was fitted) and, where the input has flags, ``standoff_quality`` and so on: the worst flag of what it was
        made of.

    Raises
    ------
    BadOption
        If the model or the aberration is not known.
    UnknownVariable, WrongData
        If a driver is missing or a vector, has an impossible value, or the axes differ; also if
        the model gives a distance that is not above zero (that of 1997 below -81 nT).
    WrongFrame
        If ``bz`` does not say that it is in GSM.
    WrongUnits, MissingUnits
        If an input is of another kind.

    References
    ----------
    Shue et al., J. Geophys. Res. 102, 9497 (1997), doi:10.1029/97JA00196.
    Shue et al., J. Geophys. Res. 103, 17691 (1998), doi:10.1029/98JA01103.
    Lin et al., J. Geophys. Res. 115, A04207 (2010), doi:10.1029/2009JA014235.
    Jelínek, Němeček & Šafránková, J. Geophys. Res. 117, A05208 (2012), doi:10.1029/2011JA017252.

    Examples
    --------
    >>> bz = xr.DataArray(-2.4, attrs={"units": "nT", "frame": "GSM"})
    >>> pdyn = xr.DataArray([2.0, 4.0], dims="case", attrs={"units": "nPa"})
    >>> magnetopause(bz=bz, pdyn=pdyn, model="shue_1997").standoff.values.round(3)
    array([9.961, 8.968])
    >>> magnetopause(pdyn=pdyn, model="jelinek_2012").standoff.values.round(3)
    array([11.237,  9.85 ])
    """
    chosen = MAGNETOPAUSES[refuse_unknown(model, MAGNETOPAUSES, "magnetopause model")]
    given = {"bz": bz, "pdyn": pdyn, "magnetic_pressure": magnetic_pressure, "dipole_tilt": dipole_tilt}
    drivers = drivers_of(chosen, wind, given, f"magnetopause model {model!r}")
    values = {name: checked(name, array) for name, array in drivers.items()}
    angle = asked_aberration(aberration, chosen, wind, speed)
    said = (
        ""
        if aberration is None
        else f", aberration={'…' if isinstance(aberration, xr.DataArray) else repr(aberration)}"
    )
    hint = (
        f"the model was fitted to {chosen.said_validity}; use shue_1998 for stronger fields" if chosen.validity else ""
    )
    return boundary_dataset(
        model,
        chosen,
        "magnetopause",
        chosen.surface(**values),
        drivers,
        wind,
        step=f"plasma.magnetopause(model={model!r}{said})",
        standoff_hint=hint,
        aberration=angle,
        in_validity=within(chosen, values),
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
