"""Figures of sound: its waveform, its energy as a voice activity detector sees it, its spectrogram.

Conventions
-----------
Audio is mono float32 in [-1, 1], shape ``(samples,)``; sample rates are in Hz. Energy is the root
mean square of 10 ms windows in dBFS: decibels below full scale, where an amplitude of 1 is 0 dBFS.
It is drawn down to -80 dBFS; what is quieter, digital silence included, lies on that line.
"""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.mlab import specgram

from voice_agent_lab.plots.drawing import (
    STAGE_COLOURS,
    drawn_in_style,
    headline,
    length,
    line_colour,
    new_figure,
    write_at,
)

FLOOR = -80.0
_WINDOW = 0.010  # seconds
_COLUMNS = 640  # about as many as the figure has pixels


def energy(samples: np.ndarray, sample_rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the energy of each 10 ms of sound; a shorter rest at the end is left out.

    Parameters
    ----------
    samples : ndarray, shape (samples,)
        The sound.
    sample_rate : int
        In Hz.

    Returns
    -------
    times : ndarray
        The middle of each window, in seconds.
    dbfs : ndarray
        Its root mean square in dBFS, at least -80.
    """
    samples = _checked(samples, sample_rate)
    window = max(1, round(_WINDOW * sample_rate))
    windows = samples[: len(samples) // window * window].reshape(-1, window).astype(np.float64)
    rms = np.sqrt((windows**2).mean(axis=1))
    times = (np.arange(len(rms)) + 0.5) * window / sample_rate
    return times, 20 * np.log10(np.maximum(rms, 10 ** (FLOOR / 20)))


@drawn_in_style
def waveform_and_energy(
    samples: np.ndarray, sample_rate: int, threshold: float | None = None, *, stage: str = "user"
) -> Figure:
    """Draw a sound's waveform and, beneath it, its energy.

    Parameters
    ----------
    samples : ndarray, shape (samples,)
        The sound, 10 ms of it at least.
    sample_rate : int
        In Hz.
    threshold : float, optional
        In dBFS; energy above it counts as speech. An amplitude ``a`` is ``20 * log10(a)`` dBFS.
    stage : str
        Whose sound it is, for the colour; "playback" is the agent's voice.

    Returns
    -------
    Figure
    """
    samples = _checked(samples, sample_rate)
    figure, (wave, below) = new_figure(3.5, left=0.75, right=0.85, shares=(1, 1))
    seconds = len(samples) / sample_rate
    peak = _draw_wave(wave, samples, sample_rate, stage)
    wave.set(xlim=(0, seconds), ylabel="amplitude")
    sentence = _draw_energy(below, samples, sample_rate, stage, threshold)
    figure.set_label(f"{length(seconds)} of sound, peak amplitude {peak:.2f}; {sentence}.")
    return figure


@drawn_in_style
def spectrogram(samples: np.ndarray, sample_rate: int, *, stage: str = "user") -> Figure:
    """Draw a sound's spectrogram, darker where it is louder, and its energy beneath it.

    Parameters
    ----------
    samples : ndarray, shape (samples,)
        The sound, 32 ms of it at least.
    sample_rate : int
        In Hz.
    stage : str
        Whose sound it is, for the colour of the energy; "playback" is the agent's voice.

    Returns
    -------
    Figure
    """
    samples = _checked(samples, sample_rate)
    size = round(0.032 * sample_rate)
    if len(samples) < size:
        raise ValueError(f"samples has {len(samples)} values; a spectrogram needs {size}, which is 32 ms")
    hop = min(size, max(round(0.008 * sample_rate), len(samples) // 700))
    power, frequencies, times = specgram(samples, NFFT=size, Fs=sample_rate, noverlap=size - hop)
    level = 10 * np.log10(np.maximum(power, 1e-12))
    level -= level.max()
    figure, (picture, below) = new_figure(3.5, left=0.75, right=1.0, shares=(2, 1))
    half = (times[1] - times[0]) / 2 if len(times) > 1 else size / sample_rate / 2
    extent = (times[0] - half, times[-1] + half, 0, frequencies[-1] / 1000)
    look = {"cmap": "Greys", "vmin": -60, "vmax": 0, "interpolation": "nearest"}
    picture.imshow(level, origin="lower", aspect="auto", extent=extent, **look)
    picture.set(xlim=(0, len(samples) / sample_rate), ylabel="kHz")
    _write_right(picture, "axes fraction", 0.5, "white to black\nis 60 dB")
    sentence = _draw_energy(below, samples, sample_rate, stage, None)
    loudest = frequencies[int(power.mean(axis=1).argmax())]
    figure.set_label(
        f"Spectrogram of {length(len(samples) / sample_rate)} of sound "
        f"up to {frequencies[-1] / 1000:.1f} kHz, on average strongest near {loudest:.0f} Hz; {sentence}."
    )
    return figure


@drawn_in_style
def two_sounds(
    sounds: Mapping[str, np.ndarray],
    sample_rate: int,
    bounds: Mapping[str, tuple[float, float]],
    audible: float = -40.0,
) -> Figure:
    """Draw the waveforms and energies of two sounds over the same time, the end of speech marked.

    Parameters
    ----------
    sounds : mapping of str to ndarray of float32, shape (samples,)
        The two under their names.
    sample_rate : int
        Of both, in Hz.
    bounds : mapping of str to pair of float
        When the speech in each begins and ends, in seconds.
    audible : float
        The energy above which a sound counts as audible, in dBFS.

    Returns
    -------
    Figure
    """
    figure, axes = new_figure(5.25, left=0.8, right=0.75, top=0.55, shares=(1, 1, 1, 1))
    seconds = max(len(samples) for samples in sounds.values()) / sample_rate
    told, silent = [], []
    for (name, samples), wave, below in zip(sounds.items(), axes[::2], axes[1::2], strict=True):
        started, ended = bounds[name]
        _draw_wave(wave, samples, sample_rate, "user", columns=1200, ticks=3)
        times, dbfs = energy(samples, sample_rate)
        below.fill_between(times, FLOOR, dbfs, color=STAGE_COLOURS["user"], alpha=0.45, linewidth=0)
        below.plot(times, dbfs, color=line_colour("user"), linewidth=1)
        below.axhline(audible, color="black", linestyle="--", linewidth=1)
        words = f"{audible:.0f} dBFS".replace("-", "\N{MINUS SIGN}")
        write_at(below, "axes fraction", "data", (1, audible), (4, 0), words, va="center")
        below.set(ylim=(FLOOR, 0), yticks=(-80, -40, 0), ylabel="dBFS")
        wave.set(xlim=(0, seconds + 0.1), ylabel=name)
        for part in (wave, below):
            part.axvline(ended, color="black", linewidth=1.4)
        words = f"speech ends {ended:.2f} s"
        write_at(wave, "data", "axes fraction", (ended, 1), (0, 3), words, ha="center", weight="bold")
        inside = dbfs[(times > started) & (times < ended)]
        silent.append(f"{length(_WINDOW * (inside <= audible).sum())} {name}")
        told.append(
            f"{name}, speech from {started:.2f} to {ended:.2f} s, of which "
            f"{length(_WINDOW * (inside <= audible).sum())} below {audible:.0f} dBFS, "
            f"energy up to {dbfs.max():.0f} dBFS"
        )
    axes[-1].set_xlabel("seconds")
    headline(figure, f"Silence within the sentence: {', '.join(silent)}")
    figure.set_label(f"Two sounds: {'; '.join(told)}.")
    return figure


def _draw_wave(
    axes: Axes, samples: np.ndarray, sample_rate: int, stage: str, columns: int = _COLUMNS, ticks: int = 4
) -> float:
    """Draw each column's lowest and highest sample, what the eye would see of them all; return the peak."""
    starts = np.unique(np.linspace(0, len(samples), columns, endpoint=False).astype(int))
    low, high = np.minimum.reduceat(samples, starts), np.maximum.reduceat(samples, starts)
    axes.fill_between(starts / sample_rate, low, high, color=STAGE_COLOURS[stage], linewidth=0.8)
    peak = float(np.abs(samples).max())
    axes.set(ylim=(-(peak or 1) * 1.1, (peak or 1) * 1.1))
    axes.yaxis.get_major_locator().set_params(nbins=ticks)
    return peak


def _draw_energy(
    axes: Axes, samples: np.ndarray, sample_rate: int, stage: str, threshold: float | None
) -> str:
    """Draw the energy and return it as words."""
    times, dbfs = energy(samples, sample_rate)
    axes.fill_between(times, FLOOR, dbfs, color=STAGE_COLOURS[stage], alpha=0.35, linewidth=0)
    axes.plot(times, dbfs, color=line_colour(stage), linewidth=1.2, label="energy")
    axes.set(ylim=(FLOOR, 0), ylabel="dBFS", xlabel="seconds", yticks=(-80, -60, -40, -20, 0))
    words = f"energy between {dbfs.min():.0f} and {dbfs.max():.0f} dBFS"
    if threshold is None:
        return words
    above = (dbfs > threshold).sum() * _WINDOW
    axes.axhline(threshold, color="black", linestyle="--", linewidth=1.2, label="threshold")
    _write_right(axes, "data", threshold, f"threshold\n{threshold:.0f} dBFS".replace("-", "\N{MINUS SIGN}"))
    return f"{words}, above the threshold of {threshold:.0f} dBFS for {length(above)}"


def _write_right(axes: Axes, coordinates: str, y: float, text: str) -> None:
    place = {"xycoords": ("axes fraction", coordinates), "textcoords": "offset points"}
    axes.annotate(text, (1, y), (5, 0), va="center", size=8, **place)


def _checked(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    samples = np.asarray(samples)
    if samples.ndim != 1:
        raise ValueError(f"samples has shape {samples.shape}; give one channel, shape (samples,)")
    if not sample_rate > 0:
        raise ValueError(f"sample_rate is {sample_rate!r}; it must be a positive number of Hz, such as 16000")
    least = round(_WINDOW * sample_rate)
    if len(samples) < least:
        raise ValueError(f"samples has {len(samples)} values; give {least} or more, which is 10 ms")
    return samples
