"""Variability against energy: rms, covariance and lag spectra in a range of Fourier frequencies."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import xarray as xr

from analysis.errors import AnalysisWarning, BadOption, OutsideCoverage
from analysis.model import check, derived, in_units
from analysis.xray.crossing import INGRAM, crossed
from analysis.xray.inputs import Amount, amount, datasets, events_and_gti, limits, named_band, titled, variable
from analysis.xray.intervals import inside
from analysis.xray.lagging import FEW
from analysis.xray.normalizing import STINGRAY, UTTLEY, attrs_of, frequency_range, noise_of
from analysis.xray.segmenting import Pieces, event_times, pieces, quiet

WILKINSON = "Wilkinson & Uttley (2009), MNRAS 397, 666, doi:10.1111/j.1365-2966.2009.15008.x"
MOST_BANDS = 200


def lag_energy_spectrum(
    events: xr.DataTree,
    energies: Sequence[Amount] | xr.DataArray,
    *,
    bin_size: Amount,
    segment: Amount,
    frequencies: tuple[Amount, Amount],
    reference_band: tuple[Amount, Amount],
) -> xr.Dataset:
    r"""Return time lag, rms and covariance of bands of energy against a reference band, in a range of frequencies.

    Parameters
    ----------
    events : xarray.DataTree
        With the nodes ``events`` (``time``, ``energy``) and ``gti``.
    energies : sequence of n + 1 values
        Edges of the bands, rising; bare numbers are in keV.
    bin_size, segment
        As for :func:`analysis.xray.power_spectrum`.
    frequencies : (low, high)
        Fourier frequencies averaged over; bare numbers are in Hz.
    reference_band : (low, high)
        In keV. The photons of a band are taken out of its reference, so that no noise is shared.

    Returns
    -------
    xarray.Dataset
        On ``energy``: ``time_lag`` (s) and ``phase_lag`` (rad), **positive where the band comes after the
        reference**; ``rms`` and ``covariance`` as fractions of the band's mean rate; each with ``…_error``; and
        ``rate``. NaN where noise prevails.

    Raises
    ------
    BadOption
        If energies do not rise, or a band and the reference are the same photons.
    OutsideCoverage
        If no frequency lies in the range, or a band has no event.

    Notes
    -----
    :math:`cov = |\bar C| \sqrt{\Delta\nu / (\bar P_{ref} - N_{ref})}`. Errors of rms and covariance hold the noise of
    counting alone, as is right to compare energies that vary together; the lag's is that of
    :func:`analysis.xray.cross_spectrum`. Covariance is |C|, with the bias of its square taken off.

    References
    ----------
    Wilkinson & Uttley (2009), MNRAS 397, 666; Uttley et al. (2014), A&A Rev. 22, 72, sect. 2; Ingram (2019).

    Examples
    --------
    >>> from analysis import xray
    >>> shape = xray.lorentzian_power(centroid="2 Hz", width="1 Hz", rms=0.3)
    >>> both = xray.variable_events("800 ct/s", shape, gti=[(0, 512)], hard_lag="20 ms", seed=3)
    >>> found = xray.lag_energy_spectrum(
    ...     both, [2, 4, 10], bin_size=0.05, segment=8, frequencies=(1.5, 2.5), reference_band=(0.5, 2))
    >>> bool((abs(found.time_lag - 0.02) < 0.004).all())
    True
    """
    what = "lag_energy_spectrum"
    edges = _edges(energies)
    low, high = frequency_range(frequencies, what)
    start, stop = limits(reference_band)
    cut = pieces(events, what, bin_size=bin_size, segment=segment, band=reference_band)
    listed, gti = events_and_gti(events, what)
    times, energy = event_times(listed, what), in_units(variable(listed, "energy", what), "keV").values
    good = inside(gti, times)
    order = np.argsort(times, kind="stable")
    order = order[good[order]]
    times, energy = times[order], energy[order]
    table = np.full((9, edges.size - 1), np.nan)
    for index, (bottom, top) in enumerate(pairwise(edges)):
        mine = (energy >= bottom) & (energy < top)
        others = (energy >= start) & (energy < stop) & ~mine
        if not mine.any() or not others.any():
            raise OutsideCoverage(
                f"{what}: {bottom:g}-{top:g} keV has {int(mine.sum())} events and its reference {int(others.sum())}"
            )
        table[:, index] = _one(
            replace(cut, times=times[mine]), replace(cut, times=times[others]), low, high, f"{bottom:g}-{top:g} keV"
        )
    labels = (
        ("time_lag", "s", "Time lag, positive: the band comes after the reference"),
        ("time_lag_error", "s", "1σ error of the time lag"),
        ("phase_lag", "rad", "Phase lag, positive: the band comes after the reference"),
        ("phase_lag_error", "rad", "1σ error of the phase lag"),
        ("rms", "1", "Fractional rms"),
        ("rms_error", "1", "1σ error of the fractional rms, from counting"),
        ("covariance", "1", "Fractional covariance with the reference"),
        ("covariance_error", "1", "1σ error of the covariance, from counting"),
        ("rate", "ct s-1", "Count rate of the band"),
    )
    kev = {"units": "keV", "long_name": "Energy"}
    made = xr.Dataset(
        {
            name: ("energy", row, {"units": units, "long_name": label})
            for (name, units, label), row in zip(labels, table, strict=True)
        },
        coords={
            "energy": ("energy", (edges[:-1] + edges[1:]) / 2, kev),
            "energy_low": ("energy", edges[:-1], kev | {"long_name": "Lower edge of the band"}),
            "energy_high": ("energy", edges[1:], kev | {"long_name": "Upper edge of the band"}),
        },
        attrs=attrs_of(cut, len(cut.starts))
        | {"band": named_band((edges[0], edges[-1])), "reference_band": named_band(reference_band)}
        | {"frequency_low": low, "frequency_high": high, "frequency_units": "Hz"},
    )
    step = f"xray.lag_energy_spectrum: {edges.size - 1} bands, {low:g} to {high:g} Hz, {len(cut.starts)} segments of "
    step += f"{cut.length:g} s, reference {named_band(reference_band)} without the band's own photons; {cut.note}"
    title = titled("Variability against energy", listed)
    references = [UTTLEY, WILKINSON, INGRAM, STINGRAY]
    return check(derived(made, listed, title=title, step=step, references=references, also=datasets(gti)))


def _edges(energies: Sequence[Amount] | xr.DataArray) -> np.ndarray:
    if isinstance(energies, xr.DataArray):
        values = in_units(energies, "keV").values.astype(float).ravel()
    elif isinstance(energies, str) or not hasattr(energies, "__len__"):
        raise BadOption(f"energies={energies!r} are no edges of bands, such as [0.5, 1, 2, 10] in keV")
    else:
        values = np.array([amount(value, "keV", "energies", bare=True) for value in energies])
    if not 2 <= values.size <= MOST_BANDS + 1 or not (np.diff(values) > 0).all() or values[0] < 0:
        raise BadOption(f"energies={energies!r} must be 2 to {MOST_BANDS + 1} edges in keV that rise from 0 or above")
    return values


def _one(band: Pieces, reference: Pieces, low: float, high: float, name: str) -> tuple[float, ...]:
    """Lag, rms and covariance of one band, in the order of the table."""
    from stingray.fourier import bias_term, cross_to_covariance, error_on_averaged_cross_spectrum

    found = crossed(band, reference, "absolute")
    frequency = found["frequency"]
    taken = (frequency >= low) & (frequency < high)
    if not taken.any():
        raise OutsideCoverage(
            f"lag_energy_spectrum: no frequency lies in {low:g} to {high:g} Hz; they go from {frequency[0]:g} to "
            f"{frequency[-1]:g} Hz in steps of {1 / band.length:g} Hz"
        )
    m = float(found["segments"]) * int(taken.sum())
    if m < FEW:
        warnings.warn(
            f"lag_energy_spectrum: {m:.0f} powers are averaged; errors are sound for {FEW} or more",
            AnalysisWarning,
            stacklevel=4,
        )
    cross = found["cross"][taken].mean()
    power, other = (float(found[key][taken].mean()) for key in ("power", "reference_power"))
    rate, other_rate = float(found["rate"]), float(found["reference_rate"])
    noise, other_noise = float(noise_of("absolute", rate)), float(noise_of("absolute", other_rate))
    spread = taken.sum() / band.length
    # where the cross spectrum's power is, stingray's weighting for the frequency of a phase
    weight = np.abs(found["cross"][taken])
    middle = float((frequency[taken] * weight).sum() / weight.sum())
    with quiet():
        phase_error = float(error_on_averaged_cross_spectrum(cross, power, other, m, noise, other_noise)[2])
        bias = float(bias_term(power, other, noise, other_noise, m))
        size = np.sqrt(max(np.abs(cross) ** 2 - bias, 0.0))
        covariance = float(np.real(cross_to_covariance(size, other, other_noise, spread)))
    signal, other_signal = power - noise, other - other_noise
    phase = float(np.angle(cross))
    if not np.isfinite(phase_error):
        phase = phase_error = np.nan
    rms = np.sqrt(signal * spread) if signal > 0 else np.nan
    # noise alone: of a power, (2 P_s N + N²)/m (van der Klis 1989); of a covariance, Wilkinson & Uttley 2009
    rms_error = np.sqrt((2 * max(signal, 0.0) * noise + noise**2) / m) * spread / (2 * rms)
    shared = (covariance**2 / spread) * other_noise + other_signal * noise + noise * other_noise
    covariance_error = np.sqrt(shared * spread / (2 * m * other_signal)) if other_signal > 0 else np.nan
    if not other_signal > 0 or not covariance > 0:
        covariance = np.nan
    scale = 1 / (2 * np.pi * middle)
    return (
        phase * scale, phase_error * scale, phase, phase_error, rms / rate, rms_error / rate,
        covariance / rate, covariance_error / rate, rate,
    )  # fmt: skip
