"""Collisional plasma from tables in AtomDB's layout: made up, with spectra that can be computed by hand."""

import json
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from model_files import KNOTS, continuum, line_emissivity, write_plasma

from analysis import store, xray
from analysis.errors import BadOption, CorruptFile, MissingFile, Offline, WrongData
from analysis.model import check
from analysis.xray.abundances import NUMBERS, abundances_of
from analysis.xray.evaluation import Evaluator

HC = 12.398419843320026


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return write_plasma(tmp_path_factory.mktemp("plasma"))


@pytest.fixture(scope="module")
def tables(files):
    return xray.plasma_tables(lines=files[0], continua=files[1])


def flux(source, edges):
    return Evaluator(source, edges[:-1].copy(), edges[1:].copy()).flux(source.values)


def test_tables_say_their_temperatures(tables):
    assert tables.kt.values.tolist() == [1, 2, 4] and tables.line_count.values.tolist() == [5, 5, 5]
    assert tables.attrs["tables"] == "apec_made_line.fits, apec_made_coco.fits"
    check(tables)


def test_a_line_stands_at_its_energy_with_its_emissivity_times_the_norm(tables):
    """1e14 × 5e-17 exp(-3/kT) photons at hc / 1 Å for a norm of 1, above the continuum; a norm of 3 has thrice that."""
    edges = np.array([HC - 0.01, HC + 0.01])
    source = xray.apec(tables).with_values({"kt": 2.0, "norm": 3.0})
    without = source.with_values({"abundance": 0.0})
    iron_line = 1e14 * 3 * line_emissivity(4, 2.0)
    metals = sum(np.interp(HC, KNOTS, continuum(z, KNOTS, 2.0)) for z in (6, 8, 26))
    pseudo = sum(np.interp(HC, [0.01, 60], [1e-19 * z, 2e-19 * z]) for z in (6, 8, 26))
    expected = iron_line + 1e14 * 3 * 0.02 * (metals + pseudo)
    assert flux(source, edges)[0] - flux(without, edges)[0] == pytest.approx(expected, rel=1e-6, abs=0)


def test_continua_are_linear_between_their_energies_and_integrated_exactly(tables):
    edges = np.concatenate([np.geomspace(0.02, 40, 7), [41.0]])
    source = xray.apec(tables).with_values({"kt": 1.0, "abundance": 0.0})
    fine = np.union1d(np.linspace(0.02, 41, 400_001), KNOTS[(KNOTS > 0.02) & (KNOTS < 41)].astype(float))
    density = sum(
        np.interp(fine, KNOTS, continuum(z, KNOTS, 1.0)) + np.interp(fine, [0.01, 60], [1e-19 * z, 2e-19 * z])
        for z in (1, 2)
    )
    pieces = np.diff(fine) * (density[1:] + density[:-1]) / 2
    exact = 1e14 * np.histogram((fine[1:] + fine[:-1]) / 2, edges, weights=pieces)[0]
    assert flux(source, edges) == pytest.approx(exact, rel=1e-3, abs=0)


def test_a_continuum_may_step_at_an_energy_that_comes_twice():
    from analysis.xray.component_plasma import _integral_above

    x, y = np.array([0.0, 1.0, 1.0, 2.0, 2.0]), np.array([1.0, 1.0, 3.0, 3.0, 0.0])
    assert _integral_above(x, y, np.array([-1.0, 0.5, 1.0, 1.5, 2.0, 9.0])).tolist() == [4, 3.5, 3, 1.5, 0, 0]


def test_between_temperatures_photons_are_linear_in_kt(tables):
    edges = np.geomspace(0.2, 15, 101)
    at = {kt: flux(xray.apec(tables).with_values({"kt": kt}), edges) for kt in (2.0, 2.5, 4.0)}
    assert at[2.5] == pytest.approx(0.75 * at[2.0] + 0.25 * at[4.0], rel=1e-12, abs=0)


def test_abundances_are_relative_to_the_table_that_was_chosen(tables):
    edges = np.array([HC - 1e-4, HC + 1e-4])
    pure = {name: flux(xray.apec(tables, abundances=name), edges)[0] for name in ("angr", "wilm")}
    iron = {name: abundances_of(name)[26] for name in pure}
    assert pure["wilm"] / pure["angr"] == pytest.approx(iron["wilm"] / iron["angr"], rel=0.01, abs=0)
    assert abundances_of("angr")[8] == 8.51e-4 and abundances_of("wilm")[3] == 0 and len(NUMBERS) == 9


def test_an_element_of_its_own_is_left_out_of_the_common_abundance(tables):
    edges = np.geomspace(0.2, 15, 101)
    source = xray.apec(tables, elements=["Fe"])
    both = source.with_values({"fe": 0.4, "abundance": 0.4})
    assert flux(both, edges) == pytest.approx(
        flux(xray.apec(tables).with_values({"abundance": 0.4}), edges), rel=1e-12, abs=0
    )
    assert list(xray.model("vapec").parameters)[1:4] == ["vapec.he", "vapec.c", "vapec.n"]
    assert "vapec.abundance" not in xray.model("vapec").parameters


def test_thermal_width_spreads_a_line_and_keeps_its_photons(tables):
    """Iron at kT = 2 keV: σ = E √(kT / m c²) = 12.398 √(2 / 55.845 × 931494) = 2.43 eV."""
    edges = np.linspace(HC - 0.03, HC + 0.03, 601)
    narrow, broad = (
        flux(xray.apec(tables, broadened=b).with_values({"kt": 2.0}), edges)
        - flux(xray.apec(tables, broadened=b).with_values({"kt": 2.0, "abundance": 0.0}), edges)
        for b in (False, True)
    )
    assert broad.sum() == pytest.approx(narrow.sum(), rel=1e-6, abs=0)
    line = broad - np.median(broad)
    middle = (edges[1:] + edges[:-1]) / 2
    sigma = np.sqrt((line @ (middle - HC) ** 2) / line.sum())
    assert sigma == pytest.approx(HC * np.sqrt(2 / (55.845 * 931494.1)), rel=0.01, abs=0)


def test_at_a_redshift_lines_move_and_photons_come_rarer(tables):
    edges = np.geomspace(0.2, 15, 101)
    far = xray.apec(tables).with_values({"redshift": 0.5})
    assert flux(far, edges / 1.5) == pytest.approx(flux(xray.apec(tables), edges) / 1.5, rel=1e-12, abs=0)


def test_a_plasma_is_part_of_expressions_and_told_in_results(tables):
    source = xray.model("tbabs * hot", components={"hot": xray.apec(tables, abundances="wilm")})
    made = xray.photon_flux(source, xray.energy_bins(0.3, 10, 100))
    assert made.attrs["abundances"] == "tbabs: wilm; hot: wilm" and "AtomDB" not in made.attrs["model"]
    assert "hot: not broadened" in made.attrs["lines"]


ORACLE = """
import ctypes, json, sys
import numpy as np, xspectrampoline
library = xspectrampoline.get_libraries()
library.lib_xs_functions.FPMSTR(b"APECROOT", sys.argv[1].encode())
edges = np.geomspace(0.1, 20, 401)
apec, found = library.get_model("C_apec"), []
for thermal in (b"no", b"yes"):
    library.lib_xs_functions.FPMSTR(b"APECTHERMAL", thermal)
    for parameters in json.loads(sys.argv[2]):
        flux, error = np.zeros(400), np.zeros(400)
        apec(edges, np.array(parameters, float), flux, error)
        found.append(flux.tolist())
print("FOUND" + json.dumps(found))
"""


@pytest.mark.slow
def test_photons_are_those_of_xspecs_own_apec_on_the_same_tables(files, tables):
    """XSPEC's compiled apec (HEASoft 6.35) reads the same files: equal to 1e-11, thermal widths to 1e-4 of a bin."""
    if find_spec("xspectrampoline") is None:  # not imported: it would load its symbols for the whole process
        pytest.skip("XSPEC's models come with an extra, for Linux and macOS")
    asked = [[1.0, 1.0, 0.0], [1.5, 0.3, 0.0], [3.0, 1.0, 0.2], [3.9, 2.0, 1.0]]
    root = str(files[0]).removesuffix("_line.fits")
    ran = subprocess.run([sys.executable, "-c", ORACLE, root, json.dumps(asked)], capture_output=True, text=True)
    found = np.array(json.loads(ran.stdout.split("FOUND")[1]))
    edges = np.geomspace(0.1, 20, 401)
    for i, (kt, abundance, z) in enumerate(asked):
        values = {"kt": kt, "abundance": abundance, "redshift": z}
        assert flux(xray.apec(tables).with_values(values), edges) == pytest.approx(found[i], rel=1e-11, abs=0)
        broad = flux(xray.apec(tables, broadened=True).with_values(values), edges)
        assert np.abs(broad - found[i + len(asked)]).max() < 1e-4 * broad.max()


# ------------------------------------------------------------------------------------------ refusals


def test_without_network_the_tables_are_named_and_how_to_have_them():
    with store.offline(), pytest.raises(Offline, match=r"some 230 MB: call xray.plasma_tables\('3.0.9'\)"):
        xray.plasma_tables()
    with store.offline(), pytest.raises(Offline, match="lines= and continua="):
        xray.photon_flux("apec", xray.energy_bins(1, 2, 3))


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"elements": ["Xx"]}, BadOption, "no element"),
        ({"elements": ["H"]}, BadOption, "no element"),
        ({"abundances": "solar"}, BadOption, "known are angr"),
        ({"word": "powerlaw"}, BadOption, "a component already"),
        ({"word": "a b"}, BadOption, "must be a name"),
    ],
)
def test_a_wrong_plasma_is_refused(tables, options, error, match):
    with pytest.raises(error, match=match):
        xray.apec(tables, **options)


@pytest.mark.slow
def test_other_datasets_and_files_are_no_tables(tables, files, tmp_path):
    with pytest.raises(WrongData, match="plasma_tables returns"):
        xray.apec(xray.energy_bins(1, 2, 3))
    with pytest.raises(BadOption, match="two files"):
        xray.plasma_tables(lines=files[0])
    with pytest.raises(MissingFile):
        xray.plasma_tables(lines=tmp_path / "a", continua=tmp_path / "b")
    (tmp_path / "text").write_text("no FITS")
    with pytest.raises(CorruptFile, match="cannot be read as FITS"):
        xray.plasma_tables(lines=tmp_path / "text", continua=tmp_path / "text")
    other = write_plasma(tmp_path, kts=(1.0, 3.0, 5.0))
    with pytest.raises(WrongData, match="same temperatures"):
        xray.plasma_tables(lines=files[0], continua=other[1])
    (tmp_path / "bad").mkdir()
    bad = write_plasma(tmp_path / "bad", wavelengths=[1.0, -2.0, 3.0, 4.0, 5.0])
    with pytest.raises(WrongData, match="without wavelength"):
        flux(xray.apec(xray.plasma_tables(lines=bad[0], continua=bad[1])), np.array([1.0, 2.0]))


def test_temperatures_outside_the_tables_are_refused(tables):
    with pytest.raises(BadOption, match="outside its bounds 1 to 4 keV"):
        xray.apec(tables).with_values({"kt": 5.0})
