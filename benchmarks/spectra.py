"""How long spectrograms, wavelets and wave polarization take, beside peers.

Run ``python benchmarks/spectra.py``. CPU seconds depend on the machine, ratios hardly. The peers need the extra
``peers``; one that is missing is left out. Our spectrogram takes seven tapers, pyspedas' one (Hann).

Last printed (two shared cores, Python 3.11)::

    work                 samples   ours, s   peer, s   ratio
    spectrogram           30,000      0.01      0.04     6.3 × pyspedas dpwrspc
    wavelets              30,000      0.08      2.18    26.7 × pyrfu wavelet
    polarization          30,000      0.14      7.79    57.7 × pyspedas wavpol
    spectrogram        1,000,000      0.10
    wavelets           1,000,000      8.69
    polarization       1,000,000      4.18
"""

from __future__ import annotations

import contextlib
import io
import time
import warnings
from collections.abc import Callable

import numpy as np
import xarray as xr

WINDOW = 256


def field(samples: int) -> xr.DataArray:
    """Return noise about a steady field, 64 samples a second."""
    values = np.random.default_rng(1).normal(size=(samples, 3)) + np.array([0, 0, 30])
    times = np.datetime64("2020-01-01", "ns") + np.arange(samples) * np.timedelta64(15_625_000, "ns")
    attrs = {"units": "nT", "frame": "GSE", "long_name": "Field"}
    return xr.DataArray(values, {"time": times, "component": list("xyz")}, ["time", "component"], "b", attrs)


def seconds(work: Callable[[], object], repeats: int = 2) -> float:
    """Return the least CPU seconds of some runs."""
    spent = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return min(spent)


def peers(b: xr.DataArray) -> dict[str, tuple[str, Callable[[], object]]]:
    """Return, for each of our works, a peer's name and the same by it."""
    found: dict[str, tuple[str, Callable[[], object]]] = {}
    unix = b["time"].values.astype(np.int64) / 1e9
    x, y, z = b.values.T
    try:
        from pyspedas.analysis.twavpol import wavpol
        from pyspedas import dpwrspc  # isort: skip

        found["spectrogram"] = "pyspedas dpwrspc", lambda: dpwrspc(unix, x, nboxpoints=WINDOW, nshiftpoints=WINDOW // 2)
        found["polarization"] = "pyspedas wavpol", lambda: wavpol(unix, x, y, z, nopfft=WINDOW, steplength=WINDOW // 2)
    except ImportError as error:
        print(f"pyspedas is left out: {error}")
    try:
        from pyrfu.pyrf import wavelet

        one = b.isel(component=0, drop=True)
        found["wavelets"] = "pyrfu wavelet", lambda: wavelet(one, f=[0.1, 20.0], n_freqs=60)
    except (ImportError, ValueError) as error:
        print(f"pyrfu is left out: {error}")
    return found


def main() -> None:
    """Print a table of seconds and ratios."""
    from analysis import plasma

    print(f"{'work':16}{'samples':>12}{'ours, s':>10}{'peer, s':>10}{'ratio':>8}")
    for samples in (30_000, 10**6):
        b = field(samples)
        x = b.isel(component=0, drop=True)
        ours = {
            "spectrogram": lambda: plasma.power_spectral_density(x, window=WINDOW),  # noqa: B023
            "wavelets": lambda: plasma.wavelet_power(x, frequencies=np.geomspace(0.1, 20, 60)),  # noqa: B023
            "polarization": lambda: plasma.wave_polarization(b, window=WINDOW),  # noqa: B023
        }
        others = peers(b) if samples < 10**5 else {}  # the slowest peer takes minutes for more
        for name, work in ours.items():
            work()
            spent = seconds(work)
            row = f"{name:16}{samples:12,}{spent:10.2f}"
            if name in others:
                peer, same = others[name]
                with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
                    warnings.simplefilter("ignore")
                    theirs = seconds(same, 1)
                row += f"{theirs:10.2f}{theirs / spent:8.1f} × {peer}"
            print(row)


if __name__ == "__main__":
    main()
