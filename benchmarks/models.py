"""How long our components of models take beside XSPEC's compiled ones, and how far the two differ.

Run ``python benchmarks/models.py``; the peer is the extra ``xspec`` (xspectrampoline, HEASoft's compiled functions),
called as its own package does it, without what we put around it. 2,000 bins from 0.1 to 50 keV; a ratio above 1 says
that ours takes longer. Differences are relative, where the model is above 1e-6 of its maximum.

What stays the same while parameters vary is prepared once by ours (absorbers' depths, the matrix of a smoothing whose
width is held); XSPEC's functions begin anew each time.

Last printed (two shared cores, Python 3.11)::

    2,000 bins    ours, ms  XSPEC, ms   ratio  largest difference    median
    powerlaw         0.024      0.050    0.48             2.0e-13   3.9e-14
    cutoffpl         0.055      2.857    0.02             1.2e-10   1.8e-13
    bknpower         0.051      0.039    1.32             4.6e-13   5.9e-14
    logpar           0.044      0.093    0.47             3.5e-12   1.5e-12
    expdec           0.015      0.021    0.71             2.7e-04   1.3e-05
    pegpwrlw         0.030      0.025    1.20             1.5e-04   1.1e-04
    bbody            0.040      0.022    1.84             3.5e-04   7.7e-07
    bbodyrad         0.038      0.022    1.73             3.5e-04   7.8e-07
    diskbb           0.131      0.737    0.18             8.4e-04   7.4e-04
    bremss           0.673      0.102    6.62             1.7e-04   4.9e-05
    gaussian         0.057      0.016    3.65             1.8e-10   6.4e-15
    lorentz          0.018      0.042    0.44             8.7e-01   8.9e-12
    edge             0.030      0.016    1.84             5.8e-06   0.0e+00
    expabs           0.007      0.021    0.35             2.0e-04   8.7e-07
    highecut         0.011      0.021    0.51             6.1e-04   2.5e-04
    gabs             0.064      0.050    1.28             6.3e-04   0.0e+00
    tbabs            0.006      1.252    0.00             5.9e-01   1.4e-05
    phabs            0.006      7.740    0.00             3.5e-01   1.4e-05
    wabs             0.007      0.034    0.22             1.5e-01   1.4e-05
    zashift          0.179      0.037    4.87             2.2e-04   1.6e-06
    gsmooth          0.982      5.565    0.18             5.7e-03   3.4e-06
    cflux            0.337      0.017   20.36             1.1e-05   1.1e-05

Where differences are large: bins that hold an absorption edge (the absorbers and gsmooth there), and the far wings of
lorentz, which XSPEC cuts away.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

EDGES = np.geomspace(0.1, 50, 2001).astype(np.float32).astype(float)
# ours, XSPEC's function, values in XSPEC's order
PAIRS: list[tuple[str, str, list[float]]] = [
    ("powerlaw", "C_powerLaw", [1.7]),
    ("cutoffpl", "C_cutoffPowerLaw", [1.7, 5.0]),
    ("bknpower", "C_brokenPowerLaw", [1.2, 3.0, 2.5]),
    ("logpar", "C_logpar", [1.5, 0.2, 3.0]),
    ("expdec", "xsxpdec_", [0.7]),
    ("pegpwrlw", "xspegp_", [2.2, 2.0, 10.0]),
    ("bbody", "xsblbd_", [1.0]),
    ("bbodyrad", "xsbbrd_", [1.0]),
    ("diskbb", "xsdskb_", [1.0]),
    ("bremss", "xsbrms_", [7.0]),
    ("gaussian", "C_gaussianLine", [6.4, 0.1]),
    ("lorentz", "C_lorentzianLine", [6.4, 0.1]),
    ("edge", "xsedge_", [7.0, 1.0]),
    ("expabs", "xsabsc_", [2.0]),
    ("highecut", "xshecu_", [3.0, 4.0]),
    ("gabs", "C_gaussianAbsorptionLine", [2.0, 0.05, 0.2]),
    ("tbabs", "C_tbabs", [0.1]),
    ("phabs", "xsphab_", [0.1]),
    ("wabs", "xsabsw_", [0.1]),
    ("zashift", "C_zashift", [0.2]),
    ("gsmooth", "C_gsmooth", [0.1, 0.0]),
    ("cflux", "C_cflux", [0.5, 10.0, -12.0]),
]
ABUNDANCES = {"tbabs": b"wilm", "phabs": b"aspl"}


def seconds(work: Callable[[], object], repeats: int = 20) -> float:
    """Return the least CPU seconds of some runs."""
    work()
    spent = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return min(spent)


def main() -> None:
    """Print a table of milliseconds, ratios and differences."""
    import ctypes

    from analysis import xray
    from analysis.xray.evaluation import Evaluator

    try:
        import xspectrampoline
    except ImportError as error:
        print(f"XSPEC is left out: {error}")
        return
    library = xspectrampoline.get_libraries()
    low, high = EDGES[:-1].copy(), EDGES[1:].copy()
    base = xray.model("expabs * powerlaw(photon_index=2)")
    inner = Evaluator(base, low, high).flux(base.values)
    print(f"{'2,000 bins':12}{'ours, ms':>10}{'XSPEC, ms':>11}{'ratio':>8}{'largest difference':>20}{'median':>10}")
    for word, symbol, values in PAIRS:
        library.lib_xs_functions.FPSOLR(ABUNDANCES.get(word, b"angr"), ctypes.byref(ctypes.c_int()))
        function = library.get_model(symbol)
        kind = np.float32 if symbol.endswith("_") else np.float64
        given = EDGES.astype(kind), np.array(values, kind), np.zeros(low.size, kind), np.zeros(low.size, kind)
        source = xray.model(word)
        convolves = source.kind == "convolution"
        source = source * base if convolves else source
        evaluator = Evaluator(source, low, high)
        full = {**source.values, **dict(zip(source.parameters, values, strict=False))}

        def theirs() -> np.ndarray:
            given[2][:] = inner if convolves else 0  # noqa: B023
            function(*given)  # noqa: B023
            return given[2].astype(float)  # noqa: B023

        def ours() -> np.ndarray:
            evaluator._last.clear()  # noqa: B023
            return evaluator.flux(full)  # noqa: B023

        made, exact = ours(), theirs()
        inside = np.arange(low.size) < (1400 if convolves else low.size)  # XSPEC has nothing beyond the ends
        high_enough = (exact > 1e-6 * exact.max()) & inside
        off = np.abs(made[high_enough] / exact[high_enough] - 1)
        if word in ("tbabs", "phabs", "wabs"):
            off = np.abs(np.log(made[high_enough]) / np.log(exact[high_enough]) - 1)
        spent = seconds(ours), seconds(theirs)
        print(
            f"{word:12}{1e3 * spent[0]:10.3f}{1e3 * spent[1]:11.3f}{spent[0] / spent[1]:8.2f}{off.max():20.1e}"
            f"{np.median(off):10.1e}"
        )


if __name__ == "__main__":
    main()
