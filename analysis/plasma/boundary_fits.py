"""A boundary fitted to where it was crossed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.model import derived, in_units, labelled
from analysis.plasma.forms import angles
from analysis.plasma.inputs import named, refuse_vectors, synthetic_attrs
from analysis.plasma.surfaces import form_of, length_of, parameters_of, seen_from_centre
from analysis.plasma.vectors import refuse_unknown

LOSSES = ("soft_l1", "linear")


def fit_boundary(
    position: xr.DataArray,
    like: xr.Dataset,
    *,
    fixed: Sequence[str] = (),
    loss: str = "soft_l1",
    scale: xr.DataArray | None = None,
) -> xr.Dataset:
    r"""Return the surface that fits crossings best, of the form and in the place of another one.

    The sum of :math:`\rho(d_i / s)` is made least, with :math:`d_i` the distance of crossing i outside the surface
    along the radius from the model's centre, and :math:`\rho(z) = 2 (\sqrt{1 + z^2} - 1)` (``"soft_l1"``, which
    large distances enter linearly) or :math:`z^2` (``"linear"``, least squares).

    Parameters
    ----------
    position : xarray.DataArray
        The crossings, vectors (dim ``component`` and one other dim) from the planet's centre in the frame of ``like``;
        any unit of length. A crossing with NaN is left out.
    like : xarray.Dataset
        A boundary with one shape (no times): the fit starts from its parameters and keeps its form, frame, aberration
        and centre.
    fixed : sequence of str, optional
        Parameters to keep as they are, such as ``"x0"`` of a conic.
    loss : {"soft_l1", "linear"}, optional
        Whether crossings far off count less.
    scale : xarray.DataArray, optional
        The length s from which on a distance is far; by default 1.4826 times the median of the distances to ``like``,
        without their sign, so 1 standard deviation of a normal scatter. Without effect on a linear fit.

    Returns
    -------
    xarray.Dataset
        ``value`` and ``error`` for each ``parameter`` (NaN error if it was fixed), their units in the coordinate
        ``parameter_units``, and the parameters by name, so that the fit is itself a boundary to ask for distances and
        cuts. Attrs ``statistic``, ``statistic_value``, ``dof``, ``bins`` (crossings), ``scale``. The error is the root
        of the diagonal of the sandwich covariance of the M-estimator, which takes the crossings to be independent but
        not equally scattered; crossings of one pass are not, so it is then a lower limit.

    Raises
    ------
    WrongFrame
        If the crossings are in another frame than the boundary.
    WrongData
        If there are fewer crossings than parameters and one more, they lie where ``like`` is open, or the fit does
        not converge.
    BadOption
        If a fixed parameter or the loss is not known, all parameters are fixed, or the scale is not above zero.
    WrongUnits, MissingUnits
        If an input is no length.

    References
    ----------
    Huber & Ronchetti, Robust Statistics (2009), chapters 3 and 7.

    Examples
    --------
    >>> nose = {"standoff": ((), 9.0, {"units": "R_earth"}), "flaring": ((), 0.6, {"units": "1"})}
    >>> says = dict(body="Earth", boundary="magnetopause", model="mine", form="shue", frame="GSM")
    >>> places = [[10.0, 0, 0], [0, 20 / 2**0.5, 0], [0, 0, -20 / 2**0.5]]  # on r0 = 10, alpha = 0.5
    >>> crossings = xr.DataArray(places, dims=["crossing", "component"], attrs={"units": "R_earth", "frame": "GSM"})
    >>> fit_boundary(crossings, xr.Dataset(nose, attrs=says)).value.values.round(6)
    array([10. ,  0.5])
    """
    from scipy.optimize import least_squares

    refuse_unknown(loss, LOSSES, "loss")
    form, length = form_of(like, "like"), length_of(like)
    names, start = list(form.parameters), parameters_of(like)
    if shaped := [str(one.name) for one in start if one.ndim]:
        raise WrongData(f"like has {', '.join(shaped)} with dims; give one shape, for example like.isel(time=0)")
    free = _free(names, fixed)
    point = _points(like, position)
    theta, phi = angles(*np.moveaxis(point, -1, 0))
    reach = np.linalg.norm(point, axis=-1)
    first = np.array([float(one) for one in start])
    size = np.where(first == 0, 1.0, np.abs(first))

    def distances(values: np.ndarray) -> np.ndarray:
        whole = first.copy()
        whole[free] = values * size[free]
        return np.asarray(reach - form.radius(theta, phi, *whole))

    before = distances(first[free] / size[free])
    if not np.isfinite(before).all():
        count = int((~np.isfinite(before)).sum())
        raise WrongData(f"{count} crossings lie in directions in which like is open; leave them out or start elsewhere")
    if point.shape[0] <= free.size:
        raise WrongData(f"{point.shape[0]} crossings cannot fix {free.size} parameters; give more, or fix some of them")
    far = _scale(scale, before, reach, length)

    def guarded(values: np.ndarray) -> np.ndarray:
        return np.nan_to_num(distances(values) / far, nan=1e6, posinf=1e6, neginf=-1e6)

    found = least_squares(guarded, first[free] / size[free], loss=loss, x_scale="jac", xtol=1e-12, ftol=1e-12)
    if not found.success or not np.isfinite(distances(found.x)).all():
        raise WrongData(f"the fit of {like.attrs['form']} did not converge ({found.message}); fix a parameter, fixed=")
    value, error = first.copy(), np.full(first.size, np.nan)
    value[free] = found.x * size[free]
    error[free] = _errors(guarded, found.x, loss) * size[free]
    statistic = {"statistic": loss, "statistic_value": float(2 * found.cost), "dof": int(reach.size - free.size)}
    return _fit(like, position, value, error, {**statistic, "bins": int(reach.size), "scale": f"{far:g} {length}"})


def _free(names: list[str], fixed: Sequence[str]) -> np.ndarray:
    if isinstance(fixed, str):
        raise BadOption(f"fixed={fixed!r}: give a list of names, fixed=[{fixed!r}]")
    for name in fixed:
        refuse_unknown(name, names, "fixed parameter")
    free = np.array([number for number, name in enumerate(names) if name not in fixed], dtype=int)
    if not free.size:
        raise BadOption(f"all of {', '.join(names)} are fixed; leave one free")
    return free


def _points(like: xr.Dataset, position: xr.DataArray) -> np.ndarray:
    """Return the crossings that are known, seen from the model's centre, in the boundary's unit of length."""
    if not isinstance(position, xr.DataArray) or position.ndim != 2:
        raise WrongData("position must be crossings: a DataArray with the dim component and one other")
    where = seen_from_centre(like, position)
    point = np.asarray(where.values, dtype=float)
    return point[np.isfinite(point).all(axis=-1)]


def _scale(scale: xr.DataArray | None, distances: np.ndarray, reach: np.ndarray, length: str) -> float:
    if scale is None:
        return float(max(1.4826 * np.median(np.abs(distances)), 1e-9 * np.median(reach)))
    refuse_vectors(scale=scale)
    given = in_units(named(scale, "scale"), length)
    if given.ndim or not float(given) > 0:
        raise BadOption(f"scale is {given.values}; give one length above zero")
    return float(given)


def _errors(distances: object, at: np.ndarray, loss: str) -> np.ndarray:
    """Return the errors of an M-estimator: the sandwich of its curvature and the scatter of its slopes."""
    assert callable(distances)
    steps = 1e-6 * np.eye(at.size)
    slopes = np.stack([(distances(at + step) - distances(at - step)) / 2e-6 for step in steps], axis=-1)
    z = distances(at)
    weight = np.ones_like(z) if loss == "linear" else (1 + z**2) ** -0.5
    bend = np.ones_like(z) if loss == "linear" else (1 + z**2) ** -1.5
    inverse = np.linalg.pinv(np.einsum("n,ni,nj->ij", bend, slopes, slopes))
    scatter = np.einsum("n,ni,nj->ij", (weight * z) ** 2, slopes, slopes)
    free = z.size / (z.size - at.size)
    return np.asarray(np.sqrt(np.diag(inverse @ scatter @ inverse) * free))


def _fit(
    like: xr.Dataset, position: xr.DataArray, value: np.ndarray, error: np.ndarray, statistic: dict[str, object]
) -> xr.Dataset:
    names = list(form_of(like).parameters)
    units = [unit.replace("L", length_of(like)) for unit in form_of(like).parameters.values()]
    says = like.attrs
    called = f"{str(says['boundary']).replace('_', ' ')} of {says['body']}"
    model, attrs = f"fit to {statistic['bins']} crossings", synthetic_attrs(position, like)
    axis = {
        "parameter": ("parameter", names, {"long_name": f"Parameter of the {called}"}),
        "parameter_units": ("parameter", units, {"long_name": "Unit of the parameter"}),
    }
    result = xr.Dataset(coords=axis)
    for name, numbers in (("value", value), ("error", error)):
        array = xr.DataArray(numbers, dims="parameter", coords={"parameter": result["parameter"]})
        label = f"{name.capitalize()} of the parameter, in its own unit"
        result[name] = labelled(array, name, units="1", long_name=label, attrs=attrs)
    for name, unit, number in zip(names, units, value, strict=True):
        label = f"{name.replace('_', ' ').capitalize()} of the {called} ({model})"
        result[name] = labelled(xr.DataArray(number), name, units=unit, long_name=label, attrs=attrs)
    kept = {name: like[name].reset_coords(drop=True) for name in ("aberration", "centre") if name in like}
    result = result.assign(kept)
    if "planet_radius" in like.coords:
        result = result.assign_coords(planet_radius=like["planet_radius"].reset_coords(drop=True))
    made = derived(
        result,
        position,
        title=f"The {called}, {model}",
        step=f"plasma.fit_boundary(loss={statistic['statistic']!r})",
        also=[like],
    )
    kind = {key: says[key] for key in ("body", "boundary", "form", "frame")}
    return made.assign_attrs({**kind, "model": model, **statistic})
