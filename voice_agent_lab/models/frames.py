"""Sound cut into frames, as arithmetic: the frames, the holes in what is called speech, the headers.

A short frame is soon complete, and costs a packet of its own; a long one is old when it arrives, and
hides short silences.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from voice_agent_lab.stages.microphone import AudioInputStream

HEADER_BYTES = 20 + 8 + 12
"""Headers of one packet of sound: IPv4 (RFC 791), UDP (RFC 768) and RTP (RFC 3550), each at its shortest."""


def header_kbit_per_second(frame_ms: float) -> float:
    """Return the kbit/s that go into packet headers when each frame travels in a packet of its own."""
    return HEADER_BYTES * 8 / frame_ms


def frames_of(samples: np.ndarray, sample_rate: int, frame_ms: float) -> np.ndarray:
    """Return a sound cut into frames, the last one filled up with silence; shape ``(frames, samples)``."""
    size = AudioInputStream(sample_rate, frame_ms).chunk_size
    return np.pad(samples, (0, -len(samples) % size)).reshape(-1, size)


def longest_hole(speech: Sequence[bool]) -> int:
    """Return the longest run of frames without speech between the first frame with speech and the last."""
    places = [k for k, heard in enumerate(speech) if heard]
    return max((b - a - 1 for a, b in pairwise(places)), default=0)
