"""The wave telescope, or k-filtering: power over frequency and wave vector from four or more points.

Conventions. A wave is the real part of :math:`b\\, e^{i (k \\cdot r - \\omega t)}` with
:math:`\\omega = 2 \\pi f > 0`, so k points where it travels in the frame of the spacecraft, and
a wave that travels along +x has k_x > 0.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.errors import BadOption, BadTime, OutsideCoverage, WrongData
from analysis.model import derived, in_units, labelled, unit_of
from analysis.plasma.cross_spectra import cross_spectra
from analysis.plasma.inputs import finite
from analysis.plasma.k_filtering import filtered, loaded_inverse, peaks
from analysis.plasma.rotations import cartesian
from analysis.plasma.spectral import even_step
from analysis.plasma.synthetic_fields import places
from analysis.plasma.vectors import frame_of, made, same_frame, vector
from analysis.plasma.wave_limits import wave_number_limit

GRID = ("kx", "ky", "kz")
GUESSES = 8  # peaks on the grid that are followed up: the highest of all may lie beside a lower one of them
PINCON_1991 = "Pinçon & Lefeuvre, J. Geophys. Res. 96, 1789 (1991), doi:10.1029/90JA02183"
MOTSCHMANN_1996 = "Motschmann et al., J. Geophys. Res. 101, 4961 (1996), doi:10.1029/95JA03471"
PINCON_1998 = "Pinçon & Motschmann, in Analysis Methods for Multi-Spacecraft Data, ISSI SR-001, chapter 3 (1998)"


def wave_vector_power(
    b: xr.DataArray,
    position: xr.DataArray,
    *,
    segment: int = 256,
    overlap: float = 0.5,
    band: tuple[float, float] | None = None,
    largest: float | None = None,
    points: int = 21,
    wave_vectors: xr.DataArray | None = None,
    divergence_free: bool = True,
    loading: float = 1e-3,
) -> xr.Dataset:
    r"""Return the power of waves over frequency and wave vector, by k-filtering (the wave telescope).

    .. math:: P(\omega, k) = \mathrm{tr}\left[\left(V^T H^\dagger M^{-1} H V\right)^{-1}\right]

    M is the 3N × 3N cross-spectral matrix of N spacecraft, H(k) holds :math:`e^{i k \cdot r_n}` times the unit matrix
    for each of them, and the two columns of V(k) are unit vectors normal to k, so that only fields with
    :math:`k \cdot b = 0` pass. Of all linear filters that pass a plane wave k unchanged it is the one that lets least
    of all else through.

    Parameters
    ----------
    b : xarray.DataArray
        Dims ``spacecraft`` (4 or more), ``time``, ``component``; any unit, evenly sampled (within a tenth of a step).
        Each segment's mean is taken off. A segment with a NaN at any spacecraft is left out.
    position : xarray.DataArray
        Dims ``spacecraft, component`` and perhaps ``time``, any length, in the frame of ``b``. Separations are
        averaged over time; they may change by a tenth of the largest at most.
    segment : int, optional
        Samples of a segment (Welch's method, Hann window): the frequencies are 1 / (segment × step) apart.
    overlap : float, optional
        Part of a segment that the next one shares, 0 to below 1.
    band : (float, float), optional
        Lowest and highest frequency wanted, Hz. Zero and the highest of all (Nyquist's) are never given.
    largest : float, optional
        The grid of wave vectors goes from -largest to +largest along x, y, z, rad/km; by default the limit that
        :func:`wave_number_limit` gives, beyond which wave vectors are ambiguous.
    points : int, optional
        Of the grid along each axis, odd so that zero is one of them.
    wave_vectors : xarray.DataArray, optional
        Instead of the grid: any wave vectors (rad/km or rad per other length), dim ``component`` and others, for
        example direction × wave number.
    divergence_free : bool, optional
        False leaves V out: for fields with a divergence, such as electric ones.
    loading : float, optional
        White noise that is added to M's diagonal, as a part of its mean, so that M can be inverted.

    Returns
    -------
    xarray.Dataset
        ``power`` (dims frequency, kx, ky, kz or those of ``wave_vectors``; square of the unit of ``b`` per Hz): the
        one-sided spectral density, summed over the components, of what a plane wave k would have; it is no density
        over k, so it is not to be integrated. ``total_power``: the spectral density of all, mean over the spacecraft.
        ``limit`` (rad/km). At k = 0 nothing is normal to k, and all three components pass: it is never the peak.
        On a grid also, for each frequency, ``peak_k``, ``peak_power`` and ``peak_width`` (half of the width at half
        height along each axis): the highest peaks of the grid within the limit are followed up between its points to
        1/128 of a step, since peaks of strong waves are narrower than a step, and the highest is given; ``at_edge`` is
        true where it lies within a step of the grid's edge or of the limit, so that the wave may lie beyond.

    Raises
    ------
    WrongData
        If there are fewer than four spacecraft or they lie in a plane, too few segments, separations that change,
        or axes that do not fit.
    BadTime
        If the times are not even, or there are fewer than a segment.
    WrongFrame, WrongUnits, MissingUnits, BadOption, OutsideCoverage
        If an input or option cannot be used.

    Notes
    -----
    M needs at least 3N segments to have an inverse of its own, and with few more the power of real waves comes out
    low (by about (Q - 3N + 2) / Q for Q independent segments) while their k stays. With fewer than 3N segments
    ``loading`` must be 0.01 or more. Waves of one frequency whose phases do not change against each other over the
    interval are one wave for M, and are not told apart.

    References
    ----------
    Pinçon & Lefeuvre, J. Geophys. Res. 96, 1789 (1991), doi:10.1029/90JA02183.
    Motschmann et al., J. Geophys. Res. 101, 4961 (1996), doi:10.1029/95JA03471.
    Pinçon & Motschmann, in Analysis Methods for Multi-Spacecraft Data, ISSI SR-001, chapter 3 (1998).

    Examples
    --------
    >>> from analysis import plasma
    >>> time = plasma.sampling_times("2030-01-01", cadence=0.1, count=4096)
    >>> four = plasma.constellation(plasma.straight_path(time, velocity=(0, 0, 0)), scale=100)
    >>> wave = plasma.plane_waves([[0.01, 0, 0]], [1.0], [[0, 1, 0]])
    >>> data = plasma.sampled(wave, four, noise=0.1)
    >>> spectrum = wave_vector_power(data.b, data.position, band=(0.9, 1.1), largest=0.02, points=9)
    >>> dict(spectrum.sizes)
    {'frequency': 5, 'kx': 9, 'ky': 9, 'kz': 9, 'component': 3}
    """
    field, place = _inputs(b, position)
    limit = float(wave_number_limit(place).limit)
    step = even_step(field)
    kept, matrices, frequency, used = cross_spectra(field, segment, overlap, step, band)
    count, size = field.sizes["spacecraft"], 3 * field.sizes["spacecraft"]
    load = finite(loading, "loading")
    if not isinstance(divergence_free, bool | np.bool_):
        raise BadOption(f"divergence_free={divergence_free!r} is neither True nor False")
    if load < 0:
        raise BadOption(f"loading={loading} is below zero")
    if used < size and load < 1e-2:
        raise WrongData(
            f"{used} segments without gaps for a matrix of {size} × {size} ({count} spacecraft): take a shorter "
            f"segment (now {segment} of {field.sizes['time']} samples), a longer interval, or loading=0.01 or more"
        )
    vectors = _grid(largest, points, limit) if wave_vectors is None else _given(wave_vectors, field)
    dims, coords = vectors.dims[:-1], {n: c for n, c in vectors.coords.items() if "component" not in c.dims}
    k = vectors.values.reshape(-1, 3)
    r = place.values - place.values.mean(axis=0)
    inverse = loaded_inverse(matrices, load)
    values = filtered(inverse, k, r, divergence_free=bool(divergence_free))
    axis = xr.DataArray(frequency, dims="frequency", attrs={"units": "Hz", "long_name": "Frequency"})
    shape = (frequency.size, *(vectors.sizes[dim] for dim in dims))
    unit = f"{(unit_of(field) ** 2).to_string()} Hz-1"
    power = xr.DataArray(values.reshape(shape), dims=("frequency", *dims), coords={"frequency": axis, **coords})
    trace = np.trace(matrices, axis1=1, axis2=2).real / count
    total = xr.DataArray(trace, dims="frequency", coords={"frequency": axis})
    result = xr.Dataset(
        {
            "power": made(power, "power", field, units=unit, long_name="Power of a wave with this k"),
            "total_power": made(total, "total_power", field, units=unit, long_name="Power, mean over the spacecraft"),
            "limit": labelled(
                xr.DataArray(limit), "limit", units="rad km-1", long_name="Largest unambiguous wave number"
            ),
        }
    )
    if wave_vectors is None:
        spacing, end = float(vectors[GRID[0]][1] - vectors[GRID[0]][0]), float(vectors[GRID[0]][-1])
        guesses = _highest(vectors, values, limit, divergence_free=bool(divergence_free))
        highest = peaks(inverse, guesses, spacing, r, divergence_free=bool(divergence_free), largest=limit)
        edge = (np.linalg.norm(highest[0], axis=1) > limit - spacing) | (np.abs(highest[0]) > end - spacing).any(axis=1)
        result = result.assign(_labelled_peaks(field, axis, unit, highest)).assign_coords(
            at_edge=labelled(
                xr.DataArray(edge, dims="frequency"), "at_edge", units="1", long_name="Peak at the edge of the grid"
            )
        )
    result = result.assign_attrs(
        frame=frame_of(b, "b"), spacecraft=count, segments=used, segments_left_out=kept - used, segment=segment,
        window="hann", loading=load, divergence_free=str(bool(divergence_free)),
    )  # fmt: skip
    return derived(
        result,
        b,
        title=f"Wave power over frequency and wave vector, {count} points",
        step=f"plasma.wave_vector_power(segment={segment}, overlap={overlap:g}, loading={load:g})",
        references=[PINCON_1991, MOTSCHMANN_1996, PINCON_1998],
        also=[position],
    )


def _labelled_peaks(
    field: xr.DataArray, axis: xr.DataArray, unit: str, peaks: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> dict[str, xr.DataArray]:
    """Return the wave vectors of most power, their half-widths and the power there, NaN where there is no power."""
    k, power, width = peaks
    known = np.isfinite(power)
    coords = {"frequency": axis, "component": field["component"]}
    frame = {"frame": frame_of(field, "b")}

    def over_components(values: np.ndarray) -> xr.DataArray:
        shown = np.where(known[:, None] & np.isfinite(values), values, np.nan)
        return xr.DataArray(shown, dims=("frequency", "component"), coords=coords)

    label = "Half-width of the peak in k"
    return {
        "peak_k": made(over_components(k), "peak_k", field, units="rad km-1", long_name="k of most power", attrs=frame),
        "peak_width": made(
            over_components(width), "peak_width", field, units="rad km-1", long_name=label, attrs=frame
        ),
        "peak_power": made(
            xr.DataArray(np.where(known, power, np.nan), dims="frequency", coords={"frequency": axis}),
            "peak_power", field, units=unit, long_name="Power at the k of most power",
        ),
    }  # fmt: skip


def _inputs(b: xr.DataArray, position: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Return the field (spacecraft, time, component) and the mean places (spacecraft, component), km."""
    field, place = cartesian(b, "b"), places(position)
    same_frame(b=field, position=position)
    if set(field.dims) != {"spacecraft", "time", "component"}:
        raise WrongData(f"{field.name} has dims {dict(field.sizes)}; spacecraft, time and component are needed")
    if field["component"].values.tolist() != place["component"].values.tolist():
        raise WrongData(
            f"{field.name} has the components {field['component'].values.tolist()}, "
            f"position {place['component'].values.tolist()}"
        )
    if field.dtype.kind != "f":
        raise WrongData(f"{field.name} holds {field.dtype}, not real numbers")
    if field["time"].dtype.kind != "M" or not field.sizes["time"]:
        raise BadTime(
            f"time of {field.name} is {field['time'].dtype} and holds {field.sizes['time']}; times in UTC are needed"
        )
    try:
        xr.align(field.isel(time=0), place.isel(time=0) if "time" in place.dims else place, join="exact", copy=False)
    except ValueError as error:
        raise WrongData(f"b and position are not of the same spacecraft in the same order ({error})") from error
    if "time" in place.dims:
        inside = place.where((place["time"] >= field["time"][0]) & (place["time"] <= field["time"][-1]), drop=True)
        place = inside if inside.sizes["time"] else _between(place, field["time"].values)
        place = _steady(place.transpose("spacecraft", "time", "component"))
    return field.transpose("spacecraft", "time", "component"), place.transpose("spacecraft", "component")


def _between(place: xr.DataArray, times: np.ndarray) -> xr.DataArray:
    """Return the places in the middle of the times, for positions that are farther apart than these last."""
    middle = times[0] + (times[-1] - times[0]) // 2
    have = place["time"].values
    if not have.size or not have.min() <= middle <= have.max():
        span = f"{have.min()!s:.19} to {have.max()!s:.19}" if have.size else "no time at all"
        raise OutsideCoverage(f"position is for {span}, b for {times[0]!s:.19} to {times[-1]!s:.19}")
    return place.interp(time=[middle]).assign_attrs(place.attrs)


def _steady(place: xr.DataArray) -> xr.DataArray:
    """Return the mean places after the centre of the spacecraft, or refuse a formation that changes."""
    relative = place - place.mean("spacecraft", skipna=False)
    mean = relative.mean("time")
    if bool(mean.isnull().any()):
        raise WrongData("position of a spacecraft is NaN throughout")
    size = float(np.linalg.norm(mean.values[:, None] - mean.values[None], axis=2).max())
    change = float(np.nanmax(np.linalg.norm((relative - mean).values, axis=2)))
    if change > size / 10:
        raise WrongData(
            f"a spacecraft moves by {change:.4g} km against the others while they are {size:.4g} km apart at most: one "
            "set of separations does not hold for the interval; take a shorter one"
        )
    return mean.assign_attrs(place.attrs)


def _highest(vectors: xr.DataArray, values: np.ndarray, limit: float, *, divergence_free: bool) -> np.ndarray:
    """Return the k (frequency, guess, 3) of the highest local peaks on a grid, up to the limit."""
    shape = vectors.shape[:-1]
    size = np.linalg.norm(vectors.values, axis=-1)
    sought = (size <= limit * (1 + 1e-9)) & ((size > 0) | (not divergence_free))
    power = np.where(sought & np.isfinite(values.reshape(-1, *shape)), values.reshape(-1, *shape), -np.inf)
    padded = np.pad(power, ((0, 0), (1, 1), (1, 1), (1, 1)), constant_values=-np.inf)
    peak = np.isfinite(power)
    inner = slice(1, -1)
    for axis in (1, 2, 3):
        for side in (slice(None, -2), slice(2, None)):
            beside = [slice(None), inner, inner, inner]
            beside[axis] = side
            peak &= power >= padded[*beside]
    ranked = np.argsort(np.where(peak, power, -np.inf).reshape(len(power), -1), axis=1)[:, : -GUESSES - 1 : -1]
    return vectors.values.reshape(-1, 3)[ranked]


def _grid(largest: float | None, points: int, limit: float) -> xr.DataArray:
    """Return wave vectors (kx, ky, kz, component) in rad/km."""
    if not isinstance(points, int | np.integer) or isinstance(points, bool) or not 3 <= points <= 201:
        raise BadOption(f"points={points!r} is not a whole number from 3 to 201")
    end = limit if largest is None else finite(largest, "largest", positive=True)
    line = np.linspace(-end, end, int(points))
    axes = [
        xr.DataArray(line, dims=name, coords={name: line}, attrs={"units": "rad km-1", "long_name": f"k_{name[1]}"})
        for name in GRID
    ]
    whole = xr.concat(xr.broadcast(*axes), "component").transpose(*GRID, "component")
    return whole.assign_coords({name: axis for name, axis in zip(GRID, axes, strict=True)})


def _given(wave_vectors: xr.DataArray, field: xr.DataArray) -> xr.DataArray:
    vectors = cartesian(in_units(vector(wave_vectors, "wave_vectors"), "rad km-1"), "wave_vectors")
    if taken := sorted({"time", "frequency", "spacecraft"} & set(map(str, vectors.dims))):
        raise WrongData(f"wave_vectors has the dim {taken[0]!r}, which means something else here; rename it")
    if "frame" in vectors.attrs and frame_of(vectors) != frame_of(field, "b"):
        same_frame(b=field, wave_vectors=vectors)
    if vectors.ndim < 2:
        raise WrongData("wave_vectors is a single vector; give it a dim, for example wave_vectors.expand_dims('wave')")
    if not bool(np.isfinite(vectors).all()):
        raise WrongData("wave_vectors holds NaN or infinite numbers")
    return vectors
