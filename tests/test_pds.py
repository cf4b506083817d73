"""PDS3 and PDS4 products: what the label says is what comes out, or a typed error."""

import contextlib
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pds_products import ROWS, binary_3, bz, product_4, table_3
from servers.archive import status
from tiers import examples

from analysis import formats, store
from analysis.archives import pds as archive_pds
from analysis.errors import (
    AnalysisError,
    AnalysisWarning,
    BadOption,
    CorruptFile,
    MissingFile,
    NotFound,
    UnknownFormat,
)
from analysis.formats import pds
from analysis.model import check, provenance_of

MSO = {"frame": "MSO"}
TRUTH = [np.nan if bz(row) is None else bz(row) for row in range(ROWS)]


def test_a_pds3_table_has_utc_units_and_nan_where_the_label_says_missing(tmp_path):
    mag = formats.read(table_3(tmp_path), assume=MSO)
    assert mag.time.values[1] == np.datetime64("2004-01-01T00:00:01", "ns")
    np.testing.assert_array_equal(mag.bz, TRUTH)
    assert mag.bz.attrs["units"] == "nT" and mag.bz.attrs["frame"] == "MSO"
    assert mag.attrs["source"] == "SYNTHETIC PROBE / MAGNETOMETER" and mag.attrs["target"] == "MARS"
    check(mag)


def test_a_pds4_label_with_a_table_and_an_array_is_a_tree(tmp_path):
    tree = formats.read(product_4(tmp_path), assume=MSO)
    np.testing.assert_array_equal(tree["mag/bz"], TRUTH)
    assert tree["mag"].attrs["references"] == "https://doi.org/10.0000/synthetic"
    spectra = tree["spectra/spectra"]
    assert spectra.dims == ("time_index", "energy") and float(spectra[2, 3]) == 11
    assert spectra.attrs["units"] == "cm-2" and spectra.dtype == np.dtype("float32")
    check(tree)


def test_scaling_items_and_an_attached_label(tmp_path):
    values = np.array([[4, 1, 2, 3], [-1, 4, 5, 6], [6, 7, 8, 9]])
    els = formats.read(binary_3(tmp_path, values))
    np.testing.assert_array_equal(els.energy, [12, np.nan, 13])
    np.testing.assert_array_equal(els.flux, values[:, 1:])
    assert els.flux.dims == ("row", "flux_item") and els.flux.attrs["units"] == "cm-3"


def test_every_file_is_in_the_provenance_with_its_checksum(tmp_path):
    mag = formats.read(table_3(tmp_path), assume=MSO)
    assert [held["name"] for held in provenance_of(mag)["files"]] == ["MAG.LBL", "MAG.TAB"]
    assert all(len(held["sha256"]) == 64 for held in provenance_of(mag)["files"])


def test_a_vector_without_a_frame_says_unknown_and_warns(tmp_path):
    with pytest.warns(AnalysisWarning, match="frame is not stated"):
        mag = formats.read(table_3(tmp_path))
    assert mag.bx.attrs["frame"] == "unknown"


@pytest.mark.parametrize("make", [table_3, product_4])
@pytest.mark.parametrize("left", [0.0, 0.3, 0.5, 0.97])
def test_a_table_that_was_cut_is_refused(tmp_path, make, left):
    label = make(tmp_path)
    data = next(path for path in tmp_path.iterdir() if path.suffix.lower() == ".tab")
    data.write_bytes(data.read_bytes()[: int(left * data.stat().st_size)])
    with pytest.raises(CorruptFile, match=label.name):
        formats.read(label, assume=MSO)


def test_a_table_with_more_rows_in_its_label_than_in_its_file_is_refused(tmp_path):
    with pytest.raises(CorruptFile, match="7 rows"):
        formats.read(table_3(tmp_path, says=7), assume=MSO)


@pytest.mark.parametrize("make", [table_3, product_4])
def test_a_label_alone_says_which_files_are_wanted(tmp_path, make):
    label = make(tmp_path)
    for path in tmp_path.iterdir():
        if path != label:
            path.unlink()
    with pytest.raises(MissingFile, match=r"(?i)mag\.tab.*same folder"):
        formats.read(label)


def test_a_label_never_leads_out_of_its_folder(tmp_path):
    (tmp_path / "secret").write_text("x" * 1000)
    inner = tmp_path / "inner"
    inner.mkdir()
    with pytest.raises(CorruptFile, match="out of its own folder"):
        formats.read(table_3(inner, points="../secret"))
    with pytest.raises(CorruptFile, match="out of its own folder"):
        formats.read(product_4(inner, file_name="../secret"))


def test_xml_entities_are_refused(tmp_path):
    label = product_4(tmp_path)
    text = label.read_text().replace("<Product_O", '<!DOCTYPE a [<!ENTITY b "c">]>\n<Product_O', 1)
    label.write_text(text)
    with pytest.raises(CorruptFile, match="entities"):
        formats.read(label)


def test_several_rows_at_one_time_stay_numbered(tmp_path):
    label = table_3(tmp_path, times=lambda row: f"2004-001T00:00:{row // 2 * 2:06.3f}")
    mag = formats.read(label, assume=MSO)
    assert mag.sizes == {"row": ROWS} and mag.utc.dtype == np.dtype("datetime64[ns]")


def test_an_unknown_fact_is_refused(tmp_path):
    with pytest.raises(BadOption, match=r"units\.NAME"):
        formats.read(table_3(tmp_path), assume={"colour": "red"})


@pytest.mark.slow
@settings(max_examples=examples(100), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_label_ends_in_a_typed_error_or_in_data_that_keep_the_contract(tmp_path, data):
    label = data.draw(st.sampled_from([table_3, product_4]))(tmp_path)
    text = bytearray(label.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    label.write_bytes(bytes(text))
    with warnings.catch_warnings(action="ignore"), contextlib.suppress(AnalysisError):
        check(formats.read(label))


# ------------------------------------------------------------------------------------ from an archive


@pytest.fixture
def served(tmp_path, archive):
    label = table_3(tmp_path)
    for path in tmp_path.iterdir():
        archive.add(f"/DATA/{path.name}", path.read_bytes())
    return f"{archive.url}/DATA/{label.name}"


@pytest.mark.server
def test_a_product_is_brought_by_its_label(served):
    mag = archive_pds.product(served, assume=MSO)
    np.testing.assert_array_equal(mag.bz, TRUTH)
    held = provenance_of(mag)["files"]
    assert [file["url"] for file in held] == [served, served.replace("LBL", "TAB")]
    check(mag)


@pytest.mark.server
def test_a_product_that_is_held_needs_no_network(served):
    first = archive_pds.product(served, assume=MSO)
    with store.offline():
        assert archive_pds.product(served, assume=MSO).identical(first)


@pytest.mark.server
def test_a_missing_data_file_names_its_address(served, archive):
    archive.faults["/DATA/MAG.TAB"] = status(404)
    with pytest.raises(NotFound, match=r"DATA/MAG\.TAB"):
        archive_pds.product(served)


@pytest.mark.server
def test_something_else_than_a_label_is_refused(archive):
    url = archive.add("/DATA/a.tab", b"1 2 3\n")
    with pytest.raises(UnknownFormat, match="no PDS3 or PDS4 label"):
        archive_pds.product(url)


@pytest.mark.server
def test_a_cut_data_file_of_an_archive_is_refused_with_the_address(served, archive):
    page = archive.pages["/DATA/MAG.TAB"]
    page.body = page.body[:100]
    with pytest.raises(CorruptFile, match=r"MAG\.LBL"):
        archive_pds.product(served)


def test_only_labels_are_recognised():
    assert not pds.recognises(b"<?xml version='1.0'?><VOTABLE/>")
    assert pds.recognises(b"CCSD3ZF0000100000001NJPL3IF0PDSX00000001\r\nPDS_VERSION_ID = PDS3\r\n")
