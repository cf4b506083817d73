"""Statistics of unbinned phases at one frequency: Z² and H."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.model import check, derived
from analysis.xray.chances import H_SLOPE, log_chi_squared
from analysis.xray.inputs import Amount, datasets, titled
from analysis.xray.rotations import (
    harmonic_sums,
    on,
    phase_of,
    pulses,
    refuse_beyond_frames,
    rotation_attrs,
    rotation_of,
    rotation_told,
    whole_number,
)

BUCCHERI = "Buccheri et al. (1983), A&A 128, 245"
DE_JAGER = "de Jager, Raubenheimer & Swanepoel (1989), A&A 221, 180"
BUSCHING = "de Jager & Büsching (2010), A&A 517, L9, doi:10.1051/0004-6361/201014362"
MOST_HARMONICS = 100


def z_squared(
    events: xr.DataTree,
    frequency: Amount,
    *,
    frequency_derivative: Amount = 0.0,
    epoch: Amount | None = None,
    harmonics: int = 2,
    band: tuple[Amount, Amount] | None = None,
) -> xr.Dataset:
    r"""Return the Rayleigh statistics :math:`Z^2_n` of the unbinned phases at one frequency, for n harmonics.

    Parameters
    ----------
    events, frequency, frequency_derivative, epoch
        As for :func:`pulse_phases`.
    harmonics : int
        The most harmonics, 1 to 100.
    band : (low, high), optional
        Events with low ≤ energy < high, in keV.

    Returns
    -------
    xarray.Dataset
        On ``harmonic`` (1 … n): ``z_squared``, summed up to this harmonic; ``log_probability``, natural
        logarithm of the chance of so much without pulsations, one trial (χ² of 2n degrees of freedom); and
        ``amplitude`` and ``peak_phase`` of this harmonic alone: :math:`1 + a_k \cos 2\pi k (\varphi - \varphi_k)`.

    Raises
    ------
    BadOption, OutsideCoverage
        If an option cannot be, or no event is left.

    Notes
    -----
    The chance holds if good time is spread evenly over phases; ``xray.pulse_search`` says how far it is.

    References
    ----------
    Buccheri et al. (1983), A&A 128, 245, eq. 2.

    Examples
    --------
    >>> from analysis import xray
    >>> pulsar = xray.pulsed_events("20 ct/s", "2 Hz", gti=[(0, 500)], pulsed_fraction=0.3, seed=1)
    >>> bool(xray.z_squared(pulsar, "2 Hz").z_squared[0] > 300)  # about N p²/2 + 2 = 452
    True
    """
    what = "z_squared"
    number = whole_number(harmonics, "harmonics", 1, MOST_HARMONICS)
    spin, slowing = rotation_of(frequency, frequency_derivative, what)
    held = pulses(events, what, epoch=epoch, band=band)
    refuse_beyond_frames(held.listed, spin, what)
    order = np.arange(1, number + 1)
    sums = harmonic_sums(phase_of(held.times, spin, slowing), number) / held.times.size
    summed = 2 * held.times.size * np.cumsum(np.abs(sums) ** 2)
    chances = [float(log_chi_squared(np.array(z), 2 * int(n))) for n, z in zip(order, summed, strict=True)]
    made = xr.Dataset(
        {
            "z_squared": on("harmonic", summed, "1", "Z², summed up to the harmonic"),
            "log_probability": on("harmonic", np.array(chances), "1", "ln P of as large a Z² by chance, one trial"),
            "amplitude": on("harmonic", 2 * np.abs(sums), "1", "Semi-amplitude of the harmonic over the mean"),
            "peak_phase": on(
                "harmonic", np.angle(sums) / (2 * np.pi * order) % (1 / order), "1", "Phase of the harmonic's maximum"
            ),
        },
        coords={"harmonic": on("harmonic", order, "1", "Harmonic")},
        attrs=rotation_attrs(spin, slowing, held),
    )
    step = f"xray.z_squared: {number} harmonics, {rotation_told(spin, slowing, held)}"
    title = titled("Z²", held.listed)
    return check(
        derived(made, held.listed, title=title, step=step, references=[BUCCHERI], also=datasets(held.intervals))
    )


def h_test(
    events: xr.DataTree,
    frequency: Amount,
    *,
    frequency_derivative: Amount = 0.0,
    epoch: Amount | None = None,
    harmonics: int = 20,
    band: tuple[Amount, Amount] | None = None,
) -> xr.Dataset:
    r"""Return the H statistic of the unbinned phases at one frequency, :math:`\max_n (Z^2_n - 4n + 4)`.

    Parameters
    ----------
    events, frequency, frequency_derivative, epoch, band
        As for :func:`z_squared`.
    harmonics : int
        The most harmonics; 20 in the definition.

    Returns
    -------
    xarray.Dataset
        ``h``, ``harmonics`` (the number that gave it), ``log_probability``, natural logarithm of the chance of so
        much without pulsations, one trial: -0.4 H (simulated up to H = 70).

    Raises
    ------
    BadOption, OutsideCoverage
        If an option cannot be, or no event is left.

    References
    ----------
    de Jager, Raubenheimer & Swanepoel (1989), A&A 221, 180; de Jager & Büsching (2010), A&A 517, L9.

    Examples
    --------
    >>> from analysis import xray
    >>> pulsar = xray.pulsed_events("20 ct/s", "2 Hz", gti=[(0, 500)], pulsed_fraction=0.3, seed=1)
    >>> bool(xray.h_test(pulsar, "2 Hz").h > 300)
    True
    """
    what = "h_test"
    number = whole_number(harmonics, "harmonics", 1, MOST_HARMONICS)
    spin, slowing = rotation_of(frequency, frequency_derivative, what)
    held = pulses(events, what, epoch=epoch, band=band)
    refuse_beyond_frames(held.listed, spin, what)
    powers = 2 / held.times.size * np.abs(harmonic_sums(phase_of(held.times, spin, slowing), number)) ** 2
    each = np.cumsum(powers) - 4 * np.arange(number)
    best, statistic = int(np.argmax(each)) + 1, float(each.max())
    made = xr.Dataset(
        {
            "h": ((), statistic, {"units": "1", "long_name": "H"}),
            "harmonics": ((), best, {"units": "1", "long_name": "Harmonics that gave it"}),
            "log_probability": (
                (),
                min(0.0, -H_SLOPE * statistic),
                {"units": "1", "long_name": "ln P of as large an H by chance, one trial"},
            ),
        },
        attrs=rotation_attrs(spin, slowing, held),
    )
    step = f"xray.h_test: up to {number} harmonics, {rotation_told(spin, slowing, held)}"
    references = [DE_JAGER, BUSCHING]
    title = titled("H test", held.listed)
    return check(
        derived(made, held.listed, title=title, step=step, references=references, also=datasets(held.intervals))
    )
