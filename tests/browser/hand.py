"""What a hand does on pictures in a browser, and when new pixels are there: for tests and for measurements.

A figure is meant by the notebook's cell that shows it and its number there, and looked up anew each time: explorers
replace figures. Places are fractions of a figure's frame from its left and lower edge.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from playwright.sync_api import Page

Spot = tuple[float, float]

# Views of a cell's figures from top to bottom, their frames in the window, and a log of what changes in them: pixels
# of the canvas ("pixels"), columns that glyphs are drawn from ("data"), another figure in the place ("new").
SCRIPT = r"""() => {
  if (window.hand) return;
  const hand = window.hand = {log: [], input: 0, watching: null};
  hand.figures = cell => {
    const holder = document.querySelectorAll('.jp-Notebook .jp-CodeCell')[cell];
    const within = element => {
      for (let at = element; at; at = at.parentNode ?? at.host) if (at === holder) return true;
      return false;
    };
    const found = [...Bokeh.index.all_views()].filter(
      view => view.model.type.endsWith('Figure') && view.canvas_view?.el?.isConnected && within(view.el));
    const place = view => view.el.getBoundingClientRect();
    return found.sort((a, b) => Math.round(place(a).top - place(b).top) || place(a).left - place(b).left);
  };
  hand.frame = view => {
    const box = view.canvas_view.el.getBoundingClientRect(), inner = view.frame.bbox;
    return {x: box.x + inner.left, y: box.y + inner.top, width: inner.width, height: inner.height};
  };
  hand.pixels = view => {
    const canvas = view.canvas_view.primary.canvas;
    if (!canvas.width || !canvas.height) return {sum: 0, ink: 0};
    const read = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    const words = new Uint32Array(read.buffer);
    let sum = 0, ink = 0;
    for (let k = 0; k < words.length; k++) {
      const word = words[k], r = word & 255, g = word >>> 8 & 255, b = word >>> 16 & 255;
      sum = (Math.imul(sum, 31) + word) | 0;
      if (word >>> 24 > 99 && Math.max(r, g, b) - Math.min(r, g, b) > 30) ink++;
    }
    return {sum, ink};
  };
  for (const kind of ['wheel', 'pointerdown', 'pointermove', 'pointerup', 'keydown', 'change'])
    window.addEventListener(kind, event => { hand.input = event.timeStamp; }, {capture: true, passive: true});
  hand.words = root => {
    const found = [];
    const walk = node => {
      if (node.nodeType === Node.TEXT_NODE) found.push(node.textContent);
      if (['STYLE', 'SCRIPT', 'OPTION'].includes(node.tagName)) return;
      if (node instanceof Element && getComputedStyle(node).display === 'none') return;
      for (const one of [...(node.shadowRoot?.childNodes ?? []), ...node.childNodes]) walk(one);
    };
    walk(root);
    return found.join(' ').replace(/\s+/g, ' ').trim();
  };
  hand.look = () => {
    if (hand.watching === null) return;
    const {cell, number, before} = hand.watching, view = hand.figures(cell)[number], now = performance.now();
    if (view) {
      const columns = view.model.renderers.map(one => one.data_source?.data), pixels = hand.pixels(view);
      if (before.id !== view.model.id) hand.log.push({kind: 'new', t: now});
      else if (columns.some((one, k) => one !== before.columns[k])) hand.log.push({kind: 'data', t: now});
      if (pixels.sum !== before.sum) hand.log.push({kind: 'pixels', t: now, ink: pixels.ink});
      hand.watching.before = {id: view.model.id, columns, sum: pixels.sum};
    }
    requestAnimationFrame(hand.look);
  };
  hand.watch = (cell, number) => {
    const view = hand.figures(cell)[number];
    const before = {id: view.model.id, columns: view.model.renderers.map(one => one.data_source?.data),
                    sum: hand.pixels(view).sum};
    const running = hand.watching !== null;
    hand.log = []; hand.watching = {cell, number, before};
    if (!running) requestAnimationFrame(hand.look);
  };
}"""


def ids(page: Page, cell: int) -> list[str]:
    """Return the ids of a cell's figures from top to bottom; a figure made anew has another."""
    return page.evaluate("cell => hand.figures(cell).map(view => view.model.id)", cell)


def ranges(page: Page, cell: int, number: int) -> tuple[list[float], list[float]]:
    """Return the ends of both axes of a figure."""
    code = """([cell, number]) => { const m = hand.figures(cell)[number].model;
      return [[m.x_range.start, m.x_range.end], [m.y_range.start, m.y_range.end]]; }"""
    across, up = page.evaluate(code, [cell, number])
    return across, up


def column(page: Page, cell: int, number: int, name: str) -> list[float]:
    """Return a column, by its name, of the first glyph of a figure that has it."""
    code = """([cell, number, name]) => {
      for (const one of hand.figures(cell)[number].model.renderers) {
        const data = one.data_source?.data;
        const values = data instanceof Map ? data.get(name) : data?.[name];
        if (values !== undefined) return Array.from(values, v => Number(v));
      }
      return []; }"""
    return page.evaluate(code, [cell, number, name])


def ink(page: Page, cell: int, number: int) -> int:
    """Return how many pixels of a figure have a colour: glyphs have, axes and grids are grey."""
    return page.evaluate("([cell, number]) => hand.pixels(hand.figures(cell)[number]).ink", [cell, number])


def bring(page: Page, cell: int, number: int) -> None:
    """Scroll until a figure is in the middle of the window."""
    code = "([cell, number]) => hand.figures(cell)[number].canvas_view.el.scrollIntoView({block: 'center'})"
    page.evaluate(code, [cell, number])
    page.wait_for_timeout(120)


def place(page: Page, cell: int, number: int, spot: Spot) -> Spot:
    """Return where a place of a figure's frame is in the window."""
    box = page.evaluate("([cell, number]) => hand.frame(hand.figures(cell)[number])", [cell, number])
    return box["x"] + spot[0] * box["width"], box["y"] + (1 - spot[1]) * box["height"]


def tool(page: Page, cell: int, number: int, name: str) -> None:
    """Take a tool from the toolbar of a figure: "pan", "wheel-zoom", "box-select", "lasso-select", "reset" …"""
    code = """([cell, number, name]) => {
      const icons = root => { const found = []; for (const one of root.querySelectorAll('*')) {
        if (String(one.className).includes('bk-tool-icon-')) found.push(one);
        if (one.shadowRoot) found.push(...icons(one.shadowRoot)); } return found; };
      let at = hand.figures(cell)[number].el, held = [];
      for (; at && !held.length; at = at.parentNode ?? at.host) held = icons(at.shadowRoot ?? at);
      const icon = held.find(one => one.classList.contains('bk-tool-icon-' + name));
      if (!icon) throw new Error(`no tool ${name} among ${held.map(one => one.className)}`);
      if (icon.getRootNode().host.classList.contains('bk-active')) return null;
      const box = icon.getBoundingClientRect();
      return [box.x + box.width / 2, box.y + box.height / 2]; }"""
    spot = page.evaluate(code, [cell, number, name])
    if spot is not None:  # a click on a tool in use would put it down
        page.mouse.click(*spot)
        page.wait_for_timeout(60)


def wheel(page: Page, cell: int, number: int, turn: float, spot: Spot = (0.5, 0.5)) -> None:
    """Turn the wheel over a figure; up, below zero, zooms in."""
    page.mouse.move(*place(page, cell, number, spot))
    page.mouse.wheel(0, turn)


def drag(page: Page, cell: int, number: int, spots: Sequence[Spot], steps: int = 4, rest: int = 0) -> None:
    """Drag from the first place over the others, no faster than a hand: a browser joins moves within one frame.

    ``rest`` milliseconds pass before the mouse moves; a figure of a picture that is no explorer's takes more than 300
    for a press, and draws nothing.
    """
    at = [place(page, cell, number, spot) for spot in spots]
    page.mouse.move(*at[0])
    page.mouse.down()
    page.wait_for_timeout(rest)
    (left, top), *further = at
    for x, y in further:
        for step in range(1, steps + 1):
            page.mouse.move(left + (x - left) * step / steps, top + (y - top) * step / steps)
            page.wait_for_timeout(16)
        left, top = x, y
    page.mouse.up()


def ring(middle: Spot, across: float, corners: int = 16) -> list[Spot]:
    """Return places around another, for a lasso."""
    turns = [2 * math.pi * k / corners for k in range(corners + 1)]
    return [(middle[0] + across * math.cos(turn), middle[1] + across * math.sin(turn)) for turn in turns]


def tap(page: Page, cell: int, number: int, spot: Spot) -> None:
    """Click a place of a figure."""
    page.mouse.click(*place(page, cell, number, spot))


def hover(page: Page, cell: int, number: int, spot: Spot) -> str:
    """Return what the tooltip says at a place of a figure, "" if there is none."""
    x, y = place(page, cell, number, spot)
    page.mouse.move(x, y - 5)
    page.mouse.move(x, y)
    page.wait_for_timeout(300)
    code = """() => { const found = [];
      const walk = root => { for (const one of root.querySelectorAll('*')) {
        if (one.classList.contains('bk-Tooltip') && getComputedStyle(one).display !== 'none')
          found.push(hand.words(one.shadowRoot ?? one));
        else if (one.shadowRoot) walk(one.shadowRoot); } };
      walk(document); return found.join(' '); }"""
    return page.evaluate(code)


def words(page: Page, cell: int) -> str:
    """Return what is to be read in a cell's output."""
    holder = "document.querySelectorAll('.jp-Notebook .jp-CodeCell')[cell].querySelector('.jp-OutputArea')"
    return page.evaluate(f"cell => hand.words({holder})", cell)


def latency(
    page: Page,
    cell: int,
    number: int,
    gesture: Callable[[], Any],
    *,
    seconds: float = 10,
    quiet: float = 0.3,
) -> dict[str, float] | None:
    """Return the milliseconds from the last mouse event of a gesture to pixels in a figure, None if none come.

    ``browser`` is until the first new pixels, which a zoom or pan gives before the kernel has answered; ``kernel``
    until columns or a figure made by the kernel have arrived; ``pixels`` until the last change of pixels after that.
    Frames of the browser are looked at one by one, so each number is too large by up to a frame.
    """
    page.evaluate("([cell, number]) => hand.watch(cell, number)", [cell, number])
    gesture()
    code = """([seconds, quiet]) => new Promise(done => {
      const began = performance.now();
      const check = () => {
        const log = hand.log.filter(one => one.t >= hand.input), now = performance.now();
        const came = log.filter(one => one.kind !== 'pixels'), drawn = log.filter(one => one.kind === 'pixels');
        const last = Math.max(hand.input, ...log.map(one => one.t));
        const after = came.length ? drawn.filter(one => one.t >= came[0].t && one.ink > 0) : [];
        if (after.length && now - last > quiet * 1e3) {
          hand.watching = null;
          done({browser: drawn[0].t - hand.input, kernel: came.at(-1).t - hand.input,
                pixels: after.at(-1).t - hand.input});
        } else if (now - began > seconds * 1e3) { hand.watching = null; done(null); }
        else setTimeout(check, 20);
      };
      check(); })"""
    return page.evaluate(code, [seconds, quiet])
