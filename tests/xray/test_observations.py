"""One observation's files at an archive, here a file tree on loopback with the names that archives use."""

import dataclasses
import gzip
import io

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from archive_files import events as event_file
from astropy.io import fits
from servers.tree import Tree

from analysis import catalogue, sample, store, xray
from analysis.archives import tap
from analysis.errors import (
    AnalysisWarning,
    BadOption,
    Offline,
    OutsideCoverage,
    QueryRefused,
    UnknownProduct,
    Unreachable,
)
from analysis.model import breaches, provenance_of, stamp
from analysis.xray import archived_missions

XMM, PPS = "0693760101", "/FTP/xmm/data/rev0/0693760101/PPS"
RESPONSES = "/pub/ccf/constituents/extras/responses/PN"

# --------------------------------------------------------------------------------------------- one observation's files


def packed(name):
    held = sample.path(name).read_bytes()
    return held if held[:2] == b"\x1f\x8b" else gzip.compress(held, 1)


def image_file():
    header = fits.Header()
    for axis, kind, where in ((1, "RA---TAN", 359.46), (2, "DEC--TAN", -32.62)):
        header[f"CTYPE{axis}"], header[f"CUNIT{axis}"] = kind, "deg"
        header[f"CRPIX{axis}"], header[f"CRVAL{axis}"], header[f"CDELT{axis}"] = 8.5, where, 0.01 * (-1) ** axis
    file = io.BytesIO()
    fits.PrimaryHDU(np.arange(256, dtype="i4").reshape(16, 16), header).writeto(file)
    return gzip.compress(file.getvalue(), 1)


@pytest.fixture
def tree(monkeypatch, tmp_path):
    """Run a file tree to which the addresses of all missions' folders lead."""
    monkeypatch.setenv("SANKO_HOME", str(tmp_path / "store"))
    with Tree(style="apache-table") as running:

        def here(address):
            return running.url.rstrip("/") + "/" + address.split("/", 3)[3]

        moved = {
            name: dataclasses.replace(
                where,
                files=[{**rule, "folder": here(rule["folder"])} for rule in where.files],
                responses=[here(address) for address in where.responses],
            )
            for name, where in archived_missions.observatories().items()
        }
        monkeypatch.setattr(archived_missions, "observatories", lambda: moved)
        yield running


@pytest.fixture
def xmm(tree):
    """Fill in one XMM-Newton observation: one source with a spectrum, event lists of two cameras, an image, a plot."""
    stem = f"{PPS}/P{XMM}PNS003"
    tree.add(f"{stem}PIEVLI0000.FTZ", event_file(XMM))
    tree.add(f"{PPS}/P{XMM}M1S001MIEVLI0000.FTZ", event_file(XMM))
    tree.add(f"{stem}SRSPEC0012.FTZ", packed("ngc7793_ulx4_pn.pha"))
    tree.add(f"{stem}BGSPEC0012.FTZ", packed("ngc7793_ulx4_pn_background.pha"))
    tree.add(f"{stem}SRCARF0012.FTZ", packed("ngc7793_ulx4_pn.arf"))
    tree.add(f"{stem}IMAGE_8000.FTZ", image_file())
    tree.add(f"{stem}IMAGE_1000.FTZ", b"another band, not brought")
    tree.add(f"{stem}SRSPEC0012.PDF", b"a plot, not brought")
    tree.add(f"{PPS}/P{XMM}R1S004SRSPEC1001.FTZ", b"the grating's, not brought")
    tree.add(f"{RESPONSES}/PN.rmf", gzip.decompress(packed("ngc7793_ulx4_pn.rmf.gz")))
    return tree


@pytest.mark.server
@pytest.mark.slow
def test_an_observation_becomes_one_tree_that_can_be_folded_and_counted(xmm):
    found = xray.collect(mission="xmm", obsid=XMM)
    assert sorted(found.children) == ["mos1_s001", "pn_s003"]
    assert sorted(found["pn_s003"].children) == ["events", "gti", "gti_sets", "image", "source_18"]  # 12 in hexadecimal
    assert sorted(found["pn_s003/source_18"].children) == ["arf", "background", "rmf", "spectrum"]
    for node in found.subtree:
        assert not node.has_data or breaches(node.to_dataset(inherit=False)) == []
    shipped = xray.fetch("ngc7793_ulx4_pn")
    ours = found["pn_s003/source_18"]
    xr.testing.assert_equal(ours["spectrum"].to_dataset()["counts"], shipped["spectrum"].to_dataset()["counts"])
    assert xray.response(ours["rmf"], arf=ours["arf"]).sizes == xray.response(shipped["rmf"], arf=shipped["arf"]).sizes
    assert xray.light_curve(found["pn_s003"], "100 s").sizes["time"] > 0
    asked = {one.path.rpartition("/")[2] for one in xmm.asked}
    assert not {name for name in asked if "R1S004" in name or "PDF" in name or "IMAGE_1" in name}


@pytest.mark.server
@pytest.mark.slow
def test_each_node_says_from_which_file_it_came(xmm):
    found = xray.collect(mission="XMM-Newton", obsid=XMM, kinds="spectra")
    assert sorted(found.children) == ["pn_s003"]
    spectrum = found["pn_s003/source_18/spectrum"]
    told = provenance_of(spectrum.to_dataset())
    assert told["query"]["obsid"] == XMM and "SRSPEC0012.FTZ" in str(told)
    assert "PN.rmf" in str(provenance_of(found["pn_s003/source_18/rmf"].to_dataset()))
    assert "not checked against the server" in spectrum.attrs["caveats"]
    assert "ESA" in spectrum.attrs["institution"]


@pytest.mark.server
@pytest.mark.slow
def test_a_response_that_is_nowhere_is_warned_of_and_the_rest_is_given(xmm):
    xmm.drop(f"{RESPONSES}/PN.rmf")
    with pytest.warns(AnalysisWarning, match=r"response PN\.rmf .* is not where it was looked for"):
        found = xray.collect(mission="xmm", obsid=XMM, kinds="spectra")
    assert sorted(found["pn_s003/source_18"].children) == ["arf", "background", "spectrum"]
    assert "PN.rmf" in found["pn_s003/source_18/spectrum"].attrs["history"]


@pytest.mark.server
@pytest.mark.slow
def test_the_files_are_listed_by_what_they_are_and_none_is_brought(xmm):
    table = xray.observation_files("xmm", XMM)
    rows = table.set_index("node")
    assert rows.loc["pn_s003", "kind"] == "events" and rows.loc["pn_s003/image", "kind"] == "images"
    assert rows.loc["pn_s003/source_18/arf", ["camera", "source"]].tolist() == ["pn", 18]
    assert rows.loc["pn_s003/source_18/arf", "name"] == f"P{XMM}PNS003SRCARF0012.FTZ"
    assert rows["url"].str.startswith(xmm.url).all() and len(rows) == 6
    assert [one.path for one in xmm.asked] == [f"{PPS}/"]


@pytest.mark.server
@pytest.mark.slow
def test_with_many_sources_one_must_be_named(xmm):
    for number in range(1, 12):
        xmm.add(f"{PPS}/P{XMM}PNS003SRSPEC{number:04X}.FTZ", packed("ngc7793_ulx4_pn.pha"))
    with pytest.raises(BadOption, match=r"spectra of 12 sources \(1, 2, .*11, 18\): say which, source=1"):
        xray.collect(mission="xmm", obsid=XMM)
    found = xray.collect(mission="xmm", obsid=XMM, source=[18], kinds=["spectra"])
    assert list(found["pn_s003"].children) == ["source_18"]
    two = xray.collect(mission="xmm", obsid=XMM, source=[2, 18], kinds="spectra")["pn_s003"]
    assert sorted(two["source_2"].children) == ["rmf", "spectrum"]
    xr.testing.assert_identical(two["source_2/rmf"]["matrix"], two["source_18/rmf"]["matrix"])
    with pytest.raises(OutsideCoverage, match=r"no spectra of source 99; there are of 1, 2"):
        xray.collect(mission="xmm", obsid=XMM, source=99)


@pytest.mark.server
@pytest.mark.slow
def test_an_observation_without_spectra_says_so_only_if_they_are_asked_for(xmm):
    for name in ("SRSPEC0012.FTZ", "BGSPEC0012.FTZ", "SRCARF0012.FTZ"):
        xmm.drop(f"{PPS}/P{XMM}PNS003{name}")
    assert sorted(xray.collect(mission="xmm", obsid=XMM, kinds="images")["pn_s003"].children) == ["image"]
    with pytest.raises(OutsideCoverage, match=r"no spectra of this XMM-Newton observation.*event_spectrum"):
        xray.collect(mission="xmm", obsid=XMM, kinds=["spectra", "images"])


@pytest.mark.server
def test_an_observation_that_the_archive_has_not_is_said_to_be_missing(tree):
    tree.add("/FTP/xmm/data/rev0/0000000001/PPS/a.FTZ", b"x")
    with pytest.raises(OutsideCoverage, match=rf"observation {XMM}: the archive has no folder .*{XMM}/PPS/"):
        xray.observation_files("xmm", XMM)
    with pytest.raises(OutsideCoverage, match="its folders hold none of these files"):
        xray.observation_files("xmm", "0000000001")


NAMES = {
    ("chandra", "754"): {
        "/FTP/chandra/data/byobsid/4/754/primary/acisf00754N003_evt2.fits.gz": None,
        "/FTP/chandra/data/byobsid/4/754/primary/acisf00754N004_evt2.fits.gz": "acis",
        "/FTP/chandra/data/byobsid/4/754/primary/acisf00754N004_full_img2.fits.gz": "acis/image",
        "/FTP/chandra/data/byobsid/4/754/primary/acisf00754N004_cntr_img2.fits.gz": None,
        "/FTP/chandra/data/byobsid/4/754/primary/pcadf00754_000N001_asol1.fits.gz": None,
    },
    ("chandra", "433"): {
        "/FTP/chandra/data/byobsid/3/433/primary/hrcf00433_000N005_evt2.fits.gz": "hrc_000",
        "/FTP/chandra/data/byobsid/3/433/primary/hrcf00433_001N005_evt2.fits.gz": "hrc_001",
    },
    ("nustar", "60001110002"): {
        "/FTP/nustar/data/obs/00/6/60001110002/event_cl/nu60001110002A01_cl.evt.gz": "fpma",
        "/FTP/nustar/data/obs/00/6/60001110002/event_cl/nu60001110002B01_cl.evt.gz": "fpmb",
        "/FTP/nustar/data/obs/00/6/60001110002/event_cl/nu60001110002A02_cl.evt.gz": None,
    },
    ("nicer", "1200120106"): {
        "/FTP/nicer/data/obs/2018_03/1200120106/xti/event_cl/ni1200120106_0mpu7_cl.evt.gz": "xti",
        "/FTP/nicer/data/obs/2018_03/1200120106/xti/event_cl/ni1200120106_0mpu7_ufa.evt.gz": None,
    },
    ("swift", "00037562001"): {
        "/FTP/swift/data/obs/2018_03/00037562001/xrt/event/sw00037562001xpcw3po_cl.evt.gz": "xrt_pc_w3",
        "/FTP/swift/data/obs/2018_03/00037562001/xrt/event/sw00037562001xwtw2po_cl.evt.gz": "xrt_wt_w2",
        "/FTP/swift/data/obs/2018_03/00037562001/xrt/event/sw00037562001xpcw3po_uf.evt.gz": None,
    },
    ("xrism", "000126000"): {
        "/FTP/xrism/data/obs/0/000126000/resolve/event_cl/xa000126000rsl_p0px1000_cl.evt.gz": "resolve_px1000",
        "/FTP/xrism/data/obs/0/000126000/xtend/event_cl/xa000126000xtd_p0300000010_cl.evt.gz": "xtend_300000010",
    },
    ("suzaku", "100006010"): {
        "/FTP/suzaku/data/obs/1/100006010/xis/event_cl/ae100006010xi0_0_3x3n000a_cl.evt.gz": "xis0_0_3x3",
        "/FTP/suzaku/data/obs/1/100006010/xis/event_cl/ae100006010xi3_0_5x5n000a_cl.evt.gz": "xis3_0_5x5",
    },
    ("ixpe", "03250499"): {
        "/FTP/ixpe/data/obs/03/03250499/event_l2/ixpe03250499_det1_evt2_v01.fits.gz": None,
        "/FTP/ixpe/data/obs/03/03250499/event_l2/ixpe03250499_det1_evt2_v02.fits.gz": "du1",
        "/FTP/ixpe/data/obs/03/03250499/event_l2/ixpe03250499_det3_evt2_v02.fits.gz": "du3",
    },
}


@pytest.mark.server
@pytest.mark.parametrize(("mission", "obsid"), NAMES, ids=["-".join(key) for key in NAMES])
def test_the_files_of_each_mission_are_told_by_their_names(tree, mission, obsid):
    tree.fill(NAMES[mission, obsid])
    table = xray.observation_files(mission, obsid, start="2018-03-14")
    wanted = {path.rpartition("/")[2]: node for path, node in NAMES[mission, obsid].items() if node}
    assert dict(zip(table["name"], table["node"], strict=True)) == wanted


@pytest.mark.server
@pytest.mark.slow
def test_events_of_two_cameras_are_two_nodes_with_their_good_times(tree):
    for path in list(NAMES["nustar", "60001110002"])[:2]:
        tree.add(path, event_file("60001110002"))
    found = xray.collect(mission="nustar", obsid="60001110002")
    assert sorted(found.children) == ["fpma", "fpmb"] and {"events", "gti"} <= set(found["fpmb"].children)
    with pytest.raises(
        OutsideCoverage, match=r"of NuSTAR observations there are events here, but no spectra \(make one"
    ):
        xray.collect(mission="nustar", obsid="60001110002", kinds="spectra")


@pytest.mark.server
def test_an_archive_filed_by_month_asks_the_list_for_the_date(tree, monkeypatch):
    tree.fill(NAMES["nicer", "1200120106"])
    queries = []
    monkeypatch.setattr(tap, "query", lambda server, adql: (queries.append(adql), rows(time=[58191.5]))[1])
    assert xray.observation_files("nicer", "1200120106")["node"].tolist() == ["xti"]
    assert queries[0].endswith("FROM nicermastr WHERE obsid = '1200120106'")
    monkeypatch.setattr(tap, "query", lambda server, adql: rows(time=[]))
    with pytest.raises(OutsideCoverage, match="no start of NICER observation 1200120106; give start="):
        xray.observation_files("nicer", "1200120106")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"obsid": "0693760101"}, r"needs mission=.*xmm, nicer"),
        ({"obsid": "12"}, r"numbers like it have chandra"),
        ({"mission": "xmm"}, "needs obsid="),
        ({"mission": "xmmm", "obsid": XMM}, "did you mean 'xmm'"),
        ({"mission": "xmm", "obsid": "754"}, r"no observation of XMM-Newton.*10 digits"),
        ({"mission": "chandra", "obsid": True}, "no observation of Chandra"),
        ({"mission": "chandra", "obsid": "75x"}, r"no observation of Chandra.*1 to 5 digits"),
        ({"mission": "xmm", "obsid": XMM, "kinds": "spectrum"}, "kinds='spectrum'"),
        ({"mission": "xmm", "obsid": XMM, "kinds": []}, "kinds=\\[\\]"),
        ({"mission": "xmm", "obsid": XMM, "kinds": 3}, "kinds=3"),
        ({"mission": "xmm", "obsid": XMM, "source": 0}, "source=0"),
        ({"mission": "xmm", "obsid": XMM, "source": "1"}, "source='1'"),
        ({"mission": "nustar", "obsid": "60001110002", "source": 1}, "no files of single sources"),
        ({"mission": "xmm", "obsid": XMM, "live": True}, "not both"),
    ],
)
def test_an_observation_asked_for_wrongly_is_told_what_would_be_right(asked, told):
    with pytest.raises(BadOption, match=told):
        xray.collect(**asked)


def test_products_and_an_observation_are_not_mixed():
    with pytest.raises(BadOption, match="not both"):
        xray.collect("ngc7793_ulx4_pn", mission="xmm", obsid=XMM)
    with pytest.raises(BadOption, match="source is for an observation"):
        xray.collect("ngc7793_ulx4_pn", source=1)
    with pytest.raises(UnknownProduct):
        xray.collect("ngc7793_ulx4", obsid=XMM)


# ----------------------------------------------------------------- observations of all missions in one table


def rows(**columns):
    """Return an answer of a TAP server with these columns."""
    units = {"ra": "deg", "dec": "deg", "duration": "s", "time": "d", "start_time": "d", "public_date": "d"}
    units |= {name: "s" for name in ("exposure", "exposure_a", "xrt_exposure", "gis_exposure")}
    made = {}
    for name, values in columns.items():
        array = np.asarray(values, object if values and isinstance(values[0], str) else float)
        made[name] = (
            "row",
            array,
            {"long_name": name} | ({"units": units.get(name, "1")} if array.dtype != object else {}),
        )
    whose = {"title": "t", "institution": "i", "source": "s", "license": "l", "references": ["r"], "history": []}
    return stamp(xr.Dataset(made), **whose, provenance={})


@pytest.fixture
def lists(monkeypatch):
    """Answer for HEASARC's lists: two pointings a list, the second planned; give the answers, to be changed."""
    answers = {}

    def query(server, adql):
        table = adql.split(" FROM ")[1].split()[0]
        if isinstance(answers.get(table), Exception):
            raise answers[table]
        asked = adql.split(" FROM ")[0].removeprefix("SELECT ").split(", ")
        held = {"ra": [10.1, 10.0], "dec": [20.0, 20.0]}
        held |= {name: [56000.25, 0.0] for name in ("time", "start_time")} | {"public_date": [56365.25, 88068.0]}
        held |= {name: [1e4, 0.0] for name in ("exposure", "exposure_a", "xrt_exposure", "gis_exposure", "duration")}
        made = rows(**{name: held.get(name, [f"{table}1 ", f"{table}2 "]) for name in asked})
        return answers.get(table, lambda made: made)(made)

    monkeypatch.setattr(tap, "query", query)
    return answers


@pytest.mark.slow
def test_all_missions_are_in_one_table_the_nearest_first(lists):
    table = xray.observations("10.0 20.0", "10 arcmin")
    assert set(table["mission"]) == set(catalogue.observed_missions("xray")) and len(table) == 24
    assert {"Chandra", "XMM-Newton", "NuSTAR", "Swift", "NICER", "XRISM", "Suzaku", "IXPE", "ROSAT"} < set(
        table["mission"]
    )
    assert table["separation"].is_monotonic_increasing and table["separation"][0] == 0
    # 0.1 deg along a parallel: a little less than 6' cos(dec)
    assert table["separation"].iloc[-1] == pytest.approx(6 * np.cos(np.radians(20)), rel=1e-6)
    row = table.query("mission == 'Chandra' and separation > 0").iloc[0]
    assert (row.obsid, row.target, row.exposure, row.products) == ("chanmaster1", "chanmaster1", 1e4, "chandra_events")
    assert row.start == pd.Timestamp("2012-03-14T06:00") and row.public == pd.Timestamp("2013-03-14T06:00")
    assert table.attrs["units"]["separation"] == "arcmin"


def test_what_is_planned_or_has_no_date_of_release_has_none(lists):
    planned = xray.observations("10.0 20.0", mission=["nustar", "IXPE"]).query("separation == 0")
    assert planned["start"].isna().all() and planned["public"].isna().all()


def test_an_observation_that_several_products_bring_is_one_row(lists):
    table = xray.observations("10.0 20.0", mission="xmm-newton")
    assert (
        table["products"].tolist() == ["xmm_pn_events, xmm_mos_events"] * 2
        or table["products"].tolist() == ["xmm_mos_events, xmm_pn_events"] * 2
    )
    assert xray.observations("10.0 20.0", mission="ROSAT")["products"].tolist() == ["", ""]


def test_sorted_by_start_the_oldest_comes_first_and_the_planned_last(lists):
    table = xray.observations("10.0 20.0", mission=["Chandra"], sort="start")
    assert table["obsid"].tolist() == ["chanmaster1", "chanmaster2"]


@pytest.mark.parametrize("error", [Unreachable("nobody there"), QueryRefused("no column exposure_a")])
def test_an_archive_that_fails_is_named_and_the_others_are_given(lists, error):
    lists["numaster"] = error
    with pytest.warns(AnalysisWarning, match=f"nustar_observations could not be asked.*{error}"):
        table = xray.observations("10.0 20.0")
    assert "NuSTAR" not in set(table["mission"]) and len(table) == 22


def test_an_exposure_of_an_unknown_unit_is_no_exposure(lists):
    def bare(made):
        made["exposure"].attrs["units"] = "1"
        return made

    lists["chanmaster"] = bare
    assert xray.observations("10.0 20.0", mission="chandra")["exposure"].isna().all()


def test_a_list_that_answers_in_a_unit_that_is_no_time_is_named(lists):
    def wrong(made):
        made["exposure"].attrs["units"] = "keV"
        return made

    lists["chanmaster"] = wrong
    with pytest.warns(AnalysisWarning, match="chandra_observations could not be asked"):
        assert "Chandra" not in set(xray.observations("10.0 20.0")["mission"])


def test_exposures_in_another_unit_become_seconds(lists):
    def kiloseconds(made):
        made["exposure"] = made["exposure"] / 1000
        made["exposure"].attrs.update(units="ks", long_name="exposure")
        return made

    lists["chanmaster"] = kiloseconds
    assert xray.observations("10.0 20.0", mission="chandra")["exposure"].tolist() == pytest.approx([0, 1e4])


def test_an_observation_listed_in_parts_has_the_sum_of_their_exposures(lists):
    def parts(made):
        again = made.isel(row=[0, 1, 1, 1]).copy(deep=True)
        again["obsid"][:] = "20056-01-01-00"
        again["time"][:] = [56000.5, 56000.25, 56000.25, 56001.0]  # one of them twice
        again["exposure"][:] = [1000.0, 3000.0, 3000.0, 500.0]
        return again

    lists["xtemaster"] = parts
    table = xray.observations("10.0 20.0", mission="RXTE")
    assert table["exposure"].tolist() == [4500.0] and table["start"][0] == pd.Timestamp("2012-03-14T06:00")


def test_no_observation_is_an_empty_table_with_the_same_columns(lists):
    for name in ("chanmaster", "numaster"):
        lists[name] = lambda made: made.isel(row=slice(0))
    table = xray.observations("10.0 20.0", mission=["Chandra", "NuSTAR"])
    assert table.empty and list(table.columns) == list(xray.observations("10.0 20.0").columns)


def test_a_search_online_has_the_place_of_each_observation(lists):
    found = xray.search("10.0 20.0", online=True)
    seen = found[found["obsid"] != ""]
    assert seen["separation"].is_monotonic_increasing
    assert {"target", "ra", "dec", "separation", "exposure", "public"} < set(found.columns)
    assert found["start"].dtype == seen["public"].dtype == np.dtype("datetime64[ns]")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"radius": "0 deg"}, "radius"),
        ({"radius": "6 deg"}, "at most 5 deg"),
        ({"mission": "nustr"}, "did you mean 'NuSTAR'"),
        ({"mission": []}, "empty list"),
        ({"mission": 3}, "mission=3"),
        ({"sort": "date"}, "none of separation, start"),
    ],
)
def test_a_wrong_question_is_refused_before_anyone_is_asked(asked, told):
    with pytest.raises(BadOption, match=told):
        xray.observations("10.0 20.0", **asked)


def test_offline_the_lists_say_that_they_need_the_network():
    with store.offline(), pytest.raises(Offline):
        xray.observations("10.0 20.0")
