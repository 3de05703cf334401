"""Notebook 01: what people are used to, the stamps of a turn, and a budget to share out.

Conventions
-----------
Figures of conversation are in milliseconds after the other speaker stops, as its literature is;
the stamps of a turn are in seconds since the microphone opened.
"""

from dataclasses import fields
from itertools import accumulate
from math import isnan

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from voice_agent_lab.lessons.explorer import Explorer, slider
from voice_agent_lab.measure.latency import LatencyMetrics
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.plots import STAGE_COLOURS, drawn_in_style, length, new_figure

PRIMER_MS = {
    "microphone": 40,
    "encoding": 21,
    "network": 10,
    "packet handling": 2,
    "jitter buffer": 40,
    "decoding": 1,
    "transcription and endpointing": 300,
    "language model, first token": 350,
    "sentence aggregation": 20,
    "synthesis, first audio": 120,
    "encoding, way back": 21,
    "packet handling, way back": 2,
    "network, way back": 10,
    "jitter buffer, way back": 40,
    "decoding, way back": 1,
    "loudspeaker": 15,
}
"""A tuned agent's wait in milliseconds: the table in "Voice AI & Voice Agents", a primer (2025)."""

# The same table as six blocks: the two ways there and back, and the four services between them.
_BLOCKS = (
    ("way in", "microphone", list(PRIMER_MS)[:6]),
    ("transcription,\nendpointing", "endpointing", ["transcription and endpointing"]),
    ("first token", "llm", ["language model, first token"]),
    ("sentence", "llm", ["sentence aggregation"]),
    ("first audio", "tts", ["synthesis, first audio"]),
    ("way out", "playback", list(PRIMER_MS)[10:]),
)

# The figure's rows about people: a name, how far its bar reaches, and what is written beside it.
# Stivers et al. 2009; Heldner & Edlund 2010; Levinson & Torreira 2015; Roberts & Francis 2013.
_PEOPLE = (
    ("answer to a question", 300, "medians of ten languages 0 to 300 ms, English 0 ms; mean 208 ms"),
    ("gap or overlap", 500, "70 to 82 % are shorter than 500 ms"),
    ("planning a word", 600, "takes over 600 ms"),
    ("rating a late answer", 600, ""),
)

_LANES = {
    "user": "user",
    "microphone": "microphone",
    "endpointing": "endpointing",
    "asr": "recognition",
    "llm": "language model",
    "tts": "voice",
    "playback": "playback",
}
_LIGHT = 0.45  # opacity of what a stage does second, as in `plots`
_LANE_OF = {"audio_chunk_received": "microphone", "speech_ended": "user", "end_of_turn": "endpointing"}
_INTERVALS = (
    ("time to first token", "llm_started", "llm_first_token"),
    ("time to first audio", "asr_complete", "tts_first_chunk"),
    ("total latency", "audio_chunk_received", "tts_complete"),
    ("voice-to-voice", "speech_ended", "playback_started"),
)


@drawn_in_style
def people_and_machine() -> Figure:
    """Draw when people answer, when a delay begins to count, and when a tuned agent answers.

    Returns
    -------
    Figure
        All on one axis, in milliseconds after the other speaker stops.
    """
    figure, (axes,) = new_figure(3.5, left=1.75, right=0.2)
    axes.set(xlim=(-60, 1060), xlabel="milliseconds after the other speaker stops")
    _name_rows(axes, [*(name for name, _, _ in _PEOPLE), "a tuned agent"], ylim=(5.0, -0.6))
    axes.axvline(0, color="black", linewidth=1)
    for y, (_, reach, words) in enumerate(_PEOPLE[:3]):
        axes.barh(y, reach, 0.5, color=STAGE_COLOURS["user"])
        axes.text(reach + 12, y, words, va="center_baseline", size=8)
    axes.plot([208], [0], "D", color="white", markeredgecolor="black")
    axes.plot([600], [3], "v", color=STAGE_COLOURS["user"], markeredgecolor="black", markersize=9)
    axes.text(584, 3, "ratings drop at 600 ms", va="center_baseline", ha="right", size=8)
    axes.barh(3, 100, 0.5, left=700, color=STAGE_COLOURS["user"])
    axes.text(812, 3, "700 and 800 ms differ", va="center_baseline", size=8)
    _draw_machine(axes, 4)
    total = sum(PRIMER_MS.values())
    figure.set_label(
        "After a question, the medians of ten languages lie between 0 and 300 ms, the mean answer at 208 ms; "
        "70 to 82 % of intervals between speakers are under 500 ms; planning a word takes over 600 ms; "
        "ratings of a late answer drop at 600 ms, and those for 700 and 800 ms differ. "
        f"A tuned agent answers after {total} ms, with a target of 800 ms."
    )
    return figure


def _draw_machine(axes: Axes, y: float) -> None:
    start = 0
    for name, stage, items in _BLOCKS:
        ms = sum(PRIMER_MS[item] for item in items)
        look = {"color": STAGE_COLOURS[stage], "alpha": _LIGHT if name == "sentence" else 1}
        axes.barh(y, ms, 0.5, left=start, edgecolor="white", **look)
        ink = "white" if name == "first token" else "black"
        if ms > 50:
            axes.text(start + ms / 2, y, str(ms), ha="center", va="center_baseline", size=8, color=ink)
        label, ha, x = (name, "center", start + ms / 2) if ms > 50 else (f"{name} {ms}", "right", start + ms)
        axes.text(x, y + 0.36, label, ha=ha, va="top", size=7, linespacing=0.95)
        start += ms
    axes.vlines(800, y - 0.42, y + 0.3, color="black", linewidth=2)
    axes.text(800, y - 0.48, "target 800", ha="center", va="bottom", size=8, weight="bold")
    axes.text(start + 8, y, str(start), va="center_baseline", size=9, weight="bold")


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
    stamps = numbered_stamps(turn.metrics)
    figure, (axes, below) = new_figure(4.6, left=1.3, shares=(2.2, 1))
    right = 1.03 * max([time for _, _, time in stamps], default=1.0)
    axes.set(xlim=(0, right))
    _name_rows(axes, list(_LANES.values()), ylim=(len(_LANES) - 0.5, -0.6))
    lanes = list(_LANES)
    for span in turn.spans:
        look = {"color": STAGE_COLOURS[span.stage], "alpha": 0.35, "linewidth": 0}
        axes.barh(lanes.index(span.stage), span.end - span.start, 0.6, left=span.start, **look)
    for number, name, time in stamps:
        lane = lanes.index(_LANE_OF.get(name, name.split("_")[0]))
        axes.plot([time], [lane], "o", color="white", markeredgecolor="black", markersize=11, clip_on=False)
        axes.text(time, lane, str(number), ha="center", va="center_baseline", size=7)
    told = _draw_intervals(below, turn.metrics)
    marks = ", ".join(f"{number} {name} {length(time)}" for number, name, time in stamps)
    figure.set_label(f"Stamps of a turn: {marks or 'none'}. Intervals: {told}.")
    return figure


def numbered_stamps(metrics: LatencyMetrics) -> list[tuple[int, str, float]]:
    """Return the stamps that were measured, in order of time: their number, name and time in seconds."""
    stamps = [(getattr(metrics, f.name), f.name) for f in fields(metrics)]
    measured = sorted((s for s in stamps if not isnan(s[0])), key=lambda stamp: stamp[0])
    return [(number, name, time) for number, (time, name) in enumerate(measured, 1)]


def _draw_intervals(axes: Axes, metrics: LatencyMetrics) -> str:
    """Draw the intervals under each other and return them as words."""
    axes.set(xlabel="seconds since the microphone opened")
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


def share_the_budget() -> Explorer:
    """Return sliders that share a voice-to-voice budget among the six things that spend it.

    They start at the primer's tuned agent, its 300 ms of transcription and endpointing split
    200 to 100, and at its target of 800 ms.
    """
    return Explorer(
        _share,
        budget=slider("promised voice-to-voice (ms)", 300, 2000, 800, 50),
        endpointing=slider("endpointing: silence waited for (ms)", 0, 1500, 200, 10),
        finalisation=slider("recognition: finalisation (ms)", 0, 1000, 100, 10),
        first_token=slider("language model: first token (ms)", 0, 2000, 350, 10),
        sentence=slider("text of the first sentence (ms)", 0, 1000, 20, 10),
        first_chunk=slider("synthesis: first chunk (ms)", 0, 1000, 120, 10),
        transport=slider("network and devices, both ways (ms)", 0, 600, 203, 1),
    )


@drawn_in_style
def _share(
    budget: int,
    endpointing: int,
    finalisation: int,
    first_token: int,
    sentence: int,
    first_chunk: int,
    transport: int,
) -> tuple[Figure, str]:
    shares = (
        ("endpointing", "endpointing", endpointing),
        ("finalisation", "asr", finalisation),
        ("first token", "llm", first_token),
        ("first sentence", "llm", sentence),
        ("first chunk", "tts", first_chunk),
        ("network, devices", "playback", transport),
    )
    ends = list(accumulate(ms for _, _, ms in shares))
    spent, left = ends[-1], budget - ends[-1]
    figure, (axes,) = new_figure(2.9, left=1.3, right=0.75)
    axes.set(xlim=(0, 1.02 * max(budget, spent)), xlabel="milliseconds after the end of speech")
    _name_rows(axes, [*(name for name, _, _ in shares), "spent"], ylim=(6.6, -1.1))
    for y, ((name, stage, ms), end) in enumerate(zip(shares, ends, strict=True)):
        light = name in ("finalisation", "first sentence")
        look = {"color": STAGE_COLOURS[stage], "alpha": _LIGHT if light else 1}
        axes.barh(y, ms, 0.62, left=end - ms, **look)
        _write_after(axes, end, y, f"{ms}")
    axes.barh(6, min(spent, budget), 0.62, color="#999999")
    if left < 0:
        look = {"facecolor": "white", "edgecolor": "black", "hatch": "/////"}
        axes.barh(6, -left, 0.62, left=budget, **look)
    axes.axvline(budget, color="black", linewidth=1.4, linestyle="--")
    verdict = f"{left} ms left" if left >= 0 else f"overdrawn by {-left} ms"
    ha = "right" if budget > 0.5 * axes.get_xlim()[1] else "left"
    words = f" budget {budget} ms: {verdict} "
    axes.text(budget, -0.75, words, ha=ha, va="center_baseline", weight="bold")
    _write_after(axes, spent, 6, f"{spent}")
    largest = max(shares, key=lambda share: share[2])
    sentence_text = f"Spent {spent} ms of {budget} ms, {verdict}. " + (
        f"The largest share is {largest[0]}, {largest[2]} ms, {largest[2] / spent:.0%} of the wait."
        if spent
        else "Nothing takes any time."
    )
    figure.set_label(sentence_text)
    return figure, sentence_text


def _name_rows(axes: Axes, names: list[str], ylim: tuple[float, float]) -> None:
    """Name the rows 0, 1, ... at the left of the axes."""
    axes.set(yticks=range(len(names)), yticklabels=names, ylim=ylim)
    axes.spines.left.set_visible(False)
    axes.tick_params("y", length=0, pad=9)


def _write_after(axes: Axes, x: float, y: float, text: str) -> None:
    """Write a short text to the right of `x`, legible over a line."""
    place = {"textcoords": "offset points", "va": "center_baseline", "size": 8}
    axes.annotate(text, (x, y), (5, 0), bbox={"color": "white", "pad": 0.5}, **place)
