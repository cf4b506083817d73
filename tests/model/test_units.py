"""Units: archive spellings, conversion, labels."""

import astropy.units as u
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from analysis.errors import MissingUnits, UnknownUnits, WrongUnits
from analysis.model import in_units, labelled, unit_of, unit_text
from analysis.model.spellings import WHOLE


@pytest.mark.parametrize("spelling", [*WHOLE])
def test_every_translation_parses_with_astropy(spelling):
    u.Unit(unit_text(spelling))


@pytest.mark.parametrize(
    ("spelling", "meaning"),
    [
        ("#/cc", "cm-3"),
        ("N/cm3", None),  # newton per cubic centimetre to astropy: left alone
        ("s!E-1!Ncm!E-2!Nster!E-1!NkeV!E-1!N", "s-1 cm-2 sr-1 keV-1"),
        ("particles / (s cm^2 sr MeV)", "s-1 cm-2 sr-1 MeV-1"),
        ("counts / s", "ct / s"),
        ("km/sec", "km/s"),
        ("degrees", "deg"),
        ("Re", "R_earth"),
        ("uK_CMB", "uK"),
        ("muK", "uK"),
        ("muK_CMB", "uK"),
        ("microK", "uK"),
        ("(muK_CMB)^2", "uK2"),
        ("μK_CMB", "uK"),
        ("eV/cm^2-s-sr-eV", "cm-2 s-1 sr-1"),
        ("G", "Gauss"),
        ("#/(cm^2-s-sr-MeV/nuc)", "cm-2 s-1 sr-1 MeV-1"),
        ("1/(SQcm-ster-s)", "cm-2 sr-1 s-1"),
        ("(cm^2 s sr keV)^-1", "cm-2 s-1 sr-1 keV-1"),
        ("c/s/ster/cm^2/keV", "ct s-1 sr-1 cm-2 keV-1"),
        ("(nT)^2/Hz", "nT2 Hz-1"),
        ("mV!u2!n/m!u2!n/Hz", "mV2 m-2 Hz-1"),
        ("km/s (All Qs)", "km s-1"),
        ("nT GSE (All Qs)", "nT"),
        ("Dimensionless", ""),
        ("[fraction]", ""),
        ("Percent", "%"),
        ("cm⁻³", "cm-3"),
        (" ", ""),
    ],
)
def test_an_archive_spelling_means_what_the_archive_meant(spelling, meaning):
    if meaning is not None:
        assert u.Unit(unit_text(spelling)) == u.Unit(meaning)
    else:
        assert unit_text(spelling) == spelling


@pytest.mark.parametrize(
    ("spelling", "meaning"), [("K_CMB", "K"), ("μK_CMB", "uK"), ("uK_CMB^2", "uK2"), ("K_RJ", "K")]
)
def test_a_scale_is_no_unit_even_where_another_package_made_it_one(spelling, meaning):
    made = {}
    for name in ("K_CMB", "K_RJ"):
        if isinstance(u.Unit(name, parse_strict="silent"), u.UnrecognizedUnit):  # else PySM was here
            u.def_unit([name], namespace=made, prefixes=True, doc="as PySM has it")
    with u.add_enabled_units(made):
        assert u.Unit("uK_CMB") != u.uK
        assert u.Unit(unit_text(spelling)) == u.Unit(meaning)


@pytest.mark.parametrize(
    "spelling",
    [
        "mV/m pT/Hz",  # (mV/m)(pT/Hz) to some, mV/(m pT Hz) to others
        "degrees F",  # degrees times farad to astropy
        "NA",  # nano-year in lower case
        "phase-space density",
        "#/s-cm2-sr-keV/q",  # energy per charge is no energy
    ],
)
def test_a_spelling_that_may_mean_two_things_stays_unknown(spelling):
    with pytest.raises(UnknownUnits):
        unit_text(spelling)


def test_an_unknown_spelling_is_refused_by_name_and_place():
    with pytest.raises(UnknownUnits, match=r"'blorb'.*demo\.cdf"):
        unit_text("blorb", "demo.cdf")


@given(value=st.floats(-1e6, 1e6), pair=st.sampled_from([("nT", "T"), ("#/cc", "m-3"), ("km/s", "m s-1")]))
def test_conversion_there_and_back_is_the_same_number(value, pair):
    have, want = pair
    array = xr.DataArray(value, name="a", attrs={"units": have})
    back = in_units(in_units(array, want), unit_text(have))
    assert float(back) == pytest.approx(value, rel=1e-12)


def test_conversion_brings_the_unit_and_the_name_along():
    array = xr.DataArray([1, 2], dims="time", name="b", attrs={"units": "nT", "frame": "GSM"})
    converted = in_units(array, "T")
    assert converted.attrs == {"units": "T", "frame": "GSM"}
    assert converted.name == "b"
    assert array.attrs["units"] == "nT"


def test_a_lazy_array_stays_lazy():
    lazy = xr.DataArray(np.ones(4), dims="x", attrs={"units": "nT"}).chunk({"x": 2})
    assert in_units(lazy, "T").chunks == ((2, 2),)


def test_a_number_without_units_is_refused():
    with pytest.raises(MissingUnits, match="units"):
        unit_of(5.0)
    with pytest.raises(MissingUnits, match="density"):
        in_units(xr.DataArray(5.0, name="density"), "cm-3")


def test_units_of_another_kind_are_refused_by_name():
    with pytest.raises(WrongUnits, match=r"speed.*km s-1.*cm-3"):
        in_units(xr.DataArray(400.0, name="speed", attrs={"units": "km s-1"}), "cm-3")


def test_a_label_leaves_no_attribute_of_the_input():
    field = xr.DataArray(2.0, name="b", attrs={"units": "nT", "frame": "GSE"})
    assert labelled(field**2, "b2", units="nT2", long_name="B squared").attrs == {
        "units": "nT2",
        "long_name": "B squared",
    }


@pytest.mark.parametrize("spelling", ["deg K", "Deg K", "degrees K", "degree K"])
def test_degrees_of_kelvin_are_kelvin(spelling):
    assert u.Unit(unit_text(spelling)) == u.K


@pytest.mark.parametrize("spelling", ["deg C", "Deg C", "degrees C"])
def test_degrees_of_celsius_are_no_angle(spelling):
    assert u.Unit(unit_text(spelling)) == u.deg_C


def test_a_unit_of_none_is_missing_and_not_dimensionless():
    with pytest.raises(MissingUnits, match="ratio"):
        unit_of(xr.DataArray(5.0, name="ratio", attrs={"units": None}))
    with pytest.raises(UnknownUnits, match="None"):
        unit_text(None)


def test_the_target_of_a_conversion_may_be_an_archive_spelling():
    converted = in_units(xr.DataArray(1.0, attrs={"units": "R_earth"}), "R_E")
    assert converted.attrs["units"] == "R_earth" and converted.item() == 1.0
    with pytest.raises(UnknownUnits, match="blorb"):
        in_units(converted, "blorb")
