"""The microphone, which never waits.

A microphone delivers a frame *after* it was captured: frame ``k`` of duration ``d`` arrives at
``(k + 1) * d``. It never waits for its reader. A reader that is late finds the frames that it has
missed waiting for it, all at once. Who speaks into it is another matter: see `user`.

Conventions
-----------
Audio is mono ``float32`` in [-1, 1], shape ``(samples,)``; sample rates are in Hz.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from itertools import count
from math import ceil
from typing import Protocol

import numpy as np

from voice_agent_lab.checks import check_rate, check_seconds
from voice_agent_lab.stages.speech import (
    CHARS_PER_SECOND,
    speech_bounds,
    speech_like,
    split_breaks,
    spoken_words,
)
from voice_agent_lab.stages.user import User
from voice_agent_lab.streams import sleep_until


class Microphone(Protocol):
    """Anything that delivers frames of sound as they are captured: a sound card, a browser, a simulation.

    Attributes
    ----------
    sample_rate : int
        In Hz.
    chunk_size : int
        How many samples each frame holds.
    latency : float
        Seconds from the capture of a frame to its arrival: device, codec and network.
    user : User, optional
        A simulated user, who knows when speech truly ends. Without one the end of the last frame with
        speech has to do.
    opened : float, optional
        When the first sample was captured, in seconds on the loop's clock. Without it the arrival of
        the first frame tells.
    """

    sample_rate: int
    chunk_size: int
    latency: float

    def frames(self) -> AsyncIterator[np.ndarray]:
        """Open the microphone and yield its frames for as long as anyone listens."""
        ...


class AudioInputStream:
    """A simulated microphone with a user who speaks into it: frames of audio, pushed in real time.

    Parameters
    ----------
    sample_rate : int
        In Hz.
    chunk_duration_ms : float
        How much sound a frame holds, in milliseconds.
    latency : float
        Seconds from the capture of a frame to its arrival at the agent: device, codec and network.

    Attributes
    ----------
    user : User
        Who speaks; the sound is that of `samples_for`, where speech starts and ends in it that of
        `speech_in`.

    Examples
    --------
    >>> microphone = AudioInputStream(sample_rate=16000, chunk_duration_ms=20)
    >>> async def first_frame():
    ...     async for frame in microphone.stream_audio("Hello!"):
    ...         return asyncio.get_running_loop().time(), frame.shape
    >>> simulate(first_frame())  # a frame arrives when its sound is over
    (0.02, (320,))
    >>> agent = StreamingVoiceAgent(audio=microphone)
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
        self.user = User(self._sound_of, sample_rate, self._bounds_of)

    def _sound_of(self, text: str) -> np.ndarray:
        return self.samples_for(text)

    def _bounds_of(self, samples: np.ndarray, sample_rate: int) -> tuple[float, float]:
        return self.speech_in(samples)

    def samples_for(self, text: str) -> np.ndarray:
        """Return the sound of the user saying `text`; here speech-like, in whole frames.

        Another kind of user (a synthetic voice, a recording) overrides this.
        """
        _, seconds = spoken_words(text)
        frames = ceil(round(seconds * self.sample_rate, 6) / self.chunk_size)
        parts, left = split_breaks(text), frames * self.chunk_size / self.sample_rate - seconds
        sound = [np.zeros(0, dtype=np.float32)]
        for number, part in enumerate(parts):
            # Rounding up to whole frames makes the last words a little slower.
            slower = left if number == len(parts) - 1 else 0.0
            if isinstance(part, float):
                sound.append(np.zeros(round(part * self.sample_rate), dtype=np.float32))
            else:
                spoken = len(part) / CHARS_PER_SECOND + slower
                sound.append(speech_like(part, spoken, self.sample_rate))
        return np.concatenate(sound)

    def speech_in(self, samples: np.ndarray) -> tuple[float, float]:
        """Return when speech starts and ends in a sound of `samples_for`, in seconds; ``nan`` if nowhere."""
        return speech_bounds(samples, self.sample_rate)

    @property
    def opened(self) -> float | None:
        """When the microphone was opened, in seconds on the loop's clock; None if it never was."""
        return self.user.opened

    def say(self, text: str) -> None:
        """Begin to say `text` with the next frame, or with the first if the microphone is not open yet.

        Raises
        ------
        ValueError
            If `text` is empty or its sound is silent.
        """
        since = 0.0 if self.opened is None else asyncio.get_running_loop().time() - self.opened
        frame = ceil(round(since * self.sample_rate / self.chunk_size, 6))
        self.user.say(text, frame * self.chunk_size)

    async def stream_audio(self, text: str) -> AsyncGenerator[np.ndarray]:
        """Yield the frames of the user saying `text`, then frames of silence for as long as anyone listens.

        Raises
        ------
        ValueError
            If `text` is empty or its sound is silent.
        """
        self.user.forget()
        self.user.say(text)
        async with aclosing(self._open()) as frames:
            async for frame in frames:
                yield frame

    async def frames(self) -> AsyncGenerator[np.ndarray]:
        """Open the microphone, nothing said yet, and yield its frames for as long as anyone listens.

        Frames keep absolute deadlines, so that neither a slow reader nor a late wake-up moves the
        ones that follow.
        """
        self.user.forget()
        async with aclosing(self._open()) as frames:
            async for frame in frames:
                yield frame

    async def _open(self) -> AsyncGenerator[np.ndarray]:
        self.user.opened = opened = asyncio.get_running_loop().time()
        for number in count():
            await sleep_until(opened + (number + 1) * self.chunk_size / self.sample_rate + self.latency)
            if self.user.opened is not opened:
                raise RuntimeError("the microphone was opened a second time; give each agent one of its own")
            frame = np.zeros(self.chunk_size, dtype=np.float32)
            self.user.add_to(frame, number * self.chunk_size)
            yield frame
