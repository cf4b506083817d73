"""Real X-ray files of eight missions, by the numbers that matter: channels, exposure, area, photons counted once.

XMM-Newton, Chandra, NICER, IXPE, XRISM, RXTE, eROSITA and Hitomi (whose effective area is the mission's own for a point
source); beside them the designs of Athena's WFI and X-IFU of 2015/16 and of the concept XRS. RXTE is here with events
and eROSITA with a light curve only. By hand, since their files are not passed on, the responses of NuSTAR (4096
energies, median row sum 0.858), Swift XRT (2400 from 0 keV, 0.511), RXTE PCA (FULL, up to 1298 cm2) and XMM's MOS were
read, and folded as sherpa 4.19 folds them (tests/xray/test_ogip_writing.py).
"""

import warnings

import numpy as np
import pytest

from analysis import formats, sample, xray
from analysis.errors import AnalysisWarning
from analysis.model import check


def read(oracle, name):
    """Return a bundled file, or one of the oracle where the name has a folder."""
    path = oracle / "xray" / name if "/" in name else sample.path(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AnalysisWarning)  # sums of data that were stale before the files came here
        return formats.read(path)


# file, telescope, instrument, channels, first, counts or rate in all, exposure in s, BACKSCAL
SPECTRA = [
    ("ngc7793_ulx4_pn.pha", "XMM", "EPN", 4096, 0, 11526, 20265.98058616, 2010100),
    ("ngc7793_ulx4_pn_background.pha", "XMM", "EPN", 4096, 0, 1213, 20265.98058616, 6866200),
    ("nicer_maxi_j1820.pha", "NICER", "XTI", 1501, 0, 96505118, 5961.963, 1),
    ("ixpe_stokes_i.pha", "IXPE", "GPD", 375, 0, 55.86277389526367, 18925.057928, 20039.04),
    ("3c273/3c273.pi", "CHANDRA", "ACIS", 1024, 1, 736, 38564.608926889, 2.5264364698914e-06),
    ("3c273/3c273_bg.pi", "CHANDRA", "ACIS", 1024, 1, 216, 38564.608926889, 1.872535141462e-05),
    ("xrism_perseus/xa_merged_p0px1000_Hp.pi", "XRISM", "RESOLVE", 60000, 0, 228716, 100325.905108273, 1),
]


@pytest.mark.parametrize(
    ("name", "telescope", "instrument", "channels", "first", "total", "exposure", "scale"), SPECTRA
)
def test_spectra_have_their_channels_counts_and_exposure(
    oracle, name, telescope, instrument, channels, first, total, exposure, scale
):
    pha = read(oracle, name)
    assert (pha.attrs["telescope"], pha.attrs["instrument"]) == (telescope, instrument)
    assert (pha.sizes["channel"], int(pha.channel[0])) == (channels, first)
    assert (pha.attrs["detchans"], pha.attrs["lowest_channel"]) == (channels, first)
    measured = "counts" if "counts" in pha else "rate"
    assert float(pha[measured].sum()) == pytest.approx(total, rel=1e-6)
    assert float(pha.exposure) == pytest.approx(exposure, rel=1e-12)
    assert float(pha.backscal) == pytest.approx(scale, rel=1e-6)
    check(pha)


# file, telescope, instrument, energy bins, from, to keV, largest area in cm2, at keV
AREAS = [
    ("ngc7793_ulx4_pn.arf", "XMM", "EPN", 2067, 0.05, 16.005, 1197.486, 1.553),
    ("nicer_maxi_j1820.arf", "NICER", "XTI", 3451, 0.1, 20, 1783.799, 1.548),
    ("ixpe_du1.arf", "IXPE", "GPD", 275, 1, 12, 5.85594, 3.72),
    ("3c273/3c273.arf", "CHANDRA", "ACIS", 1090, 0.1, 11, 148.690, 4.77),
    ("athena_soxs/acisi_aimpt_cy0.arf", "CHANDRA", "ACIS", 937, 0.1, 10.989, 628.873, 1.541),
    ("athena_soxs/acisi_aimpt_cy19.arf", "CHANDRA", "ACIS", 1024, 0.255, 12, 431.294, 1.826),
    ("xrism_perseus/rsl_standard_GVclosed.arf", "XRISM", "RESOLVE", 60000, 0, 30, 177.406, 6.3),
    ("athena_soxs/hitomi_sxs_ptsrc.arf", "HITOMI", "SXS", 32768, 0, 16.384, 356.672, 1.555),
    ("athena_soxs/athena_wfi_1469_onaxis_w_filter_v20150326.arf", "AthenaPlus", "WFI", 1490, 0.1, 15, 18738.24, 1.24),
    ("athena_soxs/athena_xifu_1469_onaxis_pitch249um_v20160401.arf", "Athena", "XIFU", 29874, 0.05, 12, 15570.82, 1.45),
]


@pytest.mark.parametrize(("name", "telescope", "instrument", "bins", "low", "high", "largest", "at"), AREAS)
def test_areas_peak_where_the_mission_sees_most(oracle, name, telescope, instrument, bins, low, high, largest, at):
    arf = read(oracle, name)
    assert (arf.attrs["telescope"], arf.attrs["instrument"]) == (telescope, instrument)
    assert arf.sizes["energy"] == bins and arf.effective_area.attrs["units"] == "cm2"
    assert float(arf.energy_low[0]) == pytest.approx(low, rel=1e-5)
    assert float(arf.energy_high[-1]) == pytest.approx(high, rel=1e-4)
    peak = int(np.argmax(arf.effective_area.values))
    assert float(arf.effective_area[peak]) == pytest.approx(largest, rel=1e-5)
    assert float(arf.energy_low[peak]) == pytest.approx(at, rel=1e-3)
    assert (np.diff(arf.energy_low.values) > 0).all()


# file, telescope, energies, channels, first, median of what a photon is counted, mean nominal energy of a 5 keV line
RESPONSES = [
    ("ngc7793_ulx4_pn.rmf.gz", "XMM", 2067, 4096, 0, 1.0, 4.995),
    ("nicer_maxi_j1820.rmf.gz", "NICER", 3451, 1501, 0, 0.999614, 4.988),
    ("ixpe_du1.rmf.gz", "IXPE", 275, 375, 0, 1.0, 4.783),
    ("3c273/3c273.rmf", "CHANDRA", 1090, 1024, 1, 1.0, 4.981),
    ("athena_soxs/acisi_aimpt_cy19.rmf", "CHANDRA", 1024, 1024, 1, 1.000037, 4.998),
    ("athena_soxs/athena_wfi_rmf_v20150326.rmf", "ATHENA", 1490, 1490, 1, 1.0, 5.005),
    ("athena_soxs/xrs_mucal.rmf", "XRS", 12000, 12000, 1, 0.999999, 5.001),
]


@pytest.mark.parametrize(("name", "telescope", "energies", "channels", "first", "counted", "mean"), RESPONSES)
@pytest.mark.slow
def test_responses_count_a_photon_once_near_its_energy(
    oracle, name, telescope, energies, channels, first, counted, mean
):
    rmf = read(oracle, name)
    assert rmf.attrs["telescope"] == telescope and rmf.attrs["response_type"] == "REDIST"
    assert (rmf.sizes["energy"], rmf.sizes["channel"], int(rmf.channel[0])) == (energies, channels, first)
    made = xray.response(rmf)
    edges = np.append(made.first_element.values, made.matrix.size)
    sums = np.bincount(np.repeat(np.arange(energies), np.diff(edges)), made.matrix.values, energies)
    assert np.median(sums) == pytest.approx(counted, abs=2e-6)
    line = int(np.searchsorted(rmf.energy_low.values, 5.0))
    held = slice(edges[line], edges[line + 1])
    middle = ((rmf.e_min + rmf.e_max).values / 2)[made.channel_index.values[held]]
    weights = made.matrix.values[held]
    assert float((weights * middle).sum() / weights.sum()) == pytest.approx(mean, abs=1e-3)
    assert abs(float(middle[weights.argmax()]) - 5.0) < 0.03


# file, telescope, events, MJDREF, TIMEZERO, good time in s, first event in s
EVENTS = [
    ("m82_acis_events.fits", "CHANDRA", 4612, 50814.0, 0.0, 945.3364763259888, 339469168.6209349),
    ("msh1552_acis_events.fits.gz", "CHANDRA", 258419, 50814.0, 0.0, 19183.200018182397, 82648583.03188765),
    ("xte_4u1636_events.fits.gz", "XTE", 1000, 49353.000696574076, 3.37842941, 1226.0, 442845940.4299431),
    ("m82_ulx_rxte_events.fits.gz", "XTE", 3518, 49353.000696574076, 0.0, 99.00435471534729, 503797844.9704547),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "telescope", "count", "mjdref", "zero", "good", "start"), EVENTS)
def test_events_are_on_their_missions_clock(oracle, name, telescope, count, mjdref, zero, good, start):
    tree = read(oracle, name)
    events, gti = tree["events"], tree["gti"]
    assert events.attrs["telescope"] == telescope and events.sizes["event"] == count
    assert events.attrs["mjdref"] == pytest.approx(mjdref, abs=1e-12) and events.attrs["timezero_added"] == zero
    assert float((gti.stop - gti.start).sum()) == pytest.approx(good, abs=1e-6)
    assert float(events.time[0]) == pytest.approx(start, abs=1e-6)


def test_the_erosita_light_curve_has_24_bins_with_exposure(oracle):
    curve = read(oracle, "erosita_light_curve.fits")
    assert curve.attrs["telescope"] == "eROSITA" and curve.sizes["time"] == 3740
    assert int((curve.fracexp[:, 0] > 0).sum()) == 24


@pytest.mark.slow
def test_spectrum_and_response_of_a_mission_belong_together(oracle):
    for spectrum, rmf, arf in (
        ("ngc7793_ulx4_pn.pha", "ngc7793_ulx4_pn.rmf.gz", "ngc7793_ulx4_pn.arf"),
        ("ixpe_stokes_i.pha", "ixpe_du1.rmf.gz", "ixpe_du1.arf"),
        ("3c273/3c273.pi", "3c273/3c273.rmf", "3c273/3c273.arf"),
    ):
        pha, matrix, area = (read(oracle, name) for name in (spectrum, rmf, arf))
        assert np.array_equal(pha.channel, matrix.channel)
        assert xray.response(matrix, arf=area).matrix.attrs["units"] == "cm2"
