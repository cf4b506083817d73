"""Draws agree with grids, chains that are too short are told, and synthetic data have the form of the real ones."""

import zipfile

import numpy as np
import pytest
import xarray as xr

from analysis import cmb
from analysis.cmb import bicep_keck_files, planck_lite_files
from analysis.errors import AnalysisWarning, BadOption, MissingFile, WrongData
from analysis.model import check


def gaussian(x, y):
    return -(((x - 1) / 0.5) ** 2 + ((y - 3) / 2) ** 2) / 2


@pytest.fixture(scope="module")
def theory():
    return cmb.theory_spectra(lmax=200)


@pytest.fixture(scope="module")
def synthetic(theory):
    return cmb.simulated_bicep_keck(theory, r=0.05, seed=1)


# ------------------------------------------------------------------------------------------------------ chains


@pytest.mark.slow
def test_draws_from_a_gaussian_have_its_mean_its_width_and_its_correlation():
    covariance = np.array([[0.04, 0.15], [0.15, 1.0]])
    inverse = np.linalg.inv(covariance)

    def log_likelihood(x, y):
        rest = np.stack([x - 1, y - 3])
        return -np.einsum("in,ij,jn->n", rest, inverse, rest) / 2

    found = cmb.posterior_samples(log_likelihood, {"x": (-2, 4), "y": (-9, 15)}, vectorized=True, steps=3000)
    assert found["mean"].values == pytest.approx([1, 3], abs=0.08)
    assert found.standard_deviation.values == pytest.approx([0.2, 1], rel=0.05)
    flat = found.sample.values.reshape(-1, 2)
    assert np.corrcoef(flat.T)[0, 1] == pytest.approx(0.75, abs=0.03)
    assert (found.effective_draws > 1000).all() and found.sample.dims == ("chain", "draw", "parameter")
    check(found)


@pytest.mark.slow
def test_a_gaussian_prior_is_multiplied_with_the_likelihood_and_bounds_hold():
    found = cmb.posterior_samples(
        lambda x: -(x**2) / 2, {"x": (-0.5, 9)}, priors={"x": (2.0, 1.0)}, vectorized=True, steps=3000
    )
    # the product is a Gaussian of mean 1 and variance 1/2, cut at -0.5: 2.1 widths below
    assert float(found["mean"][0]) == pytest.approx(1.03, abs=0.04)
    assert float(found.sample.min()) >= -0.5


@pytest.mark.slow
def test_the_same_seed_gives_the_same_draws_and_rows_the_same_as_arrays():
    options = {"bounds": {"x": (-2, 4), "y": (-9, 15)}, "steps": 100, "burn": 10, "seed": 3}
    with pytest.warns(AnalysisWarning, match="not to be trusted"):
        one = cmb.posterior_samples(gaussian, vectorized=True, **options)
        two = cmb.posterior_samples(lambda x, y: xr.DataArray(gaussian(x, y)), **options)
        other = cmb.posterior_samples(gaussian, vectorized=True, **{**options, "seed": 4})
    np.testing.assert_allclose(one.sample, two.sample)
    assert not np.allclose(one.sample, other.sample)


@pytest.mark.slow
def test_chains_that_are_too_short_are_warned_of_or_refused():
    bounds = {"x": (-2, 4), "y": (-9, 15)}
    with pytest.warns(AnalysisWarning, match=r"autocorrelation times; take \d+ or more"):
        cmb.posterior_samples(gaussian, bounds, vectorized=True, steps=200)
    with pytest.raises(WrongData, match="not to be trusted yet"):
        cmb.posterior_samples(gaussian, bounds, vectorized=True, steps=200, too_short="refuse")


@pytest.mark.slow
def test_the_wishart_likelihood_of_ours_can_be_sampled_and_agrees_with_its_grid():
    theory = cmb.theory_spectra(lmax=60)
    lensed, tensor = (theory[name].sel(spectrum=["BB"], ell=slice(2, 60)) for name in ("lensed", "tensor"))
    noise = 3e-6
    truth = (lensed + 0.02 * tensor + noise).assign_attrs(lensed.attrs)

    def log_likelihood(r):
        model = (lensed + r * tensor + noise).assign_attrs(lensed.attrs)
        return cmb.wishart_log_likelihood(truth, model, fields="B", sky_fraction=0.6)

    with pytest.warns(AnalysisWarning, match="not to be trusted"):
        found = cmb.posterior_samples(
            log_likelihood, {"r": (0.0, 0.2)}, walkers=6, steps=120, burn=20, start={"r": 0.02}, seed=2
        )
    grid = np.linspace(0, 0.2, 81)
    logs = np.array([float(log_likelihood(r)) for r in grid])
    weight = np.exp(logs - logs.max())
    mean = (weight * grid).sum() / weight.sum()
    width = np.sqrt((weight * (grid - mean) ** 2).sum() / weight.sum())
    assert float(found["mean"][0]) == pytest.approx(mean, abs=0.4 * width)
    assert float(found.standard_deviation[0]) == pytest.approx(width, rel=0.3)


@pytest.mark.slow
def test_r_and_dust_by_chains_are_those_of_the_grid(theory, synthetic):
    grid = cmb.bicep_keck_posterior(theory, synthetic, np.linspace(0, 0.5, 51), dust=np.linspace(0, 15, 31))
    draws = cmb.bicep_keck_samples(theory, synthetic, r=(0, 0.5), steps=2500, seed=1)
    r = draws.sel(parameter="r")
    assert float(r.upper_limit) == pytest.approx(float(grid.upper_limit), rel=0.04)
    assert float(r["mean"]) == pytest.approx(float((grid.posterior * grid.r).integrate("r")), rel=0.05)
    dust = float((grid.dust_posterior * grid.dust).integrate("dust"))
    assert float(draws["mean"].sel(parameter="dust")) == pytest.approx(dust, rel=0.03)
    assert draws.attrs["synthetic"] == "true" and draws.parameter_unit.values.tolist() == ["1", "uK2", "1"]
    assert "Corner" not in str(type(cmb.view(draws))) and len(cmb.view(draws)) == 9
    check(draws)


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"bounds": {"x": (1, 0), "y": (0, 1)}}, BadOption, "rising"),
        ({"bounds": {"x": (0, np.inf), "y": (0, 1)}}, BadOption, "finite"),
        ({"bounds": {}}, BadOption, "must name each parameter"),
        ({"bounds": {"x": (0, 2), "z": (0, 1)}}, BadOption, "does not take x, z by name"),
        ({"priors": {"xx": (0, 1)}}, BadOption, "did you mean 'x'"),
        ({"priors": {"x": (0, 0)}}, BadOption, "width above 0"),
        ({"units": {"x": "nonsense"}}, BadOption, "nonsense"),
        ({"walkers": 3}, BadOption, "4 or more"),
        ({"walkers": 9}, BadOption, "even"),
        ({"steps": 10}, BadOption, "100 or more"),
        ({"start": {"x": 1}}, BadOption, "lacks y"),
        ({"start": {"x": 99, "y": 1}}, BadOption, "outside"),
        ({"too_short": "ignore"}, BadOption, "neither"),
        ({"log_likelihood": lambda x, y: np.nan * x}, WrongData, "NaN or infinite at x="),
        ({"log_likelihood": lambda x, y: np.full_like(x, -np.inf)}, WrongData, "zero in 256 of 256"),
        ({"log_likelihood": lambda x, y: 0.0}, WrongData, "one number each"),
    ],
)
def test_requests_for_draws_that_make_no_sense_are_refused(change, error, said):
    options = {"log_likelihood": gaussian, "bounds": {"x": (-2, 4), "y": (-9, 15)}, "vectorized": True} | change
    with pytest.raises(error, match=said):
        cmb.posterior_samples(**options)


# -------------------------------------------------------------------------------------------- synthetic bandpowers


@pytest.mark.slow
def test_synthetic_plik_lite_scatters_as_its_covariance_says_and_says_that_it_is_synthetic():
    planck = cmb.fetch("planck2018_lcdm")
    chi2 = [
        cmb.plik_lite_log_likelihood(planck, cmb.simulated_plik_lite(seed=seed)).attrs["chi_squared"]
        for seed in range(5)
    ]
    assert np.mean(chi2) == pytest.approx(613, abs=4 * np.sqrt(2 * 613 / 5))
    exact = cmb.simulated_plik_lite(seed=None)
    assert cmb.plik_lite_log_likelihood(planck, exact).attrs["chi_squared"] == pytest.approx(0, abs=1e-9)
    assert exact.attrs["synthetic"] == "true" and "not Planck's data" in exact.attrs["source"]
    dl = cmb.plik_lite_spectra(exact)
    assert dl.attrs["synthetic"] == "true"
    check(exact), check(dl)


@pytest.mark.slow
def test_the_d_ell_of_a_bin_is_the_mean_of_its_multipoles():
    planck = cmb.fetch("planck2018_lcdm")
    exact = cmb.plik_lite_spectra(cmb.simulated_plik_lite(seed=None))
    whole = cmb.d_ell(planck.cl)
    for label, k in (("TT", 0), ("TE", 120), ("EE", 198), ("TT", 214)):
        low, high = int(exact.first_ell[k]), int(exact.last_ell[k])
        mean = float(whole.sel(spectrum=label, ell=slice(low, high)).mean())
        assert float(exact.dl.sel(spectrum=label)[k]) == pytest.approx(mean, rel=1e-9)
    assert np.isnan(exact.dl.sel(spectrum="EE")[199:]).all()


@pytest.mark.oracle
@pytest.mark.slow
def test_synthetic_plik_lite_has_the_bins_of_the_real_one_and_errors_near_its_own(oracle):
    real = cmb.plik_lite_bandpowers(oracle / "cmb" / "planck_lite" / "data" / "planck2018_plik_lite")
    drawn = cmb.simulated_plik_lite()
    np.testing.assert_allclose(drawn.window, real.window, atol=1e-6)
    assert drawn.label.values.tolist() == real.label.values.tolist()
    ratio = (drawn.error / real.error).values
    assert (abs(ratio - 1) < 0.25).mean() > 0.9
    assert set(drawn.data_vars) == set(real.data_vars) and set(drawn.coords) == set(real.coords)


@pytest.mark.slow
def test_synthetic_bicep_keck_scatters_as_its_covariance_says(theory):
    exact = cmb.simulated_bicep_keck(theory, r=0.0, dust=3.6, seed=None)
    np.testing.assert_allclose(exact.bandpower, exact.fiducial)
    drawn = np.stack(
        [cmb.simulated_bicep_keck(theory, r=0.0, dust=3.6, seed=seed).bandpower.values.ravel() for seed in range(200)]
    )
    variance = np.diag(exact.covariance.values.reshape(30, 30))
    assert drawn.var(axis=0) / variance == pytest.approx(np.ones(30), abs=0.75)
    assert ((drawn.mean(axis=0) - exact.bandpower.values.ravel()) / np.sqrt(variance / 60)).std() < 1.6
    assert exact.attrs["synthetic"] == "true" and "not BICEP/Keck's data" in exact.attrs["source"]
    check(exact)


@pytest.mark.slow
def test_the_truth_of_synthetic_bandpowers_without_chance_is_the_most_likely(theory):
    exact = cmb.simulated_bicep_keck(theory, r=0.1, dust=5.0, seed=None)
    found = cmb.bicep_keck_posterior(theory, exact, np.linspace(0, 0.5, 51), dust=np.linspace(0, 15, 31))
    assert float(found.best_r) == pytest.approx(0.1, abs=0.02)
    with_truth = (theory.lensed + 0.1 * theory.tensor).assign_attrs(theory.lensed.attrs)
    assert float(cmb.bicep_keck_log_likelihood(with_truth, exact, foregrounds=cmb.Foregrounds(dust=5.0))) > -1e-9


@pytest.mark.oracle
@pytest.mark.slow
def test_synthetic_bicep_keck_is_near_the_real_one(oracle):
    real = cmb.bicep_keck_bandpowers(oracle / "cmb" / "bkplanck_2015" / "BKPlanck_detset_comb_dust.dataset")
    drawn = cmb.simulated_bicep_keck(cmb.theory_spectra(lmax=200))
    assert drawn.pair.values.tolist() == real.pair.values.tolist()
    same = [0, 3, 5]  # maps with themselves
    assert (drawn.noise / real.noise).values[:, same] == pytest.approx(np.ones((5, 3)), abs=0.05)
    errors = [np.sqrt(np.diag(data.covariance.values.reshape(30, 30))).reshape(5, 6) for data in (drawn, real)]
    assert (errors[0] / errors[1])[:, same] == pytest.approx(np.ones((5, 3)), abs=0.3)
    assert set(drawn.data_vars) == set(real.data_vars) and set(drawn.coords) == set(real.coords)


@pytest.mark.slow
def test_simulations_that_make_no_sense_are_refused(theory):
    for options, said in (({"seed": -1}, "seed"), ({"r": -0.1}, "r=-0.1"), ({"dust": np.nan}, "dust")):
        with pytest.raises(BadOption, match=said):
            cmb.simulated_bicep_keck(theory, **options)
    with pytest.raises(WrongData, match="every ℓ"):
        cmb.simulated_bicep_keck(theory.sel(ell=slice(0, 100)))
    with pytest.raises(WrongData, match="'lensed' and 'tensor'"):
        cmb.simulated_bicep_keck(theory[["cl"]])
    with pytest.raises(WrongData, match="2508"):
        cmb.simulated_plik_lite(theory)
    with pytest.raises(BadOption, match="no chance"):
        cmb.simulated_plik_lite(seed=1.5)
    with pytest.raises(WrongData, match="plik_lite_bandpowers"):
        cmb.plik_lite_spectra(xr.Dataset())
    with pytest.raises(WrongData, match="plik_lite_bandpowers"):
        cmb.plik_lite_model(cmb.fetch("planck2018_lcdm"), xr.Dataset())


# ------------------------------------------------------------------------------------------------- brought live


@pytest.mark.oracle
@pytest.mark.slow
@pytest.mark.server
def test_plik_lite_is_read_from_the_archive_that_is_brought(oracle, archive, fresh_home, monkeypatch, tmp_path):
    folder = oracle / "cmb" / "planck_lite" / "data" / "planck2018_plik_lite"
    with zipfile.ZipFile(tmp_path / "plik.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        for file in folder.iterdir():
            packed.write(file, f"plik_lite_2018_AL/{file.name}")
    archive.add("/plik.zip", (tmp_path / "plik.zip").read_bytes())
    monkeypatch.setattr(planck_lite_files, "ADDRESS", f"{archive.url}/plik.zip")
    brought, held = cmb.plik_lite_bandpowers(live=True), cmb.plik_lite_bandpowers(folder)
    xr.testing.assert_identical(brought.drop_attrs(), held.drop_attrs())
    assert archive.url in brought.attrs["provenance"]
    with zipfile.ZipFile(tmp_path / "empty.zip", "w") as packed:
        packed.writestr("readme.txt", "nothing")
    with pytest.raises(MissingFile, match="holds 0 files"):
        cmb.plik_lite_bandpowers(tmp_path / "empty.zip")
    with pytest.raises(BadOption, match="not both"):
        cmb.plik_lite_bandpowers(folder, live=True)
    with pytest.raises(BadOption, match="or live=True"):
        cmb.plik_lite_bandpowers()


@pytest.mark.oracle
@pytest.mark.slow
@pytest.mark.server
def test_bicep_keck_is_read_from_the_files_that_are_brought(oracle, archive, fresh_home, monkeypatch, tmp_path):
    folder = oracle / "cmb" / "bkplanck_2015"
    for file in (file for file in folder.rglob("*") if file.is_file()):
        archive.add(f"/BKPlanck/{file.relative_to(folder)}", file.read_bytes())
    address = f"{archive.url}/BKPlanck/BKPlanck_detset_comb_dust.dataset"
    monkeypatch.setattr(bicep_keck_files, "ADDRESS", address)
    brought = cmb.bicep_keck_bandpowers(live=True)
    held = cmb.bicep_keck_bandpowers(folder / "BKPlanck_detset_comb_dust.dataset")
    xr.testing.assert_identical(brought.drop_attrs(), held.drop_attrs())
    assert address in brought.attrs["provenance"] and "/tmp" not in brought.attrs["provenance"]
    for options in ({}, {"dataset": "a.dataset", "live": True}):
        with pytest.raises(BadOption, match="not both"):
            cmb.bicep_keck_bandpowers(**options)
