"""Channels to bins: energies of channels, OGIP grouping and quality, bands, and spectra summed in bins.

OGIP/92-007: GROUPING is 1 where a bin starts, -1 where it goes on, 0 where none is defined (a bin of its
own); QUALITY is 0 where a channel is good.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import xarray as xr

from analysis.errors import BadOption, OutsideCoverage, WrongData
from analysis.model import check, derived, in_units, labelled
from analysis.xray.exposures import counts_of, same_channels, same_instrument
from analysis.xray.inputs import Amount, as_dataset, limits, named_band, synthetic_of, variable

Grouping = Literal["file"] | None

OGIP = "OGIP/92-007, Arnaud, George & Tennant (1992), The OGIP Spectral File Format"


def channel_energies(rmf: xr.Dataset | xr.DataTree) -> xr.Dataset:
    """Return the nominal energies of the channels of a response: its EBOUNDS.

    Parameters
    ----------
    rmf : xarray.Dataset
        With ``e_min`` and ``e_max`` on the dim ``channel``.

    Returns
    -------
    xarray.Dataset
        ``energy_low``, ``energy_high`` and ``energy`` (the middle) in keV on ``channel``. Nominal: a photon
        is as often as not found in another channel than that of its energy.

    Raises
    ------
    UnknownVariable
        If the dataset has no channel energies.

    Examples
    --------
    >>> from analysis import xray
    >>> energies = xray.channel_energies(xray.fetch("ngc7793_ulx4_pn")["rmf"])
    >>> round(float(energies.energy_high[-1]), 2)
    20.48
    """
    data = as_dataset(rmf, "channel_energies")
    low, high = (in_units(variable(data, name, "channel_energies"), "keV").astype(float) for name in ("e_min", "e_max"))
    made = xr.Dataset(
        {
            "energy_low": labelled(low, "energy_low", units="keV", long_name="Lower energy of the channel"),
            "energy_high": labelled(high, "energy_high", units="keV", long_name="Upper energy of the channel"),
            "energy": labelled((low + high) / 2, "energy", units="keV", long_name="Energy"),
        },
        coords={"channel": data["channel"]},
    )
    return check(derived(made, data, title="Channel energies", step="xray.channel_energies", references=[OGIP]))


def channel_bins(
    spectrum: xr.Dataset | xr.DataTree,
    *,
    grouping: Grouping = "file",
    min_counts: int | None = None,
    band: tuple[Amount, Amount] | None = None,
    rmf: xr.Dataset | xr.DataTree | None = None,
) -> xr.DataArray:
    """Return which bin each channel goes to.

    Parameters
    ----------
    spectrum : xarray.Dataset
        On the dim ``channel``, with ``grouping`` and ``quality`` where the file has them.
    grouping : {"file", None}, optional
        "file" obeys GROUPING and QUALITY; None gives each channel a bin of its own and ignores both.
    min_counts : int, optional
        Close a bin as soon as it holds so many counts, in place of GROUPING; QUALITY is obeyed unless
        ``grouping=None``. What is left at the end, short of it, is left out.
    band : (low, high), optional
        Energies in keV. A channel is used if it overlaps the band; a bin at the band's end holds only those
        of its channels that do. Needs ``rmf``.
    rmf : xarray.Dataset, optional
        Response with the channels' energies.

    Returns
    -------
    xarray.DataArray
        ``bin`` on ``channel``: 0, 1, … in order, -1 for a channel that is left out.

    Raises
    ------
    BadOption
        For an unknown grouping, a band without ``rmf``, a ``min_counts`` below 1.
    WrongData
        If the response's channels are not those of the spectrum.
    OutsideCoverage
        If no channel overlaps the band.

    Warns
    -----
    AnalysisWarning
        If spectrum and response say that they are of different instruments.

    References
    ----------
    OGIP/92-007, Arnaud, George & Tennant (1992), *The OGIP Spectral File Format*.

    Examples
    --------
    >>> spectrum = xr.Dataset({"grouping": ("channel", [1, -1, 1, 1])}, coords={"channel": [0, 1, 2, 3]})
    >>> channel_bins(spectrum).values.tolist()
    [0, 0, 1, 2]
    """
    data = as_dataset(spectrum, "channel_bins")
    if grouping not in ("file", None):
        raise BadOption(f"grouping={grouping!r} is unknown; 'file' obeys GROUPING and QUALITY, None ignores both")
    if min_counts is not None and not is_whole(min_counts, least=1):
        raise BadOption(f"min_counts={min_counts!r} must be a whole number of at least 1")
    if "channel" not in data.dims:
        raise WrongData(f"channel_bins needs a spectrum on the dim 'channel', not {dict(data.sizes)}")
    used = overlapping(data, band, rmf)
    if grouping == "file":
        used &= flags(data, "quality") == 0
    if min_counts is not None:
        bins = _filled(counts_of(data, "min_counts"), used, int(min_counts))
        how = f"at least {min_counts} counts, QUALITY {'obeyed' if grouping else 'ignored'}"
    else:
        starts = flags(data, "grouping") != -1 if grouping == "file" else np.ones(data.sizes["channel"], dtype=bool)
        starts[:1] = True
        bins = np.where(used, np.cumsum(starts), 0)
        how = "GROUPING and QUALITY of the file" if grouping else "every channel, GROUPING and QUALITY ignored"
    numbered = np.where(bins > 0, np.unique(bins, return_inverse=True)[1] - (0 in bins), -1)
    coords = {"channel": data["channel"]} if "channel" in data.variables else {}
    told = {"grouping": how, "band": named_band(band), **synthetic_of(data, rmf)}
    return labelled(
        xr.DataArray(numbered.astype(np.int64), dims="channel", coords=coords),
        "bin",
        units="1",
        long_name="Bin of the channel",
        attrs=told,
    )


def flags(data: xr.Dataset, name: str) -> np.ndarray:
    """Return GROUPING or QUALITY of each channel: a column, one number for all, or 0 where the file has none.

    Raises
    ------
    WrongData
        If it is neither one number nor one a channel.
    """
    held = data[name].values if name in data.variables else 0
    try:
        return np.broadcast_to(held, (data.sizes["channel"],)).copy()
    except ValueError as error:
        raise WrongData(f"{name} is neither one number nor one a channel") from error


def summed(values: np.ndarray, bins: xr.DataArray) -> np.ndarray:
    """Return values per channel summed in bins, channels of bin -1 left out."""
    index = bins.values
    used = index >= 0
    return np.bincount(index[used], np.asarray(values, dtype=float)[used])


def is_whole(value: object, *, least: int) -> bool:
    """Tell whether this is a whole number; a float that is one counts, True and text do not."""
    if isinstance(value, float | np.floating):
        return bool(value.is_integer() and value >= least)
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value >= least)


def overlapping(
    data: xr.Dataset, band: tuple[Amount, Amount] | None, rmf: xr.Dataset | xr.DataTree | None
) -> np.ndarray:
    """Return which channels of a spectrum overlap a band: all of them for None.

    Raises
    ------
    BadOption
        For a band without a response.
    WrongData
        If the response's channels are not those of the spectrum.
    OutsideCoverage
        If no channel overlaps the band.
    """
    if rmf is None:
        if band is not None:
            raise BadOption("a band needs rmf=, which knows the energies of the channels")
        return np.ones(data.sizes["channel"], dtype=bool)
    energies = channel_energies(rmf)
    same_channels(data, energies)
    same_instrument(data, as_dataset(rmf, "rmf"))
    low, high = limits(band)
    starts, ends = energies["energy_low"].values, energies["energy_high"].values
    found = (ends > low) & (starts < high)
    if not found.any():
        covered = f"no channel overlaps it: the response's channels lie at {starts.min():g}-{ends.max():g} keV"
        raise OutsideCoverage(f"band {named_band(band)}: {covered}")
    return found


def _filled(counts: np.ndarray, used: np.ndarray, enough: int) -> np.ndarray:
    """Number bins from 1 so that each is closed once it holds enough; 0 for what is left out."""
    bins = np.zeros(counts.size, dtype=np.int64)
    number, held, members = 1, 0.0, []
    for channel in np.flatnonzero(used):
        members.append(channel)
        held += counts[channel]
        if held >= enough:
            bins[members] = number
            number, held, members = number + 1, 0.0, []
    return bins
