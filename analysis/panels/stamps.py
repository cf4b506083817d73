"""When the file that an array is read from was last written: what was made of it before that is no longer of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr


def file_stamp(array: xr.DataArray) -> dict[str, Any] | None:
    """Return path, size and time of writing of the file of a memory map or netCDF variable; None if there is none.

    Examples
    --------
    >>> file_stamp(xr.DataArray([1.0])) is None
    True
    """
    data = array.variable._data
    source = data.filename if isinstance(data, np.memmap) else array.encoding.get("source")
    if not isinstance(source, str | os.PathLike):
        return None
    path = Path(source)
    try:
        facts = path.stat()
    except (OSError, ValueError):  # an address, or a file that is gone
        return None
    if not path.is_file():
        return None
    return {"path": str(path.resolve()), "size": facts.st_size, "written": facts.st_mtime_ns}


def written_since(array: xr.DataArray, stamp: object) -> str:
    """Return the path of an array's file if it is the one of an earlier stamp and was written again since, or "".

    Examples
    --------
    >>> written_since(xr.DataArray([1.0]), None)
    ''
    """
    own = file_stamp(array)
    if own is None or not isinstance(stamp, Mapping) or stamp.get("path") != own["path"]:
        return ""
    return "" if dict(stamp) == own else str(own["path"])
