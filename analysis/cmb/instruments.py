"""Instruments by name: the bands, beams and noise of LiteBIRD, Planck and a ground experiment."""

from __future__ import annotations

from difflib import get_close_matches

import numpy as np
import xarray as xr

from analysis.errors import BadOption
from analysis.model import check, stamp

# GHz; beams in arcmin; polarization depth in uK arcmin; knee multipole and slope of the 1/f noise of polarization
PLANCK = {
    "title": "Planck: beams and sensitivities of its polarized bands, 2018",
    "institution": "Planck Collaboration, ESA",
    "source": "Planck / LFI and HFI, full mission",
    "references": ["Planck Collaboration I 2020, A&A 641, A1, doi:10.1051/0004-6361/201833880 (table 4)"],
    "channels": ("30", "44", "70", "100", "143", "217", "353"),
    "frequency": (28.4, 44.1, 70.4, 100.0, 143.0, 217.0, 353.0),
    "beam": (32.29, 27.94, 13.08, 9.66, 7.22, 4.90, 4.92),
    "polarization_sensitivity": (210.0, 240.0, 300.0, 118.0, 70.2, 105.0, 439.0),
    "temperature_sensitivity": (150.0, 162.0, 210.0, 77.4, 33.0, 46.8, 154.0),
}
GROUND = {
    "title": "Simons Observatory small telescopes: baseline sensitivities, 2019",
    "institution": "Simons Observatory Collaboration",
    "source": "Simons Observatory / small aperture telescopes, baseline design, pessimistic 1/f noise, f_sky 0.1",
    "references": ["Simons Observatory Collaboration 2019, JCAP 02, 056, doi:10.1088/1475-7516/2019/02/056 (table 1)"],
    "channels": ("27", "39", "93", "145", "225", "280"),
    "frequency": (27.0, 39.0, 93.0, 145.0, 225.0, 280.0),
    "beam": (91.0, 63.0, 30.0, 17.0, 11.0, 9.0),
    "polarization_sensitivity": tuple(depth * np.sqrt(2) for depth in (35.0, 21.0, 2.6, 3.3, 6.3, 16.0)),
    "knee_multipole": (30.0, 30.0, 50.0, 50.0, 70.0, 100.0),
    "knee_slope": (-2.4, -2.4, -2.5, -3.0, -3.0, -3.0),
}
TABLES = {"planck": PLANCK, "ground": GROUND}
NAMES = ("litebird", *TABLES)
SAID = {
    "beam": ("arcmin", "Beam, full width at half maximum"),
    "polarization_sensitivity": ("uK arcmin", "Polarization sensitivity of the channel (CMB)"),
    "temperature_sensitivity": ("uK arcmin", "Temperature sensitivity of the channel (CMB)"),
    "knee_multipole": ("1", "Knee multipole of the 1/f noise of polarization"),
    "knee_slope": ("1", "Slope of the 1/f noise of polarization"),
}


def instrument_channels(name: str) -> xr.Dataset:
    """Return the channels of an instrument: frequencies, beams and sensitivities.

    Parameters
    ----------
    name : {"litebird", "planck", "ground"}
        LiteBIRD's 22 channels (the product ``litebird_channels``); Planck's seven polarized bands, full mission;
        the six bands of the Simons Observatory's small telescopes, baseline, with 1/f noise.

    Returns
    -------
    xarray.Dataset
        dim ``channel_name``, coordinate ``frequency``; ``beam``, ``polarization_sensitivity`` and, where the
        instrument has them, ``bandwidth``, ``temperature_sensitivity``, ``knee_multipole`` and ``knee_slope``.

    Raises
    ------
    BadOption
        If there is no instrument of this name.

    References
    ----------
    LiteBIRD Collaboration 2023, PTEP 2023, 042F01, doi:10.1093/ptep/ptac150; Planck Collaboration I 2020, A&A 641, A1,
    doi:10.1051/0004-6361/201833880 (table 4); Simons Observatory Collaboration 2019, JCAP 02, 056,
    doi:10.1088/1475-7516/2019/02/056 (table 1; knees and slopes as in its public noise calculator).

    Examples
    --------
    >>> instrument_channels("planck").polarization_sensitivity.values[3:5].tolist()
    [118.0, 70.2]
    """
    if name not in NAMES:
        near = get_close_matches(str(name).lower(), NAMES, n=1, cutoff=0.4)
        hint = f"; near: {near[0]!r}" if near else ""
        raise BadOption(f"there is no instrument {name!r}; there are {', '.join(NAMES)}{hint}")
    if name == "litebird":
        from analysis import catalogue

        made = catalogue.fetch("cmb", "litebird_channels")
        assert isinstance(made, xr.Dataset)
        return made
    table = TABLES[name]
    held = {key: np.array(table[key], dtype=float) for key in SAID if key in table}
    made = xr.Dataset(
        {key: ("channel_name", held[key], {"units": SAID[key][0], "long_name": SAID[key][1]}) for key in held},
        coords={
            "channel_name": ("channel_name", list(table["channels"]), {"long_name": "Channel"}),
            "frequency": ("channel_name", list(table["frequency"]), {"units": "GHz", "long_name": "Band centre"}),
        },
    )
    return check(
        stamp(
            made,
            title=str(table["title"]),
            institution=str(table["institution"]),
            source=str(table["source"]),
            references=list(table["references"]),
            license="facts, cite. Numbers of a published table",
            history=[f"cmb.instrument_channels({name!r})"],
            provenance={"query": {"instrument": name}},
        )
    )
