"""How long the catalogue's page takes: to appear, to list anew at each key, to show a product that ships.

Run ``python benchmarks/browse.py``. Kernel side only, no browser; seconds depend on the machine. CPU time is printed
beside wall time, since it hardly depends on what else the machine does. There is no peer that does the same offline.

Last printed (two cores shared by eight others, load 14, hence the wall times; Python 3.11)::

                                             wall s    CPU s
    first page, import included              10.470    2.415
    a key (96 keys), median                   0.238    0.038
    a key (96 keys), p95                      0.421    0.060
    show ring_current_hourly                  1.522    0.399
    show qin_denton_hourly                    5.622    1.049
    show msh1552_acis_events                  4.895    0.944
    show wmap7_w_iqu                          2.393    0.445
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

TYPED = (
    "solar wind speed",
    "mms fgm burst",
    "planck 143 ghz",
    "xmm spectrum",
    "magnetic field saturn",
    "litebrid",
    "zzqq nothing",
)
SHOWN = ("ring_current_hourly", "qin_denton_hourly", "msh1552_acis_events", "wmap7_w_iqu")
FIRST = """
import time
wall, cpu = time.perf_counter(), time.process_time()
import analysis
page = analysis.browse()
page.get_root()
print(time.perf_counter() - wall, time.process_time() - cpu)
"""


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return wall and CPU seconds of one call."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def first_page(repeats: int = 5) -> np.ndarray:
    """Return wall and CPU seconds from nothing imported to a page ready to be sent, a process each."""
    runs = [
        subprocess.run([sys.executable, "-c", FIRST], capture_output=True, text=True, check=True)
        for _ in range(repeats)
    ]
    return np.array([[float(word) for word in run.stdout.split()] for run in runs])


def keys() -> np.ndarray:
    """Return wall and CPU seconds of each key of a few searches, the models of the page kept as in a notebook."""
    import analysis

    page = analysis.browse()
    page.get_root()
    box = page[0]
    found = []
    for text in TYPED:
        for end in range(1, len(text) + 1):
            found.append(timed(lambda typed=text[:end]: setattr(box, "value_input", typed)))
    return np.array(found)


def previews() -> dict[str, tuple[float, float]]:
    """Return wall and CPU seconds from choosing a product to its picture ready to be sent, after one was shown."""
    import panel as pn

    from analysis.browser import preview
    from analysis.catalogue import field_of

    def show(name: str) -> None:
        pn.pane.HoloViews(preview(field_of(name), name).picture).get_root()

    show("goes_xrs_20110607")
    return {name: timed(lambda name=name: show(name)) for name in SHOWN}


def main() -> None:
    """Print the table."""
    print(f"{'':38}{'wall s':>9}{'CPU s':>9}")
    wall, cpu = np.median(first_page(), axis=0)
    print(f"{'first page, import included':38}{wall:9.3f}{cpu:9.3f}")
    typed = keys()
    for label, value in (("median", np.median(typed, axis=0)), ("p95", np.percentile(typed, 95, axis=0))):
        print(f"{f'a key ({len(typed)} keys), {label}':38}{value[0]:9.3f}{value[1]:9.3f}")
    for name, (wall, cpu) in previews().items():
        print(f"{'show ' + name:38}{wall:9.3f}{cpu:9.3f}")


if __name__ == "__main__":
    main()
