import importlib
import itertools
import re

import holoviews as hv
import numpy as np
import panel as pn
import pytest
import xarray as xr
from bokeh.models import ColorBar, GlyphRenderer
from bokeh.plotting import figure as Figure

from analysis import catalogue, panels
from analysis.errors import BadOption, WrongData
from analysis.panels.style import LINES
from analysis.panels.themes import DARK, GROUND, INK, PAGE, PALE

# Machado, Oliveira & Fernandes (2009), doi:10.1109/TVCG.2009.113, severity 1, on linear sRGB; as in R's prismatic.
VISION = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]])


def linear(colour):
    held = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(held <= 0.04045, held / 12.92, ((held + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    """Return CIE L*a*b* (white D65) of linear sRGB."""
    scaled = XYZ @ np.clip(rgb, 0, 1) / [0.95047, 1.0, 1.08883]
    x, y, z = np.where(scaled > (6 / 29) ** 3, np.cbrt(scaled), scaled / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def contrast(one, other):
    """Return the contrast ratio of WCAG 2.1."""
    low, high = sorted(float(XYZ[1] @ linear(colour)) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


@pytest.fixture
def dark():
    panels.theme("dark")
    yield
    panels.theme("light")


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("ground", ["light", "dark"])
def test_lines_are_told_apart_with_any_colour_vision(vision, ground):
    lines = [DARK.get(colour.lower(), colour) if ground == "dark" else colour for colour in LINES]
    seen = [lab(np.asarray(VISION[vision]) @ linear(colour)) for colour in lines]
    following = [np.linalg.norm(a - b) for a, b in itertools.pairwise(seen)]
    apart = [np.linalg.norm(a - b) for i, a in enumerate(seen) for b in seen[:i]]
    assert min(following) > 15  # 2.3 is just noticeable
    assert min(apart) > 13


def test_lines_and_words_stand_out_from_the_dark_ground():
    assert all(contrast(DARK.get(colour.lower(), colour), GROUND) > 3 for colour in LINES)
    words = [INK, DARK["#555555"], DARK["#b2182b"]]
    assert all(contrast(word, ground) > 4.5 for word in words for ground in (GROUND, PAGE))


def test_light_is_the_default_and_comes_back(wind):
    assert panels.theme() == "light"
    panels.theme("dark")
    try:
        assert hv.render(panels.curves(wind.bz)).background_fill_color == GROUND
    finally:
        assert panels.theme("light") == "light"
    assert hv.render(panels.curves(wind.bz)).background_fill_color != GROUND


def test_an_unknown_theme_is_refused_with_the_nearest():
    with pytest.raises(BadOption, match="did you mean 'dark'"):
        panels.theme("drak")


def test_dark_lines_axes_words_and_notes_are_bright(wind, dark):
    figure = hv.render(panels.curves(wind.density, quality=wind.density_quality, attrs=wind.attrs))
    line = next(r.glyph for r in figure.select({"type": GlyphRenderer}) if type(r.glyph).__name__ == "Line")
    assert line.line_color == DARK["#0072b2"]
    assert figure.xaxis[0].major_label_text_color == figure.title.text_color == INK
    assert figure.border_fill_color == PAGE
    assert (figure.below[-1].text_color, figure.above[-1].text_color) == (DARK["#555555"], DARK["#b2182b"])


def test_missing_values_are_dark_grey_and_colours_stay_in_the_dark_theme(flux, dark):
    figure = hv.render(panels.spectrogram(flux))
    assert figure.background_fill_color == DARK["#e8e8e8"]
    bar = figure.select({"type": ColorBar})[0]
    assert bar.title_text_color == bar.major_label_text_color == INK
    assert bar.color_mapper.palette[0] == "#440154"  # viridis begins so in both


@pytest.mark.slow
def test_print_is_light_whatever_the_theme(wind, tmp_path, dark):
    picture = panels.curves(wind.bz)
    one = panels.save(picture, tmp_path / "dark.png", dpi=50).read_bytes()
    panels.theme("light")
    assert panels.save(panels.curves(wind.bz), tmp_path / "light.png", dpi=50).read_bytes() == one


def test_a_screen_reader_is_told_title_axes_source_and_that_data_are_synthetic(flux, wind):
    told = hv.render(panels.spectrogram(flux, attrs=wind.attrs)).html_attributes
    assert told["role"] == "figure"
    assert told["aria-label"] == (
        "Figure: Made-up wind. synthetic data, simulated, not measured. Across: Time (UTC). Up: Energy (eV). "
        "Colour: Proton flux (cm⁻² s⁻¹ sr⁻¹ keV⁻¹). Source: a sine · Sankō's tests"
    )


def test_a_picture_without_title_or_source_is_described_by_its_axes():
    time = np.arange("2001-03-31", "2001-04-03", dtype="datetime64[D]").astype("datetime64[ns]")
    dst = xr.DataArray([1.0, 2.0, 3.0], {"time": time}, name="dst", attrs={"units": "nT", "long_name": "Dst"})
    assert "Up: Dst (nT)" in hv.render(panels.curves(dst)).html_attributes["aria-label"]


def test_keys_go_only_across_where_the_tools_do(wind, flux):
    assert hv.render(panels.curves(wind.bz)).html_attributes["data-across"] == "true"
    assert hv.render(panels.image(flux.isel(energy=[0, 1]).drop_vars(["energy", "time"]))).html_attributes[
        "data-across"
    ] == ("false")


def figures_of(picture):
    root = hv.render(picture)
    return list(
        {f.id: f for f in [*root.select({"type": Figure}), *([root] if isinstance(root, Figure) else [])]}.values()
    )


def check_told(picture, *, synthetic):
    """Check that axes are labelled, colours titled, sources written and figures described."""
    figures = figures_of(picture)
    assert figures
    times = [f for f in figures if f.xaxis[0].axis_label]
    sources = [part.text for f in figures for part in f.below if hasattr(part, "text")]
    assert any("Source: " in text for text in sources)
    for figure in figures:
        assert all(axis.axis_label for axis in figure.yaxis if axis.visible)
        assert all(axis.axis_label for axis in figure.xaxis if axis.visible) or times  # a column shares the last one's
        assert all(bar.title for bar in figure.select({"type": ColorBar}))
        assert "Figure" in figure.html_attributes["aria-label"]
        marked = any("SYNTHETIC" in getattr(part, "text", "") for part in figure.above)
        assert marked == synthetic


@pytest.mark.slow
def test_every_panel_says_units_source_and_synthetic(wind, flux, sky):
    known = wind.attrs
    pixels = flux.isel(time=slice(0, 6)).drop_vars(["time", "energy"])
    named = flux.isel(time=slice(0, 6)).rename(time="k").assign_coords(k=("k", np.arange(6.0), {"units": "1"}))
    edges = xr.DataArray(np.geomspace(9, 2e4, 7), dims="edge", attrs={"units": "eV", "long_name": "Energy"})
    field = xr.concat([wind.bz, 2 * wind.bz.roll(time=5)], "component").assign_coords(component=["x", "y"])
    field.attrs["units"] = "nT"
    ell = ("ell", np.arange(2, 9), {"units": "1", "long_name": "Multipole"})
    spectra = xr.DataArray(
        np.ones((1, 7)),
        {"spectrum": ["TT"], "ell": ell},
        ["spectrum", "ell"],
        name="cl",
        attrs={"units": "uK2", "long_name": "Power"},
    )
    made = {
        "curves": panels.curves(wind.bz, attrs=known),
        "spectrogram": panels.spectrogram(flux, attrs=known),
        "heatmap": panels.heatmap(named, x="k", y="energy", attrs=known),
        "image": panels.image(pixels, attrs=known),
        "sky_map": panels.sky_map(sky, width=200, attrs=known),
        "sky_zoom": panels.sky_zoom(sky, width=200, attrs=known),
        "time_panels": panels.time_panels(wind, attrs=known),
        "points": panels.points(
            wind.bz.isel(time=slice(0, 3)).drop_vars("time"), x=named.k[:3].rename(k="time"), attrs=known
        ),
        "histogram_steps": panels.histogram_steps(flux.isel(time=0), edges=edges, attrs=known),
        "hodogram": panels.hodogram(field, x="x", y="y", attrs=known),
        "power_spectra": panels.power_spectra(spectra, attrs=known),
    }
    for picture in made.values():
        check_told(picture, synthetic=True)
    figure = figures_of(made["curves"])[0]
    assert figure.yaxis[0].axis_label == "Magnetic field, north, GSM (nT)" or "(nT)" in figure.yaxis[0].axis_label


UNITS = r"\([^()]*[^()\s][^()]*\)"  # as in "Energy (keV)"


@pytest.mark.slow
def test_every_other_panel_says_units_source_and_synthetic(wind):
    known = wind.attrs
    ell = ("ell", np.arange(2, 9), {"units": "1", "long_name": "Multipole ℓ"})
    power = {n: ("ell", np.arange(1.0, 8), {"units": "uK2", "long_name": f"C_ℓ^BB of {n}"}) for n in ("noise", "total")}
    r = ("r", np.linspace(0, 0.1, 11), {"units": "1", "long_name": "Tensor-to-scalar ratio r"})
    density = xr.DataArray(np.exp(-np.arange(11.0)), {"r": r}, ["r"], name="posterior", attrs={"long_name": "Density"})
    sides = {n: (n, np.arange(4.0), {"units": "pix", "long_name": f"Sky {n}"}) for n in "yx"}
    bands = xr.DataArray(np.ones((3, 4, 4)), sides, ["band", "y", "x"], name="counts", attrs={"units": "ct"})
    grid = {
        "kT": ("kT", np.linspace(1, 3, 21), {"units": "keV", "long_name": "Temperature"}),
        "norm": ("norm", np.linspace(1, 3, 21), {"units": "cm-5", "long_name": "Emission measure"}),
    }
    bowl = xr.DataArray((np.linspace(-2, 2, 21) ** 2)[:, None] + np.linspace(-2, 2, 21) ** 2, grid, ["kT", "norm"])
    kev, per = {"units": "keV", "long_name": "Energy"}, {"units": "ct s-1 keV-1", "long_name": "Rate"}
    fit = {"energy_low": kev, "energy_high": kev, "rate": per, "rate_error": per, "model": per}
    fit = {name: ("bin", np.arange(1.0, 4) + (name == "energy_high"), attrs) for name, attrs in fit.items()}
    fit["residual"] = ("bin", np.zeros(3), {"units": "1", "long_name": "Residual in σ"})
    fit = xr.Dataset(fit, {"spectrum": ("bin", ["pn"] * 3)}, known)
    x, y = (wind.bz.rename(n).assign_attrs(units="R_earth", long_name=n.upper()) for n in "xy")
    energy, rate = (
        hv.Dimension(n, label=d, unit=u) for n, d, u in (("energy", "Energy", "keV"), ("rate", "Rate", "1/s"))
    )
    moving = hv.DynamicMap(lambda: hv.Overlay([hv.Curve(([1, 2], [1, 2]), energy, rate, label="model")]))
    budget = panels.power_budget(xr.Dataset(power, {"ell": ell}), attrs=known)
    pictures = {
        "power_budget": (budget, 1),
        "posterior": (panels.posterior(density, truth=0.05, attrs=known), 0),
        "colour_image": (panels.colour_image(bands, attrs=known), 2),
        "level_lines": (panels.level_lines(bowl, levels={"1 σ": 2.3}, attrs=known), 2),
        "fitted": (
            panels.fitted(
                fit, points="rate", error="rate_error", lines={"model": ("model", "solid")}, groups="spectrum"
            ),
            3,
        ),
        "data_and_lines": (panels.data_and_lines(fit, moving, points="rate", error="rate_error"), 2),
        "plane_paths": (panels.plane_paths({"Probe": (x, y)}, attrs=known), 2),
    }
    for name, (picture, with_units) in pictures.items():
        check_told(picture, synthetic=True)
        labels = [axis.axis_label for figure in figures_of(picture) for axis in (*figure.xaxis, *figure.yaxis)]
        assert sum(bool(re.search(UNITS, label or "")) for label in labels) >= with_units, (name, labels)


@pytest.mark.slow
def test_a_corner_says_at_its_rim_what_is_drawn_and_to_a_screen_reader_in_each_panel(wind):
    draws = np.random.default_rng(1).normal(size=(400, 3))
    labels = ["kT (keV)", "norm (cm⁻⁵)", "z"]
    figures = figures_of(panels.corner(draws, labels=labels, attrs=wind.attrs))
    assert {axis.axis_label for f in figures for axis in f.xaxis} - {" ", "", None} == set(labels)
    told = [figure.html_attributes["aria-label"] for figure in figures]
    assert len(told) == 6 and all("synthetic data" in words for words in told)
    assert sum("Draws of norm (cm⁻⁵) against kT (keV)" in words for words in told) == 1
    assert sum("Source: a sine" in words for words in told) == 1


LONG = {"qin_denton_hourly", "space_weather_daily"}  # the same views as others, of long series


@pytest.mark.slow
@pytest.mark.parametrize("domain", ["plasma", "xray", "cmb"])
def test_every_view_of_what_ships_says_units_source_and_what_is_across(domain):
    module, drawn = importlib.import_module(f"analysis.{domain}"), 0
    for name in catalogue.products(domain):
        if name in LONG:
            continue
        data = module.fetch(name)
        try:
            picture = module.view(data)
        except WrongData:  # numbers without an axis to draw them along
            continue
        check_told(picture, synthetic=str(data.attrs.get("synthetic", "false")) == "true")
        drawn += 1
    assert drawn >= 5


@pytest.mark.parametrize("name", ["light", "dark"])
def test_the_box_in_place_of_a_picture_is_readable_in_either_theme(name):
    from analysis.explore.pages import reason

    panels.theme(name)
    try:
        box = reason("A view", BadOption("no"))
    finally:
        panels.theme("light")
    ground, ink = re.search(r"background: (#\w+); color: (#\w+)", box).groups()
    assert contrast(ink, ground) > 4.5


def test_pale_words_are_readable_on_any_ground_that_a_notebook_has():
    for ink, ground in ((0.13, 1.0), (0.87, 0.067), (0.88, 0.13)):  # grey levels: JupyterLab light and dark, VS Code
        seen = float(PALE) * ink + (1 - float(PALE)) * ground
        told, under = (f"#{round(255 * level):02x}" + 2 * f"{round(255 * level):02x}" for level in (seen, ground))
        assert contrast(told, under) > 4.5


@pytest.mark.slow
def test_words_on_pages_bring_no_colour_without_a_ground_for_it():
    import analysis
    from analysis import plasma

    pages = [analysis.browse(product="ring_current_hourly"), plasma.explore(plasma.fetch("ring_current_hourly"))]
    for words in (pane for page in pages for pane in page.select(pn.pane.HTML)):
        assert "color" not in words.styles
        for style in re.findall(r"style='([^']*)'", str(words.object)):
            assert "background" in style or not re.search(r"(?<!-)color:(?!inherit)", style)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::analysis.errors.AnalysisWarning")
@pytest.mark.parametrize(
    ("domain", "product"),
    [("plasma", "qin_denton_hourly"), ("xray", "msh1552_acis_events"), ("cmb", "wmap7_w_iqu")],
)
def test_every_figure_of_an_explorer_is_described_and_its_axes_say_what_they_are(domain, product):
    module = importlib.import_module(f"analysis.{domain}")
    root = module.explore(module.fetch(product)).get_root()
    figures = {figure.id: figure for figure in root.select({"type": Figure})}.values()
    assert len(figures) >= 2
    for figure in figures:
        assert figure.html_attributes["aria-label"].startswith("Figure")
        assert all(axis.axis_label for axis in figure.yaxis if axis.visible)
    texts = [part.text for figure in figures for part in figure.below if hasattr(part, "text")]
    assert any("Source: " in text for text in texts)
