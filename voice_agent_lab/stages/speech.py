"""What a user's speech sounds like, when each word of it is spoken, and where sound begins and ends.

Conventions
-----------
Audio is mono ``float32`` in [-1, 1], shape ``(samples,)``; sample rates are in Hz. Sound is
*audible* in a 10 ms window whose root mean square is above -40 dBFS (the threshold and window with
which Pipecat finds the onset of speech).
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from math import nan

import numpy as np

from voice_agent_lab.checks import check_seconds
from voice_agent_lab.measure.audible import WINDOW, audible_windows
from voice_agent_lab.measure.log import to_the_nanosecond
from voice_agent_lab.measure.words import words

CHARS_PER_SECOND = 150 * 5 / 60
"""The user's speaking rate: 150 words a minute of 5 characters each, the article's figures."""

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
    shared: np.ndarray = np.clip(sound, -1, 1).astype(np.float32)
    shared.flags.writeable = False  # by all who ask for the same words
    return shared


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
    audible = np.flatnonzero(audible_windows(samples, sample_rate))
    if not len(audible):
        return (nan, nan)
    window = max(1, round(WINDOW * sample_rate))
    first, last = int(audible[0]), int(audible[-1])
    return (first * window / sample_rate, min((last + 1) * window, len(samples)) / sample_rate)


_TAG = re.compile(r"<\s*/?\s*break\b[^>]*>?", re.IGNORECASE)
_BREAK = re.compile(r"""<break\s+time\s*=\s*(["'])\s*(\d+\.?\d*|\.\d+)\s*(ms|s)\s*\1\s*/>""", re.IGNORECASE)


def split_breaks(text: str) -> list[str | float]:
    """Return the stretches of words of an utterance and the pauses between them, in seconds.

    A pause is SSML's tag, ``<break time="0.8s"/>`` or ``<break time="800ms"/>``.

    Raises
    ------
    ValueError
        If a tag does not say how long the pause is.

    Examples
    --------
    >>> split_breaks('Tell me <break time="300ms"/> the weather.')
    ['Tell me', 0.3, 'the weather.']
    """
    parts: list[str | float] = []
    reached = 0
    for tag in _TAG.finditer(text):
        pause = _BREAK.fullmatch(tag[0])
        if pause is None:
            raise ValueError(f'text has {tag[0]!r}; write a pause as <break time="0.8s"/> or time="800ms"')
        parts += [
            text[reached : tag.start()].strip(),
            float(pause[2]) / (1000 if pause[3].lower() == "ms" else 1),
        ]
        reached = tag.end()
    parts.append(text[reached:].strip())
    return [part for part in parts if part]


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
        The words, with pauses; see `split_breaks`.
    chars_per_second : float
        Speaking rate; the space between two words counts.
    """
    spoken, time = [], 0.0
    for part in split_breaks(text):
        if isinstance(part, float):
            time += part
            continue
        reached = 0
        for word in words(part):
            starts = part.index(word, reached)
            reached = starts + len(word)
            times = (
                to_the_nanosecond(time + characters / chars_per_second) for characters in (starts, reached)
            )
            spoken.append(SpokenWord(word, *times))
        time += len(part) / chars_per_second
    return spoken, to_the_nanosecond(time)
