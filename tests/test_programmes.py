"""The table of ESA-JAXA programmes names its sources and promises no product that is not there."""

import re

import pytest

import analysis
from analysis import catalogue, programmes
from analysis.errors import BadOption

KNOWN = {
    name for field in catalogue.FIELDS for name in catalogue.products(field) | catalogue.products(field, live=True)
}
NAMED = (
    "BepiColombo", "EarthCARE", "MAXI", "NICER", "CALET", "Ramses", "Apophis", "Artemis", "Argonaut",
    "pressurized rover", "LUNA", "LUPEX", "Moonlight", "Mars landers", "M-MATISSE", "NewAthena", "LiteBIRD",
    "Plasma Observatory", "giant planets", "low Earth orbit",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMED)
def test_each_programme_is_in_the_table(name):
    assert programmes.table().programme.str.contains(name, regex=False).sum() == 1


@pytest.mark.parametrize("row", list(programmes.table().itertuples()), ids=lambda row: row.programme)
def test_each_phase_names_a_dated_source(row):
    assert re.search(r"20\d\d", row.phase_source)
    assert row.agencies and row.data and row.phase


@pytest.mark.parametrize("row", list(programmes.table().itertuples()), ids=lambda row: row.programme)
def test_what_is_offered_exists_or_is_said_not_to(row):
    assert set(row.products) <= KNOWN
    assert row.products or row.offers == "Not yet."


def test_words_are_searched_in_the_whole_row_in_any_case():
    assert list(programmes.table("litebird").programme) == ["LiteBIRD"]
    assert set(programmes.table("ESA jaxa m7").programme) == {"M-MATISSE", "Plasma Observatory"}


def test_what_matches_nothing_gives_an_empty_table_with_the_same_columns():
    assert list(programmes.table("warp drive").columns) == list(programmes.table().columns)
    assert programmes.table("warp drive").empty


def test_a_search_for_something_else_than_text_is_refused():
    with pytest.raises(BadOption, match="takes words"):
        programmes.table(7)


def test_the_table_is_at_the_root_of_the_package():
    assert analysis.missions("apophis").equals(programmes.table("apophis"))
