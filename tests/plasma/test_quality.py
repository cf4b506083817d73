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
