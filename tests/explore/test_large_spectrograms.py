"""Gestures on pictures that follow zoom and pan."""

import holoviews as hv
import numpy as np
import pytest
import xarray as xr
from bokeh.models import BoxSelectTool
from bokeh.plotting import figure as Figure

from analysis import panels
from analysis.explore.gestures import listen


@pytest.mark.slow
@pytest.mark.parametrize("marks", [None, {"shock": "2001-01-01T01:00"}])
def test_a_time_range_is_brushed_on_a_large_spectrogram_as_on_lines(marks):
    time = np.datetime64("2001-01-01", "ns") + np.arange(30_000) * np.timedelta64(1, "s")
    energy = ("energy", np.geomspace(1, 100, 4), {"units": "keV"})
    data = xr.Dataset({"flux": (("time", "energy"), np.ones((30_000, 4)))}, {"time": time, "energy": energy})
    picture = panels.time_panels(data, marks=marks)
    heard: list = []
    listen(picture, "range", heard.append)
    plot = hv.renderer("bokeh").get_plot(picture)
    assert [t for f in plot.state.select({"type": Figure}) for t in f.tools if isinstance(t, BoxSelectTool)]
    streams = [s for part in plot.traverse(lambda p: p) for c in getattr(part, "callbacks", []) for s in c.streams]
    brush = next(s for s in streams if isinstance(s, hv.streams.BoundsX))
    brush.event(boundsx=(978307200000.0, 978307260000.0))
    assert heard == [(time[0], time[60])]
