"""What fitted components and bands say cell by cell: spectra, index maps, models, what errors leave behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.cmb.angles import degrees
from analysis.cmb.bands import band_array, bands_dataset, checked_stokes, noise_levels
from analysis.cmb.channels import gigahertz
from analysis.cmb.components import model_of
from analysis.cmb.emission import band_coords
from analysis.cmb.maps import FACTS, labelled_map, nside_of, sky_array
from analysis.cmb.origins import synthetic_attrs
from analysis.cmb.stokes import units_of
from analysis.cmb.temperatures import in_temperature_scale
from analysis.errors import BadOption, WrongData, WrongFrame
from analysis.model import check, derived, in_units, labelled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from astropy.units import Quantity

    from analysis.cmb.angles import Angle

ERRARD = "Errard, Stivoli & Stompor 2011, PRD 84, 063005, doi:10.1103/PhysRevD.84.063005"


def modelled_sky(fit: xr.Dataset, *, without: str | None = None) -> xr.Dataset:
    """Return the maps of the bands that fitted components predict; the data minus these are the residuals.

    Parameters
    ----------
    fit : xarray.Dataset
        From :func:`parametric_components`.
    without : str, optional
        A component to leave out: ``"cmb"`` gives the foregrounds.

    Returns
    -------
    xarray.Dataset
        ``sky`` in uK, dims ``frequency, stokes, cells``; NaN where the fit is.

    Raises
    ------
    BadOption
        If the fit has no such component.
    WrongData
        If it is no fit.

    Examples
    --------
    >>> from analysis import cmb
    >>> sky = cmb.simulated_sky("litebird", 8, seed=1, beams=None)
    >>> model = modelled_sky(cmb.parametric_components(sky))
    >>> float((sky.sky - model.sky).std()) < float(sky.sky.std())
    True
    """
    model_of(fit)
    names = [str(name) for name in fit["emission"].values]
    if without is not None and without not in names:
        raise BadOption(f"without={without!r}: the fit has {', '.join(names)}")
    rows = [n for n, name in enumerate(names) if name != without]
    mixing, amplitude = fit["mixing"].values[..., rows], fit["amplitude"].values[rows]
    if "patch" in fit.dims:
        split = amplitude.reshape(*amplitude.shape[:2], fit.sizes["patch"], -1)
        values = np.einsum("pfc,cspn->fspn", mixing, split, optimize=True)
        values = values.reshape(*values.shape[:2], -1)
    else:
        values = np.tensordot(mixing, amplitude, axes=1)
    facts = {k: fit.attrs[k] for k in FACTS if k in fit.attrs} | synthetic_attrs(fit)
    made = bands_dataset(values, {**band_coords(fit), "stokes": fit["stokes"].variable}, facts)
    kept = ", ".join(names[n] for n in rows)
    return check(derived(made, fit, title=f"Model of {kept}", step=f"cmb.modelled_sky(without={without!r}): {kept}"))


def index_map(fit: xr.Dataset, index: str) -> xr.Dataset:
    """Return a fitted spectral index and its standard error in each cell.

    Parameters
    ----------
    fit : xarray.Dataset
        From :func:`parametric_components`, with ``patches``; without, the map is even.
    index : str
        ``"beta_dust"``, ``"temperature_dust"`` or ``"beta_synchrotron"``, if it was free.

    Returns
    -------
    xarray.Dataset
        ``index`` and ``index_error``, dim ``cells``; NaN where nothing was fitted.

    Raises
    ------
    BadOption
        If the index was not free.

    Examples
    --------
    >>> from analysis import cmb
    >>> sky = cmb.simulated_sky("litebird", 16, seed=1, beams=None)
    >>> index_map(cmb.parametric_components(sky, patches=1), "beta_dust").index.sizes["cells"]
    3072
    """
    model_of(fit)
    held = [str(name) for name in fit["parameter"].values] if "parameter" in fit.coords else []
    if index not in held:
        raise BadOption(f"index={index!r} was not fitted; the fit has {', '.join(held) or 'no free index'}")
    known = ~np.isnan(fit["amplitude"].values).any(axis=(0, 1))
    unit = "K" if index.startswith("temperature") else "1"
    made = {}
    for name, of, said in (("index", "value", "Spectral index"), ("index_error", "error", "Standard error of")):
        values = fit[of].sel(parameter=index).values
        spread = values[fit["patch_of_cell"].values] if "patch" in fit.dims else np.full(known.size, float(values))
        like = fit["amplitude"].isel(emission=0, stokes=0, drop=True).assign_attrs(frame=fit.attrs.get("frame"))
        made[name] = labelled_map(np.where(known, spread, np.nan), like, name, units=unit, long_name=f"{said} {index}")
    facts = {"frame": fit.attrs.get("frame", "not stated")} | synthetic_attrs(fit)
    step = f"cmb.index_map({index!r})"
    return check(derived(xr.Dataset(made, attrs=facts), fit, title=f"Map of {index}", step=step))


def index_residual(fit: xr.Dataset, *, component: str = "cmb") -> xr.Dataset:
    r"""Return the standard error of a component that comes from the errors of the spectral indices.

    An index off by :math:`\delta\beta` leaves :math:`-W (\partial A/\partial\beta)\, s\, \delta\beta` of the
    foregrounds in the component; its variance follows from the covariance of the indices. It does not average down
    over the sky as noise does: all cells of a patch share the error.

    Parameters
    ----------
    fit : xarray.Dataset
        From :func:`parametric_components`.
    component : str, optional

    Returns
    -------
    xarray.Dataset
        ``residual_error`` in uK, dims ``stokes, cells``; zero if no index was free.

    Raises
    ------
    BadOption
        If the fit has no such component.

    References
    ----------
    Errard, Stivoli & Stompor 2011, PRD 84, 063005, doi:10.1103/PhysRevD.84.063005.

    Examples
    --------
    >>> from analysis import cmb
    >>> fit = cmb.parametric_components(cmb.simulated_sky("litebird", 16, seed=1, beams=None))
    >>> bool(index_residual(fit).residual_error.mean() < 0.1)
    True
    """
    model_of(fit)
    names = [str(name) for name in fit["emission"].values]
    if component not in names:
        raise BadOption(f"component={component!r}: the fit has {', '.join(names)}")
    amplitude = fit["amplitude"].values
    variance = np.where(np.isnan(amplitude).any(axis=0), np.nan, 0.0)
    if "amplitude_response" in fit:
        response = fit["amplitude_response"].sel(emission=component).values  # ([patch,] stokes, parameter, other)
        covariance = fit["covariance"].values
        if "patch" not in fit.dims:
            response, covariance = response[None], covariance[None]
        split = amplitude.reshape(*amplitude.shape[:2], len(response), -1)
        left = np.einsum("pskc,cspn->pskn", response, split, optimize=True)
        spread = np.einsum("pskn,pkl,psln->spn", left, covariance, left, optimize=True)
        variance = spread.reshape(variance.shape)
    like = fit["amplitude"].isel(emission=0, drop=True)
    error = labelled(
        like.copy(data=np.sqrt(np.maximum(variance, 0))),
        "residual_error",
        units="uK",
        long_name=f"Error of {component} from errors of the indices",
        attrs=synthetic_attrs(fit),
    )
    facts = {k: fit.attrs[k] for k in FACTS if k in fit.attrs} | synthetic_attrs(fit)
    made = xr.Dataset({"residual_error": error}, attrs=facts)
    step = f"cmb.index_residual(component={component!r})"
    return check(derived(made, fit, title=f"Index errors in {component}", step=step, references=[ERRARD]))


def pixel_sed(
    sky: xr.Dataset,
    *,
    cell: int | None = None,
    longitude: Angle | None = None,
    latitude: Angle | None = None,
    noise: xr.DataArray | None = None,
    scale: str = "K_CMB",
) -> xr.Dataset:
    """Return the spectrum of one cell over the bands of a map: each Stokes parameter, and polarized intensity.

    Parameters
    ----------
    sky : xarray.Dataset
        ``sky``, dims ``frequency, stokes, cells``, in K_CMB.
    cell : int, optional
        NESTED id; or ``longitude`` and ``latitude`` in degrees, in the frame of the map.
    longitude, latitude : float, str, astropy.units.Quantity or xarray.DataArray, optional
    noise : xarray.DataArray, optional
        As for :func:`parametric_components`; ``depth`` of the map if left out, no errors if there is none.
    scale : {"K_CMB", "K_RJ", "intensity"}, optional

    Returns
    -------
    xarray.Dataset
        ``sed`` (and ``sed_error``), dims ``frequency, stokes``; ``polarized_intensity`` where there are Q and U,
        biased high by noise.

    Raises
    ------
    BadOption
        If the place is not stated once, or is not on the map.
    WrongData, WrongUnits
        If the map is not one of several bands in K_CMB.

    Examples
    --------
    >>> from analysis import cmb
    >>> sed = pixel_sed(cmb.simulated_sky("litebird", 8, seed=1), longitude=0, latitude=60)
    >>> dict(sed.sizes)
    {'frequency': 22, 'stokes': 2}
    """
    held = "".join(str(label) for label in sky["stokes"].values) if "stokes" in getattr(sky, "coords", {}) else "QU"
    array = band_array(sky, stokes=checked_stokes(held), least=1)
    place, told = _cell(nside_of(array), cell, longitude, latitude)
    row = array.isel(cells=place, drop=True)
    made = {"sed": row.assign_attrs(units="uK")}
    if noise is not None or "depth" in sky.data_vars:
        made["sed_error"] = row.copy(data=noise_levels(array, noise, sky).T)
    made = {name: _in_scale(data.rename(name), scale) for name, data in made.items()}
    units = str(made["sed"].attrs["units"])
    about = synthetic_attrs(array)
    said = {"sed": "Stokes parameters of the cell", "sed_error": "Standard deviation of the noise"}
    result = xr.Dataset({n: labelled(d, n, units=units, long_name=said[n], attrs=about) for n, d in made.items()})
    result = result.drop_vars([name for name in result.coords if name in ("cell_ids",)])
    if "Q" in held:
        q, u = (made["sed"].sel(stokes=label, drop=True) for label in "QU")
        power = q.copy(data=np.hypot(q.values, u.values))
        result["polarized_intensity"] = labelled(
            power, "polarized_intensity", units=units, long_name="Polarized intensity P (noise bias kept)", attrs=about
        )
    result.attrs = {k: array.attrs[k] for k in ("frame", "polconv") if k in array.attrs} | {"temperature_scale": scale}
    step = f"cmb.pixel_sed({told}, scale={scale!r})"
    title = f"Spectrum of cell {place} of {sky.attrs.get('title', 'a sky')}"
    return check(derived(result, sky, title=title, step=step))


def _cell(nside: int, cell: int | None, longitude: Angle | None, latitude: Angle | None) -> tuple[int, str]:
    import ducc0

    cells = 12 * nside**2
    if cell is not None:
        if longitude is not None or latitude is not None:
            raise BadOption("give cell, or longitude and latitude, not both")
        if not isinstance(cell, int | np.integer) or isinstance(cell, bool) or not 0 <= cell < cells:
            raise BadOption(f"cell={cell!r} is no NESTED id from 0 to {cells - 1}")
        return int(cell), f"cell={cell}"
    if longitude is None or latitude is None:
        raise BadOption("which cell? give cell=, or longitude= and latitude= in degrees")
    longitude, latitude = degrees(longitude, "longitude"), degrees(latitude, "latitude")
    if abs(latitude) > 90:
        raise BadOption(f"longitude={longitude!r}, latitude={latitude!r} is no place in degrees")
    angles = np.array([[np.radians(90 - latitude), np.radians(longitude % 360)]])
    found = int(ducc0.healpix.Healpix_Base(nside, "NEST").ang2pix(angles)[0])
    return found, f"longitude={longitude:g}, latitude={latitude:g}"


def _in_scale(array: xr.DataArray, scale: str) -> xr.DataArray:
    return in_temperature_scale(array.assign_attrs(units="uK", temperature_scale="K_CMB"), scale)


def spectral_index(
    low: xr.Dataset,
    high: xr.Dataset,
    *,
    frequencies: tuple[float | str | Quantity, float | str | Quantity] | None = None,
) -> xr.Dataset:
    r"""Return the spectral index of polarized intensity between two bands, :math:`P \propto \nu^\beta` in K_RJ.

    Of the sum of everything that is seen, cell by cell; noise biases P high and with it the index. For weak signals
    use the maps of a fit with patches (:func:`index_map`).

    Parameters
    ----------
    low, high : xarray.Dataset
        Maps of one band with Q and U: same cells, frame and scale.
    frequencies : pair, optional
        A number is GHz; what the maps state if left out.

    Returns
    -------
    xarray.Dataset
        ``index``, dim ``cells``; NaN where P is zero or was not observed.

    Raises
    ------
    BadOption
        If the frequencies are not known, or equal.
    WrongData, WrongFrame
        If the maps do not fit together.

    Examples
    --------
    >>> from analysis import cmb
    >>> sky = cmb.simulated_sky("litebird", 4, seed=1, components=["synchrotron"], noise=False, beams=None)
    >>> round(float(spectral_index(sky.isel(frequency=[0]), sky.isel(frequency=[2])).index.mean()), 4)
    -3.0
    """
    arrays = [sky_array(sky, needs="QU") for sky in (low, high)]
    if nside_of(arrays[0]) != nside_of(arrays[1]):
        raise WrongData(f"the maps have nside {nside_of(arrays[0])} and {nside_of(arrays[1])}; degrade the finer")
    if arrays[0].attrs.get("frame") != arrays[1].attrs.get("frame"):
        raise WrongFrame("the maps are in different frames; bring them to one")
    stated = frequencies if frequencies is not None else [_frequency(array) for array in arrays]
    if any(nu is None for nu in stated) or len(stated) != 2:
        raise BadOption("the maps do not state their frequencies; give frequencies=(30, 353) in GHz")
    centres = [gigahertz(nu) for nu in stated]
    if np.isclose(centres[0], centres[1]):
        raise BadOption(f"both maps are at {centres[0]:g} GHz; an index needs two frequencies")
    power = []
    for array, nu in zip(arrays, centres, strict=True):
        plain = in_temperature_scale(array.drop_vars("frequency", errors="ignore"), "K_RJ", frequency=nu)
        units_of(plain)
        values = in_units(plain, "uK").sel(stokes=["Q", "U"]).transpose("stokes", "cells").values
        power.append(np.hypot(*values))
    with np.errstate(divide="ignore", invalid="ignore"):
        index = np.log(power[1] / power[0]) / np.log(centres[1] / centres[0])
    index[~np.isfinite(index)] = np.nan
    told = f"{centres[0]:g} and {centres[1]:g} GHz"
    made = labelled_map(index, arrays[0], "index", units="1", long_name=f"Index of polarized intensity, {told} (K_RJ)")
    facts: Mapping[str, str] = {"frame": str(arrays[0].attrs.get("frame", "not stated"))}
    result = xr.Dataset({"index": made}, attrs=dict(facts) | synthetic_attrs(low, high))
    return check(derived(result, low, title=f"Spectral index, {told}", step=f"cmb.spectral_index: {told}", also=[high]))


def _frequency(array: xr.DataArray) -> object:
    return array["frequency"] if "frequency" in array.coords else array.attrs.get("frequency")
