"""Planck's plik_lite likelihood of 2018: what a theory expects for its bandpowers, and how well it fits."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.cmb.origins import synthetic_attrs
from analysis.cmb.planck_lite_files import COUNTS, PAPER, binned_spectra
from analysis.errors import BadOption, WrongData
from analysis.model import check, derived, labelled


def plik_lite_model(theory: xr.Dataset | xr.DataArray, data: xr.Dataset) -> xr.Dataset:
    """Return what a theory expects for the bandpowers of plik_lite, in their order and form.

    Parameters
    ----------
    theory : xarray.Dataset or xarray.DataArray
        As for :func:`plik_lite_log_likelihood`.
    data : xarray.Dataset
        What :func:`plik_lite_bandpowers` or :func:`simulated_plik_lite` returns.

    Returns
    -------
    xarray.Dataset
        ``bandpower`` (point), C_ℓ in uK2, with the coordinates and windows of the data.

    Raises
    ------
    WrongData
        As for :func:`plik_lite_log_likelihood`.

    References
    ----------
    Planck Collaboration V 2020, A&A 641, A5, doi:10.1051/0004-6361/201936386, sect. 3.

    Examples
    --------
    >>> from analysis import cmb
    >>> points = cmb.simulated_plik_lite()
    >>> expected = plik_lite_model(cmb.fetch("planck2018_lcdm"), points)
    >>> bool(abs((points.bandpower - expected.bandpower) / points.error).max() < 5)
    True
    """
    cl = _checked_theory(theory, data)
    values = xr.DataArray(binned_spectra(cl, data), dims="point", coords=data["bandpower"].coords)
    marks = synthetic_attrs(theory)
    model = labelled(values, "bandpower", units="uK2", long_name="C_ℓ, bandpower expected", attrs=marks)
    made = model.to_dataset().assign(window=data["window"])
    title = f"{theory.attrs.get('title', 'A theory')} in the bins of plik_lite"
    result = derived(made, theory, title=title, step="cmb.plik_lite_model", references=[PAPER])
    return check(result)


def plik_lite_spectra(data: xr.Dataset) -> xr.Dataset:
    r"""Return the bandpowers of plik_lite as D_ℓ of TT, TE and EE.

    The mean of :math:`\ell(\ell+1)C_\ell/2\pi` of each bin, since plik_lite's weights inside it are
    :math:`\ell(\ell+1)`.

    Parameters
    ----------
    data : xarray.Dataset
        What :func:`plik_lite_bandpowers`, :func:`plik_lite_model` or :func:`simulated_plik_lite` returns.

    Returns
    -------
    xarray.Dataset
        ``dl`` and, where the data have errors, ``error`` (spectrum, bin) in uK2; coordinates ``ell_effective``,
        ``first_ell`` and ``last_ell``. TE and EE end earlier than TT: NaN.

    Raises
    ------
    WrongData
        If the data are none of these.

    References
    ----------
    Planck Collaboration V 2020, A&A 641, A5, doi:10.1051/0004-6361/201936386, sect. 3.

    Examples
    --------
    >>> from analysis import cmb
    >>> dict(plik_lite_spectra(cmb.simulated_plik_lite()).dl.sizes)
    {'spectrum': 3, 'bin': 215}
    """
    if not isinstance(data, xr.Dataset) or not {"bandpower", "window"} <= set(data.data_vars):
        raise WrongData("data must be what cmb.plik_lite_bandpowers returns")
    ell, window = data["ell"].values.astype(float), data["window"].values
    inverse = np.divide(1.0, ell * (ell + 1), out=np.zeros_like(ell), where=ell > 0)
    to_dl = 1 / (2 * np.pi * (window @ inverse))
    label = data["label"].values
    most = COUNTS["TT"]
    inside = window[:most] > 0
    first, last = inside.argmax(axis=1), ell.size - 1 - inside[:, ::-1].argmax(axis=1)
    coords: dict[str, tuple] = {"spectrum": ("spectrum", list(COUNTS), {"long_name": "Power spectrum"})}
    for name, values, long_name in (
        ("ell_effective", data["ell_effective"].values[:most], "Effective multipole ℓ"),
        ("first_ell", first, "Smallest multipole of the bin"),
        ("last_ell", last, "Largest multipole of the bin"),
    ):
        coords[name] = ("bin", values, {"units": "1", "long_name": long_name})
    made = xr.Dataset(coords=coords)
    for name, ours, long_name in (("bandpower", "dl", "D_ℓ"), ("error", "error", "Error of D_ℓ")):
        if name in data.data_vars:
            table = np.full((len(COUNTS), most), np.nan)
            for row, (spectrum, count) in enumerate(COUNTS.items()):
                table[row, :count] = (data[name].values * to_dl)[label == spectrum]
            made[ours] = labelled(xr.DataArray(table, dims=("spectrum", "bin")), ours, units="uK2", long_name=long_name)
    title = str(data.attrs.get("title", "plik_lite"))
    result = derived(made, data, title=title, step="cmb.plik_lite_spectra: D_ℓ, mean of each bin", references=[PAPER])
    return check(result.assign_attrs(synthetic_attrs(data)))


def plik_lite_log_likelihood(
    theory: xr.Dataset | xr.DataArray, data: xr.Dataset, *, spectra: str = "TTTEEE", calibration: float = 1.0
) -> xr.DataArray:
    r"""Return the log-likelihood of a theory under Planck's plik_lite, :math:`-\chi^2/2`, ℓ from 30 to 2508.

    Parameters
    ----------
    theory : xarray.Dataset or xarray.DataArray
        ``cl`` (C_ℓ, lensed), TT, TE, EE up to ℓ = 2508, as from ``theory_spectra(lmax=2508)``.
    data : xarray.Dataset
        What :func:`plik_lite_bandpowers` returns.
    spectra : {"TTTEEE", "TT", "TE", "EE"}, optional
        Which bandpowers are used, with their own covariance.
    calibration : float, optional
        Planck's :math:`y_{cal}`: the theory is divided by its square. Its prior, 1 ± 0.0025, is not counted.

    Returns
    -------
    xarray.DataArray
        Log-likelihood; attrs ``chi_squared`` and ``bins``.

    Raises
    ------
    BadOption
        For other spectra, or a calibration that is none.
    WrongData
        If the theory is D_ℓ, or lacks spectra or multipoles.
    WrongUnits, MissingUnits
        If its units do not convert to uK2.

    References
    ----------
    Planck Collaboration V 2020, A&A 641, A5, doi:10.1051/0004-6361/201936386, sect. 3.

    Examples
    --------
    >>> plik_lite_log_likelihood(xr.Dataset(), xr.Dataset())
    Traceback (most recent call last):
    ...
    analysis.errors.WrongData: data must be what cmb.plik_lite_bandpowers returns
    """
    wanted = {"TTTEEE": ("TT", "TE", "EE"), "TT": ("TT",), "TE": ("TE",), "EE": ("EE",)}
    if spectra not in wanted:
        raise BadOption(f"spectra={spectra!r} is not one of {', '.join(wanted)}")
    if (
        isinstance(calibration, bool)
        or not isinstance(calibration, int | float | np.number)
        or not 0.5 < calibration < 2
    ):
        raise BadOption(f"calibration={calibration!r} is none; Planck's is 1 ± 0.0025")
    cl = _checked_theory(theory, data)
    if "covariance" not in data.data_vars:
        raise WrongData("data must be what cmb.plik_lite_bandpowers returns; these have no covariance")
    rows = np.isin(data["label"].values, wanted[spectra])
    chosen = data.isel(point=rows, point_2=rows)
    difference = chosen["bandpower"].values - binned_spectra(cl, chosen) / float(calibration) ** 2
    root = np.linalg.cholesky(chosen["covariance"].values)
    chi2 = float((np.linalg.solve(root, difference) ** 2).sum())
    attrs = {"chi_squared": chi2, "bins": int(rows.sum()), **synthetic_attrs(theory, data)}
    name = f"Log-likelihood, plik_lite {spectra}"
    return labelled(xr.DataArray(-chi2 / 2), "log_likelihood", units="1", long_name=name, attrs=attrs)


def _checked_theory(theory: xr.Dataset | xr.DataArray, data: xr.Dataset) -> xr.DataArray:
    if not isinstance(data, xr.Dataset) or not {"bandpower", "window"} <= set(data.data_vars):
        raise WrongData("data must be what cmb.plik_lite_bandpowers returns")
    cl = theory["cl"] if isinstance(theory, xr.Dataset) and "cl" in theory.data_vars else theory
    if not isinstance(cl, xr.DataArray) or "ell" not in cl.coords:
        raise WrongData("theory must hold C_ℓ as 'cl', dims spectrum, ell, as theory_spectra returns it")
    if not str(cl.attrs.get("long_name", "C_ℓ")).startswith("C_ℓ"):
        raise WrongData(f"theory is {cl.attrs['long_name']!r}; plik_lite needs C_ℓ")
    return cl
