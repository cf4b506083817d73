"""From a name to a checked dataset: what every product keeps, and what a wrong request is told."""

import datetime as dt
from functools import cache

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from analysis import catalogue, cmb, plasma, sample, xray
from analysis.archives.servers import servers
from analysis.errors import (
    AnalysisError,
    AnalysisWarning,
    BadOption,
    BadTime,
    OutsideCoverage,
    UnknownProduct,
    UnknownVariable,
)
from analysis.model import breaches, provenance_of

VERBS = {"plasma": plasma, "xray": xray, "cmb": cmb}
PRODUCTS = [(domain, name) for domain in catalogue.FIELDS for name in catalogue.products(domain)]


@cache
def fetched(domain, name):
    return VERBS[domain].fetch(name)


def nodes(data):
    if isinstance(data, xr.Dataset):
        return [data]
    return [node.to_dataset(inherit=False) for node in data.subtree if node.has_data]


@pytest.mark.parametrize(("domain", "name"), PRODUCTS)
@pytest.mark.slow
def test_every_product_keeps_the_contract_and_is_what_search_says(domain, name):
    data = fetched(domain, name)
    row = VERBS[domain].search().set_index("product").loc[name]
    assert breaches(data) == []
    assert isinstance(data, xr.DataTree if row.kind == "tree" else xr.Dataset)
    times = [node.time.values for node in nodes(data) if "time" in node.indexes]
    if times and times[0].dtype.kind == "M":
        first, last = min(t[0] for t in times), max(t[-1] for t in times)
        assert abs(first - row.start.to_datetime64()) < np.timedelta64(1, "s")
        assert abs(last - row.stop.to_datetime64()) < np.timedelta64(1, "s")
    else:
        assert pd.isna(row.start)


@pytest.mark.parametrize(("domain", "name"), PRODUCTS)
@pytest.mark.slow
def test_every_product_says_whose_numbers_these_are(domain, name):
    for node in nodes(fetched(domain, name)):
        said = provenance_of(node)
        assert said["query"]["product"] == name
        assert node.attrs["title"] == catalogue.products(domain)[name].title
        if catalogue.products(domain)[name].recorded:  # a library's package has it, not our registry
            assert len(said["files"]) == len(said["sha256"]) == 1 and len(said["sha256"][0]) == 64
            continue
        held = sample.entry(said["files"][0]["name"])
        assert said["files"][0]["sha256"] == held.sha256
        assert set(held.caveats) <= set(node.attrs.get("caveats", "").splitlines())
        assert held.references[0] in node.attrs["references"]


@pytest.mark.parametrize(("domain", "name"), PRODUCTS)
def test_a_declaration_is_short_and_its_files_are_registered(domain, name):
    declared = catalogue.products(domain)[name]
    assert all(filename in sample.entries() for filename in declared.sample_files)


@pytest.mark.slow
def test_a_lazy_fetch_is_the_same_data_one_chunk_a_file():
    lazy = plasma.fetch("qin_denton_hourly", chunks={})
    assert lazy.dst.chunks == ((lazy.sizes["time"],),)
    xr.testing.assert_identical(lazy.compute(), plasma.fetch("qin_denton_hourly").assign_attrs(lazy.attrs))


@pytest.mark.parametrize(("domain", "name"), PRODUCTS)
@pytest.mark.slow
def test_a_product_is_found_by_each_of_its_variables(domain, name):
    held = {str(v) for node in nodes(fetched(domain, name)) for v in node.data_vars}
    for variable in held:
        if not variable.endswith("_quality"):
            assert name in list(VERBS[domain].search(variable)["product"]), variable


@pytest.mark.slow
def test_collect_takes_from_each_product_what_it_has_of_the_variables():
    tree = plasma.collect("qin_denton_hourly", "ring_current_hourly", variables=["dst", "rc"])
    assert set(tree["qin_denton_hourly"].data_vars) == {"dst"}
    assert set(tree["ring_current_hourly"].data_vars) == {"rc"}


@pytest.mark.slow
def test_start_is_in_and_stop_is_out():
    day = plasma.fetch("qin_denton_hourly", "2001-03-31", "2001-04-01")
    assert str(day.time.values[0]) == "2001-03-31T00:00:00.000000000"
    assert str(day.time.values[-1]) == "2001-03-31T23:00:00.000000000"
    assert day.sizes["time"] == 24


@pytest.mark.slow
def test_an_interval_that_is_only_partly_covered_is_said_to_be():
    with pytest.warns(AnalysisWarning, match="begin 1999-07-01T14"):
        early = plasma.fetch("qin_denton_hourly", "1990-01-01", "2000-02-01")
    assert "but the data begin 1999-07-01T14" in early.attrs["history"]


@pytest.mark.slow
def test_either_end_may_be_left_open():
    whole = plasma.fetch("qin_denton_hourly")
    head, tail = plasma.fetch("qin_denton_hourly", stop="2000-01-01"), plasma.fetch("qin_denton_hourly", "2000-01-01")
    assert head.sizes["time"] + tail.sizes["time"] == whole.sizes["time"]


@pytest.mark.slow
def test_flags_stay_beside_the_variables_asked_for():
    storm = plasma.fetch("qin_denton_hourly", variables=["dst", "bz"])
    assert set(storm.variables) == {"time", "dst", "bz", "bz_quality"}


def test_words_find_products_in_any_case_and_a_slip_of_the_pen_finds_the_nearest():
    assert "qin_denton_hourly" in list(plasma.search("SOLAR wind hourly")["product"])
    assert "psp_mag_rtn_1min" in list(plasma.search("parker magentic")["product"])
    assert plasma.search("zzzz").empty
    assert list(plasma.search("zzzz").columns) == list(catalogue.COLUMNS)


def test_a_search_says_which_archive_has_a_product_and_lists_datasets_of_the_index_last():
    found = plasma.search("omni hourly").set_index("product")
    assert found["where"]["omni_hourly"] == "cdaweb"
    burst = plasma.search("mms fgm burst")
    assert {f"cdaweb/MMS{n}_FGM_BRST_L2" for n in (1, 2, 3, 4)} <= set(burst["product"])
    declared = [not name.startswith("cdaweb/") for name in plasma.search("solar wind")["product"]]
    assert declared == sorted(declared, reverse=True) and set(declared) == {True, False}


def test_without_words_only_what_is_declared_is_listed():
    for field, verbs in VERBS.items():
        known = {**catalogue.products(field), **catalogue.products(field, live=True)}
        assert list(verbs.search()["product"]) == list(known)
        assert set(verbs.search()["where"]) > {"bundled"}


@pytest.mark.parametrize("field", catalogue.FIELDS)
def test_every_archives_product_says_whose_it_is_and_how_to_ask_for_it(field):
    for name, product in catalogue.products(field, live=True).items():
        source = product.source
        assert source.institution and source.references, name
        assert set(catalogue.needs(field, name)) <= set(source.example), name
        assert source.archive in ("files", "s3") or source.server in servers(), name


@pytest.mark.parametrize(
    ("request_", "error", "told"),
    [
        (lambda: plasma.fetch("qin_denton_houry"), UnknownProduct, "qin_denton_hourly"),
        (lambda: plasma.fetch("wmap7_w_iqu"), UnknownProduct, r"cmb\.fetch\('wmap7_w_iqu'\)"),
        (lambda: plasma.fetch("zzz"), UnknownProduct, r"plasma\.search\(\)"),
        (lambda: plasma.fetch(None), UnknownProduct, "None"),
        (lambda: plasma.fetch("qin_denton_hourly", variables=["dts"]), UnknownVariable, "near: .*dst"),
        (lambda: plasma.fetch("qin_denton_hourly", variables=[]), BadOption, "list of names"),
        (lambda: plasma.fetch("qin_denton_hourly", "2001-04-01", "2001-03-01"), BadTime, "not after"),
        (lambda: plasma.fetch("qin_denton_hourly", dt.datetime(2001, 3, 31)), BadTime, "time zone"),
        (lambda: plasma.fetch("qin_denton_hourly", "1990-01-01", "1991-01-01"), OutsideCoverage, "1999-07-01"),
        (lambda: plasma.fetch("qin_denton_hourly", "2030-01-01"), OutsideCoverage, "2001-10-11"),
        (
            lambda: plasma.fetch("qin_denton_hourly", "2001-03-31T00:10", "2001-03-31T00:20"),
            OutsideCoverage,
            "2001-03-31T01:00",
        ),
        (lambda: plasma.fetch("qin_denton_hourly", chunks="many"), BadOption, "chunks"),
        (lambda: plasma.fetch("qin_denton_hourly", chunks={"time": -5}), BadOption, "chunks"),
        (lambda: plasma.fetch("qin_denton_hourly", chunks={"tme": 5}), BadOption, "'tme', but the dims are time"),
        (lambda: plasma.fetch("qin_denton_hourly", chunks=True), BadOption, "chunks"),
        (lambda: plasma.fetch("qin_denton_hourly", variables=5), BadOption, "list of names"),
        (lambda: plasma.fetch(["qin_denton_hourly"]), UnknownProduct, "qin_denton_hourly"),
        (lambda: plasma.collect(["qin_denton_hourly", "ring_current_hourly"]), BadOption, "one after the other"),
        (lambda: plasma.collect("qin_denton_hourly", variables=["rd"]), UnknownVariable, "none of qin_denton_hourly"),
        (lambda: plasma.collect(), BadOption, "at least one"),
        (lambda: plasma.search(5), BadOption, "words"),
    ],
)
@pytest.mark.slow
def test_a_wrong_request_is_told_what_would_be_right(request_, error, told):
    with pytest.raises(error, match=told) as caught:
        request_()
    assert isinstance(caught.value, AnalysisError)


@pytest.mark.slow
def test_collect_gives_a_tree_with_a_node_each_and_its_own_provenance():
    tree = plasma.collect("qin_denton_hourly", "ring_current_hourly", start="2001-03-30", stop="2001-04-03")
    assert set(tree.children) == {"qin_denton_hourly", "ring_current_hourly"}
    for name, node in tree.children.items():
        assert provenance_of(node.to_dataset())["query"]["product"] == name


def test_collect_keeps_the_children_of_a_product_that_is_a_tree():
    tree = xray.collect("ngc7793_ulx4_pn")
    assert set(tree["ngc7793_ulx4_pn"].children) == {"spectrum", "background", "arf", "rmf"}


@pytest.mark.slow
def test_what_is_fetched_survives_netcdf(tmp_path):
    storm = plasma.fetch("qin_denton_hourly", "2001-03-30", "2001-04-03")
    storm.to_netcdf(tmp_path / "storm.nc", engine="h5netcdf")
    from analysis import formats

    back = formats.read(tmp_path / "storm.nc")
    xr.testing.assert_equal(back, storm)
    assert back.dst.attrs["units"] == storm.dst.attrs["units"]
    assert provenance_of(back)["query"]["product"] == "qin_denton_hourly"
