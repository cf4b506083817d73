"""What a fit looks like: rates of source, background and model in bins wide enough to be seen, folded or unfolded."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.model import check, derived
from analysis.xray.inputs import number
from analysis.xray.models import Array

SIGNIFICANCE = 5.0  # bins are joined until the expected source stands out by so many errors
MOST_BINS = 400  # for each spectrum
NEEDED = (
    *("counts", "background_counts", "background_ratio", "model_counts", "expected_background", "exposure"),
    *("energy_low", "energy_high", "model_flux"),
)


def fitted_spectrum(fit: xr.Dataset, *, unfolded: bool = False, min_significance: float = SIGNIFICANCE) -> xr.Dataset:
    r"""Return data and model of a fit as densities over energy, in bins joined until they can be seen.

    Joining is for the eye: the fit was done in its own bins.

    Parameters
    ----------
    fit : xarray.Dataset
        What :func:`fit` gives.
    unfolded : bool, optional
        :math:`E^2` times photon flux density instead of rates: each bin's net counts over those that the model expects,
        times the model's flux there. Unfolded points lean on the model: another one moves them.
    min_significance : float, optional
        Neighbouring bins of a spectrum are joined until the source counts that the model expects reach this many
        times their error; 0 joins none. No spectrum keeps more than 400.

    Returns
    -------
    xarray.Dataset
        On ``bin``, with the coordinate ``spectrum``: ``energy_low``, ``energy_high`` (keV), ``residual`` (σ: net
        counts, the scaled background taken off, minus the model, over the scatter expected of both regions) and, in
        ``ct s-1 keV-1``, ``rate`` (source region) with ``rate_error``, ``background_rate`` (profiled: the one that
        fits best), ``model_rate`` and ``expected_rate`` (their sum). Unfolded: ``flux`` with ``flux_error`` and
        ``model_flux`` in ``keV cm-2 s-1``. Net counts have the background as it was counted: the profiled one, which
        follows the data, would draw every point towards the model.

    Raises
    ------
    WrongData
        If this is no fit, or does not hold its bins.
    BadOption
        If the significance is negative.

    Examples
    --------
    >>> from analysis import xray
    >>> best = xray.fit(xray.fetch("ngc7793_ulx4_pn"), "tbabs * powerlaw", band=(0.5, 8), grouping=None)
    >>> xray.fitted_spectrum(best).sizes["bin"] < best.sizes["bin"]
    True
    """
    if not isinstance(fit, xr.Dataset) or not set(NEEDED) <= set(map(str, fit.variables)):
        raise WrongData("fitted_spectrum needs what xray.fit gives, with the data and the model in its bins")
    least = number(min_significance, "min_significance")
    if least < 0:
        raise BadOption(f"min_significance={min_significance!r} is negative; 0 joins no bins")
    group = joined_bins(fit, least)
    sums = {name: np.bincount(group, fit[name].values) for name in ("counts", "model_counts", "expected_background")}
    low, high = _ends(fit, group)
    steps = (fit["energy_high"] - fit["energy_low"]).values
    width = np.bincount(group, steps)
    time = np.bincount(group, fit["exposure"].values * steps) / width
    first = np.unique(group, return_index=True)[1]
    spread = np.sqrt(np.bincount(group, _variance(fit)))
    expected = sums["model_counts"] + sums["expected_background"]
    net, scatter = np.bincount(group, _net(fit)), np.sqrt(np.bincount(group, _net_variance(fit)))
    made = xr.Dataset(
        {
            "energy_low": _on(low, "keV", "Energy"),
            "energy_high": _on(high, "keV", "Upper end of the bin"),
            "residual": _on((net - sums["model_counts"]) / scatter, "1", "Residual in σ"),
        },
        coords={"spectrum": ("bin", fit["spectrum"].values[first], fit["spectrum"].attrs)},
    )
    if unfolded:
        middle = np.sqrt(low * high)
        flux = np.bincount(group, fit["model_flux"].values * steps) / width * middle**2
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = np.where(sums["model_counts"] > 0, flux / sums["model_counts"], np.nan)
        units = "keV cm-2 s-1"
        made["flux"] = _on(net * scale, units, "E² × photon flux density")
        made["flux_error"] = _on(scatter * scale, units, "1σ error")
        made["model_flux"] = _on(flux, units, "Model, E² × photon flux density")
    else:
        per = 1 / (time * width)
        named = {
            "rate": (sums["counts"], "Count rate density"),
            "rate_error": (spread, "1σ error of the count rate density"),
            "background_rate": (sums["expected_background"], "Background that fits best"),
            "model_rate": (sums["model_counts"], "Model, folded"),
            "expected_rate": (expected, "Model and background"),
        }
        for name, (values, long_name) in named.items():
            made[name] = _on(values * per, "ct s-1 keV-1", long_name)
    kept = ("statistic", "statistic_value", "dof", "bins", "model")
    made.attrs = {key: fit.attrs[key] for key in kept} | {"unfolded": str(unfolded).lower()}
    step = f"xray.fitted_spectrum: {fit.sizes['bin']} bins joined to {made.sizes['bin']}"
    title = f"{fit.attrs.get('title', 'Fit')}"
    return check(derived(made, fit, title=title, step=step))


def _variance(fit: xr.Dataset) -> Array:
    """What the source region's counts are expected to scatter by; of χ² what its errors say."""
    if "counts_error" in fit.variables:
        return fit["counts_error"].values ** 2
    return (fit["model_counts"] + fit["expected_background"]).values


def _net(fit: xr.Dataset) -> Array:
    """Counts less the scaled background."""
    return fit["counts"].values - fit["background_counts"].values * _scale(fit)


def _net_variance(fit: xr.Dataset) -> Array:
    """What net counts are expected to scatter by: of W the background region's share comes to the source's.

    Of χ² the errors hold it already; of C and Cash there is no background.
    """
    held = _variance(fit)
    return held if fit.attrs["statistic"] == "chi2" else held + fit["expected_background"].values * _scale(fit)


def _scale(fit: xr.Dataset) -> Array:
    """The source region over the background's; 0 where there is none."""
    ratio = fit["background_ratio"].values
    return np.where(ratio > 0, 1 / np.where(ratio > 0, ratio, 1), 0.0)


def joined_bins(fit: xr.Dataset, least: float = SIGNIFICANCE) -> Array:
    """Return the number of the joined bin of each bin: neighbours of one spectrum until they are significant."""
    spectra = fit["spectrum"].values
    # of what is expected, not of what was counted: bins closed by a lucky count would all lie too high
    net = fit["model_counts"].values
    variance = np.maximum(_variance(fit), 1e-30)
    group = np.empty(spectra.size, dtype=np.int64)
    number_ = -1
    for name in dict.fromkeys(spectra.tolist()):
        own = np.flatnonzero(spectra == name)
        fewest = int(np.ceil(own.size / MOST_BINS))
        signal, noise, members = 0.0, 0.0, 0
        number_ += 1
        for at in own:
            if members and members >= fewest and (least == 0 or signal >= least * np.sqrt(noise)):
                number_, signal, noise, members = number_ + 1, 0.0, 0.0, 0
            group[at] = number_
            signal, noise, members = signal + net[at], noise + variance[at], members + 1
    return group


def _ends(fit: xr.Dataset, group: Array) -> tuple[Array, Array]:
    n = int(group.max()) + 1
    low, high = np.full(n, np.inf), np.full(n, -np.inf)
    np.minimum.at(low, group, fit["energy_low"].values)
    np.maximum.at(high, group, fit["energy_high"].values)
    return low, high


def _on(values: Array, units: str, long_name: str) -> tuple[str, Array, dict[str, str]]:
    return "bin", values, {"units": units, "long_name": long_name}
