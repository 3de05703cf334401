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
from math import isnan, nan

import ipywidgets as widgets
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from PIL import Image

from voice_agent_lab import lessons as explorers
from voice_agent_lab.as_published import PROMPTS, Fault
from voice_agent_lab.lessons import (
    article,
    drafted_tokens,
    final_transcripts,
    partials,
    published,
    recognition,
    token_streams,
    tokens,
)
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
        assert isinstance(function(), Explorer) == (name in MAKERS), name


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
    *controls, picture, text = explorer._widget.children
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
    explorer._update()
    assert shown(explorer)[0] == picture


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
            figure, sentence = explorer._draw(**values)
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


# Notebook 03: recognition.


def heard(*history, spoken_until=1.0, final_at=3.0):
    return partials.HeardWord(spoken_until, history, final_at)


def test_a_word_is_trusted_when_it_has_stood_for_long_enough():
    word = heard((1.0, "too"), (1.3, "two"))
    assert word.text == "two"
    assert word.trusted(0.0) == (1.0, "too")
    assert word.trusted(0.2) == (1.2, "too")
    assert word.trusted(0.3) == (1.6, "two")  # at 1.3 s it had just changed
    assert word.trusted(5.0) == (3.0, "two")  # the final transcript ends the wait


def test_shares_of_wrong_and_late_words_by_hand():
    words = [heard((1.0, "too"), (1.3, "two")), heard((1.5, "ten"))]
    assert partials.wrong_and_late(words, 0.2) == pytest.approx((0.5, (0.2 + 0.7) / 2))
    assert partials.wrong_and_late(words, 0.4) == pytest.approx((0.0, (0.7 + 0.9) / 2))
    assert partials.spurious_edits(words) == pytest.approx(1 / 3)
    with pytest.raises(ValueError, match="words is empty"):
        partials.wrong_and_late([], 0.2)


def test_edits_are_words_that_appear_or_change():
    turn = partials.logged("set ten", [(0.5, "set"), (1.0, "set two"), (1.5, "set ten")], 1.2)
    assert partials.edits(turn) == (3, 2)
    assert [word.history for word in partials.word_histories(turn)] == [
        ((0.5, "set"),),
        ((1.0, "two"), (1.5, "ten")),
    ]
    assert final_transcripts.three_clocks(turn) == {"end of speech": pytest.approx(0.3)}


def test_without_revisions_no_word_is_wrong_at_any_wait():
    words = partials.many_turns(0.0)
    assert partials.wrong_and_late(words, 0.0)[0] == 0
    assert partials.spurious_edits(words) == 0
    assert "0.0% of them are wrong" in recognition.stability().set(revision_rate=0.0)


def test_a_recogniser_slower_than_speech_builds_a_backlog():
    # It hears frame k at 0.1 k s. At factor 1 every frame is done as the next one comes.
    assert "at most 1 frames of 0.1 s wait" in recognition.backlog().set(factor=1.0)
    turn = final_transcripts.slow_turn(2.0, "Hi there, you.")
    times, waiting = final_transcripts.waiting_frames(turn)
    assert waiting.min() == 0 == waiting[-1]
    assert (np.diff(times) >= 0).all()
    assert waiting.max() > 5


def test_the_two_benchmarks_differ_by_what_they_count():
    table = final_transcripts.finalisation_table()
    assert table.loc["Deepgram nova-3", "difference"] == 96 - 247
    assert (table["difference"] == table["Coval"] - table["stt-benchmark"]).all()


# Notebook 04: tokens.


@pytest.mark.parametrize(
    ("a", "g", "c", "expected", "faster"),
    [
        (0.8, 4, 0.1, 1 + 0.8 + 0.64 + 0.512 + 0.4096, 3.3616 / 1.4),
        (0.5, 2, 0.25, 1.75, 1.75 / 1.5),
        (0.0, 4, 0.1, 1.0, 1 / 1.4),
        (1.0, 4, 0.0, 5.0, 5.0),
        (1.0, 4, 1.0, 5.0, 1.0),
        (0.7, 0, 0.3, 1.0, 1.0),
    ],
)
def test_speculative_decoding_by_hand(a, g, c, expected, faster):
    assert drafted_tokens.expected_tokens(a, g) == pytest.approx(expected)
    assert drafted_tokens.speedup(a, g, c) == pytest.approx(faster)


@given(st.floats(0, 1), st.integers(0, 16))
def test_the_formula_is_the_sum_of_the_powers(a, g):
    assert drafted_tokens.expected_tokens(a, g) == pytest.approx(sum(a**k for k in range(g + 1)))
    assert 1 <= round(drafted_tokens.expected_tokens(a, g), 9) <= g + 1


@pytest.mark.parametrize(
    ("a", "g", "c", "named"),
    [
        (1.1, 4, 0.1, "a is"),
        (-0.1, 4, 0.1, "a is"),
        (0.5, -1, 0, "g is"),
        (0.5, 1.5, 0, "g is"),
        (0.5, 4, -1.0, "c"),
        (nan, 4, 0.1, "a is"),
    ],
)
def test_drafts_that_cannot_be_are_errors(a, g, c, named):
    with pytest.raises(ValueError, match=named):
        drafted_tokens.speedup(a, g, c)


def test_simulated_drafts_agree_with_the_formula():
    runs = drafted_tokens.accepted_runs(0.8, 4, 200_000)
    assert (runs.min(), runs.max()) == (1, 5)
    assert runs.mean() == pytest.approx(3.3616, abs=0.02)
    assert (drafted_tokens.accepted_runs(0.8, 4, 100) == drafted_tokens.accepted_runs(0.8, 4, 100)).all()
    assert set(drafted_tokens.accepted_runs(0.8, 0, 10)) == {1}


def test_drafts_shorten_what_comes_after_the_first_token():
    sentence = tokens.speculative().sentence
    assert "3.36 tokens for each pass of the large model, 2.40 times as fast" in sentence
    assert "the first token comes after 0.50 s with or without them" in sentence
    faster, plain = map(float, re.search(r"after ([\d.]+) s instead of ([\d.]+) s", sentence).groups())
    assert faster == pytest.approx(0.5 + (plain - 0.5) / (3.3616 / 1.4), abs=0.01)
    assert "no draft length gains anything" in tokens.speculative().set(c=1.0)


def test_tokens_come_at_their_rate():
    # Nine words: the first after 0.5 s, eight more at 50 a second. The whole reply is one sentence.
    turn = token_streams.answered(0.5, 50, "one two three four five six seven eight nine.")
    assert token_streams.milestones(turn) == {
        "first token": pytest.approx(0.5),
        "first sentence": pytest.approx(0.66),
        "last token": pytest.approx(0.66),
    }
    with pytest.raises(ValueError, match="tokens_per_second is 0"):
        token_streams.answered(0.5, 0)


def test_percentiles_that_were_measured_stand_beside_those_of_draws():
    table = token_streams.compared({"draws": np.arange(101) / 100}, {50: 0.4, 95: 0.9})
    assert list(table.index) == ["p50", "p95"]
    assert list(table["measured"]) == [0.4, 0.9]
    assert list(table["draws"]) == [0.5, 0.95]
    assert token_streams.hosted_models().loc["gpt-4.1", "p95/median"] == 3.3  # 1771 / 536


# Notebook 07: the article's faults.


def test_the_article_is_mended_one_fault_at_a_time():
    # As published: 20 frames of 180 ms, 0.3 s to the first token, 7 more of 20 ms, 0.15 s: 4.19 s.
    steps = article.mended_one_by_one(PROMPTS[0])
    assert len(steps) == 1 + len(Fault) == 1 + len(article.MENDS)
    assert list(article.MENDS) == list(Fault)
    waits = [round(step.turn.metrics.voice_to_voice, 9) for step in steps]
    assert waits[0] == pytest.approx(20 * 0.18 + 0.3 + 7 * 0.02 + 0.15 - 2.0) == pytest.approx(2.19)
    # The microphone does not wait: only the last frame's 80 ms are left of 1.6 s.
    assert waits[1] == pytest.approx(2.19 - 1.6 + 0.08)
    # The silence timeout of 0.5 s comes back, and with it frames of silence; then 0.1 s of finalisation.
    assert waits[3] - waits[2] == pytest.approx(0.1)
    assert (steps[0].reported, steps[0].printed) == (pytest.approx(0.59), 0.0)
    assert steps[-1].reported == steps[-1].printed == pytest.approx(waits[-1])
    assert "The user waits 2.19 s" in article.mend_the_article().sentence
    assert "The article reports 0.59 s, 27% of it" in article.mend_the_article().sentence


def test_every_timed_mend_is_a_switch_and_all_of_them_together_are_the_table():
    explorer = article.mend_the_article()
    faults = [name for name in explorer.controls if name.upper() in Fault.__members__]
    explorer.set(**dict.fromkeys(faults, True))
    last = article.mended_one_by_one(PROMPTS[0])[-1]
    assert f"The user waits {last.turn.metrics.voice_to_voice:.2f} s" in explorer.sentence


def test_what_was_published_is_kept_as_it_was():
    reports = published.PUBLISHED_REPORTS
    assert [report.time_to_first_audio for report in reports] == [0.0] * 3
    assert [report.llm_generation for report in reports] == [0.171, 0.175, 0.17]
    table = published.output_beside_ours(published.PUBLISHED_OUTPUT)
    assert list(table.loc["TTFA"]) == ["0.000 s"] * 6
    assert list(table.loc["tokens"]) == ["8"] * 6
    assert table.loc["total", "turn 1: published"] == "4.936 s"
    _, turn = article.published_turn(PROMPTS[0], replies={})
    assert not isnan(turn.metrics.voice_to_voice)
