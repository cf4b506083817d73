"""Powers by their parts, posteriors, and spectra with what is left of them."""

import holoviews as hv
import numpy as np
import pytest
import xarray as xr

from analysis import panels
from analysis.errors import BadOption, UnknownVariable, WrongData


def budget(**changed):
    ell = np.arange(2, 30)
    parts = {"tensor": 1e-5 / ell**2, "noise": np.full(ell.size, 2e-6), "residual": np.zeros(ell.size)} | changed
    parts["total"] = sum(parts.values())
    made = {k: ("ell", v, {"units": "uK2", "long_name": f"C_ℓ^BB of {k}"}) for k, v in parts.items()}
    share = ("ell", np.full(ell.size, 1 / ell.size), {"units": "1", "long_name": "Share of 1/σ²"})
    attrs = {"title": "Budget", "source": "a formula", "synthetic": "true"}
    return xr.Dataset({**made, "information": share}, {"ell": ("ell", ell, {"long_name": "Multipole ℓ"})}, attrs)


def density(grid=None, **extra):
    r = np.linspace(-0.01, 0.05, 61) if grid is None else grid
    values = np.exp(-((r - 0.01) ** 2) / 2 / 0.005**2)
    made = xr.DataArray(values, {"r": ("r", r, {"units": "1", "long_name": "Tensor-to-scalar ratio r"})}, ["r"])
    limit = xr.DataArray(0.02, attrs={"units": "1", "long_name": "95 % upper limit of r"})
    named = made.assign_attrs(units="1", long_name="Posterior density of r")
    return xr.Dataset(
        {"posterior": named, "upper_limit": limit}, attrs={"title": "Posterior", "source": "a Gaussian"} | extra
    )


def curves(picture):
    return {line.label: line for line in picture.traverse(lambda part: part, [hv.Curve])}


def test_a_budget_draws_the_parts_in_the_units_of_the_total_and_no_share():
    drawn = curves(panels.power_budget(budget()))
    assert set(drawn) == {"C_ℓ^BB of tensor", "C_ℓ^BB of noise", "C_ℓ^BB of total"}  # zeros have no logarithm
    line = drawn["C_ℓ^BB of noise"]
    assert line.kdims[0].label == "Multipole ℓ"
    assert line.vdims[0].pprint_label == "C_ℓ^BB (µK²)"
    assert line.dimension_values(1) == pytest.approx(2e-6)


@pytest.mark.slow
def test_a_budget_has_logarithmic_axes_and_says_synthetic():
    figure = hv.render(panels.power_budget(budget()))
    assert [type(axis).__name__ for axis in (figure.xaxis[0], figure.yaxis[0])] == ["LogAxis", "LogAxis"]
    assert "SYNTHETIC" in figure.above[-1].text
    assert figure.title.text == "Budget"


def test_parts_of_a_budget_can_be_chosen_and_unknown_ones_are_refused():
    assert len(curves(panels.power_budget(budget(), parts=["noise"]))) == 1
    with pytest.raises(UnknownVariable, match="dust"):
        panels.power_budget(budget(), parts=["dust"])


@pytest.mark.parametrize(
    "data",
    [
        xr.Dataset(),
        budget()[["residual"]],
        budget()[["noise"]].assign(noise=budget()["noise"].assign_attrs(units="")),
        density(),
        budget()["noise"],
    ],
)
def test_what_is_no_budget_is_refused(data):
    with pytest.raises(WrongData):
        panels.power_budget(data)


def test_parts_in_different_units_are_refused():
    with pytest.raises(WrongData, match="one unit"):
        panels.power_budget(budget(), parts=["noise", "information"])


def test_a_posterior_names_its_limit_and_the_truth_put_in():
    picture = panels.posterior(density(), truth=0.01)
    (line,) = curves(picture).values()
    assert line.label == "posterior; 95 % upper limit of r: 0.02"
    assert line.kdims[0].label == "Tensor-to-scalar ratio r"
    marks = picture.traverse(lambda part: float(part.dimension_values(0)[0]), [hv.VLines])
    assert sorted(marks) == [0.01, 0.02]


def test_posteriors_of_realizations_have_a_line_each_and_not_too_many():
    one = density()["posterior"]
    several = xr.concat([one, one * 2], xr.DataArray([0, 1], dims="realization"))
    assert len(curves(panels.posterior(several))) == 2
    many = xr.concat([one] * 20, xr.DataArray(range(20), dims="realization"))
    with pytest.raises(WrongData, match="at most 12"):
        panels.posterior(many)


@pytest.mark.parametrize("data", [xr.Dataset(), 5, density()["posterior"] * np.nan, density()["upper_limit"]])
def test_what_is_no_posterior_is_refused(data):
    with pytest.raises(WrongData):
        panels.posterior(data)


def spectra(values, **more):
    ell = ("bin", [5.0, 10.0, 20.0], {"long_name": "Multipole ℓ"})
    labels = {"spectrum": ["TT", "EE"], "ell_effective": ell}
    cl = xr.DataArray(np.asarray(values, dtype=float), labels, ["spectrum", "bin"], name="cl")
    cl = cl.assign_attrs(units="uK2", long_name="C_ℓ")
    return xr.Dataset({"cl": cl} | {k: cl.copy(data=np.asarray(v, dtype=float)) for k, v in more.items()})


def residual(picture, label):
    return picture.traverse(
        lambda e: (
            e.dimension_values(1).tolist() if "residual" in e.vdims[0].name and label in e.vdims[0].name else None
        ),
        [hv.Scatter],
    )


@pytest.mark.parametrize("name", ["cl_error", "error", "sigma"])
def test_residuals_are_data_less_reference_over_their_errors(name):
    data = spectra([[3, 4, 5], [1, 1, 1]], **{name: [[1, 2, 4], [1, 1, 0]]})
    picture = panels.power_spectra(data, reference=spectra([[1, 2, 1], [2, 1, 1]]), residuals=True)
    assert len(picture) == 4
    assert [2.0, 1.0, 1.0] in residual(picture, "tt")
    assert [-1.0, 0.0] in residual(picture, "ee")  # an error of zero weighs nothing


def test_without_errors_residuals_keep_their_unit():
    picture = panels.power_spectra(
        spectra([[3, 4, 5]] * 2), reference=spectra([[1, 2, 1]] * 2), spectra="TT", residuals=True
    )
    assert [2.0, 2.0, 4.0] in residual(picture, "tt")
    units = picture.traverse(lambda e: e.vdims[0].unit if "residual" in e.vdims[0].name else None, [hv.Scatter])
    assert "µK²" in units


def test_residuals_interpolate_nothing():
    data = spectra([[3, 4, 5]] * 2)
    with pytest.raises(BadOption, match="reference"):
        panels.power_spectra(data, residuals=True)
    with pytest.raises(WrongData, match="same bin"):
        panels.power_spectra(data, reference=data.isel(bin=[0, 1]), residuals=True)
    moved = data.assign_coords(ell_effective=data["ell_effective"] + 1)
    with pytest.raises(WrongData, match="effective multipoles"):
        panels.power_spectra(data, reference=moved, residuals=True)


def test_what_a_logarithmic_axis_leaves_out_is_said_on_the_picture():
    ell = ("ell", [2, 3, 4, 5])
    power = {
        "noise": ("ell", [1.0, -1.0, 0.0, 2.0], {"units": "uK2"}),
        "none": ("ell", [0.0, 0.0, -1.0, 0.0], {"units": "uK2", "long_name": "Foregrounds left"}),
        "total": ("ell", [1.0, 1.0, 1.0, 1.0], {"units": "uK2"}),
    }
    figure = hv.render(panels.power_budget(xr.Dataset(power, {"ell": ell})))
    told = " ".join(" ".join(getattr(part, "text", "").split()) for part in figure.below)
    assert "2 values that are not positive" in told
    assert "Without positive values: Foregrounds left." in told
