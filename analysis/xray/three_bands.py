"""Events in three bands of energy: the red, green and blue of one image."""

from __future__ import annotations

from collections.abc import Sequence

import xarray as xr

from analysis.errors import BadOption
from analysis.model import check, derived
from analysis.xray.binning import image
from analysis.xray.inputs import Amount, named_band


def three_band_image(
    events: xr.DataTree | xr.Dataset, bands: Sequence[tuple[Amount, Amount]], *, bin_size: float | None = None
) -> xr.Dataset:
    """Return images of events in three bands of energy on the same pixels.

    Parameters
    ----------
    events : xarray.DataTree or xarray.Dataset
        As for :func:`image`, with energies.
    bands : three pairs (low, high)
        In keV, the softest first: it becomes red, the hardest blue.
    bin_size : float, optional
        Side of the pixels: see :func:`image`.

    Returns
    -------
    xarray.Dataset
        ``counts`` on ``band, y, x``; ``band`` holds the bands' names. :func:`view` draws it in colours.

    Raises
    ------
    BadOption
        If there are not three bands, or they are not in order of energy.
    UnknownVariable, OutsideCoverage
        As :func:`image`.

    Examples
    --------
    >>> from analysis import xray
    >>> m82 = xray.fetch("m82_acis_events")
    >>> colours = xray.three_band_image(m82, [(0.5, 1.2), (1.2, 2.5), (2.5, 8)], bin_size=4)
    >>> dict(colours.sizes)["band"], colours.band.values.tolist()
    (3, ['0.5-1.2 keV', '1.2-2.5 keV', '2.5-8 keV'])
    """
    if isinstance(bands, str) or not hasattr(bands, "__len__") or len(bands) != 3:
        raise BadOption(f"bands={bands!r} must be three pairs of energies in keV, the softest first")
    parts = [image(events, bin_size=bin_size, band=band) for band in bands]
    names = [named_band(band) for band in bands]
    if names != sorted(names, key=lambda name: float(name.split("-")[0])):
        raise BadOption(f"bands={names} must stand in order of energy: the softest becomes red, the hardest blue")
    stacked = xr.concat([part["counts"] for part in parts], xr.Variable("band", names, {"long_name": "Energy band"}))
    made = xr.Dataset({"counts": stacked.assign_attrs(units="ct", long_name="Counts")})
    made.attrs = {
        key: value for key, value in parts[0].attrs.items() if key.startswith(("wcs", "radec", "equinox", "bin_"))
    }
    title = str(parts[0].attrs["title"]).replace("Image", "Image in three bands", 1)
    step = f"xray.three_band_image: {', '.join(names)}"
    return check(derived(made, parts[0], title=title, step=step, also=parts[1:]))
