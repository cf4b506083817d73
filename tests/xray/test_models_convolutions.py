"""Convolutions: what they keep, and what they do at the ends of the bins."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from analysis import xray
from analysis.errors import BadOption
from analysis.xray.evaluation import Evaluator

EDGES = np.linspace(0.3, 10, 1501)
ERG = 1.602176634e-9


def flux(expression, edges=EDGES):
    made = xray.model(expression)
    return Evaluator(made, edges[:-1].copy(), edges[1:].copy()).flux(made.values)


@pytest.mark.slow
@given(z=st.floats(-0.5, 5))
def test_a_shift_is_the_component_that_has_a_redshift_of_its_own(z):
    shifted = flux(f"zashift(redshift={z!r}) * (powerlaw + gaussian(sigma=0.3))", EDGES[::50])
    assert shifted == pytest.approx(
        flux(f"zpowerlw(redshift={z!r}) + zgauss(sigma=0.3, redshift={z!r})", EDGES[::50]), rel=1e-12, abs=1e-300
    )


@pytest.mark.slow
@given(sigma=st.floats(0.02, 0.4), width=st.floats(0.02, 0.4), at=st.floats(3.5, 6.5))
def test_a_smoothed_gaussian_is_a_gaussian_of_both_variances(sigma, width, at):
    made = flux(f"gsmooth(sigma_6kev={sigma!r}) * gaussian(line_energy={at!r}, sigma={width!r})")
    exact = flux(f"gaussian(line_energy={at!r}, sigma={float(np.hypot(sigma, width))!r})")
    assert np.abs(made - exact).max() < 1e-3 * exact.max()
    assert made.sum() == pytest.approx(exact.sum(), abs=1e-8)


@pytest.mark.slow
def test_a_smoothed_power_law_keeps_its_shape_and_nothing_is_lost_at_the_ends():
    """With σ = k E the result is the power law times ∫ e^-Γ N(1; e, k e) de, at every energy, the ends included."""
    edges = np.geomspace(0.5, 12, 800)
    k, index = 0.12 / 6, 2.2
    made = flux(f"gsmooth(sigma_6kev=0.12, index=1) * powerlaw(photon_index={index})", edges)
    bell = lambda e: e**-index * np.exp(-(((1 - e) / (k * e)) ** 2) / 2) / (k * e * np.sqrt(2 * np.pi))  # noqa: E731
    exact = quad(bell, 0.8, 1.3, epsabs=0, epsrel=1e-11)[0]
    assert made == pytest.approx(exact * flux(f"powerlaw(photon_index={index})", edges), rel=2e-5, abs=0)


def test_a_line_beyond_the_end_is_seen_through_its_width():
    made = flux("gsmooth(sigma_6kev=0.5) * gaussian(line_energy=11, sigma=0.2)")
    assert made.sum() == pytest.approx(
        flux(f"gaussian(line_energy=11, sigma={float(np.hypot(0.5, 0.2))!r})").sum(), rel=2e-3
    )


def test_no_smoothing_is_no_change_and_little_smoothing_little():
    plain = flux("tbabs * powerlaw")
    assert (flux("gsmooth(sigma_6kev=0) * tbabs * powerlaw") == plain).all()
    assert flux("gsmooth(sigma_6kev=1e-5) * powerlaw") == pytest.approx(flux("powerlaw"), rel=1e-4, abs=0)


def test_bins_with_gaps_cannot_be_smoothed():
    low = np.array([1.0, 3.0])
    source = xray.model("gsmooth * powerlaw")
    with pytest.raises(BadOption, match="without gaps"):
        Evaluator(source, low, low + 1).flux(source.values)


@pytest.mark.slow
@given(lg=st.floats(-14, -9), index=st.floats(0.5, 4), norm=st.floats(1e-6, 1e3))
def test_the_flux_in_the_band_is_the_parameter_whatever_the_norm(lg, index, norm):
    edges = np.geomspace(2, 10, 1501)
    made = flux(f"cflux(e_min=2, e_max=10, lg10_flux={lg!r}) * powerlaw(photon_index={index!r}, norm={norm!r})", edges)
    assert np.log10(made @ ((edges[1:] + edges[:-1]) / 2) * ERG) == pytest.approx(lg, abs=1e-6)


def test_the_photon_flux_in_the_band_is_the_parameter_be_the_band_outside_the_bins():
    made = flux("cpflux(e_min=20, e_max=30, flux=3) * powerlaw(photon_index=1.5)")
    bare = xray.model("powerlaw(photon_index=1.5)")
    band = Evaluator(bare, np.array([20.0]), np.array([30.0])).flux(bare.values)[0]
    assert made == pytest.approx(3 / band * flux("powerlaw(photon_index=1.5)"), rel=1e-9, abs=0)


@pytest.mark.slow
def test_a_luminosity_is_the_flux_times_the_sphere_of_the_luminosity_distance():
    """D_L of z = 1 for H0 = 70, Ω_m = 0.27, Ω_Λ = 0.73 by direct integration: (1 + z) c/H0 ∫ dz / E(z)."""
    z = 1.0
    path = quad(lambda x: 1 / np.sqrt(0.27 * (1 + x) ** 3 + 0.73), 0, z)[0]
    distance = (1 + z) * 299792.458 / 70 * path * 3.0856775814913673e24
    made = flux("clumin(e_min=2, e_max=10, redshift=1, lg10_lum=44) * powerlaw(photon_index=1.7)")
    lg = float(44 - np.log10(4 * np.pi * distance**2))
    expected = flux(f"cflux(e_min=1, e_max=5, lg10_flux={lg!r}) * powerlaw(photon_index=1.7)")
    assert made == pytest.approx(expected, rel=1e-6, abs=0)
    told = xray.photon_flux("clumin(redshift=1) * powerlaw", xray.energy_bins(1, 2, 3))
    assert "H0 = 70" in told.attrs["cosmology"]


def test_absorption_left_of_a_flux_is_not_in_it():
    unabsorbed = flux("tbabs(nh=1) * cflux * powerlaw")
    assert unabsorbed == pytest.approx(flux("tbabs(nh=1)") * flux("cflux * powerlaw"), rel=1e-12, abs=0)
