"""Event lists and spectra that tests make up, small enough to count by hand."""

import numpy as np
import pytest
import xarray as xr

from analysis import xray
from analysis.model import stamp

GLOBAL = {
    "title": "Made up",
    "institution": "nobody",
    "source": "a test",
    "references": ["none"],
    "license": "none",
    "history": ["made up"],
    "provenance": {},
}
SECONDS = {"units": "s", "long_name": "Time"}


@pytest.fixture(scope="session")
def ulx():
    return xray.fetch("ngc7793_ulx4_pn")


@pytest.fixture(scope="session")
def ulx_response(ulx):
    return xray.response(ulx["rmf"], arf=ulx["arf"])


@pytest.fixture(scope="session")
def m82():
    return xray.fetch("m82_acis_events")


@pytest.fixture(scope="session")
def made_events():
    """Return a function that makes a tree of events from times, good times and columns."""

    def make(time, gti, *, x=None, y=None, energy=None, pi=None, **attrs):
        columns = {"time": ("event", np.asarray(time, float), SECONDS)}
        units = {"x": "pix", "y": "pix", "energy": "keV", "pi": "chan"}
        for name, values in {"x": x, "y": y, "energy": energy, "pi": pi}.items():
            if values is not None:
                columns[name] = ("event", np.asarray(values), {"units": units[name], "long_name": name})
        start, stop = np.asarray(gti, float).reshape(-1, 2).T
        intervals = {"start": ("interval", start, SECONDS), "stop": ("interval", stop, SECONDS)}
        clock = {"mjdref": 50814.0, "timesys": "TT"}
        nodes = {
            "events": stamp(xr.Dataset(columns, attrs=clock | attrs), **GLOBAL),
            "gti": stamp(xr.Dataset(intervals, attrs=clock), **GLOBAL),
        }
        return xr.DataTree.from_dict(nodes)

    return make


@pytest.fixture(scope="session")
def made_spectrum():
    """Return a function that makes a spectrum as a PHA file has it."""

    def make(counts, *, exposure=1.0, grouping=None, quality=None, backscal=1.0, areascal=1.0, first=0):
        n = len(counts)
        plain = {"units": "1", "long_name": "Number"}
        data = xr.Dataset(
            {
                "counts": ("channel", np.asarray(counts), {"units": "ct", "long_name": "Counts"}),
                "exposure": ((), float(exposure), {"units": "s", "long_name": "Exposure"}),
                "grouping": ("channel", np.ones(n, int) if grouping is None else np.asarray(grouping), plain),
                "quality": ("channel", np.zeros(n, int) if quality is None else np.asarray(quality), plain),
            },
            coords={"channel": ("channel", np.arange(first, first + n), plain)},
        )
        for name, value in (("backscal", backscal), ("areascal", areascal)):
            data[name] = ("channel", value, plain) if np.ndim(value) else ((), float(value), plain)
        return stamp(data, **GLOBAL)

    return make


@pytest.fixture(scope="session")
def rate_of():
    """Return a function that makes a model's rate per channel for a spectrum."""

    def make(values, spectrum):
        attrs = {"units": "ct s-1", "long_name": "Model count rate"}
        coords = {"channel": spectrum["channel"]}
        return xr.DataArray(np.asarray(values, float), dims="channel", coords=coords, attrs=attrs)

    return make


@pytest.fixture(scope="session")
def made_response():
    """Return a function that makes an RMF from a full matrix, energy × channel of 1 keV."""

    def make(matrix, *, first=0, low=None, units="1"):
        n_energies, n_channels = matrix.shape
        edges = np.arange(n_energies + 1.0) + 0.5 if low is None else np.asarray(low, float)
        kev, plain = {"units": "keV", "long_name": "Energy"}, {"units": "1", "long_name": "Number"}
        channel = np.arange(n_channels)
        data = xr.Dataset(
            {
                "energy_low": ("energy", edges[:-1], kev),
                "energy_high": ("energy", edges[1:], kev),
                "e_min": ("channel", channel + 0.5, kev),
                "e_max": ("channel", channel + 1.5, kev),
                "first_channel": ("group", np.full(n_energies, first), plain),
                "n_channels": ("group", np.full(n_energies, n_channels), plain),
                "energy_index": ("group", np.arange(n_energies), plain),
                "matrix": ("element", matrix.ravel(), {"units": units, "long_name": "Response"}),
            },
            coords={"channel": ("channel", channel + first, plain)},
        )
        return stamp(data, **GLOBAL)

    return make
