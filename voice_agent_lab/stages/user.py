"""The user: who speaks into a microphone, what is being said, and the truth about when.

A microphone carries sound; the user makes it. How the sound of some words is made (speech-like, by a
synthetic voice, from a file) is a function that the user is given. A simulated user also knows the
truth that an agent has to guess: whether there is more to come, and when speech really ended.

Conventions
-----------
Moments are seconds on the loop's clock. An utterance begins with a sample of the microphone, counted
since it opened.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isnan

import numpy as np

from voice_agent_lab.measure.log import to_the_nanosecond
from voice_agent_lab.measure.words import joined
from voice_agent_lab.stages.speech import CHARS_PER_SECOND, SpokenWord, speech_bounds, spoken_words

_REMEMBERED = 600  # seconds: longer than a turn or a backlog is
_HALF_A_NANOSECOND = 0.5e-9  # seconds: what is less is rounding
Bounds = Callable[[np.ndarray, int], tuple[float, float]]


@dataclass(frozen=True)
class Utterance:
    """What the user says, from which sample on, and when in it (seconds) speech starts and ends."""

    text: str
    first_sample: int
    samples: np.ndarray
    started: float
    ended: float


class Saying(str):
    """What the user has begun to say; `so_far` tells what has been added meanwhile.

    Whoever takes it for a plain text has the words of the moment at which it was made.
    """

    so_far: Callable[[], str]

    def __new__(cls, so_far: Callable[[], str]) -> "Saying":
        """Take what is said now."""
        saying = super().__new__(cls, so_far())
        saying.so_far = so_far
        return saying


class User:
    """Somebody who speaks.

    Parameters
    ----------
    speak : callable
        Given some words, returns their sound as float32 of shape (samples,).
    sample_rate : int
        Of that sound, in Hz.
    bounds : callable
        Given a sound and its sample rate, returns when speech starts and ends in it, in seconds.

    Attributes
    ----------
    opened : float or None
        When the microphone was opened that the user speaks into.
    """

    def __init__(
        self, speak: Callable[[str], np.ndarray], sample_rate: int = 16000, bounds: Bounds = speech_bounds
    ) -> None:
        self._speak, self._bounds, self.sample_rate = speak, bounds, sample_rate
        self.opened: float | None = None
        self._utterances: list[Utterance] = []
        self._texts: dict[float, str] = {}  # of `words_from`, until more is said: it is asked every frame

    def forget(self) -> None:
        """Begin anew, with nothing said."""
        self.opened, self._utterances, self._texts = None, [], {}

    def say(self, text: str, first_sample: int = 0) -> None:
        """Begin to say `text` with a sample of the microphone.

        Raises
        ------
        ValueError
            If `text` is empty or its sound is silent.
        """
        if not text.strip():
            raise ValueError("text is empty; a user who says nothing starts no turn")
        samples = self._speak(text)
        started, ended = self._bounds(samples, self.sample_rate)
        if isnan(ended):
            raise ValueError(f"the audio for {text!r} is silent; nothing in it is louder than -40 dBFS")
        self._forget_before(first_sample - _REMEMBERED * self.sample_rate)
        self._utterances.append(Utterance(text, first_sample, samples, started, ended))
        self._texts = {}

    def _forget_before(self, sample: float) -> None:
        self._utterances = [u for u in self._utterances if u.first_sample + len(u.samples) > sample]

    def add_to(self, frame: np.ndarray, first_sample: int) -> None:
        """Add what the user says to a frame of silence, whose first sample is given."""
        for utterance in self._utterances:
            begin = max(first_sample, utterance.first_sample)
            end = min(first_sample + len(frame), utterance.first_sample + len(utterance.samples))
            if begin < end:
                sound = utterance.samples[begin - utterance.first_sample : end - utterance.first_sample]
                frame[begin - first_sample : end - first_sample] += sound

    def talks_after(self, at: float) -> bool:
        """Return whether there is speech to come after a moment in what the user has begun to say."""
        return any(self._began(u) + u.ended - at > _HALF_A_NANOSECOND for u in self._utterances)

    def edges(self, start: float, end: float) -> Iterator[tuple[str, float]]:
        """Yield each true start and end of speech between two moments, as (name of the event, moment)."""
        for utterance in self._utterances:
            began = self._began(utterance)
            started, ended = began + utterance.started, began + utterance.ended
            if to_the_nanosecond(start - started) <= 0 < to_the_nanosecond(end - started):
                yield "speech_started", started
            if to_the_nanosecond(start - ended) < 0 <= to_the_nanosecond(end - ended):
                yield "speech_ended", ended

    def words_from(self, at: float) -> str:
        """Return the words that the user has begun to say and that end after a moment, with their pauses.

        The text begins at that moment, with a break if need be.
        """
        if at not in self._texts:
            self._texts[at] = self._text_from(at)
        return self._texts[at]

    def _text_from(self, at: float) -> str:
        reached, natural = to_the_nanosecond(at - (self.opened or 0.0)), 1 / CHARS_PER_SECOND
        parts: list[str] = []
        for word in self._words(reached):
            pause = max(0.0, to_the_nanosecond(word.starts - reached))
            apart = joined([parts[-1], word.text])[len(parts[-1]) : -len(word.text)] if parts else ""
            if parts and abs(pause - (natural if apart else 0.0)) < 1e-6:
                parts.append(apart)
            elif pause:
                parts.append(f'<break time="{pause:.9f}s"/>')
            parts.append(word.text)
            reached = word.ends
        return "".join(parts)

    def _words(self, after: float) -> Iterator[SpokenWord]:
        """Yield the words that end after so many seconds since the microphone opened, with their times."""
        for utterance in self._utterances:
            began = utterance.first_sample / self.sample_rate
            for word in spoken_words(utterance.text)[0]:
                if began + word.ends > after:
                    yield SpokenWord(word.text, began + word.starts, began + word.ends)

    def _began(self, utterance: Utterance) -> float:
        return (self.opened or 0.0) + utterance.first_sample / self.sample_rate
