"""Measured bandpasses in mixing matrices, simulations and component separation."""

from itertools import pairwise

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from analysis import cmb
from analysis.cmb.bandpasses import tabulated_bands
from analysis.cmb.emission import INDICES, bands_of, columns
from analysis.cmb.temperatures import cmb_intensity, rj_intensity
from analysis.errors import BadOption, MissingUnits, WrongData
from analysis.model import check, is_synthetic

CENTRES = np.array([40.0, 60.0, 100.0, 140.0, 220.0, 353.0])
WIDTHS = 0.3 * CENTRES
NAMES = ["a", "b", "c", "d", "e", "f"]


def response(nu, tau, units="GHz"):
    at = xr.DataArray(np.asarray(nu, float), dims="frequency", attrs={"units": units})
    return xr.DataArray(np.asarray(tau, float), dims="frequency", coords={"frequency": at})


def hats(samples=2):
    pairs = zip(CENTRES, WIDTHS, strict=True)
    return [response(np.linspace(c - w / 2, c + w / 2, samples), np.ones(samples)) for c, w in pairs]


@pytest.fixture(scope="module")
def channels():
    def column(values, units):
        return ("channel_name", np.asarray(values), {"units": units, "long_name": "Column"})

    return xr.Dataset(
        {
            "bandwidth": column(WIDTHS, "GHz"),
            "polarization_sensitivity": column(np.full(6, 2.0), "uK arcmin"),
        },
        coords={"channel_name": ("channel_name", NAMES, {"long_name": "Channel"}), "frequency": column(CENTRES, "GHz")},
    )


def mixed(bandpass, centre=100.0, component="dust", **indices):
    nu = xr.DataArray([centre], dims="frequency", attrs={"units": "GHz"})
    return float(
        cmb.mixing_matrix(
            xr.Dataset(coords={"frequency": nu}), components=[component], indices=indices, bandpass=bandpass
        )[0, 0]
    )


# ------------------------------------------------------------------------------------------------ the integral


@pytest.mark.slow
@pytest.mark.parametrize("samples", [2, 5, 200])
def test_a_flat_table_is_the_top_hat_however_finely_it_is_sampled(channels, samples):
    tables = cmb.mixing_matrix(channels, bandpass=hats(samples))
    np.testing.assert_allclose(tables, cmb.mixing_matrix(channels, bandpass="tophat"), rtol=1e-9)
    assert check(tables).attrs["units"] == "1"


@pytest.mark.slow
@given(scale=st.floats(1e-6, 1e6), samples=st.integers(2, 300), power=st.floats(-3, 3))
def test_neither_normalization_nor_unit_of_frequency_matters(scale, samples, power):
    nu = np.linspace(90, 110, samples)
    one = mixed([response(nu, nu**power)])
    assert mixed([response(nu * 1e9, scale * nu**power, "Hz")]) == pytest.approx(one, rel=1e-12)


@pytest.mark.slow
def test_a_lumpy_table_gives_the_integral_of_its_straight_lines():
    from scipy import integrate

    random = np.random.default_rng(1)
    nu = np.sort(random.uniform(270, 430, 60))
    tau = random.uniform(0, 1, 60)

    def over(function):
        return sum(
            integrate.quad(lambda at: np.interp(at, nu, tau) * float(function(at)), low, high)[0]
            for low, high in pairwise(nu)
        )

    def dust(at):
        return rj_intensity(at) * (at / 353) ** 2.54 / np.expm1(0.04799243073366221 * at / 19.6)

    at_reference = dust(353.0) / cmb_intensity(353.0)
    wanted = over(dust) / over(cmb_intensity) / at_reference
    assert mixed([response(nu, tau)], 353.0) == pytest.approx(wanted, rel=1e-8)


def test_many_samples_are_replaced_by_few_nodes_that_say_the_same():
    nu = np.linspace(60, 160, 4001)
    tau = np.exp(-(((nu - 100) / 12) ** 4)) * (1 + 0.3 * np.sin(nu)) + 1e-5
    few = tabulated_bands([response(nu, tau)], np.array([100.0]), None)
    assert few.nu.shape[1] <= 48
    made = columns(few, ["dust", "synchrotron"], INDICES)[0]
    at = np.linspace(60, 160, 400001)
    weight = np.interp(at, nu, tau)
    for column, law in enumerate((lambda v: v**2.54 / np.expm1(0.04799243073366221 * v / 19.6), lambda v: v**-3.0)):
        reference = (353.0, 23.0)[column]
        above = np.trapezoid(weight * rj_intensity(at) * law(at), at) / np.trapezoid(weight * cmb_intensity(at), at)
        below = rj_intensity(reference) * law(reference) / cmb_intensity(reference)
        assert made[0, column] == pytest.approx(above / below, rel=1e-7)


def test_tails_over_decades_of_frequency_count_and_cost_few_nodes():
    nu = np.linspace(3, 3000, 20001)
    tau = np.exp(-(((nu / 143 - 1) / 0.16) ** 8)) + 1e-5 * (1 + np.sin(nu))
    tau -= 2e-5 * (np.abs(nu - 1000) < 5)  # and some of them are negative
    few = tabulated_bands([response(nu, tau)], np.array([143.0]), None)
    assert few.nu.shape[1] <= 12 * 12
    dust = columns(few, ["dust"], INDICES)[0][0, 0]
    law = (nu / 353) ** 2.54 * np.expm1(0.04799243073366221 * 353 / 19.6)
    law = law / np.expm1(0.04799243073366221 * nu / 19.6)
    above = np.trapezoid(tau * rj_intensity(nu) * law, nu) / np.trapezoid(tau * cmb_intensity(nu), nu)
    assert dust == pytest.approx(above * cmb_intensity(353.0) / rj_intensity(353.0), rel=1e-6)
    core = mixed([response(nu, np.where(np.abs(nu - 143) < 50, tau, 0))], 143.0)
    assert dust > 1.001 * core


def test_small_negative_responses_of_a_measurement_are_kept():
    nu = np.linspace(60, 160, 2001)
    clean = np.exp(-(((nu - 100) / 12) ** 4))
    noise = 1e-3 * np.sin(nu * 7)
    both, less = mixed([response(nu, clean + noise)]), mixed([response(nu, clean - noise)])
    assert (both + less) / 2 == pytest.approx(mixed([response(nu, clean)]), rel=1e-6)


def test_the_cmb_is_one_whatever_the_band(channels):
    assert mixed([response([80, 100, 130], [0.1, 2, 0.3])], component="cmb") == pytest.approx(1, abs=1e-12)


def test_the_colour_correction_agrees_with_the_factor_of_temperatures():
    # dust with β = 0 and a very hot grain is K_RJ; 1 K_CMB at the reference is then the factor there
    table = response(np.linspace(90, 130, 2001), np.linspace(1, 3, 2001))
    made = mixed([table], 110.0, beta_synchrotron=0.0, component="synchrotron")
    over = float(cmb.temperature_factor(110, "K_CMB", origin="K_RJ", bandpass=table))
    assert made == pytest.approx(over / float(cmb.temperature_factor(23, "K_CMB", origin="K_RJ")), rel=1e-7)


def test_the_derivatives_are_those_of_the_matrix():
    tables = tabulated_bands(hats(30), CENTRES, None)
    _, by = columns(tables, ["dust", "synchrotron"], INDICES)
    for name, slope in by.items():
        both = [
            columns(tables, ["dust", "synchrotron"], {**INDICES, name: INDICES[name] + d})[0] for d in (1e-4, -1e-4)
        ]
        np.testing.assert_allclose((both[0] - both[1]) / 2e-4, slope, rtol=1e-6, atol=1e-12)


# -------------------------------------------------------------------------------------------------- separation


def biases(sky, truth, bandpass):
    """Indices minus the truth over their errors, and the rms of what is wrong with the CMB, uK."""
    fit = check(cmb.parametric_components(sky, bandpass=bandpass))
    wrong = (fit.value.values - [1.54, -3.0]) / fit.error.values
    left = fit.amplitude.sel(emission="cmb").values - truth.sky.values[0]
    return fit, wrong, float(np.sqrt((left**2).mean()))


@pytest.mark.slow
def test_a_sky_through_top_hats_is_separated_without_bias_with_the_bands_and_with_a_bias_without(channels):
    options = {"seed": 3, "beams": "3 deg"}
    sky = cmb.simulated_sky(channels, 16, bandpass="tophat", **options)
    truth = cmb.simulated_sky(channels, 16, components=["cmb"], noise=False, **options)
    fit, wrong, left = biases(sky, truth, hats(50))
    assert np.abs(wrong).max() < 3 and 0.9 < fit.attrs["statistic_value"] / fit.attrs["dof"] < 1.1
    noise = np.sqrt(fit.amplitude_covariance.sel(emission="cmb", emission_other="cmb").mean())
    assert left == pytest.approx(float(noise), rel=0.1)
    poor, far, spoilt = biases(sky, truth, "delta")
    assert np.abs(far).max() > 20 and poor.attrs["statistic_value"] / poor.attrs["dof"] > 1.5
    assert spoilt > 1.2 * left


@pytest.mark.slow
def test_without_noise_the_right_bands_give_the_truth_back(channels):
    tables = dict(zip(NAMES, [t * (1 + 0.5 * np.sin(t.frequency)) for t in hats(400)], strict=True))
    options = {"seed": 3, "beams": "3 deg", "noise": False}
    sky = cmb.simulated_sky(channels, 16, bandpass=tables, **options)
    depth = xr.DataArray(np.ones(6), dims="frequency", attrs={"units": "uK arcmin"})
    fit = cmb.parametric_components(sky, noise=depth, bandpass=list(tables.values()))
    assert fit.value.values == pytest.approx([1.54, -3.0], abs=1e-6)
    np.testing.assert_allclose(cmb.modelled_sky(fit).sky, sky.sky, atol=1e-6 * float(abs(sky.sky).max()))
    wrong = cmb.parametric_components(sky, noise=depth, bandpass="tophat")
    assert abs(wrong.value.values - [1.54, -3.0]).max() > 1e-4  # the ripple matters


def test_tables_by_name_may_come_in_any_order(channels):
    named = dict(zip(NAMES[::-1], hats(9)[::-1], strict=True))
    both = [cmb.mixing_matrix(channels, bandpass=given) for given in (named, hats(9))]
    xr.testing.assert_identical(*both)


def test_history_tells_which_tables_were_used(channels):
    one = cmb.simulated_sky(channels, 4, seed=1, beams=None, bandpass=hats(9))
    other = cmb.simulated_sky(channels, 4, seed=1, beams=None, bandpass=hats(8))
    told = [made.attrs["history"].split("sha256 ")[1][:12] for made in (one, other)]
    assert "6 tables" in one.attrs["history"] and told[0] != told[1]


def test_a_made_up_table_makes_a_fit_synthetic(channels):
    real = cmb.simulated_sky(channels, 4, seed=1, beams=None)
    for held in (real, *real.data_vars.values()):
        held.attrs.pop("synthetic", None)
    tables = hats(9)
    assert not is_synthetic(cmb.parametric_components(real, bandpass=tables))
    tables[0].attrs["synthetic"] = "true"
    assert is_synthetic(cmb.parametric_components(real, bandpass=tables))


# ---------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (lambda t: t[:5], BadOption, "5 tables for 6 bands"),
        (lambda t: t[::-1], WrongData, "the order of the bands"),
        (lambda t: t[0], BadOption, "a list of DataArrays"),
        (lambda t: 5, BadOption, "a int is unknown"),
        (lambda t: "box", BadOption, "'tophat'"),
        (lambda t: {"aa": t[0]}, BadOption, "no table for a, b"),
        (lambda t: [*t[:5], t[5].values], WrongData, "bandpass of f"),
        (lambda t: [*t[:5], t[5] * np.nan], WrongData, "bandpass of f"),
        (lambda t: [*t[:5], t[5] * 0], WrongData, "not positive"),
        (lambda t: [*t[:5], response(t[5].frequency.values, [1, 1], "MHz")], WrongData, "at 353 GHz"),
        (lambda t: [*t[:5], t[5].assign_coords(frequency=t[5].frequency.drop_attrs())], MissingUnits, "units"),
    ],
)
def test_tables_that_do_not_fit_are_refused(channels, change, error, match):
    with pytest.raises(error, match=match):
        cmb.mixing_matrix(channels, bandpass=change(hats()))


def test_names_are_needed_to_choose_by_name():
    with pytest.raises(BadOption, match="no channel_name"):
        mixed({"a": response([90, 110], [1, 1])})


def test_bands_at_one_frequency_are_what_they_were():
    np.testing.assert_array_equal(bands_of(CENTRES).nu[:, 0], CENTRES)
