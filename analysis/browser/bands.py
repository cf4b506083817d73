"""Which energies or frequencies a product holds, as far as it is stated: in eV, so that one filter does for all."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.resources import files

from analysis import catalogue
from analysis.errors import BadOption

Band = tuple[float, float]  # lowest and highest, eV
PLANCK = 4.135667696e-15  # h, eV s: exact in the SI of 2019 to the digits given
UNITS = {
    **{unit.casefold(): size for unit, size in {"eV": 1.0, "keV": 1e3, "MeV": 1e6, "GeV": 1e9}.items()},
    **{
        unit.casefold(): size * PLANCK
        for unit, size in {"Hz": 1.0, "kHz": 1e3, "MHz": 1e6, "GHz": 1e9, "THz": 1e12}.items()
    },
}
_NUMBER = r"(\d+(?:\.\d*)?(?:e[+-]?\d+)?)"
_UNIT = r"([kMGT]?(?:eV|Hz))"


def reach(text: str) -> Band:
    """Return the lowest and highest energy (eV) of a text: ``"2-10 keV"``, ``"94 GHz"``, ``"500 eV to 2 keV"``.

    Raises
    ------
    BadOption
        If it is no energy or frequency with a unit, or its ends are not rising.

    Examples
    --------
    >>> reach("0.5 - 8 keV")
    (500.0, 8000.0)
    """
    said = re.fullmatch(rf"{_NUMBER}\s*{_UNIT}?\s*(?:(?:-|–|to|\.\.)\s*{_NUMBER}\s*{_UNIT})?", text.strip(), re.I)
    unit = said and (said[4] or said[2])
    if said is None or unit is None:
        raise BadOption(f"{text!r} is no energy or frequency; write for example 2-10 keV, 94 GHz or 60-100 GHz")
    low = float(said[1]) * UNITS[(said[2] or unit).casefold()]
    high = low if said[3] is None else float(said[3]) * UNITS[unit.casefold()]
    if high < low:
        raise BadOption(f"the band {text!r} ends below its beginning")
    return low, high


def bands_of(domain: str, name: str) -> tuple[Band, ...]:
    """Return the bands (eV) of a product, empty where none is stated.

    Those of maps are what their declaration says (in titles, keywords and attributes); those of instruments that count
    photons or particles are in ``bands.toml``, each with its source.

    Examples
    --------
    >>> bands_of("cmb", "wmap7_w_iqu")[0] == reach("94 GHz")
    True
    """
    return _stated().get(name) or (_of_declaration(domain, name) if domain == "cmb" else ())


def frequencies_of(domain: str, name: str) -> list[float]:
    """Return the band centres (GHz) that a declaration names, in rising order.

    Examples
    --------
    >>> frequencies_of("cmb", "planck_lfi_map")
    [30.0, 44.0, 70.0]
    """
    found = catalogue.product(domain, name)
    given = [str(attrs.get("frequency", "")) for attrs in found.attrs.values()]
    text = " ; ".join([found.title, *found.keywords, *given])
    return sorted({float(number) for number in re.findall(r"(\d+(?:\.\d+)?) GHz", text)})


@cache
def _of_declaration(domain: str, name: str) -> tuple[Band, ...]:
    return tuple(reach(f"{number} GHz") for number in frequencies_of(domain, name))


@cache
def _stated() -> dict[str, tuple[Band, ...]]:
    table = tomllib.loads((files("analysis.browser") / "bands.toml").read_text("utf-8"))
    found: dict[str, tuple[Band, ...]] = {}
    for keys in table["band"]:
        for name in keys["products"]:
            found[name] = (*found.get(name, ()), reach(keys["band"]))
    return found
