"""Lines on a sky that is zoomed: the graticule of what is visible, edges of a mask, headless segments."""

from __future__ import annotations

import numpy as np

from analysis.panels.pointings import Pointing, directions, pixel_size, places, vectors_of, window
from analysis.panels.pyramids import Pyramid, level_for, values_along
from analysis.panels.turned_pyramids import along

STEPS = (60.0, 30.0, 15.0, 10.0, 5.0, 2.0, 1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)
AXES = {"galactic": ("l", "b"), "ecliptic": ("λ", "β")} | dict.fromkeys(
    ("equatorial", "icrs", "fk5", "celestial"), ("RA", "Dec")
)
Span = tuple[float, float]


def axis_names(frame: str) -> tuple[str, str]:
    """Return what longitude and latitude are called in a frame.

    Examples
    --------
    >>> axis_names("galactic"), axis_names("ICRS"), axis_names("")
    (('l', 'b'), ('RA', 'Dec'), ('lon', 'lat'))
    """
    return AXES.get(frame.strip().lower(), ("lon", "lat"))


def visible_graticule(
    pointing: Pointing, xlim: Span, ylim: Span, *, frame: str = "", axes: np.ndarray | None = None
) -> tuple[list[np.ndarray], list[tuple[float, float, str]]]:
    """Return meridians and parallels at round angles in a part of the plane, and their labels (x, y, text).

    ``axes`` is the rotation from a frame of which they are (``frame``) to that of the map; it is the map's if left
    out.

    Examples
    --------
    >>> lines, labels = visible_graticule(Pointing("cartesian"), (-180, 180), (-90, 90), frame="galactic")
    >>> [text for x, y, text in labels]
    ['l 240°', 'l 300°', 'l 0°', 'l 60°', 'l 120°', 'b −60°', 'b −30°', 'b +30°', 'b +60°']
    """
    x, y = np.linspace(*xlim, 61), np.linspace(*ylim, 41)
    axes = np.eye(3) if axes is None else axes
    inside, vectors = directions(x, y, pointing)
    if not inside.any():
        return [], []
    vectors = vectors @ axes  # of the map to those of the graticule
    grid_x, grid_y = (part[inside] for part in np.meshgrid(x, y))
    nearest = np.argmin((grid_x - np.mean(xlim)) ** 2 + (grid_y - np.mean(ylim)) ** 2)
    lon = np.degrees(np.arctan2(vectors[:, 1], vectors[:, 0]))
    lat = np.degrees(np.arcsin(np.clip(vectors[:, 2], -1, 1)))
    middle, height = float(lon[nearest]), float(lat[nearest])
    turned = (lon - middle + 180) % 360 - 180
    low, high = float(lat.min()), float(lat.max())
    margin = (high - low) / 30
    poles = [_within(places(end * axes[None, :, 2], pointing)[0], xlim, ylim) for end in (-1.0, 1.0)]
    low, high = -90.0 if poles[0] else max(low - margin, -90), 90.0 if poles[1] else min(high + margin, 90)
    width = 180.0 if any(poles) or np.ptp(turned) > 300 else float(np.abs(turned).max()) * 1.03
    lon_step, lat_step = _step(2 * width, 6), _step(high - low, 6)
    meridians = np.unique(np.round(np.arange(np.ceil((middle - width) / lon_step), (middle + width) / lon_step), 0))
    meridians = meridians * lon_step
    if width >= 180:
        meridians = np.arange(-180, 180, lon_step)
    parallels = np.arange(np.ceil(low / lat_step), np.floor(high / lat_step) + 1) * lat_step
    parallels = parallels[np.abs(parallels) < 90 - 1e-9]
    lines: list[np.ndarray] = []
    along_lat, along_lon = np.linspace(low, high, 181), np.linspace(middle - width, middle + width, 361)
    for meridian in meridians:
        lines += _pieces(places(vectors_of(meridian, along_lat) @ axes.T, pointing), pointing, xlim, ylim)
    for parallel in parallels:
        lines += _pieces(places(vectors_of(along_lon, parallel) @ axes.T, pointing), pointing, xlim, ylim)
    names = axis_names(frame)
    at_lat = 0.0 if low < -60 and high > 60 and abs(height) < 5 else height
    if abs(at_lat) > 60 and any(poles):  # where meridians are apart
        at_lat = (low + 90) / 2 if poles[1] else (high - 90) / 2
    marks = [(m, at_lat, f"{names[0]} {round(m % 360, 4):g}°") for m in meridians]
    marks += [
        (middle, p, f"{names[1]} {round(p, 4) + 0.0:{'+' if abs(p) > 1e-9 else ''}g}°".replace("-", "−"))
        for p in parallels
        if abs(p) > 1e-9 or high - low < 100
    ]
    if not marks:
        return lines, []
    inner = tuple((lo + 0.01 * (hi - lo), hi - 0.05 * (hi - lo)) for lo, hi in (xlim, ylim))
    angles = np.array([mark[:2] for mark in marks])
    spots = places(vectors_of(angles[:, 0], angles[:, 1]) @ axes.T, pointing)
    return lines, [
        (float(spot[0]), float(spot[1]), mark[2])
        for spot, mark in zip(spots, marks, strict=True)
        if _within(spot, *inner)
    ]


def segments(
    q: Pyramid,
    u: Pyramid,
    pointing: Pointing,
    xlim: Span,
    ylim: Span,
    *,
    polconv: str,
    across: int = 44,
    magnetic: bool = False,
) -> np.ndarray:
    """Return headless segments along the polarization, shape (n, 4): x and y of both ends.

    Each stands for the mean of Q and U over a cell about as large as the distance of segments. The length is as P,
    one for the 95th percentile of those visible and no longer.

    Parameters
    ----------
    q, u : Pyramid
        Of :func:`analysis.panels.turned_pyramids.turned_pyramids`.
    pointing : Pointing
    xlim, ylim : (float, float)
        Part of the plane.
    polconv : {"COSMO", "IAU"}
        The angle counts from south (COSMO) or north (IAU) through east.
    across : int, optional
        Segments side by side.
    magnetic : bool, optional
        Turned by 90°.

    References
    ----------
    HEALPix primer, "Polarisation convention"; Hamaker & Bregman 1996, A&AS 117, 161, doi:10.1051/aas:1996147.
    """
    spacing = (xlim[1] - xlim[0]) / across
    rows = max(1, round((ylim[1] - ylim[0]) / spacing))
    x = xlim[0] + spacing * (np.arange(across) + 0.5)
    y = np.linspace(*ylim, rows, endpoint=False) + (ylim[1] - ylim[0]) / rows / 2
    inside, at = directions(x, y, pointing)
    middle = np.stack([part[inside] for part in np.meshgrid(x, y)], axis=1)
    side = pixel_size(pointing, spacing, spacing)
    place = level_for(q, side)
    power, lines, kept = along(q, u, at, place, polconv=polconv)
    if not kept.any():
        return np.empty((0, 4))
    at, middle, power, lines = at[kept], middle[kept], power[kept], lines[kept]
    if magnetic:
        lines = np.cross(at, lines)
    near = min(side, 0.1) * 1e-3
    ends = [places(_unit(at + sign * near * lines), pointing) for sign in (1, -1)]
    run = ends[0] - ends[1]
    size = np.hypot(run[:, 0], run[:, 1])
    sound = np.isfinite(size) & (size > 0) & (size < spacing)  # not across the edge of the sky
    length = 0.45 * spacing * np.minimum(power / np.percentile(power, 95), 1)
    half = (run[sound] / size[sound, None]) * length[sound, None]
    return np.concatenate([middle[sound] - half, middle[sound] + half], axis=1)


def mask_edges(
    mask: Pyramid, pointing: Pointing, xlim: Span, ylim: Span, *, width: int, height: int, axes: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return x, y and which pixels (height, width) lie where a mask passes 1/2; ``axes``: from its frame to the map's.

    Examples
    --------
    >>> import xarray as xr
    >>> from analysis.panels.pyramids import sky_pyramid
    >>> ids = xr.DataArray(np.arange(12), dims="cells", attrs={"level": 0, "indexing_scheme": "nested"})
    >>> north = sky_pyramid(xr.DataArray((np.arange(12) < 4).astype(float), {"cell_ids": ids}, ["cells"]))
    >>> found = mask_edges(north, Pointing("cartesian"), (-180, 180), (-90, 90), width=8, height=4, axes=None)
    >>> found[2].any(axis=1).tolist()
    [False, True, True, False]
    """
    dx, dy = (xlim[1] - xlim[0]) / width, (ylim[1] - ylim[0]) / height
    x, y = xlim[0] + dx * (np.arange(width) + 0.5), ylim[0] + dy * (np.arange(height) + 0.5)
    inside, vectors = directions(x, y, pointing)
    weights = np.full(inside.shape, np.nan)
    weights[inside] = values_along(mask, vectors if axes is None else vectors @ axes, len(mask.levels) - 1)
    kept, known = weights > 0.5, np.isfinite(weights)
    edge = np.zeros(inside.shape, bool)
    for one, other in (
        ((slice(1, None), ...), (slice(None, -1), ...)),
        ((..., slice(1, None)), (..., slice(None, -1))),
    ):
        crossed = (kept[one] != kept[other]) & known[one] & known[other]
        edge[one] |= crossed
        edge[other] |= crossed
    return x, y, edge


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _within(place: np.ndarray, xlim: Span, ylim: Span) -> bool:
    return bool(xlim[0] <= place[0] <= xlim[1] and ylim[0] <= place[1] <= ylim[1])


def _step(span: float, lines: int) -> float:
    """The largest round step that gives at least about so many lines."""
    return next((step for step in STEPS if span / step >= lines - 2), STEPS[-1])


def _pieces(line: np.ndarray, pointing: Pointing, xlim: Span, ylim: Span) -> list[np.ndarray]:
    """Cut a line where it leaves the neighbourhood of the part shown, or jumps over the edge of the sky."""
    wide, high = xlim[1] - xlim[0], ylim[1] - ylim[0]
    near = np.isfinite(line).all(axis=1)
    near &= (line[:, 0] > xlim[0] - wide) & (line[:, 0] < xlim[1] + wide)
    near &= (line[:, 1] > ylim[0] - high) & (line[:, 1] < ylim[1] + high)
    far = np.hypot(*np.diff(line, axis=0).T) > 0.25 * window(pointing)[0]
    if pointing.projection == "orthographic":  # from one half sphere to the other
        far |= np.sign(line[1:, 0]) != np.sign(line[:-1, 0])
    cuts = np.flatnonzero((near[1:] != near[:-1]) | (far & (pointing.projection != "gnomonic"))) + 1
    return [
        part for part, good in zip(np.split(line, cuts), np.split(near, cuts), strict=True) if good[0] and len(part) > 1
    ]
