"""Figures of replies as they were spoken: text, voice and playback under each other, and what is early.

Conventions
-----------
Times are in seconds after the end of the user's speech, because the user waits from there. A gap is
a silence inside the reply in which playback had run dry: an underrun.
"""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from voice_agent_lab.measure.reply import gaps
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.plots.drawing import STAGE_COLOURS, counted, drawn_in_style, headline, new_figure

_PALE = {"llm": "#8CC0DC", "tts": "#F4D08C"}
_KEY = (
    "mark: the voice takes a piece of text   |   dark: its first chunk, pale: later ones   |   hatched: gap"
)
_LOOK = {"textcoords": "offset points", "ha": "right", "va": "center", "size": 8, "annotation_clip": False}


def gaps_in_words(turn: Turn) -> str:
    """Return the gaps of a reply for a person to read: "2 gaps, 0.70 s", "no gap"."""
    return f"{counted(len(gaps(turn)), 'gap')}, {sum(gaps(turn)):.2f} s" if gaps(turn) else "no gap"


@drawn_in_style
def cost_of_speaking_early(turns: Mapping[str, Turn]) -> Figure:
    """Draw the first audio of each turn against the silence inside its reply.

    Parameters
    ----------
    turns : mapping of str to Turn
        The turns under their names.

    Returns
    -------
    Figure
    """
    figure, (axes,) = new_figure(3.1, left=0.75, right=1.4, top=0.42)
    waits = [turn.metrics.voice_to_voice for turn in turns.values()]
    silences = [sum(gaps(turn)) for turn in turns.values()]
    axes.scatter(waits, silences, s=60, color=STAGE_COLOURS["playback"])
    for (name, turn), *place in zip(turns.items(), waits, silences, strict=True):
        text = f"{name}\n{gaps_in_words(turn)}"
        axes.annotate(text, place, (7, 0), textcoords="offset points", va="bottom", size=8)
    top = max(silences) or 1
    axes.set(xlim=(min(waits) - 0.1, max(waits) + 0.02), ylim=(-0.06 * top, 1.25 * top))
    axes.set(xlabel="first audio: seconds after the end of speech", ylabel="silence in gaps (s)")
    headline(figure, _price(turns))
    figure.set_label(f"First audio against gaps. {_told(turns)}.")
    return figure


def _price(turns: Mapping[str, Turn]) -> str:
    """Return how much later than the earliest a reply without a gap begins."""
    waits = {name: turn.metrics.voice_to_voice for name, turn in turns.items()}
    without = {name: wait for name, wait in waits.items() if not gaps(turns[name])}
    if not without:
        return "Each of them has gaps"
    name, wait = min(without.items(), key=lambda item: item[1])
    later = wait - min(waits.values())
    if later < 1e-6:
        return f"The earliest, {name}, has no gap"
    return f"The first without a gap is {name}, {later:.2f} s after the earliest"


@drawn_in_style
def text_voice_playback(
    turns: Mapping[str, Turn], *, message: str | None = None, end: float | None = None
) -> Figure:
    """Draw, for each turn, when text was handed over, when the voice worked, and what was heard.

    Parameters
    ----------
    turns : mapping of str to Turn
        The turns under their names; up to five fit.
    message : str, optional
        What the figure says; which turn is the earliest and which the latest, if not given.
    end : float, optional
        Where the axis ends, in seconds, for pictures that are to be compared; where the longest reply
        does, if not given.

    Returns
    -------
    Figure
    """
    figure, (axes,) = new_figure(1.15 + 0.72 * len(turns) + 0.25 * (len(turns) == 1), left=1.9, top=0.55)
    right = max(turn.metrics.playback_ended - turn.metrics.speech_ended for turn in turns.values())
    axes.set(xlim=(0, 1.01 * max(right, end or 0.0)), ylim=(3.6 * len(turns) - 0.6, -0.5), yticks=[])
    axes.set(xlabel="seconds after the end of speech")
    axes.spines.left.set_visible(False)
    axes.annotate(_KEY, (0, 1), (0, 6), xycoords="axes fraction", textcoords="offset points", size=8)
    for k, (name, turn) in enumerate(turns.items()):
        _draw_reply(axes, 3.6 * k, turn)
        axes.annotate(name, (0, 3.6 * k + 1), (-62, 0), **_LOOK)
    headline(figure, message or _earliest_and_latest(turns))
    figure.set_label(f"Text, voice and playback. {_told(turns)}.")
    return figure


def _earliest_and_latest(turns: Mapping[str, Turn]) -> str:
    """Return when the first sound comes, and what gaps there are then; of equals, the fewest gaps come first."""
    told = {}
    for name, turn in turns.items():
        silent = counted(len(gaps(turn)), "gap") if gaps(turn) else "no gap"
        told[name] = f"{turn.metrics.voice_to_voice:.2f} s, {silent}"
    order = sorted(turns, key=lambda name: (turns[name].metrics.voice_to_voice, sum(gaps(turns[name]))))
    first, last = order[0], order[-1]
    if first == last:
        return f"First sound {first}: after {told[first]}"
    if turns[last].metrics.voice_to_voice - turns[first].metrics.voice_to_voice < 1e-6:
        wait = f"All begin after {turns[first].metrics.voice_to_voice:.2f} s"
        return f"{wait}; {first}: {gaps_in_words(turns[first])}, {last}: {gaps_in_words(turns[last])}"
    return f"Earliest {first}: {told[first]}. Latest {last}: {told[last]}"


def _told(turns: Mapping[str, Turn]) -> str:
    return "; ".join(
        f"{name}: first audio {turn.metrics.voice_to_voice:.2f} s, {gaps_in_words(turn)}"
        for name, turn in turns.items()
    )


def _draw_reply(axes: Axes, y: float, turn: Turn) -> None:
    """Draw the three rows of one turn from `y` downwards."""
    zero = turn.metrics.speech_ended
    for row, name in enumerate(("LLM", "voice", "playback")):
        axes.annotate(name, (0, y + row), (-8, 0), **_LOOK)
    _bars(axes, y, _at_work(turn, "llm", "token"), color=_PALE["llm"])
    handed = [event.time - zero for event in turn.log.all("tts", "piece")]
    axes.vlines(handed, y - 0.42, y + 0.42, color="black", linewidth=1.5)
    _bars(axes, y + 1, _at_work(turn, "tts", "chunk"), color=_PALE["tts"])
    first = [
        (event.time - event.detail["took"] - zero, event.time - zero)
        for event in turn.log.all("tts", "chunk")
        if event.detail["first_of_piece"]
    ]
    _bars(axes, y + 1, first, color=STAGE_COLOURS["tts"])
    spoken = [
        (s.start - zero, s.end - zero) for s in turn.spans if (s.stage, s.name) == ("playback", "speech")
    ]
    silent = [(s.start - zero, s.end - zero) for s in turn.underruns]
    _bars(axes, y + 2, spoken, color=STAGE_COLOURS["playback"])
    _bars(axes, y + 2, silent, facecolor="white", edgecolor="black", hatch="//////", linewidth=0)


def _at_work(turn: Turn, stage: str, item: str) -> list[tuple[float, float]]:
    """Return when a stage was at work on its items, without a break where one follows the other."""
    zero, spans = turn.metrics.speech_ended, []
    for event in turn.log.all(stage, item):
        start, end = round(event.time - event.detail["took"] - zero, 9), round(event.time - zero, 9)
        if spans and start <= spans[-1][1]:
            start = spans.pop()[0]
        spans.append((start, end))
    return spans


def _bars(axes: Axes, y: float, spans: Sequence[tuple[float, float]], **look: object) -> None:
    axes.broken_barh([(start, end - start) for start, end in spans], (y - 0.4, 0.8), **look)
