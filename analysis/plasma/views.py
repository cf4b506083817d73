"""Pictures of plasma data: datasets and trees in columns. Nothing is computed here; fluxes are only cut."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import xarray as xr

from analysis.errors import BadOption, UnknownVariable, WrongData
from analysis.plasma.array_pictures import Reference, array_picture, cut_of, lines_of, ranges_of, with_edges
from analysis.plasma.inputs import refuse_empty
from analysis.plasma.pitch_angles import DIM, omnidirectional, with_energies
from analysis.plasma.profiles import axis_of, is_outline, outline, profiles

if TYPE_CHECKING:
    from analysis.model.clocks import Instant
    from analysis.panels.marks import Marks
    from analysis.plasma.pitch_angles import Energy


def view(
    data: xr.Dataset | xr.DataArray | xr.DataTree,
    *,
    variables: str | Sequence[str] | None = None,
    energy: Energy | None = None,
    time: Instant | None = None,
    reference: Reference | None = None,
    marks: Marks | None = None,
    bands: xr.DataArray | None = None,
    extremes: str | os.PathLike[str] | None = None,
    attrs: Mapping[str, Any] | None = None,
) -> Any:
    """Return a picture of plasma data.

    Parameters
    ----------
    data : xarray.Dataset, xarray.DataArray or xarray.DataTree
        Variables over ``time`` become lines in a column, over ``time, energy`` spectrograms, over
        ``energy, pitch_angle`` coloured cells, over two velocities coloured cells on equal scales with contours;
        each node of a tree becomes a column of its own. Panels over time share a line that follows the mouse.
        Spectra and structure functions become lines on logarithmic axes, a cut of a boundary its outline.
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
    marks : mapping of str to time or times, optional
        Vertical lines through all panels over time at the times (UTC) of named events, for example
        ``{"bow shock": ["2001-03-31T01:00"]}``; times beside the data are left out.
    bands : xarray.DataArray, optional
        A flag over time (``flag_values``, ``flag_meanings``), such as which region a spacecraft was in: each word
        colours its spans behind the lines of all panels. It is left out over spectrograms.
    extremes : str or path, optional
        For a Dataset, or a DataArray of lines: what :func:`analysis.panels.write_extremes` wrote of it; long lines
        are there at once.
    attrs : mapping, optional
        For a DataArray: the global attributes of the dataset that it was taken out of or computed from, for title
        and source, ``attrs=hope["ion"].attrs``.

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
        If the energy or time of a cut is not there, there is no record at all, or a mark is no time.
    MissingFile, UnknownFormat, CorruptFile
        If ``extremes`` are not there, something else, or damaged; those of other series are WrongData.

    Examples
    --------
    >>> import numpy as np
    >>> times = np.array(["2001-03-31T00", "2001-03-31T01"], "datetime64[ns]")
    >>> nose = xr.DataArray([7.0, 5.0], {"time": times}, name="standoff", attrs={"units": "R_earth"})
    >>> view(nose, reference={"geosynchronous orbit": 6.61}) + view(nose.to_dataset())
    :Layout...
    """
    names, lines = _names(variables), lines_of(reference)
    if attrs is not None and not isinstance(data, xr.DataArray):
        raise BadOption("attrs= are for a single array; a Dataset or tree has its own")
    if isinstance(data, xr.DataTree):
        _refuse_reference(lines)
        _refuse_extremes(extremes)
        return _tree_picture(data, names, energy, time, marks, bands)
    if isinstance(data, xr.Dataset):
        _refuse_reference(lines)
        return _dataset_picture(data, names, energy, time, marks, bands, extremes)
    if not isinstance(data, xr.DataArray):
        raise WrongData(f"view takes an xarray Dataset, DataArray or DataTree, not a {type(data).__name__}")
    if variables is not None:
        raise BadOption(f"variables= chooses from a Dataset; {data.name or 'this array'} is a single array")
    refuse_empty(data)
    known = {key: value for key, value in (attrs or {}).items() if key != "title" or time is None}  # a cut has its own
    return array_picture(
        cut_of(with_energies(data), energy, time), lines, known, marks=marks, bands=bands, extremes=extremes
    )


def explore(
    data: xr.Dataset | xr.DataTree,
    *,
    extremes: str | os.PathLike[str] | None = None,
    state: Mapping[str, Any] | str | os.PathLike[str] | None = None,
) -> Any:
    """Return linked panels: choose node and variables, tap a time to see spectra and pitch angles there.

    Parameters
    ----------
    data : xarray.Dataset or xarray.DataTree
        What :func:`fetch` or :func:`collect` gives. Fluxes over pitch angle are drawn over time as means over
        all directions (:func:`omnidirectional`), where nine tenths of the sphere are measured.
    extremes : str or path, optional
        For a Dataset: what :func:`analysis.panels.write_extremes` wrote of it; long lines are there at once.
    state : mapping, str or path, optional
        What is chosen and tapped at first: what ``explore.state_of(page)`` gave, or a JSON file with it.

    Returns
    -------
    panel.Column
        For a notebook or ``panel serve``.

    Raises
    ------
    WrongData
        If there is nothing over time to draw.
    BadOption
        If the state does not fit (the message says what there is), or ``extremes`` are given for a tree.
    UnknownVariable, MissingFile, UnknownFormat
        If ``extremes`` hold none of the variables, are not there, or something else.

    Examples
    --------
    >>> import numpy as np
    >>> times = np.array(["2001-03-31T00", "2001-03-31T01"], "datetime64[ns]")
    >>> explore(xr.Dataset({"dst": ("time", [-250.0, -387.0], {"units": "nT"})}, {"time": times}))
    Column...
    """
    from analysis import explore as explorers
    from analysis.panels.stacks import refuse_others

    again = None
    if isinstance(data, xr.Dataset | xr.DataTree):
        stored = {} if extremes is None else {"extremes": os.fspath(extremes)}
        again = explorers.opened_again("plasma", data, stored)
    if isinstance(data, xr.DataTree):
        _refuse_extremes(extremes)
        nodes = {node.path: with_energies(node.to_dataset(inherit=False)) for node in data.subtree}
        data = xr.DataTree.from_dict(nodes, name=data.name)
    elif isinstance(data, xr.Dataset):
        data = with_energies(data)
        if extremes is not None:
            refuse_others(data, extremes)

    def over_time(dataset: xr.Dataset, *, variables: Sequence[str]) -> Any:
        fluxes = [name for name in variables if DIM in dataset[name].dims]
        means = {name: omnidirectional(dataset[name], coverage=0.9) for name in fluxes}
        return view(dataset.assign(means), variables=variables, extremes=extremes)

    return explorers.time_explorer(data, view=over_time, state=state, again=again)


def _tree_picture(
    tree: xr.DataTree,
    variables: Sequence[str] | None,
    energy: Energy | None,
    time: Instant | None,
    marks: Marks | None,
    bands: xr.DataArray | None,
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
        picture = _dataset_picture(data, chosen, cut, time, marks, bands)
        pictures += list(picture) if isinstance(picture, hv.Layout) else [picture]
    return hv.Layout(pictures).cols(1)


def _dataset_picture(
    data: xr.Dataset,
    variables: Sequence[str] | None,
    energy: Energy | None,
    time: Instant | None,
    marks: Marks | None,
    bands: xr.DataArray | None,
    extremes: str | os.PathLike[str] | None = None,
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
        pictures = [
            array_picture(cut_of(data[name], energy, time), {}, attrs, marks=marks, bands=bands) for name in fluxes
        ]
        return _column(pictures)
    if energy is not None and not fluxes:
        raise BadOption(f"energy= cuts fluxes over pitch angle; {', '.join(names)} are none")
    if energy is not None:
        cuts = {name: with_edges(cut_of(data[name], energy, None)) for name in fluxes}
        return panels.time_panels(
            data[names].drop_vars(DIM).assign(cuts), variables=variables, marks=marks, bands=bands, extremes=extremes
        )
    if fluxes and (variables is not None or fluxes == names):
        raise BadOption(f"{', '.join(fluxes)} have three axes: say energy= or time= ({ranges_of(data[fluxes[0]])})")
    return panels.time_panels(data, variables=variables, marks=marks, bands=bands, extremes=extremes)


def _column(pictures: list[Any]) -> Any:
    from analysis.panels.loading import loaded

    return pictures[0] if len(pictures) == 1 else loaded().Layout(pictures).cols(1)


def _names(variables: object) -> list[str] | None:
    """Return names as a list; one alone may be given as text."""
    if variables is None:
        return None
    names = [variables] if isinstance(variables, str) else variables
    if not isinstance(names, Iterable) or not (given := list(names)) or not all(isinstance(n, str) for n in given):
        raise BadOption(f"variables={variables!r} is not a name or a list of names, for example ['dst', 'bz']")
    return given


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


def _refuse_extremes(extremes: object) -> None:
    if extremes is not None:
        raise BadOption("extremes= are of the variables of one Dataset: give one node of the tree, tree[name].dataset")
