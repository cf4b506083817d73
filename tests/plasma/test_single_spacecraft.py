"""One spacecraft: variance axes, the de Hoffmann-Teller frame, shocks, discontinuities."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from analysis import plasma
from analysis.errors import BadOption, MissingUnits, OutsideCoverage, WrongData, WrongFrame, WrongUnits
from analysis.model import check

START = np.datetime64("2001-11-06T01:00", "ns")
MU0, PROTON = 1.25663706127e-6, 1.67262192595e-27


def times(number, seconds=1.0):
    return START + (np.arange(number) * seconds * 1e9).astype("timedelta64[ns]")


def vectors(values, units="nT", frame="GSE", name="b", seconds=1.0):
    values = np.asarray(values, float)
    return xr.DataArray(
        values,
        {"time": times(len(values), seconds), "component": list("xyz")},
        ["time", "component"],
        name=name,
        attrs={"units": units, "frame": frame, "long_name": name},
    )


def series(values, units, name, seconds=1.0):
    attrs = {"units": units, "long_name": name}
    return xr.DataArray(np.asarray(values, float), {"time": times(len(values), seconds)}, ["time"], name, attrs)


def noisy_sheet(number=200, noise=0.3, seed=1):
    """Return a rotation of 150° about x with a normal field of 2 nT."""
    turn = np.linspace(0, 2.6, number)
    clean = np.stack([2 + 0 * turn, 9 * np.cos(turn), 9 * np.sin(turn)], axis=1)
    return clean + np.random.default_rng(seed).normal(scale=noise, size=clean.shape)


# --------------------------------------------------------------------------------------------- variance analysis


def test_explorer_12_has_the_published_variance_axes(oracle):
    # Sonnerup & Scheible (1998), ISSI SR-001, chapter 8: the worked example, covariance over 1/N
    field = vectors(np.loadtxt(oracle / "plasma" / "explorer12_mva.txt"), frame="GSM")
    axes = check(plasma.minimum_variance(field))
    np.testing.assert_allclose(axes.eigenvalue, [1012.85, 137.85, 7.08], atol=0.005)
    np.testing.assert_allclose(axes.eigenvector.sel(axis="N"), [0.8671, -0.4978, 0.0187], atol=5e-5)
    assert axes.mean_field.sel(axis="N").item() == pytest.approx(-0.58, abs=0.005)
    assert axes.eigenvector.attrs["frame"] == "GSM" and axes.eigenvalue.attrs["units"] == "nT2"


@pytest.mark.slow
@given(seed=st.integers(0, 2**32 - 1))
def test_axes_turn_with_the_field_and_variances_do_not(seed):
    random = np.random.default_rng(seed)
    field = random.normal(size=(40, 3)) * [9, 3, 1] + random.normal(size=3)
    turn = Rotation.random(random_state=seed).as_matrix()
    plain, turned = (plasma.minimum_variance(vectors(one)) for one in (field, field @ turn.T))
    np.testing.assert_allclose(turned.eigenvalue, plain.eigenvalue, rtol=1e-9)
    for axis in "LMN":
        there = turn @ plain.eigenvector.sel(axis=axis).values
        assert abs(there @ turned.eigenvector.sel(axis=axis).values) == pytest.approx(1, abs=1e-9)


@pytest.mark.slow
@given(seed=st.integers(0, 2**32 - 1))
def test_axes_are_right_handed_with_n_sunward(seed):
    field = np.random.default_rng(seed).normal(size=(20, 3)) * [1, 5, 3]
    axes = plasma.minimum_variance(vectors(field)).eigenvector.values
    assert np.linalg.det(axes) == pytest.approx(1, abs=1e-12)
    assert axes[2, 0] > 0 and axes[0, 2] > 0
    np.testing.assert_allclose(np.cross(axes[0], axes[1]), axes[2], atol=1e-12)


@pytest.mark.slow
def test_errors_of_the_normal_are_those_that_repeated_noise_shows():
    normals = [plasma.minimum_variance(vectors(noisy_sheet(seed=seed))) for seed in range(300)]
    tilt_m = [
        np.degrees(np.arcsin(one.eigenvector.sel(axis="N").values @ [0, np.sin(1.3), -np.cos(1.3)])) for one in normals
    ]
    stated = np.mean([one.angle_error.sel(axis="N", other_axis="M").item() for one in normals])
    tilt_l = [
        np.degrees(np.arcsin(one.eigenvector.sel(axis="N").values @ [0, np.cos(1.3), np.sin(1.3)])) for one in normals
    ]
    stated_l = np.mean([one.angle_error.sel(axis="N", other_axis="L").item() for one in normals])
    spread = sorted([np.std(tilt_m), np.std(tilt_l)])
    np.testing.assert_allclose(spread, sorted([stated, stated_l]), rtol=0.15)
    means = [one.mean_field.sel(axis="N").item() for one in normals]
    assert np.std(means) == pytest.approx(
        np.mean([one.mean_field_error.sel(axis="N").item() for one in normals]), rel=0.15
    )


def test_errors_of_few_samples_are_those_of_the_formulae():
    # Sonnerup & Scheible (1998), section 8.3.1, with M - 1 in the denominator
    field = noisy_sheet(number=9, noise=1.0)
    axes = plasma.minimum_variance(vectors(field))
    largest, middle, least = np.sort(np.linalg.eigvalsh(np.cov(field.T, bias=True)))[::-1]
    turns = [np.sqrt(least / 8 * one / (one - least) ** 2) for one in (largest, middle)]
    np.testing.assert_allclose(np.radians(axes.angle_error.sel(axis="N", other_axis=["L", "M"])), turns)
    means = axes.mean_field.sel(axis=["L", "M"]).values
    expected = np.sqrt(least / 8 + np.sum((turns * means) ** 2))
    assert axes.mean_field_error.sel(axis="N") == pytest.approx(expected)


@pytest.mark.slow
def test_a_field_in_a_plane_has_no_negative_variance_and_no_error():
    turn = np.linspace(0, 2, 50)
    for seed in range(20):
        plane = Rotation.random(random_state=seed).as_matrix()
        field = np.stack([0 * turn + 3, 5 * np.cos(turn), 5 * np.sin(turn)], axis=1) @ plane.T
        axes = plasma.minimum_variance(vectors(field))
        assert (axes.eigenvalue >= 0).all() and axes.eigenvalue_ratio > 1e10
        assert axes.angle_error.sel(axis="N", other_axis="L") < 1e-5
        assert axes.mean_field_error.sel(axis="N") < 1e-5


def test_samples_with_nan_are_left_out():
    field = noisy_sheet()
    holed = field.copy()
    holed[7, 1] = np.nan
    ours = plasma.minimum_variance(vectors(holed))
    assert ours.samples == 199
    whole = plasma.minimum_variance(vectors(np.delete(field, 7, axis=0)))
    np.testing.assert_allclose(ours.eigenvector, whole.eigenvector, atol=1e-12)


def test_the_constrained_normal_has_no_mean_field_and_the_least_variance_left():
    axes = check(plasma.minimum_variance(vectors(noisy_sheet()), constraint="zero_normal_field"))
    assert axes.mean_field.sel(axis="N").item() == pytest.approx(0, abs=1e-12)
    assert np.linalg.det(axes.eigenvector) == pytest.approx(1)
    assert np.isnan(axes.eigenvalue.sel(axis="M").item())
    assert axes.eigenvalue.sel(axis="N") < axes.eigenvalue.sel(axis="L")


@pytest.mark.slow
def test_windows_and_spacecraft_are_analysed_side_by_side_as_alone_and_lazily():
    field = vectors(noisy_sheet())
    windows = field.rolling(time=50).construct("sample")
    together = plasma.minimum_variance(windows, dim="sample")
    alone = plasma.minimum_variance(field.isel(time=slice(101, 151)))
    np.testing.assert_allclose(together.eigenvector.isel(time=150), alone.eigenvector, atol=1e-12)
    assert np.isnan(together.eigenvalue.isel(time=2)).all()  # three samples are too few
    lazy = plasma.minimum_variance(windows.chunk(time=60), dim="sample")
    assert lazy.eigenvalue.chunks is not None
    np.testing.assert_allclose(lazy.eigenvalue, together.eigenvalue)


def test_the_axis_of_most_variance_of_an_electric_field_is_the_normal():
    step = np.tanh(np.linspace(-3, 3, 100))
    turn = Rotation.from_euler("xyz", [20, 40, -30], degrees=True).as_matrix()
    clean = np.stack([4 * step, 1 + 0 * step, -0.5 + 0.1 * step**2], axis=1) @ turn.T
    noise = np.random.default_rng(2).normal(scale=0.05, size=clean.shape)
    axes = check(plasma.maximum_variance(vectors(clean + noise, "mV m-1", name="e")))
    assert abs(axes.eigenvector.sel(axis="L").values @ turn[:, 0]) > 0.9999


# --------------------------------------------------------------------------------------------- flow frames


@pytest.mark.slow
@given(seed=st.integers(0, 2**32 - 1))
def test_the_frame_of_a_steady_structure_is_found_exactly(seed):
    random = np.random.default_rng(seed)
    field, velocity = random.normal(size=(30, 3)), random.uniform(-400, 400, 3)
    flow = random.normal(size=(30, 1)) * field + velocity
    frame = check(plasma.de_hoffmann_teller(vectors(field), vectors(flow, "km s-1", name="v")))
    np.testing.assert_allclose(frame.velocity, velocity, atol=1e-6)
    assert frame.correlation == pytest.approx(1) and frame.slope == pytest.approx(1)
    assert frame.residual_ratio == pytest.approx(0, abs=1e-12)


@pytest.mark.slow
def test_errors_of_the_frame_are_those_that_repeated_noise_shows():
    field = noisy_sheet(noise=0)
    found, errors = [], []
    for seed in range(200):
        flow = [-300, 50, 20] + 5 * field + np.random.default_rng(seed).normal(scale=10, size=field.shape)
        frame = plasma.de_hoffmann_teller(vectors(field), vectors(flow, "km s-1", name="v"))
        found.append(frame.velocity.values)
        errors.append(frame.velocity_error.values)
    np.testing.assert_allclose(np.std(found, axis=0), np.mean(errors, axis=0), rtol=0.2)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_rotational_discontinuity_passes_the_walen_test_with_its_sign(sign):
    field, density = noisy_sheet(noise=0), np.full(200, 5.0)
    alfven = field * 1e-9 / np.sqrt(MU0 * PROTON * 5e6) * 1e-3
    b, v = vectors(field), vectors(sign * alfven + [-350, 30, 10], "km/s", name="v")
    n = series(density, "#/cc", "density")
    frame = plasma.de_hoffmann_teller(b, v)
    test = check(plasma.walen_relation(b, v, n, velocity=frame.velocity))
    assert test.slope == pytest.approx(sign, abs=1e-9) and test.correlation == pytest.approx(sign, abs=1e-9)


def test_pressure_along_the_field_slows_the_alfven_wave():
    field = noisy_sheet(noise=0)
    half = 0.5 * (np.sum(field**2, axis=1) * 1e-18 / MU0)  # p_parallel - p_perpendicular of half B²/µ0
    alfven = field * 1e-9 / np.sqrt(MU0 * PROTON * 5e6) * 1e-3 * np.sqrt(0.5)
    b, v = vectors(field), vectors(alfven + np.array([-350, 30, 10]), "km s-1", name="v")
    n = series(np.full(200, 5.0), "cm-3", "density")
    still = plasma.de_hoffmann_teller(b, v).velocity
    told = plasma.walen_relation(b, v, n, velocity=still, pressure_anisotropy=series(half * 1e9, "nPa", "p"))
    assert told.slope == pytest.approx(1, abs=1e-9)
    assert plasma.walen_relation(b, v, n, velocity=still).slope == pytest.approx(np.sqrt(0.5), abs=1e-9)


# --------------------------------------------------------------------------------------------- shocks

BEFORE, AFTER = (times(1)[0], times(51)[50]), (times(51)[50], times(101)[100])


def oblique_shock(seed, noise=0.0):
    """Return b, v, n of a shock that keeps mass, tangential momentum, Bn and tangential E; its normal and speed."""
    random = np.random.default_rng(seed)
    turn = Rotation.random(random_state=seed).as_matrix()
    flow_up, ratio, density = random.uniform(350, 500), random.uniform(1.8, 3.2), random.uniform(3, 9)
    bn, bt = random.uniform(1.5, 4) * random.choice([-1, 1]), random.uniform(2, 5)
    flow_down, speed = flow_up / ratio, random.uniform(-60, 60)
    momentum = MU0 * density * 1e6 * PROTON * flow_up * 1e3
    alfven = (bn * 1e-9) ** 2 / momentum * 1e-3  # km/s
    bt_down = bt * (flow_up - alfven) / (flow_down - alfven)
    dvt = bn * 1e-9 * (bt_down - bt) * 1e-9 / momentum * 1e-3
    drift = random.uniform(-30, 30, 3) * [0, 1, 1]
    # normal along +x, upstream; the plasma flows into -x
    up = [bn, bt, 0], np.array([-flow_up + speed, 0, 0]) + drift, density
    down = [bn, bt_down, 0], np.array([-flow_down + speed, -dvt, 0]) + drift, density * ratio
    halves = [np.repeat([np.asarray(a, float)], 50, axis=0) for a in (up[0], down[0], up[1], down[1])]
    field, flow = np.vstack(halves[:2]) @ turn.T, np.vstack(halves[2:]) @ turn.T
    field = field + random.normal(scale=noise, size=field.shape)
    number = np.repeat([up[2], down[2]], 50)
    return (
        vectors(field), vectors(flow, "km s-1", name="v"), series(number, "cm-3", "density"), turn[:, 0], speed,
        np.degrees(np.arctan2(bt, abs(bn))), flow_up, ratio,
    )  # fmt: skip


@pytest.mark.slow
@given(seed=st.integers(0, 10_000))
def test_normals_of_a_shock_that_keeps_the_conservation_laws_are_found(seed):
    b, v, n, normal, speed, theta, flow, ratio = oblique_shock(seed)
    found = check(plasma.shock_normals(b, v, upstream=BEFORE, downstream=AFTER))
    for estimator in ("magnetic_coplanarity", "mixed_1", "mixed_2", "mixed_3"):
        np.testing.assert_allclose(found.normal.sel(estimator=estimator), normal, atol=1e-9)
        assert found.theta_bn.sel(estimator=estimator) == pytest.approx(theta, abs=1e-6)
    assert found.normal.sel(estimator="velocity_coplanarity").values @ normal > 0.97
    jump = check(plasma.shock_jump(b, v, n, normal=found.normal, upstream=BEFORE, downstream=AFTER))
    exact = jump.sel(estimator="mixed_3")
    assert exact.speed == pytest.approx(speed, abs=1e-6)
    assert exact.normal_flow_upstream == pytest.approx(flow, abs=1e-6)
    assert exact.density_ratio == pytest.approx(ratio)
    assert exact.normal_field_jump == pytest.approx(0, abs=1e-9)


def test_the_scatter_of_normals_grows_with_the_noise():
    quiet, noisy = (oblique_shock(3, noise)[:2] for noise in (0.01, 0.2))
    errors = [plasma.shock_normals(*pair, upstream=BEFORE, downstream=AFTER).angle_error for pair in (quiet, noisy)]
    assert (errors[1].sel(estimator="mixed_3") > 10 * errors[0].sel(estimator="mixed_3")).all()
    assert errors[0].sel(estimator="velocity_coplanarity") == pytest.approx(0, abs=1e-5)


def test_mach_numbers_are_those_of_the_single_functions():
    b, v, n, normal, *_ = oblique_shock(5)
    warm = series(np.full(100, 2e5), "K", "temperature")
    given = xr.DataArray(normal, dims="component", attrs={"units": "1", "frame": "GSE"})
    jump = check(plasma.shock_jump(b, v, n, normal=given, upstream=BEFORE, downstream=AFTER, temperature=warm))
    alfven = plasma.alfven_speed(b, n)[0].item()
    assert jump.alfven_mach == pytest.approx(jump.normal_flow_upstream.item() / alfven)
    beta = plasma.plasma_beta(plasma.thermal_pressure(n, warm), b)[0].item()
    assert jump.beta_upstream == pytest.approx(beta)
    sound = np.sqrt(5 / 3 * 1.380649e-23 * 2e5 / PROTON) * 1e-3
    assert jump.sonic_mach == pytest.approx(jump.normal_flow_upstream.item() / sound)
    squares, cosine = alfven**2 + sound**2, np.cos(np.radians(jump.theta_bn.item()))
    fast = np.sqrt((squares + np.sqrt(squares**2 - (2 * alfven * sound * cosine) ** 2)) / 2)
    assert jump.fast_mach == pytest.approx(jump.normal_flow_upstream.item() / fast)
    cold = plasma.shock_jump(b, v, n, normal=given, upstream=BEFORE, downstream=AFTER, temperature=warm * 1e-9)
    assert cold.fast_mach == pytest.approx(cold.alfven_mach.item())


# --------------------------------------------------------------------------------------------- finders


def test_discontinuities_are_found_once_each_with_their_kind():
    random = np.random.default_rng(4)
    field = np.full((400, 3), [3.0, 0, 0]) + random.normal(scale=0.1, size=(400, 3))
    # three steps: a turn about x with Bn = 3 (rotational), one in the y-z plane whose strength changes (tangential)
    field[100:200] = np.array([3, 4, 0]) + random.normal(scale=0.1, size=(100, 3))
    field[200:300] = np.array([3, -2, 3.4641]) + random.normal(scale=0.1, size=(100, 3))
    field[300:] = np.array([3, -2, -9]) + random.normal(scale=0.1, size=(100, 3))
    found = check(plasma.discontinuities(vectors(field)))
    seconds = (found.time.values - START) / np.timedelta64(1, "s")
    assert seconds.tolist() == [99.5, 199.5, 299.5]
    assert found["size"].values == pytest.approx([4, 6.93, 12.46], abs=0.6)
    assert (found.strength_change.values[[0, 2]] > 0.2).all() and found.strength_change[1] < 0.2


@pytest.mark.parametrize(
    ("across", "strength", "kind", "ratio"),
    [  # field across the sheet, its field along it after a turn by 120°, from 5 nT before
        (4.0, 5.0, "rotational", 4 / 41**0.5),
        (0.0, 1.0, "tangential", 0.0),
        (0.0, 5.0, "either", 0.0),
        (4.0, 1.0, "neither", 4 / 41**0.5),
    ],
)
def test_discontinuities_are_classed_by_normal_field_and_strength(across, strength, kind, ratio):
    part = np.clip((np.arange(80) - 38) / 4, 0, 1)  # the turn takes four steps: only so is the normal known
    turn, along = np.radians(120) * part, 5 + (strength - 5) * part
    field = np.stack([across + 0 * turn, along * np.cos(turn), along * np.sin(turn)], axis=1)
    field = field + np.random.default_rng(2).normal(scale=0.01, size=field.shape)
    found = plasma.discontinuities(vectors(field), lag=4)
    assert found.sizes["time"] == 1 and abs(found.normal.values[0, 0]) > 0.999
    assert found.kind.attrs["flag_meanings"].split()[int(found.kind[0])] == kind
    assert found.normal_field_ratio[0] == pytest.approx(ratio, abs=0.02)


def test_a_smooth_field_and_a_gap_have_no_discontinuity():
    phase = np.linspace(0, 6, 500)
    smooth = np.stack([2 + 0 * phase, 5 * np.cos(phase), 5 * np.sin(phase)], axis=1)
    assert plasma.discontinuities(vectors(smooth)).sizes["time"] == 0
    gapped = vectors(smooth).isel(time=np.r_[0:200, 350:500])
    assert plasma.discontinuities(gapped).sizes["time"] == 0
    check(plasma.discontinuities(gapped))


def test_crossings_are_placed_between_samples_and_chatter_is_not_counted():
    wave = series(np.sin(np.arange(100) * 2 * np.pi / 25), "nT", "bz", seconds=10)
    found = check(plasma.level_crossings(wave, level=0.5))
    assert found.direction.values.tolist() == [1, -1] * 4
    exact = 25 * 10 * np.array([1 / 12, 5 / 12])
    seconds = (found.time.values[:2] - START) / np.timedelta64(1, "s")
    np.testing.assert_allclose(seconds, exact, atol=0.3)
    chatter = series([0, 1, -0.1, 0.1, -0.1, 1, -1.0, 0.2], "nT", "bz")
    assert plasma.level_crossings(chatter, level=0.0).sizes["time"] == 6
    assert plasma.level_crossings(chatter, level=0.0, hysteresis=0.5).direction.values.tolist() == [-1]


def test_a_level_may_bring_its_own_unit():
    n = series([1.0, 3.0], "cm-3", "n")
    level = xr.DataArray(2e6, attrs={"units": "m-3"})
    assert plasma.level_crossings(n, level=level).sizes["time"] == 1


def of_archives(array, letter):
    """Return a vector as some archive might give it: other order, components named Bz, By, Bx."""
    turned = array.isel(component=[2, 1, 0])
    return turned.assign_coords(component=[f"{letter}{axis}" for axis in turned.component.values])


@pytest.mark.slow
def test_the_order_and_names_of_components_do_not_matter():
    b, v, n, *_ = oblique_shock(8, noise=0.1)
    odd_b, odd_v = of_archives(b, "B"), of_archives(v, "v_")
    for function in (plasma.minimum_variance, plasma.discontinuities):
        xr.testing.assert_allclose(function(odd_b), function(b))
    axes = plasma.minimum_variance(odd_b).eigenvector.values
    assert np.linalg.det(axes) == pytest.approx(1)
    frame = plasma.de_hoffmann_teller(b, v)
    xr.testing.assert_allclose(plasma.de_hoffmann_teller(odd_b, odd_v), frame)
    xr.testing.assert_allclose(plasma.de_hoffmann_teller(odd_b, v), frame)
    walen = [plasma.walen_relation(*pair, n, velocity=frame.velocity) for pair in ((b, v), (odd_b, odd_v))]
    xr.testing.assert_allclose(*walen)
    sides = {"upstream": BEFORE, "downstream": AFTER}
    normals = plasma.shock_normals(b, v, **sides)
    xr.testing.assert_allclose(plasma.shock_normals(odd_b, odd_v, **sides), normals)
    jumps = [plasma.shock_jump(*pair, n, normal=normals.normal, **sides) for pair in ((b, v), (odd_b, v))]
    xr.testing.assert_allclose(*jumps)


def test_rtn_components_keep_their_letters():
    b = vectors(noisy_sheet(), frame="RTN").assign_coords(component=["BR", "BT", "BN"])
    plain = plasma.minimum_variance(vectors(noisy_sheet(), frame="RTN"))
    found = plasma.minimum_variance(b)
    assert found.component.values.tolist() == ["r", "t", "n"]
    np.testing.assert_array_equal(found.eigenvector, plain.eigenvector)
    normal, l_axis = (found.eigenvector.sel(axis=axis, drop=True) for axis in "NL")
    turned = plasma.rotated(b, plasma.lmn_frame(normal, l_axis))
    np.testing.assert_allclose(turned.mean("time"), found.mean_field.sel(axis=["L", "M", "N"]))
    around = plasma.field_aligned_frame(
        plasma.mean_field(b, "20s"), vectors([[1, 0, 0]], "1", "RTN")[0].drop_vars("time")
    )
    assert plasma.rotated(plasma.rotated(b, around), around, inverse=True).component.values.tolist() == ["r", "t", "n"]


def test_mach_numbers_do_not_depend_on_the_sign_of_the_normal():
    b, v, n, normal, speed, *_ = oblique_shock(5)
    given = xr.DataArray(normal, dims="component", attrs={"units": "1", "frame": "GSE"})
    one, other = (
        plasma.shock_jump(b, v, n, normal=(sign * given).assign_attrs(given.attrs), upstream=BEFORE, downstream=AFTER)
        for sign in (1, -1)
    )
    assert one.speed == pytest.approx(speed) and other.speed == pytest.approx(-speed)
    assert one.alfven_mach == other.alfven_mach and one.alfven_mach > 0
    assert one.normal_flow_upstream == -other.normal_flow_upstream


# --------------------------------------------------------------------------------------------- refusals

B, V = vectors(noisy_sheet()), vectors(noisy_sheet(seed=2) * 30, "km s-1", name="v")
N = series(np.full(200, 5.0), "cm-3", "density")
B2 = B.expand_dims(spacecraft=["one", "other"])


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: plasma.minimum_variance(B.isel(component=0)), WrongData, "component"),
        (lambda: plasma.minimum_variance(B.isel(time=slice(3))), WrongData, "4 or more"),
        (lambda: plasma.minimum_variance(B, constraint="zero"), BadOption, "zero_normal_field"),
        (lambda: plasma.minimum_variance(B, dim="sample"), WrongData, "sample"),
        (lambda: plasma.minimum_variance(B.drop_attrs().assign_attrs(units="nT")), WrongFrame, "frame"),
        (lambda: plasma.de_hoffmann_teller(B, V.assign_attrs(frame="GSM")), WrongFrame, "GSM"),
        (lambda: plasma.de_hoffmann_teller(B, V.isel(time=slice(9))), WrongData, "same axes"),
        (lambda: plasma.de_hoffmann_teller(B, B), WrongUnits, "km s-1"),
        (lambda: plasma.de_hoffmann_teller(B * 0 + B[0].drop_vars("time"), V), WrongData, "one direction"),
        (lambda: plasma.walen_relation(B, V, N * -1, velocity=V[0]), WrongData, "below zero|not above"),
        (lambda: plasma.shock_normals(B, V, upstream=BEFORE, downstream=BEFORE), WrongData, "overlap"),
        (lambda: plasma.shock_normals(B, V, upstream=("1990", "1991"), downstream=AFTER), OutsideCoverage, "1990"),
        (lambda: plasma.shock_normals(B, V, upstream=BEFORE, downstream=AFTER, methods=["mixed"]), BadOption, "mixed_"),
        (lambda: plasma.shock_jump(B, V, N, normal=B[0], upstream=BEFORE, downstream=AFTER), WrongData, "unit vector"),
        (lambda: plasma.shock_normals(B2, V, upstream=BEFORE, downstream=AFTER), WrongData, "isel.spacecraft=0"),
        (lambda: plasma.discontinuities(B, lag=0), BadOption, "lag"),
        (lambda: plasma.discontinuities(B, window=3), BadOption, "at_least=5"),
        (
            lambda: plasma.shock_jump(B, V, N, normal=np.eye(3)[0], upstream=BEFORE, downstream=AFTER),
            MissingUnits,
            "nd",
        ),
        (lambda: plasma.discontinuities(B2), WrongData, "isel.spacecraft=0"),
        (lambda: plasma.discontinuities(B[::-1]), WrongData, "sortby"),
        (lambda: plasma.level_crossings(N[::-1], level=1), WrongData, "sortby"),
        (lambda: plasma.minimum_variance(B.assign_coords(component=["x", "x", "z"])), WrongData, "two of one name"),
        (lambda: plasma.level_crossings(B, level=1), WrongData, "one component"),
        (lambda: plasma.level_crossings(N, level="high"), BadOption, "level"),
    ],
)
def test_nonsense_is_refused(call, error, says):
    with xr.set_options(keep_attrs=True), pytest.raises(error, match=says):
        call()
