"""Simulated spectra: what a model, an instrument, an exposure and a background would give, with Poisson noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.model import check, derived, in_units
from analysis.xray.evaluation import photon_flux
from analysis.xray.exposures import exposure_of, model_rates, per_channel, same_channels
from analysis.xray.folding import folded
from analysis.xray.grouping import channel_energies, flags, is_whole
from analysis.xray.inputs import Amount, amount, as_dataset, datasets, number
from analysis.xray.instruments import instrument_of
from analysis.xray.models import Array, Model, about, model, refuse_unless_additive, state, told_parameters
from analysis.xray.problems import response_of

LARGEST = 500_000_000  # counts drawn at once, realizations × channels: 4 GB
MOST = 1e15  # counts in a channel: beyond, floats no longer tell one from the next
NOT_SIMULATED = "Simulated: pile-up, dead time, vignetting and systematic errors of the response are left out."
Background = str | xr.Dataset | xr.DataTree | xr.DataArray | None


@dataclass(frozen=True)
class Expected:
    """What is expected in each channel, and all that a spectrum says besides.

    ``source`` are counts of the source alone, ``behind`` those of the background in the source region, ``beside`` those
    in the background region (None without one); ``time`` and ``beside_time`` the exposures in s.
    """

    source_model: Model
    nodes: Mapping[str, xr.Dataset]
    whole: xr.Dataset
    source: Array
    behind: Array
    beside: Array | None
    time: float
    beside_time: float
    areascal: Array
    backscal: Array
    beside_backscal: Array
    beside_areascal: Array


def simulated_spectrum(
    source: Model | str,
    instrument: str | xr.DataTree,
    exposure: Amount,
    *,
    background: Background = "instrument",
    background_exposure: Amount | None = None,
    backscal: float | None = None,
    background_backscal: float | None = None,
    areascal: float | None = None,
    values: Mapping[str, float] | None = None,
    realizations: int | None = None,
    seed: int = 0,
) -> xr.DataTree:
    """Return a spectrum as an instrument would count it: Poisson counts of a model and of the background behind it.

    Parameters
    ----------
    source : Model or str
        ``"tbabs(nh=0.2) * powerlaw(photon_index=2, norm=1e-3)"``: see :func:`model`.
    instrument : str or xarray.DataTree
        A preset's name or what :func:`instrument` gives; or any tree with ``rmf`` and ``arf``, such as an observation
        that :func:`fetch` brings.
    exposure : float or value with units
        Of the source region; a bare number is in seconds.
    background : "instrument", None, spectrum, rate or text, optional
        "instrument": the tree's own node ``background``, if it has one. A spectrum: its rate in each channel is taken
        for what is expected, scaled by exposure, AREASCAL and BACKSCAL; where it counted nothing, nothing is expected,
        so that one of few counts is better grouped in fits. A DataArray of ct s-1 on ``channel``, or one value such as
        ``"1e-3 ct s-1 keV-1"``: expected in the source region. None: there is none.
    background_exposure : float or value with units, optional
        Of the background region; the same as the source's if left out.
    backscal, background_backscal : float, optional
        BACKSCAL of the two regions. Left out: the source's of the tree's ``spectrum`` or of the preset, the
        background's of its spectrum; of a rate, both 1.
    areascal : float, optional
        AREASCAL of the source spectrum: the part of the counts that is seen. Left out: that of the tree's
        ``spectrum``, channel by channel, else 1.
    values : mapping, optional
        Values of parameters in place of the model's.
    realizations : int, optional
        How many at once: counts then are on ``realization, channel``; ``tree.isel(realization=3)`` is one that
        :func:`fit` takes. The first is the same as that without this option.
    seed : int, optional
        Of numpy's generator: the same seed, the same counts.

    Returns
    -------
    xarray.DataTree
        ``spectrum`` (``counts``, ``expected_counts``, ``exposure``, ``backscal``, ``areascal`` on ``channel``),
        ``background`` where there is one, drawn too, and the responses: what :func:`fit` takes unchanged. attrs tell
        the model (``model``, ``model_state``), the seed, and ``synthetic``.

    Raises
    ------
    BadOption
        If the exposure is not positive, or the model makes no photons, or an option cannot be used.
    WrongData
        If response, area and background do not belong together, the model is negative, or the regions' sizes are not
        known.

    References
    ----------
    OGIP/92-007, Arnaud, George & Tennant (1992), *The OGIP Spectral File Format*; XSPEC's ``fakeit`` does the same.

    Examples
    --------
    >>> from analysis import xray
    >>> made = xray.simulated_spectrum("powerlaw(photon_index=2, norm=1e-3)", "newathena_wfi", "1 ks", seed=1)
    >>> int(made["spectrum"].counts.sum()), list(made.children)
    (17864, ['spectrum', 'rmf', 'arf'])
    >>> best = xray.fit(made, "powerlaw")
    >>> abs(float(best.value[0]) - 2) < 3 * float(best.error[0])
    True
    """
    many = _realizations(realizations)
    expected = expectation(
        source,
        instrument,
        exposure,
        background=background,
        background_exposure=background_exposure,
        backscal=backscal,
        background_backscal=background_backscal,
        areascal=areascal,
        values=values,
    )
    size = expected.source.size * (many or 1)
    if size > LARGEST:
        raise BadOption(
            f"realizations={many} of {expected.source.size} channels are {size:.3g} counts; ask for at most "
            f"{LARGEST // expected.source.size} at once"
        )
    if (most := float((expected.source + expected.behind).max(initial=0.0))) > MOST:
        raise BadOption(
            f"{most:.3g} counts are expected in one channel, more than can be drawn; look at norm and exposure="
        )
    first, second = generators(seed, 2)
    shape = (expected.source.size,) if many is None else (many, expected.source.size)
    counts = first.poisson(expected.source + expected.behind, size=shape)
    beside = None if expected.beside is None else second.poisson(expected.beside, size=shape)
    return _tree(expected, counts, beside, seed, str(getattr(instrument, "name", instrument) or "simulated"))


def expectation(
    source: Model | str,
    instrument: str | xr.DataTree,
    exposure: Amount,
    *,
    background: Background = "instrument",
    background_exposure: Amount | None = None,
    backscal: float | None = None,
    background_backscal: float | None = None,
    areascal: float | None = None,
    values: Mapping[str, float] | None = None,
) -> Expected:
    """Return what is expected before noise: see :func:`simulated_spectrum`."""
    made = model(source)
    made = made.with_values(values) if values else made
    refuse_unless_additive(made, "a simulation")
    time = seconds(exposure, "exposure")
    beside_time = time if background_exposure is None else seconds(background_exposure, "background_exposure")
    tree = instrument_of(instrument, "a simulation")
    whole = response_of(str(tree.name or "the instrument"), tree)
    rate = folded(photon_flux(made, whole), rmf=whole).values
    if not np.isfinite(rate).all() or rate.min() < -1e-9 * max(rate.max(), 0.0):
        raise WrongData(
            f"{made} gives a count rate that is negative or not finite; a source cannot: {told_parameters(made)}"
        )
    nodes = {part: as_dataset(tree.children[part], part) for part in ("rmf", "arf") if part in tree.children}
    n = rate.size
    seen = _own_areascal(tree, areascal, n)
    given = (
        tree.children.get("background") if isinstance(background, str) and background == "instrument" else background
    )
    if given is None:
        one = np.ones(n)
        own = np.full(n, 1.0 if backscal is None else _positive(backscal, "backscal"))
        return Expected(
            made,
            nodes,
            whole,
            np.maximum(rate, 0) * time * seen,
            np.zeros(n),
            None,
            time,
            beside_time,
            seen,
            own,
            one,
            one,
        )
    if isinstance(given, xr.Dataset | xr.DataTree):
        spectrum = as_dataset(given, "background")
        nodes["background"] = spectrum
        per_unit, sizes, areas = _of_spectrum(spectrum, whole)
        if background_backscal is not None:
            sizes = np.full(n, _positive(background_backscal, "background_backscal"))
        own = _own_backscal(tree, spectrum, backscal, n)
    else:
        own = np.full(n, 1.0 if backscal is None else _positive(backscal, "backscal"))
        sizes = (
            own if background_backscal is None else np.full(n, _positive(background_backscal, "background_backscal"))
        )
        areas = np.ones(n)
        per_unit = _of_rate(given, whole) / own
    return Expected(
        made,
        nodes,
        whole,
        np.maximum(rate, 0) * time * seen,
        per_unit * time * seen * own,
        per_unit * beside_time * areas * sizes,
        time,
        beside_time,
        seen,
        own,
        sizes,
        areas,
    )


def generators(seed: int, n: int) -> list[np.random.Generator]:
    """Return independent random generators of one seed.

    Raises
    ------
    BadOption
        If the seed is not a whole number of at least 0.
    """
    if not is_whole(seed, least=0):
        raise BadOption(f"seed={seed!r} must be a whole number, 0 or more")
    return [np.random.default_rng(child) for child in np.random.SeedSequence(int(seed)).spawn(n)]


def seconds(exposure: Amount, what: str) -> float:
    """Return an exposure in seconds.

    Raises
    ------
    BadOption
        If it is not positive.
    """
    found = amount(exposure, "s", what, bare=True)
    if found <= 0:
        raise BadOption(f"{what}={exposure!r} must be more than 0 s: nothing is counted in no time")
    return found


def _realizations(asked: int | None) -> int | None:
    if asked is None:
        return None
    if not is_whole(asked, least=1):
        raise BadOption(f"realizations={asked!r} must be a whole number of at least 1, or None for one spectrum")
    return int(asked)


def _positive(value: float, what: str) -> float:
    found = number(value, what)
    if found <= 0:
        raise BadOption(f"{what}={value!r} must be more than 0")
    return found


def _of_spectrum(spectrum: xr.Dataset, whole: xr.Dataset) -> tuple[Array, Array, Array]:
    """Rate of a background spectrum per second, AREASCAL and BACKSCAL, and the two."""
    same_channels(spectrum, whole)
    sizes, areas = (held_scale(spectrum, name) for name in ("backscal", "areascal"))
    if "counts" in spectrum.variables:
        rate = in_units(spectrum["counts"], "ct").values.astype(float) / exposure_of(spectrum, "the background")
    elif "rate" in spectrum.variables:
        rate = in_units(spectrum["rate"], "ct s-1").values.astype(float)
    else:
        raise WrongData(f"background needs counts or rate on 'channel'; it has {list(map(str, spectrum.data_vars))}")
    if rate.ndim != 1 or not (np.isfinite(rate).all() and (rate >= 0).all()):
        raise WrongData("background needs one rate ≥ 0 in each channel, none of them NaN")
    known = (sizes > 0) & (areas > 0)  # channels of bad quality may have none: nothing is expected there
    sizes, areas = np.where(known, sizes, 1.0), np.where(known, areas, 1.0)
    return np.where(known, rate / (sizes * areas), 0.0), sizes, areas


def _of_rate(given: Any, whole: xr.Dataset) -> Array:
    """A background's rate in the source region in each channel, from one a channel or one a keV."""
    if isinstance(given, xr.DataArray) and given.ndim:
        like = xr.Dataset(coords={"channel": whole["channel"]})
        return model_rates(like, given)
    flat = amount(given, "ct s-1 keV-1", "background")
    if flat < 0:
        raise BadOption(f"background={given!r} must not be negative")
    energies = channel_energies(whole)
    return flat * np.abs(energies["energy_high"].values - energies["energy_low"].values)


def held_scale(spectrum: xr.Dataset, name: str) -> Array:
    """Return BACKSCAL or AREASCAL in each channel, 0 where bad quality leaves none.

    Raises
    ------
    WrongData
        If a channel of good quality has none.
    """
    per_channel(spectrum, name, flags(spectrum, "quality") == 0)
    held = spectrum[name].values if name in spectrum.variables else spectrum.attrs.get(name, 1.0)
    values = np.broadcast_to(np.asarray(held, dtype=float), (spectrum.sizes["channel"],))
    return np.where(np.isfinite(values) & (values > 0), values, 0.0)


def _own_backscal(tree: xr.DataTree, background: xr.Dataset, backscal: float | None, n: int) -> Array:
    """BACKSCAL of the source region, where a background spectrum makes it matter."""
    if backscal is not None:
        return np.full(n, _positive(backscal, "backscal"))
    if "spectrum" in tree.children:
        return _of_observed(tree, "backscal", n)
    if "source_backscal" in background.attrs:
        return np.full(n, float(background.attrs["source_backscal"]))
    if "backscal" in background.variables or "backscal" in background.attrs:
        raise WrongData(
            "the background says its region's size (BACKSCAL), but not the source's: give backscal= in the same measure"
        )
    return np.ones(n)


def _own_areascal(tree: xr.DataTree, areascal: float | None, n: int) -> Array:
    if areascal is not None:
        return np.full(n, _positive(areascal, "areascal"))
    return _of_observed(tree, "areascal", n) if "spectrum" in tree.children else np.ones(n)


def _of_observed(tree: xr.DataTree, name: str, n: int) -> Array:
    """BACKSCAL or AREASCAL of the tree's spectrum; channels of bad quality without one get the largest."""
    held = held_scale(as_dataset(tree.children["spectrum"], "spectrum"), name)
    if held.size != n:
        raise WrongData(f"the node 'spectrum' has {held.size} channels, the response {n}; give {name}= yourself")
    return np.where(held > 0, held, held.max())


def _tree(expected: Expected, counts: Array, beside: Array | None, seed: int, name: str) -> xr.DataTree:
    """The simulated observation, each node labelled."""
    source, nodes = expected.source_model, expected.nodes
    rmf = nodes["rmf"]
    inputs = [*nodes.values()]
    kind = " (parametric response)" if rmf.attrs.get("responses") == "parametric" else ""
    who = " ".join(str(rmf.attrs[key]) for key in ("telescope", "instrument") if rmf.attrs.get(key)) or name
    told = {
        "model": str(source),
        "model_state": state(source),
        "seed": int(seed),
        "poisson_errors": "true",
        **{key: text for key, text in about(source).items() if key != "references"},
        **{key: rmf.attrs[key] for key in ("telescope", "instrument", "preset", "responses") if key in rmf.attrs},
    }
    title = f"Simulated {who}{kind}: {source}, {expected.time:g} s"
    step = f"xray.simulated_spectrum: {told_parameters(source)}; {expected.time:g} s, seed {seed}"
    paper = [text for text in [about(source).get("references")] if text]

    def finished(data: xr.Dataset, title: str) -> xr.Dataset:
        made = derived(data, rmf, title=title, step=step, references=paper, also=datasets(*inputs))
        caveats = "\n".join(text for text in (made.attrs.get("caveats"), NOT_SIMULATED) if text)
        return check(made.assign_attrs(told, caveats=caveats, synthetic="true"))

    spectrum = _spectrum(
        rmf, counts, expected.source + expected.behind, expected.time, expected.backscal, expected.areascal
    )
    made = {"spectrum": finished(spectrum, title)}
    if beside is not None and expected.beside is not None:
        behind = _spectrum(
            rmf, beside, expected.beside, expected.beside_time, expected.beside_backscal, expected.beside_areascal
        )
        made["background"] = finished(behind, f"Background of {title}")
    made |= {part: nodes[part] for part in ("rmf", "arf") if part in nodes}
    return xr.DataTree.from_dict(made, name=name.replace("[", "(").replace("]", ")"))


def _spectrum(
    rmf: xr.Dataset, counts: Array, expected: Array, time: float, backscal: Array, areascal: Array
) -> xr.Dataset:
    dims = ("realization", "channel")[-counts.ndim :]
    data = xr.Dataset(
        {
            "counts": (dims, counts, {"units": "ct", "long_name": "Counts, simulated"}),
            "expected_counts": ("channel", expected, {"units": "ct", "long_name": "Counts expected"}),
            "exposure": ((), time, {"units": "s", "long_name": "Exposure"}),
        },
        coords={"channel": rmf["channel"]},
    )
    for name, values, long_name in (
        ("backscal", backscal, "Size of the region (BACKSCAL)"),
        ("areascal", areascal, "Part of the area (AREASCAL)"),
    ):
        one = bool((values == values[0]).all())
        data[name] = ((), float(values[0])) if one else ("channel", values)
        data[name].attrs = {"units": "1", "long_name": long_name}
    if "realization" in dims:
        data = data.assign_coords(
            realization=("realization", np.arange(len(counts)), {"units": "1", "long_name": "Realization"})
        )
    if not data["channel"].attrs.get("long_name"):
        data["channel"].attrs = {"units": "1", "long_name": "Channel", **data["channel"].attrs}
    return data
