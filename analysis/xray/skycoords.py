"""Right ascension and declination as coordinates of an image, computed when asked for, and to select by."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import xarray as xr
from xarray import indexes
from xarray.indexes import CoordinateTransform

from analysis.xray.sky import WCS_KEYS, sky_frame_of, wcs_of


class SkyTransform(CoordinateTransform):
    """Positions on an image's grid to places on the sky and back, by astropy.wcs.

    ``start`` and ``step`` are the plane's coordinate at the middle of the first pixel and between two, for y and x.
    """

    def __init__(
        self, attrs: Mapping[str, Any], start: tuple[float, float], step: tuple[float, float], size: tuple[int, int]
    ):
        super().__init__(("ra", "dec"), {"y": size[0], "x": size[1]})
        self.attrs = {str(key): value for key, value in attrs.items()}
        self.start, self.step = start, step
        self.wcs = wcs_of(self.attrs, "image")

    def forward(self, dim_positions: dict[str, Any]) -> dict[Hashable, Any]:
        """Return ra and dec in deg of positions on the grid."""
        y, x = (self.start[i] + self.step[i] * np.asarray(dim_positions[d], float) for i, d in enumerate(self.dims))
        ra, dec = self.wcs.all_pix2world(x, y, 1)
        return dict(zip(self.coord_names, (ra, dec), strict=True))

    def reverse(self, coord_labels: dict[Hashable, Any]) -> dict[str, Any]:
        """Return positions on the grid of places in deg; what lies outside the image, or nowhere on it, is refused."""
        ra, dec = (np.asarray(coord_labels[name], float) for name in self.coord_names)
        x, y = self.wcs.all_world2pix(ra, dec, 1)
        found = [(v - self.start[i]) / self.step[i] for i, v in enumerate((y, x))]
        for d, at in zip(self.dims, found, strict=True):
            if not ((at >= -0.5) & (at < self.dim_size[d] - 0.5)).all():
                places = ", ".join(np.array2string(v, threshold=4) for v in (ra, dec))
                pixels = np.array2string(at, precision=1, threshold=4)
                raise KeyError(
                    f"ra, dec = {places} deg is not all on the image: {d} would be pixel {pixels} of {self.dim_size[d]}"
                )
        return dict(zip(self.dims, found, strict=True))

    def equals(self, other: CoordinateTransform, **_: Any) -> bool:
        """Return whether both are the same grid on the same sky."""
        if not isinstance(other, SkyTransform):
            return False
        same = (self.start, self.step, self.dim_size, self.coord_names) == (
            other.start, other.step, other.dim_size, other.coord_names,
        )  # fmt: skip
        return same and repr(sorted(self.attrs.items())) == repr(sorted(other.attrs.items()))


class SkyIndex(indexes.CoordinateTransformIndex):
    """The index of ra and dec; a cut of the image keeps it, and scalars may be selected too."""

    transform: SkyTransform

    def isel(self, indexers: Mapping[Any, Any]) -> SkyIndex | None:
        """Return the index of a rectangle of the image with any regular step; none for scattered pixels."""
        kept, start, step = [], list(self.transform.start), list(self.transform.step)
        for i, (dim, size) in enumerate(self.transform.dim_size.items()):
            chosen = indexers.get(dim, slice(None))
            if not isinstance(chosen, slice):
                return None
            first, last, stride = chosen.indices(size)
            number = len(range(first, last, stride))
            if not number:
                return None
            kept.append(number)
            start[i], step[i] = start[i] + first * step[i], step[i] * stride
        return SkyIndex(
            SkyTransform(self.transform.attrs, (start[0], start[1]), (step[0], step[1]), (kept[0], kept[1]))
        )

    def sel(self, labels: dict[Any, Any], method: Any = None, tolerance: Any = None) -> Any:
        """Return the pixels that hold places on the sky; ra and dec go together, with method="nearest"."""
        scalar = {
            name: xr.Variable((), float(v)) for name, v in labels.items() if np.ndim(v) == 0 and not hasattr(v, "dims")
        }
        return super().sel({**labels, **scalar}, method=method, tolerance=tolerance)


def pixel_sky(image: xr.Dataset) -> xr.Dataset:
    """Return an image with coordinates ra and dec to select by, where its attributes say how it lies on the sky."""
    if not set(WCS_KEYS) <= set(image.attrs):
        return image
    y, x = image["y"].values, image["x"].values
    step = (float(image.attrs["bin_size"]),) * 2
    attrs = {key: image.attrs[key] for key in (*WCS_KEYS, "wcs_cunit") if key in image.attrs}
    transform = SkyTransform(attrs, (float(y[0]), float(x[0])), step, (y.size, x.size))
    found = image.assign_coords(xr.Coordinates.from_xindex(SkyIndex(transform)))
    frame = sky_frame_of(image.attrs)
    for name, long_name in (("ra", "Right ascension"), ("dec", "Declination")):
        found[name].attrs.update({"units": "deg", "long_name": long_name, "frame": frame})
    return found
