"""Regions drawn by hand on a picture: a layer with a drawing tool, and the outlines that it tells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

Regions: TypeAlias = tuple[tuple[tuple[float, ...], tuple[float, ...]], ...]  # x and y of each outline
PLANE = (("sky_x", "x on the plane"), ("sky_y", "y on the plane"))
COLOUR = "#D55E00"
FEWEST = 3  # corners of a region
CORNERS = 60  # of those that a hand draws; the view must fit into an address
DIGITS = 5


def drawing(
    *, hooks: Sequence[Any] = ()
) -> tuple[Any, Callable[[Callable[[Regions], None]], None], Callable[[], None]]:
    """Return a layer for a picture that one draws on, what tells of drawn regions, and what clears them.

    Examples
    --------
    >>> layer, strokes, clear = drawing()
    >>> strokes(print)
    >>> clear()
    ()
    """
    from analysis.panels.loading import loaded

    hv = loaded()
    plane = [hv.Dimension(name, label=label) for name, label in PLANE]
    pipe = hv.streams.Pipe(data=[])
    layer = hv.DynamicMap(lambda data: hv.Polygons(data, kdims=plane), streams=[pipe])
    style: dict[str, Any] = {"fill_color": COLOUR, "fill_alpha": 0.35, "line_color": COLOUR, "line_width": 2}
    layer = layer.opts(hv.opts.Polygons(**style, hooks=list(hooks), backend="bokeh"))  # a copy: its tool comes after
    hand = hv.streams.FreehandDraw(source=layer, empty_value=None, tooltip="Draw a region that is left out")
    told: list[Callable[[Regions], None]] = []

    def heard(data: dict[str, Any] | None) -> None:
        for tell in told:
            tell(regions_of(data))

    def clear() -> None:
        pipe.send([])
        hand.update(data={})
        heard({})

    hand.add_subscriber(heard)
    return layer, told.append, clear


def regions_of(data: dict[str, Any] | None) -> Regions:
    """Return the outlines that a drawing tool has, without those of too few corners.

    Examples
    --------
    >>> regions_of({"xs": [[0, 1, 1], [0, 1]], "ys": [[0, 0, 1], [0, 1]]})
    (((0.0, 1.0, 1.0), (0.0, 0.0, 1.0)),)
    """
    data = data or {}
    pairs = zip(data.get("xs", []), data.get("ys", []), strict=True)
    made = (tuple(tuple(map(float, part)) for part in pair) for pair in pairs)
    return tuple((xs, ys) for xs, ys in made if len(xs) >= FEWEST and len(xs) == len(ys))


def thinned(regions: Regions) -> Regions:
    """Return outlines with so few corners and digits that they fit into an address; the mask is made of these.

    Examples
    --------
    >>> thinned((((0.1234567, 1.0, 1.0), (0.0, 0.0, 1.0)),))
    (((0.12346, 1.0, 1.0), (0.0, 0.0, 1.0)),)
    """
    return tuple(
        tuple(tuple(float(f"{number:.{DIGITS}g}") for number in part[:: -(-len(part) // CORNERS)]) for part in outline)  # type: ignore[misc]
        for outline in regions
    )


def marks_on(pipe: Any) -> Any:
    """Return the layer with the mark of a place; the Pipe brings places on the plane."""
    from analysis.panels.loading import loaded

    hv = loaded()
    plane = [hv.Dimension(name, label=label) for name, label in PLANE]
    look = {"marker": "circle", "size": 16, "fill_alpha": 0, "line_color": "black", "line_width": 2}
    return hv.DynamicMap(lambda data: hv.Points(data, plane).opts(backend="bokeh", **look), streams=[pipe])
