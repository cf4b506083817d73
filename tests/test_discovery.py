"""astroquery's classes as we hand them out: our session, no pickles, whole files, tar files kept in their folder."""

import contextlib
import inspect
import io
import pickle
import tarfile
import threading
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from servers.archive import Plan, cut, status

from analysis import store
from analysis.archives import discovery
from analysis.archives._astroquery import safe_tar, tar_safety_kept
from analysis.download import Limits
from analysis.download.session import PoliteSession
from analysis.errors import (
    AccessDenied,
    AnalysisWarning,
    BadAnswer,
    BadOption,
    NotFound,
    Offline,
    UnknownServer,
    Unreachable,
    UnsafeArchive,
)
from analysis.model import breaches, provenance_of

QUICK = Limits(retries=2, first_pause=0.01, longest_pause=0.01, patience=5)
OFFERED = sorted(name for name, known in discovery.SERVICES.items() if known.kind)
VOTABLE = (files("astroquery") / "simbad" / "tests" / "data" / "simbad_basic_columns.xml").read_bytes()


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SANKO_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def no_pickles(monkeypatch):
    """Let no pickle be read or written, whoever tries."""

    def refuse(*args, **kwargs):
        raise AssertionError("a pickle was touched")

    for name in ("dump", "dumps", "load", "loads"):
        monkeypatch.setattr(pickle, name, refuse)


class ByPath(dict):
    """Pages and faults whose addresses' queries don't matter."""

    def get(self, path, default=None):
        return super().get(path.partition("?")[0], default)


def tarred(**members):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name.replace("__", "/"))
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


# ------------------------------------------------------------------------------------------ what is handed out


@pytest.mark.parametrize("name", OFFERED)
def test_a_service_is_made_without_asking_anybody(name, monkeypatch):
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("the network was asked"))
    thing = discovery.service(name)
    assert isinstance(thing._session, PoliteSession)
    assert type(thing).__name__ == discovery.SERVICES[name].kind
    assert type(thing).__mro__[1].__module__.startswith(discovery.SERVICES[name].module)
    assert thing._session.asked == []


def test_an_object_made_of_another_keeps_our_manners():
    horizons = discovery.service("jplhorizons", limits=QUICK)
    ceres = horizons(id="Ceres", location="@10", epochs=2459740.5)
    assert isinstance(ceres._session, PoliteSession) and ceres._session.limits == QUICK
    from astroquery.jplhorizons import HorizonsClass

    assert isinstance(ceres, HorizonsClass)
    assert inspect.signature(type(ceres)) == inspect.signature(HorizonsClass)


def test_what_astroquery_itself_makes_is_left_alone():
    discovery.service("simbad")
    from astroquery.simbad import Simbad

    assert not isinstance(Simbad._session, PoliteSession)


def test_helpers_within_a_service_have_its_manners():
    mast = discovery.service("mast")
    for helper in (mast._portal_api_connection, mast._service_api_connection, mast._auth_obj):
        assert (getattr(helper, "_session", None) or helper.session) is mast._session
    assert "Manners" in [kind.__name__ for kind in type(mast._portal_api_connection).__mro__]


def test_virtual_observatory_clients_within_a_service_use_its_session():
    for name in ("heasarc", "irsa", "simbad"):
        thing = discovery.service(name)
        assert thing.tap._session is thing._session


@pytest.mark.parametrize(("wrong", "near"), [("heasark", "heasarc"), ("Simbad", "simbad"), ("nonsense", "There are")])
def test_a_wrong_name_is_told_the_nearest(wrong, near):
    with pytest.raises(UnknownServer, match=near):
        discovery.service(wrong)


def test_gaia_is_refused_since_its_import_asks_the_network():
    with pytest.raises(BadOption, match=r"tap\.query"):
        discovery.service("gaia")


@pytest.mark.parametrize("name", OFFERED)
def test_what_is_not_offered_says_what_to_use(name):
    thing = discovery.service(name)
    refused = [*discovery.SERVICES[name].refused, *(["login"] if hasattr(thing, "login") else [])]
    for method in refused:
        assert callable(getattr(type(thing).__mro__[1], method))  # it exists in astroquery's class
        with pytest.raises(BadOption, match="not offered"):
            getattr(thing, method)("anything", host="aws")


def test_a_table_becomes_a_dataset():
    from astropy.table import Table

    table = Table({"ra": np.ma.array([10.5, 11.0], mask=[False, True]), "name": ["a", "b"]}, units={"ra": "deg"})
    found = discovery.to_dataset(table, discovery.service("heasarc"), title="Sources")
    assert breaches(found) == [] and np.isnan(found.ra[1]) and found.name.values.tolist() == ["a", "b"]
    assert provenance_of(found)["query"] == {"service": "heasarc"}
    with pytest.raises(BadOption, match="service"):
        discovery.to_dataset(table, object())


# ------------------------------------------------------------------------------------------ no pickles


@pytest.mark.server
@pytest.mark.parametrize("cache", [None, True, False])
def test_no_answer_is_pickled_whatever_the_caller_wishes(archive, no_pickles, cache, tmp_path, monkeypatch):
    from astropy.config import paths
    from astroquery import cache_conf

    monkeypatch.setattr(paths, "get_cache_dir", lambda *_: pytest.fail("astroquery's cache was looked for"))
    archive.add("/q", b"one")
    vizier = discovery.service("vizier", limits=QUICK)
    assert cache_conf.cache_active
    first = vizier._request("GET", archive.url + "/q", params={}, cache=cache)
    archive.add("/q", b"two")
    second = vizier._request("GET", archive.url + "/q", params={}, cache=cache)
    assert (first.content, second.content) == (b"one", b"two")
    assert cache_conf.cache_active  # nor is anybody else's cache switched off
    assert not [path for path in tmp_path.rglob("*.pickle")]


def test_a_pickle_left_by_astroquery_is_not_read(no_pickles, monkeypatch):
    sbdb = discovery.service("jplsbdb", limits=QUICK)
    monkeypatch.setattr("astroquery.query.AstroQuery.from_cache", lambda *_: pytest.fail("the cache was read"))
    with store.offline(), pytest.raises(Offline):
        sbdb.query("Apophis", cache=True)


# ------------------------------------------------------------------------------------------ requests


@pytest.mark.server
def test_the_time_outs_are_ours(archive):
    archive.add("/slow", b"late")
    archive.faults["/slow"] = Plan(pause=0, hook=lambda _: threading.Event().wait(2.0))
    ned = discovery.service("ned", limits=Limits(read=0.3, patience=1, retries=0))
    with pytest.raises(Unreachable, match="limits"):
        ned._request("GET", archive.url + "/slow", timeout=600)


@pytest.mark.server
def test_a_busy_service_is_asked_again(archive):
    archive.add("/q", b"answer")
    archive.faults["/q"] = [status(503), cut(2), status(429)]
    mpc = discovery.service("mpc", limits=Limits(first_pause=0.01, longest_pause=0.02))
    assert mpc._request("POST", archive.url + "/q", data={"a": 1}).content == b"answer"
    assert len(mpc._session.asked) == 4


@pytest.mark.parametrize("name", OFFERED)
def test_nobody_is_asked_offline(name):
    thing = discovery.service(name)
    with store.offline(), pytest.raises(Offline):
        thing._request("GET", "https://example.org/q")
    with store.offline(), pytest.raises(Offline):
        thing._download_file("https://example.org/f.fits", "f.fits")


@pytest.mark.parametrize(
    ("name", "question"),
    [
        ("irsa", lambda one: one.query_tap("SELECT 1")),
        ("simbad", lambda one: one.query_tap("SELECT 1")),
        ("heasarc", lambda one: one.query_tap("SELECT 1")),
        ("xmm", lambda one: one.query_xsa_tap("SELECT 1")),
        ("esasky", lambda one: one.query("SELECT 1")),
        ("ned", lambda one: one.query_object("M 1")),
        ("mpc", lambda one: one.get_observatory_codes()),
        ("jplsbdb", lambda one: one.query("Apophis")),
    ],
)
def test_a_question_asked_offline_says_that_it_is_offline(name, question):
    with store.offline(), pytest.raises(Offline, match="offline"):
        question(discovery.service(name))


def test_no_password_goes_into_an_address():
    xmm = discovery.service("xmm")
    for ask in (
        lambda: xmm._request("HEAD", "https://example.org/aio?obsno=1&AIOUSER=me&AIOPWD=secret"),
        lambda: xmm._request("GET", "https://example.org/aio", params={"password": "secret"}),
        lambda: xmm._download_file("https://example.org/aio?AIOPWD=secret", "a.tar"),
        lambda: xmm._download_file("https://example.org/a.tar", "a.tar", auth=("me", "secret")),
    ):
        with pytest.raises(BadOption) as refusal:
            ask()
        assert "secret" not in str(refusal.value)


@pytest.mark.server
def test_a_tap_query_of_esas_own_client_goes_through_our_session(archive):
    from astroquery.utils.tap.core import TapPlus

    archive.pages, archive.faults = ByPath(), ByPath()
    archive.add("/tap/sync", VOTABLE, type="application/x-votable+xml")
    archive.faults["/tap/sync"] = [status(503), cut(1000)]
    xmm = discovery.service("xmm", limits=Limits(first_pause=0.01, longest_pause=0.02))
    from analysis.archives._astroquery import _rewire_tap

    xmm._tap = TapPlus(url=archive.url + "/tap")
    _rewire_tap(xmm._tap, xmm._session)
    table = xmm.query_xsa_tap("SELECT TOP 2 * FROM tap_schema.columns")
    assert len(table) == VOTABLE.count(b"<TR>")
    assert len(xmm._session.asked) == 3 and b"SELECT" in archive.asked[-1].body
    archive.faults["/tap/sync"] = status(503)
    with pytest.raises(Unreachable):
        discovery.service("xmm", limits=QUICK)._session.get(archive.url + "/tap/sync")


@pytest.mark.server
def test_a_table_that_a_service_cut_short_is_told(archive):
    from astroquery.utils.tap.core import TapPlus

    from analysis.archives._astroquery import _rewire_tap

    cut_short = VOTABLE.replace(b"</TABLE>", b'</TABLE><INFO name="QUERY_STATUS" value="OVERFLOW"/>')
    archive.add("/tap/sync", cut_short, type="application/x-votable+xml")
    xmm = discovery.service("xmm", limits=QUICK)
    xmm._tap = TapPlus(url=archive.url + "/tap")
    _rewire_tap(xmm._tap, xmm._session)
    with pytest.warns(AnalysisWarning, match="not the whole table"):
        xmm.query_xsa_tap("SELECT * FROM tap_schema.columns")


# ------------------------------------------------------------------------------------------ downloads


@pytest.mark.server
def test_a_download_is_cut_and_resumed_by_the_store(archive, tmp_path):
    body = np.random.default_rng(1).bytes(300_000)
    url = archive.add("/data/obs.fits", body)
    archive.faults["/data/obs.fits"] = [cut(100_000), cut(100_000)]
    thing = discovery.service("mast", limits=QUICK)
    assert thing._download_file(url, str(tmp_path / "mine.fits")) == str(tmp_path / "mine.fits")
    assert (tmp_path / "mine.fits").read_bytes() == body
    assert [asked.headers.get("Range") for asked in archive.asked][1:] != [None, None]
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["mine.fits"]


@pytest.mark.server
def test_a_second_download_asks_nobody(archive, tmp_path):
    url = archive.add("/obs.fits", b"bytes of a file")
    discovery.service("mast")._download_file(url, str(tmp_path / "a.fits"))
    discovery.service("xmm")._download_file(url, str(tmp_path / "b.fits"))
    assert len(archive.asked) == 1 and (tmp_path / "b.fits").read_bytes() == b"bytes of a file"


@pytest.mark.server
def test_a_leftover_under_the_files_name_is_replaced(archive, tmp_path):
    """astroquery appends to it, or takes it for the file."""
    url = archive.add("/obs.fits", b"the true content")
    for leftover in (b"old", b"exactly 16 bytes", b"an older and longer file"):
        (tmp_path / "obs.fits").write_bytes(leftover)
        discovery.service("mast")._download_file(url, str(tmp_path / "obs.fits"), cache=True, continuation=True)
        assert (tmp_path / "obs.fits").read_bytes() == b"the true content"


@pytest.mark.server
def test_changing_a_copy_does_not_change_the_store(archive, tmp_path):
    url = archive.add("/obs.fits", b"bytes")
    thing = discovery.service("mast")
    thing._download_file(url, str(tmp_path / "obs.fits"))
    (tmp_path / "obs.fits").write_bytes(b"other")
    assert store.get(url).read_bytes() == b"bytes" and store.verify().empty


@pytest.mark.server
def test_one_object_serves_many_threads(archive, tmp_path):
    bodies = {f"/f{i}.fits": np.random.default_rng(i).bytes(20_000 + i) for i in range(24)}
    for path, body in bodies.items():
        archive.add(path, body)
        archive.faults[path] = [cut(5_000 + 300 * len(path))]
    thing = discovery.service("mast", limits=QUICK)

    def bring(path):
        thing._download_file(archive.url + path, str(tmp_path / path[1:]))

    workers = [threading.Thread(target=bring, args=(path,)) for path in bodies]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert all((tmp_path / path[1:]).read_bytes() == body for path, body in bodies.items())


@pytest.mark.server
def test_an_error_page_is_never_left_under_a_files_name(archive, tmp_path):
    archive.pages = ByPath()
    archive.add("/api", b"<!DOCTYPE html><title>Maintenance</title>", type="text/html")
    thing = discovery.service("mast", limits=QUICK)
    for name in ("obs.fits", "obs.FTZ", "obs.tar", "noending"):
        with pytest.raises(BadAnswer, match="Maintenance"):
            thing._download_file(archive.url + "/api", str(tmp_path / name), params={"uri": "mast:x"})
        assert not (tmp_path / name).exists()
    archive.add("/api", b"the file after all")  # what was kept of the page does not stay in the way
    thing._download_file(archive.url + "/api", str(tmp_path / "obs.fits"), params={"uri": "mast:x"})
    assert (tmp_path / "obs.fits").read_bytes() == b"the file after all"


@pytest.mark.server
def test_a_missing_file_leaves_nothing(archive, tmp_path):
    with pytest.raises(NotFound):
        discovery.service("mast", limits=QUICK)._download_file(archive.url + "/none.fits", str(tmp_path / "n.fits"))
    assert not (tmp_path / "n.fits").exists()


@pytest.mark.server
def test_masts_download_file_reports_a_whole_file(archive, tmp_path):
    archive.pages = ByPath()
    archive.add("/Download/file", b"u9nm hubble image")
    mast = discovery.service("mast", limits=QUICK)
    told = mast.download_file(
        "mast:HST/product/u9nm.fits", local_path=str(tmp_path / "u9nm.fits"), base_url=archive.url + "/Download/file"
    )
    assert told == ("COMPLETE", None, None) and (tmp_path / "u9nm.fits").read_bytes() == b"u9nm hubble image"


@pytest.mark.server
def test_xmms_download_data_names_the_file_as_astroquery_does(archive, tmp_path):
    archive.pages = ByPath()
    packed = tarred(**{"0123__pps__a.txt": b"x"})
    archive.add("/data", packed, type="application/x-tar")
    page = archive.pages["/data"]
    page.headers = lambda now: {"Content-Type": "application/x-tar",
                                "Content-Disposition": 'inline; filename="0123456789.tar"'}  # fmt: skip
    xmm = discovery.service("xmm", limits=QUICK)
    xmm.data_aio_url = archive.url + "/data?"
    xmm.download_data("0123456789", level="PPS")
    assert (tmp_path / "0123456789.tar").read_bytes() == packed
    assert {asked.method for asked in archive.asked} == {"HEAD", "GET"}


@pytest.mark.server
def test_heasarcs_download_is_unpacked_within_its_folder(archive, tmp_path):
    from astropy.table import Table

    (tmp_path / "out").mkdir()
    links = Table({"access_url": ["https://heasarc.example/FTP/nicer/data/obs1/"], "content_length": [10]})
    heasarc = discovery.service("heasarc", limits=QUICK)
    heasarc.TAR_URL = archive.url + "/tar"
    archive.faults["/tar"] = [status(503)]
    archive.add("/tar", tarred(obs1__a_evt=b"events", obs1__b_txt=b"log"))
    heasarc.download_data(links, location=str(tmp_path / "out"))
    assert (tmp_path / "out/obs1/a_evt").read_bytes() == b"events"
    assert b"FTP%2Fnicer" in archive.asked[-1].body
    archive.add("/tar", tarred(**{"..__..__evil": b"x"}))
    with pytest.raises(UnsafeArchive):
        heasarc.download_data(links, location=str(tmp_path / "out"))
    assert not list(tmp_path.rglob("evil")) and not (tmp_path.parent / "evil").exists()
    with pytest.raises(BadOption, match="S3"):
        heasarc.download_data(Table({"aws": ["s3://nasa-heasarc/x"]}), host="aws")


@pytest.mark.server
@pytest.mark.parametrize(("code", "error"), [(403, AccessDenied), (404, NotFound), (500, BadAnswer)])
def test_a_refused_post_leaves_nothing(archive, tmp_path, code, error):
    archive.faults["/tar"] = status(code)
    with pytest.raises(error):
        discovery.service("heasarc", limits=QUICK)._download_file(
            archive.url + "/tar", str(tmp_path / "x.tar"), method="POST", data={"files": ">a&&"}
        )
    assert not (tmp_path / "x.tar").exists()


# ------------------------------------------------------------------------------------------ tar files


@contextlib.contextmanager
def filter_kept():
    before = vars(tarfile.TarFile).get("extraction_filter")
    try:
        yield
    finally:
        tarfile.TarFile.extraction_filter = before


@pytest.mark.parametrize("name", ["xmm", "esasky"])
def test_importing_a_service_leaves_tar_safety_as_it_was(name, monkeypatch):
    import importlib
    import sys

    module = discovery.SERVICES[name].module
    with filter_kept():
        for safe in (None, staticmethod(tarfile.data_filter)):
            for loaded in [key for key in sys.modules if key.startswith(module)]:
                monkeypatch.delitem(sys.modules, loaded)
            tarfile.TarFile.extraction_filter = safe
            discovery.service(name)
            assert vars(tarfile.TarFile)["extraction_filter"] is safe
        for loaded in [key for key in sys.modules if key.startswith(module)]:
            monkeypatch.delitem(sys.modules, loaded)
        importlib.import_module(module)  # astroquery by itself
        assert tarfile.TarFile.extraction_filter is tarfile.fully_trusted_filter
        discovery.service(name)  # undone afterwards, too
        assert vars(tarfile.TarFile)["extraction_filter"] is None
        with tar_safety_kept():
            pass
        assert vars(tarfile.TarFile)["extraction_filter"] is None


def test_a_tar_file_is_unpacked_within_its_folder_whatever_filter_is_named(tmp_path):
    shim, out = safe_tar(), tmp_path / "out"
    out.mkdir()
    (tmp_path / "good.tar").write_bytes(tarred(a__b=b"1"))
    with shim.open(tmp_path / "good.tar") as tar:
        tar.extractall(out, filter="fully_trusted")
    assert (out / "a/b").read_bytes() == b"1"
    link = tarfile.TarInfo("link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc"
    device = tarfile.TarInfo("device")
    device.type = tarfile.CHRTYPE
    outside = tarfile.TarInfo("../outside")
    absolute_target = tarfile.TarInfo("hard")
    absolute_target.type, absolute_target.linkname = tarfile.LNKTYPE, "../../x"
    for member in (link, device, outside, absolute_target):
        with tarfile.open(tmp_path / "bad.tar", "w") as tar:
            tar.addfile(member)
        for unpack in (lambda tar: tar.extractall(out, filter="fully_trusted"),
                       lambda tar, name=member.name: tar.extract(name, out)):  # fmt: skip
            with shim.open(tmp_path / "bad.tar") as tar, pytest.raises(UnsafeArchive):
                unpack(tar)
    assert not (tmp_path / "outside").exists()


def test_xmms_spectra_are_not_unpacked_outside_their_folder(tmp_path):
    name = "0001730201/pps/P0001730201M1S001SRSPEC0053.FTZ"
    evil = f"../../{name}"
    for member, bad in ((name, False), (evil, True)):
        with tarfile.open(tmp_path / "obs.tar", "w") as tar:
            tar.addfile(tarfile.TarInfo(member))
        (tmp_path / "deep/er").mkdir(parents=True, exist_ok=True)
        xmm = discovery.service("xmm")
        wanted = pytest.raises(UnsafeArchive) if bad else contextlib.suppress(OSError)  # it is no FITS file
        with wanted:
            xmm.get_epic_spectra(str(tmp_path / "obs.tar"), 83, path=str(tmp_path / "deep/er"))
        assert (tmp_path / "deep/er" / name).exists()
    assert not Path(tmp_path / name).exists()
