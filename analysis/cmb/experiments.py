"""Experiments whose noise is known: their channels, and the noise spectrum that these have together."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.cmb.origins import synthetic_attrs
from analysis.cmb.theory import checked_multipole
from analysis.errors import BadOption, WrongData
from analysis.model import check, derived, in_units, labelled, stamp

if TYPE_CHECKING:
    from numpy.typing import NDArray

ARCMIN = np.pi / 180 / 60
PLANCK_1 = "Planck Collaboration I 2020, A&A 641, A1, doi:10.1051/0004-6361/201833880 (Table 4)"
SO_PAPER = "Simons Observatory Collaboration 2019, JCAP 02, 056, doi:10.1088/1475-7516/2019/02/056 (Tables 1, 2)"
LITEBIRD_PAPER = "LiteBIRD Collaboration 2023, PTEP 2023, 042F01, doi:10.1093/ptep/ptac150"
DEGREE = 60.0  # arcmin: Planck's table gives µK deg
PRESETS: dict[str, dict] = {
    "litebird": {"sky_fraction": 0.495, "lmin": 2, "source": LITEBIRD_PAPER},
    "planck": {
        "sky_fraction": 0.5,
        "lmin": 2,
        "source": PLANCK_1,
        "frequency": (28.4, 44.1, 70.4, 100, 143, 217, 353),
        "sensitivity": tuple(DEGREE * s for s in (3.5, 4.0, 5.0, 1.96, 1.17, 1.75, 7.31)),
        "beam": (32.29, 27.94, 13.08, 9.66, 7.22, 4.90, 4.92),
        "caveats": "White noise only; half of the sky as in Tristram et al. 2021, A&A 647, A128.",
    },
    "so_sat": {
        "sky_fraction": 0.1,
        "lmin": 30,
        "source": SO_PAPER,
        "frequency": (27, 39, 93, 145, 225, 280),
        "sensitivity": tuple(2**0.5 * s for s in (35, 21, 2.6, 3.3, 6.3, 16)),
        "beam": (91, 63, 30, 17, 11, 9),
        "knee": (30, 30, 50, 50, 70, 100),
        "slope": (-2.4, -2.4, -2.5, -3, -3, -3),
        "caveats": "Baseline white noise and pessimistic 1/f noise; polarization is temperature noise times √2.",
    },
}


def experiment_channels(experiment: str) -> xr.Dataset:
    """Return the channels of an experiment: beams, sensitivities and, from the ground, 1/f noise.

    Parameters
    ----------
    experiment : {"litebird", "planck", "so_sat"}
        LiteBIRD's 22 channels; Planck's seven polarized bands as achieved; the small telescopes of the Simons
        Observatory as planned in 2019.

    Returns
    -------
    xarray.Dataset
        Dim ``channel_name``, coordinate ``frequency`` (GHz): ``polarization_sensitivity`` (uK arcmin), ``beam``
        (FWHM, arcmin) and for so_sat ``knee_multipole``, ``knee_slope``; attrs ``sky_fraction`` and ``lmin``,
        those of the paper.

    Raises
    ------
    BadOption
        For another name; the message lists the nearest.

    References
    ----------
    LiteBIRD Collaboration 2023, PTEP 2023, 042F01; Planck Collaboration I 2020, A&A 641, A1, Table 4; Tristram
    et al. 2021, A&A 647, A128 (sky fraction); Simons Observatory Collaboration 2019, JCAP 02, 056, Tables 1, 2.

    Examples
    --------
    >>> experiment_channels("planck").sizes["channel_name"]
    7
    """
    name = str(experiment).lower()
    if name not in PRESETS:
        near = difflib.get_close_matches(name, PRESETS, n=1) or sorted(PRESETS)
        raise BadOption(f"experiment={experiment!r} is unknown; there is {', '.join(near)}, or give its channels")
    preset = PRESETS[name]
    facts = {"sky_fraction": preset["sky_fraction"], "lmin": preset["lmin"]}
    if name == "litebird":
        from analysis import cmb

        shipped = cmb.fetch("litebird_channels")
        assert isinstance(shipped, xr.Dataset)
        return shipped.assign_attrs(facts)
    variables = {
        "polarization_sensitivity": ("sensitivity", "uK arcmin", "Polarization sensitivity"),
        "beam": ("beam", "arcmin", "Beam FWHM"),
        "knee_multipole": ("knee", "1", "Multipole where 1/f noise equals white noise"),
        "knee_slope": ("slope", "1", "Power of ℓ in 1/f noise"),
    }
    frequency = np.array(preset["frequency"], dtype=float)
    made = xr.Dataset(coords={"channel_name": [f"{value:g}" for value in frequency]})
    made["channel_name"].attrs["long_name"] = "Channel"
    made = made.assign_coords(frequency=("channel_name", frequency, {"units": "GHz", "long_name": "Band centre"}))
    for key, (field, units, long_name) in variables.items():
        if field in preset:
            values = xr.DataArray(np.array(preset[field], dtype=float), dims="channel_name")
            made[key] = labelled(values, key, units=units, long_name=long_name)
    made = stamp(
        made,
        title=f"Channels of {'Planck' if name == 'planck' else 'the Simons Observatory, small telescopes'}",
        institution="Planck Collaboration, ESA" if name == "planck" else "Simons Observatory Collaboration",
        source=str(preset["source"]),
        references=[str(preset["source"])],
        license="facts, cite",
        history=[f"cmb.experiment_channels({name!r})"],
        provenance={"experiment": name},
    )
    return check(made.assign_attrs(facts, caveats=preset["caveats"]))


def noise_spectrum(channels: xr.Dataset, *, lmax: int = 600) -> xr.DataArray:
    r"""Return the noise power of all channels together, weighted by inverse variance at each multipole.

    :math:`N_\ell^{-1} = \sum_i b_{i\ell}^2 / [s_i^2 (1 + (\ell/\ell_{k,i})^{\gamma_i})]` with
    :math:`b_\ell = e^{-(\ell(\ell+1) - 4)\sigma^2/2}`: the noise of a map whose beam is taken out. No foregrounds;
    taking them out costs sensitivity.

    Parameters
    ----------
    channels : xarray.Dataset
        ``polarization_sensitivity`` (uK arcmin or what converts) and ``beam`` (FWHM; none is no beam), one value
        a channel; ``knee_multipole`` and ``knee_slope`` for 1/f noise in ℓ, if they are there.
    lmax : int, optional
        Largest multipole.

    Returns
    -------
    xarray.DataArray
        Dim ``ell`` from 0, uK2: N_ℓ of EE and of BB; NaN at ℓ = 0 and 1, and where beams leave nothing.

    Raises
    ------
    WrongData
        If there is no sensitivity, or a value is not finite and positive (a slope: negative).
    MissingUnits, WrongUnits
        If units are missing or of another kind.

    References
    ----------
    Knox 1995, PRD 52, 4307, doi:10.1103/PhysRevD.52.4307; Challinor et al. 2000, PRD 62, 123002 (beams of
    polarization).

    Examples
    --------
    >>> channels = xr.Dataset({"polarization_sensitivity": ("channel_name", [3.0, 4.0], {"units": "uK arcmin"})})
    >>> white = noise_spectrum(channels, lmax=10)
    >>> round(float(np.sqrt(white[10])) / (np.pi / 180 / 60), 6)  # back in µK arcmin
    2.4
    """
    lmax = checked_multipole(lmax, "lmax", 2, 10000)
    if not isinstance(channels, xr.Dataset) or "polarization_sensitivity" not in channels.data_vars:
        raise WrongData("the channels need a variable 'polarization_sensitivity', as experiment_channels returns it")
    depth = _values(channels, "polarization_sensitivity", "uK arcmin") * ARCMIN
    ell = np.arange(2, lmax + 1.0)
    inverse = np.tile(depth[:, None] ** -2, (1, ell.size))
    if "beam" in channels.data_vars:
        sigma = _values(channels, "beam", "rad") / np.sqrt(8 * np.log(2))
        inverse = inverse * np.exp(-(ell * (ell + 1) - 4) * sigma[:, None] ** 2)
    if "knee_multipole" in channels.data_vars:
        knee = _values(channels, "knee_multipole", "1")[:, None]
        slope = _values(channels, "knee_slope", "1", sign=-1)[:, None]
        inverse = inverse / (1 + (ell / knee) ** slope)
    total = inverse.sum(axis=0)
    power = np.full(lmax + 1, np.nan)
    seen = total > 1e-300
    power[2:][seen] = 1 / total[seen]
    attrs = {"units": "1", "long_name": "Multipole ℓ"}
    coords = {"ell": xr.DataArray(np.arange(lmax + 1), dims="ell", attrs=attrs)}
    result = xr.DataArray(np.where(power < 1e25, power, np.nan), dims="ell", coords=coords)
    marks = synthetic_attrs(channels)
    return labelled(result, "noise", units="uK2", long_name="N_ℓ of EE or BB, beams taken out", attrs=marks)


def _values(channels: xr.Dataset, name: str, units: str, *, sign: int = 1) -> NDArray[np.float64]:
    values = np.atleast_1d(np.asarray(in_units(channels[name], units).values, dtype=float)).ravel()
    if not values.size or not (np.isfinite(values) & (sign * values > 0)).all():
        raise WrongData(f"{name} must be {'positive' if sign > 0 else 'negative'} and finite in every channel")
    return values


def single_channel(noise: float, beam: float) -> xr.Dataset:
    """Return one channel of a sensitivity in µK arcmin and a beam in arcmin, as a dataset of channels.

    Raises
    ------
    BadOption
        If either is no positive number.

    Examples
    --------
    >>> single_channel(2.16, 30.0).beam.units
    'arcmin'
    """
    for name, value in (("noise", noise), ("beam", beam)):
        if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 < value < np.inf:
            raise BadOption(f"{name}={value!r} is not a positive number ({'µK ' if name == 'noise' else ''}arcmin)")
    kinds = {"polarization_sensitivity": (noise, "uK arcmin", "Sensitivity"), "beam": (beam, "arcmin", "Beam FWHM")}
    made = xr.Dataset(coords={"channel_name": ["all"]})
    made["channel_name"].attrs["long_name"] = "Channel"
    for name, (value, units, long_name) in kinds.items():
        made[name] = labelled(xr.DataArray([float(value)], dims="channel_name"), name, units=units, long_name=long_name)
    told = f"{noise:g} µK arcmin, {beam:g} arcmin"
    return derived(made, xr.Dataset(), title=f"One channel: {told}", step=f"one channel of {told}")
