"""How long simulated spectra take, beside loops of numpy and of sherpa's fake_pha; and what a feasibility saves.

Run ``python benchmarks/simulations.py``. Each simulates XMM-Newton's pn with its background scaled to the source: ours
all realizations at once, labelled and stamped; the loop of numpy folds once and draws with a plain generator, without
labels; sherpa's ``fake_pha`` folds and draws anew each time. CPU seconds depend on the machine, ratios hardly. sherpa
is left out where it is not installed.

Last printed (two shared cores, Python 3.11)::

    1,000 spectra and backgrounds of 4,096 channels: 0.17 s, 6,053 a second
    a loop of numpy:                                   0.15 s, 0.91 × ours
    sherpa fake_pha, without a background:             0.47 s, 2.84 × ours
    errors from the Fisher matrix 0.052 s, from 200 fits 0.36 s: 7 ×
"""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.resources import files

import numpy as np

MANY = 1000
MODEL = "powerlaw(photon_index=2, norm=4.5e-4)"


def seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """Return the least CPU seconds of some runs."""
    spent = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return min(spent)


def numpy_loop() -> Callable[[], object]:
    """Return a loop that draws source and background spectra one after the other, and keeps the counts."""
    from analysis.xray.simulation import expectation

    expected = expectation(MODEL, "xmm_pn", "20 ks")
    assert expected.beside is not None
    total, beside = expected.source + expected.behind, expected.beside

    def work() -> None:
        rng = np.random.default_rng(1)
        _ = [(rng.poisson(total), rng.poisson(beside)) for _ in range(MANY)]

    return work


def sherpa_loop(number: int) -> Callable[[], object] | None:
    """Return a loop of sherpa's fake_pha over the same files, or None without sherpa."""
    try:
        from sherpa.astro import io
        from sherpa.astro.data import DataPHA
        from sherpa.astro.fake import fake_pha
        from sherpa.astro.instrument import Response1D
        from sherpa.models.basic import PowLaw1D
    except ImportError as error:
        print(f"sherpa is left out: {error}")
        return None
    folder = files("analysis.sample")
    arf = io.read_arf(str(folder.joinpath("ngc7793_ulx4_pn.arf")))
    rmf = io.read_rmf(str(folder.joinpath("ngc7793_ulx4_pn.rmf.gz")))
    channel = np.arange(rmf.offset, rmf.offset + rmf.detchans)
    data = DataPHA("pn", channel, np.zeros(channel.size), exposure=20_000.0)
    data.set_arf(arf)
    data.set_rmf(rmf)
    bare = PowLaw1D("p")
    bare.gamma, bare.ampl = 2.0, 4.5e-4
    model = Response1D(data)(bare)

    def work() -> None:
        for _ in range(number):
            fake_pha(data, model, is_source=False, add_bkgs=False)

    return work


def main() -> None:
    """Print a table of seconds and ratios."""
    from analysis import xray

    pn = xray.instrument("xmm_pn")

    def at_once() -> object:
        return xray.simulated_spectrum(MODEL, pn, "20 ks", realizations=MANY)

    def feasible() -> object:
        return xray.feasibility(MODEL, {"pn": pn}, ["20 ks"], band=(0.5, 8), min_counts=20)

    def by_fits() -> object:
        return xray.feasibility(MODEL, {"pn": pn}, ["20 ks"], band=(0.5, 8), min_counts=20, check=200)

    at_once(), feasible()
    ours = seconds(at_once)
    print(f"{MANY:,} spectra and backgrounds of 4,096 channels: {ours:.2f} s, {MANY / ours:,.0f} a second")
    plain = seconds(numpy_loop())
    print(f"a loop of numpy:                                   {plain:.2f} s, {plain / ours:.2f} × ours")
    few = MANY // 20
    loop = sherpa_loop(few)
    if loop is not None:
        loop()
        theirs = seconds(loop) * MANY / few
        print(f"sherpa fake_pha, without a background:             {theirs:.2f} s, {theirs / ours:.2f} × ours")
    fisher, fits = seconds(feasible), seconds(by_fits, 1)
    print(f"errors from the Fisher matrix {fisher:.3f} s, from 200 fits {fits:.2f} s: {fits / fisher:.0f} ×")


if __name__ == "__main__":
    main()
