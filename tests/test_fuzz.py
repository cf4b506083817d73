"""A file may be damaged in any way: reading it ends in data that keep the contract or in an error of ours, and soon.

The files, what is done to them, and the limits of time and memory are in mutants.py. A finding names the mutant; see
there how to make it again.
"""

import collections
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mutants
import numpy as np
import pds_products
import pytest
from astropy.io import fits as astropy_fits

from analysis import formats
from analysis.errors import AnalysisWarning, CorruptFile, UnknownFormat

ROOT = Path(mutants.__file__).resolve().parents[1]
MOST = {"hapi": 40_000, "votable": 25_000, "cdf": 20_000, "fits": 10_000, "pds": 5_000}


def run(kind, first, last):
    """Let one process after the other read mutants; return what came of them, and what should not have come."""
    came, found = collections.Counter(), []
    while first < last:
        command = [sys.executable, str(Path(mutants.__file__)), kind, str(first), str(last)]
        at = None
        with (
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process,
            ThreadPoolExecutor(1) as pool,
        ):
            errors = pool.submit(process.stderr.read)
            for line in process.stdout:
                if line[0] != "{":
                    at = int(line)
                elif "came" in (told := json.loads(line)):
                    came.update(told["came"])
                else:
                    found.append(told)
            said = errors.result()
        if process.returncode == 0:
            break
        assert at is not None, said
        found.append({"mutant": at, "problem": f"the process ended with {process.returncode}:\n{said[:3000]}"})
        came["problem"] += 1
        first = at + 1
    return came, found


def shown(kind, found):
    return "\n".join(f"{kind} {one['mutant']}: {one['problem']}" for one in found[:5])


@pytest.mark.slow
@pytest.mark.parametrize("kind", mutants.KINDS)
def test_damaged_files_give_data_that_keep_the_contract_or_typed_errors(kind):
    came, found = run(kind, 0, 100)
    assert not found, shown(kind, found)
    assert came.total() == 100
    assert 0 < came["data"] < 100  # some damage is harmless


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_hundred_thousand_damaged_files_do_so_too():
    assert sum(MOST.values()) == 100_000
    step = 2500
    jobs = [(kind, first, min(first + step, last)) for kind, last in MOST.items() for first in range(0, last, step)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        done = list(pool.map(lambda job: (job[0], *run(*job)), jobs))
    total = collections.defaultdict(collections.Counter)
    for kind, came, _ in done:
        total[kind].update(came)
    print({kind: dict(came.most_common()) for kind, came in total.items()})
    problems = [shown(kind, found) for kind, _, found in done if found]
    assert not problems, "\n".join(problems)
    # A process that ended early does not say what came of the mutants before; none did.
    assert {kind: came.total() for kind, came in total.items()} == MOST


# ------------------------------------------------------------------------------------ what it found


def packed_image(path, how="RICE_1", **cards):
    """Write a tile-compressed image, then set cards of its table, wrong or not."""
    pixels = np.arange(400, dtype="i4").reshape(20, 20)
    packed = astropy_fits.CompImageHDU(pixels, compression_type=how)
    astropy_fits.HDUList([astropy_fits.PrimaryHDU(), packed]).writeto(path)
    body = path.read_bytes()
    for key, value in cards.items():
        at = body.index(f"{key:8}=".encode())
        body = body[:at] + f"{key:8}= {value:>20}".encode().ljust(80) + body[at + 80 :]
    path.write_bytes(body)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("cards", [{"TFIELDS": 9 * 10**18}, {"ZNAXIS": 10**9}, {"ZVAL2": 65536}, {"ZVAL1": -1}])
def test_a_compressed_image_whose_header_would_lead_its_decoder_astray_is_refused(tmp_path, cards):
    assert formats.read(packed_image(tmp_path / "sound.fits")).sizes
    with pytest.raises(CorruptFile, match=r"damaged\.fits"):
        formats.read(packed_image(tmp_path / "damaged.fits", **cards))


@pytest.mark.parametrize("how", ["PLIO_1", "HCOMPRESS_1"])
def test_images_whose_decoder_writes_beyond_its_memory_are_refused(tmp_path, how):
    with pytest.raises(UnknownFormat, match=f"{how}, which cannot be unpacked safely"):
        formats.read(packed_image(tmp_path / "a.fits", how))


def test_maps_of_different_types_in_one_table_are_read(tmp_path):
    maps = np.arange(144.0).reshape(3, 48)
    kinds = zip(["TEMPERATURE", "Q_POLARISATION", "U_POLARISATION"], "EDE", maps, strict=True)
    sky = astropy_fits.BinTableHDU.from_columns([astropy_fits.Column(n, k, "mK", array=m) for n, k, m in kinds])
    sky.header.update({"PIXTYPE": "HEALPIX", "ORDERING": "RING", "NSIDE": 2, "COORDSYS": "G", "POLCCONV": "COSMO"})
    astropy_fits.HDUList([astropy_fits.PrimaryHDU(), sky]).writeto(tmp_path / "map.fits")
    with pytest.warns(AnalysisWarning):
        read = formats.read(tmp_path / "map.fits")
    found = next(iter(read.data_vars.values()))
    np.testing.assert_array_equal(np.sort(found.values, axis=-1), maps)


@pytest.mark.parametrize("place", ["within", "after"])
def test_columns_declared_where_rows_are_or_after_them_are_refused(tmp_path, place):
    field = '<FIELD name="x" datatype="int"/>'
    within, after = (field, "") if place == "within" else ("", field)
    rows = f"<TABLEDATA><TR><TD>1</TD></TR><TR>{within}<TD>2</TD></TR></TABLEDATA>"
    (tmp_path / "a.xml").write_text(
        f"<VOTABLE version='1.4'><RESOURCE><TABLE>{field}<DATA>{rows}</DATA>{after}</TABLE></RESOURCE></VOTABLE>"
    )
    with pytest.raises(CorruptFile, match=r"where rows and cells should be|declares columns after its rows"):
        formats.read(tmp_path / "a.xml")


@pytest.mark.parametrize(
    ("key", "old", "new"), [("START_BYTE", 3, 2147483647), ("ITEMS", 3, 32767), ("START_BYTE", 1, 0)]
)
def test_a_binary_table_with_columns_beyond_its_rows_is_refused(tmp_path, key, old, new):
    label = pds_products.binary_3(tmp_path, np.arange(20.0).reshape(5, 4))
    told = f"{key} = {old}\r\n".encode()
    body, made = label.read_bytes(), f"{key} = {new}\r\n".encode()
    assert told in body
    at = body.index(told)
    filled = body[:at] + made + body[at + len(told) :]
    grown = len(made) - len(told)
    label.write_bytes(filled.replace(b" " * 40, b" " * (40 - grown), 1))
    with pytest.raises(CorruptFile, match=r"ELS\.DAT"):
        formats.read(label)


@pytest.mark.parametrize("encoding", ["utf-7", "big5", "utf-32", "idna", "base64", "nonsense"])
def test_a_table_in_an_encoding_that_cannot_be_read_is_refused(tmp_path, encoding):
    (tmp_path / "a.xml").write_text(f"<?xml version='1.0' encoding='{encoding}'?><VOTABLE version='1.4'/>")
    with pytest.raises(CorruptFile, match="its text cannot be read"):
        formats.read(tmp_path / "a.xml")
