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
    without_a_stage,
    works,
)
from voice_agent_lab.measure.reply import gaps
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


def test_the_answers_of_the_page_about_overlap_hold():
    at_once = StageLatencies(llm_token_generation=0.0)
    waits = [overlap_turn(degree, at_once).metrics.voice_to_voice for degree in ("sequential", "concurrent")]
    assert waits == pytest.approx([1.6, 1.6])
    slow = overlap_turn("concurrent", StageLatencies(asr_processing=0.12, llm_token_generation=0.2))
    assert slow.metrics.voice_to_voice - overlap_turn().metrics.voice_to_voice == pytest.approx(0.5)
    as_promised = overlap_turn("sequential", StageLatencies())
    assert as_promised.metrics.get_time_to_first_audio() == pytest.approx(1.16)


def test_the_answers_of_the_page_about_taking_a_stage_away_hold():
    earlier = what_if()["last sound earlier"].drop("all at once")
    assert list(earlier[earlier < 1e-6].index) == ["tts_chunk_generation"]
    tokens_gone = gaps(
        overlap_turn(latencies=StageLatencies(llm_token_generation=0.0, tts_chunk_generation=0.11))
    )
    assert (len(tokens_gone), round(max(tokens_gone), 2), round(sum(tokens_gone), 2)) == (77, 0.1, 0.95)
    chunks_gone = gaps(
        overlap_turn(latencies=StageLatencies(llm_token_generation=0.4, tts_chunk_generation=0.0))
    )
    assert chunks_gone == pytest.approx([0.6, 0.6])


def test_a_stage_that_is_taken_away_is_named_in_words():
    figure, told = without_a_stage.draw(
        "the LLM's later tokens", "concurrent", llm_token_generation=0.2, tts_chunk_generation=0.05
    )
    assert told.startswith("The LLM's later tokens: 4.60 s of work, 1.40 s of it on the critical path")
    assert figure.get_suptitle() == "Without the LLM's later tokens: first sound 1.40 s earlier, last 1.40 s"


def test_promises_that_are_missed_are_named_in_words():
    assert "missed: a later token by 0.18 s, time to first audio by 1.10 s; 5 kept" in overlap().sentence
