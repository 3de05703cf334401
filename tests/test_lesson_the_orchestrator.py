"""Notebook 06: its reply is made for sums by hand, and no stage gains more than its time on the path."""

import asyncio

import pytest

from voice_agent_lab.lessons.the_orchestrator import (
    SENTENCES,
    overlap,
    overlap_turn,
    watch,
    what_if,
    without,
    works,
)
from voice_agent_lab.measure.turn import Span
from voice_agent_lab.stages.distributions import StageLatencies


def test_the_sentences_are_alike():
    assert {(len(s), len(s.split())) for s in SENTENCES} == {(39, 8)}


@pytest.mark.parametrize(("degree", "words"), [("concurrent", 8), ("chained", 8), ("sequential", 24)])
def test_the_first_sound_by_hand(degree, words):
    # 0.9 s to the question's end of turn and transcript; 0.5 s, the words, and 0.2 s for a chunk.
    turn = overlap_turn(degree)
    assert turn.metrics.voice_to_voice == pytest.approx(0.9 + 0.5 + (words - 1) * 0.2 + 0.2)


def test_without_a_stage_a_sound_comes_earlier_by_at_most_its_time_on_the_path():
    table = what_if().drop(index=["endpointing", "all at once"])
    for sound in ("first sound", "last sound"):
        assert (table[f"{sound} earlier"] <= table[f"on path to {sound}"] + 1e-6).all()
        assert (table[f"{sound} earlier"] >= 0).all()


def test_stages_that_are_taken_away_take_no_time():
    took, timeout = without(StageLatencies(), 0.5, "llm_first_token", "endpointing")
    assert (took.llm_first_token, timeout) == (StageLatencies(llm_first_token=0.0).llm_first_token, None)
    assert without(StageLatencies(), 0.5) == (StageLatencies(), 0.5)
    with pytest.raises(ValueError, match="no stage 'lunch'"):
        without(StageLatencies(), 0.5, "lunch")


def test_a_perfect_judge_needs_no_silence():
    turn = overlap_turn("concurrent", timeout=None)
    assert turn.metrics.end_of_turn == pytest.approx(turn.metrics.speech_ended)


def test_a_timeout_that_cuts_the_user_off_is_told():
    assert "cuts the user off between two words" in overlap().set(timeout=0.0)


def test_who_worked_when_is_told_in_order():
    async def two():
        for who, seconds in (("llm", 1), ("tts", 2)):
            with works(who, "one"):
                await asyncio.sleep(seconds)

    assert watch(two()) == [Span("llm", "one", 0.0, 1.0), Span("tts", "one", 1.0, 3.0)]
