"""Pyramids of maps on disk: what comes back, what a viewport reads, and stores that are damaged or something else."""

import json
import shutil
from pathlib import Path

import holoviews as hv
import numpy as np
import pytest
import xarray as xr

from analysis import cmb
from analysis.cmb import pyramid_parts, pyramid_stores
from analysis.cmb.pyramid_stores import sky_levels
from analysis.errors import (
    BadOption,
    CorruptFile,
    MissingFile,
    StoreError,
    UnknownFormat,
    UnknownVariable,
    WrongData,
    WrongFrame,
)
from analysis.model import check
from analysis.panels.pointings import pointing_of
from analysis.panels.pyramids import sky_pyramid, stored_pyramid, viewport


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pyramid_parts, "CHUNK", 4**4)  # 48 chunks of nside 32
        return cmb.write_pyramid(cmb.fetch("wmap7_w_iqu"), tmp_path_factory.mktemp("pyramid") / "w.zarr")


@pytest.fixture
def store(written, tmp_path):
    return Path(shutil.copytree(written, tmp_path / "w.zarr"))


@pytest.mark.slow
def test_what_was_written_comes_back_at_each_resolution(w_band, store):
    levels = cmb.open_pyramid(store)
    assert list(levels.children) == ["nside_32", "nside_16", "nside_8"]
    np.testing.assert_array_equal(levels["nside_32"].sky, w_band.sky)
    for nside in (16, 8):
        there = check(levels[f"nside_{nside}"].to_dataset())
        mean = cmb.degraded(w_band, nside)
        np.testing.assert_array_equal(there.sky, mean.sky.astype(np.float32))
        assert there.attrs == mean.attrs and there.sky.attrs == mean.sky.attrs
        assert there.cell_ids.attrs == mean.cell_ids.attrs and there.stokes.values.tolist() == ["I", "Q", "U"]


@pytest.mark.slow
def test_opening_reads_no_cells_and_functions_take_a_level(w_band, store):
    levels = cmb.open_pyramid(store)
    assert levels["nside_32"].sky.chunks is not None and levels["nside_32"].cell_ids.chunks is not None
    made = cmb.polarized_intensity(levels["nside_32"].to_dataset())
    np.testing.assert_array_equal(made, cmb.polarized_intensity(w_band))


def test_doubles_iau_and_holes_stay_what_they_are(w_band, tmp_path):
    sky = cmb.to_polconv(w_band.astype(float), "IAU")
    sky = sky.assign(sky=sky.sky.where(cmb.galactic_mask(32, latitude=20)))
    there = cmb.open_pyramid(cmb.write_pyramid(sky, tmp_path / "cut.zarr"))["nside_32"]
    np.testing.assert_array_equal(there.sky, sky.sky)
    assert there.attrs["polconv"] == "IAU" and there.sky.dtype == np.float64


@pytest.mark.slow
def test_a_part_of_the_sky_is_written_with_nan_around_it(w_band, tmp_path, monkeypatch):
    monkeypatch.setattr(pyramid_parts, "CHUNK", 4**4)
    part = w_band.isel(cells=slice(1000, 3000))
    there = cmb.open_pyramid(cmb.write_pyramid(part, tmp_path / "part.zarr", smallest=32))["nside_32"].sky
    np.testing.assert_array_equal(there[:, 1000:3000], part.sky)
    assert int(there.notnull().sum()) == 3 * 2000


PLACES = [
    (pointing_of("mollweide", (0, 0), 60), (-2.8, 2.8), (-1.4, 1.4), 50),
    (pointing_of("mollweide", (120, 0), 60), (-2.8, 2.8), (-1.4, 1.4), 300),
    (pointing_of("gnomonic", (184.56, -5.78), 20), (-0.17, 0.17), (-0.17, 0.17), 60),
    (pointing_of("cartesian", (0, 0), 60), (-20.0, 30.0), (60.0, 90.0), 100),
]


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES, ids=lambda place: f"{place[0].projection}-{place[3]}")
@pytest.mark.parametrize("stokes", ["I", "U"])
def test_a_viewport_from_disk_is_that_from_memory(w_band, store, place, stokes):
    pointing, xlim, ylim, width = place
    planes = [level.sel(stokes=stokes, drop=True) for level in sky_levels(cmb.open_pyramid(store))]
    held = [level.sel(stokes=stokes, drop=True) for level in sky_levels(cmb.pyramid(w_band))]
    shown, same = (
        viewport(stored_pyramid(levels), pointing, xlim, ylim, width=width, height=width // 2)
        for levels in (planes, held)
    )
    np.testing.assert_allclose(shown[2], same[2].astype(np.float32), rtol=1e-7)
    assert shown[3] == same[3] and np.isfinite(shown[2]).any()
    if shown[3] == 32 or stokes == "I":  # of Q and U a picture in memory takes plain means, those here are carried
        plain = sky_pyramid(w_band.sky.sel(stokes=stokes, drop=True))
        seen = viewport(plain, pointing, xlim, ylim, width=width, height=width // 2)
        np.testing.assert_allclose(shown[2], seen[2], atol=2e-6)


def test_a_viewport_reads_the_chunks_that_it_shows_and_once(store, monkeypatch):
    touched = []
    real = xr.Variable.__getitem__

    def watched(self, key):
        if isinstance(key, slice):
            touched.append((self.sizes["cells"], key.start))
        return real(self, key)

    monkeypatch.setattr(xr.Variable, "__getitem__", watched)
    made = stored_pyramid([level.sel(stokes="I", drop=True) for level in sky_levels(store)])
    for _ in range(2):
        viewport(made, pointing_of("gnomonic", (40, 30), 8), (-0.07, 0.07), (-0.07, 0.07), width=50, height=50)
    assert 1 <= len(touched) <= 4 and {cells for cells, _ in touched} == {12 * 32**2}  # of 48
    assert len(set(touched)) == len(touched)


@pytest.mark.slow
def test_the_zoomable_sky_takes_a_path_an_opened_store_and_a_tree_in_memory(w_band, store):
    options = {"projection": "gnomonic", "centre": (184.557, -5.784), "field": 20, "polarization": True, "width": 100}
    drawn = []
    for given in (w_band, store, str(store), cmb.open_pyramid(store), cmb.pyramid(w_band)):
        picture = cmb.sky_view(given, stokes="I", **options)
        hv.render(picture)
        drawn.append(picture[()].traverse(lambda part: part, [hv.Image])[0].dimension_values(2))
    for other in drawn[1:]:
        np.testing.assert_allclose(other, drawn[0], rtol=1e-6)


def test_what_a_pyramid_does_not_hold_is_refused(store):
    for stokes in "EB":
        with pytest.raises(UnknownVariable, match=rf"{stokes} is made of one map.*'nside_32'"):
            cmb.sky_view(store, stokes=stokes)
    with pytest.raises(BadOption, match="did you mean"):
        cmb.sky_view(store, stokes="q")
    with pytest.raises(WrongData, match="no pyramid"):
        cmb.sky_view(xr.DataTree())
    alone = xr.DataTree.from_dict({"/nside_32": cmb.fetch("wmap7_w_iqu").sel(stokes=["I"])})
    with pytest.raises(UnknownVariable, match="the map has Stokes I; Q is not there"):
        cmb.sky_view(alone, polarization=True)


def test_a_path_that_is_no_pyramid_is_refused(w_band, tmp_path):
    with pytest.raises(MissingFile, match="there is no"):
        cmb.open_pyramid(tmp_path / "nowhere.zarr")
    (tmp_path / "empty.zarr").mkdir()
    with pytest.raises(UnknownFormat, match="no pyramid"):
        cmb.open_pyramid(tmp_path / "empty.zarr")
    w_band.drop_vars("stokes").to_zarr(tmp_path / "other.zarr", consolidated=False)
    with pytest.raises(UnknownFormat, match="zarr store, but no pyramid"):
        cmb.open_pyramid(tmp_path / "other.zarr")
    with pytest.raises(UnknownFormat, match="no pyramid"):
        cmb.write_pyramid(w_band, tmp_path / "empty.zarr", overwrite=True)
    with pytest.raises(BadOption, match="not a path"):
        cmb.open_pyramid(3)


@pytest.mark.slow
def test_nothing_is_written_over_unless_it_is_a_pyramid_and_asked_for(w_band, v_band, store, tmp_path):
    with pytest.raises(BadOption, match="overwrite=True"):
        cmb.write_pyramid(v_band, store)
    cmb.write_pyramid(v_band, store, overwrite=True)
    np.testing.assert_array_equal(cmb.open_pyramid(store)["nside_32"].sky, v_band.sky)
    assert [path.name for path in tmp_path.iterdir()] == ["w.zarr"]
    with pytest.raises(BadOption, match=r"ends in \.zarr"):
        cmb.write_pyramid(w_band, tmp_path / "map.fits")
    with pytest.raises(MissingFile, match="no directory"):
        cmb.write_pyramid(w_band, tmp_path / "nowhere" / "map.zarr")
    with pytest.raises(BadOption, match="power of two"):
        cmb.write_pyramid(w_band, tmp_path / "map.zarr", smallest=7)


@pytest.mark.slow
def test_a_write_that_breaks_leaves_nothing_and_what_was_there_stays(w_band, v_band, store, tmp_path, monkeypatch):
    real = pyramid_parts._announced

    def full_disk(sky, array, nside, made, part):
        if nside == 16:
            raise OSError(28, "No space left on device")
        return real(sky, array, nside, made, part)

    monkeypatch.setattr(pyramid_parts, "_announced", full_disk)
    with pytest.raises(StoreError, match="No space"):
        cmb.write_pyramid(v_band, tmp_path / "v.zarr")
    with pytest.raises(StoreError, match="No space"):
        cmb.write_pyramid(v_band, store, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["w.zarr"]
    np.testing.assert_array_equal(cmb.open_pyramid(store)["nside_32"].sky, w_band.sky)


@pytest.mark.slow
def test_a_move_that_fails_brings_the_old_store_back(w_band, v_band, store, monkeypatch):
    real = pyramid_stores.Path.rename

    def refused(self, target):
        if self.name == "new.zarr":
            raise OSError(13, "Permission denied")
        return real(self, target)

    monkeypatch.setattr(pyramid_stores.Path, "rename", refused)
    with pytest.raises(StoreError, match="Permission"):
        cmb.write_pyramid(v_band, store, overwrite=True)
    np.testing.assert_array_equal(cmb.open_pyramid(store)["nside_32"].sky, w_band.sky)


def break_root(store):
    (store / "zarr.json").write_text('{"attributes": {"heal')


def break_version(store):
    root = json.loads((store / "zarr.json").read_text())
    root["attributes"]["nsides"] = [32, 7]
    (store / "zarr.json").write_text(json.dumps(root))


DAMAGE = {
    "root": break_root,
    "nsides": break_version,
    "group": lambda store: shutil.rmtree(store / "nside_16"),
    "array": lambda store: (store / "nside_16" / "sky" / "zarr.json").unlink(),
    "metadata": lambda store: (store / "nside_16" / "sky" / "zarr.json").write_text("{"),
    "chunk": lambda store: (store / "nside_32" / "sky" / "c" / "1" / "7").unlink(),
    "ids": lambda store: shutil.rmtree(store / "nside_8" / "cell_ids" / "c"),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_store_of_which_something_is_missing_is_refused(store, damage):
    damage(store)
    with pytest.raises(CorruptFile, match=r"damaged|write the store again"):
        cmb.open_pyramid(store)


def test_a_chunk_that_was_changed_on_disk_is_not_drawn(store):
    file = store / "nside_32" / "sky" / "c" / "0" / "7"
    held = bytearray(file.read_bytes())
    held[len(held) // 2] ^= 1
    file.write_bytes(held)
    level = sky_levels(store)[0].sel(stokes="I", drop=True)
    with pytest.raises(CorruptFile, match="checksum"):
        viewport(
            stored_pyramid([level]),
            pointing_of("mollweide", (0, 0), 60),
            (-2.8, 2.8),
            (-1.4, 1.4),
            width=200,
            height=100,
        )


def test_a_map_without_convention_is_refused_before_anything_is_written(w_band, tmp_path):
    with pytest.raises(WrongFrame, match="polconv"):
        cmb.write_pyramid(w_band.sky.drop_attrs(deep=False), tmp_path / "map.zarr")
    assert not list(tmp_path.iterdir())


def test_a_bare_map_is_written_with_labels(make, tmp_path):
    sky = make.sky(np.arange(24.0).reshape(2, 12), "QU")
    there = check(cmb.open_pyramid(cmb.write_pyramid(sky, tmp_path / "map.zarr"))["nside_1"].to_dataset())
    np.testing.assert_array_equal(there.sky, sky if isinstance(sky, xr.DataArray) else sky.sky)
    assert there.stokes.attrs["long_name"] == "Stokes parameter"


def test_levels_that_are_no_whole_sky_are_refused(w_band):
    part = w_band.sky.sel(stokes="I", drop=True).isel(cells=slice(0, 100))
    with pytest.raises(WrongData, match="no whole sky"):
        stored_pyramid([part])
