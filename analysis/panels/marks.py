"""What is drawn over all panels of a column: a cursor that follows the mouse, events, and spans of flags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.model import bearing, words_of
from analysis.model.clocks import utc
from analysis.panels.loading import loaded
from analysis.panels.style import TIME_TOOLS, dimension

if TYPE_CHECKING:
    from analysis.model.clocks import Instant

Marks: TypeAlias = "Mapping[str, Instant | Iterable[Instant] | xr.Dataset]"
EVENTS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#000000")
DASHES = ("dashed", "dotdash", "dotted", "solid")
SPANS = ("#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#D55E00", "#0072B2", "#999999")
MOST = 2_000  # lines; more are a grey wall

SHORTEST = 0.01  # milliseconds across a time axis
_cursors: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()  # the line of each time axis that figures share


def cursor(plot: Any, element: Any) -> None:
    """HoloViews hook: a vertical line under the mouse, in all figures that share this one's axis across.

    The browser moves it, also in exported pages: the kernel is not asked. Times, which a browser tells to a
    fraction of a microsecond, are zoomed into no further than it can label.
    """
    from bokeh.models import CrosshairTool
    from bokeh.models.annotations import Span

    figure = plot.state
    if not hasattr(figure, "x_range") or any(isinstance(tool, CrosshairTool) for tool in figure.tools):
        return
    figure.x_range.min_interval = SHORTEST
    if figure.x_range not in _cursors:
        _cursors[figure.x_range] = Span(dimension="height", line_color="#777777", line_width=1, line_dash="dotted")
    figure.add_tools(CrosshairTool(overlay=_cursors[figure.x_range], description="Line at the time under the mouse"))


def events(marks: Marks | None, time: xr.DataArray, *, legend: bool = True) -> list[Any]:
    """Return vertical lines at the times of named events.

    Parameters
    ----------
    marks : mapping of str to time or times, optional
        A time, several, or data with a coordinate ``time``, by the name of what happened then. Times beside the
        data are left out.
    time : xarray.DataArray
        The times that the panel shows.
    legend : bool, optional
        Whether the names stand in the legend.

    Raises
    ------
    BadOption
        If it is no mapping, an event has more than 2,000 times, or a time is missing (NaT).
    BadTime
        If what should be a time is none.

    Examples
    --------
    >>> time = xr.DataArray(np.array(["2001-03-31", "2001-04-02"], "datetime64[ns]"), dims="time", name="time")
    >>> lines = events({"shock": "2001-04-01", "later": ["2002-01-01"]}, time)
    >>> [(line.label, len(line)) for line in lines]
    [('shock', 1)]
    """
    hv = loaded()
    if marks is None:
        return []
    first, last = _ends(time)
    drawn = []
    for number, (name, times) in enumerate(times_of_marks(marks).items()):
        times = times[(times >= first) & (times <= last)]
        if not times.size:
            continue
        look = {"color": EVENTS[number % len(EVENTS)], "line_dash": DASHES[number % len(DASHES)], "line_width": 1.4}
        line = hv.VLines(times, dimension(time), label=name if legend else "")
        drawn.append(line.opts(backend="bokeh", default_tools=TIME_TOOLS, **look))
    return drawn


def spans(flag: xr.DataArray | None, time: xr.DataArray, *, legend: bool = True) -> list[Any]:
    """Return coloured spans of time, a colour for each word of a flag.

    Parameters
    ----------
    flag : xarray.DataArray, optional
        Dim ``time``, attrs ``flag_meanings`` and ``flag_values`` (CF conventions, section 3.5), for example which
        region a spacecraft was in. Times of its own are welcome; spans beside the data are cut off.
    time : xarray.DataArray
        The times that the panel shows.
    legend : bool, optional
        Whether the words stand in the legend.

    Raises
    ------
    WrongData
        If it is no flag over time, or its words are missing.

    Examples
    --------
    >>> axis = {"time": np.array(["2001-03-31", "2001-04-01"], "datetime64[ns]")}
    >>> says = {"flag_values": [0, 1], "flag_meanings": "solar_wind magnetosheath"}
    >>> flag = xr.DataArray([0, 1], axis, ["time"], name="region", attrs=says)
    >>> [span.label for span in spans(flag, flag.time)]
    ['solar wind', 'magnetosheath']
    """
    hv = loaded()
    if flag is None:
        return []
    if not isinstance(flag, xr.DataArray) or flag.dims != ("time",) or flag["time"].dtype.kind != "M":
        raise WrongData("bands= takes a flag over time: a DataArray with dim time, flag_values and flag_meanings")
    words_of(flag)
    first, last = _ends(time)
    start = dimension(time)
    axes = [start, start.clone(f"{start.name}_end")]
    drawn = []
    for number, (word, samples) in enumerate(bearing(flag).items()):
        low, high = runs(flag["time"].values, np.asarray(samples))
        seen = (high > first) & (low < last)
        if not seen.any():
            continue
        edges = (np.maximum(low[seen], first), np.minimum(high[seen], last))
        band = hv.VSpans(edges, axes, label=word.replace("_", " ") if legend else "")
        colour = SPANS[number % len(SPANS)]
        drawn.append(band.opts(backend="bokeh", color=colour, alpha=0.18, line_alpha=0, default_tools=TIME_TOOLS))
    return drawn


def marked(picture: Any, under: list[Any], over: list[Any]) -> Any:
    """Return a picture with spans under it and lines over it; legend and options of an overlay stay."""
    hv = loaded()
    if not under and not over:
        return picture
    if isinstance(picture, hv.DynamicMap):
        for element in reversed(under):
            picture = element * picture
        for element in over:
            picture = picture * element
        return picture
    if isinstance(picture, hv.Overlay):
        return picture.clone([*under, *picture.values(), *over])
    named = any(element.label for element in over)
    made = hv.Overlay([*under, picture, *over])
    return made.opts(backend="bokeh", show_legend=named, legend_position="top_left", legend_opts=_INSIDE)


_INSIDE = {"click_policy": "hide", "padding": 3, "spacing": 0, "background_fill_alpha": 0.7}


def _ends(time: xr.DataArray) -> tuple[np.datetime64, np.datetime64]:
    return np.fmin.reduce(time.values), np.fmax.reduce(time.values)  # NaT counts in neither


def runs(times: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return starts and stops of the runs of chosen times, half a step wider on both sides; gaps end a run.

    Examples
    --------
    >>> times = np.arange("2001-03-31", "2001-04-05", dtype="datetime64[D]").astype("datetime64[ns]")
    >>> low, high = runs(times, np.array([True, True, False, False, True]))
    >>> [str(edge)[:13] for edge in [*low, *high]]
    ['2001-03-30T12', '2001-04-03T12', '2001-04-01T12', '2001-04-04T12']
    """
    if times.size > 1:
        steps = np.diff(times)
        usual = np.median(steps)
        half, broken = usual / 2, steps > 3.5 * usual
    else:
        half, broken = np.timedelta64(30, "s"), np.zeros(0, bool)
    before, after = np.r_[False, chosen[:-1] & ~broken], np.r_[chosen[1:] & ~broken, False]
    return times[chosen & ~before] - half, times[chosen & ~after] + half


def times_of_marks(marks: Marks) -> dict[str, np.ndarray]:
    """Return the times (UTC) of events by name.

    Raises
    ------
    BadOption
        If it is no mapping, an event has more than 2,000 times, or a time is missing (NaT).
    BadTime
        If what should be a time is none.

    Examples
    --------
    >>> times_of_marks({"shock": "2001-03-31T00:52"})["shock"].size
    1
    """
    if not isinstance(marks, Mapping):
        raise BadOption(
            f"marks= takes times by name, for example {{'bow shock': ['2015-10-16T13:05']}}, not a "
            f"{type(marks).__name__}"
        )
    return {str(name): _times(str(name), given) for name, given in marks.items()}


def _times(name: str, given: Any) -> np.ndarray:
    """Return the times of an event, or refuse what are none."""
    if isinstance(given, xr.Dataset) or (isinstance(given, xr.DataArray) and given.dtype.kind != "M"):
        if "time" not in given.coords:
            raise BadOption(f"marks[{name!r}] has no coordinate time; give times")
        given = given["time"]
    if isinstance(given, str | np.datetime64) or not isinstance(given, Iterable):
        given = [given]
    if isinstance(given, xr.DataArray | np.ndarray) and given.dtype.kind == "M":
        times = np.ravel(np.asarray(given)).astype("datetime64[ns]")
    else:
        times = np.array([utc(one, f"marks[{name!r}]") for one in given], dtype="datetime64[ns]")
    if np.isnat(times).any():
        raise BadOption(f"marks[{name!r}] holds {int(np.isnat(times).sum())} missing times (NaT); drop them first")
    if times.size > MOST:
        raise BadOption(f"marks[{name!r}] holds {times.size:,} times; more than {MOST:,} lines are none to be seen")
    return times
