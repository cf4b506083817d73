"""Pictures of X-ray data. A view draws what the functions return and computes nothing itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.xray import fit_views
from analysis.xray.binning import image, light_curve
from analysis.xray.event_pages import event_page
from analysis.xray.exploring import model_explorer
from analysis.xray.grouping import Grouping
from analysis.xray.inputs import Amount, amount, events_and_gti, intervals_of
from analysis.xray.intervals import usual_bin
from analysis.xray.models import Model
from analysis.xray.outlines import region_outlines
from analysis.xray.polarization_views import drawn as drawn_polarization
from analysis.xray.simulation_views import drawn as feasibility_drawn
from analysis.xray.spectra import grouped
from analysis.xray.timing_views import drawn as timing_drawn
from analysis.xray.timing_views import light_curve_picture

if TYPE_CHECKING:
    from analysis.xray.shapes import Shapes

DRAWN = (
    "events (a tree, or their node), spectra on 'channel' or grouped on 'bin', light curves on 'time', "
    "images and maps on 'y, x', effective areas and models on bins of 'energy', rates on 'channel'"
)

LABELS = {
    "rate": "measured",
    "background_rate": "background, scaled",
    "model_rate": "model",
    "expected_rate": "model + background",
}


def view(
    data: xr.Dataset | xr.DataTree | xr.DataArray,
    *,
    background: xr.Dataset | xr.DataTree | None = None,
    rmf: xr.Dataset | xr.DataTree | None = None,
    model_rate: xr.DataArray | None = None,
    grouping: Grouping = "file",
    min_counts: int | None = None,
    band: tuple[Amount, Amount] | None = None,
    unfolded: bool = False,
    regions: Shapes | Mapping[str, Shapes] | None = None,
) -> Any:
    """Return a HoloViews picture of X-ray data, chosen by their dims.

    Parameters
    ----------
    data : xarray.DataTree, xarray.Dataset or xarray.DataArray
        Events give an image (East left, North up), or their light curve where they have no positions; a
        spectrum steps with error bars, a light curve a line, a map an image; a model, a transmission or a
        modulation factor steps over energy, a folded model steps over channels. A tree with ``spectrum``
        brings its own ``background`` and ``rmf``. A fit gives data, folded model, the background that fits best and
        residuals; contours and posteriors give theirs, and images in three bands one in colours.
    background, rmf, model_rate, grouping, min_counts, band : optional
        For spectra: see :func:`analysis.xray.grouped`. With a model, its residuals are drawn below.
        ``band`` is also obeyed for events.
    unfolded : bool, optional
        Of a fit: E² times flux instead of count rates (see :func:`analysis.xray.fitted_spectrum`).
    regions : region, or regions by name, optional
        Drawn over the image of events: see :func:`analysis.xray.in_region` for what is taken.

    Returns
    -------
    holoviews element, Overlay or Layout

    Raises
    ------
    WrongData
        If the data are of no kind that can be drawn; says what can, or what to draw instead.
    BadOption
        If an option for spectra is given with data that are none.

    Examples
    --------
    >>> from analysis import xray
    >>> xray.view(xray.fetch("m82_acis_events"))
    :Overlay...
    """
    options = {"background": background, "rmf": rmf, "model_rate": model_rate, "min_counts": min_counts}
    given = [name for name, value in options.items() if value is not None]
    if regions is not None:
        return _with_regions(data, regions, band, given)
    if isinstance(data, xr.DataTree) and not data.has_data:
        return _of_tree(data, given, model_rate=model_rate, grouping=grouping, min_counts=min_counts, band=band)
    if isinstance(data, xr.DataArray):
        return _of_array(data, [*given, *(["band"] if band is not None else [])])
    held = data.to_dataset(inherit=False) if isinstance(data, xr.DataTree) else data
    if not isinstance(held, xr.Dataset):
        raise WrongData(f"xray.view draws xarray objects, not a {type(data).__name__}: {DRAWN}")
    if "channel" in held.dims and {"counts", "rate"} & set(map(str, held.data_vars)):
        binned = grouped(
            held,
            grouping=grouping,
            min_counts=min_counts,
            band=band,
            rmf=rmf,
            background=background,
            model_rate=model_rate,
        )
        return _spectrum(binned)
    if given:
        raise BadOption(f"{', '.join(given)}: only for spectra with counts or rates on 'channel'")
    picture = fit_views.drawn(held, unfolded=unfolded)
    if picture is not None:
        return picture
    if unfolded:
        raise BadOption("unfolded=True is for a fit: xray.view(xray.fit(…), unfolded=True)")
    return _of_dataset(held, band)


def explore(
    data: xr.DataTree,
    source: Model | str | None = None,
    *,
    bin_size: Amount | None = None,
    energy_step: Amount = 0.05,
    column: str | None = None,
    index: xr.Dataset | str | os.PathLike[str] | None = None,
    band: tuple[Amount, Amount] | None = None,
    grouping: Grouping = "file",
    min_counts: int | None = None,
    state: Mapping[str, Any] | str | os.PathLike[str] | None = None,
) -> Any:
    """Return linked pictures of events, or a spectrum under a model whose parameters are on sliders.

    Parameters
    ----------
    data : xarray.DataTree
        With the nodes ``events`` (``x``, ``y``, ``energy``) and ``gti``; or, with a model, with ``spectrum`` and its
        responses.
    source : Model or str, optional
        The model for a spectrum: ``"tbabs * powerlaw"``.
    bin_size : float or value with units, optional
        Of the light curve; a bare number is in seconds. Left out, about a hundred bins.
    energy_step : float or value with units, optional
        Of the spectrum of events; a bare number is in keV.
    column : str, optional
        The further column whose histogram is shown and brushed at first, ``"grade"`` for example; the page has a
        selector of all.
    index : xarray.Dataset, str or path, optional
        An :func:`event_index` of the events, or the folder of one: opened if it is there, else made and kept there.
        Its bins are used.
    band, grouping, min_counts : optional
        Of the spectrum that is fitted: see :func:`fit`.
    state : mapping, str or path, optional
        What is selected, or where the sliders are, at first: what ``explore.state_of(page)`` gave, or a JSON file
        with it.

    Returns
    -------
    panel.Column
        Of events: a box or lasso on the image selects a region, a range on the spectrum a band, one on the light curve
        a time; all others follow, and the good times are cut with the time, so that rates stay right. What is selected
        is said in words with exact counts, and a button saves it for :func:`read_selection`. A million events or more
        are brushed from an :func:`event_index`, which is made while the page is in use already. Of a spectrum: the
        model follows the sliders while they are dragged, each frame one fold, and a button fits from where they stand.

    Raises
    ------
    WrongData
        If the tree holds no events, or no good time intervals, or the index is of other events.
    BadOption
        If a bin size is not positive, a model is given without a spectrum, or the state does not fit.

    Examples
    --------
    >>> from analysis import xray
    >>> xray.explore(xray.fetch("m82_acis_events"))
    Column...
    """
    if source is not None:
        options = {"source": source, "band": band, "grouping": grouping, "min_counts": min_counts}
        again = _again(data, options, {"grouping": "file"})
        return model_explorer(
            data, source, band=band, grouping=grouping, min_counts=min_counts, state=state, again=again
        )
    if isinstance(data, xr.DataTree) and "spectrum" in data.children:
        raise BadOption("a spectrum is explored with a model: xray.explore(data, 'tbabs * powerlaw')")
    _, gti = events_and_gti(data, "explore")
    width = amount(bin_size, "s", "bin_size", bare=True) if bin_size is not None else usual_bin(gti)
    again = _again(
        data,
        {
            "bin_size": bin_size,
            "energy_step": energy_step,
            "column": column,
            "index": None if isinstance(index, xr.Dataset) or index is None else os.fspath(index),
        },
        {"energy_step": 0.05},
    )
    return event_page(
        data,
        width=width,
        energy_step=energy_step,
        column=column,
        index=index,
        curve_picture=light_curve_picture,
        state=state,
        again=again,
    )


def _again(data: xr.DataTree, options: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, str] | None:
    """The code that opens an explorer again; None where an option has no plain spelling in code."""
    from analysis.explore import opened_again

    given = {name: value for name, value in options.items() if value is not None}
    parts = [part for value in given.values() for part in (value if isinstance(value, tuple) else (value,))]
    plain = all(isinstance(part, str | int | float) for part in parts)
    return opened_again("xray", data, {n: v for n, v in given.items() if v != usual.get(n)}) if plain else None


def _of_tree(
    tree: xr.DataTree,
    given: list[str],
    *,
    model_rate: xr.DataArray | None,
    grouping: Grouping,
    min_counts: int | None,
    band: tuple[Amount, Amount] | None,
) -> Any:
    children = set(tree.children)
    if len(children) == 1 and not children & {"events", "spectrum"}:  # what collect gives for one product
        only = next(iter(tree.children.values()))
        return view(only, model_rate=model_rate, grouping=grouping, min_counts=min_counts, band=band)
    if clash := sorted({"background", "rmf"} & children & set(given)):
        raise BadOption(f"the tree brings its own {' and '.join(clash)}; give its spectrum node, or leave them out")
    if "spectrum" in children:
        own = {name: tree.children.get(name) for name in ("background", "rmf")}
        return view(
            tree["spectrum"],
            background=own["background"],
            rmf=own["rmf"],
            model_rate=model_rate,
            grouping=grouping,
            min_counts=min_counts,
            band=band,
        )
    if given:
        raise BadOption(f"{', '.join(given)}: only for a tree with a node 'spectrum'; this one has {sorted(children)}")
    if "events" in children:
        return _of_events(tree, band)
    if "stokes_i" in children:
        return view(tree["stokes_i"], rmf=tree.children.get("rmf"), grouping=grouping, band=band)
    raise WrongData(f"xray.view cannot draw a tree of {sorted(children)}; it draws {DRAWN}. Give one of its nodes")


def _with_regions(
    data: xr.Dataset | xr.DataTree | xr.DataArray,
    regions: Shapes | Mapping[str, Shapes],
    band: tuple[Amount, Amount] | None,
    given: list[str],
) -> Any:
    """The image of events under the outlines of regions."""
    from analysis import panels

    if given or isinstance(data, xr.DataArray):
        raise BadOption("regions= is for the image of events; give the events, and no options of spectra")
    made = image(data, band=band)
    return panels.image(made["counts"], outlines=region_outlines(data, regions), attrs=made.attrs)


def _of_events(tree: xr.DataTree, band: tuple[Amount, Amount] | None) -> Any:
    """Their image; of an instrument without one, their light curve."""
    from analysis import panels

    if {"x", "y"} <= set(map(str, tree["events"].variables)):
        made = image(tree, band=band)
        return panels.image(made["counts"], attrs=made.attrs)
    gti = intervals_of(tree)
    if gti is None:
        raise WrongData("these events have no x and y for an image, and no node 'gti' for a light curve")
    return view(light_curve(tree, usual_bin(gti), band=band))


def _of_array(array: xr.DataArray, given: list[str]) -> Any:
    from analysis import panels

    if given:
        raise BadOption(f"{', '.join(given)}: only for a whole spectrum or event list, not for one variable")
    if "time" in array.dims:
        return panels.curves(array)
    if array.dims == ("y", "x"):
        return panels.image(array)
    if array.dims == ("energy",):
        return _over_energy(array)
    if array.dims == ("channel",) and "channel" in array.coords:
        number = array["channel"].assign_attrs(long_name="Channel")
        edges = ((number - 0.5).assign_attrs(number.attrs), number + 0.5)
        return panels.histogram_steps(array, edges=edges, logx=False)
    if not array.dims:
        raise WrongData(f"{array.name or 'the array'} is one number: print it; there is nothing to draw")
    raise WrongData(f"xray.view cannot draw an array with dims {dict(array.sizes)}; give the dataset it is of")


def _over_energy(array: xr.DataArray) -> Any:
    from analysis import panels

    if {"energy_low", "energy_high"} <= set(array.coords):
        edges = (array["energy_low"].assign_attrs(long_name="Energy"), array["energy_high"])
        return panels.histogram_steps(array, edges=edges, logy=array.attrs.get("units") != "1")  # 0 to 1: a fraction
    if "energy" in array.coords:
        return panels.points(array)
    raise WrongData(
        f"{array.name or 'the array'} does not say its energies: make it of a dataset with energy_low and "
        "energy_high (a response, an effective area), or assign_coords(energy=…)"
    )


def _of_dataset(data: xr.Dataset, band: tuple[Amount, Amount] | None) -> Any:
    from analysis import panels

    names = set(map(str, data.variables))
    if "event" in data.dims and not {"x", "y"} <= names:
        raise WrongData(
            "these events have no x and y for an image; give the whole tree, whose good times a light curve needs"
        )
    if "event" in data.dims:
        made = image(data, band=band)
        return panels.image(made["counts"], attrs=made.attrs)
    if band is not None:
        raise BadOption("band=: only for events and spectra; cut the others before they are drawn")
    if (picture := drawn_polarization(data)) is not None:
        return picture
    if (picture := timing_drawn(data)) is not None:
        return picture
    if (picture := feasibility_drawn(data)) is not None:
        return picture
    if "bin" in data.dims and "rate" in names:
        return _spectrum(data)
    if "time" in data.dims and "rate" in names:
        return light_curve_picture(data)
    for name in ("effective_area", "counts"):
        if {"energy_low", "energy_high", name} <= names and data[name].dims == ("energy",):
            edges = (data["energy_low"].assign_attrs(long_name="Energy"), data["energy_high"])
            return panels.histogram_steps(data[name], edges=edges, attrs=data.attrs)
    for array in data.data_vars.values():
        if array.dims == ("y", "x"):
            return panels.image(array, attrs=data.attrs)
        if array.dims == ("band", "y", "x") and array.sizes["band"] == 3:
            told = zip(("Red", "green", "blue"), array["band"].values.tolist(), strict=True)
            remark = ", ".join(f"{colour} {band}" for colour, band in told) + "."
            return panels.colour_image(array, attrs=data.attrs, remark=remark)
    if data.data_vars and not data.dims:
        raise WrongData(f"these are single numbers ({', '.join(sorted(names))}): print them; there is nothing to draw")
    if "matrix" in names:
        raise WrongData(
            "a response is a matrix that has no picture here: draw its effective area, xray.view(arf), "
            "or a model folded through it, xray.view(xray.folded(flux, rmf=…))"
        )
    raise WrongData(f"xray.view cannot draw a dataset with dims {dict(data.sizes)}; it draws {DRAWN}")


def _spectrum(binned: xr.Dataset) -> Any:
    """Rates, per keV where energies are known, with background, model and residuals where there are any."""
    from analysis import panels

    by_energy = "energy_low" in binned.variables
    ending, axis = ("_density", "energy") if by_energy else ("", "channel")
    edges = (binned[f"{axis}_low"], binned[f"{axis}_high"])
    shown: list[Any] = []
    for name, label in LABELS.items():
        key = f"{name}{ending}"
        if key in binned.variables and not (name == "model_rate" and "expected_rate" in binned.variables):
            error = binned.get(f"{key}_error")
            shown.append(
                panels.histogram_steps(
                    binned[key], edges=edges, error=error, label=label, logx=by_energy, attrs=binned.attrs
                )
            )
    picture = shown[0]
    for further in shown[1:]:
        picture = picture * further
    # an overlay of overlays has forgotten where their legends were: see histogram_steps
    picture = picture.opts(backend="bokeh", legend_position="bottom_left" if by_energy else "top_right")
    if "residual" not in binned.variables:
        return picture
    below = panels.histogram_steps(binned["residual"], edges=edges, logx=by_energy, logy=False, attrs=binned.attrs)
    return (picture + below).cols(1)
