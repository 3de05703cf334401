"""Figures of sound in frames: its samples, what is called speech, when frames come and when a turn ends.

Conventions
-----------
Audio is mono float32, shape ``(samples,)``; sample rates are in Hz, the duration of a frame in
milliseconds. Frame ``k`` of duration ``d`` is *captured* when its last sample is: at ``(k + 1) * d``.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from voice_agent_lab.models.frames import frames_of, longest_hole
from voice_agent_lab.plots.drawing import (
    SINCE_OPENED,
    STAGE_COLOURS,
    axis_end,
    drawn_in_style,
    headline,
    length,
    line_colour,
    new_figure,
    write_at,
)


@drawn_in_style
def samples_and_frames(samples: np.ndarray, sample_rate: int, at: float, frame_ms: float = 20) -> Figure:
    """Draw five frames of a sound, and beneath them the first 2 ms of the middle one, sample by sample.

    Parameters
    ----------
    samples : ndarray of float32, shape (samples,)
        The sound.
    sample_rate : int
        In Hz.
    at : float
        Where the first frame begins, in seconds; rounded to a whole frame.
    frame_ms : float
        Duration of a frame in milliseconds.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        If the sound does not hold five frames from there.
    """
    size = round(sample_rate * frame_ms / 1000)
    first = round(at * sample_rate / size) * size
    shown = samples[first : first + 5 * size]
    if len(shown) < 5 * size:
        raise ValueError(f"at is {at!r}; five frames of {frame_ms} ms from there must lie within the sound")
    figure, (upper,) = new_figure(4.2)
    upper.set_position((0.1, 0.54, 0.875, 0.31))
    lower = figure.add_axes((0.1, 0.12, 0.875, 0.27))  # over other times than the upper one
    ms = 1000 * np.arange(first, first + 5 * size) / sample_rate
    upper.plot(ms, shown, color=line_colour("user"), linewidth=1)
    edges = 1000 * (first + size * np.arange(6)) / sample_rate
    peak = 1.15 * float(np.abs(shown).max())
    upper.set(xlim=(edges[0], edges[-1]), ylim=(-peak, peak), ylabel="amplitude", xticks=edges)
    for k, (start, end) in enumerate(pairwise(edges)):
        upper.axvline(start, color="black", linewidth=0.8)
        upper.text((start + end) / 2, 1.04 * peak, f"frame {first // size + k}", ha="center", size=8)
    few = round(0.002 * sample_rate)
    zoom, zoom_ms = shown[2 * size : 2 * size + few], ms[2 * size : 2 * size + few]
    upper.axvspan(zoom_ms[0], zoom_ms[-1], color="#999999", alpha=0.5, linewidth=0)
    lower.vlines(zoom_ms, 0, zoom, color=line_colour("user"), linewidth=1)
    lower.plot(zoom_ms, zoom, "o", color=STAGE_COLOURS["user"], markeredgecolor="black", markersize=5)
    lower.axhline(0, color="black", linewidth=0.6)
    lower.set(xlim=(zoom_ms[0] - 0.03, zoom_ms[-1] + 0.03), ylabel="amplitude", xlabel="milliseconds")
    lower.set_title("the grey strip, sample by sample", size=8, loc="left")
    headline(figure, f"Sound is cut into frames: {frame_ms:g} ms at {sample_rate} Hz are {size} samples")
    figure.set_label(
        f"Five frames of {frame_ms:g} ms, from {edges[0]:.0f} to {edges[-1]:.0f} ms, each of {size} samples; "
        f"below, 2 ms of the middle frame are {few} samples."
    )
    return figure


@drawn_in_style
def frames_judged(
    samples: np.ndarray,
    sample_rate: int,
    judgements: Mapping[float, Sequence[bool]],
    threshold: float,
    ended: float,
) -> Figure:
    """Draw a sound as a frame-wise detector sees it: one bar for each frame, speech or not.

    Parameters
    ----------
    samples : ndarray of float32, shape (samples,)
        The sound.
    sample_rate : int
        In Hz.
    judgements : mapping of float to sequence of bool
        For durations of a frame in milliseconds, which frames are called speech; a row for each.
    threshold : float
        Mean magnitude above which a frame is called speech.
    ended : float
        When the speech ends, in seconds.

    Returns
    -------
    Figure
    """
    rows = len(judgements)
    figure, axes = new_figure(1.35 + 1.3 * rows, left=0.8, right=0.75, top=0.5, shares=(1,) * rows)
    told, holes = [], []
    for ax, (duration, speech) in zip(axes, judgements.items(), strict=True):
        means = np.abs(frames_of(samples, sample_rate, duration)).mean(axis=1)
        left, top = np.arange(len(means)) * duration / 1000, 1.3 * float(means.max())
        colours = [STAGE_COLOURS["user"] if heard else "white" for heard in speech]
        ax.bar(left, means, duration / 1000, align="edge", color=colours, edgecolor="#444444", linewidth=0.6)
        ax.axhline(threshold, color="black", linestyle="--", linewidth=1)
        words = f"threshold\n{threshold:g}"
        write_at(ax, "axes fraction", "data", (1, threshold), (4, 0), words, va="center")
        ax.axvline(ended, color="black", linewidth=1.4)
        ax.set(xlim=(0, len(samples) / sample_rate), ylim=(0, top), ylabel="mean\nmagnitude")
        write_at(ax, "axes fraction", "axes fraction", (0.005, 1), (0, -9), f"frames of {duration:g} ms")
        longest = longest_hole(speech)
        holes.append(longest * duration / 1000)
        if longest:
            _draw_hole(ax, speech, longest, duration / 1000, 0.62 * top)
        told.append(
            f"frames of {duration:g} ms: {sum(speech)} of {len(speech)} are called speech, "
            f"the longest hole is {length(holes[-1])}"
        )
    write_at(axes[0], "data", "axes fraction", (ended, 1), (0, 3), "speech ends", ha="center")
    axes[-1].set_xlabel("seconds; filled bars are called speech")
    headline(figure, f"The detector hears holes in one sentence, of up to {length(max(holes))}")
    figure.set_label(f"With a threshold of {threshold:g}, {'; '.join(told)}. Speech ends at {ended:.2f} s.")
    return figure


def _draw_hole(axes: Axes, speech: Sequence[bool], longest: int, seconds: float, y: float) -> None:
    """Draw an arrow over the first of the longest holes."""
    heard = [k for k, called in enumerate(speech) if called]
    before = next(a for a, b in pairwise(heard) if b - a - 1 == longest)
    start, end = (before + 1) * seconds, (before + 1 + longest) * seconds
    axes.annotate("", (end, y), (start, y), arrowprops={"arrowstyle": "<->", "shrinkA": 0, "shrinkB": 0})
    write_at(axes, "data", "data", ((start + end) / 2, y), (0, 4), f"hole {length(end - start)}", ha="center")


@drawn_in_style
def end_in_frames(
    samples: np.ndarray,
    sample_rate: int,
    speech: Sequence[bool],
    frame_ms: float,
    *,
    ended: float,
    timeout: float,
    decided: float,
) -> Figure:
    """Draw the end of an utterance in frames, and when the agent decides that it is over.

    Parameters
    ----------
    samples : ndarray of float32, shape (samples,)
        The utterance, from the moment the microphone opens.
    sample_rate : int
        In Hz.
    speech : sequence of bool
        Which frames are called speech, until the decision at least.
    frame_ms : float
        Duration of a frame in milliseconds.
    ended, decided : float
        When the speech ends and when that is decided, in seconds since the microphone opened.
    timeout : float
        Seconds of silence that the agent waits for.

    Returns
    -------
    Figure
    """
    figure, (axes,) = new_figure(2.85, left=0.3, right=0.2, top=1.0)
    begin, seconds = ended - 0.35, frame_ms / 1000
    end = ended + axis_end(max(decided - ended, timeout) + 0.12, (0.8, 1.35))
    shown = [k for k in range(len(speech)) if begin < (k + 1) * seconds and (k + 0.5) * seconds < decided]
    for called, stage in ((True, "user"), (False, "endpointing")):
        bars = [(k * seconds, seconds) for k in shown if speech[k] is called]
        axes.broken_barh(bars, (-1, 2), color=STAGE_COLOURS[stage], alpha=0.3, linewidth=0)
    axes.vlines([k * seconds for k in shown], -1, 1, color="white", linewidth=1)
    tail = samples[round(begin * sample_rate) :]
    axes.plot(begin + np.arange(len(tail)) / sample_rate, tail, color="black", linewidth=0.5)
    peak = 1.1 * float(np.abs(tail).max())
    axes.set(xlim=(begin, end), ylim=(-peak, peak), yticks=[], xlabel=SINCE_OPENED)
    axes.spines.left.set_visible(False)
    late = f"decision, {decided - ended:.2f} s after the end"
    for time, name, line, ha, row in (
        (ended, "speech ends", "-", "center", 0),
        (ended + timeout, f"end + {timeout:.2f} s", ":", "right", 0),
        (decided, late, "-", "right", 1),
    ):
        axes.axvline(time, color="black", linewidth=1.6, linestyle=line)
        offset = (3 * (ha == "right"), 4 + 14 * row)
        write_at(axes, "data", "axes fraction", (time, 1), offset, name, ha=ha)
    key = ((0.0, "frames called speech", "user"), (0.27, "frames called silence", "endpointing"))
    for x, name, stage in key:
        axes.text(x, 1.34, "■", transform=axes.transAxes, size=8, color=STAGE_COLOURS[stage], alpha=0.6)
        axes.text(x + 0.018, 1.34, name, transform=axes.transAxes, size=8)
    headline(figure, f"Frames of {frame_ms:g} ms: the end is decided {length(decided - ended)} after it")
    figure.set_label(
        f"Frames of {frame_ms:g} ms around the end of speech at {ended:.2f} s: {late}, "
        f"with a timeout of {timeout:.2f} s."
    )
    return figure


@drawn_in_style
def pulled_and_pushed(pulled: pd.DataFrame, pushed: pd.DataFrame) -> Figure:
    """Draw how late the recogniser is with each frame, when it pulls them and when they are pushed.

    Parameters
    ----------
    pulled, pushed : DataFrame
        A row for each frame: `captured`, and `late` from there until the recogniser is done with it,
        in seconds.

    Returns
    -------
    Figure
    """
    figure, (axes,) = new_figure(3.35, left=0.8, right=1.6, top=0.37)
    rows = (("pulled", pulled, "endpointing", "o"), ("pushed", pushed, "playback", "s"))
    top = axis_end(1.06 * max(pulled.late.max(), pushed.late.max()), (2.0, 4.5))
    axes.set(
        xlim=(0, 1.03 * pulled.captured.iloc[-1]),
        ylim=(0, top),
        xlabel="frame captured (seconds since the microphone opened)",
        ylabel="seconds late",
    )
    heights = {name: table.late.iloc[-1] for name, table, _, _ in rows}
    near = abs(heights["pulled"] - heights["pushed"]) < 0.12 * top
    for name, table, stage, mark in rows:
        axes.plot(
            table.captured, table.late, f"{mark}-", color=line_colour(stage), markersize=4, clip_on=False
        )
        y = heights[name] + (0.07 * top if near and name == "pulled" else 0)
        words = f"{name}: {length(heights[name])} late"
        write_at(axes, "axes fraction", "data", (1, y), (4, 0), words, va="center")
    told = ", ".join(
        f"{name} {length(table.late.iloc[0])} late with the first frame "
        f"and {length(table.late.iloc[-1])} with the last"
        for name, table, _, _ in rows
    )
    late = {name: length(seconds) for name, seconds in heights.items()}
    headline(figure, f"The last frame is {late['pulled']} late if pulled, {late['pushed']} late if pushed")
    figure.set_label(f"{len(pulled)} frames; {told}.")
    return figure
