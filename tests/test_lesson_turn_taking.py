"""Notebook 08: what it draws and tables is what its turns and the closed forms say."""

import re
from itertools import pairwise
from math import inf, isnan

import numpy as np
import pytest

from voice_agent_lab.lessons import turn_taking
from voice_agent_lab.models.pauses import PauseModel
from voice_agent_lab.published import eot_bench


def seconds_in(sentence):
    return [float(number) for number in re.findall(r"([\d.]+) s\b", sentence)]


def test_the_explorer_starts_with_the_detector_of_eot_bench():
    sentence = turn_taking.waiting().sentence
    mean = eot_bench.DETECTORS.loc["LiveKit v1", "wait at 5 %"]
    assert seconds_in(sentence)[:4] == [0.6, 0.3, 3.0, round(mean, 2)]


def test_the_timer_that_is_named_cuts_off_as_few_as_the_detector():
    explorer = turn_taking.waiting()
    learned = re.search(r"on average, and cuts off ([\d.]+)%", explorer.sentence).group(1)
    equal = seconds_in(explorer.sentence)[-1]
    assert PauseModel().exceeds(equal) == pytest.approx(float(learned) / 100, abs=0.0005)


def test_a_stretch_ends_where_the_pause_begins():
    (first, second) = turn_taking.spoken_stretches(turn_taking.CUT_OFF)
    assert (first[2], second[2]) == ("Tell me the weather", "in London tomorrow.")
    assert second[0] - first[1] == pytest.approx(0.8, abs=0.1)


def test_a_pause_that_outlasts_the_timer_makes_two_turns_of_one_question():
    agent = turn_taking.conversation(turn_taking.CUT_OFF, latencies=turn_taking.QUICK)
    assert [turn.transcript for turn in agent.turns] == ["Tell me the weather", "in London tomorrow."]


def test_questions_have_as_many_pauses_as_were_drawn():
    model, asked = PauseModel(), turn_taking.questions_with_pauses(40, PauseModel(), seed=3)
    counts = model.counts(np.random.default_rng(3), 40)
    assert [text.count("<break") for text in asked] == list(counts)


def test_later_bets_call_less_often_and_the_same_turns_are_left_out():
    table = turn_taking.eager_table((0.2, 0.6), turns=12)
    assert table["turns"].nunique() == 1
    assert table["more calls"].is_monotonic_decreasing
    assert (table["saved (s)"] >= 0).all()


def test_what_a_bet_saves_is_told_beside_the_wait_without_it():
    turn, certain = (turn_taking.one_bet(silence, 0.6, 1.0) for silence in (0.2, inf))
    told = seconds_in(turn_taking.eager().sentence)
    assert told == [
        round(x, 2) for x in (turn.lead, turn.metrics.voice_to_voice, certain.metrics.voice_to_voice)
    ]
    assert isnan(certain.lead)
    assert "the user is cut off" in turn_taking.eager().set(pause=1.2)


def test_each_preset_is_reported_shorter_than_it_is_waited_for():
    table = turn_taking.preset_table(6)
    columns = ["article's TTFA", "frameworks", "voice-to-voice", "its maximum"]
    first = {name: table[name].astype(str).str.split().str[0].astype(float) for name in columns}
    for less, more in pairwise(columns):
        assert (first[less] <= first[more]).all()


def test_each_median_over_turns_has_its_interval():
    for cell in turn_taking.preset_table(6).iloc[:, :3].to_numpy().ravel():
        median, low, high = (float(number) for number in re.findall(r"[\d.]+", cell))
        assert low <= median <= high
