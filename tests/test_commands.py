"""./lab and ./test, run as a person runs them, in a small copy of the checkout whose path needs quoting."""

import contextlib
import importlib.machinery
import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

ROOT = Path(__file__).parents[1]

# Stands in for hatchling, so that a set-up takes seconds and no network.
BACKEND = """
import zipfile
from pathlib import Path

def build_editable(folder, config_settings=None, metadata_directory=None):
    name, info = "sanko-0-py3-none-any.whl", "sanko-0.dist-info/"
    with zipfile.ZipFile(Path(folder) / name, "w") as wheel:
        wheel.writestr("_sanko.pth", str(Path.cwd()))
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: sanko\\nVersion: 0\\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(info + "RECORD", "")
    return name
"""
PYPROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'


@pytest.fixture
def checkout(tmp_path):
    """Return a small checkout, not set up: no dependencies, a package that builds with nothing."""
    folder = tmp_path / "ma copie de Sankō"
    for name in ("analysis", "jupyter", "notebooks/plasma"):
        (folder / name).mkdir(parents=True)
    for name in ("lab", "test"):
        shutil.copy(ROOT / name, folder)
    (folder / "analysis" / "__init__.py").touch()
    (folder / "backend.py").write_text(BACKEND)
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "requirements.lock").write_text("# nothing\n")
    return folder


@pytest.fixture
def ready(checkout):
    """Return the checkout as if set up: its .venv is this environment, and refuses to run pip."""
    program = checkout / ".venv" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.write_text(
        f'#!/bin/sh\ncase "$*" in *"-m pip"*) exit 99;; esac\n'
        f'export PYTHONPATH="{checkout}"\nexec "{sys.executable}" "$@"\n'
    )
    program.chmod(0o755)
    (checkout / ".venv" / "share").symlink_to(Path(sys.prefix) / "share")
    module = load(checkout)
    module.STAMP.write_text(json.dumps(module.wanted()))
    return checkout


def load(checkout):
    """Return lab as a module."""
    loader = importlib.machinery.SourceFileLoader("lab_under_test", str(checkout / "lab"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def run(checkout, *arguments, program="lab", python=(sys.executable,), cwd=None, **environment):
    """Return a finished lab or test, its output in one text; it may never show a traceback."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | environment
    command = [*python, str(checkout / program), *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    done = subprocess.run(command, cwd=cwd or checkout.parent, env=env, **pipes)
    assert "Traceback" not in done.stdout
    return done


def pretend(code):
    """Return the command of a Python that runs some code before the script it is given."""
    go_on = "import runpy, sys; del sys.argv[0]; runpy.run_path(sys.argv[0], None, '__main__')"
    return sys.executable, "-c", code + "\n" + go_on


def write(path, *sources):
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=[new_code_cell(source) for source in sources]), path)
    return path


# ---------------------------------------------------------------------------------------------------- set up


@pytest.mark.slow
def test_setup_is_made_once_and_mended_when_something_changed(checkout):
    first = run(checkout, "--setup")
    assert first.returncode == 0, first.stdout
    assert "Making .venv" in first.stdout and "Set up in" in first.stdout
    mark = checkout / ".venv" / "mark"
    mark.touch()

    second = run(checkout, "--setup", cwd="/")
    assert (second.returncode, second.stdout.count("\n")) == (0, 1)  # nothing was done, and one line says so

    with (checkout / "pyproject.toml").open("a") as file:
        file.write("# changed\n")
    changed = run(checkout, "--setup")
    assert changed.returncode == 0 and "Installing Sanko" in changed.stdout
    assert "pinned" not in changed.stdout and mark.exists()

    (checkout / ".venv" / "sanko-setup.json").unlink()  # as an interruption leaves it
    mended = run(checkout, "--setup")
    assert mended.returncode == 0 and "Making .venv" in mended.stdout and not mark.exists()

    moved = checkout.rename(checkout.with_name("moved"))
    again = run(moved, "--setup")
    assert again.returncode == 0 and "Making .venv" in again.stdout


@pytest.mark.slow
def test_two_setups_at_once_take_turns(checkout):
    command = [sys.executable, str(checkout / "lab"), "--setup"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in "ab"]
    said = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sorted("Making .venv" in text for text in said) == [False, True]
    assert any("waiting for it" in text for text in said)


@pytest.mark.slow
def test_without_network_the_setup_says_so_and_an_older_one_stays(checkout):
    assert run(checkout, "--setup").returncode == 0
    lock = checkout / "requirements.lock"
    old = lock.read_text()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = taken.getsockname()[1]
    lock.write_text(f"numpy==2.4.6 --hash=sha256:{'0' * 64}\n")
    done = run(
        checkout,
        "--setup",
        PIP_CONFIG_FILE=os.devnull,
        PIP_INDEX_URL=f"http://127.0.0.1:{closed}/simple",
        PIP_EXTRA_INDEX_URL="",
        PIP_FIND_LINKS="",
        PIP_RETRIES="0",
    )
    assert done.returncode == 1
    assert "no network" in done.stdout and "HTTPS_PROXY" in done.stdout and "setup.log" in done.stdout
    lock.write_text(old)
    assert run(checkout, "--setup").stdout.count("\n") == 1


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (
            "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
            "disk is full",
        ),
        (
            "WARNING: Retrying after connection broken by 'NewConnectionError'\nERROR: No matching",
            "no network",
        ),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", "is not the one"),
        ("ERROR: No matching distribution found for numpy==2.4.6", "no build for this Python"),
    ],
)
def test_what_pip_says_is_put_in_plain_words(said, meant):
    causes = load(ROOT).CAUSES
    assert meant in next(text for pattern, text in causes if re.search(pattern, said))


@pytest.mark.slow
def test_a_full_disk_is_seen_before_the_download(checkout):
    python = pretend("import shutil, collections as c; shutil.disk_usage = lambda p: c.namedtuple('d', 'free')(10**8)")
    done = run(checkout, "--setup", python=python)
    assert done.returncode == 1
    assert "has 100 MB free, and the set-up needs" in done.stdout


READ_ONLY = """
import errno, os, pathlib
def mkdir(self, **options): raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(self))
pathlib.Path.mkdir = mkdir"""


def test_a_folder_that_cannot_be_written_is_named(checkout):
    done = run(checkout, "--setup", python=pretend(READ_ONLY))
    assert done.returncode == 1
    assert f"{checkout / 'build'} can't be written" in done.stdout and "copy the folder" in done.stdout


def test_a_python_without_venv_names_the_package_to_install(checkout):
    python = pretend("import importlib.util as u; u.find_spec = lambda name: None")
    done = run(checkout, "--setup", python=python)
    assert done.returncode == 1
    assert f"apt install python3.{sys.version_info[1]}-venv" in done.stdout


def test_an_old_python_names_a_newer_one(checkout, tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, code in {"python3.9": 0, "python3.12": 0, "python3.13": 127}.items():
        (tools / name).write_text(f"#!/bin/sh\nexit {code}\n")
        (tools / name).chmod(0o755)
    python = pretend("import sys; sys.version_info = (3, 8, 20)")
    done = run(checkout, python=python, PATH=str(tools))
    assert done.returncode == 1
    assert re.search(r"this is Python 3\.8, and Sanko needs 3\.11 or newer. Run: python3\.12 ", done.stdout)
    done = run(checkout, python=python, PATH="")
    assert "conda env create" in done.stdout


# ---------------------------------------------------------------------------------------- another "analysis"


def test_another_analysis_on_pythonpath_is_refused(ready, tmp_path):
    program = ready / ".venv" / "bin" / "python"
    program.write_text(program.read_text().replace('PYTHONPATH="', 'PYTHONPATH="$PYTHONPATH:'))
    other = tmp_path / "other" / "analysis" / "__init__.py"
    other.parent.mkdir(parents=True)
    other.touch()
    done = run(ready, "--setup", PYTHONPATH=str(other.parents[1]))
    assert done.returncode == 1
    assert str(other) in done.stdout and "env -u PYTHONPATH" in done.stdout


@pytest.mark.parametrize("name", ["analysis.py", "plasma/analysis.py", "plasma/analysis/__init__.py"])
@pytest.mark.slow
def test_another_analysis_among_the_notebooks_is_refused(ready, name):
    other = ready / "notebooks" / name
    other.parent.mkdir(exist_ok=True)
    other.touch()
    done = run(ready, "--setup")
    assert done.returncode == 1 and str(other) in done.stdout


# ------------------------------------------------------------------------------------------------- notebooks


@pytest.mark.slow
def test_notebooks_run_in_their_own_folder_and_become_pages(ready, tmp_path):
    """Neither the user's kernel of the same name nor the user's IPython start-up files take part."""
    home = tmp_path / "home"
    spec = home / ".local" / "share" / "jupyter" / "kernels" / "python3" / "kernel.json"
    spec.parent.mkdir(parents=True)
    spec.write_text('{"argv": ["false", "{connection_file}"], "display_name": "other", "language": "python"}')
    startup = home / ".ipython" / "profile_default" / "startup" / "a.py"
    startup.parent.mkdir(parents=True)
    startup.write_text("intruder = 1")
    checks = "import analysis, os, sys; assert 'intruder' not in dir(); print(os.getcwd(), analysis.__file__)"
    good = write(ready / "notebooks" / "00_start.ipynb", checks)
    bad = write(ready / "notebooks" / "plasma" / "bad.ipynb", "print('so ' + 'far')", "1 / 0", "print('nev' + 'er')")
    before = good.read_bytes(), bad.read_bytes()

    done = run(ready, "--execute", HOME=str(home), JUPYTER_PREFER_ENV_PATH="0")
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert re.fullmatch(r"notebooks/00_start.ipynb +\d+\.\d s", lines[0])
    assert re.fullmatch(r"notebooks/plasma/bad.ipynb +\d+\.\d s  FAILED in cell \[2\]: ZeroDivisionError: .*", lines[1])
    assert lines[2].startswith("2 executed, 1 failed")
    assert (good.read_bytes(), bad.read_bytes()) == before

    pages = ready / "build" / "notebooks"
    page = (pages / "00_start.html").read_text()
    assert f"{ready}/notebooks {ready}/analysis/__init__.py" in page
    page = (pages / "plasma" / "bad.html").read_text()
    assert "so far" in page and "ZeroDivisionError" in page and "never" not in page
    assert not list(pages.rglob("*.part"))


def test_a_notebook_is_named_from_here_or_from_the_notebooks_folder(ready):
    module = load(ready)
    one = write(ready / "notebooks" / "plasma" / "one.ipynb", "1")
    two = write(ready / "notebooks" / "two.ipynb", "1")
    with contextlib.chdir(ready):
        for name in ("notebooks/plasma/one.ipynb", "plasma/one.ipynb", "plasma", str(one)):
            assert module.find_notebooks([name]) == [one]
        assert module.find_notebooks([]) == [one, two]
    with contextlib.chdir(one.parent):
        assert module.find_notebooks(["one.ipynb", "two.ipynb"]) == [one, two]


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["--execute", "missing.ipynb"], "no notebook missing.ipynb"),
        (["--execute"], "there is no notebook in"),
        (["--execute", "lab"], "is not a notebook"),
        (["--setup", "--", "--port", "1"], "is for JupyterLab"),
        (["start.ipynb"], "unrecognized arguments"),
    ],
)
@pytest.mark.slow
def test_a_wrong_request_is_explained(ready, arguments, meant):
    done = run(ready, *arguments, cwd=ready)
    assert done.returncode != 0 and meant in done.stdout


@pytest.mark.slow
def test_control_c_stops_a_notebook_and_its_kernel(ready):
    write(ready / "notebooks" / "long.ipynb", "open('started', 'w').close(); import time; time.sleep(100)")
    process = subprocess.Popen([sys.executable, str(ready / "lab"), "--execute"], stderr=subprocess.PIPE, text=True)
    wait_for(lambda: (ready / "notebooks" / "started").exists())
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=30)[1]
    assert process.returncode == 130 and "stopped" in said and "Traceback" not in said
    assert not (ready / "build" / "notebooks" / "long.html").exists()


# ------------------------------------------------------------------------------------------------ JupyterLab


@pytest.mark.server
def test_lab_serves_the_notebooks_on_loopback_with_a_token(ready, tmp_path):
    write(ready / "notebooks" / "00_start.ipynb", "1")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = tmp_path / "log"
    command = [str(ready / "lab"), "--", "--no-browser", "--port", str(port)]
    with log.open("w") as out:
        env = dict(os.environ, HOME=str(tmp_path), JUPYTER_RUNTIME_DIR=str(tmp_path))
        process = subprocess.Popen(command, cwd="/", env=env, stdout=out, stderr=subprocess.STDOUT)
    try:
        wait_for(lambda: process.poll() is not None or "running at" in log.read_text())
        page = re.search(r"http://127\.0\.0\.1:(\d+)/lab/tree/00_start\.ipynb\?token=(\w+)", log.read_text())
        assert page, log.read_text()
        assert int(page[1]) == port

        def ask(path):
            address = f"http://127.0.0.1:{port}{path}?token={page[2]}"
            return json.loads(urllib.request.urlopen(address, timeout=30).read())

        assert "00_start.ipynb" in [entry["name"] for entry in ask("/api/contents")["content"]]
        settings = ask("/lab/api/settings/@jupyterlab/apputils-extension:kernels-settings")
        assert settings["schema"]["properties"]["commsOverSubshells"]["default"] == "disabled"
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/api/contents", timeout=30)
    finally:
        process.terminate()
        process.wait(timeout=30)


def wait_for(happened, seconds=60):
    until = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.1)


# ---------------------------------------------------------------------------------------------------- ./test


@pytest.fixture
def checks(ready):
    """Return the checkout with stand-ins for the checking programs, each noting that it ran."""
    for name in ("ruff", "lint-imports", "mypy"):
        program = ready / ".venv" / "bin" / name
        program.write_text(f'#!/bin/sh\necho {name} "$@" >> ran\nexit 0\n')
        program.chmod(0o755)
    for name in ("conftest.py", "tiers.py"):
        shutil.copy(ROOT / "tests" / name, ready)
    (ready / "test_one.py").write_text("def test_one():\n    pass\n")
    return ready


@pytest.mark.slow
def test_all_checks_run_and_the_last_line_is_pytests(checks):
    ruff = checks / ".venv" / "bin" / "ruff"
    ruff.write_text('#!/bin/sh\necho ruff "$@" >> ran\necho this is ugly\nexit 1\n')
    done = run(checks, "-k", "one", program="test")
    assert done.returncode != 0
    assert "this is ugly" in done.stdout and "test: failed: style, format" in done.stdout
    assert re.search(r"= 1 passed in .* =+\n$", done.stdout)
    ran = (checks / "ran").read_text()
    assert all(line in ran for line in ("ruff check .", "ruff format --check .", "lint-imports", "mypy"))


@pytest.mark.slow
def test_quick_leaves_the_slow_ones_out(checks):
    (checks / "test_one.py").write_text("import pytest\n@pytest.mark.slow\ndef test_a(): 1 / 0\ndef test_b(): pass\n")
    done = run(checks, "quick", program="test", cwd="/")
    assert done.returncode == 0, done.stdout
    assert re.search(r"\b1 passed", done.stdout.splitlines()[-1]) and "failed" not in done.stdout
    assert "mypy" not in (checks / "ran").read_text()


@pytest.mark.slow
def test_a_failing_test_fails_the_command(checks):
    (checks / "test_one.py").write_text("def test_one(): 1 / 0\n")
    done = run(checks, program="test")
    assert done.returncode == 1 and "1 failed" in done.stdout.splitlines()[-1]


@pytest.mark.slow
def test_a_skip_counts_as_a_failure_where_the_test_must_run(checks):
    skips = "@pytest.mark.browser\ndef test_a(): pytest.skip('no browser')\n"
    (checks / "test_one.py").write_text(f"import pytest\n{skips}def test_b(oracle): pass\n")
    lenient = run(checks, program="test", CI="", SANKO_ORACLE="", SANKO_REQUIRE="")
    assert lenient.returncode == 0 and "2 skipped" in lenient.stdout.splitlines()[-1]
    strict = run(checks, program="test", CI="true", SANKO_ORACLE="", SANKO_REQUIRE="oracle")
    assert strict.returncode == 1 and "skipped" not in strict.stdout.splitlines()[-1]
    assert "browser tests must run here" in strict.stdout and "oracle tests must run" in strict.stdout
