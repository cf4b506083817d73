"""Pictures of angles from EB: birefringence against the miscalibration of a channel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from analysis.cmb.origins import synthetic_attrs
from analysis.errors import BadOption, UnknownVariable, WrongData, WrongFrame
from analysis.model import in_units

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
LEVELS = {"68 %": 2.2957, "95 %": 5.9915}  # Δχ² of two parameters
SIDE = 400


def angle_contours(
    found: xr.Dataset | Mapping[str, xr.Dataset],
    channel: str,
    *,
    truth: tuple[float, float] | None = None,
    total: bool = False,
) -> Any:
    r"""Return β against the α of one channel: ellipses that hold 68 % and 95 %, and the line that the CMB alone gives.

    Ellipses are those of the ``covariance``. Of several realizations the points are drawn, with the mean of the
    covariances about the mean (about ``truth`` if it is given): two thirds of the points should be inside the inner
    ellipse. The dashed line has the α + β of the truth, or of the first fit: along it the CMB cannot tell.

    Parameters
    ----------
    found : xarray.Dataset, or mapping of str to Dataset
        What :func:`polarization_angles` returns, with α and β; several by their names, in one convention.
    channel : str
        Of which α.
    truth : (alpha, beta), optional
        In degrees, in the convention of the angles; drawn as a cross.
    total : bool, optional
        Draw α + β upwards instead of β: thin ellipses lie flat and can be told apart.

    Returns
    -------
    holoviews.Overlay

    Raises
    ------
    WrongData
        If α or β was not fitted.
    UnknownVariable
        If there is no such channel.
    WrongFrame
        If the fits are in two conventions.
    BadOption
        If nothing is given, or ``truth`` is no pair of numbers.

    Examples
    --------
    >>> import pytest
    >>> with pytest.raises(BadOption, match="no fit"):
    ...     angle_contours({}, "100")
    """
    from analysis.panels import note
    from analysis.panels.loading import loaded
    from analysis.panels.style import FONTS, GRID

    fits = {"": found} if isinstance(found, xr.Dataset) else dict(found)
    if not fits:
        raise BadOption("there is no fit to draw; give what polarization_angles returns")
    kinds = {str(fit.attrs.get("polconv")) for fit in fits.values()}
    if len(kinds) > 1:
        raise WrongFrame(f"the angles count in {' and '.join(sorted(kinds))}: their signs are opposite; fit in one")
    if truth is not None and (np.shape(truth) != (2,) or not np.isfinite(truth).all()):
        raise BadOption(f"truth={truth!r} is no pair (alpha, beta) in degrees")
    hv = loaded()
    kind = kinds.pop()
    x_dim = hv.Dimension("alpha", label=f"Miscalibration α of {channel} ({kind})", unit="deg")
    y_dim = hv.Dimension("beta", label=f"Birefringence β ({kind})", unit="deg")
    if total:
        y_dim = hv.Dimension("alpha_and_beta", label=f"α + β ({kind})", unit="deg")
    shear = np.array([[1.0, 0.0], [float(total), 1.0]])
    true = None if truth is None else shear @ np.asarray(truth, dtype=float)
    drawn: list[Any] = []
    for number, (name, fit) in enumerate(fits.items()):
        places, covariance = _pair(fit, channel)
        places, covariance = places @ shear.T, shear @ covariance @ shear.T
        colour = COLOURS[number % len(COLOURS)]
        middle = places.mean(axis=0) if true is None or len(places) == 1 else true
        for share, level in LEVELS.items():
            x, y = _ellipse(middle, covariance, level)
            label = f"{name}, {share}" if name else share
            line = hv.Curve((x, y), x_dim, y_dim, label=label)
            drawn.append(line.opts(backend="bokeh", color=colour, line_width=2.5 if share == "68 %" else 1))
        drawn.append(hv.Scatter(places, x_dim, y_dim).opts(backend="bokeh", color=colour, size=5, alpha=0.7))
    fixed = sum(_pair(next(iter(fits.values())), channel)[0].mean(axis=0) if truth is None else truth)
    if true is not None:
        cross = hv.Scatter([tuple(true)], x_dim, y_dim, label="true")
        drawn.append(cross.opts(backend="bokeh", marker="cross", size=16, color="black", line_width=2))
    ends = [np.concatenate([part.dimension_values(axis) for part in drawn]) for axis in (0, 1)]
    limits = [(float(e.min() - 0.05 * np.ptp(e)), float(e.max() + 0.05 * np.ptp(e))) for e in ends]
    along = np.array(limits[0])
    line = hv.Curve((along, np.full(2, fixed) if total else fixed - along), x_dim, y_dim, label="α + β fixed")
    drawn.insert(0, line.opts(backend="bokeh", color="#888888", line_dash="dashed", line_width=1.5))
    picture = hv.Overlay(drawn).opts(
        backend="bokeh", frame_width=SIDE, frame_height=SIDE - 60, xlim=limits[0], ylim=limits[1], show_grid=True,
        gridstyle=GRID, fontsize=FONTS, legend_position="right", xlabel=x_dim.pprint_label, ylabel=y_dim.pprint_label,
        active_tools=["wheel_zoom"],
    )  # fmt: skip
    first = next(iter(fits.values()))
    attrs = {**first.attrs, **synthetic_attrs(*fits.values()), "title": f"Angles from EB, channel {channel}"}
    return note(picture, attrs)


def _pair(fit: xr.Dataset, channel: str) -> tuple[np.ndarray, np.ndarray]:
    """α and β of each realization, shape (n, 2), and their mean covariance, in degrees."""
    missing = [name for name in ("alpha", "beta", "covariance") if name not in fit]
    if missing:
        raise WrongData(f"the fit has no {', '.join(missing)}; polarization_angles(spectra, theory) gives both angles")
    known = [str(label) for label in fit["channel"].values]
    if channel not in known:
        raise UnknownVariable(f"there is no channel {channel!r}; there are {', '.join(known)}")
    place = known.index(channel)
    both = [in_units(fit["alpha"].isel(channel=place), "deg").values, in_units(fit["beta"], "deg").values]
    wanted = {dim: [f"alpha {known[place]}", "beta"] for dim in ("angle", "angle_2")}
    covariance = in_units(fit["covariance"], "deg2").sel(wanted).transpose(..., "angle", "angle_2").values
    return np.stack([np.ravel(part) for part in both], axis=1), covariance.reshape(-1, 2, 2).mean(axis=0)


def _ellipse(middle: np.ndarray, covariance: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    turn = np.linspace(0, 2 * np.pi, 181)
    x, y = np.sqrt(level) * np.linalg.cholesky(covariance) @ np.stack([np.cos(turn), np.sin(turn)])
    return middle[0] + x, middle[1] + y
