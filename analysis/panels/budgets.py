"""What a forecast or a likelihood says: power by its parts over multipole, and the posterior of one parameter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from analysis.errors import UnknownVariable, WrongData
from analysis.panels.loading import loaded
from analysis.panels.notes import note
from analysis.panels.style import FONTS, GRID, LINES, dimension, left_border, numeric, unit_label, values_of

WIDTH, HEIGHT = 520, 340
DASHES = ("solid", "dashed", "dotdash", "dotted")
DECADES = 6.0  # below the highest value: what falls further is cut off
SUMS = ("total",)  # drawn thick and black
MOST = 12  # posteriors in one picture


def power_budget(
    dataset: xr.Dataset, *, parts: Sequence[str] | None = None, attrs: Mapping[str, Any] | None = None
) -> Any:
    """Return the powers of signal, noise and foregrounds over multipole as lines on logarithmic axes.

    Parameters
    ----------
    dataset : xarray.Dataset
        Variables on the dim ``ell`` alone, all in one unit; ``total`` is drawn thick. Legends are their
        ``long_name``.
    parts : sequence of str, optional
        Which to draw; by default all that have the units of ``total``, or of the first.
    attrs : mapping, optional
        Over the dataset's own attributes, for the note.

    Returns
    -------
    holoviews.Overlay
        Zeros and negative values are left out, as are values a million times below the highest.

    Raises
    ------
    WrongData
        If there is nothing on ``ell``, no unit or several, or nothing positive.
    UnknownVariable
        If a part asked for is not there.

    Examples
    --------
    >>> ell = ("ell", [2, 3, 4], {"long_name": "Multipole ℓ"})
    >>> power = {name: ("ell", [1.0, 2.0, 3.0], {"units": "uK2", "long_name": name}) for name in ("noise", "total")}
    >>> len(power_budget(xr.Dataset(power, {"ell": ell})))
    2
    """
    hv = loaded()
    if not isinstance(dataset, xr.Dataset):
        raise WrongData(f"power_budget takes a Dataset of xarray, not a {type(dataset).__name__}")
    held = {str(name): array for name, array in dataset.data_vars.items() if array.dims == ("ell",)}
    if not held or "ell" not in dataset.coords:
        raise WrongData(
            f"a budget needs variables on the dim ell, with its multipoles; there are dims {dict(dataset.sizes)}"
        )
    if parts is None:
        units = held.get("total", next(iter(held.values()))).attrs.get("units")
        chosen = {name: array for name, array in held.items() if array.attrs.get("units") == units}
    else:
        names = [parts] if isinstance(parts, str) else list(parts)
        if unknown := [str(name) for name in names if name not in held]:
            raise UnknownVariable(f"there is no {', '.join(unknown)} on ell; there are {', '.join(held)}")
        chosen = {name: held[name] for name in names}
    stated = {str(array.attrs.get("units", "")) for array in chosen.values()}
    if len(stated) != 1 or stated == {""}:
        raise WrongData(f"the parts are in {', '.join(sorted(stated)) or 'no unit'}: they need one unit, convert them")
    ell = values_of(dataset["ell"])
    powers = {name: np.where((v := values_of(numeric(array))) > 0, v, np.nan) for name, array in chosen.items()}
    seen = {name: v for name, v in powers.items() if np.isfinite(v[ell > 0]).any()}
    if not seen:
        raise WrongData(f"{', '.join(chosen)} hold no positive value: nothing to draw on a logarithmic axis")
    highest = max(float(np.nanmax(v[ell > 0])) for v in seen.values())
    lowest = max(min(float(np.nanmin(v[ell > 0])) for v in seen.values()), highest * 10**-DECADES)
    unit = unit_label(next(iter(chosen.values())))
    kind = _common_word([str(array.attrs.get("long_name", "")) for array in chosen.values()])
    x_dim = dimension(
        dataset["ell"] if "long_name" in dataset["ell"].attrs else dataset["ell"].assign_attrs(long_name="Multipole ℓ")
    )
    y_dim = hv.Dimension(("power", kind), unit=unit)
    drawn, lost = [], 0
    for number, (name, values) in enumerate(seen.items()):
        label = str(chosen[name].attrs.get("long_name", "")) or name
        good = (ell > 0) & (values >= lowest / 3)
        lost += int((np.isfinite(values_of(chosen[name])) & (ell > 0) & ~good).sum())
        line = hv.Curve((ell[good], values[good]), x_dim, y_dim, label=label)
        whole = name in SUMS
        drawn.append(
            line.opts(
                backend="bokeh", color="black" if whole else LINES[number % 6], line_width=2.6 if whole else 1.6,
                line_dash="solid" if whole else DASHES[number // 6 % 4], tools=["hover"], logx=True, logy=True,
            )
        )  # fmt: skip
    picture = hv.Overlay(drawn).opts(
        backend="bokeh", frame_width=WIDTH, frame_height=HEIGHT, fontsize=FONTS, show_grid=True, gridstyle=GRID,
        logx=True, logy=True, ylim=(lowest / 1.5, highest * 1.5), legend_position="right", active_tools=["wheel_zoom"],
        hooks=[left_border], xlabel=x_dim.pprint_label, ylabel=y_dim.pprint_label,
    )  # fmt: skip
    told = [f"{lost} values that are not positive, or a million times below the highest, are left out."] if lost else []
    if unseen := [str(chosen[name].attrs.get("long_name", "")) or name for name in chosen if name not in seen]:
        told.append(f"Without positive values: {', '.join(unseen)}.")
    return note(picture, {**dataset.attrs, **(attrs or {})}, remark=" ".join(told))


def posterior(
    data: xr.Dataset | xr.DataArray,
    *,
    parameter: str = "r",
    truth: float | None = None,
    attrs: Mapping[str, Any] | None = None,
) -> Any:
    """Return posterior densities of one parameter as lines.

    Parameters
    ----------
    data : xarray.Dataset or xarray.DataArray
        The density on the dim ``parameter``, and at most one more dim, a line each (12 at most); of a dataset
        the variable ``posterior``, with ``upper_limit`` as dashed verticals where it has one.
    parameter : str, optional
        The dim along the axis.
    truth : float, optional
        The value put into a simulation, as a grey vertical.
    attrs : mapping, optional
        Over the dataset's own attributes, for the note.

    Returns
    -------
    holoviews.Overlay

    Raises
    ------
    WrongData
        If there is no such density, it has more dims or lines, or holds no value.

    Examples
    --------
    >>> r = np.linspace(0, 1, 5)
    >>> len(posterior(xr.DataArray(np.exp(-r), {"r": r}, ["r"], name="posterior"), truth=0.0))
    2
    """
    hv = loaded()
    if not isinstance(data, xr.Dataset | xr.DataArray):
        raise WrongData(f"posterior takes a Dataset or DataArray of xarray, not a {type(data).__name__}")
    if isinstance(data, xr.Dataset) and "posterior" not in data.data_vars:
        raise WrongData(
            f"the dataset has no variable posterior; it has {', '.join(map(str, data.data_vars)) or 'none'}"
        )
    density = numeric(data["posterior"] if isinstance(data, xr.Dataset) else data)
    rest = [str(dim) for dim in density.dims if dim != parameter]
    if parameter not in density.dims or parameter not in density.coords or len(rest) > 1:
        raise WrongData(
            f"the density has dims {', '.join(map(str, density.dims))}; this picture needs {parameter}, with its "
            "values, and at most one more: select the others first"
        )
    if rest and density.sizes[rest[0]] > MOST:
        raise WrongData(f"{rest[0]} holds {density.sizes[rest[0]]} posteriors; choose at most {MOST}")
    limits = data["upper_limit"] if isinstance(data, xr.Dataset) and "upper_limit" in data.data_vars else None
    x_dim, y_dim = dimension(density[parameter]), dimension(density)
    drawn: list[Any] = []
    for number in range(density.sizes[rest[0]] if rest else 1):
        one = density.isel({rest[0]: number}) if rest else density
        values = values_of(one)
        if not np.isfinite(values).any():
            continue
        colour = LINES[number % len(LINES)]
        named = f"{rest[0]} {one[rest[0]].item() if rest[0] in one.coords else number}" if rest else "posterior"
        if limits is not None:
            limit = limits.isel({rest[0]: number}) if rest and rest[0] in limits.dims else limits
            if limit.ndim == 0 and np.isfinite(float(limit)):
                words = str(limit.attrs.get("long_name", "upper limit"))
                named += f"; {words}: {float(limit):.3g}"
                drawn.append(
                    hv.VLines([float(limit)]).opts(backend="bokeh", color=colour, line_dash="dashed", line_width=1.2)
                )
        line = hv.Curve((values_of(one[parameter]), values), x_dim, y_dim, label=named)
        drawn.append(line.opts(backend="bokeh", color=colour, line_width=2, tools=["hover"]))
    if not drawn:
        raise WrongData("the posterior holds no value (all NaN)")
    if truth is not None:
        drawn.append(hv.VLines([float(truth)]).opts(backend="bokeh", color="#888888", line_width=1.5))
    picture = hv.Overlay(drawn).opts(
        backend="bokeh", frame_width=WIDTH, frame_height=HEIGHT, fontsize=FONTS, show_grid=True, gridstyle=GRID,
        active_tools=["wheel_zoom"], hooks=[left_border], show_legend=True, legend_position="bottom",
        xlabel=x_dim.pprint_label, ylabel=y_dim.pprint_label,
    )  # fmt: skip
    remark = "" if truth is None else f"Grey: the value put in, {truth:g}."
    return note(
        picture,
        {**density.attrs, **(data.attrs if isinstance(data, xr.Dataset) else {}), **(attrs or {})},
        remark=remark,
    )


def _common_word(names: Sequence[str]) -> str:
    """What the axis says: C_ℓ or D_ℓ, with the spectrum, where all names begin alike."""
    firsts = {name.split(" ")[0].replace("N_ℓ", "C_ℓ").rstrip(",") for name in names if name}
    return firsts.pop() if len(firsts) == 1 and "_ℓ" in next(iter(firsts)) else "Power"
