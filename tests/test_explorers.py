"""Every explorer keeps the same promises, and those with arithmetic of their own have it right.

The explorers are found, not listed: a new one is tested by being there.
"""

import asyncio
import importlib
import io
import pkgutil
import random
import re
import typing
from contextlib import contextmanager
from html.parser import HTMLParser
from inspect import getmembers, iscoroutinefunction, isfunction, signature
from itertools import pairwise
from types import SimpleNamespace

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from voice_agent_lab import lessons as explorers
from voice_agent_lab.lessons import explorer as base
from voice_agent_lab.lessons.explorer import Explorer, choice, slider, switch
from voice_agent_lab.plots import new_figure, png, style

# Finding them.


def functions_without_arguments():
    for info in pkgutil.iter_modules(explorers.__path__):
        module = importlib.import_module(f"{explorers.__name__}.{info.name}")
        for name, function in getmembers(module, isfunction):
            ours = function.__module__ == module.__name__ and not name.startswith("_")
            if ours and not signature(function).parameters and not iscoroutinefunction(function):
                yield f"{info.name}.{name}", function


def makes_an_explorer(function):
    return typing.get_type_hints(function).get("return") is Explorer


MAKERS = {name: f for name, f in functions_without_arguments() if makes_an_explorer(f)}
every_explorer = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())


def test_what_makes_an_explorer_says_so():
    assert len(MAKERS) >= 12
    for name, function in functions_without_arguments():
        # One that is declared is made in every test below, any other function here.
        makes = hasattr(function, "draw") or isinstance(function(), Explorer)
        assert makes == (name in MAKERS), name


# Looking at them.


class _Page(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data


def shown(explorer):
    """Return what a person sees: the picture's attributes, None without a picture, and the sentence."""
    seen = explorer.page.shown
    assert explorer.page.values == explorer.values
    picture = {name: seen[name] for name in ("picture", "alt", "width", "height")}
    return picture if seen["picture"] else None, seen["sentence"]


def assert_one_sentence(message):
    assert re.fullmatch(r"[^.!?]([^.!?]|[.!?](?=\S))*\.?", message), f"not one sentence: {message!r}"


def assert_consistent(explorer):
    picture, sentence = shown(explorer)
    assert sentence == explorer.sentence == repr(explorer)
    assert "nan" not in sentence
    assert "\n" not in sentence
    if explorer.page.shown["impossible"]:
        assert_one_sentence(sentence)
        return
    assert picture["alt"] == sentence
    assert re.search(r"\d", sentence)
    assert sentence.endswith(".")
    assert Image.open(io.BytesIO(picture["picture"])).size == (picture["width"], picture["height"])


def ends(control):
    """Return every option of a control, or the two ends of its range."""
    about = control.description
    return about.get("options") or [about.get("low", False), about.get("high", True)]


def from_the_page(explorer, name, value):
    """Do what the page does when a person changes a control."""
    explorer.page.set_state({"values": explorer.page.values | {name: value}})


@contextmanager
def pixels_left_out():
    """Leave out the rendering of pictures, which takes most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base, "png", lambda figure: b"pixels")
        yield


@pytest.fixture
def no_pixels():
    with pixels_left_out():
        yield


# What every explorer promises.


@every_explorer
def test_it_starts_with_a_picture_and_a_sentence_of_numbers(make):
    explorer = make()
    assert_consistent(explorer)
    picture, _ = shown(explorer)
    assert picture["width"] == 800


@every_explorer
def test_a_file_shows_its_picture_with_the_sentence_as_alternative_text(make, no_pixels):
    explorer = make()
    still = explorer.still()
    assert still["text/plain"] == repr(explorer) == explorer.sentence
    page = _Page(still["text/html"])
    (around, _), (_, image), (paragraph, _) = page.tags
    assert around == "div"
    assert image["alt"] == page.text == explorer.sentence
    assert "max-width: 100%" in image["style"]
    assert image["src"].startswith("data:image/png;base64,")
    assert paragraph == "p"


@every_explorer
def test_its_controls_say_what_they_set(make):
    count_or_ratio = r"factor|rate|share|times|number|tokens|words|frames|turns|calls|seed|alpha|/"
    with pixels_left_out():
        explorer = make()
    for name, control in explorer.controls.items():
        assert control.label, name
        if control.description["kind"] == "slider":
            assert control.description["low"] <= control.value <= control.description["high"]
            unit = re.search(r"\([^()]+\)$", control.label)
            assert unit or re.search(count_or_ratio, control.label), (
                f"{control.label!r} should end with its unit in parentheses, or be a count or a ratio"
            )


@every_explorer
def test_at_most_six_controls_are_in_view(make, no_pixels):
    controls = make().controls.values()
    assert sum(not control.description["folded"] for control in controls) <= 6


@every_explorer
def test_each_control_reaches_its_ends_and_comes_back(make):
    explorer = make()
    first, picture = explorer.sentence, shown(explorer)[0]
    for name, control in explorer.controls.items():
        default = control.value
        for value in (value for value in ends(control) if value != default):
            assert explorer.set(**{name: value}) == explorer.sentence
            assert explorer.values[name] == value
            assert_consistent(explorer)
        with pixels_left_out():
            assert explorer.set(**{name: default}) == first
    assert shown(make())[0] == picture


@every_explorer
def test_code_and_person_take_the_same_path(make, no_pixels):
    ours, theirs = make(), make()
    first = shown(ours)
    for name, control in ours.controls.items():
        value = next(value for value in ends(control)[::-1] if value != control.value)
        from_the_page(theirs, name, value)
        assert theirs.values[name] == value
    ours.set(**theirs.values)
    assert shown(ours) == shown(theirs) != first


def all_at_their_ends(explorer):
    """Yield values of which each is at one of its ends: all low, all high, and four mixtures."""
    all_ends = {name: (ends(control)[0], ends(control)[-1]) for name, control in explorer.controls.items()}
    generator = random.Random(0)
    mixtures = [[generator.randrange(2) for _ in all_ends] for _ in range(4)]
    for side in ([0] * len(all_ends), [1] * len(all_ends), *mixtures):
        yield {name: pair[k] for (name, pair), k in zip(all_ends.items(), side, strict=True)}


@every_explorer
def test_all_controls_can_be_at_their_ends_at_once(make, no_pixels):
    explorer = make()
    for values in all_at_their_ends(explorer):
        figure, sentence = drawn_or_refused(explorer, values)
        assert not re.search("nan|_", sentence), values
        if figure is None:
            assert_one_sentence(sentence)
            continue
        assert isinstance(figure, Figure)
        assert png(figure).startswith(b"\x89PNG")
        assert sentence.endswith("."), values
        assert outside(figure) == [], values


def drawn_or_refused(explorer, values):
    """Return what an explorer draws, with its sentence; no figure where it refuses."""
    try:
        return explorer.draw(**values)
    except ValueError as error:
        return None, str(error)


def outside(figure):
    """Return what of a drawn figure is not wholly seen: texts off the picture, points and bars off the axes."""
    with style():
        renderer, page = FigureCanvasAgg(figure).get_renderer(), figure.bbox.padded(1)
        texts = [text for axes in figure.axes for text in axes.texts if text.get_text()]
        lost = [t.get_text() for t in texts if not within(t.get_window_extent(renderer), page)]
    for axes in figure.axes:
        room = axes.bbox.padded(1)
        for line in axes.lines:
            if line.get_marker() != "None" or not line.get_clip_on():  # a curve may leave the axes
                points = line.get_transform().transform(line.get_xydata())
                lost += [point for point in points if not room.contains(*point)]
        lost += [bar for bar in axes.patches if not within(bar.get_window_extent(), room)]
    return lost


def within(box, room):
    """Return whether a box is inside another one, in pixels."""
    return box.x0 >= room.x0 and box.x1 <= room.x1 and box.y0 >= room.y0 and box.y1 <= room.y1


@every_explorer
def test_the_axes_stay_while_a_slider_moves(make, no_pixels):
    explorer = make()
    for name, control in explorer.controls.items():
        about, drawn = control.description, []
        if about["kind"] != "slider":
            continue
        for share in (0, 0.25, 0.5, 0.75, 1):
            value = control.taken(about["low"] + (about["high"] - about["low"]) * share)
            figure, _ = drawn_or_refused(explorer, explorer.values | {name: value})
            if figure:
                drawn.append([limits for ax in figure.axes for limits in (ax.get_xlim(), ax.get_ylim())])
        for limits in zip(*drawn, strict=True):
            # An axis may make room once or twice on the way from end to end.
            assert sum(now != before for before, now in pairwise(limits)) <= 2, name


@every_explorer
def test_an_unknown_control_is_an_error_that_names_those_that_there_are(make, no_pixels):
    explorer = make()
    with pytest.raises(ValueError, match=f"no control 'volume'.*{next(iter(explorer.controls))}"):
        explorer.set(volume=11)
    assert explorer.sentence == shown(explorer)[1] == make().sentence


# The controls, and what an explorer does with its draw function.


def counting(limit=7.0):
    """Return an explorer over x that cannot draw above a limit, and the list of what it drew."""
    drawn = []

    def draw(x, name="a"):
        drawn.append((x, name))
        if x > limit:
            raise ValueError(f"x is {x} & <too large>; use {limit} or less.")
        figure, (axes,) = new_figure(1.5)
        axes.plot([0, 1], [0, x])
        return figure, f'x is {x}, "<{name}>" & more.'

    return Explorer(draw, x=slider("x (s)", 0.0, 10.0, 2.0), name=choice("name", ["a", "b"], "a")), drawn


def test_a_slider_of_whole_numbers_gives_whole_numbers():
    control = slider("frame (ms)", 10, 100, 20)
    assert (control.description["step"], control.description["digits"]) == (1, 0)
    assert repr(control.taken(30.0)) == "30"
    assert slider("frame (ms)", 10, 100, 20, 5).description["step"] == 5


@pytest.mark.parametrize(
    ("low", "high", "value", "step", "expected"),
    [
        (0.0, 1.0, 0.5, None, 0.05),
        (0.1, 2.0, 0.5, None, 0.095),
        (0, 3.0, 1, None, 0.15),
        (0, 10, 5, 0.5, 0.5),
        (0.0, 1.0, 0.5, 0.1, 0.1),
    ],
)
def test_any_fraction_makes_a_slider_of_fractions(low, high, value, step, expected):
    control = slider("timeout (s)", low, high, value, step)
    assert (control.description["step"], control.description["digits"]) == (expected, 2)
    assert control.taken(0.1 + 0.2) == 0.3


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_slider_is_set_to_numbers(value):
    with pytest.raises(ValueError, match=r"timeout \(s\) is .*from 0.0 to 1.0"):
        slider("timeout (s)", 0.0, 1.0, 0.5).taken(value)


def test_a_choice_knows_its_options_and_a_switch_is_on_or_off():
    control = choice("who waits", ("a", "b"), "b")
    assert (control.description["options"], control.value, control.label) == (["a", "b"], "b", "who waits")
    with pytest.raises(ValueError, match="who waits is 'c'; it must be one of 'a', 'b'"):
        control.taken("c")
    assert (switch("mend it").value, switch("mend it", True).value) == (False, True)


def test_it_draws_once_for_each_change_and_not_without_one():
    explorer, drawn = counting()
    assert drawn == [(2.0, "a")]
    explorer.set(x=3.0)
    explorer.set(x=3.0)
    assert explorer.set() == 'x is 3.0, "<a>" & more.'
    explorer.set(x=4.0, name="b")
    assert drawn == [(2.0, "a"), (3.0, "a"), (4.0, "b")]


def test_a_slider_stops_at_its_end():
    explorer, _ = counting(limit=20.0)
    assert explorer.set(x=99.0).startswith("x is 10.0,")


def test_a_combination_that_cannot_be_drawn_keeps_the_last_picture_and_warns():
    explorer, _ = counting()
    first = shown(explorer)
    assert explorer.set(x=8.0) == "x is 8.0 & <too large>; use 7.0 or less."
    assert shown(explorer) == (first[0], explorer.sentence)
    assert explorer.page.shown["impossible"]
    assert_consistent(explorer)
    explorer.set(x=2.0)
    assert shown(explorer) == first
    assert not explorer.page.shown["impossible"]


def test_in_a_running_loop_only_the_latest_value_is_drawn():
    explorer, drawn = counting()

    async def drag():
        for x in (3.0, 4.0, 5.0):
            from_the_page(explorer, "x", x)
        assert len(drawn) == 1
        await asyncio.sleep(0)

    asyncio.run(drag())
    assert drawn == [(2.0, "a"), (5.0, "a")]
    assert explorer.sentence.startswith("x is 5.0")


def test_a_notebook_shows_a_still_and_the_live_page_and_keeps_the_last_picture(monkeypatch):
    kept = []

    def display(bundle, *, raw, display_id=None, metadata=None):
        kept.append(bundle)
        return SimpleNamespace(update=lambda bundle, raw: kept.append(bundle))

    monkeypatch.setattr(base, "display", display)
    monkeypatch.setattr(base, "REST", 0)
    explorer, _ = counting()
    explorer._ipython_display_()
    still, page = kept
    assert still["text/plain"] == 'x is 2.0, "<a>" & more.'
    assert "application/vnd.jupyter.widget-view+json" in page
    assert page["text/plain"] == "Run this cell to move the controls of this picture."

    async def drag():
        for x in (3.0, 4.0, 5.0):
            from_the_page(explorer, "x", x)
        await asyncio.sleep(0.01)

    asyncio.run(drag())
    assert kept[2:] == [explorer.still()]
    assert kept[2]["text/plain"].startswith("x is 5.0")


def test_a_mistake_that_a_person_comes_upon_is_shown_and_passed_on():
    def draw(x):
        return new_figure(1.5)[0], f"x is {1 / x}."

    explorer = Explorer(draw, x=slider("x (s)", 0, 10, 2))
    passed_on = []

    async def move():
        asyncio.get_running_loop().set_exception_handler(lambda _, context: passed_on.append(context))
        from_the_page(explorer, "x", 0)
        await asyncio.sleep(0)

    asyncio.run(move())
    picture, sentence = shown(explorer)
    assert sentence == "This picture could not be drawn: ZeroDivisionError: division by zero"
    assert picture["alt"] == "x is 0.5."
    assert isinstance(passed_on[0]["exception"], ZeroDivisionError)
    from_the_page(explorer, "x", 1)
    assert explorer.sentence == "x is 1.0."


def test_an_explorer_may_start_with_a_message():
    explorer, _ = counting(limit=1.0)
    assert shown(explorer) == (None, "x is 2.0 & <too large>; use 1.0 or less.")


def test_a_mistake_in_the_draw_function_is_not_hidden():
    def draw(x):
        raise KeyError(x)

    with pytest.raises(KeyError):
        Explorer(draw, x=slider("x (s)", 0, 1, 0))


def test_the_alternative_text_is_the_sentence_letter_by_letter():
    explorer, _ = counting()
    picture, sentence = shown(explorer)
    assert picture["alt"] == sentence == 'x is 2.0, "<a>" & more.'
    assert (picture["width"], picture["height"]) == (800, 150)
