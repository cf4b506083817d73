"""Fisher forecasts of several parameters from T, E and B at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.cmb.channel_noise import noise_spectrum
from analysis.cmb.forecasts import KNOX, _at, _channels, _fraction
from analysis.cmb.likelihoods import checked_fields, spectra_matrix
from analysis.cmb.theory import PLANCK_2018, checked_multipole, checked_number, rotated_spectra, theory_spectra
from analysis.errors import BadOption
from analysis.model import check, derived, labelled

if TYPE_CHECKING:
    from numpy.typing import NDArray

TEGMARK = "Tegmark, Taylor & Heavens 1997, ApJ 480, 22, doi:10.1086/303939 (Fisher matrix)"
PARAMETERS = {
    "r": ("1", "Tensor-to-scalar ratio r"),
    "a_lens": ("1", "Factor on lensing B modes"),
    "tau": ("1", "Optical depth"),
    "nt": ("1", "Tensor spectral index"),
    "beta": ("deg", "Birefringence angle"),
}
STEP = {"tau": 0.004, "nt": 0.05}


def fisher_forecast(
    experiment: str | xr.Dataset = "litebird",
    *,
    parameters: Sequence[str] = ("r", "a_lens", "tau", "beta"),
    fields: str = "EB",
    r: float = 0.01,
    nt: float = 0.0,
    delensing: float = 0.0,
    sky_fraction: float | None = None,
    lmin: int | None = None,
    lmax: int = 600,
    noise: float | None = None,
    beam: float | None = None,
) -> xr.Dataset:
    r"""Return the errors of several parameters together, from T, E and B without foregrounds.

    :math:`F_{ij} = f_{sky} \sum_\ell \frac{2\ell+1}{2} \mathrm{Tr}[C^{-1} C_{,i} C^{-1} C_{,j}]`. The optical depth
    varies at fixed :math:`A_s e^{-2\tau}`, which the CMB fixes; the tensor index turns about 0.05 Mpc⁻¹; the
    angle of birefringence is 0 in the model.

    Parameters
    ----------
    experiment, sky_fraction, lmin, noise, beam
        As for :func:`forecast`.
    parameters : sequence of str, optional
        Of r, a_lens, tau, nt, beta.
    fields : str, optional
        "EB", "TEB", "B", "E" …; the noise of T is taken as half of the polarization's power.
    r, nt, delensing : float, optional
        The model; a_lens = 1 - delensing.
    lmax : int, optional
        Largest multipole, up to 2500.

    Returns
    -------
    xarray.Dataset
        Dim ``quantity``: ``model_value``, ``sigma`` (the others free), ``sigma_alone`` (the others known), and
        ``fisher``, ``correlation`` (quantity, quantity_2). beta counts in degrees.

    Raises
    ------
    BadOption
        For unknown parameters, or those that the fields or r = 0 say nothing about.

    References
    ----------
    Tegmark, Taylor & Heavens 1997, ApJ 480, 22, doi:10.1086/303939.

    Examples
    --------
    >>> found = fisher_forecast("litebird", parameters=["r", "a_lens"], fields="B", r=0.0, lmax=200)
    >>> bool(found.sigma.sel(quantity="r") > found.sigma_alone.sel(quantity="r"))
    True
    """
    names = list(parameters)
    if unknown := [name for name in names if name not in PARAMETERS]:
        raise BadOption(f"parameters={unknown} are unknown; choose of {', '.join(PARAMETERS)}")
    if not names or len(set(names)) != len(names):
        raise BadOption(f"parameters={names}: give at least one, none twice")
    chosen = checked_fields(fields)
    channels, title = _channels(experiment, noise, beam)
    fraction = _fraction(
        channels.attrs.get("sky_fraction", 1.0) if sky_fraction is None else sky_fraction, "sky_fraction", 0
    )
    lmax = checked_multipole(lmax, "lmax", 2, 2500)
    lowest = checked_multipole(int(channels.attrs.get("lmin", 2)) if lmin is None else lmin, "lmin", 2, lmax)
    model = {
        "r": checked_number(r, "r"),
        "nt": checked_number(nt, "nt"),
        "a_lens": 1 - _fraction(delensing, "delensing", None),
    }
    ell = np.arange(lowest, lmax + 1)
    theory = theory_spectra(**model, lmax=lmax)
    power = _at(noise_spectrum(channels, lmax=lmax), ell, "the noise")
    total = spectra_matrix(theory["cl"].sel(ell=ell), chosen)
    total = total + np.einsum("l,ij->lij", power, np.diag([0.5 if field == "T" else 1.0 for field in chosen]))
    slopes = [np.linalg.solve(total, spectra_matrix(_slope(name, model, lmax).sel(ell=ell), chosen)) for name in names]
    modes = fraction * (2 * ell + 1) / 2
    matrix = np.array([[np.einsum("l,lij,lji->", modes, a, b) for b in slopes] for a in slopes])
    if silent := [name for name, value in zip(names, np.diag(matrix), strict=True) if not value > 0]:
        hint = " (n_t needs r other than 0)" if "nt" in silent else ""
        raise BadOption(
            f"fields {chosen} at r={model['r']:g} say nothing about {', '.join(silent)}{hint}; leave them out"
        )
    values = {"r": model["r"], "a_lens": model["a_lens"], "tau": PLANCK_2018["tau"], "nt": model["nt"], "beta": 0.0}
    made = _dataset(names, matrix, [values[name] for name in names])
    told = f"fields={chosen}, r={model['r']:g}, nt={model['nt']:g}, delensing={delensing:g}"
    result = derived(
        made.assign_attrs(sky_fraction=fraction),
        channels,
        title=f"Fisher forecast: {title}",
        step=f"cmb.fisher_forecast({told}, sky_fraction={fraction:g}, lmin={lowest}, lmax={lmax}): no foregrounds",
        references=[TEGMARK, KNOX],
        also=[theory],
    )
    return check(result)


def _slope(name: str, model: dict[str, float], lmax: int) -> xr.DataArray:
    """The derivative of C_ℓ with respect to a parameter."""
    theory = theory_spectra(**model, lmax=lmax)
    if name == "r":
        return theory["tensor"]
    if name == "a_lens":
        return theory["lensed"] * (theory["spectrum"] == "BB")
    if name == "beta":
        small = 1e-4  # degrees; odd in the angle
        turned = [rotated_spectra(theory, angle)["cl"] for angle in (small, -small)]
        return (turned[0] - turned[1]) / (2 * small)
    step = STEP[name]
    ends = []
    for sign in (1, -1):
        if name == "nt":
            ends.append(theory_spectra(**(model | {"nt": model["nt"] + sign * step}), lmax=lmax)["cl"])
        else:
            depth = PLANCK_2018["tau"] + sign * step
            amplitude = PLANCK_2018["log_as"] + 2 * sign * step
            ends.append(theory_spectra(**model, tau=depth, log_as=amplitude, lmax=lmax)["cl"])
    return (ends[0] - ends[1]) / (2 * step)


def _dataset(names: list[str], matrix: NDArray, values: list[float]) -> xr.Dataset:
    scale = np.sqrt(np.diag(matrix))
    scaled = matrix / np.outer(scale, scale)
    if np.linalg.cond(scaled) > 1e12:
        raise BadOption(f"these spectra cannot tell {', '.join(names)} apart; leave one out")
    covariance = np.linalg.inv(scaled) / np.outer(scale, scale)
    sigma = np.sqrt(np.diag(covariance))
    coords = {"quantity": ("quantity", names, {"long_name": "Parameter"})}
    coords["quantity_2"] = ("quantity_2", names, {"long_name": "Parameter"})
    made = xr.Dataset(coords=coords)
    made["unit"] = ("quantity", [PARAMETERS[name][0] for name in names], {"long_name": "Unit of the parameter"})
    both = ("quantity", "quantity_2")
    kept: list[tuple[str, tuple[str, ...], NDArray, str]] = [
        ("model_value", both[:1], np.array(values), "Value in the model"),
        ("sigma", both[:1], sigma, "Error, the others free (unit of the parameter)"),
        ("sigma_alone", both[:1], 1 / scale, "Error, the others known (unit of the parameter)"),
        ("fisher", both, matrix, "Fisher matrix (units of the parameters)"),
        ("correlation", both, covariance / np.outer(sigma, sigma), "Correlation"),
    ]
    for name, dims, numbers, long_name in kept:
        made[name] = labelled(xr.DataArray(numbers, dims=dims), name, units="1", long_name=long_name)
    return made
