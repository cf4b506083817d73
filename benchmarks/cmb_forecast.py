"""Theory for a slider and a thousand LiteBIRDs: ours beside CAMB asked anew each time.

    python benchmarks/cmb_forecast.py

The forecast draws 1,000 simulated B-mode spectra (ℓ = 2 to 200) and finds the r of greatest likelihood of each.
Compare ratios, not seconds.

Last printed (two cores shared with others, CAMB 2.0.5, one thread)::

    theory_spectra, another r: 2.9 ms, CAMB anew 1.97 s: 683 x
    emulated_spectra, another r, n_t, τ: 2.4 ms, CAMB anew 1.97 s: 817 x
    the emulator's models, once: 33 s
    1,000 LiteBIRDs, in memory: 0.07 s
"""

from __future__ import annotations

import time
from collections.abc import Callable

import camb

from analysis import cmb
from analysis.cmb.theory import PLANCK_2018, _parameters

ROUNDS = 5
ORDER = ("ombh2", "omch2", "theta_mc", "tau", "log_as", "ns", "mnu")


def seconds(action: Callable[[int], object], rounds: int = ROUNDS) -> float:
    """Return the least time of an action, which is told the round."""
    taken = []
    for number in range(rounds):
        start = time.perf_counter()
        action(number)
        taken.append(time.perf_counter() - start)
    return min(taken)


def by_camb(number: int) -> object:
    """Scalars and tensors to ℓ = 600, as the emulator gives them, for one more value of r."""
    asked = _parameters(tuple(PLANCK_2018[name] for name in ORDER))
    asked.WantTensors = True
    asked.InitPower.set_params(As=asked.InitPower.As, ns=asked.InitPower.ns, r=0.01 + number / 1000)
    asked.set_for_lmax(2600, lens_potential_accuracy=1)
    return camb.get_results(asked).get_total_cls(600, CMB_unit="muK", raw_cl=True)


def main() -> None:
    cmb.theory_spectra(lmax=600)
    start = time.perf_counter()
    cmb.emulated_spectra()
    built = time.perf_counter() - start
    anew = seconds(by_camb, 3)
    for name, taken in (
        ("theory_spectra, another r", seconds(lambda n: cmb.theory_spectra(r=0.01 + n / 1000, lmax=600))),
        ("emulated_spectra, another r, n_t, τ", seconds(lambda n: cmb.emulated_spectra(r=0.01, tau=0.05 + n / 1000))),
    ):
        print(f"{name}: {taken * 1e3:.1f} ms, CAMB anew {anew:.2f} s: {anew / taken:.0f} x")
    print(f"the emulator's models, once: {built:.0f} s")
    truth = cmb.forecast("litebird", r=0.001)
    whole = seconds(lambda n: cmb.estimated_r(cmb.simulated_bandpowers(truth, realizations=1000, seed=n), truth))
    print(f"1,000 LiteBIRDs, in memory: {whole:.2f} s")


if __name__ == "__main__":
    main()
