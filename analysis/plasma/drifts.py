"""Products of vectors and the drift that fields cross each other with: E x B, and -V x B."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.model import in_units, unit_of
from analysis.plasma.inputs import not_negative, on_same_axes
from analysis.plasma.parameters import magnitude
from analysis.plasma.rotations import right_handed
from analysis.plasma.vectors import made, same_frame


def exb_drift(e: xr.DataArray, b: xr.DataArray) -> xr.DataArray:
    r"""Return the drift velocity of any charge in crossed fields, :math:`\mathbf{E} \times \mathbf{B} / B^2`.

    Parameters
    ----------
    e : xarray.DataArray
        Electric field vector with dim ``component`` and attr ``frame``; any unit (mV/m).
    b : xarray.DataArray
        Magnetic field vector in the same frame, on the same axes; any magnetic unit.

    Returns
    -------
    xarray.DataArray
        km s-1, dim ``component``, in the frame of the fields. NaN where any component of either is. The velocity
        is seen by the observer who measured E (a spacecraft measures E in its own rest frame).

    Raises
    ------
    WrongUnits, MissingUnits
        If an input is of another kind.
    WrongFrame
        If the frames differ, or one is not said.
    WrongData
        If an input is no vector, the field is zero, or the two are on different axes.

    References
    ----------
    Baumjohann & Treumann, Basic Space Plasma Physics (2012), chapter 2.

    Examples
    --------
    >>> e = xr.DataArray([0.0, 1.0, 0.0], dims="component", attrs={"units": "mV/m", "frame": "GSE"})
    >>> b = xr.DataArray([0.0, 0.0, 5.0], dims="component", attrs={"units": "nT", "frame": "GSE"})
    >>> exb_drift(e, b).values
    array([200.,   0.,   0.])
    """
    frame, one, other = _pair(e, b, "e", "b")
    electric, field = in_units(one, "V m-1"), in_units(other, "T")
    square = not_negative((field**2).sum("component", skipna=False), "strength of b squared", zero=False)
    drift = _crossed(electric, field) / square.drop_vars("component", errors="ignore") * 1e-3
    return made(drift, "exb_drift", e, b, units="km s-1", long_name="E x B drift velocity", attrs={"frame": frame})


def convection_electric_field(v: xr.DataArray, b: xr.DataArray) -> xr.DataArray:
    r"""Return the electric field of a plasma that carries its field along, :math:`-\mathbf{V} \times \mathbf{B}`.

    Parameters
    ----------
    v : xarray.DataArray
        Velocity vector with dim ``component`` and attr ``frame``; any unit of speed.
    b : xarray.DataArray
        Magnetic field vector in the same frame, on the same axes; any magnetic unit.

    Returns
    -------
    xarray.DataArray
        mV m-1, dim ``component``, in the frame of both, as the observer sees it who measured the velocity. NaN
        where any component of either is.

    Raises
    ------
    WrongUnits, MissingUnits, WrongFrame, WrongData
        As :func:`exb_drift`, but the field may be zero.

    References
    ----------
    Baumjohann & Treumann, Basic Space Plasma Physics (2012), chapter 5.

    Examples
    --------
    >>> v = xr.DataArray([-400.0, 0.0, 0.0], dims="component", attrs={"units": "km/s", "frame": "GSM"})
    >>> b = xr.DataArray([0.0, 0.0, -5.0], dims="component", attrs={"units": "nT", "frame": "GSM"})
    >>> convection_electric_field(v, b).values + 0.0  # southward field: dawn to dusk
    array([0., 2., 0.])
    """
    frame, one, other = _pair(v, b, "v", "b")
    field = -1e3 * _crossed(in_units(one, "m s-1"), in_units(other, "T"))
    label = "Convection electric field, -V x B"
    return made(field, "convection_electric_field", v, b, units="mV m-1", long_name=label, attrs={"frame": frame})


def cross_product(one: xr.DataArray, other: xr.DataArray) -> xr.DataArray:
    r"""Return the vector product of two vectors, :math:`\mathbf{a} \times \mathbf{b}`.

    Parameters
    ----------
    one, other : xarray.DataArray
        Vectors with dim ``component`` in one frame, on the same axes; any units.

    Returns
    -------
    xarray.DataArray
        Dim ``component``, in their frame, in the product of their units. NaN where any component of either is.

    Raises
    ------
    MissingUnits, UnknownUnits
        If a unit is absent or unreadable.
    WrongFrame
        If the frames differ, or one is not said.
    WrongData
        If an input is no vector, or the two are on different axes.

    Examples
    --------
    >>> x = xr.DataArray([1, 0, 0], dims="component", attrs={"units": "nT", "frame": "GSE"})
    >>> y = xr.DataArray([0, 1, 0], dims="component", attrs={"units": "nT", "frame": "GSE"})
    >>> cross_product(x, y).values, cross_product(x, y).units
    (array([0., 0., 1.]), 'nT2')
    """
    frame, a, b = _pair(one, other, "one", "other")
    units = (unit_of(a) * unit_of(b)).to_string()
    label = f"{_label(a)} x {_label(b)}"
    return made(_crossed(a, b), "cross_product", one, other, units=units, long_name=label, attrs={"frame": frame})


def dot_product(one: xr.DataArray, other: xr.DataArray) -> xr.DataArray:
    r"""Return the scalar product of two vectors, :math:`\mathbf{a} \cdot \mathbf{b}`.

    Parameters
    ----------
    one, other : xarray.DataArray
        Vectors with dim ``component`` in one frame, on the same axes; any units.

    Returns
    -------
    xarray.DataArray
        Without ``component``, in the product of their units. NaN where any component of either is.

    Raises
    ------
    MissingUnits, UnknownUnits, WrongFrame, WrongData
        As :func:`cross_product`.

    Examples
    --------
    >>> b = xr.DataArray([3.0, 0.0, 4.0], dims="component", attrs={"units": "nT", "frame": "GSE"})
    >>> dot_product(b, b).item(), dot_product(b, b).units
    (25.0, 'nT2')
    """
    _, a, b = _pair(one, other, "one", "other")
    units = (unit_of(a) * unit_of(b)).to_string()
    product = (a * b).sum("component", skipna=False)
    return made(product, "dot_product", one, other, units=units, long_name=f"{_label(a)} · {_label(b)}")


def angle_between(one: xr.DataArray, other: xr.DataArray) -> xr.DataArray:
    """Return the angle between two vectors, 0 to 180°.

    Parameters
    ----------
    one, other : xarray.DataArray
        Vectors with dim ``component`` in one frame, on the same axes; any units.

    Returns
    -------
    xarray.DataArray
        deg, without ``component``, exact also for vectors that are almost parallel. NaN where any component of
        either is, or one vector is zero.

    Raises
    ------
    MissingUnits, UnknownUnits, WrongFrame, WrongData
        As :func:`cross_product`.

    Examples
    --------
    >>> x = xr.DataArray([1, 0, 0], dims="component", attrs={"units": "nT", "frame": "GSE"})
    >>> y = xr.DataArray([1, 1, 0], dims="component", attrs={"units": "nT", "frame": "GSE"})
    >>> round(angle_between(x, y).item(), 9)
    45.0
    """
    _, a, b = _pair(one, other, "one", "other")
    a, b = (each / magnitude(each) for each in (a, b))
    across = xr.ufuncs.sqrt((_crossed(a, b) ** 2).sum("component", skipna=False))
    angle = xr.ufuncs.degrees(xr.ufuncs.arctan2(across, (a * b).sum("component", skipna=False)))
    label = f"Angle between {_label(one)} and {_label(other)}"
    return made(angle, "angle", one, other, units="deg", long_name=label)


def _pair(one: xr.DataArray, other: xr.DataArray, first: str, second: str) -> tuple[str, xr.DataArray, xr.DataArray]:
    """Return the common frame of two vectors and both, looked at, their components in one order."""
    a, b = right_handed(one, first), right_handed(other, second)
    frame = same_frame(**{first: one, second: other})
    on_same_axes(**{first: a, second: b})
    return frame, a, b


def _crossed(a: xr.DataArray, b: xr.DataArray) -> xr.DataArray:
    """Return a x b; with xarray's own rolls, so that Dask arrays stay lazy."""
    labels = a["component"]
    a, b = a.drop_vars("component"), b.drop_vars("component")

    def turned(array: xr.DataArray, by: int) -> xr.DataArray:
        return array.isel(component=(np.arange(3) + by) % 3)

    known = (a + b).notnull().all("component")
    product = (turned(a, 1) * turned(b, 2) - turned(a, 2) * turned(b, 1)).where(known)
    says = {"long_name": "Component", **labels.attrs}
    return product.transpose(..., "component").assign_coords(component=labels.assign_attrs(says))


def _label(array: xr.DataArray) -> str:
    return str(array.attrs.get("long_name", array.name or "vector"))
