"""Power spectra given by formulae, and random light curves that have them."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.model import in_units
from analysis.xray.inputs import Amount, amount
from analysis.xray.segmenting import positive

BELLONI_2002 = "Belloni, Psaltis & van der Klis (2002), ApJ 572, 392, doi:10.1086/340290"
MOST_STEPS = 50_000_000
LONGER = 4  # the light curve is made so many times longer than asked for, so that slow variations leak into it


def lorentzian_power(
    frequency: xr.DataArray | None = None, *, centroid: Amount = 0.0, width: Amount, rms: float
) -> xr.DataArray:
    r"""Return the power of a Lorentzian, a QPO or (at centroid 0) band-limited noise, in (rms/mean)² per Hz.

    Parameters
    ----------
    frequency : xarray.DataArray, optional
        Where, in Hz. Left out, 4,000 values up to the centroid and ten widths.
    centroid, width : float or value with units
        ν0 and the full width at half maximum, 2Δ; bare numbers are in Hz.
    rms : float
        The integral over all positive frequencies is its square; as a fraction of the mean.

    Returns
    -------
    xarray.DataArray
        ``power`` (Hz-1) on ``frequency``: :math:`P = \frac{r^2 \Delta}{\pi/2 + \arctan(\nu_0/\Delta)}
        \frac{1}{\Delta^2 + (\nu - \nu_0)^2}`.

    Raises
    ------
    BadOption
        If the width is not positive, or centroid or rms is negative.

    References
    ----------
    Belloni, Psaltis & van der Klis (2002), ApJ 572, 392, eq. 1 and 2, normalized to positive frequencies.

    Examples
    --------
    >>> qpo = lorentzian_power(centroid="2 Hz", width="0.5 Hz", rms=0.2)
    >>> float(qpo.idxmax().round(2)), qpo.attrs["units"]
    (2.0, 'Hz-1')
    """
    what = "lorentzian_power"
    half = positive(width, "Hz", what, "width") / 2
    middle, share = amount(centroid, "Hz", "centroid", bare=True), amount(rms, "1", "rms", bare=True)
    if middle < 0 or share < 0:
        raise BadOption(f"lorentzian_power: centroid={centroid!r} and rms={rms!r} must not be negative")
    if frequency is None:
        values = np.linspace(0, middle + 20 * half, 4001)[1:]
    else:
        values = in_units(frequency, "Hz").values.astype(float)
    power = share**2 * half / (np.pi / 2 + np.arctan(middle / half)) / (half**2 + (values - middle) ** 2)
    axis = ("frequency", values, {"units": "Hz", "long_name": "Frequency"})
    attrs = {"units": "Hz-1", "long_name": "Power, fractional", "synthetic": "true", "references": BELLONI_2002}
    return xr.DataArray(power, dims="frequency", coords={"frequency": axis}, name="power", attrs=attrs)


def random_fractions(
    random: np.random.Generator, frequency: np.ndarray, density: np.ndarray, step: float, length: float
) -> np.ndarray:
    """Timmer & König: (rate - mean)/mean in steps, the beginning of a curve that is longer by a factor."""
    from scipy.fft import irfft, next_fast_len

    wanted = int(np.ceil(length / step)) + 1
    if wanted * LONGER > MOST_STEPS:
        raise BadOption(
            f"variable_events: {length:g} s in steps of {step:g} s are too many; give fewer seconds, a power that "
            "ends at a lower frequency, or a longer bin_size="
        )
    size = next_fast_len(wanted * LONGER, real=True)
    spacing = 1 / (size * step)
    grid = np.arange(size // 2 + 1) * spacing
    power = np.interp(grid, frequency, density, left=0.0, right=0.0)
    # one-sided power P: the k-th term has the variance P df, half of it in each of the two normal numbers
    parts = random.normal(size=(2, grid.size)) * np.sqrt(power * spacing / 4) * size
    parts[:, 0] = 0
    return irfft(parts[0] + 1j * parts[1], size)[:wanted]


def checked_power(power: xr.DataArray) -> tuple[np.ndarray, np.ndarray]:
    if not isinstance(power, xr.DataArray) or power.dims != ("frequency",) or "frequency" not in power.coords:
        raise WrongData(
            "variable_events needs a power as a DataArray on 'frequency', as xray.lorentzian_power gives it"
        )
    frequency, density = in_units(power["frequency"], "Hz").values.astype(float), in_units(power, "Hz-1").values
    if frequency.size < 2 or not (np.diff(frequency) > 0).all() or frequency[0] < 0:
        raise WrongData("variable_events: the power's frequencies must rise from 0 or above")
    if not (np.isfinite(density) & (density >= 0)).all():
        raise WrongData("variable_events: the power must be a number ≥ 0 at every frequency")
    return frequency, density.astype(float)
