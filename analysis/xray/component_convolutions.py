"""Convolutions: components that change the spectrum of what stands right of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from analysis.errors import BadOption
from analysis.xray.component_parts import XSPEC, redshift, told
from analysis.xray.models import Array, Component, Inner, Parameter

if TYPE_CHECKING:
    from scipy.sparse import csc_matrix

ERG_PER_KEV = 1.602176634e-9  # exact since 2019
FINEST = 1e-3  # width over energy of the bins on which a flux is added up
REACH = 6.0  # standard deviations to which a Gaussian is followed; 2e-9 of it lies beyond
PARTS = 8.0  # parts of a standard deviation into which bins are cut before they are smoothed
COSMOLOGY = "flat, H0 = 70 km/s/Mpc, Ω_Λ = 0.73"


def zashift() -> Component:
    """Return a shift of the spectrum to a redshift: photons at E (1 + z), (1 + z) times as seldom."""

    def convolve(low: Array, high: Array, pars: Array, inner: Inner) -> Array:
        z = pars[0]
        return inner(low * (1 + z), high * (1 + z)) / (1 + z)

    return Component(
        "zashift",
        "convolution",
        (redshift(),),
        convolve=convolve,
        about=told("Redshift of a whole model", f"{XSPEC}, zashift"),
    )


def gsmooth() -> Component:
    """Return a Gaussian smoothing, σ(E) = σ_6 (E / 6 keV)^index.

    What stands right of it is evaluated beyond both ends of the bins, six σ far (below: at most down to half the
    lowest energy), and on bins of at most an eighth of σ unless σ is narrower than half a bin; in each of them photons
    count as evenly spread.
    """

    def convolve(low: Array, high: Array, pars: Array, inner: Inner) -> Array:
        sigma_6, index = pars
        if sigma_6 == 0:
            return inner(low, high)
        below, above, spread = _prepared(low.tobytes(), high.tobytes(), float(sigma_6), float(index))
        return (spread @ inner(below, above).T).T

    return Component(
        "gsmooth",
        "convolution",
        (
            Parameter("sigma_6kev", 1.0, "keV", 0.0, 20.0, (1e-3, 1.0), long_name="Standard deviation at 6 keV"),
            Parameter("index", 0.0, "1", -1.0, 1.0, (-1.0, 1.0), frozen=True, long_name="Power of energy of σ"),
        ),
        convolve=convolve,
        about=told("Gaussian smoothing", f"{XSPEC}, gsmooth"),
    )


@lru_cache(maxsize=2)
def _prepared(lows: bytes, highs: bytes, sigma_6: float, index: float) -> tuple[Array, Array, csc_matrix]:
    """The bins to evaluate on and what spreads their photons, held while the width stays."""
    low, high = np.frombuffer(lows), np.frombuffer(highs)
    below, above = _around(low, high, sigma_6, index)
    return below, above, _smoothing(below, above, sigma_6 * (((below + above) / 2) / 6.0) ** index, low, high)


def _around(low: Array, high: Array, sigma_6: float, index: float) -> tuple[Array, Array]:
    """The bins cut into parts, and further ones beyond both ends.

    They stay the same while σ_6 and the index change a little: steps of the bins would be steps of the model.
    """
    widest = np.sqrt(0.5) * 2.0 ** np.ceil(np.log2(sigma_6 / np.sqrt(0.5)))
    flat = np.floor(4 * index + 0.37) / 4 - 0.0925  # the index lies between this and a quarter more

    def broad(energy: Array) -> Array:
        return widest * np.maximum((energy / 6.0) ** flat, (energy / 6.0) ** (flat + 0.25))

    def narrow(energy: Array) -> Array:
        return widest / 2 * np.minimum((energy / 6.0) ** flat, (energy / 6.0) ** (flat + 0.25))

    wanted = np.ceil(PARTS * (high - low) / narrow((low + high) / 2))
    parts = np.where(wanted > 16, 4, np.maximum(wanted, 1)).astype(int)  # far narrower than its bin: little gets out
    step = np.repeat((high - low) / parts, parts)
    first = np.concatenate([[0], np.cumsum(parts)[:-1]])
    within = np.arange(parts.sum()) - np.repeat(first, parts)
    below = np.repeat(low, parts) + step * within
    lowest, highest = low.min(), high.max()
    bottom = max(lowest - REACH * broad(lowest), lowest / 2)
    top = highest + REACH * broad(highest)
    top = highest + REACH * broad(top)  # a line beyond the end may be broader than one at the end
    far = [
        _edges(bottom, lowest, min(narrow(bottom), narrow(lowest))),
        _edges(highest, top, min(narrow(highest), narrow(top))),
    ]
    return (
        np.concatenate([far[0][:-1], below, far[1][:-1]]),
        np.concatenate([far[0][1:], below + step, far[1][1:]]),
    )


def _edges(start: float, stop: float, sigma: Array | float) -> Array:
    return np.linspace(start, stop, int(np.clip(np.ceil(PARTS * (stop - start) / sigma), 1, 500)) + 1)


def _smoothing(below: Array, above: Array, sigma: Array, low: Array, high: Array) -> csc_matrix:
    """Return the sparse matrix that spreads photons, evenly spread in each bin, over the bins (low, high)."""
    from scipy.sparse import csc_matrix
    from scipy.special import ndtr

    edges = np.concatenate([low, high[-1:]])
    if not np.allclose(low[1:], high[:-1], rtol=1e-5):
        raise BadOption("gsmooth needs energy bins without gaps")
    first = np.maximum(np.searchsorted(edges, below - REACH * sigma) - 1, 0)
    last = np.minimum(np.searchsorted(edges, above + REACH * sigma) + 1, edges.size)
    count = np.maximum(last - first, 0)
    source = np.repeat(np.arange(below.size), count)
    edge = np.arange(source.size) - np.repeat(np.cumsum(count) - count - first, count)
    # what lies below an edge; of a narrow bin by its variance alone, to 4e-6
    width, middle = above - below, (below + above) / 2
    scale = np.sqrt(sigma**2 + width**2 / 12)
    share = ndtr((edges[edge] - middle[source]) / scale[source])
    wide = (width > sigma / 4)[source]
    if wide.any():
        i, e = source[wide], edges[edge[wide]]
        share[wide] = sigma[i] * (_ramp((e - below[i]) / sigma[i]) - _ramp((e - above[i]) / sigma[i])) / width[i]
    same = source[1:] == source[:-1]
    start = np.concatenate([[0], np.cumsum(np.maximum(count - 1, 0))])
    return csc_matrix((np.diff(share)[same], edge[:-1][same], start), shape=(low.size, below.size))


def _ramp(x: Array) -> Array:
    """The integral of the cumulative normal distribution, x Φ(x) + φ(x)."""
    from scipy.special import ndtr

    return x * ndtr(x) + np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)


def _bins(e_min: float, e_max: float, word: str) -> tuple[Array, Array]:
    if not 0 < e_min < e_max:
        raise BadOption(f"{word} needs 0 < e_min < e_max; they are {e_min:g} and {e_max:g} keV")
    edges = np.geomspace(e_min, e_max, int(np.ceil(np.log(e_max / e_min) / FINEST)) + 1)
    return edges[:-1], edges[1:]


def _scaled(
    word: str,
    band: Callable[[Array], tuple[float, float]],
    per_photon: Callable[[Array], Array | float],
    wanted: Callable[[Array], float],
) -> Callable[[Array, Array, Array, Inner], Array]:
    """A convolution that brings a sum over a band, of photons or of their energies, to what is wanted."""

    def convolve(low: Array, high: Array, pars: Array, inner: Inner) -> Array:
        below, above = _bins(*band(pars), word)
        held = float((inner(below, above) * per_photon((below + above) / 2)).sum())
        if not held > 0:  # there is nothing to scale; a fit turns back from there
            return np.full(inner(low, high).shape, np.nan)
        return inner(low, high) * (wanted(pars) / held)

    return convolve


def _ends(frame: str = "") -> tuple[Parameter, Parameter]:
    return (
        Parameter("e_min", 0.5, "keV", 0.0, 1e6, frozen=True, long_name=f"Lower end of the band{frame}"),
        Parameter("e_max", 10.0, "keV", 0.0, 1e6, frozen=True, long_name=f"Upper end of the band{frame}"),
    )


def _as_it_is(pars: Array) -> tuple[float, float]:
    return pars[0], pars[1]


def cflux() -> Component:
    """Return what makes the energy flux of a model in a band a parameter; freeze a norm to its right."""
    flux = Parameter("lg10_flux", -12.0, "1", -100.0, 100.0, (-16.0, -8.0), long_name="log10 of erg cm-2 s-1")
    return Component(
        "cflux",
        "convolution",
        (*_ends(), flux),
        convolve=_scaled("cflux", _as_it_is, lambda kev: ERG_PER_KEV * kev, lambda pars: 10.0 ** pars[2]),
        linear=False,
        about=told("Energy flux in a band as a parameter", f"{XSPEC}, cflux"),
    )


def cpflux() -> Component:
    """Return what makes the photon flux of a model in a band a parameter; freeze a norm to its right."""
    flux = Parameter("flux", 1.0, "ph cm-2 s-1", 0.0, 1e10, (1e-8, 10.0), long_name="Photon flux in the band")
    return Component(
        "cpflux",
        "convolution",
        (*_ends(), flux),
        convolve=_scaled("cpflux", _as_it_is, lambda kev: 1.0, lambda pars: pars[2]),
        linear=False,
        about=told("Photon flux in a band as a parameter", f"{XSPEC}, cpflux"),
    )


def clumin() -> Component:
    """Return what makes the luminosity in a band of the source's frame a parameter; freeze a norm to its right."""

    def flux_of(pars: Array) -> float:
        if not pars[2] > 0:
            raise BadOption(f"clumin needs a redshift above 0 for a distance; it is {pars[2]:g}")
        return 10.0 ** pars[3] / (4 * np.pi * _distance(float(pars[2])) ** 2)

    luminosity = Parameter("lg10_lum", 40.0, "1", -100.0, 100.0, (30.0, 50.0), long_name="log10 of erg s-1")
    return Component(
        "clumin",
        "convolution",
        (*_ends(" in the source's frame"), redshift(), luminosity),
        convolve=_scaled(
            "clumin",
            lambda pars: (pars[0] / (1 + pars[2]), pars[1] / (1 + pars[2])),
            lambda kev: ERG_PER_KEV * kev,
            flux_of,
        ),
        linear=False,
        about=told("Luminosity in a band as a parameter", f"{XSPEC}, clumin", cosmology=COSMOLOGY),
    )


@lru_cache(maxsize=64)
def _distance(z: float) -> float:
    """The luminosity distance in cm."""
    from astropy.cosmology import FlatLambdaCDM

    return float(FlatLambdaCDM(H0=70.0, Om0=0.27, Tcmb0=0.0).luminosity_distance(z).to_value("cm"))


COMPONENTS: dict[str, Callable[[], Component]] = {
    "zashift": zashift,
    "gsmooth": gsmooth,
    "cflux": cflux,
    "cpflux": cpflux,
    "clumin": clumin,
}
