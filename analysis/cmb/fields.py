"""Maps on the way to spectra: their masks, their coefficients, and two maps made comparable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import xarray as xr

from analysis.cmb.harmonics import alm_from_map, in_ring_order
from analysis.cmb.maps import nside_of, seen, sky_array, u_sign
from analysis.cmb.masks import Mask, mask_told, weights_for
from analysis.cmb.purification import pure_alms
from analysis.cmb.stokes import units_of
from analysis.errors import BadOption, WrongData, WrongFrame, WrongUnits
from analysis.model import in_units

if TYPE_CHECKING:
    from numpy.typing import NDArray

Masks: TypeAlias = Mask | Mapping[str, Mask]


@dataclass(frozen=True)
class Weights:
    """The weights of I and of Q and U, one object if they are the same, and what history says of them."""

    intensity: NDArray
    polarization: NDArray
    told: str
    masks: tuple[Mask, ...]

    @property
    def fraction(self) -> float:
        """The mean weight: of I, or of Q and U where there is no I."""
        return float(self.intensity.mean())


def weights_of(array: xr.DataArray, masks: Masks | None) -> Weights:
    """Return the weights of one mask for all Stokes parameters, or of a mapping ``{"I": mask, "P": mask}``.

    Raises
    ------
    BadOption
        If a mapping has other keys than I and P, or lacks one that the map needs.
    WrongData, WrongFrame
        As :func:`weights_for`.

    Examples
    --------
    >>> from analysis.cmb.masks import galactic_mask
    >>> sky = xr.DataArray(np.ones((1, 48)), dims=("stokes", "cells"), attrs={"frame": "galactic"},
    ...                    coords={"stokes": ["I"], "cell_ids": galactic_mask(2).cell_ids})
    >>> weights_of(sky, {"I": galactic_mask(2, latitude=30)}).fraction
    0.5
    """
    if masks is None or isinstance(masks, xr.DataArray | xr.Dataset):
        weights = weights_for(array, masks)
        return Weights(weights, weights, mask_told(masks, weights), () if masks is None else (masks,))
    if not isinstance(masks, Mapping) or not masks or set(masks) - {"I", "P"}:
        named = sorted(map(str, masks)) if isinstance(masks, Mapping) else type(masks).__name__
        raise BadOption(f"mask={named} is neither a mask nor masks of I and P: {{'I': mask, 'P': mask}}")
    held = [str(label) for label in array["stokes"].values]
    found = {}
    for key, labels in (("I", {"I"}), ("P", {"Q", "U"})):
        if labels & set(held):
            if key not in masks:
                raise BadOption(f"the map has Stokes {', '.join(held)}, but mask= has none for {key!r}")
            rows = [label for label in held if label in labels]
            found[key] = weights_for(array.sel(stokes=rows), masks[key])
    told = "; ".join(f"{key}: {mask_told(masks[key], found[key])}" for key in found)
    first, last = next(iter(found.values())), list(found.values())[-1]
    return Weights(first, last, told, tuple(masks[key] for key in found))


def field_alms(
    array: xr.DataArray,
    weights: NDArray | Weights,
    *,
    lmax: int,
    iterations: int,
    purify: str = "",
    keep_monopole: bool = False,
    ring_weights: bool = False,
) -> dict[str, NDArray]:
    """Return the coefficients T, E, B of a masked map, as far as its Stokes parameters allow.

    In the IAU convention B has the other sign than in COSMO. The fields named in ``purify`` are pure.

    Raises
    ------
    WrongData
        If the map has only one of Q and U, or is to be purified and has unknown cells or a mask that jumps.

    Examples
    --------
    >>> from analysis.cmb.maps import cell_ids
    >>> sky = xr.DataArray(np.ones((1, 48)), dims=("stokes", "cells"),
    ...                    coords={"stokes": ["I"], "cell_ids": cell_ids(2)})
    >>> bool(abs(field_alms(sky, np.ones(48), lmax=2, iterations=0)["T"]).max() < 1e-14)
    True
    """
    nside = nside_of(array)
    if not isinstance(weights, Weights):
        weights = Weights(weights, weights, "", ())
    held = [str(label) for label in array["stokes"].values]
    if len({"Q", "U"} & set(held)) == 1:
        raise WrongData(f"the map has Stokes {', '.join(held)}; E and B need Q and U together")
    options: dict = {"nside": nside, "lmax": lmax, "iterations": iterations, "ring_weights": ring_weights}
    planes = dict(zip(held, np.asarray(array.values, dtype=float), strict=True))
    found = {}
    if "I" in planes:
        given = weights.intensity
        values = np.where(given > 0, planes["I"], 0)
        mean = 0 if keep_monopole else (values * given).sum() / given.sum()
        intensity = (values - mean) * given
        found["T"] = alm_from_map(in_ring_order(intensity[None]), **options)[0]
    if "Q" in planes:
        sign, given = u_sign(array), weights.polarization
        values = np.stack([planes["Q"], sign * planes["U"]])
        if purify:
            _refuse_unknown(values)
            e, b = pure_alms(in_ring_order(values), in_ring_order(given[None])[0], **options, purify=purify)
        else:
            e, b = alm_from_map(in_ring_order(np.where(given > 0, values, 0) * given), **options)
        found |= {"E": e, "B": sign * b}
    if not found:
        raise WrongData(f"the map has Stokes {', '.join(held)}; spectra need I, or Q and U")
    return found


def _refuse_unknown(values: NDArray) -> None:
    if wrong := int((~seen(values)).any(axis=0).sum()):
        raise WrongData(
            f"{wrong} cells of Q and U were not observed (NaN, infinite or UNSEEN); purification differentiates the "
            "mask, whose slope reaches a little beyond its edge, so they count although it leaves them out. Fill them: "
            "sky.assign(sky=sky.sky.fillna(0)) leaves some percent of the leakage of E into B"
        )


def matched(second: xr.DataArray, first: xr.DataArray) -> xr.DataArray:
    """Return the second map in the units of the first; refuse two that cannot be compared.

    They hold the same Stokes parameters, or one I and the other Q and U (for TE and TB).

    Raises
    ------
    WrongData
        If nside or Stokes parameters differ.
    WrongFrame, WrongUnits
        If frame, ``polconv``, temperature scale or the kind of unit differ.

    Examples
    --------
    >>> from analysis.cmb.maps import cell_ids
    >>> sky = xr.DataArray(np.ones((1, 48)), dims=("stokes", "cells"), attrs={"units": "K"},
    ...                    coords={"stokes": ["I"], "cell_ids": cell_ids(2)})
    >>> float(matched(sky.assign_attrs(units="mK"), sky)[0, 0])
    0.001
    """
    if nside_of(second, "the second map") != nside_of(first):
        raise WrongData(f"the maps have nside {nside_of(first)} and {nside_of(second)}; use degraded on the finer")
    labels = [str(v) for v in first["stokes"].values], [str(v) for v in second["stokes"].values]
    apart = {frozenset(labels[0]), frozenset(labels[1])} == {frozenset("I"), frozenset("QU")}
    if sorted(labels[0]) != sorted(labels[1]) and not apart:
        raise WrongData(f"the maps have Stokes {', '.join(labels[0])} and {', '.join(labels[1])}; choose the same")
    rules = [("frame", WrongFrame), ("temperature_scale", WrongUnits)]
    if "U" in labels[0] and not apart:
        rules.append(("polconv", WrongFrame))
    for name, error in rules:
        if str(first.attrs.get(name)).lower() != str(second.attrs.get(name)).lower():
            hint = "; bring one over with to_polconv" if name == "polconv" else "; they must be one"
            raise error(f"the maps say {name}={first.attrs.get(name)!r} and {second.attrs.get(name)!r}{hint}")
    second = in_units(second, units_of(first))
    return second if apart else second.sel(stokes=first["stokes"])


def checked_purify(purify: str) -> str:
    """Return which of E and B are purified, in the order "EB".

    Raises
    ------
    BadOption
        If it is none of "", "B", "E", "EB".

    Examples
    --------
    >>> checked_purify("BE")
    'EB'
    """
    if not isinstance(purify, str) or set(purify) - set("EB") or len(set(purify)) != len(purify):
        raise BadOption(f"purify={purify!r} is unknown; give 'B' (what r needs), 'E', 'EB', or '' for none")
    return "".join(letter for letter in "EB" if letter in purify)


def second_array(other: xr.Dataset | xr.DataArray, first: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Return a second map as it was given, which its mask is checked against, and matched to the first.

    Changing units would hide UNSEEN, so the mask is checked against the values as they came.

    Examples
    --------
    >>> from analysis.cmb.maps import cell_ids
    >>> sky = xr.DataArray(np.ones((1, 48)), dims=("stokes", "cells"), attrs={"units": "K"},
    ...                    coords={"stokes": ["I"], "cell_ids": cell_ids(2)})
    >>> [float(array[0, 0]) for array in second_array(sky.assign_attrs(units="mK"), sky)]
    [1.0, 0.001]
    """
    given = sky_array(other, what="the second map")
    return given, matched(given, first)
