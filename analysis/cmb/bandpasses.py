"""Measured bandpasses as bands: few nodes and weights that integrate a spectrum over a table of transmission."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import xarray as xr

from analysis.cmb.temperatures import cmb_intensity, rj_intensity, sampled_bandpass
from analysis.errors import BadOption, WrongData
from analysis.model import near

if TYPE_CHECKING:
    from numpy.typing import NDArray

# "delta", "tophat", or tables: one a band in their order, or by channel_name
Bandpass: TypeAlias = str | Sequence[xr.DataArray] | Mapping[str, xr.DataArray]
INTERVALS = 8  # a table has at least so many, with three Gauss–Legendre nodes in each
NODES = 12  # of the Gauss rule that stands for all of them within an octave
TAIL = 0.005  # share of the response on either side of which a band's nominal frequency does not lie


@dataclass(frozen=True, eq=False)
class Bands:
    """Frequencies (bands, nodes) in GHz, and the weight of K_RJ at each towards K_CMB of the band."""

    nu: NDArray
    gain: NDArray


def gains(nu: NDArray, weight: NDArray) -> NDArray[np.float64]:
    r"""Return the weight of K_RJ at each node of a band towards its K_CMB: :math:`w\,u_{RJ} / \sum w\,u_{CMB}`.

    Examples
    --------
    >>> gains(np.array([[100.0]]), np.ones(1)).round(3).tolist()  # K_CMB of 1 K_RJ at 100 GHz
    [[1.287]]
    """
    return weight * rj_intensity(nu) / (weight * cmb_intensity(nu)).sum(axis=-1, keepdims=True)


def tabulated_bands(bandpass: Bandpass, centres: NDArray, names: Sequence[str] | None) -> Bands:
    """Return the bands of tables of transmission, linear between their samples.

    Parameters
    ----------
    bandpass : sequence or mapping of xarray.DataArray
        One table a band in their order, or by ``channel_name``: the response to spectral radiance on the dim
        ``frequency`` with units, any normalization.
    centres : numpy.ndarray
        Nominal frequencies in GHz, to notice tables that are out of order.
    names : sequence of str, optional
        ``channel_name`` of the bands.

    Raises
    ------
    BadOption
        If these are no tables, or not one for each band.
    WrongData
        If a table is none, or its band is elsewhere.

    Examples
    --------
    >>> nu = xr.DataArray([90.0, 110.0], dims="frequency", attrs={"units": "GHz"})
    >>> flat = xr.DataArray([1.0, 1.0], dims="frequency", coords={"frequency": nu})
    >>> tabulated_bands([flat], np.array([100.0]), None).nu.shape
    (1, 12)
    """
    nodes = []
    for number, (table, centre) in enumerate(
        zip(bandpass_in_order(bandpass, len(centres), names), centres, strict=True)
    ):
        what = f"the bandpass of {names[number] if names is not None else f'band {number + 1}'}"
        try:
            nu, tau = sampled_bandpass(table)
        except WrongData as error:
            raise error.and_more(f"(this is {what})") from error
        nodes.append(_reduced(*_composite(nu, tau, float(centre), what)))
    longest = max(len(nu) for nu, _ in nodes)
    at = np.stack([np.pad(nu, (0, longest - len(nu)), mode="edge") for nu, _ in nodes])
    weight = np.stack([np.pad(weight, (0, longest - len(weight))) for _, weight in nodes])
    return Bands(at, gains(at, weight))


def bandpass_in_order(bandpass: Bandpass, count: int, names: Sequence[str] | None) -> list[xr.DataArray]:
    """Return tables in the order of the bands.

    Raises
    ------
    BadOption
        If these are no tables, or not one for each band.

    Examples
    --------
    >>> bandpass_in_order({"b": 2, "a": 1}, 2, ["a", "b"])
    [1, 2]
    """
    if isinstance(bandpass, str) or not isinstance(bandpass, Sequence | Mapping):
        asked = repr(bandpass) if isinstance(bandpass, str) else f"a {type(bandpass).__name__}"
        raise BadOption(
            f"bandpass={asked} is unknown; give 'delta' (one frequency a band), 'tophat' (even over the bandwidth), "
            "or tables: a list of DataArrays, one a band, or {channel_name: table}"
        )
    if isinstance(bandpass, Mapping):  # a Dataset is one too
        if names is None:
            raise BadOption("the bands have no channel_name to choose tables by; give a list, one table a band")
        if missing := [name for name in names if name not in bandpass]:
            raise BadOption(f"bandpass has no table for {', '.join(missing)}{near(missing[0], map(str, bandpass))}")
        return [bandpass[name] for name in names]
    tables = bandpass_tables(bandpass)
    if len(tables) != count:
        raise BadOption(f"bandpass has {len(tables)} tables for {count} bands; give one a band, in their order")
    return tables


def _composite(nu: NDArray, tau: NDArray, centre: float, what: str) -> tuple[NDArray, NDArray]:
    """Return nodes and weights of the response between all samples, where it is not zero."""
    parts = -(-INTERVALS // (nu.size - 1))
    fine = np.interp(np.arange((nu.size - 1) * parts + 1) / parts, np.arange(nu.size), nu)
    place, share = np.polynomial.legendre.leggauss(3)
    half = np.diff(fine)[:, None] / 2
    at = ((fine[1:] + fine[:-1])[:, None] / 2 + half * place).ravel()
    weight = (half * share).ravel() * np.interp(at, nu, tau)
    kept = weight != 0
    at, weight = at[kept], weight[kept]
    if not (weight * cmb_intensity(at)).sum() > 0:
        raise WrongData(f"{what} has no positive integral over the spectrum of the CMB")
    reached = np.cumsum(np.abs(weight)) / np.abs(weight).sum()
    low, high = at[np.searchsorted(reached, TAIL)], at[np.searchsorted(reached, 1 - TAIL)]
    if not low <= centre <= high:
        raise WrongData(
            f"{what} responds from {low:.4g} to {high:.4g} GHz, but the band is at {centre:.4g} GHz: are the tables in "
            "the order of the bands, and in their units?"
        )
    return at, weight


def _reduced(at: NDArray, weight: NDArray) -> tuple[NDArray, NDArray]:
    """Return Gauss rules of few nodes in place of many: one an octave, for positive and for negative responses.

    A spectrum that is a power of ν, or thermal, is a polynomial over an octave to rounding; a measured response may be
    negative where it is noise.
    """
    middle = (np.abs(weight) * at).sum() / np.abs(weight).sum()
    octave = np.floor(np.log2(at / middle) + 0.5)  # the middle of the band is in one
    made = []
    for number in np.unique(octave):
        for sign in (1, -1):
            held = (octave == number) & (sign * weight > 0)
            if held.sum() <= NODES:
                made.append((at[held], weight[held]))
            else:
                nu, size = _gauss_rule(at[held], sign * weight[held], NODES)
                made.append((nu, sign * size))
    return np.concatenate([nu for nu, _ in made]), np.concatenate([w for _, w in made])


def _gauss_rule(at: NDArray, weight: NDArray, count: int) -> tuple[NDArray, NDArray]:
    """Return the Gauss rule of a discrete positive measure by Lanczos steps (Golub & Welsch 1969)."""
    middle, span = (at.max() + at.min()) / 2, (at.max() - at.min()) / 2
    x = (at - middle) / span
    basis = np.zeros((count, at.size))
    diagonal, beside = np.zeros(count), np.zeros(count)
    vector = np.sqrt(weight)
    for step in range(count):
        basis[step] = vector / np.linalg.norm(vector)
        vector = x * basis[step]
        diagonal[step] = basis[step] @ vector
        for _ in range(2):  # orthogonal to all before, to rounding
            vector = vector - basis[: step + 1].T @ (basis[: step + 1] @ vector)
        beside[step] = np.linalg.norm(vector)
    values, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(beside[:-1], 1) + np.diag(beside[:-1], -1))
    return middle + span * values, weight.sum() * vectors[0] ** 2


def bandpass_told(bandpass: Bandpass) -> str:
    """Return what to write down of bandpasses: the word, or how many tables and a checksum of their numbers.

    Examples
    --------
    >>> bandpass_told("delta")
    'delta'
    """
    if isinstance(bandpass, str):
        return bandpass
    tables = bandpass_tables(bandpass)
    total = hashlib.sha256()
    for nu, tau in map(sampled_bandpass, tables):
        total.update(np.ascontiguousarray([nu, tau]).tobytes())
    return f"{len(tables)} tables, sha256 {total.hexdigest()[:12]}"


def bandpass_tables(bandpass: Bandpass) -> list[xr.DataArray]:
    """Return the tables of bandpasses, none for a word.

    Examples
    --------
    >>> bandpass_tables("tophat")
    []
    """
    if isinstance(bandpass, str):
        return []
    return list(bandpass.values()) if isinstance(bandpass, Mapping) else list(bandpass)
