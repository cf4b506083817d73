"""Coefficients, beams and pixel windows: round trips, healpy's numbers, and what is refused."""

import numpy as np
import pytest
import xarray as xr

from analysis import cmb
from analysis.cmb.harmonics import (
    alm_from_map,
    alm_to_tolerance,
    in_nested_order,
    in_ring_order,
    map_from_alm,
    multipoles,
    ring_weights_of,
)
from analysis.cmb.maps import ring_order
from analysis.errors import BadOption, WrongData, WrongFrame
from analysis.model import check

# healpy 1.20, gauss_beam(radians(1), 200, pol=True)[[2, 100, 200]], columns 0 and 1
HEALPY_BEAM = (
    [0.999835212313647, 0.7577396186911121, 0.3314864059969028],
    [0.9999450677537192, 0.757822874229871, 0.3315228275837406],
)


@pytest.fixture(scope="module")
def planck():
    return cmb.fetch("planck2018_lcdm")


@pytest.fixture(scope="module")
def alm(planck):
    return cmb.random_coefficients(planck, lmax=24, seed=1)


@pytest.mark.parametrize("spin", [0, 1, 2])
def test_a_map_gives_back_its_coefficients_at_every_spin(make, spin):
    given = make.alm(20, seed=3, components=1 if spin == 0 else 2, lowest=spin)
    ring = map_from_alm(given, nside=16, lmax=20, spin=spin)
    found = alm_from_map(ring, nside=16, lmax=20, iterations=6, spin=spin)
    np.testing.assert_allclose(found, given, atol=1e-8)
    fitted, steps, left = alm_to_tolerance(ring, nside=16, lmax=20, tolerance=1e-12, spin=spin)
    np.testing.assert_allclose(fitted, given, atol=1e-10)
    assert steps < 20 and left < 1e-10


def test_the_gradient_of_a_scalar_is_its_spin_1_field():
    ell, m = multipoles(3)
    dipole = np.where((ell == 1) & (m == 0), np.sqrt(4 * np.pi / 3), 0).astype(complex)  # z = cos θ
    field = map_from_alm(np.stack([-np.sqrt(2.0) * dipole, 0 * dipole]), nside=8, lmax=3, spin=1)
    import ducc0

    theta = ducc0.healpix.Healpix_Base(8, "RING").pix2ang(np.arange(768))[:, 0]
    np.testing.assert_allclose(field[0], np.sin(theta), atol=1e-12)  # the spin-raised cos θ is -d/dθ
    np.testing.assert_allclose(field[1], 0, atol=1e-12)


@pytest.mark.parametrize("polconv", ["COSMO", "IAU"])
def test_coefficients_come_back_from_their_map_in_both_conventions(planck, polconv):
    given = cmb.random_coefficients(planck, lmax=24, seed=4, polconv=polconv)
    sky = check(cmb.synthesized(given, nside=16))
    found = check(cmb.harmonic_coefficients(sky, lmax=24, tolerance=1e-12))
    np.testing.assert_allclose(found.coefficients, given.coefficients, atol=1e-8)
    assert found.attrs["polconv"] == polconv
    assert "steps" in found.attrs["history"]


def test_the_convention_changes_the_sign_of_b_and_u_only(alm):
    iau = alm.assign_attrs(polconv="IAU")
    iau["coefficients"] = alm.coefficients.assign_attrs(polconv="IAU") * np.array([1, 1, -1])[:, None]
    iau.coefficients.attrs = alm.coefficients.attrs | {"polconv": "IAU"}
    one, two = cmb.synthesized(alm, nside=16), cmb.synthesized(iau, nside=16)
    np.testing.assert_allclose(cmb.to_polconv(two, "COSMO").sky, one.sky, atol=1e-12)


def test_rotation_there_and_back_and_of_whole_skies(alm):
    turned = check(cmb.rotated_coefficients(alm, euler=(20, 30, 40)))
    back = cmb.rotated_coefficients(turned, euler=(-40, -30, -20))
    np.testing.assert_allclose(back.coefficients, alm.coefficients, atol=1e-11)
    assert turned.attrs["frame"] == "rotated"
    power = [np.bincount(alm.ell, np.abs(a.coefficients[0]) ** 2 * np.where(alm.m > 0, 2, 1)) for a in (alm, turned)]
    np.testing.assert_allclose(power[1], power[0], rtol=1e-10)


@pytest.mark.slow
def test_a_sky_in_another_frame_has_the_same_temperature_in_the_same_direction(alm):
    import ducc0
    from astropy.coordinates import SkyCoord

    number = 321
    base = ducc0.healpix.Healpix_Base(32, "NEST")
    theta, phi = base.pix2ang(np.array([number]))[0]
    there = SkyCoord(ra=phi, dec=np.pi / 2 - theta, unit="rad", frame="icrs").galactic
    rotated = cmb.rotated_coefficients(alm, frame="icrs")
    new = float(cmb.synthesized(rotated, nside=32).sky[0, number])
    loc = np.array([[np.pi / 2 - there.b.rad, there.l.rad]])
    given = alm.coefficients.values[:1]
    old = ducc0.sht.synthesis_general(alm=given, spin=0, lmax=24, loc=loc, epsilon=1e-10)[0, 0]
    assert new == pytest.approx(float(old), rel=1e-6)


def test_the_beam_is_that_of_healpy():
    window = cmb.beam_window("1 deg", lmax=200)
    np.testing.assert_allclose(window.sel(field="T", ell=[2, 100, 200]), HEALPY_BEAM[0], rtol=1e-12)
    np.testing.assert_allclose(window.sel(field="E", ell=[2, 100, 200]), HEALPY_BEAM[1], rtol=1e-12)


# pixel_window_n0064.fits and n0512.fits of healpy 1.15.0 at ell = 2, nside, 2 nside, 3 nside - 1
PIXELS = {
    64: ([0.99993174, 0.95359399, 0.82612643, 0.64790389], [0.99997725, 0.95363774, 0.82616533, 0.64793592]),
    512: ([0.99999927, 0.95420136, 0.8272019, 0.64654642], [0.99999964, 0.95420172, 0.82720222, 0.64654666]),
}


@pytest.mark.slow
@pytest.mark.parametrize("nside", PIXELS)
def test_pixel_windows_are_those_of_healpix(nside):
    window = cmb.pixel_window(nside)
    for field, wanted in zip("TE", PIXELS[nside], strict=True):
        found = window.sel(field=field, ell=[2, nside, 2 * nside, 3 * nside - 1])
        np.testing.assert_allclose(found, wanted, atol=2e-5)


def test_a_table_is_a_beam_too():
    gauss = cmb.beam_window("1 deg", lmax=60)
    np.testing.assert_allclose(cmb.beam_window(gauss, lmax=40), gauss.sel(ell=slice(0, 40)), rtol=1e-14)
    one = gauss.sel(field="T", drop=True)
    np.testing.assert_array_equal(cmb.beam_window(one, lmax=40).sel(field="E", ell=10), one.sel(ell=10))


def test_random_skies_have_the_spectra_asked_for(planck):
    many = cmb.random_coefficients(planck, lmax=8, seed=2, realizations=4000)
    t, e, b = (many.coefficients.sel(field=f).isel(alm=(many.ell == 5).values & (many.m > 0).values) for f in "TEB")
    wanted = planck.cl.sel(ell=5)
    for label, (x, y) in {"TT": (t, t), "EE": (e, e), "BB": (b, b), "TE": (t, e)}.items():
        found = float((x * np.conj(y)).real.mean())
        scale = float(np.sqrt(abs(wanted.sel(spectrum=label[0] * 2) * wanted.sel(spectrum=label[1] * 2))))
        assert found == pytest.approx(float(wanted.sel(spectrum=label)), abs=0.04 * scale)


@pytest.mark.parametrize(
    ("work", "error", "words"),
    [
        (lambda a: cmb.synthesized(a, nside=4), BadOption, "ell=24"),
        (lambda a: cmb.synthesized(a.sel(field=["T", "E"]), nside=16), WrongData, "Q and U need E and B"),
        (lambda a: cmb.synthesized(a.isel(alm=slice(0, 9)), nside=16), WrongData, "whole set"),
        (lambda a: cmb.synthesized(xr.Dataset(), nside=16), WrongData, "harmonic_coefficients"),
        (lambda a: cmb.rotated_coefficients(a), BadOption, "either"),
        (lambda a: cmb.rotated_coefficients(a, frame="fk5"), BadOption, "galactic, icrs"),
        (lambda a: cmb.rotated_coefficients(a.assign_attrs(frame="rotated"), frame="icrs"), WrongFrame, "rotated"),
        (lambda a: cmb.rotated_coefficients(a, euler=(1, 2)), BadOption, "three angles"),
        (lambda a: cmb.beam_window(-1, lmax=10), BadOption, "negative"),
        (lambda a: cmb.beam_window(cmb.beam_window(1, lmax=10), lmax=20), WrongData, "up to lmax=20"),
        (lambda a: cmb.pixel_window(8, lmax=40), BadOption, "4 nside"),
        (lambda a: cmb.pixel_window(7), BadOption, "power of two"),
    ],
)
def test_what_cannot_be_is_refused(alm, work, error, words):
    with pytest.raises(error, match=words):
        work(alm)


def test_spectra_that_no_fields_have_are_refused(planck):
    wrong = planck.sel(ell=slice(0, 8)).copy(deep=True)
    wrong.cl.loc[{"spectrum": "TE", "ell": 5}] = 1e6
    with pytest.raises(WrongData, match="ell=5"):
        cmb.random_coefficients(wrong, lmax=8, seed=1)
    with pytest.raises(BadOption, match="seed"):
        cmb.random_coefficients(planck, lmax=8, seed=-1)


def test_a_synthesized_map_has_the_window_of_its_pixels_if_asked():
    alms = cmb.random_coefficients(cmb.fetch("planck2018_lcdm"), lmax=16, seed=1)
    window = cmb.pixel_window(8, lmax=16)
    by_hand = window.sel(field=alms.field).values[:, alms.ell.values]
    lowered = alms.assign(coefficients=alms.coefficients.copy(data=alms.coefficients.values * by_hand))
    made, same = cmb.synthesized(alms, nside=8, pixels=True), cmb.synthesized(lowered, nside=8)
    np.testing.assert_allclose(made.sky, same.sky, atol=1e-12)
    assert float(made.sky.std()) < float(cmb.synthesized(alms, nside=8).sky.std())


@pytest.mark.slow
def test_gaussian_coefficients_have_the_same_variance_at_each_m_and_are_real_at_zero():
    theory = cmb.fetch("planck2018_lcdm")
    many = cmb.random_coefficients(theory, lmax=10, seed=2, realizations=2000).coefficients.sel(field="T")
    last = many.sel(alm=many.ell == 10)
    power = (abs(last) ** 2).mean("realization") / float(theory.cl.sel(spectrum="TT", ell=10))
    np.testing.assert_allclose(power, 1, atol=0.14)  # m = 0 scatters by sqrt(2/2000), the others by sqrt(1/2000)
    assert last.sel(alm=last.m == 0).values.imag.max() == 0


def test_ring_weights_integrate_every_zonal_harmonic():
    import ducc0

    nside = 16
    grid, weights = ducc0.healpix.Healpix_Base(nside, "RING").sht_info(), ring_weights_of(nside)
    each = np.repeat(weights, grid["nphi"].astype(int))[None]
    alm = alm_from_map(each, nside=nside, lmax=3 * nside - 1, iterations=0)[0]
    ell, m = multipoles(3 * nside - 1)
    np.testing.assert_allclose(alm[(m == 0) & (ell > 0)], 0, atol=1e-13)
    assert alm[0].real == pytest.approx(np.sqrt(4 * np.pi), abs=1e-13)
    assert 0.9 < weights.min() < weights.max() < 1.2


@pytest.mark.parametrize(("lmax", "better"), [(48, 5), (64, 0.4)])
def test_two_iterations_with_ring_weights_are_about_as_exact_as_three_without(make, lmax, better):
    for components in (1, 2):
        given = make.alm(lmax, seed=3, components=components, lowest=components)
        ring, options = map_from_alm(given, nside=32, lmax=lmax), {"nside": 32, "lmax": lmax}
        plain = alm_from_map(ring, iterations=3, **options)
        weighted = alm_from_map(ring, iterations=2, ring_weights=True, **options)
        wrong = [np.sqrt((np.abs(found - given) ** 2).sum()) for found in (plain, weighted)]
        assert wrong[1] * better < wrong[0]


def test_ring_weights_are_said_and_leave_white_noise_as_it_is(planck):
    sky = cmb.synthesized(cmb.random_coefficients(planck, lmax=32, seed=2), nside=16)
    sky = sky.assign(sky=sky.sky.copy(data=np.random.default_rng(1).normal(size=sky.sky.shape)))
    mask = cmb.apodized_mask(cmb.galactic_mask(16, latitude=20), scale="15 deg")
    for options in ({}, {"decouple": True, "width": 6}, {"purify": "B"}):
        plain = cmb.power_spectra(sky, mask=mask, **options)
        weighted = cmb.power_spectra(sky, mask=mask, **options, iterations=2, ring_weights=True)
        assert "ring_weights=True" in weighted.attrs["history"] and "ring_weights" not in plain.attrs["history"]
        one, two = (found.cl.sel(spectrum=["TT", "EE", "BB"]).values[:, 2:] for found in (plain, weighted))
        np.testing.assert_allclose(two, one, rtol=0.05)


def test_smoothing_with_ring_weights_is_that_without(planck):
    sky = cmb.synthesized(cmb.random_coefficients(planck, lmax=24, seed=2), nside=16)
    found = cmb.smoothed(sky, fwhm="20 deg", lmax=24, iterations=2, ring_weights=True)
    assert "ring_weights=True" in found.attrs["history"]
    plain = cmb.smoothed(sky, fwhm="20 deg", lmax=24)
    assert "ring_weights" not in plain.attrs["history"]
    assert float(abs(found.sky - plain.sky).max()) < 1e-6 * float(abs(plain.sky).max())


def test_cells_are_reordered_there_and_back():
    values = np.random.default_rng(1).normal(size=(3, 12 * 16**2))
    assert (in_nested_order(in_ring_order(values)) == values).all()
    assert (in_ring_order(values) == values[:, ring_order(16)]).all()
