"""The project's own files agree with each other, install, and keep what they promise."""

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import nbformat
import pytest
import yaml

import analysis

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")


def tracked():
    """Return the files that are or would be committed."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
    except (OSError, subprocess.CalledProcessError):
        outside = {".git", ".venv", "build", "__pycache__", ".ruff_cache", ".mypy_cache", ".pytest_cache"}
        outside |= {".hypothesis", ".import_linter_cache", ".ipynb_checkpoints"}
        found = (path for path in ROOT.rglob("*") if path.is_file())
        return [path for path in found if not outside.intersection(path.relative_to(ROOT).parts)]
    return [ROOT / name for name in listed.decode().split("\0") if name and (ROOT / name).is_file()]


def name_and_bounds(requirement):
    """Return ("name", {bounds}) of a requirement line, the name as the package index spells it."""
    name, bounds = re.fullmatch(r"([\w.-]+)(.*)", requirement).groups()
    return re.sub(r"[-_.]+", "-", name).lower(), frozenset(bounds.split(","))


def locked():
    """Return the entries of the lock: name, version, marker, hashes."""
    entry = re.compile(r"^([\w.-]+)==([\w.+!]+)( ; .*?)?((?: \\\n    --hash=sha256:[0-9a-f]{64})+)$", re.MULTILINE)
    return entry.findall(LOCK)


# ---------------------------------------------------------------------------------------------- dependencies


def test_both_environment_files_are_one():
    assert (ROOT / "environment.yml").read_bytes() == (ROOT / "binder" / "environment.yml").read_bytes()


def test_conda_asks_for_what_pip_asks_for():
    listed = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    conda = [item for item in listed if isinstance(item, str)]
    by_pip = next(item["pip"] for item in listed if isinstance(item, dict))
    assert conda[:2] == ["python=3.12", "pip"]
    assert {name_and_bounds(line) for line in conda[2:] + by_pip} == {
        name_and_bounds(line) for line in PYPROJECT["project"]["dependencies"]
    }


def test_the_lock_holds_every_dependency():
    extras = PYPROJECT["project"]["optional-dependencies"]
    asked = {name_and_bounds(line)[0] for line in PYPROJECT["project"]["dependencies"] + extras["test"]}
    assert asked <= {name for name, *_ in locked()}


def test_every_line_of_the_lock_is_pinned_and_hashed():
    lines = [line for line in LOCK.splitlines() if not line.startswith("#")]
    assert len(locked()) == sum(not line.startswith(" ") for line in lines) > 100
    assert sum(line.startswith("    --hash=sha256:") for line in lines) >= len(locked())


def test_the_lock_names_no_address_and_no_path():
    pins = "\n".join(line for line in LOCK.splitlines() if not line.startswith("#"))
    assert "://" not in LOCK
    assert not re.search(r"/|@|--(extra-)?index|--find-links", pins)


def test_the_installed_packages_are_the_pinned_ones():
    from importlib.metadata import version

    from packaging.markers import Marker

    wrong = {
        f"{name} {version(name)}, pinned {pin}"
        for name, pin, marker, _ in locked()
        if (not marker or Marker(marker[3:]).evaluate()) and version(name) != pin
    }
    if Path(sys.prefix) != ROOT / ".venv":
        pytest.skip("this environment was not made by lab")
    assert not wrong


# ---------------------------------------------------------------------------------------------- installation


@pytest.mark.slow
def test_the_wheel_holds_the_tables_the_data_and_the_settings(tmp_path):
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("sanko-*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    ours = [path for path in tracked() if path.is_relative_to(ROOT / "analysis")]
    needed = [path for path in ours if path.suffix in (".py", ".toml") or "sample" in path.parts]
    assert {path.relative_to(ROOT).as_posix() for path in needed} <= inside
    settings = "etc/jupyter/labconfig/default_setting_overrides.d/sanko.json"
    assert any(name.endswith(".data/data/" + settings) for name in inside)
    assert not any(name.startswith(("tests/", "notebooks/", "docs/")) for name in inside)


@pytest.mark.slow
def test_jupyterlab_reads_the_installed_settings():
    from jupyterlab.commands import get_app_dir
    from jupyterlab_server.settings_utils import get_settings

    app = Path(get_app_dir())
    name = "@jupyterlab/apputils-extension:kernels-settings"
    found, _ = get_settings(str(app / "settings"), str(app / "schemas"), "", schema_name=name)
    assert found["schema"]["properties"]["commsOverSubshells"]["default"] == "disabled"


@pytest.mark.slow
def test_binder_builds_from_its_own_environment():
    command = [
        "jupyter-repo2docker",
        "--no-build",
        "--debug",
        "--user-id",
        "1000",
        "--user-name",
        "jovyan",
        ".",
    ]
    command[0] = str(Path(sys.executable).parent / command[0])
    plan = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    said = plan.stdout + plan.stderr
    assert "python=3.12" in said
    assert '--file "binder/environment.yml"' in said
    assert "RUN ./binder/postBuild" in said


@pytest.mark.parametrize("name", ["lab", "test", ".ci/run", "binder/postBuild"])
def test_commands_are_executable(name):
    assert (ROOT / name).stat().st_mode & 0o111 == 0o111


@pytest.mark.parametrize("name", ["lab", "test"])
def test_an_old_python_can_parse_the_commands(name):
    ast.parse((ROOT / name).read_text(encoding="utf-8"), feature_version=(3, 6))


# ----------------------------------------------------------------------------------------------------- rules


def test_versions_agree():
    version = PYPROJECT["project"]["version"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## \[(.+?)\]", changes, re.MULTILINE)
    assert citation["version"] == analysis.__version__ == newest[1] == version
    assert citation["license"] == PYPROJECT["project"]["license"]


def test_notebooks_are_committed_without_outputs():
    for path in tracked():
        if path.suffix == ".ipynb":
            cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
            assert not any(cell.outputs or cell.execution_count for cell in cells), path


def test_no_file_is_over_8_mb():
    assert not [path for path in tracked() if path.stat().st_size > 8_000_000]


# Package registries, and places that exist on one machine only.
FORBIDDEN = re.compile(r"pypi\.[o]rg|python[h]osted|npm[j]s\.|(?<![\w.|-])/(root|work)[/]|(?<!\w)shared[/]")


@pytest.mark.slow
def test_no_file_names_a_registry_or_one_machines_folders():
    found = []
    for path in tracked():
        text = path.read_bytes()
        if b"\0" in text[:8000] or path == ROOT / ".ci" / "run":
            continue
        lines = text.decode("utf-8", "replace").splitlines()
        found += [
            f"{path.relative_to(ROOT)}:{n}: {m[0]}" for n, line in enumerate(lines, 1) if (m := FORBIDDEN.search(line))
        ]
    assert not found
