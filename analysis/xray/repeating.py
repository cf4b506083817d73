"""Fits taken up again: the problem that a fit solved, posed anew from its attributes and the data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.model import near
from analysis.xray.models import Array, Model, restored
from analysis.xray.problems import Problem, posed, spectra_of

NEEDED = ("model_state", "own_values", "options", "statistic_value", "bins")
SAME = 1e-6  # how far, as a part of a statistic of 1 or more, the one evaluated again may be off


def problem_of(
    data: xr.DataTree | Mapping[str, xr.DataTree],
    best: xr.Dataset,
    *,
    components: Mapping[str, Model] | None = None,
) -> tuple[Problem, Array]:
    """Return the problem that a fit solved, its start at the fitted values, and those of the free parameters.

    Parameters
    ----------
    data : xarray.DataTree or mapping
        What was fitted.
    best : xarray.Dataset
        What :func:`analysis.xray.fit` gave.
    components : mapping, optional
        Components of the user's own that the model holds.

    Raises
    ------
    WrongData
        If ``best`` is no fit, or the data are not those that were fitted: other bins, counts or responses.
    """
    refuse_unless_fit(best)
    options = json.loads(best.attrs["options"])
    fitted, given = dict.fromkeys(best["spectrum"].values.tolist()), spectra_of(data)
    if len(fitted) != len(given) or (len(fitted) > 1 and set(fitted) != set(given)):
        raise WrongData(f"the fit was of the spectra {', '.join(fitted)}; the data hold {', '.join(given)}")
    source = restored(best.attrs["model_state"], components=components)
    posed_again = posed(
        data,
        source,
        statistic=options["statistic"],
        errors=options["errors"],
        grouping=options["grouping"],
        min_counts=options["min_counts"],
        band=None if options["band"] is None else tuple(options["band"]),
        per_spectrum=options["per_spectrum"],
    )
    known = posed_again.parameters
    named = [str(name) for name in best["parameter"].values]
    if named != list(known):
        raise WrongData(f"the fit has the parameters {named}, with these data it would have {list(known)}")
    values = dict(zip(named, best["value"].values.astype(float), strict=True))
    problem = replace(posed_again, parameters={name: replace(p, value=values[name]) for name, p in known.items()})
    _refuse_other_data(problem, best)
    return problem, problem.start


def refuse_unless_fit(best: xr.Dataset) -> None:
    """Refuse what :func:`analysis.xray.fit` did not make."""
    if not isinstance(best, xr.Dataset):
        raise WrongData(f"a fit is the Dataset that xray.fit gives, not a {type(best).__name__}")
    if missing := [name for name in NEEDED if name not in best.attrs]:
        raise WrongData(f"this Dataset is no fit that can be taken up again: it has no attrs {', '.join(missing)}")


def full_name(problem: Problem, name: str, *, free: bool = True) -> str:
    """Return the full name of a parameter of a fit, which may be that of one spectrum (``constant.factor[mos1]``).

    Raises
    ------
    BadOption
        If there is none, or the fit did not vary it.
    """
    if name in problem.parameters:
        full = name
    else:
        try:
            full = problem.source.name_of(name)
        except BadOption as error:
            shorter = [known.split(".", 1)[-1] for known in problem.parameters]
            raise BadOption(
                f"the fit has no parameter {name!r}{near(name, [*problem.parameters, *shorter])}; it has "
                f"{', '.join(problem.parameters)}"
            ) from error
        if full in problem.own:
            held = [n for n in problem.parameters if n.startswith(f"{full}[")]
            raise BadOption(f"each spectrum has its own {full}; say which: {', '.join(held)}")
    if free and full not in problem.free:
        raise BadOption(f"the fit did not vary {full}; it varied {', '.join(problem.free)}")
    return full


def pinned(problem: Problem, values: Mapping[str, float]) -> Problem:
    """Return the problem with some of its free parameters held at values."""
    held = {n: replace(p, value=float(values[n])) if n in values else p for n, p in problem.parameters.items()}
    return replace(problem, parameters=held, free=tuple(name for name in problem.free if name not in values))


def _refuse_other_data(problem: Problem, best: xr.Dataset) -> None:
    bins = sum(s.source.size for s in problem.spectra)
    if bins != int(best.attrs["bins"]):
        raise WrongData(f"these are not the data of the fit: it had {best.attrs['bins']} bins, these have {bins}")
    if "counts" in best.variables and "bin" in best.sizes:
        counts = np.concatenate([s.source for s in problem.spectra])
        if not np.allclose(counts, best["counts"].values, rtol=1e-9, atol=1e-9):
            raise WrongData("these are not the data of the fit: the counts in its bins differ")
    told, found = float(best.attrs["statistic_value"]), problem.statistic(problem.start)
    if not abs(found - told) <= SAME * max(1.0, abs(told)):
        raise WrongData(
            f"these are not the data of the fit: its statistic was {told:.10g}, with these data, response and model it "
            f"is {found:.10g}"
        )
