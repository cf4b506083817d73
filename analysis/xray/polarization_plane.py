"""What measured Stokes parameters say of the true degree and angle: contours, intervals, limits, sensitivity."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from analysis.errors import BadOption, UnknownVariable, WrongData
from analysis.model import check, derived, in_units, labelled
from analysis.xray.inputs import Amount, amount, as_dataset, synthetic_of
from analysis.xray.polarization_sums import KISLAT, NORMALIZED, WEISSKOPF, degree_and_angle

VAILLANCOURT = "Vaillancourt (2006), PASP 118, 1340, doi:10.1086/507472"
PLASZCZYNSKI = "Plaszczynski et al. (2014), MNRAS 439, 4048, doi:10.1093/mnras/stu270"
SIGMAS = (0.682689492137086, 0.954499736103642, 0.997300203936740)  # 1, 2 and 3σ
REACH = 8.0  # errors to each side within which a posterior is summed
STEPS = (1201, 241)  # in degree and angle


def polarization_contours(data: xr.Dataset, *, confidence: Sequence[float] = SIGMAS, points: int = 361) -> xr.Dataset:
    r"""Return the joint confidence contours of polarization degree and angle.

    With the covariance :math:`C` of q and u, the contour of confidence P holds the true values for which

    .. math:: (q - q_0, u - u_0)\, C^{-1} (q - q_0, u - u_0)^T = -2 \ln(1 - P),

    an ellipse in q and u; degree and angle of its points are the contour in the polarization plane.

    Parameters
    ----------
    data : xarray.Dataset
        With ``q``, ``u``, ``q_error``, ``u_error`` and, if they are correlated, ``qu_covariance``:
        of :func:`polarization_cube`, :func:`polarization_spectrum` or :func:`polarization`.
    confidence : sequence of float, optional
        Joint probabilities for two parameters, each between 0 and 1. Left out: 1, 2 and 3σ (68.3, 95.4, 99.7 %).
    points : int, optional
        Points along a contour, the last of which is the first again.

    Returns
    -------
    xarray.Dataset
        On the dims of ``data`` and ``level, point``: ``contour_degree``, ``contour_angle`` (deg, 0 to 180),
        ``contour_q``, ``contour_u``; on the dims of ``data`` ``degree``, ``angle``, ``q``, ``u``; on ``level``
        ``confidence`` and ``delta_chi2``. A contour around no polarization goes through all angles.

    Raises
    ------
    BadOption
        For a confidence that is no probability, or fewer than 8 points.
    UnknownVariable, WrongData
        If q, u or an error is missing, or none of the bins has them.

    References
    ----------
    Weisskopf, Elsner & O'Dell (2010), Proc. SPIE 7732, 77320E; Muleri (2022), arXiv:2204.12739.

    Examples
    --------
    >>> from analysis import xray
    >>> found = xray.polarization_contours(xray.polarization(xray.fetch("ixpe_stokes")))
    >>> found.contour_degree.sizes["level"], found.delta_chi2.values.round(2).tolist()
    (3, [2.3, 6.18, 11.83])
    """
    levels = _probabilities(confidence)
    if isinstance(points, bool) or not isinstance(points, int | np.integer) or points < 8:
        raise BadOption(f"points={points!r} must be a whole number of at least 8")
    held = as_dataset(data, "polarization_contours")
    q, u, vq, vu, cov = _measured(held, "polarization_contours")
    delta = -2 * np.log1p(-levels)
    turn = np.linspace(0, 2 * np.pi, points)
    # the ellipse is the circle taken through the Cholesky factor of the covariance
    a = np.sqrt(vq)
    b = cov / a
    c = np.sqrt(vu - b**2)
    wide = (..., None, None)
    radius = np.sqrt(delta)[:, None]
    around_q = q[wide] + a[wide] * radius * np.cos(turn)
    around_u = u[wide] + radius * (b[wide] * np.cos(turn) + c[wide] * np.sin(turn))
    dims = tuple(map(str, held["q"].dims))
    along = (*dims, "level", "point")
    reference = str(held["angle"].attrs["long_name"]) if "angle" in held else "Polarization angle, North through East"
    made = {
        "contour_degree": (along, np.hypot(around_q, around_u), "1", "Polarization degree"),
        "contour_angle": (along, np.degrees(np.arctan2(around_u, around_q)) / 2 % 180, "deg", reference),
        "contour_q": (along, around_q, "1", "Normalized Stokes Q"),
        "contour_u": (along, around_u, "1", "Normalized Stokes U"),
        "degree": (dims, np.hypot(q, u), "1", "Polarization degree"),
        "angle": (dims, np.degrees(np.arctan2(u, q)) / 2 % 180, "deg", reference),
        "q": (dims, q, "1", "Normalized Stokes Q"),
        "u": (dims, u, "1", "Normalized Stokes U"),
        "confidence": (("level",), levels, "1", "Confidence, two parameters"),
        "delta_chi2": (("level",), delta, "1", "Rise of chi squared"),
    }
    result = xr.Dataset(
        {
            name: labelled(xr.DataArray(values, dims=on), name, units=units, long_name=words)
            for name, (on, values, units, words) in made.items()
        },
        coords=_bounds(held),
        attrs={key: held.attrs[key] for key in ("band", "reference_angle") if key in held.attrs},
    )
    named = ", ".join(f"{level:.3%}" for level in levels)
    title = str(held.attrs.get("title", "Polarization"))
    step = f"xray.polarization_contours: {named}"
    return check(derived(result, held, title=title, step=step, references=[WEISSKOPF]))


def polarization_intervals(data: xr.Dataset, *, confidence: float = SIGMAS[0], upper: float = 0.99) -> xr.Dataset:
    r"""Return the degree freed of its bias, intervals of degree and angle each for itself, and upper limits.

    Parameters
    ----------
    data : xarray.Dataset
        As for :func:`polarization_contours`.
    confidence : float, optional
        Of the intervals, one parameter each, the other one averaged over.
    upper : float, optional
        Probability that the true degree is below the upper limit.

    Returns
    -------
    xarray.Dataset
        ``degree_debiased``; ``degree_low`` and ``degree_high``, the shortest interval that holds the true degree
        with probability ``confidence``; ``degree_upper_limit``; ``angle`` and ``angle_half_width`` (deg) of the
        interval around it. NaN where nothing was measured.

    Raises
    ------
    BadOption
        If a probability is none.
    UnknownVariable, WrongData
        As :func:`polarization_contours`.

    Notes
    -----
    The measured degree √(q² + u²) is too high by about σ²/2Π. ``degree_debiased`` is the modified asymptotic
    estimator, :math:`\Pi - b^2 (1 - e^{-\Pi^2/b^2}) / 2\Pi`, b the error across the direction of (q, u). Intervals
    are Bayesian, of Gaussian q and u with their covariance, every degree from 0 to 1 and every angle as probable
    before. Averaged over all degrees they hold the truth as often as they say; at a true degree of 1.5 to 2
    errors the 68 % interval holds it in 55 % of measurements only, at 4 and more in 68 %.

    References
    ----------
    Plaszczynski et al. (2014), MNRAS 439, 4048; Vaillancourt (2006), PASP 118, 1340; Simmons &
    Stewart (1985), A&A 142, 100 (the bias).

    Examples
    --------
    >>> from analysis import xray
    >>> found = xray.polarization_intervals(xray.polarization(xray.fetch("ixpe_stokes")))
    >>> f"{float(found.degree_debiased):.2%}, below {float(found.degree_upper_limit):.2%}"
    '3.66%, below 4.57%'
    """
    share, limit = _probabilities([confidence])[0], _probabilities([upper])[0]
    held = as_dataset(data, "polarization_intervals")
    q, u, vq, vu, cov = _measured(held, "polarization_intervals")
    degree, _, angle, _ = degree_and_angle(q, u, vq, vu, cov)
    c, s = np.where(degree > 0, (q, u) / np.where(degree > 0, degree, 1), np.sqrt(0.5))
    across = s**2 * vq + c**2 * vu - 2 * c * s * cov
    with np.errstate(divide="ignore", invalid="ignore"):
        debiased = degree + np.where(degree > 0, across * np.expm1(-(degree**2) / across) / (2 * degree), 0.0)
    values = np.stack([q, u, vq, vu, cov], axis=-1).reshape(-1, 5)
    found = np.array([_posterior(one, share, limit) for one in values], dtype=float)
    low, high, most, width = found.T.reshape(4, *q.shape)
    dims = tuple(map(str, held["q"].dims))
    reference = str(held["angle"].attrs["long_name"]) if "angle" in held else "Polarization angle, North through East"
    made = {
        "degree": (degree, "1", "Polarization degree"),
        "degree_debiased": (debiased, "1", "Polarization degree, debiased"),
        "degree_low": (low, "1", f"Lower end of the degree, {share:.1%}"),
        "degree_high": (high, "1", f"Upper end of the degree, {share:.1%}"),
        "degree_upper_limit": (most, "1", f"Upper limit of the degree, {limit:.1%}"),
        "angle": (angle, "deg", reference),
        "angle_half_width": (width, "deg", f"Half width of the angle's interval, {share:.1%}"),
    }
    result = xr.Dataset(
        {
            name: labelled(xr.DataArray(values, dims=dims), name, units=units, long_name=words)
            for name, (values, units, words) in made.items()
        },
        coords=_bounds(held),
    )
    step = f"xray.polarization_intervals: {share:.3%}, upper limit {limit:.3%}"
    title = str(held.attrs.get("title", "Polarization"))
    return check(derived(result, held, title=title, step=step, references=[PLASZCZYNSKI, VAILLANCOURT]))


def minimum_detectable_polarization(
    source_rate: Amount,
    exposure: Amount,
    *,
    modulation_factor: float | xr.DataArray,
    background_rate: Amount = "0 ct / s",
    confidence: float = 0.99,
) -> xr.DataArray:
    r"""Return the polarization degree that an unpolarized source exceeds by chance once in a hundred times.

    .. math:: \mathrm{MDP} = \frac{2 \sqrt{-\ln(1 - P)}}{\mu R_S} \sqrt{\frac{R_S + R_B}{T}}

    Parameters
    ----------
    source_rate, background_rate : value with units, or xarray.DataArray of any shape
        Counts per time in the source region: of the source alone, and of the background, taken as known.
    exposure : value with units, or xarray.DataArray of any shape
    modulation_factor : float or xarray.DataArray
        Mean of the counts, 0 to 1.
    confidence : float, optional
        P; 0.99 gives the factor 4.29.

    Returns
    -------
    xarray.DataArray
        ``mdp``; more than 1 means that no polarization could be found.

    Raises
    ------
    BadOption
        If rates, exposure or modulation factor are not positive (background: not negative), or P is none.
    MissingUnits, WrongUnits
        For a number without units, or of another kind.

    References
    ----------
    Weisskopf, Elsner & O'Dell (2010), Proc. SPIE 7732, 77320E; Kislat et al. (2015), Astroparticle Physics
    68, 45, appendix A.

    Examples
    --------
    >>> found = minimum_detectable_polarization("1 ct / s", "100 ks", modulation_factor=0.3)
    >>> f"{float(found):.2%}"
    '4.52%'
    """
    p = _probabilities([confidence])[0]
    source, behind = (
        _array(r, "ct s-1", n) for r, n in ((source_rate, "source_rate"), (background_rate, "background_rate"))
    )
    seconds = _array(exposure, "s", "exposure")
    mu = (
        in_units(modulation_factor, "1")
        if isinstance(modulation_factor, xr.DataArray)
        else amount(modulation_factor, "1", "modulation_factor", bare=True)
    )
    for name, value, fits in (
        ("source_rate", source, source > 0),
        ("background_rate", behind, behind >= 0),
        ("exposure", seconds, seconds > 0),
        ("modulation_factor", mu, (mu > 0) & (mu <= 1)),
    ):
        if not np.all(fits):
            raise BadOption(f"{name}={value!s:.80} is out of range: rates and exposure above 0, factor in (0, 1]")
    found = 2 * np.sqrt(-np.log1p(-p)) / (mu * source) * np.sqrt((source + behind) / seconds)
    told = {"references": f"{WEISSKOPF}\n{KISLAT}"}
    told |= synthetic_of(
        *(a for a in (source_rate, background_rate, exposure, modulation_factor) if isinstance(a, xr.DataArray))
    )
    words = f"Minimum detectable polarization, {p:.4g}"
    return labelled(xr.DataArray(found), "mdp", units="1", long_name=words, attrs=told)


def _posterior(measured: np.ndarray, share: float, limit: float) -> tuple[float, float, float, float]:
    """Shortest interval and upper limit of the degree, half width of the angle's, from the joint posterior."""
    nothing = (np.nan, np.nan, np.nan, np.nan)
    q, u, vq, vu, cov = measured
    if not np.isfinite(q + u + vq + vu + cov):
        return nothing
    p, widest = float(np.hypot(q, u)), float(np.sqrt(max(vq, vu)))
    first, last = max(0.0, p - REACH * widest), min(1.0, p + REACH * widest)
    if first >= last:
        return nothing
    degrees = np.linspace(first, last, STEPS[0])
    # twice the angle, about the measured one, as far as it matters for the smallest degree that does
    reach = min(np.pi, REACH * widest / p) if p > REACH * widest else np.pi
    turn = np.linspace(-reach, reach, STEPS[1])
    middle = np.arctan2(u, q)
    dq = degrees[:, None] * np.cos(middle + turn) - q
    du = degrees[:, None] * np.sin(middle + turn) - u
    det = vq * vu - cov**2
    chi2 = (vu * dq**2 + vq * du**2 - 2 * cov * dq * du) / det
    density = np.exp(-0.5 * (chi2 - chi2.min()))
    of_degree, of_angle = density.sum(axis=1), density.sum(axis=0)
    below = np.concatenate(([0.0], np.cumsum((of_degree[1:] + of_degree[:-1]) / 2)))
    below /= below[-1]
    half = STEPS[1] // 2
    sides = of_angle[half:] + of_angle[half::-1]  # by distance from the measured angle
    within = np.concatenate(([0.0], np.cumsum((sides[1:] + sides[:-1]) / 2)))
    low, high = _shortest(degrees, below, share)
    width = np.degrees(np.interp(share, within / within[-1], turn[half:])) / 2
    return low, high, float(np.interp(limit, below, degrees)), float(width)


def _shortest(values: np.ndarray, below: np.ndarray, share: float) -> tuple[float, float]:
    """The shortest interval that holds a share of a distribution given by its cumulative sum."""
    starts = values[below <= 1 - share]
    ends = np.interp(below[below <= 1 - share] + share, below, values)
    best = int(np.argmin(ends - starts))
    return float(starts[best]), float(ends[best])


def _measured(data: xr.Dataset, what: str) -> tuple[np.ndarray, ...]:
    """q, u, their variances and covariance; a covariance that is none is refused."""
    if missing := [name for name in NORMALIZED if name not in data.variables]:
        raise UnknownVariable(f"{what} needs q, u and their errors, as xray.polarization gives; missing: {missing}")
    q, u, q_error, u_error = (in_units(data[name], "1").values.astype(float) for name in NORMALIZED)
    cov = in_units(data["qu_covariance"], "1").values.astype(float) if "qu_covariance" in data else np.zeros_like(q)
    known = np.isfinite(q + u + q_error + u_error + cov)
    if not known.any():
        raise WrongData(f"{what} needs q and u with errors; none of the {q.size} bins has them: too few events")
    good = (q_error > 0) & (u_error > 0) & (np.abs(cov) < q_error * u_error)
    if not good[known].all():
        raise WrongData(f"{what} needs errors of q and u above 0, and a covariance smaller than their product")
    return tuple(np.where(known, values, np.nan) for values in (q, u, q_error**2, u_error**2, cov))


def _probabilities(confidence: Sequence[float]) -> np.ndarray:
    try:
        levels = np.asarray(confidence, dtype=float)
    except (TypeError, ValueError) as error:
        raise BadOption(f"confidence={confidence!r} are no probabilities such as (0.68, 0.99)") from error
    if levels.ndim != 1 or not levels.size or not ((levels > 0) & (levels < 1)).all():
        raise BadOption(f"confidence={confidence!r} must lie between 0 and 1, 0.99 for 99 %")
    return levels


def _array(value: Amount, units: str, what: str) -> xr.DataArray | float:
    return in_units(value, units) if isinstance(value, xr.DataArray) else amount(value, units, what)


def _bounds(data: xr.Dataset) -> dict[str, xr.Variable]:
    names = ("phase_low", "phase_high", "energy_low", "energy_high")
    return {name: data[name].variable for name in names if name in data.variables}
