"""Events in regions and by their columns: what the regions package says, event by event."""

import numpy as np
import pytest
import xarray as xr
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS

from analysis import xray
from analysis.errors import BadOption, MissingFile, OutsideCoverage, UnknownVariable, WrongData
from analysis.model import check

regions = pytest.importorskip("regions")
ULX = "148.958, 69.680"


def wcs_of(listed, frame="ICRS"):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crpix = listed.attrs["wcs_ctype"], listed.attrs["wcs_crpix"]
    wcs.wcs.crval, wcs.wcs.cdelt = listed.attrs["wcs_crval"], listed.attrs["wcs_cdelt"]
    wcs.wcs.cunit, wcs.wcs.radesys = ["deg", "deg"], frame
    return wcs


SHAPES = {
    "circle": f'icrs; circle({ULX}, 15")',
    "fk5": f'fk5; circle({ULX}, 15")',
    "galactic": 'galactic; circle(141.41, 40.57, 30")',
    "box": f'icrs; box({ULX}, 30", 10", 30)',
    "ellipse": f'icrs; ellipse({ULX}, 20", 8", 45)',
    "annulus": f'icrs; annulus({ULX}, 5", 15")',
    "polygon": "icrs; polygon(148.94, 69.67, 148.98, 69.67, 148.96, 69.69)",
    "physical": "physical; circle(4150, 4080, 40)",
}


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_an_event_is_inside_where_the_regions_package_says_so(m82, shape):
    listed = m82["events"].to_dataset()
    text = SHAPES[shape]
    cut = check(xray.in_region(m82, text))
    x, y = (listed[name].values.astype(float) for name in "xy")
    wcs = wcs_of(listed)
    (one,) = regions.Regions.parse(text.replace("physical", "image"), format="ds9")
    if isinstance(one, regions.SkyRegion):
        inside = one.contains(SkyCoord(*wcs.all_pix2world(x, y, 1), unit="deg", frame="icrs"), wcs)
    else:
        inside = one.contains(regions.PixCoord(x - 1, y - 1))
    assert 0 < inside.sum() < x.size
    np.testing.assert_array_equal(cut["events"].time.values, listed.time.values[inside])
    assert cut["events"].attrs["region"] == text


def test_a_small_circle_holds_what_the_true_circle_on_the_sphere_holds(m82):
    flat = xray.in_region(m82, f'icrs; circle({ULX}, 15")')
    true = xray.within(m82, "148.958 69.680", "15 arcsec")
    assert abs(flat["events"].sizes["event"] - true["events"].sizes["event"]) <= 1


@pytest.mark.slow
def test_excluded_shapes_are_cut_out_and_areas_follow(m82):
    ring = f'icrs; circle({ULX}, 15"); -circle({ULX}, 5")'
    whole, hole, left = (
        xray.in_region(m82, t) for t in (f'icrs; circle({ULX}, 15")', f'icrs; circle({ULX}, 5")', ring)
    )
    n = [tree["events"].sizes["event"] for tree in (whole, hole, left)]
    assert n[2] == n[0] - n[1]
    assert float(xray.region_area(m82, ring)) == pytest.approx(np.pi * (15**2 - 5**2), rel=2e-4)
    assert float(xray.region_area(m82, f'icrs; annulus({ULX}, 5", 15")')) == pytest.approx(np.pi * 200, rel=1e-5)


def test_only_excluding_keeps_the_rest_and_has_no_area(m82):
    text = f'icrs; -circle({ULX}, 5")'
    rest, hole = xray.in_region(m82, text), xray.in_region(m82, f'icrs; circle({ULX}, 5")')
    assert rest["events"].sizes["event"] + hole["events"].sizes["event"] == 4612
    assert "region_area" not in rest["events"].attrs
    with pytest.raises(BadOption, match="only excludes"):
        xray.region_area(m82, text)


@pytest.mark.slow
def test_overlapping_shapes_are_a_union(m82):
    both = xray.in_region(m82, f'icrs; circle({ULX}, 10"); circle({ULX}, 15")')
    assert both["events"].sizes["event"] == xray.in_region(m82, f'icrs; circle({ULX}, 15")')["events"].sizes["event"]
    area = xray.region_area(m82, f'icrs; circle({ULX}, 10"); circle({ULX}, 15")')
    assert float(area) == pytest.approx(np.pi * 225, rel=2e-4) and "grid" in area.attrs["method"]


@pytest.mark.slow
def test_a_file_of_ds9_and_objects_of_the_package_say_the_same(m82, tmp_path):
    text = f'# Region file format: DS9\nglobal color=green\nfk5\ncircle({ULX},15") # text={{ULX}}\n-circle({ULX},5")\n'
    path = tmp_path / "source.reg"
    path.write_text(text)
    shapes = regions.Regions.parse(text, format="ds9")
    by_file, by_name, by_objects = (xray.in_region(m82, given) for given in (path, str(path), shapes))
    xr.testing.assert_equal(by_file["events"].to_dataset(), by_objects["events"].to_dataset())
    xr.testing.assert_equal(by_file["events"].to_dataset(), by_name["events"].to_dataset())


@pytest.mark.slow
def test_compound_regions_are_taken(m82):
    one, two = regions.Regions.parse("image; circle(4150, 4080, 40); circle(4180, 4080, 40)", format="ds9")
    both = xray.in_region(m82, one & two)
    assert 0 < both["events"].sizes["event"] < xray.in_region(m82, one)["events"].sizes["event"]
    assert "region_area" in both["events"].attrs


def test_image_coordinates_need_their_image(m82):
    image = xray.image(m82, bin_size=4)
    x, y = 4150.0, 4080.0
    column, row = ((v - float(image[d][0])) / 4 + 1 for v, d in ((x, "x"), (y, "y")))
    text = f"image; circle({column}, {row}, 10)"
    with pytest.raises(BadOption, match="image=, the image"):
        xray.in_region(m82, text)
    found = xray.in_region(m82, text, image=image)
    same = xray.in_region(m82, f"physical; circle({x}, {y}, 40)")
    xr.testing.assert_equal(found["events"].to_dataset(), same["events"].to_dataset())
    areas = [
        float(xray.region_area(m82, t, image=i)) for t, i in ((text, image), (f"physical; circle({x},{y},40)", None))
    ]
    assert areas[0] == pytest.approx(areas[1])


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("panda(1,1,0,90,1,1,3,1)", "read whole"),
        ('fk5; circle(148.9, 69.6, 5"); pie(1,1,1,2,3,4)', "read whole"),
        ("circle(3, 4, 5)", "read whole"),
        ("garbage((", "read whole"),
        ("fk5; point(148.9, 69.6)", "no inside"),
        ("physical; circle(1,1,2); image; circle(1,1,2)", "mixes"),
        (5, "is no region"),
        ([], "no shape"),
    ],
)
def test_what_cannot_be_read_whole_is_refused(m82, text, match):
    with pytest.raises(BadOption, match=match):
        xray.in_region(m82, text)


def test_missing_files_places_and_events_are_told(m82, made_events):
    with pytest.raises(MissingFile, match=r"nowhere\.reg"):
        xray.in_region(m82, "nowhere.reg")
    with pytest.raises(OutsideCoverage, match="the events have x from"):
        xray.in_region(m82, 'fk5; circle(148, 69, 5")')
    for look in (xray.in_region, xray.region_area):
        with pytest.raises(OutsideCoverage, match="far side"):
            look(m82, 'fk5; circle(328, -69, 5")')
    with pytest.raises(WrongData, match="sky"):
        xray.in_region(made_events([1], [(0, 2)], x=[1.0], y=[1.0]), 'fk5; circle(10, 10, 5")')
    with pytest.raises(UnknownVariable, match="'x'"):
        xray.in_region(made_events([1], [(0, 2)]), "physical; circle(10, 10, 5)")


def test_a_list_without_a_sky_has_areas_in_pixels(made_events):
    tree = made_events([1], [(0, 2)], x=[5.0], y=[5.0])
    assert float(xray.region_area(tree, "physical; box(5, 5, 4, 2, 0)")) == 8
    assert xray.in_region(tree, "physical; box(5, 5, 4, 2, 0)")["events"].attrs["region_area_units"] == "pix2"


def test_source_and_background_are_scaled_by_their_areas(m82):
    source, behind = f'icrs; circle({ULX}, 5")', f'icrs; annulus({ULX}, 10", 20")'
    ratio = xray.area_ratio(m82, source, behind)
    assert float(ratio) == pytest.approx(25 / 300)
    spectra = [xray.event_spectrum(xray.in_region(m82, region), rmf=None) for region in (source, behind)]
    assert float(spectra[0].backscal / spectra[1].backscal) == pytest.approx(float(ratio))


def test_a_second_cut_forgets_the_area(m82):
    cut = xray.in_region(m82, f'icrs; circle({ULX}, 15")')
    assert cut["events"].attrs["region_area"] == pytest.approx(np.pi * 225, rel=1e-5)
    for further in (
        xray.within(cut, "148.958 69.680", "3 arcsec"),
        xray.in_region(cut, f'icrs; circle({ULX}, 3")'),
        xray.selected(cut, x=(4400, 4460)),
    ):
        assert "region_area" not in further["events"].attrs
        assert "backscal" not in xray.event_spectrum(further)


# ------------------------------------------------------------------------------------------ columns and bits


def test_columns_are_chosen_by_value_list_and_range(m82):
    grade = m82["events"].grade.values
    for wanted, inside in ((0, grade == 0), ([0, 2, 3, 4, 6], np.isin(grade, [0, 2, 3, 4, 6])), ((0, 4), grade <= 4)):
        cut = check(xray.selected(m82, where={"grade": wanted}))
        assert cut["events"].sizes["event"] == inside.sum()
        assert "grade" in cut["events"].attrs["history"]


def test_bits_are_tested_one_by_one(made_events):
    tree = made_events([0, 1, 2, 3], [(0, 5)])
    flag = np.array([0, 0b0101, 0b0010, 0x766BA000], dtype=np.int32)
    tree["events"] = tree["events"].to_dataset().assign(flag=("event", flag, {"units": "1", "long_name": "Flag"}))
    assert xray.selected(tree, bits_unset={"flag": 0b0001})["events"].time.values.tolist() == [0, 2, 3]
    assert xray.selected(tree, bits_set={"flag": 0b0101})["events"].time.values.tolist() == [1]
    assert xray.selected(tree, bits_unset={"flag": 0x766BA000})["events"].time.values.tolist() == [0, 1, 2]
    assert xray.selected(tree, where={"flag": 0})["events"].sizes["event"] == 1
    for mask in (0, -1, 1.5, True, 2**40):
        with pytest.raises(BadOption, match="mask"):
            xray.selected(tree, bits_unset={"flag": mask})
    with pytest.raises(BadOption, match="no bits"):
        xray.selected(tree, bits_unset={"time": 1})


@pytest.mark.parametrize("wanted", [(4, 0), (0, 1, 2), "many", {}, [], None, [[1], [2, 3]], True, float("nan")])
def test_what_is_no_choice_is_refused(m82, wanted):
    with pytest.raises(BadOption, match="no choice of values"):
        xray.selected(m82, where={"grade": wanted})
    for name in ("where", "bits_unset", "bits_set"):
        with pytest.raises(BadOption, match="no mapping"):
            xray.selected(m82, **{name: "grade"})
    with pytest.raises(UnknownVariable, match="grad"):
        xray.selected(m82, where={"grad": 0})


def test_circles_and_boxes_know_their_area_until_a_second_cut(m82):
    circle, box = xray.within(m82, "148.96 69.68", "20 arcsec"), xray.selected(m82, x=(4000, 4200), y=(4000, 4100))
    assert circle["events"].attrs["region_area"] == pytest.approx(np.pi * 400, rel=1e-6)
    side = abs(m82["events"].attrs["wcs_cdelt"][0]) * 3600
    assert box["events"].attrs["region_area"] == pytest.approx(200 * 100 * side**2)
    whole_sphere = xray.within(m82, "148.96 69.68", "180 deg")["events"].attrs["region_area"]
    assert whole_sphere == pytest.approx(4 * np.pi * (180 * 3600 / np.pi) ** 2)
    twice = xray.within(xray.selected(m82, x=(0, 9000), y=(0, 9000)), "148.96 69.68", "20 arcsec")
    for cut in (twice, xray.selected(circle, x=(0, 9000), y=(0, 9000)), xray.selected(m82, x=(0, 9000))):
        assert "region_area" not in cut["events"].attrs


def test_regions_whose_sizes_cannot_be_compared_are_no_source_and_background(m82):
    small, large = (xray.event_spectrum(xray.within(m82, "148.96 69.68", r)) for r in ("10 arcsec", "20 arcsec"))
    net, alone = (xray.count_rate(small.isel(channel=slice(20, 60)), background=b) for b in (
        large.reindex(channel=small.channel, fill_value=0).isel(channel=slice(20, 60)), None))  # fmt: skip
    within = large.counts.sel(channel=small.channel[20:60]).sum() / large.exposure / 4
    assert float(alone.rate - net.net_rate) == pytest.approx(float(within), rel=1e-6)
    whole = xray.event_spectrum(m82).reindex(channel=small.channel, fill_value=0)
    for source, behind in ((small, whole), (whole, small)):
        with pytest.raises(WrongData, match="BACKSCAL"):
            xray.count_rate(source, background=behind)
    twice = [xray.event_spectrum(xray.selected(xray.within(m82, "148.96 69.68", r), x=(0, 9000))) for r in
             ("10 arcsec", "20 arcsec")]  # fmt: skip
    with pytest.raises(WrongData, match="neither has a BACKSCAL"):
        xray.count_rate(twice[0], background=twice[1].reindex(channel=twice[0].channel, fill_value=0))
    plain = [data.drop_attrs(deep=False) for data in twice]  # nothing is said of regions: the same one, as OGIP has it
    assert "net_rate" in xray.count_rate(plain[0], background=plain[1].reindex(channel=plain[0].channel, fill_value=0))
