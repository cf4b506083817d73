"""What a sky map says of a place between the middles of its pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analysis.errors import OutsideCoverage

if TYPE_CHECKING:
    from astropy.wcs import WCS

WAYS = ("pixel", "bilinear", "inverse_distance")
AT_ONCE = 1e-6  # deg: so near a pixel's middle its own value counts alone


def bilinear(values: np.ndarray, x: float, y: float, said: str) -> float:
    """Return the value at x, y (pixels from 0) between the four pixels around, linear along both axes.

    Raises
    ------
    OutsideCoverage
        If one of the four is not on the map or holds nothing.

    Examples
    --------
    >>> bilinear(np.array([[1.0, 3.0], [5.0, 7.0]]), 0.5, 0.25, "here")
    3.0
    """
    rows, columns = values.shape
    left, low = int(np.floor(x)), int(np.floor(y))
    right, high = left + (x > left), low + (y > low)
    if not (left >= 0 and right < columns and low >= 0 and high < rows):
        raise OutsideCoverage(f"{said} is not between four pixels of the map; take weighting='pixel'")
    corners = values[np.ix_([low, high], [left, right])].astype(float)
    if not ((corners > 0) & (corners < np.inf)).all():
        raise OutsideCoverage(
            f"a pixel next to {said} holds no value, so nothing can be interpolated; take weighting='pixel'"
        )
    across, up = x - left, y - low
    return float(np.array([1 - up, up]) @ corners @ np.array([1 - across, across]))


def inverse_distance(
    values: np.ndarray, wcs: WCS, place: tuple[float, float], radius: float, said: str
) -> tuple[float, int]:
    """Return the mean of the pixels whose middles lie within a radius, weighted by 1 / distance, and their number.

    Parameters
    ----------
    values : numpy.ndarray
        Zeros, NaN and infinities are no values.
    wcs : astropy.wcs.WCS
        Of the map.
    place : tuple of float
        Longitude and latitude in the map's own frame, deg.
    radius : float
        In deg.
    said : str
        The place, for messages.

    Raises
    ------
    OutsideCoverage
        If no pixel with a value lies within the radius.
    """
    rows, columns = np.nonzero((values > 0) & (values < np.inf))
    longitude, latitude = (np.radians(angle) for angle in wcs.all_pix2world(columns, rows, 0))
    lon0, lat0 = np.radians(place)
    half = np.sin((latitude - lat0) / 2) ** 2
    half += np.cos(latitude) * np.cos(lat0) * np.sin((longitude - lon0) / 2) ** 2
    away = np.degrees(2 * np.arcsin(np.sqrt(np.clip(half, 0, 1))))
    near = away <= radius  # NaN of a pixel off the sky is not
    if not near.any():
        raise OutsideCoverage(
            f"no pixel's middle lies within {radius:g} deg of {said}; the nearest is {np.nanmin(away):.3g} deg away"
        )
    found, distance = values[rows[near], columns[near]].astype(float), away[near]
    if distance.min() < AT_ONCE:
        return float(found[distance.argmin()]), int(near.sum())
    return float(np.average(found, weights=1 / distance)), int(near.sum())
