"""A shock front that is known exactly: the Rankine-Hugoniot jump of the field, spread over a ramp."""

from __future__ import annotations

import numpy as np

from analysis.errors import BadOption
from analysis.plasma.inputs import finite
from analysis.plasma.synthetic_fields import (
    CURRENT,
    EPOCH,
    SyntheticField,
    Triple,
    axes_of,
    motion,
    moving,
    start_of,
)

TIDMAN_1971 = "Tidman & Krall, Shock Waves in Collisionless Plasmas (1971), chapter 1"
BURGESS_2015 = "Burgess & Scholer, Collisionless Shocks in Space Plasmas (2015), doi:10.1017/CBO9781139044097"


def shock_front(
    *,
    upstream_field: float = 5.0,
    theta_bn: float = 60.0,
    alfven_mach: float = 5.0,
    beta: float = 1.0,
    gamma: float = 5 / 3,
    half_thickness: float = 100.0,
    speed: float = 0.0,
    normal: Triple = (1, 0, 0),
    direction: Triple = (0, 0, 1),
    centre: Triple = (0, 0, 0),
    epoch: str = EPOCH,
) -> SyntheticField:
    r"""Return a fast shock: the jump of the tangential field by the conservation laws, as a tanh ramp.

    .. math:: \frac{B_{t2}}{B_{t1}} = \frac{X (M_A^2 - \cos^2\theta)}{M_A^2 - X \cos^2\theta}

    with the compression X of the ideal MHD jump conditions. :math:`B_n` is constant, so div B is zero everywhere.
    Without foot, overshoot or whistlers.

    Parameters
    ----------
    upstream_field : float, optional
        nT.
    theta_bn : float, optional
        Angle between the normal and the upstream field, 0 to 90 degrees.
    alfven_mach, beta, gamma : float, optional
        Upstream: inflow along the normal over the Alfvén speed in the shock's frame; plasma beta; ratio of specific
        heats.
    half_thickness : float, optional
        Of the ramp, :math:`\tanh(n / \lambda)`, km.
    speed : float, optional
        Of the front along its normal, km/s.
    normal : three numbers, optional
        N, upstream.
    direction : three numbers, optional
        L: where the tangential field points.
    centre, epoch
        A point of the front (km) at a time (UTC).

    Raises
    ------
    BadOption
        If a number cannot be used, or the inflow is slower than the fast wave, so that there is no shock.

    References
    ----------
    Tidman & Krall, Shock Waves in Collisionless Plasmas (1971), chapter 1.
    Burgess & Scholer, Collisionless Shocks in Space Plasmas (2015), doi:10.1017/CBO9781139044097.

    Examples
    --------
    >>> truth = shock_front(theta_bn=90, alfven_mach=1000).truth
    >>> round(truth["compression"], 3), round(truth["downstream_field"][2], 2)
    (4.0, 20.0)
    """
    strength, angle = finite(upstream_field, "upstream_field", positive=True), finite(theta_bn, "theta_bn")
    if not 0 <= angle <= 90:
        raise BadOption(f"theta_bn={angle} is not an angle from 0 to 90 degrees")
    mach, pressure = finite(alfven_mach, "alfven_mach", positive=True), finite(beta, "beta")
    if pressure < 0:
        raise BadOption(f"beta={pressure} is below zero")
    heats = finite(gamma, "gamma")
    if not heats > 1:
        raise BadOption(f"gamma={heats} is not above one")
    thickness = finite(half_thickness, "half_thickness", positive=True)
    velocity = finite(speed, "speed") * axes_of(normal, direction)[2]
    cosine, sine = (0.0, 1.0) if angle == 90 else (np.cos(np.radians(angle)), np.sin(np.radians(angle)))
    compression = _compression(mach, cosine, sine, pressure, heats)
    growth = compression * (mach**2 - cosine**2) / (mach**2 - compression * cosine**2)
    before, after, across = strength * sine, strength * sine * growth, strength * cosine
    axes = axes_of(normal, direction)
    place = moving(axes, centre, velocity.tolist())

    def b(r: np.ndarray, t: np.ndarray) -> np.ndarray:
        tangential = (before + after) / 2 + (before - after) / 2 * np.tanh(place(r, t)[..., 2] / thickness)
        return tangential[..., None] * axes[0] + across * axes[2]

    def curl(r: np.ndarray, t: np.ndarray) -> np.ndarray:
        slope = (before - after) / (2 * thickness) * (1 - np.tanh(place(r, t)[..., 2] / thickness) ** 2)
        return slope[..., None] * axes[1]

    truth = {
        "upstream_field": (before * axes[0] + across * axes[2]).tolist(),
        "downstream_field": (after * axes[0] + across * axes[2]).tolist(),
        "compression": compression,
        "field_ratio": float(np.hypot(after, across) / strength),
        "theta_bn": angle,
        "alfven_mach": mach,
        "beta": pressure,
        "half_thickness": thickness,
        "speed": float(speed),
        "peak_current": CURRENT * abs(before - after) / (2 * thickness),
        **motion(axes, centre, velocity.tolist()),
    }
    return SyntheticField(
        name="shock_front", title="Shock front", b=b, curl=curl, epoch=start_of(epoch), truth=truth,
        references=(TIDMAN_1971, BURGESS_2015),
    )  # fmt: skip


def energy_gained(
    compression: np.ndarray, mach: float, cosine: float, sine: float, beta: float, gamma: float
) -> np.ndarray:
    """Return energy flux downstream less upstream, all other conservation laws kept, where B1 = rho1 = vA1 = 1.

    In the normal incidence frame: mass, tangential momentum and electric field give the tangential field and flow
    downstream, normal momentum the pressure.
    """
    ratio = compression * (mach**2 - cosine**2) / (mach**2 - compression * cosine**2)
    field = sine * ratio
    sideways = cosine * (field - sine) / mach
    pressure = beta / 2 + mach**2 * (1 - 1 / compression) + (sine**2 - field**2) / 2
    enthalpy = gamma / (gamma - 1)
    flow = mach / compression
    behind = mach * ((flow**2 + sideways**2) / 2 + enthalpy * pressure / compression)
    behind = behind + flow * field**2 - sideways * field * cosine
    ahead = mach * (mach**2 / 2 + enthalpy * beta / 2) + mach * sine**2
    return behind - ahead


def _compression(mach: float, cosine: float, sine: float, beta: float, gamma: float) -> float:
    """Return the compression of the fast shock: the root above one below which no energy is missing."""
    sound = gamma * beta / 2
    fast = np.sqrt((1 + sound + np.sqrt((1 + sound) ** 2 - 4 * sound * cosine**2)) / 2)
    if not mach > fast:
        raise BadOption(
            f"alfven_mach={mach:g} is not above {fast:.4g}, the speed of the fast wave along the normal over the "
            "Alfvén speed: nothing steepens into a shock; give a faster inflow"
        )
    most = (gamma + 1) / (gamma - 1)
    if cosine:
        most = min(most, mach**2 / cosine**2)
    rest = (cosine, sine, beta, gamma)
    grid = 1 + (most - 1) * np.linspace(1e-6, 1 - 1e-9, 20001)
    signs = np.sign(energy_gained(grid, mach, *rest))
    changes = np.flatnonzero(signs[1:] != signs[:-1])
    if not changes.size:
        raise BadOption(
            f"no fast shock with alfven_mach={mach:g}, theta_bn={np.degrees(np.arccos(cosine)):.3g}, beta={beta:g}: "
            "it is a switch-on or too weak one; give a faster inflow"
        )
    low, high = grid[changes[-1]], grid[changes[-1] + 1]
    for _ in range(60):
        middle = (low + high) / 2
        if np.sign(energy_gained(np.array(middle), mach, *rest)) == signs[changes[-1]]:
            low = middle
        else:
            high = middle
    return float((low + high) / 2)
