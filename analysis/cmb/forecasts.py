"""What an experiment would tell about r: the Knox error and what it is made of."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.cmb.channel_noise import noise_spectrum, single_channel
from analysis.cmb.instruments import instrument_channels
from analysis.cmb.theory import checked_multipole, checked_number, theory_spectra
from analysis.errors import BadOption, WrongData
from analysis.model import check, derived, in_units, labelled, stamp

if TYPE_CHECKING:
    from numpy.typing import NDArray

KNOX = "Knox 1995, PRD 52, 4307, doi:10.1103/PhysRevD.52.4307"


def forecast(
    experiment: str | xr.Dataset = "litebird",
    *,
    r: float = 0.0,
    nt: float = 0.0,
    delensing: float = 0.0,
    sky_fraction: float | None = None,
    lmin: int | None = None,
    lmax: int = 200,
    noise: float | None = None,
    beam: float | None = None,
    residual: xr.DataArray | None = None,
    theory: xr.Dataset | None = None,
) -> xr.Dataset:
    r"""Return how well an experiment would measure r from B modes, and what its error is made of.

    :math:`\sigma_r^{-2} = \sum_\ell \frac{2\ell+1}{2} f_{sky}\, [T_\ell / (r T_\ell + A L_\ell + N_\ell + F_\ell)]^2`
    with tensors at r = 1, lensing, noise and foreground residual. **Without** ``residual`` foregrounds are
    taken to be gone at no cost, so the error is a lower limit.

    Parameters
    ----------
    experiment : str or xarray.Dataset, optional
        "litebird", "planck", "so_sat", or channels as :func:`instrument_channels` gives them.
    r, nt : float, optional
        Tensor-to-scalar ratio (may be negative as long as the sum stays positive) and tensor index.
    delensing : float, optional
        Share of the lensing B power that is taken out, 0 to 1; A = 1 - delensing.
    sky_fraction, lmin, lmax : float and int, optional
        Share of the sky and multipoles used; the experiment's own sky and lowest multipole if left out.
    noise, beam : float, optional
        One sensitivity (µK arcmin) and beam (FWHM, arcmin) in place of the channels.
    residual : xarray.DataArray, optional
        C_ℓ^BB of what foregrounds leave, dim ``ell``, in uK2 or what converts. Counted as noise of known power.
    theory : xarray.Dataset, optional
        ``tensor`` (at r = 1) and ``lensed``, as from :func:`theory_spectra` or :func:`emulated_spectra`, in place
        of Planck's best fit (``nt`` is then that of the theory).

    Returns
    -------
    xarray.Dataset
        Scalars ``r``, ``sigma_r``; dim ``ell``, C_ℓ^BB in uK2: ``tensor`` (r = 1), ``lensing`` (what is left of
        it), ``noise``, ``residual``, ``total``; and ``information``, the share of each multipole in 1/σ².

    Raises
    ------
    BadOption
        For unknown experiments and numbers out of range.
    WrongData
        If channels, theory or residual lack what is needed or do not cover the multipoles, or the sum is not
        positive.

    References
    ----------
    Knox 1995, PRD 52, 4307, doi:10.1103/PhysRevD.52.4307. Presets: :func:`instrument_channels`.

    Examples
    --------
    >>> made = forecast("litebird", r=0.0)
    >>> float(made.r), bool(8e-5 < made.sigma_r < 1.1e-4)
    (0.0, True)
    """
    channels, name = _channels(experiment, noise, beam)
    known = channels.attrs
    fraction = _fraction(known.get("sky_fraction", 1.0) if sky_fraction is None else sky_fraction, "sky_fraction", 0)
    removed = _fraction(delensing, "delensing", None)
    lmax = checked_multipole(lmax, "lmax", 2, 2500)
    lowest = checked_multipole(int(known.get("lmin", 2)) if lmin is None else lmin, "lmin", 2, lmax)
    r = checked_number(r, "r")
    if theory is None:
        theory = theory_spectra(nt=checked_number(nt, "nt"), lmax=max(lmax, 600))
    elif nt != 0.0:
        raise BadOption(f"nt={nt!r} and theory= say the same; the theory has its own nt: leave nt out")
    elif isinstance(theory, xr.Dataset) and theory.attrs.get("a_lens", 1.0) != 1.0:
        kept = theory.attrs["a_lens"]
        raise BadOption(
            f"the theory's a_lens={kept} is not in its 'lensed'; say delensing={1 - kept:g}, a_lens left out"
        )
    ell = np.arange(lowest, lmax + 1)
    power = {
        "tensor": _b_modes(theory, "tensor", ell),
        "lensing": (1 - removed) * _b_modes(theory, "lensed", ell),
        "noise": _at(noise_spectrum(channels, lmax=lmax), ell, "the noise"),
        "residual": np.zeros(ell.size) if residual is None else _at(residual, ell, "residual"),
    }
    if (power["residual"] < 0).any():
        raise WrongData("residual is the power of what foregrounds leave; it must not be negative")
    total = r * power["tensor"] + power["lensing"] + power["noise"] + power["residual"]
    if not (total > 0).all():
        raise WrongData(f"at r={r:g} the total power is not positive at ℓ = {ell[total <= 0][0]}; give a larger r")
    share = (2 * ell + 1) / 2 * fraction * (power["tensor"] / total) ** 2
    made = _prediction({**power, "total": total}, ell, share, r)
    told = f"r={r:g}, delensing={removed:g}, sky_fraction={fraction:g}, lmin={lowest}, lmax={lmax}"
    left = "no foregrounds" if residual is None else "foreground residual as given"
    made = derived(
        made.assign_attrs(sky_fraction=fraction),
        channels,
        title=f"Forecast of r: {name}",
        step=f"cmb.forecast({name}, {told}): Knox, white or stated noise, {left}",
        references=[KNOX],
        also=[data for data in (theory, residual) if data is not None],
    )
    caveat = "A forecast, not a measurement; foregrounds are " + ("not in it." if residual is None else "as given.")
    made.attrs["caveats"] = "\n".join(filter(None, [made.attrs.get("caveats"), caveat]))
    return check(made)


def _channels(experiment: str | xr.Dataset, noise: float | None, beam: float | None) -> tuple[xr.Dataset, str]:
    if (noise is None) != (beam is None):
        raise BadOption("noise= and beam= go together: µK arcmin and arcmin")
    if isinstance(experiment, str):
        channels, name = instrument_channels(experiment), experiment.lower()
    elif isinstance(experiment, xr.Dataset):
        channels, name = experiment, str(experiment.attrs.get("title", "channels as given"))
    else:
        raise BadOption(f"experiment is a {type(experiment).__name__}; give a name or a Dataset of channels")
    if noise is not None and beam is not None:
        facts = {key: channels.attrs[key] for key in ("sky_fraction", "lmin") if key in channels.attrs}
        channels = single_channel(noise, beam).assign_attrs(facts)
        channels = stamp(
            channels,
            title=str(channels.attrs["title"]),
            institution="as asked",
            source="numbers given to cmb.forecast",
            references=[KNOX],
            license="as asked",
            history=[],
            provenance={"noise": noise, "beam": beam},
        )
        name = f"{noise:g} µK arcmin, {beam:g} arcmin"
    return channels, name


def _prediction(power: dict[str, NDArray], ell: NDArray, share: NDArray, r: float) -> xr.Dataset:
    names = {
        "tensor": "C_ℓ^BB of tensors at r = 1",
        "lensing": "C_ℓ^BB of lensing",
        "noise": "N_ℓ^BB of noise",
        "residual": "C_ℓ^BB of foregrounds left",
        "total": "C_ℓ^BB, all together",
    }
    at = xr.DataArray(ell, dims="ell", attrs={"units": "1", "long_name": "Multipole ℓ"})
    made = xr.Dataset(coords={"ell": at})
    for key, values in power.items():
        made[key] = labelled(xr.DataArray(values, dims="ell"), key, units="uK2", long_name=names[key])
    sigma = 1 / math.sqrt(share.sum())
    for key, value, long_name in (("r", r, "Tensor-to-scalar ratio r"), ("sigma_r", sigma, "Error of r")):
        made[key] = labelled(xr.DataArray(float(value)), key, units="1", long_name=long_name)
    part = xr.DataArray(share / share.sum(), dims="ell")
    return made.assign(information=labelled(part, "information", units="1", long_name="Share of 1/σ²"))


def _fraction(value: float, name: str, excluded: float | None) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 <= value <= 1:
        raise BadOption(f"{name}={value!r} is no share from 0 to 1")
    if value == excluded:
        raise BadOption(f"{name}={value!r} leaves nothing to measure")
    return float(value)


def _b_modes(theory: xr.Dataset, name: str, ell: NDArray) -> NDArray:
    if not isinstance(theory, xr.Dataset) or name not in theory.data_vars:
        raise WrongData(f"theory needs a variable {name!r} (C_ℓ), as theory_spectra returns it")
    array = theory[name]
    if "spectrum" not in array.coords or "BB" not in array["spectrum"].values:
        raise WrongData(f"{name} of the theory has no BB")
    if str(array.attrs.get("long_name", "")).startswith("D_ℓ"):
        raise WrongData(f"{name} of the theory is D_ℓ; forecast needs C_ℓ")
    return _at(array.sel(spectrum="BB", drop=True), ell, f"{name} of the theory")


def _at(array: xr.DataArray, ell: NDArray, what: str) -> NDArray:
    """C_ℓ in µK² at these multipoles."""
    if not isinstance(array, xr.DataArray) or "ell" not in array.coords or array.ndim != 1:
        raise WrongData(f"{what} must be a DataArray of dim ell, with its multipoles")
    missing = np.setdiff1d(ell, array["ell"].values)
    if missing.size:
        raise WrongData(f"{what} lacks {missing.size} of the multipoles {ell[0]} to {ell[-1]}, first ℓ = {missing[0]}")
    values = np.asarray(in_units(array, "uK2").sel(ell=ell).values, dtype=float)
    if not np.isfinite(values).all():
        raise WrongData(f"{what} is not finite at ℓ = {ell[~np.isfinite(values)][0]}; choose lmax below, or mend it")
    return values
