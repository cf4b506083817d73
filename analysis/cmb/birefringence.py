"""Angles from EB: cosmic birefringence, and the miscalibration of each channel, told apart by the Galaxy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.cmb.coupling import HIVON
from analysis.cmb.estimators import HEALPIX, squared
from analysis.cmb.fields import field_alms, matched
from analysis.cmb.harmonics import checked_iterations, checked_lmax, spectrum_of
from analysis.cmb.maps import POLCONVS, nside_of, sky_array
from analysis.cmb.masks import Mask, weights_for
from analysis.cmb.origins import synthetic_attrs, with_inputs
from analysis.cmb.stokes import units_of
from analysis.errors import BadOption, WrongData, WrongFrame
from analysis.model import check, derived, in_units, labelled, unit_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

MINAMI_2019 = "Minami et al. 2019, PTEP 2019, 083E02, doi:10.1093/ptep/ptz079"
MINAMI_2020 = "Minami & Komatsu 2020, PTEP 2020, 103E02, doi:10.1093/ptep/ptaa130"
LABELS = ("EE", "BB", "EB")
PAIRS = (("E", "E"), ("B", "B"), ("E", "B"))
ROUNDS = 40
ROUGH = 6  # rounds without correlations: far from the angles these mislead where noise is low
SETTLED = 1e-10  # rad
CLOSE = 1e-2  # of the error; rounding under bright foregrounds keeps steps above SETTLED, far below this


def channel_spectra(
    skies: Sequence[xr.Dataset | xr.DataArray],
    *,
    channels: Sequence[str] | None = None,
    mask: Mask | None = None,
    lmax: int | None = None,
    iterations: int = 3,
) -> xr.Dataset:
    r"""Return the polarization spectra of every pair of channels, E of one with B of the other kept in order.

    Pseudo-:math:`C_\ell` as from :func:`power_spectra`, which makes a symmetric EB of two maps.

    Parameters
    ----------
    skies : sequence of xarray.Dataset or xarray.DataArray
        Maps with Q and U of one nside, frame and ``polconv``; converted to the units of the first.
    channels : sequence of str, optional
        Their names; 0, 1, 2 … if left out.
    mask : xarray.DataArray or xarray.Dataset, optional
        Weights 0 to 1, for all maps.
    lmax, iterations : int, optional
        As for :func:`power_spectra`.

    Returns
    -------
    xarray.Dataset
        ``cl``, dims ``channel, channel_2, spectrum, ell``: EE, BB, and EB, which is E of ``channel`` with B of
        ``channel_2``. attrs ``polconv``, ``sky_fraction`` (mean weight w), ``mean_square_weight`` (by which the mask
        lowers the spectra) and ``modes_fraction``, :math:`\overline{w^2}^2 / \overline{w^4}`.

    Raises
    ------
    WrongData, WrongFrame, WrongUnits
        If the maps do not go together or the mask does not fit.
    BadOption
        If names repeat or are of another number, or ``lmax`` is out of range.

    References
    ----------
    Hivon et al. 2002, ApJ 567, 2, doi:10.1086/338126; Minami & Komatsu 2020, PTEP 2020, 103E02.

    Examples
    --------
    >>> from analysis import cmb
    >>> maps = [cmb.fetch(name) for name in ("wmap7_v_iqu", "wmap7_w_iqu")]
    >>> dict(channel_spectra(maps, channels=["V", "W"], lmax=16).cl.sizes)
    {'channel': 2, 'channel_2': 2, 'spectrum': 3, 'ell': 17}
    """
    if isinstance(skies, xr.Dataset | xr.DataArray) or not len(skies):
        raise WrongData("skies must be a list of maps, one a channel")
    names = [str(i) for i in range(len(skies))] if channels is None else [str(name) for name in channels]
    if len(names) != len(skies) or len(set(names)) != len(names):
        raise BadOption(f"channels={names} must be {len(skies)} different names, one a map")
    first = sky_array(skies[0], needs="QU")
    lmax = checked_lmax(lmax, nside_of(first))
    rounds = checked_iterations(iterations)
    weights = weights_for(first, mask)
    alms = []
    for sky in skies:
        array = sky_array(sky, needs="QU")
        weights_for(array, mask)
        alms.append(field_alms(matched(array, first), weights, lmax=lmax, iterations=rounds))
    values = np.array([[[spectrum_of(a[x], b[y], lmax=lmax) for x, y in PAIRS] for b in alms] for a in alms])
    facts = {key: first.attrs[key] for key in ("polconv", "temperature_scale") if key in first.attrs}
    marks = synthetic_attrs(*skies, mask)
    coords = {
        "channel": ("channel", names, {"long_name": "Channel of the first map"}),
        "channel_2": ("channel_2", names, {"long_name": "Channel of the second map"}),
        "spectrum": ("spectrum", list(LABELS), {"long_name": "Spectrum"}),
        "ell": ("ell", np.arange(lmax + 1), {"units": "1", "long_name": "Multipole ℓ"}),
    }
    cl = xr.DataArray(values, dims=("channel", "channel_2", "spectrum", "ell"), coords=coords)
    name = "Pseudo-C_ℓ (mask not corrected)"
    made = labelled(cl, "cl", units=squared(units_of(first)), long_name=name, attrs=facts | marks).to_dataset()
    return check(
        with_inputs(
            made.assign_attrs(facts | marks | _shares(weights)),
            inputs=list(skies),
            title=f"Polarization spectra of {len(names)} channels",
            step=f"cmb.channel_spectra(lmax={lmax}, iterations={rounds}): pseudo-C_ℓ of {', '.join(names)}",
            references=[HIVON, HEALPIX],
            also=[] if mask is None else [mask],
        )
    )


def _shares(weights: NDArray) -> dict[str, float]:
    """What a mask leaves of the sky, of the power and of the modes; all the same where it is 0 or 1."""
    square, fourth = float((weights**2).mean()), float((weights**4).mean())
    modes = square**2 / fourth if fourth else 0.0
    return {"sky_fraction": float(weights.mean()), "mean_square_weight": square, "modes_fraction": modes}


def polarization_angles(
    spectra: xr.Dataset | xr.DataArray,
    theory: xr.Dataset | None = None,
    *,
    miscalibration: bool = True,
    beam: xr.DataArray | None = None,
    sky_fraction: float | None = None,
    lmin: int = 20,
    lmax: int | None = None,
    width: int = 20,
) -> xr.Dataset:
    r"""Return the angle of cosmic birefringence β and the miscalibration α of each channel, from EB.

    The CMB is turned by α + β, the Galaxy by α alone: EB of spectra turned back by α must be
    :math:`\frac12\sin4\beta\,(EE - BB)_{CMB}\,b_i b_j`. All :math:`n^2` spectra :math:`E_i B_j` are fitted at once by
    Gauss–Newton steps, exact in the angles, with the Gaussian covariance of the measured spectra. The Galaxy's
    own EB is taken as zero; noise must be independent of E and B. In 1,500 simulations of three channels the
    mean of β was off by 0.03 ± 0.03 of its error, and the errors stated were those of the simulations within 5 %.

    Parameters
    ----------
    spectra : xarray.Dataset or xarray.DataArray
        ``cl``: EE, BB, EB, noise included; dims ``channel, channel_2, spectrum, ell`` as from
        :func:`channel_spectra`, or ``spectrum, ell`` for one channel; ``realization`` may come first.
    theory : xarray.Dataset, optional
        ``lensed`` or ``cl`` (EE, BB) of the CMB before rotation, as from :func:`theory_spectra`. Without it β is
        taken as 0 and α alone is fitted.
    miscalibration : bool, optional
        False takes α as 0 and fits β alone: right only where the angles are known.
    beam : xarray.DataArray, optional
        FWHM a channel (dim ``channel``, or a scalar), if the spectra are not corrected for it.
    sky_fraction : float, optional
        Of the modes that a mask of 0 and 1 left, for the errors; what the spectra say if left out
        (``modes_fraction``), else 1. Spectra that say that they are pseudo-C_ℓ are divided by what the mask lowers
        them by: their ``mean_square_weight``, or this share if given.
    lmin, lmax, width : int, optional
        Multipoles used and the width of the bins in which spectra are averaged.

    Returns
    -------
    xarray.Dataset
        ``beta``, ``beta_error`` and ``alpha``, ``alpha_error`` (channel) in deg, as far as fitted, and their
        ``covariance`` (``angle, angle_2``, labelled "alpha 100", …, "beta"); ``polconv`` of the spectra says how they
        count (COSMO: clockwise on the sky is positive).

    Raises
    ------
    WrongData
        If spectra or theory lack what is needed, or angles cannot be told apart.
    WrongFrame
        If the spectra do not say their ``polconv``.
    BadOption
        If options are out of range or nothing is left to fit.

    References
    ----------
    Minami et al. 2019, PTEP 2019, 083E02, doi:10.1093/ptep/ptz079; Minami & Komatsu 2020, PTEP 2020, 103E02,
    doi:10.1093/ptep/ptaa130.

    Examples
    --------
    >>> from analysis.cmb.theory import rotated_spectra, theory_spectra
    >>> model = theory_spectra()
    >>> found = polarization_angles(rotated_spectra(model, 0.3), model, miscalibration=False)
    >>> round(float(found.beta), 6)
    0.3
    """
    cl = _spectra(spectra)
    if theory is None and not miscalibration:
        raise BadOption("without theory β is not fitted and with miscalibration=False α is not: nothing is left to fit")
    lmin, lmax, width, share = _options(cl, lmin, lmax, width, _share(spectra, cl, sky_fraction, "modes_fraction"))
    pseudo = str(cl.attrs.get("long_name", "")).startswith("Pseudo")
    lowered = _share(spectra, cl, sky_fraction, "mean_square_weight") if pseudo else 1.0
    ell = np.arange(lmin, lmax + 1)
    cl = in_units(cl, "uK2").sel(ell=ell) / lowered
    number = cl.sizes["channel"]
    modes = _halves(ell, width) * (2 * ell + 1.0)
    batch = [dim for dim in cl.dims if dim not in ("channel", "channel_2", "spectrum", "ell")]
    cl = cl.transpose(*batch, "channel", "channel_2", "spectrum", "ell")
    values = np.asarray(cl.values, dtype=float)
    if not np.isfinite(values).all():
        raise WrongData("the spectra are not finite at some of the multipoles used")
    mean, freedom = (modes / modes.sum(axis=1, keepdims=True)).T, modes.sum(axis=1) * share
    flat = (values @ mean).reshape(-1, number, number, len(LABELS), freedom.size)
    expected = None if theory is None else (_cmb(theory, ell) * _beams(beam, cl, ell)) @ mean
    found = np.array([_fitted(_matrices(one), expected, freedom, miscalibration) for one in flat])
    like = cl.isel(channel_2=0, spectrum=0, ell=0, drop=True)
    made = _angles(found, like, number if miscalibration else 0, theory is not None)
    polconv = str(cl.attrs["polconv"])
    fitted = "β and α" if theory is not None and miscalibration else ("α, β = 0" if miscalibration else "β, α = 0")
    return check(
        derived(
            made.assign_attrs(polconv=polconv, sky_fraction=share, **synthetic_attrs(spectra)),
            spectra,
            title="Polarization angles from EB",
            step=f"cmb.polarization_angles: {fitted}, ℓ = {lmin} to {lmax}, bins of {width}, EB of the Galaxy 0",
            references=[MINAMI_2019, MINAMI_2020],
            also=[] if theory is None else [theory],
        )
    )


def _spectra(spectra: xr.Dataset | xr.DataArray) -> xr.DataArray:
    cl = spectra["cl"] if isinstance(spectra, xr.Dataset) and "cl" in spectra.data_vars else spectra
    if not isinstance(cl, xr.DataArray) or not {"spectrum", "ell"} <= set(cl.coords):
        raise WrongData("spectra must hold C_ℓ as 'cl', dims [channel, channel_2,] spectrum, ell")
    if missing := [label for label in LABELS if label not in cl["spectrum"].values]:
        raise WrongData(f"the spectra lack {', '.join(missing)}")
    if "C_ℓ" not in str(cl.attrs.get("long_name", "C_ℓ")):
        raise WrongData(f"the spectra are {cl.attrs['long_name']!r}; this needs C_ℓ")
    polconv = cl.attrs.get("polconv", spectra.attrs.get("polconv"))
    if polconv not in POLCONVS:
        raise WrongFrame(
            "the spectra do not say polconv (COSMO or IAU), on which the sign of EB and of the angle hangs"
        )
    unit_of(cl)
    cl = cl.sel(spectrum=list(LABELS)).assign_attrs(polconv=polconv)
    if "channel" not in cl.dims:
        cl = cl.expand_dims(channel=["0"], channel_2=["0"]) if "channel_2" not in cl.dims else cl
    if "channel_2" not in cl.dims or cl["channel"].values.tolist() != cl["channel_2"].values.tolist():
        raise WrongData("channel and channel_2 of the spectra must be the same channels")
    return cl


def _share(spectra: xr.Dataset | xr.DataArray, cl: xr.DataArray, given: float | None, name: str) -> float:
    held = {**cl.attrs, **spectra.attrs}
    return float(held.get(name, held.get("sky_fraction", 1.0))) if given is None else given


def _options(cl: xr.DataArray, lmin: int, lmax: int | None, width: int, share: float) -> tuple[int, int, int, float]:
    held = cl["ell"].values
    last = int(held.max()) if lmax is None else lmax
    for name, value, low in (("lmin", lmin, 2), ("lmax", last, 3), ("width", width, 2)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < low:
            raise BadOption(f"{name}={value!r} is not a whole number from {low}")
    if not lmin < last or np.setdiff1d(np.arange(lmin, last + 1), held).size:
        raise BadOption(
            f"the spectra do not hold every ℓ from lmin={lmin} to lmax={last}; they have {held.min()} to {held.max()}"
        )
    if isinstance(share, bool) or not 0 < float(share) <= 1:
        raise BadOption(f"sky_fraction={share!r} is no share of the sky, 0 to 1")
    return int(lmin), int(last), int(width), float(share)


def _halves(ell: NDArray, width: int) -> NDArray[np.float64]:
    """Which multipoles are in which half bin, (half bin, ell): the even ones of all bins, then the odd ones."""
    bins = (ell - ell[0]) // width
    bins = np.minimum(bins, max(ell.size // width - 1, 0))  # what is left over goes to the last whole bin
    of_bin = np.arange(bins.max() + 1)[:, None] == bins
    return np.concatenate([of_bin & (ell % 2 == 0), of_bin & (ell % 2 == 1)]).astype(float)


def _cmb(theory: xr.Dataset, ell: NDArray) -> NDArray[np.float64]:
    """EE - BB of the CMB in µK²."""
    name = next((n for n in ("lensed", "cl") if isinstance(theory, xr.Dataset) and n in theory.data_vars), None)
    if name is None or not {"EE", "BB"} <= set(theory[name]["spectrum"].values.tolist()):
        raise WrongData("theory must hold EE and BB as 'lensed' or 'cl', as theory_spectra returns it")
    array = in_units(theory[name], "uK2")
    if np.setdiff1d(ell, array["ell"].values).size:
        raise WrongData(f"the theory ends at ℓ = {array['ell'].values.max()}, before {ell[-1]}: give a smaller lmax")
    if not str(array.attrs.get("long_name", "C_ℓ")).startswith("C_ℓ"):
        raise WrongData(f"the theory is {array.attrs['long_name']!r}; this needs C_ℓ")
    power = array.sel(ell=ell)
    return np.asarray(power.sel(spectrum="EE").values - power.sel(spectrum="BB").values, dtype=float)


def _beams(beam: xr.DataArray | None, cl: xr.DataArray, ell: NDArray) -> NDArray[np.float64]:
    """b_i b_j, shape (channel, channel_2, ell)."""
    number = cl.sizes["channel"]
    if beam is None:
        return np.ones((number, number, ell.size))
    sigma = np.atleast_1d(in_units(beam, "rad").values.astype(float)) / np.sqrt(8 * np.log(2))
    if sigma.size not in (1, number) or not (np.isfinite(sigma) & (sigma >= 0)).all():
        raise WrongData(f"beam must hold one FWHM, or {number}, one a channel")
    b = np.exp(-(ell * (ell + 1) - 4) * np.broadcast_to(sigma, number)[:, None] ** 2 / 2)
    return b[:, None] * b[None, :]


def _matrices(cl: NDArray) -> NDArray[np.float64]:
    """Symmetric matrices of E₁ … E_n, B₁ … B_n, shape (bin, 2n, 2n)."""
    ee, bb, eb = np.moveaxis(cl, -1, 0).transpose(3, 0, 1, 2)
    whole = np.block([[ee, eb], [np.swapaxes(eb, -1, -2), bb]])
    return (whole + np.swapaxes(whole, -1, -2)) / 2


def _fitted(measured: NDArray, expected: NDArray | None, freedom: NDArray, free: bool) -> NDArray[np.float64]:
    """The angles α₁ … α_n, β as far as free, in degrees, and their covariance, shape (1 + parameters, parameters).

    Spectra of a half bin scatter together, so weights made of them would lean on the very scatter that they
    weigh and bias the angles. Even multipoles are therefore weighted by what odd ones measure, and the other
    way round.
    """
    number = measured.shape[-1] // 2
    other = np.roll(np.arange(len(measured)), len(measured) // 2)
    cmb = None if expected is None else np.moveaxis(expected, -1, 0).reshape(len(measured), -1)
    alpha, beta = np.zeros(number), 0.0
    for number_of_round in range(ROUNDS):
        c, s = np.diag(np.cos(2 * alpha)), np.diag(np.sin(2 * alpha))
        back = np.block([[c, s], [-s, c]])
        rest, slope, covariance = _linear(back @ measured @ back.T, cmb, beta, freedom, free)
        known = covariance * np.eye(covariance.shape[-1]) if number_of_round < ROUGH else covariance
        weights = _solved(known[other], slope[other])
        scatter = np.einsum("bki,bkl,blj->ij", weights, covariance, weights)
        response = np.einsum("bki,bkj->ij", weights, slope)
        scale = np.sqrt(np.abs(np.diag(response)))
        if not (scale > 0).all() or np.linalg.cond(response / np.outer(scale, scale)) > 1e12:
            raise WrongData("these spectra cannot tell the angles apart: without a foreground only α + β is measured")
        inverse = np.linalg.inv(response)
        step = -inverse @ np.einsum("bki,bk->i", weights, rest)
        alpha = alpha + step[:number] if free else alpha
        beta = beta + (float(step[-1]) if expected is not None else 0.0)
        spread = inverse @ scatter @ inverse.T
        enough = CLOSE * np.sqrt(np.diag(spread)) if number_of_round > 2 * ROUGH else SETTLED
        if number_of_round > ROUGH and (np.abs(step) < enough).all():
            break
    else:
        raise WrongData("the angles did not settle: they are large, or noise leaves nothing to measure")
    angles = np.concatenate([alpha if free else [], [beta] if expected is not None else []])
    return np.vstack([np.degrees(angles), np.degrees(np.degrees(spread))])


def _solved(covariance: NDArray, slope: NDArray) -> NDArray[np.float64]:
    try:
        return np.linalg.solve(covariance, slope)
    except np.linalg.LinAlgError as error:
        raise WrongData("the spectra of some channels are the same to the last digit; leave one of them out") from error


def _linear(
    turned: NDArray, cmb: NDArray | None, beta: float, freedom: NDArray, free: bool
) -> tuple[NDArray, NDArray, NDArray]:
    """EB that should be nothing, its slopes by the angles, and its covariance, in each half bin."""
    number, size = turned.shape[-1] // 2, len(turned)
    ee, eb, bb = turned[:, :number, :number], turned[:, :number, number:], turned[:, number:, number:]
    rest, slopes = eb.reshape(size, -1), []
    if free:
        each = np.eye(number)
        slope = 2 * (np.einsum("ki,bij->bijk", each, bb) - np.einsum("kj,bij->bijk", each, ee))
        slopes.append(slope.reshape(size, -1, number))
    if cmb is not None:
        rest = rest - 0.5 * np.sin(4 * beta) * cmb
        slopes.append(-2 * np.cos(4 * beta) * cmb[..., None])
    covariance = np.einsum("bip,bjq->bijpq", ee, bb) + np.einsum("biq,bpj->bijpq", eb, eb)
    covariance = covariance.reshape(size, number**2, number**2) / freedom[:, None, None]
    return rest, np.concatenate(slopes, axis=-1), covariance


def _angles(found: NDArray, like: xr.DataArray, number: int, with_beta: bool) -> xr.Dataset:
    batch = like.dims[:-1]
    shape = [like.sizes[dim] for dim in batch]
    kept = {str(name): c for name, c in like.coords.items() if set(c.dims) <= set(batch) and c.dims}
    coords = {
        name: c.assign_attrs({"units": "1", "long_name": name.capitalize(), **c.attrs}) for name, c in kept.items()
    }
    made = xr.Dataset(coords=coords)
    covariance = found[:, 1:]
    errors = np.sqrt(np.diagonal(covariance, axis1=-2, axis2=-1))
    for rows, suffix, said in ((found[:, 0], "", ""), (errors, "_error", "Error of the ")):
        if number:
            values = rows[:, :number].reshape(*shape, number)
            channel = like["channel"].assign_attrs({"long_name": "Channel", **like["channel"].attrs})
            array = xr.DataArray(values, dims=like.dims, coords={**coords, "channel": channel})
            name = f"{said}{'M' if not said else 'm'}iscalibration angle α"
            made[f"alpha{suffix}"] = labelled(array, f"alpha{suffix}", units="deg", long_name=name)
        if with_beta:
            array = xr.DataArray(rows[:, -1].reshape(shape), dims=batch, coords=coords)
            name = f"{said}{'B' if not said else 'b'}irefringence angle β"
            made[f"beta{suffix}"] = labelled(array, f"beta{suffix}", units="deg", long_name=name)
    names = [f"alpha {label}" for label in like["channel"].values[:number]] + ["beta"] * with_beta
    named = {dim: xr.DataArray(names, dims=dim, attrs={"long_name": "Angle"}) for dim in ("angle", "angle_2")}
    array = xr.DataArray(
        covariance.reshape(*shape, len(names), len(names)), dims=(*batch, *named), coords={**coords, **named}
    )
    made["covariance"] = labelled(array, "covariance", units="deg2", long_name="Covariance of the angles")
    return made
