"""``python -m analysis explore``: a file in the browser, on loopback, until Ctrl-C."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import panel as pn
import pytest
import xarray as xr

from analysis import explore, formats, sample, serving
from analysis.__main__ import main


def page_of(target, **options):
    return serving.page_maker(target, **options)()


@pytest.mark.slow
def test_what_is_over_time_is_explored_as_plasma():
    page = page_of(sample.path("qin_denton_1999_2001.nc"), state={"variables": ["dst"]})
    assert explore.state_of(page)["variables"] == ["dst"]
    code = explore.code_of(page)
    assert "plasma.explore(data" in code and str(sample.path("qin_denton_1999_2001.nc")) in code


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "brushes"),
    [("m82_acis_events.fits", {"region", "energy", "time"}), ("xte_4u1636_events.fits.gz", {"time"})],
)
@pytest.mark.filterwarnings("ignore::analysis.errors.AnalysisWarning")
def test_events_are_explored_as_x_rays(name, brushes):
    page = page_of(sample.path(name))
    assert brushes <= set(explore.state_of(page)) and "xray.explore(data" in explore.code_of(page)


@pytest.mark.slow
def test_a_spectrum_is_explored_with_the_response_it_names(tmp_path):
    named = {
        ".pha": "pn.pha",
        "_background.pha": "PNbackground_spectrum.fits",
        ".arf": "PN.arf",
        ".rmf.gz": "PN.rmf.gz",
    }
    for suffix, name in named.items():
        shutil.copy(sample.path(f"ngc7793_ulx4_pn{suffix}"), tmp_path / name)
    page = page_of(tmp_path / "pn.pha", model="powerlaw", band=(1.0, 8.0))
    assert set(explore.state_of(page)) == {"powerlaw.photon_index", "powerlaw.norm", "zoom"}
    code = explore.code_of(page)
    assert "xray.spectrum_from(" in code and "source='powerlaw', band=(1.0, 8.0)" in code


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::analysis.errors.AnalysisWarning")
def test_a_map_is_explored_as_a_sky():
    page = page_of(sample.path("wmap7_w_iqu_nside32.fits"), state={"shown": "U"})
    assert explore.state_of(page)["shown"] == "U" and "cmb.explore(data" in explore.code_of(page)


@pytest.mark.slow
def test_a_product_is_explored_by_its_name():
    page = page_of("space_weather_daily")
    assert "data = plasma.fetch('space_weather_daily')" in explore.code_of(page)


@pytest.mark.filterwarnings("ignore::analysis.errors.AnalysisWarning")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no_such_file.cdf"], "MissingFile: there is no file no_such_file.cdf"),
        (["no/such/folder/file"], "there is no folder no/such/folder"),
        (["qin_denton_hourl"], "qin_denton_hourly"),
        ([str(sample.path("planck2018_lcdm_cl.fits"))], "what is explored is"),
        ([str(sample.path("nh_lab.fits.gz"))], "what is explored is"),
        ([str(sample.path("ngc7793_ulx4_pn.rmf.gz"))], "what is explored is"),
        ([str(sample.path("wmap7_temperature_mask_nside32.fits"))], "what is explored is"),
        ([__file__], "UnknownFormat"),
        ([str(Path(__file__).parent)], "is a folder and no zarr store"),
        (["qin_denton_hourly", "--port", "70000"], "is no port"),
        (["qin_denton_hourly", "--model", "powerlaw"], "--model and --band are for a spectrum"),
        (["qin_denton_hourly", "--state", "no.json"], "there is no file no.json"),
    ],
)
def test_what_cannot_be_explored_is_refused_with_exit_1(arguments, message, capsys):
    assert main(["explore", *arguments, "--no-browser"]) == 1
    assert message in capsys.readouterr().err


def test_a_state_that_does_not_fit_is_refused_with_exit_1(tmp_path, capsys):
    (tmp_path / "view.json").write_text('{"variables": ["dts"]}')
    assert main(["explore", "qin_denton_hourly", "--no-browser", "--state", str(tmp_path / "view.json")]) == 1
    assert "did you mean 'dst'" in capsys.readouterr().err


def test_a_port_that_is_taken_is_refused_with_exit_1(capsys, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        path = tmp_path / "two.nc"
        formats.write(_small(), path)
        assert main(["explore", str(path), "--no-browser", "--port", str(port)]) == 1
    assert f"port {port} cannot be used" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.server
def test_the_command_serves_until_ctrl_c():
    command = [sys.executable, "-m", "analysis", "explore", "qin_denton_hourly", "--no-browser"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as server:
        address = re.search(r"http://127\.0\.0\.1:\d+/", server.stdout.readline())[0]
        with urllib.request.urlopen(address, timeout=60) as answer:
            body = answer.read().decode()
        with urllib.request.urlopen(address + '?view={"nonsense":1}', timeout=60) as refused:
            refused.read()
        server.send_signal(signal.SIGINT)
        out, err = server.communicate(timeout=60)
    assert "qin_denton_hourly" in body and "cdn." not in body.split("</head>")[0]
    assert server.returncode == 0 and out.strip() == "ended" and "Traceback" not in err


def test_the_theme_is_that_of_the_command(monkeypatch, capsys):
    from analysis import panels

    seen = []
    monkeypatch.setattr(serving, "page_maker", lambda *_, **__: seen.append(panels.theme()) or (lambda: pn.Column()))
    monkeypatch.setattr(serving, "_port", lambda asked: (_ for _ in ()).throw(OSError("taken")))
    try:
        assert main(["explore", "qin_denton_hourly", "--no-browser", "--theme", "dark"]) == 1
    finally:
        panels.theme("light")
    assert seen == ["dark"] and "cannot be used" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.server
def test_a_session_opens_the_view_in_the_address_and_keeps_it_there():
    from bokeh.client import pull_session
    from panel.io.server import get_server

    made = []

    def session():
        made.append(serving.page_maker("qin_denton_hourly")())
        return made[-1]

    import threading

    from tornado.ioloop import IOLoop

    ready, held = threading.Event(), {}

    def run():
        import asyncio

        loop = IOLoop(asyncio_loop=asyncio.new_event_loop(), make_current=True)
        held["loop"], held["server"] = loop, get_server(session, port=0, address="127.0.0.1", loop=loop)
        held["server"].start()
        loop.add_callback(ready.set)
        loop.start()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(60)
    client = pull_session(url=f"http://localhost:{held['server'].port}/", arguments={"view": '{"variables": ["kp"]}'})
    assert explore.state_of(made[-1])["variables"] == ["kp"]
    assert len(client.document.roots) >= 1
    client.close()
    held["loop"].add_callback(held["loop"].stop)
    thread.join(30)
    held["server"].stop()


def _small():
    time = np.datetime64("2001-01-01", "ns") + np.arange(3) * np.timedelta64(1, "h")
    attrs = dict.fromkeys(("title", "institution", "source", "references", "license", "history"), "made for a test")
    return xr.Dataset(
        {"b": ("time", [1.0, 2.0, 3.0], {"units": "nT", "long_name": "Field"})},
        {"time": ("time", time, {"long_name": "Time (UTC)", "standard_name": "time"})},
        attrs={**attrs, "provenance": "{}", "synthetic": "true"},
    )


def test_a_page_without_pictures_is_still_a_page():
    assert isinstance(page_of("qin_denton_hourly", state={"variables": []}), pn.viewable.Viewable)


@pytest.mark.slow
@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.filterwarnings("ignore")
def test_a_zarr_store_over_time_is_explored_and_its_code_opens_it(tmp_path, version):
    _small().to_zarr(tmp_path / "b.zarr", zarr_format=version)
    page = page_of(tmp_path / "b.zarr", state={"time": "2001-01-01T01:10"})
    assert any("2001-01-01T01:00:00 UTC\nField: 2 nT" in words for words in _words(page))
    held = {}
    exec(explore.code_of(page), held)
    xr.testing.assert_identical(held["data"].drop_attrs(), _small().drop_attrs())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_of_a_zarr_tree_one_node_is_shown(tmp_path):
    xr.DataTree.from_dict({"/a": _small(), "/b": _small().isel(time=[0, 1])}).to_zarr(tmp_path / "tree.zarr")
    page = page_of(tmp_path / "tree.zarr", state={"node": "/b"})
    assert explore.state_of(page)["node"] == "/b" and "xr.open_datatree(" in explore.code_of(page)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_pyramid_on_disk_is_explored_as_a_sky(tmp_path):
    from analysis import cmb

    made = cmb.write_pyramid(cmb.fetch("wmap7_w_iqu"), tmp_path / "w.zarr")
    page = page_of(made, state={"shown": "U"})
    assert explore.state_of(page)["shown"] == "U"
    assert explore.code_of(page).startswith("from analysis import cmb\n\ndata = cmb.open_pyramid(")


@pytest.mark.filterwarnings("ignore")
def test_other_zarr_stores_are_refused_in_words(tmp_path, capsys):
    import zarr

    zarr.create_array(tmp_path / "array.zarr", shape=(3,), dtype="f8")
    _small().rename(time="x").to_zarr(tmp_path / "x.zarr")
    for name, text in (("hurt.zarr", "{"), ("list.zarr", "[]")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "zarr.json").write_text(text)
    (tmp_path / "levels.zarr").mkdir()
    (tmp_path / "levels.zarr" / "zarr.json").write_text('{"attributes": {"series_extremes": 1}}')
    for name, message in (
        ("array.zarr", "WrongData: "),
        ("x.zarr", "holds b over x; what is explored is"),
        ("hurt.zarr", "the zarr store is damaged"),
        ("list.zarr", "the zarr store is damaged"),
        ("levels.zarr", "give the data themselves"),
    ):
        assert main(["explore", str(tmp_path / name), "--no-browser"]) == 1
        assert message in capsys.readouterr().err


def _words(page):
    return [str(part.object) for part in page.select(lambda part: isinstance(part, pn.pane.HTML)) if part.visible]
