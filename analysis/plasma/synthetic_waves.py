"""Sums of plane waves without divergence: a few that are given, or many that make Alfvénic turbulence.

Every wave is the real part of :math:`b\\, e^{i (k \\cdot r - 2 \\pi f t)}` with :math:`k \\cdot b = 0`: with f > 0 it
travels along +k.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from analysis.errors import BadOption, WrongData
from analysis.model import stamp
from analysis.plasma.inputs import finite, is_number, whole_number
from analysis.plasma.synthetic_fields import EPOCH, SyntheticField, Triple, Values, seeded, start_of, triple
from analysis.plasma.vectors import component_labels, refuse_unknown

BLOCK = 32  # waves summed at once: keeps the table of phases small
GOLDREICH_1995 = "Goldreich & Sridhar, Astrophys. J. 438, 763 (1995), doi:10.1086/175121"
GIACALONE_1999 = "Giacalone & Jokipii, Astrophys. J. 520, 204 (1999), doi:10.1086/307452"
TAYLOR_1938 = "Taylor, Proc. R. Soc. Lond. A 164, 476 (1938), doi:10.1098/rspa.1938.0032"


def plane_waves(
    wave_vectors: ArrayLike,
    frequencies: ArrayLike,
    amplitudes: ArrayLike,
    *,
    mean_field: Triple = (0, 0, 0),
    epoch: str = EPOCH,
    title: str = "Plane waves",
) -> SyntheticField:
    r"""Return a mean field and plane waves, :math:`B = B_0 + \mathrm{Re} \sum_j b_j e^{i (k_j \cdot r - 2\pi f_j t)}`.

    Parameters
    ----------
    wave_vectors : array of shape (wave, 3)
        :math:`k_j` in rad/km.
    frequencies : array of shape (wave,)
        :math:`f_j` in Hz, in the frame in which the positions are given; below zero a wave travels against k.
    amplitudes : array of shape (wave, 3), complex
        :math:`b_j` in nT, normal to :math:`k_j`; two components out of phase make circular polarization.
    mean_field : three numbers, optional
        :math:`B_0` in nT.
    epoch : str, optional
        Where t is zero, UTC.
    title : str, optional
        What the field is called in titles.

    Raises
    ------
    BadOption
        If the shapes do not fit or a number is not finite.
    WrongData
        If a wave is not normal to its k: its field would have a divergence.

    Examples
    --------
    >>> wave = plane_waves([[0.01, 0, 0]], [0.5], [[0, 1, 1j]], mean_field=(5, 0, 0))
    >>> place = xr.DataArray([0.0, 0.0, 0.0], dims="component", attrs={"units": "km", "frame": "GSE"})
    >>> from analysis import plasma
    >>> plasma.field_at(wave, place).values.tolist()
    [5.0, 1.0, 0.0]
    """
    try:
        k, f, b = np.asarray(wave_vectors, float), np.asarray(frequencies, float), np.asarray(amplitudes, complex)
    except (TypeError, ValueError) as error:
        raise BadOption(f"wave_vectors, frequencies or amplitudes are no arrays of numbers ({error})") from error
    if k.ndim != 2 or k.shape[1] != 3 or f.shape != k.shape[:1] or b.shape != k.shape:
        raise BadOption(
            f"wave_vectors of shape {k.shape}, frequencies {f.shape}, amplitudes {b.shape}; "
            "they are (wave, 3), (wave,) and (wave, 3)"
        )
    if not (np.isfinite(k).all() and np.isfinite(f).all() and np.isfinite(b).all()):
        raise BadOption("a wave vector, frequency or amplitude is not finite")
    lengths = np.linalg.norm(k, axis=1) * np.linalg.norm(b, axis=1)
    if wrong := np.flatnonzero(np.abs(np.sum(k * b, axis=1)) > 1e-9 * lengths).tolist():
        raise WrongData(f"waves {wrong[:5]} have an amplitude along k, so div B is not zero; take it normal to k")
    mean = triple(mean_field, "mean_field")
    curls = 1j * np.cross(k, b)
    truth: dict[str, object] = {"mean_field": mean.tolist(), "waves": len(f)}
    truth["rms"] = float(np.sqrt(np.sum(np.abs(b) ** 2) / 2))
    if len(f) <= 4:
        truth |= {"wave_vectors": k.tolist(), "frequencies": f.tolist()}
    return SyntheticField(
        name="plane_waves", title=title, b=_sum_of(k, f, b, mean),
        curl=_sum_of(k, f, curls, np.zeros(3)), epoch=start_of(epoch), truth=truth, references=(),
        waves={"k": k, "frequency": f, "amplitude": b},
    )  # fmt: skip


def _sum_of(k: np.ndarray, f: np.ndarray, amplitudes: np.ndarray, mean: np.ndarray) -> Values:
    def values(r: np.ndarray, t: np.ndarray) -> np.ndarray:
        total = np.broadcast_to(mean, r.shape).copy()
        for first in range(0, len(f), BLOCK):
            part = slice(first, first + BLOCK)
            phase = r @ k[part].T - 2 * np.pi * t[..., None] * f[part]
            total += np.cos(phase) @ amplitudes[part].real - np.sin(phase) @ amplitudes[part].imag
        return total

    return values


def alfvenic_turbulence(
    *,
    rms: float = 1.0,
    mean_field: Triple = (5, 0, 0),
    wave_numbers: Sequence[float] = (1e-4, 1e-1),
    slope: float = 5 / 3,
    anisotropy: float | str = 1.0,
    velocity: Triple = (-400, 0, 0),
    alfven_speed: float = 0.0,
    waves: int = 256,
    seed: int = 0,
    epoch: str = EPOCH,
) -> SyntheticField:
    r"""Return turbulence made of many Alfvén waves with random directions and phases and a known spectrum.

    Each wave is linearly polarized along :math:`k \times B_0`, so neither div B nor B along :math:`B_0` changes. Wave
    numbers are evenly spread in their logarithm between two limits, and the amplitudes follow
    :math:`E(k) \propto k^{-s}` with :math:`\sum b_j^2 / 2 = \mathrm{rms}^2`.

    Parameters
    ----------
    rms : float, optional
        Root mean square of the fluctuation's vector, nT.
    mean_field : three numbers, optional
        :math:`B_0` in nT, not zero.
    wave_numbers : (float, float), optional
        Lowest and highest wave number, rad/km.
    slope : float, optional
        s, of the spectrum over all directions.
    anisotropy : float or "critical_balance", optional
        A number a ≥ 1 shrinks the parallel part of each (isotropic) k by a, so that power lies near
        :math:`k \perp B_0`. ``"critical_balance"``: ``wave_numbers`` are perpendicular ones, with the slope in
        :math:`k_\perp`, and :math:`|k_\parallel| \le k_{min}^{1/3} k_\perp^{2/3}`, evenly spread.
    velocity : three numbers, optional
        Of the plasma, km/s: the waves are carried along, :math:`2\pi f = k \cdot V` (Taylor's hypothesis).
    alfven_speed : float, optional
        km/s; above zero each wave also travels, :math:`2\pi f = k \cdot V + |k_\parallel| v_A`, along or against
        :math:`B_0` as its k does, half of them each way on average.
    waves, seed : int, optional
        How many waves, and the seed of their directions and phases: one seed, one field.
    epoch : str, optional
        Where t is zero, UTC.

    Raises
    ------
    BadOption
        If a number cannot be used.

    References
    ----------
    Giacalone & Jokipii, Astrophys. J. 520, 204 (1999), doi:10.1086/307452 (sums of random plane waves).
    Goldreich & Sridhar, Astrophys. J. 438, 763 (1995), doi:10.1086/175121 (critical balance).
    Taylor, Proc. R. Soc. Lond. A 164, 476 (1938), doi:10.1098/rspa.1938.0032.

    Examples
    --------
    >>> field = alfvenic_turbulence(rms=2, waves=100, seed=1)
    >>> true_waves(field).amplitude.sizes["wave"], round(field.truth["rms"], 3)
    (100, 2.0)
    """
    low, high = _limits(wave_numbers)
    strength, waves = finite(rms, "rms", positive=True), _count(waves)
    if isinstance(anisotropy, str):
        refuse_unknown(anisotropy, ["critical_balance"], "anisotropy")
    elif not is_number(anisotropy) or not 1 <= anisotropy < np.inf:
        raise BadOption(f"anisotropy={anisotropy!r} is neither a number of 1 or more nor 'critical_balance'")
    slope, alfven_speed = finite(slope, "slope"), finite(alfven_speed, "alfven_speed")
    if alfven_speed < 0:
        raise BadOption(f"alfven_speed={alfven_speed} is below zero; each wave's own k says which way it travels")
    mean, flow = triple(mean_field, "mean_field"), triple(velocity, "velocity")
    if not mean.any():
        raise BadOption("mean_field is zero, but Alfvén waves need one to travel along")
    rng = seeded(seed)
    sizes = low * (high / low) ** ((np.arange(waves) + 0.5) / waves)
    along, across = _parts(sizes, anisotropy, low, rng)
    e3 = mean / np.linalg.norm(mean)
    e1 = np.cross(e3, np.eye(3)[np.argmin(np.abs(e3))])
    e1 /= np.linalg.norm(e1)
    e2 = np.cross(e3, e1)
    angle, phase = rng.uniform(0, 2 * np.pi, (2, waves))
    k = along[:, None] * e3 + across[:, None] * (np.cos(angle)[:, None] * e1 + np.sin(angle)[:, None] * e2)
    polarization = np.cos(angle)[:, None] * e2 - np.sin(angle)[:, None] * e1  # along B0 x k
    weight = np.sqrt(sizes ** (1 - slope))  # evenly spread in log k: E(k) dk = E(k) k dlnk
    weight *= strength * np.sqrt(2 / np.sum(weight**2))
    frequency = (k @ flow + np.abs(along) * alfven_speed) / (2 * np.pi)
    title = "Alfvénic turbulence"
    summed = plane_waves(
        k,
        frequency,
        (weight * np.exp(1j * phase))[:, None] * polarization,
        mean_field=mean.tolist(),
        epoch=epoch,
        title=title,
    )
    truth = {
        **summed.truth,
        "slope": slope,
        "wave_numbers": [low, high],
        "anisotropy": anisotropy if isinstance(anisotropy, str) else float(anisotropy),
        "velocity": flow.tolist(),
        "alfven_speed": alfven_speed,
        "seed": int(seed),
    }
    return SyntheticField(
        name="alfvenic_turbulence", title=title, b=summed.b, curl=summed.curl, epoch=summed.epoch, truth=truth,
        references=(GIACALONE_1999, GOLDREICH_1995, TAYLOR_1938), waves=summed.waves,
    )  # fmt: skip


def true_waves(source: SyntheticField) -> xr.Dataset:
    """Return the plane waves that a synthetic field is made of.

    Parameters
    ----------
    source : SyntheticField
        What :func:`plane_waves` or :func:`alfvenic_turbulence` gives.

    Returns
    -------
    xarray.Dataset
        Dim ``wave``: ``k`` (dims wave, component; rad/km), ``frequency`` (Hz), ``amplitude`` (length of the complex
        vector, nT). A wave of frequency f < 0 is the same as one of -f and -k.

    Raises
    ------
    BadOption
        If the field is not made of waves.

    Examples
    --------
    >>> true_waves(plane_waves([[0.01, 0, 0]], [0.5], [[0, 1, 1j]])).amplitude.values.round(3).tolist()
    [1.414]
    """
    if not isinstance(source, SyntheticField) or not source.waves:
        raise BadOption(f"{getattr(source, 'title', type(source).__name__)} is not made of plane waves")
    parts: Mapping[str, np.ndarray] = source.waves
    size = np.linalg.norm(parts["amplitude"], axis=1)
    says = {"synthetic": "true"}
    data = xr.Dataset(
        {
            "k": (
                ("wave", "component"),
                parts["k"],
                {"units": "rad km-1", "long_name": "True wave vector", "frame": "that of the positions", **says},
            ),
            "frequency": ("wave", parts["frequency"], {"units": "Hz", "long_name": "True frequency", **says}),
            "amplitude": ("wave", size, {"units": "nT", "long_name": "True amplitude", **says}),
        },
        coords={"component": component_labels()},
        attrs=says,
    )
    return stamp(
        data,
        title=f"Synthetic: the waves of {source.title}",
        institution="Sankō",
        source=f"{source.title}, computed from its formula",
        references=source.references or ("none: plane waves that were given",),
        license="CC0",
        history=["plasma.true_waves"],
        provenance={"synthetic": source.name},
    )


def _parts(
    sizes: np.ndarray, anisotropy: float | str, low: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return the parallel and perpendicular parts of random wave vectors."""
    cosine = rng.uniform(-1, 1, sizes.size)
    if isinstance(anisotropy, str):
        return cosine * low ** (1 / 3) * sizes ** (2 / 3), sizes
    return cosine * sizes / anisotropy, np.sqrt(1 - cosine**2) * sizes


def _limits(wave_numbers: Sequence[float]) -> tuple[float, float]:
    if not isinstance(wave_numbers, Sequence | np.ndarray) or len(wave_numbers) != 2:
        raise BadOption(f"wave_numbers={wave_numbers!r} is not a lowest and a highest wave number in rad/km")
    low, high = wave_numbers
    if not is_number(low) or not is_number(high) or not 0 < low < high < np.inf:
        raise BadOption(f"wave_numbers={wave_numbers!r}: the lowest is above zero and below the highest, rad/km")
    return float(low), float(high)


def _count(waves: object) -> int:
    return whole_number(waves, "waves", 1)
