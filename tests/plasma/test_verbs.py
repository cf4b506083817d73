"""The verbs on the products that ship, and what importing the package costs."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from analysis import catalogue, plasma
from analysis.errors import BadOption, BadTime, OutsideCoverage, UnknownProduct, UnknownVariable
from analysis.model import check

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [DOCS / "plasma.md", *sorted((DOCS / "plasma").glob("*.md"))]


def test_search_lists_products_in_a_table():
    table = plasma.search()
    assert isinstance(table, pd.DataFrame)
    assert {"qin_denton_hourly", "rbsp_hope_pad"} <= set(table["product"])
    assert plasma.search("van allen pitch")["product"][0] == "rbsp_hope_pad"


@pytest.mark.slow
def test_fetch_gives_the_dst_minimum_of_the_storm_of_march_2001():
    wind = plasma.fetch("qin_denton_hourly", "2001-03-31", "2001-04-01", variables=["dst", "bz"])
    check(wind)
    assert wind.dst.min() == -387
    assert str(wind.dst.idxmin().values).startswith("2001-03-31T08")
    assert set(wind.data_vars) == {"dst", "bz"}
    assert "bz_quality" in wind.coords and wind.sizes["time"] == 24


@pytest.mark.slow
def test_flags_stay_beside_a_variable_that_is_taken_out():
    wind = plasma.fetch("qin_denton_hourly", "2001-03-31", "2001-04-01")
    assert "pdyn_quality" in wind[["bz", "pdyn"]].variables
    assert "pdyn_quality" in wind.pdyn.coords


@pytest.mark.slow
def test_pressure_with_five_percent_helium_is_that_of_the_file_in_the_middle():
    wind = plasma.fetch("qin_denton_hourly")
    ours = plasma.dynamic_pressure(wind.density, wind.speed, helium_fraction=0.0493)
    assert (ours / wind.pdyn).median() == pytest.approx(1, abs=0.03)  # the wind's own helium varies
    assert (ours.dynamic_pressure_quality >= wind.pdyn_quality).all()


@pytest.mark.slow
def test_collect_gives_a_node_for_each_product():
    tree = plasma.collect("qin_denton_hourly", "ring_current_hourly", start="2001-03-31", stop="2001-04-01")
    assert set(tree.children) == {"qin_denton_hourly", "ring_current_hourly"}
    assert "bz_quality" in tree["qin_denton_hourly"].coords
    check(tree)


def test_the_mean_over_pitch_angle_is_the_omnidirectional_flux_in_the_file():
    # HOPE's own FEDO and FPDO leave out the bins nearest the field, which were not filled on that day
    tree = check(plasma.fetch("rbsp_hope_pad"))
    for species in ("ion", "electron"):
        flux, theirs = tree[species]["flux"], tree[species]["flux_omni"]
        mean = check(plasma.omnidirectional(flux, coverage=0.9))
        np.testing.assert_allclose(mean, theirs.transpose(*mean.dims), rtol=1e-6)
        assert plasma.omnidirectional(flux).count() == 0


@pytest.mark.slow
def test_lazy_products_compute_to_the_same():
    lazy = plasma.fetch("qin_denton_hourly", "2001-03-31", "2001-04-01", chunks={"time": 7})
    assert lazy.bz.chunks is not None
    xr.testing.assert_equal(lazy.compute(), plasma.fetch("qin_denton_hourly", "2001-03-31", "2001-04-01"))


@pytest.mark.parametrize(
    ("call", "error", "named"),
    [
        (lambda: plasma.fetch("qin_denton"), UnknownProduct, "qin_denton_hourly"),
        (lambda: plasma.fetch("qin_denton_hourly", variables=["bq"]), UnknownVariable, "bq"),
        (lambda: plasma.fetch("qin_denton_hourly", "1980-01-01", "1980-01-02"), OutsideCoverage, "1999"),
        (lambda: plasma.fetch("qin_denton_hourly", "2001-04-01", "2001-03-31"), BadTime, "stop"),
        (lambda: plasma.collect(), BadOption, "at least one"),
    ],
)
@pytest.mark.slow
def test_what_no_product_has_is_refused_with_what_there_is(call, error, named):
    with pytest.raises(error, match=named):
        call()


@pytest.mark.slow
def test_importing_loads_no_library_of_pictures_readers_or_units():
    script = """if True:
        import json, sys
        import xarray
        before = set(sys.modules)
        from analysis import plasma
        plasma.view, plasma.fetch
        print(json.dumps(sorted({name.split(".")[0] for name in set(sys.modules) - before})))
    """
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert set(json.loads(answer.stdout)) - sys.stdlib_module_names == {"analysis"}


def test_every_public_name_is_there_and_no_module_hides_one():
    assert all(hasattr(plasma, name) for name in plasma.__all__)
    modules = {path.stem for path in Path(plasma.__file__).parent.glob("*.py")}
    assert not modules & set(plasma.__all__)
    assert plasma.__all__ == sorted(plasma.__all__)


def test_the_pages_about_plasma_name_every_function_and_product():
    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    assert [name for name in plasma.__all__ if f"`{name}" not in text and f"plasma.{name}" not in text] == []
    assert [name for name in catalogue.products("plasma") if f"`{name}`" not in text] == []


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_code_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    space: dict = {}
    blocks = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.S)
    assert blocks
    for block in blocks:
        exec(compile(block, str(page), "exec"), space)
