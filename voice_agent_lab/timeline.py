"""The event log of a turn, and everything that is read off it.

A turn is a list of events ``(time, stage, name)``. Components write to the log; metrics, spans and
the parts of the wait are pure functions of it. Nothing is measured twice, and what is not in the
log was not measured.

Conventions
-----------
* Times are seconds since the turn's microphone opened, on the event loop's clock, rounded to the
  nanosecond. The log is ordered by time; simultaneous events keep the order of their recording.
* An item's ``took`` is the time its stage worked on it: waiting for input does not count.
* The parts of the wait are contiguous: each begins where the one before ends, the first at the true
  end of speech, the last ends at the first audible sample. So they sum to voice-to-voice exactly.
  Where stages overlap, a stage owns only what it adds after the stage before it.
"""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from math import inf, isnan, nan

import pandas as pd

from voice_agent_lab.latency import LatencyMetrics, _Shown, format_seconds, interval

_current_log: ContextVar["EventLog | None"] = ContextVar("event_log", default=None)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened: when (seconds), in which stage, what, and its details."""

    time: float
    stage: str
    name: str
    detail: dict = field(default_factory=dict)


def record(stage: str, name: str, *, at: float | None = None, **detail: object) -> None:
    """Write an event to the log of the turn that is running, if there is one.

    Parameters
    ----------
    stage, name : str
        Who, and what happened.
    at : float, optional
        When, in seconds on the event loop's clock; now, if not given.
    **detail
        What else is worth keeping; values that JSON can hold.
    """
    log = _current_log.get()
    if log is not None:
        log.record(stage, name, at=at, **detail)


class EventLog:
    """The events of one turn.

    Parameters
    ----------
    origin : float
        Time zero of this log on the event loop's clock, in seconds.
    events : iterable of Event
        Events to begin with, their times since `origin`.
    """

    def __init__(self, origin: float = 0.0, events: Iterator[Event] | tuple[Event, ...] = ()) -> None:
        self.origin = origin
        self._events = list(events)

    def record(self, stage: str, name: str, *, at: float | None = None, **detail: object) -> None:
        """Add an event; see the function `record`."""
        now = asyncio.get_running_loop().time() if at is None else at
        self._events.append(Event(round(now - self.origin, 9), stage, name, detail))

    @contextmanager
    def recording(self) -> Iterator["EventLog"]:
        """Make this the log that `record` writes to, in this task and those it starts."""
        token = _current_log.set(self)
        try:
            yield self
        finally:
            _current_log.reset(token)

    def __iter__(self) -> Iterator[Event]:
        return iter(sorted(self._events, key=lambda event: event.time))

    def __len__(self) -> int:
        return len(self._events)

    def all(self, stage: str, name: str) -> list[Event]:
        """Return all events of one kind, in order of time."""
        return [event for event in self if event.stage == stage and event.name == name]

    def first(self, stage: str, name: str) -> float:
        """Return the time of the first event of one kind, ``nan`` if it never happened."""
        return min((e.time for e in self._events if e.stage == stage and e.name == name), default=nan)

    def last(self, stage: str, name: str) -> float:
        """Return the time of the last event of one kind, ``nan`` if it never happened."""
        return max((e.time for e in self._events if e.stage == stage and e.name == name), default=nan)

    def to_json(self) -> str:
        """Return the log as JSON, one event on each line; the same log gives the same bytes."""
        lines = (
            json.dumps({"time": e.time, "stage": e.stage, "name": e.name, **e.detail}, ensure_ascii=False)
            for e in self
        )
        return "[\n" + ",\n".join(lines) + "\n]\n"

    @classmethod
    def from_json(cls, text: str) -> "EventLog":
        """Read back what `to_json` wrote."""
        rows = json.loads(text)
        return cls(
            events=tuple(Event(row.pop("time"), row.pop("stage"), row.pop("name"), row) for row in rows)
        )


@dataclass(frozen=True)
class Span:
    """A stretch of time in which a stage was busy with something, in seconds."""

    stage: str
    name: str
    start: float
    end: float


@dataclass(frozen=True)
class Part:
    """One contiguous part of the wait: what it is, who owns it, and when (seconds).

    `owner` is one of "service", "setting", "pipeline", "network" and "device": whom to ask for the
    milliseconds back.
    """

    name: str
    stage: str
    owner: str
    start: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it lasted, in seconds."""
        return interval(self.start, self.end, self.name)


# Each part of the wait: its name, its stage, its owner, and the event that ends it.
_PARTS = (
    ("input transport", "microphone", "network", ("microphone", "speech_delivered")),
    ("endpointing", "endpointing", "setting", ("endpointing", "end_of_turn")),
    ("recognition", "asr", "service", ("asr", "frame")),
    ("finalisation", "asr", "service", ("asr", "complete")),
    ("hand-over", "agent", "pipeline", ("llm", "started")),
    ("first token", "llm", "service", ("llm", "token")),
    ("text aggregation", "llm", "setting", ("tts", "piece")),
    ("first chunk", "tts", "service", ("tts", "chunk")),
    ("output transport", "playback", "network", ("playback", "chunk")),
    ("leading silence", "tts", "service", ("playback", "started")),
)


@dataclass
class Turn(_Shown):
    """One turn of a conversation, read off its event log.

    Parameters
    ----------
    log : EventLog
        What happened.
    """

    log: EventLog

    @property
    def transcript(self) -> str:
        """What the recogniser finally understood; empty if it did not come to that."""
        return next((e.detail["text"] for e in self.log.all("asr", "complete")), "")

    @property
    def partials(self) -> list[tuple[float, str]]:
        """Each partial transcript with its time in seconds."""
        return [(e.time, e.detail["text"]) for e in self.log.all("asr", "partial")]

    @property
    def reply(self) -> str:
        """What the language model generated."""
        return "".join(e.detail["text"] for e in self.log.all("llm", "token")).strip()

    @property
    def metrics(self) -> LatencyMetrics:
        """The stamps of this turn."""
        first, last = self.log.first, self.log.last
        return LatencyMetrics(
            audio_chunk_received=first("microphone", "frame"),
            asr_started=first("asr", "started"),
            asr_partial=first("asr", "partial"),
            asr_complete=first("asr", "complete"),
            llm_started=first("llm", "started"),
            llm_first_token=first("llm", "token"),
            llm_complete=first("llm", "complete"),
            tts_started=first("tts", "piece"),
            tts_first_chunk=first("tts", "chunk"),
            tts_complete=first("tts", "complete"),
            speech_ended=last("user", "speech_ended"),
            end_of_turn=first("endpointing", "end_of_turn"),
            playback_started=first("playback", "started"),
            playback_ended=first("playback", "ended"),
        )

    @property
    def latencies(self) -> dict[str, list[float]]:
        """For each budget's name the seconds that each of its items took; empty if not measured."""
        metrics, tokens, chunks = self.metrics, self.log.all("llm", "token"), self.log.all("tts", "chunk")
        once = {
            "asr_finalization": interval(
                self.log.last("asr", "frame"), metrics.asr_complete, "asr finalisation"
            ),
            "llm_first_token": metrics.time_to_first_token,
            "time_to_first_audio": metrics.get_time_to_first_audio(),
        }
        return {
            "asr_processing": [e.detail["took"] for e in self.log.all("asr", "frame")],
            "llm_token_generation": [e.detail["took"] for e in tokens[1:]],
            "tts_first_chunk": [e.detail["took"] for e in chunks if e.detail["first_of_piece"]],
            "tts_chunk_generation": [e.detail["took"] for e in chunks if not e.detail["first_of_piece"]],
            **{name: [] if isnan(seconds) else [seconds] for name, seconds in once.items()},
        }

    @property
    def underruns(self) -> list[Span]:
        """The silences inside the reply: playback had run dry because synthesis was late."""
        events = self.log.all("playback", "underrun")
        return [Span("playback", "underrun", interval(e.detail["seconds"], e.time), e.time) for e in events]

    @property
    def parts(self) -> tuple[Part, ...]:
        """The contiguous parts of voice-to-voice, in order; empty if it was not measured.

        An event that is missing from the log (a recogniser without endpointing, say) leaves its
        part to the next one. Parts of no length are left out.
        """
        start, end = self.metrics.speech_ended, self.metrics.playback_started
        if isnan(start) or isnan(end):
            return ()
        parts, reached = [], start
        for name, stage, owner, event in _PARTS:
            # Frames and pieces repeat: recognition ends with its last frame, all else with its first.
            time = self.log.last(*event) if event == ("asr", "frame") else self.log.first(*event)
            if time > reached:
                parts.append(Part(name, stage, owner, reached, min(time, end)))
                reached = min(time, end)
        return tuple(parts)

    @property
    def spans(self) -> list[Span]:
        """When each stage was busy, for a timeline: finished spans only."""
        m, log = self.metrics, self.log
        frames_done = log.last("asr", "frame")
        candidates = [
            Span("user", "speech", log.first("user", "speech_started"), m.speech_ended),
            Span("endpointing", "waiting for silence", m.speech_ended, m.end_of_turn),
            Span("asr", "recognition", m.audio_chunk_received, frames_done),
            Span("asr", "finalisation", frames_done, m.asr_complete),
            Span("llm", "first token", m.llm_started, m.llm_first_token),
            Span("llm", "tokens", m.llm_first_token, m.llm_complete),
            Span("tts", "first chunk", m.tts_started, m.tts_first_chunk),
            Span("tts", "chunks", m.tts_first_chunk, m.tts_complete),
        ]
        edges = [m.playback_started, *(t for u in self.underruns for t in (u.start, u.end)), m.playback_ended]
        candidates += [
            Span("playback", "speech", a, b) for a, b in list(pairwise(edges))[::2]
        ] + self.underruns
        return [span for span in candidates if span.end > span.start]

    @cached_property
    def user_input(self) -> str:
        """What the user was to say, as given to the agent."""
        return next((e.detail["text"] for e in self.log.all("user", "input")), "")

    def table(self) -> pd.DataFrame:
        """Return the parts of the wait with their owners; the last row is their sum, voice-to-voice."""
        rows = [(part.name, part.owner, format_seconds(part.seconds)) for part in self.parts]
        rows.append(("voice-to-voice", "", format_seconds(self.metrics.voice_to_voice)))
        return pd.DataFrame(rows, columns=["part", "owner", "seconds"]).set_index("part")


def turns_table(turns: list[Turn]) -> pd.DataFrame:
    """Return one row for each turn and one column for each metric and part, in seconds.

    What was not measured is ``nan``.
    """
    rows = []
    for turn in turns:
        metrics = turn.metrics
        rows.append(
            {
                "user": turn.user_input,
                "transcript": turn.transcript,
                "voice-to-voice": metrics.voice_to_voice,
                "time to first token": metrics.time_to_first_token,
                "time to first audio": metrics.get_time_to_first_audio(),
                "total latency": metrics.get_total_latency(),
                "underrun": round(sum(u.end - u.start for u in turn.underruns), 9)
                if metrics.playback_started < inf
                else nan,
                **{part.name: part.seconds for part in turn.parts},
            }
        )
    return pd.DataFrame(rows, index=pd.RangeIndex(1, len(rows) + 1, name="turn"))
