"""Fluxes, moments, pitch-angle spectra and reduced distributions, of analytic ones on the grids of instruments."""

import numpy as np
import pytest
import xarray as xr
from scipy.special import gamma

from analysis import plasma
from analysis.errors import BadOption, MissingUnits, OutsideCoverage, WrongData, WrongFrame, WrongUnits
from analysis.model import check
from analysis.plasma.velocity_space import fejer_weights

pytestmark = pytest.mark.slow  # the examples in the docstrings stay in the quick tier

EV = 1.602176634e-19
FIELD = np.array([3.0, 4.0, -2.0])
UNIT = FIELD / np.linalg.norm(FIELD)
TIMES = np.array(["2017-07-11T22:34:00", "2017-07-11T22:34:05"], "datetime64[ns]")
DRIFT = np.array([-250.0, 80.0, 30.0])


def axes(energies=32, polar=16, azimuthal=32, low=1.0, high=30000.0):
    return {
        "energy": ("energy", np.geomspace(low, high, energies), {"units": "eV", "long_name": "Energy"}),
        "theta": ("theta", (np.arange(polar) + 0.5) * 180 / polar, {"units": "deg", "long_name": "Colatitude"}),
        "phi": ("phi", (np.arange(azimuthal) + 0.5) * 360 / azimuthal, {"units": "deg", "long_name": "Azimuth"}),
    }


def velocities(grid, mass):
    """Return the velocities of the bins, m/s, for angles that say where the particles move to."""
    theta, phi = np.radians(grid["theta"][1])[:, None], np.radians(grid["phi"][1])
    n = np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta) + 0 * phi], axis=-1)
    return np.sqrt(2 * grid["energy"][1] * EV / mass)[:, None, None, None] * n


def bimaxwellian(v, mass, density=5.0, drift=DRIFT, along=300.0, across=150.0):
    w = v - np.asarray(drift) * 1e3
    parallel = w @ UNIT
    square = (w**2).sum(-1) - parallel**2
    norm = density * 1e6 * (mass / (2 * np.pi * EV)) ** 1.5 / (along**0.5 * across)
    return norm * np.exp(-mass / (2 * EV) * (parallel**2 / along + square / across))


def kappa_distribution(v, mass, kappa=4.0, density=5.0, drift=DRIFT, temperature=200.0):
    # Livadiotis & McComas, J. Geophys. Res. 114, A11105 (2009): (1 + w^2 / (kappa - 3/2) theta^2)^-(kappa + 1)
    width = (kappa - 1.5) * 2 * temperature * EV / mass
    w2 = ((v - np.asarray(drift) * 1e3) ** 2).sum(-1)
    return (
        density
        * 1e6
        / (np.pi * width) ** 1.5
        * gamma(kappa + 1)
        / gamma(kappa - 0.5)
        * (1 + w2 / width) ** (-kappa - 1)
    )


def labelled(grid, f, **attrs):
    """Return a distribution of two equal records."""
    says = {"units": "s3 m-6", "frame": "GSE", "directions": "flow", "long_name": "Distribution", **attrs}
    time = ("time", TIMES, {"long_name": "Time"})
    return xr.DataArray(np.stack([f, f]), {"time": time, **grid}, ["time", "energy", "theta", "phi"], "f", says)


def vectors(values, units="nT", frame="GSE"):
    array = np.broadcast_to(np.asarray(values, float), (2, 3))
    coords = {"time": TIMES, "component": ["x", "y", "z"]}
    return xr.DataArray(array, coords, ["time", "component"], "b", {"units": units, "frame": frame, "long_name": "b"})


def made(particle="proton", grid=None, **options):
    grid = axes() if grid is None else grid
    mass = plasma.species(particle).mass
    return labelled(grid, bimaxwellian(velocities(grid, mass), mass, **options))


PROTONS, B = made(), vectors(FIELD)


@pytest.mark.parametrize("particle", ["proton", "electron", "O+"])
def test_moments_of_a_drifting_bimaxwellian_are_its_parameters(particle):
    # on the grid of FPI (32 energies, 16 x 32 directions); electrons and oxygen in an energy range of their own
    low, high = {"proton": (1, 30000), "electron": (1, 10000), "O+": (1, 60000)}[particle]
    drift = DRIFT / 4 if particle == "O+" else DRIFT  # oxygen as fast would be a beam narrower than the bins
    distribution = made(particle, axes(low=low, high=high), drift=drift)
    found = plasma.moments(distribution, particle=particle, b=B).isel(time=1)
    assert found.density.item() == pytest.approx(5, rel=2e-3)
    assert found.velocity.values == pytest.approx(drift, abs=0.02 * np.linalg.norm(DRIFT))
    assert found.t_parallel.item() == pytest.approx(300, rel=2e-3)
    assert found.t_perpendicular.item() == pytest.approx(150, rel=2e-3)
    assert found.temperature.item() == pytest.approx(200, rel=2e-3)
    tensor = 150 * np.eye(3) + 150 * np.outer(UNIT, UNIT)
    assert found.temperature_tensor.values == pytest.approx(tensor, abs=1)
    pressure = found.pressure_tensor.values
    assert np.trace(pressure) / 3 == pytest.approx(5e6 * 200 * EV * 1e9, rel=2e-3)
    assert found.coverage.item() == pytest.approx(1)


def test_moments_converge_fast_with_the_grid():
    def error(energies, polar):
        found = plasma.moments(made(grid=axes(energies, polar, 2 * polar, 0.05, 8000)), particle="proton", b=B)
        return max(abs(found.density[0].item() / 5 - 1), abs(found.t_parallel[0].item() / 300 - 1))

    assert error(16, 8) < 0.02
    assert error(64, 16) < 1e-5


def test_a_cold_beam_has_its_speed_density_and_no_heat_flux():
    grid = axes(96, 48, 96, 200, 3000)
    found = plasma.moments(made(grid=grid, drift=[-400, 30, 0], along=20.0, across=10.0), particle="proton", b=B)
    found = found.isel(time=0)
    assert found.density.item() == pytest.approx(5, rel=1e-4)
    assert found.velocity.values == pytest.approx([-400, 30, 0], abs=0.02)
    assert (found.t_parallel.item(), found.t_perpendicular.item()) == (
        pytest.approx(20, rel=1e-3),
        pytest.approx(10, rel=1e-3),
    )
    thermal = 5e6 * 1.67e-27 * np.sqrt(20 * EV / 1.67e-27) ** 3 * 1e3
    assert np.abs(found.heat_flux.values).max() < 1e-3 * thermal


def test_moments_of_a_kappa_distribution_are_its_parameters():
    grid = axes(96, 16, 32, 0.5, 3e6)
    mass = plasma.species("proton").mass
    found = plasma.moments(labelled(grid, kappa_distribution(velocities(grid, mass), mass)), particle="proton")
    assert found.density[0].item() == pytest.approx(5, rel=1e-3)
    assert found.temperature[0].item() == pytest.approx(200, rel=5e-3)
    assert found.velocity[0].values == pytest.approx(DRIFT, rel=1e-2)


def test_heat_flux_of_core_and_beam_is_that_of_their_sum():
    # two drifting Maxwellians: q = sum of n m w^2 w / 2 + 5/2 n T w with w each one's velocity in the common frame
    grid, mass = axes(64, 24, 48, 1, 30000), plasma.species("proton").mass
    parts = [(4.0, np.array([100.0, 0, 0]), 100.0), (1.0, np.array([500.0, 100.0, 0]), 200.0)]
    v = velocities(grid, mass)
    f = sum(bimaxwellian(v, mass, n, drift, t, t) for n, drift, t in parts)
    found = plasma.moments(labelled(grid, f), particle="proton").isel(time=0)
    mean = sum(n * drift for n, drift, _ in parts) / 5
    heat = sum(
        n * 1e6 * (mass * np.dot(d - mean, d - mean) * 1e6 / 2 + 2.5 * t * EV) * (d - mean) * 1e3 for n, d, t in parts
    )
    assert found.velocity.values == pytest.approx(mean, abs=0.5)
    assert found.heat_flux.values == pytest.approx(heat * 1e3, abs=5e-3 * np.linalg.norm(heat * 1e3))
    assert heat[0] > 0  # the beam carries it along its own way


def test_look_directions_turn_velocity_and_heat_flux_round_and_nothing_else():
    flow = plasma.moments(PROTONS, particle="proton", b=B)
    look = plasma.moments(PROTONS.assign_attrs(directions="look"), particle="proton", b=B)
    for name in flow.data_vars:
        sign = -1 if name in ("velocity", "heat_flux") else 1
        np.testing.assert_allclose(look[name].values, sign * flow[name].values, rtol=1e-9, atol=1e-9)


def test_latitude_and_colatitude_give_the_same_moments_in_any_order_of_bins():
    usual = plasma.moments(PROTONS, particle="proton", b=B)
    latitude = PROTONS.assign_coords(theta=("theta", 90 - PROTONS.theta.values, {"units": "deg"}))
    turned = latitude.isel(theta=slice(None, None, -1), energy=slice(None, None, -1), phi=slice(None, None, -1))
    shifted = PROTONS.roll(phi=7, roll_coords=True).transpose("phi", "time", "theta", "energy")
    radians = PROTONS.assign_coords(phi=("phi", np.radians(PROTONS.phi.values), {"units": "rad"}))
    for other in (latitude, turned, shifted, radians):
        found = plasma.moments(other, particle="proton", b=B)
        for name in usual.data_vars:
            np.testing.assert_allclose(found[name].values, usual[name].values, rtol=1e-7, atol=1e-9)


@pytest.mark.slow
def test_any_way_and_unit_of_saying_the_distribution_gives_the_same_moments():
    usual = plasma.moments(PROTONS, particle="proton")
    flux = plasma.differential_flux(PROTONS, particle="proton")
    energy_flux = plasma.differential_energy_flux(PROTONS, particle="proton")
    keep = {"frame": "GSE", "directions": "flow"}
    kilo = PROTONS.assign_coords(energy=("energy", PROTONS.energy.values * 1e-3, {"units": "keV"}))
    for other in (
        flux.assign_attrs(keep),
        energy_flux.assign_attrs(keep),
        (flux * 1e3).assign_attrs(units="1/(cm^2 s sr keV)", **keep),
        energy_flux.assign_attrs(units="keV/(cm^2 s sr keV)", **keep),
        (PROTONS * 1e-12).assign_attrs(units="s^3/cm^6", **keep),
        (PROTONS * 1e18).assign_attrs(units="s3 km-6", **keep),
        kilo,
        PROTONS.astype(np.float32).assign_attrs(PROTONS.attrs),
    ):
        found = plasma.moments(other, particle="proton")
        np.testing.assert_allclose(found.density, usual.density, rtol=1e-5)
        np.testing.assert_allclose(found.velocity, usual.velocity, rtol=1e-4)
        np.testing.assert_allclose(found.temperature, usual.temperature, rtol=1e-5)


def test_conversions_between_density_and_fluxes_return_to_where_they_began():
    for particle in ("electron", "proton", "alpha"):
        for there in (plasma.differential_flux, plasma.differential_energy_flux):
            back = plasma.phase_space_density(there(PROTONS, particle=particle), particle=particle)
            np.testing.assert_allclose(back.values, PROTONS.values, rtol=1e-12)
    ratio = plasma.differential_energy_flux(PROTONS, particle="proton") / plasma.differential_flux(
        PROTONS, particle="proton"
    )
    bright = ratio.isel(time=0, theta=8, phi=16, energy=slice(0, 16))
    np.testing.assert_allclose(bright, PROTONS.energy[:16], rtol=1e-9)


def test_the_flux_of_a_maxwellian_gives_its_density():
    # n = integral of j / v over energy and directions
    flux = plasma.differential_flux(made(drift=[0, 0, 0], along=100.0, across=100.0), particle="proton")
    energy = flux.energy.values
    speed = np.sqrt(2 * energy * EV / plasma.species("proton").mass) * 1e2  # cm/s
    one = flux.isel(time=0, theta=0, phi=0).values
    number = 4 * np.pi * np.sum(one / speed * energy) * np.log(energy[1] / energy[0])
    assert number == pytest.approx(5, rel=2e-3)


def test_energy_tables_and_azimuths_that_change_in_time_are_followed():
    grids = [axes(low=1), axes(low=1.2, high=33000)]
    mass = plasma.species("proton").mass
    grids[1]["phi"] = ("phi", (grids[1]["phi"][1] + 7.0) % 360, {"units": "deg"})
    f = np.stack([bimaxwellian(velocities(grid, mass), mass) for grid in grids])
    table = {
        "time": TIMES,
        "theta": grids[0]["theta"],
        "energy_table": (("time", "energy"), np.stack([grid["energy"][1] for grid in grids]), {"units": "eV"}),
        "phi_table": (("time", "phi"), np.stack([grid["phi"][1] for grid in grids]), {"units": "deg"}),
    }
    attrs = {"units": "s3 m-6", "frame": "GSE", "directions": "flow"}
    changing = xr.DataArray(f, table, ["time", "energy", "theta", "phi"], "f", attrs)
    found = plasma.moments(changing, particle="proton", b=B)
    assert found.density.values == pytest.approx(5, rel=2e-3)
    assert found.velocity.values == pytest.approx(np.stack([DRIFT, DRIFT]), abs=2)
    spectra = plasma.pitch_angle_spectra(changing, B)
    line = plasma.reduced_distribution(changing, B, particle="proton")
    width = float(line.v_along[1] - line.v_along[0]) * 1e3
    assert (line.sum("v_along") * width * 1e-6).values == pytest.approx(found.density.values, rel=1e-9)
    assert spectra.sizes["pitch_angle"] == 18


def test_angles_that_change_with_energy_are_followed():
    grid = axes()
    theta = np.broadcast_to(grid["theta"][1], (32, 16)) + np.linspace(-2, 2, 32)[:, None]
    mass = plasma.species("proton").mass
    columns = []
    for row, energy in zip(theta, grid["energy"][1], strict=True):
        one = {"energy": ("energy", np.array([energy])), "theta": ("theta", row), "phi": grid["phi"]}
        columns.append(bimaxwellian(velocities(one, mass), mass)[0])
    table = {
        "energy": grid["energy"],
        "phi": grid["phi"],
        "theta_table": (("energy", "theta"), theta, {"units": "deg"}),
    }
    attrs = {"units": "s3 m-6", "frame": "GSE", "directions": "flow"}
    f = xr.DataArray(np.stack(columns), table, ["energy", "theta", "phi"], "f", attrs)
    field = B.isel(time=0, drop=True)
    found = plasma.moments(f, particle="proton", b=field)
    assert found.density.item() == pytest.approx(5, rel=0.01)
    assert found.velocity.values == pytest.approx(DRIFT, abs=5)
    assert np.isfinite(plasma.pitch_angle_spectra(f, field)).any()
    line = plasma.reduced_distribution(f, field, particle="proton")
    width = float(line.v_along[1] - line.v_along[0]) * 1e3
    assert line.sum().item() * width * 1e-6 == pytest.approx(found.density.item(), rel=1e-9)


def test_the_potential_gives_electrons_back_what_the_spacecraft_added():
    # by Liouville f(v) is that of the speed far away: measured energies are higher by 8 eV
    grid = axes(96, 16, 32, 1, 3000)
    kind = plasma.species("electron")
    far = {**grid, "energy": ("energy", np.clip(grid["energy"][1] - 8, 0, None))}
    f = bimaxwellian(velocities(far, kind.mass), kind.mass, drift=[0, 0, 0], along=40.0, across=20.0)
    f[grid["energy"][1] < 8] = 1e-10  # photoelectrons
    volts = xr.DataArray([8.0, 8.0], {"time": TIMES}, attrs={"units": "V"})
    found = plasma.moments(labelled(grid, f), particle="electron", b=B, potential=volts)
    assert found.density.values == pytest.approx(5, rel=0.01)
    assert found.t_parallel.values == pytest.approx(40, rel=0.01)
    blind = plasma.moments(labelled(grid, f), particle="electron", b=B)
    assert abs(blind.density[0].item() / 5 - 1) > 0.2
    # protons lose, and are seen to have had more
    slowed = plasma.moments(PROTONS, particle="proton", potential=volts)
    assert (slowed.density > plasma.moments(PROTONS, particle="proton").density).all()


def test_the_first_azimuth_again_at_the_end_counts_once():
    closed = xr.concat([PROTONS, PROTONS.isel(phi=[0]).assign_coords(phi=PROTONS.phi[:1] + 360)], "phi")
    found = plasma.moments(closed, particle="proton")
    assert found.density.values == pytest.approx(plasma.moments(PROTONS, particle="proton").density.values)
    assert found.coverage.values == pytest.approx(1)


def test_ranges_of_energy_add_up():
    whole = plasma.moments(PROTONS, particle="proton").density[0].item()
    low = plasma.moments(PROTONS, particle="proton", energy_range=(0, 300)).density[0].item()
    high = plasma.moments(PROTONS, particle="proton", energy_range=(300, 1e6)).density[0].item()
    assert low + high == pytest.approx(whole)
    assert 0.1 < low / whole < 0.9


def test_a_gap_is_no_silent_loss():
    gappy = PROTONS.copy()
    gappy[0, :, :, 3:6] = np.nan
    found = plasma.moments(gappy, particle="proton", b=B)
    numbers = [found[name] for name in found.data_vars if name != "coverage"]
    assert all(np.isnan(array[0]).all() and np.isfinite(array[1]).all() for array in numbers)
    assert found.coverage.values == pytest.approx([29 / 32, 1])
    seen = plasma.moments(gappy, particle="proton", gaps="zero")
    zeros = plasma.moments(gappy.fillna(0.0), particle="proton")
    np.testing.assert_allclose(seen.density, zeros.density)
    assert seen.coverage.values == pytest.approx([29 / 32, 1])
    # a gap where nothing would be costs next to nothing
    quiet = PROTONS.copy()
    quiet[:, :4] = np.nan
    cut = plasma.moments(quiet, particle="proton", energy_range=(5, 1e6))
    assert cut.density[0].item() == pytest.approx(5, rel=0.01)


def test_part_of_the_sky_is_said_to_be_part():
    sector = PROTONS.isel(phi=slice(8, 24))
    found = plasma.moments(sector, particle="proton")
    assert found.coverage.values == pytest.approx(0.5)
    assert (found.density < 5).all()
    assert found.density[0].item() > 4  # it drifts that way


def test_nothing_measured_has_no_velocity():
    empty = xr.zeros_like(PROTONS)
    found = plasma.moments(empty, particle="proton", b=B)
    assert (found.density == 0).all()
    assert np.isnan(found.velocity).all()
    assert np.isnan(found.temperature).all()
    assert (found.pressure_tensor == 0).all()


def test_fejers_weights_are_exact_for_polynomials_and_only_for_equal_bins():
    for number in (5, 16):
        theta = (np.arange(number) + 0.5) * np.pi / number
        weights = fejer_weights(theta)
        for power in range(number):
            exact = 0 if power % 2 else 2 / (power + 1)
            assert weights @ np.cos(theta) ** power == pytest.approx(exact, abs=1e-13)
    assert fejer_weights(np.radians([10.0, 50, 90, 130, 170])) is None


def test_ends_of_bins_that_are_given_are_used():
    grid = axes(low=1)
    energy = grid["energy"][1]
    half = np.sqrt(energy[1] / energy[0])
    told = PROTONS.assign_coords(
        energy_low=("energy", energy / half, {"units": "eV"}), energy_high=("energy", energy * half, {"units": "eV"})
    )
    np.testing.assert_allclose(
        plasma.moments(told, particle="proton").density, plasma.moments(PROTONS, particle="proton").density, rtol=1e-9
    )
    narrow = told.assign_coords(energy_high=("energy", energy * 1.0001, {"units": "eV"}))
    assert (plasma.moments(narrow, particle="proton").density < 3).all()


def test_pitch_angle_spectra_of_a_gyrotropic_distribution_are_its_own():
    mass = plasma.species("proton").mass
    still = made(drift=[0, 0, 0])
    spectra = plasma.pitch_angle_spectra(still, B, bins=18).isel(time=0)
    assert spectra.dims == ("energy", "pitch_angle")
    speed = np.sqrt(2 * spectra.energy.values * EV / mass)[:, None]
    angle = np.radians(spectra.pitch_angle.values)
    v = speed[..., None] * (np.cos(angle)[..., None] * UNIT + np.sin(angle)[..., None] * [0.8, -0.6, 0])
    truth = bimaxwellian(v, mass, drift=[0, 0, 0])
    near = spectra.energy.values < 500
    np.testing.assert_allclose(spectra.values[near], truth[near], rtol=0.03)


def test_a_beam_along_the_field_is_at_zero_and_its_look_directions_at_180():
    beam = made(drift=UNIT * 800, along=50.0, across=50.0)
    flow = plasma.pitch_angle_spectra(beam, B).sum("energy")
    look = plasma.pitch_angle_spectra(beam.assign_attrs(directions="look"), B).sum("energy")
    against = plasma.pitch_angle_spectra(beam, vectors(-FIELD)).sum("energy")
    assert flow.pitch_angle[flow.argmax("pitch_angle")].values.tolist() == [5, 5]
    assert look.pitch_angle[look.argmax("pitch_angle")].values.tolist() == [175, 175]
    np.testing.assert_allclose(against.values, look.values)


def test_pitch_angle_spectra_fit_the_functions_of_pitch_angle():
    even = PROTONS.copy(data=np.broadcast_to(np.linspace(1, 2, 32)[:, None, None], PROTONS.shape))
    flux = plasma.differential_flux(even, particle="proton")
    spectra = plasma.pitch_angle_spectra(flux, B, bins=12)
    check(spectra)
    np.testing.assert_allclose(plasma.omnidirectional(spectra), flux.mean(("theta", "phi")), rtol=1e-12)
    np.testing.assert_allclose(plasma.anisotropy(spectra), 0, atol=1e-12)
    assert plasma.pitch_angle_distribution(spectra, energy=100.0).sizes == {"pitch_angle": 12}
    assert spectra.units == flux.units


@pytest.mark.parametrize("convert", [plasma.differential_flux, plasma.differential_energy_flux])
def test_a_distribution_said_in_another_way_has_the_same_directions_and_moments(convert):
    look = PROTONS.assign_attrs(directions="look", theta="colatitude")
    flux = convert(look, particle="proton")
    assert (flux.frame, flux.directions, flux.attrs["theta"]) == ("GSE", "look", "colatitude")
    again = plasma.phase_space_density(flux, particle="proton")
    xr.testing.assert_allclose(again.drop_attrs(), look.drop_attrs().rename(again.name), rtol=1e-12)
    velocity = plasma.moments(flux, particle="proton").velocity
    np.testing.assert_allclose(velocity, plasma.moments(look, particle="proton").velocity, rtol=1e-9)


def test_means_over_pitch_angles_are_weighted_by_solid_angle():
    squared = (xr.zeros_like(PROTONS) + np.cos(np.radians(PROTONS.theta)) ** 2).assign_attrs(PROTONS.attrs)
    whole = plasma.pitch_angle_spectra(squared, vectors([5, 0, 0]), bins=1)
    np.testing.assert_allclose(whole, 1 / 3, rtol=1e-12)


def test_a_range_of_energies_holds_both_its_ends():
    low, high = PROTONS.energy.values[[10, 20]]
    held = plasma.moments(PROTONS, particle="proton", energy_range=(low, high)).density
    within = PROTONS.where((PROTONS.energy >= low) & (PROTONS.energy <= high), 0.0).assign_attrs(PROTONS.attrs)
    np.testing.assert_allclose(held, plasma.moments(within, particle="proton").density)


def test_a_slice_holds_directions_up_to_its_thickness_from_the_plane():
    near = (xr.zeros_like(PROTONS) + (abs(PROTONS.theta - 90) < 45)).assign_attrs(PROTONS.attrs)
    x, y = vectors([1, 0, 0]), vectors([0, 1, 0])
    for thickness, only_near in ((44.0, True), (60.0, False)):
        cut = plasma.velocity_slice(near, x, y, particle="proton", thickness=thickness)
        assert float(cut.max()) == 1
        assert (float(cut.min()) == 1) == only_near


def test_pitch_angles_without_a_direction_are_nan_and_those_without_a_field():
    narrow = PROTONS.isel(theta=slice(0, 2))
    along = xr.where(xr.DataArray([True, False], dims="time"), vectors([0, 0, 5]), np.nan).transpose(
        "time", "component"
    )
    along = along.assign_attrs(B.attrs)
    spectra = plasma.pitch_angle_spectra(narrow, along, bins=18, theta="colatitude")
    assert np.isfinite(spectra[0, :, :2]).all()
    assert np.isnan(spectra[0, :, 3:]).all()
    assert np.isnan(spectra[1]).all()
    holes = PROTONS.where(PROTONS.phi > 180).assign_attrs(PROTONS.attrs)
    assert np.isfinite(plasma.pitch_angle_spectra(holes, vectors([0, 0, 5]), bins=16)).all()


def test_reduced_to_one_velocity_a_maxwellian_is_one_and_holds_its_density():
    edges = xr.DataArray(np.linspace(-2000, 2000, 81), dims="edge", attrs={"units": "km/s"})
    for axis, temperature in ((B, 300.0), (vectors([4, -3, 0], "1"), 150.0)):
        line = plasma.reduced_distribution(PROTONS, axis, particle="proton", speeds=edges).isel(time=0)
        v, unit = line.v_along.values * 1e3, axis.values[0] / np.linalg.norm(axis.values[0])
        spread = temperature * EV / plasma.species("proton").mass
        truth = 5e6 / np.sqrt(2 * np.pi * spread) * np.exp(-((v - DRIFT @ unit * 1e3) ** 2) / 2 / spread)
        assert np.abs(line.values - truth).max() < 0.025 * truth.max()
        assert line.sum().item() * 5e4 * 1e-6 == pytest.approx(
            plasma.moments(PROTONS, particle="proton").density[0].item()
        )


def test_reduced_to_two_velocities_it_keeps_density_and_mean_and_the_side_of_the_second():
    edges = xr.DataArray(np.linspace(-1500, 1500, 61), dims="edge", attrs={"units": "km/s"})
    flow = plasma.moments(PROTONS, particle="proton").velocity
    plane = plasma.reduced_distribution(PROTONS, B, second=flow, particle="proton", speeds=edges).isel(time=0)
    assert plane.sum().item() * 5e4**2 * 1e-6 == pytest.approx(5, rel=3e-3)
    total = plane.sum()
    along, across = (plane * plane.v_along).sum() / total, (plane * plane.v_across).sum() / total
    assert along.item() == pytest.approx(DRIFT @ UNIT, abs=3)
    assert across.item() == pytest.approx(np.sqrt(DRIFT @ DRIFT - (DRIFT @ UNIT) ** 2), abs=3)


def test_the_gyrophase_mean_and_the_slice_are_the_distribution_in_the_plasmas_frame():
    edges = xr.DataArray(np.linspace(-600, 600, 25), dims="edge", attrs={"units": "km/s"})
    flow, mass = vectors(DRIFT, "km/s"), plasma.species("proton").mass
    peak = bimaxwellian(np.zeros(3), mass, drift=[0, 0, 0])

    def truth(array, one, other):
        v1, v2 = xr.broadcast(array[one] * 1e3, array[other] * 1e3)
        return peak * np.exp(-mass / (2 * EV) * (v1**2 / 300 + v2**2 / 150))

    mean = plasma.gyrotropic_distribution(PROTONS, B, particle="proton", speeds=edges, bulk_velocity=flow)
    assert mean.dims == ("time", "v_parallel", "v_perpendicular")
    assert float(abs(mean - truth(mean, "v_parallel", "v_perpendicular")).max()) < 0.08 * peak
    cut = plasma.velocity_slice(PROTONS, B, flow, particle="proton", speeds=edges, bulk_velocity=flow)
    assert float(abs(cut - truth(cut, "v_along", "v_across")).max()) < 0.12 * peak
    # the same with look directions and a reversed grid
    look = PROTONS.assign_coords(
        theta=("theta", 180 - PROTONS.theta.values, {"units": "deg"}),
        phi=("phi", (PROTONS.phi.values + 180) % 360, {"units": "deg"}),
    ).assign_attrs(directions="look")
    again = plasma.velocity_slice(look, B, flow, particle="proton", speeds=edges, bulk_velocity=flow)
    np.testing.assert_allclose(again, cut, atol=0.01 * peak)


def test_gaps_leave_no_integral_but_means_of_what_was_measured():
    gappy = PROTONS.copy()
    gappy[0, :, :, 3] = np.nan
    line = plasma.reduced_distribution(gappy, B, particle="proton")
    assert np.isnan(line[0]).all()
    assert np.isfinite(line[1]).all()
    assert np.isfinite(plasma.reduced_distribution(gappy, B, particle="proton", gaps="zero")).all()
    mean = plasma.gyrotropic_distribution(gappy, B, particle="proton")
    assert np.isfinite(mean[0]).mean() > 0.5
    lost = vectors(FIELD).where(xr.DataArray([False, True], dims="time")).assign_attrs(B.attrs)
    without = plasma.reduced_distribution(PROTONS, lost, particle="proton")
    assert np.isnan(without[0]).all()
    assert np.isfinite(without[1]).all()
    without = plasma.moments(PROTONS, particle="proton", b=lost)
    assert np.isnan(without.t_parallel[0])
    assert np.isfinite(without.density).all()


@pytest.mark.slow
def test_lazy_distributions_give_the_same_and_stay_lazy():
    lazy, volts = PROTONS.chunk(time=1), xr.DataArray(5.0, attrs={"units": "V"})
    for call in (
        lambda f: plasma.moments(f, particle="proton", b=B, potential=volts),
        lambda f: plasma.pitch_angle_spectra(f, B),
        lambda f: plasma.reduced_distribution(f, B, particle="proton", subdivisions=1),
        lambda f: plasma.gyrotropic_distribution(f, B, particle="proton", subdivisions=1),
        lambda f: plasma.differential_flux(f, particle="proton"),
    ):
        result = call(lazy)
        assert result.chunks
        xr.testing.assert_allclose(result.compute(), call(PROTONS))


def test_results_keep_the_data_contract_and_their_frame_and_inputs_stay_as_they_were():
    before = PROTONS.copy(deep=True)
    unreal = PROTONS.assign_attrs(synthetic="true")
    found = check(plasma.moments(unreal, particle="proton", b=B))
    assert found.velocity.attrs["frame"] == found.pressure_tensor.attrs["frame"] == "GSE"
    assert found.attrs["synthetic"] == "true"
    assert "directions='flow'" in found.attrs["history"]
    for result in (
        plasma.pitch_angle_spectra(PROTONS, B),
        plasma.reduced_distribution(PROTONS, B, particle="proton", subdivisions=1),
        plasma.gyrotropic_distribution(PROTONS, B, particle="proton", subdivisions=1),
        plasma.velocity_slice(PROTONS, B, vectors([1, 0, 0]), particle="proton", subdivisions=1),
        plasma.phase_space_density(PROTONS, particle="proton"),
        plasma.differential_flux(PROTONS, particle="proton"),
        plasma.differential_energy_flux(PROTONS, particle="proton"),
    ):
        check(result)
    assert plasma.pitch_angle_spectra(unreal, B).attrs["synthetic"] == "true"
    xr.testing.assert_identical(PROTONS, before)
    single = plasma.moments(PROTONS.isel(time=0, drop=True), particle="proton", b=B.isel(time=0, drop=True))
    assert single.density.ndim == 0


def test_a_flag_of_the_records_stays_beside_the_moments():
    flag = ("time", [0, 2], {"flag_values": [0, 2], "flag_meanings": "bad measured", "units": "1"})
    found = check(plasma.moments(PROTONS.assign_coords(f_quality=flag), particle="proton"))
    assert found.density_quality.values.tolist() == [0, 2]


def test_components_of_the_field_in_another_order_make_no_difference():
    usual = plasma.moments(PROTONS, particle="proton", b=B).t_parallel
    for other in (B.isel(component=[2, 1, 0]), B.drop_vars("component"), B.isel(time=0, drop=True)):
        np.testing.assert_allclose(plasma.moments(PROTONS, particle="proton", b=other).t_parallel, usual)


@pytest.mark.slow
def test_an_unknown_potential_gives_no_moments():
    volts = xr.DataArray([5.0, np.nan], {"time": TIMES}, attrs={"units": "V"})
    found = plasma.moments(PROTONS, particle="proton", potential=volts)
    assert np.isnan(found.density).values.tolist() == [False, True]
    line = plasma.reduced_distribution(PROTONS, B, particle="proton", potential=volts)
    assert np.isnan(line).all("v_along").values.tolist() == [False, True]


def without(array, *keys):
    return (
        array.drop_attrs()
        .assign_attrs({k: v for k, v in array.attrs.items() if k not in keys})
        .assign_coords({name: array[name] for name in array.coords})
    )


def moments(array=PROTONS, **options):
    return plasma.moments(array, **{"particle": "proton", **options})


def counted(distribution, origin):
    """Return a distribution whose theta says what it is counted from, as a file's reader leaves it."""
    return distribution.assign_coords(theta=distribution.theta.assign_attrs(counted_from=origin))


def test_what_the_reader_of_a_file_says_of_theta_is_believed():
    upper = PROTONS.isel(theta=slice(0, 8))
    said = plasma.moments(upper, particle="proton", theta="colatitude", gaps="zero")
    read = plasma.moments(counted(upper, "pole"), particle="proton", gaps="zero")
    xr.testing.assert_equal(read.velocity, said.velocity)
    turned = plasma.moments(counted(upper, "equator"), particle="proton", gaps="zero")
    assert not np.allclose(turned.velocity, said.velocity)


half = PROTONS.isel(theta=slice(0, 8))
later = B.assign_coords(time=TIMES + np.timedelta64(1, "s"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: moments(without(PROTONS, "directions")), BadOption, "turns every velocity round"),
        (lambda: moments(directions="look"), BadOption, "says 'flow'"),
        (lambda: moments(PROTONS.assign_attrs(directions="looking")), BadOption, "directions 'looking'"),
        (lambda: moments(half), BadOption, "theta is not said"),
        (lambda: moments(theta="latitude"), WrongData, "no latitude"),
        (lambda: moments(counted(half, "pole"), theta="latitude"), WrongData, "no latitude"),
        (lambda: moments(counted(PROTONS, "equator")), WrongData, "counted_from'\\] says 'equator'"),
        (lambda: moments(theta="polar"), BadOption, "polar"),
        (lambda: moments(without(PROTONS, "frame")), WrongFrame, "does not say its frame"),
        (lambda: moments(b=vectors(FIELD, frame="GSM")), WrongFrame, "GSM"),
        (lambda: moments(b=later), WrongData, "not on the same axes"),
        (lambda: moments(particle="protons"), BadOption, "did you mean 'proton'"),
        (lambda: moments(gaps="fill"), BadOption, "gaps"),
        (lambda: moments(PROTONS.copy(data=-PROTONS.values)), WrongData, "background"),
        (lambda: moments(PROTONS.assign_attrs(units="nT")), WrongUnits, "phase-space"),
        (lambda: moments(PROTONS.drop_attrs()), MissingUnits, "units"),
        (lambda: moments(PROTONS.rename(theta="elevation")), WrongData, "rename"),
        (lambda: moments(PROTONS.drop_vars("phi")), WrongData, "no coordinate 'phi'"),
        (lambda: moments(PROTONS.drop_vars("energy")), WrongData, "energy"),
        (lambda: moments(PROTONS.isel(time=slice(0, 0))), OutsideCoverage, "no record"),
        (lambda: moments(PROTONS.isel(phi=[0])), WrongData, "one bin"),
        (lambda: moments(PROTONS.isel(energy=[0, 2, 1])), WrongData, "sort"),
        (lambda: moments(energy_range=(5, 1)), BadOption, "energy_range"),
        (lambda: moments(energy_range=(1e7, 1e8)), BadOption, "holds no bin"),
        (lambda: moments(potential=xr.DataArray(5.0)), MissingUnits, "potential"),
        (lambda: moments(potential=xr.DataArray(5.0, attrs={"units": "eV"})), WrongUnits, "eV"),
        (lambda: moments(PROTONS.assign_coords(energy=-PROTONS.energy)), (MissingUnits, WrongData), "energy"),
        (lambda: plasma.moments(PROTONS.to_dataset(), particle="proton"), MissingUnits, "Dataset"),
        (lambda: plasma.pitch_angle_spectra(PROTONS, B, bins=0), BadOption, "bins=0"),
        (lambda: plasma.pitch_angle_spectra(PROTONS, B.isel(component=0)), WrongData, "component"),
        (
            lambda: plasma.pitch_angle_spectra(PROTONS, B, bins=xr.DataArray([0.0, 90.0], attrs={"units": "deg"})),
            WrongData,
            "0 to 180",
        ),
        (lambda: plasma.reduced_distribution(PROTONS, B, particle="proton", subdivisions=0), BadOption, "subdivisions"),
        (lambda: plasma.reduced_distribution(PROTONS, later, particle="proton"), WrongData, "not on the same axes"),
        (
            lambda: plasma.reduced_distribution(PROTONS, B, particle="proton", bulk_velocity=B),
            WrongUnits,
            "nT",
        ),
        (
            lambda: plasma.velocity_slice(PROTONS, B, vectors([1, 0, 0], frame="RTN"), particle="proton"),
            WrongFrame,
            "RTN",
        ),
        (
            lambda: plasma.velocity_slice(PROTONS, B, vectors([1, 0, 0]), particle="proton", thickness=0),
            BadOption,
            "thickness",
        ),
        (lambda: plasma.phase_space_density(B, particle="proton"), WrongUnits, "nT"),
    ],
)
def test_input_that_makes_no_sense_is_refused_by_name(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_a_plane_of_two_parallel_vectors_is_none():
    cut = plasma.velocity_slice(PROTONS, B, vectors(2 * FIELD), particle="proton", subdivisions=1)
    assert np.isnan(cut).all()
