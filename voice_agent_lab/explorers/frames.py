"""Notebook 02: frames of sound, what they cost, and what happens to them when audio is pulled.

Conventions
-----------
Frame ``k`` of duration ``d`` is *captured* when its last sample is: at ``(k + 1) * d`` seconds after
the microphone opened, whatever the reader does. How late it is counts from there.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from itertools import pairwise
from math import ceil

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from voice_agent_lab.agent import StreamingVoiceAgent
from voice_agent_lab.as_published import PROMPTS, Fault, PublishedVoiceAgent
from voice_agent_lab.audio import AudioInputStream
from voice_agent_lab.distributions import StageLatencies
from voice_agent_lab.explorers.base import Explorer, choice, slider
from voice_agent_lab.latency import LatencyBudgets, check_seconds
from voice_agent_lab.llm import StreamingLLM
from voice_agent_lab.plots import STAGE_COLOURS, drawn_in_style, energy, length, new_figure
from voice_agent_lab.plots.sound import FLOOR
from voice_agent_lab.simulation import simulate
from voice_agent_lab.speech import AUDIBLE_RMS, speech_bounds, speech_like
from voice_agent_lab.turn import Turn
from voice_agent_lab.turn_taking import EnergyVAD, SilenceTimeout

HEADER_BYTES = 20 + 8 + 12
"""Headers of one packet of sound: IPv4 (RFC 791), UDP (RFC 768) and RTP (RFC 3550), each at its shortest."""

_PROCESSING_SHARE = 0.1  # of a frame's duration, besides what every frame costs: our assumption
_QUESTION = "Are you there, and can you hear me?"
_SPOKEN = 1.93  # seconds: ends within a frame, as speech does, except with frames of 10 ms


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
        _write(below, "axes fraction", "data", (1, audible), (4, 0), "\N{MINUS SIGN}40 dBFS", va="center")
        below.set(ylim=(FLOOR, 0), yticks=(-80, -40, 0), ylabel="dBFS")
        wave.set(xlim=(0, seconds + 0.1), ylabel=name)
        for part in (wave, below):
            part.axvline(ended, color="black", linewidth=1.4)
        words = f"speech ends {ended:.2f} s"
        _write(wave, "data", "axes fraction", (ended, 1), (0, 3), words, ha="center", weight="bold")
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
        _write(ax, "axes fraction", "data", (1, threshold), (4, 0), f"{threshold:g}", va="center")
        ax.axvline(ended, color="black", linewidth=1.4)
        ax.set(xlim=(0, len(samples) / sample_rate), ylim=(0, None), ylabel=f"{duration:g} ms frames")
        told.append(
            f"frames of {duration:g} ms: {sum(speech)} of {len(speech)} are called speech, "
            f"the longest hole is {length(longest_hole(speech) * duration / 1000)}"
        )
    axes[-1].set_xlabel("seconds")
    figure.set_label(f"With a threshold of {threshold:g}, {'; '.join(told)}. Speech ends at {ended:.2f} s.")
    return figure


# Pulled or pushed.


def arrivals(turn: Turn, frame_ms: float = 100) -> pd.DataFrame:
    """Return when the frames of the user's speech were captured, given to the recogniser, and done with.

    Parameters
    ----------
    turn : Turn
        The turn.
    frame_ms : float
        Duration of a frame in milliseconds.

    Returns
    -------
    DataFrame
        A row for each frame, numbered from 1; `captured`, `given`, `done` and `late` (from captured
        to done) in seconds.
    """
    seconds = frame_ms / 1000
    spoken = ceil(round(turn.metrics.speech_ended / seconds, 6))
    rows = [
        (round(k * seconds, 9), round(e.time - e.detail["took"], 9), e.time)
        for k, e in enumerate(turn.log.all("asr", "frame")[:spoken], 1)
    ]
    index = pd.RangeIndex(1, len(rows) + 1, name="frame")
    table = pd.DataFrame(rows, columns=["captured", "given", "done"], index=index)
    return table.assign(late=(table.done - table.captured).round(9))


@drawn_in_style
def pulled_and_pushed(pulled: pd.DataFrame, pushed: pd.DataFrame) -> Figure:
    """Draw how late the recogniser is with each frame, when it pulls them and when they are pushed.

    Parameters
    ----------
    pulled, pushed : DataFrame
        As `arrivals` gives them.

    Returns
    -------
    Figure
    """
    figure, (axes,) = new_figure(3.1, left=0.8, right=1.6)
    rows = (("pulled", pulled, "endpointing", "o"), ("pushed", pushed, "playback", "s"))
    top = 1.15 * max(0.1, pulled.late.max(), pushed.late.max())
    axes.set(
        xlim=(0, 1.03 * pulled.captured.iloc[-1]),
        ylim=(0, top),
        xlabel="frame captured (seconds since the microphone opened)",
        ylabel="seconds late",
    )
    heights = {name: table.late.iloc[-1] for name, table, _, _ in rows}
    near = abs(heights["pulled"] - heights["pushed"]) < 0.12 * top
    for name, table, stage, mark in rows:
        axes.plot(
            table.captured, table.late, f"{mark}-", color=STAGE_COLOURS[stage], markersize=4, clip_on=False
        )
        y = heights[name] + (0.07 * top if near and name == "pulled" else 0)
        words = f"{name}: {length(heights[name])} late"
        _write(axes, "axes fraction", "data", (1, y), (4, 0), words, va="center")
    told = ", ".join(
        f"{name} {length(table.late.iloc[0])} late with the first frame "
        f"and {length(table.late.iloc[-1])} with the last"
        for name, table, _, _ in rows
    )
    figure.set_label(f"{len(pulled)} frames; {told}.")
    return figure


@lru_cache(maxsize=64)
def _heard(prompt: str, processing: float, pulled: bool) -> tuple[Turn, pd.DataFrame]:
    mended = () if pulled else (Fault.PULLED_AUDIO,)
    agent = PublishedVoiceAgent(LatencyBudgets(asr_processing=processing), mended=mended)
    simulate(agent.process_turn(prompt))
    return agent.turns[0], arrivals(agent.turns[0])


def pull_or_push() -> Explorer:
    """Return an explorer of the article's microphone, pulled and pushed, with a recogniser of any speed."""
    return Explorer(
        _pull_or_push,
        processing_ms=slider("recognition of a frame of 100 ms (ms)", 0, 200, 80, 5),
        prompt=choice("the user says", PROMPTS, PROMPTS[0]),
    )


def _pull_or_push(processing_ms: int, prompt: str) -> tuple[Figure, str]:
    pulled, pushed = (_heard(prompt, processing_ms / 1000, each) for each in (True, False))
    told = "; ".join(
        f"{name}, the last frame is done at {table.done.iloc[-1]:.2f} s, "
        f"{length(table.late.iloc[-1])} after it was captured"
        for name, (_, table) in (("pulled", pulled), ("pushed", pushed))
    )
    spoken = pulled[0].metrics.speech_ended
    sentence = f"{spoken:.2f} s of speech, real-time factor {processing_ms / 100:.2f}: {told}."
    return pulled_and_pushed(pulled[1], pushed[1]), sentence


async def frame_times(
    wait: Callable[[int, float, float], Awaitable[None]],
    busy: Callable[[int], float],
    *,
    frames: int = 20,
    seconds: float = 0.1,
) -> list[float]:
    """Return when a reader gets each frame, in seconds since the microphone opened.

    Parameters
    ----------
    wait : callable
        Awaited as ``wait(k, opened, seconds)`` until frame `k` may be given out; `opened` is on the
        loop's clock.
    busy : callable
        How long the reader is busy after frame `k`, in seconds.
    frames : int
        How many to read.
    seconds : float
        Duration of a frame.
    """
    loop = asyncio.get_running_loop()
    opened, times = loop.time(), []
    for k in range(frames):
        await wait(k, opened, seconds)
        times.append(round(loop.time() - opened, 9))
        await asyncio.sleep(check_seconds("busy", busy(k)))
    return times


# The duration of a frame.


class _Speaker(AudioInputStream):
    """A user whose speech ends where it ends, not at the end of a frame."""

    def samples_for(self, text: str) -> np.ndarray:
        return speech_like(text, _SPOKEN, self.sample_rate)


def header_kbit_per_second(frame_ms: float) -> float:
    """Return the kbit/s that go into packet headers when each frame travels in a packet of its own."""
    return HEADER_BYTES * 8 / frame_ms


def frame_duration() -> Explorer:
    """Return sliders over the duration of a frame, the silence timeout, and what every frame costs."""
    return Explorer(
        _frame_duration,
        frame_ms=slider("duration of a frame (ms)", 10, 200, 100, 10),
        timeout=slider("silence timeout (s)", 0.1, 1.0, 0.5, 0.05),
        cost_ms=slider("fixed cost of recognising a frame (ms)", 0, 20, 5),
    )


@lru_cache(maxsize=64)
def _turn_with(frame_ms: int, timeout: float, cost_ms: int) -> Turn:
    processing = cost_ms / 1000 + _PROCESSING_SHARE * frame_ms / 1000
    agent = StreamingVoiceAgent(
        latencies=StageLatencies(asr_processing=processing),
        audio=_Speaker(chunk_duration_ms=frame_ms),
        endpointing=SilenceTimeout(timeout),
        llm=StreamingLLM(0.5, 0.02, default="Yes."),  # a short reply: the picture ends before it
    )
    simulate(agent.process_turn(_QUESTION))
    return agent.turns[0]


@drawn_in_style
def _frame_duration(frame_ms: int, timeout: float, cost_ms: int) -> tuple[Figure, str]:
    turn = _turn_with(frame_ms, round(timeout, 3), cost_ms)
    cut_off = turn.log.first("endpointing", "end_of_turn")
    if cut_off < _SPOKEN - frame_ms / 1000:
        raise ValueError(
            f"With frames of {frame_ms} ms and a timeout of {timeout:.2f} s the agent takes a pause between "
            f"two words for the end of the turn, at {cut_off:.2f} s; choose a longer timeout."
        )
    m, parts = turn.metrics, {part.name: part.seconds for part in turn.parts}
    waited = round(m.end_of_turn - m.speech_ended, 9)
    figure, (axes,) = new_figure(2.6, left=0.3, right=0.2, top=0.75)
    begin, end = _SPOKEN - 0.35, max(m.end_of_turn, _SPOKEN + timeout) + 0.12
    samples = speech_like(_QUESTION, _SPOKEN)
    speech = judged(np.pad(samples, (0, 32000)), 16000, frame_ms, EnergyVAD().threshold)
    tail = samples[round(begin * 16000) :]
    seconds = frame_ms / 1000
    shown = [
        k for k in range(len(speech)) if begin < (k + 1) * seconds and (k + 0.5) * seconds < m.end_of_turn
    ]
    for heard, stage in ((True, "user"), (False, "endpointing")):
        bars = [(k * seconds, seconds) for k in shown if speech[k] is heard]
        axes.broken_barh(bars, (-1, 2), color=STAGE_COLOURS[stage], alpha=0.3, linewidth=0)
    axes.vlines([k * seconds for k in shown], -1, 1, color="white", linewidth=1)
    axes.plot(begin + np.arange(len(tail)) / 16000, tail, color="black", linewidth=0.5)
    peak = 1.1 * float(np.abs(tail).max())
    axes.set(xlim=(begin, end), ylim=(-peak, peak), yticks=[], xlabel="seconds since the microphone opened")
    axes.spines.left.set_visible(False)
    for time, name, line, ha, row in (
        (_SPOKEN, "speech ends", "-", "center", 0),
        (_SPOKEN + timeout, f"end + {timeout:.2f} s", ":", "right", 0),
        (m.end_of_turn, f"decision, {waited:.2f} s after the end", "-", "right", 1),
    ):
        axes.axvline(time, color="black", linewidth=1.6, linestyle=line)
        offset = (3 * (ha == "right"), 4 + 14 * row)
        _write(axes, "data", "axes fraction", (time, 1), offset, name, ha=ha)
    key = ((0.0, "frames called speech", "user"), (0.27, "frames called silence", "endpointing"))
    for x, name, stage in key:
        axes.text(x, 1.34, f"■ {name}", transform=axes.transAxes, size=8, color=STAGE_COLOURS[stage])
    factor = _PROCESSING_SHARE + cost_ms / frame_ms
    sentence = (
        f"Frames of {frame_ms} ms: the oldest sample of a frame is {frame_ms} ms old when it arrives; "
        f"{1000 / frame_ms:.0f} packets a second, {header_kbit_per_second(frame_ms):.1f} kbit/s of headers. "
        f"The end of the turn is decided {waited:.2f} s after the end of speech (timeout {timeout:.2f} s). "
        f"Real-time factor {factor:.2f}: recognition is done "
        f"{length(parts.get('recognition', 0.0))} after the decision. "
        f"Voice-to-voice {m.voice_to_voice:.2f} s."
    )
    figure.set_label(sentence)
    return figure, sentence


def _write(
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
