"""Sound that is kept: the stereo recording of a conversation, and a player for notebooks.

Conventions
-----------
Audio is mono ``float32`` in [-1, 1], shape ``(samples,)``, or stereo, shape ``(samples, 2)``; sample
rates are in Hz.
"""

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile

from voice_agent_lab.measure.log import to_the_nanosecond
from voice_agent_lab.measure.writing import write_whole


@dataclass(repr=False)
class Recording:
    """What was to be heard at the user's side of a conversation: the user left, the agent right.

    Parameters
    ----------
    sample_rate : int
        Of the recording, in Hz.
    keeps : bool
        Whether sounds are kept at all.
    offset : float
        What is added to the times of what is kept from now on, in seconds: a second simulation begins
        at 0 again.

    Examples
    --------
    >>> agent = StreamingVoiceAgent()
    >>> metrics = simulate(agent.process_turn("What time is it?"))
    >>> agent.recording
    <7.8 s of conversation: the user left, the agent right>
    >>> agent.recording.write("conversation.wav")
    """

    sample_rate: int = 16000
    keeps: bool = field(default=True, kw_only=True)
    offset: float = field(default=0.0, kw_only=True)
    sounds: list[tuple[str, float, np.ndarray, int]] = field(default_factory=list)

    def add(self, speaker: str, at: float, samples: np.ndarray, sample_rate: int) -> None:
        """Keep a sound.

        Parameters
        ----------
        speaker : {"user", "agent"}
            Who made it.
        at : float
            When it began, in seconds on the event loop's clock.
        samples : ndarray of float32, shape (samples,)
            The sound.
        sample_rate : int
            Of `samples`, in Hz.
        """
        if self.keeps:
            self.sounds.append((speaker, to_the_nanosecond(at + self.offset), samples, sample_rate))

    def stereo(self) -> np.ndarray:
        """Return the conversation from its first sound to its last, shape ``(samples, 2)``."""
        begin = min((at for _, at, _, _ in self.sounds), default=0.0)
        seconds = max((at - begin + len(s) / rate for _, at, s, rate in self.sounds), default=0.0)
        mixed = np.zeros((round(seconds * self.sample_rate), 2), dtype=np.float32)
        # A track is resampled as a whole: frame by frame, every edge would click.
        for speaker, rate in {(speaker, rate) for speaker, _, _, rate in self.sounds}:
            track = np.zeros(round(seconds * rate) + 1, dtype=np.float32)
            for at, samples in ((at, s) for who, at, s, r in self.sounds if (who, r) == (speaker, rate)):
                start = round((at - begin) * rate)
                track[start : start + len(samples)] += samples[: len(track) - start]
            track = resample(track, rate, self.sample_rate)[: len(mixed)]
            mixed[: len(track), ("user", "agent").index(speaker)] += track
        return np.clip(mixed, -1, 1)

    def write(self, path: str | Path) -> None:
        """Write the recording; the file's ending says how: WAV, FLAC or OGG.

        Raises
        ------
        ValueError
            If it has another ending.
        OSError
            If it cannot be written; a file that was there is still as it was.
        """
        kind = Path(path).suffix[1:].upper()
        if kind not in ("WAV", "FLAC", "OGG"):
            raise ValueError(f"path is {str(path)!r}; its ending must be .wav, .flac or .ogg")
        buffer = io.BytesIO()
        _write(buffer, self.stereo(), self.sample_rate, format=kind)
        write_whole(path, buffer.getvalue())

    def __repr__(self) -> str:
        seconds = len(self.stereo()) / self.sample_rate
        return f"<{seconds:.1f} s of conversation: the user left, the agent right>"

    def _repr_html_(self) -> str:
        return Sound(self.stereo(), self.sample_rate)._repr_html_()


def resample(samples: np.ndarray, from_rate: int, to_rate: int) -> np.ndarray:
    """Return `samples` at another rate; the package ``soxr`` does it where the rates differ."""
    return resampler(from_rate, to_rate)(samples, True)


def resampler(from_rate: int, to_rate: int) -> Callable[[np.ndarray, bool], np.ndarray]:
    """Return a function that resamples one block of a sound after the other.

    Its arguments are the next samples and whether they are the last.

    Raises
    ------
    ImportError
        If the rates differ and soxr is not installed.
    """
    if from_rate == to_rate:
        return lambda block, _last: block
    try:
        import soxr
    except ImportError as error:
        raise ImportError(
            'resampling needs soxr; pip install "voice-agent-lab[engines]" brings it'
        ) from error
    stream = soxr.ResampleStream(from_rate, to_rate, num_channels=1, dtype="float32")
    return lambda block, last: stream.resample_chunk(np.ascontiguousarray(block, dtype=np.float32), last=last)


class Sound:
    """A small audio player in a notebook: `Sound(samples, 16000)` as the last line of a cell.

    Parameters
    ----------
    samples : ndarray, shape (samples,) or (samples, 2)
        What to hear.
    sample_rate : int
        In Hz.

    Attributes
    ----------
    ogg : bytes
        The sound as OGG Vorbis; the same samples give the same bytes.

    Examples
    --------
    >>> second = np.arange(16000) / 16000
    >>> Sound(0.1 * np.sin(2 * np.pi * 440 * second), 16000)
    <1.0 s of sound>
    """

    def __init__(self, samples: np.ndarray, sample_rate: int = 16000) -> None:
        self.seconds = len(samples) / sample_rate
        buffer = io.BytesIO()
        _write(buffer, samples, sample_rate, format="OGG", subtype="VORBIS")
        self.ogg = _with_serial_zero(buffer.getvalue())

    def __repr__(self) -> str:
        return f"<{self.seconds:.1f} s of sound>"

    def _repr_html_(self) -> str:
        data = base64.b64encode(self.ogg).decode()
        source = f"data:audio/ogg;base64,{data}"
        return f'<audio controls title="{self.seconds:.1f} s of sound" src="{source}"></audio>'


def _write(file: BinaryIO, samples: np.ndarray, sample_rate: int, **how: str) -> None:
    """Write a sound in blocks: libsndfile overflows its stack on a long Vorbis file written at once."""
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    with soundfile.SoundFile(file, "w", sample_rate, channels, **how) as sink:
        for start in range(0, len(samples), sample_rate):
            sink.write(samples[start : start + sample_rate])


def _with_serial_zero(ogg: bytes) -> bytes:
    """Return an OGG stream with its random serial number, and so its checksums, made the same for all."""
    pages, start = bytearray(ogg), 0
    while start < len(pages):
        segments = pages[start + 26]
        end = start + 27 + segments + sum(pages[start + 27 : start + 27 + segments])
        pages[start + 14 : start + 18] = bytes(4)  # the serial number
        pages[start + 22 : start + 26] = bytes(4)  # the checksum, which counts as zero in itself
        pages[start + 22 : start + 26] = _ogg_checksum(bytes(pages[start:end])).to_bytes(4, "little")
        start = end
    return bytes(pages)


def _ogg_checksum(page: bytes) -> int:
    """Return the CRC-32 of RFC 3533: polynomial 0x04c11db7, most significant bit first, no inversion."""
    checksum = 0
    for byte in page:
        checksum = (checksum << 8 & 0xFFFFFFFF) ^ _CHECKSUMS[checksum >> 24 ^ byte]
    return checksum


def _checksum_of_byte(value: int) -> int:
    value <<= 24
    for _ in range(8):
        value = (value << 1 & 0xFFFFFFFF) ^ (0x04C11DB7 if value & 0x80000000 else 0)
    return value


_CHECKSUMS = [_checksum_of_byte(byte) for byte in range(256)]
