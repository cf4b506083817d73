"""Power laws, absorption, and folding: against integrals, published numbers and hand-made matrices."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from analysis import xray
from analysis.errors import BadOption, MissingUnits, WrongData, WrongUnits
from analysis.model import breaches

# Morrison & McCammon (1983), Table 2: from this energy in keV, (c0 + c1 E + c2 E^2) E^-3 in 1e-24 cm2.
MORRISON_MCCAMMON = [
    (0.284, 78.1, 18.8, 4.3), (0.4, 71.4, 66.8, -51.4), (0.532, 95.5, 145.8, -61.1),
    (0.707, 308.9, -380.6, 294.0), (0.867, 120.6, 169.3, -47.7), (1.303, 141.3, 146.8, -31.5),
    (1.84, 202.7, 104.7, -17.0), (2.471, 342.7, 18.7, 0.0), (3.21, 352.2, 18.7, 0.0),
    (4.038, 433.9, -2.4, 0.75), (7.111, 629.0, 30.9, 0.0), (8.331, 701.2, 25.2, 0.0),
]  # fmt: skip


def energies(values, units="keV"):
    return xr.DataArray(np.asarray(values, float), dims="energy", attrs={"units": units, "long_name": "Energy"})


@pytest.mark.slow
@given(index=st.floats(-3, 5), low=st.floats(0.05, 10), width=st.floats(0.001, 10))
def test_a_power_law_is_the_integral_over_its_bin(index, low, width):
    made = xray.power_law(energies([low]), energies([low + width]), photon_index=index, norm=2.5)
    expected, _ = quad(lambda e: 2.5 * e**-index, low, low + width, epsrel=1e-12)
    assert float(made[0]) == pytest.approx(expected, rel=1e-9)


@pytest.mark.slow
@given(offset=st.floats(-1e-3, 1e-3))
def test_index_1_is_the_logarithm_and_no_jump(offset):
    low, high = energies([0.5]), energies([8.0])
    at_one, near = (float(xray.power_law(low, high, photon_index=g, norm=1)[0]) for g in (1.0, 1.0 + offset))
    assert at_one == pytest.approx(np.log(16), rel=1e-14)
    assert near == pytest.approx(quad(lambda e: e ** -(1.0 + offset), 0.5, 8.0, epsrel=1e-13)[0], rel=1e-11)


@pytest.mark.slow
@given(index=st.floats(0, 4), cut=st.floats(0.6, 7.9))
def test_bins_side_by_side_add_up(index, cut):
    def flux(a, b):
        return float(xray.power_law(energies([a]), energies([b]), photon_index=index, norm=1)[0])

    assert flux(0.5, cut) + flux(cut, 8) == pytest.approx(flux(0.5, 8), rel=1e-12)


def test_the_unit_of_the_bins_does_not_matter():
    kev = xray.power_law(energies([0.5, 1]), energies([1, 2]), photon_index=1.7, norm=1)
    ev = xray.power_law(energies([500, 1000], "eV"), energies([1000, 2000], "eV"), photon_index=1.7, norm=1)
    xr.testing.assert_allclose(kev, ev)


def test_a_norm_takes_units():
    plain = xray.power_law(energies([1]), energies([2]), photon_index=2, norm=1e-3)
    said = xray.power_law(energies([1]), energies([2]), photon_index=2, norm="10 ph m-2 s-1 keV-1")
    assert float(plain[0]) == pytest.approx(float(said[0]))
    assert plain.attrs["units"] == "ph cm-2 s-1" and breaches(plain) == []


def test_a_power_law_to_zero_energy_diverges_where_it_must():
    assert float(xray.power_law(energies([0]), energies([1]), photon_index=0.5, norm=1)[0]) == pytest.approx(2)
    with pytest.raises(WrongData, match="no finite integral"):
        xray.power_law(energies([0]), energies([1]), photon_index=1, norm=1)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"photon_index": 2, "norm": -1}, BadOption),
        ({"photon_index": np.nan, "norm": 1}, BadOption),
        ({"photon_index": 2, "norm": "1 keV"}, WrongUnits),
    ],
)
def test_parameters_that_mean_nothing_are_refused(options, error):
    with pytest.raises(error):
        xray.power_law(energies([1]), energies([2]), **options)


def test_bins_the_wrong_way_round_or_without_units_are_refused():
    with pytest.raises(WrongData, match="energy_low < energy_high"):
        xray.power_law(energies([2]), energies([1]), photon_index=2, norm=1)
    with pytest.raises(MissingUnits):
        xray.power_law(xr.DataArray([1.0]), xr.DataArray([2.0]), photon_index=2, norm=1)


def test_wabs_is_morrison_and_mccammon():
    for start, c0, c1, c2 in MORRISON_MCCAMMON:
        e = start * 1.05
        found = float(xray.cross_section(energies([e]), model="wabs")[0])
        assert found == pytest.approx((c0 + c1 * e + c2 * e**2) / e**3 * 1e-24, rel=2e-5), e


def test_models_agree_on_hydrogen_and_helium_and_differ_in_metals():
    """Below the carbon edge helium and hydrogen absorb; above 0.5 keV abundances of 1982 give most."""
    low, high = energies([0.2]), energies([2.0])
    at_low, at_high = (
        [float(xray.cross_section(e, model=m)[0]) for m in ("tbabs", "phabs", "wabs")] for e in (low, high)
    )
    assert max(at_low) / min(at_low) < 1.2
    assert at_high[2] == max(at_high) and at_high[2] / at_high[0] > 1.2


@pytest.mark.slow
@pytest.mark.parametrize("model", ["tbabs", "phabs", "wabs"])
@given(energy=st.floats(0.02, 100), columns=st.tuples(st.floats(0, 24), st.floats(0, 24)).map(sorted))
def test_transmission_is_a_fraction_that_falls_with_the_column(model, energy, columns):
    less, more = (
        float(xray.transmission(energies([energy]), f"{10**exponent} cm-2", model=model)[0]) for exponent in columns
    )
    assert 0 <= more <= less <= 1


def test_no_gas_lets_everything_through_and_columns_multiply():
    e = energies([0.3, 1, 3])
    assert (xray.transmission(e, "0 cm-2") == 1).all()
    one, two = (xray.transmission(e, f"{n}e21 cm-2") for n in (1, 2))
    np.testing.assert_allclose(one.values**2, two.values)


def test_a_column_takes_any_unit_and_refuses_none():
    e = energies([1.0])
    assert float(xray.transmission(e, "1e25 m-2")[0]) == pytest.approx(float(xray.transmission(e, "1e21 cm-2")[0]))
    with pytest.raises(MissingUnits, match="nh"):
        xray.transmission(e, 0.2)
    with pytest.raises(WrongUnits, match="nh"):
        xray.transmission(e, "1 cm")
    with pytest.raises(BadOption, match="negative"):
        xray.transmission(e, "-1e21 cm-2")
    with pytest.raises(BadOption, match="tbabs, phabs, wabs"):
        xray.transmission(e, "1e21 cm-2", model="TBabs")
    with pytest.raises(WrongData, match="positive"):
        xray.transmission(energies([0.0]), "1e21 cm-2")


def test_beyond_the_table_the_cross_section_goes_on_and_says_so():
    inside, outside = (xray.cross_section(energies([e])) for e in (19.9, 40.0))
    slope = np.log(float(outside[0]) / float(inside[0])) / np.log(40.0 / 19.9)
    assert -3.2 < slope < -2.6  # photoelectric absorption falls as about E^-3
    assert inside.attrs["outside_table"] == 0 and outside.attrs["outside_table"] == 1


def test_an_answer_names_its_abundances():
    for model, abundances in {"tbabs": "wilm", "phabs": "aspl", "wabs": "angr"}.items():
        assert xray.cross_section(energies([1]), model=model).attrs["abundances"] == abundances


def test_an_absorbed_flux_is_flux_times_transmission():
    flux = xray.power_law(energies([0.5, 1]), energies([1, 2]), photon_index=2, norm=1)
    made = xray.absorbed_flux(flux, "5e21 cm-2", model="phabs")
    passed = xray.transmission(energies([0.75, 1.5]), "5e21 cm-2", model="phabs")
    np.testing.assert_allclose(made.values, flux.values * passed.values)
    assert made.attrs["units"] == "ph cm-2 s-1" and made.attrs["absorption_abundances"] == "aspl"
    assert breaches(made) == [] and breaches(passed) == []
    with pytest.raises(WrongData, match="energy_low"):
        xray.absorbed_flux(flux.drop_vars("energy_low"), "1e21 cm-2")


def arf_like(rmf, area=1.0):
    made = rmf[["energy_low", "energy_high"]].copy()
    made["effective_area"] = (
        "energy",
        np.full(rmf.sizes["energy"], area),
        {"units": "cm2", "long_name": "Area"},
    )
    return made


def flux_on(response, values):
    attrs = {"units": "ph cm-2 s-1", "long_name": "Flux"}
    return xr.DataArray(np.asarray(values, float), dims="energy", attrs=attrs)


@pytest.mark.slow
@given(
    matrix=st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).random((5, 4)).round(1)),
    scale=st.floats(0, 100),
    first=st.sampled_from([0, 1]),
)
def test_folding_is_a_matrix_product_and_linear(made_response, matrix, scale, first):
    rmf = made_response(matrix, first=first)
    whole = xray.response(rmf, arf=arf_like(rmf, 3.0))
    one, two = np.arange(5.0), np.array([1, 0, 2, 0, 5.0])
    expected = 3.0 * matrix.T @ (one + scale * two)
    found = xray.folded(flux_on(whole, one + scale * two), rmf=whole)
    np.testing.assert_allclose(found.values, expected, atol=1e-12)
    parts = xray.folded(flux_on(whole, one), rmf=whole) + scale * xray.folded(flux_on(whole, two), rmf=whole)
    np.testing.assert_allclose(found.values, parts.values, atol=1e-9)
    assert whole.sizes["element"] == np.count_nonzero(matrix)


def test_a_response_that_holds_the_area_takes_no_second_one(made_response):
    rsp = made_response(np.eye(3), units="cm2")
    assert xray.folded(flux_on(rsp, [1, 2, 3]), rmf=rsp).values.tolist() == [1, 2, 3]
    with pytest.raises(WrongData, match="twice"):
        xray.response(rsp, arf=arf_like(rsp))


def test_folding_asks_for_an_area_and_for_the_right_bins(made_response):
    rmf = made_response(np.eye(3))
    with pytest.raises(WrongData, match="no effective area"):
        xray.folded(flux_on(rmf, [1, 2, 3]), rmf=rmf)
    whole = xray.response(rmf, arf=arf_like(rmf))
    with pytest.raises(WrongData, match="3 energy bins"):
        xray.folded(flux_on(rmf, [1, 2]), rmf=whole)
    with pytest.raises(WrongData, match="not to both"):
        xray.folded(flux_on(rmf, [1, 2, 3]), rmf=whole, arf=arf_like(rmf))
    with pytest.raises(WrongUnits):
        per_kev = flux_on(rmf, [1, 2, 3]).assign_attrs(units="ph cm-2 s-1 keV-1")
        xray.folded(per_kev, rmf=whole)
    with pytest.raises(MissingUnits, match="absorbed_flux"):
        bare = xray.power_law(whole.energy_low, whole.energy_high, photon_index=2, norm=1)
        xray.folded(bare * xray.transmission(whole, "1e21 cm-2"), rmf=whole)
    with pytest.raises(WrongData, match="other energy bins"):
        elsewhere = xray.power_law(energies([1, 2, 3]), energies([2, 3, 4]), photon_index=2, norm=1)
        xray.folded(elsewhere, rmf=whole)
    with pytest.raises(WrongData, match="ARF"):
        shifted = arf_like(rmf).assign(energy_low=rmf.energy_low + 0.1)
        xray.response(rmf, arf=shifted)


def test_groups_that_leave_the_channels_are_refused(made_response):
    rmf = made_response(np.eye(3))
    with pytest.raises(WrongData, match="groups"):
        xray.response(rmf.assign(first_channel=rmf.first_channel + 1))


def test_a_first_bin_at_zero_energy_gets_a_small_lower_end(made_response):
    rmf = made_response(np.eye(2), low=[0, 1, 2])
    whole = xray.response(rmf, arf=arf_like(rmf))
    assert whole.energy_low.values.tolist() == [0.01, 1]
    flux = xray.power_law(whole.energy_low, whole.energy_high, photon_index=2, norm=1)
    assert np.isfinite(xray.folded(flux, rmf=whole)).all()


def test_a_photon_is_redistributed_and_not_lost(ulx, ulx_response):
    """Each row of the pn redistribution sums to one for energies well inside the channels' range."""
    bare = xray.response(ulx["rmf"])
    total = np.add.reduceat(bare.matrix.values, bare.first_element.values)
    middle = ((bare.energy_low > 1) & (bare.energy_high < 10)).values
    np.testing.assert_allclose(total[middle], 1, atol=0.02)
    flux = flux_on(ulx_response, (ulx_response.energy_low.values > 2) & (ulx_response.energy_high.values < 2.1))
    rate = xray.folded(flux, rmf=ulx_response)
    area = ulx["arf"].effective_area.values
    assert float(rate.sum()) == pytest.approx(float((area * flux.values).sum()), rel=0.02)
    peak = xray.channel_energies(ulx["rmf"]).energy[int(rate.values.argmax())]
    assert 1.95 < float(peak) < 2.15


def test_models_keep_the_contract(ulx, ulx_response):
    flux = xray.power_law(ulx_response.energy_low, ulx_response.energy_high, photon_index=2, norm=1e-4)
    for made in (ulx_response, flux, xray.folded(flux, rmf=ulx_response), xray.cross_section(ulx_response)):
        assert breaches(made) == []
    direct = xray.folded(flux, rmf=ulx["rmf"], arf=ulx["arf"])
    np.testing.assert_allclose(direct.values, xray.folded(flux, rmf=ulx_response).values)


@pytest.mark.parametrize(("index", "norm"), [(1e4, 1), (300, 1), (-400, 1), (1, 1e308)])
def test_a_flux_beyond_all_numbers_is_refused(index, norm):
    kev = {"units": "keV", "long_name": "Energy"}
    edges = xr.DataArray([1e-3, 1e2, 1e5], dims="energy", attrs=kev)
    with pytest.raises(WrongData, match="no finite flux"):
        xray.power_law(edges[:-1], edges[1:], photon_index=index, norm=norm)


def test_a_flux_without_labels_is_refused(ulx_response):
    with pytest.raises(WrongData, match="not a ndarray"):
        xray.folded(np.ones(3), rmf=ulx_response)
