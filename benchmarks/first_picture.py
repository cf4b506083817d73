"""How long the first picture takes in a fresh process, from `import analysis` done to its Bokeh models ready.

Run ``python benchmarks/first_picture.py``. CPU seconds, the lesser of two processes each, data that ship; *libraries*
is what importing xarray (with its first array, which brings Dask and SciPy), Astropy's units, Panel and HoloViews'
Bokeh backend takes by itself, before anything of ours; *data* is the field imported and the file read; *picture* what
follows when the libraries are there. *compiled* are the functions that numba compiled or loaded: none on the way to
a picture but the folding of a spectrum with its response. After installation its first call compiles them.

The peer is HoloViews' own first line after the same imports, downsampled as its documentation says.

Last printed (one process each on two cores shared by eight others, which doubles the CPU time; the rows not listed were
not run; Python 3.11)::

    CPU s                        libraries    data  picture  all cold  compiled
    plasma.view, 3 of 17              2.13    0.48     0.32      2.83  -
    plasma.view, all 17               2.22    0.52     2.76      4.97  -
    analysis.browse                   2.19    0.00     0.36      1.83  -
"""

from __future__ import annotations

import subprocess
import sys

RUNS = int(sys.argv[1]) if len(sys.argv) > 1 else 2
LIBRARIES = """
import xarray, astropy.units, panel, holoviews
xarray.DataArray([1.0])
holoviews.extension("bokeh")
"""
OURS = {
    "plasma.view, 3 of 17": ("plasma", "qin_denton_hourly", "plasma.view(data[['dst', 'kp', 'bz']])"),
    "plasma.view, all 17": ("plasma", "qin_denton_hourly", "plasma.view(data)"),
    "plasma.explore": ("plasma", "qin_denton_hourly", "plasma.explore(data)"),
    "xray.view, events": ("xray", "msh1552_acis_events", "xray.view(data)"),
    "xray.explore, events": ("xray", "msh1552_acis_events", "xray.explore(data)"),
    "xray.explore, spectrum": ("xray", "ngc7793_ulx4_pn", "xray.explore(data, source='tbabs * powerlaw')"),
    "cmb.view": ("cmb", "wmap7_w_iqu", "cmb.view(data)"),
    "cmb.explore": ("cmb", "wmap7_w_iqu", "cmb.explore(data)"),
}
PEER = """
import numpy, pandas
from holoviews.operation.downsample import downsample1d
when = pandas.date_range("2001-01-01", periods=26_000, freq="h")
made = downsample1d(holoviews.Curve((when, numpy.random.default_rng(0).normal(size=26_000))))
"""
TIMED = """
import analysis, time, warnings
warnings.simplefilter("ignore")
t = [time.process_time()]
def lap(): t.append(time.process_time())
{body}
import sys
import holoviews
made.get_root() if hasattr(made, "get_root") else holoviews.render(made)
lap()
kernels = []
if "numba" in sys.modules:
    import gc
    from numba.core.registry import CPUDispatcher
    kernels = sorted({{one.__name__ for one in gc.get_objects() if type(one) is CPUDispatcher and one.signatures
                      and one.__module__.startswith("analysis")}})
print(*(b - a for a, b in zip(t, t[1:])), "|", *kernels)
"""
FETCHED = "from analysis import {field}\ndata = {field}.fetch({name!r})\nlap()\n"


def laps(body: str, runs: int = RUNS) -> tuple[list[float], str]:
    """Return the least of what lies between the laps of a program, in CPU seconds, and what numba had to do."""
    found: list[list[float]] = []
    kernels = ""
    for _ in range(runs):
        code = TIMED.format(body=body)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        times, _, kernels = done.stdout.partition("|")
        found.append([float(one) for one in times.split()])
    return [min(column) for column in zip(*found, strict=True)], kernels.strip()


def main() -> None:
    """Print the table."""
    print(f"{'CPU s':28}{'libraries':>10}{'data':>8}{'picture':>9}{'all cold':>10}  compiled")

    def row(name: str, first: str, picture: str) -> None:
        warm, kernels = laps(f"{LIBRARIES}\nlap()\n{first}\n{picture}")
        cold, _ = laps(f"{first}\n{picture}")
        data = warm[1] if len(warm) > 2 else 0.0
        print(f"{name:28}{warm[0]:10.2f}{data:8.2f}{warm[-1]:9.2f}{sum(cold):10.2f}  {kernels or '-'}", flush=True)

    for name, (field, product, picture) in OURS.items():
        row(name, FETCHED.format(field=field, name=product), f"made = {picture}")
    row("analysis.browse", "", "made = analysis.browse()")
    warm, _ = laps(f"{LIBRARIES}\nlap()\n{PEER}")
    print(f"{'HoloViews downsample1d':28}{warm[0]:10.2f}{0:8.2f}{warm[1]:9.2f}{sum(warm):10.2f}")


if __name__ == "__main__":
    main()
