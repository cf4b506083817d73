"""Spacecraft that fly together: what every multi-spacecraft method asks of its input, and the linear fit below them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.model import in_units
from analysis.model.contract import is_fill
from analysis.plasma.inputs import is_number, named, on_same_axes, refuse_empty
from analysis.plasma.vectors import same_frame, vector

FEWEST = 4  # a gradient in space has three components, and one number is spent on the mean
THINNEST = 1e-3
BLOCK = 8192  # samples at a time: the arrays of a block stay in the processor's cache
Span = str | float | np.timedelta64 | xr.DataArray
TRIPLES = ("xyz", "rtn", "lmn")
CHANTEUR = "Chanteur, chapter 14 of ISSI SR-001 (1998), ISSN 1608-280X"
HARVEY = "Harvey, chapter 12 of ISSI SR-001 (1998), ISSN 1608-280X"
VOGT = "Vogt, Paschmann & Chanteur, chapter 4 of ISSI SR-008 (2008), ISSN 1608-280X"


@dataclass(frozen=True)
class LinearFit:
    """A field fitted by its mean and gradient; each array ends in the axis of samples, NaN where none was possible."""

    mean: np.ndarray  # (field,) at the barycentre
    gradient: np.ndarray  # (field, 3): the derivative of each component along x, y, z
    centre: np.ndarray  # (3,)
    inverse: np.ndarray  # (3, 3): inverse of the (weighted) position tensor
    axes: np.ndarray  # (3,): eigenvalues of the position tensor over the number of spacecraft, largest first
    used: np.ndarray  # how many spacecraft
    misfit: np.ndarray  # root of the sum of squared residuals per degree of freedom


def positions(position: xr.DataArray) -> xr.DataArray:
    """Return positions of several spacecraft in km, their components in order and last.

    Raises
    ------
    WrongData
        If there are no dims ``spacecraft`` and ``component``, fewer than four spacecraft, or times out of order.
    WrongFrame, WrongUnits, MissingUnits
        If the frame is not said, or they are no lengths.
    OutsideCoverage
        If there is no sample.

    Examples
    --------
    >>> r = xr.DataArray(np.eye(4, 3), dims=["spacecraft", "component"], attrs={"units": "R_earth", "frame": "GSE"})
    >>> float(positions(r)[0, 0].round(1))
    6378.1
    """
    return in_units(of_spacecraft(position, "position"), "km")


def of_spacecraft(field: xr.DataArray, what: str) -> xr.DataArray:
    """Return a vector that several spacecraft measured, checked, its components in order and last."""
    refuse_no_formation(field, what)
    whole = vector(field, what)
    same_frame(**{what: whole})
    labels = "".join(str(label).lower() for label in whole.component.values)
    triple = next((triple for triple in TRIPLES if sorted(triple) == sorted(labels)), labels)
    if triple != labels:
        whole = whole.isel(component=[labels.index(letter) for letter in triple])
    return whole


def together(field: xr.DataArray, position: xr.DataArray, what: str) -> tuple[xr.DataArray, xr.DataArray]:
    """Return a vector field and the positions (km) of the spacecraft that measured it, on one set of axes and frame."""
    where = positions(position)
    values = of_spacecraft(field, what)
    same_frame(**{what: values, "position": where})
    on_same_axes(**{what: values, "position": where})
    return values, where


def refuse_no_formation(array: xr.DataArray, what: str) -> None:
    if not isinstance(array, xr.DataArray):
        raise WrongData(
            f"{what} is {'missing' if array is None else f'a {type(array).__name__}'}; give a DataArray with a dim "
            "'spacecraft' (plasma.aligned brings datasets of several spacecraft to one)"
        )
    name = named(array, what).name
    if "spacecraft" not in array.dims:
        raise WrongData(f"{name} has dims {dict(array.sizes)}; it needs a dim 'spacecraft', one entry each")
    if array.sizes["spacecraft"] < FEWEST:
        raise WrongData(
            f"{name} is of {array.sizes['spacecraft']} spacecraft; gradients in three dimensions need at least {FEWEST}"
        )
    refuse_empty(named(array, what))
    if "spacecraft" in array.coords and len(set(array.spacecraft.values.tolist())) < array.sizes["spacecraft"]:
        raise WrongData(f"{name} has two spacecraft of one name: {', '.join(map(str, array.spacecraft.values))}")
    if array.dtype.kind not in "fiub":
        raise WrongData(f"{name} holds {array.dtype}; it takes real numbers")
    refuse_disorder(array, str(name))


def refuse_disorder(array: xr.DataArray, name: str) -> None:
    """Refuse times that are no datetime64 or do not strictly increase.

    Raises
    ------
    WrongData
        Naming the array and the first time that is wrong.

    Examples
    --------
    >>> refuse_disorder(xr.DataArray([1.0], {"time": [0.5]}), "b")
    Traceback (most recent call last):
    ...
    analysis.errors.WrongData: b has times of type float64; times are datetime64, in UTC
    """
    if "time" not in array.dims or "time" not in array.coords:
        return
    times = array.time.values
    if times.dtype.kind != "M":
        raise WrongData(f"{name} has times of type {times.dtype}; times are datetime64, in UTC")
    wrong = np.flatnonzero(~(times[1:] > times[:-1]))
    if wrong.size:
        raise WrongData(
            f"{name} has times out of order: {times[wrong[0] + 1]} follows {times[wrong[0]]}; sort them first "
            f"(sortby('time'), then drop_duplicates('time'))"
        )


def size_of_error(value: float | xr.DataArray | None, units: str, what: str) -> float:
    """Return a measurement error as a number in these units; none is zero.

    Raises
    ------
    BadOption
        If it is negative, not finite or no number.
    WrongUnits
        If it is a DataArray with units of another kind.

    Examples
    --------
    >>> size_of_error(xr.DataArray(0.1, attrs={"units": "km"}), "m", "sigma_r")
    100.0
    """
    if value is None:
        return 0.0
    if isinstance(value, xr.DataArray) and value.ndim == 0:
        value = float(in_units(named(value, what), units))
    if not is_number(value) or not 0 <= value < np.inf:
        said = f"an array of dims {value.dims}" if isinstance(value, xr.DataArray) else repr(value)
        raise BadOption(f"{what}={said} is no number of {units} from zero up, nor a scalar DataArray with units")
    return float(value)


def nanoseconds(span: Span | None, what: str, whose: str = "") -> int:
    """Return a length of time in nanoseconds: of text such as ``"2s"``, of seconds, or of what brings its unit.

    Raises
    ------
    BadOption
        If it is no length of time above zero.
    WrongUnits, MissingUnits
        If it is a DataArray with units of another kind, or none.

    Examples
    --------
    >>> nanoseconds("2s", "max_gap"), nanoseconds(0.5, "max_gap"), nanoseconds(np.timedelta64(1, "us"), "max_gap")
    (2000000000, 500000000, 1000)
    """
    import pandas as pd

    length = span
    if isinstance(length, xr.DataArray) and length.ndim == 0 and length.dtype.kind != "m":
        length = float(in_units(named(length, what), "s"))
    if isinstance(length, str) and length.strip().replace(".", "").isdigit():  # to pandas they are nanoseconds
        raise BadOption(f"{what}={span!r}{whose} has no unit; for example '{length.strip()}s', or a number of seconds")
    try:
        whole = pd.Timedelta(length, unit="s") if is_number(length) else pd.Timedelta(length)
        if whole > pd.Timedelta(0):
            return int(whole.value)
    except (TypeError, ValueError) as error:
        raise BadOption(f"{what}={span!r}{whose} is no time; for example '2s', or seconds") from error
    raise BadOption(f"{what}={span!r}{whose} is not above zero")


def thinness(value: float) -> float:
    """Return the limit below which a formation counts as flat, if it is one.

    Raises
    ------
    BadOption
        If it is not between 1e-6, where rounding decides, and 1.

    Examples
    --------
    >>> thinness(0.01)
    0.01
    """
    if not is_number(value) or not 1e-6 <= value < 1:
        raise BadOption(f"thinnest={value!r} is not the ratio of two axes, from 1e-6 to 1; the default is {THINNEST}")
    return float(value)


def over_samples(
    kernel: Callable[..., np.ndarray], parts: int, *arrays: xr.DataArray, core: list[list[str]]
) -> xr.DataArray:
    """Return what a kernel makes of each sample, along a new last dim ``part``; Dask-backed if an input is.

    The kernel takes arrays that end in the axis of samples, so that each of its steps runs over a block of them.
    """
    whole = [
        array.chunk(dict.fromkeys(dims, -1)) if array.chunks is not None else array
        for array, dims in zip(arrays, core, strict=True)
    ]
    result = xr.apply_ufunc(
        partial(_in_blocks, kernel=kernel, parts=parts),
        *whole,
        input_core_dims=core,
        output_core_dims=[["part"]],
        dask="parallelized",
        output_dtypes=[float],
        dask_gufunc_kwargs={"output_sizes": {"part": parts}},
        keep_attrs=True,  # those of the coordinates; what comes of the result is labelled by who asks
    )
    if "time" in result.coords and "long_name" not in result.time.attrs:
        result["time"].attrs["long_name"] = "Time (UTC)"
    return result


def _in_blocks(*arrays: np.ndarray, kernel: Callable[..., np.ndarray], parts: int) -> np.ndarray:
    loop = np.broadcast_shapes(*(array.shape[:-2] for array in arrays))
    flat = [np.broadcast_to(array, loop + array.shape[-2:]).reshape((-1, *array.shape[-2:])) for array in arrays]
    count = int(np.prod(loop, dtype=int))
    out = np.empty((parts, count))
    for start in range(0, count, BLOCK):
        block = [np.ascontiguousarray(np.moveaxis(array[start : start + BLOCK], 0, -1)) for array in flat]
        out[:, start : start + BLOCK] = kernel(*block)
    return np.moveaxis(out, 0, -1).reshape((*loop, parts))


def linear_fit(
    values: np.ndarray, place: np.ndarray, *, thinnest: float = THINNEST, weights: np.ndarray | None = None
) -> LinearFit:
    """Return mean and gradient of a field by least squares, for four spacecraft the exact solution.

    ``values`` (spacecraft, field, sample) and ``place`` (spacecraft, 3, sample); a spacecraft of which any number
    is missing is left out of that sample. ``weights`` (spacecraft, 1) are inverse variances.
    """
    good = _usable(values) & _usable(place)
    used = good.sum(axis=0)
    if not good.all():
        values, place = np.where(good[:, None], values, 0.0), np.where(good[:, None], place, 0.0)
    share = good.astype(float) if weights is None else good * weights
    with np.errstate(divide="ignore", invalid="ignore"):
        share_of_mean = np.where(used >= FEWEST, share / share.sum(axis=0), np.nan)[:, None]
        centre, mean = (share_of_mean * place).sum(axis=0), (share_of_mean * values).sum(axis=0)
        offset = place - centre
        weighted = offset * share[:, None]
        tensor = {(i, j): (weighted[:, i] * offset[:, j]).sum(axis=0) for i in range(3) for j in range(i, 3)}
        axes = _eigenvalues(tensor)
        tensor_is_flat = ~(axes[2] > axes[0] * thinnest**2)
        inverse = np.where(tensor_is_flat, np.nan, _inverse(tensor))
        moment = np.stack([(weighted * values[:, [i]]).sum(axis=0) for i in range(values.shape[1])])
        gradient = np.stack([np.stack([(row * inverse[j]).sum(axis=0) for j in range(3)]) for row in moment])
        if len(values) > FEWEST:
            fitted = mean + sum(gradient[:, j] * offset[:, [j]] for j in range(3))
            squares = (share[:, None] * (values - fitted) ** 2).sum(axis=(0, 1))
            misfit = np.sqrt(squares / np.where(used > FEWEST, (used - FEWEST) * values.shape[1], np.nan))
        else:
            misfit = np.full(used.shape, np.nan)
    return LinearFit(mean, gradient, centre, inverse, axes / np.maximum(share.sum(axis=0), 1e-300), used, misfit)


def _usable(values: np.ndarray) -> np.ndarray:
    """Return for which spacecraft and samples every number is there; a fill counts as missing."""
    there = np.isfinite(values)
    if (np.abs(values) > 1e30).any():
        there &= ~is_fill(values)
    return there.all(axis=1)


def _inverse(tensor: dict[tuple[int, int], np.ndarray]) -> np.ndarray:
    """Return the inverse of symmetric matrices by their cofactors."""
    xx, xy, xz = tensor[0, 0], tensor[0, 1], tensor[0, 2]
    yy, yz, zz = tensor[1, 1], tensor[1, 2], tensor[2, 2]
    cxx, cxy, cxz = yy * zz - yz**2, xz * yz - xy * zz, xy * yz - xz * yy
    determinant = xx * cxx + xy * cxy + xz * cxz
    cyy, cyz, czz = xx * zz - xz**2, xy * xz - xx * yz, xx * yy - xy**2
    return np.stack([cxx, cxy, cxz, cxy, cyy, cyz, cxz, cyz, czz]).reshape((3, 3, -1)) / determinant


def _eigenvalues(tensor: dict[tuple[int, int], np.ndarray]) -> np.ndarray:
    """Return the eigenvalues of symmetric matrices, largest first (Smith, Comm. ACM 4, 168, 1961)."""
    middle = (tensor[0, 0] + tensor[1, 1] + tensor[2, 2]) / 3
    x, y, z = tensor[0, 0] - middle, tensor[1, 1] - middle, tensor[2, 2] - middle
    xy, xz, yz = tensor[0, 1], tensor[0, 2], tensor[1, 2]
    spread = np.sqrt((x**2 + y**2 + z**2 + 2 * (xy**2 + xz**2 + yz**2)) / 6)
    determinant = x * (y * z - yz**2) - xy * (xy * z - xz * yz) + xz * (xy * yz - xz * y)
    ratio = np.divide(determinant, 2 * spread**3, out=np.zeros_like(spread), where=spread > 0)
    angle = np.arccos(np.clip(ratio, -1, 1)) / 3
    first, last = middle + 2 * spread * np.cos(angle), middle + 2 * spread * np.cos(angle + 2 * np.pi / 3)
    return np.stack([first, 3 * middle - first - last, last])
