"""Polarization from Stokes spectra."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.model import check, derived, in_units, labelled
from analysis.xray.exposures import same_channels
from analysis.xray.grouping import channel_energies
from analysis.xray.inputs import Amount, as_dataset, datasets, limits, named_band, node, synthetic_of, variable

KISLAT = "Kislat et al. (2015), Astroparticle Physics 68, 45, doi:10.1016/j.astropartphys.2015.02.007"


def modulation_factor(mrf: xr.Dataset | xr.DataTree, arf: xr.Dataset | xr.DataTree) -> xr.DataArray:
    """Return how strongly a fully polarized beam is modulated: modulation response over effective area.

    Parameters
    ----------
    mrf, arf : xarray.Dataset
        Both with ``effective_area`` on the same ``energy`` bins.

    Returns
    -------
    xarray.DataArray
        ``modulation_factor``, 0 to 1, on ``energy``, whose middles in keV are its coordinate, with
        ``energy_low`` and ``energy_high`` beside them; NaN without area.

    Raises
    ------
    WrongData
        If the energy bins differ, or the factor is above 1, as where the two are exchanged.

    References
    ----------
    Kislat et al. (2015), Astroparticle Physics 68, 45, doi:10.1016/j.astropartphys.2015.02.007.

    Examples
    --------
    >>> from analysis import xray
    >>> ixpe = xray.fetch("ixpe_stokes")
    >>> factor = xray.modulation_factor(ixpe["mrf"], ixpe["arf"])
    >>> float(factor.sel(energy=4.0, method="nearest").round(2))
    0.45
    """
    upper, lower = as_dataset(mrf, "modulation_factor: mrf"), as_dataset(arf, "modulation_factor: arf")
    edges = [
        in_units(variable(data, name, "modulation_factor"), "keV").values.astype(float)
        for data in (upper, lower)
        for name in ("energy_low", "energy_high")
    ]
    if edges[0].shape != edges[2].shape or not np.allclose(edges[0], edges[2], rtol=1e-5, atol=1e-6):
        raise WrongData(f"the energy bins of mrf ({edges[0].size}) and arf ({edges[2].size}) differ")
    with_area, area = (
        in_units(variable(data, "effective_area", "modulation_factor"), "cm2").values.astype(float)
        for data in (upper, lower)
    )
    factor = np.divide(with_area, area, out=np.full_like(area, np.nan), where=area > 0)
    if (factor > 1.001).any():
        raise WrongData(
            f"the modulation factor would be {np.nanmax(factor):.3g}, but is at most 1: mrf= is area × μ, arf= area"
        )
    bins = {"energy": (edges[0] + edges[1]) / 2, "energy_low": edges[0], "energy_high": edges[1]}
    names = {"energy": "Energy", "energy_low": "Energy", "energy_high": "Upper end of the bin"}
    coords = {name: ("energy", ends, {"units": "keV", "long_name": names[name]}) for name, ends in bins.items()}
    made = xr.DataArray(factor, dims="energy", coords=coords)
    told = {"references": KISLAT, **synthetic_of(upper, lower)}
    return labelled(made, "modulation_factor", units="1", long_name="Modulation factor", attrs=told)


def polarization(stokes: xr.DataTree, *, band: tuple[Amount, Amount] = (2.0, 8.0)) -> xr.Dataset:
    r"""Return degree and angle of polarization in an energy band, summed flat over its channels.

    .. math:: q = \frac{\sum_c Q_c / \mu_c}{\sum_c I_c}, \quad
              u = \frac{\sum_c U_c / \mu_c}{\sum_c I_c}, \quad \Pi = \sqrt{q^2 + u^2}, \quad \psi = \tfrac12
              \arctan\frac{u}{q}

    Parameters
    ----------
    stokes : xarray.DataTree
        With the nodes ``stokes_i``, ``stokes_q``, ``stokes_u`` (rates on ``channel``), ``arf``, ``mrf``,
        ``rmf``.
    band : (low, high), optional
        Energies in keV; channels that overlap the band count, at their nominal energies, but for those that
        QUALITY excludes in any of the three; ``history`` says how many.

    Returns
    -------
    xarray.Dataset
        ``degree``, ``degree_error`` (1), ``angle``, ``angle_error`` (deg, from North through East, 0 to
        180), ``q``, ``u`` and their errors.

    Raises
    ------
    WrongData
        If a node is missing, channels differ, or a channel of the band has no modulation factor, no rate or
        no error; names the channels.
    BadOption
        If no good channel overlaps the band.

    Notes
    -----
    The energy at which a photon is recorded stands for its true one: a quick look, no fit. Background is
    not taken off, and the degree, never negative, is biased upwards where it is not well above its error.

    References
    ----------
    Kislat et al. (2015), Astroparticle Physics 68, 45, doi:10.1016/j.astropartphys.2015.02.007.

    Examples
    --------
    >>> from analysis import xray
    >>> found = xray.polarization(xray.fetch("ixpe_stokes"), band=(2, 8))
    >>> f"{float(found.degree):.1%}, {float(found.angle):.1f} deg"
    '3.7%, 2.8 deg'
    """
    what = "polarization"
    spectra = {name: node(stokes, f"stokes_{name}", what) for name in "iqu"}
    energies = channel_energies(node(stokes, "rmf", what))
    for spectrum in spectra.values():
        same_channels(spectrum, energies)
    low, high = limits(band)
    used = (energies["energy_high"].values > low) & (energies["energy_low"].values < high)
    if not used.any():
        raise BadOption(f"no channel overlaps {named_band(band)}")
    good = np.all([s["quality"].values == 0 for s in spectra.values() if "quality" in s.variables] or [used], axis=0)
    bad = int(np.count_nonzero(used & ~good))
    used &= good
    if not used.any():
        raise BadOption(f"QUALITY excludes each of the {bad} channels of {named_band(band)}")
    factor = modulation_factor(node(stokes, "mrf", what), node(stokes, "arf", what))
    mu = np.interp(energies["energy"].values[used], factor["energy"].values, factor.values, left=np.nan, right=np.nan)
    if not (mu > 0).all():
        raise WrongData(f"the modulation factor is unknown in part of {named_band(band)}; take a narrower band")
    total = _numbers(spectra["i"], "i", "rate", used).sum()
    if not total > 0:
        raise WrongData(f"Stokes I is {total} in {named_band(band)}; there is nothing to be polarized")
    found = {}
    for name in "qu":
        rate, error = (_numbers(spectra[name], name, key, used) for key in ("rate", "stat_error"))
        found[name] = float((rate / mu).sum() / total)
        found[f"{name}_error"] = float(np.sqrt(((error / mu) ** 2).sum()) / total)
    made = xr.Dataset(_degree_and_angle(**found), attrs={"band": named_band(band)})
    step = f"xray.polarization: flat sum over {named_band(band)}, {int(used.sum())} channels; "
    step += f"{bad} channels that QUALITY excludes left out"
    title = f"Polarization, {named_band(band)}"
    also = [*spectra.values(), *datasets(*(node(stokes, name, what) for name in ("arf", "mrf", "rmf")))]
    return check(derived(made, spectra["i"], title=title, step=step, references=[KISLAT], also=also))


def _numbers(spectrum: xr.Dataset, stokes: str, key: str, used: np.ndarray) -> np.ndarray:
    """Rates or errors of the channels used, each a number."""
    values = in_units(variable(spectrum, key, "polarization"), "ct s-1").values[used].astype(float)
    if not np.isfinite(values).all():
        channels = spectrum["channel"].values[used][~np.isfinite(values)]
        named = ", ".join(map(str, channels[:5])) + (" …" if channels.size > 5 else "")
        raise WrongData(
            f"stokes_{stokes} has no {key} in {channels.size} channels of the band ({named}); "
            "set their QUALITY, or take a band without them"
        )
    return values


def _degree_and_angle(q: float, u: float, q_error: float, u_error: float) -> dict[str, xr.DataArray]:
    degree = np.hypot(q, u)
    along = np.hypot(q * q_error, u * u_error) / degree if degree else np.hypot(q_error, u_error)
    across = np.hypot(u * q_error, q * u_error) / degree if degree else np.inf
    numbers = {
        "degree": (degree, "1", "Polarization degree"),
        "degree_error": (along, "1", "1σ error of the polarization degree"),
        "angle": (np.degrees(np.arctan2(u, q)) / 2 % 180, "deg", "Polarization angle, North through East"),
        "angle_error": (
            min(90.0, np.degrees(across / degree) / 2 if degree else 90.0),
            "deg",
            "1σ error of the angle",
        ),
        "q": (q, "1", "Normalized Stokes Q"),
        "q_error": (q_error, "1", "1σ error of q"),
        "u": (u, "1", "Normalized Stokes U"),
        "u_error": (u_error, "1", "1σ error of u"),
    }
    return {
        name: labelled(xr.DataArray(float(value)), name, units=units, long_name=long_name)
        for name, (value, units, long_name) in numbers.items()
    }
