"""Alfvénic fluctuations: Elsässer variables, cross helicity, residual energy."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.model import derived, in_units
from analysis.plasma.inputs import named, not_negative, on_same_axes, refuse_vectors, synthetic_attrs, whole_number
from analysis.plasma.parameters import MU0, PROTON_MASS
from analysis.plasma.rotations import right_handed
from analysis.plasma.spectral import even_step, moving_mean
from analysis.plasma.turbulence import BRUNO
from analysis.plasma.vectors import same_frame


def elsasser_variables(b: xr.DataArray, v: xr.DataArray, density: xr.DataArray) -> xr.Dataset:
    r"""Return the Elsässer variables :math:`z^\pm = v \pm b`, b the field in units of the mean density's Alfvén speed.

    Parameters
    ----------
    b, v, density : xarray.DataArray
        Magnetic field, bulk velocity (dims ``time, component``) and proton density on the same times.

    Returns
    -------
    xarray.Dataset
        ``z_plus``, ``z_minus`` and ``b_alfven`` (time, component; km s-1). With the mean field pointing to the Sun
        (B_x > 0 in GSE) z⁺ is the outward wave, else z⁻.

    Raises
    ------
    WrongData, WrongFrame, WrongUnits, MissingUnits
        If axes, frames or kinds of units differ, or a density is not above zero.

    References
    ----------
    Elsässer, Phys. Rev. 79, 183 (1950), doi:10.1103/PhysRev.79.183.
    Bruno & Carbone, Living Rev. Sol. Phys. 10, 2 (2013), section 3.

    Examples
    --------
    >>> b = xr.DataArray([[5.0, 0, 0]], dims=["time", "component"], attrs={"units": "nT", "frame": "RTN"})
    >>> v = xr.DataArray([[48.76, 0, 0]], dims=["time", "component"], attrs={"units": "km s-1", "frame": "RTN"})
    >>> n = xr.DataArray([5.0], dims="time", attrs={"units": "cm-3"})
    >>> elsasser_variables(b, v, n).z_minus.values.round(1) + 0.0
    array([[0., 0., 0.]])
    """
    refuse_vectors(density=density)
    field, flow = right_handed(b, "b"), right_handed(v, "v")
    on_same_axes(b=field, v=flow, density=density)
    frame = same_frame(b=b, v=v)
    field, flow = in_units(field, "T"), in_units(flow, "km s-1")
    number = not_negative(in_units(named(density, "density"), "m-3"), "density", zero=False)
    alfven = field / np.sqrt(MU0 * PROTON_MASS * number.mean("time")) * 1e-3
    parts = {
        "z_plus": (flow + alfven, "Elsässer variable v + b"),
        "z_minus": (flow - alfven, "Elsässer variable v - b"),
        "b_alfven": (alfven, "Field in Alfvén units"),
    }
    attrs = {"units": "km s-1", "frame": frame, **synthetic_attrs(b, v, density)}
    result = xr.Dataset(
        {
            name: values.transpose("time", ..., "component").rename(name).assign_attrs(long_name=label, **attrs)
            for name, (values, label) in parts.items()
        }
    )
    result = result.drop_vars([name for name in result.coords if str(name).endswith("_quality")])
    step = "plasma.elsasser_variables()"
    return derived(result, b, title="Elsässer variables", step=step, references=[BRUNO], also=[v, density])


def alfvenicity(b: xr.DataArray, v: xr.DataArray, density: xr.DataArray, *, window: int) -> xr.Dataset:
    r"""Return cross helicity and residual energy of fluctuations about the mean of windows that slide.

    .. math:: \sigma_c = \frac{2 \langle \delta v \cdot \delta b \rangle}{\langle \delta v^2 \rangle +
              \langle \delta b^2 \rangle}, \qquad \sigma_r = \frac{\langle \delta v^2 \rangle - \langle \delta b^2
              \rangle}{\langle \delta v^2 \rangle + \langle \delta b^2 \rangle}

    Parameters
    ----------
    b, v, density : xarray.DataArray
        As for :func:`elsasser_variables`, in even steps.
    window : int
        Samples of a window, centred on each time.

    Returns
    -------
    xarray.Dataset
        ``cross_helicity`` (-1 to 1; -1 or 1 for waves that go one way), ``residual_energy`` (-1 to 1; below 0 more
        magnetic), ``alfven_ratio`` (kinetic over magnetic energy) over ``time``. NaN where half of a window is
        missing.

    Raises
    ------
    WrongData, WrongFrame, WrongUnits, MissingUnits, BadOption
        As :func:`elsasser_variables`; for uneven steps or a window that is none.

    References
    ----------
    Bruno & Carbone, Living Rev. Sol. Phys. 10, 2 (2013), section 3.

    Examples
    --------
    >>> time = np.datetime64("2020-01-01", "ns") + np.arange(100) * np.timedelta64(60, "s")
    >>> wave = np.stack([0 * np.arange(100.0), np.cos(np.arange(100) / 9), np.sin(np.arange(100) / 9)], axis=1)
    >>> def of(values, units):
    ...     return xr.DataArray(values, {"time": time}, ["time", "component"], attrs={"units": units, "frame": "RTN"})
    >>> n = xr.DataArray(np.full(100, 5.0), {"time": time}, ["time"], attrs={"units": "cm-3"})
    >>> found = alfvenicity(of(wave, "nT"), of(-9.75 * wave, "km s-1"), n, window=40)
    >>> round(found.cross_helicity[50].item(), 3)
    -1.0
    """
    even_step(named(b, "b"))
    window = whole_number(window, "window", 3)
    parts = elsasser_variables(b, v, density)
    flow, field = (parts.z_plus + parts.z_minus) / 2, parts.b_alfven

    def mean(values: xr.DataArray) -> xr.DataArray:
        return moving_mean(values, window, least=(window + 1) // 2)

    seen = flow.notnull() & field.notnull()
    flow, field = flow.where(seen.all("component")), field.where(seen.all("component"))
    flow, field = flow - flow.mean("time"), field - field.mean("time")  # sums of squares keep their digits
    mean_flow, mean_field = mean(flow), mean(field)
    kinetic = (mean(flow**2) - mean_flow**2).sum("component", skipna=False).clip(0)
    magnetic = (mean(field**2) - mean_field**2).sum("component", skipna=False).clip(0)
    cross = (mean(flow * field) - mean_flow * mean_field).sum("component", skipna=False)
    total = (kinetic + magnetic).where(kinetic + magnetic > 0)
    found = {
        "cross_helicity": ((2 * cross / total).clip(-1, 1), "Normalised cross helicity"),
        "residual_energy": ((kinetic - magnetic) / total, "Normalised residual energy"),
        "alfven_ratio": (kinetic / magnetic.where(magnetic > 0), "Kinetic over magnetic energy"),
    }
    said = {"units": "1", **synthetic_attrs(b, v, density)}
    result = xr.Dataset(
        {name: values.rename(name).assign_attrs(long_name=label, **said) for name, (values, label) in found.items()}
    )
    step = f"plasma.alfvenicity(window={window})"
    return derived(result, b, title="Alfvénicity", step=step, references=[BRUNO], also=[v, density])
