"""Places: of events, around targets, on the map of hydrogen; and polarization."""

import astropy.units as u
import numpy as np
import pytest
import xarray as xr
from astropy.coordinates import SkyCoord
from hypothesis import given, settings
from hypothesis import strategies as st
from servers.archive import Archive
from tiers import examples

from analysis import store, xray
from analysis.archives.servers import Server, servers
from analysis.errors import BadOption, MissingUnits, Offline, OutsideCoverage, UnknownVariable, WrongData, WrongUnits
from analysis.model import breaches

CENTRE = "148.9583 69.6797"


def test_the_brightest_place_of_m82_is_where_its_ulx_is(m82):
    made = xray.image(m82, bin_size=4)
    where = made.counts.argmax(...)
    peak = SkyCoord(float(made.ra[where]), float(made.dec[where]), unit="deg")
    assert peak.separation(SkyCoord("09h55m50.2s +69d40m47s")) < 5 * u.arcsec  # M82 X-1, Kaaret et al. 2001


@settings(max_examples=examples(20))
@given(radius=st.floats(2, 300))
def test_a_circle_holds_the_events_that_astropy_finds_in_it(m82, radius):
    place = SkyCoord("09h55m50s +69d40m47s")
    cut = xray.within(m82, place, radius * u.arcsec)
    where = xray.sky_positions(m82)
    away = SkyCoord(where.ra.values, where.dec.values, unit="deg").separation(place).arcsec
    assert cut["events"].sizes["event"] == np.count_nonzero(away <= radius)


def test_a_circle_leaves_the_rest_of_the_tree(m82):
    cut = xray.within(m82, CENTRE, "20 arcsec")
    assert set(cut.children) == set(m82.children)
    xr.testing.assert_identical(cut["gti"].to_dataset(), m82["gti"].to_dataset())
    assert "circle(RA 148.95830, Dec +69.67970 deg" in cut["events"].attrs["region"]
    assert breaches(cut) == [] and "xray.within" in cut["events"].attrs["history"]
    inside = xray.collect("m82_acis_events")
    assert xray.within(inside, CENTRE, "20 arcsec")["m82_acis_events/events"].sizes == cut["events"].sizes


def test_a_place_may_be_written_in_many_ways():
    from analysis.xray.sky import position

    for text in ("148.958333 69.679722", "9:55:50 +69:40:47", "09 55 50 +69 40 47", "09h55m50s, +69d40m47s"):
        assert position(text).separation(SkyCoord("09h55m50s +69d40m47s")) < 0.01 * u.arcsec
    galactic = SkyCoord("09h55m50s +69d40m47s").galactic
    assert position(galactic).ra.deg == pytest.approx(148.958333, abs=1e-6)


@pytest.mark.parametrize("target", ["", 5.0, "400 95", "1 2 3"])
def test_nonsense_is_refused(m82, target):
    with pytest.raises(BadOption, match="target"):
        xray.within(m82, target, "1 arcmin")


@pytest.mark.parametrize("target", ["M82", "NGC 7793", "3C 273", "Sgr A*", "nowhere 5"])
def test_offline_a_name_that_was_never_looked_up_is_told_what_to_write_instead(m82, target):
    with store.offline(), pytest.raises(Offline, match=r"write '148.96 69.68'"):
        xray.fetch("m82_acis_events", target=target, radius="1 arcmin")


@pytest.mark.server
def test_a_name_is_looked_up_once_and_stands_for_its_place(m82, monkeypatch, tmp_path):
    monkeypatch.setenv("SANKO_HOME", str(tmp_path / "store"))
    found = b"<jradeg>148.95833</jradeg><jdedeg>69.67972</jdedeg><oname>M  82</oname>"
    answer = b'<Sesame><Target><Resolver name="S=Simbad">' + found + b"</Resolver></Target></Sesame>"
    with Archive() as archive:
        monkeypatch.setitem(servers(), "sesame", Server(name="sesame", protocol="api", url=archive.url, title="CDS"))
        archive.add("/-ox/SNV?M%2082", answer, type="text/xml")
        by_name = xray.within(m82, "M 82", "10 arcsec")
        xray.within(m82, "M 82", "20 arcsec")
        assert len(archive.asked) == 1
    by_place = xray.within(m82, "148.95833 69.67972", "10 arcsec")
    assert by_name["events"].sizes == by_place["events"].sizes


def test_a_target_outside_the_field_is_told_how_far(m82):
    with pytest.raises(OutsideCoverage, match=r"nearest one is 5\d\.\d+ arcmin away"):
        xray.within(m82, "148.9583 70.6", "1 arcmin")


@pytest.mark.parametrize(
    ("radius", "error"), [(10, MissingUnits), ("1 s", WrongUnits), ("0 deg", BadOption), ("wide", BadOption)]
)
def test_a_radius_needs_its_unit(m82, radius, error):
    with pytest.raises(error, match="radius"):
        xray.within(m82, CENTRE, radius)


def test_events_without_a_sky_have_no_places(m82, made_events):
    with pytest.raises(UnknownVariable, match="'x'"):
        xray.sky_positions(xray.fetch("xte_4u1636_events"))
    with pytest.raises(WrongData, match="wcs_ctype"):
        xray.sky_positions(made_events([1], [(0, 2)], x=[1.0], y=[1.0]))
    with pytest.raises(WrongData, match="GALACTIC"):
        listed = m82["events"].to_dataset().assign_attrs(radecsys="galactic")
        xray.sky_positions(listed)


@settings(max_examples=examples(20))
@given(cut=st.floats(339468998, 339470113))
def test_time_ranges_side_by_side_share_nothing(m82, cut):
    middle = np.datetime64("2008-10-04T00:58:23.247", "ns") + np.timedelta64(int((cut - 339468998) * 1e9) + 10**9, "ns")
    try:
        parts = [xray.selected(m82, time=ends) for ends in ((None, middle), (middle, None))]
    except OutsideCoverage:
        return  # all on one side
    assert sum(p["events"].sizes["event"] for p in parts) == 4612
    good = [float((p["gti"].stop - p["gti"].start).sum()) for p in parts]
    assert sum(good) == pytest.approx(945.34, abs=0.01)
    live = [p["events"].attrs["exposure"] for p in parts]
    assert live == pytest.approx([0.90694721567205 * seconds for seconds in good])  # DTCOR of the header


def test_the_rate_of_a_time_range_is_of_its_own_good_time(m82):
    cut = xray.selected(m82, time=("2008-10-04T01:00", "2008-10-04T01:05"))
    assert float(xray.count_rate(cut, exposure="gti").exposure) == pytest.approx(300)
    assert float(xray.count_rate(cut, exposure="gti").rate) == pytest.approx(4612 / 945.34, rel=0.1)
    assert float(xray.count_rate(cut).exposure) == pytest.approx(300 * 0.90694721567205)  # dead time kept


def test_ranges_of_pixels_and_energy_are_half_open(made_events):
    tree = made_events([0, 1, 2], [(0, 5)], x=[1.0, 2.0, 3.0], y=[5.0, 5.0, 6.0], energy=[1.0, 2.0, 3.0])
    assert xray.selected(tree, x=(1, 3))["events"].x.values.tolist() == [1, 2]
    assert xray.selected(tree, x=(1, 9), y=(5, 6), band=(2, 9))["events"].x.values.tolist() == [2]
    assert xray.selected(tree, band=(8, 9))["events"].sizes["event"] == 0
    assert breaches(xray.selected(tree, x=(1, 3))) == []


def test_ranges_that_cannot_be_used_are_refused(m82):
    with pytest.raises(BadOption, match="x="):
        xray.selected(m82, x=(5, 1))
    with pytest.raises(BadOption, match="pair of sky pixels"):
        xray.selected(m82, y=7)
    with pytest.raises(BadOption, match="time="):
        xray.selected(m82, time="2008-10-04")
    with pytest.raises(OutsideCoverage, match="good time"):
        xray.selected(m82, time=("2010-01-01", None))


def test_there_is_little_hydrogen_towards_3c_273_and_ngc_7793():
    """The values of the LAB survey that papers on the two quote: 1.7e20 and 1.2e20 cm-2."""
    lab = xray.fetch("nh_lab")
    found = [xray.hydrogen_column(lab, place) for place in ("187.2779 2.0524", "359.4575 -32.591")]
    assert [float(nh) for nh in found] == pytest.approx([1.7e20, 1.2e20], rel=0.1)
    assert all(breaches(nh) == [] and nh.attrs["units"] == "cm-2" for nh in found)


def test_the_galactic_plane_holds_a_hundred_times_more():
    lab = xray.fetch("nh_lab")
    plane = xray.hydrogen_column(lab, SkyCoord(30, 0, unit="deg", frame="galactic"))
    pole = xray.hydrogen_column(lab, SkyCoord(0, 89, unit="deg", frame="galactic"))
    assert plane / pole > 100


def test_positions_and_modulation_keep_the_contract(m82):
    ixpe = xray.fetch("ixpe_stokes")
    for made in (xray.sky_positions(m82), xray.modulation_factor(ixpe["mrf"], ixpe["arf"])):
        assert breaches(made) == []


def test_what_is_no_map_holds_no_column(ulx):
    with pytest.raises(WrongData, match="one image"):
        xray.hydrogen_column(ulx["spectrum"], CENTRE)
    lab = xray.fetch("nh_lab")
    with pytest.raises(WrongData, match="wcs"):
        xray.hydrogen_column(lab.drop_attrs(deep=False), CENTRE)
    with pytest.raises(OutsideCoverage, match="holds no value"):
        name = next(iter(lab.data_vars))
        xray.hydrogen_column(lab.assign({name: lab[name] * 0}), CENTRE)


def test_swift_j1727_was_polarized_by_four_percent_north_to_south():
    """Veledina et al. (2023), ApJ 958, L16: 4.1 ± 0.2 % at 2.2 ± 1.3 degrees, three detector units."""
    found = xray.polarization(xray.fetch("ixpe_stokes"), band=(2, 8))
    assert float(found.degree) == pytest.approx(0.041, abs=2 * float(found.degree_error))
    assert float(found.angle) == pytest.approx(2.2, abs=2 * float(found.angle_error))
    assert (round(float(found.degree), 3), round(float(found.angle), 1)) == (0.037, 2.8)
    assert breaches(found) == []


@pytest.mark.slow
def test_two_bands_average_to_the_whole():
    ixpe = xray.fetch("ixpe_stokes")
    low, high, whole = (xray.polarization(ixpe, band=band) for band in ((2.001, 3.999), (4.001, 7.999), (2.001, 7.999)))
    for name in ("q", "u"):
        assert min(low[name], high[name]) <= whole[name] <= max(low[name], high[name])
    assert whole.degree_error < low.degree_error and whole.degree_error < high.degree_error


def test_turning_the_stokes_parameters_by_90_degrees_turns_the_angle():
    ixpe = xray.fetch("ixpe_stokes")
    turned = xr.DataTree.from_dict({path: node.to_dataset() for path, node in ixpe.children.items()})
    for name in ("stokes_q", "stokes_u"):
        turned[name] = xr.DataTree(
            turned[name].to_dataset().assign(rate=-ixpe[name]["rate"].assign_attrs(units="ct s-1"))
        )
    before, after = xray.polarization(ixpe), xray.polarization(turned)
    assert float(after.angle - before.angle) == pytest.approx(90)
    assert float(after.degree) == pytest.approx(float(before.degree))


def test_a_modulation_factor_is_a_fraction_that_rises_with_energy():
    ixpe = xray.fetch("ixpe_stokes")
    factor = xray.modulation_factor(ixpe["mrf"], ixpe["arf"]).sel(energy=slice(2, 7))
    assert (factor > 0).all() and (factor < 1).all() and (np.diff(factor.values) > 0).all()


@pytest.mark.slow
def test_a_band_without_modulation_is_refused():
    ixpe = xray.fetch("ixpe_stokes")
    with pytest.raises(WrongData, match="narrower"):
        xray.polarization(ixpe, band=(0.1, 8))
    with pytest.raises(BadOption, match="no channel"):
        xray.polarization(ixpe, band=(50, 60))
    with pytest.raises(WrongData, match="stokes_i"):
        xray.polarization(xray.fetch("ngc7793_ulx4_pn"))


@pytest.mark.slow
def test_every_place_of_the_sky_has_a_column():
    """Also on the rim of the map: the anticentre's meridian, where it was cut open, and the poles."""
    lab = xray.fetch("nh_lab")
    turn = np.linspace(-90, 90, 25)
    rim = [(180, b) for b in turn] + [(180.001, b) for b in turn] + [(0, 90), (0, -90), (179.9, -80)]
    for place in rim:
        found = xray.hydrogen_column(lab, SkyCoord(*place, unit="deg", frame="galactic"))
        assert 3e19 < float(found) < 3e22 and found.attrs["pixel_distance"] < 1.5


def test_both_sides_of_the_cut_agree_and_poles_are_like_their_surroundings():
    lab = xray.fetch("nh_lab")

    def column(*place):
        return float(xray.hydrogen_column(lab, SkyCoord(*place, unit="deg", frame="galactic")))

    assert column(179.99, 0) == pytest.approx(column(180.01, 0), rel=0.1)
    assert column(0, 90) == pytest.approx(column(0, 89), rel=0.5)


def test_the_corners_outside_the_sky_hold_no_column():
    from analysis.xray.sky import _nearest_value

    values = xray.fetch("nh_lab")["nh"].values
    for x, y in ((0, 0), (479, 239), (20, 20), (np.nan, 5), (-30, 120)):
        with pytest.raises(OutsideCoverage, match="asked"):
            _nearest_value(values, float(x), float(y), "what was asked")


def changed_stokes(**changes):
    """Return the IXPE tree with one variable of some spectra changed at channel 100."""
    ixpe = xray.fetch("ixpe_stokes")
    nodes = {name: node.to_dataset() for name, node in ixpe.children.items()}
    for name, (key, value) in changes.items():
        values = nodes[name][key].values.copy()
        values[100] = value
        nodes[name] = nodes[name].assign({key: nodes[name][key].copy(data=values)})
    return xr.DataTree.from_dict(nodes)


def test_channels_that_quality_excludes_are_in_no_polarization():
    bad = changed_stokes(stokes_q=("quality", 1), stokes_i=("rate", np.nan))
    found = xray.polarization(bad, band=(2, 8))
    assert "1 channels that QUALITY excludes left out" in found.attrs["history"]
    assert float(found.degree) == pytest.approx(0.037, abs=2e-3)


@pytest.mark.parametrize("key", ["rate", "stat_error"])
@pytest.mark.slow
def test_a_missing_rate_is_no_polarization(key):
    channel = int(xray.fetch("ixpe_stokes")["stokes_u"].channel[100])
    with pytest.raises(WrongData, match=rf"stokes_u has no {key} in 1 channels of the band \({channel}\)"):
        xray.polarization(changed_stokes(stokes_u=(key, np.nan)), band=(2, 8))
