"""Playback never waits: it starts with the first chunk, drains in real time, and runs dry when synthesis is late.

Chunks queue up as fast as they are made and sound one after the other. When the next one has not
arrived at the moment the last one ends, the user hears a gap: an underrun.
"""

from collections.abc import AsyncIterator
from math import isnan, nan

import numpy as np

from voice_agent_lab.audio import speech_bounds
from voice_agent_lab.latency import check_seconds
from voice_agent_lab.streams import sleep_until
from voice_agent_lab.timeline import record


class Playback:
    """A simulated loudspeaker at the user's end.

    Parameters
    ----------
    latency : float
        Seconds from handing over a chunk to its sound at the user's ear: codec, network, jitter
        buffer and device.
    """

    def __init__(self, latency: float = 0.0) -> None:
        self.latency = check_seconds("latency", latency)

    async def play(
        self, chunks: AsyncIterator[tuple[float, np.ndarray]], sample_rate: int
    ) -> AsyncIterator[tuple[float, np.ndarray]]:
        """Yield each chunk as it begins to sound, with that moment on the loop's clock in seconds.

        The generator ends when the last sound has ended. Closing it earlier stops the sound.

        Parameters
        ----------
        chunks : async iterator of (float, ndarray)
            When each chunk was made, in seconds on the loop's clock, and its audio, shape (samples,).
            They must be made whether playback asks for them or not; see `streams.run_ahead`.
        sample_rate : int
            Of the audio, in Hz.
        """
        ends, audible = None, False
        async for made, chunk in chunks:
            arrives = round(made + self.latency, 9)
            begins = arrives if ends is None else max(arrives, ends)
            await sleep_until(begins)
            if ends is not None and begins > ends:
                record("playback", "underrun", at=begins, seconds=round(begins - ends, 9))
            record("playback", "chunk", at=begins, seconds=len(chunk) / sample_rate)
            yield begins, chunk
            ends = round(begins + len(chunk) / sample_rate, 9)
            onset = nan if audible else speech_bounds(chunk, sample_rate)[0]
            if not isnan(onset):
                audible = True
                await sleep_until(begins + onset)
                record("playback", "started", at=begins + onset)
        if ends is not None:
            await sleep_until(ends)
            record("playback", "ended", at=ends)
