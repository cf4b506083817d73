"""Numbers that are known from elsewhere, seen through the products: what ships is what it is said to be."""

import numpy as np
import pytest

from analysis import cmb, plasma, xray


def when(array):
    """Return the time of the largest value, as text to the second."""
    return str(array.time.values[array.values.argmax()])[:19]


@pytest.mark.slow
def test_the_storm_of_march_2001_reached_a_dst_of_minus_387_nt():
    dst = plasma.fetch("qin_denton_hourly").dst
    assert (when(-dst), float(dst.min())) == ("2001-03-31T08:00:00", -387)


@pytest.mark.slow
def test_dynamic_pressure_carries_the_worst_flag_it_was_made_of():
    wind = plasma.fetch("qin_denton_hourly")
    worst = np.minimum(wind.pdyn_quality_as_given, np.minimum(wind.density_quality, wind.speed_quality))
    assert (wind.pdyn_quality == worst).all()
    storm = wind.sel(time="2001-03-31T08")
    assert (int(storm.pdyn_quality_as_given), int(storm.pdyn_quality), int(storm.speed_quality)) == (2, 1, 1)


@pytest.mark.slow
def test_a_third_of_the_pressures_are_called_measured_and_a_twelfth_are():
    wind = plasma.fetch("qin_denton_hourly")
    assert float((wind.pdyn_quality_as_given == 2).mean()) == pytest.approx(0.35, abs=0.005)
    assert float((wind.pdyn_quality == 2).mean()) == pytest.approx(1 / 12, abs=0.005)


@pytest.mark.slow
def test_the_pressure_holds_helium_more_than_protons_alone_give():
    wind = plasma.fetch("qin_denton_hourly")
    protons = 1.6726e-6 * wind.density * wind.speed**2
    assert 1.1 < float((wind.pdyn / protons).median()) < 1.25


def test_the_gannon_storm_has_an_ap_of_271():
    day = plasma.fetch("space_weather_daily", "2024-05-11", "2024-05-12")
    assert float(day.ap_mean[0]) == 271 and float(day.kp.max()) == 9


@pytest.mark.slow
def test_kp_is_in_thirds_and_ap_is_their_known_table():
    data = plasma.fetch("space_weather_daily", stop="2025-07-21")
    thirds = np.round(data.kp.values * 3)
    assert np.nanmax(abs(data.kp.values * 3 - thirds)) < 1e-5
    known = dict(zip(thirds.ravel(), data.ap.values.ravel(), strict=True))
    assert [known[n] for n in (0, 6, 15, 21, 27)] == [0, 7, 48, 132, 400]  # Bartels' table: Kp 0, 2, 5, 7, 9
    same = data.ap.values == np.vectorize(known.get, otypes=[float])(thirds)
    assert same.mean() > 0.9999


def test_every_prediction_is_marked_and_none_is_before_the_file_was_made():
    data = plasma.fetch("space_weather_daily")
    for name in ("kp", "ap", "ap_mean", "sunspot_number", "f107_observed", "f107_adjusted"):
        flag = data[f"{name}_quality"]
        words = flag.attrs["flag_meanings"].split()
        predicted = flag <= words.index("daily_predicted")
        assert str(data.time.values[predicted.values][0])[:10] == "2025-07-21"
        assert int(predicted.sum()) == 39 + 194
    monthly = data.isel(time=(data.kp_quality == 0).values)
    assert bool(monthly.kp.isnull().all()) and set(monthly.time.dt.day.values) == {1}


def test_the_ring_current_of_november_2003_reached_minus_503_7_nt():
    rc = plasma.fetch("ring_current_hourly").rc
    assert when(-rc) == "2003-11-20T19:30:00" and float(rc.min()) == pytest.approx(-503.7, abs=0.05)
    assert set(rc.time.dt.minute.values) == {30}


@pytest.mark.slow
def test_the_flare_of_june_2011_is_m2_5():
    flux = plasma.fetch("goes_xrs_20110607").xrs_b
    assert when(flux) == "2011-06-07T06:41:24" and float(flux.max()) == pytest.approx(2.5554e-5, rel=1e-4)


@pytest.mark.slow
def test_the_flare_of_september_2017_is_x13_and_x9_in_the_old_scaling():
    flux = plasma.fetch("goes_xrs_20170910").xrs_b
    assert when(flux) == "2017-09-10T16:06:31" and float(flux.max()) == pytest.approx(1.2971e-3, rel=1e-4)
    assert float(flux.max()) * 0.7 == pytest.approx(9.1e-4, rel=0.005)


def test_parker_solar_probe_has_118_samples_and_two_gaps():
    field = plasma.fetch("psp_mag_rtn_1min")["field"].to_dataset()
    steps = np.diff(field.time.values) / np.timedelta64(1, "s")
    assert field.b.shape == (118, 3) and field.b.attrs["frame"] == "RTN"
    assert sorted(set(steps)) == [60, 27000, 27300]
    assert int(field.b.isnull().all("component").sum()) == 6  # the ends of the three runs


def test_solar_orbiter_counted_almost_nothing_that_day():
    tree = plasma.fetch("solo_epd_hcad")
    for species, bins, zeros in (("ion", 12, 0.97), ("electron", 17, 0.99)):
        data = tree[species].to_dataset()
        assert data.flux.dims == ("time", "energy") and data.sizes["energy"] == bins
        assert float((data.flux == 0).mean()) == pytest.approx(zeros, abs=0.005)
        assert (data.flux.isnull().any("energy") == (data.flux_quality == 0)).all()


def test_hope_has_a_hundred_records_of_each_species_by_time_energy_and_pitch_angle():
    tree = plasma.fetch("rbsp_hope_pad")
    for species, energies, lowest in (("ion", "energy", 25), ("electron", "energy_table", 15)):
        data = tree[species].to_dataset()
        assert dict(data.flux.sizes) == {"time": 100, "energy": 72, "pitch_angle": 11}
        assert float(data[energies].min()) == pytest.approx(lowest, abs=0.1)  # eV
        assert float(data[energies].max()) == pytest.approx(51_768, abs=1)
        assert data.position.attrs["frame"] == "GEO"


def test_msh_15_52_has_258419_events():
    events = xray.fetch("msh1552_acis_events")["events"].to_dataset()
    assert events.sizes["event"] == 258_419
    assert {"time", "x", "y", "energy", "pi"} <= set(events.variables)


def test_the_events_of_m82_are_a_cut_out():
    tree = xray.fetch("m82_acis_events")
    good = tree["gti"].to_dataset()
    assert tree["events"].to_dataset().sizes["event"] == 4612
    assert float((good.stop - good.start).sum()) == pytest.approx(945, abs=1)


def test_rxte_files_hold_1000_and_3518_events():
    assert xray.fetch("xte_4u1636_events")["events"].to_dataset().sizes["event"] == 1000
    assert xray.fetch("m82_ulx_rxte_events")["events"].to_dataset().sizes["event"] == 3518


def test_erosita_exposed_24_bins():
    light = xray.fetch("erosita_light_curve")
    assert light.sizes["time"] == 3740
    assert int((light.fracexp > 0).any(light.fracexp.dims[1]).sum()) == 24


@pytest.mark.slow
def test_nicer_counted_96_5_million():
    spectrum = xray.fetch("nicer_maxi_j1820")["spectrum"].to_dataset()
    assert float(spectrum.counts.sum()) == pytest.approx(9.65e7, rel=1e-3)
    assert float(spectrum.exposure) == pytest.approx(5961.963)


def test_ixpe_measured_3_7_percent_at_2_8_degrees():
    """Veledina et al. 2023 find 4.1 ± 0.2 % at 2.2 ± 1.3 degrees with all three detector units."""
    found = xray.polarization(xray.fetch("ixpe_stokes"), band=(2, 8))
    assert float(found.degree) == pytest.approx(0.037, abs=0.0005)
    assert float(found.angle) == pytest.approx(2.8, abs=0.05)


def test_hydrogen_towards_the_galactic_pole_is_about_1e20():
    nh = xray.fetch("nh_lab").nh
    assert 3e19 < float(nh.where(nh > 0).min()) < 1e20 and 1e22 < float(nh.max()) < 3e22  # per cm2


def test_wmap_w_band_varies_as_much_as_is_known():
    sky = cmb.fetch("wmap7_w_iqu").sky
    assert sky.attrs["units"] == "mK"
    assert [float(sky.sel(stokes=s).std()) for s in "IQU"] == pytest.approx([0.2456, 0.00939, 0.00927], abs=5e-5)


def test_both_bands_see_the_same_sky():
    v, w = (cmb.fetch(f"wmap7_{band}_iqu").sky.sel(stokes="I").values for band in "vw")
    assert np.corrcoef(v, w)[0, 1] > 0.95


def test_the_mask_leaves_out_the_galactic_plane():
    mask = cmb.fetch("wmap7_mask").mask
    plane = ~cmb.galactic_mask(32, latitude=2)
    assert float(mask.mean()) == pytest.approx(0.619, abs=0.001)
    assert int((mask.values & plane.values).sum()) < 0.02 * int(plane.sum())


def test_planck_first_acoustic_peak_is_at_ell_220():
    spectra = cmb.fetch("planck2018_lcdm")
    name = next(iter(spectra.data_vars))
    tt = spectra[name].sel(spectrum="TT")
    d = (tt.ell * (tt.ell + 1) * tt / (2 * np.pi)).where(tt.ell > 2, 0)
    assert abs(int(tt.ell[d.values.argmax()]) - 220) <= 2 and float(d.max()) == pytest.approx(5733, rel=0.005)


def test_litebird_channels_combine_to_2_1595_uk_arcmin():
    noise = cmb.fetch("litebird_channels").polarization_sensitivity
    assert noise.sizes == {"channel_name": 22}
    assert float((noise**-2.0).sum() ** -0.5) == pytest.approx(2.1595, abs=5e-5)
