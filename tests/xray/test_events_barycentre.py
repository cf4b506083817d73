"""Arrival times at the barycentre, against astropy's light travel time and JPL's ephemerides."""

import astropy.units as u
import numpy as np
import pytest
import xarray as xr
from astropy.coordinates import EarthLocation, SkyCoord, get_body_barycentric_posvel
from astropy.time import Time
from hypothesis import given, settings
from hypothesis import strategies as st
from tiers import examples

from analysis import xray
from analysis.errors import BadOption, OutsideCoverage, WrongData, WrongFrame
from analysis.model import check
from analysis.model.clocks import tables_held

PULSAR = SkyCoord(228.4818, -59.1358, unit="deg")
GM = 4.925490947e-6  # s


def by_astropy(seconds, place, mjdref=50814.0):
    """Geocentric arrival times at the barycentre, TDB seconds, without the delay in the Sun's field."""
    centre = EarthLocation.from_geocentric(0, 0, 0, unit="m")
    tt = Time(mjdref, np.asarray(seconds) / 86400, format="mjd", scale="tt", location=centre)
    light = tt.light_travel_time(place, "barycentric", ephemeris="builtin")
    return ((tt.tdb + light) - Time(mjdref, format="mjd", scale="tdb")).sec


@pytest.mark.slow
@settings(max_examples=examples(15))
@given(ra=st.floats(0, 360), dec=st.floats(-60, 60), day=st.integers(0, 9000))
def test_the_geocentre_agrees_with_astropys_light_travel_time(made_events, ra, dec, day):
    t = day * 86400.0 + np.array([0.0, 4e4, 8e4])
    place = SkyCoord(ra, dec, unit="deg")
    moved = xray.barycentred(made_events(t, [(t[0], t[-1])]), place)
    shapiro = moved["events"].time.values - by_astropy(t, place)
    assert (shapiro <= 2 * GM * np.log(2) + 2e-7).all() and (shapiro > -1.3e-4).all()


@pytest.mark.slow
def test_the_delay_in_the_suns_field_is_greatest_behind_it(made_events):
    t = np.array([0.0])  # 1998-01-01
    from astropy.coordinates import get_sun

    sun = get_sun(Time(50814, format="mjd", scale="tt"))
    for away, wanted in ((180, 2 * GM * np.log(2)), (90, 0.0), (1, 2 * GM * np.log(1 - np.cos(np.radians(1))))):
        place = SkyCoord(sun.ra, sun.dec).directional_offset_by(0 * u.deg, away * u.deg)
        moved = xray.barycentred(made_events(t, [(0, 1)]), place)["events"].time.values
        assert moved - by_astropy(t, place) == pytest.approx(wanted, abs=3e-7)


def test_the_builtin_earth_is_that_of_jpl_to_microseconds():
    """MSH 15-52's first event; DE405 and DE430 (with jplephem 2.24, the same call) give these."""
    tree = xray.fetch("msh1552_acis_events")
    first = tree["events"].to_dataset().isel(event=[0])
    tree["events"] = first
    moved = float(xray.barycentred(tree, PULSAR)["events"].time[0] - first.time[0])
    for jpl in (DE405, DE430):
        assert moved == pytest.approx(jpl, abs=20e-6)


DE405, DE430 = 82.3885742276907, 82.38857501745224  # s


@pytest.fixture
def low_orbit():
    """A circular orbit of 6,900 km, positions each 60 s, in seconds of a clock from MJD 50814 TT."""
    t = np.arange(-300.0, 12000.0, 60)
    phase = 2 * np.pi * t / 5700
    attrs = {"units": "km", "long_name": "Position", "frame": "GCRS"}
    xyz = 6900 * np.array([np.cos(phase), np.sin(phase) * 0.8, np.sin(phase) * 0.6])
    return xr.Dataset(
        {name: ("time", v, attrs) for name, v in zip("xyz", xyz, strict=True)},
        coords={"time": ("time", t, {"units": "s", "long_name": "Time"})},
    )


def test_a_satellite_sees_the_wave_before_or_after_the_geocentre(made_events, low_orbit):
    t = np.linspace(0, 11000, 50)
    tree = made_events(t, [(0, 11000)])
    with_orbit, without = (xray.barycentred(tree, PULSAR, orbit=orbit) for orbit in (low_orbit, None))
    phase = 2 * np.pi * t / 5700
    r = 6900 * np.array([np.cos(phase), np.sin(phase) * 0.8, np.sin(phase) * 0.6])
    wanted = PULSAR.cartesian.xyz.value @ r / 299792.458
    difference = with_orbit["events"].time.values - without["events"].time.values
    left = difference - wanted  # v·r/c², up to 2.3 µs: the satellite's clock against the geocentre's
    with tables_held():
        velocity = get_body_barycentric_posvel("earth", Time(50814.0 + t / 86400, format="mjd", scale="tt").tdb)[1]
    v = velocity.xyz.to_value("km/s")
    assert 1e-6 < np.abs(left).max() < 3e-6
    assert np.abs(left - (v * r).sum(axis=0) / 299792.458**2).max() < 2e-8
    assert "satellite's orbit" in with_orbit["events"].attrs["history"]
    assert "no orbit given" in without["events"].attrs["history"]


def test_an_orbit_may_be_in_metres_and_utc(made_events, low_orbit):
    tree = made_events([100.0], [(0, 200)])
    other = xr.Dataset(
        {
            "position": (
                ("component", "time"),
                np.array([low_orbit[n].values for n in "xyz"]) * 1000,
                {"units": "m", "long_name": "Position", "frame": "J2000"},
            )
        },
        coords={
            "time": np.datetime64("1997-12-31T23:58:56.816", "ns")
            + (low_orbit.time.values * 1e9).astype("timedelta64[ns]")
        },
    )
    one, two = (float(xray.barycentred(tree, PULSAR, orbit=o)["events"].time[0]) for o in (low_orbit, other))
    assert one == pytest.approx(two, abs=1e-8)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (lambda o: o.assign(x=o.x.assign_attrs(frame="TEME")), WrongFrame, "TEME"),
        (lambda o: o.assign(x=o.x.assign_attrs(frame="")), WrongFrame, "not said"),
        (lambda o: o.isel(time=slice(0, 20)), OutsideCoverage, "the orbit covers"),
        (lambda o: o.isel(time=slice(None, None, 20)), WrongData, "1200 s apart"),
        (lambda o: o.isel(time=slice(0, 2)), WrongData, "at least four"),
        (lambda o: o.isel(time=slice(None, None, -1)), WrongData, "in order of time"),
        (lambda o: o.drop_vars("z"), WrongData, "'position'"),
        (lambda o: o.map(lambda v: (v / 1000).assign_attrs(v.attrs)), WrongData, "inside the Earth"),
        (lambda o: o.x, WrongData, "Dataset"),
    ],
)
def test_orbits_that_cannot_be_used_are_refused(made_events, low_orbit, change, error, match):
    with pytest.raises(error, match=match):
        xray.barycentred(made_events([5000.0], [(0, 10000)]), PULSAR, orbit=change(low_orbit))


def test_a_list_at_the_barycentre_is_not_moved_again(made_events):
    tree = made_events([1.0, 2.0], [(0, 5)])
    moved = check(xray.barycentred(tree, PULSAR))
    assert moved["events"].attrs["timesys"] == moved["gti"].attrs["timesys"] == "TDB"
    assert moved["events"].attrs["timeref"] == "SOLARSYSTEM" and moved["events"].attrs["mjdref"] == 50814.0
    with pytest.raises(WrongData, match="already"):
        xray.barycentred(moved, PULSAR)
    stated = tree.copy()
    stated["events"] = tree["events"].to_dataset().assign_attrs(timeref="SOLARSYSTEM")
    with pytest.raises(WrongData, match="already"):
        xray.barycentred(stated, PULSAR)


def test_events_and_good_times_move_together(made_events):
    tree = made_events([0.0, 1000.0, 5000.0], [(0, 1000), (4000, 5000)])
    moved = xray.barycentred(tree, PULSAR)
    assert moved["gti"].start.values[0] == moved["events"].time.values[0]
    assert moved["gti"].stop.values.tolist() == moved["events"].time.values[1:].tolist()
    assert int(xray.light_curve(moved, 100).counts.sum()) == 3


@pytest.mark.slow
def test_many_events_are_moved_as_few_are(made_events, low_orbit):
    t = np.linspace(0, 11000, 30_000)
    many = xray.barycentred(made_events(t, [(0, 11000)]), PULSAR, orbit=low_orbit)
    few = xray.barycentred(made_events(t[::300], [(0, 11000)]), PULSAR, orbit=low_orbit)
    np.testing.assert_allclose(many["events"].time.values[::300], few["events"].time.values, rtol=0, atol=5e-9)


def test_a_clock_of_utc_is_dated_through_its_leap_seconds(made_events):
    tt = made_events([0.0], [(0, 1)])
    utc = made_events([0.0], [(0, 1)])
    for name in ("events", "gti"):
        utc[name] = utc[name].to_dataset().assign_attrs(timesys="UTC")
    difference = xray.barycentred(utc, PULSAR)["events"].time - xray.barycentred(tt, PULSAR)["events"].time
    assert float(difference[0]) == pytest.approx(63.184, abs=0.01)  # TT − UTC in 1998, and 63 s of the Earth's way


@pytest.mark.parametrize("ephemeris", ["de430", "nowhere.bsp"])
def test_an_ephemeris_is_builtin_or_a_file(made_events, ephemeris):
    with pytest.raises(BadOption, match="neither 'builtin' nor a file"):
        xray.barycentred(made_events([1.0], [(0, 5)]), PULSAR, ephemeris=ephemeris)
