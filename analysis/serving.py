"""A file or product explored in the browser: the field's explorer, served on this machine only."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import xarray as xr

from analysis.errors import AnalysisError, BadOption, MissingFile, UnknownProduct, WrongData

HOST = "127.0.0.1"
MODEL = "tbabs * powerlaw"
BAND = (0.5, 8.0)  # keV: where a spectrum is fitted, unless it has no channels there
EXPLORED = (
    "what is over time, X-ray events with their good times, a spectrum with its response, and a map of the sky in "
    "Galactic coordinates"
)
State = Mapping[str, Any] | str | os.PathLike[str] | None
Maker = Callable[..., Any]


def serve(
    target: str | os.PathLike[str],
    *,
    port: int = 0,
    browser: bool = True,
    state: State = None,
    model: str | None = None,
) -> str:
    """Serve the explorer of a file or product until Ctrl-C, and return a last word.

    Parameters
    ----------
    target : str or path
        A file, recognised by its content, or the name of a product.
    port : int, optional
        On the loopback interface; by default a free one.
    browser : bool, optional
        Open the page in the browser.
    state : mapping, str or path, optional
        The first view: what ``explore.state_of(page)`` gave, or a JSON file with it.
    model : str, optional
        For a spectrum; ``"tbabs * powerlaw"`` by default.

    Returns
    -------
    str

    Raises
    ------
    AnalysisError
        If there is no such file or product, it cannot be read or explored, the state does not fit, or the port is
        taken.
    """
    from panel.io.server import get_server

    if isinstance(port, bool) or not 0 <= port <= 65535:
        raise BadOption(f"--port {port} is no port; give 1 to 65535, or none for a free one")
    make = page_maker(target, state=state, model=model)
    make()  # what cannot be explored is refused here, and not on the page

    def session() -> Any:
        from panel.pane import HTML

        from analysis.explore.pages import reason

        try:
            return make()
        except Exception as error:  # the page is the only place where its reader can see the reason
            return HTML(reason(str(target), error))

    title = f"Sankō: {Path(target).name}"
    origins = [f"{host}:{port or '*'}" for host in (HOST, "localhost")]
    try:
        server = get_server(session, port=port, address=HOST, websocket_origin=origins, title=title)
    except OSError as error:
        raise BadOption(f"port {port} cannot be used ({error.strerror or error}); leave --port out") from error
    address = f"http://{HOST}:{server.port}/"
    print(f"{target} is explored at {address} (Ctrl-C ends it)", flush=True)
    if browser:
        server.io_loop.add_callback(_show, address)
    server.start()
    server.io_loop.add_callback(lambda: None)
    try:
        server.io_loop.start()
    except KeyboardInterrupt:
        pass
    finally:
        server.stop()
    return "ended"


def page_maker(target: str | os.PathLike[str], *, state: State = None, model: str | None = None) -> Maker:
    """Return a function that makes the page of a file or product; the data are read once, here.

    Parameters
    ----------
    target : str or path
        A file, recognised by its content, or the name of a product.
    state : mapping, str or path, optional
        The first view.
    model : str, optional
        For a spectrum.

    Raises
    ------
    MissingFile, UnknownProduct
        If there is neither.
    WrongData
        If there is no explorer for what it holds.

    Examples
    --------
    >>> page = page_maker("qin_denton_hourly", state={"variables": ["dst"]})()
    >>> page_maker("no_such_product")
    Traceback (most recent call last):
    ...
    analysis.errors.UnknownProduct: ...
    """
    data, opening = _opened(target)
    field, explorer = _explorer_of(data, str(target), model)

    def make() -> Any:
        page = explorer(data, state=state)
        if page.explored.again:
            page.explored.again.update(field=field, opening=opening)
        return page

    return make


def _opened(target: str | os.PathLike[str]) -> tuple[xr.Dataset | xr.DataTree, str]:
    """Return what the file or product holds, and the line of code that gets it."""
    from analysis import formats

    name = str(target)
    file = Path(target).expanduser()
    if not file.exists():
        return _product(name)
    data = formats.read(file)
    where = str(file.absolute())
    if not isinstance(data, xr.DataTree) and "channel" in data.dims and {"counts", "rate"} & set(data.data_vars):
        from analysis import xray

        return xray.spectrum_from(file), f"data = xray.spectrum_from({where!r})"
    return data, f"data = formats.read({where!r})"


def _product(name: str) -> tuple[xr.Dataset | xr.DataTree, str]:
    """Return a product that the catalogue has."""
    from importlib import import_module

    from analysis import catalogue

    if os.sep in name or Path(name).suffix:
        near = Path(name).expanduser().parent
        has = f"; there is no folder {near} either" if not near.is_dir() else ""
        raise MissingFile(f"there is no file {name}{has}")
    try:
        field = catalogue.field_of(name)
    except UnknownProduct as error:
        raise error.and_more(f"There is no file {name} in {Path.cwd()} either.") from error
    return import_module(f"analysis.{field}").fetch(name), f"data = {field}.fetch({name!r})"


def _explorer_of(data: xr.Dataset | xr.DataTree, name: str, model: str | None) -> tuple[str, Maker]:
    """Return the field and the explorer of what the data are."""
    nodes = set(data.children) if isinstance(data, xr.DataTree) else set()
    spectrum = "spectrum" in nodes
    if model is not None and not spectrum:
        raise BadOption(f"--model is for a spectrum with its response; {name} holds {_held(data)}")
    if spectrum:
        from analysis import xray

        if "rmf" not in nodes:
            raise WrongData(f"{name} is a spectrum without its response (RESPFILE), so no model can be folded")
        return "xray", partial(_spectrum_page, xray.explore, model or MODEL)
    if "events" in nodes:
        from analysis import xray

        return "xray", xray.explore
    leaves = list(data.subtree) if isinstance(data, xr.DataTree) else [data]
    if any("sky" in leaf.data_vars and "cells" in leaf.dims for leaf in leaves):
        from analysis import cmb

        return "cmb", cmb.explore
    if any("time" in leaf.dims for leaf in leaves):
        from analysis import plasma

        return "plasma", plasma.explore
    raise WrongData(f"{name} holds {_held(data)}; what is explored is {EXPLORED}")


def _spectrum_page(explore: Maker, model: str, data: xr.DataTree, *, state: State) -> Any:
    """The page of a spectrum; where it has no channels in the usual band, over all of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a fit from the model's own values starts the page; it is on sliders then
        low, high = data["spectrum"].attrs.get("band", BAND) if False else BAND
        try:
            return explore(data, model, band=(low, high), state=state)
        except AnalysisError:
            return explore(data, model, state=state)


def _held(data: xr.Dataset | xr.DataTree) -> str:
    if isinstance(data, xr.DataTree) and data.children:
        return f"the nodes {', '.join(map(str, data.children))}"
    return f"{', '.join(map(str, list(data.data_vars)[:8])) or 'nothing'} over {', '.join(map(str, data.dims)) or 'no axis'}"


def _show(address: str) -> None:
    import webbrowser

    webbrowser.open(address)
