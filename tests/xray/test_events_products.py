"""Many events counted fast, the same to the last one; images that know the sky; exposure maps; tiles."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from tiers import examples

from analysis import xray
from analysis.errors import BadOption, MissingUnits, OutsideCoverage, WrongData, WrongUnits
from analysis.model import check
from analysis.xray import counting
from analysis.xray.counting import Columns, counted, in_order, reach_of


@pytest.fixture
def compiled(monkeypatch):
    """Use the compiled loops whatever the number of events."""
    monkeypatch.setattr(counting, "LONG", 1)
    from analysis.xray import detectors

    monkeypatch.setattr(detectors, "LONG", 1)


on_edges = st.integers(-3, 12).map(float) | st.floats(-3, 12) | st.just(float("nan"))


@pytest.mark.slow
@settings(max_examples=examples(25))
@given(rows=st.lists(st.tuples(on_edges, on_edges, st.floats(0, 9), st.integers(0, 9), st.booleans()), min_size=1))
def test_compiled_loops_count_as_numpy_does_edges_and_all(rows):
    x, y, t, pi, chosen = (np.array(v) for v in zip(*rows, strict=True))
    columns = Columns(x.size, x=x, y=y, times=t, energy=y, values=pi, chosen=chosen, band=(0.0, 8.0))
    edges = {
        "image": (np.arange(11.0), 0.1 * np.arange(101)),
        "curve": 0.3 * np.arange(31),
        "spectrum": np.arange(11) - 0.5,
    }
    slow, fast = counted(columns, **edges), counting._compiled(columns, *edges.values())
    for name in ("image", "curve", "spectrum"):
        np.testing.assert_array_equal(getattr(slow, name), getattr(fast, name))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["<f4", ">f4", "<f8", ">i2", "<u2", "<i8"])
def test_columns_of_any_kind_are_counted(kind):
    rng = np.random.default_rng(2)
    x, pi = rng.integers(0, 300, 5000).astype(kind), rng.integers(0, 100, 5000).astype(kind)
    columns = Columns(5000, x=x, y=x, values=pi)
    edges = np.arange(301) - 0.5
    slow = counted(columns, image=(edges, edges), spectrum=edges)
    fast = counting._compiled(columns, (edges, edges), None, edges)
    np.testing.assert_array_equal(slow.image, fast.image)
    np.testing.assert_array_equal(slow.spectrum, fast.spectrum)


@pytest.mark.slow
def test_long_lists_give_what_short_ones_give(m82, compiled):
    x, t = m82["events"].x.values, m82["events"].time.values
    fast = xray.event_products(m82, time_step=50, band=(0.5, 7), pixel_size=2)
    assert reach_of(x, x)[0].tolist() == [x.min(), x.max(), x.min(), x.max()]
    assert in_order(t) and not in_order(t[::-1]) and not in_order(np.append(t, np.nan))
    counting.LONG = 10**9  # the fixture puts it back
    slow = xray.event_products(m82, time_step=50, band=(0.5, 7), pixel_size=2)
    for name in ("image", "light_curve", "spectrum"):
        xr.testing.assert_identical(fast[name].to_dataset(), slow[name].to_dataset())


@pytest.mark.slow
def test_one_pass_gives_what_three_functions_give(m82):
    made = check(xray.event_products(m82, time_step="50 s", band=(0.5, 7), pixel_size=2, energy_step=0.1))
    xr.testing.assert_equal(made["image"].to_dataset(), xray.image(m82, bin_size=2, band=(0.5, 7)))
    xr.testing.assert_equal(made["light_curve"].to_dataset(), xray.light_curve(m82, 50, band=(0.5, 7)))
    xr.testing.assert_equal(made["spectrum"].to_dataset(), xray.event_spectrum(m82, bin_size=0.1))


@pytest.mark.parametrize(("options", "error"), [({"time_step": 0}, BadOption), ({"energy_step": -1}, BadOption)])
def test_products_refuse_as_the_single_functions_do(m82, options, error):
    with pytest.raises(error):
        xray.event_products(m82, **options)


def test_energies_lie_in_the_step_that_holds_them(made_events):
    energy = np.array([0.1, 0.3, 0.7, 1.1, 0.29999999999999993], dtype=float)
    spectrum = xray.event_spectrum(made_events(np.arange(5), [(0, 5)], energy=energy), bin_size=0.1)
    edges = np.append(spectrum.energy_low.values, spectrum.energy_high.values[-1])
    np.testing.assert_array_equal(spectrum.counts.values, np.histogram(energy, edges)[0])
    assert int(spectrum.counts.sum()) == 5


def test_channels_that_the_response_counts_otherwise_are_refused(made_events, made_response):
    tree = made_events([0, 1, 2], [(0, 5)], pi=[1999, 2000, 2999])
    listed = tree["events"].to_dataset()
    listed["pi"].attrs["channel_width"] = 0.001
    tree["events"] = listed
    rmf = made_response(np.eye(4))  # channels of 1 keV
    with pytest.raises(WrongData, match="1000 eV wide"):
        xray.event_spectrum(tree, rmf=rmf)
    assert xray.event_spectrum(tree, rmf=rmf, channel_width="1 keV").counts.values.tolist() == [0, 1, 2, 0]
    with pytest.raises(BadOption, match="not both"):
        xray.event_spectrum(tree, bin_size=1, channel_width="1 keV")
    with pytest.raises(MissingUnits):
        xray.event_spectrum(tree, rmf=rmf, channel_width=1)
    del listed["pi"].attrs["channel_width"]
    tree["events"] = listed
    with pytest.raises(WrongData, match="does not say which energy"):
        xray.event_spectrum(tree, rmf=rmf, channel_width="1 keV")


# ------------------------------------------------------------------------------------------ images on the sky


def test_a_place_on_the_sky_is_the_pixel_that_astropy_says(m82):
    image = xray.image(m82, bin_size=2)
    places = xray.sky_positions(m82)
    listed = m82["events"].to_dataset()
    some = slice(0, 4612, 97)
    found = image.sel(ra=places.ra.isel(event=some), dec=places.dec.isel(event=some), method="nearest")
    assert np.abs(found.x.values - listed.x.values[some]).max() <= 1 + 1e-6
    assert np.abs(found.y.values - listed.y.values[some]).max() <= 1 + 1e-6
    one = image.sel(ra=148.958, dec=69.680, method="nearest")
    assert one.counts.dims == () and abs(float(one.ra) - 148.958) < 2 * 2e-4


def test_every_pixel_has_the_place_that_astropy_wcs_gives(m82):
    from astropy.wcs import WCS

    image = xray.image(m82, bin_size=8)
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crpix = image.attrs["wcs_ctype"], image.attrs["wcs_crpix"]
    wcs.wcs.crval, wcs.wcs.cdelt = image.attrs["wcs_crval"], image.attrs["wcs_cdelt"]
    ra, dec = wcs.all_pix2world(*np.meshgrid(image.x.values, image.y.values), 1)
    np.testing.assert_array_equal(image.ra.values, ra)
    np.testing.assert_array_equal(image.dec.values, dec)


def test_a_cut_of_an_image_still_knows_the_sky(m82):
    image = xray.image(m82, bin_size=2)
    place = {"ra": 148.958, "dec": 69.680, "method": "nearest"}
    there = image.sel(**place)
    part = image.sel(x=slice(float(there.x) - 20, float(there.x) + 20), y=slice(float(there.y) - 20, None))
    assert "ra" in part.xindexes
    assert float(part.sel(**place).x) == float(there.x) and int(part.sel(**place).counts) == int(there.counts)
    np.testing.assert_allclose(part.ra.values, image.ra.sel(x=part.x, y=part.y).values, rtol=0, atol=1e-12)
    every = image.isel(x=slice(None, None, 2), y=slice(1, None, 2))
    np.testing.assert_allclose(every.dec.values, image.dec.values[1::2, ::2], rtol=0, atol=1e-12)
    row = image.isel(y=3)
    np.testing.assert_allclose(row.ra.values, image.ra.values[3], rtol=0, atol=1e-12)
    assert float((image - image).counts.sum()) == 0


@pytest.mark.slow
def test_an_image_survives_a_file_and_a_pickle(m82, tmp_path):
    import pickle

    image = xray.image(m82, bin_size=8)
    again = pickle.loads(pickle.dumps(image))
    assert int(again.sel(ra=148.958, dec=69.680, method="nearest").counts) >= 0
    image.to_netcdf(tmp_path / "image.nc")
    with xr.open_dataset(tmp_path / "image.nc") as held:
        np.testing.assert_array_equal(held["ra"].values, image.ra.values)
    xr.testing.assert_identical(image.copy(deep=True), image)


def test_places_off_the_image_are_refused(m82):
    image = xray.image(m82, bin_size=2)
    with pytest.raises(KeyError, match="not all on the image"):
        image.sel(ra=10.0, dec=10.0, method="nearest")
    with pytest.raises(KeyError, match="not all on the image"):
        image.sel(ra=float("nan"), dec=69.68, method="nearest")


def test_images_of_two_grids_do_not_mix(m82):
    with pytest.raises(ValueError, match="align"):
        xr.align(xray.image(m82, bin_size=2), xray.image(m82, bin_size=4), join="exact")


# ------------------------------------------------------------------------------------------ exposure maps


@pytest.fixture(scope="module")
def counts_image():
    return xray.image(xray.fetch("m82_acis_events"), bin_size=8)


def exposure(image, values, units="s"):
    array = xr.DataArray(np.broadcast_to(values, image.counts.shape).astype(float), dims=("y", "x"))
    return array.assign_coords(x=image.x, y=image.y).assign_attrs(units=units, long_name="Exposure")


def test_an_exposure_map_divides_each_pixel(counts_image):
    seconds = np.linspace(100, 900, counts_image.sizes["x"])
    made = check(xray.flux_image(counts_image, exposure(counts_image, seconds / 1000, "ks")))
    np.testing.assert_allclose(made.rate.values * seconds, counts_image.counts.values)
    assert made.rate.attrs["units"] == "ct s-1" and "ra" in made.xindexes
    area = xray.flux_image(counts_image, exposure(counts_image, 2.0, "m2 s"))
    assert area.rate.attrs["units"] == "ct cm-2 s-1"
    np.testing.assert_allclose(area.rate.values, counts_image.counts.values / 2e4)


def test_vignetting_takes_its_share_and_the_rim_is_left_out(counts_image):
    fraction = exposure(counts_image, np.linspace(1, 0.1, counts_image.sizes["x"]), "1")
    even = exposure(counts_image, 100.0)
    made = xray.flux_image(counts_image, even, vignetting=fraction)
    np.testing.assert_allclose(made.rate.values, counts_image.counts.values / (100 * fraction.values))
    cut = xray.flux_image(counts_image, even, vignetting=fraction, least=0.5)
    assert np.array_equal(np.isnan(cut.rate.values), fraction.values <= 0.5)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (lambda m: m.isel(x=slice(1, None)), WrongData, "another grid"),
        (lambda m: m.assign_coords(x=m.x + 1), WrongData, "another grid"),
        (lambda m: m.drop_vars("x"), WrongData, "coordinates y and x"),
        (lambda m: m.assign_attrs(units="cm2"), WrongUnits, "cm2 s"),
        (lambda m: m.assign_attrs(units=""), MissingUnits, "no unit"),
        (lambda m: -m, WrongData, "negative"),
        (lambda m: m * 0, WrongData, "saw nothing"),
        (lambda m: m.values, WrongData, "DataArray"),
    ],
)
def test_exposure_maps_that_do_not_fit_are_refused(counts_image, change, error, match):
    even = exposure(counts_image, 100.0)
    with xr.set_options(keep_attrs=True), pytest.raises(error, match=match):
        xray.flux_image(counts_image, change(even))


def test_a_vignetting_is_a_fraction(counts_image):
    even = exposure(counts_image, 100.0)
    with pytest.raises(WrongData, match="from 0 to 1"):
        xray.flux_image(counts_image, even, vignetting=exposure(counts_image, 1.5, "1"))
    with pytest.raises(BadOption, match="fraction"):
        xray.flux_image(counts_image, even, least=1)


# ------------------------------------------------------------------------------------------ tiles


@pytest.fixture(scope="module")
def tiled():
    tree = xray.fetch("msh1552_acis_events")
    one = xray.selected(tree, where={"ccd_id": 3})
    return one, check(xray.event_index(one, time_step="500 s"))


@pytest.mark.slow
@pytest.mark.parametrize("circle", [(4000, 4000, 1500), (3900.5, 4100.25, 300), (4000, 4200, 50), (3700, 4700, 5)])
def test_a_brushed_circle_is_a_full_scan(tiled, circle):
    tree, index = tiled
    x, y = (tree["events"][name].values.astype(float) for name in "xy")
    inside = (x - circle[0]) ** 2 + (y - circle[1]) ** 2 <= circle[2] ** 2
    if not inside.any():
        with pytest.raises(OutsideCoverage):
            xray.brushed(index, circle=circle)
        return
    cut = tree.copy()
    cut["events"] = tree["events"].to_dataset().isel(event=np.flatnonzero(inside))
    made = check(xray.brushed(index, circle=circle))
    curve = xray.light_curve(cut, 500)
    np.testing.assert_array_equal(made.counts.values, curve.counts.values)
    np.testing.assert_allclose(made.rate.values, curve.rate.values)
    spectrum = xray.event_spectrum(cut)
    np.testing.assert_array_equal(made.spectrum.sel(channel=spectrum.channel).values, spectrum.counts.values)
    assert int(made.spectrum.sum()) == inside.sum()


@pytest.mark.slow
@pytest.mark.parametrize("box", [((3500, 4500), (3500, 4500)), ((3900.5, 3901), (4100, 4300)), ((0, 9000), (0, 9000))])
def test_a_brushed_box_is_a_selection(tiled, box):
    tree, index = tiled
    cut = xray.selected(tree, x=box[0], y=box[1])
    made = xray.brushed(index, x=box[0], y=box[1])
    assert int(made.counts.sum()) == cut["events"].sizes["event"]
    np.testing.assert_array_equal(made.counts.values, xray.light_curve(cut, 500).counts.values)


@pytest.mark.slow
def test_brushes_that_cannot_be_used_are_refused(tiled):
    tree, index = tiled
    bad = (
        {},
        {"x": (1, 2)},
        {"circle": (1, 2)},
        {"circle": (1, 2, 0)},
        {"circle": (1, 2, 3), "x": (1, 2), "y": (1, 2)},
    )
    for options in (*bad, {"x": (2, 1), "y": (1, 2)}, {"x": "ab", "y": (1, 2)}):
        with pytest.raises(BadOption):
            xray.brushed(index, **options)
    with pytest.raises(WrongData, match="event_index"):
        xray.brushed(tree["events"].to_dataset(), circle=(1, 2, 3))
    with pytest.raises(OutsideCoverage, match="no event"):
        xray.brushed(index, circle=(1, 1, 1))
    with pytest.raises(BadOption, match="too many"):
        xray.event_index(tree, time_step=0.01)


def test_chips_with_times_of_their_own_are_told_to_be_taken_apart():
    with pytest.raises(WrongData, match="ccd_id"):
        xray.event_index(xray.fetch("msh1552_acis_events"))
