"""The explorer and figures of notebook 07: the published figure beside ours, and the mends one by one.

The published numbers are those of the figure and of the text output stored with the article's
notebook (2026-01). The picture itself is not here: it is redrawn from its numbers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from voice_agent_lab.as_published import (
    DEMO_BUDGETS,
    PROMPTS,
    REPLIES,
    Fault,
    PublishedReport,
    PublishedVoiceAgent,
)
from voice_agent_lab.explorers.base import Explorer, choice, slider, switch
from voice_agent_lab.plots import STAGE_COLOURS, drawn_in_style, length, new_figure, turn_timeline
from voice_agent_lab.simulation import simulate
from voice_agent_lab.turn import Turn


@dataclass(frozen=True)
class PublishedOutput:
    """What the published text output says about one turn; times in seconds."""

    speech: float
    frames: int
    partials: int
    first_token: float
    llm_total: float
    tokens: int
    tts_total: float
    chunks: int
    asr: float
    time_to_first_audio: float
    total: float


PUBLISHED_OUTPUT = (
    PublishedOutput(2.0, 20, 5, 0.302, 0.473, 8, 0.803, 2, -0.0, 0.0, 4.936),
    PublishedOutput(1.9, 19, 4, 0.302, 0.477, 8, 0.803, 2, -0.0, 0.0, 4.722),
    PublishedOutput(2.0, 20, 6, 0.302, 0.472, 8, 0.803, 2, -0.0, 0.0, 4.923),
)
"""The published text output, a turn each. Recognition really is printed there as -0.000 s."""

PUBLISHED_REPORTS = tuple(
    PublishedReport(0.0, out.first_token, round(out.llm_total - out.first_token, 3), 0.15, 0.0)
    for out in PUBLISHED_OUTPUT
)
"""The numbers of the published figure: bars of the last turn, time to first audio of all three."""

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
_NOTE = {"textcoords": "offset points", "size": 8}
_PARTS = {
    "endpointing": "endpointing",
    "recognition": "asr",
    "finalisation": "asr",
    "first token": "llm",
    "text aggregation": "llm",
    "first chunk": "tts",
}
_STEPS = (
    ("ASR", "asr", "asr"),
    ("LLM TTFT", "llm", "llm_first_token"),
    ("LLM Gen", "llm", "llm_generation"),
    ("TTS", "tts", "tts"),
)


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


def output_beside_ours(published: Sequence[PublishedOutput]) -> pd.DataFrame:
    """Return the published text output beside that of our run, as text, a row for each number.

    Parameters
    ----------
    published : sequence of PublishedOutput
        One for each of the article's prompts. Our run uses the default reply, as they did, and
        loses the stamp ``asr_complete``, as they did.
    """
    columns = {}
    for number, (prompt, theirs) in enumerate(zip(PROMPTS, published, strict=True), start=1):
        _, turn = published_turn(prompt, replies={})
        columns[f"turn {number}: published"] = _output_rows(theirs)
        columns[f"turn {number}: ours"] = _output_rows(_our_output(turn))
    return pd.DataFrame(columns)


def _our_output(turn: Turn) -> PublishedOutput:
    metrics, log = turn.metrics, turn.log
    report = PublishedReport.of(metrics, lost={"asr_complete"})
    return PublishedOutput(
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


def _output_rows(output: PublishedOutput) -> dict[str, str]:
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


@drawn_in_style
def two_panels(
    runs: Mapping[str, Sequence[PublishedReport]], waits: Sequence[float] = (), budget: float | None = None
) -> Figure:
    """Draw the two panels of the published figure for each of some runs, one run below the other.

    Parameters
    ----------
    runs : mapping of str to sequence of PublishedReport
        For each run's title the reports of its turns. The bars are those of the last turn.
    waits : sequence of float
        The true voice-to-voice of each turn in seconds, drawn in the right panel if given.
    budget : float, optional
        The promise for time to first audio in seconds; that of the article's demonstration if not given.

    Returns
    -------
    Figure
    """
    limit = DEMO_BUDGETS.time_to_first_audio if budget is None else budget
    height = 2.55 * len(runs)  # inches
    figure, spare = new_figure(height)
    spare[0].remove()
    told = []
    for row, (title, reports) in enumerate(runs.items()):
        bottom = (height - 2.55 * (row + 1) + 0.4) / height
        bars = figure.add_axes((0.075, bottom, 0.41, 1.7 / height))
        line = figure.add_axes((0.565, bottom, 0.41, 1.7 / height))
        top = 1.18 * max(limit, *(getattr(reports[-1], field) for _, _, field in _STEPS))
        _draw_bars(bars, reports[-1], limit, top)
        firsts = [report.time_to_first_audio for report in reports]
        _draw_firsts(line, firsts, waits, limit)
        figure.text(0.01, bottom + 1.95 / height, title, size=10, weight="bold")
        values = ", ".join(f"{name} {getattr(reports[-1], field):.3f} s" for name, _, field in _STEPS)
        told.append(f"{title}: {values}; time to first audio {', '.join(f'{f:.3f}' for f in firsts)} s")
    waited = f" Voice-to-voice {', '.join(f'{w:.3f}' for w in waits)} s." if waits else ""
    figure.set_label(f"{'. '.join(told)}. Budget {limit:.3f} s.{waited}")
    return figure


def _draw_bars(axes: Axes, report: PublishedReport, limit: float, top: float) -> None:
    axes.set(xlim=(-0.6, 3.6), ylim=(0, top), ylabel="seconds")
    axes.set_title("latency breakdown, last turn", size=9, loc="left")
    axes.set_xticks(range(len(_STEPS)), [name for name, _, _ in _STEPS])
    for x, (_, stage, field) in enumerate(_STEPS):
        seconds = getattr(report, field)
        axes.bar(x, seconds, 0.7, color=STAGE_COLOURS[stage], alpha=0.55 if field == "llm_generation" else 1)
        axes.annotate(f"{seconds:.3f}", (x, seconds), (0, 3), ha="center", **_NOTE)
    _draw_budget(axes, limit)


def _draw_firsts(axes: Axes, firsts: Sequence[float], waits: Sequence[float], limit: float) -> None:
    numbers = range(1, len(firsts) + 1)
    right = len(firsts) + (1.5 if waits else 0.7)
    axes.set(xlim=(0.5, right), ylim=(-0.02 * limit, 1.2 * max([limit, *firsts, *waits])))
    axes.set_title("time to first audio across turns", size=9, loc="left")
    axes.set_xticks(numbers, [f"turn {k}" for k in numbers])
    lines = [("time to first audio", firsts, "s-", "tts")]
    lines += [("voice-to-voice", waits, "o-", "playback")] if waits else []
    for name, values, marks, stage in lines:
        look = {"color": STAGE_COLOURS[stage], "markeredgecolor": "black", "clip_on": False}
        axes.plot(numbers, values, marks, label=name, **look)
        # The two lines have their texts on their far sides.
        above = not waits or values is waits
        for x, value in zip(numbers, values, strict=True):
            axes.annotate(f"{value:.3f}", (x, value), (0, 6 if above else -14), ha="center", **_NOTE)
        if waits:
            axes.annotate(name, (numbers[-1], values[-1]), (9, 0), va="center", **_NOTE)
    _draw_budget(axes, limit)


def _draw_budget(axes: Axes, limit: float) -> None:
    axes.axhline(limit, color="black", linewidth=1.2, linestyle="--", label="budget")
    place = ("axes fraction", "data")
    axes.annotate(f"budget {limit:.1f}", (1, limit), (-2, 3), xycoords=place, ha="right", **_NOTE)


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
