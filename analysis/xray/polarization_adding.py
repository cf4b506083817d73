"""Measured polarizations added, and counted from another axis."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.model import check, derived, in_units
from analysis.xray.inputs import Amount, amount, variable
from analysis.xray.polarization_sums import KISLAT, SETTINGS, added, sums_of, turned, variables_of


def polarization_sum(*cubes: xr.Dataset) -> xr.Dataset:
    """Return the polarization of several measurements together: detector units, or observations.

    Parameters
    ----------
    *cubes : xarray.Dataset
        Of :func:`polarization_cube`, or of :func:`polarization_spectrum`: same bins, weights and corrections,
        independent of each other.

    Returns
    -------
    xarray.Dataset
        The same variables, of the sums of I, Q, U and their covariances.

    Raises
    ------
    BadOption
        If none is given.
    WrongData
        If bins, units or settings differ.

    References
    ----------
    Kislat et al. (2015), Astroparticle Physics 68, 45: Stokes parameters add.

    Examples
    --------
    >>> from analysis import xray
    >>> one = xray.polarization_spectrum(xray.fetch("ixpe_stokes"))
    >>> two = xray.polarization_sum(one, one)  # twice the same: no measurement, but a simple sum
    >>> bool(np.isclose(two.degree, one.degree).all()), round(float(one.degree_error[0] / two.degree_error[0]), 3)
    (True, 1.414)
    """
    if not cubes:
        raise BadOption("polarization_sum needs at least one result of xray.polarization_cube")
    parts = [sums_of(cube, "polarization_sum") for cube in cubes]
    first = cubes[0]
    for cube in cubes[1:]:
        _refuse_other(first, cube)
    dims = tuple(map(str, first["stokes_i"].dims))
    units = first["stokes_i"].attrs["units"]
    kept = {name: first[name] for name in ("phase_low", "phase_high", "energy_low", "energy_high") if name in first}
    attrs = {key: first.attrs[key] for key in SETTINGS if key in first.attrs}
    made = xr.Dataset(variables_of(added(parts), units, dims) | kept, attrs=attrs)
    step = f"xray.polarization_sum: {len(cubes)} measurements"
    title = str(first.attrs.get("title", "Polarization"))
    return check(derived(made, first, title=title, step=step, references=[KISLAT], also=cubes[1:]))


def polarization_rotated(cube: xr.Dataset, angle: Amount) -> xr.Dataset:
    """Return a measured polarization with its angle counted from another axis than North.

    Parameters
    ----------
    cube : xarray.Dataset
        Of :func:`polarization_cube` or :func:`polarization_spectrum`.
    angle : text, astropy Quantity or DataArray
        Position angle of the new axis, from North through East: that of a jet, for example. Q > 0 is then along
        it, Q < 0 across.

    Returns
    -------
    xarray.Dataset
        The same variables; ``angle`` is counted from the axis in the same sense, 0 to 180, and attr
        ``reference_angle`` (deg) says where the axis is.

    Raises
    ------
    MissingUnits, WrongUnits, BadOption
        If the angle cannot be read.

    Examples
    --------
    >>> from analysis import xray
    >>> found = xray.polarization_spectrum(xray.fetch("ixpe_stokes"))
    >>> along = xray.polarization_rotated(found, found.angle[0])
    >>> bool(np.isclose(along.q, found.degree).all())
    True
    """
    degrees = amount(angle, "deg", "angle")
    sums = turned(sums_of(cube, "polarization_rotated"), degrees)
    dims = tuple(map(str, cube["stokes_i"].dims))
    kept = {name: cube[name] for name in ("phase_low", "phase_high", "energy_low", "energy_high") if name in cube}
    attrs = {key: cube.attrs[key] for key in SETTINGS if key in cube.attrs}
    axis = (float(cube.attrs.get("reference_angle", 0.0)) + degrees) % 180
    made = xr.Dataset(variables_of(sums, cube["stokes_i"].attrs["units"], dims) | kept, attrs=attrs)
    made.attrs["reference_angle"] = axis
    if axis:
        made["angle"].attrs["long_name"] = f"Polarization angle from the axis at {axis:g} deg"
    step = f"xray.polarization_rotated: by {degrees:g} deg"
    return check(derived(made, cube, title=str(cube.attrs.get("title", "Polarization")), step=step))


def _refuse_other(first: xr.Dataset, cube: xr.Dataset) -> None:
    """Raise WrongData for a measurement in other bins, units or with other corrections."""
    for name in ("energy_low", "energy_high"):
        ours, theirs = (in_units(variable(data, name, "polarization_sum"), "keV").values for data in (first, cube))
        if ours.shape != theirs.shape or not np.allclose(ours, theirs):
            raise WrongData(f"polarization_sum needs the same bins; {name} is {ours} and {theirs} keV")
    if first["stokes_i"].dims != cube["stokes_i"].dims or first["stokes_i"].shape != cube["stokes_i"].shape:
        raise WrongData(
            f"polarization_sum needs the same bins, not {dict(first.stokes_i.sizes)} and {dict(cube.stokes_i.sizes)}"
        )
    settings = [[str(data.attrs.get(key)) for key in SETTINGS] for data in (first, cube)]
    told = [[*chosen, data["stokes_i"].attrs["units"]] for chosen, data in zip(settings, (first, cube), strict=True)]
    for name, ours, theirs in zip((*SETTINGS, "units"), *told, strict=True):
        if ours != theirs:
            raise WrongData(
                f"polarization_sum needs results made alike; {name} is {ours!r} in one, {theirs!r} in another"
            )
