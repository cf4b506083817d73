"""The catalogue as a page: what it lists, what it tells, what it draws, and that nothing is asked without a click."""

import re
from pathlib import Path

import holoviews as hv
import numpy as np
import pandas as pd
import panel as pn
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from servers.hapi import HapiServer
from servers.hapi_data import Dataset, Parameter

import analysis
from analysis import browser, catalogue, cmb, plasma, store, xray
from analysis.browser import Wish, bands, found, line_of, preview
from analysis.browser.layout import LISTED
from analysis.catalogue import declared, indexed
from analysis.errors import AnalysisError, BadOption, BadTime, Offline, UnknownProduct
from analysis.model import check, provenance_of

PAGE = Path(__file__).parents[2] / "docs" / "explore" / "browse.md"
FIELDS = {"plasma": plasma, "xray": xray, "cmb": cmb}
SHIPPED = [(field, name) for field in FIELDS for name in catalogue.products(field)]
ARCHIVED = [(field, name) for field in FIELDS for name in catalogue.products(field, live=True)]


def tagged(page, name):
    return next(one for one in page.select(pn.widgets.Widget) if one.tags == [f"browse:{name}"])


def words(page):
    return " ".join(str(pane.object) for pane in page.select(pn.pane.HTML) if pane.visible)


def table(page):
    return next(iter(page.select(pn.widgets.DataFrame)))


def choose(page, name):
    table(page).selection = [list(table(page).value["product"]).index(name)]


def pictures(page):
    return [pane.object for pane in page.select(pn.pane.HoloViews)]


def button(page, label):
    return next(one for one in page.select(pn.widgets.Button) if one.label == label)


def code(page):
    return next(iter(page.select(pn.widgets.TextAreaInput))).value


@pytest.fixture
def nobody_asked(monkeypatch):
    """Fail the test if anything asks the network."""

    def refuse(*_, **__):
        raise AssertionError("an archive was asked")

    monkeypatch.setattr("socket.socket.connect", refuse)


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("text", ["", "magnetic field", "field magnetic", "planck", "xmm spectrum", "solar wnid"])
def test_a_field_lists_what_its_search_finds(field, text):
    listed = found(Wish(text=text, field=field)).rows
    pd.testing.assert_frame_equal(listed.drop(columns="field"), FIELDS[field].search(text))


def test_all_fields_together_are_the_three_searches():
    listed = found(Wish(text="events")).rows
    for field, module in FIELDS.items():
        assert listed[listed["field"] == field]["product"].tolist() == module.search("events")["product"].tolist()
    assert set(listed["field"]) == {"plasma", "xray"}


def test_a_mission_is_one_however_the_archive_abbreviates_it():
    names = found(Wish(text="hope", mission="Van Allen Probes (RBSP)")).rows["product"].tolist()
    assert "rbsp_hope_pad" in names and any(name.startswith("cdaweb/RBSP") for name in names)


def test_similar_words_of_one_field_do_not_stand_beside_true_finds_of_another():
    listed = found(Wish(text="litebird"))
    assert listed.rows["product"].tolist() == ["litebird_channels"]
    assert not any("similar" in note for note in listed.notes)
    similar = found(Wish(text="litebrid"))
    assert similar.rows["product"].tolist() == ["litebird_channels"]
    assert "similar" in " ".join(similar.notes)


@pytest.mark.slow
@settings(max_examples=25)
@given(
    field=st.sampled_from(["", *FIELDS]),
    where=st.sampled_from(["", "bundled", "cached", "live"]),
    mission=st.sampled_from(["", "OMNI", "planck", "Chandra"]),
    years=st.tuples(st.integers(1960, 2030), st.integers(1, 20)),
)
def test_filters_only_take_away_and_each_row_left_fulfils_them(field, where, mission, years):
    start, stop = f"{years[0]}-01-01", f"{sum(years)}-01-01"
    rows = found(Wish(field=field, where=where, mission=mission, start=start, stop=stop)).rows
    everything = found(Wish(field=field)).rows
    assert set(rows["product"]) <= set(everything["product"])
    assert all(w == where or (where == "live" and w not in ("bundled", "cached")) or not where for w in rows["where"])
    assert all(not mission or one.casefold() == mission.casefold() for one in rows["mission"])
    assert not (rows["start"] >= stop).any() and not (rows["stop"] < start).any()
    assert not (rows["start"].isna() & rows["stop"].isna()).any()


def test_bundled_cached_and_live_are_all_there_is():
    parts = [len(found(Wish(text="field", where=where)).rows) for where in ("bundled", "cached", "live")]
    assert sum(parts) == len(found(Wish(text="field")).rows)


def test_a_menu_counts_what_choosing_it_lists():
    listed = found(Wish(text="field"))
    for mission in ("MMS", "Cluster", "Van Allen Probes"):
        assert len(found(Wish(text="field", mission=mission)).rows) == listed.missions[mission]


def test_a_frequency_finds_its_map_and_an_energy_its_telescope():
    assert {"wmap7_w_iqu", "wmap9_w_iqu", "litebird_channels"} == set(found(Wish(band="94 GHz")).rows["product"])
    hard = set(found(Wish(band="20-50 keV")).rows["product"])
    assert "nustar_events" in hard and not {"ngc7793_ulx4_pn", "wmap7_w_iqu"} & hard
    assert any("left out" in note for note in found(Wish(band="94 GHz")).notes)


@pytest.mark.slow
def test_bands_are_those_of_the_files_that_ship():
    hope = plasma.fetch("rbsp_hope_pad")
    epd = plasma.fetch("solo_epd_hcad")
    held = {
        "rbsp_hope_pad": [(float(hope[n].energy_low.min()), float(hope[n].energy_high.max())) for n in hope],
        "solo_epd_hcad": [
            (1e6 * float(epd[n].energy_low.min()), 1e6 * float(epd[n].energy_high.max())) for n in ("ion", "electron")
        ],
    }
    for name in ("ngc7793_ulx4_pn", "nicer_maxi_j1820", "ixpe_stokes"):
        rmf = xray.fetch(name)["rmf"]
        held[name] = [(1e3 * float(rmf.energy_low.min()), 1e3 * float(rmf.energy_high.max()))]
    channels = cmb.fetch("litebird_channels").frequency
    held["litebird_channels"] = [tuple(1e9 * bands.PLANCK * float(end) for end in (channels.min(), channels.max()))]
    for name, ends in held.items():
        [(low, high)] = bands.bands_of("", name)
        assert low == pytest.approx(min(a for a, _ in ends), rel=6e-3)
        assert high == pytest.approx(max(b for _, b in ends), rel=6e-3)


def test_every_product_with_a_band_is_declared():
    assert set(bands._stated()) <= {name for _, name in SHIPPED + ARCHIVED}


@pytest.mark.parametrize("text", ["keV", "10", "2-1 keV", "2 parsec", "a-b GHz", "-3 keV", "2 keV to"])
def test_a_band_that_cannot_be_read_is_refused(text):
    with pytest.raises(BadOption, match=r"band|energy"):
        found(Wish(band=text))


@pytest.mark.parametrize(
    ("asked", "error", "told"),
    [
        ({"field": "plsma"}, BadOption, "plasma"),
        ({"mission": "LiteBRD"}, BadOption, "LiteBIRD"),
        ({"instrument": "no such thing"}, BadOption, "instrument"),
        ({"where": "here"}, BadOption, "bundled"),
        ({"text": 3}, BadOption, "text"),
        ({"product": 3}, BadOption, "product"),
        ({"start": "yesterday"}, BadTime, "yesterday"),
        ({"start": "2001-02-01", "stop": "2001-01-01"}, BadTime, "stop"),
        ({"product": "qin_denton_hourl"}, UnknownProduct, "qin_denton_hourly"),
    ],
)
def test_a_keyword_that_cannot_be_understood_is_refused(asked, error, told):
    with pytest.raises(error, match=told):
        analysis.browse(**asked)


@pytest.mark.slow
@pytest.mark.parametrize(("field", "name"), SHIPPED)
def test_the_line_of_what_ships_runs_and_fetches_just_that_product(field, name):
    names: dict = {}
    line = line_of(field, name).code.replace(f"\n{field}.fetch", f"\ndata = {field}.fetch")
    exec(compile(line, name, "exec"), names)  # what the page says to paste
    check(names["data"])
    node = next(n for n in [names["data"], *getattr(names["data"], "leaves", [])] if "provenance" in n.attrs)
    assert provenance_of(node)["query"] == {"domain": field, "product": name}


@pytest.mark.slow
@pytest.mark.parametrize("times", [("", ""), ("2016-03-01", "2016-03-02"), ("2016-03-01", ""), ("", "2016-03-01")])
def test_the_line_of_an_archive_lacks_nothing_that_it_must_be_told(times):
    wish = Wish(start=times[0], stop=times[1])
    listed = [
        ("plasma", f"cdaweb/{one.id}") for one in indexed.datasets("mms fgm")[:3] + indexed.datasets("helios")[:2]
    ]
    for field, name in [*ARCHIVED, *listed]:
        with store.offline(), pytest.raises(Offline):
            line_of(field, name, wish).fetched()


def test_the_line_is_cut_to_what_was_looked_for_and_is_not_where_that_takes_nothing_away():
    cut = line_of("plasma", "qin_denton_hourly", Wish(start="2001-03-31", stop="2001-04-01")).fetched()
    assert cut.sizes["time"] == 24
    assert line_of("plasma", "qin_denton_hourly", Wish(start="1990-01-01", stop="2020-01-01")).arguments == {}
    assert line_of("plasma", "qin_denton_hourly", Wish(start="2020-01-01")).arguments == {}
    assert line_of("cmb", "wmap7_w_iqu", Wish(start="2001-01-01")).arguments == {}
    assert line_of("cmb", "planck_hfi_map", Wish(band="200-300 GHz")).arguments == {"frequency": "217"}
    assert line_of("plasma", "omni_1min", Wish(start="2015-03-17")).arguments == {
        "start": "2015-03-17",
        "stop": "2015-03-18",
    }


@pytest.mark.slow
@pytest.mark.parametrize(("field", "name"), SHIPPED)
def test_what_ships_has_a_picture_and_the_page_says_whose_it_is(field, name, nobody_asked):
    page = analysis.browse(product=name)
    [picture] = pictures(page)
    assert hv.render(picture) is not None
    assert all(f">{label}</td>" in words(page) for label in ("Holds", "Made by", "Licence", "Cite"))
    assert browser.state(page) == {"product": name}


@pytest.mark.slow
def test_what_only_an_archive_has_is_told_without_asking_it(nobody_asked):
    page = analysis.browse("mms fgm burst")
    choose(page, "cdaweb/MMS1_FGM_BRST_L2")
    assert pictures(page) == []
    assert 'plasma.fetch("cdaweb/MMS1_FGM_BRST_L2", start=' in code(page)
    assert "A picture needs the data" in words(page)
    assert "mms1_fgm_b_gse_brst_l2" in words(page)
    assert button(page, "Ask the archive and draw").visible


def test_a_click_that_finds_no_network_ends_in_words():
    page = analysis.browse(product="omni_1min")
    with store.offline():
        button(page, "Ask the archive and draw").clicks += 1
    assert "offline" in words(page) and pictures(page) == []
    assert not any("Asking the archive" in str(pane.object) for pane in page.select(pn.pane.HTML) if pane.visible)


@pytest.mark.server
@pytest.mark.slow
def test_a_click_fetches_draws_and_from_then_on_it_is_cached(monkeypatch, fresh_home):
    density = (Parameter("N", units="cm-3", fill="-1e31", description="Density"),)
    tables = {field: dict(declared._declared(field)) for field in declared.FIELDS}
    monkeypatch.setattr(declared, "_declared", lambda field: tables[field])
    keys = {"title": "Demo", "mission": "Loopback", "instrument": "None", "kind": "dataset", "archive": "hapi"}
    with HapiServer([Dataset("WIND", density, start="2001-01-01", stop="2001-02-01", cadence="PT1H")]) as server:
        given = {"server": server.url, "dataset": "WIND", "variables": {"density": "N"}, "license": "free"}
        given["example"] = {"start": "2001-01-02", "stop": "2001-01-03"}
        given |= {"institution": "Tests", "references": ["none"]}
        tables["plasma"]["demo_wind"] = declared.declaration("demo_wind", keys | given, domain="plasma")
        page = analysis.browse("demo wind")
        choose(page, "demo_wind")
        assert pictures(page) == []
        button(page, "Ask the archive and draw").clicks += 1
        assert len(pictures(page)) == 1 and "Density (cm-3)" in words(page)
    again = analysis.browse("demo wind", where="cached", product="demo_wind")  # the server is gone
    assert table(again).value["product"].tolist() == ["demo_wind"]
    assert len(pictures(again)) == 1 and "2001-01-02T00:00:00 to 2001-01-03T00:00:00" in words(again)
    seen = preview("plasma", "demo_wind").data
    assert seen.sizes["time"] == 24


@pytest.mark.slow
def test_typing_lists_anew_and_the_state_can_be_read_back_and_opened_again():
    page = analysis.browse()
    tagged(page, "text").value_input = "kp sunspot"
    assert table(page).value["product"].tolist()[0] == "space_weather_daily"
    tagged(page, "text").value_input = "storm"
    tagged(page, "where").value = "bundled"
    tagged(page, "start").value = "2001-03-31"
    tagged(page, "stop").value = "2001-04-01"
    choose(page, "qin_denton_hourly")
    now = browser.state(page)
    assert now == {
        "text": "storm",
        "start": "2001-03-31",
        "stop": "2001-04-01",
        "where": "bundled",
        "product": "qin_denton_hourly",
    }
    assert 'start="2001-03-31", stop="2001-04-01"' in code(page)
    again = analysis.browse(**now)
    assert browser.state(again) == now and code(again) == code(page)
    pd.testing.assert_frame_equal(table(again).value, table(page).value)


def test_a_long_list_is_cut_and_says_how_many_more():
    page = analysis.browse("magnetic")
    number = len(found(Wish(text="magnetic")).rows)
    assert number > LISTED == len(table(page).value)
    assert f"{number - LISTED:,} more" in words(page)


def test_a_wrong_time_becomes_words_and_the_list_stays():
    page = analysis.browse("storm")
    before = table(page).value
    tagged(page, "start").value = "31.3.2001"
    assert "31.3.2001" in words(page)
    pd.testing.assert_frame_equal(table(page).value, before)
    tagged(page, "start").value = "2001-03-31"
    assert "31.3.2001" not in words(page)


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "' \" \\ \n", "☃" * 500, "((([", "   "])
def test_nothing_that_is_typed_breaks_the_page(text):
    page = analysis.browse()
    tagged(page, "text").value_input = text
    assert "<script>" not in words(page)
    assert "cannot be shown" not in words(page)


def test_nothing_found_says_so():
    assert "0 products" in words(analysis.browse("zzqqxx"))


def test_a_picture_that_fails_becomes_words(monkeypatch):
    monkeypatch.setattr(
        "analysis.browser.pages.preview", lambda field, name: (_ for _ in ()).throw(AnalysisError("worn out"))
    )
    page = analysis.browse(product="ring_current_hourly")
    assert "worn out" in words(page) and pictures(page) == []


def test_state_refuses_what_is_no_page():
    for other in (pn.Column(), 3):
        with pytest.raises(BadOption, match="browse"):
            browser.state(other)


def test_two_pages_do_not_share_their_state():
    one, other = analysis.browse("storm"), analysis.browse("mask")
    tagged(one, "text").value_input = "flare"
    assert browser.state(other) == {"text": "mask"}


def test_browse_is_a_lazy_name():
    assert "browse" in dir(analysis) and analysis.browse is browser.browse


def test_times_are_told_as_short_as_they_can_be():
    line = line_of("plasma", "goes_xrs_20110607", Wish(start="2011-06-07T06:00", stop="2011-06-07T07:30:15.5"))
    assert line.arguments == {"start": "2011-06-07T06:00:00", "stop": "2011-06-07T07:30:15.500000000"}
    assert line.fetched().time.values[0] >= np.datetime64("2011-06-07T06:00")


@pytest.mark.slow
def test_the_code_of_the_page_runs():
    names: dict = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.S)
    assert blocks
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)  # our own page


@pytest.mark.slow
def test_what_is_left_out_for_stating_nothing_is_counted_among_what_the_other_filters_keep():
    import re

    def silent(wish, what):
        return sum(int(re.match(r"[\d,]+", note)[0]) for note in found(wish).notes if f"no {what}" in note)

    for wish, what, without in (
        (Wish(start="2001-03-31", where="bundled", field="plasma"), "time", "start"),
        (Wish(band="94 GHz", where="bundled"), "energy", "band"),
    ):
        assert silent(wish, what) == silent_of(wish, without) > 0


def silent_of(wish, filtered):
    from dataclasses import replace

    from analysis.browser.bands import bands_of

    rows = found(replace(wish, **{filtered: ""})).rows
    if filtered == "band":
        return sum(not bands_of(*pair) for pair in zip(rows["field"], rows["product"], strict=True))
    return int((rows["start"].isna() & rows["stop"].isna()).sum())


def test_table_and_links_have_the_ink_of_the_page_around_them():
    from analysis.browser.layout import parts_of
    from analysis.browser.telling import shown

    assert "color: inherit" in "".join(parts_of()["table"].stylesheets)
    assert "style='color:inherit'>doi:10.1/x</a>" in shown("A", "b", {"Cite": "doi:10.1/x"})
