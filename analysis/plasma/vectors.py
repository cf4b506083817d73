"""Vectors: three components along one dim, in one named frame; and how a result is labelled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData, WrongFrame
from analysis.model import labelled, near, unit_of
from analysis.plasma.inputs import named, synthetic_attrs
from analysis.plasma.quality import quality_of, with_worst_quality

XYZ = ("x", "y", "z")


def vector(array: xr.DataArray, what: str, *, frame: str | Sequence[str] | None = None) -> xr.DataArray:
    """Return a vector as floats under a name an error can use, its three components labelled and last.

    Parameters
    ----------
    array : xarray.DataArray
        Dim ``component`` of size 3, any others before it, and units.
    what : str
        The argument's name, for messages.
    frame : str or sequence of str, optional
        Frames that will do, in any letter case; by default any, also none.

    Raises
    ------
    WrongData
        If it has no dim ``component`` of size 3.
    MissingUnits, UnknownUnits
        If its unit is absent or unreadable.
    WrongFrame
        If it is in none of the frames asked for, or does not say its own.

    Examples
    --------
    >>> b = xr.DataArray([[1, 0, 0]], dims=["time", "component"], attrs={"units": "nT", "frame": "gse"})
    >>> vector(b, "b").component.values.tolist()
    ['x', 'y', 'z']
    >>> vector(b, "b", frame="GSM")
    Traceback (most recent call last):
    ...
    analysis.errors.WrongFrame: b is in GSE; it is needed in GSM here: ...
    """
    unit_of(named(array, what))
    name = str(array.name or what)
    if array.sizes.get("component") != 3:
        raise WrongData(f"{name} has dims {dict(array.sizes)}; a vector has the dim 'component' of size 3")
    if frame is not None:
        wanted = [frame] if isinstance(frame, str) else list(frame)
        has = frame_of(array, what)
        if has not in [one.upper() for one in wanted]:
            raise WrongFrame(
                f"{name} is in {has}; it is needed in {' or '.join(wanted)} here: plasma.to_frame brings it there"
            )
    whole = named(array, what).transpose(..., "component")
    whole = whole.astype(np.result_type(whole.dtype, np.float64), copy=False)
    if "component" not in whole.coords:
        return whole.assign_coords(component=component_labels())
    says = {"long_name": "Component", **whole["component"].attrs}
    return whole.assign_coords(component=whole["component"].assign_attrs(says))


def component_labels(letters: Sequence[str] = XYZ) -> xr.DataArray:
    """Return the coordinate ``component`` of a vector with these letters.

    Examples
    --------
    >>> component_labels("rtn").values.tolist()
    ['r', 't', 'n']
    """
    return xr.DataArray(list(letters), dims="component", attrs={"long_name": "Component"})


def frame_of(array: xr.DataArray, what: str = "the vector") -> str:
    """Return the frame that an array says it is in, in capitals.

    Raises
    ------
    WrongFrame
        If it says none, or that it is unknown.

    Examples
    --------
    >>> frame_of(xr.DataArray(1.0, attrs={"frame": "gsm"}))
    'GSM'
    """
    frame = str(array.attrs.get("frame", "")).strip()
    if not frame or frame.lower() in ("unknown", "not stated"):
        name = array.name or what
        raise WrongFrame(
            f"{name} does not say its frame (attrs['frame']); if you know it, say so: {name}.assign_attrs(frame='GSE')"
        )
    return frame.upper()


def same_frame(**arrays: xr.DataArray) -> str:
    """Return the one frame of several vectors.

    Raises
    ------
    WrongFrame
        If two are in different frames, or one does not say its own.

    Examples
    --------
    >>> b, v = xr.DataArray(1.0, attrs={"frame": "GSE"}), xr.DataArray(1.0, attrs={"frame": "RTN"})
    >>> same_frame(b=b, v=v)
    Traceback (most recent call last):
    ...
    analysis.errors.WrongFrame: b is in GSE, v in RTN: bring them to one frame first ...
    """
    frames = {name: frame_of(array, name) for name, array in arrays.items()}
    if len(set(frames.values())) > 1:
        says = ", ".join(
            f"{name} {'is ' if n == 0 else ''}in {frame}" for n, (name, frame) in enumerate(frames.items())
        )
        raise WrongFrame(f"{says}: bring them to one frame first (plasma.to_frame)")
    return next(iter(frames.values()))


def made(
    values: xr.DataArray,
    name: str,
    *origins: xr.DataArray,
    units: str,
    long_name: str,
    attrs: Mapping[str, object] | None = None,
) -> xr.DataArray:
    """Return a computed array labelled, marked as synthetic if an origin is, with the worst flag of its origins.

    Examples
    --------
    >>> b = xr.DataArray(5.0, attrs={"units": "nT", "synthetic": "true"})
    >>> made(b * 2, "twice", b, units="nT", long_name="Twice the field").attrs["synthetic"]
    'true'
    """
    result = labelled(
        values, name, units=units, long_name=long_name, attrs={**synthetic_attrs(*origins), **(attrs or {})}
    )
    return with_worst_quality(result, *(quality_of(origin) for origin in origins))


def refuse_unknown(word: object, known: Sequence[str] | Mapping[str, object], what: str) -> str:
    """Return a word of a list of choices, or refuse it with the nearest ones.

    Raises
    ------
    BadOption
        Naming what there is.

    Examples
    --------
    >>> refuse_unknown("shue_1999", ["shue_1998", "lin_2010"], "magnetopause model")
    Traceback (most recent call last):
    ...
    analysis.errors.BadOption: magnetopause model 'shue_1999' is not known; there are ...; did you mean 'shue_1998'?
    """
    if isinstance(word, str) and word in known:
        return word
    raise BadOption(f"{what} {word!r} is not known; there are {', '.join(known)}{near(word, known)}")
