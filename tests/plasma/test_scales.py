"""Frequencies, lengths, speeds, drifts and species: against PlasmaPy, formularies, limits, and wrong input."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import plasma
from analysis.errors import BadOption, MissingUnits, WrongData, WrongFrame, WrongUnits
from analysis.model import check
from analysis.plasma.inputs import on_same_axes
from analysis.plasma.particles import ELECTRON_MASS, ELEMENTARY_CHARGE, EPSILON0, LIGHT_SPEED, SPECIES

speeds = st.floats(0.1, 3000)
few = settings(max_examples=25, deadline=None)


def quantity(value, units, name=None):
    return xr.DataArray(value, name=name, attrs={"units": units, "long_name": name or "test"})


def three(values, units, frame="GSE", **coords):
    return xr.DataArray(
        np.asarray(values, float), coords, ["component"], attrs={"units": units, "frame": frame, "long_name": "v"}
    )


B, N, T = quantity(5.0, "nT", "b"), quantity(5.0, "cm-3", "n"), quantity(10.0, "eV", "t")


def test_constants_and_masses_are_those_of_codata():
    from scipy import constants

    assert pytest.approx(constants.e, rel=1e-12) == ELEMENTARY_CHARGE
    assert pytest.approx(constants.m_e, rel=1e-8) == ELECTRON_MASS
    assert pytest.approx(constants.epsilon_0, rel=1e-8) == EPSILON0
    assert constants.c == LIGHT_SPEED
    for name, entry in (("D+", "deuteron"), ("alpha", "alpha particle"), ("proton", "proton")):
        assert plasma.species(name).mass == pytest.approx(constants.physical_constants[f"{entry} mass"][0], rel=1e-8)
    # the electrons' binding apart, helium less two electrons is the alpha particle
    helium = plasma.species("He+").mass - ELECTRON_MASS
    assert helium == pytest.approx(plasma.species("alpha").mass, rel=1e-7)


@pytest.mark.slow  # plasmapy takes a second to import
def test_everything_that_plasmapy_has_is_the_same_there():
    import astropy.units as u
    from plasmapy import formulary
    from plasmapy.particles import Particle

    b, n, t, ti = 50 * u.nT, 20 / u.cm**3, 30 * u.eV, 300 * u.eV
    field, number, warm, hot = (
        quantity(50.0, "nT"),
        quantity(20.0, "cm-3"),
        quantity(30.0, "eV"),
        quantity(300.0, "eV"),
    )

    def same(ours, theirs, rel=1e-6):
        unit = ours.attrs["units"]
        value = theirs.to_value(unit if "rad" in unit or unit != "Hz" else "Hz", equivalencies=[(u.cy / u.s, u.Hz)])
        assert ours.item() == pytest.approx(float(value), rel=rel)

    kelvin = {"equivalencies": u.temperature_energy()}
    te, tk = t.to("K", **kelvin), ti.to("K", **kelvin)
    for ours, theirs in (
        ("electron", "e-"),
        ("proton", "p+"),
        ("alpha", "He-4 2+"),
        ("O+", "O-16 1+"),
        ("Na+", "Na-23 1+"),
    ):
        assert plasma.species(ours).mass == pytest.approx(Particle(theirs).mass.si.value, rel=1e-7)
        assert plasma.species(ours).charge == Particle(theirs).charge_number
        same(plasma.gyrofrequency(field, particle=ours, angular=True), formulary.gyrofrequency(b, theirs))
        same(plasma.gyrofrequency(field, particle=ours), formulary.gyrofrequency(b, theirs, to_hz=True))
        same(plasma.plasma_frequency(number, particle=ours, angular=True), formulary.plasma_frequency(n, theirs))
        same(plasma.plasma_frequency(number, particle=ours), formulary.plasma_frequency(n, theirs, to_hz=True))
        same(plasma.inertial_length(number, particle=ours), formulary.inertial_length(n, theirs))
        radius = formulary.gyroradius(b, theirs, T=te, relativistic=False)
        same(plasma.gyroradius(field, particle=ours, temperature=warm), radius)
        radius = formulary.gyroradius(b, theirs, Vperp=400 * u.km / u.s, relativistic=False)
        same(plasma.gyroradius(field, particle=ours, speed=quantity(400.0, "km/s")), radius)
        for kind, method in (
            ("most_probable", "most_probable"),
            ("rms", "rms"),
            ("mean", "mean_magnitude"),
            ("one_dimensional", "nrl"),
        ):
            speed = formulary.thermal_speed(te, theirs, method=method)
            same(plasma.thermal_speed(warm, particle=ours, kind=kind), speed)
    same(plasma.debye_length(number, warm), formulary.Debye_length(te, n))
    same(plasma.upper_hybrid_frequency(field, number, angular=True), formulary.upper_hybrid_frequency(b, n_e=n))
    # theirs leaves out the square of the ions' gyrofrequency, here 2e-6 of what it is added to
    lower = formulary.lower_hybrid_frequency(b, n_i=n, ion="p+")
    same(plasma.lower_hybrid_frequency(field, number, angular=True), lower)
    for ion, name in (("proton", "p+"), ("alpha", "He-4 2+")):
        acoustic = plasma.sound_speed(hot, warm, particle=ion, gamma_ion=3, gamma_electron=1)
        same(acoustic, formulary.ion_sound_speed(te, tk, name))
        equal = plasma.sound_speed(hot, warm, particle=ion)
        same(equal, formulary.ion_sound_speed(te, tk, name, gamma_e=5 / 3, gamma_i=5 / 3))


@pytest.mark.slow
def test_magnetosonic_waves_are_those_of_plasmapy():
    import astropy.units as u
    from plasmapy.dispersion.analytical.mhd_waves_ import mhd_waves

    waves = dict(zip(("alfven", "fast", "slow"), mhd_waves(5 * u.nT, 5 / u.cm**3, "p+", T=1.2e5 * u.K), strict=True))
    alfven = quantity(waves["alfven"].alfven_speed.to_value("km/s"), "km/s")
    sound = quantity(waves["fast"].sound_speed.to_value("km/s"), "km/s")
    for degrees in (0, 20, 60, 90):
        angle = quantity(float(degrees), "deg")
        for name, ours in (("fast", plasma.fast_speed), ("slow", plasma.slow_speed)):
            theirs = waves[name].phase_velocity(1e-8 * u.rad / u.m, degrees * u.deg).to_value("km/s")
            assert ours(alfven, sound, angle=angle).item() == pytest.approx(
                float(np.ravel(theirs)[0]), rel=1e-6, abs=1e-5
            )


def test_frequencies_and_lengths_are_those_of_the_nrl_plasma_formulary():
    # NRL Plasma Formulary (2019), p. 28, gaussian: f_ce = 2.80e6 B Hz, f_ci = 1.52e3 Z B/mu, f_pe = 8.98e3 sqrt(n),
    # lambda_D = 7.43e2 sqrt(T/n) cm, c/omega_pe = 5.31e5/sqrt(n) cm, r_e = 2.38 sqrt(T)/B cm, r_i = 102 sqrt(mu T)/ZB
    gauss, one, volt = quantity(1.0, "G"), quantity(1.0, "cm-3"), quantity(1.0, "eV")
    assert plasma.gyrofrequency(gauss, particle="electron").item() == pytest.approx(2.80e6, rel=2e-3)
    assert plasma.gyrofrequency(gauss, particle="proton").item() == pytest.approx(1.52e3, rel=4e-3)
    assert plasma.plasma_frequency(one, particle="electron").item() == pytest.approx(8.98e3, rel=2e-3)
    assert plasma.debye_length(one, volt).item() * 100 == pytest.approx(7.43e2, rel=2e-3)
    assert plasma.inertial_length(one, particle="electron").item() * 1e5 == pytest.approx(5.31e5, rel=2e-3)
    electron, ion = (
        plasma.gyroradius(gauss, particle=name, temperature=volt, kind="one_dimensional").item() * 1e5
        for name in ("electron", "proton")
    )
    assert (electron, ion) == (pytest.approx(2.38, rel=2e-3), pytest.approx(102, rel=4e-3))


def test_the_lower_hybrid_is_the_root_of_the_cold_plasma_across_the_field():
    # S = 1 - sum w_p^2 / (w^2 - w_c^2) = 0, a quadratic in w^2 for electrons and one ion
    for tesla, density in ((5e-9, 5e6), (5e-5, 1e6), (5e-5, 1e3)):
        wc = [ELEMENTARY_CHARGE * tesla / mass for mass in (ELECTRON_MASS, plasma.species("proton").mass)]
        wp2 = [density * ELEMENTARY_CHARGE**2 / EPSILON0 / m for m in (ELECTRON_MASS, plasma.species("proton").mass)]
        total = wc[0] ** 2 + wc[1] ** 2 + sum(wp2)
        product = wc[0] ** 2 * wc[1] ** 2 + wp2[0] * wc[1] ** 2 + wp2[1] * wc[0] ** 2
        root = np.sqrt(2 * product / (total + np.sqrt(total**2 - 4 * product)))
        ours = plasma.lower_hybrid_frequency(quantity(tesla, "T"), quantity(density, "m-3"), angular=True)
        assert ours.item() == pytest.approx(root, rel=2e-3)
        upper = plasma.upper_hybrid_frequency(quantity(tesla, "T"), quantity(density, "m-3"), angular=True)
        assert upper.item() == pytest.approx(np.sqrt(total - root**2), rel=2e-3)


def test_hertz_and_radians_per_second_differ_by_two_pi_and_both_say_so():
    for call in (
        lambda **kw: plasma.gyrofrequency(B, particle="electron", **kw),
        lambda **kw: plasma.plasma_frequency(N, particle="electron", **kw),
        lambda **kw: plasma.upper_hybrid_frequency(B, N, **kw),
        lambda **kw: plasma.lower_hybrid_frequency(B, N, **kw),
    ):
        cycles, angular = call(), call(angular=True)
        assert angular.item() == pytest.approx(2 * np.pi * cycles.item())
        assert (cycles.units, angular.units) == ("Hz", "rad s-1")
        assert "cycles per second" in cycles.long_name
        assert "angular" in angular.long_name


def test_alfven_speed_is_the_ions_inertial_length_times_their_angular_gyrofrequency():
    length = plasma.inertial_length(N, particle="O+").item()
    omega = plasma.gyrofrequency(B, particle="O+", angular=True).item()
    assert plasma.alfven_speed(B, N, ion_mass="O+").item() == pytest.approx(length * omega, rel=1e-7)


def test_gyroradius_of_alphas_counts_their_charge_once():
    protons, alphas = (
        plasma.gyroradius(B, particle=p, speed=quantity(100.0, "km/s")).item() for p in ("proton", "alpha")
    )
    assert alphas / protons == pytest.approx(plasma.species("alpha").mass / plasma.species("proton").mass / 2)


@pytest.mark.slow
@few
@given(alfven=speeds, sound=speeds, degrees=st.floats(0, 360))
def test_magnetosonic_speeds_keep_their_order_sum_and_product(alfven, sound, degrees):
    va, cs, angle = quantity(alfven, "km/s"), quantity(sound, "km/s"), quantity(degrees, "deg")
    fast, slow = plasma.fast_speed(va, cs, angle=angle).item(), plasma.slow_speed(va, cs, angle=angle).item()
    assert slow <= min(alfven, sound) * (1 + 1e-12)
    assert max(alfven, sound) * (1 - 1e-12) <= fast <= plasma.fast_speed(va, cs).item() * (1 + 1e-12)
    assert fast**2 + slow**2 == pytest.approx(alfven**2 + sound**2)
    assert fast * slow == pytest.approx(alfven * sound * abs(np.cos(np.radians(degrees))), abs=1e-9 * alfven * sound)


def test_sound_of_equal_indices_is_that_of_the_pressure():
    pressure = plasma.thermal_pressure(N, T).item() * 2
    rho = 5e6 * plasma.species("proton").mass
    assert plasma.sound_speed(T, T).item() == pytest.approx(np.sqrt(5 / 3 * pressure * 1e-9 / rho) * 1e-3)


def test_mach_numbers_bear_the_name_of_their_wave():
    v = three([-400.0, 0.0, 300.0], "km/s")
    alfven, sound = plasma.alfven_speed(B, N), plasma.sound_speed(T, T)
    for wave in (alfven, sound, plasma.fast_speed(alfven, sound)):
        number = plasma.mach_number(v, wave)
        assert number.item() == pytest.approx(500 / wave.item())
        assert number.name == wave.name.replace("_speed", "_mach_number")


def test_total_pressure_is_the_sum_of_both():
    p = plasma.thermal_pressure(N, T)
    total = plasma.total_pressure(p, B)
    assert total.item() == pytest.approx(p.item() + plasma.magnetic_pressure(B).item())
    assert total.item() == pytest.approx(p.item() * (1 + 1 / plasma.plasma_beta(p, B).item()))


vectors = st.tuples(*[st.floats(-50, 50)] * 3).filter(lambda v: np.hypot(np.hypot(*v[:2]), v[2]) > 0.1)


@pytest.mark.slow
@few
@given(v=vectors, b=vectors)
def test_the_drift_in_the_convection_field_is_the_velocity_across_the_field(v, b):
    flow, field = three(v, "km/s"), three(b, "nT")
    drift = plasma.exb_drift(plasma.convection_electric_field(flow, field), field).values
    unit = np.array(b) / np.linalg.norm(b)
    assert drift == pytest.approx(np.array(v) - np.dot(v, unit) * unit, abs=1e-9)


def test_ten_km_per_s_across_a_hundred_nanotesla_is_one_millivolt_per_metre():
    field = plasma.convection_electric_field(three([10, 0, 0], "km/s"), three([0, 0, 100], "nT"))
    assert field.values == pytest.approx([0, 1, 0])  # -x * z = y
    assert (field.units, field.frame) == ("mV m-1", "GSE")


@pytest.mark.slow
@few
@given(a=vectors, b=vectors)
def test_products_are_those_of_numpy_and_angles_close(a, b):
    one, other = three(a, "nT"), three(b, "km/s")
    assert plasma.cross_product(one, other).values == pytest.approx(np.cross(a, b), abs=1e-9)
    assert plasma.dot_product(one, other).item() == pytest.approx(np.dot(a, b), abs=1e-9)
    angle = plasma.angle_between(one, other).item()
    assert plasma.angle_between(other, one).item() == pytest.approx(angle)
    assert plasma.angle_between(one, three(-np.array(b), "km/s")).item() == pytest.approx(180 - angle, abs=1e-6)


def test_components_in_another_order_make_no_difference():
    names = ["x", "y", "z"]
    e, b = three([1, 2, 3], "mV/m", component=names), three([4, -5, 6], "nT", component=names)
    usual = plasma.exb_drift(e, b)
    turned = plasma.exb_drift(e.sel(component=["z", "x", "y"]), b.sel(component=["z", "x", "y"]))
    mirrored = plasma.exb_drift(e.sel(component=["z", "y", "x"]), b.sel(component=["z", "y", "x"]))
    for other in (turned, mirrored):
        assert other.sel(component=names).values == pytest.approx(usual.values)


@pytest.mark.parametrize(
    ("ours", "spelling", "number"),
    [("nT", "Gauss", 5e-5), ("nT", "T", 5e-9), ("nT", "pT", 5000.0)],
)
def test_the_spelling_of_units_makes_no_difference(ours, spelling, number):
    assert plasma.gyrofrequency(quantity(number, spelling), particle="electron").item() == pytest.approx(
        plasma.gyrofrequency(quantity(5.0, ours), particle="electron").item()
    )


@pytest.mark.slow
def test_whole_numbers_float32_and_dask_give_the_same():
    for number in (quantity(5, "#/cc"), quantity(np.float32(5), "cm-3"), quantity(5.0, "cm-3").chunk()):
        assert plasma.plasma_frequency(number, particle="electron").compute().item() == pytest.approx(20077, rel=1e-4)
    b = xr.DataArray(np.ones((10, 3)), dims=("time", "component"), attrs={"units": "nT", "frame": "GSE"})
    e = b.assign_attrs(units="mV/m") + xr.DataArray([0.0, 1.0, 2.0], dims="component")
    e.attrs = {"units": "mV/m", "frame": "GSE"}
    for call in (plasma.exb_drift, plasma.cross_product, plasma.dot_product, plasma.angle_between):
        lazy = call(e.chunk(time=3), b.chunk(time=3))
        assert lazy.chunks is not None
        xr.testing.assert_identical(lazy.compute(), call(e, b))


def test_nan_in_is_nan_out():
    e = xr.DataArray([[1, np.nan, 0], [1, 0, 0]], dims=("time", "component"), attrs={"units": "mV/m", "frame": "GSE"})
    b = three([0, 0, 5], "nT")
    drift = plasma.exb_drift(e, b)
    assert np.isnan(drift.isel(time=0)).all()
    assert np.isfinite(drift.isel(time=1)).all()
    assert np.isnan(plasma.debye_length(quantity(np.nan, "cm-3"), T))


def test_results_keep_the_data_contract_and_say_that_they_are_synthetic():
    e, b = three([1, 0, 0], "mV/m").assign_attrs(synthetic="true"), three([0, 0, 5], "nT")
    va, cs = plasma.alfven_speed(B, N), plasma.sound_speed(T, T)
    for result in (
        plasma.gyrofrequency(B, particle="O+"),
        plasma.plasma_frequency(N, particle="electron", angular=True),
        plasma.upper_hybrid_frequency(B, N),
        plasma.lower_hybrid_frequency(B, N),
        plasma.inertial_length(N, particle="proton"),
        plasma.gyroradius(B, particle="proton", temperature=T),
        plasma.debye_length(N, T),
        plasma.thermal_speed(T, particle="proton"),
        cs,
        plasma.fast_speed(va, cs),
        plasma.slow_speed(va, cs, angle=quantity(30.0, "deg")),
        plasma.mach_number(quantity(400.0, "km/s"), va),
        plasma.total_pressure(quantity(1.0, "nPa"), B),
        plasma.exb_drift(e, b),
        plasma.convection_electric_field(three([1, 2, 3], "km/s"), b),
        plasma.cross_product(e, b),
        plasma.dot_product(e, b),
        plasma.angle_between(e, b),
    ):
        check(result)
    assert plasma.exb_drift(e, b).attrs["synthetic"] == "true"
    assert "synthetic" not in va.attrs


def test_every_species_has_a_mass_near_its_number_of_nucleons():
    for name, nucleons in (("O7+", 16), ("Fe10+", 56), ("S+++", 32), ("H3O+", 19), ("CO2+", 44), ("O2+", 32)):
        assert plasma.species(name).mass / 1.66053906892e-27 == pytest.approx(nucleons, rel=2e-3)
    assert [plasma.species(name).charge for name in ("O7+", "S++", "O2+", "He2+", "Fe10+")] == [7, 2, 1, 2, 10]
    assert all(kind.mass > 0 and kind.charge for kind in SPECIES.values())


def test_a_species_of_ones_own_serves_like_a_name():
    dust = plasma.Species("grain", 1e-20, -100)
    assert plasma.gyrofrequency(B, particle=dust, angular=True).item() == pytest.approx(
        1.602e-17 * 5e-9 / 1e-20, rel=1e-3
    )
    with pytest.raises(BadOption, match="mass"):
        plasma.Species("nothing", 0.0, 1)
    with pytest.raises(BadOption, match="charge"):
        plasma.Species("neutral", 1e-26, 0)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: plasma.species("protron"), BadOption, "did you mean 'proton'"),
        (lambda: plasma.species(1), BadOption, "not known"),
        (lambda: plasma.gyrofrequency(B, particle="S2+"), BadOption, "not known"),
        (lambda: plasma.gyrofrequency(N, particle="electron"), WrongUnits, "cm-3"),
        (lambda: plasma.gyrofrequency(5.0, particle="electron"), MissingUnits, "float"),
        (lambda: plasma.gyrofrequency(quantity(-5.0, "nT"), particle="electron"), WrongData, "component"),
        (lambda: plasma.gyrofrequency(B, particle="electron", angular="yes"), BadOption, "angular"),
        (lambda: plasma.plasma_frequency(quantity(-1.0, "cm-3"), particle="electron"), WrongData, "density"),
        (lambda: plasma.plasma_frequency(three([1, 2, 3], "cm-3"), particle="electron"), WrongData, "vector"),
        (lambda: plasma.inertial_length(quantity(0.0, "cm-3"), particle="proton"), WrongData, "not above zero"),
        (lambda: plasma.lower_hybrid_frequency(B, N, particle="electron"), BadOption, "name the ion"),
        (lambda: plasma.gyroradius(B, particle="proton"), BadOption, "temperature= or speed="),
        (lambda: plasma.gyroradius(B, particle="proton", temperature=T, speed=T), BadOption, "not both"),
        (lambda: plasma.gyroradius(B, particle="proton", temperature=T, kind="median"), BadOption, "median"),
        (lambda: plasma.gyroradius(quantity(0.0, "nT"), particle="proton", temperature=T), WrongData, "b holds"),
        (lambda: plasma.gyroradius(B, particle="proton", speed=three([1, 2, 3], "km/s")), WrongData, "vector"),
        (lambda: plasma.debye_length(N, quantity(-1.0, "eV")), WrongData, "temperature"),
        (lambda: plasma.debye_length(N, N), WrongUnits, "kelvin"),
        (lambda: plasma.thermal_speed(quantity(-1.0, "K"), particle="proton"), WrongData, "temperature"),
        (lambda: plasma.sound_speed(T, T, gamma_ion=0.5), BadOption, "gamma_ion"),
        (lambda: plasma.sound_speed(T, T, particle="electron"), BadOption, "positive ion"),
        (lambda: plasma.fast_speed(B, B), WrongUnits, "nT"),
        (lambda: plasma.fast_speed(quantity(-1.0, "km/s"), quantity(1.0, "km/s")), WrongData, "alfven"),
        (lambda: plasma.mach_number(quantity(1.0, "km/s"), quantity(0.0, "km/s")), WrongData, "wave"),
        (lambda: plasma.total_pressure(quantity(-1.0, "nPa"), B), WrongData, "pressure"),
        (lambda: plasma.exb_drift(three([1, 0, 0], "mV/m"), three([0, 0, 1], "nT", "GSM")), WrongFrame, "GSM"),
        (lambda: plasma.exb_drift(three([1, 0, 0], "mV/m", ""), three([0, 0, 1], "nT")), WrongFrame, "does not say"),
        (lambda: plasma.exb_drift(three([1, 0, 0], "mV/m"), three([0, 0, 0], "nT")), WrongData, "strength of b"),
        (lambda: plasma.exb_drift(three([1, 0, 0], "km/s"), three([0, 0, 1], "nT")), WrongUnits, "km/s"),
        (lambda: plasma.exb_drift(B, three([0, 0, 1], "nT")), WrongData, "component"),
        (
            lambda: plasma.cross_product(*(three([1, 2, 3], "nT", component=["x", "x", "z"]),) * 2),
            WrongData,
            "two of one name",
        ),
    ],
)
def test_input_that_makes_no_sense_is_refused_by_name(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_arrays_on_other_times_are_refused():
    times = np.arange("2001-03-31", "2001-04-02", dtype="datetime64[D]").astype("datetime64[ns]")
    n = xr.DataArray([1.0, 2.0], {"time": times}, attrs={"units": "cm-3"})
    t = xr.DataArray([1.0, 2.0], {"time": times + np.timedelta64(1, "D")}, attrs={"units": "eV"})
    b = xr.DataArray([1.0, 2.0], {"time": times + np.timedelta64(1, "D")}, attrs={"units": "nT"})
    for call in (
        lambda: plasma.debye_length(n, t),
        lambda: plasma.upper_hybrid_frequency(b, n),
        lambda: plasma.mach_number(t.assign_attrs(units="km/s"), n.assign_attrs(units="km/s")),
    ):
        with pytest.raises(WrongData, match="not on the same axes"):
            call()


def test_a_value_that_cannot_be_is_named_with_its_unit():
    minus = xr.DataArray(-5.0, name="t", attrs={"units": "kelvin"})
    with pytest.raises(WrongData, match=r"lowest -6.9\d*e-23 J\)"):
        plasma.thermal_speed(minus, particle="proton")


@pytest.mark.parametrize(
    ("dim", "one", "other", "advice"),
    [
        ("time", [0, 1, 2], [0, 1, 3], "density.interp(time=b.time)"),
        ("component", ["x", "y", "z"], ["1", "2", "3"], "density.assign_coords(component="),
        ("component", ["x", "y", "z"], ["z", "y", "x"], "density.sel(component=b.component)"),
        ("spacecraft", ["a", "b", "c"], ["a", "c", "b"], "density.sel(spacecraft=b.spacecraft)"),
        ("spacecraft", ["a", "b", "c"], ["a", "c", "d"], "the same spacecraft"),
        ("time", [0, 1, 2], [0, 1], "density.interp(time=b.time)"),
    ],
)
def test_what_to_do_about_other_axes_is_said_with_the_arrays_own_names(dim, one, other, advice):
    b, density = (xr.DataArray(np.ones(len(at)), {dim: at}, [dim], attrs={"units": "1"}) for at in (one, other))
    with pytest.raises(WrongData) as refusal:
        on_same_axes(b=b, density=density)
    assert advice in str(refusal.value)


def test_components_in_different_orders_meet_by_their_labels():
    attrs = {"units": "nT", "frame": "GSE"}
    one = xr.DataArray([1.0, 2.0, 3.0], {"component": ["x", "y", "z"]}, ["component"], attrs=attrs)
    other = xr.DataArray([6.0, 5.0, 4.0], {"component": ["z", "y", "x"]}, ["component"], attrs=attrs)
    assert plasma.dot_product(one, other).item() == 1 * 4 + 2 * 5 + 3 * 6
    product = plasma.cross_product(one, other)
    np.testing.assert_array_equal(product, np.cross([1, 2, 3], [4, 5, 6]))
    assert product.component.values.tolist() == ["x", "y", "z"]
