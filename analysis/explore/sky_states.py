"""The state of a page of a sky: directions, the visible part of the plane, and regions drawn by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from analysis.errors import BadOption
from analysis.explore.declarations import Slider
from analysis.explore.hands import FEWEST, PLANE, Regions
from analysis.explore.scenes import Drawn
from analysis.explore.states import State, fit_number, fit_option, refuse_unknown
from analysis.explore.zooms import FINE, ZOOM, fit_zoom
from analysis.panels.pointings import Pointing, pointing_of, window

DRAWN = "drawn"  # the name of regions in a state
ACROSS, UP = PLANE[0][0], PLANE[1][0]
SAME = 1e-3  # of the whole: a part that differs less is the whole


def fit_sky(
    asked: State,
    *,
    options: Mapping[str, Sequence[str]],
    dials: Mapping[str, Slider],
    fields: Sequence[str],
    pictures: Sequence[str],
    now: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the values that a state asks for, or refuse it; ``now`` is the pointing that it does not change."""
    regions = [DRAWN] if dials else []
    refuse_unknown(asked, [*options, *dials, "centre", "place", "field", *regions, ZOOM])
    found: dict[str, Any] = {}
    for name, value in asked.items():
        if name in ("centre", "place"):
            found[name] = _direction(name, value)
        elif name == "field":
            found[name] = fit_option(name, f"{fit_number(name, value):g}", fields, many=False)
        elif name in dials:
            found[name] = fit_number(name, value, dials[name].low, dials[name].high)
        elif name == DRAWN:
            found[name] = _regions(value)
        elif name != ZOOM:
            found[name] = fit_option(name, value, options[name], many=False)
    if ZOOM in asked:
        held: dict[str, Any] = fit_zoom(asked[ZOOM], pictures)
        there = {**now, **{name: value for name, value in found.items() if value is not None}}
        whole = window(pointing_of(there["projection"], there["centre"], float(there["field"])))
        if (part := held.pop(pictures[0], None)) is not None:
            held[pictures[0]] = _part(part, whole)
        found[ZOOM] = held
    return found


def part_state(part: Any, pointing: Pointing) -> dict[str, list[float]] | None:
    """Return the visible part of a plane as JSON has it, None for the whole.

    Examples
    --------
    >>> part_state(((-0.5, 0.5), (-0.25, 0.2500001)), Pointing("mollweide"))
    {'sky_x': [-0.5, 0.5], 'sky_y': [-0.25, 0.25]}
    >>> part_state(None, Pointing("mollweide"))
    """
    if part is None:
        return None
    halves = window(pointing)
    pairs = list(zip(part, halves, strict=True))
    if all(abs(low + half) < SAME * half and abs(high - half) < SAME * half for (low, high), half in pairs):
        return None
    span = min(high - low for low, high in part)
    return {name: [_short(end, span) for end in ends] for name, ends in zip((ACROSS, UP), part, strict=True)}


def drawn_state(drawn: Drawn) -> list[dict[str, Any]] | None:
    """Return regions drawn by hand as JSON has them, each with the plane that it was drawn on."""
    made = [
        {"projection": of.projection, "centre": [of.lon, of.lat], "field": of.field, "x": list(xs), "y": list(ys)}
        for of, regions in drawn
        for xs, ys in regions
    ]
    return made or None


def _regions(value: Any) -> Drawn:
    """Return regions out of a state, those of one plane together."""
    if value is None:
        return ()
    right = '[{"projection": …, "centre": [longitude, latitude], "field": …, "x": […], "y": […]}], or null'
    keys = {"projection", "centre", "field", "x", "y"}
    if not isinstance(value, list | tuple) or not all(isinstance(one, Mapping) and set(one) == keys for one in value):
        raise BadOption(f"{DRAWN}: these are no drawn regions; give {right}")
    found: dict[Pointing, Regions] = {}
    for one in value:
        centre = _direction(f"{DRAWN}: centre", one["centre"])
        of = pointing_of(one["projection"], centre or (0.0, 0.0), fit_number(f"{DRAWN}: field", one["field"]))
        x, y = one["x"], one["y"]
        if not isinstance(x, list | tuple) or not isinstance(y, list | tuple) or len(x) != len(y) or len(x) < FEWEST:
            raise BadOption(f"{DRAWN}: a region has as many x as y, {FEWEST} or more; give {right}")
        outline = tuple(tuple(fit_number(DRAWN, number) for number in part) for part in (x, y))
        found[of] = (*found.get(of, ()), (outline[0], outline[1]))
    return tuple(found.items())


def _part(part: Mapping[str, Any], whole: tuple[float, float]) -> Any:
    """Return the visible part of a plane out of a state, or refuse what shows no sky."""
    if set(part) != {ACROSS, UP}:
        raise BadOption(f"{ZOOM}: a sky is zoomed on {ACROSS} and {UP} together, not on {', '.join(part) or 'nothing'}")
    for name, half in zip((ACROSS, UP), whole, strict=True):
        low, high = part[name]
        if not isinstance(low, int | float) or high <= -half or low >= half:
            raise BadOption(f"{ZOOM}: {name} from {low} to {high} shows no sky; the plane is {-half:g} to {half:g}")
    return tuple(float(end) for end in part[ACROSS]), tuple(float(end) for end in part[UP])


def _short(end: float, span: float) -> float:
    """Return a number with no more digits than can be seen."""
    return round(float(end), max(0, -math.floor(math.log10(span * FINE))))


def _direction(name: str, value: Any) -> tuple[float, float] | None:
    """Longitude and latitude out of a state."""
    if value is None and name == "place":
        return None
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise BadOption(f"{name}={value!r} is no direction; give [longitude, latitude] in degrees")
    return fit_number(name, value[0]), fit_number(name, value[1], -90, 90)
