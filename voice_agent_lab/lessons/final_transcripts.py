"""The wait for the final transcript, in notebook 03: a slow recogniser, and finalisation.

Conventions
-----------
Times and waits are in seconds. The *real-time
factor* is compute time divided by audio time: above 1 the recogniser is slower than speech.
"""

from collections.abc import Sequence
from math import isnan

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.plots import STAGE_COLOURS, drawn_in_style, new_figure
from voice_agent_lab.stages.distributions import StageLatencies
from voice_agent_lab.stages.endpointing import SilenceTimeout
from voice_agent_lab.turns.agent import StreamingVoiceAgent

FINALISATION = {
    "Deepgram nova-3": {"stt-benchmark": (247, 326), "Coval": (96, 282)},
    "Soniox v5": {"stt-benchmark": (260, 313), "Coval": (63, 115)},
    "Cartesia ink-2": {"stt-benchmark": (299, 1584), "Coval": (107, 171)},
    "OpenAI gpt-4o-transcribe": {"stt-benchmark": (637, 1655), "Coval": (718, 1502)},
}
"""Median and 99th percentile of the wait for the final transcript, in ms, for models in both benchmarks.

pipecat-ai/stt-benchmark (README of 2026-06-22) counts from the end of speech, so the 200 ms of
silence with which its voice activity detector makes sure are inside. Coval (30 days to 2026-08-22)
counts from a given end-of-speech signal and forces the service to finalise.
"""


# A recogniser slower than real time.


def slow_turn(real_time_factor: float, text: str, timeout: float = 0.5) -> Turn:
    """Return a turn whose recogniser needs so many seconds of compute for a second of audio.

    Everything else is as in the article's budgets, and so are the frames of 0.1 s.

    Parameters
    ----------
    real_time_factor : float
        Compute time divided by audio time.
    text : str
        What the user says.
    timeout : float
        Seconds of silence that end the turn.
    """
    took = StageLatencies(asr_processing=round(real_time_factor * 0.1, 9))
    agent = StreamingVoiceAgent(latencies=took, endpointing=SilenceTimeout(timeout))
    simulate(agent.process_turn(text))
    return agent.turns[0]


def waiting_frames(turn: Turn) -> tuple[np.ndarray, np.ndarray]:
    """Return how many frames had arrived and were not yet recognised, as steps.

    Returns
    -------
    times : ndarray
        When the number changes, in seconds.
    frames : ndarray of int
        The number from then on.
    """
    changes = [(e.time, -1) for e in turn.log.all("asr", "frame")]
    changes += [(e.time, 1) for e in turn.log.all("microphone", "frame")]
    changes.sort()
    return np.array([t for t, _ in changes]), np.cumsum([step for _, step in changes])


@drawn_in_style
def backlog_over_time(turns: Sequence[Turn], labels: Sequence[str]) -> Figure:
    """Draw how many frames of audio wait to be recognised, for turns with the same user.

    Parameters
    ----------
    turns : sequence of Turn
        Up to three turns.
    labels : sequence of str
        A name for each.
    """
    figure, (axes,) = new_figure(3.0, left=0.75, right=0.35, top=0.35)
    told, peaks, right = [], [], 0.0
    looks = (("asr", "-"), ("llm", "--"), ("endpointing", "-"))
    for turn, label, (stage, line) in zip(turns, labels, looks, strict=False):
        times, frames = waiting_frames(turn)
        peak, final = int(frames.max()), turn.metrics.asr_complete
        text = f"{label}: at most {peak} waiting, final at {final:.2f} s"
        # Between two arrivals the number falls and rises again: draw it as it is after an arrival.
        last = turn.log.last("microphone", "frame")
        drawn = (np.diff(frames, prepend=0) > 0) | (times > last)
        axes.plot(times[drawn], frames[drawn], color=STAGE_COLOURS[stage], linestyle=line, label=text)
        dot = {"markeredgecolor": "black", "clip_on": False, "zorder": 3}
        axes.plot([final], [0], "o", color=STAGE_COLOURS[stage], **dot)
        told.append(text)
        peaks.append(peak)
        right = max(right, final)
    axes.legend(loc="upper left", fontsize=8, facecolor="white", edgecolor="none", framealpha=0.9)
    m = turns[0].metrics
    for time, name, line, ha in (
        (m.speech_ended, "end of speech", "-", "right"),
        (m.end_of_turn, "end of turn", "--", "left"),
    ):
        axes.axvline(time, color="black", linewidth=0.8, linestyle=line)
        axes.annotate(
            name, (time, 1), (-3 if ha == "right" else 3, 5), xycoords=("data", "axes fraction"),
            textcoords="offset pixels", ha=ha, size=8,
        )  # fmt: skip
    axes.set(
        xlim=(0, 1.04 * right),
        ylim=(0, max(4, (1.25 + 0.12 * len(peaks)) * max(peaks))),
        ylabel="frames waiting",
    )
    axes.set_xlabel("seconds since the microphone opened; a dot is the final transcript")
    figure.set_label(
        f"Frames waiting to be recognised; speech ends at {m.speech_ended:.2f} s, "
        f"the turn at {m.end_of_turn:.2f} s. {'; '.join(told)}."
    )
    return figure


# Finalisation.


def three_clocks(turn: Turn) -> dict[str, float]:
    """Return the wait for one final transcript, in seconds, counted from three different moments."""
    m = turn.metrics
    starts = {
        "end of speech": m.speech_ended,
        "end of turn": m.end_of_turn,
        "last frame recognised": turn.log.last("asr", "frame"),
    }
    return {name: round(m.asr_complete - at, 9) for name, at in starts.items() if not isnan(at)}


def finalisation_table() -> pd.DataFrame:
    """Return `FINALISATION` as a table: medians in both benchmarks and their difference, in ms."""
    rows = {
        model: {name: median for name, (median, _) in figures.items()}
        for model, figures in FINALISATION.items()
    }
    table = pd.DataFrame.from_dict(rows, orient="index")
    table["difference"] = table["Coval"] - table["stt-benchmark"]
    return table


@drawn_in_style
def finalisation_benchmarks() -> Figure:
    """Draw `FINALISATION`: the median as a point, a line to the 99th percentile."""
    figure, (axes,) = new_figure(3.4, left=1.85, right=0.4, top=0.1)
    looks = {"stt-benchmark": ("endpointing", "o", -0.17), "Coval": ("asr", "s", 0.17)}
    for row, figures in enumerate(FINALISATION.values()):
        for name, (median, p99) in figures.items():
            stage, mark, offset = looks[name]
            axes.plot([median, p99], [row + offset] * 2, color=STAGE_COLOURS[stage])
            axes.plot([median], [row + offset], mark, color=STAGE_COLOURS[stage], markeredgecolor="black")
            axes.plot([p99], [row + offset], "|", color=STAGE_COLOURS[stage], markersize=10)
            text = f"{median}" if row else f"{name} {median}"
            place = {"xytext": (0, 8 if offset < 0 else -19), "textcoords": "offset pixels"}
            axes.annotate(text, (median, row + offset), size=8, **place)
    axes.set(xlim=(0, 1700), ylim=(len(FINALISATION) - 0.4, -0.65))
    axes.set_yticks(range(len(FINALISATION)), list(FINALISATION))
    axes.set_xlabel("ms until the final transcript: point = median, end of the line = 99th percentile")
    told = "; ".join(
        f"{model} {', '.join(f'{name} {median} (p99 {p99})' for name, (median, p99) in figures.items())}"
        for model, figures in FINALISATION.items()
    )
    figure.set_label(f"Median wait for the final transcript in ms, in two benchmarks: {told}.")
    return figure
