"""A sky of several bands, on which one clicks a cell to see its spectrum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from analysis.cmb.bands import noise_levels
from analysis.cmb.maps import FACTS, nside_of
from analysis.cmb.sky_views import sky_view, stokes_name
from analysis.cmb.temperatures import SCALES, in_temperature_scale
from analysis.errors import BadOption, WrongData
from analysis.model import in_units, near


def band_explorer(
    sky: xr.Dataset | xr.DataArray,
    *,
    stokes: str | None = None,
    projection: str = "mollweide",
    centre: Sequence[float] = (0.0, 0.0),
    field: float = 60.0,
    width: int = 640,
) -> Any:
    """Return a sky of several bands: click a cell and its values over frequency appear under it, in any scale.

    Parameters
    ----------
    sky : xarray.Dataset or xarray.DataArray
        Dims ``frequency, stokes, cells``, with the coordinate ``frequency``.
    stokes : str, optional
        Of the sky; the first that the map has if left out. The spectrum of a cell shows all.
    projection, centre, field, width
        As for :func:`sky_view`.

    Returns
    -------
    panel.Column

    Raises
    ------
    WrongData
        If there is no dim ``frequency``, or it has no values.
    BadOption, UnknownVariable
        As for :func:`sky_view`.

    Examples
    --------
    >>> from analysis import cmb
    >>> bands = xr.concat([cmb.fetch(f"wmap7_{b}_iqu").sky for b in "vw"], xr.DataArray([61.0, 94.0], dims="frequency"))
    >>> type(band_explorer(bands)).__name__
    'Column'
    """
    import panel as pn

    from analysis.errors import AnalysisError
    from analysis.panels.loading import redrawing
    from analysis.panels.pointings import pointing_of

    array = sky["sky"] if isinstance(sky, xr.Dataset) and "sky" in sky.data_vars else sky
    if not isinstance(array, xr.DataArray) or "frequency" not in array.dims or "frequency" not in array.coords:
        raise WrongData("band_explorer needs a map with the dim and coordinate frequency, besides stokes and cells")
    pointing_of(projection, centre, field)
    title = str(sky.attrs.get("title", "Sky map"))
    held = [str(label) for label in array["stokes"].values]
    bands = {f"{float(nu):g} {array['frequency'].attrs.get('units', '')}".strip(): i
             for i, nu in enumerate(array["frequency"].values)}  # fmt: skip
    choice = pn.widgets.Select(label="Band", options=list(bands), width=140)
    quantity = pn.widgets.Select(
        label="Shown", options=list(dict.fromkeys([*held, *("PEB" if "Q" in held else "")])), width=100
    )
    if stokes is not None:
        quantity.value = stokes if stokes in quantity.options else _refused(stokes, quantity.options)
    own = (dict(sky.attrs) | array.attrs).get("temperature_scale")
    scale = (
        pn.widgets.Select(label="Spectrum in", options=list(SCALES), value=own, width=110) if own in SCALES else None
    )
    holder, under = pn.Column(), pn.Column("Click a cell to see its values over the bands.")
    page = pn.Column(pn.Row(*(w for w in (choice, quantity, scale) if w is not None)), pn.Column(holder, under))
    last: list[tuple[float, float]] = []

    def spectrum(lon: float, lat: float) -> None:
        last[:] = [(lon, lat)]
        with redrawing(page):
            try:
                picture = cell_spectrum(sky, lon, lat, scale=None if scale is None else scale.value)
                under.objects = [pn.pane.HoloViews(picture)]
            except AnalysisError as error:  # the page is the only place where its reader can see the reason
                under.objects = [str(error)]

    def draw(_: Any = None) -> None:
        with redrawing(page):
            try:
                band = sky.isel(frequency=bands[choice.value]).assign_attrs(title=f"{title}, band {choice.value}")
                picture = sky_view(
                    band, stokes=quantity.value, projection=projection, centre=centre, field=field, width=width,
                    tapped=spectrum,
                )  # fmt: skip
                holder.objects = [pn.pane.HoloViews(picture)]
            except AnalysisError as error:
                holder.objects = [str(error)]

    if scale is not None:
        scale.param.watch(lambda _: spectrum(*last[0]) if last else None, "value")
    choice.param.watch(draw, "value")
    quantity.param.watch(draw, "value")
    draw()
    return page


def _refused(stokes: str, known: Sequence[str]) -> str:
    raise BadOption(f"stokes={stokes!r} is none of {', '.join(known)}{near(stokes, known)}")


def cell_spectrum(sky: xr.Dataset | xr.DataArray, lon: float, lat: float, *, scale: str | None = None) -> Any:
    """Return the picture of a map's Stokes parameters over frequency in the cell of a direction, in degrees.

    In the scale of the map, or in ``scale``, K_CMB, K_RJ or intensity; with the noise of the cell as error bars if
    the Dataset holds ``depth``. The numbers are those of :func:`pixel_sed`, which takes whole skies only.

    Raises
    ------
    WrongData
        If it is no map of several bands, or does not cover that cell.

    Examples
    --------
    >>> from analysis import cmb
    >>> bands = xr.concat([cmb.fetch(f"wmap7_{b}_iqu").sky for b in "vw"], xr.DataArray([61.0, 94.0], dims="frequency"))
    >>> type(cell_spectrum(bands, 184.6, -5.8)).__name__
    'Layout'
    """
    import holoviews as hv
    from ducc0.healpix import Healpix_Base

    from analysis import panels

    array = sky["sky"] if isinstance(sky, xr.Dataset) else sky
    if not isinstance(array, xr.DataArray) or not {"frequency", "stokes", "cells"} <= set(array.dims):
        raise WrongData("the spectrum of a cell needs a map with the dims frequency, stokes, cells")
    nside = nside_of(array)
    cell = int(Healpix_Base(nside, "NEST").ang2pix(np.radians([[90 - lat, lon % 360]]))[0])
    place = np.flatnonzero(np.asarray(array["cell_ids"].values) == cell)
    if place.size != 1:
        raise WrongData(
            f"the map does not cover the cell {cell} (nside {nside}) at longitude {lon:.3f}°, latitude {lat:.3f}°"
        )
    row = array.isel(cells=int(place[0])).drop_vars("cell_ids")
    frequency = row["frequency"]
    row = row.assign_coords(
        frequency=frequency.assign_attrs({"long_name": "Band centre", "units": "GHz"} | frequency.attrs)
    )
    where = f"{lon:.2f}°, {lat:+.2f}°".replace("-", "−")
    known = dict(sky.attrs) if isinstance(sky, xr.Dataset) else dict(array.attrs)
    row = row.assign_attrs({name: known[name] for name in FACTS if name in known} | row.attrs)
    errors = _cell_noise(sky, array, row) if isinstance(sky, xr.Dataset) and "depth" in sky.data_vars else None
    if scale is not None:
        row = in_temperature_scale(row, scale)
        errors = None if errors is None else in_units(in_temperature_scale(errors, scale), str(row.attrs["units"]))
    centres = np.asarray(frequency.values, dtype=float)
    wide = bool(centres.min() > 0 and centres.max() / centres.min() >= 4)  # a logarithmic axis with two ticks
    drawn = []
    for label in map(str, row["stokes"].values):
        one = row.sel(stokes=label, drop=True).rename(f"stokes_{label.lower()}")
        one = one.assign_attrs(long_name=stokes_name(label, row.attrs))
        told = known | {"title": f"Stokes {label} in cell {cell} at {where}"}
        spread = None if errors is None else errors.sel(stokes=label, drop=True)
        drawn.append(panels.points(one, x="frequency", error=spread, logx=wide, joined=True, attrs=told))
    return hv.Layout(drawn).cols(1).opts(shared_axes=False, backend="bokeh")


def _cell_noise(sky: xr.Dataset, array: xr.DataArray, row: xr.DataArray) -> xr.DataArray | None:
    """The standard deviation of a cell's noise in the bands, in uK of K_CMB, as ``depth`` is."""
    if row.attrs.get("temperature_scale") != "K_CMB":
        return None
    levels = noise_levels(array, None, sky)  # (stokes, frequency)
    like = row.transpose("frequency", "stokes")
    return like.copy(data=levels.T).assign_attrs(units="uK")
