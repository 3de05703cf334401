"""The critical path of a turn, in notebook 06, and what it would help if a stage took no time.

Conventions
-----------
A stage *works* while it is busy with an item; waiting for input does not count. The *critical path*
is the chain of work that a moment waited for: each step begins when the one before it ends. Without
a stage that moment comes earlier by at most the stage's time on the path. (One exception: without
the silence of endpointing, recognition has fewer frames to do, which a slow recogniser gains too.)
"""

from dataclasses import replace
from itertools import groupby
from math import isnan

import pandas as pd
from matplotlib.figure import Figure

from voice_agent_lab.lessons.who_waits import SLOW_WRITER, overlap_turn
from voice_agent_lab.measure.log import Event
from voice_agent_lab.measure.turn import Span, Turn
from voice_agent_lab.plots import STAGE_COLOURS, drawn_in_style, new_figure
from voice_agent_lab.stages.distributions import StageLatencies

STAGES = {
    "endpointing": "endpointing",
    "asr_processing": "recognition",
    "asr_finalization": "finalisation",
    "llm_first_token": "first token",
    "llm_token_generation": "tokens",
    "tts_first_chunk": "first chunk",
    "tts_chunk_generation": "chunks",
}
"""What can be taken away in `what_if`, and what it is called on the critical path."""


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
    sounds, chunks = turn.log.all("playback", "chunk"), turn.log.all("tts", "chunk")
    tokens, m = turn.log.all("llm", "token"), turn.metrics
    if not sounds or isnan(m.speech_ended) or isnan(m.playback_ended):
        return []
    steps: list[Span] = []  # the last one first

    def step(stage: str, name: str, start: float, end: float) -> None:
        if end > start and steps and (steps[-1].stage, steps[-1].name) == (stage, name):
            end = steps.pop().end
        if end > start:
            steps.append(Span(stage, name, start, end))

    k = len(sounds) - 1 if until == "last sound" else 0
    if until == "last sound":
        while k and _same(sounds[k - 1].time + sounds[k - 1].detail["seconds"], sounds[k].time):
            k -= 1
        step("playback", "speech", sounds[k].time, m.playback_ended)
    else:
        step("playback", "leading silence", sounds[0].time, m.playback_started)
    step("playback", "output transport", chunks[k].time, sounds[k].time)
    k, j = k + 1, len(tokens)  # what has not been looked at yet: chunks before k, tokens before j
    item = chunks[k - 1]
    while item:
        start = round(item.time - item.detail["took"], 9)
        if item.stage == "tts":
            k -= 1
            step("tts", "first chunk" if item.detail["first_of_piece"] else "chunks", start, item.time)
            busy = k > 0 and _same(chunks[k - 1].time, start)
            item = chunks[k - 1] if busy else _ending(tokens[:j], start)
        else:
            j = tokens.index(item)
            step("llm", "tokens" if j else "first token", start, item.time)
            busy = j > 0 and _same(tokens[j - 1].time, start)
            item = tokens[j - 1] if busy else (_ending(chunks[:k], start) if j else None)
            k = chunks.index(item) + 1 if item and item.stage == "tts" else k
    heard = [Span(p.stage, p.name, p.start, p.end) for p in turn.parts if p.end <= m.llm_started]
    return heard + steps[::-1]


def _ending(items: list[Event], at: float) -> Event | None:
    """Return the last of the items that was finished at this moment, if there is one."""
    return next((item for item in reversed(items) if _same(item.time, at)), None)


def _same(a: float, b: float) -> bool:
    return abs(a - b) < 1e-6


@drawn_in_style
def paths(turns: dict[str, Turn]) -> Figure:
    """Draw the critical path of each turn up to its last sound.

    Parameters
    ----------
    turns : dict of str to Turn
        The turns under their names.

    Returns
    -------
    Figure
    """
    figure, (axes,) = new_figure(0.6 + 0.68 * len(turns), left=1.3, top=0.1)
    found = {name: critical_path(turn) for name, turn in turns.items()}
    zero = {name: turn.metrics.speech_ended for name, turn in turns.items()}
    end = max(spans[-1].end - zero[name] for name, spans in found.items())
    axes.set(xlim=(0, 1.01 * end), ylim=(len(turns) - 0.55, -0.75), yticks=[])
    axes.set(xlabel="seconds after the end of speech")
    axes.spines.left.set_visible(False)
    place = {"textcoords": "offset points", "va": "center", "ha": "right", "size": 9}
    look = {"va": "center_baseline", "size": 8}
    character = 5.6 * end / 650  # seconds; the axes are 650 pixels wide
    told = []
    for y, (name, spans) in enumerate(found.items()):
        axes.annotate(name, (0, y), (-8, 0), annotation_clip=False, **place)
        reached = 0.0
        for stage, group in groupby(spans, key=lambda span: span.stage):
            steps = list(group)
            start, length = steps[0].start - zero[name], steps[-1].end - steps[0].start
            axes.barh(y, length, 0.55, left=start, color=STAGE_COLOURS[stage], edgecolor="white")
            text, ink = f"{_WHO[stage]} {length:.2f}", "white" if stage == "llm" else "black"
            if length > character * len(text):
                axes.text(start + length / 2, y, text, color=ink, ha="center", **look)
            else:
                axes.text(max(start, reached), y - 0.42, _WHO[stage], **look)
                reached = max(start, reached) + character * (len(_WHO[stage]) + 1)
        told.append(f"{name}: {', '.join(f'{s.name} {s.end - s.start:.2f} s' for s in spans)}")
    figure.set_label(f"Critical paths up to the last sound. {'; '.join(told)}.")
    return figure


_WHO = {"endpointing": "silence", "asr": "ASR", "llm": "LLM", "tts": "voice", "playback": "speech"}


def without(
    latencies: StageLatencies, timeout: float | None, *stages: str
) -> tuple[StageLatencies, float | None]:
    """Return latencies and a silence timeout (see `overlap_turn`) in which some of `STAGES` take no time."""
    unknown = [stage for stage in stages if stage not in STAGES]
    if unknown:
        raise ValueError(f"there is no stage {unknown[0]!r}; there are {', '.join(STAGES)}")
    gone = dict.fromkeys((stage for stage in stages if stage != "endpointing"), 0.0)
    return replace(latencies, **gone), None if "endpointing" in stages else timeout


def what_if(
    latencies: StageLatencies = SLOW_WRITER,
    *,
    overlap: str = "concurrent",
    timeout: float = 0.5,
    aggregation: str | int = "sentence",
) -> pd.DataFrame:
    """Return what each stage does in a turn, and what it would help if it took no time.

    Parameters
    ----------
    latencies : StageLatencies
        What the stages take; numbers of seconds.
    overlap, timeout, aggregation
        As for `overlap_turn`.

    Returns
    -------
    pandas.DataFrame
        In seconds, a row for each of `STAGES`: how long it works, how much of that is on the critical
        path to the first and to the last sound, and how much earlier each would come. The last row
        takes the time of all stages away at once.
    """

    def run(*stages: str) -> Turn:
        fewer, silence = without(latencies, timeout, *stages)
        return overlap_turn(overlap, fewer, timeout=silence, aggregation=aggregation)

    now = run()
    worked = {name: sum(seconds) for name, seconds in now.latencies.items()}
    worked["endpointing"] = now.metrics.end_of_turn - now.metrics.speech_ended
    rows = {}
    for stages in (*((stage,) for stage in STAGES), tuple(STAGES)):
        then, names = run(*stages).metrics, [STAGES[stage] for stage in stages]
        rows[stages[0] if len(stages) == 1 else "all at once"] = (
            sum(worked[stage] for stage in stages),
            seconds_on_path(now, "first sound", names),
            now.metrics.playback_started - then.playback_started,
            seconds_on_path(now, "last sound", names),
            now.metrics.playback_ended - then.playback_ended,
        )
    columns = ["works", "on path to first sound", "first sound earlier"]
    columns += ["on path to last sound", "last sound earlier"]
    return pd.DataFrame(rows.values(), index=list(rows), columns=columns).round(3) + 0.0


def seconds_on_path(turn: Turn, until: str, names: list[str]) -> float:
    """Return the seconds of the steps with these names on the critical path; see `critical_path`."""
    return sum(span.end - span.start for span in critical_path(turn, until) if span.name in names)
