"""Turns from Pipecat: its user-to-bot latency breakdowns, and the log of its metrics.

A breakdown is what `UserBotLatencyObserver` gives for each turn, written as JSON (``breakdown.model_dump_json()``),
one on a line. Its contributions (of Pipecat 1.11) are contiguous. Older breakdowns have only times to first byte,
which are placed by their ``start_time``. The log of `MetricsLogObserver` has these and no end of the wait.

The names are those of Pipecat 1.14.0, ``observers/user_bot_latency_observer.py`` and
``observers/loggers/metrics_log_observer.py``.
"""

import re
from collections.abc import Mapping
from math import nan
from typing import Any

from voice_agent_lab.measure.turns import Source, Turns
from voice_agent_lab.traces.documents import Rows, Trace, objects, seconds
from voice_agent_lab.traces.placing import TOGETHER
from voice_agent_lab.traces.trouble import TraceError

OUTSIDE = {
    "input transport": "its end of speech is voice activity's stop less stop_secs: the way to the agent is before it",
    "output transport": "the bot has started to speak when its first chunk is about to be written: the chunk, the "
    "transport's buffers, network, jitter buffer and loudspeaker come after",
    "leading silence": "a silent first frame counts as speech",
}
_CLOCK = "time.time(), a wall clock, read when a queue of observers comes to a frame"

BREAKDOWN = Source(
    "Pipecat: user-to-bot latency breakdowns",
    (
        "endpointing",
        "finalisation",
        "hand-over",
        "first token",
        "text aggregation",
        "first chunk",
        "output transport",
    ),
    {
        **OUTSIDE,
        "function calls": "they are in the first token: the language model is done when the answer begins",
        "text aggregation": "only the first sentence's, and not if tokens are spoken as they come",
    },
    _CLOCK,
    "nothing in contributions, which are contiguous. Its time to first byte of recognition runs beside endpointing: "
    "whichever ended last owns the wait",
)

LOG = Source(
    "Pipecat: log of metrics",
    ("first token", "text aggregation", "first chunk"),
    {
        "voice-to-voice": "the log does not say when the bot started to speak; log the observer's breakdown for that",
        "endpointing": "nor when the turn was decided",
        **OUTSIDE,
    },
    "the pipeline's, to the millisecond; values are differences of time.time()",
    "nothing: the values are placed by the time at which they were logged",
)

# A service's default name is that of its class; one that was renamed must still say what it is.
_KINDS = {
    "stt": re.compile("stt", re.IGNORECASE),
    "llm": re.compile("llm", re.IGNORECASE),
    "tts": re.compile("tts", re.I),
}
_LOGGED = re.compile(
    r"\[(?P<processor>[^\]]+)\] (?P<what>TTFB|METRICS|TEXT AGGREGATION[^:(]*)(?: \([^)]*\))?: "
    r"(?:processor=.*value=)?(?P<value>-?[\d.e+-]+)s? at (?P<at>[\d.]+)s"
)


def recognises(trace: Trace) -> bool:
    """Return whether a trace holds breakdowns."""
    return any(_is_breakdown(document.value) for document in trace.documents)


def recognises_log(trace: Trace) -> bool:
    """Return whether a text holds Pipecat's metrics."""
    return any(match["what"] == "TTFB" for match in _LOGGED.finditer(trace.text))


def _is_breakdown(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and "ttfb" in value
        and ("contributions" in value or "user_turn_secs" in value)
    )


def read(trace: Trace) -> Turns:
    """Return the turns of breakdowns; greetings, which answer nobody, are no turns."""
    rows = Rows(trace, BREAKDOWN)
    documents = [
        (document.line, value)
        for document in trace.documents
        for value in (document.value if isinstance(document.value, list) else [document.value])
    ]
    for line, value in documents:
        if not _is_breakdown(value):
            rows.leave_out(line, "no breakdown of Pipecat's: it has no ttfb")
        elif value.get("measured_from") != "client_connected":
            try:
                rows.add(
                    line, _from_contributions(value) if value.get("contributions") else _from_bytes(value)
                )
            except (TraceError, KeyError, TypeError) as error:
                rows.leave_out(
                    line, f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else error
                )
    return rows.turns()


def _from_contributions(value: Mapping[str, Any]) -> dict[str, float]:
    """Return the stamps of a breakdown with contributions."""
    began: dict[str, float] = {}
    ended: dict[str, float] = {}
    for part in objects(value, "contributions"):
        start = seconds(part, "start_time")
        began.setdefault(str(part["key"]), start)
        ended[str(part["key"])] = start + seconds(part, "duration_secs")
    silence = seconds(value, "user_turn_start_time")
    transcript, released = ended.get("transcription", nan), silence + seconds(value, "user_turn_secs")
    waited_for_it = released - transcript < TOGETHER
    sentence = began.get("speech_synthesis", nan)
    return {
        "speech_ended": silence,
        "end_of_turn": ended.get("endpointing_wait", released) if waited_for_it else released,
        "asr_complete": transcript,
        "llm_started": began.get("llm_inference", nan),
        "llm_first_token": ended.get("llm_inference", nan),
        "tts_started": sentence,
        "tts_first_chunk": ended.get("speech_synthesis", nan),
        "playback_started": silence + seconds(value, "total_secs"),
    }


def _from_bytes(value: Mapping[str, Any]) -> dict[str, float]:
    """Return the stamps of a breakdown without contributions: it does not say when the bot spoke."""
    silence = seconds(value, "user_turn_start_time")
    stamps = {"speech_ended": silence, "end_of_turn": silence + seconds(value, "user_turn_secs")}
    for each in objects(value, "ttfb"):
        start = seconds(each, "start_time")
        _put(stamps, _kind(str(each["processor"])), start, start + seconds(each, "duration_secs", zero=False))
    return stamps


def _kind(processor: str) -> str:
    for kind, pattern in _KINDS.items():
        if pattern.search(processor):
            return kind
    raise TraceError(
        f"the processor {processor!r} does not say what it is; let its name hold STT, LLM or TTS"
    )


def _put(stamps: dict[str, float], kind: str, start: float, end: float) -> None:
    """Add a time to first byte to a turn's stamps; the first of each kind counts."""
    if kind == "stt":
        stamps.setdefault("speech_ended", start)
        stamps.setdefault("asr_complete", end)
    elif kind == "llm":
        stamps.setdefault("llm_started", start)
        stamps.setdefault("llm_first_token", end)
    else:
        stamps.setdefault("tts_started", start)
        stamps.setdefault("tts_first_chunk", end)


def read_log(trace: Trace) -> Turns:
    """Return the turns of a log of metrics; each begins with the time to first byte of recognition."""
    rows = Rows(trace, LOG)
    stamps: dict[str, float] = {}
    began = 1
    for line, text in enumerate(trace.text.splitlines(), start=1):
        match = _LOGGED.search(text)
        if match is None or match["what"] != "TTFB":
            continue
        try:
            took, at, kind = float(match["value"]), float(match["at"]), _kind(match["processor"])
        except ValueError as error:
            rows.leave_out(line, error)
            continue
        if took < 0:
            rows.leave_out(line, f"TTFB is {took}; it must be a finite number of seconds, 0 or more")
        if took <= 0:  # 0.0 is what Pipecat logs when it starts
            continue
        if kind == "stt" and stamps:
            rows.add(began, stamps)
            stamps = {}
        began = began if stamps else line
        _put(stamps, kind, at - took, at)
    rows.add(began, stamps)
    return rows.turns()
