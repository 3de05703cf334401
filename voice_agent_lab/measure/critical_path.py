"""The critical path of a turn: the chain of work that a moment waited for, read off the turn's log.

Conventions
-----------
A stage *works* while it is busy with an item; waiting for input does not count. On the critical path
each step begins when the one before it ends. Without a stage the moment comes earlier by at most the
stage's time on the path. (One exception: without the silence of endpointing, recognition has fewer
frames to do, which a slow recogniser gains too.)
"""

from collections.abc import Sequence
from dataclasses import replace
from math import isnan

from voice_agent_lab.measure.log import Event
from voice_agent_lab.measure.turn import Span, Turn


def critical_path(turn: Turn, until: str = "last sound") -> list[Span]:
    """Return what the user waited for, step by step, from the end of speech on.

    The log is read backwards: a chunk of sound begins when the one before it ends or when it was
    made; it was made by the voice, which had to finish the chunk before it or to be given text; that
    text was complete with a token, for which the language model had to finish the one before or to
    be asked.

    Parameters
    ----------
    turn : Turn
        A finished turn of `StreamingVoiceAgent`.
    until : {"last sound", "first sound"}
        Where the path ends.

    Returns
    -------
    list of Span
        Contiguous, in order of time; neighbours of the same name are one. Empty if the turn has no
        such sound.
    """
    if until not in ("last sound", "first sound"):
        raise ValueError(f"until is {until!r}; use 'last sound' or 'first sound'")
    m = turn.metrics
    if isnan(m.speech_ended) or isnan(m.playback_started) or isnan(m.playback_ended):
        return []
    sure = max(m.llm_started, m.asr_complete)  # what an eager answer did before, nobody waited for
    before = [Span(p.stage, p.name, p.start, p.end) for p in turn.parts if p.end <= sure]
    waited_for, backwards = _played(turn, until)
    answer = [*backwards, *_made(turn, waited_for)][::-1]
    return before + _joined([replace(step, start=max(step.start, sure)) for step in answer])


def seconds_on_path(turn: Turn, until: str, names: Sequence[str]) -> float:
    """Return the seconds of the steps with these names on the critical path; see `critical_path`."""
    return sum(span.end - span.start for span in critical_path(turn, until) if span.name in names)


def _played(turn: Turn, until: str) -> tuple[int, list[Span]]:
    """Return which chunk of sound the moment waited for, and the steps of its playback, the last first."""
    log, m, k = turn.counted, turn.metrics, 0
    sounds, chunks = log.all("playback", "chunk"), log.all("tts", "chunk")
    if until == "last sound":
        k = len(sounds) - 1
        while k and _same(sounds[k - 1].time + sounds[k - 1].detail["seconds"], sounds[k].time):
            k -= 1
        heard = Span("playback", "speech", sounds[k].time, m.playback_ended)
    else:
        heard = Span("playback", "leading silence", sounds[0].time, m.playback_started)
    return k, [heard, Span("playback", "output transport", chunks[k].time, sounds[k].time)]


def _made(turn: Turn, chunk: int) -> list[Span]:
    """Return the work that the making of a chunk waited for, back to the language model; the last first."""
    chunks, tokens = turn.counted.all("tts", "chunk"), turn.counted.all("llm", "token")
    k, j = chunk + 1, len(tokens)  # what has not been looked at yet: chunks before k, tokens before j
    steps: list[Span] = []
    item: Event | None = chunks[chunk]
    while item:
        start = round(item.time - item.detail["took"], 9)
        if item.stage == "tts":
            k -= 1
            steps.append(
                Span("tts", "first chunk" if item.detail["first_of_piece"] else "chunks", start, item.time)
            )
            busy = k > 0 and _same(chunks[k - 1].time, start)
            item = chunks[k - 1] if busy else _ending(tokens[:j], start)
            if item is None:  # text that the agent says of its own while a tool works
                steps += _called(turn, start)
        else:
            j = tokens.index(item)
            steps.append(Span("llm", "tokens" if j else "first token", start, item.time))
            if tools := _used(turn, start):
                steps += tools
                start = tools[-1].start
            busy = j > 0 and _same(tokens[j - 1].time, start)
            item = tokens[j - 1] if busy else (_ending(chunks[:k], start) if j else None)
            k = chunks.index(item) + 1 if item and item.stage == "tts" else k
    return steps


def _used(turn: Turn, end: float) -> list[Span]:
    """Return the tool that had done its work at a moment, and the model's call before it, the last first."""
    tool = next((s for s in turn.spans if s.stage == "tool" and _same(s.end, end)), None)
    return [Span("tool", "tool", tool.start, tool.end), *_called(turn, tool.start)] if tool else []


def _called(turn: Turn, at: float) -> list[Span]:
    """Return the language model's work on a call that came at a moment, and what that waited for; the last first."""
    call = next((s for s in turn.spans if s.name == "tool call" and _same(s.end, at)), None)
    return [call, *_used(turn, call.start)] if call else []


def _joined(steps: Sequence[Span]) -> list[Span]:
    """Make one of neighbours of the same name, and leave out what took no time."""
    joined: list[Span] = []
    for step in steps:
        if step.end > step.start:
            start = step.start
            if joined and (joined[-1].stage, joined[-1].name) == (step.stage, step.name):
                start = joined.pop().start
            joined.append(Span(step.stage, step.name, start, step.end))
    return joined


def _ending(items: Sequence[Event], at: float) -> Event | None:
    """Return the last of the items that was finished at this moment, if there is one."""
    return next((item for item in reversed(items) if _same(item.time, at)), None)


def _same(a: float, b: float) -> bool:
    return abs(a - b) < 1e-6
