"""Voice activity detection: whether a frame holds speech.

It judges one frame at a time and decides nothing. When the user has finished is for `endpointing` to
say, from these judgements. The two are apart because their errors are: a detector mistakes noise for
speech, a policy mistakes a pause for the end.
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from voice_agent_lab.measure.log import to_the_nanosecond


class JudgedFrame(NamedTuple):
    """A frame of sound and the judgement on it; times are seconds on the loop's clock.

    Attributes
    ----------
    samples : ndarray of float32, shape (samples,)
        The sound.
    speech : bool
        Whether it holds speech.
    began : float
        When its first sample was captured.
    seconds : float
        How long it lasts.
    arrived : float
        When it reached the agent: its capture's end and the microphone's latency.
    judged : float
        When voice activity detection was done with it, or would have been if it had been handed over
        on its arrival.
    more_to_come : bool
        The truth that only a simulation knows, for simulated policies: whether the user will go on.
    """

    samples: np.ndarray
    speech: bool
    began: float = 0.0
    seconds: float = 0.1
    arrived: float = 0.0
    judged: float = 0.0
    more_to_come: bool = False

    @property
    def ended(self) -> float:
        """When its last sample was captured."""
        return to_the_nanosecond(self.began + self.seconds)


class VoiceActivityDetector(Protocol):
    """Anything that can tell speech from other sound, frame by frame."""

    async def hears_speech(self, frame: np.ndarray) -> bool:
        """Return whether this frame holds speech."""
        ...

    def reset(self) -> None:
        """Forget what was taken: a new turn begins."""
        ...


@dataclass
class EnergyVAD:
    """Calls a frame speech when its mean magnitude is above a threshold.

    Parameters
    ----------
    threshold : float
        Mean magnitude, from 0 to 1. The article's 0.05 lies between its speech (0.08) and silence.

    Examples
    --------
    >>> vad = EnergyVAD(threshold=0.02)
    >>> simulate(vad.hears_speech(np.full(320, 0.03, dtype=np.float32)))
    True
    >>> agent = StreamingVoiceAgent(vad=vad)
    """

    threshold: float = 0.05

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"threshold is {self.threshold!r}; a mean magnitude lies between 0 and 1")

    async def hears_speech(self, frame: np.ndarray) -> bool:
        """Return whether the frame is loud enough."""
        return float(np.mean(np.abs(frame))) > self.threshold

    def reset(self) -> None:
        """Do nothing: each frame is judged alone."""
