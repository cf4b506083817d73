"""Locks between threads and processes: they exclude, and nobody who died or was forked off holds one."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

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
