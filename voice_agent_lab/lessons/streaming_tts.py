"""Notebook 05: how much text the voice is given at a time, and what the user hears.

One reply is spoken again and again; only the way it reaches the voice changes.
"""

from collections.abc import AsyncIterator, Callable

from matplotlib.figure import Figure

from voice_agent_lab.lessons.exercises import finished_turn
from voice_agent_lab.lessons.explorer import choice, explorer, slider
from voice_agent_lab.measure.reply import gaps, pieces
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.plots.drawing import axis_end
from voice_agent_lab.plots.reply import gaps_in_words, text_voice_playback
from voice_agent_lab.stages.llm import StreamingLLM
from voice_agent_lab.stages.tts import StreamingTTS
from voice_agent_lab.turns.agent import StreamingVoiceAgent

REPLY = (
    "Yes, it is sunny now, with 22 degrees, and dry until nine. Later some rain is coming, so take a jacket."
)
"""What the agent says: two sentences of several clauses."""

UNITS = {"by word": "word", "by 20 characters": 20, "by clause": "clause", "by sentence": "sentence"}
"""The ways to cut a reply that the notebook compares."""

CHUNK = 0.1
"""Seconds of sound in a chunk of the simulated voice."""

_AXIS_ENDS = (12, 20, 40)  # seconds: where the explorer's axis ends

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
    Exception
        What a function given as `aggregation` raised, as it was.
    """
    if not words_per_second > 0:
        raise ValueError(f"words_per_second is {words_per_second!r}; it must be positive, such as 10")
    llm = StreamingLLM(0.5, 1 / words_per_second, replies={"weather": reply})
    tts = StreamingTTS(first_chunk, real_time_factor * CHUNK, leading_silence=leading_silence)
    agent = StreamingVoiceAgent(aggregation=aggregation, llm=llm, tts=tts)
    return finished_turn(agent, "What's the weather like?")


@explorer(
    unit=choice("text is handed over", list(UNITS), "by sentence"),
    words_per_second=slider("language model (words per second)", 1.0, 50.0, 10.0, 0.5),
    first_chunk=slider("voice: first chunk of each piece (s)", 0.0, 1.0, 0.3, 0.05),
    real_time_factor=slider("voice: real-time factor", 0.1, 2.0, 0.5, 0.05),
    leading_silence=slider("voice: leading silence of each piece (s)", 0.0, 0.3, 0.0, 0.02),
)
def voice(unit: str, **speeds: float) -> tuple[Figure, str]:
    """Vary how a reply reaches the voice, and how fast the voice works."""
    turn = reply_turn(UNITS[unit], **speeds)
    silences, metrics = gaps(turn), turn.metrics
    longest = f", the longest {max(silences):.2f} s" if len(silences) > 1 else ""
    end = metrics.playback_ended - metrics.speech_ended
    return text_voice_playback({unit: turn}, end=axis_end(end, _AXIS_ENDS)), (
        f"{unit[0].upper()}{unit[1:]}: {len(pieces(turn))} pieces. The user waits "
        f"{metrics.voice_to_voice:.2f} s for the first sound and hears {gaps_in_words(turn)}{longest}. "
        f"The reply is over after {end:.2f} s."
    )
