"""Table models of XSPEC, made from functions that are known, and functions of the user's."""

import json
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from model_files import write_table

from analysis import xray
from analysis.errors import BadOption, CorruptFile, MissingFile, WrongData
from analysis.xray.emission import powers_integrated
from analysis.xray.evaluation import Evaluator
from analysis.xray.models import Parameter

EDGES = np.geomspace(0.1, 20, 301).astype(np.float32).astype(float)
INDEX = ("Index", 0, [1.0, 1.5, 2.0, 3.0])
SCALE = ("Scale", 1, [0.1, 1.0, 10.0])


def scaled_powers(point, low, high):
    return powers_integrated(low, high, 1 - point[0]) * (point[1] if len(point) > 1 else 1)


def flux(source, edges=EDGES):
    return Evaluator(source, edges[:-1].copy(), edges[1:].copy()).flux(source.values)


def test_on_the_grid_a_table_is_what_was_written(tmp_path):
    source = xray.table_model(write_table(tmp_path / "a.fits", [INDEX, SCALE], EDGES, scaled_powers), word="mine")
    assert list(source.parameters) == ["mine.index", "mine.scale", "mine.norm"]
    for index in INDEX[2]:
        made = flux(source.with_values({"index": index, "scale": 10.0, "norm": 2.0}))
        assert made == pytest.approx(20 * powers_integrated(EDGES[:-1], EDGES[1:], 1 - index), rel=1e-6)


def test_between_points_it_is_linear_or_linear_in_the_logarithm(tmp_path):
    source = xray.table_model(write_table(tmp_path / "a.fits", [INDEX, SCALE], EDGES, scaled_powers), word="mine")
    at = {i: powers_integrated(EDGES[:-1], EDGES[1:], 1 - i) for i in (2.0, 3.0)}
    linear = flux(source.with_values({"index": 2.3, "scale": 1.0}))
    assert linear == pytest.approx(0.7 * at[2.0] + 0.3 * at[3.0], rel=1e-6)
    logarithmic = flux(source.with_values({"index": 2.0, "scale": np.sqrt(10.0).item()}))
    assert logarithmic == pytest.approx((1 + 10) / 2 * at[2.0], rel=1e-6)


def test_photons_are_kept_on_other_bins(tmp_path):
    source = xray.table_model(write_table(tmp_path / "a.fits", [INDEX], EDGES, scaled_powers), word="mine")
    total = flux(source).sum()
    for edges in (np.geomspace(0.05, 30, 17), np.geomspace(0.09, 21, 4001), np.array([0.01, 100.0])):
        assert flux(source, edges).sum() == pytest.approx(total, rel=1e-12)
    assert flux(source, np.array([0.01, 0.05, 0.1]))[0] == 0


def test_an_added_spectrum_comes_in_by_its_parameter(tmp_path):
    steep = lambda point, low, high: powers_integrated(low, high, -point[0])  # noqa: E731
    path = write_table(tmp_path / "a.fits", [INDEX], EDGES, scaled_powers, added=[("O frac.", steep)])
    source = xray.table_model(path, word="mine")
    assert list(source.parameters) == ["mine.index", "mine.o_frac", "mine.norm"]
    made = flux(source.with_values({"index": 2.0, "o_frac": 0.7}))
    low, high = EDGES[:-1], EDGES[1:]
    assert made == pytest.approx(
        powers_integrated(low, high, -1.0) + 0.7 * powers_integrated(low, high, -2.0), rel=1e-6
    )


def test_a_redshift_moves_energies_and_thins_photons(tmp_path):
    path = write_table(tmp_path / "a.fits", [INDEX], EDGES, scaled_powers, redshift=True)
    source = xray.table_model(path, word="mine")
    assert (
        list(source.parameters) == ["mine.index", "mine.redshift", "mine.norm"] and "mine.redshift" not in source.free
    )
    near = flux(source.with_values({"redshift": 0.0}), EDGES)
    assert flux(source.with_values({"redshift": 0.5}), EDGES / 1.5) == pytest.approx(near / 1.5, rel=1e-9)


def test_a_table_of_factors_multiplies_and_one_of_depths_absorbs(tmp_path):
    tau = ("tau", 0, [0.0, 0.5, 1.0, 2.0])
    depth = lambda point, low, high: point[0] / ((low + high) / 2) ** 2  # noqa: E731
    absorbs = xray.table_model(
        write_table(tmp_path / "e.fits", [tau], EDGES, depth, additive=False), word="dust", exponential=True
    )
    made = flux(absorbs.with_values({"tau": 0.7}))
    assert made == pytest.approx(np.exp(-0.7 / ((EDGES[:-1] + EDGES[1:]) / 2) ** 2), rel=1e-5)
    factor = xray.table_model(
        write_table(tmp_path / "m.fits", [tau], EDGES, lambda p, low, high: 0 * low + 1 - p[0] / 4, additive=False),
        word="screen",
    )
    assert str(factor * xray.model("powerlaw")) == "screen * powerlaw"
    assert flux(factor.with_values({"tau": 0.6}), np.array([0.01, 0.05, 1.0, 7.0, 100.0, 200.0])) == pytest.approx(
        [1, (0.05 + 0.9 * 0.85) / 0.95, 0.85, (13 * 0.85 + 80) / 93, 1], rel=1e-5
    )


def test_limits_that_a_file_states_hold_beyond_its_energies(tmp_path):
    path = write_table(
        tmp_path / "m.fits", [INDEX], EDGES, lambda p, low, high: 0 * low + 0.5, additive=False, LOELIMIT=0.0
    )
    assert flux(xray.table_model(path, word="m"), np.array([0.01, 0.05, 1.0]))[0] == 0


def test_a_table_fits_beside_other_components_and_is_named_in_results(tmp_path):
    path = write_table(tmp_path / "a.fits", [INDEX], EDGES, scaled_powers, units="keV")
    source = xray.model("tbabs * mine", components={"mine": xray.table_model(path, word="t")})
    made = xray.photon_flux(source, xray.energy_bins(0.3, 10, 100))
    assert "a.fits, sha256" in made.attrs["tables"] and source.parameters["mine.index"].units == "keV"


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"ESCALE": True}, "scales its energies"),
        ({"NXFLTEXP": 2}, "NXFLTEXP"),
        ({"ADDMODEL": None}, "whether it makes photons"),
        ({"skip": 1}, "spectra for a grid of 4"),
    ],
)
def test_what_is_not_read_is_refused(tmp_path, changes, match):
    path = write_table(tmp_path / "a.fits", [INDEX], EDGES, scaled_powers, **changes)
    with pytest.raises(WrongData, match=match):
        xray.table_model(path, word="mine")


@pytest.mark.parametrize(
    ("axis", "match"),
    [
        (("Index", 0, [1.0, 3.0, 2.0]), "increase"),
        (("Index", 1, [0.0, 1.0, 2.0]), "logarithm"),
        (("Index", 2, [1.0, 2.0]), "METHOD=2"),
    ],
)
def test_a_grid_without_sense_is_refused(tmp_path, axis, match):
    with pytest.raises(WrongData, match=match):
        xray.table_model(write_table(tmp_path / "a.fits", [axis], EDGES, scaled_powers), word="mine")


def test_other_files_and_words_are_refused(tmp_path, ulx):
    path = write_table(tmp_path / "a.fits", [INDEX], EDGES, scaled_powers)
    with pytest.raises(MissingFile):
        xray.table_model(tmp_path / "absent.fits", word="mine")
    (tmp_path / "text").write_text("no FITS")
    with pytest.raises(CorruptFile):
        xray.table_model(tmp_path / "text", word="mine")
    from analysis import sample

    with pytest.raises(WrongData, match="no extension PARAMETERS"):
        xray.table_model(sample.path("ngc7793_ulx4_pn.pha"), word="mine")
    with pytest.raises(BadOption, match="a component already"):
        xray.table_model(path, word="powerlaw")
    with pytest.raises(BadOption, match="must be a name"):
        xray.table_model(path, word="lambda")
    with pytest.raises(BadOption, match="makes photons"):
        xray.table_model(path, word="mine", exponential=True)


def test_numbers_that_are_none_are_found_when_they_are_needed(tmp_path):
    holes = lambda point, low, high: np.where(point[0] > 2.5, np.nan, 1.0) + 0 * low  # noqa: E731
    source = xray.table_model(write_table(tmp_path / "a.fits", [INDEX], EDGES, holes), word="mine")
    assert np.isfinite(flux(source.with_values({"index": 1.7}))).all()
    with pytest.raises(WrongData, match="not finite"):
        flux(source.with_values({"index": 2.7}))


XSPEC_TABLES = """
import ctypes, json, sys
import numpy as np, xspectrampoline
library = xspectrampoline.get_libraries().lib_xs_functions
P = ctypes.POINTER(ctypes.c_float)
library.tabint.argtypes = [P, ctypes.c_int, P, ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, P, P]
library.tabint.restype = None
edges, found = np.array(json.loads(sys.argv[1]), np.float32), []
for path, kind, values in json.loads(sys.argv[2]):
    given = np.array(values, np.float32)
    flux, error = (np.zeros(edges.size - 1, np.float32) for _ in range(2))
    at = [array.ctypes.data_as(P) for array in (edges, given, flux, error)]
    library.tabint(at[0], flux.size, at[1], given.size, path.encode(), 1, kind.encode(), at[2], at[3])
    found.append(flux.astype(float).tolist())
print("FOUND" + json.dumps(found))
"""


@pytest.mark.slow
def test_photons_and_factors_are_those_of_xspecs_own_tables(tmp_path):
    """XSPEC's tabint (HEASoft 6.35) on the same files, to its single precision."""
    if find_spec("xspectrampoline") is None:  # not imported: it would load its symbols for the whole process
        pytest.skip("XSPEC's models come with an extra, for Linux and macOS")
    steep = lambda point, low, high: powers_integrated(low, high, -point[0])  # noqa: E731
    tau = ("tau", 0, [0.0, 0.5, 1.0, 2.0])
    smooth = lambda point, low, high: np.exp(-point[0] / ((low + high) / 2))  # noqa: E731
    cases = [
        (write_table(tmp_path / "a.fits", [INDEX, SCALE], EDGES, scaled_powers), "add", [1.7, 3.0], 3e-7),
        (
            write_table(tmp_path / "z.fits", [INDEX, SCALE], EDGES, scaled_powers, redshift=True),
            "add",
            [1.7, 3, 0.5],
            3e-7,
        ),
        (
            write_table(tmp_path / "s.fits", [INDEX, SCALE], EDGES, scaled_powers, added=[("O", steep)]),
            "add",
            [1.7, 3, 0.7],
            3e-7,
        ),
        (write_table(tmp_path / "m.fits", [tau], EDGES, smooth, additive=False), "mul", [0.7], 5e-4),
    ]
    edges = np.geomspace(0.5, 12, 173).astype(np.float32)
    asked = [(str(path), kind, values) for path, kind, values, _ in cases]
    ran = subprocess.run(
        [sys.executable, "-c", XSPEC_TABLES, json.dumps(edges.tolist()), json.dumps(asked)],
        capture_output=True,
        text=True,
    )
    found = json.loads(ran.stdout.split("FOUND")[1])
    for (path, _, values, error), theirs in zip(cases, found, strict=True):
        source = xray.table_model(path, word="mine")
        source = source.with_values(dict(zip(source.parameters, values, strict=False)))
        assert flux(source, edges.astype(float)) == pytest.approx(theirs, rel=error)


# ------------------------------------------------------------------------------------------ functions of the user's


def test_a_density_of_the_users_is_integrated_and_a_spectrum_by_bin_is_taken(tmp_path):
    density = xray.user_model(lambda energy, index: energy**-index, {"index": (1.7, -3, 10)}, word="own")
    by_bin = xray.user_model(
        lambda low, high, index: powers_integrated(low, high, 1 - index),
        [Parameter("index", 1.7, low=-3, high=10)],
        word="own",
        per_bin=True,
    )
    exact = flux(xray.model("powerlaw(photon_index=1.7)"))
    assert flux(density) == pytest.approx(exact, rel=1e-10) and (flux(by_bin) == exact).all()
    assert density.parameters["own.norm"].value == 1 and not density.parameters["own.index"].frozen


def test_a_factor_of_the_users_is_taken_at_the_middles():
    half = xray.user_model(
        lambda energy, a: a + 0 * energy, {"a": (0.5, 0, 1, "1")}, kind="multiplicative", word="half"
    )
    assert list(half.parameters) == ["half.a"]
    assert flux(half * xray.model("powerlaw")) == pytest.approx(flux(xray.model("powerlaw")) / 2)


@pytest.mark.slow
def test_a_fit_varies_a_function_of_the_users(ulx):
    own = xray.user_model(lambda energy, index: energy**-index, {"index": (1.0, -3, 10)}, word="own")
    theirs = xray.fit(ulx, xray.model("tbabs") * own, band=(0.5, 8))
    ours = xray.fit(ulx, "tbabs * powerlaw", band=(0.5, 8))
    assert theirs.attrs["statistic_value"] == pytest.approx(ours.attrs["statistic_value"], abs=1e-6)
    assert theirs.value.values == pytest.approx(ours.value.values, rel=1e-4)


@pytest.mark.parametrize(
    ("function", "parameters", "options", "error", "match"),
    [
        (3, {"a": (1, 0, 2)}, {}, BadOption, "needs a function"),
        (lambda energy: energy, {"a": (1, 0, 2)}, {}, BadOption, "cannot be called as"),
        (lambda energy, a, b: energy, {"a": (1, 0, 2)}, {}, BadOption, "cannot be called as"),
        (lambda energy, a: 1.0, {"a": (1, 0, 2)}, {}, WrongData, r"shape \(\)"),
        (lambda energy, a: energy[:-1], {"a": (1, 0, 2)}, {}, WrongData, "one real number for each"),
        (lambda energy, a: energy + 1j, {"a": (1, 0, 2)}, {}, WrongData, "complex128"),
        (lambda energy, a: energy, {"a": (3, 0, 2)}, {}, BadOption, "not between 0 and 2"),
        (lambda energy, a: energy, {"a": (1, 2)}, {}, BadOption, r"\(start, low, high\)"),
        (lambda energy, a: energy, {"a": ("1", 0, 2)}, {}, BadOption, "start of a"),
        (lambda energy, a: energy, {"a": (1, 0, 2, "furlong?")}, {}, BadOption, "astropy does not know"),
        (lambda energy, a: energy, {"a b": (1, 0, 2)}, {}, BadOption, "need names"),
        (lambda energy, a: energy, ["a"], {}, BadOption, "a mapping of name"),
        (lambda energy, norm: energy, {"norm": (1, 0, 2)}, {}, BadOption, "comes by itself"),
        (lambda energy, a: energy, {"a": (1, 0, 2)}, {"kind": "convolution"}, BadOption, "must be one of"),
        (lambda energy, a: energy, {"a": (1, 0, 2)}, {"word": "tbabs"}, BadOption, "already"),
    ],
)
def test_a_function_that_cannot_be_used_is_refused(function, parameters, options, error, match):
    with pytest.raises(error, match=match):
        xray.user_model(function, parameters, **options)
