"""Masks of discs, thresholds and their algebra."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from astropy import units as u
from astropy.coordinates import SkyCoord
from ducc0.healpix import Healpix_Base
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import cmb
from analysis.errors import AnalysisWarning, BadOption, WrongData, WrongFrame


def directions(nside, frame="galactic"):
    angles = Healpix_Base(nside, "NEST").pix2ang(np.arange(12 * nside**2))
    return SkyCoord(angles[:, 1], np.pi / 2 - angles[:, 0], unit="rad", frame=frame)


CRAB = SkyCoord("05h34m31.94s", "+22d00m52.2s", frame="icrs")


@settings(max_examples=20, deadline=None)
@given(st.floats(0, 360), st.floats(-90, 90), st.floats(0.5, 60))
def test_a_disc_leaves_out_the_cells_whose_centres_are_near(longitude, latitude, radius):
    mask = cmb.source_mask(16, ([longitude], [latitude]), radius=radius)
    away = directions(16).separation(SkyCoord(longitude, latitude, unit="deg", frame="galactic")).deg
    sure = np.abs(away - radius) > 1e-6
    own = np.zeros(3072, bool)
    own[Healpix_Base(16, "NEST").ang2pix(np.radians([[90 - latitude, longitude % 360]]))] = True
    np.testing.assert_array_equal(mask.values[sure & ~own], (away > radius)[sure & ~own])
    assert not mask.values[own].any()


@pytest.mark.parametrize(
    "positions",
    [
        CRAB,
        CRAB.galactic,
        pd.DataFrame({"RAJ2000": [CRAB.ra.deg], "DEJ2000": [CRAB.dec.deg]}),
        pd.DataFrame({"GLON": [CRAB.galactic.l.deg], "GLAT": [CRAB.galactic.b.deg]}),
        xr.Dataset(
            {
                "ra": ("row", [CRAB.ra.rad], {"units": "rad"}),
                "dec": ("row", [CRAB.dec.deg * 60], {"units": "arcmin"}),
            }
        ),
        ([184.5575], [-5.7844]),
    ],
    ids=["icrs", "galactic", "vizier", "glon", "units", "tuple"],
)
def test_the_crab_is_at_its_place_whatever_the_catalogue_says_it_in(positions):
    mask = cmb.source_mask(64, positions, radius="3 deg")
    away = directions(64).separation(CRAB).deg
    np.testing.assert_array_equal(mask.values[np.abs(away - 3) > 1e-3], (away > 3)[np.abs(away - 3) > 1e-3])
    assert mask.attrs["frame"] == "galactic"


def test_discs_have_their_own_radii_and_the_mask_its_own_frame():
    centres = SkyCoord([10, 200], [-40, 60], unit="deg")
    mask = cmb.source_mask(32, centres, radius=[5, 20] * u.deg, frame="icrs")
    sky = directions(32, "icrs")
    wanted = (sky.separation(centres[0]).deg > 5) & (sky.separation(centres[1]).deg > 20)
    np.testing.assert_array_equal(mask, wanted)
    assert mask.attrs["frame"] == "icrs" and "2 positions" in mask.attrs["long_name"]
    np.testing.assert_array_equal(cmb.source_mask(32, centres, radius=np.array([5, 20]), frame="icrs"), wanted)


@pytest.mark.parametrize(
    ("positions", "options", "error", "match"),
    [
        (([1], [2]), {"radius": 0}, BadOption, "above 0"),
        (([1], [2]), {"radius": [1, 2]}, BadOption, "2 values for 1"),
        (([1], [2]), {"radius": ["1 deg"]}, BadOption, "u.arcmin"),
        (([1], [2]), {"radius": "1 K"}, BadOption, "not an angle"),
        (([1], [2]), {"radius": 1, "frame": "b1950"}, BadOption, "galactic, icrs"),
        (([1], [95]), {"radius": 1}, WrongData, "beyond"),
        (([1, np.nan], [2, 3]), {"radius": 1}, WrongData, "not finite"),
        (([1, 2], [2]), {"radius": 1}, WrongData, "as many"),
        (([], []), {"radius": 1}, WrongData, "as many"),
        (pd.DataFrame({"x": [1]}), {"radius": 1}, WrongData, "it has x"),
        ("crab", {"radius": 1}, WrongData, "SkyCoord"),
    ],
)
def test_positions_that_are_none_are_refused(positions, options, error, match):
    with pytest.raises(error, match=match):
        cmb.source_mask(8, positions, **options)


def test_thresholds_leave_out_what_is_bright(w_band):
    sky = w_band.sky.sel(stokes="I")
    mask = cmb.threshold_mask(w_band, above="300 uK", below=-0.5)
    np.testing.assert_array_equal(mask, (sky <= 0.3) & (sky >= -0.5))
    power = np.hypot(w_band.sky.sel(stokes="Q"), w_band.sky.sel(stokes="U"))
    np.testing.assert_array_equal(cmb.threshold_mask(w_band, above=0.02, stokes="P"), power <= 0.02)
    assert mask.attrs["frame"] == "galactic" and "I ≤ 0.3 mK" in mask.attrs["long_name"]


@pytest.mark.parametrize("fraction", [0.2, 0.5, 0.95])
def test_the_faintest_sky_is_as_large_as_asked_for(w_band, fraction):
    faint = cmb.threshold_mask(w_band, fraction=fraction)
    assert float(cmb.sky_fraction(faint)) == pytest.approx(fraction, abs=2e-4)
    assert w_band.sky[0].values[faint].max() <= w_band.sky[0].values[~faint.values].min()


def test_what_was_not_observed_is_left_out(w_band):
    holes = w_band.assign(sky=w_band.sky.where(w_band.cell_ids > 99).assign_attrs(w_band.sky.attrs))
    assert not cmb.threshold_mask(holes, above=1e9).values[:100].any()
    assert int(cmb.threshold_mask(holes, fraction=0.5).sum()) == (12288 - 100) // 2


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({}, BadOption, "give above="),
        ({"above": 1, "fraction": 0.5}, BadOption, "give above="),
        ({"above": "1 s"}, BadOption, "'mK'"),
        ({"above": np.nan}, BadOption, "finite"),
        ({"fraction": 1.5}, BadOption, "between"),
        ({"above": 1, "stokes": "E"}, BadOption, "'P'"),
        ({"above": -1e9}, WrongData, "no cell would be kept"),
    ],
)
def test_thresholds_that_cannot_be_are_refused(w_band, options, error, match):
    with pytest.raises(error, match=match):
        cmb.threshold_mask(w_band, **options)


def test_the_algebra_of_masks_is_that_of_sets():
    plane, north = cmb.galactic_mask(8, latitude=30), cmb.source_mask(8, ([0], [90]), radius=50)
    both, either = cmb.combined_mask(plane, north), cmb.union_mask(plane, north)
    np.testing.assert_array_equal(either, plane.values | north.values)
    left = cmb.inverted_mask(cmb.combined_mask(cmb.inverted_mask(plane), cmb.inverted_mask(north)))
    np.testing.assert_array_equal(left, either)  # De Morgan
    assert int(both.sum() + either.sum()) == int(plane.sum() + north.sum())
    assert either.dtype == bool and either.attrs["long_name"].startswith("Kept: |b| > 30° or farther")
    soft = plane * 0.5
    np.testing.assert_allclose(cmb.inverted_mask(soft), 1 - 0.5 * plane)
    np.testing.assert_allclose(cmb.union_mask(soft, north), np.maximum(0.5 * plane, north))


def test_masks_that_differ_in_cells_or_frame_are_refused():
    mask = cmb.galactic_mask(8)
    for other, error, match in (
        (cmb.galactic_mask(4), WrongData, "degraded_mask"),
        (cmb.rotated_mask(mask, "icrs"), WrongFrame, "rotated_mask"),
    ):
        with pytest.raises(error, match=match):
            cmb.union_mask(mask, other)
    with pytest.raises(BadOption, match="at least one"):
        cmb.union_mask()


def test_a_mask_of_a_simulation_says_so(w_band):
    simulated = w_band.assign_attrs(synthetic="true")
    for mask in (
        cmb.threshold_mask(simulated, fraction=0.5),
        cmb.inverted_mask(cmb.threshold_mask(simulated, above=1)),
    ):
        assert mask.attrs["synthetic"] == "true"
    assert cmb.to_frame(w_band, "icrs", mask=cmb.threshold_mask(simulated, above=1)).attrs["synthetic"] == "true"


@pytest.mark.parametrize("work", [cmb.combined_mask, cmb.union_mask])
def test_a_mask_without_frame_takes_that_of_the_other_with_a_warning(work):
    bare, said = cmb.galactic_mask(4, latitude=40).copy(), cmb.galactic_mask(4, latitude=20)
    del bare.attrs["frame"]
    for masks in ((bare, said), (said, bare)):
        with pytest.warns(AnalysisWarning, match="no frame"):
            assert work(*masks).attrs["frame"] == "galactic"
    with pytest.raises(WrongFrame, match="must be one"):
        work(said, cmb.rotated_mask(said, "icrs"))
    with pytest.raises(WrongData, match="nside"):
        work(said, cmb.galactic_mask(8))


def test_a_smooth_edge_is_half_way_up_at_two_and_a_half_scales():
    soft = cmb.apodized_mask(cmb.galactic_mask(32, latitude=20), scale=4, kind="Smooth")
    latitude = 90 - np.degrees(Healpix_Base(32, "NEST").pix2ang(soft.cell_ids.values)[:, 0])
    there = np.abs(np.abs(latitude) - 30) < 1
    assert float(soft[there].mean()) == pytest.approx(0.5, abs=0.08)  # of a straight edge; 0.69 at two scales


@pytest.mark.parametrize("kind", ["C1", "C2"])
def test_weights_near_an_edge_are_the_formula_of_the_nearest_cell_left_out(kind):
    hard = cmb.source_mask(16, ([40.0], [30.0]), radius="20 deg")
    soft = cmb.apodized_mask(hard, scale="25 deg", kind=kind).values
    centres = Healpix_Base(16, "NEST").pix2vec(hard.cell_ids.values)
    nearest = (centres @ centres[~hard.values].T).max(axis=1)
    x = np.minimum(np.sqrt((1 - np.minimum(nearest, 1)) / (1 - np.cos(np.radians(25)))), 1)
    weight = x - np.sin(2 * np.pi * x) / (2 * np.pi) if kind == "C1" else (1 - np.cos(np.pi * x)) / 2
    np.testing.assert_allclose(soft, np.where(hard, weight, 0), atol=1e-7)
