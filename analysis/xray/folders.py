"""The folding engine: a response compiled for one set of bins, for fits that fold thousands of models.

What a fit does not need is done beforehand, once: channels are summed to their bins, weighted with exposure and
AREASCAL; channels outside the band, zeros, and energy bins that reach no bin fall away. What is left is stored
row by row in runs of neighbouring energy bins, which real responses fill almost without gaps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.model import in_units

GAP = 8  # zeros in a row that end a run: fewer are cheaper to multiply than a new run to start


@dataclass(frozen=True, eq=False)
class Folder:
    """A response ready to fold: from the flux in its energy bins to what is expected in each fitted bin.

    Attributes
    ----------
    low, high : numpy.ndarray
        Edges in keV of the energy bins that reach a fitted bin; a model is needed on these alone.
    energies : slice
        Which energy bins of the response they are.
    values, run_values, run_energies, row_runs : numpy.ndarray
        The matrix in runs: elements in cm2 times weight, where each run starts in them and in the energy bins,
        and the first run of each row.

    Examples
    --------
    >>> from analysis import xray
    >>> ulx = xray.fetch("ngc7793_ulx4_pn")
    >>> whole = xray.response(ulx["rmf"], arf=ulx["arf"])
    >>> bins = xray.channel_bins(ulx["spectrum"], band=(0.5, 8), rmf=ulx["rmf"])
    >>> folder = compiled(whole, bins.values)
    >>> flux = 4.5e-4 * (folder.high - folder.low)  # a flat spectrum, 4.5e-4 ph cm-2 s-1 keV-1
    >>> folder.fold(flux).shape, whole.sizes["energy"], folder.low.size
    ((104,), 2067, 1497)
    """

    low: np.ndarray
    high: np.ndarray
    energies: slice
    values: np.ndarray
    run_values: np.ndarray
    run_energies: np.ndarray
    row_runs: np.ndarray

    @property
    def n_bins(self) -> int:
        """How many bins there are."""
        return self.row_runs.size - 1

    @property
    def nbytes(self) -> int:
        """How much memory the matrix takes, in bytes."""
        return sum(part.nbytes for part in self._matrix())

    def fold(self, flux: np.ndarray) -> np.ndarray:
        """Return what a flux (ph cm-2 s-1 in each energy bin used) makes in each bin: ct/s times weight."""
        return self.fold_many(np.asarray(flux)[None])[0]

    def fold_many(self, fluxes: np.ndarray) -> np.ndarray:
        """Return what several fluxes make, (n, energy) to (n, bin); the matrix is read but once.

        Raises
        ------
        WrongData
            If the fluxes are not on the energy bins used.
        """
        from analysis.xray._kernels_folding import fold

        given = np.ascontiguousarray(fluxes, dtype=np.float64)
        if given.ndim != 2 or given.shape[1] != self.low.size:
            raise WrongData(
                f"fluxes of shape {given.shape}, where (n, {self.low.size}) is needed: a model on the {self.low.size} "
                "energy bins low, high of the folder, which are those of the response at [folder.energies]"
            )
        made = np.zeros((given.shape[0], self.n_bins))
        fold(*self._matrix(), given, made)
        return made

    def adjoint(self, values: np.ndarray) -> np.ndarray:
        """Return the transposed product, from one number a bin to one an energy bin used.

        Raises
        ------
        WrongData
            If there is not one number a bin.
        """
        from analysis.xray._kernels_folding import unfold

        given = np.ascontiguousarray(values, dtype=np.float64)
        if given.shape != (self.n_bins,):
            raise WrongData(f"the adjoint needs one number for each of {self.n_bins} bins, not shape {given.shape}")
        made = np.zeros(self.low.size)
        unfold(*self._matrix(), given, made)
        return made

    def _matrix(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        return self.values, self.run_values, self.run_energies, self.row_runs


def compiled(whole: xr.Dataset, bins: np.ndarray, weights: np.ndarray | None = None) -> Folder:
    """Return a response made ready for one set of bins.

    Parameters
    ----------
    whole : xarray.Dataset
        What :func:`analysis.xray.response` gave, effective area multiplied in (cm2).
    bins : numpy.ndarray
        The bin of each channel, 0, 1, …; -1 for a channel that is left out.
    weights : numpy.ndarray, optional
        A factor for each channel, such as AREASCAL, or exposure times AREASCAL so that a fold gives counts.
        Those of channels that are left out are not looked at.

    Raises
    ------
    WrongData
        If the response holds no area, bins or weights are not one a channel, or a weight is negative or NaN.
    BadOption
        If no channel is in a bin.
    """
    from scipy.sparse import csc_array

    index, factor = _checked(whole, bins, weights)
    matrix, channel = whole.variables["matrix"].values, whole.variables["channel_index"].values
    pointers = np.append(whole.variables["first_element"].values, matrix.size)
    row = index.astype(np.int32)[channel]
    kept = (row >= 0) & (matrix != 0)
    if not kept.all():
        which = np.flatnonzero(kept)
        pointers = np.searchsorted(which, pointers)
        row, channel, matrix = row[which], channel[which], matrix[which]
    elements = matrix.astype(np.float64, copy=False) if factor is None else matrix * factor[channel]
    n_energies = pointers.size - 1
    # sorted by energy within a row, as the way from columns to rows goes through the columns in order
    rows = csc_array((elements, row, pointers.astype(np.int32)), shape=(int(index.max()) + 1, n_energies)).tocsr()
    del kept, row, channel, matrix, elements
    rows.sum_duplicates()
    rows.eliminate_zeros()
    energy = rows.indices
    used = slice(int(energy.min()), int(energy.max()) + 1) if energy.size else slice(0, 0)
    low, high = (in_units(whole[name], "keV").values.astype(np.float64)[used] for name in ("energy_low", "energy_high"))
    energy -= energy.dtype.type(used.start)
    return Folder(low, high, used, *_in_runs(rows.data, energy, rows.indptr.astype(np.int64)))


def _checked(whole: xr.Dataset, bins: np.ndarray, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Bins and weights of the channels, refused where they cannot be."""
    if "channel_index" not in whole.variables:
        raise WrongData("a folder is made of what xray.response gives, not of a response as read")
    if whole["matrix"].attrs.get("units") != "cm2":
        raise WrongData("the response holds no effective area; give xray.response the arf= that belongs to it")
    n_channels = whole.sizes["channel"]
    index = np.asarray(bins)
    if index.shape != (n_channels,) or not np.issubdtype(index.dtype, np.integer):
        raise WrongData(
            f"bins must be one whole number for each of {n_channels} channels, not {index.dtype} of shape {index.shape}"
        )
    if not (index >= 0).any():
        raise BadOption("no channel is in a bin; there is nothing to fold to")
    if index.max() >= n_channels:
        raise WrongData(f"bins are numbered 0, 1, …; a bin {index.max()} is more than {n_channels} channels can fill")
    if weights is None:
        return index, None
    factor = np.asarray(weights, dtype=np.float64)
    used = index >= 0
    if factor.shape != (n_channels,) or not ((factor[used] >= 0) & np.isfinite(factor[used])).all():
        raise WrongData(f"weights must be one number ≥ 0 for each of {n_channels} channels; shape {factor.shape}")
    return index, factor


def _in_runs(
    elements: np.ndarray, energy: np.ndarray, pointers: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Values, where each run starts in them and in the energies, and the first run of each row."""
    breaks = np.ones(energy.size, dtype=bool)
    breaks[1:] = np.diff(energy) > GAP + 1
    breaks[pointers[:-1][np.diff(pointers) > 0]] = True  # each row starts a run
    starts = np.flatnonzero(breaks)
    ends = np.append(starts[1:], energy.size)[: starts.size]
    run_energies = energy[starts].astype(np.int64)
    run_values = np.append(0, np.cumsum(energy[ends - 1] - run_energies + 1))
    row_runs = np.searchsorted(starts, pointers)
    if run_values[-1] == elements.size:
        return elements, run_values, run_energies, row_runs
    place = np.repeat(run_values[:-1] - run_energies, ends - starts)
    place += energy
    values = np.zeros(int(run_values[-1]))
    values[place] = elements
    return values, run_values, run_energies, row_runs
