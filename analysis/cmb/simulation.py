"""The sky as an instrument would see it: CMB, dust, synchrotron, beams and noise, one or thousands of realizations."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analysis.cmb.angles import degrees
from analysis.cmb.bandpasses import Bandpass, bandpass_tables, bandpass_told
from analysis.cmb.bands import bands_dataset, cell_arcmin, checked_stokes, hits_of
from analysis.cmb.emission import (
    COMPONENTS,
    LIMITS,
    OF_COMPONENT,
    Bands,
    band_coords,
    channel_bands,
    checked_components,
    checked_indices,
    checked_references,
    columns,
)
from analysis.cmb.foregrounds import STREAMS, scattered_index, template_map
from analysis.cmb.harmonics import alm_from_map, checked_lmax
from analysis.cmb.instruments import instrument_channels
from analysis.cmb.maps import cell_ids, checked_nside, ring_order
from analysis.cmb.realizations import (
    beam_factors,
    covariances,
    gaussian_alms,
    generator,
    multipoles,
    square_roots,
    stokes_maps,
)
from analysis.errors import BadOption, WrongData
from analysis.model import check, derived, in_units

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from analysis.cmb.angles import Angle

KNEE_FROM = 2  # multipole: 1/f noise has no power below


@dataclass(frozen=True, eq=False)
class Plan:
    """What stays the same from one realization to the next; maps in RING order."""

    nside: int
    lmax: int
    stokes: str
    seed: int
    roots: NDArray | None  # of the CMB's spectra
    beams: NDArray  # degrees, one a band, or a single one for all
    bands: int
    foregrounds: NDArray | None  # (bands, stokes, cells), beams applied
    depths: NDArray | None  # uK of a cell of mean hits, (bands, stokes)
    knees: NDArray | None  # (bands, 2): multipole, slope
    hits: NDArray | None


def simulated_sky(
    channels: str | xr.Dataset,
    nside: int,
    *,
    seed: int,
    components: Sequence[str] = COMPONENTS,
    spectra: xr.Dataset | None = None,
    stokes: str = "QU",
    indices: Mapping[str, float] | None = None,
    index_scatter: Mapping[str, float] | None = None,
    index_nside: int = 4,
    references: Mapping[str, float] | None = None,
    modulated: bool = True,
    beams: str | Angle | None = "channels",
    bandpass: Bandpass = "delta",
    noise: bool = True,
    one_over_f: bool = False,
    hits: xr.DataArray | None = None,
    lmax: int | None = None,
    realizations: int | None = None,
) -> xr.Dataset:
    r"""Return a synthetic sky in the bands of an instrument.

    CMB: a Gaussian realization of the spectra. Dust and synchrotron: Gaussian templates with power-law spectra that
    grow towards the Galactic plane (their amplitudes and sources are in ``analysis.cmb.foregrounds``), scaled to
    each band by :func:`mixing_matrix`. They are not measured: no number about the real Galaxy follows from them.
    Intensity has fluctuations only, no mean. Maps are sampled at the centres of the cells, without a pixel window.

    Parameters
    ----------
    channels : str or xarray.Dataset
        ``"litebird"``, ``"planck"``, ``"so_sat"``, or a table as :func:`instrument_channels` gives.
    nside : int
        Power of two.
    seed : int
        The same gives the same sky; CMB, each template and noise have streams of their own, so leaving one out does
        not change the others.
    components : sequence of {"cmb", "dust", "synchrotron"}, optional
        May be empty: noise alone.
    spectra : xarray.Dataset, optional
        C_ℓ of the CMB; ``cmb.fetch("planck2018_lcdm")`` if left out. Another r comes with other spectra.
    stokes : {"QU", "IQU", "I"}, optional
    indices : mapping, optional
        ``beta_dust`` (1.54), ``temperature_dust`` (19.6 K), ``beta_synchrotron`` (-3.0); those of components that are
        left out do nothing.
    index_scatter : mapping, optional
        Standard deviation of an index from one cell of ``index_nside`` to the next.
    index_nside : int, optional
        Cells within which the indices are constant.
    references : mapping, optional
        Frequencies of the templates in GHz: dust 353, synchrotron 23.
    modulated : bool, optional
        False: templates without growth towards the plane.
    beams : "channels", angle or None, optional
        Each band's own Gaussian beam, one FWHM for all (degrees or text with a unit), or none.
    bandpass : {"delta", "tophat"} or tables, optional
        See :func:`mixing_matrix`.
    noise : bool, optional
        White noise from ``polarization_sensitivity``; that of I is ``temperature_sensitivity``, or
        :math:`\sqrt{2}` less than polarization.
    one_over_f : bool, optional
        Add noise with :math:`N_\ell = N_{white} (\ell/\ell_{knee})^\alpha`, from ``knee_multipole`` and ``knee_slope``
        of the channels, in harmonic space.
    hits : xarray.DataArray, optional
        Looks at each cell, dim ``cells``: noise goes as :math:`1/\sqrt{hits}`, depths hold for the mean of those
        above zero; NaN where there was none.
    lmax : int, optional
        Largest multipole of signal and 1/f noise; ``3 nside - 1``, or where the spectra end.
    realizations : int, optional
        Give this many on the dim ``realization``, lazy, one a Dask chunk: other CMB and noise, the same foregrounds.
        The first is what is given without.

    Returns
    -------
    xarray.Dataset
        ``sky`` in uK, dims ``[realization,] frequency, stokes, cells``, and ``depth`` (uK arcmin), ``beam`` and
        ``hits`` as far as there are; Galactic, COSMO, K_CMB, ``synthetic``.

    Raises
    ------
    BadOption, WrongData
        If an option is none, or the table or spectra lack what is needed.

    References
    ----------
    Planck Collaboration XI 2020, A&A 641, A11, doi:10.1051/0004-6361/201832618 (dust); Thorne et al. 2017, MNRAS 469,
    2821, doi:10.1093/mnras/stx949 (laws of the components).

    Examples
    --------
    >>> sky = simulated_sky("litebird", 8, seed=1)
    >>> dict(sky.sky.sizes), sky.attrs["synthetic"]
    ({'frequency': 22, 'stokes': 2, 'cells': 768}, 'true')
    """
    table = instrument_channels(channels) if isinstance(channels, str) else channels
    nside, stokes = checked_nside(nside), checked_stokes(stokes)
    names = checked_components(components) if len(components) else []
    bands = channel_bands(table, bandpass)
    random = generator(seed)  # refuses a wrong seed
    del random
    if "cmb" in names and spectra is None:
        from analysis import catalogue

        spectra = catalogue.fetch("cmb", "planck2018_lcdm")  # type: ignore[assignment]
    highest = (
        3 * nside - 1 if spectra is None or "ell" not in spectra else min(3 * nside - 1, int(spectra["ell"].max()))
    )
    lmax = checked_lmax(highest if lmax is None else lmax, nside)
    widths = _beam_widths(table, beams, len(bands.nu))
    depths = _depths(table, stokes, len(bands.nu)) if noise else None
    knees = _knees(table, len(bands.nu), noise=noise) if one_over_f else None
    weights = hits_of(xr.DataArray(np.zeros(12 * nside**2), dims="cells", coords={"cell_ids": cell_ids(nside)}), hits)
    galactic = [name for name in names if name != "cmb"]
    values = checked_indices(indices, [name for name in COMPONENTS if name != "cmb"])
    scatter = _checked_scatter(index_scatter, values)
    used = [key for name in galactic for key in OF_COMPONENT[name]]  # options may name what is left out
    values = {key: values[key] for key in used}
    scatter = {key: scatter[key] for key in used if key in scatter}
    plan = Plan(
        nside=nside,
        lmax=lmax,
        stokes=stokes,
        seed=int(seed),
        roots=square_roots(covariances(spectra, lmax)) if "cmb" in names and spectra is not None else None,
        beams=widths,
        bands=len(bands.nu),
        foregrounds=None,
        depths=None if depths is None else depths / cell_arcmin(nside),
        knees=knees,
        hits=None if weights is None else weights[ring_order(nside)],
    )
    if galactic:
        at = checked_references(references)
        coarse = checked_nside(index_nside)
        seen = _foregrounds(plan, bands, galactic, values, at, modulated=modulated, scatter=scatter, coarse=coarse)
        plan = Plan(**{**plan.__dict__, "foregrounds": seen})
    coords, attrs = _labels(table, stokes)
    made = bands_dataset(_drawn(plan, realizations), coords, attrs)
    if depths is not None:
        made["depth"] = (("frequency", "stokes"), depths, {"units": "uK arcmin", "long_name": "White noise"})
    if beams is not None:
        full = np.broadcast_to(widths, len(bands.nu)) * 60
        made["beam"] = ("frequency", full, {"units": "arcmin", "long_name": "Beam, full width at half maximum"})
    if weights is not None:
        made["hits"] = ("cells", weights, {"units": "1", "long_name": "Hits over their mean", "frame": "galactic"})
    told = {
        "components": names,
        "indices": values,
        "index_scatter": scatter,
        "bandpass": bandpass_told(bandpass),
        "lmax": lmax,
    }
    step = f"cmb.simulated_sky(nside={nside}, seed={seed}, noise={noise}, one_over_f={one_over_f}): " + json.dumps(told)
    title = f"Synthetic sky: {' + '.join([*names, *(['noise'] if noise else [])]) or 'nothing'}"
    also = [data for data in (spectra if "cmb" in names else None, hits) if data is not None]
    also += bandpass_tables(bandpass)
    papers = ["Planck Collaboration XI 2020, A&A 641, A11, doi:10.1051/0004-6361/201832618"] if galactic else []
    made = derived(made, table, title=title, step=step, references=papers, also=also)
    caveat = "Synthetic: drawn at random, foregrounds from a parametric model and not from measured templates."
    made.attrs |= {"synthetic": "true", "source": f"simulation of {table.attrs.get('source', 'channels')}"}
    made.attrs["caveats"] = "\n".join(filter(None, [caveat, str(made.attrs.get("caveats", ""))]))
    return check(made)


def _labels(table: xr.Dataset, stokes: str) -> tuple[dict[str, Any], dict[str, str]]:
    labels = xr.DataArray(list(stokes), dims="stokes", attrs={"long_name": "Stokes parameter"})
    facts = {"frame": "galactic", "polconv": "COSMO", "temperature_scale": "K_CMB", "synthetic": "true"}
    return {**band_coords(table), "stokes": labels}, facts


def _beam_widths(table: xr.Dataset, beams: str | Angle | None, bands: int) -> NDArray[np.float64]:
    """Return beams in degrees: one a band, or a single one that all share."""
    if beams is None:
        return np.zeros(1)
    if isinstance(beams, str) and beams == "channels":
        return _column(table, "beam", "deg", bands, "beams=None")
    width = degrees(beams, "beams")
    if width < 0:
        raise BadOption(f"beams={beams!r} is negative; give a full width at half maximum, for example '30 arcmin'")
    return np.array([width])


def _column(table: xr.Dataset, name: str, units: str, bands: int, instead: str) -> NDArray[np.float64]:
    if not isinstance(table, xr.Dataset) or name not in table.data_vars:
        raise WrongData(f"the channels have no {name!r}; give it, or {instead}")
    values = np.atleast_1d(np.asarray(in_units(table[name], units).values, dtype=float))
    low = -np.inf if name == "knee_slope" else 0.0
    if values.shape != (bands,) or not (np.isfinite(values) & (values > low)).all():
        raise WrongData(f"{name} must be positive and finite, one value a channel")
    return values


def _depths(table: xr.Dataset, stokes: str, bands: int) -> NDArray[np.float64]:
    """Return depths in uK arcmin, shape (bands, stokes)."""
    polarized = _column(table, "polarization_sensitivity", "uK arcmin", bands, "noise=False")
    total = polarized / np.sqrt(2)
    if "temperature_sensitivity" in table.data_vars:
        total = _column(table, "temperature_sensitivity", "uK arcmin", bands, "leave it out")
    return np.stack([total if label == "I" else polarized for label in stokes], axis=1)


def _knees(table: xr.Dataset, bands: int, *, noise: bool) -> NDArray[np.float64]:
    if not noise:
        raise BadOption("one_over_f=True needs noise=True: its level is that of the white noise")
    instead = "one_over_f=False (cmb.instrument_channels('so_sat') has knees)"
    both = [_column(table, name, "1", bands, instead) for name in ("knee_multipole", "knee_slope")]
    if (both[1] >= 0).any():
        raise WrongData("knee_slope must be negative: 1/f noise falls with the multipole")
    return np.stack(both, axis=1)


def _checked_scatter(scatter: Mapping[str, float] | None, indices: Mapping[str, float]) -> dict[str, float]:
    made = dict(scatter or {})
    for name, spread in made.items():
        if name not in indices:
            raise BadOption(f"index_scatter has {name!r}; these components have {', '.join(indices) or 'no indices'}")
        low, high = LIMITS[name]
        if not isinstance(spread, int | float) or not 0 <= spread * 5 <= min(high - indices[name], indices[name] - low):
            raise BadOption(
                f"index_scatter {name}={spread!r} must be from 0 on and keep five of it within {low} to {high}"
            )
    return {name: float(spread) for name, spread in made.items()}


def _foregrounds(
    plan: Plan,
    bands: Bands,
    names: list[str],
    indices: dict[str, float],
    references: dict[str, float],
    *,
    modulated: bool,
    scatter: dict[str, float],
    coarse: int,
) -> NDArray[np.float64]:
    """Return the sum of the Galactic components in each band (RING), through its beam."""
    if scatter and coarse > plan.nside:
        raise BadOption(f"index_nside={coarse} is finer than the map's {plan.nside}")
    nside, lmax = plan.nside, plan.lmax
    seen = np.zeros((plan.bands, len(plan.stokes), 12 * nside**2))
    for name in names:
        options = {"nside": nside, "lmax": lmax, "seed": plan.seed, "stokes": plan.stokes, "modulated": modulated}
        template = template_map(name, **options)  # type: ignore[arg-type]
        own: dict[str, Any] = {key: indices[key] for key in OF_COMPONENT[name]}
        varied = [key for key in own if scatter.get(key)]
        for key in varied:
            own[key] = scattered_index(key, own[key], scatter[key], nside=nside, coarse=coarse, seed=plan.seed)
        mixing = columns(bands, [name], own, references)[0][..., 0]  # (bands,) or (cells, bands)
        if plan.beams.any() and not varied:  # one analysis is enough: the beam acts on the template
            alm = _alms(template, plan)
            for band in range(plan.bands):
                seen[band] += mixing[band] * _synthesis(alm, plan, band)
            continue
        for band in range(plan.bands):
            scaled = template * (mixing[:, band] if varied else mixing[band])
            seen[band] += _synthesis(_alms(scaled, plan), plan, band) if plan.beams.any() else scaled
    return seen


def _alms(values: NDArray, plan: Plan) -> NDArray[np.complex128]:
    """Return T, E, B of Stokes maps in RING order."""
    options: dict = {"nside": plan.nside, "lmax": plan.lmax, "iterations": 3}
    made = np.zeros((3, (plan.lmax + 1) * (plan.lmax + 2) // 2), dtype=complex)
    if "I" in plan.stokes:
        made[:1] = alm_from_map(values[:1], **options)
    if "Q" in plan.stokes:
        made[1:] = alm_from_map(values[-2:], **options)
    return made


def _synthesis(alm: NDArray, plan: Plan, band: int) -> NDArray[np.float64]:
    width = float(plan.beams[band if plan.beams.size > 1 else 0])
    ell = multipoles(plan.lmax)[0]
    smooth = alm * beam_factors(width, plan.lmax)[:, ell] if width else alm
    return stokes_maps(smooth, nside=plan.nside, lmax=plan.lmax, stokes=plan.stokes)


def _drawn(plan: Plan, realizations: int | None) -> Any:
    """Return the maps in NESTED order; with a number of realizations a Dask array, one a chunk."""
    if realizations is None:
        return _realization(plan, 0)
    if not isinstance(realizations, int | np.integer) or isinstance(realizations, bool) or realizations < 1:
        raise BadOption(f"realizations={realizations!r} is not a whole number from 1 on")
    import dask.array
    from dask import delayed

    shape = (plan.bands, len(plan.stokes), 12 * plan.nside**2)
    shared, draw = delayed(plan, pure=False), delayed(_realization, pure=False)
    parts = [dask.array.from_delayed(draw(shared, n), shape, float) for n in range(int(realizations))]
    return dask.array.stack(parts)


def _realization(plan: Plan, number: int) -> NDArray[np.float64]:
    """Return one realization, (bands, stokes, cells), NESTED."""
    made = np.zeros((plan.bands, len(plan.stokes), 12 * plan.nside**2))
    if plan.roots is not None:
        alm = gaussian_alms(plan.roots, generator(plan.seed, STREAMS["cmb"], number))
        if plan.beams.size > 1:
            for band in range(plan.bands):
                made[band] = _synthesis(alm, plan, band)
        else:
            made[:] = _synthesis(alm, plan, 0)
    if plan.foregrounds is not None:
        made += plan.foregrounds
    if plan.depths is not None:
        made += _noise(plan, generator(plan.seed, STREAMS["noise"], number))
    nested = np.empty_like(made)
    nested[..., ring_order(plan.nside)] = made
    return nested


def _noise(plan: Plan, random: np.random.Generator) -> NDArray[np.float64]:
    """Return noise (RING): white in the cells, and 1/f through harmonics; NaN where nothing looked."""
    assert plan.depths is not None
    made = random.standard_normal((plan.bands, len(plan.stokes), 12 * plan.nside**2)) * plan.depths[..., None]
    if plan.knees is not None:
        ell = np.maximum(np.arange(plan.lmax + 1), 1)
        for band, (knee, slope) in enumerate(plan.knees):
            level = {label: plan.depths[band, row] for row, label in enumerate(plan.stokes)}
            sigma = np.array([level.get("I", 0.0), level.get("Q", 0.0), level.get("U", 0.0)])
            power = (ell / knee) ** slope * np.pi / (3 * plan.nside**2)
            power[:KNEE_FROM] = 0
            roots = np.sqrt(power)[:, None, None] * np.diag(sigma)
            made[band] += stokes_maps(
                gaussian_alms(roots, random), nside=plan.nside, lmax=plan.lmax, stokes=plan.stokes
            )
    if plan.hits is not None:
        with np.errstate(divide="ignore"):
            made = np.where(plan.hits > 0, made / np.sqrt(plan.hits), np.nan)
    return made
