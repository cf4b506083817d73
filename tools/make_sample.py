"""Make the files of analysis/sample/ from the originals that registry.toml names.

    python tools/make_sample.py --originals FOLDER [--to FOLDER]

FOLDER holds the originals, in any subfolders, under their ``original_name``. A file whose ``changes`` are
"none" is copied; the others are made by the function that MAKERS names. Size and sha256 in the registry are
then written anew, so that ``git diff`` shows whether anything came out differently.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import json
import re
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import h5py
import numpy as np
import xarray as xr
from astropy.io import fits

SAMPLE = Path(__file__).resolve().parents[1] / "analysis" / "sample"

QIN_DENTON = {
    "by": ("ByIMF", "nT", "Interplanetary magnetic field, y (GSM)"),
    "bz": ("BzIMF", "nT", "Interplanetary magnetic field, z (GSM)"),
    "speed": ("velo", "km s-1", "Solar wind speed"),
    "density": ("dens", "cm-3", "Solar wind proton density"),
    "pdyn": ("Pdyn", "nPa", "Solar wind dynamic pressure, helium included (about 2e-6 n V²)"),
    **{f"w{i}": (f"W{i}", "1", f"Tsyganenko 2005 driving parameter W{i}") for i in range(1, 7)},
    "g1": ("G1", "1", "Tsyganenko 2001 parameter G1"),
    "g2": ("G2", "1", "Tsyganenko 2001 parameter G2"),
    "g3": ("G3", "1", "Tsyganenko 2001 storm parameter G3"),
}
QIN_DENTON_FLAGS = ("filled", "interpolated", "measured")
SPACE_WEATHER_ROWS = {"MONTHLY_PREDICTED": 0, "DAILY_PREDICTED": 1, "OBSERVED": 2}
SPACE_WEATHER_FLAGS = ("monthly_predicted", "daily_predicted", "measured")
F107_FLAGS = ("monthly_predicted", "daily_predicted", "interpolated", "measured")
EVENT_COLUMNS = ("time", "x", "y", "energy", "pi", "ccd_id")
LIMITS = ("TLMIN", "TLMAX")
STRUCTURE = {"XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "PCOUNT", "GCOUNT", "TFIELDS"}
TELESCOPES = {"L": "LFT", "M": "MFT", "H": "HFT"}
LITEBIRD = {
    "bandwidth": ("bandwidth_ghz", "GHz", "Bandwidth"),
    "beam": ("fwhm_arcmin", "arcmin", "Beam, full width at half maximum"),
    "n_detectors": ("number_of_detectors", "1", "Number of detectors"),
    "net_detector": ("net_detector_ukrts", "uK s(1/2)", "Noise equivalent temperature of one detector (CMB)"),
    "net": ("net_channel_ukrts", "uK s(1/2)", "Noise equivalent temperature of the channel (CMB)"),
    "polarization_sensitivity": (
        "pol_sensitivity_channel_ukarcmin",
        "uK arcmin",
        "Polarization sensitivity of the channel (CMB)",
    ),
    "knee_frequency": ("fknee_mhz", "mHz", "Knee frequency of the 1/f noise"),
}


def main() -> int:
    """Write every file that the registry names, and its size and checksum."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--originals", type=Path, required=True, help="folder with the originals")
    parser.add_argument("--to", type=Path, default=SAMPLE, help="where the files go (default: analysis/sample)")
    given = parser.parse_args()
    entries = tomllib.loads((SAMPLE / "registry.toml").read_text("utf-8"))
    given.to.mkdir(parents=True, exist_ok=True)
    for name, entry in entries.items():
        original = only_one(given.originals, entry["original_name"])
        if entry["changes"] == "none":
            shutil.copyfile(original, given.to / name)
            (given.to / name).chmod(0o644)
        else:
            MAKERS[name](original, given.to / name, entry)
    text = registered((SAMPLE / "registry.toml").read_text("utf-8"), given.to, list(entries))
    (given.to / "registry.toml").write_text(text, "utf-8")
    megabytes = sum((given.to / name).stat().st_size for name in entries) / 1e6
    print(f"{len(entries)} files, {megabytes:.1f} MB in {given.to}")
    return 0


def only_one(folder: Path, name: str) -> Path:
    """Return the one file of this name under the folder."""
    found = sorted(folder.rglob(name))
    if len(found) != 1:
        sys.exit(f"{folder} holds {len(found)} files named {name}; one is needed")
    return found[0]


def registered(text: str, folder: Path, names: list[str]) -> str:
    """Return the registry's text with each file's true size and sha256."""
    for name in names:
        data = (folder / name).read_bytes()
        numbers = rf"\g<1>size = {len(data)}\nsha256 = \"{hashlib.sha256(data).hexdigest()}\"\n"
        heading = rf'(\["{re.escape(name)}"\]\n)size = \d+\nsha256 = "[0-9a-f]*"\n'
        text, found = re.subn(heading, numbers.replace('\\"', '"'), text)
        if found != 1:
            sys.exit(f"the registry's entry of {name} does not begin with size and sha256")
    return text


def quantity(dims: str | tuple[str, ...], values: np.ndarray, units: str, long_name: str, **attrs: object) -> tuple:
    """Return what xarray makes a labelled variable of."""
    return dims, values, {"units": units, "long_name": long_name, **attrs}


def flags(dims: str, values: np.ndarray, long_name: str, meanings: tuple[str, ...]) -> tuple:
    """Return a CF flag variable; the value n means ``meanings[n]``."""
    attrs = {"flag_values": np.arange(len(meanings), dtype="i1"), "flag_meanings": " ".join(meanings)}
    return quantity(dims, values.astype("i1"), "1", long_name, **attrs)


def save(dataset: xr.Dataset, path: Path, entry: Mapping[str, str], time_units: str | None = None) -> None:
    """Write a compressed netCDF-4 file that says whose numbers these are."""
    attrs = {
        "Conventions": "CF-1.11",
        "title": entry["title"],
        "institution": entry["institution"],
        "source": f"{entry['mission']} / {entry['instrument']}",
        "references": "\n".join(entry["references"]),
        "license": f"{entry['license']}: {entry['terms']}",
        "history": f"made from {entry['original_name']} ({entry['obtained_from']}): {entry['changes']}",
        "provenance": json.dumps({"original": entry["original_name"], "obtained_from": entry["obtained_from"]}),
    }
    packed = {"zlib": True, "complevel": 9, "shuffle": True}
    encoding: dict = {str(v): dict(packed) for v in dataset.variables if dataset[v].dtype.kind in "fiuM"}
    for name in encoding:
        encoding[name]["_FillValue"] = np.float32(np.nan) if dataset[name].dtype == np.float32 else None
    if time_units:
        encoding["time"] |= {"units": time_units, "dtype": "i4", "calendar": "proleptic_gregorian"}
    dataset.assign_attrs(attrs).to_netcdf(path, engine="h5netcdf", encoding=encoding)


def qin_denton(original: Path, target: Path, entry: Mapping[str, str]) -> None:
    """Hourly Qin-Denton parameters: our names and units, flags beside the values."""
    with h5py.File(original) as file:
        held = {name: file[name][:] for name in file if name != "Qbits"}
        bits = {name: file["Qbits"][name][:] for name in file["Qbits"]}
    times = np.array([text.decode() for text in held["UTC"]], dtype="datetime64[ns]")
    dst = held["Dst"].astype("f4")
    data = {
        "dst": quantity("time", dst, "nT", "Dst index"),
        "kp": quantity("time", held["Kp"], "1", "Kp index", comment="thirds rounded to one decimal, as in the file"),
    }
    for name, (theirs, units, long_name) in QIN_DENTON.items():
        frame = {"frame": "GSM"} if name in ("by", "bz") else {}
        data[name] = quantity("time", held[theirs], units, long_name, **frame)
        data[f"{name}_quality"] = flags("time", bits[theirs], f"How {theirs} was obtained", QIN_DENTON_FLAGS)
    worst = np.minimum.reduce([bits["Pdyn"], bits["dens"], bits["velo"]])
    what = "How Pdyn was obtained: the worst of its own flag and those of density and speed"
    data["pdyn_quality"] = flags("time", worst, what, QIN_DENTON_FLAGS)
    data["pdyn_quality_as_given"] = flags("time", bits["Pdyn"], "The file's own flag of Pdyn", QIN_DENTON_FLAGS)
    dataset = xr.Dataset(data, coords={"time": ("time", times, {"long_name": "Time (UTC)"})})
    save(dataset, target, entry, "hours since 1999-07-01T00:00:00")


def space_weather(original: Path, target: Path, entry: Mapping[str, str]) -> None:
    """Daily space weather, monthly after the daily predictions end; every predicted row flagged."""
    with gzip.open(original, "rt", encoding="ascii") as opened:
        rows = list(space_weather_rows(opened.read().splitlines()))
    kinds = np.array([kind for kind, _ in rows])
    lines = [line for _, line in rows]
    times = np.array(["-".join((x[0:4], x[5:7], x[8:10])) for x in lines], dtype="datetime64[ns]")

    def column(start: int, stop: int) -> np.ndarray:
        return np.array([float(x[start:stop].strip() or "nan") for x in lines], dtype="f4")

    kp = np.stack([column(18 + 3 * i, 21 + 3 * i) for i in range(8)], axis=1)
    ap = np.stack([column(46 + 4 * i, 50 + 4 * i) for i in range(8)], axis=1)
    qualifier = column(98, 100)
    if found := set(qualifier[kinds == 2]) - {0, 4}:  # 0 as measured, 4 interpolated by the compilers
        sys.exit(f"{original}: unexpected qualifiers of F10.7 {found}")
    f107 = np.where((kinds == 2) & (qualifier == 0), 3, kinds)
    both = ("time", "interval")
    sfu = "1e-22 W m-2 Hz-1"
    data = {
        "kp": quantity(both, np.round(kp * 0.3) / np.float32(3), "1", "Kp index"),
        "ap": quantity(both, ap, "1", "ap index (in units of 2 nT)"),
        "ap_mean": quantity("time", column(78, 82), "1", "Ap, daily mean of ap (in units of 2 nT)"),
        "sunspot_number": quantity("time", column(88, 92), "1", "International sunspot number"),
        "f107_observed": quantity("time", column(112, 118), sfu, "F10.7 solar radio flux, as observed"),
        "f107_adjusted": quantity("time", column(92, 98), sfu, "F10.7 solar radio flux, adjusted to 1 au"),
    }
    quality = {
        f"{v}_quality": (f107, F107_FLAGS) if v.startswith("f107") else (kinds, SPACE_WEATHER_FLAGS) for v in data
    }
    for name, (values, meanings) in quality.items():
        data[name] = flags("time", values, f"How {name.removesuffix('_quality')} was obtained", meanings)
    coords = {
        "time": ("time", times, {"long_name": "Start of the day or month (UTC)"}),
        "interval": quantity("interval", np.arange(0, 24, 3, dtype="i4"), "h", "Start of the three-hour interval"),
    }
    save(xr.Dataset(data, coords=coords), target, entry, "days since 1957-10-01T00:00:00")


def space_weather_rows(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Yield (flag, line) for each row between BEGIN and END."""
    kind = None
    for line in lines:
        if line.startswith("BEGIN "):
            kind = SPACE_WEATHER_ROWS[line.split()[1]]
        elif line.startswith("END "):
            kind = None
        elif kind is not None and line.strip():
            yield kind, line


def ring_current(original: Path, target: Path, entry: Mapping[str, str]) -> None:
    """Hourly RC index, without its external and induced parts."""
    with h5py.File(original) as file:
        days, rc, letters = file["time"][:], file["RC"][:], file["flag"][:]
    if set(letters.tolist()) != {b"D"}:
        sys.exit(f"{original}: other flags than D; say in the registry what they mean")
    seconds = np.round(days * 86400).astype("timedelta64[s]")
    times = (np.datetime64("2000-01-01", "s") + seconds).astype("datetime64[ns]")
    dataset = xr.Dataset(
        {"rc": quantity("time", rc.astype("f4"), "nT", "RC index of the magnetospheric ring current")},
        coords={"time": ("time", times, {"long_name": "Middle of the hour (UTC)"})},
    )
    save(dataset, target, entry, "minutes since 1997-01-01T00:00:00")


def msh1552(original: Path, target: Path, entry: Mapping[str, str]) -> None:
    """Chandra events of MSH 15-52: six of nineteen columns; every row, GTI and keyword that still applies."""
    with fits.open(original) as opened:
        header = opened[1].header
        number = {header[f"TTYPE{i}"]: i for i in range(1, header["TFIELDS"] + 1)}
        columns = [
            fits.Column(
                array=opened[1].data[column],
                **{
                    attribute: header[f"{keyword}{number[column]}"]
                    for keyword, attribute in fits.column.KEYWORD_TO_ATTRIBUTE.items()
                    if f"{keyword}{number[column]}" in header
                },
            )
            for column in EVENT_COLUMNS
        ]
        table = fits.BinTableHDU.from_columns(columns, header=header_kept(header, number))
        hdus = fits.HDUList([fits.PrimaryHDU(header=opened[0].header), table])
        hdus += [fits.BinTableHDU(gti.data, gti.header, name="GTI", ver=gti.ver) for gti in opened[2:]]
        for hdu in hdus:
            hdu.header.pop("CHECKSUM", None)
            hdu.header.pop("DATASUM", None)
        hdus[1].header["HISTORY"] = f"columns other than {', '.join(EVENT_COLUMNS)} dropped"
        with (
            target.open("wb") as raw,
            gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=raw, mtime=0) as packed,
        ):
            hdus.writeto(packed)


def header_kept(header: fits.Header, number: Mapping[str, int]) -> fits.Header:
    """Return the keywords that are not of columns, and the limits and groups of the columns that are kept."""
    limits = {
        f"{limit}{number[column]}": f"{limit}{i}" for i, column in enumerate(EVENT_COLUMNS, 1) for limit in LIMITS
    }
    groups = {i for i in range(1, 8) if set(header[f"MFORM{i}"].split(",")) <= {*EVENT_COLUMNS, "RA", "DEC"}}
    result = fits.Header()
    for card in header.cards:
        of_column = re.fullmatch(r"(T[A-Z]{4}|LONP)\d+", card.keyword)
        of_group = re.fullmatch(r"(MTYPE|MFORM)(\d+)", card.keyword)
        if card.keyword in limits:
            result.append((limits[card.keyword], card.value), end=True)
        elif card.keyword not in STRUCTURE and not of_column and (not of_group or int(of_group[2]) in groups):
            result.append(card, end=True)
    return result


def litebird(original: Path, target: Path, entry: Mapping[str, str]) -> None:
    """The 22 channels of LiteBIRD as a table of our own."""
    with original.open(newline="", encoding="utf-8") as opened:
        rows = list(csv.DictReader(opened))
    names = [row["channel"] for row in rows]
    data = {
        ours: quantity("channel_name", np.array([float(row[theirs]) for row in rows]), units, long_name)
        for ours, (theirs, units, long_name) in LITEBIRD.items()
    }
    count = data["n_detectors"]
    data["n_detectors"] = (count[0], count[1].astype("i4"), count[2])
    telescopes = np.array([TELESCOPES[name[0]] for name in names], dtype=object)
    data["telescope"] = ("channel_name", telescopes, {"long_name": "Telescope"})
    for name in ("net_detector", "net", "polarization_sensitivity"):
        data[name][2]["temperature_scale"] = "thermodynamic"
    centre = np.array([float(row["bandcenter_ghz"]) for row in rows])
    coords = {
        "channel_name": ("channel_name", np.array(names, dtype=object), {"long_name": "Channel"}),
        "frequency": quantity("channel_name", centre, "GHz", "Band centre"),
    }
    save(xr.Dataset(data, coords=coords), target, entry)


MAKERS: dict[str, Callable[[Path, Path, Mapping[str, str]], None]] = {
    "qin_denton_1999_2001.nc": qin_denton,
    "space_weather_daily.nc": space_weather,
    "ring_current_hourly.nc": ring_current,
    "msh1552_acis_events.fits.gz": msh1552,
    "litebird_channels.nc": litebird,
}

if __name__ == "__main__":
    sys.exit(main())
