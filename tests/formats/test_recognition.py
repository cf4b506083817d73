"""The door of the package: files are told by content, and what is not a data file is named."""

import bz2
import gzip
import io
import json
import lzma
import os
import pickle
import tarfile
import warnings
import zipfile

import pytest
import xarray as xr

from analysis import formats, sample
from analysis.errors import AnalysisError, AnalysisWarning, BadOption, CorruptFile, MissingFile, UnknownFormat
from analysis.formats import _content
from analysis.model import provenance_of

PSP = "psp_fld_l2_mag_rtn_1min_20200104_v02.cdf"


def zipped(content, *names):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, content)
    return held.getvalue()


def tarred(content):
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as archive:
        entry = tarfile.TarInfo("a.cdf")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return held.getvalue()


PACKED = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zip": lambda content: zipped(content, "folder/inner.cdf"),
}


@pytest.fixture(scope="module")
def content():
    return sample.path(PSP).read_bytes()


@pytest.fixture(scope="module")
def psp():
    return formats.read(sample.path(PSP))


def read(folder, name, content):
    (folder / name).write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AnalysisWarning)
        return formats.read(folder / name)


@pytest.mark.parametrize("how", PACKED)
def test_a_packed_file_gives_the_same_data_as_the_plain_one(tmp_path, content, psp, how):
    name = f"{PSP}.{how}"
    data = read(tmp_path, name, PACKED[how](content))
    for node in psp.children:
        xr.testing.assert_equal(data[node].to_dataset(), psp[node].to_dataset())
    (found,) = provenance_of(data["mag_rtn_1min"])["files"]
    assert found["name"] == name and found["size"] == (tmp_path / name).stat().st_size


@pytest.mark.parametrize("how", PACKED)
def test_a_packed_file_cut_short_is_refused_with_its_name_and_place(tmp_path, content, how):
    packed = PACKED[how](content)
    with pytest.raises(CorruptFile, match=rf"cut\.{how}"):
        read(tmp_path, f"cut.{how}", packed[: len(packed) // 2])


@pytest.mark.parametrize("suffix", [".nc", ".fits", ".txt", ""])
def test_the_name_does_not_matter(tmp_path, content, suffix):
    assert "mag_rtn_1min" in read(tmp_path, f"renamed{suffix}", content).children


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            b"<!DOCTYPE html>\n<html><head><title>503 Service\nUnavailable</title></head>",
            "HTML.*503 Service Unavailable",
        ),
        (b'{"status": {"code": 1406, "message": "unknown dataset"}}', "JSON.*unknown dataset"),
        (b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>', "XML.*Error"),
        (pickle.dumps({"a": 1}), "pickle.*never opened"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "PNG"),
        (b"%PDF-1.7 \n", "PDF"),
        (b"# year day density\n2001 1 5.3\n", "plain text, beginning '# year day density'"),
        (bytes(range(256)), "no known kind.*00 01 02"),
        (b"   \n", "blanks"),
    ],
)
def test_what_is_no_data_file_is_named_for_what_it_looks_like(tmp_path, content, said):
    with pytest.raises(UnknownFormat, match=rf"(?s)page\.cdf is .*{said}.*CDF.*netCDF.*FITS"):
        read(tmp_path, "page.cdf", content)


def test_a_pickle_is_not_opened(tmp_path):
    class Trap:
        def __reduce__(self):
            return print, ("opened",)

    with pytest.raises(UnknownFormat, match="pickle"):
        read(tmp_path, "trap.pkl", pickle.dumps(Trap()))


def test_archives_of_several_files_are_refused_with_their_members(tmp_path, content):
    with pytest.raises(UnknownFormat, match=r"2 files \(a\.cdf, b\.cdf\)"):
        read(tmp_path, "two.zip", zipped(content, "a.cdf", "b.cdf"))
    with pytest.raises(UnknownFormat, match="tar archive"):
        read(tmp_path, "one.tar", tarred(content))
    with pytest.raises(UnknownFormat, match="tar archive"):
        read(tmp_path, "one.tar.gz", gzip.compress(tarred(content)))


def test_a_file_packed_twice_is_refused(tmp_path, content):
    with pytest.raises(UnknownFormat, match=r"twice\.gz.*once more"):
        read(tmp_path, "twice.gz", gzip.compress(gzip.compress(content)))


def test_an_empty_file_is_refused_packed_or_not(tmp_path):
    with pytest.raises(CorruptFile, match=r"nothing\.cdf is empty"):
        read(tmp_path, "nothing.cdf", b"")
    with pytest.raises(CorruptFile, match=r"nothing\.cdf\.gz.*empty"):
        read(tmp_path, "nothing.cdf.gz", gzip.compress(b""))


def test_a_missing_file_is_answered_with_its_neighbours(tmp_path, content):
    (tmp_path / "ace_mag_2001.cdf").write_bytes(content)
    with pytest.raises(MissingFile, match=r"ace_mag_2011\.cdf.*near: ace_mag_2001\.cdf"):
        formats.read(tmp_path / "ace_mag_2011.cdf")
    with pytest.raises(MissingFile, match="folder"):
        formats.read(tmp_path / "no" / "such" / "file.cdf")


@pytest.mark.parametrize("path", [None, 5, "a\0b"])
def test_what_is_no_path_is_refused(path):
    with pytest.raises(AnalysisError):
        formats.read(path)


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(BadOption, match="folder"):
        formats.read(tmp_path)


def test_assume_must_be_a_mapping():
    with pytest.raises(BadOption, match="mapping"):
        formats.read(sample.path(PSP), assume="GSE")


def test_home_is_expanded(tmp_path, content, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.cdf").write_bytes(content)
    assert "mag_rtn_1min" in formats.read("~/a.cdf").children


def test_provenance_holds_no_folder(psp, tmp_path):
    assert "/" not in json.dumps(provenance_of(psp["mag_rtn_1min"]))


def test_a_zip_of_macos_gives_its_one_real_member(tmp_path, content):
    name = "mac.zip"
    assert "mag_rtn_1min" in read(tmp_path, name, zipped(content, "a.cdf", "__MACOSX/._a.cdf", ".DS_Store")).children


@pytest.mark.parametrize("how", PACKED)
def test_unknown_content_is_not_unpacked_beyond_its_beginning(tmp_path, how, monkeypatch):
    monkeypatch.setattr(_content, "SIZE", 1 << 20)
    with pytest.raises(UnknownFormat, match="no known kind"):
        read(tmp_path, f"zeros.{how}", PACKED[how](bytes(5 << 20)))


@pytest.mark.parametrize("how", PACKED)
@pytest.mark.slow
def test_what_unpacks_beyond_all_measure_is_refused(tmp_path, content, how, monkeypatch):
    monkeypatch.setattr(_content, "SIZE", 1 << 20)
    monkeypatch.setattr(_content, "GROWTH", 2)
    with pytest.raises(CorruptFile, match="unpacks to more than"):
        read(tmp_path, f"bomb.{how}", PACKED[how](content + bytes(40 << 20)))


def test_what_is_there_but_no_file_is_said_to_be_so(tmp_path):
    os.mkfifo(tmp_path / "pipe.cdf")
    with pytest.raises(BadOption, match="pipe, socket or device"):
        formats.read(tmp_path / "pipe.cdf")
    with pytest.raises(BadOption, match="device"):
        formats.read("/dev/null")
    (tmp_path / "link.cdf").symlink_to(tmp_path / "gone.cdf")
    with pytest.raises(MissingFile, match=r"link to .*gone\.cdf, which is not there"):
        formats.read(tmp_path / "link.cdf")
    with pytest.raises(MissingFile, match="AAA… cannot be looked at"):
        formats.read("A" * 300)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_said_to_be_so(tmp_path, content):
    (tmp_path / "mine.cdf").write_bytes(content)
    (tmp_path / "mine.cdf").chmod(0)
    with pytest.raises(MissingFile, match="Permission denied"):
        formats.read(tmp_path / "mine.cdf")
