"""The timeline of one turn as a waterfall: a row of bars for each stage, and above them the wait.

A row is made in three steps. It is read off the turn: the bars, and what is to be said about them.
Its bars and the marks of its budgets are drawn. Then its texts are written where there is room for
them; most things can be said in several ways, the best first.
"""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import isnan

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from voice_agent_lab.measure.latency import LatencyBudgets, interval
from voice_agent_lab.measure.log import Event
from voice_agent_lab.measure.turn import Span, Turn
from voice_agent_lab.plots.drawing import (
    SINCE_OPENED,
    STAGE_COLOURS,
    counted,
    drawn_in_style,
    headline,
    ink,
    length,
    new_figure,
    pixels,
    rows_only,
    text_width,
    tint,
    total,
    units_per_pixel,
    write,
    write_beside,
)

_ROWS = {
    "user": "user speech",
    "endpointing": "endpointing",
    "asr": "recognition",
    "llm": "language model",
    "tts": "voice",
    "playback": "playback",
}
_BUDGETED = {
    "finalisation": "asr_finalization",
    "first token": "llm_first_token",
    "first chunk": "tts_first_chunk",
}


@drawn_in_style
def turn_timeline(turn: Turn, budgets: LatencyBudgets | None = None, *, end: float | None = None) -> Figure:
    """Draw when each stage of a turn was busy, and how long the user waited.

    Parameters
    ----------
    turn : Turn
        The turn; if it was not finished, what there is of it.
    budgets : LatencyBudgets, optional
        Promises in seconds, drawn as a black mark where each should have been kept: finalisation,
        first token, and the first chunk of speech.
    end : float, optional
        Where the axis ends, in seconds, for pictures that are to be compared; where the turn does, if
        not given.

    Returns
    -------
    Figure
    """
    spans, failures, metrics = turn.spans, _failures(turn), turn.metrics
    rows = [
        _row(turn, stage, [s for s in spans if s.stage == stage], budgets, failures.get(stage))
        for stage in _ROWS
    ]
    reach = max([s.end for s in spans], default=1.0)
    figure, axes = _empty_figure(max(reach, end or 0.0), failures.values())
    wait = (metrics.speech_ended, metrics.playback_started)
    for y, row in enumerate(rows):
        _draw_row(axes, y, row)
        _write_row(axes, y, row, wait)
    _draw_partials(axes, turn)
    _draw_wait(axes, *wait)
    headline(figure, _message(turn))
    figure.set_label(_alt_text(turn, rows))
    return figure


def _message(turn: Turn) -> str:
    """Return how long the user waits, and for what longest."""
    if isnan(turn.metrics.voice_to_voice):
        return "How long the user waited was not measured"
    parts: dict[str, float] = {}
    for part in turn.parts:
        parts[part.name] = round(parts.get(part.name, 0.0) + part.seconds, 9)
    most = max(parts.values(), default=0.0)
    longest = [name for name, seconds in parts.items() if seconds == most]
    take = "take longest, {} each" if len(longest) > 1 else "takes longest, {}"
    told = f"; {' and '.join(longest)} {take.format(length(most))}" if longest else ""
    return f"The user waits {length(turn.metrics.voice_to_voice)}{told}"


# What a row shows.


@dataclass(frozen=True)
class _Promise:
    """The budget of a bar: its name, when the bar was due to end, and by how many seconds it was missed."""

    name: str
    due: float
    over: float  # not positive if the budget was kept


@dataclass(frozen=True)
class _Label:
    """What may be said about a bar, the best first, on it or else beside it; and its budget."""

    bar: Span
    on_it: Sequence[str]
    beside: Sequence[str]
    promise: _Promise | None = None


@dataclass(frozen=True)
class _Row:
    """What the row of a stage shows."""

    stage: str
    bars: Sequence[Span]
    underruns: Sequence[Span]
    labels: Sequence[_Label]
    failure: Event | None

    @property
    def promises(self) -> list[_Promise]:
        """The budgets of its bars."""
        return [label.promise for label in self.labels if label.promise]

    @property
    def reach(self) -> float:
        """How far bars and marks go; right of it the row is free."""
        return max([0.0, *(bar.end for bar in self.bars), *(promise.due for promise in self.promises)])


def _failures(turn: Turn) -> dict[str, Event]:
    """Return the failures of a turn by stage; the microphone's stands in the user's row."""
    return {"user" if e.stage == "microphone" else e.stage: e for e in turn.log if e.name == "failed"}


def _row(
    turn: Turn, stage: str, spans: Sequence[Span], budgets: LatencyBudgets | None, failure: Event | None
) -> _Row:
    """Return what the row of a stage shows, whose spans are given."""
    bars = [span for span in spans if span.name != "underrun"]
    underruns = [span for span in spans if span.name == "underrun"]
    if bars and underruns:
        return _Row(stage, bars, underruns, [_label_with_underruns(bars, underruns)], failure)
    return _Row(stage, bars, (), [_label(turn, alike, budgets) for alike in _alike(bars)], failure)


def _alike(bars: Sequence[Span]) -> list[list[Span]]:
    """Return the bars by name, in the order in which the names first come."""
    names = dict.fromkeys(bar.name for bar in bars)
    return [[bar for bar in bars if bar.name == name] for name in names]


def _label_with_underruns(bars: Sequence[Span], underruns: Sequence[Span]) -> _Label:
    """Return what to say about speech with silences in it: nothing on the bars, which may be short."""
    silences = f"{counted(len(underruns), 'underrun')} {total(underruns)}"
    whole = Span(bars[0].stage, "", bars[0].start, bars[-1].end)
    return _Label(whole, (), [f"speech {total(bars)}, {silences}", silences])


def _label(turn: Turn, alike: Sequence[Span], budgets: LatencyBudgets | None) -> _Label:
    """Return what to say about bars of one name: it is said once, at the longest of them."""
    bar = max(alike, key=lambda span: span.end - span.start)
    plain = f"{bar.name} {total(alike)}"
    promised = budgets.promised.get(_BUDGETED.get(bar.name, "")) if budgets else None
    if promised is not None:
        over = interval(bar.start, bar.end) - promised
        late = over > 0
        verdict = f"{plain} (budget {length(promised)}{' missed' * late})"
        texts = [verdict, plain + " (missed)" * late, plain]
        return _Label(bar, texts, texts, _Promise(_BUDGETED[bar.name], bar.start + promised, over))
    return _Label(bar, [*_fuller_texts(turn, bar, plain), plain], [plain])


def _fuller_texts(turn: Turn, bar: Span, plain: str) -> list[str]:
    """Return what says more about a bar than the plain text: how many partials, or which words."""
    if bar.name == "recognition":
        return [f"{plain}, {counted(len(turn.partials), 'partial')}"]
    words = {"user": turn.user_input, "playback": turn.reply}.get(bar.stage, "")
    quotes = [textwrap.shorten(words, n, placeholder="…") for n in (80, 60, 40, 25)] if words else []
    return [plain.replace("speech", f"“{quote}”") for quote in quotes]


# Drawing it.


def _empty_figure(end: float, failures: Iterable[Event]) -> tuple[Figure, Axes]:
    """Return a figure with named rows, and time enough for the bars and the texts of the failures."""
    figure, (axes,) = new_figure(3.75, top=0.37)
    right = 1.02 * end
    for failure in failures:
        room = pixels(axes) - text_width(_failure_text(failure), weight="bold") - 10
        right = max(right, failure.time * pixels(axes) / room)
    axes.set(xlim=(0, right), xlabel=SINCE_OPENED)
    rows_only(axes, list(_ROWS.values()), ylim=(len(_ROWS) - 0.45, -1.7))
    return figure, axes


def _draw_row(axes: Axes, y: float, row: _Row) -> None:
    """Draw the bars of a row, the underruns between them, and a mark where each budget ends."""
    colours = [tint(row.stage, bar.name) for bar in row.bars]
    _draw_bars(axes, y, row.bars, label=row.stage, facecolors=colours)
    if row.underruns:
        # One hatched bar behind the others: it is seen where none of them covers it.
        behind = Span(row.stage, "underrun", row.underruns[0].start, row.underruns[-1].end)
        look = {"facecolors": "white", "edgecolors": STAGE_COLOURS[row.stage], "linewidth": 0}
        _draw_bars(axes, y, [behind], label="underrun", hatch="/////", zorder=0.8, **look)
    for promise in row.promises:
        axes.vlines(promise.due, y - 0.45, y + 0.45, color="black", linewidth=2.5, label=promise.name)


def _draw_bars(axes: Axes, y: float, bars: Sequence[Span], **look: object) -> None:
    axes.broken_barh([(bar.start, bar.end - bar.start) for bar in bars], (y - 0.33, 0.66), **look)


def _draw_partials(axes: Axes, turn: Turn) -> None:
    """Draw a tick for each partial transcript, below the bar of recognition."""
    times, y = [time for time, _ in turn.partials], list(_ROWS).index("asr")
    axes.vlines(times, y + 0.33, y + 0.52, color="black", linewidth=1.2, label="partials")


def _draw_wait(axes: Axes, speech_ended: float, playback_started: float) -> None:
    """Draw the end of speech, the first sound, and the arrow between them."""
    ends = ((speech_ended, "end of speech", "right"), (playback_started, "first sound", "left"))
    for time, name, ha in ends:
        if not isnan(time):
            axes.vlines(time, -0.95, len(_ROWS) - 0.45, color="black", linewidth=1, zorder=0.5, label=name)
            write_beside(axes, time, -0.8, name, ha)
    if isnan(speech_ended) or isnan(playback_started):
        x, y = 0.0 if isnan(speech_ended) else speech_ended, -0.8 if isnan(playback_started) else -1.32
        write_beside(axes, x, y, "voice-to-voice not measured", "left", weight="bold")
        return
    arrow = {"arrowstyle": "<->", "shrinkA": 0, "shrinkB": 0, "linewidth": 1.2}
    axes.annotate("", (playback_started, -0.8), (speech_ended, -0.8), arrowprops=arrow)
    text = f"voice-to-voice {length(interval(speech_ended, playback_started))}"
    write(axes, (speech_ended + playback_started) / 2, -1.32, text, weight="bold", ha="center", size=9)


# Writing what is to be said.


def _write_row(axes: Axes, y: float, row: _Row, lines: Sequence[float]) -> None:
    """Write on the bars what fits there, the rest beside them, and why the stage failed."""
    texts = [_text_that_fits(axes, label) for label in row.labels]
    for label, text in zip(row.labels, texts, strict=True):
        if text:
            colour = ink(tint(row.stage, label.bar.name))
            write(axes, (label.bar.start + label.bar.end) / 2, y, text, color=colour, ha="center")
    if not all(texts):
        _write_beside_bars(axes, y, row, texts, lines)
    if row.failure:
        x = max(row.reach, row.failure.time)
        write_beside(axes, x, y, _failure_text(row.failure), "left", lines, weight="bold")


def _text_that_fits(axes: Axes, label: _Label) -> str | None:
    """Return the best text for which there is room on the bar, if there is one."""
    room = (label.bar.end - label.bar.start) / units_per_pixel(axes) - 8
    return next((text for text in label.on_it if text_width(text) <= room), None)


def _write_beside_bars(
    axes: Axes, y: float, row: _Row, on_bars: Sequence[str | None], lines: Sequence[float]
) -> None:
    """Write what stands on no bar: right of the row, or left of it what comes before all texts on bars."""
    first = next((k for k, text in enumerate(on_bars) if text), len(on_bars))
    unwritten = [label.beside for label, text in zip(row.labels, on_bars, strict=True) if not text]
    start, per_pixel = row.labels[0].bar.start, units_per_pixel(axes)
    room_left, room_right = start / per_pixel - 8, (axes.get_xlim()[1] - row.reach) / per_pixel + 6
    # On the right a text would be beyond a bar that has its own, or in the way of the failure's.
    left_first = any(on_bars) or row.failure is not None
    for left, right in _arrangements(unwritten[:first], unwritten[first:], left_first):
        if (not left or text_width(left) <= room_left) and text_width(right) <= room_right:
            break
    width = text_width(right) * per_pixel
    crosses = any(row.reach < line < row.reach + 6 * per_pixel + width for line in lines)
    free_left = not any(start - 6 * per_pixel - width < line < start - 1e-9 for line in lines)
    if crosses and not left and not any(on_bars) and free_left and text_width(right) <= room_left:
        left, right = right, ""
    write_beside(axes, start, y, left, "right", lines)
    _write_after(axes, row.reach, y, right, lines)


def _write_after(axes: Axes, x: float, y: float, text: str, lines: Sequence[float]) -> None:
    """Write a text right of `x`, or with a leader right of the line that it would cover, if there is room."""
    per_pixel = units_per_pixel(axes)
    width = (text_width(text) + 12) * per_pixel
    covered = max([line for line in lines if x < line < x + width], default=x)
    if text and covered > x and covered + width < axes.get_xlim()[1]:
        axes.hlines(y, x + 3 * per_pixel, covered, color="#767676", linewidth=0.8)
        x = covered
    write_beside(axes, x, y, text, "left", lines)


def _arrangements(
    before: Sequence[Sequence[str]], after: Sequence[Sequence[str]], left_first: bool
) -> Iterator[tuple[str, str]]:
    """Yield what may be written left and right of a row, the best first; the last has to do."""
    for choice in range(max(len(texts) for texts in [*before, *after])):
        lead, rest = (
            ", ".join(texts[min(choice, len(texts) - 1)] for texts in part) for part in (before, after)
        )
        apart, together = (lead, rest), ("", ", ".join(filter(None, [lead, rest])))
        yield from (apart, together) if left_first else (together, apart)
    shortest = [texts[-1] for texts in [*before, *after]]
    for k in range(1, len(shortest)):
        yield ", ".join(shortest[:k]), ", ".join(shortest[k:])
    yield together


def _failure_text(event: Event) -> str:
    return f"✕ failed: {textwrap.shorten(event.detail.get('error', ''), 44, placeholder='…')}"


def _alt_text(turn: Turn, rows: Sequence[_Row]) -> str:
    """Return in words when each stage was busy, how long the user waited, and what went wrong."""
    busy = [f"{_ROWS[r.stage]} {r.bars[0].start:.2f} to {r.bars[-1].end:.2f} s" for r in rows if r.bars]
    missed = [label for row in rows for label in row.labels if label.promise and label.promise.over > 0]
    silences = turn.underruns
    notes = [f"Voice-to-voice {length(turn.metrics.voice_to_voice)}"]
    notes += [f"{counted(len(silences), 'underrun')}, {total(silences)}"] if silences else []
    notes += [f"budget missed: {label.bar.name} by {length(label.promise.over)}" for label in missed]
    notes += [f"{e.stage} failed ({e.detail.get('error', '')})" for e in _failures(turn).values()]
    return f"Timeline of a turn: {', '.join(busy) or 'no stage finished'}. {'; '.join(notes)}."
