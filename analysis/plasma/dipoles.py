r"""Dipoles of planets and moons: their field, how far they hold off a pressure, and which field lines are closed."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.model import in_units
from analysis.plasma.inputs import is_number, named, not_negative, on_same_axes, refuse_vectors
from analysis.plasma.parameters import MU0, strength_of
from analysis.plasma.rotations import in_order
from analysis.plasma.vectors import component_labels, made, same_frame


def planetary_dipole_field(
    position: xr.DataArray, moment: xr.DataArray, *, radius: xr.DataArray, centre: xr.DataArray | None = None
) -> xr.DataArray:
    r"""Return the field of a dipole, :math:`(R/r)^3 \left[3 (m \cdot \hat r)\, \hat r - m\right]`.

    Parameters
    ----------
    position : xarray.DataArray
        From the body's centre, dim ``component`` (x, y, z) and any others; any length; its ``frame`` said.
    moment : xarray.DataArray
        Vector along the magnetic moment, in the same frame, whose length is the field at the magnetic equator at
        ``radius``; any magnetic unit. Its components are the Gauss coefficients g11, h11, g10 where z is the axis of
        rotation and x the prime meridian. Mercury: (0, 0, -190) nT, so the field points north at the equator.
    radius : xarray.DataArray
        R, a number with units of length.
    centre : xarray.DataArray, optional
        Where the dipole is, a vector in the frame of ``position``; by default the body's centre.

    Returns
    -------
    xarray.DataArray
        In the unit of ``moment``, on the axes and in the frame of ``position``; NaN where it is, and at the dipole.

    Raises
    ------
    WrongFrame
        If the vectors are not in one frame.
    WrongData, WrongUnits, MissingUnits
        If an input is of another kind, or the radius not above zero.

    References
    ----------
    Anderson et al., J. Geophys. Res. 117, E00L12 (2012), doi:10.1029/2012JE004159 (Mercury's is 479 km north).
    Johnson et al., J. Geophys. Res. 117, E00L14 (2012), doi:10.1029/2012JE004217 (190 nT at Mercury's radius).

    Examples
    --------
    >>> says = {"units": "km", "frame": "MSO"}
    >>> place = xr.DataArray([[2440.0, 0, 0], [0, 0, 4880]], dims=["point", "component"], attrs=says)
    >>> moment = xr.DataArray([0.0, 0, -190], dims="component", attrs={"units": "nT", "frame": "MSO"})
    >>> planetary_dipole_field(place, moment, radius=xr.DataArray(2440.0, attrs={"units": "km"})).values + 0.0
    array([[  0. ,   0. , 190. ], [  0. ,   0. , -47.5]])
    """
    where, along = _ordered(position, "position"), _ordered(moment, "moment")
    same_frame(position=where, moment=along)
    unit = str(along.attrs["units"])
    in_units(along, "nT")
    size = in_units(named(radius, "radius"), "km")
    if size.ndim or not 0 < float(size) < np.inf:
        raise WrongData(f"radius is {radius.values} {radius.attrs.get('units', '')}; give one length above zero")
    r = in_units(where, "km")
    if centre is not None:
        from_centre = _ordered(centre, "centre")
        same_frame(position=where, centre=from_centre)
        r = r - in_units(from_centre, "km")
    distance = xr.ufuncs.sqrt((r**2).sum("component", skipna=False))
    unit_vector = r / distance.where(distance > 0)
    projected = (along.reset_coords(drop=True) * unit_vector).sum("component", skipna=False)
    b = (float(size) / distance) ** 3 * (3 * projected * unit_vector - along.reset_coords(drop=True))
    b = b.transpose(*where.dims, ...).transpose(..., "component")
    also = [where, along] if centre is None else [where, along, centre]
    return made(
        b, "b", *also, units=unit, long_name="Magnetic field of a dipole", attrs={"frame": where.attrs["frame"].upper()}
    )


def dipole_standoff(equatorial_field: xr.DataArray, pressure: xr.DataArray, *, factor: float = 2.0) -> xr.DataArray:
    r"""Return how far a dipole's field holds a pressure off, :math:`(f B_{eq})^{1/3} / (2 \mu_0 P)^{1/6}` radii.

    Parameters
    ----------
    equatorial_field : xarray.DataArray
        Field of the dipole at its equator at the body's radius; any magnetic unit.
    pressure : xarray.DataArray
        What presses from outside, on the same axes: of a wind, its dynamic pressure (less what flows around), of a
        magnetospheric plasma also its thermal and magnetic one; any unit of pressure.
    factor : float, optional
        The field just inside over the dipole's alone: 2 at a plane, which is the dipole's image; 1 for the balance of
        the bare field.

    Returns
    -------
    xarray.DataArray
        In radii of the body (dimensionless). NaN where an input is. Below 1 the pressure reaches the surface.

    Raises
    ------
    WrongData
        If an input is not above zero, a vector, or the two are on different axes.
    BadOption, WrongUnits, MissingUnits
        If the factor is not above zero, or an input is of another kind.

    References
    ----------
    Baumjohann & Treumann, Basic Space Plasma Physics (2012), section 8.2.

    Examples
    --------
    >>> field, wind = xr.DataArray(31000.0, attrs={"units": "nT"}), xr.DataArray(2.0, attrs={"units": "nPa"})
    >>> round(dipole_standoff(field, wind).item(), 1)
    9.6
    """
    if not is_number(factor) or not 0 < factor < np.inf:
        raise BadOption(f"factor={factor!r} is not a number above zero")
    on_same_axes(equatorial_field=equatorial_field, pressure=pressure)
    refuse_vectors(equatorial_field=equatorial_field, pressure=pressure)
    field = strength_of(equatorial_field, "equatorial_field", "T", zero=False)
    outside = not_negative(in_units(named(pressure, "pressure"), "Pa"), "pressure", zero=False)
    distance = (float(factor) * field) ** (1 / 3) / (2 * MU0 * outside) ** (1 / 6)
    label = "Stand-off distance in radii of the body"
    return made(distance, "standoff", equatorial_field, pressure, units="1", long_name=label)


def closed_field_latitude(equatorial_field: xr.DataArray, ambient_field: xr.DataArray) -> xr.DataArray:
    r"""Return the latitude down to which field lines are open of a dipole in a uniform field along its moment.

    The two cancel on a ring at the equator at :math:`x = (B_{eq} / B_a)^{1/3}` radii. The field line through that ring
    meets the surface at :math:`\cos^2 \lambda = 3 x^2 / (2 x^3 + 1)`; lines from latitudes below it are closed, those
    from above lead away. This is a superposition in vacuum, without currents of a plasma: Ganymede's field in
    Jupiter's, before the flow presses on one side and draws the other out.

    Parameters
    ----------
    equatorial_field : xarray.DataArray
        Field of the dipole at its equator at the body's radius; any magnetic unit.
    ambient_field : xarray.DataArray
        Strength of the field around, parallel to the dipole's moment, on the same axes; any magnetic unit.

    Returns
    -------
    xarray.DataArray
        Degrees. NaN where an input is, and where the field around is the stronger one: then nothing is closed.

    Raises
    ------
    WrongData, WrongUnits, MissingUnits
        If an input is of another kind, not above zero, a vector, or the two are on different axes.

    References
    ----------
    Dungey, Phys. Rev. Lett. 6, 47 (1961), doi:10.1103/PhysRevLett.6.47 (a dipole in a uniform field).
    Kivelson, Khurana & Volwerk, Icarus 157, 507 (2002), doi:10.1006/icar.2002.6834 (Ganymede's moment).

    Examples
    --------
    >>> ganymede, jupiter = xr.DataArray(719.0, attrs={"units": "nT"}), xr.DataArray(80.0, attrs={"units": "nT"})
    >>> round(closed_field_latitude(ganymede, jupiter).item(), 1)
    34.2
    """
    on_same_axes(equatorial_field=equatorial_field, ambient_field=ambient_field)
    refuse_vectors(equatorial_field=equatorial_field, ambient_field=ambient_field)
    own = strength_of(equatorial_field, "equatorial_field", "T", zero=False)
    around = strength_of(ambient_field, "ambient_field", "T", zero=False)
    x = (own / around) ** (1 / 3)
    squared = (3 * x**2 / (2 * x**3 + 1)).where(x >= 1)
    latitude = xr.ufuncs.degrees(xr.ufuncs.arccos(xr.ufuncs.sqrt(squared.clip(max=1.0))))
    label = "Latitude of the last closed field line"
    return made(latitude, "latitude", equatorial_field, ambient_field, units="deg", long_name=label)


def _ordered(array: xr.DataArray, what: str) -> xr.DataArray:
    """Return a vector with its components in the order x, y, z."""
    return in_order(array, what).assign_coords(component=component_labels())
