"""Tables of models in the layouts of AtomDB and of XSPEC's table models, made up and small."""

import itertools

import numpy as np
from astropy.io import fits

LINES = ((33.7, 6), (18.97, 8), (12.4, 8), (1.8, 26), (1.0, 26))  # Å, element; longest first in each ion
ELEMENTS = (1, 2, 6, 8, 26)
KNOTS = np.geomspace(0.01, 60, 50).astype(np.float32)


def line_emissivity(number, kt):
    return 1e-17 * (number + 1) * np.exp(-3 / kt)


def continuum(element, energy, kt):
    return 1e-17 * (1 + element / 5) * np.exp(-energy / kt) / energy


def _table(name, columns, **keys):
    made = fits.BinTableHDU.from_columns([fits.Column(n, form, array=values) for n, form, values in columns], name=name)
    for key, value in keys.items():
        made.header[key if len(key) <= 8 else f"HIERARCH {key}"] = value
    return made


def write_plasma(folder, kts=(1.0, 2.0, 4.0), **changes):
    """Write a pair of files in AtomDB's layout: five lines, continua of five elements. Returns their paths."""
    n, m = len(kts), len(ELEMENTS)
    facts = [("kT", "1E", kts), ("EDensity", "1E", np.ones(n)), ("Time", "1E", np.zeros(n))]
    counted = [("Nelement", "1J", np.full(n, m)), ("Nline", "1J", np.full(n, len(LINES)))]
    lines = [fits.PrimaryHDU(), _table("PARAMETERS", [*facts, *counted])]
    counted = [(name, "1J", np.full(n, k)) for name, k in (("NElement", m), ("NCont", KNOTS.size), ("NPseudo", 2))]
    coco = [fits.PrimaryHDU(), _table("PARAMETERS", [*facts, *counted])]
    for kt in kts:
        where = {"TEMPERATURE": kt / 8.617343e-8, "DENSITY": 1.0, "TIME": 0.0}
        unknown = np.full(len(LINES), np.nan)
        element = [z for _, z in LINES]
        columns = [
            ("Lambda", "1E", changes.get("wavelengths", [w for w, _ in LINES])),
            ("Lambda_Err", "1E", unknown),
            ("Epsilon", "1E", [line_emissivity(i, kt) for i in range(len(LINES))]),
            ("Epsilon_Err", "1E", unknown),
            *((name, "1J", element) for name in ("Element", "Ion")),
            *((name, "1J", np.full(len(LINES), k)) for name, k in (("UpperLev", 2), ("LowerLev", 1))),
        ]
        lines.append(_table("EMISSIVITY", columns, **where))
        values = np.array([continuum(z, KNOTS, kt) for z in ELEMENTS])
        wide = f"{KNOTS.size}E"
        columns = [
            ("Z", "1J", ELEMENTS),
            ("rmJ", "1J", np.zeros(m)),
            ("N_Cont", "1J", np.full(m, KNOTS.size)),
            ("E_Cont", wide, np.tile(KNOTS, (m, 1))),
            ("Continuum", wide, values),
            ("Cont_Err", wide, 0 * values),
            ("N_Pseudo", "1J", np.full(m, 2)),
            ("E_Pseudo", "2E", np.tile([0.01, 60.0], (m, 1))),
            ("Pseudo", "2E", np.array([[1e-19 * z, 2e-19 * z] for z in ELEMENTS])),
            ("Pseudo_Err", "2E", np.zeros((m, 2))),
        ]
        coco.append(_table("EMISSIVITY", columns, **where))
    paths = folder / "apec_made_line.fits", folder / "apec_made_coco.fits"
    for path, hdus in zip(paths, (lines, coco), strict=True):
        fits.HDUList(hdus).writeto(path, overwrite=True)
    return paths


def write_table(path, axes, edges, spectrum, *, additive=True, redshift=False, added=(), skip=0, units="", **keys):
    """Write a table model: axes are (name, method, values), spectrum(point, low, high), added (name, spectrum)."""
    first = fits.PrimaryHDU()
    told = {"MODLNAME": "made", "MODLUNIT": "photons/cm^2/s", "REDSHIFT": redshift, "ADDMODEL": additive}
    for key, value in {**told, "HDUCLASS": "OGIP", "HDUCLAS1": "XSPEC TABLE MODEL", "HDUVERS": "1.0.0", **keys}.items():
        if value is not None:
            first.header[key] = value
    total, longest = len(axes) + len(added), max(len(values) for *_, values in axes)
    grid = np.zeros((total, longest))
    for row, (*_, values) in zip(grid, axes, strict=False):
        row[: len(values)] = values
    start = [values[len(values) // 2] for *_, values in axes] + [0.5] * len(added)
    low = [values[0] for *_, values in axes] + [0.0] * len(added)
    high = [values[-1] for *_, values in axes] + [10.0] * len(added)
    columns = [
        ("NAME", "12A", [name for name, *_ in axes] + [name for name, _ in added]),
        ("METHOD", "J", [method for _, method, _ in axes] + [0] * len(added)),
        ("INITIAL", "E", start),
        ("DELTA", "E", np.full(total, 0.01)),
        ("MINIMUM", "E", low),
        ("BOTTOM", "E", low),
        ("TOP", "E", high),
        ("MAXIMUM", "E", high),
        ("NUMBVALS", "J", [len(values) for *_, values in axes] + [0] * len(added)),
        ("VALUE", f"{longest}E", grid),
    ]
    if units:
        columns.append(("UNITS", "12A", [units] * total))
    kind = {"HDUCLASS": "OGIP", "HDUCLAS1": "XSPEC TABLE MODEL", "HDUVERS": "1.0.0"}
    parameters = _table("PARAMETERS", columns, NINTPARM=len(axes), NADDPARM=len(added), HDUCLAS2="PARAMETERS", **kind)
    below, above = edges[:-1], edges[1:]
    energies = _table("ENERGIES", [("ENERG_LO", "E", below), ("ENERG_HI", "E", above)], HDUCLAS2="ENERGIES", **kind)
    points = list(itertools.product(*(values for *_, values in axes)))
    points = points[: len(points) - skip]
    columns = [("PARAMVAL", f"{len(axes)}E", np.array(points, float))]
    for name, made in [("INTPSPEC", spectrum), *((f"ADDSP{i + 1:03d}", s) for i, (_, s) in enumerate(added))]:
        columns.append((name, f"{below.size}E", np.array([made(p, below, above) for p in points])))
    spectra = _table("SPECTRA", columns, HDUCLAS2="MODEL SPECTRA", **kind)
    fits.HDUList([first, parameters, energies, spectra]).writeto(path, overwrite=True)
    return path
