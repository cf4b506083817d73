"""What the BICEP2/Keck + Planck likelihood of 2015 expects: bandpowers of the CMB, dust and synchrotron."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.errors import WrongData
from analysis.model import in_units

if TYPE_CHECKING:
    from numpy.typing import NDArray

PIVOT = 80.0  # multipole of the foreground amplitudes
GHZ_KELVIN = 6.62607015e-34 / 1.380649e-23 * 1e9
T_CMB = 2.72548


@dataclass(frozen=True)
class Foregrounds:
    """Dust and synchrotron as the likelihood models them; amplitudes are D_80^BB in µK² at the pivot frequencies."""

    dust: float = 0.0
    synchrotron: float = 0.0
    dust_index: float = 1.59
    synchrotron_index: float = -3.3
    dust_tilt: float = -0.42
    synchrotron_tilt: float = -0.6
    dust_temperature: float = 19.6
    correlation: float = 0.0
    dust_e_to_b: float = 2.0
    synchrotron_e_to_b: float = 2.0


def foreground_scaling(data: xr.Dataset, index: NDArray | float, *, temperature: float | None) -> NDArray[np.float64]:
    """Return how bright dust (with a temperature) or synchrotron (None) is in each map against the pivot.

    In K_CMB over the bandpass, shape (…, map) for indices of shape (…): a greybody
    :math:`\\nu^{3+\\beta}/(e^{h\\nu/kT} - 1)` or a power law :math:`\\nu^{2+\\beta}` of intensity.

    References
    ----------
    BICEP2/Keck & Planck Collaborations 2015, PRL 114, 101301, sect. III; the conventions of CosmoMC.

    Examples
    --------
    >>> flat = xr.Dataset({"frequency": (("map", "sample"), [[352.0, 353.0, 354.0]]),
    ...                    "response": (("map", "sample"), [[0.0, 1.0, 0.0]])}, attrs={"dust_pivot": 353.0})
    >>> foreground_scaling(flat, 1.59, temperature=19.6).round(12)
    array([1.])
    """
    nu = data["frequency"].values
    steps = np.zeros_like(nu)
    for row, step in zip(nu, steps, strict=True):
        size = int(np.isfinite(row).sum())
        step[:size] = np.gradient(row[:size])
    weight = np.where(np.isfinite(nu), steps * data["response"].values, 0)
    nu = np.where(np.isfinite(nu), nu, 1.0)
    pivot = float(data.attrs["synchrotron_pivot" if temperature is None else "dust_pivot"])
    beta = np.asarray(index, dtype=float)[..., None, None]

    def bright(at: NDArray) -> NDArray:
        if temperature is None:
            return at ** (2 + beta)
        return at ** (3 + beta) / np.expm1(GHZ_KELVIN * at / temperature)

    def kelvin(at: NDArray) -> NDArray:
        x = GHZ_KELVIN * at / T_CMB
        return at**4 * np.exp(-x) / np.expm1(-x) ** 2

    at_pivot = np.array([[pivot]])
    intensity = (weight * bright(nu)).sum(axis=-1) / bright(at_pivot)[..., 0]
    return intensity / ((weight * kelvin(nu)).sum(axis=-1) / kelvin(at_pivot)[..., 0])


def theory_bandpowers(theory: xr.DataArray, data: xr.Dataset) -> NDArray[np.float64]:
    """Binned D_ℓ of the CMB, (bin, pair): EE or BB, nothing where E meets B."""
    ell = data["ell"].values
    if "spectrum" not in theory.coords or np.setdiff1d(ell, theory["ell"].values).size:
        raise WrongData(
            f"theory must hold EE and BB of every ℓ from {ell[0]} to {ell[-1]}, as theory_spectra returns it"
        )
    if not str(theory.attrs.get("long_name", "C_ℓ")).startswith("C_ℓ"):
        raise WrongData(f"theory is {theory.attrs['long_name']!r}; this needs C_ℓ")
    both = in_units(theory, "uK2").sel(spectrum=["EE", "BB"], ell=ell).values * ell * (ell + 1) / (2 * np.pi)
    power = dict(zip("EB", both, strict=True)) | {"": np.zeros(ell.size)}
    return np.einsum("bpl,pl->bp", data["window"].values, np.stack([power[f] for f in _pair_fields(data)]))


def _pair_fields(data: xr.Dataset) -> list[str]:
    field = dict(zip(data["map"].values.tolist(), data["field"].values.tolist(), strict=True))
    pairs = zip(data["first"].values.tolist(), data["second"].values.tolist(), strict=True)
    return [field[a] if field[a] == field[b] else "" for a, b in pairs]


def foreground_bandpowers(data: xr.Dataset, model: Foregrounds, dust: NDArray, sync: NDArray) -> NDArray[np.float64]:
    """Binned D_ℓ of dust and synchrotron of scalings (…, map), shape (…, bin, pair)."""
    ell = data["ell"].values / PIVOT
    place = {name: i for i, name in enumerate(data["map"].values.tolist())}
    i = [place[name] for name in data["first"].values.tolist()]
    j = [place[name] for name in data["second"].values.tolist()]
    fields = _pair_fields(data)
    dust_share = np.array([{"E": model.dust_e_to_b, "B": 1.0, "": 0.0}[f] for f in fields])
    sync_share = np.array([{"E": model.synchrotron_e_to_b, "B": 1.0, "": 0.0}[f] for f in fields])
    window = data["window"].values
    shape = {t: window @ ell**t for t in (model.dust_tilt, model.synchrotron_tilt)}
    mixed = window @ ell ** ((model.dust_tilt + model.synchrotron_tilt) / 2)
    both = dust[..., i] * sync[..., j] + sync[..., i] * dust[..., j]
    of_dust = model.dust * dust_share * (dust[..., i] * dust[..., j])
    of_sync = model.synchrotron * sync_share * (sync[..., i] * sync[..., j])
    of_both = model.correlation * np.sqrt(model.dust * model.synchrotron * dust_share * sync_share) * both
    parts = ((of_dust, shape[model.dust_tilt]), (of_sync, shape[model.synchrotron_tilt]), (of_both, mixed))
    return np.sum([amount[..., None, :] * tilt for amount, tilt in parts], axis=0)
