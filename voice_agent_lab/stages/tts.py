"""Speech synthesis as a stream: text in speakable pieces goes in, chunks of audio come out.

How much text a piece holds is decided before, by `aggregation`. Synthesis takes a while for the first
chunk of each piece, and less than a chunk lasts for each later one, if the voice is to keep up with
its own playback.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

import numpy as np

from voice_agent_lab.checks import check_seconds
from voice_agent_lab.stages.distributions import Distribution, drawn
from voice_agent_lab.stages.speech import speech_like


class Synthesiser(Protocol):
    """Anything that speaks text."""

    @property
    def sample_rate(self) -> int:
        """The rate of its sound, in Hz."""
        ...

    def synthesize_stream(self, text_stream: AsyncIterator[str]) -> AsyncIterator[np.ndarray]:
        """Yield the audio of each piece of text, chunk by chunk, as float32 of shape (samples,).

        An empty chunk counts for nothing.
        """
        ...


class StreamingTTS:
    """A simulated streaming voice.

    Parameters
    ----------
    time_to_first_chunk : Distribution or float
        Seconds from receiving a piece of text to its first chunk of audio.
    chunk_generation : Distribution or float
        Seconds of synthesis for each later chunk of the piece. Divided by the chunk's duration this
        is the real-time factor; the default gives 0.5, as in the article.
    chars_per_second : float
        Speaking rate; 15 characters a second is the article's.
    chunk_duration_ms : float
        How much sound a chunk holds, in milliseconds; the last chunk of a piece may be shorter.
    leading_silence : float
        Seconds of silence before the voice of each piece; measured voices have 0.1 to 0.26 s of it.
    sample_rate : int
        In Hz.
    rng : numpy.random.Generator, optional
        For the latencies; seeded with 0 if not given.

    Attributes
    ----------
    time_to_first_chunk, chunk_generation : Drawn
        What draws them.

    Examples
    --------
    >>> voice = StreamingTTS(time_to_first_chunk=0.2, leading_silence=0.16)
    >>> metrics = simulate(StreamingVoiceAgent(tts=voice).process_turn("What time is it?"))
    >>> metrics.tts_first_chunk, metrics.playback_started  # nothing is heard in the silence
    (3.04, 3.2)
    """

    def __init__(
        self,
        time_to_first_chunk: Distribution | float = 0.2,
        chunk_generation: Distribution | float = 0.05,
        *,
        chars_per_second: float = 15,
        chunk_duration_ms: float = 100,
        leading_silence: float = 0.0,
        sample_rate: int = 16000,
        rng: np.random.Generator | None = None,
    ) -> None:
        if not chars_per_second > 0:
            raise ValueError(
                f"chars_per_second is {chars_per_second!r}; it must be a positive speaking rate, such as 15"
            )
        self.rng = rng or np.random.default_rng(0)
        self.sample_rate = sample_rate
        self.chars_per_second = chars_per_second
        self.chunk_size = round(
            sample_rate * check_seconds("chunk_duration_ms", chunk_duration_ms, "milliseconds") / 1000
        )
        if self.chunk_size < 1:
            raise ValueError(
                f"chunk_duration_ms is {chunk_duration_ms!r}; a chunk must hold at least one sample"
            )
        self.leading_silence = check_seconds("leading_silence", leading_silence)
        self.time_to_first_chunk = drawn("time_to_first_chunk", time_to_first_chunk, self.rng)
        self.chunk_generation = drawn("chunk_generation", chunk_generation, self.rng)

    def speech_for(self, text: str) -> np.ndarray:
        """Return the sound of a piece of text: its leading silence, then speech-like audio."""
        text = text.strip()
        silence = np.zeros(round(self.leading_silence * self.sample_rate), dtype=np.float32)
        return np.concatenate(
            [silence, speech_like(text, len(text) / self.chars_per_second, self.sample_rate, pitch=190.0)]
        )

    async def synthesize_stream(self, text_stream: AsyncIterator[str]) -> AsyncIterator[np.ndarray]:
        """Yield the audio of each piece of text, a chunk at a time."""
        async for piece in text_stream:
            speech = self.speech_for(piece)
            wait = self.time_to_first_chunk
            for start in range(0, len(speech), self.chunk_size):
                await asyncio.sleep(wait())
                yield speech[start : start + self.chunk_size]
                wait = self.chunk_generation
