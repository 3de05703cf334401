"""Figures across turns: the parts of the wait, and two ways to measure it."""

from collections.abc import Sequence
from itertools import accumulate
from math import inf, isnan, nan
from statistics import fmean

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from voice_agent_lab.checks import check_seconds
from voice_agent_lab.measure.latency import interval
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.plots.drawing import (
    DPI,
    SMALL,
    STAGE_COLOURS,
    counted,
    drawn_in_style,
    ink,
    length,
    new_figure,
    overview,
    pixels,
    rows_only,
    text_width,
    tint,
    units_per_pixel,
    write,
    write_above,
    write_beside,
)


@drawn_in_style
def voice_to_voice_parts(
    turns: Sequence[Turn], budget: float | None = None, labels: Sequence[str] | None = None
) -> Figure:
    """Draw what the wait of each turn is made of, one bar for each turn.

    Up to six turns have the length of every part written on it or below it; with more, the parts
    are named once, above the first bar.

    Parameters
    ----------
    turns : sequence of Turn
        The turns.
    budget : float, optional
        The longest acceptable voice-to-voice, in seconds.
    labels : sequence of str, optional
        A name for each turn; "turn 1" and so on if not given.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        If there are not as many labels as turns, or the budget is not a length of time.
    """
    names = list(labels) if labels is not None else [f"turn {k}" for k in range(1, len(turns) + 1)]
    if len(names) != len(turns):
        raise ValueError(f"labels has {len(names)} names for {len(turns)} turns; give one for each")
    limit = nan if budget is None else check_seconds("budget", budget)
    few, rows = len(turns) <= 6, max(len(turns), 1)
    left = max([1.0, *(text_width(name, 9) / DPI + 0.25 for name in names)])
    height = 0.85 + 0.2 * (budget is not None) + (0.7 * rows if few else 0.27 * rows + 0.32)
    figure, (axes,) = new_figure(height, left=left, top=0.12 if budget is None else 0.3)
    waits = [turn.metrics.voice_to_voice for turn in turns]
    longest = max([w for w in waits if not isnan(w)], default=0) or 1.0
    right = max(longest * pixels(axes) / (pixels(axes) - 62), 1.05 * (budget or 0))  # room for the totals
    axes.set(xlim=(0, right), xlabel="seconds after the end of speech")
    rows_only(axes, names, ylim=(rows - (0.25 if few else 0.5), -0.35 if few else -1.7))
    drawn = [(y, part, turn.metrics.speech_ended) for y, turn in enumerate(turns) for part in turn.parts]
    axes.barh(
        [y for y, _, _ in drawn],
        [part.seconds for _, part, _ in drawn],
        0.5 if few else 0.72,
        left=[interval(zero, part.start) for _, part, zero in drawn],
        color=[tint(part.stage, part.name) for _, part, _ in drawn],
        edgecolor="white",
        linewidth=1,
    )
    if budget is not None:
        axes.axvline(limit, color="black", linewidth=1.2, linestyle="--", label="budget")
        write_above(axes, limit, f"budget {length(limit)}")
    for y, wait in enumerate(waits):
        look = {} if isnan(wait) else {"weight": "bold"}
        write_beside(axes, 0 if isnan(wait) else wait, y, length(wait), "left", [limit], **look)
        parts = [(part, (part.start + part.end) / 2 - zero) for row, part, zero in drawn if row == y]
        if few:
            _label_parts(axes, y, parts, limit)
        elif parts and y == next(k for k, w in enumerate(waits) if not isnan(w)):
            names_above = [(middle, part.name.replace(" ", "\n")) for part, middle in parts]
            _spread(axes, y - 0.4, y - 1.15, names_above, limit)
    told = f"Voice-to-voice: {overview(names, waits)}" + f"; budget {length(limit)}" * (budget is not None)
    if len(turns) == 1 and drawn:
        told += f". Its parts: {', '.join(f'{p.name} {p.seconds * 1000:.0f} ms' for _, p, _ in drawn)}"
    figure.set_label(f"{told}.")
    return figure


def _label_parts(axes: Axes, y: float, parts: list, limit: float) -> None:
    """Write each part's name and length on it, or below it where it is too short."""
    below = []
    for part, middle in parts:
        text, colour = f"{part.name}\n{part.seconds * 1000:.0f} ms", tint(part.stage, part.name)
        width = text_width(text) * units_per_pixel(axes)
        if width + 4 * units_per_pixel(axes) > part.seconds:
            below.append((middle, text))
            continue
        crossed = abs(middle - limit) < width / 2
        box = {"color": colour, "pad": 0} if crossed else None
        axes.text(middle, y, text, color=ink(colour), size=SMALL, ha="center", va="center", bbox=box)
    flat = [(middle, text.replace("\n", " ")) for middle, text in below]
    if sum(text_width(text) + 8 for _, text in flat) < pixels(axes):
        _spread(axes, y + 0.25, y + 0.42, flat, limit)
    else:
        _spread(axes, y + 0.25, y + 0.51, below, limit)


def _spread(axes: Axes, tick: float, y: float, texts: list[tuple[float, str]], line: float) -> None:
    """Write texts at height `y`, each as near to its place as there is room, tied to it at `tick`."""
    per_pixel = units_per_pixel(axes)
    widths = [text_width(text) * per_pixel for _, text in texts]
    offsets = [0.0, *accumulate(width + 8 * per_pixel for width in widths)]
    # Where each would start, were those before it of no width; where these cross, they share their mean.
    pools: list[list[float]] = []
    for (place, _), width, offset in zip(texts, widths, offsets, strict=False):
        pools.append([place - width / 2 - offset])
        while len(pools) > 1 and fmean(pools[-2]) > fmean(pools[-1]):
            last_pool = pools.pop()
            pools[-1] += last_pool
    last = axes.get_xlim()[1] + 8 * per_pixel - offsets[-1]
    bases = [max(0.0, min(fmean(pool), last)) for pool in pools for _ in pool]
    ties: list[float] = []
    for (place, text), width, offset, base in zip(texts, widths, offsets, bases, strict=False):
        start = base + offset
        box = {"color": "white", "pad": 1} if start < line < start + width else None
        write(axes, start, y, text, bbox=box, va="center")
        ties += [place, min(max(place, start + width / 10), start + width * 0.9), nan]
    heights = [tick, tick + 0.06 * (1 if y > tick else -4), nan] * len(texts)
    axes.plot(ties, heights, color="black", linewidth=0.8, zorder=4)


@drawn_in_style
def time_to_first_audio_across_turns(turns: Sequence[Turn], budget: float | None = None) -> Figure:
    """Draw the article's time to first audio and the true voice-to-voice of each turn.

    Parameters
    ----------
    turns : sequence of Turn
        The turns. Where one of the two was not measured, its line has a gap and no point.
    budget : float, optional
        The promise, in seconds.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        If the budget is not a length of time.
    """
    limit = nan if budget is None else check_seconds("budget", budget)
    waits = [turn.metrics.voice_to_voice for turn in turns]
    firsts = [turn.metrics.get_time_to_first_audio() for turn in turns]
    lines = (
        ("voice-to-voice", waits, "playback", "o-", 8),
        ("time to first audio", firsts, "tts", "s--", -19),
    )
    figure, (axes,) = new_figure(3.5, left=0.65, right=1.6)
    top = 1.15 * max([s for s in (*waits, *firsts, limit) if not isnan(s)], default=0) or 1.0
    axes.set(xlim=(0.5, max(len(turns), 1) + 0.5), ylim=(0, top), xlabel="turn", ylabel="seconds")
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    numbers, offset = range(1, len(turns) + 1), {"textcoords": "offset pixels", "size": SMALL}
    names = [] if budget is None else [(limit, f"budget {length(limit)}", "normal")]
    axes.axhline(limit, color="black", linewidth=1.2, linestyle="--", label="budget")
    for name, values, stage, marks, above in lines:
        axes.plot(numbers, values, marks, color=STAGE_COLOURS[stage], markeredgecolor="black", label=name)
        measured = [(x, v) for x, v in zip(numbers, values, strict=True) if not isnan(v)]
        names += [(measured[-1][1], name, "bold")] if measured else []
        for x, value in measured if len(turns) <= 10 else []:
            axes.annotate(f"{value:.2f}", (x, value), (0, above), ha="center", **offset)
    reached = inf
    for value, name, weight in sorted(names, reverse=True):  # at the right end, apart from each other
        reached = min(value, reached - 0.06 * top)
        write_beside(axes, axes.get_xlim()[1], reached, name, "left", weight=weight)
    for x, *pair in zip(numbers, waits, firsts, strict=True):
        lost = [name for (name, *_), value in zip(lines, pair, strict=True) if isnan(value)]
        if lost:
            text = "not measured" if len(lost) == 2 else f"{lost[0]} not measured"
            axes.annotate(text, (x, 0), (0, 6), rotation=90, ha="center", **offset)
    turn_names = [f"turn {x}" for x in numbers]
    told = "; ".join(f"{name}: {overview(turn_names, values)}" for name, values, *_ in lines)
    told += f"; budget {length(limit)}" * (budget is not None)
    figure.set_label(f"{counted(len(turns), 'turn')}; {told}.")
    return figure
