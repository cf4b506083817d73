"""Events that a polarimeter would record of a source of known polarization."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.model import check, in_units, stamp
from analysis.xray.folding import FLUX, response
from analysis.xray.inputs import Amount, amount, as_dataset, variable
from analysis.xray.polarimetry import modulation_factor
from analysis.xray.polarization_sums import KISLAT

MOST = 50_000_000  # events; more would not fit into a laptop's memory
EPOCH = {"mjdref": 57754.0, "mjdref_int": 57754, "mjdref_frac": 0.0, "timesys": "TT"}  # 2017-01-01 TT


def polarized_events(
    photon_flux: xr.DataArray,
    exposure: Amount,
    *,
    arf: xr.Dataset | xr.DataTree,
    mrf: xr.Dataset | xr.DataTree,
    rmf: xr.Dataset | xr.DataTree | None = None,
    degree: float | xr.DataArray = 0.0,
    angle: Amount | xr.DataArray = "0 deg",
    seed: int = 0,
) -> xr.DataTree:
    r"""Return simulated events of one detector unit from a source of known polarization: synthetic data.

    Counts of each energy bin are Poisson numbers of flux × area × exposure; the photoelectron of each leaves at
    a position angle :math:`\varphi` drawn from :math:`1 + \mu(E)\,\Pi(E) \cos 2(\varphi - \psi(E))`.

    Parameters
    ----------
    photon_flux : xarray.DataArray
        Photons in each energy bin of the responses, ``ph cm-2 s-1``: see :func:`power_law`.
    exposure : value with units
        Live time; times are spread evenly over it.
    arf, mrf : xarray.Dataset
        Effective area, and area times modulation factor.
    rmf : xarray.Dataset, optional
        Spreads the photons over channels ``pi``. Left out, energies are recorded exactly, and there is no ``pi``.
    degree : float or xarray.DataArray, optional
        Polarization degree, 0 to 1; one number or one for each energy bin.
    angle : value with units, or xarray.DataArray, optional
        Polarization angle from North through East; one or one for each energy bin.
    seed : int, optional
        Of the random numbers: the same seed gives the same events.

    Returns
    -------
    xarray.DataTree
        ``events`` (``time``, ``energy``, with ``rmf`` ``pi``; ``q`` = 2 cos 2φ, ``u`` = 2 sin 2φ) in order of time,
        and ``gti``; attr ``synthetic``. ``energy`` is that of the photon, drawn evenly within its bin.

    Raises
    ------
    WrongData
        If flux, arf, mrf or rmf are on different energy bins, or the flux is negative.
    BadOption
        If a degree is not within 0 to 1, the exposure is not positive, the seed no number, or the events would be
        too many.

    Notes
    -----
    Left out: dead time, background, positions, weights, spurious modulation, and pile-up.

    References
    ----------
    Kislat et al. (2015), Astroparticle Physics 68, 45, eq. 1.

    Examples
    --------
    >>> from analysis import xray
    >>> ixpe = xray.fetch("ixpe_stokes")
    >>> flux = xray.power_law(ixpe["arf"].energy_low, ixpe["arf"].energy_high, photon_index=2, norm=0.1)
    >>> made = xray.polarized_events(flux, "10 ks", arf=ixpe["arf"], mrf=ixpe["mrf"], degree=0.5)
    >>> made["events"].attrs["synthetic"], bool(abs((made["events"].q**2 + made["events"].u**2).mean() - 4) < 1e-9)
    ('true', True)
    """
    what = "polarized_events"
    curve = as_dataset(arf, f"{what}: arf")
    factor = modulation_factor(mrf, arf)
    low, high, area = (
        in_units(variable(curve, name, what), units).values.astype(float)
        for name, units in (("energy_low", "keV"), ("energy_high", "keV"), ("effective_area", "cm2"))
    )
    seconds = amount(exposure, "s", "exposure")
    if seconds <= 0:
        raise BadOption(f"exposure={exposure!r} must be longer than 0 s")
    flux = _flux_on(photon_flux, low, high)
    p, psi = _on_bins(degree, "1", "degree", low), _on_bins(angle, "deg", "angle", low)
    if not ((p >= 0) & (p <= 1)).all():
        raise BadOption(f"degree={degree!s:.60} must lie within 0 and 1; 4 % is 0.04")
    expected = flux * area * seconds
    if expected.sum() > MOST:
        raise BadOption(
            f"about {expected.sum():.3g} events are more than {MOST:.0e}; take a shorter exposure or less flux"
        )
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise BadOption(f"seed={seed!r} must be a whole number of at least 0")
    rng = np.random.default_rng(seed)
    row = np.repeat(np.arange(low.size), rng.poisson(expected))
    rng.shuffle(row)
    n = row.size
    modulation = np.nan_to_num(factor.values[row]) * p[row]
    # of a direction drawn evenly and the one across it, the modulation makes one the more probable
    phi = rng.uniform(0, np.pi, n)
    excess = modulation * np.cos(2 * (phi - np.radians(psi[row])))
    phi = np.where(rng.random(n) < (1 + excess) / 2, phi, phi + np.pi / 2)
    columns = {
        "time": (np.sort(rng.uniform(0, seconds, n)), "s", "Time since mjdref"),
        "energy": (rng.uniform(low[row], high[row]), "keV", "Photon energy"),
        "q": (2 * np.cos(2 * phi), "1", "Stokes q of the event"),
        "u": (2 * np.sin(2 * phi), "1", "Stokes u of the event"),
    }
    if rmf is not None:
        channel, recorded = _channels(rmf, row, rng, low)
        columns = {name: (values[recorded], *rest) for name, (values, *rest) in columns.items()}
        columns["pi"] = (channel[recorded], "chan", "Pulse-invariant channel")
    variables = {n: ("event", v, {"units": unit, "long_name": words}) for n, (v, unit, words) in columns.items()}
    seconds_attrs = {"units": "s", "long_name": "Time since mjdref"}
    interval = {"start": ("interval", [0.0], seconds_attrs), "stop": ("interval", [seconds], seconds_attrs)}
    told = {**EPOCH, "synthetic": "true", "telescope": str(curve.attrs.get("telescope", "not stated"))}
    events = xr.Dataset(variables, attrs={**told, "exposure": seconds, "livetime": seconds})
    made = {"events": events, "gti": xr.Dataset(interval, attrs=told)}
    return xr.DataTree.from_dict({name: _stamped(data, curve, seed) for name, data in made.items()})


def _stamped(data: xr.Dataset, arf: xr.Dataset, seed: int) -> xr.Dataset:
    made = stamp(
        data,
        title="Simulated events of a polarized source",
        institution=str(arf.attrs.get("institution", "not stated")),
        source=f"simulation, responses of {arf.attrs.get('source', 'an instrument that is not stated')}",
        references=[KISLAT, *str(arf.attrs.get("references", "")).splitlines()],
        license=str(arf.attrs.get("license", "not stated")),
        history=[f"xray.polarized_events(seed={seed})"],
        provenance={"query": {"function": "xray.polarized_events", "seed": seed}},
    )
    return check(made)


def _flux_on(flux: xr.DataArray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    if not isinstance(flux, xr.DataArray):
        raise WrongData(f"polarized_events needs a flux as an xarray DataArray, not a {type(flux).__name__}")
    values = in_units(flux, FLUX).values.astype(float)
    if flux.dims != ("energy",) or values.shape != low.shape:
        raise WrongData(f"the flux has dims {dict(flux.sizes)}; the responses have {low.size} bins on 'energy'")
    for name, ends in (("energy_low", low), ("energy_high", high)):
        if name in flux.coords and not np.allclose(flux[name].values, ends, rtol=1e-5, atol=1e-6):
            raise WrongData(f"the flux was made on other energy bins than the responses' ({name} differs)")
    if not ((values >= 0) & np.isfinite(values)).all():
        raise WrongData("the flux must be a number ≥ 0 in every bin; it is negative or NaN in some")
    return values


def _on_bins(value: Amount | xr.DataArray, units: str, what: str, low: np.ndarray) -> np.ndarray:
    """One value for all bins of energy, or one for each."""
    if isinstance(value, xr.DataArray) and value.ndim:
        values = in_units(value, units).values.astype(float)
        if values.shape != low.shape or not np.isfinite(values).all():
            raise WrongData(f"{what} has shape {values.shape}; the responses have {low.size} bins, each with a number")
        return values
    return np.full(low.shape, amount(value, units, what, bare=units == "1"))


def _channels(
    rmf: xr.Dataset | xr.DataTree, row: np.ndarray, rng: np.random.Generator, low: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Channels drawn from the redistribution, and which events fall in any: its rows may sum to less than 1."""
    whole = response(as_dataset(rmf, "polarized_events: rmf"))
    if whole.sizes["energy"] != low.size or not np.allclose(whole["energy_high"].values[:-1], low[1:], rtol=1e-5):
        raise WrongData("the energy bins of rmf and arf differ; take the responses that belong together")
    first = whole["first_element"].values
    # one cumulative sum over all energy bins: an event's number is its bin's start plus a part of 1
    through = np.concatenate(([0.0], np.cumsum(whole["matrix"].values)))
    starts = through[first]
    totals = np.append(starts[1:], through[-1]) - starts
    wanted = starts[row] + rng.random(row.size)
    recorded = wanted < starts[row] + np.minimum(totals[row], 1.0)
    element = np.clip(np.searchsorted(through, wanted, side="right") - 1, 0, whole.sizes["element"] - 1)
    channel = whole["channel_index"].values[element] + int(whole["channel"].values[0])
    return channel.astype(np.int64), recorded
