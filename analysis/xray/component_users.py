"""Components that users write: a function of energy and of parameters with names, bounds and units."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np

from analysis.errors import BadOption, UnknownUnits, WrongData
from analysis.model import in_units
from analysis.xray.component_parts import norm, told
from analysis.xray.component_tables import refuse_taken_word
from analysis.xray.inputs import number
from analysis.xray.models import Array, Component, Model, Parameter, Shape, single
from analysis.xray.quadrature import nodes

KINDS = ("additive", "multiplicative")


def user_model(
    function: Callable[..., Array],
    parameters: Mapping[str, tuple] | Sequence[Parameter],
    *,
    kind: Literal["additive", "multiplicative"] = "additive",
    word: str = "user",
    per_bin: bool = False,
    description: str = "",
) -> Model:
    """Return a model of one component from a function of yours.

    Parameters
    ----------
    function : callable
        ``function(energy, index=…, …)``: energies in keV as an array, each parameter by its name, to an array of the
        same shape. Of an additive component photons per keV (``ph cm-2 s-1 keV-1``) for a norm of 1, which are
        integrated over the bins here, on two to four points a bin; of a multiplicative one the factor, taken at the
        middles of the bins.
    parameters : mapping or sequence of Parameter
        ``{"index": (start, low, high, units)}`` in the order that you like; ``units`` may be left out where there is
        none. ``norm`` of an additive one is put after them.
    kind : {"additive", "multiplicative"}, optional
        Whether it makes photons or is a factor.
    word : str, optional
        What the component is called: a name that no other component has.
    per_bin : bool, optional
        The function is ``function(energy_low, energy_high, index=…, …)`` and returns the photons in each bin, or the
        factor of each bin: for what has edges or lines.
    description : str, optional
        What a result says of it; else the first line of the function's docstring.

    Returns
    -------
    Model
        To be used with operators, or in an expression by ``components={"user": …}``.

    Raises
    ------
    BadOption
        If a parameter is no (start, low, high, units), the word is taken, or the function cannot be called so.
    WrongData
        If the function returns another shape, or what is no number.

    Examples
    --------
    >>> import numpy as np
    >>> from analysis import xray
    >>> def bump(energy, centre, width):
    ...     return np.exp(-((energy - centre) / width) ** 2)
    >>> own = user_model(bump, {"centre": (6.4, 1, 10, "keV"), "width": (0.1, 0.01, 2, "keV")}, word="bump")
    >>> print(xray.model("tbabs") * (xray.model("powerlaw") + own))
    tbabs * (powerlaw + bump)
    """
    if kind not in KINDS:
        raise BadOption(f"kind={kind!r} must be one of {', '.join(KINDS)}")
    if not callable(function):
        raise BadOption(f"user_model needs a function of energy and parameters, not {function!r:.80}")
    refuse_taken_word(word)
    own = _parameters(parameters)
    if kind == "additive" and any(p.name == "norm" for p in own):
        raise BadOption("the norm of an additive component comes by itself; leave it out of the parameters")
    names = [p.name for p in own]
    _refuse_other_arguments(function, names, 2 if per_bin else 1)

    def asked(energies: tuple[Array, ...], pars: Array) -> Array:
        made = function(*energies, **dict(zip(names, (float(p) for p in pars), strict=True)))
        found = np.asarray(made)
        if found.shape != energies[0].shape or found.dtype.kind not in "fiub":
            raise WrongData(
                f"{word} returned an array of shape {found.shape} and type {found.dtype} for {energies[0].shape} "
                "energies; it must return one real number for each"
            )
        return found.astype(float)

    def on(low: Array, high: Array) -> Shape:
        if per_bin:
            return lambda pars: asked((low, high), pars)
        if kind == "multiplicative":
            return lambda pars: asked(((low + high) / 2,), pars)
        at = nodes(low, high)
        return lambda pars: at.summed(asked((at.energy,), pars))

    edges = np.geomspace(0.5, 10.0, 8)
    with np.errstate(all="ignore"):
        on(edges[:-1], edges[1:])(np.array([p.value for p in own]))
    doc = (inspect.getdoc(function) or "").strip().splitlines()
    said = description or (doc[0] if doc else f"A function of the user's, {getattr(function, '__name__', 'unnamed')}")
    extra = (norm("1", "Norm of the function"),) if kind == "additive" else ()
    return single(Component(word, kind, (*own, *extra), on=on, about=told(said, "a function of the user's")))


def _parameters(given: Mapping[str, tuple] | Sequence[Parameter]) -> tuple[Parameter, ...]:
    if isinstance(given, Mapping):
        found = [_parameter(name, what) for name, what in given.items()]
    else:
        found = list(given)
        if odd := [p for p in found if not isinstance(p, Parameter)]:
            raise BadOption(f"parameters must be a mapping of name to (start, low, high, units), not of {odd[0]!r:.80}")
    names = [p.name for p in found]
    if odd_names := [n for n in names if not str(n).isidentifier() or names.count(n) > 1]:
        raise BadOption(f"parameters need names of letters, digits and underscores, each once; not {odd_names[0]!r}")
    for p in found:
        _refuse_unknown_units(p)
        if not p.low <= p.value <= p.high or not p.low < p.high:
            raise BadOption(f"parameter {p.name} starts at {p.value:g}, which is not between {p.low:g} and {p.high:g}")
    return tuple(found)


def _parameter(name: str, what: tuple) -> Parameter:
    if not isinstance(what, tuple | list) or len(what) not in (3, 4):
        raise BadOption(f"parameter {name} must be (start, low, high) or (start, low, high, units), not {what!r:.80}")
    ends = []
    for end in what[1:3]:
        infinite = isinstance(end, float) and math.isinf(end)
        ends.append(float(end) if infinite else number(end, f"a bound of {name}"))
    start, units = number(what[0], f"the start of {name}"), what[3] if len(what) == 4 else "1"
    search = (ends[0], ends[1]) if all(map(math.isfinite, ends)) else None
    return Parameter(name, start, units, ends[0], ends[1], search, long_name=name.replace("_", " ").capitalize())


def _refuse_unknown_units(p: Parameter) -> None:
    import xarray as xr

    try:
        in_units(xr.DataArray(1.0, attrs={"units": p.units}), p.units)
    except UnknownUnits as error:
        raise BadOption(f"parameter {p.name} has the units {p.units!r}, which astropy does not know") from error


def _refuse_other_arguments(function: Callable[..., Array], names: list[str], energies: int) -> None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return  # a compiled function does not tell; its first call will
    try:
        signature.bind(*[None] * energies, **dict.fromkeys(names))
    except TypeError as error:
        first = "energy_low, energy_high" if energies == 2 else "energy"
        raise BadOption(
            f"{getattr(function, '__name__', 'the function')}{signature} cannot be called as "
            f"({', '.join([first, *names])}): {error}"
        ) from error
