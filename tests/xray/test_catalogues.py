"""Sources of catalogues: matched with a list, at a place, their errors; and the hydrogen in front of them."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from servers.dachs import HARD_LIMIT, dachs, observations  # noqa: F401

from analysis import store, xray
from analysis.archives import tap
from analysis.errors import (
    BadOption,
    MissingUnits,
    Offline,
    OutsideCoverage,
    TruncatedAnswer,
    UnknownProduct,
    UnknownVariable,
    WrongData,
    WrongFrame,
    WrongUnits,
)
from analysis.model import breaches, check, provenance_of, stamp
from analysis.xray import source_catalogues

DEG = {"units": "deg", "long_name": "Position"}
ARCSEC = 1 / 3600


def listed(ra, dec, sigma=None, dim="source", **attrs):
    made = xr.Dataset({"ra": (dim, np.asarray(ra, float), DEG), "dec": (dim, np.asarray(dec, float), DEG)}, attrs=attrs)
    if sigma is not None:
        made["position_sigma"] = (dim, np.asarray(sigma, float), {"units": "arcsec", "long_name": "Error"})
    return made


# ------------------------------------------------------------------------------------------------------- matching


def test_the_nearest_within_the_radius_is_the_match_and_the_others_are_counted():
    pairs = check(xray.matched(listed([10, 20, 30], [0, 0, 0]), listed([20.0002, 20.0001, 40], [0, 0, 0]), "2 arcsec"))
    assert (pairs["first"].values, pairs["second"].values) == ([1], [1])
    assert pairs["separation"].item() == pytest.approx(0.36, rel=1e-6)
    assert (pairs.attrs["unmatched_first"], pairs.attrs["unmatched_second"]) == (2, 2)


def test_all_pairs_are_sorted_and_tell_which_are_mutual():
    pairs = xray.matched(listed([20, 20.0003], [0, 0]), listed([20.0002, 20.0001], [0, 0]), "2 arcsec", which="all")
    assert pairs["first"].values.tolist() == [0, 0, 1, 1]
    assert pairs["second"].values.tolist() == [1, 0, 0, 1]
    assert pairs["mutual"].values.tolist() == [True, False, True, False]


def test_one_source_may_be_the_nearest_of_two_but_mutual_of_one():
    pairs = xray.matched(listed([20, 20.0003], [0, 0]), listed([20.0001], [0]), "2 arcsec")
    assert pairs["second"].values.tolist() == [0, 0] and pairs["mutual"].values.tolist() == [True, False]


@pytest.mark.slow
@given(
    ra=st.floats(0, 360, exclude_max=True), dec=st.floats(-89.5, 89.5), east=st.floats(-3, 3), north=st.floats(-3, 3)
)
def test_a_separation_is_that_of_the_sphere_at_the_poles_and_over_the_first_meridian(ra, dec, east, north):
    other = (ra + east * ARCSEC / np.cos(np.radians(dec))) % 360, dec + north * ARCSEC
    pairs = xray.matched(listed([ra], [dec]), listed([other[0]], [other[1]]), "5 arcsec")
    assert pairs["separation"].item() == pytest.approx(np.hypot(east, north), abs=5e-3)


def test_matching_is_symmetric_and_finds_what_a_loop_finds():
    random = np.random.default_rng(4)
    here, there = (random.uniform(-0.02, 0.02, (2, n)) for n in (60, 80))
    one, other = listed(here[0] % 360, here[1]), listed(there[0] % 360, there[1])
    pairs = xray.matched(one, other, "20 arcsec", which="all")
    found = set(zip(pairs["first"].values.tolist(), pairs["second"].values.tolist(), strict=True))
    away = np.hypot(*(here[:, :, None] - there[:, None, :])) / ARCSEC
    assert found == set(zip(*np.nonzero(away <= 20), strict=True)) and len(found) > 10
    back = xray.matched(other, one, "20 arcsec", which="all")
    assert found == set(zip(back["second"].values.tolist(), back["first"].values.tolist(), strict=True))


def test_separations_of_true_pairs_over_their_errors_are_rayleigh_distributed():
    random = np.random.default_rng(1)
    n, sigma = 4000, np.array([0.6, 0.8])
    ra, dec = random.uniform(0, 300, n), random.uniform(-60, 60, n)
    lists = [
        listed(
            ra + s * ARCSEC * random.normal(size=n) / np.cos(np.radians(dec)),
            dec + s * ARCSEC * random.normal(size=n),
            np.full(n, s),
        )
        for s in sigma
    ]
    x = xray.matched(*lists, "10 arcsec")["separation_sigma"].values
    assert x.size == n
    assert np.median(x) == pytest.approx(np.sqrt(2 * np.log(2)), abs=0.03)
    assert np.mean(x < 3.41) == pytest.approx(0.997, abs=0.003)


def test_one_error_for_a_whole_list_will_do():
    one = listed([1, 2], [0, 0]).assign(position_sigma=((), 3.0, {"units": "arcsec"}))
    pairs = xray.matched(one, listed([1.0001, 2], [0, 0], [4, 4]), "1 arcsec")
    assert pairs["separation_sigma"].values == pytest.approx([0.36 / 5, 0])


def test_an_error_that_is_not_known_makes_no_sigma():
    pairs = xray.matched(listed([1, 2], [0, 0], [1, np.nan]), listed([1.0001, 2.0001], [0, 0], [0, 1]), "1 arcsec")
    assert pairs["separation_sigma"].values[0] == pytest.approx(0.36, rel=1e-6)
    assert np.isnan(pairs["separation_sigma"].values[1])
    assert "separation_sigma" not in xray.matched(listed([1], [0], [1]), listed([1], [0]), "1 arcsec")


@pytest.mark.slow
def test_chance_pairs_are_as_many_as_their_probability_says():
    random = np.random.default_rng(2)
    n, side = 3000, 1.0
    stars = listed(random.uniform(0, side, n), np.degrees(np.arcsin(random.uniform(0, np.sin(np.radians(side)), n))))
    places = listed(random.uniform(0.1, 0.9, n), random.uniform(0.1, 0.9, n))
    radius, area = 20, f"{side * np.degrees(np.sin(np.radians(side)))} deg2"
    pairs = xray.matched(places, stars, f"{radius} arcsec", area=area)
    expected = n * float(xray.chance_probability(f"{radius} arcsec", f"{n / side**2} deg-2"))
    assert pairs.sizes["pair"] == pytest.approx(expected, abs=5 * np.sqrt(expected))
    # of places that hold nothing of their own, the probabilities of chance at the nearest star are uniform
    p = xray.matched(places, stars, "200 arcsec", area=area)["chance_probability"].values
    assert np.mean(p) == pytest.approx(0.5, abs=0.03)


def test_the_probability_of_chance_is_small_and_exact_for_small_separations():
    p = xray.chance_probability(xr.DataArray([0.0, 1e-6, 1e9], attrs={"units": "arcsec"}), "1 arcsec-2")
    assert p.values == pytest.approx([0, np.pi * 1e-12, 1], rel=1e-9) and p.attrs["units"] == "1"


def test_rows_without_a_position_match_nothing_and_empty_lists_have_no_pairs():
    one, other = listed([np.nan, 10], [0, 0]), listed([10, 10], [0, np.nan])
    pairs = xray.matched(one, other, "1 arcsec", which="all")
    assert (pairs["first"].values.tolist(), pairs["second"].values.tolist()) == ([1], [0])
    assert xray.matched(one, listed([], []), "1 arcsec").sizes["pair"] == 0
    assert xray.matched(listed([], []), other, "1 arcsec").sizes["pair"] == 0
    assert breaches(xray.matched(listed([], [], []), listed([1], [1], [1]), "1 arcsec", area="1 deg2")) == []


def test_frames_units_and_kinds_of_lists_may_differ():
    fk4 = listed([0.0], [0.0])
    for name in ("ra", "dec"):
        fk4[name].attrs["frame"] = "FK4"
    # the origin of B1950 is at 00h02m33.77s +00d16m42.1s of J2000 (Astronomical Almanac, formulae for reduction)
    assert xray.matched(fk4, listed([0.640691], [0.278349]), "1 arcsec").sizes["pair"] == 1
    hours = listed([1.0], [0.0])
    hours["ra"].attrs["units"] = "hourangle"
    frame = pd.DataFrame({"ra": [15.0], "dec": [0.0]})
    assert xray.matched(hours, frame, "1 arcsec").sizes["pair"] == 1
    integers = xr.Dataset({n: ("x", np.array([v], ">i4"), DEG) for n, v in (("ra", 15), ("dec", 0))})
    assert xray.matched(integers.chunk(), frame, "1 arcsec").sizes["pair"] == 1


def test_pairs_of_a_simulated_list_say_that_they_are_simulated():
    assert xray.matched(listed([1], [1], synthetic="true"), listed([1], [1]), "1 arcsec").attrs["synthetic"] == "true"


@pytest.mark.parametrize(
    ("asked", "error", "told"),
    [
        ({"radius": 5}, MissingUnits, "radius=5"),
        ({"radius": "0 arcsec"}, BadOption, "more than 0"),
        ({"radius": "11 deg"}, BadOption, "at most 10 deg"),
        ({"radius": "3 keV"}, WrongUnits, "radius"),
        ({"which": "best"}, BadOption, "nearest, all"),
        ({"area": "0 deg2"}, BadOption, "no part of the sky"),
        ({"area": "5 deg"}, WrongUnits, "area"),
        ({"second": xr.Dataset({"ra": ("x", [1.0], DEG)})}, UnknownVariable, "needs 'dec'"),
        ({"second": listed([1.0], [95.0])}, WrongData, "beyond the poles"),
        ({"second": [1, 2]}, WrongData, "a Dataset or a DataFrame"),
        ({"second": xr.Dataset({"ra": ("x", [1.0], DEG), "dec": ("y", [1.0], DEG)})}, WrongData, "share one dim"),
        ({"second": listed([1.0], [1.0], frame="GALACTIC")}, WrongFrame, "GALACTIC"),
        ({"second": listed([1.0], [1.0], [-1.0])}, WrongData, "position_sigma has negative values"),
        (
            {"second": listed([1.0], [1.0]).assign(position_sigma=("k", [1.0], DEG))},
            WrongData,
            "position_sigma lies on",
        ),
        ({"second": pd.DataFrame({"RA": [1.0]})}, UnknownVariable, "needs ra and dec; it has RA"),
        ({"second": pd.DataFrame({"ra": ["x"], "dec": ["y"]})}, WrongData, "not all numbers"),
        ({"second": xr.Dataset({n: ("x", [1.0], {"long_name": n}) for n in ("ra", "dec")})}, MissingUnits, "units"),
    ],
)
def test_what_cannot_be_matched_is_refused(asked, error, told):
    with pytest.raises(error, match=told):
        xray.matched(**{"first": listed([1.0], [1.0]), "second": listed([1.0], [1.0]), "radius": "1 arcsec"} | asked)


def test_a_probability_of_chance_needs_a_separation_and_a_density():
    with pytest.raises(BadOption, match="separation has negative values"):
        xray.chance_probability(xr.DataArray([-1.0], attrs={"units": "arcsec"}), "1 deg-2")
    with pytest.raises(BadOption, match="density='-1 deg-2' is negative"):
        xray.chance_probability("1 arcsec", "-1 deg-2")
    with pytest.raises(MissingUnits, match="density=3"):
        xray.chance_probability("1 arcsec", 3)


# ----------------------------------------------------------------------------------------------------- catalogues


@pytest.fixture
def answered(monkeypatch):
    """Answer as a TAP server would with rows of every column that is asked for; keep the queries."""
    asked = []
    units = {"ra": "deg", "dec": "deg", "position_error": "arcsec", "position_error_minor": "arcsec", "flux": "mW m-2"}

    def query(server, adql, uploads=None):
        asked.append((server, adql, uploads))
        aliases = [part.split(" AS s_")[1] for part in adql.split(" FROM ")[0].removeprefix("SELECT ").split(", ")]
        values = {"ra": [10.001, 10.0], "dec": [20.0, 20.0], "name": ["far", "near"]}
        values |= {"position_error": [2.0, 0.0], "position_error_minor": [1.0, 0.0]}
        made = {
            f"s_{name}": ("row", np.array(values.get(name, [1.5, 2.5]), object if name == "name" else float))
            for name in aliases
        }
        data = xr.Dataset(made)
        for name in data:
            data[name].attrs = {"long_name": str(name)} | (
                {} if name == "s_name" else {"units": units.get(name[2:], "1")}
            )
        whose = {
            "title": "t",
            "institution": "i",
            "source": "s",
            "license": "l",
            "references": ["r"],
            "history": ["asked"],
        }
        return stamp(data, **whose, provenance={"urls": ["http://127.0.0.1/tap"]})

    monkeypatch.setattr(tap, "query", query)
    return asked


@pytest.mark.parametrize("catalogue", source_catalogues.catalogues())
def test_each_catalogue_has_name_place_and_what_it_is_of(answered, catalogue):
    found = check(xray.sources_near("10.0 20.0", "1 arcmin", catalogue=catalogue))
    assert found["name"].values.tolist() == ["near", "far"] and found["separation"].values[0] == 0
    assert found["separation"].values[1] == pytest.approx(0.06 * np.cos(np.radians(20)), rel=1e-6)
    assert (found["ra"].units, found["ra"].frame, found.attrs["catalogue"]) == ("deg", "ICRS", catalogue)
    assert "not checked against the server" in found.attrs["caveats"]
    assert found.attrs["flux_band"] and provenance_of(found)["archive"] in ("vizier", "heasarc")
    measured = [name for name in ("flux", "photon_flux", "count_rate") if name in found]
    assert measured and found[measured[0]].attrs["band"] == found.attrs["flux_band"]
    server, adql, _ = answered[0]
    assert "CIRCLE('ICRS', 10.000000000, 20.000000000, 0.0166666667)" in adql and server in ("vizier", "heasarc")


@pytest.mark.parametrize(
    ("catalogue", "sigma"),
    [
        ("4xmm", 2 / np.sqrt(2)),  # radial: the two axes in quadrature
        ("erass1", 2.0),
        ("2sxps", 2 / 2.145966),  # 90 % of a Rayleigh distribution lie within 2.1460 sigma
        ("csc2", np.sqrt((2**2 + 1**2) / 2) / 1.959964),  # 95 % along each axis
    ],
)
def test_position_errors_become_those_of_one_axis(answered, catalogue, sigma):
    found = xray.sources_near("10.0 20.0", "1 arcmin", catalogue=catalogue)
    assert found["position_sigma"].values[1] == pytest.approx(sigma, rel=1e-6)
    assert np.isnan(found["position_sigma"].values[0])  # an error of zero is none
    assert found["position_error"].values[1] == 2.0 and found["position_sigma"].units == "arcsec"


def test_the_area_of_a_search_gives_probabilities_of_chance(answered):
    found = xray.sources_near("10.0 20.0", "6 arcmin")
    area, unit = found.attrs["search_area"].split()
    assert float(area) == pytest.approx(np.pi * 0.01, rel=1e-6) and unit == "deg2"
    pairs = xray.matched(listed([10.0], [20.0005], [0.5]), found, "3 arcsec")
    expected = -np.expm1(-np.pi * 1.8**2 * 2 / (np.pi * 360**2))
    assert pairs["chance_probability"].item() == pytest.approx(expected, rel=1e-4)
    assert np.isnan(pairs["separation_sigma"].item())


def test_only_positions_are_uploaded_and_each_source_comes_once(answered):
    mine = listed([10.0, 10.0, np.nan], [20.0001, 20.0, 0.0], dim="star").assign(secret=("star", [1, 2, 3]))
    pairs, found = xray.cross_matched(mine, "2 arcsec", catalogue="erass1")
    _, adql, uploads = answered[0]
    assert list(uploads["mine"].data_vars) == ["m_ra", "m_dec"] and uploads["mine"].sizes == {"row": 2}
    assert 'FROM "J/A+A/682/A34/erass1-m" AS c, TAP_UPLOAD.mine AS m WHERE' in adql and "c.MLFlux1 AS s_flux" in adql
    assert found["name"].values.tolist() == ["far", "near"] and breaches(found) == []
    assert found["name"].values[pairs["second"].values].tolist() == ["near", "near"]
    assert pairs["first"].values.tolist() == [0, 1]


def test_an_answer_outside_the_circle_or_without_a_column_is_not_believed(answered, monkeypatch):
    with pytest.raises(WrongData, match="of which only 0 lie in the circle"):
        xray.sources_near("30.0 20.0", "1 arcmin")
    good = tap.query
    monkeypatch.setattr(tap, "query", lambda *a, **k: good(*a, **k).drop_vars("s_flux"))
    with pytest.raises(WrongData, match="answered without flux"):
        xray.sources_near("10.0 20.0", "1 arcmin")

    def bare(*asked, **more):
        answer = good(*asked, **more)
        answer["s_position_error"].attrs["units"] = "1"
        return answer

    monkeypatch.setattr(tap, "query", bare)
    with pytest.raises(MissingUnits, match="states no unit of ePos"):
        xray.sources_near("10.0 20.0", "1 arcmin")


def test_nothing_there_is_an_answer(answered, monkeypatch):
    good = tap.query
    monkeypatch.setattr(tap, "query", lambda *a, **k: good(*a, **k).isel(row=slice(0)))
    assert check(xray.sources_near("10.0 20.0", "1 arcmin", catalogue="csc2")).sizes["source"] == 0
    pairs, found = xray.cross_matched(listed([10.0], [20.0]), "2 arcsec")
    assert (pairs.sizes["pair"], found.sizes["source"]) == (0, 0)


@pytest.mark.parametrize(
    ("ask", "error", "told"),
    [
        (lambda: xray.sources_near("10 20", "1 arcmin", catalogue="erass"), UnknownProduct, "did you mean 'erass1'"),
        (lambda: xray.sources_near("10 20", "0 arcmin"), BadOption, "more than 0"),
        (lambda: xray.sources_near("10 20", "6 deg"), BadOption, "at most 5 deg"),
        (lambda: xray.sources_near("10 20", 1.0), MissingUnits, "radius"),
        (lambda: xray.cross_matched(listed([1.0], [1.0]), "2 deg"), BadOption, "at most 1 deg"),
        (lambda: xray.cross_matched(listed([np.nan], [1.0]), "2 arcsec"), WrongData, "none of the 1 sources has a pos"),
        (lambda: xray.cross_matched(listed(np.ones(50_001), np.ones(50_001)), "1 arcsec"), BadOption, "at most 50000"),
    ],
)
def test_a_wrong_question_to_a_catalogue_is_refused_before_it_is_asked(answered, ask, error, told):
    with pytest.raises(error, match=told):
        ask()
    assert answered == []


def test_offline_a_catalogue_says_that_it_needs_the_network():
    with store.offline(), pytest.raises(Offline):
        xray.sources_near("10 20", "1 arcmin")


# ------------------------------------------------------------------------------------------- at a real TAP server


@pytest.fixture
def real(dachs, monkeypatch):  # noqa: F811
    """Let each catalogue be a table of a real TAP server."""
    columns = {"name": "obs_id", "ra": "ra", "dec": "dec", "exposure": "exposure"}
    made = source_catalogues.Catalogue(
        name="4xmm",
        title="Made-up sources",
        mission="None",
        server=f"{dachs}/tap",
        table="sanko_xobs.xobs",
        columns=columns,
        institution="Nobody",
        references=["none"],
        caveats=["made up"],
        flux_band="none",
    )
    monkeypatch.setattr(source_catalogues, "catalogues", lambda: {"4xmm": made})
    return pd.DataFrame(observations())


@pytest.mark.server
@pytest.mark.slow
def test_a_real_server_gives_the_sources_in_a_circle_and_no_others(real):
    found = check(xray.sources_near("10.305 20.105", "2.5 arcmin"))
    pairs = xray.matched(real, listed([10.305], [20.105]), "2.5 arcmin", which="all")
    assert sorted(found["name"].values) == sorted(real["obs_id"][pairs["first"].values]) and found.sizes["source"] > 10
    assert (found["exposure"].units, found["exposure"].long_name) == ("s", "Exposure")
    assert "CONTAINS" in provenance_of(found)["query"]["adql"]


@pytest.mark.server
@pytest.mark.slow
def test_a_list_is_uploaded_and_joined_at_a_real_server(real):
    mine = listed([10.0, 10.5, 200.0, 10.99], [20.0, 20.25 + 1e-4, 0.0, 20.49], dim="star")
    pairs, found = xray.cross_matched(mine, "5 arcsec")
    assert pairs["first"].values.tolist() == [0, 1, 3]
    assert found["name"].values[pairs["second"].values].tolist() == ["o00000", "o02550", "o04999"]
    assert pairs["separation"].values == pytest.approx([0, 0.36, 0], abs=1e-6)
    assert "TAP_UPLOAD" in provenance_of(found)["query"]["adql"]
    locally = xray.matched(mine, real, "5 arcsec")
    np.testing.assert_allclose(pairs["separation"], locally["separation"], atol=1e-7)


@pytest.mark.server
@pytest.mark.slow
def test_an_answer_that_a_real_server_cuts_is_an_error(real):
    with pytest.raises(TruncatedAnswer, match=f"{HARD_LIMIT} of all rows"):
        xray.sources_near("10.5 20.25", "2 deg")


# ------------------------------------------------------------------------------------------------- hydrogen and dust

NGC_7793 = "359.4625 -32.6239"


def test_relations_are_the_published_ones():
    one = xr.DataArray([1.0], attrs={"units": "1e21 cm-2"})
    assert float(xray.extinction(one)[0]) == pytest.approx(1 / 2.21)
    assert float(xray.extinction(one, "predehl_schmitt_1995")[0]) == pytest.approx(1 / 1.79)
    assert float(xray.reddening(one, "bohlin_1978")[0]) == pytest.approx(1 / 5.8)
    # N_H / A_V of 1978 at R_V 3.1, as it is quoted beside the others: 1.87e21
    assert float(xray.column_of_extinction("1 mag", "bohlin_1978")) == pytest.approx(1.87e21, rel=1e-3)
    assert xray.extinction(one).attrs["reference"].startswith("Güver & Özel (2009)")


@pytest.mark.parametrize("relation", ["guver_ozel_2009", "predehl_schmitt_1995", "bohlin_1978"])
@pytest.mark.parametrize("rv", [2.5, 3.1, 5.0])
def test_column_and_extinction_are_there_and_back(relation, rv):
    nh = xr.DataArray([0.0, 3e20, 4e22, np.nan], dims="source", attrs={"units": "cm-2"})
    a_v, e_bv = xray.extinction(nh, relation, rv=rv), xray.reddening(nh, relation, rv=rv)
    np.testing.assert_allclose(a_v, rv * e_bv, rtol=1e-13)
    np.testing.assert_allclose(xray.column_of_extinction(a_v, relation, rv=rv), nh, rtol=1e-13)
    np.testing.assert_allclose(xray.column_of_extinction(e_bv=e_bv, relation=relation, rv=rv), nh, rtol=1e-13)
    assert (a_v.attrs["units"], a_v.dims) == ("mag", ("source",))


def test_xspecs_columns_are_read_with_their_unit_and_bare_numbers_are_not():
    assert float(xray.extinction("0.221 1e22 cm-2")) == pytest.approx(1.0)
    with pytest.raises(MissingUnits, match=r"nh=0\.2"):
        xray.extinction(0.2)


@pytest.mark.parametrize(
    ("ask", "error", "told"),
    [
        (lambda: xray.extinction("1e21 cm-2", "guver_ozel"), BadOption, "did you mean 'guver_ozel_2009'"),
        (lambda: xray.extinction("-1e21 cm-2"), BadOption, "negative"),
        (lambda: xray.extinction("1e21 cm-3"), WrongUnits, "cm-3"),
        (lambda: xray.extinction("1e21 cm-2", rv=0), BadOption, "rv=0"),
        (lambda: xray.column_of_extinction(), BadOption, "one of a_v= and e_bv="),
        (lambda: xray.column_of_extinction("1 mag", e_bv="1 mag"), BadOption, "one of"),
        (lambda: xray.column_of_extinction("1 keV"), WrongUnits, "keV"),
    ],
)
def test_what_is_no_column_or_extinction_is_refused(ask, error, told):
    with pytest.raises(error, match=told):
        ask()


@pytest.fixture(scope="module")
def nh_map():
    return xray.fetch("nh_lab")


def test_all_weightings_agree_where_the_gas_is_smooth(nh_map):
    found = {
        way: float(xray.hydrogen_column(nh_map, NGC_7793, weighting=way))
        for way in ("pixel", "bilinear", "inverse_distance")
    }
    assert max(found.values()) / min(found.values()) < 1.15
    assert all(1.0e20 < value < 1.3e20 for value in found.values())


def test_interpolation_goes_through_the_pixels_and_lies_between_them(nh_map):
    from analysis.xray.sky import wcs_of

    attrs = {**nh_map.attrs, **nh_map["nh"].attrs}
    wcs, values = wcs_of(attrs, "test"), nh_map["nh"].values
    l, b = wcs.all_pix2world([300, 300.5], [90, 90], 0)
    from astropy.coordinates import SkyCoord

    for way in ("pixel", "bilinear", "inverse_distance"):
        place = SkyCoord(l[0], b[0], unit="deg", frame="galactic")
        assert float(xray.hydrogen_column(nh_map, place, weighting=way)) == pytest.approx(values[90, 300], rel=1e-4)
    between = float(
        xray.hydrogen_column(nh_map, SkyCoord(l[1], b[1], unit="deg", frame="galactic"), weighting="bilinear")
    )
    assert between == pytest.approx((values[90, 300] + values[90, 301]) / 2, rel=1e-5)


def test_the_mean_of_many_pixels_says_how_many(nh_map):
    wide = xray.hydrogen_column(nh_map, NGC_7793, weighting="inverse_distance", radius="3 deg")
    assert 40 < wide.attrs["pixels"] < 90 and wide.attrs["radius"] == 3  # 28 square degrees in pixels of 0.675 deg
    constant = nh_map.assign(nh=nh_map["nh"].where(nh_map["nh"] == 0, 2e20).assign_attrs(nh_map["nh"].attrs))
    for way in ("bilinear", "inverse_distance"):
        assert float(xray.hydrogen_column(constant, NGC_7793, weighting=way)) == pytest.approx(2e20)


@pytest.mark.parametrize(
    ("asked", "error", "told"),
    [
        ({"weighting": "mean"}, BadOption, "pixel, bilinear, inverse_distance"),
        ({"weighting": "inverse_distance", "radius": "0 deg"}, BadOption, "more than 0"),
        ({"weighting": "inverse_distance", "radius": 1}, MissingUnits, "radius"),
        ({"weighting": "inverse_distance", "radius": "0.01 deg"}, OutsideCoverage, "no pixel's middle"),
    ],
)
def test_a_weighting_that_cannot_be_done_is_refused(nh_map, asked, error, told):
    with pytest.raises(error, match=told):
        xray.hydrogen_column(nh_map, NGC_7793, **asked)


def test_interpolation_next_to_the_rim_of_the_sky_is_refused(nh_map):
    from astropy.coordinates import SkyCoord

    rim = SkyCoord(180.05, 0.0, unit="deg", frame="galactic")
    assert float(xray.hydrogen_column(nh_map, rim)) > 0
    with pytest.raises(OutsideCoverage, match="take weighting='pixel'"):
        xray.hydrogen_column(nh_map, rim, weighting="bilinear")
