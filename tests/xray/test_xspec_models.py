"""XSPEC's compiled models as components: which there are, what they are made with, and what is refused."""

import subprocess
import sys
import threading
from importlib.util import find_spec

import numpy as np
import pytest
import xarray as xr

from analysis import xray
from analysis.errors import BadOption

if find_spec("xspectrampoline") is None:  # not imported: it would load its symbols for the whole process
    pytest.skip("XSPEC's models come with an extra, for Linux and macOS", allow_module_level=True)


@pytest.fixture(scope="module")
def bins():
    return xray.energy_bins(0.3, 10, 400)


@pytest.mark.slow
def test_every_listed_model_gives_finite_numbers_and_those_that_need_data_are_not_listed(bins):
    listed = xray.xspec_models()
    assert len(listed) == 147
    words = set(listed["word"])
    assert {"xspec.nthComp", "xspec.TBabs", "xspec.pexrav", "xspec.diskbb", "xspec.simpl"} <= words
    assert not {"xspec.apec", "xspec.vapec", "xspec.laor", "xspec.kerrbb", "xspec.zxipcf", "xspec.absori"} & words
    for row in listed.itertuples():
        bare = {"additive": "{}", "multiplicative": "{} * powerlaw", "convolution": "{} * powerlaw"}[row.kind]
        flux = xray.photon_flux(bare.format(row.word), bins)
        assert np.isfinite(flux).all() and (flux != 0).any(), row.word


@pytest.mark.slow
@pytest.mark.parametrize("word", ["apec", "vapec", "kerrbb", "laor", "zxipcf", "mekal", "nei"])
def test_a_model_that_needs_data_is_refused_and_python_lives_on(word):
    with pytest.raises(BadOption, match="needs data files"):
        xray.model(f"xspec.{word}")


@pytest.mark.slow
def test_a_near_word_is_named():
    with pytest.raises(BadOption, match="'powerlaw'"):
        xray.model("xspec.powerlow")


@pytest.mark.slow
def test_abundances_are_set_for_each_component_and_recorded(bins):
    made = {
        name: xray.photon_flux(f"xspec.TBabs(nH=1, abundances='{name}') * xspec.powerlaw", bins)
        for name in ("angr", "wilm")
    }
    assert made["wilm"].attrs["abundances"] == "xspec.TBabs: wilm"
    # angr has 1.7 times as much oxygen, so that less is let through at 1 keV
    at = int(np.searchsorted(bins.energy_low, 1.0))
    assert 1.9 < float(made["wilm"][at] / made["angr"][at]) < 2.4
    both = xray.photon_flux(
        "xspec.TBabs(nH=1, abundances='angr') * xspec.TBabs(nH=1, abundances='wilm') * xspec.powerlaw", bins
    )
    plain = xray.photon_flux("xspec.powerlaw", bins)
    assert (both * plain).values == pytest.approx((made["angr"] * made["wilm"]).values, rel=1e-10)


@pytest.mark.slow
def test_an_unset_component_has_xspecs_own_abundances():
    assert xray.model("xspec.phabs").parts["xspec.phabs"].about["abundances"] == "angr"
    assert xray.model("xspec.phabs(cross_sections='bcmc')").parts["xspec.phabs"].about["cross_sections"] == "bcmc"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("expression", "match"),
    [
        ("xspec.TBabs(abundances='sun')", "known are feld, angr"),
        ("xspec.TBabs(cross_sections='bcmc')", "takes no cross_sections"),
        ("xspec.powerlaw(abundances='wilm')", "takes no abundances"),
        ("tbabs(abundances='wilm')", "takes numbers"),
    ],
)
def test_an_option_that_changes_nothing_is_refused(expression, match):
    with pytest.raises(BadOption, match=match):
        xray.model(expression)


@pytest.mark.slow
def test_units_and_bounds_are_those_of_model_dat():
    thermal = xray.model("xspec.nthComp").parameters
    assert thermal["xspec.nthComp.kT_e"].units == "keV" and thermal["xspec.nthComp.kT_e"].value == 100
    assert thermal["xspec.nthComp.inp_type"].frozen and not thermal["xspec.nthComp.Gamma"].frozen
    column = xray.model("xspec.TBabs").parameters["xspec.TBabs.nH"]
    assert (column.units, column.low, column.high) == ("1e22 cm-2", 0.0, 1e6)


@pytest.mark.slow
def test_bins_with_gaps_hold_what_they_hold_without():
    whole = xray.energy_bins(1, 3, 200, logarithmic=False)
    parts = whole.isel(energy=[*range(0, 50), *range(120, 200)])
    source = "xspec.phabs * xspec.bbody(kT=0.5)"
    ours = xray.photon_flux(source, parts)
    assert ours.values == pytest.approx(
        xray.photon_flux(source, whole).values[[*range(0, 50), *range(120, 200)]], rel=1e-3
    )
    backwards = parts.isel(energy=slice(None, None, -1))
    assert xray.photon_flux(source, backwards).values == pytest.approx(ours.values[::-1], rel=1e-12)


@pytest.mark.slow
def test_a_redshift_by_convolution_moves_a_line(bins):
    moved = xray.photon_flux("xspec.zashift(Redshift=0.5) * xspec.gaussian(LineE=6, Sigma=0.01)", bins)
    middle = ((bins.energy_low + bins.energy_high) / 2).values
    assert float((moved * middle).sum() / moved.sum()) == pytest.approx(4.0, rel=0.01)


@pytest.mark.slow
def test_threads_do_not_mix_up_abundances(bins):
    wrong = []

    def ask(name, right):
        for _ in range(20):
            found = xray.photon_flux(f"xspec.TBabs(nH=1, abundances='{name}') * powerlaw", bins)
            if not np.allclose(found, right, rtol=1e-12):
                wrong.append(name)

    names = ("angr", "wilm", "aspl")
    right = {n: xray.photon_flux(f"xspec.TBabs(nH=1, abundances='{n}') * powerlaw", bins).values for n in names}
    threads = [threading.Thread(target=ask, args=(n, right[n])) for n in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.slow
def test_a_fit_with_xspecs_tbabs_agrees_with_the_table_and_can_be_repeated(ulx):
    """W is 1768.227 with the bundled table and 1767.566 with the library's TBabs: the table is its rounding."""
    from analysis.xray.models import restored

    source = "xspec.TBabs(abundances='wilm') * xspec.powerlaw"
    best = xray.fit(ulx, source, band=(0.5, 8), grouping=None, starts=0, values={"nH": 0.2, "PhoIndex": 2})
    assert best.attrs["statistic_value"] == pytest.approx(1767.566, abs=0.01)
    assert best.value.sel(parameter="xspec.powerlaw.PhoIndex") == pytest.approx(2.006, abs=2e-3)
    assert best.attrs["abundances"] == "xspec.TBabs: wilm"
    again = restored(best.attrs["model_state"])
    assert again.parts["xspec.TBabs"].options == {"abundances": "wilm"}
    assert again.values == pytest.approx(dict(zip(best.parameter.values, best.value.values, strict=True)))


@pytest.mark.slow
def test_the_librarys_start_prints_nothing(capfd):
    xray.photon_flux("xspec.TBabs * xspec.pexrav(rel_refl=1)", xray.energy_bins(1, 5, 20))
    assert capfd.readouterr().out == ""


@pytest.mark.slow
def test_the_flux_is_labelled(bins):
    flux = xray.photon_flux("xspec.powerlaw", bins)
    assert isinstance(flux, xr.DataArray) and flux.attrs["library"].startswith(
        "xspec.powerlaw: XSPEC's model functions"
    )


@pytest.mark.slow
def test_spice_lives_beside_xspecs_library():
    """Both are translated from Fortran, and name their helpers alike."""
    code = (
        "from analysis import xray; bins = xray.energy_bins(1, 5, 20);"
        "xray.photon_flux('xspec.TBabs * xspec.powerlaw', bins);"
        "import spiceypy; spiceypy.kclear(); print(spiceypy.tkvrsn('TOOLKIT'))"
    )
    try:
        spiceypy = __import__("spiceypy")
    except ImportError:
        pytest.skip("SPICE comes with an extra")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and spiceypy.tkvrsn("TOOLKIT") in done.stdout
