"""The page about brushing events runs as it is written."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "explore" / "events.md"


@pytest.mark.slow
def test_the_page_about_brushing_runs_as_it_is_written(capsys):
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), flags=re.DOTALL)
    assert len(blocks) == 3
    exec("\n".join(blocks), {})
    printed = capsys.readouterr().out
    assert "circle(4451, 3834, 40 pix); 0.5-2 keV" in printed
    assert "icrs" in printed
