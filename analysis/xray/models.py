"""Models of X-ray spectra: components composed by an expression or by operators, with parameters that have units.

A component is evaluated on bins of energy. Additive ones make photons (``ph cm-2 s-1`` in each bin), multiplicative
ones are factors, convolutions change what stands to their right. The words and parameters are XSPEC's where XSPEC has
the model.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal, SupportsIndex, TypeAlias

import numpy as np

from analysis.errors import BadOption
from analysis.model import near
from analysis.xray.inputs import number

Kind = Literal["additive", "multiplicative", "convolution"]
Array: TypeAlias = np.ndarray
# A component on fixed bins: from its parameters (of additive ones all but the norm) to a value a bin.
Shape: TypeAlias = Callable[[Array], Array]
# What stands right of a convolution, evaluated on bins: the last axis is energy.
Inner: TypeAlias = Callable[[Array, Array], Array]
Term: TypeAlias = "str | tuple[str, Term, Term]"
MOST = 100  # components of a model


@dataclass(frozen=True)
class Parameter:
    """One parameter of a component.

    ``low`` and ``high`` are hard bounds, ``search`` the range in which a start is looked for. ``tied`` is the full
    name of the parameter whose value this one takes.
    """

    name: str
    value: float
    units: str = "1"
    low: float = -np.inf
    high: float = np.inf
    search: tuple[float, float] | None = None
    frozen: bool = False
    long_name: str = ""
    tied: str = ""


@dataclass(frozen=True)
class Component:
    """One component: what it is called, its parameters, and how it is evaluated.

    ``on(energy_low, energy_high)`` returns a function of the parameters (arrays in keV; of an additive component for
    a norm of 1, and without the norm among the parameters). ``slopes_on`` gives the derivatives in the same manner,
    one row a parameter; without it they are differences. A convolution has ``convolve(energy_low, energy_high,
    parameters, inner)`` instead; ``linear`` says that it acts on a sum of spectra as on each of them. ``options`` are
    words that it was made with (``abundances="wilm"``), ``about`` what a result must say of it.
    """

    word: str
    kind: Kind
    parameters: tuple[Parameter, ...]
    on: Callable[[Array, Array], Shape] | None = None
    slopes_on: Callable[[Array, Array], Shape] | None = None
    convolve: Callable[[Array, Array, Array, Inner], Array] | None = None
    linear: bool = True
    about: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class Model:
    """A composed model; immutable: each method returns another one.

    ``+`` adds what makes photons, ``*`` multiplies or convolves; a component that comes twice is numbered
    (``gaussian``, ``gaussian_2``). Parameters are called ``component.parameter``.
    """

    term: Term
    parts: Mapping[str, Component]

    @property
    def kind(self) -> Kind:
        """What the whole is: additive models make photons."""
        return _kind(self.term, self.parts)

    @property
    def parameters(self) -> dict[str, Parameter]:
        """The parameters by their full names, in the order of the expression."""
        return {f"{label}.{p.name}": p for label in labels(self.term) for p in self.parts[label].parameters}

    @property
    def values(self) -> dict[str, float]:
        """The values by full name, tied ones as those they are tied to."""
        known = self.parameters
        return {name: known[p.tied or name].value for name, p in known.items()}

    @property
    def free(self) -> list[str]:
        """Names of the parameters that a fit varies."""
        return [name for name, p in self.parameters.items() if not p.frozen and not p.tied]

    def with_values(self, values: Mapping[str, float]) -> Model:
        """Return the model with other values, each within its parameter's bounds."""
        return self._changed({name: {"value": _bounded(self, name, value)} for name, value in values.items()})

    def frozen(self, *names: str) -> Model:
        """Return the model with these parameters fixed; ``"gaussian.sigma"`` or ``"sigma"`` where only one is."""
        return self._changed({name: {"frozen": True} for name in names})

    def thawed(self, *names: str) -> Model:
        """Return the model with these parameters free."""
        return self._changed({name: {"frozen": False, "tied": ""} for name in names})

    def bounded(self, bounds: Mapping[str, tuple[float, float]]) -> Model:
        """Return the model with other hard bounds; a value outside them is moved to the nearer one."""
        changes = {}
        for name, pair in bounds.items():
            if not isinstance(pair, tuple | list) or len(pair) != 2 or not float(pair[0]) < float(pair[1]):
                raise BadOption(f"bounds of {name} must be a pair (low, high) with low < high, not {pair!r}")
            low, high = float(pair[0]), float(pair[1])
            held = self.parameters[self.name_of(name)]
            search = held.search or (low, high)
            ends = min(max(search[0], low), high), max(min(search[1], high), low)
            value = min(max(held.value, low), high)
            changes[name] = {
                "low": low,
                "high": high,
                "value": value,
                "search": ends if ends[0] < ends[1] else (low, high),
            }
        return self._changed(changes)

    def tied(self, ties: Mapping[str, str]) -> Model:
        """Return the model with parameters tied to others: ``{"gaussian_2.sigma": "gaussian.sigma"}``."""
        changes: dict[str, dict[str, object]] = {}
        for name, other in ties.items():
            target = self.name_of(other)
            if self.name_of(name) == target:
                raise BadOption(f"{name} cannot be tied to itself")
            if self.parameters[target].tied:
                raise BadOption(f"{name} cannot be tied to {other}, which is tied itself; tie both to the same one")
            if followers := [n for n, p in self.parameters.items() if p.tied == self.name_of(name)]:
                raise BadOption(f"{name} cannot be tied: {', '.join(followers)} follow it")
            changes[name] = {"tied": target}
        return self._changed(changes)

    def name_of(self, name: str) -> str:
        """Return the full name of a parameter from a full name or one that is clear without its component."""
        known = self.parameters
        if name in known:
            return name
        short = [full for full in known if full.split(".", 1)[1] == name or full.rsplit(".", 1)[1] == name]
        if len(short) == 1:
            return short[0]
        if short:
            raise BadOption(f"{name!r} may be {' or '.join(short)}; say which")
        likely = near(name, [*known, *(full.split(".", 1)[1] for full in known)])
        raise BadOption(f"the model {self} has no parameter {name!r}{likely}; it has {', '.join(known)}")

    def _changed(self, changes: Mapping[str, Mapping[str, object]]) -> Model:
        parts = dict(self.parts)
        for name, change in changes.items():
            full = self.name_of(name)
            label = full[: full.rindex(".")]
            own = tuple(
                replace(p, **change) if f"{label}.{p.name}" == full else p  # type: ignore[arg-type]
                for p in parts[label].parameters
            )
            parts[label] = replace(parts[label], parameters=own)
        return Model(self.term, MappingProxyType(parts))

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple:
        """Pickle as text what is made of known words alone; what holds functions of a user's as it is."""
        from analysis.xray.components import COMPONENTS

        known = all(p.word in COMPONENTS or p.word.startswith("xspec.") for p in self.parts.values())
        return (restored, (state(self),)) if known else super().__reduce_ex__(protocol)

    def __add__(self, other: Model) -> Model:
        return _joined("+", self, other)

    def __mul__(self, other: Model) -> Model:
        return _joined("*", self, other)

    def __str__(self) -> str:
        return written(self.term)

    def __repr__(self) -> str:
        rows = [
            f"  {name:28s} {p.value:<12.6g} {'' if p.units == '1' else p.units}"
            f"{' (frozen)' if p.frozen else ''}{f' = {p.tied}' if p.tied else ''}".rstrip()
            for name, p in self.parameters.items()
        ]
        return "\n".join([f"<Model {self}>", *rows])

    def _repr_html_(self) -> str:
        from html import escape

        head = "".join(f"<th>{name}</th>" for name in ("parameter", "value", "units", "bounds", ""))
        rows = []
        for name, p in self.parameters.items():
            state_of = f"= {p.tied}" if p.tied else "frozen" if p.frozen else ""
            units = "" if p.units == "1" else p.units
            cells = (name, f"{self.values[name]:.6g}", units, f"{p.low:.6g} to {p.high:.6g}", state_of)
            told = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
            rows.append(f'<tr title="{escape(p.long_name, quote=True)}">{told}</tr>')
        return f"<code>{escape(str(self))}</code><table><tr>{head}</tr>{''.join(rows)}</table>"


def model(expression: str | Model, *, components: Mapping[str, Model] | None = None) -> Model:
    """Return a model from an expression such as ``"tbabs * (powerlaw + gaussian(line_energy=6.4))"``.

    Parameters
    ----------
    expression : str
        Words of components with ``+``, ``*`` and brackets. Values stand in brackets after a word:
        ``powerlaw(photon_index=2)``. A convolution acts on all that stands right of it in its product. Words with
        ``xspec.`` before them are XSPEC's own, where the extra ``xspec`` is installed: ``xspec.nthcomp``.
    components : mapping, optional
        Words of your own, each a model of one component (a table model, a function of yours).

    Returns
    -------
    Model
        With ``parameters``, ``values``, ``free``; ``with_values``, ``frozen``, ``thawed``, ``bounded`` and ``tied``
        return changed ones.

    Raises
    ------
    BadOption
        If the expression cannot be read, a word or parameter is unknown (near matches are named), a value lies
        outside its bounds, or photons are multiplied with photons.

    Examples
    --------
    >>> source = model("tbabs(nh=0.2) * powerlaw(photon_index=2)")
    >>> source.values
    {'tbabs.nh': 0.2, 'powerlaw.photon_index': 2.0, 'powerlaw.norm': 1.0}
    >>> print(model("tbabs") * (model("powerlaw") + model("powerlaw")))
    tbabs * (powerlaw + powerlaw_2)
    """
    if isinstance(expression, Model):
        return expression
    if not isinstance(expression, str) or not expression.strip():
        raise BadOption(f"a model is an expression such as 'tbabs * powerlaw', not {expression!r:.80}")
    return _composed(_read(expression), expression, components or {})


def _read(expression: str) -> ast.expr:
    """The syntax of an expression; nothing of it is ever run."""
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # of "1if"; it is refused in our own words
            tree = ast.parse(" ".join(expression.split()), mode="eval").body
        words = sum(isinstance(part, ast.Name | ast.BinOp) for part in ast.walk(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise BadOption(
            f"the model {expression!r:.200} cannot be read; write it like 'tbabs * (powerlaw + gaussian)'"
        ) from error
    if words >= 2 * MOST:
        raise BadOption(f"the model {expression!r:.80}… has more than {MOST} components, more than can be fitted")
    return tree


def labels(term: Term) -> Iterator[str]:
    """Yield the components of a term from left to right."""
    if isinstance(term, str):
        yield term
    else:
        yield from labels(term[1])
        yield from labels(term[2])


def written(term: Term) -> str:
    """Return a term as an expression."""
    if isinstance(term, str):
        return term
    sides = [
        f"({written(side)})" if term[0] == "*" and not isinstance(side, str) and side[0] == "+" else written(side)
        for side in term[1:]
    ]
    return f"{sides[0]} {term[0]} {sides[1]}"


def factors(term: Term) -> list[Term]:
    """Return the factors of a product from left to right; a single one of anything else."""
    if isinstance(term, str) or term[0] == "+":
        return [term]
    return [*factors(term[1]), *factors(term[2])]


def state(source: Model) -> str:
    """Return a model as JSON text, from which :func:`restored` makes it again."""
    fields = ("value", "low", "high", "search", "frozen", "tied")
    held = {name: {key: getattr(p, key) for key in fields} for name, p in source.parameters.items()}
    words = {label: part.word for label, part in source.parts.items()}
    options = {label: dict(part.options) for label, part in source.parts.items() if part.options}
    return json.dumps({"expression": str(source), "words": words, "options": options, "parameters": held})


def restored(text: str, *, components: Mapping[str, Model] | None = None) -> Model:
    """Return the model that :func:`state` wrote down.

    Raises
    ------
    BadOption
        If one of its components is not to be had: a function or table of the user's, which must be given again.
    """
    held = json.loads(text)
    made = {
        label: _one(word, components or {}, options=held["options"].get(label)) for label, word in held["words"].items()
    }
    again = _composed(_read(held["expression"]), held["expression"], made, labelled=True)
    changes: dict[str, dict[str, object]] = {}
    for name, own in held["parameters"].items():
        changes[name] = {**own, "search": None if own["search"] is None else tuple(own["search"])}
    return again._changed(changes)


def single(component: Component) -> Model:
    """Return a model of one component, called by its word."""
    label = component.word
    return Model(label, MappingProxyType({label: component}))


def _one(
    word: str, own: Mapping[str, Model], *, labelled: bool = False, options: Mapping[str, str] | None = None
) -> Model:
    """The model of one word: the user's own ones first; ``labelled`` if the words are labels already given."""
    from analysis.xray.components import COMPONENTS, component

    stem = word if word in own else stem_of(word)
    if stem in own and not labelled and stem in COMPONENTS:
        raise BadOption(f"components={{{stem!r}: …}} has a word that is a component already; call it 'my_{stem}'")
    if stem in own:
        held = own[stem]
        if not isinstance(held, Model) or len(held.parts) != 1:
            raise BadOption(f"components={{{stem!r}: …}} must be a model of one component, not {held!r:.80}")
        if options and not labelled:
            raise BadOption(f"{stem} takes numbers in its brackets, not {_quoted(options)}")
        part = next(iter(held.parts.values()))
        return Model(word, MappingProxyType({word: part if labelled else replace(part, word=stem)}))
    made = component(word, also=own, options=options or {})
    return Model(word, MappingProxyType({word: made}))


def _quoted(options: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value!r}" for key, value in options.items())


def stem_of(label: str) -> str:
    """The word of a label: ``gaussian`` of ``gaussian_2``."""
    stem, _, last = label.rpartition("_")
    return stem if stem and last.isdigit() else label


def _composed(tree: ast.expr, text: str, own: Mapping[str, Model], *, labelled: bool = False) -> Model:
    if isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.Add | ast.Mult):
        left, right = (_composed(side, text, own, labelled=labelled) for side in (tree.left, tree.right))
        return _joined("+" if isinstance(tree.op, ast.Add) else "*", left, right)
    if isinstance(tree, ast.Name | ast.Attribute):
        return _one(_word(tree, text), own, labelled=labelled)
    if isinstance(tree, ast.Call) and not tree.args:
        options, values = _given(tree, text)
        found = _one(_word(tree.func, text), own, labelled=labelled, options=options)
        label = next(iter(found.parts))
        return found.with_values({f"{label}.{key}": value for key, value in values.items()})
    if isinstance(tree, ast.Constant):
        raise BadOption(f"the model {text!r} holds {tree.value!r}; write a factor as constant(factor={tree.value!r})")
    raise BadOption(
        f"the model {text!r} cannot be read at {ast.unparse(tree)!r}; models are words with +, * and brackets, and "
        "values by name: powerlaw(photon_index=2)"
    )


def _word(tree: ast.expr, text: str) -> str:
    if isinstance(tree, ast.Name):
        return tree.id
    if isinstance(tree, ast.Attribute) and isinstance(tree.value, ast.Name):
        return f"{tree.value.id}.{tree.attr}"
    raise BadOption(f"the model {text!r} has {ast.unparse(tree)!r} where the word of a component should stand")


def _given(tree: ast.Call, text: str) -> tuple[dict[str, str], dict[str, float]]:
    """What stands in brackets after a word: options, which are text, and values."""
    options: dict[str, str] = {}
    values: dict[str, float] = {}
    for key in tree.keywords:
        if key.arg is None or key.arg in options or key.arg in values:
            raise BadOption(
                f"the model {text!r} has {ast.unparse(tree)!r}; write each value once and by name: word(name=2)"
            )
        if isinstance(key.value, ast.Constant) and isinstance(key.value.value, str):
            options[key.arg] = key.value.value
        else:
            values[key.arg] = _literal(key.value, text)
    return options, values


def _literal(tree: ast.expr, text: str) -> float:
    try:
        return number(ast.literal_eval(tree), "a value")
    except (ValueError, TypeError, SyntaxError, BadOption) as error:
        raise BadOption(f"the model {text!r} has {ast.unparse(tree)!r} where a number should stand") from error


def _bounded(source: Model, name: str, value: float) -> float:
    full = source.name_of(name)
    held = source.parameters[full]
    found = number(value, full)
    if not held.low <= found <= held.high:
        raise BadOption(
            f"{full}={found:g} lies outside its bounds {held.low:g} to {held.high:g}"
            f"{'' if held.units == '1' else ' ' + held.units}; widen them with bounded()"
        )
    return found


def _joined(sign: str, left: Model, right: Model) -> Model:
    if not isinstance(right, Model):
        raise BadOption(
            f"a model is joined with a model, not with {right!r:.80}; a factor is model('constant(factor=2)')"
        )
    if len(left.parts) + len(right.parts) > MOST:
        raise BadOption(f"a model of more than {MOST} components is more than can be fitted")
    names = _renamed(right, set(left.parts))
    parts = {**left.parts, **{names[label]: _retied(part, names) for label, part in right.parts.items()}}
    joined = Model((sign, left.term, _relabelled(right.term, names)), MappingProxyType(parts))
    _ = joined.kind  # refuses what makes no sense
    return joined


def _renamed(right: Model, taken: set[str]) -> dict[str, str]:
    """New labels of the components on the right: numbered from 2 where the word is taken."""
    names: dict[str, str] = {}
    for label in labels(right.term):
        stem, new, n = stem_of(label), label, 2
        while new in taken or new in names.values():
            new, n = f"{stem}_{n}", n + 1
        names[label] = new
    return names


def _retied(part: Component, names: Mapping[str, str]) -> Component:
    own = []
    for p in part.parameters:
        if p.tied:
            label, _, last = p.tied.rpartition(".")
            p = replace(p, tied=f"{names[label]}.{last}")
        own.append(p)
    return replace(part, parameters=tuple(own))


def _relabelled(term: Term, names: Mapping[str, str]) -> Term:
    if isinstance(term, str):
        return names[term]
    return term[0], _relabelled(term[1], names), _relabelled(term[2], names)


def _kind(term: Term, parts: Mapping[str, Component]) -> Kind:
    if isinstance(term, str):
        return parts[term].kind
    if term[0] == "+":
        kinds = [_kind(side, parts) for side in term[1:]]
        if kinds != ["additive", "additive"]:
            odd = next(side for side, kind in zip(term[1:], kinds, strict=True) if kind != "additive")
            raise BadOption(
                f"{written(odd)!r} makes no photons, so it cannot be added; multiply with it: {written(term)}"
            )
        return "additive"
    kinds = [_kind(factor, parts) for factor in factors(term)]
    if kinds.count("additive") > 1:
        raise BadOption(f"{written(term)!r} multiplies photons with photons; add what makes photons")
    if "convolution" in kinds and kinds[-1] == "convolution" and "additive" in kinds:
        raise BadOption(f"in {written(term)!r} a convolution has nothing to its right that makes photons to act on")
    if "additive" in kinds:
        if "convolution" in kinds[kinds.index("additive") :]:
            raise BadOption(f"in {written(term)!r} a convolution stands right of what it should act on")
        if "convolution" in kinds and kinds[-1] != "additive":
            raise BadOption(
                f"in {written(term)!r} a factor stands right of what a convolution acts on; put it left of the "
                "convolution (it acts on the result) or left of what makes photons (the convolution acts on it too)"
            )
        return "additive"
    return "convolution" if "convolution" in kinds else "multiplicative"


def refuse_unless_additive(source: Model, what: str) -> None:
    """Refuse a model that makes no photons."""
    if source.kind != "additive":
        raise BadOption(f"{what} needs a model that makes photons; {source} only changes them: '… * powerlaw'")


def about(source: Model) -> dict[str, str]:
    """Return what a result must say of its model's tables: abundances, cross sections, files."""
    told: dict[str, list[str]] = {}
    for label in labels(source.term):
        for key, value in source.parts[label].about.items():
            told.setdefault(key, [])
            entry = value if key == "references" else f"{label}: {value}"
            if entry not in told[key]:
                told[key].append(entry)
    return {key: "; ".join(values) for key, values in told.items()}


def told_parameters(source: Model, names: Iterable[str] | None = None) -> str:
    """Return the parameters as text for history and titles."""
    chosen = source.parameters if names is None else {n: source.parameters[n] for n in names}
    return ", ".join(f"{name}={p.value:.6g}" for name, p in chosen.items())
