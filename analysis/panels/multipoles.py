"""Power spectra over multipoles, one panel for each pair of fields."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from analysis.errors import BadOption, UnknownVariable, WrongData
from analysis.panels.loading import loaded
from analysis.panels.notes import note
from analysis.panels.style import (
    FONTS,
    GRID,
    LINES,
    axis_label,
    dimension,
    left_border,
    merged,
    message,
    numeric,
    values_of,
)

WIDTH, HEIGHT, BELOW = 330, 200, 110


def power_spectra(
    dataset: xr.Dataset | xr.DataArray,
    *,
    spectra: str | Sequence[str] | None = None,
    reference: xr.Dataset | xr.DataArray | None = None,
    residuals: bool = False,
    attrs: Mapping[str, Any] | None = None,
) -> Any:
    """Return one panel for each spectrum, TT, EE and so on, over multipole.

    Parameters
    ----------
    dataset : xarray.Dataset or xarray.DataArray
        Dims ``spectrum`` and ``ell`` (a line) or ``bin`` (points, at a coordinate ``ell`` or ``ell_…``). In a
        dataset the first such variable is drawn, with error bars from ``<name>_error``, ``error`` or
        ``sigma`` on the same dims.
    spectra : str or sequence of str, optional
        A label, or labels to draw, in this order; by default all.
    reference : xarray.Dataset or xarray.DataArray, optional
        Another set, for example a model, drawn as a grey line where it has the same label; same units.
    residuals : bool, optional
        Under each panel the spectra less the reference, over their errors where there are any. The reference must
        have the same multipoles or bins: nothing is interpolated here.
    attrs : mapping, optional
        Over the dataset's own attributes, for the note.

    Returns
    -------
    holoviews.Layout

    Raises
    ------
    WrongData
        If there are no such dims, the reference has other units, or residuals are asked for and it has other
        multipoles or bins.
    BadOption
        If ``spectra`` names none, or residuals are asked for without a reference.
    UnknownVariable
        If a label asked for is not there.

    Examples
    --------
    >>> labels = {"spectrum": ["TT", "EE"], "ell": [2, 3, 4]}
    >>> cl = xr.DataArray(np.ones((2, 3)), labels, ["spectrum", "ell"], name="cl")
    >>> len(power_spectra(cl))
    2
    """
    hv = loaded()
    array, error = _spectra_of(dataset)
    labels = [str(label) for label in array["spectrum"].values]
    wanted = _wanted(spectra, labels)
    model = _spectra_of(reference)[0] if reference is not None else None
    if model is not None and model.attrs.get("units") != array.attrs.get("units"):
        raise WrongData(
            f"the reference is in {model.attrs.get('units')!r}, "
            f"the spectra in {array.attrs.get('units')!r}: convert one"
        )
    if residuals:
        _comparable(array, model)
    known = merged(dataset, attrs) if isinstance(dataset, xr.DataArray) else {**dataset.attrs, **(attrs or {})}
    title = str(reference.attrs.get("title", "")) if reference is not None else ""
    name = textwrap.shorten(title, 22, placeholder=" …")  # a legend has no room for more
    panels: list[Any] = []
    below: list[Any] = []
    for place, label in enumerate(wanted):
        panel = _panel(array, error, model, label, name)
        own = {"synthetic": known.get("synthetic", "false")}
        panels.append(note(panel, {**known, "title": label} if place == len(wanted) - 1 else {**own, "title": label}))
        if residuals and model is not None:
            below.append(note(_residual(array, error, model, label), {**own, "title": f"{label} less the reference"}))
    if below:
        empty = [hv.Empty()] if len(panels) % 2 and len(panels) > 1 else []
        rows = zip(*([*made, *empty] for made in (panels, below)), strict=True)
        pairs = list(rows)
        step = 1 if len(panels) == 1 else 2
        panels = [one[row] for at in range(0, len(pairs), step) for row in (0, 1) for one in pairs[at : at + step]]
    columns = 1 if residuals and len(wanted) == 1 else 2
    return hv.Layout(panels).cols(columns).opts(backend="bokeh", shared_axes=False)


def _comparable(array: xr.DataArray, model: xr.DataArray | None) -> None:
    """Refuse residuals of what cannot be subtracted number by number."""
    if model is None:
        raise BadOption("residuals=True needs reference=, a model on the same multipoles or bins")
    dim = "bin" if "bin" in array.dims else "ell"
    if dim not in model.dims or model.sizes[dim] != array.sizes[dim]:
        raise WrongData(
            f"residuals need the reference on the same {dim}, {array.sizes[dim]} of them; it has {dict(model.sizes)}: "
            "bin it like the data, or select the multipoles"
        )
    ours, theirs = (_multipoles(part.isel(spectrum=0)).values for part in (array, model))
    if not np.allclose(ours, theirs, rtol=1e-9, atol=1e-9):
        raise WrongData(
            "residuals need the reference on the same multipoles or bins; its effective multipoles are others"
        )


def _residual(array: xr.DataArray, error: xr.DataArray | None, model: xr.DataArray, label: str) -> Any:
    """The panel of a spectrum less the reference, over its errors if there are any."""
    hv = loaded()
    if label not in model["spectrum"].values:
        return hv.Overlay([message(f"{label}: the reference has none", array, height=BELOW)])
    one = array.sel(spectrum=label)
    axis = _multipoles(one)
    rest, unit = values_of(one) - values_of(model.sel(spectrum=label)), None
    if error is not None:
        spread = values_of(error.sel(spectrum=label))
        rest = np.divide(rest, spread, out=np.full(rest.shape, np.nan), where=spread > 0)
        words = "Residual / σ"
    else:
        words, unit = "Residual", dimension(one).unit
    held = np.isfinite(rest) & (values_of(axis) >= 2)  # monopole and dipole the theory leaves open
    if not held.any():
        return hv.Overlay([message(f"{label}: no residual (all NaN)", array, height=BELOW)])
    y_dim = hv.Dimension((f"{array.name or 'power'}_{label.lower()}_residual", words), unit=unit)
    x_dim = dimension(axis, "ell")
    dots = hv.Scatter((values_of(axis)[held], rest[held]), x_dim, y_dim)
    dots = dots.opts(
        backend="bokeh", size=4, color=LINES[0], tools=["hover"], frame_width=WIDTH, frame_height=BELOW,
        fontsize=FONTS, show_grid=True, gridstyle=GRID, active_tools=["wheel_zoom"], padding=0.05, hooks=[left_border],
        xlabel=x_dim.pprint_label, ylabel=y_dim.pprint_label, title=f"{label} less the reference",
    )  # fmt: skip
    zero = hv.HLine(0).opts(backend="bokeh", color="#888888", line_width=1)
    return hv.Overlay([zero, dots])


def _wanted(spectra: str | Sequence[str] | None, labels: list[str]) -> list[str]:
    if spectra is None:
        return labels
    wanted = [spectra] if isinstance(spectra, str) else list(spectra) if isinstance(spectra, Iterable) else []
    if not wanted:
        raise BadOption(f"spectra={spectra!r} names no spectrum; there are {', '.join(labels)}")
    if unknown := [str(label) for label in wanted if label not in labels]:
        raise UnknownVariable(f"there is no spectrum {', '.join(unknown)}; there are {', '.join(labels)}")
    return wanted


def _panel(
    array: xr.DataArray, error: xr.DataArray | None, model: xr.DataArray | None, label: str, model_name: str
) -> Any:
    hv = loaded()
    one = array.sel(spectrum=label)
    axis, values = _multipoles(one), values_of(one)
    held = np.isfinite(values) & np.isfinite(values_of(axis))
    if not held.any():
        return hv.Overlay([message(f"{label}: no value (all NaN)", array, height=HEIGHT)])
    # A y axis of its own: added to other pictures, panels whose dimensions bear one label would share it.
    named = array.assign_attrs(long_name=f"{label}: {dimension(array).label}")
    x_dim, y_dim = dimension(axis, "ell"), dimension(named, f"{array.name or 'power'}_{label.lower()}")
    drawn = []
    if model is not None and label in model["spectrum"].values:
        theirs = model.sel(spectrum=label)
        at, power = _multipoles(theirs).values, values_of(theirs)
        sky = at >= 2  # tables begin with zeros for monopole and dipole, which the theory leaves open
        line = hv.Curve((at[sky], power[sky]), x_dim, y_dim, label=model_name or "reference")
        drawn.append(line.opts(backend="bokeh", color="#888888", line_width=1.5))
    table = (values_of(axis)[held], values[held])
    if "bin" in one.dims:
        dots = hv.Scatter(table, x_dim, y_dim, label=label).opts(
            backend="bokeh", size=5, color=LINES[0], tools=["hover"]
        )
        drawn.append(dots)
    else:
        line = hv.Curve(table, x_dim, y_dim, label=label)
        drawn.append(line.opts(backend="bokeh", color=LINES[0], line_width=1.2, tools=["hover"]))
    if error is not None:
        bars = hv.ErrorBars((*table, values_of(error.sel(spectrum=label))[held]), x_dim, [y_dim, f"{y_dim.name}_error"])
        drawn.append(bars.opts(backend="bokeh", line_width=0.8, lower_head=None, upper_head=None))
    zero = hv.HLine(0).opts(backend="bokeh", color="#bbbbbb", line_width=1)
    options = dict(
        backend="bokeh", frame_width=WIDTH, frame_height=HEIGHT, fontsize=FONTS, show_grid=True, title=label,
        xlabel=x_dim.pprint_label, ylabel=axis_label(array), gridstyle=GRID, active_tools=["wheel_zoom"],
        padding=0.05, hooks=[left_border],
    )  # fmt: skip
    overlay = hv.Overlay([zero, *(element.opts(**options) for element in drawn)])
    return overlay.opts(backend="bokeh", show_legend=model is not None, legend_position="bottom")


def _spectra_of(data: xr.Dataset | xr.DataArray) -> tuple[xr.DataArray, xr.DataArray | None]:
    """Return the array of spectra, and their errors where a dataset has them."""
    if isinstance(data, xr.DataArray):
        fitting = [data] if "spectrum" in data.dims else []
        companions: dict[str, xr.DataArray] = {}
    elif isinstance(data, xr.Dataset):
        companions = {str(name): array for name, array in data.data_vars.items()}
        fitting = [
            v for k, v in companions.items() if "spectrum" in v.dims and not k.endswith("error") and k != "sigma"
        ]
    else:
        raise WrongData(f"power_spectra takes a Dataset or DataArray of xarray, not a {type(data).__name__}")
    fitting = [v for v in fitting if v.ndim == 2 and {"ell", "bin"} & set(v.dims)]
    if not fitting:
        raise WrongData(f"power spectra need the dims spectrum and ell or bin; these data have {dict(data.sizes)}")
    array = numeric(fitting[0]).transpose("spectrum", ...)
    if "spectrum" not in array.coords:
        raise WrongData("the dim spectrum has no labels (TT, EE …)")
    for name in (f"{array.name}_error", "error", "sigma"):
        if name in companions and set(companions[name].dims) == set(array.dims):
            return array, companions[name]
    return array, None


def _multipoles(array: xr.DataArray) -> xr.DataArray:
    """Return the multipole of each value."""
    dim = str(array.dims[0])
    named = [dim] if dim == "ell" else sorted((str(c) for c in array.coords if str(c).startswith("ell")), key=len)
    for name in named:
        if name in array.coords and array[name].dims == (dim,):
            axis = array[name].astype(float)
            return axis if "long_name" in axis.attrs else axis.assign_attrs(long_name="Multipole ℓ")
    if dim == "ell":
        return xr.DataArray(np.arange(array.size, dtype=float), dims=dim, attrs={"long_name": "Multipole ℓ"})
    raise WrongData(f"the spectra have no coordinate ell over {dim}; they have {', '.join(map(str, array.coords))}")
