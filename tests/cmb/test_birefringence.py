"""Angles from EB: injected ones come back, with the right sign in both conventions."""

import numpy as np
import pytest
import xarray as xr

from analysis import cmb
from analysis.cmb.theory import assembled
from analysis.errors import BadOption, MissingUnits, UnknownVariable, WrongData, WrongFrame
from analysis.model import check

LMAX = 300
NAMES = ["low", "middle", "high"]
ALPHA = np.array([0.2, -0.3, 0.5])
BETA = 0.35


def theory():
    """E modes as bright as the CMB's, falling as ℓ⁻², and white B modes of lensing."""
    ell = np.arange(LMAX + 1.0)
    lensed = np.zeros((4, LMAX + 1))
    lensed[1, 2:] = 1.0 * (2 + np.cos(ell[2:] / 20)) / ell[2:] ** 2
    lensed[2, 2:] = (5 * np.pi / 10800) ** 2
    return assembled(lensed, None, 0 * lensed, r=0, a_lens=1, lmax=LMAX)


def turn(angles):
    c, s = np.diag(np.cos(2 * np.radians(angles))), np.diag(np.sin(2 * np.radians(angles)))
    return np.block([[c, -s], [s, c]])


def expected(ell, alpha=ALPHA, beta=BETA, dust=(0.1, 0.5, 5.0), noise=(5.0, 5.0, 20.0)):
    """Matrices of E and B of three channels in a sky turned by β, seen by channels turned by α."""
    number = len(alpha)
    model = theory().lensed.sel(ell=ell)
    one = np.ones((number, number))
    sky = np.zeros((ell.size, 2 * number, 2 * number))
    sky[:, :number, :number] = model.sel(spectrum="EE").values[:, None, None] * one
    sky[:, number:, number:] = model.sel(spectrum="BB").values[:, None, None] * one
    sky = turn(np.full(number, beta)) @ sky @ turn(np.full(number, beta)).T
    galaxy = np.outer(dust, dust)[:number, :number] * (80.0 / ell[:, None, None]) ** 2.4 * 1e-3
    sky[:, :number, :number] += galaxy
    sky[:, number:, number:] += galaxy / 2
    sky = turn(alpha) @ sky @ turn(alpha).T
    return sky + np.diag(np.tile((np.array(noise)[:number] * np.pi / 10800) ** 2, 2))


def labelled_spectra(matrices, polconv="COSMO"):
    """Of matrices (…, ell, 2n, 2n)."""
    number = matrices.shape[-1] // 2
    blocks = [matrices[..., :number, :number], matrices[..., number:, number:], matrices[..., :number, number:]]
    values = np.moveaxis(np.stack(blocks, axis=-1), -4, -1)
    names = NAMES[:number]
    coords = {"channel": names, "channel_2": names, "spectrum": ["EE", "BB", "EB"], "ell": np.arange(2, LMAX + 1)}
    dims = ("channel", "channel_2", "spectrum", "ell")
    attrs = {"units": "uK2", "long_name": "C_ℓ", "polconv": polconv}
    return xr.DataArray(values, dims=("realization", *dims)[-values.ndim :], coords=coords, attrs=attrs)


def simulated(realizations, *, seed=0, **options):
    rng = np.random.default_rng(seed)
    ell = np.arange(2, LMAX + 1)
    matrices = expected(ell, **options)
    found = np.empty((realizations, *matrices.shape))
    for i, multipole in enumerate(ell):
        root = np.linalg.cholesky(matrices[i])
        draws = root @ rng.normal(size=(realizations, len(root), 2 * multipole + 1))
        found[:, i] = draws @ draws.transpose(0, 2, 1) / (2 * multipole + 1)
    return labelled_spectra(found)


# -------------------------------------------------------------------------------------------------- recovery


def test_without_scatter_all_angles_come_back_exactly_though_large():
    alpha, beta = np.array([3.0, -4.0, 5.0]), 6.0
    spectra = labelled_spectra(expected(np.arange(2, LMAX + 1), alpha=alpha, beta=beta))
    found = cmb.polarization_angles(spectra, theory())
    np.testing.assert_allclose(found.alpha, alpha, atol=1e-8)
    assert float(found.beta) == pytest.approx(beta, abs=1e-8)
    check(found)


@pytest.mark.slow
def test_injected_angles_come_back_unbiased_with_the_error_stated():
    found = cmb.polarization_angles(simulated(200, seed=4), theory())
    for name, truth in (("alpha", ALPHA), ("beta", BETA)):
        scatter = found[name].std("realization")
        assert (abs(found[name].mean("realization") - truth) < 3 * scatter / np.sqrt(200)).all(), name
        ratio = found[f"{name}_error"].mean("realization") / scatter
        assert (abs(ratio - 1) < 0.15).all(), name
    check(found)


@pytest.mark.slow
def test_one_angle_is_found_where_calibration_is_known_and_the_other_where_there_is_no_birefringence():
    sky = {"dust": (0.0, 0.0, 0.0), "noise": (5.0, 5.0, 5.0)}
    turned = simulated(100, seed=5, alpha=np.zeros(3), **sky)
    beta = cmb.polarization_angles(turned, theory(), miscalibration=False).beta
    assert abs(float(beta.mean()) - BETA) < 3 * float(beta.std()) / 10
    alone = simulated(100, seed=6, alpha=np.array([0.4]), beta=0.0, **sky)
    alpha = cmb.polarization_angles(alone).alpha
    assert abs(float(alpha.mean()) - 0.4) < 3 * float(alpha.std()) / 10


@pytest.mark.slow
def test_a_bright_foreground_does_not_keep_the_angles_from_settling():
    """Rounding there is larger than a step in radians worth waiting for."""
    found = cmb.polarization_angles(simulated(10, seed=7, dust=(7.0, 21.0, 70.0), noise=(10.0, 8.0, 20.0)), theory())
    assert (abs(found.beta - BETA) < 5 * found.beta_error).all()


@pytest.mark.slow
def test_a_mask_of_weights_lowers_the_spectra_by_their_mean_square():
    model = theory()
    turned = cmb.rotated_spectra(model, 2.0)
    mask = cmb.apodized_mask(cmb.galactic_mask(32, latitude=15), scale="30 deg")
    found = []
    for seed in range(6):
        sky = cmb.synthesized(cmb.random_coefficients(turned, lmax=95, seed=seed), nside=32)
        spectra = cmb.channel_spectra([sky], mask=mask, lmax=64)
        found.append(float(cmb.polarization_angles(spectra, model, miscalibration=False, lmin=10, width=9).beta))
    weights = mask.values
    assert spectra.attrs["mean_square_weight"] == pytest.approx((weights**2).mean())
    assert spectra.attrs["modes_fraction"] == pytest.approx((weights**2).mean() ** 2 / (weights**4).mean())
    assert np.mean(found) == pytest.approx(2.0, rel=0.05)  # 12 % low if divided by the mean weight


def test_the_same_sky_in_the_other_convention_gives_the_other_sign():
    cosmo = labelled_spectra(expected(np.arange(2, LMAX + 1)))
    sign = xr.where(cosmo.spectrum == "EB", -1, 1)
    iau = (cosmo * sign).transpose(*cosmo.dims).assign_attrs({**cosmo.attrs, "polconv": "IAU"})
    found = {name: cmb.polarization_angles(cl, theory()) for name, cl in (("COSMO", cosmo), ("IAU", iau))}
    assert float(found["COSMO"].beta) == pytest.approx(BETA) and float(found["IAU"].beta) == pytest.approx(-BETA)
    assert {name: data.attrs["polconv"] for name, data in found.items()} == {"COSMO": "COSMO", "IAU": "IAU"}


@pytest.mark.slow
@pytest.mark.parametrize("polconv", ["COSMO", "IAU"])
def test_an_angle_turned_into_maps_comes_back_in_their_convention(make, polconv):
    skies = []
    e = make.alm(48, seed=8)[0]
    for angle in (2.0, -3.0):
        sky = cmb.to_polconv(make.from_alm(32, 48, e=e), polconv)
        q, u = sky.sky.sel(stokes="Q").values, sky.sky.sel(stokes="U").values
        c, s = np.cos(2 * np.radians(angle)), np.sin(2 * np.radians(angle))
        values = sky.sky.values.copy()
        values[1], values[2] = q * c - u * s, q * s + u * c
        noise = 1e-3 * np.random.default_rng(int(angle + 9)).normal(size=values.shape)
        skies.append(sky.assign(sky=sky.sky.copy(data=values + noise)))
    spectra = cmb.channel_spectra(skies, channels=["a", "b"], lmax=48)
    check(spectra)
    found = cmb.polarization_angles(spectra, lmin=2, width=6)
    np.testing.assert_allclose(found.alpha, [2.0, -3.0], atol=0.02)
    assert found.attrs["polconv"] == polconv


@pytest.mark.slow
def test_channel_spectra_of_one_pair_are_those_of_power_spectra(v_band, w_band, wmap_mask):
    mask = cmb.combined_mask(wmap_mask, cmb.galactic_mask(32, latitude=15))
    pairs = cmb.channel_spectra([v_band, w_band], channels=["V", "W"], mask=mask, lmax=32).cl
    cross = cmb.power_spectra(v_band, w_band, mask=mask, lmax=32).cl
    one, two = (pairs.sel(channel=a, channel_2=b) for a, b in (("V", "W"), ("W", "V")))
    for label in ("EE", "BB", "EB"):
        np.testing.assert_allclose((one + two).sel(spectrum=label) / 2, cross.sel(spectrum=label), atol=1e-15)


def test_a_beam_not_taken_out_is_allowed_for():
    ell = np.arange(2, LMAX + 1)
    matrices = expected(ell)
    sigma = np.radians(1.0) / np.sqrt(8 * np.log(2))
    window = np.exp(-(ell * (ell + 1) - 4) * sigma**2)
    spectra = labelled_spectra(matrices * window[:, None, None])
    beam = xr.DataArray(60.0, attrs={"units": "arcmin"})
    found = cmb.polarization_angles(spectra, theory(), beam=beam, lmax=200)
    assert float(found.beta) == pytest.approx(BETA, abs=1e-6)


# ------------------------------------------------------------------------------------------------- refusals


def test_what_cannot_be_told_is_refused():
    spectra = labelled_spectra(expected(np.arange(2, LMAX + 1)))
    with pytest.raises(BadOption, match="nothing is left"):
        cmb.polarization_angles(spectra, miscalibration=False)
    with pytest.raises(WrongFrame, match="polconv"):
        cmb.polarization_angles(spectra.assign_attrs(polconv=""), theory())
    with pytest.raises(MissingUnits):
        cmb.polarization_angles(spectra.drop_attrs().assign_attrs(polconv="IAU"), theory())
    with pytest.raises(WrongData, match="lack EB"):
        cmb.polarization_angles(spectra.sel(spectrum=["EE", "BB"]), theory())
    with pytest.raises(WrongData, match="C_ℓ"):
        cmb.polarization_angles(spectra.assign_attrs(long_name="D_ℓ"), theory())
    with pytest.raises(WrongData, match="not finite"):
        cmb.polarization_angles(spectra * np.nan + np.nan * spectra.assign_attrs(spectra.attrs), theory())
    with pytest.raises(BadOption, match="lmax=400"):
        cmb.polarization_angles(spectra, theory(), lmax=400)
    with pytest.raises(BadOption, match="sky_fraction"):
        cmb.polarization_angles(spectra, theory(), sky_fraction=2.0)
    with pytest.raises(WrongData, match="theory"):
        cmb.polarization_angles(spectra, xr.Dataset())
    with pytest.raises(WrongData, match="same channels"):
        cmb.polarization_angles(spectra.isel(channel=[1, 0, 2]), theory())


def test_without_a_foreground_the_two_angles_cannot_be_told_apart():
    alone = labelled_spectra(expected(np.arange(2, LMAX + 1), dust=(0.0, 0.0, 0.0), noise=(0.01, 0.01, 0.01)))
    exact = theory()
    try:
        found = cmb.polarization_angles(alone, exact)
    except WrongData as refusal:
        assert "apart" in str(refusal)
    else:
        assert float(found.beta_error) > 1


def test_maps_that_are_no_channels_are_refused(w_band):
    with pytest.raises(WrongData, match="list of maps"):
        cmb.channel_spectra(w_band)
    with pytest.raises(BadOption, match="different names"):
        cmb.channel_spectra([w_band, w_band], channels=["W", "W"])
    with pytest.raises(WrongFrame, match="polconv"):
        cmb.channel_spectra([w_band, cmb.to_polconv(w_band, "IAU")])


# ------------------------------------------------------------------------------------- covariance, views, low noise


def test_the_covariance_of_the_angles_holds_their_errors_and_alpha_plus_beta_is_known_best():
    found = cmb.polarization_angles(labelled_spectra(expected(np.arange(2, LMAX + 1))), theory())
    check(found)
    assert found.angle.values.tolist() == ["alpha low", "alpha middle", "alpha high", "beta"]
    np.testing.assert_allclose(np.sqrt(np.diag(found.covariance))[:3], found.alpha_error)
    assert float(found.covariance.sel(angle="beta", angle_2="beta")) == pytest.approx(float(found.beta_error) ** 2)
    both = found.covariance.sel(angle=["alpha low", "beta"], angle_2=["alpha low", "beta"])
    assert float(both.sum()) ** 0.5 < 0.3 * float(found.beta_error)
    alone = cmb.polarization_angles(labelled_spectra(expected(np.arange(2, LMAX + 1))))
    assert alone.angle.values.tolist() == ["alpha low", "alpha middle", "alpha high"]


@pytest.mark.slow
def test_the_angles_settle_where_noise_is_far_below_the_galaxy():
    quiet = simulated(2, seed=3, dust=(0.5, 2.0, 20.0), noise=(0.5, 0.5, 0.5))
    found = cmb.polarization_angles(quiet, theory(), lmin=30)
    assert (abs(found.beta - BETA) < 4 * found.beta_error).all()


def test_contours_have_angles_in_degrees_on_their_axes_and_the_convention():
    import holoviews as hv

    found = cmb.polarization_angles(labelled_spectra(expected(np.arange(2, LMAX + 1))), theory())
    picture = cmb.angle_contours({"one": found, "two": found}, "middle", truth=(-0.3, BETA))
    curves = picture.traverse(lambda e: e, [hv.Curve])
    assert {str(c.kdims[0].unit) for c in curves} == {"deg"} == {str(c.vdims[0].unit) for c in curves}
    assert all("COSMO" in c.kdims[0].label for c in curves)
    widest = max((c for c in curves if c.label == "one, 68 %"), key=len)
    half = np.ptp(widest.dimension_values(1)) / 2
    assert half == pytest.approx(np.sqrt(2.2957) * float(found.beta_error), rel=1e-3)


def test_contours_of_what_was_not_fitted_or_of_two_conventions_are_refused():
    spectra = labelled_spectra(expected(np.arange(2, LMAX + 1)))
    found = cmb.polarization_angles(spectra, theory())
    with pytest.raises(UnknownVariable, match="low, middle, high"):
        cmb.angle_contours(found, "lowest")
    with pytest.raises(WrongData, match="beta"):
        cmb.angle_contours(cmb.polarization_angles(spectra), "low")
    with pytest.raises(WrongFrame, match="COSMO and IAU"):
        cmb.angle_contours({"a": found, "b": found.assign_attrs(polconv="IAU")}, "low")
    with pytest.raises(BadOption, match="pair"):
        cmb.angle_contours(found, "low", truth=(1.0,))
