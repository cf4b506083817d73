"""HoloViews' Bokeh backend, loaded so that pictures appear without internet."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

WIDGETS = ("vscode", "ipywidgets")  # how Panel says that a notebook shows pictures as Jupyter widgets
MISSING = (
    "This notebook shows pictures through the package jupyter_bokeh, which is not installed: "
    "pip install jupyter_bokeh, then restart the kernel."
)
_loaded_into: list[object] = []  # the notebook shell (None: no notebook) that the backend was loaded into


def notebook() -> None:
    """Load what pictures need into the running notebook, from this machine.

    By default HoloViews loads its scripts from the internet: offline, pictures stay blank and nothing is
    raised. Here scripts and style sheets travel inside the notebook. The first picture made in a notebook
    calls this; call it yourself only to show HoloViews objects of your own before that. A second call does
    nothing; outside a notebook only the backend is chosen.

    Examples
    --------
    >>> notebook()
    """
    with _nothing_collected():
        import holoviews as hv
        import panel as pn

        shell = _kernel_shell()
        if any(shell is known for known in _loaded_into):
            return
        _loaded_into[:] = [shell]
        if shell is None:
            hv.extension("bokeh")
            return
        _into(shell, hv, pn)


def _into(shell: Any, hv: Any, pn: Any) -> None:
    """Load the backend into a notebook's kernel."""
    pn.config.inline = True  # its typing leaves the setter out
    hv.extension.inline = True  # a later hv.extension() of the user's must not turn to the internet either
    hv.extension("bokeh", inline=True, logo=False)
    # HoloViews' own display leaves links to style sheets on the internet, and so does Panel's in VS Code.
    for shown in (hv.core.dimension.LabelledData, hv.core.layout.AdjointLayout, pn.viewable.Viewable):
        shell.display_formatter.mimebundle_formatter.for_type(shown, _mimebundle)


def loaded() -> Any:
    """Return the module holoviews, its Bokeh backend and the running notebook ready for pictures."""
    if not _loaded_into or _loaded_into[0] is not _kernel_shell():
        notebook()
    import holoviews as hv

    return hv


@contextmanager
def redrawing(page: Any) -> Iterator[None]:
    """Send what changes inside this block to the notebook as one update, style sheets inline.

    Panel puts style sheets inline when a page is first shown; what is drawn later would ask the internet for
    them. And it would send back what the browser itself told: a slider that is dragged would jump, a letter typed
    meanwhile be lost. Outside a notebook nothing is done.
    """
    import panel as pn

    if pn.config.comms in WIDGETS and _kernel_shell() is not None:
        with _in_widgets(page):
            yield
        return
    document = pn.state.curdoc
    if document is None or document.session_context is not None or _kernel_shell() is None:
        yield
        return
    with pn.io.block_comm():
        yield
        held = document.callbacks._held_events
        held[:] = [event for event in held if getattr(event, "setter", None) is None]
        for root in document.roots:
            _styles_inline(root)
    pn.io.push_notebook(page)


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """Let the garbage collector rest: imports leave no garbage, and looking for it takes a sixth of their time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _kernel_shell() -> Any:
    """Return IPython's shell if this process is a notebook's kernel, else None; imports nothing."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell if hasattr(shell, "kernel") else None


def _mimebundle(picture: Any, include: Any = None, exclude: Any = None) -> Any:
    """Return what a notebook shows of a picture or page: of its own kind, or as a widget where it takes only those."""
    import panel as pn

    page = picture if isinstance(picture, pn.viewable.Viewable) else pn.pane.HoloViews(picture)
    if pn.config.comms not in WIDGETS:
        return page._repr_mimebundle_(include, exclude)
    try:
        widget = pn.io.notebook.ipywidget(page)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "jupyter_bokeh":
            raise
        return {"text/plain": MISSING, "text/html": f"<p>{MISSING}</p>"}
    _styles_inline(widget._model)
    widget.render_bundle = widget._model_to_traits(widget._model)
    return widget._repr_mimebundle_()


def _styles_inline(root: Any) -> None:
    """Put the style sheets of a model and its parts into them; else the browser asks the internet."""
    import panel as pn
    from bokeh.models.ui import UIElement

    for model in root.select({"type": UIElement}):
        pn.io.notebook.patch_inline_stylesheets(model)


@contextmanager
def _in_widgets(page: Any) -> Iterator[None]:
    """Send what changes inside this block to the widgets that show a page at once, style sheets inline."""
    models = [model for model, _ in page._models.values() if model.document is not None]
    documents = {model.document: None for model in models}
    for document in documents:
        document.hold("combine")
    try:
        yield
        for model in models:
            _styles_inline(model)
    finally:
        for document in documents:
            document.unhold()
