"""What a HEALPix header says about the pixels: resolution, order, which column numbers them, sky frame.

A word that is not known is refused and named: a map read in the wrong order or frame looks like a sky.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from analysis.errors import BadOption, CorruptFile, UnknownFormat
from analysis.formats import _fitscolumns as table
from analysis.formats import _fitsmeta as meta
from analysis.formats._fitscolumns import Column
from analysis.formats._fitsio import Hdu, text, whole

PIXEL = ("pixel", "pix", "ipix", "pixel_id", "hpix", "hpxpixel", "pixel_index", "pixnum")
INDEX = (*PIXEL, "index", "cell", "cell_id", "cell_ids")  # the last ones are maps, too, unless INDXSCHM = EXPLICIT
ORDERINGS = {"RING": "RING", "NEST": "NESTED", "NESTED": "NESTED"}
FRAMES = {
    **dict.fromkeys(("G", "GAL", "GALACTIC"), "galactic"),
    **dict.fromkeys(("C", "Q", "EQ", "CEL", "CELESTIAL", "ICRS", "J2000", "EQUATORIAL", "FK5"), "icrs"),
    **dict.fromkeys(("E", "ECL", "ECLIPTIC"), "ecliptic"),
}
POLCONVS = ("COSMO", "IAU")
LARGEST_LEVEL = 29  # where cell ids fill 64-bit integers


@dataclass(frozen=True)
class Grid:
    """How a file's pixels lie: resolution, and whether they come in NESTED order."""

    nside: int
    level: int
    nested: bool

    @property
    def cells(self) -> int:
        """Cells of the whole sky."""
        return 12 * self.nside**2


def multi_order(hdu: Hdu) -> bool:
    """Return whether the table has cells of several sizes (a MOC, or a map on one)."""
    return text(hdu, "ORDERING").upper() in ("NUNIQ", "UNIQ", "RANGE") or (
        not text(hdu, "NSIDE") and (bool(text(hdu, "MOCORDER")) or "uniq" in table.columns(hdu))
    )


def grid(hdu: Hdu, known: meta.Facts) -> Grid:
    """Return resolution and order of the pixels.

    Raises
    ------
    UnknownFormat
        For a multi-order map.
    CorruptFile
        If NSIDE is no power of two, or ORDERING is a word that nobody knows and the caller states none.
    BadOption
        If the caller's ordering is neither RING nor NESTED, or contradicts the header.
    """
    if multi_order(hdu):
        raise UnknownFormat(
            f"{hdu.where} is a multi-order map (MOC) in a file with other maps, which is not read; "
            "write it to a file of its own"
        )
    nside = whole(hdu.header, "NSIDE", hdu.where, 0)
    level = nside.bit_length() - 1
    if nside < 1 or nside != 1 << level or level > LARGEST_LEVEL:
        raise CorruptFile(f"{hdu.where}: NSIDE = {nside} is no power of two up to 2^{LARGEST_LEVEL}")
    said = text(hdu, "ORDERING").upper()
    stated = ORDERINGS.get(said)
    if "ordering" in known.given:
        told = ORDERINGS.get(known.given["ordering"].upper())
        if told is None:
            raise BadOption(f"assume={{'ordering': {known.given['ordering']!r}}} is neither 'RING' nor 'NESTED'")
        known.given = {**known.given, "ordering": told}
    elif stated is None and said.lower() not in meta.SILENT:
        raise CorruptFile(
            f"{hdu.where}: ORDERING = {said!r} is neither 'RING' nor 'NESTED'; "
            "say which with assume={'ordering': 'RING'} or 'NESTED'"
        )
    return Grid(nside, level, known.fact("ordering", stated, "RING", hdu.where) == "NESTED")


def pixel_column(hdu: Hdu, columns: Mapping[str, Column]) -> Column | None:
    """Return the column of pixel numbers, None where every pixel of a range is there in order.

    Raises
    ------
    UnknownFormat
        If INDXSCHM announces such a column and none has a known name, or if its word is not known.
    """
    scheme = text(hdu, "INDXSCHM").upper()
    if scheme == "EXPLICIT":
        found = next((columns[name] for name in INDEX if name in columns), None)
        if found is None:
            raise UnknownFormat(
                f"{hdu.where}: INDXSCHM = 'EXPLICIT' announces a column of pixel numbers, but none of its columns "
                f"({', '.join(columns)}) is called {', '.join(INDEX).upper()}; rename the one that is"
            )
        return found
    if scheme not in ("IMPLICIT", "") and scheme.lower() not in meta.SILENT:
        raise UnknownFormat(f"{hdu.where}: INDXSCHM = {scheme!r} is not read; 'IMPLICIT' and 'EXPLICIT' are")
    return next((columns[name] for name in PIXEL if name in columns), None)


def frame(hdu: Hdu, primary: Hdu, known: meta.Facts) -> str:
    """Return the sky frame: galactic, icrs or ecliptic, or what the caller states.

    WMAP states it in the primary header only.

    Raises
    ------
    UnknownFormat
        If COORDSYS is a word that is not known and the caller states no frame.
    """
    places = [(place, key) for place in (hdu, primary) for key in ("COORDSYS", "SKYCOORD")]
    key, said = next(((key, text(p, key).upper()) for p, key in places if text(p, key)), ("COORDSYS", ""))
    stated = FRAMES.get(said)
    if "frame" in known.given:
        known.given = {**known.given, "frame": known.given["frame"].lower()}
        if stated is None and said.lower() not in meta.SILENT:
            known.notes.append(f"{key} = {said!r} is not known; the frame is the caller's")
    elif stated is None and said.lower() not in meta.SILENT:
        raise UnknownFormat(
            f"{hdu.where}: {key} = {said!r} is none of {', '.join(FRAMES)}; "
            "if the map is in one of these, say so: assume={'frame': 'galactic'}, 'icrs' or 'ecliptic'"
        )
    return known.fact("frame", stated, "galactic", hdu.where)


def polconv(hdu: Hdu, primary: Hdu, known: meta.Facts) -> str | None:
    """Return the polarization convention that the headers state, COSMO or IAU; None if they are silent.

    Raises
    ------
    UnknownFormat
        If POLCCONV is another word and the caller states none.
    BadOption
        If what the caller states is neither.
    """
    if "polconv" in known.given:
        known.given = {**known.given, "polconv": known.given["polconv"].upper()}
        if known.given["polconv"] not in POLCONVS:
            raise BadOption(f"assume={{'polconv': {known.given['polconv']!r}}} is neither 'COSMO' nor 'IAU'")
    places = [(place, key) for place in (hdu, primary) for key in ("POLCCONV", "POLCONV")]
    key, said = next(((key, text(p, key).upper()) for p, key in places if text(p, key)), ("POLCCONV", ""))
    if said in POLCONVS:
        return said
    if said.lower() in meta.SILENT:
        return None
    if "polconv" not in known.given:
        raise UnknownFormat(
            f"{hdu.where}: {key} = {said!r} is neither 'COSMO' nor 'IAU', so the sign of U is not known; "
            "say which with assume={'polconv': 'COSMO'} or 'IAU'"
        )
    known.notes.append(f"{key} = {said!r} is not known; the convention is the caller's")
    return None
