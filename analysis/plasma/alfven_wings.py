"""Alfvén wings: where the disturbance of a moon goes in a flow slower than the Alfvén speed."""

from __future__ import annotations

import xarray as xr

from analysis.model import in_units, labelled
from analysis.plasma.inputs import named, on_same_axes, synthetic_attrs
from analysis.plasma.parameters import alfven_speed
from analysis.plasma.quality import quality_of, with_worst_quality
from analysis.plasma.rotations import cartesian
from analysis.plasma.vectors import same_frame

WINGS = ("along_b", "against_b")


def alfven_wing_angle(
    b: xr.DataArray, velocity: xr.DataArray, density: xr.DataArray, *, ion_mass: str | xr.DataArray = "proton"
) -> xr.DataArray:
    r"""Return the angles between the field and the two Alfvén wings of an obstacle in a flow.

    Disturbances travel along :math:`c^\pm = v \pm v_A \hat b` seen from the obstacle, so the wings lean from the field
    towards the flow by :math:`\tan \theta^\pm = v_\perp / (v_A \pm v_\parallel)`: by :math:`\arctan M_A` for a flow
    across the field.

    Parameters
    ----------
    b : xarray.DataArray
        Undisturbed field, dim ``component`` and any others; any magnetic unit.
    velocity : xarray.DataArray
        Of the plasma relative to the obstacle, same frame and axes; any speed.
    density : xarray.DataArray
        Number density of the ions on the same axes; any unit of density.
    ion_mass : str or xarray.DataArray, optional
        As for :func:`alfven_speed`; for a mass density in ``u cm-3`` give it as a number density and a mass of 1 u.

    Returns
    -------
    xarray.DataArray
        Degrees, on the axes of the inputs and a dim ``wing``: ``along_b`` is measured from +b, ``against_b`` from -b.
        NaN where an input is. Not relativistic.

    Raises
    ------
    WrongFrame
        If field and velocity are in different frames.
    WrongData, WrongUnits, MissingUnits
        If an input is of another kind or on other axes.

    References
    ----------
    Neubauer, J. Geophys. Res. 85, 1171 (1980), doi:10.1029/JA085iA03p01171.
    Drell, Foley & Ruderman, J. Geophys. Res. 70, 3131 (1965), doi:10.1029/JZ070i013p03131.

    Examples
    --------
    >>> says = {"dims": "component"}
    >>> b = xr.DataArray([0.0, 0.0, -2000.0], **says, attrs={"units": "nT", "frame": "PHIO"})
    >>> v = xr.DataArray([57.0, 0.0, 0.0], **says, attrs={"units": "km s-1", "frame": "PHIO"})
    >>> rho, unit_mass = xr.DataArray(22500.0, attrs={"units": "cm-3"}), xr.DataArray(1.0, attrs={"units": "u"})
    >>> alfven_wing_angle(b, v, rho, ion_mass=unit_mass).values.round(1)  # Io, where Voyager 1 passed
    array([11., 11.])
    """
    field, flow = cartesian(b, "b"), cartesian(velocity, "velocity")
    frame = same_frame(b=field, velocity=flow)
    on_same_axes(b=field, velocity=flow, density=named(density, "density"))
    waves = alfven_speed(field, density, ion_mass=ion_mass)
    direction = in_units(field, "nT")
    length = xr.ufuncs.sqrt((direction**2).sum("component", skipna=False))
    v = in_units(flow, "km s-1")
    along = (v * (direction / length.where(length > 0))).sum("component", skipna=False)
    across = xr.ufuncs.sqrt(((v**2).sum("component", skipna=False) - along**2).clip(min=0.0))
    leans = [xr.ufuncs.arctan2(across, waves + sign * along) for sign in (1, -1)]
    names = xr.DataArray(list(WINGS), dims="wing", attrs={"long_name": "Wing"})
    angle = xr.ufuncs.degrees(xr.concat(leans, dim="wing")).assign_coords(wing=names).transpose(..., "wing")
    angle = angle.drop_vars([name for name in angle.coords if str(name).endswith("_quality")])
    attrs = {**synthetic_attrs(b, velocity, density), "frame": frame}
    label = "Angle between the field and the Alfvén wing"
    result = labelled(angle, "wing_angle", units="deg", long_name=label, attrs=attrs)
    return with_worst_quality(result, *(quality_of(one) for one in (b, velocity, density)))
