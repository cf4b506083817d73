"""A picture in a browser made to show what a new one shows, by sending only what differs.

The new picture is drawn in full where nobody sees it, so that what is shown is what one made anew would show: data,
ranges, titles, notes, colours, legends. Figures, tools and what they listen to stay as they are.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

import numpy as np

# Lists that may have parts more or fewer. What lies beside the axes may not: while a browser builds it, it lays the
# figure out, and does not find it.
GROWING = ("renderers", "items")
NUMBERS = (int, float, np.number)
REPLACED = ("ticker", "formatter")  # an axis takes one of another kind
OWN = ("subscribed_events", "stylesheets", "id")  # of a shown model: set after it was drawn


class Otherwise(Exception):
    """The new picture is built otherwise: it cannot take the old one's place part by part."""


@dataclasses.dataclass(eq=False)
class Graft:
    """What makes one Bokeh model show what another shows.

    ``known`` has the shown model of each new one by its id, ``order`` both; ``names`` the ids of shown ones by those of
    new ones, for text that holds one.
    """

    known: dict[str, Any] = dataclasses.field(default_factory=dict)
    order: list[tuple[Any, Any]] = dataclasses.field(default_factory=list)
    names: dict[str, str] = dataclasses.field(default_factory=dict)
    changes: list[tuple[Any, dict[str, Any]]] = dataclasses.field(default_factory=list)


def grafted(shown: Any, new: Any) -> Graft:
    """Return what has to change in a shown Bokeh model; nothing is changed yet.

    Raises
    ------
    Otherwise
        If it is built otherwise.

    Examples
    --------
    >>> from bokeh.plotting import figure
    >>> one, other = figure(title="one"), figure(title="other")
    >>> graft = grafted(one, other)
    >>> apply(graft)
    >>> one.title.text
    'other'
    """
    graft = Graft()
    _pair(graft, shown, new)
    for old, made in graft.order:
        if values := _differing(graft, old, made, root=old is shown):
            graft.changes.append((old, values))
    graft.changes.sort(key=lambda change: _turn(change[1]))
    return graft


def apply(graft: Graft) -> None:
    """Change the shown models."""
    for model in list(_brought(graft)):
        held = {name: value for name, value in _set(model).items() if _holds(value)}
        carried = {name: _carried(graft, value) for name, value in held.items()}
        model.update(**{name: value for name, value in carried.items() if not _same(held[name], value)})
    for old, values in graft.changes:
        old.update(**values)


def _brought(graft: Graft) -> Iterator[Any]:
    """Yield the new models that come into the shown picture as they are."""
    seen: set[str] = set()
    waiting = [part for _, values in graft.changes for value in values.values() for part in _models(value)]
    olds = {old.id for old, _ in graft.order}
    while waiting:
        model = waiting.pop()
        if model.id in seen or model.id in graft.known or model.id in olds:
            continue
        seen.add(model.id)
        yield model
        waiting += [part for value in _set(model).values() for part in _models(value)]


def _turn(values: Mapping[str, Any]) -> int:
    """Return when values are to be set: columns first, parts that a browser has to build last."""
    return 0 if "data" in values else 2 if set(values) & set(GROWING) else 1


def _set(model: Any) -> dict[str, Any]:
    """Return the properties of a model that were set, and the models that it has made for itself."""
    names = {**model._unstable_default_values, **model._property_values}
    return {name: getattr(model, name) for name in names if name not in OWN}


def _pair(graft: Graft, old: Any, new: Any) -> None:
    """Remember that two models are each other's, with all that they hold."""
    if type(old) is not type(new):
        raise Otherwise(f"{type(old).__name__} and {type(new).__name__}")
    if new.id in graft.known:
        if graft.known[new.id] is not old:
            raise Otherwise(f"two places of a {type(new).__name__}")
        return
    graft.known[new.id] = old
    graft.names[new.id] = old.id
    graft.order.append((old, new))
    is_data = hasattr(type(new), "data") and "data" in _set(new)
    if is_data and set(old.data) != set(new.data):
        raise Otherwise("columns have other names")
    olds, news = _set(old), _set(new)
    for name in dict.fromkeys([*olds, *news]):
        if not (is_data and name == "data") and (name in news or _holds(olds[name])):
            _pair_values(graft, name, getattr(old, name), getattr(new, name))


def _pair_values(graft: Graft, name: str, old: Any, new: Any) -> None:
    """Pair the models in two values of one property."""
    if not _holds(old) and not _holds(new):
        return
    if _is_model(old) and _is_model(new):
        if type(old) is type(new) or name not in REPLACED:
            _pair(graft, old, new)
    elif isinstance(old, Mapping) and isinstance(new, Mapping) and set(old) == set(new):
        for key in old:
            _pair_values(graft, name, old[key], new[key])
    elif _is_list(old) and _is_list(new) and name in GROWING:
        for one, other in _aligned(old, new):
            _pair_values(graft, name, one, other)
    elif _is_list(old) and _is_list(new) and len(old) == len(new):
        for one, other in zip(old, new, strict=True):
            _pair_values(graft, name, one, other)
    elif dataclasses.is_dataclass(old) and type(old) is type(new):
        for one, other in zip(vars(old).values(), vars(new).values(), strict=True):
            _pair_values(graft, name, one, other)
    else:
        raise Otherwise(f"{name} holds other parts")


def _aligned(old: Sequence[Any], new: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    """Yield the parts of two lists that are of one kind, in their order."""
    olds, news = ([_kind(part) for part in parts] for parts in (old, new))
    for at, to, size in SequenceMatcher(None, olds, news, autojunk=False).get_matching_blocks():
        yield from zip(old[at : at + size], new[to : to + size], strict=True)


def _kind(part: Any) -> str:
    """Return what a part is, so far that one can become the other."""
    glyph, source = getattr(part, "glyph", None), getattr(part, "data_source", None)
    columns = sorted(source.data) if source is not None and hasattr(source, "data") else []
    return f"{type(part).__name__} {type(glyph).__name__} {columns}"


def _differing(graft: Graft, old: Any, new: Any, *, root: bool) -> dict[str, Any]:
    """Return the properties to be set of a shown model."""
    olds, news = _set(old), _set(new)
    names = list(news) if root else list(dict.fromkeys([*news, *olds]))  # a root is laid out after it was drawn
    found = {name: _carried(graft, getattr(new, name)) for name in names}
    return {name: value for name, value in found.items() if not _same(getattr(old, name), value)}


def _carried(graft: Graft, value: Any) -> Any:
    """Return a value with shown models in the places of new ones."""
    if _is_model(value):
        return graft.known.get(value.id, value)
    if isinstance(value, str):
        return graft.names.get(value, value)
    if isinstance(value, Mapping):
        return {key: _carried(graft, part) for key, part in value.items()}
    if _is_list(value):
        return type(value)(_carried(graft, part) for part in value) if type(value) in (list, tuple) else [
            _carried(graft, part) for part in value
        ]  # fmt: skip
    if dataclasses.is_dataclass(value) and not isinstance(value, type) and _holds(value):
        return dataclasses.replace(value, **{key: _carried(graft, part) for key, part in vars(value).items()})
    return value


def _same(one: Any, other: Any) -> bool:
    """Return whether two values are the same to a browser."""
    if one is other:
        return True
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        first, second = np.asarray(one), np.asarray(other)
        if first.dtype != second.dtype or first.shape != second.shape:
            return False
        return bool(np.array_equal(first, second, equal_nan=first.dtype.kind in "fcmM"))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return set(one) == set(other) and all(_same(one[key], other[key]) for key in one)
    if _is_list(one) and _is_list(other):
        return len(one) == len(other) and all(_same(a, b) for a, b in zip(one, other, strict=True))
    if _is_model(one) or _is_model(other):
        return False
    if isinstance(one, NUMBERS) and isinstance(other, NUMBERS):
        return bool(one == other) or (one != one and other != other)
    return type(one) is type(other) and bool(one == other)


def _models(value: Any) -> Iterator[Any]:
    """Yield the models in a value."""
    if _is_model(value):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _models(part)
    elif _is_list(value):
        if value and isinstance(value[0], int | float | str):
            return
        for part in value:
            yield from _models(part)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for part in vars(value).values():
            yield from _models(part)


def _holds(value: Any) -> bool:
    return next(_models(value), None) is not None


def _is_model(value: Any) -> bool:
    from bokeh.model import Model

    return isinstance(value, Model)


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)
