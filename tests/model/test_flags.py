"""Flags by the CF conventions: numbers and bits."""

import numpy as np
import pytest
import xarray as xr

from analysis.errors import WrongData
from analysis.model import bearing, bits_of


def words(values, **attrs):
    return {w: s.values.tolist() for w, s in bearing(xr.DataArray(values, dims="time", attrs=attrs)).items()}


def test_a_combination_of_bits_bears_each_of_its_words():
    found = words([0, 2, 6], flag_masks=[1, 2, 4], flag_meanings="eclipse spike off_point")
    assert found == {"eclipse": [False] * 3, "spike": [False, True, True], "off_point": [False, False, True]}


def test_values_under_a_mask_are_told_apart():
    found = words([4, 8, 12], flag_masks=[12, 12, 12], flag_values=[4, 8, 12], flag_meanings="low mid high")
    assert found == {"low": [True, False, False], "mid": [False, True, False], "high": [False, False, True]}


def test_a_value_without_a_flag_counts_as_warned():
    assert (bits_of(xr.DataArray([np.nan])) & 512).item() == 512


def test_flags_without_meanings_are_refused():
    with pytest.raises(WrongData, match="what do its values mean"):
        words([1], flag_masks=[1, 2], flag_meanings="one")
