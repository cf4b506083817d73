"""How long it takes from a mouse event to new pixels, in JupyterLab and Chromium, explorer by explorer.

Run ``python benchmarks/latency.py`` (``--rows``, ``--columns``, ``--events``, ``--nside`` for other sizes; on a slow
machine ``--limit`` lets every gesture be repeated as often as ``--repeats`` says). It
starts JupyterLab on loopback, opens a notebook for each explorer, and uses it with a real mouse: wheel, drag, box,
click, slider. Timed is what a person waits for: from the last mouse event of the gesture (the browser's own time stamp)
until the canvas of the figure that has to change was last painted after the kernel's answer. A zoom or pan moves what
is there at once, in the browser; that is the column "at once", and what the kernel adds is "kernel's pixels". For a
brush the figure is another one than that which is brushed. Frames are looked at one by one, and looking takes a few
milliseconds itself, so each number is up to a frame too large. Server, kernel and browser share the machine, and the
browser paints without a graphics card.

CHROMIUM in the environment names the browser if it is not on PATH.

Last printed, with ``--limit 30``, on two cores at a load of 1 to 2 (that of the run itself)::

    milliseconds, median / 95th percentile                              n     at once  kernel came  kernel's pixels
    plasma.explore, 1e+07 rows      wheel                              20     43 / 52    342 / 363        386 / 415
    plasma.explore, 1e+07 rows      drag                               20   231 / 314    186 / 270        231 / 314
    spectrogram, 1e+06 × 32         wheel                               9   390 / 738  1646 / 3092      2159 / 4582
    spectrogram, 1e+06 × 32         drag                                5   317 / 324    898 / 943      1616 / 1695
    xray.explore, 2e+06 events      box on the image → spectrum        20   265 / 363    651 / 988       722 / 1067
    xray.explore, 2e+06 events      band on the spectrum → image       19   274 / 765   778 / 1200       886 / 1322
    cmb.explore, nside 512          wheel                              20   122 / 146    586 / 687        707 / 774
    cmb.explore, nside 512          drag                               17   623 / 739    522 / 610        623 / 739
    cmb.explore, nside 512          click → mark                       20   416 / 492    416 / 492        416 / 492
    cmb.explore, nside 512          slider of the mask → spectrum      20  756 / 1145   756 / 1145       859 / 1292

The gestures on the spectrogram that are not counted gave no answer within the limit or none that could be told from
the one before. A wheel is answered 0.1 s after its last turn; before that nothing is asked of the kernel.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from browser import hand  # noqa: E402
from browser.drive import FLAGS, jupyterlab, run_all  # noqa: E402
from browser.explorers_notebook import write  # noqa: E402
from playwright.sync_api import Page, sync_playwright  # noqa: E402

CELL = 0
SERIES = """\
import numpy as np, xarray as xr
from analysis import plasma
from analysis.model import stamp
rng = np.random.default_rng(1)
time = np.datetime64("2020-01-01", "ns") + np.arange({rows}) * np.timedelta64(1, "ms")
walk = np.cumsum(rng.standard_normal({rows}, dtype="f4"), out=np.empty({rows}, "f4"))
b = ("time", walk, {{"units": "nT", "long_name": "Magnetic field"}})
made = dict(title="Noise", institution="nobody", source="noise", references=["none"], license="none",
            history=["made up"], provenance={{}})
plasma.explore(stamp(xr.Dataset({{"b": b}}, {{"time": time}}, {{"synthetic": "true"}}), **made))
"""
SPECTROGRAM = """\
import numpy as np, xarray as xr
from analysis import panels
values = np.random.default_rng(0).gamma(2, size=({columns}, 32)).astype("f4")
axes = {{"time": np.datetime64("2015-10-16", "ns") + np.arange({columns}) * np.timedelta64(150, "ms"),
        "energy": ("energy", np.geomspace(10, 3e4, 32), {{"units": "eV"}})}}
panels.spectrogram(xr.DataArray(values, axes, ["time", "energy"], "flux", {{"units": "cm-2 s-1", "source": "noise"}}))
"""
EVENTS = """\
import sys
sys.path.insert(0, {folder!r})
from brushing import made_events
from analysis import xray
xray.explore(made_events({events}))
"""
SKY = """\
import numpy as np, xarray as xr
from analysis import cmb
from analysis.model import stamp
nside, cells = {nside}, 12 * {nside} ** 2
noise = np.random.default_rng(1).standard_normal((3, cells), dtype="f4")
noise += 3 * np.cos(np.arange(cells, dtype="f4") / cells * 900)
ids = ("cells", np.arange(cells), {{"grid_name": "healpix", "nside": nside, "level": int(np.log2(nside)),
                                   "indexing_scheme": "nested"}})
labels = {{"units": "uK", "long_name": "Noise", "polconv": "COSMO", "frame": "galactic",
          "temperature_scale": "thermodynamic"}}
sky = xr.Dataset({{"sky": (("stokes", "cells"), noise, labels)}}, {{"stokes": ["I", "Q", "U"], "cell_ids": ids}},
                 {{"synthetic": "true"}})
made = dict(title="Noise", institution="nobody", source="noise", references=["none"], license="none",
            history=["made up"], provenance={{}})
cmb.explore(stamp(sky, **made))
"""


def zoom(page: Page, turn: int) -> None:
    """In and out by turns, at places that differ, so that no view comes twice."""
    hand.wheel(page, CELL, 0, -240 if turn % 2 == 0 else 200, (0.3 + 0.013 * turn % 0.4, 0.5))


def pan(page: Page, turn: int) -> None:
    """To and fro by turns."""
    far = 0.1 + 0.007 * turn
    hand.drag(page, CELL, 0, [(0.5, 0.5), (0.5 + (far if turn % 2 else -far), 0.5)], steps=3)


def box(page: Page, turn: int) -> None:
    """A box on the image, somewhat larger each time."""
    hand.tool(page, CELL, 0, "box-select")
    hand.drag(page, CELL, 0, [(0.3, 0.3), (0.45 + 0.01 * turn, 0.5 + 0.01 * turn)], steps=3)


def band(page: Page, turn: int) -> None:
    """A range on the spectrum."""
    hand.tool(page, CELL, 1, "x-box-select")
    hand.drag(page, CELL, 1, [(0.4, 0.5), (0.55 + 0.01 * turn, 0.5)], steps=3)


def click(page: Page, turn: int) -> None:
    """A place of the figure."""
    hand.tap(page, CELL, 0, (0.35 + 0.011 * turn, 0.4 + 0.007 * turn))


def slide(page: Page, turn: int) -> None:
    """One step of the slider."""
    handle = page.locator(".jp-OutputArea .noUi-handle").first
    place = handle.bounding_box()
    assert place is not None
    x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + (12 if turn % 2 == 0 else -9), y)
    page.mouse.up()


# What is done, on which figure it is done, and which one has to change.
Deed = tuple[str, Callable[[Page, int], None], int, int]
SERIES_DEEDS: list[Deed] = [("wheel", zoom, 0, 0), ("drag", pan, 0, 0)]
EVENT_DEEDS: list[Deed] = [
    ("box on the image → spectrum", box, 0, 1),
    ("band on the spectrum → image", band, 1, 0),
]
SKY_DEEDS: list[Deed] = [
    ("wheel", zoom, 0, 0),
    ("drag", pan, 0, 0),
    ("click → mark", click, 0, 0),
    ("slider of the mask → spectrum", slide, 1, 1),
]


def table(page: Page, name: str, deeds: list[Deed], repeats: int, limit: float) -> None:
    """Print the median and the 95th percentile of each deed."""
    for label, deed, where, changes in deeds:
        hand.bring(page, CELL, where)
        taken: list[dict[str, float]] = []
        began, missed = time.monotonic(), 0
        for turn in range(repeats + 1):
            if time.monotonic() - began > limit:
                break
            ids = hand.ids(page, CELL)
            hand.bring(page, CELL, where)
            found = hand.latency(page, CELL, changes, lambda deed=deed, turn=turn: deed(page, turn), seconds=8)
            if found is None:
                missed += 1
            elif turn:  # the first is not counted: what is made once is made in it
                taken.append(found)
            if set(hand.ids(page, CELL)) != set(ids):
                page.wait_for_timeout(150)
        if not taken:
            print(f"{name:34}{label:36}  no new pixels in {time.monotonic() - began:.0f} s", flush=True)
            continue
        cells = "".join(f"{spread([one[key] for one in taken]):>16}" for key in ("browser", "kernel", "pixels"))
        print(f"{name:34}{label:36}{len(taken):>4}{cells}" + (f"  ({missed} missed)" if missed else ""), flush=True)


def spread(values: list[float]) -> str:
    """Return median and 95th percentile."""
    return f"{statistics.median(values):.0f} / {sorted(values)[min(len(values) - 1, round(0.95 * len(values)))]:.0f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000, help="of the time series, 1e6 to 1e8 (default 1e7)")
    parser.add_argument("--columns", type=int, default=1_000_000, help="of the spectrogram (default 1e6)")
    parser.add_argument("--events", type=int, default=2_000_000, help="of the event list (default 2e6)")
    parser.add_argument("--nside", type=int, default=512, help="of the map (default 512)")
    parser.add_argument("--repeats", type=int, default=20, help="of each gesture (default 20)")
    parser.add_argument("--limit", type=float, default=20, help="seconds for each gesture's repeats (default 20)")
    parser.add_argument("--only", choices=("series", "spectrogram", "events", "sky"), help="one explorer alone")
    chosen = parser.parse_args()
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if chromium is None:
        sys.exit("there is no Chromium on PATH: set CHROMIUM")
    books: dict[str, tuple[str, str, list[Deed]]] = {
        "series": (f"plasma.explore, {chosen.rows:.0e} rows", SERIES.format(rows=chosen.rows), SERIES_DEEDS),
        "spectrogram": (f"spectrogram, {chosen.columns:.0e} × 32", SPECTROGRAM.format(columns=chosen.columns),
                        SERIES_DEEDS),
        "events": (f"xray.explore, {chosen.events:.0e} events",
                   EVENTS.format(folder=str(ROOT / "benchmarks"), events=chosen.events), EVENT_DEEDS),
        "sky": (f"cmb.explore, nside {chosen.nside}", SKY.format(nside=chosen.nside), SKY_DEEDS),
    }  # fmt: skip
    print(f"milliseconds, median / 95th percentile; load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"{'':70}{'n':>4}{'at once':>16}{'kernel came':>16}{'kernel’s pixels':>16}")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    with tempfile.TemporaryDirectory() as place:
        folder, out = Path(place) / "books", Path(place) / "out"
        folder.mkdir()
        out.mkdir()
        with jupyterlab(folder, out) as (address, token), sync_playwright() as play:
            browser = play.chromium.launch(executable_path=chromium, args=FLAGS)
            for key, (name, code, deeds) in books.items():
                if chosen.only in (None, key):
                    explored(browser, f"{address}/lab/tree/{key}.ipynb?token={token}&reset", folder / f"{key}.ipynb",
                             name, code, deeds, chosen.repeats, chosen.limit)  # fmt: skip
            browser.close()


def explored(
    browser: Any, address: str, path: Path, name: str, code: str, deeds: list[Deed], repeats: int, limit: float
) -> None:
    """Run one notebook, print its table, and end its kernel."""
    write(path, (code,))
    page = browser.new_page(viewport={"width": 1300, "height": 1000})
    page.set_default_timeout(60_000)
    page.goto(address)
    page.wait_for_selector(".jp-Notebook", timeout=90_000)
    cells = run_all(page, 120)
    if wrong := [cell["error"] for cell in cells if cell["error"]]:
        sys.exit(f"{name}: {json.dumps(wrong)[:2000]}")
    page.evaluate(hand.SCRIPT)
    table(page, name, deeds, repeats, limit)
    page.locator("#jp-MainMenu >> text=Kernel").first.click()
    page.locator('.lm-Menu-item[data-command="kernelmenu:shutdown"]').click()
    page.wait_for_timeout(500)
    page.close()


if __name__ == "__main__":
    main()
