"""Polarization from single events: signs, errors, sums, and what ixpeobssim makes of the same events."""

from functools import cache

import astropy.units as u
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import xray
from analysis.errors import AnalysisWarning, BadOption, OutsideCoverage, UnknownVariable, WrongData
from analysis.model import check

PLAIN = {"units": "1", "long_name": "Number"}

# ixpeobssim 33.2.1 beside us: xStokesAnalysis(q, u, energy, mu, aeff, 1., weights, acceptcorr=True)
# .polarization_table([2, 4, 8]) of the events of golden_events(), mu = 0.1 + 0.06 E, aeff = 10 - E.
PCUBE = {
    None: {
        "counts": [1334.0, 2666.0],
        "stokes_i": [191.90175202558297, 732.2584797890202],
        "stokes_q": [102.34056603562493, 114.76912950131945],
        "stokes_u": [166.79476960444197, 197.52114518590759],
        "modulation_factor": [0.2829115724314511, 0.48155254679182685],
        "energy": [3.0485262071908505, 6.359209113197115],
        "effective_counts": [1324.8398393525854, 2413.4198800231356],
        "q_error": [0.1365516356201118, 0.05969466204963041],
        "u_error": [0.13524348106022072, 0.059527160210375865],
        "qu_covariance": [-0.0003498718356375904, -1.75176956774264e-05],
        "degree": [1.0197340424923103, 0.31197149085148257],
        "angle": [29.233947866558754, 29.920692912412537],
    },
    "w_mom": {
        "counts": [1334.0, 2666.0],
        "stokes_i": [96.19782905335867, 365.6778581061523],
        "stokes_q": [58.38765455963263, 50.42333539422076],
        "stokes_u": [91.71556334900816, 95.88915564286732],
        "modulation_factor": [0.2830066240573506, 0.4814842252136552],
        "energy": [3.0501104009558437, 6.358070420227587],
        "effective_counts": [1183.6072916790297, 2154.5903190858176],
        "q_error": [0.14417407832347623, 0.06320791648055261],
        "u_error": [0.14258132587632977, 0.0630250088789241],
        "qu_covariance": [-0.0004889065926482946, -1.6781818943328733e-05],
        "degree": [1.1302104448240835, 0.2962677519275531],
        "angle": [28.759245386312426, 31.13117567926197],
    },
}
# the same call: it multiplies these with sqrt(I / (I - 1)), whatever units I has, and with 4.29 for 4.2919
PCUBE_NEARLY = {
    None: {
        "degree_error": [0.13479916838646458, 0.05948223268979296],
        "mdp99": [0.4166053952511435, 0.18134148390711652],
    },
    "w_mom": {
        "degree_error": [0.1422268198891556, 0.06304121701544003],
        "mdp99": [0.44061256258966347, 0.19195210414005986],
    },
}


def golden_events(n=4000):
    """Events without random numbers, about 20 % modulated at 30 degrees."""
    k = np.arange(1, n + 1)
    energy = 2 + 6 * (k * 0.6180339887498949 % 1)
    turn = np.pi * (k * 0.41421356237309515 % 1)
    along = (k * 0.2360679774997898 % 1) < (1 + 0.2 * np.cos(2 * (turn - np.pi / 6))) / 2
    return energy, np.where(along, turn, turn + np.pi / 2), 0.2 + 0.6 * (k * 0.7320508075688772 % 1)


@pytest.fixture(scope="module")
def tree_of(made_events):
    """Return a function that makes an event tree from energies and photoelectron angles in radians."""

    def make(energy, phi, *, time=None, gti=((0, 1e4),), attrs=None, **columns):
        energy, phi = np.broadcast_arrays(np.asarray(energy, float), np.asarray(phi, float))
        time = np.linspace(0, 1e4, energy.size) if time is None else time
        tree = made_events(time, gti, energy=energy, **(attrs or {}))
        extra = {"q": 2 * np.cos(2 * phi), "u": 2 * np.sin(2 * phi), **columns}
        made = tree["events"].to_dataset().assign({n: ("event", np.asarray(v), PLAIN) for n, v in extra.items()})
        return xr.DataTree.from_dict({"events": made, "gti": tree["gti"].to_dataset()})

    return make


@pytest.fixture(scope="module")
def responses(made_response):
    """Return a function that makes arf and mrf of a modulation factor and an area, functions of energy."""

    def make(mu=lambda e: 0.1 + 0.06 * e, area=lambda e: 10 - e, step=0.01):
        edges = np.arange(1, 9.5 + step / 2, step)
        middle = (edges[1:] + edges[:-1]) / 2
        kev = {"units": "keV", "long_name": "Energy"}
        found = {}
        for name, curve in (("arf", area(middle)), ("mrf", area(middle) * mu(middle))):
            data = made_response(np.ones((1, 1)))[[]].drop_vars("channel", errors="ignore")
            found[name] = data.assign(
                energy_low=("energy", edges[:-1], kev),
                energy_high=("energy", edges[1:], kev),
                effective_area=("energy", curve * np.ones_like(middle), {"units": "cm2", "long_name": "Area"}),
            )
        return found

    return make


@pytest.fixture(scope="module")
def ixpe():
    return xray.fetch("ixpe_stokes")


@pytest.fixture(scope="module")
def irf(ixpe):
    return {name: ixpe[name].to_dataset() for name in ("arf", "mrf")}


@pytest.fixture(scope="module")
def flux(ixpe):
    return xray.power_law(ixpe["arf"].energy_low, ixpe["arf"].energy_high, photon_index=2, norm=1)


# --------------------------------------------------------------------------------------------- signs


@pytest.mark.parametrize(("position_angle", "q", "u"), [(0, 1, 0), (45, 0, 1), (90, -1, 0), (135, 0, -1)])
def test_q_is_north_south_and_u_north_east_to_south_west(tree_of, responses, position_angle, q, u):
    """HEASARC, ixpedet2j2000: +Q along declination, +U along position angle +45 degrees; IAU 1973."""
    events = tree_of(np.full(100, 4.0), np.radians(position_angle))
    cube = check(xray.polarization_cube(events, **responses(mu=lambda e: 0 * e + 1), acceptance=False))
    assert float(cube.q[0]) == pytest.approx(2 * q, abs=1e-12)
    assert float(cube.u[0]) == pytest.approx(2 * u, abs=1e-12)
    assert abs((float(cube.angle[0]) - position_angle + 90) % 180 - 90) < 1e-9


@pytest.mark.slow
def test_an_angle_turns_towards_smaller_x_on_the_sky(m82):
    """East is left: x of sky pixels runs to the West, so an angle of 45 degrees leads up and left."""
    events = m82["events"].to_dataset()
    sky = xray.sky_positions(m82)
    east = np.argmax(sky["ra"].values)
    assert events["x"].values[east] < np.median(events["x"].values)
    contours = xray.polarization_contours(measured(q=0.0, u=0.1))
    assert float(contours.angle) == pytest.approx(45)
    drawn = next(p for p in xray.view(contours) if type(p).__name__ == "Points")
    east_of_middle, north = float(drawn.dimension_values("east")[0]), float(drawn.dimension_values("north")[0])
    assert east_of_middle == pytest.approx(-north) and north == pytest.approx(10 / np.sqrt(2))


def measured(q, u, q_error=0.01, u_error=0.01, **more):
    given = {"q": q, "u": u, "q_error": q_error, "u_error": u_error, **more}
    return xr.Dataset({name: ((), float(value), PLAIN) for name, value in given.items()})


# --------------------------------------------------------------------------------------------- numbers of others


@pytest.mark.parametrize("weights", [None, "w_mom"])
def test_polarization_cubes_are_those_of_ixpeobssim(tree_of, responses, weights):
    energy, phi, w = golden_events()
    cube = xray.polarization_cube(
        tree_of(energy, phi, w_mom=w), (2, 4, 8), **responses(), weights=weights, errors="pcube"
    )
    for name, values in PCUBE[weights].items():
        np.testing.assert_allclose(cube[name].values, values, rtol=1e-6, err_msg=name)
    for name, values in PCUBE_NEARLY[weights].items():
        np.testing.assert_allclose(cube[name].values, values, rtol=6e-3, err_msg=name)


# --------------------------------------------------------------------------------------------- simulated events


def many(tree, trials, seed=0):
    """Return a list of events in as many trials as bins of phase."""
    events = tree["events"].to_dataset()
    rng = np.random.default_rng(seed)
    phased = events.assign(phase=("event", rng.random(events.sizes["event"]), PLAIN))
    return xr.DataTree.from_dict({"events": phased, "gti": tree["gti"].to_dataset()})


@pytest.mark.slow
@pytest.mark.parametrize("acceptance", [True, False])
def test_q_and_u_are_unbiased_and_scatter_as_their_errors_say(irf, flux, acceptance):
    made = xray.polarized_events(flux, "900 ks", **irf, degree=0.2, angle="30 deg", seed=2)
    cube = xray.polarization_cube(many(made, 600), (2, 8), **irf, acceptance=acceptance, phases=600)
    for name, truth in (("q", 0.1), ("u", 0.2 * np.sqrt(0.75))):
        error = float(cube[f"{name}_error"].mean())
        assert abs(float(cube[name].mean()) - truth) < 4 * error / np.sqrt(600)
        assert float(cube[name].std()) == pytest.approx(error, rel=0.12)  # 4 / sqrt(2 * 600)
    low = xray.polarization_cube(made, (2, 8), **irf, acceptance=acceptance, errors="pcube")
    assert float(low.q_error[0]) < float(xray.polarization_cube(made, (2, 8), **irf, acceptance=acceptance).q_error[0])


@pytest.mark.slow
def test_contours_of_68_95_and_99_percent_hold_the_truth_so_often(irf, flux):
    trials = 2000
    made = xray.polarized_events(flux, "800 ks", **irf, degree=0.2, angle="160 deg", seed=3)
    cube = xray.polarization_cube(many(made, trials), (2, 8), **irf, acceptance=False, phases=trials)
    q, u = 0.2 * np.cos(np.radians(320)), 0.2 * np.sin(np.radians(320))
    dq, du = cube.q.values[:, 0] - q, cube.u.values[:, 0] - u
    vq, vu, cov = (cube[n].values[:, 0] for n in ("q_error", "u_error", "qu_covariance"))
    vq, vu = vq**2, vu**2
    chi2 = (vu * dq**2 + vq * du**2 - 2 * cov * dq * du) / (vq * vu - cov**2)
    contours = xray.polarization_contours(cube.isel(phase=0), confidence=(0.6827, 0.9545, 0.99))
    for limit, share in zip(contours.delta_chi2.values, contours.confidence.values, strict=True):
        held = float(np.mean(chi2 < limit))
        assert held == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / trials))


@pytest.mark.slow
def test_one_unpolarized_source_in_a_hundred_exceeds_the_mdp(irf, flux):
    trials = 4000
    made = xray.polarized_events(flux, "1000 ks", **irf, seed=4)
    cube = xray.polarization_cube(many(made, trials), (2, 8), **irf, acceptance=False, phases=trials)
    share = float((cube.degree > cube.mdp99).mean())
    assert share == pytest.approx(0.01, abs=4 * np.sqrt(0.01 * 0.99 / trials))
    np.testing.assert_allclose(float((cube.p_value < 0.3).mean()), 0.3, atol=4 * np.sqrt(0.21 / trials))


@pytest.mark.slow
def test_a_background_measured_beside_is_taken_off(irf, flux):
    """Source and background of different polarization; the background region is twice as large."""
    trials = 300
    source = xray.polarized_events(flux, "800 ks", **irf, degree=0.4, angle="20 deg", seed=5)
    behind = [
        xray.polarized_events(flux, t, **irf, degree=0.3, angle="110 deg", seed=s)
        for t, s in (("800 ks", 6), ("1600 ks", 7))
    ]
    both = xr.concat(
        [source["events"].to_dataset(), behind[0]["events"].to_dataset()], "event", combine_attrs="override"
    )
    both = both.isel(event=np.argsort(both.time.values))
    on = many(xr.DataTree.from_dict({"events": both, "gti": source["gti"].to_dataset()}), trials, seed=1)
    off = behind[1]["events"].to_dataset().assign_attrs(livetime=8e5, exposure=8e5)
    off = off.assign(time=off.time.copy(data=off.time.values / 2))
    off = many(xr.DataTree.from_dict({"events": off, "gti": source["gti"].to_dataset()}), trials, seed=2)
    cube = xray.polarization_cube(on, **irf, acceptance=False, phases=trials, background=off, background_scale=0.5)
    for name, truth in (("q", 0.4 * np.cos(np.radians(40))), ("u", 0.4 * np.sin(np.radians(40)))):
        pull = (cube[name].values - truth) / cube[f"{name}_error"].values
        assert abs(pull.mean()) < 0.25 and pull.std() == pytest.approx(1, rel=0.15)
    assert "background times 0.5" in cube.attrs["history"]


def test_the_mdp_of_events_is_4_29_over_mu_root_n(tree_of, responses):
    n = 2500
    events = tree_of(np.full(n, 4.0), np.pi * np.arange(n) / n)
    cube = xray.polarization_cube(events, **responses(mu=lambda e: 0 * e + 0.4), acceptance=False)
    assert float(cube.mdp99[0]) == pytest.approx(4.2919 / (0.4 * 50), rel=1e-5)
    assert float(cube.degree[0]) == pytest.approx(0, abs=1e-12) and float(cube.p_value[0]) == pytest.approx(1)
    formula = xray.minimum_detectable_polarization("25 ct / s", "100 s", modulation_factor=0.4)
    assert float(formula) == pytest.approx(float(cube.mdp99[0]))


def test_channels_give_the_energies_that_events_lack(ixpe, irf, flux):
    made = xray.polarized_events(flux, "20 ks", **irf, rmf=ixpe["rmf"], degree=0.3, angle="70 deg", seed=8)
    bare = xr.DataTree.from_dict(
        {"events": made["events"].to_dataset().drop_vars("energy"), "gti": made["gti"].to_dataset()}
    )
    cube = xray.polarization_cube(bare, (2, 8), **irf, rmf=ixpe["rmf"])
    pi = made["events"].pi.values
    assert int(cube.counts[0]) == np.count_nonzero((pi >= 50) & (pi < 200))  # 40 eV a channel
    with pytest.raises(BadOption, match="rmf="):
        xray.polarization_cube(bare, (2, 8), **irf)


@pytest.mark.slow
def test_channels_of_simulated_events_follow_the_response(ixpe, irf, flux):
    made = xray.polarized_events(flux, "400 ks", **irf, rmf=ixpe["rmf"], seed=9)
    expected = xray.folded(flux, rmf=xray.response(ixpe["rmf"], arf=ixpe["arf"])).values * 4e5
    found = np.bincount(made["events"].pi.values, minlength=375)
    pull = (found - expected)[expected > 20] / np.sqrt(expected[expected > 20])
    assert pull.std() == pytest.approx(1, abs=0.25) and abs(pull.mean()) < 0.3
    assert made["events"].attrs["synthetic"] == "true"


# --------------------------------------------------------------------------------------------- sums and rotation


def test_three_detector_units_add_as_their_events_do(tree_of, responses):
    energy, phi, _ = golden_events()
    irf = responses()
    whole = xray.polarization_cube(tree_of(energy, phi), (2, 4, 8), **irf)
    parts = [xray.polarization_cube(tree_of(energy[k::3], phi[k::3]), (2, 4, 8), **irf) for k in range(3)]
    total = check(xray.polarization_sum(*parts))
    for name in ("degree", "angle", "q_error", "mdp99", "counts", "energy", "modulation_factor", "stokes_q"):
        np.testing.assert_allclose(total[name].values, whole[name].values, rtol=2e-3, err_msg=name)


@settings(max_examples=25, deadline=None)
@given(angle=st.floats(-360, 360))
def test_turning_the_axis_keeps_degree_and_significance(angle):
    cube = rotation_cube()
    turned = xray.polarization_rotated(cube, angle * u.deg)
    for name in ("degree", "degree_error", "angle_error", "p_value", "mdp99"):
        np.testing.assert_allclose(turned[name].values, cube[name].values, rtol=1e-9)
    difference = (turned.angle.values + angle - cube.angle.values + 90) % 180 - 90
    np.testing.assert_allclose(difference, 0, atol=1e-9)
    back = xray.polarization_rotated(turned, -angle * u.deg)
    np.testing.assert_allclose(back.q_error.values, cube.q_error.values, rtol=1e-9)


@cache
def rotation_cube():
    return xray.polarization_spectrum(xray.fetch("ixpe_stokes"), (2, 3, 8))


def test_q_along_its_own_angle_is_the_degree():
    cube = rotation_cube()
    along = xray.polarization_rotated(cube, cube.angle[0])
    assert float(along.q[0]) == pytest.approx(float(cube.degree[0])) and abs(float(along.u[0])) < 1e-12
    assert "axis at" in along.angle.attrs["long_name"]
    across = xray.polarization_rotated(cube, cube.angle[0] + 90)
    assert float(across.q[0]) == pytest.approx(-float(cube.degree[0]))


def test_phases_divide_the_events_among_them(tree_of, responses):
    energy, phi, _ = golden_events(800)
    phase = np.arange(800) / 800 + np.arange(800) % 3  # turns count from any
    irf = responses()
    cube = check(xray.polarization_cube(tree_of(energy, phi, phase=phase), (2, 4, 8), **irf, phases=4))
    assert cube.degree.dims == ("phase", "bin") and float(cube.counts.sum()) == 800
    second = xray.polarization_cube(tree_of(energy[200:400], phi[200:400]), (2, 4, 8), **irf)
    np.testing.assert_allclose(cube.q.isel(phase=1).values, second.q.values)


# --------------------------------------------------------------------------------------------- left out, refused


def test_events_outside_good_times_and_without_numbers_are_left_out(tree_of, responses):
    q = np.full(10, 2.0)
    q[3] = np.nan
    events = tree_of(np.full(10, 4.0), 0.0, time=np.arange(10.0), gti=((0, 5.5),), q=q)
    with pytest.warns(AnalysisWarning, match="1 events have no q"):
        cube = xray.polarization_cube(events, **responses())
    assert int(cube.counts[0]) == 5 and "4 events outside the good times" in cube.attrs["history"]


def test_an_empty_bin_is_nan_and_an_empty_list_refused(tree_of, responses):
    irf = responses()
    cube = xray.polarization_cube(tree_of(np.full(50, 3.0), np.arange(50) / 10), (2, 4, 8), **irf)
    assert np.isnan(cube.degree[1]) and np.isnan(cube.mdp99[1]) and int(cube.counts[1]) == 0
    with pytest.raises(OutsideCoverage, match="4-8 keV"):
        xray.polarization_cube(tree_of(np.full(50, 3.0), 0.0), (4, 8), **irf)
    with pytest.raises(OutsideCoverage):
        xray.polarization_cube(tree_of([], []), (2, 8), **irf)


def test_one_event_has_a_direction_and_no_error(tree_of, responses):
    cube = xray.polarization_cube(tree_of([4.0], [0.5]), **responses())
    assert float(cube.angle[0]) == pytest.approx(np.degrees(0.5)) and np.isnan(cube.degree_error[0])
    with pytest.raises(WrongData, match="too few events"):
        xray.polarization_contours(cube)


def test_cosines_without_the_factor_two_are_refused(tree_of, responses):
    events = tree_of(np.full(20, 4.0), 0.0, q=np.ones(20), u=np.zeros(20))
    with pytest.raises(WrongData, match="2 cos 2φ"):
        xray.polarization_cube(events, **responses())


def test_options_that_make_no_sense_are_refused(tree_of, responses):
    events, irf = tree_of(np.full(20, 4.0), np.arange(20)), responses()
    for edges in ((8, 2), (2,), "2-8", (2, np.nan), (2, 2), (-1, 3), 5):
        with pytest.raises(BadOption, match=r"edges|keV"):
            xray.polarization_cube(events, edges, **irf)
    with pytest.raises(BadOption, match="'exact' or 'pcube'"):
        xray.polarization_cube(events, **irf, errors="xspec")
    with pytest.raises(BadOption, match="go together"):
        xray.polarization_cube(events, **irf, background=events)
    for scale in (0, -1, np.inf):
        with pytest.raises(BadOption, match="background_scale"):
            xray.polarization_cube(events, **irf, background=events, background_scale=scale)
    for phases in (0, 2.5, True):
        with pytest.raises(BadOption, match="phases"):
            xray.polarization_cube(events, **irf, phases=phases)
    with pytest.raises(UnknownVariable, match="phase"):
        xray.polarization_cube(events, **irf, phases=4)
    with pytest.raises(UnknownVariable, match="w_mom"):
        xray.polarization_cube(events, **irf, weights="w_mom")
    with pytest.raises(WrongData, match="negative"):
        xray.polarization_cube(tree_of([3.0, 4], 0.0, w_mom=[1.0, -1]), **irf, weights="w_mom")
    with pytest.raises(WrongData, match="unknown at the energies of 20 events"):
        xray.polarization_cube(tree_of(np.full(20, 9.8), 0.0), (2, 10), **irf)
    with pytest.raises(WrongData, match="no phase"):
        xray.polarization_cube(tree_of([3.0, 4], 0.0, phase=[np.nan, 0.1]), **irf, phases=2)


def test_responses_that_do_not_belong_together_are_refused(tree_of, irf, ixpe, ulx):
    events = tree_of(np.full(20, 4.0), np.arange(20), pi=np.full(20, 100))
    with pytest.raises(WrongData, match="at most 1"):
        xray.polarization_cube(events, arf=irf["mrf"], mrf=irf["arf"])
    for make in (xray.polarization_cube, xray.stokes_spectra):
        with pytest.raises(WrongData, match="take those of one detector"):
            make(events, **irf, rmf=ulx["rmf"])
    part = tree_of(np.full(20, 4.0), np.arange(20), pi=np.full(20, 100), attrs={"livetime": 2e4})
    with pytest.raises(WrongData, match="part of an observation"):
        xray.stokes_spectra(part, **irf, rmf=ixpe["rmf"])


def test_a_background_as_strong_as_the_source_leaves_nothing(tree_of, responses):
    irf = responses()
    events, strong = tree_of(np.r_[np.full(20, 3.0), np.full(20, 6.0)], 0.3), tree_of(np.full(30, 3.0), 0.3)
    with pytest.warns(AnalysisWarning, match="nothing of the source in 1 bins"):
        cube = xray.polarization_cube(events, (2, 4, 8), **irf, background=strong, background_scale=1)
    assert np.isnan(cube.degree[0]) and np.isfinite(cube.degree[1])
    with pytest.raises(WrongData, match="as strong as the source"):
        xray.polarization_cube(events, **irf, background=events, background_scale=1)


def test_units_and_types_of_columns_do_not_matter(tree_of, responses):
    energy, phi, _ = golden_events(500)
    irf = responses()
    events = tree_of(energy, phi)
    plain = xray.polarization_cube(events, (2, "4000 eV", 8 * u.keV), **irf)
    listed = events["events"].to_dataset()
    odd = listed.assign(
        energy=("event", energy * 1000, {"units": "eV", "long_name": "Energy"}),
        q=("event", listed.q.values.astype(">f8"), PLAIN),
    ).chunk({"event": 100})
    tree = xr.DataTree.from_dict({"events": odd, "gti": events["gti"].to_dataset()})
    found = xray.polarization_cube(tree, xr.DataArray([2.0, 4, 8], dims="edge", attrs={"units": "keV"}), **irf)
    np.testing.assert_allclose(found.q.values, plain.q.values, rtol=1e-12)


def test_only_results_made_alike_are_added(tree_of, responses):
    events, irf = tree_of(np.full(20, 4.0), np.arange(20)), responses()
    one = xray.polarization_cube(events, **irf)
    with pytest.raises(BadOption, match="at least one"):
        xray.polarization_sum()
    with pytest.raises(WrongData, match="same bins"):
        xray.polarization_sum(one, xray.polarization_cube(events, (2, 5, 8), **irf))
    with pytest.raises(WrongData, match="acceptance"):
        xray.polarization_sum(one, xray.polarization_cube(events, **irf, acceptance=False))
    with pytest.raises(WrongData, match="reference_angle"):
        xray.polarization_sum(one, xray.polarization_rotated(one, "10 deg"))
    with pytest.raises(UnknownVariable, match="polarization_cube"):
        xray.polarization_sum(one, one[["q", "u"]])
    with pytest.raises(WrongData, match="list"):
        xray.polarization_sum([one])


def test_simulations_that_make_no_sense_are_refused(irf, flux, ixpe):
    for degree in (1.2, -0.1):
        with pytest.raises(BadOption, match="degree"):
            xray.polarized_events(flux, "1 ks", **irf, degree=degree)
    for seed in (-1, "a", 1.5):
        with pytest.raises(BadOption, match="seed"):
            xray.polarized_events(flux, "1 ks", **irf, seed=seed)
    with pytest.raises(BadOption, match="longer than 0"):
        xray.polarized_events(flux, "0 s", **irf)
    with pytest.raises(BadOption, match="shorter exposure"):
        xray.polarized_events(flux, "1e9 s", **irf)
    with pytest.raises(WrongData, match="275 bins"):
        xray.polarized_events(flux[:10], "1 ks", **irf)
    with pytest.raises(WrongData, match="negative or NaN"):
        xray.polarized_events((-flux).assign_attrs(flux.attrs), "1 ks", **irf)
    with pytest.raises(WrongData, match="angle has shape"):
        xray.polarized_events(flux, "1 ks", **irf, angle=xr.DataArray([1.0, 2], dims="energy", attrs={"units": "deg"}))


def test_degree_and_angle_may_change_with_energy(irf, flux, ixpe):
    middle = (ixpe["arf"].energy_low + ixpe["arf"].energy_high) / 2
    angle = xr.where(middle < 4, 0.0, 90.0).assign_attrs(units="deg")
    degree = xr.where(middle < 4, 0.6, 0.9).assign_attrs(units="1")
    made = xray.polarized_events(flux, "50 ks", **irf, degree=degree, angle=angle, seed=1)
    cube = xray.polarization_cube(made, (2, 4, 8), **irf, acceptance=False)
    assert abs((float(cube.angle[0]) + 90) % 180 - 90) < 5 and float(cube.angle[1]) == pytest.approx(90, abs=5)
    np.testing.assert_allclose(cube.degree.values, [0.6, 0.9], atol=0.1)
