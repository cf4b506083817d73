"""A CDF file opened: its variables as it declares them, each with a way to read its values, now or later."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.errors import CorruptFile, MissingFile, WrongData
from analysis.formats._cdfaxes import Variable
from analysis.formats._cdfrecords import sound

OWN = "XARRAY_VARIABLE"  # of files that Sankō wrote, whose axes and blanks are all meant
Decode = Callable[[Variable], NDArray]
TIMES = ("CDF_EPOCH", "CDF_EPOCH16", "CDF_TIME_TT2000")
DTYPES = {
    **{"CDF_REAL4": "f4", "CDF_FLOAT": "f4", "CDF_REAL8": "f8", "CDF_DOUBLE": "f8", "CDF_BYTE": "i1"},
    **{f"CDF_{sign}INT{size}": f"{kind}{size}" for sign, kind in (("", "i"), ("U", "u")) for size in (1, 2, 4, 8)},
}
FAILS = (
    ValueError,
    RuntimeError,
    TypeError,
    IndexError,
    KeyError,
    BufferError,
    MemoryError,
    OverflowError,
    OSError,
)


@contextmanager
def opened(path: Path) -> Iterator[tuple[dict[str, Variable], dict[str, list[object]]]]:
    """Give the variables and global attributes of a file whose inner structure is sound."""
    import pycdfpp

    looks: dict[str, list[Callable[[], None]]] = {}
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        plain = sound(content, path.name, looks)
        try:
            cdf = pycdfpp.load(str(path) if plain is None else plain)
            attributes = {name: [entry[i] for i in range(len(entry))] for name, entry in cdf.attributes.items()}
            held = {name: _variable(name, raw) for name, raw in cdf.items()}
        except FAILS as error:
            raise CorruptFile(f"{path.name}: a damaged CDF ({error}); get the file again") from error
        strange = [look for name, found in looks.items() if name not in held for look in found]
        for look in strange:
            look()
        yield {name: _looked_at(variable, looks.get(name, [])) for name, variable in held.items()}, attributes


def _looked_at(variable: Variable, looks: list[Callable[[], None]]) -> Variable:
    """Return a variable whose compressed values are looked at before they are first read."""

    def read() -> NDArray:
        while looks:
            looks.pop()()
        return variable.read()

    return replace(variable, read=read) if looks else variable


def identity(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def later_read(path: Path, known: tuple[int, int], decode: Decode, variable: Variable, chosen: NDArray | None) -> Any:
    """Return a variable as a Dask array of one chunk, which opens the file when it is computed."""
    import dask.array
    from dask import delayed

    shape = (variable.records if chosen is None else chosen.size, *variable.shape)
    values = delayed(_loaded, pure=True)(path.absolute(), known, decode, variable.name, chosen)
    return dask.array.from_delayed(values, shape, np.dtype(variable.dtype))


def _loaded(path: Path, known: tuple[int, int], decode: Decode, name: str, chosen: NDArray | None) -> NDArray:
    """Return the values of one variable of a file, which must be the file that was opened before."""
    try:
        same = identity(path) == known
    except OSError as error:
        raise MissingFile(f"{path}, of which {name} is asked now, is no longer there") from error
    if not same:
        raise WrongData(f"{path} has changed since it was opened, so {name} cannot be read any more; open it again")
    with opened(path) as (held, _):
        values = decode(held[name])
    return values if chosen is None else values[chosen]


def _variable(name: str, raw: Any) -> Variable:
    attributes = {key.upper(): attribute.value for key, attribute in raw.attributes.items()}
    kind = raw.type.name
    text = kind in ("CDF_CHAR", "CDF_UCHAR")
    records, *shape = raw.shape
    if text and shape:
        shape.pop()
    dropped = tuple(
        i
        for i, size in enumerate(shape, start=1)
        if size == 1 and not {f"DEPEND_{i}", f"LABL_PTR_{i}", OWN} & set(attributes)
    )
    return Variable(
        name=name,
        attributes=attributes,
        kind="text" if text else "time" if kind in TIMES else "number",
        varies=not raw.is_nrv,
        records=records,
        shape=tuple(size for i, size in enumerate(shape, start=1) if i not in dropped),
        whole="INT" in kind or kind == "CDF_BYTE",
        dtype=DTYPES.get(kind, ""),
        read=partial(_values, raw, dropped, text, OWN in attributes),
    )


def _values(raw: Any, dropped: tuple[int, ...], text: bool, exact: bool) -> NDArray:
    """Return a variable's values without axes of length one that nothing describes, as 2-D epochs have."""
    values = np.asarray(raw.values)
    if text:
        values = np.char.decode(values, "utf-8", "replace")
        values = values if exact else np.char.strip(values, " \0\n\t")
    return values.squeeze(axis=dropped) if dropped else values
