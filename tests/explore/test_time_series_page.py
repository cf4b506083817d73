"""The page about long time series."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "explore" / "time_series.md"


@pytest.mark.slow
def test_the_code_of_the_page_runs():
    names: dict = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.S)
    assert blocks
    for block in blocks:
        exec(block, names)
