"""Pictures: what is drawn for which dims, what is marked, what adds."""

import holoviews as hv
import numpy as np
import pytest
import xarray as xr

from analysis import plasma
from analysis.errors import BadOption, OutsideCoverage, UnknownVariable, WrongData
from analysis.plasma.quality import with_flags_as_coordinates

FLAGS = {
    "units": "1",
    "long_name": "Flag",
    "flag_values": [0, 1, 2],
    "flag_meanings": "filled interpolated measured",
}
HOURS = np.arange("2001-03-31T00", "2001-03-31T06", dtype="datetime64[h]").astype("datetime64[ns]")


def storm():
    data = xr.Dataset(
        {
            "dst": ("time", [-20.0, -80, -200, -387, -300, -280], {"units": "nT", "long_name": "Dst index"}),
            "bz": ("time", [5.0, -10, -40, -30, 20, 10], {"units": "nT", "long_name": "Bz", "frame": "GSM"}),
            "pdyn": ("time", [2.0, 20, 40, 10, 8, 6], {"units": "nPa", "long_name": "Dynamic pressure"}),
            "bz_quality": ("time", [2, 2, 2, 2, 1, 2], FLAGS),
            "pdyn_quality": ("time", [2, 2, 2, 2, 2, 0], FLAGS),
        },
        {"time": ("time", HOURS, {"long_name": "Time (UTC)"})},
        attrs={"title": "A storm", "source": "ACE"},
    )
    return with_flags_as_coordinates(data)


def fluxes():
    angles = [4.5, 18.0, 90.0, 162.0, 175.5]
    axes = {
        "time": ("time", HOURS, {"long_name": "Time (UTC)"}),
        "energy": ("energy", [10.0, 100.0, 1000.0], {"units": "eV", "long_name": "Energy"}),
        "pitch_angle": ("pitch_angle", angles, {"units": "deg", "long_name": "Pitch angle"}),
    }
    attrs = {"units": "s-1 cm-2 sr-1 keV-1", "long_name": "Proton flux"}
    flux = xr.DataArray(np.geomspace(1, 1e6, 90).reshape(6, 3, 5), axes, list(axes), "protons", attrs)
    return xr.Dataset({"protons": flux, "mean": plasma.omnidirectional(flux)}, attrs={"title": "Protons"})


def labels(picture):
    return {element.label for element in picture.traverse(lambda e: e, [hv.Element]) if element.label}


def drawn(picture):
    """Render the picture, which is where HoloViews looks at most options."""
    return hv.render(picture, backend="bokeh")


@pytest.mark.slow
def test_the_story_of_the_storm_adds_up_in_one_layout():
    data = storm()
    nose = plasma.magnetopause(data, model="shue_1998").standoff
    layout = plasma.view(data[["dst", "bz", "pdyn"]]) + plasma.view(nose)
    assert isinstance(layout, hv.Layout)
    assert len(layout) == 4
    drawn(layout)


def test_flags_are_marked_even_on_variables_taken_out_of_their_dataset():
    assert labels(plasma.view(storm()[["bz"]])) == {"interpolated"}
    assert labels(plasma.view(storm().pdyn)) == {"filled"}
    assert {"filled", "interpolated"} <= labels(plasma.view(plasma.magnetopause(storm()).standoff))


def test_times_outside_the_range_of_the_model_are_shaded():
    picture = plasma.view(plasma.magnetopause(storm()).standoff)
    (bands,) = picture.traverse(lambda e: e, [hv.VSpans])
    assert bands.label == "outside the fitted range"
    edges = [[str(edge)[:16] for edge in bands[dim]] for dim in bands.kdims]
    assert edges == [["2001-03-31T00:30"], ["2001-03-31T04:30"]]
    drawn(picture)


@pytest.mark.slow
def test_a_line_of_reference_is_drawn_in_the_units_of_the_array():
    nose = plasma.magnetopause(storm()).standoff
    picture = plasma.view(nose, reference={"geosynchronous orbit": plasma.geosynchronous_orbit(), "Moon": 60.0})
    lines = {e.label: e for e in picture.traverse(lambda e: e, [hv.Curve])}
    assert lines["geosynchronous orbit"]["standoff"] == pytest.approx([6.61, 6.61], abs=0.01)
    assert lines["Moon"]["standoff"] == pytest.approx([60.0, 60.0])
    drawn(picture)


def test_names_and_units_are_on_the_axes():
    (line,) = plasma.view(storm().dst).traverse(lambda e: e, [hv.Curve])
    assert line.vdims[0].pprint_label == "Dst index (nT)"


@pytest.mark.slow
def test_a_picture_of_the_magnetopause_says_whose_wind_it_was_made_of():
    figure = drawn(plasma.view(plasma.magnetopause(storm()).standoff))
    text = " ".join(model.text for model in figure.below if hasattr(model, "text"))
    assert "ACE" in text and "Shue" in text


@pytest.mark.slow
def test_a_flux_is_drawn_at_an_energy_at_a_time_or_as_a_distribution():
    flux = fluxes().protons
    at_energy, at_time = plasma.view(flux, energy=120), plasma.view(flux, time="2001-03-31T02:20")
    assert [d.name for d in at_energy.kdims[:2]] == ["time", "pitch_angle"]
    assert [d.name for d in at_time.kdims[:2]] == ["pitch_angle", "energy"]
    assert at_energy.vdims[0].label == "100 eV: Proton flux"
    assert drawn(at_time).title.text == "Proton flux, 2001-03-31T02:00:00 UTC"
    assert at_energy.range("pitch_angle")[0] == 0 and at_energy.range("pitch_angle_end")[1] == 180
    drawn(plasma.view(plasma.pitch_angle_distribution(flux, energy=100)))
    drawn(at_energy + at_time)


@pytest.mark.slow
def test_a_dataset_of_fluxes_is_drawn_with_and_without_a_cut():
    data = fluxes()
    assert len(plasma.view(data)) == 1  # the mean; the picture says that the flux is left out
    assert len(plasma.view(data, energy=100)) == 2
    drawn(plasma.view(data, energy=100))
    drawn(plasma.view(data, time="2001-03-31T02"))


@pytest.mark.slow
def test_a_tree_is_drawn_node_by_node():
    tree = xr.DataTree.from_dict({"storm": storm(), "hope": fluxes()})
    assert len(plasma.view(tree)) == 4
    assert len(plasma.view(tree, variables=["dst", "bz"])) == 2
    assert len(plasma.view(tree, energy=100)) == 5
    assert isinstance(plasma.view(tree, time="2001-03-31T02"), hv.Layout)
    drawn(plasma.view(tree))


@pytest.mark.slow
def test_energies_that_change_with_time_are_drawn_as_energies():
    electrons = plasma.fetch("rbsp_hope_pad")["electron"].to_dataset()
    mean, flux = plasma.view(electrons.flux_omni), plasma.view(electrons.flux, energy=1000)
    assert [d.name for d in mean.kdims[:2]] == ["time", "energy"]
    assert mean.kdims[1].unit == "eV"
    assert "eV" in flux.vdims[0].label
    drawn(plasma.view(electrons, variables=["flux_omni"]))
    drawn(plasma.view(electrons.flux, time="2012-12-01T00:20"))


def test_the_shape_of_the_magnetopause_has_a_picture():
    nose = plasma.magnetopause(storm()).isel(time=2)
    theta = xr.DataArray(np.linspace(-120, 120, 25), dims="theta", attrs={"units": "deg"})
    drawn(plasma.view(plasma.magnetopause_shape(theta, nose.standoff, nose.flaring)))


@pytest.mark.slow
def test_exploring_gives_a_page_with_selectors():
    import panel as pn

    tree = xr.DataTree.from_dict({"storm": storm(), "hope": fluxes()})
    for data in (storm(), fluxes(), tree):
        assert isinstance(plasma.explore(data), pn.viewable.Viewable)


@pytest.mark.parametrize(
    ("call", "error", "named"),
    [
        (lambda: plasma.view([1, 2]), WrongData, "list"),
        (lambda: plasma.view(xr.DataTree()), WrongData, "no data"),
        (lambda: plasma.view(storm(), variables=["bt"]), UnknownVariable, "no bt"),
        (lambda: plasma.view(storm().dst, variables=["dst"]), BadOption, "single array"),
        (lambda: plasma.view(storm(), reference={"a": 1.0}), BadOption, "single array"),
        (lambda: plasma.view(storm().dst, reference={"a": "high"}), BadOption, "high"),
        (lambda: plasma.view(storm(), energy=100), BadOption, "energy="),
        (lambda: plasma.view(storm(), time="2001-03-31"), BadOption, "time="),
        (lambda: plasma.view(fluxes().protons), BadOption, "energy=10 to 1e"),
        (lambda: plasma.view(fluxes(), variables=["protons"]), BadOption, "energy=10 to 1e"),
        (lambda: plasma.view(fluxes().protons, energy=100, time="2001-03-31"), BadOption, "not both"),
        (lambda: plasma.view(fluxes().protons, energy=1e9), OutsideCoverage, "10 to 1000 eV"),
        (lambda: plasma.view(fluxes().protons, time="2011-03-31"), OutsideCoverage, "2001-03-31T05"),
        (lambda: plasma.view(xr.DataArray(1.0, name="one")), WrongData, "one has dims none"),
        (lambda: plasma.explore(xr.DataArray(1.0)), WrongData, "Dataset or DataTree"),
    ],
)
def test_what_has_no_picture_is_refused_with_the_reason(call, error, named):
    with pytest.raises(error, match=named):
        call()


def test_one_name_is_enough_to_choose_a_variable():
    assert plasma.view(storm(), variables="dst").vdims == plasma.view(storm(), variables=["dst"]).vdims


@pytest.mark.parametrize(
    ("call", "error", "named"),
    [
        (lambda: plasma.view(storm().dst, reference=-100), BadOption, "lines by name"),
        (lambda: plasma.view(storm(), reference=-100), BadOption, "lines by name"),
        (lambda: plasma.view(storm().dst, reference={"a": storm().dst}), BadOption, "dst holds 6"),
        (lambda: plasma.view(storm(), variables=5), BadOption, "list of names"),
        (lambda: plasma.view(storm(), variables=[]), BadOption, "list of names"),
        (lambda: plasma.view(storm().isel(time=slice(0, 0))), OutsideCoverage, "no record"),
        (lambda: plasma.view(storm().dst.isel(time=slice(0, 0))), OutsideCoverage, "dst holds no record"),
        (lambda: plasma.view(fluxes().protons.isel(time=slice(0, 0)), energy=100), OutsideCoverage, "no record"),
        (
            lambda: plasma.view(xr.DataTree.from_dict({"a": storm().isel(time=slice(0, 0))})),
            OutsideCoverage,
            "no record",
        ),
    ],
)
def test_what_is_asked_wrongly_or_of_nothing_is_refused(call, error, named):
    with pytest.raises(error, match=named):
        call()


def test_cells_of_solar_orbiter_lie_between_the_ends_of_its_bins():
    ions = plasma.fetch("solo_epd_hcad", "2020-07-13T04:00", "2020-07-13T04:02")["ion"].to_dataset()
    cells = plasma.view(ions.flux + 1.0).traverse(lambda e: e, [hv.Rectangles])[0]
    low, high = (np.unique(cells.dimension_values(dim)) for dim in cells.kdims[1::2])
    assert (low[0], high[0]) == pytest.approx((0.05175, 0.06748), rel=1e-5)


@pytest.mark.slow
def test_of_the_flare_of_2017_only_the_samples_with_a_warning_are_marked():
    goes = plasma.fetch("goes_xrs_20170910")
    marks = plasma.view(goes.xrs_b).traverse(lambda e: e, [hv.Scatter])
    assert {(mark.label, len(mark)) for mark in marks if mark.label} == {("particle spike", 146)}


@pytest.mark.slow
def test_a_spectrum_in_print_names_its_interval(tmp_path):
    times = np.datetime64("2020-01-01", "ns") + np.arange(500) * np.timedelta64(1, "s")
    noise = np.random.default_rng(1).normal(size=500)
    attrs = {"units": "nT", "long_name": "Field"}
    found = plasma.power_spectral_density(xr.DataArray(noise, {"time": times}, ["time"], "b", attrs))
    text = plasma.save(plasma.view(found), tmp_path / "spectrum.svg").read_text("utf-8")
    assert "95% interval" in text and "Frequency (Hz)" in text and "nT² / Hz" in text


# --------------------------------------------------------------------------------------------- without time


def noise(shape=(2000, 3)):
    time = HOURS[0] + np.arange(2000) * np.timedelta64(100, "ms")
    dims, axes = ["time", "component"], {"time": time, "component": list("xyz")}
    values = np.random.default_rng(3).normal(size=shape)
    return xr.DataArray(values, axes, dims, "b", {"units": "nT", "long_name": "Field", "frame": "GSE"})


@pytest.mark.slow
def test_a_spectrum_is_drawn_on_logarithmic_axes_with_its_bounds():
    spectrum = plasma.power_spectral_density(noise())
    (picture,) = plasma.view(spectrum)
    assert labels(picture) == {"x", "y", "z"}
    figure = drawn(picture)
    assert type(figure.x_scale).__name__ == type(figure.y_scale).__name__ == "LogScale"
    bands, lines = ([part for part in picture.values() if type(part) is kind] for kind in (hv.Area, hv.Curve))
    assert len(bands) == len(lines) == 3
    for band, line in zip(bands, lines, strict=True):
        assert (band.dimension_values(1) <= line.dimension_values(1)).all()
        assert (band.dimension_values(2) >= line.dimension_values(1)).all()
    assert (lines[0].dimension_values(0) > 0).all()  # no place for the mean on a logarithmic axis
    assert drawn(plasma.view(spectrum, variables="psd")) and drawn(plasma.view(spectrum.psd))


@pytest.mark.slow
def test_structure_functions_are_drawn_for_each_order():
    picture = plasma.view(plasma.structure_functions(noise(), orders=[1, 2]))
    assert {"order 1", "order 2"} <= labels(picture) and len(picture) == 3
    assert drawn(picture)


def test_the_outline_of_a_boundary_has_axes_of_one_scale():
    shock = plasma.bow_shock(model="farris_1991", aberration=0)
    picture = plasma.view(plasma.boundary_cut(shock, "xz"))
    across, up = (picture.dimension_values(place) for place in (0, 1))
    assert np.nanmax(across) == pytest.approx(float(shock.standoff)) and np.nanmax(up) > 24
    figure = drawn(picture)
    spans = figure.x_range.end - figure.x_range.start, figure.y_range.end - figure.y_range.start
    assert spans[0] / spans[1] == pytest.approx(figure.frame_width / figure.frame_height, rel=0.01)


def test_what_has_no_picture_says_what_to_do():
    with pytest.raises(WrongData, match="boundary_cut"):
        plasma.view(plasma.bow_shock(model="farris_1991"))
    with pytest.raises(WrongData, match=r"one component: .*component='x'"):
        plasma.view(plasma.power_spectral_density(noise(), window=100))


def test_wavelet_power_is_drawn_with_its_cone_of_influence():
    time = np.datetime64("2020-01-01", "ns") + np.arange(256) * np.timedelta64(1, "s")
    line = xr.DataArray(np.sin(np.arange(256.0)), {"time": time}, ["time"], "b", attrs={"units": "nT"})
    power = plasma.wavelet_power(line)
    for picture in (plasma.view(power.power), plasma.view(power).values()[0]):
        (cone,) = (element for element in picture if element.label == "cone of influence")
        expected = power.frequency.where(power.inside_cone).min("frequency").dropna("time")
        np.testing.assert_array_equal(cone.dimension_values(1), expected)


def test_tab_completion_shows_what_there_is_and_no_more():
    assert dir(plasma) == sorted(plasma.__all__)
