"""Our components beside XSPEC's compiled ones (HEASoft 6.35): the stated error of each, and whose it is."""

from importlib.util import find_spec

import numpy as np
import pytest

from analysis import xray
from analysis.xray.evaluation import Evaluator

if find_spec("xspectrampoline") is None:  # not imported: it would load its symbols for the whole process
    pytest.skip("XSPEC's models come with an extra, for Linux and macOS", allow_module_level=True)
pytestmark = pytest.mark.slow

EDGES = np.geomspace(0.1, 50, 2001).astype(np.float32).astype(float)  # a part of XSPEC counts in single precision

# ours, XSPEC's, values in XSPEC's order, largest relative difference where the model is above 1e-6 of its maximum
PAIRS = [
    ("powerlaw", "powerlaw", [1.7], 1e-12),
    ("zpowerlw", "zpowerlw", [1.7, 0.5], 1e-12),
    ("cutoffpl", "cutoffpl", [1.7, 5.0], 1e-9),
    ("zcutoffpl", "zcutoffpl", [1.7, 5.0, 0.5], 1e-9),
    ("bknpower", "bknpower", [1.2, 3.0, 2.5], 1e-11),
    ("bkn2pow", "bkn2pow", [1.2, 3.0, 2.5, 7.0, 3.5], 1e-11),
    ("logpar", "logpar", [1.5, 0.2, 3.0], 1e-10),
    ("expdec", "expdec", [0.7], 5e-4),  # theirs is the difference of two single-precision exponentials
    ("pegpwrlw", "pegpwrlw", [2.2, 2.0, 10.0], 2e-4),  # theirs has 1.602e-9 erg in a keV
    ("bbody", "bbody", [1.0], 5e-4),  # theirs is a trapezium
    ("bbodyrad", "bbodyrad", [1.0], 5e-4),
    ("zbbody", "zbbody", [1.0, 0.5], 5e-4),
    ("diskbb", "diskbb", [1.0], 1e-3),  # theirs sums rings, with another constant
    ("bremss", "bremss", [0.5], 2e-3),  # theirs is a trapezium across the steps of the Gaunt factor
    ("bremss", "bremss", [7.0], 3e-4),
    ("bremss", "bremss", [100.0], 1e-4),
    ("zbremss", "zbremss", [3.0, 0.5], 2e-3),
    ("gaussian", "gaussian", [6.4, 0.1], 1e-9),
    ("gaussian", "gaussian", [6.4, 0.0], 1e-12),
    ("zgauss", "zgauss", [6.4, 0.1, 0.5], 1e-9),
    ("edge", "edge", [7.0, 1.0], 2e-5),
    ("zedge", "zedge", [7.0, 1.0, 0.5], 2e-5),
    ("expabs", "expabs", [2.0], 5e-4),  # both take one energy a bin: the middle, and the mean of the ends
    ("highecut", "highecut", [3.0, 4.0], 1e-3),  # theirs begins 1 eV lower
    ("zhighect", "zhighect", [3.0, 4.0, 0.5], 1e-3),
    ("gabs", "gabs", [2.0, 0.05, 0.2], 1e-3),
    ("zgabs", "zgabs", [2.0, 0.05, 0.2, 0.5], 1e-3),
    ("constant", "constant", [3.0], 1e-12),
]


def flux(source, values, edges=EDGES):
    full = dict(zip(source.parameters, values, strict=False))
    return Evaluator(source, edges[:-1].copy(), edges[1:].copy()).flux({**source.values, **full})


@pytest.mark.parametrize(("ours", "theirs", "values", "error"), PAIRS)
def test_a_component_agrees_with_xspecs(ours, theirs, values, error):
    made, exact = flux(xray.model(ours), values), flux(xray.model(f"xspec.{theirs}"), values)
    high = exact > 1e-6 * exact.max()
    assert np.abs(made[high] / exact[high] - 1).max() < error


@pytest.mark.parametrize(("energy", "width"), [(6.4, 0.1), (1.0, 1.0), (0.2, 0.3)])
@pytest.mark.parametrize("word", ["gaussian", "lorentz"])
def test_a_line_has_its_norm_above_zero_as_in_xspec(word, energy, width):
    made, exact = (flux(xray.model(w), [energy, width]) for w in (word, f"xspec.{word}"))
    high = exact > 1e-3 * exact.max()  # far out XSPEC leaves the wings away
    assert made[high] == pytest.approx(exact[high], rel=1e-9)


@pytest.mark.parametrize(
    ("ours", "theirs", "most"),
    [
        ("tbabs(nh=0.1)", "xspec.TBabs(nH=0.1, abundances='wilm')", 0.02),
        ("phabs(nh=0.1)", "xspec.phabs(nH=0.1, abundances='aspl', cross_sections='vern')", 0.005),
        ("wabs(nh=0.1)", "xspec.wabs(nH=0.1)", 0.003),
        ("pcfabs(nh=0.1, covering_fraction=0.3)", "xspec.pcfabs(nH=0.1, CvrFract=0.3, abundances='aspl')", 0.005),
    ],
)
def test_absorption_agrees_but_for_the_bins_that_hold_an_edge(ours, theirs, most):
    """The tables are XSPEC's own with 10,000 steps: depths to 1e-5 (median), off by 1e-3 or more only at edges."""
    edges = np.geomspace(0.12, 19, 4001).astype(np.float32).astype(float)
    depths = [-np.log(flux(xray.model(word), [], edges)) for word in (ours, theirs)]
    off = np.abs(depths[0] / depths[1] - 1)
    assert np.median(off) < 1e-5 and (off > 1e-3).mean() < most


def test_redshifted_tbabs_keeps_grains_and_molecules_which_xspecs_ztbabs_has_not():
    edges = np.geomspace(0.3, 10, 1001).astype(np.float32).astype(float)
    depths = [
        -np.log(flux(xray.model(word), [], edges))
        for word in ("ztbabs(nh=0.1, redshift=0.2)", "xspec.zTBabs(nH=0.1, Redshift=0.2, abundances='wilm')")
    ]
    off = np.abs(depths[0] / depths[1] - 1)
    assert 1e-3 < np.median(off) < 0.02


@pytest.mark.parametrize(
    ("ours", "theirs", "error"),
    [
        ("zashift(redshift=0.5)", "xspec.zashift(Redshift=0.5)", 1e-6),
        ("gsmooth(sigma_6kev=0.1)", "xspec.gsmooth(Sig_6keV=0.1)", 1e-4),
        ("gsmooth(sigma_6kev=0.1, index=1)", "xspec.gsmooth(Sig_6keV=0.1, Index=1)", 1e-4),
        ("gsmooth(sigma_6kev=0.01, index=-1)", "xspec.gsmooth(Sig_6keV=0.01, Index=-1)", 2e-3),
        ("cflux", "xspec.cflux", 1e-4),
        ("cpflux(flux=0.1)", "xspec.cpflux(Flux=0.1)", 5e-4),
    ],
)
def test_convolutions_agree_away_from_the_ends_of_the_bins(ours, theirs, error):
    """XSPEC has nothing beyond the ends of the bins, and sums fluxes over whole ones."""
    edges = np.geomspace(0.1, 50, 4001)
    made, exact = (
        flux(xray.model(f"{word} * expabs * powerlaw(photon_index=2)"), [], edges) for word in (ours, theirs)
    )
    inside = slice(1200, 2800)
    assert np.abs(made[inside] / exact[inside] - 1).max() < error
