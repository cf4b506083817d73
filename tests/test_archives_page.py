"""docs/archives.md: what needs no network runs; what does gets as far as the network, and no further."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from analysis import errors
from analysis.errors import AnalysisError, Offline

PAGE = (Path(__file__).parents[1] / "docs" / "archives.md").read_text("utf-8")
RUNNABLE = re.findall(r"```python\n(.*?)```", PAGE, flags=re.S)
LIVE = re.findall(r"```py\n(.*?)```", PAGE, flags=re.S)


@pytest.mark.slow
@pytest.mark.parametrize("block", RUNNABLE, ids=range(len(RUNNABLE)))
def test_each_block_that_needs_no_network_runs(block, tmp_path):
    done = subprocess.run([sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("block", LIVE, ids=range(len(LIVE)))
def test_each_live_line_fails_for_want_of_the_network_alone(block, tmp_path, monkeypatch):
    monkeypatch.setenv("SANKO_OFFLINE", "1")
    monkeypatch.setenv("SANKO_HOME", str(tmp_path))
    names, asked = {}, 0
    for statement in ast.parse(block).body:
        code = compile(ast.Module([statement], []), "archives.md", "exec")
        used = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
        if used & {name for name, value in names.items() if value is Offline}:
            continue  # made of what could not be brought
        try:
            exec(code, names)
        except Offline:
            asked += 1
            for target in getattr(statement, "targets", []):
                names[target.id] = Offline
    assert asked


def test_each_error_of_a_download_is_in_the_table():
    told = set(re.findall(r"`([A-Z]\w+)`", PAGE.partition("## When it fails")[2].partition("## Protocols")[0]))
    kinds = [getattr(errors, name) for name in errors.__all__]
    assert told <= {kind.__name__ for kind in kinds}
    assert {k.__name__ for k in kinds if issubclass(k, errors.DownloadError)} - {"DownloadError"} <= told
    assert issubclass(errors.StoreError, AnalysisError) and "StoreError" in told
