"""An event index counts from its sums what the list counts, on disk too; what does not belong to it is refused."""

import json
import shutil

import numpy as np
import pytest

from analysis import xray
from analysis.errors import BadOption, CorruptFile, MissingFile, OutsideCoverage, StoreError, UnknownFormat, WrongData
from analysis.model import check
from analysis.xray import index_files
from analysis.xray.plane_shapes import PlaneShape, area, contains, plane_shape

DAY = "1998-01-01T"
TILTED = {
    "wcs_ctype": ["RA---TAN", "DEC--TAN"],
    "wcs_crpix": [2000.0, 1500.0],
    "wcs_crval": [150.0, 60.0],
    "wcs_cdelt": [-0.5 / 3600, 0.5 / 3600],
    "radecsys": "ICRS",
}
GALACTIC = {
    "wcs_ctype": ["GLON-TAN", "GLAT-TAN"],
    "wcs_crpix": [700.0, 900.0],
    "wcs_cdelt": [-1 / 3600, 1 / 3600],
}


def many(made_events, n=60_000, **more):
    """Return events on whole pixels of a wide plane, some without energy or place."""
    rng = np.random.default_rng(5)
    x, y = (rng.integers(1, 4000, n).astype("f4") for _ in "xy")
    x[:50], energy = np.nan, rng.integers(1, 90, n).astype("f4") / np.float32(10)
    energy[100:160] = np.nan
    tree = made_events(
        np.sort(rng.integers(0, 5000, n).astype(float) / 5), [(10, 400), (500, 990)], x=x, y=y, energy=energy,
        pi=rng.integers(0, 50, n), **(TILTED | more),
    )  # fmt: skip
    listed = tree["events"].to_dataset()
    tree["events"] = listed.assign(
        grade=("event", rng.integers(0, 8, n).astype("i2"), {"units": "1", "long_name": "G"})
    )
    return tree


@pytest.fixture(scope="module")
def tree(made_events):
    return many(made_events)


@pytest.fixture(scope="module")
def index(tree):
    return check(xray.event_index(tree, time_step=20, column="grade"))


def same(tree, index, **options):
    """Assert that the index counts what a cut list counts, the image of what has no region too."""
    cut = xray.in_selection(tree, xray.selection("a", tree, **options))["events"]
    time, pi, grade = (cut[name].values for name in ("time", "pi", "grade"))
    good = ((time >= 10) & (time <= 400)) | ((time >= 500) & (time <= 990))
    made = xray.brushed(index, **{k: v[1:] if k == "column" else v for k, v in options.items()})
    assert made.attrs["events"] == good.sum()
    np.testing.assert_array_equal(made.counts, np.histogram(time[good], 10 + 20.0 * np.arange(50))[0])
    np.testing.assert_array_equal(made.spectrum, np.bincount(pi[good], minlength=50))
    np.testing.assert_array_equal(made.histogram, np.bincount(grade[good], minlength=8))
    if not set(options) & {"circle", "ellipse", "x", "polygon"}:
        seen = xray.brushed_image(index, **{k: v[1:] if k == "column" else v for k, v in options.items()})
        edges = [index[name].values for name in ("image_y", "image_x")]
        placed = good & np.isfinite(cut.x.values)
        theirs = np.histogram2d(cut.y.values[placed], cut.x.values[placed], bins=edges)[0]
        np.testing.assert_array_equal(seen.counts, theirs)
        assert seen.attrs["events"] == good.sum()


BANDS = [(0.05, 9.5), (0.7, 4.1), (2.0, 2.1), (3, 3.05), (8.85, 40)]
TIMES = [(None, f"{DAY}00:04"), (f"{DAY}00:02", f"{DAY}00:14:00.2"), (f"{DAY}00:05", f"{DAY}00:05:00.5")]


@pytest.mark.slow
@pytest.mark.parametrize("ordered", [True, False], ids=["in order of time", "not in order"])
def test_a_band_or_a_time_of_the_whole_field_is_counted_from_sums(made_events, monkeypatch, ordered):
    monkeypatch.setattr("analysis.xray.layers.SHARE", 1e9)
    tree = many(made_events)
    listed = tree.copy()
    if not ordered:
        order = np.random.default_rng(0).permutation(tree["events"].sizes["event"])
        listed["events"] = tree["events"].to_dataset().isel(event=order)
    index = check(xray.event_index(listed, time_step=20, column="grade"))
    assert ("block_first" in index, "slab_image" in index) == (ordered, True)
    for band in BANDS:
        same(tree, index, band=band)
    for time in TIMES:
        same(tree, index, time=time)
    same(tree, index, band=BANDS[1], time=TIMES[1])
    same(tree, index, column=("grade", 2, 5))
    same(tree, index, column=("grade", 2 + 1e-12, 5 - 1e-12))
    same(tree, index, column=("grade", 2, 5), time=TIMES[1], band=BANDS[0])


def test_the_sums_take_little_room_beside_the_events(index):
    events = sum(index[name].nbytes for name in ("x", "y", "moment", "energy"))
    sums = sum(part.nbytes for name, part in index.variables.items() if str(name).startswith(("slab_", "block_")))
    assert sums < 0.2 * events


@pytest.mark.slow
def test_a_kept_index_counts_as_the_one_in_memory(tree, index, tmp_path):
    path = xray.save_event_index(index, tmp_path / "a.index")
    assert [p.name for p in tmp_path.iterdir()] == ["a.index"]
    alone, again = check(xray.open_event_index(path)), check(xray.open_event_index(path, tree))
    assert again.identical(index)
    assert "list_time" not in alone
    base = alone["x"].values
    while base.base is not None and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)  # on disk until it is used
    for options in ({"circle": (2000, 2000, 700)}, {"band": (0.7, 4.1)}, {"time": TIMES[1]}):
        same(tree, again, **options)
        same(tree, alone, **options)
    again["x"].values[:] = 0  # the file keeps what it holds
    np.testing.assert_array_equal(xray.open_event_index(path)["x"], index["x"])


def test_an_index_is_replaced_only_if_told_so_and_only_by_another(index, tmp_path):
    path = xray.save_event_index(index, tmp_path / "a")
    with pytest.raises(BadOption, match="overwrite"):
        xray.save_event_index(index, path)
    assert xray.save_event_index(index, path, overwrite=True) == path
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("words")
    with pytest.raises(BadOption, match="no event index"):
        xray.save_event_index(index, tmp_path / "mine", overwrite=True)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "words"
    with pytest.raises(StoreError):
        xray.save_event_index(index, tmp_path / "none" / "a")
    with pytest.raises(WrongData):
        xray.save_event_index(index[["x"]], tmp_path / "b")


def test_an_index_that_could_not_be_written_is_not_there(index, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(StoreError, match="No space"):
        xray.save_event_index(index, tmp_path / "a")
    assert not list(tmp_path.iterdir())


def test_an_index_of_other_events_is_refused(tree, index, made_events, tmp_path):
    path = xray.save_event_index(index, tmp_path / "a")
    for name, change in (("pi", 1), ("x", 0.5), ("time", 1e-3), ("grade", 1)):
        other = tree.copy()
        listed = other["events"].to_dataset().copy(deep=True)
        listed[name].values[777] += change
        other["events"] = listed
        with pytest.raises(WrongData, match="other events"):
            xray.open_event_index(path, other)
    later = tree.copy()
    later["gti"] = later["gti"].to_dataset().copy(deep=True).assign(stop=later["gti"].stop + 1)
    with pytest.raises(WrongData, match="other events"):
        xray.open_event_index(path, later)


@pytest.mark.parametrize("change", ["two swapped", "other sky", "other clock", "other unit", "other live time"])
def test_an_index_is_refused_for_the_same_numbers_in_another_order_or_of_another_meaning(tree, index, change):
    listed = tree["events"].to_dataset().copy(deep=True)
    if change == "two swapped":
        grade = listed["grade"].values
        first, other = 0, int(np.flatnonzero(grade != grade[0])[0])
        grade[[first, other]] = grade[[other, first]]
    elif change == "other unit":
        listed["energy"].attrs["units"] = "MeV"
    else:
        listed.attrs |= {
            "other sky": {"wcs_crval": [150.0, 60.01]},
            "other clock": {"mjdref": 50815, "mjdref_int": 50815},
            "other live time": {"dtcor": 0.5},
        }[change]
    other = tree.copy()
    other["events"] = listed
    with pytest.raises(WrongData, match="other events"):
        index_files.of_events(index, other, "the index")
    assert index_files.of_events(index, tree, "the index") is index


def test_damaged_and_foreign_folders_are_told_apart(index, tmp_path):
    with pytest.raises(MissingFile):
        xray.open_event_index(tmp_path / "none")
    with pytest.raises(UnknownFormat):
        xray.open_event_index(tmp_path)
    whole = xray.save_event_index(index, tmp_path / "whole")

    def broken(change):
        path = tmp_path / "broken"
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(whole, path)
        change(path)
        return path

    def manifest(path, change):
        file = path / "index.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | change))

    for change in (
        lambda path: (path / "x.npy").unlink(),
        lambda path: (path / "x.npy").write_bytes((path / "x.npy").read_bytes()[:-50]),
        lambda path: np.save(path / "x.npy", np.arange(3)),
        lambda path: (path / "index.json").write_text("{"),
        lambda path: manifest(path, {"variables": {}}),
    ):
        with pytest.raises(CorruptFile):
            xray.open_event_index(broken(change))
    for change in ({"format": "zarr"}, {"version": 7}):
        with pytest.raises(UnknownFormat):
            xray.open_event_index(broken(lambda path, change=change: manifest(path, change)))


# ------------------------------------------------------------------------------------------ ellipses


def test_an_ellipse_is_turned_from_x_towards_y_and_holds_its_edge():
    lying = plane_shape("test", ellipse=(10, 20, 5, 2, 0))
    x, y = np.array([15, 5, 10, 10, 15.01, 10.0]), np.array([20, 20, 22, 18, 20, 22.01])
    assert contains(lying, x, y).tolist() == [True] * 4 + [False] * 2
    turned = plane_shape("test", ellipse=(0, 0, 5, 2, 30))
    assert contains(turned, np.array([4.3, 4.3]), np.array([2.4, -2.4])).tolist() == [True, False]
    round_ = PlaneShape("ellipse", (3.0, 4.0, 7.0, 7.0, 12.0))
    grid = np.meshgrid(np.linspace(-5, 11, 61), np.linspace(-4, 12, 61))
    circle = PlaneShape("circle", (3.0, 4.0, 7.0))
    np.testing.assert_array_equal(contains(round_, *grid), contains(circle, *grid))
    assert area(round_) == pytest.approx(area(circle))


@pytest.mark.parametrize("ellipse", [(1, 2, 0, 3, 0), (1, 2, 3, -1, 0), (1, 2, 3, 4), "abcde", (1, 2, 3, np.nan, 0)])
def test_ellipses_that_cannot_be_are_refused(tree, ellipse):
    with pytest.raises(BadOption, match="ellipse"):
        xray.selection("a", tree, ellipse=ellipse)


@pytest.mark.parametrize("angle", [0, 20, 90, 135])
@pytest.mark.parametrize("flip", [-1, 1], ids=["east to the left", "east to the right"])
def test_the_regions_package_reads_the_same_ellipse_from_the_text_for_ds9(made_events, angle, flip):
    from astropy.wcs import WCS
    from regions import Regions

    attrs = TILTED | {"wcs_cdelt": [flip * 0.5 / 3600, 0.5 / 3600]}
    one = made_events([1.0, 2], [(0, 3)], x=[1.0, 4000], y=[1.0, 4000], energy=[1.0, 1.0], pi=[1, 1], **attrs)
    chosen = xray.selection("a", one, ellipse=(2300, 1400, 90, 30, angle))
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crpix = attrs["wcs_ctype"], attrs["wcs_crpix"]
    wcs.wcs.crval, wcs.wcs.cdelt = attrs["wcs_crval"], attrs["wcs_cdelt"]
    theirs = Regions.parse(xray.selection_region(chosen), format="ds9")[0].to_pixel(wcs)
    assert (theirs.center.x + 1, theirs.center.y + 1) == pytest.approx((2300, 1400), abs=1e-3)
    assert (theirs.width / 2, theirs.height / 2) == pytest.approx((90, 30), rel=1e-4)
    assert np.cos(2 * (theirs.angle.to_value("rad") - np.radians(angle))) == pytest.approx(1, abs=1e-5)


def test_an_ellipse_finds_the_same_sky_on_galactic_pixels(tree, made_events):
    from analysis.xray.carrying import _in_pixels, on_sky

    listed = tree["events"].to_dataset()
    x, y = listed.x.values[60:20_000].astype(float), listed.y.values[60:20_000].astype(float)
    sky = on_sky(np.stack([x, y], axis=1), TILTED)
    centre = sky[0].galactic
    plane = GALACTIC | {"wcs_crval": [float(centre.l.deg), float(centre.b.deg)]}
    there = made_events(
        listed.time[60:20_000], [(0, 1000)], **dict(zip("xy", _in_pixels(sky, plane).T, strict=True)),
        energy=listed.energy[60:20_000], pi=listed.pi[60:20_000], **plane,
    )  # fmt: skip
    here = tree.copy()
    here["events"] = listed.isel(event=slice(60, 20_000))
    chosen = xray.selection("a", here, ellipse=(2300.3, 1400.2, 900, 300, 35))
    one, other = (xray.selection_mask(each, chosen).values for each in (here, there))
    assert one.sum() > 500
    assert (one != other).sum() <= 2  # the sky bends by less than a pixel over the ellipse
    assert "ellipse" in xray.in_selection(there, chosen)["events"].attrs["region"]


# ------------------------------------------------------------------------------------------ hostile


def test_lists_at_their_worst_are_counted_or_refused_in_words(made_events):
    def index_of(time, **columns):
        n = len(time)
        given = {"x": np.arange(n) % 7.0, "y": np.arange(n) % 5.0, "pi": np.zeros(n, int), **columns}
        return xray.event_index(made_events(time, [(0, 100)], **given), time_step=10)

    one = index_of([5.0])
    assert xray.brushed(one, ellipse=(0, 0, 1, 2, 3)).attrs["events"] == 1
    twins = index_of(np.full(40, 50.0))
    assert xray.brushed(twins, time=("1997-12-31T23:59", f"{DAY}00:00")).attrs["events"] == 40
    dark = index_of(np.arange(40.0), energy=np.full(40, np.nan))
    with pytest.raises(OutsideCoverage, match="no event"):
        xray.brushed(dark, band=(0, 100))
    assert xray.brushed(dark, circle=(3, 3, 50)).attrs["events"] == 40
    with pytest.raises(OutsideCoverage):
        index_of([])
    with pytest.raises(OutsideCoverage, match="no event"):
        xray.brushed(twins, circle=(1e6, 1e6, 3))
    with pytest.raises(BadOption, match="radius"):
        xray.brushed(twins, circle=(1, 1, 0))
    turn = np.linspace(0, 2 * np.pi, 300, endpoint=False)
    ring = np.stack([3 + 9 * np.cos(turn), 3 + 9 * np.sin(turn)], axis=1)
    assert xray.brushed(twins, polygon=ring).attrs["events"] == 40
