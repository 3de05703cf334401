"""A user who was recorded: any sound file, as the microphone would have heard it.

A recording is what makes a measurement repeatable with a real voice: the same breath, the same
hesitation, every time. It is left as it is but for three things that the recogniser's side needs:
one channel, its sample rate, and samples in [-1, 1].

What is wrong with a file is said before anything is measured with it: a recording that is cut off,
whose channels cancel each other, or in which nobody speaks would give numbers that mean nothing.
"""

import os
import re
from collections.abc import Iterator
from math import isnan
from pathlib import Path

import numpy as np
import soundfile

from voice_agent_lab.engines.speech_end import Speech, find_speech
from voice_agent_lab.measure.recording import resampler
from voice_agent_lab.stages.microphone import AudioInputStream
from voice_agent_lab.stages.speech import speech_bounds

_BLOCK = 2**19  # samples of all channels that are in memory at a time
_FULL_SCALE = 8.0  # times what a file may be louder than 1 and still be meant so
_STREAMED = 0x7FFFF000  # bytes: what programs that cannot know the length yet write for it, or more
_SHORTER = re.compile(r"^ *(?:data|SSND) : (\d+) \(should be (\d+)\)", flags=re.MULTILINE)


class AudioFileError(ValueError):
    """A sound file cannot be used; the message names it and says what would do."""


def read_audio(path: str | Path, sample_rate: int = 16000, *, max_seconds: float = 60) -> np.ndarray:
    """Read a sound file as mono at a given rate.

    Parameters
    ----------
    path : str or Path
        A WAV, FLAC or OGG file of any rate. Its channels are averaged; one that is louder than full
        scale is turned down.
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
        If the file is missing, is not sound, is empty, cut off or too long, if its channels cancel each
        other, its values are no samples, or nothing in it is louder than -40 dBFS.
    ImportError
        If the file has another rate and soxr is not installed.
    """
    path = Path(path)
    _check_it_is_a_file(path)
    try:
        # As bytes, which soundfile passes on as they are: a file name need not be UTF-8.
        with soundfile.SoundFile(path if os.name == "nt" else os.fsencode(path)) as file:
            return _read(file, path, sample_rate, max_seconds)
    except (soundfile.SoundFileError, OSError, TypeError) as error:  # TypeError: a file without a header
        if "malformed" in str(error):
            raise _cut_off(path) from error
        raise AudioFileError(f"{path} cannot be read as sound; save it as WAV, FLAC or OGG") from error


def _check_it_is_a_file(path: Path) -> None:
    try:
        exists = path.exists()
    except OSError as error:
        raise AudioFileError(f"{path} cannot be opened ({error.strerror}); give another name") from error
    problem = (
        ""
        if path.is_file()
        else "there is no file {}"
        if not exists
        else "{} is no file but a pipe or device"
    )
    problem = "{} is a folder" if path.is_dir() else problem
    if problem:
        raise AudioFileError(f"{problem.format(path)}; give a recording as WAV, FLAC or OGG")


def _read(file: soundfile.SoundFile, path: Path, sample_rate: int, max_seconds: float) -> np.ndarray:
    """Return a sound file's samples, having looked for whatever may be wrong with them."""
    if file.seekable() and file.frames > max_seconds * file.samplerate:
        raise _too_long(path, file.frames / file.samplerate, max_seconds)
    to_rate = resampler(file.samplerate, sample_rate)
    parts, frames, peak, of_channels, of_mean = [], 0, 0.0, 0.0, 0.0
    try:
        for block in _blocks(file):
            frames += len(block)
            if frames > max_seconds * file.samplerate:
                raise _too_long(path, frames / file.samplerate, max_seconds)
            mean = block.mean(axis=1, dtype=np.float32)
            peak = max(peak, float(np.abs(block).max()))
            of_channels += float((block.astype(np.float64) ** 2).mean(axis=1).sum())
            of_mean += float((mean.astype(np.float64) ** 2).sum())
            parts.append(to_rate(mean, False))
            if not np.isfinite(of_channels):
                raise AudioFileError(f"{path} holds values that are no numbers; record it again")
    except soundfile.SoundFileError as error:
        raise _cut_off(path) from error
    if _is_cut_off(file, frames):
        raise _cut_off(path, frames / file.samplerate)
    if not frames:
        raise AudioFileError(
            f"{path} holds no sound: its header counts no samples, as when a recorder was not stopped; "
            "record it again, or open it in an audio editor as raw data"
        )
    if peak > _FULL_SCALE:
        raise AudioFileError(
            f"{path} holds values up to {peak:.5g} where full scale is 1; save it as 16-bit WAV, or divide its samples"
        )
    if file.channels > 1 and of_mean < 0.01 * of_channels:
        raise AudioFileError(
            f"{path} has channels that cancel each other, as when one is inverted; save one of them as mono"
        )
    samples = np.concatenate([*parts, to_rate(np.zeros(0, dtype=np.float32), True)])
    samples = np.clip(samples / np.float32(max(1.0, peak)), -1, 1)
    if isnan(speech_bounds(samples, sample_rate)[0]):
        raise AudioFileError(
            f"{path} is silent, with nothing louder than -40 dBFS; record it again, closer to the microphone"
        )
    return samples


def _blocks(file: soundfile.SoundFile) -> Iterator[np.ndarray]:
    """Yield a file's frames in blocks: it may have many channels, or be of a kind that cannot be seeked."""
    while len(block := file.read(max(1, _BLOCK // file.channels), dtype="float32", always_2d=True)):
        yield block


def _is_cut_off(file: soundfile.SoundFile, frames: int) -> bool:
    """Return whether a file promises more than it holds; libsndfile's log tells what it found."""
    log = file.extra_info
    promised = [(int(header), int(there)) for header, there in _SHORTER.findall(log)]
    return (
        "lacks an end-of-stream bit" in log
        or "Junk after the last page" in log
        or frames < file.frames
        or any(there < header < _STREAMED for header, there in promised)
    )


def _cut_off(path: Path, seconds: float = 0.0) -> AudioFileError:
    how = f"after {seconds:.2f} s" if seconds else "or damaged"
    return AudioFileError(f"{path} is cut off {how}; copy it again, or record it again")


def _too_long(path: Path, seconds: float, max_seconds: float) -> AudioFileError:
    digits = next((n for n in range(1, 6) if round(seconds, n) > max_seconds), 6)
    return AudioFileError(
        f"{path} lasts {seconds:.{digits}f} s, longer than the {max_seconds:g} s allowed; cut it to one utterance"
    )


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
        self._found: dict[tuple[str, int], tuple[np.ndarray, Speech]] = {}

    def samples_for(self, text: str) -> np.ndarray:
        """Return the sound of the file whose path is `text`.

        Raises
        ------
        AudioFileError
            If nobody speaks in it, or it cannot be used; see `read_audio`.
        """
        return self._find(text)[0]

    def speech_for(self, text: str) -> Speech:
        """Return where the speech in the file whose path is `text` is, and how sure its end is."""
        return self._find(text)[1]

    def speech_in(self, samples: np.ndarray) -> tuple[float, float]:
        """Return when the speech in what `samples_for` returned starts and ends, in seconds."""
        speech = next(speech for sound, speech in self._found.values() if sound is samples)
        return speech.starts, speech.ends

    def _find(self, text: str) -> tuple[np.ndarray, Speech]:
        """Read a file and look for the speech in it, once for each version of the file."""
        path = Path(text)
        version = (text, path.stat().st_mtime_ns if path.is_file() else 0)
        if version not in self._found:
            samples = read_audio(text, self.sample_rate, max_seconds=self.max_seconds)
            speech = find_speech(samples, self.sample_rate)
            if speech is None:
                raise AudioFileError(
                    f"{text} holds sound but no speech; give a recording of somebody who speaks"
                )
            self._found[version] = samples, speech
        return self._found[version]
