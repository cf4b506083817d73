"""A large response from file to folding, beside sherpa and astropy.

Run ``python benchmarks/responses.py [--quick]``. One response of Resolve's kind is made (30,000 energies and channels,
a Gaussian core of 4.5 eV and an exponential tail, 1e7 elements; a tenth of it with --quick) and written by
``formats.write``. Then each reads it from the file cache to where a model can be folded: Sankō with ``formats.read``
(which checks the file, takes its SHA-256 and compares it with what was written) and ``xray.response`` with an effective
area; sherpa with ``unpack_rmf`` and ``unpack_arf``; astropy its columns as arrays of rows, which no fold can use yet.
CPU seconds, the least of five. sherpa is left out where it is not installed.

Last printed (two shared cores with other work on them, Python 3.11, sherpa 4.19, astropy 7.2)::

    30000 energies and channels, 9985139 elements, 37 MB
    written by formats.write              0.274 s
    formats.read and xray.response        0.385 s  (read alone 0.172 s)
    astropy, rows laid end to end         0.442 s  ratio to read alone 2.6
    sherpa, unpack_rmf and unpack_arf     0.405 s  ratio 1.1
    folded rates differ by at most 3.0e-16 of the largest
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import xarray as xr
from astropy.io import fits

from analysis import formats, xray
from analysis.model import stamp

WIDTH = 4.5e-3 / 2.3548  # keV
STEP = 4e-4


def seconds(work: Callable[[], object], runs: int = 5) -> float:
    """Return the least CPU seconds of a few runs."""
    spent = []
    for _ in range(runs):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return min(spent)


def made(size: int) -> tuple[xr.Dataset, xr.Dataset]:
    """Return a response with a core and a tail to low channels, and an area on its energies."""
    before, after = (250, 84) if size > 10_000 else (200, 60)
    index = np.arange(size)
    first, last = np.maximum(index - before, 0), np.minimum(index + after, size)
    counts = last - first
    place = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    offset = (np.repeat(first - index, counts) + place) * STEP
    shape = np.exp(-0.5 * (offset / WIDTH) ** 2) + 0.01 * np.exp(offset / 0.03) * (offset < 0)
    sums = np.bincount(np.repeat(index, counts), shape, size)
    shape /= np.repeat(sums, counts)
    kev, plain = {"units": "keV", "long_name": "Energy"}, {"units": "1", "long_name": "Number"}
    edges = 0.3 + STEP * np.arange(size + 1)
    told = {"title": "Made up", "institution": "none", "source": "none", "license": "CC0"}
    energies = {"energy_low": ("energy", edges[:-1], kev), "energy_high": ("energy", edges[1:], kev)}
    rmf = xr.Dataset(
        {
            **energies,
            "e_min": ("channel", edges[:-1], kev),
            "e_max": ("channel", edges[1:], kev),
            "first_channel": ("group", first, plain),
            "n_channels": ("group", counts, plain),
            "energy_index": ("group", index, plain),
            "matrix": ("element", shape.astype("f4"), {"units": "1", "long_name": "Response"}),
        },
        coords={"channel": ("channel", index, plain)},
        attrs={"synthetic": "true"},
    )
    arf = xr.Dataset({**energies, "effective_area": ("energy", 200 / edges[1:], {"units": "cm2", "long_name": "Area"})})
    return tuple(  # type: ignore[return-value]
        stamp(data, **told, references=["none"], history=["made up"], provenance={}) for data in (rmf, arf)
    )


def main() -> None:
    """Write the response, read it in each way, and print the times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the size")
    size = 3_000 if parser.parse_args().quick else 30_000
    rmf, arf = made(size)
    with tempfile.TemporaryDirectory() as folder:
        matrix, area = Path(folder, "a.rmf"), Path(folder, "a.arf")
        written = seconds(lambda: formats.write(rmf, matrix, overwrite=True))
        formats.write(arf, area)
        print(f"{size} energies and channels, {rmf.sizes['element']} elements, {matrix.stat().st_size >> 20} MB")
        print(f"written by formats.write            {written:7.3f} s")
        ours = seconds(lambda: xray.response(formats.read(matrix), arf=formats.read(area)))
        read = seconds(lambda: formats.read(matrix))
        print(f"formats.read and xray.response      {ours:7.3f} s  (read alone {read:.3f} s)")

        def by_astropy() -> None:
            with fits.open(matrix) as hdus:
                table = hdus["MATRIX"].data
                np.concatenate([table["MATRIX"][row] for row in range(len(table))])

        theirs = seconds(by_astropy)
        print(f"astropy, rows laid end to end       {theirs:7.3f} s  ratio to read alone {theirs / read:.1f}")
        _against_sherpa(matrix, area, ours)


def _against_sherpa(matrix: Path, area: Path, ours: float) -> None:
    try:
        from sherpa.astro import ui
    except ImportError:
        print("sherpa is not installed and was left out")
        return
    logging.getLogger("sherpa").setLevel(logging.ERROR)
    theirs = seconds(lambda: (ui.unpack_rmf(str(matrix)), ui.unpack_arf(str(area))))
    print(f"sherpa, unpack_rmf and unpack_arf   {theirs:7.3f} s  ratio {theirs / ours:.1f}")
    flux = 1e-3 * np.ones(len(ui.unpack_arf(str(area)).specresp))
    rmf, arf = ui.unpack_rmf(str(matrix)), ui.unpack_arf(str(area))
    whole = xray.response(formats.read(matrix), arf=formats.read(area))
    photons = xr.DataArray(flux, dims="energy", attrs={"units": "ph cm-2 s-1", "long_name": "Flux"})
    rate = xray.folded(photons, rmf=whole).values
    peer = rmf.apply_rmf(arf.apply_arf(flux))
    print(f"folded rates differ by at most {np.abs(rate - peer).max() / peer.max():.1e} of the largest")


if __name__ == "__main__":
    main()
