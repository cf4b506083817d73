"""How long superposed epochs with bootstrap bands take, beside spacepy's.

Run ``python benchmarks/epochs.py``. The same series, epochs, window and number of drawings; both give the median and
a 95 % band of it. CPU seconds depend on the machine, ratios hardly.
The peer is no dependency: ``pip install spacepy``.

Last printed (two shared cores, Python 3.11)::

      epochs   ours, s  spacepy, s   ratio   largest difference of medians
          50     0.052       1.277    24.6   1.4e-17; of bands 0.42
         200     0.114       1.950    17.2   0.0e+00; of bands 0.11
"""

from __future__ import annotations

import argparse
import datetime as dt
import time
from collections.abc import Callable

import numpy as np
import xarray as xr

from analysis import plasma

HOURS, SIDE, DRAWINGS = 100_000, 48, 800  # spacepy takes as much before as after, and draws 800 times


def series() -> xr.DataArray:
    """Return hourly noise with a memory of some hours."""
    noise = np.random.default_rng(1).normal(size=HOURS)
    values = np.convolve(noise, np.exp(-np.arange(48) / 8), mode="same")
    times = np.datetime64("2000-01-01", "ns") + np.arange(HOURS) * np.timedelta64(1, "h")
    attrs = {"units": "nT", "long_name": "Noise", "synthetic": "true"}
    return xr.DataArray(values, {"time": times}, ["time"], name="noise", attrs=attrs)


def ours(data: xr.DataArray, epochs: np.ndarray) -> np.ndarray:
    """Return the median and the ends of its band, row by row."""
    made = plasma.superposed_epoch(data, epochs, before=SIDE, after=SIDE, resamples=DRAWINGS)
    return np.stack([made[name].values for name in ("median", "median_low", "median_high")])


def spacepy(data: xr.DataArray, epochs: np.ndarray) -> np.ndarray:
    """Return the same by spacepy.seapy."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from spacepy.seapy import Sea

        stamps, centres = (times.astype("datetime64[us]").tolist() for times in (data.time.values, epochs))
        hour = dt.timedelta(hours=1)
        made = Sea(data.values, stamps, centres, window=SIDE * hour, delta=hour, verbose=False)
        made.sea(ci=95, ci_quan="median", quartiles=False)
    return np.stack([np.ravel(row) for row in (made.semedian, made.bound_low, made.bound_high)])


def seconds(run: Callable[[], object]) -> float:
    """Return the CPU seconds of the fastest of three runs."""
    taken = []
    for _ in range(3):
        began = time.process_time()
        run()
        taken.append(time.process_time() - began)
    return min(taken)


def main() -> None:
    """Print a row for each number of epochs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, nargs="+", default=[50, 200])
    data = series()
    print(f"{'epochs':>8}{'ours, s':>10}{'spacepy, s':>12}{'ratio':>8}   largest difference of medians")
    for number in parser.parse_args().epochs:
        epochs = data.time.values[np.random.default_rng(2).choice(np.arange(200, HOURS - 200), number, replace=False)]
        mine = seconds(lambda epochs=epochs: ours(data, epochs))
        try:
            theirs = seconds(lambda epochs=epochs: spacepy(data, epochs))
        except ImportError:
            print(f"{number:8}{mine:10.3f}   spacepy is not installed: left out")
            continue
        apart = np.abs(ours(data, epochs) - spacepy(data, epochs)).max(axis=1)
        print(
            f"{number:8}{mine:10.3f}{theirs:12.3f}{theirs / mine:8.1f}   {apart[0]:.1e}; of bands {apart[1:].max():.2f}"
        )


if __name__ == "__main__":
    main()
