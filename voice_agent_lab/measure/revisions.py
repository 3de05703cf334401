"""What a recogniser believed about each word, when it changed its mind, and when it could be trusted.

Conventions
-----------
Times and waits are in seconds. A word is *trusted* when it has stood unchanged for longer than the
listener waits, or when the transcript is final. Every word that appears or changes is an *edit*; the
final transcript needs one for each of its words, and all others are *spurious*.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from voice_agent_lab.measure.log import Event, EventLog
from voice_agent_lab.measure.turn import Turn


@dataclass(frozen=True)
class WordHistory:
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
    *partials, (final_at, final) = beliefs
    return Turn(
        EventLog(
            events=(
                Event(0.0, "user", "input", {"text": said}),
                *(Event(time, "asr", "partial", {"text": text}) for time, text in partials),
                Event(speech_ended, "user", "speech_ended"),
                Event(final_at, "asr", "complete", {"text": final}),
            )
        )
    )


def edits(turn: Turn) -> tuple[int, int]:
    """Return how many words appeared or changed in a turn's transcripts, and how many the final one has."""
    count = 0
    before: list[str] = []
    for text in [*(text for _, text in turn.partials), turn.transcript]:
        words = text.split()
        count += sum(before[k : k + 1] != [word] for k, word in enumerate(words))
        before = words
    return count, len(before)


def word_histories(turn: Turn, spoken_until: Sequence[float]) -> list[WordHistory]:
    """Return what each word of a finished turn was taken for over time.

    Parameters
    ----------
    turn : Turn
        The turn. Words are matched by their place in the transcript.
    spoken_until : sequence of float
        When the audio of each word that was said ended, in seconds. A word that was never shown is
        left out.
    """
    final_at = turn.metrics.asr_complete
    beliefs = [(time, text.split()) for time, text in [*turn.partials, (final_at, turn.transcript)]]
    words = []
    for place, end in enumerate(spoken_until):
        history: list[tuple[float, str]] = []
        for time, belief in beliefs:
            if place < len(belief) and (not history or history[-1][1] != belief[place]):
                history.append((time, belief[place]))
        if history:
            words.append(WordHistory(end, tuple(history), final_at))
    return words


def wrong_and_late(words: Sequence[WordHistory], wait: float) -> tuple[float, float]:
    """Return the share of words trusted while wrong, and how late a word is trusted on average.

    Parameters
    ----------
    words : sequence of WordHistory
        The words of at least one turn.
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


def spurious_edits(words: Sequence[WordHistory]) -> float:
    """Return the share of edits that the final transcript did not need."""
    return 1 - len(words) / sum(len(word.history) for word in words)
