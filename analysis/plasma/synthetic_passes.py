"""A spacecraft's pass through a magnetosphere that is known: the field it would measure on its way."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.model import in_units, labelled, stamp
from analysis.plasma.boundary_geometry import boundary_distance, boundary_normal
from analysis.plasma.dipoles import planetary_dipole_field
from analysis.plasma.inputs import is_number
from analysis.plasma.rotations import in_order
from analysis.plasma.synthetic_fields import seeded
from analysis.plasma.vectors import component_labels, same_frame, vector

ADIABATIC_LIMIT = 4.0  # of the compression by a shock, for a ratio of specific heats of 5/3
REFERENCES = (
    "Chapman & Ferraro, Terr. Magn. Atmos. Electr. 36, 77 (1931), doi:10.1029/TE036i002p00077 (the image)",
    "Baumjohann & Treumann, Basic Space Plasma Physics (2012) (jumps at a shock)",
)


def synthetic_pass(
    position: xr.DataArray,
    *,
    magnetopause: xr.Dataset,
    bow_shock: xr.Dataset,
    moment: xr.DataArray,
    imf: xr.DataArray,
    compression: float = 3.0,
    half_thickness: float = 50.0,
    noise: float = 0.0,
    seed: int = 0,
) -> xr.Dataset:
    r"""Return a made-up field along a trajectory through solar wind, magnetosheath and magnetosphere.

    It is made to have a known answer at the boundaries, not to be a model of a planet: the field has no component
    along the model's normal at the magnetopause, and at the bow shock the component along the shock's normal goes on
    while the others grow by ``compression``.

    Parameters
    ----------
    position : xarray.DataArray
        Trajectory, dims ``time, component``, in the boundaries' frame; any length.
    magnetopause, bow_shock : xarray.Dataset
        Two boundaries of one planet, as :func:`planetary_boundary` gives them, at rest. If the magnetopause has a
        ``centre``, the dipole sits there.
    moment : xarray.DataArray
        Of the dipole as for :func:`planetary_dipole_field`, at the planet's radius in the model; any magnetic unit.
    imf : xarray.DataArray
        Field of the solar wind, one vector in the same frame.
    compression : float, optional
        Field along the shock's surface behind it over that before it, 1 to 4.
    half_thickness : float, optional
        Of the magnetopause's current layer, km: the field turns about the normal from the one outside to the one
        inside, the shorter way, as tanh of the distance over it.
    noise : float, optional
        Standard deviation of white noise, the same in each component and independent, nT.
    seed : int, optional
        Of the noise.

    Returns
    -------
    xarray.Dataset
        ``b`` (nT) and ``position`` as it came; synthetic. NaN where a position is.

    Notes
    -----
    Inside, :math:`B = D(r) + (I - 2 n n) D(r^*)` with the dipole D and the mirror image :math:`r^*` of the place on the
    other side of the magnetopause: exact for a plane (Chapman & Ferraro), here with the plane that touches the surface
    next to the spacecraft. In the sheath the field of the wind goes from :math:`k (I - n n) B` at the magnetopause to
    :math:`(s s + k (I - s s)) B` at the bow shock (n and s their normals, k the compression), linearly in the share
    of the distances to both. That part is not free of divergence. No plasma, no cusp, no tail current, no motion.

    Raises
    ------
    WrongFrame
        If the vectors are not in one frame.
    WrongData
        If a boundary is of the wrong kind or planet, changes with time, or an input is of another shape.
    BadOption, WrongUnits, MissingUnits
        If an option is out of range, or an input is of another kind.

    References
    ----------
    Chapman & Ferraro, Terr. Magn. Atmos. Electr. 36, 77 (1931), doi:10.1029/TE036i002p00077.
    Baumjohann & Treumann, Basic Space Plasma Physics (2012), chapter 8.

    Examples
    --------
    >>> from analysis import plasma
    >>> time = plasma.sampling_times("2030-01-01", cadence=60, count=3)
    >>> path = plasma.straight_path(time, velocity=(20, 0, 0), through=(2440 * 1.6, 0, 479), frame="MSO")
    >>> says = {"units": "nT", "frame": "MSO"}
    >>> made_up = synthetic_pass(
    ...     path,
    ...     magnetopause=plasma.planetary_boundary("mercury_magnetopause_winslow_2013"),
    ...     bow_shock=plasma.planetary_boundary("mercury_bow_shock_winslow_2013"),
    ...     moment=xr.DataArray([0.0, 0.0, -190.0], dims="component", attrs=says),
    ...     imf=xr.DataArray([0.0, 0.0, -20.0], dims="component", attrs=says),
    ... )
    >>> made_up.b.sel(component="z").values.round()
    array([172., -60., -20.])
    """
    options = {"half_thickness": half_thickness, "noise": noise}
    for name, value in options.items():
        if not is_number(value) or not np.isfinite(value) or value < 0 or (value == 0 and name != "noise"):
            raise BadOption(
                f"{name}={value!r} is not a number {'of zero or more' if name == 'noise' else 'above zero'}"
            )
    if not is_number(compression) or not 1 <= compression <= ADIABATIC_LIMIT:
        raise BadOption(f"compression={compression!r} is not between 1 and {ADIABATIC_LIMIT:g}")
    random = seeded(seed)
    _refuse_boundaries(magnetopause, bow_shock)
    where, wind = (
        in_order(array, name).assign_coords(component=component_labels())
        for array, name in ((position, "position"), (imf, "imf"))
    )
    frame = same_frame(position=where, imf=wind, moment=vector(moment, "moment"))
    if vector(moment, "moment").dims != ("component",):
        raise WrongData(f"moment has dims {moment.dims}; it must be one vector, dim component")
    if where.dims != ("time", "component") or wind.dims != ("component",):
        raise WrongData(
            f"position has dims {position.dims} and imf {imf.dims}; they must be (time, component) and component"
        )
    place = in_units(where, "km")
    place = place.assign_attrs(where.attrs, units="km")
    field = in_units(wind, "nT").values
    from_pause, normal = boundary_distance(magnetopause, place), boundary_normal(magnetopause, place).values
    from_shock, shock_normal = boundary_distance(bow_shock, place).values, boundary_normal(bow_shock, place).values
    depth = from_pause.values
    weight = (1 - np.tanh(depth / half_thickness)) / 2
    inside = _mirrored(place, moment, magnetopause, depth, normal, 9 * half_thickness)
    outside = _draped(field, depth, from_shock, normal, shock_normal, float(compression))
    b = _through_the_layer(outside, inside, normal, weight[:, None])
    if noise:
        b = b + random.normal(0, noise, b.shape)
    b = np.where(np.isfinite(place.values).all(axis=-1, keepdims=True), b, np.nan)
    says = {"frame": frame, "synthetic": "true"}
    made = labelled(place.copy(data=b), "b", units="nT", long_name="Magnetic field", attrs=says)
    kept = labelled(place, "position", units="km", long_name="Position", attrs=says)
    body = str(magnetopause.attrs["body"])
    cited = [str(one.attrs["references"]) for one in (magnetopause, bow_shock) if "references" in one.attrs]
    said = f"compression={compression:g}, half_thickness={half_thickness:g}, noise={noise:g}, seed={seed}"
    truth = {"imf_nT": field.tolist(), "moment_nT": in_units(vector(moment, "moment"), "nT").values.tolist()}
    return stamp(
        xr.Dataset({"b": made, "position": kept}).assign_attrs(synthetic="true"),
        title=f"SYNTHETIC: a pass through the surroundings of {body}",
        institution="Sankō",
        source="a dipole with its image in the magnetopause and a draped wind, computed from formulae",
        references=list(dict.fromkeys([*REFERENCES, *"\n".join(cited).splitlines()])),
        license="CC0",
        history=[f"plasma.synthetic_pass({said})"],
        provenance={"synthetic": "synthetic_pass", "truth": truth, "options": said},
    )


def _mirrored(
    place: xr.DataArray,
    moment: xr.DataArray,
    magnetopause: xr.Dataset,
    depth: np.ndarray,
    normal: np.ndarray,
    farthest: float,
) -> np.ndarray:
    """Return the field of the dipole and of its image in the plane that touches the magnetopause."""
    radius = magnetopause["planet_radius"].reset_coords(drop=True)
    centre = magnetopause.get("centre")
    given = in_units(moment, "nT").assign_attrs(moment.attrs, units="nT")
    # Far outside, where its weight is below 1e-7, the mirror image could meet the dipole: keep to the layer's edge.
    known = np.minimum(depth, farthest)
    near = place.copy(data=place.values - (depth - known)[:, None] * normal)
    other = place.copy(data=near.values - 2 * known[:, None] * normal)
    own = planetary_dipole_field(near, given, radius=radius, centre=centre).values
    image = planetary_dipole_field(other, given, radius=radius, centre=centre).values
    return own + image - 2 * (image * normal).sum(axis=-1, keepdims=True) * normal


def _draped(
    imf: np.ndarray, depth: np.ndarray, from_shock: np.ndarray, n: np.ndarray, s: np.ndarray, k: float
) -> np.ndarray:
    """Return the wind's field, compressed and draped behind the shock."""
    share = np.clip(depth / (depth - from_shock), 0.0, 1.0)[:, None]
    at_pause = k * (imf - (n @ imf)[:, None] * n)
    along = (s @ imf)[:, None] * s
    at_shock = along + k * (imf - along)
    sheath = (1 - share) * at_pause + share * at_shock
    return np.where((from_shock < 0)[:, None], sheath, imf)


def _through_the_layer(outside: np.ndarray, inside: np.ndarray, n: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the field turned about the normal, the shorter way, and stretched from outside (0) to inside (1)."""
    across = ((1 - weight) * outside + weight * inside) * n
    tangents = [one - (one * n).sum(axis=-1, keepdims=True) * n for one in (outside, inside)]
    lengths = [np.linalg.norm(one, axis=-1, keepdims=True) for one in tangents]
    turned = np.cross(n, tangents[0])
    sine, cosine = ((axis * tangents[1]).sum(axis=-1, keepdims=True) for axis in (turned, tangents[0]))
    angle = weight * np.arctan2(sine, cosine)
    length = (1 - weight) * lengths[0] + weight * lengths[1]
    with np.errstate(invalid="ignore", divide="ignore"):
        direction = (np.cos(angle) * tangents[0] + np.sin(angle) * turned) / lengths[0]
    tangential = np.where(lengths[0] > 0, length * direction, weight * tangents[1])
    return across.sum(axis=-1, keepdims=True) * n + tangential


def _refuse_boundaries(magnetopause: xr.Dataset, bow_shock: xr.Dataset) -> None:
    for what, one, kind in (("magnetopause", magnetopause, "magnetopause"), ("bow_shock", bow_shock, "bow_shock")):
        if not isinstance(one, xr.Dataset) or one.attrs.get("boundary") != kind:
            raise WrongData(f"{what}= must be a {kind.replace('_', ' ')}, as plasma.planetary_boundary gives it")
        if set(one.sizes) - {"component"}:
            raise WrongData(f"{what} has the dims {', '.join(map(str, one.sizes))}; take one shape, with isel")
    if magnetopause.attrs["body"] != bow_shock.attrs["body"]:
        raise WrongData(f"the boundaries are of {magnetopause.attrs['body']} and of {bow_shock.attrs['body']}")
    if "planet_radius" not in magnetopause.coords:
        raise WrongData("magnetopause has no coordinate planet_radius, which the moment of the dipole belongs to")
