"""A user who was recorded: any sound file, as the microphone would have heard it.

A recording is what makes a measurement repeatable with a real voice: the same breath, the same
hesitation, every time. It is left as it is but for three things that the recogniser's side needs:
one channel, its sample rate, and samples in [-1, 1].
"""

from math import isnan
from pathlib import Path

import numpy as np
import soundfile

from voice_agent_lab.measure.recording import resample
from voice_agent_lab.stages.microphone import AudioInputStream
from voice_agent_lab.stages.speech import speech_bounds


class AudioFileError(ValueError):
    """A sound file cannot be used; the message names it and says what would do."""


def read_audio(path: str | Path, sample_rate: int = 16000, *, max_seconds: float = 60) -> np.ndarray:
    """Read a sound file as mono at a given rate.

    Parameters
    ----------
    path : str or Path
        A WAV, FLAC or OGG file of any rate. Its channels are averaged.
    sample_rate : int
        What to resample to, in Hz.
    max_seconds : float
        How long the recording may be, in seconds.

    Returns
    -------
    ndarray of float32, shape (samples,)
        In [-1, 1].

    Raises
    ------
    AudioFileError
        If the file is missing, is not sound, is empty, is too long, or holds nothing louder than -40 dBFS.
    ImportError
        If the file has another rate and soxr is not installed.
    """
    path = Path(path)
    if not path.is_file():
        problem = f"{path} is a folder" if path.is_dir() else f"there is no file {path}"
        raise AudioFileError(f"{problem}; give a recording as WAV, FLAC or OGG")
    try:
        with soundfile.SoundFile(path) as file:
            seconds = file.frames / file.samplerate
            if seconds > max_seconds:
                raise AudioFileError(
                    f"{path} lasts {seconds:.1f} s, longer than the {max_seconds:g} s allowed; "
                    "cut it to one utterance"
                )
            channels, rate = file.read(dtype="float32", always_2d=True), file.samplerate
    except (soundfile.SoundFileError, OSError) as error:
        raise AudioFileError(f"{path} cannot be read as sound; save it as WAV, FLAC or OGG") from error
    if not (len(channels) and np.isfinite(channels).all()):
        problem = "values that are no numbers" if len(channels) else "no sound"
        raise AudioFileError(f"{path} holds {problem}; record it again")
    samples: np.ndarray = channels.mean(axis=1, dtype=np.float32)
    samples = np.clip(resample(samples, rate, sample_rate), -1, 1)
    if isnan(speech_bounds(samples, sample_rate)[0]):
        raise AudioFileError(
            f"{path} is silent, with nothing louder than -40 dBFS; record it again, closer to the microphone"
        )
    return samples


class RecordedUser(AudioInputStream):
    """A user whose utterances are sound files: each is said by giving its path.

    Parameters
    ----------
    sample_rate, chunk_duration_ms, latency
        As for `AudioInputStream`. The default frame is as long as Silero's window.
    max_seconds : float
        How long a recording may be, in seconds.
    """

    def __init__(
        self,
        sample_rate: int = 16000,
        chunk_duration_ms: float = 32,
        latency: float = 0.0,
        *,
        max_seconds: float = 60,
    ) -> None:
        super().__init__(sample_rate, chunk_duration_ms, latency)
        self.max_seconds = max_seconds

    def samples_for(self, text: str) -> np.ndarray:
        """Return the sound of the file whose path is `text`; see `read_audio` for the errors."""
        return read_audio(text, self.sample_rate, max_seconds=self.max_seconds)
