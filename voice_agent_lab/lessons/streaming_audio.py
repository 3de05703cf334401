"""Notebook 02: sound in frames, pulled or pushed, and how long a frame should be.

Conventions
-----------
Frame ``k`` of duration ``d`` is *captured* when its last sample is: at ``(k + 1) * d`` seconds after
the microphone opened, whatever the reader does. How late it is counts from there.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from math import ceil

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from voice_agent_lab.as_published import PROMPTS, Fault, PublishedVoiceAgent
from voice_agent_lab.checks import check_seconds
from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.lessons.explorer import choice, explorer, slider
from voice_agent_lab.measure.latency import LatencyBudgets
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.models.frames import frames_of, header_kbit_per_second
from voice_agent_lab.plots import length
from voice_agent_lab.plots.frames import end_in_frames, frames_judged, pulled_and_pushed
from voice_agent_lab.plots.sound import two_sounds
from voice_agent_lab.stages.distributions import StageLatencies
from voice_agent_lab.stages.endpointing import SilenceTimeout
from voice_agent_lab.stages.llm import StreamingLLM
from voice_agent_lab.stages.microphone import AudioInputStream
from voice_agent_lab.stages.speech import speech_bounds, speech_like
from voice_agent_lab.stages.vad import EnergyVAD
from voice_agent_lab.turns.agent import StreamingVoiceAgent

# What a recording is made of.


def recorded_and_simulated(recorded: np.ndarray, simulated: np.ndarray, sample_rate: int) -> Figure:
    """Draw the waveforms and energies of a recorded and a simulated utterance over the same time."""
    sounds = {"recorded": recorded, "simulated": simulated}
    bounds = {name: speech_bounds(samples, sample_rate) for name, samples in sounds.items()}
    return two_sounds(sounds, sample_rate, bounds)


def judged(samples: np.ndarray, sample_rate: int, frame_ms: float, threshold: float) -> list[bool]:
    """Return for each frame whether a detector with this threshold of mean magnitude calls it speech."""
    vad = EnergyVAD(threshold)

    async def judge() -> list[bool]:
        return [await vad.hears_speech(frame) for frame in frames_of(samples, sample_rate, frame_ms)]

    return simulate(judge())


def frames_heard(
    samples: np.ndarray, sample_rate: int, frame_ms: Sequence[float] = (100, 20), threshold: float = 0.05
) -> Figure:
    """Draw a sound as a detector sees it, in frames of several durations in milliseconds."""
    judgements = {duration: judged(samples, sample_rate, duration, threshold) for duration in frame_ms}
    return frames_judged(samples, sample_rate, judgements, threshold, speech_bounds(samples, sample_rate)[1])


# How long a frame should be.

_QUESTION = "Are you there, and can you hear me?"
_SPOKEN = 1.93  # seconds: ends within a frame, as speech does, except with frames of 10 ms
_PROCESSING_SHARE = 0.1  # of a frame's duration, besides what every frame costs: our assumption


class _Speaker(AudioInputStream):
    """A user whose speech ends where it ends, not at the end of a frame."""

    def samples_for(self, text: str) -> np.ndarray:
        return speech_like(text, _SPOKEN, self.sample_rate)


@explorer(
    frame_ms=slider("duration of a frame (ms)", 10, 200, 100, 10),
    timeout=slider("silence timeout (s)", 0.1, 1.0, 0.5, 0.05),
    cost_ms=slider("fixed cost of recognising a frame (ms)", 0, 20, 5),
)
def frame_duration(frame_ms: int, timeout: float, cost_ms: int) -> tuple[Figure, str]:
    """Vary the duration of a frame, the silence timeout, and what every frame costs."""
    agent = StreamingVoiceAgent(
        latencies=StageLatencies(asr_processing=cost_ms / 1000 + _PROCESSING_SHARE * frame_ms / 1000),
        audio=_Speaker(chunk_duration_ms=frame_ms),
        endpointing=SilenceTimeout(timeout),
        llm=StreamingLLM(0.5, 0.02, default="Yes."),  # a short reply: the picture ends before it
    )
    metrics = simulate(agent.process_turn(_QUESTION))
    turn = agent.turns[0]
    decided = metrics.end_of_turn
    if decided < _SPOKEN - frame_ms / 1000:
        raise ValueError(
            f"With frames of {frame_ms} ms and a timeout of {timeout:.2f} s the agent takes a pause between "
            f"two words for the end of the turn, at {decided:.2f} s; choose a longer timeout."
        )
    samples = speech_like(_QUESTION, _SPOKEN)
    speech = judged(np.pad(samples, (0, 32000)), 16000, frame_ms, EnergyVAD().threshold)
    figure = end_in_frames(
        samples, 16000, speech, frame_ms, ended=metrics.speech_ended, timeout=timeout, decided=decided
    )
    recognition = sum(part.seconds for part in turn.parts if part.name == "recognition")
    return figure, (
        f"Frames of {frame_ms} ms: the oldest sample of a frame is {frame_ms} ms old when it arrives; "
        f"{1000 / frame_ms:.0f} packets a second, {header_kbit_per_second(frame_ms):.1f} kbit/s of headers. "
        f"The end of the turn is decided {decided - metrics.speech_ended:.2f} s after the end of speech "
        f"(timeout {timeout:.2f} s). "
        f"Real-time factor {_PROCESSING_SHARE + cost_ms / frame_ms:.2f}: recognition is done "
        f"{length(recognition)} after the decision. Voice-to-voice {metrics.voice_to_voice:.2f} s."
    )


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


@explorer(
    processing_ms=slider("recognition of a frame of 100 ms (ms)", 0, 200, 80, 5),
    prompt=choice("the user says", PROMPTS, PROMPTS[0]),
)
def pull_or_push(processing_ms: int, prompt: str) -> tuple[Figure, str]:
    """Let a recogniser of any speed pull the article's microphone, and let it be pushed."""
    tables, told = [], []
    for name, mended in (("pulled", ()), ("pushed", (Fault.PULLED_AUDIO,))):
        agent = PublishedVoiceAgent(LatencyBudgets(asr_processing=processing_ms / 1000), mended=mended)
        spoken = simulate(agent.process_turn(prompt)).speech_ended
        table = arrivals(agent.turns[0])
        tables.append(table)
        told.append(
            f"{name}, the last frame is done at {table.done.iloc[-1]:.2f} s, "
            f"{length(table.late.iloc[-1])} after it was captured"
        )
    return pulled_and_pushed(*tables), (
        f"{spoken:.2f} s of speech, real-time factor {processing_ms / 100:.2f}: {'; '.join(told)}."
    )


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
