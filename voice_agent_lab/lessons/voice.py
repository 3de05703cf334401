"""The explorer of notebook 05: how much text the voice is given at a time, and what the user hears.

One reply is spoken again and again; only the way it reaches the voice changes. The figures here put
text, synthesis and playback under each other, with the silences that the user hears inside the reply.

Conventions
-----------
Times are in seconds after the end of the user's speech, because the user waits from there. A gap is
a silence inside the reply in which playback had run dry: an underrun. The silence at the beginning
of a piece of speech belongs to the sound and is not a gap.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from functools import lru_cache

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.lessons.explorer import Explorer, choice, slider
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.plots import STAGE_COLOURS, drawn_in_style, new_figure
from voice_agent_lab.stages.llm import StreamingLLM
from voice_agent_lab.stages.tts import StreamingTTS
from voice_agent_lab.streams import StageError
from voice_agent_lab.turns.agent import StreamingVoiceAgent

REPLY = (
    "Yes, it is sunny now, with 22 degrees, and dry until nine. Later some rain is coming, so take a jacket."
)
"""What the agent says in notebook 05: two sentences of several clauses."""

UNITS = {"by word": "word", "by 20 characters": 20, "by clause": "clause", "by sentence": "sentence"}
"""The ways to cut a reply that the notebook compares."""

CHUNK = 0.1
"""Seconds of sound in a chunk of the simulated voice."""

_PALE = {"llm": "#8CC0DC", "tts": "#F4D08C"}
Cut = Callable[[AsyncIterator[str]], AsyncIterator[str]]


def reply_turn(
    aggregation: str | int | Cut = "sentence",
    *,
    words_per_second: float = 10.0,
    first_chunk: float = 0.3,
    real_time_factor: float = 0.5,
    leading_silence: float = 0.0,
    reply: str = REPLY,
) -> Turn:
    """Run one turn in which the agent says `reply`.

    Parameters
    ----------
    aggregation : {"word", "clause", "sentence"}, int or async generator function
        How the reply is cut for the voice. A function takes the stream of tokens and yields pieces.
    words_per_second : float
        How fast the language model writes, after its first word.
    first_chunk : float
        Seconds of synthesis for the first chunk of each piece.
    real_time_factor : float
        Seconds of synthesis for each second of sound, in the later chunks of a piece.
    leading_silence : float
        Seconds of silence before the voice of each piece.
    reply : str
        What the agent says.

    Returns
    -------
    Turn

    Raises
    ------
    ValueError
        If `words_per_second` is not positive, or another value cannot be used.
    """
    if not words_per_second > 0:
        raise ValueError(f"words_per_second is {words_per_second!r}; it must be positive, such as 10")
    if callable(aggregation):  # anew each time: a learner's function may have changed
        return _run(aggregation, words_per_second, first_chunk, real_time_factor, leading_silence, reply)
    return _cached(aggregation, words_per_second, first_chunk, real_time_factor, leading_silence, reply)


class _Cutting(StreamingLLM):
    """A language model whose tokens are cut into pieces by a function before anyone sees them."""

    cut: Cut

    async def generate_response(self, prompt: str) -> AsyncIterator[str]:
        async for piece in self.cut(super().generate_response(prompt)):
            yield piece


def _run(
    aggregation: str | int | Cut,
    words_per_second: float,
    first_chunk: float,
    real_time_factor: float,
    leading_silence: float,
    reply: str,
) -> Turn:
    own = callable(aggregation)
    llm = (_Cutting if own else StreamingLLM)(0.5, 1 / words_per_second, replies={"weather": reply})
    if own:
        llm.cut = aggregation
    tts = StreamingTTS(first_chunk, real_time_factor * CHUNK, leading_silence=leading_silence)
    agent = StreamingVoiceAgent(aggregation=1 if own else aggregation, llm=llm, tts=tts)
    return finished_turn(agent, "What's the weather like?")


def finished_turn(agent: StreamingVoiceAgent, prompt: str) -> Turn:
    """Run a turn in virtual time and return it.

    Raises
    ------
    Exception
        What a stage raised, as it was, without the name of the stage: in an exercise the stage is the
        learner's own function, and the error should be too.
    """
    try:
        simulate(agent.process_turn(prompt))
    except StageError as error:
        raise error.__cause__ from None
    return agent.turns[-1]


_cached = lru_cache(maxsize=64)(_run)


def pieces(turn: Turn) -> list[str]:
    """Return the pieces of text that the voice was given in a turn, in order."""
    return [event.detail["text"] for event in turn.log.all("tts", "piece")]


def gaps(turn: Turn) -> list[float]:
    """Return the length of each silence inside the reply of a turn, in seconds."""
    return [round(gap.end - gap.start, 9) for gap in turn.underruns]


def cost_table(turns: dict[str, Turn]) -> pd.DataFrame:
    """Return how early each turn speaks and what that costs.

    Parameters
    ----------
    turns : dict of str to Turn
        The turns under their names.

    Returns
    -------
    pandas.DataFrame
        For each turn its number of pieces, its voice-to-voice in seconds, the number of its gaps, and
        their sum and maximum in seconds.
    """
    rows = [
        (
            len(pieces(turn)),
            turn.metrics.voice_to_voice,
            len(gaps(turn)),
            round(sum(gaps(turn)), 9),
            max(gaps(turn), default=0.0),
        )
        for turn in turns.values()
    ]
    columns = ["pieces", "first audio (s)", "gaps", "silence in gaps (s)", "longest gap (s)"]
    return pd.DataFrame(rows, index=list(turns), columns=columns).round(3)


@drawn_in_style
def cost_of_speaking_early(turns: dict[str, Turn]) -> Figure:
    """Draw the first audio of each turn against the silence inside its reply.

    Parameters
    ----------
    turns : dict of str to Turn
        The turns under their names.

    Returns
    -------
    Figure
    """
    figure, (axes,) = new_figure(2.8, left=0.75, right=1.4)
    points = [(name, t.metrics.voice_to_voice, sum(gaps(t)), len(gaps(t))) for name, t in turns.items()]
    axes.scatter([x for _, x, _, _ in points], [y for _, _, y, _ in points], s=60, color=_colour("playback"))
    for name, x, y, number in points:
        text = f"{name}\n{_gaps_in_words(number, y)}"
        axes.annotate(text, (x, y), (7, 0), textcoords="offset points", va="bottom", size=8)
    right, top = max(x for _, x, _, _ in points), max(y for _, _, y, _ in points)
    axes.set(
        xlim=(min(x for _, x, _, _ in points) - 0.1, right + 0.02), ylim=(-0.06 * (top or 1), 1.25 * top or 1)
    )
    axes.set(xlabel="first audio: seconds after the end of speech", ylabel="silence in gaps (s)")
    told = "; ".join(f"{name}: first audio {x:.2f} s, {_gaps_in_words(n, y)}" for name, x, y, n in points)
    figure.set_label(f"First audio against gaps. {told}.")
    return figure


@drawn_in_style
def text_voice_playback(turns: dict[str, Turn]) -> Figure:
    """Draw, for each turn, when text was handed over, when the voice worked, and what was heard.

    Parameters
    ----------
    turns : dict of str to Turn
        The turns under their names; up to five fit.

    Returns
    -------
    Figure
    """
    figure, (axes,) = new_figure(0.9 + 0.72 * len(turns) + 0.25 * (len(turns) == 1), left=1.9, top=0.3)
    right = max(turn.metrics.playback_ended - turn.metrics.speech_ended for turn in turns.values())
    axes.set(xlim=(0, 1.01 * right), ylim=(3.6 * len(turns) - 0.6, -0.5), yticks=[])
    axes.set(xlabel="seconds after the end of speech")
    axes.spines.left.set_visible(False)
    axes.annotate(_KEY, (0, 1), (0, 6), xycoords="axes fraction", textcoords="offset points", size=8)
    told = []
    for k, (name, turn) in enumerate(turns.items()):
        _draw_reply(axes, 3.6 * k, turn)
        axes.annotate(name, (0, 3.6 * k + 1), (-62, 0), textcoords="offset points", ha="right", **_LOOK)
        wait, number = turn.metrics.voice_to_voice, len(gaps(turn))
        told.append(f"{name}: first audio {wait:.2f} s, {_gaps_in_words(number, sum(gaps(turn)))}")
    figure.set_label(f"Text, voice and playback. {'; '.join(told)}.")
    return figure


_KEY = (
    "mark: the voice takes a piece of text   |   dark: its first chunk, pale: later ones   |   hatched: gap"
)
_LOOK = {"va": "center", "size": 8, "annotation_clip": False}


def _draw_reply(axes: Axes, y: float, turn: Turn) -> None:
    """Draw the three rows of one turn from `y` downwards."""
    zero = turn.metrics.speech_ended
    for row, name in enumerate(("LLM", "voice", "playback")):
        axes.annotate(name, (0, y + row), (-8, 0), textcoords="offset points", ha="right", **_LOOK)
    _bars(axes, y, _joined(turn, "llm", "token"), color=_PALE["llm"])
    handed = [event.time - zero for event in turn.log.all("tts", "piece")]
    axes.vlines(handed, y - 0.42, y + 0.42, color="black", linewidth=1.5)
    _bars(axes, y + 1, _joined(turn, "tts", "chunk"), color=_PALE["tts"])
    first = [
        (e.time - e.detail["took"] - zero, e.time - zero)
        for e in turn.log.all("tts", "chunk")
        if e.detail["first_of_piece"]
    ]
    _bars(axes, y + 1, first, color=_colour("tts"))
    heard = [
        (s.start - zero, s.end - zero) for s in turn.spans if (s.stage, s.name) == ("playback", "speech")
    ]
    silent = [(s.start - zero, s.end - zero) for s in turn.underruns]
    _bars(axes, y + 2, heard, color=_colour("playback"))
    _bars(axes, y + 2, silent, facecolor="white", edgecolor="black", hatch="//////", linewidth=0)


def _joined(turn: Turn, stage: str, item: str) -> list[tuple[float, float]]:
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


def _colour(stage: str) -> str:
    return STAGE_COLOURS[stage]


def _gaps_in_words(number: int, seconds: float) -> str:
    return f"{number} gap{'s' * (number != 1)}, {seconds:.2f} s" if number else "no gap"


def voice() -> Explorer:
    """Return controls over how a reply reaches the voice, and how fast the voice works."""
    return Explorer(
        _draw,
        unit=choice("text is handed over", list(UNITS), "by sentence"),
        words_per_second=slider("language model (words per second)", 1.0, 50.0, 10.0, 0.5),
        first_chunk=slider("voice: first chunk of each piece (s)", 0.0, 1.0, 0.3, 0.05),
        real_time_factor=slider("voice: real-time factor", 0.1, 2.0, 0.5, 0.05),
        leading_silence=slider("voice: leading silence of each piece (s)", 0.0, 0.3, 0.0, 0.02),
    )


def _draw(
    unit: str, words_per_second: float, first_chunk: float, real_time_factor: float, leading_silence: float
) -> tuple[Figure, str]:
    turn = reply_turn(
        UNITS[unit],
        words_per_second=words_per_second,
        first_chunk=first_chunk,
        real_time_factor=real_time_factor,
        leading_silence=leading_silence,
    )
    number, silence = len(gaps(turn)), sum(gaps(turn))
    heard = _gaps_in_words(number, silence) + f", the longest {max(gaps(turn), default=0):.2f} s" * (
        number > 1
    )
    wait, end = turn.metrics.voice_to_voice, turn.metrics.playback_ended - turn.metrics.speech_ended
    return text_voice_playback({unit: turn}), (
        f"{unit[0].upper()}{unit[1:]}: {len(pieces(turn))} pieces. The user waits {wait:.2f} s for the "
        f"first sound and hears {heard}. The reply is over after {end:.2f} s."
    )
