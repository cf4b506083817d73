"""PySM as an engine, on small templates made here."""

import sys

import numpy as np
import pytest
import xarray as xr

from analysis import cmb, store
from analysis.cmb.maps import ring_order
from analysis.errors import BadOption, Unreachable, WrongData
from analysis.model import check, is_synthetic

pytestmark = pytest.mark.slow
NSIDE = 4
CENTRES = np.array([23.0, 40.0, 100.0, 143.0, 353.0, 545.0])


@pytest.fixture
def channels():
    def column(values, units):
        return ("channel_name", np.asarray(values), {"units": units, "long_name": "Column"})

    names = ("channel_name", list("abcdef"), {"long_name": "Channel"})
    columns = {
        "bandwidth": column(0.3 * CENTRES, "GHz"),
        "polarization_sensitivity": column(np.full(6, 2.0), "uK arcmin"),
    }
    return xr.Dataset(columns, coords={"channel_name": names, "frequency": column(CENTRES, "GHz")})


@pytest.fixture
def templates():
    return np.random.default_rng(1).uniform(5, 15, (2, 3, 12 * NSIDE**2))


def dust(maps, beta=1.54, reference="353 GHz", intensity="353 GHz"):
    import pysm3

    i, q, u = (row * pysm3.units.uK_RJ for row in maps)
    return pysm3.ModifiedBlackBody(
        map_I=i, map_Q=q, map_U=u, freq_ref_I=intensity, freq_ref_P=reference, map_mbb_index=beta,
        map_mbb_temperature=19.6, unit_mbb_temperature="K", nside=NSIDE,
    )  # fmt: skip


def synchrotron(maps, polarized=True):
    import pysm3

    i, q, u = (row * pysm3.units.uK_RJ for row in maps)
    more = {"map_Q": q, "map_U": u, "freq_ref_P": "23 GHz"} if polarized else {"has_polarization": False}
    return pysm3.PowerLaw(map_I=i, freq_ref_I="23 GHz", map_pl_index=-3.0, nside=NSIDE, **more)


def tables(samples=301):
    made = []
    for centre in CENTRES:
        nu = np.linspace(0.8 * centre, 1.2 * centre, samples)
        at = xr.DataArray(nu, dims="frequency", attrs={"units": "GHz"})
        made.append(xr.DataArray(np.exp(-(((nu / centre - 1) / 0.1) ** 4)), dims="frequency", coords={"frequency": at}))
    return made


def in_cells(ring):
    """The same map in NESTED order, found cell by cell from healpy's numbering of nside 4."""
    nested = np.empty_like(ring)
    nested[..., ring_order(NSIDE)] = ring
    return nested


# --------------------------------------------------------------------------------------------- what it must give


@pytest.mark.parametrize("bandpass", ["delta", "tophat", "tables"])
def test_the_spectra_of_pysm_are_those_of_the_mixing_matrix(channels, templates, bandpass):
    given = tables() if bandpass == "tables" else bandpass
    made = check(cmb.pysm_sky(channels, NSIDE, [dust(templates[0]), synchrotron(templates[1])], bandpass=given))
    mixing = cmb.mixing_matrix(channels, components=["dust", "synchrotron"], bandpass=given)
    in_cmb = [float(cmb.temperature_factor(nu, "K_CMB", origin="K_RJ")) for nu in (353, 23)]
    amplitudes = in_cells(templates) * np.array(in_cmb)[:, None, None]
    np.testing.assert_allclose(made.sky, np.einsum("fc,csp->fsp", mixing.values, amplitudes), rtol=2e-5)


def test_cells_are_where_healpy_says():
    import healpy

    ring = np.arange(12.0 * NSIDE**2)
    np.testing.assert_array_equal(in_cells(ring), healpy.nest2ring(NSIDE, np.arange(ring.size)))


def test_it_is_a_labelled_synthetic_galactic_map_that_names_its_models(channels, templates):
    import pysm3

    made = check(cmb.pysm_sky(channels, NSIDE, [dust(templates[0])], stokes="QU"))
    assert made.sky.dims == ("frequency", "stokes", "cells") and made.sky.attrs["units"] == "uK"
    facts = [made.attrs[k] for k in ("frame", "polconv", "temperature_scale", "pysm_version", "pysm_models")]
    assert facts == ["galactic", "COSMO", "K_CMB", pysm3.__version__, "ModifiedBlackBody"]
    assert is_synthetic(made) and is_synthetic(made.sky) and "10.21105/joss.03783" in made.attrs["references"]
    assert made.channel_name.values.tolist() == list("abcdef")
    both = cmb.pysm_sky(channels, NSIDE, [dust(templates[0])], stokes="IQU")
    xr.testing.assert_equal(both.sky.sel(stokes=["Q", "U"]), made.sky)


def test_polarization_is_scaled_at_the_frequency_of_the_intensity_template(channels, templates):
    # PySM 3.4.6 leaves Q and U as they are at 353 GHz when 545 GHz is asked for; d0 and d1 have these references
    part = dust(templates[0], reference="353 GHz", intensity="545 GHz")
    q = cmb.pysm_sky(channels, NSIDE, [part], stokes="QU").sky
    ratio = q.isel(frequency=5) / q.isel(frequency=4)
    mixing = cmb.mixing_matrix(channels, components=["dust"])[:, 0].values
    np.testing.assert_allclose(ratio, mixing[5] / mixing[4], rtol=1e-6)


def test_emission_without_polarization_adds_to_intensity_alone(channels, templates):
    alone = cmb.pysm_sky(channels, NSIDE, [dust(templates[0])])
    both = cmb.pysm_sky(channels, NSIDE, [dust(templates[0]), synchrotron(templates[1], polarized=False)])
    added = (both.sky - alone.sky).sel(stokes=["Q", "U"])
    assert float(abs(added).max()) == 0 and float((both.sky - alone.sky).sel(stokes="I").min()) > 0


def test_a_sky_of_pysm_is_the_sum_of_its_components(channels, templates):
    import pysm3

    parts = [dust(templates[0]), synchrotron(templates[1])]
    nested = pysm3.Sky(nside=NSIDE, component_objects=[pysm3.Sky(nside=NSIDE, component_objects=parts[:1]), parts[1]])
    one, two = cmb.pysm_sky(channels, NSIDE, [nested]), cmb.pysm_sky(channels, NSIDE, parts)
    np.testing.assert_allclose(one.sky, two.sky, rtol=1e-12)


def test_presets_read_their_templates_from_a_folder_even_offline(channels, templates, monkeypatch, tmp_path):
    import healpy

    (tmp_path / "pysm_2").mkdir()
    for name, maps in zip(("dust", "synch"), templates, strict=True):
        for label, row in zip("tqu", maps, strict=True):
            healpy.write_map(tmp_path / "pysm_2" / f"{name}_{label}_new.fits", row, dtype=np.float64)
    monkeypatch.setenv("PYSM_LOCAL_DATA", str(tmp_path))
    with store.offline():
        made = cmb.pysm_sky(channels, NSIDE, ["d0", "s0"], stokes="QU")
    indices, at = {"temperature_dust": 20.0}, ["dust", "synchrotron"]  # of d0 and s0; 545 GHz is among the bands
    mixing = cmb.mixing_matrix(channels, components=at, indices=indices)
    in_cmb = [float(cmb.temperature_factor(nu, "K_CMB", origin="K_RJ")) for nu in (353, 23)]
    amplitudes = in_cells(templates)[:, 1:] * np.array(in_cmb)[:, None, None]
    np.testing.assert_allclose(made.sky, np.einsum("fc,csp->fsp", mixing.values, amplitudes), rtol=2e-5)
    assert made.attrs["pysm_models"] == "d0, s0" and "'d0', 's0'" in made.attrs["history"]


def test_pysm_and_separation_with_its_bands_agree_and_without_do_not(channels, templates):
    sky = cmb.pysm_sky(channels, NSIDE, [dust(templates[0]), synchrotron(templates[1])], bandpass=tables(), stokes="QU")
    depth = xr.DataArray(np.ones(6), dims="frequency", attrs={"units": "uK arcmin"})
    fit = cmb.parametric_components(sky, noise=depth, bandpass=tables())
    assert fit.value.values == pytest.approx([1.54, -3.0], abs=2e-4)
    assert float(abs(fit.amplitude.sel(emission="cmb")).max()) < 0.01  # there is none in it
    poor = cmb.parametric_components(sky, noise=depth)
    assert abs(poor.value.values - [1.54, -3.0]).max() > 0.003


# ---------------------------------------------------------------------------------------------------- refusals


def test_without_pysm_it_is_said_how_to_install_it(channels, monkeypatch):
    monkeypatch.setitem(sys.modules, "pysm3", None)
    with pytest.raises(ImportError, match="pip install pysm3"):
        cmb.pysm_sky(channels, NSIDE, ["d1"])


@pytest.mark.parametrize("model", ["d0", "d1", "s1", "f1", "c1", "co1", "d10"])
def test_templates_that_cannot_be_had_are_named_not_traced_back(channels, model, monkeypatch, tmp_path):
    from astropy.utils import data

    monkeypatch.setenv("PYSM_LOCAL_DATA", str(tmp_path))
    with data.conf.set_temp("allow_internet", False), pytest.raises(Unreachable, match="PYSM_LOCAL_DATA") as caught:
        cmb.pysm_sky(channels, NSIDE, [model])
    assert repr(model) in str(caught.value)
    with store.offline(), pytest.raises(Unreachable, match="Sankō is offline"):
        cmb.pysm_sky(channels, NSIDE, [model])


@pytest.mark.parametrize(
    ("models", "match"),
    [
        (["d99"], "did you mean .*d9"),
        (["empty"], "has no components"),
        ([], "a list of presets"),
        ("d1", "a list of presets"),
        ([5], "neither a preset"),
    ],
)
def test_models_that_are_none_are_refused(channels, models, match):
    import pysm3

    given = [pysm3.Sky(nside=NSIDE)] if models == ["empty"] else models
    with pytest.raises(BadOption, match=match):
        cmb.pysm_sky(channels, NSIDE, given)


def test_components_of_another_nside_and_negative_responses_are_refused(channels, templates):
    with pytest.raises(BadOption, match="make it with nside=8"):
        cmb.pysm_sky(channels, 8, [dust(templates[0])])
    noisy = [table - 1e-3 for table in tables()]
    with pytest.raises(WrongData, match="negative"):
        cmb.pysm_sky(channels, NSIDE, [dust(templates[0])], bandpass=noisy)
