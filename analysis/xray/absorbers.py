"""Absorption between the source and us, from tables of cross sections that ship with the package."""

from __future__ import annotations

from functools import cache

import numpy as np
import xarray as xr

from analysis.errors import BadOption, WrongData
from analysis.model import in_units, labelled
from analysis.xray.inputs import Amount, amount, as_dataset, synthetic_of, variable

# model: file in the sample, abundances as XSPEC names them, atomic data, paper
TABLES = {
    "tbabs": (
        "xsect_tbabs_wilm.fits",
        "wilm",
        "as the model TBabs has them, with grains and molecules",
        "Wilms, Allen & McCray (2000), ApJ 542, 914, doi:10.1086/317016",
    ),
    "phabs": (
        "xsect_phabs_aspl.fits",
        "aspl",
        "of the model phabs; the file does not say which",
        "Asplund et al. (2009), ARA&A 47, 481, doi:10.1146/annurev.astro.46.060407.145222",
    ),
    "wabs": (
        "xsect_wabs_angr.fits",
        "angr",
        "Morrison & McCammon (1983)",
        "Morrison & McCammon (1983), ApJ 270, 119, doi:10.1086/161102",
    ),
}
# The files' header says cm^2, the numbers are in 1e-22 cm^2: so scaled, the wabs table is the polynomials of
# Morrison & McCammon (2.422e-22 cm2 at 1 keV).
TABLE_UNIT = 1e-22


def cross_section(energies: xr.DataArray | xr.Dataset, *, model: str = "tbabs") -> xr.DataArray:
    """Return the photoelectric cross section per hydrogen atom of an absorption model.

    Parameters
    ----------
    energies : xarray.DataArray or xarray.Dataset
        Photon energies in any energy unit; or a dataset with ``energy_low`` and ``energy_high`` (a
        response, an effective area), of which the middles of the bins are taken.
    model : {"tbabs", "phabs", "wabs"}, optional
        TBabs with the abundances of Wilms et al. (2000), phabs with those of Asplund et al. (2009), or wabs
        with those of Anders & Ebihara (1982).

    Returns
    -------
    xarray.DataArray
        ``cross_section`` in cm2 on the dims of the energies; attrs name the model, its abundances, and how
        many energies lie outside the table (0.1-20 keV). Of a dataset the ends of the bins are coordinates.
        There the power law of the table's end is
        continued: between absorption edges a photoelectric cross section is close to one, but below 0.1 keV
        edges are missed.

    Raises
    ------
    BadOption
        If the model is unknown.
    WrongData
        If an energy is not positive and finite.

    Notes
    -----
    Interpolated linearly in the logarithms of energy and cross section.

    Examples
    --------
    >>> kev = xr.DataArray([1.0], dims="energy", attrs={"units": "keV", "long_name": "Energy"})
    >>> f"{float(cross_section(kev, model='wabs')[0]):.4g}"  # Morrison & McCammon: 242.2e-24
    '2.422e-22'
    """
    if model not in TABLES:
        raise BadOption(f"model={model!r} is not an absorption model here; known are {', '.join(TABLES)}")
    centre = _centres(energies)
    values = centre.values
    if not ((values > 0) & np.isfinite(values)).all():
        raise WrongData("cross_section needs energies that are positive and finite")
    table_energy, _ = _table(model)
    _, abundances, atomic, paper = TABLES[model]
    outside = int(np.count_nonzero((values < np.exp(table_energy[0])) | (values > np.exp(table_energy[-1]))))
    sigma = centre.copy(data=sigma_at(values, model))
    told = {
        "model": model,
        "abundances": abundances,
        "cross_sections": atomic,
        "interpolation": "linear in log energy and log cross section",
        "outside_table": outside,
        "references": paper,
        **synthetic_of(energies),
    }
    return labelled(sigma, "cross_section", units="cm2", long_name=f"Cross section per H atom ({model})", attrs=told)


def transmission(energies: xr.DataArray | xr.Dataset, nh: Amount, *, model: str = "tbabs") -> xr.DataArray:
    r"""Return the fraction of photons that absorbing gas lets through, :math:`e^{-N_H \sigma(E)}`.

    Parameters
    ----------
    energies : xarray.DataArray or xarray.Dataset
        As for :func:`cross_section`.
    nh : text, astropy Quantity or DataArray
        Hydrogen column density with its unit, for example ``"2.1e21 cm-2"``.
    model : {"tbabs", "phabs", "wabs"}, optional
        Which cross sections; the answer's attrs name them.

    Returns
    -------
    xarray.DataArray
        ``transmission``, between 0 and 1, on the dims of the energies.

    Raises
    ------
    MissingUnits, WrongUnits
        If the column density has no unit (programs differ by 1e22), or one of another kind.
    BadOption
        If the model is unknown or the column density negative.

    References
    ----------
    Wilms, Allen & McCray (2000), ApJ 542, 914, doi:10.1086/317016; Morrison & McCammon (1983), ApJ 270, 119,
    doi:10.1086/161102.

    Examples
    --------
    >>> kev = xr.DataArray([0.5, 5.0], dims="energy", attrs={"units": "keV", "long_name": "Energy"})
    >>> transmission(kev, "1e22 cm-2").values.round(3).tolist()
    [0.002, 0.976]
    """
    column = amount(nh, "cm-2", "nh")
    if column < 0:
        raise BadOption(f"nh={nh!r} is negative; a column density is not")
    sigma = cross_section(energies, model=model)
    told = {
        **{k: v for k, v in sigma.attrs.items() if k not in ("units", "long_name")},
        "nh": column,
        "nh_units": "cm-2",
    }
    return labelled(
        sigma.copy(data=np.exp(-column * sigma.values)),
        "transmission",
        units="1",
        long_name=f"Transmission ({model})",
        attrs=told,
    )


def absorbed_flux(photon_flux: xr.DataArray, nh: Amount, *, model: str = "tbabs") -> xr.DataArray:
    r"""Return a photon flux after absorption, :math:`F_i e^{-N_H \sigma(E_i)}`, at the middles of its bins.

    A product of two arrays would not know its units any more; this knows them.

    Parameters
    ----------
    photon_flux : xarray.DataArray
        Photons per energy bin, with the coordinates ``energy_low`` and ``energy_high``, as :func:`power_law`
        gives it.
    nh, model
        As for :func:`transmission`.

    Returns
    -------
    xarray.DataArray
        ``photon_flux`` in ``ph cm-2 s-1`` on the same bins.

    Raises
    ------
    WrongData
        If the flux does not say its bins.
    MissingUnits, WrongUnits, BadOption
        As for :func:`transmission`.

    References
    ----------
    As for :func:`transmission`.

    Examples
    --------
    >>> from analysis import xray
    >>> ends = xr.DataArray([0.5, 1.0, 2.0], dims="energy", attrs={"units": "keV", "long_name": "Energy"})
    >>> bare = xray.power_law(ends[:-1], ends[1:], photon_index=2.0, norm=1.0)
    >>> bool((absorbed_flux(bare, "1e21 cm-2") < bare).all())
    True
    """
    if missing := [name for name in ("energy_low", "energy_high") if name not in photon_flux.coords]:
        raise WrongData(f"absorbed_flux needs a flux with the coordinates of its bins; there is no {missing}")
    flux = in_units(photon_flux, "ph cm-2 s-1")
    edges = xr.Dataset({name: photon_flux[name].variable for name in ("energy_low", "energy_high")})
    passed = transmission(edges, nh, model=model)
    told = {f"absorption_{key}": passed.attrs[key] for key in ("model", "abundances", "nh", "nh_units")}
    known = {key: value for key, value in photon_flux.attrs.items() if key not in ("units", "long_name")}
    return labelled(
        flux.copy(data=flux.values * passed.values),
        "photon_flux",
        units="ph cm-2 s-1",
        long_name="Photon flux in the bin, absorbed",
        attrs={**known, **told},
    )


def sigma_at(energies: np.ndarray, model: str) -> np.ndarray:
    """Return cross sections in cm2 at energies in keV, interpolated in the logarithms of both."""
    return np.exp(_interpolated(np.log(energies), *_table(model)))


def _centres(energies: xr.DataArray | xr.Dataset) -> xr.DataArray:
    if isinstance(energies, xr.DataArray):
        return in_units(energies, "keV").astype(float)
    low, high = (in_units(variable(energies, name, "cross_section"), "keV") for name in ("energy_low", "energy_high"))
    low, high = low.astype(float), high.astype(float)
    return ((low + high) / 2).assign_coords(energy_low=low.variable, energy_high=high.variable)


def _interpolated(x: np.ndarray, known_x: np.ndarray, known_y: np.ndarray) -> np.ndarray:
    """Interpolate linearly, and continue the first and the last piece beyond the ends."""
    inner = np.interp(x, known_x, known_y)
    # slopes over the last percent of the table: single steps of float32 numbers are too rough
    n = max(2, known_x.size // 100)
    left = (known_y[n - 1] - known_y[0]) / (known_x[n - 1] - known_x[0])
    right = (known_y[-1] - known_y[-n]) / (known_x[-1] - known_x[-n])
    below, above = x < known_x[0], x > known_x[-1]
    inner = np.where(below, known_y[0] + left * (x - known_x[0]), inner)
    return np.where(above, known_y[-1] + right * (x - known_x[-1]), inner)


@cache
def _table(model: str) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms of energy in keV and of cross section in cm2."""
    from analysis import formats, sample

    table = as_dataset(formats.read(sample.path(TABLES[model][0])), f"the {model} table")
    energy, sigma = (variable(table, name, f"the {model} table").values.astype(float) for name in ("energy", "sigma"))
    return np.log(energy), np.log(sigma * TABLE_UNIT)
