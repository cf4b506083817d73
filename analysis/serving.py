"""A file or product explored in the browser: the field's explorer, served on this machine only."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import xarray as xr

from analysis import panels
from analysis.errors import BadOption, CorruptFile, MissingFile, UnknownFormat, UnknownProduct, WrongData

HOST = "127.0.0.1"
MODEL = "tbabs * powerlaw"
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
    band: tuple[float, float] | None = None,
    theme: str | None = None,
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
    band : (float, float), optional
        Of a spectrum, in keV; by default all channels that are not marked bad.
    theme : {"light", "dark"}, optional
        See :func:`analysis.panels.theme`.

    Returns
    -------
    str

    Raises
    ------
    AnalysisError
        If there is no such file or product, it cannot be read or explored, the state does not fit, or the port is
        taken.
    """
    from bokeh.core.validation import silence
    from bokeh.core.validation.warnings import FIXED_SIZING_MODE
    from panel.io.server import get_server

    from analysis.explore.closed import unless_closed

    silence(FIXED_SIZING_MODE, True)  # figures whose frame has a size of its own are meant so
    if isinstance(port, bool) or not 0 <= port <= 65535:
        raise BadOption(f"--port {port} is no port; give 1 to 65535, or none for a free one")
    if theme is not None:
        panels.theme(theme)
    make = page_maker(target, state=state, model=model, band=band)
    make()  # what cannot be explored is refused here, and not on the page

    def session() -> Any:
        from panel.pane import HTML

        from analysis.explore.wording import reason

        try:
            return make()
        except Exception as error:  # the page is the only place where its reader can see the reason
            return HTML(reason(str(target), error))

    title = f"Sankō: {Path(target).name}"
    try:
        number = _port(port)
        origins = [f"{host}:{number}" for host in (HOST, "localhost")]
        server = get_server(session, port=number, address=HOST, websocket_origin=origins, title=title)
    except OSError as error:
        raise BadOption(f"port {port} cannot be used ({error.strerror or error}); leave --port out") from error
    address = f"http://{HOST}:{number}/"
    print(f"{target} is explored at {address} (Ctrl-C ends it)", flush=True)
    if browser:
        server.io_loop.add_callback(_show, address)
    loop: Any = server.io_loop
    loop.asyncio_loop.set_exception_handler(unless_closed)
    server.start()
    with suppress(KeyboardInterrupt):  # Panel's handler of Ctrl-C stops the loop; another may be installed
        loop.start()
    server.stop()
    return "ended"


def page_maker(
    target: str | os.PathLike[str],
    *,
    state: State = None,
    model: str | None = None,
    band: tuple[float, float] | None = None,
) -> Maker:
    """Return a function that makes the page of a file or product; the data are read once, here.

    Parameters
    ----------
    target : str or path
        A file, recognised by its content, or the name of a product.
    state : mapping, str or path, optional
        The first view.
    model : str, optional
        For a spectrum.
    band : (float, float), optional
        Of a spectrum, in keV.

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
    field, explorer = _explorer_of(data, str(target), model, band)

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
    where = str(file.absolute())
    if file.is_dir():
        return _folder(file, where)
    data = formats.read(file)
    if not isinstance(data, xr.DataTree) and "channel" in data.dims and {"counts", "rate"} & set(data.data_vars):
        from analysis import xray

        return xray.spectrum_from(file), f"data = xray.spectrum_from({where!r})"
    return data, f"data = formats.read({where!r})"


def _folder(folder: Path, where: str) -> tuple[xr.Dataset | xr.DataTree, str]:
    """Return what a zarr store holds, read as far as it is looked at, and the line of code that gets it."""
    from analysis.cmb.pyramid_stores import MARK, stored_pyramid
    from analysis.panels import level_stores, stored_extremes

    marks = _root_of(folder)
    if MARK in marks:
        return stored_pyramid(folder), f"data = cmb.open_pyramid({where!r})"
    if {level_stores.MARK, stored_extremes.MARK} & set(marks):
        raise WrongData(
            f"{folder} holds what pictures of other data need ({', '.join(marks)}); give the data themselves"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # that its metadata are not in one file
            tree = xr.open_datatree(folder, engine="zarr")
    except (ValueError, KeyError, TypeError, OSError, RuntimeError, NotImplementedError) as error:
        raise CorruptFile(f"the zarr store {folder} cannot be read: {error}") from error
    if tree.children:
        return tree, f"data = xr.open_datatree({where!r}, engine='zarr')"
    return tree.to_dataset(), f"data = xr.open_dataset({where!r}, engine='zarr')"


def _root_of(folder: Path) -> dict[str, Any]:
    """Return the attributes of a zarr store's root, of either version; refuse other folders."""
    for name, attributes in (("zarr.json", "zarr.json"), (".zgroup", ".zattrs"), (".zarray", ".zattrs")):
        if not (folder / name).is_file():
            continue
        try:
            root = json.loads((folder / name).read_text("utf-8"))
            array = root.get("node_type") == "array" or name == ".zarray"
            held = root if name == "zarr.json" else {}
            if name != "zarr.json" and (folder / attributes).is_file():
                held = {"attributes": json.loads((folder / attributes).read_text("utf-8"))}
            marks = dict(held.get("attributes") or {})
        except (ValueError, TypeError, AttributeError, OSError) as error:
            raise CorruptFile(f"{folder / name} cannot be read ({error}); the zarr store is damaged") from error
        if array:
            raise WrongData(f"{folder} is a single zarr array, without the times that belong to it; give its store")
        return marks
    raise UnknownFormat(
        f"{folder} is a folder and no zarr store; give a file, or a store of data over time or of a map's pyramid "
        "(cmb.write_pyramid)"
    )


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


def _explorer_of(data: xr.Dataset | xr.DataTree, name: str, model: str | None, band: Any) -> tuple[str, Maker]:
    """Return the field and the explorer of what the data are."""
    nodes = set(data.children) if isinstance(data, xr.DataTree) else set()
    spectrum = "spectrum" in nodes
    if (model is not None or band is not None) and not spectrum:
        raise BadOption(f"--model and --band are for a spectrum with its response; {name} holds {_held(data)}")
    if spectrum:
        from analysis import xray

        if "rmf" not in nodes:
            raise WrongData(f"{name} is a spectrum without its response (RESPFILE), so no model can be folded")
        return "xray", partial(xray.explore, source=model or MODEL, band=band)
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


def _held(data: xr.Dataset | xr.DataTree) -> str:
    if isinstance(data, xr.DataTree) and data.children:
        return f"the nodes {', '.join(map(str, data.children))}"
    variables = ", ".join(map(str, list(data.data_vars)[:8])) or "nothing"
    return f"{variables} over {', '.join(map(str, data.dims)) or 'no axis'}"


def _port(asked: int) -> int:
    """Return the port, or a free one for 0; OSError where it is taken."""
    import socket

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((HOST, asked))
        return int(probe.getsockname()[1])


def _show(address: str) -> None:
    import webbrowser

    webbrowser.open(address)
