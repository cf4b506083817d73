"""Event lists in the layouts of a dozen missions, made here after their documentation; none of these is a real file."""

import numpy as np
import pytest
from astropy.io import fits as astropy_fits

from analysis import formats, xray
from analysis.model import check

SKY = {"TCTYP": ("RA---TAN", "DEC--TAN"), "TCRVL": (10.0, 20.0), "TCRPX": (500.5, 500.5), "TCDLT": (-1e-3, 1e-3)}
LAYOUTS = {
    # TELESCOP, INSTRUME, PI's form and values, energies in keV, columns beside, clock, names of the good times
    "nicer": ("NICER", "XTI", "I", [30, 199], [0.305, 1.995], {"DET_ID": "B"}, (56658, 7.775925925925926e-4), ["GTI"]),
    "nustar": ("NuSTAR", "FPMA", "J", [35, 210], [3.02, 10.02], {"GRADE": "I"}, (55197, 7.660185e-4), ["GTI"]),
    "swift": ("SWIFT", "XRT", "J", [30, 999], [0.305, 9.995], {"GRADE": "I"}, (51910, 7.4287037e-4), ["GTI"]),
    "suzaku": (
        "SUZAKU",
        "XIS0",
        "I",
        [100, 1643],
        [0.366825, 5.998775],
        {"GRADE": "I"},
        (51544, 7.428703703703703e-4),
        ["GTI"],
    ),
    "ixpe": ("IXPE", "GPD", "J", [50, 199], [2.02, 7.98], {"Q": "D", "U": "D"}, (57754, 8.007407407407407e-4), ["GTI"]),
    "resolve": (
        "XRISM",
        "RESOLVE",
        "J",
        [4000, 13401],
        [2.00025, 6.70075],
        {"PIXEL": "B"},
        (58484, 8.007407407407407e-4),
        ["GTI"],
    ),
    "xtend": (
        "XRISM",
        "XTEND",
        "J",
        [83, 1666],
        [0.501, 9.999],
        {"CCD_ID": "B"},
        (58484, 8.007407407407407e-4),
        ["GTI"],
    ),
    "hitomi": (
        "HITOMI",
        "SXS",
        "J",
        [4000, 13401],
        [2.00025, 6.70075],
        {"PIXEL": "B"},
        (56658, 7.775925925925926e-4),
        ["GTI"],
    ),
    "pn": (
        "XMM",
        "EPN",
        "I",
        [500, 12000],
        [0.5, 12.0],
        {"CCDNR": "B", "FLAG": "J", "PATTERN": "B"},
        (50814, 0.0),
        ["STDGTI01", "STDGTI04"],
    ),
    "mos": (
        "XMM",
        "EMOS1",
        "I",
        [500, 9999],
        [0.5, 9.999],
        {"CCDNR": "B", "FLAG": "J", "PATTERN": "B"},
        (50814, 0.0),
        ["STDGTI01", "STDGTI02"],
    ),
    "erosita": (
        "eROSITA",
        "merged",
        "E",
        [500.5, 2300.0],
        [0.5005, 2.3],
        {"TM_NR": "B", "FLAG": "J"},
        (51543, 0.875),
        ["GTI1", "GTI2"],
    ),
}


def written(path, name, *, instrument=None, pi=None, energy=None):
    """Write an event list as one of the missions lays it out."""
    telescope, camera, form, channels, _, beside, (day, fraction), names = LAYOUTS[name]
    values = channels if pi is None else pi
    n = len(values)
    columns = [
        astropy_fits.Column("TIME", "D", "s", array=np.arange(n) * 100.0 + 50),
        astropy_fits.Column("PI", form, "CHAN", array=values),
        *(astropy_fits.Column(axis, "J", "pixel", array=np.arange(n) + 480) for axis in "XY"),
        *(astropy_fits.Column(key, kind, array=np.arange(n) + 1) for key, kind in beside.items()),
    ]
    if energy is not None:
        columns.append(astropy_fits.Column("ENERGY", "E", "eV", array=energy))
    events = astropy_fits.BinTableHDU.from_columns(columns, name="EVENTS")
    header = {"TELESCOP": telescope, "INSTRUME": instrument or camera, "HDUCLAS1": "EVENTS", "TIMESYS": "TT"}
    if name in ("pn", "mos"):  # XMM writes the sky of x and y by axis, not by column
        header |= {f"REF{axis}{key[1:]}": values[i] for key, values in SKY.items() for i, axis in enumerate("XY")}
    else:
        header |= {f"{key}{3 + i}": values[i] for key, values in SKY.items() for i in (0, 1)}
    header |= {"MJDREF": day + fraction} if name in ("pn", "mos", "erosita") else {"MJDREFI": day, "MJDREFF": fraction}
    events.header.update(header)
    gtis = []
    for k, label in enumerate(names):
        start, stop = ([0.0], [200.0 - 60 * k])
        columns = [astropy_fits.Column(e, "D", "s", array=v) for e, v in (("START", start), ("STOP", stop))]
        gtis.append(astropy_fits.BinTableHDU.from_columns(columns, name=label))
        gtis[-1].header.update({"HDUCLAS1": "GTI"})
    astropy_fits.HDUList([astropy_fits.PrimaryHDU(), events, *gtis]).writeto(path)
    return path


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_a_mission_is_read_with_energies_clock_sky_and_good_times(name, tmp_path):
    tree = check(formats.read(written(tmp_path / "e.fits", name)))
    listed = tree["events"]
    telescope, _, _, _, energies, beside, (day, fraction), names = LAYOUTS[name]
    np.testing.assert_allclose(listed.energy.values, energies, rtol=1e-12)
    assert listed.energy.attrs["units"] == "keV" and "energy in keV made of pi" in listed.attrs["history"]
    assert (listed.attrs["mjdref_int"], listed.attrs["mjdref_frac"]) == (day, pytest.approx(fraction, abs=1e-12))
    assert {key.lower() for key in beside} <= set(listed.variables)
    assert listed.attrs["wcs_ctype"] == ["RA---TAN", "DEC--TAN"] and listed.attrs["telescope"] == telescope
    assert float(tree["gti"].start[0]) == 0 and float(tree["gti"].stop[-1]) == 200
    curve = xray.light_curve(tree, 100)
    if len(names) == 1:
        assert curve.counts.values.tolist() == [1, 1]
    else:  # the second event is the second detector's, whose good times stopped at 140 s
        assert set(tree["gti_sets"].detector.values.tolist()) == {int(n[-1]) for n in names}
        assert curve.counts.values.tolist()[0] == 1


def test_an_event_of_erosita_belongs_to_its_own_telescope(tmp_path):
    tree = formats.read(written(tmp_path / "e.fits", "erosita"))
    assert xray.light_curve(tree, 200).counts.values.tolist() == [1]  # telescope 2 was good until 140 s, saw at 150 s
    two = xray.selected(tree, where={"tm_nr": 2})
    assert float(xray.light_curve(two, 200).exposure.sum()) == 140


def test_energies_that_the_list_holds_are_kept(tmp_path):
    tree = formats.read(written(tmp_path / "e.fits", "nicer", energy=[310.0, 1990.0]))
    np.testing.assert_allclose(tree["events"].energy.values, [0.31, 1.99], rtol=1e-6)
    assert "made of pi" not in tree["events"].attrs["history"]


def test_a_channel_below_zero_is_no_energy(tmp_path):
    tree = formats.read(written(tmp_path / "e.fits", "suzaku", pi=[-1, 100]))
    assert np.isnan(tree["events"].energy.values[0]) and np.isfinite(tree["events"].energy.values[1])


def test_an_unknown_instrument_is_given_no_energies(tmp_path):
    tree = formats.read(written(tmp_path / "e.fits", "nustar", instrument="NEW"))
    assert "energy" not in tree["events"] and "channel_width" not in tree["events"].pi.attrs


def test_the_middle_of_a_channel_is_that_of_the_response():
    from analysis.formats._eventgains import gain_of

    rmf = xray.fetch("nicer_maxi_j1820")["rmf"]
    middle = ((rmf.e_min + rmf.e_max) / 2).values
    gain = gain_of("NICER", "XTI")
    np.testing.assert_allclose(gain.first + (rmf.channel.values + 0.5) * gain.width, middle, atol=2e-7)


def test_a_list_of_xmm_is_binned_in_the_responses_channels(tmp_path, ulx):
    tree = formats.read(written(tmp_path / "e.fits", "pn"))
    spectrum = xray.event_spectrum(tree, rmf=ulx["rmf"], channel_width="5 eV")
    assert spectrum.channel.values[spectrum.counts.values > 0].tolist() == [100]  # and 12 keV is outside good time
    with pytest.raises(ValueError, match="channel_width='5 eV'"):
        xray.event_spectrum(tree, rmf=ulx["rmf"])
