"""The picture of one array of plasma data: which panel suits which dims. Fluxes are only cut."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analysis.errors import AnalysisError, BadOption, WrongData
from analysis.model import in_units
from analysis.plasma.inputs import is_number
from analysis.plasma.pitch_angles import DIM, at_energy, at_time, bin_edges
from analysis.plasma.profiles import axis_of, profile
from analysis.plasma.quality import quality_of

if TYPE_CHECKING:
    from analysis.model.clocks import Instant
    from analysis.panels.marks import Marks
    from analysis.plasma.pitch_angles import Energy

Reference = Mapping[str, float | xr.DataArray]
REFERENCE_COLOURS = ("#555555", "#8c5a2b", "#5a7d3a", "#a0a0a0")  # none that a line has


def array_picture(
    array: xr.DataArray,
    reference: Reference,
    attrs: Mapping[str, Any],
    *,
    marks: Marks | None = None,
    bands: xr.DataArray | None = None,
    extremes: str | os.PathLike[str] | None = None,
) -> Any:
    """Return the picture of an array over one or two axes.

    Raises
    ------
    BadOption
        If an option does not suit the array, or it has three axes.
    WrongData
        If there is no picture for its dims.
    """
    from analysis import panels
    from analysis.panels.stacks import other_times, over_time

    dims = set(array.dims)
    if reference and dims != {"time"}:
        raise BadOption(f"reference= draws lines over time; {array.name or 'the array'} has dims {array.dims}")
    if extremes is not None and dims - {"component"} != {"time"}:
        raise BadOption(f"extremes= are of lines over time; {array.name or 'the array'} has dims {array.dims}")
    if dims == {"time"} or dims == {"time", "component"}:
        picture = panels.curves(array, quality=quality_of(array), extremes=extremes, attrs=attrs)
        return over_time(with_levels(picture, array, reference), array, marks=marks, bands=bands)
    if "time" in dims and len(dims) == 2:
        return over_time(panels.spectrogram(with_edges(array), attrs=attrs), array, marks=marks, bands=bands)
    if marks or bands is not None:
        raise BadOption(f"marks= and bands= are drawn over time; {array.name or 'the array'} has dims {array.dims}")
    if dims == {"energy", DIM}:
        return panels.heatmap(with_edges(array), x=DIM, y="energy", logy=True, attrs=attrs)
    if len(dims) == 2 and all(_is_velocity(array, str(dim)) for dim in dims):
        up, across = map(str, array.dims)
        array = array.assign_coords({dim: in_units(array[dim], "km s-1") for dim in (up, across)})
        return panels.heatmap(array, x=across, y=up, equal=True, contours=True, attrs=attrs)
    if axis_of(array):
        return profile(array, attrs)
    cuts = f"; say energy= or time= ({ranges_of(array)})" if dims == {"time", "energy", DIM} else ""
    error = BadOption if cuts else WrongData
    dims_of = ", ".join(map(str, array.dims)) or "none"
    raise error(f"{array.name or 'the array'} has dims {dims_of}: no picture{cuts or other_times(array)}")


def with_levels(picture: Any, array: xr.DataArray, reference: Reference) -> Any:
    """Return the picture with lines of reference and bands where a model is outside its fitted range."""
    from analysis.panels.loading import loaded
    from analysis.panels.marks import marked, runs
    from analysis.panels.style import TIME_TOOLS, dimension

    hv = loaded()
    time, value = dimension(array["time"]), dimension(array)
    ends = array["time"].values[[0, -1]]
    under, over = [], []
    for (name, level), colour in zip(reference.items(), REFERENCE_COLOURS * len(reference), strict=False):
        line = hv.Curve((ends, np.full(2, _level(level, array))), time, value, label=name)
        over.append(
            line.opts(backend="bokeh", color=colour, line_dash="dashed", line_width=1.5, default_tools=TIME_TOOLS)
        )
    if "in_validity" in array.coords:
        outside = np.asarray(~array["in_validity"] & array.notnull())
        if outside.any():
            axes = [time, time.clone(f"{time.name}_end")]
            shades = hv.VSpans(runs(array["time"].values, outside), axes, label="outside the fitted range")
            under.append(
                shades.opts(backend="bokeh", color="#999999", alpha=0.25, line_alpha=0, default_tools=TIME_TOOLS)
            )
    return marked(picture, under, over)


def _is_velocity(array: xr.DataArray, dim: str) -> bool:
    """Return whether the coordinate of a dim is a velocity, so that two of them share one scale."""
    if dim not in array.coords or "units" not in array[dim].attrs:
        return False
    try:
        in_units(array[dim], "km s-1")
    except AnalysisError:
        return False
    return True


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


def cut_of(array: xr.DataArray, energy: Energy | None, time: Instant | None) -> xr.DataArray:
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


def with_edges(array: xr.DataArray) -> xr.DataArray:
    """Return the array with the edges of its pitch-angle bins, so that the cells drawn fill 0 to 180°."""
    if DIM not in array.dims or DIM not in array.coords or f"{DIM}_low" in array.coords:
        return array
    edges = bin_edges(np.asarray(in_units(array[DIM], "deg").values, float))
    in_degrees = in_units(array[DIM], "deg")
    return array.assign_coords({DIM: in_degrees, f"{DIM}_low": (DIM, edges[:-1]), f"{DIM}_high": (DIM, edges[1:])})


def ranges_of(array: xr.DataArray) -> str:
    energies, times = array["energy"], array["time"].values
    unit = energies.attrs.get("units", "")
    span = f"{float(energies.min()):.3g} to {float(energies.max()):.3g} {unit}".rstrip()
    return f"energy={span}; time={times[0]!s:.19} to {times[-1]!s:.19}"


def lines_of(reference: object) -> Reference:
    """Return the lines of reference; refuse what does not give each a name."""
    if reference is None:
        return {}
    if not isinstance(reference, Mapping):
        raise BadOption(
            f"reference= takes lines by name, for example {{'threshold': -100}}, not a {type(reference).__name__}"
        )
    return {str(name): level for name, level in reference.items()}
