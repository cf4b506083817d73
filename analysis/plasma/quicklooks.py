"""The quick look of a product: the panels that its declaration names, drawn of its data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import xarray as xr

from analysis.errors import AnalysisError, BadOption, WrongData
from analysis.model import in_units, provenance_of
from analysis.plasma.array_pictures import cut_of, with_edges, with_levels
from analysis.plasma.inputs import refuse_empty
from analysis.plasma.orbit_views import orbit_view
from analysis.plasma.pitch_angles import with_energies
from analysis.plasma.quality import quality_of

if TYPE_CHECKING:
    from analysis.catalogue import Look
    from analysis.panels.marks import Marks

FIELD = "plasma"
OVER_TIME = ("lines", "spectrogram", "pitch_angles")  # the other kinds have axes of their own


def quicklook_of(
    data: xr.Dataset | xr.DataTree, *, marks: Marks | None = None, bands: xr.DataArray | None = None
) -> Any:
    """Return the quick look of data that know their product, as :func:`analysis.plasma.quicklook` says."""
    nodes = _nodes(data)
    for dataset in nodes.values():
        refuse_empty(dataset)
    by_product: dict[str, dict[str, xr.Dataset]] = {}
    for path, dataset in nodes.items():
        by_product.setdefault(_product_name(dataset, path), {})[path] = dataset
    pictures: list[Any] = []
    for name, parts in by_product.items():
        pictures += _pictures(name, parts, marks, bands)
    return _column(pictures)


def _nodes(data: object) -> dict[str, xr.Dataset]:
    """Return the datasets of the data by path, a Dataset's own under the empty name."""
    if isinstance(data, xr.Dataset):
        return {"": data}
    if not isinstance(data, xr.DataTree):
        raise WrongData(f"quicklook takes a product's name, or a Dataset or DataTree, not a {type(data).__name__}")
    nodes = {node.path.strip("/"): node.to_dataset(inherit=False) for node in data.subtree if node.has_data}
    if not nodes:
        raise WrongData("the tree holds no data to draw")
    return nodes


def _product_name(dataset: xr.Dataset, path: str) -> str:
    try:
        name = str(provenance_of(dataset)["query"]["product"])
    except (AnalysisError, KeyError, TypeError) as error:
        raise WrongData(
            f"{path or 'the dataset'} does not say of which product it is; quicklook is for what fetch and collect "
            "give, view for the rest"
        ) from error
    return name


def _pictures(name: str, parts: Mapping[str, xr.Dataset], marks: Marks | None, bands: xr.DataArray | None) -> list[Any]:
    """Return the panels of one product, the first with the title, the last with the sources."""
    from analysis import catalogue, panels

    looks = catalogue.product(FIELD, name).quicklook
    if not looks:
        raise BadOption(f"{name} declares no quick look; plasma.view(data, variables=[…]) draws what you choose")
    held = [(look, _holding(look, parts)) for look in looks]
    drawn = [(look, data) for look, data in held if data is not None]
    if not drawn:
        wanted = ", ".join(dict.fromkeys(variable for look in looks for variable in look.variables))
        raise WrongData(f"the quick look of {name} shows {wanted}; these data hold none of them")
    lost = [variable for look, data in held if data is None for variable in look.variables]
    remark = f"Not in these data: {', '.join(dict.fromkeys(lost))}." if lost else ""
    legend = next((i for i, (look, _) in enumerate(drawn) if look.kind == "lines"), 0)
    last = max((i for i, (look, _) in enumerate(drawn) if look.kind in OVER_TIME), default=-1)
    pictures = []
    for place, (look, data) in enumerate(drawn):
        title = data.attrs.get("title", "") if place == 0 else ""
        own = {"synthetic": data.attrs.get("synthetic", "false"), "title": title}
        over = {"marks": marks, "bands": bands, "legend": place == legend}
        picture = DRAW[look.kind](look, data, own, over)
        if place < last and look.kind in OVER_TIME:
            picture = picture.opts(xlabel="", backend="bokeh")  # the axis across is named once, below the last
        if place == len(drawn) - 1:
            picture = panels.note(picture, {k: v for k, v in data.attrs.items() if k != "title"}, remark=remark)
        pictures.append(picture)
    return pictures


def _holding(look: Look, parts: Mapping[str, xr.Dataset]) -> xr.Dataset | None:
    """Return the dataset that a panel is drawn of: the product's, or that of its node."""
    for path, data in parts.items():
        if (not look.node or path.rpartition("/")[2] == look.node) and all(v in data for v in look.variables):
            return with_energies(data)
    return None


def _lines(look: Look, data: xr.Dataset, attrs: Mapping[str, Any], over: Mapping[str, Any]) -> Any:
    from analysis import panels
    from analysis.panels.stacks import over_time

    arrays = [data[name] for name in look.variables]
    array = _together(arrays, look.label) if len(arrays) > 1 else arrays[0]
    if look.label:
        array = array.assign_attrs(long_name=look.label)
    quality = _flags(arrays, data) if len(arrays) > 1 else quality_of(arrays[0], data)
    curves = panels.curves(array, quality=quality, logy=look.log, ylim=look.limits or None, attrs=attrs)
    return over_time(with_levels(curves, array, look.levels), array, **over)


def _together(arrays: list[xr.DataArray], label: str) -> xr.DataArray:
    """Return arrays as the lines of one panel, in the unit of the first."""
    unit = str(arrays[0].attrs.get("units", "1"))
    lines: list[xr.DataArray] = []
    for array in arrays:
        same = in_units(array, unit)
        bare = same.drop_vars([name for name in same.coords if name != "time"])
        if "component" in array.dims:
            letters = array["component"].values if "component" in array.coords else range(array.sizes["component"])
            parts = {f"{array.name}_{k}": bare.isel(component=i) for i, k in enumerate(letters)}
        else:
            parts = {str(array.name): bare}
        lines += [part.expand_dims(line=[name]) for name, part in parts.items()]
    name = "_".join(str(array.name) for array in arrays)
    return xr.concat(lines, dim="line").rename(name).assign_attrs(units=unit, long_name=label)


def _flags(arrays: list[xr.DataArray], data: xr.Dataset) -> dict[str, xr.DataArray]:
    """Return the flags of the lines of one panel, by the name of the line."""
    found = {str(array.name): quality_of(array, data) for array in arrays if array.dims == ("time",)}
    return {name: flag for name, flag in found.items() if flag is not None}


def _spectrogram(look: Look, data: xr.Dataset, attrs: Mapping[str, Any], over: Mapping[str, Any]) -> Any:
    from analysis import panels
    from analysis.panels.stacks import over_time

    array = data[look.variables[0]]
    return over_time(panels.spectrogram(array, clim=look.limits or None, attrs=attrs), array, **over)


def _pitch_angles(look: Look, data: xr.Dataset, attrs: Mapping[str, Any], over: Mapping[str, Any]) -> Any:
    from analysis import panels
    from analysis.panels.stacks import over_time

    array = with_edges(cut_of(data[look.variables[0]], look.energy, None))
    return over_time(panels.spectrogram(array, clim=look.limits or None, attrs=attrs), array, **over)


def _orbit(look: Look, data: xr.Dataset, attrs: Mapping[str, Any], over: Mapping[str, Any]) -> Any:
    plane: Any = look.plane
    return orbit_view(data[look.variables[0]], plane=plane, body=look.body or None, attrs=attrs)


def _points(look: Look, data: xr.Dataset, attrs: Mapping[str, Any], over: Mapping[str, Any]) -> Any:
    from analysis import panels

    return panels.points(data[look.variables[0]], x="time", logy=look.log, attrs=attrs)


DRAW: dict[str, Callable[[Look, xr.Dataset, Mapping[str, Any], Mapping[str, Any]], Any]] = {
    "lines": _lines,
    "orbit": _orbit,
    "pitch_angles": _pitch_angles,
    "points": _points,
    "spectrogram": _spectrogram,
}


def _column(pictures: list[Any]) -> Any:
    from analysis.panels.loading import loaded

    return loaded().Layout(pictures).cols(1).opts(backend="bokeh", shared_axes=True)
