"""Quality flags: masking by them, and that they follow what is derived."""

import numpy as np
import pytest
import xarray as xr

from analysis import plasma
from analysis.errors import BadOption, WrongData
from analysis.model import check

FLAGS = {
    "units": "1",
    "long_name": "Flag",
    "flag_values": [0, 1, 2],
    "flag_meanings": "filled interpolated measured",
}


def wind():
    data = xr.Dataset(
        {
            "density": ("time", [1.0, 2.0, 3.0], {"units": "cm-3", "long_name": "Density"}),
            "speed": ("time", [400.0, 500.0, 600.0], {"units": "km s-1", "long_name": "Speed"}),
            "kp": ("time", [1.0, 2.0, 3.0], {"units": "1", "long_name": "Kp"}),
            "density_quality": ("time", [2, 1, 0], FLAGS),
            "speed_quality": ("time", [2, 2, 1], FLAGS),
        }
    )
    return data


def test_only_measured_values_stay():
    kept = plasma.measured(wind())
    assert np.isnan(kept.density).values.tolist() == [False, True, True]
    assert np.isnan(kept.speed).values.tolist() == [False, False, True]
    assert not np.isnan(kept.kp).any()
    assert kept.density.attrs == wind().density.attrs


def test_interpolated_values_stay_where_that_will_do():
    assert np.isnan(plasma.measured(wind(), at_least="interpolated").density).values.tolist() == [
        False,
        False,
        True,
    ]


def test_asking_for_anything_changes_nothing():
    xr.testing.assert_equal(plasma.measured(wind(), at_least="filled"), wind())


def test_history_says_what_was_masked():
    assert plasma.measured(wind()).attrs["history"].endswith("plasma.measured(at_least='measured')")


def test_flags_that_travel_as_coordinates_reach_what_is_derived():
    data = wind().set_coords(["density_quality", "speed_quality"])
    ram = check(plasma.dynamic_pressure(data.density, data.speed))
    assert ram.dynamic_pressure_quality.values.tolist() == [2, 1, 0]
    assert set(ram.coords) == {"dynamic_pressure_quality"}


def test_flags_as_coordinates_mask_as_well():
    data = wind().set_coords(["density_quality", "speed_quality"])
    assert np.isnan(plasma.measured(data).density).values.tolist() == [False, True, True]


@pytest.mark.slow
def test_few_pressures_of_qin_and_denton_are_measured_in_all_they_are_made_of():
    # the file calls 35 % of Pdyn measured, but for most of these density or speed were filled or interpolated
    data = plasma.fetch("qin_denton_hourly")
    kept = check(plasma.measured(data))
    assert kept.pdyn.notnull().mean() == pytest.approx(0.085, abs=0.001)
    assert (data.pdyn_quality_as_given == 2).mean() == pytest.approx(0.3475, abs=0.001)
    assert (kept.pdyn.notnull() <= kept.density.notnull()).all()


@pytest.mark.parametrize(
    ("call", "error", "named"),
    [
        (lambda: plasma.measured(wind()[["kp"]]), WrongData, "kp"),
        (lambda: plasma.measured(wind().speed), WrongData, "DataArray"),
        (lambda: plasma.measured(wind(), at_least="perfect"), BadOption, "filled, interpolated, measured"),
        (
            lambda: plasma.measured(wind().assign(density_quality=("time", [1, 1, 1]))),
            WrongData,
            "density_quality lacks",
        ),
    ],
)
def test_flags_that_are_missing_or_not_understood_are_refused(call, error, named):
    with pytest.raises(error, match=named):
        call()


BITS = {
    "units": "1",
    "long_name": "Flags",
    "flag_masks": [255, 2, 8],
    "flag_values": [0, 2, 8],
    "flag_meanings": "good_data spike off_point",
}


def with_bits(values, attrs=BITS):
    return xr.Dataset({"flux": ("time", [1.0, 2.0, 3.0]), "flux_quality": ("time", values, attrs)})


def test_a_sample_with_any_warning_bit_is_not_kept():
    assert np.isnan(plasma.measured(with_bits([0, 2, 10])).flux).values.tolist() == [False, True, True]
    assert np.isnan(plasma.measured(with_bits([0, 64, np.nan])).flux).values.tolist() == [False, True, True]


@pytest.mark.slow
def test_of_the_flare_of_2017_the_146_seconds_that_carry_a_warning_go():
    goes = plasma.fetch("goes_xrs_20170910")
    for word in ("measured", "good_data"):
        assert int(plasma.measured(goes, at_least=word).xrs_b.notnull().sum()) == 7200 - 146


def test_one_warning_among_bits_is_no_rank():
    with pytest.raises(BadOption, match=r"good_data.*no rank"):
        plasma.measured(with_bits([0, 2, 10]), at_least="spike")


def test_words_are_ranked_as_they_stand_whatever_their_numbers():
    turned = {**FLAGS, "flag_values": [2, 1, 0]}
    data = with_bits([2, 1, 0], turned)
    assert np.isnan(plasma.measured(data).flux).values.tolist() == [True, True, False]
    assert np.isnan(plasma.measured(data, at_least="interpolated").flux).values.tolist() == [True, False, False]


def test_words_that_begin_with_good_stand_the_best_first():
    noaa = {**FLAGS, "flag_meanings": "good doubtful bad"}
    assert np.isnan(plasma.measured(with_bits([0, 1, 2], noaa), at_least="good").flux).values.tolist() == [
        False,
        True,
        True,
    ]


def test_a_word_that_only_some_flags_know_is_refused_and_says_which_know_it():
    data = wind().assign(
        flux=("time", [1.0, 2.0, 3.0]), flux_quality=("time", [0, 1, 2], {**FLAGS, "flag_meanings": "a b c"})
    )
    with pytest.raises(BadOption, match=r"flux_quality knows a, b, c; density, speed know 'measured'"):
        plasma.measured(data)


def flagged(name, values, units, attrs):
    return xr.DataArray(
        [1.0, 2.0], {f"{name}_quality": ("time", values, attrs)}, ["time"], name, {"units": units, "long_name": name}
    )


def test_the_worst_of_bits_has_the_bits_of_both():
    speed = check(plasma.alfven_speed(flagged("b", [0, 8], "nT", BITS), flagged("n", [8, 2], "cm-3", BITS)))
    assert speed.alfven_speed_quality.values.tolist() == [8, 10]
    assert speed.alfven_speed_quality.attrs["flag_masks"] == BITS["flag_masks"]


def test_the_worst_by_rank_is_not_the_lowest_number():
    turned = {**FLAGS, "flag_values": [2, 1, 0]}
    speed = plasma.alfven_speed(flagged("b", [0, 2], "nT", turned), flagged("n", [1, 0], "cm-3", turned))
    assert speed.alfven_speed_quality.values.tolist() == [1, 2]


@pytest.mark.parametrize(("attrs", "worst"), [(FLAGS, [0, 1]), (BITS, [2, 10])])
def test_the_length_of_a_vector_carries_the_worst_flag_of_its_components(attrs, worst):
    flags = [[2, 2, 0], [1, 2, 2]] if attrs is FLAGS else [[0, 2, 0], [0, 2, 8]]
    b = xr.DataArray(
        np.ones((2, 3)),
        {"b_quality": (("time", "component"), flags, attrs), "component": ["x", "y", "z"]},
        ["time", "component"],
        "b",
        {"units": "nT", "frame": "GSE"},
    )
    assert plasma.magnitude(b).b_magnitude_quality.values.tolist() == worst
    assert plasma.magnetic_pressure(b).magnetic_pressure_quality.values.tolist() == worst
