"""Brushing an event index counts what a cut of the whole list counts; selections survive files and other skies."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis import formats, xray
from analysis.errors import (
    BadOption,
    CorruptFile,
    MissingFile,
    OutsideCoverage,
    StoreError,
    UnknownFormat,
    UnknownVariable,
    WrongData,
)
from analysis.model import check
from analysis.xray.plane_shapes import PlaneShape, area, contains, plane_shape

DAY = "1998-01-01T"  # the clock of the events made up here begins then, 63.184 s before 0 h UTC
STAR = [(10, 2), (15, 18), (2, 8), (18, 8), (5, 18)]
WCS = {
    "wcs_ctype": ["RA---TAN", "DEC--TAN"],
    "wcs_crpix": [50.0, 50.0],
    "wcs_crval": [150.0, 60.0],
    "wcs_cdelt": [-1 / 3600, 1 / 3600],
    "radecsys": "ICRS",
}
OTHER = WCS | {"wcs_crpix": [500.0, 400.0], "wcs_crval": [150.005, 59.998], "wcs_cdelt": [-0.5 / 3600, 0.5 / 3600]}


@pytest.fixture(scope="module")
def tree(made_events):
    """Return events on whole pixels, many of them on edges of each other's regions, some without place or energy."""
    rng = np.random.default_rng(3)
    n = 4000
    x, y = (rng.integers(0, 21, n).astype("f4") for _ in "xy")
    x[:40], energy = np.nan, rng.integers(1, 90, n).astype("f4") / np.float32(10)
    energy[100:130] = np.nan
    made = made_events(
        np.sort(rng.uniform(0, 1000, n)), [(10, 400), (500, 990)], x=x, y=y, energy=energy, pi=rng.integers(0, 50, n),
        exposure=792.0, ontime=880.0, livetime=792.0, **WCS,
    )  # fmt: skip
    listed = made["events"].to_dataset()
    grade = ("event", rng.integers(0, 8, n).astype("i2"), {"units": "1", "long_name": "Grade"})
    made["events"] = listed.assign(grade=grade)
    return made


@pytest.fixture(scope="module")
def index(tree):
    return check(xray.event_index(tree, time_step=20, column="grade"))


def counted(tree, cut):
    """Return curve, spectrum and histogram of grade of a cut list by numpy, in the bins of the whole one."""
    time, pi, grade = (cut["events"][name].values for name in ("time", "pi", "grade"))
    good = ((time >= 10) & (time <= 400)) | ((time >= 500) & (time <= 990))
    return (
        np.histogram(time[good], 10 + 20.0 * np.arange(50))[0],
        np.bincount(pi[good], minlength=50),
        np.bincount(grade[good], minlength=8),
    )


regions = st.one_of(
    st.none(),
    st.tuples(st.just("circle"), st.tuples(st.integers(-2, 22), st.integers(-2, 22), st.integers(1, 15))),
    st.tuples(
        st.just("ellipse"),
        st.tuples(*[st.integers(-2, 22)] * 2, *[st.integers(1, 15)] * 2, st.sampled_from([0, 30, 90, 137.5])),
    ),
    st.tuples(st.just("box"), st.tuples(*[st.integers(-2, 10), st.integers(11, 23)] * 2)),
    st.tuples(
        st.just("polygon"), st.lists(st.tuples(st.integers(-2, 22), st.integers(-2, 22)), min_size=3, max_size=9)
    ),
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    region=regions,
    band=st.one_of(st.none(), st.tuples(st.integers(0, 40), st.integers(41, 95))),
    time=st.one_of(st.none(), st.tuples(st.integers(0, 7), st.integers(8, 16))),
    grade=st.one_of(st.none(), st.tuples(st.integers(0, 3), st.integers(4, 8))),
)
@pytest.mark.slow
def test_what_is_brushed_is_what_a_cut_of_the_whole_list_counts(tree, index, region, band, time, grade):
    options = {}
    if region is not None:
        kind, numbers = region
        options = {kind: numbers} if kind != "box" else {"x": numbers[:2], "y": numbers[2:]}
    if band is not None:
        options["band"] = (band[0] / 10, band[1] / 10)
    if time is not None:
        options["time"] = (f"{DAY}00:{time[0]:02d}", f"{DAY}00:{time[1]:02d}")
    if not options and grade is None:
        return
    try:
        chosen = xray.selection("any", tree, column=("grade", *grade) if grade else None, **options)
    except BadOption:  # a polygon without area
        with pytest.raises(BadOption):
            xray.brushed(index, column=grade, **options)
        return
    try:
        expected = counted(tree, xray.in_selection(tree, chosen))
    except OutsideCoverage:
        expected = (np.zeros(1),)
    if not expected[0].sum():
        with pytest.raises(OutsideCoverage):
            xray.brushed(index, column=grade, **options)
        return
    made = xray.brushed(index, column=grade, **options)
    for name, values in zip(("counts", "spectrum", "histogram"), expected, strict=True):
        np.testing.assert_array_equal(made[name].values, values)
    assert made.attrs["events"] == expected[1].sum()
    same = xray.brushed(index, chosen)
    np.testing.assert_array_equal(same.spectrum.values, made.spectrum.values)


def test_ranges_are_cut_as_selected_cuts_them_to_the_last_digit_of_a_float32(tree, index):
    for low, high in ((0.7, 4.1), (0.1, 0.3), (2.3, 8.9)):
        cut = xray.selected(tree, band=(low, high), x=(3, 9), y=(2, 20))
        made = xray.brushed(index, band=(low, high), x=(3, 9), y=(2, 20))
        np.testing.assert_array_equal(made.spectrum.values, counted(tree, cut)[1])


@pytest.mark.slow
def test_ends_of_boxes_and_times_belong_below_and_not_above_to_the_last_digit(made_events):
    places = np.array([3.1, 4.7, 3.1, 4.7, 9], "f4")  # in float32 the first is above 3.1, the second below 4.7
    seconds = np.array([63.184, 64.184, 65.184, 66.184, 67.184])
    few = made_events(seconds, [(60, 70)], x=places, y=places, energy=np.ones(5, "f4"), pi=np.ones(5, int))
    index = xray.event_index(few, time_step=1)
    for options, expected in (
        ({"x": (3.1, 4.7), "y": (3.1, 4.7)}, [True, False, True, False, False]),
        ({"x": (4.7, 9), "y": (4.7, 9)}, [False, True, False, True, False]),
        ({"time": (f"{DAY}00:00:00", f"{DAY}00:00:02")}, [True, True, False, False, False]),
    ):
        chosen = xray.selection("edge", few, **options)
        assert xray.selection_mask(few, chosen).values.tolist() == expected
        assert xray.in_selection(few, chosen)["events"].sizes["event"] == sum(expected)
        assert xray.brushed(index, chosen).attrs["events"] == sum(expected)


def test_the_exposure_of_a_brushed_time_is_its_good_time(tree, index):
    times = (f"{DAY}00:04", f"{DAY}00:10")
    made = check(xray.brushed(index, time=times))
    cut = xray.selected(tree, time=times)
    good = float((cut["gti"].stop - cut["gti"].start).sum())
    assert made.attrs["ontime"] == pytest.approx(good)
    assert float(made.exposure.sum()) == pytest.approx(good)
    assert made.attrs["livetime"] == pytest.approx(0.9 * good)
    seen = made.counts.values[made.exposure.values > 0]
    np.testing.assert_allclose(
        made.rate.values[made.exposure.values > 0] * made.exposure.values[made.exposure > 0], seen
    )


def test_the_image_of_a_band_is_that_of_the_whole_list(tree, index):
    made, theirs = check(xray.brushed_image(index, band=(0.7, 4))), xray.image(tree, band=(0.7, 4))
    np.testing.assert_array_equal(made.counts.values, theirs.counts.values)
    np.testing.assert_array_equal(made.x.values, theirs.x.values)


def test_events_that_are_not_in_order_give_the_same_counts(tree, index):
    mixed = tree.copy()
    mixed["events"] = tree["events"].to_dataset().isel(event=np.random.default_rng(0).permutation(4000))
    options = {"polygon": STAR, "time": (f"{DAY}00:03", f"{DAY}00:12"), "band": (1, 5)}
    again = xray.brushed(xray.event_index(mixed, time_step=20, column="grade"), **options)
    assert again.identical(xray.brushed(index, **options).assign_attrs(again.attrs))


def test_all_events_in_one_pixel_and_none_with_a_place(made_events):
    time = np.arange(50.0)
    one = made_events(time, [(0, 49)], x=np.full(50, 7.0), y=np.full(50, 7.0), pi=np.zeros(50, int))
    index = xray.event_index(one, time_step=10)
    assert xray.brushed(index, circle=(7, 7, 1e-3)).attrs["events"] == 50
    with pytest.raises(OutsideCoverage, match="no event"):
        xray.brushed(index, x=(8, 9), y=(0, 20))
    lost = made_events(time, [(0, 49)], x=np.full(50, np.nan), y=np.full(50, 7.0), pi=np.zeros(50, int))
    with pytest.raises(OutsideCoverage, match="position"):
        xray.event_index(lost, time_step=10)


def test_brushes_that_make_no_sense_are_refused(tree, index):
    for options in (
        {"polygon": [(0, 0), (1, 1)]},
        {"polygon": [(0, 0), (1, 1), (2, 2)]},
        {"polygon": [(0, 0), (1, np.nan), (2, 2)]},
        {"polygon": "abc"},
        {"polygon": STAR, "circle": (1, 1, 1)},
        {"band": (3, 2)},
        {"column": (3, 2)},
        {},
    ):
        with pytest.raises(BadOption):
            xray.brushed(index, **options)
    with pytest.raises(OutsideCoverage, match="good time"):
        xray.brushed(index, time=("2001-01-01", "2001-01-02"))
    with pytest.raises(UnknownVariable, match="column="):
        xray.brushed(xray.event_index(tree, time_step=20), column=(1, 2))
    with pytest.raises(BadOption, match="not both"):
        xray.brushed(index, xray.selection("a", tree, band=(1, 2)), band=(1, 2))
    with pytest.raises(UnknownVariable, match="nothere"):
        xray.event_index(tree, column="nothere")


# ------------------------------------------------------------------------------------------ shapes


def test_a_polygon_that_crosses_itself_has_the_area_that_its_rule_says():
    star = plane_shape("test", polygon=STAR)
    step = 0.02
    x, y = np.meshgrid(np.arange(0, 20, step) + step / 2, np.arange(0, 20, step) + step / 2)
    assert area(star) == pytest.approx(float(contains(star, x.ravel(), y.ravel()).sum()) * step**2, rel=2e-3)
    assert not contains(star, np.array([10.0]), np.array([10.5]))[0]  # wound around twice


@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=3, max_size=3))
def test_the_area_of_a_triangle_is_half_its_cross_product(corners):
    (a, b), (c, d), (e, f) = corners
    half = abs((c - a) * (f - b) - (e - a) * (d - b)) / 2
    if half > 1e-3:
        assert area(PlaneShape("polygon", (a, b, c, d, e, f))) == pytest.approx(half, rel=1e-6)


# ------------------------------------------------------------------------------------------ selections


@pytest.fixture(
    params=[
        {"circle": (10, 11, 6.5)},
        {"ellipse": (10, 11, 8.5, 3.25, 30)},
        {"x": (3.5, 9), "y": (2, 17.25)},
        {"polygon": STAR},
        {"band": (0.5, 2)},
        {"time": (f"{DAY}00:03", None)},
        {"column": ("grade", 0, 4)},
        {"circle": (10, 11, 6.5), "band": (0.5, 2), "time": (f"{DAY}00:03", f"{DAY}00:12"), "column": ("grade", 0, 4)},
    ],
    ids=lambda options: " ".join(options),
)
def chosen(request, tree):
    return xray.selection("a name, with Ümläut", tree, **request.param)


def test_a_selection_comes_back_from_its_file(tree, chosen, tmp_path):
    path = xray.save_selection(chosen, tmp_path / "a.json")
    again = xray.read_selection(path)
    assert again == chosen
    np.testing.assert_array_equal(xray.selection_mask(tree, again), xray.selection_mask(tree, chosen))
    with pytest.raises(BadOption, match="overwrite"):
        xray.save_selection(chosen, path)
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_mask_is_what_is_cut(tree, chosen):
    cut = check(xray.in_selection(tree, chosen)["events"].to_dataset())
    mask = xray.selection_mask(tree, chosen)
    np.testing.assert_array_equal(cut.time.values, tree["events"].time.values[mask.values])


def test_the_region_for_ds9_holds_the_same_events_off_its_edges(tree, tmp_path):
    ellipse = (10.1, 11.2, 8.5, 3.25, 30)
    for options in (
        {"circle": (10, 11, 6.49)},
        {"ellipse": ellipse},
        {"x": (3.5, 9.5), "y": (2.5, 17.25)},
        {"polygon": np.add(STAR, 0.13)},
    ):
        chosen = xray.selection("a {b}", tree, **options)
        file = tmp_path / "a.reg"
        file.write_text(xray.selection_region(chosen))
        theirs = xray.in_region(tree, file)["events"].time.values
        np.testing.assert_array_equal(xray.in_selection(tree, chosen)["events"].time.values, theirs)
        plain = xray.selection("a", tree["events"].to_dataset().drop_attrs(deep=False), **options)
        assert "physical" in xray.selection_region(plain)
        np.testing.assert_array_equal(xray.in_region(tree, xray.selection_region(plain))["events"].time.values, theirs)
    with pytest.raises(BadOption, match="no region"):
        xray.selection_region(xray.selection("soft", tree, band=(1, 2)))


def test_good_times_of_a_selection_go_through_a_gti_file(tree, tmp_path):
    chosen = xray.selection("part", tree, time=(f"{DAY}00:04", f"{DAY}00:10"))
    good = check(xray.selection_good_times(tree, chosen))
    again = formats.read(formats.write(good, tmp_path / "part.gti"))
    kept = xray.in_good_times(tree, again)["events"]
    cut = xray.in_selection(tree, chosen)["events"]
    inside = (cut.time.values >= 10) & ((cut.time.values <= 400) | (cut.time.values >= 500))
    np.testing.assert_array_equal(kept.time.values, cut.time.values[inside])
    assert xray.selection_good_times(tree, xray.selection("all", tree, band=(1, 2))).sizes["interval"] == 2
    with pytest.raises(OutsideCoverage):
        xray.selection_good_times(tree, xray.selection("late", tree, time=("2001-01-01", "2001-01-02")))


def test_a_region_finds_the_same_sky_in_another_observation(tree, made_events):
    from astropy.wcs import WCS as Wcs

    def wcs(attrs):
        made = Wcs(naxis=2)
        made.wcs.ctype, made.wcs.crpix, made.wcs.crval, made.wcs.cdelt = (
            attrs[f"wcs_{key}"] for key in ("ctype", "crpix", "crval", "cdelt")
        )
        return made

    listed = tree["events"].to_dataset()
    sky = wcs(WCS).all_pix2world(listed.x.values.astype(float), listed.y.values.astype(float), 1)
    x, y = wcs(OTHER).all_world2pix(*sky, 1)
    there = made_events(listed.time, [(0, 1000)], x=x, y=y, energy=listed.energy, pi=listed.pi, **OTHER)
    ellipse = (10.1, 11.2, 8.5, 3.25, 30)
    for options in (
        {"circle": (10, 11, 6.45)},
        {"ellipse": ellipse},
        {"x": (3.5, 9.5), "y": (2.5, 17.5)},
        {"polygon": np.add(STAR, 0.13)},
    ):
        chosen = xray.selection("a", tree, band=(1, 5), **options)
        cut = xray.in_selection(there, chosen)["events"]
        theirs = xray.in_selection(tree, chosen)["events"]
        np.testing.assert_array_equal(cut.time.values, theirs.time.values)
        assert cut.attrs["region_area"] == pytest.approx(theirs.attrs["region_area"], rel=1e-4)


@pytest.mark.slow
def test_a_region_is_carried_to_the_equinox_of_another_list(tree, made_events):
    from astropy.coordinates import FK5, SkyCoord

    centre = SkyCoord(*WCS["wcs_crval"], unit="deg").transform_to(FK5(equinox="J1950"))
    old = WCS | {"radecsys": "FK5", "equinox": 1950.0, "wcs_crval": [float(centre.ra.deg), float(centre.dec.deg)]}
    there = made_events([1.0, 2], [(0, 3)], x=[50.0, 51.5], y=[50.0, 50], energy=[1.0, 1.0], pi=[1, 1], **old)
    chosen = xray.selection("a", tree, circle=(50, 50, 1))
    assert xray.selection_mask(there, chosen).values.tolist() == [True, False]


def test_a_region_is_not_carried_to_a_list_without_a_sky(tree, made_events):
    blind = made_events([1.0, 2], [(0, 3)], x=[1.0, 10], y=[1.0, 11], energy=[1.0, 1.0], pi=[1, 1])
    chosen = xray.selection("core", tree, circle=(10, 11, 3), band=(0.5, 2))
    with pytest.raises(WrongData, match="parts="):
        xray.in_selection(blind, chosen)
    assert xray.in_selection(blind, chosen, parts=["band"])["events"].sizes["event"] == 2
    with pytest.raises(BadOption, match="parts"):
        xray.in_selection(tree, chosen, parts=["bands"])
    with pytest.raises(BadOption, match="no selection"):
        xray.in_selection(tree, "core")


def test_a_region_is_not_for_events_without_positions(tree, made_events):
    clock = made_events([1.0, 2], [(0, 3)], energy=[1.0, 1.0], pi=[1, 1])
    with pytest.raises(UnknownVariable, match=r"no x and y.*parts="):
        xray.in_selection(clock, xray.selection("core", tree, circle=(10, 11, 3)))
    with pytest.raises(UnknownVariable, match="no x and y"):
        xray.selection("core", clock, circle=(10, 11, 3))
    assert xray.in_selection(clock, xray.selection("soft", clock, band=(0.5, 2)))["events"].sizes["event"] == 2


@pytest.mark.slow
def test_a_selection_of_a_column_in_another_unit_brushes_the_same_events(tree):
    there = tree.copy()
    seconds = {"units": "s", "long_name": "Delay"}
    there["events"] = tree["events"].to_dataset().assign(delay=tree["events"].grade.astype(float).assign_attrs(seconds))
    here = there.copy()
    in_ms = (there["events"].delay * 1000).assign_attrs(seconds | {"units": "ms"})
    here["events"] = there["events"].to_dataset().assign(delay=in_ms)
    chosen = xray.selection("late", here, column=("delay", 2000, 5000))
    made = xray.brushed(xray.event_index(there, time_step=20, column="delay"), chosen)
    assert made.attrs["events"] == counted(there, xray.in_selection(there, chosen))[1].sum() > 0


def test_damaged_and_foreign_files_are_told_apart(tree, tmp_path):
    path = xray.save_selection(xray.selection("core", tree, circle=(1, 2, 3), band=(1, 2)), tmp_path / "a.json")
    held, text = json.loads(path.read_text()), path.read_text()
    path.write_text(text[:-40])
    with pytest.raises(CorruptFile):
        xray.read_selection(path)
    for change in (
        {"region": {**held["region"], "numbers": [1, 2]}},
        {"region": {**held["region"], "kind": "ring"}},
        {"band_kev": [2, 1]},
        {"time_utc": ["never", None]},
        {"column": ["grade", 1]},
        {"name": ""},
    ):
        path.write_text(json.dumps(held | change))
        with pytest.raises(CorruptFile, match=r"a\.json"):
            xray.read_selection(path)
    for foreign in ("{}", "[]", "SIMPLE = T", json.dumps(held | {"version": 9})):
        path.write_text(foreign)
        with pytest.raises(UnknownFormat):
            xray.read_selection(path)
    with pytest.raises(MissingFile):
        xray.read_selection(tmp_path / "b.json")
    with pytest.raises(BadOption, match="json"):
        xray.save_selection(xray.selection("core", tree, band=(1, 2)), tmp_path / "a.reg")
    with pytest.raises(StoreError):
        xray.save_selection(xray.selection("core", tree, band=(1, 2)), tmp_path / "none" / "a.json")


def test_selections_that_cannot_be_are_refused(tree):
    for options in ({"band": (2, 1)}, {"column": ("grade", 2)}, {"column": ("grade", 3, 2)}, {"time": "now"}):
        with pytest.raises(BadOption):
            xray.selection("a", tree, **options)
    with pytest.raises(BadOption, match="name"):
        xray.selection(" ", tree)
    with pytest.raises(UnknownVariable, match="nothere"):
        xray.selection("a", tree, column=("nothere", 1, 2))


# ------------------------------------------------------------------------------------------ explorer


def told(page):
    return " ".join(str(getattr(part, "object", "")) for part in page.select() if hasattr(part, "object"))


def drawn(page, event, **contents):
    """Tell the page a gesture as a browser would: the stream of this name that was made last gets its contents."""
    import panel as pn

    pictures = [pane.object for pane in page.select(pn.pane.HoloViews)]
    from holoviews.streams import Stream

    for picture in pictures:
        for element in picture.traverse(lambda part: part):
            for stream in Stream.registry.get(element, []):
                if type(stream).__name__ == event:
                    stream.event(**contents)
                    return
    raise AssertionError(f"no picture listens to {event}")


@pytest.mark.slow
@pytest.mark.parametrize("many", [False, True], ids=["by cuts", "by an index"])
def test_the_explorer_says_how_many_events_each_gesture_selects(tree, monkeypatch, many):
    monkeypatch.setattr("analysis.xray.event_indexing.MANY", 1 if many else 10**9)
    page, other = (xray.explore(tree, bin_size=20, energy_step=0.1, column="grade") for _ in range(2))
    before = told(other)
    assert "Nothing selected" in told(page)

    def number(**options):
        cut = xray.in_selection(tree, xray.selection("a", tree, **options))
        return f"{counted(tree, cut)[1].sum():,} events"

    drawn(page, "BoundsXY", bounds=(3.2, 4.1, 15.5, 16))
    box = {"x": (3.2, 15.5), "y": (4.1, 16)}
    assert number(**box) in told(page)
    drawn(page, "Lasso", geometry=np.array(STAR, float))
    assert number(polygon=STAR) in told(page)
    assert "cannot be shown" not in told(page)
    drawn(page, "BoundsXY", bounds=(30, 30, 31, 31))
    assert "nothing" in told(page)
    assert "Traceback" not in told(page)
    assert told(other) == before


def test_the_explorer_refuses_columns_that_it_cannot_brush(tree):
    with pytest.raises(BadOption, match="column="):
        xray.explore(tree, column="energy")
    with pytest.raises(UnknownVariable):
        xray.explore(tree, column="nothere")
    with pytest.raises(BadOption, match="energy_step"):
        xray.explore(tree, energy_step=0)
