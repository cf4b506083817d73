"""What an import costs and touches: nothing but modules."""

import subprocess
import sys

import pytest

HEAVY = (
    "holoviews",
    "panel",
    "bokeh",
    "astroquery",
    "astropy.io",
    "h5py",
    "pycdfpp",
    "ducc0",
    "dask.array",
    "scipy.optimize",
    "numba",
    "stingray",
    "emcee",
    "regions",
    "xspectrampoline",
)
WATCH = """
import sys
seen = []
def hook(event, args):
    if event.startswith(("socket.connect", "socket.getaddrinfo")):
        seen.append((event, args))
    if event == "open" and isinstance(args[0], str) and args[1] and any(m in str(args[1]) for m in "wax+"):
        seen.append((event, args[0]))
    if event == "open" and str(args[0]).endswith((".toml", ".nc", ".fits", ".cdf")):
        seen.append((event, args[0]))
sys.addaudithook(hook)
"""


def modules_after(line: str) -> tuple[set[str], str]:
    code = f"{WATCH}\n{line}\nprint(seen)\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seen, loaded = done.stdout.splitlines()
    return set(loaded.split()), seen


def test_importing_analysis_imports_no_library():
    loaded, seen = modules_after("import analysis")
    assert not {"numpy", "xarray", "pandas", "astropy"} & loaded
    assert seen == "[]"


@pytest.mark.parametrize("domain", ["plasma", "xray", "cmb"])
@pytest.mark.slow
def test_a_field_loads_no_picture_or_file_library_and_touches_nothing(domain):
    loaded, seen = modules_after(f"from analysis import {domain}")
    assert not set(HEAVY) & loaded
    assert not {f"analysis.{other}" for other in ("plasma", "xray", "cmb") if other != domain} & loaded
    assert seen == "[]"


@pytest.mark.parametrize("domain", ["plasma", "xray", "cmb"])
def test_no_module_of_a_field_bears_the_name_of_a_public_function(domain):
    from importlib import import_module
    from pathlib import Path

    package = import_module(f"analysis.{domain}")
    modules = {path.stem for path in Path(package.__file__).parent.glob("*.py")}
    assert not modules & set(package.__all__)
    assert set(package.__all__) <= set(dir(package))
    assert {"search", "fetch", "collect", "view", "explore"} <= set(package.__all__)


def test_the_lazy_names_of_analysis_are_there_and_others_are_refused():
    import analysis

    assert analysis.plasma.__name__ == "analysis.plasma"
    assert {"plasma", "xray", "cmb", "missions"} <= set(dir(analysis))
    with pytest.raises(AttributeError, match="'nonsense'"):
        _ = analysis.nonsense
