"""Likelihoods: against each other, Planck's plik_lite and BICEP2/Keck + Planck, and what is refused."""

import shutil

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from tiers import examples

from analysis import cmb
from analysis.cmb.bicep_keck_theory import foreground_scaling
from analysis.cmb.likelihoods import hamimeche_lewis_matrix
from analysis.errors import BadOption, CorruptFile, MissingFile, MissingUnits, WrongData, WrongUnits
from analysis.model import check

SIX = ["TT", "EE", "BB", "TE", "EB", "TB"]


def spectra(values, labels, point="ell", first=2, **attrs):
    coords = {"spectrum": list(labels), point: np.arange(first, first + np.shape(values)[1])}
    facts = {"units": "uK2", "long_name": "C_ℓ", **attrs}
    return xr.DataArray(np.array(values, float), dims=("spectrum", point), coords=coords, attrs=facts)


def diagonal(like, variance):
    """A covariance of bandpowers without correlations."""
    size = like.sizes["spectrum"], like.sizes["bin"]
    values = np.diag(np.broadcast_to(variance, size).ravel()).reshape(*size, *size)
    coords = {name + end: like[name].values for name in ("spectrum", "bin") for end in ("", "_2")}
    dims = ("spectrum", "bin", "spectrum_2", "bin_2")
    return xr.DataArray(values, dims=dims, coords=coords, attrs={"units": "uK4"})


# ------------------------------------------------------------------------------------------------- theorems


def test_the_exact_likelihood_is_the_gaussian_one_near_its_peak():
    ell = np.arange(2, 60)
    model = spectra([1 / ell**2.0], ["BB"])
    for shift in (1e-3, -1e-3):
        found = float(cmb.wishart_log_likelihood(model * (1 + shift), model.assign_attrs(units="uK2"), fields="B"))
        assert found == pytest.approx(-0.5 * shift**2 * ((2 * ell + 1) / 2).sum(), rel=5e-3)


@settings(max_examples=examples(20))
@given(ratio=st.floats(0.1, 5))
def test_hamimeche_lewis_of_one_field_is_the_exact_likelihood(ratio):
    # eq. 47 with M_f = 2 C_f² / (2ℓ+1): the transform makes it exact on the full sky
    ell = 10
    measured, fiducial = spectra([[ratio]], ["BB"], "bin"), spectra([[1.0]], ["BB"], "bin")
    covariance = diagonal(measured, 2 / (2 * ell + 1))
    found = cmb.hamimeche_lewis_log_likelihood(measured, fiducial, fiducial, covariance, fields="B")
    exact = cmb.wishart_log_likelihood(
        spectra([[ratio]], ["BB"], first=ell), spectra([[1.0]], ["BB"], first=ell), fields="B"
    )
    assert float(found) == pytest.approx(float(exact), rel=1e-9, abs=1e-12)


@pytest.mark.slow
def test_the_most_likely_amplitude_of_many_skies_is_the_true_one():
    rng = np.random.default_rng(5)
    ell = np.arange(2, 40)
    true = np.array([[1.0, 0.5], [0.5, 1.0]])
    root = np.linalg.cholesky(true)
    values = np.empty((300, 3, ell.size))
    for i, multipole in enumerate(ell):
        draws = root @ rng.normal(size=(300, 2, 2 * multipole + 1))
        matrices = draws @ draws.transpose(0, 2, 1) / (2 * multipole + 1)
        values[:, :, i] = np.stack([matrices[:, 0, 0], matrices[:, 1, 1], matrices[:, 0, 1]], axis=1)
    labels = ["TT", "EE", "TE"]
    attrs = {"units": "uK2", "long_name": "C_ℓ"}
    measured = xr.DataArray(
        values, dims=("realization", "spectrum", "ell"), coords={"spectrum": labels, "ell": ell}, attrs=attrs
    )
    model = spectra(np.repeat([[1.0], [1.0], [0.5]], ell.size, axis=1), labels)
    amplitudes = np.linspace(0.8, 1.2, 41)
    logs = np.stack(
        [cmb.wishart_log_likelihood(measured, (model * a).assign_attrs(attrs), fields="TE") for a in amplitudes]
    )
    assert logs.shape == (41, 300)
    best = amplitudes[logs.argmax(axis=0)]
    assert abs(best.mean() - 1) < 3 * best.std() / np.sqrt(300) + 1e-3


def test_the_transform_of_a_perfect_fit_is_nothing_and_keeps_rotations():
    rng = np.random.default_rng(1)
    a = rng.normal(size=(4, 3, 5))
    model = a @ a.transpose(0, 2, 1)
    assert np.abs(hamimeche_lewis_matrix(model, model, model)).max() < 1e-6
    b = rng.normal(size=(4, 3, 7))
    measured = b @ b.transpose(0, 2, 1)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    turned = hamimeche_lewis_matrix(*(turn @ m @ turn.T for m in (measured, model, model)))
    np.testing.assert_allclose(turned, turn @ hamimeche_lewis_matrix(measured, model, model) @ turn.T, atol=1e-9)


def test_the_gaussian_likelihood_keeps_realizations_and_converts_units():
    data = spectra(np.ones((2, 3)), ["EE", "BB"], "bin")
    covariance = diagonal(data, 4.0)
    many = xr.concat([data, data * 3], "realization").assign_attrs(data.attrs)
    found = cmb.gaussian_log_likelihood(many, data, covariance)
    np.testing.assert_allclose(found, [0, -0.5 * 6 * 4 / 4])
    milli = (data * 1e-6).assign_attrs(units="mK2", long_name="C_ℓ")
    assert float(cmb.gaussian_log_likelihood(data, milli, covariance)) == pytest.approx(0, abs=1e-20)
    shuffled = covariance.isel(spectrum=[1, 0], bin=[2, 0, 1])
    np.testing.assert_allclose(cmb.gaussian_log_likelihood(many, data.isel(bin=[1, 2, 0]), shuffled), found)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"sky_fraction": "0.5"}, "share"),
        ({"sky_fraction": None}, "share"),
        ({"lmin": 2.5}, "lmin=2.5"),
        ({"lmax": 1000}, "beyond the spectra, which end at ℓ = 9"),
    ],
)
def test_options_that_the_exact_likelihood_would_not_honour_are_refused(options, match):
    coords = {"spectrum": ["BB"], "ell": np.arange(10)}
    cl = xr.DataArray(np.ones((1, 10)), dims=("spectrum", "ell"), coords=coords, attrs={"units": "uK2"})
    with pytest.raises(BadOption, match=match):
        cmb.wishart_log_likelihood(cl, cl, fields="B", **options)


def test_likelihoods_of_what_does_not_fit_are_refused():
    data = spectra([[1.0, 1.0]], ["BB"], "bin")
    covariance = diagonal(data, 1.0)
    with pytest.raises(WrongData, match="positive definite"):
        cmb.gaussian_log_likelihood(data, data, covariance * 0 + covariance.min() - 1)
    with pytest.raises(WrongData, match="not finite"):
        cmb.gaussian_log_likelihood(data * np.nan, data, covariance)
    with pytest.raises(WrongData, match="model has bin"):
        cmb.gaussian_log_likelihood(data, data.isel(bin=[0]), covariance)
    with pytest.raises(MissingUnits):
        cmb.gaussian_log_likelihood(data.drop_attrs(), data, covariance)
    with pytest.raises(WrongUnits):
        cmb.gaussian_log_likelihood(data, data, covariance.assign_attrs(units="uK2"))
    cl = spectra([[1.0, 1.0], [1.0, 1.0]], ["EE", "BB"])
    with pytest.raises(WrongData, match="TT is missing"):
        cmb.wishart_log_likelihood(cl, cl, fields="TEB")
    with pytest.raises(WrongData, match="this needs C_ℓ"):
        cmb.wishart_log_likelihood(cl.assign_attrs(long_name="D_ℓ"), cl, fields="EB")
    with pytest.raises(BadOption, match="fields"):
        cmb.wishart_log_likelihood(cl, cl, fields="P")
    with pytest.raises(BadOption, match="sky_fraction"):
        cmb.wishart_log_likelihood(cl, cl, fields="EB", sky_fraction=50)
    with pytest.raises(WrongUnits, match="polconv"):
        cmb.wishart_log_likelihood(cl.assign_attrs(polconv="IAU"), cl.assign_attrs(polconv="COSMO"), fields="EB")
    with pytest.raises(WrongData, match="not finite"):
        cmb.wishart_log_likelihood((cl * np.nan).assign_attrs(cl.attrs), cl, fields="EB")
    with pytest.raises(WrongData, match="noise bias"):
        cmb.wishart_log_likelihood((-cl).assign_attrs(cl.attrs), cl, fields="EB")
    with pytest.raises(WrongData, match="add the noise"):
        cmb.wishart_log_likelihood(cl, (cl * 0).assign_attrs(cl.attrs), fields="EB")
    with pytest.raises(WrongData, match="model ends at"):
        cmb.wishart_log_likelihood(cl, cl.isel(ell=[0]), fields="EB")


# ------------------------------------------------------------------------------------------ Planck's plik_lite


@pytest.fixture(scope="module")
def plik_folder(oracle):
    return oracle / "cmb" / "planck_lite" / "data" / "planck2018_plik_lite"


@pytest.fixture(scope="module")
def plik(plik_folder):
    return cmb.plik_lite_bandpowers(plik_folder)


def from_table(path, columns):
    values = np.loadtxt(path)
    ell = values[:, 0].astype(int)
    found = np.zeros((len(columns), ell[-1] + 1))
    found[:, ell] = values[:, list(columns.values())].T * 2 * np.pi / (ell * (ell + 1.0))
    return spectra(found, columns, first=0)


@pytest.mark.oracle
@pytest.mark.slow
def test_plik_lite_gives_plancks_own_chi_squared_of_the_best_fit(oracle, plik):
    name = "base_plikHM_TTTEEE_lowl_lowE.minimum.theory_cl"
    best = from_table(oracle / "cmb" / "planck_bestfit" / name, {"TT": 1, "TE": 2, "EE": 3})
    found = cmb.plik_lite_log_likelihood(best, plik, spectra="TT")
    assert (found.attrs["bins"], round(found.attrs["chi_squared"], 2)) == (215, 207.81)
    everything = cmb.plik_lite_log_likelihood(best, plik)
    assert everything.attrs["bins"] == 613 and 550 < everything.attrs["chi_squared"] < 620
    check(plik)


@pytest.mark.oracle
@pytest.mark.slow
def test_plik_lite_is_that_of_cobaya_on_the_same_spectra(oracle, plik):
    # planck-lite-py's own test, which quotes cobaya: -291.33481235418003 and -101.58123068722568
    fit = from_table(oracle / "cmb" / "planck_lite" / "data" / "Dl_planck2015fit.dat", {"TT": 1, "TE": 2, "EE": 3})
    assert float(cmb.plik_lite_log_likelihood(fit, plik)) == pytest.approx(-291.33481235418003, abs=1e-9)
    assert float(cmb.plik_lite_log_likelihood(fit, plik, spectra="TT")) == pytest.approx(-101.58123068722568, abs=1e-9)


@pytest.mark.oracle
@pytest.mark.slow
def test_our_camb_fits_planck_as_well_as_its_best_fit(plik):
    found = cmb.plik_lite_log_likelihood(cmb.theory_spectra(lmax=2508), plik)
    assert found.attrs["chi_squared"] == pytest.approx(585.3, abs=1.0)
    with pytest.raises(WrongData, match="every ℓ from 30 to 2508"):
        cmb.plik_lite_log_likelihood(cmb.theory_spectra(lmax=2400), plik)


@pytest.mark.oracle
@pytest.mark.slow
def test_spectra_in_the_wrong_place_are_refused(plik_folder, plik, tmp_path):
    for file in plik_folder.iterdir():
        shutil.copy(file, tmp_path / file.name)
    lines = (plik_folder / "cl_cmb_plik_v22.dat").read_text().splitlines()
    swapped = lines[:215] + lines[414:] + lines[215:414]
    (tmp_path / "cl_cmb_plik_v22.dat").chmod(0o644)
    (tmp_path / "cl_cmb_plik_v22.dat").write_text("\n".join(swapped))
    with pytest.raises(CorruptFile, match="in the place of TE is not TE"):
        cmb.plik_lite_bandpowers(tmp_path)
    (tmp_path / "cl_cmb_plik_v22.dat").write_text("\n".join(lines[:600]))
    with pytest.raises(CorruptFile, match="numbers"):
        cmb.plik_lite_bandpowers(tmp_path)
    (tmp_path / "blmin.dat").unlink()
    with pytest.raises(MissingFile, match=r"lacks blmin.dat"):
        cmb.plik_lite_bandpowers(tmp_path)
    cl = spectra(np.ones((3, 2509)), ["TT", "TE", "EE"], first=0)
    with pytest.raises(WrongData, match="D_ℓ"):
        cmb.plik_lite_log_likelihood(cl.assign_attrs(long_name="D_ℓ"), plik)
    with pytest.raises(WrongData, match="lacks EE, TE"):
        cmb.plik_lite_log_likelihood(cl.sel(spectrum=["TT"]), plik)
    with pytest.raises(BadOption, match="spectra"):
        cmb.plik_lite_log_likelihood(cl, plik, spectra="BB")
    with pytest.raises(BadOption, match="calibration"):
        cmb.plik_lite_log_likelihood(cl, plik, calibration=0)


# ------------------------------------------------------------------------------------ BICEP2/Keck and Planck

BICEP_COSMOLOGY = {  # that of the joint analysis (CosmoMC's BKPlanckonly.ini)
    "ombh2": 0.0220323,
    "omch2": 0.1203761,
    "tau": 0.0924518,
    "ns": 0.9619123,
    "theta_mc": 1.0411,
    "log_as": 3.1,
}


@pytest.fixture(scope="module")
def bicep_file(oracle):
    return oracle / "cmb" / "bkplanck_2015" / "BKPlanck_detset_comb_dust.dataset"


@pytest.fixture(scope="module")
def bicep(bicep_file):
    return cmb.bicep_keck_bandpowers(bicep_file)


@pytest.fixture(scope="module")
def bicep_theory():
    return cmb.theory_spectra(**BICEP_COSMOLOGY, lmax=600)


@pytest.mark.oracle
@pytest.mark.slow
def test_the_published_limit_on_r_comes_out(bicep, bicep_theory):
    found = cmb.bicep_keck_posterior(bicep_theory, bicep, np.linspace(0, 0.5, 126))
    assert float(found.best_r) == pytest.approx(0.048, abs=0.006)  # published 0.048 +0.035 -0.032
    assert 0.11 < float(found.upper_limit) < 0.125  # published r < 0.12
    peak = float(found.dust[int(found.dust_posterior.values.argmax())])
    assert peak == pytest.approx(3.3, abs=0.3)  # published 3.3 +0.9 -0.8
    assert float(found.posterior[0] / found.posterior.max()) == pytest.approx(0.38, abs=0.05)  # published 0.38
    check(found)
    check(bicep)


@pytest.mark.oracle
@pytest.mark.slow
def test_the_foreground_model_is_that_of_the_files_own_fiducial_model(bicep_file, bicep_theory):
    # the fiducial bandpowers were made with dust of 3.6 µK² and no tensors
    maps = ["B2K_B", "P100_B", "P143_B", "P217_B", "P353_B"]
    data = cmb.bicep_keck_bandpowers(bicep_file, maps=maps, bins=range(1, 10))
    perfect = data.assign(bandpower=data.fiducial)
    logs = [
        float(cmb.bicep_keck_log_likelihood(bicep_theory.lensed, perfect, foregrounds=cmb.Foregrounds(dust=amount)))
        for amount in (3.5, 3.6, 3.7)
    ]
    assert logs[1] > -1e-3 and logs[1] > max(logs[0], logs[2])


@pytest.mark.oracle
@pytest.mark.slow
def test_dust_is_needed_and_synchrotron_is_not(bicep, bicep_theory):
    def log_likelihood(**amounts):
        return float(cmb.bicep_keck_log_likelihood(bicep_theory, bicep, foregrounds=cmb.Foregrounds(**amounts)))

    assert log_likelihood(dust=3.3) > log_likelihood() + 10
    assert log_likelihood(dust=3.3, synchrotron=1e-4) == pytest.approx(log_likelihood(dust=3.3), abs=1)


@pytest.mark.oracle
def test_dust_is_brighter_in_high_bands_and_synchrotron_in_low_ones(bicep):
    dust = foreground_scaling(bicep, 1.59, temperature=19.6)
    sync = foreground_scaling(bicep, -3.3, temperature=None)
    assert (np.diff(dust) > 0).all() and (np.diff(sync) < 0).all()
    assert dust[2] == pytest.approx(1.1, abs=0.1) and sync[0] == pytest.approx(1, abs=0.2)
    assert dust[0] == pytest.approx(0.04, abs=0.01)  # 353 to 150 GHz: a factor of about 25 (the paper's sect. II)


@pytest.mark.oracle
@pytest.mark.slow
def test_columns_that_are_not_what_the_dataset_announces_are_refused(bicep_file, tmp_path):
    shutil.copytree(bicep_file.parent, tmp_path / "copy", copy_function=shutil.copyfile)
    (tmp_path / "copy").chmod(0o755)
    path = tmp_path / "copy" / bicep_file.name
    hats = tmp_path / "copy" / "BKPlanck_detset_comb_cl_hat.dat"
    text = hats.read_text()
    hats.write_text(text.replace("# B2K_ExB2K_E B2K_BxB2K_B", "# B2K_BxB2K_B B2K_ExB2K_E"))
    with pytest.raises(CorruptFile, match="B2K_BxB2K_B where the dataset's cl_hat_order says B2K_ExB2K_E"):
        cmb.bicep_keck_bandpowers(path)
    hats.write_text("\n".join(text.rstrip().splitlines()[:-1]))
    with pytest.raises(CorruptFile, match="9 bins"):
        cmb.bicep_keck_bandpowers(path)
    hats.unlink()
    with pytest.raises(MissingFile, match="not beside it"):
        cmb.bicep_keck_bandpowers(path)


@pytest.mark.oracle
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "cells", "match"),
    [
        ("cl_hat", {(1, 2): "nan"}, "NaN or infinite"),
        ("cl_hat", {(0, 0): "2", (1, 0): "1"}, "bins are 2, 1, 3.* not 1 to 9 in order"),
        ("covmat_dust", {(0, 5): "9.9"}, "not symmetric"),
        ("covmat_dust", {(1, 1): "-9.9"}, "variance is not above zero"),
    ],
)
def test_damaged_numbers_are_refused_when_they_are_read(bicep_file, tmp_path, name, cells, match):
    shutil.copytree(bicep_file.parent, tmp_path / "copy", copy_function=shutil.copyfile)
    (tmp_path / "copy").chmod(0o755)
    table = tmp_path / "copy" / f"BKPlanck_detset_comb_{name}.dat"
    lines = table.read_text().splitlines()
    rows = [number for number, line in enumerate(lines) if line.strip() and not line.startswith("#")]
    for (row, column), value in cells.items():
        words = lines[rows[row]].split()
        words[column] = value
        lines[rows[row]] = " ".join(words)
    table.write_text("\n".join(lines))
    with pytest.raises(CorruptFile, match=match):
        cmb.bicep_keck_bandpowers(tmp_path / "copy" / bicep_file.name)


@pytest.mark.oracle
@pytest.mark.slow
def test_requests_that_make_no_sense_are_refused(bicep_file, bicep, bicep_theory):
    with pytest.raises(BadOption, match="P999_B"):
        cmb.bicep_keck_bandpowers(bicep_file, maps=["P999_B"])
    with pytest.raises(BadOption, match="1 to 9"):
        cmb.bicep_keck_bandpowers(bicep_file, bins=[0])
    with pytest.raises(CorruptFile, match="no CosmoMC dataset"):
        cmb.bicep_keck_bandpowers(bicep_file.parent / "bandpass_B2K.txt")
    with pytest.raises(BadOption, match="increasing"):
        cmb.bicep_keck_posterior(bicep_theory, bicep, [0.0])
    with pytest.raises(BadOption, match="dust_index"):
        cmb.bicep_keck_posterior(bicep_theory, bicep, [0.0, 0.1, 0.2], dust_index=(1.59, 0.0))
    with pytest.raises(WrongData, match="every ℓ"):
        cmb.bicep_keck_log_likelihood(bicep_theory.cl.sel(ell=slice(0, 300)), bicep)
    with pytest.raises(WrongData, match="needs C_ℓ"):
        cmb.bicep_keck_log_likelihood(bicep_theory.cl.assign_attrs(long_name="D_ℓ"), bicep)
