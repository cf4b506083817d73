"""Structures that are known exactly: a current sheet and flux ropes."""

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
    triple,
)
from analysis.plasma.vectors import refuse_unknown

HARRIS_1962 = "Harris, Nuovo Cimento 23, 115 (1962), doi:10.1007/BF02733547"
LUNDQUIST_1950 = "Lundquist, Arkiv för Fysik 2, 361 (1950)"
BURLAGA_1988 = "Burlaga, J. Geophys. Res. 93, 7217 (1988), doi:10.1029/JA093iA07p07217"
GOLD_HOYLE_1960 = "Gold & Hoyle, Mon. Not. R. Astron. Soc. 120, 89 (1960), doi:10.1093/mnras/120.2.89"


def harris_sheet(
    *,
    lobe_field: float = 20.0,
    half_thickness: float = 500.0,
    guide_field: float = 0.0,
    normal_field: float = 0.0,
    normal: Triple = (0, 0, 1),
    direction: Triple = (1, 0, 0),
    centre: Triple = (0, 0, 0),
    velocity: Triple = (0, 0, 0),
    epoch: str = EPOCH,
) -> SyntheticField:
    r"""Return a Harris current sheet, :math:`B = B_0 \tanh(n / \lambda)\, L + B_g M + B_n N`.

    Its current is :math:`J = (B_0 / \mu_0 \lambda)\, \mathrm{sech}^2(n / \lambda)\, M` with :math:`M = N \times L`.

    Parameters
    ----------
    lobe_field, guide_field, normal_field : float, optional
        :math:`B_0`, :math:`B_g`, :math:`B_n` in nT.
    half_thickness : float, optional
        :math:`\lambda` in km.
    normal, direction : three numbers, optional
        N, and the direction that L takes as far as it is normal to N; any length.
    centre : three numbers, optional
        A point of the sheet's middle at ``epoch``, km.
    velocity : three numbers, optional
        Of the sheet, km/s.
    epoch : str, optional
        The time at which ``centre`` holds, UTC.

    Raises
    ------
    BadOption
        If the thickness is not above zero, or the normal and the direction are parallel.

    References
    ----------
    Harris, Nuovo Cimento 23, 115 (1962), doi:10.1007/BF02733547.

    Examples
    --------
    >>> round(harris_sheet(lobe_field=20, half_thickness=500).truth["peak_current"], 2)
    31.83
    """
    lobe, guide = finite(lobe_field, "lobe_field"), finite(guide_field, "guide_field")
    across = finite(normal_field, "normal_field")
    thickness = finite(half_thickness, "half_thickness", positive=True)
    axes = axes_of(normal, direction)
    place = moving(axes, centre, velocity)

    def b(r: np.ndarray, t: np.ndarray) -> np.ndarray:
        reconnecting = lobe * np.tanh(place(r, t)[..., 2] / thickness)
        return reconnecting[..., None] * axes[0] + guide * axes[1] + across * axes[2]

    def curl(r: np.ndarray, t: np.ndarray) -> np.ndarray:
        slope = lobe / thickness * (1 - np.tanh(place(r, t)[..., 2] / thickness) ** 2)
        return slope[..., None] * axes[1]

    truth = {
        "lobe_field": lobe,
        "guide_field": guide,
        "normal_field": across,
        "half_thickness": thickness,
        "peak_current": CURRENT * abs(lobe) / thickness,
        **motion(axes, centre, velocity),
    }
    return SyntheticField(
        name="harris_sheet", title="Harris current sheet", b=b, curl=curl, epoch=start_of(epoch), truth=truth,
        references=(HARRIS_1962,),
    )  # fmt: skip


def flux_rope(
    *,
    axial_field: float = 20.0,
    radius: float = 2000.0,
    handedness: int = 1,
    model: str = "lundquist",
    axis: Triple = (0, 1, 0),
    centre: Triple = (0, 0, 0),
    velocity: Triple = (0, 0, 0),
    epoch: str = EPOCH,
) -> SyntheticField:
    r"""Return a force-free flux rope, whose current flows along its field.

    ``lundquist``: :math:`B_a = B_0 J_0(\alpha r)`, :math:`B_\varphi = H B_0 J_1(\alpha r)`, with
    :math:`\alpha = 2.4048 / R`: the axial field is zero at the radius R and reversed beyond, where the formula goes on.
    ``gold_hoyle``: :math:`B_a = B_0 / (1 + r^2/R^2)`, :math:`B_\varphi = H B_0 (r/R) / (1 + r^2/R^2)`: all lines have
    one twist, and at R they wind by 45°.

    Parameters
    ----------
    axial_field : float, optional
        :math:`B_0` on the axis, nT.
    radius : float, optional
        R in km.
    handedness : {1, -1}, optional
        H: 1 right-handed (current along the field), -1 left-handed (against it).
    model : {"lundquist", "gold_hoyle"}, optional
    axis, centre, velocity, epoch
        Direction of the axial field, a point of the axis (km) at ``epoch``, and the rope's velocity (km/s).

    Raises
    ------
    BadOption
        If the model is not known, the radius is not above zero, or the handedness neither 1 nor -1.

    References
    ----------
    Lundquist, Arkiv för Fysik 2, 361 (1950). Burlaga, J. Geophys. Res. 93, 7217 (1988),
    doi:10.1029/JA093iA07p07217. Gold & Hoyle, Mon. Not. R. Astron. Soc. 120, 89 (1960), doi:10.1093/mnras/120.2.89.

    Examples
    --------
    >>> import xarray as xr
    >>> place = xr.DataArray([0.0, 9.0, 0.0], dims="component", attrs={"units": "km", "frame": "GSE"})
    >>> from analysis import plasma
    >>> plasma.field_at(flux_rope(axial_field=20), place).values.round(2).tolist()
    [0.0, 20.0, 0.0]
    """
    refuse_unknown(model, ["lundquist", "gold_hoyle"], "flux rope model")
    strength, size = finite(axial_field, "axial_field"), finite(radius, "radius", positive=True)
    if handedness not in (1, -1):
        raise BadOption(f"handedness={handedness!r} is neither 1 (right-handed) nor -1 (left-handed)")
    axes = axes_of(axis, _any_across(axis))
    place = moving(axes, centre, velocity)

    def b(r: np.ndarray, t: np.ndarray) -> np.ndarray:
        x, y = place(r, t)[..., 0], place(r, t)[..., 1]
        axial, over_radius, _ = _profiles(np.hypot(x, y), size, model)
        around = x[..., None] * axes[1] - y[..., None] * axes[0]  # r times the unit vector of phi
        return strength * (axial[..., None] * axes[2] + handedness * over_radius[..., None] * around)

    def curl(r: np.ndarray, t: np.ndarray) -> np.ndarray:
        local = place(r, t)
        _, _, alpha = _profiles(np.hypot(local[..., 0], local[..., 1]), size, model)
        return handedness * alpha[..., None] * b(r, t)

    truth = {
        "axial_field": strength,
        "radius": size,
        "handedness": int(handedness),
        "model": model,
        **motion(axes, centre, velocity),
    }
    cited = (LUNDQUIST_1950, BURLAGA_1988) if model == "lundquist" else (GOLD_HOYLE_1960,)
    return SyntheticField(
        name="flux_rope", title="Force-free flux rope", b=b, curl=curl, epoch=start_of(epoch), truth=truth,
        references=cited,
    )  # fmt: skip


def _profiles(r: np.ndarray, size: float, model: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return B_axial / B0, B_phi / (B0 r) and alpha in curl B = alpha B, at distances from the axis."""
    if model == "gold_hoyle":
        falling = 1 / (1 + (r / size) ** 2)
        return falling, falling / size, 2 / size * falling
    from scipy.special import j0, j1, jn_zeros

    alpha = jn_zeros(0, 1)[0] / size
    safe = np.where(r == 0, 1.0, r)
    return j0(alpha * r), np.where(r == 0, alpha / 2, j1(alpha * safe) / safe), np.full_like(r, alpha)


def _any_across(axis: Triple) -> np.ndarray:
    """Return the axis of coordinates that is farthest from a direction."""
    return np.eye(3)[np.argmin(np.abs(triple(axis, "axis")))]
