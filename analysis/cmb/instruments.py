"""Instruments by name: the bands, beams and noise of LiteBIRD, Planck and the Simons Observatory's small telescopes.

The numbers are those of the papers' tables, read in two public noise models each. The share of the sky is the Simons
Observatory's own; for the satellites it is a round number of ours, and says so.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.errors import BadOption
from analysis.model import check, labelled, near, stamp

DEGREE = 60.0  # arcmin: Planck's table gives µK deg
HALF = "sky_fraction 0.5 is a round number, what is left outside the Galactic plane; it is not published."
PLANCK = {
    "title": "Channels of Planck: beams and sensitivities of its polarized bands, full mission",
    "institution": "Planck Collaboration, ESA",
    "source": "Planck / LFI and HFI, full mission, release of 2018",
    "references": ["Planck Collaboration I 2020, A&A 641, A1, doi:10.1051/0004-6361/201833880 (table 4)"],
    "channels": ("30", "44", "70", "100", "143", "217", "353"),
    "frequency": (28.4, 44.1, 70.4, 100, 143, 217, 353),
    "beam": (32.29, 27.94, 13.08, 9.66, 7.22, 4.90, 4.92),
    "polarization_sensitivity": tuple(DEGREE * depth for depth in (3.5, 4.0, 5.0, 1.96, 1.17, 1.75, 7.31)),
    "temperature_sensitivity": tuple(DEGREE * depth for depth in (2.5, 2.7, 3.5, 1.29, 0.55, 0.78, 2.56)),
    "facts": {"sky_fraction": 0.5, "lmin": 2, "caveats": f"White noise only. {HALF}"},
}
SO_SAT = {
    "title": "Channels of the Simons Observatory's small telescopes: baseline of 2019",
    "institution": "Simons Observatory Collaboration",
    "source": "Simons Observatory / small aperture telescopes, baseline, pessimistic 1/f noise, f_sky 0.1",
    "references": [
        "Simons Observatory Collaboration 2019, JCAP 02, 056, doi:10.1088/1475-7516/2019/02/056 (tables 1, 2)",
        "Simons Observatory noise calculator 3.0.0, github.com/simonsobs/so_noise_models (knees, slopes, f_sky)",
    ],
    "channels": ("27", "39", "93", "145", "225", "280"),
    "frequency": (27, 39, 93, 145, 225, 280),
    "beam": (91, 63, 30, 17, 11, 9),
    "polarization_sensitivity": tuple(2**0.5 * depth for depth in (35, 21, 2.6, 3.3, 6.3, 16)),
    "knee_multipole": (30, 30, 50, 50, 70, 100),
    "knee_slope": (-2.4, -2.4, -2.5, -3.0, -3.0, -3.0),
    "facts": {
        "sky_fraction": 0.1,
        "lmin": 30,
        "caveats": "As planned in 2019; polarization is temperature noise times √2. lmin 30 is a choice of ours: "
        "below it 1/f noise is all there is.",
    },
}
TABLES: dict[str, dict] = {"planck": PLANCK, "so_sat": SO_SAT}
NAMES = ("litebird", *TABLES)
SAID = {
    "beam": ("arcmin", "Beam, full width at half maximum"),
    "polarization_sensitivity": ("uK arcmin", "Polarization sensitivity of the channel (CMB)"),
    "temperature_sensitivity": ("uK arcmin", "Temperature sensitivity of the channel (CMB)"),
    "knee_multipole": ("1", "Multipole where 1/f noise of polarization equals white noise"),
    "knee_slope": ("1", "Power of ℓ in 1/f noise of polarization"),
}


def instrument_channels(name: str) -> xr.Dataset:
    """Return the channels of an instrument: frequencies, beams and sensitivities, and the sky that it can use.

    Parameters
    ----------
    name : {"litebird", "planck", "so_sat"}
        LiteBIRD's 22 channels (the product ``litebird_channels``); Planck's seven polarized bands, full mission;
        the six bands of the Simons Observatory's small telescopes as planned in 2019, with 1/f noise.

    Returns
    -------
    xarray.Dataset
        dim ``channel_name``, coordinate ``frequency`` (GHz); ``beam`` (FWHM, arcmin), ``polarization_sensitivity``
        (uK arcmin) and, where the instrument has them, ``bandwidth``, ``temperature_sensitivity``,
        ``knee_multipole`` and ``knee_slope``. attrs ``sky_fraction`` and ``lmin``, what a forecast uses; ``caveats``
        says which of these are no published numbers.

    Raises
    ------
    BadOption
        If there is no instrument of this name.

    References
    ----------
    LiteBIRD Collaboration 2023, PTEP 2023, 042F01, doi:10.1093/ptep/ptac150; Planck Collaboration I 2020, A&A 641, A1,
    doi:10.1051/0004-6361/201833880 (table 4); Simons Observatory Collaboration 2019, JCAP 02, 056,
    doi:10.1088/1475-7516/2019/02/056 (tables 1, 2; knees and slopes as in its public noise calculator).

    Examples
    --------
    >>> instrument_channels("planck").polarization_sensitivity.values[3:5].round(1).tolist()
    [117.6, 70.2]
    """
    wanted = str(name).lower()
    if wanted not in NAMES:
        hint = near(name, NAMES)
        raise BadOption(f"there is no instrument {name!r}; there are {', '.join(NAMES)}, or give its channels{hint}")
    if wanted == "litebird":
        from analysis import catalogue

        made = catalogue.fetch("cmb", "litebird_channels")
        assert isinstance(made, xr.Dataset)
        caveats = "\n".join(filter(None, [str(made.attrs.get("caveats", "")), HALF]))
        return check(made.assign_attrs(sky_fraction=0.5, lmin=2, caveats=caveats))
    table = TABLES[wanted]
    nu = xr.DataArray(np.array(table["frequency"], dtype=float), dims="channel_name")
    made = xr.Dataset(coords={"channel_name": ("channel_name", list(table["channels"]), {"long_name": "Channel"})})
    made = made.assign_coords(frequency=nu.assign_attrs(units="GHz", long_name="Band centre"))
    for key, (units, long_name) in SAID.items():
        if key in table:
            values = xr.DataArray(np.array(table[key], dtype=float), dims="channel_name")
            made[key] = labelled(values, key, units=units, long_name=long_name)
    stamped = stamp(
        made,
        title=str(table["title"]),
        institution=str(table["institution"]),
        source=str(table["source"]),
        references=list(table["references"]),
        license="facts, cite. Numbers of a published table",
        history=[f"cmb.instrument_channels({wanted!r})"],
        provenance={"query": {"instrument": wanted}},
    )
    return check(stamped.assign_attrs(table["facts"]))
