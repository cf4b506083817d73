"""States and rotations from SPICE kernels, through spiceypy (an extra)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import xarray as xr

from analysis.errors import BadOption, MissingFile, OutsideCoverage, UnknownTarget, WrongData
from analysis.model import derived, labelled
from analysis.model.clocks import tables_held
from analysis.plasma.earth import times_of
from analysis.plasma.frame_table import ALIASES
from analysis.plasma.rotations import matrices_labelled
from analysis.plasma.vectors import component_labels

if TYPE_CHECKING:
    from types import ModuleType

Kernels: TypeAlias = "str | Path | Sequence[str | Path]"
CORRECTIONS = ("NONE", "LT", "LT+S", "CN", "CN+S")
ACTON = "Acton et al., Planet. Space Sci. 150, 9 (2018), doi:10.1016/j.pss.2017.02.013 (SPICE)"


def spice_state(
    body: str,
    time: object,
    kernels: Kernels,
    *,
    relative_to: str = "SUN",
    frame: str = "J2000",
    correction: str = "NONE",
) -> xr.Dataset:
    """Return position and velocity of a body from SPICE kernels, for :func:`orbital_frame` or :func:`rtn_frame`.

    Parameters
    ----------
    body : str
        A SPICE name or number: ``"MERCURY"``, ``"MARS BARYCENTER"``, ``"-121"``.
    time : xarray.DataArray, numpy.ndarray, str
        Times in UTC, or an array with a coordinate ``time``. No leap-seconds kernel is needed: astropy counts.
    kernels : path or sequence of paths
        Kernel files or meta-kernels with the way from the body to the other; loaded for this call only. Those that
        were loaded before stay loaded, and are used too.
    relative_to : str, optional
        The body the position is from.
    frame : str, optional
        Any frame that SPICE knows; J2000 and ECLIPJ2000 are those of :func:`to_frame`.
    correction : {"NONE", "LT", "LT+S", "CN", "CN+S"}, optional
        Light time and stellar aberration; geometric by default, as frames need it.

    Returns
    -------
    xarray.Dataset
        ``position`` (km) and ``velocity`` (km s-1), dims of the times and ``component``.

    Raises
    ------
    ImportError
        If spiceypy is not installed: ``pip install "sanko[spice]"``.
    MissingFile
        If a kernel is not there.
    UnknownTarget, OutsideCoverage, BadOption, WrongData
        If SPICE does not know a body, has no data for a time or does not know the frame; other errors of SPICE.

    References
    ----------
    Acton et al., Planet. Space Sci. 150, 9 (2018), doi:10.1016/j.pss.2017.02.013.
    """
    wanted = str(correction).upper()
    if wanted not in CORRECTIONS:
        raise BadOption(f"correction={correction!r} is not known; there are {', '.join(CORRECTIONS)}")
    times = times_of(time)
    spice, paths = _spice(), _paths(kernels)
    target, named = _spice_frame(frame)
    with _loaded(spice, paths, f"{body} relative to {relative_to}"):
        if times.size:
            states, _ = spice.spkezr(str(body), _seconds(times).ravel(), target, wanted, str(relative_to))
        else:
            states = np.zeros((0, 6))
    states = np.asarray(states).reshape((*times.shape, 6))
    coords = {**times.coords, "component": component_labels()}
    says: dict[str, Any] = {"frame": named}
    made = {}
    parts = {"position": (slice(0, 3), "km"), "velocity": (slice(3, 6), "km s-1")}
    for name, (part, units) in parts.items():
        array = xr.DataArray(states[..., part], dims=(*times.dims, "component"), coords=coords)
        label = f"{name.capitalize()} of {body} from {relative_to}"
        made[name] = labelled(array, name, units=units, long_name=label, attrs=says)
    files = ", ".join(path.name for path in paths)
    origin = xr.DataArray(attrs={"source": f"SPICE kernels {files}"})
    step = f"plasma.spice_state({str(body)!r}, relative_to={str(relative_to)!r}, frame={named!r}, {wanted})"
    return derived(
        xr.Dataset(made), origin, title=f"State of {body} relative to {relative_to}", step=step, references=[ACTON]
    )


def spice_rotation(time: object, source: str, target: str, kernels: Kernels) -> xr.DataArray:
    """Return rotation matrices between two frames that SPICE knows: a mission's own, a body's, a spacecraft's.

    Parameters
    ----------
    time : xarray.DataArray, numpy.ndarray, str
        Times in UTC, or an array with a coordinate ``time``.
    source, target : str
        Names of frames, built in or defined by the kernels: ``"J2000"``, ``"IAU_MARS"``, ``"MAVEN_MSO"``.
    kernels : path or sequence of paths
        As for :func:`spice_state`.

    Returns
    -------
    xarray.DataArray
        Matrices for :func:`rotated`.

    Raises
    ------
    ImportError, MissingFile, OutsideCoverage, BadOption, WrongData
        As for :func:`spice_state`.

    References
    ----------
    Acton et al., Planet. Space Sci. 150, 9 (2018), doi:10.1016/j.pss.2017.02.013.
    """
    times = times_of(time)
    spice, paths = _spice(), _paths(kernels)
    (from_name, from_frame), (to_name, to_frame) = _spice_frame(source), _spice_frame(target)
    with _loaded(spice, paths, f"{source} to {target}"):
        rows = [spice.pxform(from_name, to_name, float(moment)) for moment in _seconds(times).ravel()]
    values = np.asarray(rows, dtype=float).reshape((*times.shape, 3, 3))
    made = xr.DataArray(values, dims=(*times.dims, "row", "column"), coords=times.coords)
    return matrices_labelled(made, from_frame, to_frame)


def _spice() -> ModuleType:
    try:
        import spiceypy
    except ImportError as error:
        raise ImportError(
            'SPICE kernels are read by spiceypy, which is not installed: pip install "sanko[spice]"; '
            "or give position and velocity as arrays to plasma.orbital_frame"
        ) from error
    return spiceypy


def _paths(kernels: Kernels) -> list[Path]:
    paths = [Path(one) for one in ([kernels] if isinstance(kernels, str | Path) else kernels)]
    if lacking := [str(path) for path in paths if not path.is_file()]:
        raise MissingFile(f"there is no kernel {', '.join(lacking)}")
    return paths


def _spice_frame(word: str) -> tuple[str, str]:
    """Return a frame's name for SPICE, and ours."""
    if not isinstance(word, str) or not word.strip():
        raise BadOption(f"frame {word!r} is no name; give one that SPICE knows, for example 'J2000'")
    text = word.strip().upper()
    ours = ALIASES.get(text, text)
    return (ours if ours in ("J2000", "ECLIPJ2000") else text), ours


def _seconds(times: xr.DataArray) -> np.ndarray:
    """Return ephemeris time, TDB seconds from J2000."""
    from astropy.time import Time

    with tables_held():
        tdb = Time(times.values, format="datetime64", scale="utc").tdb
        return np.asarray(((tdb.jd1 - 2451545.0) + tdb.jd2) * 86400.0)


@contextlib.contextmanager
def _loaded(spice: ModuleType, paths: list[Path], asked: str) -> Iterator[None]:
    """Load kernels for a while, and say in our words what SPICE finds wrong."""
    held: list[str] = []
    try:
        for path in paths:
            spice.furnsh(str(path))
            held.append(str(path))
        yield
    except spice.utils.exceptions.SpiceyError as error:
        said = f"{asked}: SPICE says {getattr(error, 'short', '')} {getattr(error, 'long', '') or error}".strip()
        raise _error(str(getattr(error, "short", "") or error), said) from error
    finally:
        for name in reversed(held):
            spice.unload(name)


def _error(short: str, said: str) -> Exception:
    if "IDCODENOTFOUND" in short:
        return UnknownTarget(f"{said}; give a name or number that SPICE or the kernels know")
    if any(word in short for word in ("SPKINSUFFDATA", "NOFRAMECONNECT", "FRAMEDATANOTFOUND", "NOLOADEDFILES")):
        return OutsideCoverage(f"{said}; the kernels hold nothing for this at these times")
    if any(word in short for word in ("UNKNOWNFRAME", "INVALIDFRAME", "NOTRECOGNIZED")):
        return BadOption(f"{said}; give a frame that is built in or defined by the kernels")
    return WrongData(said)
