"""Orbits, hodograms, velocity space and quick looks."""

import tomllib

import holoviews as hv
import numpy as np
import pytest
import xarray as xr

from analysis import catalogue, plasma
from analysis.catalogue import declared
from analysis.errors import AnalysisError, BadOption, MissingUnits, OutsideCoverage, WrongData, WrongFrame

HOURS = np.arange("2011-06-01T00", "2011-06-01T13", dtype="datetime64[h]").astype("datetime64[ns]")


def orbit(frame="GSE", units="R_earth", scale=1.0, name="Probe"):
    angle = np.linspace(0, 2 * np.pi, HOURS.size)
    values = scale * np.stack([10 * np.cos(angle), 3 * np.sin(angle), 4 * np.sin(angle)], axis=1)
    axes = {"time": HOURS, "component": list("xyz")}
    return xr.DataArray(values, axes, ["time", "component"], name=name, attrs={"units": units, "frame": frame})


def boundary(**says):
    attrs = {"body": "Earth", "boundary": "magnetopause", "model": "mine", "form": "shue", "frame": "GSM", **says}
    return xr.Dataset({"standoff": ((), 8.0, {"units": "R_earth"}), "flaring": ((), 0.5, {"units": "1"})}, attrs=attrs)


def path_of(picture, label="Probe"):
    (line,) = [e for e in picture.traverse(lambda e: e, [hv.Curve]) if e.label == label]
    return line.dimension_values(0), line.dimension_values(1)


def figure_of(picture):
    return hv.render(picture, backend="bokeh")


def shades(picture):
    """Return the mean place across of each filled half, by its colour."""
    halves = picture.traverse(lambda e: e, [hv.Polygons])
    return {
        hv.Store.lookup_options("bokeh", half, "style").kwargs["color"]: float(half.dimension_values(0).mean())
        for half in halves
    }


@pytest.mark.slow
def test_an_orbit_is_drawn_in_radii_of_the_planet():
    x, y = path_of(plasma.orbit_view(orbit()))
    assert (x.max(), y.max()) == pytest.approx((10, 3))
    in_km = plasma.orbit_view(orbit(units="km", scale=6378.1), plane="xz")
    assert path_of(in_km)[1].max() == pytest.approx(4)
    mercury = plasma.orbit_view(orbit("MSO", "km", 2440.0), plane="xrho", body="Mercury")
    assert path_of(mercury)[1].max() == pytest.approx(5)  # 3 and 4 across make 5
    figure = figure_of(mercury)
    assert figure.xaxis[0].axis_label == "X MSO (Mercury radii)"
    assert "2,440.0 km" in " ".join(t.text for t in figure.below if hasattr(t, "text"))


@pytest.mark.parametrize("plane", ["xy", "xz"])
def test_the_night_is_on_the_side_away_from_the_sun(plane):
    day, night = "#f2f2f2", "#3a3a3a"
    seen = shades(plasma.orbit_view(orbit(), plane=plane))
    assert seen[day] > 0 > seen[night]


@pytest.mark.slow
def test_without_a_sunward_axis_the_disc_claims_no_night():
    assert list(shades(plasma.orbit_view(orbit("GEO")))) == ["#b5b5b5"]
    assert "night" not in " ".join(
        t.text for t in figure_of(plasma.orbit_view(orbit("SM"))).below if hasattr(t, "text")
    )


@pytest.mark.slow
def test_with_the_sun_at_the_left_the_picture_is_still_seen_from_the_north():
    def ends(**options):
        figure = figure_of(plasma.orbit_view(orbit(), reach=20, **options))
        return figure.x_range.start, figure.y_range.start

    assert ends() == (-20, -20)
    assert ends(sun="left") == (20, 20)
    assert ends(sun="left", plane="xz") == (20, -20)
    assert ends(sun="left", plane="yz") == (-20, -20)


def test_mercury_lies_south_of_its_dipole():
    picture = plasma.orbit_view(orbit("MSM", "km", 2440.0), plane="xz")
    disc = np.concatenate([half.dimension_values(1) for half in picture.traverse(lambda e: e, [hv.Polygons])])
    assert (disc.min(), disc.max()) == pytest.approx((-1.196, 0.804))


@pytest.mark.slow
@pytest.mark.parametrize("plane", ["xy", "xz", "xrho"])
def test_a_boundary_is_cut_in_the_plane_of_the_picture(plane):
    picture = plasma.orbit_view(orbit(), plane=plane, boundaries={"magnetopause": boundary()})
    x, y = path_of(picture, "magnetopause")
    seen = np.isfinite(x)
    assert np.nanmax(x) == pytest.approx(8)  # the stand-off distance
    r, theta = np.hypot(x, y)[seen], np.arctan2(np.abs(y), x)[seen]
    assert r == pytest.approx(8 * np.sqrt(2 / (1 + np.cos(theta))))
    figure_of(picture)


def test_events_are_marked_where_the_spacecraft_was():
    picture = plasma.orbit_view(orbit(), marks={"crossing": ["2011-06-01T00:30", HOURS[3]]})
    (dots,) = [e for e in picture.traverse(lambda e: e, [hv.Scatter]) if e.label == "crossing"]
    assert dots.dimension_values(0) == pytest.approx([(10 + 10 * np.cos(np.pi / 6)) / 2, 0], abs=1e-9)


@pytest.mark.slow
def test_several_spacecraft_come_by_dim_or_by_name():
    both = xr.concat([orbit(), 1.5 * orbit().assign_attrs()], "spacecraft", combine_attrs="override")
    both = both.assign_coords(spacecraft=["C1", "C2"]).assign_attrs(orbit().attrs)
    assert path_of(plasma.orbit_view(both), "C2")[0].max() == pytest.approx(15)
    named = plasma.orbit_view({"A": orbit(), "B": orbit(units="km", scale=6378.1).isel(time=slice(5))})
    assert path_of(named, "B")[0].max() == pytest.approx(10) and len(path_of(named, "B")[0]) == 5


@pytest.mark.parametrize(
    ("call", "error", "named"),
    [
        (lambda: plasma.orbit_view(orbit("MSO", "km")), WrongFrame, "body="),
        (lambda: plasma.orbit_view(orbit(), body="Pluto"), BadOption, "Pluto"),
        (lambda: plasma.orbit_view(orbit(), plane="zx"), BadOption, "zx"),
        (lambda: plasma.orbit_view(orbit(), sun="up"), BadOption, "up"),
        (lambda: plasma.orbit_view(orbit(), reach=-1), BadOption, "reach"),
        (lambda: plasma.orbit_view(orbit().sel(component="x")), WrongData, "component"),
        (lambda: plasma.orbit_view(orbit().where(False)), WrongData, "NaN"),
        (lambda: plasma.orbit_view(orbit().isel(time=slice(0))), OutsideCoverage, "no record"),
        (lambda: plasma.orbit_view(orbit().drop_attrs()), MissingUnits, "units"),
        (lambda: plasma.orbit_view({"A": orbit(), "B": orbit("GSM")}), WrongFrame, "B in GSM"),
        (lambda: plasma.orbit_view({}), WrongData, "no spacecraft"),
        (lambda: plasma.orbit_view({"A": orbit(), "B": orbit()}, marks={"a": HOURS[0]}), BadOption, "one spacecraft"),
        (lambda: plasma.orbit_view(orbit(), marks={"a": "2012-01-01"}), OutsideCoverage, "a at 2012"),
        (lambda: plasma.orbit_view(orbit(), boundaries={"mp": xr.Dataset()}), WrongData, "mp"),
        (lambda: plasma.orbit_view(orbit(), boundaries={"mp": boundary(body="Mars")}), BadOption, "Mars"),
        (lambda: plasma.orbit_view(orbit(), boundaries={"mp": boundary(frame="MSO")}), WrongFrame, "MSO"),
        (
            lambda: plasma.orbit_view(orbit(), boundaries={"mp": boundary().expand_dims(time=2)}),
            WrongData,
            "choose one",
        ),
    ],
)
def test_what_has_no_orbit_is_refused_with_the_reason(call, error, named):
    with pytest.raises(error, match=named):
        call()


def test_a_boundary_without_symmetry_has_no_line_over_rho():
    tilted = boundary().assign(aberration=((), 4.0, {"units": "deg"}))
    with pytest.raises(BadOption, match="symmetric"):
        plasma.orbit_view(orbit("GSM"), plane="xrho", boundaries={"mp": tilted})
    plasma.orbit_view(orbit("GSM"), plane="xy", boundaries={"mp": tilted})


@pytest.mark.slow
def test_a_hodogram_is_of_the_second_component_across_and_the_first_up():
    b = orbit().assign_coords(component=list("lmn")).assign_attrs(units="nT", long_name="Magnetic field", frame="LMN")
    figure = figure_of(plasma.hodogram(b))
    assert figure.xaxis[0].axis_label == "Magnetic field, M (LMN) (nT)"
    assert figure.yaxis[0].axis_label == "Magnetic field, L (LMN) (nT)"
    with pytest.raises(BadOption, match="q"):
        plasma.hodogram(b, x="q")
    with pytest.raises(WrongData, match="component"):
        plasma.hodogram(b.sel(component="l"))


@pytest.mark.slow
def test_a_distribution_over_two_velocities_has_equal_scales_and_contours():
    v = np.linspace(-500, 500, 21)
    axes = {"v_perp": ("v_perp", 1000 * v, {"units": "m s-1"}), "v_par": ("v_par", v, {"units": "km s-1"})}
    f = xr.DataArray(np.exp(-(v[:, None] ** 2 + v**2) / 1e5), axes, name="f", attrs={"units": "s3 m-6"})
    picture = plasma.view(f)
    assert picture.traverse(lambda e: e, [hv.Path])
    figure = figure_of(picture)
    assert figure.xaxis[0].axis_label == "V par (km s⁻¹)" and figure.frame_width == figure.frame_height
    with pytest.raises(BadOption, match="over time"):
        plasma.view(f, marks={"a": HOURS[0]})


@pytest.mark.slow
def test_title_and_source_of_a_single_array_may_be_given():
    data = plasma.fetch("qin_denton_hourly", "2001-03-31", "2001-04-01")
    figure = figure_of(plasma.view(data.dst, attrs=data.attrs))
    assert "Qin-Denton" in figure.title.text
    with pytest.raises(BadOption, match="attrs"):
        plasma.view(data, attrs={})


# ------------------------------------------------------------------------------------------------------ quick looks

INTERVALS = {
    "qin_denton_hourly": ("2001-03-30", "2001-04-01"),
    "space_weather_daily": ("2000-01-01", "2001-01-01"),
    "ring_current_hourly": ("2001-03-01", "2001-04-01"),
    "solo_epd_hcad": ("2020-07-13T04:00", "2020-07-13T04:10"),
}
SHIPPED, ARCHIVED = catalogue.products("plasma"), catalogue.products("plasma", live=True)
LOOKS = [(name, one) for name, found in {**SHIPPED, **ARCHIVED}.items() for one in found.quicklook]


@pytest.mark.slow
@pytest.mark.parametrize("name", SHIPPED)
def test_every_product_that_ships_has_a_quick_look_of_all_its_panels(name):
    picture = plasma.quicklook(name, *INTERVALS.get(name, ()))
    assert len(picture) == len(SHIPPED[name].quicklook) > 0
    figure_of(picture)
    told = [hv.Store.lookup_options("bokeh", e, "plot").kwargs for e in picture.traverse(lambda e: e, [hv.Element])]
    assert any(str(SHIPPED[name].title)[:20] in str(one.get("title")) for one in told)


def test_every_archives_product_with_data_over_time_declares_a_quick_look():
    without = [name for name, found in ARCHIVED.items() if not found.quicklook]
    assert all(ARCHIVED[name].source.archive == "tap" for name in without)


@pytest.mark.parametrize(("name", "look"), LOOKS, ids=[f"{name}-{look.variables[0]}" for name, look in LOOKS])
def test_a_quick_look_names_what_its_product_has(name, look):
    product = {**SHIPPED, **ARCHIVED}[name]
    held = product.names.get(look.node) or product.names["*"]
    assert set(look.variables) <= set(held)
    if look.kind == "orbit":  # needs a frame, which the declaration states
        assert "frame" in product.attrs.get(look.variables[0], {})


def test_the_twin_of_a_product_that_ships_looks_the_same():
    for found in SHIPPED.values():
        if found.live:
            assert ARCHIVED[found.live].quicklook == found.quicklook


@pytest.mark.slow
def test_flags_are_marked_and_lines_of_reference_drawn_in_a_quick_look():
    picture = plasma.quicklook("qin_denton_hourly", "2001-03-30", "2001-04-03", marks={"shock": "2001-03-31T00:52"})
    names = {e.label for e in picture.traverse(lambda e: e, [hv.Element]) if e.label}
    assert {"interpolated", "filled", "by", "bz", "intense storm", "zero", "shock"} <= names
    storm = plasma.fetch("qin_denton_hourly", "2001-03-30", "2001-04-03")
    marked = [e for e in list(picture)[1].traverse(lambda e: e, [hv.Scatter]) if e.label == "interpolated"]
    expected = [int(((flag == 1) & storm[name].notnull()).sum()) for name, flag in
                (("by", storm.by_quality), ("bz", storm.bz_quality))]  # fmt: skip
    assert [len(dots) for dots in marked] == expected


@pytest.mark.slow
def test_data_know_their_product_and_what_is_left_out_is_said():
    storm = plasma.fetch("qin_denton_hourly", "2001-03-30", "2001-04-01", variables=["dst", "speed"])
    picture = plasma.quicklook(storm)
    assert len(picture) == 2
    below = figure_of(list(picture)[-1]).below
    assert "Not in these data: by, bz, density, pdyn." in " ".join(t.text for t in below if hasattr(t, "text"))
    both = plasma.collect("qin_denton_hourly", "ring_current_hourly", start="2001-03-30", stop="2001-04-01")
    assert len(plasma.quicklook(both)) == 6


@pytest.mark.slow
def test_lines_in_one_panel_share_a_unit():
    mixed = plasma.fetch("qin_denton_hourly", "2001-03-30", "2001-04-01")
    mixed["by"] = (mixed.by / 1000).assign_attrs(mixed.by.attrs, units="uT")
    field = list(plasma.quicklook(mixed))[1]
    (bz,) = [e for e in field.traverse(lambda e: e, [hv.Curve]) if e.label == "bz"]
    assert "µT" in bz.vdims[0].pprint_label
    assert bz.dimension_values(1) == pytest.approx(mixed.bz.values / 1000, nan_ok=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("call", "error", "named"),
    [
        (lambda: plasma.quicklook(orbit().to_dataset()), WrongData, "which product"),
        (lambda: plasma.quicklook(orbit()), WrongData, "DataArray"),
        (lambda: plasma.quicklook(xr.DataTree()), WrongData, "no data"),
        (lambda: plasma.quicklook(plasma.fetch("apophis"), live=True), BadOption, "product's name"),
        (lambda: plasma.quicklook(plasma.fetch("qin_denton_hourly", variables=["kp"])), WrongData, "none of them"),
    ],
)
def test_what_has_no_quick_look_is_refused_with_the_reason(call, error, named):
    with pytest.raises(error, match=named):
        call()


@pytest.mark.parametrize(
    ("look", "told"),
    [
        ('{ variables = ["bt"] }', "names bt"),
        ('{ variables = [] }', "no list of names"),
        ('{ variables = "b" }', "no list of names"),
        ('{ variables = ["b"], colour = "red" }', "no key colour"),
        ('{ kind = "lines" }', "variables"),
        ('"b"', "is a table"),
        ('{ variables = ["b"], kind = "pie" }', "'pie'"),
        ('{ variables = ["b"], node = "ion" }', "node = 'ion'"),
        ('{ variables = ["b", "n"] }', "with a label"),
        ('{ variables = ["b", "n"], label = "x", kind = "spectrogram" }', "for kind = 'lines'"),
        ('{ variables = ["b"], limits = [5, 1] }', "limits"),
        ('{ variables = ["b"], log = true, limits = [0, 1] }', "logarithmic"),
        ('{ variables = ["b"], log = "yes" }', "log"),
        ('{ variables = ["b"], levels = { zero = "0" } }', "no numbers"),
        ('{ variables = ["b"], kind = "pitch_angles" }', "energy"),
        ('{ variables = ["b"], kind = "orbit", plane = "zx" }', "plane"),
        ('{ variables = ["b"], body = "Mars" }', "body"),
    ],
)  # fmt: skip
def test_a_wrong_quick_look_is_named(look, told):
    keys = {
        "title": "Demo",
        "mission": "Loopback",
        "instrument": "None",
        "kind": "dataset",
        "file": "a",
        "holds": ["b", "n"],
    }
    with pytest.raises(AnalysisError, match="'demo'") as caught:
        declared.declaration("demo", keys | tomllib.loads(f"quicklook = [{look}]"), domain="plasma")
    assert told in str(caught.value)


@pytest.mark.slow
def test_orbits_of_many_are_counted_in_the_title():
    time = np.datetime64("2020-01-01", "ns") + np.arange(5) * np.timedelta64(1, "h")
    attrs = {"units": "R_earth", "frame": "GSE"}
    place = xr.DataArray(
        np.ones((5, 3)) * np.arange(2.0, 7)[:, None], {"time": time}, ["time", "component"], attrs=attrs
    )
    many = plasma.orbit_view({f"craft {number}": place for number in range(30)})
    assert hv.render(many, backend="bokeh").title.text == "Orbits of 30 spacecraft"
