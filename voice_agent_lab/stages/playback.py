"""Playback never waits: it starts with the first chunk, drains in real time, and runs dry when synthesis is late.

Chunks queue up as fast as they are made and sound one after the other. When the next one has not
arrived at the moment the last one ends, the user hears a gap: an underrun. Playback can be paused
and resumed in the middle of a chunk, and stopped for good by closing it; it knows to the sample what
was heard.
"""

import asyncio
from collections.abc import AsyncIterator
from math import isnan, nan
from typing import Protocol

import numpy as np

from voice_agent_lab.checks import check_seconds
from voice_agent_lab.measure.log import record, to_the_nanosecond
from voice_agent_lab.stages.speech import speech_bounds
from voice_agent_lab.streams import sleep_until


class Loudspeaker(Protocol):
    """Anything that plays sound and knows what was heard.

    It writes the events of playback to the log itself (see `measure.events`), because only it knows when
    a sound reaches the user's ear; without them the turn is heard and not measured.

    Attributes
    ----------
    latency : float
        Seconds from an order to its effect at the user's ear.
    heard : list of (float, ndarray)
        The stretches of sound that were heard, each with its beginning on the loop's clock.
    """

    latency: float
    heard: list[tuple[float, np.ndarray]]

    def play(
        self, chunks: AsyncIterator[tuple[float, np.ndarray]], sample_rate: int
    ) -> AsyncIterator[tuple[float, np.ndarray]]:
        """Yield each chunk as it begins to sound, with that moment on the loop's clock in seconds."""
        ...

    def pause(self) -> None:
        """Hold the sound where it is."""
        ...

    def resume(self) -> None:
        """Go on where the sound was held."""
        ...


def _now() -> float:
    return to_the_nanosecond(asyncio.get_running_loop().time())


class Playback:
    """A simulated loudspeaker at the user's end.

    Parameters
    ----------
    latency : float
        Seconds from handing over a chunk, or an order to pause, to its effect at the user's ear:
        codec, network, jitter buffer and device. Until the order arrives, sound goes on.

    Attributes
    ----------
    heard : list of (float, ndarray)
        The stretches of sound that were heard, each with the time on the loop's clock at which it
        began.

    Examples
    --------
    >>> far_away = Playback(latency=0.2)
    >>> metrics = simulate(StreamingVoiceAgent(playback=far_away).process_turn("What time is it?"))
    >>> metrics.voice_to_voice
    1.94
    """

    def __init__(self, latency: float = 0.0) -> None:
        self.latency = check_seconds("latency", latency)
        self.heard: list[tuple[float, np.ndarray]] = []
        self._holds_from: float | None = None  # on the loop's clock
        self._changed = asyncio.Event()

    def pause(self) -> None:
        """Hold the sound where it is when the order arrives, or before it starts."""
        self._set(to_the_nanosecond(_now() + self.latency))

    def resume(self) -> None:
        """Go on where the sound was held."""
        self._set(None)

    def _set(self, holds_from: float | None) -> None:
        self._holds_from = holds_from
        self._changed.set()

    async def play(
        self, chunks: AsyncIterator[tuple[float, np.ndarray]], sample_rate: int
    ) -> AsyncIterator[tuple[float, np.ndarray]]:
        """Yield each chunk as it begins to sound, with that moment on the loop's clock in seconds.

        After a pause the rest of a chunk is yielded again. The generator ends when the last sound
        has ended. Closing it earlier stops the sound.

        Parameters
        ----------
        chunks : async iterator of (float, ndarray)
            When each chunk was made, in seconds on the loop's clock, and its audio, shape (samples,).
            They must be made whether playback asks for them or not; see `streams.run_ahead`.
        sample_rate : int
            Of the audio, in Hz.
        """
        self._changed, self.heard = asyncio.Event(), []
        ends, audible, begun, over = None, False, None, False
        try:
            async for made, chunk in chunks:
                arrives = to_the_nanosecond(made + self.latency)
                begins = max(arrives, _now() if ends is None else ends)
                await sleep_until(begins)
                if ends is not None and begins > ends:
                    record("playback", "underrun", at=begins, seconds=to_the_nanosecond(begins - ends))
                while len(chunk):
                    if self._holds_from is not None and self._holds_from <= _now():
                        begins = await self._resumed()
                    record("playback", "chunk", at=begins, seconds=len(chunk) / sample_rate)
                    begun, ends = (begins, chunk), to_the_nanosecond(begins + len(chunk) / sample_rate)
                    yield begun
                    onset = nan if audible else speech_bounds(chunk, sample_rate)[0]
                    if not isnan(onset) and await self._sounds_until(to_the_nanosecond(begins + onset)):
                        audible = True
                        record("playback", "started", at=begins + onset)
                    if await self._sounds_until(ends):
                        self.heard.append(begun)
                        begun = None
                        break
                    ends, chunk = self._cut("paused", begun, ends, sample_rate)
                    begun = None
            over = True
            if ends is not None:
                record("playback", "ended", at=ends)
        finally:
            if begun is not None and ends is not None:  # closed in the middle of a chunk
                self._cut("stopped", begun, ends, sample_rate)
            elif ends is not None and not over:  # closed in a gap or a pause: it was silent already
                record("playback", "stopped", at=ends, unheard=0.0)
            self._holds_from, self._changed = None, asyncio.Event()  # one belongs to the loop it is used in

    async def _sounds_until(self, deadline: float) -> bool:
        """Sleep until the deadline; return False at once if a pause comes first."""
        loop = asyncio.get_running_loop()
        while True:
            until = deadline if self._holds_from is None else min(deadline, self._holds_from)
            if _now() >= until:
                return until == deadline
            self._changed.clear()
            alarm = loop.call_at(until, self._changed.set)  # a timeout, which cancels, costs twice as much
            try:
                await self._changed.wait()
            finally:
                alarm.cancel()

    async def _resumed(self) -> float:
        """Wait for the end of a pause; return when the sound goes on at the user's ear."""
        while self._holds_from is not None:
            self._changed.clear()
            await self._changed.wait()
        begins = to_the_nanosecond(_now() + self.latency)
        await sleep_until(begins)
        record("playback", "resumed", at=begins)
        return begins

    def _cut(
        self, why: str, begun: tuple[float, np.ndarray], ends: float, sample_rate: int
    ) -> tuple[float, np.ndarray]:
        """Note what was heard of a chunk that is cut now; return when it fell silent, and the rest of it."""
        begins, chunk = begun
        stops = min(ends, _now())
        samples = max(0, min(len(chunk), round((stops - begins) * sample_rate)))
        self.heard.append((begins, chunk[:samples]))
        record("playback", why, at=stops, unheard=to_the_nanosecond((len(chunk) - samples) / sample_rate))
        return stops, chunk[samples:]
