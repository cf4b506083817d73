r"""Forms that only models of Earth's boundaries have.

As all forms they take :math:`\theta` (rad), the angle from the model's X axis, and :math:`\varphi` (rad), the angle
about it from Y towards Z, and give the distance from Earth's centre, infinite where the surface is open.
"""

from __future__ import annotations

import numpy as np

from analysis.plasma.forms import Form, directions, first_root

# Lin et al. (2010), table 9: a0 ... a21 (R_E, nPa, nT and radians).
LIN_2010 = (
    12.544, -0.194, 0.305, 0.0573, 2.178, 0.0571, -0.999, 16.473, 0.00152, 0.382, 0.0431,
    -0.00763, -0.210, 0.0405, -4.430, -0.636, -2.600, 0.832, -5.328, 1.103, -0.907, 1.450,
)  # fmt: skip


def lin_radius(
    theta: np.ndarray,
    phi: np.ndarray,
    size: np.ndarray,
    exponent: np.ndarray,
    hinging: np.ndarray,
    indentation: np.ndarray,
    decay_north: np.ndarray,
    decay_south: np.ndarray,
    cusp_north: np.ndarray,
    cusp_south: np.ndarray,
) -> np.ndarray:
    r"""Return the distance of a magnetopause with an indentation at each cusp (Lin et al. 2010, equation 19).

    .. math::

        r = r_0 \left[\cos\frac{\theta}{2} + a_5 \sin 2\theta\, (1 - e^{-\theta})\right]^{\beta_0 + a_{10}
        \cos\varphi + \beta_2 \sin\varphi + a_{13} \sin^2\varphi} + c\, e^{d_n \psi_n^{a_{21}}} + c\, e^{d_s
        \psi_s^{a_{21}}}

    with :math:`\psi_n, \psi_s` the angles from the northern and southern cusp, which lie at :math:`\theta_n` and
    :math:`\theta_s` in the plane of X and Z. In the order of the arguments: :math:`r_0, \beta_0, \beta_2, c, d_n, d_s,
    \theta_n, \theta_s`.

    Examples
    --------
    >>> still = lin_radius(np.radians([0.0, 90.0]), 0.0, 10.0, -1.0, 0.0, 0.0, -2.6, -2.6, 1.1, 1.1)
    >>> still.round(3)
    array([10.   , 13.932])
    """
    theta = np.asarray(theta)
    power = exponent + LIN_2010[10] * np.cos(phi) + hinging * np.sin(phi) + LIN_2010[13] * np.sin(phi) ** 2
    base = np.cos(theta / 2) + LIN_2010[5] * np.sin(2 * theta) * (1 - np.exp(-theta))
    north = np.exp(decay_north * _from_cusp(theta, phi, cusp_north) ** LIN_2010[21])
    south = np.exp(decay_south * _from_cusp(theta, -np.asarray(phi), cusp_south) ** LIN_2010[21])
    with np.errstate(divide="ignore", invalid="ignore"):
        smooth = size * base**power
    return np.where(base > 1e-12, smooth, np.inf) + indentation * (north + south)


def _from_cusp(theta: np.ndarray, phi: np.ndarray, cusp: np.ndarray) -> np.ndarray:
    cosine = np.cos(theta) * np.cos(cusp) + np.sin(theta) * np.sin(cusp) * np.sin(phi)
    return np.arccos(np.clip(cosine, -1, 1))


def parabola_radius(theta: np.ndarray, phi: np.ndarray, standoff: np.ndarray, slimness: np.ndarray) -> np.ndarray:
    r"""Return the distance of the paraboloid :math:`y^2 + z^2 = 4 r_0 (r_0 - x) / \lambda^2` (Jelínek et al. 2012).

    Examples
    --------
    >>> parabola_radius(np.radians([0.0, 90.0, 180.0]), 0.0, 10.0, 2.0)
    array([10., 10., inf])
    """
    x, y, z = directions(theta, phi)
    across = np.asarray(slimness) ** 2 * (y**2 + z**2)
    inside = np.asarray(standoff) > 0
    return first_root(across, 2 * standoff * x, -4 * np.asarray(standoff) ** 2, inside=inside)


def power_conic_radius(
    theta: np.ndarray, phi: np.ndarray, standoff: np.ndarray, eccentricity: np.ndarray, flaring: np.ndarray
) -> np.ndarray:
    r"""Return :math:`r_0 [(1 + \epsilon) / (1 + \epsilon \cos\theta)]^\alpha` (Chao et al. 2002).

    Examples
    --------
    >>> power_conic_radius(np.radians([0.0, 90.0, 180.0]), 0.0, 10.0, 1.03, 0.5).round(3)
    array([10.   , 14.248,     inf])
    """
    below = 1 + np.asarray(eccentricity) * np.cos(theta)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(below <= 0, np.inf, (1 + np.asarray(eccentricity)) / below)
        return standoff * ratio ** np.asarray(flaring)


def offset_conic_radius(
    theta: np.ndarray,
    phi: np.ndarray,
    x0: np.ndarray,
    y0: np.ndarray,
    eccentricity: np.ndarray,
    semilatus_rectum: np.ndarray,
) -> np.ndarray:
    r"""Return the distance of a conic about an axis along X whose focus, at :math:`(x_0, y_0, 0)`, is off the axis.

    About the focus it is :math:`L / (1 + \epsilon \cos\theta')` (Schwartz 1998, equation 10.22).

    Examples
    --------
    >>> offset_conic_radius(np.radians([0.0, 90.0, 90.0]), np.radians([0.0, 0.0, 180.0]), 3.0, 0.5, 1.0, 20.0).round(3)
    array([12.994, 23.304, 22.304])
    """
    x, y, _ = directions(theta, phi)
    reach = semilatus_rectum + eccentricity * np.asarray(x0)
    half = x * eccentricity * reach - x * x0 - y * y0
    off = np.asarray(x0) ** 2 + np.asarray(y0) ** 2
    return first_root(1 - (eccentricity * x) ** 2, half, off - reach**2, inside=(reach > 0) & (off < reach**2))


LIN = Form(
    lin_radius,
    {
        "size": "L",
        "exponent": "1",
        "hinging": "1",
        "indentation": "L",
        "decay_north": "1",
        "decay_south": "1",
        "cusp_north": "rad",
        "cusp_south": "rad",
    },
    axisymmetric=False,
)
PARABOLA = Form(parabola_radius, {"standoff": "L", "slimness": "1"}, axisymmetric=True)
POWER_CONIC = Form(power_conic_radius, {"standoff": "L", "eccentricity": "1", "flaring": "1"}, axisymmetric=True)
OFFSET_CONIC = Form(
    offset_conic_radius,
    {"x0": "L", "y0": "L", "eccentricity": "1", "semilatus_rectum": "L"},
    axisymmetric=False,
)
