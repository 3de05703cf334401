"""Every explorer keeps the same promises, and those with arithmetic of their own have it right.

The explorers are found, not listed: a new one is tested by being there.
"""

import base64
import importlib
import io
import pkgutil
import random
import re
import typing
from contextlib import contextmanager
from html.parser import HTMLParser
from inspect import getmembers, iscoroutinefunction, isfunction, signature

import ipywidgets as widgets
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
    *controls, picture, text = explorer.widget.children
    assert controls == list(explorer.controls.values())
    image, sentence = _Page(picture.value), _Page(text.value)
    assert image.text == ""
    assert [tag for tag, _ in image.tags] in ([], ["img"])
    assert [tag for tag, _ in sentence.tags] == ["p"]
    return image.tags[0][1] if image.tags else None, sentence.text


def assert_one_sentence(message):
    assert re.fullmatch(r"[^.!?]([^.!?]|[.!?](?=\S))*\.?", message), f"not one sentence: {message!r}"


def assert_consistent(explorer):
    picture, sentence = shown(explorer)
    assert sentence == explorer.sentence == repr(explorer)
    assert "nan" not in sentence
    assert "\n" not in sentence
    if picture is None:
        assert_one_sentence(sentence)
        return
    assert set(picture) == {"alt", "width", "height", "src"}
    assert picture["alt"] == sentence
    assert re.search(r"\d", sentence)
    assert sentence.endswith(".")
    kind, data = picture["src"].split(",")
    assert kind == "data:image/png;base64"
    size = Image.open(io.BytesIO(base64.b64decode(data))).size
    assert (picture["width"], picture["height"]) == tuple(str(pixels) for pixels in size)


def ends(control):
    """Return every option of a control, or the two ends of its range."""
    if hasattr(control, "options"):
        return list(control.options)
    return [control.min, control.max] if hasattr(control, "min") else [False, True]


def from_the_page(control, value):
    """Do what the page does when a person changes a control."""
    control.set_state(
        {"index": control.options.index(value)} if hasattr(control, "options") else {"value": value}
    )


@contextmanager
def pixels_left_out():
    """Leave out the rendering of pictures, which takes most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base, "png", lambda figure: b"")
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
    assert picture["width"] == "800"


@every_explorer
def test_its_text_in_a_notebook_is_the_sentence_alone(make, no_pixels):
    explorer = make()
    bundle = explorer._repr_mimebundle_()
    assert bundle["text/plain"] == repr(explorer) == explorer.sentence
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert "base64" not in str(bundle)


@every_explorer
def test_its_controls_say_what_they_set_and_wait_until_they_are_let_go(make, no_pixels):
    count_or_ratio = r"factor|rate|share|times|number|tokens|words|frames|turns|calls|seed|alpha|/"
    for name, control in make().controls.items():
        label = control.description
        assert label, name
        if hasattr(control, "min"):
            assert control.continuous_update is False, name
            assert control.min <= control.value <= control.max
            unit = re.search(r"\([^()]+\)$", label)
            assert unit or re.search(count_or_ratio, label), (
                f"{label!r} should end with its unit in parentheses, or be a count or a ratio"
            )


@every_explorer
def test_each_control_reaches_its_ends_and_comes_back(make):
    explorer = make()
    first, picture = explorer.sentence, shown(explorer)[0]
    for name, control in explorer.controls.items():
        default = control.value
        for value in (value for value in ends(control) if value != default):
            assert explorer.set(**{name: value}) == explorer.sentence
            assert control.value == value
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
        from_the_page(theirs.controls[name], value)
        assert theirs.controls[name].value == value
    ours.set(**{name: control.value for name, control in theirs.controls.items()})
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
    control = slider("frame (ms)", 10, 100, 20).make()
    assert isinstance(control, widgets.IntSlider)
    assert (control.min, control.max, control.value, control.step) == (10, 100, 20, 1)
    assert slider("frame (ms)", 10, 100, 20, 5).make().step == 5


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
    control = slider("timeout (s)", low, high, value, step).make()
    assert isinstance(control, widgets.FloatSlider)
    assert control.step == expected
    assert (control.readout_format, control.continuous_update) == (".2f", False)


def test_a_choice_is_a_list_and_a_switch_a_check_box():
    control = choice("who waits", ("a", "b"), "b").make()
    assert isinstance(control, widgets.Dropdown)
    assert (control.options, control.value, control.description) == (("a", "b"), "b", "who waits")
    assert isinstance(switch("mend it").make(), widgets.Checkbox)
    assert (switch("mend it").make().value, switch("mend it", True).make().value) == (False, True)


def test_it_draws_once_for_each_change_and_not_without_one():
    explorer, drawn = counting()
    assert drawn == [(2.0, "a")]
    explorer.set(x=3.0)
    explorer.set(x=3.0)
    assert explorer.set() == 'x is 3.0, "<a>" & more.'
    explorer.set(x=4.0, name="b")
    assert drawn == [(2.0, "a"), (3.0, "a"), (4.0, "a"), (4.0, "b")]


def test_a_slider_stops_at_its_end():
    explorer, _ = counting(limit=20.0)
    assert explorer.set(x=99.0).startswith("x is 10.0,")


def test_a_combination_that_cannot_be_drawn_shows_its_message_and_no_picture():
    explorer, _ = counting()
    first = shown(explorer)
    assert explorer.set(x=8.0) == "x is 8.0 & <too large>; use 7.0 or less."
    assert shown(explorer) == (None, explorer.sentence)
    assert_consistent(explorer)
    explorer.set(x=2.0)
    assert shown(explorer) == first


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
    assert (picture["width"], picture["height"]) == ("800", "150")
