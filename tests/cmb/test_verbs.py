"""The verbs together, and the page about them."""

import re
from pathlib import Path

import pytest

from analysis import catalogue, cmb
from analysis.errors import UnknownProduct
from analysis.model import check

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [DOCS / "cmb.md", *sorted((DOCS / "cmb").glob("*.md"))]


def test_every_product_that_ships_is_found_fetched_and_keeps_the_contract():
    names = list(catalogue.products("cmb"))
    assert {"wmap7_v_iqu", "wmap7_w_iqu", "wmap7_mask", "planck2018_lcdm", "litebird_channels"} <= set(names)
    tree = cmb.collect(*names)
    assert set(tree.children) == set(names)
    check(tree)


def test_a_search_finds_by_mission_and_by_word():
    assert list(cmb.search("litebird")["product"]) == ["litebird_channels"]
    assert {"wmap7_v_iqu", "wmap7_w_iqu"} <= set(cmb.search("wmap stokes")["product"])


def test_an_unknown_product_is_refused_with_the_nearest_names():
    with pytest.raises(UnknownProduct, match="wmap7_w_iqu"):
        cmb.fetch("wmap_w_iqu")


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_code_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    blocks = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.S)
    assert blocks
    for block in blocks:
        exec(compile(block, str(page), "exec"), names)  # our own page


def test_the_pages_name_every_public_function():
    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    assert [n for n in cmb.__all__ if not re.search(rf"`(cmb\.)?{n}\(|cmb\.{n}\b", text)] == []


def test_no_module_bears_a_public_name():
    modules = {path.stem for path in Path(cmb.__file__).parent.glob("*.py")}
    assert not modules & set(cmb.__all__)
