"""One page to explore a sky on: look anywhere, tap a cell, mask, and see what becomes of the spectra."""

from __future__ import annotations

import html
import os
import time
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analysis.cmb.apodization import apodized_mask
from analysis.cmb.band_views import cell_spectrum
from analysis.cmb.drawn_regions import kept_outside
from analysis.cmb.live_masks import (
    LABELS,
    METHODS,
    WIDEST,
    checked_method,
    method_told,
    points_of,
    spectra_under,
    spectrum_panels,
    theory_shown,
)
from analysis.cmb.maps import FACTS, nside_of
from analysis.cmb.masks import combined_mask, observed_mask
from analysis.cmb.page_masks import Given, checked_mask, latitude_mask, mask_for
from analysis.cmb.rotation import FRAMES
from analysis.cmb.sky_bands import ANGLE, HARMONIC, Band, Explored, bands_of, opened, planes, quick_map
from analysis.cmb.sky_places import place_of, turned_direction
from analysis.cmb.sky_views import MADE, frame_rotation
from analysis.errors import BadOption, WrongData

if TYPE_CHECKING:
    from analysis.explore.skies import Drawn, Scene, Values

UNSEEN_FROM = 1e30
QUICK = 128  # nside of the map of which spectra are made
SOFT = 6.0  # degrees over which edges are softened where a mask is undone
BINS = 10  # multipoles a bin there
CYCLIC = "colorwheel"  # of colorcet: 0° and 180° look the same
COLOURS = ("of the map", "of what is visible")
MADE_WORDS = {"P": "Polarized intensity", "E": "E modes", "B": "B modes", ANGLE: "Polarization angle"}
NO_LINES, ACROSS = "none", ", magnetic field"
LINES = (NO_LINES, "segments", "drapery", f"segments{ACROSS}", f"drapery{ACROSS}")
WHERE = {"galactic": "Galactic l, b", "icrs": "ICRS RA, Dec", "ecliptic": "ecliptic λ, β"}


def explore(
    sky: Explored,
    *,
    reference: xr.Dataset | xr.DataArray | None = None,
    projection: str = "mollweide",
    place: str = "",
    latitude: float = 20,
    mask: Given = None,
    method: str = "pseudo",
    width: int = 620,
    state: Mapping[str, Any] | str | os.PathLike[str] | None = None,
) -> Any:
    r"""Return a page on which one flies over a sky, taps cells and masks it; the spectra follow.

    Selectors choose I, Q, U, P, the polarization angle, E or B, the band, the projection, lines of polarization,
    whether the colours suit the map or what is visible, and the graticule's frame; what is visible stays. A box takes a
    place: two angles, RA and Dec, or a name (:func:`analysis.cmb.sky_places.place_of`). A click shows the values of
    that cell, its direction in the map's frame and in ICRS, and its spectrum over the bands. A slider masks low
    Galactic latitudes, and with the freehand tool of the picture one draws regions that are left out, too, in any
    projection. Beside it stand the :math:`D_\ell` of what is kept, by the method chosen, of the map on cells of nside
    128 at most (:func:`degraded`, its aliasing kept) up to 2 nside, one iteration.

    Parameters
    ----------
    sky : xarray.Dataset, xarray.DataArray, xarray.DataTree or path
        A map, dims ``stokes, cells``, of nside up to 8192; maps of several bands (dim ``frequency``); a tree that
        holds one map; a pyramid, or its path (:func:`write_pyramid`); the path of a file with a map. Any known frame.
    reference : xarray.Dataset or xarray.DataArray, optional
        A theory drawn behind the spectra, for example ``fetch("planck2018_lcdm")``.
    projection : {"mollweide", "orthographic", "cartesian", "gnomonic"}, optional
        At the start.
    place : str, optional
        Where the picture looks at the start, as typed into the box.
    latitude : float, optional
        Half width in degrees of the Galactic band masked at the start, from 0 to 80.
    mask : xarray.DataArray, xarray.Dataset, str or path, optional
        What is left out besides: a mask in the frame of the map, or regions as :func:`region_mask` takes them (DS9's
        text or a file of it).
    method : {"pseudo", "decoupled", "purified"}, optional
        At the start; as for :func:`mask_explorer`, edges softened over 6°, bins of 10.
    width : int, optional
        Of the sky in screen pixels.
    state : mapping, str or path, optional
        What is chosen at first: what ``explore.state_of(page)`` gave, or a JSON file with it.

    Returns
    -------
    panel.Column

    Raises
    ------
    WrongData
        If it is no map, or a tree of none or several; the message names them.
    BadOption
        If an option is unknown or out of range, or the state does not fit.
    WrongFrame
        If the mask is in another frame than the map.
    MissingFile, UnknownFormat, CorruptFile
        If a path leads to nothing that is read here.

    References
    ----------
    Górski et al. 2005, ApJ 622, 759, doi:10.1086/427976; Hivon et al. 2002, ApJ 567, 2, doi:10.1086/338126.

    Examples
    --------
    >>> from analysis import cmb
    >>> type(explore(cmb.fetch("wmap7_w_iqu"), projection="gnomonic", place="Crab")).__name__
    'Column'
    """
    from analysis import explore as explorers
    from analysis.panels.pointings import pointing_of

    checked_method(method)
    number = isinstance(latitude, int | float | np.number) and not isinstance(latitude, bool)
    if not number or not 0 <= latitude <= WIDEST:
        raise BadOption(f"latitude={latitude!r} is no number of degrees from 0 to {WIDEST:g}")
    sky = opened(sky)
    bands = bands_of(sky)
    first = next(iter(bands.values()))
    facts = _facts(sky, first)
    frame = str(facts.get("frame", "")).strip().lower()
    centre = place_of(place, frame) if place else (0.0, 0.0)
    pointing_of(projection, centre, 20.0)
    title = str(facts.get("title", "")).strip() or "Sky map"
    own_mask = checked_mask(mask, frame)
    shown, pair = planes(bands)

    def picture(values: Values, scene: Scene) -> Any:
        from analysis import panels

        band, kind = str(values.get("band", "")), str(values["shown"])
        lines = str(values.get("lines", NO_LINES))
        clim = "visible" if values["colours"] == COLOURS[1] else None
        seen = str(values["graticule"])
        axes = (seen, frame_rotation(seen, frame)) if seen in FRAMES and seen != frame else None
        of = scene.pointing
        return panels.sky_zoom(
            shown(band, kind), projection=of.projection, centre=(of.lon, of.lat), field=of.field, width=width,
            polarization=None if lines == NO_LINES else pair(band), polconv=None if lines == NO_LINES else
            facts["polconv"], lines="segments" if lines == NO_LINES else lines.removesuffix(ACROSS),
            magnetic=lines.endswith(ACROSS), graticule=seen != "none", axes=axes, outline=scene.outline,
            tapped=scene.tapped, moved=scene.moved, part=scene.part, layers=scene.layers,
            clim=(0, 180) if kind == ANGLE else clim, cmap=CYCLIC if kind == ANGLE else None,
            attrs=facts | {"title": _title(title, bands[band], kind)},
        )  # fmt: skip

    def cell(values: Values, lon: float, lat: float) -> tuple[str, Any]:
        band = bands[str(values.get("band", ""))]
        words = cell_words(band, lon, lat, frame)
        beside = cell_spectrum(sky, lon, lat) if len(bands) > 1 else None  # type: ignore[arg-type]  # no tree has bands
        return words, beside

    return explorers.sky_explorer(
        sky=picture,
        choices=_choices(bands, frame),
        projection=projection,
        centre=centre,
        tell_centre=bool(place),
        place=lambda text: place_of(text, frame),
        cell=cell,
        followers=_followers(bands, facts, reference, float(latitude), method, own_mask),
        title=title,
        state=state,
        again=explorers.opened_again("cmb", sky, {"mask": mask} if isinstance(mask, str) else None),
    )


def _facts(sky: Any, band: Band) -> dict[str, Any]:
    """Global attributes, and what the map states of itself."""
    own = {name: band.array.attrs[name] for name in (*FACTS, "synthetic", "title") if name in band.array.attrs}
    return dict(band.array.attrs if band.levels else sky.attrs) | own


def _title(title: str, band: Band, kind: str) -> str:
    word = MADE_WORDS.get(kind, f"Stokes {kind}")
    coarse = nside_of(band.array) > HARMONIC and kind in ("E", "B")
    parts = [f"{word}: {title}", f"{band.name}" if band.name else "", f"of nside {HARMONIC}" if coarse else ""]
    return ", ".join(part for part in parts if part)


def _choices(bands: Mapping[str, Band], frame: str) -> list[Any]:
    from analysis.explore import Choice

    first = next(iter(bands.values()))
    held = [str(label) for label in first.array["stokes"].values]
    polarized = {"Q", "U"} <= set(held)
    made = [*MADE, ANGLE] if polarized else []
    grids = [frame, *(other for other in FRAMES if other != frame)] if frame in FRAMES else ["map"]
    choices = [Choice("shown", [*held, *made], label="Shown")]
    choices += [Choice("band", list(bands), label="Band")] if len(bands) > 1 else []
    choices += [Choice("lines", LINES, label="Lines")] if polarized else []
    choices += [Choice("colours", COLOURS, label="Colours")]
    return [*choices, Choice("graticule", [*grids, "none"], label="Graticule")]


def cell_words(band: Band, lon: float, lat: float, frame: str) -> str:
    """Return the direction, cell and values at a place of a band, as HTML.

    Raises
    ------
    WrongData
        If the map does not cover it.

    Examples
    --------
    >>> from analysis import cmb
    >>> print(cell_words(bands_of(cmb.fetch("wmap7_w_iqu"))[""], 184.557, -5.784, "galactic").replace("<br>", ""))
    <b>Galactic l, b</b> 184.5570°, −5.7840° · <b>ICRS RA, Dec</b> 83.6331°, +22.0151° · cell 6367 ...I 0.75156 mK, ...
    """
    from ducc0.healpix import Healpix_Base

    from analysis.panels.stored_cells import read_cells

    nside = nside_of(band.array)
    number = int(Healpix_Base(nside, "NEST").ang2pix(np.radians([[90 - lat, lon % 360]]))[0])
    ids = band.array["cell_ids"]
    if ids.size == 12 * nside**2 and int(ids[number]) == number:
        place = number
    else:
        found = np.flatnonzero(np.asarray(ids.values) == number)
        if found.size != 1:
            raise WrongData(f"the map does not cover longitude {lon:.3f}°, latitude {lat:.3f}°")
        place = int(found[0])
    row = band.array.isel(cells=place)
    row = row.copy(data=read_cells(row.variable))
    unit = str(row.attrs.get("units", "")).strip()
    values = {str(label): float(value) for label, value in zip(row["stokes"].values, row.values, strict=True)}
    if {"Q", "U"} <= set(values):
        values["P"] = float(np.hypot(values["Q"], values["U"]))
    told = [f"{label} {_number(value, unit='' if unit == '1' else unit)}" for label, value in values.items()]
    where = [(WHERE.get(frame, "lon, lat"), lon, lat)]
    if frame in FRAMES and frame != "icrs":
        where.append((WHERE["icrs"], *turned_direction(lon, lat, frame, "icrs")))
    directions = " · ".join(f"<b>{name}</b> {one % 360:.4f}°, {_number(two, '+.4f')}°" for name, one, two in where)
    sense = f" ({row.attrs['polconv']})" if "Q" in values and row.attrs.get("polconv") else ""
    band_name = f"{html.escape(band.name)}: " if band.name else ""
    return f"{directions} · cell {number} (NESTED, nside {nside})<br>{band_name}{html.escape(', '.join(told) + sense)}"


def _number(value: float, form: str = ".5g", *, unit: str = "") -> str:
    if not abs(value) < UNSEEN_FROM:  # NaN, infinite, or HEALPix's UNSEEN
        return "not observed"
    return f"{format(value, form).replace('-', '−')} {unit}".strip()


def _followers(
    bands: Mapping[str, Band],
    facts: Mapping[str, Any],
    reference: xr.Dataset | xr.DataArray | None,
    latitude: float,
    method: str,
    own_mask: Any,
) -> Any:
    """The mask and the spectra beside the sky."""
    from analysis.explore import Choice, Followers, Slider

    @cache
    def quick(name: str) -> tuple[Any, xr.DataArray]:
        held = quick_map(bands[name], QUICK)
        seen = observed_mask(held)
        return held, seen if own_mask is None else combined_mask(seen, mask_for(own_mask, seen))

    def kept(values: Values, drawn: Drawn) -> xr.DataArray:
        held = quick(str(values.get("band", "")))[1]
        parts = [latitude_mask(held, float(values["latitude"])), held]
        if drawn:
            parts.append(kept_outside(nside_of(held), drawn, frame=str(held.attrs["frame"])))
        return combined_mask(*parts)

    def mask(values: Values, drawn: Drawn) -> Any:
        return kept(values, drawn).astype(np.float32), np.eye(3)

    newest: list[xr.Dataset] = []

    def lines(values: Values, drawn: Drawn) -> tuple[Any, str]:
        begun = time.perf_counter()
        held, way = kept(values, drawn), str(values["method"])
        share = float(held.mean())
        if share == 0:
            raise WrongData("the mask leaves nothing of what was observed; lower the latitude, or take regions away")
        soft = held if way == "pseudo" else apodized_mask(held, scale=SOFT)
        made = spectra_under(quick(str(values.get("band", "")))[0], soft, way, width=BINS, beam=None)
        newest[:] = [made]
        ell, dl = points_of(made)
        found = {label: (ell, dl.sel(spectrum=label).values[-ell.size :]) for label in _labels(made)}
        regions = sum(len(outlines) for _, outlines in drawn)
        words = f"{values['band']}. " if "band" in values else ""
        words += f"Kept: |b| > {values['latitude']:.1f}°" + (f", {regions} drawn left out" if regions else "")
        words += ", by the given mask" if own_mask is not None else ""
        words += f", {100 * share:.1f} % of the sky, nside {nside_of(held)}. {method_told(way, SOFT, BINS, None)}"
        return found, f"{words} {time.perf_counter() - begun:.2f} s."

    def panels_of(moving: Any) -> Any:
        import holoviews as hv

        theory = None if reference is None else theory_shown(reference, newest[0])
        drawn = spectrum_panels(moving, newest[0], _labels(newest[0]), theory, facts)
        return hv.Layout(drawn).cols(1).opts(shared_axes=False, backend="bokeh")

    return Followers(
        dial=Slider("latitude", 0, WIDEST, 0.5, latitude, "Masked below Galactic latitude (deg)"),
        mask=mask,
        lines=lines,
        picture=panels_of,
        choices=[Choice("method", METHODS, label="Spectra", value=method)],
        uses=("band",),
        slow=lambda values: values["method"] != "pseudo",
    )


def _labels(made: xr.Dataset) -> Sequence[str]:
    return [label for label in LABELS if label in made["spectrum"].values]
