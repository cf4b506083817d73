"""The verbs on the products that ship, the page of documentation, and what an import brings in."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from analysis import catalogue, xray
from analysis.errors import (
    AnalysisError,
    BadOption,
    MissingUnits,
    OutsideCoverage,
    UnknownProduct,
    UnknownVariable,
)
from analysis.model import check

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [DOCS / "xray.md", *sorted((DOCS / "xray").glob("*.md"))]


def test_search_lists_products_in_a_table():
    table = xray.search()
    assert isinstance(table, pd.DataFrame) and "ngc7793_ulx4_pn" in set(table["product"])
    events = xray.search("chandra events").query("where == 'bundled'")
    assert set(events["product"]) == {"msh1552_acis_events", "m82_acis_events"}


@pytest.mark.slow
def test_collect_gives_a_node_for_each_product():
    tree = xray.collect("ngc7793_ulx4_pn", "nh_lab")
    assert set(tree.children) == {"ngc7793_ulx4_pn", "nh_lab"}
    assert set(tree["ngc7793_ulx4_pn"].children) == {"spectrum", "background", "arf", "rmf"}


def test_a_target_cuts_events_to_a_circle(m82):
    cut = xray.fetch("m82_acis_events", target="09h55m50s +69d40m47s", radius="10 arcsec")
    xr.testing.assert_identical(
        cut["events"]["time"], xray.within(m82, "09h55m50s +69d40m47s", "10 arcsec")["events"]["time"]
    )
    check(cut)


def test_a_target_keeps_only_the_variables_asked_for():
    cut = xray.fetch("m82_acis_events", target="09h55m50s +69d40m47s", radius="10 arcsec", variables=["time", "energy"])
    assert set(cut["events"].data_vars) == {"time", "energy"}
    with pytest.raises(UnknownVariable, match="energie"):
        xray.fetch("m82_acis_events", target="148.96 69.68", radius="1 arcmin", variables=["energie"])


def test_a_target_on_the_map_gives_the_column_there():
    found = check(xray.fetch("nh_lab", target="187.2779 2.0524"))
    assert float(found.hydrogen_column) == pytest.approx(1.7e20, rel=0.1)
    with pytest.raises(BadOption, match="radius"):
        xray.fetch("nh_lab", target="187.2779 2.0524", radius="1 deg")


def test_lazy_events_are_cut_alike(m82):
    lazy = xray.fetch("m82_acis_events", target="148.9583 69.6797", radius="10 arcsec", chunks={})
    assert lazy["events"]["energy"].chunks is not None
    here = xray.within(m82, "148.9583 69.6797", "10 arcsec")
    assert lazy["events"]["energy"].values.tolist() == here["events"]["energy"].values.tolist()
    assert int(xray.light_curve(lazy, 100).counts.sum()) == here["events"].sizes["event"]


@pytest.mark.slow
def test_an_observation_is_the_one_asked_for():
    for asked in ("10027", 10027, "010027"):
        assert "events" in xray.fetch("m82_acis_events", obsid=asked).children
    with pytest.raises(OutsideCoverage, match="observation 10027, not 754"):
        xray.fetch("m82_acis_events", obsid=754)
    assert "spectrum" in xray.fetch("ngc7793_ulx4_pn", obsid="0693760101").children
    with pytest.raises(OutsideCoverage, match="does not say"):
        xray.fetch("nh_lab", obsid="1")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"product": "m82"}, UnknownProduct, "m82_acis_events"),
        ({"product": "m82_acis_events", "target": "148.96 69.68"}, BadOption, "radius="),
        ({"product": "m82_acis_events", "radius": "1 deg"}, BadOption, "target="),
        ({"product": "m82_acis_events", "target": "148.96 69.68", "radius": 1}, MissingUnits, "radius"),
        ({"product": "m82_acis_events", "target": "1 2 3", "radius": "1 deg"}, BadOption, "a name"),
        (
            {"product": "ngc7793_ulx4_pn", "target": "359.46 -32.62", "radius": "1 deg"},
            BadOption,
            "no events",
        ),
        ({"product": "m82_acis_events", "target": "10 10", "radius": "1 deg"}, OutsideCoverage, "nearest"),
    ],
)
def test_a_wrong_request_is_told_what_would_be_right(options, error, match):
    with pytest.raises(error, match=match) as caught:
        xray.fetch(options.pop("product"), **options)
    assert isinstance(caught.value, AnalysisError)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_code_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    blocks = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.S)
    assert blocks
    for block in blocks:
        exec(compile(block, str(page), "exec"), names)
    if page.stem == "xray":
        assert float(names["w"]) == pytest.approx(1768.23, abs=0.005)
        assert names["w"].attrs["bins"] == 1506
        assert float(names["hydrogen"].hydrogen_column) == pytest.approx(1.7e20, rel=0.1)
        assert np.isfinite(names["curve"].rate).all()


def test_the_pages_name_every_product_and_function():
    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    assert [name for name in catalogue.products("xray") if f"`{name}`" not in text] == []
    assert [n for n in xray.__all__ if not re.search(rf"`(xray\.)?{n}\(|xray\.{n}\b", text)] == []


def test_no_module_bears_a_public_name():
    modules = {path.stem for path in Path(xray.__file__).parent.glob("*.py")}
    assert not modules & set(xray.__all__)


@pytest.mark.slow
def test_importing_brings_in_nothing_heavy():
    code = "import sys; from analysis import xray; print(*sorted(m.split('.')[0] for m in sys.modules))"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    assert not loaded & {"astropy", "bokeh", "holoviews", "panel", "scipy", "h5py", "pycdfpp", "ducc0"}


def test_variables_are_looked_for_as_they_were_asked():
    found = xray.fetch("nh_lab", target="187.2779 2.0524", variables=["nh"])
    assert float(found.hydrogen_column) == pytest.approx(1.7e20, rel=0.1)
    with pytest.raises(UnknownVariable, match=r"no 'foo'; it has nh$"):
        xray.fetch("nh_lab", target="10 10", variables=["foo"])
    kept = xray.fetch("m82_acis_events", target="148.96 69.68", radius="1 arcmin", variables="x")
    assert set(kept["events"].data_vars) == {"x"}


@pytest.mark.parametrize("variables", [5, [], [1]])
def test_variables_that_are_no_names_are_refused(variables):
    for place in ({}, {"target": "148.96 69.68", "radius": "1 arcmin"}):
        with pytest.raises(BadOption, match="variables="):
            xray.fetch("m82_acis_events", variables=variables, **place)
