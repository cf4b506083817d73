"""Locks between threads and processes: they exclude, and nobody who died or was forked off holds one."""

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from analysis.download import disk, hosts
from analysis.download.disk import held_lock, try_lock

HOLD = """
import sys, time, pathlib
from analysis.download.disk import held_lock
with held_lock(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def free(path):
    with try_lock(path) as mine:
        return mine


@pytest.mark.slow
def test_threads_take_turns(tmp_path):
    path, inside, most = tmp_path / "new" / "a.lock", [], []

    def work():
        for _ in range(20):
            with held_lock(path):
                inside.append(1)
                most.append(len(inside))
                time.sleep(0.0005)
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 160 and free(path)


def test_a_lock_held_is_not_free(tmp_path):
    with held_lock(tmp_path / "a.lock"):
        assert not free(tmp_path / "a.lock") and free(tmp_path / "b.lock")
    assert free(tmp_path / "a.lock")


@pytest.mark.slow
def test_a_lock_that_was_removed_while_one_waited_for_it_still_excludes(tmp_path):
    path, inside, order = tmp_path / "a.lock", threading.Event(), []

    def wait():
        with held_lock(path):
            order.append(path.exists())
            inside.set()

    with held_lock(path):
        thread = threading.Thread(target=wait)
        thread.start()
        time.sleep(0.1)
        path.unlink()
        new = held_lock(path)
        new.__enter__()  # the one that the waiting thread has to ask for too
    assert not inside.wait(0.2)
    new.__exit__(None, None, None)
    thread.join()
    assert order == [True]


@pytest.mark.slow
def test_waiting_for_a_turn_costs_no_descriptors(tmp_path):
    with contextlib.ExitStack() as others:
        for slot in range(hosts.ANY_HOST.connections):
            others.enter_context(held_lock(tmp_path / f"a.org.{slot}.lock"))
        before, turns = len(disk._open), []

        def wait():
            with hosts.turn("a.org", tmp_path, longest=1):
                turns.append(len(disk._open))

        thread = threading.Thread(target=wait)
        thread.start()
        time.sleep(0.5)
        assert len(disk._open) <= before + 1
    thread.join()
    assert turns == [1]


@pytest.mark.slow
def test_a_killed_process_holds_nothing(tmp_path):
    path = tmp_path / "a.lock"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        assert not free(path)
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
    assert free(path)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_holds_none_of_its_parents_locks(tmp_path):
    path, told = tmp_path / "a.lock", multiprocessing.get_context("fork").SimpleQueue()

    def child():
        told.put(free(path))
        with held_lock(tmp_path / "own.lock"):
            told.put(True)
        time.sleep(30)

    forked = multiprocessing.get_context("fork").Process(target=child)
    with held_lock(path):
        forked.start()
        assert told.get() is False  # the parent still holds it
        assert told.get() is True
        assert not free(path)  # and the child has closed its own copy only
    assert forked.is_alive() and free(path)
    forked.kill()
    forked.join()
