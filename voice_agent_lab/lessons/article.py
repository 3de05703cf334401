"""The explorer of notebook 07, and the figure of its mends: the article's faults, repaired one by one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd
from matplotlib.figure import Figure

from voice_agent_lab.as_published import DEMO_BUDGETS, PROMPTS, REPLIES, Fault, PublishedVoiceAgent
from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.lessons.explorer import Explorer, choice, slider, switch
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.plots import STAGE_COLOURS, drawn_in_style, length, new_figure, turn_timeline

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

_TIMED = (
    Fault.PULLED_AUDIO,
    Fault.NO_SILENCE,
    Fault.UNUSED_FINALIZATION,
    Fault.WHOLE_REPLY_FIRST,
    Fault.DROPPED_TAIL,
    Fault.TRUNCATED_SPEECH,
    Fault.UNITS_DRIFT,
)
_PARTS = {
    "endpointing": "endpointing",
    "recognition": "asr",
    "finalisation": "asr",
    "first token": "llm",
    "text aggregation": "llm",
    "first chunk": "tts",
}


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


@drawn_in_style
def mends_figure(steps: Sequence[Step]) -> Figure:
    """Draw what the wait is made of after each mend, and what the article reports for it.

    Parameters
    ----------
    steps : sequence of Step
        From `mended_one_by_one`.

    Returns
    -------
    Figure
    """
    figure, (axes,) = new_figure(0.95 + 0.29 * len(steps), left=2.75, top=0.45)
    waits = [step.turn.metrics.voice_to_voice for step in steps]
    axes.set(
        xlim=(0, 1.3 * max(waits)), ylim=(len(steps) - 0.5, -0.5), xlabel="seconds after the end of speech"
    )
    axes.set_yticks(range(len(steps)), [step.name for step in steps])
    axes.spines.left.set_visible(False)
    axes.tick_params("y", length=0)
    for name, stage in _PARTS.items():
        found = [(y, step.turn, p) for y, step in enumerate(steps) for p in step.turn.parts if p.name == name]
        axes.barh(
            [y for y, _, _ in found],
            [part.seconds for _, _, part in found],
            0.66,
            left=[part.start - turn.metrics.speech_ended for _, turn, part in found],
            color=STAGE_COLOURS[stage],
            alpha=0.5 if name in ("finalisation", "text aggregation") else 1,
            edgecolor="white",
            label=name,
        )
    look = {"color": "white", "markeredgecolor": "black", "markersize": 5}
    axes.plot([step.reported for step in steps], range(len(steps)), "D", label="reported", **look)
    for y, (wait, before) in enumerate(zip(waits, [waits[0], *waits], strict=False)):
        change = round(wait - before, 9)
        text = f"{length(wait)}" + f"  ({change:+.2f})".replace("-", "\N{MINUS SIGN}") * bool(change)
        axes.text(wait + 0.06, y, text, size=8, weight="bold", va="center")
    look = {"frameon": False, "handlelength": 0.9, "handletextpad": 0.4, "columnspacing": 1.1}
    figure.legend(loc="upper center", ncols=7, fontsize=8, **look)
    told = "; ".join(
        f"{s.name} {length(w)} (reported {length(s.reported)})" for s, w in zip(steps, waits, strict=True)
    )
    figure.set_label(f"Voice-to-voice after each mend: {told}.")
    return figure


def mend_the_article() -> Explorer:
    """Return switches that mend the faults of the article that change its timing."""
    return Explorer(
        _draw_mended,
        prompt=choice("the user says", PROMPTS, PROMPTS[0]),
        frame=slider("recognition of one frame (s)", 0.0, 0.15, DEMO_BUDGETS.asr_processing, 0.01),
        **{fault.name.lower(): switch(f"mend: {MENDS[fault]}") for fault in _TIMED},
    )


def _draw_mended(prompt: str, frame: float, **mended: bool) -> tuple[Figure, str]:
    budgets = replace(DEMO_BUDGETS, asr_processing=frame)
    agent = PublishedVoiceAgent(budgets, [fault for fault in _TIMED if mended[fault.name.lower()]])
    simulate(agent.process_turn(prompt))
    turn = agent.turns[0]
    wait, reported = turn.metrics.voice_to_voice, agent.reported_time_to_first_audio(turn)
    parts = ", ".join(f"{part.name} {length(part.seconds)}" for part in turn.parts)
    return turn_timeline(turn), (
        f"The user waits {length(wait)}: {parts}. The article reports {length(reported)}, "
        f"{reported / wait:.0%} of it; with the stamp lost, as published, 0.000 s."
    )
