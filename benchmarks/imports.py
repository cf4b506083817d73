"""CPU seconds that an import costs, each in a process of its own, beside xarray's.

Run ``python benchmarks/imports.py``. The promises: ``import analysis`` at most 0.1 s of CPU, a field at most
xarray's own import and 0.5 s; peers are timed where they are installed.
"""

from __future__ import annotations

import statistics
import subprocess
import sys

TIMED = "import time; t = time.process_time(); {line}; print(time.process_time() - t)"
LINES = {
    "import xarray": "import xarray",
    "import analysis": "import analysis",
    "from analysis import plasma": "from analysis import plasma",
    "from analysis import xray": "from analysis import xray",
    "from analysis import cmb": "from analysis import cmb",
    "import healpy": "import healpy",
    "import stingray": "import stingray",
    "import cdflib": "import cdflib",
}


def cpu_seconds(line: str, runs: int = 5) -> float | None:
    """Return the median CPU seconds of an import in a fresh interpreter, None where it is not installed."""
    spent = []
    for _ in range(runs + 1):  # the first run fills the file cache and is not counted
        done = subprocess.run([sys.executable, "-c", TIMED.format(line=line)], capture_output=True, text=True)
        if done.returncode:
            if "ModuleNotFoundError" in done.stderr:
                return None
            raise RuntimeError(done.stderr)
        spent.append(float(done.stdout))
    return statistics.median(spent[1:])


def main() -> None:
    """Print one line an import: CPU seconds, and its ratio to xarray's."""
    base = cpu_seconds("import xarray")
    assert base is not None
    for name, line in LINES.items():
        spent = cpu_seconds(line)
        result = "not installed" if spent is None else f"{spent:6.3f} s CPU   {spent / base:5.2f} x xarray"
        print(f"{name:30s} {result}")


if __name__ == "__main__":
    main()
