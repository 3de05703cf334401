"""Where a sound can be heard, and where it is silent.

Conventions
-----------
Sound is *audible* in a 10 ms window whose root mean square is above -40 dBFS, the threshold and
window with which Pipecat finds the onset of speech. Times are seconds since the sound began.
"""

import numpy as np

AUDIBLE_RMS = 0.01
"""-40 dBFS."""

WINDOW = 0.010
"""Seconds in which the root mean square is taken."""

_CLOSURE = 0.05  # seconds: a stop consonant is silent for as long, and no pause


def audible_windows(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """Return whether each window of a sound is audible, as bool of shape (windows,)."""
    window = max(1, round(WINDOW * sample_rate))
    whole = len(samples) // window
    exact = np.asarray(samples, dtype=np.float64)
    windows = exact[: whole * window].reshape(whole, window)
    energy = np.einsum("ij,ij->i", windows, windows)
    if len(rest := exact[whole * window :]):  # its mean is over the samples that it has
        energy = np.append(energy, np.dot(rest, rest) * window / len(rest))
    audible: np.ndarray = energy > AUDIBLE_RMS**2 * window
    return audible


def audible_stretches(samples: np.ndarray, sample_rate: int) -> list[tuple[float, float]]:
    """Return the start and end of each audible stretch of a sound, in seconds.

    Silences shorter than 50 ms do not part two stretches.
    """
    window = max(1, round(WINDOW * sample_rate))
    audible = audible_windows(samples, sample_rate)
    if audible.all():
        return [(0.0, len(samples) / sample_rate)] if len(audible) else []
    found = np.flatnonzero(audible)
    if not len(found):
        return []
    parted = np.flatnonzero(np.diff(found) > _CLOSURE * sample_rate / window)
    firsts = found[np.concatenate([[0], parted + 1])]
    lasts = found[np.concatenate([parted, [-1]])]
    return [
        (first * window / sample_rate, min((last + 1) * window, len(samples)) / sample_rate)
        for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True)
    ]
