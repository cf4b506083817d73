"""docs/data.md is written from the declarations, and is up to date."""

import importlib.util
import re
from pathlib import Path

from analysis import catalogue, sample

ROOT = Path(__file__).resolve().parents[1]
spec = importlib.util.spec_from_file_location("make_docs", ROOT / "tools" / "make_docs.py")
make_docs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(make_docs)


def test_the_page_of_data_is_what_the_declarations_say():
    assert (ROOT / "docs" / "data.md").read_text("utf-8") == make_docs.page(), "run python tools/make_docs.py"
    assert (ROOT / "docs" / "live.md").read_text("utf-8") == make_docs.live_page(), "run python tools/make_docs.py"


def test_the_page_names_every_product_and_file():
    page = make_docs.page()
    for field in catalogue.FIELDS:
        assert all(f"| `{name}` |" in page for name in catalogue.products(field))
    assert all(f"### {name}\n" in page for name in sample.entries())


def test_links_inside_the_page_lead_somewhere():
    page = make_docs.page()
    anchors = {make_docs.anchor(heading) for heading in re.findall(r"^#+ (.+)$", page, re.M)}
    assert set(re.findall(r"\(#([^)]+)\)", page)) <= anchors
