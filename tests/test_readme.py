"""The README's Python runs as it stands, and what it says of commands and figures is there."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from analysis import catalogue

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.S)


@pytest.mark.slow
@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_each_block_of_python_runs_in_a_fresh_interpreter(block, tmp_path):
    done = subprocess.run([sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_storm_is_the_one_in_the_text(tmp_path):
    done = subprocess.run([sys.executable, "-c", BLOCKS[0]], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("5.14 R_E at 2001-03-31T04:00 UTC")


def test_the_number_of_products_is_right():
    number = sum(len(catalogue.products(domain)) for domain in catalogue.FIELDS)
    assert f"{number} real products" in README


def test_each_file_that_is_linked_exists():
    linked = re.findall(r"\]\(((?!http)[^)#]+)", README)
    assert linked
    assert [name for name in linked if not (ROOT / name).exists()] == []


def test_the_badge_stands_where_a_repository_is_set():
    repository = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["sanko"]["repository"]
    assert bool(repository) == ("mybinder.org/badge" in README)
