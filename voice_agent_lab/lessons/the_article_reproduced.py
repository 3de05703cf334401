"""Notebook 07: what the article published beside what its program does, and its faults mended one by one.

The published numbers are those of `published.article`. The picture itself is not here: it is redrawn
from its numbers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd
from matplotlib.figure import Figure

from voice_agent_lab.as_published import (
    DEMO_BUDGETS,
    PROMPTS,
    REPLIES,
    Fault,
    PublishedReport,
    PublishedVoiceAgent,
)
from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.lessons.explorer import choice, explorer, slider, switch
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.plots import length, turn_timeline
from voice_agent_lab.plots.article import mends
from voice_agent_lab.published import article


def published_turn(
    prompt: str, *mended: Fault, replies: Mapping[str, str] = REPLIES
) -> tuple[PublishedVoiceAgent, Turn]:
    """Run one turn of the article's agent in virtual time.

    Parameters
    ----------
    prompt : str
        What the user says.
    *mended : Fault
        The faults that the agent shall not have.
    replies : mapping of str to str
        What its language model can say; empty for the default reply only, as in the published output.

    Returns
    -------
    tuple of PublishedVoiceAgent and Turn
        The agent after the turn, and the turn.
    """
    agent = PublishedVoiceAgent(mended=mended, replies=dict(replies))
    simulate(agent.process_turn(prompt))
    return agent, agent.turns[0]


# The published output, and ours.


def output_beside_ours() -> pd.DataFrame:
    """Return the published text output beside that of our run, as text, a row for each number.

    Our run uses the default reply, as theirs did, and loses the stamp ``asr_complete``, as theirs did.
    """
    columns = {}
    for number, (prompt, theirs) in enumerate(zip(PROMPTS, article.OUTPUT, strict=True), start=1):
        _, turn = published_turn(prompt, replies={})
        columns[f"turn {number}: published"] = _output_rows(theirs)
        columns[f"turn {number}: ours"] = _output_rows(output_of(turn))
    return pd.DataFrame(columns)


def output_of(turn: Turn) -> article.Output:
    """Return the numbers of the published text output for a turn of ours, with ``asr_complete`` lost."""
    metrics, log = turn.metrics, turn.log
    report = PublishedReport.of(metrics, lost={"asr_complete"})
    return article.Output(
        speech=metrics.speech_ended,
        frames=len(log.all("asr", "frame")),
        partials=len(turn.partials),
        first_token=metrics.time_to_first_token,
        llm_total=round(metrics.llm_complete - metrics.llm_started, 9),
        tokens=len(log.all("llm", "token")),
        tts_total=round(metrics.tts_complete - metrics.tts_started, 9),
        chunks=len(log.all("tts", "chunk")),
        asr=report.asr,
        time_to_first_audio=report.time_to_first_audio,
        total=metrics.get_total_latency(),
    )


def _output_rows(output: article.Output) -> dict[str, str]:
    return {
        "speech": f"{output.speech:.1f} s",
        "frames of speech": str(output.frames),
        "partials": str(output.partials),
        "time to first token": f"{output.first_token:.3f} s",
        "tokens": str(output.tokens),
        "LLM": f"{output.llm_total:.3f} s",
        "audio chunks": str(output.chunks),
        "TTS": f"{output.tts_total:.3f} s",
        "ASR": f"{output.asr:.3f} s",
        "TTFA": f"{output.time_to_first_audio:.3f} s",
        "total": f"{output.total:.3f} s",
    }


# The faults, mended one by one.

MENDS = {
    Fault.PULLED_AUDIO: "the microphone does not wait",
    Fault.NO_SILENCE: "silence is streamed and ends the turn",
    Fault.UNUSED_FINALIZATION: "finalisation takes its time",
    Fault.WHOLE_REPLY_FIRST: "the voice starts before the reply is whole",
    Fault.DROPPED_TAIL: "the last words are spoken",
    Fault.TRUNCATED_SPEECH: "the last part of a frame is kept",
    Fault.SUBSTRING_MATCH: "replies match whole words",
    Fault.UNITS_DRIFT: "a budget is no speaking rate",
    Fault.FROZEN_STATE: "the state changes",
    Fault.HIDDEN_WAIT: "the wait counts from the end of speech",
    Fault.ZERO_STAMPS: "not measured is not zero",
}
"""For each fault, in the order of the enumeration, what mending it does."""


@dataclass(frozen=True)
class Step:
    """The article's agent after one more mend, and one turn of it.

    `reported` is the time to first audio that it reports, `printed` the same if ``asr_complete`` is
    lost on the way, as it was for the published figure; both in seconds.
    """

    name: str
    turn: Turn
    reported: float
    printed: float


def mended_one_by_one(prompt: str) -> tuple[Step, ...]:
    """Return the article's agent as published, then after each mend in the order of `Fault`.

    Parameters
    ----------
    prompt : str
        What the user says.
    """
    steps, mended = [], []
    for fault in (None, *Fault):
        mended += [fault] if fault else []
        agent, turn = published_turn(prompt, *mended)
        steps.append(
            Step(
                MENDS[fault] if fault else "as published",
                turn,
                agent.reported_time_to_first_audio(turn),
                agent.reported_time_to_first_audio(turn, lost={"asr_complete"}),
            )
        )
    return tuple(steps)


def mends_table(prompts: Sequence[str]) -> pd.DataFrame:
    """Return the wait after each mend for each prompt, and what the article reports for the first one.

    Parameters
    ----------
    prompts : sequence of str
        What the user says, a turn each.

    Returns
    -------
    DataFrame
        Seconds.
    """
    runs = [mended_one_by_one(prompt) for prompt in prompts]
    table = {f"turn {k}": [s.turn.metrics.voice_to_voice for s in run] for k, run in enumerate(runs, start=1)}
    table["reported for turn 1"] = [step.reported for step in runs[0]]
    table["stamp lost"] = [step.printed for step in runs[0]]
    return pd.DataFrame(table, index=pd.Index([step.name for step in runs[0]], name="mended so far"))


def mends_figure(prompt: str) -> Figure:
    """Draw after each mend how much of the wait the article reports, and how much it hides.

    Parameters
    ----------
    prompt : str
        What the user says.
    """
    steps = mended_one_by_one(prompt)
    return mends({step.name: (step.turn.metrics.voice_to_voice, step.reported) for step in steps})


_TIMED = (
    Fault.PULLED_AUDIO,
    Fault.NO_SILENCE,
    Fault.UNUSED_FINALIZATION,
    Fault.WHOLE_REPLY_FIRST,
    Fault.DROPPED_TAIL,
    Fault.TRUNCATED_SPEECH,
    Fault.UNITS_DRIFT,
)
"""The faults that change the timing."""

_SMALL = {Fault.DROPPED_TAIL, Fault.TRUNCATED_SPEECH, Fault.UNITS_DRIFT}
"""Those of them that change it least; the explorer folds them."""

_LONGEST = 9.5
"""Seconds: where the axis of the explorer ends, so that it stays while a slider moves."""


@explorer(
    prompt=choice("the user says", PROMPTS, PROMPTS[0]),
    frame=slider("recognition of one frame (s)", 0.0, 0.15, DEMO_BUDGETS.asr_processing, 0.01),
    **{fault.name.lower(): switch(f"mend: {MENDS[fault]}", folded=fault in _SMALL) for fault in _TIMED},
)
def mend_the_article(prompt: str, frame: float, **mended: bool) -> tuple[Figure, str]:
    """Show a turn of the article's agent, with any of the faults mended that change its timing."""
    budgets = replace(DEMO_BUDGETS, asr_processing=frame)
    agent = PublishedVoiceAgent(budgets, [fault for fault in _TIMED if mended[fault.name.lower()]])
    simulate(agent.process_turn(prompt))
    turn = agent.turns[0]
    wait, reported = turn.metrics.voice_to_voice, agent.reported_time_to_first_audio(turn)
    parts = ", ".join(f"{part.name} {length(part.seconds)}" for part in turn.parts)
    return turn_timeline(turn, end=_LONGEST), (
        f"The user waits {length(wait)}: {parts}. The article reports {length(reported)}, "
        f"{reported / wait:.0%} of it; with the stamp lost, as published, 0.000 s."
    )
