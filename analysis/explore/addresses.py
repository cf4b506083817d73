"""The view in the address of a served page, so that who is sent the address sees the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode
from weakref import WeakKeyDictionary

from analysis.explore.closed import quiet_when_closed
from analysis.explore.states import state_in

_pages: WeakKeyDictionary[Any, int] = WeakKeyDictionary()  # explorers of each session's document


def own_key() -> str:
    """Return the name under which the next explorer of this session is in the address: view, view2 …; "" unserved."""
    document = _document()
    if document is None:
        return ""
    quiet_when_closed()
    _pages[document] = number = _pages.get(document, 0) + 1
    return "view" if number == 1 else f"view{number}"


def addressed(key: str) -> dict[str, Any] | None:
    """Return the state that the address asks for under a key, None if it asks for none."""
    import panel as pn

    held = (pn.state.session_args or {}).get(key) if key and _document() is not None else None
    return state_in(held[-1].decode("utf-8", "replace"), f"{key}= in the address") if held else None


def put_in_address(key: str, state: Mapping[str, Any]) -> None:
    """Write the state into the address that the browser shows; nothing where no page is served."""
    import panel as pn

    location = pn.state.location if key and _document() is not None else None
    if location is None:
        return
    rest = [(name, value) for name, value in parse_qsl((location.search or "")[1:]) if name != key]
    shown = {name: value for name, value in state.items() if value is not None}
    location.search = "?" + urlencode([*rest, (key, json.dumps(shown, separators=(",", ":"), ensure_ascii=False))])


def _document() -> Any:
    """Return the document of a served session, else None."""
    import panel as pn

    document = pn.state.curdoc
    return document if document is not None and document.session_context is not None else None
