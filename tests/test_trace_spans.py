"""Turns as OpenTelemetry spans and back; spans of others, as OTLP and as the console exporter prints them."""

import json
from datetime import UTC, datetime
from math import isnan

import pytest

from voice_agent_lab import Say, StreamingVoiceAgent, preset, read_turns, simulate
from voice_agent_lab.traces.opentelemetry import export_spans, write_spans
from voice_agent_lab.traces.reading import sample_trace
from voice_agent_lab.traces.trouble import TraceError, TraceWarning

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
START = round(BEGAN.timestamp() * 1e9)


@pytest.fixture(scope="module")
def turns():
    agent = preset("livekit-defaults").agent(overlap="eager", seed=2)
    simulate(agent.process_turn("What time is it?"))
    simulate(agent.converse([Say("Hello!"), Say("Stop, that is enough.", after=0.5, during="speaking")]))
    return agent.turns


@pytest.fixture
def exported():
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    def spans_of(turns):
        class Kept(InMemorySpanExporter):
            def shutdown(self):  # it would refuse what is asked of it later
                pass

        exporter = Kept()
        export_spans(turns, exporter, began=BEGAN)
        return exporter.get_finished_spans()

    return spans_of


def otlp(*spans):
    return {
        "resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {"name": "mine"}, "spans": list(spans)}]}]
    }


def span(name, number, start, end, parent="", **attributes):
    kinds = {str: "stringValue", float: "doubleValue", int: "intValue", bool: "boolValue"}
    return {
        "traceId": "t" * 32,
        "spanId": f"{number:016x}",
        "parentSpanId": parent,
        "name": name,
        "startTimeUnixNano": str(START + round(start * 1e9)),
        "endTimeUnixNano": str(START + round(end * 1e9)),
        "attributes": [
            {
                "key": key.replace("__", "."),
                "value": {kinds[type(value)]: str(value) if type(value) is int else value},
            }
            for key, value in attributes.items()
        ],
    }


TURN = (
    span("transcribe", 2, 0.0, 1.5, f"{1:016x}", gen_ai__operation__name="transcription"),
    span(
        "chat gpt", 3, 1.6, 2.6, f"{1:016x}", gen_ai__operation__name="chat",
        gen_ai__response__time_to_first_chunk=0.4, gen_ai__usage__output_tokens=12,
    ),
    span("speak", 4, 2.2, 3.0, f"{1:016x}", gen_ai__operation__name="text_to_speech", metrics__ttfb=0.25),
)  # fmt: skip


# --- Out, and back -----------------------------------------------------------------------------------


def test_turns_that_were_written_as_spans_are_read_back_to_the_byte(turns, tmp_path):
    pytest.importorskip("opentelemetry.sdk")
    path = tmp_path / "spans.jsonl"
    write_spans(turns, path, began=BEGAN)
    back = read_turns(path)
    assert [turn.log.to_json() for turn in back] == [turn.log.to_json() for turn in turns]


def test_each_turn_is_a_trace_with_its_stages_within_its_root(turns, exported):
    spans = exported(turns)
    roots = [each for each in spans if each.parent is None]
    assert len(roots) == len({each.context.trace_id for each in spans}) == len(turns)
    for root, turn in zip(roots, turns, strict=True):
        within = [each for each in spans if each.parent and each.parent.span_id == root.context.span_id]
        assert {"chat", "text_to_speech", "asr: recognition", "playback: speech"} <= {
            each.name for each in within
        }
        begins = START + round(turn.log.origin * 1e9)
        assert all(root.start_time <= each.start_time <= each.end_time <= root.end_time for each in within)
        (chat,) = [each for each in within if each.name == "chat"]
        assert chat.start_time == begins + round(turn.metrics.llm_started * 1e9)


def test_the_spans_follow_the_genai_conventions_where_these_fit(turns, exported):
    spans = {each.name: dict(each.attributes) for each in exported(turns[:1])}
    assert spans["invoke_agent voice-agent-lab"]["gen_ai.operation.name"] == "invoke_agent"
    assert (
        spans["invoke_agent voice-agent-lab"]["voice_agent_lab.voice_to_voice"]
        == turns[0].metrics.voice_to_voice
    )
    assert spans["chat"] == {
        "gen_ai.operation.name": "chat",
        "gen_ai.output.type": "text",
        "gen_ai.provider.name": "voice-agent-lab",
        "gen_ai.response.time_to_first_chunk": turns[0].metrics.time_to_first_token,
    }
    assert spans["text_to_speech"]["gen_ai.output.type"] == "speech"


def test_no_event_is_lost_of_a_turn_with_more_than_the_sdk_keeps_by_default(exported):
    agent = StreamingVoiceAgent()
    simulate(agent.process_turn("Tell me a long story, please, with all that happened on the way."))
    root = next(each for each in exported(agent.turns) if each.parent is None)
    assert len(root.events) == len(agent.turns[0].log) > 128


def test_a_turn_that_a_framework_wrote_goes_out_again(tmp_path):
    pytest.importorskip("opentelemetry.sdk")
    first = read_turns(sample_trace("livekit-report.json"))
    write_spans(first, tmp_path / "spans.jsonl", began=BEGAN)
    again = read_turns(tmp_path / "spans.jsonl")
    assert again.voice_to_voice.tolist() == first.voice_to_voice.tolist()


# --- Spans of others ---------------------------------------------------------------------------------


def read_otlp(tmp_path, *documents):
    path = tmp_path / "trace.json"
    path.write_text("\n".join(map(json.dumps, documents)), encoding="utf-8")
    return read_turns(path)


def test_spans_by_the_conventions_are_stages_without_a_wait(tmp_path):
    turns = read_otlp(tmp_path, otlp(*TURN))
    m = turns[0].metrics
    assert (m.asr_complete, m.llm_started, m.llm_first_token) == (1.5, 1.6, 2.0)
    assert (m.tts_started, m.tts_first_chunk, m.tts_complete) == (2.2, 2.45, 3.0)
    assert isnan(m.voice_to_voice) and "voice-to-voice" in turns.source.cannot_know


def test_otlp_may_stand_one_document_on_a_line_and_one_span_in_each(tmp_path):
    assert read_otlp(tmp_path, *(otlp(each) for each in TURN))[0].metrics.llm_first_token == 2.0


def test_the_spans_of_pipecat_say_the_same_as_otlp_and_as_printed(tmp_path):
    printed = read_turns(sample_trace("pipecat-spans.json"))
    ears, model, voice, turn = (
        json.loads(each) for each in documents(sample_trace("pipecat-spans.json"))[:4]
    )
    as_otlp = [
        {
            "traceId": each["context"]["trace_id"][2:],
            "spanId": each["context"]["span_id"],
            "parentSpanId": each["parent_id"] or "",
            "name": each["name"],
            "startTimeUnixNano": nanoseconds(each["start_time"]),
            "endTimeUnixNano": nanoseconds(each["end_time"]),
            "attributes": [
                {"key": key, "value": {"doubleValue" if isinstance(value, float) else "stringValue": value}}
                for key, value in each["attributes"].items()
            ],
        }
        for each in (ears, model, voice, turn)
    ]
    (same,) = read_otlp(tmp_path, otlp(*as_otlp))
    assert same.metrics == printed[0].metrics


def documents(path):
    return ["{" + part for part in ("\n" + path.read_text(encoding="utf-8")).split("\n{")[1:]]


def nanoseconds(text):
    return str(round(datetime.fromisoformat(text).timestamp() * 1e6) * 1000)


def test_pipecats_turn_without_recognition_is_placed_by_its_latency(tmp_path):
    pipecat = (
        span("turn", 1, 0.0, 5.0, turn__number=1, turn__user_bot_latency_seconds=1.2),
        span("llm", 2, 1.0, 2.0, f"{1:016x}", metrics__ttfb=0.4),
        span("tts", 3, 1.5, 3.0, f"{1:016x}", metrics__ttfb=0.2),
    )
    (turn,) = read_otlp(tmp_path, otlp(*pipecat))
    assert turn.metrics.voice_to_voice == 1.2
    assert turn.metrics.playback_started == turn.metrics.tts_first_chunk


def test_a_span_that_cannot_be_read_is_named_with_its_line(tmp_path):
    broken = {key: value for key, value in TURN[0].items() if key != "name"}
    with pytest.warns(TraceWarning, match=r"trace.json:2: no span: 'name' is missing"):
        turns = read_otlp(tmp_path, otlp(*TURN), otlp(broken))
    assert len(turns) == 1


def test_a_latency_that_cannot_be_is_named_with_the_line_of_its_span(tmp_path):
    other = {**span("chat", 9, 5.0, 6.0, "other", gen_ai__operation__name="chat"), "traceId": "u" * 32}
    bad = json.loads(json.dumps(TURN[1]).replace("0.4", "-0.4"))
    with pytest.warns(
        TraceWarning, match=r"time_to_first_chunk is -0.4; it must be a finite number of seconds"
    ):
        assert len(read_otlp(tmp_path, otlp(bad), otlp(other))) == 1


def test_spans_of_no_turn_are_refused_in_a_sentence(tmp_path):
    with pytest.raises(TraceError, match="has spans, and none of a turn: neither LiveKit's agent_turn"):
        read_otlp(tmp_path, otlp(span("GET /", 1, 0.0, 1.0)))
