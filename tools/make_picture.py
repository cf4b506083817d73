"""Draw the README's picture from bundled data: this writes ``docs/first_light.png``.

Needs Chromium, and playwright from the test extra.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import holoviews as hv
from playwright.sync_api import sync_playwright

from analysis import cmb, plasma, xray

OUT = Path(__file__).parents[1] / "docs" / "first_light.png"


def pictures() -> hv.Layout:
    """Return four pictures from the three fields."""
    storm = plasma.fetch("qin_denton_hourly", "2001-03-30", "2001-04-03")
    nose = plasma.magnetopause(storm).standoff
    boundary = plasma.view(nose, reference={"geosynchronous orbit": 6.62})
    nebula = xray.view(xray.fetch("msh1552_acis_events"))
    sky = cmb.view(cmb.fetch("wmap7_w_iqu"), stokes="I")
    ulx = xray.view(xray.fetch("ngc7793_ulx4_pn"))
    return hv.Layout(
        [boundary.opts(hv.opts.Curve(frame_height=340), hv.opts.Overlay(frame_height=340)), nebula, sky, ulx]
    ).cols(2)


def main() -> None:
    """Save the pictures as a page, open it in Chromium, and keep a screenshot of what is drawn."""
    browser_path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser_path is None:
        sys.exit("make_picture: there is no Chromium on PATH")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        page_path = Path(folder) / "picture.html"
        hv.save(pictures(), page_path, backend="bokeh", resources="inline")
        browser = play.chromium.launch(executable_path=browser_path, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1640, "height": 1200})
        page.goto(page_path.as_uri())
        page.locator(".bk-Figure").last.wait_for()
        page.wait_for_timeout(2000)
        page.locator(".bk-GridPlot").screenshot(path=OUT)
        browser.close()
    print(f"wrote {OUT.name}")


if __name__ == "__main__":
    main()
