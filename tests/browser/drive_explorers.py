"""Use every explorer by mouse in JupyterLab, as a person does, and report what was there afterwards, as JSON.

``python -m browser.drive_explorers CHROMIUM FOLDER OUT`` with ``tests`` on Python's path; a program of its own for the
reason that ``drive`` is one.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from browser import hand
from browser.drive import FLAGS, LOOPBACK_RULES, jupyterlab, run_all
from browser.explorers_notebook import CMB, OTHER, PLASMA, SLOW, SPECTROGRAM, XRAY, write
from playwright.sync_api import Page, sync_playwright

NAMES = {PLASMA: "plasma", XRAY: "xray", CMB: "cmb", OTHER: "other", SLOW: "slow"}
PICTURES = {
    "series": (PLASMA, 0),
    "events_image": (XRAY, 0),
    "events_spectrum": (XRAY, 1),
    "sky": (CMB, 0),
    "spectrogram": (SPECTROGRAM, 0),
}


class Seat:
    """A page with the notebook, what its kernel told, and the steps taken."""

    def __init__(self, page: Page, folder: Path, out: Path):
        self.page, self.folder, self.out = page, folder, out
        self.report: dict[str, Any] = {}

    def told(self) -> dict[str, Any]:
        """Return what the kernel last told of itself."""
        return json.loads((self.folder / "told.json").read_text())

    def state(self, cell: int) -> dict[str, Any]:
        return self.told()["states"][NAMES[cell]]

    def until(self, condition: Callable[[], Any], what: str, seconds: float = 20) -> Any:
        """Wait for something, and return it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := condition():
                return found
            self.page.wait_for_timeout(60)
        raise TimeoutError(f"waited {seconds} s for {what}")

    def step(self, name: str, act: Callable[[Seat], Any]) -> None:
        """Take a step; keep what it returns, or how it failed, and a screenshot."""
        began = time.monotonic()
        try:
            self.report[name] = act(self)
        except Exception:  # the other steps are taken all the same
            self.report[name] = {"failed": traceback.format_exc()}
        self.report[name] = {**self.report[name], "seconds": round(time.monotonic() - began, 1)}
        self.page.screenshot(path=self.out / f"{name}.png")

    def others(self, cell: int) -> dict[str, Any]:
        """Return the states of all other explorers, and which figures they show."""
        cells = [other for other in NAMES if other != cell]
        return {NAMES[other]: [self.state(other), hand.ids(self.page, other)] for other in cells}

    def redrawn(self, cell: int, words: str) -> None:
        """Wait until a cell says other than these words, as it does with its pictures, and all have colours."""

        def there() -> bool:
            now = hand.words(self.page, cell)
            figures = len(hand.ids(self.page, cell))
            return now != words and "Drawing" not in now and all(hand.ink(self.page, cell, k) for k in range(figures))

        self.until(there, f"the figures of {NAMES[cell]} to be drawn")
        self.page.wait_for_timeout(300)  # words are there at once, pixels a frame later


def zoomed(cell: int, column: str, pan: str) -> Callable[[Seat], dict[str, Any]]:
    """Return a step that zooms by the wheel, pans, and resets; each brings other data."""

    def act(seat: Seat) -> dict[str, Any]:
        page, found = seat.page, {}
        hand.bring(page, cell, 0)

        def look() -> dict[str, Any]:
            across, up = hand.ranges(page, cell, 0)
            return {"x": across, "y": up, "ink": hand.ink(page, cell, 0), "values": hand.column(page, cell, 0, column)}

        found["before"] = look()
        deeds = {
            "zoomed": lambda: [hand.wheel(page, cell, 0, -300) for _ in range(4)],
            "panned": lambda: (hand.tool(page, cell, 0, pan), hand.drag(page, cell, 0, [(0.5, 0.5), (0.8, 0.5)])),
            "reset": lambda: hand.tool(page, cell, 0, "reset"),
        }
        for name, deed in deeds.items():
            before = hand.ranges(page, cell, 0)
            for _ in range(3):  # a browser that is held up can lose a drag
                took = hand.latency(page, cell, 0, deed, seconds=8)
                if hand.ranges(page, cell, 0) != before:
                    break
            found[name] = {**look(), "latency": took}
        return found

    return act


def hovered(cell: int, spot: hand.Spot) -> Callable[[Seat], dict[str, Any]]:
    """Return a step that reads the tooltip at a place."""

    def act(seat: Seat) -> dict[str, Any]:
        hand.bring(seat.page, cell, 0)
        says = seat.until(lambda: hand.hover(seat.page, cell, 0, spot), "a tooltip")
        x, y = hand.ranges(seat.page, cell, 0)
        seat.page.mouse.move(5, 5)
        return {"says": says, "x": x, "y": y}

    return act


def brushed(
    cell: int, number: int, tool: str, spots: list[hand.Spot], name: str, rest: int = 0
) -> Callable[[Seat], dict[str, Any]]:
    """Return a step that brushes a figure, looks at all, and takes the selection away again."""

    def act(seat: Seat) -> dict[str, Any]:
        page = seat.page
        hand.bring(page, cell, number)
        hand.tool(page, cell, number, tool)
        others, before = seat.others(cell), hand.ids(page, cell)
        plain = [hand.ink(page, cell, k) for k in range(len(before))]
        ranges = hand.ranges(page, cell, number)
        said = hand.words(page, cell)
        hand.drag(page, cell, number, spots, steps=2, rest=rest)
        value = seat.until(lambda: seat.state(cell)[name], f"the kernel to hear of the {name}")
        seat.redrawn(cell, said)
        said, after = hand.words(page, cell), hand.ids(page, cell)
        found = {"value": value, "words": said, "ranges": ranges, "before": plain, "figures": [before, after]}
        found["ink"] = [hand.ink(page, cell, k) for k in range(len(after))]
        found["others"] = [others, seat.others(cell)]
        page.screenshot(path=seat.out / f"brushed_{name}_{tool}.png")
        press(seat, cell, "Clear selections")
        seat.until(lambda: seat.state(cell)[name] is None, "the selection to be cleared")
        seat.redrawn(cell, said)
        return found

    return act


def press(seat: Seat, cell: int, label: str) -> None:
    """Press a button of an explorer."""
    seat.page.locator(".jp-Notebook .jp-CodeCell").nth(cell).get_by_role("button", name=label).first.click()


def empty_brush(seat: Seat) -> dict[str, Any]:
    """Take a place without events, then one without any width."""
    page, found = seat.page, {}
    boxes = {"nothing": [(9.6 / 64, 0.2), (10.3 / 64, 0.7)], "no_width": [(0.5, 0.2), (0.5, 0.6)]}
    for name, spots in boxes.items():
        hand.bring(page, OTHER, 0)
        hand.tool(page, OTHER, 0, "box-select")
        hand.drag(page, OTHER, 0, spots)
        if name == "nothing":
            seat.until(lambda: seat.state(OTHER)["region"], "the kernel to hear of the box")
            seat.until(lambda: "nothing." in hand.words(page, OTHER), "words about the empty box")
        page.wait_for_timeout(1500)
        found[name] = {"words": hand.words(page, OTHER), "state": seat.state(OTHER)}
        page.screenshot(path=seat.out / f"empty_{name}.png")
        if seat.state(OTHER)["region"] is not None:
            press(seat, OTHER, "Clear selections")
            seat.until(lambda: seat.state(OTHER)["region"] is None, "the selection to be cleared")
            seat.until(lambda: len(hand.ids(page, OTHER)) == 3, "the pictures to be back")
            page.wait_for_timeout(500)
    return found


def tapped_series(seat: Seat) -> dict[str, Any]:
    page = seat.page
    hand.bring(page, PLASMA, 0)
    others = seat.others(PLASMA)
    x = hand.ranges(page, PLASMA, 0)[0]
    hand.tap(page, PLASMA, 0, (0.25, 0.5))
    when = seat.until(lambda: seat.state(PLASMA)["time"], "the kernel to hear of the tap")
    seat.until(lambda: "Density:" in hand.words(page, PLASMA), "the values at that time")
    return {"time": when, "x": x, "words": hand.words(page, PLASMA), "others": [others, seat.others(PLASMA)]}


def tapped_sky(seat: Seat) -> dict[str, Any]:
    page = seat.page
    hand.bring(page, CMB, 0)
    others = seat.others(CMB)
    hand.tap(page, CMB, 0, (0.4, 0.6))
    spot = seat.until(lambda: seat.state(CMB)["place"], "the kernel to hear of the tap")
    seat.until(lambda: "NESTED" in hand.words(page, CMB), "what is told of the cell")
    return {"place": spot, "words": hand.words(page, CMB), "others": [others, seat.others(CMB)]}


def masked_sky(seat: Seat) -> dict[str, Any]:
    """Move the slider of the mask by keys and by mouse; choose another quantity; the spectra and the sky follow."""
    page = seat.page
    cell = page.locator(".jp-Notebook .jp-CodeCell").nth(CMB)
    words, data = hand.words(page, CMB), hand.column(page, CMB, 1, "dl_bb")
    hand.bring(page, CMB, 1)
    slider = cell.locator(".noUi-handle").first
    box = slider.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] + box["height"] / 2, steps=6)
    page.mouse.up()
    seat.until(lambda: seat.state(CMB)["latitude"] > 25, "the kernel to hear of the slider")
    shown = f"|b| > {seat.state(CMB)['latitude']:.1f}"
    seat.until(lambda: shown in hand.words(page, CMB), "the page to tell of the mask")
    found = {"words": [words, hand.words(page, CMB)], "bb": [data, hand.column(page, CMB, 1, "dl_bb")]}
    before = hand.ids(page, CMB)[0]
    cell.locator("select").first.select_option("Q")
    seat.until(lambda: seat.state(CMB)["shown"] == "Q", "the kernel to hear of the choice")
    seat.until(lambda: hand.ids(page, CMB)[0] != before and hand.ink(page, CMB, 0) > 0, "the map of Q")
    return {**found, "after": hand.words(page, CMB)}


def shared(seat: Seat) -> dict[str, Any]:
    """Unfold what is to be handed on."""
    cell = seat.page.locator(".jp-Notebook .jp-CodeCell").nth(PLASMA)
    press(seat, PLASMA, "Share this view")
    boxes = cell.locator(".jp-OutputArea textarea")
    seat.until(lambda: boxes.count() == 2, "what the button unfolds")
    values = [boxes.nth(k).input_value() for k in range(2)]
    buttons = [" ".join(one.split()) for one in cell.locator("a.bk-btn").all_inner_texts()]
    return {"code": values[0], "json": values[1], "state": seat.state(PLASMA), "buttons": buttons}


def chosen(seat: Seat) -> dict[str, Any]:
    """Choose one variable of two: one panel is left, and both come back."""
    page = seat.page
    select = page.locator(".jp-Notebook .jp-CodeCell").nth(PLASMA).locator("select").first
    before = hand.ids(page, PLASMA)
    select.select_option(["n"])
    seat.until(lambda: seat.state(PLASMA)["variables"] == ["n"], "the kernel to hear of the choice")
    seat.until(lambda: len(hand.ids(page, PLASMA)) == 1 and hand.ink(page, PLASMA, 0) > 0, "one panel")
    select.select_option(["b", "n"])
    seat.until(lambda: len(hand.ids(page, PLASMA)) == 2, "two panels")
    return {"before": before, "after": hand.ids(page, PLASMA)}


def busy(seat: Seat) -> dict[str, Any]:
    """Choose three times while the first is being drawn; then what cannot be drawn; then what can."""
    page, said = seat.page, []
    hand.bring(page, SLOW, 0)
    select = page.locator(".jp-Notebook .jp-CodeCell").nth(SLOW).locator("select").first
    for option in "234":
        select.select_option(option)
        page.wait_for_timeout(150)
        said.append(hand.words(page, SLOW))
    seat.until(lambda: seat.told()["begun"][-1] == "4", "the newest to be drawn")
    seat.until(lambda: "Drawing" not in hand.words(page, SLOW), "the words to go")
    seat.until(lambda: len(hand.column(page, SLOW, 0, "y")) == 50, "the picture")
    found = {"said": said, "begun": seat.told()["begun"], "top": hand.column(page, SLOW, 0, "y")[-1]}
    select.select_option("9")
    seat.until(lambda: "too steep" in hand.words(page, SLOW), "the reason")
    found |= {"reason": hand.words(page, SLOW), "figures": len(hand.ids(page, SLOW))}
    select.select_option("3")
    seat.until(lambda: len(hand.ids(page, SLOW)) == 1 and hand.ink(page, SLOW, 0) > 0, "the picture again")
    return {**found, "after": hand.words(page, SLOW)}


def dead_kernel(seat: Seat) -> dict[str, Any]:
    """End the kernel and go on using the page: its pictures stay, nothing falls over."""
    page = seat.page
    os.kill(int((seat.folder / "kernel.pid").read_text()), signal.SIGKILL)
    dialog = page.locator(".jp-Dialog")
    seat.until(dialog.count, "JupyterLab to say that the kernel died")
    found = {"dialog": " ".join(dialog.first.inner_text().split())}
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    seat.until(lambda: not dialog.count(), "the dialog to go")
    hand.bring(page, PLASMA, 0)
    before = hand.ranges(page, PLASMA, 0)[0]
    hand.wheel(page, PLASMA, 0, -300)
    page.wait_for_timeout(300)
    hand.tap(page, PLASMA, 0, (0.7, 0.5))
    hand.bring(page, XRAY, 0)
    hand.drag(page, XRAY, 0, [(0.3, 0.3), (0.5, 0.5)])
    press(seat, XRAY, "Clear selections")
    page.wait_for_timeout(1500)
    found["x"] = [before, hand.ranges(page, PLASMA, 0)[0]]
    found["ink"] = [hand.ink(page, cell, 0) for cell in (PLASMA, XRAY, CMB)]
    found["words"] = [hand.words(page, cell) for cell in NAMES]
    return found


def pictures(seat: Seat) -> dict[str, Any]:
    """Take pictures of the figures that references are kept of."""
    for name, (cell, number) in PICTURES.items():
        hand.bring(seat.page, cell, number)
        box = seat.page.evaluate(
            "([c, n]) => { const b = hand.figures(c)[n].canvas_view.el.getBoundingClientRect();"
            "return {x: b.x, y: b.y, width: b.width, height: b.height}; }",
            [cell, number],
        )
        seat.page.screenshot(path=seat.out / f"picture_{name}.png", clip=box)
    return {"figures": [len(hand.ids(seat.page, cell)) for cell in (*NAMES, SPECTROGRAM)]}


STEPS: dict[str, Callable[[Seat], dict[str, Any]]] = {
    "pictures": pictures,
    "series_hover": hovered(PLASMA, (0.5, 0.5)),
    "series_zoom": zoomed(PLASMA, "time", "x-pan"),
    "series_tap": tapped_series,
    "series_choice": chosen,
    "share": shared,
    "image_hover": hovered(XRAY, (19.5 / 64, 39.5 / 64)),
    "box": brushed(XRAY, 0, "box-select", [(0.2, 0.5), (0.5, 0.8)], "region"),
    "aimed": brushed(XRAY, 0, "box-select", [(0.2, 0.2), (0.6, 0.7)], "region", rest=600),
    "lasso": brushed(XRAY, 0, "lasso-select", hand.ring((0.5, 0.5), 0.3), "region"),
    "energy": brushed(XRAY, 1, "x-box-select", [(0.5, 0.5), (0.8, 0.5)], "energy"),
    "times": brushed(XRAY, 2, "x-box-select", [(0.25, 0.5), (0.5, 0.5)], "time"),
    "column": brushed(XRAY, 3, "x-box-select", [(0.25, 0.5), (0.5, 0.5)], "column"),
    "empty": empty_brush,
    "sky_hover": hovered(CMB, (0.3, 0.6)),
    "sky_zoom": zoomed(CMB, "sky_x", "pan"),
    "sky_tap": tapped_sky,
    "sky_mask": masked_sky,
    "spectrogram_hover": hovered(SPECTROGRAM, (0.5, 0.5)),
    "spectrogram_zoom": zoomed(SPECTROGRAM, "flux", "x-pan"),
    "busy": busy,
    "dead": dead_kernel,
}


def main(chromium: str, folder: Path, out: Path, rules: bool) -> None:
    """Take all steps and write ``report.json``."""
    out.mkdir(parents=True, exist_ok=True)
    write(folder / "explorers.ipynb")
    outside: list[str] = []
    problems: list[str] = []
    with jupyterlab(folder, out) as (address, token), sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=FLAGS + ([LOOPBACK_RULES] if rules else []))
        page = browser.new_page(viewport={"width": 1300, "height": 1000})
        page.set_default_timeout(30_000)
        page.on("request", lambda asked: outside.append(asked.url))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(f"{address}/lab/tree/explorers.ipynb?token={token}&reset")
        page.wait_for_selector(".jp-Notebook", timeout=90_000)
        seat = Seat(page, folder, out)
        seat.report["cells"] = run_all(page, 120)
        page.evaluate(hand.SCRIPT)
        for name, act in STEPS.items():
            seat.step(name, act)
        browser.close()
    far = [url for url in outside if urlsplit(url).hostname not in (None, "127.0.0.1") and url[:4] in ("http", "ws:/")]
    report = {**seat.report, "outside": far, "page_errors": problems}
    (out / "report.json").write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    given = [word for word in sys.argv[1:] if word != "--host-rules"]
    main(given[0], Path(given[1]), Path(given[2]), "--host-rules" in sys.argv)
