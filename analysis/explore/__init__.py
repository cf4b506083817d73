"""Linked explorers, built from declarations: controls, views, and what each view selects and depends on.

An explorer knows no field of science: domains hand it functions that return pictures (:class:`View`), and
:func:`linked` makes the page. Pages work in JupyterLab and under ``panel serve``.
"""

from analysis.explore.declarations import Choice, Slider, View
from analysis.explore.explorers import time_explorer
from analysis.explore.live import Dial, following
from analysis.explore.nodes import node_explorer
from analysis.explore.pages import linked
from analysis.explore.scenes import Followers, Scene
from analysis.explore.sharing import code_of, opened_again, save_page
from analysis.explore.skies import sky_explorer
from analysis.explore.states import save_state, set_state, state_of
from analysis.explore.steps import together

__all__ = [
    "Choice",
    "Dial",
    "Followers",
    "Scene",
    "Slider",
    "View",
    "code_of",
    "following",
    "linked",
    "node_explorer",
    "opened_again",
    "save_page",
    "save_state",
    "set_state",
    "sky_explorer",
    "state_of",
    "time_explorer",
    "together",
]
