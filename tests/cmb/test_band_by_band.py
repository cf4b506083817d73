"""Maps of several bands go through what works on one map, each as it would alone."""

import numpy as np
import pytest
import xarray as xr

from analysis import cmb
from analysis.errors import BadOption, WrongData
from analysis.model import check

STEPS = {
    "degraded": lambda sky: cmb.degraded(sky, 4),
    "harmonic": lambda sky: cmb.degraded(sky, 4, method="harmonic"),
    "upgraded": lambda sky: cmb.upgraded(sky, 16),
    "smoothed": lambda sky: cmb.smoothed(sky, fwhm="20 deg"),
    "turned": lambda sky: cmb.to_frame(sky, "icrs"),
    "iau": lambda sky: cmb.to_polconv(sky, "IAU"),
    "eb": cmb.eb_maps,
}


@pytest.fixture(scope="module")
def bands():
    sky = cmb.simulated_sky("litebird", 8, seed=4, beams="15 deg", stokes="IQU").isel(frequency=slice(0, 3))
    return cmb.to_polconv(sky, "IAU")


@pytest.mark.slow
@pytest.mark.parametrize("name", STEPS)
def test_each_band_is_what_it_would_be_alone(bands, name):
    made = check(STEPS[name](bands))
    for number in range(3):
        alone = STEPS[name](bands.isel(frequency=number))
        for variable in set(made.data_vars) & {"sky", "e_modes", "b_modes"}:
            np.testing.assert_array_equal(made[variable].isel(frequency=number).values, alone[variable].values)
    assert made.attrs["synthetic"] == "true" and made.attrs["frame"] == ("icrs" if name == "turned" else "galactic")
    assert made.attrs["polconv"] == "IAU"
    assert list(made.channel_name.values) == list(bands.channel_name.values)
    xr.testing.assert_identical(made.frequency.variable, bands.frequency.variable)


@pytest.mark.slow
def test_beams_widen_and_white_noise_is_known_only_where_it_is_white(bands):
    smooth = cmb.smoothed(bands, fwhm="20 deg")
    assert float(smooth.beam[0]) == pytest.approx(25 * 60) and smooth.beam.attrs["units"] == "arcmin"
    assert "depth" not in smooth and "depth" not in cmb.degraded(bands, 4, method="harmonic")
    kept = cmb.degraded(bands, 4)
    xr.testing.assert_identical(kept.depth.variable, bands.depth.variable)
    hits = xr.ones_like(bands.sky.isel(frequency=0, stokes=0, drop=True)).assign_attrs(units="1")
    assert "depth" not in cmb.degraded(bands.assign(hits=hits), 4)
    widest = cmb.degraded(bands, 4, method="harmonic", beam="15 deg", new_beam="20 deg")
    assert "beam" not in widest


@pytest.mark.slow
def test_what_one_band_lacks_is_masked_in_all(bands):
    holed = bands.copy(deep=True)
    holed.sky[1, :, :16] = np.nan
    made = cmb.degraded(holed, 2)
    assert made.mask.values.tolist() == [False] + [True] * 47
    assert made.sky.isel(frequency=0).notnull().all()


@pytest.mark.slow
def test_a_simulation_is_separated_after_it_was_smoothed_and_degraded():
    sky = cmb.simulated_sky("litebird", 16, seed=4, beams="10 deg")
    fit = cmb.parametric_components(cmb.degraded(cmb.to_polconv(sky, "IAU"), 8))
    assert fit.attrs["synthetic"] == "true" and fit.attrs["polconv"] == "IAU"
    assert float(fit.sel(parameter="beta_dust").value) == pytest.approx(1.54, abs=0.02)
    with pytest.raises(BadOption, match="how noisy is each band"):
        cmb.parametric_components(cmb.smoothed(sky, fwhm="5 deg"))


def test_realizations_are_still_chosen_one_by_one():
    many = cmb.simulated_sky("planck", 4, seed=1, beams="20 deg", realizations=2)
    with pytest.raises(WrongData, match="choose one"):
        cmb.degraded(many, 2)
    flipped = cmb.to_polconv(many, "IAU")
    assert flipped.sky.chunks is not None
    np.testing.assert_array_equal(flipped.sky.sel(stokes="U"), -many.sky.sel(stokes="U"))


def test_tab_completion_lists_what_one_calls():
    assert dir(cmb) == sorted(cmb.__all__) and all(callable(getattr(cmb, name)) for name in dir(cmb))


@pytest.mark.slow
@pytest.mark.parametrize(
    "step",
    [
        lambda sky, mask: cmb.degraded(sky, 4, least=0.9),
        lambda sky, mask: cmb.degraded(sky.fillna(0), 4, method="harmonic", pixels=False, lmax=6),
        lambda sky, mask: cmb.smoothed(sky.fillna(0), fwhm="20 deg", mask=mask, lmax=12, iterations=1),
        lambda sky, mask: cmb.to_frame(sky.fillna(0), "icrs", mask=mask, lmax=12, iterations=1),
        lambda sky, mask: cmb.eb_maps(sky.fillna(0), mask=mask, lmax=12, iterations=1),
    ],
)
def test_options_reach_every_band(bands, step):
    holed, mask = bands.copy(deep=True), cmb.galactic_mask(8, latitude=20)
    holed.sky[:, :, :1] = np.nan
    made, alone = step(holed, mask), step(holed.isel(frequency=2), mask)
    name = "sky" if "sky" in made else "b_modes"
    np.testing.assert_array_equal(made[name].isel(frequency=2).values, alone[name].values)
