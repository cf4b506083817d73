"""The frames of the Earth as a table: how their axes stand, and by which turns each is reached from another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analysis.errors import BadOption
from analysis.plasma.ephemeris import ARCSEC, Angles, equator_steps, precession_steps
from analysis.plasma.rotations import Step
from analysis.plasma.vectors import refuse_unknown


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One frame: how its axes stand, and by which turns it is reached from its parent."""

    x: str
    z: str
    parent: str = ""
    needs: tuple[str, ...] = ()  # the angles that the turns take, see ephemeris.angles
    steps: Callable[[Angles], list[Step]] = lambda at: []
    origin: str = "Earth"
    aliases: tuple[str, ...] = ()


# A tree: the way between two frames goes up to where their branches meet and down again.
FRAMES = {
    "J2000": Frame(
        x="mean equinox of J2000.0",
        z="mean pole of J2000.0",
        origin="any",
        aliases=("EME2000", "GEI_J2000", "GEIJ2000", "ICRF"),
    ),
    "ECLIPJ2000": Frame(
        x="mean equinox of J2000.0",
        z="pole of the ecliptic of J2000.0",
        parent="J2000",
        steps=lambda at: [("x", 84381.448 * ARCSEC)],
        origin="any",
        aliases=("ECLIPTIC_J2000",),
    ),
    "GEI": Frame(
        x="mean equinox of date",
        z="mean pole of date",
        parent="J2000",
        needs=("precession",),
        steps=precession_steps,
        origin="any",
        aliases=("GEI_MOD", "GEI_OF_DATE"),
    ),
    "GEO": Frame(
        x="Greenwich meridian",
        z="north pole of date",
        parent="GEI",
        needs=("equator",),
        steps=equator_steps,
        aliases=("ECEF", "ITRF"),
    ),
    "MAG": Frame(
        x="meridian of the dipole's northern pole, 90° south of it",
        z="northern axis of the dipole",
        parent="GEO",
        needs=("pole",),
        steps=lambda at: [("z", at["longitude"]), ("y", at["colatitude"])],
    ),
    "GSE": Frame(
        x="Sun",
        z="pole of the ecliptic of date",
        parent="GEI",
        needs=("sun",),
        steps=lambda at: [("x", at["obliquity"]), ("z", at["sun"])],
    ),
    "GSM": Frame(
        x="Sun",
        z="half plane of the dipole's northern axis",
        parent="GSE",
        needs=("dipole",),
        steps=lambda at: [("x", at["roll"])],
    ),
    "SM": Frame(
        x="half plane of the Sun",
        z="northern axis of the dipole",
        parent="GSM",
        needs=("dipole",),
        steps=lambda at: [("y", at["tilt"])],
    ),
    "GSEQ": Frame(
        x="Sun",
        z="half plane of the Sun's northern axis",
        parent="GSE",
        needs=("solar",),
        steps=lambda at: [("x", at["solar_roll"])],
    ),
    "HEE": Frame(
        x="from the Sun to the Earth",
        z="pole of the ecliptic of date",
        parent="GSE",
        steps=lambda at: [("z", np.pi)],
        origin="Sun",
    ),
    "HEEQ": Frame(
        x="half plane of the Earth",
        z="northern axis of the Sun",
        parent="GSEQ",
        needs=("solar",),
        steps=lambda at: [("z", np.pi), ("y", -at["solar_tilt"])],
        origin="Sun",
        aliases=("HGS", "STONYHURST"),
    ),
}
ALIASES = {alias: name for name, frame in FRAMES.items() for alias in frame.aliases}
AMBIGUOUS = {
    word: "GEI (equator and equinox of date) or J2000, which are 0.37° apart by 2026"
    for word in ("ECI", "GCI", "GEI_TOD")
}


def frame_named(word: object, what: str = "frame") -> str:
    """Return the name of a frame for a name or alias in any letter case.

    Raises
    ------
    BadOption
        With the nearest names, or with what an ambiguous one could mean.

    Examples
    --------
    >>> frame_named("eme2000"), frame_named("gsm")
    ('J2000', 'GSM')
    """
    text = word.strip().upper().replace(" ", "_") if isinstance(word, str) else word
    if isinstance(text, str) and text in AMBIGUOUS:
        raise BadOption(f"{what} {word!r} is said of several frames; give {AMBIGUOUS[text]}")
    if isinstance(text, str) and text in ALIASES:
        return ALIASES[text]
    return refuse_unknown(text, FRAMES, what)
