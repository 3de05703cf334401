"""Figures of who waited for whom: workers side by side, and the critical paths of turns."""

from collections.abc import Mapping, Sequence
from itertools import groupby

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from voice_agent_lab.measure.critical_path import critical_path
from voice_agent_lab.measure.turn import Span, Turn
from voice_agent_lab.plots.drawing import STAGE_COLOURS, drawn_in_style, headline, new_figure

_NAMES = {"endpointing": "silence", "asr": "ASR", "llm": "LLM", "tts": "voice", "playback": "speech"}


@drawn_in_style
def workers_side_by_side(runs: Mapping[str, Sequence[Span]]) -> Figure:
    """Draw who worked when in several runs, over one time axis.

    Parameters
    ----------
    runs : mapping of str to sequence of Span
        What the workers "llm" and "tts" did in each run, under a name for it.
    """
    figure, (axes,) = new_figure(0.9 + 0.75 * len(runs), left=2.2, top=0.37)
    end = max(span.end for spans in runs.values() for span in spans)
    axes.set(xlim=(0, 1.02 * end), ylim=(2.6 * len(runs) - 0.9, -0.6), yticks=[], xlabel="seconds")
    axes.spines.left.set_visible(False)
    look = {"textcoords": "offset points", "ha": "right", "va": "center", "size": 8, "annotation_clip": False}
    told = []
    for k, (name, spans) in enumerate(runs.items()):
        axes.annotate(name, (0, 2.6 * k + 0.5), (-40, 0), **look)
        for row, who in enumerate(("llm", "tts")):
            y = 2.6 * k + row
            axes.annotate(who.upper(), (0, y), (-8, 0), **look)
            for span in (span for span in spans if span.stage == who):
                _bar(axes, y, span.start, span.end, who, 0.85)
                ink = "white" if who == "llm" else "black"
                middle = (span.start + span.end) / 2
                axes.text(middle, y, span.name, color=ink, ha="center", va="center", size=8)
        told.append(f"{name}: {', '.join(f'{s.stage} {s.name} {s.start:g} to {s.end:g} s' for s in spans)}")
    ends = ", ".join(f"{name} {max(span.end for span in spans):g} s" for name, spans in runs.items())
    headline(figure, f"Done after: {ends}")
    figure.set_label(f"Who works when. {'; '.join(told)}.")
    return figure


@drawn_in_style
def critical_paths(turns: Mapping[str, Turn]) -> Figure:
    """Draw the critical path of each turn up to its last sound.

    Parameters
    ----------
    turns : mapping of str to Turn
        The turns under their names.
    """
    figure, (axes,) = new_figure(0.85 + 0.68 * len(turns), left=1.3, top=0.35)
    found = {name: critical_path(turn) for name, turn in turns.items()}
    zero = {name: turn.metrics.speech_ended for name, turn in turns.items()}
    end = max(spans[-1].end - zero[name] for name, spans in found.items())
    axes.set(xlim=(0, 1.01 * end), ylim=(len(turns) - 0.55, -0.75), yticks=[])
    axes.set(xlabel="seconds after the end of speech")
    axes.spines.left.set_visible(False)
    place = {"textcoords": "offset points", "va": "center", "ha": "right", "size": 9}
    look = {"va": "center_baseline", "size": 8}
    character = 5.6 * end / 650  # seconds; the axes are 650 pixels wide
    told = []
    for y, (name, spans) in enumerate(found.items()):
        axes.annotate(name, (0, y), (-8, 0), annotation_clip=False, **place)
        reached = 0.0
        for stage, group in groupby(spans, key=lambda span: span.stage):
            steps = list(group)
            start, length = steps[0].start - zero[name], steps[-1].end - steps[0].start
            _bar(axes, y, start, start + length, stage, 0.55)
            text, ink = f"{_NAMES[stage]} {length:.2f}", "white" if stage == "llm" else "black"
            if length > character * len(text):
                axes.text(start + length / 2, y, text, color=ink, ha="center", **look)
            else:
                axes.text(max(start, reached), y - 0.42, _NAMES[stage], **look)
                reached = max(start, reached) + character * (len(_NAMES[stage]) + 1)
        told.append(f"{name}: {', '.join(f'{s.name} {s.end - s.start:.2f} s' for s in spans)}")
    on_path = {
        name: sum(span.end - span.start for span in spans if span.stage == "llm")
        for name, spans in found.items()
    }
    headline(
        figure, "LLM on the path: " + ", ".join(f"{name} {took:.2f} s" for name, took in on_path.items())
    )
    figure.set_label(f"Critical paths up to the last sound. {'; '.join(told)}.")
    return figure


def _bar(axes: Axes, y: float, start: float, end: float, stage: str, height: float) -> None:
    axes.barh(y, end - start, height, left=start, color=STAGE_COLOURS[stage], edgecolor="white")
