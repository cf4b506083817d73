"""Where the Sun and the magnetic axis of the Earth stand at a time."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.errors import BadTime, WrongData
from analysis.model import labelled, to_utc, utc
from analysis.plasma.ephemeris import angles
from analysis.plasma.rotations import turned


def dipole_tilt(time: object) -> xr.DataArray:
    """Return the tilt of the Earth's dipole: how far its northern axis leans towards the Sun.

    Parameters
    ----------
    time : xarray.DataArray, numpy.ndarray, str
        Times in UTC, or an array with a coordinate ``time``; ISO 8601 text and astropy times also.

    Returns
    -------
    xarray.DataArray
        Degrees, positive in northern summer; the angle of the dipole to the z axis of GSM.

    Raises
    ------
    WrongData, BadTime
        If these are no times.
    OutsideCoverage
        If a time is outside IGRF-14, 1900-2030.

    References
    ----------
    Hapgood, Planet. Space Sci. 40, 711 (1992), doi:10.1016/0032-0633(92)90012-D.
    IGRF-14, doi:10.5281/zenodo.14012302.

    Examples
    --------
    >>> round(dipole_tilt("2001-06-21T16:45").item(), 1)
    33.8
    """
    times = times_of(time)
    tilt = np.degrees(angles(times.values, {"dipole", "sun"})["tilt"])
    return labelled(times.copy(data=tilt), "dipole_tilt", units="deg", long_name="Tilt of the Earth's dipole")


def sun_direction(time: object) -> xr.DataArray:
    """Return the direction from the Earth to the Sun.

    It is the geometric one, where the Sun is at that moment; the Sun that is seen stands 0.0057° behind it
    (aberration). Longitude within 0.001° of ERFA's epv00 (fitted to DE405) from 1900 to 2100; the
    Sun's latitude, below 0.0004°, is left out.

    Parameters
    ----------
    time : xarray.DataArray, numpy.ndarray, str
        As for :func:`dipole_tilt`.

    Returns
    -------
    xarray.DataArray
        Unit vectors in GEI (mean equator and equinox of date), with a last dim ``component``.

    Raises
    ------
    WrongData, BadTime
        If these are no times.
    OutsideCoverage
        If a time is outside 1900-2100.

    References
    ----------
    Bretagnon & Francou, Astron. Astrophys. 202, 309 (1988): VSOP87D, 32 terms of the longitude.

    Examples
    --------
    >>> sun_direction("2000-03-20T07:35").values.round(3) + 0.0
    array([1., 0., 0.])
    """
    times = times_of(time)
    at = angles(times.values, {"sun"})
    values = turned(np.array([1.0, 0.0, 0.0]), [("z", -at["sun"]), ("x", -at["obliquity"])])
    names = {"component": ("component", ["x", "y", "z"], {"long_name": "Component"})}
    made = xr.DataArray(values, dims=(*times.dims, "component"), coords={**times.coords, **names})
    return labelled(
        made, "sun_direction", units="1", long_name="Direction of the Sun from the Earth", attrs={"frame": "GEI"}
    )


def times_of(time: object, what: str = "time") -> xr.DataArray:
    """Return the times of an array or in it, as ``datetime64[ns]``.

    Raises
    ------
    WrongData
        If there are no times, or one is missing.
    BadTime
        If text is no time.

    Examples
    --------
    >>> times_of(xr.DataArray([1.0], coords={"time": [np.datetime64("2001-03-31", "ns")]})).values
    array(['2001-03-31T00:00:00.000000000'], dtype='datetime64[ns]')
    """
    if not isinstance(time, xr.DataArray | xr.Dataset):
        values = _stamps(time, what)
        if np.ndim(values) > 1:
            raise WrongData(f"{what} has {np.ndim(values)} axes; give times along one, or a DataArray that names them")
        says = {"long_name": "Time (UTC)"}
        time = xr.DataArray(values, dims=["time"][: np.ndim(values)], name="time", attrs=says)
        time = time.assign_coords(time=time)
    name = str(time.name or what) if isinstance(time, xr.DataArray) else "the dataset"
    is_times = isinstance(time, xr.DataArray) and time.dtype.kind == "M"
    if not is_times and "time" not in time.coords:
        raise WrongData(
            f"{name} has no coordinate time, on which the rotation depends: "
            f"{name}.assign_coords(time=...), with times as datetime64[ns] in UTC"
        )
    times = time if isinstance(time, xr.DataArray) and is_times else time["time"]
    if times.dtype.kind != "M":
        raise WrongData(f"the times of {name} are {times.dtype}, not datetime64[ns] in UTC")
    if bool(times.isnull().any()):
        raise BadTime(f"{int(times.isnull().sum())} of the times of {name} are missing (NaT); drop these samples first")
    if times.dtype != np.dtype("datetime64[ns]"):
        first, last = (np.datetime64(year, "Y").astype(times.dtype) for year in ("1678", "2262"))
        if bool(((times < first) | (times >= last)).any()):  # numpy would wrap them, without a word
            raise BadTime(f"the times of {name} are not all between 1678 and 2261, which 64-bit nanoseconds hold")
    bare = times.drop_vars([key for key in times.coords if key not in ("time", *times.dims)]).astype("datetime64[ns]")
    if "time" in bare.coords:
        return bare
    return bare.assign_coords(time=(bare.dims, bare.values, {"long_name": "Time (UTC)"}))


def _stamps(time: object, what: str) -> np.ndarray:
    """Return one time or several, of whatever kind, as an array of datetime64."""
    if type(time).__module__.startswith("astropy.time"):
        return to_utc(time)
    if np.ndim(time) == 0:  # type: ignore[arg-type]
        return np.asarray(utc(time, what))
    values = np.asarray(time)
    if values.dtype.kind in "UO" and values.ndim == 1:
        return np.array([utc(one, what) for one in values.tolist()], dtype="datetime64[ns]")
    return values
