"""Tar and zip files: unpacked whole into the store, or refused with nothing left behind."""

import bz2
import gzip
import io
import lzma
import shutil
import struct
import tarfile
import threading
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis import store
from analysis.archives.packed import members, unpacked
from analysis.errors import AnalysisError, BadOption, CorruptFile, MissingFile, StoreError, UnknownFormat, UnsafeArchive

pytestmark = pytest.mark.slow  # together some seconds: the quick tier leaves them out

FILES = {"odf/a.fits": b"a" * 5000, "odf/deep/b.txt": b"", "ü c.dat": bytes(range(256)) * 700}
PACKERS = {"tar": lambda data: data, "gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


@pytest.fixture(autouse=True)
def fresh_home(tmp_path, monkeypatch):
    home = tmp_path / "home"
    monkeypatch.setenv("SANKO_HOME", str(home))
    return home


def tar(*told, format=tarfile.PAX_FORMAT, end=True):
    """Return a tar of (name, content) pairs or ready headers."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=format) as packed:
        for item in told:
            if isinstance(item, tarfile.TarInfo):
                packed.addfile(item)
                continue
            header = tarfile.TarInfo(item[0])
            header.size, header.mtime = len(item[1]), 1_600_000_000
            packed.addfile(header, io.BytesIO(item[1]))
        length = packed.offset
    return made.getvalue() if end else made.getvalue()[:length]


def header(name, kind, target=""):
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


def zipped(*told, how=zipfile.ZIP_DEFLATED):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", how) as packed:
        for name, content in told:
            packed.writestr(name, content)
    return made.getvalue()


def held(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def nothing_left(home):
    return [path for path in home.rglob("*") if path.is_file() and "locks" not in path.parts] == [] and not list(
        home.glob("unpacked/tmp/*")
    )


def refused(tmp_path, fresh_home, content, wrong, says, **told):
    path = tmp_path / "packed"
    path.write_bytes(content)
    with pytest.raises(wrong, match=says) as refusal:
        unpacked(path, **told)
    assert str(path) in str(refusal.value)
    assert nothing_left(fresh_home)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["home", "packed"]


# ------------------------------------------------------------------------------------------------------------ honest


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("packer", PACKERS)
def test_a_tar_is_unpacked_as_it_is(tmp_path, packer, format):
    path = tmp_path / "name.that.says.nothing"
    path.write_bytes(PACKERS[packer](tar(header("odf", tarfile.DIRTYPE), *FILES.items(), format=format)))
    table = members(path)
    assert dict(zip(table["name"], table["size"], strict=True)) == {"odf": 0} | {n: len(c) for n, c in FILES.items()}
    assert table["is_folder"].tolist() == [True, False, False, False]
    assert str(table["modified"][1]) == "2020-09-13 12:26:40"
    folder = unpacked(path)
    assert held(folder) == FILES
    assert folder.is_relative_to(store.home())
    assert not any(path.stat().st_mode & 0o222 for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("how", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_is_unpacked_as_it_is(tmp_path, how):
    path = tmp_path / "a"
    path.write_bytes(zipped(("odf/", b""), *FILES.items(), how=how))
    assert held(unpacked(path)) == FILES
    assert members(path)["name"].tolist() == ["odf", *FILES]


def test_long_names_and_many_files_are_no_harm(tmp_path):
    told = {f"{'d' * 120}/{'e' * 120}/{number:05d}.txt": b"x" for number in range(300)}
    path = tmp_path / "a.tar"
    path.write_bytes(tar(*told.items(), format=tarfile.GNU_FORMAT))
    assert held(unpacked(path)) == told


def test_links_within_become_copies(tmp_path):
    path = tmp_path / "a.tar"
    links = [
        header("a/soft", tarfile.SYMTYPE, "../b/real"),
        header("hard", tarfile.LNKTYPE, "b/real"),
        header("chain", tarfile.SYMTYPE, "a/soft"),
    ]
    path.write_bytes(tar(links[0], ("b/real", b"data"), *links[1:]))
    folder = unpacked(path)
    assert held(folder) == dict.fromkeys(["a/soft", "hard", "chain", "b/real"], b"data")
    assert not any(item.is_symlink() or item.stat().st_nlink > 1 for item in folder.rglob("*") if item.is_file())


def test_an_archive_within_stays_packed(tmp_path):
    inner = tar(("a", b"a"))
    path = tmp_path / "a.tar"
    path.write_bytes(tar(("inner.tar", inner)))
    assert held(unpacked(path)) == {"inner.tar": inner}


def test_it_is_unpacked_once_for_all_threads(tmp_path, monkeypatch):
    from analysis.archives import packed

    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(tar(*FILES.items())))
    times, real = [], packed._written
    monkeypatch.setattr(packed, "_written", lambda *told: times.append(1) or real(*told))
    found = []
    threads = [threading.Thread(target=lambda: found.append(unpacked(path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1 and len(found) == 8 and len(times) == 1


@pytest.mark.parametrize("harm", ["cut", "flip", "gone", "note", "deep note", "more", "link out", "file"])
def test_a_folder_that_was_damaged_is_made_anew(tmp_path, harm):
    from analysis.archives import packed

    path = tmp_path / "a.tar"
    path.write_bytes(tar(*FILES.items()))
    folder = unpacked(path)
    victim = folder / "odf/a.fits"
    victim.chmod(0o644)
    if harm == "cut":
        victim.write_bytes(b"a")
    elif harm == "flip":
        victim.write_bytes(b"b" * 5000)
    elif harm == "gone":
        victim.unlink()
    elif harm == "more":
        (folder / "odf/b.fits").write_bytes(b"of somebody else")
    elif harm == "link out":
        folder.rename(tmp_path / "moved")
        folder.symlink_to(tmp_path / "moved")
        victim.write_bytes(b"a")
    elif harm == "file":
        shutil.rmtree(folder)
        folder.write_bytes(b"no folder")
    elif harm == "deep note":
        folder.with_suffix(".json").write_text("[" * 100_000)
    else:
        folder.with_suffix(".json").write_text("{")
    packed._seen.clear()  # as in another process
    assert held(unpacked(path)) == FILES
    assert not folder.is_symlink()


def test_what_a_killed_prune_leaves_the_next_one_takes(tmp_path):
    path = tmp_path / "a.tar"
    path.write_bytes(tar(*FILES.items()))
    folder = unpacked(path)
    folder.with_suffix(".json").unlink()
    store.prune(10**12)
    assert not folder.exists()
    assert held(unpacked(path)) == FILES


@pytest.mark.parametrize("pieces", ["-5,10", "5,10", "0,6,4,4", "0,20"])
def test_a_sparse_file_whose_pieces_do_not_fit_is_refused(tmp_path, fresh_home, pieces):
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as packed:
        sparse = tarfile.TarInfo("s")
        sparse.size, sparse.pax_headers = 10, {"GNU.sparse.size": "12", "GNU.sparse.map": pieces}
        packed.addfile(sparse, io.BytesIO(bytes(10)))
    refused(tmp_path, fresh_home, made.getvalue(), CorruptFile, "do not fit")


def test_the_store_counts_unpacked_folders_and_prunes_them_first(tmp_path):
    path = tmp_path / "a.tar"
    path.write_bytes(tar(*FILES.items()))
    folder = unpacked(path)
    assert store.status().attrs["unpacked"] == sum(map(len, FILES.values()))
    assert store.prune(0) == [] and folder.exists()  # in use
    assert store.prune(0, unused_for=0, pinned=[folder.name]) == [] and folder.exists()
    assert store.prune(10**9, unused_for=0) == [] and folder.exists()
    store.prune(0, unused_for=0)
    assert not folder.exists() and store.status().attrs["unpacked"] == 0
    assert held(unpacked(path)) == FILES


# ------------------------------------------------------------------------------------------------------------ unsafe

OUT = ["../evil", "a/../../evil", "/etc/evil", "C:/evil", "c:evil", "..\\evil", "a\\b", "a/..", "\x1b[2J", "x" * 300]


@pytest.mark.parametrize("name", OUT)
@pytest.mark.parametrize("how", ["tar", "zip"])
def test_a_name_that_leads_out_is_refused(tmp_path, fresh_home, how, name):
    told = (("fine", b"fine"), (name, b"evil"))
    content = tar(*told) if how == "tar" else zipped(*told)
    refused(tmp_path, fresh_home, content, UnsafeArchive, "nothing was unpacked")


@pytest.mark.parametrize(
    "told",
    [
        [("a", b"1"), ("a", b"2")],
        [("A.FITS", b"1"), ("a.fits", b"2")],
        [("é", b"1"), ("e\u0301", b"2")],
        [("a", b"1"), ("a/b", b"2")],
        [("a/b", b"2"), ("a", b"1")],
        [("a/b", b"1"), ("./a//b", b"2")],
    ],
)
@pytest.mark.parametrize("how", ["tar", "zip"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_that_overwrite_each_other_are_refused(tmp_path, fresh_home, how, told):
    content = tar(*told) if how == "tar" else zipped(*told)
    refused(tmp_path, fresh_home, content, UnsafeArchive, "would overwrite")


@pytest.mark.parametrize(
    "told",
    [
        [header("l", tarfile.SYMTYPE, "/etc/passwd")],
        [header("l", tarfile.SYMTYPE, "../../../../etc/passwd")],
        [header("d/l", tarfile.SYMTYPE, "../../x"), ("x", b"")],
        [header("l", tarfile.LNKTYPE, "/etc/passwd")],
        [header("l", tarfile.SYMTYPE, "nowhere")],
        [header("l", tarfile.SYMTYPE, "m"), header("m", tarfile.SYMTYPE, "l")],
        [header("l", tarfile.SYMTYPE, "."), ("l/evil", b"x")],
        [("d/a", b"x"), header("l", tarfile.SYMTYPE, "d")],
        [header("p", tarfile.FIFOTYPE)],
        [header("p", tarfile.CHRTYPE)],
        [header("p", tarfile.BLKTYPE)],
    ],
)
def test_links_out_devices_and_pipes_are_refused(tmp_path, fresh_home, told):
    refused(tmp_path, fresh_home, tar(("first", b"x"), *told), UnsafeArchive, "nothing was unpacked")


def test_a_link_in_a_zip_is_refused(tmp_path, fresh_home):
    entry = zipfile.ZipInfo("l")
    entry.create_system, entry.external_attr = 3, 0o120777 << 16
    refused(tmp_path, fresh_home, zipped((entry, "/etc/passwd")), UnsafeArchive, "link or a device")


def test_switching_off_tarfiles_own_safety_changes_nothing(tmp_path, fresh_home, monkeypatch):
    if hasattr(tarfile, "fully_trusted_filter"):
        monkeypatch.setattr(tarfile.TarFile, "extraction_filter", staticmethod(tarfile.fully_trusted_filter))
    refused(tmp_path, fresh_home, tar(("../evil", b"x")), UnsafeArchive, "leads out")


# ------------------------------------------------------------------------------------------------------------- bombs


@pytest.mark.parametrize("packer", ["gz", "bz2", "xz"])
def test_a_tar_that_grows_out_of_measure_is_refused(tmp_path, fresh_home, packer):
    content = PACKERS[packer](tar(("zeros", bytes(1 << 27))))
    assert len(content) < 1 << 18
    refused(tmp_path, fresh_home, content, UnsafeArchive, "made to fill a disk|unpacks to more")


def test_a_zip_that_grows_out_of_measure_is_refused(tmp_path, fresh_home):
    refused(tmp_path, fresh_home, zipped(("zeros", bytes(1 << 27))), UnsafeArchive, "made to fill a disk")


def test_many_members_count_together(tmp_path, fresh_home):
    content = zipped(*((f"z{number}", bytes(1 << 24)) for number in range(5)))
    refused(tmp_path, fresh_home, content, UnsafeArchive, "made to fill a disk")


def test_the_users_limit_holds_and_can_be_raised(tmp_path, fresh_home):
    content = tar(("a", b"x" * 3000), ("b", b"x" * 3000))
    refused(tmp_path, fresh_home, content, UnsafeArchive, "limit=10000", limit=5000)
    assert len(held(unpacked(tmp_path / "packed", limit=6000))) == 2


def test_links_count_as_what_they_copy(tmp_path, fresh_home):
    content = tar(("a", b"x" * 3000), *(header(f"l{number}", tarfile.LNKTYPE, "a") for number in range(3)))
    refused(tmp_path, fresh_home, content, UnsafeArchive, "unpacks to more than 8000", limit=8000)


def test_a_sparse_file_counts_with_its_holes(tmp_path, fresh_home):
    made = tarfile.TarInfo("sparse")
    made.pax_headers = {
        "GNU.sparse.major": "0",
        "GNU.sparse.minor": "1",
        "GNU.sparse.map": "0,0",
        "GNU.sparse.name": "s",
    }
    made.pax_headers["GNU.sparse.size"] = str(1 << 45)
    refused(tmp_path, fresh_home, tar(made), UnsafeArchive, "made to fill a disk")


@pytest.mark.parametrize("lie", [1, 10**6])
def test_a_zip_that_lies_about_a_size_is_refused(tmp_path, fresh_home, lie):
    content = bytearray(zipped(("a", b"x" * 5000)))
    for at in (content.index(b"PK\3\4") + 22, content.index(b"PK\1\2") + 24):
        content[at : at + 4] = struct.pack("<I", lie)
    refused(tmp_path, fresh_home, bytes(content), CorruptFile, "packed")


def test_entries_that_share_bytes_are_refused(tmp_path, fresh_home):
    content = bytearray(zipped(("a", b"x" * 500), ("b", b"x" * 500)))
    second = content.index(b"PK\1\2", content.index(b"PK\1\2") + 1)
    content[second + 42 : second + 46] = struct.pack("<I", 0)  # both entries at the first file
    refused(tmp_path, fresh_home, bytes(content), UnsafeArchive, "shares bytes")


def test_more_members_than_any_archive_has_are_refused(tmp_path, fresh_home, monkeypatch):
    monkeypatch.setattr("analysis.archives._members._MOST", 5)
    told = [(str(number), b"") for number in range(6)]
    refused(tmp_path, fresh_home, tar(*told), UnsafeArchive, "more than 5 files")
    refused(tmp_path, fresh_home, zipped(*told), UnsafeArchive, "more than 5 files")


# ----------------------------------------------------------------------------------------------------------- damaged


@pytest.mark.parametrize("packer", PACKERS)
def test_a_tar_cut_anywhere_is_refused(tmp_path, fresh_home, packer):
    noise = np.random.default_rng(1).bytes(3000)
    whole = PACKERS[packer](tar(("a", noise), ("b", noise), end=False) + bytes(1024))
    last = len(whole) - (1024 if packer == "tar" else 1)  # a tar's second block of zeros says nothing more
    for end in {*range(1, last, 511), last, *(at for at in (512 + 3072, 2 * (512 + 3072)) if at < last)}:
        path = tmp_path / "packed"
        path.write_bytes(whole[:end])
        with pytest.raises((CorruptFile, UnknownFormat)):
            unpacked(path)
        assert nothing_left(fresh_home)


def test_a_zip_cut_anywhere_is_refused(tmp_path, fresh_home):
    whole = zipped(("a", b"x" * 5000), ("b", b"y" * 5000))
    for end in range(1, len(whole), 7):
        (tmp_path / "packed").write_bytes(whole[:end])
        with pytest.raises((CorruptFile, UnknownFormat)):
            unpacked(tmp_path / "packed")
        assert nothing_left(fresh_home)


def test_damage_between_two_members_is_not_taken_for_the_end(tmp_path, fresh_home):
    content = bytearray(tar(("a", b"x" * 500), ("b", b"y" * 500), ("c", b"z" * 500), format=tarfile.USTAR_FORMAT))
    content[1024 + 148 : 1024 + 156] = b"\xff" * 8  # the checksum of b's header
    refused(tmp_path, fresh_home, bytes(content), CorruptFile, "neither a header nor the archive's end")
    joined = tar(("a", b"x")) + tar(("b", b"y"))
    refused(tmp_path, fresh_home, joined, CorruptFile, "neither a header nor the archive's end")


def test_a_damaged_gzip_is_refused_even_where_only_padding_is_hurt(tmp_path, fresh_home):
    content = bytearray(gzip.compress(tar(("a", b"x"))))
    content[-6] ^= 1  # its CRC
    refused(tmp_path, fresh_home, bytes(content), CorruptFile, "cut short or damaged")


def test_a_flipped_bit_in_a_zip_is_noticed(tmp_path, fresh_home):
    content = bytearray(zipped(("a", b"x" * 500), how=zipfile.ZIP_STORED))
    content[200] ^= 1
    refused(tmp_path, fresh_home, bytes(content), CorruptFile, "CRC")


@pytest.mark.parametrize("size", [b"-0000000512\0", b"\x80" + b"\xff" * 11, b"\xff" * 12])
def test_sizes_below_zero_or_beyond_reason_end_at_once(tmp_path, fresh_home, size):
    block = bytearray(tar(("a", b""), format=tarfile.USTAR_FORMAT)[:512])
    block[124:136] = size
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    good = tar(("first", b""), end=False, format=tarfile.USTAR_FORMAT)
    refused(tmp_path, fresh_home, good + bytes(block) + bytes(1024), CorruptFile, "packed")


def test_headers_within_headers_and_numbers_without_end_end_at_once(tmp_path, fresh_home):
    extended = tar(("a", b""), end=False)
    made = tarfile.TarInfo.create_pax_global_header({"comment": "x"})
    refused(
        tmp_path,
        fresh_home,
        tar(("first", b""), end=False) + made * 3000 + extended + bytes(1024),
        CorruptFile,
        "packed",
    )
    digits = tarfile.TarInfo.create_pax_global_header({"comment": "1" * 100_000})
    refused(tmp_path, fresh_home, tar(("first", b""), end=False) + digits + bytes(1024), CorruptFile, "200 digits")
    large = tarfile.TarInfo.create_pax_global_header({"comment": "x" * (1 << 20)})
    refused(tmp_path, fresh_home, gzip.compress(large + bytes(1024)), CorruptFile, "packed")


def test_an_encrypted_zip_says_so(tmp_path, fresh_home):
    content = bytearray(zipped(("a", b"x" * 500)))
    for at in (content.index(b"PK\3\4") + 6, content.index(b"PK\1\2") + 8):
        content[at] |= 1
    refused(tmp_path, fresh_home, bytes(content), UnknownFormat, "encrypted")


def test_a_way_of_compression_that_is_unknown_is_named(tmp_path, fresh_home):
    content = bytearray(zipped(("a", b"x" * 500)))
    for at in (content.index(b"PK\3\4") + 8, content.index(b"PK\1\2") + 10):
        content[at] = 9
    refused(tmp_path, fresh_home, bytes(content), UnknownFormat, "compress")


@pytest.mark.parametrize(
    "content", [b"", b"SIMPLE  =                    T", b"<html>", gzip.compress(b"SIMPLE", mtime=0), b"\x1f\x8b"]
)
def test_what_is_no_archive_is_told(tmp_path, fresh_home, content):
    refused(tmp_path, fresh_home, content, (UnknownFormat, CorruptFile), "packed")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_is_a_typed_error_or_does_no_harm(tmp_path, fresh_home, data):
    honest = [tar(*FILES.items()), gzip.compress(tar(*FILES.items())), zipped(*FILES.items())]
    content = bytearray(data.draw(st.sampled_from(honest)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, min(len(content), 3000) - 1))
        content[at if data.draw(st.booleans()) else -at - 1] = data.draw(st.integers(0, 255))
    path = tmp_path / "packed"
    path.write_bytes(content)
    try:
        folder = unpacked(path)
    except AnalysisError:
        return
    assert all(item.is_file() or item.is_dir() for item in folder.rglob("*"))
    assert sum(len(found) for found in held(folder).values()) < 1 << 26
    assert set(tmp_path.iterdir()) <= {fresh_home, path}


# ---------------------------------------------------------------------------------------------------------- the rest


def test_a_full_disk_is_a_typed_error_and_leaves_nothing(tmp_path, fresh_home, monkeypatch):
    path = tmp_path / "a.tar"
    path.write_bytes(tar(*FILES.items()))
    free = type("Free", (), {"free": 100})
    with monkeypatch.context() as patch:
        patch.setattr("analysis.archives.packed.shutil.disk_usage", lambda _: free)
        with pytest.raises(StoreError, match="has room for 100"):
            unpacked(path)
    assert nothing_left(fresh_home)
    assert held(unpacked(path)) == FILES


def test_a_limit_that_is_none_and_a_file_that_is_none_are_refused(tmp_path):
    with pytest.raises(BadOption, match="number of bytes"):
        unpacked(tmp_path / "a", limit=0)
    with pytest.raises(MissingFile, match="there is no file"):
        members(tmp_path / "a")
