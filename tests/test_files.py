"""File trees: templates, lists of folders, versions, gaps, and parts joined along time."""

import datetime as dt
import itertools

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from servers.archive import status
from servers.tree import STYLES, Tree

from analysis import store
from analysis.archives import files
from analysis.archives._listing import entries
from analysis.archives._templates import Template, natural
from analysis.archives.joining import concatenated
from analysis.archives.parts import bring
from analysis.errors import (
    AnalysisWarning,
    BadAnswer,
    BadOption,
    BadTime,
    NotFound,
    Offline,
    OutsideCoverage,
    WrongData,
    WrongFrame,
    WrongUnits,
)
from analysis.model import provenance_of

pytestmark = pytest.mark.filterwarnings("error")
DAY = "{start:%Y}/ace_{start:%Y%m%d}_v*.cdf"


@pytest.fixture(autouse=True)
def fresh_home(tmp_path, monkeypatch):
    monkeypatch.setenv("SANKO_HOME", str(tmp_path / "home"))
    for name in ("SANKO_OFFLINE", "HTTP_PROXY", "http_proxy", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def tree():
    with Tree() as server:
        yield server


def days(first, count):
    return [str(np.datetime64(first) + number).replace("-", "") for number in range(count)]


def names(planned):
    return [part.url.rpartition("/")[2] for part in planned]


# -------------------------------------------------------------------------------------------------------- templates


@given(st.datetimes(min_value=dt.datetime(1958, 1, 1), max_value=dt.datetime(2199, 12, 31)))
def test_a_time_is_written_as_strftime_writes_it(when):
    text = Template("https://example.org/{start:%Y%y%m%d_%j_%H}").filled({}, np.datetime64(when, "ns"))
    assert text == "https://example.org/" + when.strftime("%Y%y%m%d_%j_%H")


@pytest.mark.parametrize(
    ("spec", "start", "stop", "expected"),
    [
        ("%Y", "2019-06-01", "2021-01-01", ["2019", "2020"]),
        ("%Y%m", "2019-12-31", "2020-02-01T00:00:01", ["201912", "202001", "202002"]),
        ("%Y%j", "2020-12-31", "2021-01-02", ["2020366", "2021001"]),
        ("%d%b%y", "2020-02-29", "2020-03-01", ["29Feb20"]),
        ("%Y%m%d%H", "2020-01-01T22:59:59", "2020-01-02T00:00", ["2020010122", "2020010123"]),
    ],
)
def test_the_finest_directive_says_how_long_a_file_is_and_the_stop_is_not_within(spec, start, stop, expected):
    planned = files.plan(f"https://example.org/{{start:{spec}}}.cdf", start=start, stop=stop)
    assert names(planned) == [f"{text}.cdf" for text in expected]
    assert planned[0].start <= np.datetime64(start) < planned[0].stop
    assert planned[-1].start < np.datetime64(stop) <= planned[-1].stop
    assert all(before.stop == after.start for before, after in itertools.pairwise(planned))


def test_a_field_is_formatted_and_sliced():
    chandra = "https://example.org/byobsid/{obsid:[-1:]}/{obsid}/acisf{obsid:0>5}_evt2.fits"
    assert files.plan(chandra, fields={"obsid": "754"})[0].url.endswith("/byobsid/4/754/acisf00754_evt2.fits")
    nustar = "https://example.org/{obsid:[1:3]}/{obsid:[0]}/{obsid}/"
    assert files.plan(nustar, fields={"obsid": 80001047002})[0].url.endswith("/00/8/80001047002/")


def test_a_range_of_orbits_is_a_part_each_and_half_open():
    planned = files.plan("https://example.org/o{orbit:05d}.tab", fields={"orbit": range(8, 11)})
    assert names(planned) == ["o00008.tab", "o00009.tab", "o00010.tab"]


def test_a_value_cannot_lead_elsewhere():
    with pytest.raises(BadOption, match="cannot stand in an address"):
        files.plan("https://example.org/a/{obsid}/b", fields={"obsid": ".."})
    assert files.plan("https://example.org/a/{obsid}", fields={"obsid": "../b?c#d"})[0].url.endswith(
        "/a/..%2Fb%3Fc%23d"
    )


@pytest.mark.parametrize(
    ("template", "told", "wrong", "says"),
    [
        ("ftp://example.org/{start:%Y}", {}, BadOption, "begins with https://host/"),
        ("https://example.org/{start:%Y", {}, BadOption, "cannot be taken apart"),
        ("https://example.org/{start:%Q}", {}, BadOption, "%Q"),
        ("https://example.org/{start}", {}, BadOption, "known are %Y"),
        ("https://example.org/{start:%d}", {}, BadOption, "leaves it open which month"),
        ("https://example.org/{start:%m}", {}, BadOption, "leaves it open which year"),
        ("https://example.org/{start:%Y}", {}, BadTime, "needs start and stop"),
        ("https://example.org/{start:%Y}", {"start": "2020", "stop": "2019"}, BadTime, "not after start"),
        ("https://example.org/{start:%Y}", {"start": "2020", "stop": "2020"}, BadTime, "not after start"),
        ("https://example.org/{obsid}", {}, BadOption, "needs obsid"),
        ("https://example.org/{obsid}", {"fields": {"obsid": 1, "osbid": 2}}, BadOption, "no field 'osbid'.*obsid"),
        ("https://example.org/{orbit:05d}", {"fields": {"orbit": "a"}}, BadOption, "cannot be written as"),
        ("https://example.org/{orbit}", {"fields": {"orbit": range(3, 3)}}, BadOption, "holds no value"),
        ("https://example.org/{a}{b}", {"fields": {"a": [1], "b": [2]}}, BadOption, "several values each"),
        ("https://example.org/{obsid:%Y[}", {"fields": {"obsid": 1}}, BadOption, "slice such as"),
        ("https://example.org/{a.b}", {"fields": {"a": 1}}, BadOption, "a field is a name"),
        ("https://example.org/{each}/a", {}, BadOption, "in the file's name"),
    ],
)
def test_what_is_wrong_with_a_template_is_said(template, told, wrong, says):
    with pytest.raises(wrong, match=says):
        files.plan(template, **told)


# --------------------------------------------------------------------------------------------------------- versions


@given(st.lists(st.integers(0, 999), min_size=1, max_size=4), st.lists(st.integers(0, 999), min_size=1, max_size=4))
def test_versions_are_in_the_order_of_their_numbers(one, other):
    order = natural(".".join(map(str, one))) < natural(".".join(map(str, other)))
    assert order == (one < other) or one == other


@pytest.mark.server
@pytest.mark.parametrize(
    ("pattern", "there", "newest"),
    [
        ("a_v*.cdf", ["a_v1.9.cdf", "a_v1.10.cdf", "a_v1.2.cdf"], "a_v1.10.cdf"),
        ("a_V*.cdf", ["a_V09.cdf", "a_V10.cdf", "a_v11.cdf"], "a_V10.cdf"),
        ("a_v*_x.nc", ["a_v4.5.1_x.nc", "a_v4.5_x.nc", "a_v4.4.9_x.nc"], "a_v4.5.1_x.nc"),
        ("a_rel??.dat", ["a_rel03.dat", "a_rel04.dat", "a_rel005.dat"], "a_rel04.dat"),
        ("aN*_evt2.fits", ["aN003_evt2.fits", "aN002_evt2.fits", "aN004_evt1.fits"], "aN003_evt2.fits"),
        ("a_v*.cdf", ["a_v01.cdf", "a_v01_test.cdf"], "a_v01.cdf"),
    ],
)
def test_the_highest_version_is_taken(tree, pattern, there, newest):
    tree.fill([f"/p/{name}" for name in there])
    assert names(files.plan(f"{tree.url}/p/{pattern}")) == [newest]


@pytest.mark.server
def test_files_that_no_number_tells_apart_are_refused(tree):
    tree.fill(["/p/a_north.fits", "/p/a_south.fits"])
    with pytest.raises(BadOption, match=r"2 files and no number tells which: a_north\.fits, a_south\.fits"):
        files.plan(f"{tree.url}/p/a_*.fits")


@pytest.mark.server
def test_a_folder_may_have_versions_too(tree):
    tree.fill(["/rel9/a.fits", "/rel10/a.fits", "/rel11.txt"])
    assert files.plan(f"{tree.url}/rel*/a.fits")[0].url == f"{tree.url}/rel10/a.fits"


@pytest.mark.server
def test_all_of_a_days_files_are_parts_each_in_its_newest_version_and_one_before_may_reach_in(tree):
    tree.fill(
        [f"/m/b_{day}{time}_v{v}.cdf" for day in days("2015-10-15", 3) for time in ("0130", "2350") for v in (1, 2)]
    )
    planned = files.plan(tree.url + "/m/b_{start:%Y%m%d}{each}_v*.cdf", start="2015-10-16", stop="2015-10-17")
    assert names(planned) == ["b_201510152350_v2.cdf", "b_201510160130_v2.cdf", "b_201510162350_v2.cdf"]


# ------------------------------------------------------------------------------------------------------------ lists


@pytest.mark.server
@pytest.mark.parametrize("style", STYLES)
def test_every_servers_list_tells_the_same_files(style):
    odd = ["a b.cdf", "a+b.cdf", "a&b.cdf", "ü.cdf", "50%.cdf", "a;b=1.cdf", "v1.10.cdf"]
    with Tree(style) as tree:
        tree.fill([f"/pub/x.fits/{name}" for name in odd] + ["/pub/x.fits/deep/er/c.cdf", "/pub/other.cdf"])
        found = files.listing(tree.url + "/pub/x.fits")
        assert sorted(found["name"]) == sorted([*odd, "deep"])
        assert found.set_index("name")["is_folder"].sum() == 1
        for row in found[~found["is_folder"]].itertuples():
            assert store.get(row.url).read_text() == f"/pub/x.fits/{row.name}"
            if style != "python":
                assert row.size == len(f"/pub/x.fits/{row.name}".encode()) or len(row.name) != len(row.name.encode())
                assert str(row.modified) == "2021-03-04 05:06:00"


def test_links_elsewhere_are_no_files():
    page = """<title>Index of /a/</title><a href="?C=N;O=D">Name</a><a href="/">up</a><a href="../">up</a>
    <a href="#x">x</a>
    <a href="https://other.example.org/a/b.cdf">b</a><a href="//other.example.org/a/c.cdf">c</a>
    <a href="http://example.org/a/insecure.cdf">d</a> <a href="/a/f.cdf">f</a> <a href="https://example.org/a/g.cdf">g</a>
    <a href="e/f/h.cdf">deep</a> <a href="%2e%2e/i.cdf">i</a> <a href="..%2fj.cdf">j</a> <a href="k%00.cdf">k</a>
    <a href="javascript:alert(1)">l</a> <a href="mailto:a@b">m</a> <a name="n">n</a> <a href="http://[bad">o</a>
    <a href="./p.cdf">p</a> <a href="&#113;.cdf">q</a>"""
    found = {entry.url for entry in entries(page, "https://example.org/a/")}
    assert found == {f"https://example.org/a/{name}.cdf" for name in "fgpq"}


@given(st.text(max_size=300))
def test_any_page_is_read_without_an_error(text):
    page = f"<a href='{text}'>{text}</a>{text}<tr><a href=\"{text[:20]}\">"
    assert all(entry.url.startswith("https://example.org/a/") for entry in entries(page, "https://example.org/a/"))


@pytest.mark.server
@pytest.mark.parametrize(
    ("fault", "wrong", "says"),
    [
        (status(404), NotFound, "nothing at this address"),
        (
            status(200, body=b"<html><title>Down for repair</title><a href='a.cdf'>a</a>"),
            BadAnswer,
            "no list of a folder",
        ),
        (status(200, body=b'{"files": []}'), BadAnswer, "no list of a folder"),
        (status(200, body=b""), BadAnswer, "empty"),
        (status(500), BadAnswer, "500"),
    ],
)
def test_what_is_no_list_is_an_error(tree, fault, wrong, says):
    tree.faults["/p/"] = fault
    with pytest.raises(wrong, match=says):
        files.listing(tree.url + "/p/")


@pytest.mark.server
def test_a_second_plan_asks_for_nothing_and_works_offline(tree):
    tree.fill([f"/{day[:4]}/ace_{day}_v01.cdf" for day in days("2020-01-01", 4)])
    asked = {"start": "2020-01-01", "stop": "2020-01-03"}
    first = files.plan(f"{tree.url}/{DAY}", **asked)
    assert [request.path for request in tree.asked] == ["/2020/"]
    bring(first)
    with store.offline():
        assert files.plan(f"{tree.url}/{DAY}", **asked) == first
        assert len(bring(first)) == 2
    overlapping = files.plan(f"{tree.url}/{DAY}", start="2020-01-02", stop="2020-01-04")
    bring(overlapping)
    assert len(tree.asked) == 1 + 3  # the list, and each file once
    with store.offline(), pytest.raises(Offline):
        files.plan(f"{tree.url}/{DAY}", start="1999-01-01", stop="1999-01-02")


# ------------------------------------------------------------------------------------------------------------- gaps


@pytest.mark.server
def test_missing_days_are_gaps_that_are_told(tree):
    there = days("2020-02-27", 5)
    tree.fill([f"/{day[:4]}/ace_{day}_v01.cdf" for day in there if day != "20200229"])
    with pytest.warns(AnalysisWarning, match="1 of 5 files are not there: .*ace_20200229"):
        planned = files.plan(f"{tree.url}/{DAY}", start="2020-02-27", stop="2020-03-03")
    assert names(planned) == [f"ace_{day}_v01.cdf" for day in there if day != "20200229"]
    assert planned.missing == (f"{tree.url}/2020/ace_20200229_v*.cdf",)


@pytest.mark.server
def test_a_range_with_nothing_at_all_is_an_error_that_says_what_there_is(tree):
    tree.fill([f"/2020/ace_{day}_v01.cdf" for day in days("2020-05-01", 3)])
    with pytest.raises(OutsideCoverage, match=r"ace_20200101_v\*.*holds 3 files.*ace_20200501_v01.cdf"):
        files.plan(f"{tree.url}/{DAY}", start="2020-01-01", stop="2020-01-03")
    with pytest.raises(OutsideCoverage, match="/1999/ is not there"):
        files.plan(f"{tree.url}/{DAY}", start="1999-01-01", stop="1999-01-03")


@pytest.mark.server
@pytest.mark.parametrize("workers", [1, 8])
def test_a_404_is_a_gap_only_where_no_list_promised_the_file(tree, workers):
    tree.fill([f"/p/{day}.cdf" for day in days("2020-01-01", 10) if day != "20200104"])
    planned = files.plan(tree.url + "/p/{start:%Y%m%d}.cdf", start="2020-01-01", stop="2020-01-11")
    with pytest.warns(AnalysisWarning, match="1 of 10 files are not there: .*20200104"):
        came, paths = files.brought(planned, workers=workers)
    assert [path.read_text() for path in paths] == [
        f"/p/{day}.cdf" for day in days("2020-01-01", 10) if day != "20200104"
    ]
    assert came.missing == (tree.url + "/p/20200104.cdf",)
    listed = files.plan(tree.url + "/p/{start:%Y%m%d}*.cdf", start="2020-01-05", stop="2020-01-07")
    tree.drop("/p/20200106.cdf")
    store.prune(0, unused_for=0)
    with pytest.raises(NotFound, match=r"20200106\.cdf: the folder's list names what the server does not have"):
        files.brought(listed, workers=workers)


@pytest.mark.server
def test_a_part_that_fails_in_another_way_is_no_gap(tree, monkeypatch):
    tree.fill([f"/p/{day}.cdf" for day in days("2020-01-01", 3)])
    tree.faults["/p/20200102.cdf"] = status(500)
    planned = files.plan(tree.url + "/p/{start:%Y%m%d}.cdf", start="2020-01-01", stop="2020-01-04")
    with pytest.raises(BadAnswer, match=r"20200102\.cdf.*500"):
        files.brought(planned)


@pytest.mark.server
def test_an_observation_is_its_files_by_node_and_says_what_is_missing(tree):
    tree.fill(
        ["/4/754/acisf00754N002_evt2.fits.gz", "/4/754/acisf00754N003_evt2.fits.gz", "/4/754/acisf00754_bkg.fits"]
    )
    base = tree.url + "/{obsid:[-1:]}/{obsid}/acisf{obsid:0>5}"
    templates = {"events": base + "N*_evt2.fits*", "arf": base + "N*_arf.fits"}
    with pytest.warns(AnalysisWarning, match="1 of 2 files are not there: .*_arf"):
        found = files.observation(templates, fields={"obsid": "754"})
    assert {node: part.url.rpartition("/")[2] for node, part in found.items()} == {
        "events": "acisf00754N003_evt2.fits.gz"
    }
    assert len(tree.asked) == 1
    with pytest.raises(OutsideCoverage, match=r"the observation obsid 999: .*/9/999/ is not there"):
        files.observation(templates, fields={"obsid": "999"})


# ---------------------------------------------------------------------------------------------------------- joining


def part(first, count, *, offset=0.0, **attrs):
    times = np.datetime64(first, "ns") + np.arange(count) * np.timedelta64(1, "h")
    hours = (times - np.datetime64("2020-01-01")) / np.timedelta64(1, "h")
    data = xr.Dataset(
        {
            "b": (("time", "component"), hours[:, None] + offset + np.arange(3), {"units": "nT", "frame": "GSE"}),
            "energy": ("channel", [1.0, np.nan], {"units": "keV"}),
        },
        {"time": times},
        {
            "title": "B",
            "history": f"read {first}",
            "provenance": f'{{"files": ["{first}"]}}',
            "version": first,
            **attrs,
        },
    )
    data["b"][{"time": 0}] = np.nan if attrs.get("hole") else data["b"][{"time": 0}]
    return data


@given(st.lists(st.tuples(st.integers(0, 90), st.integers(1, 40)), min_size=1, max_size=6), st.randoms())
def test_a_joined_range_has_each_record_once_in_order_whatever_the_parts(cuts, random):
    whole = part("2020-01-01", 130)
    parts = [whole.isel(time=slice(first, first + count)) for first, count in cuts]
    random.shuffle(parts)
    joined = concatenated(parts, "2020-01-01T03:00", "2020-01-05") if any(f + n > 3 for f, n in cuts) else None
    if joined is None:
        return
    wanted = sorted({hour for f, n in cuts for hour in range(max(f, 3), min(f + n, 96))})
    assert joined["b"].isel(component=0).values.tolist() == wanted
    assert (joined["time"].values == whole["time"].values[wanted]).all()


def test_what_was_joined_is_said_and_each_parts_provenance_stays():
    joined = concatenated([part("2020-01-02", 24), part("2020-01-01", 30, caveats="old")], stop="2020-01-02T12:00")
    assert joined.sizes["time"] == 36
    assert joined.attrs["history"].splitlines()[-3:] == [
        "2 parts joined along time",
        "6 records that two parts share dropped",
        "cut to […, 2020-01-02T12:00:00.000000000)",
    ]
    told = provenance_of(joined)["parts"]
    assert [one["files"] for one in told] == [["2020-01-02"], ["2020-01-01"]]
    assert [one["attrs"]["version"] for one in told] == ["2020-01-02", "2020-01-01"]
    assert (joined.attrs["title"], joined.attrs["caveats"], "version" in joined.attrs) == ("B", "old", False)


def test_two_values_for_one_time_are_refused():
    with pytest.raises(WrongData, match=r"different values of b for 2020-01-02T00:00.* and 5 more"):
        concatenated([part("2020-01-01", 30), part("2020-01-02", 24, offset=1e-9)])
    same = part("2020-01-02", 24, hole=True)
    assert concatenated([same, same.copy(deep=True)]).sizes["time"] == 24


@pytest.mark.parametrize(
    ("change", "wrong", "says"),
    [
        (lambda d: d["b"].attrs.update(units="T"), WrongUnits, "b has the units 'nT' in part 1 and 'T' in part 2"),
        (lambda d: d["b"].attrs.update(frame="GSM"), WrongFrame, "frame 'GSE' in part 1 and 'GSM'"),
        (lambda d: d["energy"].__setitem__(0, 2.0), WrongData, "energy does not vary with time and differs"),
        (lambda d: d.__setitem__("c", d["b"]), WrongData, "c is not in all parts"),
        (lambda d: d.__setitem__("b", d["b"][:, 0].drop_attrs().assign_attrs(d["b"].attrs)), WrongData, "b has dims"),
    ],
)
def test_parts_of_different_sorts_are_refused_by_name(change, wrong, says):
    other = part("2020-01-02", 24)
    change(other)
    with pytest.raises(wrong, match=says):
        concatenated([part("2020-01-01", 24), other])


def test_an_interval_without_a_sample_says_what_there_is():
    with pytest.raises(OutsideCoverage, match=r"2020-01-01T00:00:00.0* to 2020-01-01T04"):
        concatenated([part("2020-01-01", 5)], "2021-01-01", "2021-01-02")


def test_trees_are_joined_node_by_node():
    trees = [
        xr.DataTree.from_dict({"/fast": part(day, 24), "/slow": part(day, 2)}, name="x")
        for day in ("2020-01-01", "2020-01-02")
    ]
    joined = concatenated(trees)
    assert (joined["fast"].sizes["time"], joined["slow"].sizes["time"]) == (48, 4)
    del trees[1]["slow"]
    with pytest.warns(AnalysisWarning, match="/slow: 1 of 2 parts have no such node"):
        joined = concatenated(trees)
    assert joined["slow"].sizes["time"] == 2
    assert "/slow: 1 of 2 parts have no such node" in joined["slow"].attrs["history"]


def test_lazy_parts_stay_lazy():
    joined = concatenated([part("2020-01-01", 24).chunk(), part("2020-01-02", 24).chunk()])
    assert joined["b"].chunks is not None
    assert joined["b"].isel(component=0).values.tolist() == list(range(48))
