"""Simulated spectra: Poisson noise about what is expected, backgrounds, and what is refused."""

import astropy.units as u
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import xray
from analysis.errors import BadOption, MissingUnits, WrongData
from analysis.model import check
from analysis.xray.models import model, restored
from analysis.xray.simulation import expectation

MODEL = "tbabs(nh=0.2) * powerlaw(photon_index=2, norm=5e-4)"


@pytest.fixture(scope="module")
def wfi():
    return xray.instrument("newathena_wfi")


@pytest.fixture(scope="module")
def many(wfi):
    return xray.simulated_spectrum(
        MODEL, wfi, "3 ks", background="0.02 ct s-1 keV-1", background_backscal=3, realizations=400, seed=5
    )


@pytest.mark.parametrize("part", ["spectrum", "background"])
def test_counts_scatter_as_poisson_about_what_is_expected(many, part):
    counts, expected = many[part].counts.values, many[part].expected_counts.values
    seen = expected > 0
    n = len(counts)
    pulls = (counts.mean(axis=0) - expected)[seen] / np.sqrt(expected[seen] / n)
    assert (pulls**2).mean() == pytest.approx(1, abs=5 * np.sqrt(2 / seen.sum()))
    ratio = counts.var(axis=0, ddof=1)[seen].sum() / expected[seen].sum()
    assert ratio == pytest.approx(1, abs=0.03)
    assert counts.dtype.kind == "i"


def test_source_and_background_are_drawn_apart(many):
    a, b = (many[part].counts.values.sum(axis=1) for part in ("spectrum", "background"))
    assert abs(np.corrcoef(a, b)[0, 1]) < 5 / np.sqrt(len(a))


def test_what_is_expected_is_the_folded_model_times_the_exposure(ulx, ulx_response):
    made = xray.simulated_spectrum(MODEL, ulx, "20 ks", background=None)
    rate = xray.folded(xray.photon_flux(MODEL, ulx_response), rmf=ulx_response)
    assert made["spectrum"].expected_counts.values == pytest.approx(rate.values * 20_000, rel=1e-12)


def test_the_same_seed_gives_the_same_counts(wfi):
    a, b, c = (xray.simulated_spectrum(MODEL, wfi, "1 ks", seed=seed)["spectrum"].counts.values for seed in (3, 3, 4))
    assert np.array_equal(a, b) and not np.array_equal(a, c)


def test_the_first_of_many_is_the_one_alone(wfi):
    options = {"background": "0.1 ct s-1 keV-1", "seed": 8}
    alone = xray.simulated_spectrum(MODEL, wfi, "1 ks", **options)
    several = xray.simulated_spectrum(MODEL, wfi, "1 ks", realizations=3, **options)
    for part in ("spectrum", "background"):
        assert np.array_equal(several[part].counts.isel(realization=0).values, alone[part].counts.values)


@pytest.mark.slow
def test_one_of_many_is_fitted_as_one_is(many):
    one = many.isel(realization=7)
    best = xray.fit(one, MODEL, band=(0.6, 4.5), frozen=["nh"])
    assert best.attrs["statistic"] == "wstat"
    assert abs(best.value - [0.2, 2.0, 5e-4])[1:].values == pytest.approx(0, abs=4 * float(best.error[1:].max()))


def test_a_background_spectrum_is_scaled_by_exposure_and_regions(ulx):
    """f = counts / (t B); in the source region f t' B_s, in the background region f t'' B_b."""
    made = xray.simulated_spectrum(MODEL, ulx, "40 ks", background_exposure="10 ks", seed=1)
    alone = xray.simulated_spectrum(MODEL, ulx, "40 ks", background=None, seed=1)
    held = ulx["background"]
    ratio = float(ulx["spectrum"].backscal / held.backscal)
    behind = made["spectrum"].expected_counts - alone["spectrum"].expected_counts
    assert behind.values == pytest.approx(held.counts.values * 40_000 / float(held.exposure) * ratio, abs=1e-9)
    assert made["background"].expected_counts.values == pytest.approx(held.counts.values * 1e4 / float(held.exposure))
    assert float(made["background"].exposure) == 10_000
    assert float(made["spectrum"].backscal / made["background"].backscal) == pytest.approx(ratio)


@pytest.mark.slow
def test_the_preset_pn_scales_its_background_as_the_observation_does(ulx):
    a, b = (xray.simulated_spectrum(MODEL, one, "40 ks", seed=1) for one in ("xmm_pn", ulx))
    assert np.array_equal(a["spectrum"].counts.values, b["spectrum"].counts.values)


def test_w_subtracts_a_simulated_background_as_it_was_added(ulx):
    """The ratio that a fit uses, t_b B_b / (t_s B_s), is the one by which the background was simulated."""
    made = xray.simulated_spectrum("powerlaw(norm=1e-30)", ulx, "40 ks", background_exposure="90 ks")
    rates = xray.count_rate(
        made["spectrum"].to_dataset().assign(counts=made["spectrum"].expected_counts),
        background=made["background"].to_dataset().assign(counts=made["background"].expected_counts),
    )
    assert float(rates.net_rate) == pytest.approx(0, abs=1e-12)


def test_areascal_takes_its_part_of_all_counts_in_the_source_region(wfi):
    whole, half = (
        xray.simulated_spectrum(MODEL, wfi, "1 ks", background="1 ct s-1 keV-1", areascal=a) for a in (1, 0.5)
    )
    assert half["spectrum"].expected_counts.values == pytest.approx(whole["spectrum"].expected_counts.values / 2)
    assert half["background"].expected_counts.values == pytest.approx(whole["background"].expected_counts.values)
    assert float(half["spectrum"].areascal) == 0.5


@pytest.mark.slow
def test_areascal_and_backscal_left_out_are_those_of_the_observation_channel_by_channel(ulx):
    n = ulx["rmf"].sizes["channel"]
    seen = np.where(np.arange(n) % 2, 0.5, 0.25)
    sizes = np.linspace(1, 2, n)
    spectrum = ulx["spectrum"].to_dataset()
    bad = np.flatnonzero(spectrum.quality.values == 1)[0]  # may have a region of no size: the largest is taken
    sizes[bad] = 0.0
    for name, values in (("areascal", seen), ("backscal", sizes)):
        spectrum[name] = ("channel", values, {"units": "1", "long_name": name})
    own = ulx.assign(spectrum=xr.DataTree(spectrum))
    made, plain = (expectation(MODEL, tree, "1 ks", **rest) for tree, rest in ((own, {}), (ulx, {"areascal": 1.0})))
    assert made.source == pytest.approx(plain.source * seen)
    sizes[bad] = 2.0
    assert made.behind == pytest.approx(plain.behind / plain.backscal * sizes * seen)
    simulated = xray.simulated_spectrum(MODEL, own, "1 ks", seed=1)["spectrum"]
    assert simulated.areascal.values == pytest.approx(seen)
    assert expectation(MODEL, own, "1 ks", areascal=1.0).source == pytest.approx(plain.source)


def test_areascal_of_a_background_is_taken_off_it_and_seen_in_its_own_region(wfi, made_spectrum):
    n = wfi["rmf"].sizes["channel"]
    held = made_spectrum(np.full(n, 4.0), exposure=100, backscal=2, areascal=0.5)
    made = expectation(MODEL, wfi, "1 ks", background=held.assign_coords(channel=wfi["rmf"].channel), backscal=1.0)
    assert made.behind[0] == pytest.approx(4 / (100 * 2 * 0.5) * 1000)
    assert made.beside[0] == pytest.approx(40)


def test_a_flat_rate_is_of_the_source_region_however_large_that_is(wfi):
    flat = {"background": "0.5 ct s-1 keV-1", "background_backscal": 4}
    one, two = (expectation(MODEL, wfi, "1 ks", backscal=size, **flat) for size in (1.0, 2.0))
    assert two.behind == pytest.approx(one.behind)
    assert two.beside == pytest.approx(one.beside / 2)


def test_a_source_of_fewer_than_no_counts_is_refused(wfi):
    negative = model("powerlaw").bounded({"norm": (-10, 10)}).with_values({"norm": -1.0})
    with pytest.raises(WrongData, match="negative or not finite"):
        xray.simulated_spectrum(negative, wfi, "1 ks")


def test_a_flat_rate_is_that_of_the_source_region(wfi):
    made = expectation("powerlaw(norm=1e-30)", wfi, "1 ks", background="0.5 ct s-1 keV-1", background_backscal=4)
    width = float(wfi["rmf"].e_max[-1] - wfi["rmf"].e_min[0])
    assert made.behind.sum() == pytest.approx(0.5 * width * 1000)
    assert made.beside.sum() == pytest.approx(4 * 0.5 * width * 1000)


def test_a_rate_in_each_channel_is_taken_as_it_is(wfi):
    channel = wfi["rmf"].channel
    rate = xr.DataArray(np.linspace(0, 1, channel.size), {"channel": channel}, attrs={"units": "ct ks-1"})
    made = expectation("powerlaw(norm=1e-30)", wfi, "2 ks", background=rate)
    assert made.behind == pytest.approx(rate.values * 2)


def test_a_background_of_rates_is_scaled_too(wfi, made_spectrum):
    n = wfi["rmf"].sizes["channel"]
    held = made_spectrum(np.full(n, 4.0), exposure=100, backscal=2).assign_coords(channel=wfi["rmf"].channel)
    rates = held.drop_vars("counts").assign(rate=("channel", np.full(n, 0.04), {"units": "ct s-1", "long_name": "r"}))
    a, b = (expectation(MODEL, wfi, "1 ks", background=data, backscal=1.0) for data in (held, rates))
    assert a.behind == pytest.approx(b.behind) and a.behind[0] == pytest.approx(20)
    assert a.beside == pytest.approx(b.beside) and a.beside[0] == pytest.approx(40)


def test_channels_of_bad_quality_may_have_regions_of_no_size(wfi, made_spectrum):
    n = wfi["rmf"].sizes["channel"]
    bad = np.arange(n) < 5
    held = made_spectrum(
        np.full(n, 4), exposure=100, quality=bad.astype(int), backscal=np.where(bad, 0.0, 2.0)
    ).assign_coords(channel=wfi["rmf"].channel)
    made = xray.simulated_spectrum(MODEL, wfi, "1 ks", background=held, backscal=1.0)
    assert np.isfinite(made["spectrum"].expected_counts.values).all()


@pytest.mark.slow
def test_no_background_is_no_node(wfi):
    assert list(xray.simulated_spectrum(MODEL, wfi, 100).children) == ["spectrum", "rmf", "arf"]
    assert "background" not in xray.simulated_spectrum(MODEL, "xmm_pn", 100, background=None).children


def test_a_simulation_says_what_it_is_and_of_what(wfi):
    made = xray.simulated_spectrum(MODEL, wfi, "1 ks", seed=11, values={"norm": 2e-4}, background="1 ct s-1 keV-1")
    check(made)
    for part in ("spectrum", "background"):
        attrs = made[part].attrs
        assert attrs["synthetic"] == "true" and attrs["seed"] == 11
        assert "parametric response" in attrs["title"] and "pile-up" in attrs["caveats"]
        assert restored(attrs["model_state"]).values["powerlaw.norm"] == 2e-4
    assert "Emberger" in made["spectrum"].attrs["references"]


@pytest.mark.slow
def test_a_real_response_is_no_reason_to_call_a_simulation_real():
    made = xray.simulated_spectrum(MODEL, "xmm_pn", "1 ks")
    assert made["spectrum"].attrs["synthetic"] == "true" and "synthetic" not in made["rmf"].attrs
    assert "parametric" not in made["spectrum"].attrs["title"]


@pytest.mark.parametrize("exposure", [2000, "2 ks", 2 * u.ks, np.timedelta64(2000, "s"), np.float32(2000)])
def test_an_exposure_may_have_any_unit_of_time(wfi, exposure):
    assert float(xray.simulated_spectrum(MODEL, wfi, exposure)["spectrum"].exposure) == 2000


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(factor=st.floats(1e-3, 1e3))
def test_counts_expected_grow_with_exposure_and_flux_alike(wfi, factor):
    once = expectation(MODEL, wfi, 1000).source
    assert expectation(MODEL, wfi, 1000 * factor).source == pytest.approx(factor * once, rel=1e-12)
    brighter = expectation(MODEL, wfi, 1000, values={"norm": 5e-4 * factor}).source
    assert brighter == pytest.approx(factor * once, rel=1e-9)


@pytest.mark.slow
def test_fits_of_simulations_bring_back_what_was_put_in(ulx):
    """50 spectra of pn with background: the mean is within the error of the mean, the pulls have a width of 1."""
    made = xray.simulated_spectrum(MODEL, ulx, "30 ks", realizations=50, seed=4)
    pulls = []
    for i in range(50):
        best = xray.fit(made.isel(realization=i), MODEL, band=(0.5, 8), min_counts=15, starts=0)
        pulls.append((best.value - [0.2, 2.0, 5e-4]) / best.error)
    pulls = np.array(pulls)
    assert pulls.mean(axis=0) == pytest.approx(0, abs=4 / np.sqrt(50))
    assert pulls.std(axis=0) == pytest.approx(1, abs=4 / np.sqrt(100))


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"exposure": 0}, BadOption, "more than 0 s"),
        ({"exposure": "-1 ks"}, BadOption, "more than 0 s"),
        ({"exposure": float("nan")}, BadOption, "finite"),
        ({"exposure": "1 keV"}, Exception, "does not convert"),
        ({"exposure": 1e30}, BadOption, "more than can be drawn"),
        ({"background_exposure": 0}, BadOption, "background_exposure"),
        ({"seed": -1}, BadOption, "seed"),
        ({"seed": 1.5}, BadOption, "seed"),
        ({"realizations": 0}, BadOption, "realizations"),
        ({"realizations": 10**9}, BadOption, "at most"),
        ({"areascal": 0}, BadOption, "areascal"),
        ({"backscal": -1}, BadOption, "backscal"),
        ({"background": 0.1}, MissingUnits, "unit"),
        ({"background": "-1 ct s-1 keV-1"}, BadOption, "negative"),
        ({"background": "chance"}, BadOption, "background"),
        ({"source": "tbabs"}, BadOption, "makes photons"),
        ({"source": "powerlow"}, BadOption, "did you mean 'powerlaw'"),
        ({"values": {"nh": -3}}, BadOption, "bounds"),
        ({"instrument": "newathena_xifo"}, BadOption, "did you mean 'newathena_xifu'"),
        ({"instrument": 3}, WrongData, "preset"),
    ],
)
def test_what_cannot_be_simulated_is_refused_with_help(wfi, options, error, match):
    given = {"source": MODEL, "instrument": wfi, "exposure": 100} | options
    with pytest.raises(error, match=match):
        xray.simulated_spectrum(given.pop("source"), given.pop("instrument"), given.pop("exposure"), **given)


def test_a_background_of_other_channels_is_refused(wfi, ulx):
    with pytest.raises(WrongData, match="channels differ"):
        xray.simulated_spectrum(MODEL, wfi, 100, background=ulx["background"])


def test_a_background_whose_scale_is_not_known_is_refused(wfi, made_spectrum):
    held = made_spectrum(np.full(wfi["rmf"].sizes["channel"], 4), backscal=2).assign_coords(channel=wfi["rmf"].channel)
    with pytest.raises(WrongData, match="give backscal="):
        xray.simulated_spectrum(MODEL, wfi, 100, background=held)


def test_a_tree_without_a_response_is_no_instrument(ulx):
    with pytest.raises(WrongData, match="a node 'rmf'"):
        xray.simulated_spectrum(MODEL, ulx.drop_nodes(["rmf"]), 100)
