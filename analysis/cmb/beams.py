"""Windows of beams and of HEALPix pixels: by what factor each multipole is lowered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.cmb.angles import degrees
from analysis.cmb.maps import checked_nside
from analysis.cmb.origins import synthetic_attrs
from analysis.cmb.wigner import wigner_d
from analysis.errors import BadOption, WrongData
from analysis.model import labelled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from analysis.cmb.angles import Angle

FIELDS = ("T", "E", "B")
POINTS = 5  # of Gauss and Legendre along each side of a pixel
EVERY_PIXEL = 64  # up to this nside all pixels are averaged, beyond it a quadrature over the sphere
BINS = 2000  # of the distance between two points of a pixel


def beam_window(beam: Angle | xr.DataArray, *, lmax: int) -> xr.DataArray:
    r"""Return the window of a beam for T, E and B: a Gaussian's, or a table's.

    A Gaussian of width :math:`\sigma = \mathrm{FWHM}/\sqrt{8\ln 2}` has :math:`b_\ell = e^{-\ell(\ell+1)\sigma^2/2}`
    for T and :math:`e^{-(\ell(\ell+1)-4)\sigma^2/2}` for E and B.

    Parameters
    ----------
    beam : float, str, astropy.units.Quantity or xarray.DataArray
        Full width at half maximum: a number is degrees, text has a unit (``"30 arcmin"``). Or a table: an array
        with the dim ``ell``, and ``field`` where T, E and B differ; a table without ``field`` holds for all three.
    lmax : int
        Largest multipole.

    Returns
    -------
    xarray.DataArray
        ``beam_window``, dims ``field, ell``, dimensionless. Polarization is 0 below ℓ = 2.

    Raises
    ------
    BadOption
        If the width is negative or no angle, or ``lmax`` no whole number from 2 on.
    WrongData
        If a table has gaps, ends before ``lmax``, or is not positive and finite.

    References
    ----------
    Challinor et al. 2000, PRD 62, 123002, doi:10.1103/PhysRevD.62.123002 (beams of polarization).

    Examples
    --------
    >>> window = beam_window("1 deg", lmax=200)
    >>> round(float(window.sel(field="T", ell=180)), 3)
    0.409
    """
    lmax = _checked_lmax(lmax)
    ell = np.arange(lmax + 1)
    if isinstance(beam, xr.DataArray) and "ell" in beam.dims:
        values, name = _of_table(beam, lmax), "Beam window, from a table"
        marked = synthetic_attrs(beam)
    else:
        width = degrees(beam, "beam")
        if width < 0:
            raise BadOption(f"beam={beam!r} is negative; give the full width at half maximum, for example '30 arcmin'")
        sigma = np.radians(width) / np.sqrt(8 * np.log(2))
        spins = np.array([[0], [2], [2]])
        values = np.exp(-(ell * (ell + 1) - spins**2) * sigma**2 / 2)
        name, marked = f"Beam window, Gaussian of {width:g}°", {}
    values[1:, :2] = 0
    return _window(values, "beam_window", name, marked)


def _checked_lmax(lmax: int) -> int:
    if not isinstance(lmax, int | np.integer) or isinstance(lmax, bool) or lmax < 2:
        raise BadOption(f"lmax={lmax!r} is not a whole number from 2 on")
    return int(lmax)


def _window(values: NDArray, name: str, long_name: str, attrs: dict) -> xr.DataArray:
    coords = {
        "field": xr.DataArray(list(FIELDS), dims="field", attrs={"long_name": "Field"}),
        "ell": xr.DataArray(np.arange(values.shape[1]), dims="ell", attrs={"units": "1", "long_name": "Multipole ℓ"}),
    }
    array = xr.DataArray(values, dims=("field", "ell"), coords=coords)
    return labelled(array, name, units="1", long_name=long_name, attrs=attrs)


def _of_table(table: xr.DataArray, lmax: int) -> NDArray[np.float64]:
    if set(table.dims) - {"ell", "field"} or "ell" not in table.coords:
        raise WrongData(
            f"the beam has dims {tuple(map(str, table.dims))}; it needs ell, with its coordinate, or field, ell"
        )
    held = table["ell"].values
    if held.size <= lmax or not np.array_equal(held[: lmax + 1], np.arange(lmax + 1)):
        raise WrongData(
            f"the beam's ell runs from {held[0]} to {held[-1]}; it must run 0, 1, 2 … up to lmax={lmax} or beyond"
        )
    table = table.isel(ell=slice(0, lmax + 1))
    if "field" in table.dims:
        if missing := [field for field in FIELDS if field not in table["field"].values]:
            raise WrongData(f"the beam has no field {', '.join(missing)}; give T, E and B, or a table without field")
        values = table.sel(field=list(FIELDS)).transpose("field", "ell").values.astype(float)
    else:
        values = np.repeat(table.values.astype(float)[None], 3, axis=0)
    needed = np.concatenate([values[0], values[1:, 2:].ravel()])
    if not (np.isfinite(needed) & (needed > 0)).all():
        raise WrongData(f"the beam is not positive and finite up to lmax={lmax}; cut lmax where it vanishes")
    return values


def pixel_window(nside: int, *, lmax: int | None = None) -> xr.DataArray:
    r"""Return the window of HEALPix pixels, averaged over the sky, for T, E and B.

    :math:`w_\ell^2` is the mean of :math:`P_\ell(\cos\gamma)` over all pairs of points of a pixel, and over pixels;
    for polarization that of :math:`d^\ell_{22}(\gamma)`. Pairs are points of a 5 × 5 Gauss–Legendre rule; above
    nside 64 pixels are a rule over the sphere. The windows that HEALPix distributes are met to 2e-5 from nside 4 to
    2048 below ℓ = 3 nside.

    Parameters
    ----------
    nside : int
        Power of two.
    lmax : int, optional
        Largest multipole; ``3 nside - 1`` if left out.

    Returns
    -------
    xarray.DataArray
        ``pixel_window``, dims ``field, ell``, dimensionless. Polarization is 0 below ℓ = 2.

    Raises
    ------
    BadOption
        If ``nside`` is not a power of two or ``lmax`` no whole number from 2 to ``4 nside``.

    References
    ----------
    Górski et al. 2005, ApJ 622, 759, doi:10.1086/427976, section 5.1 (pixel windows) and eqs. 4–9 (pixels).

    Examples
    --------
    >>> window = pixel_window(64)
    >>> round(float(window.sel(field="T", ell=128)), 4), round(float(window.sel(field="E", ell=2)), 4)
    (0.8261, 1.0)
    """
    nside = checked_nside(nside)
    lmax = 3 * nside - 1 if lmax is None else _checked_lmax(lmax)
    if lmax > 4 * nside:
        raise BadOption(f"lmax={lmax} is beyond 4 nside = {4 * nside}, where a pixel holds nothing")
    distances, weights = _distances(nside)
    mu = np.cos(distances)
    squares = np.stack([wigner_d(lmax, 0, 0, mu) @ weights, wigner_d(lmax, 2, 2, mu) @ weights])
    values = np.sqrt(np.maximum(squares, 0))[[0, 1, 1]]
    return _window(values, "pixel_window", f"Pixel window, nside {nside}", {})


def _distances(nside: int) -> tuple[NDArray, NDArray]:
    """Distances of two points of a pixel (radians), in narrow bins, and how frequent they are."""
    from numpy.polynomial.legendre import leggauss

    points, rule = leggauss(POINTS)
    face, x, y, often = _all_centres(nside) if nside <= EVERY_PIXEL else _centres(nside)
    inside = np.broadcast_arrays(x[:, None, None] + points[:, None] / 2, y[:, None, None] + points / 2)
    z, phi = _on_the_sphere(nside, face[:, None], *(part.reshape(face.size, -1) for part in inside))
    radius = np.sqrt((1 - z) * (1 + z))
    vectors = np.stack([radius * np.cos(phi), radius * np.sin(phi), z], axis=-1)
    weights = np.outer(rule, rule).ravel()
    total, moment = np.zeros(BINS), np.zeros(BINS)
    widest = 4 / nside  # no pixel is as wide
    for rows in np.array_split(np.arange(face.size), max(1, face.size // 500)):  # for memory
        square = ((vectors[rows, :, None] - vectors[rows, None]) ** 2).sum(axis=-1)
        gamma = 2 * np.arcsin(np.minimum(np.sqrt(square) / 2, 1))
        each = often[rows, None, None] * np.outer(weights, weights)
        where = np.minimum(gamma / widest * BINS, BINS - 1).astype(int).ravel()
        total += np.bincount(where, each.ravel(), minlength=BINS)
        moment += np.bincount(where, (each * gamma).ravel(), minlength=BINS)
    some = total > 0
    return moment[some] / total[some], total[some] / total.sum()


def _all_centres(nside: int) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Every pixel of a polar and an equatorial face, up to the symmetry about its meridian."""
    x, y = (grid.ravel() for grid in np.meshgrid(*[np.arange(nside) + 0.5] * 2, indexing="ij"))
    half = y <= x
    often = np.where(x == y, 1.0, 2.0)[half]
    face = np.repeat([0, 4], half.sum())
    return face, np.tile(x[half], 2), np.tile(y[half], 2), np.concatenate([2 * often, often])


def _centres(nside: int) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """A Gauss–Legendre rule over the three unlike triangles of faces: cap, its equatorial side, equatorial face."""
    from numpy.polynomial.legendre import leggauss

    (t, of_t), (s, of_s) = (((p + 1) / 2, w) for p, w in (leggauss(8), leggauss(5)))
    t, s = (grid.ravel() for grid in np.meshgrid(t, s, indexing="ij"))
    often = np.outer(of_t, of_s).ravel() * (1 - t)
    face, side = np.repeat([0, 0, 4], t.size), np.repeat([1, -1, 1], t.size)
    along, across = 1 + side * np.tile(t, 3), np.tile((1 - t) * s, 3)
    return face, (along + across) / 2 * nside, (along - across) / 2 * nside, np.tile(often, 3)


def _on_the_sphere(nside: int, face: NDArray, x: NDArray, y: NDArray) -> tuple[NDArray, NDArray]:
    """z and φ of a point x, y (pixels, from the south corner to north-east and north-west) of face 0 or 4."""
    x, y = x / nside, y / nside
    rows = np.where(face == 0, 2, 3) - x - y
    turn = np.where(face == 0, 1, 0)
    circle = np.where(rows < 1, rows, 1)
    z = np.where(rows < 1, 1 - rows**2 / 3, (2 - rows) * 2 / 3)
    return z, np.pi / 4 * (turn * circle + x - y) / np.maximum(circle, 1e-15)
