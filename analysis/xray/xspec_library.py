"""XSPEC's compiled model functions, through the extra ``xspec`` (the package xspectrampoline, GPL-3).

The library keeps abundances and cross sections in one place for the whole process, is not safe to be called by two
threads at once, and ends the process, or gives ones and zeros without a word, where a model misses its data. So each
call goes through one lock, which sets what the component was made with, and only models that were tried are let
through: ``xspec_safe.txt`` names those that gave finite numbers at 9 sets of parameters, on three grids, and opened no
data file that is not there; and whether abundances or cross sections change them.
"""

from __future__ import annotations

import ctypes
import os
import re
import shlex
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import numpy as np

from analysis.errors import BadOption
from analysis.xray.models import Array

KINDS: dict[str, Literal["additive", "multiplicative", "convolution"]] = {
    "add": "additive",
    "mul": "multiplicative",
    "con": "convolution",
}
CROSS_SECTIONS = ("vern", "bcmc", "obcm")
DEFAULTS = {"abundances": "angr", "cross_sections": "vern"}  # XSPEC's own
SETTERS = {"abundances": "FPSOLR", "cross_sections": "FPXSCT"}
DOUBLES = ctypes.POINTER(ctypes.c_double)
FLOATS = ctypes.POINTER(ctypes.c_float)
_lock = threading.RLock()
_set: dict[str, str] = {}
_seen: set[str] = set()


@dataclass(frozen=True)
class Definition:
    """A model as ``model.dat`` declares it: parameters are name, unit, default, hard and soft bounds, and frozen."""

    name: str
    function: str
    kind: Literal["additive", "multiplicative", "convolution"]
    parameters: tuple[tuple[str, str, float, float, float, float, float, bool], ...]


@cache
def definitions() -> dict[str, Definition]:
    """Return the models that the library declares and that may be called here, by their XSPEC names.

    Raises
    ------
    ImportError
        If the extra is not installed.
    """
    declared = _declared((_home() / "spectral" / "manager" / "model.dat").read_text("utf-8", errors="replace"))
    return declared if has_data() else {name: held for name, held in declared.items() if name in _tried()}


@cache
def all_names() -> frozenset[str]:
    """Return the names of all models that the library declares."""
    return frozenset(_declared((_home() / "spectral" / "manager" / "model.dat").read_text("utf-8", errors="replace")))


@cache
def abundance_tables() -> tuple[str, ...]:
    """Return the names of the library's tables of abundances."""
    lines = (_home() / "spectral" / "manager" / "abundances.dat").read_text("utf-8", errors="replace").splitlines()
    return tuple(line.split(":")[0] for line in lines if re.match(r"[a-z]{4}:\s+[\d.]", line, re.I))


def settings_of(name: str) -> tuple[str, ...]:
    """Return which of abundances and cross sections a model depends on; both where nobody tried."""
    return tuple(key for key in DEFAULTS if key in _tried().get(name, tuple(DEFAULTS)))


@cache
def _tried() -> dict[str, tuple[str, ...]]:
    lines = (files("analysis.xray") / "xspec_safe.txt").read_text("utf-8").splitlines()
    return {words[0]: tuple(words[1:]) for line in lines if (words := line.split())}


def has_data() -> bool:
    """Return whether the models' data are there: of a whole HEASOFT, not of the extra."""
    return (_home() / "spectral" / "modelData").is_dir()


def version() -> str:
    """Return the version of HEASoft that the library is from."""
    held = re.search(r"LibXSPEC_v(\d+)_(\d+)", str(_home().resolve()))
    return f"HEASoft {held[1]}.{held[2]}" if held else f"HEASoft at {_home()}"


def called(definition: Definition, edges: Array, parameters: Array, flux: Array, options: dict[str, str]) -> Array:
    """Return what a model makes of parameters on bins between ``edges`` (keV); a convolution is given ``flux``."""
    kind = definition.function
    edges, parameters = (np.ascontiguousarray(values, dtype=np.float64) for values in (edges, parameters))
    made, spread = np.array(flux, dtype=np.float64), np.zeros(flux.size)
    with _lock, _quiet_once(definition.name):
        functions = _library()
        _settle(options)
        if kind.startswith(("C_", "c_")):
            function = getattr(functions, kind if kind.startswith("C_") else kind[2:])
            function.restype = None
            function(
                edges.ctypes.data_as(DOUBLES),
                ctypes.c_int(made.size),
                parameters.ctypes.data_as(DOUBLES),
                ctypes.c_int(1),
                made.ctypes.data_as(DOUBLES),
                spread.ctypes.data_as(DOUBLES),
                b"",
            )
            return made
        double = kind.startswith("F_")
        function = getattr(functions, (kind[2:] if double else kind).lower() + "_")
        function.restype = None
        pointer, dtype = (DOUBLES, np.float64) if double else (FLOATS, np.float32)
        arrays = [np.ascontiguousarray(values, dtype=dtype) for values in (edges, parameters, made, spread)]
        held = [values.ctypes.data_as(pointer) for values in arrays]
        size, number = ctypes.c_int(made.size), ctypes.c_int(1)
        function(held[0], ctypes.byref(size), held[1], ctypes.byref(number), held[2], held[3])
        return arrays[2].astype(float)


def refuse_option(key: str, value: str) -> None:
    """Refuse a table of abundances or cross sections that the library has not."""
    known = abundance_tables() if key == "abundances" else CROSS_SECTIONS
    if value not in known:
        raise BadOption(f"{key}={value!r} is none of XSPEC's; known are {', '.join(known)}")


def _settle(options: dict[str, str]) -> None:
    """Set abundances and cross sections, if others are set."""
    for key, value in options.items():
        if _set.get(key) != value:
            trouble = ctypes.c_int(0)
            with _silence():
                getattr(_library(), SETTERS[key])(value.encode("ascii"), ctypes.byref(trouble))
            if trouble.value:
                raise BadOption(f"XSPEC's library did not take {key}={value!r}")
            _set[key] = value


@cache
def _home() -> Path:
    """Where the library's files are: the extra's, or the HEASOFT that HEADAS names."""
    try:
        import xspectrampoline_helpers
    except ImportError as error:
        raise ImportError(
            "XSPEC's models come with the package xspectrampoline, which is not installed (Linux and macOS): "
            'pip install "sanko[xspec]"; xray.model_components() lists the models that need nothing'
        ) from error
    own = Path(xspectrampoline_helpers._headas_path)
    return own if (own / "spectral").is_dir() else own.parent


@cache
def _library() -> Any:
    """XSPEC's functions, loaded for this module alone.

    The package itself loads them for the whole process, where their symbols take the place of those of other libraries
    translated from Fortran: SPICE then ends the process.
    """
    _home()
    import xspectrampoline_helpers

    folder = Path(xspectrampoline_helpers._headas_path) / "lib"
    with _silence():
        loaded = [
            ctypes.CDLL(str(folder / f"{name}.{xspectrampoline_helpers.SHARED_LIB_EXT}"), mode=ctypes.RTLD_LOCAL)
            for name in ("libXS", "libXSUtil", "libXSFunctions")
        ]
        functions = loaded[-1]
        functions.FNINIT()
        functions.FPCHAT(ctypes.c_int(0))
    _set.clear()
    return functions


@contextmanager
def _quiet_once(name: str) -> Iterator[None]:
    """Silence a model's first call, in which some introduce themselves; of the talkative ones each."""
    if name in _seen and "talks" not in _tried().get(name, ()):
        yield
        return
    with _silence():
        yield
        _library()._gfortran_flush_i4(None)  # what is still in Fortran's buffers belongs into the silence too
    _seen.add(name)


@contextmanager
def _silence() -> Iterator[None]:
    """Keep what the library prints at its start away from the user's screen; it writes past Python."""
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def _declared(text: str) -> dict[str, Definition]:
    """The models of a ``model.dat``: blocks with a line for the model and one for each parameter."""
    found = {}
    for block in re.split(r"\n\s*\n", text):
        lines = [line.strip() for line in block.strip().splitlines() if line.strip()]
        head = lines[0].split() if lines else []
        if len(head) < 6 or head[5] not in KINDS:
            continue
        parameters = tuple(_parameter(line) for line in lines[1 : 1 + int(head[1])])
        found[head[0]] = Definition(head[0], head[4], KINDS[head[5]], parameters)
    return found


def _parameter(line: str) -> tuple[str, str, float, float, float, float, float, bool]:
    """Name, unit, default, hard and soft bounds, and whether it starts frozen; $ and * mark what has no bounds."""
    words = shlex.split(line)
    name, numbers = words[0], [float(w.replace("d", "e").replace("D", "e")) for w in words[1:] if _is_number(w)]
    unit = next((w for w in words[1:2] if not _is_number(w)), "").strip()
    if name[0] in "$*" or len(numbers) < 6:
        return name.lstrip("$*"), unit, numbers[0], -np.inf, -np.inf, np.inf, np.inf, True
    value, hard_low, soft_low, soft_high, hard_high, delta = numbers[-6:]
    return name, unit, value, hard_low, soft_low, soft_high, hard_high, delta < 0


def _is_number(word: str) -> bool:
    return re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eEdD][-+]?\d+)?", word) is not None
