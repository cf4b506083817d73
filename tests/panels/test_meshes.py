import holoviews as hv
import numpy as np
import pytest
import xarray as xr
from bokeh.models import ColorBar, GlyphRenderer, LogColorMapper

from analysis import panels
from analysis.errors import BadOption, WrongData


def cells(figure):
    return next(r for r in figure.select({"type": GlyphRenderer}) if type(r.glyph).__name__ == "Quad")


def test_a_spectrogram_has_units_on_axes_and_colour_bar(flux):
    figure = hv.render(panels.spectrogram(flux))
    assert figure.yaxis[0].axis_label == "Energy (eV)"
    assert type(figure.y_scale).__name__ == "LogScale"
    bar = figure.select({"type": ColorBar})[0]
    assert bar.title == "Proton flux (cm⁻² s⁻¹ sr⁻¹ keV⁻¹)"
    assert isinstance(bar.color_mapper, LogColorMapper)


def test_zeros_and_nan_are_background_not_colour(flux):
    drawn = cells(hv.render(panels.spectrogram(flux))).data_source.data
    assert len(drawn["left"]) == flux.size - 2
    assert (drawn["flux"] > 0).all()


def test_cells_of_logarithmic_energies_meet_at_geometric_means(flux):
    drawn = cells(hv.render(panels.spectrogram(flux))).data_source.data
    energy = flux["energy"].values
    edges = np.unique(np.round(np.log10(drawn["top"]), 9))
    np.testing.assert_allclose(edges[:-1], np.log10(np.sqrt(energy[1:] * energy[:-1])), atol=1e-8)


@pytest.mark.slow
def test_energies_that_change_with_time_move_the_cells(flux):
    factor = xr.DataArray(np.where(np.arange(48) < 24, 1.0, 2.0), dims="time")
    moving = flux.drop_vars("energy").rename(energy="channel")
    table = (flux["energy"].rename(energy="channel").drop_vars("channel", errors="ignore") * factor).T
    moving = moving.assign_coords(energy=(("time", "channel"), table.values, flux["energy"].attrs))
    figure = hv.render(panels.spectrogram(moving))
    drawn = cells(figure).data_source.data
    assert figure.yaxis[0].axis_label == "Energy (eV)"
    assert max(drawn["top"]) == pytest.approx(
        2 * max(cells(hv.render(panels.spectrogram(flux))).data_source.data["top"])
    )


def test_a_gap_in_time_shows_the_background(flux):
    drawn = cells(hv.render(panels.spectrogram(flux.isel(time=[*range(10), *range(30, 48)])))).data_source.data
    widths = (np.asarray(drawn["right"]) - np.asarray(drawn["left"])) / np.timedelta64(1, "h")
    assert widths.max() <= 1.0 + 1e-9


def test_a_long_spectrogram_is_averaged_and_says_so():
    count = 40_000
    time = np.datetime64("2001-01-01", "ns") + np.arange(count) * np.timedelta64(1, "s")
    energy = ("energy", np.geomspace(1, 100, 4), {"units": "keV"})
    array = xr.DataArray(np.full((count, 4), 7.0), {"time": time, "energy": energy}, ["time", "energy"], name="f")
    array[5000:15000] = np.nan
    figure = hv.render(panels.spectrogram(array))
    drawn = cells(figure).data_source.data
    assert len(drawn["left"]) <= 800 * 4
    assert np.asarray(drawn["f"]) == pytest.approx(7.0)
    assert len(drawn["left"]) == pytest.approx(600 * 4, abs=8)
    assert "mean of about 50 samples (40,000 in all)" in figure.below[-1].text


def test_a_single_spectrum_is_drawn(flux):
    assert len(cells(hv.render(panels.spectrogram(flux.isel(time=[0])))).data_source.data["left"]) == 6


def test_a_spectrogram_of_nan_gives_words(flux):
    figure = hv.render(panels.spectrogram(flux * np.nan))
    texts = [r.data_source.data["text"][0] for r in figure.select({"type": GlyphRenderer})]
    assert "no value" in texts[0]


def test_a_dim_without_numbers_is_refused(flux):
    with pytest.raises(WrongData, match="energy"):
        panels.spectrogram(flux.drop_vars("energy"))


@pytest.mark.parametrize("clim", [(2, 1), (0, 1), (1, 2, 3)])
def test_limits_that_no_colour_scale_has_are_refused(flux, clim):
    with pytest.raises(BadOption, match="clim"):
        panels.spectrogram(flux, clim=clim)


def test_limits_given_are_kept(flux):
    figure = hv.render(panels.spectrogram(flux, clim=(10, 1000)))
    mapper = figure.select({"type": ColorBar})[0].color_mapper
    assert (mapper.low, mapper.high) == (10, 1000)


def test_signed_values_get_limits_symmetric_about_zero(flux):
    figure = hv.render(panels.spectrogram(flux - float(flux.mean())))
    mapper = figure.select({"type": ColorBar})[0].color_mapper
    assert mapper.low == -mapper.high


def test_a_heatmap_puts_each_dim_where_it_was_asked_for(flux):
    array = xr.DataArray(
        np.arange(1.0, 7).reshape(2, 3),
        {
            "energy": ("energy", [10.0, 100.0], {"units": "eV", "long_name": "Energy"}),
            "pitch_angle": ("pitch_angle", [30.0, 90.0, 150.0], {"units": "deg", "long_name": "Pitch angle"}),
        },
        ["energy", "pitch_angle"],
        name="psd",
    )
    figure = hv.render(panels.heatmap(array, x="pitch_angle", y="energy", logy=True))
    assert figure.xaxis[0].axis_label == "Pitch angle (deg)"
    drawn = cells(figure).data_source.data
    assert (min(drawn["left"]), max(drawn["right"])) == (0, 180)
    at = (np.asarray(drawn["left"]) == 120) & (np.asarray(drawn["bottom"]) > 20)
    assert np.asarray(drawn["psd"])[at] == [6.0]


def test_a_logarithmic_axis_refuses_coordinates_at_zero():
    array = xr.DataArray(np.ones((2, 2)), {"x": [0.0, 1.0], "y": [1.0, 2.0]}, ["x", "y"])
    with pytest.raises(WrongData, match="x has coordinates that are not positive"):
        panels.heatmap(array, x="x", y="y", logx=True)


@pytest.mark.slow
def test_columns_out_of_order_or_without_a_time_are_drawn_in_order_and_the_picture_says_so():
    time = np.datetime64("2020-01-01", "ns") + np.arange(6) * np.timedelta64(1, "m")
    axes = {"time": time, "energy": ("energy", [10.0, 100.0], {"units": "eV"})}
    flux = xr.DataArray(np.arange(1.0, 13).reshape(6, 2), axes, ["time", "energy"], "flux")
    plain, mixed = panels.spectrogram(flux), panels.spectrogram(flux.isel(time=[3, 0, 5, 1, 4, 2]))
    for dim in ("time", "time_end", "energy", "flux"):
        np.testing.assert_array_equal(mixed.dimension_values(dim), plain.dimension_values(dim))
    assert "not in the order of time" in hv.render(mixed, backend="bokeh").below[-1].text
    times = time.copy()
    times[2] = np.datetime64("NaT")
    lacking = panels.spectrogram(flux.assign_coords(time=times))
    assert len(lacking) == 10
    assert "1 of 6 samples have no time" in hv.render(lacking, backend="bokeh").below[-1].text


def test_an_energy_that_is_missing_takes_only_its_own_cells_away(flux):
    energy = flux.energy.values.copy()
    energy[2] = np.nan
    figure = hv.render(panels.spectrogram(flux.assign_coords(energy=("energy", energy, flux.energy.attrs))))
    drawn = cells(figure).data_source.data
    assert len(drawn["left"]) == 5 * 48 and np.isfinite(drawn["bottom"]).all()


@pytest.mark.parametrize("large", [False, True])
def test_samples_of_one_time_are_drawn_with_a_width(flux, large):
    array = flux.isel(time=np.zeros(3000 if large else 3, dtype=int))
    drawn = cells(hv.render(panels.spectrogram(array))).data_source.data
    widths = (np.asarray(drawn["right"]) - np.asarray(drawn["left"])) / np.timedelta64(1, "s")
    assert widths.max() >= 30


@pytest.mark.parametrize("number", [5.0, np.nan])
def test_energies_that_are_all_alike_or_missing_are_refused(flux, number):
    with pytest.raises(WrongData, match="energy"):
        panels.spectrogram(flux.assign_coords(energy=("energy", np.full(6, number))))


def test_times_that_are_numbers_are_refused_with_what_draws_them(flux):
    with pytest.raises(WrongData, match="not datetimes; heatmap"):
        panels.spectrogram(flux.assign_coords(time=np.arange(48.0)))


@pytest.mark.slow
def test_a_large_heatmap_leaves_out_what_has_no_place_and_nothing_else():
    x = np.where(np.arange(400) == 5, np.nan, np.arange(400.0))
    array = xr.DataArray(np.ones((400, 400)), {"y": np.arange(400.0), "x": x}, ["y", "x"], name="v")
    drawn = panels.heatmap(array, x="x", y="y")[()]
    assert drawn.dimension_values("joined_values").sum() == 399 * 400


def test_times_that_nanoseconds_do_not_reach_are_refused_rather_than_drawn_elsewhere():
    times = np.datetime64("-1000-01-01", "s") + np.arange(30) * np.timedelta64(1, "D")
    coords = xr.Coordinates({"time": ("time", times), "energy": ("energy", [1.0, 2.0])}, indexes={})
    with pytest.raises(WrongData, match="1678 and 2262"):
        panels.spectrogram(xr.DataArray(np.ones((30, 2)), coords, ["time", "energy"], name="flux"))
