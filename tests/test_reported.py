"""What others would have reported: by hand, and always with the missing seconds to the nanosecond."""

from math import isnan, nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.measure.log import Event, EventLog
from voice_agent_lab.measure.reported import (
    article_time_to_first_audio,
    livekit_e2e,
    livekit_sum,
    pipecat_user_to_bot,
    reported,
    reported_table,
)
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.presets import PRESETS, preset
from voice_agent_lab.stages.microphone import AudioInputStream

# One turn by hand: what happens when, in seconds.
EVENTS = (
    (1.98, "user", "speech_ended"),
    (2.00, "microphone", "speech_captured"),
    (2.10, "microphone", "speech_delivered"),
    (2.40, "endpointing", "end_of_turn"),
    (2.45, "asr", "frame"),
    (2.60, "asr", "complete"),
    (2.61, "llm", "started"),
    (3.00, "llm", "token"),
    (3.05, "tts", "piece"),
    (3.20, "tts", "chunk"),
    (3.28, "playback", "chunk"),
    (3.40, "playback", "started"),
)


def turn_of(events):
    return Turn(EventLog(0.0, tuple(Event(*event, {"took": 0.0, "text": ""}) for event in events)))


def moved(**times):
    """Return the turn with some events at other times, or without them if the time is None."""
    kept = {f"{stage}_{name}": (time, stage, name) for time, stage, name in EVENTS}
    for key, time in times.items():
        _, stage, name = kept.pop(key)
        if time is not None:
            kept[key] = (time, stage, name)
    return turn_of(kept.values())


HAND = turn_of(EVENTS)


# --- By hand --------------------------------------------------------------------------------------


def test_the_turn_by_hand_takes_1_42_s():
    assert HAND.metrics.voice_to_voice == 1.42


def test_the_article_begins_at_the_final_transcript():
    got = article_time_to_first_audio(HAND)
    assert got.seconds == 0.6  # 2.60 to 3.20
    assert got.leaves_out == {
        "last frame": 0.02,
        "input transport": 0.1,
        "endpointing": 0.3,
        "recognition": 0.05,
        "finalisation": 0.15,
        "output transport": 0.08,
        "leading silence": 0.12,
    }


@pytest.mark.parametrize("function", [pipecat_user_to_bot, livekit_e2e])
def test_the_frameworks_begin_with_the_last_frame_and_end_with_the_first_chunk(function):
    got = function(HAND)
    assert got.seconds == 1.1  # 2.10 to 3.20
    assert got.leaves_out == {
        "last frame": 0.02,
        "input transport": 0.1,
        "output transport": 0.08,
        "leading silence": 0.12,
    }


def test_the_sum_has_holes():
    got = livekit_sum(HAND)
    assert got.seconds == round(0.5 + 0.39 + 0.15, 9) == 1.04
    assert got.leaves_out == {
        "last frame": 0.02,
        "input transport": 0.1,
        "hand-over": 0.01,
        "text aggregation": 0.05,
        "output transport": 0.08,
        "leading silence": 0.12,
    }


def test_the_table_has_them_all_and_the_truth():
    table = reported_table(HAND)
    assert list(table.index) == [one.name for one in reported(HAND)] + ["voice-to-voice"]
    assert list(table["reported"]) == [0.6, 1.1, 1.1, 1.04, 1.42]
    assert list(table["short by"]) == [0.82, 0.32, 0.32, 0.38, 0.0]
    assert table["what it leaves out"].iloc[1] == (
        "last frame 0.020 s, input transport 0.100 s, output transport 0.080 s, leading silence 0.120 s"
    )


def test_a_model_that_starts_early_is_counted_twice():
    # It was asked 0.2 s before the turn was committed, and its answer waited for that.
    early = moved(llm_started=2.40)
    got = livekit_sum(early)
    assert got.seconds == round(0.5 + 0.6 + 0.15, 9) == 1.25
    assert got.leaves_out == {
        "last frame": 0.02,
        "input transport": 0.1,
        "counted twice": -0.2,
        "text aggregation": 0.05,
        "output transport": 0.08,
        "leading silence": 0.12,
    }
    assert round(sum(got.leaves_out.values()), 9) == round(1.42 - 1.25, 9)
    assert "counted twice -0.200 s" in reported_table(early)["what it leaves out"].iloc[3]


def test_a_chunk_that_was_ready_early_is_handed_over_when_the_turn_is_committed():
    early = moved(llm_started=2.2, llm_token=2.3, tts_piece=2.35, tts_chunk=2.5, playback_chunk=2.68)
    assert pipecat_user_to_bot(early).seconds == 0.5  # 2.10 to 2.60


# --- Not measured ---------------------------------------------------------------------------------


def test_what_was_not_measured_is_not_a_number():
    assert all(isnan(one.seconds) and one.leaves_out == {} for one in reported(turn_of(())))
    table = reported_table(turn_of(()))
    assert table[["reported", "short by"]].iloc[:-1].isna().all(axis=None)
    assert list(table["what it leaves out"]) == ["not measured"] * 4 + [""]


@pytest.mark.parametrize(
    ("missing", "seconds"),
    [
        ("asr_complete", (nan, 1.1, 1.1, nan)),
        ("microphone_speech_delivered", (0.6, nan, nan, nan)),
        ("llm_token", (0.6, 1.1, 1.1, nan)),
        ("tts_chunk", (nan, nan, nan, nan)),
        ("user_speech_ended", (0.6, nan, nan, nan)),
        ("playback_started", (0.6, 1.1, 1.1, 1.04)),
    ],
)
def test_a_missing_event_takes_only_what_needs_it(missing, seconds):
    got = reported(moved(**{missing: None}))
    assert [one.seconds for one in got] == pytest.approx(seconds, nan_ok=True)
    if missing == "playback_started":  # heard by nobody: reported, but there is no wait to compare it with
        assert all(one.leaves_out == {} for one in got)
        table = reported_table(moved(**{missing: None}))
        assert table["short by"].isna().all()


# --- In simulated turns ---------------------------------------------------------------------------


def assert_the_difference_is_explained(turn):
    waited = round(turn.metrics.voice_to_voice * 1e9)
    for one in reported(turn):
        missing = sum(round(seconds * 1e9) for seconds in one.leaves_out.values())
        assert missing == waited - round(one.seconds * 1e9), one


def test_the_primers_993_ms_would_have_been_reported_as_less():
    agent = preset("tuned-cascade-2025").agent()
    simulate(agent.process_turn("Hello, how are you today?"))
    assert [one.seconds for one in reported(agent.turns[0])] == [0.49, 0.79, 0.79, 0.77]
    assert_the_difference_is_explained(agent.turns[0])


def test_with_nothing_outside_the_agent_the_frameworks_are_right():
    agent = preset("article").agent()
    simulate(agent.process_turn("Hello, how are you today?"))
    assert pipecat_user_to_bot(agent.turns[0]).seconds == agent.metrics_history[0].voice_to_voice
    assert reported_table(agent.turns[0])["what it leaves out"].iloc[1] == "nothing"


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(sorted(PRESETS)),
    seed=st.integers(0, 2**32),
    overlap=st.sampled_from(["sequential", "chained", "concurrent"]),
    frame_ms=st.sampled_from([20, 33, 100]),
    prompt=st.sampled_from(["Hi!", "What is the weather like?", "Set a timer for ten minutes."]),
)
def test_the_difference_is_always_explained_to_the_nanosecond(name, seed, overlap, frame_ms, prompt):
    audio = AudioInputStream(chunk_duration_ms=frame_ms, latency=0.05)
    agent = preset(name).agent(seed=seed, overlap=overlap, audio=audio)
    simulate(agent.process_turn(prompt))
    assert_the_difference_is_explained(agent.turns[0])
