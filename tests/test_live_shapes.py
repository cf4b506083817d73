"""X-ray and CMB products of file trees: folders laid out as the archives' are, files with headers like theirs."""

import dataclasses
import json
import re
from pathlib import Path
from urllib.parse import urlsplit

import archive_files as made
import numpy as np
import pytest
from servers.archive import Archive
from servers.tree import Tree

from analysis import cmb, sample, xray
from analysis.catalogue import declared
from analysis.errors import BadOption, OutsideCoverage, UnknownFormat, WrongData
from analysis.formats import read
from analysis.model import breaches, provenance_of

pytestmark = [pytest.mark.server, pytest.mark.slow]

MAPS = {
    "planck_hfi_map": made.planck_band,
    "planck_353_map": made.planck_band,
    "planck_lfi_map": lambda: made.planck_band("K_CMB"),
    "planck_hfi_map_pla": made.planck_band,
    "planck_common_mask": made.planck_mask,
    "planck_galactic_masks": made.planck_galactic_masks,
    "planck_hfi_rimo": made.planck_rimo,
    "wmap9_ilc": made.wmap_ilc,
    "wmap9_mask": made.wmap_mask,
    "act_planck_coadd": made.act_band,
}


SPECTRUM = re.compile("planck_(tt|te|ee)_(binned|full)")


def of_files(field):
    found = declared._declared(field).items()
    return [name for name, product in found if product.source and product.source.archive == "files"]


@pytest.fixture
def tree(monkeypatch, tmp_path):
    """Serve file trees, and let each product of theirs be asked for there instead of at its archive."""
    monkeypatch.setenv("SANKO_HOME", str(tmp_path / "store"))
    with Tree() as server:
        tables = {}
        for field in declared.FIELDS:
            tables[field] = {name: _moved(product, server.url) for name, product in declared._declared(field).items()}
        monkeypatch.setattr(declared, "_declared", lambda field: tables[field])
        yield server


def _moved(product, home):
    if product.source is None or product.source.archive != "files":
        return product
    there = {node: _elsewhere(template, home) for node, template in product.source.templates.items()}
    source = dataclasses.replace(
        product.source, templates=there, template=_elsewhere(product.source.template or "", home)
    )
    return dataclasses.replace(product, source=source)


def _elsewhere(template, home):
    return home + template.partition(urlsplit(template).netloc)[2] if template else template


def put(server, field, name, body, **fields):
    """Put a file where a product of a field will look for it; wildcards stand for something."""
    source = declared.product(field, name).source
    for template in source.templates.values() if source.templates else [source.template]:
        path = template.removeprefix(server.url)
        path = re.sub(r"\{frequency(:[^}]*)?\}", lambda m: format(fields["frequency"], (m[1] or ":")[1:]), path)
        path = re.sub(r"\{start:([^}]*)\}", lambda m: np.datetime64(fields["start"]).item().strftime(m[1]), path)
        path = re.sub(r"\{obsid:\[(-?\d*)(:?)(-?\d*)\]\}", lambda m: cut(fields["obsid"], *m.groups()), path)
        path = path.replace("{obsid}", fields.get("obsid", ""))
        if "product-action?" in path:
            Archive.add(server, path, body)  # no folder lists it
        else:
            server.add(path.replace("evt*", "evt.gz").replace("*", "001").replace("?", "b"), body)


def cut(text, first, colon, last):
    if not colon:
        return text[int(first)]
    return text[int(first) if first else None : int(last) if last else None]


# ------------------------------------------------------------------------------------------ maps


@pytest.mark.parametrize("name", [name for name in of_files("cmb") if not SPECTRUM.fullmatch(name)])
def test_each_map_that_is_declared_keeps_the_contract(tree, name):
    body = MAPS.get(name, made.wmap_iqu if name.startswith("wmap9") else made.planck_cmb)()
    example = dict(declared.product("cmb", name).source.example)
    put(tree, "cmb", name, body, **example)
    data = cmb.fetch(name, **example)
    assert breaches(data) == []
    if name == "planck_hfi_rimo":
        assert data["bandpass_f143"].wavenumber.attrs["units"] == "1/cm"
        return
    assert provenance_of(data)["urls"][0].startswith(tree.url)
    assert data.attrs["nside"] == made.NSIDE
    assert cmb.fetch(name, nside=4, **example).sizes["cells"] == 192
    assert data.attrs["frame"] == ("icrs" if name.startswith("act") else "galactic")
    if "sky" in data:
        assert data.attrs["polconv"] == ("IAU" if name.startswith("act") else "COSMO")
        assert data.attrs["temperature_scale"] == "K_CMB"
        assert data.stokes.values.tolist() == (["I"] if name == "wmap9_ilc" else ["I", "Q", "U"])


@pytest.mark.parametrize("name", [name for name in of_files("cmb") if SPECTRUM.fullmatch(name)])
def test_each_measured_spectrum_that_is_declared_is_read_as_what_it_is(tree, name):
    label, form = name.split("_")[1:]
    put(tree, "cmb", name, made.planck_spectrum(label.upper(), binned=form == "binned"))
    data = cmb.fetch(name)
    assert breaches(data) == [] and data.spectrum.values.tolist() == [label.upper()]
    assert data.dl.attrs["units"] == "uK2" and ("bin" in data.dims) == (form == "binned")
    assert provenance_of(data)["urls"][0].startswith(tree.url)


def test_te_that_comes_under_the_name_of_ee_is_refused(tree):
    put(tree, "cmb", "planck_ee_binned", made.planck_spectrum("TE", binned=True))
    with pytest.raises(WrongData, match="TE"):
        cmb.fetch("planck_ee_binned")


def test_a_band_of_planck_has_units_on_its_covariances_and_no_number_where_nothing_was_seen(tree):
    put(tree, "cmb", "planck_hfi_map", made.planck_band(), frequency="143")
    sky = cmb.fetch("planck_hfi_map", frequency=143)
    assert (sky.sky.units, sky.sky.attrs["frequency"], sky.qu_cov.units) == ("K", "143 GHz", "K^2")
    assert np.isnan(sky.sky.values[:, 5]).all() and not sky.mask.values[5] and sky.mask.values.sum() == made.CELLS - 1
    put(tree, "cmb", "planck_hfi_map", made.planck_band("MJy/sr", polarized=False), frequency="545")
    dust = cmb.fetch("planck_hfi_map", frequency="545 GHz")
    assert (dust.sky.units, dust.ii_cov.units, dust.attrs["temperature_scale"]) == ("MJy/sr", "MJy2/sr2", "intensity")


def test_the_weights_beside_wmaps_map_are_variables_of_it(tree):
    put(tree, "cmb", "wmap9_k_iqu", made.wmap_iqu())
    sky = cmb.fetch("wmap9_k_iqu")
    assert {"n_obs", "weight_arrays_n_obs", "qq", "qu", "uu"} <= set(sky.data_vars)
    assert sky.sky.units == "mK" and sky.sky.attrs["frequency"] == "23 GHz"


def test_several_maps_of_the_sky_in_one_file_are_still_refused(tmp_path):
    two = [made.healpix([("I_STOKES", "E", "K_CMB", made.noise(n))], f"MAP{n}", **made.PLANCK) for n in range(2)]
    (tmp_path / "two.fits").write_bytes(made.packed(*two))
    with pytest.raises(UnknownFormat, match="holds 2 maps"):
        read(tmp_path / "two.fits")


@pytest.mark.parametrize("units", [("K_CMB", "K_RJ"), ("K", "mK"), ("K_CMB", "MJy/sr")])
def test_stokes_parameters_in_different_units_or_scales_are_refused(tmp_path, units):
    columns = [(f"{n}_STOKES", "E", unit, made.noise()) for n, unit in zip("IQU", (*units, units[1]), strict=True)]
    (tmp_path / "map.fits").write_bytes(made.packed(made.healpix(columns, "MAP", **made.PLANCK)))
    with pytest.raises(UnknownFormat, match="different"):
        read(tmp_path / "map.fits")


def test_a_file_of_several_masks_comes_out_coarser_each_kept_where_all_of_it_was(tree):
    put(tree, "cmb", "planck_galactic_masks", made.planck_galactic_masks())
    fine, coarse = cmb.fetch("planck_galactic_masks"), cmb.fetch("planck_galactic_masks", nside=4)
    assert list(coarse.data_vars) == list(fine.data_vars) == ["gal020", "gal060", "gal099"]
    for name in fine.data_vars:
        assert (coarse[name].values == fine[name].values.reshape(192, -1).all(axis=1)).all()


def test_the_cmb_notebook_runs_on_what_lambda_has(tree):
    for band in "vw":
        shipped = cmb.fetch(f"wmap7_{band}_iqu")
        put(tree, "cmb", f"wmap9_{band}_iqu", made.wmap_iqu(list(shipped.sky.values), nside=32))
    path = Path(__file__).parents[1] / "notebooks" / "cmb" / "01_wmap_polarization.ipynb"
    names = {"display": lambda *_: None}
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            switch = "parameters" in cell["metadata"].get("tags", [])
            exec(compile("LIVE = True" if switch else "".join(cell["source"]), "cell", "exec"), names)
    assert provenance_of(names["w"])["query"]["product"] == "wmap9_w_iqu"
    np.testing.assert_array_equal(names["w"].sky.values, cmb.fetch("wmap7_w_iqu").sky.values)


# ------------------------------------------------------------------------------------------ events


@pytest.mark.parametrize("name", of_files("xray"))
def test_each_event_list_that_is_declared_is_found_where_the_archive_keeps_it(tree, name):
    product = declared.product("xray", name)
    example = dict(product.source.example)
    put(tree, "xray", name, made.events(example.get("obsid", "754"), example.get("start", "2000-08-14")), **example)
    tree_ = xray.fetch(name, **example)
    assert breaches(tree_) == []
    lists = [node for node in tree_.subtree if node.name == "events"]
    assert len(lists) == max(1, len(product.source.templates))
    assert all(node.sizes["event"] == 500 and provenance_of(node)["urls"][0].startswith(tree.url) for node in lists)


def test_events_around_a_target_may_come_without_their_positions(tree):
    put(tree, "xray", "chandra_events", sample.path("msh1552_acis_events.fits.gz").read_bytes(), obsid="754")
    circle = {"target": "228.482 -59.136", "radius": "30 arcsec"}
    whole = xray.fetch("chandra_events", obsid=754, **circle)
    cut_ = xray.fetch("chandra_events", obsid=754, variables=["energy"], **circle)
    assert set(cut_["events"].data_vars) == {"energy"}
    assert cut_["events"].sizes["event"] == whole["events"].sizes["event"] == 14333


def test_a_tile_of_erosita_is_its_own_though_its_header_has_a_prefix(tree):
    put(tree, "xray", "erosita_tile_events", made.events("em01_134135"), obsid="134135")
    assert xray.fetch("erosita_tile_events", obsid="134135")["events"].sizes["event"] == 500
    put(tree, "xray", "erosita_tile_events", made.events("em01_134135"), obsid="134138")
    with pytest.raises(OutsideCoverage, match="not 134138"):
        xray.fetch("erosita_tile_events", obsid="134138")


@pytest.mark.parametrize("obsid", ["", "  ", "7\n54", True, 754.0, b"754"])
def test_what_is_no_observation_is_refused_before_anyone_is_asked(tree, obsid):
    with pytest.raises(BadOption, match="is no observation"):
        xray.fetch("chandra_events", obsid=obsid)
    assert tree.asked == []
