"""A turn as a trace that Perfetto (ui.perfetto.dev) or Chrome's own tracing page can open.

Each turn becomes a process and each stage a thread: spans are bars, other events are ticks. The
format is the JSON of Chrome's Trace Event format, whose times are microseconds.
"""

from collections.abc import Sequence

from voice_agent_lab.measure.events import STAGES
from voice_agent_lab.measure.log import strict_json
from voice_agent_lab.measure.turn import Turn


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
    return strict_json({"displayTimeUnit": "ms", "traceEvents": events}, indent=0) + "\n"


def _place(turn: int, threads: dict[str, int], stage: str, seconds: float) -> dict[str, object]:
    return {"pid": turn, "tid": threads[stage], "ts": round(seconds * 1e6, 3), "cat": stage}


def _named(what: str, turn: int, thread: int, name: str) -> dict[str, object]:
    return {"ph": "M", "name": what, "pid": turn, "tid": thread, "args": {"name": name}}
