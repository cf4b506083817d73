"""How long variance analysis takes: one long interval, and many windows that slide along a series, beside peers.

Run ``python benchmarks/variance.py``. CPU seconds depend on the machine, ratios hardly. The peers need the extra
``peers`` (pyrfu wants matplotlib below 3.11 and geopack below 1.0.12); one that is missing is left out.

Last printed (two shared cores, Python 3.11)::

    one interval of              ours, s     pyspedas.minvar      pyrfu.pyrf.mva
             100,000 samples       0.020               7.0 ×               1.1 ×
           1,000,000 samples       0.094              11.3 ×               1.7 ×
          10,000,000 samples       0.881              12.9 ×               1.7 ×
    9,937 windows of 64            0.084              47.0 ×              40.1 ×   (peers: every 50th window, scaled)
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import xarray as xr

WINDOW = 64


def field(samples: int) -> xr.DataArray:
    """Return noise of unequal strength along three axes."""
    values = np.random.default_rng(1).normal(size=(samples, 3)) * [9, 3, 1]
    times = np.datetime64("2020-01-01", "ns") + np.arange(samples) * np.timedelta64(100, "ms")
    attrs = {"units": "nT", "frame": "GSE", "long_name": "Field"}
    return xr.DataArray(values, {"time": times, "component": list("xyz")}, ["time", "component"], "b", attrs)


def seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """Return the least CPU seconds of some runs."""
    work()
    spent = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return min(spent)


def peers() -> dict[str, Callable[[xr.DataArray], object]]:
    """Return the variance analyses of other packages that are installed, each of one interval."""
    found: dict[str, Callable[[xr.DataArray], object]] = {}
    try:
        from pyspedas import minvar

        found["pyspedas.minvar"] = lambda one: minvar(one.values)
    except ImportError as error:
        print(f"pyspedas is left out: {error}")
    try:
        from pyrfu.pyrf import mva

        found["pyrfu.pyrf.mva"] = lambda one: mva(one)
    except (ImportError, ValueError) as error:
        print(f"pyrfu is left out: {error}")
    return found


def main() -> None:
    """Print a table of seconds and ratios."""
    from analysis import plasma

    others = peers()
    print(f"{'one interval of':24}{'ours, s':>12}" + "".join(f"{name:>20}" for name in others))
    for samples in (10**5, 10**6, 10**7):
        whole = field(samples)
        ours = seconds(lambda: plasma.minimum_variance(whole))  # noqa: B023
        ratios = [seconds(lambda: other(whole), 1) / ours for other in others.values()]  # noqa: B023
        print(f"{samples:>16,} samples{ours:12.3f}" + "".join(f"{ratio:18.1f} ×" for ratio in ratios))
    series = field(10_000)
    windows = series.rolling(time=WINDOW).construct("sample")
    ours = seconds(lambda: plasma.minimum_variance(windows, dim="sample"))
    ends = range(WINDOW, 10_000, 50)
    row = f"{'9,937 windows of 64':24}{ours:12.3f}"
    for other in others.values():
        some = seconds(lambda: [other(series[end - WINDOW : end]) for end in ends], 1)  # noqa: B023
        row += f"{some / len(ends) * (10_000 - WINDOW + 1) / ours:18.1f} ×"
    print(row + "   (peers: every 50th window, scaled)")


if __name__ == "__main__":
    main()
