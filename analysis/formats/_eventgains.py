"""What a step of PI is in energy, for instruments whose channels are of one width and documented.

Event lists of these missions hold no energies; OGIP leaves them to the response's EBOUNDS. The middle of channel PI is
``first + (PI + 0.5) * width`` where PI numbers channels, and PI itself where it is an energy. ``source`` says where a
number was read, or that its document was not seen: it goes into ``history``.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Gain:
    """Lower end of channel 0 and width of a channel in keV; ``energy``: PI is an energy, not a channel's number."""

    first: float
    width: float
    source: str
    energy: bool = False


XMM = Gain(0.0, 0.001, "XMM-Newton SAS, emevents: PI in eV", energy=True)
EROSITA = Gain(0.0, 0.001, "eROSITA DR1, eSASS extensions: PI in eV", energy=True)
CCD_OF_JAXA = Gain(0.0, 0.006, "6 eV a channel as in common use, PI 83 to 1667 for 0.5 to 10 keV; no document seen")
CALORIMETER = Gain(0.0, 0.0005, "HEASoft sxspha2pi 1.36: PI = floor((E - 0.5 eV) / 0.5 eV + 1); rslpha2pi is its heir")

# (TELESCOP, start of INSTRUME), upper case; "" stands for every instrument of the mission.
GAINS = {
    ("CHANDRA", "ACIS"): Gain(
        -0.0146, 0.0146, "CIAO dictionary, PI: PI = [E / 14.6 eV] + 1, so that channel 1 is from 0"
    ),
    ("NICER", "XTI"): Gain(0.0, 0.010, "NICER response matrices, EBOUNDS: 10 eV a channel from 0"),
    ("NUSTAR", "FPM"): Gain(1.6, 0.040, "NuSTAR software guide: E = PI × 0.04 keV + 1.6 keV, a channel's lower end"),
    ("SWIFT", "XRT"): Gain(
        0.0, 0.010, "10 eV a channel as in common use, PI 30 to 1000 for 0.3 to 10 keV; XRT software guide not seen"
    ),
    ("SUZAKU", "XIS"): Gain(0.0, 0.00365, "Suzaku FAQ: PI = [E / 3.65 eV]"),
    ("IXPE", ""): Gain(0.0, 0.040, "IXPE response matrices, EBOUNDS: 40 eV a channel from 0"),
    ("XMM", "EPN"): XMM,
    ("XMM", "EMOS"): XMM,
    ("EROSITA", ""): EROSITA,
    ("SRG", ""): EROSITA,
    ("XRISM", "RESOLVE"): CALORIMETER,
    ("XRISM", "XTEND"): CCD_OF_JAXA,
    ("HITOMI", "SXS"): CALORIMETER,
    ("HITOMI", "SXI"): CCD_OF_JAXA,
}


def gain_of(telescope: str, instrument: str) -> Gain | None:
    """Return the gain of an instrument, None where it is not one of these.

    Examples
    --------
    >>> gain_of("NuSTAR", "FPMA").width, gain_of("XTE", "PCA")
    (0.04, None)
    """
    mission, camera = telescope.strip().upper(), instrument.strip().upper()
    for (name, start), gain in GAINS.items():
        if mission == name and camera.startswith(start):
            return gain
    return None
