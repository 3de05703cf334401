"""Turns as OpenTelemetry spans, made by the official SDK, and back.

Each turn is a trace. Its root is a span of the agent (the GenAI conventions' ``invoke_agent``) that carries the whole
event log as span events, and the parts of the wait as attributes. Within it lie the stages: the language model as
``chat`` and the voice with ``gen_ai.output.type`` speech, as the conventions have it, the rest under our names. What
the conventions have no name for is called ``voice_agent_lab.*``.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voice_agent_lab.measure.log import Event, EventLog, strict_json
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.measure.turns import Problem, Turns
from voice_agent_lab.measure.writing import write_whole
from voice_agent_lab.traces.documents import Trace
from voice_agent_lab.traces.spans import Forest

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

_OURS = "voice_agent_lab"
_EVENTS = 1_000_000  # that a span may have: the SDK's default of 128 would drop tokens


def export_spans(turns: Iterable[Turn], exporter: "SpanExporter", *, began: datetime) -> None:
    """Give turns as spans to an exporter of OpenTelemetry's, such as ``OTLPSpanExporter()``.

    Parameters
    ----------
    turns : iterable of Turn
        Turns of one conversation.
    exporter : SpanExporter
        Where to. It is shut down at the end.
    began : datetime
        When the axis of time began that the turns share; viewers show it.

    Raises
    ------
    ImportError
        If the SDK is not installed; the extra `traces` brings it.
    """
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanLimits, TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.trace import set_span_in_context

    provider = TracerProvider(
        resource=Resource.create({"service.name": "voice-agent-lab"}),
        span_limits=SpanLimits(max_events=_EVENTS, max_span_attributes=_EVENTS),
    )
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer, zero = provider.get_tracer(_OURS), round(began.timestamp() * 1e6) * 1000
    for number, turn in enumerate(turns, start=1):
        at = zero + round(turn.log.origin * 1e9)
        times = [round(event.time * 1e9) for event in turn.log]
        root = tracer.start_span(
            "invoke_agent voice-agent-lab",
            attributes=_of_turn(turn, number),
            start_time=at + min(times, default=0),
        )
        for event in turn.log:
            root.add_event(
                f"{event.stage}.{event.name}", _of_event(event), timestamp=at + round(event.time * 1e9)
            )
        inside = set_span_in_context(root)
        for name, start, end, attributes in _stages(turn):
            span = tracer.start_span(name, inside, attributes=attributes, start_time=at + round(start * 1e9))
            span.end(at + round(end * 1e9))
        root.end(at + max(times, default=0))
    provider.shutdown()


def write_spans(turns: Iterable[Turn], path: str | Path, *, began: datetime) -> None:
    """Write turns as spans, one on each line, in the form of the SDK's console exporter.

    Parameters
    ----------
    turns : iterable of Turn
        Turns of one conversation.
    path : str or Path
        The file; `read_turns` reads it back.
    began : datetime
        When their axis of time began.
    """
    import io

    from opentelemetry.sdk.trace.export import ConsoleSpanExporter

    lines = io.StringIO()
    exporter = ConsoleSpanExporter(out=lines, formatter=lambda span: str(span.to_json(indent=None)) + "\n")
    export_spans(turns, exporter, began=began)
    write_whole(path, lines.getvalue())


def _of_turn(turn: Turn, number: int) -> dict[str, Any]:
    """Return the attributes of a turn's root."""
    wait = turn.metrics.voice_to_voice
    return {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "voice-agent-lab",
        f"{_OURS}.turn": number,
        f"{_OURS}.origin": turn.log.origin,
        **({} if isnan(wait) else {f"{_OURS}.voice_to_voice": wait}),
        **{f"{_OURS}.part.{part.name}": part.seconds for part in turn.parts},
    }


def _of_event(event: Event) -> dict[str, Any]:
    """Return the attributes of an event: all that the log has of it."""
    return {
        f"{_OURS}.stage": event.stage,
        f"{_OURS}.name": event.name,
        f"{_OURS}.time": event.time,
        f"{_OURS}.detail": strict_json(event.detail),
    }


def _stages(turn: Turn) -> Iterator[tuple[str, float, float, dict[str, Any]]]:
    """Yield the spans of a turn: name, start and end in seconds, attributes."""
    m, ours = turn.metrics, {"gen_ai.provider.name": "voice-agent-lab"}
    chat: dict[str, Any] = {"gen_ai.operation.name": "chat", "gen_ai.output.type": "text", **ours}
    if not isnan(m.time_to_first_token):
        chat["gen_ai.response.time_to_first_chunk"] = m.time_to_first_token
    speech: dict[str, Any] = {
        "gen_ai.operation.name": "text_to_speech",
        "gen_ai.output.type": "speech",
        **ours,
    }
    if m.tts_first_chunk >= m.tts_started:
        speech["gen_ai.response.time_to_first_chunk"] = round(m.tts_first_chunk - m.tts_started, 9)
    # Of a stage that was interrupted, or whose end nobody measured, until the last that it gave.
    llm_ended = turn.counted.last("llm", "token") if isnan(m.llm_complete) else m.llm_complete
    tts_ended = turn.counted.last("tts", "chunk") if isnan(m.tts_complete) else m.tts_complete
    stages = [
        ("chat", m.llm_started, llm_ended, chat),
        ("text_to_speech", m.tts_started, tts_ended, speech),
        *(
            (f"{span.stage}: {span.name}", span.start, span.end, {f"{_OURS}.stage": span.stage})
            for span in turn.spans
            if span.stage not in ("llm", "tts")
        ),
    ]
    yield from (stage for stage in stages if stage[2] >= stage[1])


def recognises(forest: Forest) -> bool:
    """Return whether some spans are turns of ours."""
    return any(f"{_OURS}.origin" in span.attributes for span in forest.spans)


def read(trace: Trace, forest: Forest) -> Turns:
    """Return the turns of spans that `export_spans` has made."""
    roots = [span for span in forest.spans if f"{_OURS}.origin" in span.attributes]
    turns = []
    for root in roots:
        try:
            events = [_event(attributes) for _, attributes in root.events]
        except (KeyError, TypeError, ValueError) as error:
            trace.problems.append(Problem(trace.place(root.line), f"no event of a turn: {error}"))
        else:
            turns.append(Turn(EventLog(root.attributes[f"{_OURS}.origin"], events)))
    return Turns.of(turns, problems=trace.problems)


def _event(attributes: Mapping[str, Any]) -> Event:
    stage, name, time, detail = (attributes[f"{_OURS}.{key}"] for key in ("stage", "name", "time", "detail"))
    return Event(time, stage, name, json.loads(detail))
