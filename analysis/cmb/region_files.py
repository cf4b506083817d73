"""Masks from regions of the sky as DS9 writes them: circles, annuli and polygons, as text or in a file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.cmb.drawn_regions import inside_outline
from analysis.cmb.maps import cell_ids, checked_nside
from analysis.cmb.masks import named_mask
from analysis.cmb.rotation import FRAMES
from analysis.errors import BadOption, CorruptFile, MissingFile
from analysis.model import near

if TYPE_CHECKING:
    from numpy.typing import NDArray

SYSTEMS = {"icrs": "icrs", "fk5": "fk5", "j2000": "fk5", "galactic": "galactic", "ecliptic": "ecliptic"}
SHAPES = ("circle", "annulus", "polygon")
UNITS = {"": 1.0, "d": 1.0, "°": 1.0, "'": 1 / 60, '"': 1 / 3600, "r": 180 / np.pi}
WIDEST = 80.0  # degrees from the middle of a polygon to its corners: its sides are straight on a tangent plane
LONGEST = 1_000_000  # characters
IGNORED = ("global", "#")
EXAMPLE = "'galactic; circle(184.56, -5.78, 2d)', 'fk5; polygon(5h34m, +22d, 5h40m, +22d, 5h37m, +25d)', or a file"


def region_mask(nside: int, regions: str | Path, *, frame: str = "galactic") -> xr.DataArray:
    """Return the mask that leaves out what lies inside regions of the sky as DS9 writes them.

    Parameters
    ----------
    nside : int
        Power of two.
    regions : str or path
        DS9's text, or a file of it: ``circle``, ``annulus`` and ``polygon`` in ``fk5``, ``icrs``, ``galactic`` or
        ``ecliptic``, in degrees or sexagesimal; radii in degrees or with d, ' or ". Sides of polygons are great
        circles. A shape after a minus is taken out of the regions before it: its cells are kept.
    frame : {"galactic", "icrs", "ecliptic"}, optional
        Of the mask.

    Returns
    -------
    xarray.DataArray
        ``mask``, bool, dim ``cells``: False where the cell's centre is inside.

    Raises
    ------
    BadOption
        If there is no region, a shape or a frame is unknown, or an angle is out of range.
    MissingFile, CorruptFile
        If a file is not there, or is no text.

    References
    ----------
    SAOImage DS9 reference manual, "Regions" (the format); Górski et al. 2005, ApJ 622, 759, doi:10.1086/427976.

    Examples
    --------
    >>> mask = region_mask(64, "galactic; circle(0, 90, 30d)")
    >>> round(float(1 - mask.mean()), 3)  # (1 − cos 30°) / 2
    0.067
    """
    nside = checked_nside(nside)
    if not isinstance(frame, str) or frame not in FRAMES:
        raise BadOption(f"frame={frame!r} is none of {', '.join(FRAMES)}{near(frame, FRAMES)}")
    left_out = np.zeros(12 * nside**2, bool)
    found = _shapes(_text_of(regions))
    for system, sign, shape, numbers, told in found:
        within = _within(nside, system, shape, numbers, told, frame)
        left_out = left_out & ~within if sign == "-" else left_out | within
    like = xr.DataArray(~left_out, dims="cells", coords={"cell_ids": cell_ids(nside)}, attrs={"frame": frame})
    return named_mask(~left_out, like, f"Kept: outside {len(found)} region{'s' if len(found) != 1 else ''}")


def _text_of(regions: object) -> str:
    if isinstance(regions, Path) or (isinstance(regions, str) and "(" not in regions):
        path = Path(regions).expanduser()
        try:
            with path.open(encoding="utf-8") as stream:
                return stream.read(LONGEST)
        except FileNotFoundError as error:
            raise MissingFile(f"there is no file {path}; regions are {EXAMPLE}") from error
        except (OSError, UnicodeDecodeError) as error:
            raise CorruptFile(f"{path} cannot be read as text ({error}); regions are {EXAMPLE}") from error
    if not isinstance(regions, str):
        raise BadOption(f"regions={regions!r} are neither text nor a path; give {EXAMPLE}")
    return regions


def _shapes(text: str) -> list[tuple[str, str, str, list[str], str]]:
    """Return frame, sign, shape, its words and how it was written, of each region."""
    system, found = "fk5", []
    for line in re.split(r"[;\n]", text):
        part = line.split("#")[0].strip().lower()
        if not part or part.startswith(IGNORED):
            continue
        if part in SYSTEMS:
            system = SYSTEMS[part]
            continue
        match = re.fullmatch(r"([+-]?)\s*(\w+)\s*\((.*)\)\s*(?:\|\|)?", part)
        if match is None:
            known = [*SYSTEMS, *SHAPES]
            raise BadOption(f"{line.strip()[:60]!r} is no region{near(part, known)}; give {EXAMPLE}")
        if match[2] not in SHAPES:
            raise BadOption(f"{match[2]!r} is none of {', '.join(SHAPES)}{near(match[2], SHAPES)}; give {EXAMPLE}")
        words = [word for word in re.split(r"[,\s]+", match[3]) if word]
        found.append((system, match[1], match[2], words, line.strip()[:80]))
    if not found:
        raise BadOption(f"there is no region in {text.strip()[:60]!r}; give {EXAMPLE}")
    return found


def _within(nside: int, system: str, shape: str, words: list[str], told: str, frame: str) -> NDArray[np.bool_]:
    """Which cells have their centre inside a shape."""
    import ducc0

    from analysis.panels.pointings import Pointing, places

    base = ducc0.healpix.Healpix_Base(nside, "NEST")
    lengths = {"circle": 1, "annulus": 2, "polygon": 0}[shape]
    corners = words[: len(words) - lengths]
    if len(corners) % 2 or len(corners) < (6 if shape == "polygon" else 2) or (lengths and len(corners) != 2):
        raise BadOption(f"{told!r}: {shape} takes {_takes(shape)}; give {EXAMPLE}")
    at = _vectors([(corners[n], corners[n + 1]) for n in range(0, len(corners), 2)], system, frame, told)
    made = np.zeros(12 * nside**2, bool)
    if shape != "polygon":
        radii = [_length(word, told) for word in words[2:]]
        if sorted(radii) != radii:
            raise BadOption(f"{told!r}: the inner radius is not below the outer one")
        for radius in reversed(radii):
            cells = _disc(base, at[0], radius)
            made[cells] = radius == radii[-1]
        return made
    middle = at.sum(axis=0)
    size = float(np.linalg.norm(middle))
    far = np.degrees(np.arccos(np.clip(at @ middle / max(size, 1e-300), -1, 1))).max() if size > 1e-6 else 180.0
    if far > WIDEST:
        raise BadOption(f"{told!r}: a corner is {far:.0f}° from the middle of the polygon, of at most {WIDEST:g}°")
    lon, lat = np.degrees(np.arctan2(middle[1], middle[0])), np.degrees(np.arcsin(middle[2] / size))
    plane = Pointing("gnomonic", float(lon), float(lat))
    cells = _disc(base, middle / size, far + 1e-9)
    x, y = places(base.pix2vec(cells), plane).T
    made[cells] = inside_outline(x, y, *places(at, plane).T)
    return made


def _takes(shape: str) -> str:
    return {
        "circle": "two angles and a radius", "annulus": "two angles and two radii",
        "polygon": "two angles for each of three corners or more",
    }[shape]  # fmt: skip


def _disc(base: object, at: NDArray, radius: float) -> NDArray[np.int64]:
    """Cells with their centre no farther than so many degrees."""
    colatitude, longitude = np.arctan2(np.hypot(at[0], at[1]), at[2]), np.arctan2(at[1], at[0])
    runs = base.query_disc(np.array([colatitude, longitude]), np.radians(radius))  # type: ignore[attr-defined]
    return np.concatenate([np.arange(low, high) for low, high in runs] or [np.empty(0, np.int64)])


def _length(word: str, told: str) -> float:
    match = re.fullmatch(r"([0-9.e+-]+)\s*([d°'\"r]?)", word)
    try:
        degrees = float(match[1]) * UNITS[match[2]] if match else np.nan
    except ValueError:
        degrees = np.nan
    if not 0 < degrees <= 180:
        raise BadOption(f"{told!r}: the radius {word!r} is no angle above 0 and up to 180°, as 2d, 30' or 10\"")
    return degrees


def _vectors(pairs: list[tuple[str, str]], system: str, frame: str, told: str) -> NDArray[np.float64]:
    """Unit vectors of directions in the frame of the mask."""
    from astropy.coordinates import Angle, SkyCoord

    try:
        lon = [Angle(one, unit="hourangle" if _hours(one, system) else "deg").degree for one, _ in pairs]
        lat = [Angle(two, unit="deg").degree for _, two in pairs]
    except (ValueError, TypeError) as error:
        raise BadOption(f"{told!r}: {error}; give {EXAMPLE}") from error
    if not (np.isfinite(lon).all() and (np.abs(lat) <= 90).all()):
        raise BadOption(f"{told!r}: a latitude is not from −90 to 90°")
    own = FRAMES.get(system, system)
    there = SkyCoord(lon, lat, unit="deg", frame=own).transform_to(FRAMES[frame])
    return np.asarray(there.represent_as("unitspherical").to_cartesian().xyz.value).T


def _hours(word: str, system: str) -> bool:
    return "h" in word or (":" in word and system in ("fk5", "icrs"))
