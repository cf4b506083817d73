"""Spectra and responses as OGIP files have them, written by astropy, and a matrix read without a look at the reader."""

import numpy as np
from astropy.io import fits as astropy_fits

__all__ = ["chandra_gratings", "dense", "response", "spectrum", "write"]


def dense(response):
    """Return the response as a matrix (energy, channel), written without a look at the reader."""
    full = np.zeros((response.sizes["energy"], response.sizes["channel"]))
    at = 0
    base = int(response.channel[0])
    for first, count, energy in zip(
        response.first_channel.values, response.n_channels.values, response.energy_index.values, strict=True
    ):
        full[energy, first - base : first - base + count] += response.matrix.values[at : at + count]
        at += count
    assert at == response.sizes["element"]
    return full


def write(path, *hdus):
    astropy_fits.HDUList([astropy_fits.PrimaryHDU(), *hdus]).writeto(path, overwrite=True)
    return path


def spectrum(columns=None, name="SPECTRUM", **keywords):
    columns = columns or {"CHANNEL": ("J", np.arange(4)), "COUNTS": ("J", np.array([1, 0, 3, 2]))}
    made = [astropy_fits.Column(key, form, array=values) for key, (form, values) in columns.items()]
    hdu = astropy_fits.BinTableHDU.from_columns(made, name=name)
    hdu.header.update({"HDUCLAS1": "SPECTRUM", "EXPOSURE": 100.0, **keywords})
    return hdu


def response(f_chan, n_chan, rows, *, first=0, channels=6, tlmin=0, form="PE", name="MATRIX", **keywords):
    """A response of hand-made groups: rows of elements, f_chan and n_chan a list for each row."""
    n = len(rows)
    columns = [
        astropy_fits.Column("ENERG_LO", "E", "keV", array=np.arange(n) * 1.0),
        astropy_fits.Column("ENERG_HI", "E", "keV", array=np.arange(n) + 1.0),
        astropy_fits.Column("N_GRP", "I", array=[len(np.atleast_1d(f)) for f in f_chan]),
        astropy_fits.Column("F_CHAN", **_stored(f_chan, "I")),
        astropy_fits.Column("N_CHAN", **_stored(n_chan, "I")),
        astropy_fits.Column("MATRIX", form, array=_ragged(rows)),
    ]
    matrix = astropy_fits.BinTableHDU.from_columns(columns, name=name)
    matrix.header.update({"HDUCLAS1": "RESPONSE", "HDUCLAS2": "RSP_MATRIX", **keywords})
    if tlmin is not None:
        matrix.header["TLMIN4"] = tlmin
    edges = np.arange(channels) * 1.0
    bounds = [
        astropy_fits.Column("CHANNEL", "I", array=np.arange(first, first + channels)),
        astropy_fits.Column("E_MIN", "E", "keV", array=edges),
        astropy_fits.Column("E_MAX", "E", "keV", array=edges + 1),
    ]
    return matrix, astropy_fits.BinTableHDU.from_columns(bounds, name="EBOUNDS")


def _ragged(rows):
    out = np.empty(len(rows), dtype=object)
    for k, row in enumerate(rows):
        out[k] = np.asarray(row, dtype=np.float32)
    return out


def _stored(lists, code):
    if all(np.ndim(part) == 0 for part in lists):
        return {"format": code, "array": np.asarray(lists)}
    out = np.empty(len(lists), dtype=object)
    for k, part in enumerate(lists):
        out[k] = np.asarray(part, dtype=np.int16)
    return {"format": f"P{code}", "array": out}


def chandra_gratings(seed=5, n=6, channels=32):
    """Return a PHA file of type II as CIAO's tgextract lays it out: HEG and MEG, orders -1, +1 …, and its counts."""
    rng = np.random.default_rng(seed)
    counts, up, down = (rng.poisson(mean, (n, channels)).astype(np.int16) for mean in (9, 4, 5))
    lam = np.linspace(20.0, 2.0, channels + 1)
    columns = [
        astropy_fits.Column("SPEC_NUM", "1I", array=np.arange(1, n + 1)),
        astropy_fits.Column("TG_M", "1I", array=np.resize([-1, 1, -2, 2], n)),
        astropy_fits.Column("TG_PART", "1I", array=np.repeat([1, 2, 3], 4)[:n]),
        astropy_fits.Column("TG_SRCID", "1I", array=np.ones(n, int)),
        astropy_fits.Column("X", "1D", "pixel", array=np.full(n, 4081.5)),
        astropy_fits.Column("CHANNEL", f"{channels}I", array=np.tile(np.arange(1, channels + 1), (n, 1))),
        astropy_fits.Column("COUNTS", f"{channels}I", "count", array=counts),
        astropy_fits.Column("STAT_ERR", f"{channels}E", "count", array=1 + np.sqrt(counts + 0.75)),
        astropy_fits.Column("BACKGROUND_UP", f"{channels}I", array=up),
        astropy_fits.Column("BACKGROUND_DOWN", f"{channels}I", array=down),
        astropy_fits.Column("BIN_LO", f"{channels}D", "angstrom", array=np.tile(lam[1:], (n, 1))),
        astropy_fits.Column("BIN_HI", f"{channels}D", "angstrom", array=np.tile(lam[:-1], (n, 1))),
    ]
    hdu = astropy_fits.BinTableHDU.from_columns(columns, name="SPECTRUM")
    hdu.header.update(
        {
            "HDUCLASS": "OGIP", "HDUCLAS1": "SPECTRUM", "HDUCLAS2": "TOTAL", "HDUCLAS3": "COUNT", "HDUCLAS4": "TYPE:II",
            "HDUVERS": "1.2.0", "TELESCOP": "CHANDRA", "INSTRUME": "ACIS", "GRATING": "HETG", "EXPOSURE": 4.5e4,
            "BACKSCAL": 4.0188284, "BACKSCUP": 18.0, "BACKSCDN": 20.0, "AREASCAL": 1.0, "DETCHANS": channels,
            "CHANTYPE": "PI", "POISSERR": False, "BACKFILE": "none", "RESPFILE": "none", "ANCRFILE": "none",
        }
    )  # fmt: skip
    return hdu, counts, up, down
