"""Quality flags by the CF conventions, section 3.5: which samples bear which word."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.errors import WrongData

# Words for a sample that is as it should be; a picture marks the others.
PLAIN = ("measured", "observed", "good", "good_data", "excellent", "nominal", "definitive")


def bearing(flag: xr.DataArray) -> dict[str, xr.DataArray]:
    """Return for each word of ``flag_meanings`` which samples bear it.

    With ``flag_masks`` the flags are bits, of which several may be set: 6 bears the words of both 2 and 4.

    Parameters
    ----------
    flag : xarray.DataArray
        With attrs ``flag_meanings`` and ``flag_values``, ``flag_masks`` or both.

    Raises
    ------
    WrongData
        If the attributes are missing or of different lengths.

    References
    ----------
    CF Metadata Conventions 1.11, section 3.5, Flags.

    Examples
    --------
    >>> flag = xr.DataArray([0, 6], attrs={"flag_masks": [1, 2, 4], "flag_meanings": "eclipse spike off_point"})
    >>> {word: samples.values.tolist() for word, samples in bearing(flag).items()}
    {'eclipse': [False, False], 'spike': [False, True], 'off_point': [False, True]}
    """
    words, values, masks = words_of(flag)
    if masks is None:
        return {word: flag == value for word, value in zip(words, values, strict=True)}
    bits = bits_of(flag)
    if "flag_values" not in flag.attrs:
        return {word: (bits & mask) != 0 for word, mask in zip(words, masks, strict=True)}
    return {word: (bits & mask) == value for word, mask, value in zip(words, masks, values, strict=True)}


def words_of(flag: xr.DataArray) -> tuple[list[str], list[int], list[int] | None]:
    """Return the words of a flag, their values (its masks if it has no values) and their masks, None without.

    Raises
    ------
    WrongData
        If the attributes are missing or of different lengths.

    Examples
    --------
    >>> words_of(xr.DataArray([2], attrs={"flag_values": [0, 2], "flag_meanings": "filled measured"}))
    (['filled', 'measured'], [0, 2], None)
    """
    words = str(flag.attrs.get("flag_meanings", "")).split()
    masks = np.atleast_1d(flag.attrs["flag_masks"]).tolist() if "flag_masks" in flag.attrs else None
    values = np.atleast_1d(flag.attrs.get("flag_values", masks or [])).tolist()
    if not words or len(values) != len(words) or (masks is not None and len(masks) != len(words)):
        raise WrongData(
            f"the flag {flag.name} lacks flag_values (or flag_masks) and flag_meanings of one length: what do its "
            f"values mean? It has {len(values)} values and {len(words)} words"
        )
    return words, values, masks


def bits_of(flag: xr.DataArray) -> xr.DataArray:
    """Return bit flags as whole numbers; where the flag itself is missing (NaN), all bits are set.

    Examples
    --------
    >>> bits_of(xr.DataArray([2.0, np.nan])).values.tolist()
    [2, -1]
    """
    return flag if flag.dtype.kind in "iub" else flag.fillna(-1).astype(np.int64)
