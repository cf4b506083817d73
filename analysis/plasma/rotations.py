"""Turning vectors: elementary turns, matrices of three axes, and a vector turned by given matrices."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData, WrongFrame
from analysis.model import labelled
from analysis.plasma.inputs import synthetic_attrs
from analysis.plasma.quality import quality_of, with_worst_quality
from analysis.plasma.vectors import XYZ, component_labels, frame_of, vector

Step: TypeAlias = tuple[str, "np.ndarray | float"]
PLANES = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}
ORTHOGONAL = 1e-6  # how far rows of matrices may be from unit length and right angles
TRIADS = (XYZ, ("r", "t", "n"), ("l", "m", "n"))  # letters of axes, each right-handed in this order
KEPT_ATTRS = ("source", "references", "institution", "license", "provenance", "caveats", "region", "synthetic")
# Names of components that are not cartesian, or of the axes of other frames: theta, b_lat, Br, BT, n.
OTHER = re.compile(r"theta|phi|lat|lon|rad|mag|tot|(?<![a-z])[a-z]?[rtnlm](?![a-z])")


def rotated(vector: xr.DataArray, matrices: xr.DataArray | xr.Dataset, *, inverse: bool = False) -> xr.DataArray:
    """Return a vector in the frame that rotation matrices lead to.

    Parameters
    ----------
    vector : xarray.DataArray
        Dim ``component`` of size 3, attr ``frame``, any other dims; any unit.
    matrices : xarray.DataArray or xarray.Dataset
        Dims ``row`` (the axes of the new frame) and ``column`` (those of the old one), and those the rotation
        depends on, with the same coordinates as the vector's; attrs ``from_frame`` and ``frame``. As
        :func:`rotation_matrices`, :func:`orbital_frame`, :func:`rtn_frame`, :func:`field_aligned_frame` and
        :func:`lmn_frame` give them. Or the variance axes L, M, N of :func:`minimum_variance` and
        :func:`maximum_variance`, as these give them.
    inverse : bool, optional
        Turn back: from the new frame to the old one.

    Returns
    -------
    xarray.DataArray
        Same name, unit and other dims, ``component`` last; NaN where any component or matrix element is.

    Raises
    ------
    WrongFrame
        If the vector is not in the frame from which the matrices lead.
    WrongData
        If it is no vector, the matrices are no proper rotations, or the two are on different times.
    MissingUnits, UnknownUnits
        If the vector's unit is absent or unreadable.

    Examples
    --------
    >>> b = xr.DataArray([0.0, 3.0, 0.0], dims="component", name="b", attrs={"units": "nT", "frame": "GSE"})
    >>> normal = xr.DataArray([1.0, 0.0, 0.0], dims="component", attrs={"units": "1", "frame": "GSE"})
    >>> from analysis.plasma import lmn_frame
    >>> rotated(b, lmn_frame(normal)).values
    array([ 0., -3.,  0.])
    """
    if not isinstance(inverse, bool | np.bool_):
        raise BadOption(f"inverse={inverse!r} is neither True nor False")
    if isinstance(matrices, xr.Dataset):
        matrices = _of_variance_axes(matrices)
    _refuse_no_matrices(matrices)
    source, target = str(matrices.attrs["from_frame"]), str(matrices.attrs["frame"])
    old, new = ("row", "column") if inverse else ("column", "row")
    if inverse:
        source, target = target, source
    has = frame_of(vector, "the vector") if isinstance(vector, xr.DataArray) else ""
    given = in_order(vector, "the vector", matrices[old].values.tolist())
    if has != source.upper():
        hint = ", which they do with inverse=True" if has == target.upper() else ": bring it there first"
        raise WrongFrame(f"{given.name} is in {has}; these matrices turn vectors from {source} to {target}{hint}")
    plain = matrices.drop_vars(["row", "column"], errors="ignore").astype(float)
    _refuse_other_times(given, plain)
    if plain.chunks is not None:
        plain = plain.chunk(row=-1, column=-1)
    if given.chunks is not None:
        given = given.chunk(component=-1)
    try:
        xr.align(given, plain, join="exact", copy=False)
    except ValueError as error:
        raise WrongData(
            f"{given.name} and the matrices are not at the same times ({error}); make the matrices at the times of "
            "the vector: interpolate what they are made of (position, velocity, field) rather than the matrices"
        ) from error
    turned_values = xr.apply_ufunc(
        lambda values, rows: np.einsum("...ij,...j->...i", rows, values),
        given,
        plain,
        input_core_dims=[["component"], [new, old]],
        output_core_dims=[["component"]],
        exclude_dims={"component"},
        dask="parallelized",
        dask_gufunc_kwargs={"output_sizes": {"component": 3}},
        output_dtypes=[given.dtype],
    )
    return relabelled(turned_values, given, source, target, matrices[new].values.tolist(), matrices)


def matrices_of(
    rows: Sequence[xr.DataArray],
    source: str,
    target: str,
    *origins: xr.DataArray,
    labels: Sequence[str] = XYZ,
    columns: Sequence[str] = XYZ,
) -> xr.DataArray:
    """Return rotation matrices of the three axes of a new frame, each given in the old one (dim ``component``).

    Examples
    --------
    >>> x, y, z = (xr.DataArray(row, dims="component") for row in np.eye(3))
    >>> matrices_of([y, z, x], "GSE", "TURNED").dims
    ('row', 'column')
    """
    bare = [row.drop_vars("component", errors="ignore") for row in rows]
    stacked = xr.concat(bare, dim="row", coords="minimal", compat="override", join="exact")
    stacked = stacked.transpose(..., "row", "component").rename(component="column")
    return matrices_labelled(stacked, source, target, *origins, labels=labels, columns=columns)


def matrices_labelled(
    matrices: xr.DataArray,
    source: str,
    target: str,
    *origins: xr.DataArray,
    labels: Sequence[str] = XYZ,
    columns: Sequence[str] = XYZ,
) -> xr.DataArray:
    """Return matrices (last dims ``row`` and ``column``) that say between which frames they turn.

    Examples
    --------
    >>> eye = xr.DataArray(np.eye(3), dims=("row", "column"))
    >>> matrices_labelled(eye, "GSE", "GSE").attrs["long_name"]
    'Rotation from GSE to GSE'
    """
    names = {
        "row": ("row", list(labels), {"long_name": f"Component in {target}"}),
        "column": ("column", list(columns), {"long_name": f"Component in {source}"}),
    }
    made = matrices.assign_coords(names)
    made = made.drop_vars([name for name in made.coords if str(name).endswith("_quality")])
    says = {"from_frame": source, "frame": target, **synthetic_attrs(*origins)}
    return labelled(made, "rotation", units="1", long_name=f"Rotation from {source} to {target}", attrs=says)


def relabelled(
    values: xr.DataArray,
    origin: xr.DataArray,
    source: str,
    target: str,
    labels: Sequence[str],
    *others: xr.DataArray,
) -> xr.DataArray:
    """Return a turned vector under the name and unit it had, in its new frame.

    A label that names the old frame names the new one; other attributes of the old components are dropped. Of flags
    of single components the worst holds for all, since a turn mixes them.
    """
    name = str(origin.name)
    kept = {key: origin.attrs[key] for key in KEPT_ATTRS if key in origin.attrs}
    word = rf"(?<![A-Za-z0-9]){re.escape(source)}(?![A-Za-z0-9])"
    label = re.sub(word, target, str(origin.attrs.get("long_name", name)), flags=re.IGNORECASE)
    attrs = {"frame": target, **kept, **synthetic_attrs(origin, *others)}
    order = [*(dim for dim in origin.dims if dim in values.dims and dim != "component")]
    order += [dim for dim in values.dims if dim not in order and dim != "component"]
    made = values.transpose(*order, "component").assign_coords(component=component_labels(labels))
    made = labelled(made, name, units=str(origin.attrs["units"]), long_name=label, attrs=attrs)
    flag = quality_of(origin)
    flag_name = f"{name}_quality"
    bare = with_worst_quality(made)
    if flag is None:
        return bare
    worst = with_worst_quality(bare.isel(component=0, drop=True), flag).coords[flag_name]
    return bare.assign_coords({flag_name: worst})


def in_order(array: xr.DataArray, what: str, letters: Sequence[str] = XYZ) -> xr.DataArray:
    """Return a vector with its components in the order of these letters, whatever the order they came in.

    Labels such as ``Bx``, ``b_y``, ``Bz (GSE)`` are read; labels that name no axis are taken to be in order.

    Raises
    ------
    WrongData
        If it is no vector, or its labels are those of other components: spherical ones, or a frame's own.

    Examples
    --------
    >>> b = xr.DataArray([3.0, 1.0, 2.0], coords={"component": ["bz", "bx", "by"]}, attrs={"units": "nT"})
    >>> in_order(b, "b").values.tolist()
    [1.0, 2.0, 3.0]
    """
    if isinstance(array, xr.DataArray) and array.dtype.kind not in "biufc":
        raise WrongData(f"{array.name or what} holds {array.dtype}, not numbers")
    given = vector(array, what)
    labels = [str(label).strip().lower() for label in given.component.values]
    says = f"{given.name} has the components {', '.join(map(str, given.component.values))}"
    if len(set(labels)) < 3:
        raise WrongData(f"{says}: two of one name")
    wanted = [letter.lower() for letter in letters]
    if sorted(labels) == sorted(wanted):
        return given.isel(component=[labels.index(letter) for letter in wanted])
    for axes in (wanted, list(XYZ)):  # x, y and z also stand for the first, second and third of other frames
        found = [_axis(label, axes) for label in labels]
        if sorted(map(str, found)) == sorted(axes):
            return given.isel(component=[found.index(letter) for letter in axes])
    if tuple(letters) != XYZ:
        raise WrongData(f"{says}; needed here are {', '.join(letters)}")
    if any(OTHER.search(label) for label in labels):
        raise WrongData(f"{says}; cartesian ones are needed, x, y and z")
    return given


def right_handed(array: xr.DataArray, what: str) -> xr.DataArray:
    """Return a vector with its components in right-handed order and labelled by their axes alone, if these are known.

    Axes are x, y, z, or r, t, n, or l, m, n, whatever the labels hold besides (``Bx``, ``v_y``). Other labels, as of
    spherical components, are taken to be in right-handed order and stay.

    Raises
    ------
    WrongData
        If it is no vector, or two components have one name.

    Examples
    --------
    >>> b = xr.DataArray([3.0, 2.0, 1.0], coords={"component": ["Bz", "By", "Bx"]}, attrs={"units": "nT"})
    >>> right_handed(b, "b").component.values.tolist(), right_handed(b, "b").values.tolist()
    (['x', 'y', 'z'], [1.0, 2.0, 3.0])
    """
    given = vector(array, what)
    labels = [str(label).strip().lower() for label in given.component.values]
    if len(set(labels)) < 3:
        says = ", ".join(map(str, given.component.values))
        raise WrongData(f"{given.name} has the components {says}: two of one name")
    for axes in TRIADS:
        found = [_axis(label, axes) for label in labels]
        if sorted(map(str, found)) == sorted(axes):
            ordered = given.isel(component=[found.index(letter) for letter in axes])
            return ordered.assign_coords(component=component_labels(axes))
    return given


def cartesian(array: xr.DataArray, what: str) -> xr.DataArray:
    """Return a vector along x, y, z or another cartesian frame's axes (r, t, n), in order; refuse spherical ones.

    Raises
    ------
    WrongData
        If it is no vector, or its components are no cartesian ones.

    Examples
    --------
    >>> r = xr.DataArray([3.0, 0.0, 0.0], coords={"component": ["r", "theta", "phi"]}, attrs={"units": "km"})
    >>> cartesian(r, "position")
    Traceback (most recent call last):
    ...
    analysis.errors.WrongData: position has the components r, theta, phi; cartesian ones are needed, x, y and z
    """
    given = right_handed(array, what)
    letters = tuple(map(str, given.component.values))
    return given if letters in TRIADS else in_order(given, what)


def _axis(label: str, axes: Sequence[str]) -> str | None:
    """Return which axis a label names, if it names one: bx, b_y, vz, z (gse), bx_gse."""
    words = re.split(r"[^a-z]+", label)
    named = {axis for word in words for axis in axes if len(axis) == 1 and re.fullmatch(rf"[a-z]{{0,2}}{axis}", word)}
    return named.pop() if len(named) == 1 else None


def turned(values: np.ndarray, steps: Iterable[Step]) -> np.ndarray:
    """Return vectors (last axis 3) in axes that are turned one step after the other.

    A step ("z", a) turns the axes about z by the angle a, right-handed, so that x' = x cos a + y sin a.

    Examples
    --------
    >>> turned(np.array([1.0, 0.0, 0.0]), [("z", np.pi / 2)]).round(12) + 0.0
    array([ 0., -1.,  0.])
    """
    parts = [values[..., n] for n in range(3)]
    for letter, angle in steps:
        first, second = PLANES[letter]
        cosine, sine = np.cos(angle), np.sin(angle)
        one, two = parts[first], parts[second]
        parts[first], parts[second] = cosine * one + sine * two, cosine * two - sine * one
    shape = np.broadcast_shapes(*(np.shape(part) for part in parts))
    result = np.empty((*shape, 3), np.result_type(*parts))
    for n, part in enumerate(parts):
        result[..., n] = part
    return result


def normalised(array: xr.DataArray) -> xr.DataArray:
    """Return unit vectors along ``component``; NaN for a vector of no length.

    Examples
    --------
    >>> normalised(xr.DataArray([0.0, 3.0, 4.0], dims="component")).values
    array([0. , 0.6, 0.8])
    """
    length = xr.ufuncs.sqrt((array**2).sum("component", skipna=False))
    return array / length.where(length > 0)


def crossed(one: xr.DataArray, other: xr.DataArray) -> xr.DataArray:
    """Return the cross product along ``component``.

    Examples
    --------
    >>> x, y, z = (xr.DataArray(row, dims="component") for row in np.eye(3))
    >>> crossed(x, y).equals(z)
    True
    """
    product = xr.cross(one, other, dim="component")
    assert isinstance(product, xr.DataArray)  # of arrays it always is
    return product


def _refuse_other_times(given: xr.DataArray, matrices: xr.DataArray) -> None:
    """Refuse matrices of other times, of which xarray would make what it can."""
    if "time" not in matrices.coords or ("time" not in given.coords and "time" not in given.dims):
        return
    if "time" not in given.coords:
        raise WrongData(f"{given.name} has a dim time without times, which must be those of the matrices; assign them")
    own, theirs = given["time"].variable, matrices["time"].variable
    if own.dims != theirs.dims:
        raise WrongData(
            f"{given.name} and the matrices are not at the same times: those of {given.name} have the dims "
            f"{own.dims}, those of the matrices {theirs.dims}; if one rotation is meant for all times, drop its time "
            "first: matrices.drop_vars('time')"
        )
    if not theirs.dims and not own.equals(theirs):
        raise WrongData(f"{given.name} and the matrices are not at the same times: {own.values} and {theirs.values}")


def _of_variance_axes(found: xr.Dataset) -> xr.DataArray:
    """Return the rotation into the axes that a variance analysis gives."""
    axes = found.get("eigenvector")
    if axes is None or not {"axis", "component"} <= set(axes.dims) or list(axes["axis"].values) != ["L", "M", "N"]:
        raise WrongData(
            f"a Dataset of {', '.join(map(str, found.data_vars)) or 'nothing'} is no rotation; rotated takes rotation "
            "matrices or what minimum_variance gives"
        )
    says = {"units": "1", "from_frame": frame_of(axes, "the axes"), "frame": "LMN", **synthetic_attrs(axes, found)}
    rows = (
        axes.transpose(..., "axis", "component").rename(axis="row", component="column").assign_coords(row=list("lmn"))
    )
    return rows.drop_attrs(deep=False).assign_attrs(says)


def _refuse_no_matrices(matrices: object) -> None:
    needed = "rotation matrices are a DataArray with dims row and column of size 3 and attrs from_frame and frame"
    if not isinstance(matrices, xr.DataArray):
        raise WrongData(f"a {type(matrices).__name__} is no rotation: {needed}")
    sizes: Mapping[Hashable, int] = matrices.sizes
    lacks = [key for key in ("from_frame", "frame") if not str(matrices.attrs.get(key, "")).strip()]
    lacks += [key for key in ("row", "column") if key not in matrices.coords]
    if sizes.get("row") != 3 or sizes.get("column") != 3 or lacks:
        says = f"lacks {', '.join(lacks)}" if lacks else f"has dims {dict(sizes)}"
        raise WrongData(f"{matrices.name or 'the array'} {says}: {needed}")
    if matrices.chunks is not None:
        return  # would compute them
    rows = matrices.transpose(..., "row", "column").values
    off = np.abs(np.einsum("...ij,...kj->...ik", rows, rows) - np.eye(3)).max(axis=(-2, -1), initial=0)
    mirrored = np.linalg.det(np.nan_to_num(rows)) < -0.5
    if wrong := int(np.count_nonzero((off > ORTHOGONAL) | mirrored)):
        raise WrongData(
            f"{wrong} of the matrices are no rotations: their rows must be of unit length, at right angles and "
            "right-handed; interpolated matrices are not, nor those of a left-handed frame"
        )
