"""Notebook 09: how long the agent goes on, part by part, and which speech stops it."""

import re
from math import isnan

import numpy as np
import pytest

from voice_agent_lab.lessons import barge_in as lesson
from voice_agent_lab.measure.who_spoke import agent_speech, held_up, outcome, user_speech
from voice_agent_lab.stages.microphone import AudioInputStream
from voice_agent_lab.turns.interruption import Interruption
from voice_agent_lab.turns.script import Say


def test_the_parts_of_barge_in_to_silence_sum_to_it():
    talks = [
        lesson.interrupted(1.5),
        lesson.talk(
            Say(lesson.PROMPT),
            Say(lesson.INTERRUPTIONS[-1], 1.5, "speaking"),
            policy=Interruption(0.3, 1),
            latency=0.1,
            audio=AudioInputStream(chunk_duration_ms=100, latency=0.03),
        ),
    ]
    for agent in talks:
        seconds = lesson.silence_parts(agent, agent.turns[0])["seconds"]
        assert (seconds >= 0).all()
        assert seconds.iloc[:-1].sum() == pytest.approx(seconds.iloc[-1])
        assert seconds.iloc[-1] == pytest.approx(agent.turns[0].barge_in_to_silence)


def test_an_answer_that_nobody_interrupted_has_no_such_parts():
    agent = lesson.interrupted(1.5, text="Mm-hm")
    with pytest.raises(ValueError, match="turn was not interrupted"):
        lesson.silence_parts(agent, agent.turns[0])


@pytest.mark.parametrize(
    ("seconds", "late", "expected"),
    [(0.6, 0.0, 0.5), (0.6, 0.02, 0.48), (0.6, 0.03, 0.52), (0.5, 0.0, 0.5), (0.45, 0.0, None)],
)
def test_speech_stops_the_agent_with_the_frame_that_makes_it_long_enough(seconds, late, expected):
    after = lesson.yields_after(Interruption(0.5), seconds, 0.05, late)
    assert isnan(after) if expected is None else after == pytest.approx(expected)


def test_a_longer_minimum_is_slower_ignores_more_and_misses_more():
    lengths = lesson.drawn_lengths(n=60)
    table = lesson.minimum_of_speech([0.1, 0.4, 0.8, 1.2], lengths)
    assert table["silent after (s)"].is_monotonic_increasing
    assert table["stopped by mm-hm"].is_monotonic_decreasing
    assert table["talks on"].is_monotonic_increasing
    assert table.loc[0.8, "talks on"] == pytest.approx(np.mean(lengths[1] < 0.8), abs=0.05)


def test_the_sentence_of_an_interruption_is_what_the_turn_says():
    explorer = lesson.barge_in()
    turn = lesson.interrupted(1.5).turns[0]
    silent, into = (float(number) for number in re.findall(r"([\d.]+) s\b", explorer.sentence))
    assert (silent, into) == (
        round(turn.barge_in_to_silence, 2),
        round(agent_speech(turn)[-1][1] - turn.metrics.playback_started, 2),
    )
    assert f'"{turn.heard}"' in explorer.sentence
    assert "does not stop" in explorer.set(min_speech=2.5)


def test_speech_over_an_answer_has_four_outcomes():
    careful = Interruption(min_speech=0.5, min_words=3, resume_after=1.0)
    stopped, goes_on = lesson.interrupted(1.5).turns, lesson.interrupted(1.5, text="Mm-hm").turns
    paused = lesson.interrupted(1.5, careful, text="Uh-huh, right").turns
    thinking = lesson.talk(Say(lesson.PROMPT), Say(lesson.STOP, 0.1, "thinking")).turns
    assert [outcome(turns[0]).split()[2] for turns in (stopped, goes_on, paused, thinking)] == [
        "stops", "goes", "pauses", "begins",
    ]  # fmt: skip
    (before, after) = agent_speech(paused[0])
    assert held_up(paused[0]) == pytest.approx(after[0] - before[1])
    assert [end > start for start, end in user_speech(stopped)] == [True, True]
