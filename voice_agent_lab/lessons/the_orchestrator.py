"""Notebook 06, the orchestrator: who waits for whom, and what it would help if a stage took no time.

The turns here have a reply of three sentences of the same length, so that their times can be worked
out by hand.

Conventions
-----------
A stage *works* while it is busy with an item; waiting for input does not count.
"""

from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from math import isnan

import pandas as pd
from matplotlib.figure import Figure

from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.lessons.explorer import choice, explorer, slider
from voice_agent_lab.lessons.streaming_tts import UNITS
from voice_agent_lab.measure.critical_path import seconds_on_path
from voice_agent_lab.measure.latency import LatencyBudgets
from voice_agent_lab.measure.log import EventLog, record
from voice_agent_lab.measure.reply import gaps
from voice_agent_lab.measure.turn import Span, Turn
from voice_agent_lab.plots import turn_timeline
from voice_agent_lab.plots.drawing import axis_end
from voice_agent_lab.plots.reply import text_voice_playback
from voice_agent_lab.stages.distributions import StageLatencies
from voice_agent_lab.stages.endpointing import SilenceTimeout
from voice_agent_lab.stages.llm import StreamingLLM
from voice_agent_lab.stages.speech import CHARS_PER_SECOND
from voice_agent_lab.turns.agent import OVERLAPS, StreamingVoiceAgent

PROMPT = "What's the weather like?"

SENTENCES = (
    "The morning will be dry and quite warm.",
    "Some rain comes in from the west later.",
    "Tomorrow the sun comes back for us all.",
)
"""The reply: each sentence has 8 words and 39 characters, which sound for 2.6 s."""

SLOW_WRITER = StageLatencies(llm_token_generation=0.2)
"""The article's latencies, but for a language model that writes only five words a second."""


# One turn, run in three ways.


@lru_cache(maxsize=256)
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
    reply = " ".join(SENTENCES)
    agent = StreamingVoiceAgent(
        latencies=latencies,
        overlap=overlap,
        aggregation=aggregation,
        endpointing=_Perfect() if timeout is None else SilenceTimeout(timeout),
        llm=StreamingLLM(
            latencies.llm_first_token, latencies.llm_token_generation, replies={"weather": reply}
        ),
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


# What if a stage took no time?

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


# The explorers.

_TOOK = StageLatencies()
_PROMISED = {
    "asr_processing": "recognition of a frame",
    "asr_finalization": "finalisation",
    "llm_first_token": "first token",
    "llm_token_generation": "a later token",
    "tts_first_chunk": "first chunk",
    "tts_chunk_generation": "a later chunk",
    "time_to_first_audio": "time to first audio",
}  # what each promise is about
_TAKEN_AWAY = {
    "endpointing": "endpointing",
    "recognition": "asr_processing",
    "finalisation": "asr_finalization",
    "the LLM's first token": "llm_first_token",
    "the LLM's later tokens": "llm_token_generation",
    "the voice's first chunks": "tts_first_chunk",
    "the voice's later chunks": "tts_chunk_generation",
}  # each of `STAGES` in words
_AXIS_ENDS = (15, 25, 50)  # seconds: where the axes of the explorers end
_DEGREE = choice("who waits for whom", OVERLAPS, "concurrent")
_TOKEN = slider("language model: each later token (s)", 0.0, 0.5, 0.2, 0.01)


@explorer(
    degree=_DEGREE,
    unit=choice("text is handed over", list(UNITS), "by sentence"),
    timeout=slider("endpointing: silence timeout (s)", 0.0, 1.5, 0.5, 0.05),
    asr_processing=slider("recognition: each frame of 0.1 s (s)", 0.0, 0.2, _TOOK.asr_processing, 0.01),
    asr_finalization=slider(
        "recognition: finalisation (s)", 0.0, 1.0, _TOOK.asr_finalization, 0.05, folded=True
    ),
    llm_first_token=slider("language model: first token (s)", 0.0, 2.0, _TOOK.llm_first_token, 0.05),
    llm_token_generation=_TOKEN,
    tts_first_chunk=slider(
        "voice: first chunk of a piece (s)", 0.0, 1.0, _TOOK.tts_first_chunk, 0.05, folded=True
    ),
    tts_chunk_generation=slider(
        "voice: each later chunk (s)", 0.0, 0.2, _TOOK.tts_chunk_generation, 0.01, folded=True
    ),
    scale=slider("all promises, times the article's", 0.2, 3.0, 1.0, 0.1, folded=True),
)
def overlap(degree: str, unit: str, timeout: float, scale: float, **latencies: float) -> tuple[Figure, str]:
    """Show a turn under controls over its every latency, the promises, and who waits for whom."""
    turn = overlap_turn(degree, StageLatencies(**latencies), timeout=timeout, aggregation=UNITS[unit])
    articles = LatencyBudgets().promised
    budgets = LatencyBudgets(**{name: round(scale * seconds, 9) for name, seconds in articles.items()})
    verdicts = budgets.judge(turn.latencies).verdicts
    missed = [f"{_PROMISED[v.name]} by {v.over:.2f} s" for v in verdicts if v.status == "missed"]
    kept = sum(v.status == "met" for v in verdicts)
    m, silence = turn.metrics, gaps(turn)
    promises = f"all {kept} promises are kept" if not missed else f"missed: {', '.join(missed)}; {kept} kept"
    heard = f"{len(silence)} gaps of {sum(silence):.2f} s in all" if silence else "no gap"
    end = axis_end(m.playback_ended, _AXIS_ENDS)
    return turn_timeline(turn, budgets, end=end), (
        f"The user waits {m.voice_to_voice:.2f} s, hears {heard}, and has the whole answer "
        f"{m.playback_ended - m.speech_ended:.2f} s after the question. Promises: {promises}."
    )


@explorer(
    stage=choice("this takes no time", list(_TAKEN_AWAY), "the LLM's later tokens"),
    degree=_DEGREE,
    llm_token_generation=_TOKEN,
    tts_chunk_generation=slider("voice: each later chunk of 0.1 s (s)", 0.0, 0.2, 0.05, 0.01),
)
def without_a_stage(stage: str, degree: str, **latencies: float) -> tuple[Figure, str]:
    """Show a turn as it is, and without the time of one of its stages."""
    took, gone = StageLatencies(**latencies), _TAKEN_AWAY[stage]
    fewer, timeout = without(took, 0.5, gone)
    now, then = overlap_turn(degree, took), overlap_turn(degree, fewer, timeout=timeout)
    first = now.metrics.playback_started - then.metrics.playback_started
    last = now.metrics.playback_ended - then.metrics.playback_ended
    worked = 0.5 if stage == "endpointing" else sum(now.latencies[gone])
    on_path = seconds_on_path(now, "last sound", [STAGES[gone]])
    message = f"Without {stage}: first sound {first:.2f} s earlier, last {last:.2f} s"
    end = axis_end(now.metrics.playback_ended - now.metrics.speech_ended, _AXIS_ENDS)
    return text_voice_playback({"as it is": now, "without": then}, message=message, end=end), (
        f"{stage[0].upper()}{stage[1:]}: {worked:.2f} s of work, {on_path:.2f} s of it on the critical path to the "
        f"last sound. Without that the first sound comes {first:.2f} s earlier, and the last {last:.2f} s earlier."
    )
