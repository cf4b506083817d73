"""PHA files of type II, many spectra in one table, in the layouts of missions; one of them is like any spectrum.

No real file of type II may be passed on with the tests: these are made by astropy as the missions' documents have
them. For the gratings' file sherpa 4.19 (ui.unpack_pha) gave the same counts, exposure and backscal in each of its six
rows, and two backgrounds with the same sum of counts and scales of 18 and 20.
"""

import numpy as np
import pytest
import xarray as xr
from astropy import units as u
from astropy.io import fits
from ogip_files import chandra_gratings, response, spectrum, write

from analysis import formats, xray
from analysis.errors import BadOption, CorruptFile, UnknownFormat, WrongData
from analysis.model import check

CHANNELS = 8


@pytest.fixture(scope="module")
def gratings(tmp_path_factory):
    hdu, *made = chandra_gratings()
    path = write(tmp_path_factory.mktemp("tg") / "acisf_pha2.fits", hdu)
    return formats.read(path), path, made


def burst(n=5, *, channel=True, **more):
    """A series of spectra in time: Swift BAT's columns, or Fermi GBM's without CHANNEL."""
    rng = np.random.default_rng(3)
    counts = rng.poisson(20, (n, CHANNELS))
    columns = {
        "TIME": ("D", 100.0 + np.arange(n)),
        "EXPOSURE": ("E", np.linspace(0.9, 1.0, n)),
        "COUNTS": (f"{CHANNELS}J", counts),
        "QUALITY": ("I", np.array([0, 0, 1, 0, 0])[:n]),
    }
    if channel:
        columns |= {
            "SPEC_NUM": ("I", np.arange(n) + 10),
            "CHANNEL": (f"{CHANNELS}I", np.tile(np.arange(CHANNELS), (n, 1))),
            "SYS_ERR": (f"{CHANNELS}E", np.full((n, CHANNELS), 0.04)),
            "RESPFILE": ("20A", np.array([f"path/bat_{k}.rsp" for k in range(n)])),
            "BACKFILE": ("8A", np.array(["NONE"] * n)),
        }
    else:
        columns = {key: columns[key] for key in ("COUNTS", "EXPOSURE", "QUALITY", "TIME")}
    hdu = spectrum(columns | more, HDUCLAS4="TYPEII", MJDREFI=51910, MJDREFF=7.4287037e-4, TIMESYS="TT")
    del hdu.header["EXPOSURE"]
    return hdu, counts


def test_grating_spectra_keep_their_arms_orders_wavelengths_and_backgrounds(gratings):
    read, _, (counts, up, _) = gratings
    assert dict(read.sizes) == {"spectrum_number": 6, "channel": 32}
    assert (read.counts.values == counts).all() and (read.background_up.values == up).all()
    assert read.tg_m.values.tolist() == [-1, 1, -2, 2, -1, 1] and read.tg_part.values.tolist() == [1, 1, 1, 1, 2, 2]
    assert read.bin_lo.dims == ("spectrum_number", "channel") and u.Unit(read.bin_lo.attrs["units"]) == u.AA
    assert read.counts.attrs["units"] == read.background_up.attrs["units"] == "ct"
    assert read.attrs["poisson_errors"] == "false" and read.stat_error.dims == read.counts.dims
    assert float(read.backscup) == 18.0 and float(read.exposure) == 4.5e4
    check(read)


def test_one_spectrum_is_found_by_number_or_by_arm_and_order(gratings):
    read, _, (counts, *_) = gratings
    by_number = xray.spectrum_of(read, 4)
    by_order = xray.spectrum_of(read, grating="HEG", order=2)
    assert by_number.identical(by_order) and by_number.counts.dims == ("channel",)
    assert (by_number.counts.values == counts[3]).all()
    assert int(by_number.tg_m) == 2 and int(by_number.spectrum_number) == 4
    assert "spectrum 4" in by_number.attrs["title"] and "spectrum_of" in by_number.attrs["history"]
    check(by_number)


def test_the_background_of_a_grating_is_both_sides_together(gratings):
    read, _, (_, up, down) = gratings
    one = xray.spectrum_of(read, 5)
    behind = xray.background_of(one)
    assert (behind.counts.values == up[4].astype(int) + down[4]).all()
    assert float(behind.backscal) == 38.0 and float(behind.exposure) == 4.5e4
    assert behind.attrs["hduclas2"] == "BKG" and "stat_error" not in behind
    both = xray.grouped(one, background=behind, grouping=None)
    net = float(both.net_rate.sum()) * 4.5e4
    expected = float(one.counts.sum()) - float(behind.counts.sum()) * 4.0188284 / 38.0
    assert net == pytest.approx(expected, rel=1e-12)


def test_every_row_can_be_taken_and_rows_add_up(gratings):
    read, *_ = gratings
    rows = [xray.spectrum_of(read, int(k)).counts.values for k in read.spectrum_number]
    assert np.sum(rows, axis=0).tolist() == read.counts.sum("spectrum_number").values.tolist()


@pytest.mark.parametrize(
    ("asked", "error", "says"),
    [
        ({}, BadOption, r"1 \(heg -1\)"),
        ({"number": 7}, BadOption, "none of its spectra is number 7"),
        ({"number": 2.5}, BadOption, "whole number"),
        ({"number": True}, BadOption, "whole number"),
        ({"grating": "meg"}, BadOption, "2 of its spectra"),
        ({"grating": "hec"}, BadOption, "did you mean 'heg'"),
        ({"grating": "leg", "order": 1}, BadOption, "none"),
    ],
)
def test_a_spectrum_that_is_not_one_is_refused_with_what_there_is(gratings, asked, error, says):
    with pytest.raises(error, match=says):
        xray.spectrum_of(gratings[0], **asked)


def test_one_spectrum_alone_is_no_set_of_them(gratings, made_spectrum):
    with pytest.raises(WrongData, match="one spectrum already"):
        xray.spectrum_of(made_spectrum([1, 2]), 1)
    with pytest.raises(WrongData, match="spectrum_of"):
        xray.background_of(gratings[0])
    with pytest.raises(WrongData, match="lacks background_up"):
        xray.background_of(made_spectrum([1, 2]))


def test_a_series_of_spectra_keeps_exposure_response_and_quality_of_each(tmp_path):
    hdu, counts = burst()
    read = formats.read(write(tmp_path / "bat.pha", hdu))
    assert read.spectrum_number.values.tolist() == [10, 11, 12, 13, 14]
    assert read.exposure.dims == ("spectrum_number",) and read.response_file.values[2] == "bat_2.rsp"
    third = xray.spectrum_of(read, 12)
    assert (third.quality == 1).all() and float(third.exposure) == pytest.approx(0.95)
    assert third.attrs["response_file"] == "bat_2.rsp" and third.attrs["background_file"] == "none"
    assert (third.counts.values == counts[2]).all() and third.systematic.values[0] == pytest.approx(0.04)
    assert read.attrs["timesys"] == "TT" and read.attrs["mjdref"] == pytest.approx(51910.00074287037, abs=1e-11)
    with pytest.raises(WrongData, match="no tg_m"):
        xray.spectrum_of(read, order=1)
    with pytest.raises(BadOption, match="column EXPOSURE"):
        formats.read(tmp_path / "bat.pha", assume={"exposure": "5"})


def test_channels_that_the_spectra_leave_out_are_those_of_ebounds(tmp_path):
    hdu, _ = burst(channel=False)
    _, bounds = response([0], [1], [[1]], first=0, channels=CHANNELS)
    read = formats.read(write(tmp_path / "gbm.pha2", bounds, hdu))
    assert read.channel.values.tolist() == list(range(CHANNELS)) and read.spectrum_number.values.tolist() == [
        1,
        2,
        3,
        4,
        5,
    ]
    assert "CHANNEL is missing" in read.attrs["history"]
    alone = formats.read(write(tmp_path / "alone.pha2", hdu))
    assert alone.channel.values.tolist() == list(range(1, CHANNELS + 1))


def test_variable_length_rows_of_one_length_are_read(tmp_path):
    rows, channels = np.empty(2, object), np.empty(2, object)
    rows[:] = [np.array([1, 2, 3], np.float32), np.array([4, 5, 6], np.float32)]
    channels[:] = [np.array([0, 1, 2], np.int32)] * 2
    hdu = spectrum({"CHANNEL": ("PJ()", channels), "RATE": ("PE()", rows)}, HDUCLAS4="TYPE:II")
    read = formats.read(write(tmp_path / "v.pha", hdu))
    assert read.rate.values.tolist() == [[1, 2, 3], [4, 5, 6]] and read.channel.values.tolist() == [0, 1, 2]
    assert read.rate.attrs["units"] == "ct s-1"


def test_a_row_of_grouping_and_quality_groups_one_spectrum(tmp_path):
    grouping = np.array([[1, -1, 1, -1], [1, 1, 1, 1]])
    columns = {
        "CHANNEL": ("4I", np.tile(np.arange(4), (2, 1))),
        "COUNTS": ("4J", np.arange(8).reshape(2, 4)),
        "GROUPING": ("4I", grouping),
        "AREASCAL": ("4E", np.full((2, 4), 0.5)),
        "BACKSCAL": ("E", np.array([1.0, 2.0])),
    }
    read = formats.read(write(tmp_path / "g.pha", spectrum(columns)))
    one = xray.spectrum_of(read, 1)
    assert xray.channel_bins(one).values.tolist() == [0, 0, 1, 1]
    assert one.areascal.dims == ("channel",) and float(xray.spectrum_of(read, 2).backscal) == 2.0


@pytest.mark.parametrize(
    ("columns", "error", "says"),
    [
        ({"CHANNEL": ("2J", [[1, 2], [2, 3]]), "COUNTS": ("2J", np.ones((2, 2)))}, UnknownFormat, "different channels"),
        ({"CHANNEL": ("J", [1, 2]), "COUNTS": ("2J", np.ones((2, 2)))}, CorruptFile, "2 values a row"),
        ({"CHANNEL": ("2J", [[2, 1]] * 2), "COUNTS": ("2J", np.ones((2, 2)))}, CorruptFile, "does not increase"),
        (
            {"CHANNEL": ("2J", [[1, 2]] * 2), "COUNTS": ("2J", np.ones((2, 2))), "QUALITY": ("3I", np.ones((2, 3)))},
            CorruptFile,
            "QUALITY has",
        ),
    ],
)
def test_rows_that_do_not_fit_together_are_refused(tmp_path, columns, error, says):
    columns = {key: (form, np.array(values)) for key, (form, values) in columns.items()}
    with pytest.raises(error, match=says):
        formats.read(write(tmp_path / "s.pha", spectrum(columns)))


def test_rows_of_different_lengths_are_refused(tmp_path):
    rows = np.empty(2, object)
    rows[:] = [np.array([1, 2, 3], np.int32), np.array([4, 5], np.int32)]
    with pytest.raises(UnknownFormat, match="2 to 3 channels"):
        formats.read(write(tmp_path / "v.pha", spectrum({"COUNTS": ("PJ()", rows)})))


def test_type_two_by_word_but_one_number_a_row_is_refused(tmp_path):
    with pytest.raises(UnknownFormat, match="HDUCLAS4"):
        formats.read(write(tmp_path / "s.pha", spectrum(HDUCLAS4="TYPE:II")))


def test_a_set_of_spectra_is_written_one_by_one(gratings, tmp_path):
    read, *_ = gratings
    with pytest.raises(WrongData, match="spectrum_of"):
        formats.write(read, tmp_path / "all.pha")
    one = xray.spectrum_of(read, 3)
    again = formats.read(formats.write(one, tmp_path / "heg_-2.pha"))
    assert again.identical(one)
    with fits.open(tmp_path / "heg_-2.pha") as hdus:
        assert hdus["SPECTRUM"].header["HDUCLAS4"] == "TYPE:I" and "BIN_LO" in hdus["SPECTRUM"].columns.names


def test_a_file_that_repeats_its_numbers_is_numbered_by_row(tmp_path):
    hdu, _ = burst(SPEC_NUM=("I", np.ones(5, int)))
    read = formats.read(write(tmp_path / "b.pha", hdu))
    assert read.spectrum_number.values.tolist() == [1, 2, 3, 4, 5] and "repeats" in read.attrs["history"]
    assert isinstance(xray.spectrum_of(read, 5), xr.Dataset)
