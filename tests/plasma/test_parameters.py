"""Plasma parameters against textbook numbers, scaling laws and wrong input."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from analysis import plasma
from analysis.errors import BadOption, MissingUnits, WrongData, WrongUnits
from analysis.model import check
from analysis.plasma import parameters

fields = st.floats(0.01, 1e5)
densities = st.floats(1e-3, 1e5)
factors = st.floats(0.01, 100)


def quantity(value, units, name=None):
    return xr.DataArray(value, name=name, attrs={"units": units, "long_name": name or "test"})


def test_constants_are_those_of_codata():
    from scipy import constants

    assert pytest.approx(constants.mu_0, rel=1e-8) == parameters.MU0
    assert pytest.approx(constants.k, rel=1e-12) == parameters.BOLTZMANN
    assert pytest.approx(constants.m_p, rel=1e-8) == parameters.PROTON_MASS
    assert pytest.approx(constants.physical_constants["alpha particle mass"][0], rel=1e-8) == parameters.ALPHA_MASS
    assert pytest.approx(constants.u, rel=1e-8) == parameters.ATOMIC_MASS


def test_alfven_speed_is_that_of_the_nrl_plasma_formulary():
    # NRL Plasma Formulary (2019), p. 29: v_A = 2.18e11 mu^-1/2 n^-1/2 B cm/s with B in gauss and n in cm-3
    speed = plasma.alfven_speed(quantity(1.0, "G"), quantity(1.0, "cm-3"))
    assert speed.item() == pytest.approx(2.18e11 * 1e-5, rel=2e-3)
    assert speed.attrs["units"] == "km s-1"


def test_beta_is_that_of_the_nrl_plasma_formulary():
    # NRL Plasma Formulary (2019), p. 29: beta = 4.03e-11 n T / B^2 with n in cm-3, T in eV, B in gauss
    pressure = plasma.thermal_pressure(quantity(1e10, "cm-3"), quantity(10.0, "eV"))
    assert plasma.plasma_beta(pressure, quantity(100.0, "G")).item() == pytest.approx(4.03e-11 * 1e11 / 1e4, rel=2e-3)


def test_magnetic_pressure_is_that_of_the_nrl_plasma_formulary():
    # NRL Plasma Formulary (2019), p. 29: B^2 / 8 pi = 3.98e6 (B / 1e4 gauss)^2 dynes/cm2
    assert plasma.magnetic_pressure(quantity(1.0, "T")).item() * 1e-9 * 10 == pytest.approx(3.98e6, rel=2e-3)


def test_protons_of_one_per_cc_at_one_km_per_s_press_with_1_6726e_6_npa():
    assert plasma.dynamic_pressure(quantity(1.0, "cm-3"), quantity(1.0, "km s-1")).item() == pytest.approx(
        1.6726e-6, rel=2e-5
    )


def test_five_percent_helium_gives_the_two_millionths_of_qin_and_denton():
    wind = quantity(1.0, "cm-3"), quantity(1.0, "km s-1")
    assert plasma.dynamic_pressure(*wind, helium_fraction=0.0493).item() == pytest.approx(2e-6, rel=2e-4)


@given(b=fields, n=densities, k=factors)
def test_alfven_speed_grows_with_the_field_and_falls_with_the_root_of_density(b, n, k):
    speed = plasma.alfven_speed(quantity(b, "nT"), quantity(n, "cm-3")).item()
    assert plasma.alfven_speed(quantity(k * b, "nT"), quantity(n, "cm-3")).item() == pytest.approx(k * speed)
    assert plasma.alfven_speed(quantity(b, "nT"), quantity(k * n, "cm-3")).item() == pytest.approx(speed / k**0.5)


@given(b=fields, p=st.floats(1e-6, 1e3), k=factors)
def test_beta_stays_when_pressure_grows_with_the_square_of_the_field(b, p, k):
    beta = plasma.plasma_beta(quantity(p, "nPa"), quantity(b, "nT")).item()
    assert plasma.plasma_beta(quantity(p * k**2, "nPa"), quantity(k * b, "nT")).item() == pytest.approx(beta)


@given(b=fields, p=st.floats(1e-6, 1e3))
def test_beta_is_thermal_over_magnetic_pressure(b, p):
    ratio = p / plasma.magnetic_pressure(quantity(b, "nT")).item()
    assert plasma.plasma_beta(quantity(p, "nPa"), quantity(b, "nT")).item() == pytest.approx(ratio)


@given(b=fields, n=densities)
def test_ram_pressure_at_the_alfven_speed_is_twice_the_magnetic_pressure(b, n):
    field, number = quantity(b, "nT"), quantity(n, "cm-3")
    ram = plasma.dynamic_pressure(number, plasma.alfven_speed(field, number))
    assert ram.item() == pytest.approx(2 * plasma.magnetic_pressure(field).item())


@given(t=st.floats(1.0, 1e9))
def test_kelvin_and_electronvolts_give_one_pressure(t):
    n = quantity(3.0, "cm-3")
    volts = t * 1.380649e-23 / 1.602176634e-19
    by_kelvin, by_volts = (
        plasma.thermal_pressure(n, quantity(t, "K")),
        plasma.thermal_pressure(n, quantity(volts, "eV")),
    )
    assert by_kelvin.item() == pytest.approx(by_volts.item(), rel=1e-9)


@given(x=st.floats(-1e4, 1e4), y=st.floats(-1e4, 1e4), angle=st.floats(0, 2 * np.pi))
def test_magnitude_does_not_change_with_rotation(x, y, angle):
    def vector(a, b):
        return xr.DataArray([a, b, 2.0], dims="component", name="b", attrs={"units": "nT", "frame": "GSE"})

    turned = vector(x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle))
    assert plasma.magnitude(turned).item() == pytest.approx(plasma.magnitude(vector(x, y)).item())


@pytest.mark.parametrize(
    ("b", "n"),
    [
        (quantity(5e-5, "G"), quantity(5.0, "#/cc")),
        (quantity(5e-5, "Gauss"), quantity(5e6, "m-3")),
        (quantity(5e-9, "T"), quantity(5.0, "1/cm**3")),
        (quantity(5000.0, "pT"), quantity(5.0, "cm^-3")),
    ],
)
def test_the_spelling_of_units_makes_no_difference(b, n):
    usual = plasma.alfven_speed(quantity(5.0, "nT"), quantity(5.0, "cm-3")).item()
    assert plasma.alfven_speed(b, n).item() == pytest.approx(usual, rel=1e-6)


def test_a_vector_serves_as_well_as_its_magnitude():
    b = xr.DataArray(
        [[3.0, 0.0, 4.0], [0.0, 6.0, 8.0]],
        dims=("time", "component"),
        coords={"component": ["x", "y", "z"]},
        attrs={"units": "nT", "frame": "GSE"},
    )
    n, p = quantity(5.0, "cm-3"), quantity(0.1, "nPa")
    assert plasma.magnitude(b).values.tolist() == [5.0, 10.0]
    xr.testing.assert_allclose(plasma.alfven_speed(b, n), plasma.alfven_speed(plasma.magnitude(b), n))
    xr.testing.assert_allclose(plasma.plasma_beta(p, b), plasma.plasma_beta(p, plasma.magnitude(b)))
    xr.testing.assert_allclose(plasma.magnetic_pressure(b), plasma.magnetic_pressure(plasma.magnitude(b)))


def test_heavier_ions_carry_slower_waves():
    b, n = quantity(10.0, "nT"), quantity(5.0, "cm-3")
    protons, oxygen = plasma.alfven_speed(b, n), plasma.alfven_speed(b, n, ion_mass="oxygen")
    by_mass = plasma.alfven_speed(b, n, ion_mass=quantity(15.994, "u"))
    assert protons.item() / oxygen.item() == pytest.approx((15.994 / 1.00728) ** 0.5, rel=1e-3)
    assert by_mass.item() == pytest.approx(oxygen.item(), rel=2e-5)


def test_nan_in_is_nan_out_and_nothing_else_is():
    n = xr.DataArray([5.0, np.nan, 5.0, 5.0], dims="time", attrs={"units": "cm-3"})
    b = xr.DataArray([5.0, 5.0, np.nan, 5.0], dims="time", attrs={"units": "nT"})
    assert np.isnan(plasma.alfven_speed(b, n)).values.tolist() == [False, True, True, False]
    vector = xr.DataArray([[1.0, np.nan, 2.0]], dims=("time", "component"), attrs={"units": "nT", "frame": "GSE"})
    assert np.isnan(plasma.magnitude(vector)).all()


@pytest.mark.parametrize(
    ("call", "error", "named"),
    [
        (lambda: plasma.alfven_speed(quantity(5.0, "nT"), quantity(-1.0, "cm-3")), WrongData, "density"),
        (lambda: plasma.alfven_speed(quantity(5.0, "nT"), quantity(0.0, "cm-3")), WrongData, "density"),
        (lambda: plasma.alfven_speed(quantity(-5.0, "nT"), quantity(1.0, "cm-3")), WrongData, "component"),
        (lambda: plasma.alfven_speed(quantity(5.0, "cm-3"), quantity(1.0, "cm-3")), WrongUnits, "b is in"),
        (lambda: plasma.alfven_speed(quantity(5.0, "nT"), quantity(1.0, "nPa")), WrongUnits, "density"),
        (lambda: plasma.alfven_speed(5.0, quantity(1.0, "cm-3")), MissingUnits, "float"),
        (lambda: plasma.alfven_speed(xr.DataArray(5.0), quantity(1.0, "cm-3")), MissingUnits, "b has no"),
        (
            lambda: plasma.alfven_speed(quantity(5.0, "nT"), quantity(1.0, "cm-3"), ion_mass=16),
            BadOption,
            "16",
        ),
        (
            lambda: plasma.alfven_speed(quantity(5.0, "nT"), quantity(1.0, "cm-3"), ion_mass="xenon"),
            BadOption,
            "oxygen",
        ),
        (lambda: plasma.plasma_beta(quantity(-0.1, "nPa"), quantity(5.0, "nT")), WrongData, "pressure"),
        (lambda: plasma.plasma_beta(quantity(0.1, "nPa"), quantity(0.0, "nT")), WrongData, "b holds"),
        (lambda: plasma.thermal_pressure(quantity(1.0, "cm-3"), quantity(5.0, "nT")), WrongUnits, "kelvin"),
        (
            lambda: plasma.thermal_pressure(quantity(1.0, "cm-3"), quantity(-5.0, "K")),
            WrongData,
            "temperature",
        ),
        (
            lambda: plasma.dynamic_pressure(quantity(1.0, "cm-3"), quantity(-400.0, "km/s")),
            WrongData,
            "speed",
        ),
        (
            lambda: plasma.dynamic_pressure(quantity(1.0, "cm-3"), quantity(4.0, "km/s"), helium_fraction=4),
            BadOption,
            "helium_fraction=4",
        ),
        (lambda: plasma.magnetic_pressure(quantity(np.inf, "nT")), WrongData, "infinite"),
        (lambda: plasma.magnitude(quantity([1.0, 2.0], "nT", "bt")), WrongData, "bt"),
    ],
)
def test_input_that_makes_no_sense_is_refused_by_name(call, error, named):
    with pytest.raises(error, match=named):
        call()


def test_arrays_on_other_times_are_refused_and_not_cut_to_what_they_share():
    times = np.arange("2001-03-31", "2001-04-03", dtype="datetime64[D]").astype("datetime64[ns]")
    n = xr.DataArray([1.0, 2.0, 3.0], {"time": times}, attrs={"units": "cm-3"})
    b = xr.DataArray([1.0, 2.0, 3.0], {"time": times + np.timedelta64(1, "D")}, attrs={"units": "nT"})
    with pytest.raises(WrongData, match="b and density are not on the same axes"):
        plasma.alfven_speed(b, n)
    with pytest.raises(WrongData, match="not on the same axes"):
        plasma.alfven_speed(b.drop_vars("time").isel(time=[0, 1]), n.drop_vars("time"))


def test_lazy_arrays_give_the_same_numbers_and_stay_lazy_until_asked():
    n = xr.DataArray(np.linspace(1, 20, 100), dims="time", attrs={"units": "cm-3"})
    v = xr.DataArray(np.linspace(300, 800, 100), dims="time", attrs={"units": "km s-1"})
    b = xr.DataArray(np.ones((100, 3)), dims=("time", "component"), attrs={"units": "nT", "frame": "GSE"})
    t = xr.DataArray(np.full(100, 1e5), dims="time", attrs={"units": "K"})

    def results(n, v, b, t):
        p = plasma.thermal_pressure(n, t)
        return [
            p,
            plasma.dynamic_pressure(n, v),
            plasma.plasma_beta(p, b),
            plasma.alfven_speed(b, n),
            plasma.magnitude(b),
        ]

    for lazy, eager in zip(results(*(a.chunk(time=30) for a in (n, v, b, t))), results(n, v, b, t), strict=True):
        assert lazy.chunks is not None
        xr.testing.assert_identical(lazy.compute(), eager)


def test_a_negative_density_in_a_lazy_array_is_refused_when_it_is_computed():
    n = xr.DataArray([1.0, -1.0], dims="time", attrs={"units": "cm-3"}).chunk(time=1)
    speed = plasma.alfven_speed(quantity(5.0, "nT"), n)
    with pytest.raises(WrongData, match="density"):
        speed.compute()


def test_inputs_are_left_as_they_were():
    n, v = quantity(5.0, "#/cc", "density"), quantity(400.0, "km/s", "speed")
    plasma.dynamic_pressure(n, v)
    assert (n.attrs["units"], n.name, v.attrs["units"]) == ("#/cc", "density", "km/s")


def test_a_result_from_synthetic_data_says_that_it_is_synthetic():
    b = quantity(5.0, "nT").assign_attrs(synthetic="true")
    assert plasma.alfven_speed(b, quantity(5.0, "cm-3")).attrs["synthetic"] == "true"
    assert "synthetic" not in plasma.magnetic_pressure(quantity(5.0, "nT")).attrs


def test_results_keep_the_data_contract():
    n, v, b = quantity(5.0, "#/cc", "n"), quantity(400.0, "km/s", "v"), quantity(5.0, "nT", "b")
    vector = xr.DataArray([1.0, 2.0, 2.0], dims="component", name="b", attrs={"units": "nT", "frame": "GSE"})
    pressure = plasma.thermal_pressure(n, quantity(1e5, "K"))
    for result in (
        pressure,
        plasma.dynamic_pressure(n, v),
        plasma.plasma_beta(pressure, b),
        plasma.alfven_speed(b, n),
        plasma.magnitude(vector),
        plasma.magnetic_pressure(b),
    ):
        check(result)


def test_masses_on_other_times_are_refused_and_not_cut_to_the_times_in_common():
    b, n = (quantity([5.0, 5.0], units).rename(dim_0="time").assign_coords(time=[0, 1]) for units in ("nT", "cm-3"))
    mass = quantity([1.0, 2.0], "u").rename(dim_0="time").assign_coords(time=[1, 2])
    with pytest.raises(WrongData, match="ion_mass are not on the same axes"):
        plasma.alfven_speed(b, n, ion_mass=mass)


def test_flags_and_origin_of_the_masses_reach_the_speed():
    flag = ("time", [0, 2], {"flag_values": [0, 2], "flag_meanings": "filled measured", "units": "1"})
    mass = xr.DataArray([1.0, 2.0], {"m_quality": flag}, ["time"], "m", {"units": "u", "synthetic": "true"})
    speed = plasma.alfven_speed(quantity(5.0, "nT"), quantity(5.0, "cm-3"), ion_mass=mass)
    assert speed.alfven_speed_quality.values.tolist() == [0, 2]
    assert speed.attrs["synthetic"] == "true"


def three(units):
    return xr.DataArray([1.0, 1.0, 1.0], dims="component", attrs={"units": units, "frame": "GSM"})


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: plasma.plasma_beta(three("nPa"), quantity(5.0, "nT")), "pressure"),
        (lambda: plasma.thermal_pressure(three("cm-3"), quantity(5.0, "eV")), "density"),
        (lambda: plasma.thermal_pressure(quantity(5.0, "cm-3"), three("eV")), "temperature"),
        (lambda: plasma.alfven_speed(quantity(5.0, "nT"), three("cm-3")), "density"),
        (lambda: plasma.alfven_speed(quantity(5.0, "nT"), quantity(5.0, "cm-3"), ion_mass=three("u")), "ion_mass"),
        (lambda: plasma.dynamic_pressure(three("cm-3"), quantity(5.0, "km/s")), "density"),
    ],
)
def test_a_vector_where_a_number_belongs_is_refused(call, named):
    with pytest.raises(WrongData, match=f"{named} is a vector"):
        call()


def test_a_fraction_may_be_a_number_of_numpy_but_no_truth_value():
    n, v = quantity(5.0, "cm-3"), quantity(400.0, "km/s")
    numpys = plasma.dynamic_pressure(n, v, helium_fraction=np.float32(0.5))
    assert numpys.item() == plasma.dynamic_pressure(n, v, helium_fraction=0.5).item()
    for wrong in (True, "0.5", None):
        with pytest.raises(BadOption, match="helium_fraction"):
            plasma.dynamic_pressure(n, v, helium_fraction=wrong)
