"""The pages of the documentation about explorers: their code runs and says what they say."""

import re
from pathlib import Path

import pytest

from analysis import panels

PAGES = sorted((Path(__file__).parents[2] / "docs" / "explore").glob("*.md"))
PRINTED = {
    "events": ["circle(4451, 3834, 40 pix); 0.5-2 keV", "icrs"],
    "spectrograms": ["Each column is the mean of about", "joined='max' shows short peaks", "is the highest of about"],
    "theme": ["synthetic data, simulated, not measured"],
}


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_code_of_a_page_runs(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    blocks = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.S)
    assert blocks
    try:
        for block in blocks:
            exec(compile(block, str(page), "exec"), names)  # our own page
    finally:
        panels.theme("light")
    said = capsys.readouterr().out
    assert [words for words in PRINTED.get(page.stem, []) if words not in said] == []
