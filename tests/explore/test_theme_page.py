"""The page about themes runs as it stands."""

import re
from pathlib import Path

import pytest

from analysis import panels

PAGE = Path(__file__).parents[2] / "docs" / "explore" / "theme.md"


@pytest.mark.slow
def test_the_code_of_the_page_on_themes_runs(capsys):
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.S)
    names: dict = {}
    try:
        for block in blocks:
            exec(compile(block, str(PAGE), "exec"), names)  # our own page
    finally:
        panels.theme("light")
    said = capsys.readouterr().out
    assert "synthetic data, simulated, not measured" in said and "Each column is the mean of about" in said
