"""Sound cut into frames, in notebook 02: its samples, its energy, and what a detector hears in it."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.plots import STAGE_COLOURS, drawn_in_style, energy, length, new_figure
from voice_agent_lab.plots.sound import FLOOR
from voice_agent_lab.stages.microphone import AudioInputStream
from voice_agent_lab.stages.speech import AUDIBLE_RMS, speech_bounds
from voice_agent_lab.stages.vad import EnergyVAD


def frames_of(samples: np.ndarray, sample_rate: int, frame_ms: float) -> np.ndarray:
    """Return a sound cut into frames, the last one filled up with silence; shape ``(frames, samples)``."""
    size = AudioInputStream(sample_rate, frame_ms).chunk_size
    return np.pad(samples, (0, -len(samples) % size)).reshape(-1, size)


def judged(samples: np.ndarray, sample_rate: int, frame_ms: float, threshold: float) -> list[bool]:
    """Return for each frame whether a detector with this threshold of mean magnitude calls it speech."""
    vad = EnergyVAD(threshold)

    async def judge() -> list[bool]:
        return [await vad.hears_speech(frame) for frame in frames_of(samples, sample_rate, frame_ms)]

    return simulate(judge())


def longest_hole(speech: Sequence[bool]) -> int:
    """Return the longest run of frames without speech between the first frame with speech and the last."""
    places = [k for k, heard in enumerate(speech) if heard]
    return max((b - a - 1 for a, b in pairwise(places)), default=0)


@drawn_in_style
def samples_and_frames(samples: np.ndarray, sample_rate: int, at: float, frame_ms: float = 20) -> Figure:
    """Draw five frames of a sound, and beneath them the first 2 ms of the middle one, sample by sample.

    Parameters
    ----------
    samples : ndarray of float32, shape (samples,)
        The sound.
    sample_rate : int
        In Hz.
    at : float
        Where the first frame begins, in seconds; rounded to a whole frame.
    frame_ms : float
        Duration of a frame in milliseconds.

    Returns
    -------
    Figure
    """
    size = AudioInputStream(sample_rate, frame_ms).chunk_size
    first = round(at * sample_rate / size) * size
    shown = samples[first : first + 5 * size]
    if len(shown) < 5 * size:
        raise ValueError(f"at is {at!r}; five frames of {frame_ms} ms from there must lie within the sound")
    figure, (upper,) = new_figure(3.9)
    upper.set_position((0.1, 0.56, 0.875, 0.36))
    lower = figure.add_axes((0.1, 0.13, 0.875, 0.28))  # over other times than the upper one
    ms = 1000 * np.arange(first, first + 5 * size) / sample_rate
    upper.plot(ms, shown, color=STAGE_COLOURS["user"], linewidth=1)
    edges = 1000 * (first + size * np.arange(6)) / sample_rate
    peak = 1.15 * float(np.abs(shown).max())
    upper.set(xlim=(edges[0], edges[-1]), ylim=(-peak, peak), ylabel="amplitude", xticks=edges)
    for k, (start, end) in enumerate(pairwise(edges)):
        upper.axvline(start, color="black", linewidth=0.8)
        upper.text((start + end) / 2, 1.04 * peak, f"frame {first // size + k}", ha="center", size=8)
    few = round(0.002 * sample_rate)
    zoom, zoom_ms = shown[2 * size : 2 * size + few], ms[2 * size : 2 * size + few]
    upper.axvspan(zoom_ms[0], zoom_ms[-1], color="#999999", alpha=0.5, linewidth=0)
    lower.vlines(zoom_ms, 0, zoom, color=STAGE_COLOURS["user"], linewidth=1)
    lower.plot(zoom_ms, zoom, "o", color=STAGE_COLOURS["user"], markeredgecolor="black", markersize=5)
    lower.axhline(0, color="black", linewidth=0.6)
    lower.set(xlim=(zoom_ms[0] - 0.03, zoom_ms[-1] + 0.03), ylabel="amplitude", xlabel="milliseconds")
    figure.set_label(
        f"Five frames of {frame_ms:g} ms, from {edges[0]:.0f} to {edges[-1]:.0f} ms, each of {size} samples; "
        f"below, 2 ms of the middle frame are {few} samples."
    )
    return figure


@drawn_in_style
def recorded_and_simulated(recorded: np.ndarray, simulated: np.ndarray, sample_rate: int) -> Figure:
    """Draw the waveforms and energies of two sounds over the same time, the end of speech marked.

    Parameters
    ----------
    recorded, simulated : ndarray of float32, shape (samples,)
        The sounds.
    sample_rate : int
        Of both, in Hz.

    Returns
    -------
    Figure
    """
    figure, axes = new_figure(5.0, left=0.8, right=0.75, top=0.3, shares=(1, 1, 1, 1))
    seconds = max(len(recorded), len(simulated)) / sample_rate
    audible = 20 * np.log10(AUDIBLE_RMS)
    told = []
    for wave, below, name, samples in (
        (*axes[:2], "recorded", recorded),
        (*axes[2:], "simulated", simulated),
    ):
        started, ended = speech_bounds(samples, sample_rate)
        _draw_wave(wave, samples, sample_rate)
        times, dbfs = energy(samples, sample_rate)
        below.fill_between(times, FLOOR, dbfs, color=STAGE_COLOURS["user"], alpha=0.45, linewidth=0)
        below.plot(times, dbfs, color=STAGE_COLOURS["user"], linewidth=1)
        below.axhline(audible, color="black", linestyle="--", linewidth=1)
        write_near(below, "axes fraction", "data", (1, audible), (4, 0), "\N{MINUS SIGN}40 dBFS", va="center")
        below.set(ylim=(FLOOR, 0), yticks=(-80, -40, 0), ylabel="dBFS")
        wave.set(xlim=(0, seconds + 0.1), ylabel=name)
        for part in (wave, below):
            part.axvline(ended, color="black", linewidth=1.4)
        words = f"speech ends {ended:.2f} s"
        write_near(wave, "data", "axes fraction", (ended, 1), (0, 3), words, ha="center", weight="bold")
        inside = dbfs[(times > started) & (times < ended)]
        quiet = length(0.01 * (inside <= audible).sum())
        told.append(
            f"{name}, speech from {started:.2f} to {ended:.2f} s, of which {quiet} below "
            f"{audible:.0f} dBFS, energy up to {dbfs.max():.0f} dBFS"
        )
    axes[-1].set_xlabel("seconds")
    figure.set_label(f"Two sounds: {'; '.join(told)}.")
    return figure


def _draw_wave(axes: Axes, samples: np.ndarray, sample_rate: int, columns: int = 1200) -> None:
    """Draw each column's lowest and highest sample: what the eye would see of them all."""
    starts = np.unique(np.linspace(0, len(samples), columns, endpoint=False).astype(int))
    low, high = np.minimum.reduceat(samples, starts), np.maximum.reduceat(samples, starts)
    axes.fill_between(starts / sample_rate, low, high, color=STAGE_COLOURS["user"], linewidth=0.8)
    peak = 1.1 * (float(np.abs(samples).max()) or 1)
    axes.set(ylim=(-peak, peak))
    axes.yaxis.get_major_locator().set_params(nbins=3)


@drawn_in_style
def frames_heard(
    samples: np.ndarray, sample_rate: int, frame_ms: Sequence[float] = (100, 20), threshold: float = 0.05
) -> Figure:
    """Draw a sound as a frame-wise detector sees it: one bar for each frame, speech or not.

    Parameters
    ----------
    samples : ndarray of float32, shape (samples,)
        The sound.
    sample_rate : int
        In Hz.
    frame_ms : sequence of float
        Durations of a frame in milliseconds, a row for each.
    threshold : float
        Mean magnitude above which a frame is called speech.

    Returns
    -------
    Figure
    """
    figure, axes = new_figure(1.0 + 1.3 * len(frame_ms), left=0.8, right=0.75, shares=(1,) * len(frame_ms))
    ended, told = speech_bounds(samples, sample_rate)[1], []
    for ax, duration in zip(axes, frame_ms, strict=True):
        speech = judged(samples, sample_rate, duration, threshold)
        means = np.abs(frames_of(samples, sample_rate, duration)).mean(axis=1)
        left = np.arange(len(means)) * duration / 1000
        colours = [STAGE_COLOURS["user"] if heard else "white" for heard in speech]
        ax.bar(left, means, duration / 1000, align="edge", color=colours, edgecolor="#444444", linewidth=0.6)
        ax.axhline(threshold, color="black", linestyle="--", linewidth=1)
        write_near(ax, "axes fraction", "data", (1, threshold), (4, 0), f"{threshold:g}", va="center")
        ax.axvline(ended, color="black", linewidth=1.4)
        ax.set(xlim=(0, len(samples) / sample_rate), ylim=(0, None), ylabel=f"{duration:g} ms frames")
        told.append(
            f"frames of {duration:g} ms: {sum(speech)} of {len(speech)} are called speech, "
            f"the longest hole is {length(longest_hole(speech) * duration / 1000)}"
        )
    axes[-1].set_xlabel("seconds")
    figure.set_label(f"With a threshold of {threshold:g}, {'; '.join(told)}. Speech ends at {ended:.2f} s.")
    return figure


def write_near(
    axes: Axes,
    x: str,
    y: str,
    place: tuple[float, float],
    offset: tuple[float, float],
    text: str,
    **look: str,
) -> None:
    """Write a small text near a place whose coordinates are of the kinds `x` and `y`."""
    axes.annotate(text, place, offset, xycoords=(x, y), textcoords="offset points", size=8, **look)
