"""Figures of recognition: when to trust a word, a recogniser that falls behind, and what is published."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from voice_agent_lab.measure.progress import waiting_frames
from voice_agent_lab.measure.revisions import WordHistory, wrong_and_late
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.plots.drawing import (
    STAGE_COLOURS,
    axis_end,
    drawn_in_style,
    headline,
    length,
    line_colour,
    new_figure,
    text_width,
    units_per_pixel,
    write_above,
    write_at,
)


@drawn_in_style
def wrong_against_wait(words: Sequence[WordHistory], wait: float, revision_rate: float, turns: int) -> Figure:
    """Draw what waiting buys and costs: words trusted while wrong, and how late words are trusted.

    Parameters
    ----------
    words : sequence of WordHistory
        What words were taken for over time.
    wait : float
        The wait to mark, in seconds.
    revision_rate : float
        The chance with which a word first appeared wrong.
    turns : int
        In how many simulated turns the words were said.
    """
    waits = np.round(np.arange(0, 0.81, 0.04), 2)
    shares, lates = np.array([wrong_and_late(words, float(k)) for k in waits]).T
    share, late = wrong_and_late(words, wait)
    figure, (above, below) = new_figure(3.7, left=1.2, right=0.3, top=0.5, shares=(1.2, 1))
    marks = {"markeredgecolor": "black", "markersize": 8}
    above.plot(waits * 1000, 100 * shares, color=STAGE_COLOURS["endpointing"])
    above.plot([wait * 1000], [100 * share], "o", color=STAGE_COLOURS["endpointing"], **marks)
    below.plot(waits * 1000, 1000 * lates, color=line_colour("asr"))
    below.plot([wait * 1000], [1000 * late], "s", color=STAGE_COLOURS["asr"], **marks)
    above.set(ylim=(0, 62), ylabel="trusted words\nthat are wrong (%)")
    below.set(
        xlim=(-12, 812), ylim=(0, 950), ylabel="known after\nits audio (ms)", xlabel="wait before trust (ms)"
    )
    for axes, value, text in ((above, 100 * share, f"{share:.1%}"), (below, 1000 * late, length(late))):
        axes.axvline(wait * 1000, color="black", linewidth=0.8, linestyle="--")
        side, ha = (8, "left") if wait < 0.7 else (-8, "right")
        look = {"textcoords": "offset pixels", "weight": "bold", "size": 9, "ha": ha}
        axes.annotate(text, (wait * 1000, value), (side, 10), **look)
    above.set_title(f"{revision_rate:.0%} of words first appear wrong", size=9, loc="left")
    known = f"each is known {length(late)} after its audio"
    headline(figure, f"Wait {wait * 1000:.0f} ms: {share:.1%} of the words you trust are wrong; {known}")
    figure.set_label(
        f"{len(words)} words of {turns} simulated turns, {revision_rate:.0%} of words first shown wrong. "
        f"Trusted after {wait * 1000:.0f} ms without a change, {share:.1%} of them are wrong, and a word is "
        f"known {length(late)} after its audio on average; trusted at once, {shares[0]:.1%} are wrong."
    )
    return figure


@drawn_in_style
def backlog_over_time(turns: Sequence[Turn], labels: Sequence[str]) -> Figure:
    """Draw how many frames of audio wait to be recognised, for turns with the same user.

    Parameters
    ----------
    turns : sequence of Turn
        Up to three turns.
    labels : sequence of str
        A name for each.
    """
    figure, (axes,) = new_figure(3.3, left=0.75, right=0.35, top=0.6)
    told, marks, right = [], [], 0.0
    looks = (("asr", "-"), ("llm", "--"), ("endpointing", "-"))
    m = turns[0].metrics
    peaks = [int(waiting_frames(turn)[1].max()) for turn in turns]
    top = axis_end(1.15 * max(peaks), (25, 50, 100))
    for turn, label, peak, (stage, line) in zip(turns, labels, peaks, looks, strict=False):
        times, frames = waiting_frames(turn)
        final = turn.metrics.asr_complete
        # Between two arrivals the number falls and rises again: draw it as it is after an arrival.
        last = turn.log.last("microphone", "frame")
        drawn = (np.diff(frames, prepend=0) > 0) | (times > last)
        axes.plot(times[drawn], frames[drawn], color=line_colour(stage), linestyle=line)
        at_end = int(frames[drawn & (times <= m.speech_ended)][-1])
        marks.append((f"{label}: at most {peak}", at_end, peak))
        dot = {"markeredgecolor": "black", "clip_on": False, "zorder": 3}
        axes.plot([final], [0], "o", color=STAGE_COLOURS[stage], **dot)
        write_at(axes, "data", "data", (final, 0), (0, 8), length(final), weight="bold")
        told.append(f"{label}: at most {peak} waiting, final at {final:.2f} s")
        right = max(right, final)
    for time, name, line, ha in (
        (m.speech_ended, "end of speech", "-", "right"),
        (m.end_of_turn, "end of turn", "--", "left"),
    ):
        axes.axvline(time, color="black", linewidth=0.8, linestyle=line)
        write_above(axes, time, name, -3 if ha == "right" else 3, ha)
    axes.set(xlim=(0, axis_end(1.07 * right, (10, 20, 40))), ylim=(0, top), ylabel="frames waiting")
    room = m.speech_ended / units_per_pixel(axes) - 12
    for words, at_end, peak in marks:  # before the end of speech, or after the end of the turn if it is short
        if text_width(words) < room:
            write_at(axes, "data", "data", (m.speech_ended, at_end), (-4, 5), words, ha="right")
        else:
            write_at(axes, "data", "data", (m.end_of_turn, peak), (6, 12), words)
    axes.set_xlabel("seconds since the microphone opened; a dot is the final transcript")
    most = max(peaks)
    falls = f"A recogniser slower than speech falls behind: up to {most} frames wait"
    headline(
        figure, falls if most > 1 else "A recogniser that keeps up never has more than one frame waiting"
    )
    figure.set_label(
        f"Frames waiting to be recognised; speech ends at {m.speech_ended:.2f} s, "
        f"the turn at {m.end_of_turn:.2f} s. {'; '.join(told)}."
    )
    return figure


@drawn_in_style
def finalisation_benchmarks(measured: Mapping[str, Mapping[str, tuple[int, int]]]) -> Figure:
    """Draw the waits for the final transcript in two benchmarks: medians, with lines to the 99th percentiles.

    Parameters
    ----------
    measured : mapping
        For each model the median and the 99th percentile in ms, in stt-benchmark and in Coval.
    """
    figure, (axes,) = new_figure(3.7, left=1.85, right=0.4, top=0.4)
    looks = {"stt-benchmark": ("endpointing", "o", -0.17), "Coval": ("asr", "s", 0.17)}
    for row, figures in enumerate(measured.values()):
        for name, (median, p99) in figures.items():
            stage, mark, offset = looks[name]
            axes.plot([median, p99], [row + offset] * 2, color=line_colour(stage))
            axes.plot([median], [row + offset], mark, color=STAGE_COLOURS[stage], markeredgecolor="black")
            axes.plot([p99], [row + offset], "|", color=line_colour(stage), markersize=10)
            text = f"{median}" if row else f"{name} {median}"
            place = {"xytext": (0, 8 if offset < 0 else -19), "textcoords": "offset pixels"}
            axes.annotate(text, (median, row + offset), size=8, **place)
    axes.set(xlim=(0, 1700), ylim=(len(measured) - 0.4, -0.65))
    axes.set_yticks(range(len(measured)), list(measured))
    axes.set_xlabel("ms until the final transcript: point = median, end of the line = 99th percentile")
    name, figures = next(iter(measured.items()))
    medians = " or ".join(f"{median} ms" for median, _ in figures.values())
    headline(figure, f"One model, two ways to count: {name} takes {medians}")
    told = "; ".join(
        f"{model} {', '.join(f'{name} {median} (p99 {p99})' for name, (median, p99) in figures.items())}"
        for model, figures in measured.items()
    )
    figure.set_label(f"Median wait for the final transcript in ms, in two benchmarks: {told}.")
    return figure
