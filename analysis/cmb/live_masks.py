"""Drag the edge of a mask and the spectra follow."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from analysis.cmb.bandpowers import d_ell
from analysis.cmb.estimators import power_spectra
from analysis.cmb.maps import checked_nside, degraded, map_dataset, nside_of, sky_array
from analysis.cmb.masks import combined_mask, galactic_mask, observed_mask
from analysis.errors import BadOption, WrongFrame
from analysis.model import derived, in_units

FINEST = 256
ITERATIONS = 1
LABELS = ("TT", "TE", "EE", "BB")
WIDTH = 330  # of each picture, in screen pixels
WIDEST = 80.0  # degrees: of the half width of the band that is left out


def mask_explorer(
    sky: xr.Dataset | xr.DataArray,
    *,
    latitude: float = 20,
    nside: int = 128,
    reference: xr.Dataset | xr.DataArray | None = None,
) -> Any:
    r"""Return a page with a slider for a Galactic mask; TT, TE, EE and BB follow while it is dragged.

    The spectra are the pseudo-:math:`D_\ell` of :func:`power_spectra` with one iteration up to 2 nside: mask, beam
    and noise are not corrected, and E leaks into B.

    Parameters
    ----------
    sky : xarray.Dataset or xarray.DataArray
        A map of one band in Galactic coordinates, dims ``stokes, cells``.
    latitude : float, optional
        Half width in degrees of the band left out at the start, from 0 to 80.
    nside : int, optional
        Finer maps are :func:`degraded` to this, at most 256.
    reference : xarray.Dataset or xarray.DataArray, optional
        A theory, C_ℓ or D_ℓ over ``ell``, drawn grey. It knows neither mask nor beam nor noise.

    Returns
    -------
    panel.Column

    Raises
    ------
    WrongData
        If it is no map, or the reference is no spectra.
    WrongFrame
        If the map is not in Galactic coordinates.
    BadOption
        If ``latitude`` or ``nside`` is out of range.

    Examples
    --------
    >>> from analysis import cmb
    >>> page = mask_explorer(cmb.fetch("wmap7_w_iqu"), latitude=30)
    >>> page[-1][0][0].value
    30.0
    """
    from analysis.cmb.sky_views import one_band
    from analysis.explore import Dial, following

    array = sky_array(one_band(sky))
    if array.attrs.get("frame") != "galactic":
        raise WrongFrame(f"the map is in the frame {array.attrs.get('frame')!r}; this page masks Galactic latitudes")
    if checked_nside(nside) > FINEST:
        raise BadOption(f"nside={nside} is too fine to follow a slider; at most {FINEST}")
    number = isinstance(latitude, int | float | np.number) and not isinstance(latitude, bool)
    if not number or not 0 <= latitude <= WIDEST:
        raise BadOption(f"latitude={latitude!r} is no number of degrees from 0 to {WIDEST:g}")
    title = str(sky.attrs.get("title", "Sky map"))
    held = derived(map_dataset(array.rename("sky")), sky, title=title, step="cmb.mask_explorer", also=[array])
    quick = degraded(held, nside) if nside_of(array) > nside else held
    seen = observed_mask(quick)
    first = _spectra(quick, seen, float(latitude))
    labels = [label for label in LABELS if label in first["spectrum"].values]
    theory = None if reference is None else _theory(reference, first)

    newest = {float(latitude): first}  # the words under the picture are about the same spectra

    def at(values: Mapping[str, float]) -> xr.Dataset:
        edge = float(values["latitude"])
        if edge not in newest:
            made = _spectra(quick, seen, edge)
            newest.clear()
            newest[edge] = made
        return newest[edge]

    def lines(values: Mapping[str, float]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        dl = at(values)
        made = {label: (dl["ell"].values[2:], dl["dl"].sel(spectrum=label).values[2:]) for label in labels}
        return made | {f"edge {side}": _edge(sign * values["latitude"]) for side, sign in (("north", 1), ("south", -1))}

    def words(values: Mapping[str, float]) -> str:
        kept = float(at(values).attrs["sky_fraction"])
        edge = f"|b| > {values['latitude']:.1f}°"
        return f"Kept: {edge}, {100 * kept:.1f} % of the sky. Pseudo-D_ℓ: the mask is not corrected."

    return following(
        [Dial("latitude", 0, WIDEST, float(latitude), "Masked below Galactic latitude (deg)")],
        lines,
        picture=lambda moving: _picture(moving, quick, first, labels, theory),
        words=words,
        title=f"{title}: spectra under a mask (nside {nside_of(quick['sky'])})",
    )


def _follow(theory: xr.DataArray | None, plot: Any, element: Any) -> None:
    """HoloViews hook: the y axis holds the line as it is now, and the theory."""
    values = element.dimension_values(1)
    if theory is not None:
        values = np.concatenate([values, theory.values[theory["ell"].values >= 2]])
    values = values[np.isfinite(values)]
    if values.size and values.max() > values.min():
        margin = 0.06 * (values.max() - values.min())
        plot.handles["y_range"].update(start=float(values.min() - margin), end=float(values.max() + margin))


def _unaligned(plot: Any, element: Any) -> None:
    """HoloViews hook: the sky, which has no axes, stays where it is; Bokeh would cut it to align it with frames."""
    if hasattr(plot.state, "frame_align"):
        plot.state.frame_align = False


def _mask(seen: xr.DataArray, latitude: float) -> xr.DataArray:
    return combined_mask(galactic_mask(nside_of(seen), latitude=latitude), seen)


def _spectra(sky: xr.Dataset, seen: xr.DataArray, latitude: float) -> xr.Dataset:
    """The pseudo-D_ℓ under a mask."""
    found = power_spectra(sky, mask=_mask(seen, latitude), iterations=ITERATIONS)
    return found.assign(dl=d_ell(found)["dl"])


def _edge(latitude: float) -> tuple[np.ndarray, np.ndarray]:
    """A parallel on the plane of Mollweide."""
    from analysis.panels.projections import plane_of

    return plane_of(np.linspace(-180, 180, 3), np.full(3, latitude), "mollweide")


def _theory(reference: xr.Dataset | xr.DataArray, shown: xr.Dataset) -> xr.DataArray:
    """The reference as D_ℓ in the units of what is shown, no further than its multipoles."""
    from analysis.cmb.views import comparable

    theory = comparable(reference, shown["dl"])
    return in_units(theory, str(shown["dl"].attrs["units"]))


def _picture(moving: Any, sky: xr.Dataset, first: xr.Dataset, labels: list[str], theory: xr.DataArray | None) -> Any:
    """The sky with the edges of the mask, and a panel for each spectrum."""
    import holoviews as hv

    from analysis import panels
    from analysis.cmb.views import view

    def one(name: str, dims: list[Any], **style: Any) -> Any:
        def chosen(overlay: Any) -> Any:
            line = next(part for part in overlay if part.label == name)
            return hv.Curve((line.dimension_values(0), line.dimension_values(1)), *dims).opts(backend="bokeh", **style)

        return moving.apply(chosen)

    plane = [hv.Dimension("sky_x", label="x on the plane"), hv.Dimension("sky_y", label="y on the plane")]
    shown = view(sky, width=WIDTH)
    for side in ("north", "south"):
        shown = shown * one(f"edge {side}", plane, color="#D55E00", line_width=2.5, hooks=[_unaligned])
    drawn = [shown]
    unit = panels.style.unit_label(first["dl"])
    known_of = {k: v for k, v in sky.attrs.items() if k in ("synthetic", "source", "institution")}
    x_dim = hv.Dimension("ell", label="Multipole ℓ")
    for label in labels:
        has = theory is not None and label in theory["spectrum"].values
        model = theory.sel(spectrum=label) if theory is not None and has else None
        y_dim = hv.Dimension((f"dl_{label.lower()}", f"{label}: pseudo-D_ℓ"), unit=unit)
        style: dict[str, Any] = dict(
            color="#0072B2", line_width=1.3, frame_width=WIDTH, frame_height=180, title=label,
            show_grid=True, active_tools=["wheel_zoom"], xlabel=x_dim.pprint_label, ylabel=y_dim.pprint_label,
            hooks=[panels.style.left_border, partial(_follow, model)],
        )  # fmt: skip
        panel = one(label, [x_dim, y_dim], **style)
        if model is not None:
            known = model["ell"].values >= 2
            grey = hv.Curve((model["ell"].values[known], model.values[known]), x_dim, y_dim)
            panel = grey.opts(backend="bokeh", color="#888888", line_width=1.5) * panel
        drawn.append(panels.note(panel, {**known_of, "title": label}))
    return hv.Layout(drawn).cols(1 if len(labels) < 2 else 2).opts(shared_axes=False, backend="bokeh")
