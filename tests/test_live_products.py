"""The products that archives hold are declared with ids, parameters, units, frames and coverage that are true."""

import json
import re
from importlib.resources import files

import numpy as np
import pytest

from analysis import catalogue
from analysis.archives._templates import Template
from analysis.archives.servers import servers
from analysis.catalogue import FIELDS, products
from analysis.errors import UnknownUnits
from analysis.model import unit_text

pytestmark = pytest.mark.slow  # together some seconds: the quick tier leaves them out

LIVE = {name: product for field in FIELDS for name, product in products(field, live=True).items()}
HAPI = {name: p for name, p in LIVE.items() if p.source.archive == "hapi"}
CDAWEB = {name: p for name, p in HAPI.items() if p.source.server == "cdaweb"}
TEMPLATES = {
    f"{name}-{child}": (template, p)
    for name, p in LIVE.items()
    for child, template in ({"": p.source.template} if p.source.template else p.source.templates).items()
}
FRAMES = {"GSE", "GSM", "RTN", "MSO", "JSO", "JSM", "NEC", "ITRF", "HGI", "SM"}
# What CDAWeb adds to a unit that is none: which data are meant, in which frame.
REMARKS = re.compile(r"\((?:good qs?|qual only|all qs?)[^)]*\)|\b(?:GSE|GSM|DSL)\b", re.IGNORECASE)
SPELLED = {"Per cc": "cm-3", "deg_K": "K", "cm^{-3}": "cm-3", "1/cc": "cm-3"}


def parameters_of(product):
    """Return the parameters of a product's dataset by name, as CDAWeb's master CDF has them."""
    dataset = re.sub(r"@\d+$", "", product.source.dataset)
    entry = files("cdawebmcp") / "data" / "metadata" / f"{dataset}.json"
    return {p["name"]: p for p in json.loads(entry.read_text("utf-8"))["parameters"]}


@pytest.fixture(scope="module")
def coverage():
    """Return first and last time of each dataset of CDAWeb, as its REST service tells them."""
    told = {}
    for entry in (files("cdawebmcp") / "data" / "observatories").iterdir():
        for instrument in json.loads(entry.read_text("utf-8"))["instruments"].values():
            told |= {name: (d["start_date"], d["stop_date"]) for name, d in instrument["datasets"].items()}
    return told


def test_there_are_at_least_sixty_from_many_archives():
    assert len(LIVE) >= 60
    assert all(len(products(field, live=True)) >= 15 for field in FIELDS)
    assert len({p.source.short_name for p in LIVE.values()}) >= 12


def test_no_name_is_declared_twice_in_any_field():
    names = [name for field in FIELDS for live in (False, True) for name in products(field, live=live)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", LIVE)
def test_each_says_whose_it_is_where_it_is_described_and_what_a_fetch_would_give(name):
    product = LIVE[name]
    assert product.title and product.mission and product.instrument and product.keywords
    assert product.kind in ("dataset", "tree")
    assert product.source.institution and product.source.license
    assert product.source.references
    for reference in product.source.references:
        assert re.fullmatch(r"https://[\w.-]+\.[a-z]+/\S*", reference)
        assert "doi.org" not in reference or re.fullmatch(r"https://doi\.org/10\.\d{4,}/\S+", reference)


@pytest.mark.parametrize("name", LIVE)
def test_each_has_an_example_of_all_that_it_needs_and_of_nothing_else(name):
    source = LIVE[name].source
    needed = set(catalogue.needs(catalogue.field_of(name), name))
    assert needed <= set(source.example) <= needed | {"radius"}
    if "start" in source.example:
        start, stop = (np.datetime64(source.example[key]) for key in ("start", "stop"))
        assert start < stop
        assert LIVE[name].start is None or np.datetime64(LIVE[name].start) < stop
        assert LIVE[name].stop is None or start < np.datetime64(LIVE[name].stop)


@pytest.mark.parametrize("name", [name for name, p in LIVE.items() if p.source.server])
def test_each_server_named_is_in_the_table_and_speaks_the_protocol(name):
    source = LIVE[name].source
    assert servers()[source.server].protocol == source.archive


@pytest.mark.parametrize("name", [name for name, p in LIVE.items() if p not in CDAWEB.values()])
def test_what_was_not_checked_against_a_server_is_said(name):
    assert any(re.search(r"not checked against the server|not the same data", said) for said in LIVE[name].caveats)


@pytest.mark.parametrize("name", [name for name, p in HAPI.items() if "@" in p.source.dataset])
def test_the_number_of_a_time_axis_is_said_to_be_unchecked(name):
    assert any("not checked against the server" in said for said in HAPI[name].caveats)


@pytest.mark.parametrize("name", HAPI)
def test_every_vector_has_a_frame_and_every_frame_is_one_that_is_known(name):
    product = HAPI[name]
    framed = {ours: attrs["frame"] for ours, attrs in product.attrs.items() if "frame" in attrs}
    assert set(framed.values()) <= FRAMES
    assert {"b", "e", "velocity", "position"} & set(product.variables) <= set(framed)
    assert set(product.attrs) <= {*product.variables, *product.split_off}


@pytest.mark.parametrize("name", CDAWEB)
def test_each_parameter_exists_in_cdaweb_and_its_unit_can_be_read(name):
    product = CDAWEB[name]
    known = parameters_of(product)
    for ours, theirs in product.variables.items():
        assert theirs in known
        said, declared = known[theirs]["units"], product.attrs.get(ours, {}).get("units")
        if declared is None:
            assert said.strip() or re.search(r"flag|quality", known[theirs]["description"], re.IGNORECASE)
            unit_text(said)
        else:  # only where CDAWeb's own spelling cannot be read, or is a remark on a flag
            plain = REMARKS.sub("", said).strip()
            if ours == "quality":
                assert declared == "1"
                continue
            with pytest.raises(UnknownUnits):
                unit_text(said)
            assert unit_text(SPELLED.get(plain, plain)) == unit_text(declared)


@pytest.mark.parametrize("name", CDAWEB)
def test_a_declared_frame_is_the_one_that_the_parameter_tells(name):
    product = CDAWEB[name]
    known = parameters_of(product)
    for ours, theirs in product.variables.items():
        frame = product.attrs.get(ours, {}).get("frame")
        told = " ".join((theirs, known[theirs]["description"], known[theirs]["units"], product.source.dataset))
        words = set(
            re.findall(
                r"(?<![A-Z])(GSE|GSM|RTN|MSO|HGI|SM|DSL|GEO)(?=[a-z\W_]|$)",
                told.replace("_gse", " GSE ").replace("_gsm", " GSM "),
            )
        )
        if frame is not None and words:
            assert frame in words
        sizes = known[theirs].get("size") or [1]
        if sizes in ([3], [4]) and len(sizes) == 1:
            assert frame is not None or "flag" in theirs


@pytest.mark.parametrize("name", CDAWEB)
def test_coverage_is_what_cdaweb_tells(name, coverage):
    product = CDAWEB[name]
    first, last = coverage[re.sub(r"@\d+$", "", product.source.dataset)]
    assert np.datetime64(product.start) == np.datetime64(first.removesuffix("Z").partition(".")[0])
    if product.stop is not None:
        assert np.datetime64(product.stop) == np.datetime64(last.removesuffix("Z").partition(".")[0])


@pytest.mark.parametrize("key", TEMPLATES)
def test_each_template_expands_with_its_example(key):
    template, product = TEMPLATES[key]
    example = dict(product.source.example)
    start = np.datetime64(example["start"], "ns") if "start" in example else None
    fields = {name: example[name] for name in Template(template).fields}
    address = Template(template).filled(fields, start)
    assert address.startswith("https://") and not re.search(r"[{}\s]|//.*//", address)


def test_expanded_addresses_are_those_that_guides_and_published_software_show():
    def first(name):
        product = LIVE[name]
        template = product.source.template or next(iter(product.source.templates.values()))
        example = dict(product.source.example)
        start = np.datetime64(example["start"], "ns") if "start" in example else None
        return Template(template).filled({key: example[key] for key in Template(template).fields}, start)

    heasarc = "https://heasarc.gsfc.nasa.gov/FTP"
    assert first("chandra_events").startswith(f"{heasarc}/chandra/data/byobsid/4/754/primary/")
    assert first("nustar_events").startswith(f"{heasarc}/nustar/data/obs/00/6/60001110002/event_cl/nu60001110002A01")
    assert first("nicer_events").startswith(f"{heasarc}/nicer/data/obs/2017_08/1020270115/xti/")
    assert first("xrism_resolve_events").startswith(
        f"{heasarc}/xrism/data/obs/0/000126000/resolve/event_cl/xa000126000"
    )
    assert first("swift_xrt_events").startswith(f"{heasarc}/swift/data/obs/2008_05/00037562001/xrt/event/sw00037562001")
    assert first("ixpe_events").startswith(f"{heasarc}/ixpe/data/obs/03/03250499/event_l2/ixpe03250499_det1_evt2_v")
    assert "/download/135/134/EXP_010/" in first("erosita_tile_events")
    assert first("planck_lfi_map").endswith("/maps/LFI_SkyMap_030-BPassCorrected_1024_R3.00_full.fits")
    assert first("act_planck_coadd").endswith("act-planck_dr4dr6_coadd_AA_daynight_f150_map_srcfree_healpix.fits")
    assert first("psp_mag_rtn_1min_daily").endswith("/mag_rtn_1min/2020/psp_fld_l2_mag_rtn_1min_20200104_v*.cdf")


def test_tables_can_be_asked_for_what_they_need():
    for product in LIVE.values():
        if product.source.archive == "tap":
            wanted = {"target": {"ra", "dec"}, "obsid": {"obsid"}}
            for need in product.source.needs:
                if need in ("start", "stop"):
                    assert set(product.source.span) <= set(product.variables.values())
                elif need != "radius":
                    assert wanted[need] <= set(product.variables)


@pytest.mark.parametrize("field", FIELDS)
def test_a_bundled_product_with_a_live_one_names_the_same_variables(field):
    for bundled in products(field).values():
        if bundled.live:
            live = LIVE[bundled.live]
            assert live.mission == bundled.mission and live.kind == bundled.kind
            assert live.variables == bundled.variables and live.nodes == bundled.nodes
