"""Turns from what LiveKit and Pipecat write: the recorded samples, and what may be wrong with such files."""

import json
import re
from math import isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_agent_lab import StreamingVoiceAgent, read_turns, simulate
from voice_agent_lab.traces.reading import KINDS, SAMPLES, SOURCES, sample_trace, sources_table
from voice_agent_lab.traces.trouble import TraceError, TraceWarning

REPORT, BREAKDOWN = sample_trace("livekit-report.json"), sample_trace("pipecat-breakdown.jsonl")


@pytest.fixture
def write(tmp_path):
    def written(value, name="trace.json"):
        path = tmp_path / name
        path.write_text(value if isinstance(value, str) else json.dumps(value, indent=1), encoding="utf-8")
        return path

    return written


def user(**metrics):
    known = {"started_speaking_at": 10.0, "stopped_speaking_at": 11.0, "transcription_delay": 0.4, **metrics}
    return {"id": "u", "type": "message", "role": "user", "content": ["Hi"], "metrics": known}


def answer(**metrics):
    known = {
        "started_speaking_at": 12.5,
        "e2e_latency": 1.5,
        "llm_node_ttft": 0.5,
        "tts_node_ttfb": 0.2,
        **metrics,
    }
    return {"id": "a", "type": "message", "role": "assistant", "content": ["Hello"], "metrics": known}


def seconds_of(turn):
    return {part.name: part.seconds for part in turn.parts}


# --- What the frameworks themselves reported --------------------------------------------------------


def test_a_livekit_turns_parts_sum_to_the_e2e_latency_that_livekit_reported():
    items = json.loads(REPORT.read_text(encoding="utf-8"))["chat_history"]["items"]
    reported = [item["metrics"]["e2e_latency"] for item in items if item.get("role") == "assistant"]
    turns = read_turns(REPORT)
    assert len(turns) == len(reported) == 80
    assert turns.voice_to_voice == pytest.approx(reported, abs=1e-6)
    assert sum(turns.parts().values()) == pytest.approx(reported, abs=1e-6)


def test_livekits_preemptive_generation_began_when_the_transcript_came_and_is_counted_once():
    turn = read_turns(REPORT)[0]
    assert turn.metrics.llm_started == turn.metrics.asr_complete < turn.metrics.end_of_turn
    assert turn.lead == pytest.approx(0.141, abs=1e-6)
    assert seconds_of(turn)["first token"] == pytest.approx(turn.metrics.time_to_first_token - turn.lead)


def test_pipecats_contributions_are_the_parts_and_sum_to_the_latency_that_it_reported():
    breakdowns = [json.loads(line) for line in BREAKDOWN.read_text(encoding="utf-8").splitlines()]
    turns = read_turns(BREAKDOWN)
    assert turns.voice_to_voice == pytest.approx([b["total_secs"] for b in breakdowns], abs=1e-6)
    before = {"endpointing_wait", "transcription", "turn_detection"}
    alike = {
        "first token": "llm_inference",
        "text aggregation": "sentence_aggregation",
        "first chunk": "speech_synthesis",
    }
    for turn, breakdown in zip(turns, breakdowns, strict=True):
        of = {c["key"]: c["duration_secs"] for c in breakdown["contributions"]}
        found = seconds_of(turn)
        assert sum(found.values()) == pytest.approx(breakdown["total_secs"], abs=1e-6)
        assert {name: found[name] for name in alike} == pytest.approx(
            {name: of[key] for name, key in alike.items()}, abs=1e-5
        )
        decided = found["endpointing"] + found.get("finalisation", 0.0)
        assert decided == pytest.approx(sum(of.get(key, 0.0) for key in before), abs=1e-5)


@pytest.mark.parametrize(
    ("spans", "numbers"),
    [("livekit-spans.json", "livekit-report.json"), ("pipecat-spans.json", "pipecat-breakdown.jsonl")],
)
def test_the_spans_say_the_same_as_the_metrics_of_the_same_turns(spans, numbers):
    of_spans, of_metrics = read_turns(sample_trace(spans)), read_turns(sample_trace(numbers))[:10]
    for name in ("voice_to_voice", "llm_first_token", "tts_first_chunk"):
        assert of_spans.latency(name) == pytest.approx(of_metrics.latency(name), abs=2e-6)
    for early, late in zip(of_spans, of_metrics, strict=True):
        assert sum(seconds_of(early).values()) == pytest.approx(late.metrics.voice_to_voice, abs=2e-6)
    assert of_spans[0].transcript == "What is the weather?"
    assert of_spans[0].reply.startswith("It will be sunny")


def test_spans_of_pipecat_do_not_tell_endpointing_from_the_hand_over():
    found = seconds_of(read_turns(sample_trace("pipecat-spans.json"))[0])
    assert "endpointing" not in found and "hand-over" in found
    assert "endpointing" in read_turns(sample_trace("pipecat-spans.json")).source.cannot_know


def test_pipecats_log_has_stages_and_no_wait():
    turns, whole = read_turns(sample_trace("pipecat-metrics.log")), read_turns(BREAKDOWN)[:10]
    assert len(turns) == 10 and np.isnan(turns.voice_to_voice).all()
    assert turns.latency("llm_first_token") == pytest.approx(whole.latency("llm_first_token"), abs=1e-6)
    assert "voice-to-voice" in turns.source.cannot_know


def test_whichever_ended_last_owns_the_wait_before_the_decision():
    for turn in read_turns(REPORT):
        m, found = turn.metrics, seconds_of(turn)
        late = m.asr_complete > m.end_of_turn
        assert ("finalisation" in found) == late
        assert not late or found["endpointing"] == pytest.approx(0.5, abs=1e-6)  # LiveKit's min_delay here


# --- What LiveKit writes when it does not know -------------------------------------------------------


def test_a_delay_of_zero_is_not_measured(write):
    turn = read_turns(write({"items": [user(end_of_turn_delay=0.0, transcription_delay=0.0), answer()]}))[0]
    assert isnan(turn.metrics.end_of_turn) and isnan(turn.metrics.asr_complete)
    assert turn.metrics.voice_to_voice == 1.5


def test_a_time_to_first_token_of_minus_one_is_not_measured(write):
    turn = read_turns(write([user(end_of_turn_delay=0.5), answer(llm_node_ttft=-1)]))[0]
    assert isnan(turn.metrics.time_to_first_token)
    assert seconds_of(turn) == {"endpointing": 0.5, "hand-over": 0.8, "first chunk": 0.2}


def test_a_reply_without_time_to_first_sentence_has_its_rest_in_the_hand_over(write):
    turn = read_turns(write([user(end_of_turn_delay=0.5), answer()]))[0]
    assert seconds_of(turn) == {"endpointing": 0.5, "hand-over": 0.3, "first token": 0.5, "first chunk": 0.2}


def test_playback_that_began_late_is_output_transport(write):
    turn = read_turns(write([user(end_of_turn_delay=0.5), answer(playback_latency=0.1)]))[0]
    assert seconds_of(turn)["output transport"] == 0.1


def test_a_user_who_got_no_answer_has_no_wait_and_a_greeting_is_no_turn(write):
    turns = read_turns(write([answer(), user(end_of_turn_delay=0.5), user(end_of_turn_delay=0.5), answer()]))
    assert np.isnan(turns.voice_to_voice).tolist() == [True, False]


def test_an_anchor_that_went_stale_is_reported_and_left_out(write):
    stale = {**user(end_of_turn_delay=0.5, stopped_speaking_at=9.0), "id": "stale"}
    path = write([stale, answer(), user(end_of_turn_delay=0.5), answer()])
    with pytest.warns(
        TraceWarning, match="speech_ended .* is before speech_started .* a clock that goes back"
    ):
        turns = read_turns(path)
    assert len(turns) == 1
    line = path.read_text(encoding="utf-8").splitlines().index('  "id": "stale",') + 1
    assert turns.problems[0].place == f"{path}:{line}"


@pytest.mark.parametrize("value", [-0.5, float("inf"), "fast", True])
def test_a_length_that_cannot_be_is_named_with_its_message(write, value):
    path = write([user(end_of_turn_delay=0.5), answer(), user(end_of_turn_delay=value), answer()])
    with pytest.warns(
        TraceWarning, match=r"end_of_turn_delay is .*; it must be a finite number of seconds, 0 or more"
    ):
        assert len(read_turns(path)) == 1


# --- What Pipecat writes -----------------------------------------------------------------------------


def test_a_greeting_is_no_turn(write):
    lines = BREAKDOWN.read_text(encoding="utf-8").splitlines()[:2]
    greeting = {**json.loads(lines[0]), "measured_from": "client_connected", "user_turn_start_time": None}
    assert len(read_turns(write("\n".join([json.dumps(greeting), *lines]), "a.jsonl"))) == 2


def test_a_breakdown_of_an_older_pipecat_has_the_stages_and_no_wait(write):
    older = json.loads(BREAKDOWN.read_text(encoding="utf-8").splitlines()[0])
    older = {
        key: older[key] for key in ("ttfb", "text_aggregation", "user_turn_start_time", "user_turn_secs")
    }
    turn = read_turns(write(older))[0]
    whole = read_turns(BREAKDOWN)[0]
    assert isnan(turn.metrics.voice_to_voice)
    assert turn.metrics.time_to_first_token == pytest.approx(whole.metrics.time_to_first_token)
    assert turn.metrics.end_of_turn == pytest.approx(0.6, abs=1e-6)


def test_a_processor_that_does_not_say_what_it_is_is_reported(write):
    lines = BREAKDOWN.read_text(encoding="utf-8").splitlines()[:2]
    odd = {**json.loads(lines[0]), "contributions": []}
    odd["ttfb"] = [{**odd["ttfb"][0], "processor": "Something"}]
    path = write("\n".join([json.dumps(odd), lines[1]]), "a.jsonl")
    with pytest.warns(
        TraceWarning, match=r"a.jsonl:1: the processor 'Something' does not say what it is; let its"
    ):
        assert len(read_turns(path)) == 1


def test_a_turn_whose_transcript_came_last_has_finalisation(write):
    turns = read_turns(BREAKDOWN)
    late = turns.parts()["finalisation"] > 0
    assert 0 < late.sum() < 80
    for turn, is_late in zip(turns, late, strict=True):
        assert seconds_of(turn)["endpointing"] == pytest.approx(0.2 if is_late else 0.6, abs=1e-5)


def test_a_log_among_other_lines_is_read_and_what_pipecat_logs_at_its_start_is_not_measured(write):
    log = sample_trace("pipecat-metrics.log").read_text(encoding="utf-8")
    assert "TTFB: 0.0s at 0.000s" in log
    turns = read_turns(write("10:00:01 INFO something else\n" + log, "agent.log"))
    assert len(turns) == 10 and (turns.latency("llm_first_token") > 0).all()


# --- Files -------------------------------------------------------------------------------------------


def test_a_broken_document_is_named_by_its_line_and_the_rest_is_kept(write):
    lines = BREAKDOWN.read_text(encoding="utf-8").splitlines()[:3]
    path = write("\n".join([lines[0], lines[1][:100], lines[2]]), "a.jsonl")
    with pytest.warns(TraceWarning, match=r"1 was left out, 2 turns kept; .*a.jsonl:2: no JSON"):
        assert len(read_turns(path)) == 2


@pytest.mark.parametrize("text", ["just words", '{"a": 1}', "[1, 2", "[]"])
def test_a_file_of_no_known_kind_gets_a_sentence_that_names_the_kinds(write, text):
    with pytest.raises(TraceError, match="is of no known kind") as refused:
        read_turns(write(text))
    assert all(kind in str(refused.value) for kind in KINDS)


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_file_is_refused(write, text):
    with pytest.raises(TraceError, match=r"trace.json is empty"):
        read_turns(write(text))


def test_what_is_no_text_is_refused(tmp_path):
    path = tmp_path / "trace.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TraceError, match="is not UTF-8 text"):
        read_turns(path)


def test_a_trace_without_a_turn_is_refused(write):
    with pytest.raises(TraceError, match="has no turn that can be read"):
        read_turns(write([answer()]))


def test_a_file_that_is_not_there_is_an_error_of_the_system(tmp_path):
    for name in ("a.csv", "a.json", "a.parquet"):
        with pytest.raises(FileNotFoundError):
            read_turns(tmp_path / name)


def test_what_is_no_file_is_refused():
    with pytest.raises(TypeError, match="source is 3; it must be the path of a file, or a DataFrame"):
        read_turns(3)


def test_an_event_log_of_ours_is_a_turn(write):
    agent = StreamingVoiceAgent()
    simulate(agent.process_turn("What time is it?"))
    (turn,) = read_turns(write(agent.turns[0].log.to_json()))
    assert turn.log.to_json() == agent.turns[0].log.to_json()


def test_an_unknown_sample_is_refused_with_the_names_there_are():
    with pytest.raises(ValueError, match=r"name is 'x'; there are livekit-report\.json"):
        sample_trace("x")


def test_every_sample_is_read_without_a_problem_and_its_label_says_what_it_is():
    label = (SAMPLES / "README.md").read_text(encoding="utf-8")
    for name in re.findall(r"^\| `([\w.-]+)` \|", label, flags=re.MULTILINE):
        turns = read_turns(sample_trace(name))
        assert turns.problems == () and len(turns) in (10, 80)


def places(value, at=()):
    """Yield the path of every value in a JSON document."""
    yield at
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from places(each, (*at, key))


def changed(documents, at, value):
    """Return a copy of documents with another value in one place."""
    copy = json.loads(json.dumps(documents))
    inner = copy
    for key in at[:-1]:
        inner = inner[key]
    inner[at[-1]] = value
    return copy


def some_of(name):
    """Return the first turns of a sample as documents."""
    text = sample_trace(name).read_text(encoding="utf-8")
    if name == "livekit-report.json":
        report = json.loads(text)
        report["chat_history"]["items"] = report["chat_history"]["items"][:6]
        return [report]
    found, decoder = [], json.JSONDecoder()
    while text and len(found) < 20:
        value, end = decoder.raw_decode(text)
        found, text = [*found, value], text[end:].lstrip()
    return found


SOME = {
    name: some_of(name)
    for name in ("livekit-report.json", "livekit-spans.json", "pipecat-breakdown.jsonl", "pipecat-spans.json")
}
ODD = [None, -1, 0, -0.5, float("inf"), float("nan"), "x", "", [], {}, True, 1e300, [None], {"a": 1}]


@pytest.mark.filterwarnings("ignore::voice_agent_lab.traces.trouble.TraceWarning")
@given(st.data())
def test_whatever_stands_in_a_trace_it_is_read_or_reported_or_refused_in_a_sentence(tmp_path_factory, data):
    documents = SOME[data.draw(st.sampled_from(sorted(SOME)))]
    at = data.draw(st.sampled_from([place for place in places(documents) if place]))
    odd = changed(documents, at, data.draw(st.sampled_from(ODD)))
    path = tmp_path_factory.mktemp("odd") / "trace.json"
    path.write_text("\n".join(map(json.dumps, odd)), encoding="utf-8")
    try:
        turns = read_turns(path)
    except TraceError:
        return
    for turn, wait in zip(turns, turns.voice_to_voice, strict=True):
        assert turn.metrics.voice_to_voice == pytest.approx(wait, nan_ok=True)
        assert not turn.parts or sum(part.seconds for part in turn.parts) == pytest.approx(wait)


# --- What each source cannot know --------------------------------------------------------------------


def test_each_source_says_what_it_knows_and_cannot_know_on_which_clock_and_what_counts_twice():
    table = sources_table()
    assert list(table.index) == [source.name for source in SOURCES]
    assert (table != "").all(axis=None)
    assert table.loc["voice-agent-lab: turns of this package", "cannot know"] == "nothing"


@pytest.mark.parametrize(
    "name", ["livekit-report.json", "livekit-spans.json", "pipecat-breakdown.jsonl", "pipecat-spans.json"]
)
def test_what_lies_outside_is_named_and_is_no_part(name):
    turns = read_turns(sample_trace(name))
    outside = {"input transport", "output transport", "leading silence"}
    assert outside <= turns.source.cannot_know.keys()
    assert outside.isdisjoint(turns.parts())


@pytest.mark.parametrize(
    "name", ["livekit-report.json", "livekit-spans.json", "pipecat-breakdown.jsonl", "pipecat-spans.json"]
)
def test_every_part_of_a_sample_is_one_that_its_source_knows(name):
    turns = read_turns(sample_trace(name))
    assert turns.parts().keys() <= {*turns.source.knows, "hand-over"}
