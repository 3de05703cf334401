"""Sound that comes in: speech-like audio, and the microphone that never waits.

A microphone delivers a frame *after* it was captured: frame ``k`` of duration ``d`` arrives at
``(k + 1) * d``. It never waits for its reader. A reader that is late finds the frames that it has
missed waiting for it, all at once.

Conventions
-----------
Audio is mono ``float32`` in [-1, 1], shape ``(samples,)``; sample rates are in Hz. Sound is
*audible* in a 10 ms window whose root mean square is above -40 dBFS (the threshold and window with
which Pipecat finds the onset of speech).
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from math import ceil, isnan, nan

import numpy as np

from voice_agent_lab.latency import check_rate, check_seconds
from voice_agent_lab.streams import sleep_until
from voice_agent_lab.timeline import record

CHARS_PER_SECOND = 150 * 5 / 60
"""The user's speaking rate: 150 words a minute of 5 characters each, the article's figures."""

AUDIBLE_RMS = 0.01  # -40 dBFS
_WINDOW = 0.010  # seconds

# First and second formant of the vowels, in Hz; consonants borrow the neutral one. Rounded values
# of an adult speaker, for a speech-like sound only: nothing is to be understood.
_FORMANTS = {
    "a": (700, 1200),
    "e": (500, 1800),
    "i": (300, 2200),
    "o": (500, 900),
    "u": (320, 800),
    "y": (300, 2100),
}
_NEUTRAL = (450, 1450)
_NOISY = set("cfhkpqstxz")


@lru_cache(maxsize=256)
def _speech_like(text: str, samples: int, sample_rate: int, pitch: float) -> np.ndarray:
    position = np.minimum(np.arange(samples) * len(text) // max(samples, 1), len(text) - 1)
    letters = text.lower()
    first, second = (
        np.array([_FORMANTS.get(c, _NEUTRAL)[k] for c in letters], dtype=np.float32)[position] for k in (0, 1)
    )
    noisy = np.array([c in _NOISY for c in letters])[position]
    loud = np.array([0.2 if c.isspace() else 1.0 for c in letters], dtype=np.float32)[position]
    time = np.arange(samples, dtype=np.float32) / sample_rate
    phase = 2 * np.pi * pitch * (time + 0.01 * np.sin(2 * np.pi * 1.3 * time))
    voice = np.zeros(samples, dtype=np.float32)
    for harmonic in range(1, int(2600 // pitch)):
        frequency = harmonic * pitch
        strength = (
            np.exp(-(((frequency - first) / 150) ** 2))
            + 0.5 * np.exp(-(((frequency - second) / 200) ** 2))
            + 0.03
        )
        voice += strength * np.sin(harmonic * phase)
    noise = np.random.default_rng(samples).standard_normal(samples).astype(np.float32)
    sound = np.where(noisy, 0.3 * voice + 0.4 * noise, voice)
    # Every letter equally loud, gliding from one to the next within a pitch period or two.
    loudness = _smoothed(np.abs(sound), round(0.02 * sample_rate))
    sound = 0.08 * _smoothed(loud, round(0.02 * sample_rate)) * sound / np.maximum(loudness, 1e-6)
    sound = np.clip(sound, -1, 1).astype(np.float32)
    sound.flags.writeable = False  # shared by all who ask for the same words
    return sound


def _smoothed(values: np.ndarray, width: int) -> np.ndarray:
    """Return the moving average over `width` samples, the edges repeated."""
    padded = np.pad(values.astype(np.float64), (width // 2 + 1, width - width // 2 - 1 + 1), "edge")
    sums = np.cumsum(padded)
    return (sums[width:] - sums[:-width])[: len(values)] / width


def speech_like(text: str, seconds: float, sample_rate: int = 16000, pitch: float = 120.0) -> np.ndarray:
    """Return a sound with the rhythm and spectrum of speech, in which nothing is said.

    Parameters
    ----------
    text : str
        Shapes the sound: vowels set its formants, some consonants its noise, spaces its dips.
    seconds : float
        How long it lasts, rounded to whole samples.
    sample_rate : int
        In Hz.
    pitch : float
        Fundamental frequency in Hz.

    Returns
    -------
    ndarray of float32, shape (samples,)
        Mean magnitude 0.08, the level of the article's noise, in every letter; a space is quieter.
        Read-only; the same arguments give the same array.
    """
    if not text:
        raise ValueError("text is empty; give at least one character to speak")
    samples = round(check_seconds("seconds", seconds) * sample_rate)
    return _speech_like(text, samples, sample_rate, pitch) if samples else np.zeros(0, dtype=np.float32)


def speech_bounds(samples: np.ndarray, sample_rate: int) -> tuple[float, float]:
    """Return when the first audible sound starts and the last one ends, in seconds.

    Returns
    -------
    tuple of float
        ``(nan, nan)`` if nothing is audible.
    """
    window = max(1, round(_WINDOW * sample_rate))
    padded = np.pad(samples, (0, -len(samples) % window)).astype(np.float64)
    windows = padded.reshape(-1, window)
    # The last window may be short: its mean is over the samples that it has.
    lengths = np.minimum(window, len(samples) - window * np.arange(len(windows)))
    audible = np.flatnonzero(np.sqrt((windows**2).sum(axis=1) / np.maximum(lengths, 1)) > AUDIBLE_RMS)
    if not len(audible):
        return (nan, nan)
    first, last = int(audible[0]), int(audible[-1])
    return (first * window / sample_rate, min((last + 1) * window, len(samples)) / sample_rate)


_BREAK = re.compile(r'<break time="(\d+(?:\.\d+)?)s"\s*/>')  # SSML's tag for a pause


@dataclass(frozen=True)
class SpokenWord:
    """A word and when it is spoken, in seconds since the utterance began."""

    text: str
    starts: float
    ends: float


def spoken_words(text: str, chars_per_second: float = CHARS_PER_SECOND) -> tuple[list[SpokenWord], float]:
    """Return when each word of an utterance is spoken, and how long the whole lasts in seconds.

    Parameters
    ----------
    text : str
        The words. ``<break time="0.8s"/>`` (SSML's tag) is a pause.
    chars_per_second : float
        Speaking rate; the space between two words counts.
    """
    words, time = [], 0.0
    for number, part in enumerate(_BREAK.split(text)):
        if number % 2:
            time += float(part)
            continue
        characters = 0
        for word in part.split():
            starts = time + characters / chars_per_second
            words.append(SpokenWord(word, round(starts, 9), round(starts + len(word) / chars_per_second, 9)))
            characters += len(word) + 1
        time += len(part.strip()) / chars_per_second
    return words, round(time, 9)


@dataclass(frozen=True)
class _Utterance:
    """What the user says, from which frame on, and when in it the first and the last sound is."""

    text: str
    first_frame: int
    samples: np.ndarray
    started: float
    ended: float


class AudioInputStream:
    """A user who speaks into a microphone: frames of audio, pushed in real time.

    Parameters
    ----------
    sample_rate : int
        In Hz.
    chunk_duration_ms : float
        How much sound a frame holds, in milliseconds.
    latency : float
        Seconds from the capture of a frame to its arrival at the agent: device, codec and network.
    """

    def __init__(
        self, sample_rate: int = 16000, chunk_duration_ms: float = 100, latency: float = 0.0
    ) -> None:
        self.sample_rate = check_rate("sample_rate", sample_rate)
        self.chunk_duration_ms = chunk_duration_ms
        milliseconds = check_seconds("chunk_duration_ms", chunk_duration_ms, "milliseconds")
        self.chunk_size = round(sample_rate * milliseconds / 1000)
        if self.chunk_size < 1:
            raise ValueError(
                f"chunk_duration_ms is {chunk_duration_ms!r}; a frame must hold at least one sample"
            )
        self.latency = check_seconds("latency", latency)
        self._opened: float | None = None
        self._utterances: list[_Utterance] = []

    def samples_for(self, text: str) -> np.ndarray:
        """Return the sound of the user saying `text`; here speech-like, in whole frames.

        Another kind of user (a synthetic voice, a recording) overrides this.
        """
        _, seconds = spoken_words(text)
        frames = ceil(round(seconds * self.sample_rate, 6) / self.chunk_size)
        parts, left = _BREAK.split(text.strip()), frames * self.chunk_size / self.sample_rate - seconds
        sound = [np.zeros(0, dtype=np.float32)]
        for number, part in enumerate(parts):
            # Rounding up to whole frames makes the last words a little slower.
            slower = left if number == len(parts) - 1 else 0.0
            if number % 2:
                sound.append(np.zeros(round(float(part) * self.sample_rate), dtype=np.float32))
            elif part.strip():
                spoken = len(part.strip()) / CHARS_PER_SECOND + slower
                sound.append(speech_like(part.strip(), spoken, self.sample_rate))
        return np.concatenate(sound)

    def say(self, text: str) -> None:
        """Begin to say `text` with the next frame, or with the first if the microphone is not open yet.

        Raises
        ------
        ValueError
            If `text` is empty or its sound is silent.
        """
        if not text.strip():
            raise ValueError("text is empty; a user who says nothing starts no turn")
        samples = self.samples_for(text)
        started, ended = speech_bounds(samples, self.sample_rate)
        if isnan(ended):
            raise ValueError(f"the audio for {text!r} is silent; nothing in it is louder than -40 dBFS")
        frame = (
            0 if self._opened is None else ceil(round(self._now() * self.sample_rate / self.chunk_size, 6))
        )
        self._utterances.append(_Utterance(text, frame, samples, started, ended))

    def is_talking(self) -> bool:
        """Return whether there is speech to come in what the user has begun to say."""
        return any(self._began(u) + u.ended > self._now() for u in self._utterances)

    def words_from(self, at: float) -> str:
        """Return the words that the user has begun to say and that end after a moment, with their pauses.

        Parameters
        ----------
        at : float
            The moment on the loop's clock, in seconds. The text begins there, with a break if need be.
        """
        seconds = round(at - self._opened, 9)
        text, reached, gap = "", seconds, 1 / CHARS_PER_SECOND
        for utterance in self._utterances:
            for word in spoken_words(utterance.text)[0]:
                starts, ends = (self._began(utterance) + t for t in (word.starts, word.ends))
                if ends <= seconds:
                    continue
                pause = max(0.0, round(starts - reached, 9))
                natural = text and abs(pause - gap) < 1e-6
                text += " " if natural else f'<break time="{pause:.9f}s"/>' if pause else ""
                text, reached = text + word.text, ends
        return text

    async def stream_audio(self, text: str) -> AsyncIterator[np.ndarray]:
        """Yield the frames of the user saying `text`, then frames of silence for as long as anyone listens.

        Raises
        ------
        ValueError
            If `text` is empty or its sound is silent.
        """
        self._opened, self._utterances = None, []
        self.say(text)
        async with aclosing(self.frames()) as frames:
            async for frame in frames:
                yield frame

    async def frames(self) -> AsyncIterator[np.ndarray]:
        """Open the microphone and yield its frames for as long as anyone listens.

        Frames keep absolute deadlines, so that neither a slow reader nor a late wake-up moves the
        ones that follow.
        """
        self._opened = asyncio.get_running_loop().time()
        for number in count():
            captured = self._opened + (number + 1) * self.chunk_size / self.sample_rate
            await sleep_until(captured + self.latency)
            frame = np.zeros(self.chunk_size, dtype=np.float32)
            for utterance in self._utterances:
                self._add(utterance, number, captured, frame)
            record("microphone", "frame", at=captured + self.latency)
            yield frame

    def _add(self, utterance: _Utterance, number: int, captured: float, frame: np.ndarray) -> None:
        """Add what belongs in frame `number` of an utterance, and note its true start and end."""
        place = (number - utterance.first_frame) * self.chunk_size
        if not 0 <= place < len(utterance.samples):
            return
        samples = utterance.samples[place : place + self.chunk_size]
        frame[: len(samples)] += samples
        began = self._opened + self._began(utterance)
        seconds = self.chunk_size / self.sample_rate
        if place == int(round(utterance.started / seconds, 6)) * self.chunk_size:
            record("user", "speech_started", at=began + utterance.started)
        if place == (ceil(round(utterance.ended / seconds, 6)) - 1) * self.chunk_size:
            record("user", "speech_ended", at=began + utterance.ended)
            record("microphone", "speech_captured", at=captured)
            record("microphone", "speech_delivered", at=captured + self.latency)

    def _began(self, utterance: _Utterance) -> float:
        return utterance.first_frame * self.chunk_size / self.sample_rate

    def _now(self) -> float:
        """Return the seconds since the microphone opened."""
        return asyncio.get_running_loop().time() - (self._opened or 0.0)
