"""Spectra of the components of the microwave sky over the bands of an instrument: the mixing matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.cmb.bandpasses import Bandpass, Bands, gains, tabulated_bands
from analysis.cmb.channels import gigahertz
from analysis.cmb.origins import synthetic_attrs
from analysis.cmb.temperatures import H_OVER_K, cmb_intensity, rj_intensity
from analysis.errors import BadOption, WrongData
from analysis.model import in_units, labelled, near

if TYPE_CHECKING:
    from numpy.typing import NDArray

COMPONENTS = ("cmb", "dust", "synchrotron")
INDICES: Mapping[str, float] = {"beta_dust": 1.54, "temperature_dust": 19.6, "beta_synchrotron": -3.0}
OF_COMPONENT = {"cmb": (), "dust": ("beta_dust", "temperature_dust"), "synchrotron": ("beta_synchrotron",)}
INDEX_UNITS = {"beta_dust": "1", "temperature_dust": "K", "beta_synchrotron": "1"}
LIMITS = {"beta_dust": (-2.0, 6.0), "temperature_dust": (3.0, 200.0), "beta_synchrotron": (-8.0, 2.0)}
REFERENCES: Mapping[str, float] = {"dust": 353.0, "synchrotron": 23.0}  # GHz
NODES = 12  # Gauss–Legendre nodes of a top hat


def bands_of(centres: NDArray, widths: NDArray | None = None) -> Bands:
    """Return bands at frequencies in GHz, or top hats of these full widths that respond evenly to radiance.

    Raises
    ------
    WrongData
        If a frequency is not positive, or a band reaches below zero.

    Examples
    --------
    >>> bands_of(np.array([100.0, 143.0])).nu.shape, bands_of(np.array([100.0]), np.array([23.0])).nu.shape
    ((2, 1), (1, 12))
    """
    centres = np.asarray(centres, dtype=float)
    if centres.ndim != 1 or not centres.size or not (np.isfinite(centres) & (centres > 0)).all():
        raise WrongData(f"the frequencies {centres.tolist()} must be positive and finite, in GHz, one a band")
    if widths is None:
        nu, weight = centres[:, None], np.ones(1)
    else:
        widths = np.asarray(widths, dtype=float)
        if not (np.isfinite(widths) & (widths > 0) & (widths < 2 * centres)).all():
            raise WrongData("a bandwidth must be positive and less than twice the frequency")
        place, weight = np.polynomial.legendre.leggauss(NODES)
        nu = centres[:, None] + widths[:, None] / 2 * place
    return Bands(nu, gains(nu, weight))


def columns(
    bands: Bands,
    components: Sequence[str],
    indices: Mapping[str, NDArray | float],
    references: Mapping[str, float] = REFERENCES,
) -> tuple[NDArray, dict[str, NDArray]]:
    """Return the mixing matrix (…, bands, components) in K_CMB and its derivatives by each index.

    Indices may be arrays, one value a patch: their shape comes first. CMB is 1; the others are 1 K_CMB at their
    reference frequency.

    Examples
    --------
    >>> mixing, by = columns(bands_of(np.array([353.0, 100.0])), ["cmb", "dust"], INDICES)
    >>> mixing.round(4).tolist(), by["beta_dust"].shape
    ([[1.0, 1.0], [1.0, 0.02]], (2, 2))
    """
    shape = np.broadcast_shapes(*(np.shape(indices[name]) for c in components for name in OF_COMPONENT[c]), ())
    size = (*shape, len(bands.nu), len(components))
    mixing = np.ones(size)
    names = [name for c in components for name in OF_COMPONENT[c]]
    by = {name: np.zeros(size) for name in names}
    for column, component in enumerate(components):
        if component == "cmb":
            continue
        reference = references[component]
        scale = bands.gain / (rj_intensity(np.array(reference)) / cmb_intensity(np.array(reference)))
        spectrum, slopes = _spectrum(component, bands.nu, indices, reference)
        mixing[..., column] = (spectrum * scale).sum(axis=-1)
        for name, slope in slopes.items():
            by[name][..., column] = (spectrum * slope * scale).sum(axis=-1)
    return mixing, by


def _spectrum(
    component: str, nu: NDArray, indices: Mapping[str, NDArray | float], reference: float
) -> tuple[NDArray, dict[str, NDArray]]:
    """Return a spectrum in K_RJ, 1 at the reference, and its logarithmic derivatives; shape (…, bands, nodes)."""
    ratio = np.log(nu / reference)
    if component == "synchrotron":
        beta = np.asarray(indices["beta_synchrotron"], dtype=float)[..., None, None]
        return np.exp(beta * ratio), {"beta_synchrotron": ratio + 0 * beta}
    beta, temperature = (np.asarray(indices[n], dtype=float)[..., None, None] for n in OF_COMPONENT["dust"])
    x, x0 = H_OVER_K * nu / temperature, H_OVER_K * reference / temperature
    spectrum = np.exp((beta + 1) * ratio) * np.expm1(x0) / np.expm1(x)
    hotter = (x / -np.expm1(-x) - x0 / -np.expm1(-x0)) / temperature
    return spectrum, {"beta_dust": ratio + 0 * spectrum, "temperature_dust": hotter + 0 * spectrum}


def checked_components(components: Sequence[str], known: Sequence[str] = COMPONENTS) -> list[str]:
    """Return the names of components, each known and named once.

    Raises
    ------
    BadOption
        If one is not known, or named twice, or there is none.

    Examples
    --------
    >>> checked_components(["cmb", "dust"])
    ['cmb', 'dust']
    """
    names = [components] if isinstance(components, str) else list(components)
    for name in names:
        if name not in known:
            raise BadOption(f"there is no component {name!r}; there are {', '.join(known)}{near(name, known)}")
    if not names or len(set(names)) != len(names):
        raise BadOption(f"components={names!r} must name one or more, each once")
    return names


def checked_indices(indices: Mapping[str, float] | None, components: Sequence[str]) -> dict[str, float]:
    """Return the value of each spectral index of these components, the usual ones for those not given.

    Raises
    ------
    BadOption
        If a name is not known, or a value is outside of what the sky has.

    Examples
    --------
    >>> checked_indices({"beta_dust": 1.6}, ["cmb", "dust"])
    {'beta_dust': 1.6, 'temperature_dust': 19.6}
    """
    names = [name for component in components for name in OF_COMPONENT[component]]
    given = dict(indices or {})
    for name, value in given.items():
        if name not in names:
            hint = near(name, names)
            raise BadOption(f"{', '.join(components)} have no index {name!r}; they have {', '.join(names)}{hint}")
        low, high = LIMITS[name]
        if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not low <= value <= high:
            raise BadOption(
                f"{name}={value!r} is not a number from {low:g} to {high:g} {INDEX_UNITS[name]}".rstrip(" 1")
            )
    return {name: float(given.get(name, INDICES[name])) for name in names}


def checked_references(references: Mapping[str, object] | None) -> dict[str, float]:
    """Return the reference frequency of each component in GHz.

    Raises
    ------
    BadOption
        If a component is not known or has none, or the frequency is none.

    Examples
    --------
    >>> checked_references({"dust": "545 GHz"})
    {'dust': 545.0, 'synchrotron': 23.0}
    """
    given = dict(references or {})
    if given:
        checked_components(list(given), tuple(REFERENCES))
    return {name: gigahertz(given.get(name, nu)) for name, nu in REFERENCES.items()}


def channel_bands(channels: xr.Dataset | xr.DataArray, bandpass: Bandpass) -> Bands:
    """Return the bands of channels or maps that have the coordinate ``frequency``.

    Parameters
    ----------
    channels : xarray.Dataset or xarray.DataArray
        With ``frequency``, and ``bandwidth`` (variable or coordinate) for top hats.
    bandpass : {"delta", "tophat"} or tables
        Bands at one frequency, even in radiance over the bandwidth, or as tabulated.

    Raises
    ------
    BadOption
        If ``bandpass`` is none of these.
    WrongData
        If there is no frequency or no bandwidth, or a table is none.

    Examples
    --------
    >>> nu = xr.DataArray([100.0], dims="frequency", attrs={"units": "GHz"})
    >>> channel_bands(xr.Dataset(coords={"frequency": nu}), "delta").nu.tolist()
    [[100.0]]
    """
    if not isinstance(channels, xr.Dataset | xr.DataArray) or "frequency" not in channels.coords:
        raise WrongData("there is no coordinate frequency; give channels, as cmb.fetch('litebird_channels')")
    centres = np.atleast_1d(in_units(channels["frequency"], "GHz").values)
    if isinstance(bandpass, str) and bandpass == "delta":
        return bands_of(centres)
    held = channels.variables if isinstance(channels, xr.Dataset) else channels.coords
    if not isinstance(bandpass, str) or bandpass != "tophat":
        labels = np.atleast_1d(channels["channel_name"].values) if "channel_name" in held else None
        return tabulated_bands(bandpass, centres, None if labels is None else [str(name) for name in labels])
    if "bandwidth" not in held:
        raise WrongData("bandpass='tophat' needs bandwidth, one a channel; there is none: give bandpass='delta'")
    return bands_of(centres, np.atleast_1d(in_units(channels["bandwidth"], "GHz").values))


def mixing_matrix(
    channels: xr.Dataset | xr.DataArray,
    *,
    components: Sequence[str] = COMPONENTS,
    indices: Mapping[str, float] | None = None,
    references: Mapping[str, float] | None = None,
    bandpass: Bandpass = "delta",
) -> xr.DataArray:
    r"""Return how bright each component is in each band, in K_CMB.

    CMB is 1 everywhere. In K_RJ dust is the modified blackbody :math:`\nu^{\beta_d+1}/(e^{h\nu/kT_d}-1)`,
    synchrotron the power law :math:`\nu^{\beta_s}`; both are 1 K_CMB at their reference frequency. Over a band
    :math:`\tau(\nu)` the response is :math:`\int \tau I_\nu d\nu / \int \tau\,\partial_T B_\nu d\nu`, for maps that are
    calibrated on the CMB; this over the value at the nominal frequency is the colour correction.

    Parameters
    ----------
    channels : xarray.Dataset or xarray.DataArray
        An instrument or maps, with the coordinate ``frequency``.
    components : sequence of {"cmb", "dust", "synchrotron"}
    indices : mapping, optional
        ``beta_dust`` (1.54), ``temperature_dust`` (19.6 K), ``beta_synchrotron`` (-3.0).
    references : mapping, optional
        Frequencies in GHz: dust 353, synchrotron 23.
    bandpass : {"delta", "tophat"} or tables
        One frequency a band; even in spectral radiance over the bandwidth; or tables of transmission, a list in the
        order of the bands or ``{channel_name: table}``: DataArrays on the dim ``frequency`` with units, responses to
        spectral radiance as for :func:`temperature_factor`, linear between their samples.

    Returns
    -------
    xarray.DataArray
        dims ``frequency, emission``, dimensionless.

    Raises
    ------
    BadOption, WrongData
        If a component, index, frequency or bandpass is none.

    References
    ----------
    Thorne et al. 2017, MNRAS 469, 2821, doi:10.1093/mnras/stx949 (β_d and β_s, those of PySM's d0 and s0); Planck
    Collaboration XI 2020, A&A 641, A11, doi:10.1051/0004-6361/201832618 (T_d; it measures β_d = 1.53 ± 0.02);
    Stompor et al. 2009, MNRAS 392, 216, doi:10.1111/j.1365-2966.2008.14023.x.

    Examples
    --------
    >>> nu = xr.DataArray([23.0, 353.0], dims="frequency", attrs={"units": "GHz"})
    >>> mixing_matrix(xr.Dataset(coords={"frequency": nu})).sel(emission="dust").values.round(4).tolist()
    [0.0018, 1.0]
    """
    names = checked_components(components)
    bands = channel_bands(channels, bandpass)
    mixing, _ = columns(bands, names, checked_indices(indices, names), checked_references(references))
    return labelled_mixing(mixing, channels, names)


def labelled_mixing(mixing: NDArray, channels: xr.Dataset | xr.DataArray, names: Sequence[str]) -> xr.DataArray:
    """Return a mixing matrix with its labels: dims ``[patch,] frequency, emission``.

    Examples
    --------
    >>> nu = xr.DataArray([23.0], dims="frequency", attrs={"units": "GHz"})
    >>> labelled_mixing(np.ones((1, 1)), nu.to_dataset(name="frequency"), ["cmb"]).dims
    ('frequency', 'emission')
    """
    dims = ("patch", "frequency", "emission")[-mixing.ndim :]
    coords = {**band_coords(channels), "emission": component_labels(names)}
    array = xr.DataArray(mixing, dims=dims, coords=coords)
    name = "Brightness in K_CMB for 1 K_CMB at the reference frequency"
    return labelled(array, "mixing", units="1", long_name=name, attrs=synthetic_attrs(channels))


def component_labels(names: Sequence[str], dim: str = "emission") -> xr.DataArray:
    """Return the coordinate of components.

    Examples
    --------
    >>> component_labels(["cmb"]).dims
    ('emission',)
    """
    return xr.DataArray(list(names), dims=dim, attrs={"long_name": "Component"})


def band_coords(channels: xr.Dataset | xr.DataArray) -> dict[str, xr.DataArray]:
    """Return the coordinates of bands on the dim ``frequency``: GHz, and names and bandwidths where there are.

    Examples
    --------
    >>> nu = xr.DataArray([23.0], dims="frequency", attrs={"units": "GHz"})
    >>> list(band_coords(xr.Dataset(coords={"frequency": nu})))
    ['frequency']
    """
    centres = in_units(channels["frequency"], "GHz")
    attrs = {"units": "GHz", "long_name": str(centres.attrs.get("long_name", "Band centre"))}
    made = {"frequency": xr.DataArray(np.atleast_1d(centres.values), dims="frequency", attrs=attrs)}
    held = channels.variables if isinstance(channels, xr.Dataset) else channels.coords
    for name in ("channel_name", "bandwidth"):
        if name in held:
            made[name] = xr.DataArray(
                np.atleast_1d(channels[name].values), dims="frequency", attrs=channels[name].attrs
            )
    return made
