"""Dst from the solar wind: the magnetopause's part taken off, and the ring current's growth and decay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.model import derived, in_units, labelled
from analysis.plasma.coupling import rectified_field
from analysis.plasma.inputs import is_number, not_negative, on_same_axes, refuse_vectors
from analysis.plasma.series_inputs import Given, hours_of, in_nanoseconds, taken
from analysis.plasma.vectors import made, refuse_unknown

LONGEST_STEP = 3.0  # hours; the ring current decays within 3 to 19 of them


@dataclass(frozen=True, kw_only=True)
class DstModel:
    """One model: Dst* = Dst - b sqrt(P) + c, and dDst*/dt = Q - Dst*/tau with Q and tau (h) of V·Bs (mV/m)."""

    name: str
    pressure: float  # b, nT nPa-1/2
    quiet: float  # c, nT
    threshold: float  # mV/m, below which nothing is injected
    injection: float  # nT/h for each mV/m above it
    decay: Callable[[np.ndarray], np.ndarray]  # hours
    reference: str


# Burton et al.: a = 3.6e-5 /s, b = 0.20 nT (eV cm-3)^-1/2, c = 20 nT, d = -1.5e-3 nT /s per mV/m, Ec = 0.5 mV/m;
# 1 nPa is 6241.509 eV cm-3.
MODELS = {
    "obrien_2000": DstModel(
        name="O'Brien & McPherron 2000",
        pressure=7.26,
        quiet=11.0,
        threshold=0.49,
        injection=-4.4,
        decay=lambda vbs: 2.40 * np.exp(9.74 / (4.69 + vbs)),
        reference="O'Brien & McPherron, J. Geophys. Res. 105, 7707 (2000), doi:10.1029/1998JA000437",
    ),
    "burton_1975": DstModel(
        name="Burton et al. 1975",
        pressure=0.20 * 6241.509**0.5,
        quiet=20.0,
        threshold=0.50,
        injection=-1.5e-3 * 3600,
        decay=lambda vbs: np.full_like(vbs, 1 / (3.6e-5 * 3600)),
        reference="Burton, McPherron & Russell, J. Geophys. Res. 80, 4204 (1975), doi:10.1029/JA080i031p04204",
    ),
}


def pressure_corrected_dst(
    indices: xr.Dataset | None = None, *, dst: Given = None, pdyn: Given = None, model: str = "obrien_2000"
) -> xr.DataArray:
    r"""Return Dst without the currents of the magnetopause, :math:`Dst^* = Dst - b \sqrt{P} + c`.

    Parameters
    ----------
    indices : xarray.Dataset, optional
        With ``dst`` and ``pdyn`` (dynamic pressure).
    dst, pdyn : xarray.DataArray, optional
        The same as arrays, instead of what ``indices`` holds; any units of field and pressure.
    model : {"obrien_2000", "burton_1975"}, optional
        b = 7.26 nT nPa^-1/2 and c = 11 nT, or 15.8 and 20.

    Returns
    -------
    xarray.DataArray
        nT. NaN where an input is.

    Raises
    ------
    BadOption
        If the model is not known.
    UnknownVariable, WrongData
        If an input is missing, a vector or, for the pressure, negative; or if the axes differ.
    WrongUnits, MissingUnits
        If an input is of another kind.

    References
    ----------
    O'Brien & McPherron, J. Geophys. Res. 105, 7707 (2000), doi:10.1029/1998JA000437.
    Burton, McPherron & Russell, J. Geophys. Res. 80, 4204 (1975), doi:10.1029/JA080i031p04204.

    Examples
    --------
    >>> dst, pdyn = xr.DataArray(-100.0, attrs={"units": "nT"}), xr.DataArray(4.0, attrs={"units": "nPa"})
    >>> round(pressure_corrected_dst(dst=dst, pdyn=pdyn).item(), 2)
    -103.52
    """
    chosen = MODELS[refuse_unknown(model, MODELS, "Dst model")]
    index = taken(indices, dst, "dst", "pressure_corrected_dst")
    pressure = taken(indices, pdyn, "pdyn", "pressure_corrected_dst")
    on_same_axes(dst=index, pdyn=pressure)
    refuse_vectors(dst=index, pdyn=pressure)
    pressed = not_negative(in_units(pressure, "nPa").astype(np.float64), "pdyn")
    star = in_units(index, "nT") - chosen.pressure * xr.ufuncs.sqrt(pressed) + chosen.quiet
    label = f"Pressure-corrected Dst* ({chosen.name})"
    return made(star, "dst_star", index, pressure, units="nT", long_name=label, attrs={"references": chosen.reference})


def predicted_dst(
    wind: xr.Dataset | None = None,
    *,
    bz: Given = None,
    speed: Given = None,
    pdyn: Given = None,
    initial: float | xr.DataArray = 0.0,
    model: str = "obrien_2000",
    scheme: str = "exact",
) -> xr.Dataset:
    r"""Return Dst as an injection-decay model makes it of the solar wind, :math:`dDst^*/dt = Q - Dst^*/\tau`.

    The solar wind of a sample acts until the next. On 31 March 2001 the model of O'Brien & McPherron reaches -230 nT
    (Euler steps: -243) with the Qin-Denton wind, Burton's -381; Dst fell to -387: this storm is far outside what the
    former was fitted to.

    Parameters
    ----------
    wind : xarray.Dataset, optional
        With ``bz`` in GSM, ``speed`` and ``pdyn`` along ``time``, in steps of up to three hours.
    bz, speed, pdyn : xarray.DataArray, optional
        The same as arrays, instead of what ``wind`` holds.
    initial : float or xarray.DataArray, optional
        Where each run starts: Dst* in nT, by default 0; or the observed Dst along the same ``time``, of which only
        the value at a run's first sample is taken (corrected for pressure). A run starts at the first sample, and
        again after each gap: after samples whose field or speed is NaN, and after a step of more than 1.5 times the
        usual one.
    model : {"obrien_2000", "burton_1975"}, optional
        The first is the usual one for ordinary and intense storms; great ones come out too small.
    scheme : {"exact", "euler"}, optional
        ``"exact"`` solves the equation between samples, so that hourly and five-minute input agree for one
        wind. ``"euler"`` takes one difference a sample, as O'Brien & McPherron fitted hourly values and most
        programs do; of hourly input it differs by some percent.

    Returns
    -------
    xarray.Dataset
        ``dst`` and ``dst_star`` (nT) along ``time``, and the coordinate ``since_start`` (h): how long the run
        goes on. The start is forgotten after about a day, so ``where(since_start > 24)`` is free of it. NaN in gaps;
        ``dst`` also where the pressure is. Flags: the worst of the inputs' at that time, though the value remembers
        earlier ones also.

    Raises
    ------
    BadOption
        If the model or the scheme is not known, or the initial value is no number.
    UnknownVariable, WrongData, WrongFrame, WrongUnits, MissingUnits
        As for :func:`newell_coupling`; also if there is another dim than ``time``, times do not increase, or steps are
        longer than three hours.

    References
    ----------
    O'Brien & McPherron, J. Geophys. Res. 105, 7707 (2000), doi:10.1029/1998JA000437.
    Burton, McPherron & Russell, J. Geophys. Res. 80, 4204 (1975), doi:10.1029/JA080i031p04204.

    Examples
    --------
    >>> from analysis import plasma
    >>> storm = plasma.fetch("qin_denton_hourly", "2001-03-29", "2001-04-02")
    >>> model = predicted_dst(storm, initial=storm.dst)
    >>> round(model.dst.min().item()), round(storm.dst.min().item())
    (-230, -387)
    """
    chosen = MODELS[refuse_unknown(model, MODELS, "Dst model")]
    refuse_unknown(scheme, ("exact", "euler"), "scheme")
    field, flow = taken(wind, bz, "bz", "predicted_dst"), taken(wind, speed, "speed", "predicted_dst")
    pressure = taken(wind, pdyn, "pdyn", "predicted_dst")
    on_same_axes(bz=field, speed=flow, pdyn=pressure)
    driver = rectified_field(bz=field, speed=flow)
    hours = hours_of(driver.rename("the wind"), "predicted_dst")
    pressed = not_negative(in_units(pressure, "nPa").astype(np.float64), "pdyn")
    offset = chosen.pressure * np.sqrt(pressed.broadcast_like(driver).values) - chosen.quiet
    vbs = driver.values.astype(np.float64)
    start = _initial(initial, driver, offset)
    star, since = _integrated(chosen, vbs, hours, start, exact=scheme == "exact")
    origins, references = (field, flow), {"references": chosen.reference}
    like = in_nanoseconds(driver.reset_coords(drop=True))
    whole = made(
        like.copy(data=star + offset),
        "dst",
        *origins,
        pressure,
        units="nT",
        long_name=f"Dst by {chosen.name}",
        attrs=references,
    )
    ring = made(
        like.copy(data=star), "dst_star", *origins, units="nT", long_name=f"Dst* by {chosen.name}", attrs=references
    )
    began = labelled(
        like.copy(data=since), "since_start", units="h", long_name="Time since the start of the run", attrs={}
    )
    return derived(
        xr.Dataset({"dst": whole, "dst_star": ring}).assign_coords(since_start=began),
        field if wind is None else wind,
        title=f"Dst predicted from the solar wind by {chosen.name}",
        step=f"plasma.predicted_dst(model={model!r}, scheme={scheme!r})",
        references=[chosen.reference],
        also=[field, flow, pressure],
    )


def _initial(initial: float | xr.DataArray, driver: xr.DataArray, offset: np.ndarray) -> np.ndarray:
    """Return Dst* for each sample at which a run might start."""
    if isinstance(initial, xr.DataArray):
        on_same_axes(initial=initial, wind=driver)
        refuse_vectors(initial=initial)
        return in_units(initial, "nT").broadcast_like(driver).values.astype(np.float64) - offset
    if not is_number(initial) or not np.isfinite(initial):
        raise BadOption(f"initial={initial!r} is no number of nT, nor the observed Dst as a DataArray")
    return np.full(driver.shape, float(initial))


def _integrated(
    model: DstModel, vbs: np.ndarray, hours: np.ndarray, start: np.ndarray, *, exact: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return Dst* at each sample and the hours since its run began."""
    step = np.diff(hours)
    usual = float(np.median(step)) if step.size else 1.0
    if usual > LONGEST_STEP:
        raise WrongData(
            f"the samples are {usual:g} h apart; the ring current changes within hours, so predicted_dst takes steps "
            f"of up to {LONGEST_STEP:g} h"
        )
    known = np.isfinite(vbs)
    goes_on = known[1:] & known[:-1] & (step <= 1.5 * usual)
    begins = known & ~np.concatenate([[False], goes_on])
    with np.errstate(invalid="ignore"):
        injected = np.where(vbs > model.threshold, model.injection * (vbs - model.threshold), 0.0)
    decay = model.decay(np.where(known, vbs, 0.0))
    factor, gain = np.zeros(vbs.shape), np.where(begins, start, np.nan)
    kept = np.exp(-step / decay[:-1]) if exact else 1 - step / decay[:-1]
    added = (injected * decay)[:-1] * (1 - kept)  # of an Euler step: injection times step
    factor[1:] = np.where(goes_on, kept, 0.0)
    gain[1:] = np.where(goes_on, added, gain[1:])
    first = np.maximum.accumulate(np.where(begins, np.arange(vbs.size), 0))
    since = np.where(known, hours - hours[first], np.nan)
    return np.where(known, recurrence(factor, gain), np.nan), since


def recurrence(factor: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """Return x of x[i] = factor[i] x[i-1] + gain[i] in some twenty vectorised passes; factors are at most 1.

    Examples
    --------
    >>> recurrence(np.array([0.0, 0.5, 0.5]), np.array([8.0, 0.0, 1.0]))
    array([8., 4., 3.])
    """
    factor, gain = factor.copy(), gain.copy()
    reach = 1
    while reach < factor.size:
        with np.errstate(invalid="ignore"):
            carried = np.where(factor[reach:] == 0, 0.0, factor[reach:] * gain[:-reach])
        gain[reach:] += carried
        factor[reach:] = factor[reach:] * factor[:-reach]
        reach *= 2
    return gain
