"""A turn read off a log written by hand: nothing is invented, and the parts sum to the wait."""

import asyncio
from itertools import pairwise
from math import isnan, nan

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.measure.latency import LatencyMetrics
from voice_agent_lab.measure.log import Event, EventLog
from voice_agent_lab.measure.turn import Part, Span, Turn, turns_table
from voice_agent_lab.stages.tts import StreamingTTS
from voice_agent_lab.turns.agent import StreamingVoiceAgent

FULL = (
    Event(0.0, "user", "input", {"text": "Hi, you!"}),
    Event(0.0, "asr", "started"),
    Event(0.05, "user", "speech_started"),
    Event(0.1, "microphone", "frame"),
    Event(0.25, "asr", "frame", {"took": 0.1}),
    Event(0.6, "asr", "partial", {"text": "Hi,"}),
    Event(1.0, "user", "speech_ended"),
    Event(1.05, "microphone", "speech_delivered"),
    Event(1.1, "asr", "partial", {"text": "Hi, you!"}),
    Event(1.5, "endpointing", "end_of_turn"),
    Event(1.6, "asr", "frame", {"took": 0.12}),
    Event(1.9, "asr", "complete", {"text": "Hi, you!"}),
    Event(1.95, "llm", "started"),
    Event(2.4, "llm", "token", {"text": "Hello. ", "took": 0.45}),
    Event(2.42, "llm", "token", {"text": "Yes.", "took": 0.02}),
    Event(2.42, "llm", "complete"),
    Event(2.5, "tts", "piece", {"text": "Hello. "}),
    Event(2.7, "tts", "chunk", {"took": 0.2, "first_of_piece": True, "seconds": 0.1}),
    Event(2.75, "tts", "chunk", {"took": 0.05, "first_of_piece": False, "seconds": 0.1}),
    Event(2.8, "playback", "chunk"),
    Event(2.9, "playback", "started"),
    Event(3.0, "tts", "piece", {"text": "Yes."}),
    Event(3.2, "tts", "chunk", {"took": 0.2, "first_of_piece": True, "seconds": 0.1}),
    Event(3.2, "tts", "complete"),
    Event(3.3, "playback", "underrun", {"seconds": 0.3}),
    Event(3.6, "playback", "ended"),
)


def turn(events=FULL, **moved):
    """Return the turn of these events, the first of a kind moved as in ``llm_token=1.0``, or left out."""
    events = list(events)
    for kind, time in moved.items():
        stage, name = kind.split("_", 1)
        old = next(e for e in events if (e.stage, e.name) == (stage, name))
        place = events.index(old)
        events[place : place + 1] = [] if time is None else [Event(time, stage, name, old.detail)]
    return Turn(EventLog(events=tuple(events)))


def parts(turn):
    return [(p.name, p.start, p.end) for p in turn.parts]


ALL_PARTS = [
    ("input transport", "network", 0.05),
    ("endpointing", "setting", 0.45),
    ("recognition", "service", 0.1),
    ("finalisation", "service", 0.3),
    ("hand-over", "pipeline", 0.05),
    ("first token", "service", 0.45),
    ("text aggregation", "setting", 0.1),
    ("first chunk", "service", 0.2),
    ("output transport", "network", 0.1),
    ("leading silence", "service", 0.1),
]


# --- A whole turn ---------------------------------------------------------------------------------


def test_the_stamps_are_read_off_the_log():
    assert turn().metrics == LatencyMetrics(
        audio_chunk_received=0.1,
        asr_started=0.0,
        asr_partial=0.6,
        asr_complete=1.9,
        llm_started=1.95,
        llm_first_token=2.4,
        llm_complete=2.42,
        tts_started=2.5,
        tts_first_chunk=2.7,
        tts_complete=3.2,
        speech_ended=1.0,
        end_of_turn=1.5,
        playback_started=2.9,
        playback_ended=3.6,
        llm_first_chunk=2.4,
        answer_started=2.9,
    )


def test_the_order_in_which_events_were_written_does_not_matter():
    shuffled = turn(FULL[::-1])
    assert (shuffled.metrics, shuffled.parts, shuffled.spans) == (turn().metrics, turn().parts, turn().spans)


def test_the_parts_are_contiguous_and_have_their_owners():
    assert [(p.name, p.owner, p.seconds) for p in turn().parts] == ALL_PARTS
    ends = [p.end for p in turn().parts]
    assert [p.start for p in turn().parts] == [1.0, *ends[:-1]]
    assert ends[-1] == 2.9


def test_the_spans_are_what_each_stage_did_and_when():
    assert turn().spans == [
        Span("user", "speech", 0.05, 1.0),
        Span("endpointing", "waiting for silence", 1.0, 1.5),
        Span("asr", "recognition", 0.1, 1.6),
        Span("asr", "finalisation", 1.6, 1.9),
        Span("llm", "first token", 1.95, 2.4),
        Span("llm", "tokens", 2.4, 2.42),
        Span("tts", "first chunk", 2.5, 2.7),
        Span("tts", "chunks", 2.7, 2.75),
        Span("tts", "chunks", 3.0, 3.2),
        Span("playback", "speech", 2.9, 3.0),
        Span("playback", "speech", 3.3, 3.6),
        Span("playback", "underrun", 3.0, 3.3),
    ]


def test_an_underrun_ends_when_playback_goes_on():
    assert turn().underruns == [Span("playback", "underrun", 3.0, 3.3)]


def test_the_latencies_are_those_of_every_item_under_its_budgets_name():
    assert turn().latencies == {
        "asr_processing": [0.1, 0.12],
        "asr_finalization": [0.3],
        "llm_first_token": [0.45],
        "llm_token_generation": [0.02],
        "tts_first_chunk": [0.2, 0.2],
        "tts_chunk_generation": [0.05],
        "time_to_first_audio": [0.8],
        "voice_to_voice": [1.9],
    }


def test_what_was_said_and_understood():
    whole = turn()
    assert (whole.user_input, whole.transcript) == ("Hi, you!", "Hi, you!")
    assert whole.partials == [(0.6, "Hi,"), (1.1, "Hi, you!")]


def test_the_table_shows_each_part_its_owner_and_their_sum():
    rows = [(name, owner, f"{seconds:.3f} s") for name, owner, seconds in ALL_PARTS]
    assert [tuple(row) for row in turn().table().reset_index().to_numpy()] == [
        *rows,
        ("voice-to-voice", "", "1.900 s"),
    ]
    assert "hand-over" in str(turn())
    assert "hand-over" in turn()._repr_html_()


# --- What is missing ------------------------------------------------------------------------------


def test_a_turn_without_events_has_no_times_and_no_parts():
    nothing = Turn(EventLog())
    assert repr(nothing.metrics) == repr(LatencyMetrics())  # nan is not equal to itself
    assert (nothing.parts, nothing.spans, nothing.underruns, nothing.partials) == ((), [], [], [])
    assert set(map(len, nothing.latencies.values())) == {0}
    assert (nothing.user_input, nothing.transcript) == ("", "")
    assert nothing.table().to_dict("index") == {"voice-to-voice": {"owner": "", "seconds": "not measured"}}


@pytest.mark.parametrize(
    ("event", "left_out", "longer", "start"),
    [
        ("microphone_speech_delivered", "input transport", "endpointing", 1.0),
        ("endpointing_end_of_turn", "endpointing", "recognition", 1.05),
        ("asr_complete", "finalisation", "hand-over", 1.6),
        ("llm_started", "hand-over", "first token", 1.9),
        ("playback_chunk", "output transport", "leading silence", 2.7),
    ],
)
def test_a_missing_event_leaves_its_part_to_the_next(event, left_out, longer, start):
    expected = [
        (p.name, start if p.name == longer else p.start, p.end) for p in turn().parts if p.name != left_out
    ]
    assert parts(turn(**{event: None})) == expected


@pytest.mark.parametrize("edge", ["user_speech_ended", "playback_started"])
def test_without_one_end_of_the_wait_there_are_no_parts(edge):
    without = turn(**{edge: None})
    assert without.parts == ()
    assert isnan(without.metrics.voice_to_voice)
    assert without.table().loc["voice-to-voice", "seconds"] == "not measured"


def test_a_turn_that_broke_off_keeps_what_was_measured_and_shows_no_unfinished_span():
    broken = turn([e for e in FULL if e.time < 2.0])
    assert broken.latencies == {
        "asr_processing": [0.1, 0.12],
        "asr_finalization": [0.3],
        "llm_first_token": [],
        "llm_token_generation": [],
        "tts_first_chunk": [],
        "tts_chunk_generation": [],
        "time_to_first_audio": [],
        "voice_to_voice": [],
    }
    assert broken.spans == turn().spans[:4]


def test_a_pause_in_the_users_speech_does_not_end_it():
    paused = turn((*FULL, Event(0.5, "user", "speech_ended")))
    assert paused.metrics.speech_ended == 1.0


# --- Overlap: stamps before the ones that they usually follow -------------------------------------


def test_an_answer_that_began_before_the_transcript_adds_only_what_came_after_it():
    eager = turn(llm_started=1.2, llm_token=1.7, llm_complete=1.8)
    assert parts(eager) == [
        ("input transport", 1.0, 1.05),
        ("endpointing", 1.05, 1.5),
        ("recognition", 1.5, 1.6),
        ("finalisation", 1.6, 1.9),
        ("text aggregation", 1.9, 2.5),
        ("first chunk", 2.5, 2.7),
        ("output transport", 2.7, 2.8),
        ("leading silence", 2.8, 2.9),
    ]


def test_a_recogniser_that_was_done_before_the_end_of_the_turn_owns_nothing_of_the_wait():
    early = turn([e for e in FULL if (e.time, e.stage) != (1.6, "asr")], asr_complete=1.4)
    assert parts(early)[:3] == [
        ("input transport", 1.0, 1.05),
        ("endpointing", 1.05, 1.5),
        ("hand-over", 1.5, 1.95),
    ]


def test_an_answer_that_was_ready_when_the_user_fell_silent_waits_for_the_last_stage_only():
    ready = [
        Event(1.0, "user", "speech_ended"),
        Event(0.9, "endpointing", "end_of_turn"),
        Event(0.5, "llm", "token", {"took": 0.1}),
        Event(1.0, "playback", "chunk"),
        Event(1.0, "playback", "started"),
    ]
    assert turn(ready).parts == ()
    assert turn(ready).metrics.voice_to_voice == 0.0


KINDS = [(e.stage, e.name) for e in FULL if e.stage not in ("user", "agent")]
times = st.integers(0, 4_000).map(lambda ms: ms / 1000)


@given(events=st.lists(st.tuples(times, st.sampled_from(KINDS)), max_size=25), speech_ended=times, wait=times)
def test_whatever_the_order_of_the_stamps_the_parts_are_contiguous_and_sum_to_the_wait(
    events, speech_ended, wait
):
    wait = max(wait, 0.001)
    started = round(speech_ended + wait, 9)
    detail = {"took": 0.1, "first_of_piece": True, "seconds": 0.0}
    log = [
        Event(t, *kind, detail)
        for t, kind in events
        if kind != ("playback", "started") and not (kind == ("asr", "complete") and t < speech_ended)
    ]
    whole = turn(
        [*log, Event(speech_ended, "user", "speech_ended"), Event(started, "playback", "started", {})]
    )
    edges = [(p.start, p.end) for p in whole.parts]
    assert (edges[0][0], edges[-1][1]) == (speech_ended, started)
    assert all(before[1] == after[0] for before, after in pairwise(edges))
    nanoseconds = sum(round(p.seconds * 1e9) for p in whole.parts)
    assert nanoseconds == round(whole.metrics.voice_to_voice * 1e9)


def test_what_happened_after_the_first_sound_is_no_part_of_the_wait():
    eager = turn(endpointing_end_of_turn=3.0, asr_complete=3.1)  # the agent spoke before it was sure
    assert parts(eager) == [("input transport", 1.0, 1.05), ("endpointing", 1.05, 2.9)]


def test_a_sound_before_the_end_of_speech_is_an_error_and_not_a_negative_wait():
    with pytest.raises(ValueError, match="voice-to-voice is negative"):
        turn(user_speech_ended=3.0, asr_complete=3.1).table()


def test_speech_that_ends_after_the_final_transcript_is_not_the_end_of_this_turns_speech():
    cut_off = turn(user_speech_ended=3.0)
    assert isnan(cut_off.metrics.voice_to_voice)
    assert cut_off.parts == ()


def test_a_part_cannot_be_negative():
    with pytest.raises(ValueError, match="first token is negative"):
        _ = Part("first token", "llm", "service", 2.0, 1.0).seconds


def test_a_gap_in_the_silence_before_the_voice_is_not_a_gap_in_its_speech():
    agent = StreamingVoiceAgent(tts=StreamingTTS(0.2, 0.3, leading_silence=0.25))
    simulate(agent.process_turn("Hi!"))
    (real,) = agent.turns
    started = real.metrics.playback_started
    assert min(s.start for s in real.spans if (s.stage, s.name) == ("playback", "speech")) == started


# --- Many turns -----------------------------------------------------------------------------------


def test_the_table_of_turns_has_a_row_for_each_and_nan_for_what_was_not_measured():
    broken = turn([e for e in FULL if e.time < 2.0])
    smooth = turn([e for e in FULL if e.name != "underrun"])
    table = turns_table([turn(), broken, smooth])
    row = {
        "user": "Hi, you!",
        "transcript": "Hi, you!",
        "voice-to-voice": 1.9,
        "time to first token": 0.45,
        "time to first audio": 0.8,
        "total latency": 3.1,
        "underrun": 0.3,
        **{name: seconds for name, _, seconds in ALL_PARTS},
    }
    expected = pd.DataFrame(
        [row, {"user": "Hi, you!", "transcript": "Hi, you!"}, {**row, "underrun": 0.0}],
        index=pd.RangeIndex(1, 4, name="turn"),
    ).astype({"user": object, "transcript": object})
    pd.testing.assert_frame_equal(table, expected, check_exact=True)
    assert table.loc[2].drop(["user", "transcript"]).isna().all()


def test_the_table_of_no_turns_is_empty():
    assert len(turns_table([])) == 0


def test_the_parts_in_the_table_of_real_turns_sum_to_the_wait():
    agent = StreamingVoiceAgent()

    async def conversation():
        for prompt in ("Hi!", "What time is it?"):
            await agent.process_turn(prompt)
            await asyncio.sleep(1)

    simulate(conversation())
    table = turns_table(agent.turns)
    waits = table[[p.name for p in agent.turns[0].parts]].sum(axis=1).round(9)
    assert waits.tolist() == table["voice-to-voice"].tolist()
    assert nan not in waits.tolist()
