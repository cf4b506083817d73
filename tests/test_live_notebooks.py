"""The notebooks with LIVE = True: the same cells, on what archives (here on loopback) have."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from servers.hapi import HapiServer
from servers.hapi_data import Dataset, Parameter

from analysis import catalogue, plasma
from analysis.archives.servers import Server, servers
from analysis.model import provenance_of

ROOT = Path(__file__).resolve().parents[1] / "notebooks"
NOTEBOOKS = sorted(ROOT.rglob("*.ipynb"))


def cells(path):
    return [cell for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]


def text_of(cell):
    return "".join(cell["source"])


def is_switch(cell):
    return "parameters" in cell["metadata"].get("tags", [])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_has_one_switch_and_ships_with_it_off(path):
    switches = [text_of(cell) for cell in cells(path) if is_switch(cell)]
    rest = "\n".join(text_of(cell) for cell in cells(path) if not is_switch(cell))
    assert len(switches) == 1 and switches[0].startswith("LIVE = False")
    assert "LIVE" in rest and not re.search(r"^LIVE *=", rest, re.MULTILINE)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_a_notebook_asks_for_live_is_declared_at_an_archive(path):
    text = "\n".join(map(text_of, cells(path)))
    twins = re.findall(r'(\w+)\.fetch\("(\w+)", live=LIVE\)', text)
    others = re.findall(r'"(\w+)"', " ".join(re.findall(r"(\(?\"[^=]*) if LIVE else", text)))
    branches = re.findall(r"^if LIVE:\n((?:    .*\n?)+)", text, re.MULTILINE)
    others += re.findall(r'\w+\.fetch\("(\w+)"', "\n".join(branches))
    assert twins or others or "declared at no archive" in text
    assert all(catalogue.twin(field, name).source for field, name in twins)
    assert all(catalogue.product(catalogue.field_of(name), name).source for name in others)


@pytest.fixture
def omni(monkeypatch, tmp_path):
    """Serve the hours that ship as if they were CDAWeb's OMNI, under its id, names and units."""
    monkeypatch.setenv("SANKO_HOME", str(tmp_path / "store"))
    twin = catalogue.product("plasma", "omni_hourly")
    hours = plasma.fetch("qin_denton_hourly", "2001-03-25", "2001-04-10")
    spelled = {"density": "Per cc", "speed": "Km/s", "pdyn": "nPa", "temperature": "Deg K"}

    def values(name):
        shipped = hours[name].values if name in hours else np.full(hours.sizes["time"], np.nan)
        return lambda index: np.where(np.isnan(shipped), -1e31, shipped)[index]

    parameters = tuple(
        Parameter(theirs, units=spelled.get(ours, "nT"), fill="-1e31", values=values(ours))
        for ours, theirs in twin.variables.items()
    )
    dataset = Dataset(twin.source.dataset, parameters, start="2001-03-25", stop="2001-04-10", cadence="PT1H")
    with HapiServer([dataset]) as server:
        cdaweb = Server(name="cdaweb", protocol="hapi", url=server.url, title="CDAWeb, on loopback")
        monkeypatch.setitem(servers(), "cdaweb", cdaweb)
        yield server


@pytest.mark.server
@pytest.mark.slow
def test_the_storm_comes_out_the_same_when_the_archive_is_asked(omni, capsys):
    names = {"display": lambda *_: None}
    for cell in cells(ROOT / "plasma" / "01_superstorm.ipynb"):
        exec(compile("LIVE = True" if is_switch(cell) else text_of(cell), "cell", "exec"), names)
    told = capsys.readouterr().out
    assert "Dst minimum -387 nT at 2001-03-31T08:00 UTC" in told
    assert "closest 5.14 R_E" in told
    assert "Left out: the archive's OMNI" in told
    assert {asked.query["dataset"] for asked in omni.requests("data")} == {"OMNI2_H0_MRG1HR"}
    assert provenance_of(names["storm"])["query"]["product"] == "omni_hourly"
