"""A fit before it is done: spectra made ready, the model on the bins of each response, and the vector of parameters.

Several spectra share the model's parameters; those named in ``per_spectrum`` each spectrum has for itself, called
``constant.factor[mos1]``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.xray.evaluation import Evaluator
from analysis.xray.folding import response
from analysis.xray.grouping import Grouping
from analysis.xray.inputs import Amount, as_dataset
from analysis.xray.likelihoods import Prepared, Statistic, Variance, prepared, slopes_and_weights, terms, value
from analysis.xray.models import Array, Model, Parameter, labels

SPECTRUM = "spectrum"  # what a single spectrum is called


@dataclass(frozen=True)
class Problem:
    """What a fit needs: see :func:`posed`. Vectors hold the free parameters in the order of ``free``."""

    source: Model
    spectra: tuple[Prepared, ...]
    evaluators: tuple[Evaluator, ...]
    parameters: dict[str, Parameter]
    free: tuple[str, ...]
    own: tuple[str, ...]

    @property
    def start(self) -> Array:
        """The free parameters' values."""
        return np.array([self.parameters[name].value for name in self.free])

    @property
    def low(self) -> Array:
        """Their lower bounds."""
        return np.array([self.parameters[name].low for name in self.free])

    @property
    def high(self) -> Array:
        """Their upper bounds."""
        return np.array([self.parameters[name].high for name in self.free])

    def values(self, vector: Array) -> dict[str, float]:
        """Return all parameters by name; ties are followed."""
        values = {name: p.value for name, p in self.parameters.items()}
        values |= dict(zip(self.free, map(float, vector), strict=True))
        return {name: values[p.tied] if p.tied else values[name] for name, p in self.parameters.items()}

    def of(self, spectrum: str, values: Mapping[str, float]) -> dict[str, float]:
        """Return the model's parameters for one spectrum."""
        names = self.source.parameters
        return {name: values[f"{name}[{spectrum}]" if name in self.own else name] for name in names}

    def expected(self, vector: Array) -> list[Array]:
        """Return the source counts expected in the bins of each spectrum."""
        values = self.values(vector)
        return [
            spectrum.folder.fold(evaluator.flux(self.of(spectrum.name, values)))
            for spectrum, evaluator in zip(self.spectra, self.evaluators, strict=True)
        ]

    def statistic(self, vector: Array) -> float:
        """Return the sum of the statistics of all spectra; infinite where the model is no finite number."""
        total = sum(value(s, counts) for s, counts in zip(self.spectra, self.expected(vector), strict=True))
        return float(total) if np.isfinite(total) else np.inf

    def statistics(self, rows: Array) -> Array:
        """Return the statistic of several vectors, one a row: faster than one after the other."""
        total = np.zeros(len(rows))
        known = [self.values(row) for row in rows]
        for spectrum, evaluator in zip(self.spectra, self.evaluators, strict=True):
            fluxes = [evaluator.flux(self.of(spectrum.name, values)) for values in known]
            if fluxes:
                total += terms(spectrum, spectrum.folder.fold_many(np.array(fluxes))).sum(axis=1)
        return np.where(np.isfinite(total), total, np.inf)

    def derivatives(self, vector: Array) -> tuple[float, Array, Array]:
        """Return the statistic, its gradient, and its expected (Fisher) curvature."""
        values, n = self.values(vector), len(self.free)
        total, gradient, curvature = 0.0, np.zeros(n), np.zeros((n, n))
        for spectrum, evaluator in zip(self.spectra, self.evaluators, strict=True):
            at, names = self._own_free(spectrum.name)
            flux, rows = evaluator.flux_and_slopes(self.of(spectrum.name, values), names)
            counts, *slopes_ = spectrum.folder.fold_many(np.vstack([flux, rows]))
            slopes = np.array(slopes_).reshape(len(names), counts.size)
            first, weight = slopes_and_weights(spectrum, counts)
            total += value(spectrum, counts)
            gradient[at] += slopes @ first
            curvature[np.ix_(at, at)] += (slopes * weight) @ slopes.T
        return total, gradient, curvature

    def _own_free(self, spectrum: str) -> tuple[list[int], list[str]]:
        """Which free parameters this spectrum knows, and what the model calls them."""
        ending = f"[{spectrum}]"
        pairs = [
            (i, name.removesuffix(ending))
            for i, name in enumerate(self.free)
            if not name.endswith("]") or name.endswith(ending)
        ]
        return [i for i, _ in pairs], [name for _, name in pairs]


def posed(
    data: xr.DataTree | Mapping[str, xr.DataTree],
    source: Model,
    *,
    statistic: Statistic | None = None,
    errors: Variance = "data",
    grouping: Grouping = "file",
    min_counts: int | None = None,
    band: tuple[Amount, Amount] | None = None,
    per_spectrum: Sequence[str] = (),
) -> Problem:
    """Return the fit of a model to spectra, ready to be done: see :func:`analysis.xray.fit` for what is taken.

    Raises
    ------
    WrongData, BadOption, OutsideCoverage
        If spectra, responses, model and options do not belong together.
    """
    trees = spectra_of(data)
    ready, evaluators = [], []
    for name, tree in trees.items():
        whole = response_of(name, tree)
        made = prepared(
            name,
            tree,
            whole,
            statistic=statistic,
            errors=errors,
            grouping=grouping,
            min_counts=min_counts,
            band=band,
        )
        ready.append(made)
        evaluators.append(Evaluator(source, made.folder.low, made.folder.high))
    if len({s.statistic == "chi2" for s in ready}) > 1:
        kinds = ", ".join(f"{s.name}: {s.statistic}" for s in ready)
        raise BadOption(f"χ² and Poisson statistics cannot be summed ({kinds}); say statistic= for all of them")
    listed = (per_spectrum,) if isinstance(per_spectrum, str) else per_spectrum
    own = tuple(source.name_of(name) for name in listed)
    parameters = _parameters(source, [s.name for s in ready], own)
    free = tuple(name for name, p in parameters.items() if not p.frozen and not p.tied)
    return Problem(source, tuple(ready), tuple(evaluators), parameters, free, own)


def spectra_of(data: xr.DataTree | Mapping[str, xr.DataTree]) -> dict[str, xr.DataTree]:
    """Return the trees that hold a spectrum each, by name.

    Raises
    ------
    WrongData
        If there is none.
    """
    if isinstance(data, xr.DataTree):
        if "spectrum" in data.children:
            return {str(data.name or SPECTRUM): data}
        found = {str(n.path.strip("/")).replace("/", "_"): n for n in data.subtree if "spectrum" in n.children}
    elif isinstance(data, Mapping) and not isinstance(data, xr.Dataset) and data:
        found = {}
        for name, tree in data.items():
            inner = spectra_of(tree) if isinstance(tree, xr.DataTree) else {}
            if len(inner) != 1:
                raise WrongData(f"{name!r} must be a tree with one spectrum; it has {len(inner)}")
            found[str(name)] = next(iter(inner.values()))
    else:
        raise WrongData(
            "a fit needs a tree with the nodes 'spectrum', 'rmf', perhaps 'arf' and 'background' (xray.spectrum_from "
            "and xray.fetch give one), a tree of such trees, or a mapping of names to them; not a "
            f"{type(data).__name__}"
        )
    if not found:
        nodes = [n.path for n in data.subtree] if isinstance(data, xr.DataTree) else list(data)
        raise WrongData(f"there is no node 'spectrum' to fit; the tree has {nodes}")
    if bad := [name for name in found if "[" in name or "]" in name]:
        raise BadOption(f"names of spectra must not hold square brackets: {bad}")
    return found


def response_of(name: str, tree: xr.DataTree) -> xr.Dataset:
    """Return the response of a tree with its effective area.

    Raises
    ------
    WrongData
        If there is no response, or no area.
    """
    if "rmf" not in tree.children:
        raise WrongData(
            f"{name} has no node 'rmf', without which a model cannot be folded; it has {list(tree.children)}"
        )
    held = as_dataset(tree.children["rmf"], f"{name}: rmf")
    arf = tree.children.get("arf")
    whole = held if "channel_index" in held.variables else response(held, arf=arf)
    if whole["matrix"].attrs.get("units") != "cm2":
        if arf is not None:
            raise WrongData(
                f"{name}: its node 'rmf' is a response made without the effective area; make it with it, "
                "xray.response(rmf, arf=arf), or give the RMF as read"
            )
        raise WrongData(f"{name}: its response holds no effective area and there is no node 'arf'")
    return whole


def _parameters(source: Model, spectra: Sequence[str], own: Iterable[str]) -> dict[str, Parameter]:
    own = set(own)
    if own and len(spectra) == 1:
        raise BadOption(f"per_spectrum={sorted(own)} is for several spectra; there is one")
    named: dict[str, Parameter] = {}
    constants = {f"{label}.factor" for label in labels(source.term) if source.parts[label].word == "constant"}
    for name, p in source.parameters.items():
        if name not in own:
            if p.tied in own:
                raise BadOption(f"{name} is tied to {p.tied}, which each spectrum has for itself; free one of them")
            named[name] = p
            continue
        for i, spectrum in enumerate(spectra):
            # one constant factor of several is the measure of the others
            held = replace(p, frozen=True) if name in constants and i == 0 else p
            if p.tied:
                tied = f"{p.tied}[{spectrum}]" if p.tied in own else p.tied
                held = replace(held, tied=tied)
            named[f"{name}[{spectrum}]"] = held
    return named
