"""Products of archives, asked for through the same verbs as those that ship; the archives are on loopback."""

import json
import tomllib

import numpy as np
import pytest
import xarray as xr_
from servers.archive import status
from servers.hapi import HapiServer
from servers.hapi_data import Dataset, Parameter

from analysis import cmb, plasma, sample, store, xray
from analysis.archives import tap
from analysis.catalogue import declared
from analysis.errors import (
    AnalysisError,
    AnalysisWarning,
    BadOption,
    Offline,
    OutsideCoverage,
    UnknownProduct,
    UnknownServer,
    UnknownVariable,
    Unreachable,
)
from analysis.model import breaches, provenance_of, stamp

pytestmark = [pytest.mark.server, pytest.mark.slow]

COMMON = {"title": "Demo", "mission": "Loopback", "instrument": "None", "kind": "dataset"}
FRAME = {"coordinateSystemName": "GSE", "vectorComponents": ["x", "y", "z"]}


@pytest.fixture(autouse=True)
def empty_store(tmp_path, monkeypatch):
    monkeypatch.setenv("SANKO_HOME", str(tmp_path / "store"))


@pytest.fixture
def hapi():
    parameters = (
        Parameter("B_GSE", units="nT", fill="-1e31", size=(3,), more=FRAME, description="Magnetic field"),
        Parameter("N", units="#/cc", fill="-1e31", description="Density"),
        Parameter("T", units="K", fill="-1e31", description="Temperature"),
    )
    wind = Dataset("WIND_1MIN", parameters, start="2001-01-01", stop="2001-02-01", cadence="PT1M")
    with HapiServer([wind, Dataset("WIND_1HR", parameters[1:2], stop="2001-02-01", cadence="PT1H")]) as server:
        yield server


@pytest.fixture
def declare(monkeypatch):
    """Give a function that adds products to a field's table, as its TOML would."""
    tables = {field: dict(declared._declared(field)) for field in declared.FIELDS}
    monkeypatch.setattr(declared, "_declared", lambda field: tables[field])

    def add(field, name, /, **keys):
        tables[field][name] = declared.declaration(name, COMMON | keys, domain=field)

    add.tables = tables
    return add


@pytest.fixture
def wind(hapi, declare):
    """Declare a product of the HAPI server."""
    declare(
        "plasma",
        "demo_wind",
        archive="hapi",
        server=hapi.url,
        dataset="WIND_1MIN",
        variables={"b": "B_GSE", "density": "N"},
        attrs={"b": {"frame": "GSE"}},
        start="2001-01-01",
        stop="2001-02-01",
        example={"start": "2001-01-05", "stop": "2001-01-06"},
        references=["https://doi.org/10.0000/demo"],
        institution="Loopback Observatory",
        license="CC0",
        caveats=["made up"],
    )
    return hapi


def asked_for_data(server):
    return [asked for asked in server.asked if asked.endpoint == "data"]


# --------------------------------------------------------------------------------------------------- time series


def test_a_product_of_an_archive_is_what_the_archive_has_under_our_names(wind):
    data = plasma.fetch("demo_wind", "2001-01-05T00:30", "2001-01-05T02:00")
    times, density = wind.datasets["WIND_1MIN"].truth("N", "2001-01-05T00:30", "2001-01-05T02:00")
    assert breaches(data) == []
    assert set(data.data_vars) == {"b", "density"}
    np.testing.assert_array_equal(data.time.values, times)
    np.testing.assert_allclose(data.density.values, density)
    assert (data.density.units, data.b.frame) == ("cm-3", "GSE")
    assert all("T" not in asked.query["parameters"].split(",") for asked in asked_for_data(wind))


def test_it_says_whose_it_is_and_where_every_part_came_from(wind):
    data = plasma.fetch("demo_wind", "2001-01-05", "2001-01-06")
    said = provenance_of(data)
    assert data.attrs["title"] == "Demo"
    assert data.attrs["institution"] == "Loopback Observatory"
    assert data.attrs["license"] == "CC0"
    assert "https://doi.org/10.0000/demo" in data.attrs["references"]
    assert data.attrs["caveats"] == "made up"
    assert said["query"]["product"] == "demo_wind"
    text = json.dumps(said)
    assert wind.url in text and '"sha256"' in text and '"retrieved"' in text


def test_only_the_variables_asked_for_travel(wind):
    data = plasma.fetch("demo_wind", "2001-01-05", "2001-01-06", variables=["density"])
    assert set(data.data_vars) == {"density"}
    assert all(set(asked.query["parameters"].split(",")) <= {"Time", "N"} for asked in asked_for_data(wind))


def test_any_dataset_of_any_hapi_server_is_a_product_by_its_address(hapi):
    name = f"{hapi.url}/WIND_1HR"
    data = plasma.fetch(name, "2001-01-05", "2001-01-06")
    assert breaches(data) == []
    assert data.sizes["time"] == 24
    assert list(plasma.collect(name, start="2001-01-05", stop="2001-01-06").children) == ["WIND_1HR"]


def test_what_is_held_is_not_asked_for_again_and_serves_offline(wind):
    first = plasma.fetch("demo_wind", "2001-01-05", "2001-01-06")
    number = len(asked_for_data(wind))
    again = plasma.fetch("demo_wind", "2001-01-05", "2001-01-06")
    xr_.testing.assert_equal(first, again)
    assert len(asked_for_data(wind)) == number
    with store.offline():
        xr_.testing.assert_equal(first, plasma.fetch("demo_wind", "2001-01-05", "2001-01-06"))
        with pytest.raises(Offline, match="Of demo_wind the store holds 2001-01-05T00:00:00 to 2001-01-06T00:00:00"):
            plasma.fetch("demo_wind", "2001-01-05", "2001-01-06", variables=["density"])


def test_a_search_says_that_a_part_is_held_until_it_is_pruned(wind):
    def where():
        return plasma.search("demo_wind").set_index("product").loc["demo_wind", "where"]

    assert where() == "127.0.0.1:" + wind.url.split(":")[2].split("/")[0]
    plasma.fetch("demo_wind", "2001-01-05", "2001-01-06")
    assert where() == "cached"
    store.prune(0, unused_for=0)
    assert where() != "cached"


def test_a_lazy_fetch_is_the_same_data(wind):
    lazy = plasma.fetch("demo_wind", "2001-01-03", "2001-01-12", chunks={})
    assert lazy.density.chunks is not None
    eager = plasma.fetch("demo_wind", "2001-01-03", "2001-01-12")
    xr_.testing.assert_equal(lazy.compute(), eager)


@pytest.mark.parametrize(
    ("request_", "error", "told"),
    [
        (lambda: plasma.fetch("demo_wind"), BadOption, r"start='2001-01-05', stop='2001-01-06'\)"),
        (lambda: plasma.fetch("demo_wind", "2001-01-05"), BadOption, "needs stop"),
        (lambda: plasma.fetch("demo_wind", "2010-01-05", "2010-01-06"), OutsideCoverage, "2001-01-01 to 2001-02-01"),
        (
            lambda: plasma.fetch("demo_wind", "2001-01-05", "2001-01-06", variables=["densty"]),
            UnknownVariable,
            "near: density",
        ),
        (lambda: plasma.fetch("demo_wnd", "2001-01-05", "2001-01-06"), UnknownProduct, "demo_wind"),
        (lambda: plasma.fetch("cdawb/AC_H0_MFI", "2001-01-05", "2001-01-06"), UnknownServer, "did you mean cdaweb"),
        (lambda: plasma.fetch("https://example.org/AC_H0_MFI", "2001-01-05"), UnknownProduct, "https://…/hapi/"),
        (lambda: xray.fetch("cdaweb/AC_H0_MFI"), UnknownProduct, r"plasma\.fetch\('cdaweb/AC_H0_MFI'\)"),
        (lambda: plasma.fetch("AC_H0_MFI", "2001-01-05"), UnknownProduct, "cdaweb/AC_H0_MFI"),
        (lambda: plasma.fetch("ring_current_hourly", live=True), BadOption, "leave live=True out"),
    ],
)
def test_a_wrong_request_is_told_what_would_be_right_before_anyone_is_asked(wind, request_, error, told):
    with pytest.raises(error, match=told):
        request_()
    assert wind.asked == []


def test_a_dataset_that_the_server_does_not_have_is_told_the_near_ones(hapi):
    with pytest.raises(AnalysisError, match="WIND_1MIN"):
        plasma.fetch(f"{hapi.url}/WIND_1MN", "2001-01-05", "2001-01-06")


def test_offline_a_wrong_id_is_doubted_by_the_index_and_a_right_one_is_not():
    with store.offline():
        with pytest.raises(Offline, match=r"Besides, .*'AC_H0_MFX'; near are AC_H0_MFI"):
            plasma.fetch("cdaweb/AC_H0_MFX", "2001-01-01", "2001-01-02")
        with pytest.raises(Offline) as caught:
            plasma.fetch("cdaweb/AC_H0_MFI", "2001-01-01", "2001-01-02")
    assert "Besides" not in str(caught.value)


# ---------------------------------------------------------------------------------------------------------- files


@pytest.fixture
def days(archive, declare, tmp_path):
    """Serve a day a file, as netCDF, and declare the product."""
    whole = plasma.fetch("qin_denton_hourly", "2001-03-29", "2001-04-03", variables=["dst", "bz"])
    for day in ("20010329", "20010330", "20010331", "20010402"):
        begin = np.datetime64(f"{day[:4]}-{day[4:6]}-{day[6:]}", "ns")
        stop = begin + np.timedelta64(24, "h") - np.timedelta64(1, "ns")
        whole.sel(time=slice(begin, stop)).to_netcdf(tmp_path / day, engine="h5netcdf")
        archive.add(f"/2001/wind_{day}.nc", (tmp_path / day).read_bytes())
    template = f"{archive.url}/{{start:%Y}}/wind_{{start:%Y%m%d}}.nc"
    declare("plasma", "demo_days", archive="files", template=template, start="2001-03-29", stop="2001-04-03")
    return whole


def test_files_of_days_become_one_dataset_cut_to_the_interval(days, archive):
    data = plasma.fetch("demo_days", "2001-03-29T12:00", "2001-03-31T06:00")
    expected = days.sel(time=slice("2001-03-29T12:00", "2001-03-31T05:30"))
    assert breaches(data) == []
    np.testing.assert_array_equal(data.time.values, expected.time.values)
    np.testing.assert_array_equal(data.dst.values, expected.dst.values)
    said = provenance_of(data)
    assert [url.rpartition("_")[2] for url in said["urls"]] == ["20010329.nc", "20010330.nc", "20010331.nc"]
    assert [len(one) for one in said["sha256"]] == [64, 64, 64] and len(said["retrieved"]) == 3


def test_a_day_that_the_archive_does_not_have_is_a_gap_that_is_told(days):
    with pytest.warns(Warning, match="20010401"):
        data = plasma.fetch("demo_days", "2001-03-31", "2001-04-03")
    assert "not at the archive: " in data.attrs["history"]
    assert data.sizes["time"] == 48


def test_a_server_that_fails_gives_no_data_with_a_hole(days, archive):
    archive.faults["/2001/wind_20010330.nc"] = status(403)
    with pytest.raises(AnalysisError, match="wind_20010330"):
        plasma.fetch("demo_days", "2001-03-29", "2001-04-01")


# --------------------------------------------------------------------------------------------------- observations


@pytest.fixture
def observation(archive, declare):
    """Serve one observation as a folder of files and declare the product."""
    files = {"spectrum": "ngc7793_ulx4_pn.pha", "arf": "ngc7793_ulx4_pn.arf", "rmf": "ngc7793_ulx4_pn.rmf.gz"}
    templates = {}
    for child, name in files.items():
        ending = name.partition(".")[2]
        archive.add(f"/obs/0693760101/pn.{ending}", sample.path(name).read_bytes())
        templates[child] = f"{archive.url}/obs/{{obsid}}/pn.{ending}"
    declare(
        "xray",
        "demo_pn",
        kind="tree",
        archive="files",
        templates=templates,
        needs=["obsid"],
        example={"obsid": "0693760101"},
    )


def test_an_observation_is_a_tree_with_one_child_a_file(observation, archive):
    tree = xray.fetch("demo_pn", obsid="0693760101")
    shipped = xray.fetch("ngc7793_ulx4_pn")
    assert set(tree.children) == {"spectrum", "arf", "rmf"}
    assert breaches(tree) == []
    for child, node in tree.children.items():
        xr_.testing.assert_equal(node.to_dataset(), shipped[child].to_dataset())
        assert provenance_of(node)["urls"][0].startswith(archive.url)
    collected = xray.collect("demo_pn", obsid="0693760101")["demo_pn"]
    assert set(collected.children) == {"spectrum", "arf", "rmf"}


def test_the_events_of_each_camera_are_cut_to_the_interval_and_the_circle(archive, declare):
    archive.add("/a.fits.gz", sample.path("msh1552_acis_events.fits.gz").read_bytes())
    one = f"{archive.url}/a.fits.gz"
    declare("xray", "demo_two", kind="tree", archive="files", templates={"a": one, "b": one})
    declare("xray", "demo_one", kind="tree", archive="files", template=one)
    half = xray.fetch("demo_two", start="2000-08-14T15:00", stop="2000-08-14T17:00")
    whole = xray.fetch("demo_one")
    expected = xray.selected(whole, time=("2000-08-14T15:00", "2000-08-14T17:00"))["events"].sizes["event"]
    assert 0 < expected < whole["events"].sizes["event"]
    assert {child: node["events"].sizes["event"] for child, node in half.children.items()} == dict.fromkeys(
        ("a", "b"), expected
    )
    around = xray.fetch("demo_two", target="228.482 -59.136", radius="30 arcsec")
    assert all(node["events"].attrs["region"].startswith("circle") for node in around.children.values())


def test_what_has_no_times_is_not_cut_in_silence(observation, tables):
    with pytest.raises(BadOption, match="no time axis"):
        xray.fetch("demo_pn", obsid="0693760101", start="2012-01-01", stop="2013-01-01")
    with pytest.raises(BadOption, match="cannot be chosen by start or stop"):
        xray.fetch("demo_sources", target="1 2", radius="1 deg", start="2012-01-01", stop="2013-01-01")


def test_an_observation_must_be_named_and_be_there(observation):
    with pytest.raises(BadOption, match=r"needs obsid: xray\.fetch\('demo_pn', obsid='0693760101'\)"):
        xray.fetch("demo_pn")
    with pytest.raises(OutsideCoverage, match="0000000001"):
        xray.fetch("demo_pn", obsid="0000000001")


def test_an_archive_that_sends_another_observation_is_caught(observation, archive):
    for path in list(archive.pages):
        archive.pages[path.replace("0693760101", "0000000002")] = archive.pages[path]
    with pytest.raises(OutsideCoverage, match="not 0000000002"):
        xray.fetch("demo_pn", obsid="0000000002")


def test_a_band_of_an_archive_is_chosen_by_its_frequency(archive, declare):
    archive.add("/map_094.fits", sample.path("wmap7_w_iqu_nside32.fits").read_bytes())
    declare(
        "cmb",
        "demo_map",
        archive="files",
        template=f"{archive.url}/map_{{frequency:0>3}}.fits",
        needs=["frequency"],
        assume=dict(declared.product("cmb", "wmap7_w_iqu").assume),
    )
    sky = cmb.fetch("demo_map", frequency="94 GHz", nside=16)
    assert sky.sizes["cells"] == 12 * 16**2
    assert sky.sky.attrs["frequency"] == "94 GHz"
    with pytest.raises(BadOption, match="needs frequency"):
        cmb.fetch("demo_map")


# ---------------------------------------------------------------------------------------------------------- twins


def test_live_asks_the_archive_for_what_ships_over_the_same_interval(archive, declare, monkeypatch):
    name = "psp_fld_l2_mag_rtn_1min_20200104_v02.cdf"
    archive.add(f"/2020/{name}", sample.path(name).read_bytes())
    shipped = declared.product("plasma", "psp_mag_rtn_1min")
    declare(
        "plasma",
        "demo_psp",
        kind="tree",
        archive="files",
        template=f"{archive.url}/{{start:%Y}}/psp_fld_l2_mag_rtn_1min_{{start:%Y%m%d}}_v02.cdf",
        nodes=shipped.nodes,
        attrs=shipped.attrs,
    )
    keys = {"title": "", "kind": "tree", "file": shipped.file, "start": shipped.start, "stop": shipped.stop}
    declare("plasma", "psp_mag_rtn_1min", **keys, nodes=shipped.nodes, attrs=shipped.attrs, live="demo_psp")
    live = plasma.collect("psp_mag_rtn_1min", live=True)["psp_mag_rtn_1min"]
    held = plasma.collect("psp_mag_rtn_1min")["psp_mag_rtn_1min"]
    xr_.testing.assert_equal(live["field"].to_dataset(), held["field"].to_dataset())
    assert provenance_of(live["field"])["query"]["product"] == "demo_psp"


def test_live_asks_for_the_observation_that_ships(archive, declare):
    name = "msh1552_acis_events.fits.gz"
    archive.add("/4/754/evt2.fits.gz", sample.path(name).read_bytes())
    template = f"{archive.url}/{{obsid:[-1:]}}/{{obsid}}/evt2.fits.gz"
    declare("xray", "demo_events", kind="tree", archive="files", template=template, needs=["obsid"])
    declare("xray", "msh1552_acis_events", kind="tree", file=name, live="demo_events")
    live = xray.fetch("msh1552_acis_events", live=True)
    assert live["events"].attrs["obs_id"] == "754"
    assert [asked.path for asked in archive.asked] == ["/4/754/evt2.fits.gz"]


# --------------------------------------------------------------------------------------------------------- tables


@pytest.fixture
def tables(declare, monkeypatch):
    """Stand in for a TAP server: keep the queries, give one row for each."""
    asked = []

    def query(server, adql):
        asked.append((server, adql))
        columns = {"obsid": "754", "name": "MSH 15-52", "ra": 228.48, "dec": -59.14, "begun": 51770.5}
        columns |= {"sc_ra": 228.48, "sc_dec": -59.14, "sc_flux": 1e-12}
        units = {"begun": "d", "sc_flux": "erg cm-2 s-1", "obsid": None, "name": None}
        made = {
            key: ("row", [value], {"long_name": key} | ({"units": u} if (u := units.get(key, "deg")) else {}))
            for key, value in columns.items()
            if key in adql
        }
        told = {"query": {"adql": adql}, "urls": ["http://127.0.0.1/tap"], "sha256": ["0" * 64], "retrieved": "now"}
        whose = {"title": "t", "institution": "i", "source": "s", "license": "l", "references": ["r"], "history": []}
        return stamp(xr_.Dataset(made), **whose, provenance=told)

    monkeypatch.setattr(tap, "query", query)
    lists = [p.name for p in declare.tables["xray"].values() if p.source and "obsid" in p.variables]
    stand = [p.name for p in declare.tables["xray"].values() if p.source and p.source.observations]
    for name in {*lists, *stand}:
        del declare.tables["xray"][name]
    names = {"ra": "sc_ra", "dec": "sc_dec", "flux": "sc_flux"}
    declare(
        "xray", "demo_sources", archive="tap", server="heasarc", dataset="xmmssc", needs=["target"], variables=names
    )
    names = {"obsid": "obsid", "name": "name", "mjd": "begun"}
    declare("xray", "demo_list", archive="tap", server="heasarc", dataset="master", needs=["target"], variables=names)
    at = {"archive": "files", "template": "https://example.org/{obsid}.fits", "observations": "demo_list"}
    declare("xray", "demo_obs", kind="tree", needs=["obsid"], **at)
    return asked


def test_a_table_gives_the_rows_around_a_target(tables):
    rows = xray.fetch("demo_sources", target="228.48 -59.14", radius="30 arcsec", variables=["flux"])
    assert breaches(rows) == []
    assert (set(rows.data_vars), rows.sizes) == ({"flux"}, {"row": 1})
    circle = "1 = CONTAINS(POINT('ICRS', sc_ra, sc_dec), CIRCLE('ICRS', 228.48, -59.14, 0.008333333333))"
    assert tables == [("heasarc", f"SELECT sc_flux FROM xmmssc WHERE {circle}")]
    assert provenance_of(rows)["request"]["adql"] == tables[0][1]


def test_a_table_is_not_asked_for_without_a_radius_or_a_target(tables):
    with pytest.raises(BadOption, match="needs radius"):
        xray.fetch("demo_sources", target="228.48 -59.14")
    with pytest.raises(BadOption, match="needs target"):
        xray.fetch("demo_sources")
    assert tables == []


def test_a_search_online_adds_the_observations_near_the_place(tables):
    found = xray.search("228.48 -59.14", online=True)
    row = found[found["product"] == "demo_obs"].iloc[-1]
    assert (row.obsid, row["where"]) == ("754", "example.org")
    assert row.start == np.datetime64("2000-08-14T12:00")
    assert "MSH 15-52" in row.title
    assert list(xray.search("228.48 -59.14").columns) == list(found.columns[:8])


def test_an_archive_that_cannot_be_asked_is_named_and_the_others_are_given(tables, monkeypatch):
    def refused(server, adql):
        raise Unreachable("nobody there")

    monkeypatch.setattr(tap, "query", refused)
    with pytest.warns(AnalysisWarning, match="demo_list could not be asked"):
        assert xray.search("228.48 -59.14", online=True).empty


# --------------------------------------------------------------------------------------------------- declarations


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        ('archive = "hapi"\nserver = "cdaweb"', "needs server and dataset"),
        ('archive = "ftp"\ntemplate = "x"', "none of hapi"),
        ('archive = "files"', "either template or templates"),
        ('archive = "files"\ntemplate = "https://a/{obsid}.fits"', "{obsid}, which is not in needs"),
        ('archive = "files"\ntemplate = "https://a/b.fits"\nneeds = ["obs"]', "needs obs"),
        ('archive = "files"\ntemplate = "https://a/{start:%Y}"\nexample = { start = "2001" }', "lacks stop"),
        ('archive = "files"\ntemplate = "https://a/b.fits"\nfile = "b.fits"', "no file"),
        ('archive = "files"\ntemplate = "https://a/b.fits"\nnonsense = 1', "nonsense"),
        ('server = "cdaweb"\nfile = "a"', "server"),
        ('live = "x"', "one of file, files and recorded"),
        ('archive = "files"\ntemplate = "https://a/{start"', "written wrongly"),
        ('archive = "files"\ntemplate = "https://a/b"\nobservations = "x"', "needs obsid"),
    ],
)
def test_a_wrong_declaration_is_named(toml, told):
    with pytest.raises(AnalysisError, match="'demo'") as caught:
        declared.declaration("demo", COMMON | tomllib.loads(toml), domain="plasma")
    assert told in str(caught.value)
