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

import pytest
from matplotlib.figure import Figure
from PIL import Image

from voice_agent_lab import lessons as explorers
from voice_agent_lab.lessons import explorer as base
from voice_agent_lab.lessons.explorer import Explorer, choice, slider, switch
from voice_agent_lab.plots import new_figure, png

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
    bundle, _ = explorer._repr_mimebundle_()
    assert bundle["text/plain"] == repr(explorer) == explorer.sentence
    assert "application/vnd.jupyter.widget-view+json" in bundle
    page = _Page(bundle["text/html"])
    (_, image), (paragraph, _) = page.tags
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


@every_explorer
def test_all_controls_can_be_at_their_ends_at_once(make):
    with pixels_left_out():
        explorer = make()
    all_ends = {name: (ends(control)[0], ends(control)[-1]) for name, control in explorer.controls.items()}
    sides = [[0] * len(all_ends), [1] * len(all_ends)]
    generator = random.Random(0)
    sides += [[generator.randrange(2) for _ in all_ends] for _ in range(4)]
    for side in sides:
        values = {name: pair[k] for (name, pair), k in zip(all_ends.items(), side, strict=True)}
        try:
            figure, sentence = explorer.draw(**values)
        except ValueError as error:
            sentence = str(error)
            assert_one_sentence(sentence)
        else:
            assert isinstance(figure, Figure)
            assert png(figure).startswith(b"\x89PNG")
            assert sentence.endswith("."), values
        assert "nan" not in sentence, values


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
