"""Turns from OpenTelemetry spans: those of LiveKit, of Pipecat, and any that follow the GenAI conventions.

Each reader takes the spans that it knows by name: LiveKit's ``agent_turn``, Pipecat's ``turn``, or else spans with
``gen_ai.operation.name``, which have no place for the end of speech and none for the first sound.

The names are those of LiveKit Agents 1.8.9 (``telemetry/trace_types.py``), Pipecat 1.14.0 (``utils/tracing/``) and
OpenTelemetry's registry of GenAI attributes.
"""

from itertools import groupby
from math import isnan, nan
from typing import Any

from voice_agent_lab.measure.turns import Source, Turns
from voice_agent_lab.traces import livekit, pipecat
from voice_agent_lab.traces.documents import Rows, Trace, seconds
from voice_agent_lab.traces.spans import Forest, Span
from voice_agent_lab.traces.trouble import TraceError

LIVEKIT = Source(
    "LiveKit: OpenTelemetry spans",
    ("endpointing", "finalisation", "hand-over", "first token", "text aggregation", "first chunk"),
    {**livekit.OUTSIDE, "recognition": "a streaming recogniser has no span of its own"},
    "a wall clock, time_ns(); the attributes ttft and ttfb are perf_counter()",
    "with preemptive generation llm_node begins before the turn is decided; only what comes after is its part",
)

PIPECAT = Source(
    "Pipecat: OpenTelemetry spans",
    ("finalisation", "first token", "text aggregation", "first chunk"),
    {
        **pipecat.OUTSIDE,
        "endpointing": "no span says when the turn was decided; it is in the hand-over to the language model",
        "first token": "of the last call, if there were function calls between",
    },
    "a wall clock, time_ns()",
    "nothing: spans are placed where they were",
)

GENAI = Source(
    "OpenTelemetry: spans by the GenAI conventions",
    ("first token", "first chunk"),
    {
        "voice-to-voice": "the conventions have no attribute for the end of speech, and none for the first sound",
        "endpointing": "nor for the end of a turn",
        "recognition": "nor an operation for it: operations stt, transcription and the like are taken for it",
    },
    "a wall clock",
    "spans of stages that overlap",
)

_CHAT = {"chat", "text_completion", "generate_content"}
_HEARS = {"stt", "asr", "speech_to_text", "transcription", "transcribe"}
_SPEAKS = {"tts", "text_to_speech", "speech"}


def read(trace: Trace, forest: Forest) -> Turns:
    """Return the turns of spans, by whoever wrote them.

    Raises
    ------
    TraceError
        If none of them belongs to a turn.
    """
    if any("lk.speech_id" in span.attributes for span in forest.named("agent_turn")):
        return _read_livekit(trace, forest)
    if any("turn.number" in span.attributes for span in forest.named("turn")):
        return _read_pipecat(trace, forest)
    if any(_kind(span) for span in forest.spans):
        return _read_genai(trace, forest)
    raise TraceError(
        f"{trace.path} has spans, and none of a turn: neither LiveKit's agent_turn, nor Pipecat's turn, nor any with "
        "gen_ai.operation.name"
    )


def _read_livekit(trace: Trace, forest: Forest) -> Turns:
    """Return a turn for each ``agent_turn`` that answers the user."""
    rows, waits, heard = Rows(trace, LIVEKIT), forest.named("eou_wait"), forest.named("user_turn")
    for span in forest.named("agent_turn"):
        try:
            e2e = seconds(span.attributes, "lk.e2e_latency")
            spoke = forest.first(span, "agent_speaking") or _beginning_in(
                forest.named("agent_speaking"), span
            )
            if isnan(e2e) or spoke is None:
                continue
            ended = spoke.start - e2e
            decided, finished = (
                seconds(span.attributes, f"lk.{name}", zero=False)
                for name in ("end_of_turn_delay", "transcription_delay")
            )
            wait = next((w for w in waits if abs(w.start - ended) < 0.001), None)
            delay = nan if wait is None else seconds(wait.attributes, "lk.eou.endpointing_delay")
            user = next((u for u in heard if u.start < ended and abs(u.end - ended - decided) < 0.05), None)
            stamps = {
                "speech_started": nan if user is None else user.start,
                "speech_ended": ended,
                "end_of_turn": ended + livekit.policy_alone(decided, finished, delay),
                "asr_complete": ended + finished,
                **_model(forest.first(span, "llm_node"), "lk.response.ttft"),
                **_voice(forest.first(span, "tts_request"), forest.first(span, "tts_node"), spoke.start),
                "playback_started": spoke.start,
                "playback_ended": spoke.end,
            }
        except TraceError as error:
            rows.leave_out(span.line, error)
        else:
            said = user.attributes.get("lk.pii.user_transcript", "") if user is not None else ""
            rows.add(span.line, stamps, said, span.attributes.get("lk.pii.response.text", ""))
    return rows.turns()


def _beginning_in(spans: list[Span], whole: Span) -> Span | None:
    return next((span for span in spans if whole.start <= span.start <= whole.end), None)


def _model(span: Span | None, first_token: str) -> dict[str, float]:
    if span is None:
        return {}
    begun = span.start
    return {
        "llm_started": begun,
        "llm_first_token": begun + seconds(span.attributes, first_token),
        "llm_complete": span.end,
    }


def _voice(request: Span | None, node: Span | None, spoke: float) -> dict[str, float]:
    """Return the stamps of LiveKit's voice: the node's time to first byte is laid behind its first request."""
    if request is None:
        return {}
    ttfb = nan if node is None else seconds(node.attributes, "lk.response.ttfb")
    made = request.start + ttfb
    # The two are on two clocks; a sound that is made after it was played is off by their difference.
    return {"tts_started": request.start, "tts_first_chunk": min(made, spoke) if made == made else nan}


def _read_pipecat(trace: Trace, forest: Forest) -> Turns:
    """Return a turn for each ``turn`` in which the bot answered."""
    rows = Rows(trace, PIPECAT)
    for span in forest.named("turn"):
        try:
            latency = seconds(span.attributes, "turn.user_bot_latency_seconds")
            ears, voice = forest.first(span, "stt"), forest.first(span, "tts")
            models = [each for each in forest.within[span.id] if each.name == "llm"]
            spoken = {} if voice is None else _first_byte(voice, "tts_started", "tts_first_chunk")
            before = [m for m in models if voice is None or m.start <= voice.start]
            # Without recognition's span the first sound is taken to be the voice's first byte.
            ended = spoken.get("tts_first_chunk", nan) - latency
            if ears is not None and not isnan(ttfb := seconds(ears.attributes, "metrics.ttfb")):
                ended = ears.end - ttfb
            stamps = {
                "speech_started": nan if ears is None else ears.start,
                "speech_ended": ended,
                "asr_complete": nan if ears is None else ears.end,
                **(_first_byte(before[-1], "llm_started", "llm_first_token") if before else {}),
                **spoken,
                "playback_started": ended + latency,
            }
        except TraceError as error:
            rows.leave_out(span.line, error)
        else:
            if not isnan(latency):
                said = ears.attributes.get("transcript", "") if ears is not None else ""
                rows.add(span.line, stamps, said, before[-1].attributes.get("output", "") if before else "")
    return rows.turns()


def _first_byte(span: Span, started: str, first: str) -> dict[str, float]:
    return {started: span.start, first: span.start + seconds(span.attributes, "metrics.ttfb")}


def _read_genai(trace: Trace, forest: Forest) -> Turns:
    """Return a turn for the spans within each span, or each trace, that holds some."""
    rows = Rows(trace, GENAI)
    known = sorted((span for span in forest.spans if _kind(span)), key=_whole)
    for _, group in groupby(known, key=_whole):
        spans = sorted(group, key=lambda span: span.start)
        try:
            stamps = _of_kinds(spans)
        except TraceError as error:
            rows.leave_out(spans[0].line, error)
        else:
            rows.add(spans[0].line, stamps)
    return rows.turns()


def _whole(span: Span) -> tuple[str, str]:
    return span.trace, span.parent


def _kind(span: Span) -> str:
    """Return whether a span is of recognition, a language model or a voice; empty if of none of them."""
    operation = str(span.attributes.get("gen_ai.operation.name", ""))
    if operation in _SPEAKS or span.attributes.get("gen_ai.output.type") == "speech":
        return "tts"
    return "stt" if operation in _HEARS else "llm" if operation in _CHAT else ""


def _of_kinds(spans: list[Span]) -> dict[str, float]:
    stamps: dict[str, float] = {}
    for span in spans:
        first = span.start + _first_output(span.attributes)
        of_kind: dict[str, dict[str, float]] = {
            "stt": {"asr_started": span.start, "asr_complete": span.end},
            "llm": {"llm_started": span.start, "llm_first_token": first, "llm_complete": span.end},
            "tts": {"tts_started": span.start, "tts_first_chunk": first, "tts_complete": span.end},
        }
        stamps = {**of_kind[_kind(span)], **stamps}  # the first of each kind counts
    return stamps


def _first_output(attributes: Any) -> float:
    ours = seconds(attributes, "gen_ai.response.time_to_first_chunk")
    return seconds(attributes, "metrics.ttfb") if isnan(ours) else ours
