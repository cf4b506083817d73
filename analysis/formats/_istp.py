"""What the attributes of the ISTP guidelines say of a file and its variables; no reading, no arrays of data.

References
----------
NASA Space Physics Data Facility, *ISTP Metadata Guidelines*, https://spdf.gsfc.nasa.gov/istp_guide/
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from analysis.formats._facts import NOT_STATED

ENERGY_UNITS = ("eV", "keV", "MeV", "GeV")
ANGLE_UNITS = ("deg", "rad", "1", "")  # of the axes of a distribution; some files state none
COMPONENTS = (("x", "y", "z"), ("r", "t", "n"), ("l", "m", "n"), ("n", "e", "c"))
FRAMES = (
    *(
        "GSE",
        "GSM",
        "GEO",
        "GEI",
        "GCI",
        "GSEQ",
        "RTN",
        "SRF",
        "MSO",
        "MSE",
        "VSO",
        "KSO",
        "JSO",
        "JSS",
        "KSM",
    ),
    *(
        "HCI",
        "HEE",
        "HEEQ",
        "HAE",
        "HGI",
        "HGS",
        "HGC",
        "DSL",
        "SSL",
        "LMN",
        "FAC",
        "NEC",
        "URF",
        "SCSE",
        "J2000",
    ),
)
WORDS = {  # attributes kept as they are, and what they are called here
    "CATDESC": "catdesc",
    "LABLAXIS": "label",
    "VAR_NOTES": "notes",
    "SCALETYP": "scale_type",
    "DISPLAY_TYPE": "display_type",
    "SI_CONVERSION": "si_conversion",
    "VAR_TYPE": "var_type",
}
SHORT_FRAMES = ("SM",)  # words of their own only: "SM" also stands in many a name
SPELLED = (
    (r"\bgeographic(?:al)?\b", "GEO"),
    (r"\bgeocentric[ -]solar[ -]ecliptic\b", "GSE"),
    (r"\bgeocentric[ -]solar[ -]magnet\w+\b", "GSM"),
    (r"\bsolar[ -]magnetic\b", "SM"),
    (r"\bmercury[ -]solar[ -]orbital\b", "MSO"),
    (r"\bradial[ -]tangential[ -]normal\b", "RTN"),
    (r"\b(?:spacecraft|s/?c)(?: xyz)? (?:coord\w*|frame|system)", "SC"),
)
_FRAME = re.compile(rf"(?<![A-Za-z])[BEVXYZ]?({'|'.join(FRAMES)})(?![A-Za-z])", re.IGNORECASE)
_SHORT = re.compile(rf"(?<![A-Za-z])({'|'.join(SHORT_FRAMES)})(?![A-Za-z])")
_CRAFT = re.compile(r"(?<=[^A-Za-z])SC(?![A-Za-z])")  # at the beginning it says whose position, not in which frame
_VECTOR = re.compile(
    r"vector|velocity|field|position|direction|flow|displacement|heat flux|acceleration", re.IGNORECASE
)
_ANGLES = (
    ("theta", re.compile(r"(?<![a-z])theta(?![a-z])|polar|elevation", re.IGNORECASE)),
    ("phi", re.compile(r"(?<![a-z])phi(?![a-z])|azimuth", re.IGNORECASE)),
)
_UNIX = re.compile(r"\bs(?:ec\w*)? +since\b[^;.]*\b1970\b|\bunix +(?:time|epoch|seconds)\b", re.IGNORECASE)
_DOI = re.compile(r"10\.\d{4,9}/[^\s\"'<>,;)]+")

Attributes = Mapping[str, object]


def text(attributes: Attributes, *names: str) -> str | None:
    """Return the first of these attributes that says something, in one line; None if none does.

    Examples
    --------
    >>> text({"FIELDNAM": "\\0", "CATDESC": "Magnetic  field "}, "FIELDNAM", "CATDESC")
    'Magnetic field'
    """
    for name in names:
        value = attributes.get(name)
        said = " ".join(value.replace("\0", " ").split()) if isinstance(value, str) else ""  # CDF pads with NULs
        if said and said != "None":
            return said
    return None


def components(labels: Sequence[str]) -> tuple[str, str, str] | None:
    """Return the letters of a vector's three components if that is what three labels name.

    Examples
    --------
    >>> components(["Bx GSM", "By GSM", "Bz GSM"]), components(["B_R", "B_T", "B_N"])
    (('x', 'y', 'z'), ('r', 't', 'n'))
    >>> components(["Year", "Day", "msec"]) is None
    True
    """
    if len(labels) != 3:
        return None
    words = []
    for label in labels:
        plain = re.sub(r"\([^)]*\)", " ", label)
        bare = re.sub(rf"(?<![A-Za-z])([xyzrtn]?)(?:{'|'.join(FRAMES)})(?![A-Za-z])", r"\1", plain, flags=re.IGNORECASE)
        words.append(re.findall("[a-z]+", bare.lower()))
    for letters in COMPONENTS:
        if all(any(re.fullmatch(f"[a-z]?{a}", word) for word in said) for a, said in zip(letters, words, strict=True)):
            return letters
    return None


def sounds_like_a_vector(name: str, attributes: Attributes) -> bool:
    """Return whether a variable with an unlabelled axis of three is called a vector by its names.

    Examples
    --------
    >>> sounds_like_a_vector("velocity", {}), sounds_like_a_vector("Time_PB5", {})
    (True, False)
    """
    if str(attributes.get("TENSOR_ORDER", "")).strip(" []") == "1":
        return True
    said = (name, *(text(attributes, key) or "" for key in ("FIELDNAM", "CATDESC", "LABLAXIS")))
    return any(_VECTOR.search(word) for word in said)


def frame_stated(name: str, attributes: Attributes, labels: Sequence[str] = ()) -> str | None:
    """Return the frame that a variable's attributes, name or labels state; None if none or several are named.

    Where they are sought, first that says one wins: an attribute made for it, the name, the labels, descriptions.
    "SC" counts last, as it also names the spacecraft that a vector belongs to.

    Examples
    --------
    >>> frame_stated("BGSM", {}), frame_stated("Position", {"CATDESC": "Position in geographic coordinates"})
    ('GSM', 'GEO')
    >>> frame_stated("psp_fld_l2_mag_RTN_1min", {}), frame_stated("v", {"CATDESC": "GSE and GSM"}) is None
    ('RTN', True)
    >>> frame_stated("tha_fgs_gseQ", {}), frame_stated("B_GSEQ", {})
    ('GSE', 'GSEQ')
    >>> frame_stated("SC_pos", {"CATDESC": "Spacecraft position in GSE coordinates"}), frame_stated("B_SC", {})
    ('GSE', 'SC')
    """
    made = text(attributes, "COORDINATE_SYSTEM", "COORDINATE_SYSTEM_NAME", "COORD_SYS", "FRAME", "REFERENCE_FRAME")
    if made:
        short, full = made.split(">")[0], made.split(">")[-1]
        return _one_frame(short) or ("SC" if short.strip().upper() == "SC" else _one_frame(full)) or made
    descriptions = [text(attributes, key) or "" for key in ("FIELDNAM", "LABLAXIS", "CATDESC", "VAR_NOTES")]
    everywhere = (name, " ".join(labels), *descriptions)
    found = next((frame for said in everywhere if (frame := _one_frame(said))), None)
    return found or ("SC" if any(_CRAFT.search(said) and not _frames(said) for said in everywhere) else None)


def _one_frame(said: str) -> str | None:
    found = _frames(said)
    return found.pop() if len(found) == 1 else None


def _frames(said: str) -> set[str]:
    # "gseQ" is THEMIS's GSE with a Q for data of good quality, not the frame GSEQ.
    found = {re.sub("(?<=[a-z])Q$", "", match).upper() for match in _FRAME.findall(said)} | set(_SHORT.findall(said))
    return found | {frame for pattern, frame in SPELLED if re.search(pattern, said, re.IGNORECASE)}


def direction(said: Sequence[str]) -> str | None:
    """Return which axis of a distribution of directions is meant, "theta" or "phi"; the first words that tell count.

    Examples
    --------
    >>> direction(["mms1_dis_phi_brst", "Azimuth in polar coordinates"]), direction(["Elevation"]), direction(["E"])
    ('phi', 'theta', None)
    """
    for words in said:
        found = [angle for angle, pattern in _ANGLES if pattern.search(words.replace("_", " "))]
        if len(found) == 1:
            return found[0]
    return None


def angle_from(said: Sequence[str], lowest: float, highest: float) -> str | None:
    """Return from where the angles ``theta`` count: "pole" or "equator"; None if neither words nor degrees tell.

    Examples
    --------
    >>> angle_from(["mms1_dis_theta_brst", "Polar angle"], 5.6, 174.4), angle_from(["Elevation"], -22.5, 22.5)
    ('pole', 'equator')
    >>> angle_from(["theta"], 0, 80) is None
    True
    """
    words = " ".join(said).lower()
    if lowest < 0:
        return "equator"
    if highest > 90:
        return "pole"
    polar, level = (re.search(p, words) is not None for p in ("polar|colat|zenith", "elevation|(?<!co)latitude"))
    return None if polar == level else "pole" if polar else "equator"


def counts_from_1970(attributes: Attributes) -> bool:
    """Return whether a variable says that its numbers are seconds since 1970, as those of THEMIS do.

    Examples
    --------
    >>> counts_from_1970({"UNITS": "sec", "CATDESC": "UTC, in seconds since 01-Jan-1970 00:00:00"})
    True
    >>> counts_from_1970({"UNITS": "sec"})
    False
    """
    said = (text(attributes, key) or "" for key in ("UNITS", "CATDESC", "FIELDNAM", "LABLAXIS", "VAR_NOTES"))
    return any(_UNIX.search(words) for words in said)


def name_stated(attributes: Attributes, variables: Sequence[str]) -> str | None:
    """Return what a variable is called for people: FIELDNAM unless it repeats a variable's name, else CATDESC …

    Examples
    --------
    >>> name_stated({"FIELDNAM": "FPDU", "CATDESC": "HOPE differential proton flux"}, ["FPDU"])
    'HOPE differential proton flux'
    """
    names = {v.casefold() for v in variables}
    said = [text(attributes, key) for key in ("FIELDNAM", "CATDESC", "LABLAXIS")]
    better = [words for words in said if words and words.casefold() not in names]
    return better[0] if better else next((words for words in said if words), None)


def more(attributes: Attributes, long_name: str) -> dict[str, object]:
    """Return further attributes worth keeping, in types that netCDF keeps too.

    Examples
    --------
    >>> more({"CATDESC": "B, 1 min", "VALIDMIN": [-65536.0], "VAR_NOTES": " "}, "Magnetic field")
    {'catdesc': 'B, 1 min', 'valid_min': -65536.0}
    """
    kept: dict[str, object] = {}
    for key, ours in WORDS.items():
        said = text(attributes, key)
        if said and said != long_name:
            kept[ours] = said
    for key, ours in (("DELTA_PLUS_VAR", "delta_plus"), ("DELTA_MINUS_VAR", "delta_minus")):
        if said := text(attributes, key):
            kept[ours] = said
    for key, ours in (("VALIDMIN", "valid_min"), ("VALIDMAX", "valid_max")):
        values = attributes.get(key)
        if isinstance(values, list) and values and all(isinstance(v, int | float) for v in values):
            kept[ours] = values[0] if len(set(values)) == 1 else list(values)
    return kept


def of_file(attributes: Mapping[str, Sequence[object]], file: str) -> dict[str, str]:
    """Return the global attributes of the data contract, all but history and provenance.

    Parameters
    ----------
    attributes : mapping
        The file's global attributes, each a list of entries.
    file : str
        Name of the file, a last resort for the title.

    Examples
    --------
    >>> of_file({"TITLE": ["PSP MAG"], "PI_affiliation": ["UC Berkeley"]}, "a.cdf")["institution"]
    'UC Berkeley'
    """
    said = {
        key.upper(): [e.replace("\0", " ").strip() for e in entries if isinstance(e, str)]
        for key, entries in attributes.items()
    }

    def entry(*names: str) -> str:
        return next((" ".join(e for e in said[n] if e) for n in names if any(said.get(n, ()))), "")

    origin = ", ".join(dict.fromkeys(part.split(">")[-1] for n in ("SOURCE_NAME", "DESCRIPTOR") if (part := entry(n))))
    dois = _DOI.findall(" ".join((entry("DOI"), entry("TEXT"), entry("ACKNOWLEDGEMENT"))))
    links = [e for e in said.get("HTTP_LINK", ()) if e]
    references = dict.fromkeys([*(f"https://doi.org/{doi.rstrip('.')}" for doi in dois), *links])
    return {
        "title": entry("TITLE", "LOGICAL_SOURCE_DESCRIPTION", "LOGICAL_SOURCE") or file,
        "institution": entry("PI_AFFILIATION", "INSTITUTION", "GENERATED_BY") or NOT_STATED,
        "source": origin or entry("LOGICAL_SOURCE") or NOT_STATED,
        "references": "\n".join(references) or NOT_STATED,
        "license": entry("LICENSE", "RULES_OF_USE", "TERMSOFUSE") or NOT_STATED,
        **{
            ours: words
            for key, ours in (
                ("PI_NAME", "creator"),
                ("ACKNOWLEDGEMENT", "acknowledgement"),
                ("LOGICAL_FILE_ID", "id"),
                ("DATA_VERSION", "version"),
            )
            if (words := entry(key))
        },
    }
