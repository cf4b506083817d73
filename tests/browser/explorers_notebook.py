"""A notebook of all explorers on small data made by code, with what a test must know of them."""

from __future__ import annotations

from pathlib import Path

import nbformat

PLASMA, XRAY, CMB, OTHER, SLOW, SPECTROGRAM = range(1, 7)  # the cells
EACH = 300_000  # samples of the series, ten a second
START = "2020-01-01"

FIRST = """\
import asyncio, json, os, time
from pathlib import Path
import holoviews as hv
import numpy as np
import xarray as xr
from analysis import cmb, explore, panels, plasma, xray
from analysis.model import stamp

pages, begun = {}, []
made = dict(title="Made here", institution="nobody", source="code", references=["none"], license="none",
            history=["made"], provenance={})

async def tell():
    while True:
        states = {name: explore.state_of(page) for name, page in pages.items()}
        Path("told.new").write_text(json.dumps({"states": states, "begun": begun}))
        os.replace("told.new", "told.json")
        await asyncio.sleep(0.05)

telling = asyncio.ensure_future(tell())
Path("kernel.pid").write_text(str(os.getpid()))
"""
SERIES = f"""\
t = np.arange({EACH})
axis = np.datetime64("{START}", "ns") + t * np.timedelta64(100, "ms")
b = 5 + 3 * np.sin(t / 20_000) + 0.2 * np.cos(t * 1.7)
n = 1 + 100 * np.exp(-(((t - 150_000) / 50_000) ** 2))
variables = {{"b": ("time", b, {{"units": "nT", "long_name": "Magnetic field"}}),
             "n": ("time", n, {{"units": "cm-3", "long_name": "Density"}})}}
pages["plasma"] = plasma.explore(stamp(xr.Dataset(variables, {{"time": axis}}, {{"synthetic": "true"}}), **made))
pages["plasma"]
"""
# 4,096 events, one in each pixel, and 1,200 more in one of them.
EVENTS = """\
side, more = np.arange(64.0) + 1, 1200
x, y = (np.concatenate([one.ravel(), np.full(more, at)]) for one, at in zip(np.meshgrid(side, side), (20, 40)))
order = np.random.default_rng(1).permutation(x.size)
pi = (np.arange(x.size) % 1000).astype("i2")
columns = {"time": (np.linspace(0, 1000, x.size, endpoint=False), "s"), "x": (x[order], "pix"),
           "y": (y[order], "pix"), "pi": (pi, "chan"), "energy": (pi * 0.01 + 0.005, "keV")}
clock = {"mjdref": 50814.0, "timesys": "TT", "synthetic": "true"}
events = {name: ("event", values, {"units": units, "long_name": name}) for name, (values, units) in columns.items()}
good = {name: ("interval", [end], {"units": "s", "long_name": name}) for name, end in (("start", 0.0), ("stop", 1e3))}
observed = xr.DataTree.from_dict({"events": stamp(xr.Dataset(events, attrs=clock), **made),
                                  "gti": stamp(xr.Dataset(good, attrs=clock), **made)})
pages["xray"] = xray.explore(observed, column="pi")
pages["xray"]
"""
SKY = """\
pages["cmb"] = cmb.explore(cmb.fetch("wmap7_w_iqu"))
pages["cmb"]
"""
AGAIN = """\
pages["other"] = xray.explore(observed)
pages["other"]
"""
LAZY = """\
def line(steepness):
    begun.append(steepness)
    time.sleep(1 if len(begun) > 1 else 0)
    if steepness == "9":
        raise ValueError("nine is too steep")
    across = np.linspace(0, 1, 50)
    return hv.Curve((across, across * int(steepness)), "x", "y").opts(ylim=(0, 10))

steps = explore.Choice("steepness", list("12349"))
pages["slow"] = explore.linked([explore.View("Line", line, uses=["steepness"])], controls=[steps])
pages["slow"]
"""
FLUX = f"""\
ticks, energies = np.arange(10_000), np.geomspace(10, 1e4, 16)
flux = 1e3 * (2 + np.sin(ticks / 800)[:, None]) * (energies / 10) ** -0.5
axes = {{"time": np.datetime64("{START}", "ns") + ticks * np.timedelta64(1, "s"),
        "energy": ("energy", energies, {{"units": "eV", "long_name": "Energy"}})}}
labels = {{"units": "cm-2 s-1", "long_name": "Flux", "synthetic": "true", "source": "code"}}
panels.spectrogram(xr.DataArray(flux, axes, ["time", "energy"], "flux", labels))
"""
CELLS = (FIRST, SERIES, EVENTS, SKY, AGAIN, LAZY, FLUX)


def write(path: Path, cells: tuple[str, ...] = CELLS) -> None:
    """Write cells as a notebook."""
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    made.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(made, path)
