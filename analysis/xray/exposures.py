"""How counts of a spectrum, its background and a model compare: exposure, AREASCAL and BACKSCAL.

OGIP/92-007 (Arnaud, George & Tennant): exposure times AREASCAL is what a model's rate is multiplied with;
BACKSCAL is the size of the region, so that the background scales with the ratio of the two. Either may be one
number or a column.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import xarray as xr

from analysis.errors import AnalysisWarning, WrongData
from analysis.model import in_units


@dataclass(frozen=True)
class Pair:
    """Counts of source and background per channel, and the seconds that each stands for.

    A background rate f at the source's place gives ``source_time * f`` counts there and ``background_time *
    f`` in the background.
    """

    source_counts: np.ndarray
    background_counts: np.ndarray
    source_time: np.ndarray
    background_time: np.ndarray


def paired(spectrum: xr.Dataset, background: xr.Dataset | None, used: np.ndarray) -> Pair:
    """Return counts and times of a spectrum and its background; zeros for no background.

    Parameters
    ----------
    spectrum, background : xarray.Dataset
    used : numpy.ndarray
        Which channels matter: see :func:`per_channel`.

    Raises
    ------
    WrongData
        If one holds rates, has no exposure, only one has a BACKSCAL, or their channels differ.
    """
    counts = counts_of(spectrum, "the spectrum")
    time = exposure_of(spectrum, "the spectrum") * per_channel(spectrum, "areascal", used)
    if background is None:
        return Pair(counts, np.zeros_like(counts), time, np.zeros_like(counts))
    same_channels(spectrum, background)
    ratio = 1 / region_ratio(spectrum, background, used)
    behind = exposure_of(background, "the background") * per_channel(background, "areascal", used) * ratio
    return Pair(counts, counts_of(background, "the background"), time, behind)


def same_channels(spectrum: xr.Dataset, other: xr.Dataset) -> None:
    """Refuse a background or response whose channels are not those of the spectrum.

    Raises
    ------
    WrongData
        Saying which channels each has; some instruments count from 0, others from 1.
    """
    ours, theirs = (data["channel"].values if "channel" in data.variables else None for data in (spectrum, other))
    if ours is None or theirs is None:
        raise WrongData("a spectrum, its background and its response need a coordinate 'channel'")
    if not np.array_equal(ours, theirs):
        raise WrongData(
            f"channels differ: the spectrum has {ours.size} from {ours[0]} to {ours[-1]}, "
            f"the other {theirs.size} from {theirs[0]} to {theirs[-1]}; take the files that belong together"
        )


def same_instrument(spectrum: xr.Dataset, other: xr.Dataset) -> None:
    """Warn of a response that says it is of another telescope or instrument than the spectrum.

    Warns
    -----
    AnalysisWarning
        Naming both. Only a warning: files of one instrument spell it in more than one way.
    """
    for name in ("telescope", "instrument"):
        ours, theirs = (str(data.attrs.get(name, "")).strip() for data in (spectrum, other))
        plain = [text.upper().replace("-", "") for text in (ours, theirs)]
        if all(plain) and not (plain[0].startswith(plain[1]) or plain[1].startswith(plain[0])):
            warnings.warn(
                f"the spectrum's {name} is {ours!r}, the response's {theirs!r}: do they belong together?",
                AnalysisWarning,
                stacklevel=2,
            )


def counts_of(spectrum: xr.Dataset, what: str) -> np.ndarray:
    """Return the counts per channel.

    Raises
    ------
    WrongData
        If the spectrum holds rates: Poisson statistics need counts.
    """
    if "counts" not in spectrum.variables:
        has = "a rate, not counts" if "rate" in spectrum.variables else f"{list(map(str, spectrum.data_vars))}"
        raise WrongData(f"{what} needs the variable 'counts' on the dim 'channel'; it has {has}")
    values = in_units(spectrum["counts"], "ct").values.astype(float)
    if spectrum["counts"].dims != ("channel",) or not (values >= 0).all():
        raise WrongData(f"{what} needs counts ≥ 0 along 'channel', none of them NaN")
    return values


def exposure_of(spectrum: xr.Dataset, what: str) -> float:
    """Return the exposure in seconds.

    Raises
    ------
    WrongData
        If there is none, or it is not positive.
    """
    if "exposure" in spectrum.variables:
        seconds = float(in_units(spectrum["exposure"], "s"))
    elif "exposure" in spectrum.attrs:
        seconds = float(spectrum.attrs["exposure"])
    else:
        raise WrongData(f"{what} says no exposure; assign it: spectrum.assign(exposure=…) in s")
    if not (np.isfinite(seconds) and seconds > 0):
        raise WrongData(f"{what} has an exposure of {seconds} s; rates need a positive one")
    return seconds


def per_channel(spectrum: xr.Dataset, name: str, used: np.ndarray) -> np.ndarray:
    """Return BACKSCAL or AREASCAL for each channel: a column, one number, or 1 where the file has none.

    Parameters
    ----------
    spectrum : xarray.Dataset
    name : {"backscal", "areascal"}
    used : numpy.ndarray
        Which channels matter; files write 0 in channels that QUALITY excludes. The others are given 1.

    Raises
    ------
    WrongData
        If a value is not positive in a channel that is used.
    """
    n = spectrum.sizes["channel"]
    try:
        held = spectrum[name] if name in spectrum.variables else spectrum.attrs.get(name, 1.0)
        values = np.broadcast_to(np.asarray(held, dtype=float), (n,))
    except (TypeError, ValueError) as error:
        raise WrongData(f"{name} is neither one number nor one a channel") from error
    if not ((values[used] > 0) & np.isfinite(values[used])).all():
        raise WrongData(f"{name} must be positive in every channel used; it is {np.unique(values[used])[:3]}")
    return np.where(used, values, 1.0)


def region_ratio(spectrum: xr.Dataset, background: xr.Dataset, used: np.ndarray) -> np.ndarray:
    """Return BACKSCAL of a spectrum over that of its background, for each channel.

    Raises
    ------
    WrongData
        If one of them says its region's size and the other does not, or they are of different regions whose sizes
        neither says.
    """
    told = [_says_size(data) for data in (spectrum, background)]
    sizes = [per_channel(data, "backscal", used) for data in (spectrum, background)]
    if told[0] != told[1] and not np.array_equal(sizes[0], sizes[1]):
        names = ("the spectrum", "the background")
        has, lacks = names if told[0] else names[::-1]
        raise WrongData(
            f"{has} has a BACKSCAL and {lacks} has none of its own, so their regions cannot be compared; cut both with "
            "xray.in_region, or say the size in the same measure: "
            "data.assign(backscal=((), 1.0, {'units': '1', 'long_name': 'Size of the region'}))"
        )
    regions = [str(data.attrs.get("region", "")) for data in (spectrum, background)]
    if not told[0] and regions[0] != regions[1]:
        raise WrongData(
            f"the spectrum is of {regions[0] or 'the whole list'}, the background of {regions[1] or 'the whole list'}, "
            "and neither has a BACKSCAL to compare them by (a list that is cut twice has none): "
            "data.assign(backscal=((), 1.0, {'units': '1', 'long_name': 'Size of the region'}))"
        )
    return sizes[0] / sizes[1]


def _says_size(data: xr.Dataset) -> bool:
    """Whether a spectrum has a BACKSCAL of its own, not the 1 that stands for a keyword that its file lacks."""
    if "backscal" in data.variables:
        return data["backscal"].attrs.get("stated_by") != "default"
    return "backscal" in data.attrs


def model_rates(spectrum: xr.Dataset, model_rate: xr.DataArray) -> np.ndarray:
    """Return a model's rate in each channel of a spectrum, in ct s-1.

    Raises
    ------
    WrongData
        If it is no DataArray on the spectrum's channels, or negative, NaN or infinite in one.
    """
    if not isinstance(model_rate, xr.DataArray):
        raise WrongData(f"model_rate is a rate per channel as xray.folded gives it, not a {type(model_rate).__name__}")
    rate = in_units(model_rate, "ct s-1")
    if rate.dims != ("channel",) or rate.sizes["channel"] != spectrum.sizes.get("channel"):
        raise WrongData(
            f"the model's rate has dims {dict(rate.sizes)}, the spectrum {dict(spectrum.sizes)}; "
            "both need the same dim 'channel' (xray.folded gives it)"
        )
    if "channel" in rate.coords and not np.array_equal(rate["channel"].values, spectrum["channel"].values):
        raise WrongData("the model's channels are not numbered as the spectrum's; fold with the spectrum's own rmf")
    values = rate.values.astype(float)
    if not ((values >= 0) & np.isfinite(values)).all():
        raise WrongData("the model's rate must be a number ≥ 0 in every channel; it is negative or NaN in some")
    return values
