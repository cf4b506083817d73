"""Labelled arrays to HoloViews pictures (Bokeh), by dims and attrs.

A panel knows no field of science and computes nothing: names, units, frames, flags and sources are read from
the array, and where a picture holds less than the array (long series, long spectrograms) the picture says so.
Every function takes ``attrs=``, the global attributes of the dataset that an array was taken from, for the
title, the line of sources and the word SYNTHETIC. The first picture made in a notebook loads what notebooks
need, from this machine (:func:`notebook`).
"""

from analysis.panels.binned import histogram_steps, points
from analysis.panels.budgets import posterior, power_budget
from analysis.panels.clocks import regular_times
from analysis.panels.corners import corner, level_lines
from analysis.panels.fits import data_and_lines, fitted
from analysis.panels.images import colour_image, image
from analysis.panels.loading import notebook
from analysis.panels.meshes import heatmap, spectrogram, write_levels
from analysis.panels.multipoles import power_spectra
from analysis.panels.notes import note
from analysis.panels.paths import Area, hodogram, plane_paths
from analysis.panels.saving import save
from analysis.panels.series import curves
from analysis.panels.sky import sky_map
from analysis.panels.stacks import time_panels
from analysis.panels.stored_extremes import write_extremes
from analysis.panels.themes import theme
from analysis.panels.zooming import sky_zoom

__all__ = [
    "Area",
    "colour_image",
    "corner",
    "curves",
    "data_and_lines",
    "fitted",
    "heatmap",
    "histogram_steps",
    "hodogram",
    "image",
    "level_lines",
    "note",
    "notebook",
    "plane_paths",
    "points",
    "posterior",
    "power_budget",
    "power_spectra",
    "regular_times",
    "save",
    "sky_map",
    "sky_zoom",
    "spectrogram",
    "theme",
    "time_panels",
    "write_extremes",
    "write_levels",
]
