"""Many turns as columns say the same as the turns that are made of them."""

from math import nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_agent_lab import StreamingVoiceAgent, preset, simulate, turns_table
from voice_agent_lab.measure.log import EventLog
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.measure.turns import EVENTS, LATENCIES, Problem, Turns, out_of_order
from voice_agent_lab.measure.waits import Waits

LENGTHS = st.one_of(st.just(nan), st.integers(0, 2_000_000_000).map(lambda ns: ns / 1e9))
CHAIN = [name for name in EVENTS if name not in ("audio_chunk_received", "asr_started", "asr_partial")]


@st.composite
def stamps(draw):
    """A turn's stamps in the order of the chain, any of them missing, the language model perhaps early."""
    at, found = 0.0, {}
    for name in CHAIN:
        length = draw(LENGTHS)
        found[name] = round(at + length, 9)
        at = at if np.isnan(length) else found[name]
    early = draw(st.sampled_from([0.0, 0.2]))
    for name in ("llm_started", "llm_first_token"):
        found[name] = round(max(0.0, found[name] - early), 9) if found[name] == found[name] else nan
    return found


def columns(rows):
    return {name: [row[name] for row in rows] for name in CHAIN}


@given(st.lists(stamps(), min_size=1, max_size=4))
def test_the_columns_have_the_parts_of_their_turns_and_these_sum_to_the_wait(rows):
    turns = Turns(columns(rows))
    parts = turns.parts()
    for number, turn in enumerate(turns):
        of_turn = {part.name: part.seconds for part in turn.parts}
        wait = turn.metrics.voice_to_voice
        assert turns.voice_to_voice[number] == pytest.approx(wait, abs=1e-9, nan_ok=True)
        if np.isnan(wait):
            assert of_turn == {} and all(np.isnan(column[number]) for column in parts.values())
        else:
            in_columns = {name: column[number] for name, column in parts.items() if column[number]}
            assert in_columns == pytest.approx(of_turn, abs=1e-9)
            assert sum(of_turn.values()) == pytest.approx(wait, abs=1e-9)


@given(st.lists(stamps(), min_size=1, max_size=4))
def test_the_columns_have_the_latencies_of_their_turns(rows):
    turns = Turns(columns(rows))
    for number, turn in enumerate(turns):
        of_turn = turn.latencies
        for name in ("asr_finalization", "llm_first_token", "voice_to_voice"):
            assert turns.latency(name)[number] == pytest.approx(
                of_turn[name][0] if of_turn[name] else nan, abs=1e-9, nan_ok=True
            )


def test_a_turn_of_stamps_has_an_event_for_each_stamp_that_was_measured_and_no_other():
    turns = Turns({"speech_ended": [1.0], "llm_started": [nan], "playback_started": [1.9]})
    assert [(e.time, e.stage, e.name) for e in turns[0].log] == [
        (1.0, "user", "speech_ended"),
        (1.9, "playback", "started"),
    ]


def test_a_language_model_that_began_before_the_decision_has_a_lead():
    turns = Turns({"end_of_turn": [0.5, 0.5], "llm_started": [0.3, 0.6], "llm_first_token": [0.7, 0.7]})
    assert turns[0].lead == 0.2
    assert np.isnan(turns[1].lead)


def test_turns_that_have_their_logs_keep_them():
    agent = StreamingVoiceAgent()
    simulate(agent.process_turn("What time is it?"))
    turns = Turns.of(agent.turns)
    assert turns[0].log is agent.turns[0].log
    assert turns.voice_to_voice.tolist() == [agent.turns[0].metrics.voice_to_voice]
    assert turns.parts()["recognition"].tolist() == [0.1]


def test_waits_of_turns_are_their_columns():
    agent = preset("livekit-defaults").agent(seed=3)
    for _ in range(2):
        simulate(agent.process_turn("What time is it?"))
    alone, known = Waits.of(agent.turns), Waits.of(Turns.of(agent.turns))
    assert known.voice_to_voice.tolist() == alone.voice_to_voice.tolist()
    assert {name: column.tolist() for name, column in known.parts.items()} == {
        name: column.tolist() for name, column in alone.parts.items()
    }


def test_a_slice_is_a_table_and_a_negative_index_counts_from_the_end():
    turns = Turns(
        {"speech_ended": [0.0, 0.0, 0.0], "playback_started": [1.0, 2.0, 3.0]}, {"reply": ["a", "b", "c"]}
    )
    assert turns[1:].voice_to_voice.tolist() == [2.0, 3.0]
    assert turns[1:].texts == {"reply": ["b", "c"]}
    assert turns[-1].metrics.voice_to_voice == 3.0
    with pytest.raises(IndexError):
        turns[3]


def test_turns_go_where_lists_of_turns_go():
    turns = Turns({"speech_ended": [0.0], "playback_started": [1.0]})
    assert turns_table(list(turns))["voice-to-voice"].tolist() == [1.0]


def test_a_column_that_is_no_stamp_is_refused():
    with pytest.raises(ValueError, match="'ttft', which is no stamp; there are speech_started"):
        Turns({"ttft": [1.0]})


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="as many numbers as there are turns"):
        Turns({"speech_ended": [1.0], "playback_started": [1.0, 2.0]})


def test_no_turns_are_refused():
    with pytest.raises(ValueError, match="turns is empty; give at least one turn"):
        Turns.of([])
    with pytest.raises(TypeError, match="it must be an instance of Turn"):
        Turns.of([EventLog()])


def test_a_clock_that_goes_back_is_found_with_its_row():
    bad, sentences = out_of_order(
        {"llm_started": np.array([0.5, 0.5]), "llm_first_token": np.array([0.6, 0.4])}
    )
    assert bad.tolist() == [False, True]
    assert sentences == {
        1: "llm_first_token (0.4 s) is before llm_started (0.5 s): a clock that goes back",
    }


def test_sound_before_the_transcript_is_right_only_of_an_answer_that_was_begun_early():
    columns = {"asr_complete": np.array([1.0, 1.0]), "llm_started": np.array([0.4, 1.1])}
    bad, sentences = out_of_order({**columns, "tts_first_chunk": np.array([0.8, 0.8])})
    assert bad.tolist() == [False, True]
    assert "the language model was not asked before it" in sentences[1]


def test_turns_say_what_they_are():
    turns = Turns(
        {"speech_ended": [0.0, nan], "playback_started": [1.0, 2.0]}, problems=[Problem("a.csv:3", "odd")]
    )
    assert repr(turns) == (
        "<2 turns, voice-to-voice of 1, from voice-agent-lab: turns of this package, 1 left out>"
    )
    assert isinstance(turns[0], Turn) and set(LATENCIES) >= {"voice_to_voice"}
