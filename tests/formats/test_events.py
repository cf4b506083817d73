"""Event lists and their good time intervals, real ones and written ones with the field's warts."""

import numpy as np
import pytest
from astropy.io import fits as astropy_fits

from analysis import formats, sample
from analysis.errors import AnalysisWarning, BadOption, BadTime, CorruptFile
from analysis.formats import fits
from analysis.model import check, utc_of_clock

STALE = {"datasum": "stale"}


def events(time=(1.0, 2.0, 3.0), *, columns=(), units="s", **keywords):
    time = np.asarray(time, float)
    made = [astropy_fits.Column("TIME", "D", units, array=time), *columns]
    hdu = astropy_fits.BinTableHDU.from_columns(made, name="EVENTS")
    hdu.header.update({"HDUCLAS1": "EVENTS", "MJDREF": 50814.0, "TIMESYS": "TT", **keywords})
    return hdu


def gti(*intervals, name="GTI", **keywords):
    start, stop = (np.array([edges[k] for edges in intervals], float) for k in (0, 1))
    columns = [
        astropy_fits.Column("START", "D", "s", array=start),
        astropy_fits.Column("STOP", "D", "s", array=stop),
    ]
    hdu = astropy_fits.BinTableHDU.from_columns(columns, name=name)
    hdu.header.update(keywords)
    return hdu


def written(path, *hdus, **options):
    astropy_fits.HDUList([astropy_fits.PrimaryHDU(), *hdus]).writeto(path, **options)
    return path


def pairs(node):
    return list(zip(node["start"].values.tolist(), node["stop"].values.tolist(), strict=True))


def test_the_pulsar_wind_nebula_has_its_258419_events():
    tree = formats.read(sample.path("msh1552_acis_events.fits.gz"))
    held = tree["events"]
    assert held.sizes["event"] == 258_419
    assert held["energy"].attrs["units"] == "keV" and 0.3 < float(held["energy"].median()) < 10
    assert held.attrs["wcs_ctype"] == ["RA---TAN", "DEC--TAN"]
    assert held.attrs["wcs_crval"] == pytest.approx([228.47531614488, -59.140065478601])
    assert held.attrs["exposure"] == pytest.approx(18940.29)
    assert (np.diff(held["time"].values) >= 0).all()
    assert all(held[name].dtype.isnative for name in held.data_vars)


def test_intervals_of_single_detectors_are_kept_apart_and_joined():
    tree = formats.read(sample.path("msh1552_acis_events.fits.gz"))
    assert sorted(set(tree["gti_sets"]["detector"].values.tolist())) == [0, 1, 2, 3]
    assert tree["gti"].sizes["interval"] == 1  # the 3.2 s that CCD 1 missed, the others saw
    total = float((tree["gti"]["stop"] - tree["gti"]["start"]).sum())
    assert total == pytest.approx(tree["events"].attrs["ontime"], abs=0.1)


def test_the_energy_of_a_chandra_photon_fits_its_channel():
    held = formats.read(sample.path("m82_acis_events.fits"), assume=STALE)["events"]
    inside = held["pi"].values < 1024  # the last channel takes all above
    ev = held["energy"].values[inside] * 1000
    np.testing.assert_array_equal(np.floor(ev / 14.6).astype(int) + 1, held["pi"].values[inside])


def test_timezero_is_added_to_events_and_intervals_alike():
    tree = formats.read(sample.path("xte_4u1636_events.fits.gz"), assume=STALE)
    with astropy_fits.open(sample.path("xte_4u1636_events.fits.gz")) as hdus:
        raw, start = hdus[1].data["TIME"], hdus[2].data["START"]
    np.testing.assert_allclose(tree["events"]["time"].values - raw, 3.37842941, atol=1e-6)
    assert float(tree["gti_sets"]["start"][0]) - start[0] == pytest.approx(3.37842941, abs=1e-6)
    assert tree["events"].attrs["timezero_added"] == pytest.approx(3.37842941)


def test_the_clock_gives_the_date_of_the_observation():
    held = formats.read(sample.path("xte_4u1636_events.fits.gz"), assume=STALE)["events"]
    attrs = held.attrs
    first = utc_of_clock(
        held["time"].values[:1],
        mjdref=attrs["mjdref_int"],
        mjdref_fraction=attrs["mjdref_frac"],
        timesys=attrs["timesys"],
    )
    stated = np.datetime64("2008-01-13T12:46:40") - np.timedelta64(65184, "ms")  # its DATE-OBS, which is in TT
    assert abs(first[0] - stated) < np.timedelta64(2, "s")


def test_two_conditions_on_all_detectors_must_both_hold():
    tree = formats.read(sample.path("m82_ulx_rxte_events.fits.gz"))
    sets = tree["gti_sets"]
    assert pairs(tree["gti"]) == [(float(sets["start"].max()), float(sets["stop"].min()))]


def test_general_and_single_detector_intervals_combine(tmp_path):
    path = written(
        tmp_path / "e.evt",
        events(),
        gti((0, 10), (20, 30)),
        gti((5, 12), name="STDGTI04"),
        gti((11, 25), name="STDGTI05"),
    )
    tree = fits.read(path, {})
    assert pairs(tree["gti"]) == [(5, 10), (20, 25)]
    assert tree["gti_sets"]["detector"].values.tolist() == [-1, -1, 4, 5]
    assert "all of GTI" in tree["gti"].attrs["merged"]


def test_overlapping_intervals_become_one(tmp_path):
    tree = fits.read(written(tmp_path / "e.evt", events(), gti((0, 5), (5, 6), (4, 9), (12, 12), (20, 21))), {})
    assert pairs(tree["gti"]) == [(0, 9), (20, 21)]
    assert "gti_sets" not in tree.children


def test_intervals_without_common_time_are_said(tmp_path):
    path = written(tmp_path / "e.evt", events(), gti((0, 1)), gti((2, 3), name="STDGTI"))
    with pytest.warns(AnalysisWarning, match="no time in common"):
        assert fits.read(path, {})["gti"].sizes["interval"] == 0


def test_intervals_on_another_reference_move_to_the_events_clock(tmp_path):
    path = written(tmp_path / "e.evt", events(), gti((0, 1), MJDREFI=50815, MJDREFF=0.5, TIMESYS="TT"))
    assert pairs(fits.read(path, {})["gti"]) == [(1.5 * 86400, 1.5 * 86400 + 1)]


def test_intervals_with_a_timezero_of_their_own_obey_it(tmp_path):
    path = written(tmp_path / "e.fits", events(TIMEZERO=100.0), gti((0, 5), TIMEZERO=7.0))
    tree = formats.read(path)
    assert tree["events"].time.values.tolist() == [101.0, 102.0, 103.0]
    assert pairs(tree["gti"]) == [(7.0, 12.0)]


def test_events_out_of_order_are_sorted_together_and_it_is_said(tmp_path):
    pi = astropy_fits.Column("PI", "J", array=[30, 10, 20, 11])
    tree = fits.read(written(tmp_path / "e.evt", events([3, 1, 2, 1], columns=[pi])), {})
    assert tree["events"]["time"].values.tolist() == [1, 1, 2, 3]
    assert tree["events"]["pi"].values.tolist() == [10, 11, 20, 30]  # stable
    assert "sorted" in tree["events"].attrs["history"]
    assert "gti" not in tree.children and "no good time" in tree["events"].attrs["history"]


@pytest.mark.parametrize("keywords", [{"MJDREF": None, "MJDREFI": 50814, "MJDREFF": 0.25}, {"MJDREF": 50814.25}])
def test_the_reference_may_be_whole_or_split(tmp_path, keywords):
    hdu = events()
    for key, value in keywords.items():
        if value is None:
            del hdu.header[key]
        else:
            hdu.header[key] = value
    attrs = fits.read(written(tmp_path / "e.evt", hdu), {})["events"].attrs
    assert (attrs["mjdref_int"], attrs["mjdref_frac"], attrs["mjdref"]) == (50814, 0.25, 50814.25)


def test_times_in_days_become_seconds(tmp_path):
    hdu = events([0.5, 1.0], units="d", TIMEUNIT="d", TIMEZERO=1.0)
    assert fits.read(written(tmp_path / "e.evt", hdu), {})["events"]["time"].values.tolist() == [
        129600,
        172800,
    ]


def test_a_missing_reference_is_asked_for(tmp_path):
    hdu = events()
    del hdu.header["MJDREF"]
    path = written(tmp_path / "e.evt", hdu)
    with pytest.raises(CorruptFile, match="MJDREF"):
        fits.read(path, {})
    assert fits.read(path, {"mjdref": "51910.5"})["events"].attrs["mjdref"] == 51910.5
    with pytest.raises(BadOption, match="not a number"):
        fits.read(path, {"mjdref": "yesterday"})


def test_a_missing_time_scale_is_guessed_aloud(tmp_path):
    hdu = events()
    del hdu.header["TIMESYS"]
    path = written(tmp_path / "e.evt", hdu)
    with pytest.warns(AnalysisWarning, match="timesys = 'TT'"):
        assert fits.read(path, {})["events"].attrs["timesys"] == "TT"
    assert fits.read(path, {"timesys": "TDB"})["events"].attrs["timesys"] == "TDB"


def test_a_clock_of_its_own_is_kept_until_utc_is_asked_for(tmp_path):
    with pytest.warns(AnalysisWarning, match="unknown"):
        held = fits.read(written(tmp_path / "f.evt", events(TIMESYS="LOCAL")), {})["events"]
    assert held.attrs["timesys"] == "LOCAL" and held["time"].values.tolist() == [1, 2, 3]
    with pytest.raises(BadTime, match="unknown"):
        utc_of_clock(held["time"].values, mjdref=50814, timesys=held.attrs["timesys"])


def test_facts_that_contradict_the_header_are_refused(tmp_path):
    path = written(tmp_path / "e.evt", events())
    with pytest.raises(BadOption, match="contradicts"):
        fits.read(path, {"timesys": "UTC"})
    with pytest.raises(BadOption, match="contradicts"):
        fits.read(path, {"mjdref": "51544"})
    assert fits.read(path, {"mjdref": "50814.00", "timesys": "TT"})["events"].attrs["mjdref"] == 50814
    with pytest.raises(BadOption, match="mjdref, timesys, energy_units"):
        fits.read(path, {"frame": "icrs"})


@pytest.mark.parametrize(("units", "keV"), [("eV", 1.5), ("keV", 1500.0), ("MeV", 1.5e6)])
def test_energies_are_in_keV_whatever_the_file_says(tmp_path, units, keV):
    energy = astropy_fits.Column("ENERGY", "E", units, array=[1500.0] * 3)
    held = fits.read(written(tmp_path / "e.evt", events(columns=[energy])), {})["events"]
    np.testing.assert_allclose(held["energy"], keV, rtol=1e-6)


def test_energies_without_a_unit_are_guessed_aloud(tmp_path):
    energy = astropy_fits.Column("ENERGY", "E", array=[1500.0] * 3)
    path = written(tmp_path / "e.evt", events(columns=[energy]))
    with pytest.warns(AnalysisWarning, match="energy_units = 'keV'"):
        fits.read(path, {})
    np.testing.assert_allclose(fits.read(path, {"energy_units": "eV"})["events"]["energy"], 1.5)


def test_columns_of_every_kind_come_along(tmp_path):
    columns = [
        astropy_fits.Column("STATUS", "16X", array=np.eye(3, 16, 14, dtype=bool)),
        astropy_fits.Column("FLAG", "L", array=[True, False, True]),
        astropy_fits.Column("PHAS", "4I", dim="(2,2)", array=np.arange(12).reshape(3, 2, 2)),
        astropy_fits.Column("TRACE", "3E", array=np.ones((3, 3))),
        astropy_fits.Column("NAME", "4A", array=["a", "bb", "c"]),
        astropy_fits.Column("EVENT", "J", bzero=2**31, array=np.array([1, 2, 3], np.uint32)),
        astropy_fits.Column("PI", "I", null=-1, array=[5, -1, 7]),
        astropy_fits.Column("HITS", "PI()", array=np.array([[1], [2, 3], []], dtype=object)),
    ]
    held = fits.read(written(tmp_path / "e.evt", events(columns=columns)), {})["events"]
    assert held["status"].values.tolist() == [2, 1, 0]
    assert held["flag"].values.tolist() == [True, False, True]
    assert held["phas"].dims == ("event", "phas_1", "phas_2") and held["phas"].values[1].tolist() == [
        [4, 5],
        [6, 7],
    ]
    assert held["trace"].dims == ("event", "element_3")
    assert held["name"].values.tolist() == ["a", "bb", "c"]
    assert held["event_column"].values.tolist() == [1, 2, 3] and held["event_column"].dtype == np.uint32
    np.testing.assert_array_equal(held["pi"], [5, np.nan, 7])
    np.testing.assert_array_equal(held["hits"], [[1, np.nan], [2, 3], [np.nan, np.nan]])


def test_events_without_a_time_are_refused(tmp_path):
    with pytest.raises(CorruptFile, match="1 events have no time"):
        fits.read(written(tmp_path / "e.evt", events([1, np.nan, 3])), {})


def test_an_empty_list_is_a_list_of_no_events(tmp_path):
    tree = fits.read(written(tmp_path / "e.evt", events([]), gti((0, 1))), {})
    assert tree["events"].sizes["event"] == 0 and check(tree) is tree


def test_a_cut_event_list_is_never_read_in_part(tmp_path):
    raw = sample.path("m82_acis_events.fits").read_bytes()
    path = tmp_path / "cut.evt"
    for size in (3000, 20_000, 60_000, len(raw) - 2880):
        path.write_bytes(raw[:size])
        with pytest.raises(CorruptFile, match=r"cut\.evt"):
            fits.read(path, STALE)


def test_a_cut_gzip_stream_is_never_read_in_part(tmp_path):
    raw = sample.path("xte_4u1636_events.fits.gz").read_bytes()
    path = tmp_path / "cut.evt.gz"
    for size in (10, 1000, len(raw) - 4):
        path.write_bytes(raw[:size])
        with pytest.raises(CorruptFile, match=r"cut\.evt\.gz"):
            fits.read(path, STALE)


def test_a_file_cut_between_extensions_is_told_by_nextend(tmp_path):
    whole = written(tmp_path / "e.evt", events(), gti((0, 1)))
    with astropy_fits.open(whole, mode="update") as hdus:
        hdus[0].header["NEXTEND"] = 2
        hdus.flush()
        start = hdus[2].fileinfo()["hdrLoc"]
    path = tmp_path / "cut.evt"
    path.write_bytes(whole.read_bytes()[:start])
    with pytest.warns(AnalysisWarning, match="NEXTEND announces 2"):
        assert fits.read(path, {})["events"].sizes["event"] == 3


def test_a_split_timezero_is_added(tmp_path):
    hdu = events(TIMEZERI=100, TIMEZERF=0.5)
    assert fits.read(written(tmp_path / "e.evt", hdu), {})["events"]["time"].values.tolist() == [101.5, 102.5, 103.5]


def test_intervals_in_another_time_scale_move_to_the_events_clock(tmp_path):
    path = written(tmp_path / "e.evt", events(), gti((0, 10), TIMESYS="UTC", MJDREF=50814.0))
    np.testing.assert_allclose(pairs(fits.read(path, {})["gti"]), [(63.184, 73.184)], atol=1e-6)  # TT − UTC in 1998
    path = written(tmp_path / "l.evt", events(), gti((0, 10), TIMESYS="LOCAL", MJDREF=50814.0))
    with pytest.raises(CorruptFile, match="LOCAL"):
        fits.read(path, {})


def test_families_of_intervals_must_both_hold(tmp_path):
    sets = (gti((0, 10), name="STDGTI04"), gti((10, 20), name="STDGTI05"), gti((5, 12), name="GTI00004"))
    assert pairs(fits.read(written(tmp_path / "e.evt", events(), *sets), {})["gti"]) == [(5, 12)]


def test_intervals_are_known_by_their_class_and_by_other_names_of_their_edges(tmp_path):
    hdu = gti((0, 5), name="GOODTIME", HDUCLAS1="GTI")
    hdu.columns["START"].name, hdu.columns["STOP"].name = "TSTART", "TSTOP"
    assert pairs(fits.read(written(tmp_path / "e.evt", events(), hdu), {})["gti"]) == [(0, 5)]


def test_a_second_event_list_is_left_out_aloud(tmp_path):
    with pytest.warns(AnalysisWarning, match="other event lists are left out") as said:
        assert fits.read(written(tmp_path / "e.evt", events(), events()), {})["events"].sizes["event"] == 3
    assert not any("assume" in str(warning.message) for warning in said)


def test_complex_rows_keep_their_imaginary_part(tmp_path):
    rows = np.array([np.array([1 + 2j]), np.array([3j]), np.array([4.0 + 0j])], dtype=object)
    held = fits.read(written(tmp_path / "e.evt", events(columns=[astropy_fits.Column("Z", "PM()", array=rows)])), {})
    assert held["events"]["z"].values[:, 0].tolist() == [1 + 2j, 3j, 4]


def test_sky_coordinates_that_are_turned_are_left_out_aloud(tmp_path):
    columns = [astropy_fits.Column(name, "E", array=[1.0, 2.0, 3.0]) for name in "XY"]
    hdu = events(columns=columns)
    for n, kind in ((2, "RA---TAN"), (3, "DEC--TAN")):
        hdu.header.update({f"TCTYP{n}": kind, f"TCRPX{n}": 1.0, f"TCRVL{n}": 10.0, f"TCDLT{n}": 0.1})
    path = written(tmp_path / "e.evt", hdu)
    assert "wcs_ctype" in fits.read(path, {})["events"].attrs
    hdu.header["TCROT3"] = 30.0
    with pytest.warns(AnalysisWarning, match="turned against the sky"):
        held = fits.read(written(tmp_path / "f.evt", hdu), {})["events"]
    assert "wcs_ctype" not in held.attrs
