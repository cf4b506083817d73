"""Theoretical power spectra by CAMB: scalars, tensors, lensing, and their rotation by birefringence."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analysis.cmb.angles import degrees
from analysis.cmb.maps import POLCONVS
from analysis.cmb.origins import synthetic_attrs
from analysis.errors import BadOption, WrongData, WrongFrame
from analysis.model import check, derived, labelled, stamp

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from analysis.cmb.angles import Angle

LABELS = ("TT", "EE", "BB", "TE")
ALL_LABELS = ("TT", "EE", "BB", "TE", "EB", "TB")
LARGEST = 4000
SCALAR_LMAX = 2600  # lower ones lose accuracy at every ℓ: lensing moves power down from far above
TENSOR_LMAX = 700  # four times as fast as the whole range, and B modes of tensors are at ℓ < 200
PLANCK_2018 = {  # base_plikHM_TTTEEE_lowl_lowE.minimum of the Planck Legacy Archive
    "ombh2": 0.02237737,
    "omch2": 0.1201035,
    "theta_mc": 1.040920,
    "tau": 0.0543014,
    "log_as": 3.044726,
    "ns": 0.9658923,
    "mnu": 0.06,
}
PLANCK_PAPER = "Planck Collaboration VI 2020, A&A 641, A6, doi:10.1051/0004-6361/201833910 (best fit)"
CAMB_PAPER = "Lewis, Challinor & Lasenby 2000, ApJ 538, 473, doi:10.1086/309179 (CAMB)"
ROTATION_PAPER = "Feng et al. 2005, PLB 620, 27, doi:10.1016/j.physletb.2005.06.009 (rotated spectra)"
LIMITS = {  # what CAMB is asked for; beyond them it is slow, fails or means nothing
    "r": (-1.0, 10.0),
    "nt": (-3.0, 3.0),
    "tau": (0.01, 0.3),
    "log_as": (1.0, 5.0),
    "ns": (0.5, 1.5),
    "ombh2": (0.005, 0.1),
    "omch2": (0.005, 0.5),
    "theta_mc": (0.9, 1.2),
    "mnu": (0.0, 3.0),
    "a_lens": (0.0, 10.0),
}


def theory_spectra(
    *,
    r: float = 0.0,
    nt: float = 0.0,
    tau: float = PLANCK_2018["tau"],
    log_as: float = PLANCK_2018["log_as"],
    ns: float = PLANCK_2018["ns"],
    ombh2: float = PLANCK_2018["ombh2"],
    omch2: float = PLANCK_2018["omch2"],
    theta_mc: float = PLANCK_2018["theta_mc"],
    mnu: float = PLANCK_2018["mnu"],
    a_lens: float = 1.0,
    lmax: int = 2500,
) -> xr.Dataset:
    r"""Return the power spectra of a flat ΛCDM model with gravitational waves, computed by CAMB.

    The defaults are Planck's 2018 best fit (TT, TE, EE, low ℓ, low E). Spectra of the same model are computed
    once in a process: ``r``, ``a_lens`` and ``lmax`` (up to 2500) cost nothing more, because tensors are linear
    in ``r`` and ``a_lens`` only multiplies the B modes of lensing.

    Parameters
    ----------
    r : float, optional
        Tensor-to-scalar ratio at 0.05 Mpc⁻¹. A likelihood may ask for a negative one.
    nt : float, optional
        Tensor spectral index; 0 unless given (not the inflationary -r/8).
    tau, log_as, ns : float, optional
        Optical depth, :math:`\ln 10^{10} A_s` and scalar index at 0.05 Mpc⁻¹.
    ombh2, omch2, theta_mc, mnu : float, optional
        :math:`\Omega_b h^2`, :math:`\Omega_c h^2`, :math:`100\,\theta_{MC}`, sum of neutrino masses in eV
        (one massive state).
    a_lens : float, optional
        Factor on the lensing B modes in ``cl``: 1 as they are, 0 perfectly delensed. T and E stay.
    lmax : int, optional
        Largest multipole, 2 to 4000.

    Returns
    -------
    xarray.Dataset
        Dims ``spectrum`` (TT, EE, BB, TE), ``ell`` from 0; C_ℓ in uK2: ``cl`` (all together), ``lensed`` and
        ``unlensed`` (scalars; BB of ``lensed`` is the template of lensing), ``tensor`` **at r = 1**; and
        ``lensing_potential`` (ell), dimensionless :math:`C_L^{\phi\phi}`. ℓ = 0 and 1 are zero.

    Raises
    ------
    BadOption
        If a parameter is no finite number or far outside what CAMB is good for.

    References
    ----------
    Lewis, Challinor & Lasenby 2000, ApJ 538, 473, doi:10.1086/309179; Planck Collaboration VI 2020, A&A 641,
    A6, doi:10.1051/0004-6361/201833910. Non-linear lensing: Mead et al. 2021, MNRAS 502, 1401.

    Examples
    --------
    >>> model = theory_spectra(r=0.01)
    >>> round(float(model.lensed.sel(spectrum="TT", ell=220)) * 220 * 221 / (2 * np.pi) / 1000, 2)  # first peak
    5.73
    """
    told = locals().copy()
    lmax = checked_multipole(told.pop("lmax"), "lmax", 2, LARGEST)
    given = {name: checked_number(value, name) for name, value in told.items()}
    cosmology = tuple(given[name] for name in ("ombh2", "omch2", "theta_mc", "tau", "log_as", "ns", "mnu"))
    lensed, unlensed, potential = _scalars(cosmology, max(lmax + 100, SCALAR_LMAX))
    tensor = _tensors(cosmology, given["nt"], TENSOR_LMAX if lmax + 100 <= TENSOR_LMAX else max(lmax, SCALAR_LMAX))
    made = assembled(lensed, unlensed, tensor, r=given["r"], a_lens=given["a_lens"], lmax=lmax)
    made["lensing_potential"] = labelled(
        xr.DataArray(potential[: lmax + 1], dims="ell"),
        "lensing_potential",
        units="1",
        long_name="C_L^φφ of the lensing potential",
    )
    stated = ", ".join(f"{name}={value:g}" for name, value in given.items())
    return finished(
        made, title=f"ΛCDM power spectra, r = {given['r']:g}", step=f"cmb.theory_spectra({stated})", **given
    )


def assembled(
    lensed: NDArray, unlensed: NDArray | None, tensor: NDArray, *, r: float, a_lens: float, lmax: int
) -> xr.Dataset:
    """Return a Dataset of scalar spectra and tensors at r = 1, shape (4, multipoles) each, with their sum ``cl``.

    Examples
    --------
    >>> one = np.ones((4, 3))
    >>> assembled(one, None, one, r=0.5, a_lens=0.1, lmax=2).cl[:, 2].values
    array([1.5, 1.5, 0.6, 1.5])
    """
    cut = {"lensed": lensed, "unlensed": unlensed, "tensor": tensor}
    parts = {name: np.zeros((4, lmax + 1)) for name, values in cut.items() if values is not None}
    for name, values in cut.items():
        if values is not None:
            kept = min(lmax + 1, values.shape[1])
            parts[name][:, :kept] = values[:, :kept]
    scalars = parts["lensed"] * np.array([1, 1, a_lens, 1])[:, None]
    parts = {"cl": scalars + r * parts["tensor"], **parts}
    names = {
        "cl": "C_ℓ, scalars and tensors",
        "lensed": "C_ℓ of lensed scalars",
        "unlensed": "C_ℓ of unlensed scalars",
        "tensor": "C_ℓ of tensors at r = 1",
    }
    coords = {
        "spectrum": xr.DataArray(list(LABELS), dims="spectrum", attrs={"long_name": "Spectrum"}),
        "ell": xr.DataArray(np.arange(lmax + 1), dims="ell", attrs={"units": "1", "long_name": "Multipole ℓ"}),
    }
    attrs = {"temperature_scale": "K_CMB"}
    variables = {
        name: labelled(
            xr.DataArray(values, dims=("spectrum", "ell"), coords=coords),
            name,
            units="uK2",
            long_name=names[name],
            attrs=attrs,
        )
        for name, values in parts.items()
    }
    return xr.Dataset(variables).assign_attrs(attrs)


def finished(made: xr.Dataset, *, title: str, step: str, **parameters: float) -> xr.Dataset:
    """Return spectra of a model with the attributes of the data contract and the parameters of the model."""
    import camb

    made = stamp(
        made,
        title=title,
        institution="computed here",
        source=f"CAMB {camb.__version__}",
        references=[CAMB_PAPER, PLANCK_PAPER],
        license="computed here, no restriction; cite CAMB",
        history=[step],
        provenance={"model": parameters},
    )
    return check(made.assign_attrs(parameters, caveats="A model, not a measurement."))


@lru_cache(maxsize=64)  # 0.3 MB each
def _scalars(cosmology: tuple[float, ...], lmax: int) -> tuple[NDArray, NDArray, NDArray]:
    """Lensed and unlensed TT, EE, BB, TE in µK² and C_L^φφ, from ℓ = 0."""
    import camb

    asked = _parameters(cosmology)
    asked.set_for_lmax(lmax, lens_potential_accuracy=1)
    found = camb.get_results(asked)
    units = {"CMB_unit": "muK", "raw_cl": True}
    lensed = found.get_lensed_scalar_cls(lmax, **units).T
    potential = found.get_lens_potential_cls(lmax, raw_cl=True)[:, 0]
    return _frozen(lensed), _frozen(found.get_unlensed_scalar_cls(lmax, **units).T), _frozen(potential)


@lru_cache(maxsize=256)
def _tensors(cosmology: tuple[float, ...], nt: float, lmax: int) -> NDArray:
    """TT, EE, BB, TE of tensors at r = 1 in µK², from ℓ = 0."""
    import camb

    asked = _parameters(cosmology)
    asked.InitPower.set_params(As=asked.InitPower.As, ns=asked.InitPower.ns, r=1.0, nt=nt, pivot_tensor=0.05)
    asked.WantScalars, asked.WantTensors = False, True
    asked.set_for_lmax(lmax)
    asked.max_l_tensor, asked.max_eta_k_tensor = lmax, 2.0 * lmax
    return _frozen(camb.get_results(asked).get_tensor_cls(lmax, CMB_unit="muK", raw_cl=True).T)


def _parameters(cosmology: tuple[float, ...]) -> Any:  # camb has no types
    import camb

    ombh2, omch2, theta_mc, tau, log_as, ns, mnu = cosmology
    return camb.set_params(
        H0=None,
        cosmomc_theta=theta_mc / 100,
        ombh2=ombh2,
        omch2=omch2,
        mnu=mnu,
        num_massive_neutrinos=1 if mnu else 0,
        nnu=3.046,
        omk=0,
        tau=tau,
        As=math.exp(log_as) * 1e-10,
        ns=ns,
    )


def _frozen(values: NDArray) -> NDArray:
    kept = np.array(values, dtype=float)  # the cache hands it out again
    kept.setflags(write=False)
    return kept


def checked_number(value: float, name: str) -> float:
    """Return a parameter of the model as a float.

    Raises
    ------
    BadOption
        If it is no finite number or outside the limits.

    Examples
    --------
    >>> checked_number(0.06, "tau")
    0.06
    """
    low, high = LIMITS[name]
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise BadOption(f"{name}={value!r} is no number; give one from {low:g} to {high:g}") from error
    if isinstance(value, bool) or not low <= number <= high:
        raise BadOption(f"{name}={value!r} is outside {low:g} to {high:g}")
    return number


def checked_multipole(value: int, name: str, low: int, high: int) -> int:
    """Return a multipole as an int.

    Raises
    ------
    BadOption
        If it is no whole number from ``low`` to ``high``.

    Examples
    --------
    >>> checked_multipole(200, "lmax", 2, 4000)
    200
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not low <= value <= high:
        raise BadOption(f"{name}={value!r} is not a whole number from {low} to {high}")
    return int(value)


def rotated_spectra(spectra: xr.Dataset, angle: Angle, *, polconv: str = "COSMO") -> xr.Dataset:
    r"""Return spectra after all polarization was turned by an angle, as cosmic birefringence does.

    With :math:`E' + iB' = (E + iB)\,e^{2i\beta}`, exactly:
    :math:`TE' = TE\cos2\beta - TB\sin2\beta`, :math:`TB' = TE\sin2\beta + TB\cos2\beta`,
    :math:`EE' = EE\cos^2 2\beta + BB\sin^2 2\beta - EB\sin4\beta`,
    :math:`BB' = EE\sin^2 2\beta + BB\cos^2 2\beta + EB\sin4\beta`,
    :math:`EB' = \tfrac12(EE - BB)\sin4\beta + EB\cos4\beta`. The formulae are those of either convention,
    if the angle is counted in the convention of the spectra.

    Parameters
    ----------
    spectra : xarray.Dataset
        ``cl`` with EE, BB, and TE for those of T; dims ``spectrum, …``. EB and TB, if missing, are zero.
    angle : float, str, astropy.units.Quantity or xarray.DataArray
        By how much the polarization angle grows; degrees unless a unit is given.
    polconv : {"COSMO", "IAU"}, optional
        In which sense the angle counts: COSMO from south through east (the sign of most papers on
        birefringence: positive is clockwise on the sky), IAU from north through east. The result is in
        this convention.

    Returns
    -------
    xarray.Dataset
        ``cl`` with TT, EE, BB, TE, EB, TB as far as T is there, and ``polconv``.

    Raises
    ------
    BadOption
        If the angle or the convention is none.
    WrongData
        If there is no ``cl``, no EE or BB.
    WrongFrame
        If the spectra have EB or TB in the other convention.

    References
    ----------
    Lue, Wang & Kamionkowski 1999, PRL 83, 1506, doi:10.1103/PhysRevLett.83.1506; Feng et al. 2005, PLB 620,
    27, doi:10.1016/j.physletb.2005.06.009.

    Examples
    --------
    >>> cl = xr.DataArray([[2.0], [0.0]], dims=("spectrum", "ell"), coords={"spectrum": ["EE", "BB"], "ell": [2]},
    ...                   attrs={"units": "uK2", "long_name": "C_ℓ"})
    >>> turned = rotated_spectra(cl.to_dataset(name="cl"), 22.5)  # EE, BB, EB
    >>> turned.cl[:, 0].values.round(3)
    array([1., 1., 1.])
    """
    if polconv not in POLCONVS:
        raise BadOption(f"polconv={polconv!r} is unknown; give 'COSMO' (HEALPix) or 'IAU'")
    if not isinstance(spectra, xr.Dataset) or "cl" not in spectra.data_vars:
        raise WrongData("rotated_spectra needs a Dataset with C_ℓ as 'cl', for example what theory_spectra returns")
    cl = spectra["cl"]
    held = [str(label) for label in cl["spectrum"].values] if "spectrum" in cl.coords else []
    if not {"EE", "BB"} <= set(held):
        raise WrongData(f"the spectra are {', '.join(held) or 'without labels'}; a rotation mixes EE and BB: give both")
    own = spectra.attrs.get("polconv", cl.attrs.get("polconv"))
    if own not in (None, polconv) and {"EB", "TB"} & set(held):
        raise WrongFrame(f"the spectra are in {own} and the angle counts in {polconv}: EB and TB have opposite signs")
    if isinstance(angle, xr.DataArray) and angle.attrs.get("polconv", polconv) != polconv:
        raise WrongFrame(f"the angle counts in {angle.attrs['polconv']}, not in {polconv}; say polconv=")
    turn = 2 * math.radians(degrees(angle, "angle"))
    new = _turned({label: cl.sel(spectrum=label, drop=True) for label in held}, turn)
    values = xr.concat(list(new.values()), dim="spectrum", coords="minimal", compat="override")
    label_of = xr.DataArray(list(new), dims="spectrum", attrs=dict(cl["spectrum"].attrs) or {"long_name": "Spectrum"})
    values = values.assign_coords(spectrum=label_of).transpose(*cl.dims)
    attrs = {**cl.attrs, "polconv": polconv, **synthetic_attrs(spectra)}
    turned = f"{math.degrees(turn) / 2:g} deg ({polconv})"
    result = derived(
        xr.Dataset({"cl": values.assign_attrs(attrs)}, attrs={**spectra.attrs, "polconv": polconv}),
        spectra,
        title=f"{spectra.attrs.get('title', 'Power spectra')}, polarization turned by {turned}",
        step=f"cmb.rotated_spectra({turned})",
        references=[ROTATION_PAPER],
    )
    return result


def _turned(cl: dict[str, xr.DataArray], turn: float) -> dict[str, xr.DataArray]:
    c, s = math.cos(turn), math.sin(turn)
    ee, bb = cl["EE"], cl["BB"]
    eb = cl.get("EB", 0 * ee)
    new = {
        "EE": ee * c**2 + bb * s**2 - 2 * s * c * eb,
        "BB": ee * s**2 + bb * c**2 + 2 * s * c * eb,
        "EB": (ee - bb) * s * c + eb * (c**2 - s**2),
    }
    if "TE" in cl:
        te, tb = cl["TE"], cl.get("TB", 0 * ee)
        new |= {"TE": te * c - tb * s, "TB": te * s + tb * c}
    if "TT" in cl:
        new["TT"] = cl["TT"]
    return {label: new[label] for label in ALL_LABELS if label in new}
