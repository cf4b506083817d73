"""Where an object is: places as given, names through Sesame, and what its answers can be."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servers.archive import Archive, Plan, status

from analysis import model, store
from analysis.archives import names, servers
from analysis.errors import BadAnswer, BadOption, Offline, UnknownServer, UnknownTarget, Unreachable

# In the shape that Sesame's answers have had since its fourth schema, the numbers of M 82 as SIMBAD gives them.
M82 = """<?xml version="1.0" encoding="UTF-8" ?>
<Sesame xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
 xsi:noNamespaceSchemaLocation="http://vizier.u-strasbg.fr/xml/sesame_4x.xsd">
<Target option="SNV">
  <name>M 82</name>
  <!-- Q1711310 #1 -->
  <Resolver name="Sc=Simbad (CDS, via client/server)"><!-- delay: 99ms [2] -->
    <INFO>from cache</INFO>
    <otype>AGN</otype>
    <jpos>09:55:52.43 +69:40:46.9</jpos>
    <jradeg>148.96845833</jradeg>
    <jdedeg>69.67970278</jdedeg>
    <refPos>2006AJ....131.1163S</refPos>
    <errRAmas>500</errRAmas><errDEmas>500</errDEmas>
    <pm><v>0.1</v><pmRA>0.1</pmRA></pm>
    <oname>M  82</oname>
  </Resolver>
</Target>
</Sesame>
<!--- ====Done (2026-Jan-01,00:00:00z)==== -->
"""
TARGET = '<Sesame><Target option="SNV"><name>x</name>{}</Target></Sesame>'
NOTHING = [
    TARGET.format("<INFO>*** Nothing found ***</INFO>"),
    TARGET.format("<INFO> *** NNNothing found *** </INFO>"),
    TARGET.format(
        '<Resolver name="N=NED"><INFO>Zero (0) answers</INFO></Resolver><INFO>*** SNVNothing found *** </INFO>'
    ),
]

pytestmark = pytest.mark.usefixtures("fresh_home")


@pytest.fixture
def sesame(monkeypatch):
    """Return two archives that stand for Sesame and its mirror."""
    with Archive() as first, Archive() as second:
        table = dict(servers.servers())
        for name, server in zip(names._MIRRORS, (first, second), strict=True):
            table[name] = dataclasses.replace(table[name], url=server.url + "/nph-sesame")
        monkeypatch.setattr(servers, "servers", lambda: table)
        monkeypatch.setattr(names, "_LIMITS", dataclasses.replace(names._LIMITS, read=2, retries=0))
        yield first, second


def put(server, answer, asked="M%2082"):
    server.add(f"/nph-sesame/-ox/SNV?{asked}", answer.encode(), type="text/xml")


# ------------------------------------------------------------------------------------------- places


@pytest.mark.parametrize(
    "place",
    [
        "148.96 69.68",
        "148.96, 69.68",
        "+148.96 +69.68",
        "09h55m50.4s +69d40m48s",
        "09:55:50.4 69:40:48",
        "9 55 50.4 69 40 48",
    ],
)
def test_a_place_passes_through_without_network(place):
    with store.offline():
        found = model.check(names.resolve(place))
    assert float(found.ra) == pytest.approx(148.96, abs=1e-9)
    assert float(found.dec) == pytest.approx(69.68, abs=1e-9)
    assert (found.ra.attrs["units"], found.dec.attrs["frame"]) == ("deg", "ICRS")


def test_a_skycoord_is_turned_into_icrs():
    from astropy.coordinates import SkyCoord

    found = names.resolve(SkyCoord(0, 90, unit="deg", frame="galactic"))
    # The definition of the galactic pole, Blaauw et al. 1960, precessed to J2000 as in the Hipparcos catalogue.
    assert float(found.ra) == pytest.approx(192.85948, abs=1e-4)
    assert float(found.dec) == pytest.approx(27.12825, abs=1e-4)


@given(ra=st.floats(0, 359.999), dec=st.floats(-90, 90))
def test_degrees_stay_what_they_are(ra, dec):
    found = names.resolve(f"{ra:.9f} {dec:.9f}")
    assert float(found.ra) == pytest.approx(ra, abs=1e-8)
    assert float(found.dec) == pytest.approx(dec, abs=1e-8)


@pytest.mark.parametrize(
    "wrong", ["", "  ", "273", "10 95", "25 30 12 91 0 0", "1 2 3 4", "a\x00b", "x" * 201, None, 5.0, b"M82"]
)
def test_what_is_neither_a_name_nor_a_place_is_refused(wrong):
    with pytest.raises(BadOption, match=r"148\.96 69\.68"):
        names.resolve(wrong)


def test_more_than_one_place_or_none_is_refused():
    from astropy.coordinates import AltAz, SkyCoord

    with pytest.raises(BadOption, match="one place, not 2"):
        names.resolve(SkyCoord([1, 2], [3, 4], unit="deg"))
    with pytest.raises(BadOption, match="ICRS"):
        names.resolve(SkyCoord(1, 2, unit="deg", frame=AltAz()))
    with pytest.raises(BadOption):
        names.resolve(SkyCoord(float("nan"), 2, unit="deg"))


# -------------------------------------------------------------------------------------------- names


@pytest.mark.server
def test_a_name_is_a_place_with_its_source(sesame):
    put(sesame[0], M82)
    found = model.check(names.resolve("  M  82 "))
    assert (float(found.ra), float(found.dec)) == (148.96845833, 69.67970278)
    assert found.attrs["target"] == "M 82"
    assert found.attrs["name"] == "M 82"
    assert found.attrs["object_type"] == "AGN"
    assert found.attrs["resolver"].startswith("Sc=Simbad")
    assert found.attrs["position_reference"] == "2006AJ....131.1163S"
    assert "SIMBAD" in found.attrs["institution"]
    provenance = model.provenance_of(found)
    assert provenance["urls"] == [sesame[0].url + "/nph-sesame/-ox/SNV?M%2082"]
    assert len(provenance["sha256"][0]) == 64


@pytest.mark.server
def test_a_name_is_asked_for_once_and_known_offline(sesame):
    put(sesame[0], M82)
    first = names.resolve("M 82")
    assert names.resolve("M 82").identical(first)
    with store.offline():
        assert names.resolve("M 82").identical(first)
        with pytest.raises(Offline, match=r"'M 81'.*offline"):
            names.resolve("M 81")
    assert len(sesame[0].asked) == 1


@pytest.mark.server
@pytest.mark.parametrize("answer", NOTHING)
def test_a_name_that_nobody_knows_is_an_error_and_not_kept(sesame, answer):
    put(sesame[0], answer)
    with pytest.raises(UnknownTarget, match=r"'M 82'.*SIMBAD.*NED.*VizieR.*spelling"):
        names.resolve("M 82")
    put(sesame[0], M82)  # it became known
    assert float(names.resolve("M 82").ra) == 148.96845833
    assert sesame[1].asked == []


@pytest.mark.server
@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("PSR J0437-4715", "PSR%20J0437-4715"),
        ("2MASS J09+33", "2MASS%20J09%2B33"),
        ("[BSS] 1/a", "%5BBSS%5D%201%2Fa"),
        ("a&b=c#d?e%20", "a%26b%3Dc%23d%3Fe%2520"),
        ("Barnard's star", "Barnard%27s%20star"),
        ("η Car", "%CE%B7%20Car"),
        ("47 Tuc", "47%20Tuc"),
        ("h Per", "h%20Per"),
        ("4U 1820-30", "4U%201820-30"),
    ],
)
def test_names_are_sent_as_they_are(sesame, name, sent):
    put(sesame[0], M82, asked=sent)
    assert float(names.resolve(name).ra) == 148.96845833


@pytest.mark.server
def test_the_first_database_that_has_a_place_counts(sesame):
    put(
        sesame[0],
        TARGET.format(
            '<Resolver name="Sc=Simbad"><INFO>Zero (0) answers</INFO></Resolver>'
            '<Resolver name="N=NED"><jradeg>350.619</jradeg><jdedeg>-29.181</jdedeg></Resolver>'
            '<Resolver name="V=VizieR"><jradeg>1</jradeg><jdedeg>1</jdedeg></Resolver>'
        ),
    )
    found = names.resolve("M 82")
    assert (float(found.ra), float(found.dec), found.attrs["name"]) == (350.619, -29.181, "M 82")
    assert "NED" in found.attrs["institution"]


@pytest.mark.server
@pytest.mark.parametrize("fault", [status(503), status(404), status(200, body=b"<html><title>Down</title></html>")])
def test_the_mirror_is_asked_where_the_first_fails(sesame, fault):
    put(sesame[1], M82)
    sesame[0].faults["/nph-sesame/-ox/SNV?M%2082"] = fault
    assert model.provenance_of(names.resolve("M 82"))["urls"][0].startswith(sesame[1].url)


@pytest.mark.server
def test_where_both_fail_both_are_named(sesame):
    for server in sesame:
        server.faults["/nph-sesame/-ox/SNV?M%2082"] = status(503)
    with pytest.raises(Unreachable) as caught:
        names.resolve("M 82")
    assert all(server.url in str(caught.value) for server in sesame)


@pytest.mark.server
def test_a_server_may_be_named(sesame):
    put(sesame[1], M82)
    names.resolve("M 82", server="sesame_cfa")
    names.resolve("M 82", server=sesame[1].url + "/nph-sesame/")
    assert sesame[0].asked == []
    assert len(sesame[1].asked) == 1
    with pytest.raises(UnknownServer):
        names.resolve("M 82", server="sesam")


BOMB = '<!DOCTYPE s [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>' + TARGET.format("<INFO>&b;</INFO>")
OUTSIDE = '<!DOCTYPE s [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + TARGET.format("<INFO>&a;</INFO>")
PLACE = '<Resolver name="S"><jradeg>{}</jradeg><jdedeg>{}</jdedeg></Resolver>'


@pytest.mark.server
@pytest.mark.parametrize(
    "answer",
    [
        M82[:-120],
        M82[:400],
        "",
        "M 82 is somewhere",
        "<html><body>Down for repair</body></html>",
        "<Sesame/>",
        "<Sesame><Target/><Target/></Sesame>",
        TARGET.format("<ERROR>SIMBAD does not answer</ERROR>"),
        TARGET.format('<Resolver name="S"><jradeg>1</jradeg></Resolver>'),
        TARGET.format(PLACE.format("360.5", "0")),
        TARGET.format(PLACE.format("1", "-90.1")),
        TARGET.format(PLACE.format("nan", "0")),
        TARGET.format(PLACE.format("", "0")),
        TARGET.format("<INFO>" + "x" * (1 << 20) + "</INFO>"),
        BOMB,
        OUTSIDE,
    ],
)
def test_an_answer_that_cannot_be_right_is_refused_and_not_kept(sesame, answer):
    put(sesame[0], answer)
    for _ in range(2):
        with pytest.raises(BadAnswer) as caught:
            names.resolve("M 82", server="sesame")
        assert "root:" not in str(caught.value)
    assert len(sesame[0].asked) == 2
    assert store.status().empty


@pytest.mark.server
def test_an_answer_without_a_length_is_taken_if_it_ends_as_it_should(sesame):
    put(sesame[0], M82)
    path = "/nph-sesame/-ox/SNV?M%2082"
    sesame[0].faults[path] = [
        Plan(without=("Content-Length",), body=M82[:600].encode()),
        Plan(without=("Content-Length",)),
    ]
    with pytest.raises(BadAnswer, match="only a part of it"):
        names.resolve("M 82", server="sesame")
    assert float(names.resolve("M 82", server="sesame").ra) == 148.96845833


def test_the_servers_are_in_the_table():
    for name in names._MIRRORS:
        assert servers.server(name, "api").url.startswith("https://")


def test_both_mirrors_together_fail_within_a_minute():
    limits = names._LIMITS
    assert limits.patience <= limits.read  # after a silence nothing is asked again
    assert len(names._MIRRORS) * (limits.connect + limits.read) <= 60
