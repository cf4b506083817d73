"""What a result says about itself: which mask, whether invented, and no number for what was not seen."""

import numpy as np
import pytest
import xarray as xr

from analysis import cmb
from analysis.errors import BadOption, WrongData, WrongUnits
from analysis.model import is_synthetic

UNSEEN = -1.6375e30


@pytest.fixture
def invented(make):
    values = np.random.default_rng(3).normal(size=(3, 12 * 16**2))
    return make.sky(values, synthetic="true", title="Invented sky", source="a random generator")


@pytest.fixture
def plain(make):
    return make.sky(np.random.default_rng(4).normal(size=(3, 12 * 16**2)))


# ------------------------------------------------------------------------------------------ what history says


@pytest.mark.parametrize(
    "function", [lambda s, m: cmb.smoothed(s, fwhm=5, mask=m), lambda s, m: cmb.eb_maps(s, mask=m)]
)
def test_a_mask_of_one_half_everywhere_halves_the_map_and_history_says_so(plain, function):
    half = cmb.galactic_mask(16, latitude=0).astype(float) * 0 + 0.5
    whole, halved = function(plain, None), function(plain, half)
    for name in whole.data_vars:
        np.testing.assert_allclose(halved[name], whole[name] / 2, atol=1e-12)
    assert whole.attrs["history"].endswith("no mask")
    assert "f_sky 0.5000" in halved.attrs["history"] and "not divided out" in halved.attrs["history"]


def test_history_does_not_call_an_inverted_mask_by_the_name_of_the_other_half(plain):
    mask = cmb.galactic_mask(16, latitude=15)
    kept, left_out = (cmb.power_spectra(plain, mask=m, lmax=8).attrs["history"] for m in (mask, ~mask))
    assert "Kept: |b| > 15°" in kept
    assert "|b|" not in left_out and f"f_sky {float((~mask).mean()):.4f}" in left_out
    assert "|b|" not in cmb.combined_mask(~mask, cmb.observed_mask(plain)).long_name
    assert "|b|" not in cmb.degraded_mask(~mask, 8).long_name


def test_a_combined_mask_is_named_after_all_its_parts():
    both = cmb.combined_mask(cmb.fetch("wmap7_mask"), cmb.galactic_mask(32, latitude=15))
    assert both.long_name.startswith("Kept: WMAP 7-year") and both.long_name.endswith("and |b| > 15°")


# ---------------------------------------------------------------------------------------------- invented data


def test_cross_spectra_are_synthetic_whichever_of_the_maps_is(plain, invented):
    measured = plain.assign_attrs(synthetic="false")
    for pair in ((invented, measured), (measured, invented)):
        assert cmb.power_spectra(*pair, lmax=8).attrs["synthetic"] == "true"
    assert not is_synthetic(cmb.power_spectra(measured, measured, lmax=8))


def test_what_is_made_of_an_invented_sky_says_that_it_is_synthetic(invented):
    cl = cmb.power_spectra(invented, lmax=8)
    seen, array = cmb.observed_mask(invented), invented.sky.assign_attrs(synthetic="true", polconv="COSMO")
    made = [
        cmb.polarized_intensity(invented), cmb.polarization_angle(invented), cmb.polarized_intensity(array),
        cmb.standard_deviation(invented), cmb.smoothed(invented, fwhm=9).sky, cmb.eb_maps(invented).e_modes,
        cmb.degraded(invented, 8), cmb.degraded(invented, 8).sky, cmb.degraded(array, 8), seen,
        cmb.sky_fraction(seen), cmb.combined_mask(cmb.galactic_mask(16), seen), cmb.degraded_mask(seen, 8),
        cl, cl.cl, cmb.d_ell(cl.cl), cmb.d_ell(cl).dl, cmb.binned(cl.cl, width=3),
    ]  # fmt: skip
    assert [data.name for data in made if not is_synthetic(data)] == []


def test_what_is_made_under_an_invented_mask_is_synthetic(plain, invented):
    mask = cmb.observed_mask(invented)
    for data in (
        cmb.power_spectra(plain, mask=mask, lmax=8), cmb.power_spectra(plain, mask=mask.to_dataset(), lmax=8),
        cmb.smoothed(plain, fwhm=9, mask=mask), cmb.eb_maps(plain, mask=mask),
        cmb.standard_deviation(plain, mask=mask),
    ):  # fmt: skip
        assert is_synthetic(data)
    assert not is_synthetic(cmb.power_spectra(plain, mask=cmb.galactic_mask(16), lmax=8))


# --------------------------------------------------------------------------------------- what was not observed


@pytest.mark.parametrize("value", [np.inf, -np.inf, UNSEEN, np.float32(UNSEEN), -UNSEEN])
def test_infinities_and_unseen_are_no_measurements_to_any_function(plain, value):
    plain.sky[{"stokes": 1, "cells": slice(0, 5)}] = value
    for function in (
        cmb.power_spectra, cmb.eb_maps, cmb.standard_deviation, cmb.polarized_intensity, cmb.polarization_angle,
        lambda sky: cmb.smoothed(sky, fwhm=5), lambda sky: cmb.degraded(sky, 8),
        lambda sky: cmb.power_spectra(sky.fillna(0).where(np.abs(sky.sky) < 10, 0).assign_attrs(sky.attrs), sky),
    ):  # fmt: skip
        with pytest.raises(WrongData, match=r"UNSEEN.*observed_mask"):
            function(plain)
    mask = cmb.observed_mask(plain)
    assert int((~mask).sum()) == 5
    assert float(cmb.power_spectra(plain, mask=mask, lmax=8).cl.max()) < 10
    assert float(cmb.standard_deviation(plain, mask=mask).max()) < 2
    cleaned = plain.assign(sky=plain.sky.where(mask))  # as the message says
    assert float(cmb.standard_deviation(cleaned).max()) < 2
    assert float(np.abs(cmb.degraded(cleaned, 8).sky).max()) < 10


# ------------------------------------------------------------------------------------------------- inputs


@pytest.mark.parametrize("fwhm", ["5 deg", "300 arcmin", xr.DataArray(300.0, attrs={"units": "arcmin"})])
def test_a_beam_is_an_angle_in_any_spelling(plain, fwhm):
    np.testing.assert_allclose(cmb.smoothed(plain, fwhm=fwhm).sky, cmb.smoothed(plain, fwhm=5).sky, atol=1e-12)


def test_a_beam_that_is_no_angle_is_refused_with_an_example(plain):
    with pytest.raises(BadOption, match="900 arcmin"):
        cmb.smoothed(plain, fwhm="5 mK")
    with pytest.raises(WrongUnits):
        cmb.smoothed(plain, fwhm=xr.DataArray(5.0, attrs={"units": "mK"}))


def test_a_coarser_map_keeps_the_chunks_asked_for():
    lazy = cmb.fetch("wmap7_w_iqu", nside=16, chunks={"cells": 1000})
    assert lazy.sky.chunksizes["cells"] == (1000, 1000, 1000, 72)
    with pytest.raises(BadOption, match="time"):
        cmb.fetch("wmap7_w_iqu", nside=16, chunks={"time": 10})


def test_a_ring_on_the_edge_of_the_band_is_left_out_north_and_south():
    mask = cmb.galactic_mask(2, latitude=float(np.degrees(np.arcsin(2 / 3))))
    sky = xr.DataArray(mask.values.astype(float), dims="cells").values.reshape(12, 4)
    assert sky[:4].sum() == sky[8:].sum()


def test_one_spectrum_without_its_dataset_can_be_binned(plain):
    cl = cmb.power_spectra(plain, lmax=20)
    xr.testing.assert_identical(cmb.binned(cl.cl, width=4), cmb.binned(cl, width=4).cl)
    with pytest.raises(WrongData, match="ndarray"):
        cmb.binned(cl.cl.values, width=4)
