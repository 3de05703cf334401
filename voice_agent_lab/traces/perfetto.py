"""A turn as a trace that Perfetto (ui.perfetto.dev) or Chrome's own tracing page can open.

Each turn becomes a process and each stage a thread: spans are bars, other events are ticks. The
format is the JSON of Chrome's Trace Event format, whose times are microseconds. Every event of the log is a tick
with its details, so that the turns can be read back.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from voice_agent_lab.measure.events import STAGES
from voice_agent_lab.measure.log import Event, EventLog, strict_json
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.measure.turns import Problem, Turns
from voice_agent_lab.traces.documents import Trace
from voice_agent_lab.traces.trouble import TraceError


def chrome_trace(turns: Sequence[Turn]) -> str:
    """Return the turns as a JSON trace, on one time axis that begins with the first turn."""
    events: list[dict[str, object]] = []
    own = {event.stage: None for turn in turns for event in turn.log if event.stage not in STAGES}
    threads = {stage: k for k, stage in enumerate((*STAGES, *own))}
    for number, turn in enumerate(turns, start=1):
        offset = turn.log.origin - turns[0].log.origin
        events.append(
            _named("process_name", number, 0, f"turn {number}: {turn.user_input or turn.transcript}")
        )
        events += [_named("thread_name", number, k, stage) for stage, k in threads.items()]
        for span in turn.spans:
            place = _place(number, threads, span.stage, offset + span.start)
            microseconds = round((span.end - span.start) * 1e6, 3)
            events.append({"ph": "X", "name": span.name, "dur": microseconds, **place})
        for event in turn.log:
            place = _place(number, threads, event.stage, offset + event.time)
            events.append({"ph": "i", "s": "t", "name": event.name, "args": event.detail, **place})
    origins = {"origins": [turn.log.origin for turn in turns]}  # where each turn's time begins
    return (
        strict_json({"displayTimeUnit": "ms", "otherData": origins, "traceEvents": events}, indent=0) + "\n"
    )


def recognises(trace: Trace) -> bool:
    """Return whether a trace is one of Chrome's."""
    return any(isinstance(each.value, Mapping) and "traceEvents" in each.value for each in trace.documents)


def read(trace: Trace) -> Turns:
    """Return the turns of a trace that `chrome_trace` has written.

    Raises
    ------
    TraceError
        If somebody else has written it.
    """
    value = trace.documents[0].value
    origins = value.get("otherData", {}).get("origins")
    if not origins:
        raise TraceError(
            f"{trace.path} is a trace of Chrome's format, but none that chrome_trace has written"
        )
    logs = [EventLog(origin) for origin in origins]
    for tick in value["traceEvents"]:
        if tick.get("ph") == "i":
            try:
                _add(logs, origins, tick)
            except (KeyError, IndexError, TypeError) as error:
                line = trace.line_of(tick.get("name"), 1)
                trace.problems.append(Problem(trace.place(line), f"no event of a turn: {error}"))
    return Turns.of([Turn(log) for log in logs], problems=trace.problems)


def _add(logs: Sequence[EventLog], origins: Sequence[float], tick: Mapping[str, Any]) -> None:
    """Add a tick to its turn's log."""
    number = int(tick["pid"]) - 1
    time = round(tick["ts"] / 1e6 - (origins[number] - origins[0]), 9)
    logs[number].add(Event(time, tick["cat"], tick["name"], dict(tick.get("args") or {})))


def _place(turn: int, threads: dict[str, int], stage: str, seconds: float) -> dict[str, object]:
    return {"pid": turn, "tid": threads[stage], "ts": round(seconds * 1e6, 3), "cat": stage}


def _named(what: str, turn: int, thread: int, name: str) -> dict[str, object]:
    return {"ph": "M", "name": what, "pid": turn, "tid": thread, "args": {"name": name}}
