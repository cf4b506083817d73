"""What a person sees: JupyterLab, a real browser, and no network but loopback.

Screenshots and the report are kept in ``build/browser/``.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
OUT = ROOT / "build" / "browser"
DRIVE = Path(__file__).with_name("drive.py")

# Notebooks and the Bokeh figures that each shows.
NOTEBOOKS = {
    "00_start.ipynb": 11,
    "plasma/01_superstorm.ipynb": 9,
    "plasma/02_solar_wind.ipynb": 12,
    "plasma/03_pitch_angles.ipynb": 14,
    "plasma/04_mercury.ipynb": 4,
    "plasma/05_plasma_observatory.ipynb": 5,
    "plasma/06_mars.ipynb": 8,
    "plasma/07_storms_statistics.ipynb": 6,
    "plasma/08_ganymede_and_moons.ipynb": 3,
    "xray/01_ulx_spectrum.ipynb": 7,
    "xray/02_events_and_regions.ipynb": 5,
    "xray/03_timing.ipynb": 14,
    "xray/04_newathena.ipynb": 10,
    "xray/05_xrism_and_the_station.ipynb": 7,
    "xray/06_polarization.ipynb": 7,
    "xray/07_catalogues.ipynb": 2,
    "cmb/01_wmap_polarization.ipynb": 16,
    "cmb/02_litebird_forecast.ipynb": 4,
    "cmb/03_live_mask.ipynb": 17,
    "cmb/04_planck_spectra.ipynb": 22,
    "cmb/05_birefringence.ipynb": 9,
    "cmb/06_foregrounds.ipynb": 6,
    "cmb/07_bicep_keck_r.ipynb": 10,
    "explore/01_hundred_million_points.ipynb": 8,
    "explore/02_brush_an_observation.ipynb": 7,
    "explore/03_fly_over_the_sky.ipynb": 13,
}
ROUND_TRIP = """\
from pathlib import Path
import holoviews as hv
import numpy as np
from analysis import panels

def picture(x_range, y_range):
    with Path("events.log").open("a") as log:
        print(x_range, file=log)
    return hv.Curve(np.sin(np.arange(1000) / 30)).opts(active_tools=["wheel_zoom"])

panels.notebook()
hv.DynamicMap(picture, streams=[hv.streams.RangeXY()])
"""

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(2400)]


def alone(command: list[str]) -> list[str]:
    """Return the command run in a network namespace with loopback only, or with Chromium's host rules."""
    inside = ["unshare", "-rn", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    if subprocess.run([*inside, "true"], capture_output=True).returncode == 0:
        return [*inside, *command]
    return [*command, "--host-rules"]


@pytest.fixture(scope="module")
def seen(chromium, tmp_path_factory):
    """Open every notebook in JupyterLab, run it, and return the report of what was seen."""
    folder = tmp_path_factory.mktemp("notebooks") / "notebooks"
    shutil.copytree(ROOT / "notebooks", folder, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    trip = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(ROUND_TRIP)])
    trip.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(trip, folder / "round_trip.ipynb")
    shutil.rmtree(OUT, ignore_errors=True)
    command = [sys.executable, str(DRIVE), chromium, str(folder), str(OUT), *NOTEBOOKS, "round_trip.ipynb"]
    done = subprocess.run(alone(command), capture_output=True, text=True, timeout=2000)
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads((OUT / "report.json").read_text())
    report["events"] = (folder / "events.log").read_text().splitlines()
    return report


def coloured(screenshot: Path) -> int:
    """Return how many pixels in the middle of a figure have a colour: glyphs have, axes and grids are grey."""
    pixels = np.asarray(Image.open(screenshot).convert("RGB")).astype(int)
    height, width, _ = pixels.shape
    middle = pixels[height // 6 : -height // 6, width // 8 : -width // 8]
    return int((middle.max(axis=2) - middle.min(axis=2) > 30).sum())


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_every_cell_runs_without_an_error(seen, notebook):
    cells = seen[notebook]["cells"]
    assert cells
    assert [cell["error"] for cell in cells if cell["error"]] == []
    assert all(cell["prompt"].strip("[]: ").isdigit() for cell in cells)


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_the_expected_pictures_have_pixels(seen, notebook):
    shown = seen[notebook]["figures"]
    assert len(shown) == NOTEBOOKS[notebook]
    blank = [figure["screenshot"] for figure in shown if coloured(OUT / figure["screenshot"]) < 150]
    assert blank == []


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_nothing_is_asked_of_another_host_and_no_script_fails(seen, notebook):
    assert seen[notebook]["outside"] == []
    assert seen[notebook]["page_errors"] == []


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_the_wheel_zooms_the_first_picture(seen, notebook):
    before = {figure["id"]: figure for figure in seen[notebook]["zoom"]["before"]}
    after = {figure["id"]: figure for figure in seen[notebook]["zoom"]["after"]}
    changed = [name for name in before if name in after and before[name]["x"] != after[name]["x"]]
    assert changed
    for name in changed:
        width = [abs(figure["x"][1] - figure["x"][0]) for figure in (before[name], after[name])]
        assert width[1] < width[0]


def test_a_region_drawn_by_mouse_changes_the_spectra_until_it_is_taken_away(seen):
    before, drawn, cleared, pseudo = seen["cmb/03_live_mask.ipynb"]["drawn"]
    kept = [float(re.search(r"([\d.]+) % of the sky", one["words"]).group(1)) for one in (before, drawn, cleared)]
    assert kept[1] < kept[0] - 2
    assert kept[2] == kept[0]
    assert drawn["bb"] != before["bb"]
    np.testing.assert_allclose(np.concatenate(cleared["bb"]), np.concatenate(before["bb"]))
    assert len(pseudo["bb"][-1]) > len(cleared["bb"][-1])  # every multipole, no bins


def test_a_zoom_reaches_the_kernel_the_first_time(seen):
    last = printed_range(seen["events"][-1])
    shown = seen["round_trip.ipynb"]["zoom"]["after"][0]["x"]
    assert len(seen["events"]) >= 2
    assert last == pytest.approx(shown, rel=1e-6)


def printed_range(text: str) -> list[float]:
    """Return the numbers in a printed range."""
    return [float(word) for word in text.replace("np.float64", "").replace("(", "").replace(")", "").split(",")]
