"""Provenance of what is computed: from all inputs, not only the first."""

import xarray as xr

from analysis.model import derived


def made_of(origin, **more):
    return derived(xr.Dataset(), origin, title="Made", step="made", **more).attrs


def test_a_result_is_synthetic_if_any_input_is():
    real, made_up = xr.Dataset(), xr.DataArray(1.0, attrs={"synthetic": "true"})
    assert "synthetic" not in made_of(real) and "synthetic" not in made_of(real, also=[xr.Dataset()])
    assert made_of(real, also=[xr.Dataset(), made_up])["synthetic"] == made_of(made_up)["synthetic"] == "true"


def test_caveats_of_all_inputs_stay_each_once():
    one, other = xr.Dataset(attrs={"caveats": "coarse"}), xr.Dataset(attrs={"caveats": "a quiet day"})
    assert made_of(one, also=[other, one])["caveats"] == "coarse\na quiet day"


def test_a_region_stays_with_what_was_computed_inside_it():
    assert made_of(xr.Dataset(attrs={"region": "circle"}))["region"] == "circle"
