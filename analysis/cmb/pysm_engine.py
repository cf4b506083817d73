"""Skies of PySM in the bands of an instrument: its templates and laws, our labels. PySM is optional."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analysis import store
from analysis.cmb.bandpasses import Bandpass, bandpass_in_order, bandpass_tables, bandpass_told
from analysis.cmb.bands import bands_dataset, checked_stokes
from analysis.cmb.emission import band_coords, channel_bands
from analysis.cmb.instruments import instrument_channels
from analysis.cmb.maps import checked_nside, ring_order
from analysis.cmb.temperatures import sampled_bandpass
from analysis.errors import BadOption, Unreachable, WrongData
from analysis.model import check, derived, in_units, near

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAMPLES = 129  # of a band, at least: PySM integrates by trapezia
PAPERS = (
    "Zonca et al. 2021, JOSS 6, 3783, doi:10.21105/joss.03783 (PySM 3)",
    "Pan-Experiment Galactic Science Group 2025, ApJ, doi:10.3847/1538-4357/adf212 (PySM models)",
    "Thorne et al. 2017, MNRAS 469, 2821, doi:10.1093/mnras/stx949 (PySM)",
)


def pysm_sky(
    channels: str | xr.Dataset,
    nside: int,
    models: Sequence[Any],
    *,
    stokes: str = "IQU",
    bandpass: Bandpass = "delta",
) -> xr.Dataset:
    """Return the sky of PySM, without noise or beams, in the bands of an instrument.

    PySM is not part of Sankō: ``pip install pysm3``. Its templates are fetched from its server when a preset is first
    used and kept by astropy, hundreds of MB for some; a folder of them is named by the environment variable
    ``PYSM_LOCAL_DATA``. Coarser maps are averages of its templates' cells. A line such as CO is seen only through a
    band. Where PySM 3.4 leaves polarization at its own reference frequency because the intensity's is asked for (545
    GHz of d0 and d1), a frequency larger by 1e-12 is asked for, so that it is scaled.

    Parameters
    ----------
    channels : str or xarray.Dataset
        Name or table of an instrument, as for :func:`simulated_sky`.
    nside : int
        Power of two.
    models : sequence of str or of PySM components
        Presets such as ``["d1", "s1", "f1"]``, or objects made with PySM (``pysm3.ModifiedBlackBody`` …) of this nside.
    stokes : {"IQU", "QU", "I"}, optional
    bandpass : {"delta", "tophat"} or tables, optional
        As for :func:`mixing_matrix`; integrated by PySM, by trapezia of 129 samples or more.

    Returns
    -------
    xarray.Dataset
        ``sky`` in uK, dims ``frequency, stokes, cells``, NESTED; Galactic, COSMO, K_CMB, ``synthetic``; attrs
        ``pysm_version`` and ``pysm_models``. Beams, CMB and noise: :func:`smoothed`, :func:`simulated_sky`.

    Raises
    ------
    ImportError
        If PySM is not installed.
    Unreachable
        If a template cannot be had: offline, or its server does not answer.
    BadOption, WrongData
        If there is no such preset, a component has another nside, or a band is none.

    References
    ----------
    Zonca et al. 2021, JOSS 6, 3783, doi:10.21105/joss.03783; Thorne et al. 2017, MNRAS 469, 2821,
    doi:10.1093/mnras/stx949.

    Examples
    --------
    >>> pysm_sky("litebird", 12, ["d1", "s1"])
    Traceback (most recent call last):
    ...
    analysis.errors.BadOption: nside=12 is not a power of two ...
    """
    table = instrument_channels(channels) if isinstance(channels, str) else channels
    nside, stokes = checked_nside(nside), checked_stokes(stokes)
    grids = _grids(table, bandpass)
    pysm3 = _pysm()
    named = _checked_models(models, pysm3)
    parts = [part for model in models for part in _components(model, nside, pysm3)]
    avoided = {nu for part in parts for nu in _lone_references(part)}
    values = np.zeros((len(grids), 3, 12 * nside**2))
    for row, (nu, tau) in enumerate(grids):
        nu = np.where(np.isin(nu, list(avoided)), nu * (1 + 1e-12), nu)
        for part in parts:
            emission = _emission(part, nu, tau, pysm3)
            values[row, : len(emission)] += emission  # one row is intensity alone
    nested = np.empty((len(grids), len(stokes), values.shape[-1]))
    nested[..., ring_order(nside)] = values[:, ["IQU".index(label) for label in stokes]]
    labels = xr.DataArray(list(stokes), dims="stokes", attrs={"long_name": "Stokes parameter"})
    facts = {"frame": "galactic", "polconv": "COSMO", "temperature_scale": "K_CMB", "synthetic": "true"}
    made = bands_dataset(nested, {**band_coords(table), "stokes": labels}, facts)
    listed, version = ", ".join(named), str(pysm3.__version__)
    step = f"cmb.pysm_sky(nside={nside}, models={named}, bandpass={bandpass_told(bandpass)!r}): PySM {version}"
    title = f"Synthetic sky: PySM {listed}"
    made = derived(made, table, title=title, step=step, references=PAPERS, also=bandpass_tables(bandpass))
    made.attrs |= {"synthetic": "true", "pysm_version": version, "pysm_models": listed}
    made.attrs |= {"source": f"PySM {version}: {listed}", "license": "models and templates of PySM, cite its papers"}
    caveat = "Synthetic: a model of PySM, partly drawn from measured templates; no noise, no beams."
    made.attrs["caveats"] = "\n".join(filter(None, [caveat, str(made.attrs.get("caveats", ""))]))
    return check(made)


def _pysm() -> Any:
    try:
        return import_module("pysm3")
    except ImportError as error:
        raise ImportError(
            "cmb.pysm_sky needs PySM, which is not installed or does not load: pip install pysm3; "
            "cmb.simulated_sky draws a simpler sky without it"
        ) from error


def _grids(table: xr.Dataset, bandpass: Bandpass) -> list[tuple[NDArray, NDArray]]:
    """Return frequencies in GHz and responses of each band: one sample, or enough for trapezia."""
    channel_bands(table, bandpass)  # refuses what is no band
    centres = np.atleast_1d(in_units(table["frequency"], "GHz").values)
    if isinstance(bandpass, str) and bandpass == "delta":
        return [(np.array([centre]), np.ones(1)) for centre in centres]
    if isinstance(bandpass, str):
        widths = np.atleast_1d(in_units(table["bandwidth"], "GHz").values)
        pairs = zip(centres, widths, strict=True)
        return [(np.linspace(c - w / 2, c + w / 2, SAMPLES), np.ones(SAMPLES)) for c, w in pairs]
    names = [str(name) for name in table["channel_name"].values] if "channel_name" in table.coords else None
    made = []
    for number, given in enumerate(bandpass_in_order(bandpass, len(centres), names), 1):
        nu, tau = sampled_bandpass(given)
        if (tau < 0).any():
            raise WrongData(f"bandpass {number} has negative responses, which PySM partly leaves out; clip them first")
        parts = -(-(SAMPLES - 1) // (nu.size - 1))
        fine = np.interp(np.arange((nu.size - 1) * parts + 1) / parts, np.arange(nu.size), nu)
        made.append((fine, np.interp(fine, nu, tau)))
    return made


def _checked_models(models: Sequence[Any], pysm3: Any) -> list[str]:
    """Return what to call the models: presets by name, objects by their class."""
    if isinstance(models, str) or not isinstance(models, Sequence) or not len(models):
        raise BadOption(f"models={models!r}: give a list of presets, for example ['d1', 's1'], or PySM's objects")
    known = list(pysm3.sky.PRESET_MODELS)
    for model in models:
        if isinstance(model, str) and model not in known:
            raise BadOption(
                f"PySM {pysm3.__version__} has no preset {model!r}; it has {', '.join(known)}{near(model, known)}"
            )
        if not isinstance(model, str) and not hasattr(model, "get_emission"):
            raise BadOption(f"a {type(model).__name__} is neither a preset nor a component of PySM")
    return [model if isinstance(model, str) else type(model).__name__ for model in models]


def _components(model: Any, nside: int, pysm3: Any) -> Iterator[Any]:
    """Return the components of a preset or of an object, those of a sky one by one."""
    if isinstance(model, str):
        with _templates(model):
            model = pysm3.get_pysm_emission(model, nside)[0]
    if int(model.nside) != nside:
        raise BadOption(f"{type(model).__name__} has nside {model.nside}, the sky {nside}; make it with nside={nside}")
    parts = getattr(model, "components", [model])
    if not parts:
        raise BadOption(f"the {type(model).__name__} of PySM has no components")
    for part in parts:
        if part is model:
            yield part
        else:
            yield from _components(part, nside, pysm3)


@contextmanager
def _templates(model: str) -> Iterator[None]:
    """Let PySM fetch templates, not while Sankō is offline; say what to do if they cannot be had."""
    from astropy.utils.data import conf

    try:
        with conf.set_temp("allow_internet", conf.allow_internet and not store.is_offline()):
            yield
    except OSError as error:  # astropy and urllib raise URLError, TimeoutError, FileNotFoundError
        reason = "Sankō is offline" if store.is_offline() else str(error).splitlines()[0][:200]
        raise Unreachable(
            f"the templates of PySM's {model!r} are not on this machine and could not be fetched ({reason}); go online "
            "once, or name a folder that holds them in the environment variable PYSM_LOCAL_DATA"
        ) from error


def _lone_references(part: Any) -> list[float]:
    """Return the reference of a component's intensity in GHz, if that of its polarization is another."""
    intensity, polarization = getattr(part, "freq_ref_I", None), getattr(part, "freq_ref_P", None)
    if intensity is None or polarization is None or intensity == polarization:
        return []
    return [float(intensity.to_value("GHz"))]


def _emission(part: Any, nu: NDArray, tau: NDArray, pysm3: Any) -> NDArray[np.float64]:
    """Return a component in uK_CMB of the band, (1 or 3, cells), RING."""
    units = pysm3.units
    at, weights = (nu[0] * units.GHz, None) if nu.size == 1 else (nu * units.GHz, tau)
    with _templates(type(part).__name__):  # some models read more when they are evaluated
        brightness = part.get_emission(at, weights=weights).to_value(units.uK_RJ)
    factor = np.ravel(pysm3.bandpass_unit_conversion(at, weights, units.uK_CMB).value)
    return np.atleast_2d(np.asarray(brightness, dtype=float)) * factor
