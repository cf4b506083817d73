"""Synthetic data in the form of Planck's plik_lite and of BICEP/Keck's bandpowers, drawn from a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.cmb.bicep_keck_files import PAPER as BICEP_KECK
from analysis.cmb.bicep_keck_files import bandpass_table, labelled_pairs
from analysis.cmb.bicep_keck_theory import Foregrounds, foreground_bandpowers, foreground_scaling, theory_bandpowers
from analysis.cmb.planck_lite_files import COUNTS, LARGEST, binned_spectra, labelled_points
from analysis.cmb.planck_lite_files import PAPER as PLIK
from analysis.errors import BadOption, WrongData
from analysis.model import check, derived, in_units, labelled, stamp

if TYPE_CHECKING:
    from numpy.typing import NDArray

ARCMIN = np.pi / 180 / 60
KNOX = "Knox 1995, PRD 52, 4307, doi:10.1103/PhysRevD.52.4307"
# First multipole and width of plik_lite's bins, as its files blmin.dat and blmax.dat have them.
WIDTHS = ((30, 5), (100, 9), (1504, 17), (2014, 33))
# A white noise with which Knox's formula gives the errors of plik_lite 2018; least squares to its covariance.
PLIK_SKY, PLIK_NOISE, PLIK_BEAM = 0.62, {"T": 75.0, "E": 73.0}, {"T": 5.1, "E": 6.4}  # µK arcmin, arcmin
# BICEP2/Keck and Planck 2015: edges of the first five bins (PRL 114, 101301, sect. II), noise D_ℓ in µK² of each bin as
# the public files have it, and so many modes a bin that the errors are near those of the public covariance.
EDGES = (20, 55, 90, 125, 160, 195)
NOISE = {
    "B2K_B": (2.5e-3, 3.0e-3, 5.6e-3, 1.0e-2, 1.7e-2),
    "P217_B": (0.43, 0.95, 1.9, 3.1, 4.6),
    "P353_B": (9.5, 19.0, 38.0, 63.0, 94.0),
}
MODES = (11, 55, 110, 150, 180)
BANDS = {"B2K_B": (129.0, 171.0), "P217_B": (182.0, 252.0), "P353_B": (303.0, 408.0)}  # GHz, taken as flat
FIDUCIAL_DUST = 3.6  # µK², of the public files


def simulated_plik_lite(theory: xr.Dataset | xr.DataArray | None = None, *, seed: int | None = 0) -> xr.Dataset:
    """Return synthetic bandpowers in the form of Planck's plik_lite: its bins, and errors like its own.

    Knox's formula with a sky fraction of 0.62, a noise of 75 (T) and 73 (E) µK·arcmin and beams of 5.1′ and 6.4′:
    effective numbers, fitted so that nine of ten errors are within 25 % of plik_lite's. Neither foregrounds nor
    correlations of different bins are in them.

    Parameters
    ----------
    theory : xarray.Dataset or xarray.DataArray, optional
        ``cl`` (TT, TE, EE up to ℓ = 2508), the truth; Planck's 2018 best fit, which ships, if left out.
    seed : int or None, optional
        Where chance begins; None: no chance, the bandpowers are the model.

    Returns
    -------
    xarray.Dataset
        As from :func:`plik_lite_bandpowers`, ``synthetic``.

    Raises
    ------
    BadOption
        If the seed is no whole number from 0.
    WrongData
        If the theory lacks spectra or multipoles.

    References
    ----------
    Knox 1995, PRD 52, 4307; Planck Collaboration V 2020, A&A 641, A5 (the bins).

    Examples
    --------
    >>> drawn = simulated_plik_lite()
    >>> drawn.sizes["point"], drawn.attrs["synthetic"]
    (613, 'true')
    """
    random = _random(seed)
    if theory is None:
        from analysis import cmb

        planck = cmb.fetch("planck2018_lcdm")
        assert isinstance(planck, xr.Dataset)
        theory = planck
    cl = theory["cl"] if isinstance(theory, xr.Dataset) and "cl" in theory.data_vars else theory
    if not isinstance(cl, xr.DataArray) or not {"spectrum", "ell"} <= set(cl.dims):
        raise WrongData("theory must hold C_ℓ as 'cl', dims spectrum, ell, as theory_spectra returns it")
    window = _plik_windows()
    count = len(window)
    centre = (window @ np.arange(LARGEST + 1.0))[:, None]
    empty = np.full((count, 1), np.nan)
    made = labelled_points(np.hstack([centre, empty, empty]), window, np.eye(count))
    model = binned_spectra(cl, made)  # which refuses what lacks spectra or multipoles
    covariance = _knox(in_units(cl, "uK2"), window)
    drawn = model if random is None else model + np.linalg.cholesky(covariance) @ random.standard_normal(count)
    made = labelled_points(
        np.column_stack([centre[:, 0], drawn, np.sqrt(np.diag(covariance))]), window, covariance
    ).assign_attrs(synthetic="true")
    made["bandpower"].attrs["synthetic"] = "true"
    step = f"cmb.simulated_plik_lite(seed={seed}): bins of plik_lite 2018, errors by Knox's formula"
    title = "Synthetic bandpowers in the form of plik_lite 2018"
    result = derived(made, theory, title=title, step=step, references=[KNOX, PLIK])
    return check(result.assign_attrs(synthetic="true", source="a simulation, not Planck's data"))


def _random(seed: int | None) -> np.random.Generator | None:
    if seed is None:
        return None
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise BadOption(f"seed={seed!r} is not a whole number from 0, nor None (no chance)")
    return np.random.default_rng(int(seed))


def _plik_windows() -> NDArray[np.float64]:
    """Weights ℓ(ℓ+1) inside each bin, whose sum is 1; TE and EE have the first 199 of the 215 of TT."""
    ends = [start for start, _ in WIDTHS[1:]] + [LARGEST + 1]
    first = np.concatenate([np.arange(s, end, width) for (s, width), end in zip(WIDTHS, ends, strict=True)])
    ell = np.arange(LARGEST + 1)
    inside = (ell >= first[:, None]) & (ell < np.append(first[1:], LARGEST + 1)[:, None])
    raw = np.where(inside, ell * (ell + 1.0), 0.0)
    weight = raw / raw.sum(axis=1, keepdims=True)
    return np.concatenate([weight[:count] for count in COUNTS.values()])


def _knox(cl: xr.DataArray, window: NDArray) -> NDArray[np.float64]:
    """Covariance of binned TT, TE, EE on a part of the sky, no multipole knowing another."""
    ell = np.arange(LARGEST + 1)
    used = ell[window.any(axis=0)]
    field = {"TT": ("T", "T"), "TE": ("T", "E"), "EE": ("E", "E")}
    total = {name: cl.sel(spectrum=name, ell=used).values.astype(float) for name in field}
    for name, one in (("TT", "T"), ("EE", "E")):
        beam = np.exp(-used * (used + 1) * (PLIK_BEAM[one] * ARCMIN) ** 2 / (8 * np.log(2)))
        total[name] = total[name] + (PLIK_NOISE[one] * ARCMIN) ** 2 / beam
    power = {pair: total["".join(sorted(pair, reverse=True))] for pair in ("TT", "TE", "ET", "EE")}
    modes = (2 * used + 1) * PLIK_SKY
    rows = np.repeat(list(COUNTS), list(COUNTS.values()))
    weights = window[:, used]
    made = np.zeros((len(rows), len(rows)))
    for one, (a, b) in field.items():
        for two, (c, d) in field.items():
            each = (power[a + c] * power[b + d] + power[a + d] * power[b + c]) / modes
            here, there = rows == one, rows == two
            made[np.ix_(here, there)] = (weights[here] * each) @ weights[there].T
    return made


def simulated_bicep_keck(
    theory: xr.Dataset, *, r: float = 0.05, dust: float = FIDUCIAL_DUST, seed: int | None = 0
) -> xr.Dataset:
    """Return synthetic bandpowers in the form of BICEP2/Keck + Planck 2015: three bands, five bins, drawn from a model.

    B modes at 150 GHz (BICEP2/Keck), 217 and 353 GHz (Planck) with flat bandpasses and bins, noise and numbers of
    modes near those of the public files. The fiducial model, of which the covariance is made, has r = 0 and dust of
    3.6 uK2 as theirs. Matrices of bandpowers follow a Wishart distribution; no leakage, no filtering, no synchrotron.

    Parameters
    ----------
    theory : xarray.Dataset
        ``lensed`` and ``tensor`` (r = 1) up to ℓ = 200 or more, as from :func:`theory_spectra`.
    r, dust : float, optional
        The truth: tensor-to-scalar ratio, and D_80^BB of dust at 353 GHz in uK2.
    seed : int or None, optional
        Where chance begins; None: no chance, the bandpowers are the model.

    Returns
    -------
    xarray.Dataset
        As from :func:`bicep_keck_bandpowers`, ``synthetic``.

    Raises
    ------
    BadOption
        If r or dust is negative or no number, or the seed is none.
    WrongData
        If the theory lacks spectra or multipoles.

    References
    ----------
    BICEP2/Keck & Planck Collaborations 2015, PRL 114, 101301; Hamimeche & Lewis 2008, PRD 77, 103013 (Wishart).

    Examples
    --------
    >>> from analysis import cmb
    >>> drawn = simulated_bicep_keck(cmb.theory_spectra(lmax=200))
    >>> drawn.pair.values.tolist()
    ['B2K_BxB2K_B', 'B2K_BxP217_B', 'B2K_BxP353_B', 'P217_BxP217_B', 'P217_BxP353_B', 'P353_BxP353_B']
    """
    random = _random(seed)
    for name, value in (("r", r), ("dust", dust)):
        if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 <= value < np.inf:
            raise BadOption(f"{name}={value!r} must be a finite number, 0 or more")
    if not isinstance(theory, xr.Dataset) or not {"lensed", "tensor"} <= set(theory.data_vars):
        raise WrongData("theory must hold 'lensed' and 'tensor', as theory_spectra returns it")
    made = _empty_bicep_keck()
    lensed, tensor = (theory_bandpowers(theory[name], made) for name in ("lensed", "tensor"))
    scaling = foreground_scaling(made, Foregrounds().dust_index, temperature=Foregrounds().dust_temperature)
    per_dust = foreground_bandpowers(made, Foregrounds(dust=1.0), scaling, np.zeros_like(scaling))
    truth, fiducial = lensed + r * tensor + dust * per_dust, lensed + FIDUCIAL_DUST * per_dust
    noise = made["noise"].values
    drawn = truth if random is None else _wishart(truth + noise, random) - noise
    for name, values in (("bandpower", drawn), ("fiducial", fiducial)):
        made[name] = made[name].copy(data=values)
    made["covariance"] = labelled(
        xr.DataArray(_wishart_covariance(fiducial + noise), dims=("bin", "pair", "bin_2", "pair_2")),
        "covariance",
        units="uK4",
        long_name="Covariance of bandpowers",
    )
    made["bandpower"].attrs["synthetic"] = "true"
    result = stamp(
        made.assign_attrs(synthetic="true", true_r=r, true_dust=dust),
        title="Synthetic bandpowers in the form of BICEP2/Keck and Planck 2015",
        institution="not stated",
        source="a simulation, not BICEP/Keck's data",
        references=[BICEP_KECK],
        license="not stated",
        history=[f"cmb.simulated_bicep_keck(r={r:g}, dust={dust:g}, seed={seed})"],
        provenance={"query": {"r": r, "dust": dust, "seed": seed}},
    )
    return check(result)


def _empty_bicep_keck() -> xr.Dataset:
    """Bins, windows, noise and bandpasses; bandpowers NaN."""
    names = list(NOISE)
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i:]]
    ell = np.arange(2, EDGES[-1] + 6)
    edges = np.array(EDGES)
    inside = (ell >= edges[:-1, None]) & (ell < edges[1:, None])
    window = inside / inside.sum(axis=1, keepdims=True)
    noise = np.zeros((len(window), len(pairs)))
    for k, (a, b) in enumerate(pairs):
        if a == b:
            noise[:, k] = NOISE[a]
    empty = np.full(noise.shape, np.nan)
    tables = {"bandpower": empty, "noise": noise, "fiducial": empty}
    made = labelled_pairs(tables, pairs, list(range(1, len(window) + 1)))
    made["window"] = labelled(
        xr.DataArray(np.repeat(window[:, None], len(pairs), axis=1), dims=("bin", "pair", "ell")),
        "window",
        units="1",
        long_name="Bandpower window on D_ℓ",
    )
    made = made.assign_coords(ell=("ell", ell, {"units": "1", "long_name": "Multipole ℓ"}))
    found = [np.column_stack([nu := np.arange(low, high + 1), np.ones(nu.size)]) for low, high in BANDS.values()]
    made = made.merge(bandpass_table(found, names, dict.fromkeys(names, "B")))
    return made.assign_attrs(dust_pivot=353.0, synchrotron_pivot=23.0)


def _square(pairs: NDArray) -> NDArray[np.float64]:
    size = len(NOISE)
    i, j = np.triu_indices(size)
    whole = np.zeros((*pairs.shape[:-1], size, size))
    whole[..., i, j] = whole[..., j, i] = pairs
    return whole


def _wishart(total: NDArray, random: np.random.Generator) -> NDArray[np.float64]:
    """Mean of so many outer products of Gaussian vectors as each bin has modes, of bandpowers (bin, pair)."""
    i, j = np.triu_indices(len(NOISE))
    drawn = []
    for matrix, modes in zip(_square(total), MODES, strict=True):
        vectors = np.linalg.cholesky(matrix) @ random.standard_normal((len(NOISE), modes))
        drawn.append((vectors @ vectors.T / modes)[i, j])
    return np.array(drawn)


def _wishart_covariance(total: NDArray) -> NDArray[np.float64]:
    i, j = np.triu_indices(len(NOISE))
    count = len(i)
    made = np.zeros((len(MODES), count, len(MODES), count))
    for k, (c, modes) in enumerate(zip(_square(total), MODES, strict=True)):
        made[k, :, k] = (c[np.ix_(i, i)] * c[np.ix_(j, j)] + c[np.ix_(i, j)] * c[np.ix_(j, i)]) / modes
    return made
