"""Times: UTC in, UTC out; mission clocks by their own scale."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from astropy.time import Time

from analysis.errors import BadTime
from analysis.model import span, to_utc, utc, utc_of_clock


@pytest.mark.parametrize(
    "instant",
    [
        "2001-03-31T08:00",
        "2001-03-31 08:00:00",
        "2001-03-31T08:00:00Z",
        "2001-03-31T10:00:00+02:00",
        np.datetime64("2001-03-31T08"),
        pd.Timestamp("2001-03-31T08:00", tz="UTC"),
        dt.datetime(2001, 3, 31, 8, tzinfo=dt.UTC),
        Time("2001-03-31T08:00:00", scale="utc"),
        Time("2001-03-31T08:01:04.184", scale="tt"),
    ],
)
def test_every_way_to_write_an_instant_gives_the_same_utc(instant):
    assert utc(instant) == np.datetime64("2001-03-31T08:00:00", "ns")
    assert utc(instant).dtype == "datetime64[ns]"


@pytest.mark.parametrize(
    "instant",
    [
        dt.datetime(2001, 3, 31),
        pd.Timestamp("2001-03-31"),
        "yesterday-ish",
        "2001-13-01",
        "9999-12-31",
        51999.0,
        True,
        None,
        [],
        np.datetime64("NaT"),
    ],
)
def test_what_is_no_instant_in_utc_is_refused_with_an_example(instant):
    with pytest.raises(BadTime, match=r"2001-03-31|time zone"):
        utc(instant)


def test_a_reversed_or_empty_interval_is_refused():
    with pytest.raises(BadTime, match="not after"):
        span("2001-04-01", "2001-03-31")
    with pytest.raises(BadTime, match="not after"):
        span("2001-04-01", "2001-04-01")


def test_leap_seconds_are_counted():
    before, after = to_utc(Time(["2016-12-31T23:59:59", "2017-01-01T00:00:01"], scale="utc"))
    elapsed_tai = (Time("2017-01-01T00:00:01") - Time("2016-12-31T23:59:59")).sec
    assert (after - before) / np.timedelta64(1, "s") == 2
    assert elapsed_tai == pytest.approx(3)


@pytest.mark.parametrize(
    ("mjdref", "fraction", "timesys", "epoch"),
    [
        (50814, 0.0, "TT", "1997-12-31T23:58:56.816"),  # Chandra, XMM: 1998.0 TT
        (56658, 7.775925925925926e-04, "TT", "2014-01-01T00:00:00.000"),  # NICER, XRISM family: 2014.0 UTC
        (51910, 7.428703703703703e-04, "TT", "2001-01-01T00:00:00.000"),  # Swift, Fermi: 2001.0 UTC
    ],
)
def test_a_mission_clock_starts_at_its_published_epoch(mjdref, fraction, timesys, epoch):
    start = utc_of_clock(0.0, mjdref=mjdref, mjdref_fraction=fraction, timesys=timesys)
    assert abs(start - np.datetime64(epoch, "ns")) < np.timedelta64(1, "ms")


def test_tdb_and_tt_clocks_differ_by_less_than_two_milliseconds():
    seconds = np.linspace(0, 3e7, 50)
    difference = utc_of_clock(seconds, mjdref=56000, timesys="TDB") - utc_of_clock(seconds, mjdref=56000, timesys="TT")
    assert 0 < np.abs(difference).max() < np.timedelta64(2, "ms")


def test_an_unknown_time_scale_is_refused():
    with pytest.raises(BadTime, match=r"'LOCAL'.*TDB"):
        utc_of_clock(0.0, mjdref=50814, timesys="LOCAL")
