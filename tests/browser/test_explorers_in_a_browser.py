"""What a person does with explorers: JupyterLab, a real browser, a mouse, and no network but loopback.

One notebook with all explorers is used by ``drive_explorers``; what it found is judged here, on the kernel's side (the
states that it tells) and on pixels. Screenshots of all steps are kept in ``build/explorers/``.

Five pictures are compared with references in ``references/``. When pictures are meant to look different, renew them
and look at what you commit::

    SANKO_RENEW_REFERENCES=1 .venv/bin/python -m pytest tests/browser/test_explorers_in_a_browser.py
"""

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from browser.explorers_notebook import EACH, START
from browser.likeness import kept, open_image, unlike
from PIL import Image, ImageFilter

ROOT = Path(__file__).parents[2]
OUT = ROOT / "build" / "explorers"
REFERENCES = Path(__file__).with_name("references")
PICTURES = ("series", "events_image", "events_spectrum", "sky", "spectrogram")
FIGURES = [2, 4, 5, 3, 1, 1]  # series, events, sky, events once more, the slow one, spectrogram
FIRST = np.datetime64(START, "ms").astype(int)

in_a_browser = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def seen(chromium, tmp_path_factory):
    """Use all explorers in JupyterLab, and return the report of what was seen."""
    folder = tmp_path_factory.mktemp("explorers")
    command = [sys.executable, "-m", "browser.drive_explorers", chromium, str(folder), str(OUT)]
    inside = ["unshare", "-rn", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    alone = subprocess.run([*inside, "true"], capture_output=True).returncode == 0
    paths = os.pathsep.join(filter(None, [str(ROOT / "tests"), str(ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [*inside, *command] if alone else [*command, "--host-rules"],
        capture_output=True,
        text=True,
        timeout=800,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((OUT / "report.json").read_text())


@pytest.fixture
def step(request, seen):
    """Return what a step found; a step that failed says how."""

    def found(name):
        assert "failed" not in seen[name], seen[name]["failed"]
        return seen[name]

    return found


def field(when):
    """The series of the notebook at milliseconds since 1970."""
    sample = round((when - FIRST) / 100)
    return 5 + 3 * math.sin(sample / 20_000) + 0.2 * math.cos(sample * 1.7)


def milliseconds(text):
    return np.datetime64(text.strip().replace(" ", "T"), "ns").astype(int) / 1e6


def other_than(pair):
    """What the explorers told that were not used, before and after."""
    before, after = pair
    assert before == after
    return before


@pytest.mark.usefixtures("seen")
class TestInABrowser:
    pytestmark = in_a_browser

    def test_every_cell_runs_and_all_pictures_are_there(self, seen, step):
        assert [cell["error"] for cell in seen["cells"] if cell["error"]] == []
        assert step("pictures")["figures"] == FIGURES

    def test_nothing_is_asked_of_another_host_and_no_script_fails(self, seen):
        assert seen["outside"] == []
        assert seen["page_errors"] == []

    def test_no_page_ever_shows_a_traceback(self, seen):
        taken = {name: found for name, found in seen.items() if isinstance(found, dict) and "failed" not in found}
        assert re.findall(r"Traceback \(|\w+Error:(?! nine)", json.dumps(taken)) == []

    @pytest.mark.parametrize("name", PICTURES)
    def test_a_picture_looks_like_its_reference(self, step, name):
        step("pictures")
        shot, path = open_image(OUT / f"picture_{name}.png"), REFERENCES / f"{name}.png"
        if os.environ.get("SANKO_RENEW_REFERENCES"):
            REFERENCES.mkdir(exist_ok=True)
            kept(shot).save(path, optimize=True)
        assert unlike(shot, open_image(path)) == ""

    def test_hover_on_a_series_tells_the_sample_its_unit_and_its_time(self, step):
        found = re.search(r"Magnetic field \(nT\): (\S+) UTC: (.+)$", step("series_hover")["says"])
        when = milliseconds(found[2])
        low, high = step("series_hover")["x"]
        assert abs(when - (low + high) / 2) < (high - low) / 300  # a pixel or two
        assert float(found[1]) == pytest.approx(field(when), abs=6e-4)

    def test_hover_on_an_image_tells_the_counts_of_the_pixel(self, step):
        assert step("image_hover")["says"] == "Sky x (pix): 20 Sky y (pix): 40 Counts, all energies (ct): 1201"

    def test_hover_on_the_sky_tells_direction_and_value_of_the_cell(self, step):
        ducc0 = pytest.importorskip("ducc0")
        from analysis import cmb

        found = re.search(r"galactic l, b: (\S+)°, (\S+)° Stokes I \(mK\): (\S+)$", step("sky_hover")["says"])
        lon, lat, value = (float(word) for word in found.groups())
        near = np.linspace(-0.35, 0.35, 15)  # a pixel of the picture, which shows the cell at its centre
        wide = near / math.cos(math.radians(lat))
        where = np.radians([[90 - lat - up, lon + across] for up in near for across in wide])
        cells = np.unique(ducc0.healpix.Healpix_Base(32, "NEST").ang2pix(where))
        values = cmb.fetch("wmap7_w_iqu").sky.sel(stokes="I").values[cells]
        assert cells.size < 5
        assert np.abs(values / value - 1).min() < 2e-3

    def test_hover_on_a_spectrogram_tells_the_mean_of_the_cell(self, step):
        found = re.search(
            r"Time: (\S+ \S+) to (\S+)(?: UTC)? Energy \(eV\): (\S+) to (\S+) Flux \(cm⁻² s⁻¹\): (\S+)",
            step("spectrogram_hover")["says"],
        )
        left, right = (milliseconds(text) / 1e3 for text in (found[1], f"{found[1].split()[0]} {found[2]}"))
        ticks = np.arange(math.ceil(left - FIRST / 1e3), right - FIRST / 1e3)
        energy = math.sqrt(float(found[3]) * float(found[4]))
        flux = 1e3 * (2 + np.sin(ticks / 800)).mean() * (energy / 10) ** -0.5
        assert float(found[5]) == pytest.approx(flux, rel=2e-3)

    @pytest.mark.parametrize("name", ["series_zoom", "sky_zoom", "spectrogram_zoom"])
    def test_wheel_drag_and_reset_bring_other_data_from_the_kernel(self, step, name):
        before, zoomed, panned, reset = (step(name)[key] for key in ("before", "zoomed", "panned", "reset"))
        width = [one["x"][1] - one["x"][0] for one in (before, zoomed, panned, reset)]
        assert width[1] < width[0] / 4
        assert width[2] == pytest.approx(width[1])
        assert panned["x"][0] < zoomed["x"][0] - 0.2 * width[1]
        assert reset["x"] == pytest.approx(before["x"])
        assert all(one["latency"] is not None for one in (zoomed, panned, reset))
        assert min(one["ink"] for one in (before, zoomed, panned, reset)) > 1000
        assert zoomed["values"] != before["values"]
        assert panned["values"] != zoomed["values"]

    def test_samples_between_the_ends_of_the_axis_are_drawn_after_a_zoom(self, step):
        zoomed = step("series_zoom")["zoomed"]
        low, high = zoomed["x"]
        times = np.array(zoomed["values"])
        inside = times[(times >= low) & (times <= high)]
        assert inside.size > 1000
        assert np.ptp(inside) > 0.99 * (high - low)

    def test_a_tap_on_a_series_shows_the_values_at_that_time(self, step):
        tapped = step("series_tap")
        low, high = tapped["x"]
        assert milliseconds(tapped["time"]) == pytest.approx(low + 0.25 * (high - low), abs=(high - low) / 300)
        told = float(re.search(r"Magnetic field: (\S+) nT", tapped["words"])[1])
        assert told == pytest.approx(field(milliseconds(tapped["time"])), abs=1e-4)
        other_than(tapped["others"])

    def test_a_tap_on_the_sky_shows_the_cell(self, step):
        tapped = step("sky_tap")
        lon, lat = tapped["place"]
        assert f"{lon:.4f}°, +{lat:.4f}°" in tapped["words"]
        assert re.search(r"cell \d+ \(NESTED, nside 32\) I \S+ mK", tapped["words"])
        other_than(tapped["others"])

    def test_the_slider_of_the_mask_moves_the_spectra_and_a_choice_the_map(self, step):
        words, spectra = step("sky_mask")["words"], step("sky_mask")["bb"]
        share = [float(re.search(r"([\d.]+) % of the sky", one)[1]) for one in words]
        assert share[1] < share[0] - 5
        assert len(spectra[0]) == len(spectra[1]) > 50
        assert spectra[0] != spectra[1]

    def test_choosing_variables_takes_panels_away_and_brings_them_back(self, step):
        assert len(step("series_choice")["before"]) == len(step("series_choice")["after"]) == 2

    def test_share_this_view_unfolds_code_and_state(self, step):
        shared = step("share")
        assert json.loads(shared["json"]) == shared["state"]
        assert shared["code"].startswith("from analysis import plasma")
        assert repr(shared["state"]["time"]) in shared["code"]

    @pytest.mark.parametrize(
        ("name", "drawn"), [("box", 0), ("aimed", 0), ("lasso", 0), ("energy", 1), ("times", 2), ("column", 3)]
    )
    def test_a_brush_changes_all_other_figures_and_no_other_explorer(self, step, name, drawn):
        brushed = step(name)
        changed = [before != after for before, after in zip(brushed["before"], brushed["ink"], strict=True)]
        assert all(one for number, one in enumerate(changed) if number != drawn)
        assert re.search(r"Selected .*: [\d,]+ events, good time", brushed["words"])
        other_than(brushed["others"])

    @pytest.mark.parametrize("name", ["box", "lasso", "energy", "times", "column"])
    def test_a_brush_leaves_the_figures_and_their_tools_in_place(self, step, name):
        before, after = step(name)["figures"]
        assert before == after

    def test_a_hand_that_rests_before_it_drags_still_draws_a_box(self, step):
        left, bottom, right, top = step("aimed")["value"]
        assert left < right and bottom < top

    def test_a_box_selects_the_events_that_lie_in_it(self, step):
        left, bottom, right, top = step("box")["value"]
        assert (left, bottom, right, top) == pytest.approx((13.3, 32.5, 32.5, 51.7), abs=0.2)
        side = np.arange(64) + 1
        one_each = np.sum((side >= left) & (side < right)) * np.sum((side >= bottom) & (side < top))
        assert f": {one_each + 1200:,} events" in step("box")["words"]

    def test_a_lasso_selects_the_events_that_lie_in_it(self, step):
        corners = np.array(step("lasso")["value"])
        middle, radius = corners.mean(axis=0), np.linalg.norm(corners - corners.mean(axis=0), axis=1)
        assert middle == pytest.approx([32.5, 32.5], abs=0.7)
        assert radius == pytest.approx(19.2, abs=1)
        number = int(re.search(r": ([\d,]+) events", step("lasso")["words"])[1].replace(",", ""))
        assert number == pytest.approx(1200 + math.pi * 19.2**2, rel=0.03)

    def test_a_range_selects_the_events_that_lie_in_it(self, step):
        low, high = step("energy")["value"]
        pi = np.arange(64 * 64 + 1200) % 1000
        energy = pi * 0.01 + 0.005
        words = re.search(r"Selected (\S+)-(\S+) keV: ([\d,]+) events", step("energy")["words"])
        ends = float(words[1]), float(words[2])
        assert ends == pytest.approx((low, high), rel=1e-3)
        assert int(words[3].replace(",", "")) == np.sum((energy >= ends[0]) & (energy < ends[1]))
        low, high = (milliseconds(end) for end in step("times")["value"])
        told = re.search(r": ([\d,]+) events, good time ([\d.]+) s", step("times")["words"])
        assert float(told[2]) == pytest.approx((high - low) / 1e3, abs=0.06)
        assert int(told[1].replace(",", "")) == pytest.approx((high - low) / 1e3 * 5.296, abs=2)

    def test_an_empty_brush_is_answered_in_words_and_one_without_width_not_at_all(self, step):
        assert "nothing. No event in good time lies inside." in step("empty")["nothing"]["words"]
        assert step("empty")["no_width"]["state"]["region"] is None
        assert "cannot be shown" not in step("empty")["no_width"]["words"]

    def test_a_busy_kernel_says_what_it_draws_and_then_draws_the_newest(self, step):
        busy = step("busy")
        assert any("Drawing Line …" in said for said in busy["said"])
        assert busy["begun"][-1] == "4"
        assert "3" not in busy["begun"]
        assert busy["top"] == 4

    def test_what_cannot_be_drawn_is_replaced_by_the_reason_until_it_can(self, step):
        busy = step("busy")
        assert "Line cannot be shown: ValueError: nine is too steep" in busy["reason"]
        assert busy["figures"] == 0
        assert "cannot be shown" not in busy["after"]

    def test_pictures_stay_and_zoom_when_the_kernel_has_died(self, step):
        dead = step("dead")
        assert "died" in dead["dialog"]
        assert dead["x"][0] != dead["x"][1]
        assert min(dead["ink"]) > 1000


# ------------------------------------------------------------------------- what the comparison sees


def moved(image, across, up):
    made = Image.new("RGB", image.size, "white")
    made.paste(image, (round(across * image.width), round(up * image.width)))
    return made


def recoloured(image):
    hue, *rest = image.convert("HSV").split()
    return Image.merge("HSV", (hue.point(lambda value: (value + 85) % 256), *rest)).convert("RGB")


@pytest.mark.parametrize("name", PICTURES)
def test_a_reference_is_small_and_like_itself_a_bit_blurred_or_moved(name):
    path = REFERENCES / f"{name}.png"
    image = open_image(path)
    assert path.stat().st_size <= 30_000
    assert unlike(image, image) == ""
    assert unlike(image.filter(ImageFilter.GaussianBlur(0.7)), image) == ""
    assert unlike(moved(image, 0.003, 0), image) == ""


@pytest.mark.parametrize("name", PICTURES)
def test_a_reference_is_unlike_what_is_shifted_blank_recoloured_or_mirrored(name):
    image = open_image(REFERENCES / f"{name}.png")
    wrong = {
        "shifted across": moved(image, 0.04, 0),
        "shifted up": moved(image, 0, -0.04),
        "blank": Image.new("RGB", image.size, "white"),
        "recoloured": recoloured(image),
        "mirrored": image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        "another": open_image(REFERENCES / f"{PICTURES[PICTURES.index(name) - 1]}.png"),
    }
    assert [how for how, picture in wrong.items() if unlike(picture, image) == ""] == []


def test_the_series_of_the_notebook_is_the_one_that_is_tested():
    assert field(FIRST) == pytest.approx(5.2)
    assert EACH > 100_000  # long enough to be reduced
