"""How long fits of X-ray spectra take, beside sherpa, and what one of many costs.

Run ``python benchmarks/fitting.py`` (``--many 200`` for fewer spectra). NGC 7793 ULX4, EPIC-pn, 1,506 channels from 0.5
to 8 keV with their background by the W statistic, tbabs * powerlaw; sherpa takes the same σ(E) as a model of the
user's. CPU seconds, the least of some runs: of the minimization alone, from the same start and from 16 more, and of
the whole call, which reads nothing but compiles the response. sherpa is no dependency of ours; where it is not
installed, it is left out.

Last printed (two shared cores with other work on them, Python 3.11)::

    W of 1,506 channels            s  × ours
    ours, from one start      0.0163     1.0
    ours, from 16 more        0.0530     3.3
    xray.fit, all of it       0.1183     7.3
    sherpa levmar             0.0315     1.9
    sherpa neldermead         0.3220    19.8
    least W: ours 1768.227240, sherpa's 1768.227240

     spectra at once        s   s each  converged
                   1     0.20   0.1990          1
                  10     0.28   0.0285         10
                 100     0.86   0.0086        100
               1,000     7.63   0.0076      1,000
"""

from __future__ import annotations

import argparse
import logging
import time
import warnings
from collections.abc import Callable

import numpy as np
import xarray as xr

START = {"tbabs.nh": 0.1, "powerlaw.photon_index": 1.5, "powerlaw.norm": 3e-4}
MODEL = "tbabs * powerlaw"
BAND = (0.5, 8.0)


def seconds(work: Callable[[], object], repeats: int) -> float:
    """Return the least CPU seconds of some runs."""
    spent = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return min(spent)


def ours() -> tuple[dict[str, float], float]:
    """Return our seconds by name, and the least statistic."""
    from analysis import xray
    from analysis.xray.minimizing import least
    from analysis.xray.problems import posed

    data = xray.fetch("ngc7793_ulx4_pn")
    problem = posed(data, xray.model(MODEL).with_values(START), band=BAND, grouping=None)
    found = least(problem, starts=0, seed=0)
    return {
        "ours, from one start": seconds(lambda: least(problem, starts=0, seed=0), 7),
        "ours, from 16 more": seconds(lambda: least(problem, starts=16, seed=0), 7),
        "xray.fit, all of it": seconds(lambda: xray.fit(data, MODEL, values=START, band=BAND, grouping=None), 5),
    }, found.value


def sherpas() -> tuple[dict[str, float], float] | None:
    """Return sherpa's seconds by method, and the least statistic; None where it is not installed."""
    try:
        from sherpa.astro import ui
    except ImportError:
        print("sherpa is left out: it is not installed")
        return None
    logging.getLogger("sherpa").setLevel(logging.ERROR)
    from analysis import sample
    from analysis.xray.absorbers import sigma_at

    ui.clean()
    for load, name in (
        (ui.load_pha, "ngc7793_ulx4_pn.pha"),
        (ui.load_arf, "ngc7793_ulx4_pn.arf"),
        (ui.load_rmf, "ngc7793_ulx4_pn.rmf.gz"),
        (ui.load_bkg, "ngc7793_ulx4_pn_background.pha"),
    ):
        load(str(sample.path(name)))
    ui.ungroup()
    ui.notice(*BAND)
    depth: dict[int, np.ndarray] = {}

    def absorber(parameters: list[float], low: np.ndarray, high: np.ndarray) -> np.ndarray:
        if low.size not in depth:
            depth[low.size] = 1e22 * sigma_at((low + high) / 2, "tbabs")
        return np.exp(-parameters[0] * depth[low.size])

    ui.load_user_model(absorber, "absorber")
    ui.add_user_pars("absorber", ["nh"], [START["tbabs.nh"]], parmins=[0], parmaxs=[10])
    column, slope = ui.get_model_component("absorber"), ui.powlaw1d.slope
    ui.set_source(column * slope)
    ui.set_stat("wstat")
    found, value = {}, np.inf

    def work(method: str) -> Callable[[], object]:
        def run() -> float:
            column.nh, slope.gamma, slope.ampl = START.values()
            ui.set_method(method)
            ui.fit()
            return ui.calc_stat()

        return run

    for method in ("levmar", "neldermead"):
        found[f"sherpa {method}"] = seconds(work(method), 3)
        value = min(value, ui.calc_stat())
    return found, value


def stack(number: int) -> xr.DataTree:
    """Return simulated spectra like that of NGC 7793 ULX4, with backgrounds, and its response."""
    from analysis import xray

    data = xray.fetch("ngc7793_ulx4_pn")
    nodes = {name: data[name].to_dataset() for name in ("spectrum", "background", "rmf", "arf")}
    best = xray.fit(data, MODEL, values=START, band=BAND, grouping=None)
    source = xray.model(MODEL).with_values(dict(zip(best.parameter.values, best.value.values, strict=True)))
    whole = xray.response(nodes["rmf"], arf=nodes["arf"])
    seconds_, behind = float(nodes["spectrum"].exposure), nodes["background"]["counts"].values.astype(float)
    ratio = float(nodes["background"].exposure * nodes["background"].backscal) / (
        seconds_ * float(nodes["spectrum"].backscal)
    )
    rate = xray.folded(xray.photon_flux(source, nodes["arf"]), rmf=whole).values
    random = np.random.default_rng(1)
    drawn = {"spectrum": rate * seconds_ + behind / ratio, "background": behind}
    for name, mean in drawn.items():
        attrs = nodes[name]["counts"].attrs
        counts = random.poisson(mean, (number, mean.size))
        nodes[name] = nodes[name].drop_vars("counts").assign(counts=(("spectrum", "channel"), counts, attrs))
    return xr.DataTree.from_dict(nodes)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--many", type=int, default=1000)
    many = parser.parse_args().many
    warnings.simplefilter("ignore")
    from analysis import xray

    mine, value = ours()
    peer = sherpas()
    print(f"{'W of 1,506 channels':24}{'s':>8}{'× ours':>8}")
    for name, spent in {**mine, **(peer[0] if peer else {})}.items():
        print(f"{name:24}{spent:8.4f}{spent / mine['ours, from one start']:8.1f}")
    if peer:
        print(f"least W: ours {value:.6f}, sherpa's {peer[1]:.6f}")
    print(f"\n{'spectra at once':>16}{'s':>9}{'s each':>9}{'converged':>11}")
    whole = stack(many)
    for number in sorted({1, 10, 100, many}):
        part = whole.map_over_datasets(lambda d: d.isel(spectrum=slice(number)) if "spectrum" in d.dims else d)  # noqa: B023
        made: list[xr.Dataset] = []
        spent = seconds(
            lambda: made.append(xray.fit_many(part, MODEL, values=START, band=BAND, grouping=None)),  # noqa: B023
            1 if number > 100 else 3,
        )
        found = made[-1]
        print(f"{number:16,}{spent:9.2f}{spent / number:9.4f}{int(found.converged.sum()):11,}")


if __name__ == "__main__":
    main()
