"""Pictures of plasma data: which panel suits which dims. Nothing is computed here; fluxes are only cut."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analysis.errors import BadOption, UnknownVariable, WrongData
from analysis.model import in_units
from analysis.plasma.inputs import is_number, refuse_empty
from analysis.plasma.pitch_angles import DIM, at_energy, at_time, bin_edges, omnidirectional, with_energies
from analysis.plasma.profiles import axis_of, is_outline, outline, profile, profiles
from analysis.plasma.quality import quality_of

if TYPE_CHECKING:
    from analysis.model.clocks import Instant
    from analysis.plasma.pitch_angles import Energy

Reference = Mapping[str, float | xr.DataArray]
REFERENCE_COLOURS = ("#D55E00", "#009E73", "#CC79A7", "#000000")


def view(
    data: xr.Dataset | xr.DataArray | xr.DataTree,
    *,
    variables: str | Sequence[str] | None = None,
    energy: Energy | None = None,
    time: Instant | None = None,
    reference: Reference | None = None,
) -> Any:
    """Return a picture of plasma data.

    Parameters
    ----------
    data : xarray.Dataset, xarray.DataArray or xarray.DataTree
        Variables over ``time`` become lines in a column, over ``time, energy`` spectrograms, over
        ``energy, pitch_angle`` coloured cells; each node of a tree becomes a column of its own. Spectra and
        structure functions become lines on logarithmic axes, a cut of a boundary its outline.
    variables : str or sequence of str, optional
        What to draw of a Dataset or tree, in this order. By default all that can be drawn.
    energy : float, str or astropy.units.Quantity, optional
        For fluxes over ``time, energy, pitch_angle``: draw time and pitch angle at the bin that holds this
        energy or is nearest to it, in the unit of their coordinate ``energy`` or as ``"5 keV"``.
    time : time, optional
        For the same: draw pitch angle and energy of the record nearest to this time (UTC).
    reference : mapping of str to float or xarray.DataArray, optional
        For a DataArray over time: horizontal lines by name, in the array's own unit or with units of their
        own, for example ``{"geosynchronous orbit": plasma.geosynchronous_orbit()}``.

    Returns
    -------
    holoviews object
        Elements, Overlays and Layouts, which add (``+``). Flagged values are marked, and so are the times at
        which a model is used outside what it was fitted to.

    Raises
    ------
    WrongData
        If there is nothing to draw, or no picture for these dims.
    UnknownVariable
        If a variable asked for is not there.
    BadOption
        If a cut is needed and not given, or an option does not suit the data.
    OutsideCoverage, BadTime
        If the energy or time of a cut is not there, or there is no record at all.

    Examples
    --------
    >>> times = np.array(["2001-03-31T00", "2001-03-31T01"], "datetime64[ns]")
    >>> nose = xr.DataArray([7.0, 5.0], {"time": times}, name="standoff", attrs={"units": "R_earth"})
    >>> view(nose, reference={"geosynchronous orbit": 6.61}) + view(nose.to_dataset())
    :Layout...
    """
    names, lines = _names(variables), _lines(reference)
    if isinstance(data, xr.DataTree):
        _refuse_reference(lines)
        return _tree_picture(data, names, energy, time)
    if isinstance(data, xr.Dataset):
        _refuse_reference(lines)
        return _dataset_picture(data, names, energy, time)
    if not isinstance(data, xr.DataArray):
        raise WrongData(f"view takes an xarray Dataset, DataArray or DataTree, not a {type(data).__name__}")
    if variables is not None:
        raise BadOption(f"variables= chooses from a Dataset; {data.name or 'this array'} is a single array")
    refuse_empty(data)
    return _array_picture(_cut(with_energies(data), energy, time), lines, {})


def explore(data: xr.Dataset | xr.DataTree) -> Any:
    """Return linked panels: choose node and variables, tap a time to see spectra and pitch angles there.

    Parameters
    ----------
    data : xarray.Dataset or xarray.DataTree
        What :func:`fetch` or :func:`collect` gives. Fluxes over pitch angle are drawn over time as means over
        all directions (:func:`omnidirectional`), where nine tenths of the sphere are measured.

    Returns
    -------
    panel.Column
        For a notebook or ``panel serve``.

    Raises
    ------
    WrongData
        If there is nothing over time to draw.

    Examples
    --------
    >>> times = np.array(["2001-03-31T00", "2001-03-31T01"], "datetime64[ns]")
    >>> explore(xr.Dataset({"dst": ("time", [-250.0, -387.0], {"units": "nT"})}, {"time": times}))
    Column...
    """
    from analysis import explore as explorers

    if isinstance(data, xr.DataTree):
        nodes = {node.path: with_energies(node.to_dataset(inherit=False)) for node in data.subtree}
        data = xr.DataTree.from_dict(nodes, name=data.name)
    elif isinstance(data, xr.Dataset):
        data = with_energies(data)

    def over_time(dataset: xr.Dataset, *, variables: Sequence[str]) -> Any:
        fluxes = [name for name in variables if DIM in dataset[name].dims]
        means = {name: omnidirectional(dataset[name], coverage=0.9) for name in fluxes}
        return view(dataset.assign(means), variables=variables)

    return explorers.time_explorer(data, view=over_time)


def _tree_picture(
    tree: xr.DataTree, variables: Sequence[str] | None, energy: Energy | None, time: Instant | None
) -> Any:
    """Return the pictures of all nodes, or of those that hold any of the variables, in one column."""
    from analysis.panels.loading import loaded

    nodes = {node.path: node.to_dataset(inherit=False) for node in tree.subtree if node.has_data}
    if not nodes:
        raise WrongData("the tree holds no data to draw")
    if variables is not None:
        held = {str(name) for data in nodes.values() for name in data.data_vars}
        _refuse_unknown(variables, held, "tree")
        nodes = {path: data for path, data in nodes.items() if set(variables) & set(data.data_vars)}
    if time is not None and any(DIM in data.dims for data in nodes.values()):
        nodes = {path: data for path, data in nodes.items() if DIM in data.dims}
    hv = loaded()
    pictures: list[Any] = []
    for data in nodes.values():
        chosen = None if variables is None else [name for name in variables if name in data.data_vars]
        cut = energy if DIM in data.dims or not any(DIM in other.dims for other in nodes.values()) else None
        picture = _dataset_picture(data, chosen, cut, time)
        pictures += list(picture) if isinstance(picture, hv.Layout) else [picture]
    return hv.Layout(pictures).cols(1)


def _dataset_picture(
    data: xr.Dataset, variables: Sequence[str] | None, energy: Energy | None, time: Instant | None
) -> Any:
    from analysis import panels

    refuse_empty(data)
    data = with_energies(data)
    if variables is not None:
        _refuse_unknown(variables, data.data_vars, "dataset")
    names = [str(name) for name in (variables if variables is not None else data.data_vars)]
    if not any("time" in data[name].dims or DIM in data[name].dims for name in names):
        if is_outline(data) and variables is None:
            return outline(data)
        if lines := [name for name in names if axis_of(data[name])]:
            return profiles(data, lines)
        if "form" in data.attrs and not data.dims:
            raise WrongData("a boundary of one shape has no times to draw; plasma.boundary_cut gives its outline")
    _refuse_components(data, names)
    fluxes = [name for name in names if DIM in data[name].dims]
    if time is not None:
        if not fluxes:
            raise BadOption(f"time= cuts fluxes over pitch angle; {', '.join(names)} are none")
        attrs = {key: value for key, value in data.attrs.items() if key != "title"}  # each cut has its own
        pictures = [_array_picture(_cut(data[name], energy, time), None, attrs) for name in fluxes]
        return _column(pictures)
    if energy is not None and not fluxes:
        raise BadOption(f"energy= cuts fluxes over pitch angle; {', '.join(names)} are none")
    if energy is not None:
        cuts = {name: _with_edges(_cut(data[name], energy, None)) for name in fluxes}
        return panels.time_panels(data[names].drop_vars(DIM).assign(cuts), variables=variables)
    if fluxes and (variables is not None or fluxes == names):
        raise BadOption(f"{', '.join(fluxes)} have three axes: say energy= or time= ({_ranges(data[fluxes[0]])})")
    return panels.time_panels(data, variables=variables)


def _array_picture(array: xr.DataArray, reference: Reference | None, attrs: Mapping[str, Any]) -> Any:
    from analysis import panels

    dims = set(array.dims)
    if reference and dims != {"time"}:
        raise BadOption(f"reference= draws lines over time; {array.name or 'the array'} has dims {array.dims}")
    if dims == {"time"} or dims == {"time", "component"}:
        picture = panels.curves(array, quality=quality_of(array), attrs=attrs)
        return _with_marks(picture, array, reference or {})
    if "time" in dims and len(dims) == 2:
        return panels.spectrogram(_with_edges(array), attrs=attrs)
    if dims == {"energy", DIM}:
        return panels.heatmap(_with_edges(array), x=DIM, y="energy", logy=True, attrs=attrs)
    if axis_of(array):
        return profile(array, attrs)
    cuts = f"; say energy= or time= ({_ranges(array)})" if dims == {"time", "energy", DIM} else ""
    error = BadOption if cuts else WrongData
    raise error(f"{array.name or 'the array'} has dims {', '.join(map(str, array.dims)) or 'none'}: no picture{cuts}")


def _with_marks(picture: Any, array: xr.DataArray, reference: Reference) -> Any:
    """Return the picture with lines of reference and bands where a model is outside its fitted range."""
    from analysis.panels.loading import loaded
    from analysis.panels.style import dimension

    hv = loaded()
    time, value = dimension(array["time"]), dimension(array)
    ends = array["time"].values[[0, -1]]
    under, over = [], []
    for (name, level), colour in zip(reference.items(), REFERENCE_COLOURS * len(reference), strict=False):
        line = hv.Curve((ends, np.full(2, _level(level, array))), time, value, label=name)
        over.append(line.opts(backend="bokeh", color=colour, line_dash="dashed", line_width=1.5))
    if "in_validity" in array.coords:
        outside = np.asarray(~array["in_validity"] & array.notnull())
        if outside.any():
            axes = [time, time.clone(f"{time.name}_end")]
            bands = hv.VSpans(_runs(array["time"].values, outside), axes, label="outside the fitted range")
            under.append(bands.opts(backend="bokeh", color="#999999", alpha=0.25, line_alpha=0))
    return picture.clone([*under, *picture.values(), *over])  # a clone keeps the legend's options, * does not


def _runs(times: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return starts and stops of the runs of chosen times, half a step wider on both sides."""
    edges = np.diff(np.concatenate([[0], chosen.astype(int), [0]]))
    first, last = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1
    half = np.median(np.diff(times)) / 2 if times.size > 1 else np.timedelta64(30, "s")
    return times[first] - half, times[last] + half


def _level(level: float | xr.DataArray, array: xr.DataArray) -> float:
    if isinstance(level, xr.DataArray):
        if level.size != 1:
            raise BadOption(
                f"a line of reference is one number; {level.name or 'the array'} holds {level.size} (draw it beside: "
                "view(a) + view(b))"
            )
        level = in_units(level, str(array.attrs.get("units", "1"))).item()
    if not is_number(level):
        raise BadOption(f"a line of reference is a number or a DataArray with units, not {level!r}")
    return float(level)


def _cut(array: xr.DataArray, energy: Energy | None, time: Instant | None) -> xr.DataArray:
    """Return the array at an energy or at a time, its name or title saying so."""
    if energy is not None and time is not None:
        raise BadOption("give energy= or time=, not both; pitch_angle_distribution gives a line at an energy")
    label = str(array.attrs.get("long_name", array.name or "Flux"))
    if energy is not None:
        cut = at_energy(array, energy)
        energy_text = f"{float(cut['energy'].median()):.4g} {array['energy'].attrs.get('units', '')}".rstrip()
        return cut.drop_vars(["energy", "energy_low", "energy_high"], errors="ignore").assign_attrs(
            long_name=f"{energy_text}: {label}"
        )
    if time is not None:
        cut = at_time(array, time)
        return cut.assign_attrs(title=f"{label}, {cut['time'].values!s:.19} UTC")
    return array


def _with_edges(array: xr.DataArray) -> xr.DataArray:
    """Return the array with the edges of its pitch-angle bins, so that the cells drawn fill 0 to 180°."""
    if DIM not in array.dims or DIM not in array.coords or f"{DIM}_low" in array.coords:
        return array
    edges = bin_edges(np.asarray(in_units(array[DIM], "deg").values, float))
    in_degrees = in_units(array[DIM], "deg")
    return array.assign_coords({DIM: in_degrees, f"{DIM}_low": (DIM, edges[:-1]), f"{DIM}_high": (DIM, edges[1:])})


def _column(pictures: list[Any]) -> Any:
    from analysis.panels.loading import loaded

    return pictures[0] if len(pictures) == 1 else loaded().Layout(pictures).cols(1)


def _ranges(array: xr.DataArray) -> str:
    energies, times = array["energy"], array["time"].values
    unit = energies.attrs.get("units", "")
    span = f"{float(energies.min()):.3g} to {float(energies.max()):.3g} {unit}".rstrip()
    return f"energy={span}; time={times[0]!s:.19} to {times[-1]!s:.19}"


def _names(variables: object) -> list[str] | None:
    """Return names as a list; one alone may be given as text."""
    if variables is None:
        return None
    names = [variables] if isinstance(variables, str) else variables
    if not isinstance(names, Iterable) or not (given := list(names)) or not all(isinstance(n, str) for n in given):
        raise BadOption(f"variables={variables!r} is not a name or a list of names, for example ['dst', 'bz']")
    return given


def _lines(reference: object) -> Reference:
    """Return the lines of reference; refuse what does not give each a name."""
    if reference is None:
        return {}
    if not isinstance(reference, Mapping):
        raise BadOption(
            f"reference= takes lines by name, for example {{'threshold': -100}}, not a {type(reference).__name__}"
        )
    return {str(name): level for name, level in reference.items()}


def _refuse_components(data: xr.Dataset, names: Sequence[str]) -> None:
    """Refuse a dataset of nothing but variables of three axes, the components among them: spectra over time."""
    over_time = [name for name in names if "time" in data[name].dims]
    if over_time and all(data[name].ndim == 3 and "component" in data[name].dims for name in over_time):
        dims = ", ".join(map(str, data[over_time[0]].dims))
        first = str(data["component"].values[0]) if "component" in data.coords else 0
        raise WrongData(f"{over_time[0]} has three axes, {dims}; draw one component: data.sel(component={first!r})")


def _refuse_unknown(variables: Sequence[str], held: Any, what: str) -> None:
    if unknown := [name for name in variables if name not in held]:
        raise UnknownVariable(f"the {what} has no {', '.join(unknown)}; it has {', '.join(sorted(map(str, held)))}")


def _refuse_reference(reference: Reference | None) -> None:
    if reference:
        raise BadOption("reference= draws lines on a single array: view(data.standoff, reference=…)")
