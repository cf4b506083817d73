"""How archives spell units: whole spellings, words, and the grammar that they write products in."""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["NO_UNIT", "WHOLE", "WORDS", "candidates"]

# Whole spellings first, as archives write them; then single words inside a longer spelling.
WHOLE = {
    "": "1",
    "#": "1",
    "#/cc": "cm-3",
    "#/cm3": "cm-3",
    "#/cm^3": "cm-3",
    "N/cc": "cm-3",
    "n/cc": "cm-3",
    "1/cc": "cm-3",
    "cm^-3": "cm-3",
    "Kelvin": "K",
    "kelvin": "K",  # as CF has it
    "degK": "K",
    "deg K": "K",  # to astropy degree times kelvin, which no archive means
    "Deg K": "K",
    "degree K": "K",
    "degrees K": "K",
    "Degrees K": "K",
    "degrees Kelvin": "K",
    "deg_K": "K",
    "Deg N": "deg",
    "Deg Kelvin": "K",
    "c/s": "ct s-1",
    "c/s/ster/cm^2/keV": "ct s-1 sr-1 cm-2 keV-1",
    "deg(C)": "deg_C",
    "Per cc": "cm-3",
    "per cc": "cm-3",
    "km_s": "km s-1",
    "km per sec": "km s-1",
    "degrees North": "deg",
    "degrees East": "deg",
    "TECU": "1e16 m-2",
    "degrees_north": "deg",
    "degrees_east": "deg",
    "degree_north": "deg",
    "degree_east": "deg",
    "degC": "deg_C",
    "deg C": "deg_C",
    "Deg C": "deg_C",
    "degree C": "deg_C",
    "degrees C": "deg_C",
    "Degrees C": "deg_C",
    "degrees Celsius": "deg_C",
    "Celsius": "deg_C",
    "dimensionless": "1",
    "unitless": "1",
    "none": "1",
    "None": "1",
    "N/A": "1",
    "n/a": "1",
    "ratio": "1",
    "index": "1",
    "channel": "chan",
    "eV/cm^2-s-sr-eV": "cm-2 s-1 sr-1",
    "eV/(cm^2-s-sr-eV)": "cm-2 s-1 sr-1",
    "1/cm^2-s-sr-keV": "cm-2 s-1 sr-1 keV-1",
    "1/(cm^2-s-sr-keV)": "cm-2 s-1 sr-1 keV-1",
    "1/(cm^2-s-sr-MeV)": "cm-2 s-1 sr-1 MeV-1",
    "1/(cm2 Sr sec MeV/nucleon)": "cm-2 s-1 sr-1 MeV-1",
    "K_CMB": "K",
    "mK_CMB": "mK",
    "uK_CMB": "uK",
    "Kcmb": "K",
    "mKcmb": "mK",
    "uKcmb": "uK",
    "K_RJ": "K",
    "mK_RJ": "mK",
    "uK_RJ": "uK",
    "mK,thermodynamic": "mK",
    "sfu": "1e-22 W m-2 Hz-1",
}
WORDS = {
    "particles": "1",
    "particle": "1",
    "ions": "1",
    "protons": "1",
    "#": "1",
    "counts": "ct",
    "Counts": "ct",
    "COUNTS": "ct",
    "cnts": "ct",
    "photons": "ph",
    "ster": "sr",
    "cc": "cm3",
    "Re": "R_earth",
    "RE": "R_earth",
    "R_E": "R_earth",
    "R_J": "R_jup",
    "Rj": "R_jup",
    "RJ": "R_jup",
    "seconds": "s",
    "secs": "s",
    "sec": "s",
    "milliseconds": "ms",
    "msec": "ms",
    "nanoseconds": "ns",
    "hours": "h",
    "days": "d",
    "degrees": "deg",
    "Degrees": "deg",
    "Deg": "deg",
    "radians": "rad",
    "amps": "A",
    "Amps": "A",
    "milliamps": "mA",
    "cts": "ct",
    "Celcius": "deg_C",
    "EarthRadii": "R_earth",
    "Rayleighs": "R",
    "KiloRayleighs": "kR",
    "ENAs": "1",
    "Particles": "1",
    "ergs": "erg",
    "str": "sr",
    "Sr": "sr",
    "Protons": "1",
    "Weeks": "wk",
    "Pascals": "Pa",
    "pascals": "Pa",
    "Volts": "V",
    "volts": "V",
    "Watts": "W",
    "watts": "W",
    "meters": "m",
    "kilometers": "km",
    "AU": "au",
    "Au": "au",
    "KM": "km",
    "Km": "km",
    "Hr": "h",
    "kev": "keV",
    "Kev": "keV",
    "ev": "eV",
    "NT": "nT",
    "nanotesla": "nT",
    "nanoTesla": "nT",
    "percent": "%",
    "PERCENT": "%",
}

# Said of numbers without a unit, in any letter case.
NO_UNIT = {
    *("dimensionless", "unitless", "none", "integer", "index", "flag", "fraction", "fractional", "binary", "ratio"),
    *("normalized", "fractional error", "bitmask", "boolean", ".", "-", "--", "n/a", "arb", "arbitrary"),
}
REMARK = re.compile(
    r"\s*\((all qs?|good qs?|all flags)\)$|\s+(GSE|GSM|GEI|GEO|DSL|SSL|SM|RTN|MSO|KSO|J2000)$", re.IGNORECASE
)
# "a/b c/d" is read in two ways; "degrees F" would be degrees times farad.
AMBIGUOUS = re.compile(r"/[^/()]*\s[^/()]*/|^deg\w*\s+[a-z]", re.IGNORECASE)
SCALE = re.compile(r"(?<![A-Za-z_])([mun]?K)_?(?:CMB|RJ)(?![A-Za-z])", re.IGNORECASE)  # K_CMB^2: the scale is no unit
MICRO = re.compile(r"(?<![A-Za-z_])(?:mu_?|micro|\\mu\s*|µ|μ)K", re.IGNORECASE)  # muK_CMB
POWER = re.compile(r"\(\s*([A-Za-z]+)/([A-Za-z]+)\s*\)\s*(?:\^|\*\*)\s*(\d)")  # (MJy/sr)^2
MARKUP = re.compile(r"![EU]\s*([-+]?\d+)\s*!N", re.IGNORECASE)  # IDL: !E up, !N normal
# A product in a denominator, written with hyphens or stars: cm^2-s-sr-keV, cm**2*sr*s*MeV/nuc
FACTOR = r"(?:SQcm|delta-eV|[A-Za-z]+(?:(?:\^|\*\*)?\d)?(?:/(?:nuc(?:leon)?\.?|n))?)"
RATE = re.compile(rf"(1|#|[A-Za-z]+)?\s*/\s*\(?\s*({FACTOR}(?:\s*[-*.\s]\s*{FACTOR})+)\s*\)?", re.IGNORECASE)
INVERSE = re.compile(rf"\(\s*({FACTOR}(?:\s*[-*.\s]\s*{FACTOR})*)\s*\)\s*(?:\^|\*\*)\s*-1", re.IGNORECASE)
# The only factors that such products are taken apart into; anything else stays unknown.
FACTORS = {
    **{"cm2": "cm2", "sqcm": "cm2", "cm3": "cm3", "cc": "cm3", "m2": "m2", "m3": "m3", "km2": "km2"},
    **{"s": "s", "sec": "s", "second": "s", "seconds": "s"},
    **{"sr": "sr", "ster": "sr", "str": "sr", "steradian": "sr"},
    **{"ev": "eV", "kev": "keV", "mev": "MeV", "gev": "GeV", "hz": "Hz", "delta-ev": "eV"},
}
NUMERATORS = {
    **dict.fromkeys(("", "1", "#", "particles", "particle", "enas", "protons", "electrons", "ions"), ""),
    **dict.fromkeys(("c", "counts", "count", "cnts", "cts", "ct"), "ct"),
    **{"ev": "eV", "kev": "keV", "ergs": "erg", "erg": "erg", "mw": "mW", "photons": "ph"},
}


def candidates(text: str) -> Iterator[str]:
    """Give the ways in which a spelling may be meant, the likeliest first; who asks takes the first that is a unit.

    Examples
    --------
    >>> next(candidates("#/(cm^2-s-sr-MeV/nuc)")), next(candidates("km/s (All Qs)")), next(candidates("Unitless"))
    ('cm-2 s-1 sr-1 MeV-1', 'km/s', '1')
    """
    bare = REMARK.sub("", REMARK.sub("", text)).strip()
    if wrapped := re.fullmatch(r"[(\[]\s*([^()\[\]]+?)\s*[)\]]", bare):
        bare = wrapped[1]
    if bare.strip("()[]").lower() in NO_UNIT:
        yield "1"
        return
    if bare in WHOLE:
        yield WHOLE[bare]
        return
    bare = SCALE.sub(r"\1", MICRO.sub("uK", re.sub(r"\s*/\s*", "/", bare)))
    if power := POWER.fullmatch(bare):
        bare = f"{power[1]}{power[3]}/{power[2]}{power[3]}"
    if AMBIGUOUS.search(bare):
        return
    plain = MARKUP.sub(r"\1 ", bare)
    plain = re.sub(r"![A-Z]", " ", plain, flags=re.IGNORECASE).strip()
    plain = re.sub(r"\^?\{\s*([-+]?\d+)\s*\}", r"\1", plain)  # TeX exponents
    plain = plain.translate(str.maketrans("[]{}⁻⁰¹²³⁴", "()()-01234"))
    if found := _product(plain):
        yield found
    if bare != text and plain:
        yield plain
    words = re.sub(r"[A-Za-z_]+|#", lambda m: WORDS.get(m[0], m[0]), plain)
    folded = re.sub(r"[A-Za-z_]+", lambda m: LOWER.get(m[0].lower(), m[0]), words)
    powers = re.sub(r"\(([A-Za-z]+)\)\s*\^", r"\1^", words)  # astropy takes ^ after a word only
    # In lower case an ampere would be a year and a newton metre a nanometre: long words only.
    long = all(len(word) > 2 for word in re.findall(r"[A-Za-z_]+", words))
    yield from (known for known in (plain, words, powers, folded, words.lower() if long else "") if known)


def _product(text: str) -> str:
    """Return a product in a denominator as astropy writes it, "" if any part of it is not known."""
    if whole := RATE.fullmatch(text):
        above, below = NUMERATORS.get((whole[1] or "").lower()), whole[2]
    elif whole := INVERSE.fullmatch(text):
        above, below = "", whole[1]
    else:
        return ""
    if above is None:
        return ""
    factors = []
    for factor in re.findall(FACTOR, below, re.IGNORECASE):
        known = re.sub(r"\^|\*\*|/.*", "", factor).lower()
        if known not in FACTORS:
            return ""
        factors.append(FACTORS[known])
    inverse = " ".join(re.sub(r"([A-Za-z]+)(\d?)", lambda m: f"{m[1]}-{m[2] or 1}", factor) for factor in factors)
    return f"{above} {inverse}".strip()


LOWER = {word.lower(): unit for word, unit in WORDS.items()}
