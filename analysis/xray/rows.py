"""One spectrum of a PHA file of type II, which holds many: Chandra's gratings, series of Swift BAT or Fermi GBM."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.model import check, derived, in_units, near
from analysis.xray.grouping import OGIP
from analysis.xray.inputs import as_dataset

ROWS = "spectrum_number"
PARTS = {"heg": 1, "meg": 2, "leg": 3}  # TG_PART of Chandra's gratings
FILES = ("background_file", "response_file", "ancillary_file")
TG_BKG = "CIAO, tg_bkg: https://cxc.harvard.edu/ciao/ahelp/tg_bkg.html"


def spectrum_of(
    spectra: xr.Dataset | xr.DataTree,
    number: int | None = None,
    *,
    grating: str | None = None,
    order: int | None = None,
) -> xr.Dataset:
    """Return one spectrum of a file of many as a spectrum on ``channel``, which every function here takes.

    Parameters
    ----------
    spectra : xarray.Dataset
        On ``spectrum_number`` and ``channel``, as ``formats.read`` gives a PHA file of type II.
    number : int, optional
        Its ``spectrum_number``: SPEC_NUM of the file, or its row from 1 where the file numbers nothing.
    grating : {"heg", "meg", "leg"}, optional
        Arm of Chandra's gratings (TG_PART).
    order : int, optional
        Diffraction order, negative or positive (TG_M). Together with ``grating`` it takes the place of ``number``.

    Returns
    -------
    xarray.Dataset
        Type I: ``counts`` or ``rate`` on ``channel`` with this row's exposure, scales, errors and flags; its
        ``background_file``, ``response_file`` and ``ancillary_file`` are attributes.

    Raises
    ------
    WrongData
        If these are no spectra of a file of type II, or have no gratings.
    BadOption
        If no spectrum, or more than one, is the one asked for; what there is is listed.

    References
    ----------
    OGIP/92-007, Arnaud, George & Tennant (1992), *The OGIP Spectral File Format*.

    Examples
    --------
    >>> from analysis.model import stamp
    >>> told = {"title": "Made up", "institution": "none", "source": "none", "license": "none"}
    >>> both = stamp(
    ...     xr.Dataset(
    ...         {
    ...             "counts": (("spectrum_number", "channel"), [[1, 2], [3, 4]], {"units": "ct", "long_name": "N"}),
    ...             "exposure": ("spectrum_number", [10.0, 20.0], {"units": "s", "long_name": "Exposure"}),
    ...         },
    ...         coords={
    ...             "channel": ("channel", [1, 2], {"units": "1", "long_name": "Channel"}),
    ...             "spectrum_number": ("spectrum_number", [1, 2], {"units": "1", "long_name": "Number"}),
    ...         },
    ...     ),
    ...     **told, references=["none"], history=["made up"], provenance={},
    ... )
    >>> second = spectrum_of(both, 2)
    >>> second.counts.values.tolist(), float(second.exposure)
    ([3, 4], 20.0)
    """
    data = as_dataset(spectra, "spectrum_of")
    if ROWS not in data.dims or "channel" not in data.dims:
        raise WrongData(
            f"spectrum_of takes the spectra of a PHA file of type II, on {ROWS!r} and 'channel'; this has dims "
            f"{dict(data.sizes)}" + (" and is one spectrum already" if "channel" in data.dims else "")
        )
    wanted = _wanted(data, number, grating, order)
    found = np.flatnonzero(wanted)
    if found.size != 1:
        many = f"{found.size} of its spectra are" if found.size else "none of its spectra is"
        raise BadOption(f"{many} {_asked(number, grating, order)}; there are {_listed(data)}")
    return _row(data, int(found[0]))


def background_of(spectrum: xr.Dataset | xr.DataTree) -> xr.Dataset:
    """Return the background that Chandra's grating spectra carry beside them, as a spectrum of its own.

    Parameters
    ----------
    spectrum : xarray.Dataset
        One of :func:`spectrum_of`, with ``background_up`` and ``background_down``.

    Returns
    -------
    xarray.Dataset
        Their sum as ``counts`` on ``channel``, with the same exposure; ``backscal`` is BACKSCUP + BACKSCDN.

    Raises
    ------
    WrongData
        If the spectrum carries no such background, or does not say how large its regions are.

    References
    ----------
    CIAO, tg_bkg: https://cxc.harvard.edu/ciao/ahelp/tg_bkg.html

    Examples
    --------
    >>> from analysis import xray
    >>> xray.background_of(xray.fetch("ngc7793_ulx4_pn")["spectrum"])
    Traceback (most recent call last):
    ...
    analysis.errors.WrongData: background_of needs background_up, background_down, backscup, backscdn; this spectrum...
    """
    data = as_dataset(spectrum, "background_of")
    needed = ("background_up", "background_down", "backscup", "backscdn")
    if missing := [name for name in needed if name not in data.variables]:
        raise WrongData(
            f"background_of needs {', '.join(needed)}; this spectrum lacks {', '.join(missing)}. Its background may "
            f"be a file of its own: {data.attrs.get('background_file', 'none')}"
        )
    if data["background_up"].dims != ("channel",):
        raise WrongData(f"background_of takes one spectrum; get it with xray.spectrum_of, from {dict(data.sizes)}")
    up, down = (in_units(data[name], "ct") for name in needed[:2])
    made = data.drop_vars([*needed, "stat_error", "systematic", "rate"], errors="ignore")
    made["counts"] = ("channel", up.values + down.values, {"units": "ct", "long_name": "Background counts"})
    made["backscal"] = (data["backscup"] + data["backscdn"]).assign_attrs(
        units="1", long_name="Background scale (extraction area)"
    )
    made.attrs = {key: said for key, said in data.attrs.items() if key not in ("title", "history", *FILES)}
    made.attrs |= {"hduclas2": "BKG", "background_file": "none"}
    title = f"{data.attrs.get('title', 'X-ray spectrum')}, background"
    step = "xray.background_of: BACKGROUND_UP + BACKGROUND_DOWN"
    return check(derived(made, data, title=title, step=step, references=[TG_BKG]))


def _wanted(data: xr.Dataset, number: int | None, grating: str | None, order: int | None) -> np.ndarray:
    """Return which rows are the one asked for."""
    if number is None and grating is None and order is None:
        raise BadOption(f"say which spectrum: spectrum_of(data, number), of {_listed(data)}")
    wanted = np.ones(data.sizes[ROWS], bool)
    if number is not None:
        _refuse_fraction(number, "number")
        wanted &= data[ROWS].values == number
    if grating is not None:
        part = PARTS.get(str(grating).lower())
        if part is None:
            raise BadOption(f"grating={grating!r} is none of {', '.join(map(repr, PARTS))}{near(grating, PARTS)}")
        wanted &= _gratings(data, "tg_part") == part
    if order is not None:
        _refuse_fraction(order, "order")
        wanted &= _gratings(data, "tg_m") == order
    return wanted


def _refuse_fraction(value: object, what: str) -> None:
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise BadOption(f"{what}={value!r} is no whole number")


def _gratings(data: xr.Dataset, name: str) -> np.ndarray:
    if name not in data.variables:
        raise WrongData(f"these spectra have no {name}, so they are of no grating of Chandra's; give their number")
    return data[name].values


def _asked(number: int | None, grating: str | None, order: int | None) -> str:
    said = {"number": number, "grating": grating, "order": order}
    return ", ".join(f"{key} {value}" for key, value in said.items() if value is not None)


def _listed(data: xr.Dataset) -> str:
    numbers = data[ROWS].values
    if {"tg_m", "tg_part"} <= set(data.variables) and numbers.size <= 24:
        arms = {part: name for name, part in PARTS.items()}
        rows = zip(numbers, data["tg_part"].values, data["tg_m"].values, strict=True)
        return ", ".join(f"{n} ({arms.get(int(part), part)} {int(m):+d})" for n, part, m in rows)
    return ", ".join(map(str, numbers)) if numbers.size <= 12 else f"{numbers.size}, {numbers[0]} to {numbers[-1]}"


def _row(data: xr.Dataset, at: int) -> xr.Dataset:
    one = data.isel({ROWS: at})
    files = {name: str(one[name].values) for name in FILES if name in one.variables}
    one = one.drop_vars(list(files))
    kept = {key: said for key, said in data.attrs.items() if key not in ("title", "history")}
    one.attrs = kept | files
    title = str(data.attrs.get("title", "X-ray spectrum"))
    found = f"spectrum {int(data[ROWS].values[at])}"
    step = f"xray.spectrum_of: {found} of {data.sizes[ROWS]}"
    return check(derived(one, data, title=f"{title}: {found}", step=step, references=[OGIP]))
