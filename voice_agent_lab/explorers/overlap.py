"""The explorers of notebook 06: who waits for whom, and what it would help if a stage took no time.

The turns here have a reply of three sentences of the same length, so that their times can be worked
out by hand.

Conventions
-----------
A stage *works* while it is busy with an item; waiting for input does not count. The *critical path*
is the chain of work that a moment waited for: each step begins when the one before it ends. Without
a stage that moment comes earlier by at most the stage's time on the path. (One exception: without
the silence of endpointing, recognition has fewer frames to do, which a slow recogniser gains too.)
"""

from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from functools import lru_cache
from itertools import groupby
from math import isnan

import pandas as pd
from matplotlib.figure import Figure

from voice_agent_lab.agent import OVERLAPS, StreamingVoiceAgent
from voice_agent_lab.distributions import StageLatencies
from voice_agent_lab.explorers.base import Explorer, choice, slider
from voice_agent_lab.explorers.voice import UNITS, gaps, text_voice_playback
from voice_agent_lab.latency import LatencyBudgets
from voice_agent_lab.llm import StreamingLLM
from voice_agent_lab.plots import STAGE_COLOURS, drawn_in_style, new_figure, turn_timeline
from voice_agent_lab.simulation import simulate
from voice_agent_lab.speech import CHARS_PER_SECOND
from voice_agent_lab.timeline import Event, EventLog, record
from voice_agent_lab.turn import Span, Turn
from voice_agent_lab.turn_taking import SilenceTimeout

PROMPT = "What's the weather like?"

SENTENCES = (
    "The morning will be dry and quite warm.",
    "Some rain comes in from the west later.",
    "Tomorrow the sun comes back for us all.",
)
"""The reply of notebook 06: each sentence has 8 words and 39 characters, which sound for 2.6 s."""

SLOW_WRITER = StageLatencies(llm_token_generation=0.2)
"""The article's latencies, but for a language model that writes only five words a second."""

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


def overlap_turn(
    overlap: str = "concurrent",
    latencies: StageLatencies = SLOW_WRITER,
    *,
    timeout: float | None = 0.5,
    aggregation: str | int = "sentence",
) -> Turn:
    """Run one turn whose reply is the three sentences of `SENTENCES`.

    Parameters
    ----------
    overlap : {"concurrent", "chained", "sequential"}
        Who waits for whom.
    latencies : StageLatencies
        What the stages take; numbers of seconds.
    timeout : float or None
        Seconds of silence after which the user has finished; None for a perfect judge, who needs none.
    aggregation : {"word", "clause", "sentence"} or int
        How much text the voice is given at a time.

    Returns
    -------
    Turn

    Raises
    ------
    ValueError
        If the timeout is so short that the user is cut off between two words.
    """
    return _cached(overlap, latencies, timeout, aggregation)


@lru_cache(maxsize=256)
def _cached(overlap: str, latencies: StageLatencies, timeout: float | None, aggregation: str | int) -> Turn:
    reply = " ".join(SENTENCES)
    llm = StreamingLLM(latencies.llm_first_token, latencies.llm_token_generation, replies={"weather": reply})
    agent = StreamingVoiceAgent(
        latencies=latencies,
        overlap=overlap,
        aggregation=aggregation,
        endpointing=_Perfect() if timeout is None else SilenceTimeout(timeout),
        llm=llm,
    )
    simulate(agent.process_turn(PROMPT))
    if isnan(agent.turns[0].metrics.speech_ended):
        raise ValueError(
            f"A silence timeout of {timeout:.2f} s cuts the user off between two words; use 0.15 s or more."
        )
    return agent.turns[0]


class _Perfect:
    """Endpointing that knows how long the question is, and so needs no silence to decide."""

    def __init__(self) -> None:
        self.reset()

    def finished(self, speech: bool, seconds: float) -> bool:
        self._heard = round(self._heard + seconds, 9)
        return self._heard >= len(PROMPT) / CHARS_PER_SECOND

    def reset(self) -> None:
        self._heard = 0.0


# Two workers and a chain.


@contextmanager
def works(who: str, on: str) -> Iterator[None]:
    """Record that somebody works on something for as long as the context lasts; see `watch`."""
    record(who, "begins", on=on)
    yield
    record(who, "ends", on=on)


def watch(coroutine: Coroutine) -> list[Span]:
    """Run a coroutine in virtual time and return who worked (see `works`) on what, and when, in seconds."""
    log = EventLog()

    async def watched() -> None:
        with log.recording():
            await coroutine

    simulate(watched())
    spans, begun = [], {}
    for event in log:
        key = (event.stage, event.detail["on"])
        if event.name == "begins":
            begun[key] = event.time
        else:
            spans.append(Span(*key, begun[key], event.time))
    return spans


@drawn_in_style
def side_by_side(runs: dict[str, list[Span]]) -> Figure:
    """Draw the workers of several runs over one time axis.

    Parameters
    ----------
    runs : dict of str to list of Span
        What `watch` returned, under a name for each run. The workers are "llm" and "tts".

    Returns
    -------
    Figure
    """
    figure, (axes,) = new_figure(0.65 + 0.75 * len(runs), left=2.2)
    end = max(span.end for spans in runs.values() for span in spans)
    axes.set(xlim=(0, 1.02 * end), ylim=(2.6 * len(runs) - 0.9, -0.6), yticks=[], xlabel="seconds")
    axes.spines.left.set_visible(False)
    look = {"textcoords": "offset points", "ha": "right", "va": "center", "size": 8, "annotation_clip": False}
    told = []
    for k, (name, spans) in enumerate(runs.items()):
        axes.annotate(name, (0, 2.6 * k + 0.5), (-40, 0), **look)
        for row, who in enumerate(("llm", "tts")):
            y = 2.6 * k + row
            axes.annotate(who.upper(), (0, y), (-8, 0), **look)
            for span in (span for span in spans if span.stage == who):
                axes.barh(
                    y,
                    span.end - span.start,
                    0.85,
                    left=span.start,
                    color=STAGE_COLOURS[who],
                    edgecolor="white",
                )
                ink = "white" if who == "llm" else "black"
                axes.text(
                    (span.start + span.end) / 2, y, span.name, color=ink, ha="center", va="center", size=8
                )
        told.append(f"{name}: {', '.join(f'{s.stage} {s.name} {s.start:g} to {s.end:g} s' for s in spans)}")
    figure.set_label(f"Who works when. {'; '.join(told)}.")
    return figure


# The critical path, and what it would help.


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
            _on_path(now, "first sound", names),
            now.metrics.playback_started - then.playback_started,
            _on_path(now, "last sound", names),
            now.metrics.playback_ended - then.playback_ended,
        )
    columns = ["works", "on path to first sound", "first sound earlier"]
    columns += ["on path to last sound", "last sound earlier"]
    return pd.DataFrame(rows.values(), index=list(rows), columns=columns).round(3) + 0.0


def _on_path(turn: Turn, until: str, names: list[str]) -> float:
    return sum(span.end - span.start for span in critical_path(turn, until) if span.name in names)


def overlap() -> Explorer:
    """Return controls over every latency of a turn, the promises, and who waits for whom."""
    took = StageLatencies()
    return Explorer(
        _draw,
        degree=choice("who waits for whom", OVERLAPS, "concurrent"),
        unit=choice("text is handed over", list(UNITS), "by sentence"),
        timeout=slider("endpointing: silence timeout (s)", 0.0, 1.5, 0.5, 0.05),
        asr_processing=slider("recognition: each frame of 0.1 s (s)", 0.0, 0.2, took.asr_processing, 0.01),
        asr_finalization=slider("recognition: finalisation (s)", 0.0, 1.0, took.asr_finalization, 0.05),
        llm_first_token=slider("language model: first token (s)", 0.0, 2.0, took.llm_first_token, 0.05),
        llm_token_generation=slider("language model: each later token (s)", 0.0, 0.5, 0.2, 0.01),
        tts_first_chunk=slider("voice: first chunk of a piece (s)", 0.0, 1.0, took.tts_first_chunk, 0.05),
        tts_chunk_generation=slider("voice: each later chunk (s)", 0.0, 0.2, took.tts_chunk_generation, 0.01),
        scale=slider("all promises, times the article's", 0.2, 3.0, 1.0, 0.1),
    )


def _draw(degree: str, unit: str, timeout: float, scale: float, **latencies: float) -> tuple[Figure, str]:
    turn = overlap_turn(degree, StageLatencies(**latencies), timeout=timeout, aggregation=UNITS[unit])
    article = LatencyBudgets()
    budgets = LatencyBudgets(**{f.name: round(scale * getattr(article, f.name), 9) for f in fields(article)})
    verdicts = budgets.judge(turn.latencies).verdicts
    missed = [f"{v.name} by {v.over:.2f} s" for v in verdicts if v.status == "missed"]
    kept = sum(v.status == "met" for v in verdicts)
    m, silence = turn.metrics, gaps(turn)
    promises = f"all {kept} promises are kept" if not missed else f"missed: {', '.join(missed)}; {kept} kept"
    heard = f"{len(silence)} gaps of {sum(silence):.2f} s in all" if silence else "no gap"
    return turn_timeline(turn, budgets), (
        f"The user waits {m.voice_to_voice:.2f} s, hears {heard}, and has the whole answer "
        f"{m.playback_ended - m.speech_ended:.2f} s after the question. Promises: {promises}."
    )


def what_if_explorer() -> Explorer:
    """Return controls over a turn and the one stage that takes no time in it."""
    return Explorer(
        _draw_without,
        stage=choice("this takes no time", list(STAGES), "llm_token_generation"),
        degree=choice("who waits for whom", OVERLAPS, "concurrent"),
        llm_token_generation=slider("language model: each later token (s)", 0.0, 0.5, 0.2, 0.01),
        tts_chunk_generation=slider("voice: each later chunk of 0.1 s (s)", 0.0, 0.2, 0.05, 0.01),
    )


def _draw_without(stage: str, degree: str, **latencies: float) -> tuple[Figure, str]:
    took = StageLatencies(**latencies)
    fewer, timeout = without(took, 0.5, stage)
    now, then = overlap_turn(degree, took), overlap_turn(degree, fewer, timeout=timeout)
    first = now.metrics.playback_started - then.metrics.playback_started
    last = now.metrics.playback_ended - then.metrics.playback_ended
    worked = 0.5 if stage == "endpointing" else sum(now.latencies[stage])
    on_path = _on_path(now, "last sound", [STAGES[stage]])
    return text_voice_playback({"as it is": now, "without": then}), (
        f"{stage} works for {worked:.2f} s, {on_path:.2f} s of it on the critical path to the last sound. "
        f"Without it the first sound comes {first:.2f} s earlier, and the last {last:.2f} s earlier."
    )
