"""The verbs together, and the page about them."""

import re
from pathlib import Path

import pytest

from analysis import catalogue, cmb
from analysis.errors import UnknownProduct
from analysis.model import check

PAGE = Path(__file__).parents[2] / "docs" / "cmb.md"


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
def test_the_examples_of_the_page_run():
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.S)
    assert len(blocks) >= 3
    exec(compile("\n".join(blocks), str(PAGE), "exec"), {})  # our own page


def test_the_page_names_every_public_function():
    page = PAGE.read_text("utf-8")
    assert [name for name in cmb.__all__ if f"{name}(" not in page] == []
