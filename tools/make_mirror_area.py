#!/usr/bin/env python3
"""Print the effective area of NewAthena's mirror as ``analysis/xray/instruments.toml`` holds it.

Run ``uv run --with xraydb --with scipy python tools/make_mirror_area.py``; xraydb is wanted by this script alone.

The area is that of nested Wolter-I shells, each photon reflected twice at the grazing angle arctan(r / F) / 4, with the
reflectivity of the coating's layers by Parratt's recursion and their roughness by Névot and Croce. Radii, focal
length, layers and roughness are those that ESA publishes; what ribs and gaps take away is one factor, which makes the
area at 1 keV the one that is published. Optical constants: Chantler's tables by way of xraydb.

How far this may be trusted: the same steps for the mirror of 2015 (radii 0.26-1.47 m, iridium under boron carbide) give
a curve that, relative to 1 keV, differs from the ray-traced one (with the WFI's efficiency) by -16 % at 3 keV, -15 % at
5 keV, -13 % at 6 keV and +3 % at 10 keV. With chromium left out of the coating the curve changes by -21 % at 2.5 keV
and +6 % at 5 keV, but above chromium's K edge at 5.99 keV by a factor of three: so it ends at 5 keV.
"""

from __future__ import annotations

import numpy as np

HC = 1.2398419843320026e-7  # keV cm
INNER, OUTER, FOCUS = 0.245, 1.120, 12.0  # m
LAYERS = (("C", 2.2, 8e-7), ("Cr", 7.19, 12.5e-7), ("Pt", 21.45, 10e-7), ("Si", 2.33, 0.0))  # g cm-3, cm; top first
ROUGHNESS = 0.45e-7  # cm
AT_ONE_KEV = 11_000.0  # cm2
BAND = (0.5, 5.0)  # keV
CLOSE = 0.01  # how far a table of few points may be from the curve


def index(material: str, density: float, energy: np.ndarray) -> np.ndarray:
    """Return the complex index of refraction."""
    import xraydb

    delta, beta = np.array([xraydb.xray_delta_beta(material, density, e)[:2] for e in 1e3 * energy]).T
    return 1 - delta + 1j * beta


def reflectivity(energy: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Return what the coating reflects once, for each grazing angle (rad) and energy (keV)."""
    wave = 2 * np.pi * energy / HC
    along = np.cos(angle)[:, None] ** 2
    across = [wave * np.sin(angle)[:, None] + 0j]
    across += [wave * np.sqrt(index(name, density, energy) ** 2 - along + 0j) for name, density, _ in LAYERS]
    total = np.zeros((angle.size, energy.size), dtype=complex)
    for j in range(len(LAYERS) - 1, -1, -1):
        above, below = across[j], across[j + 1]
        fresnel = (above - below) / (above + below) * np.exp(-2 * above * below * ROUGHNESS**2)
        inner = total * np.exp(2j * below * LAYERS[j][2])
        total = (fresnel + inner) / (1 + fresnel * inner)
    return np.abs(total) ** 2


def area(energy: np.ndarray) -> np.ndarray:
    """Return the area of the shells in cm2, the published one at 1 keV."""
    energy = np.append(energy, 1.0)
    radius = np.linspace(INNER, OUTER, 600)
    twice = reflectivity(energy, np.arctan(radius / FOCUS) / 4) ** 2
    open_ = np.trapezoid(2 * np.pi * radius[:, None] * twice, radius, axis=0)
    return AT_ONE_KEV * open_[:-1] / open_[-1]


def few_points(energy: np.ndarray, values: np.ndarray) -> list[int]:
    """Return the fewest points, nearly, between which straight lines in log-log follow a curve."""
    x, y = np.log(energy), np.log(values)
    kept = [0, x.size - 1]
    while True:
        kept.sort()
        off = np.abs(np.interp(x, x[kept], y[kept]) - y)
        if off.max() < CLOSE:
            return kept
        kept.append(int(off.argmax()))


def main() -> None:
    """Print the table."""
    energy = np.geomspace(*BAND, 1500)
    found = area(energy)
    kept = few_points(energy, found)
    print(f"energy = {[round(float(energy[i]), 4) for i in kept]}")
    print(f"area = {[round(float(found[i])) for i in kept]}")


if __name__ == "__main__":
    main()
