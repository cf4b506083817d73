"""ObsCore, EPN-TAP, cone search, image search and datalink, asked of a real server and of recorded answers."""

from urllib.parse import parse_qs, quote, urlsplit

import numpy as np
import pytest
from servers.archive import status
from servers.dachs import OBSERVATIONS, URL, dachs, granules, observations  # noqa: F401

from analysis import formats, store
from analysis.archives import vo
from analysis.errors import (
    AnalysisWarning,
    BadAnswer,
    BadOption,
    BadTime,
    NotFound,
    QueryRefused,
    TruncatedAnswer,
    UnknownProduct,
)
from analysis.model import check, provenance_of

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("fresh_home")]


@pytest.fixture
def server(dachs):  # noqa: F811
    return f"{dachs}/tap"


def separation(ra, dec, ra0, dec0):
    """Great-circle distance in deg."""
    a, b, a0, b0 = np.deg2rad([np.asarray(ra), np.asarray(dec), np.full_like(ra, ra0), np.full_like(dec, dec0)])
    haversine = np.sin((b - b0) / 2) ** 2 + np.cos(b) * np.cos(b0) * np.sin((a - a0) / 2) ** 2
    return np.rad2deg(2 * np.arcsin(np.sqrt(haversine)))


# ------------------------------------------------------------------------------------- a real server


@pytest.mark.slow
def test_a_cone_search_finds_what_lies_in_the_cone_and_nothing_else(dachs):  # noqa: F811
    held = observations()
    near = separation(held["ra"], held["dec"], 10.3, 20.2) <= 0.05
    found = check(vo.sources(f"{dachs}/sanko_xobs/q/cone/scs.xml", 10.3, 20.2, 0.05))
    assert sorted(found.obs_id.values) == sorted(np.array(held["obs_id"])[near])
    assert 0 < found.sizes["row"] < OBSERVATIONS
    assert provenance_of(found)["query"]["radius"] == 0.05


@pytest.mark.slow
def test_a_cone_around_nothing_is_empty(dachs):  # noqa: F811
    assert vo.sources(f"{dachs}/sanko_xobs/q/cone/scs.xml", 200.0, -60.0, 0.1).sizes["row"] == 0


@pytest.mark.slow
def test_a_cone_search_that_is_none_is_an_error(dachs):  # noqa: F811
    with pytest.raises(NotFound, match="no such service"):
        vo.sources(f"{dachs}/sanko_xobs/q/cones/scs.xml", 10.0, 20.0, 0.1)


@pytest.mark.slow
def test_observations_are_found_by_place_time_energy_and_name(server):
    everything = vo.observations(server, collection="sanko")
    assert sorted(everything.target_name.values) == ["field 0", "field 1", "field 2"]
    assert vo.observations(server, ra=11.0, dec=20.0, radius=0.3).target_name.values.tolist() == ["field 1"]
    assert vo.observations(server, target="field 2", product_type="image").sizes["row"] == 1
    # the images are of 0.6 to 2.5 nm: 0.5 to 2.1 keV
    assert vo.observations(server, energy=(0.3, 1.0), collection="sanko").sizes["row"] == 3
    assert vo.observations(server, energy=(2.5, 8.0), collection="sanko").sizes["row"] == 0
    assert vo.observations(server, start="2022-01-02", stop="2022-01-03").target_name.values.tolist() == ["field 1"]
    assert everything.start.values[0].astype("datetime64[Y]") == np.datetime64("2022")


@pytest.mark.slow
def test_an_observation_that_was_found_is_brought_and_read(server):
    found = vo.observations(server, target="field 0")
    image = formats.read(store.get(found.access_url.item()))
    assert image.image.shape == (32, 32)


@pytest.mark.slow
def test_quotes_in_a_name_do_not_end_it(server):
    assert vo.observations(server, target="x' OR '1'='1").sizes["row"] == 0
    assert vo.observations(server, target="Barnard's star").sizes["row"] == 0


@pytest.mark.slow
def test_granules_are_found_by_target_host_level_and_time(server):
    held = granules()
    found = check(vo.granules(server, target="MERCURY", instrument_host="mpo", processing_level=3))
    rows = zip(held["granule_uid"], held["target"], held["host"], held["level"], strict=True)
    expected = [uid for uid, *what in rows if what == ["Mercury", "MPO", 3]]
    assert sorted(found.granule_uid.values) == expected
    within = vo.granules(server, start="2022-01-05", stop="2022-01-07")
    assert sorted(within.granule_uid.values) == ["mag_004", "mag_005"]
    assert within.start.values.min() == np.datetime64("2022-01-05") and within.access_estsize.attrs["units"] == "kbyte"


@pytest.mark.slow
def test_a_part_of_a_name_is_not_the_name(server):
    assert vo.granules(server, target="Merc").sizes["row"] == 0
    assert vo.granules(server, target="Mer%").sizes["row"] == 0


@pytest.mark.slow
def test_images_are_found_by_both_versions(dachs):  # noqa: F811
    first = check(vo.images(f"{dachs}/sanko_images/q/sia/siap.xml", 10.0, 20.0, 0.5, version=1))
    second = check(vo.images(f"{dachs}/__system__/siap2/sitewide/siap2.xml", 10.0, 20.0, 0.5))
    assert first.access_url.values.tolist() == second.access_url.values.tolist()
    assert formats.read(store.get(first.access_url.item())).image.shape == (32, 32)


@pytest.mark.slow
def test_links_say_what_belongs_to_a_dataset(dachs, server):  # noqa: F811
    did = vo.observations(server, target="field 1").obs_publisher_did.item()
    found = vo.links(f"{dachs}/sanko_images/q/dl/dlmeta?ID={quote(did, safe='')}").set_index("semantics")
    assert found.loc["#calibration", "size"] == 2880 and found.loc["#calibration", "description"] == "Flat field"
    this = found.loc["#this"]
    assert this.access_url.startswith(URL) and this["size"] == store.get(this.access_url).stat().st_size


@pytest.mark.slow
def test_links_that_cannot_be_made_are_told(dachs):  # noqa: F811
    with pytest.warns(AnalysisWarning, match="1 of 1 links failed.*NotFoundFault"):
        found = vo.links(f"{dachs}/sanko_images/q/dl/dlmeta?ID={quote('ivo://x/~?no/such', safe='')}")
    assert found.access_url.tolist() == [""] and found.error[0].startswith("NotFoundFault")


def test_a_server_without_epn_core_says_so(archive):
    listed = (
        '<VOTABLE><RESOURCE type="results"><TABLE><FIELD name="table_name" datatype="char" arraysize="*"/>'
        "<DATA><TABLEDATA>{}</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"
    )
    archive.add("/tap/sync", listed.format("<TR><TD>ivoa.obscore</TD></TR>").encode())
    with pytest.raises(UnknownProduct, match="no EPN-TAP table"):
        vo.granules(f"{archive.url}/tap")
    names = "".join(f"<TR><TD>{name}.epn_core</TD></TR>" for name in ("mex", "bepi"))
    archive.add("/tap/sync", listed.format(names).encode())
    with pytest.raises(UnknownProduct, match=r"2 EPN-TAP tables; name one: table='bepi\.epn_core' or 'mex\.epn_core'"):
        vo.granules(f"{archive.url}/tap")


# ------------------------------------------------------------------------------------- recorded answers


def test_a_recorded_cone_search_is_read_whole(archive, oracle):
    archive.add("/scs?RA=78.0&DEC=2.0&SR=0.5", (oracle / "archives/pyvo/scs_result.xml").read_bytes())
    found = check(vo.sources(f"{archive.url}/scs", 78.0, 2.0, 0.5))
    assert found.sizes["row"] == 1273
    assert (separation(found.raj2000.values, found.dej2000.values, 78.0, 2.0) < 0.5).all()
    assert found.raj2000.attrs["frame"] == "ICRS"


def test_recorded_observations_have_times_in_utc(archive, oracle):
    archive.add("/tap/sync", (oracle / "archives/pyvo/obscore-image.xml").read_bytes())
    found = check(vo.observations(f"{archive.url}/tap", limit=10))
    known = np.isfinite(found.t_min.values)
    days = (found.start.values[known] - np.datetime64("1858-11-17")) / np.timedelta64(1, "D")
    assert days == pytest.approx(found.t_min.values[known], abs=1e-9) and "taken as UTC" in found.attrs["history"]


def test_recorded_links_are_told_apart(archive, oracle):
    url = archive.add("/dl", (oracle / "archives/pyvo/datalink.xml").read_bytes())
    found = vo.links(url)
    assert found.semantics.tolist() == ["#progenitor", "#proc", "#this", "#preview"]
    assert found.set_index("semantics").loc["#this", "size"] == 100800
    assert found["size"].isna().tolist()[:2] == [True, True]
    assert found.service.tolist()[1] == "ndndtdihpgea" and found.access_url[1] == ""


def test_recorded_overflow_and_error_are_errors(archive, oracle):
    for name, error, said in (
        ("overflowstatus.xml", TruncatedAnswer, "smaller radius"),
        ("errorstatus.xml", QueryRefused, "refuses: ERROR"),
    ):
        archive.add("/scs?RA=1.0&DEC=2.0&SR=0.5", (oracle / "archives/pyvo" / name).read_bytes())
        with pytest.raises(error, match=said):
            vo.sources(f"{archive.url}/scs", 1.0, 2.0, 0.5)


# ------------------------------------------------------------------------------------- what is asked


def asked_of(archive):
    return {key: values for asked in archive.asked for key, values in parse_qs(urlsplit(asked.path).query).items()}


def test_sia_is_asked_in_the_words_of_its_version(archive):
    for version, words in (
        (1, {"POS": ["10.0,20.0"], "SIZE": ["0.5"], "FORMAT": ["image/fits"]}),
        (2, {"POS": ["CIRCLE 10.0 20.0 0.25"], "FORMAT": ["image/fits"]}),
    ):
        archive.asked.clear()
        with pytest.raises(NotFound):
            vo.images(f"{archive.url}/sia", 10.0, 20.0, 0.5, version=version)
        asked = asked_of(archive)
        assert {key: [" ".join(value.split()) for value in asked[key]] for key in words} == words


@pytest.mark.parametrize("page", [b"<html><title>Down</title></html>", b"", b"<VOTABLE><RESOURCE>"])
def test_answers_that_are_no_tables_are_errors(archive, page):
    url = f"{archive.url}/scs"
    archive.faults["/scs?RA=1.0&DEC=2.0&SR=0.5"] = status(200, body=page)
    with pytest.raises(BadAnswer):
        vo.sources(url, 1.0, 2.0, 0.5)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda url: vo.observations(url, ra=1.0, dec=2.0), "radius is missing"),
        (lambda url: vo.observations(url, energy=(8, 0.5)), "lower energy first"),
        (lambda url: vo.observations(url, energy=3), "no pair"),
        (lambda url: vo.observations(url, target="a\nb"), "line breaks"),
        (lambda url: vo.observations(url, table="a; DROP TABLE b"), "no name of a table"),
        (lambda url: vo.granules(url, target="", table="a.epn_core"), "target"),
        (lambda url: vo.granules(url, processing_level=0, table="a.epn_core"), "between 1 and 6"),
        (lambda url: vo.sources(url, 400, 0, 1), "ra=400"),
        (lambda url: vo.sources(url, float("nan"), 0, 1), "ra=nan"),
        (lambda url: vo.images(url, 10, 0, 1, version="2"), "version"),
        (lambda url: vo.links("file:///etc/passwd"), "no http or https address"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_asked(archive, call, said):
    with pytest.raises(BadOption, match=said):
        call(archive.url)
    assert archive.asked == []


def test_an_interval_the_wrong_way_round_is_refused(archive):
    with pytest.raises(BadTime, match="not after"):
        vo.observations(archive.url, start="2022-01-02", stop="2022-01-01")
    assert archive.asked == []
