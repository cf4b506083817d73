"""Asking archives for a sign of life: what is told of those that answer, and of those that do not."""

import socket
import time

import numpy as np
import pytest
from servers.archive import Archive, Plan, status
from servers.hapi import HapiServer, error, page

from analysis import catalogue, store
from analysis.__main__ import main
from analysis.archives import servers
from analysis.errors import Offline, UnknownServer

pytestmark = [pytest.mark.server, pytest.mark.slow]

VOSI = b"""<?xml version="1.0"?>
<vosi:capabilities xmlns:vosi="http://www.ivoa.net/xml/VOSICapabilities/v1.0">
 <capability standardID="ivo://ivoa.net/std/VOSI#capabilities"><interface version="9.9"/></capability>
 <capability standardID="ivo://ivoa.net/std/TAP"><interface role="std" version="1.1"/></capability>
</vosi:capabilities>"""


@pytest.fixture
def archives(monkeypatch):
    """Serve one archive of each protocol in the place of the real table."""
    table: dict[str, servers.Server] = {}
    monkeypatch.setattr("analysis.catalogue.probing.servers", lambda: table)

    def add(name, protocol, url, probe=""):
        table[name] = servers.Server(name=name, protocol=protocol, url=url, title=name, probe=probe)

    with HapiServer() as hapi, Archive() as files:
        add("plasma", "hapi", hapi.url, "gaps")
        files.pages["/tap/capabilities"] = files.pages[files.add("/x", VOSI).removeprefix(files.url)]
        add("tables", "tap", f"{files.url}/tap")
        files.add("/maps/a.fits", b"map", modified=1_600_000_000)
        add("maps", "files", f"{files.url}/maps", "a.fits")
        yield hapi, files, add


def test_each_archive_tells_its_version_its_speed_and_how_new_its_example_is(archives):
    table = catalogue.status().set_index("server")
    assert table.reachable.all()
    assert (table.version["plasma"], table.version["tables"]) == ("3.3", "1.1")
    assert (table.latency >= 0).all()
    assert table.newest["plasma"] == np.datetime64("2001-01-03")
    assert table.newest["maps"] == np.datetime64("2020-09-13T12:26:40")


def test_nothing_is_taken_from_the_store(archives):
    hapi, _, _ = archives
    catalogue.status(["plasma"])
    number = len(hapi.asked)
    catalogue.status(["plasma"])
    assert len(hapi.asked) == 2 * number


def test_an_archive_that_does_not_answer_is_told_why_and_keeps_no_other_waiting(archives):
    _, files, add = archives
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        add("refusing", "hapi", f"http://127.0.0.1:{closed.getsockname()[1]}/hapi")
        files.faults["/tap/capabilities"] = status(500)
        files.faults["/maps/a.fits"] = status(404)
        table = catalogue.status(seconds=2).set_index("server")
    assert table.reachable.to_dict() == {"plasma": True, "tables": False, "maps": False, "refusing": False}
    assert "500" in table.answer["tables"] and "404" in table.answer["maps"]
    assert "127.0.0.1" in table.answer["refusing"]


@pytest.mark.parametrize("fault", [page(), error(1500), error(1406)])
def test_an_answer_that_is_none_is_not_taken_for_one(archives, fault):
    hapi, _, _ = archives
    hapi.faults["info"] = fault
    table = catalogue.status(["plasma"], seconds=2)
    assert not table.reachable[0] and table.answer[0]


def test_all_together_have_an_end(archives):
    _, files, add = archives
    files.faults["/slow/capabilities"] = Plan(hook=lambda _: time.sleep(6))
    add("slow", "tap", f"{files.url}/slow")
    began = time.monotonic()
    table = catalogue.status(["slow", "maps"], altogether=1.0).set_index("server")
    assert time.monotonic() - began < 5
    assert table.reachable.to_dict() == {"slow": False, "maps": True}
    assert "no answer within 1 s" in table.answer["slow"]


def test_offline_nobody_is_asked(archives):
    hapi, files, _ = archives
    with store.offline(), pytest.raises(Offline, match="no archive was asked"):
        catalogue.status()
    assert hapi.asked == files.asked == []


def test_a_wrong_name_is_told_the_near_one(archives):
    with pytest.raises(UnknownServer, match="did you mean plasma"):
        catalogue.status(["plasm"])


def test_the_command_prints_a_table_and_fails_if_an_archive_does(archives, capsys):
    _, files, _ = archives
    assert main(["status"]) == 0
    assert "3 of 3 archives answer" in capsys.readouterr().out
    files.faults["/maps/a.fits"] = status(404)
    assert main(["status", "maps", "tables"]) == 1
    told = capsys.readouterr().out
    assert "1 of 2 archives answer" in told and "maps: " in told and "404" in told
