"""Models on bins of energy: photons in each bin, and how they change with the parameters."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.model import in_units, labelled
from analysis.xray.inputs import as_dataset, synthetic_of, variable
from analysis.xray.models import Array, Component, Model, Term, about, factors, labels, model, refuse_unless_additive

STEP = 1e-5  # of differences, as part of the parameter or of the range in which it is searched
KEPT = 4  # grids whose prepared components are held: a redshift that is fitted makes new ones all the time

Slopes = dict[str, np.ndarray]


@dataclass
class Evaluator:
    """A model made ready for many evaluations on the same bins: what does not change is computed once."""

    source: Model
    low: Array
    high: Array
    _shapes: dict[tuple[str, bytes], Callable[[Array], Array]] = field(default_factory=dict)
    _last: dict[str, tuple[bytes, Array]] = field(default_factory=dict)

    def flux(self, values: Mapping[str, float]) -> Array:
        """Return the photons in each bin (ph cm-2 s-1), or the factor of a multiplicative model."""
        return self._value(self.source.term, values, self.low, self.high)

    def flux_and_slopes(self, values: Mapping[str, float], names: Sequence[str]) -> tuple[Array, Array]:
        """Return the photons and their derivatives by these parameters, one row each; tied ones follow."""
        known = self.source.parameters
        wanted = {name: p.tied or name for name, p in known.items() if (p.tied or name) in names}
        flux, slopes = self._slopes(self.source.term, values, self.low, self.high, set(wanted))
        rows = np.zeros((len(names), flux.size))
        for name, row in slopes.items():
            rows[names.index(wanted[name])] += row
        return flux, rows

    def _value(self, term: Term, values: Mapping[str, float], low: Array, high: Array) -> Array:
        if isinstance(term, str):
            return self._leaf(term, values, low, high)
        if term[0] == "+":
            return self._value(term[1], values, low, high) + self._value(term[2], values, low, high)
        return self._product(factors(term), values, low, high)

    def _product(self, chain: list[Term], values: Mapping[str, float], low: Array, high: Array) -> Array:
        first, rest = chain[0], chain[1:]
        convolving = self._convolving(first)
        if convolving is not None:
            inner = lambda below, above: self._product(rest, values, below, above)  # noqa: E731
            assert convolving.convolve is not None
            return convolving.convolve(low, high, self._own(str(first), convolving, values), inner)
        own = self._value(first, values, low, high)
        return own * self._product(rest, values, low, high) if rest else own

    def _slopes(
        self, term: Term, values: Mapping[str, float], low: Array, high: Array, wanted: set[str]
    ) -> tuple[Array, Slopes]:
        if isinstance(term, str):
            return self._leaf_slopes(term, values, low, high, wanted)
        if term[0] == "+":
            left, by_left = self._slopes(term[1], values, low, high, wanted)
            right, by_right = self._slopes(term[2], values, low, high, wanted)
            return left + right, {**by_left, **by_right}
        return self._product_slopes(factors(term), values, low, high, wanted)

    def _product_slopes(
        self, chain: list[Term], values: Mapping[str, float], low: Array, high: Array, wanted: set[str]
    ) -> tuple[Array, Slopes]:
        first, rest = chain[0], chain[1:]
        if not rest:
            return self._slopes(first, values, low, high, wanted)
        convolving = self._convolving(first)
        if convolving is None:
            left, by_left = self._slopes(first, values, low, high, wanted)
            right, by_right = self._product_slopes(rest, values, low, high, wanted)
            slopes = {name: row * right for name, row in by_left.items()}
            slopes |= {name: left * row for name, row in by_right.items()}
            return left * right, slopes
        return self._convolved_slopes(str(first), convolving, rest, values, low, high, wanted)

    def _convolved_slopes(
        self,
        label: str,
        part: Component,
        rest: list[Term],
        values: Mapping[str, float],
        low: Array,
        high: Array,
        wanted: set[str],
    ) -> tuple[Array, Slopes]:
        assert part.convolve is not None
        inside = {f"{own}.{p.name}" for term in rest for own in labels(term) for p in self.source.parts[own].parameters}
        mine = [f"{label}.{p.name}" for p in part.parameters if f"{label}.{p.name}" in wanted]
        order = sorted(inside & wanted) if part.linear else []

        def rows(below: Array, above: Array) -> Array:
            flux, slopes = self._product_slopes(rest, values, below, above, set(order))
            return np.vstack([flux, *(slopes.get(name, np.zeros_like(flux)) for name in order)])

        made = part.convolve(low, high, self._own(label, part, values), rows)
        slopes = dict(zip(order, made[1:], strict=True))
        chain: list[Term] = [label, *rest]
        for name in (*mine, *(() if part.linear else sorted(inside & wanted))):
            slopes[name] = self._difference(chain, values, low, high, name)
        return made[0], slopes

    def _difference(self, chain: list[Term], values: Mapping[str, float], low: Array, high: Array, name: str) -> Array:
        below, above = _steps(self.source, name, values[name])
        upper = self._product(chain, {**values, name: above}, low, high)
        lower = self._product(chain, {**values, name: below}, low, high)
        return (upper - lower) / (above - below)

    def _convolving(self, term: Term) -> Component | None:
        if isinstance(term, str) and self.source.parts[term].kind == "convolution":
            return self.source.parts[term]
        return None

    def _own(self, label: str, part: Component, values: Mapping[str, float]) -> Array:
        return np.array([values[f"{label}.{p.name}"] for p in part.parameters], dtype=float)

    def _shape(self, label: str, low: Array, high: Array, *, slopes: bool = False) -> Callable[[Array], Array]:
        """A component prepared for these bins."""
        part = self.source.parts[label]
        make = part.slopes_on if slopes else part.on
        assert make is not None
        key = f"{label} slopes" if slopes else label, self._grid(low, high)
        if key not in self._shapes:
            others = [k for k in self._shapes if k[0] == key[0] and k[1]]
            for old in others[: max(0, len(others) - KEPT)]:
                del self._shapes[old]
            self._shapes[key] = make(low, high)
        return self._shapes[key]

    def _grid(self, low: Array, high: Array) -> bytes:
        """What tells bins apart: nothing for the evaluator's own."""
        if low is self.low and high is self.high:
            return b""
        return hashlib.blake2b(low.tobytes() + high.tobytes(), digest_size=16).digest()

    def _bare(self, label: str, pars: Array, low: Array, high: Array) -> Array:
        """The component for a norm of 1, kept until its parameters change."""
        key = pars.tobytes() + self._grid(low, high)
        held = self._last.get(label)
        if held is None or held[0] != key:
            held = key, self._shape(label, low, high)(pars)
            self._last[label] = held
        return held[1]

    def _leaf(self, label: str, values: Mapping[str, float], low: Array, high: Array) -> Array:
        part = self.source.parts[label]
        pars = self._own(label, part, values)
        if part.kind == "additive":
            return pars[-1] * self._bare(label, pars[:-1], low, high)
        return self._bare(label, pars, low, high)

    def _leaf_slopes(
        self, label: str, values: Mapping[str, float], low: Array, high: Array, wanted: set[str]
    ) -> tuple[Array, Slopes]:
        part = self.source.parts[label]
        pars = self._own(label, part, values)
        norm = pars[-1] if part.kind == "additive" else 1.0
        inner = pars[:-1] if part.kind == "additive" else pars
        bare = self._bare(label, inner, low, high)
        names = [f"{label}.{p.name}" for p in part.parameters]
        slopes: Slopes = {}
        if part.kind == "additive" and names[-1] in wanted:
            slopes[names[-1]] = bare
        varied = [i for i in range(inner.size) if names[i] in wanted]
        if varied and part.slopes_on is not None:
            rows = self._shape(label, low, high, slopes=True)(inner)
            return norm * bare, slopes | {names[i]: norm * rows[i] for i in varied}
        shape = self._shape(label, low, high) if varied else None
        for i in varied:
            assert shape is not None
            below, above = _steps(self.source, names[i], inner[i])
            ends = [shape(np.where(np.arange(inner.size) == i, end, inner)) for end in (below, above)]
            slopes[names[i]] = norm * (ends[1] - ends[0]) / (above - below)
        return norm * bare, slopes


def _steps(source: Model, name: str, value: float) -> tuple[float, float]:
    """Two values around a parameter's, within its bounds."""
    held = source.parameters[name]
    width = held.search[1] - held.search[0] if held.search else 0.0
    size = STEP * max(abs(value), 1e-3 * width if np.isfinite(width) else 0.0, 1e-6)
    return max(value - size, held.low), min(value + size, held.high)


def photon_flux(
    source: Model | str,
    energies: xr.Dataset | xr.DataTree,
    *,
    values: Mapping[str, float] | None = None,
) -> xr.DataArray:
    """Return the photons that a model makes in each bin of energy.

    Parameters
    ----------
    source : Model or str
        As :func:`model` makes or reads it.
    energies : xarray.Dataset
        With ``energy_low`` and ``energy_high`` on ``energy``: a response, an effective area; see
        :func:`energy_bins` for bins of your own.
    values : mapping, optional
        Values of parameters in place of the model's.

    Returns
    -------
    xarray.DataArray
        ``photon_flux`` in ``ph cm-2 s-1`` on ``energy``, integrated over the bin, what :func:`folded` takes; attrs
        hold the model, its parameters, and the abundances and cross sections it used.

    Raises
    ------
    BadOption
        If the model makes no photons, or a value is outside its bounds.
    WrongData
        If bins are not positive and increasing, or the flux is not finite.

    Examples
    --------
    >>> from analysis import xray
    >>> pn = xray.fetch("ngc7793_ulx4_pn")["arf"]
    >>> flux = xray.photon_flux("tbabs(nh=0.2) * powerlaw(photon_index=2)", pn)
    >>> flux.attrs["units"], flux.attrs["abundances"]
    ('ph cm-2 s-1', 'tbabs: wilm')
    """
    made = model(source)
    if values:
        made = made.with_values(values)
    refuse_unless_additive(made, "photon_flux")
    data = as_dataset(energies, "photon_flux")
    low, high = (
        in_units(variable(data, name, "photon_flux"), "keV").values.astype(float)
        for name in ("energy_low", "energy_high")
    )
    refuse_bad_bins(low, high)
    flux = Evaluator(made, low, high).flux(made.values)
    if not np.isfinite(flux).all():
        at = int(np.flatnonzero(~np.isfinite(flux))[0])
        raise WrongData(f"{made} has no finite flux from {low[at]:g} to {high[at]:g} keV; its values are {made.values}")
    coords = {
        name: ("energy", values_, {"units": "keV", "long_name": long_name})
        for name, values_, long_name in (("energy_low", low, "Energy"), ("energy_high", high, "Upper end of the bin"))
    }
    told = {"model": str(made), "parameters": _said(made), **about(made), **synthetic_of(data)}
    return labelled(
        xr.DataArray(flux, dims="energy", coords=coords),
        "photon_flux",
        units="ph cm-2 s-1",
        long_name="Photon flux in the bin",
        attrs=told,
    )


def refuse_bad_bins(low: Array, high: Array) -> None:
    """Refuse energy bins that are not positive, finite and increasing."""
    if low.ndim != 1 or not low.size or low.shape != high.shape:
        raise WrongData(f"energy bins need one low and one high end each on one axis; got {low.shape}, {high.shape}")
    if not ((low > 0) & (high > low) & np.isfinite(high)).all():
        raise WrongData(
            "energy bins need 0 < energy_low < energy_high, all finite; a response whose first bin starts at 0 keV "
            "is mended by xray.response"
        )


def energy_bins(low: float, high: float, number: int, *, logarithmic: bool = True) -> xr.Dataset:
    """Return bins of energy between two ends, for models without a response.

    Parameters
    ----------
    low, high : float
        Ends in keV.
    number : int
        How many.
    logarithmic : bool, optional
        Equal steps of log energy; else of energy.

    Returns
    -------
    xarray.Dataset
        ``energy_low``, ``energy_high`` in keV on ``energy``.

    Raises
    ------
    BadOption
        If the ends are not positive and in order, or there is no bin.

    Examples
    --------
    >>> energy_bins(1, 2, 2, logarithmic=False).energy_high.values.tolist()
    [1.5, 2.0]
    """
    from analysis.model import check, stamp
    from analysis.xray.inputs import limits

    below, above = limits((low, high))
    if isinstance(number, bool) or not isinstance(number, int | np.integer) or not 1 <= number <= 10_000_000:
        raise BadOption(f"number={number!r} must be a whole number of bins, 1 to ten million")
    if logarithmic and below <= 0:
        raise BadOption(f"low={low!r} must be above 0 keV for equal steps of log energy; or logarithmic=False")
    edges = (np.geomspace if logarithmic else np.linspace)(below, above, int(number) + 1)
    made = xr.Dataset(
        {
            "energy_low": ("energy", edges[:-1], {"units": "keV", "long_name": "Energy"}),
            "energy_high": ("energy", edges[1:], {"units": "keV", "long_name": "Upper end of the bin"}),
        }
    )
    return check(
        stamp(
            made,
            title="Energy bins",
            institution="none",
            source="computed",
            references=["none"],
            license="none",
            history=[f"xray.energy_bins: {number} from {below:g} to {above:g} keV"],
            provenance={},
        )
    )


def _said(source: Model) -> str:
    known = source.parameters
    return ", ".join(
        f"{name}={value:.8g}{'' if known[name].units == '1' else ' ' + known[name].units}"
        for name, value in source.values.items()
    )
