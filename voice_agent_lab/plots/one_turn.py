"""Figures of one turn: its timeline, its stages, its states and its partials."""

import textwrap
from collections.abc import Sequence
from itertools import groupby, pairwise
from math import inf, isnan

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from voice_agent_lab.latency import LatencyBudgets, interval
from voice_agent_lab.plots.drawing import (
    DPI,
    SINCE_OPENED,
    SMALL,
    STAGE_COLOURS,
    STATE_STAGES,
    counted,
    drawn_in_style,
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
    write_above,
    write_beside,
)
from voice_agent_lab.timeline import Event
from voice_agent_lab.turn import Span, Turn

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
def turn_timeline(turn: Turn, budgets: LatencyBudgets | None = None) -> Figure:
    """Draw when each stage of a turn was busy, and how long the user waited.

    Parameters
    ----------
    turn : Turn
        The turn; if it was not finished, what there is of it.
    budgets : LatencyBudgets, optional
        Promises in seconds, drawn as a black mark where each should have been kept: finalisation,
        first token, and the first chunk of speech.

    Returns
    -------
    Figure
    """
    metrics, spans = turn.metrics, turn.spans
    failures = {"user" if e.stage == "microphone" else e.stage: e for e in turn.log if e.name == "failed"}
    figure, (axes,) = new_figure(3.5)
    right = 1.02 * max([s.end for s in spans], default=1.0)
    for event in failures.values():
        room = pixels(axes) - text_width(_failure(event), weight="bold") - 10
        right = max(right, event.time * pixels(axes) / room)
    axes.set(xlim=(0, right), xlabel=SINCE_OPENED)
    rows_only(axes, list(_ROWS.values()), ylim=(len(_ROWS) - 0.45, -1.7))
    lines, missed, told = (metrics.speech_ended, metrics.playback_started), [], []
    for y, (stage, row) in enumerate(_ROWS.items()):
        gaps = [s for s in spans if s.stage == stage and s.name == "underrun"]
        bars = [s for s in spans if s.stage == stage and s.name != "underrun"]
        _draw_spans(axes, y, bars, label=stage, facecolors=[tint(stage, s.name) for s in bars])
        reach = max((s.end for s in bars), default=0.0)
        told += [f"{row} {bars[0].start:.2f} to {bars[-1].end:.2f} s"] if bars else []
        if bars and gaps:
            look = {"facecolors": "white", "edgecolors": STAGE_COLOURS[stage], "linewidth": 0}
            behind = [Span(stage, "underrun", gaps[0].start, gaps[-1].end)]  # seen where no bar covers it
            _draw_spans(axes, y, behind, label="underrun", hatch="/////", zorder=0.8, **look)
            silences = f"{counted(len(gaps), 'underrun')} {total(gaps)}"
            inside, beside = [[]], [[f"speech {total(bars)}, {silences}", silences]]
            bars, colours = [Span(stage, "", bars[0].start, bars[-1].end)], [tint(stage)]
        else:
            texts = [_span_texts(turn, alike) for alike in _alike(bars)]
            bars = [max(alike, key=lambda s: s.end - s.start) for alike in _alike(bars)]
            colours = [tint(stage, s.name) for s in bars]
            inside, beside = texts, [each[-1:] for each in texts]
        for k, span in enumerate(bars):
            if budgets and span.name in _BUDGETED:
                took, name = interval(span.start, span.end), _BUDGETED[span.name]
                promised = getattr(budgets, name)
                mark, late = span.start + promised, took > promised
                axes.vlines(mark, y - 0.45, y + 0.45, color="black", linewidth=2.5, label=name)
                plain, reach = beside[k][-1], max(reach, mark)
                beside[k] = [
                    f"{plain} (budget {length(promised)}{' missed' * late})",
                    plain + " (missed)" * late,
                    plain,
                ]
                inside[k] = beside[k]
                missed += [f"{span.name} by {length(took - promised)}"] * late
        _label_row(axes, y, bars, colours, inside, beside, reach, lines, failures.get(stage))
    ticks = [time for time, _ in turn.partials]
    axes.vlines(ticks, 2.33, 2.52, color="black", linewidth=1.2, label="partials")
    _draw_wait(axes, *lines)
    notes = [f"Voice-to-voice {length(metrics.voice_to_voice)}"]
    gaps = turn.underruns
    notes += [f"{counted(len(gaps), 'underrun')}, {total(gaps)}"] if gaps else []
    notes += [f"budget missed: {each}" for each in missed]
    notes += [f"{e.stage} failed ({e.detail.get('error', '')})" for e in failures.values()]
    figure.set_label(f"Timeline of a turn: {', '.join(told) or 'no stage finished'}. {'; '.join(notes)}.")
    return figure


def _draw_spans(axes: Axes, y: float, spans: Sequence[Span], **look: object) -> None:
    axes.broken_barh([(s.start, s.end - s.start) for s in spans], (y - 0.33, 0.66), **look)


def _failure(event: Event) -> str:
    return f"✕ failed: {textwrap.shorten(event.detail.get('error', ''), 44, placeholder='…')}"


def _alike(spans: Sequence[Span]) -> list[list[Span]]:
    """Return the spans by name, in the order in which the names first come."""
    names = dict.fromkeys(span.name for span in spans)
    return [[span for span in spans if span.name == name] for name in names]


def _span_texts(turn: Turn, alike: Sequence[Span]) -> list[str]:
    """Return what may be written for spans of one name, the best first: their total is told once."""
    span = alike[0]
    plain = f"{span.name} {total(alike)}"
    if span.name == "recognition":
        return [f"{plain}, {counted(len(turn.partials), 'partial')}", plain]
    words = {"user": turn.user_input, "playback": turn.reply}.get(span.stage, "")
    quotes = [textwrap.shorten(words, n, placeholder="…") for n in (80, 60, 40, 25)] if words else []
    return [plain.replace("speech", f"“{quote}”") for quote in quotes] + [plain]


def _label_row(
    axes: Axes,
    y: float,
    bars: Sequence[Span],
    colours: Sequence[tuple[float, float, float]],
    inside: Sequence[Sequence[str]],
    beside: Sequence[Sequence[str]],
    reach: float,
    lines: Sequence[float],
    failure: Event | None,
) -> None:
    """Write on each bar what fits; the rest before a long bar that follows, or right of `reach`.

    For either place there are several texts for each bar, the best first.
    """
    per_pixel, written = units_per_pixel(axes), False
    before: list[Sequence[str]] = []
    after: list[Sequence[str]] = []
    for bar, colour, on_it, next_to_it in zip(bars, colours, inside, beside, strict=True):
        room = (bar.end - bar.start) / per_pixel - 8
        text = next((t for t in on_it if text_width(t) <= room), None)
        if text:
            write(axes, (bar.start + bar.end) / 2, y, text, color=ink(colour), ha="center")
            written = True
        else:
            (after if written else before).append(next_to_it)
    start = bars[0].start if bars else 0.0
    left, right = start / per_pixel - 8, (axes.get_xlim()[1] - reach) / per_pixel + 6
    for choice in range(3):
        lead, rest = (
            ", ".join(texts[min(choice, len(texts) - 1)] for texts in part) for part in (before, after)
        )
        all_right = ", ".join(filter(None, [lead, rest]))
        fits_right, fits_left = (
            text_width(all_right) <= right,
            text_width(lead) <= left and text_width(rest) <= right,
        )
        if fits_left or fits_right:
            break
    if lead and fits_left and (written or failure or not fits_right):
        write_beside(axes, start, y, lead, "right", lines)
        all_right = rest
    write_beside(axes, reach, y, all_right, "left", lines)
    if failure:
        write_beside(axes, max(reach, failure.time), y, _failure(failure), "left", lines, weight="bold")


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
    figure, (axes,) = new_figure(1.45, left=0.2)
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
    figure.set_label(f"States of the agent: {told}.")
    return figure


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
    figure, (axes,) = new_figure(min(0.95 + 0.27 * max(len(rows), 2), 7), left=3.6, top=0.32)
    times = [*(time for time, _ in rows), m.speech_ended, m.end_of_turn]
    right = 1.12 * max([time for time in times if not isnan(time)], default=1.0)
    axes.set(xlim=(0, right), xlabel=SINCE_OPENED)
    rows_only(axes, (), ylim=(max(len(rows), 1) - 0.4, -0.6))
    revised: list[str] = []
    for y, (start, words) in enumerate(rows):
        final = finished and y == len(rows) - 1
        end = rows[y + 1][0] if y + 1 < len(rows) else right
        look = {"facecolors": [tint("asr", "" if final else "finalisation")]}
        _draw_spans(axes, y, [Span("asr", "", start, end)], label="final" if final else "partial", **look)
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
