"""Theory: CAMB against Planck's best fit and LiteBIRD's tensors, rotation, and the emulator."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from tiers import examples

from analysis import cmb
from analysis.cmb import emulator, theory
from analysis.errors import BadOption, WrongData, WrongFrame
from analysis.model import check


@pytest.fixture(scope="module")
def planck():
    return cmb.theory_spectra(r=0.01)


def table(path, columns):
    """D_ℓ columns of a text file as C_ℓ by label, from ℓ = 0."""
    values = np.loadtxt(path)
    ell = values[:, 0].astype(int)
    found = {}
    for label, column in columns.items():
        cl = np.zeros(ell[-1] + 1)
        cl[ell] = values[:, column] * 2 * np.pi / (ell * (ell + 1.0))
        found[label] = cl
    return found


# ----------------------------------------------------------------------------------------- published spectra


@pytest.mark.slow
@pytest.mark.oracle
def test_camb_gives_the_spectra_of_plancks_best_fit(oracle, planck):
    files = oracle / "cmb" / "planck_bestfit" / "base_plikHM_TTTEEE_lowl_lowE.minimum.theory_cl"
    wanted = table(files, {"TT": 1, "TE": 2, "EE": 3, "BB": 4})
    ell = np.arange(30, 2501)
    ours = {label: planck.lensed.sel(spectrum=label, ell=ell).values for label in wanted}
    for label in ("TT", "EE"):
        assert np.abs(ours[label] / wanted[label][ell] - 1).max() < 4e-3, label
    scale = np.sqrt(wanted["TT"][ell] * wanted["EE"][ell])
    assert np.abs((ours["TE"] - wanted["TE"][ell]) / scale).max() < 4e-3
    low = np.arange(2, 30)
    assert np.abs(planck.lensed.sel(spectrum="TT", ell=low) / wanted["TT"][low] - 1).max() < 4e-3
    reionization = np.arange(2, 9)  # the trough above is where CAMB of 2018 and of today differ by up to 5 %
    assert np.abs(planck.lensed.sel(spectrum="EE", ell=reionization) / wanted["EE"][reionization] - 1).max() < 4e-3
    below = ell[ell <= 1000]  # above, BB depends on the model of non-linear lensing
    ratio = planck.lensed.sel(spectrum="BB", ell=below) / wanted["BB"][below]
    assert np.abs(ratio - 1).max() < 0.015


@pytest.mark.slow
@pytest.mark.oracle
def test_tensors_are_those_of_the_litebird_forecast(oracle, planck):
    from astropy.io import fits

    path = oracle / "cmb" / "Cls_Planck2018_for_PTEP_2020_tensor_r1.fits"
    wanted = np.asarray(fits.getdata(path, 1).field(2), float)  # CURL
    ell = np.arange(2, 201)
    assert np.abs(planck.tensor.sel(spectrum="BB", ell=ell) / wanted[ell] - 1).max() < 0.02


@pytest.mark.slow
@pytest.mark.oracle
def test_the_trough_above_the_reionization_bump_is_smooth_and_plancks_file_is_not(oracle, planck):
    """LiteBIRD's spectra, of another CAMB and τ, differ smoothly from ours where Planck's file is ragged."""
    from astropy.io import fits

    path = oracle / "cmb" / "Cls_Planck2018_for_PTEP_2020_r0.fits"
    litebird = np.asarray(fits.getdata(path, 1).field(1), float)
    shipped = cmb.fetch("planck2018_lcdm").cl.sel(spectrum="EE").values
    ell = np.arange(9, 30)
    ours = planck.lensed.sel(spectrum="EE", ell=ell).values
    ragged = {name: np.abs(np.diff(other[ell] / ours, 2)).max() for name, other in (("l", litebird), ("p", shipped))}
    assert np.abs(litebird[ell] / ours - 1).max() < 0.008
    assert ragged["l"] < 0.002 and ragged["p"] > 0.05


@pytest.mark.slow
def test_the_shipped_planck_spectra_are_nearly_ours(planck):
    shipped = cmb.fetch("planck2018_lcdm").cl.sel(ell=slice(30, 2000))
    ratio = planck.lensed.sel(spectrum="TT", ell=slice(30, 2000)) / shipped.sel(spectrum="TT")
    assert float(np.abs(ratio - 1).max()) < 5e-3  # another best fit, with lensing


# ------------------------------------------------------------------------------------------------- the model


@pytest.mark.slow
def test_spectra_keep_the_contract_and_name_their_model(planck):
    check(planck)
    assert planck.cl.attrs["units"] == "uK2" and planck.attrs["r"] == 0.01
    assert not planck.cl.sel(ell=slice(0, 1)).any()


@pytest.mark.slow
def test_tensors_are_linear_in_r_and_may_be_negative(planck):
    less = cmb.theory_spectra(r=-0.02)
    xr.testing.assert_allclose(planck.cl - planck.lensed, 0.01 * planck.tensor, atol=1e-18)
    xr.testing.assert_allclose(less.cl - less.lensed, -0.02 * planck.tensor, atol=1e-18)


@pytest.mark.slow
def test_delensing_scales_the_b_modes_of_lensing_and_nothing_else(planck):
    half = cmb.theory_spectra(a_lens=0.5)
    np.testing.assert_allclose(half.cl.sel(spectrum="BB"), 0.5 * planck.lensed.sel(spectrum="BB"))
    others = ["TT", "EE", "TE"]
    np.testing.assert_array_equal(half.cl.sel(spectrum=others), planck.lensed.sel(spectrum=others))


@pytest.mark.slow
def test_unlensed_scalars_have_no_b_modes_and_lensing_makes_some_white_ones(planck):
    assert not planck.unlensed.sel(spectrum="BB").any()
    white = np.sqrt(planck.lensed.sel(spectrum="BB", ell=slice(5, 100))) / (np.pi / 10800)
    assert float(abs(white - 5).max()) < 0.5  # lensing is like noise of 5 µK arcmin (Knox & Song 2002)


@pytest.mark.slow
def test_more_optical_depth_lifts_the_reionization_bump_as_its_square(planck):
    more = cmb.theory_spectra(tau=0.08, log_as=theory.PLANCK_2018["log_as"], lmax=100)
    ratio = float((more.lensed / planck.lensed).sel(spectrum="EE", ell=4))
    assert ratio == pytest.approx((0.08 / 0.0543) ** 2, rel=0.15)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"tau": -0.1}, "tau=-0.1 is outside 0.01 to 0.3"),
        ({"r": "much"}, "r='much' is no number"),
        ({"r": float("nan")}, "r=nan"),
        ({"lmax": 1}, "lmax=1"),
        ({"lmax": 100.0}, "lmax=100.0"),
        ({"log_as": 2.1e-9}, "log_as"),
        ({"nt": True}, "nt=True"),
    ],
)
def test_models_that_are_none_are_refused(options, match):
    with pytest.raises(BadOption, match=match):
        cmb.theory_spectra(**options)


# -------------------------------------------------------------------------------------------------- rotation


def simple(values, labels=("TT", "EE", "BB", "TE"), **attrs):
    coords = {"spectrum": list(labels), "ell": np.arange(2, 2 + len(values[0]))}
    facts = {"units": "uK2", "long_name": "C_ℓ", **attrs}
    return xr.DataArray(np.array(values, float), dims=("spectrum", "ell"), coords=coords, attrs=facts).to_dataset(
        name="cl"
    )


@settings(max_examples=examples(20))
@given(angle=st.floats(-90, 90), ee=st.floats(0.1, 10), bb=st.floats(0, 1))
def test_a_rotation_keeps_the_polarized_power_and_turns_back(angle, ee, bb):
    given_cl = simple([[3.0], [ee], [bb], [0.5]])
    turned = cmb.rotated_spectra(given_cl, angle)
    power = turned.cl.sel(spectrum=["EE", "BB"]).sum()
    assert float(power) == pytest.approx(ee + bb)
    back = cmb.rotated_spectra(turned, -angle).cl
    np.testing.assert_allclose(back.sel(spectrum=["TT", "EE", "BB", "TE"]), given_cl.cl, atol=1e-12)
    np.testing.assert_allclose(back.sel(spectrum=["EB", "TB"]), 0, atol=1e-12)


def test_a_quarter_turn_swaps_nothing_and_an_eighth_swaps_e_and_b():
    cl = simple([[1.0], [4.0], [1.0], [2.0]])
    eighth = cmb.rotated_spectra(cl, 45).cl[:, 0]
    assert eighth.sel(spectrum="EE") == pytest.approx(1) and eighth.sel(spectrum="BB") == pytest.approx(4)
    assert eighth.sel(spectrum="TB") == pytest.approx(2) and eighth.sel(spectrum="TE") == pytest.approx(0, abs=1e-12)
    quarter = cmb.rotated_spectra(cl, "90 deg").cl[:, 0]
    assert quarter.sel(spectrum="EE") == pytest.approx(4) and quarter.sel(spectrum="TE") == pytest.approx(-2)


@pytest.mark.parametrize("polconv", ["COSMO", "IAU"])
def test_spectra_of_a_turned_map_are_the_turned_spectra_of_the_map(make, polconv):
    alm = make.alm(24, seed=7, components=3)
    sky = make.from_alm(16, 24, t=alm[0], e=alm[1] + 0.3 * alm[0], b=0.2 * alm[2])
    sky = cmb.to_polconv(sky, polconv)
    q, u = sky.sky.sel(stokes="Q").values, sky.sky.sel(stokes="U").values
    twice = np.radians(2 * 12.0)
    moved = sky.sky.values.copy()
    moved[1], moved[2] = q * np.cos(twice) - u * np.sin(twice), q * np.sin(twice) + u * np.cos(twice)
    turned = sky.assign(sky=sky.sky.copy(data=moved))
    grown = cmb.polarization_angle(turned) - cmb.polarization_angle(sky)
    assert np.allclose(np.mod(grown, 180), 12.0)  # the angle of every cell grew by 12° in this convention
    measured = cmb.power_spectra(turned, lmax=24)
    expected = cmb.rotated_spectra(cmb.power_spectra(sky, lmax=24), 12.0, polconv=polconv)
    np.testing.assert_allclose(
        measured.cl.sel(spectrum=expected.spectrum), expected.cl, atol=1e-10 * float(measured.cl.max())
    )


def test_the_same_rotation_of_the_sky_has_the_other_sign_in_the_other_convention():
    cl = simple([[1.0], [4.0], [1.0], [2.0]])
    cosmo, iau = (cmb.rotated_spectra(cl, sign * 0.3, polconv=name).cl for sign, name in ((1, "COSMO"), (-1, "IAU")))
    np.testing.assert_allclose(cosmo.sel(spectrum=["EB", "TB"]), -iau.sel(spectrum=["EB", "TB"]))
    np.testing.assert_allclose(cosmo.sel(spectrum=["EE", "BB", "TE"]), iau.sel(spectrum=["EE", "BB", "TE"]))


def test_rotations_that_mean_nothing_are_refused():
    cl = simple([[1.0], [4.0], [1.0], [2.0]])
    with pytest.raises(WrongData, match="EE and BB"):
        cmb.rotated_spectra(simple([[1.0]], labels=["TT"]), 1)
    with pytest.raises(BadOption, match="polconv"):
        cmb.rotated_spectra(cl, 1, polconv="iau")
    with pytest.raises(WrongFrame, match="opposite signs"):
        cmb.rotated_spectra(cmb.rotated_spectra(cl, 1), 1, polconv="IAU")
    with pytest.raises(BadOption, match="not an angle"):
        cmb.rotated_spectra(cl, "3 K")


# -------------------------------------------------------------------------------------------------- emulator


def test_the_emulator_is_exact_for_what_is_polynomial(monkeypatch):
    ell = np.arange(emulator.SCALAR_LMAX + 1.0)

    def scalars(cosmology, lmax):
        tau, log_as = cosmology[3], cosmology[4]
        made = np.stack([1 + tau**3 + ell, 2 + tau**2 + ell, 3 + tau + ell, tau + ell]) * np.exp(-2 * tau)
        return (made * np.exp(log_as * np.array([1, 1, 2, 1]))[:, None],)

    def tensors(cosmology, nt, lmax):
        return np.exp(nt + cosmology[3] + np.stack([ell, ell, ell, ell])[:, : lmax + 1] / 1e3)

    for name, function in (("_scalars", scalars), ("_tensors", tensors)):
        monkeypatch.setattr(emulator, name, function)
    for cached in (emulator._scalar_models, emulator._tensor_models):
        cached.cache_clear()
    try:
        made = cmb.emulated_spectra(r=0.1, nt=0.21, tau=0.047, log_as=3.0, lmax=300)
        cosmology = (0, 0, 0, 0.047, 3.0, 0, 0)
        np.testing.assert_allclose(made.lensed, scalars(cosmology, 600)[0][:, :301], rtol=1e-9)
        scale = np.exp(3.0 - theory.PLANCK_2018["log_as"])
        np.testing.assert_allclose(made.tensor[:, 2:], scale * tensors(cosmology, 0.21, 300)[:, 2:], rtol=1e-9)
        check(made)
    finally:
        for cached in (emulator._scalar_models, emulator._tensor_models):
            cached.cache_clear()


@pytest.mark.long
def test_the_emulator_is_camb_within_what_its_page_says():
    rng = np.random.default_rng(0)
    for _ in range(5):
        point = {"tau": rng.uniform(0.03, 0.09), "log_as": rng.uniform(2.94, 3.14), "nt": rng.uniform(-0.5, 0.5)}
        near, exact = cmb.emulated_spectra(**point), cmb.theory_spectra(**point, lmax=600)
        for name, allowed in (("lensed", [1e-4, 1e-2, 1e-4, 1e-3]), ("tensor", [2e-4, 8e-3, 2e-3, 2e-3])):
            ours, theirs = near[name].values[:, 2:], exact[name].values[:, 2:]
            scale = np.where(np.arange(4)[:, None] < 3, theirs, np.sqrt(theirs[0] * theirs[1]))
            assert (np.abs((ours - theirs) / scale).max(axis=1) < allowed).all(), (name, point)


@pytest.mark.parametrize("options", [{"tau": 0.1}, {"log_as": 2.9}, {"nt": -0.6}])
def test_the_emulator_refuses_what_is_outside_its_grid(options):
    with pytest.raises(BadOption, match="outside the grid"):
        cmb.emulated_spectra(**options)
