"""Datasets of which a HAPI server makes several, one for each time axis: ``ID@0``, ``ID@1`` … as CDAWeb names them."""

from __future__ import annotations

import re

from analysis.errors import AnalysisError, UnknownProduct

LISTED = 8  # datasets whose parameters a message names; each costs a question
NAMES = 3


def instead_of(server: str, dataset: str, parameters: list[str] | None, cause: AnalysisError) -> str:
    """Return the one dataset that an id without its number, or with a wrong one, can only mean; "" if none is near.

    Parameters
    ----------
    server, dataset : str
        As :func:`analysis.archives.hapi.data` takes them.
    parameters : list of str or None
        What it must have, for choosing among several.
    cause : AnalysisError
        What the server, or the store, has said to the id as it is.

    Raises
    ------
    UnknownProduct
        If several can be meant: each with its title and the first of its parameters.
    """
    from analysis.archives import hapi

    plain = re.sub(r"@\d+$", "", dataset)
    try:
        catalog = hapi.catalog(server)
        alike = catalog[[re.fullmatch(re.escape(plain) + r"(@\d+)?", one, re.I) is not None for one in catalog["id"]]]
        titles = {one: title for one, title in zip(alike["id"], alike["title"], strict=True) if one != dataset}
        has = {one: _names(server, one) for one in [*titles][:LISTED]} if parameters or len(titles) > 1 else {}
    except AnalysisError:
        return ""  # the cause says more than that the list cannot be had
    fitting = [one for one in titles if set(parameters or ()) <= set(has.get(one, ()))] if has else [*titles]
    if len(fitting) == 1:
        return fitting[0]
    if not titles or not isinstance(cause, UnknownProduct):
        return ""
    told = [
        f"{one}{'' if title == one else f' ({title})'}"
        + (f" has {', '.join(has[one][:NAMES])}{' …' if len(has[one]) > NAMES else ''}" if one in has else "")
        for one, title in titles.items()
    ]
    lacking = f", and none has {', '.join(parameters)}" if parameters and not fitting else ""
    raise UnknownProduct(
        f"{server} has no dataset {dataset!r}, but one for each of its time axes{lacking}: {'; '.join(told)}. Ask for "
        f"one of them, for example plasma.fetch('{server}/{next(iter(titles))}', start, stop)"
    ) from cause


def _names(server: str, dataset: str) -> list[str]:
    """Return the parameters of a dataset but its time."""
    from analysis.archives import hapi

    return [one["name"] for one in hapi.info(server, dataset)["parameters"]][1:]
