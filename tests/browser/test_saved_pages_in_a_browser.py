"""A page that was saved as HTML, in a real browser without a kernel: what it shows, and keys that zoom."""

import numpy as np
import pytest
import xarray as xr

from analysis import explore

FIGURE = """
() => { window.heard = []; window.fig = null;
  for (const doc of Bokeh.documents) for (const m of doc._all_models.values()) if (m.type === 'Figure') window.fig = m;
  const tell = window.fig.trigger_event.bind(window.fig);
  window.fig.trigger_event = event => { window.heard.push(event.event_name); tell(event); };
  const find = node => { for (const part of node.querySelectorAll('*')) {
    if (part.classList.contains('bk-events') && part.tabIndex >= 0) return part;
    const inner = part.shadowRoot && find(part.shadowRoot); if (inner) return inner; } };
  find(document).focus(); }
"""
SEEN = "() => [fig.x_range.start, fig.x_range.end, fig.y_range.start, fig.y_range.end]"


@pytest.mark.browser
@pytest.mark.slow
def test_keys_zoom_a_saved_page_and_tell_of_it_as_the_wheel_does(chromium, tmp_path):
    from playwright.sync_api import sync_playwright

    hours = np.datetime64("2001-03-31", "ns") + np.arange(24) * np.timedelta64(1, "h")
    asked = {"zoom": {"Over time": {"time": ["2001-03-31T04:00:00", "2001-03-31T14:00:00"]}}}
    page = explore.time_explorer(xr.Dataset({"dst": ("time", np.arange(24.0))}, {"time": hours}), state=asked)
    saved = explore.save_page(page, tmp_path / "storm.html")
    asked_for = []
    with sync_playwright() as play:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--host-rules=MAP * ~NOTFOUND"]
        browser = play.chromium.launch(executable_path=chromium, args=flags)
        shown = browser.new_page()
        shown.on("request", lambda request: asked_for.append(request.url))
        shown.goto(saved.as_uri())
        shown.wait_for_function("() => window.Bokeh && Bokeh.documents.length && Bokeh.documents[0].is_idle")
        shown.evaluate(FIGURE)
        before = shown.evaluate(SEEN)
        seen = {}
        for key in ("+", "ArrowRight", "ArrowUp", "-"):
            shown.keyboard.press(key)
            seen[key] = shown.evaluate(SEEN)
        heard = shown.evaluate("() => heard")
        for _ in range(300):
            shown.keyboard.press("+")
        deepest = shown.evaluate(SEEN)
        browser.close()
    hour = 3_600_000
    first = hours[0].astype("datetime64[ms]").astype(int)
    assert [(end - first) / hour for end in before[:2]] == [4, 14]
    assert [(end - first) / hour for end in seen["+"][:2]] == pytest.approx([5, 13])
    assert [(end - first) / hour for end in seen["ArrowRight"][:2]] == pytest.approx([6.6, 14.6])
    assert seen["ArrowUp"] == seen["ArrowRight"] and all(one[2:] == before[2:] for one in seen.values())
    assert [(end - first) / hour for end in seen["-"][:2]] == pytest.approx([5.6, 15.6])
    assert heard.count("rangesupdate") == 3
    assert deepest[0] < deepest[1]
    assert [url for url in asked_for if not url.startswith(("file:", "data:", "blob:"))] == []
