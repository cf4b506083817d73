"""Coordinate frames of the Earth and near it: from GSE to GSM, SM, GEO, MAG, GEI, J2000 and the Sun's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData, WrongFrame
from analysis.model import unit_of
from analysis.plasma.earth import times_of
from analysis.plasma.ephemeris import Angles, angles
from analysis.plasma.frame_table import FRAMES, frame_named
from analysis.plasma.rotations import Step, in_order, matrices_labelled, relabelled, turned
from analysis.plasma.vectors import frame_of

if TYPE_CHECKING:
    import pandas as pd


def to_frame(vector: xr.DataArray, frame: str) -> xr.DataArray:
    """Return a vector in another frame of the Earth: GSE, GSM, SM, GEO, MAG, GEI, J2000 and others.

    A pure turn of the axes, as it is for fields, directions, positions from the Earth's centre and velocities. The
    speed at which one frame moves or rotates in the other is not added to a velocity, and a position in J2000,
    ECLIPJ2000 or GEI keeps the origin it has. GEI is the mean equator and equinox of date, J2000 that of 2000;
    :func:`known_frames` lists all with their axes. GSE, GSM and SM use the geometric Sun (VSOP87, 0.001°), the
    dipole is that of IGRF-14, GEO takes precession (IAU 2006), nutation (0.0002°) and sidereal time (UT1 as UTC,
    0.004°) but no polar motion (0.0002°).

    Parameters
    ----------
    vector : xarray.DataArray
        Dim ``component`` (x, y, z in any order), attr ``frame``, a coordinate ``time`` (UTC) where the turn depends
        on it, any other dims; any unit; Dask-backed too.
    frame : str
        Name or alias of a frame, in any letter case.

    Returns
    -------
    xarray.DataArray
        Floating point, same name, unit and other dims; ``component`` last: x, y, z; attr ``frame``. NaN in all
        components where any is NaN.

    Raises
    ------
    WrongFrame
        If the vector does not say its frame, is in one that is none of these, or if a position
        would change its origin from the Earth to the Sun.
    BadOption
        If the frame asked for is not known; the message names the nearest.
    WrongData, BadTime
        If it is no vector, or has no times, or missing ones, where the turn depends on them.
    OutsideCoverage
        If a time is outside 1900-2100 or, for GSM, SM and MAG, outside IGRF-14, 1900-2030.
    MissingUnits, UnknownUnits
        If its unit is absent or unreadable.

    References
    ----------
    Hapgood, Planet. Space Sci. 40, 711 (1992), doi:10.1016/0032-0633(92)90012-D.
    Fränz & Harper, Planet. Space Sci. 50, 217 (2002), doi:10.1016/S0032-0633(01)00119-2.
    IGRF-14, doi:10.5281/zenodo.14012302.

    Examples
    --------
    >>> time = np.array(["2003-10-30T22:55"], dtype="datetime64[ns]")
    >>> b = xr.DataArray([[1.0, 2.0, 3.0]], dims=("time", "component"), coords={"time": time}, name="b",
    ...                  attrs={"units": "nT", "frame": "GSE"})
    >>> to_frame(b, "GSM").values.round(3)
    array([[1.   , 2.42..., 2.67...]])
    >>> to_frame(b, "GMS")
    Traceback (most recent call last):
    ...
    analysis.errors.BadOption: frame 'GMS' is not known; there are ...; did you mean 'GSM' or 'GSE'?
    """
    target = frame_named(frame)
    given = in_order(vector, "vector")
    source = _frame_of_vector(given)
    _refuse_other_origin(given, source, target)
    path = _path(source, target)
    if _depends_on_time(path):
        times = times_of(given, "vector")
        if "component" in times.dims:
            raise WrongData(f"the times of {given.name} differ by component; a vector has one time for all three")
        values = _turned(given, times, path)
    else:
        steps = _steps(path, {})
        values = _applied(lambda array: _whole(array, turned(array, steps)), given)
    return relabelled(values, given, source, target, ["x", "y", "z"])


def rotation_matrices(time: object, source: str, target: str) -> xr.DataArray:
    """Return the matrices that turn vectors from one frame of the Earth to another.

    Parameters
    ----------
    time : xarray.DataArray, numpy.ndarray, str
        Times in UTC, or an array with a coordinate ``time``; one instant as ISO 8601 text also.
    source, target : str
        Names or aliases of frames as for :func:`to_frame`.

    Returns
    -------
    xarray.DataArray
        Dims of the times, then ``row`` (axes of the target) and ``column`` (axes of the source): the new components
        are the sums over ``column`` of element times old component. Attrs ``from_frame``, ``frame``. For
        :func:`rotated`; positions between geocentric and heliocentric frames also need a shift.

    Raises
    ------
    BadOption
        If a frame is not known.
    WrongData, BadTime, OutsideCoverage
        As for :func:`to_frame`.

    References
    ----------
    As for :func:`to_frame`.

    Examples
    --------
    >>> rotation_matrices("2003-10-30T22:55", "GSE", "HEE").values.round(12) + 0.0
    array([[-1.,  0.,  0.], [ 0., -1.,  0.], [ 0.,  0.,  1.]])
    """
    from_frame, to = frame_named(source, "source"), frame_named(target, "target")
    times = times_of(time)
    path = _path(from_frame, to)
    steps = _steps(path, angles(times.values, _needs(path)))
    columns = turned(np.eye(3).reshape((3, *[1] * times.ndim, 3)), steps)  # basis vector, times…, component
    values = np.moveaxis(np.broadcast_to(columns, (3, *times.shape, 3)), 0, -1)
    coords = {name: value for name, value in times.coords.items() if "component" not in value.dims}
    made = xr.DataArray(values, dims=(*times.dims, "row", "column"), coords=coords)
    return matrices_labelled(made, from_frame, to)


def known_frames() -> pd.DataFrame:
    """Return a table of the frames that :func:`to_frame` knows: origin, axes, what they follow, other names.

    Examples
    --------
    >>> known_frames().loc["GSM", "x"]
    'Sun'
    """
    import pandas as pd

    rows = {
        name: {
            "origin": frame.origin,
            "x": frame.x,
            "z": frame.z,
            "until": "2030" if {"dipole", "pole"} & set(frame.needs) else "2100",
            "aliases": ", ".join(frame.aliases),
        }
        for name, frame in FRAMES.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("frame")


def _frame_of_vector(array: xr.DataArray) -> str:
    has = frame_of(array, "vector")
    try:
        return frame_named(has)
    except BadOption as error:
        raise WrongFrame(
            f"{array.name} is in {has}, which is none of the frames that to_frame turns ({', '.join(FRAMES)}); "
            "for a body's, RTN, LMN or field-aligned frame give its matrices to plasma.rotated"
        ) from error


def _refuse_other_origin(array: xr.DataArray, source: str, target: str) -> None:
    origins = {FRAMES[source].origin, FRAMES[target].origin}
    if {"Earth", "Sun"} <= origins and unit_of(array).is_equivalent("km"):
        raise WrongFrame(
            f"{array.name} is a position ({array.attrs['units']}); between {source} and {target} it would also be "
            "shifted from the Earth to the Sun, which to_frame does not do: it turns fields and velocities there. Its "
            "rotation alone is plasma.rotated(vector, plasma.rotation_matrices(time, source, target))"
        )


def _branch(name: str) -> list[str]:
    """Return a frame and its parents up to the root."""
    branch = [name]
    while parent := FRAMES[branch[-1]].parent:
        branch.append(parent)
    return branch


def _path(source: str, target: str) -> list[tuple[str, bool]]:
    """Return the frames whose steps lead from one to the other, and whether backwards."""
    up, down = _branch(source), _branch(target)
    common = next(name for name in up if name in down)
    backwards = [(name, True) for name in up[: up.index(common)]]
    return backwards + [(name, False) for name in reversed(down[: down.index(common)])]


def _needs(path: list[tuple[str, bool]]) -> set[str]:
    return {need for name, _ in path for need in FRAMES[name].needs}


def _depends_on_time(path: list[tuple[str, bool]]) -> bool:
    return bool(_needs(path))


def _steps(path: list[tuple[str, bool]], at: Angles) -> list[Step]:
    steps: list[Step] = []
    for name, backwards in path:
        own = FRAMES[name].steps(at)
        steps += [(letter, -angle) for letter, angle in reversed(own)] if backwards else own
    return steps


def _turned(given: xr.DataArray, times: xr.DataArray, path: list[tuple[str, bool]]) -> xr.DataArray:
    """Return the vector turned at its times, each chunk of a Dask-backed one for itself."""

    def kernel(values: np.ndarray, stamps: np.ndarray) -> np.ndarray:
        at = angles(stamps, _needs(path))
        return _whole(values, turned(values, _steps(path, at)))

    stamps = times.drop_vars(times.coords)
    if given.chunks is not None:
        stamps = stamps.chunk({dim: given.chunksizes[dim] for dim in stamps.dims if dim in given.chunksizes})
    return _applied(kernel, given, stamps)


def _whole(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return turned vectors as NaN where a component was: a turn about one axis would leave that axis."""
    missing = np.isnan(before).any(axis=-1, keepdims=True)
    return np.where(missing, np.nan, after) if missing.any() else after


def _applied(kernel: Callable[..., np.ndarray], given: xr.DataArray, *others: xr.DataArray) -> xr.DataArray:
    whole = given if given.chunks is None else given.chunk(component=-1)
    return xr.apply_ufunc(
        kernel,
        whole,
        *others,
        input_core_dims=[["component"], *([] for _ in others)],
        output_core_dims=[["component"]],
        dask="parallelized",
        output_dtypes=[given.dtype],
    )
