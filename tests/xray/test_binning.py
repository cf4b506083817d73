"""Events in bins: none lost, none twice, and divided by the time in which they could be seen."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from tiers import examples

from analysis import formats, xray
from analysis.errors import BadOption, MissingUnits, OutsideCoverage, UnknownVariable, WrongData, WrongUnits
from analysis.model import breaches

times_in_an_hour = st.lists(st.floats(0, 3600), min_size=1, max_size=80).map(sorted)


@pytest.mark.slow
@settings(max_examples=examples(30))
@given(times=times_in_an_hour, width=st.floats(1, 5000))
def test_a_light_curve_holds_every_event_once(made_events, times, width):
    curve = xray.light_curve(made_events(times, [(0, 3600)]), width)
    assert int(curve.counts.sum()) == len(times)
    assert float(curve.exposure.sum()) == pytest.approx(3600)
    assert float((curve.rate * curve.exposure).sum()) == pytest.approx(len(times))


@pytest.mark.slow
@settings(max_examples=examples(30))
@given(
    edges=st.lists(st.floats(0, 1000), min_size=2, max_size=12, unique=True).map(sorted),
    times=st.lists(st.floats(0, 1000), min_size=1, max_size=60).map(sorted),
    width=st.floats(0.5, 200),
)
def test_exposure_is_the_good_time_and_events_outside_it_are_left_out(made_events, edges, times, width):
    gti = [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=False) if b - a > 1e-3] or [(0, 1)]
    curve = xray.light_curve(made_events(times, gti), width)
    good = sum(any(a <= t <= b for a, b in gti) for t in times)
    assert int(curve.counts.sum()) == good
    assert float(curve.exposure.sum()) == pytest.approx(sum(b - a for a, b in gti))
    assert f"{len(times) - good} events outside" in curve.attrs["history"]


def test_bins_in_a_gap_are_nan_and_never_zero(made_events):
    curve = xray.light_curve(made_events([1, 31], [(0, 10), (30, 40)]), 10)
    assert np.isnan(curve.rate.values).tolist() == [False, True, True, False]
    assert curve.counts.values.tolist() == [1, 0, 0, 1]
    assert curve.exposure.values.tolist() == [10, 0, 0, 10]


def test_an_empty_bin_has_an_error(made_events):
    curve = xray.light_curve(made_events([1, 2, 3, 4], [(0, 20)]), 10)
    assert curve.rate_error.values.tolist() == pytest.approx([0.2, 0.1841])


def test_a_bin_partly_in_a_gap_is_divided_by_its_good_time_only(made_events):
    curve = xray.light_curve(made_events([0.5, 1.5, 9.5], [(0, 2), (8, 10)]), 10)
    assert float(curve.rate[0]) == pytest.approx(3 / 4)


def test_times_are_middles_of_bins_in_utc(made_events):
    curve = xray.light_curve(made_events([5], [(0, 10)]), "10 s")
    # MJD 50814 TT is 1998-01-01 TT; TT was 63.184 s ahead of UTC
    assert str(curve.time.values[0]) == "1997-12-31T23:59:01.816000000"
    assert float(curve.seconds[0]) == 5.0


def test_a_leap_second_does_not_move_a_light_curve(made_events):
    day = 56108 + 0.5 - 50814  # noon before the leap second of 2012-06-30
    start = (day) * 86400.0
    curve = xray.light_curve(made_events([start], [(start, start + 86400)]), 86400 / 2)
    assert np.diff(curve.time.values)[0] == np.timedelta64(43199, "s")


def test_a_bin_size_takes_any_unit_of_time(made_events):
    tree = made_events([1, 100], [(0, 600)])
    minutes, seconds = xray.light_curve(tree, "1 min"), xray.light_curve(tree, np.timedelta64(60, "s"))
    xr.testing.assert_equal(minutes, seconds)


def test_m82_is_a_cut_out_of_945_s(m82):
    curve = xray.light_curve(m82, 100)
    assert float(curve.exposure.sum()) == pytest.approx(945.34, abs=0.01)
    assert int(curve.counts.sum()) == 4612


def test_rxte_times_carry_timezero():
    curve = xray.light_curve(xray.fetch("xte_4u1636_events"), 100)
    tree = xray.fetch("xte_4u1636_events")
    assert tree["events"].attrs["timezero_added"] == pytest.approx(3.37842941)
    assert str(curve.time.values[0]).startswith("2008-01-13T12:4")


@pytest.mark.parametrize(
    ("width", "error"),
    [
        (0, BadOption),
        (-1, BadOption),
        ("1 m", WrongUnits),
        (1e-6, BadOption),
        ("ten", BadOption),
        (np.nan, BadOption),
    ],
)
def test_a_bin_size_that_cannot_be_used_is_refused(m82, width, error):
    with pytest.raises(error, match="bin"):
        xray.light_curve(m82, width)


def test_a_tree_without_good_times_is_refused(m82):
    with pytest.raises(WrongData, match="'gti'"):
        xray.light_curve(xr.DataTree.from_dict({"events": m82["events"].to_dataset()}), 100)


@pytest.mark.slow
@settings(max_examples=examples(30))
@given(
    places=st.lists(st.tuples(st.floats(0, 500), st.floats(0, 300)), min_size=1, max_size=60),
    size=st.floats(0.5, 70),
)
def test_an_image_holds_every_event_once(made_events, places, size):
    x, y = zip(*places, strict=True)
    tree = made_events(np.arange(len(x)), [(0, 100)], x=np.array(x), y=np.array(y))
    made = xray.image(tree, bin_size=size)
    assert int(made.counts.sum()) == len(places)
    assert np.allclose(np.diff(made.x), size) and np.allclose(np.diff(made.y), size)


def test_an_event_lies_in_the_pixel_that_holds_it(made_events):
    made = xray.image(made_events([0, 1], [(0, 9)], x=[10.2, 14.9], y=[3.4, 7.0]), bin_size=1)
    assert [float(v) for v in made.x[[0, -1]]] == [10, 15]
    assert int(made.counts.sel(x=10, y=3)) == 1 and int(made.counts.sel(x=15, y=7)) == 1


def test_east_is_left_and_north_is_up(m82):
    made = xray.image(m82)
    assert float(made.ra[0, 0]) > float(made.ra[0, -1])
    assert float(made.dec[-1, 0]) > float(made.dec[0, 0])


def test_pixels_are_where_the_wcs_of_astropy_says(m82):
    from astropy.wcs import WCS

    made, attrs = xray.image(m82, bin_size=20), m82["events"].attrs
    wcs = WCS({
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 4096.5, "CRPIX2": 4096.5,
        "CRVAL1": attrs["wcs_crval"][0], "CRVAL2": attrs["wcs_crval"][1],
        "CDELT1": -0.00013666666666667, "CDELT2": 0.00013666666666667,
    })  # fmt: skip
    ra, dec = wcs.all_pix2world(made.x.values[3], made.y.values[7], 1)
    assert float(made.ra[7, 3]) == pytest.approx(float(ra), abs=1e-9)
    assert float(made.dec[7, 3]) == pytest.approx(float(dec), abs=1e-9)


def test_bands_share_the_plane_and_add_up(m82):
    bands = [xray.image(m82, bin_size=8, band=band) for band in ((0, 2), (2, 100), (0, 100))]
    xr.testing.assert_equal(bands[0].counts + bands[1].counts, bands[2].counts)


@pytest.mark.slow
def test_msh_15_52_keeps_its_258419_events():
    tree = xray.fetch("msh1552_acis_events")
    assert int(xray.image(tree).counts.sum()) == 258_419
    assert int(xray.light_curve(tree, 500).counts.sum()) == 258_419
    assert int(xray.event_spectrum(tree).counts.sum()) == 258_419


def test_an_image_too_large_to_hold_is_refused(m82):
    with pytest.raises(BadOption, match="pixels"):
        xray.image(m82, bin_size=0.01)
    with pytest.raises(BadOption, match="positive"):
        xray.image(m82, bin_size=0)


def test_events_without_a_place_or_an_energy_cannot_be_drawn_by_them(made_events):
    tree = made_events([1, 2], [(0, 3)])
    with pytest.raises(UnknownVariable, match="'x'"):
        xray.image(tree)
    with pytest.raises(UnknownVariable, match="'energy'"):
        xray.light_curve(tree, 1, band=(1, 2))
    with pytest.raises(UnknownVariable, match="'pi'"):
        xray.event_spectrum(tree)


@pytest.mark.slow
@settings(max_examples=examples(30))
@given(low=st.floats(0, 10), width=st.floats(0.01, 10))
def test_a_band_is_half_open(made_events, low, width):
    high = low + width
    tree = made_events(
        [0, 1, 2, 3],
        [(0, 4)],
        x=[1, 1, 1, 1],
        y=[1, 1, 1, 1],
        energy=[low, high, np.nextafter(high, 0), high + 1],
    )
    assert int(xray.light_curve(tree, 4, band=(low, high)).counts.sum()) == 2
    assert int(xray.image(tree, band=(low, high)).counts.sum()) == 2


@pytest.mark.slow
@settings(max_examples=examples(30))
@given(
    energies=st.lists(st.floats(0.05, 12), min_size=1, max_size=40),
    factor=st.sampled_from([("keV", 1.0), ("eV", 1e3)]),
)
def test_the_unit_of_energies_does_not_matter(made_events, energies, factor):
    unit, scale = factor
    tree = made_events(np.arange(len(energies)), [(0, 100)], energy=np.array(energies) * scale)
    tree["events"]["energy"].attrs["units"] = unit
    made = xray.event_spectrum(tree, bin_size="100 eV")
    assert int(made.counts.sum()) == len(energies)
    mean = float((made.counts * made.energy).sum() / len(energies))
    assert mean == pytest.approx(np.mean(energies), abs=0.0501)


def test_a_band_without_events_makes_no_image(m82):
    with pytest.raises(OutsideCoverage, match="900-901 keV"):
        xray.image(m82, band=(900, 901))


@pytest.mark.parametrize("band", [(8, 0.5), (1,), "0.5-8", (1, np.inf), (-1, 2), ("1 s", "2 s")])
def test_a_band_that_is_none_is_refused(m82, band):
    with pytest.raises((BadOption, WrongUnits), match="band"):
        xray.light_curve(m82, 100, band=band)


def test_channels_of_a_response_are_filled_from_the_first(made_events, made_response):
    tree = made_events([0, 1, 2], [(0, 50)], pi=[2, 2, 4])
    rmf = made_response(np.eye(5), first=1)
    made = xray.event_spectrum(tree, rmf=rmf)
    assert made.channel.values.tolist() == [1, 2, 3, 4, 5] and made.counts.values.tolist() == [0, 2, 0, 1, 0]
    assert float(made.exposure) == 50
    with pytest.raises(OutsideCoverage, match="channels"):
        xray.event_spectrum(made_events([0], [(0, 1)], pi=[9]), rmf=rmf)
    with pytest.raises(BadOption, match="not both"):
        xray.event_spectrum(tree, rmf=rmf, bin_size=1)


def test_events_without_a_channel_are_left_out_and_counted(made_events, made_response):
    tree = made_events([0, 1, 2], [(0, 50)], pi=[2.0, np.nan, 4.0])
    made = xray.event_spectrum(tree)
    assert made.counts.values.tolist() == [1, 0, 1] and "1 events without channel" in made.attrs["history"]
    nothing = made_events([], [(0, 5)], pi=[])
    with pytest.raises(OutsideCoverage, match="rmf="):
        xray.event_spectrum(nothing)
    assert int(xray.event_spectrum(nothing, rmf=made_response(np.eye(3))).counts.sum()) == 0


def test_a_spectrum_of_events_says_which_exposure_it_took(m82):
    made = xray.event_spectrum(m82)
    assert float(made.exposure) == pytest.approx(945.34 * 0.90694721567205, abs=0.01)  # DTCOR of the header
    assert "945.3 s of good time intervals, times the header's live fraction, 0.906947" in made.attrs["history"]
    assert "the header's exposure is 18279.3 s" in made.attrs["history"]


@pytest.mark.parametrize(
    ("said", "live"),
    [({"deadc": 0.5}, 0.5), ({"livetime": 30.0, "ontime": 40.0}, 0.75), ({"deadc": 0.0}, None), ({}, None)],
)
def test_dead_time_is_taken_off_the_exposure_of_a_spectrum(made_events, said, live):
    made = xray.event_spectrum(made_events([1, 2], [(0, 10)], pi=[5, 6], **said))
    assert float(made.exposure) == 10 * (1.0 if live is None else live)
    assert ("dead time not known" in made.attrs["history"]) is (live is None)


def test_what_is_made_of_events_keeps_the_contract(m82):
    for made in (
        xray.light_curve(m82, 50),
        xray.image(m82, bin_size=16),
        xray.event_spectrum(m82),
        xray.event_spectrum(m82, bin_size=0.1),
    ):
        assert breaches(made) == []
        assert "Chandra" in made.attrs["source"] and made.attrs["history"].startswith("shipped as")


def test_a_bare_number_is_no_radius(m82):
    with pytest.raises(MissingUnits, match="radius"):
        xray.within(m82, "148.96 69.68", 10)


def test_every_number_made_of_events_counts_the_same_events():
    """The RXTE list of M 82 holds 103 events outside its good times."""
    tree = xray.fetch("m82_ulx_rxte_events")
    curve, rate = xray.light_curve(tree, 1), xray.count_rate(tree, exposure="gti")
    assert int(rate.counts) == int(curve.counts.sum()) == 3518 - 103
    assert float(rate.rate) == pytest.approx(float(curve.counts.sum() / curve.exposure.sum()))
    assert "103 events outside the good times left out" in rate.attrs["history"]


def test_events_outside_the_good_times_are_in_no_spectrum_and_no_image(made_events):
    tree = made_events([1, 2, 30], [(0, 10)], x=[1.0, 2.0, 9.0], y=[1.0, 2.0, 9.0], pi=[5, 6, 90], energy=[1, 2, 7.0])
    for made in (xray.event_spectrum(tree), xray.event_spectrum(tree, bin_size=1), xray.image(tree)):
        assert int(made.counts.sum()) == 2
        assert "1 events outside the good times" in made.attrs["history"]
    alone = xray.image(tree["events"])
    assert int(alone.counts.sum()) == 3 and "good times not known" in alone.attrs["history"]


@pytest.mark.slow
@settings(max_examples=examples(30))
@given(energies=st.lists(st.floats(-3, 3), min_size=1, max_size=20))
def test_negative_energies_are_left_out_and_counted(made_events, energies):
    made = xray.event_spectrum(made_events(range(len(energies)), [(0, 99)], energy=energies), bin_size=0.5)
    below = sum(e < 0 for e in energies)
    assert int(made.counts.sum()) == len(energies) - below
    assert int(made.counts[0]) == sum(0 <= e < 0.5 for e in energies)
    assert f"{below} events without an energy ≥ 0" in made.attrs["history"]


def test_a_region_is_said_by_what_was_made_inside_it(m82):
    box = xray.selected(xray.within(m82, "09h55m50s +69d40m47s", "20 arcsec"), x=(0, 5000), band=(0.5, 2))
    made = [xray.light_curve(box, 50), xray.image(box), xray.event_spectrum(box), xray.count_rate(box, exposure="gti")]
    for data in made:
        assert data.attrs["region"].startswith("circle(RA 148.95833") and "x in [0, 5000)" in data.attrs["region"]
        assert data.attrs["region"] in data.attrs["title"]
        assert data.attrs["band"] == "0.5-2 keV"  # and not "all energies"
    assert xray.light_curve(box, 50, band=(1, 8)).attrs["band"] == "1-8 keV of 0.5-2 keV"


def test_an_empty_list_is_said_to_be_empty(m82):
    nothing = xray.selected(m82, band=(900, 901))
    with pytest.raises(OutsideCoverage, match=r"holds no events \(asked for: 900-901 keV\)"):
        xray.image(nothing)
    with pytest.raises(OutsideCoverage, match="holds no events, so none lies in circle"):
        xray.within(nothing, "148.96 69.68", "1 arcmin")


def test_events_without_places_are_told_apart_from_an_empty_list(made_events):
    lost = made_events([1, 2], [(0, 3)], x=[np.nan, np.nan], y=[1.0, 1.0])
    with pytest.raises(OutsideCoverage, match="none of the 2 events has a position"):
        xray.image(lost)


@pytest.mark.parametrize("value", [True, False, np.True_])
def test_true_is_no_number(m82, value):
    for asked in (lambda: xray.light_curve(m82, value), lambda: xray.event_spectrum(m82, bin_size=value)):
        with pytest.raises(BadOption, match="bin_size"):
            asked()


def test_events_of_acis_do_not_fit_the_channels_of_another_camera(m82, ulx):
    pi, energy = m82["events"].pi.values, m82["events"].energy.values
    assert ((energy / 0.0146).astype(int)[pi < 1024] + 1 == pi[pi < 1024]).all()  # CIAO dictionary, PI
    with pytest.raises(WrongData, match=r"14\.6 eV, the response's channels are 5 eV wide; give a response that fits"):
        xray.event_spectrum(m82, rmf=ulx["rmf"])
    with pytest.raises(BadOption, match=r"pi 0 is at -0\.0146 keV"):
        xray.event_spectrum(m82, channel_width="29.2 eV")


def test_events_of_acis_fit_a_response_of_acis(m82, oracle):
    rmf = formats.read(oracle / "xray/3c273/3c273.rmf")
    inside = xray.selected(m82, where={"pi": (1, 1024)})
    assert int(xray.event_spectrum(inside, rmf=rmf).counts.sum()) == inside["events"].sizes["event"]
