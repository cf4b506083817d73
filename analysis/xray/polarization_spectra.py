"""Stokes spectra: made of events, and polarization over energy from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.model import check, derived, in_units
from analysis.xray.exposures import per_channel, region_ratio, same_channels
from analysis.xray.grouping import channel_energies
from analysis.xray.inputs import Amount, amount, as_dataset, datasets, events_and_gti, node, titled, variable
from analysis.xray.polarimetry import modulation_factor
from analysis.xray.polarization_sums import BALDINI, KISLAT, Sums, less, variables_of
from analysis.xray.stokes_events import (
    channel_rows,
    energy_bins,
    energy_edges,
    refuse_other_energies,
    seconds_of,
    taken,
)

Scheme = Literal["neff", "simple"]


def stokes_spectra(
    events: xr.DataTree,
    *,
    arf: xr.Dataset | xr.DataTree,
    mrf: xr.Dataset | xr.DataTree,
    rmf: xr.Dataset | xr.DataTree,
    weights: str | None = None,
    scheme: Scheme = "neff",
    backscal: float | None = None,
) -> xr.DataTree:
    r"""Return the Stokes spectra I, Q, U of events, as rates in each channel beside their responses.

    Parameters
    ----------
    events : xarray.DataTree
        With the nodes ``events`` (``q``, ``u``, ``pi``) and ``gti``. Events outside good time or
        the response's channels are left out, and ``history`` says how many.
    arf, mrf, rmf : xarray.Dataset
        The responses of this detector unit and these weights; ``rmf`` gives the channels, and I is to be
        folded with ``arf``, Q and U with ``mrf``.
    weights : str, optional
        Column of weights, ``"w_mom"`` of IXPE.
    scheme : {"neff", "simple"}, optional
        With weights: "neff" scales each channel by Σw/Σw², so that I is the rate of effective counts; "simple"
        does not. The responses must be those of the scheme.
    backscal : float, optional
        Size of the region, kept as BACKSCAL. Left out, the area that :func:`in_region` or :func:`within` cut to, if
        the events were cut so; else there is none, which :func:`polarization_spectrum` takes as the same for both.

    Returns
    -------
    xarray.DataTree
        ``stokes_i``, ``stokes_q``, ``stokes_u`` (``rate`` and ``stat_error`` in ct s-1 on ``channel``,
        ``exposure``, ``backscal``, ``areascal``), ``arf``, ``mrf``, ``rmf``: what :func:`polarization` and
        :func:`polarization_spectrum` take. A channel without events has the rate and the error 0, so that sums
        of channels keep the right error.

    Raises
    ------
    WrongData, UnknownVariable
        As :func:`polarization_cube`.
    BadOption
        For an unknown scheme, or a ``backscal`` that is not positive.

    References
    ----------
    Kislat et al. (2015), Astroparticle Physics 68, 45; Baldini et al. (2022), SoftwareX 19, 101194; Di Marco et
    al. (2022), AJ 163, 170 (weights).

    Examples
    --------
    >>> from analysis import xray
    >>> ixpe = xray.fetch("ixpe_stokes")
    >>> irf = {name: ixpe[name] for name in ("arf", "mrf", "rmf")}
    >>> flux = xray.power_law(ixpe["arf"].energy_low, ixpe["arf"].energy_high, photon_index=2, norm=1)
    >>> made = xray.polarized_events(flux, "10 ks", **irf, degree=0.1, angle="30 deg")
    >>> sorted(xray.stokes_spectra(made, **irf).children)
    ['arf', 'mrf', 'rmf', 'stokes_i', 'stokes_q', 'stokes_u']
    """
    if scheme not in ("neff", "simple"):
        raise BadOption(f"scheme={scheme!r} is unknown; 'neff' or 'simple'")
    told = events_and_gti(events, "stokes_spectra")[0].attrs.get("region_area") if backscal is None else backscal
    size = None if told is None else amount(told, "1", "backscal", bare=True)
    if size is not None and size <= 0:
        raise BadOption(f"backscal={backscal!r} must be a positive number")
    held = {"arf": arf, "mrf": mrf, "rmf": rmf}
    modulation_factor(mrf, arf)  # refuses areas that do not belong together
    refuse_other_energies(rmf, arf, "stokes_spectra")
    channels = variable(as_dataset(rmf, "stokes_spectra: rmf"), "channel", "stokes_spectra: rmf").values
    listed, gti = events_and_gti(events, "stokes_spectra")
    chosen = taken(events, weights, "stokes_spectra")
    seconds = seconds_of(events)[0]
    row = channel_rows(chosen.events, channels, "stokes_spectra")
    outside = int(np.count_nonzero(row < 0))
    row, w, q, u = (values[row >= 0] for values in (row, chosen.w, chosen.q, chosen.u))

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(row, values, minlength=channels.size)

    sum_w, sum_w2 = total(w), total(w**2)
    effective = np.divide(sum_w, sum_w2, out=np.zeros_like(sum_w), where=sum_w2 > 0)
    factor = (effective if weights and scheme == "neff" else np.ones_like(sum_w)) / seconds
    how = f"{weights}, {scheme}" if weights else "unweighted"
    step = f"xray.stokes_spectra: {how}; {chosen.left_out}, {outside} outside the response's channels"
    nodes = {name: as_dataset(data, f"stokes_spectra: {name}") for name, data in held.items()}
    for name, values in (("i", np.ones_like(w)), ("q", q), ("u", u)):
        made = _rates(factor * total(w * values), factor * np.sqrt(total((w * values) ** 2)), name.upper(), channels)
        made = made.assign(
            exposure=((), seconds, {"units": "s", "long_name": "Exposure"}),
            areascal=((), 1.0, {"units": "1", "long_name": "Scale of the area"}),
        ).assign_attrs(stokes=name.upper(), weights=how, channel_type="PI")
        if size is not None:
            made["backscal"] = ((), size, {"units": "1", "long_name": "Size of the region"})
        title = titled(f"Stokes {name.upper()} spectrum", listed)
        made = derived(made, listed, title=title, step=step, references=[KISLAT, BALDINI], also=[gti])
        nodes[f"stokes_{name}"] = check(made)
    return xr.DataTree.from_dict(nodes)


def polarization_spectrum(
    stokes: xr.DataTree,
    edges: Sequence[Amount] = (2.0, 8.0),
    *,
    background: xr.DataTree | None = None,
) -> xr.Dataset:
    r"""Return the polarization over energy from the Stokes spectra of one detector unit, background taken off.

    In each bin Q and U are sums of :math:`Q_c / \mu_c` over the channels, I that of :math:`I_c`, as in
    :func:`polarization`; the errors hold the covariance of Q and U with I too.

    Parameters
    ----------
    stokes : xarray.DataTree
        With the nodes ``stokes_i``, ``stokes_q``, ``stokes_u`` (rates on ``channel``), ``arf``, ``mrf``, ``rmf``.
    edges : sequence of numbers or values with units, optional
        Edges of the energy bins in keV, increasing. A channel belongs to the bin that holds its middle; those
        that QUALITY excludes in any of the three are left out, and ``history`` says how many.
    background : xarray.DataTree, optional
        Stokes spectra of a background region on the same channels; scaled by AREASCAL and BACKSCAL.

    Returns
    -------
    xarray.Dataset
        On ``bin``, as :func:`polarization_cube` gives it, without ``counts``; Stokes parameters are rates in
        ct s-1.

    Raises
    ------
    WrongData
        If a node is missing, channels differ, or a channel of a bin has no modulation factor, rate or error.
    BadOption
        For edges that do not increase, or a bin without any good channel.

    Notes
    -----
    The energy at which a photon is recorded stands for its true one: a quick look, no fit.

    References
    ----------
    Kislat et al. (2015), Astroparticle Physics 68, 45, appendix A.

    Examples
    --------
    >>> from analysis import xray
    >>> found = xray.polarization_spectrum(xray.fetch("ixpe_stokes"), (2, 4, 8))
    >>> [f"{p:.1%} at {a:.0f} deg" for p, a in zip(found.degree.values, found.angle.values)]
    ['3.6% at 4 deg', '3.9% at 1 deg']
    """
    what = "polarization_spectrum"
    ends = energy_edges(edges)
    spectra = {name: node(stokes, f"stokes_{name}", what) for name in "iqu"}
    behind = {} if background is None else {name: node(background, f"stokes_{name}", what) for name in "iqu"}
    energies = channel_energies(node(stokes, "rmf", what))
    for spectrum in (*spectra.values(), *behind.values()):
        same_channels(spectrum, energies)
    row = energy_bins(energies["energy"].values, ends)
    bad = np.zeros(row.shape, dtype=bool)
    for spectrum in (*spectra.values(), *behind.values()):
        if "quality" in spectrum.variables:
            bad |= spectrum["quality"].values != 0
    left_out = int(np.count_nonzero(bad & (row >= 0)))
    used = (row >= 0) & ~bad
    if empty := np.setdiff1d(np.arange(ends.size - 1), row[used]).tolist():
        named = ", ".join(f"{ends[k]:g}-{ends[k + 1]:g} keV" for k in empty)
        raise BadOption(f"no good channel lies in {named}: a channel counts where its middle is; take wider bins")
    factor = modulation_factor(node(stokes, "mrf", what), node(stokes, "arf", what))
    energy = energies["energy"].values[used]
    mu = np.interp(energy, factor["energy"].values, factor.values, left=np.nan, right=np.nan)
    if not (mu > 0).all():
        raise WrongData(f"the modulation factor is unknown in part of {ends[0]:g}-{ends[-1]:g} keV")
    sums = _binned(spectra, row[used], used, mu, energy)
    step = f"xray.polarization_spectrum: {ends.size - 1} bins, {int(used.sum())} channels; "
    step += f"{left_out} channels that QUALITY excludes left out"
    if behind:
        ratio = region_ratio(spectra["i"], behind["i"], used)
        sums = less(sums, _binned(behind, row[used], used, mu, energy, scale=ratio[used]), 1.0)
        step += "; background taken off, scaled by BACKSCAL"
    kev = {"units": "keV", "long_name": "Energy"}
    made = xr.Dataset(
        variables_of(sums, "ct s-1", ("bin",)),
        coords={
            "energy_low": ("bin", ends[:-1], kev),
            "energy_high": ("bin", ends[1:], {**kev, "long_name": "Upper end of the energy bin"}),
        },
        attrs={"weights": "as the spectra", "acceptance": "false", "errors": "exact", "reference_angle": 0.0},
    )
    also = [*spectra.values(), *behind.values(), *datasets(*(node(stokes, n, what) for n in ("arf", "mrf", "rmf")))]
    title = titled("Polarization", spectra["i"])
    return check(derived(made, spectra["i"], title=title, step=step, references=[KISLAT], also=also))


def _binned(
    spectra: dict[str, xr.Dataset],
    row: np.ndarray,
    used: np.ndarray,
    mu: np.ndarray,
    energy: np.ndarray,
    *,
    scale: np.ndarray | float = 1.0,
) -> Sums:
    """Stokes spectra summed in bins; the covariance of I with Q and U is that of Poisson events."""
    rates: dict[str, np.ndarray] = {}
    errors: dict[str, np.ndarray] = {}
    for name, spectrum in spectra.items():
        area = per_channel(spectrum, "areascal", used)[used]
        for found, key in ((rates, "rate"), (errors, "stat_error")):
            values = in_units(variable(spectrum, key, "polarization_spectrum"), "ct s-1").values[used].astype(float)
            if not np.isfinite(values).all():
                channels = spectrum["channel"].values[used][~np.isfinite(values)]
                raise WrongData(
                    f"stokes_{name} has no {key} in {channels.size} channels of the bins (the first is {channels[0]}); "
                    "set their QUALITY, or take bins without them"
                )
            found[name] = values * scale / area

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(row, values)

    i, q, u = total(rates["i"]), total(rates["q"] / mu), total(rates["u"] / mu)
    ii, qq, uu = total(errors["i"] ** 2), total((errors["q"] / mu) ** 2), total((errors["u"] / mu) ** 2)
    along = np.divide(ii, i, out=np.zeros_like(i), where=i != 0)
    return Sums(
        i=i,
        q=q,
        u=u,
        ii=ii,
        qq=qq,
        uu=uu,
        iq=along * q,
        iu=along * u,
        qu=np.zeros_like(i),
        null=(qq + uu) / 2,
        i_mu=total(rates["i"] * mu),
        i_energy=total(rates["i"] * energy),
        counts=np.full(i.shape, np.nan),
    )


def _rates(rate: np.ndarray, error: np.ndarray, stokes: str, channels: np.ndarray) -> xr.Dataset:
    return xr.Dataset(
        {
            "rate": ("channel", rate, {"units": "ct s-1", "long_name": f"Rate of Stokes {stokes}"}),
            "stat_error": ("channel", error, {"units": "ct s-1", "long_name": f"1σ error of Stokes {stokes}"}),
        },
        coords={"channel": ("channel", channels, {"units": "1", "long_name": "Channel"})},
    )
