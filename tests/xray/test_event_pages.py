"""The explorer of events: a column of choice, an index of its own or from disk, words where nothing can be drawn."""

import asyncio

import numpy as np
import pytest

from analysis import explore, xray
from analysis.errors import BadOption, WrongData
from analysis.xray import event_indexing


@pytest.fixture(scope="module")
def tree(made_events):
    rng = np.random.default_rng(3)
    n = 3000
    made = made_events(
        np.sort(rng.uniform(0, 1000, n)), [(10, 400), (500, 990)], x=rng.uniform(0, 20, n), y=rng.uniform(0, 20, n),
        energy=rng.uniform(0.1, 9, n).astype("f4"), pi=rng.integers(0, 50, n),
    )  # fmt: skip
    label = {"units": "1", "long_name": "Grade"}
    made["events"] = made["events"].to_dataset().assign(
        grade=("event", rng.integers(0, 8, n).astype("i2"), label), lost=("event", np.full(n, np.nan), label),
        hot=("event", rng.random(n) < 0.3, label), frame=("event", 10_000_000 + np.arange(n, dtype="i4") // 10, label),
    )  # fmt: skip
    return made


def told(page):
    return " ".join(str(getattr(part, "object", "")) for part in page.select() if hasattr(part, "object"))


def choose(page, label, value):
    import panel as pn

    next(widget for widget in page.select(pn.widgets.Select) if widget.label == label).value = value


def number(tree, **options):
    cut = xray.in_selection(tree, xray.selection("a", tree, **options))["events"]
    good = ((cut.time >= 10) & (cut.time <= 400)) | ((cut.time >= 500) & (cut.time <= 990))
    return f"{int(good.sum()):,} events"


@pytest.fixture(params=[False, True], ids=["by cuts", "by an index"])
def page(request, tree, monkeypatch):
    monkeypatch.setattr(event_indexing, "MANY", 1 if request.param else 10**9)
    return xray.explore(tree, bin_size=20)


@pytest.mark.slow
def test_any_column_is_shown_and_brushed_and_its_range_goes_when_another_is_chosen(tree, page):
    assert "Choose a column" in told(page)
    choose(page, "Histogram of", "grade")
    page.explored.write({"column": [1.5, 4.5]})
    assert number(tree, column=("grade", 1.5, 4.5)) in told(page)
    choose(page, "Histogram of", "pi")
    assert explore.state_of(page)["column"] is None
    assert "Nothing selected" in told(page)
    page.explored.write({"column": [1.5, 4.5]})
    assert number(tree, column=("pi", 1.5, 4.5)) in told(page)
    again = xray.explore(tree, bin_size=20, state=explore.state_of(page))
    assert number(tree, column=("pi", 1.5, 4.5)) in told(again)
    choose(page, "Histogram of", "lost")
    assert "no finite value" in told(page)
    assert "Traceback" not in told(page)


@pytest.mark.slow
def test_an_ellipse_in_the_box_is_counted(tree, page):
    page.explored.write({"shape": "ellipse in the box", "region": [2, 4, 18, 10]})
    assert number(tree, ellipse=(10, 7, 8, 3, 0)) in told(page)
    assert "cannot be shown" not in told(page)


def save_as(page, name):
    import panel as pn

    next(w for w in page.select(pn.widgets.TextInput) if "name" in w.placeholder).value = name
    button = next(w for w in page.select(pn.widgets.Button) if w.label == "Save selection")
    button.clicks += 1


@pytest.mark.slow
def test_what_the_words_say_is_saved_and_nothing_else(tree, page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_as(page, "core")
    assert "Nothing is selected" in told(page)
    page.explored.write({"region": [2.123456789, 4.1, 18.3, 10.7], "shape": "circle in the box"})
    page.explored.write({"energy": [-3, -2]})  # cannot be: the words say why, and no selection
    save_as(page, "core")
    assert not list(tmp_path.iterdir())
    page.explored.write({"energy": None})
    save_as(page, "core")
    saved = xray.read_selection("core.json")
    assert f"Selected {saved}: " in told(page)
    assert saved.shape.numbers == (10.2115, 7.4, 3.3)
    page.explored.write({"energy": [1, 2]})
    save_as(page, "core")
    assert "take another name" in told(page)
    assert xray.read_selection("core.json") == saved


@pytest.mark.slow
@pytest.mark.filterwarnings("error:Converting input from bool")
def test_a_column_of_yes_and_no_is_shown_and_brushed(tree, page):
    choose(page, "Histogram of", "hot")
    assert "cannot be shown" not in told(page)
    page.explored.write({"column": [0.5, 1.5]})
    assert number(tree, column=("hot", 0.5, 1.5)) in told(page)


@pytest.mark.slow
def test_a_narrow_range_of_large_numbers_is_said_and_cut_to_its_last_digits(tree, page):
    choose(page, "Histogram of", "frame")
    page.explored.write({"column": [10_000_100.4, 10_000_149.6]})
    assert "frame in [10000100.4, 10000149.6)" in told(page)
    assert number(tree, column=("frame", 10_000_101, 10_000_150)) in told(page)


@pytest.mark.slow
def test_a_light_curve_has_its_errors_the_range_selected_on_it_and_the_words_of_the_selection(page):
    import holoviews as hv

    stop = np.datetime64("1998-01-01T00:09:00")
    page.explored.write({"time": ["1998-01-01T00:04:00", str(stop)], "region": [2.5, 4, 18, 10]})
    curve = page.explored.pictures()["Light curve"]
    titles = [str(hv.Store.lookup_options("bokeh", part, "plot").kwargs.get("title")) for part in [curve, *curve]]
    assert any("Light curve" in title and "box(x in [2.5, 18), y in [4, 10) pix)" in title for title in titles)
    (bars,) = curve.traverse(lambda part: part, [hv.ErrorBars])
    (line,) = curve.traverse(lambda part: part, [hv.Curve])
    rate, error = bars.dimension_values(1), bars.dimension_values(2)
    seconds = np.round((rate / error**2), 6)  # N / s over (√N / s)²: s of good time
    assert np.nanmax(seconds[rate > 0]) == pytest.approx(20)
    assert len(bars) <= len(line)
    ends = [part.dimension_values(1)[0] for part in curve.traverse(lambda part: part, [hv.VSpans])]
    assert stop in np.array(ends, "datetime64[s]")


@pytest.mark.slow
def test_an_index_on_disk_is_made_once_and_then_opened(tree, made_events, tmp_path, monkeypatch):
    path = tmp_path / "a.index"
    first = xray.explore(tree, bin_size=20, column="grade", index=path)
    assert path.is_dir()
    monkeypatch.setattr(event_indexing, "event_index", None)  # no second one is made
    again = xray.explore(tree, index=path)
    for page in (first, again):
        page.explored.write({"region": [2, 4, 18, 10]})
        assert number(tree, x=(2, 18), y=(4, 10)) in told(page)
        assert "read from" in told(page)
    other = made_events([20.0, 30], [(10, 40)], x=[1.0, 2], y=[1.0, 2], energy=[1.0, 2], pi=[1, 2])
    with pytest.raises(WrongData, match="other events"):
        xray.explore(other, index=path)
    with pytest.raises(BadOption, match="no folder"):
        xray.explore(tree, index=tmp_path / "none" / "a.index")
    with pytest.raises(BadOption, match="energy_step"):
        xray.explore(tree, index=xray.event_index(tree))


@pytest.mark.slow
def test_an_index_that_cannot_be_kept_is_used_from_memory_and_one_made_meanwhile_is_opened(tree, tmp_path, monkeypatch):
    path = tmp_path / "a.index"

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(np, "save", full)
        page = xray.explore(tree, bin_size=20, index=path)
    assert "in memory" in told(page)
    assert "No space left" in told(page)
    page.explored.write({"region": [2, 4, 18, 10]})
    assert number(tree, x=(2, 18), y=(4, 10)) in told(page)
    made = event_indexing.event_index

    def late(*given, **options):
        index = made(*given, **options)
        xray.save_event_index(index, path)
        return index

    monkeypatch.setattr(event_indexing, "event_index", late)
    assert f"read from {path}" in told(xray.explore(tree, bin_size=20, index=path))


@pytest.mark.slow
def test_while_an_index_is_made_the_page_says_so_and_counts_by_cuts(tree, monkeypatch):
    import threading

    monkeypatch.setattr(event_indexing, "MANY", 1)
    monkeypatch.setattr(event_indexing, "EVERY", 0.05)
    go, made = threading.Event(), event_indexing.event_index

    def slow(*given, **options):
        go.wait(20)
        return made(*given, **options)

    monkeypatch.setattr(event_indexing, "event_index", slow)

    async def use():
        page = xray.explore(tree, bin_size=20)
        assert "Making an index of the 3,000 events" in told(page)
        page.explored.write({"region": [2, 4, 18, 10]})
        during = number(tree, x=(2, 18), y=(4, 10)) in told(page)
        go.set()
        for _ in range(200):
            if "counted from an index" in told(page):
                break
            await asyncio.sleep(0.05)
        return page, during

    page, during = asyncio.run(use())
    assert during
    assert "counted from an index" in told(page)
    page.explored.write({"energy": [1, 2]})
    assert number(tree, x=(2, 18), y=(4, 10), band=(1, 2)) in told(page)


@pytest.mark.slow
def test_lists_with_hardly_anything_in_them_have_a_page(made_events):
    for n in (0, 1):
        few = made_events(
            np.full(n, 20.0), [(10, 40)], x=np.ones(n), y=np.ones(n), energy=np.ones(n), pi=np.ones(n, int)
        )
        try:
            page = xray.explore(few)
        except (BadOption, WrongData, ValueError) as error:
            assert str(error)
            continue
        assert "Traceback" not in told(page)
        page.explored.write({"region": [50, 50, 60, 60]})
        assert "nothing" in told(page) or "the events hold" in told(page) or n == 0
