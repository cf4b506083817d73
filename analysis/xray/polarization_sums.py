"""Stokes parameters summed in bins, their covariance, and what follows from them: degree, angle, significance.

Everything that measures polarization here, from events or from spectra, ends in these sums, so that detector
units add, backgrounds are taken off and reference axes turned with the whole covariance.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import xarray as xr

from analysis.errors import UnknownVariable, WrongData
from analysis.model import in_units, labelled

KISLAT = "Kislat et al. (2015), Astroparticle Physics 68, 45, doi:10.1016/j.astropartphys.2015.02.007"
MULERI = "Muleri (2022), Handbook of X-ray and Gamma-ray Astrophysics, arXiv:2204.12739"
BALDINI = "Baldini et al. (2022), SoftwareX 19, 101194, doi:10.1016/j.softx.2022.101194"
WEISSKOPF = "Weisskopf, Elsner & O'Dell (2010), Proc. SPIE 7732, 77320E, doi:10.1117/12.857357"
NORMALIZED = ("q", "u", "q_error", "u_error")
# what must be the same in two results that are to be added
SETTINGS = ("weights", "acceptance", "errors", "reference_angle")

_COVARIANCES = {
    "ii": ("stokes_i_variance", "Variance of Stokes I"),
    "qq": ("stokes_q_variance", "Variance of Stokes Q"),
    "uu": ("stokes_u_variance", "Variance of Stokes U"),
    "iq": ("stokes_iq_covariance", "Covariance of Stokes I and Q"),
    "iu": ("stokes_iu_covariance", "Covariance of Stokes I and U"),
    "qu": ("stokes_qu_covariance", "Covariance of Stokes Q and U"),
    "null": ("null_variance", "Variance that Stokes Q and U would have without polarization"),
}


@dataclass(frozen=True)
class Sums:
    """Stokes I, Q, U of each bin (Q and U divided by the modulation factor) with their covariances.

    ``null`` is the variance of Q, and of U, of an unpolarized source; ``i_mu`` and ``i_energy`` are modulation
    factor and energy times I; ``counts`` are NaN where they are not known.
    """

    i: np.ndarray
    q: np.ndarray
    u: np.ndarray
    ii: np.ndarray
    qq: np.ndarray
    uu: np.ndarray
    iq: np.ndarray
    iu: np.ndarray
    qu: np.ndarray
    null: np.ndarray
    i_mu: np.ndarray
    i_energy: np.ndarray
    counts: np.ndarray


def added(parts: list[Sums]) -> Sums:
    """Return the sums of independent measurements together."""
    return Sums(**{f.name: np.sum([getattr(part, f.name) for part in parts], axis=0) for f in fields(Sums)})


def less(source: Sums, background: Sums, scale: np.ndarray | float) -> Sums:
    """Return the sums of a source with ``scale`` times those of its background taken off; the counts stay."""
    signs = dict.fromkeys(("i", "q", "u", "i_mu", "i_energy"), -1.0)
    squared = dict.fromkeys(_COVARIANCES, 1.0)
    made = {name: getattr(source, name) + sign * scale * getattr(background, name) for name, sign in signs.items()}
    made |= {
        name: getattr(source, name) + sign * scale**2 * getattr(background, name) for name, sign in squared.items()
    }
    return Sums(**made, counts=source.counts)


def turned(sums: Sums, degrees: float) -> Sums:
    """Return the sums with Q counted along an axis at this position angle, North through East."""
    c, s = np.cos(np.radians(2 * degrees)), np.sin(np.radians(2 * degrees))
    held = {f.name: getattr(sums, f.name) for f in fields(Sums)}
    held |= {"q": c * sums.q + s * sums.u, "u": c * sums.u - s * sums.q}
    held |= {"iq": c * sums.iq + s * sums.iu, "iu": c * sums.iu - s * sums.iq}
    held["qq"] = c**2 * sums.qq + s**2 * sums.uu + 2 * c * s * sums.qu
    held["uu"] = s**2 * sums.qq + c**2 * sums.uu - 2 * c * s * sums.qu
    held["qu"] = c * s * (sums.uu - sums.qq) + (c**2 - s**2) * sums.qu
    return Sums(**held)


def variables_of(sums: Sums, units: str, dims: tuple[str, ...]) -> dict[str, xr.DataArray]:
    """Return what is known of the polarization in each bin: the sums, q and u, degree and angle, significance.

    Bins without intensity are NaN; so are the errors where too few events make a variance negative.
    """
    from scipy.special import ndtri_exp

    with np.errstate(divide="ignore", invalid="ignore"):
        i = np.where(sums.i > 0, sums.i, np.nan)
        q, u = sums.q / i, sums.u / i
        variance_q = _positive((sums.qq - 2 * q * sums.iq + q**2 * sums.ii) / i**2)
        variance_u = _positive((sums.uu - 2 * u * sums.iu + u**2 * sums.ii) / i**2)
        covariance = (sums.qu - q * sums.iu - u * sums.iq + q * u * sums.ii) / i**2
        degree, degree_error, angle, angle_error = degree_and_angle(q, u, variance_q, variance_u, covariance)
        log_p = -0.5 * (sums.q**2 + sums.u**2) / np.where(np.isfinite(i), sums.null, np.nan)
        found = {
            "stokes_i": (sums.i, units, "Stokes I"),
            "stokes_q": (sums.q, units, "Stokes Q, modulation corrected"),
            "stokes_u": (sums.u, units, "Stokes U, modulation corrected"),
            "stokes_i_error": (np.sqrt(sums.ii), units, "1σ error of Stokes I"),
            "stokes_q_error": (np.sqrt(sums.qq), units, "1σ error of Stokes Q"),
            "stokes_u_error": (np.sqrt(sums.uu), units, "1σ error of Stokes U"),
            "q": (q, "1", "Normalized Stokes Q"),
            "q_error": (np.sqrt(variance_q), "1", "1σ error of q"),
            "u": (u, "1", "Normalized Stokes U"),
            "u_error": (np.sqrt(variance_u), "1", "1σ error of u"),
            "qu_covariance": (covariance, "1", "Covariance of q and u"),
            "degree": (degree, "1", "Polarization degree"),
            "degree_error": (degree_error, "1", "1σ error of the polarization degree"),
            "angle": (angle, "deg", "Polarization angle, North through East"),
            "angle_error": (angle_error, "deg", "1σ error of the angle"),
            "mdp99": (np.sqrt(-2 * np.log(0.01) * sums.null) / i, "1", "Minimum detectable polarization, 99 %"),
            "p_value": (np.exp(log_p), "1", "Probability of this degree or more without polarization"),
            # a probability of 2.7e-3 is 3σ; by its logarithm, as 1e-400 is no float
            "significance": (-ndtri_exp(log_p - np.log(2)), "1", "Significance in Gaussian σ, two-sided"),
            "effective_counts": (i**2 / sums.ii, "ct", "Effective counts"),
            "modulation_factor": (sums.i_mu / i, "1", "Mean modulation factor"),
            "energy": (sums.i_energy / i, "keV", "Energy"),
        }
    if np.isfinite(sums.counts).all():
        found["counts"] = (sums.counts, "ct", "Counts")
    found |= {key: (getattr(sums, name), _squared(units), words) for name, (key, words) in _COVARIANCES.items()}
    return {
        name: labelled(xr.DataArray(values, dims=dims), name, units=unit, long_name=words)
        for name, (values, unit, words) in found.items()
    }


def degree_and_angle(
    q: np.ndarray, u: np.ndarray, variance_q: np.ndarray, variance_u: np.ndarray, covariance: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return degree, its error, angle and its error (both in degrees, 0 to 180) by linear propagation.

    The error of the degree is that along the direction of (q, u), the angle's that across it, at most 90.
    """
    degree = np.hypot(q, u)
    with np.errstate(divide="ignore", invalid="ignore"):
        c, s = np.where(degree > 0, (q, u) / degree, np.sqrt(0.5))
        along = np.sqrt(_positive(c**2 * variance_q + s**2 * variance_u + 2 * c * s * covariance))
        across = np.sqrt(_positive(s**2 * variance_q + c**2 * variance_u - 2 * c * s * covariance))
        angle_error = np.where(np.isfinite(across), np.fmin(np.degrees(across / degree) / 2, 90.0), np.nan)
    angle = np.degrees(np.arctan2(u, q)) / 2 % 180
    missing = ~np.isfinite(degree)
    return degree, np.where(missing, np.nan, along), angle, np.where(missing, np.nan, angle_error)


def sums_of(cube: xr.Dataset, what: str) -> Sums:
    """Return the sums that a result of :func:`variables_of` holds.

    Raises
    ------
    WrongData, UnknownVariable
        If it is no such result.
    """
    if not isinstance(cube, xr.Dataset):
        raise WrongData(f"{what} needs what xray.polarization_cube or polarization_spectrum gave, not {type(cube)!r}")
    needed = ["stokes_i", "stokes_q", "stokes_u", "modulation_factor", "energy"]
    needed += [key for key, _ in _COVARIANCES.values()]
    if missing := [name for name in needed if name not in cube.variables]:
        raise UnknownVariable(
            f"{what} needs what xray.polarization_cube or polarization_spectrum gave; this lacks {', '.join(missing)}"
        )
    i, q, u = (cube[f"stokes_{name}"].values.astype(float) for name in "iqu")
    made = {name: cube[key].values.astype(float) for name, (key, _) in _COVARIANCES.items()}
    filled = np.where(i > 0, 1.0, 0.0)
    return Sums(
        i=i,
        q=q,
        u=u,
        i_mu=np.where(filled, cube["modulation_factor"].values * i, 0.0),
        i_energy=np.where(filled, in_units(cube["energy"], "keV").values * i, 0.0),
        counts=cube["counts"].values.astype(float) if "counts" in cube.variables else np.full(i.shape, np.nan),
        **made,
    )


def _positive(variance: np.ndarray) -> np.ndarray:
    """A variance that is estimated below 0, of one or two events, is unknown."""
    return np.where(variance >= 0, variance, np.nan)


def _squared(units: str) -> str:
    return {"ct": "ct2", "cm-2": "cm-4", "ct s-1": "ct2 s-2", "ct cm-2": "ct2 cm-4"}[units]
