"""Polarization from Stokes spectra, contours and intervals, and the pictures of both."""

import holoviews as hv
import numpy as np
import pytest
import xarray as xr

from analysis import xray
from analysis.errors import BadOption, MissingUnits, UnknownVariable, WrongData, WrongUnits
from analysis.model import check

PLAIN = {"units": "1", "long_name": "Number"}
FORCED = ("q", "u", "q_error", "u_error", "degree", "degree_error", "angle", "angle_error")


@pytest.fixture(scope="module")
def ixpe():
    return xray.fetch("ixpe_stokes")


@pytest.fixture(scope="module")
def irf(ixpe):
    return {name: ixpe[name].to_dataset() for name in ("arf", "mrf", "rmf")}


@pytest.fixture(scope="module")
def made(ixpe, irf):
    flux = xray.power_law(ixpe["arf"].energy_low, ixpe["arf"].energy_high, photon_index=2, norm=1)
    return xray.polarized_events(flux, "60 ks", **irf, degree=0.3, angle="70 deg", seed=1)


@pytest.fixture(scope="module")
def bins(ixpe):
    return xray.polarization_spectrum(ixpe, (2, 3, 4, 5, 6, 8))


def measured(q, u, q_error=0.01, u_error=0.01, **more):
    given = {"q": q, "u": u, "q_error": q_error, "u_error": u_error, **more}
    return xr.Dataset({n: ("bin" if np.ndim(v) else (), np.asarray(v, float), PLAIN) for n, v in given.items()})


def with_node(tree, **changed):
    nodes = {name: node.to_dataset() for name, node in tree.children.items()}
    return xr.DataTree.from_dict(nodes | changed)


# --------------------------------------------------------------------------------------------- spectra


def test_one_bin_of_a_spectrum_is_the_flat_sum(ixpe):
    """The flat sum of detector unit 1: 3.7 % at 2.8 degrees."""
    flat, one = xray.polarization(ixpe), check(xray.polarization_spectrum(ixpe, (2, 8)))
    for name in FORCED:
        assert float(one[name][0]) == pytest.approx(float(flat[name]), rel=2e-4), name
    assert f"{float(one.degree[0]):.1%}, {float(one.angle[0]):.1f}" == "3.7%, 2.8"


def test_each_bin_agrees_with_what_was_published(bins):
    """Veledina et al. (2023), ApJL 958, L16: 4.1 ± 0.2 % at 2.2 ± 1.3 degrees in 2-8 keV, all detector units."""
    q, u = 0.041 * np.cos(np.radians(4.4)), 0.041 * np.sin(np.radians(4.4))
    chi2 = (((bins.q - q) / bins.q_error) ** 2 + ((bins.u - u) / bins.u_error) ** 2).sum()
    assert float(chi2) < 20.5  # 2 * 5 numbers, 97.5 %
    assert (bins.degree_error.values < 0.015).all()


def test_sums_of_bins_are_the_whole(ixpe, bins):
    whole = xray.polarization_spectrum(ixpe, (2, 8))
    for name in ("stokes_i", "stokes_q", "stokes_u", "stokes_q_variance", "null_variance"):
        assert float(bins[name].sum()) == pytest.approx(float(whole[name].sum()), rel=1e-9)


@pytest.mark.parametrize("scheme", ["neff", "simple"])
def test_spectra_of_events_give_the_polarization_of_the_events(made, irf, scheme):
    events = made["events"].to_dataset()
    weight = 0.2 + 0.7 * (np.arange(events.sizes["event"]) * 0.618 % 1)
    tree = xr.DataTree.from_dict(
        {"events": events.assign(w_mom=("event", weight, PLAIN)), "gti": made["gti"].to_dataset()}
    )
    for weights in (None, "w_mom"):
        spectra = xray.stokes_spectra(tree, **irf, weights=weights, scheme=scheme)
        check(spectra["stokes_q"].to_dataset())
        cube = xray.polarization_cube(tree, (2, 8), **irf, weights=weights, acceptance=False)
        found = xray.polarization_spectrum(spectra, (2, 8))
        exact = weights is None or scheme == "simple"
        np.testing.assert_allclose(found.q.values, cube.q.values, rtol=1e-9 if exact else 0.05)
        np.testing.assert_allclose(found.q_error.values, cube.q_error.values, rtol=0.03)
        assert found.attrs["synthetic"] == "true"
    counts = xray.stokes_spectra(tree, **irf)["stokes_i"]
    assert float((counts.rate * counts.exposure).sum()) == pytest.approx(events.sizes["event"])


def test_effective_counts_of_equal_weights_are_the_counts(made, irf):
    events = made["events"].to_dataset()
    half = events.assign(w_mom=("event", np.full(events.sizes["event"], 0.5), PLAIN))
    tree = xr.DataTree.from_dict({"events": half, "gti": made["gti"].to_dataset()})
    plain = xray.stokes_spectra(tree, **irf)
    neff = xray.stokes_spectra(tree, **irf, weights="w_mom")
    simple = xray.stokes_spectra(tree, **irf, weights="w_mom", scheme="simple")
    for name in ("stokes_i", "stokes_q", "stokes_u"):
        for key in ("rate", "stat_error"):
            np.testing.assert_allclose(neff[name][key].values, plain[name][key].values, atol=1e-15)
            np.testing.assert_allclose(simple[name][key].values, plain[name][key].values / 2, atol=1e-15)


def test_a_background_is_scaled_by_backscal_and_areascal(ixpe):
    """A background of half the rates in a region four times as large, AREASCAL 0.5: a quarter is taken off."""
    behind = {}
    for name in ("stokes_i", "stokes_q", "stokes_u"):
        spectrum = ixpe[name].to_dataset()
        behind[name] = spectrum.assign(
            rate=(spectrum.rate / 2).assign_attrs(spectrum.rate.attrs),
            stat_error=(spectrum.stat_error / 2).assign_attrs(spectrum.stat_error.attrs),
            backscal=(spectrum.backscal * 4).assign_attrs(spectrum.backscal.attrs),
            areascal=(spectrum.areascal / 2).assign_attrs(spectrum.areascal.attrs),
        )
    bare = xray.polarization_spectrum(ixpe, (2, 4, 8))
    net = check(xray.polarization_spectrum(ixpe, (2, 4, 8), background=xr.DataTree.from_dict(behind)))
    np.testing.assert_allclose(net.stokes_i.values, 0.75 * bare.stokes_i.values, rtol=1e-6)
    np.testing.assert_allclose(net.degree.values, bare.degree.values, rtol=1e-6)
    np.testing.assert_allclose(net.stokes_q_variance.values, (1 + 1 / 16) * bare.stokes_q_variance.values, rtol=1e-6)
    with pytest.raises(WrongData, match="stokes_q"):
        xray.polarization_spectrum(ixpe, background=xr.DataTree.from_dict({"stokes_i": behind["stokes_i"]}))


def test_stokes_spectra_of_a_region_know_its_area(made, irf):
    events = made["events"].to_dataset()
    cut = events.assign_attrs(region="circle", region_area=900.0, region_area_units="arcsec2")
    whole, part = (xr.DataTree.from_dict({"events": data, "gti": made["gti"].to_dataset()}) for data in (events, cut))
    assert "backscal" not in xray.stokes_spectra(whole, **irf)["stokes_i"]
    source, given = xray.stokes_spectra(part, **irf), xray.stokes_spectra(part, **irf, backscal=2)
    assert float(source["stokes_q"].backscal) == 900 and float(given["stokes_q"].backscal) == 2
    with pytest.raises(WrongData, match="the spectrum has a BACKSCAL and the background has none of its own"):
        xray.polarization_spectrum(source, background=xray.stokes_spectra(whole, **irf))


def test_bad_channels_are_left_out_and_broken_ones_refused(ixpe):
    spectrum = ixpe["stokes_u"].to_dataset()
    bad = spectrum.quality.values.copy()
    bad[60:63] = 5
    marked = with_node(ixpe, stokes_u=spectrum.assign(quality=("channel", bad, spectrum.quality.attrs)))
    found = xray.polarization_spectrum(marked, (2, 8))
    assert "3 channels that QUALITY excludes" in found.attrs["history"]
    bad[50:75] = 5
    marked = with_node(ixpe, stokes_u=spectrum.assign(quality=("channel", bad, spectrum.quality.attrs)))
    with pytest.raises(BadOption, match="no good channel lies in 2-3 keV"):
        xray.polarization_spectrum(marked, (2, 3, 8))
    broken = spectrum.rate.values.copy()
    broken[70] = np.nan
    with pytest.raises(WrongData, match=r"stokes_u has no rate in 1 channels of the bins \(the first is 70"):
        xray.polarization_spectrum(
            with_node(ixpe, stokes_u=spectrum.assign(rate=("channel", broken, spectrum.rate.attrs)))
        )
    with pytest.raises(BadOption, match="wider bins"):
        xray.polarization_spectrum(ixpe, (2, 2.001, 8))
    with pytest.raises(WrongData, match="modulation factor is unknown"):
        xray.polarization_spectrum(ixpe, (2, 14))


def test_options_of_stokes_spectra_are_checked(made, irf):
    with pytest.raises(BadOption, match="'neff' or 'simple'"):
        xray.stokes_spectra(made, **irf, scheme="NEFF")
    with pytest.raises(BadOption, match="backscal"):
        xray.stokes_spectra(made, **irf, backscal=0)
    without = xr.DataTree.from_dict(
        {"events": made["events"].to_dataset().drop_vars("pi"), "gti": made["gti"].to_dataset()}
    )
    with pytest.raises(UnknownVariable, match="pi"):
        xray.stokes_spectra(without, **irf)


# --------------------------------------------------------------------------------------------- contours


def test_contours_are_at_the_rise_of_chi_squared_for_two_parameters():
    """Avni (1976), ApJ 210, 642, table 1: 2.30, 4.61 and 9.21 for 68, 90 and 99 %."""
    found = check(xray.polarization_contours(measured(0.1, 0.2, qu_covariance=5e-5), confidence=(0.6827, 0.9, 0.99)))
    np.testing.assert_allclose(found.delta_chi2.values, [2.30, 4.61, 9.21], atol=0.005)
    inverse = np.linalg.inv([[1e-4, 5e-5], [5e-5, 1e-4]])
    away = np.stack([found.contour_q.values - 0.1, found.contour_u.values - 0.2])
    chi2 = np.einsum("ilp,ij,jlp->lp", away, inverse, away)
    np.testing.assert_allclose(chi2, np.broadcast_to(found.delta_chi2.values[:, None], chi2.shape), rtol=1e-9)
    np.testing.assert_allclose(found.contour_degree.values, np.hypot(found.contour_q, found.contour_u))
    np.testing.assert_allclose(
        np.cos(np.radians(2 * found.contour_angle.values)), found.contour_q.values / found.contour_degree.values
    )


def test_a_contour_around_nothing_goes_through_all_angles():
    found = xray.polarization_contours(measured(0.001, 0.0))
    assert float(found.contour_angle.min()) < 1 and float(found.contour_angle.max()) > 179


def test_the_extent_of_a_contour_is_that_of_its_errors():
    """Far from zero the 1σ contour of one parameter reaches Π ± σ and ψ ± σ / 2Π."""
    found = xray.polarization_contours(measured(0.5, 0.0), confidence=(1 - np.exp(-0.5),), points=3601)
    assert float(found.contour_degree.max()) == pytest.approx(0.51, rel=1e-5)
    assert float(np.abs((found.contour_angle + 90) % 180 - 90).max()) == pytest.approx(np.degrees(0.01), rel=1e-3)


def test_contours_refuse_what_has_no_errors():
    for confidence in (0.9, (1.0,), (0.0,), (68,), (), "most"):
        with pytest.raises(BadOption, match="confidence"):
            xray.polarization_contours(measured(0.1, 0.2), confidence=confidence)
    for points in (4, 10.5, True):
        with pytest.raises(BadOption, match="points"):
            xray.polarization_contours(measured(0.1, 0.2), points=points)
    with pytest.raises(UnknownVariable, match="u_error"):
        xray.polarization_contours(measured(0.1, 0.2).drop_vars("u_error"))
    with pytest.raises(WrongData, match="above 0"):
        xray.polarization_contours(measured(0.1, 0.2, q_error=0))
    with pytest.raises(WrongData, match="covariance smaller"):
        xray.polarization_contours(measured(0.1, 0.2, qu_covariance=2e-4))
    with pytest.raises(WrongData, match="Dataset"):
        xray.polarization_contours([0.1, 0.2])
    with pytest.raises(BadOption, match="confidence"):
        xray.polarization_intervals(measured(0.1, 0.2), upper=99)


# --------------------------------------------------------------------------------------------- intervals


def test_far_from_zero_intervals_are_those_of_gauss():
    found = check(xray.polarization_intervals(measured([0.3, 0.0], [0.0, 0.6])))
    np.testing.assert_allclose(found.degree_low.values, [0.29, 0.59], atol=3e-4)
    np.testing.assert_allclose(found.degree_high.values, [0.31, 0.61], atol=3e-4)
    np.testing.assert_allclose(found.degree_upper_limit.values, [0.3 + 0.02326, 0.6 + 0.02326], atol=3e-4)
    np.testing.assert_allclose(found.angle_half_width.values, np.degrees([0.01 / 0.6, 0.01 / 1.2]), rtol=0.02)


def test_without_a_signal_the_angle_is_unknown_and_the_degree_limited():
    """At Π = 0 the posterior of the degree is half a Gauss curve, that of the angle flat."""
    found = xray.polarization_intervals(measured(0.0, 0.0))
    assert float(found.degree_low) == pytest.approx(0, abs=1e-5)
    assert float(found.degree_high) == pytest.approx(0.01, rel=0.005)  # erf(1 / sqrt 2) = 0.683
    assert float(found.degree_upper_limit) == pytest.approx(0.02576, rel=0.005)
    assert float(found.angle_half_width) == pytest.approx(0.6827 * 90, rel=0.005)
    assert float(found.degree_debiased) == 0


def test_the_debiased_degree_is_unbiased_from_two_sigma_on():
    """Plaszczynski et al. (2014): unbiased at a signal-to-noise of 2 or more; the measured one is not."""
    rng = np.random.default_rng(0)
    q, u = 0.03 + 0.01 * rng.standard_normal(4000), 0.01 * rng.standard_normal(4000)
    data = measured(q, u, np.full(4000, 0.01), np.full(4000, 0.01))
    small = xray.polarization_intervals(data.isel(bin=slice(0, 1)))
    p = np.hypot(q, u)
    debiased = p - 1e-4 * (1 - np.exp(-(p**2) / 1e-4)) / (2 * p)
    assert float(small.degree_debiased[0]) == pytest.approx(debiased[0])
    assert abs(debiased.mean() - 0.03) < 0.0005 < p.mean() - 0.03


@pytest.mark.slow
def test_over_all_degrees_intervals_hold_the_truth_as_often_as_they_say():
    """Degrees drawn as the prior has them, 0 to 12σ: then a Bayesian interval is exact on average."""
    rng = np.random.default_rng(1)
    n = 600
    truth, turn, error = rng.uniform(0, 0.12, n), rng.uniform(0, 2 * np.pi, n), np.full(n, 0.01)
    q = truth * np.cos(turn) + 0.01 * rng.standard_normal(n)
    u = truth * np.sin(turn) + 0.01 * rng.standard_normal(n)
    found = xray.polarization_intervals(measured(q, u, error, error))
    held = ((found.degree_low.values <= truth) & (truth <= found.degree_high.values)).mean()
    assert held == pytest.approx(0.683, abs=0.06)
    assert (found.degree_upper_limit.values >= truth).mean() == pytest.approx(0.99, abs=0.015)
    off = np.abs((found.angle.values - np.degrees(turn / 2) + 90) % 180 - 90)
    assert (off < found.angle_half_width.values).mean() == pytest.approx(0.683, abs=0.06)


def test_an_error_that_depends_on_direction_debiases_by_the_one_across():
    across = xray.polarization_intervals(measured(0.05, 0.0, q_error=1e-3, u_error=0.02))
    along = xray.polarization_intervals(measured(0.0, 0.05, q_error=1e-3, u_error=0.02))
    assert float(across.degree_debiased) == pytest.approx(0.05 - 4e-4 * (1 - np.exp(-6.25)) / 0.1)
    assert float(along.degree_debiased) == pytest.approx(0.05 - 1e-6 / 0.1)


def test_bins_without_a_measurement_stay_nan():
    nan = np.nan
    found = xray.polarization_intervals(measured([0.1, nan], [0.0, nan], [0.01, nan], [0.01, nan]))
    assert np.isnan(found.degree_upper_limit[1]) and np.isfinite(found.degree_upper_limit[0])


# --------------------------------------------------------------------------------------------- sensitivity


def test_the_mdp_is_429_percent_for_ten_thousand_counts_and_full_modulation():
    """Weisskopf, Elsner & O'Dell (2010): 4.29 / (μ R_S) sqrt((R_S + R_B) / T)."""
    found = xray.minimum_detectable_polarization("1 ct / s", "10 ks", modulation_factor=1.0)
    assert float(found) == pytest.approx(0.0429, abs=5e-5)
    noisy = xray.minimum_detectable_polarization("1 ct / s", "10 ks", modulation_factor=0.5, background_rate="3 ct / s")
    assert float(noisy) == pytest.approx(4 * float(found))
    times = xr.DataArray([1.0, 4.0], dims="exposure", attrs={"units": "ks", "long_name": "Exposure"})
    many = check(xray.minimum_detectable_polarization("1 ct / s", times, modulation_factor=1.0))
    assert float(many[0] / many[1]) == pytest.approx(2)


def test_the_mdp_refuses_impossible_numbers():
    mdp = xray.minimum_detectable_polarization
    for options in ({"modulation_factor": 0}, {"modulation_factor": 1.5}):
        with pytest.raises(BadOption, match="modulation_factor"):
            mdp("1 ct / s", "1 ks", **options)
    with pytest.raises(BadOption, match="source_rate"):
        mdp("0 ct / s", "1 ks", modulation_factor=0.3)
    with pytest.raises(BadOption, match="background_rate"):
        mdp("1 ct / s", "1 ks", modulation_factor=0.3, background_rate="-1 ct / s")
    with pytest.raises(MissingUnits):
        mdp(1.0, "1 ks", modulation_factor=0.3)
    with pytest.raises(WrongUnits):
        mdp("1 ct / s", "1 keV", modulation_factor=0.3)


# --------------------------------------------------------------------------------------------- pictures


def parts_of(picture, kind):
    return [part for part in picture.traverse(lambda part: part, [kind])]


@pytest.mark.slow
def test_the_plane_has_north_up_and_east_left():
    contours = xray.polarization_contours(measured(0.0, 0.1))  # 45 degrees: North-East
    dot = parts_of(xray.view(contours), hv.Points)[0]
    assert dot.dimension_values("east")[0] < 0 < dot.dimension_values("north")[0]
    assert dot.dimension_values("angle")[0] == pytest.approx(45)
    words = set(parts_of(xray.view(contours), hv.Labels)[0].dimension_values("text"))
    assert {"0° North", "90° East", "-90° West"} <= words


def test_a_contour_across_ninety_degrees_ends_at_the_rim_on_both_sides():
    contours = xray.polarization_contours(measured(-0.1, 0.0), confidence=(0.9,))
    lines = parts_of(xray.view(contours), hv.Path)[1].split(datatype="array")
    ends = np.array([[line[0], line[-1]] for line in lines]).reshape(-1, 2)
    assert len(lines) >= 2 and np.sum(np.abs(ends[:, 1]) < 1e-9) >= 4
    assert all(np.abs(np.diff(line[:, 0])).max() < 2 for line in lines)  # no line from one side to the other


@pytest.mark.slow
def test_polarization_over_energy_and_its_contours_can_be_drawn(ixpe, bins, made, irf):
    picture = xray.view(bins)
    assert [p.pprint_label for p in picture.traverse(lambda e: e.vdims[0], [hv.Curve])][:1] == ["Polarization degree"]
    hv.render(picture)
    angles = picture.traverse(lambda e: e, [hv.Curve])[-1].dimension_values("angle")
    assert np.ptp(angles) < 30  # 5.6 and 176.7 degrees lie side by side
    hv.render(xray.view(xray.polarization_contours(bins, confidence=(0.5, 0.9))))
    hv.render(xray.view(xray.polarization_contours(xray.polarization(ixpe))))
    events = made["events"].to_dataset()
    phased = events.assign(phase=("event", np.linspace(0, 1, events.sizes["event"], endpoint=False), PLAIN))
    tree = xr.DataTree.from_dict({"events": phased, "gti": made["gti"].to_dataset()})
    cube = xray.polarization_cube(tree, (2, 4, 8), **irf, phases=3)
    shown = hv.render(xray.view(cube)[0])
    assert any("SYNTHETIC" in str(getattr(title, "text", "")) for title in shown.above)
    hv.render(xray.view(xray.polarization_contours(cube)))
