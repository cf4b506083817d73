"""Records that are kept in memory for the next request: the same as those decoded anew, nobody else's, and bounded."""

import contextlib
import gc
import itertools
import multiprocessing
import os
import re
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from servers.hapi import Dataset, HapiServer, Parameter

from analysis import store
from analysis.archives import _hapiblocks as cutting
from analysis.archives import _hapibringing as bringing
from analysis.archives import _hapikept as kept
from analysis.archives import hapi
from analysis.errors import Offline
from analysis.formats import _hapijoin as joining

pytestmark = [pytest.mark.server, pytest.mark.filterwarnings("ignore::analysis.errors.AnalysisWarning")]

FIELD = Dataset(
    "field",
    (
        Parameter("level", units="m", fill="-1e31", values=lambda i: np.where(i % 11 == 4, -1e31, np.sin(i / 7))),
        Parameter("flag", "integer", None, "-1", values=lambda i: np.where(i == 900, -1, i % 5)),
        Parameter("b", units="nT", fill="-1e31", size=(3,), label=["Bx", "By", "Bz"], description="Field in GSE"),
    ),
    start="2001-01-01",
    stop="2001-01-05",
    cadence="PT4M",
    missing=((40, 90), (300, 301), (700, 800)),
)
DAYS = "2001-01-01", "2001-01-05"
START, STOP = (np.datetime64(day) for day in DAYS)


@pytest.fixture(autouse=True)
def afresh(tmp_path, monkeypatch):
    monkeypatch.setenv("SANKO_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(cutting, "LARGEST", 10_000)
    monkeypatch.setattr(cutting, "FEWEST", 10_000)
    monkeypatch.setattr(kept, "SMALL", 0)
    kept.forget()
    yield
    kept.forget()


@pytest.fixture
def serve():
    with contextlib.ExitStack() as stack:
        yield lambda *args, **options: stack.enter_context(HapiServer(*args, **options))


@pytest.fixture
def decoded(monkeypatch):
    """Return how often records were decoded so far."""
    calls, real = [], bringing.runs
    monkeypatch.setattr(bringing, "runs", lambda *args, **options: calls.append(1) or real(*args, **options))
    return calls


def identical(one, other):
    """Compare everything but the minute of the fetch."""

    def plain(data):
        if isinstance(data, xr.DataTree):
            return {path: plain(node.to_dataset()) for path, node in data.children.items()}
        return data.assign_attrs(history=re.sub(r"on \S+ \S+ UTC", "", data.attrs["history"], count=1))

    one, other = plain(one), plain(other)
    for key in one if isinstance(one, dict) else [None]:
        mine, others = (one[key], other[key]) if key else (one, other)
        xr.testing.assert_identical(mine, others)
        assert {k: v.dtype for k, v in mine.variables.items()} == {k: v.dtype for k, v in others.variables.items()}


def anew(*request, **options):
    kept.forget()
    return hapi.data(*request, **options)


@pytest.mark.parametrize("form", ["binary", "csv", "json"])
@pytest.mark.parametrize("dataset", ["everything", "field"])
def test_what_is_kept_is_what_is_decoded_anew(serve, decoded, form, dataset):
    formats = tuple({"csv", form})
    server = serve([FIELD], formats=formats) if dataset == "field" else serve(formats=formats)
    times = DAYS if dataset == "field" else ("2001-01-01T00:10", "2001-01-01T00:12")
    first = hapi.data(server.url, dataset, *times)
    asked = len(server.asked)
    again = hapi.data(server.url, dataset, *times)
    assert (len(decoded), len(server.asked)) == (1, asked)
    identical(first, again)
    identical(again, anew(server.url, dataset, *times))


@pytest.mark.slow
def test_any_interval_inside_one_that_is_kept_is_what_is_decoded_anew(serve, decoded):
    url = serve([FIELD]).url
    chance = np.random.default_rng(7)
    minutes = np.sort(chance.integers(0, 4 * 1440, (24, 2)), axis=1)
    for names, (low, high) in itertools.product((["level"], ["b", "level"]), minutes):
        request = (url, "field", START + np.timedelta64(low, "m"), START + np.timedelta64(high + 60, "m"))
        hapi.data(url, "field", *DAYS, parameters=names)
        before = len(decoded)
        found = hapi.data(*request, parameters=names)
        if request[3] <= STOP:
            assert len(decoded) == before
        identical(found, anew(*request, parameters=names))


def test_the_type_of_whole_numbers_is_that_of_the_interval_not_of_a_longer_one(serve):
    url = serve([FIELD]).url
    assert hapi.data(url, "field", *DAYS).flag.dtype == np.float64
    assert hapi.data(url, "field", "2001-01-01", "2001-01-02").flag.dtype == np.int32


def test_what_was_dropped_elsewhere_is_not_told_of_an_interval_inside(serve):
    wild = Parameter("level", units="m", fill="-1e31", values=lambda i: np.where(i == 1000, np.inf, i * 1.0))
    url = serve([replace(FIELD, id="wild", parameters=(wild,))]).url
    assert "infinite" in hapi.data(url, "wild", *DAYS).attrs["history"]
    found = hapi.data(url, "wild", "2001-01-01", "2001-01-02")
    assert "infinite" not in found.attrs["history"]
    identical(found, anew(url, "wild", "2001-01-01", "2001-01-02"))


@pytest.mark.parametrize("small", [0, 1 << 30])
def test_who_writes_into_what_he_got_changes_nobody_elses(serve, monkeypatch, small):
    monkeypatch.setattr(kept, "SMALL", small)
    url = serve([FIELD]).url
    first = hapi.data(url, "field", *DAYS)
    truth = first.copy(deep=True)
    other = hapi.data(url, "field", *DAYS)
    first.level.values[:] = 7.0
    first["b"] *= np.nan
    identical(other, truth)
    other.b.values[...] = -1.0
    assert (first.level == 7.0).all()
    identical(hapi.data(url, "field", *DAYS), truth)


@pytest.mark.slow
def test_records_outlive_what_is_kept(serve):
    url = serve([FIELD]).url
    first, again = (hapi.data(url, "field", *DAYS) for _ in range(2))
    kept.forget()
    gc.collect()
    identical(first, again)
    np.testing.assert_array_equal(again.time, FIELD.truth("level", *DAYS)[0])


def test_a_part_that_changed_is_not_answered_for_from_memory(serve, monkeypatch, tmp_path):
    server = serve([FIELD])
    old = hapi.data(server.url, "field", *DAYS)
    level = replace(FIELD.parameters[0], values=lambda i: i * 2.0)
    server.datasets["field"] = replace(FIELD, parameters=(level, *FIELD.parameters[1:]))
    identical(hapi.data(server.url, "field", *DAYS), old)  # what is held is fresh for a day
    monkeypatch.setenv("SANKO_HOME", str(tmp_path / "other"))
    new = hapi.data(server.url, "field", *DAYS)
    np.testing.assert_array_equal(new.level, server.datasets["field"].truth("level", *DAYS)[1])
    identical(new, anew(server.url, "field", *DAYS))


def test_memory_is_no_way_around_the_rules_of_the_store(serve):
    url = serve([FIELD]).url
    hapi.data(url, "field", *DAYS)
    with store.offline():
        hapi.data(url, "field", *DAYS)
        shutil.rmtree(store.home() / "blobs")
        with pytest.raises(Offline):
            hapi.data(url, "field", *DAYS)


def test_no_more_than_the_limit_is_kept_and_what_was_not_asked_for_longest_goes_first(serve, monkeypatch, decoded):
    url = serve([FIELD]).url
    days = [(f"2001-01-0{day}", f"2001-01-0{day + 1}") for day in (1, 2, 3, 4)]
    hapi.data(url, "field", *days[0])
    (_, size), *_ = kept.held()
    monkeypatch.setattr(kept, "MOST", 3 * size + size // 2)
    for day in (1, 2):
        hapi.data(url, "field", *days[day])
    hapi.data(url, "field", *days[0])  # used again, so that the second is the oldest now
    hapi.data(url, "field", *days[3])
    assert sum(size for _, size in kept.held()) <= kept.MOST
    starts = {str(asked.start)[:10] for asked, _ in kept.held()}
    assert "2001-01-01" in starts and "2001-01-02" not in starts
    monkeypatch.setattr(kept, "FILES", 1)
    hapi.data(url, "field", *days[1])
    assert [str(asked.start)[:10] for asked, _ in kept.held()] == ["2001-01-02"]


def test_what_is_larger_than_the_limit_is_given_and_not_kept(serve, monkeypatch):
    url = serve([FIELD]).url
    monkeypatch.setattr(kept, "MOST", 1000)
    found = hapi.data(url, "field", *DAYS)
    np.testing.assert_array_equal(found.level, FIELD.truth("level", *DAYS)[1])
    assert not list(kept.held())


@pytest.mark.parametrize("trouble", ["no room", "no map", "no memory files", "many maps"])
def test_a_system_that_gives_no_memory_files_gives_the_same_records(serve, monkeypatch, trouble, tmp_path):
    url = serve([FIELD]).url
    truth = hapi.data(url, "field", *DAYS)
    kept.forget()

    def refused(*args, **options):
        raise OSError(24, "Too many open files")

    if trouble == "no room":
        monkeypatch.setattr(kept, "_File", refused)
    elif trouble == "no map":
        monkeypatch.setattr(kept.mmap, "mmap", refused_for_copies(kept.mmap.mmap, refused))
    elif trouble == "no memory files":
        monkeypatch.delattr(os, "memfd_create", raising=False)
        monkeypatch.setattr(kept.tempfile, "tempdir", str(tmp_path))
    else:
        monkeypatch.setattr(kept, "MAPS", 0)
    for _ in range(3):
        identical(hapi.data(url, "field", *DAYS), truth)
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
    assert bool(list(kept.held())) is (trouble not in ("no room", "no map"))


def refused_for_copies(real, refused):
    return lambda *args, **options: (refused if options.get("access") == kept.mmap.ACCESS_COPY else real)(
        *args, **options
    )


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no list of open descriptors")
def test_nothing_stays_open_when_results_are_gone(serve):
    url = serve([FIELD]).url

    def opened():
        gc.collect()
        names = []
        for link in Path("/proc/self/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # that of the listing itself
                names.append(str(link.readlink()))
        return sum("sanko-records" in name for name in names)

    results = [hapi.data(url, "field", *DAYS) for _ in range(5)]
    assert opened() >= len(results)
    del results
    assert opened() == 1
    kept.forget()
    assert opened() == 0


def test_threads_that_write_into_their_results_do_not_disturb_each_other(serve):
    url = serve([FIELD]).url
    truth = hapi.data(url, "field", *DAYS).copy(deep=True)
    wrong = []

    def work(seed):
        chance = np.random.default_rng(seed)
        for _ in range(6):
            low, high = np.sort(chance.choice(np.arange(0, 96), 2, replace=False))
            start, stop = (START.astype("M8[h]") + int(hour) for hour in (low, high + 1))
            found = hapi.data(url, "field", start, min(stop, STOP.astype("M8[h]")), parameters=["level"])
            inside = (truth.time >= found.time[0]) & (truth.time <= found.time[-1])
            if not np.array_equal(found.level, truth.level[inside.values], equal_nan=True):
                wrong.append((start, stop))
            found.level.values[:] = seed
            if seed % 3 == 0:
                kept.forget()

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def in_a_child(url, pipe):
    found = hapi.data(url, "field", *DAYS)
    pipe.send(float(found.b.sum()))
    found.b.values[...] = 0.0
    pipe.send(len(list(kept.held())))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_has_what_was_kept_and_changes_nothing_of_it(serve):
    url = serve([FIELD]).url
    truth = hapi.data(url, "field", *DAYS)
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    with store.offline():
        child = context.Process(target=in_a_child, args=(url, theirs))
        child.start()
        assert ours.poll(30)
        assert ours.recv() == float(truth.b.sum())
        assert ours.poll(30)
        assert ours.recv() == 1
        child.join(30)
    identical(hapi.data(url, "field", *DAYS), truth)


def test_parts_decoded_side_by_side_fail_as_one_after_the_other(monkeypatch):
    monkeypatch.setattr(joining, "WORKERS", 4)

    def work(number):
        if number in (3, 5):
            raise ValueError(number)
        return number * 2

    assert joining.side_by_side(work, range(3)) == [0, 2, 4]
    with pytest.raises(ValueError, match="3"):
        joining.side_by_side(work, range(50))


numbers = st.sampled_from([0.0, 1.5, -999.9, -1e31, 9.999999e30, 1e44, np.inf, -np.inf, np.nan, -1.6375e30, 1e30])


@given(st.lists(numbers, max_size=12), st.lists(st.sampled_from([-999.9, -1e31, 0.0]), max_size=2, unique=True))
def test_every_fill_becomes_nan_and_every_other_number_stays(values, fills):
    from analysis.model.contract import is_fill

    given_values = np.array(values, float)
    found = given_values.copy()
    lost = joining.blank(found, fills)
    own = np.isin(given_values, fills)
    default = ~own & is_fill(given_values)
    np.testing.assert_array_equal(found, np.where(own | default, np.nan, given_values))
    assert lost == default.sum()
