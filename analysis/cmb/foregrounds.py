"""Templates of Galactic emission: Gaussian fields with power-law spectra, brighter towards the plane.

They are synthetic. Dust: slopes of EE and BB from Planck 2018 XI (α = -2.42, -2.54 in C_ℓ; TE and TT follow EE), at
353 GHz D_80 = 350 µK² (TT), 100 µK² (EE), BB half of EE, correlation of T and E 0.35. Synchrotron at 23 GHz: D_80 =
20 µK² (TT), 4.3 µK² (EE), BB half of EE, D_ℓ falling as 1/ℓ, T and E uncorrelated. Amplitudes and the correlation are
those declared by GaussianDust and GaussianSynchrotron of github.com/simonsobs/so_pysm_models, made for the tenth of the
sky that the Simons Observatory's small telescopes see.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analysis.cmb.maps import ring_order
from analysis.cmb.realizations import gaussian_alms, generator, square_roots, stokes_maps

if TYPE_CHECKING:
    from numpy.typing import NDArray

# component: D_80 of TT, EE, BB in µK² at the reference frequency, slopes of D_ℓ, correlation of T and E
TEMPLATES = {
    "dust": {"amplitudes": (350.0, 100.0, 50.0), "slopes": (-0.42, -0.42, -0.54), "correlation": 0.35},
    "synchrotron": {"amplitudes": (20.0, 4.3, 2.15), "slopes": (-1.0, -1.0, -1.0), "correlation": 0.0},
}
STREAMS = {"cmb": 0, "dust": 1, "synchrotron": 2, "noise": 3, "beta_dust": 4, "temperature_dust": 5}
STREAMS["beta_synchrotron"] = 6
LATITUDE = 45.0  # degrees: there the modulation is 1
LARGEST = 4.0  # and nowhere more than this


def template_covariances(component: str, lmax: int) -> NDArray[np.float64]:
    """Return the covariance of T, E, B of a template at each multipole, µK² at its reference frequency.

    Examples
    --------
    >>> d80 = template_covariances("dust", 80)[80] * 80 * 81 / 2 / np.pi
    >>> d80.round(1).tolist()[1]
    [65.5, 100.0, 0.0]
    """
    held = TEMPLATES[component]
    ell = np.arange(2, lmax + 1)
    to_cl = 2 * np.pi / (ell * (ell + 1))
    power = [a * (ell / 80.0) ** s * to_cl for a, s in zip(held["amplitudes"], held["slopes"], strict=True)]  # type: ignore[call-overload]
    made = np.zeros((lmax + 1, 3, 3))
    for row in range(3):
        made[2:, row, row] = power[row]
    made[2:, 0, 1] = made[2:, 1, 0] = held["correlation"] * np.sqrt(power[0] * power[1])
    return made


def latitude_modulation(nside: int) -> NDArray[np.float64]:
    """Return the factor by which emission grows towards the Galactic plane, RING.

    sin 45° / sin |b|, the path through a slab, 1 at 45° and at most 4. Not measured; it mixes some E into B.

    Examples
    --------
    >>> bool(latitude_modulation(8).max() <= 4.0)
    True
    """
    import ducc0

    ids = np.arange(12 * nside**2)
    height = np.abs(np.cos(ducc0.healpix.Healpix_Base(nside, "RING").pix2ang(ids)[:, 0]))
    return np.minimum(np.sin(np.radians(LATITUDE)) / np.maximum(height, 1e-9), LARGEST)


def template_map(component: str, *, nside: int, lmax: int, seed: int, stokes: str, modulated: bool) -> NDArray:
    """Return the Stokes maps of a template (COSMO, RING) in µK of K_CMB at its reference frequency.

    Examples
    --------
    >>> template_map("dust", nside=4, lmax=8, seed=1, stokes="QU", modulated=True).shape
    (2, 192)
    """
    random = generator(seed, STREAMS[component])
    alm = gaussian_alms(square_roots(template_covariances(component, lmax)), random)
    values = stokes_maps(alm, nside=nside, lmax=lmax, stokes=stokes)
    return values * latitude_modulation(nside) if modulated else values


def scattered_index(name: str, mean: float, spread: float, *, nside: int, coarse: int, seed: int) -> NDArray:
    """Return a spectral index in each cell (RING), Gaussian about its mean from one coarse cell to the next.

    Examples
    --------
    >>> np.unique(scattered_index("beta_dust", 1.54, 0.05, nside=8, coarse=1, seed=1)).size
    12
    """
    drawn = mean + spread * generator(seed, STREAMS[name]).standard_normal(12 * coarse**2)
    return np.repeat(drawn, (nside // coarse) ** 2)[ring_order(nside)]
