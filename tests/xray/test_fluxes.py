"""Fluxes, luminosities and equivalent widths: closed forms, limits, and their errors."""

import numpy as np
import pytest

from analysis import xray
from analysis.errors import BadOption, WrongData
from analysis.model import check
from analysis.xray.models import Component, Parameter, single

KEV = 1.602176634e-9  # erg


@pytest.fixture(scope="module")
def best(ulx):
    return xray.fit(ulx, "tbabs * powerlaw", band=(0.5, 8), min_counts=30)


@pytest.fixture(scope="module")
def line():
    """A line with the shape of a box, whose width and place are exact."""

    def on(low, high):
        def box(pars):
            left, right = pars[0] - pars[1] / 2, pars[0] + pars[1] / 2
            return np.clip(np.minimum(high, right) - np.maximum(low, left), 0, None) / pars[1]

        return box

    return single(
        Component(
            "box",
            "additive",
            (
                Parameter("line_energy", 6.4, "keV", 0.1, 100.0, (1.0, 10.0)),
                Parameter("width", 0.1, "keV", 1e-3, 1.0, (0.01, 1.0)),
                Parameter("norm", 1.0, "ph cm-2 s-1", -1e3, 1e3, (1e-6, 1.0)),
            ),
            on=on,
        )
    )


@pytest.mark.parametrize("index", [0.5, 1.7, 2.5])
def test_the_flux_of_a_power_law_is_its_integral(index):
    found = xray.flux(f"powerlaw(photon_index={index}, norm=0.01)", (2, 10))
    check(found)
    energy = (10 ** (2 - index) - 2 ** (2 - index)) / (2 - index)
    photons = (10 ** (1 - index) - 2 ** (1 - index)) / (1 - index)
    assert float(found.energy_flux) == pytest.approx(0.01 * KEV * energy, rel=1e-6, abs=0)
    assert float(found.photon_flux) == pytest.approx(0.01 * photons, rel=1e-12, abs=0)


def test_bands_add_up():
    source = "tbabs(nh=0.3) * powerlaw(photon_index=1.8)"
    parts = [float(xray.flux(source, band).energy_flux) for band in ((0.5, 2), (2, 10), (0.5, 10))]
    assert parts[0] + parts[1] == pytest.approx(parts[2], rel=1e-4, abs=0)


def test_without_its_absorber_the_source_is_what_it_was():
    found = xray.flux("tbabs(nh=2) * constant(factor=3) * powerlaw(photon_index=2)", (0.5, 2), absorbed=False)
    assert found.attrs["taken_out"] == "tbabs" and found.attrs["absorbed"] == "false"
    assert float(found.energy_flux) == pytest.approx(3 * KEV * np.log(4), rel=1e-6, abs=0)


def test_a_chosen_absorber_is_taken_out():
    source = "tbabs(nh=1) * phabs(nh=2) * powerlaw"
    rest = xray.flux(source, (1, 2), absorbed=False, absorbers=["phabs"])
    assert float(rest.energy_flux) == pytest.approx(
        float(xray.flux("tbabs(nh=1) * powerlaw", (1, 2)).energy_flux), abs=0
    )
    with pytest.raises(BadOption, match="did you mean 'tbabs'"):
        xray.flux(source, (1, 2), absorbed=False, absorbers=["tbab"])
    with pytest.raises(BadOption, match="only taken out with absorbed=False"):
        xray.flux(source, (1, 2), absorbers=["tbabs"])
    with pytest.raises(BadOption, match="no factor with a parameter nh"):
        xray.flux("powerlaw", (1, 2), absorbed=False)


@pytest.mark.slow
def test_the_flux_of_a_fit_has_the_error_of_its_covariance(best):
    """The flux of a fit whose only parameter is a norm has the norm's relative error, and draws agree."""
    found = xray.flux(best, (0.5, 8), draws=4000)
    check(found)
    spread = float(found.energy_flux_upper - found.energy_flux_lower) / 2
    assert float(found.energy_flux_error) == pytest.approx(spread, rel=0.08, abs=0)
    assert found.energy_flux_draws.std() == pytest.approx(float(found.energy_flux_error), rel=0.08, abs=0)
    assert float(found.energy_flux_error) < 0.03 * float(found.energy_flux)


def test_the_flux_of_a_norm_has_its_relative_error(ulx):
    only = xray.fit(
        ulx, "tbabs(nh=0.2) * powerlaw(photon_index=2)", band=(0.5, 8), min_counts=60, frozen=["nh", "photon_index"]
    )
    found = xray.flux(only, (0.5, 8), draws=0)
    norm = only.sel(parameter="powerlaw.norm")
    assert float(found.energy_flux_error / found.energy_flux) == pytest.approx(
        float(norm.error / norm.value), rel=1e-6, abs=0
    )
    assert "energy_flux_lower" not in found


def test_draws_keep_within_bounds(ulx):
    tight = xray.fit(ulx, "tbabs * powerlaw", band=(0.5, 8), min_counts=60, bounds={"nh": (0.205, 10)})
    found = xray.flux(tight, (0.5, 2), absorbed=False, draws=300)
    assert np.isfinite(found.energy_flux_draws).all() and found.sizes["draw"] == 300


def test_a_luminosity_is_the_flux_over_the_sphere():
    found = xray.luminosity("powerlaw(photon_index=2)", (2, 10), distance="10 kpc")
    check(found)
    area = 4 * np.pi * (10 * 3.0856775814913673e21) ** 2
    assert float(found.luminosity) == pytest.approx(KEV * np.log(5) * area, rel=1e-6, abs=0)
    assert float(found.distance) == pytest.approx(0.01)


@pytest.mark.slow
def test_the_k_correction_of_a_power_law_is_its_closed_form():
    """L = 4π d² F (1+z)^(Γ-2), F in the same band as observed; d of Planck18 at z = 0.5 is 2919.6 Mpc (astropy)."""
    z, index = 0.5, 1.6
    found = xray.luminosity(f"powerlaw(photon_index={index})", (2, 10), redshift=z)
    flux = float(xray.flux(f"powerlaw(photon_index={index})", (2, 10)).energy_flux)
    area = 4 * np.pi * (float(found.distance) * 3.0856775814913673e24) ** 2
    assert float(found.distance) == pytest.approx(2919.6, abs=0.1)
    assert float(found.luminosity) == pytest.approx(area * flux * (1 + z) ** (index - 2), rel=1e-6, abs=0)


def test_absorbers_are_taken_out_of_a_luminosity_unless_asked(best):
    bare = xray.luminosity(best, (0.3, 10), distance="3.9 Mpc", draws=50)
    dimmed = xray.luminosity(best, (0.3, 10), distance="3.9 Mpc", draws=50, absorbed=True)
    assert float(dimmed.luminosity) < float(bare.luminosity)
    assert bare.luminosity_lower < bare.luminosity < bare.luminosity_upper


def test_the_equivalent_width_of_a_box_on_a_flat_continuum_is_exact(line):
    source = xray.model("powerlaw(photon_index=0, norm=2) + box(norm=0.5)", components={"box": line})
    found = xray.equivalent_width(source, "box")
    check(found)
    assert float(found.equivalent_width) == pytest.approx(0.25, rel=1e-6, abs=0)
    behind = xray.model("tbabs(nh=5) * (powerlaw(photon_index=0, norm=2) + box(norm=0.5))", components={"box": line})
    assert float(xray.equivalent_width(behind, "box").equivalent_width) == pytest.approx(0.25, rel=1e-6, abs=0)
    dark = xray.model("powerlaw(photon_index=0, norm=2) + box(norm=-0.1)", components={"box": line})
    assert float(xray.equivalent_width(dark, "box", band=(6, 7)).equivalent_width) == pytest.approx(
        -0.05, rel=1e-6, abs=0
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: xray.flux("tbabs", (1, 2)), "makes photons"),
        (lambda: xray.flux("powerlaw", (0, 2)), "above 0"),
        (lambda: xray.flux("powerlaw", (2, 1)), "low < high"),
        (lambda: xray.flux("powerlaw", None), "two energies"),
        (lambda: xray.luminosity("powerlaw", (1, 2)), "give a redshift"),
        (lambda: xray.luminosity("powerlaw", (1, 2), redshift=-1.0), "give a redshift"),
        (lambda: xray.luminosity("powerlaw", (1, 2), redshift=0.1, cosmology="Plank18"), "did you mean 'Planck18'"),
        (lambda: xray.luminosity("powerlaw", (1, 2), distance="-1 Mpc"), "above 0"),
        (lambda: xray.equivalent_width("powerlaw", "powerlaw"), "no photons to compare"),
        (lambda: xray.equivalent_width("tbabs * powerlaw", "tbabs"), "no equivalent width"),
        (lambda: xray.equivalent_width("powerlaw", "powerlow"), "did you mean"),
        (lambda: xray.equivalent_width("tbabs * cflux * (powerlaw + gaussian)", "gaussian"), "cflux scales gaussian"),
        (lambda: xray.flux("cflux * tbabs * powerlaw", (1, 2), absorbed=False), "left of cflux"),
        (lambda: xray.flux("powerlaw", (1, 2), draws=-1), "draws"),
    ],
)
def test_what_makes_no_flux_is_refused(call, match):
    with pytest.raises(BadOption, match=match):
        call()


def test_what_is_no_fit_has_no_flux(ulx):
    with pytest.raises(WrongData, match="no fit"):
        xray.flux(ulx["spectrum"].to_dataset(), (1, 2))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("around", "width"),
    [
        ("({})", 1.0),
        ("zashift(redshift=0.5) * ({})", 1 / 1.5),  # where the line is seen, not where it was emitted
        ("gsmooth(sigma_6kev=0.3) * ({})", 1.0),
        ("tbabs(nh=10) * ({})", 1.0),
    ],
)
def test_a_line_is_found_where_the_model_brings_it(around, width):
    plain = "powerlaw(photon_index=0) + gaussian(line_energy=6.4, sigma=0.05, norm=0.2)"
    found = xray.equivalent_width(around.format(plain), "gaussian")
    assert float(found.equivalent_width) == pytest.approx(0.2 * width, rel=1e-4, abs=0)


@pytest.mark.slow
@pytest.mark.parametrize("factor", ["gsmooth(sigma_6kev=0.2)", "tbabs(nh=1e-9)", "zashift"])
def test_what_changes_only_the_line_goes_with_it(factor):
    source = f"powerlaw(photon_index=0) + {factor} * gaussian(line_energy=6.4, sigma=0.05, norm=0.2)"
    assert float(xray.equivalent_width(source, "gaussian").equivalent_width) == pytest.approx(0.2, rel=1e-4, abs=0)


def test_a_line_that_alone_has_a_flux_of_its_own_has_a_width():
    source = "powerlaw(photon_index=0) + cpflux(flux=0.2, e_min=5, e_max=8) * gaussian(line_energy=6.4, sigma=0.05)"
    assert float(xray.equivalent_width(source, "gaussian").equivalent_width) == pytest.approx(0.2, rel=1e-4, abs=0)


@pytest.mark.slow
def test_the_flux_of_a_joint_fit_is_that_of_its_first_spectrum_with_its_own_errors(ulx):
    options = {"band": (1, 5), "starts": 0}
    alone = xray.flux(xray.fit(ulx, "powerlaw", **options), (1, 2))
    own = ["powerlaw.photon_index", "powerlaw.norm"]
    counts = ulx["spectrum"]["counts"]
    bright = ulx.copy()
    bright["spectrum"] = ulx["spectrum"].to_dataset().assign(counts=(counts * 3).assign_attrs(counts.attrs))
    both = xray.flux(xray.fit({"one": ulx, "two": bright}, "powerlaw", per_spectrum=own, **options), (1, 2))
    for name in ("energy_flux", "energy_flux_error"):
        assert float(both[name]) == pytest.approx(float(alone[name]), rel=1e-4, abs=0)


@pytest.mark.slow
def test_draws_of_a_flux_stay_within_the_bounds_of_the_parameters(ulx):
    made = xray.fit(ulx, "powerlaw", band=(1, 5), starts=0)
    norm = float(made.value.sel(parameter="powerlaw.norm"))
    held = xray.fit(ulx, "powerlaw", band=(1, 5), starts=0, bounds={"norm": (norm * (1 - 1e-4), 1.0)})
    found = xray.flux(held, (1, 2), draws=400)
    free = xray.flux(made, (1, 2), draws=400)
    # all draws have at least the best norm, which is strongly tied to the index and hardly to the flux at 1 keV
    assert float(found.energy_flux_lower) > float(free.energy_flux_lower)
    assert float(found.energy_flux_error) == pytest.approx(float(free.energy_flux_error), rel=1e-3, abs=0)
