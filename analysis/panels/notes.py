"""Whose numbers a picture shows, written on the picture."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.panels.described import described
from analysis.panels.loading import loaded
from analysis.panels.themes import is_dark, painted

TITLE_CHARACTER = 7.3  # mean width of a letter of the title, in screen pixels
CHARACTER = {"below": 5.6, "above": 7.4}  # mean width of a letter of the source line and of SYNTHETIC, likewise
FEWEST = 20  # letters a line in the smallest of frames
SYNTHETIC = "SYNTHETIC data: simulated, not measured"
_TAG = "note of sources"
REST = 100  # ms after the last turn of the wheel until it is told; Bokeh waits for 500


@dataclass(frozen=True)
class _Note:
    """A HoloViews hook that writes lines under a Bokeh figure, and a red line over it for synthetic data.

    ``said`` stands nowhere: it is for those who don't see the figure.
    """

    below: tuple[str, ...]
    synthetic: bool
    said: tuple[str, ...] = ()

    def __call__(self, plot: Any, element: Any) -> None:
        figure = plot.state
        if not hasattr(figure, "add_layout"):
            return
        if self.synthetic:
            _write(figure, "above", str(id(plot)), (SYNTHETIC,), colour="#b2182b", size="10pt")
        if self.below:
            _write(figure, "below", str(id(plot)), self.below, colour="#555555", size="8pt")
        figure.lod_timeout = REST
        described(figure, [*self.said, *_written(figure)], synthetic=bool(_titles(figure, "above")))
        if is_dark():
            painted(figure)


def note(picture: Any, attrs: Mapping[str, Any], *, remark: str = "", fold: int = 80, said: Sequence[str] = ()) -> Any:
    """Return the picture with its title and source on it and, if the attributes say so, the word SYNTHETIC.

    Parameters
    ----------
    picture : holoviews element, Overlay, Layout or DynamicMap
        Each figure of a layout gets the note.
    attrs : mapping
        ``title``, ``source``, ``institution``, ``references`` and ``synthetic`` are read, as in global
        attributes of a dataset; each may be absent.
    remark : str, optional
        What the picture leaves out of the data, for example "each column is the mean of 20 samples".
    fold : int, optional
        Letters in a line of the title, at most; a narrow frame takes fewer.
    said : sequence of str, optional
        Written nowhere, told by screen readers: what stands beside the figure instead of on it.

    Returns
    -------
    holoviews object
        A copy; the picture given is left as it was. A title and notes that it has are kept.

    Examples
    --------
    >>> import holoviews as hv
    >>> picture = note(hv.Curve([1, 2]), {"title": "Demo", "source": "a formula", "synthetic": "true"})
    >>> figure = hv.render(picture)
    >>> figure.title.text, figure.above[-1].text, figure.below[-1].text
    ('Demo', 'SYNTHETIC data: simulated, not measured', 'Source: a formula')
    """
    hv = loaded()
    synthetic = str(attrs.get("synthetic", "false")).lower() in ("true", "1", "yes")
    hook = _Note(_paragraphs(attrs, remark), synthetic, tuple(said))
    title = str(attrs.get("title", "")).strip()

    def annotated(element: Any) -> Any:
        set_before = hv.Store.lookup_options("bokeh", element, "plot").kwargs
        hooks = set_before.get("hooks", [])
        noted = [*(h for h in hooks if isinstance(h, _Note)), hook]
        joined = _Note(
            tuple(dict.fromkeys(line for one in noted for line in one.below)),
            any(one.synthetic for one in noted),
            tuple(dict.fromkeys(line for one in noted for line in one.said)),
        )
        options: dict[str, Any] = {"hooks": [*(h for h in hooks if not isinstance(h, _Note)), joined]}
        if title and "title" not in set_before:
            width = set_before.get("frame_width") or 80 * TITLE_CHARACTER
            options["title"] = "\n".join(textwrap.wrap(title, min(fold, max(30, int(width / TITLE_CHARACTER)))))
        return element.opts(**options, backend="bokeh", clone=True)

    if isinstance(picture, hv.DynamicMap):
        return picture.apply(lambda drawn: drawn.map(annotated, hv.Element), link_inputs=True)
    return picture.map(annotated, hv.Element)


def noted(hooks: Iterable[Any]) -> tuple[tuple[str, ...], bool]:
    """Return what :func:`note` wrote among the hooks of an element: the lines below, and whether it is synthetic."""
    notes = [hook for hook in hooks if isinstance(hook, _Note)]
    return tuple(line for hook in notes for line in hook.below), any(hook.synthetic for hook in notes)


def _paragraphs(attrs: Mapping[str, Any], remark: str) -> tuple[str, ...]:
    """Return the remark and the source line."""
    stated = [str(attrs.get(key, "")).strip() for key in ("source", "institution")]
    references = [line for line in str(attrs.get("references", "")).splitlines() if line.strip()]
    if references:
        stated.append(references[0] + (f" (+{len(references) - 1} more)" if len(references) > 1 else ""))
    stated = [text for text in dict.fromkeys(stated) if text and text not in ("not stated", "none")]
    paragraphs = [remark] if remark else []
    if stated:
        paragraphs.append("Source: " + " · ".join(stated))
    return tuple(paragraphs)


def _titles(figure: Any, place: str) -> list[Any]:
    """Return what has been written beside a figure at this place."""
    return [part for part in getattr(figure, place) if part.tags[:1] == [_TAG]]


def _written(figure: Any) -> list[str]:
    """Return the paragraphs under a figure, of all its elements."""
    return [text for title in _titles(figure, "below") for lines in title.tags[1].values() for text in lines]


def _write(figure: Any, place: str, writer: str, lines: tuple[str, ...], *, colour: str, size: str) -> None:
    """Put lines beside the figure, once however many of its elements bring them; renew them on updates."""
    from bokeh.models.annotations import Title

    known = _titles(figure, place)
    if known:
        title = known[0]
    else:
        title = Title(
            tags=[_TAG, {}],
            text_color=colour,
            text_font_size=size,
            text_font_style="bold" if place == "above" else "normal",
            text_line_height=1.2,
        )
        figure.add_layout(title, place)
    by_writer = {**title.tags[1], writer: list(lines)}
    title.tags = [_TAG, by_writer]
    width = int((figure.frame_width or figure.width or 640) / CHARACTER[place])
    paragraphs = dict.fromkeys(text for written in by_writer.values() for text in written)
    title.text = "\n".join(line for text in paragraphs for line in textwrap.wrap(text, max(FEWEST, width)))
