"""Small sound files of each kind, from which mutants.py makes damaged ones: names and bytes, that to be read first."""

import io
import re
import tempfile
import warnings
from pathlib import Path

import numpy as np
import xarray as xr

__all__ = ["cdf_seeds", "fits_seeds", "hapi_seeds", "pds_seeds", "votable_seeds"]


def hapi_seeds():
    from servers.hapi_answers import HapiAsked, Service
    from servers.hapi_data import examples

    datasets = {dataset.id: dataset for dataset in examples()}
    spans = {
        "everything": "2001-01-01T00:00:20Z", "gaps": "2001-01-01T01:30Z", "varying": "2001-01-01T00:00:12Z",
        "references": "2001-01-01T00:00:09Z", "days": "2001-01-09Z", "nanoseconds": "2001-01-01T00:00:00.000002Z",
    }  # fmt: skip
    for version in ("3.3", "2.0"):
        service = Service(datasets, version)
        for name, stop in spans.items():
            for form in ("csv", "binary", "json"):
                asked = f"/hapi/data?dataset={name}&start=2001-01-01Z&stop={stop}&format={form}&include=header"
                if version < "3":
                    asked = (
                        asked.replace("dataset=", "id=").replace("start=", "time.min=").replace("stop=", "time.max=")
                    )
                answer = service.answer(HapiAsked(asked, {}, 0.0))
                yield {"answer": b"".join(answer.pieces)}


def votable_seeds():
    from astropy.io import votable
    from astropy.table import MaskedColumn, Table

    table = Table(
        {
            "i2": np.arange(5, dtype="i2"),
            "i8": np.arange(5) * 10**12,
            "f4": np.arange(5, dtype="f4") / 3,
            "f8": MaskedColumn(np.arange(5) / 7, mask=[0, 1, 0, 0, 0]),
            "name": np.array(["a", "bc", "", "déf", "x"]),
            "pair": np.arange(10.0).reshape(5, 2),
            "flag": np.array([True, False, True, True, False]),
            "z": np.arange(5) * 1j,
            "ra": np.linspace(0, 300, 5),
        }
    )
    table["f8"].unit, table["ra"].unit, table["pair"].unit = "keV", "deg", "km/s"
    ragged = np.empty(5, object)
    ragged[:] = [np.ma.masked_array(np.arange(n, dtype="f4"), mask=np.zeros(n, bool)) for n in range(5)]
    wide = table.copy()
    wide["ragged"] = ragged
    for form in ("tabledata", "binary", "binary2"):
        for one in (table, wide):
            written = votable.from_table(one)
            written.get_first_table().format = form
            held = io.BytesIO()
            written.to_xml(held)
            text = held.getvalue().replace(b"<TABLE", b'<INFO name="QUERY_STATUS" value="OK"/><TABLE', 1)
            yield {"table.xml": text.replace(b'name="ra"', b'name="ra" ucd="pos.eq.ra" ref="sys"', 1)}
    fields = '<FIELD name="t" datatype="char" arraysize="*" xtype="timestamp"/>'
    fields += '<FIELD name="p" datatype="double" arraysize="2" xtype="point"/>'
    rows = "".join(f"<TR><TD>2001-01-0{n}T00:00:00Z</TD><TD>{n} {n}.5</TD></TR>" for n in range(1, 6))
    yield {
        "made.xml": (
            '<?xml version="1.0"?><VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE type='
            f'"results"><COOSYS ID="s" system="ICRS"/><PARAM name="q" datatype="int" value="5"/><TABLE nrows="5">'
            f'{fields}<DATA><TABLEDATA>{rows}</TABLEDATA></DATA></TABLE><INFO name="QUERY_STATUS" '
            'value="OVERFLOW"/></RESOURCE></VOTABLE>'
        ).encode()
    }


def _written_by_us():
    """Return a CDF of formats.write, without the day on which it was written."""
    from analysis import formats

    time = xr.Variable("time", np.datetime64("2020-01-01", "ns") + np.arange(5) * 10**9, {"long_name": "Time"})
    field = (("time", "component"), np.eye(5, 3), {"units": "nT", "long_name": "B", "frame": "GSE"})
    words = ("time", np.array(list("abcde")), {"long_name": "Mode"})
    xyz = ("component", list("xyz"), {"long_name": "Component"})
    said = dict.fromkeys(("title", "institution", "source", "references", "license", "history"), "a test")
    data = xr.Dataset({"b": field, "mode": words}, {"time": time, "component": xyz}, {**said, "provenance": "{}"})
    with tempfile.TemporaryDirectory() as folder:
        content = formats.write(data, f"{folder}/own.cdf").read_bytes()
    at = content.index(b"Generation_date")
    day = re.compile(rb"20\d{6}(?!\d)").search(content, at)
    return content[: day.start()] + b"20200101" + content[day.end() :]


def cdf_seeds():
    import pycdfpp
    from pycdfpp import DataType

    start = np.datetime64("2020-01-01", "ns")
    for packing in ("no_compression", "gzip_compression"):
        cdf = pycdfpp.CDF()
        for key, value in {"Project": "P", "Source_name": "S", "Descriptor": "D", "Data_version": "1"}.items():
            cdf.add_attribute(key, [value])
        times = start + np.arange(40) * np.timedelta64(1, "s")
        cdf.add_variable(
            "Epoch", values=times, data_type=DataType.CDF_TIME_TT2000, attributes={"VAR_TYPE": "support_data"}
        )
        told = {"DEPEND_0": "Epoch", "UNITS": "nT", "FIELDNAM": "B", "VAR_TYPE": "data", "FILLVAL": [-1e31]}
        how = {"compression": getattr(pycdfpp.CompressionType, packing)}
        cdf.add_variable(
            "B", values=np.sin(np.arange(120.0)).reshape(40, 3), attributes=told | {"LABL_PTR_1": "L"}, **how
        )
        cdf.add_variable("L", values=np.array(["Bx GSE", "By GSE", "Bz GSE"]), attributes={"VAR_TYPE": "metadata"})
        cdf.add_variable("E", values=np.arange(5.0), attributes={"VAR_TYPE": "support_data", "UNITS": "eV"})
        flux = {"DEPEND_0": "Epoch", "DEPEND_1": "E", "UNITS": "1", "FIELDNAM": "F", "VAR_TYPE": "data"}
        cdf.add_variable("F", values=np.arange(200, dtype="f4").reshape(40, 5), attributes=flux, **how)
        cdf.add_variable(
            "Q",
            values=np.arange(40, dtype="i2") % 3,
            attributes=told | {"UNITS": "1", "FILLVAL": np.array([-32768], "i2")},
        )
        with tempfile.TemporaryDirectory() as folder:
            pycdfpp.save(cdf, f"{folder}/a.cdf")
            yield {"a.cdf": Path(folder, "a.cdf").read_bytes()}
    yield {"own.cdf": _written_by_us()}
    from analysis import sample

    yield {"psp.cdf": sample.path("psp_fld_l2_mag_rtn_1min_20200104_v02.cdf").read_bytes()}


def _x_ray_files_of_ours():
    """Yield a spectrum, a response and events as formats.write makes them, small."""
    from analysis import formats, sample

    spectrum = formats.read(sample.path("ixpe_stokes_i.pha")).isel(channel=slice(9))
    with warnings.catch_warnings(action="ignore"):
        events = formats.read(sample.path("m82_acis_events.fits"))
    cut = events["events"].to_dataset().isel(event=slice(20))
    tree = xr.DataTree.from_dict({"events": cut, "gti": events["gti"].to_dataset()})
    with tempfile.TemporaryDirectory() as folder:
        for data, name in ((spectrum, "a.pha"), (tree, "a.evt")):
            yield {name: formats.write(data, f"{folder}/{name}").read_bytes()}


def fits_seeds():
    from astropy.io import fits

    from analysis import sample

    def without_sums(hdus):
        for hdu in hdus:
            for key in ("CHECKSUM", "DATASUM"):
                hdu.header.remove(key, ignore_missing=True)
        held = io.BytesIO()
        hdus.writeto(held)
        return {"a.fits": held.getvalue()}

    for name in ("ixpe_stokes_i.pha", "ixpe_du1.arf", "nicer_maxi_j1820.pha"):
        with fits.open(sample.path(name)) as hdus:
            yield without_sums(hdus)
    for name in ("m82_acis_events.fits", "xte_4u1636_events.fits.gz", "erosita_light_curve.fits"):
        with fits.open(sample.path(name)) as hdus:
            for hdu in hdus[1:]:
                hdu.data = hdu.data[:30]
            yield without_sums(hdus)
    stokes = zip(
        ["TEMPERATURE", "Q_POLARISATION", "U_POLARISATION"], np.sin(np.arange(576.0)).reshape(3, 192), strict=True
    )
    sky = fits.BinTableHDU.from_columns([fits.Column(key, "E", "mK", array=values) for key, values in stokes])
    told = {"PIXTYPE": "HEALPIX", "ORDERING": "RING", "NSIDE": 4, "FIRSTPIX": 0, "LASTPIX": 191, "COORDSYS": "G"}
    sky.header.update(told | {"POLCCONV": "COSMO", "TTYPE1": "TEMPERATURE"})
    yield without_sums(fits.HDUList([fits.PrimaryHDU(), sky]))
    ragged = np.empty(4, object)
    ragged[:] = [np.arange(n + 1, dtype="f4") for n in range(4)]
    small = [
        fits.Column("ENERG_LO", "E", "keV", array=np.arange(4.0)),
        fits.Column("ENERG_HI", "E", "keV", array=np.arange(4.0) + 1),
        fits.Column("N_GRP", "I", array=np.ones(4)),
        fits.Column("F_CHAN", "I", array=np.zeros(4)),
        fits.Column("N_CHAN", "I", array=np.arange(4) + 1),
        fits.Column("MATRIX", "PE", array=ragged),
    ]
    bounds = [fits.Column("CHANNEL", "I", array=np.arange(6))]
    bounds += [fits.Column(key, "E", "keV", array=np.arange(6.0) + n) for n, key in enumerate(["E_MIN", "E_MAX"])]
    matrix, ebounds = (
        fits.BinTableHDU.from_columns(small, name="MATRIX"),
        fits.BinTableHDU.from_columns(bounds, name="EBOUNDS"),
    )
    matrix.header.update({"HDUCLAS1": "RESPONSE", "HDUCLAS2": "RSP_MATRIX", "TLMIN4": 0})
    yield without_sums(fits.HDUList([fits.PrimaryHDU(), matrix, ebounds]))
    from ogip_files import chandra_gratings, response

    yield without_sums(fits.HDUList([fits.PrimaryHDU(), chandra_gratings(n=3, channels=8)[0]]))
    for shift in (0.0, 1.0):
        core, bounds = response([2, 3], [2, 2], [[0.5, 0.25]] * 2)
        tail, _ = response([0], [3], [[0.0625, 0.125, 0.0625]])
        tail.data["ENERG_HI"] += shift
        yield without_sums(fits.HDUList([fits.PrimaryHDU(), core, tail, bounds]))
    yield from _x_ray_files_of_ours()
    for how, kind in (("RICE_1", "i4"), ("RICE_1", "f4"), ("GZIP_1", "i4"), ("GZIP_2", "f4")):
        pixels = np.arange(400).reshape(20, 20).astype(kind) ** 1.5
        packed = fits.CompImageHDU(pixels.astype(kind), name="IMAGE", compression_type=how, quantize_level=16)
        yield without_sums(fits.HDUList([fits.PrimaryHDU(), packed]))
    yield without_sums(
        fits.HDUList([fits.PrimaryHDU(np.arange(60.0).reshape(6, 10)), fits.ImageHDU(np.arange(9, dtype="i2"))])
    )


def pds_seeds():
    from pds_products import binary_3, product_4, table_3

    values = np.arange(20.0).reshape(5, 4)
    for make in (table_3, product_4, lambda folder: binary_3(folder, values)):
        with tempfile.TemporaryDirectory() as folder:
            label = make(Path(folder))
            held = {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}
            yield {label.name: held.pop(label.name)} | held
