"""The event log: what happened, when, in which stage.

A turn is a list of events ``(time, stage, name)``. Whatever takes part in it calls `record`, which
finds the log of the running turn in a context variable; so no component needs to be handed a log,
and outside a turn nothing is recorded. All that is said about a turn later is read off this log.

Conventions
-----------
Times are seconds since the turn began (the microphone opened, or in a conversation the turn's first
frame did), on the event loop's clock, rounded to the
nanosecond. The log is ordered by time; simultaneous events keep the order of their recording. An
item's ``took`` is the time its stage worked on it: waiting for input does not count. In a file, which is
JSON as RFC 8259 has it, a number that was not measured is ``null``.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from math import isfinite, nan
from operator import attrgetter
from typing import Any


class _Recorder:
    """Where `record` writes: one for a conversation, its log another one in each turn."""

    def __init__(self, log: "EventLog") -> None:
        self.log = log
        self.failure: BaseException | None = None  # the newest one


_recorder: ContextVar[_Recorder | None] = ContextVar("recorder", default=None)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened: when (seconds), in which stage, what, and its details."""

    time: float
    stage: str
    name: str
    detail: dict[str, Any] = field(default_factory=dict)


def to_the_nanosecond(seconds: float) -> float:
    """Return finite seconds rounded to the nanosecond, which is the resolution of the clock; never -0.0.

    It is ``round(seconds, 9)`` at a third of its cost, which is that of writing the digits out.
    """
    return round(seconds * 1e9) / 1e9


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
    recorder = _recorder.get()
    if recorder is not None:
        recorder.log.record(stage, name, at=at, **detail)


def record_failure(stage: str, error: BaseException) -> bool:
    """Write to the log that a stage failed, unless it has this very error already; return whether it had not."""
    recorder = _recorder.get()
    if recorder is None:
        return True
    if recorder.failure is error:
        return False
    recorder.failure = error
    record(stage, "failed", error=f"{type(error).__name__}: {error}")
    return True


def record_in(log: "EventLog") -> None:
    """Make all who record in this conversation go on in another log: a new turn begins."""
    recorder = _recorder.get()
    if recorder is None:
        raise RuntimeError("nobody records here; see EventLog.recording")
    recorder.log = log


_time = attrgetter("time")


class EventLog:
    """The events of one turn.

    Parameters
    ----------
    origin : float
        Time zero of this log on the agent's axis of time, in seconds.
    events : iterable of Event
        Events to begin with, their times since `origin`.
    offset : float
        What the agent's axis is ahead of the event loop's clock, in seconds.

    Examples
    --------
    >>> agent = StreamingVoiceAgent()
    >>> metrics = simulate(agent.process_turn("What time is it?"))
    >>> log = agent.turns[0].log
    >>> log.first("asr", "partial"), log.first("llm", "token")
    (0.5, 2.7)
    >>> EventLog.from_json(log.to_json()).first("llm", "token")
    2.7
    """

    def __init__(self, origin: float = 0.0, events: Iterable[Event] = (), offset: float = 0.0) -> None:
        self.origin, self.offset = origin, offset
        self._events: list[Event] = []
        self._kinds: defaultdict[tuple[str, str], list[Event]] = defaultdict(list)
        for event in events:
            self.add(event)

    def add(self, event: Event) -> None:
        """Add an event that happened at its time."""
        self._events.append(event)
        self._kinds[event.stage, event.name].append(event)

    def record(self, stage: str, name: str, *, at: float | None = None, **detail: object) -> None:
        """Add an event; see the function `record`."""
        now = asyncio.get_running_loop().time() if at is None else at
        time = to_the_nanosecond(now + self.offset - self.origin)
        self.add(Event(time, stage, name, detail))

    @contextmanager
    def recording(self) -> Iterator["EventLog"]:
        """Make this the log that `record` writes to, in this task and those it starts."""
        token = _recorder.set(_Recorder(self))
        try:
            yield self
        finally:
            _recorder.reset(token)

    def __iter__(self) -> Iterator[Event]:
        return iter(sorted(self._events, key=_time))

    def __len__(self) -> int:
        return len(self._events)

    def all(self, stage: str, name: str) -> list[Event]:
        """Return all events of one kind, in order of time."""
        return sorted(self._kinds.get((stage, name), ()), key=_time)

    def first(self, stage: str, name: str) -> float:
        """Return the time of the first event of one kind, ``nan`` if it never happened."""
        return min((e.time for e in self._kinds.get((stage, name), ())), default=nan)

    def last(self, stage: str, name: str) -> float:
        """Return the time of the last event of one kind, ``nan`` if it never happened."""
        return max((e.time for e in self._kinds.get((stage, name), ())), default=nan)

    def to_json(self) -> str:
        """Return the log as JSON, one event on each line; the same log gives the same bytes."""
        lines = (strict_json({**e.detail, "time": e.time, "stage": e.stage, "name": e.name}) for e in self)
        return f'{{"origin": {strict_json(self.origin)}, "events": [\n' + ",\n".join(lines) + "\n]}\n"

    @classmethod
    def from_json(cls, text: str) -> "EventLog":
        """Read back what `to_json` wrote; a detail that is ``null`` was not measured: ``nan``."""
        log = json.loads(text)
        rows: list[dict[str, Any]] = [
            {key: nan if value is None else value for key, value in row.items()} for row in log["events"]
        ]
        events = (Event(row.pop("time"), row.pop("stage"), row.pop("name"), row) for row in rows)
        return cls(log["origin"], tuple(events))


def strict_json(value: object, *, indent: int | None = None) -> str:
    """Return a value as JSON that every reader accepts (RFC 8259), to be written as UTF-8.

    Parameters
    ----------
    value : object
        A number that is not finite becomes ``null``, an array a list, half of a surrogate pair (as in a
        file name that is not UTF-8) its escape, and what JSON knows nothing of its text.
    indent : int, optional
        As for `json.dumps`.
    """
    text = json.dumps(_finite(value), ensure_ascii=False, allow_nan=False, default=str, indent=indent)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")  # Python's escape here is JSON's


def _finite(value: object) -> object:
    """Return a value with None for every number in it that is not finite."""
    if isinstance(value, dict):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set):
        return [_finite(inner) for inner in value]
    if hasattr(value, "tolist"):  # NumPy's arrays and scalars
        return _finite(value.tolist())
    return None if isinstance(value, float) and not isfinite(value) else value
