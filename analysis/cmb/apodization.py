"""Masks with soft edges, which couple multipoles less and have the derivatives that purification needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analysis.cmb.angles import degrees
from analysis.cmb.harmonics import alm_from_map, map_from_alm, multipoles
from analysis.cmb.maps import nside_of, ring_order
from analysis.cmb.masks import Mask, mask_array, mask_name, named_mask
from analysis.cmb.origins import synthetic_attrs
from analysis.errors import BadOption, WrongData

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from analysis.cmb.angles import Angle

KINDS = ("C1", "C2", "Smooth")


def apodized_mask(mask: Mask, *, scale: Angle, kind: str = "C2") -> xr.DataArray:
    r"""Return a mask whose weights fall to zero over a distance from its edge.

    With :math:`x = \sqrt{(1-\cos\theta)/(1-\cos\theta_*)}` of the distance θ to the nearest cell that is left out
    and the scale :math:`\theta_*`, weights within it are multiplied by :math:`x - \sin(2\pi x)/2\pi` ("C1") or
    :math:`(1-\cos\pi x)/2` ("C2"). "Smooth" leaves out all within 2.5 scales, smooths by a Gaussian of σ = scale,
    and multiplies by the mask.

    Parameters
    ----------
    mask : xarray.DataArray or xarray.Dataset
        bool, or weights from 0 to 1; dim ``cells``.
    scale : float, str, astropy.units.Quantity or xarray.DataArray
        A number is degrees, text has a unit (``"5 deg"``). Several cells wide, or nothing is soft.
    kind : {"C2", "C1", "Smooth"}
        "C1" and "C2" have no jump in value and slope at the edge.

    Returns
    -------
    xarray.DataArray
        ``mask``, dim ``cells``: weights from 0 to 1, nowhere above those of the mask.

    Raises
    ------
    BadOption
        If ``kind`` is unknown or ``scale`` is not positive and below 180°.
    WrongData
        If it is no mask, or nothing of it is left.

    References
    ----------
    Grain, Tristram & Stompor 2009, PRD 79, 123515, doi:10.1103/PhysRevD.79.123515 (C1, C2); Alonso et al. 2019,
    MNRAS 484, 4127, doi:10.1093/mnras/stz093 (these forms).

    Examples
    --------
    >>> from analysis.cmb.masks import galactic_mask
    >>> soft = apodized_mask(galactic_mask(32, latitude=10), scale="10 deg")
    >>> bool(0 < soft[soft > 0].min() < 0.1), float(soft.max())
    (True, 1.0)
    """
    array = mask_array(mask)
    nside = nside_of(array, "the mask")
    width = degrees(scale, "scale")
    if kind not in KINDS:
        raise BadOption(f"kind={kind!r} is unknown; give {', '.join(KINDS)}")
    if not 0 < width < 180:
        raise BadOption(f"scale={scale!r} must be above 0 and below 180 degrees, for example '5 deg'")
    weights = array.values.astype(float)
    left_out = np.flatnonzero(weights == 0)
    if left_out.size:
        near = 2.5 * width if kind == "Smooth" else width
        square = _nearest(left_out, np.flatnonzero(weights > 0), nside)
        x = np.sqrt(square / (2 * (1 - np.cos(np.radians(min(near, 180))))))
        factor = np.ones_like(weights)
        factor[weights > 0] = _factor(x, kind)
        factor[left_out] = 0
        if kind == "Smooth":
            factor = np.clip(_smooth(factor, nside, np.radians(width)), 0, 1)
        weights = weights * factor
    if not weights.any():
        raise WrongData(f"nothing of the mask is left after kind={kind!r} with scale={scale!r}; give a smaller scale")
    name = f"{mask_name(mask)}, apodized {kind} over {width:g}°"
    return named_mask(weights, array, name).assign_attrs(synthetic_attrs(array))


def _nearest(left_out: NDArray, kept: NDArray, nside: int) -> NDArray[np.float64]:
    """Squared chord from each kept cell to the nearest one that is left out; both NESTED."""
    import ducc0
    from scipy.spatial import cKDTree

    base = ducc0.healpix.Healpix_Base(nside, "NEST")
    outside = np.ones(12 * nside**2, dtype=bool)
    outside[left_out] = False
    beside = base.neighbors(left_out)
    edge = left_out[(outside[beside] & (beside >= 0)).any(axis=1)]  # only these can be nearest
    tree = cKDTree(base.pix2vec(edge))
    return tree.query(base.pix2vec(kept))[0] ** 2 if edge.size else np.full(kept.size, 4.0)


def _factor(x: NDArray, kind: str) -> NDArray[np.float64]:
    if kind == "Smooth":
        return (x > 1).astype(float)
    inside = np.minimum(x, 1)
    if kind == "C1":
        return inside - np.sin(2 * np.pi * inside) / (2 * np.pi)
    return (1 - np.cos(np.pi * inside)) / 2


def _smooth(factor: NDArray, nside: int, sigma: float) -> NDArray[np.float64]:
    lmax, order = 3 * nside - 1, ring_order(nside)
    ell = multipoles(lmax)[0]
    alm = alm_from_map(factor[None, order], nside=nside, lmax=lmax, iterations=3)
    smooth = np.empty_like(factor)
    smooth[order] = map_from_alm(alm * np.exp(-ell * (ell + 1) * sigma**2 / 2), nside=nside, lmax=lmax)[0]
    return smooth
