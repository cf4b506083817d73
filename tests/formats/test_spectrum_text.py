"""Text tables of power spectra: what they hold is told by their numbers, and a wrong label is refused aloud."""

import numpy as np
import pytest

from analysis import cmb, formats
from analysis.errors import AnalysisWarning, BadOption, CorruptFile, UnknownFormat, WrongData
from analysis.model import check

FULL, BINNED = np.arange(2, 1997), np.arange(47.5, 1990, 30)
NOISE = {"TT": 60.0, "TE": 30.0, "EE": 8.0}  # µK² of a multipole, about Planck's near ℓ = 1000


@pytest.fixture(scope="module")
def best_fit():
    """D_ℓ of Planck's best fit by spectrum, from ℓ = 0."""
    dl = cmb.d_ell(cmb.fetch("planck2018_lcdm").cl)
    return {label: dl.sel(spectrum=label).values for label in ("TT", "TE", "EE", "BB")}


def table(best_fit, label, *, ell=FULL, seed=1, factor=1.0, header="# l   Dl   -dDl   +dDl"):
    """Text like Planck's: measured D_ℓ with errors; binned ones have the best fit beside them."""
    binned = not np.array_equal(ell, np.round(ell))
    model = np.interp(ell, np.arange(best_fit[label].size), best_fit[label])
    error = np.full(ell.size, NOISE.get(label, 0.01)) / (5 if binned else 1)
    values = model + np.random.default_rng(seed).normal(size=ell.size) * error
    columns = [ell, values * factor, error * factor, 1.1 * error * factor] + [model * factor] * binned
    rows = "\n".join("  ".join(f"{v:.8e}" for v in row) for row in zip(*columns, strict=True))
    return f"{header}{'   BestFit' if binned else ''}\n{rows}\n"


def put(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    return tmp_path / name


@pytest.mark.parametrize("label", ["TT", "TE", "EE"])
@pytest.mark.parametrize("ell", [FULL, BINNED], ids=["full", "binned"])
def test_a_measured_spectrum_is_known_by_its_numbers(tmp_path, best_fit, label, ell):
    for seed in range(3):
        found = formats.read(put(tmp_path, "spectrum.txt", table(best_fit, label, ell=ell, seed=seed)))
        assert found.spectrum.values.tolist() == [label]
    assert found.dl.attrs["units"] == "uK2" and found.dl.attrs["long_name"] == "D_ℓ"
    assert ("best_fit" in found) == ("bin" in found.dims)
    np.testing.assert_allclose(found.error_high, 1.1 * found.error_low)
    np.testing.assert_allclose(found["ell_effective" if "bin" in found.dims else "ell"], ell)
    assert "D_ℓ in uK2" in found.attrs["history"]
    check(found)


def test_te_in_a_file_called_ee_is_refused_and_said_to_be_te(tmp_path, best_fit):
    name = "COM_PowerSpect_CMB-EE-binned_R3.01.txt"  # as the Planck Legacy Archive's own
    path = put(tmp_path, name, table(best_fit, "TE", ell=BINNED))
    with pytest.raises(
        WrongData, match=r"says EE, but the numbers are TE.*R3\.02 is right.*assume=\{'spectrum': 'TE'\}"
    ):
        formats.read(path)
    with pytest.raises(WrongData, match="'EE'} says EE, but the numbers are TE"):
        formats.read(path, assume={"spectrum": "EE"})
    with pytest.warns(AnalysisWarning, match="labelled TE, which its numbers are, not EE"):
        found = formats.read(path, assume={"spectrum": "TE"})
    assert found.spectrum.values.tolist() == ["TE"]
    assert "told by comparing" in found.attrs["history"]


def test_ee_in_a_file_called_te_is_refused_and_the_right_ones_are_read(tmp_path, best_fit):
    with pytest.raises(WrongData, match="says TE, but the numbers are EE"):
        formats.read(put(tmp_path, "COM_PowerSpect_CMB-TE-binned_R3.01.txt", table(best_fit, "EE", ell=BINNED)))
    for label in ("EE", "TE"):
        path = put(tmp_path, f"COM_PowerSpect_CMB-{label}-binned_R3.02.txt", table(best_fit, label, ell=BINNED))
        assert formats.read(path, assume={"spectrum": label}).spectrum.values.tolist() == [label]


@pytest.mark.parametrize(
    ("factor", "said"),
    [
        (1e-12, "look like D_ℓ in K2 of EE"),
        (1e-6, "look like D_ℓ in mK2 of EE"),
        (2 * np.pi / (FULL * (FULL + 1.0)), "look like C_ℓ in uK2 of EE"),
        (2.72548e6**-2, "divided by the square of the CMB's temperature of EE"),
        (-1.0, "no D_ℓ of EE"),
    ],
    ids=["K2", "mK2", "cl", "relative", "sign"],
)
def test_other_units_and_c_ell_are_refused_for_what_they_look_like(tmp_path, best_fit, factor, said):
    path = put(tmp_path, "CMB-EE-full.txt", table(best_fit, "EE", factor=factor))
    if np.ndim(factor) == 0 and factor < 0:
        rows = np.loadtxt(path)
        rows[:, 2:] *= -1
        np.savetxt(path, rows, header="l Dl -dDl +dDl")
    with pytest.raises(WrongData, match=said):
        formats.read(path)
    kept = formats.read(path, assume={"spectrum": "EE", "units": "K2"})
    assert kept.dl.attrs["units"] == "K2" and "as stated by the caller" in kept.attrs["history"]


def test_low_multipoles_are_labelled_by_the_caller_or_the_name_with_a_warning(tmp_path, best_fit):
    text = table(best_fit, "BB", ell=np.arange(2, 30))
    with pytest.raises(WrongData, match="too few multipoles to tell"):
        formats.read(put(tmp_path, "low.txt", text))
    assert formats.read(tmp_path / "low.txt", assume={"spectrum": "BB"}).spectrum.values.tolist() == ["BB"]
    with pytest.warns(AnalysisWarning, match="BB is what the name says"):
        named = formats.read(put(tmp_path, "COM_PowerSpect_CMB-low-ell-BB-full_R3.01.txt", text))
    assert named.spectrum.values.tolist() == ["BB"]


def test_a_theory_table_is_read_by_its_header_and_its_columns_are_judged(tmp_path, best_fit):
    def theory(order, header, lmax=1500):
        ell = np.arange(2, lmax + 1)
        return (
            header
            + "\n"
            + "\n".join(" ".join(f"{v:.6E}" for v in (n, *(best_fit[label][n] for label in order), 1e-7)) for n in ell)
        )

    found = formats.read(put(tmp_path, "a.theory_cl", theory(["TT", "TE", "EE", "BB"], "#  L TT TE EE BB PP")))
    assert found.spectrum.values.tolist() == ["TT", "TE", "EE", "BB"]
    np.testing.assert_allclose(found.dl.sel(spectrum="EE", ell=1000), best_fit["EE"][1000], rtol=1e-6)
    assert "left out: columns PP" in found.attrs["history"]
    with pytest.raises(WrongData, match="column EE are not that: they are TE"):
        formats.read(put(tmp_path, "b.dat", theory(["TT", "TE", "EE", "BB"], "# L TT EE TE BB PP")))
    with pytest.raises(WrongData, match="too few multipoles"):
        formats.read(put(tmp_path, "c.dat", theory(["TT", "TE", "EE", "BB"], "# L TT TE EE BB PP", lmax=100)))
    with pytest.raises(BadOption, match="names its spectra itself"):
        formats.read(tmp_path / "a.theory_cl", assume={"spectrum": "TT"})


def test_cut_and_broken_files_are_refused(tmp_path, best_fit):
    text = table(best_fit, "TT")
    for broken, said in (
        (text[: len(text) // 2].rstrip() + "\n5 5", "cut or no table"),
        (text.splitlines()[0], "names 4 columns and has 0"),
        (text + text.splitlines()[1], "do not increase"),
        (text.replace("5.00000000e+02", "nan"), "not finite"),
        (text.replace("  6.00000000e+01  6.6", "  -6.0e+01  6.6"), "must not be negative"),
    ):
        with pytest.raises(CorruptFile, match=said):
            formats.read(put(tmp_path, "spectrum.txt", broken))
    with pytest.raises(UnknownFormat, match="plain text"):
        formats.read(put(tmp_path, "other.txt", text.replace("-dDl", "sigma")))


@pytest.mark.parametrize(
    ("assume", "said"),
    [
        ({"spectrum": "ET"}, "none of TT"),
        ({"units": "m"}, "no square of a temperature"),
        ({"units": "nonsense"}, "nonsense"),
        ({"frame": "GSE"}, "spectrum, units"),
        ({"units": "K2"}, "are D_ℓ of TT in uK2"),
    ],
    ids=str,
)
def test_what_may_be_assumed_is_told(tmp_path, best_fit, assume, said):
    with pytest.raises(BadOption, match=said):
        formats.read(put(tmp_path, "spectrum.txt", table(best_fit, "TT")), assume=assume)


@pytest.mark.oracle
def test_plancks_own_best_fit_and_band_powers_are_known(oracle, tmp_path):
    base = oracle / "cmb" / "planck_bestfit" / "base_plikHM_TTTEEE_lowl_lowE.minimum.theory_cl"
    found = formats.read(base)
    bundled = cmb.d_ell(cmb.fetch("planck2018_lcdm").cl).sel(spectrum=["TT", "TE", "EE"], ell=slice(30, 2000))
    ratio = found.dl.sel(spectrum=["TT", "EE"]) / bundled.sel(spectrum=["TT", "EE"])
    assert abs(ratio - 1).max() < 0.01
    assert formats.read(oracle / "cmb" / "planck_lite" / "data" / "Dl_planck2015fit.dat").dl.sizes["spectrum"] == 3
    data = cmb.plik_lite_bandpowers(oracle / "cmb" / "planck_lite" / "data" / "planck2018_plik_lite")
    for label in ("TT", "TE", "EE"):  # measured numbers, in Planck's text format
        one = data.isel(point=data.label.values == label)
        ell = one.ell_effective.values
        to_dl = ell * (ell + 1) / (2 * np.pi)
        rows = np.column_stack([ell, one.bandpower * to_dl, one.error * to_dl, one.error * to_dl])
        np.savetxt(tmp_path / "spectrum.txt", rows, header="l Dl -dDl +dDl")
        assert formats.read(tmp_path / "spectrum.txt").spectrum.values.tolist() == [label]
