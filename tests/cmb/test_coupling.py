"""What masks do to spectra, undone: against NaMaster, against the whole sky, and what is refused."""

import numpy as np
import pytest
import xarray as xr

from analysis import cmb
from analysis.cmb.coupling import kernels, kernels_by_quadrature
from analysis.errors import BadOption, WrongData, WrongFrame
from analysis.model import check

NAMED = {
    "TT from TT": "coupling_00",
    "TE from TE": "coupling_02",
    "TB from TB": "coupling_02",
    "EE from EE": "coupling_22",
    "EE from BB": "coupling_22_ee_bb",
    "BB from EE": "coupling_22_ee_bb",
    "BB from BB": "coupling_22",
}


@pytest.fixture(scope="module")
def namaster(oracle):
    return dict(np.load(oracle / "cmb/namaster/namaster_v3_nside128.npz"))


@pytest.fixture(scope="module")
def soft(namaster, make):
    return make.mask(namaster["mask"])


@pytest.fixture(scope="module")
def sky(namaster, make):
    return make.sky(make.nested(namaster["iqu"].astype(float)))


@pytest.mark.slow
def test_coupling_is_that_of_namaster(namaster, soft):
    made = check(cmb.coupling_matrix(soft, lmax=256, mask_lmax=256)).coupling
    for transfer, stored in NAMED.items():
        np.testing.assert_allclose(made.sel(transfer=transfer), namaster[stored], atol=1e-12, rtol=0)


@pytest.mark.slow
def test_coupling_of_pure_b_is_that_of_namaster(namaster, soft):
    made = cmb.coupling_matrix(soft, lmax=256, mask_lmax=256, purify="B").coupling
    for out in ("EE", "BB"):
        for into in ("EE", "BB"):
            name = "coupling_22_pure_b" + ("" if out == into == "EE" else f"_{out.lower()}_{into.lower()}")
            np.testing.assert_allclose(made.sel(transfer=f"{out} from {into}"), namaster[name], atol=1e-12, rtol=0)


@pytest.mark.slow
def test_corrected_spectra_are_those_of_namaster(namaster, soft, sky):
    options = {"lmax": 256, "mask_lmax": 256, "width": 16, "weighting": "equal", "keep_monopole": True}
    made = check(cmb.power_spectra(sky, mask=soft, decouple=True, **options)).cl
    stored = {"TT": namaster["decoupled_00"][0], "TE": namaster["decoupled_02"][0], "TB": namaster["decoupled_02"][1]}
    stored |= {"EE": namaster["decoupled_22"][0], "EB": namaster["decoupled_22"][1], "BB": namaster["decoupled_22"][3]}
    for label, wanted in stored.items():
        found = made.sel(spectrum=label)
        np.testing.assert_allclose(found, wanted, atol=1e-13 * np.abs(wanted).max(), rtol=0, err_msg=label)
    np.testing.assert_allclose(made.ell_effective, namaster["ell"])


@pytest.mark.slow
def test_the_benchmark_of_namaster_is_met(oracle, make):
    from astropy.io import fits

    folder = oracle / "cmb/namaster"
    with fits.open(folder / "mps.fits") as maps, fits.open(folder / "msk.fits") as mask:
        iqu = np.stack([np.asarray(maps[1].data.field(i), float).ravel() for i in range(3)])
        weights = np.asarray(mask[1].data.field(0), float).ravel()
    options = {"lmax": 191, "mask_lmax": 191, "width": 16, "weighting": "equal", "keep_monopole": True}
    made = cmb.power_spectra(make.sky(make.nested(iqu)), mask=make.mask(weights), decouple=True, **options)
    wanted = np.loadtxt(folder / "bm_nc_np_c02.txt")
    for column, label in ((1, "TE"), (2, "TB")):
        apart = np.abs(made.cl.sel(spectrum=label) - wanted[:, column]).max()
        assert apart <= 1e-8 * np.abs(wanted[:, 1]).max()


@pytest.mark.slow
def test_c2_apodization_is_that_of_namaster(namaster, make):
    made = cmb.apodized_mask(make.mask(namaster["binary_mask"].astype(bool)), scale="10 deg", kind="C2")
    np.testing.assert_allclose(made, make.nested(namaster["mask"]), atol=1e-12)


# ------------------------------------------------------------------------------------------------ theorems


def test_the_whole_sky_couples_nothing():
    whole = cmb.galactic_mask(8, latitude=0) | True
    made = cmb.coupling_matrix(whole, lmax=12).coupling
    for transfer in made.transfer.values:
        out, into = str(transfer).split(" from ")
        first = 0 if out == "TT" else 2
        wanted = np.diag((np.arange(13) >= first) * float(out == into))
        np.testing.assert_allclose(made.sel(transfer=transfer), wanted, atol=1e-4, err_msg=transfer)


def test_sums_and_integrals_of_symbols_agree():
    spectrum = 1 / (1.0 + np.arange(150)) ** 3
    for lmax in (2, 40, 100):
        one, two = kernels(spectrum, lmax), kernels_by_quadrature(spectrum, lmax)
        for name in one:
            np.testing.assert_allclose(one[name], two[name], atol=1e-12 * one["00"].max(), err_msg=name)


def test_integrals_stand_in_where_ducc0_has_no_sums(monkeypatch):
    import ducc0

    mask = cmb.galactic_mask(8)
    before = cmb.coupling_matrix(mask, lmax=16).coupling
    monkeypatch.delattr(ducc0.misc.experimental, "coupling_matrix_rect")
    np.testing.assert_allclose(cmb.coupling_matrix(mask, lmax=16).coupling, before, atol=1e-12)


def test_a_mask_that_was_changed_in_place_is_not_taken_for_the_one_before():
    mask = cmb.galactic_mask(8).astype(float)
    before = cmb.coupling_matrix(mask, lmax=16).coupling
    mask[:300] = 0
    after = cmb.coupling_matrix(mask, lmax=16).coupling
    fresh = cmb.coupling_matrix(mask.copy(deep=True), lmax=16, iterations=3).coupling
    assert float(abs(after - before).max()) > 0.05
    np.testing.assert_array_equal(after, fresh)


def test_single_symbols_are_those_of_ducc0():
    from ducc0.misc import wigner3j_int

    spectrum = np.zeros(20)
    spectrum[7] = 4 * np.pi / 15
    first, symbols = wigner3j_int(5, 6, 2, -2)
    even = kernels(spectrum, 8)
    assert symbols[7 - first] ** 2 == pytest.approx(even["22+"][5, 6])
    assert even["22-"][5, 6] == pytest.approx(0, abs=1e-15)  # 5 + 6 + 7 is even


@pytest.mark.slow
def test_corrected_spectra_are_unbiased_and_do_not_mix_e_and_b():
    planck = cmb.fetch("planck2018_lcdm")
    soft = cmb.apodized_mask(cmb.galactic_mask(32, latitude=25), scale="10 deg")
    many = cmb.synthesized(cmb.random_coefficients(planck, lmax=64, seed=1, realizations=60), nside=32)
    options = {"mask": soft, "lmax": 64, "width": 12, "decouple": True}
    found = xr.concat([cmb.power_spectra(one_of(many, i), **options).cl for i in range(60)], "realization")
    windows = cmb.bandpower_windows(cmb.coupling_matrix(soft, lmax=64), width=12)
    wanted = check(cmb.expected_bandpowers(planck, windows)).cl
    pull = (found.mean("realization") - wanted) / found.std("realization") * np.sqrt(60)
    assert float(np.abs(pull).max()) < 4.0
    assert float((pull**2).mean()) < 2.0


def one_of(many, number):
    return many.isel(realization=number)


@pytest.mark.slow
def test_beam_and_pixels_are_undone(make):
    planck = cmb.fetch("planck2018_lcdm")
    alm = cmb.random_coefficients(planck, lmax=64, seed=2)
    sharp = cmb.power_spectra(cmb.synthesized(alm, nside=32), lmax=64, decouple=True).cl
    smooth = cmb.synthesized(alm, nside=32, beam="3 deg", pixels=True)
    undone = cmb.power_spectra(smooth, lmax=64, decouple=True, beam="3 deg", pixels=True).cl
    for label in ("TT", "EE", "BB"):
        one, other = undone.sel(spectrum=label), sharp.sel(spectrum=label)
        assert float(np.abs(one - other).max()) < 0.05 * float(other.max())
    assert float(cmb.power_spectra(smooth, lmax=64, decouple=True).cl[0, -1] / sharp[0, -1]) < 0.8


def test_i_and_p_may_have_masks_and_maps_of_their_own(w_band):
    both = {"I": cmb.galactic_mask(32, latitude=10), "P": cmb.galactic_mask(32, latitude=30)}
    options = {"lmax": 32, "decouple": True}
    made = check(cmb.power_spectra(w_band, mask=both, **options)).cl
    i, p = (
        cmb.power_spectra(w_band, mask=both["I"], **options).cl,
        cmb.power_spectra(w_band, mask=both["P"], **options).cl,
    )
    np.testing.assert_allclose(made.sel(spectrum="TT"), i.sel(spectrum="TT"), rtol=1e-12)
    np.testing.assert_allclose(made.sel(spectrum="EB"), p.sel(spectrum="EB"), rtol=1e-9)
    apart = cmb.power_spectra(
        w_band.sel(stokes=["I"]), w_band.sel(stokes=["Q", "U"]), mask=both, other_mask=both, **options
    )
    assert apart.spectrum.values.tolist() == ["TE", "TB"]
    np.testing.assert_allclose(apart.cl, made.sel(spectrum=["TE", "TB"]), rtol=1e-9)


def test_the_iau_convention_flips_corrected_eb_and_tb_only(w_band):
    mask = cmb.galactic_mask(32, latitude=15)
    cosmo, iau = (
        cmb.power_spectra(s, mask=mask, lmax=40, decouple=True).cl for s in (w_band, cmb.to_polconv(w_band, "IAU"))
    )
    signs = xr.DataArray([1, 1, 1, 1, -1, -1], dims="spectrum", coords={"spectrum": cosmo.spectrum})
    assert bool((np.abs(iau - cosmo * signs).max("bin") < 1e-12 * np.abs(cosmo).max("bin")).all())


def test_d_ell_bandpowers_of_a_spectrum_flat_in_d_ell_are_that(make):
    ell = np.arange(33.0)
    cl = np.where(ell > 1, 2 * np.pi / np.maximum(ell * (ell + 1), 1), 0)
    theory = xr.DataArray(
        cl[None], dims=("spectrum", "ell"), coords={"spectrum": ["TT"], "ell": ell.astype(int)},
        attrs={"units": "uK2", "long_name": "C_ℓ"},
    )  # fmt: skip
    windows = cmb.bandpower_windows(
        cmb.coupling_matrix(cmb.galactic_mask(16), lmax=32), edges=[2, 10, 20, 33], form="dl"
    )
    np.testing.assert_allclose(cmb.expected_bandpowers(theory, windows).dl.sel(spectrum="TT"), 1, rtol=1e-10)


@pytest.mark.slow
def test_noise_is_taken_off_as_pseudo_spectra_or_as_spectra_of_the_sky(make):
    rng = np.random.default_rng(3)
    mask = cmb.apodized_mask(cmb.galactic_mask(32, latitude=20), scale="10 deg")
    noise = make.sky(rng.normal(size=(3, 12288)))
    variance = noise.assign(sky=(xr.ones_like(noise.sky)).assign_attrs(noise.sky.attrs | {"units": "mK2"}))
    pseudo = check(cmb.noise_spectra(variance, mask=mask, lmax=80))
    options = {"mask": mask, "lmax": 80, "decouple": True, "edges": [2, 33, 60, 81]}  # the last bin shields the others
    level = 4 * np.pi / 12288
    more = [cmb.power_spectra(make.sky(rng.normal(size=(3, 12288))), **options).cl for _ in range(12)]
    mean = sum(more).sel(spectrum=["TT", "EE", "BB"]) / 12
    np.testing.assert_allclose(mean.isel(bin=slice(0, 2)), level, rtol=0.04)
    found = cmb.power_spectra(noise, **options).cl
    left = cmb.power_spectra(noise, noise=pseudo, **options).cl
    taken = level * xr.DataArray([1, 1, 1, 0, 0, 0], dims="spectrum", coords={"spectrum": found.spectrum})
    assert float(np.abs(found - left - taken).isel(bin=slice(0, 2)).max()) < 0.01 * level
    white = pseudo.assign(cl=(pseudo.cl * 0 + level).assign_attrs(units="mK2", long_name="C_ℓ of noise"))
    other = cmb.power_spectra(noise, noise=white, **options).cl
    assert float(np.abs(other - left).isel(bin=slice(0, 2)).max()) < 0.01 * level


# ------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"width": 8}, "need decouple=True"),
        ({"beam": 1.0, "pixels": True}, "beam, pixels need decouple=True"),
        ({"decouple": True, "width": 0}, "width=0"),
        ({"decouple": True, "width": 100}, "no whole bin"),
        ({"decouple": True, "width": 4, "edges": [2, 8]}, "one of them"),
        ({"decouple": True, "edges": [1, 8]}, "edges"),
        ({"decouple": True, "edges": [2, 8, 8]}, "edges"),
        ({"decouple": True, "weighting": "mode"}, "'modes' or 'equal'"),
        ({"decouple": True, "form": "dL"}, "'cl' or 'dl'"),
        ({"decouple": True, "beam": -1}, "negative"),
        ({"decouple": True, "mask_lmax": 12}, "mask_lmax=12"),
        ({"purify": "X"}, "'B'"),
        ({"other_mask": cmb.galactic_mask(32)}, "second map"),
        ({"mask": {"T": cmb.galactic_mask(32)}}, "masks of I and P"),
        ({"mask": {"I": cmb.galactic_mask(32)}}, "none for 'P'"),
        ({"decouple": True, "lmax": 96}, "lmax=96"),
    ],
)
def test_options_that_make_no_sense_are_refused(w_band, options, words):
    with pytest.raises(BadOption, match=words):
        cmb.power_spectra(w_band, **{"lmax": 32, **options})


def test_bins_too_narrow_for_the_mask_are_refused(w_band):
    patch = cmb.galactic_mask(32, latitude=85)
    with pytest.raises(BadOption, match=r"too narrow.*larger width="):
        cmb.power_spectra(w_band, mask=patch, lmax=64, decouple=True, width=1)


def test_noise_that_does_not_fit_is_refused(w_band):
    noise = cmb.power_spectra(w_band, lmax=16)
    with pytest.raises(WrongData, match=r"16.*every one from 2 to 32"):
        cmb.power_spectra(w_band, lmax=32, decouple=True, noise=noise)
    with pytest.raises(WrongData, match="not D_ℓ"):
        cmb.power_spectra(w_band, lmax=16, decouple=True, noise=cmb.d_ell(noise).rename(dl="cl"))


def test_masks_that_differ_are_refused():
    with pytest.raises(WrongData, match="nside 16 and 8"):
        cmb.coupling_matrix(cmb.galactic_mask(16), cmb.galactic_mask(8))
    with pytest.raises(WrongFrame, match="icrs"):
        cmb.coupling_matrix(cmb.galactic_mask(8), cmb.galactic_mask(8).assign_attrs(frame="icrs"))
    with pytest.raises(WrongData, match="no cell"):
        cmb.coupling_matrix(cmb.galactic_mask(8) & False)


@pytest.mark.parametrize(
    ("options", "words"), [({"kind": "C3"}, "C1, C2"), ({"scale": 0}, "above 0"), ({"scale": -1}, "above 0")]
)
def test_apodization_that_makes_no_sense_is_refused(options, words):
    with pytest.raises(BadOption, match=words):
        cmb.apodized_mask(cmb.galactic_mask(8), **{"scale": 5, **options})


@pytest.mark.parametrize("kind", ["C1", "C2", "Smooth"])
def test_apodized_weights_lie_between_0_and_the_mask(kind):
    mask = cmb.galactic_mask(32, latitude=20)
    soft = cmb.apodized_mask(mask, scale="6 deg", kind=kind)
    assert bool((soft >= 0).all()) and bool((soft <= mask).all()) and float(soft.max()) > 0.95
    assert kind in soft.attrs["long_name"]


def test_nothing_left_of_a_mask_is_said():
    with pytest.raises(WrongData, match="nothing of the mask is left"):
        cmb.apodized_mask(cmb.galactic_mask(8, latitude=80), scale="40 deg", kind="Smooth")


def test_windows_need_what_makes_them():
    with pytest.raises(WrongData, match="coupling_matrix"):
        cmb.bandpower_windows(cmb.galactic_mask(8))
    with pytest.raises(WrongData, match="bandpower_windows"):
        cmb.expected_bandpowers(cmb.fetch("planck2018_lcdm"), xr.Dataset())


def test_expected_bandpowers_keep_the_convention_of_their_theory():
    windows = cmb.bandpower_windows(cmb.coupling_matrix(cmb.galactic_mask(8, latitude=10), lmax=16), width=5)
    turned = cmb.rotated_spectra(cmb.fetch("planck2018_lcdm"), "1 deg", polconv="IAU")
    made = cmb.expected_bandpowers(turned, windows)
    assert made.attrs["polconv"] == made.cl.attrs["polconv"] == "IAU"


def table(t, p, lmax=16):
    """Return a beam that lowers T and polarization unlike, falling with ℓ."""
    ell = np.arange(lmax + 1)
    values = np.stack([t * np.exp(-ell / 40), p * np.exp(-ell / 25), p * np.exp(-ell / 25)])
    return xr.DataArray(values, dims=("field", "ell"), coords={"field": list("TEB"), "ell": ell}, attrs={"units": "1"})


@pytest.mark.slow
def test_beams_of_t_and_of_polarization_are_told_apart():
    theory = cmb.fetch("planck2018_lcdm")
    alm = cmb.random_coefficients(theory, lmax=16, seed=2)
    plain = cmb.synthesized(alm, nside=16)
    one, two = table(1.0, 0.8), table(0.9, 0.5)
    first, second = (cmb.synthesized(alm, nside=16, beam=beam, pixels=True) for beam in (one, two))
    options = {"lmax": 16, "width": 1, "decouple": True}
    wanted = cmb.power_spectra(plain, **options).cl
    beams = {"beam": one, "other_beam": two, "pixels": True}
    whole = cmb.power_spectra(first, second, **options, **beams).cl
    scale = np.abs(wanted).max("bin")
    assert float((np.abs(whole - wanted) / scale).sel(spectrum=["TT", "EE", "TE"]).max()) < 1e-3
    apart = cmb.power_spectra(first.sel(stokes=["I"]), second.sel(stokes=["Q", "U"]), **options, **beams).cl
    assert float((np.abs(apart - wanted) / scale).sel(spectrum="TE").max()) < 1e-3


def test_noise_of_polarization_is_the_mean_of_q_and_u_with_the_square_of_the_weights(make):
    mask = cmb.galactic_mask(4, latitude=20) * 0.5
    levels = np.array([1.0, 2.0, 6.0])[:, None] * np.ones(192)
    drawn = make.sky(levels).sky.assign_attrs(units="uK2", frame="galactic", polconv="COSMO")
    found = cmb.noise_spectra(drawn, mask=mask.assign_attrs(frame="galactic"), lmax=8).cl
    share = np.pi / 48 * 0.25 * float(cmb.galactic_mask(4, latitude=20).mean())
    np.testing.assert_allclose(found.sel(ell=5), np.array([1.0, 4.0, 4.0]) * share)
