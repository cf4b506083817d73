"""Polarization from the photoelectron directions of single events, in bins of energy and phase."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Literal

import numpy as np
import xarray as xr

from analysis.errors import AnalysisWarning, BadOption, OutsideCoverage, WrongData
from analysis.model import check, derived, in_units
from analysis.xray.inputs import Amount, amount, as_dataset, datasets, events_and_gti, titled, variable
from analysis.xray.polarimetry import modulation_factor
from analysis.xray.polarization_sums import BALDINI, KISLAT, MULERI, Sums, less, variables_of
from analysis.xray.stokes_events import energies_of, energy_bins, energy_edges, refuse_other_energies, seconds_of, taken

Errors = Literal["exact", "pcube"]


def polarization_cube(
    events: xr.DataTree,
    edges: Sequence[Amount] = (2.0, 8.0),
    *,
    arf: xr.Dataset | xr.DataTree,
    mrf: xr.Dataset | xr.DataTree,
    rmf: xr.Dataset | xr.DataTree | None = None,
    weights: str | None = None,
    acceptance: bool = True,
    errors: Errors = "exact",
    background: xr.DataTree | None = None,
    background_scale: float | None = None,
    phases: int | None = None,
) -> xr.Dataset:
    r"""Return the polarization of events of one detector unit in bins of energy.

    With weights :math:`w`, modulation factors :math:`\mu` and areas :math:`A` at the energy of each event,

    .. math:: I = \sum \frac{w}{A}, \quad Q = \sum \frac{w\,q}{A\,\mu}, \quad U = \sum \frac{w\,u}{A\,\mu}, \quad
              \Pi = \frac{\sqrt{Q^2 + U^2}}{I}, \quad \psi = \tfrac12 \arctan\frac{U}{Q}

    Parameters
    ----------
    events : xarray.DataTree
        With the nodes ``events`` (``q`` and ``u``, twice cosine and sine of twice the position angle, as IXPE's
        level 2 has them; ``pi`` or ``energy``) and ``gti``. Events outside good time are left out.
    edges : sequence of numbers or values with units, optional
        Edges of the energy bins in keV, increasing: (2, 8) is one bin, (2, 4, 8) two; each holds [low, high).
    arf, mrf : xarray.Dataset
        Effective area, and area times modulation factor, of this detector unit and these weights.
    rmf : xarray.Dataset, optional
        Response whose channels give ``pi`` their energies. Left out, the events must have ``energy``.
    weights : str, optional
        Column of weights, ``"w_mom"`` of IXPE. Needs the responses made for weights.
    acceptance : bool, optional
        Divide by the area, so that the degree is the mean over the photons of the source, not over counts.
    errors : {"exact", "pcube"}, optional
        "exact" sums (w/μ)² over the events; "pcube" puts one mean μ for all, as ixpeobssim does: in a wide
        bin its errors and MDP are too small.
    background : xarray.DataTree, optional
        Events of a background region, of the same detector unit.
    background_scale : float, optional
        Area of the source region over that of the background region (ratio of BACKSCAL).
    phases : int, optional
        So many bins of the column ``phase`` (in turns) more, on the dim ``phase``.

    Returns
    -------
    xarray.Dataset
        On ``bin`` (or ``phase, bin``): ``degree``, ``angle`` (deg, North through East, 0 to 180), normalized
        ``q``, ``u``, each with ``_error``, ``qu_covariance``; ``mdp99``, ``p_value``, ``significance``;
        ``stokes_i``, ``stokes_q``, ``stokes_u`` with errors and covariances; ``counts``, ``effective_counts``
        (I²/ΣW²), mean ``modulation_factor`` and ``energy``. Empty bins are NaN.

    Raises
    ------
    WrongData
        If q and u are not those of single events, area or modulation factor is unknown at an energy, responses do
        not belong together, or the background leaves nothing.
    BadOption
        For edges that do not increase, unknown ``errors``, a background without its scale.
    OutsideCoverage
        If no event is left.
    UnknownVariable
        If a column is missing.

    Warns
    -----
    AnalysisWarning
        For events without q, u or weight, which are left out; for bins in which the background leaves nothing.

    Notes
    -----
    The recorded energy stands for the true one. Systematic errors of the modulation factor and of spurious
    modulation are not in the errors. The degree is biased upwards at low significance:
    :func:`polarization_intervals`.

    References
    ----------
    Kislat et al. (2015), Astroparticle Physics 68, 45, section 3 and appendix A; Muleri (2022), arXiv:2204.12739;
    Baldini et al. (2022), SoftwareX 19, 101194 (polarization cubes).

    Examples
    --------
    >>> from analysis import xray
    >>> ixpe = xray.fetch("ixpe_stokes")
    >>> flux = xray.power_law(ixpe["arf"].energy_low, ixpe["arf"].energy_high, photon_index=2, norm=1)
    >>> made = xray.polarized_events(flux, "10 ks", arf=ixpe["arf"], mrf=ixpe["mrf"], degree=0.1, angle="30 deg")
    >>> cube = xray.polarization_cube(made, (2, 4, 8), arf=ixpe["arf"], mrf=ixpe["mrf"])
    >>> bool((abs(cube.degree - 0.1) < 3 * cube.degree_error).all())
    True
    """
    if errors not in ("exact", "pcube"):
        raise BadOption(f"errors={errors!r} is unknown; 'exact' or 'pcube'")
    if (background is None) != (background_scale is None):
        raise BadOption("background= and background_scale=, the ratio of the two regions' areas, go together")
    ends = energy_edges(edges)
    n_phases = _whole(phases)
    curves = _curves(mrf, arf, acceptance)
    if rmf is not None:
        refuse_other_energies(rmf, arf, "polarization_cube")
    listed, gti = events_and_gti(events, "polarization_cube")
    sums, left_out = _summed(events, ends, curves, rmf, weights, errors, n_phases)
    if not sums.counts.any():
        raise OutsideCoverage(f"no event in good time lies in {ends[0]:g}-{ends[-1]:g} keV")
    step = f"xray.polarization_cube: {ends.size - 1} bins, {weights or 'unweighted'}, acceptance "
    step += f"{'corrected' if acceptance else 'not corrected'}, {errors} errors; {left_out}"
    inputs = datasets(gti, arf, mrf, rmf)
    if background is not None and background_scale is not None:
        scale = _scale_of(events, background, background_scale)
        behind, also_left = _summed(background, ends, curves, rmf, weights, errors, n_phases)
        sums = _net(sums, behind, scale)
        step += f"; background times {scale:.6g} taken off ({also_left})"
        inputs += events_and_gti(background, "polarization_cube: background")
    attrs: dict[str, object] = {"weights": weights or "none", "acceptance": str(acceptance).lower(), "errors": errors}
    attrs |= {"reference_angle": 0.0}
    dims = ("phase", "bin") if n_phases else ("bin",)
    made = xr.Dataset(
        variables_of(sums, "cm-2" if acceptance else "ct", dims), coords=_coords(ends, n_phases), attrs=attrs
    )
    title = titled("Polarization", listed)
    return check(derived(made, listed, title=title, step=step, references=[KISLAT, MULERI, BALDINI], also=inputs))


def _curves(
    mrf: xr.Dataset | xr.DataTree, arf: xr.Dataset | xr.DataTree, acceptance: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Energy, modulation factor, and the area to divide by (1 where acceptance is not corrected)."""
    factor = modulation_factor(mrf, arf)
    curve = variable(as_dataset(arf, "polarization_cube: arf"), "effective_area", "polarization_cube: arf")
    area = in_units(curve, "cm2").values.astype(float)
    return factor["energy"].values, factor.values, area if acceptance else np.ones_like(area)


def _summed(
    events: xr.DataTree,
    ends: np.ndarray,
    curves: tuple[np.ndarray, np.ndarray, np.ndarray],
    rmf: xr.Dataset | xr.DataTree | None,
    weights: str | None,
    errors: Errors,
    n_phases: int,
) -> tuple[Sums, str]:
    """Stokes parameters of an event list summed in bins, and what was left out."""
    what = "polarization_cube"
    chosen = taken(events, weights, what)
    energy = energies_of(chosen.events, rmf, what)
    row = energy_bins(energy, ends)
    shape: tuple[int, ...] = (ends.size - 1,)
    if n_phases:
        phase = np.floor(variable(chosen.events, "phase", f"{what} with phases").values.astype(float) % 1 * n_phases)
        if not np.isfinite(phase).all():
            raise WrongData("some events have no phase; leave them out before")
        row = np.where(row >= 0, np.minimum(phase, n_phases - 1).astype(np.int64) * shape[0] + row, -1)
        shape = (n_phases, *shape)
    used = row >= 0
    row, energy, w, q, u = (values[used] for values in (row, energy, chosen.w, chosen.q, chosen.u))
    mu, area = (np.interp(energy, curves[0], curve, left=np.nan, right=np.nan) for curve in curves[1:])
    if not ((mu > 0) & (area > 0)).all():
        unknown = energy[~((mu > 0) & (area > 0))]
        raise WrongData(
            f"area or modulation factor is unknown at the energies of {unknown.size} events "
            f"({unknown.min():.3g}-{unknown.max():.3g} keV); take edges within the responses"
        )
    w = w / area
    size = int(np.prod(shape))

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(row, values, minlength=size).reshape(shape)

    i, i_mu, w2 = total(w), total(w * mu), total(w**2)
    sum_q, sum_u = total(w * q / mu), total(w * u / mu)
    with np.errstate(divide="ignore", invalid="ignore"):
        # Kislat et al., eqs. A.9 and A.10, with the mean modulation factor; or its sum over events
        null = 2 * (total((w / mu) ** 2) if errors == "exact" else np.where(i > 0, w2 * (i / i_mu) ** 2, 0.0))
        along_q, along_u = (np.where(i > 0, w2 * part / i, 0.0) for part in (sum_q, sum_u))
    found = Sums(
        i=i,
        q=sum_q,
        u=sum_u,
        ii=w2,
        qq=null,
        uu=null,
        iq=along_q,
        iu=along_u,
        qu=np.zeros(shape),
        null=null,
        i_mu=i_mu,
        i_energy=total(w * energy),
        counts=total(np.ones_like(w)),
    )
    return found, chosen.left_out


def _net(source: Sums, background: Sums, scale: float) -> Sums:
    """A source's sums without its background; bins where it leaves nothing are told, and refused if none has more."""
    net = less(source, background, scale)
    if not (net.i > 0).any():
        raise WrongData(
            "the background, scaled, is as strong as the source in each bin: nothing is left to be polarized"
        )
    if lost := int(np.count_nonzero((source.i > 0) & (net.i <= 0))):
        words = f"polarization_cube: the background leaves nothing of the source in {lost} bins, which are NaN"
        warnings.warn(words, AnalysisWarning, stacklevel=3)
    return net


def _scale_of(events: xr.DataTree, background: xr.DataTree, ratio: float) -> float:
    """What a background's sums are multiplied with: the ratio of areas times that of exposures."""
    scale = amount(ratio, "1", "background_scale", bare=True)
    if scale <= 0:
        raise BadOption(f"background_scale={ratio!r} must be a positive number, source area over background area")
    seconds = seconds_of(events, background)
    return scale * seconds[0] / seconds[1]


def _whole(phases: int | None) -> int:
    if phases is None:
        return 0
    if isinstance(phases, bool) or not isinstance(phases, int | np.integer) or phases < 1:
        raise BadOption(f"phases={phases!r} must be a whole number of bins, at least 1")
    return int(phases)


def _coords(ends: np.ndarray, n_phases: int) -> dict[str, tuple[str, np.ndarray, dict[str, str]]]:
    kev, turn = {"units": "keV", "long_name": "Energy"}, {"units": "1", "long_name": "Phase"}
    found = {
        "energy_low": ("bin", ends[:-1], kev),
        "energy_high": ("bin", ends[1:], {**kev, "long_name": "Upper end of the energy bin"}),
    }
    if n_phases:
        turns = np.arange(n_phases + 1) / n_phases
        found["phase_low"] = ("phase", turns[:-1], turn)
        found["phase_high"] = ("phase", turns[1:], {**turn, "long_name": "Upper end of the phase bin"})
    return found
