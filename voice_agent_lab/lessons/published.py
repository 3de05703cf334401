"""What the article published, beside what its program does: the numbers and figures of notebook 07.

The published numbers are those of the figure and of the text output stored with the article's
notebook (2026-01). The picture itself is not here: it is redrawn from its numbers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from voice_agent_lab.as_published import DEMO_BUDGETS, PROMPTS, PublishedReport
from voice_agent_lab.lessons.article import published_turn
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.plots import STAGE_COLOURS, drawn_in_style, new_figure


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

_STEPS = (
    ("ASR", "asr", "asr"),
    ("LLM TTFT", "llm", "llm_first_token"),
    ("LLM Gen", "llm", "llm_generation"),
    ("TTS", "tts", "tts"),
)
_NOTE = {"textcoords": "offset points", "size": 8}


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
