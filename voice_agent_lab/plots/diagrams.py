"""Diagrams without a time axis: the chain of stages, with "you are here", and the agent's states."""

from collections.abc import Collection, Mapping

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from voice_agent_lab.plots.drawing import (
    STAGE_COLOURS,
    STATE_STAGES,
    drawn_in_style,
    headline,
    ink,
    new_figure,
)

_CHAIN = {
    "microphone": ("microphone", "frames"),
    "voice activity": ("vad", "speech?"),
    "endpointing": ("endpointing", "end of turn"),
    "recognition": ("asr", "transcript"),
    "language model": ("llm", "tokens"),
    "text aggregation": ("aggregation", "pieces"),
    "synthesis": ("tts", "chunks"),
    "playback": ("playback", "sound"),
}  # the stages in order, each with its name in `STAGE_COLOURS` and what it hands on
_PALE = 0.75  # how much white a stage has where one is not

# Where the states stand, in inches, and how the arrows between them bend: the round of a turn goes
# to the right, the ways back lie above and below it.
_PLACES = {
    "listening": (0.95, 1.35),
    "processing_speech": (2.95, 1.35),
    "thinking": (4.95, 1.35),
    "speaking": (6.95, 1.35),
    "interrupted": (5.95, 0.35),
}


@drawn_in_style
def pipeline(*here: str) -> Figure:
    """Draw the stages of a voice agent in a chain, and mark where in it one is.

    Parameters
    ----------
    *here : str
        The stages that are marked: "microphone", "voice activity", "endpointing", "recognition",
        "language model", "text aggregation", "synthesis" or "playback". All are alike if none is given.

    Raises
    ------
    ValueError
        If there is no such stage.
    """
    for stage in here:
        if stage not in _CHAIN:
            raise ValueError(f"there is no stage {stage!r}; there are {', '.join(_CHAIN)}")
    figure, axes = _canvas(1.45)
    width, gap = 0.74, 0.215
    left = 0.28
    _flow(axes, 0.06, left, "speech")
    for stage, (colour, handed_on) in _CHAIN.items():
        marked = not here or stage in here
        _box(axes, (left, 0.45, width, 0.5), stage.replace(" ", "\n"), colour, marked, stage in here)
        if stage in here:
            axes.annotate(
                "you are here", (left + width / 2, 0.97), (left + width / 2, 1.13), ha="center", size=8,
                weight="bold", arrowprops={"arrowstyle": "-|>", "color": "black"},
            )  # fmt: skip
        _flow(axes, left + width, left + width + gap, handed_on)
        left += width + gap
    if not here:
        headline(figure, "A voice agent is a chain: each stage reads the one before it")
    stages = "; ".join(f"{stage} hands on {handed_on}" for stage, (_, handed_on) in _CHAIN.items())
    you = f" You are at: {', '.join(here)}." if here else ""
    figure.set_label(
        f"The chain of a voice agent, from the user's speech to the sound of the answer: {stages}.{you}"
    )
    return figure


@drawn_in_style
def agent_states(changes: Mapping[str, Collection[str]]) -> Figure:
    """Draw the states of the agent, and the changes between them.

    Parameters
    ----------
    changes : mapping of str to collection of str
        Which states can follow each: those of `turns.states.LEGAL`, by their values.
    """
    figure, axes = _canvas(2.4)
    for state, (x, y) in _PLACES.items():
        _box(axes, (x - 0.62, y - 0.2, 1.24, 0.4), state.replace("_", "\n"), STATE_STAGES[state], True)
    for state, followers in changes.items():
        for follower in followers:
            _change(axes, state, follower)
    headline(figure, "A turn goes round once; every way back ends in listening")
    told = "; ".join(
        f"from {state} to {' or '.join(sorted(followers))}" for state, followers in changes.items()
    ).replace("_", " ")
    figure.set_label(f"The states of the agent and the changes that can happen: {told}.")
    return figure


def _canvas(height: float) -> tuple[Figure, Axes]:
    """Return a figure whose only axes are its inches."""
    figure, (axes,) = new_figure(height, left=0, right=0, bottom=0, top=0)
    axes.set(xlim=(0, 8), ylim=(0, height))
    axes.set_axis_off()
    return figure, axes


def _box(
    axes: Axes,
    place: tuple[float, float, float, float],
    text: str,
    stage: str,
    marked: bool,
    framed: bool = False,
) -> None:
    x, y, width, height = place
    white = 0.0 if marked else _PALE
    red, green, blue = (c + (1 - c) * white for c in to_rgb(STAGE_COLOURS[stage]))
    axes.add_patch(
        FancyBboxPatch(
            (x, y), width, height, boxstyle="round,pad=0,rounding_size=0.06",
            facecolor=(red, green, blue), edgecolor="black" if marked else "#767676", linewidth=2.5 if framed else 0.8,
        )
    )  # fmt: skip
    middle = x + width / 2, y + height / 2
    axes.text(*middle, text, ha="center", va="center", size=8, color=ink((red, green, blue)))


def _flow(axes: Axes, start: float, end: float, what: str) -> None:
    """Draw the arrow between two stages, and write beneath it what flows."""
    _arrow(axes, (start, 0.7), (end, 0.7))
    axes.text(max((start + end) / 2, 0.2), 0.37, what.replace("of ", "of\n"), ha="center", va="top", size=7)


def _change(axes: Axes, state: str, follower: str) -> None:
    (x, y), (to_x, to_y) = _PLACES[state], _PLACES[follower]
    if y == to_y and to_x > x:
        _arrow(axes, (x + 0.62, y), (to_x - 0.62, y))
    elif y == to_y:  # back over the others' heads
        _arrow(axes, (x, y + 0.2), (to_x - 0.35 + x / 14, y + 0.2), bend=0.27 - 0.015 * x)
    elif to_y < y:
        _arrow(axes, (x, y - 0.2), (to_x, to_y + 0.2))
    else:
        _arrow(axes, (x - 0.62, y), (to_x, to_y - 0.2), bend=-0.2)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], bend: float = 0.0) -> None:
    axes.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle="-|>", mutation_scale=9, color="black", linewidth=1, shrinkA=0, shrinkB=0,
            connectionstyle=f"arc3,rad={bend}",
        )
    )  # fmt: skip
