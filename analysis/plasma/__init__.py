"""Plasma environments: solar wind, magnetospheres, particles and the Sun that drives them.

>>> from analysis import plasma
>>> storm = plasma.fetch("qin_denton_hourly", "2001-03-30", "2001-04-03")
>>> nose = plasma.magnetopause(storm, model="shue_1998").standoff
>>> print(f"{nose.min():.2f} {nose.units}")
5.14 R_earth
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import xarray as xr

from analysis.panels.saving import save
from analysis.plasma.activity import active_times, quiet_times, three_hourly
from analysis.plasma.alfven_wings import alfven_wing_angle
from analysis.plasma.alfvenic import alfvenicity, elsasser_variables
from analysis.plasma.bodies import msm_position, orbital_frame, rtn_frame, solar_magnetospheric_frame
from analysis.plasma.boundaries import geosynchronous_orbit, magnetopause, magnetopause_shape
from analysis.plasma.boundary_fits import fit_boundary
from analysis.plasma.boundary_geometry import boundary_cut, boundary_distance, boundary_normal, boundary_radius
from analysis.plasma.boundary_regions import boundary_crossings, regions
from analysis.plasma.bow_shocks import bow_shock, bow_shock_standoff
from analysis.plasma.constellations import constellation, kepler_path, sampled, sampling_times, straight_path
from analysis.plasma.coupling import (
    akasofu_epsilon,
    clock_angle,
    kan_lee_field,
    milan_reconnection_rate,
    newell_coupling,
    rectified_field,
)
from analysis.plasma.cross_correlation import time_lags
from analysis.plasma.current_errors import current_error
from analysis.plasma.dipole import dipole_field, dipole_moment
from analysis.plasma.dipoles import closed_field_latitude, dipole_standoff, planetary_dipole_field
from analysis.plasma.disturbances import storms, substorm_onsets
from analysis.plasma.drifts import angle_between, convection_electric_field, cross_product, dot_product, exb_drift
from analysis.plasma.dst_models import predicted_dst, pressure_corrected_dst
from analysis.plasma.earth import dipole_tilt, sun_direction
from analysis.plasma.epochs import epoch_windows, superposed_epoch
from analysis.plasma.field_aligned import pitch_angle_spectra
from analysis.plasma.field_lines import (
    dipole_field_line,
    dipole_footpoints,
    invariant_latitude,
    l_shell,
    magnetic_local_time,
)
from analysis.plasma.finders import discontinuities, level_crossings
from analysis.plasma.flow_frames import de_hoffmann_teller, walen_relation
from analysis.plasma.fluxes import differential_energy_flux, differential_flux, phase_space_density
from analysis.plasma.frames import known_frames, rotation_matrices, to_frame
from analysis.plasma.frequencies import gyrofrequency, lower_hybrid_frequency, plasma_frequency, upper_hybrid_frequency
from analysis.plasma.gradients import gradient, reciprocal_vectors
from analysis.plasma.kernels import spice_rotation, spice_state
from analysis.plasma.lengths import debye_length, gyroradius, inertial_length
from analysis.plasma.local_frames import field_aligned_frame, lmn_frame, mean_field
from analysis.plasma.multipoint import curlometer
from analysis.plasma.nulls import magnetic_nulls, poincare_index
from analysis.plasma.orbit_views import hodogram, orbit_view
from analysis.plasma.orbits import keplerian_positions, residence_time, surface_positions
from analysis.plasma.parameters import (
    alfven_speed,
    dynamic_pressure,
    magnetic_pressure,
    magnitude,
    plasma_beta,
    thermal_pressure,
    total_pressure,
)
from analysis.plasma.particles import Species, species
from analysis.plasma.pitch_angles import anisotropy, omnidirectional, pitch_angle_distribution
from analysis.plasma.planet_boundaries import aberration_angle, boundary_models, planetary_boundary
from analysis.plasma.propagation import propagated
from analysis.plasma.quality import measured, with_flags_as_coordinates
from analysis.plasma.reduced import gyrotropic_distribution, reduced_distribution, velocity_slice
from analysis.plasma.rotations import rotated
from analysis.plasma.shocks import shock_jump, shock_normals
from analysis.plasma.spectral import power_spectral_density, wavelet_power
from analysis.plasma.speeds import fast_speed, mach_number, slow_speed, sound_speed, thermal_speed
from analysis.plasma.synthetic_fields import SyntheticField, current_at, field_at
from analysis.plasma.synthetic_passes import synthetic_pass
from analysis.plasma.synthetic_series import synthetic_wind
from analysis.plasma.synthetic_shock import shock_front
from analysis.plasma.synthetic_structures import flux_rope, harris_sheet
from analysis.plasma.synthetic_waves import alfvenic_turbulence, plane_waves, true_waves
from analysis.plasma.tetrahedra import formation_shape, tetrahedron_quality
from analysis.plasma.time_lines import aligned
from analysis.plasma.timing_analysis import timing
from analysis.plasma.trapped import bounce_period, drift_period, plasmapause
from analysis.plasma.turbulence import increment_intensity, spectral_slope, structure_functions
from analysis.plasma.variance import maximum_variance, minimum_variance
from analysis.plasma.velocity_moments import moments
from analysis.plasma.views import explore, view
from analysis.plasma.wave_dispersion import dispersion
from analysis.plasma.wave_limits import wave_number_limit
from analysis.plasma.wave_telescope import wave_vector_power
from analysis.plasma.wave_vectors import wave_polarization

if TYPE_CHECKING:
    import pandas as pd

    from analysis.catalogue import Chunks
    from analysis.model.clocks import Instant
    from analysis.panels.marks import Marks

__all__ = [
    "Species",
    "SyntheticField",
    "aberration_angle",
    "active_times",
    "akasofu_epsilon",
    "alfven_speed",
    "alfven_wing_angle",
    "alfvenic_turbulence",
    "alfvenicity",
    "aligned",
    "angle_between",
    "anisotropy",
    "bounce_period",
    "boundary_crossings",
    "boundary_cut",
    "boundary_distance",
    "boundary_models",
    "boundary_normal",
    "boundary_radius",
    "bow_shock",
    "bow_shock_standoff",
    "clock_angle",
    "closed_field_latitude",
    "collect",
    "constellation",
    "convection_electric_field",
    "cross_product",
    "curlometer",
    "current_at",
    "current_error",
    "de_hoffmann_teller",
    "debye_length",
    "differential_energy_flux",
    "differential_flux",
    "dipole_field",
    "dipole_field_line",
    "dipole_footpoints",
    "dipole_moment",
    "dipole_standoff",
    "dipole_tilt",
    "discontinuities",
    "dispersion",
    "dot_product",
    "drift_period",
    "dynamic_pressure",
    "elsasser_variables",
    "epoch_windows",
    "exb_drift",
    "explore",
    "fast_speed",
    "fetch",
    "field_aligned_frame",
    "field_at",
    "fit_boundary",
    "flux_rope",
    "formation_shape",
    "geosynchronous_orbit",
    "gradient",
    "gyrofrequency",
    "gyroradius",
    "gyrotropic_distribution",
    "harris_sheet",
    "hodogram",
    "increment_intensity",
    "inertial_length",
    "invariant_latitude",
    "kan_lee_field",
    "kepler_path",
    "keplerian_positions",
    "known_frames",
    "l_shell",
    "level_crossings",
    "lmn_frame",
    "lower_hybrid_frequency",
    "mach_number",
    "magnetic_local_time",
    "magnetic_nulls",
    "magnetic_pressure",
    "magnetopause",
    "magnetopause_shape",
    "magnitude",
    "maximum_variance",
    "mean_field",
    "measured",
    "milan_reconnection_rate",
    "minimum_variance",
    "moments",
    "msm_position",
    "newell_coupling",
    "omnidirectional",
    "orbit_view",
    "orbital_frame",
    "phase_space_density",
    "pitch_angle_distribution",
    "pitch_angle_spectra",
    "plane_waves",
    "planetary_boundary",
    "planetary_dipole_field",
    "plasma_beta",
    "plasma_frequency",
    "plasmapause",
    "poincare_index",
    "power_spectral_density",
    "predicted_dst",
    "pressure_corrected_dst",
    "propagated",
    "quicklook",
    "quiet_times",
    "reciprocal_vectors",
    "rectified_field",
    "reduced_distribution",
    "regions",
    "residence_time",
    "rotated",
    "rotation_matrices",
    "rtn_frame",
    "sampled",
    "sampling_times",
    "save",
    "search",
    "shock_front",
    "shock_jump",
    "shock_normals",
    "slow_speed",
    "solar_magnetospheric_frame",
    "sound_speed",
    "species",
    "spectral_slope",
    "spice_rotation",
    "spice_state",
    "storms",
    "straight_path",
    "structure_functions",
    "substorm_onsets",
    "sun_direction",
    "superposed_epoch",
    "surface_positions",
    "synthetic_pass",
    "synthetic_wind",
    "tetrahedron_quality",
    "thermal_pressure",
    "thermal_speed",
    "three_hourly",
    "time_lags",
    "timing",
    "to_frame",
    "total_pressure",
    "true_waves",
    "upper_hybrid_frequency",
    "velocity_slice",
    "view",
    "walen_relation",
    "wave_number_limit",
    "wave_polarization",
    "wave_vector_power",
    "wavelet_power",
]


def search(text: str = "") -> pd.DataFrame:
    """Return the plasma products in which every word of ``text`` occurs, all of them for an empty text.

    Parameters
    ----------
    text : str, optional
        Words of a name, title, mission, instrument, variable or keyword, in any letter case.

    Returns
    -------
    pandas.DataFrame
        One row a product: name, title, mission, instrument, first and last time (UTC), whether ``fetch``
        gives a dataset or a tree (or either, as the archive has it), and where it is: ``bundled``, ``cached`` or
        the archive. After those that are declared come all datasets of CDAWeb that match, ``cdaweb/<dataset>``,
        from an index that ships: nothing is asked over the network.

    Raises
    ------
    BadOption
        If ``text`` is no text.

    Examples
    --------
    >>> "qin_denton_hourly" in list(search("qin-denton")["product"])
    True
    """
    from analysis import catalogue

    return catalogue.search("plasma", text)


def fetch(
    product: str,
    start: Instant | None = None,
    stop: Instant | None = None,
    *,
    variables: Iterable[str] | None = None,
    chunks: Chunks | None = None,
    live: bool = False,
) -> xr.Dataset | xr.DataTree:
    """Return a plasma product: one that ships, one of an archive, or any dataset of a HAPI server.

    Parameters
    ----------
    product : str
        As :func:`search` lists it, or a dataset by its address: ``"cdaweb/AC_H0_MFI"``,
        ``"https://example.org/hapi/MAG_1S"``.
    start, stop : time, optional
        Half-open interval in UTC: ISO 8601 text, ``datetime64``, a ``datetime`` with time zone, an astropy
        ``Time``. All of a product that ships by default; an archive must be told.
    variables : iterable of str, optional
        Keep these, and the flags beside them.
    chunks : int, "auto" or mapping, optional
        Give a Dask-backed result. ``{}`` makes one chunk of a file that ships, and one of each part of a HAPI
        request; files of other archives are read whole and then cut.
    live : bool, optional
        Ask the archive's product that stands for one that ships, for its interval where none is given.

    Returns
    -------
    xarray.Dataset or xarray.DataTree
        A tree where the product has several sets of axes. Flags ``<name>_quality`` are coordinates, so that
        they stay beside a variable that is taken out.

    Raises
    ------
    UnknownProduct, UnknownServer, UnknownVariable, BadTime, OutsideCoverage, BadOption
        For a name, variable, time range or chunking that the product does not have, or lacks.
    CorruptFile
        If a file that ships is not what its checksum says.
    DownloadError
        If an archive's data cannot be brought: Unreachable, NotFound, Offline (says what is held) and others.

    Examples
    --------
    >>> wind = fetch("qin_denton_hourly", "2001-03-31", "2001-04-01", variables=["dst", "bz"])
    >>> wind.sizes["time"], wind.dst.min().item()
    (24, -387.0)
    """
    from analysis import catalogue

    data = catalogue.fetch("plasma", product, start=start, stop=stop, variables=variables, chunks=chunks, live=live)
    return _with_flags(data) if isinstance(data, xr.DataTree) else with_flags_as_coordinates(data)


def collect(
    *products: str,
    start: Instant | None = None,
    stop: Instant | None = None,
    variables: Iterable[str] | None = None,
    live: bool = False,
) -> xr.DataTree:
    """Return several plasma products as one tree, a node each, each with its own axes and provenance.

    Parameters
    ----------
    *products : str
        As :func:`search` lists them.
    start, stop : time, optional
        As for :func:`fetch`.
    variables : iterable of str, optional
        As for :func:`fetch`.
    live : bool, optional
        As for :func:`fetch`; the nodes keep the names given here.

    Returns
    -------
    xarray.DataTree
        The node of ``server/dataset`` is called ``dataset``.

    Raises
    ------
    BadOption
        If no product is named.
    UnknownProduct, UnknownServer, UnknownVariable, BadTime, OutsideCoverage, CorruptFile, DownloadError
        As for :func:`fetch`.

    Examples
    --------
    >>> list(collect("qin_denton_hourly", start="2001-03-31", stop="2001-04-01").children)
    ['qin_denton_hourly']
    """
    from analysis import catalogue

    tree = catalogue.collect("plasma", products, start=start, stop=stop, variables=variables, live=live)
    return _with_flags(tree)


def quicklook(
    product: str | xr.Dataset | xr.DataTree,
    start: Instant | None = None,
    stop: Instant | None = None,
    *,
    live: bool = False,
    marks: Marks | None = None,
    bands: xr.DataArray | None = None,
) -> Any:
    """Return the quick look of a product: the panels that its declaration names, in a column.

    Parameters
    ----------
    product : str, xarray.Dataset or xarray.DataTree
        A name, which is fetched, or what :func:`fetch` or :func:`collect` gave (of several products, one after the
        other). Declared are the products that ship and most that archives have.
    start, stop : time, optional
        As for :func:`fetch`; only with a name.
    live : bool, optional
        As for :func:`fetch`; only with a name.
    marks : mapping of str to time or times, optional
        As for :func:`view`.
    bands : xarray.DataArray, optional
        As for :func:`view`.

    Returns
    -------
    holoviews.Layout
        Which variables share a panel, logarithmic axes, limits and lines of reference are those of the declaration
        (``quicklook`` in the product's TOML). Panels whose variables are not in the data are left out, and the picture
        says so.

    Raises
    ------
    BadOption
        If the product declares no quick look, or times are given beside data.
    WrongData
        If the data don't say of which product they are, or hold nothing of the quick look.
    UnknownProduct, UnknownServer, BadTime, OutsideCoverage, CorruptFile, DownloadError
        As for :func:`fetch`.

    Examples
    --------
    >>> len(quicklook("qin_denton_hourly", "2001-03-31", "2001-04-01"))
    5
    """
    from analysis.errors import BadOption
    from analysis.plasma.quicklooks import quicklook_of

    if isinstance(product, str):
        return quicklook_of(fetch(product, start, stop, live=live), marks=marks, bands=bands)
    if start is not None or stop is not None or live:
        raise BadOption(
            "start, stop and live are for a product's name; cut data with data.sel(time=slice(start, stop))"
        )
    return quicklook_of(product, marks=marks, bands=bands)


def _with_flags(tree: xr.DataTree) -> xr.DataTree:
    nodes = {node.path: with_flags_as_coordinates(node.to_dataset(inherit=False)) for node in tree.subtree}
    return xr.DataTree.from_dict(nodes, name=tree.name)


def __dir__() -> list[str]:
    return sorted(__all__)
