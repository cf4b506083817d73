"""Pictures as files: what is on them, what is refused, and that no half file is left."""

import io
import re
import zlib

import holoviews as hv
import matplotlib
import numpy as np
import panel as pn
import pytest
import xarray as xr
from PIL import Image

from analysis import panels
from analysis.errors import BadOption, StoreError
from analysis.panels.printed import RC, figure_of


def words_of_pdf(path):
    """Return the text that a PDF shows, from the two-byte codes of its own strings."""
    text = b""
    for stream in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", path.read_bytes(), re.S):
        try:
            content = zlib.decompress(stream)
        except zlib.error:
            continue
        for block in re.findall(rb"BT(.*?)ET", content, re.S):
            strings = re.findall(rb"\(((?:\\.|[^\\)])*)\)", block, re.S)
            text += re.sub(rb"\\(.)", rb"\1", b"".join(strings), flags=re.S).replace(b"\0", b"") + b"\n"
    return text.decode("latin-1")


def coloured(path):
    """Return how many pixels have a colour: lines and cells have, axes and letters are grey."""
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    return int((pixels.max(axis=2) - pixels.min(axis=2) > 30).sum())


@pytest.mark.slow
def test_svg_and_pdf_hold_title_labels_units_source_and_the_word_synthetic(wind, flux, tmp_path):
    picture = panels.time_panels(wind.assign(flux=flux), marks={"shock": "2001-03-30T12:00"})
    svg = panels.save(picture, tmp_path / "wind.svg").read_text("utf-8")
    for words in ("Made-up wind", "Proton density (cm⁻³)", "Magnetic field, north (nT)", "Energy (eV)", "Time (UTC)",
                  "Proton flux", "Source: a sine", "SYNTHETIC data", "interpolated", "shock"):  # fmt: skip
        assert words in svg, words
    assert svg.count("SYNTHETIC") == 3
    told = words_of_pdf(panels.save(picture, tmp_path / "wind.pdf"))
    for words in (
        "Made-up wind",
        "Proton density (cm",
        "Energy (eV)",
        "Time (UTC)",
        "Source: a sine",
        "SYNTHETIC data",
    ):
        assert words in told, words


@pytest.mark.slow
def test_a_png_has_the_width_and_dpi_asked_for_and_is_not_blank(wind, tmp_path):
    path = panels.save(panels.curves(wind["bz"]), tmp_path / "bz.png", width=3.5, dpi=200)
    assert Image.open(path).size[0] == 700
    assert coloured(path) > 500


@pytest.mark.slow
def test_the_same_picture_is_the_same_file(wind, tmp_path):
    for kind in ("svg", "pdf", "png"):
        one, other = (panels.save(panels.curves(wind["bz"]), tmp_path / f"{n}.{kind}").read_bytes() for n in "ab")
        assert one == other


@pytest.mark.slow
def test_a_page_needs_no_network(wind, tmp_path):
    page = panels.save(panels.time_panels(wind), tmp_path / "wind.html").read_text("utf-8")
    assert "Proton density" in page and "CrosshairTool" in page
    assert not re.search(r'<(script|link)[^>]+(src|href)="http', page)


def pictures(wind, flux, sky):
    rate = xr.DataArray([3.0, 1.0, 2.0], dims="channel", name="rate", attrs={"units": "ct s-1"})
    edges = xr.DataArray([0.5, 1.0, 2.0, 4.0], dims="edge", name="energy", attrs={"units": "keV"})
    counts = xr.DataArray(np.arange(1.0, 31.0).reshape(5, 6), dims=["y", "x"], name="counts", attrs={"units": "ct"})
    plane = flux.isel(time=[0, 1, 2]).rename(time="step").assign_coords(step=[1.0, 2.0, 3.0])
    spectra = xr.DataArray(np.ones((2, 9)), {"spectrum": ["TT", "EE"], "ell": range(2, 11)}, ["spectrum", "ell"])
    x, y = (wind[name].rename(letter) for name, letter in (("density", "x"), ("bz", "y")))
    area = panels.Area(x=np.array([4.0, 6.0, 5.0]), y=np.array([0.0, 0.0, 4.0]), colour="#999999")
    field = xr.concat([wind["bz"], wind["density"]], "component").assign_coords(component=["l", "m"])
    return {
        "curves": panels.curves(wind["density"], quality=wind["density_quality"], logy=True),
        "spectrogram": panels.spectrogram(flux),
        "heatmap": panels.heatmap(plane, x="step", y="energy", logy=True, contours=True),
        "image": panels.image(counts),
        "steps": panels.histogram_steps(rate, edges=edges, error=rate / 5),
        "points": panels.points(rate.assign_coords(channel=[1.0, 2, 3])),
        "sky": panels.sky_map(sky, width=300),
        "spectra": panels.power_spectra(spectra.rename("c_ell").to_dataset()),
        "paths": panels.plane_paths({"Probe": (x, y)}, areas=[area], lines={"line": (x + 1, y)}, dots={"dot": (x, y)}),
        "hodogram": panels.hodogram(field.transpose("time", "component"), x="l", y="m"),
        "message": panels.curves(wind["density"] * np.nan),
        "row": panels.curves(wind["bz"]) + panels.image(counts),
        "element": hv.Curve([1, 2, 3]),
        "dynamic": hv.DynamicMap(lambda: hv.Curve([1, 2, 3])),
    }


KINDS = ["curves", "spectrogram", "heatmap", "image", "steps", "points", "sky", "spectra", "paths", "hodogram"]
KINDS += ["message", "row", "element", "dynamic"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_picture_is_saved_for_print(kind, wind, flux, sky, tmp_path):
    picture = pictures(wind, flux, sky)[kind]
    path = panels.save(picture, tmp_path / f"{kind}.png", dpi=60)
    assert coloured(path) > (20 if kind != "message" else -1)


def drawn_with(picture):
    """Return the matplotlib axes of a picture's first panel."""
    import matplotlib

    with matplotlib.rc_context(RC):
        figure = figure_of(picture)
        figure.savefig(io.BytesIO(), format="png", dpi=50)
    return figure.axes[0]


@pytest.mark.slow
def test_axes_limits_and_directions_are_those_of_the_screen(wind, flux, sky):
    made = pictures(wind, flux, sky)
    assert drawn_with(made["curves"]).get_yscale() == "log"
    paths = drawn_with(
        panels.plane_paths(
            {"P": (wind["density"].rename("x"), wind["bz"].rename("y"))}, reach=20, reverse=(True, False)
        )
    )
    assert paths.get_xlim() == (20, -20) and paths.get_ylim() == (-20, 20)
    box = paths.get_window_extent()
    assert box.width == pytest.approx(box.height, rel=0.01)
    cells = drawn_with(made["spectrogram"])
    shown = hv.Store.lookup_options("bokeh", made["spectrogram"], "plot").kwargs
    (mesh,) = cells.collections
    assert (mesh.norm.vmin, mesh.norm.vmax) == pytest.approx(shown["clim"]) and type(mesh.norm).__name__ == "LogNorm"


@pytest.mark.slow
def test_an_image_stands_the_right_way_up():
    counts = xr.DataArray([[1.0, 2.0], [3.0, 4.0]], {"y": [0.0, 1.0], "x": [10.0, 11.0]}, ["y", "x"], name="c")
    (shown,) = drawn_with(panels.image(counts, logz=False)).images
    assert shown.get_extent() == [9.5, 11.5, -0.5, 1.5] and shown.origin == "upper"
    assert shown.get_array().tolist() == [[3.0, 4.0], [1.0, 2.0]]  # the first row on top, where y is 1


@pytest.mark.slow
def test_panels_of_a_column_share_the_time_axis(wind):
    import matplotlib

    later = wind["bz"].isel(time=slice(24, None))
    with matplotlib.rc_context(RC):
        first, second = figure_of(panels.curves(wind["density"]) + panels.curves(later)).axes
    assert first.get_xlim() == second.get_xlim()


@pytest.mark.parametrize("name", ["a.gif", "a", "a.jpg", "svg"])
def test_an_unknown_suffix_is_refused(name, tmp_path):
    with pytest.raises(BadOption, match=r"\.png, \.svg, \.pdf or \.html"):
        panels.save(hv.Curve([1]), tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_file_is_replaced_only_when_asked_for(tmp_path):
    path = tmp_path / "a.svg"
    path.write_text("mine")
    with pytest.raises(BadOption, match="overwrite"):
        panels.save(hv.Curve([1, 2]), path)
    assert path.read_text() == "mine"
    panels.save(hv.Curve([1, 2]), path, overwrite=True)
    assert "<svg" in path.read_text()
    assert [file.name for file in tmp_path.iterdir()] == ["a.svg"]


@pytest.mark.parametrize(
    ("options", "named"),
    [({"width": 0}, "width"), ({"width": 90}, "width"), ({"dpi": 5}, "dpi"), ({"dpi": True}, "dpi")],
)
def test_sizes_out_of_range_are_refused(options, named, tmp_path):
    with pytest.raises(BadOption, match=named):
        panels.save(hv.Curve([1]), tmp_path / "a.png", **options)
    with pytest.raises(BadOption, match="width"):
        panels.save(hv.Curve([1]), tmp_path / "a.html", width=5)


def test_a_folder_that_is_not_there_is_an_error_of_its_own(tmp_path):
    with pytest.raises(StoreError, match="no folder"):
        panels.save(hv.Curve([1]), tmp_path / "missing" / "a.png")


@pytest.mark.parametrize(
    ("thing", "named"),
    [
        (hv.Bars([("a", 1)]), "Bars"),
        (hv.Curve([1]) * hv.Histogram(([0, 1], [1])), "Histogram"),
        (hv.HoloMap({1: hv.Curve([1])}), "HoloMap"),
        (pn.Column("words"), "Column"),
        ("a picture", "str"),
        (None, "NoneType"),
    ],
)
def test_what_cannot_be_drawn_for_print_is_named(thing, named, tmp_path):
    with pytest.raises(BadOption, match=named):
        panels.save(thing, tmp_path / "a.pdf")
    assert not list(tmp_path.iterdir())


def test_a_single_moment_has_room_on_either_side_in_print():
    time = np.array(["2020-01-01"], "datetime64[ns]")
    one = xr.DataArray([1.0], {"time": time}, ["time"], "n", attrs={"units": "cm-3"})
    low, high = figure_of(panels.curves(one)).axes[0].get_xlim()
    assert high - low == pytest.approx(1 / 1440)


@pytest.mark.slow
def test_colours_over_hundreds_of_powers_of_ten_can_be_printed(tmp_path):
    time = np.datetime64("2020-01-01", "ns") + np.arange(4) * np.timedelta64(1, "m")
    axes = {"time": time, "energy": ("energy", [10.0, 100.0, 1000.0], {"units": "eV"})}
    flux = xr.DataArray(10.0 ** np.linspace(-250, 250, 12).reshape(4, 3), axes, ["time", "energy"], "flux")
    assert panels.save(panels.spectrogram(flux), tmp_path / "wide.png", dpi=50).stat().st_size > 0


@pytest.mark.slow
def test_a_colour_bar_stands_beside_its_frame_whatever_legends_other_panels_have(wind):
    time = wind.time.values
    axes = {"time": time, "energy": ("energy", [10.0, 100.0], {"units": "eV"})}
    flux = xr.DataArray(np.ones((time.size, 2)) * [1.0, 2.0], axes, ["time", "energy"], "flux")
    marks = {"an event with a very long name indeed, for the legend": time[5]}
    figure = figure_of(panels.time_panels(xr.Dataset({"density": wind["density"], "flux": flux}), marks=marks))
    figure.draw_without_rendering()
    frame = figure.axes[1]
    (bar,) = frame.child_axes
    gap = bar.get_window_extent().x0 - frame.get_window_extent().x1
    assert 0 < gap < 0.03 * frame.get_window_extent().width


def test_a_long_title_is_folded_before_the_edge_of_the_paper(wind):
    words = "Stokes Q: WMAP 7-year W band (94 GHz), NGC 7793 ULX4, MMS FGM and MSH 15-52, "
    with matplotlib.rc_context(RC):
        figure = figure_of(panels.curves(wind["density"], attrs={"title": words * 3}))
        figure.draw_without_rendering()
    title = figure.axes[0]._left_title.get_window_extent()
    assert title.x1 < figure.bbox.x1 and title.y1 < figure.bbox.y1
