"""Maps cell by cell: Stokes parameters, masks, larger cells, beams, E and B."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from tiers import examples

from analysis import cmb
from analysis.errors import AnalysisError, BadOption, OutsideCoverage, WrongData, WrongFrame, WrongUnits
from analysis.model import breaches, check

DATA = Path(__file__).parents[1] / "data"
angles = st.floats(-180, 180)


# --------------------------------------------------------------------------------------------------- Stokes


@settings(max_examples=examples(25))
@given(q=st.floats(-10, 10), u=st.floats(-10, 10), angle=angles)
def test_rotation_keeps_polarized_intensity_and_turns_the_angle(make, q, u, angle):
    turned = (q + 1j * u) * np.exp(2j * np.radians(angle))
    planes = [make.sky(np.full((2, 12), [[a], [b]]), "QU") for a, b in ((q, u), (turned.real, turned.imag))]
    before, after = (cmb.polarized_intensity(plane)[0].item() for plane in planes)
    assert after == pytest.approx(before, abs=1e-12)
    if before > 1e-6:
        first, second = (cmb.polarization_angle(plane)[0].item() for plane in planes)
        assert np.cos(2 * np.radians(second - first - angle)) == pytest.approx(1, abs=1e-9)


def test_polarized_intensity_of_noise_alone_is_biased_as_rayleigh_says(make):
    noise = np.random.default_rng(1).normal(size=(2, 12 * 64**2))
    assert cmb.polarized_intensity(make.sky(noise, "QU")).mean().item() == pytest.approx(np.sqrt(np.pi / 2), rel=5e-3)


def test_the_iau_angle_is_180_degrees_minus_the_cosmo_angle(w_band):
    cosmo, iau = cmb.polarization_angle(w_band), cmb.polarization_angle(w_band, polconv="IAU")
    np.testing.assert_allclose(np.cos(2 * np.radians(cosmo + iau)), 1, atol=1e-12)
    assert "south through east" in cosmo.long_name and "north through east" in iau.long_name
    np.testing.assert_array_equal(iau, cmb.polarization_angle(cmb.to_polconv(w_band, "IAU")))


def test_changing_the_convention_twice_gives_the_map_back(w_band):
    back = cmb.to_polconv(cmb.to_polconv(w_band, "IAU"), "COSMO")
    xr.testing.assert_equal(back.sky, w_band.sky)
    assert check(back).attrs["polconv"] == "COSMO"
    iau = check(cmb.to_polconv(w_band, "IAU"))
    np.testing.assert_array_equal(iau.sky.sel(stokes="U"), -w_band.sky.sel(stokes="U"))
    assert {v.attrs.get("polconv", "IAU") for v in iau.data_vars.values()} == {"IAU"}
    with pytest.raises(BadOption, match="COSMO"):
        cmb.to_polconv(w_band, "HEALPix")


def test_covariances_of_u_change_their_sign_with_it_and_no_others(w_band):
    noise = {n: w_band.sky.isel(stokes=0, drop=True) for n in ("qu_cov", "iu_cov", "uu_cov", "iq_cov", "qu", "equ")}
    there = cmb.to_polconv(w_band.assign(noise), "IAU")
    signs = {name: float((there[name] / value).median()) for name, value in noise.items()}
    assert signs == {"qu_cov": -1, "iu_cov": -1, "qu": -1, "uu_cov": 1, "iq_cov": 1, "equ": 1}
    assert "qu_cov too" in there.attrs["history"] and there.sky.dtype == w_band.sky.dtype


@pytest.mark.parametrize(("name", "other"), [("polconv", "IAU"), ("frame", "icrs"), ("temperature_scale", "K_RJ")])
def test_a_map_that_contradicts_its_variable_is_refused(w_band, name, other):
    said_twice = w_band.assign(sky=w_band.sky.assign_attrs({name: other}))
    with pytest.raises(WrongFrame, match=f"{name}=.*its variable"):
        cmb.power_spectra(said_twice)


def test_cell_ids_that_are_no_whole_numbers_are_refused(w_band):
    ids = w_band.cell_ids.astype(float).assign_attrs(w_band.cell_ids.attrs)
    with pytest.raises(WrongData, match="float64, not whole numbers"):
        cmb.degraded(w_band.assign_coords(cell_ids=ids), 8)


def test_a_map_of_t_q_u_is_refused_before_t_is_left_out(w_band):
    with pytest.raises(WrongData, match="T is 'I' here"):
        cmb.smoothed(w_band.assign_coords(stokes=["T", "Q", "U"]), fwhm=20)


def test_a_stokes_parameter_held_twice_is_refused(w_band):
    with pytest.raises(WrongData, match="twice"):
        cmb.power_spectra(w_band.isel(stokes=[0, 1, 2, 2]))


def test_the_spread_of_the_w_band_is_the_known_one(w_band):
    spread = cmb.standard_deviation(w_band)
    assert spread.values == pytest.approx([0.2456, 0.00939, 0.00927], rel=6e-4)
    assert spread.units == "mK"


def test_the_spread_under_a_mask_leaves_the_galaxy_out(w_band):
    mask = cmb.galactic_mask(32, latitude=30)
    kept = w_band.sky.isel(cells=np.flatnonzero(mask.values))
    np.testing.assert_allclose(cmb.standard_deviation(w_band, mask=mask), kept.std("cells"), rtol=1e-5)
    assert float(cmb.standard_deviation(w_band, mask=mask)[0]) < 0.1


def test_arrays_of_cells_keep_the_contract(w_band):
    for array in (
        cmb.polarized_intensity(w_band), cmb.polarization_angle(w_band), cmb.standard_deviation(w_band),
        cmb.galactic_mask(8), cmb.observed_mask(w_band), cmb.sky_fraction(cmb.galactic_mask(8)),
    ):  # fmt: skip
        assert breaches(array) == []
        check(array.to_dataset().assign_attrs(w_band.attrs))


# ---------------------------------------------------------------------------------------------------- masks


@settings(max_examples=examples(20))
@given(latitude=st.floats(0, 85))
def test_a_galactic_mask_keeps_one_minus_sin_b_of_the_sky(latitude):
    fraction = float(cmb.sky_fraction(cmb.galactic_mask(128, latitude=latitude)))
    assert fraction == pytest.approx(1 - np.sin(np.radians(latitude)), abs=0.008)  # about half a ring on each side


@settings(max_examples=examples(20))
@given(latitude=st.floats(0, 85))
def test_a_galactic_mask_is_the_same_north_and_south(latitude):
    import ducc0

    mask = cmb.galactic_mask(16, latitude=latitude).values
    grid = ducc0.healpix.Healpix_Base(16, "NEST")
    mirrored = grid.vec2pix(grid.pix2vec(np.arange(mask.size)) * [1, 1, -1])
    np.testing.assert_array_equal(mask, mask[mirrored])


def test_a_latitude_may_be_a_quantity():
    import astropy.units as u

    xr.testing.assert_identical(
        cmb.galactic_mask(8, latitude=0.5 * u.rad), cmb.galactic_mask(8, latitude=float(np.degrees(0.5)))
    )


@pytest.mark.parametrize("latitude", [-1, 90, 120, np.nan, "high", None])
def test_a_latitude_out_of_range_is_refused(latitude):
    with pytest.raises(BadOption, match="latitude"):
        cmb.galactic_mask(8, latitude=latitude)


@pytest.mark.parametrize("nside", [0, 3, 48, -4, 16384, 32.0, "32", True])
def test_an_nside_that_is_no_power_of_two_is_refused(nside):
    with pytest.raises(BadOption, match="nside"):
        cmb.galactic_mask(nside)


def test_combined_masks_keep_what_each_keeps(w_band, wmap_mask):
    both = cmb.combined_mask(wmap_mask, cmb.galactic_mask(32, latitude=40))
    assert bool((both <= cmb.galactic_mask(32, latitude=40)).all())
    assert float(cmb.sky_fraction(both)) < float(cmb.sky_fraction(wmap_mask)) == pytest.approx(7602 / 12288)
    half = cmb.galactic_mask(32, latitude=0).astype(float) * 0.5
    assert float(cmb.sky_fraction(cmb.combined_mask(half, half))) == pytest.approx(float(cmb.sky_fraction(half)) / 2)


def test_masks_that_do_not_fit_are_refused():
    with pytest.raises(BadOption, match="at least one"):
        cmb.combined_mask()
    with pytest.raises(WrongData, match="nside"):
        cmb.combined_mask(cmb.galactic_mask(8), cmb.galactic_mask(16))
    with pytest.raises(WrongFrame, match="equatorial"):
        cmb.combined_mask(cmb.galactic_mask(8), cmb.galactic_mask(8).assign_attrs(frame="equatorial"))
    with pytest.raises(WrongData, match="DataArray"):
        cmb.sky_fraction(np.ones(12))


def test_a_coarse_mask_keeps_only_cells_of_which_all_was_kept(wmap_mask):
    coarse = cmb.degraded_mask(wmap_mask, 8)
    fetched = cmb.fetch("wmap7_mask", nside=8)
    np.testing.assert_array_equal(coarse, fetched.mask)
    assert float(cmb.sky_fraction(coarse)) < float(cmb.sky_fraction(wmap_mask))


# --------------------------------------------------------------------------------------------- larger cells


def test_degraded_intensity_is_the_mean_of_the_observed_cells(w_band):
    holed = w_band.copy(deep=True)
    holed.sky[{"stokes": 0, "cells": slice(0, 3)}] = np.nan
    holed.sky[{"stokes": 0, "cells": slice(16, 32)}] = np.nan
    coarse = check(cmb.degraded(holed, 8)).sky.sel(stokes="I")
    assert float(coarse[0]) == pytest.approx(float(w_band.sky[0, 3:16].astype(float).mean()))
    assert np.isnan(coarse[1]) and int(np.isnan(coarse).sum()) == 1
    assert coarse.cell_ids.attrs["level"] == 3


def test_a_uniform_field_near_the_pole_keeps_its_polarization_when_degraded(make):
    # One direction in the tangent plane of the pole: against the meridian it turns with longitude.
    import ducc0

    phi = ducc0.healpix.Healpix_Base(64, "NEST").pix2ang(np.arange(12 * 64**2))[:, 1]
    direction = np.exp(-2j * phi)  # COSMO: from south, through east
    sky = make.sky(np.stack([direction.real, direction.imag]), "QU")
    near = ducc0.healpix.Healpix_Base(2, "NEST").pix2ang(np.arange(48))[:, 0] < np.radians(30)
    kept = cmb.polarized_intensity(cmb.degraded(sky, 2)).values[near]
    plain = np.abs(direction.reshape(48, -1).mean(axis=1))[near]
    assert kept.min() > 0.995
    assert plain.max() < 0.75


def test_degrading_commutes_with_the_convention(w_band):
    there = cmb.to_polconv(cmb.degraded(w_band, 8), "IAU")
    xr.testing.assert_allclose(there.sky, cmb.degraded(cmb.to_polconv(w_band, "IAU"), 8).sky)


def test_degraded_pure_e_modes_hold_less_b_than_after_a_plain_mean(make):
    sky = make.from_alm(64, 8, e=make.alm(8, seed=1)[0])
    plain = make.sky(sky.sky.values.reshape(3, 12 * 16**2, -1).mean(axis=-1))
    leaks = [
        float(cmb.power_spectra(s, lmax=8, iterations=8).cl.sel(spectrum="BB").max())
        for s in (cmb.degraded(sky, 16), plain)
    ]
    assert leaks[0] < 0.1 * leaks[1]


@pytest.mark.parametrize("nside", [64, 3, 0])
def test_a_finer_or_impossible_nside_is_refused(w_band, nside):
    with pytest.raises(BadOption, match="nside"):
        cmb.degraded(w_band, nside)


# ------------------------------------------------------------------------------------------- beams, E and B


def test_a_smoothed_map_is_that_of_the_beam_in_harmonic_space(make):
    t, e, b = make.alm(32, seed=11, components=3)
    from analysis.cmb.harmonics import multipoles

    ell = multipoles(32)[0]
    sigma2 = (np.radians(8) / np.sqrt(8 * np.log(2))) ** 2
    beam, spin2 = np.exp(-ell * (ell + 1) * sigma2 / 2), np.exp(-(ell * (ell + 1) - 4) * sigma2 / 2)
    wanted = make.from_alm(32, 32, t=t * beam, e=e * spin2, b=b * spin2)
    result = check(cmb.smoothed(make.from_alm(32, 32, t=t, e=e, b=b), fwhm=8, lmax=32, iterations=8))
    np.testing.assert_allclose(result.sky, wanted.sky, atol=1e-9)


def test_smoothing_and_e_and_b_know_the_convention(make):
    sky = make.from_alm(16, 16, **dict(zip("teb", make.alm(16, seed=15, components=3), strict=True)))
    iau = cmb.to_polconv(sky, "IAU")
    np.testing.assert_allclose(
        cmb.to_polconv(cmb.smoothed(iau, fwhm=10), "COSMO").sky, cmb.smoothed(sky, fwhm=10).sky, atol=1e-9
    )
    ours, theirs = cmb.eb_maps(sky), cmb.eb_maps(iau)
    np.testing.assert_allclose(theirs.e_modes, ours.e_modes, atol=1e-9)
    np.testing.assert_allclose(theirs.b_modes, -ours.b_modes, atol=1e-9)


@pytest.mark.parametrize("masked", [False, True])
def test_the_smoothed_w_band_is_that_of_the_fortran_healpix(w_band, wmap_mask, masked):
    from astropy.io import fits

    from analysis.cmb.maps import ring_order

    with fits.open(DATA / f"fortran_wmap7_w{'_masked' if masked else ''}_smoothed10deg.fits") as file:
        reference = np.stack([np.asarray(file[1].data[name], float).ravel() for name in file[1].columns.names])
    result = cmb.smoothed(w_band, fwhm=10, lmax=64, mask=wmap_mask if masked else None).sky
    found = result.values[:, ring_order(32)]
    assert bool(np.isfinite(found).all()) is not masked
    for ours, theirs in zip(found, reference, strict=True):
        assert np.nanmax(np.abs(ours - theirs)) <= 1.1e-7 * np.abs(theirs).max()


def test_no_smoothing_gives_a_band_limited_map_back(make):
    sky = make.from_alm(16, 16, t=make.alm(16, seed=12)[0], b=make.alm(16, seed=13)[0])
    np.testing.assert_allclose(cmb.smoothed(sky, fwhm=0, lmax=16, iterations=8).sky, sky.sky, atol=1e-9)


def test_smoothing_keeps_the_mean_and_lowers_the_spread(w_band):
    result = cmb.smoothed(w_band, fwhm=10)
    assert float(result.sky[0].mean()) == pytest.approx(float(w_band.sky[0].mean()), rel=1e-4)
    assert float(cmb.standard_deviation(result)[1]) < 0.7 * float(cmb.standard_deviation(w_band)[1])


def test_cells_left_out_stay_unknown_after_smoothing(w_band):
    mask = cmb.galactic_mask(32, latitude=20)
    result = cmb.smoothed(w_band, fwhm=5, mask=mask)
    np.testing.assert_array_equal(np.isnan(result.sky[0]), ~mask)
    assert "count as zero" in result.attrs["history"]
    with pytest.raises(BadOption, match="fwhm"):
        cmb.smoothed(w_band, fwhm=-1)


def test_pure_e_has_an_empty_map_of_b_modes(make):
    from analysis.cmb.harmonics import map_from_alm
    from analysis.cmb.maps import ring_order

    e = make.alm(32, seed=14)[0]
    modes = check(cmb.eb_maps(make.from_alm(32, 32, e=e), lmax=32, iterations=8))
    wanted = map_from_alm(e[None], nside=32, lmax=32)[0]
    np.testing.assert_allclose(modes.e_modes.values[ring_order(32)], wanted, atol=1e-9)
    assert float(np.abs(modes.b_modes).max()) < 1e-9


# ------------------------------------------------------------------------------------------------ the verbs


def test_fetch_gives_maps_masks_spectra_and_channels(w_band):
    assert w_band.sky.dims == ("stokes", "cells") and w_band.sky.units == "mK"
    assert cmb.fetch("planck2018_lcdm").cl.dims == ("spectrum", "ell")
    assert cmb.fetch("litebird_channels").sizes["channel_name"] == 22


def test_fetch_with_a_smaller_nside_gives_the_degraded_map(w_band):
    coarse = cmb.fetch("wmap7_w_iqu", nside=8)
    xr.testing.assert_allclose(coarse.sky, cmb.degraded(w_band, 8).sky)
    assert "nside=8" in coarse.attrs["history"]
    xr.testing.assert_identical(cmb.fetch("wmap7_w_iqu", nside=32).sky, w_band.sky)


@pytest.mark.slow
def test_fetch_by_frequency_chooses_channels_and_checks_maps():
    import astropy.units as u

    assert cmb.fetch("wmap7_w_iqu", frequency=94).sizes["cells"] == 12288
    assert cmb.fetch("wmap7_v_iqu", frequency=61e9 * u.Hz).sizes["cells"] == 12288
    assert set(cmb.fetch("litebird_channels", frequency="140 GHz").telescope.values) == {"LFT", "MFT"}
    with pytest.raises(OutsideCoverage, match=r"wmap7_w_iqu has nothing at 61 GHz.* 94 GHz"):
        cmb.fetch("wmap7_w_iqu", frequency=61)
    with pytest.raises(OutsideCoverage, match="40, 50, 60"):
        cmb.fetch("litebird_channels", frequency=141)


@pytest.mark.parametrize(
    ("product", "options"),
    [
        ("wmap7_w_iqu", {"nside": 64}),
        ("wmap7_w_iqu", {"nside": 5}),
        ("litebird_channels", {"nside": 16}),
        ("planck2018_lcdm", {"nside": 16}),
        ("planck2018_lcdm", {"frequency": 94}),
        ("wmap7_w_iqu", {"frequency": "red"}),
        ("wmap7_w_iqu", {"frequency": -94}),
    ],
)
def test_options_that_do_not_apply_are_refused(product, options):
    with pytest.raises(BadOption):
        cmb.fetch(product, **options)


def test_a_chunked_fetch_is_lazy_and_the_same(w_band):
    lazy = cmb.fetch("wmap7_w_iqu", chunks={"cells": 4096})
    assert lazy.sky.chunks is not None
    xr.testing.assert_equal(lazy.compute().sky, w_band.sky)


def test_the_channels_together_have_the_published_sensitivity():
    total = cmb.combined_sensitivity(cmb.fetch("litebird_channels"))
    assert float(total) == pytest.approx(2.1595, abs=5e-5)  # PTEP 2023, 042F01: 2.2 uK arcmin
    assert total.units == "uK arcmin"


def test_one_channel_alone_has_its_own_sensitivity():
    one = xr.DataArray([30.0], dims="channel_name", attrs={"units": "uK arcmin"}, name="polarization_sensitivity")
    assert float(cmb.combined_sensitivity(one)) == pytest.approx(30)
    assert float(cmb.combined_sensitivity(one.assign_attrs(units="mK deg"))) == pytest.approx(30 * 60e3)
    with pytest.raises(WrongUnits):
        cmb.combined_sensitivity(one.assign_attrs(units="uK"))
    with pytest.raises(WrongData, match="positive"):
        cmb.combined_sensitivity(one * 0)
    with pytest.raises(WrongData, match="polarization_sensitivity"):
        cmb.combined_sensitivity(xr.Dataset())


def test_threads_are_set_in_one_place(monkeypatch):
    from analysis.cmb.harmonics import thread_count

    monkeypatch.setenv("SANKO_THREADS", "3")
    assert thread_count() == 3
    monkeypatch.setenv("SANKO_THREADS", "many")
    with pytest.raises(AnalysisError, match="SANKO_THREADS"):
        thread_count()
