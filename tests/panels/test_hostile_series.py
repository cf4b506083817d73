"""Series that no one wishes for: each gives a picture that holds its values, or words, short or long."""

from datetime import date

import holoviews as hv
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from analysis import panels
from analysis.errors import AnalysisError, WrongData
from analysis.panels.following import _ends

SHORT, LONG = 500, 120_000


def series(values, step=1_000_000, name="b"):
    times = np.cumsum(np.broadcast_to(step, len(values))).astype("datetime64[ns]")
    return xr.DataArray(values, {"time": times}, ["time", "component"][: np.ndim(values)], name=name)


def noise(count):
    return np.random.default_rng(0).normal(size=count)


def lines_of(picture):
    """Return the values of each line of a picture that a page can hold, in the order they are drawn."""
    assert hv.render(picture, backend="bokeh") is not None
    return [element.dimension_values(1) for element in picture if isinstance(element, hv.Curve)]


def words_of(picture):
    assert hv.render(picture, backend="bokeh") is not None
    return " ".join(element.data[2] for element in picture if isinstance(element, hv.Text)).replace("\n", " ")


def with_some(count, *what):
    values = noise(count)
    for place, one in enumerate(what):
        values[place + 1 :: 7 * len(what)] = one
    return values


VALUES = {
    "float32": lambda n: noise(n).astype("f4"),
    "half": lambda n: noise(n).astype("f2"),
    "long double": lambda n: noise(n).astype(np.longdouble),
    "big-endian": lambda n: noise(n).astype(">f8"),
    "big-endian whole": lambda n: (noise(n) * 99).astype(">i4"),
    "whole numbers": lambda n: (noise(n) * 99).astype("i2"),
    "unsigned": lambda n: np.arange(n, dtype="u8") + 2**40,
    "bool": lambda n: noise(n) > 0,
    "constant": lambda n: np.full(n, 5.0),
    "holes": lambda n: with_some(n, np.nan),
    "infinities": lambda n: with_some(n, np.inf, -np.inf, np.nan),
    "huge": lambda n: noise(n) * 1e300,
    "one value": lambda n: np.where(np.arange(n) == n // 2, 3.0, np.nan),
}


@pytest.mark.slow
@pytest.mark.parametrize("count", [SHORT, LONG])
@pytest.mark.parametrize("kind", list(VALUES))
def test_values_of_any_kind_are_drawn_with_their_extremes(kind, count):
    values = VALUES[kind](count)
    shown = lines_of(panels.curves(series(values)))[0]
    held = values.astype(float)
    held = held[np.isfinite(held)]
    assert (np.nanmin(shown), np.nanmax(shown)) == (held.min(), held.max())
    assert not np.isinf(shown).any()


STEPS = {
    "duplicate times": lambda n: np.random.default_rng(0).integers(0, 2, n) * 10**6,
    "one time": lambda n: np.zeros(n, int),
    "jumps": lambda n: np.where(np.arange(n) % (n // 5) == 3, 10**12, 10**6),
    "a century between": lambda n: np.where(np.arange(n) == n // 2, 3 * 10**18, 1),
    "jitter": lambda n: np.random.default_rng(0).integers(1, 10**6, n),
    "faster and faster": lambda n: np.geomspace(1e9, 1, n).astype(int) + 1,
}


@pytest.mark.slow
@pytest.mark.parametrize("count", [SHORT, LONG])
@pytest.mark.parametrize("kind", list(STEPS))
def test_times_at_any_step_are_drawn_with_the_extremes(kind, count):
    array = series(noise(count), STEPS[kind](count))
    shown = lines_of(panels.curves(array))[0]
    assert (np.nanmin(shown), np.nanmax(shown)) == (array.values.min(), array.values.max())


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_of_any_resolution_and_before_1970_are_drawn(unit):
    times = np.arange(-LONG // 2, LONG // 2).astype(f"datetime64[{unit}]")
    array = xr.DataArray(noise(LONG), {"time": times}, ["time"], name="b")
    assert np.nanmax(lines_of(panels.curves(array))[0]) == array.values.max()


@pytest.mark.slow
@pytest.mark.parametrize("count", [SHORT, LONG])
@pytest.mark.parametrize("what", [np.nan, np.inf, -np.inf])
def test_nothing_finite_gives_words(count, what):
    assert "no value" in words_of(panels.curves(series(np.full(count, what))))
    assert "positive" in words_of(panels.curves(series(np.full(count, -1.0)), logy=True))


@pytest.mark.slow
@pytest.mark.parametrize("count", [SHORT, LONG])
def test_a_logarithmic_axis_leaves_out_zeros_and_negatives_and_says_so(count):
    values = with_some(count, 0.0, -3.0, np.inf)
    picture = panels.curves(series(values), logy=True)
    shown = lines_of(picture)[0]
    assert np.nanmin(shown) == values[values > 0].min() and np.nanmax(shown) == values[np.isfinite(values)].max()
    assert "not positive" in hv.render(picture, backend="bokeh").below[-1].text.replace("\n", " ")


@pytest.mark.parametrize("count", [1, 2, 3])
def test_so_few_samples_are_a_picture(count):
    picture = panels.curves(series(noise(count)))
    lines_of(picture)
    assert sum(len(element) for element in picture) >= count


@pytest.mark.slow
@pytest.mark.parametrize("count", [SHORT, LONG])
def test_unordered_and_missing_times_are_put_right_once_and_the_picture_says_so(count):
    array = series(noise(count))
    order = np.random.default_rng(1).permutation(count)
    mixed = array.isel(time=order)
    times = mixed["time"].values.copy()
    times[::10] = np.datetime64("NaT")
    kept = mixed.values[~np.isnat(times)]
    picture = panels.curves(mixed.assign_coords(time=times))
    shown = lines_of(picture)[0]
    assert (np.nanmin(shown), np.nanmax(shown)) == (kept.min(), kept.max())
    told = hv.render(picture, backend="bokeh").below[-1].text.replace("\n", " ")
    assert "NaT" in told and "not in the order" in told


@pytest.mark.parametrize("place", [0, 250, -1])
def test_a_single_missing_time_anywhere_is_found(place):
    array = series(noise(SHORT))
    times = array["time"].values.copy()
    times[place] = np.datetime64("NaT")
    shown = lines_of(panels.curves(array.assign_coords(time=times)))[0]
    assert np.isfinite(shown).sum() == SHORT - 1


def test_no_time_at_all_gives_words():
    array = series(noise(5)).assign_coords(time=np.full(5, np.datetime64("NaT"), "datetime64[ns]"))
    with pytest.raises(AnalysisError, match="NaT"):
        panels.curves(array)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["B", "time step", "", None])
def test_a_column_of_any_name_is_drawn(name):
    assert len(lines_of(panels.curves(series(noise(LONG), name=name)))) == 1


@pytest.mark.slow
@pytest.mark.parametrize(("count", "lines"), [(40, 300), (11_000, 40)])
def test_three_hundred_lines_are_drawn_and_forty_long_ones(count, lines):
    values = np.random.default_rng(0).normal(size=(count, lines))
    assert len(lines_of(panels.curves(series(values)))) == lines


NO_TIMES = {
    "numbers": np.arange(6.0),
    "words": np.array(list("abcdef")),
    "lengths of time": np.arange(6).astype("timedelta64[s]"),
    "objects such as those of cftime": np.array([date(2000, 1, day) for day in range(1, 7)], dtype=object),
}


@pytest.mark.parametrize("kind", list(NO_TIMES))
def test_what_is_no_datetime_is_refused_with_what_would_be_right(kind):
    array = xr.DataArray(np.arange(6.0), {"time": NO_TIMES[kind]}, ["time"], name="b")
    with pytest.raises(WrongData, match=r"datetime64.*(decode_cf|convert_calendar|assign_coords)"):
        panels.curves(array)


@pytest.mark.parametrize(
    ("values", "what"),
    [
        (np.empty(0), "empty"),
        (np.ones(3) * 1j, "complex"),
        (np.array(["a"]), "not numbers"),
        (np.ones((2, 2, 2)), "dim"),
    ],
)
def test_what_cannot_be_a_line_is_refused_in_words(values, what):
    dims = ["time", "x", "y"][: values.ndim]
    array = xr.DataArray(values, {"time": pd.date_range("2020", periods=len(values))}, dims, name="b")
    with pytest.raises(WrongData, match=what):
        panels.curves(array)


@pytest.mark.parametrize("array", [xr.DataArray(1.0, name="b"), xr.DataArray(np.ones(3), dims="time"), np.ones(3)])
def test_what_has_no_times_is_refused_in_words(array):
    with pytest.raises(WrongData):
        panels.curves(array)


def test_an_axis_at_the_end_of_the_world_is_no_error():
    class Axis:
        start, end = -1e300, 1e300

    low, high = _ends(Axis)
    assert low < high
