"""Magnetic nulls near several spacecraft: where the field vanishes and of which type the point is."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import xarray as xr

from analysis.model import derived, in_units
from analysis.plasma.formations import THINNEST, linear_fit, over_samples, thinness, together
from analysis.plasma.vectors import component_labels, made

CORE = ["spacecraft", "component"]
FU = "Fu et al., J. Geophys. Res. 120, 3758 (2015), doi:10.1002/2015JA021082"
LAU = "Lau & Finn, Astrophys. J. 350, 672 (1990), doi:10.1086/168419"
GREENE = "Greene, J. Comput. Phys. 98, 194 (1992), doi:10.1016/0021-9991(92)90137-N"
SOLID = "Van Oosterom & Strackee, IEEE Trans. Biomed. Eng. 30, 125 (1983), doi:10.1109/TBME.1983.325207"
FLAT = 0.25  # an eigenvalue, or the real parts, below a quarter of the others: Fu et al. (2015), section 2
TYPES = ("none", "unknown", "A", "B", "As", "Bs", "X", "O")


def magnetic_nulls(b: xr.DataArray, position: xr.DataArray, *, thinnest: float = THINNEST) -> xr.Dataset:
    r"""Return the null of the field that is linear through what four or more spacecraft measured, and its type.

    The first-order Taylor expansion (FOTE): with the field :math:`\mathbf B_b` and its gradient
    :math:`\mathsf G` at the barycentre, the null is at :math:`\mathbf r_b - \mathsf G^{-1} \mathbf B_b`. It means
    something while it is near: within about the size of the formation. In a field of two dimensions it is the point
    of the line of nulls that is nearest to the barycentre.

    Parameters
    ----------
    b : xarray.DataArray
        Magnetic field; dims ``spacecraft`` (four or more), ``component`` and any others such as ``time``; a frame.
    position : xarray.DataArray
        On the same axes and in the same frame, or without ``time`` if it stays; any length.
    thinnest : float, optional
        Smallest over largest semi-axis of the formation below which it counts as coplanar.

    Returns
    -------
    xarray.Dataset
        ``null_position`` (km, in the frame of the positions), ``offset`` of it from the barycentre (vector, km) and
        the length of that, ``distance``; ``nearest``, the distance to the nearest spacecraft (km); ``null_type``, a
        flag: A (two eigenvalues of the gradient negative, the spine goes out), B (two positive), As and Bs (two of
        them complex: the fan is a spiral), X and O (nearly two-dimensional: the smallest eigenvalue below a quarter
        of the largest, or all real parts below a quarter of the imaginary one), unknown (all real parts of one
        sign), none (no answer). ``eigenvalue_real`` and ``eigenvalue_imaginary`` (nT km-1, dim ``eigenvalue``, that
        of the spine first), ``spine`` (unit vector, the largest component positive; NaN for unknown). Quality:
        ``eta`` (:math:`|\nabla\cdot\mathbf B| / |\nabla\times\mathbf B|`) and ``xi``
        (:math:`|\lambda_1 + \lambda_2 + \lambda_3| / |\lambda|_\mathrm{max}`); Fu et al. trust position and type
        where both are below 0.4. NaN where fewer than four spacecraft are there or the formation is coplanar.

    Raises
    ------
    WrongData, WrongFrame, WrongUnits, MissingUnits, OutsideCoverage, BadOption
        As for :func:`curlometer`.

    References
    ----------
    Fu et al., J. Geophys. Res. 120, 3758 (2015), doi:10.1002/2015JA021082.
    Lau & Finn, Astrophys. J. 350, 672 (1990), doi:10.1086/168419 (types).

    Examples
    --------
    >>> r = xr.DataArray(np.eye(4, 3), dims=["spacecraft", "component"], attrs={"units": "km", "frame": "GSE"})
    >>> b = ((r - 0.25) * [-1, -1, 2]).assign_attrs(units="nT", frame="GSE")  # goes out along z
    >>> null = magnetic_nulls(b, r)
    >>> null.null_position.values, null.null_type.attrs["flag_meanings"].split()[int(null.null_type)]
    (array([0.25, 0.25, 0.25]), 'A')
    """
    limit = thinness(thinnest)
    values, where = together(b, position, "b")
    field = in_units(values, "nT")

    def kernel(block: np.ndarray, place: np.ndarray) -> np.ndarray:
        return _nulls(block, place, limit)

    flat = over_samples(kernel, 20, field, where, core=[CORE, CORE])
    frame = str(where.attrs["frame"]).upper()
    result = {}
    for name, start, size, units, label in QUANTITIES:
        one = flat.isel(part=start) if size == 1 else flat.isel(part=slice(start, start + size))
        if name in ("null_position", "offset", "spine"):
            one = one.rename(part="component").assign_coords(component=component_labels(where.component.values))
        elif size == 3:
            one = one.rename(part="eigenvalue").assign_coords(
                eigenvalue=("eigenvalue", ["spine", "fan_1", "fan_2"], {"long_name": "Eigenvalue"})
            )
        attrs = {"frame": frame} if "component" in one.dims else {}
        result[name] = made(one, name, b, position, units=units, long_name=label, attrs=attrs)
    says = {"flag_values": np.arange(len(TYPES), dtype="int8"), "flag_meanings": " ".join(TYPES)}
    kind = result["null_type"].fillna(0).astype("int8")
    result["null_type"] = kind.assign_attrs(result["null_type"].attrs | says)
    return derived(
        xr.Dataset(result),
        b,
        title="Magnetic nulls by the first-order Taylor expansion",
        step=f"plasma.magnetic_nulls(thinnest={limit:g})",
        references=[FU, LAU],
        also=[position],
    )


QUANTITIES = (
    ("null_position", 0, 3, "km", "Position of the null"),
    ("offset", 3, 3, "km", "Null from the barycentre"),
    ("distance", 6, 1, "km", "Distance of the null from the barycentre"),
    ("nearest", 7, 1, "km", "Distance of the null from the nearest spacecraft"),
    ("eta", 8, 1, "1", "Divergence over curl of the magnetic field"),
    ("xi", 9, 1, "1", "Sum over largest of the eigenvalues"),
    ("null_type", 10, 1, "1", "Type of the null"),
    ("eigenvalue_real", 11, 3, "nT km-1", "Real part of the eigenvalues of the gradient"),
    ("eigenvalue_imaginary", 14, 3, "nT km-1", "Imaginary part of the eigenvalues of the gradient"),
    ("spine", 17, 3, "1", "Direction of the spine"),
)


def poincare_index(b: xr.DataArray, position: xr.DataArray) -> xr.DataArray:
    r"""Return the Poincaré index of the field over the surface of each tetrahedron that four of the spacecraft make.

    The field of the four corners, drawn from one origin, makes four triangles; the solid angles they span there,
    over :math:`4\pi`, sum to 1 or -1 if the origin is inside, that is if a field that is linear in the tetrahedron
    vanishes in it, and to 0 if not. The sign is that of the determinant of the gradient: 1 for A and As, -1 for B
    and Bs, whatever the order of the spacecraft.

    Parameters
    ----------
    b : xarray.DataArray
        Magnetic field; dims ``spacecraft`` (four or more), ``component`` and any others such as ``time``; a frame.
    position : xarray.DataArray
        On the same axes and in the same frame, or without ``time`` if it stays; any length.

    Returns
    -------
    xarray.DataArray
        Dimensionless, with a dim ``tetrahedron`` before the others, named by its spacecraft. NaN where one of its
        spacecraft has no field or position, where the four are coplanar, and where the field vanishes on a face, as
        it does for a field of two components alone: then the sign is that of the rounding.

    Raises
    ------
    WrongData, WrongFrame, WrongUnits, MissingUnits, OutsideCoverage
        As for :func:`curlometer`.

    References
    ----------
    Greene, J. Comput. Phys. 98, 194 (1992), doi:10.1016/0021-9991(92)90137-N.
    Van Oosterom & Strackee, IEEE Trans. Biomed. Eng. 30, 125 (1983), doi:10.1109/TBME.1983.325207 (solid angle).

    Examples
    --------
    >>> r = xr.DataArray(np.eye(4, 3), dims=["spacecraft", "component"], attrs={"units": "km", "frame": "GSE"})
    >>> b = ((r - 0.25) * [-1, -1, 2]).assign_attrs(units="nT", frame="GSE")
    >>> poincare_index(b, r).values, poincare_index(-b, r).values, poincare_index(b + 1, r).values
    (array([1.]), array([-1.]), array([0.]))
    """
    values, where = together(b, position, "b")
    field, count = in_units(values, "nT"), where.sizes["spacecraft"]
    names = where.spacecraft.values if "spacecraft" in where.coords else np.arange(count)
    subsets = list(combinations(range(count), 4))
    parts = [
        over_samples(
            _index,
            1,
            field.isel(spacecraft=list(four)),
            where.isel(spacecraft=list(four)),
            core=[CORE, CORE],
        ).isel(part=0)
        for four in subsets
    ]
    labels = ["-".join(str(names[n]) for n in four) for four in subsets]
    whole = xr.concat(parts, dim="tetrahedron").assign_coords(
        tetrahedron=("tetrahedron", labels, {"long_name": "Tetrahedron"})
    )
    attrs = {"references": f"{GREENE}\n{SOLID}"}
    return made(whole, "poincare_index", b, position, units="1", long_name="Poincaré index", attrs=attrs)


def _nulls(block: np.ndarray, place: np.ndarray, limit: float) -> np.ndarray:
    """Return the rows of QUANTITIES; gradients are ``slope[sample, i, j]``, the derivative of component i along j."""
    fit = linear_fit(block, place, thinnest=limit)
    slope, mean = fit.gradient.transpose(2, 0, 1), fit.mean.T
    there = np.isfinite(slope).all(axis=(1, 2))
    size, strength = np.sqrt(fit.axes.sum(axis=0)), np.abs(slope).max(axis=(1, 2))
    there &= strength * size > 1e-12 * np.abs(mean).max(axis=1)  # else the field is the same everywhere
    slope = np.where(there[:, None, None], slope, np.eye(3))
    offset = _to_the_null(slope, mean, size)
    there &= np.isfinite(offset).all(axis=0)
    null = fit.centre + offset
    apart = np.sqrt(((place - null) ** 2).sum(axis=1))
    nearest = np.where(np.isnan(apart).all(axis=0), np.nan, np.fmin.reduce(apart))
    curl = np.stack([slope[:, 2, 1] - slope[:, 1, 2], slope[:, 0, 2] - slope[:, 2, 0], slope[:, 1, 0] - slope[:, 0, 1]])
    divergence = np.trace(slope, axis1=1, axis2=2)
    eigenvalues, eigenvectors = np.linalg.eig(slope)
    kind, first = _types(eigenvalues)
    order = np.stack([first, (first + 1) % 3, (first + 2) % 3], axis=1)
    eigenvalues = np.take_along_axis(eigenvalues, order, axis=1)
    spine = np.take_along_axis(eigenvectors, first[:, None, None], axis=2)[:, :, 0].real
    spine = spine * np.sign(np.take_along_axis(spine, np.abs(spine).argmax(axis=1)[:, None], axis=1))
    with np.errstate(divide="ignore", invalid="ignore"):
        eta = np.abs(divergence) / np.sqrt((curl**2).sum(axis=0))
        xi = np.abs(eigenvalues.sum(axis=1)) / np.abs(eigenvalues).max(axis=1)
    rows = [
        *null,
        *offset,
        np.sqrt((offset**2).sum(axis=0)),
        nearest,
        np.where(np.isinf(eta), np.nan, eta),
        xi,
        kind,
        *eigenvalues.real.T,
        *eigenvalues.imag.T,
        *np.where(kind == TYPES.index("unknown"), np.nan, spine.T),
    ]
    return np.where(there, np.stack(rows), np.nan)


def _to_the_null(slope: np.ndarray, mean: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Return the way from the barycentre to the null; to the nearest point of a line of nulls."""
    single = np.linalg.cond(slope) < 1e9
    offset = -np.linalg.solve(np.where(single[:, None, None], slope, np.eye(3)), mean[:, :, None])[:, :, 0]
    if not single.all():
        line = ~single
        offset[line] = -np.einsum("tij,tj->ti", np.linalg.pinv(slope[line], rcond=1e-8), mean[line])
        left = np.abs(np.einsum("tij,tj->ti", slope[line], offset[line]) + mean[line]).max(axis=1)
        scale = np.abs(mean[line]).max(axis=1) + np.abs(slope[line]).max(axis=(1, 2)) * size[line]
        offset[line] = np.where((left <= 1e-7 * scale)[:, None], offset[line], np.nan)
    return offset.T


def _types(eigenvalues: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of the type in TYPES, and which eigenvalue is that of the spine.

    The spine's is the one whose real part has a sign of its own; of a complex pair's, it is the real one.
    """
    real, imaginary, size = eigenvalues.real, np.abs(eigenvalues.imag), np.abs(eigenvalues)
    spiral = imaginary.max(axis=1) > 0
    negative = (real < 0).sum(axis=1)
    odd = np.where(negative == 2, real.argmax(axis=1), real.argmin(axis=1))
    first = np.where(spiral, imaginary.argmin(axis=1), odd)
    leads = np.take_along_axis(real, first[:, None], axis=1)[:, 0]
    mixed = (negative == 1) | (negative == 2)
    kind = np.where(leads > 0, TYPES.index("A"), TYPES.index("B")) + 2 * spiral
    flat_radial = mixed & ~spiral & (size.min(axis=1) < FLAT * size.max(axis=1))
    flat_spiral = spiral & (np.abs(real).max(axis=1) < FLAT * imaginary.max(axis=1))
    kind = np.where(mixed, kind, TYPES.index("unknown"))
    kind = np.where(flat_radial, TYPES.index("X"), np.where(flat_spiral, TYPES.index("O"), kind))
    return kind, first


def _index(block: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Return the Poincaré index of blocks of one tetrahedron."""
    edges = place[1:] - place[0]
    volume = (edges[0] * np.cross(edges[1], edges[2], axis=0)).sum(axis=0)
    scale = np.sqrt((edges**2).sum(axis=1)).max(axis=0) ** 3
    with np.errstate(divide="ignore", invalid="ignore"):
        unit = block / np.sqrt((block**2).sum(axis=1, keepdims=True))
        # seen from outside a tetrahedron of positive volume, these go round anticlockwise
        faces = ((0, 2, 1), (0, 1, 3), (0, 3, 2), (1, 2, 3))
        total = sum(_solid_angle(unit[i], unit[j], unit[k]) for i, j, k in faces) / (4 * np.pi)
    flat = ~(np.abs(volume) > 1e-6 * scale)
    return np.where(flat, np.nan, np.round(total) * np.sign(volume))[None] + 0.0


def _solid_angle(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Return the signed solid angle of triangles of unit vectors, NaN where they hold the origin and no sign shows."""
    triple = (a * np.cross(b, c, axis=0)).sum(axis=0)
    ab, bc, ca = ((one * other).sum(axis=0) for one, other in ((a, b), (b, c), (c, a)))
    through_origin = (np.abs(triple) < 1e-12) & (1 + ab + bc + ca < 1e-12)
    return np.where(through_origin, np.nan, 2 * np.arctan2(triple, 1 + ab + bc + ca))
