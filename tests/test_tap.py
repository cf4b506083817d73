"""TAP: a real server on loopback, and one that fails in every way; an answer is whole, or it is an error."""

import re
import time
import urllib.request
import warnings

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from astropy.table import Table
from servers.archive import Archive, cut, status
from servers.dachs import DEFAULT_LIMIT, HARD_LIMIT, dachs, observations  # noqa: F401

from analysis import store
from analysis.archives import _tapjobs, tap
from analysis.download import Limits
from analysis.errors import (
    AnalysisWarning,
    BadAnswer,
    BadOption,
    NotFound,
    Offline,
    QueryRefused,
    TooSlow,
    TruncatedAnswer,
    UnknownProduct,
    UnknownServer,
    Unreachable,
)
from analysis.model import check, provenance_of

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("fresh_home")]

ALL = "SELECT * FROM sanko_xobs.xobs"


@pytest.fixture
def server(dachs):  # noqa: F811
    return f"{dachs}/tap"


def jobs_left(server):
    with urllib.request.urlopen(f"{server}/async") as answer:
        return answer.read().count(b"<uws:jobref")


# ------------------------------------------------------------------------------------- a real server


@pytest.mark.slow
def test_what_comes_is_what_the_table_holds(server):
    found = check(tap.query(server, f"{ALL} WHERE start_mjd < 59100 ORDER BY obs_id"))
    held = pd.DataFrame(observations()).query("start_mjd < 59100")
    for name in ("obs_id", "ra", "dec", "start_mjd", "instrument"):
        assert found[name].values.tolist() == held[name].tolist()
    counts = [float(cell) if cell else np.nan for cell in held["counts"]]
    assert found.counts.values == pytest.approx(counts, nan_ok=True)
    assert (found.began.values == held["began"].to_numpy("datetime64[ns]")).all()
    assert found.ra.attrs == {"units": "deg", "long_name": "Right ascension (ICRS)", "ucd": "pos.eq.ra;meta.main"}


@pytest.mark.slow
def test_the_provenance_tells_how_to_ask_again(server):
    adql = "SELECT TOP 3 obs_id FROM sanko_xobs.xobs"
    found = tap.query(server, adql)
    told = provenance_of(found)
    assert told["query"]["adql"] == adql and told["query"]["server"] == server and told["rows"] == 3
    assert re.fullmatch("[0-9a-f]{64}", told["sha256"][0]) and told["retrieved"].startswith("20")
    assert adql in found.attrs["history"]


@pytest.mark.slow
def test_all_rows_come_even_if_the_server_sends_fewer_by_default(server):
    rows = 2 * DEFAULT_LIMIT
    found = tap.query(server, f"SELECT obs_id FROM sanko_xobs.xobs WHERE start_mjd < {59000 + rows / 4}")
    assert found.sizes["row"] == rows == len(set(found.obs_id.values))


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["auto", "sync", "async"])
def test_an_answer_that_the_server_cuts_is_an_error_and_no_dataset(server, mode):
    with pytest.raises(TruncatedAnswer, match=rf"sent {HARD_LIMIT} of all rows.*Split the query"):
        tap.query(server, ALL, mode=mode)
    assert jobs_left(server) == 0


@pytest.mark.slow
def test_a_limit_beyond_what_the_server_sends_is_an_error(server):
    with pytest.raises(TruncatedAnswer, match=f"sent {HARD_LIMIT} of {HARD_LIMIT + 500} rows"):
        tap.query(server, ALL, limit=HARD_LIMIT + 500)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_limit_gives_the_first_rows_and_says_so(server, mode):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = tap.query(server, f"{ALL} ORDER BY obs_id", limit=7, mode=mode)
    assert found.obs_id.values.tolist() == [f"o{i:05d}" for i in range(7)]
    assert "the first 7 rows, as asked; the server has more" in found.attrs["history"]


@pytest.mark.slow
def test_a_job_gives_what_the_line_gives_and_leaves_nothing_behind(server):
    adql = f"{ALL} WHERE start_mjd < 59050 ORDER BY obs_id"
    on_the_line, by_job = tap.query(server, adql, mode="sync"), tap.query(server, adql, mode="async")
    xr.testing.assert_equal(on_the_line, by_job)
    assert provenance_of(by_job)["query"]["mode"] == "async"
    assert jobs_left(server) == 0


@pytest.mark.slow
def test_a_job_that_fails_is_a_refusal_with_the_reason_and_is_removed(server):
    with pytest.raises(QueryRefused, match=r"ERROR.*division by zero"):
        tap.query(server, "SELECT 1/(exposure-100) AS x FROM sanko_xobs.xobs", mode="async")
    assert jobs_left(server) == 0


@pytest.mark.slow
def test_a_job_is_removed_when_the_user_interrupts(server, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    class Clock:
        monotonic, sleep = staticmethod(time.monotonic), staticmethod(interrupted)

    monkeypatch.setattr(_tapjobs, "time", Clock)
    with pytest.raises(KeyboardInterrupt):
        tap.query(server, ALL, limit=5, mode="async")
    assert jobs_left(server) == 0


@pytest.mark.slow
def test_a_job_that_takes_too_long_is_removed(server):
    with pytest.raises(TooSlow, match="patience"):
        tap.query(server, ALL, limit=5, mode="async", patience=0.01)
    assert jobs_left(server) == 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", [xr.Dataset, pd.DataFrame, Table])
def test_a_table_of_ones_own_is_joined(server, kind):
    frame = pd.DataFrame({"name": ["o00001", "o00007"], "weight": [1.5, 2.5]})
    mine = {
        xr.Dataset: lambda: frame.to_xarray(),
        pd.DataFrame: lambda: frame,
        Table: lambda: Table.from_pandas(frame),
    }[kind]()
    if kind is xr.Dataset:
        mine["weight"].attrs = {"units": "keV", "long_name": "Weight"}
    adql = "SELECT obs_id, exposure, weight FROM sanko_xobs.xobs JOIN TAP_UPLOAD.mine AS m ON obs_id = m.name"
    found = tap.query(server, f"{adql} ORDER BY obs_id", uploads={"mine": mine})
    assert found.obs_id.values.tolist() == ["o00001", "o00007"]
    assert found.exposure.values.tolist() == [101, 107] and found.weight.values.tolist() == [1.5, 2.5]
    assert found.weight.attrs["units"] == ("keV" if kind is xr.Dataset else "1")


@pytest.mark.slow
def test_times_of_ones_own_are_sent(server):
    mine = xr.Dataset({"t": ("row", np.array(["2020-01-01T00:00:00.5"], "datetime64[ns]"))})
    found = tap.query(server, "SELECT t FROM TAP_UPLOAD.mine", uploads={"mine": mine})
    assert np.datetime64(found.t.item() if found.t.dtype == object else found.t.values[0]) == mine.t.values[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("adql", "said"),
    [
        ("SELECT * FROM sanko_xobs.xobz", "no table 'sanko_xobs.xobz'; did you mean sanko_xobs.xobs?"),
        ("SELECT expossure FROM sanko_xobs.xobs", "no column 'expossure'; did you mean exposure?"),
        ("SELECT FROM sanko_xobs.xobs", "Could not parse your query"),
    ],
    ids=["table", "column", "grammar"],
)
def test_a_refusal_repeats_the_servers_words_and_names_what_is_near(server, adql, said):
    with pytest.raises(QueryRefused, match=re.escape(said)):
        tap.query(server, adql)


@pytest.mark.slow
def test_tables_and_columns_are_listed(server):
    listed = tap.tables(server)
    assert {"sanko_xobs.xobs", "sanko_epn.epn_core", "ivoa.obscore"} <= {name.lower() for name in listed["table"]}
    held = tap.columns(server, "SANKO_XOBS.xobs").set_index("column")
    assert held.loc["exposure"].to_dict() == {
        "datatype": "float",
        "unit": "s",
        "ucd": "time.duration;obs.exposure",
        "description": "Exposure",
    }
    with pytest.raises(UnknownProduct, match=r"did you mean sanko_xobs\.xobs"):
        tap.columns(server, "sanko_xobs.xob")


# ------------------------------------------------------------------------------------- a server that fails

FAST = Limits(connect=2, read=1, patience=4, retries=3, first_pause=0.01, longest_pause=0.05, window=0.5)
VOTABLE = (
    '<?xml version="1.0"?><VOTABLE><RESOURCE type="results"><INFO name="QUERY_STATUS" value="OK"/><TABLE>'
    '<FIELD name="n" datatype="int" unit="ct"/><DATA><TABLEDATA>{}</TABLEDATA></DATA></TABLE>{}</RESOURCE></VOTABLE>'
)
OVERFLOW = '<INFO name="QUERY_STATUS" value="OVERFLOW"/>'
CAPABILITIES = (
    '<vosi:capabilities xmlns:vosi="http://www.ivoa.net/xml/VOSICapabilities/v1.0" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:tr="http://www.ivoa.net/xml/TAPRegExt/v1.0">'
    '<capability standardID="ivo://ivoa.net/std/TAP" xsi:type="tr:TableAccess"><outputLimit>'
    '<default unit="row">20</default><hard unit="row">50</hard></outputLimit></capability></vosi:capabilities>'
)
JOB = (
    '<uws:job xmlns:uws="http://www.ivoa.net/xml/UWS/v1.0" xmlns:xlink="http://www.w3.org/1999/xlink" version="1.1">'
    "<uws:jobId>1</uws:jobId><uws:phase>{}</uws:phase><uws:results>{}</uws:results>{}</uws:job>"
)


def rows(count, *, mark=""):
    return VOTABLE.format("".join(f"<TR><TD>{i}</TD></TR>" for i in range(count)), mark).encode()


@pytest.fixture
def archive(monkeypatch):
    patient = store.session
    monkeypatch.setattr(
        store,
        "session",
        lambda *, limits=None, repeat_posts=False: patient(limits=limits or FAST, repeat_posts=repeat_posts),
    )
    with Archive() as server:
        server.add("/tap/capabilities", CAPABILITIES.encode())
        server.tap = f"{server.url}/tap"
        yield server


def with_job(archive, phase, *, results="", summary="", body=b""):
    """Let the archive have a job that is in this phase at once."""
    address = f"{archive.tap}/async/1"
    archive.faults["/tap/async"] = status(303, Location=address)
    archive.add("/tap/async/1", JOB.format(phase, results, summary).encode(), type="text/xml")
    archive.faults["/tap/async/1/phase"] = status(303, Location=address)
    archive.add("/tap/async/1/results/result", body)
    return f'<uws:result id="result" xlink:href="{address}/results/result"/>'


def deleted(archive):
    return [asked for asked in archive.asked if asked.method == "DELETE"] != []


def test_the_servers_highest_limit_is_asked_for(archive):
    archive.add("/tap/sync", rows(3))
    assert tap.query(archive.tap, "SELECT n FROM t").sizes["row"] == 3
    assert b"MAXREC=50" in archive.requests("/tap/sync")[0].body
    tap.query(archive.tap, "SELECT n FROM t", limit=8)
    assert b"MAXREC=8" in archive.requests("/tap/sync")[1].body
    assert len(archive.requests("/tap/capabilities")) == 1  # kept for a day


def test_a_cut_answer_is_asked_for_again_as_a_job(archive):
    archive.add("/tap/sync", rows(20, mark=OVERFLOW))
    result = with_job(archive, "COMPLETED")
    with_job(archive, "COMPLETED", results=result, body=rows(30))
    found = tap.query(archive.tap, "SELECT n FROM t")
    assert found.n.values.tolist() == list(range(30)) and deleted(archive)


def test_a_job_whose_result_is_cut_too_is_an_error(archive):
    archive.add("/tap/sync", rows(20, mark=OVERFLOW))
    with_job(archive, "COMPLETED", results=with_job(archive, "COMPLETED"), body=rows(20, mark=OVERFLOW))
    with pytest.raises(TruncatedAnswer, match="sent 20 of all rows"):
        tap.query(archive.tap, "SELECT n FROM t")
    assert deleted(archive)


def test_a_server_that_reaches_its_limit_without_a_word_is_warned_of(archive):
    archive.add("/tap/sync", rows(20))
    with pytest.warns(AnalysisWarning, match="exactly 20 rows"):
        found = tap.query(archive.tap, "SELECT n FROM t")
    assert "there may be more" in found.attrs["history"]


def test_rows_beyond_the_limit_are_left_out(archive):
    archive.add("/tap/sync", rows(9))
    found = tap.query(archive.tap, "SELECT n FROM t", limit=5)
    assert found.n.values.tolist() == [0, 1, 2, 3, 4] and "4 rows beyond" in found.attrs["history"]


def test_a_server_that_does_not_tell_its_limits_is_asked_without(archive):
    archive.faults["/tap/capabilities"] = status(404)
    archive.add("/tap/sync", rows(3))
    assert tap.query(archive.tap, "SELECT n FROM t").sizes["row"] == 3
    assert b"MAXREC" not in archive.requests("/tap/sync")[0].body


@pytest.mark.slow
@pytest.mark.parametrize(
    "failure", [[status(503, after=1)], [status(503)], [cut(300)], [cut(0)]], ids=["after", "503", "cut", "reset"]
)
def test_what_passes_is_asked_again(archive, failure):
    archive.add("/tap/sync", rows(30))
    archive.faults["/tap/sync"] = failure
    assert tap.query(archive.tap, "SELECT n FROM t").n.values.tolist() == list(range(30))


def test_a_server_that_dies_in_the_middle_each_time_gives_no_rows(archive):
    archive.add("/tap/sync", rows(30))
    archive.faults["/tap/sync"] = cut(400)
    with pytest.raises(Unreachable, match=r"/tap/sync gave no whole answer"):
        tap.query(archive.tap, "SELECT n FROM t")


def test_an_answer_cut_where_no_length_tells_it_is_refused(archive):
    for end in range(60, len(rows(10)) - 1, 37):
        archive.add("/tap/sync", rows(10)[:end])
        with pytest.raises(BadAnswer, match="cut short"):
            tap.query(archive.tap, "SELECT n FROM t")


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (status(200, body=b"<html><title>Down for repair</title></html>"), BadAnswer, "Down for repair"),
        (status(200, body=b""), BadAnswer, "with nothing"),
        (status(500, body=b"Internal error 7"), BadAnswer, "Internal error 7"),
        (status(404, body=b"<html><title>Gone</title></html>"), NotFound, "no such service"),
        (status(400, body=b"ADQL: no such thing"), QueryRefused, "ADQL: no such thing"),
        (status(200, body=rows(3)[:200]), BadAnswer, "cut short"),
    ],
    ids=["page", "nothing", "500", "404", "400", "cut"],
)
def test_an_answer_that_is_no_table_is_an_error_that_quotes_it(archive, answer, error, said):
    archive.faults["/tap/sync"] = answer
    with pytest.raises(error, match=said):
        tap.query(archive.tap, "SELECT n FROM t")


@pytest.mark.slow
def test_a_silent_server_is_asked_for_a_job(archive):
    archive.add("/tap/sync", rows(3))
    archive.faults["/tap/sync"] = [cut(0, hook=lambda _: time.sleep(1.5))]
    with_job(archive, "COMPLETED", results=with_job(archive, "COMPLETED"), body=rows(4))
    assert tap.query(archive.tap, "SELECT n FROM t").sizes["row"] == 4


@pytest.mark.parametrize(
    ("phase", "summary", "said"),
    [
        (
            "ERROR",
            "<uws:errorSummary type='fatal'><uws:message>We have problem</uws:message></uws:errorSummary>",
            "We have problem",
        ),
        ("ABORTED", "", "ABORTED: it gives no reason"),
    ],
)
def test_a_job_that_ends_without_result_is_a_refusal(archive, phase, summary, said):
    archive.add("/tap/sync", rows(1))
    with_job(archive, phase, summary=summary)
    with pytest.raises(QueryRefused, match=said):
        tap.query(archive.tap, "SELECT n FROM t", mode="async")
    assert deleted(archive)


@pytest.mark.parametrize("page", [b"<html><title>Login</title><p>", b"", b"<a/>"])
def test_a_job_whose_page_cannot_be_read_is_an_error(archive, page):
    with_job(archive, "COMPLETED")
    archive.add("/tap/async/1", page)
    with pytest.raises(BadAnswer):
        tap.query(archive.tap, "SELECT n FROM t", mode="async")
    assert deleted(archive)


def test_a_server_that_starts_no_job_says_why(archive):
    refused = VOTABLE.replace('value="OK"/>', 'value="ERROR">too many jobs</INFO>').format("", "")
    archive.faults["/tap/async"] = status(400, body=refused.encode())
    archive.add("/tap/sync", rows(1))
    with pytest.raises(QueryRefused, match="too many jobs"):
        tap.query(archive.tap, "SELECT n FROM t", mode="async")


# ------------------------------------------------------------------------------------- before anything is asked


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"limit": 0}, "limit=0"),
        ({"limit": True}, "limit=True"),
        ({"mode": "fast"}, "auto, sync, async"),
        ({"patience": -1}, "patience"),
        ({"uploads": {"a b": pd.DataFrame()}}, "no name of a table"),
        ({"uploads": {"mine": pd.DataFrame()}}, r"does not use TAP_UPLOAD\.mine"),
    ],
)
def test_options_that_cannot_be_are_refused_at_once(options, said):
    with pytest.raises(BadOption, match=said):
        tap.query("http://127.0.0.1:1/tap", "SELECT 1", **options)


def test_an_empty_query_and_an_unknown_server_are_refused_at_once():
    with pytest.raises(BadOption, match="is no query"):
        tap.query("http://127.0.0.1:1/tap", " ")
    with pytest.raises(UnknownServer, match="nowhere"):
        tap.query("nowhere", "SELECT 1")


def test_offline_nothing_is_asked(archive):
    with store.offline(), pytest.raises(Offline):
        tap.query(archive.tap, "SELECT n FROM t", limit=1)
    assert archive.asked == []


def test_recorded_capabilities_without_limits_are_understood(archive, oracle):
    archive.add("/tap/capabilities", (oracle / "archives/pyvo/capabilities.xml").read_bytes())
    archive.add("/tap/sync", rows(3))
    assert tap.query(archive.tap, "SELECT n FROM t").sizes["row"] == 3
    assert b"MAXREC" not in archive.requests("/tap/sync")[0].body


def test_a_recorded_job_and_a_recorded_failure_are_understood(archive, oracle):
    recorded = oracle / "archives/pyvo"
    with_job(archive, "COMPLETED")
    archive.add("/tap/async/1", (recorded / "job-error.xml").read_bytes())
    with pytest.raises(QueryRefused, match="We have problem"):
        tap.query(archive.tap, "SELECT n FROM t", limit=1, mode="async")
    done = (recorded / "job.xml").read_bytes()
    assert b"COMPLETED" in done
    address = re.search(rb'href="([^"]*)"', done)[1]
    archive.add("/tap/async/1", done.replace(address, f"{archive.tap}/async/1/results/result".encode()))
    archive.add("/tap/async/1/results/result", (recorded / "obscore-image.xml").read_bytes())
    assert tap.query(archive.tap, "SELECT n FROM t", limit=10, mode="async").sizes["row"] == 10
