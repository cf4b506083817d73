"""Drag the edge of a mask, or draw one by hand, and the spectra follow."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analysis.cmb.angles import degrees
from analysis.cmb.apodization import apodized_mask
from analysis.cmb.bandpowers import d_ell
from analysis.cmb.drawn_regions import outside
from analysis.cmb.estimators import power_spectra
from analysis.cmb.maps import checked_nside, degraded, map_dataset, nside_of, sky_array
from analysis.cmb.masks import combined_mask, galactic_mask, observed_mask
from analysis.errors import BadOption, WrongFrame
from analysis.model import derived, in_units, near

if TYPE_CHECKING:
    from analysis.cmb.angles import Angle
    from analysis.explore.hands import Regions

FINEST = 256
ITERATIONS = 1
LABELS = ("BB", "EE", "TE", "TT")  # BB beside the sky: it is there that masks tell
METHODS = ("pseudo", "decoupled", "purified")
WIDTH = 300  # of each picture, in screen pixels: two and their tools fit into a notebook beside its file list
WIDEST = 80.0  # degrees: of the half width of the band that is left out


def mask_explorer(
    sky: xr.Dataset | xr.DataArray,
    *,
    latitude: float = 20,
    method: str = "pseudo",
    scale: Angle = 6,
    width: int = 10,
    beam: Angle | xr.DataArray | None = None,
    nside: int = 128,
    reference: xr.Dataset | xr.DataArray | None = None,
) -> Any:
    r"""Return a page on which a mask is dragged and drawn; TT, TE, EE and BB follow, by the method chosen there.

    A slider moves the edges of a Galactic mask. With the freehand tool of the picture's tool bar one draws regions
    on the sky that are left out too; a button takes them away again. The spectra are :math:`D_\ell` of
    :func:`power_spectra` with one iteration, up to 2 nside. "pseudo": under the mask as it is, nothing corrected,
    E leaks into B. "decoupled": edges softened, the mask undone in bins; right on the mean, but the leaked E
    scatters. "purified": the same with ``purify="B"``. Noise is not taken off.

    Parameters
    ----------
    sky : xarray.Dataset or xarray.DataArray
        A map of one band in Galactic coordinates, dims ``stokes, cells``.
    latitude : float, optional
        Half width in degrees of the band left out at the start, from 0 to 80.
    method : {"pseudo", "decoupled", "purified"}, optional
        At the start.
    scale : float, str, astropy.units.Quantity or xarray.DataArray, optional
        Over which edges are softened (:func:`apodized_mask`, C2) for all but pseudo-spectra; a number is degrees.
    width : int, optional
        Multipoles a bin, for all but pseudo-spectra.
    beam : angle or xarray.DataArray, optional
        Undone in all but pseudo-spectra; as for :func:`beam_window`.
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
        If it is no map, the reference is no spectra, or a map with unobserved cells is to be purified.
    WrongFrame
        If the map is not in Galactic coordinates.
    BadOption
        If an option is out of range, or the method unknown.

    References
    ----------
    Hivon et al. 2002, ApJ 567, 2, doi:10.1086/338126; Smith 2006, PRD 74, 083002, doi:10.1103/PhysRevD.74.083002.

    Examples
    --------
    >>> from analysis import cmb
    >>> page = mask_explorer(cmb.fetch("wmap7_w_iqu"), latitude=30)
    >>> page[-1][0][0].value, page[-1][0][1].options
    (30.0, ['pseudo', 'decoupled', 'purified'])
    """
    import panel as pn

    from analysis.cmb.sky_views import one_band
    from analysis.explore import Dial, following
    from analysis.explore.hands import drawing

    array = sky_array(one_band(sky))
    if array.attrs.get("frame") != "galactic":
        raise WrongFrame(f"the map is in the frame {array.attrs.get('frame')!r}; this page masks Galactic latitudes")
    if checked_nside(nside) > FINEST:
        raise BadOption(f"nside={nside} is too fine to follow a slider; at most {FINEST}")
    number = isinstance(latitude, int | float | np.number) and not isinstance(latitude, bool)
    if not number or not 0 <= latitude <= WIDEST:
        raise BadOption(f"latitude={latitude!r} is no number of degrees from 0 to {WIDEST:g}")
    soft = degrees(scale, "scale")
    title = str(sky.attrs.get("title", "Sky map"))
    held = derived(map_dataset(array.rename("sky")), sky, title=title, step="cmb.mask_explorer", also=[array])
    quick = degraded(held, nside) if nside_of(array) > nside else held
    seen = observed_mask(quick)
    chooser = pn.widgets.RadioButtonGroup(options=list(METHODS), value=checked_method(method), width=290)
    regions: list[Regions] = [()]
    newest: dict[tuple, tuple[xr.Dataset, float]] = {}  # the words above the pictures are about the same spectra

    def at(values: Mapping[str, float]) -> tuple[xr.Dataset, float]:
        key = (float(values["latitude"]), chooser.value, regions[0])
        if key not in newest:
            begun = time.perf_counter()
            mask = _mask(seen, *key, scale=soft)
            made = spectra_under(quick, mask, key[1], width=width, beam=beam)
            newest.clear()
            newest[key] = made, time.perf_counter() - begun
        return newest[key]

    first = at({"latitude": float(latitude)})[0]
    labels = [label for label in LABELS if label in first["spectrum"].values]
    theory = None if reference is None else theory_shown(reference, first)

    def lines(values: Mapping[str, float]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        ell, dl = points_of(at(values)[0])
        made = {label: (ell, dl.sel(spectrum=label).values[-ell.size :]) for label in labels}
        return made | {f"edge {side}": _edge(sign * values["latitude"]) for side, sign in (("north", 1), ("south", -1))}

    def words(values: Mapping[str, float]) -> str:
        made, seconds = at(values)
        kept = f"|b| > {values['latitude']:.1f}°" + (f", {len(regions[0])} drawn left out" if regions[0] else "")
        share = 100 * float(made.attrs["sky_fraction"])
        return (
            f"Kept: {kept}, {share:.1f} % of the sky. {method_told(chooser.value, soft, width, beam)} {seconds:.2f} s."
        )

    layer, strokes, clear = drawing(hooks=[unaligned])
    page = following(
        [Dial("latitude", 0, WIDEST, float(latitude), "Masked below Galactic latitude (deg)")],
        lines,
        picture=lambda moving: _picture(moving, quick, first, labels, theory, layer),
        words=words,
        title=f"{title}: spectra under a mask (nside {nside_of(quick['sky'])})",
    )
    side, (pictures, warned, told, bar) = page[-1]
    slider = side[0]

    def redrawn(drawn: Regions) -> None:
        regions[0] = drawn
        slider.param.trigger("value")

    strokes(redrawn)
    chooser.param.watch(lambda _: slider.param.trigger("value"), "value")
    button = pn.widgets.Button(label="Take drawn regions away", width=210)
    button.on_click(lambda _: clear())
    told.width = 2 * WIDTH + 200
    # Above: the pictures need the width.
    page[-1] = pn.Column(pn.Row(slider, chooser, button), told, pictures, warned, bar)
    return page


def checked_method(method: str) -> str:
    if method not in METHODS:
        raise BadOption(f"method={method!r} is unknown; give {', '.join(map(repr, METHODS))}{near(method, METHODS)}")
    return method


def method_told(method: str, scale: float, width: int, beam: object) -> str:
    if method == "pseudo":
        return "Pseudo-D_ℓ: the mask is not corrected."
    undone = "mask" if beam is None else "mask and beam"
    pure = ", B pure" if method == "purified" else ""
    return f"D_ℓ, {undone} undone in bins of {width}{pure}; edges softened over {scale:g}°."


def points_of(spectra: xr.Dataset) -> tuple[np.ndarray, xr.DataArray]:
    """Multipoles and D_ℓ, without monopole and dipole."""
    if "bin" in spectra["dl"].dims:
        return spectra["ell_effective"].values, spectra["dl"]
    return spectra["ell"].values[2:].astype(float), spectra["dl"]


def _follow(theory: xr.DataArray | None, plot: Any, element: Any) -> None:
    """HoloViews hook: the y axis holds the line as it is now, and the theory."""
    values = element.dimension_values(1)
    if theory is not None:
        values = np.concatenate([values, theory.values[theory["ell"].values >= 2]])
    values = values[np.isfinite(values)]
    if values.size and values.max() > values.min():
        margin = 0.06 * (values.max() - values.min())
        plot.handles["y_range"].update(start=float(values.min() - margin), end=float(values.max() + margin))


def unaligned(plot: Any, element: Any) -> None:
    """HoloViews hook: the sky, which has no axes, stays where it is; Bokeh would cut it to align it with frames."""
    if hasattr(plot.state, "frame_align"):
        plot.state.frame_align = False


def _mask(seen: xr.DataArray, latitude: float, method: str, regions: Regions, *, scale: float) -> xr.DataArray:
    """What is kept; with soft edges where the mask is to be undone."""
    nside = nside_of(seen)
    parts = [galactic_mask(nside, latitude=latitude), seen, *([outside(nside, regions)] if regions else [])]
    kept = combined_mask(*parts)
    return kept if method == "pseudo" else apodized_mask(kept, scale=scale)


def spectra_under(
    sky: xr.Dataset, mask: xr.DataArray, method: str, *, width: int, beam: Angle | xr.DataArray | None
) -> xr.Dataset:
    """The D_ℓ under a mask."""
    if method == "pseudo":
        found = power_spectra(sky, mask=mask, iterations=ITERATIONS)
        return found.assign(dl=d_ell(found)["dl"])
    purify = "B" if method == "purified" else ""
    options: dict[str, Any] = {"decouple": True, "width": width, "form": "dl", "beam": beam}
    return power_spectra(sky, mask=mask, iterations=ITERATIONS, purify=purify, **options)


def _edge(latitude: float) -> tuple[np.ndarray, np.ndarray]:
    """A parallel on the plane of Mollweide."""
    from analysis.panels.projections import plane_of

    return plane_of(np.linspace(-180, 180, 3), np.full(3, latitude), "mollweide")


def theory_shown(reference: xr.Dataset | xr.DataArray, shown: xr.Dataset) -> xr.DataArray:
    """The reference as D_ℓ in the units of what is shown, no further than its multipoles."""
    from analysis.cmb.views import comparable

    theory = comparable(reference, shown["dl"])
    return in_units(theory, str(shown["dl"].attrs["units"]))


def _picture(
    moving: Any,
    sky: xr.Dataset,
    first: xr.Dataset,
    labels: Sequence[str],
    theory: xr.DataArray | None,
    layer: Any,
) -> Any:
    """The sky with the edges of the mask, and a panel for each spectrum."""
    import holoviews as hv

    from analysis.cmb.views import view

    plane = [hv.Dimension("sky_x", label="x on the plane"), hv.Dimension("sky_y", label="y on the plane")]
    shown = view(sky, width=WIDTH)
    style = {"color": "#D55E00", "line_width": 2.5, "hooks": [unaligned]}
    for side in ("north", "south"):
        shown = shown * _line(moving, f"edge {side}", plane, style)
    drawn = [shown * layer, *spectrum_panels(moving, first, labels, theory, sky.attrs)]
    return hv.Layout(drawn).cols(1 if len(labels) < 2 else 2).opts(shared_axes=False, backend="bokeh")


def _line(moving: Any, name: str, dims: list[Any], style: Mapping[str, Any]) -> Any:
    """One of the lines of an Overlay that moves."""
    import holoviews as hv

    def chosen(overlay: Any) -> Any:
        line = next(part for part in overlay if part.label == name)
        return hv.Curve((line.dimension_values(0), line.dimension_values(1)), *dims).opts(backend="bokeh", **style)

    return moving.apply(chosen)


def spectrum_panels(
    moving: Any,
    first: xr.Dataset,
    labels: Sequence[str],
    theory: xr.DataArray | None,
    attrs: Mapping[str, Any],
) -> list[Any]:
    """Return a panel for each spectrum of a DynamicMap of an Overlay of lines with such labels."""
    import holoviews as hv

    from analysis import panels

    drawn = []
    unit = panels.style.unit_label(first["dl"])
    known_of = {k: v for k, v in attrs.items() if k in ("synthetic", "source", "institution")}
    x_dim = hv.Dimension("ell", label="Multipole ℓ")
    for label in labels:
        has = theory is not None and label in theory["spectrum"].values
        model = theory.sel(spectrum=label) if theory is not None and has else None
        y_dim = hv.Dimension((f"dl_{label.lower()}", f"{label}: D_ℓ"), unit=unit)
        style: dict[str, Any] = dict(
            color="#0072B2", line_width=1.3, frame_width=WIDTH, frame_height=180, title=label,
            show_grid=True, active_tools=["wheel_zoom"], xlabel=x_dim.pprint_label, ylabel=y_dim.pprint_label,
            hooks=[panels.style.left_border, partial(_follow, model)],
        )  # fmt: skip
        panel = _line(moving, label, [x_dim, y_dim], style)
        if model is not None:
            known = model["ell"].values >= 2
            grey = hv.Curve((model["ell"].values[known], model.values[known]), x_dim, y_dim)
            panel = grey.opts(backend="bokeh", color="#888888", line_width=1.5) * panel
        drawn.append(panels.note(panel, {**known_of, "title": label}))
    return drawn
