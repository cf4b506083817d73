"""X-ray tables of archives through xray's verbs, at a real TAP server: GAVO DaCHS on loopback."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from servers.dachs import HARD_LIMIT, dachs, observations  # noqa: F401

from analysis import store, xray
from analysis.catalogue import declared
from analysis.errors import BadOption, Offline, OutsideCoverage, TruncatedAnswer, UnknownVariable
from analysis.model import breaches, provenance_of

pytestmark = [pytest.mark.server, pytest.mark.slow]

# what HEASARC's master catalogues call ours = what the table of the tests calls it
COLUMNS = {
    "obsid": "obs_id",
    "name": "instrument",
    "ra": "ra",
    "dec": "dec",
    "mjd": "start_mjd",
    "exposure": "exposure",
}


@pytest.fixture(autouse=True)
def at_dachs(dachs, monkeypatch, tmp_path):  # noqa: F811
    """Let each table of xray be the one of the tests."""
    monkeypatch.setenv("SANKO_HOME", str(tmp_path / "store"))
    table = dict(declared._declared("xray"))
    for name, product in table.items():
        if product.source is not None and product.source.archive == "tap":
            source = dataclasses.replace(product.source, server=f"{dachs}/tap", dataset="sanko_xobs.xobs")
            table[name] = dataclasses.replace(product, source=source, variables=COLUMNS)
    others = declared._declared
    monkeypatch.setattr(declared, "_declared", lambda field: table if field == "xray" else others(field))


def near(radius, place=(10.0, 20.0)):
    """Return the rows of the table within so many degrees of a place, by the haversine formula."""
    held = pd.DataFrame(observations())
    ra, dec, middle = np.radians(held["ra"] - place[0]), np.radians(held["dec"]), np.radians(place[1])
    half = np.sin((dec - middle) / 2) ** 2 + np.cos(dec) * np.cos(middle) * np.sin(ra / 2) ** 2
    return held[np.degrees(2 * np.arcsin(np.sqrt(half))) <= radius]


def test_the_rows_in_a_circle_come_and_no_others():
    rows = xray.fetch("chandra_observations", target="10.0 20.0", radius="3.03 arcmin")
    held = near(3.03 / 60)
    assert breaches(rows) == []
    assert sorted(rows.obsid.values) == sorted(held["obs_id"]) and rows.sizes["row"] == len(held) > 20
    by_id = dict(zip(held["obs_id"], held["start_mjd"], strict=True))
    assert rows.mjd.values.tolist() == [by_id[obsid] for obsid in rows.obsid.values]
    assert (rows.ra.units, rows.exposure.units, rows.mjd.units) == ("deg", "s", "d")
    assert "CONTAINS" in provenance_of(rows)["request"]["adql"]


def test_a_search_online_lists_what_the_tables_have_near_a_place():
    found = xray.search("10.0 20.0", online=True).query("product == 'chandra_events' and obsid != ''")
    held = near(0.25)
    assert sorted(found["obsid"]) == sorted(held["obs_id"])
    begun = dict(zip(held["obs_id"], held["began"], strict=True))
    assert all(row.start == np.datetime64(begun[row.obsid]) for row in found.itertuples())


def test_a_place_where_nobody_looked_has_no_rows():
    assert xray.fetch("chandra_observations", target="200.0 -40.0", radius="3 arcmin").sizes["row"] == 0


def test_a_circle_may_go_over_the_pole_and_over_the_first_meridian():
    for place, radius in ((350.0, 20.0), 19.0), ((190.0, 89.9), 69.645):
        rows = xray.fetch("chandra_observations", target="{} {}".format(*place), radius=f"{radius} deg")
        held = near(radius, place)
        assert 0 < rows.sizes["row"] == len(held) < HARD_LIMIT


def test_more_rows_than_the_server_sends_are_an_error():
    with pytest.raises(TruncatedAnswer, match=f"{HARD_LIMIT} of all rows"):
        xray.fetch("chandra_observations", target="10.0 20.0", radius="5 deg")


@pytest.mark.parametrize("radius", ["0 deg", "-3 arcmin", "181 deg", "nan deg"])
def test_a_circle_that_is_none_is_refused_and_gives_no_empty_table(radius):
    with pytest.raises(BadOption, match="radius"):
        xray.fetch("chandra_observations", target="10.0 20.0", radius=radius)


@pytest.mark.parametrize("obsid", ["o99999", "x' OR '1'='1", "'; DROP TABLE sanko_xobs.xobs; --", "日本'"])
def test_an_observation_that_is_not_there_is_said_so_whatever_is_in_its_name(obsid):
    with pytest.raises(OutsideCoverage, match="has no observation"):
        xray.fetch("xsa_observation", obsid=obsid)
    assert xray.fetch("xsa_observation", obsid="o00003").obsid.values.tolist() == ["o00003"]


def test_a_column_that_the_table_has_not_is_named():
    with pytest.raises(UnknownVariable, match="exposure"):
        xray.fetch("chandra_observations", target="10.0 20.0", radius="3 arcmin", variables=["exposur"])


def test_offline_a_table_says_that_it_needs_the_network():
    with store.offline(), pytest.raises(Offline):
        xray.fetch("chandra_observations", target="10.0 20.0", radius="3 arcmin")
