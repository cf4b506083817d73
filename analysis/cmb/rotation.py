"""Coefficients in another frame of the sky."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.cmb.angles import degrees
from analysis.cmb.coefficients import alm_of
from analysis.cmb.harmonics import thread_count
from analysis.cmb.maps import FACTS
from analysis.errors import BadOption, WrongFrame
from analysis.model import check, derived

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from analysis.cmb.angles import Angle

FRAMES = {"galactic": "galactic", "icrs": "icrs", "ecliptic": "barycentricmeanecliptic"}


def rotated_coefficients(
    coefficients: xr.Dataset,
    *,
    frame: str | None = None,
    euler: tuple[Angle, Angle, Angle] | None = None,
) -> xr.Dataset:
    r"""Return the coefficients of the same sky in another frame, or of a sky turned by Euler angles.

    Polarization needs nothing more: E and B do not mix, and Q and U of the new map refer to the new meridians.

    Parameters
    ----------
    coefficients : xarray.Dataset
        What :func:`harmonic_coefficients` returns.
    frame : {"galactic", "icrs", "ecliptic"}, optional
        The frame to go to, from the one that the coefficients state; ecliptic is that of J2000.
    euler : tuple of three angles, optional
        Instead of a frame: turn the sky about z by the first, then about y by the second, then about z by the third
        (fixed axes, counterclockwise seen from their tips); a number is degrees.

    Returns
    -------
    xarray.Dataset
        As given; its ``frame`` is the new one, or "rotated" for angles.

    Raises
    ------
    BadOption
        If not exactly one of ``frame`` and ``euler`` is given, or it is unknown.
    WrongData, WrongFrame
        If they are no coefficients, or state no frame that is known.

    References
    ----------
    Reinecke 2023, ducc0 (``sht.rotate_alm``, recursion of Wigner matrices).

    Examples
    --------
    >>> from analysis.cmb import fetch
    >>> from analysis.cmb.gaussian import random_coefficients
    >>> alm = random_coefficients(fetch("planck2018_lcdm"), lmax=8, seed=1)
    >>> there = rotated_coefficients(alm, frame="ecliptic")
    >>> back = rotated_coefficients(there, frame="galactic")
    >>> bool(abs(back.coefficients - alm.coefficients).max() < 1e-9), there.attrs["frame"]
    (True, 'ecliptic')
    """
    import ducc0

    array, lmax = alm_of(coefficients)
    if (frame is None) == (euler is None):
        raise BadOption("give either frame='galactic', 'icrs' or 'ecliptic', or euler=(psi, theta, phi)")
    if euler is not None:
        if not isinstance(euler, tuple | list) or len(euler) != 3:
            raise BadOption(f"euler={euler!r} is not three angles, for example (0, 90, 0)")
        angles = np.radians([degrees(angle, "euler") for angle in euler])
        new, told = "rotated", f"euler={tuple(np.degrees(angles).tolist())} deg"
    else:
        held = str(coefficients.attrs.get("frame"))
        if frame not in FRAMES:
            raise BadOption(f"frame={frame!r} is unknown; give {', '.join(FRAMES)}")
        if held not in FRAMES:
            raise WrongFrame(
                f"the coefficients say frame={held!r}; to change it, it must be one of {', '.join(FRAMES)}"
            )
        angles, new, told = _euler_between(held, frame), frame, f"frame={frame!r}, from {held}"
    flat = array.values.reshape(-1, array.shape[-1]).astype(complex)
    turned = ducc0.sht.rotate_alm(flat, lmax, *angles, nthreads=thread_count()).reshape(array.shape)
    result = coefficients.assign(coefficients=array.copy(data=turned).assign_attrs(frame=new))
    facts = {k: v for k, v in coefficients.attrs.items() if k in (*FACTS, "lmax")} | {"frame": new}
    title = str(coefficients.attrs.get("title", "Harmonic coefficients"))
    step = f"cmb.rotated_coefficients({told})"
    return check(derived(result.assign_attrs(facts), coefficients, title=title, step=step))


def _euler_between(held: str, wanted: str) -> NDArray[np.float64]:
    """Angles about z, y, z that bring directions of one frame to those of another."""
    import astropy.units as u
    from astropy.coordinates import CartesianRepresentation, SkyCoord

    axes = SkyCoord(CartesianRepresentation(np.eye(3) * u.one), frame=FRAMES[held])
    matrix = axes.transform_to(FRAMES[wanted]).cartesian.xyz.value  # its columns are the old axes in the new frame
    theta = np.arctan2(np.hypot(matrix[0, 2], matrix[1, 2]), matrix[2, 2])
    if np.sin(theta) < 1e-12:
        return np.array([np.arctan2(matrix[1, 0], matrix[0, 0]), 0.0, 0.0])
    psi = np.arctan2(matrix[2, 1], -matrix[2, 0])
    return np.array([psi, theta, np.arctan2(matrix[1, 2], matrix[0, 2])])
