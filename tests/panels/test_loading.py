import subprocess
import sys

import pytest

PICTURES = """
import numpy as np, xarray as xr
from analysis import panels
import holoviews as hv
array = xr.DataArray(np.arange(3.0), dims="x", name="a")
"""


@pytest.mark.slow
def test_importing_panels_does_not_import_holoviews():
    code = "import sys, analysis.panels, analysis.explore\nprint({'holoviews', 'panel', 'bokeh'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.fixture(scope="module")
def published():
    """Return what a real kernel publishes for four cells: imports, two pictures, one of the user's own."""
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel(kernel_name="python3")
    cells: list[str] = []
    try:
        for code in (PICTURES, "panels.points(array)", "panels.points(array + 1)", "hv.Curve([1, 2])"):
            shown: list[str] = []

            def keep(message, shown=shown):
                content = message["content"]
                shown += [str(value) for value in content.get("data", {}).values()]
                shown += content.get("traceback", [])

            client.execute_interactive(code, output_hook=keep, timeout=120)
            cells.append("".join(shown))
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    return cells


@pytest.mark.slow
def test_the_first_picture_brings_the_scripts_and_later_ones_do_not(published):
    assert "Traceback" not in "".join(published)
    assert len(published[0]) == 0
    assert len(published[1]) > 1_000_000
    assert 1_000 < len(published[2]) < 200_000


@pytest.mark.slow
def test_pictures_in_a_notebook_name_no_address_outside(published):
    assert "cdn.bokeh.org/bokeh/release/bokeh-" not in published[1]
    for later in published[2:]:
        assert "root_id" in later
        assert "cdn.holoviz.org" not in later and "https://unpkg.com" not in later


VSCODE = """
import os
os.environ["VSCODE_PID"] = "1"
import sys
sys.modules["jupyter_bokeh"] = None
"""


@pytest.mark.slow
def test_vs_code_without_its_package_says_what_to_install_and_raises_nothing():
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel(kernel_name="python3")
    shown: list[str] = []

    def keep(message):
        content = message["content"]
        shown.extend(str(value) for kind, value in content.get("data", {}).items() if kind.startswith("text/"))
        shown.extend(content.get("traceback", []))

    try:
        page = "from analysis import explore\nexplore.linked([explore.View('a', lambda: 'b')])"
        for code in (VSCODE + PICTURES, "panels.points(array)", page):
            shown.append("--")
            client.execute_interactive(code, output_hook=keep, timeout=120)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    last = "".join(shown)
    assert last.count("pip install jupyter_bokeh, then restart the kernel") == 4  # as text and HTML, twice
    assert "Traceback" not in last


def test_what_loading_does_to_the_garbage_collector_ends_with_it():
    import gc

    from analysis.panels import loading

    with pytest.raises(KeyError), loading._nothing_collected():
        assert not gc.isenabled()
        raise KeyError
    assert gc.isenabled()


def test_what_changes_on_a_page_shown_as_a_widget_goes_out_with_its_style_sheets(monkeypatch):
    import panel as pn
    from bokeh.document import Document
    from bokeh.models import ImportedStyleSheet
    from bokeh.models.ui import UIElement

    from analysis.panels import loading

    page = pn.Column(pn.widgets.Button(label="one"))
    document = Document()
    document.add_root(page.get_root(doc=document))
    sent = []
    document.on_change(sent.append)
    loading.notebook()
    monkeypatch.setattr(loading, "_kernel_shell", lambda: object())
    monkeypatch.setattr(pn.config, "comms", "vscode")
    with loading.redrawing(page):
        page.append(pn.widgets.Button(label="two"))
        assert not sent
    assert sent
    [root] = document.roots
    models = list(root.select({"type": UIElement}))
    assert len(models) > 2
    assert not any(isinstance(one, ImportedStyleSheet) for model in models for one in model.stylesheets)
