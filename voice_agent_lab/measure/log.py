"""The event log: what happened, when, in which stage.

A turn is a list of events ``(time, stage, name)``. Whatever takes part in it calls `record`, which
finds the log of the running turn in a context variable; so no component needs to be handed a log,
and outside a turn nothing is recorded. All that is said about a turn later is read off this log.

Conventions
-----------
Times are seconds since the turn's microphone opened, on the event loop's clock, rounded to the
nanosecond. The log is ordered by time; simultaneous events keep the order of their recording. An
item's ``took`` is the time its stage worked on it: waiting for input does not count.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from math import nan
from operator import attrgetter


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
    _recorder.get().log = log


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
    """

    def __init__(self, origin: float = 0.0, events: Iterable[Event] = (), offset: float = 0.0) -> None:
        self.origin, self.offset = origin, offset
        self._events: list[Event] = []
        self._kinds: defaultdict[tuple[str, str], list[Event]] = defaultdict(list)
        for event in events:
            self._add(event)

    def _add(self, event: Event) -> None:
        self._events.append(event)
        self._kinds[event.stage, event.name].append(event)

    def record(self, stage: str, name: str, *, at: float | None = None, **detail: object) -> None:
        """Add an event; see the function `record`."""
        now = asyncio.get_running_loop().time() if at is None else at
        time = round(now + self.offset - self.origin, 9) + 0.0  # no -0.0, which JSON would keep
        self._add(Event(time, stage, name, detail))

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
        lines = (
            json.dumps({**e.detail, "time": e.time, "stage": e.stage, "name": e.name}, ensure_ascii=False)
            for e in self
        )
        return f'{{"origin": {json.dumps(self.origin)}, "events": [\n' + ",\n".join(lines) + "\n]}\n"

    @classmethod
    def from_json(cls, text: str) -> "EventLog":
        """Read back what `to_json` wrote."""
        log = json.loads(text)
        events = (Event(row.pop("time"), row.pop("stage"), row.pop("name"), row) for row in log["events"])
        return cls(log["origin"], tuple(events))
