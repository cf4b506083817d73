"""Pictures of polarization: confidence contours in the plane of degree and angle, and both over energy or phase."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

CONTOURS = {"contour_degree", "contour_angle", "degree", "angle", "confidence"}
MEASURED = {"degree", "degree_error", "angle", "angle_error", "energy_low", "energy_high"}
DASHES = ("solid", "dashed", "dotted", "dotdash")
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MOST = 12  # bins with contours of their own; more would be a tangle
GREY = "#bbbbbb"
SIZE = 560  # inner width of the protractor, in screen pixels


def drawn(data: xr.Dataset) -> Any | None:
    """Return the picture of a measured polarization or of its contours; None for other data."""
    names = set(map(str, data.variables))
    if names >= CONTOURS and {"level", "point"} <= set(data.dims):
        return _plane(data)
    if names >= MEASURED and "bin" in data.dims:
        return _over_bins(data)
    return None


def _over_bins(data: xr.Dataset) -> Any:
    """Degree, with the MDP, above angle; over energy, or over phase with a line for each energy bin."""
    from analysis import panels

    axis = "phase" if "phase" in data.dims else "energy"
    edges = (data[f"{axis}_low"], data[f"{axis}_high"])
    lines = [data.isel(bin=k) for k in range(data.sizes["bin"])] if axis == "phase" else [data]
    labels = [_energies(line) for line in lines] if axis == "phase" else [""]
    columns = []
    for name in ("degree", "angle"):
        shown = [
            panels.histogram_steps(
                line[name] if name == "degree" else _together(line["angle"], data["angle"].values),
                edges=edges,
                error=line[f"{name}_error"],
                label=label or ("measured" if name == "degree" else ""),
                logx=False,
                logy=False,
                attrs=data.attrs,
            )
            for line, label in zip(lines, labels, strict=True)
        ]
        if name == "degree" and len(lines) == 1 and "mdp99" in data:
            limit = data["mdp99"].assign_attrs(data["degree"].attrs).rename("degree")
            shown.append(
                panels.histogram_steps(limit, edges=edges, label="MDP, 99 %", logx=False, logy=False, attrs=data.attrs)
            )
        picture = shown[0]
        for further in shown[1:]:
            picture = picture * further
        low = {"ylim": (0, None)} if name == "degree" else {}
        columns.append(picture.opts(backend="bokeh", legend_position="right", **low))
    return (columns[0] + columns[1]).cols(1)


def _together(angle: xr.DataArray, every: np.ndarray) -> xr.DataArray:
    """Return angles within 90 degrees of the mean direction of all, so that 179 and 1 lie side by side."""
    turn = np.radians(2 * every)
    middle = np.degrees(np.arctan2(np.nansum(np.sin(turn)), np.nansum(np.cos(turn)))) / 2 % 180
    return ((angle - middle + 90) % 180 - 90 + middle).assign_attrs(angle.attrs).rename("angle")


def _plane(data: xr.Dataset) -> Any:
    """A protractor: the radius is the degree, the angle the position angle, North up and East left."""
    from analysis import panels
    from analysis.panels.loading import loaded

    hv = loaded()
    dims = [dim for dim in data["degree"].dims if dim in data.dims]
    flat = data.stack(each=dims) if dims else data.expand_dims("each")
    known = [k for k in range(flat.sizes["each"]) if np.isfinite(float(flat["degree"][k]))]
    farthest = [float(np.nanmax(flat["contour_degree"].isel(each=k).values)) for k in known[:MOST]]
    step, last = _rings(max(farthest))
    axes = [
        hv.Dimension("east", label="Degree towards West", unit="%"),
        hv.Dimension("north", label="Degree", unit="%"),
    ]
    parts = _protractor(hv, axes, step, last)
    for number, k in enumerate(known[:MOST]):
        one, colour = flat.isel(each=k), COLOURS[number % len(COLOURS)]
        for level in range(data.sizes["level"]):
            pieces = _pieces(one["contour_q"][level].values, one["contour_u"][level].values, last)
            line = hv.Path(pieces, kdims=axes)
            parts.append(
                line.opts(backend="bokeh", color=colour, line_width=1.6, line_dash=DASHES[level % len(DASHES)])
            )
        parts.append(_middle(hv, axes, one, colour, last))
    levels = ", ".join(f"{100 * value:.4g}" for value in data["confidence"].values)
    remark = f"Contours: {levels} % for degree and angle together. North is up, East left."
    if len(known) > MOST:
        remark += f" The first {MOST} of {len(known)} bins."
    picture = hv.Overlay(parts).opts(
        backend="bokeh",
        frame_width=SIZE,
        data_aspect=1,
        xaxis=None,
        yaxis=None,
        xlim=(-1.13 * last, 1.13 * last),
        ylim=(-0.12 * last, 1.16 * last),
        show_legend=bool(dims),
        legend_position="right",
    )
    return panels.note(picture, data.attrs, remark=remark)


def _middle(hv: Any, axes: list[Any], one: xr.Dataset, colour: str, last: float) -> Any:
    degree, angle = 100 * float(one["degree"]), _folded(float(one["angle"]))
    turn = np.radians(angle)
    told = [
        hv.Dimension("degree", label="Polarization degree", unit="%"),
        hv.Dimension("angle", label="Angle", unit="deg"),
    ]
    place = ([-degree * np.sin(turn)], [degree * np.cos(turn)], [degree], [angle % 180])
    dot = hv.Points(place, kdims=axes, vdims=told, label=_energies(one))
    return dot.opts(backend="bokeh", color=colour, size=7, tools=["hover"], visible=degree <= last)


def _energies(one: xr.Dataset) -> str:
    """Return which energies and phases a measurement is of, as text for a legend."""
    found = []
    if "energy_low" in one.variables and not one["energy_low"].dims:
        found.append(f"{float(one['energy_low']):g}-{float(one['energy_high']):g} keV")
    if "phase_low" in one.variables and not one["phase_low"].dims:
        found.append(f"phase {float(one['phase_low']):.3g}-{float(one['phase_high']):.3g}")
    return ", ".join(found) or str(one.attrs.get("band", "measured"))


def _folded(angle: float) -> float:
    """Return a position angle between -90 and 90 degrees."""
    return (angle + 90) % 180 - 90


def _rings(farthest: float) -> tuple[float, float]:
    """Return step and last of the circles of equal degree, in percent."""
    wanted = min(100 * farthest, 100.0) * 1.02
    power = 10.0 ** np.floor(np.log10(wanted / 4))
    step = next(float(power * nice) for nice in (1, 2, 2.5, 5, 10) if 5 * power * nice >= wanted)
    return step, float(min(np.ceil(wanted / step) * step, 100.0))


def _protractor(hv: Any, axes: list[Any], step: float, last: float) -> list[Any]:
    """Circles of equal degree and rays of equal angle with their numbers."""
    turn = np.radians(np.linspace(-90, 90, 181))
    rings = np.append(np.arange(step, last - step / 2, step), last)
    circles = [np.column_stack((-r * np.sin(turn), r * np.cos(turn))) for r in rings]
    angles = np.arange(-90, 91, 30)
    rays = [np.array([[0, 0], [-last * np.sin(a), last * np.cos(a)]]) for a in np.radians(angles)]
    grid = hv.Path(circles + rays, kdims=axes).opts(backend="bokeh", color=GREY, line_width=0.8)
    names = {0: "0° North", 90: "90° East", -90: "-90° West"}
    words = [
        (-1.07 * last * np.sin(np.radians(a)), 1.07 * last * np.cos(np.radians(a)), f"{a}°")
        for a in angles
        if a not in names
    ]
    words += [(0, 1.06 * last, names[0]), (-last, -0.055 * last, names[90]), (last, -0.055 * last, names[-90])]
    words += [(side * r, -0.055 * last, f"{r:g} %") for r in rings[:-1] for side in (-1, 1)]
    words += [(0.0, -0.055 * last, "0 %"), (0.78 * last, 0.98 * last, f"outer circle: {last:g} %")]
    texts = hv.Labels(words, kdims=axes, vdims="text").opts(backend="bokeh", text_font_size="9pt", text_color="#555555")
    return [grid, texts]


def _pieces(q: np.ndarray, u: np.ndarray, last: float) -> list[np.ndarray]:
    """Return a contour on the protractor, cut where it leaves on one side and comes back on the other."""
    half = np.arctan2(u, q) / 2
    degree = 100 * np.hypot(q, u)
    points = np.column_stack((-degree * np.sin(half), degree * np.cos(half)))
    points[degree > last] = np.nan
    pieces = []
    cuts = np.flatnonzero(np.abs(np.diff(half)) > np.pi / 2) + 1
    for start, stop in zip((0, *cuts), (*cuts, half.size), strict=True):
        ends = []
        for inner, outer in ((start, start - 1), (stop - 1, stop)):  # the place on the rim between the two sides
            if (start > 0 and outer == start - 1) or (stop < half.size and outer == stop):
                share = abs(u[inner]) / max(abs(u[inner]) + abs(u[outer]), 1e-300)
                rim = degree[inner] + share * (degree[outer] - degree[inner])
                ends.append(np.array([[-np.sign(half[inner]) * rim, 0.0]]))
            else:
                ends.append(np.empty((0, 2)))
        pieces.append(np.concatenate((ends[0], points[start:stop], ends[1])))
    return pieces
