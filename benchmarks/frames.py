"""How long 1e5 vectors take from GSE to other frames, beside pyspedas and spacepy.

Run ``python benchmarks/frames.py`` (``--n 10000`` for fewer vectors, a second apart). CPU seconds depend on the host,
ratios hardly; the last column is the angle between the peer's result and ours. spacepy makes an object for each time,
so it gets 2,000 of them and its seconds are scaled up. The peers need the extra ``peers``: ``pip install -e .[peers]``.

Last printed (two shared cores, Python 3.11, pyspedas 2, spacepy 0.7)::

    100000 vectors from GSE                   CPU s    × ours      apart
    GSM    plasma.to_frame                    0.053
    GSM    pyspedas                           0.369         7    0.0044°
    GSM    spacepy                          698.571     13290    0.0025°
    SM     plasma.to_frame                    0.045
    SM     pyspedas                           0.750        17    0.0045°
    SM     spacepy                          685.183     15278    0.0035°
    GEO    plasma.to_frame                    0.022
    GEO    pyspedas                           0.336        15    0.0065°
    GEO    spacepy                          180.627      8066    0.0033°
    MAG    plasma.to_frame                    0.029
    MAG    pyspedas                           2.201        76    0.0065°
    MAG    spacepy                          683.125     23707    0.0037°
    GEI    plasma.to_frame                    0.013
    GEI    pyspedas                           0.179        14    0.0069°
    GEI    spacepy                          171.752     13570    0.0033°
    J2000  plasma.to_frame                    0.017
    J2000  pyspedas                           1.009        61    0.0070°
    J2000  spacepy                          174.879     10502    0.0033°
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import time
import warnings
from collections.abc import Callable

import numpy as np
import xarray as xr

REPEATS = 5
FRAMES = ("GSM", "SM", "GEO", "MAG", "GEI", "J2000")


def data(number: int) -> xr.DataArray:
    """Return random vectors, a second apart."""
    times = np.datetime64("2015-10-16", "ns") + np.arange(number) * np.timedelta64(1, "s")
    return xr.DataArray(
        np.random.default_rng(1).normal(size=(number, 3)),
        dims=("time", "component"),
        coords={"time": times, "component": ["x", "y", "z"]},
        name="b",
        attrs={"units": "nT", "frame": "GSE"},
    )


def ours(b: xr.DataArray, frame: str) -> Callable[[], np.ndarray]:
    """Return our way, labels and checks included."""
    from analysis import plasma

    return lambda: plasma.to_frame(b, frame).values


def pyspedas(b: xr.DataArray, frame: str) -> Callable[[], np.ndarray]:
    """Return pyspedas' cotrans on bare arrays."""
    from pyspedas import cotrans

    logging.disable(logging.INFO)
    seconds = (b.time.values - np.datetime64("1970-01-01", "ns")) / np.timedelta64(1, "s")
    values = b.values

    def work() -> np.ndarray:
        return np.asarray(cotrans(data_in=values, time_in=seconds, coord_in="gse", coord_out=frame.lower()))

    return work


def spacepy(b: xr.DataArray, frame: str) -> Callable[[], np.ndarray]:
    """Return spacepy's Coords with its own transformations, one for each time."""
    from spacepy.coordinates import Coords
    from spacepy.time import Ticktock

    coords = Coords(b.values, "GSE", "car", use_irbem=False)
    coords.ticks = Ticktock(np.array([str(stamp)[:19] for stamp in b.time.values]), "ISO")
    name = {"GEI": "ECIMOD", "J2000": "ECI2000", "MAG": "CDMAG"}.get(frame, frame)
    return lambda: np.asarray(coords.convert(name, "car").data)


def spent(work: Callable[[], np.ndarray], repeats: int) -> tuple[float, np.ndarray]:
    """Return the least CPU seconds, and the result."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        result = work()
        times.append(time.process_time() - start)
    return min(times), result


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """Return the largest angle between vectors, in degrees."""
    unit = [array / np.linalg.norm(array, axis=1, keepdims=True) for array in (one, other)]
    return float(np.degrees(2 * np.arcsin(np.linalg.norm(unit[0] - unit[1], axis=1).max() / 2)))


def main() -> None:
    """Print a table of CPU seconds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=100_000, help="number of vectors (default 100000)")
    number = parser.parse_args().n
    warnings.simplefilter("ignore")
    peers = {"pyspedas": pyspedas, "spacepy": spacepy}
    for name in [name for name in peers if importlib.util.find_spec(name) is None]:
        print(f"{name} is not installed, so it is left out: pip install -e .[peers]")
        del peers[name]
    print(f"{number} vectors from GSE{'CPU s':>24}{'× ours':>10}{'apart':>11}")
    b = data(number)
    for frame in FRAMES:
        own, result = spent(ours(b, frame), REPEATS)
        print(f"{frame:6} plasma.to_frame{own:25.3f}")
        for name, peer in peers.items():
            thinned = b if name == "pyspedas" else b[:: max(1, number // 2000)]  # spacepy is slow: 2000, and scaled
            seconds, theirs = spent(peer(thinned, frame), 1)
            seconds *= number / thinned.sizes["time"]
            angle = apart(theirs, result[:: number // thinned.sizes["time"]][: len(theirs)])
            print(f"{frame:6} {name:15}{seconds:25.3f}{seconds / own:10.0f}{angle:10.4f}°")


if __name__ == "__main__":
    main()
