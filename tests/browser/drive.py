"""Open notebooks in JupyterLab with a real browser and report what a person would see, as JSON.

Runs as a program of its own so that server, kernel and browser can share a network namespace that has nothing but
loopback: ``drive.py CHROMIUM FOLDER OUT NOTEBOOK …``. Nothing is intercepted; requests to other hosts are only counted.
"""

from __future__ import annotations

import json
import math
import os
import re
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Page, sync_playwright

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
]
LOOPBACK_RULES = "--host-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"
# What a cell raised is asked of the notebook: on the page it looks like a warning.
CELLS = """() => (window.jupyterapp?.shell.currentWidget?.content?.widgets ?? [])
  .filter(cell => cell.model.type === 'code').map(cell => {
    const error = cell.model.sharedModel.getOutputs().find(output => output.output_type === 'error');
    return {prompt: cell.node.querySelector('.jp-InputPrompt')?.textContent ?? '',
            error: error ? `${error.ename}: ${error.evalue}` : null}; })"""
RANGES = """() => {
  const found = [];
  for (const doc of (window.Bokeh?.documents ?? []))
    for (const model of doc._all_models.values())
      if (model.type.endsWith('Figure') || model.type === 'Plot')
        found.push({id: model.id, x: [model.x_range.start, model.x_range.end],
                    y: [model.y_range.start, model.y_range.end],
                    axes: [...model.below, ...model.left].map(a => a.axis_label).filter(Boolean)});
  return found; }"""
DRAWN_ON = "cmb/03_live_mask.ipynb"
SPECTRA = """() => {
  const found = [];
  for (const doc of (window.Bokeh?.documents ?? [])) {
    const models = [...doc._all_models.values()];
    if (!models.some(m => m.type === 'FreehandDrawTool')) continue;
    for (const figure of models.filter(m => m.type.endsWith('Figure')))
      for (const renderer of figure.renderers) {
        const data = renderer.data_source?.data ?? {};
        const values = data instanceof Map ? data.get('dl_bb') : data['dl_bb'];
        if (values) found.push(Array.from(values));
      }
  }
  return found; }"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def jupyterlab(folder: Path, out: Path):
    """Yield the address and token of a JupyterLab that serves a folder on loopback."""
    port, token = free_port(), secrets.token_hex(16)
    home = out / "home"
    home.mkdir(parents=True, exist_ok=True)
    settings = {
        "HOME": str(home),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1"]
    command += [
        f"--ServerApp.port={port}",
        f"--IdentityProvider.token={token}",
        f"--ServerApp.root_dir={folder}",
        "--LabApp.expose_app_in_browser=True",
    ]
    with (out / "jupyterlab.log").open("w") as log:
        server = subprocess.Popen(command, env={**os.environ, **settings}, stdout=log, stderr=log)
        try:
            wait_for(lambda: answers(f"http://127.0.0.1:{port}/api?token={token}"), 60, "JupyterLab to answer")
            yield f"http://127.0.0.1:{port}", token
        finally:
            server.terminate()
            server.wait(20)


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2) as reply:
            return reply.status == 200
    except OSError:
        return False


def wait_for(condition, seconds: float, what: str):
    """Poll until the condition gives something true, and return that."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := condition():
            return found
        time.sleep(0.3)
    raise TimeoutError(f"waited {seconds} s for {what}")


def run_all(page: Page, seconds: float) -> list[dict]:
    """Run every cell through the menu, as a person does, and return prompt and error of each code cell."""

    def ready() -> bool:
        if page.locator(".jp-Dialog").count():
            page.keyboard.press("Escape")
            return False
        idle = page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').count()
        return bool(idle and page.locator(".jp-Notebook .jp-CodeCell").count())

    def finished() -> list[dict] | None:
        cells = page.evaluate(CELLS)
        prompts = [cell["prompt"].strip("[]: ") for cell in cells]
        if cells and all(prompt.isdigit() for prompt in prompts):
            return cells
        if any(cell["error"] for cell in cells) and "*" not in prompts:  # those after it are not run
            return cells
        if "*" not in prompts and ready():  # JupyterLab can swallow the command while a kernel connects
            page.locator("#jp-MainMenu >> text=Run").first.click()
            page.locator('.lm-Menu-item[data-command="runmenu:run-all"]').click()
            page.wait_for_timeout(2000)
        return None

    wait_for(ready, 90, "the kernel to start")
    page.wait_for_timeout(3000)
    cells = wait_for(finished, seconds, "all cells to finish")
    page.wait_for_timeout(2000)  # pictures are drawn after the kernel is done
    return cells


def figures(page: Page, out: Path, name: str) -> list[dict]:
    """Screenshot each Bokeh figure on the page after bringing it into view."""
    found = []
    for number, figure in enumerate(page.locator(".jp-OutputArea .bk-Figure").all()):
        figure.scroll_into_view_if_needed()
        page.wait_for_timeout(400)
        path = out / f"{name}_figure{number:02d}.png"
        figure.screenshot(path=path)
        found.append({"screenshot": path.name, "box": figure.bounding_box()})
    return found


def zoom(page: Page) -> dict:
    """Turn the wheel over the first figure and give the ranges of all figures before and after."""
    figure = page.locator(".jp-OutputArea .bk-Figure").first
    figure.scroll_into_view_if_needed()
    page.wait_for_timeout(500)
    before = page.evaluate(RANGES)
    box = figure.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.45, box["y"] + box["height"] * 0.45)
    for _ in range(4):
        page.mouse.wheel(0, -240)
        page.wait_for_timeout(150)
    page.wait_for_timeout(6000)  # a lost first event would show up only after five seconds
    return {"before": before, "after": page.evaluate(RANGES)}


def tap(page: Page) -> None:
    """Click into the last figure, in most notebooks an explorer's, and give it time to draw what belongs to that."""
    figure = page.locator(".jp-OutputArea .bk-Figure").last
    figure.scroll_into_view_if_needed()
    box = figure.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.5)
    page.wait_for_timeout(3000)


def draw(page: Page) -> list[dict]:
    """Draw a region on the sky of a mask's page by mouse, take it away, choose pseudo; give what is told each time."""
    sky = page.locator(".jp-OutputArea .bk-Figure").all()[-5]  # BB, EE, TE and TT come after it
    told = page.get_by_text(re.compile(r"^Kept: \|b\|")).last

    def once(words: str) -> dict:
        wait_for(lambda: re.search(words, told.text_content() or ""), 60, f"the page to say {words!r}")
        page.wait_for_timeout(1000)
        return {"words": told.text_content(), "bb": page.evaluate(SPECTRA)}

    found = [once("of the sky")]
    page.locator(".bk-tool-icon-freehand-draw").last.click()
    sky.scroll_into_view_if_needed()
    page.wait_for_timeout(500)
    box = sky.bounding_box()
    assert box is not None
    x, y = box["x"] + 0.55 * box["width"], box["y"] + 0.28 * box["height"]
    corners = [(x + 40 * math.cos(k * math.pi / 12), y + 15 * math.sin(k * math.pi / 12)) for k in range(25)]
    page.mouse.move(*corners[0])
    page.mouse.down()
    for corner in corners[1:]:
        page.mouse.move(*corner)
        page.wait_for_timeout(20)
    page.mouse.up()
    found.append(once("drawn left out"))
    page.get_by_text("Take drawn regions away").last.click()
    found.append(once(r"°, [\d.]+ % of the sky"))
    page.get_by_text("pseudo", exact=True).last.click()
    found.append(once("Pseudo"))
    return found


def visit(page: Page, address: str, token: str, notebook: str, out: Path, seconds: float) -> dict:
    """Open one notebook, run it, and report cells, figures, zoom and every request that left this machine."""
    outside: list[str] = []
    page.on(
        "request",
        lambda r: outside.append(r.url) if urlsplit(r.url).hostname not in (None, "127.0.0.1") else None,
    )
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(f"{address}/lab/tree/{notebook}?token={token}&reset")
    page.wait_for_selector(".jp-Notebook", timeout=90_000)
    name = notebook.replace("/", "_").removesuffix(".ipynb")
    cells = run_all(page, seconds)
    page.screenshot(path=out / f"{name}_page.png")
    shown = figures(page, out, name)
    drawn = draw(page) if notebook == DRAWN_ON else None
    zoomed = zoom(page) if shown else None
    page.screenshot(path=out / f"{name}_zoomed.png")
    if shown:
        tap(page)
    left = [url for url in outside if url.startswith(("http", "ws"))]
    return {
        "cells": cells, "figures": shown, "drawn": drawn, "zoom": zoomed, "outside": left, "page_errors": problems
    }  # fmt: skip


def main(chromium: str, folder: Path, out: Path, notebooks: list[str], rules: bool) -> None:
    """Visit each notebook and write ``report.json``."""
    out.mkdir(parents=True, exist_ok=True)
    report = {}
    with jupyterlab(folder, out) as (address, token), sync_playwright() as play:
        flags = FLAGS + ([LOOPBACK_RULES] if rules else [])
        browser = play.chromium.launch(executable_path=chromium, args=flags)
        for notebook in notebooks:
            page = browser.new_page(viewport={"width": 1300, "height": 1000})
            page.set_default_timeout(60_000)
            report[notebook] = visit(page, address, token, notebook, out, seconds=240)
            page.close()
        browser.close()
    (out / "report.json").write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    given = [word for word in sys.argv[1:] if word != "--host-rules"]
    main(given[0], Path(given[1]), Path(given[2]), given[3:], "--host-rules" in sys.argv)
