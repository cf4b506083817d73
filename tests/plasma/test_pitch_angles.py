"""Means over pitch angle: isotropy, beams, and the omnidirectional flux in the file itself."""

import astropy.units as u
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from analysis import plasma
from analysis.errors import BadOption, BadTime, MissingUnits, OutsideCoverage, UnknownUnits, WrongData, WrongUnits
from analysis.model import check
from analysis.plasma.pitch_angles import at_energy

HOPE_ANGLES = [4.5, 18.0, 36.0, 54.0, 72.0, 90.0, 108.0, 126.0, 144.0, 162.0, 175.5]
UNITS = "s-1 cm-2 sr-1 keV-1"
grids = st.one_of(
    st.just(HOPE_ANGLES),
    st.lists(st.integers(0, 1800), min_size=2, max_size=30, unique=True).map(lambda v: [x / 10 for x in sorted(v)]),
)


def flux(values, angles=HOPE_ANGLES):
    axis = {"pitch_angle": ("pitch_angle", angles, {"units": "deg", "long_name": "Pitch angle"})}
    return xr.DataArray(np.asarray(values, float), axis, ["pitch_angle"], "flux", {"units": UNITS, "long_name": "Flux"})


def flux_of_energy():
    """Two hours of three records, energies 10, 100 and 1000 eV; the value is 10 * record + bin."""
    times = np.arange("2012-12-01T00", "2012-12-01T03", dtype="datetime64[h]").astype("datetime64[ns]")
    axes = {
        "time": ("time", times, {"long_name": "Time"}),
        "energy": ("energy", [10.0, 100.0, 1000.0], {"units": "eV", "long_name": "Energy"}),
        "pitch_angle": ("pitch_angle", HOPE_ANGLES, {"units": "deg", "long_name": "Pitch angle"}),
    }
    values = (10.0 * np.arange(3)[:, None] + np.arange(3))[:, :, None] * np.ones(11)
    return xr.DataArray(values, axes, list(axes), "flux", {"units": UNITS, "long_name": "Flux"})


@given(level=st.floats(1e-3, 1e9), angles=grids)
@pytest.mark.slow
def test_an_isotropic_flux_is_its_own_mean_and_has_no_anisotropy(level, angles):
    same = flux(np.full(len(angles), level), angles)
    assert plasma.omnidirectional(same).item() == pytest.approx(level)
    assert plasma.anisotropy(same).item() == pytest.approx(0.0, abs=1e-9)


@given(level=st.floats(0.1, 1e6), missing=st.sets(st.integers(0, 10), max_size=6))
@pytest.mark.slow
def test_an_isotropic_flux_keeps_its_mean_when_bins_are_missing(level, missing):
    values = np.full(11, level)
    values[list(missing)] = np.nan
    assert plasma.omnidirectional(flux(values), coverage=0.01).item() == pytest.approx(level)
    assert plasma.anisotropy(flux(values), coverage=0.01).item() == pytest.approx(0.0, abs=1e-9)


def test_a_flux_of_sine_to_the_n_has_the_anisotropy_n_over_2():
    # For j = sin^n(alpha) the ratio of moments is B((n+4)/2, 1/2) / (2 B((n+2)/2, 3/2)) = 1 + n/2
    angles = np.arange(0.5, 180)
    for n in (0, 1, 2, 4):
        found = plasma.anisotropy(flux(np.sin(np.radians(angles)) ** n, angles.tolist())).item()
        assert found == pytest.approx(n / 2, abs=2e-3)


def test_the_mean_of_sine_squared_is_two_thirds():
    angles = np.arange(0.5, 180)
    assert plasma.omnidirectional(flux(np.sin(np.radians(angles)) ** 2, angles.tolist())).item() == pytest.approx(
        2 / 3, rel=1e-4
    )


def test_a_beam_along_the_field_has_an_anisotropy_near_minus_one():
    assert plasma.anisotropy(flux([1.0] + [0.0] * 10)).item() < -0.98


def test_a_flux_that_is_nowhere_has_no_anisotropy():
    assert np.isnan(plasma.anisotropy(flux(np.zeros(11))).item())


def test_one_missing_bin_makes_the_mean_missing_unless_less_coverage_will_do():
    values = np.ones(11)
    values[[0, 10]] = np.nan  # 9 degrees around the field: 1.2 % of the sphere
    assert np.isnan(plasma.omnidirectional(flux(values)).item())
    assert np.isnan(plasma.omnidirectional(flux(values), coverage=0.99).item())
    assert plasma.omnidirectional(flux(values), coverage=0.98).item() == 1.0


def test_means_do_not_depend_on_the_unit_of_the_angle():
    values = np.linspace(1, 2, 11)
    in_degrees = flux(values)
    in_radians = in_degrees.assign_coords(pitch_angle=("pitch_angle", np.radians(HOPE_ANGLES), {"units": "rad"}))
    assert plasma.anisotropy(in_radians).item() == pytest.approx(plasma.anisotropy(in_degrees).item())


def test_lazy_fluxes_give_the_same_means():
    eager = flux_of_energy()
    for function in (plasma.omnidirectional, plasma.anisotropy):
        lazy = function(eager.chunk(time=1))
        assert lazy.chunks is not None
        xr.testing.assert_identical(lazy.compute(), function(eager))


def test_a_distribution_is_the_mean_over_the_interval_in_the_nearest_bin():
    found = plasma.pitch_angle_distribution(flux_of_energy(), energy=90.0, stop="2012-12-01T02:00")
    assert found.values.tolist() == [6.0] * 11  # records 0 and 1 of bin 1: the interval is half open
    assert found.energy.item() == 100.0


def test_bins_that_change_with_time_are_found_at_each_time():
    steps = flux_of_energy()
    moving = xr.Variable(("time", "energy"), [[10.0, 100.0, 1000.0]] * 2 + [[100.0, 1000.0, 1e4]], {"units": "eV"})
    steps = steps.drop_vars("energy").assign_coords(energy=moving)
    assert plasma.pitch_angle_distribution(steps, energy=100.0).values[0] == pytest.approx((1 + 11 + 20) / 3)


def test_results_keep_the_data_contract():
    for result in (
        plasma.omnidirectional(flux_of_energy()),
        plasma.anisotropy(flux_of_energy()),
        plasma.pitch_angle_distribution(flux_of_energy(), energy=100.0),
    ):
        check(result)
    assert plasma.omnidirectional(flux_of_energy()).attrs["units"] == UNITS
    assert plasma.anisotropy(flux_of_energy()).attrs["units"] == "1"


@pytest.mark.parametrize(
    ("call", "error", "named"),
    [
        (lambda: plasma.omnidirectional(flux_of_energy().isel(pitch_angle=0)), WrongData, "no pitch angle"),
        (lambda: plasma.omnidirectional(flux(np.ones(2), [90.0, 30.0])), WrongData, "increase"),
        (lambda: plasma.omnidirectional(flux(np.ones(2), [90.0, 200.0])), WrongData, "180"),
        (lambda: plasma.omnidirectional(flux(np.ones(11)), coverage=0), BadOption, "coverage=0"),
        (lambda: plasma.omnidirectional(flux(np.ones(11)).drop_attrs()), MissingUnits, "flux"),
        (
            lambda: plasma.omnidirectional(
                flux(np.ones(11)).assign_coords(pitch_angle=("pitch_angle", HOPE_ANGLES, {"units": "eV"}))
            ),
            WrongUnits,
            "pitch_angle",
        ),
        (
            lambda: plasma.pitch_angle_distribution(flux_of_energy(), energy=1e6),
            OutsideCoverage,
            "10 to 1000 eV",
        ),
        (lambda: plasma.pitch_angle_distribution(flux_of_energy(), energy=-1), BadOption, "energy=-1"),
        (lambda: plasma.pitch_angle_distribution(flux(np.ones(11)), energy=1), WrongData, "axis of energy"),
        (
            lambda: plasma.pitch_angle_distribution(flux_of_energy(), energy=100, start="2013-01-01"),
            OutsideCoverage,
            "2012-12-01T02",
        ),
        (
            lambda: plasma.pitch_angle_distribution(flux_of_energy(), energy=100, start="soon"),
            BadTime,
            "soon",
        ),
    ],
)
def test_input_that_makes_no_sense_is_refused_by_name(call, error, named):
    with pytest.raises(error, match=named):
        call()


def test_an_energy_lies_in_the_bin_whose_ends_hold_it():
    ions = plasma.fetch("solo_epd_hcad")["ion"].to_dataset()
    for energy, number in ((0.052, 0), (0.066, 0), (0.0676, 1), (6.0, 11)):
        assert float(at_energy(ions.flux, energy).energy) == float(ions.energy[number])


def test_where_passbands_overlap_the_nearer_bin_is_taken():
    ions = plasma.fetch("rbsp_hope_pad")["ion"].to_dataset()
    for number in (0, 20, 71):
        energy = float(ions.energy[number]) * 1.001
        assert float(at_energy(ions.flux, energy).energy) == float(ions.energy[number])


def test_an_energy_may_bring_its_unit():
    ions = plasma.fetch("rbsp_hope_pad")["ion"].to_dataset()
    plain = plasma.pitch_angle_distribution(ions.flux, energy=5000)
    quantity = xr.DataArray(5.0, attrs={"units": "keV"})
    for energy in ("5 keV", "5000eV", "5e3 eV", 5 * u.keV, np.int64(5000), np.float32(5000), quantity):
        xr.testing.assert_identical(plasma.pitch_angle_distribution(ions.flux, energy=energy), plain)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("energy", "error"),
    [("5 nT", WrongUnits), ("five", BadOption), ("5 blorb", UnknownUnits), ([5] * u.keV, BadOption), (True, BadOption)],
)
def test_what_is_no_energy_is_refused(energy, error):
    ions = plasma.fetch("rbsp_hope_pad")["ion"].to_dataset()
    with pytest.raises(error, match=r"energy|unit"):
        plasma.pitch_angle_distribution(ions.flux, energy=energy)


@pytest.mark.slow
def test_a_flux_without_any_record_is_refused():
    for species in ("ion", "electron"):
        empty = plasma.fetch("rbsp_hope_pad")[species].to_dataset().flux.isel(time=slice(0, 0))
        with pytest.raises(OutsideCoverage, match="no record"):
            plasma.pitch_angle_distribution(empty, energy=1000)


def test_a_coverage_may_be_a_number_of_numpy_but_no_truth_value():
    ions = plasma.fetch("rbsp_hope_pad")["ion"].to_dataset()
    half = plasma.omnidirectional(ions.flux, coverage=np.float32(0.5))
    xr.testing.assert_identical(half, plasma.omnidirectional(ions.flux, coverage=0.5))
    with pytest.raises(BadOption, match="coverage=True"):
        plasma.omnidirectional(ions.flux, coverage=True)
