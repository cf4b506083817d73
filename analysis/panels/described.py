"""What a figure is for those who don't see it or use no mouse: words for screen readers, and keys to zoom and pan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

LONGEST = 600  # letters that a screen reader reads out
# Plus and minus zoom about the middle, arrows pan by a fifth, across where the figure's tools only go across.
# Other keys, and these together with Ctrl, Alt or the command key, stay the notebook's and the browser's.
KEYS = """
const key = event.key, held = event.ctrlKey || event.metaKey || event.altKey;
const zoom = {'+': 0.8, '=': 0.8, '-': 1.25, '_': 1.25}[key];
const pan = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1]}[key];
if (held || (zoom === undefined && pan === undefined) || !window.Bokeh) return;
let figure = null;
for (const doc of window.Bokeh.documents) figure = figure ?? doc.get_model_by_id(this.dataset.figure);
if (figure === null) return;
const across = this.dataset.across === 'true';
if (across && pan !== undefined && pan[0] === 0) return;
event.preventDefault(); event.stopPropagation();
const move = (range, scale, step) => {
  const log = scale.type === 'LogScale', to = v => log ? Math.log(v) : +v, back = v => log ? Math.exp(v) : v;
  const start = to(range.start), end = to(range.end), middle = (start + end) / 2, half = (end - start) / 2;
  const k = zoom ?? 1, shift = step * 0.4 * half;
  if (!Number.isFinite(middle + half) || (k < 1 && !log && 2 * k * Math.abs(half) < (range.min_interval ?? 0))) return;
  const low = back(middle - k * half + shift), high = back(middle + k * half + shift);
  if (Math.abs(high - low) > 1e-13 * Math.max(Math.abs(low), Math.abs(high))) range.setv({start: low, end: high});
};
move(figure.x_range, figure.x_scale, pan ? pan[0] : 0);
if (!across) move(figure.y_range, figure.y_scale, pan ? pan[1] : 0);
// Told as the wheel does; else nothing that follows a zoom would hear of it: the page's state, pages kept in step.
for (const view of figure.x_range.linked_plots ?? [])
  if (view.model === figure) view.trigger_ranges_update_event();
"""


def described(figure: Any, lines: Sequence[str], *, synthetic: bool) -> None:
    """Give a Bokeh figure a description for screen readers, and keys.

    Parameters
    ----------
    figure : bokeh figure
        Its title and the labels of its axes and colours are told.
    lines : sequence of str
        The notes: sources, and what the picture leaves out.
    synthetic : bool
        Whether it shows data that nobody measured.

    Examples
    --------
    >>> from bokeh.plotting import figure
    >>> made = figure(title="Dst", x_axis_label="Time (UTC)", y_axis_label="Dst (nT)")
    >>> described(made, ["Source: Kyoto"], synthetic=False)
    >>> made.html_attributes["aria-label"]
    'Figure: Dst. Across: Time (UTC). Up: Dst (nT). Source: Kyoto'
    """
    title = " ".join(str(figure.title.text or "").split()) if figure.title is not None else ""
    words = [f"Figure: {title}" if title else "Figure", *(["synthetic data, simulated, not measured"] * synthetic)]
    for name, axes in (("Across", figure.xaxis), ("Up", figure.yaxis)):
        labels = dict.fromkeys(" ".join(axis.axis_label.split()) for axis in axes if axis.visible and axis.axis_label)
        words += [f"{name}: {label}" for label in labels if label]
    bars = [bar for side in (figure.right, figure.left, figure.above, figure.below) for bar in side]
    words += [f"Colour: {' '.join(bar.title.split())}" for bar in bars if _is_bar(bar) and bar.title]
    words += list(dict.fromkeys(lines))
    text = ". ".join(word.strip().rstrip(".") for word in words)
    only_across = {getattr(tool, "dimensions", None) for tool in figure.tools if "Zoom" in type(tool).__name__}
    figure.html_attributes = {
        **figure.html_attributes,
        "role": "figure",
        "aria-label": text if len(text) <= LONGEST else text[: LONGEST - 1].rstrip() + "…",
        "aria-keyshortcuts": "+ - ArrowLeft ArrowRight ArrowUp ArrowDown",
        "data-figure": figure.id,
        "data-across": "true" if only_across == {"width"} else "false",
        "onkeydown": KEYS,
    }


def _is_bar(part: Any) -> bool:
    return type(part).__name__.endswith("ColorBar")
