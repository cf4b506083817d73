"""Angular power spectra as text: Planck's measured ones (``l Dl -dDl +dDl``) and theory tables (``L TT TE EE BB``).

Such files say neither their units nor, the measured ones, which spectrum they hold, and some hold another than their
name says: of Planck's release R3.01 the binned "EE" is TE and the binned "TE" is EE. So the numbers are compared with
ΛCDM, from which TT, TE and EE differ too much to be taken for each other, and D_ℓ in µK² too much from anything else.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from analysis.errors import AnalysisWarning, BadOption, ContractBreach, CorruptFile, UnknownUnits, WrongData
from analysis.model import check, stamp, unit_text

FACTS = ("spectrum", "units")
LABELS = ("TT", "EE", "BB", "TE", "EB", "TB")
MEASURED = ("l", "dl", "-ddl", "+ddl")
# Mean D_ℓ (µK²) of Planck's best fit over multipoles first to last, ends included: base_plikHM_TTTEEE_lowl_lowE,
# Planck Collaboration VI 2020, A&A 641, A6, as its file minimum.theory_cl has them.
EXPECTED = (
    # first, last, TT, TE, EE
    (110, 190, 4331.56, -39.83, 1.00),
    (270, 350, 3745.10, 110.09, 11.01),
    (360, 440, 1856.22, 2.22, 20.51),
    (440, 520, 2242.54, -63.94, 11.54),
    (640, 740, 1899.32, -76.41, 35.37),
    (950, 1040, 1121.18, -16.07, 40.44),
    (1260, 1340, 741.12, -31.44, 29.57),
)
WINDOWS = 3  # so many must hold numbers before they can tell a spectrum
NEAR = 0.4  # of the square of the expected: cosmologies a few per cent off are below 0.2, other spectra above 0.85
SWAPPED = "In Planck's release R3.01 the binned files of EE and TE are exchanged (EE holds TE); R3.02 is right. "


def recognises(head: bytes) -> bool:
    """Return whether these are the first bytes of a text table of power spectra.

    Examples
    --------
    >>> recognises(b"# l  Dl  -dDl  +dDl  BestFit\\n"), recognises(b"#    L    TT    TE    EE    BB    PP\\n")
    (True, True)
    >>> recognises(b"# year day density\\n2001 1 5.3\\n"), recognises(b"SIMPLE  =")
    (False, False)
    """
    line = head[:4096].removeprefix(b"\xef\xbb\xbf").lstrip().split(b"\n", 1)[0]
    if not line.startswith(b"#"):
        return False
    try:
        return bool(_columns(line.decode("ascii")))
    except UnicodeDecodeError:
        return False


def _columns(line: str) -> list[str]:
    """The columns that a header names, in our words; empty if they are not those of power spectra."""
    words = [word.lower() for word in re.split(r"[\s,]+", line.lstrip("#").strip()) if word]
    if not words or words[0] not in ("l", "ell", "multipole"):
        return []
    plain = ["l", *(re.sub(r"^([-+]?)d_?(?:l|ell)$", r"\1dl", word).replace("d_", "d") for word in words[1:])]
    if tuple(re.sub(r"^([-+])d?d_?l$", r"\1ddl", word) for word in plain[:4]) == MEASURED:
        return [*MEASURED, *plain[4:]]
    named = [re.sub(r"^d_?(?=[a-z]{2}$)", "", word).upper() for word in words[1:]]
    return ["l", *named] if "TT" in named and len(set(named)) == len(named) else []


def read(path: Path, assume: Mapping[str, str]) -> xr.Dataset:
    """Return power spectra of a text table.

    Parameters
    ----------
    path : pathlib.Path
    assume : mapping
        ``spectrum``: what a measured file holds (``"TE"``), where its numbers cannot tell, or to read a file under
        its right label whose name says another. ``units``: of numbers that are no D_ℓ of ΛCDM in µK², square of a
        temperature.

    Returns
    -------
    xarray.Dataset
        ``dl`` (spectrum, ell), D_ℓ in uK2; of measured files with ``error_low``, ``error_high``, their mean ``error``
        and, where there is such a column, ``best_fit``. Binned files have dim ``bin``, coordinate ``ell_effective``.

    Raises
    ------
    WrongData
        If the numbers are of another spectrum than the name or ``assume`` says, or of none in D_ℓ and uK2.
    CorruptFile
        If rows are cut, no numbers, or multipoles do not increase.
    BadOption
        If ``assume`` is not understood.

    Warns
    -----
    AnalysisWarning
        If ``assume`` gives a file another label than its name does.

    References
    ----------
    Planck Collaboration V 2020, A&A 641, A5; the Planck Legacy Archive's Explanatory Supplement, "CMB spectra".

    Examples
    --------
    >>> import tempfile
    >>> rows = "".join(f"{ell} 0.1 0.02 0.03\\n" for ell in range(2, 30))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "low.txt")
    ...     _ = path.write_text("# l Dl -dDl +dDl\\n" + rows)
    ...     low = read(path, {"spectrum": "BB", "units": "uK2"})
    >>> dict(low.dl.sizes), low.dl.attrs["long_name"], float(low.error_high[0, 0])
    ({'spectrum': 1, 'ell': 28}, 'D_ℓ', 0.03)
    """
    label, units = _assumed(assume, path.name)
    try:
        text = path.read_text("ascii")
    except UnicodeDecodeError as error:
        raise CorruptFile(f"{path.name} is no plain text: {error}") from error
    header = text.removeprefix("\ufeff").lstrip().split("\n", 1)[0]
    columns = _columns(header)
    table = _numbers(path, columns)
    ell = table[:, 0]
    if not (np.diff(ell) > 0).all() or ell[0] < 0:
        raise CorruptFile(f"{path.name}: its multipoles do not increase from row to row")
    if columns[1] == "dl":
        data, notes = _measured(path.name, table, columns, label, units)
    else:
        data, notes = _theory(path.name, table, columns, label, units)
    stamped = stamp(
        data,
        title="Angular power spectra" if columns[1] != "dl" else f"Measured power spectrum {data.spectrum.values[0]}",
        institution="not stated",
        source="not stated",
        references=["not stated"],
        license="not stated",
        history=[f"read from {path.name}", *notes],
        provenance={"files": [{"name": path.name}]},
    )
    try:
        return check(stamped)
    except ContractBreach as error:
        raise CorruptFile(f"{path.name} holds what cannot be: {error}") from error


def _assumed(assume: Mapping[str, str], name: str) -> tuple[str | None, str | None]:
    if unknown := [key for key in assume if key not in FACTS]:
        known = ", ".join(FACTS)
        raise BadOption(f"{name} is a text table of power spectra; assume takes {known} there, not {unknown}")
    label = assume.get("spectrum")
    if label is not None and label not in LABELS:
        raise BadOption(f"{name}: assume={{'spectrum': {label!r}}} is none of {', '.join(LABELS)}")
    units = assume.get("units")
    if units is not None:
        import astropy.units as u

        try:
            units = unit_text(units, "assume")
        except UnknownUnits as error:
            raise BadOption(str(error)) from error
        if units != "1" and not u.Unit(units).is_equivalent("K2"):
            raise BadOption(f"{name}: units={units!r} are no square of a temperature; give 'uK2', 'K2' or '1'")
    return label, units


def _numbers(path: Path, columns: list[str]) -> NDArray[np.float64]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of an empty table, which is refused below
            table = np.loadtxt(path, dtype=float, ndmin=2, encoding="utf-8-sig", delimiter=None)
    except ValueError as error:
        raise CorruptFile(f"{path.name} is cut or no table of numbers: {error}") from error
    if table.size == 0 or table.shape[1] != len(columns):
        found = table.shape[1] if table.size else 0
        raise CorruptFile(f"{path.name} names {len(columns)} columns and has {found}")
    if not np.isfinite(table).all():
        raise CorruptFile(f"{path.name} holds numbers that are not finite")
    return table


def _told_by(ell: NDArray, values: NDArray) -> str | None:
    """Which of TT, TE, EE in D_ℓ and µK² the numbers are; "" if none of them, None if there are too few."""
    inside = [(ell >= row[0]) & (ell <= row[1]) for row in EXPECTED]
    used = [k for k, where in enumerate(inside) if where.any()]
    if len(used) < WINDOWS:
        return None
    means = np.array([values[inside[k]].mean() for k in used])
    for column, label in enumerate(("TT", "TE", "EE"), start=2):
        expected = np.array([EXPECTED[k][column] for k in used])
        if ((means - expected) ** 2).sum() < NEAR * (expected**2).sum():
            return label
    return ""


def _like(ell: NDArray, values: NDArray) -> str:
    """What the numbers look like that are no D_ℓ in µK², for a message."""
    whole = ell * (ell + 1) / (2 * np.pi)
    for factor, what in (
        (1e12, "D_ℓ in K2"),
        (1e6, "D_ℓ in mK2"),
        (whole, "C_ℓ in uK2"),
        (whole * 1e12, "C_ℓ in K2"),
        (2.72548e6**2, "D_ℓ divided by the square of the CMB's temperature"),
        (whole * 2.72548e6**2, "C_ℓ divided by the square of the CMB's temperature"),
    ):
        if found := _told_by(ell, values * factor):
            return f"; they look like {what} of {found}"
    return ""


def _named(name: str) -> str | None:
    """The spectrum that a file's name says: of ``COM_PowerSpect_CMB-EE-binned_R3.01.txt`` EE."""
    found = re.findall(r"(?<![A-Za-z])(TT|EE|BB|TE|EB|TB)(?![A-Za-z])", name)
    return found[0] if len(set(found)) == 1 else None


def _judged(name: str, ell: NDArray, values: NDArray, label: str | None, units: str | None) -> tuple[str, str, str]:
    """Label, units and how they are known of one column of D_ℓ; the loud part."""
    said, told = _named(name), _told_by(ell, values)
    claimed = label or said
    whose = f"assume={{'spectrum': {label!r}}}" if label else f"the name {name}"
    if told:
        if claimed not in (None, told):
            swap = SWAPPED if {claimed, told} == {"EE", "TE"} else ""
            raise WrongData(
                f"{name}: {whose} says {claimed}, but the numbers are {told}. {swap}Take the file of {claimed}, or "
                f"read this one as what it holds with assume={{'spectrum': {told!r}}}"
            )
        if label and said and said != label:
            warnings.warn(f"{name}: labelled {told}, which its numbers are, not {said}", AnalysisWarning, stacklevel=6)
        if units not in (None, "uK2"):
            raise BadOption(f"{name}: the numbers are D_ℓ of {told} in uK2; assume says {units!r}")
        return told, "uK2", f"{told} and D_ℓ in uK2 told by comparing the numbers with ΛCDM; the file does not say"
    if claimed is None:
        why = "too few multipoles to tell" if told is None else f"they are none of TT, TE, EE{_like(ell, values)}"
        raise WrongData(f"{name} does not say which spectrum it holds ({why}); say assume={{'spectrum': 'BB'}}")
    if told == "" and claimed in ("TT", "TE", "EE") and units is None:
        raise WrongData(
            f"{name}: {whose} says {claimed}, but the numbers are no D_ℓ of {claimed} in uK2 as ΛCDM has them"
            f"{_like(ell, values)}; if they are D_ℓ all the same, say assume={{'spectrum': {claimed!r}, "
            "'units': 'uK2'}"
        )
    if units is None and label is None:
        how = f"{claimed} is what the name says; D_ℓ in uK2 taken from the kind of file; too few multipoles to check"
        warnings.warn(f"{name}: {how}", AnalysisWarning, stacklevel=6)
        return claimed, "uK2", how
    return claimed, units or "uK2", f"{claimed} and D_ℓ in {units or 'uK2'} as stated by the caller or the name"


def _coords(ell: NDArray) -> tuple[str, dict[str, xr.Variable]]:
    if (ell == np.round(ell)).all() and (np.diff(ell) == 1).all():
        return "ell", {"ell": xr.Variable("ell", ell.astype(np.int64), {"units": "1", "long_name": "Multipole ℓ"})}
    attrs = {"units": "1", "long_name": "Effective multipole ℓ"}
    return "bin", {"ell_effective": xr.Variable("bin", ell, attrs)}


def _measured(
    name: str, table: NDArray, columns: list[str], label: str | None, units: str | None
) -> tuple[xr.Dataset, list[str]]:
    ell, values, low, high = table[:, :4].T
    if (low < 0).any() or (high < 0).any():
        raise CorruptFile(f"{name}: errors must not be negative")
    found, units, how = _judged(name, ell, values, label, units)
    dim, coords = _coords(ell)
    parts = {
        "dl": (values, "D_ℓ"),
        "error_low": (low, "Error of D_ℓ downwards"),
        "error_high": (high, "Error of D_ℓ upwards"),
        "error": ((low + high) / 2, "Error of D_ℓ, mean of both sides"),
    }
    left = []
    for k, column in enumerate(columns[4:], start=4):
        if column == "bestfit":
            parts["best_fit"] = (table[:, k], "D_ℓ of the best fit")
        else:
            left.append(column)
    made = xr.Dataset(
        {
            key: xr.Variable(("spectrum", dim), column[None], {"units": units, "long_name": said})
            for key, (column, said) in parts.items()
        },
        {"spectrum": xr.Variable("spectrum", [found], {"long_name": "Power spectrum"}), **coords},
    )
    return made, [how, *([f"left out: columns {', '.join(left)}"] if left else [])]


def _theory(
    name: str, table: NDArray, columns: list[str], label: str | None, units: str | None
) -> tuple[xr.Dataset, list[str]]:
    if label is not None:
        raise BadOption(f"{name} names its spectra itself ({', '.join(columns[1:])}); assume no spectrum")
    ell = table[:, 0]
    for column, values in zip(columns[1:], table[:, 1:].T, strict=True):
        if column not in ("TT", "TE", "EE") or units is not None:
            continue
        told = _told_by(ell, values)
        if told is None:
            raise WrongData(f"{name} reaches ℓ = {ell[-1]:g}, too few multipoles to tell its units; assume 'units'")
        if told != column:
            what = f"they are {told}" if told else f"no D_ℓ in uK2 as ΛCDM has them{_like(ell, values)}"
            raise WrongData(f"{name}: the numbers of its column {column} are not that: {what}; or assume 'units'")
    kept = [column for column in columns[1:] if column in LABELS]
    left = [column for column in columns[1:] if column not in LABELS]
    dim, coords = _coords(ell)
    values = table[:, [columns.index(column) for column in kept]].T
    made = xr.Dataset(
        {"dl": xr.Variable(("spectrum", dim), values, {"units": units or "uK2", "long_name": "D_ℓ"})},
        {"spectrum": xr.Variable("spectrum", kept, {"long_name": "Power spectrum"}), **coords},
    )
    how = f"D_ℓ in {units} as stated by the caller" if units else "D_ℓ in uK2 told by comparing with ΛCDM"
    return made, [how, *([f"left out: columns {', '.join(left)}"] if left else [])]
