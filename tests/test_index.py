"""The index of CDAWeb's datasets has them all, is small, is made the same each time, and finds what people write."""

import importlib.util
import json
import lzma
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from analysis.catalogue import indexed
from analysis.errors import AnalysisError, BadOption, UnknownProduct

pytestmark = pytest.mark.slow  # together some seconds: the quick tier leaves them out

ROOT = Path(__file__).parents[1]
FILES = [ROOT / "analysis" / "catalogue" / f"cdaweb_{part}.json.xz" for part in ("index", "parameters")]
METADATA = files("cdawebmcp") / "data" / "metadata"


@pytest.fixture(scope="module")
def tool():
    """Return tools/make_index.py as a module."""
    spec = importlib.util.spec_from_file_location("make_index", ROOT / "tools" / "make_index.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def told():
    """Return what CDAWeb's REST service tells of each dataset."""
    found = {}
    for entry in (files("cdawebmcp") / "data" / "observatories").iterdir():
        for instrument in json.loads(entry.read_text("utf-8"))["instruments"].values():
            found |= instrument["datasets"]
    return found


def test_every_dataset_is_in_the_index():
    assert {d.id for d in indexed.datasets()} == {entry.name.removesuffix(".json") for entry in METADATA.iterdir()}


def test_every_coverage_and_title_is_as_told(told):
    for d in indexed.datasets():
        assert (d.start, d.stop) == tuple(told[d.id][key].removesuffix(".000Z") for key in ("start_date", "stop_date"))
        assert d.title == told[d.id]["description"] and d.doi == told[d.id].get("doi", "")


@pytest.mark.slow
def test_every_parameter_is_in_the_index_with_its_unit():
    for d in indexed.datasets():
        theirs = json.loads((METADATA / f"{d.id}.json").read_text("utf-8"))["parameters"]
        kept = [(p["name"], p["units"], p.get("description", "")) for p in theirs if p["name"] != "Time"]
        assert [tuple(p) for p in d.parameters] == kept


def test_what_ships_stays_under_a_megabyte():
    assert sum(path.stat().st_size for path in FILES) <= 1_000_000


@pytest.mark.slow
def test_making_it_again_gives_the_same_index(tool):
    made = tool.indexed()
    assert {path.name: lzma.decompress(path.read_bytes()).decode("utf-8") for path in FILES} == made == tool.indexed()
    assert all(tool.compressed(text) == tool.compressed(text) for text in made.values())


@pytest.mark.slow
def test_the_check_fails_for_an_index_that_is_out_of_date(tool, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["make_index.py", "--check"])
    assert tool.main() == 0
    good, old = (tmp_path / path.name for path in FILES)
    good.write_bytes(FILES[0].read_bytes())
    old.write_bytes(lzma.compress(b"{}"))
    monkeypatch.setattr(tool, "FOLDER", tmp_path)
    assert tool.main() == 1
    assert "cdaweb_parameters.json.xz: out of date" in capsys.readouterr().out
    assert old.read_bytes() == lzma.compress(b"{}")


def test_a_search_does_not_read_the_parameters():
    asked = (
        "from analysis import plasma; from analysis.catalogue import indexed; plasma.search('mms fgm burst');"
        "assert indexed._parameters.cache_info().currsize == 0;"
        "assert indexed.dataset('AC_H0_MFI').parameters and indexed._parameters.cache_info().currsize == 1"
    )
    done = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ("mms fgm burst", "MMS1_FGM_BRST_L2"),
        ("mms1 fgm survey", "MMS1_FGM_SRVY_L2"),
        ("mms electrons moments burst", "MMS1_FPI_BRST_L2_DES-MOMS"),
        ("mms ions moments fast", "MMS1_FPI_FAST_L2_DIS-MOMS"),
        ("ace magnetometer 16-second", "AC_H0_MFI"),
        ("PSP mag rtn 1min", "PSP_FLD_L2_MAG_RTN_1MIN"),
        ("omni solar wind 1min", "OMNI_HRO2_1MIN"),
        ("arase magnetic", "ERG_MGF_L2_8SEC"),
        ("MMS1_FGM_SRVY_L2@0", "MMS1_FGM_SRVY_L2"),
    ],
)
def test_what_people_write_finds_what_they_mean(words, first):
    assert indexed.datasets(words)[0].id == first


def test_every_dataset_is_the_first_found_for_its_own_id():
    ids = [d.id for d in indexed.datasets()][::97]
    assert [indexed.datasets(one)[0].id for one in ids] == ids


def test_a_parameter_s_name_finds_its_datasets():
    assert {"OMNI_HRO2_1MIN", "OMNI_HRO2_5MIN"} <= {d.id for d in indexed.datasets("sym_h")}


def test_more_words_never_find_more():
    few, more = indexed.datasets("wind magnetic"), indexed.datasets("wind magnetic gse")
    assert {d.id for d in more} < {d.id for d in few}


def test_a_short_word_is_not_found_inside_another():
    assert all(
        "space" not in d.title.lower()
        or "ace" in f"{d.id} {d.title} {d.mission}".lower().split()
        or d.id.startswith("AC")
        for d in indexed.datasets("ace magnetometer")
    )


def test_words_that_are_nowhere_find_nothing():
    assert indexed.datasets("mms zebra") == []


def test_words_in_another_order_and_case_find_the_same():
    assert indexed.datasets("Burst FGM mms") == indexed.datasets("mms fgm burst")


def test_a_misspelt_id_brings_the_near_ones():
    with pytest.raises(UnknownProduct, match=r"MMS1_FMG_BRST_L2.*MMS1_FGM_BRST_L2"):
        indexed.dataset("MMS1_FMG_BRST_L2")


def test_an_id_like_no_other_says_how_many_there_are():
    with pytest.raises(UnknownProduct, match=r"2,?889"):
        indexed.dataset("§§§")


def test_an_id_is_found_in_any_case_with_the_number_of_its_axis():
    assert indexed.dataset("tha_l2_fgm@2").id == "THA_L2_FGM"


@pytest.mark.parametrize("strange", [None, 3, ["mms"]])
def test_what_is_no_text_is_refused(strange):
    with pytest.raises(BadOption):
        indexed.datasets(strange)
    with pytest.raises(UnknownProduct):
        indexed.dataset(strange)


def test_an_index_that_cannot_be_read_is_a_typed_error(tmp_path, monkeypatch):
    for path in FILES:
        (tmp_path / path.name).write_bytes(b"no xz")
    monkeypatch.setattr(indexed, "files", lambda package: tmp_path)
    with pytest.raises(AnalysisError, match=r"cdaweb_index\.json\.xz"):
        indexed._searched.__wrapped__()
    with pytest.raises(AnalysisError, match=r"cdaweb_parameters\.json\.xz"):
        indexed._parameters.__wrapped__()
