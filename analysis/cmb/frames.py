"""Maps and masks in another frame of the sky."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.cmb.band_by_band import each_band, has_bands
from analysis.cmb.coefficients import REINECKE, harmonic_coefficients, synthesized
from analysis.cmb.estimators import HEALPIX
from analysis.cmb.maps import cell_ids, held_stokes, map_dataset, nside_of, sky_array
from analysis.cmb.masks import Mask, mask_array, mask_name, named_mask
from analysis.cmb.origins import synthetic_attrs
from analysis.cmb.rotation import FRAMES, rotated_coefficients
from analysis.errors import BadOption, WrongData, WrongFrame
from analysis.model import derived

if TYPE_CHECKING:
    from numpy.typing import NDArray


def to_frame(
    sky: xr.Dataset | xr.DataArray,
    frame: str,
    *,
    mask: Mask | None = None,
    lmax: int | None = None,
    iterations: int = 10,
) -> xr.Dataset:
    r"""Return a map of the same sky in another frame: by its coefficients, so that Q and U turn with the meridians.

    Multipoles above ``lmax`` are cut off. Cells that a mask leaves out count as zero, and the edge rings: the result
    is NaN where the mask, in the new frame, is 0.

    Parameters
    ----------
    sky : xarray.Dataset or xarray.DataArray
        A map, dims ``[frequency,] stokes, cells``: I, or Q and U, or all three; any unit; its ``frame`` is known.
    frame : {"galactic", "icrs", "ecliptic"}
        The frame wanted (ecliptic: J2000); a map that is in it already comes back as it is.
    mask : xarray.DataArray or xarray.Dataset, optional
        Weights from 0 to 1, in the frame of the map; without it every cell must have been observed.
    lmax : int, optional
        Largest multipole, from 2 to ``3 nside - 1``; ``2 nside`` if left out.
    iterations : int, optional
        Jacobi iterations of the harmonic analysis: a dipole of nside 16 is off by 2e-4 of it after 3, 1e-10 after 10.

    Returns
    -------
    xarray.Dataset
        ``sky``, dims ``[frequency,] stokes, cells``, in the units and the polarization convention of the map.

    Raises
    ------
    BadOption
        If the frame is unknown, or ``lmax`` or ``iterations`` is out of range.
    WrongData, WrongFrame
        If a kept cell was not observed, the map states no frame that is known, or the mask does not fit.

    References
    ----------
    Górski et al. 2005, ApJ 622, 759, doi:10.1086/427976; Reinecke & Seljebotn 2013, A&A 554, A112,
    doi:10.1051/0004-6361/201321494 (the transform).

    Examples
    --------
    >>> from analysis.cmb import fetch
    >>> turned = to_frame(fetch("wmap7_w_iqu"), "icrs")
    >>> turned.attrs["frame"], turned.sky.dims
    ('icrs', ('stokes', 'cells'))
    """
    if has_bands(sky):
        options: dict = {"mask": mask, "lmax": lmax, "iterations": iterations}
        return each_band(sky, lambda band: to_frame(band, frame, **options), keep=["beam"])
    array = sky_array(sky)
    held = _known_frame(array.attrs.get("frame"), frame, "the map")
    held_stokes(array, "rotated")
    if "V" in array["stokes"].values:
        raise WrongData("the map has Stokes V, which has no coefficients here; choose sel(stokes=['I', 'Q', 'U'])")
    if held == frame:
        return derived(map_dataset(array), sky, title=_title(sky), step=f"cmb.to_frame({frame!r}): was in it")
    nside = nside_of(array)
    alms = harmonic_coefficients(sky, mask=mask, lmax=lmax, iterations=iterations)
    made = synthesized(rotated_coefficients(alms.assign_attrs(frame=held), frame=frame), nside=nside)
    new = made["sky"].assign_attrs(array.attrs).assign_attrs(frame=frame)
    if mask is not None:
        new = new.where(xr.DataArray(_looked_up(mask_array(mask).values, nside, held, frame) > 0, dims="cells"))
    result = map_dataset(new.assign_attrs(synthetic_attrs(sky, mask))).assign_attrs(synthetic_attrs(sky, mask))
    told = "no mask" if mask is None else f"mask {mask_name(mask)!r}, cells left out count as zero"
    step = f"cmb.to_frame({frame!r}): from {held}, lmax={alms.attrs['lmax']}, iterations={iterations}; {told}"
    also = [array] if mask is None else [array, mask]
    references = [HEALPIX, REINECKE]
    return derived(result, sky, title=f"{_title(sky)}, {frame}", step=step, references=references, also=also)


def rotated_mask(mask: Mask, frame: str) -> xr.DataArray:
    """Return a mask in another frame: each cell has the weight of the cell of the old frame at its centre.

    Parameters
    ----------
    mask : xarray.DataArray or xarray.Dataset
        bool, or weights from 0 to 1; dim ``cells``; its ``frame`` is known.
    frame : {"galactic", "icrs", "ecliptic"}
        The frame wanted (ecliptic: J2000).

    Returns
    -------
    xarray.DataArray
        ``mask``, dim ``cells``, of the same kind; edges are off by up to half a cell.

    Raises
    ------
    BadOption, WrongFrame
        If the frame is unknown, or the mask states none that is known.
    WrongData
        If it is no mask.

    References
    ----------
    Górski et al. 2005, ApJ 622, 759, doi:10.1086/427976.

    Examples
    --------
    >>> from analysis.cmb import galactic_mask
    >>> turned = rotated_mask(galactic_mask(32, latitude=30), "icrs")
    >>> turned.attrs["frame"], round(float(turned.mean()), 1)
    ('icrs', 0.5)
    """
    array = mask_array(mask)
    held = _known_frame(array.attrs.get("frame"), frame, "the mask")
    nside = nside_of(array)
    values = array.values if held == frame else _looked_up(array.values, nside, held, frame)
    like = xr.DataArray(
        values, dims="cells", coords={"cell_ids": cell_ids(nside)}, attrs=array.attrs | {"frame": frame}
    )
    told = "" if held == frame else f" (turned from {held})"
    return named_mask(values, like, f"Kept: {mask_name(mask).removeprefix('Kept: ')}{told}")


def _known_frame(held: object, wanted: str, what: str) -> str:
    """Return the frame that something is in, in lower case."""
    if not isinstance(wanted, str) or wanted not in FRAMES:
        raise BadOption(f"frame={wanted!r} is unknown; give {', '.join(FRAMES)}")
    if (said := str(held).lower()) not in FRAMES:
        raise WrongFrame(f"{what} says frame={held!r}; to change it, it must be one of {', '.join(FRAMES)}")
    return said


def _looked_up(values: NDArray, nside: int, held: str, wanted: str) -> NDArray:
    """Return the values of the old cells at the centres of the new ones."""
    import ducc0
    from astropy.coordinates import SkyCoord

    base = ducc0.healpix.Healpix_Base(nside, "NEST")
    centres = base.pix2ang(np.arange(12 * nside**2))
    there = SkyCoord(centres[:, 1], np.pi / 2 - centres[:, 0], unit="rad", frame=FRAMES[wanted])
    there = there.transform_to(FRAMES[held])
    angles = np.stack([np.pi / 2 - there.spherical.lat.rad, there.spherical.lon.rad], axis=1)
    return values[base.ang2pix(np.ascontiguousarray(angles))]


def _title(sky: xr.Dataset | xr.DataArray) -> str:
    return str(sky.attrs.get("title", "Sky map"))
