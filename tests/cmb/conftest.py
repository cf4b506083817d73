"""Skies made from known coefficients, and the two maps that ship."""

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from analysis import cmb
from analysis.cmb.harmonics import map_from_alm, multipoles
from analysis.cmb.maps import cell_ids, ring_order

FACTS = {"frame": "galactic", "polconv": "COSMO", "temperature_scale": "K_CMB"}


def sky_of(values, stokes="IQU", **attrs):
    """Return a map Dataset of values (stokes, cells) in NESTED order."""
    values = np.atleast_2d(values)
    nside = int(np.sqrt(values.shape[1] // 12))
    labels = xr.DataArray(list(stokes), dims="stokes", attrs={"long_name": "Stokes parameter"})
    array = xr.DataArray(
        values,
        dims=("stokes", "cells"),
        coords={"stokes": labels, "cell_ids": cell_ids(nside)},
        attrs={"units": "mK", "long_name": "Stokes parameters"},
    )
    return xr.Dataset({"sky": array}, attrs={**FACTS, **attrs, "history": "made for a test"})


def random_alm(lmax, *, seed, components=1, lowest=2):
    """Return coefficients of unit variance from ``lowest`` to ``lmax``; those of m = 0 are real."""
    rng = np.random.default_rng(seed)
    ell, m = multipoles(lmax)
    alm = rng.normal(size=(components, ell.size)) + 1j * rng.normal(size=(components, ell.size))
    alm[:, m == 0] = alm[:, m == 0].real
    alm[:, ell < lowest] = 0
    return alm


def synthesized(nside, lmax, *, t=None, e=None, b=None):
    """Return the IQU map of coefficients, zeros for those left out."""
    zero = np.zeros(multipoles(lmax)[0].size, dtype=complex)
    t, e, b = (zero if a is None else a for a in (t, e, b))
    ring = np.concatenate(
        [
            map_from_alm(t[None], nside=nside, lmax=lmax),
            map_from_alm(np.stack([e, b]), nside=nside, lmax=lmax),
        ]
    )
    values = np.empty_like(ring)
    values[:, ring_order(nside)] = ring
    return sky_of(values)


def nested(ring):
    """Return values in RING order in NESTED order."""
    values = np.empty(np.shape(ring))
    values[..., ring_order(int(np.sqrt(np.shape(ring)[-1] // 12)))] = ring
    return values


def mask_of(ring):
    """Return a Galactic mask of weights in RING order."""
    coords = {"cell_ids": cell_ids(int(np.sqrt(ring.size // 12)))}
    return xr.DataArray(nested(ring), dims="cells", coords=coords, attrs={"frame": "galactic"})


@pytest.fixture(scope="session")
def make():
    """Return the functions that make skies."""
    return SimpleNamespace(sky=sky_of, alm=random_alm, from_alm=synthesized, nested=nested, mask=mask_of)


@pytest.fixture(scope="session")
def w_band():
    return cmb.fetch("wmap7_w_iqu")


@pytest.fixture(scope="session")
def v_band():
    return cmb.fetch("wmap7_v_iqu")


@pytest.fixture(scope="session")
def wmap_mask():
    return cmb.fetch("wmap7_mask")
