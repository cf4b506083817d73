"""Earth's bow shock: where the solar wind learns of the magnetosphere."""

from __future__ import annotations

from dataclasses import replace

import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.model import in_units, labelled
from analysis.plasma.boundaries import magnetopause
from analysis.plasma.earth_inputs import asked_aberration, boundary_dataset, checked, drivers_of, within
from analysis.plasma.earth_models import BOW_SHOCKS, DISTANCES, MAGNETOPAUSES, EarthModel, Surface, shock_distance
from analysis.plasma.inputs import is_number, named, not_negative, on_same_axes, refuse_vectors, synthetic_attrs
from analysis.plasma.quality import quality_of, with_worst_quality
from analysis.plasma.vectors import refuse_unknown


def bow_shock(
    wind: xr.Dataset | None = None,
    *,
    bz: xr.DataArray | None = None,
    pdyn: xr.DataArray | None = None,
    plasma_beta: xr.DataArray | None = None,
    magnetosonic_mach: xr.DataArray | None = None,
    speed: xr.DataArray | None = None,
    model: str = "jelinek_2012",
    obstacle: str | xr.Dataset = "shue_1998",
    gamma: float = 5 / 3,
    mean_pdyn: float | None = None,
    aberration: float | str | xr.DataArray | None = None,
) -> xr.Dataset:
    r"""Return the size and shape of Earth's bow shock for a solar wind.

    Parameters
    ----------
    wind : xarray.Dataset, optional
        With what the model needs on the same axes: ``pdyn`` for ``"jelinek_2012"``; ``bz``, ``pdyn``,
        ``plasma_beta`` and ``magnetosonic_mach`` for ``"chao_2002"``; ``magnetosonic_mach`` and what the obstacle
        needs for ``"farris_russell_1994"`` and ``"spreiter_1966"``; nothing for the others.
    bz, pdyn, plasma_beta, magnetosonic_mach, speed : xarray.DataArray, optional
        The same as arrays, instead of what ``wind`` holds. ``speed`` is for ``aberration="orbital"`` alone.
    model : str, optional
        ``"jelinek_2012"`` (a paraboloid that goes with the pressure), ``"chao_2002"``, ``"farris_russell_1994"``
        (in front of a magnetopause at a distance that goes with the Mach number, to infinity at 1),
        ``"spreiter_1966"`` (the same before that correction, too close at low Mach numbers), and the mean shocks
        ``"farris_1991"``, ``"slavin_holzer_1981"``, ``"peredo_1995"``, ``"formisano_1979"``, ``"fairfield_1971"``.
    obstacle : str or xarray.Dataset, optional
        The magnetopause in front of which Farris & Russell and Spreiter put the shock: a model of
        :func:`magnetopause`, or what it returned.
    gamma : float, optional
        Ratio of specific heats for Farris & Russell and Spreiter.
    mean_pdyn : float, optional
        For the mean shocks: the dynamic pressure (nPa) at which they hold. The size then goes with the pressure, as
        (``pdyn`` / ``mean_pdyn``) to the power of -1/6. Without it they are of one size.
    aberration : float, "orbital" or xarray.DataArray, optional
        Turn the axis from the Sun towards -Y by this angle (degrees), or by that which Earth's motion gives to a wind
        of ``speed``, arctan(29.78 km/s / speed), which all these models mean. By default, the mean angle of
        those that have one (Farris 1991, Peredo, Formisano, Fairfield) or that of an ``obstacle`` given as a dataset;
        the axis of the others points to the Sun. 0 is none.

    Returns
    -------
    xarray.Dataset
        A boundary, in Earth radii, in GSE: ``standoff``, the distance on the model's axis, and beside it the parameters
        of the shape, and ``aberration`` where there is one. NaN where an input is, and where the Mach number is not
        above 1: no shock stands then. ``in_validity`` (Farris & Russell and Spreiter) says where the Mach number
        is above 1 and the wind inside the range of the magnetopause. Flags are carried as by :func:`magnetopause`.

    Raises
    ------
    BadOption
        If the model, the obstacle, or another option is not known or not for this model.
    UnknownVariable, WrongData
        If a driver is missing or a vector, has an impossible value, or the axes differ.
    WrongFrame
        If ``bz`` does not say that it is in GSM.
    WrongUnits, MissingUnits
        If an input is of another kind.

    References
    ----------
    Jelínek, Němeček & Šafránková, J. Geophys. Res. 117, A05208 (2012), doi:10.1029/2011JA017252.
    Chao et al., COSPAR Colloquia Series 12, 127 (2002), doi:10.1016/S0964-2749(02)80212-8.
    Farris & Russell, J. Geophys. Res. 99, 17681 (1994), doi:10.1029/94JA01020.
    Schwartz, in Analysis Methods for Multi-Spacecraft Data, ISSI SR-001, ch. 10 (1998), for the mean shocks: the
    section z = 0 of each, here turned about its axis.

    Examples
    --------
    >>> pdyn = xr.DataArray([1.0, 4.0], dims="case", attrs={"units": "nPa"})
    >>> bow_shock(pdyn=pdyn).standoff.values.round(2)
    array([15.02, 12.15])
    >>> mean = bow_shock(model="farris_1991")
    >>> round(mean.standoff.item(), 2), mean.aberration.item()
    (13.7, 3.8)
    """
    chosen = BOW_SHOCKS[refuse_unknown(model, BOW_SHOCKS, "bow shock model")]
    given = {"bz": bz, "pdyn": pdyn, "plasma_beta": plasma_beta, "magnetosonic_mach": magnetosonic_mach}
    drivers = drivers_of(chosen, wind, given, f"bow shock model {model!r}")
    values = {name: checked(name, array) for name, array in drivers.items()}
    said, also, valid, words = f"model={model!r}", {}, within(chosen, values), ""
    if chosen.needs_obstacle:
        _refuse_gamma(gamma)
        nose = _nose(obstacle, wind, bz, pdyn)
        on_same_axes(**drivers, obstacle=nose)
        surface = chosen.surface(
            **values, obstacle=in_units(nose.drop_vars("in_validity", errors="ignore"), "R_earth"), gamma=gamma
        )
        also["obstacle"] = nose
        valid, words = _valid_shock(values["magnetosonic_mach"], nose)
        shape = repr(obstacle) if isinstance(obstacle, str) else repr(obstacle.attrs.get("model", "given"))
        said += f", obstacle={shape}, gamma={gamma:g}"
    else:
        surface = chosen.surface(**values)
    if mean_pdyn is not None:
        pressure, surface = _scaled(chosen, surface, mean_pdyn, wind, pdyn)
        also["pdyn"] = pressure
        said += f", mean_pdyn={mean_pdyn:g}"
    elif pdyn is not None and not chosen.drivers:
        raise BadOption(f"{model} is a mean shock: for it to go with pdyn, say at which pressure it holds, mean_pdyn=")
    angle = asked_aberration(aberration, chosen, wind, speed)
    if aberration is None and chosen.needs_obstacle and isinstance(obstacle, xr.Dataset):
        angle = obstacle.get("aberration")
    if aberration is not None:
        said += f", aberration={'…' if isinstance(aberration, xr.DataArray) else repr(aberration)}"
    return boundary_dataset(
        model,
        chosen,
        "bow_shock",
        surface,
        drivers,
        wind,
        step=f"plasma.bow_shock({said})",
        aberration=angle,
        also=also,
        in_validity=valid,
        said_validity=words,
    )


def bow_shock_standoff(
    obstacle: xr.DataArray,
    magnetosonic_mach: xr.DataArray,
    *,
    gamma: float = 5 / 3,
    formula: str = "farris_russell_1994",
) -> xr.DataArray:
    r"""Return how far from a planet's centre a bow shock stands before a blunt obstacle.

    .. math:: r_{bs} = r_{ob} \left(1 + 1.1 \frac{(\gamma - 1) M^2 + 2}{(\gamma + 1)(M^2 - 1)}\right)

    with :math:`M^2` in place of :math:`M^2 - 1` for Spreiter et al. (1966), who made it for large Mach numbers.

    Parameters
    ----------
    obstacle : xarray.DataArray
        Stand-off distance of the obstacle, for example the magnetopause; any length.
    magnetosonic_mach : xarray.DataArray
        Fast magnetosonic Mach number of the wind, on the same axes.
    gamma : float, optional
        Ratio of specific heats.
    formula : {"farris_russell_1994", "spreiter_1966"}, optional

    Returns
    -------
    xarray.DataArray
        In the unit of ``obstacle``. NaN where an input is, and where the Mach number is not above 1.

    Raises
    ------
    BadOption
        If the formula is not known, or gamma is not above 1.
    WrongData, WrongUnits, MissingUnits
        If an input is negative, a vector, of another kind, or on other axes.

    References
    ----------
    Farris & Russell, J. Geophys. Res. 99, 17681 (1994), doi:10.1029/94JA01020.
    Spreiter, Summers & Alksne, Planet. Space Sci. 14, 223 (1966), doi:10.1016/0032-0633(66)90124-3.

    Examples
    --------
    >>> nose = xr.DataArray(10.0, attrs={"units": "R_earth"})
    >>> mach = xr.DataArray([1.5, 6.0], dims="case", attrs={"units": "1"})
    >>> bow_shock_standoff(nose, mach).values.round(2)
    array([21.55, 13.06])
    >>> bow_shock_standoff(nose, mach, formula="spreiter_1966").values.round(2)
    array([16.42, 12.98])
    """
    refuse_unknown(formula, DISTANCES, "formula")
    _refuse_gamma(gamma)
    on_same_axes(obstacle=obstacle, magnetosonic_mach=magnetosonic_mach)
    refuse_vectors(obstacle=obstacle, magnetosonic_mach=magnetosonic_mach)
    nose = not_negative(named(obstacle, "obstacle"), "obstacle", zero=False)
    mach = checked("magnetosonic_mach", named(magnetosonic_mach, "magnetosonic_mach"))
    in_units(nose, "km")  # a length
    distance = nose * (1 + shock_distance(mach, gamma, formula))
    made = labelled(
        distance.drop_vars("in_validity", errors="ignore"),
        "standoff",
        units=str(obstacle.attrs["units"]),
        long_name="Bow shock stand-off",
        attrs=synthetic_attrs(obstacle, magnetosonic_mach),
    )
    return with_worst_quality(made, quality_of(nose), quality_of(mach))


def _nose(
    obstacle: str | xr.Dataset, wind: xr.Dataset | None, bz: xr.DataArray | None, pdyn: xr.DataArray | None
) -> xr.DataArray:
    """Return the stand-off of the magnetopause before which the shock stands."""
    if isinstance(obstacle, xr.Dataset):
        says = obstacle.attrs
        if "standoff" not in obstacle or says.get("boundary") != "magnetopause" or says.get("body") != "Earth":
            raise WrongData("obstacle must be the Dataset that plasma.magnetopause returns, with its standoff")
        return obstacle["standoff"]
    return magnetopause(wind, bz=bz, pdyn=pdyn, model=refuse_unknown(obstacle, MAGNETOPAUSES, "obstacle")).standoff


def _valid_shock(mach: xr.DataArray, nose: xr.DataArray) -> tuple[xr.DataArray, str]:
    moving = mach > 1
    inside = nose.coords["in_validity"].reset_coords(drop=True) if "in_validity" in nose.coords else None
    words = "Fast magnetosonic Mach number above 1"
    if inside is None:
        return moving, words
    return moving & inside, f"{words}, and of the obstacle: {inside.attrs['long_name'].lower()}"


def _scaled(
    model: EarthModel,
    surface: Surface,
    mean_pdyn: float,
    wind: xr.Dataset | None,
    pdyn: xr.DataArray | None,
) -> tuple[xr.DataArray, Surface]:
    """Return the pressure and the lengths of a mean shock scaled with it."""
    if model.drivers:
        raise BadOption(f"mean_pdyn is for the mean shocks; {model.name} goes with the wind by itself")
    if not is_number(mean_pdyn) or not mean_pdyn > 0:
        raise BadOption(f"mean_pdyn={mean_pdyn!r} is no pressure in nPa above zero")
    scaling = replace(model, drivers=("pdyn",))
    pressure = drivers_of(scaling, wind, {"pdyn": pdyn}, "mean_pdyn")["pdyn"]
    size = (checked("pdyn", pressure) / float(mean_pdyn)) ** (-1 / 6)
    lengths = ("x0", "y0", "semilatus_rectum")
    return pressure, {name: value * size if name in lengths else value for name, value in surface.items()}


def _refuse_gamma(gamma: float) -> None:
    if not is_number(gamma) or not 1 < gamma < 10:
        raise BadOption(f"gamma={gamma!r} is no ratio of specific heats: above 1, 5/3 for a monatomic gas")
