"""Speech recognition as a stream: partial transcripts while the user speaks, the final one after.

The simulated recogniser knows what is said and reveals it word by word, never before the word's
audio was processed. Every frame costs it time. If that is more than a frame lasts (a real-time
factor above 1), frames pile up and the final transcript comes late by the whole backlog.

When its audio stream ends, the recogniser finalises. Deciding *when* the stream ends is
endpointing, and happens before it (`endpointing`).
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

import numpy as np

from voice_agent_lab.checks import check_rate, check_seconds, shown
from voice_agent_lab.measure.words import joined
from voice_agent_lab.stages.distributions import Distribution, drawn
from voice_agent_lab.stages.speech import SpokenWord, spoken_words
from voice_agent_lab.stages.user import Saying


class Recogniser(Protocol):
    """Anything that turns a stream of audio frames into transcripts."""

    def transcribe_stream(
        self, audio_stream: AsyncIterator[np.ndarray], ground_truth: str
    ) -> AsyncIterator[tuple[str, bool]]:
        """Yield ``(partial, False)`` while audio comes, and ``(final, True)`` once after it ended."""
        ...


class StreamingASR:
    """A simulated streaming recogniser.

    Parameters
    ----------
    processing : Distribution or float
        Seconds of compute for one frame.
    finalization : Distribution or float
        Seconds from the last frame's recognition to the final transcript.
    revision_rate : float
        The chance that a word first appears wrong, as its first half, and is revised later.
    revision_lag : float
        Seconds of further audio after which a wrong word is put right. The default is the lag at
        which a tenth of all edits were still spurious (Baumann, Atterer & Schlangen 2009).
    sample_rate : int
        Of the audio, in Hz.
    rng : numpy.random.Generator, optional
        For latencies and revisions; seeded with 0 if not given.

    Attributes
    ----------
    processing, finalization : Drawn
        What draws them.

    Examples
    --------
    >>> fast = StreamingASR(processing=0.01, finalization=0.05)
    >>> agent = StreamingVoiceAgent(asr=fast)
    >>> metrics = simulate(agent.process_turn("What time is it?"))
    >>> for seconds, text in agent.turns[0].partials:
    ...     print(f"{seconds:.2f} {text}")
    0.41 What
    0.81 What time
    1.01 What time is
    1.31 What time is it?
    """

    def __init__(
        self,
        processing: Distribution | float = 0.1,
        finalization: Distribution | float = 0.3,
        *,
        revision_rate: float = 0.0,
        revision_lag: float = 0.32,
        sample_rate: int = 16000,
        rng: np.random.Generator | None = None,
    ) -> None:
        if not 0 <= revision_rate <= 1:
            raise ValueError(f"revision_rate is {revision_rate!r}; it must be between 0 and 1")
        self.sample_rate = check_rate("sample_rate", sample_rate)
        self.revision_rate = revision_rate
        self.revision_lag = check_seconds("revision_lag", revision_lag)
        self.rng = rng or np.random.default_rng(0)
        self.processing = drawn("processing", processing, self.rng)
        self.finalization = drawn("finalization", finalization, self.rng)

    async def transcribe_stream(
        self, audio_stream: AsyncIterator[np.ndarray], ground_truth: str
    ) -> AsyncIterator[tuple[str, bool]]:
        """Yield a partial whenever it changes, then the final transcript of the words that it took in.

        Parameters
        ----------
        audio_stream : async iterator of ndarray
            The frames; words are placed in them at the simulated user's speaking rate.
        ground_truth : str
            What is being said; a `Saying` may grow while it is.
        """
        said, samples = str(ground_truth), 0
        words, _ = spoken_words(said)
        wrong_at_first = self._wrong_at_first(len(words))
        shown: list[str] = []
        async for frame in audio_stream:
            await asyncio.sleep(self.processing())
            samples += len(frame)
            if isinstance(ground_truth, Saying) and ground_truth.so_far() != said:
                said = ground_truth.so_far()
                words, _ = spoken_words(said)
                wrong_at_first += self._wrong_at_first(len(words) - len(wrong_at_first))
            partial = self._hypothesis(words, wrong_at_first, samples / self.sample_rate)
            if partial != shown:
                shown = partial
                yield joined(partial), False
        await asyncio.sleep(self.finalization())
        yield joined(self._hypothesis(words, [False] * len(words), samples / self.sample_rate)), True

    def _wrong_at_first(self, words: int) -> list[bool]:
        """Draw for so many words which of them first appear wrong."""
        wrong: list[bool] = (self.rng.random(words) < self.revision_rate).tolist()
        return wrong

    def _hypothesis(self, words: list[SpokenWord], wrong_at_first: list[bool], taken: float) -> list[str]:
        """Return the words that the recogniser believes in after `taken` seconds of audio."""
        shown = []
        for word, wrong in zip(words, wrong_at_first, strict=True):
            age = taken - word.ends + 1e-9  # to the nanosecond
            if age < 0:
                break
            half = word.text[: (len(word.text) + 1) // 2]
            shown.append(half if wrong and age < self.revision_lag else word.text)
        return shown


def check_hypothesis(hypothesis: object) -> tuple[str, bool]:
    """Return a hypothesis with its text stripped, if it is a text and whether it is final."""
    if isinstance(hypothesis, tuple | list) and len(hypothesis) == 2:
        text, final = hypothesis
        if isinstance(text, str) and isinstance(final, bool | np.bool_):
            return text.strip(), bool(final)
    raise TypeError(
        f"transcribe_stream yielded {shown(hypothesis)}; it must yield pairs of a text and whether it is final"
    )
