"""A solar wind made by formula, to try methods on an answer that is known."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.errors import BadOption
from analysis.model import stamp, utc
from analysis.plasma.inputs import is_number, whole_number
from analysis.plasma.parameters import BOLTZMANN, MU0, PROTON_MASS
from analysis.plasma.synthetic_fields import seeded
from analysis.plasma.vectors import component_labels

if TYPE_CHECKING:
    from analysis.model.clocks import Instant

PARKER = "Parker, Astrophys. J. 128, 664 (1958), doi:10.1086/146579"
BELCHER = "Belcher & Davis, J. Geophys. Res. 76, 3534 (1971), doi:10.1029/JA076i016p03534"
SUN_TURN = 2.865e-6  # rad/s: sidereal, 25.38 days
ASTRONOMICAL_UNIT = 1.495978707e8  # km


def synthetic_wind(
    start: Instant = "2030-01-01",
    *,
    samples: int = 2880,
    step: float = 60.0,
    distance: float = 1.0,
    speed: float = 400.0,
    density: float = 5.0,
    temperature: float = 1e5,
    field: float = 5.0,
    polarity: int = 1,
    outward: float = 0.8,
    amplitude: float = 0.4,
    slope: float = -5 / 3,
    seed: int = 1,
) -> xr.Dataset:
    r"""Return a synthetic solar wind: Alfvénic fluctuations of known cross helicity and spectrum about a Parker spiral.

    Two Gaussian fields across the mean field, :math:`z_{out}` and :math:`z_{in}`, uncorrelated and each with power
    :math:`\propto f^{\gamma}`, make :math:`\delta v = (z^+ + z^-)/2` and :math:`\delta b = (z^+ - z^-)/2`. Their
    energies are set so that :math:`(E_{out} - E_{in})/(E_{out} + E_{in})` is ``outward``. Density and temperature are
    constant.

    Parameters
    ----------
    start : time, optional
        UTC of the first sample.
    samples, step : int, float, optional
        How many, and seconds between them.
    distance, speed : float, optional
        From the Sun in au, and of the wind in km/s: they set the spiral's angle,
        :math:`\tan\psi = \Omega r / V`.
    density, temperature, field : float, optional
        cm-3, K (protons and electrons each), and nT (the mean field's strength).
    polarity : {1, -1}, optional
        Mean field away from the Sun or towards it.
    outward : float, optional
        -1 to 1: normalised cross helicity counted outward, 1 for waves that all leave the Sun.
    amplitude : float, optional
        Root mean square of :math:`\delta b` over the mean field, above 0.
    slope : float, optional
        Power law of the trace spectra, -3 to 0.
    seed : int, optional
        The same seed gives the same wind.

    Returns
    -------
    xarray.Dataset
        ``b`` (nT), ``v`` (km s-1) with dims ``time, component`` in RTN, ``density`` (cm-3), ``temperature`` (K, of
        protons). ``attrs["synthetic"]`` says that it is made up, ``attrs["truth"]`` (JSON) with which numbers:
        among them ``cross_helicity`` (that of :func:`alfvenicity`, -``polarity`` × ``outward``), ``slope`` and
        ``beta`` of the protons in the mean field.

    Raises
    ------
    BadOption
        If a number is none, or out of its range.
    BadTime
        If the start cannot be read.

    References
    ----------
    Parker, Astrophys. J. 128, 664 (1958), doi:10.1086/146579.
    Belcher & Davis, J. Geophys. Res. 76, 3534 (1971), doi:10.1029/JA076i016p03534.

    Examples
    --------
    >>> wind = synthetic_wind(samples=1000, outward=1.0)
    >>> json.loads(wind.attrs["truth"])["cross_helicity"], wind.b.attrs["frame"]
    (-1.0, 'RTN')
    """
    numbers = dict(
        step=step, distance=distance, speed=speed, density=density, temperature=temperature, field=field,
        amplitude=amplitude,
    )  # fmt: skip
    for name, value in numbers.items():
        if not is_number(value) or not 0 < value < np.inf:
            raise BadOption(f"{name}={value!r} is not a number above zero")
    samples = whole_number(samples, "samples", 16)
    if step < 1e-9 or samples * step > 1e9:
        raise BadOption(f"step={step!r} s makes no times: at least a nanosecond, and some decades in all")
    random = seeded(seed)
    distance, speed, density, temperature, field, amplitude = map(
        float, (distance, speed, density, temperature, field, amplitude)
    )
    if polarity not in (1, -1):
        raise BadOption(f"polarity={polarity!r} is neither 1 (field away from the Sun) nor -1 (towards it)")
    if not is_number(outward) or not -1 <= outward <= 1:
        raise BadOption(f"outward={outward!r} is not a number from -1 to 1")
    if not is_number(slope) or not -3 <= slope <= 0:
        raise BadOption(f"slope={slope!r} is not a number from -3 to 0")
    spiral = np.arctan(SUN_TURN * distance * ASTRONOMICAL_UNIT / speed)
    along = polarity * np.array([np.cos(spiral), -np.sin(spiral), 0.0])
    alfven = field * 1e-9 / np.sqrt(MU0 * PROTON_MASS * density * 1e6) * 1e-3  # km/s
    outgoing, incoming = (_across(random, samples, slope, along) for _ in range(2))
    incoming = incoming - np.mean(np.sum(incoming * outgoing, axis=1)) * outgoing  # no chance correlation
    incoming /= np.sqrt(np.mean(np.sum(incoming**2, axis=1)))
    total = 2 * amplitude * alfven  # root of E+ + E-, for the field's part is their quarter
    outgoing, incoming = (
        total * np.sqrt((1 + sign * outward) / 2) * wave for sign, wave in ((1, outgoing), (-1, incoming))
    )
    plus, minus = (incoming, outgoing) if polarity == 1 else (outgoing, incoming)  # away: outward waves are v = -b
    b = field * along + (plus - minus) / 2 / alfven * field
    v = np.array([speed, 0.0, 0.0]) + (plus + minus) / 2
    time = utc(start) + np.round(np.arange(samples) * step * 1e9).astype("timedelta64[ns]")
    vectors = {"frame": "RTN", "synthetic": "true"}
    data = xr.Dataset(
        {
            "b": (("time", "component"), b, {"units": "nT", "long_name": "Magnetic field", **vectors}),
            "v": (("time", "component"), v, {"units": "km s-1", "long_name": "Proton velocity", **vectors}),
            "density": _constant(density, samples, "cm-3", "Proton density"),
            "temperature": _constant(temperature, samples, "K", "Proton temperature"),
        },
        {"time": ("time", time, {"long_name": "Time (UTC)"}), "component": component_labels("rtn")},
    )
    pressure = density * 1e6 * BOLTZMANN * temperature
    truth = {
        "cross_helicity": -polarity * float(outward),
        "residual_energy": 0.0,
        "slope": float(slope),
        "amplitude": float(amplitude),
        "alfven_speed_km_s": alfven,
        "spiral_angle_deg": float(np.degrees(spiral)),
        "beta": pressure / ((field * 1e-9) ** 2 / (2 * MU0)),
        "seed": int(seed),
    }
    data.attrs |= {"synthetic": "true", "truth": json.dumps(truth)}
    return stamp(
        data,
        title="Synthetic solar wind",
        institution="made by formula",
        source="plasma.synthetic_wind",
        references=[PARKER, BELCHER],
        license="CC0",
        history=[f"plasma.synthetic_wind(outward={outward}, polarity={polarity}, slope={slope:.4g}, seed={seed})"],
        provenance={"query": {"function": "plasma.synthetic_wind", "truth": truth}},
    )


def _constant(value: float, samples: int, units: str, label: str) -> tuple[str, np.ndarray, dict[str, str]]:
    return "time", np.full(samples, float(value)), {"units": units, "long_name": label, "synthetic": "true"}


def _across(random: np.random.Generator, samples: int, slope: float, along: np.ndarray) -> np.ndarray:
    """Return noise with a power law, across a direction, of mean zero and mean square one."""
    frequency = np.fft.rfftfreq(samples)
    spectrum = random.normal(size=(3, frequency.size)) + 1j * random.normal(size=(3, frequency.size))
    spectrum[:, 1:] *= frequency[1:] ** (slope / 2)
    spectrum[:, 0] = 0
    noise = np.fft.irfft(spectrum, samples).T
    noise = noise - np.outer(noise @ along, along)
    return noise / np.sqrt(np.mean(np.sum(noise**2, axis=1)))
