"""Good times as sets, events cut along with them, and detectors that each have their own."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from tiers import examples

from analysis import xray
from analysis.errors import BadOption, OutsideCoverage, WrongData
from analysis.model import check

spans = st.lists(st.integers(0, 200), min_size=2, max_size=14, unique=True).map(sorted)
S = {"units": "s", "long_name": "Time"}


def pairs(values):
    return [(float(a), float(b)) for a, b in zip(values[::2], values[1::2], strict=False)]


def pairs_of(gti):
    return list(zip(gti.start.values.tolist(), gti.stop.values.tolist(), strict=True))


def open_at(gti, times):
    start, stop = gti.start.values[:, None], gti.stop.values[:, None]
    return ((times >= start) & (times < stop)).any(axis=0)


@pytest.mark.slow
@settings(max_examples=examples(40))
@given(one=spans, other=spans)
def test_sets_of_good_times_follow_boolean_algebra(made_events, one, other):
    tree = made_events([0], [(0, 1)])
    a, b = (xray.good_times(pairs(edges), like=tree) for edges in (one, other))
    times = np.arange(-1, 202) + 0.5
    for function, rule in (
        (xray.joined_good_times, np.logical_or),
        (xray.common_good_times, np.logical_and),
        (xray.good_times_without, lambda p, q: p & ~q),
    ):
        wanted = rule(open_at(a, times), open_at(b, times))
        if not wanted.any():
            with pytest.raises(OutsideCoverage):
                function(a, b)
            continue
        found = check(function(a, b))
        assert np.array_equal(open_at(found, times), wanted)
        assert (found.stop > found.start).all() and (found.start.values[1:] > found.stop.values[:-1]).all()


@settings(max_examples=examples(20))
@given(edges=spans)
def test_gaps_and_good_times_fill_the_span(made_events, edges):
    good = xray.good_times(pairs(edges), like=made_events([0], [(0, 1)]))
    gaps = check(xray.gap_times(good, span=(-1, 201)))
    total = float((gaps.stop - gaps.start).sum() + (good.stop - good.start).sum())
    assert total == pytest.approx(202)
    with pytest.raises(OutsideCoverage):
        xray.common_good_times(good, gaps)


def test_two_clocks_are_not_compared(made_events):
    tree = made_events([1], [(0, 10)])
    later = tree["gti"].to_dataset().assign_attrs(mjdref=50815.0)
    utc = tree["gti"].to_dataset().assign_attrs(timesys="UTC")
    for other in (later, utc):
        with pytest.raises(WrongData, match="clocks differ"):
            xray.common_good_times(tree, other)
        with pytest.raises(WrongData, match="clocks differ"):
            xray.in_good_times(tree, other)
    split = tree["gti"].to_dataset().assign_attrs(mjdref_int=50814, mjdref_frac=0.0, timesys="TDT")
    assert xray.common_good_times(tree, split).sizes["interval"] == 1


@pytest.mark.parametrize("given_pairs", [[(2, 1)], [(1, 1)], [(0, np.nan)], "ab", [(1, 2, 3)], [3.0], []])
def test_what_is_no_interval_is_refused(made_events, given_pairs):
    with pytest.raises(BadOption):
        xray.good_times(given_pairs, like=made_events([1], [(0, 10)]))


def test_thresholds_are_half_open_as_bands_are(made_events):
    curve = xray.light_curve(made_events([0.1, 1.1, 1.2, 2.1, 2.2, 2.3], [(0, 3)]), 1)  # 1, 2 and 3 ct/s
    assert pairs_of(xray.good_times_where(curve, above=2)) == [(1.0, 3.0)]
    assert pairs_of(xray.good_times_where(curve, below=2)) == [(0.0, 1.0)]


def test_an_event_at_the_end_of_a_range_of_time_is_outside_it_and_at_the_end_of_a_good_time_inside(made_events):
    tree = made_events([0, 10, 20], [(0, 30)])
    start, stop = (np.datetime64("1997-12-31T23:58:56.816") + np.timedelta64(s, "s") for s in (0, 20))
    assert xray.selected(tree, time=(start, stop))["events"].time.values.tolist() == [0, 10]
    assert xray.in_good_times(tree, xray.good_times([(0, 20)], like=tree))["events"].time.values.tolist() == [0, 10, 20]


def test_what_is_left_is_told_where_nothing_is(made_events):
    tree = made_events([1], [(0, 10)])
    away = xray.good_times([(20, 30)], like=tree)
    with pytest.raises(OutsideCoverage, match=r"from 0.0 to 10.0 s"):
        xray.in_good_times(tree, away)
    with pytest.raises(OutsideCoverage, match="no gap"):
        xray.gap_times(tree)
    with pytest.raises(BadOption, match="start < stop"):
        xray.gap_times(tree, span=(5, 5))
    with pytest.raises(BadOption, match="needs good time intervals"):
        xray.common_good_times()
    with pytest.raises(WrongData, match="NoneType"):
        xray.common_good_times(tree, None)


def test_flares_are_cut_out_with_their_time(made_events):
    quiet, flare = np.arange(0, 100) + 0.5, 50.01 + np.arange(0, 9.9, 0.05)
    tree = made_events(np.sort(np.append(quiet, flare)), [(0, 100)], exposure=80.0, livetime=80.0, ontime=100.0)
    curve = xray.light_curve(tree, 10)
    calm = xray.good_times_where(curve, below=2)
    cut = check(xray.in_good_times(tree, calm))
    assert cut["gti"].start.values.tolist() == [0, 60] and cut["gti"].stop.values.tolist() == [50, 100]
    assert cut["events"].sizes["event"] == 90
    attrs = cut["events"].attrs
    assert (attrs["ontime"], attrs["exposure"], attrs["livetime"]) == pytest.approx((90, 72, 72))
    assert float(xray.count_rate(cut, exposure="gti").rate) == pytest.approx(1)
    bright = xray.good_times_where(curve, above="2 ct/s")
    assert float((bright.stop - bright.start).sum()) == 10


def test_a_threshold_that_nothing_meets_says_what_there_is(made_events):
    curve = xray.light_curve(made_events([1, 2, 3], [(0, 10)]), 5)
    with pytest.raises(OutsideCoverage, match=r"its values are 0 to 0\.6"):
        xray.good_times_where(curve, above=100)
    with pytest.raises(BadOption, match="above= or below="):
        xray.good_times_where(curve)
    with pytest.raises(BadOption, match="no value lies between"):
        xray.good_times_where(curve, above=2, below=1)


def test_gaps_are_neither_above_nor_below(made_events):
    curve = xray.light_curve(made_events([1, 31], [(0, 10), (30, 40)]), 10)
    assert xray.good_times_where(curve, below=99).start.values.tolist() == [0, 30]


def test_an_exposure_without_dead_time_is_taken_out_and_said(made_events):
    tree = made_events([1, 2], [(0, 10)], exposure=7.0)
    cut = xray.in_good_times(tree, xray.good_times([(0, 5)], like=tree))
    assert "exposure" not in cut["events"].attrs and cut["events"].attrs["ontime"] == 5
    assert "dead time is not known" in cut["events"].attrs["history"]


# ------------------------------------------------------------------------------------------ each detector by its own


@pytest.fixture
def two_chips(made_events):
    """Chip 1 good for 100 s at 1 ct/s, chip 2 for the first 50 s at 2 ct/s; and what each recorded outside."""
    t1, t2 = np.arange(0, 100) + 0.5, np.arange(0, 60, 0.5) + 0.25
    time, chip = np.append(t1, t2), np.append(np.full(t1.size, 1), np.full(t2.size, 2))
    order = np.argsort(time)
    tree = made_events(time[order], [(0, 100)], pi=np.ones(time.size, int), x=chip[order] * 10.0, y=chip[order] * 10.0)
    tree["events"] = (
        tree["events"].to_dataset().assign(ccdnr=("event", chip[order], {"units": "1", "long_name": "Chip"}))
    )
    sets = xr.Dataset(
        {
            "start": ("interval", [0.0, 0.0], S),
            "stop": ("interval", [100.0, 50.0], S),
            "set": ("interval", np.array(["STDGTI01", "STDGTI02"], object), {"long_name": "Set"}),
            "detector": ("interval", [1, 2], {"units": "1", "long_name": "Detector"}),
        },
        attrs=tree["gti"].attrs,
    )
    tree["gti_sets"] = sets
    return tree


def test_an_event_belongs_to_the_good_times_of_its_own_chip(two_chips):
    curve = check(xray.light_curve(two_chips, 50))
    assert curve.counts.values.tolist() == [150, 50]  # the 20 of chip 2 after 50 s are not good
    assert "20 events outside" in curve.attrs["history"] and "ccdnr" in curve.attrs["history"]
    assert int(xray.image(two_chips, bin_size=1).counts.sum()) == 200
    assert int(xray.event_spectrum(two_chips).counts.sum()) == 200


def test_the_exposure_of_several_chips_gives_the_sum_of_their_rates(two_chips):
    curve = xray.light_curve(two_chips, 50)
    assert float(curve.rate[0]) == pytest.approx(3.0)
    assert float(curve.rate[1]) == pytest.approx(3.0)  # only chip 1 saw, and chip 1 brings a third of the rate
    spectrum = xray.event_spectrum(two_chips)
    assert float(spectrum.counts.sum() / spectrum.exposure) == pytest.approx(3.0)
    assert float(xray.count_rate(two_chips).rate) == pytest.approx(3.0)


def test_one_chip_alone_has_its_own_exposure(two_chips):
    for chip, rate, seconds in ((1, 1.0, 100.0), (2, 2.0, 50.0)):
        one = check(xray.selected(two_chips, where={"ccdnr": chip}))
        assert float(xray.event_spectrum(one).exposure) == pytest.approx(seconds)
        assert float(xray.count_rate(one).rate) == pytest.approx(rate)


def test_cutting_time_cuts_every_set(two_chips):
    cut = xray.in_good_times(two_chips, xray.good_times([(40, 60)], like=two_chips))
    assert cut["gti_sets"].stop.values.tolist() == [60, 50]
    assert cut["gti_sets"].detector.values.tolist() == [1, 2]
    assert int(xray.light_curve(cut, 20).counts.sum()) == 20 + 20


def test_a_chip_without_intervals_is_never_good(two_chips):
    tree = two_chips.copy()
    tree["gti_sets"] = tree["gti_sets"].to_dataset().isel(interval=[0])
    assert int(xray.light_curve(tree, 100).counts.sum()) == 100


def test_where_events_do_not_tell_their_detector_the_union_counts_and_it_is_said(two_chips):
    tree = two_chips.copy()
    tree["events"] = tree["events"].to_dataset().drop_vars("ccdnr")
    curve = xray.light_curve(tree, 100)
    assert int(curve.counts.sum()) == 220 and "not told" in curve.attrs["history"]


def test_chips_of_msh_15_52_have_3_s_apart():
    tree = xray.fetch("msh1552_acis_events")
    curve = xray.light_curve(tree, "1000 s")
    own = tree["gti_sets"].to_dataset().isel(interval=tree["gti_sets"].detector.values == 1)
    assert float((own.stop - own.start).sum()) == pytest.approx(19180.0, abs=0.01)
    assert 19180.0 < float(curve.exposure.sum()) < 19183.2
    assert int(curve.counts.sum()) == 258_419
