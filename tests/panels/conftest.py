"""Small made-up arrays, labelled as such."""

import numpy as np
import pytest
import xarray as xr


@pytest.fixture
def times():
    """Return a coordinate of 48 hours."""
    start = np.datetime64("2001-03-30", "ns")
    return ("time", start + np.arange(48) * np.timedelta64(1, "h"), {"long_name": "Time (UTC)"})


@pytest.fixture
def wind(times):
    """Return two variables over time, one with flags."""
    wave = np.sin(np.arange(48) / 5)
    flags = {
        "units": "1",
        "long_name": "Quality",
        "flag_values": np.array([0, 1, 2]),
        "flag_meanings": "filled interpolated measured",
    }
    quality = np.full(48, 2)
    quality[10:15], quality[20] = 1, 0
    return xr.Dataset(
        {
            "density": ("time", 5 + wave, {"units": "cm-3", "long_name": "Proton density"}),
            "density_quality": ("time", quality, flags),
            "bz": ("time", 10 * wave, {"units": "nT", "long_name": "Magnetic field, north", "frame": "GSM"}),
        },
        {"time": times},
        attrs={
            "title": "Made-up wind",
            "source": "a sine",
            "institution": "Sankō's tests",
            "references": "none",
            "synthetic": "true",
        },
    )


@pytest.fixture
def flux(times):
    """Return a spectrogram with a zero and a NaN."""
    energy = ("energy", np.geomspace(10, 1e4, 6), {"units": "eV", "long_name": "Energy"})
    values = np.random.default_rng(1).gamma(2, size=(48, 6)) * 1e4
    values[3, 2], values[4, 2] = 0, np.nan
    attrs = {"units": "cm-2 s-1 sr-1 keV-1", "long_name": "Proton flux"}
    return xr.DataArray(values, {"time": times, "energy": energy}, ["time", "energy"], name="flux", attrs=attrs)


@pytest.fixture
def sky():
    """Return a map whose values are the longitudes of its cells, in degrees."""
    from ducc0.healpix import Healpix_Base

    ids = np.arange(12 * 16**2)
    lon = np.degrees(Healpix_Base(16, "NESTED").pix2ang(ids)[:, 1])
    coordinate = ("cells", ids, {"level": 4, "indexing_scheme": "nested", "grid_name": "healpix"})
    attrs = {"units": "deg", "long_name": "Longitude", "frame": "galactic"}
    return xr.DataArray(lon, {"cell_ids": coordinate}, ["cells"], name="lon", attrs=attrs)
