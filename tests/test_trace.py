"""A turn as a trace: what Perfetto's reader of Chrome traces asks for."""

import asyncio
import json
from math import nan

import pytest

from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.measure.log import Event, EventLog
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.traces.perfetto import STAGES, chrome_trace
from voice_agent_lab.traces.reading import read_turns
from voice_agent_lab.traces.trouble import TraceError, TraceWarning
from voice_agent_lab.turns.agent import StreamingVoiceAgent

SMALL = (
    Event(0.0, "user", "input", {"text": "Où?"}),
    Event(1.0, "user", "speech_ended"),
    Event(1.5, "endpointing", "end_of_turn", {"reason": "finished"}),
)


def bar(stage, name, **rest):
    return {"ph": "X", "cat": stage, "name": name, "pid": 1, "tid": STAGES.index(stage), **rest}


def tick(stage, name, **rest):
    return {**bar(stage, name, **rest), "ph": "i", "s": "t"}


def trace(*turns):
    return json.loads(chrome_trace(turns))["traceEvents"]


@pytest.fixture(scope="module")
def turns():
    agent = StreamingVoiceAgent()

    async def conversation():
        for prompt in ("Hi!", "What time is it?"):
            await agent.process_turn(prompt)
            await asyncio.sleep(1)

    simulate(conversation())
    return agent.turns


def test_the_whole_trace_of_a_small_turn():
    assert trace(Turn(EventLog(events=SMALL))) == [
        {"ph": "M", "name": "process_name", "pid": 1, "tid": 0, "args": {"name": "turn 1: Où?"}},
        *(
            {"ph": "M", "name": "thread_name", "pid": 1, "tid": k, "args": {"name": stage}}
            for k, stage in enumerate(STAGES)
        ),
        bar("endpointing", "waiting for silence", ts=1_000_000.0, dur=500_000.0),
        tick("user", "input", ts=0.0, args={"text": "Où?"}),
        tick("user", "speech_ended", ts=1_000_000.0, args={}),
        tick("endpointing", "end_of_turn", ts=1_500_000.0, args={"reason": "finished"}),
    ]


def test_every_event_has_what_its_type_must_have(turns):
    needed = {
        "M": {"ph", "name", "pid", "tid", "args"},
        "X": {"ph", "name", "pid", "tid", "cat", "ts", "dur"},
        "i": {"ph", "name", "pid", "tid", "cat", "ts", "s", "args"},
    }
    events = trace(*turns)
    assert {event["ph"] for event in events} == set(needed)
    for event in events:
        assert set(event) == needed[event["ph"]]
        if event["ph"] != "M":
            assert event["ts"] >= 0
            assert event.get("dur", 1) > 0
            assert STAGES[event["tid"]] == event["cat"]


def test_spans_are_bars_and_events_are_ticks_of_their_stage_in_microseconds(turns):
    events = [e for e in trace(*turns) if e["pid"] == 1]
    (first,) = turns[:1]
    bars = [(e["cat"], e["name"], e["ts"], e["dur"]) for e in events if e["ph"] == "X"]
    assert bars == [
        (s.stage, s.name, round(s.start * 1e6, 3), round((s.end - s.start) * 1e6, 3)) for s in first.spans
    ]
    ticks = [(e["cat"], e["name"], e["ts"], e["args"]) for e in events if e["ph"] == "i"]
    assert ticks == [(e.stage, e.name, round(e.time * 1e6, 3), e.detail) for e in first.log]


def test_a_later_turn_comes_later_on_the_same_axis(turns):
    events = trace(*turns)
    offset = turns[1].log.origin - turns[0].log.origin
    assert offset == turns[0].metrics.playback_ended + 1
    begins = {pid: min(e["ts"] for e in events if e["pid"] == pid and "ts" in e) for pid in (1, 2)}
    assert begins == {1: 0.0, 2: round(offset * 1e6, 3)}


def test_the_first_turn_of_a_trace_begins_at_zero_wherever_it_was(turns):
    assert min(e["ts"] for e in trace(turns[1]) if "ts" in e) == 0.0


def test_each_turn_is_a_process_with_the_same_threads(turns):
    names = [(e["pid"], e["tid"], e["args"]["name"]) for e in trace(*turns) if e["name"] == "thread_name"]
    assert names == [(pid, k, stage) for pid in (1, 2) for k, stage in enumerate(STAGES)]
    assert [e["args"]["name"] for e in trace(*turns) if e["name"] == "process_name"] == [
        "turn 1: Hi!",
        "turn 2: What time is it?",
    ]


def test_the_agent_writes_to_no_stage_that_the_trace_does_not_know(turns):
    assert {event.stage for turn in turns for event in turn.log} <= set(STAGES)


def test_the_same_turns_give_the_same_bytes(turns):
    assert chrome_trace(turns) == chrome_trace(turns)
    assert chrome_trace(turns).endswith("\n")


def test_no_turns_are_an_empty_trace():
    assert json.loads(chrome_trace([])) == {
        "displayTimeUnit": "ms",
        "otherData": {"origins": []},
        "traceEvents": [],
    }


def test_a_stage_of_ones_own_is_traced_too():
    own = Turn(EventLog(events=(*SMALL, Event(2.0, "translator", "started"))))
    assert "translator" in {e["args"]["name"] for e in trace(own) if e["ph"] == "M"}


def test_a_trace_is_strict_json_whatever_was_recorded():
    own = Turn(EventLog(events=(*SMALL, Event(2.0, "tts", "chunk", {"took": 0.1, "onset": nan}))))
    read = json.loads(chrome_trace([own]), parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    assert read["traceEvents"][-1]["args"] == {"took": 0.1, "onset": None}


def test_turns_that_were_written_are_read_back_to_the_byte(turns, tmp_path):
    path = tmp_path / "trace.json"
    path.write_text(chrome_trace(turns), encoding="utf-8")
    back = read_turns(path)
    assert [turn.log.to_json() for turn in back] == [turn.log.to_json() for turn in turns]
    assert back.voice_to_voice.tolist() == [turn.metrics.voice_to_voice for turn in turns]


def test_a_trace_that_somebody_else_has_written_is_refused(tmp_path):
    path = tmp_path / "trace.json"
    path.write_text('{"traceEvents": []}', encoding="utf-8")
    with pytest.raises(TraceError, match="none that chrome_trace has written"):
        read_turns(path)


def test_a_tick_that_cannot_be_read_is_reported_and_the_rest_is_kept(turns, tmp_path):
    whole = json.loads(chrome_trace(turns))
    whole["traceEvents"].append({"ph": "i", "name": "odd"})
    path = tmp_path / "trace.json"
    path.write_text(json.dumps(whole), encoding="utf-8")
    with pytest.warns(TraceWarning, match="no event of a turn: 'pid'"):
        assert len(read_turns(path)) == len(turns)
