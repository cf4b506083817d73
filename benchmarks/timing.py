"""What labels, units and good times cost on top of stingray, and how long a search for pulsations takes beside its.

Run ``python benchmarks/timing.py`` (``--events 200000`` for fewer). Seconds depend on the machine, ratios hardly. Each
figure is the median CPU time of five runs in one process; what is compiled is compiled before. stingray is given
arrays that are ready, we the event tree. Equal results are checked first.

Last printed (two shared cores with other work on them, Python 3.11)::

    1,000,750 events in 4 intervals                 ours s  stingray s   ratio
    power spectrum, 256 segments of 2,048 bins      0.048      0.026    1.87
    cross spectrum, lags and coherence              0.087      0.055    1.59
    Z² search, 774 trials, chances, errors          1.425      2.140    0.67
    events to stingray's EventList, beside a copy    0.021      0.000   47.76
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable

import numpy as np

from analysis import xray

REPEATS = 5


def seconds(call: Callable[[], object]) -> float:
    """Return the median CPU time of a call."""
    taken = []
    for _ in range(REPEATS):
        begin = time.process_time()
        call()
        taken.append(time.process_time() - begin)
    return statistics.median(taken)


def line(name: str, ours: float, theirs: float) -> None:
    """Print a comparison."""
    print(f"{name:<44}{ours:>9.3f}{theirs:>11.3f}{ours / theirs:>8.2f}")


def main() -> None:
    """Compare, and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=1_000_000)
    wanted = parser.parse_args().events
    from stingray.fourier import avg_cs_from_timeseries, avg_pds_from_timeseries
    from stingray.pulse.search import z_n_search

    warnings.simplefilter("ignore")
    gti = [(5520.0 * k, 5520.0 * k + 1024.0) for k in range(4)]
    tree = xray.pulsed_events(wanted / 4096, 3.3, gti=gti, pulsed_fraction=0.1, seed=1)
    times, energy = tree["events"].time.values, tree["events"].energy.values
    intervals = np.array(gti)
    print(f"{times.size:,} events in {len(gti)} intervals                 ours s  stingray s   ratio")

    def our_power() -> object:
        return xray.power_spectrum(tree, 1 / 128, segment=16)

    def their_power() -> object:
        return avg_pds_from_timeseries(times, intervals, 16.0, 1 / 128, norm="leahy", silent=True)

    np.testing.assert_allclose(our_power().power, their_power()["power"])  # type: ignore[attr-defined,index]
    line("power spectrum, 256 segments of 2,048 bins", seconds(our_power), seconds(their_power))

    hard, soft = times[energy >= 2], times[energy < 2]

    def our_cross() -> object:
        return xray.cross_spectrum(tree, 1 / 128, segment=16, band=(2, 10), reference_band=(0.5, 2))

    def their_cross() -> object:
        return avg_cs_from_timeseries(hard, soft, intervals, 16.0, 1 / 128, norm="frac", silent=True, return_auxil=True)

    np.testing.assert_allclose(our_cross().cospectrum, their_cross()["power"].real)  # type: ignore[attr-defined,index]
    line("cross spectrum, lags and coherence", seconds(our_cross), seconds(their_cross))

    low, high = 3.29, 3.301
    grid = xray.pulse_search(tree, (low, high)).frequency.values
    later = np.append(times, times[-1] + 1e-6)  # its search leaves the last event out

    def our_search() -> object:
        return xray.pulse_search(tree, (low, high), epoch=float(times[0]))

    def their_search() -> object:
        return z_n_search(later, grid, nharm=2, nbin=64)

    np.testing.assert_allclose(our_search().statistic, their_search()[1])  # type: ignore[attr-defined,index]
    line(f"Z² search, {grid.size} trials, chances, errors", seconds(our_search), seconds(their_search))
    line("events to stingray's EventList, beside a copy", seconds(lambda: xray.to_stingray(tree)), seconds(times.copy))


if __name__ == "__main__":
    main()
