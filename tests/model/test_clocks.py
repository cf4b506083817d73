"""Times: UTC in, UTC out; mission clocks by their own scale."""

import datetime as dt
import warnings

import astropy.units as u
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from astropy.time import Time, TimeDelta

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


@pytest.mark.parametrize(
    "text", ["01/04/2001", "31/03/2001", "08:00", "now", "today", "2001Q1", "2001-W13-6", "200103"]
)
def test_text_that_could_be_read_in_more_than_one_way_is_not_guessed(text):
    with pytest.raises(BadTime, match="ISO 8601"):
        utc(text)


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2001-090", "2001-03-31"),
        ("2001-090T12:00", "2001-03-31T12:00"),
        ("2000-366", "2000-12-31"),
        ("2001-03-30T24:00", "2001-03-31"),
        ("2001-03-30T24:00:00+02:00", "2001-03-30T22:00"),
        ("20010331T080000Z", "2001-03-31T08:00"),
        ("2001", "2001-01-01"),
        ("2001-03", "2001-03-01"),
    ],
)
def test_forms_of_iso_8601_mean_what_the_standard_says(text, iso):
    assert utc(text) == np.datetime64(iso, "ns")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2001-366", "2001 has no day 366"),
        ("2016-12-31T23:59:60", "leap second"),
        ("2001-03-31T24:01", "ends at 24:00"),
    ],
)
def test_a_time_that_is_not_is_refused_with_the_true_reason(text, reason):
    with pytest.raises(BadTime, match=reason):
        utc(text)


def test_one_time_of_a_dataset_is_an_instant_and_several_are_not():
    times = xr.DataArray(np.array(["2001-03-31T08", "2001-03-31T09"], "datetime64[ns]"), dims="time")
    assert utc(times[0]) == utc(times.values[0]) == np.datetime64("2001-03-31T08", "ns")
    with pytest.raises(BadTime, match="2 times"):
        utc(times)


def test_a_quantity_or_a_duration_is_no_time():
    for wrong in (5 * u.s, TimeDelta(5, format="sec")):
        with pytest.raises(BadTime, match="2001-03-31"):
            utc(wrong)


def test_astropy_times_that_nanoseconds_cannot_hold_are_refused_and_not_wrapped():
    assert to_utc(Time("2261-12-31")) == np.datetime64("2261-12-31", "ns")
    assert to_utc(Time("1678-01-01")) == np.datetime64("1678-01-01", "ns")
    for year in ("3000", "1600", "2262"):
        with pytest.raises(BadTime, match="between 1678 and 2261"):
            utc(Time(f"{year}-01-01"))
    with pytest.raises(BadTime, match="between 1678 and 2261"):
        utc_of_clock([0.0, 1e12], mjdref=50814)


def test_masked_times_leap_seconds_and_times_without_utc_are_refused():
    masked = Time(["2001-01-01", "2002-01-01"])
    masked[0] = np.ma.masked
    with pytest.raises(BadTime, match="masked"):
        to_utc(masked)
    with pytest.raises(BadTime, match="leap second"):
        utc(Time("2016-12-31T23:59:60.5", scale="utc"))
    with pytest.raises(BadTime, match="'local'"):
        utc(Time("2001-01-01", scale="local"))


def test_a_reference_at_the_end_of_a_leap_second_may_be_written_with_eleven_decimals():
    midnight = np.datetime64("2017-01-01", "ns")
    for fraction in (0.00080074074, 0.00080074074074):  # 69.184 s, as files have it
        assert utc_of_clock(0.0, mjdref=57754, mjdref_fraction=fraction) - midnight == np.timedelta64(0, "ns")
    found = utc_of_clock([0.0, 1.0, -1.5], mjdref=57754, mjdref_fraction=0.00080074074)
    assert (abs(found - midnight - np.array([0, 10**9, -5 * 10**8])) < np.timedelta64(100, "ns")).all()
    with pytest.raises(BadTime, match="leap second"):
        utc_of_clock(-1e-5, mjdref=57754, mjdref_fraction=0.00080074074)


def test_years_whose_leap_seconds_nobody_knows_are_converted_without_a_stray_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert utc_of_clock(0.0, mjdref=62239.0, timesys="TT") == np.datetime64("2029-04-12T23:58:50.816", "ns")
        assert utc_of_clock(0.0, mjdref=33384.0, timesys="TAI") == np.datetime64("1950-04-13", "ns")


@pytest.mark.slow
def test_no_conversion_goes_to_the_network_for_tables(monkeypatch):
    from astropy.utils import iers

    asked = []
    monkeypatch.setattr(iers.iers, "download_file", lambda *args, **more: asked.append(args))
    monkeypatch.setattr(iers.IERS_Auto, "iers_table", None)
    measured = utc_of_clock(0.0, mjdref=57760.0, timesys="UT1")
    assert abs(measured - np.datetime64("2017-01-07", "ns")) < np.timedelta64(1, "s")
    with pytest.raises(BadTime, match="ut1"):
        utc_of_clock(0.0, mjdref=66000.0, timesys="UT1")
    assert asked == [] and iers.conf.auto_download
