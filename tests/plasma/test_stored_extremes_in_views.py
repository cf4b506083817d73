"""Extremes on disk in the pictures of plasma data: who gives them waits for nothing, whatever the size."""

import dask.array
import holoviews as hv
import numpy as np
import pytest
import xarray as xr
from counting import Counting

from analysis import explore, panels, plasma
from analysis.errors import BadOption, MissingFile, UnknownVariable, WrongData

ROWS, CHUNK = 2_000_000, 10_000
READ_AT_MOST = 20 * CHUNK  # a chunk for each part of the fingerprint, and those at both ends


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Return a dataset and the store of its extremes."""
    walk = np.cumsum(np.random.default_rng(0).normal(size=ROWS))
    time = np.datetime64("2020-01-01", "ns") + np.arange(ROWS) * np.timedelta64(1_000_000, "ns")
    data = xr.Dataset({"b": ("time", walk, {"units": "nT"})}, {"time": time}, {"synthetic": "true"})
    return data, panels.write_extremes(data, tmp_path_factory.mktemp("extremes") / "b.zarr")


@pytest.fixture
def large(written):
    """Return the dataset as it is read where it is asked to, what counts that, and its extremes."""
    data, store = written
    held = Counting(data.b.values)
    lazy = dask.array.from_array(held, chunks=CHUNK, asarray=False, meta=held.values[:0])
    return data.assign(b=data.b.copy(data=lazy)), held, store


def curve_of(picture):
    return picture.traverse(lambda element: element, [hv.Curve])[0].dimension_values("b")


@pytest.mark.slow
def test_a_view_with_stored_extremes_reads_next_to_nothing_and_shows_the_extremes(large):
    data, held, store = large
    shown = curve_of(plasma.view(data, extremes=store))
    assert held.read <= READ_AT_MOST
    assert (np.nanmin(shown), np.nanmax(shown)) == (held.values.min(), held.values.max())
    np.testing.assert_array_equal(curve_of(plasma.view(data.b, extremes=store)), shown)
    assert held.read <= 2 * READ_AT_MOST


@pytest.mark.slow
def test_an_explorer_with_stored_extremes_reads_next_to_nothing(large):
    data, held, store = large
    page = plasma.explore(data, extremes=store)
    page.get_root()
    assert held.read <= READ_AT_MOST
    assert f"plasma.explore(data, extremes={str(store)!r}, state=" in explore.code_of(page)
    explore.set_state(page, {"time": "2020-01-01T00:08"})
    assert held.read <= READ_AT_MOST + 2 * CHUNK


@pytest.mark.parametrize("draw", [plasma.view, plasma.explore])
def test_stored_extremes_that_cannot_be_meant_are_refused(large, tmp_path, draw):
    data, _, store = large
    with pytest.raises(MissingFile, match="write_extremes"):
        draw(data, extremes=tmp_path / "none.zarr")
    with pytest.raises(UnknownVariable, match="extremes of b; the dataset has v"):
        draw(data.rename(b="v"), extremes=store)
    with pytest.raises(BadOption, match="one node"):
        draw(xr.DataTree.from_dict({"/a": data}), extremes=store)


@pytest.mark.slow
def test_stored_extremes_of_other_data_or_for_other_pictures_are_refused(large):
    data, _, store = large
    with pytest.raises(WrongData, match="does not belong"):
        plasma.view(data.isel(time=slice(1, None)), extremes=store)
    energy = ("energy", [10.0, 100.0], {"units": "eV"})
    flux = xr.DataArray(np.ones((2, 2)), {"time": data.time[:2], "energy": energy}, ["time", "energy"], name="b")
    with pytest.raises(BadOption, match="lines over time"):
        plasma.view(flux, extremes=store)
