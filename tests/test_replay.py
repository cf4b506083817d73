"""astroquery's classes at their archives' true addresses, answered by mitmproxy from what the archives once sent.

The recordings are those that astroquery 0.4.11 carries in its package; where it has none of a service (the TAP
services of ESASky, HEASARC, IRSA and XMM-Newton), SIMBAD's recorded table stands in for what that service would send.
The module-level objects are astroquery's own, unmodified: that they understand the answers tells that the replay is
sound. Then the same questions go through our session, with faults on the way.
"""

import warnings
from importlib import import_module
from importlib.resources import files

import pytest
from astropy.coordinates import SkyCoord
from servers.replay import Replay, mitmdump

from analysis import store
from analysis.archives import discovery, jpl
from analysis.download import Limits
from analysis.errors import AnalysisError, BadAnswer, TruncatedAnswer, Unreachable

pytestmark = [pytest.mark.server, pytest.mark.slow]

QUICK = Limits(retries=3, first_pause=0.01, longest_pause=0.05, patience=20)
SSD = "https://ssd.jpl.nasa.gov/api/horizons.api"
SBDB = "https://ssd-api.jpl.nasa.gov/sbdb.api"
MAST = "https://mast.stsci.edu/api/v0/invoke"
MAST_COLUMNS = "https://mast.stsci.edu/portal/Mashup/Mashup.asmx/columnsconfig"
SIMBAD = "https://simbad.cds.unistra.fr/simbad/sim-tap/sync"
VIZIER = "https://vizier.cds.unistra.fr/viz-bin/votable"
IRSA = "https://irsa.ipac.caltech.edu/TAP/sync"
ESASKY = "https://sky.esa.int/esasky-tap/tap/sync"
NED = "https://ned.ipac.caltech.edu/cgi-bin/objsearch"
SKYBOT = "https://ssp.imcce.fr/webservices/skybot/api/conesearch.php"
MPC = "https://minorplanetcenter.net/iau/lists/ObsCodes.html"
XMM = "https://nxsa.esac.esa.int/tap-server/tap/sync"
HEASARC = "https://heasarc.gsfc.nasa.gov/xamin/vo/tap/sync"
FIRST, LAST = "2022-06-09T23:58:50.815", "2022-07-19T23:58:50.815"

# What SIMBAD's client wants to know before it asks: how many rows it may get. Made up after TAPRegExt 1.0.
CAPABILITIES = """<?xml version="1.0"?>
<vosi:capabilities xmlns:vosi="http://www.ivoa.net/xml/VOSICapabilities/v1.0"
  xmlns:tr="http://www.ivoa.net/xml/TAPRegExt/v1.0" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <capability standardID="ivo://ivoa.net/std/TAP" xsi:type="tr:TableAccess">
    <language><name>ADQL</name><version>2.0</version></language>
    <outputFormat><mime>application/x-votable+xml</mime></outputFormat>
    <outputLimit><default unit="row">50000</default><hard unit="row">2000000</hard></outputLimit>
  </capability>
</vosi:capabilities>
"""


def recorded(path):
    folder, _, name = path.rpartition("/")
    return (files("astroquery").joinpath(*folder.split("/")) / "tests" / "data" / name).read_bytes()


@pytest.fixture(scope="module")
def proxy(tmp_path_factory):
    if mitmdump() is None:
        pytest.skip("there is no mitmdump: SANKO_MITMDUMP, PATH and build/mitmproxy were looked at")
    with Replay(tmp_path_factory.mktemp("mitmproxy")) as one:
        yield one


@pytest.fixture
def replay(proxy, tmp_path, monkeypatch):
    monkeypatch.setenv("SANKO_HOME", str(tmp_path / "home"))
    for name, value in proxy.environment.items():
        monkeypatch.setenv(name, value)
    proxy.forget()
    yield proxy
    assert [asked for asked in proxy.asked if asked["status"] == 404] == []


def vectors(**changes):
    told = {"step": "10 d", "kind": "smallbody", "frame": "ECLIPJ2000", "limits": QUICK, **changes}
    return jpl.state_vectors("Ceres", FIRST, LAST, **told)


def ceres(horizons):
    epochs = {"start": "2022-06-10", "stop": "2022-07-10", "step": "10d"}
    return horizons(id="Ceres", id_type="smallbody", epochs=epochs)


PLACE = SkyCoord(274.465528, -15.902, unit="deg")
TAP_PLUS = ("esasky", "xmm")
# What each class is asked, by its own documentation: service, astroquery's object, question, address, text of the
# question, recording, rows.
ASKED = [
    ("jplhorizons", "jplhorizons:Horizons", lambda one: ceres(one).vectors(cache=False), SSD, "VECTORS",
     "jplhorizons/ceres_vectors_range.txt", 4),
    ("jplhorizons", "jplhorizons:Horizons", lambda one: ceres(one).ephemerides(cache=False), SSD, "OBSERVER",
     "jplhorizons/ceres_ephemerides_range.txt", 4),
    ("jplhorizons", "jplhorizons:Horizons", lambda one: ceres(one).elements(cache=False), SSD, "ELEMENTS",
     "jplhorizons/ceres_elements_range.txt", 4),
    ("mast", "mast:Observations", lambda one: one.query_region(PLACE, radius="0.1 deg"), MAST,
     "Mast.Caom.Cone", "mast/caom.json", 19),
    ("simbad", "simbad:Simbad", lambda one: one.query_tap("SELECT * FROM TAP_SCHEMA.columns"), SIMBAD, "SELECT",
     "simbad/simbad_basic_columns.xml", None),
    ("vizier", "vizier:Vizier", lambda one: one.query_region(PLACE, radius="2 arcmin",
     catalog="J/ApJ/706/83", cache=False)[0], VIZIER, "J/ApJ/706/83", "vizier/kang2010.xml", None),
    ("irsa", "ipac.irsa:Irsa", lambda one: one.query_tap("SELECT * FROM fp_psc").to_table(), IRSA, "fp_psc",
     "simbad/simbad_basic_columns.xml", None),
    ("xmm", "esa.xmm_newton:XMMNewton", lambda one: one.query_xsa_tap("SELECT * FROM xsa.v_public"), XMM, "v_public",
     "simbad/simbad_basic_columns.xml", None),
    ("heasarc", "heasarc:Heasarc", lambda one: one.query_tap("SELECT * FROM xmmmaster").to_table(), HEASARC,
     "xmmmaster", "simbad/simbad_basic_columns.xml", None),
    ("esasky", "esasky:ESASky", lambda one: one.query("SELECT * FROM xmm"), ESASKY, "FROM xmm",
     "simbad/simbad_basic_columns.xml", None),
    ("ned", "ipac.ned:Ned", lambda one: one.query_object("M 1"), NED, "M 1", "ipac/ned/query_object.xml", None),
    ("skybot", "imcce:Skybot", lambda one: one.cone_search(PLACE, 0.1, 2458600.0, cache=False), SKYBOT, "2458600",
     "imcce/skybot_query.vot", None),
    ("mpc", "mpc:MPC", lambda one: one.get_observatory_codes(cache=False), MPC, "", "mpc/ObsCodes.html", None),
]  # fmt: skip


def put(replay, case, **more):
    *_, url, contains, path, _ = case
    kind = "application/json" if path.endswith("json") else "text/xml" if path.endswith("xml") else "text/plain"
    if url == MAST:
        replay.answer(MAST_COLUMNS, recorded("mast/columnsconfig.json"), contains="Mast.Caom.Cone", type=kind)
    if url == SIMBAD:
        replay.answer(SIMBAD.replace("sync", "capabilities"), CAPABILITIES, type="text/xml")
    replay.answer(url, recorded(path), contains=contains, type=kind, **more)


@pytest.mark.parametrize("case", ASKED, ids=[f"{case[0]}-{case[4][:9]}" for case in ASKED])
def test_ours_answers_as_astroquerys_own_object_does(replay, case):
    name, theirs, question, _, _, _, rows = case
    put(replay, case)
    module, _, attribute = theirs.partition(":")
    if name not in TAP_PLUS:  # astroquery's own TAP client knows no proxy
        unmodified = question(getattr(import_module(f"astroquery.{module}"), attribute))
        assert rows is None or len(unmodified) == rows
    service = discovery.service(name, limits=QUICK)
    ours = question(service)
    assert len(ours) > 0 and (rows is None or len(ours) == rows)
    if name not in TAP_PLUS:
        assert ours.colnames == unmodified.colnames and ours.pformat() == unmodified.pformat()
        assert "sanko" in replay.asked[-1]["agent"]


@pytest.mark.parametrize("case", ASKED, ids=[f"{case[0]}-{case[4][:9]}" for case in ASKED])
def test_faults_on_the_way_cost_a_retry_not_a_row(replay, case):
    name, _, question, *_ = case
    put(replay, case, faults=[{"status": 503, "headers": {"Retry-After": "0"}}, {"cut": 400}, {"kill": True}])
    good = question(discovery.service(name, limits=QUICK))
    again = question(discovery.service(name, limits=QUICK))  # no fault is left
    assert good.pformat() == again.pformat() and len(good) > 0


@pytest.mark.parametrize("case", ASKED, ids=[f"{case[0]}-{case[4][:9]}" for case in ASKED])
def test_a_service_that_stays_away_is_unreachable(replay, case):
    name, _, question, *_ = case
    put(replay, case, faults=[{"status": 503}] * 40)
    service = discovery.service(name, limits=Limits(retries=1, first_pause=0.01, longest_pause=0.02))
    with pytest.raises(Unreachable, match="503"):
        question(service)


@pytest.mark.parametrize("case", ASKED, ids=[f"{case[0]}-{case[4][:9]}" for case in ASKED])
def test_a_page_with_status_200_is_never_taken_for_an_answer(replay, case):
    name, _, question, *_ = case
    put(replay, case, faults=[{"body": "<!DOCTYPE html><html><title>Maintenance</title></html>", "type": "text/html"}])
    service = discovery.service(name, limits=QUICK)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(Exception) as refusal:
            found = question(service)
            pytest.fail(f"{name} made {len(found)} rows of a page")
    assert not isinstance(refusal.value, pytest.fail.Exception)


# ------------------------------------------------------------------------------------------ jpl at JPL's addresses


def test_ceres_at_horizons_own_address(replay):
    replay.answer(SSD, recorded("jplhorizons/ceres_vectors_range.txt"), contains="VECTORS")
    assert vectors().position[0].values.tolist() == [-8.354726583796999e-01, 2.455132459520164, 2.314862198331841e-01]
    assert replay.asked[0]["url"] == SSD


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"status": 503}, None),
        ({"cut": 6000}, None),
        ({"kill": True}, None),
        ({"status": 429, "headers": {"Retry-After": "0"}}, None),
        ({"body": "<html><title>Maintenance</title>", "type": "text/html"}, BadAnswer),
        ({"body": ""}, BadAnswer),
        ({"body": recorded("jplhorizons/ceres_vectors_range.txt")[:4600].decode()}, TruncatedAnswer),
    ],
    ids=["503", "cut", "killed", "429", "page", "empty", "ends-early"],
)
def test_right_vectors_or_a_typed_error(replay, fault, error):
    replay.answer(SSD, recorded("jplhorizons/ceres_vectors_range.txt"), faults=[fault])
    if error is None:
        assert vectors().sizes["time"] == 4 and len(replay.asked) == 2
    else:
        with pytest.raises(error):
            vectors()


@pytest.mark.parametrize("fault", [{"status": 503}, {"cut": 9000}, {"kill": True}])
def test_apophis_at_its_databases_own_address(replay, fault):
    replay.answer(SBDB, recorded("jplsbdb/apophis.dat"), contains="Apophis", type="application/json", faults=[fault])
    asked, kept = jpl.small_body("Apophis", limits=QUICK), jpl.apophis()
    assert asked["approaches"].to_dataset().equals(kept["approaches"].to_dataset())
    with store.offline(), pytest.raises(AnalysisError):
        jpl.small_body("Apophis")


def test_a_file_comes_through_the_proxy_too(replay, tmp_path):
    url = "https://mast.stsci.edu/api/v0.1/Download/file"
    replay.answer(url, b"x" * 50_000, type="application/octet-stream", faults=[{"cut": 20_000}, {"status": 503}])
    mast = discovery.service("mast", limits=QUICK)
    told = mast.download_file("mast:HST/product/u9nm.fits", local_path=str(tmp_path / "u9nm.fits"))
    assert told[0] == "COMPLETE" and (tmp_path / "u9nm.fits").read_bytes() == b"x" * 50_000
