"""The de Hoffmann-Teller frame, in which a structure stands still, and the Walén relation in it."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.errors import WrongData
from analysis.model import derived, in_units
from analysis.plasma.inputs import named, not_negative, on_same_axes, refuse_vectors, synthetic_attrs
from analysis.plasma.parameters import MU0, mass_of
from analysis.plasma.rotations import right_handed
from analysis.plasma.vectors import same_frame

KHRABROV = "Khrabrov & Sonnerup, in Analysis Methods for Multi-Spacecraft Data, ISSI SR-001 (1998), chapter 9"
PASCHMANN = "Paschmann & Sonnerup, in Multi-Spacecraft Analysis Methods Revisited, ISSI SR-008 (2008), chapter 7"
FEWEST = 3


def de_hoffmann_teller(b: xr.DataArray, v: xr.DataArray, *, dim: str = "time") -> xr.Dataset:
    r"""Return the velocity of the frame in which the convection electric field of an interval vanishes best.

    It minimises :math:`D(V) = \langle |(v - V) \times B|^2 \rangle`, so that :math:`V = K_0^{-1} \langle K v \rangle`
    with :math:`K_{ij} = B^2 \delta_{ij} - B_i B_j`.

    Parameters
    ----------
    b, v : xarray.DataArray
        Magnetic field and bulk velocity with dims ``time, component`` on the same times, in the same frame; any others
        are kept. Samples with a NaN in either are left out.
    dim : str, optional
        The dim to average over.

    Returns
    -------
    xarray.Dataset
        ``velocity`` (component, km s-1) with ``velocity_error`` (one standard deviation of each component),
        ``correlation`` and ``slope`` of the measured convection field :math:`-v \times B` against
        :math:`-V \times B` over all components, ``residual_ratio`` (D at the minimum over D in the given frame: 0 is
        perfect), ``samples``. All NaN where the field does not turn: then the velocity along it is free.

    Raises
    ------
    WrongData
        If the axes differ, or fewer than three samples are left, or the field's direction is the same in all.
    WrongFrame
        If the two are in different frames, or in none they name.
    WrongUnits, MissingUnits
        If an input is of another kind.

    References
    ----------
    Khrabrov & Sonnerup, in Analysis Methods for Multi-Spacecraft Data, ISSI SR-001 (1998), chapter 9.

    Examples
    --------
    >>> random = np.random.default_rng(1)
    >>> field = xr.DataArray(random.normal(size=(30, 3)), dims=["time", "component"], name="b",
    ...                      attrs={"units": "nT", "frame": "GSE"})
    >>> flow = (30 * field + xr.DataArray([-200.0, 40.0, 10.0], dims="component")).rename("v")
    >>> flow.attrs = {"units": "km s-1", "frame": "GSE"}
    >>> de_hoffmann_teller(field, flow).velocity.values.round(6)
    array([-200.,   40.,   10.])
    """
    field, flow, frame = _pair(b, v, dim)
    results = xr.apply_ufunc(
        _best_frame,
        field.drop_vars("component"),
        flow.drop_vars("component"),
        input_core_dims=[[dim, "component"], [dim, "component"]],
        output_core_dims=[["component"], ["component"], [], [], [], []],
        dask="parallelized",
        dask_gufunc_kwargs={"allow_rechunk": True},
        output_dtypes=[float] * 6,
    )
    velocity, error, correlation, slope, ratio, samples = results
    if velocity.chunks is None and not bool(velocity.notnull().any()):
        raise WrongData(
            f"{field.name} and {flow.name} give no de Hoffmann-Teller frame: there are at most "
            f"{int(samples.max())} samples without NaN ({FEWEST} are needed), or the field has one direction in all "
            "of them, so that the velocity along it is free"
        )
    result = xr.Dataset(
        {
            "velocity": velocity.assign_attrs(
                units="km s-1", long_name="de Hoffmann-Teller velocity", frame=frame, **synthetic_attrs(b, v)
            ),
            "velocity_error": error.assign_attrs(
                units="km s-1", long_name="Error of the de Hoffmann-Teller velocity", frame=frame
            ),
            "correlation": correlation.assign_attrs(units="1", long_name="Correlation of convection fields"),
            "slope": slope.assign_attrs(units="1", long_name="Slope of convection fields"),
            "residual_ratio": ratio.assign_attrs(units="1", long_name="Residual field energy over the first"),
            "samples": samples.assign_attrs(units="1", long_name="Samples without NaN"),
        }
    ).assign_coords(component=field.component)
    return derived(
        result,
        b,
        title="de Hoffmann-Teller frame",
        step="plasma.de_hoffmann_teller()",
        references=[KHRABROV],
        also=[v],
    )


def walen_relation(
    b: xr.DataArray,
    v: xr.DataArray,
    density: xr.DataArray,
    *,
    velocity: xr.DataArray,
    ion_mass: str | xr.DataArray = "proton",
    pressure_anisotropy: xr.DataArray | None = None,
    dim: str = "time",
) -> xr.Dataset:
    r"""Return how the flow in the de Hoffmann-Teller frame follows the Alfvén velocity: the Walén test.

    Across a rotational discontinuity :math:`v - V_{HT} = \pm B \sqrt{(1 - \alpha) / (\mu_0 \rho)}` with
    :math:`\alpha = \mu_0 (p_\parallel - p_\perp) / B^2`: slope +1 where flow and field have the same sign along the
    normal, -1 where they are opposed.

    Parameters
    ----------
    b, v : xarray.DataArray
        Magnetic field and bulk velocity, as for :func:`de_hoffmann_teller`.
    density : xarray.DataArray
        Number density on the same times.
    velocity : xarray.DataArray
        The frame's velocity with the dim ``component``, as :func:`de_hoffmann_teller` gives it.
    ion_mass : str or xarray.DataArray, optional
        As for :func:`alfven_speed`.
    pressure_anisotropy : xarray.DataArray, optional
        :math:`p_\parallel - p_\perp` on the same times, any unit of pressure; none by default. Where it stops Alfvén
        waves (:math:`\alpha > 1`, the firehose) the sample is left out.
    dim : str, optional
        The dim to regress over.

    Returns
    -------
    xarray.Dataset
        ``slope``, ``intercept`` (km s-1) and ``correlation`` of the components of :math:`v - V_{HT}` against those of
        the Alfvén velocity, ``samples``; and the points themselves, ``flow`` and ``alfven_velocity`` (dim,
        component; km s-1).

    Raises
    ------
    WrongData, WrongFrame, WrongUnits, MissingUnits, BadOption
        As :func:`de_hoffmann_teller` and :func:`alfven_speed`.

    References
    ----------
    Khrabrov & Sonnerup, in Analysis Methods for Multi-Spacecraft Data, ISSI SR-001 (1998), chapter 9.
    Paschmann & Sonnerup, in Multi-Spacecraft Analysis Methods Revisited, ISSI SR-008 (2008), chapter 7.

    Examples
    --------
    >>> turn = np.linspace(0, 3, 40)
    >>> field = xr.DataArray(np.stack([2 + 0 * turn, 9 * np.cos(turn), 9 * np.sin(turn)], axis=1), name="b",
    ...                      dims=["time", "component"], attrs={"units": "nT", "frame": "GSE"})
    >>> n = xr.DataArray(np.full(40, 5.0), dims="time", name="n", attrs={"units": "cm-3"})
    >>> flow = (-9.7526 * field + xr.DataArray([-400.0, 0, 0], dims="component")).rename("v")
    >>> flow.attrs = {"units": "km s-1", "frame": "GSE"}
    >>> test = walen_relation(field, flow, n, velocity=de_hoffmann_teller(field, flow).velocity)
    >>> round(test.slope.item(), 3), round(test.correlation.item(), 3)
    (-1.0, -1.0)
    """
    field, flow, frame = _pair(b, v, dim)
    refuse_vectors(density=density)
    given = {"density": density} if pressure_anisotropy is None else {
        "density": density, "pressure_anisotropy": pressure_anisotropy
    }  # fmt: skip
    on_same_axes(b=field, **given)
    frame_velocity = in_units(right_handed(velocity, "velocity"), "km s-1")
    same_frame(b=b, velocity=velocity)
    number = not_negative(in_units(named(density, "density"), "m-3"), "density", zero=False)
    tesla = field * 1e-9
    tension = MU0 * mass_of(ion_mass) * number
    if pressure_anisotropy is not None:
        excess = MU0 * in_units(pressure_anisotropy, "Pa") / (tesla**2).sum("component")
        free = 1 - excess
        tension = tension / free.where(free > 0)
    alfven = (tesla / xr.ufuncs.sqrt(tension) * 1e-3).transpose(..., dim, "component")
    relative = (flow - frame_velocity).transpose(..., dim, "component")
    slope, intercept, correlation, samples = xr.apply_ufunc(
        _regressed,
        alfven,
        relative,
        input_core_dims=[[dim, "component"], [dim, "component"]],
        output_core_dims=[[], [], [], []],
        dask="parallelized",
        dask_gufunc_kwargs={"allow_rechunk": True},
        output_dtypes=[float] * 4,
    )
    said = {"units": "km s-1", "frame": frame, **synthetic_attrs(b, v, density)}
    result = xr.Dataset(
        {
            "slope": slope.assign_attrs(units="1", long_name="Walén slope"),
            "intercept": intercept.assign_attrs(units="km s-1", long_name="Walén intercept"),
            "correlation": correlation.assign_attrs(units="1", long_name="Walén correlation"),
            "samples": samples.assign_attrs(units="1", long_name="Numbers compared"),
            "flow": relative.assign_attrs(long_name="Flow in the de Hoffmann-Teller frame", **said),
            "alfven_velocity": alfven.assign_attrs(long_name="Alfvén velocity", **said),
        }
    )
    return derived(
        result,
        b,
        title="Walén relation",
        step="plasma.walen_relation()",
        references=[KHRABROV, PASCHMANN],
        also=[v, density],
    )


def _pair(b: xr.DataArray, v: xr.DataArray, dim: str) -> tuple[xr.DataArray, xr.DataArray, str]:
    """Return field (nT) and flow (km/s) on the same axes, and their frame."""
    b, v = right_handed(b, "b"), right_handed(v, "v")
    on_same_axes(b=b, v=v)
    field, flow = in_units(b, "nT"), in_units(v, "km s-1")
    frame = same_frame(b=b, v=v)
    for one in (field, flow):
        if dim not in one.dims or dim == "component":
            raise WrongData(f"{one.name} has dims {', '.join(map(str, one.dims))}; there is no dim {dim!r}")
    return field, flow, frame


def _best_frame(b: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return velocity, errors, correlation, slope, ratio of residuals and number of samples (…, sample, component)."""
    seen = np.isfinite(b).all(axis=-1) & np.isfinite(v).all(axis=-1)
    number = seen.sum(axis=-1)
    field, flow = np.where(seen[..., None], b, 0.0), np.where(seen[..., None], v, 0.0)
    count = np.where(number > 0, number, 1)[..., None, None]
    square = (field**2).sum(axis=-1)
    k0 = (square.sum(axis=-1)[..., None, None] * np.eye(3) - np.einsum("...si,...sj->...ij", field, field)) / count
    along = np.einsum("...si,...si->...s", field, flow)
    kv = (square[..., None] * flow - along[..., None] * field).sum(axis=-2) / count[..., 0]
    spread = np.linalg.eigvalsh(k0)
    usable = (number >= FEWEST) & (spread[..., 0] > 1e-10 * spread[..., -1])
    inverse = np.linalg.inv(np.where(usable[..., None, None], k0, np.eye(3)))
    velocity = np.einsum("...ij,...j->...i", inverse, kv)
    measured = -np.cross(flow, field)
    frames = -np.cross(np.broadcast_to(velocity[..., None, :], field.shape), field)
    left = ((measured - frames) ** 2).sum(axis=(-1, -2)) / count[..., 0, 0]
    first = (measured**2).sum(axis=(-1, -2)) / count[..., 0, 0]
    freedom = np.maximum(2 * number - 3, 1)
    variances = (left / freedom)[..., None] * np.diagonal(inverse, axis1=-2, axis2=-1)
    slope, _, correlation, _ = _regressed(
        np.where(seen[..., None], frames, np.nan), np.where(seen[..., None], measured, np.nan)
    )
    ratio = np.divide(left, first, out=np.full(left.shape, np.nan), where=first > 0)
    outcome = (velocity, np.sqrt(variances), correlation, slope, ratio)
    masked = [np.where(usable[..., None] if one.ndim > usable.ndim else usable, one, np.nan) for one in outcome]
    return (*masked, number.astype(float))


def _regressed(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return slope and intercept of y against x over the last two axes, their correlation, and how many they are."""
    seen = np.isfinite(x) & np.isfinite(y)
    number = seen.sum(axis=(-1, -2))
    count = np.where(number > 0, number, 1)

    def mean(values: np.ndarray) -> np.ndarray:
        return np.where(seen, values, 0.0).sum(axis=(-1, -2)) / count

    mean_x, mean_y = mean(x), mean(y)
    away_x, away_y = x - mean_x[..., None, None], y - mean_y[..., None, None]
    xx, yy, xy = mean(away_x**2), mean(away_y**2), mean(away_x * away_y)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.where((number > 1) & (xx > 0), xy / xx, np.nan)
        correlation = np.where((number > 1) & (xx > 0) & (yy > 0), xy / np.sqrt(xx * yy), np.nan)
    return slope, mean_y - slope * mean_x, correlation, number.astype(float)
