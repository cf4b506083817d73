"""Responses made ready for many folds: pruned to the bins of a fit, with the channels of a bin summed beforehand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.errors import OutsideCoverage, WrongData

if TYPE_CHECKING:
    from scipy.sparse import csr_array


@dataclass(frozen=True)
class Folder:
    """A response between the energy bins that matter and the bins of a fit.

    ``low`` and ``high`` (keV) are the energy bins that reach any bin of the fit, ``energies`` which of the
    response's they are.
    """

    low: np.ndarray
    high: np.ndarray
    energies: slice
    matrix: csr_array

    def fold(self, flux: np.ndarray) -> np.ndarray:
        """Return what photons per energy bin make in each bin of the fit."""
        return self.matrix @ flux

    def fold_many(self, fluxes: np.ndarray) -> np.ndarray:
        """Return the same for several rows of fluxes."""
        return (self.matrix @ fluxes.T).T

    def adjoint(self, values: np.ndarray) -> np.ndarray:
        """Return the transposed product: one value a bin of the fit to one an energy bin."""
        return self.matrix.T @ values


def compiled(whole: xr.Dataset, bins: np.ndarray, weights: np.ndarray | None = None) -> Folder:
    """Return a response made ready for the bins of a fit.

    Parameters
    ----------
    whole : xarray.Dataset
        What :func:`analysis.xray.response` gives, with its effective area.
    bins : numpy.ndarray
        The bin of each channel, -1 for those left out.
    weights : numpy.ndarray, optional
        A factor for each channel: exposure times AREASCAL makes counts of rates.

    Raises
    ------
    WrongData
        If the response has no area, or other channels than the bins.
    OutsideCoverage
        If no energy reaches a bin.
    """
    from scipy.sparse import csc_array

    matrix = whole.variables["matrix"]
    if matrix.attrs["units"] != "cm2":
        raise WrongData("the response holds no effective area; give arf=, or a response made with it")
    n_channels, n_energies = whole.sizes["channel"], whole.sizes["energy"]
    if bins.size != n_channels:
        raise WrongData(f"the response has {n_channels} channels, the spectrum {bins.size}")
    channel = whole.variables["channel_index"].values
    energy = np.repeat(np.arange(n_energies), np.diff(np.append(whole.variables["first_element"].values, matrix.size)))
    values = matrix.values * (1.0 if weights is None else weights[channel])
    used = bins[channel] >= 0
    if not used.any():
        raise OutsideCoverage("no energy of the response reaches the channels that are fitted")
    first, last = int(energy[used].min()), int(energy[used].max()) + 1
    sparse = csc_array(
        (values[used], (bins[channel[used]], energy[used] - first)), shape=(int(bins.max()) + 1, last - first)
    )
    part = slice(first, last)
    low, high = (whole.variables[name].values[part] for name in ("energy_low", "energy_high"))
    return Folder(low, high, part, sparse.tocsr())
