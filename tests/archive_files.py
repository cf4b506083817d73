"""Small files with the headers of real ones: sky maps of Planck, WMAP and ACT, and event lists.

Extensions, columns, units and keywords follow the Planck Legacy Archive's and LAMBDA's descriptions of their files;
numbers are made up, or those of a sky that is given.
"""

import gzip
import io

import numpy as np
from astropy.io import fits

from analysis import sample

NSIDE = 8
CELLS = 12 * NSIDE**2
UNSEEN = -1.6375e30


def packed(*hdus, **keywords):
    file = io.BytesIO()
    primary = fits.PrimaryHDU()
    primary.header.update(keywords)
    fits.HDUList([primary, *hdus]).writeto(file)
    return file.getvalue()


def healpix(columns, name, *, nside=NSIDE, **keywords):
    """Return a HEALPix table of columns (name, form, unit, values), NESTED."""
    made = [fits.Column(key, form, unit, array=values) for key, form, unit, values in columns]
    hdu = fits.BinTableHDU.from_columns(made, name=name)
    stated = {"PIXTYPE": "HEALPIX", "ORDERING": "NESTED", "NSIDE": nside, "FIRSTPIX": 0, "LASTPIX": 12 * nside**2 - 1}
    hdu.header.update(stated | keywords)
    return hdu


def noise(number=0):
    return np.random.default_rng(number).normal(size=CELLS).astype("f4") * 1e-5


PLANCK = {"POLCCONV": "COSMO", "COORDSYS": "GALACTIC", "INDXSCHM": "IMPLICIT", "BAD_DATA": UNSEEN}


def planck_band(units="Kcmb", polarized=True):
    """Return a map of one band: Stokes parameters, hits, covariances; pixel 5 was not seen."""
    labels = "IQU" if polarized else "I"
    columns = [(f"{label}_STOKES", "E", units, noise(n)) for n, label in enumerate(labels)]
    for *_, values in columns:
        values[5] = UNSEEN
    columns += [("HITS", "J", " ", np.arange(CELLS, dtype="i4"))]
    square = f"({units})^2" if "/" in units else f"{units}^2"
    pairs = ("II", "IQ", "IU", "QQ", "QU", "UU") if polarized else ("II",)
    columns += [(f"{pair}_COV", "E", square, noise(n) ** 2) for n, pair in enumerate(pairs)]
    return packed(healpix(columns, "FREQ-MAP", **PLANCK))


def planck_cmb():
    """Return a map of a component: with masks, an inpainted map, and a second table, of the beam."""
    columns = [(f"{label}_STOKES", "E", "K_CMB", noise(n)) for n, label in enumerate("IQU")]
    columns += [(name, "B", "none", (np.arange(CELLS) % 3 > 0).astype("u1")) for name in ("TMASK", "PMASK")]
    columns += [(f"{label}_STOKES_INP", "E", "K_CMB", noise(n)) for n, label in enumerate("IQU")]
    beams = [fits.Column(name, "E", array=np.ones(20)) for name in ("INT_BEAM", "POL_BEAM")]
    return packed(healpix(columns, "COMP-MAP", **PLANCK), fits.BinTableHDU.from_columns(beams, name="BEAM_TF"))


def planck_mask():
    columns = [("TMASK", "E", "none", (np.arange(CELLS) % 3 > 0).astype("f4"))]
    return packed(healpix(columns, "MASK", COORDSYS="GALACTIC"))


def planck_galactic_masks():
    columns = [(f"GAL0{p}", "B", " ", (np.arange(CELLS) < CELLS * p / 100).astype("u1")) for p in (20, 60, 99)]
    return packed(healpix(columns, "GAL-MASK", COORDSYS="GALACTIC"))


def planck_rimo():
    tables = [fits.BinTableHDU.from_columns([fits.Column("FREQUENCY", "8A", array=["100-1a"])], name="MAP_PARAMS")]
    for band in (100, 143):
        columns = [
            fits.Column("WAVENUMBER", "D", "1/cm", array=[1.0, 2, 3]),
            fits.Column("TRANSMISSION", "D", array=[0, 1, 0]),
        ]
        tables.append(fits.BinTableHDU.from_columns(columns, name=f"BANDPASS_F{band}"))
    return packed(*tables)


def wmap_iqu(sky=None, nside=NSIDE):
    """Return a map of one band of WMAP: a table of weights beside it, the frame stated in the primary header only."""
    sky = [noise(n) for n in range(3)] if sky is None else sky
    names = "TEMPERATURE", "Q_POLARISATION", "U_POLARISATION"
    units = "mK", "mK,thermodynamic", "mK,thermodynamic"
    columns = [(name, "E", unit, values) for name, unit, values in zip(names, units, sky, strict=True)]
    counts = [(name, "E", "counts", np.ones(12 * nside**2, "f4")) for name in ("N_OBS", "QQ", "QU", "UU")]
    maps = healpix([*columns, counts[0]], "Stokes Maps", nside=nside, DATE=0)
    return packed(maps, healpix(counts, "Weight Arrays", nside=nside), SKYCOORD="Galactic", TELESCOP="WMAP")


def wmap_ilc():
    return packed(
        healpix([("TEMPERATURE", "E", "mK", noise()), ("N_OBS", "E", "counts", noise() * 0)], "Archive Map Table")
    )


def wmap_mask():
    kept = (np.arange(CELLS) % 3 > 0).astype("f4")
    columns = [("TEMPERATURE", "E", "mK", kept), ("N_OBS", "E", "counts", kept)]
    return packed(healpix(columns, "Archive Map Table"))


def act_band():
    """Return a map as healpy writes one that is told nothing of frame and convention."""
    names = "TEMPERATURE", "Q_POLARISATION", "U_POLARISATION"
    return packed(healpix([(name, "D", "uK", noise(n)) for n, name in enumerate(names)], "xtension"))


def events(obsid, began="2000-08-14"):
    """Return 500 of the events that ship, of 2000-08-14, as if of another observation and day."""
    later = int((np.datetime64(began, "D") - np.datetime64("2000-08-14")).astype(int))
    with fits.open(sample.path("msh1552_acis_events.fits.gz")) as held:
        rows = fits.BinTableHDU(held["EVENTS"].data[:500], held["EVENTS"].header)
        hdus = [held[0], rows, *held[2:]]
        for hdu in hdus:
            hdu.header["OBS_ID"] = obsid
            if "MJDREF" in hdu.header:
                hdu.header["MJDREF"] += later
        file = io.BytesIO()
        fits.HDUList(hdus).writeto(file)
    return gzip.compress(file.getvalue(), 1)


def planck_spectrum(label, *, binned):
    """Return a measured power spectrum as text, as Planck's are: multipole, D_ℓ, its errors, the best fit."""
    from analysis import cmb

    best = cmb.d_ell(cmb.fetch("planck2018_lcdm").cl).sel(spectrum=label).values
    ell = np.arange(47.5, 1990, 30) if binned else np.arange(2, 1997)
    model = np.interp(ell, np.arange(best.size), best)
    error = np.full(ell.size, {"TT": 60.0, "TE": 30.0, "EE": 8.0}[label] / (5 if binned else 1))
    values = model + np.random.default_rng(1).normal(size=ell.size) * error
    columns = [ell, values, error, error] + [model] * binned
    rows = ["  ".join(f"{number:.8e}" for number in row) for row in zip(*columns, strict=True)]
    return "\n".join([f"# l   Dl   -dDl   +dDl{'   BestFit' if binned else ''}", *rows, ""]).encode()
