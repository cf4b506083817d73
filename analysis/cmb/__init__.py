"""The cosmic microwave background: maps of its polarization, their spectra, and instruments to come.

>>> from analysis import cmb
>>> sky = cmb.fetch("wmap7_w_iqu")
>>> cl = cmb.power_spectra(sky, mask=cmb.galactic_mask(32, latitude=15), lmax=64)
>>> cl.spectrum.values.tolist(), cl.cl.units
(['TT', 'EE', 'BB', 'TE', 'EB', 'TB'], 'mK2')
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from analysis.cmb.angle_views import angle_contours
from analysis.cmb.apodization import apodized_mask
from analysis.cmb.band_views import band_explorer
from analysis.cmb.bandpowers import binned, d_ell
from analysis.cmb.bands import stacked_bands
from analysis.cmb.beams import beam_window, pixel_window
from analysis.cmb.bicep_keck import (
    bicep_keck_log_likelihood,
    bicep_keck_model,
    bicep_keck_posterior,
    bicep_keck_samples,
)
from analysis.cmb.bicep_keck_files import bicep_keck_bandpowers
from analysis.cmb.bicep_keck_theory import Foregrounds
from analysis.cmb.birefringence import channel_spectra, polarization_angles
from analysis.cmb.channel_noise import noise_spectrum
from analysis.cmb.channels import combined_sensitivity
from analysis.cmb.coefficients import harmonic_coefficients, synthesized
from analysis.cmb.common_beams import common_resolution
from analysis.cmb.components import parametric_components
from analysis.cmb.coupling import coupling_matrix
from analysis.cmb.covariances import bandpower_covariance, knox_error
from analysis.cmb.emission import mixing_matrix
from analysis.cmb.emulator import emulated_spectra
from analysis.cmb.ensembles import realization_mean
from analysis.cmb.estimates import estimated_r, r_posterior, simulated_bandpowers
from analysis.cmb.estimators import power_spectra
from analysis.cmb.filtering import eb_maps, smoothed
from analysis.cmb.fisher import fisher_forecast
from analysis.cmb.forecasts import forecast
from analysis.cmb.foreground_tools import index_map, index_residual, modelled_sky, pixel_sed, spectral_index
from analysis.cmb.frames import rotated_mask, to_frame
from analysis.cmb.gaussian import random_coefficients
from analysis.cmb.ilc import harmonic_ilc, needlet_ilc
from analysis.cmb.instruments import instrument_channels
from analysis.cmb.leakage import masked_spectra
from analysis.cmb.likelihood_simulation import simulated_bicep_keck, simulated_plik_lite
from analysis.cmb.likelihoods import gaussian_log_likelihood, hamimeche_lewis_log_likelihood, wishart_log_likelihood
from analysis.cmb.live_masks import mask_explorer
from analysis.cmb.maps import degraded
from analysis.cmb.maps_on_disk import open_map
from analysis.cmb.masks import combined_mask, degraded_mask, galactic_mask, observed_mask, sky_fraction
from analysis.cmb.noise import noise_spectra
from analysis.cmb.orders import single_order
from analysis.cmb.planck_lite import plik_lite_log_likelihood, plik_lite_model, plik_lite_spectra
from analysis.cmb.planck_lite_files import plik_lite_bandpowers
from analysis.cmb.predictions import bandpower_windows, expected_bandpowers
from analysis.cmb.pyramid_stores import open_pyramid, write_pyramid
from analysis.cmb.pysm_engine import pysm_sky
from analysis.cmb.quadratic import qml_spectra
from analysis.cmb.region_files import region_mask
from analysis.cmb.regions import inverted_mask, source_mask, threshold_mask, union_mask
from analysis.cmb.resampling import pyramid, upgraded
from analysis.cmb.rotation import rotated_coefficients
from analysis.cmb.sampling import posterior_samples
from analysis.cmb.simulation import simulated_sky
from analysis.cmb.sky_pages import explore
from analysis.cmb.sky_views import sky_view
from analysis.cmb.stokes import polarization_angle, polarized_intensity, standard_deviation, to_polconv
from analysis.cmb.temperatures import in_temperature_scale, temperature_factor
from analysis.cmb.template_fitting import template_fit
from analysis.cmb.theory import rotated_spectra, theory_spectra
from analysis.cmb.turning import turned_polarization
from analysis.cmb.views import view

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from astropy.units import Quantity

    from analysis.catalogue import Chunks

__all__ = [
    "Foregrounds",
    "angle_contours",
    "apodized_mask",
    "band_explorer",
    "bandpower_covariance",
    "bandpower_windows",
    "beam_window",
    "bicep_keck_bandpowers",
    "bicep_keck_log_likelihood",
    "bicep_keck_model",
    "bicep_keck_posterior",
    "bicep_keck_samples",
    "binned",
    "channel_spectra",
    "collect",
    "combined_mask",
    "combined_sensitivity",
    "common_resolution",
    "coupling_matrix",
    "d_ell",
    "degraded",
    "degraded_mask",
    "eb_maps",
    "emulated_spectra",
    "estimated_r",
    "expected_bandpowers",
    "explore",
    "fetch",
    "fisher_forecast",
    "forecast",
    "galactic_mask",
    "gaussian_log_likelihood",
    "hamimeche_lewis_log_likelihood",
    "harmonic_coefficients",
    "harmonic_ilc",
    "in_temperature_scale",
    "index_map",
    "index_residual",
    "instrument_channels",
    "inverted_mask",
    "knox_error",
    "mask_explorer",
    "masked_spectra",
    "mixing_matrix",
    "modelled_sky",
    "needlet_ilc",
    "noise_spectra",
    "noise_spectrum",
    "observed_mask",
    "open_map",
    "open_pyramid",
    "parametric_components",
    "pixel_sed",
    "pixel_window",
    "plik_lite_bandpowers",
    "plik_lite_log_likelihood",
    "plik_lite_model",
    "plik_lite_spectra",
    "polarization_angle",
    "polarization_angles",
    "polarized_intensity",
    "posterior_samples",
    "power_spectra",
    "pyramid",
    "pysm_sky",
    "qml_spectra",
    "r_posterior",
    "random_coefficients",
    "realization_mean",
    "region_mask",
    "rotated_coefficients",
    "rotated_mask",
    "rotated_spectra",
    "search",
    "simulated_bandpowers",
    "simulated_bicep_keck",
    "simulated_plik_lite",
    "simulated_sky",
    "single_order",
    "sky_fraction",
    "sky_view",
    "smoothed",
    "source_mask",
    "spectral_index",
    "stacked_bands",
    "standard_deviation",
    "synthesized",
    "temperature_factor",
    "template_fit",
    "theory_spectra",
    "threshold_mask",
    "to_frame",
    "to_polconv",
    "turned_polarization",
    "union_mask",
    "upgraded",
    "view",
    "wishart_log_likelihood",
    "write_pyramid",
]


def search(text: str = "") -> pd.DataFrame:
    """Return the CMB products in which every word of ``text`` occurs, all of them for an empty text.

    Parameters
    ----------
    text : str, optional
        Words of a name, title, mission, instrument, variable or keyword, in any letter case.

    Returns
    -------
    pandas.DataFrame
        One row a product: name, title, mission, instrument, first and last time (NaT where there is no time
        axis), whether ``fetch`` gives a dataset or a tree, and where it is: ``bundled``, ``cached`` or the archive.

    Raises
    ------
    BadOption
        If ``text`` is no text.

    Examples
    --------
    >>> "litebird_channels" in list(search("litebird")["product"])
    True
    """
    from analysis import catalogue

    return catalogue.search("cmb", text)


def fetch(
    product: str,
    *,
    nside: int | None = None,
    frequency: float | str | Quantity | None = None,
    variables: Iterable[str] | None = None,
    chunks: Chunks | None = None,
    live: bool = False,
) -> xr.Dataset | xr.DataTree:
    """Return a CMB product: a map, a mask, theoretical spectra or the channels of an instrument.

    Parameters
    ----------
    product : str
        As :func:`search` lists it.
    nside : int, optional
        For a map or a mask: a power of two, not above its own; see :func:`degraded`, :func:`degraded_mask`.
    frequency : float, str or astropy.units.Quantity, optional
        Band centre, a number is GHz: chooses channels of an instrument, or which of an archive's maps; any other
        map must be of that band.
    variables : iterable of str, optional
        Keep these.
    chunks : int, "auto" or mapping, optional
        Give a Dask-backed result.
    live : bool, optional
        Ask the archive's product that stands for one that ships.

    Returns
    -------
    xarray.Dataset or xarray.DataTree

    Raises
    ------
    UnknownProduct, UnknownVariable
        For a name or variable that there is not.
    BadOption
        If ``nside`` is finer than the map or no power of two, ``nside`` or ``frequency`` does not apply, or an
        archive's product needs one.
    OutsideCoverage
        If the product has nothing at that frequency.
    CorruptFile
        If a file that ships is not what its checksum says.
    DownloadError
        If an archive's data cannot be brought; Offline says what is held.

    Examples
    --------
    >>> fetch("litebird_channels", frequency=140).sizes["channel_name"]
    2
    """
    import xarray as xr

    from analysis import catalogue
    from analysis.cmb.channels import at_frequency, gigahertz
    from analysis.cmb.maps import checked_nside
    from analysis.cmb.masks import regridded
    from analysis.errors import BadOption
    from analysis.model import check

    if nside is not None:
        checked_nside(nside)
    needs = catalogue.needs("cmb", product, live=live)
    fields: dict[str, str | float] = {}
    if "nside" in needs and nside is not None:
        fields["nside"] = nside
    if "frequency" in needs and frequency is not None:
        fields["frequency"] = f"{gigahertz(frequency):g}"
    data = catalogue.fetch("cmb", product, variables=variables, chunks=chunks, fields=fields, live=live)
    if nside is None and frequency is None:
        return data
    if not isinstance(data, xr.Dataset):
        raise BadOption(f"{product} is a tree; nside and frequency apply to its nodes: leave them out")
    if "frequency" in fields:
        band = {"frequency": f"{fields['frequency']} GHz"}
        data = data.assign({name: array.assign_attrs(band) for name, array in data.data_vars.items()})
    elif frequency is not None:
        data = at_frequency(data, frequency, product)
    if nside is not None:
        data = regridded(data, nside, product)
        data = data if chunks is None else catalogue.chunked(data, chunks, map(str, data.dims))
    return check(data)


def collect(
    *products: str,
    nside: int | None = None,
    frequency: float | str | Quantity | None = None,
    live: bool = False,
) -> xr.DataTree:
    """Return several CMB products as one tree, a node each, each with its own provenance.

    Parameters
    ----------
    *products : str
        As :func:`search` lists them.
    nside, frequency, live
        As for :func:`fetch`, of each; the nodes keep the names given here.

    Returns
    -------
    xarray.DataTree

    Raises
    ------
    BadOption
        If no product is named.
    UnknownProduct
        For a name that there is not.
    DownloadError
        As for :func:`fetch`.

    Examples
    --------
    >>> sorted(collect("wmap7_v_iqu", "wmap7_w_iqu").children)
    ['wmap7_v_iqu', 'wmap7_w_iqu']
    """
    from analysis import catalogue

    return catalogue.tree_of("cmb", products, lambda name: fetch(name, nside=nside, frequency=frequency, live=live))


def __dir__() -> list[str]:
    return sorted(__all__)  # the modules behind are no part of the menu
