"""The data that ships is what its registry says, and the registry says what a user must know."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from analysis import catalogue, sample
from analysis.errors import AnalysisError, CorruptFile, MissingFile
from analysis.model import check

FOLDER = sample.path("litebird_channels.nc").parent
CONVERTED = [name for name in sample.entries() if name.endswith(".nc") and sample.entry(name).changes != "none"]


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """Return a folder with the registry and one small file that the test may harm."""
    for name in ("registry.toml", "litebird_channels.nc"):
        shutil.copy(FOLDER / name, tmp_path)
    monkeypatch.setattr(sample, "_folder", lambda: tmp_path)
    sample.entries.cache_clear()
    yield tmp_path
    sample.entries.cache_clear()


@pytest.mark.parametrize("name", sample.entries())
def test_each_file_is_what_its_checksum_says(name):
    assert sample.path(name).is_file()


def test_the_folder_holds_what_the_registry_names_and_nothing_else():
    held = {path.name for path in FOLDER.iterdir() if path.is_file()}
    assert held - {"__init__.py", "registry.toml"} == set(sample.entries())


def test_all_of_it_stays_small_enough_for_a_repository():
    sizes = [entry.size for entry in sample.entries().values()]
    assert sum(sizes) <= 30e6 and max(sizes) <= 8e6


def test_every_file_is_used_by_a_product_or_by_the_absorption_models():
    used = {n for field in catalogue.FIELDS for p in catalogue.products(field).values() for n in p.sample_files}
    assert {name for name in sample.entries() if name not in used} == {
        "xsect_phabs_aspl.fits",
        "xsect_tbabs_wilm.fits",
        "xsect_wabs_angr.fits",
    }


@pytest.mark.parametrize("entry", sample.entries().values(), ids=lambda entry: entry.name)
def test_each_entry_says_whose_the_file_is_and_on_what_terms(entry):
    for field in ("title", "mission", "instrument", "institution", "archive", "license", "terms", "changes"):
        assert getattr(entry, field).strip()
    assert re.search(r"\d+\.\d+(\.\d+)? (source distribution|wheel)", entry.obtained_from)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", entry.copied)
    assert entry.references
    for reference in entry.references:
        assert "doi:" not in reference or re.search(r"doi:10\.\d{4,}/\S+$", reference)
    for time in entry.observed:
        assert not np.isnat(np.datetime64(time))


def test_the_registry_names_no_address_and_no_path_of_a_machine():
    text = (FOLDER / "registry.toml").read_text("utf-8")
    assert not re.search(r"https?://|/home/|/work/|/tmp/|pypi", text)


@pytest.mark.parametrize("name", CONVERTED)
@pytest.mark.slow
def test_converted_files_keep_the_data_contract_by_themselves(name):
    with xr.open_dataset(sample.path(name), engine="h5netcdf", decode_timedelta=False) as data:
        check(data.load())


def test_git_keeps_its_hands_off_the_bytes_of_each_file():
    rules = (Path(__file__).parents[1] / ".gitattributes").read_text("utf-8").splitlines()
    assert {f"*{Path(name).suffix} binary" for name in sample.entries()} <= set(rules)


def test_a_wrong_name_brings_the_near_ones():
    with pytest.raises(MissingFile, match=r"litebird_chanels.nc.*litebird_channels\.nc"):
        sample.path("litebird_chanels.nc")


def test_a_name_cannot_leave_the_folder():
    with pytest.raises(MissingFile):
        sample.path("../errors.py")


@pytest.mark.parametrize("harm", [lambda b: b[:-1], lambda b: b[:100] + bytes([b[100] ^ 1]) + b[101:]])
def test_a_damaged_file_is_refused_with_the_way_to_restore_it(copied, harm):
    file = copied / "litebird_channels.nc"
    file.write_bytes(harm(file.read_bytes()))
    with pytest.raises(CorruptFile, match=r"litebird_channels.*git checkout"):
        sample.path("litebird_channels.nc")


def test_a_file_damaged_after_its_first_use_is_refused_too(copied):
    file = copied / "litebird_channels.nc"
    sample.path(file.name)
    file.write_bytes(file.read_bytes() + b"!")
    with pytest.raises(CorruptFile):
        sample.path(file.name)


def test_a_file_that_is_gone_is_missing_not_a_bare_os_error(copied):
    (copied / "litebird_channels.nc").unlink()
    with pytest.raises(MissingFile, match="is gone"):
        sample.path("litebird_channels.nc")


def test_a_registry_entry_with_a_strange_key_is_named(copied):
    text = (copied / "registry.toml").read_text("utf-8")
    (copied / "registry.toml").write_text(
        text.replace('["nh_lab.fits.gz"]', '["nh_lab.fits.gz"]\ncolour = "red"'), "utf-8"
    )
    sample.entries.cache_clear()
    with pytest.raises(AnalysisError, match=r"nh_lab.*colour"):
        sample.entries()
