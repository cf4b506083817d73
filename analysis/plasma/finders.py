"""Discontinuities of a magnetic field, and crossings of a level."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.model import derived, in_units
from analysis.plasma.inputs import (
    is_number,
    refuse_empty,
    refuse_other_dims,
    refuse_unsorted,
    synthetic_attrs,
    whole_number,
)
from analysis.plasma.rotations import right_handed
from analysis.plasma.variance import minimum_variance
from analysis.plasma.vectors import frame_of

TSURUTANI = "Tsurutani & Smith, J. Geophys. Res. 84, 2773 (1979), doi:10.1029/JA084iA06p02773"
SMITH = "Smith, J. Geophys. Res. 78, 2054 (1973), doi:10.1029/JA078i013p02054"
KINDS = ("either", "rotational", "tangential", "neither")


def discontinuities(
    b: xr.DataArray,
    *,
    lag: int = 1,
    change: float = 0.5,
    sigmas: float = 2.0,
    window: int = 20,
    at_least: int = 5,
) -> xr.Dataset:
    r"""Return the directional discontinuities of a field: where it changes by half its size and stands out.

    A sample is taken where :math:`|\Delta B| \ge` ``change`` times the larger of the two strengths and ``sigmas`` times
    the larger of the standard deviations before and after (Tsurutani & Smith 1979). Of neighbouring ones the largest
    counts. Each is then classed by variance analysis (Smith 1973), with :math:`B_n` along the axis of least
    variance over the samples around it: rotational for :math:`|B_n|/B \ge 0.4` and
    :math:`\Delta|B|/B < 0.2`, tangential for :math:`|B_n|/B < 0.4` and :math:`\Delta|B|/B \ge 0.2`, either for both
    below, neither for both above.

    Parameters
    ----------
    b : xarray.DataArray
        Magnetic field with dims ``time, component``, evenly sampled but for gaps; NaN allowed.
    lag : int, optional
        Samples between which the change is taken; 1 by default.
    change : float, optional
        Fraction of the larger strength, 0.5.
    sigmas : float, optional
        Multiple of the scatter, 2: root mean square of the vector's deviations in ``window`` samples on each side.
    window : int, optional
        Samples on each side for the scatter and for the variance analysis, 20.
    at_least : int, optional
        Samples that must be there on each side, 5; 2 at least.

    Returns
    -------
    xarray.Dataset
        Dim ``time``, the middles of the changes: ``size`` (of :math:`\Delta B`, units of the field),
        ``rotation`` (degrees between the fields before and after), ``normal`` (time, component),
        ``normal_field_ratio`` (:math:`|B_n|` over the larger strength), ``strength_change`` (:math:`\Delta|B|` over
        the larger strength), ``eigenvalue_ratio`` (a normal of a ratio below 2 or so means little), and ``kind`` (flag:
        either, rotational, tangential, neither). No time where there is none.

    Raises
    ------
    WrongData
        If the field is no vector over time or shorter than both windows.
    BadOption
        If an option is no number above zero.
    WrongFrame, MissingUnits
        If the field does not say its frame or unit.

    Notes
    -----
    One spacecraft cannot tell a surface's motion, and normals from variance analysis find more rotational
    discontinuities than those from timing four spacecraft (Knetter et al. 2004). Across steps of time over 1.5 times
    the usual one nothing is sought.

    References
    ----------
    Tsurutani & Smith, J. Geophys. Res. 84, 2773 (1979), doi:10.1029/JA084iA06p02773.
    Smith, J. Geophys. Res. 78, 2054 (1973), doi:10.1029/JA078i013p02054.
    Knetter et al., J. Geophys. Res. 109, A06102 (2004), doi:10.1029/2003JA010099.

    Examples
    --------
    >>> time = np.datetime64("2020-01-01", "ns") + np.arange(60) * np.timedelta64(1, "s")
    >>> wiggle = 0.1 * np.sin(np.arange(60) * 2.3)
    >>> field = np.stack([wiggle, np.where(np.arange(60) < 30, 5.0, -4.0), 1 + 0 * wiggle], axis=1)
    >>> b = xr.DataArray(field, {"time": time}, ["time", "component"], attrs={"units": "nT", "frame": "GSE"})
    >>> found = discontinuities(b)
    >>> found.sizes["time"], str(found.time.values[0])[11:21], float(found["size"].round(1)[0])
    (1, '00:00:29.5', 9.0)
    """
    for name, value in {"change": change, "sigmas": sigmas}.items():
        if not is_number(value) or not 0 < value < np.inf:
            raise BadOption(f"{name}={value!r} is not a number above zero")
    lag, window, at_least = (
        whole_number(value, name, least)
        for name, value, least in (("lag", lag, 1), ("window", window, 2), ("at_least", at_least, 2))
    )
    if window < at_least:
        raise BadOption(f"window={window} holds fewer samples than at_least={at_least}: nothing could be found")
    field = right_handed(b, "b")
    refuse_other_dims(field, "time", "component")
    field = field.transpose("time", "component")
    refuse_empty(field)
    refuse_unsorted(field)
    frame, units = frame_of(field), str(field.attrs["units"])
    times, values = field["time"].values, field.values
    if len(times) < 2 * at_least + lag:
        raise WrongData(f"{field.name} has {len(times)} samples; {2 * at_least + lag} or more are needed")
    at = _where(times, values, lag, change, sigmas, window, at_least)
    before, after = values[at], values[at + lag]
    strength_before, strength_after = np.linalg.norm(before, axis=1), np.linalg.norm(after, axis=1)
    larger = np.maximum(strength_before, strength_after)
    middle = times[at] + (times[at + lag] - times[at]) // 2
    index = at[:, None] + np.arange(1 - window, lag + window)
    around = np.where(
        ((index >= 0) & (index < len(times)))[..., None], values[np.clip(index, 0, len(times) - 1)], np.nan
    )
    stacked = xr.DataArray(
        around, {"time": middle, "component": field.component}, ["time", "sample", "component"], name=field.name
    ).assign_attrs(field.attrs)
    if at.size:
        axes = minimum_variance(stacked, dim="sample")
        normal = axes.eigenvector.sel(axis="N", drop=True).values
        ratio = axes.eigenvalue_ratio.values
    else:
        normal, ratio = np.empty((0, 3)), np.empty(0)
    across = np.abs(np.sum(normal * (before + after) / 2, axis=1)) / larger
    thinning = np.abs(strength_after - strength_before) / larger
    cosine = np.sum(before * after, axis=1) / np.where(strength_before * strength_after > 0, 1, np.nan)
    cosine = cosine / np.where(strength_before * strength_after > 0, strength_before * strength_after, 1)
    kind = np.select(
        [(across >= 0.4) & (thinning < 0.2), (across < 0.4) & (thinning >= 0.2), (across < 0.4) & (thinning < 0.2)],
        [1, 2, 0],
        default=3,
    ).astype(np.int8)
    flags = {"flag_values": np.arange(4, dtype=np.int8), "flag_meanings": " ".join(KINDS)}
    result = xr.Dataset(
        {
            "size": ("time", np.linalg.norm(after - before, axis=1), {"units": units, "long_name": "Change of field"}),
            "rotation": (
                "time", np.degrees(np.arccos(np.clip(cosine, -1, 1))), {"units": "deg", "long_name": "Rotation"}
            ),
            "normal": (
                ("time", "component"), normal, {"units": "1", "long_name": "Normal of least variance", "frame": frame}
            ),
            "normal_field_ratio": ("time", across, {"units": "1", "long_name": "Normal field over strength"}),
            "strength_change": ("time", thinning, {"units": "1", "long_name": "Change of strength over the larger"}),
            "eigenvalue_ratio": ("time", ratio, {"units": "1", "long_name": "Middle over smallest variance"}),
            "kind": ("time", kind, {"units": "1", "long_name": "Kind of discontinuity", **flags}),
        },
        {"time": ("time", middle, {"long_name": "Time (UTC)"}), "component": field.component},
    )  # fmt: skip
    return derived(
        result,
        b,
        title=f"Discontinuities of {field.attrs.get('long_name', field.name)}",
        step=f"plasma.discontinuities(lag={lag}, change={change}, sigmas={sigmas}, window={window})",
        references=[TSURUTANI, SMITH],
    )


def _where(
    times: np.ndarray, values: np.ndarray, lag: int, change: float, sigmas: float, window: int, at_least: int
) -> np.ndarray:
    """Return the indices of the samples just before each discontinuity, the largest of each run."""
    steps = np.diff(times)
    usual = np.median(steps)
    jump = values[lag:] - values[:-lag]
    size = np.linalg.norm(jump, axis=1)
    strength = np.linalg.norm(values, axis=1)
    even = np.convolve((steps <= 1.5 * usual).astype(int), np.ones(lag, int), "valid") == lag
    scatter, number = _scatter(values, window)
    first = np.arange(len(size))
    # the window before ends with the first sample, the one after begins with the second
    before, after = scatter[first], scatter[first + lag + window - 1]
    enough = (number[first] >= at_least) & (number[first + lag + window - 1] >= at_least)
    with np.errstate(invalid="ignore"):
        found = (
            even
            & enough
            & (size >= change * np.maximum(strength[lag:], strength[:-lag]))
            & (size >= sigmas * np.maximum(before, after))
            & (size > 0)
        )
    at = np.flatnonzero(found)
    if not at.size:
        return at
    runs = np.split(at, np.flatnonzero(np.diff(at) > lag) + 1)
    return np.array([run[np.argmax(size[run])] for run in runs])


def _scatter(values: np.ndarray, window: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the scatter of the vector in the window that ends at each sample, padded on both sides, and its numbers.

    Index i + window - 1 is thus the window that begins at sample i.
    """
    padded = np.pad(values, ((window - 1, window - 1), (0, 0)), constant_values=np.nan)
    seen = np.isfinite(padded).all(axis=1)
    filled = np.where(seen[:, None], padded - _centre(values), 0.0)
    zero = np.zeros((1, 3))
    sums = np.cumsum(np.vstack([zero, filled]), axis=0)
    squares = np.cumsum(np.vstack([zero, filled**2]), axis=0)
    counts = np.concatenate([[0], np.cumsum(seen)])
    number = counts[window:] - counts[:-window]
    count = np.where(number > 0, number, 1)[:, None]
    mean = (sums[window:] - sums[:-window]) / count
    variance = np.clip((squares[window:] - squares[:-window]) / count - mean**2, 0, None)
    return np.sqrt(variance.sum(axis=1)), number


def _centre(values: np.ndarray) -> np.ndarray:
    """Return a sample without NaN: sums of squares of what is near zero keep their digits."""
    seen = np.isfinite(values).all(axis=1)
    return values[seen.argmax()] if seen.any() else np.zeros(3)


def level_crossings(series: xr.DataArray, *, level: float | xr.DataArray, hysteresis: float = 0.0) -> xr.Dataset:
    """Return the times at which a series crosses a level, between samples by straight lines.

    Parameters
    ----------
    series : xarray.DataArray
        Dim ``time``; NaN is passed over only where both neighbours are on one side: a crossing inside a gap is not
        placed.
    level : float or xarray.DataArray
        In the unit of the series, or a scalar array with units of its own.
    hysteresis : float, optional
        A crossing counts once the series has gone this far beyond the level, in its own unit; chatter below it does
        not.

    Returns
    -------
    xarray.Dataset
        Dim ``time``, the crossings: ``direction`` (1 upwards, -1 downwards).

    Raises
    ------
    WrongData
        If the series has other dims.
    BadOption
        If the level or the hysteresis is no number.
    WrongUnits, MissingUnits
        If units are missing or of another kind.

    Examples
    --------
    >>> time = np.datetime64("2020-01-01", "ns") + np.arange(5) * np.timedelta64(10, "s")
    >>> n = xr.DataArray([1.0, 3.0, 3.0, 2.5, 0.0], {"time": time}, name="n", attrs={"units": "cm-3"})
    >>> found = level_crossings(n, level=2.0)
    >>> [str(one)[17:19] for one in found.time.values], found.direction.values.tolist()
    (['05', '32'], [1, -1])
    """
    if not isinstance(series, xr.DataArray) or series.dims != ("time",):
        dims = series.dims if isinstance(series, xr.DataArray) else type(series).__name__
        raise WrongData(
            f"level_crossings takes a series over time alone, not {dims}; take one component or a magnitude"
        )
    in_units(series, str(series.attrs.get("units", "1")))  # a series without units is refused
    refuse_unsorted(series)
    if isinstance(level, xr.DataArray):
        if level.size != 1:
            raise BadOption(f"level= is one number; {level.name or 'the array'} holds {level.size}")
        level = in_units(level, str(series.attrs["units"])).item()
    if not is_number(level) or not np.isfinite(level):
        raise BadOption(f"level={level!r} is not a number, nor an array of one with units")
    if not is_number(hysteresis) or not 0 <= hysteresis < np.inf:
        raise BadOption(f"hysteresis={hysteresis!r} is not a number, zero or above, in the unit of the series")
    times, above = series["time"].values, series.values.astype(float) - float(level)
    sure = np.flatnonzero(np.isfinite(above) & (np.abs(above) >= hysteresis) & (above != 0))
    turns = np.flatnonzero(np.diff(np.sign(above[sure])) != 0)
    found, direction = [], []
    for turn in turns:  # a loop over crossings, not samples
        first, last = sure[turn], sure[turn + 1]
        inside = np.arange(first, last + 1)
        signs = np.sign(above[inside])
        # the last change of sign on the way: what chatters before it has not gone beyond for good
        steps = np.flatnonzero((signs[1:] == signs[-1]) & (signs[:-1] != signs[-1]) & np.isfinite(signs[:-1]))
        if not steps.size or not np.isfinite(above[inside[steps[-1]] + 1]):
            continue
        left = inside[steps[-1]]
        part = above[left] / (above[left] - above[left + 1])
        step = (times[left + 1] - times[left]).astype("timedelta64[ns]").astype(np.int64)
        found.append(times[left] + np.timedelta64(round(part * step), "ns"))
        direction.append(int(np.sign(above[last])))
    result = xr.Dataset(
        {
            "direction": (
                "time",
                np.array(direction, dtype=np.int8),
                {"units": "1", "long_name": "Direction of the crossing: 1 up, -1 down", **synthetic_attrs(series)},
            )
        },
        {"time": ("time", np.array(found, dtype="datetime64[ns]"), {"long_name": "Time (UTC)"})},
    )
    label = series.attrs.get("long_name", series.name or "the series")
    step_text = f"plasma.level_crossings(level={level:g}, hysteresis={hysteresis:g})"
    return derived(result, series, title=f"Crossings of {level:g} by {label}", step=step_text)
