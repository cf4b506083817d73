"""Whether two screenshots of a figure are alike for an eye that does not read letters.

Fonts differ between machines, and with them the place of an axis by a pixel or two; so colours are averaged over
blocks, and what is coloured (glyphs: axes, grids and letters are grey) is compared by itself.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

WIDTH = 320  # of what is kept
COLOURS = 32
COLUMNS = 24  # of blocks
MEAN, MOST = 6.0, 60.0  # of differences between blocks, of 255
ALIKE = 0.9  # cosine between the patterns of colour


def kept(screenshot: Image.Image) -> Image.Image:
    """Return a screenshot as small as it is kept."""
    size = WIDTH, round(screenshot.height * WIDTH / screenshot.width)
    small = screenshot.convert("RGB").resize(size, Image.Resampling.BOX)
    return small.quantize(COLOURS, dither=Image.Dither.NONE)


def blocks(pixels: np.ndarray) -> np.ndarray:
    """Return means over blocks."""
    height, width = pixels.shape[:2]
    rows = max(1, round(COLUMNS * height / width))
    made = [[part.mean(axis=(0, 1)) for part in np.array_split(row, COLUMNS, axis=1)]
            for row in np.array_split(pixels, rows)]  # fmt: skip
    return np.array(made)


def unlike(seen: Image.Image, reference: Image.Image) -> str:
    """Return what sets a screenshot apart from its reference, "" if they are alike."""
    shape = seen.height / seen.width * reference.width / reference.height
    if abs(shape - 1) > 0.04:
        return f"another shape: {seen.size}, kept {reference.size}"
    two = [np.asarray(one.convert("RGB").resize(reference.size, Image.Resampling.BOX), float)
           for one in (seen, reference)]  # fmt: skip
    off = np.abs(blocks(two[0]) - blocks(two[1])).max(axis=2)
    if off.mean() > MEAN or off.max() > MOST:
        return f"other colours: blocks differ by {off.mean():.1f} in the mean, by {off.max():.0f} at most"
    tints = [blocks(np.diff(one, axis=2)).ravel() for one in two]
    if not (same := agreement(*tints)) >= ALIKE:
        return f"colour in other places, or other colours: agreement {same:.2f}"
    return ""


def agreement(one: np.ndarray, other: np.ndarray) -> float:
    """Return the cosine between two patterns; 0 if there is nothing in one."""
    size = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / size if size else 0.0


def open_image(path: Path) -> Image.Image:
    """Return an image read into memory."""
    with Image.open(path) as image:
        return image.convert("RGB")
