"""The same sky on other HEALPix cells: means, copies, other windows, and the levels of a pyramid."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.cmb.band_by_band import each_band, has_bands
from analysis.cmb.harmonics import thread_count
from analysis.cmb.maps import (
    cell_ids,
    checked_nside,
    degraded,
    held_stokes,
    map_dataset,
    measured,
    nside_of,
    sky_array,
    u_sign,
)
from analysis.errors import BadOption, WrongData
from analysis.model import derived

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from analysis.cmb.angles import Angle

GORSKI = "Górski et al. 2005, ApJ 622, 759, doi:10.1086/427976"
FACES = ((0, 4), (4, 8), (8, 12))  # of these four faces each is the one before, turned by 90° about the axis
PIECE = 4**9  # cells of a face whose turns are made in one go
LARGEST_KEPT = 512  # nside up to which the turns of Q and U are kept in memory: 4 MB for four faces


def cell_means(array: xr.DataArray, nside: int, least: float) -> NDArray[np.float64]:
    """Return the means of a whole-sky map on larger cells, Q and U carried to their centres.

    Raises
    ------
    WrongData
        If a value is infinite or UNSEEN.

    Examples
    --------
    >>> one = xr.DataArray(np.arange(48.0)[None], dims=("stokes", "cells"), name="sky",
    ...                    coords={"stokes": ["I"], "cell_ids": cell_ids(2)})
    >>> cell_means(one, 1, 0)[0, :2]
    array([1.5, 5.5])
    """
    from analysis.cmb._kernels_cells import block_means

    held = [str(label) for label in array["stokes"].values]
    values = np.ascontiguousarray(array.values)
    if values.dtype not in (np.float32, np.float64) or not values.dtype.isnative:
        values = values.astype(float)
    fine = nside_of(array)
    result = np.empty((len(held), 12 * nside**2))

    def plain(row: int) -> int:
        return block_means(values[row], result[row], least)

    def carried(first: int, last: int) -> int:
        sign, q, u = u_sign(array), held.index("Q"), held.index("U")
        old, new = (slice(first * n**2, last * n**2) for n in (fine, nside))
        pairs = [values[row, old].reshape(last - first, -1) for row in (q, u)]
        means = [result[row, new].reshape(last - first, -1) for row in (q, u)]
        step = min(fine**2, max(PIECE, (fine // nside) ** 2))  # of a face: the turns of all of a fine one are large
        wrong = 0
        for start in range(0, fine**2, step):
            piece = [np.ascontiguousarray(one[:, start : start + step]) for one in pairs]
            at = first * fine**2 + start
            made, found = carried_means(piece[0], piece[1], fine, nside, at, least=least, sign=sign)
            for mean, part in zip(means, made, strict=True):
                mean[:, start // (fine // nside) ** 2 :][:, : part.shape[1]] = part
            wrong += found
        return wrong

    with ThreadPoolExecutor(thread_count()) as pool:
        jobs = [pool.submit(carried, *faces) for faces in FACES if "Q" in held]
        jobs += [pool.submit(plain, row) for row, label in enumerate(held) if label not in "QU"]
    if sum(job.result() for job in jobs):
        measured(array)  # says so
    return result


def carried_means(
    q: NDArray, u: NDArray, fine: int, coarse: int, start: int, *, least: float, sign: int
) -> tuple[NDArray[np.float64], int]:
    """Return means of Q and U, shape (2, faces, larger cells), and how many values are infinite or UNSEEN.

    ``q``, ``u`` are of faces that are turns of each other by 90° (rows), of the same piece of each; ``start`` is
    the first cell of that of the first face. ``sign`` is :func:`u_sign`.

    Examples
    --------
    >>> one = np.ones((4, 4))
    >>> made, wrong = carried_means(one, 0 * one, 2, 1, 0, least=0, sign=1)
    >>> made.shape, wrong
    ((2, 4, 1), 0)
    """
    from analysis.cmb._kernels_cells import turned_means

    inside = (fine // coarse) ** 2
    other = u * u.dtype.type(sign) if sign < 0 else u
    made = np.empty((2, q.shape[0], q.shape[1] // inside))
    whole = q.shape[1] == fine**2 and fine <= LARGEST_KEPT
    turned = _turns(fine, coarse, start // fine**2) if whole else _new_turns(fine, coarse, start, q.shape[1])
    wrong = turned_means(q, other, *turned, made[0], made[1], least)
    made[1] *= sign
    return made, wrong


def _face_turns(fine: int, coarse: int, face: int) -> tuple[NDArray, NDArray]:
    small = fine <= LARGEST_KEPT
    return _turns(fine, coarse, face) if small else _new_turns(fine, coarse, face * fine**2, fine**2)


@lru_cache(maxsize=9)
def _turns(fine: int, coarse: int, face: int) -> tuple[NDArray, NDArray]:
    """How the meridian turns from small cells of one face to the larger ones: cosine and sine of twice the angle."""
    return _new_turns(fine, coarse, face * fine**2, fine**2)


def _new_turns(fine: int, coarse: int, start: int, cells: int) -> tuple[NDArray, NDArray]:
    from analysis.cmb._kernels_cells import turns

    made, inside = np.empty((2, cells)), (fine // coarse) ** 2
    if inside == 1:
        made[0], made[1] = 1.0, 0.0
    else:
        turns(*_centres(fine, start, cells), *_centres(coarse, start // inside, cells // inside), *made)
    return made[0], made[1]


def _centres(nside: int, start: int, cells: int) -> tuple[NDArray, NDArray]:
    """θ and φ of a run of cells."""
    import ducc0

    angles = ducc0.healpix.Healpix_Base(nside, "NEST").pix2ang(np.arange(start, start + cells))
    return np.ascontiguousarray(angles[:, 0]), np.ascontiguousarray(angles[:, 1])


def upgraded(sky: xr.Dataset | xr.DataArray, nside: int) -> xr.Dataset:
    r"""Return a map on smaller HEALPix pixels, each with the value of the pixel that it lies in.

    Nothing is gained: the map keeps the resolution and the pixel window of its own pixels. Q and U are carried along
    the great circle from the old pixel's centre to the new one's, so that :func:`degraded` gives the map back.

    Parameters
    ----------
    sky : xarray.Dataset or xarray.DataArray
        A map, dims ``[frequency,] stokes, cells``, any unit.
    nside : int
        Power of two, not smaller than the map's.

    Returns
    -------
    xarray.Dataset
        Variable ``sky``, dims ``[frequency,] stokes, cells``; NaN where the old pixel is.

    Raises
    ------
    BadOption
        If ``nside`` is not a power of two or smaller than the map's.
    WrongData
        If the map has only one of Q and U, holds infinities or UNSEEN, or is no map.

    References
    ----------
    Górski et al. 2005, ApJ 622, 759, doi:10.1086/427976 (the NESTED scheme).

    Examples
    --------
    >>> from analysis.cmb import fetch
    >>> small = upgraded(fetch("wmap7_w_iqu"), 64)
    >>> small.sizes["cells"], bool(abs(degraded(small, 32).sky - fetch("wmap7_w_iqu").sky).max() < 1e-6)
    (49152, True)
    """
    from analysis.cmb._kernels_cells import turned_copies

    if has_bands(sky):
        return each_band(sky, lambda band: upgraded(band, nside), keep=["beam"])
    array = sky_array(sky)
    coarse, nside = nside_of(array), checked_nside(nside)
    if nside < coarse:
        raise BadOption(f"nside={nside} is coarser than the map's {coarse}; use cmb.degraded")
    held = held_stokes(array, "carried to other cells")
    values = measured(array)
    result = np.repeat(values, (nside // coarse) ** 2, axis=1)
    if "Q" in held:
        sign, q, u = u_sign(array), held.index("Q"), held.index("U")
        for first, last in FACES:
            old, new = (slice(first * n**2, last * n**2) for n in (coarse, nside))
            made = np.empty((2, 4, nside**2))
            turned = (values[q, old].reshape(4, -1), sign * values[u, old].reshape(4, -1))
            turned_copies(*turned, *_face_turns(nside, coarse, first), *made)
            result[q, new], result[u, new] = made[0].ravel(), sign * made[1].ravel()
    coords = {"stokes": array["stokes"], "cell_ids": cell_ids(nside)}
    new_map = xr.DataArray(result, dims=("stokes", "cells"), coords=coords, attrs=array.attrs, name="sky")
    step = f"cmb.upgraded(nside={nside}): copied from nside {coarse}, Q and U transported"
    title = f"{sky.attrs.get('title', 'Sky map')}, nside {nside}"
    return derived(map_dataset(new_map), sky, title=title, step=step, references=[GORSKI], also=[array])


def through_harmonics(
    sky: xr.Dataset | xr.DataArray,
    nside: int,
    *,
    lmax: int | None,
    beam: Angle | xr.DataArray | None,
    new_beam: Angle | xr.DataArray | None,
    pixels: bool,
) -> xr.Dataset:
    """Return a map on larger cells through its coefficients: cut off, with another beam and other pixels' window.

    Raises
    ------
    BadOption
        If only one of the beams is given, or the new one is narrower than the old one.
    WrongData
        If cells were not observed.

    Examples
    --------
    >>> from analysis.cmb import fetch
    >>> through_harmonics(fetch("wmap7_w_iqu"), 16, lmax=32, beam=None, new_beam=None, pixels=True).sizes["cells"]
    3072
    """
    from analysis.cmb.beams import beam_window, pixel_window
    from analysis.cmb.coefficients import harmonic_coefficients, synthesized
    from analysis.cmb.harmonics import checked_lmax

    array = sky_array(sky)
    fine, held = nside_of(array), held_stokes(array, "degraded")
    if missing := int((~np.isfinite(measured(array))).any(axis=0).sum()):
        raise WrongData(
            f"{missing} of {array.sizes['cells']} cells were not observed, and coefficients need the whole sky; use "
            "method='pixels', or smooth under a mask first: cmb.smoothed(sky, fwhm=…, mask=…)"
        )
    if "V" in held:
        raise WrongData("the map has Stokes V, which has no coefficients here; choose sky.sel(stokes=['I', 'Q', 'U'])")
    if (beam is None) != (new_beam is None):
        raise BadOption("give both beam= (that of the map) and new_beam= (that of the result), or neither")
    top = min(checked_lmax(lmax, nside), 3 * fine - 1)
    window = np.ones((3, top + 1))
    if beam is not None and new_beam is not None:
        old, new = (beam_window(one, lmax=top).values for one in (beam, new_beam))
        window = np.divide(new, old, out=np.zeros_like(new), where=old > 0)
        if (window > 1 + 1e-9).any():
            raise BadOption(
                f"new_beam={new_beam!r} is narrower than beam={beam!r} at some multipole: that would blow up the noise"
            )
    if pixels:
        old, new = (pixel_window(n, lmax=top).values for n in (fine, nside))
        window *= np.divide(new, old, out=np.zeros_like(new), where=old > 0)
    found = harmonic_coefficients(sky, lmax=top, iterations=5)
    rows = ["TEB".index(str(field)) for field in found["field"].values]
    factors = window[rows][:, found["ell"].values]
    found = found.assign(coefficients=found["coefficients"].copy(data=found["coefficients"].values * factors))
    told = [f"multipoles up to {top}"]
    told += ["pixel window of the new cells over that of the old"] if pixels else []
    told += [f"beam {beam} to {new_beam}"] if beam is not None else []
    made = synthesized(found, nside=nside)
    result = made[["sky"]].assign_attrs({k: v for k, v in made.attrs.items() if k in array.attrs or k == "synthetic"})
    title = f"{sky.attrs.get('title', 'Sky map')}, nside {nside}"
    step = f"cmb.degraded(nside={nside}, method='harmonic'): {', '.join(told)}"
    also = [one for one in (array, beam, new_beam) if isinstance(one, xr.DataArray)]
    return derived(result, sky, title=title, step=step, references=[GORSKI], also=also)


def pyramid(sky: xr.Dataset | xr.DataArray, *, smallest: int = 8) -> xr.DataTree:
    """Return a map at every resolution, from its own nside down by factors of two.

    Parameters
    ----------
    sky : xarray.Dataset or xarray.DataArray
        A map, dims ``stokes, cells``, any unit.
    smallest : int, optional
        The last nside, or the map's own if that is smaller.

    Returns
    -------
    xarray.DataTree
        A node ``nside_512``, ``nside_256`` … each, as of :func:`degraded` from the map itself;
        ``formats.write(tree, "map.nc")`` keeps it.

    Raises
    ------
    BadOption
        If ``smallest`` is not a power of two.
    WrongData, WrongFrame
        As for :func:`degraded`.

    Examples
    --------
    >>> from analysis.cmb import fetch
    >>> list(pyramid(fetch("wmap7_w_iqu")).children)
    ['nside_32', 'nside_16', 'nside_8']
    """
    array = sky_array(sky)
    nside, last = nside_of(array), checked_nside(smallest)
    levels = [nside]
    while levels[-1] > last:
        levels.append(levels[-1] // 2)
    return xr.DataTree.from_dict({f"/nside_{level}": degraded(sky, level) for level in levels})
