"""Pictures as files: PNG, SVG and PDF for print, HTML to hand on."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import Any

from analysis.errors import BadOption, StoreError
from analysis.panels.loading import loaded
from analysis.panels.printed import RC, figure_of

FORMATS = ("png", "svg", "pdf", "html")
# Panel has every page load this for components of a kind that no picture uses; in a file it is a broken link.
SHIM = re.compile(r'<script src="[^"]*/es-module-shims[^"]*"></script>')


def save(
    picture: Any,
    path: str | os.PathLike[str],
    *,
    width: float | None = None,
    dpi: int = 300,
    overwrite: bool = False,
) -> Path:
    """Write a picture to a file, whole or not at all, and return its path.

    Parameters
    ----------
    picture : HoloViews element, Overlay, Layout or DynamicMap
        What ``view`` gives.
    path : str or path
        Its suffix says the format: ``.png``, ``.svg`` and ``.pdf`` are drawn with matplotlib, with the same axes,
        colours, notes and sources, and need no browser; ``.html`` is the interactive picture, which needs neither
        network nor kernel.
    width : float, optional
        Of PNG, SVG and PDF in inches: 7.1 by default, two columns of a journal; 3.5 is one. The height follows.
    dpi : int, optional
        Pixels to the inch, of PNG and of parts with very many cells, which SVG and PDF hold as a picture.
    overwrite : bool, optional
        Replace a file of this name.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    BadOption
        If the suffix is none of these, the file is there already, width or dpi are out of range, or the picture holds
        what cannot be drawn for print (the message names it).
    StoreError
        If the folder is not there or cannot be written to.

    Examples
    --------
    >>> import holoviews as hv
    >>> save(hv.Curve([1, 2]), "curve.gif")
    Traceback (most recent call last):
    ...
    analysis.errors.BadOption: curve.gif: a picture is saved as .png, .svg, .pdf or .html
    """
    target = Path(path)
    kind = target.suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        raise BadOption(f"{target}: a picture is saved as .png, .svg, .pdf or .html")
    if width is not None and (kind == "html" or isinstance(width, bool) or not 1 <= width <= 40):
        raise BadOption(f"width={width!r}: give 1 to 40 inches, and only for .png, .svg and .pdf")
    if isinstance(dpi, bool) or not 30 <= dpi <= 1200:
        raise BadOption(f"dpi={dpi!r} is not between 30 and 1200 pixels to the inch")
    if target.exists() and not overwrite:
        raise BadOption(f"{target} is there already; overwrite=True replaces it")
    if not target.parent.is_dir():
        raise StoreError(f"{target}: there is no folder {target.parent}")
    content = _page(picture, target.stem) if kind == "html" else _print(picture, kind, width, dpi)
    write_whole(target, content)
    return target


def _print(picture: Any, kind: str, width: float | None, dpi: int) -> bytes:
    """Return the bytes of a PNG, SVG or PDF; the same picture gives the same bytes."""
    from io import BytesIO

    import matplotlib

    undated: dict[str, Any] = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[kind]
    held = BytesIO()
    with matplotlib.rc_context(RC):
        figure_of(picture, width=width).savefig(held, format=kind, dpi=dpi, metadata=undated)
    return held.getvalue()


def _page(picture: Any, title: str) -> bytes:
    hv = loaded()
    if not isinstance(picture, hv.core.Dimensioned):
        raise BadOption(f"a {type(picture).__name__} is no picture that can be saved; save takes what view gives")
    return html_page(hv.render(picture, backend="bokeh"), title)


def html_page(root: Any, title: str) -> bytes:
    """Return a page with a Bokeh model and all scripts that it needs: neither network nor kernel."""
    from bokeh.embed import file_html
    from bokeh.plotting import figure
    from bokeh.resources import INLINE

    for part in root.select({"type": figure}):
        part.sizing_mode = None  # sizes are those of the frames
    return SHIM.sub("", file_html(root, INLINE, title), count=1).encode("utf-8")


def write_whole(target: Path, content: bytes) -> None:
    """Write under another name in the same folder, then rename: a reader never sees half a file."""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise StoreError(f"{target} cannot be written: {error}") from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        mask = os.umask(0)
        os.umask(mask)
        Path(name).chmod(0o666 & ~mask)
        Path(name).replace(target)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        raise StoreError(f"{target} cannot be written: {error}") from error
