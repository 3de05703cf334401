"""The explorers of notebook 02: what frames cost, and what happens to them when audio is pulled.

The notebook finds here also what it shows without sliders, from the modules that this one imports.

Conventions
-----------
Frame ``k`` of duration ``d`` is *captured* when its last sample is: at ``(k + 1) * d`` seconds after
the microphone opened, whatever the reader does. How late it is counts from there.
"""

from functools import lru_cache

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from voice_agent_lab.as_published import PROMPTS, Fault, PublishedVoiceAgent
from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.lessons.explorer import Explorer, choice, slider
from voice_agent_lab.lessons.pulling import arrivals, frame_times, pulled_and_pushed
from voice_agent_lab.lessons.sound_in_frames import (
    frames_heard,
    judged,
    longest_hole,
    recorded_and_simulated,
    samples_and_frames,
    write_near,
)
from voice_agent_lab.measure.latency import LatencyBudgets
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.plots import STAGE_COLOURS, drawn_in_style, length, new_figure
from voice_agent_lab.stages.distributions import StageLatencies
from voice_agent_lab.stages.endpointing import SilenceTimeout
from voice_agent_lab.stages.llm import StreamingLLM
from voice_agent_lab.stages.microphone import AudioInputStream
from voice_agent_lab.stages.speech import speech_like
from voice_agent_lab.stages.vad import EnergyVAD
from voice_agent_lab.turns.agent import StreamingVoiceAgent

__all__ = [
    "HEADER_BYTES",
    "arrivals",
    "frame_duration",
    "frame_times",
    "frames_heard",
    "header_kbit_per_second",
    "judged",
    "longest_hole",
    "pull_or_push",
    "pulled_and_pushed",
    "recorded_and_simulated",
    "samples_and_frames",
]

HEADER_BYTES = 20 + 8 + 12
"""Headers of one packet of sound: IPv4 (RFC 791), UDP (RFC 768) and RTP (RFC 3550), each at its shortest."""

_PROCESSING_SHARE = 0.1  # of a frame's duration, besides what every frame costs: our assumption
_QUESTION = "Are you there, and can you hear me?"
_SPOKEN = 1.93  # seconds: ends within a frame, as speech does, except with frames of 10 ms


# Pulled or pushed.


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
        write_near(axes, "data", "axes fraction", (time, 1), offset, name, ha=ha)
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
