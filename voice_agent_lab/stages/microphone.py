"""Sound that comes in: the microphone that never waits.

A microphone delivers a frame *after* it was captured: frame ``k`` of duration ``d`` arrives at
``(k + 1) * d``. It never waits for its reader. A reader that is late finds the frames that it has
missed waiting for it, all at once.

Conventions
-----------
Audio is mono ``float32`` in [-1, 1], shape ``(samples,)``; sample rates are in Hz.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from itertools import count
from math import ceil, isnan

import numpy as np

from voice_agent_lab.checks import check_rate, check_seconds
from voice_agent_lab.measure.log import record
from voice_agent_lab.stages.speech import BREAK, CHARS_PER_SECOND, speech_bounds, speech_like, spoken_words
from voice_agent_lab.streams import sleep_until


@dataclass(frozen=True)
class _Utterance:
    """What the user says, from which frame on, and when in it the first and the last sound is."""

    text: str
    first_frame: int
    samples: np.ndarray
    started: float
    ended: float


class AudioInputStream:
    """A user who speaks into a microphone: frames of audio, pushed in real time.

    Parameters
    ----------
    sample_rate : int
        In Hz.
    chunk_duration_ms : float
        How much sound a frame holds, in milliseconds.
    latency : float
        Seconds from the capture of a frame to its arrival at the agent: device, codec and network.
    """

    def __init__(
        self, sample_rate: int = 16000, chunk_duration_ms: float = 100, latency: float = 0.0
    ) -> None:
        self.sample_rate = check_rate("sample_rate", sample_rate)
        self.chunk_duration_ms = chunk_duration_ms
        milliseconds = check_seconds("chunk_duration_ms", chunk_duration_ms, "milliseconds")
        self.chunk_size = round(sample_rate * milliseconds / 1000)
        if self.chunk_size < 1:
            raise ValueError(
                f"chunk_duration_ms is {chunk_duration_ms!r}; a frame must hold at least one sample"
            )
        self.latency = check_seconds("latency", latency)
        self._opened: float | None = None
        self._utterances: list[_Utterance] = []

    def samples_for(self, text: str) -> np.ndarray:
        """Return the sound of the user saying `text`; here speech-like, in whole frames.

        Another kind of user (a synthetic voice, a recording) overrides this.
        """
        _, seconds = spoken_words(text)
        frames = ceil(round(seconds * self.sample_rate, 6) / self.chunk_size)
        parts, left = BREAK.split(text.strip()), frames * self.chunk_size / self.sample_rate - seconds
        sound = [np.zeros(0, dtype=np.float32)]
        for number, part in enumerate(parts):
            # Rounding up to whole frames makes the last words a little slower.
            slower = left if number == len(parts) - 1 else 0.0
            if number % 2:
                sound.append(np.zeros(round(float(part) * self.sample_rate), dtype=np.float32))
            elif part.strip():
                spoken = len(part.strip()) / CHARS_PER_SECOND + slower
                sound.append(speech_like(part.strip(), spoken, self.sample_rate))
        return np.concatenate(sound)

    def say(self, text: str) -> None:
        """Begin to say `text` with the next frame, or with the first if the microphone is not open yet.

        Raises
        ------
        ValueError
            If `text` is empty or its sound is silent.
        """
        if not text.strip():
            raise ValueError("text is empty; a user who says nothing starts no turn")
        samples = self.samples_for(text)
        started, ended = speech_bounds(samples, self.sample_rate)
        if isnan(ended):
            raise ValueError(f"the audio for {text!r} is silent; nothing in it is louder than -40 dBFS")
        frame = (
            0 if self._opened is None else ceil(round(self._now() * self.sample_rate / self.chunk_size, 6))
        )
        self._utterances.append(_Utterance(text, frame, samples, started, ended))

    def is_talking(self) -> bool:
        """Return whether there is speech to come in what the user has begun to say."""
        return any(self._began(u) + u.ended > self._now() for u in self._utterances)

    def words_from(self, at: float) -> str:
        """Return the words that the user has begun to say and that end after a moment, with their pauses.

        Parameters
        ----------
        at : float
            The moment on the loop's clock, in seconds. The text begins there, with a break if need be.
        """
        seconds = round(at - self._opened, 9)
        text, reached, gap = "", seconds, 1 / CHARS_PER_SECOND
        for utterance in self._utterances:
            for word in spoken_words(utterance.text)[0]:
                starts, ends = (self._began(utterance) + t for t in (word.starts, word.ends))
                if ends <= seconds:
                    continue
                pause = max(0.0, round(starts - reached, 9))
                natural = text and abs(pause - gap) < 1e-6
                text += " " if natural else f'<break time="{pause:.9f}s"/>' if pause else ""
                text, reached = text + word.text, ends
        return text

    async def stream_audio(self, text: str) -> AsyncIterator[np.ndarray]:
        """Yield the frames of the user saying `text`, then frames of silence for as long as anyone listens.

        Raises
        ------
        ValueError
            If `text` is empty or its sound is silent.
        """
        self._opened, self._utterances = None, []
        self.say(text)
        async with aclosing(self.frames()) as frames:
            async for frame in frames:
                yield frame

    async def frames(self) -> AsyncIterator[np.ndarray]:
        """Open the microphone and yield its frames for as long as anyone listens.

        Frames keep absolute deadlines, so that neither a slow reader nor a late wake-up moves the
        ones that follow.
        """
        self._opened = asyncio.get_running_loop().time()
        for number in count():
            captured = self._opened + (number + 1) * self.chunk_size / self.sample_rate
            await sleep_until(captured + self.latency)
            frame = np.zeros(self.chunk_size, dtype=np.float32)
            for utterance in self._utterances:
                self._add(utterance, number, captured, frame)
            record("microphone", "frame", at=captured + self.latency)
            yield frame

    def _add(self, utterance: _Utterance, number: int, captured: float, frame: np.ndarray) -> None:
        """Add what belongs in frame `number` of an utterance, and note its true start and end."""
        place = (number - utterance.first_frame) * self.chunk_size
        if not 0 <= place < len(utterance.samples):
            return
        samples = utterance.samples[place : place + self.chunk_size]
        frame[: len(samples)] += samples
        began = self._opened + self._began(utterance)
        seconds = self.chunk_size / self.sample_rate
        if place == int(round(utterance.started / seconds, 6)) * self.chunk_size:
            record("user", "speech_started", at=began + utterance.started)
        if place == (ceil(round(utterance.ended / seconds, 6)) - 1) * self.chunk_size:
            record("user", "speech_ended", at=began + utterance.ended)
            record("microphone", "speech_captured", at=captured)
            record("microphone", "speech_delivered", at=captured + self.latency)

    def _began(self, utterance: _Utterance) -> float:
        return utterance.first_frame * self.chunk_size / self.sample_rate

    def _now(self) -> float:
        """Return the seconds since the microphone opened."""
        return asyncio.get_running_loop().time() - (self._opened or 0.0)
