"""Figures of the article: its published one, drawn again from numbers, and its faults mended one by one."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from voice_agent_lab.plots.drawing import (
    STAGE_COLOURS,
    drawn_in_style,
    headline,
    ink,
    length,
    new_figure,
    text_width,
    tint,
    units_per_pixel,
    write,
    write_near,
)
from voice_agent_lab.published.article import DEMO_BUDGETS, Report

_STEPS = (
    ("ASR", "asr", "asr"),
    ("LLM TTFT", "llm", "llm_first_token"),
    ("LLM Gen", "llm", "llm_generation"),
    ("TTS", "tts", "tts"),
)
_NOTE = {"textcoords": "offset points", "size": 8}


@drawn_in_style
def two_panels(
    runs: Mapping[str, Sequence[Report]], waits: Sequence[float] = (), budget: float | None = None
) -> Figure:
    """Draw the two panels of the published figure for each of some runs, one run below the other.

    Parameters
    ----------
    runs : mapping of str to sequence of Report
        For each run's title the reports of its turns. The bars are those of the last turn.
    waits : sequence of float
        The true voice-to-voice of each turn in seconds, drawn in the right panel if given.
    budget : float, optional
        The promise for time to first audio in seconds; that of the article's demonstration if not given.

    Returns
    -------
    Figure
    """
    limit = DEMO_BUDGETS["time_to_first_audio"] if budget is None else budget
    height = 2.55 * len(runs) + 0.3  # inches
    figure, spare = new_figure(height)
    spare[0].remove()
    told = []
    for row, (title, reports) in enumerate(runs.items()):
        bottom = (height - 0.3 - 2.55 * (row + 1) + 0.4) / height
        bars = figure.add_axes((0.075, bottom, 0.41, 1.7 / height))
        line = figure.add_axes((0.565, bottom, 0.41, 1.7 / height))
        top = 1.18 * max(limit, *(getattr(reports[-1], field) for _, _, field in _STEPS))
        _draw_bars(bars, reports[-1], limit, top)
        firsts = [report.time_to_first_audio for report in reports]
        _draw_firsts(line, firsts, waits, limit)
        figure.text(0.01, bottom + 1.95 / height, title, size=10, weight="bold")
        values = ", ".join(f"{name} {getattr(reports[-1], field):.3f} s" for name, _, field in _STEPS)
        told.append(f"{title}: {values}; time to first audio {', '.join(f'{f:.3f}' for f in firsts)} s")
    headline(figure, _message(runs, waits, limit))
    waited = f" Voice-to-voice {', '.join(f'{w:.3f}' for w in waits)} s." if waits else ""
    figure.set_label(f"{'. '.join(told)}. Budget {limit:.3f} s.{waited}")
    return figure


def _message(runs: Mapping[str, Sequence[Report]], waits: Sequence[float], limit: float) -> str:
    """Return what is reported, beside the budget or beside the wait."""
    firsts = [report.time_to_first_audio for reports in runs.values() for report in reports]
    reported = _range(firsts)
    if waits:
        return f"The article's formula reports {reported}, and the user waits {_range(waits)}"
    kept = "within the budget" if max(firsts) <= limit else "against a budget"
    return f"Time to first audio is {reported} in every turn, {kept} of {limit:.1f} s"


def _range(seconds: Sequence[float]) -> str:
    low, high = f"{min(seconds):.2f}", f"{max(seconds):.2f}"
    return f"{low} s" if low == high else f"{low} to {high} s"


def _draw_bars(axes: Axes, report: Report, limit: float, top: float) -> None:
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


@drawn_in_style
def mends(waits: Mapping[str, tuple[float, float]]) -> Figure:
    """Draw after each mend how much of the wait the article reports, and how much it hides.

    Mends one after the other that change neither share a row.

    Parameters
    ----------
    waits : mapping of str to (float, float)
        Under each mend's name the user's wait, and what is reported of it, in seconds.

    Returns
    -------
    Figure
    """
    rows = _rows(waits)
    figure, (axes,) = new_figure(0.95 + 0.38 * len(rows), left=2.85, top=0.42)
    longest = max(wait for wait, _ in waits.values())
    axes.set(xlim=(0, 1.25 * longest), ylim=(len(rows) - 0.5, -0.5), xlabel="seconds that the user waits")
    axes.set_yticks(range(len(rows)), [name for name, *_ in rows])
    axes.spines.left.set_visible(False)
    axes.tick_params("y", length=0)
    before = rows[0][1]
    for y, (_, wait, reported) in enumerate(rows):
        hidden = round(wait - reported, 9)
        for name, start, seconds in (("hidden", 0.0, hidden), ("reported", hidden, reported)):
            axes.barh(y, seconds, 0.68, left=start, color=_SHARES[name])
            text = f"{name} {seconds:.2f}" if y == 0 else f"{seconds:.2f}"
            if text_width(text) <= seconds / units_per_pixel(axes):
                write(axes, start + seconds / 2, y, text, ha="center", color=ink(_SHARES[name]))
        change = f"  ({wait - before:+.2f})".replace("-", "\N{MINUS SIGN}") if round(wait - before, 9) else ""
        write_near(axes, f"{length(wait)}{change}", (wait, y), (5, 0), weight="bold")
        before = wait
    (first, reported), *_, (last, told) = waits.values()
    left = f"{last - told:.2f} s" if round(last - told, 9) else "nothing"
    headline(
        figure,
        f"As published, {first - reported:.2f} s of {first:.2f} s are hidden; mended, {left} of {last:.2f} s",
    )
    each = "; ".join(
        f"{name} {length(wait)} (reported {length(reported)})" for name, (wait, reported) in waits.items()
    )
    figure.set_label(f"Voice-to-voice after each mend: {each}.")
    return figure


_SHARES = {"hidden": to_rgb("#F3C9AE"), "reported": tint("llm")}


def _rows(waits: Mapping[str, tuple[float, float]]) -> list[tuple[str, float, float]]:
    """Return a row's name, wait and report; what changes nothing is counted in a row of its own."""
    rows: list[tuple[str, float, float]] = []
    unchanged = 0
    for name, (wait, reported) in waits.items():
        same = bool(rows) and rows[-1][1:] == (wait, reported)
        unchanged = unchanged + 1 if same else 0
        if unchanged > 1:
            rows[-1] = (f"{unchanged} mends that change nothing here", wait, reported)
        else:
            rows.append((name, wait, reported))
    return rows
