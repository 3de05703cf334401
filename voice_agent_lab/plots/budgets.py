"""Figures of promises: the silences that people are used to, the stamps of a turn, a budget shared out.

Conventions
-----------
Figures of conversation and of budgets are in milliseconds after the other speaker stops, as the
literature is; the stamps of a turn are in seconds since the microphone opened.
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from math import isnan

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from voice_agent_lab.measure.latency import LatencyMetrics
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.plots.drawing import (
    SINCE_OPENED,
    STAGE_COLOURS,
    axis_end,
    drawn_in_style,
    headline,
    length,
    new_figure,
    write_above,
)
from voice_agent_lab.published import people, primer

_LIGHT = 0.45  # opacity of what a stage does second


# When people answer, and when a machine does.

_MACHINE = (  # the primer's table as six blocks: the two ways, and the four services between them
    ("way in", "microphone", sum(primer.TO_AGENT_MS.values())),
    ("transcription,\nendpointing", "endpointing", primer.PRIMER_MS["transcription and endpointing"]),
    ("first token", "llm", primer.PRIMER_MS["language model, first token"]),
    ("sentence", "llm", primer.PRIMER_MS["sentence aggregation"]),
    ("first audio", "tts", primer.PRIMER_MS["synthesis, first audio"]),
    ("way out", "playback", sum(primer.TO_USER_MS.values())),
)


@drawn_in_style
def people_and_machine() -> Figure:
    """Draw when people answer, when a late answer is noticed, and when a tuned agent answers.

    The numbers are those of `published.people` and `published.primer`.

    Returns
    -------
    Figure
        Two rows on one axis, in milliseconds after the other speaker stops, and a band from where
        ratings of a late answer drop to the later of the two gaps whose ratings differ.
    """
    first, last = people.ANSWER_MEDIANS_MS
    noticed, sure = people.RATINGS_DROP_MS, people.RATINGS_DIFFER_MS[1]
    agent = sum(primer.PRIMER_MS.values())
    figure, (axes,) = new_figure(2.9, left=1.3, right=0.45, top=0.62)
    axes.set(xlim=(-60, 1060), xlabel="milliseconds after the other speaker stops")
    _name_rows(axes, ["people", "a tuned agent"], ylim=(1.65, -0.45))
    axes.axvline(0, color="black", linewidth=1)
    axes.axvspan(noticed, sure, color="#bbbbbb", alpha=0.5, linewidth=0, zorder=0)
    write_above(axes, (noticed + sure) / 2, f"late answers are noticed: {noticed} to {sure} ms")
    axes.barh(0, last - first, 0.4, left=first, color=STAGE_COLOURS["user"])
    axes.plot([people.ANSWER_MEAN_MS], [0], "D", color="white", markeredgecolor="black")
    axes.text(
        last + 12, 0, f"medians of ten languages,\nmean {people.ANSWER_MEAN_MS} ms", va="center", size=8
    )
    _draw_machine(axes, 1)
    headline(figure, f"People answer within {last} ms; a tuned agent takes {agent} ms")
    figure.set_label(
        f"After a question, the medians of ten languages lie between {first} and {last} ms, the mean answer at "
        f"{people.ANSWER_MEAN_MS} ms; late answers are noticed from {noticed} to {sure} ms. A tuned agent answers "
        f"after {agent} ms, with a target of {primer.TARGET_MS} ms."
    )
    return figure


def _draw_machine(axes: Axes, y: float) -> None:
    start, target = 0, primer.TARGET_MS
    for name, stage, ms in _MACHINE:
        look = {"color": STAGE_COLOURS[stage], "alpha": _LIGHT if name == "sentence" else 1}
        axes.barh(y, ms, 0.4, left=start, edgecolor="white", **look)
        ink = "white" if name == "first token" else "black"
        if ms > 50:
            axes.text(start + ms / 2, y, str(ms), ha="center", va="center_baseline", size=8, color=ink)
        label, ha, x = (name, "center", start + ms / 2) if ms > 50 else (f"{name} {ms}", "right", start + ms)
        axes.text(x, y + 0.26, label, ha=ha, va="top", size=7, linespacing=0.95)
        start += ms
    axes.vlines(target, y - 0.3, y + 0.2, color="black", linewidth=2)
    axes.text(target, y - 0.33, f"target {target}", ha="center", va="bottom", size=8, weight="bold")
    axes.text(start + 8, y, str(start), va="center_baseline", size=9, weight="bold")


# The stamps of a turn.

_LANES = {
    "user": "user",
    "microphone": "microphone",
    "endpointing": "endpointing",
    "asr": "recognition",
    "llm": "language model",
    "tts": "voice",
    "playback": "playback",
}
_LANE_OF = {
    "audio_chunk_received": "microphone",
    "speech_ended": "user",
    "end_of_turn": "endpointing",
    "answer_started": "playback",
}
_INTERVALS = (
    ("time to first token", "llm_started", "llm_first_token"),
    ("time to first audio", "asr_complete", "tts_first_chunk"),
    ("total latency", "audio_chunk_received", "tts_complete"),
    ("voice-to-voice", "speech_ended", "playback_started"),
)


@drawn_in_style
def stamps_of_a_turn(turn: Turn) -> Figure:
    """Draw every stamp of a turn as a number on its stage's line, and the four intervals between them.

    Parameters
    ----------
    turn : Turn
        The turn. A stamp or an interval that was not measured is left out.

    Returns
    -------
    Figure
        The numbers follow the order of time, like the rows of the turn's metrics.
    """
    stamps = _numbered_stamps(turn.metrics)
    figure, (axes, below) = new_figure(4.85, left=1.3, top=0.4, shares=(2.2, 1))
    right = 1.03 * max([time for _, _, time in stamps], default=1.0)
    axes.set(xlim=(0, right))
    _name_rows(axes, list(_LANES.values()), ylim=(len(_LANES) - 0.5, -0.6))
    lanes = list(_LANES)
    for span in turn.spans:
        look = {"color": STAGE_COLOURS[span.stage], "alpha": 0.35, "linewidth": 0}
        lane = lanes.index("llm" if span.stage == "tool" else span.stage)
        axes.barh(lane, span.end - span.start, 0.6, left=span.start, **look)
    for number, name, time in stamps:
        lane = lanes.index(_LANE_OF.get(name, name.split("_")[0]))
        axes.plot([time], [lane], "o", color="white", markeredgecolor="black", markersize=11, clip_on=False)
        axes.text(time, lane, str(number), ha="center", va="center_baseline", size=7)
    told = _draw_intervals(below, turn.metrics)
    waited, told_of = turn.metrics.voice_to_voice, turn.metrics.get_time_to_first_audio()
    headline(figure, f"The user waits {length(waited)}; time to first audio tells of {length(told_of)}")
    marks = ", ".join(f"{number} {name} {length(time)}" for number, name, time in stamps)
    figure.set_label(f"Stamps of a turn: {marks or 'none'}. Intervals: {told}.")
    return figure


def _numbered_stamps(metrics: LatencyMetrics) -> list[tuple[int, str, float]]:
    """Return the stamps that were measured, in order of time: their number, name and time in seconds."""
    stamps = [(time, name) for name, time in metrics.stamps.items()]
    measured = sorted((s for s in stamps if not isnan(s[0])), key=lambda stamp: stamp[0])
    return [(number, name, time) for number, (time, name) in enumerate(measured, 1)]


def _draw_intervals(axes: Axes, metrics: LatencyMetrics) -> str:
    """Draw the intervals under each other and return them as words."""
    axes.set(xlabel=SINCE_OPENED)
    _name_rows(axes, [name for name, _, _ in _INTERVALS], ylim=(len(_INTERVALS) - 0.5, -0.6))
    told = []
    for y, (name, first, last) in enumerate(_INTERVALS):
        start, end = getattr(metrics, first), getattr(metrics, last)
        told.append(f"{name} {length(end - start)}")
        if isnan(end - start):
            axes.text(0.02, y, "not measured", va="center_baseline", size=8)
            continue
        arrow = {"arrowstyle": "<->", "shrinkA": 0, "shrinkB": 0, "linewidth": 1.4}
        axes.annotate("", (end, y), (start, y), arrowprops=arrow)
        _write_after(axes, end, y, length(end - start))
    return ", ".join(told)


# A budget shared out.

_STAGE_OF = {
    "endpointing": "endpointing",
    "finalisation": "asr",
    "first token": "llm",
    "first sentence": "llm",
    "first chunk": "tts",
    "network, devices": "playback",
}
_AXES = (1500, 3000, 5000)  # where the axis may end, in ms: it stays while a share moves a little


@drawn_in_style
def shared_budget(budget: int, shares: Mapping[str, int]) -> Figure:
    """Draw what is spent of a voice-to-voice budget, one share after the other.

    Parameters
    ----------
    budget : int
        In milliseconds.
    shares : mapping of str to int
        Milliseconds for "endpointing", "finalisation", "first token", "first sentence", "first chunk"
        and "network, devices", in the order in which they are spent.

    Returns
    -------
    Figure
    """
    ends = list(accumulate(shares.values()))
    spent, left = ends[-1], budget - ends[-1]
    figure, (axes,) = new_figure(3.1, left=1.3, right=0.75, top=0.32)
    axes.set(
        xlim=(0, axis_end(1.05 * max(budget, spent), _AXES)), xlabel="milliseconds after the end of speech"
    )
    _name_rows(axes, [*shares, "spent"], ylim=(len(shares) + 0.6, -1.1))
    for y, ((name, ms), end) in enumerate(zip(shares.items(), ends, strict=True)):
        light = name in ("finalisation", "first sentence")
        look = {"color": STAGE_COLOURS[_STAGE_OF[name]], "alpha": _LIGHT if light else 1}
        axes.barh(y, ms, 0.62, left=end - ms, **look)
        _write_after(axes, end, y, f"{ms}")
    axes.barh(len(shares), min(spent, budget), 0.62, color="#999999")
    if left < 0:
        look = {"facecolor": "white", "edgecolor": "black", "hatch": "/////"}
        axes.barh(len(shares), -left, 0.62, left=budget, **look)
    _write_after(axes, spent, len(shares), f"{spent}")
    axes.axvline(budget, color="black", linewidth=1.4, linestyle="--")
    verdict = f"{left} ms left" if left >= 0 else f"overdrawn by {-left} ms"
    ha = "right" if budget > 0.5 * axes.get_xlim()[1] else "left"
    axes.text(budget, -0.75, f" budget {budget} ms ", ha=ha, va="center_baseline", size=8)
    headline(figure, f"{spent} ms are spent of {budget} ms: {verdict}")
    largest = max(shares, key=shares.get)
    most = f"The largest share is {largest}, {shares[largest]} ms, {shares[largest] / (spent or 1):.0%} of the wait."
    figure.set_label(
        f"Spent {spent} ms of {budget} ms, {verdict}. {most if spent else 'Nothing takes any time.'}"
    )
    return figure


# What these figures share.


def _name_rows(axes: Axes, names: Sequence[str], ylim: tuple[float, float]) -> None:
    """Name the rows 0, 1, ... at the left of the axes."""
    axes.set(yticks=range(len(names)), yticklabels=names, ylim=ylim)
    axes.spines.left.set_visible(False)
    axes.tick_params("y", length=0, pad=9)


def _write_after(axes: Axes, x: float, y: float, text: str) -> None:
    """Write a short text to the right of `x`, legible over a line."""
    place = {"textcoords": "offset points", "va": "center_baseline", "size": 8}
    axes.annotate(text, (x, y), (5, 0), bbox={"color": "white", "pad": 0.5}, **place)
