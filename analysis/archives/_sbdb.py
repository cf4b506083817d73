"""Answers of the JPL Small-Body Database, parsed by astroquery, as datasets that keep the contract."""

from __future__ import annotations

import hashlib
import types
from collections.abc import Iterable, Mapping
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from analysis.errors import CorruptFile, MissingFile, UnknownTarget
from analysis.model import check, labelled, stamp, to_utc, unit_text

__all__ = ["APOPHIS_SHA256", "recorded_apophis", "tree_of_answer"]

APOPHIS_SHA256 = "356aa70b44e84b6d44bddaab171d633fc6e30bef8d783d6d9bcefb8c052172cd"
_REFERENCES = ("https://ssd-api.jpl.nasa.gov/doc/sbdb.html", "https://ssd.jpl.nasa.gov/tools/sbdb_lookup.html")
_FRAME = "ECLIPJ2000"

# theirs: (ours, long_name); what is not listed keeps the database's name
_ELEMENTS = {
    "e": ("eccentricity", "Eccentricity"),
    "a": ("semi_major_axis", "Semi-major axis"),
    "q": ("perihelion_distance", "Perihelion distance"),
    "i": ("inclination", "Inclination"),
    "om": ("ascending_node", "Longitude of the ascending node"),
    "w": ("perihelion_argument", "Argument of perihelion"),
    "ma": ("mean_anomaly", "Mean anomaly at epoch"),
    "tp": ("perihelion_time", "Time of perihelion passage (UTC)"),
    "per": ("period", "Orbital period"),
    "n": ("mean_motion", "Mean motion"),
    "ad": ("aphelion_distance", "Aphelion distance"),
    "A1": ("A1", "Non-gravitational radial acceleration"),
    "A2": ("A2", "Non-gravitational transverse acceleration"),
    "A3": ("A3", "Non-gravitational normal acceleration"),
    "DT": ("DT", "Non-gravitational perihelion offset"),
}
_FACTS = {
    "moid": ("earth_moid", "au", "Minimum distance of the orbit from the Earth's"),
    "moid_jup": ("jupiter_moid", "au", "Minimum distance of the orbit from Jupiter's"),
    "t_jup": ("jupiter_tisserand", "1", "Tisserand parameter with respect to Jupiter"),
    "condition_code": ("condition_code", "1", "Uncertainty of the orbit, 0 (good) to 9"),
    "rms": ("rms", "1", "Normalized RMS of the fit"),
    "data_arc": ("data_arc", "d", "Span of the observations"),
    "n_obs_used": ("observations", "1", "Observations used"),
}
_PHYSICAL = {
    "H": ("absolute_magnitude", "Absolute magnitude H"),
    "G": ("slope", "Magnitude slope parameter G"),
    "M1": ("total_absolute_magnitude", "Comet's total absolute magnitude M1"),
    "M2": ("nuclear_absolute_magnitude", "Comet's nuclear absolute magnitude M2"),
    "K1": ("total_slope", "Comet's total magnitude slope K1"),
    "K2": ("nuclear_slope", "Comet's nuclear magnitude slope K2"),
    "PC": ("phase_coefficient", "Comet's nuclear phase coefficient"),
    "diameter": ("diameter", "Effective diameter"),
    "extent": ("extent", "Extent along three axes, in km"),
    "GM": ("gm", "Gravitational parameter"),
    "density": ("density", "Bulk density"),
    "rot_per": ("rotation_period", "Rotation period"),
    "pole": ("pole", "Pole, right ascension / declination in degrees"),
    "albedo": ("albedo", "Geometric albedo"),
    "BV": ("b_v", "Colour B−V"),
    "UB": ("u_b", "Colour U−B"),
    "spec_T": ("type_tholen", "Tholen spectral type"),
    "spec_B": ("type_smassii", "SMASSII spectral type"),
}
_APPROACH = {
    "dist": ("distance", "au", "Nominal distance of centres at closest approach"),
    "dist_min": ("distance_min", "au", "Smallest distance, three sigma"),
    "dist_max": ("distance_max", "au", "Largest distance, three sigma"),
    "v_rel": ("speed", "km s-1", "Speed relative to the body at closest approach"),
    "v_inf": ("speed_infinity", "km s-1", "Speed relative to a massless body"),
    "sigma_t": ("time_sigma", "min", "Uncertainty of the time, one sigma"),
    "unc_major": ("ellipse_major", "km", "Uncertainty ellipse in the target plane, semi-major axis, one sigma"),
    "unc_minor": ("ellipse_minor", "km", "Uncertainty ellipse in the target plane, semi-minor axis, one sigma"),
    "unc_angle": ("ellipse_angle", "deg", "Uncertainty ellipse, orientation"),
}


def recorded_apophis() -> Path:
    """Return the recorded answer for 99942 Apophis that astroquery's package carries, its checksum verified.

    Raises
    ------
    MissingFile, CorruptFile
        The installed astroquery has it no more, or another one.

    Examples
    --------
    >>> recorded_apophis().name
    'apophis.dat'
    """
    with as_file(files("astroquery") / "jplsbdb" / "tests" / "data" / "apophis.dat") as path:
        if not path.is_file():
            raise MissingFile("the astroquery installed here carries no jplsbdb/tests/data/apophis.dat; 0.4.11 does")
        if hashlib.sha256(path.read_bytes()).hexdigest() != APOPHIS_SHA256:
            raise CorruptFile(f"{path} is not the recording known here (sha256 {APOPHIS_SHA256}): astroquery 0.4.11's")
        return path


def tree_of_answer(text: str, where: str, provenance: Mapping[str, object]) -> xr.DataTree:
    """Return an answer of the database as a tree.

    Parameters
    ----------
    text : str
        JSON as the server sent it.
    where : str
        What it is, for messages.
    provenance : mapping
        As for :func:`analysis.model.stamp`.

    Raises
    ------
    CorruptFile
        It is no such answer.
    UnknownTarget
        It says that there is no such body, or several.
    """
    answer = _parsed(text, where)
    try:
        orbit = _orbit(answer["orbit"])
        physical = _physical(answer.get("phys_par") or {})
        approaches = _approaches(answer.get("ca_data") or {})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptFile(f"{where} is no sound answer of the JPL Small-Body Database: {error!r}") from error
    name = str(answer["object"].get("fullname", "not stated"))
    nodes = {"orbit": orbit, "physical": physical, "approaches": approaches}
    tree = xr.DataTree.from_dict(
        {"/": _stamped(xr.Dataset(), name, answer, provenance)}
        | {key: check(_stamped(node, f"{name}: {key}", answer, provenance)) for key, node in nodes.items() if node}
    )
    return check(tree)


def _parsed(text: str, where: str) -> Mapping[str, Any]:
    """Return astroquery's dictionary, or what is wrong with the answer."""
    from astroquery.jplsbdb import SBDBClass

    try:
        answer = SBDBClass()._parse_result(types.SimpleNamespace(text=text))
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise CorruptFile(f"{where} is no answer of the JPL Small-Body Database: {error}") from error
    if not isinstance(answer.get("object"), Mapping):
        if "message" not in answer:
            raise CorruptFile(f"{where} is no answer of the JPL Small-Body Database: it names no object")
        listed = answer.get("list")
        several = f": {', '.join(map(str, np.atleast_1d(listed['pdes'])))}" if isinstance(listed, Mapping) else ""
        raise UnknownTarget(f"JPL SBDB, {where}: {answer['message']}{several}")
    return answer


def _orbit(orbit: Mapping[str, Any]) -> xr.Dataset:
    variables = _quantities(orbit["elements"], _ELEMENTS, ("e", "q"))
    variables |= _quantities(orbit.get("model_pars") or {}, _ELEMENTS, ())
    for key, (name, units, long_name) in _FACTS.items():
        if orbit.get(key) is not None:
            variables[name] = _scalar(_number(orbit[key], units), name, units, long_name)
    epoch = xr.DataArray(_utc(orbit["epoch"].to_value("d")), attrs={"long_name": "Epoch of the elements (UTC)"})
    told = {key: str(orbit[key]) for key in ("orbit_id", "producer", "soln_date", "first_obs", "last_obs", "pe_used")
            if orbit.get(key) is not None}  # fmt: skip
    data = xr.Dataset(variables, coords={"epoch": epoch}, attrs={"frame": _FRAME, **told})
    for name in ("inclination", "ascending_node", "perihelion_argument"):
        if name in data:
            data[name].attrs["frame"] = _FRAME
    return data


def _physical(parameters: Mapping[str, Any]) -> xr.Dataset:
    return xr.Dataset(_quantities(parameters, _PHYSICAL, ()))


def _quantities(told: Mapping[str, Any], names: Mapping[str, tuple[str, str]], needed: Iterable[str]) -> dict:
    """Return astroquery's values with their uncertainties: ``e``, ``e_sig``, ``e_ref``, ``e_note`` …"""
    if missing := [key for key in needed if told.get(key) is None]:
        raise KeyError(f"no {', '.join(missing)}")
    made: dict[str, xr.DataArray] = {}
    for key, value in told.items():
        if f"{key}_sig" not in told or value is None:  # what belongs to another value; what is not known
            continue
        name, long_name = names.get(key, (key, key))
        extra = {"reference": told.get(f"{key}_ref"), "note": told.get(f"{key}_note"), "kind": told.get(f"{key}_kind")}
        attrs = {attr: str(text) for attr, text in extra.items() if text is not None}
        sigma = told[f"{key}_sig"]
        if isinstance(value, str):
            made[name] = xr.DataArray(value, attrs={"long_name": long_name, **attrs})
            if sigma not in (None, "None"):
                about = {"long_name": f"Uncertainty of {long_name[:1].lower()}{long_name[1:]}, one sigma"}
                made[f"{name}_sigma"] = xr.DataArray(str(sigma), attrs=about)
            continue
        units = _units(value)
        if key == "tp":
            made[name] = xr.DataArray(_utc(value.to_value("d")), attrs={"long_name": long_name, **attrs})
        else:
            made[name] = _scalar(_number(value, units), name, units, long_name, attrs)
        if sigma is not None:
            about_sigma = f"Uncertainty of {long_name[:1].lower()}{long_name[1:]}, one sigma"
            made[f"{name}_sigma"] = _scalar(_number(sigma, units), f"{name}_sigma", units, about_sigma)
    return made


def _approaches(told: Mapping[str, Any]) -> xr.Dataset:
    """Return close approaches in order of time."""
    if not told:
        return xr.Dataset()
    days = np.atleast_1d(_number(told["jd"], "d"))
    variables = {
        name: labelled(
            xr.DataArray(np.atleast_1d(_number(told[key], units)), dims="approach"),
            name,
            units=units,
            long_name=long_name,
        )
        for key, (name, units, long_name) in _APPROACH.items()
        if key in told
    }
    body = xr.DataArray(np.atleast_1d(told["body"]).astype(str), dims="approach", attrs={"long_name": "Body passed"})
    time = xr.DataArray(_utc(days), dims="approach", attrs={"long_name": "Time of closest approach (UTC)"})
    data = xr.Dataset(variables, coords={"time": time, "body": body}).isel(approach=np.argsort(days, kind="stable"))
    data.attrs["caveats"] = (
        "The database gives times in TDB. UTC counts the leap seconds known today, and none before 1960."
    )
    return data


def _number(value: Any, units: str) -> Any:
    """Return a number or an array of them in these units; NaN for what the database leaves out."""
    import astropy.units as u

    if isinstance(value, u.Quantity):
        return value.to_value(u.Unit(units))
    if isinstance(value, (list, tuple)):  # astroquery's own form where one of them is missing
        return np.array([_number(item, units) for item in value], dtype=float)
    return float("nan") if value is None else float(value)


def _units(value: Any) -> str:
    """Return the unit of one of astroquery's values."""
    unit = getattr(value, "unit", None)
    return "1" if unit is None else unit_text(unit.to_string().replace("AU", "au"))


def _scalar(value: float, name: str, units: str, long_name: str, attrs: Mapping[str, str] | None = None):
    return labelled(xr.DataArray(value), name, units=units, long_name=long_name, attrs=attrs)


def _utc(days: Any) -> np.ndarray:
    """Return Julian days of TDB as UTC."""
    import warnings

    from astropy.time import Time

    with warnings.catch_warnings():  # years before 1960 or far ahead: the caveat says it
        warnings.filterwarnings("ignore", message=".*dubious year")
        return to_utc(Time(days, format="jd", scale="tdb"))


def _stamped(data: xr.Dataset, title: str, answer: Mapping[str, Any], provenance: Mapping[str, object]) -> xr.Dataset:
    signature = answer.get("signature") or {}
    which = f"orbit solution {answer['orbit'].get('orbit_id')} of {answer['orbit'].get('soln_date')}"
    papers = [data[name].attrs["reference"] for name in data.data_vars if "reference" in data[name].attrs]
    return stamp(
        data.assign_attrs(target=str(answer["object"].get("fullname", ""))),
        title=title,
        institution="NASA/JPL Solar System Dynamics",
        source=f"{signature.get('source', 'JPL Small-Body Database')} {signature.get('version', '')}, {which}".strip(),
        references=[*dict.fromkeys([*papers, *_REFERENCES])],
        license="not stated",
        history=["answer of the JPL Small-Body Database parsed by astroquery; times made UTC"],
        provenance=provenance,
    )
