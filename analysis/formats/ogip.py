"""X-ray spectra and their responses: OGIP PHA (types I and II), ARF, RMF and RSP.

References: OGIP/92-007 (Arnaud, George & Tennant) for spectra; CAL/GEN/92-002 and 92-002a (George et al.) for
responses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import xarray as xr

from analysis.formats import _fitsmeta as meta
from analysis.formats import _ogipparts as parts
from analysis.formats._fitsio import Hdu
from analysis.formats._ogipresponse import effective_area, response
from analysis.formats._ogipspectrum import spectrum

FACTS = {"spectrum": ("exposure",), "response": ("first_channel", "matrices"), "arf": ()}


def holds(hdus: Sequence[Hdu]) -> str:
    """Return what of OGIP's the file holds: "response", "spectrum", "arf" or nothing (an empty text)."""
    for what, found in (("response", parts.matrices), ("spectrum", parts.spectra), ("arf", parts.areas)):
        if found(hdus):
            return what
    return ""


def dataset(hdus: Sequence[Hdu], assume: Mapping[str, str]) -> xr.Dataset | xr.DataTree:
    """Return the spectrum, effective area or response of an OGIP file.

    Parameters
    ----------
    hdus : sequence of Hdu
        Of a file for which :func:`holds` is true.
    assume : mapping
        ``exposure`` in seconds, for a spectrum whose header lacks it; ``first_channel``, for a response whose
        header does not say (TLMIN of F_CHAN) from which number F_CHAN counts; ``matrices``, for a response in several
        matrices: "sum" where they are parts of one, or the number of the one to take.

    Returns
    -------
    xarray.Dataset or xarray.DataTree
        Spectrum: dim ``channel`` (numbers as stored), ``counts`` (ct) or ``rate`` (ct s-1), ``quality``,
        ``grouping``, ``exposure`` (s), ``backscal``, ``areascal`` and what else the table has.
        Type II: these on ``spectrum_number, channel`` or ``spectrum_number`` alone.
        A spectrum with its background (HDUCLAS2 = BKG) in another extension, as the Chandra Source Catalog's: a
        DataTree of ``spectrum`` and ``background``.
        Effective area: dim ``energy`` with ``energy_low``, ``energy_high`` (keV), ``effective_area`` (cm2).
        Response: these energies, dim ``channel`` with ``e_min``, ``e_max`` (keV), dim ``group`` with
        ``first_channel``, ``n_channels``, ``energy_index``, dim ``element`` with ``matrix`` (1, or cm2 where
        the effective area is included; ``response_type`` says REDIST, DETECTOR or FULL).
        Matrices on one energy grid are summed; where their grids differ a DataTree of ``matrix_1``, ``matrix_2`` …
        is given, whose sum is the response.

    Raises
    ------
    CorruptFile
        If a mandatory column or keyword is missing, or the response's pointers do not fit together.
    UnknownFormat
        For other spectra in extensions of their own, or several matrices that may be alternatives.
    WrongData
        If a column's unit is of another kind than the standard's.
    BadOption
        If ``exposure`` or ``first_channel`` is no number or contradicts the header.

    Examples
    --------
    >>> from analysis import sample
    >>> from analysis.formats._fitsio import opened
    >>> pn = dataset(opened(sample.path("ngc7793_ulx4_pn.pha")), {})
    >>> int((pn.quality == 1).sum()), pn.counts.attrs["units"]
    (1116, 'ct')
    """
    what = holds(hdus)
    known = meta.facts(assume, FACTS[what], f"an OGIP {what}", hdus[0].file)
    if what == "response":
        return response(hdus, known)
    if what == "arf":
        return effective_area(hdus, known)
    source, behind = parts.with_background(hdus)
    if source is None:
        return spectrum(hdus, known)
    return xr.DataTree.from_dict(
        {
            "spectrum": spectrum([h for h in hdus if h is not behind], known),
            "background": spectrum([h for h in hdus if h is not source], known),
        }
    )
