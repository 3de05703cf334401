"""Figures of one turn: its stages, its states and its partials."""

from collections.abc import Sequence
from itertools import groupby, pairwise
from math import inf, isnan

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from voice_agent_lab.measure.latency import interval
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.plots.drawing import (
    DPI,
    SINCE_OPENED,
    SMALL,
    STATE_STAGES,
    counted,
    drawn_in_style,
    headline,
    ink,
    length,
    new_figure,
    rows_only,
    text_width,
    tint,
    units_per_pixel,
    write,
    write_above,
    write_beside,
)


@drawn_in_style
def stage_breakdown(turn: Turn) -> Figure:
    """Draw how long four steps of a turn took: finalisation, first token, generation, first chunk.

    Parameters
    ----------
    turn : Turn
        The turn. A step that did not happen is "not measured".

    Returns
    -------
    Figure
    """
    m = turn.metrics
    steps = (
        ("recognition finalisation", "asr", "", interval(turn.log.last("asr", "frame"), m.asr_complete)),
        ("LLM first token", "llm", "", m.time_to_first_token),
        ("LLM generation", "llm", "tokens", interval(m.llm_first_token, m.llm_complete)),
        ("TTS first chunk", "tts", "", interval(m.tts_started, m.tts_first_chunk)),
    )
    figure, (axes,) = new_figure(2.2, left=1.75, right=0.8)
    axes.set(xlim=(0, max([s for *_, s in steps if not isnan(s)], default=0) or 1.0), xlabel="seconds")
    rows_only(axes, [name for name, *_ in steps], ylim=(3.5, -0.5))
    for y, (_, stage, part, seconds) in enumerate(steps):
        if isnan(seconds):
            write_beside(axes, 0, y, "not measured", "left")
        else:
            axes.barh(y, seconds, 0.62, color=tint(stage, part))
            write_beside(axes, seconds, y, length(seconds), "left", weight="bold")
    figure.set_label(f"Steps of a turn: {', '.join(f'{name} {length(s)}' for name, _, _, s in steps)}.")
    return figure


@drawn_in_style
def state_ribbon(turn: Turn) -> Figure:
    """Draw the agent's state over a turn; it listens before the first change and after the last.

    Parameters
    ----------
    turn : Turn
        The turn.

    Returns
    -------
    Figure
    """
    changes = [(0.0, "listening"), *((e.time, e.detail["state"]) for e in turn.log.all("agent", "state"))]
    end = 1.08 * max(e.time for e in turn.log) if len(turn.log) else 1.0
    figure, (axes,) = new_figure(1.7, left=0.2, top=0.37)
    axes.set(xlim=(0, end), xlabel=SINCE_OPENED)
    rows_only(axes, (), ylim=(0, 2.4))
    per_pixel, reached = (
        units_per_pixel(axes),
        [-inf, -inf],
    )  # how far the two lines of labels above are taken
    for (start, state), (until, _) in pairwise([*changes, (end, "")]):
        colour = tint(STATE_STAGES[state])
        look = {"facecolors": [colour], "edgecolor": "black", "label": state}
        axes.broken_barh([(start, until - start)], (0, 1), **look)
        text, middle = state.replace("_", " "), (start + until) / 2
        width = text_width(text) * per_pixel
        if width + 8 * per_pixel <= until - start:
            write(axes, middle, 0.48, text, color=ink(colour), ha="center")
            continue
        x = min(max(0.0, middle - width / 2), end - width)
        line = 0 if reached[0] <= x else 1
        reached[line] = x + width + 8 * per_pixel
        write(axes, x, 1.45 + 0.62 * line, text)
        axes.vlines(middle, 1, 1.2 + 0.62 * line, color="black", linewidth=0.8)
    told = ", ".join(f"{state.replace('_', ' ')} from {time:.2f} s" for time, state in changes)
    headline(figure, _busy_states(changes))
    figure.set_label(f"States of the agent: {told}.")
    return figure


def _busy_states(changes: Sequence[tuple[float, str]]) -> str:
    """Return how long the agent was in each state but listening."""
    took: dict[str, float] = {}
    for (start, state), (until, _) in pairwise(changes):
        took[state] = took.get(state, 0.0) + until - start
    busy = [
        f"{state.replace('_', ' ')} {length(seconds)}"
        for state, seconds in took.items()
        if state != "listening"
    ]
    return ", ".join(busy).capitalize() or "The agent only listened"


@drawn_in_style
def partials_over_time(turn: Turn) -> Figure:
    """Draw what the recogniser believed, and for how long; words that it changed later are boxed.

    Parameters
    ----------
    turn : Turn
        The turn. Of a long transcript the end is shown, after "…".

    Returns
    -------
    Figure
    """
    m, finished = turn.metrics, not isnan(turn.metrics.asr_complete)
    rows = [(time, text.split()) for time, text in turn.partials]
    rows += [(m.asr_complete, turn.transcript.split())] * finished
    figure, (axes,) = new_figure(min(1.2 + 0.27 * max(len(rows), 2), 7), left=4.05, top=0.57)
    times = [*(time for time, _ in rows), m.speech_ended, m.end_of_turn]
    right = 1.12 * max([time for time in times if not isnan(time)], default=1.0)
    axes.set(xlim=(0, right), xlabel=SINCE_OPENED)
    rows_only(axes, (), ylim=(max(len(rows), 1) - 0.4, -0.6))
    revised: list[str] = []
    for y, (start, words) in enumerate(rows):
        final = finished and y == len(rows) - 1
        end = rows[y + 1][0] if y + 1 < len(rows) else right
        label, part = ("final", "") if final else ("partial", "finalisation")
        look = {"facecolors": [tint("asr", part)], "label": label}
        axes.broken_barh([(start, end - start)], (y - 0.33, 0.66), **look)
        later = [others for _, others in rows[y + 1 :]]
        wrong = [any(others[k : k + 1] != [word] for others in later) for k, word in enumerate(words)]
        revised += [word for word, changed in zip(words, wrong, strict=True) if changed]
        _write_words(axes, y, words, wrong, "bold" if final else "normal")
    ends = ((m.speech_ended, "end of speech", "-", "right"), (m.end_of_turn, "end of turn", "--", "left"))
    for time, name, line, ha in ends:
        if not isnan(time):
            axes.axvline(time, color="black", linewidth=1, linestyle=line, label=name)
            write_above(axes, time, name, -3 if ha == "right" else 3, ha)
    key = ["boxed: revised later"] * bool(revised) + ["bold: final transcript"] * finished
    write_above(axes, 0, ", ".join(key), 14 - axes.get_position().x0 * 8 * DPI, "left")
    final_words = f"final at {m.asr_complete:.2f} s: “{turn.transcript}”" if finished else "no final one"
    known = next((time for time, text in turn.partials if text == turn.transcript), m.asr_complete)
    changed = f"; {counted(len(revised), 'word')} changed before it was final" if revised else ""
    if finished and not revised:
        changed = f", and it is final at {length(m.asr_complete)}"
    headline(figure, f"The whole transcript is there at {length(known)}{changed}")
    figure.set_label(f"{counted(len(turn.partials), 'partial transcript')}, {_told(revised)}; {final_words}.")
    return figure


def _told(revised: Sequence[str]) -> str:
    """Return how many words were revised, and the first six of them."""
    words = ", ".join(revised[:6]) + f" and {len(revised) - 6} more" * (len(revised) > 6)
    return f"{counted(len(revised), 'word')} revised later" + f" ({words})" * bool(revised)


def _write_words(axes: Axes, y: float, words: Sequence[str], wrong: Sequence[bool], weight: str) -> None:
    """Write a row of words left of the axes, its beginning cut off if need be, the wrong ones boxed."""
    left = axes.get_position().x0 * 8 * DPI
    pieces = list(zip(words, wrong, strict=True))
    widths = [text_width(f"{word} ", weight=weight) + 6 * boxed for word, boxed in pieces]
    cut = sum(sum(widths[k:]) > left - 45 for k in range(len(widths)))
    pieces = [("…", False)] * bool(cut) + pieces[cut:]
    x = 14 - left
    place = {"xycoords": ("axes pixels", "data"), "size": SMALL, "va": "center_baseline", "weight": weight}
    for boxed, group in groupby(pieces, key=lambda piece: piece[1]):
        together = [word for word, _ in group]
        for text in together if boxed else [" ".join(together)]:
            box = {"boxstyle": "square,pad=0.15", "facecolor": "white", "edgecolor": "black"}
            axes.annotate(text, (x + 3 * boxed, y), bbox=box if boxed else None, **place)
            x += text_width(f"{text} ", weight=weight) + 6 * boxed
