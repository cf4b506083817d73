"""Event lists and light curves cut into pieces of equal length, as Fourier transforms need them.

What stingray is given comes from here: times in good intervals, bins no shorter than the instrument's time
resolution, and pieces that no gap runs through.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import xarray as xr

from analysis.errors import AnalysisWarning, BadOption, OutsideCoverage, WrongData
from analysis.model import in_units
from analysis.xray.inputs import Amount, amount, band_of, events_and_gti, in_band, variable
from analysis.xray.intervals import Clock, inside, merged

MOST_BINS = 200_000_000  # of all pieces together: one piece at a time is held
SAME = 1e-6  # relative difference of two lengths that are meant to be one
FRAMES = 100  # bins of fewer frames than this should hold a whole number of them


@dataclass(frozen=True)
class Pieces:
    """Times or counts in good time, and how they are cut.

    ``counts`` is None for events; for a light curve it holds the counts of the bins whose middles are ``times``.
    ``starts`` are the beginnings of the pieces, each of ``bins`` bins of ``bin_size`` seconds.
    """

    times: np.ndarray
    counts: np.ndarray | None
    gti: np.ndarray
    starts: np.ndarray
    bins: int
    bin_size: float
    listed: xr.Dataset
    intervals: xr.Dataset | None
    band: str
    note: str

    @property
    def length(self) -> float:
        """Seconds of one piece."""
        return self.bins * self.bin_size


@contextmanager
def quiet() -> Iterator[None]:
    """Keep stingray's own warnings back; what they are about is said by ours, or in the docstrings."""
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore")
        yield


def pieces(
    data: xr.DataTree | xr.Dataset,
    what: str,
    *,
    bin_size: Amount | None,
    segment: Amount | None,
    band: tuple[Amount, Amount] | None = None,
    common: np.ndarray | None = None,
) -> Pieces:
    """Return an event tree or a light curve cut into pieces of one length without gaps.

    Parameters
    ----------
    data : xarray.DataTree or xarray.Dataset
        Events with good times, or a light curve with ``counts``, ``exposure`` and ``seconds``.
    what : str
        Who asks, for messages.
    bin_size, segment : value with units, optional
        Seconds. A light curve brings its own bin size; without a segment the whole of one interval is used.
    band : (low, high), optional
        Of energy, in keV.
    common : numpy.ndarray, shape (n, 2), optional
        Good times to cut to further: those of another detector.

    Raises
    ------
    WrongData, BadOption, OutsideCoverage
        If the data are of neither kind, a length cannot be, or no piece fits.
    """
    if isinstance(data, xr.DataTree):
        return _of_events(data, what, bin_size, segment, band, common)
    if isinstance(data, xr.Dataset) and "time" in data.dims and {"counts", "exposure"} <= set(map(str, data.variables)):
        if band is not None:
            raise BadOption(f"{what}: band= is for events; make the light curve in the band: xray.light_curve(band=…)")
        return _of_light_curve(data, what, bin_size, segment, common)
    raise WrongData(
        f"{what} needs a tree of events and gti, or a light curve on 'time' with counts and exposure as "
        f"xray.light_curve gives it, not {_described(data)}"
    )


def rows(cut: Pieces) -> Iterator[np.ndarray | None]:
    """Return the counts in the bins of each piece, one piece at a time; None for fewer than two events."""
    from stingray.fourier import get_flux_iterable_from_segments

    if cut.counts is None:
        yield from get_flux_iterable_from_segments(cut.times, cut.gti, cut.length, n_bin=cut.bins, dt=cut.bin_size)
        return
    first = np.searchsorted(cut.times, cut.starts)
    for begin in first:
        yield cut.counts[begin : begin + cut.bins].astype(float)


def good_times(data: xr.DataTree, what: str) -> np.ndarray:
    """Return the good time intervals of an event tree, shape (n, 2), in s, those that overlap joined."""
    _, gti = events_and_gti(data, what)
    return np.column_stack(merged(gti))


def event_times(listed: xr.Dataset, what: str) -> np.ndarray:
    """Return the times of events in s, float64.

    Raises
    ------
    WrongData
        If they are integers or float32, in which mission seconds cannot be told apart.
    """
    held = variable(listed, "time", what)
    if held.dtype.kind not in "fiu":
        raise WrongData(f"{what}: event times are {held.dtype}, not seconds of the mission's clock")
    if held.dtype != np.float64 and held.size:
        largest = float(np.nanmax(np.abs(held.values.astype(float))))
        step = 1.0 if held.dtype.kind in "iu" else float(np.spacing(np.asarray(largest, held.dtype)))
        if step > 1e-6:
            raise WrongData(f"{what}: event times are {held.dtype}, which steps by {step:g} s here; give float64")
    return in_units(held, "s").values.astype(np.float64)


def time_resolution(listed: xr.Dataset) -> float | None:
    """Return the seconds that a time is good to (TIMEDEL), None where the list says none.

    Examples
    --------
    >>> time_resolution(xr.Dataset(attrs={"timedel": 0.44104})), time_resolution(xr.Dataset())
    (0.44104, None)
    """
    said = listed.attrs.get("timedel")
    try:
        seconds = float(said) if said is not None else 0.0
    except (TypeError, ValueError):
        return None
    return seconds if np.isfinite(seconds) and seconds > 0 else None


def refuse_too_fine(listed: xr.Dataset, bin_size: float, what: str) -> None:
    """Refuse bins below the time resolution; warn of bins that hold now more, now fewer frames.

    Raises
    ------
    BadOption
        Naming both.
    """
    frame = time_resolution(listed)
    if frame is None:
        return
    ratio = bin_size / frame
    if ratio < 1 - SAME:
        raise BadOption(
            f"{what}: bins of {bin_size:g} s are finer than the time resolution, TIMEDEL = {frame:g} s: what is "
            f"above {0.5 / frame:g} Hz would be aliases; take {frame:g} s or more"
        )
    if ratio < FRAMES and abs(ratio - round(ratio)) > 1e-3:
        warnings.warn(
            f"{what}: bins of {bin_size:g} s hold {ratio:.3f} frames of {frame:g} s, so that frames beat with bins "
            f"and false peaks appear; take {max(1, round(ratio)) * frame:.10g} s",
            AnalysisWarning,
            stacklevel=5,
        )


def whole_bins(length: float, bin_size: float) -> int:
    """Return how many whole bins a length holds, rounding forgiven.

    Examples
    --------
    >>> whole_bins(0.3, 0.1), whole_bins(0.29, 0.1)
    (3, 2)
    """
    return int(np.floor(length / bin_size * (1 + 1e-9) + 1e-9))


def positive(value: Amount, units: str, what: str, name: str) -> float:
    """Return one positive value in units; bare numbers are in them already.

    Raises
    ------
    BadOption
        If it is not positive.
    """
    found = amount(value, units, name, bare=True)
    if found <= 0:
        raise BadOption(f"{what}: {name}={value!r} is not positive")
    return found


def _of_events(
    tree: xr.DataTree,
    what: str,
    bin_size: Amount | None,
    segment: Amount | None,
    band: tuple[Amount, Amount] | None,
    common: np.ndarray | None,
) -> Pieces:
    if bin_size is None:
        raise BadOption(f"{what} needs bin_size= for events, for example bin_size='10 ms'")
    listed, gti = events_and_gti(tree, what)
    step = positive(bin_size, "s", what, "bin_size")
    refuse_too_fine(listed, step, what)
    good = np.column_stack(merged(gti))
    if common is not None:
        good = _both(good, common, what)
    times = event_times(listed, what)
    kept = inside(gti, times)
    outside = int(np.count_nonzero(~kept))
    times = times[kept & in_band(listed, band, what)]
    times = times if (times[1:] >= times[:-1]).all() else np.sort(times)
    if not times.size:
        raise OutsideCoverage(f"{what}: no event in good time in {band_of(listed, band)}")
    good, starts, bins = _cut(good, step, segment, what)
    note = f"{outside} events outside the good times left out"
    return Pieces(times, None, good, starts, bins, step, listed, gti, band_of(listed, band), note)


def _of_light_curve(
    curve: xr.Dataset, what: str, bin_size: Amount | None, segment: Amount | None, common: np.ndarray | None
) -> Pieces:
    middles, step = bin_middles(curve, what)
    if bin_size is not None and abs(positive(bin_size, "s", what, "bin_size") - step) > SAME * step:
        raise BadOption(f"{what}: the light curve has bins of {step:g} s; leave bin_size={bin_size!r} out")
    counts = in_units(curve["counts"], "ct").values.astype(float)
    exposure = in_units(curve["exposure"], "s").values.astype(float)
    full = (exposure >= step * (1 - SAME)) & np.isfinite(counts)
    if not full.any():
        raise OutsideCoverage(f"{what}: no bin of the light curve is exposed from end to end ({step:g} s)")
    begins = np.flatnonzero(full & ~np.append(False, full[:-1]))
    ends = np.flatnonzero(full & ~np.append(full[1:], False))
    good = np.column_stack((middles[begins] - step / 2, middles[ends] + step / 2))
    if common is not None:
        good = _both(good, common, what)
    good, starts, bins = _cut(good, step, segment, what)
    note = f"{int(np.count_nonzero(~full & (exposure > 0)))} bins exposed in part left out"
    band = str(curve.attrs.get("band", "all energies"))
    return Pieces(middles, counts, good, starts, bins, step, curve, None, band, note)


def bin_middles(curve: xr.Dataset, what: str) -> tuple[np.ndarray, float]:
    """Return the middles of a light curve's bins in s, and the bins' length.

    Raises
    ------
    WrongData
        If it has no coordinate ``seconds``, or its bins are not even.
    """
    seconds = in_units(variable(curve, "seconds", what), "s").values.astype(float)
    if seconds.size < 2 and "bin_size" not in curve.attrs:
        raise WrongData(f"{what}: a light curve of {seconds.size} bins says no bin size")
    step = float(curve.attrs["bin_size"]) if "bin_size" in curve.attrs else float(np.median(np.diff(seconds)))
    if seconds.size > 1 and not np.allclose(np.diff(seconds), step, rtol=1e-4, atol=1e-6):
        raise WrongData(f"{what}: the light curve's bins are not even; make it with xray.light_curve")
    return seconds, step


def clock_of_curve(curve: xr.Dataset) -> Clock:
    """Return what dates the seconds of a light curve.

    Raises
    ------
    WrongData
        If it does not say it.
    """
    said = curve["seconds"].attrs
    if "mjdref" not in said or "timesys" not in said:
        raise WrongData("the light curve's seconds say no mjdref or timesys, so they cannot be dated")
    return {
        "mjdref": float(said["mjdref"]),
        "mjdref_fraction": float(said.get("mjdref_fraction", 0.0)),
        "timesys": str(said["timesys"]),
    }


def _cut(good: np.ndarray, step: float, segment: Amount | None, what: str) -> tuple[np.ndarray, np.ndarray, int]:
    """Good times, beginnings of pieces and bins a piece: whole bins, no gap in a piece."""
    lengths = good[:, 1] - good[:, 0]
    if segment is None:
        if len(good) > 1:
            raise BadOption(
                f"{what}: there are {len(good)} good time intervals and a Fourier transform runs through no gap; give "
                f"segment=, at most the longest interval, {lengths.max():g} s"
            )
        length = float(lengths[0])
    else:
        length = positive(segment, "s", what, "segment")
    bins = whole_bins(length, step)
    if bins < 4:
        raise BadOption(f"{what}: a segment of {length:g} s holds {bins} bins of {step:g} s; it needs at least 4")
    length = bins * step
    if lengths.max() < length * (1 - 1e-9):
        raise OutsideCoverage(
            f"{what}: no good time interval holds a segment of {length:g} s; the longest lasts {lengths.max():g} s"
        )
    fits = good[lengths >= length * (1 - 1e-9)]
    each = np.floor((fits[:, 1] - fits[:, 0]) / length * (1 + 1e-9)).astype(int)
    starts = np.concatenate([begin + length * np.arange(n) for begin, n in zip(fits[:, 0], each, strict=True)])
    if len(starts) * bins > MOST_BINS:
        raise BadOption(f"{what}: {len(starts)} segments of {bins} bins are too many; take longer bins")
    return fits, starts, bins


def _both(first: np.ndarray, second: np.ndarray, what: str) -> np.ndarray:
    begin = np.maximum(first[:, :1], second[:, 0])
    end = np.minimum(first[:, 1:], second[:, 1])
    shared = np.column_stack((begin[end > begin], end[end > begin]))
    shared = shared[np.argsort(shared[:, 0])]
    if not len(shared):
        raise OutsideCoverage(f"{what}: the two have no good time in common")
    return shared


def _described(data: object) -> str:
    return f"a Dataset with dims {dict(data.sizes)}" if isinstance(data, xr.Dataset) else f"a {type(data).__name__}"
