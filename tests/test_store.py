"""What we hold: one copy of each file, right or absent, however many ask and whatever is killed."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from servers.archive import Plan, cut, status

from analysis import formats, sample, store
from analysis.download import Limits
from analysis.errors import BadOption, DownloadError, Offline, StoreError, Unreachable
from analysis.store import shelves

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("fresh_home")]

FAST = Limits(connect=2, read=2, patience=5, retries=2, first_pause=0.01, longest_pause=0.05)
BODY = bytes(i * 7919 % 251 for i in range(200_000))
ASK = "import sys; from analysis import store; print(store.get(sys.argv[1], fresh_for=0).name)"


def get(url, **options):
    return store.get(url, limits=FAST, **options)


def sha(data):
    return hashlib.sha256(data).hexdigest()


def long_unused(path, seconds=10_000):
    then = time.time() - seconds
    os.utime(path, (then, then))


# ------------------------------------------------------------------------------------ one copy


def test_a_file_comes_once_and_is_read_only(archive):
    url = archive.add("/a.bin", BODY)
    path = get(url)
    assert path.read_bytes() == BODY
    assert path.name == sha(BODY)
    assert path.stat().st_mode & 0o222 == 0
    assert get(url) == path
    assert len(archive.asked) == 1


def test_what_came_is_opened_by_content(archive):
    url = archive.add("/channels.nc", sample.path("litebird_channels.nc").read_bytes())
    assert formats.read(get(url)).equals(formats.read(sample.path("litebird_channels.nc")))


def test_two_addresses_of_one_content_share_a_blob(archive):
    assert get(archive.add("/a.bin", BODY)) == get(archive.add("/b.bin", BODY))
    assert store.status().attrs["size"] == len(BODY)


def test_a_fragment_is_no_part_of_an_address(archive):
    url = archive.add("/a.bin", BODY)
    assert get(url + "#1") == get(url + "#2")
    assert len(archive.asked) == 1


def test_a_held_checksum_asks_nobody_whatever_the_address(archive):
    path = get(archive.add("/a.bin", BODY))
    assert get("http://elsewhere.invalid/x", sha256=sha(BODY).upper()) == path


@pytest.mark.parametrize("fresh_for", [0, 1000])
def test_threads_share_one_transfer(archive, fresh_for):
    url = archive.add("/a.bin", BODY)
    archive.faults["/a.bin"] = Plan(piece=20_000, pause=0.05)
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda _: get(url, fresh_for=fresh_for), range(8)))
    assert set(paths) == {store.home() / "blobs" / sha(BODY)[:2] / sha(BODY)}
    assert sum("If-None-Match" not in asked.headers for asked in archive.asked) == 1


@pytest.mark.slow
def test_processes_share_one_transfer(archive):
    url = archive.add("/a.bin", BODY)
    archive.faults["/a.bin"] = [Plan(piece=10_000, pause=0.2)]
    command = [sys.executable, "-c", ASK.replace("fresh_for=0", "fresh_for=1000"), url]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert {process.communicate()[0].strip() for process in running} == {sha(BODY)}
    assert len(archive.asked) == 1


# -------------------------------------------------------------------------------- currentness


def test_a_stale_copy_is_asked_about_and_kept_if_unchanged(archive):
    url = archive.add("/a.bin", BODY)
    path = get(url)
    before = store.reference(url)
    assert get(url, fresh_for=0) == path
    assert archive.asked[1].headers["If-None-Match"] == archive.pages["/a.bin"].etag
    after = store.reference(url)
    assert after.checked > before.checked and after.retrieved == before.retrieved


def test_a_changed_file_replaces_a_stale_copy(archive):
    url = archive.add("/a.bin", BODY)
    old = get(url)
    archive.add("/a.bin", BODY[::-1])
    assert get(url).read_bytes() == BODY
    assert get(url, fresh_for=0).read_bytes() == BODY[::-1]
    assert old.read_bytes() == BODY


def test_a_file_put_back_to_an_older_one_is_noticed(archive):
    url = archive.add("/a.bin", BODY, etag=None, modified=2e9)
    get(url)
    archive.add("/a.bin", BODY[::-1], etag=None, modified=1e9)
    older = archive.pages["/a.bin"].headers(0)["Last-Modified"]
    archive.faults["/a.bin"] = [status(304, Last_Modified=older)]
    assert get(url, fresh_for=0).read_bytes() == BODY[::-1]


def test_a_file_without_validators_is_fetched_anew(archive):
    url = archive.add("/a.bin", BODY, etag=None)
    get(url)
    archive.add("/a.bin", BODY[::-1], etag=None)
    assert get(url, fresh_for=0).read_bytes() == BODY[::-1]


def test_a_server_that_fails_is_no_reason_to_call_a_stale_copy_current(archive):
    url = archive.add("/a.bin", BODY)
    get(url)
    archive.faults["/a.bin"] = status(503)
    with pytest.raises(Unreachable, match=r"A copy that was current at .* is held: store\.offline\(\) gives it"):
        get(url, fresh_for=0)
    with store.offline():
        assert get(url, fresh_for=0).read_bytes() == BODY


@pytest.mark.parametrize("skew", [-1e7, 1e7])
def test_a_wrong_clock_makes_no_copy_current(archive, monkeypatch, skew):
    url = archive.add("/a.bin", BODY)
    true = time.time
    monkeypatch.setattr(time, "time", lambda: true() + skew)
    get(url)
    monkeypatch.setattr(time, "time", true)
    archive.add("/a.bin", BODY[::-1])
    assert get(url).read_bytes() == BODY[::-1]


def test_a_servers_wrong_clock_spoils_nothing(archive):
    archive.clock = lambda: 0.0
    url = archive.add("/a.bin", BODY, etag=None, modified=1e9)
    archive.faults["/a.bin"] = [cut(90_000)]
    assert get(url).read_bytes() == BODY


# ------------------------------------------------------------------------------------- offline


def test_offline_gives_what_is_held_and_names_what_is_not(archive, monkeypatch):
    url = archive.add("/a.bin", BODY)
    with store.offline(), pytest.raises(Offline, match=r"/a\.bin is not held"):
        get(url)
    get(url)
    monkeypatch.setenv("SANKO_OFFLINE", "1")
    assert store.is_offline()
    assert get(url, fresh_for=0).read_bytes() == BODY
    with pytest.raises(Offline, match="sha256 0000"):
        get(url, sha256="0" * 64)
    assert len(archive.asked) == 1


def test_offline_holds_for_threads(archive):
    url = archive.add("/a.bin", BODY)
    with store.offline(), ThreadPoolExecutor(1) as pool, pytest.raises(Offline):
        pool.submit(get, url).result()
    assert not store.is_offline()


# -------------------------------------------------------------------------------------- damage


@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_a_damaged_copy_is_never_handed_out(archive, monkeypatch, damage):
    url = archive.add("/a.bin", BODY)
    path = get(url)
    path.chmod(0o644)
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(BODY[:-1] if damage == "cut" else BODY[:-1] + b"\0")
    monkeypatch.setattr(shelves, "_seen", {})  # as another process would find it
    with store.offline(), pytest.raises(Offline, match="damaged or gone"):
        get(url)
    assert len(store.verify()) == (damage != "gone")
    assert get(url).read_bytes() == BODY
    assert store.verify().empty


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"url": 1}', b"\xff"])
def test_a_damaged_reference_is_no_reference(archive, text):
    url = archive.add("/a.bin", BODY)
    get(url)
    next(store.home().glob("references/*.json")).write_bytes(text)
    assert store.reference(url) is None
    assert get(url).read_bytes() == BODY


def test_a_reference_leads_nowhere_outside_the_store(archive):
    url = archive.add("/a.bin", BODY)
    get(url)
    file = next(store.home().glob("references/*.json"))
    file.write_text(json.dumps(json.loads(file.read_text()) | {"sha256": "../../../etc/passwd"}))
    assert store.reference(url) is None


def test_damaged_files_can_be_removed(archive):
    path = get(archive.add("/a.bin", BODY))
    path.chmod(0o644)
    path.write_bytes(b"x" * len(BODY))
    table = store.verify(remove=True)
    assert table.urls[0] == [archive.url + "/a.bin"]
    assert not path.exists()


def test_a_store_that_cannot_be_written_gives_what_it_holds(archive, monkeypatch):
    url = archive.add("/a.bin", BODY)
    path = get(url)

    def refuse(*_, **__):
        raise OSError(30, os.strerror(30))

    monkeypatch.setattr("analysis.download.disk._lock", refuse)
    monkeypatch.setattr(os, "utime", refuse)
    assert get(url) == path
    with pytest.raises(StoreError, match="SANKO_HOME"):
        get(archive.add("/b.bin", BODY))


def test_a_store_that_is_a_file_is_a_typed_error(archive, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SANKO_HOME", str(tmp_path / "file"))
    with pytest.raises(StoreError, match="SANKO_HOME"):
        get(archive.add("/a.bin", BODY))


def test_a_disk_that_is_really_full_or_read_only(archive, monkeypatch, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(small)], capture_output=True)
    if mounted.returncode:
        pytest.skip("this user may not mount a small file system")
    try:
        monkeypatch.setenv("SANKO_HOME", str(small))
        url = archive.add("/a.bin", BODY)
        archive.faults["/a.bin"] = Plan(chunked=True)  # no length, so that it cannot be refused beforehand
        with pytest.raises(StoreError, match="no space"):
            get(url)
        assert list(small.rglob("*.part")) == []
        kept = get(archive.add("/b.bin", BODY[:5000]))
        subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
        assert get(archive.url + "/b.bin") == kept
        with pytest.raises(StoreError, match="cannot be written"):
            get(archive.add("/c.bin", BODY[:7000]))
    finally:
        subprocess.run(["umount", str(small)], check=True)


# --------------------------------------------------------------------------------------- kills


def killed_often(archive, kills, seed):
    """Kill processes that fetch, at random times; return how many kills found one at work."""
    chance = random.Random(seed)
    rounds = 0
    hit = 0
    while hit < kills:
        rounds += 1
        body = chance.randbytes(chance.choice([3_000, 300_000, 900_000]))
        url = archive.add(f"/{rounds}.bin", body)
        archive.faults[f"/{rounds}.bin"] = Plan(piece=30_000, pause=0.004)
        for _ in range(3):
            code = f"import analysis.store, requests; print(1, flush=True)\n{ASK}"
            process = subprocess.Popen([sys.executable, "-c", code, url], stdout=subprocess.PIPE)
            process.stdout.readline()
            time.sleep(chance.uniform(0, 0.18))
            process.send_signal(signal.SIGKILL)
            hit += process.wait() == -signal.SIGKILL
            process.stdout.close()
            assert store.verify().empty
            for row in store.status().dropna(subset="url").itertuples():
                assert row.sha256 == sha(archive.pages[row.url.removeprefix(archive.url)].body)
        archive.faults.clear()
        if rounds % 3 == 0:  # the remote file may change between the kill and the next try
            body = body[::-1]
            archive.add(f"/{rounds}.bin", body)
        assert get(url, fresh_for=0).read_bytes() == body
    return hit


@pytest.mark.slow
def test_twenty_kills_at_random_times_leave_nothing_wrong(archive, fresh_home):
    assert killed_often(archive, 20, seed=1) >= 20
    assert not list(fresh_home.rglob("*.part"))
    assert any("Range" in asked.headers for asked in archive.asked)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_three_hundred_kills_at_random_times_leave_nothing_wrong(archive, fresh_home):
    assert killed_often(archive, 300, seed=2) >= 300
    assert not list(fresh_home.rglob("*.part"))


@pytest.mark.slow
def test_a_killed_process_frees_its_locks_and_its_bytes_are_used(archive):
    url = archive.add("/a.bin", BODY)
    archive.faults["/a.bin"] = [Plan(piece=70_000, pause=30)]
    process = subprocess.Popen([sys.executable, "-c", ASK, url], stdout=subprocess.DEVNULL)
    journal = store.home() / "partials"
    while not any(file.read_bytes().count(b"\n") > 1 for file in journal.glob("*.journal")):
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert get(url).read_bytes() == BODY
    assert archive.asked[-1].headers["Range"] == "bytes=65536-" or "Range" in archive.asked[-1].headers


# ----------------------------------------------------------------------------------- keeping


def test_status_tells_of_each_address_and_of_each_stray(archive):
    for n in range(3):
        get(archive.add(f"/{n}.bin", BODY[n:]))
    next(store.home().glob("references/*.json")).unlink()
    table = store.status()
    assert len(table) == 3 and table.url.isna().sum() == 1 and table.held.all()
    assert table.attrs["size"] == sum(len(BODY) - n for n in range(3))


def test_pruning_removes_the_longest_unused_first_and_never_a_pinned_one(archive):
    paths = [get(archive.add(f"/{n}.bin", BODY[n:])) for n in range(4)]
    for age, path in enumerate(paths):
        long_unused(path, 10_000 - age)
    removed = store.prune(2 * len(BODY), pinned=[paths[0].name])
    assert removed == [paths[1].name, paths[2].name]
    assert paths[0].exists() and paths[3].exists()
    assert len(store.status()) == 2


def test_pruning_spares_what_was_used_just_now(archive):
    path = get(archive.add("/a.bin", BODY))
    assert store.prune(0) == []
    long_unused(path)
    get(archive.url + "/a.bin")
    assert store.prune(0) == []
    assert store.prune(0, unused_for=0) == [path.name]


def test_pruning_takes_old_leftovers_and_leaves_young_ones(archive):
    url = archive.add("/a.bin", BODY)
    archive.faults["/a.bin"] = [cut(100_000), status(404)]
    with pytest.raises(DownloadError):
        get(url)
    left = [*store.home().glob("partials/*.part"), *store.home().glob("partials/*.journal")]
    assert len(left) == 2
    store.prune(0)
    assert all(path.exists() for path in left)
    for path in left:
        long_unused(path, 200_000)
    store.prune(0)
    assert not any(path.exists() for path in left)


@pytest.mark.parametrize("options", [{"pinned": ["abc"]}, {"unused_for": -1}, {"unused_for": float("nan")}])
def test_pruning_refuses_what_it_cannot_mean(options):
    with pytest.raises(BadOption):
        store.prune(0, **options)
    with pytest.raises(BadOption):
        store.prune(-1)


def test_pruning_beside_getting_never_breaks_a_copy(archive):
    done = threading.Event()
    removed = []

    def prunes():
        while not done.is_set():
            removed.extend(store.prune(0))

    def gets(worker):
        body = BODY[worker : worker + 5000]
        url = archive.add(f"/{worker}.bin", body)
        for n in range(40):
            path = get(url, fresh_for=1000 * (n % 2))
            assert path.read_bytes() == body
            long_unused(path)  # now it may go, while this worker asks for it again

    with ThreadPoolExecutor(5) as pool:
        pruning = pool.submit(prunes)
        working = [pool.submit(gets, worker) for worker in range(4)]
        try:
            for work in working:
                work.result()
        finally:
            done.set()
        pruning.result()
    assert removed


@pytest.mark.parametrize("options", [{"sha256": "abc"}, {"sha256": 5}, {"fresh_for": -1}, {"fresh_for": float("nan")}])
def test_options_without_sense_are_refused(options):
    with pytest.raises(BadOption):
        store.get("https://example.org/a.fits", **options)


def test_no_pickle_is_written_or_read():
    root = Path(shelves.__file__).parents[1]
    texts = [
        file.read_text(encoding="utf-8") for floor in ("store", "download") for file in (root / floor).glob("*.py")
    ]
    assert len(texts) > 10 and not any("pickle" in text for text in texts)


# -------------------------------------------------------------------------------- what may befall a disk

POWER_CUT = {
    "empty": lambda data: b"",
    "zeros": lambda data: bytes(len(data)),
    "half": lambda data: data[: len(data) // 2],
}


@pytest.mark.slow
@pytest.mark.parametrize("left", POWER_CUT)
@pytest.mark.parametrize("what", ["blob", "reference"])
@pytest.mark.parametrize("pinned", [False, True])
def test_what_a_power_cut_spoils_is_noticed_by_the_next_process_and_fetched_anew(archive, left, what, pinned):
    url = archive.add("/a.bin", BODY[:5000])  # small enough not to be waited for
    path = get(url)
    victim = path if what == "blob" else next((store.home() / "references").glob("*.json"))
    data = victim.read_bytes()
    victim.chmod(0o644)
    victim.write_bytes(POWER_CUT[left](data))
    ask = "import sys; from analysis import store; print(store.get(sys.argv[1], sha256=sys.argv[2] or None))"
    told = subprocess.run(
        [sys.executable, "-c", ask, url, sha(BODY[:5000]) if pinned else ""], capture_output=True, text=True, check=True
    )
    assert Path(told.stdout.strip()).read_bytes() == BODY[:5000]
    assert len(archive.asked) == (1 if pinned and what == "reference" else 2)
    assert store.verify().empty


def test_bytes_that_the_disk_lost_are_never_handed_out(archive, monkeypatch):
    put = shelves.Shelves.put

    def after_loss(self, arrived, url, *, now):
        os.truncate(arrived.path, arrived.size - 1)  # as another machine may do where locks do not reach it
        return put(self, arrived, url, now=now)

    monkeypatch.setattr(shelves.Shelves, "put", after_loss)
    with pytest.raises(StoreError, match="flock"):
        get(archive.add("/a.bin", BODY))


@pytest.mark.parametrize("name", ["with blanks", "ümläut", "rel/ative"])
def test_the_store_may_lie_in_a_folder_of_any_name(archive, monkeypatch, tmp_path, name):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SANKO_HOME", name)
    path = get(archive.add("/a.bin", BODY))
    assert path.is_relative_to(tmp_path / name) and path.read_bytes() == BODY


def test_the_store_of_an_unknown_user_is_a_typed_error(archive, monkeypatch):
    monkeypatch.setenv("SANKO_HOME", "~nobody-of-that-name/store")
    with pytest.raises(StoreError, match="nobody-of-that-name"):
        get(archive.add("/a.bin", BODY))


def test_a_store_behind_a_link_and_a_blob_that_is_one_are_read_right(archive, monkeypatch, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.setenv("SANKO_HOME", str(tmp_path / "link"))
    url = archive.add("/a.bin", BODY)
    path = get(url)
    (tmp_path / "evil").write_bytes(b"x" * len(BODY))
    path.unlink()
    path.symlink_to(tmp_path / "evil")
    assert get(url).read_bytes() == BODY and not path.is_symlink()
    assert (tmp_path / "evil").read_bytes() == b"x" * len(BODY)


def test_what_is_kept_is_no_more_readable_than_the_user_wants(archive):
    before = os.umask(0o077)
    try:
        assert get(archive.add("/a.bin", BODY)).stat().st_mode & 0o777 == 0o400
    finally:
        os.umask(before)


ODD = [
    {"checked": 1e300},
    {"checked": float("nan")},
    {"retrieved": -5},
    {"etag": 5},
    {"last_modified": []},
    {"size": 0},
]


@pytest.mark.parametrize("odd", ODD)
def test_a_reference_that_makes_no_sense_is_none(archive, odd):
    url = archive.add("/a.bin", BODY)
    get(url)
    (file,) = (store.home() / "references").glob("*.json")
    file.write_text(json.dumps(json.loads(file.read_text()) | odd))
    assert store.reference(url) is None and store.status()["url"].isna().all()
    assert get(url).read_bytes() == BODY and len(archive.asked) == 2


def test_a_file_from_the_far_future_spoils_no_table(archive):
    path = get(archive.add("/a.bin", BODY))
    os.utime(path, (1.5e10, 1.5e10))
    assert store.status()["used"].isna().tolist() == [True]


def test_pruning_takes_notes_of_what_is_gone_and_locks_of_what_is_forgotten(archive):
    kept, gone = get(archive.add("/a.bin", BODY)), get(archive.add("/b.bin", BODY[:-1]))
    notes = store.home() / "fetched" / "product"
    notes.mkdir(parents=True)
    for path in (kept, gone):
        (notes / f"{path.name[:8]}.json").write_text(json.dumps({"query": {}, "sha256": [path.name]}))
    long_unused(gone)
    assert store.prune(len(BODY), unused_for=5000) == [gone.name]
    for path in [*notes.iterdir(), *(store.home() / "locks").glob("url-*")]:
        long_unused(path, 200_000)
    store.prune(10**12)
    assert [path.stem for path in notes.iterdir()] == [kept.name[:8]]
    assert len(list((store.home() / "locks").glob("url-*"))) == 1


def test_an_error_with_a_copy_held_keeps_what_the_server_answered(archive):
    url = archive.add("/a.bin", BODY)
    get(url)
    archive.faults["/a.bin"] = status(500, body=b"out of order")
    with pytest.raises(DownloadError, match="is held") as caught:
        get(url, fresh_for=0)
    assert (caught.value.url, caught.value.status, caught.value.body) == (url, 500, b"out of order")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_fork_in_the_middle_of_all_leaves_the_child_at_work(archive):
    url, forked = archive.add("/a.bin", BODY), archive.add("/b.bin", BODY)
    over, asking = threading.Event(), store.session(limits=FAST)

    def work():
        while not over.is_set():
            get(url, fresh_for=0)
            asking.get(url)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(5):
            child = os.fork()
            if child == 0:
                right = False
                try:
                    right = get(forked, fresh_for=0).read_bytes() == asking.get(forked).content == BODY
                finally:
                    os._exit(0 if right else 1)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        over.set()
        for thread in threads:
            thread.join()
