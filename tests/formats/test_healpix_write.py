"""HEALPix maps written to FITS and read again, and multi-order maps."""

import numpy as np
import pytest
import xarray as xr
from astropy.io import fits as astropy_fits

from analysis import cmb, formats
from analysis.errors import AnalysisWarning, BadOption, CorruptFile, UnknownFormat, WrongData
from analysis.formats._healpixorders import levels_of
from analysis.model import check

UNSEEN = -1.6375e30


@pytest.fixture(scope="module")
def w_band():
    return cmb.fetch("wmap7_w_iqu")


@pytest.fixture
def part(w_band):
    """Return a part of a sky with one cell that was not observed."""
    cut = w_band.isel(cells=slice(100, 2000)).copy(deep=True)
    cut["sky"] = cut.sky.where(cut.cell_ids != 150).assign_attrs(cut.sky.attrs)
    seen = ~np.isnan(cut.sky.values).any(axis=0)
    cut["mask"] = ("cells", seen, {"units": "1", "long_name": "Observed (True) or not"})
    return cut


def bare(path, target):
    """Copy a file without the extension that Sankō alone reads."""
    with astropy_fits.open(path) as hdus:
        astropy_fits.HDUList([h.copy() for h in hdus if h.name != "XARRAY"]).writeto(target)
    return target


@pytest.mark.parametrize("ordering", [None, "NESTED", "RING"])
def test_a_whole_sky_comes_back_as_it_was(tmp_path, w_band, ordering):
    path = formats.write(w_band, tmp_path / "w.fits", ordering=ordering)
    assert formats.read(path).identical(w_band)
    header = astropy_fits.getheader(path, 1)
    stated = {k: header[k] for k in ("PIXTYPE", "ORDERING", "NSIDE", "INDXSCHM", "COORDSYS", "POLCCONV", "TUNIT1")}
    wanted = {"PIXTYPE": "HEALPIX", "ORDERING": ordering or "NESTED", "NSIDE": 32, "INDXSCHM": "IMPLICIT"}
    assert stated == {**wanted, "COORDSYS": "G", "POLCCONV": "COSMO", "TUNIT1": "mK_CMB"}
    with astropy_fits.open(path, checksum=True) as hdus, np.errstate(all="raise"):
        assert [h.verify_checksum() for h in hdus] == [1] * len(hdus)


@pytest.mark.parametrize("ordering", ["NESTED", "RING"])
@pytest.mark.parametrize("suffix", ["fits", "fits.gz"])
def test_a_part_of_the_sky_comes_back_as_it_was(tmp_path, part, ordering, suffix):
    path = formats.write(part, tmp_path / f"p.{suffix}", ordering=ordering)
    assert formats.read(path).identical(part)
    raw = astropy_fits.getdata(path, 1)
    assert raw.names[0] == "PIXEL" and (np.diff(raw["PIXEL"]) > 0).all()
    assert (raw["I_STOKES"] == np.float32(UNSEEN)).sum() == 1


@pytest.mark.parametrize("ordering", ["NESTED", "RING"])
def test_the_keywords_alone_say_the_same(tmp_path, part, ordering):
    path = bare(formats.write(part, tmp_path / "p.fits", ordering=ordering), tmp_path / "bare.fits")
    read = formats.read(path)
    np.testing.assert_array_equal(read.sky, part.sky)
    np.testing.assert_array_equal(read.cell_ids, part.cell_ids)
    for name in ("frame", "polconv", "temperature_scale"):
        assert read.attrs[name] == part.attrs[name]
    assert read.sky.attrs["units"] == part.sky.attrs["units"] and "synthetic" not in read.attrs


def test_simulated_stays_simulated_and_iau_stays_iau(tmp_path, w_band):
    made = cmb.to_polconv(w_band, "IAU").assign_attrs(synthetic="true", frame="ecliptic", temperature_scale="K_RJ")
    path = bare(formats.write(made, tmp_path / "s.fits"), tmp_path / "bare.fits")
    read = formats.read(path)
    kept = ("synthetic", "polconv", "frame", "temperature_scale")
    assert [read.attrs[k] for k in kept] == ["true", "IAU", "ecliptic", "K_RJ"]
    np.testing.assert_array_equal(read.sky.sel(stokes="U"), -w_band.sky.sel(stokes="U"))


def test_cells_in_any_order_are_written_in_ascending_order(tmp_path, part):
    mixed = part.isel(cells=np.random.default_rng(1).permutation(part.sizes["cells"]))
    assert formats.read(formats.write(mixed, tmp_path / "m.fits")).identical(part)


def test_masks_and_other_columns_are_written(tmp_path, w_band):
    made = w_band.assign(hits=("cells", np.arange(12288, dtype=np.int32), {"units": "1", "long_name": "Looks"}))
    read = formats.read(formats.write(made, tmp_path / "h.fits", ordering="RING"))
    assert read.identical(made) and read.hits.dtype == np.int32
    mask = cmb.fetch("wmap7_mask")
    assert formats.read(formats.write(mask, tmp_path / "mask.fits", ordering="RING")).identical(mask)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (lambda w: w.assign_attrs(frame="rotated"), WrongData, "frame='rotated'"),
        (lambda w: w.assign_attrs(polconv="ESO"), WrongData, "polconv='ESO'"),
        (lambda w: w.isel(stokes=[0, 1]), WrongData, "I, or Q and U"),
        (lambda w: w.isel(cells=[5, 5, 6]), WrongData, "twice"),
        (lambda w: w.expand_dims(frequency=2), WrongData, "frequency"),
        (lambda w: w.assign(Hits=("cells", np.ones(12288), {"units": "1", "long_name": "H"})), WrongData, "Hits"),
    ],
)
def test_what_a_map_in_fits_cannot_say_is_refused(tmp_path, w_band, change, error, match):
    with pytest.raises(error, match=match):
        formats.write(change(w_band), tmp_path / "w.fits")
    assert not list(tmp_path.iterdir())


def test_a_tree_of_maps_is_for_netcdf(tmp_path, w_band):
    with pytest.raises(WrongData, match=r"one map, .*\.nc"):
        formats.write(cmb.pyramid(w_band), tmp_path / "w.fits")


def test_a_sky_of_zeros_and_ones_stays_a_sky(tmp_path, w_band):
    flags = (w_band.sky[:1] > 0).astype(np.float32).assign_attrs(w_band.sky.attrs | {"units": "1"})
    made = w_band.isel(stokes=[0]).assign(sky=flags).assign_attrs(temperature_scale="none")
    assert formats.read(formats.write(made, tmp_path / "s.fits")).identical(made)


def test_an_ordering_is_of_maps_in_fits(tmp_path, w_band):
    with pytest.raises(BadOption, match="neither 'NESTED' nor 'RING'"):
        formats.write(w_band, tmp_path / "w.fits", ordering="nest")
    with pytest.raises(BadOption, match="HEALPix maps in FITS"):
        formats.write(w_band, tmp_path / "w.nc", ordering="RING")


# ------------------------------------------------------------------------------------------ several orders


def multi(path, uniq, columns, **keywords):
    fields = [astropy_fits.Column("UNIQ", "K", array=uniq)]
    fields += [astropy_fits.Column(n, "D", unit, array=v) for n, (v, unit) in columns.items()]
    hdu = astropy_fits.BinTableHDU.from_columns(fields)
    hdu.header.update({"PIXTYPE": "HEALPIX", "ORDERING": "NUNIQ", "COORDSYS": "C", **keywords})
    astropy_fits.HDUList([astropy_fits.PrimaryHDU(), hdu]).writeto(path)
    return path


@pytest.fixture
def several(tmp_path):
    """Return a density on the whole sky: face 0 in four cells, the last of them in four; faces 1 to 11 whole."""
    uniq = np.array([*range(5, 16), 16, 17, 18, *range(64 + 12, 64 + 16)])
    return multi(tmp_path / "sky.fits", uniq, {"PROBDENSITY": (np.arange(18.0), "sr-1")}, MOCORDER=2)


def test_a_multi_order_map_keeps_the_order_of_each_cell(several, tmp_path):
    data = check(formats.read(several))
    assert data.level.values.tolist() == [1, 1, 1, 2, 2, 2, 2] + [0] * 11
    assert data.probdensity.values.tolist() == [11, 12, 13, 14, 15, 16, 17, *range(11)]
    assert data.attrs["frame"] == "icrs" and data.probdensity.attrs["units"] == "sr-1"
    area = np.pi / 3 / 4.0**data.level
    assert float(area.sum()) == pytest.approx(4 * np.pi)
    assert formats.read(formats.write(data, tmp_path / "again.fits")).identical(data)
    alone = formats.read(bare(tmp_path / "again.fits", tmp_path / "bare.fits"))
    np.testing.assert_array_equal(alone.probdensity, data.probdensity)


@pytest.mark.parametrize("level", [0, 3, 10, 20, 29])
def test_uniq_names_order_and_cell(level):
    numbers = np.array([0, 1, 12 * 4**level - 1])
    found = levels_of(4 * 4**level + numbers)
    assert found[0].tolist() == [level] * 3 and found[1].tolist() == numbers.tolist()


def test_a_coverage_is_a_mask(tmp_path):
    path = multi(tmp_path / "moc.fits", np.array([4, 17, 24]), {})
    with pytest.raises(CorruptFile, match="lies in another"):
        formats.read(path)
    data = formats.read(multi(tmp_path / "fine.fits", np.array([4, 16 + 4, 16 + 5]), {}))
    assert data.mask.values.all() and data.level.values.tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("uniq", "match"), [([3], "begin at 4"), ([4, 4], "twice"), ([2**62 + 12 * 4**29], "no cells"), ([], "none")]
)
def test_numbers_that_are_no_cells_are_refused(tmp_path, uniq, match):
    with pytest.raises(CorruptFile, match=match):
        formats.read(multi(tmp_path / "bad.fits", np.array(uniq, np.int64), {"T": (np.ones(len(uniq)), "K")}))


def test_ranges_and_orderings_of_multi_order_maps_are_refused(tmp_path, several):
    with pytest.raises(UnknownFormat, match=r"multi-order coverage \(MOC\)"):
        formats.read(multi(tmp_path / "range.fits", np.array([4]), {}, ORDERING="RANGE"))
    with pytest.raises(BadOption, match="ordering"):
        formats.read(several, assume={"ordering": "RING"})
    with pytest.raises(BadOption, match="have none"):
        formats.write(formats.read(several), tmp_path / "x.fits", ordering="RING")


def test_a_multi_order_map_that_states_no_frame_is_guessed_aloud(tmp_path):
    path = multi(tmp_path / "m.fits", np.arange(4, 16), {"I_STOKES": (np.ones(12), "uK_CMB")}, COORDSYS="")
    with pytest.warns(AnalysisWarning, match="frame = 'galactic'"):
        data = formats.read(path)
    assert isinstance(data, xr.Dataset) and data.sky.dims == ("stokes", "cell")
