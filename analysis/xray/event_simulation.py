"""Simulated event lists: photons one by one, with their times, places and channels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analysis.errors import BadOption, BadTime, WrongData
from analysis.model import check, derived, in_units
from analysis.model.clocks import tables_held
from analysis.xray.grouping import channel_energies
from analysis.xray.inputs import Amount, amount, number
from analysis.xray.models import Array, Model, about, state, told_parameters
from analysis.xray.simulation import NOT_SIMULATED, expectation, generators, seconds
from analysis.xray.sky import position

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

LARGEST = 100_000_000  # events
CENTRE = 4096.5  # pixel of the target


def simulated_events(
    source: Model | str,
    instrument: str | xr.DataTree,
    exposure: Amount,
    *,
    target: str | SkyCoord,
    start: str = "2025-01-01",
    light_curve: xr.DataArray | None = None,
    period: Amount | None = None,
    pulse_profile: xr.DataArray | None = None,
    psf: Amount | None = None,
    king_slope: float | None = None,
    pixel: Amount | None = None,
    values: Mapping[str, float] | None = None,
    seed: int = 0,
) -> xr.DataTree:
    r"""Return the events of a point source as an instrument would list them.

    Parameters
    ----------
    source, instrument, exposure, values, seed
        As for :func:`simulated_spectrum`, with which the events agree in distribution; no background is added.
    target : str or astropy.coordinates.SkyCoord
        Where the source is: ``"148.96 69.68"`` (ICRS, degrees) or a name.
    start : str, optional
        When the observation starts, UTC. It lasts as long as the exposure, without gaps.
    light_curve : xarray.DataArray, optional
        Flux over that of the model, ≥ 0, on ``time`` in s since the start (its units say otherwise), joined by
        straight lines; it must cover the exposure. Not normalized: 2 doubles the counts.
    period, pulse_profile : optional
        Period of a pulsation, and the flux over its mean on ``phase`` from 0 to 1, ≥ 0, joined by straight lines and
        periodic; scaled to a mean of 1. Phase 0 is at the start.
    psf : value with units, optional
        Half-energy width: the diameter that holds half of the events, the same at all energies. Left out, the
        instrument's ``half_energy_width``.
    king_slope : float, optional
        β > 1 of a King profile, :math:`(1 + r^2/r_c^2)^{-\beta}`, whose core radius follows from ``psf``. Left out, a
        Gaussian.
    pixel : value with units, optional
        Size of a pixel of ``x`` and ``y``; a fifth of ``psf`` if left out.

    Returns
    -------
    xarray.DataTree
        ``events`` (``time`` in s since ``mjdref``, ``x``, ``y`` in pixels of a TAN projection with East to the left,
        ``pi``, ``energy`` in keV), ``gti``, and the responses. ``energy`` is that of the channel, spread evenly over
        its width; what the photon had before it was measured is not told.

    Raises
    ------
    BadOption
        If an option cannot be used, or the instrument says no half-energy width and none is given.
    WrongData
        If a light curve or profile is negative or does not cover the observation.
    BadTime, UnknownTarget
        If start or target cannot be read.

    References
    ----------
    Lewis & Shedler (1979), Naval Research Logistics Quarterly 26, 403 (thinning); King (1962), AJ 67, 471.

    Examples
    --------
    >>> from analysis import xray
    >>> made = xray.simulated_events("powerlaw(norm=1e-4)", "newathena_wfi", "1 ks", target="83.63 22.01", seed=2)
    >>> made["events"].sizes["event"], float(made["gti"].stop[0] - made["gti"].start[0])
    (2107, 1000.0)
    """
    expected = expectation(source, instrument, exposure, background=None, values=values)
    duration = seconds(exposure, "exposure")
    moments, channels, dither, places = generators(seed, 4)
    place = position(target)
    clock = _clock(start)
    times = _times(expected.source.sum() / duration, duration, light_curve, period, pulse_profile, moments)
    rmf = expected.nodes["rmf"]
    width = _half_energy_width(psf, rmf)
    scale = _pixel(pixel, width)
    pi, energy = _measured(expected.source, rmf, times.size, channels, dither)
    x, y = _scattered(times.size, width / 3600, king_slope, scale, places)
    made = xr.Dataset(
        {
            "time": ("event", times, {"units": "s", "long_name": "Time since mjdref"}),
            "x": ("event", x, {"units": "pixel", "long_name": "Sky x"}),
            "y": ("event", y, {"units": "pixel", "long_name": "Sky y"}),
            "pi": ("event", pi, {"units": "chan", "long_name": "Pulse-invariant channel"}),
            "energy": ("event", energy, {"units": "keV", "long_name": "Energy of the channel"}),
        }
    )
    gti = xr.Dataset(
        {
            "start": ("interval", [0.0], {"units": "s", "long_name": "Start of the good time"}),
            "stop": ("interval", [duration], {"units": "s", "long_name": "End of the good time"}),
        }
    )
    sky = {
        "wcs_ctype": ["RA---TAN", "DEC--TAN"],
        "wcs_cunit": ["deg", "deg"],
        "wcs_crpix": [CENTRE, CENTRE],
        "wcs_crval": [float(place.ra.deg), float(place.dec.deg)],
        "wcs_cdelt": [-scale, scale],
        "radecsys": "ICRS",
    }
    shape = f"{'Gaussian' if king_slope is None else f'King, slope {king_slope:g}'}, half-energy width {width:g} arcsec"
    told = {
        **clock,
        "exposure": duration,
        "ontime": duration,
        "livetime": duration,
        "tstart": 0.0,
        "tstop": duration,
        "object": target if isinstance(target, str) else str(target.to_string()),
        "psf": shape,
        "model": str(expected.source_model),
        "model_state": state(expected.source_model),
        "seed": int(seed),
    }
    told |= {key: rmf.attrs[key] for key in ("telescope", "instrument", "preset", "responses") if key in rmf.attrs}
    nodes = {
        "events": _finished(made, expected.nodes, expected.source_model, {**told, **sky}),
        "gti": _finished(gti, expected.nodes, expected.source_model, told),
    }
    nodes |= {part: expected.nodes[part] for part in ("rmf", "arf") if part in expected.nodes}
    return xr.DataTree.from_dict(nodes, name=str(rmf.attrs.get("preset", "simulated")))


def _clock(start: str) -> dict[str, Any]:
    """What dates seconds since the start of the observation, in TT."""
    from astropy.time import Time

    try:
        with tables_held():  # leap seconds of years to come are not known, and nobody is asked for them
            moment = Time(start, scale="utc").tt
            told = str(moment.utc.isot)
    except (ValueError, TypeError) as error:
        raise BadTime(f"start={start!r} is no time; write for example start='2030-01-01T12:00:00'") from error
    if moment.ndim:
        raise BadTime(f"start={start!r} is not one time")
    days = np.array([moment.jd1 - 2400000.5, moment.jd2])
    whole = np.floor(days.sum())
    return {
        "mjdref": float(days.sum()),
        "mjdref_int": int(whole),
        "mjdref_frac": float((days[0] - whole) + days[1]),
        "timesys": "TT",
        "timezero_added": 0.0,
        "date_obs": told,
    }


def _times(
    rate: float,
    duration: float,
    light_curve: xr.DataArray | None,
    period: Amount | None,
    pulse_profile: xr.DataArray | None,
    rng: np.random.Generator,
) -> Array:
    """Arrival times of a Poisson process whose rate varies, by thinning one that does not."""
    if (period is None) != (pulse_profile is None):
        raise BadOption("period= and pulse_profile= belong together; one is missing")
    slow = None if light_curve is None else _curve(light_curve, duration)
    fast = None if pulse_profile is None or period is None else _profile(pulse_profile, period)
    highest = (1.0 if slow is None else slow[1].max()) * (1.0 if fast is None else fast[2].max())
    most = rate * duration * highest
    if most > LARGEST:
        raise BadOption(f"about {most:.3g} events are expected; ask for at most {LARGEST:g}: shorten exposure=")
    times = np.sort(rng.uniform(0, duration, rng.poisson(most)))
    kept = rng.uniform(0, highest, times.size)
    flux = np.ones(times.size)
    if slow is not None:
        flux *= np.interp(times, *slow)
    if fast is not None:
        flux *= np.interp((times / fast[0]) % 1, fast[1], fast[2])
    return times[kept < flux]


def _curve(light_curve: xr.DataArray, duration: float) -> tuple[Array, Array]:
    moments, flux = _relative(light_curve, "time", "light_curve")
    if light_curve["time"].attrs.get("units"):
        moments = in_units(light_curve["time"], "s").values.astype(float)
    if moments[0] > 0 or moments[-1] < duration * (1 - 1e-12):
        raise WrongData(
            f"light_curve covers {moments[0]:g} to {moments[-1]:g} s since the start, the exposure 0 to {duration:g} s"
        )
    inside = flux[(moments >= 0) & (moments <= duration)]
    ends = np.interp([0, duration], moments, flux)
    if max(inside.max(initial=0.0), ends.max()) <= 0:
        raise WrongData("light_curve is 0 all through the exposure; there is nothing to simulate")
    return moments, flux


def _profile(pulse_profile: xr.DataArray, period: Amount) -> tuple[float, Array, Array]:
    length = amount(period, "s", "period", bare=True)
    if length <= 0:
        raise BadOption(f"period={period!r} must be more than 0 s")
    phase, flux = _relative(pulse_profile, "phase", "pulse_profile")
    if phase[0] < 0 or phase[-1] > 1:
        raise WrongData(f"pulse_profile is on phases 0 to 1, not {phase[0]:g} to {phase[-1]:g}")
    if phase[0] == 0 and phase[-1] == 1 and flux[0] != flux[-1]:
        raise WrongData(f"pulse_profile is {flux[0]:g} at phase 0 and {flux[-1]:g} at phase 1, which are one phase")
    round_ = np.r_[phase[-1] - 1, phase, phase[0] + 1], np.r_[flux[-1], flux, flux[0]]
    phases = np.unique(np.r_[0.0, phase, 1.0])
    flux = np.interp(phases, *round_)
    mean = float(np.trapezoid(flux, phases))
    if mean <= 0:
        raise WrongData("pulse_profile is 0 at all phases")
    return length, phases, flux / mean


def _relative(given: xr.DataArray, dim: str, what: str) -> tuple[Array, Array]:
    if not isinstance(given, xr.DataArray) or given.dims != (dim,) or dim not in given.coords or given.size < 2:
        held = given.dims if isinstance(given, xr.DataArray) else type(given).__name__
        raise WrongData(
            f"{what} must be a DataArray on the dim {dim!r} with its coordinate, two values or more; not {held}"
        )
    across = given[dim].values
    if across.dtype.kind not in "fiu":
        raise WrongData(f"{what} is on {dim} as numbers, not {across.dtype}")
    across, flux = across.astype(float), given.values.astype(float)
    if not (np.isfinite(across).all() and (np.diff(across) > 0).all()):
        raise WrongData(f"{what} must be on increasing numbers of {dim}")
    if not (np.isfinite(flux).all() and (flux >= 0).all()):
        raise WrongData(f"{what} must be ≥ 0 and finite everywhere")
    return across, flux


def _half_energy_width(psf: Amount | None, rmf: xr.Dataset) -> float:
    """In arcsec."""
    if psf is None:
        if "half_energy_width_arcsec" not in rmf.attrs:
            raise BadOption("the instrument says no half-energy width; give psf=, for example psf='15 arcsec'")
        return float(rmf.attrs["half_energy_width_arcsec"])
    found = amount(psf, "arcsec", "psf")
    if found < 0:
        raise BadOption(f"psf={psf!r} must not be negative")
    return found


def _pixel(pixel: Amount | None, width: float) -> float:
    """In degrees."""
    found = (width / 5 or 1.0) if pixel is None else amount(pixel, "arcsec", "pixel")
    if found <= 0:
        raise BadOption(f"pixel={pixel!r} must be more than 0")
    return found / 3600


def _measured(
    expected: Array, rmf: xr.Dataset, n: int, channels: np.random.Generator, dither: np.random.Generator
) -> tuple[Array, Array]:
    """Channel of each event, and an energy within it."""
    if n and not expected.sum() > 0:
        raise WrongData("the model expects no counts at all")
    cumulative = np.cumsum(expected)
    row = np.searchsorted(cumulative, channels.uniform(0, cumulative[-1], n), side="right") if n else np.zeros(0, int)
    row = np.minimum(row, expected.size - 1)
    energies = channel_energies(rmf)
    low, high = energies["energy_low"].values[row], energies["energy_high"].values[row]
    return rmf["channel"].values[row], low + (high - low) * dither.random(n)


def _scattered(
    n: int, width: float, king_slope: float | None, scale: float, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Pixels of events about the target: the radius by the share of the profile within it."""
    share = rng.random(n)
    if king_slope is None:
        radius = width / 2 * np.sqrt(-np.log1p(-share) / np.log(2))
    else:
        slope = number(king_slope, "king_slope")
        if slope <= 1:
            raise BadOption(f"king_slope={king_slope!r} must be more than 1: a flatter profile holds no finite light")
        core = width / 2 / np.sqrt(2 ** (1 / (slope - 1)) - 1)
        radius = core * np.sqrt((1 - share) ** (1 / (1 - slope)) - 1)
    angle = rng.uniform(0, 2 * np.pi, n)
    return CENTRE + radius * np.cos(angle) / scale, CENTRE + radius * np.sin(angle) / scale


def _finished(data: xr.Dataset, nodes: Mapping[str, xr.Dataset], source: Model, told: Mapping[str, Any]) -> xr.Dataset:
    rmf = nodes["rmf"]
    kind = " (parametric response)" if rmf.attrs.get("responses") == "parametric" else ""
    who = " ".join(str(rmf.attrs[key]) for key in ("telescope", "instrument") if rmf.attrs.get(key)) or "instrument"
    paper = [text for text in [about(source).get("references")] if text]
    made = derived(
        data,
        rmf,
        title=f"Simulated events, {who}{kind}: {source}, {told['exposure']:g} s",
        step=f"xray.simulated_events: {told_parameters(source)}; seed {told['seed']}; {told['psf']}",
        references=paper,
        also=list(nodes.values()),
    )
    caveats = "\n".join(text for text in (made.attrs.get("caveats"), NOT_SIMULATED) if text)
    return check(made.assign_attrs({**made.attrs, **told, "caveats": caveats, "synthetic": "true"}))
