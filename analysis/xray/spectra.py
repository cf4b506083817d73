"""Spectra in bins, and count rates: source, background and model side by side, each with its error."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.model import check, derived, in_units, labelled
from analysis.xray.detectors import good_seconds
from analysis.xray.exposures import counts_of, exposure_of, model_rates, per_channel, region_ratio, same_channels
from analysis.xray.grouping import OGIP, Grouping, channel_bins, channel_energies, summed
from analysis.xray.inputs import Amount, as_dataset, band_of, datasets, events_and_gti, in_band, titled
from analysis.xray.intervals import poisson_error
from analysis.xray.planning import seen_of


def grouped(
    spectrum: xr.Dataset | xr.DataTree,
    *,
    grouping: Grouping = "file",
    min_counts: int | None = None,
    band: tuple[Amount, Amount] | None = None,
    rmf: xr.Dataset | xr.DataTree | None = None,
    background: xr.Dataset | xr.DataTree | None = None,
    model_rate: xr.DataArray | None = None,
) -> xr.Dataset:
    """Return a spectrum in bins, with its background scaled to it and a model in the same bins.

    Parameters
    ----------
    spectrum : xarray.Dataset
        Counts or rates on ``channel``, as ``formats.read`` gives a PHA file.
    grouping, min_counts, band
        Which channels make a bin: see :func:`channel_bins`.
    rmf : xarray.Dataset, optional
        Response; gives the bins their energies and the rates per keV.
    background : xarray.Dataset, optional
        Spectrum of the background on the same channels; scaled by exposure, AREASCAL and BACKSCAL.
    model_rate : xarray.DataArray, optional
        Expected source rate per ``channel`` (:func:`folded`).

    Returns
    -------
    xarray.Dataset
        On ``bin``: ``counts`` (not for a spectrum of rates), ``rate`` and ``rate_error`` in ct s-1,
        ``first_channel``, ``last_channel``, ``n_channels``; with a background ``background_rate`` and
        ``net_rate``, each with ``_error``; with a model ``model_rate`` and ``residual`` (data less model in
        errors, NaN where the error is 0), and ``expected_rate``, model and background; with a response
        ``energy_low``, ``energy_high`` and each rate per keV as ``…_density``.

    Raises
    ------
    BadOption
        As :func:`channel_bins`, and if no channel is left.
    WrongData
        If channels differ, an exposure is missing, or the model's rate is not a number ≥ 0 in each channel.

    Notes
    -----
    Errors of counts are √N; for N = 0 they are 1.84 counts, the one-sided 1σ limit (Gehrels 1986), not zero.

    References
    ----------
    OGIP/92-007, Arnaud, George & Tennant (1992); Gehrels (1986), ApJ 303, 336, doi:10.1086/164079.

    Examples
    --------
    >>> from analysis import xray
    >>> ulx = xray.fetch("ngc7793_ulx4_pn")
    >>> binned = xray.grouped(ulx["spectrum"], rmf=ulx["rmf"], background=ulx["background"], band=(0.5, 8))
    >>> binned.sizes["bin"]
    104
    """
    data = as_dataset(spectrum, "grouped")
    bins = channel_bins(data, grouping=grouping, min_counts=min_counts, band=band, rmf=rmf)
    if not (bins.values >= 0).any():
        raise BadOption("no channel is left by band, grouping and quality")
    behind = None if background is None else as_dataset(background, "grouped: background")
    made = _rates(data, behind, bins)
    if model_rate is not None:
        made |= _against_model(made, summed(model_rates(data, model_rate), bins))
    if rmf is not None:
        made |= _per_energy(made, channel_energies(rmf), data, bins)
    step = f"xray.grouped: {bins.attrs['grouping']}; {bins.attrs['band']}"
    attrs = {key: bins.attrs[key] for key in ("grouping", "band")}
    result = xr.Dataset(made | _channels(data, bins), attrs=attrs)
    return check(
        derived(
            result,
            data,
            title=f"{data.attrs.get('title', 'Spectrum')}, grouped",
            step=step,
            references=[OGIP],
            also=datasets(behind, model_rate, rmf),
        )
    )


def count_rate(
    data: xr.Dataset | xr.DataTree,
    *,
    background: xr.Dataset | xr.DataTree | None = None,
    band: tuple[Amount, Amount] | None = None,
    rmf: xr.Dataset | xr.DataTree | None = None,
    exposure: str | None = None,
) -> xr.Dataset:
    """Return the count rate of a spectrum or an event list, background taken off where it is given.

    Events outside the good time intervals are left out, and ``history`` says how many.

    Parameters
    ----------
    data : xarray.Dataset or xarray.DataTree
        A spectrum on ``channel`` (QUALITY is obeyed), or a tree with ``events`` and ``gti``.
    background : xarray.Dataset, optional
        Background of a spectrum; scaled by exposure, AREASCAL and BACKSCAL.
    band : (low, high), optional
        Energies in keV; for a spectrum it needs ``rmf``, and channels that overlap it count.
    rmf : xarray.Dataset, optional
        Response with the energies of the channels.
    exposure : {"gti", "header"}, optional
        For events, which time to divide by. Left out: the header's live time, or a refusal where it is longer
        than the good time intervals (the list is then a cut-out, and its rate would be too low).

    Returns
    -------
    xarray.Dataset
        ``rate`` and ``rate_error`` in ct s-1, ``exposure`` in s; ``counts`` unless the spectrum holds
        rates; with a background ``background_rate`` and ``net_rate``, each with ``_error``.

    Raises
    ------
    WrongData
        If the exposure is missing, or contradicts the good time intervals.
    BadOption
        If a background is given for events, or ``exposure`` for a spectrum.

    References
    ----------
    OGIP/92-007, Arnaud, George & Tennant (1992), *The OGIP Spectral File Format*.

    Examples
    --------
    >>> from analysis import xray
    >>> float(xray.count_rate(xray.fetch("m82_acis_events"), exposure="gti").rate.round(2))
    4.88
    """
    if isinstance(data, xr.DataTree) and not data.has_data:
        if background is not None:
            raise BadOption("count_rate takes a background for a spectrum; for events cut a region with xray.within")
        return _rate_of_events(data, band, exposure)
    if exposure is not None:
        raise BadOption("exposure= is a choice for events; a spectrum brings its own")
    spectrum = as_dataset(data, "count_rate")
    bins = channel_bins(spectrum, band=band, rmf=rmf)
    one = bins.copy(data=np.where(bins.values >= 0, 0, -1))
    if not (one.values == 0).any():
        raise BadOption(f"no channel is left in {bins.attrs['band']} after QUALITY")
    behind = None if background is None else as_dataset(background, "count_rate: background")
    made = xr.Dataset(_rates(spectrum, behind, one)).isel(bin=0)
    made["exposure"] = _variable(exposure_of(spectrum, "the spectrum"), "s", "Exposure")
    made.attrs = {"band": bins.attrs["band"], "exposure_from": "the file's EXPOSURE"}
    return _rate_labelled(made, spectrum, "", datasets(behind, rmf))


def _rate_of_events(tree: xr.DataTree, band: tuple[Amount, Amount] | None, exposure: str | None) -> xr.Dataset:
    events, gti = events_and_gti(tree, "count_rate")
    seen = seen_of(tree, events, gti)
    counted = seen.good & in_band(events, band, "count_rate")
    good = good_seconds(seen.times, events, counted if seen.times.column else None)
    said = events.attrs.get("exposure")
    if exposure not in (None, "gti", "header"):
        raise BadOption(f"exposure={exposure!r} is unknown; 'gti' or 'header'")
    if said is None and exposure == "header":
        raise WrongData("the events say no exposure; take exposure='gti'")
    if exposure is None and said is not None and float(said) > good * 1.001:
        raise WrongData(
            f"the header's exposure is {float(said):.0f} s, the good time intervals last {good:.0f} s: "
            "these events are part of an observation; choose exposure='gti' (rate of the part) or 'header'"
        )
    by_header = said is not None and exposure != "gti"
    seconds = float(said) if by_header else good  # type: ignore[arg-type]
    n = int(np.count_nonzero(counted))
    made = xr.Dataset(
        {
            "counts": _variable(n, "ct", "Counts"),
            "rate": _variable(n / seconds, "ct s-1", "Count rate"),
            "rate_error": _variable(float(poisson_error(n)) / seconds, "ct s-1", "1σ error of the count rate"),
            "exposure": _variable(seconds, "s", "Exposure"),
        }
    )
    source = "the header's EXPOSURE" if by_header else "the good time intervals"
    made.attrs = {"band": band_of(events, band), "exposure_from": source}
    remark = f"; {seen.outside} events outside the good times left out{seen.times.note}"
    return _rate_labelled(made, events, remark, [gti])


def _rate_labelled(
    made: xr.Dataset, origin: xr.Dataset, remark: str, also: Sequence[xr.Dataset | xr.DataArray]
) -> xr.Dataset:
    step = f"xray.count_rate: {made.attrs['band']}, divided by {made.attrs['exposure_from']}{remark}"
    title = titled(f"Count rate, {made.attrs['band']}", origin)
    return check(derived(made, origin, title=title, step=step, references=[OGIP], also=also))


def _rates(data: xr.Dataset, background: xr.Dataset | None, bins: xr.DataArray) -> dict[str, xr.DataArray]:
    """Counts and rates in bins, the background's scaled to the source's region."""
    made = {}
    rate, error = _rate_and_error(data, bins, 1.0, "the spectrum")
    if "counts" in data.variables:
        made["counts"] = _variable(summed(counts_of(data, "the spectrum"), bins).astype(np.int64), "ct", "Counts")
    made |= _pair("rate", rate, error, "Count rate")
    if background is not None:
        same_channels(data, background)
        used = bins.values >= 0
        ratio = region_ratio(data, background, used)
        behind, its_error = _rate_and_error(background, bins, ratio, "the background")
        made |= _pair("background_rate", behind, its_error, "Background rate in the source region")
        made |= _pair("net_rate", rate - behind, np.hypot(error, its_error), "Net count rate")
    return made


def _rate_and_error(
    data: xr.Dataset, bins: xr.DataArray, scale: np.ndarray | float, what: str
) -> tuple[np.ndarray, np.ndarray]:
    area = per_channel(data, "areascal", bins.values >= 0)
    if "counts" in data.variables:
        counts = counts_of(data, what)
        per_count = scale / (exposure_of(data, what) * area)
        total = summed(counts, bins)
        rate = summed(counts * per_count, bins)
        # a bin's own seconds per count, also where they differ from channel to channel or nothing was counted
        mean = summed(np.broadcast_to(per_count, counts.shape), bins) / summed(np.ones_like(counts), bins)
        return rate, np.where(total > 0, rate / np.sqrt(np.maximum(total, 1)), poisson_error(0) * mean)
    if "rate" not in data.variables:
        raise WrongData(f"{what} has neither 'counts' nor 'rate'")
    if "stat_error" not in data.variables:
        raise WrongData(f"{what} holds rates without 'stat_error'; an error cannot be made up for them")
    rates = in_units(data["rate"], "ct s-1").values * scale / area
    errors = in_units(data["stat_error"], "ct s-1").values * scale / area
    return summed(rates, bins), np.sqrt(summed(errors**2, bins))


def _against_model(made: dict[str, xr.DataArray], expected: np.ndarray) -> dict[str, xr.DataArray]:
    name = "net_rate" if "net_rate" in made else "rate"
    error = made[f"{name}_error"].values
    residual = np.divide(made[name].values - expected, error, out=np.full_like(error, np.nan), where=error > 0)
    found = {
        "model_rate": _variable(expected, "ct s-1", "Model rate"),
        "residual": _variable(residual, "1", "Data less model, in errors"),
    }
    if "background_rate" in made:
        both = expected + made["background_rate"].values
        found["expected_rate"] = _variable(both, "ct s-1", "Model and background rate")
    return found


def _per_energy(
    made: dict[str, xr.DataArray], energies: xr.Dataset, data: xr.Dataset, bins: xr.DataArray
) -> dict[str, xr.DataArray]:
    same_channels(data, energies)
    first, last = _ends(bins)
    low, high = energies["energy_low"].values[first], energies["energy_high"].values[last]
    found = {
        "energy_low": _variable(low, "keV", "Energy"),
        "energy_high": _variable(high, "keV", "Upper energy of the bin"),
    }
    # the width of its channels, not high less low: a bin may hold bad channels that were left out
    width = summed(energies["energy_high"].values - energies["energy_low"].values, bins)
    for name, array in made.items():
        if array.attrs["units"] == "ct s-1":
            long_name = f"{array.attrs['long_name']} per energy"
            base = name.removesuffix("_error")
            key = f"{base}_density" + ("_error" if name != base else "")
            found[key] = _variable(array.values / width, "ct s-1 keV-1", long_name)
    return found


def _channels(data: xr.Dataset, bins: xr.DataArray) -> dict[str, xr.DataArray]:
    first, last = _ends(bins)
    numbers = data["channel"].values if "channel" in data.variables else np.arange(bins.size)
    return {
        "channel_low": _variable(numbers[first] - 0.5, "1", "Channel"),
        "channel_high": _variable(numbers[last] + 0.5, "1", "Upper end in channels"),
        "first_channel": _variable(numbers[first], "1", "First channel of the bin"),
        "last_channel": _variable(numbers[last], "1", "Last channel of the bin"),
        "n_channels": _variable(summed(np.ones(bins.size), bins).astype(np.int64), "1", "Channels in the bin"),
    }


def _ends(bins: xr.DataArray) -> tuple[np.ndarray, np.ndarray]:
    used = np.flatnonzero(bins.values >= 0)
    index = bins.values[used]
    starts = np.flatnonzero(np.diff(index, prepend=-1))
    return used[starts], used[np.append(starts[1:], index.size) - 1]


def _pair(name: str, values: np.ndarray, errors: np.ndarray, long_name: str) -> dict[str, xr.DataArray]:
    return {
        name: _variable(values, "ct s-1", long_name),
        f"{name}_error": _variable(errors, "ct s-1", f"1σ error: {long_name.lower()}"),
    }


def _variable(values: np.ndarray | float, units: str, long_name: str) -> xr.DataArray:
    array = np.asarray(values)
    dims = ("bin",) if array.ndim else ()
    return labelled(xr.DataArray(array, dims=dims), "value", units=units, long_name=long_name)
