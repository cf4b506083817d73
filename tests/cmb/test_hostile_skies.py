"""Skies as strangers bring them: a picture or words, never nothing; and maps that stay on disk."""

import html

import holoviews as hv
import numpy as np
import panel as pn
import pytest
import xarray as xr
from ducc0.healpix import Healpix_Base

from analysis import cmb, formats, sample
from analysis.cmb import pyramid_parts
from analysis.cmb.drawn_regions import kept_outside
from analysis.cmb.maps import cell_ids
from analysis.cmb.page_masks import mask_for
from analysis.cmb.sky_bands import Band, bands_of, held_levels, opened, quick_map
from analysis.cmb.sky_views import one_band
from analysis.errors import AnalysisError, BadOption, CorruptFile, MissingFile, UnknownFormat, WrongData, WrongFrame
from analysis.panels.pointings import Pointing, places, vectors_of

NOISE = np.random.default_rng(0).normal(size=(3, 12 * 8**2)).astype(np.float32)
STATED = {"units": "mK", "frame": "galactic", "polconv": "COSMO", "temperature_scale": "K_CMB"}


def words(page):
    return html.unescape(" ".join(str(pane.object) for pane in page.select(pn.pane.HTML)))


def rendered(shown):
    """Return what is drawn: pixels that have a value, and texts."""
    hv.render(shown, backend="bokeh")
    images = [m[()] for m in shown.traverse(lambda e: e, [hv.DynamicMap])]
    parts = [e for one in images for e in one.traverse(lambda e: e, [hv.Image]) if type(e) is hv.Image]  # no RGB
    said = [str(e.data) for e in shown.traverse(lambda e: e, [hv.Text])]
    return max((int(np.isfinite(e.dimension_values(2)).sum()) for e in parts), default=0), " ".join(said)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("values", "told"),
    [(NOISE * np.nan, "no value"), (np.full_like(NOISE, -1.6375e30), "no value"), (NOISE * np.inf, "no value"),
     (np.ones_like(NOISE), ""), (NOISE * 0, ""), (NOISE[:, :12], ""), (NOISE.astype(">f8"), ""),
     ((100 * NOISE).astype(int), "")],
    ids=["nan", "unseen", "inf", "one", "zero", "nside 1", "big-endian", "whole numbers"],
)  # fmt: skip
def test_a_sky_without_a_value_says_so_and_any_other_is_drawn(make, values, told):
    page = cmb.explore(make.sky(values), width=200)
    pixels, said = rendered(page.select(pn.pane.HoloViews)[0].object)
    assert told in said and (pixels > 10_000) == (not told)
    if told:
        assert "leaves nothing of what was observed" in words(page)
    assert hv.render(cmb.view(make.sky(values)), backend="bokeh")


def test_unseen_and_infinite_cells_are_as_nan_in_means_and_colours(make):
    values = NOISE.copy()
    values[:, :10] = np.nan
    wrong = values.copy()
    wrong[:, :5], wrong[:, 5:10] = -1.6375e30, np.inf
    np.testing.assert_array_equal(one_band(make.sky(wrong)), one_band(make.sky(values)))
    assert one_band(make.sky(NOISE)).values.base is not None  # nothing is copied where nothing is wrong


@pytest.mark.slow
@pytest.mark.parametrize("order", [slice(100, 300), slice(300, 100, -1), [7]])
def test_a_part_of_the_sky_is_drawn_where_it_is(make, order):
    page = cmb.explore(make.sky(NOISE).isel(cells=order), latitude=0)
    assert 0 < rendered(page.select(pn.pane.HoloViews)[0].object)[0] < 80_000


@pytest.mark.slow
def test_ring_and_nested_files_give_the_same_map(make, tmp_path):
    sky = make.sky(NOISE)
    made = []
    for order in ("RING", "NESTED"):
        path = formats.write(cmb.degraded(sky, 8), tmp_path / f"{order}.fits", ordering=order)
        lazy, whole = cmb.open_map(path), formats.read(path)
        assert lazy.sky.chunks is not None
        np.testing.assert_array_equal(lazy.sky, whole.sky)
        assert lazy.sky.attrs["units"] == whole.sky.attrs["units"] and lazy.attrs["frame"] == whole.attrs["frame"]
        made.append(cmb.open_pyramid(cmb.write_pyramid(path, tmp_path / f"{order}.zarr"))["nside_8"].sky)
    np.testing.assert_array_equal(*made)


def test_the_same_sky_in_iau_and_cosmo_has_the_same_p(make):
    sky = make.sky(NOISE)
    pair = [cmb.polarized_intensity(one) for one in (sky, cmb.to_polconv(sky, "IAU"))]
    np.testing.assert_allclose(*pair)


@pytest.mark.slow
def test_names_as_b_and_bands_of_any_name_are_shown(make):
    array = make.sky(NOISE).sky
    assert cmb.explore(array.rename("B"))
    named = array.expand_dims(frequency=["B", "<b>R</b>"]).to_dataset(name="sky").assign_attrs(make.sky(NOISE).attrs)
    page = cmb.explore(named)
    assert next(w for w in page.select(pn.widgets.Widget) if w.label == "Band").options == ["B", "<b>R</b>"]
    assert rendered(page.select(pn.pane.HoloViews)[0].object)[0] > 10_000


@pytest.mark.parametrize(
    "spoil",
    [lambda s: s.rename(sky="B"), lambda s: s.sky.isel(stokes=0, drop=True), lambda s: s.isel(cells=[]),
     lambda s: s.assign(sky=s.sky.astype(complex))],
)  # fmt: skip
def test_what_is_no_sky_is_answered_in_words(make, spoil):
    with pytest.raises(AnalysisError):
        hv.render(cmb.sky_view(spoil(make.sky(NOISE))))


def test_a_map_larger_than_two_gigabytes_that_is_not_in_memory_asks_for_a_pyramid():
    import dask.array as da

    cells = 12 * 8192**2
    ids = ("cells", da.arange(cells, chunks=4**11), cell_ids(1).attrs | {"level": 13})
    lazy = da.zeros((1, cells), dtype=np.float32, chunks=(1, 4**11))
    sky = xr.DataArray(lazy, {"stokes": ["I"], "cell_ids": ids}, ["stokes", "cells"], "sky")
    with pytest.raises(WrongData, match=r"3\.2 GB.*cmb\.write_pyramid"):
        cmb.explore(sky)
    with pytest.raises(WrongData, match="write_pyramid"):
        cmb.sky_view(sky)


@pytest.mark.slow
@pytest.mark.parametrize("labels", ["IQU", "I"])
def test_a_lazy_map_gives_the_pyramid_of_the_same_map_in_memory_whatever_its_chunks(make, tmp_path, labels):
    sky = make.sky(np.random.default_rng(3).normal(size=(len(labels), 12 * 32**2)).astype(np.float32), labels)
    once = cmb.open_pyramid(cmb.write_pyramid(sky, tmp_path / "m.zarr", smallest=1))
    lazy = sky.chunk(cells=300).assign_coords(cell_ids=sky.cell_ids.chunk(cells=277))
    again = cmb.open_pyramid(cmb.write_pyramid(lazy, tmp_path / "l.zarr", smallest=1))
    for nside in (32, 16, 8, 4, 2, 1):
        np.testing.assert_array_equal(once[f"nside_{nside}"].sky, again[f"nside_{nside}"].sky)
        means = cmb.degraded(sky, nside).sky
        np.testing.assert_allclose(once[f"nside_{nside}"].sky, means, rtol=1e-6, atol=1e-9)


@pytest.mark.slow
def test_a_pyramid_without_a_coarse_level_is_masked_from_its_coarsest(make, tmp_path):
    noise = np.random.default_rng(5).normal(size=(3, 12 * 64**2)).astype(np.float32)
    levels = bands_of(cmb.open_pyramid(cmb.write_pyramid(make.sky(noise), tmp_path / "m.zarr", smallest=32)))[""]
    np.testing.assert_allclose(quick_map(levels, 8).sky[0], cmb.degraded(make.sky(noise), 8).sky[0], atol=1e-6)
    fine = levels.array.copy(data=levels.array.data.map_blocks(lambda part: 1 / 0, dtype=np.float32, meta=noise[:, :0]))
    quick_map(Band("", fine, (fine, *levels.levels[1:])), 8)  # of the finest nothing is read


@pytest.mark.slow
def test_a_store_that_was_replaced_while_it_is_looked_at_is_not_mixed_with_what_was_seen(make, tmp_path):
    store = cmb.write_pyramid(make.sky(NOISE), tmp_path / "m.zarr")
    page = cmb.explore(store, width=200)
    held = held_levels(bands_of(opened(store))[""].levels, "I").pyramid.values[-1]
    cmb.write_pyramid(make.sky(NOISE + 1), store, overwrite=True)
    with pytest.raises(CorruptFile, match="open it again"):
        held.chunk(0)
    next(w for w in page.select(pn.widgets.Widget) if w.label == "Shown").value = "Q"
    assert "open it again" in words(page)


@pytest.mark.slow
def test_a_damaged_chunk_is_told_on_the_page(make, tmp_path):
    store = cmb.write_pyramid(make.sky(NOISE), tmp_path / "m.zarr")
    for file in [file for file in (store / "nside_8" / "sky" / "c").rglob("*") if file.is_file()]:
        file.write_bytes(bytes(byte ^ 255 for byte in file.read_bytes()))
    assert words(cmb.explore(store, width=200)).count("cannot be read") >= 2  # the sky, and what follows the mask


def test_a_file_of_more_than_two_gigabytes_is_not_read_whole(tmp_path):
    with (tmp_path / "large.fits").open("wb") as file:
        file.truncate(2**31 + 1)
    with pytest.raises(WrongData, match="write_pyramid"):
        cmb.explore(tmp_path / "large.fits")


@pytest.mark.slow
def test_chunks_too_large_to_be_read_one_by_one_are_refused(tmp_path, monkeypatch):
    import dask.array as da

    assert pyramid_parts.LARGEST_PART == 4**12
    monkeypatch.setattr(pyramid_parts, "LARGEST_PART", 4**7)
    cells = 12 * 64**2
    lazy = da.zeros((1, cells), dtype=np.float32, chunks=(1, cells // 2))
    ids = ("cells", da.arange(cells, chunks=cells // 2), cell_ids(1).attrs | {"level": 6})
    sky = xr.DataArray(lazy, {"stokes": ["I"], "cell_ids": ids}, ["stokes", "cells"], "sky", STATED)
    with pytest.raises(BadOption, match="chunk"):
        cmb.write_pyramid(sky, tmp_path / "m.zarr")


def test_unseen_in_a_map_that_is_written_is_refused_with_what_helps(make, tmp_path):
    sky = make.sky(np.where(NOISE > 2, np.float32(-1.6375e30), NOISE))
    with pytest.raises(WrongData, match=r"UNSEEN.*leave them out"):
        cmb.write_pyramid(sky, tmp_path / "m.zarr")
    assert not list(tmp_path.iterdir())


def test_only_a_whole_sky_of_a_plain_file_is_opened(tmp_path):
    with pytest.raises(MissingFile):
        cmb.open_map(tmp_path / "none.fits")
    with pytest.raises(BadOption, match="not a path"):
        cmb.open_map(3)
    (tmp_path / "a.fits").write_bytes(b"\x1f\x8b" + bytes(100))
    with pytest.raises(UnknownFormat, match="uncompressed"):
        cmb.open_map(tmp_path / "a.fits")
    whole = sample.path("wmap7_w_iqu_nside32.fits").read_bytes()
    (tmp_path / "b.fits").write_bytes(whole[:-2880])
    with pytest.raises(CorruptFile):
        cmb.open_map(tmp_path / "b.fits", assume=STATED)


def test_p_of_a_pyramid_is_that_of_its_q_and_u_at_each_resolution(w_band):
    tree = cmb.pyramid(w_band)
    levels = [node.sky.assign_attrs(node.attrs) for node in tree.children.values()]
    held = held_levels(levels, "P").pyramid
    for level, stored in zip(reversed(levels), held.values, strict=True):
        whole = np.concatenate([stored.chunk(n) for n in range(level.sizes["cells"] // stored.size)])
        np.testing.assert_allclose(whole, np.hypot(level.sel(stokes="Q"), level.sel(stokes="U")), rtol=1e-6)


# Areas of caps, and of an octant.
@pytest.mark.parametrize(
    ("text", "share"),
    [("galactic; circle(0, 90, 20d)", (1 - np.cos(np.radians(20))) / 2),
     ("icrs; circle(359.9, 0, 1200')", (1 - np.cos(np.radians(20))) / 2),
     ("galactic\nannulus(180, 0, 10d, 20d)", (np.cos(np.radians(10)) - np.cos(np.radians(20))) / 2),
     ("galactic; polygon(0, 60, 90, 60, 180, 60, 270, 60)", None),
     ("galactic; polygon(0, 0, 90, 0, 0, 90)", 1 / 8),  # an octant: Girard
     ("galactic; circle(10, 10, 20d); -circle(10, 10, 10d)", (np.cos(np.radians(10)) - np.cos(np.radians(20))) / 2),
     ("# Region file\nglobal color=green\nfk5\ncircle(5h34m31.8s,+22d01m03s,20d) # text={Crab}", None),
     ("fk5;circle(05:34:31.8,+22:01:03,20d)", (1 - np.cos(np.radians(20))) / 2)],
)  # fmt: skip
def test_regions_leave_out_the_area_that_they_have(text, share):
    mask = cmb.region_mask(64, text)
    assert 0 < float(mask.mean()) < 1
    if share is not None:
        assert float(1 - mask.mean()) == pytest.approx(share, rel=0.03)


def test_a_polygon_over_the_pole_and_one_over_the_seam_hold_their_middles_alone():
    for text, inside, outside in (
        ("polygon(0, 60, 90, 60, 180, 60, 270, 60)", (33, 89.9), (45, 40)),
        ("polygon(350, -10, 10, -10, 10, 10, 350, 10)", (0, 0), (180, 0)),
    ):
        mask = cmb.region_mask(64, f"galactic; {text}")
        at = [int(Healpix_Base(64, "NEST").ang2pix(np.radians([[90 - b, a]]))[0]) for a, b in (inside, outside)]
        assert mask.values[at].tolist() == [False, True]


@pytest.mark.parametrize(
    "text",
    ["circle(1, 2)", "box(1, 2, 3, 4)", "cirle(1, 2, 3)", "nothing(", "circle(1, 99, 3)", "circle(1, 2, -3)",
     "polygon(1, 2, 3, 4)", "galactic;(", "circle(a, b, c)", "annulus(1, 2, 3, 2)",
     "galactic; polygon(0, -80, 120, -80, 240, 80)"],
)  # fmt: skip
def test_what_is_no_region_is_refused(text):
    with pytest.raises(BadOption):
        cmb.region_mask(8, text)


def test_regions_in_files_that_are_not_there_or_no_text_are_refused(tmp_path):
    with pytest.raises(MissingFile):
        cmb.region_mask(8, tmp_path / "none.reg")
    (tmp_path / "a.reg").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CorruptFile):
        cmb.region_mask(8, tmp_path / "a.reg")
    with pytest.raises(BadOption, match="neither"):
        cmb.region_mask(8, 3)
    with pytest.raises(BadOption, match="frame"):
        cmb.region_mask(8, "circle(1, 2, 3d)", frame="fk9")


@pytest.mark.slow
def test_regions_and_masks_given_to_the_page_are_left_out_of_the_spectra(w_band, tmp_path):
    (tmp_path / "a.reg").write_text("galactic\ncircle(0, 90, 60d)\n")
    circle = "galactic; circle(0, 90, 60d)"
    kept = [
        words(cmb.explore(w_band, latitude=0, mask=given)).split("by the given mask, ")[1][:4]
        for given in (tmp_path / "a.reg", circle, cmb.region_mask(64, circle))
    ]
    assert kept[0] == kept[1] and abs(float(kept[0]) - 75) < 2 and abs(float(kept[2]) - float(kept[0])) < 2
    with pytest.raises(WrongFrame, match="rotated_mask"):
        cmb.explore(w_band, mask=cmb.region_mask(32, "circle(1, 2, 3d)", frame="icrs"))
    with pytest.raises(BadOption):
        cmb.explore(w_band, mask="cirle(1, 2, 3d)")
    with pytest.raises(WrongData, match="finer mask"):
        mask_for(cmb.galactic_mask(8), cmb.galactic_mask(32))


@pytest.mark.parametrize("projection", ["mollweide", "cartesian", "orthographic"])
def test_a_region_drawn_over_the_edge_of_the_plane_leaves_out_what_is_inside_on_its_side(projection):
    pointing = Pointing(projection, 0, 0)
    x, y = places(vectors_of(np.array([170.0]), np.array([0.0])), pointing)[0]
    size = 15.0 if projection == "cartesian" else 0.1
    square = ((x - size, x + size, x + size, x - size), (y - size, y - size, y + size, y + size))
    keep = kept_outside(64, [(pointing, (square,))], frame="galactic")
    angles = np.degrees(Healpix_Base(64, "NEST").pix2ang(np.flatnonzero(~keep.values)))
    lon, lat = angles[:, 1], 90 - angles[:, 0]
    assert lon.size > 50 and np.abs(lat).max() < 20 and ((lon > 150) & (lon <= 215)).all()
