"""Numbers made of a model's parameters, with errors from the covariance of a fit or from draws."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from analysis.download.progress import counted
from analysis.errors import BadOption, WrongData
from analysis.xray.models import Array, Model, model, refuse_unless_additive, restored
from analysis.xray.repeating import refuse_unless_fit

HALF = 0.682689492137086  # probability within 1 σ


@dataclass(frozen=True)
class Taken:
    """A model with what is known of its parameters: values, free ones by name, and draws of those, one row each."""

    source: Model
    values: dict[str, float]
    free: tuple[str, ...]
    covariance: Array
    draws: Array
    origin: xr.Dataset | None


def taken_from(
    source: Model | str | xr.Dataset,
    posterior: xr.Dataset | None,
    draws: int,
    seed: int,
    components: Mapping[str, Model] | None,
) -> Taken:
    if isinstance(draws, bool) or not isinstance(draws, int | np.integer) or draws < 0:
        raise BadOption(f"draws={draws!r} must be a whole number, 0 or more")
    if not isinstance(source, xr.Dataset):
        if posterior is not None:
            raise BadOption("posterior= goes with the fit it was drawn for, in place of a model")
        made = model(source, components=components)
        refuse_unless_additive(made, "flux")
        return Taken(made, made.values, (), np.zeros((0, 0)), np.zeros((0, 0)), None)
    refuse_unless_fit(source)
    made = restored(source.attrs["model_state"], components=components)
    values = made.values
    own = list(json.loads(source.attrs["own_values"]))
    first = own[0].rsplit("[", 1)[1] if own else ""
    chosen = {}
    for name in map(str, source["parameter"].values[source["varied"].values]):
        if not name.endswith("]"):
            chosen[name] = name
        elif name.endswith(f"[{first}"):
            chosen[name] = name.rsplit("[", 1)[0]
    covariance = source["covariance"].sel(parameter=list(chosen), parameter_2=list(chosen)).values
    free = tuple(chosen.values())
    if posterior is not None:
        rows = _posterior_rows(source, posterior, list(chosen), int(draws) or 1000, seed)
    else:
        rows = _gaussian_rows(made, free, values, covariance, int(draws), seed)
    return Taken(made, values, free, covariance, rows, source)


def _posterior_rows(best: xr.Dataset, posterior: xr.Dataset, names: list[str], draws: int, seed: int) -> Array:
    if not isinstance(posterior, xr.Dataset) or posterior.attrs.get("model") != best.attrs["model"]:
        raise WrongData(f"the posterior is not that of the fit of {best.attrs['model']}")
    if missing := [name for name in names if name not in posterior["parameter"].values]:
        raise WrongData(f"the posterior has no {', '.join(missing)}")
    held = posterior["sample"].sel(parameter=names).transpose("chain", "draw", "parameter").values
    rows = held.reshape(-1, len(names))
    pick = np.random.default_rng(seed).choice(len(rows), size=min(draws, len(rows)), replace=False)
    return rows[np.sort(pick)]


def _gaussian_rows(
    source: Model, free: tuple[str, ...], values: Mapping[str, float], covariance: Array, draws: int, seed: int
) -> Array:
    """Draws from the covariance within bounds; parameters without an error stay at their values."""
    mean = np.array([values[name] for name in free])
    known = np.isfinite(np.diag(covariance))
    if not draws or not known.any():
        return np.zeros((0, len(free)))
    part = covariance[np.ix_(known, known)]
    size = np.sqrt(np.diag(part))
    # the parameters' sizes differ by orders of magnitude
    scaled = part / np.outer(size, size)
    values_, axes = np.linalg.eigh(scaled)
    root = axes * np.sqrt(np.maximum(values_, 0))
    low = np.array([source.parameters[name].low for name in free])
    high = np.array([source.parameters[name].high for name in free])
    random, kept = np.random.default_rng(seed), np.zeros((0, len(free)))
    for _ in range(100):
        rows = np.tile(mean, (draws, 1))
        rows[:, known] += random.standard_normal((draws, int(known.sum()))) @ root.T * size
        kept = np.vstack([kept, rows[((rows >= low) & (rows <= high)).all(axis=1)]])
        if len(kept) >= draws:
            return kept[:draws]
    raise WrongData("hardly any draw of the covariance lies within the bounds; use a posterior, or draws=0")


def propagated(taken: Taken, of: Callable[[Mapping[str, float]], Array]) -> tuple[Array, Array | None, Array]:
    """Values, their 1σ errors by differences and the covariance (None without a fit), and their draws."""
    best = of(taken.values)
    if not np.isfinite(best).all():
        raise WrongData(f"{taken.source} has no finite flux in this band at its values")
    if taken.origin is None:
        return best, None, np.zeros((0, best.size))
    slopes = np.zeros((best.size, len(taken.free)))
    sigma = np.sqrt(np.where(np.diag(taken.covariance) >= 0, np.diag(taken.covariance), np.nan))
    known = np.isfinite(sigma)
    for k in np.flatnonzero(known):
        name = taken.free[k]
        held = taken.source.parameters[name]
        ends = [np.clip(taken.values[name] + sign * 1e-3 * sigma[k], held.low, held.high) for sign in (-1, 1)]
        rise = of(_followed(taken, {name: ends[1]})) - of(_followed(taken, {name: ends[0]}))
        slopes[:, k] = rise / (ends[1] - ends[0])
    part = slopes[:, known]
    variance = np.einsum("ik,kl,il->i", part, taken.covariance[np.ix_(known, known)], part)
    error = np.sqrt(variance) if known.any() else np.full(best.size, np.nan)
    rows = np.empty((len(taken.draws), best.size))
    with counted(len(rows), "draws of the flux") as bar:
        for i, row in enumerate(taken.draws):
            rows[i] = of(_followed(taken, dict(zip(taken.free, map(float, row), strict=True))))
            bar.update()
    return best, error, rows


def _followed(taken: Taken, changes: Mapping[str, float]) -> dict[str, float]:
    """All values after some have changed, ties followed."""
    values = {**taken.values, **changes}
    return {name: values[p.tied or name] for name, p in taken.source.parameters.items()}


def described_number(
    taken: Taken, name: str, long_name: str, units: str, i: int, spread: tuple[Array, Array | None, Array]
) -> tuple[dict[str, tuple], dict[str, tuple]]:
    best, error, rows = spread
    made: dict[str, tuple] = {name: ((), float(best[i]), {"units": units, "long_name": long_name})}
    if error is None:
        return made, {}
    made[f"{name}_error"] = ((), float(error[i]), {"units": units, "long_name": f"{long_name}, 1σ error"})
    if not len(rows):
        return made, {}
    ends = np.quantile(rows[:, i], [(1 - HALF) / 2, (1 + HALF) / 2])
    for end, value in zip(("lower", "upper"), ends, strict=True):
        text = f"{long_name}, {end} end of the central 68.27 % of the draws"
        made[f"{name}_{end}"] = ((), float(value), {"units": units, "long_name": text})
    return made, {f"{name}_draws": ("draw", rows[:, i], {"units": units, "long_name": f"{long_name}, draws"})}
