"""Spacecraft that fly together, and fields that they measure, made for tests."""

import numpy as np
import xarray as xr
from hypothesis import settings
from hypothesis import strategies as st

START = np.datetime64("2030-01-01", "ns")
REGULAR = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / 2**1.5  # side 1
# Two regular tetrahedra that share a corner, as Plasma Observatory's seven spacecraft are planned to fly
SEVEN = np.concatenate([REGULAR, 4 * REGULAR[1:] - 3 * REGULAR[0]])
MU0 = 4e-7 * np.pi
numbers = st.floats(-10, 10)
matrices = st.lists(numbers, min_size=9, max_size=9).map(lambda one: np.array(one).reshape(3, 3))
seeds = st.integers(0, 2**31)
few = settings(max_examples=8, deadline=None)


def times(count):
    return START + np.arange(count) * np.timedelta64(1, "s")


def vectors(values, units, frame="GSE", **attrs):
    """Return an array by spacecraft, time and component."""
    values = np.asarray(values, float)
    if values.ndim == 2:
        values = values[:, None]
    coords = {"spacecraft": [f"P{n}" for n in range(len(values))], "time": times(values.shape[1])}
    coords["spacecraft"] = ("spacecraft", coords["spacecraft"], {"long_name": "Spacecraft"})
    coords["time"] = ("time", coords["time"], {"long_name": "Time"})
    coords["component"] = ("component", ["x", "y", "z"], {"long_name": "Component"})
    attrs = {"units": units, "frame": frame, "long_name": "test"} | attrs
    return xr.DataArray(values, coords, ["spacecraft", "time", "component"], attrs=attrs)


def at_spacecraft(values, units="s"):
    return xr.DataArray(values, {"spacecraft": [f"P{n}" for n in range(len(values))]}, attrs={"units": units})


def linear(slope, places, at=(5.0, -3.0, 2.0)):
    return np.asarray(at) + np.asarray(places) @ np.asarray(slope).T


def formation(seed, count=4, size=100.0):
    """Return a formation that is not nearly flat, far from the origin."""
    random = np.random.default_rng(seed)
    corners = REGULAR if count == 4 else np.concatenate([REGULAR, random.uniform(-1, 1, (count - 4, 3))])
    return size * (corners + random.uniform(-0.1, 0.1, (count, 3))) + [6e4, -2e4, 1e4]


def rotation(seed):
    from scipy.spatial.transform import Rotation

    return Rotation.random(random_state=seed).as_matrix()


GOOD = vectors(np.ones((4, 3, 3)), "nT"), vectors(np.broadcast_to(REGULAR[:, None], (4, 3, 3)), "km")
