"""Angular power spectra of maps, and the forms in which they are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np
import xarray as xr

from analysis.cmb.harmonics import alm_from_map, checked_iterations, checked_lmax, spectrum_of
from analysis.cmb.maps import nside_of, ring_order, sky_array, u_sign
from analysis.cmb.masks import Mask, mask_told, weights_for
from analysis.cmb.origins import synthetic_attrs, with_inputs
from analysis.cmb.stokes import units_of
from analysis.errors import BadOption, WrongData, WrongFrame, WrongUnits
from analysis.model import derived, in_units, labelled, unit_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

Spectra = TypeVar("Spectra", xr.Dataset, xr.DataArray)
SPECTRA = ("TT", "EE", "BB", "TE", "EB", "TB")
HEALPIX = "Górski et al. 2005, ApJ 622, 759, doi:10.1086/427976"
PSEUDO = "Hivon et al. 2002, ApJ 567, 2, doi:10.1086/338126"


def power_spectra(
    sky: xr.Dataset | xr.DataArray,
    other: xr.Dataset | xr.DataArray | None = None,
    *,
    mask: Mask | None = None,
    lmax: int | None = None,
    iterations: int = 3,
) -> xr.Dataset:
    r"""Return the angular power spectra of a map, or the cross spectra of two: pseudo-:math:`C_\ell`.

    :math:`C_\ell^{XY} = \frac{1}{2\ell+1}\sum_m \mathrm{Re}(a^X_{\ell m} a^{Y*}_{\ell m})` of the masked map.
    A mask lowers the spectra, couples multipoles and leaks E into B; the beam and the pixel window smooth.
    None of that is undone here: on a small sky fraction divide by it only as a first look. The weighted mean
    of I over the kept cells is taken off first. Noise of one map biases its spectra; two maps with
    independent noise (V and W) do not share it.

    Parameters
    ----------
    sky : xarray.Dataset or xarray.DataArray
        A map, dims ``stokes, cells``: I, or Q and U, or all three; any unit.
    other : xarray.Dataset or xarray.DataArray, optional
        A second map of the same nside, frame, ``polconv`` and temperature scale; converted to the units of
        the first. Cross spectra of unlike fields are symmetrised: TE is the mean of T₁E₂ and E₁T₂.
    mask : xarray.DataArray or xarray.Dataset, optional
        Weights from 0 to 1 on the same cells, for both maps. Without it every cell must have been observed.
    lmax : int, optional
        Largest multipole, from 2 to ``3 nside - 1``; ``2 nside`` if left out.
    iterations : int, optional
        Jacobi iterations of the harmonic analysis.

    Returns
    -------
    xarray.Dataset
        ``cl``, dims ``spectrum, ell``, in squared units of the map; ``spectrum`` holds TT, EE, BB, TE, EB, TB
        as far as the Stokes parameters allow. attrs: ``sky_fraction`` (the mean weight), ``polconv`` (in IAU,
        EB and TB have the other sign than in COSMO).

    Raises
    ------
    BadOption
        If ``lmax`` or ``iterations`` is out of range.
    WrongData
        If a kept cell was not observed, or nside or Stokes parameters of two maps differ.
    WrongFrame
        If frame or ``polconv`` is missing or differs.
    WrongUnits
        If units or temperature scales do not go together.

    References
    ----------
    Hivon et al. 2002, ApJ 567, 2, doi:10.1086/338126 (pseudo-C_ℓ); Górski et al. 2005, ApJ 622, 759,
    doi:10.1086/427976 (HEALPix, whose ``anafast`` this equals); Reinecke & Seljebotn 2013, A&A 554, A112,
    doi:10.1051/0004-6361/201321494 (the transform).

    Examples
    --------
    >>> from analysis.cmb.maps import cell_ids
    >>> sky = xr.DataArray(np.tile([1.0, -1.0], (1, 96)), dims=("stokes", "cells"), attrs={"units": "uK"},
    ...                    coords={"stokes": ["I"], "cell_ids": cell_ids(4)})
    >>> spectra = power_spectra(sky, lmax=8)
    >>> spectra.cl.dims, spectra.cl.attrs["units"], spectra.spectrum.values.tolist()
    (('spectrum', 'ell'), 'uK2', ['TT'])
    """
    first = sky_array(sky)
    nside = nside_of(first)
    lmax, iterations = checked_lmax(lmax, nside), checked_iterations(iterations)
    units = units_of(first)
    weights = weights_for(first, mask)
    alms = field_alms(first, weights, lmax=lmax, iterations=iterations)
    second_alms = alms
    if other is not None:
        given = sky_array(other, what="the second map")
        second = _matched(given, first)
        weights_for(given, mask)  # before its units are changed, which would hide UNSEEN
        second_alms = field_alms(second, weights, lmax=lmax, iterations=iterations)
    labels = [label for label in SPECTRA if set(label) <= set(alms)]
    values = np.stack([_cross(alms, second_alms, label, lmax) for label in labels])
    inputs = [sky] if other is None else [sky, other]
    result = _dataset(values, labels, units, first, float(weights.mean()))
    marked = synthetic_attrs(sky, other, mask)
    result = result.assign(cl=result["cl"].assign_attrs(marked)).assign_attrs(marked)
    names = " x ".join(str(data.attrs.get("title", "a map")) for data in inputs)
    return with_inputs(
        result,
        inputs=inputs,
        title=f"Angular power spectra of {names}",
        step=_told(mask_told(mask, weights), lmax, iterations, "T" in alms),
        references=[PSEUDO, HEALPIX],
        also=[] if mask is None else [mask],
    )


def _told(named: str, lmax: int, iterations: int, has_intensity: bool) -> str:
    """The history line: what was done and what was not."""
    monopole = "monopole of I removed under it; " if has_intensity else ""
    options = f"lmax={lmax}, iterations={iterations}"
    return f"cmb.power_spectra({options}): {named}; {monopole}not corrected for mask, beam or pixel window"


def field_alms(array: xr.DataArray, weights: NDArray, *, lmax: int, iterations: int) -> dict[str, NDArray]:
    """Return the coefficients T, E, B of a masked map, as far as its Stokes parameters allow.

    In the IAU convention B has the other sign than in COSMO.

    Raises
    ------
    WrongData
        If the map has only one of Q and U.

    Examples
    --------
    >>> from analysis.cmb.maps import cell_ids
    >>> sky = xr.DataArray(np.ones((1, 48)), dims=("stokes", "cells"),
    ...                    coords={"stokes": ["I"], "cell_ids": cell_ids(2)})
    >>> bool(abs(field_alms(sky, np.ones(48), lmax=2, iterations=0)["T"]).max() < 1e-14)
    True
    """
    nside = nside_of(array)
    held = [str(label) for label in array["stokes"].values]
    if len({"Q", "U"} & set(held)) == 1:
        raise WrongData(f"the map has Stokes {', '.join(held)}; E and B need Q and U together")
    order = ring_order(nside)
    kept = weights > 0
    values = np.where(kept, np.asarray(array.values, dtype=float), 0)
    planes = dict(zip(held, values, strict=True))
    found = {}
    if "I" in planes:
        mean = (planes["I"] * weights).sum() / weights.sum()
        intensity = (planes["I"] - mean) * weights
        found["T"] = alm_from_map(intensity[None, order], nside=nside, lmax=lmax, iterations=iterations)[0]
    if "Q" in planes:
        sign = u_sign(array)
        polarization = np.stack([planes["Q"] * weights, sign * planes["U"] * weights])[:, order]
        e, b = alm_from_map(polarization, nside=nside, lmax=lmax, iterations=iterations)
        found |= {"E": e, "B": sign * b}
    if not found:
        raise WrongData(f"the map has Stokes {', '.join(held)}; spectra need I, or Q and U")
    return found


def _cross(one: dict[str, NDArray], two: dict[str, NDArray], label: str, lmax: int) -> NDArray:
    x, y = label[0], label[1]
    straight = spectrum_of(one[x], two[y], lmax=lmax)
    return straight if x == y or one is two else (straight + spectrum_of(one[y], two[x], lmax=lmax)) / 2


def _matched(second: xr.DataArray, first: xr.DataArray) -> xr.DataArray:
    """The second map in the units of the first; refused where the two cannot be compared."""
    if nside_of(second, "the second map") != nside_of(first):
        raise WrongData(f"the maps have nside {nside_of(first)} and {nside_of(second)}; use degraded on the finer")
    labels = [str(v) for v in first["stokes"].values], [str(v) for v in second["stokes"].values]
    if sorted(labels[0]) != sorted(labels[1]):
        raise WrongData(f"the maps have Stokes {', '.join(labels[0])} and {', '.join(labels[1])}; choose the same")
    rules = [("frame", WrongFrame), ("temperature_scale", WrongUnits)]
    if "U" in labels[0]:
        rules.append(("polconv", WrongFrame))
    for name, error in rules:
        if str(first.attrs.get(name)).lower() != str(second.attrs.get(name)).lower():
            hint = "; bring one over with to_polconv" if name == "polconv" else "; they must be one"
            raise error(f"the maps say {name}={first.attrs.get(name)!r} and {second.attrs.get(name)!r}{hint}")
    return in_units(second, units_of(first)).sel(stokes=first["stokes"])


def _dataset(values: NDArray, labels: list[str], units: str, array: xr.DataArray, fraction: float) -> xr.Dataset:
    spectrum = xr.DataArray(labels, dims="spectrum", attrs={"long_name": "Spectrum"})
    ell = xr.DataArray(np.arange(values.shape[1]), dims="ell", attrs={"units": "1", "long_name": "Multipole ℓ"})
    cl = xr.DataArray(values, dims=("spectrum", "ell"), coords={"spectrum": spectrum, "ell": ell})
    facts = {k: array.attrs[k] for k in ("polconv", "temperature_scale") if k in array.attrs}
    cl = labelled(cl, "cl", units=squared(units), long_name="Pseudo-C_ℓ (mask not corrected)", attrs=facts)
    return cl.to_dataset().assign_attrs(facts | {"sky_fraction": fraction})


def squared(units: str) -> str:
    """Return the square of a unit as text that astropy parses.

    Examples
    --------
    >>> squared("mK"), squared("MJy / sr")
    ('mK2', 'MJy2 / sr2')
    """
    return (unit_of(xr.DataArray(0.0, attrs={"units": units})) ** 2).to_string()


def d_ell(spectra: Spectra) -> Spectra:
    r"""Return :math:`D_\ell = \ell(\ell+1)\,C_\ell / 2\pi`.

    Parameters
    ----------
    spectra : xarray.Dataset or xarray.DataArray
        ``cl`` with the coordinate ``ell``, before binning; any unit.

    Returns
    -------
    xarray.Dataset or xarray.DataArray
        ``dl`` in the same units and dims; a Dataset for a Dataset.

    Raises
    ------
    WrongData
        If it is no :math:`C_\ell`, or is :math:`D_\ell` already.

    References
    ----------
    Bond & Efstathiou 1987, MNRAS 226, 655, doi:10.1093/mnras/226.3.655.

    Examples
    --------
    >>> cl = xr.DataArray([0.0, 0.0, 1.0], dims="ell", coords={"ell": [0, 1, 2]},
    ...                   attrs={"units": "uK2", "long_name": "C_ℓ"})
    >>> round(float(d_ell(cl)[2]), 3)
    0.955
    """
    array = _cl_of(spectra)
    if "ell" not in array.dims:
        raise WrongData(f"C_ℓ has dims {tuple(map(str, array.dims))}; D_ℓ needs ell: take d_ell first, then binned")
    ell = array["ell"].astype(float)
    name = str(array.attrs["long_name"]).replace("C_ℓ", "D_ℓ")
    kept = {k: v for k, v in array.attrs.items() if k not in ("units", "long_name")}
    dl = labelled(array * ell * (ell + 1) / (2 * np.pi), "dl", units=units_of(array), long_name=name, attrs=kept)
    dl = dl.transpose(*array.dims)
    if isinstance(spectra, xr.DataArray):
        return dl
    dl = dl.assign_attrs(synthetic_attrs(spectra))
    result = dl.to_dataset().assign_attrs(spectra.attrs)
    return derived(result, spectra, title=str(spectra.attrs.get("title", "D_ℓ")), step="cmb.d_ell: ℓ(ℓ+1)C_ℓ/2π")


def _cl_of(spectra: xr.Dataset | xr.DataArray) -> xr.DataArray:
    if isinstance(spectra, xr.Dataset):
        if "cl" not in spectra.data_vars:
            raise WrongData(f"there is no variable 'cl'; there is {', '.join(map(str, spectra.data_vars)) or 'none'}")
        spectra = spectra["cl"]
    if not isinstance(spectra, xr.DataArray):
        raise WrongData(f"spectra is a {type(spectra).__name__}; give what power_spectra returns")
    if "C_ℓ" not in str(spectra.attrs.get("long_name", "")):
        raise WrongData(f"long_name {spectra.attrs.get('long_name')!r} does not say C_ℓ; D_ℓ cannot be made of it")
    return spectra


def binned(spectra: Spectra, *, width: int) -> Spectra:
    r"""Return spectra averaged over bins of multipoles from ℓ = 2, weighted by their :math:`2\ell+1` modes.

    Parameters
    ----------
    spectra : xarray.Dataset or xarray.DataArray
        ``cl`` or ``dl`` (or both) with the dim ``ell``.
    width : int
        Multipoles a bin; the last bin holds what is left.

    Returns
    -------
    xarray.Dataset or xarray.DataArray
        The same variables with dim ``bin`` for ``ell``; coordinates ``ell_effective`` (the weighted mean),
        ``first_ell`` and ``last_ell`` (both inside the bin). A Dataset for a Dataset.

    Raises
    ------
    BadOption
        If ``width`` is not a positive whole number.
    WrongData
        If it is no spectra, or there are no multipoles from 2 on.

    Examples
    --------
    >>> cl = xr.DataArray(np.ones(12), dims="ell", coords={"ell": np.arange(12)},
    ...                   attrs={"units": "uK2", "long_name": "C_ℓ"})
    >>> binned(cl, width=4).last_ell.values
    array([ 5,  9, 11])
    """
    if not isinstance(width, int | np.integer) or isinstance(width, bool) or width < 1:
        raise BadOption(f"width={width!r} is not a positive whole number of multipoles, for example 8")
    if isinstance(spectra, xr.DataArray):
        name = str(spectra.name or "cl")
        return binned(spectra.to_dataset(name=name), width=width)[name].rename(spectra.name)
    if not isinstance(spectra, xr.Dataset):
        raise WrongData(f"spectra is a {type(spectra).__name__}; give what power_spectra returns")
    if "ell" not in spectra.coords or "ell" not in spectra.dims or spectra["ell"].max() < 2:
        raise WrongData(f"the spectra have dims {sorted(map(str, spectra.dims))}; they need ell, up to 2 or beyond")
    kept = spectra.sel(ell=spectra["ell"] >= 2)
    ell = kept["ell"].values
    if not np.array_equal(ell, np.arange(2, 2 + ell.size)):
        raise WrongData("ell does not run 2, 3, 4 … without gaps, so bins cannot be made of it")
    starts = np.arange(0, ell.size, width)
    result = xr.Dataset({str(k): _bin_means(v, starts) for k, v in kept.data_vars.items() if "ell" in v.dims})
    centres = _bin_means(kept["ell"], starts).values
    result = result.assign_coords(
        ell_effective=_bins(centres, "Effective multipole ℓ"),
        first_ell=_bins(ell[starts], "Smallest multipole of the bin"),
        last_ell=_bins(ell[np.minimum(starts + width, ell.size) - 1], "Largest multipole of the bin"),
    )
    title = str(spectra.attrs.get("title", "Power spectra")) + f", bins of {width}"
    step = f"cmb.binned(width={width}): weights 2ℓ+1"
    return derived(result.assign_attrs(spectra.attrs), spectra, title=title, step=step)


def _bin_means(array: xr.DataArray, starts: NDArray) -> xr.DataArray:
    """Means over the runs of ell that begin at ``starts``, weighted by 2ℓ+1."""
    modes = 2.0 * array["ell"].values + 1
    array = array.transpose(..., "ell")
    means = np.add.reduceat(array.values * modes, starts, axis=-1) / np.add.reduceat(modes, starts)
    coords = {k: c for k, c in array.coords.items() if "ell" not in c.dims}
    return xr.DataArray(means, dims=(*array.dims[:-1], "bin"), coords=coords, attrs=array.attrs)


def _bins(values: NDArray, long_name: str) -> xr.DataArray:
    return xr.DataArray(values, dims="bin", attrs={"units": "1", "long_name": long_name})
