"""Turns from LiveKit Agents: the metrics of its chat messages, in a session report or a chat history.

A user's message tells of the end of the turn, the agent's of the reply. Only the two ends of the wait are
stamps; the rest are lengths. They are laid backward from the first sound, which places them exactly
where the message tells the time to the first sentence (``llm_node_ttfs``, of LiveKit 1.8).

The names are those of LiveKit Agents 1.8.9, ``llm/chat_context.py`` (`MetricsReport`) and ``voice/report.py``.
"""

from collections.abc import Mapping
from math import isnan, nan
from typing import Any

from voice_agent_lab.measure.turns import Source, Turns
from voice_agent_lab.traces.documents import Rows, Trace, mapping, seconds
from voice_agent_lab.traces.placing import TOGETHER
from voice_agent_lab.traces.trouble import TraceError

OUTSIDE = {
    "input transport": "its end of speech is when the last frame with speech was heard: the way there is before it",
    "output transport": "its first sound is the first frame handed to the audio track: network, jitter buffer and "
    "loudspeaker come after",
    "leading silence": "a silent first frame counts as sound",
}

SOURCE = Source(
    "LiveKit: metrics of chat messages",
    ("endpointing", "finalisation", "hand-over", "first token", "text aggregation", "first chunk"),
    {
        **OUTSIDE,
        "endpointing beside finalisation": "they run side by side, and whichever ended last owns the wait; if that was "
        "the transcript, endpointing alone is the report's min_endpointing_delay, or unknown without it",
        "recognition": "a streaming recogniser has no metric of its own",
        "text aggregation": "only with llm_node_ttfs; before LiveKit 1.8 it is in the hand-over",
    },
    "the ends of the wait and its delays are time.time(), a wall clock; ttft, ttfs and ttfb are perf_counter()",
    "with preemptive generation, a default, llm_node_ttft overlaps end_of_turn_delay: they sum to more than the wait. "
    "Here the language model is placed where it began, and only what comes after the decision is its part",
)


def messages(value: Any) -> list[Mapping[str, Any]]:
    """Return the chat messages in a document: a session report, a chat history, or a message."""
    if isinstance(value, Mapping):
        value = value.get("chat_history", value)
    if isinstance(value, Mapping):
        value = value.get("items", [value])
    found = [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
    return [item for item in found if item.get("role") in ("user", "assistant") and "content" in item]


def recognises(trace: Trace) -> bool:
    """Return whether a trace holds chat messages."""
    return any(messages(document.value) for document in trace.documents)


def read(trace: Trace) -> Turns:
    """Return the turns of a trace: one for each message of the user that has metrics."""
    rows, user, reply = Rows(trace, SOURCE), None, None
    min_delay = nan

    def finish() -> None:
        if user is not None:
            line = trace.line_of(user.get("id"), first)
            try:
                stamps = _stamps(_metrics(user), _metrics(reply or {}), min_delay)
            except TraceError as error:
                rows.leave_out(line, error)
            else:
                rows.add(line, stamps, _text(user), _text(reply or {}))

    first = 1
    for document in trace.documents:
        if isinstance(document.value, Mapping) and "options" in document.value:
            try:
                min_delay = seconds(
                    mapping(document.value.get("options"), "options"), "min_endpointing_delay"
                )
            except TraceError as error:
                rows.leave_out(document.line, error)
        for message in messages(document.value):
            if message["role"] == "user":
                finish()
                user, reply = (message if message.get("metrics") else None), None
                first = document.line
            elif reply is None or "e2e_latency" not in str(reply.get("metrics")):  # the first that was heard
                reply = message
    finish()
    return rows.turns()


def _metrics(message: Mapping[str, Any]) -> Mapping[str, Any]:
    return mapping(message.get("metrics"), "metrics")


def _text(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    parts = content if isinstance(content, list) else [content]
    return " ".join(part for part in parts if isinstance(part, str))


def _stamps(user: Mapping[str, Any], reply: Mapping[str, Any], min_delay: float) -> dict[str, float]:
    """Return a turn's stamps on LiveKit's wall clock, from the metrics of both messages."""
    ended, sounded = seconds(user, "stopped_speaking_at"), seconds(reply, "started_speaking_at")
    e2e = seconds(reply, "e2e_latency")
    if isnan(ended):
        ended = 0.0 if isnan(sounded) else sounded - e2e
    if isnan(sounded):
        sounded = ended + e2e
    # LiveKit writes 0.0 where it does not know.
    decided, finished = (
        seconds(user, name, zero=False) for name in ("end_of_turn_delay", "transcription_delay")
    )
    made = sounded - _or_zero(seconds(reply, "playback_latency"))
    asked_for = made - seconds(reply, "tts_node_ttfb")
    first_token, first_sentence = (seconds(reply, f"llm_node_{name}") for name in ("ttft", "ttfs"))
    # What is not known of the reply is in the hand-over: so that ends where the known part of it begins.
    begins = (asked_for - first_sentence, asked_for - first_token, asked_for, made)
    begun = next((time for time in begins if not isnan(time)), nan)
    return {
        "speech_started": seconds(user, "started_speaking_at"),
        "speech_ended": ended,
        "end_of_turn": ended + policy_alone(decided, finished, min_delay),
        "asr_complete": ended + finished,
        "llm_started": begun,
        "llm_first_token": begun + first_token,
        "tts_started": asked_for,
        "tts_first_chunk": made,
        "handed_over": sounded,
        "playback_started": sounded,
        "playback_ended": seconds(reply, "stopped_speaking_at"),
    }


def policy_alone(decided: float, finished: float, min_delay: float) -> float:
    """Return when endpointing alone would have decided, in seconds since the end of speech.

    If the turn was decided as soon as the transcript was final, it waited for it: endpointing was ready
    after its minimum delay. Else the transcript was early, and endpointing decided when it did.
    """
    waited_for_it = decided - finished < TOGETHER
    return min(decided, min_delay) if waited_for_it and min_delay < decided else decided


def _or_zero(value: float) -> float:
    return 0.0 if isnan(value) else value
