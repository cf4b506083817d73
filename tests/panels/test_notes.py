import holoviews as hv
import numpy as np
import pytest
import xarray as xr

from analysis import panels
from analysis.errors import UnknownVariable, WrongData


def test_a_note_leaves_the_picture_it_was_given_alone():
    curve = hv.Curve([1, 2, 3])
    panels.note(curve, {"title": "Noted", "source": "a pencil"})
    assert hv.render(curve).title.text != "Noted"


def test_notes_add_up_and_are_written_once_in_an_overlay():
    one = panels.note(hv.Curve([1, 2]), {"source": "first"})
    two = panels.note(hv.Curve([2, 1]), {"source": "second"})
    twice = panels.note(panels.note(one * two, {"institution": "us"}), {"institution": "us"})
    assert hv.render(twice).below[-1].text.splitlines() == ["Source: first", "Source: us", "Source: second"]


def test_what_is_not_stated_is_not_written():
    figure = hv.render(panels.note(hv.Curve([1, 2]), {"source": "not stated", "references": "doi:1\ndoi:2"}))
    assert figure.below[-1].text == "Source: doi:1 (+1 more)"


def test_a_measured_picture_does_not_say_synthetic():
    figure = hv.render(panels.note(hv.Curve([1, 2]), {"source": "an instrument", "synthetic": "false"}))
    assert not [t for t in figure.above if "SYNTHETIC" in getattr(t, "text", "")]


def test_what_is_written_on_a_small_frame_is_not_wider_than_it():
    attrs = {"source": "a simulation, not the data of any telescope", "synthetic": "true"}
    figure = hv.render(panels.note(hv.Curve([1, 2]).opts(frame_width=170), attrs))
    assert figure.above[-1].text == "SYNTHETIC data:\nsimulated, not\nmeasured"
    assert max(map(len, figure.below[-1].text.splitlines())) <= 30  # letters of 5.6 pixels
    wide = hv.render(panels.note(hv.Curve([1, 2]).opts(frame_width=300), attrs))
    assert "\n" not in wide.above[-1].text


@pytest.fixture
def spectra():
    attrs = {"units": "uK2", "long_name": "D_ℓ"}
    labels = {
        "spectrum": ["TT", "EE"],
        "ell": ("ell", np.arange(2, 12), {"units": "1", "long_name": "Multipole ℓ"}),
    }
    values = np.arange(20.0).reshape(2, 10)
    return xr.DataArray(values, labels, ["spectrum", "ell"], name="dl", attrs=attrs)


@pytest.mark.slow
def test_spectra_have_a_labelled_panel_each(spectra):
    layout = panels.power_spectra(spectra, reference=spectra * 2)
    titles = [hv.render(panel).title.text for panel in layout]
    axes = [hv.render(panel).xaxis[0].axis_label for panel in layout]
    assert titles == ["TT", "EE"] and axes == ["Multipole ℓ"] * 2
    assert hv.render(next(iter(layout))).yaxis[0].axis_label == "D_ℓ (µK²)"


def test_binned_spectra_are_points_with_errors(spectra):
    binned = spectra.rename(ell="bin").drop_vars("bin", errors="ignore")
    binned = binned.assign_coords(ell=("bin", np.arange(2.0, 12)))
    dataset = xr.Dataset({"dl": binned, "dl_error": abs(binned) + 1})
    panel = next(iter(panels.power_spectra(dataset, spectra=["EE"])))
    assert len(panel.traverse(lambda x: x, [hv.Scatter])[0]) == 10
    assert len(panel.traverse(lambda x: x, [hv.ErrorBars])[0]) == 10


def test_spectra_in_other_units_are_not_drawn_together(spectra):
    with pytest.raises(WrongData, match="convert"):
        panels.power_spectra(spectra, reference=spectra.assign_attrs(units="K2"))
    with pytest.raises(UnknownVariable, match="BB"):
        panels.power_spectra(spectra, spectra=["BB"])
