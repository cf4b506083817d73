"""Linked explorers, built from declarations: controls, views, and what each view selects and depends on.

An explorer knows no field of science: domains hand it functions that return pictures (:class:`View`), and
:func:`linked` makes the page. Pages work in JupyterLab and under ``panel serve``.
"""

from analysis.explore.explorers import event_explorer, time_explorer
from analysis.explore.live import Dial, following
from analysis.explore.pages import Choice, Slider, View, linked
from analysis.explore.skies import Followers, Scene, sky_explorer

__all__ = [
    "Choice",
    "Dial",
    "Followers",
    "Scene",
    "Slider",
    "View",
    "event_explorer",
    "following",
    "linked",
    "sky_explorer",
    "time_explorer",
]
