"""Whose turn is it? When the user speaks, and when the user has finished.

Voice activity detection judges one frame: speech or not. Endpointing listens to those judgements
and decides when the user has finished. The two are apart because their errors are: a detector
mistakes noise for speech, a policy mistakes a pause for the end. The policies are in `endpointing`.

Conventions
-----------
Endpointing counts time in audio, not on a clock: a frame of 0.1 s of silence is 0.1 s of silence,
whenever it arrives. A decision falls at the end of a frame.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from voice_agent_lab.endpointing import SilenceTimeout

__all__ = ["Endpointing", "EnergyVAD", "SilenceTimeout", "VoiceActivityDetector"]


class VoiceActivityDetector(Protocol):
    """Anything that can tell speech from other sound, frame by frame."""

    async def hears_speech(self, frame: np.ndarray) -> bool:
        """Return whether this frame holds speech."""
        ...

    def reset(self) -> None:
        """Forget what was heard: a new turn begins."""
        ...


class Endpointing(Protocol):
    """Anything that can decide when the user has finished."""

    def finished(self, speech: bool, seconds: float) -> bool:
        """Take one frame's judgement and length in seconds; return whether the user has finished."""
        ...

    def reset(self) -> None:
        """Forget what was heard: a new turn begins."""
        ...


@dataclass
class EnergyVAD:
    """Calls a frame speech when its mean magnitude is above a threshold.

    Parameters
    ----------
    threshold : float
        Mean magnitude, from 0 to 1. The article's 0.05 lies between its speech (0.08) and silence.
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
