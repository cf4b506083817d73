"""A spectrum and the files that it names."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from analysis import formats, sample, xray
from analysis.errors import AnalysisWarning, BadOption, MissingFile, WrongData

NAMES = {
    "ngc7793_ulx4_pn.pha": "pn.pha",
    "ngc7793_ulx4_pn_background.pha": "PNbackground_spectrum.fits",
    "ngc7793_ulx4_pn.rmf.gz": "PN.rmf.gz",
    "ngc7793_ulx4_pn.arf": "PN.arf",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for held, name in NAMES.items():
        shutil.copy(sample.path(held), tmp_path / name)
    return tmp_path


def with_keywords(path: Path, **keywords: object) -> Path:
    from astropy.io import fits

    with fits.open(path) as hdus:
        hdus["SPECTRUM"].header.update(keywords)
        for key in ("CHECKSUM", "DATASUM"):
            hdus["SPECTRUM"].header.pop(key, None)
        hdus.writeto(path, overwrite=True)
    return path


@pytest.mark.slow
def test_the_files_that_a_spectrum_names_are_found_beside_it_packed_or_not(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    found = xray.spectrum_from(f"{folder.name}/pn.pha")
    fetched = xray.fetch("ngc7793_ulx4_pn")
    assert found.name == "pn" and list(found.children) == ["spectrum", "background", "rmf", "arf"]
    for part in found.children:
        same = found[part].to_dataset().drop_attrs()
        xr.testing.assert_identical(same, fetched[part].to_dataset().drop_attrs())
    best = xray.fit(found, "tbabs * powerlaw", band=(0.5, 8), min_counts=60)
    assert best.attrs["statistic"] == "wstat"


def test_folders_and_extensions_in_the_keywords_do_not_matter(folder):
    pha = with_keywords(folder / "pn.pha", BACKFILE="/data/of/someone/PNbackground_spectrum.fits[SPECTRUM]")
    assert "background" in xray.spectrum_from(pha).children


@pytest.mark.slow
def test_all_missing_files_are_named_at_once_with_what_to_do(folder):
    (folder / "PNbackground_spectrum.fits").unlink()
    (folder / "PN.arf").unlink()
    with pytest.raises(
        MissingFile, match=r"background='PNbackground_spectrum.fits' \(BACKFILE\), arf='PN.arf'"
    ) as told:
        xray.spectrum_from(folder / "pn.pha")
    assert "give background=, arf= yourself, or None to leave out" in str(told.value)
    without = xray.spectrum_from(folder / "pn.pha", background=None, arf=sample.path("ngc7793_ulx4_pn.arf"))
    assert list(without.children) == ["spectrum", "rmf", "arf"]


@pytest.mark.slow
def test_a_companion_given_takes_the_place_of_the_named_one(folder):
    flat = formats.read(folder / "PN.arf")
    flat["effective_area"] = flat.effective_area * 0 + 5
    found = xray.spectrum_from(folder / "pn.pha", arf=flat)
    assert (found["arf"].effective_area == 5).all()


def test_a_spectrum_that_names_no_response_is_given_with_a_warning(folder):
    pha = with_keywords(folder / "pn.pha", RESPFILE="none", ANCRFILE="NONE", BACKFILE="")
    with pytest.warns(AnalysisWarning, match="names no response"):
        found = xray.spectrum_from(pha)
    assert list(found.children) == ["spectrum"]
    assert list(xray.spectrum_from(pha, rmf=None).children) == ["spectrum"]  # said, so not warned of


def test_a_companion_of_another_kind_or_other_channels_is_refused(folder):
    with pytest.raises(WrongData, match=r"rmf: PN.arf is no response \(RMF or RSP\), but effective area"):
        xray.spectrum_from(folder / "pn.pha", rmf=folder / "PN.arf")
    other = formats.read(folder / "PNbackground_spectrum.fits").isel(channel=slice(1, None))
    with pytest.raises(WrongData, match=r"pn\.pha and its background: channels differ"):
        xray.spectrum_from(folder / "pn.pha", background=other)
    with pytest.raises(WrongData, match=r"PN\.arf holds no spectrum"):
        xray.spectrum_from(folder / "PN.arf")
    with pytest.raises(MissingFile):
        xray.spectrum_from(folder / "pm.pha")


def catalogued(folder: Path, name: str = "both.fits", second: str = "BKG") -> Path:
    """A file as the Chandra Source Catalog's: the spectrum and its background, which names itself as BACKFILE."""
    from astropy.io import fits

    with (
        fits.open(folder / "pn.pha") as source,
        fits.open(folder / "PNbackground_spectrum.fits") as behind,
    ):
        first, other = source["SPECTRUM"].copy(), behind["SPECTRUM"].copy()
        first.header["BACKFILE"], first.header["HDUCLAS2"] = name, "TOTAL"
        other.header["HDUCLAS2"] = second
        for hdu in (first, other):
            for key in ("CHECKSUM", "DATASUM"):
                hdu.header.pop(key, None)
        fits.HDUList([fits.PrimaryHDU(), first, other]).writeto(folder / name)
    return folder / name


@pytest.mark.slow
def test_a_background_in_the_spectrum_s_own_file_is_read(folder):
    both = catalogued(folder)
    read = formats.read(both)
    assert list(read.children) == ["spectrum", "background"]
    apart = xray.spectrum_from(folder / "pn.pha")
    found = xray.spectrum_from(both)
    assert list(found.children) == ["spectrum", "background", "rmf", "arf"]
    for part in ("spectrum", "background"):
        assert (found[part].counts == apart[part].counts).all()
        assert (found[part].backscal == apart[part].backscal).all()
    elsewhere = xray.spectrum_from(folder / "pn.pha", background=both)
    assert (elsewhere["background"].counts == apart["background"].counts).all()


def test_two_spectra_neither_of_which_is_a_background_are_refused(folder):
    from analysis.errors import UnknownFormat

    with pytest.raises(UnknownFormat, match="holds 2 spectra"):
        formats.read(catalogued(folder, second="TOTAL"))


def test_of_a_file_of_several_spectra_one_is_asked_for(tmp_path):
    from astropy.io import fits

    rows = np.arange(24).reshape(3, 8)
    columns = [
        fits.Column("SPEC_NUM", "J", array=[4, 5, 6]),
        fits.Column("CHANNEL", "8J", array=np.tile(np.arange(1, 9), (3, 1))),
        fits.Column("COUNTS", "8J", array=rows),
        fits.Column("EXPOSURE", "D", array=[10.0, 20.0, 30.0]),
    ]
    table = fits.BinTableHDU.from_columns(columns, name="SPECTRUM")
    table.header.update(HDUCLASS="OGIP", HDUCLAS1="SPECTRUM", HDUCLAS4="TYPE:II", TELESCOP="X", INSTRUME="Y")
    table.header.update(BACKSCAL=1.0, AREASCAL=1.0, POISSERR=True)
    table.writeto(tmp_path / "many.pha")
    with pytest.raises(BadOption, match="holds 3 spectra: say which, number=4 to 6"):
        xray.spectrum_from(tmp_path / "many.pha", rmf=None)
    behind = {"background": tmp_path / "many.pha"}
    one = xray.spectrum_from(tmp_path / "many.pha", number=5, rmf=None, **behind)
    assert one["background"].counts.values.tolist() == rows[1].tolist()  # the same number, as of backgrounds beside
    assert one["spectrum"].counts.values.tolist() == rows[1].tolist() and float(one["spectrum"].exposure) == 20


def test_a_number_of_a_file_of_one_spectrum_is_refused(folder):
    with pytest.raises(BadOption, match="holds one spectrum"):
        xray.spectrum_from(folder / "pn.pha", number=2)


def test_a_spectrum_alone_is_refused_by_fits_with_what_to_do(folder):
    with pytest.raises(WrongData, match=r"xray\.spectrum_from and xray\.fetch give one.*not a Dataset"):
        xray.fit(formats.read(folder / "pn.pha"), "powerlaw")


def test_a_spectrum_is_not_its_own_background(folder):
    with pytest.raises(WrongData, match=r"pn\.pha names itself as background \(BACKFILE\)"):
        xray.spectrum_from(with_keywords(folder / "pn.pha", BACKFILE="pn.pha"))


def test_a_response_of_another_instrument_is_warned_of(folder):
    other = formats.read(folder / "PN.rmf.gz").assign_attrs(telescope="SWIFT")
    with pytest.warns(AnalysisWarning, match="the response's 'SWIFT': do they belong"):
        xray.spectrum_from(folder / "pn.pha", rmf=other)


@pytest.mark.slow
def test_a_response_in_several_matrices_is_made_one_with_the_area(folder):
    whole = formats.read(folder / "PN.rmf.gz")
    half = whole.assign(matrix=whole.matrix / 2)
    half.matrix.attrs = whole.matrix.attrs
    parts = xr.DataTree.from_dict({"matrix_1": half, "matrix_2": half})
    found = xray.spectrum_from(folder / "pn.pha", rmf=parts)
    assert list(found.children) == ["spectrum", "background", "rmf"]
    whole_one = xray.spectrum_from(folder / "pn.pha")
    one, plain = (xray.fit(tree, "powerlaw", band=(0.5, 8), min_counts=60) for tree in (found, whole_one))
    assert one.attrs["statistic_value"] == pytest.approx(plain.attrs["statistic_value"], rel=1e-6)
