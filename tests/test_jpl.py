"""Where bodies are and what they are: JPL's answers for Ceres, Apophis and 67P, recorded by astroquery's authors.

The recordings are those that astroquery 0.4.11 carries in its package (2018 and 2022-06-10); a server on loopback
gives them to astroquery's own classes.
"""

import hashlib
import json
import re
from importlib.resources import files

import numpy as np
import pytest
import xarray as xr
from servers.archive import Archive, cut, status

from analysis import store
from analysis.archives import jpl
from analysis.download import Limits
from analysis.errors import (
    BadAnswer,
    BadOption,
    BadTime,
    CorruptFile,
    MissingFile,
    Offline,
    OutsideCoverage,
    QueryRefused,
    TruncatedAnswer,
    UnknownTarget,
    Unreachable,
)
from analysis.model import breaches, provenance_of

HORIZONS = files("astroquery") / "jplhorizons" / "tests" / "data"
SBDB = files("astroquery") / "jplsbdb" / "tests" / "data"
QUICK = Limits(retries=1, first_pause=0.01, longest_pause=0.01, patience=5)
# JDTDB 2459740.5, the first of the recorded steps, as UTC: TDB runs 32.184 s + 37 s ahead.
FIRST, LAST = "2022-06-09T23:58:50.815", "2022-07-19T23:58:50.815"
AU_M, C, DAY = 149597870700.0, 299792458.0, 86400.0


class ByPath(dict):
    """Pages and faults whose addresses' queries don't matter."""

    def get(self, path, default=None):
        return super().get(path.partition("?")[0], default)


@pytest.fixture
def ssd(tmp_path, monkeypatch):
    """JPL's two services on loopback, an own store, astroquery's classes told where they are."""
    from astroquery import jplhorizons, jplsbdb

    monkeypatch.setenv("SANKO_HOME", str(tmp_path / "home"))
    with Archive() as archive:
        archive.pages, archive.faults = ByPath(), ByPath()
        # Their settings allow no address but JPL's.
        monkeypatch.setattr(jplhorizons.Conf, "horizons_server", archive.url + "/horizons")
        monkeypatch.setattr(jplsbdb.Conf, "server", archive.url + "/sbdb")
        yield archive


def vectors(**changes):
    told = {"step": "10 d", "kind": "smallbody", "frame": "ECLIPJ2000", "limits": QUICK, **changes}
    return jpl.state_vectors("Ceres", FIRST, LAST, **told)


def recorded(name):
    return (HORIZONS / name).read_bytes()


# ------------------------------------------------------------------------------------------ Horizons


@pytest.mark.server
def test_ceres_is_where_horizons_put_it(ssd):
    ssd.add("/horizons", recorded("ceres_vectors_range.txt"))
    ceres = vectors()
    assert ceres.position.dims == ("time", "component")
    assert ceres.position[0].values.tolist() == [-8.354726583796999e-01, 2.455132459520164, 2.314862198331841e-01]
    assert ceres.velocity[-1].values.tolist() == [-9.501062945928338e-03, -5.383255974656968e-03, 1.580176376657430e-03]
    assert ceres.position.attrs["units"] == "au" and ceres.position.attrs["frame"] == "ECLIPJ2000"
    assert float(ceres.distance[2]) == 2.592753928895136
    assert breaches(ceres) == []


@pytest.mark.server
def test_times_are_utc_though_horizons_counts_tdb(ssd):
    ssd.add("/horizons", recorded("ceres_vectors_range.txt"))
    behind = np.datetime64("2022-06-10") - vectors().time.values[0]
    # 37 leap seconds, 32.184 s from TAI to TT, and at most 2 ms from TT to TDB
    assert behind / np.timedelta64(1, "ns") / 1e9 == pytest.approx(69.184, abs=0.002)


@pytest.mark.server
def test_light_needs_its_time_for_the_distance(ssd):
    ssd.add("/horizons", recorded("ceres_vectors_range.txt"))
    ceres = vectors()
    np.testing.assert_allclose(ceres.light_time, ceres.distance * AU_M / C, rtol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(ceres.position, axis=1), ceres.distance, rtol=1e-14)
    along = (ceres.position * ceres.velocity).sum("component") / ceres.distance
    np.testing.assert_allclose(along, ceres.radial_velocity, rtol=1e-12)


@pytest.mark.server
def test_ceres_moves_as_the_suns_attraction_tells(ssd):
    ssd.add("/horizons", recorded("ceres_vectors_range.txt"))
    ceres = vectors(units="km")
    speed = np.linalg.norm(ceres.velocity, axis=1)
    semi_major = 1 / (2 / ceres.distance - speed**2 / 1.32712440041e11)  # vis viva
    # the osculating element of the same date in the recorded elements
    assert float(semi_major[0]) / 149597870.7 == pytest.approx(2.766380805878023, rel=1e-9)
    assert ceres.velocity.attrs["units"] == "km s-1"


@pytest.mark.server
def test_kilometres_and_astronomical_units_agree(ssd):
    ssd.add("/horizons", recorded("ceres_vectors_range.txt"))
    au, km = vectors(), vectors(units="km")
    np.testing.assert_allclose(km.position, au.position * AU_M / 1e3, rtol=1e-14)
    np.testing.assert_allclose(km.velocity, au.velocity * AU_M / 1e3 / DAY, rtol=1e-14)


@pytest.mark.server
def test_the_question_says_body_centre_scale_and_step(ssd):
    ssd.add("/horizons", recorded("ceres_vectors_range.txt"))
    vectors()
    from urllib.parse import parse_qs

    asked = {key: value[0].strip("\"'") for key, value in parse_qs(ssd.asked[0].path.partition("?")[2]).items()}
    assert asked["COMMAND"] == "Ceres;" and asked["CENTER"] == "@10" and asked["EPHEM_TYPE"] == "VECTORS"
    assert asked["REF_PLANE"] == "ECLIPTIC" and asked["VEC_CORR"] == "NONE"
    assert re.match("2022-06-10 00:00:00.00", asked["START_TIME"]) and asked["STEP_SIZE"] == "14400m"
    assert len(ssd.asked) == 1


@pytest.mark.server
def test_the_stop_is_left_out(ssd):
    ssd.add("/horizons", recorded("ceres_vectors_range.txt"))
    ceres = jpl.state_vectors("Ceres", FIRST, "2022-07-09T23:58:50.815", step="10 d", frame="ECLIPJ2000", limits=QUICK)
    assert ceres.sizes["time"] == 3


@pytest.mark.server
def test_provenance_leads_back_to_the_answer(ssd):
    ssd.add("/horizons", recorded("ceres_vectors_range.txt"))
    told = provenance_of(vectors())
    assert told["sha256"] == [hashlib.sha256(recorded("ceres_vectors_range.txt")).hexdigest()]
    assert told["urls"][0].startswith(ssd.url + "/horizons?") and told["query"]["target"] == "Ceres"
    assert "DE441" in vectors().attrs["source"] and vectors().attrs["target"] == "1 Ceres (A801 AA)"


@pytest.mark.server
def test_the_sky_of_an_observer(ssd):
    ssd.add("/horizons", recorded("ceres_ephemerides_range.txt"))
    sky = jpl.ephemeris("Ceres", "2022-06-10", "2022-07-20", step="10 d", kind="smallbody", limits=QUICK)
    assert sky.time.values[0] == np.datetime64("2022-06-10")  # this table counts UT already
    first = sky.isel(time=0)
    assert (float(first.ra), float(first.dec)) == (101.73343, 26.78554)
    assert float(first.delta) == 3.51731638211972 and first.delta.attrs["units"] == "AU"
    assert float(first.magnitude) == 8.741 and float(first.phase_angle) == 8.3884
    assert "azimuth" not in sky  # from the Earth's centre there is none
    assert sky.ra.attrs["frame"] == "ICRF" and breaches(sky) == []


@pytest.mark.server
def test_the_angles_at_sun_target_and_earth_make_a_triangle(ssd):
    ssd.add("/horizons", recorded("ceres_ephemerides_range.txt"))
    sky = jpl.ephemeris("Ceres", "2022-06-10", "2022-07-20", step="10 d", limits=QUICK)
    # law of sines; light time and aberration are left out
    ratio = np.sin(np.radians(sky.elongation)) / np.sin(np.radians(sky.phase_angle))
    sun_earth = 1.0155  # au, in June and July
    np.testing.assert_allclose(sky.sun_distance / sun_earth, ratio, rtol=2e-3)


@pytest.mark.server
@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (b"<html><title>Down for repair</title></html>", BadAnswer, "Down for repair"),
        (b"", BadAnswer, "something else"),
        (b"API VERSION: 1.1\nAPI SOURCE: NASA/JPL Horizons API\n\nMatching small-bodies: \n\nNo matches found.\n",
         UnknownTarget, "Ceres"),
        (b"API SOURCE: NASA/JPL Horizons API\n Multiple major-bodies match string \"MARS*\"\n\n 4  Mars Barycenter\n"
         b" 499  Mars\n\n Number of matches = 2. Use ID# to make unique selection.\n", UnknownTarget, "499  Mars"),
        (b"API SOURCE: NASA/JPL Horizons API\n No ephemeris for target \"Voyager 1\" prior to A.D. 1977-SEP-05\n",
         OutsideCoverage, "1977-SEP-05"),
    ],
    ids=["page", "nothing", "unknown", "ambiguous", "too-early"],
)  # fmt: skip
def test_what_is_no_table_is_an_error_that_says_why(ssd, answer, error, says):
    ssd.add("/horizons", answer)
    with pytest.raises(error, match=says):
        vectors()


@pytest.mark.server
def test_a_refusal_is_repeated_word_for_word(ssd):
    ssd.add("/horizons", recorded("tlist_error.txt"))
    with pytest.raises(QueryRefused, match="no TLIST values found"):
        vectors()
    ssd.faults["/horizons"] = [status(400, body=b"Bad request: unknown keyword")]
    with pytest.raises(QueryRefused, match=r"400.*unknown keyword"):
        vectors()


@pytest.mark.server
def test_a_table_that_ends_early_is_never_taken_for_whole(ssd):
    whole = recorded("ceres_vectors_range.txt")
    rows = [at.start() for at in re.finditer(rb"\n24597", whole)]
    for end in (rows[1] + 40, rows[3], whole.index(b"$$EOE")):
        ssd.add("/horizons", whole[:end])
        with pytest.raises(TruncatedAnswer):
            vectors()
    ssd.add("/horizons", whole[: rows[2]] + whole[whole.index(b"\n$$EOE") :])  # ends well, with two rows missing
    with pytest.raises(TruncatedAnswer, match="2 of 4 steps"):
        vectors()


@pytest.mark.server
def test_a_busy_server_and_a_cut_body_cost_a_retry(ssd):
    ssd.add("/horizons", recorded("ceres_vectors_range.txt"))
    ssd.faults["/horizons"] = [status(503)]
    assert vectors().sizes["time"] == 4
    ssd.faults["/horizons"] = [cut(5000)]
    assert vectors().sizes["time"] == 4
    ssd.faults["/horizons"] = status(503)
    with pytest.raises(Unreachable, match="503"):
        vectors()


@pytest.mark.server
def test_an_answer_in_other_axes_is_refused(ssd):
    ssd.add("/horizons", recorded("ceres_vectors_range.txt"))
    with pytest.raises(BadAnswer, match="Ecliptic"):
        vectors(frame="ICRF")


@pytest.mark.server
def test_dates_that_were_cut_to_minutes_are_noticed(ssd):
    whole = recorded("ceres_vectors_range.txt").replace(b"2459750.500000000", b"2459750.500300000")
    ssd.add("/horizons", whole)
    with pytest.raises(BadAnswer, match="differ"):
        vectors()


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"frame": "GSE"}, BadOption),
        ({"units": "m"}, BadOption),
        ({"step": "often"}, BadOption),
        ({"step": "0.1 s"}, BadOption),
        ({"step": "-1 h"}, BadOption),
        ({"step": "1 s"}, BadOption),
        ({"kind": "planet"}, BadOption),
        ({"centre": "@10' or '"}, BadOption),
        ({"target": 499}, BadOption),
        ({"start": "2022-08-01"}, BadTime),
        ({"stop": None}, BadOption),
    ],
)
def test_what_cannot_be_asked_is_not(changes, error):
    told = {"target": "499", "start": "2022-06-10", "stop": "2022-06-20", **changes}
    with store.offline(), pytest.raises(error):
        jpl.state_vectors(told.pop("target"), told.pop("start"), told.pop("stop"), **told)


def test_nobody_is_asked_offline():
    with store.offline(), pytest.raises(Offline):
        jpl.ephemeris("499", "2022-06-10", "2022-06-11")


# ------------------------------------------------------------------------------------------ SBDB


def test_apophis_passes_the_earth_in_april_2029():
    close = jpl.apophis()["approaches"].to_dataset()
    nearest = close.sortby("distance").isel(approach=0)
    assert nearest.body.item() == "Earth" and close.sizes["approach"] == 79
    # the recording says 2462240.407032288 TDB and 0.000252172816142565 au, about 37,700 km
    assert abs(nearest.time.values - np.datetime64("2029-04-13T21:44:58.404")) < np.timedelta64(1, "ms")
    assert float(nearest.distance) == 0.000252172816142565
    assert float(nearest.distance) * AU_M / 1e3 == pytest.approx(37_725, abs=1)
    assert float(nearest.speed) == 7.43332261672295 and nearest.speed.attrs["units"] == "km s-1"
    assert (close.distance_min <= close.distance).all() and (close.distance <= close.distance_max).all()
    assert (np.diff(close.time.values) > np.timedelta64(0)).all()


def test_speeds_of_the_approach_obey_the_earths_attraction():
    close = jpl.apophis()["approaches"].to_dataset()
    earth = close.where(close.body == "Earth", drop=True)
    escape = 2 * 398600.4418 / (earth.distance * AU_M / 1e3)
    np.testing.assert_allclose(earth.speed**2, earth.speed_infinity**2 + escape, rtol=2e-4)


def test_the_orbit_of_apophis_closes():
    orbit = jpl.apophis()["orbit"].to_dataset()
    a, e = float(orbit.semi_major_axis), float(orbit.eccentricity)
    assert (a, e) == (0.9224383019077086, 0.1911953048308701)
    assert float(orbit.perihelion_distance) == pytest.approx(a * (1 - e), rel=1e-12)
    assert float(orbit.aphelion_distance) == pytest.approx(a * (1 + e), rel=1e-12)
    assert float(orbit.period) == pytest.approx(365.2568983 * a**1.5, rel=1e-8)  # Gauss' year
    assert float(orbit.period * orbit.mean_motion) == pytest.approx(360, rel=1e-12)
    since = (orbit.epoch - orbit.perihelion_time).values / np.timedelta64(1, "ns") / 8.64e13
    since -= 1 / 86400  # the leap second at the end of 2008, which UTC does not count
    assert (since * float(orbit.mean_motion)) % 360 == pytest.approx(float(orbit.mean_anomaly), abs=1e-6)
    assert float(orbit.A2) == -5.592840054057059e-14 and orbit.A2.attrs["units"] in ("au / d2", "au/d2")
    assert orbit.inclination.attrs["frame"] == "ECLIPJ2000" and float(orbit.inclination_sigma) == 3.5025e-7


def test_physical_parameters_say_who_measured_them():
    physical = jpl.apophis()["physical"].to_dataset()
    assert float(physical.diameter) == 0.325 and float(physical.diameter_sigma) == 0.015
    assert physical.diameter.attrs["units"] == "km" and physical.diameter.attrs["reference"] == "T. Mueller (2013)"
    assert physical.type_smassii.item() == "Sq"
    assert "T. Mueller (2013)" in physical.attrs["references"].splitlines()
    assert "albedo_sigma" not in physical  # none is given


@pytest.mark.parametrize("name", ["apophis.dat", "ceres.dat", "ceres_missing_value.dat", "67P.dat", "phaethon.dat"])
def test_every_recorded_body_keeps_the_contract(name):
    tree = jpl.read_small_body(str(SBDB / name))
    assert breaches(tree) == []
    assert isinstance(tree, xr.DataTree) and tree["orbit"]["semi_major_axis"].attrs["units"] == "au"


def test_density_of_ceres_follows_from_its_size_and_attraction():
    physical = jpl.read_small_body(str(SBDB / "ceres.dat"))["physical"].to_dataset()
    mass = float(physical.gm) * 1e9 / 6.6743e-11
    volume = np.pi / 6 * (float(physical.diameter) * 1e3) ** 3
    assert mass / volume / 1e3 == pytest.approx(float(physical.density), abs=0.01)
    assert physical.extent.item() == "964.4 x 964.2 x 891.8"


def test_a_missing_number_is_nan_not_zero():
    answer = json.loads((SBDB / "apophis.dat").read_text())
    answer["ca_data"][3]["v_inf"] = None
    tree = _read(answer)
    assert np.isnan(tree["approaches"].speed_infinity.values).sum() == 1
    assert float(tree["approaches"].speed_infinity[0]) == 14.1607715013829


def test_a_body_without_approaches_has_no_such_node():
    answer = json.loads((SBDB / "ceres.dat").read_text())
    assert "approaches" not in _read({**answer, "ca_data": []}).children


def test_another_recording_is_not_taken_for_ours(monkeypatch, tmp_path):
    folder = tmp_path / "jplsbdb" / "tests" / "data"
    folder.mkdir(parents=True)
    monkeypatch.setattr("analysis.archives._sbdb.files", lambda _: tmp_path)
    with pytest.raises(MissingFile, match="astroquery"):
        jpl.apophis()
    (folder / "apophis.dat").write_bytes((SBDB / "apophis.dat").read_bytes() + b" ")
    with pytest.raises(CorruptFile, match=jpl.APOPHIS_SHA256):
        jpl.apophis()


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"<html>", b"\xff\xfe", b'{"object": {}}', b'{"object": 1}'])
def test_what_is_no_answer_is_refused(tmp_path, content):
    (tmp_path / "saved.json").write_bytes(content)
    with pytest.raises(CorruptFile, match=r"saved\.json"):
        jpl.read_small_body(tmp_path / "saved.json")


def test_a_file_that_is_not_there_is_missing(tmp_path):
    with pytest.raises(MissingFile):
        jpl.read_small_body(tmp_path / "none.json")


@pytest.mark.server
def test_a_small_body_is_asked_for_and_parsed(ssd):
    ssd.add("/sbdb", (SBDB / "67P.dat").read_bytes(), type="application/json")
    comet = jpl.small_body("67P", limits=QUICK)
    assert float(comet["orbit"]["eccentricity"]) == 0.6405847372930017
    assert set(comet["approaches"].body.values) >= {"Juptr", "Earth", "Mars"}
    assert provenance_of(comet["orbit"].to_dataset())["urls"][0].startswith(ssd.url + "/sbdb?sstr=67P&full-prec=true")


@pytest.mark.server
@pytest.mark.parametrize(
    ("code", "answer", "error", "says"),
    [
        (200, {"message": "specified object was not found", "code": "200"}, UnknownTarget, "not found"),
        (300, {"message": "many", "code": "300", "list": [{"pdes": "141P-A"}, {"pdes": "141P"}]},
         UnknownTarget, "141P-A, 141P"),
        (400, {"message": "unknown parameter", "code": "400"}, QueryRefused, "unknown parameter"),
        (200, {"surprise": 1}, BadAnswer, "no object"),
    ],
    ids=["none", "several", "refused", "nonsense"],
)  # fmt: skip
def test_a_body_that_cannot_be_told_is_named(ssd, code, answer, error, says):
    ssd.faults["/sbdb"] = status(code, body=json.dumps(answer).encode())
    with pytest.raises(error, match=says):
        jpl.small_body("Vulcan", limits=QUICK)


@pytest.mark.parametrize("name", ["", "  ", None, 99942])
def test_no_name_is_no_body(name):
    with pytest.raises(BadOption):
        jpl.small_body(name)


def _read(answer):
    from analysis.archives._sbdb import tree_of_answer

    return tree_of_answer(json.dumps(answer), "an answer", {"query": {}})
