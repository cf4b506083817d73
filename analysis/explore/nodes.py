"""One page of several: a selector of nodes over the explorer of the node that is chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from analysis.explore.addresses import own_key, put_in_address
from analysis.explore.frames import Around, asked_in_address
from analysis.explore.newest import newest_only
from analysis.explore.states import Explored, Given, State, explored_of, fit_option, given_state
from analysis.explore.steps import in_step
from analysis.explore.wording import busy, reason
from analysis.explore.zooms import Zooms
from analysis.panels.loading import redrawing
from analysis.panels.themes import PALE


def node_explorer(nodes: Mapping[str, Any], explorer: Callable[..., Any], state: Given = None) -> Any:
    """Return a page with a selector of the nodes of a tree over the explorer of the one chosen.

    Parameters
    ----------
    nodes : mapping of str to xarray.Dataset
    explorer : callable
        ``explorer(dataset, state=, around=)`` returns the page of one node.
    state : mapping, str or path, optional
        With the ``node``, and what the page of that node takes.

    Returns
    -------
    panel.Column

    Raises
    ------
    BadOption
        If the state does not fit.

    Examples
    --------
    >>> from analysis.explore import View, linked
    >>> def one(number, state, around):
    ...     return linked([View("Number", lambda: str(number))], state=state, around=around)
    >>> node_explorer({"/a": 1, "/b": 2}, one, {"node": "/b"})[0].value
    '/b'
    """
    import panel as pn

    key, names = own_key(), list(nodes)
    select = pn.widgets.Select(label="Node", options=names, width=300)
    chosen = pn.pane.Str("", styles={"opacity": PALE})
    warned = pn.pane.HTML("", visible=False)
    holder, setting, zooms = pn.Column(), [False], Zooms()

    def opened(asked: State) -> Any:
        """Return the page of the node in the state, with the rest of the state."""
        node = fit_option("node", asked.get("node", select.value), names, many=False)
        rest = {name: value for name, value in asked.items() if name != "node"}
        return explorer(nodes[node], state=rest, around=Around({"node": node}, key, zooms))

    def show(made: Any) -> None:
        holder.objects = [made]
        setting[0] = True
        try:
            select.value = explored_of(made).outer["node"]
        finally:
            setting[0] = False

    def change() -> None:
        with busy(page, chosen, [select.value]), redrawing(page):
            try:
                show(opened({"node": select.value}))
                put_in_address(key, read())
            except Exception as error:  # the page is the only place where its reader can see the reason
                holder.objects = [pn.pane.HTML(reason(select.value, error))]

    def read() -> dict[str, Any]:
        inside = getattr(holder[0], "explored", None)
        return inside.read() if inside else {"node": select.value}

    def write(asked: State) -> None:
        inside = getattr(holder[0], "explored", None)
        if inside and asked.get("node", select.value) == select.value:
            inside.write(asked)
            return
        made = opened(asked)
        with redrawing(page):
            show(made)
            put_in_address(key, read())

    def pictures() -> dict[str, Any]:
        inside = getattr(holder[0], "explored", None)
        return inside.pictures() if inside else {}

    show(opened(given_state(state)))
    if asked := asked_in_address(key, lambda found: dict(found) and {"page": opened(found)}, warned):
        show(asked["page"])
    ask = newest_only(change)
    select.param.watch(lambda event: None if setting[0] else ask(), "value")
    page: Any = pn.Column(select, warned, chosen, holder)
    first = explored_of(holder[0])
    page.explored = Explored(read, write, pictures, first.title, first.again, {}, zooms)
    in_step([(page, zooms)])
    return page
