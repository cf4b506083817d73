r"""Forms of boundaries: how far a surface is from its centre in every direction.

A form is a function :math:`r(\theta, \varphi; \ldots)` of numpy arrays, which broadcast: :math:`\theta` (rad,
0 to π) is the angle from the model's X axis, towards the Sun, and :math:`\varphi` (rad) the angle about it,
from Y towards Z. A surface is met once in each direction at most; where it is open (down the tail) the
distance is infinite.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Form:
    """One form: its parameters in the order that ``radius`` takes them after the two angles, and how they scale.

    ``parameters`` maps each name to its unit, in which ``L`` stands for the boundary's unit of length: ``"L"`` a
    length, ``"L2"`` its square, ``"1"`` a pure number, ``"rad"`` an angle.
    """

    radius: Callable[..., np.ndarray]
    parameters: Mapping[str, str]
    axisymmetric: bool


def shue_radius(theta: np.ndarray, phi: np.ndarray, standoff: np.ndarray, flaring: np.ndarray) -> np.ndarray:
    r"""Return :math:`r_0 (2 / (1 + \cos\theta))^\alpha` (Shue et al. 1997, equation 1).

    Examples
    --------
    >>> shue_radius(np.radians([0.0, 90.0]), 0.0, 10.0, 0.5).round(3)
    array([10.   , 14.142])
    """
    half = np.cos(np.asarray(theta) / 2)
    half = np.where(half < 1e-15, 0.0, half)  # 180° is open, though the cosine of a rounded angle is not zero
    with np.errstate(divide="ignore"):
        return standoff * half ** (-2.0 * np.asarray(flaring))


def conic_radius(
    theta: np.ndarray, phi: np.ndarray, x0: np.ndarray, eccentricity: np.ndarray, semilatus_rectum: np.ndarray
) -> np.ndarray:
    r"""Return the distance, from the model's centre, of a conic about X with its focus at :math:`(x_0, 0, 0)`.

    About the focus it is :math:`L / (1 + \epsilon \cos\theta')`. Seen from the centre, which must be inside, the
    distance solves :math:`r^2 (1 - \epsilon^2 c^2) + 2 r c (\epsilon m - x_0) + x_0^2 - m^2 = 0`, with
    :math:`c = \cos\theta` and :math:`m = L + \epsilon x_0`. NaN where the centre is outside.

    Examples
    --------
    >>> conic_radius(np.radians([0.0, 90.0, 180.0]), 0.0, 0.64, 1.03, 2.04).round(3)
    array([1.645, 2.622,   inf])
    """
    c = np.cos(theta)
    m = semilatus_rectum + eccentricity * np.asarray(x0)
    return first_root(1 - (eccentricity * c) ** 2, c * (eccentricity * m - x0), x0**2 - m**2, inside=m > np.abs(x0))


def two_conics_radius(
    theta: np.ndarray,
    phi: np.ndarray,
    x0: np.ndarray,
    eccentricity: np.ndarray,
    semilatus_rectum: np.ndarray,
    night_x0: np.ndarray,
    night_eccentricity: np.ndarray,
    night_semilatus_rectum: np.ndarray,
) -> np.ndarray:
    """Return the distance of a surface that is one conic at x > 0 and another at x < 0.

    Examples
    --------
    >>> two_conics_radius(np.radians([0.0, 120.0]), 0.0, 0.64, 0.77, 1.08, 1.6, 1.009, 0.528).round(3)
    array([1.25 , 2.069])
    """
    day = conic_radius(theta, phi, x0, eccentricity, semilatus_rectum)
    night = conic_radius(theta, phi, night_x0, night_eccentricity, night_semilatus_rectum)
    return np.where(np.cos(theta) >= 0, day, night)


def quadric_radius(
    theta: np.ndarray,
    phi: np.ndarray,
    constant: np.ndarray,
    cx: np.ndarray,
    cy: np.ndarray,
    cz: np.ndarray,
    cxx: np.ndarray,
    cyy: np.ndarray,
    czz: np.ndarray,
    cxy: np.ndarray,
    cxz: np.ndarray,
    cyz: np.ndarray,
) -> np.ndarray:
    r"""Return the distance at which a general surface of second order is met first.

    The surface is :math:`c + c_x x + c_y y + c_z z + c_{xx} x^2 + c_{yy} y^2 + c_{zz} z^2 + c_{xy} x y + c_{xz} x z
    + c_{yz} y z = 0`, signed so that the sum is negative inside: :math:`c < 0`, as the centre is inside. NaN where
    it is not.

    Examples
    --------
    >>> sphere = [-4.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0]
    >>> quadric_radius(np.radians([0.0, 77.0]), np.radians(30.0), *sphere)
    array([2., 2.])
    """
    x, y, z = directions(theta, phi)
    linear = cx * x + cy * y + cz * z
    square = cxx * x**2 + cyy * y**2 + czz * z**2 + cxy * x * y + cxz * x * z + cyz * y * z
    return first_root(square, linear / 2, constant, inside=np.asarray(constant) < 0)


def directions(theta: np.ndarray, phi: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the components of unit vectors at angles from X and about it.

    Examples
    --------
    >>> [float(round(part, 12)) for part in directions(np.pi / 2, np.pi / 2)]
    [0.0, 0.0, 1.0]
    """
    return np.cos(theta), np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi)


def angles(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the angles from X and about it at which a point is seen from the centre.

    Examples
    --------
    >>> [float(angle) for angle in np.degrees(angles(0.0, 0.0, 2.0))]
    [90.0, 90.0]
    """
    return np.arctan2(np.hypot(y, z), x), np.arctan2(z, y)


def first_root(square: np.ndarray, half: np.ndarray, constant: np.ndarray, *, inside: np.ndarray) -> np.ndarray:
    r"""Return the smallest positive root of :math:`a r^2 + 2 h r + c` for :math:`c < 0`, infinite where there is none.

    Written as :math:`-c / (h + \sqrt{h^2 - a c})`, it loses no digits where a is small.

    Examples
    --------
    >>> first_root(np.array([1.0, -1.0]), np.array([0.0, 0.0]), -4.0, inside=True)
    array([ 2., inf])
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        under = half**2 - square * constant
        below = half + np.sqrt(under)
        met = np.where((under >= 0) & (below > 0), -constant / below, np.inf)
    known = np.isfinite(square + half + constant) & inside
    return np.where(known, met, np.nan)


SHUE = Form(shue_radius, {"standoff": "L", "flaring": "1"}, axisymmetric=True)
CONIC = Form(conic_radius, {"x0": "L", "eccentricity": "1", "semilatus_rectum": "L"}, axisymmetric=True)
TWO_CONICS = Form(
    two_conics_radius,
    {
        "x0": "L",
        "eccentricity": "1",
        "semilatus_rectum": "L",
        "night_x0": "L",
        "night_eccentricity": "1",
        "night_semilatus_rectum": "L",
    },
    axisymmetric=True,
)
QUADRIC = Form(
    quadric_radius,
    {
        "constant": "L2",
        **dict.fromkeys(("cx", "cy", "cz"), "L"),
        **dict.fromkeys(("cxx", "cyy", "czz", "cxy", "cxz", "cyz"), "1"),
    },
    axisymmetric=False,
)
