"""Partials and their revisions, in notebook 03: what is known before the sentence is over.

Conventions
-----------
Times and waits are in seconds. A word is *trusted* when it has stood unchanged for as long
as the listener wants, or when the transcript is final.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import log

import numpy as np
from matplotlib.figure import Figure

from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.measure.log import Event, EventLog
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.plots import STAGE_COLOURS, drawn_in_style, length, new_figure
from voice_agent_lab.stages.asr import StreamingASR
from voice_agent_lab.stages.speech import CHARS_PER_SECOND

REQUESTS = (
    "Can you tell me what the weather will be like in Paris tomorrow?",
    "Please set a timer for ten minutes and call me when it is over.",
    "What time does the last train to the airport leave this evening?",
    "Play something quiet for the afternoon, but nothing with a saxophone.",
    "Turn off the lights in the kitchen and leave the others as they are.",
    "Could you remind me to water the plants before leaving on Friday?",
)
"""What the simulated users of the stability experiment say, in turn."""

SPHINX_WITH_GRAMMAR = (
    (0.192, "can"),
    (0.320, "can you"),
    (0.448, "can you say"),
    (0.608, "can you set"),
    (0.736, "can you set a"),
    (1.024, "can you set a timer"),
    (1.184, "can you set a timer for"),
    (1.408, "can you set a timer for two"),
    (1.472, "can you set a timer for ten"),
    (1.856, "can you set a timer for twenty"),
    (1.984, "can you set a timer for ten minutes"),
    (2.592, "can you set a timer for ten minutes"),
)
"""What PocketSphinx believed of "Can you set a timer for ten minutes?", with the shipped grammar.

Each belief stands beside the seconds of audio heard when it was first shown; the last one is final.
Speech ends at 2.08 s. Made once with PocketSphinx 5.1.1 (`engines.sphinx`), a synthetic user
(`engines.espeak`) and frames of 32 ms; another run differs a little, as that voice is never quite the same.
"""

SPHINX_OPEN = (
    (0.352, "can"),
    (0.384, "any"),
    (0.416, "can you"),
    (0.480, "and you'd"),
    (0.576, "can you to"),
    (0.640, "and your day"),
    (0.672, "can you to"),
    (0.704, "can you get"),
    (0.736, "can you tell"),
    (0.768, "can you kill"),
    (0.864, "and your daily"),
    (0.960, "can you delete"),
    (1.056, "can you tell me that"),
    (1.152, "can you deleted"),
    (1.216, "can you tell me that so"),
    (1.280, "can you tell me that tie"),
    (1.440, "can you delete a diet"),
    (1.472, "can you tell me that time"),
    (1.536, "can you deleted iowa"),
    (1.568, "can you delete a dial"),
    (1.600, "can you delete a diet"),
    (1.632, "can you delete a dial up"),
    (1.984, "can you believe that time"),
)
"""What it believed of "Can you tell me the time?" when any English words were possible.

Made in the same way; speech ends at 1.45 s.
"""

_FRAME = 0.04  # of the stability experiment, in seconds
_TURNS = 60
_LATE = 0.1  # the share of revisions that come later than 0.32 s, see `many_turns`


@dataclass(frozen=True)
class HeardWord:
    """One word of a transcript and what the recogniser believed it to be.

    Attributes
    ----------
    spoken_until : float
        When the word's audio ended, in seconds.
    history : tuple of (float, str)
        Each belief with the time, in seconds, at which it was first shown; the final one is the last.
    final_at : float
        When the transcript became final, in seconds.
    """

    spoken_until: float
    history: tuple[tuple[float, str], ...]
    final_at: float

    @property
    def text(self) -> str:
        """What the word is in the final transcript."""
        return self.history[-1][1]

    def trusted(self, wait: float) -> tuple[float, str]:
        """Return when the word is first trusted, in seconds, and what it is then taken for."""
        for shown, changed, text in self._stretches:
            if shown + wait < changed:
                return round(shown + wait, 9), text
        return self.final_at, self.text

    @cached_property
    def _stretches(self) -> list[tuple[float, float, str]]:
        """From when until when each belief stood, less a tenth of a nanosecond, and what it was."""
        until = [time for time, _ in self.history[1:]] + [self.final_at]
        return [(shown, end - 1e-10, text) for (shown, text), end in zip(self.history, until, strict=True)]


def logged(said: str, beliefs: Sequence[tuple[float, str]], speech_ended: float) -> Turn:
    """Return a turn that holds nothing but a log of what a recogniser believed.

    Parameters
    ----------
    said : str
        What was said.
    beliefs : sequence of (float, str)
        Transcripts with their times in seconds; the last one is final.
    speech_ended : float
        In seconds.
    """
    (final_at, final), events = beliefs[-1], [Event(0.0, "user", "input", {"text": said})]
    events += [Event(time, "asr", "partial", {"text": text}) for time, text in beliefs[:-1]]
    events += [
        Event(speech_ended, "user", "speech_ended"),
        Event(final_at, "asr", "complete", {"text": final}),
    ]
    return Turn(EventLog(events=tuple(events)))


def edits(turn: Turn) -> tuple[int, int]:
    """Return how many words appeared or changed in a turn's transcripts, and how many the final one has."""
    count, before = 0, []
    for text in [*(text for _, text in turn.partials), turn.transcript]:
        words = text.split()
        count += sum(before[k : k + 1] != [word] for k, word in enumerate(words))
        before = words
    return count, len(before)


def word_histories(turn: Turn) -> list[HeardWord]:
    """Return the words of a finished turn of a simulated user, with what each was taken for over time.

    Parameters
    ----------
    turn : Turn
        The turn. Words are matched by their place in the transcript.
    """
    return _histories(turn.user_input, turn.partials, turn.metrics.asr_complete, turn.transcript)


def _histories(
    said: str, partials: Sequence[tuple[float, str]], final_at: float, final: str
) -> list[HeardWord]:
    beliefs = [(time, text.split()) for time, text in [*partials, (final_at, final)]]
    words, characters = [], 0
    for place, word in enumerate(said.split()):
        characters += len(word)
        history: list[tuple[float, str]] = []
        for time, belief in beliefs:
            if place < len(belief) and (not history or history[-1][1] != belief[place]):
                history.append((time, belief[place]))
        if history:
            words.append(HeardWord(round(characters / CHARS_PER_SECOND, 9), tuple(history), final_at))
        characters += 1  # the space
    return words


@lru_cache(maxsize=32)
def many_turns(revision_rate: float = 0.3) -> tuple[HeardWord, ...]:
    """Return the words of 60 simulated turns in which words are revised.

    Each turn has a recogniser of its own, with a revision lag of its own. The lags are spread like an
    exponential distribution of which a tenth lies above 0.32 s. That number is borrowed from Baumann,
    Atterer & Schlangen (2009), who found a tenth of all edits to be spurious at that lag; the shape is
    a choice. Recognition itself takes no time here, hears 40 ms at a time, and finalises after 0.6 s
    of silence.

    Parameters
    ----------
    revision_rate : float
        The chance that a word first appears wrong.
    """
    return tuple(simulate(_heard(revision_rate)))


async def _heard(revision_rate: float) -> list[HeardWord]:
    words: list[HeardWord] = []
    for number in range(_TURNS):
        said = REQUESTS[number % len(REQUESTS)]
        lag = 0.32 * log(1 - (number + 0.5) / _TURNS) / log(_LATE)
        asr = StreamingASR(
            0, 0, revision_rate=revision_rate, revision_lag=lag, rng=np.random.default_rng(number)
        )
        frame = np.zeros(round(_FRAME * asr.sample_rate), dtype=np.float32)
        frames = round((len(said) / CHARS_PER_SECOND + 0.6) / _FRAME)
        heard = 0

        async def audio(frame: np.ndarray = frame, frames: int = frames) -> AsyncIterator[np.ndarray]:
            nonlocal heard
            for heard in range(1, frames + 1):  # noqa: B007
                yield frame

        shown = [(round(heard * _FRAME, 9), text) async for text, _ in asr.transcribe_stream(audio(), said)]
        final_at, final = shown.pop()
        words += _histories(said, shown, final_at, final)
    return words


def wrong_and_late(words: Sequence[HeardWord], wait: float) -> tuple[float, float]:
    """Return the share of words trusted while wrong, and how late a word is trusted on average.

    Parameters
    ----------
    words : sequence of HeardWord
        The words; see `many_turns`.
    wait : float
        How long a word must have stood unchanged to be trusted, in seconds.

    Returns
    -------
    tuple of float
        The share, from 0 to 1, and the mean seconds from the end of a word's audio to the trust.
    """
    if not words:
        raise ValueError("words is empty; give the words of at least one turn")
    trusts = [(*word.trusted(wait), word) for word in words]
    wrong = sum(text != word.text for _, text, word in trusts)
    late = sum(time - word.spoken_until for time, _, word in trusts)
    return wrong / len(words), late / len(words)


def spurious_edits(words: Sequence[HeardWord]) -> float:
    """Return the share of edits that the final transcript did not need.

    Every word that appears or changes is an edit; the final transcript needs one for each word.
    """
    return 1 - len(words) / sum(len(word.history) for word in words)


@lru_cache(maxsize=32)
def curves(revision_rate: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return waits before trust in seconds, and for each the share of wrong words and the mean delay."""
    words = many_turns(revision_rate)
    waits = np.round(np.arange(0, 0.81, _FRAME), 2)
    shares, lates = zip(*(wrong_and_late(words, float(k)) for k in waits), strict=True)
    return waits, np.array(shares), np.array(lates)


@drawn_in_style
def wrong_against_wait(revision_rate: float = 0.3, wait: float = 0.32) -> Figure:
    """Draw what waiting buys and costs: words trusted while wrong, and how late words are trusted.

    Parameters
    ----------
    revision_rate : float
        The chance that a word first appears wrong.
    wait : float
        The wait to mark, in seconds.
    """
    words, (waits, shares, lates) = many_turns(revision_rate), curves(revision_rate)
    share, late = wrong_and_late(words, wait)
    figure, (above, below) = new_figure(3.5, left=1.2, right=0.3, top=0.3, shares=(1.2, 1))
    marks = {"markeredgecolor": "black", "markersize": 8}
    above.plot(waits * 1000, 100 * shares, color=STAGE_COLOURS["endpointing"])
    above.plot([wait * 1000], [100 * share], "o", color=STAGE_COLOURS["endpointing"], **marks)
    below.plot(waits * 1000, 1000 * lates, color=STAGE_COLOURS["asr"])
    below.plot([wait * 1000], [1000 * late], "s", color=STAGE_COLOURS["asr"], **marks)
    above.set(ylim=(0, 62), ylabel="trusted words\nthat are wrong (%)")
    below.set(
        xlim=(-12, 812), ylim=(0, 950), ylabel="known after\nits audio (ms)", xlabel="wait before trust (ms)"
    )
    for axes, value, text in ((above, 100 * share, f"{share:.1%}"), (below, 1000 * late, length(late))):
        axes.axvline(wait * 1000, color="black", linewidth=0.8, linestyle="--")
        axes.annotate(text, (wait * 1000, value), (8, 10), textcoords="offset pixels", weight="bold", size=9)
    above.set_title(f"{revision_rate:.0%} of words first appear wrong", size=9, loc="left")
    figure.set_label(
        f"{len(words)} words of {_TURNS} simulated turns, {revision_rate:.0%} of words first shown wrong. "
        f"Trusted after {wait * 1000:.0f} ms without a change, {share:.1%} of them are wrong, and a word is "
        f"known {length(late)} after its audio on average; trusted at once, {shares[0]:.1%} are wrong."
    )
    return figure
