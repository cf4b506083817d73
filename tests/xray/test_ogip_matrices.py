"""Responses in several matrices: their sum is the response, on whatever energy grids they stand, or they are refused.

CAL/GEN/92-002 (2020 December 8), sections 2.1 and 3: one part on fine energy bins, another on coarse ones that are sums
of the fine ones; EXTVER numbers the extensions. XRISM Resolve's large responses are of this kind; no real one may be
passed on with the tests.
"""

import numpy as np
import pytest
import xarray as xr
from astropy.io import fits
from ogip_files import dense, response, write

from analysis import formats, xray
from analysis.errors import BadOption, CorruptFile, UnknownFormat, WrongData
from analysis.model import check

CORE = [[0.5, 0.25], [0.5, 0.25], [0.5, 0.25], [0.5, 0.25]]


def sparse(made):
    """Return what xray.response made as a matrix (energy, channel)."""
    full = np.zeros((made.sizes["energy"], made.sizes["channel"]))
    energy = np.repeat(np.arange(full.shape[0]), np.diff(np.append(made.first_element.values, made.matrix.size)))
    np.add.at(full, (energy, made.channel_index.values), made.matrix.values)
    return full


def on(hdu, low, high, **keywords):
    """Return a matrix extension on other energies."""
    hdu.data["ENERG_LO"], hdu.data["ENERG_HI"] = low, high
    hdu.header.update(keywords)
    return hdu


@pytest.fixture
def split(tmp_path):
    """A Resolve-like file: a core on 4 fine bins, a tail to channel 0 on 2 coarse ones, and the sum by hand."""
    core, bounds = response([2, 3, 4, 4], [2, 2, 2, 2], CORE, EXTVER=1)
    tail, _ = response([0, 0], [3, 5], [[0.1, 0.1, 0.05], [0.05] * 5], EXTVER=2)
    on(tail, [0.0, 2.0], [2.0, 4.0])
    expected = np.zeros((4, 6))
    for k, first in enumerate([2, 3, 4, 4]):
        expected[k, first : first + 2] = CORE[k]
    expected[:2, :3] += np.float32([0.1, 0.1, 0.05])
    expected[2:, :5] += np.float32(0.05)
    return write(tmp_path / "xl.rmf", core, tail, bounds), expected


def test_matrices_on_different_energies_are_a_tree_whose_sum_is_the_response(split):
    path, expected = split
    read = formats.read(path)
    assert isinstance(read, xr.DataTree) and list(read.children) == ["matrix_1", "matrix_2"]
    assert [node.sizes["energy"] for node in read.children.values()] == [4, 2]
    made = xray.response(read)
    np.testing.assert_allclose(sparse(made), expected, rtol=1e-12)
    assert made.sizes["energy"] == 4 and made.matrix.attrs["units"] == "1"
    check(made)


def test_the_sum_folds_as_the_parts_do_each_on_its_own_energies(split):
    path, _ = split
    read = formats.read(path)
    area = np.array([100.0, 200.0, 50.0, 400.0])
    first = read["matrix_1"].to_dataset()
    arf = first[["energy_low", "energy_high"]].assign(
        effective_area=("energy", area, {"units": "cm2", "long_name": "Effective area"})
    )
    flux = np.array([1.0, 0.5, 2.0, 0.25])
    photons = xr.DataArray(flux, dims="energy", attrs={"units": "ph cm-2 s-1", "long_name": "Flux"})
    rate = xray.folded(photons, rmf=xray.response(read, arf=arf)).values
    coarse = (flux * area).reshape(2, 2).sum(axis=1)  # the flux through the area, summed in the coarse bins
    apart = (flux * area) @ dense(first) + coarse @ dense(read["matrix_2"].to_dataset())
    np.testing.assert_allclose(rate, apart, rtol=1e-12)


def test_matrices_on_one_energy_grid_are_summed_at_once(tmp_path):
    one, bounds = response([2, 3], [2, 2], [[0.4, 0.1], [0.4, 0.1]])
    two, _ = response([0, 3], [3, 1], [[0.1, 0.1, 0.2], [0.3]])
    read = formats.read(write(tmp_path / "a.rmf", one, two, bounds))
    assert isinstance(read, xr.Dataset) and read.sizes["group"] == 4
    assert "the sum of 2 matrices" in read.attrs["history"]
    expected = np.float32([[0.1, 0.1, 0.6, 0.1, 0, 0], [0, 0, 0, 0.7, 0.1, 0]])
    np.testing.assert_allclose(dense(read), expected, rtol=1e-6)
    made = xray.response(read)
    np.testing.assert_allclose(sparse(made), expected, rtol=1e-6)
    assert made.sizes["element"] == 6  # where groups overlap there is one element
    assert (np.diff(made.channel_index.values[:4]) > 0).all()


def test_matrices_that_count_a_photon_twice_are_not_summed_unasked(tmp_path):
    one, bounds = response([2], [2], [[0.5, 0.5]])
    two, _ = response([1], [2], [[0.5, 0.5]])
    path = write(tmp_path / "a.rmf", one, two, bounds)
    with pytest.raises(UnknownFormat, match=r"\[1\].*\[2\].*2\.00 times.*'matrices'"):
        formats.read(path)
    second = formats.read(path, assume={"matrices": "2"})
    assert second.first_channel.values.tolist() == [1] and "matrix 2 of 2" in second.attrs["history"]
    both = formats.read(path, assume={"matrices": "sum"})
    np.testing.assert_allclose(dense(both), [[0, 0.5, 1.0, 0.5, 0, 0]])


@pytest.mark.parametrize("told", ["3", "0", "all"])
def test_a_matrix_that_is_not_there_is_refused(tmp_path, told):
    one, bounds = response([2], [2], [[0.5, 0.5]])
    two, _ = response([1], [2], [[0.5, 0.5]])
    with pytest.raises(BadOption, match="'1' to '2'"):
        formats.read(write(tmp_path / "a.rmf", one, two, bounds), assume={"matrices": told})


def test_matrices_of_different_times_are_alternatives(tmp_path):
    """Fermi GBM's .rsp2 holds a response for each time; summed they would be a response of nothing."""
    rows = [
        response([2], [1], [[50.0]], HDUCLAS3="FULL", RSP_NUM=k, TSTART=10.0 * k, TSTOP=10.0 * k + 10) for k in (1, 2)
    ]
    path = write(tmp_path / "gbm.rsp2", rows[0][1], rows[0][0], rows[1][0])
    with pytest.raises(UnknownFormat, match="different times"):
        formats.read(path)
    assert formats.read(path, assume={"matrices": "1"}).matrix.values.tolist() == [50.0]


def test_an_area_in_one_matrix_only_is_refused(tmp_path):
    one, bounds = response([2], [1], [[0.5]])
    two, _ = response([2], [1], [[50.0]], HDUCLAS3="FULL")
    with pytest.raises(UnknownFormat, match="effective area"):
        formats.read(write(tmp_path / "a.rmf", one, two, bounds))


def test_coarse_bins_that_are_no_sums_of_fine_ones_are_refused(tmp_path):
    core, bounds = response([2, 3, 4, 4], [2, 2, 2, 2], CORE)
    tail, _ = response([0, 0], [1, 1], [[0.1], [0.1]])
    on(tail, [0.0, 2.5], [2.5, 4.0])
    read = formats.read(write(tmp_path / "a.rmf", core, tail, bounds))
    with pytest.raises(WrongData, match="whole bins of the finest"):
        xray.response(read)


def test_a_coarse_bin_beyond_the_fine_ones_is_refused(tmp_path):
    core, bounds = response([2, 3, 4, 4], [2, 2, 2, 2], CORE)
    tail, _ = response([0, 0], [1, 1], [[0.1], [0.1]])
    on(tail, [0.0, 2.0], [2.0, 8.0])
    with pytest.raises(WrongData, match="whole bins"):
        xray.response(formats.read(write(tmp_path / "a.rmf", core, tail, bounds)))


def test_a_sum_too_large_to_hold_is_refused_before_it_is_made(split, monkeypatch):
    monkeypatch.setattr("analysis.xray.matrices.MOST_ELEMENTS", 20)
    with pytest.raises(WrongData, match=r"elements.*rmf\['matrix_1'\]"):
        xray.response(formats.read(split[0]))


def test_matrices_with_other_channels_or_units_are_no_parts_of_one_response(split):
    read = formats.read(split[0])
    other = read["matrix_2"].to_dataset().assign_coords(channel=read["matrix_2"]["channel"] + 1)
    with pytest.raises(WrongData, match="different channels"):
        xray.response(xr.DataTree.from_dict({"matrix_1": read["matrix_1"].to_dataset(), "matrix_2": other}))
    other = read["matrix_2"].to_dataset()
    other["matrix"] = other["matrix"].assign_attrs(units="cm2")
    with pytest.raises(WrongData, match="cm2"):
        xray.response(xr.DataTree.from_dict({"matrix_1": read["matrix_1"].to_dataset(), "matrix_2": other}))


def test_synthetic_parts_make_a_synthetic_response(split):
    read = formats.read(split[0])
    parts = {name: node.to_dataset() for name, node in read.children.items()}
    parts["matrix_2"].attrs["synthetic"] = "true"
    assert xray.response(xr.DataTree.from_dict(parts)).attrs["synthetic"] == "true"


def test_a_response_in_parts_is_written_and_read_back(split, tmp_path):
    read = formats.read(split[0])
    path = formats.write(read, tmp_path / "again.rmf")
    assert formats.read(path).identical(read)
    with fits.open(path, checksum=True) as hdus:
        assert [h.header.get("EXTVER") for h in hdus if h.name == "MATRIX"] == [1, 2]
        assert sum(h.name == "EBOUNDS" for h in hdus) == 1


def test_a_summed_response_is_written_as_one(tmp_path):
    one, bounds = response([2, 3], [2, 2], [[0.4, 0.1], [0.4, 0.1]])
    two, _ = response([0, 3], [3, 1], [[0.1, 0.1, 0.2], [0.3]])
    read = formats.read(write(tmp_path / "a.rmf", one, two, bounds))
    again = formats.read(formats.write(read, tmp_path / "b.rmf"))
    np.testing.assert_array_equal(dense(again), dense(read))
    assert again.identical(read)


def test_a_tree_of_something_else_is_no_response(ulx):
    with pytest.raises(WrongData, match="children"):
        xray.response(ulx)


def test_one_energy_bin_is_enough(tmp_path):
    core, bounds = response([2], [2], [[0.5, 0.25]])
    tail, _ = response([0], [2], [[0.125, 0.125]])
    read = formats.read(write(tmp_path / "a.rmf", core, tail, bounds))
    np.testing.assert_allclose(sparse(xray.response(read)), [[0.125, 0.125, 0.5, 0.25, 0, 0]])


def test_a_part_without_ebounds_is_refused(tmp_path):
    core, _ = response([2], [2], [[0.5, 0.25]])
    with pytest.raises(CorruptFile, match="EBOUNDS"):
        formats.read(write(tmp_path / "a.rmf", core, core.copy()))
