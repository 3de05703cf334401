"""Figures of the article: its published one, drawn again from numbers, and its faults mended one by one."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.plots.drawing import STAGE_COLOURS, drawn_in_style, length, new_figure
from voice_agent_lab.published.article import DEMO_BUDGETS, Report

_STEPS = (
    ("ASR", "asr", "asr"),
    ("LLM TTFT", "llm", "llm_first_token"),
    ("LLM Gen", "llm", "llm_generation"),
    ("TTS", "tts", "tts"),
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
def mends(turns: Mapping[str, Turn], reported: Sequence[float]) -> Figure:
    """Draw what the wait is made of after each mend, and what the article reports for it.

    Parameters
    ----------
    turns : mapping of str to Turn
        The same turn after each mend, under the mend's name.
    reported : sequence of float
        The time to first audio that the article would report for each, in seconds.

    Returns
    -------
    Figure
    """
    figure, (axes,) = new_figure(0.95 + 0.29 * len(turns), left=2.75, top=0.45)
    waits = [turn.metrics.voice_to_voice for turn in turns.values()]
    axes.set(
        xlim=(0, 1.3 * max(waits)), ylim=(len(turns) - 0.5, -0.5), xlabel="seconds after the end of speech"
    )
    axes.set_yticks(range(len(turns)), list(turns))
    axes.spines.left.set_visible(False)
    axes.tick_params("y", length=0)
    for name, stage in _PARTS.items():
        found = [(y, t, p) for y, t in enumerate(turns.values()) for p in t.parts if p.name == name]
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
    axes.plot(reported, range(len(turns)), "D", label="reported", **look)
    for y, (wait, before) in enumerate(zip(waits, [waits[0], *waits], strict=False)):
        change = round(wait - before, 9)
        text = f"{length(wait)}" + f"  ({change:+.2f})".replace("-", "\N{MINUS SIGN}") * bool(change)
        axes.text(wait + 0.06, y, text, size=8, weight="bold", va="center")
    look = {"frameon": False, "handlelength": 0.9, "handletextpad": 0.4, "columnspacing": 1.1}
    figure.legend(loc="upper center", ncols=7, fontsize=8, **look)
    told = "; ".join(
        f"{name} {length(wait)} (reported {length(theirs)})"
        for name, wait, theirs in zip(turns, waits, reported, strict=True)
    )
    figure.set_label(f"Voice-to-voice after each mend: {told}.")
    return figure
