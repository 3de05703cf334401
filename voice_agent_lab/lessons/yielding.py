"""How fast an agent yields, and to what: the measures and trade-offs of notebook 09.

Conventions
-----------
*Barge-in to silence* runs from the beginning of the user's speech to the end of the agent's sound at
the user's ear.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import isnan, nan

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from voice_agent_lab.measure.latency import interval
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.plots import STAGE_COLOURS, drawn_in_style, new_figure
from voice_agent_lab.plots.drawing import units_per_pixel, write
from voice_agent_lab.turns.agent import StreamingVoiceAgent
from voice_agent_lab.turns.interruption import Attention, Interruption, Verdict
from voice_agent_lab.turns.script import Judged

TAU_VOICE = pd.DataFrame(
    [
        ("gpt-realtime-1.5", 0.42, 1.00, 0.02),
        ("gemini-3.1-flash-live", 0.82, 0.52, 0.90),
        ("LiveKit cascade", 0.87, 0.99, 0.67),
        ("qwen3.5-omni-plus", 0.93, 0.90, 0.84),
        ("grok-think-fast-1.0", 1.37, 0.94, 0.66),
    ],
    columns=["agent", "yields after (s)", "yields", "ignores mm-hm"],
).set_index("agent")
"""Published by tau-voice (leaderboard of August 2026): L_Y, R_Y and S_BC of five agents."""


def silence_parts(agent: StreamingVoiceAgent, turn: Turn) -> pd.DataFrame:
    """Return the parts of barge-in to silence, in seconds, with their owners; the last row is their sum.

    Parameters
    ----------
    agent : StreamingVoiceAgent
        Whose turn it was; its settings say how much speech it needed.
    turn : Turn
        An interrupted turn.

    Raises
    ------
    ValueError
        If no sound was interrupted in the turn.
    """
    whole = turn.barge_in_to_silence
    if isnan(whole):
        raise ValueError("turn was not interrupted while it could be heard; take one that was")
    began = turn.log.first("agent", "barge_in")
    paused = [e.time for e in turn.log.all("agent", "paused") if e.time >= began]
    decided = interval(began, min([*paused, _interrupted_at(turn)]), "the decision")
    needed, way_in = agent.interruption.min_speech, agent.audio.latency
    rows = {
        "minimum speech": ("setting", needed),
        "whole frames, spaces between words": ("setting", decided - needed - way_in),
        "way to the agent": ("network", way_in),
        "way to the ear": ("network", whole - decided),
        "barge-in to silence": ("", whole),
    }
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["owner", "seconds"])
    return table.round(3)


def _interrupted_at(turn: Turn) -> float:
    return min(e.time for e in turn.log.all("agent", "state") if e.detail["state"] == "interrupted")


# Yield fast, or ignore "mm-hm".


def yields_after(policy: Interruption, seconds: float, frame: float = 0.05, late: float = 0.0) -> float:
    """Return how long after it began a stretch of speech makes the agent fall silent; ``nan`` if it does not.

    The agent's own `Attention` listens, frame by frame. No words are recognised.

    Parameters
    ----------
    policy : Interruption
        What counts as an interruption.
    seconds : float
        How long the user speaks, without a break.
    frame : float
        Seconds of sound in a frame. A frame is speech if at least half of it is.
    late : float
        How far into its first frame the speech begins, in seconds.
    """
    attention, sound = Attention(policy), np.zeros(0, dtype=np.float32)
    for k in range(round((late + seconds) / frame) + 6):
        spoken = min((k + 1) * frame, late + seconds) - max(k * frame, late)
        verdict = attention.heard(Judged(sound, spoken >= frame / 2 - 1e-9, k * frame), frame)
        if verdict in (Verdict.INTERRUPT, Verdict.PAUSE):
            return round((k + 1) * frame - late, 9)
    return nan


@lru_cache(maxsize=64)
def drawn_lengths(
    backchannel: float = 0.4, interruption: float = 1.4, n: int = 300, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Draw how long backchannels and interruptions last, in seconds: two arrays of shape (n,).

    Log-normal, with these medians and a sigma of 0.45 and 0.6. They are made up for this course, and
    stand for no measurement.
    """
    rng = np.random.default_rng(seed)
    return rng.lognormal(np.log(backchannel), 0.45, n), rng.lognormal(np.log(interruption), 0.6, n)


def trade_off(
    min_speech: Sequence[float], lengths: tuple[np.ndarray, np.ndarray] | None = None, frame: float = 0.05
) -> pd.DataFrame:
    """Return what each minimum of speech does to the same backchannels and interruptions.

    Parameters
    ----------
    min_speech : sequence of float
        Seconds of speech before the agent reacts, one row for each.
    lengths : pair of ndarray, optional
        How long the backchannels and the interruptions last; `drawn_lengths` if not given.
    frame : float
        Seconds of sound in a frame. Where in a frame each begins is drawn, with seed 1.

    Returns
    -------
    pandas.DataFrame
        The median seconds to silence of the interruptions that stop the agent, and the shares of
        backchannels that stop it and of interruptions that do not.
    """
    backchannels, interruptions = lengths or drawn_lengths()
    late = np.random.default_rng(1).uniform(0, frame, len(backchannels) + len(interruptions))
    rows = {}
    for seconds in min_speech:
        policy = Interruption(min_speech=seconds)
        stops = np.array(
            [
                yields_after(policy, length, frame, begins)
                for length, begins in zip((*backchannels, *interruptions), late, strict=True)
            ]
        )
        wrong, right = np.split(stops, [len(backchannels)])
        rows[seconds] = (
            float(np.nanmedian(right)) if not np.isnan(right).all() else nan,
            float(np.mean(~np.isnan(wrong))),
            float(np.mean(np.isnan(right))),
        )
    columns = ["silent after (s)", "stopped by mm-hm", "talks on"]
    index = pd.Index(rows, name="min_speech")
    return pd.DataFrame(rows.values(), index=index, columns=columns).round(3)


@drawn_in_style
def yield_or_ignore(table: pd.DataFrame) -> Figure:
    """Draw both errors of a minimum of speech over the time to silence that it gives.

    Parameters
    ----------
    table : pandas.DataFrame
        From `trade_off`.
    """
    figure, (axes,) = new_figure(3.0, left=0.75)
    seconds = table["silent after (s)"]
    for column, stage in (
        ("stopped by mm-hm", "endpointing"),
        ("talks on", "user"),
    ):
        axes.plot(seconds, table[column], color=STAGE_COLOURS[stage], marker="o", markersize=4)
    axes.set(
        xlim=(0, 1.06 * seconds.max()),
        ylim=(0, 1.05),
        xlabel="barge-in to silence, median (s)",
        ylabel="share",
    )
    for policy, name in ((0.2, "0.2 s: Pipecat's default"), (0.5, "0.5 s: LiveKit's default")):
        if policy in table.index:
            x = seconds[policy]
            axes.axvline(x, color="#666666", linewidth=0.8, linestyle=(0, (3, 2)))
            write(axes, x + 4 * units_per_pixel(axes), 1.01, name)
    place = (seconds.iloc[2] + 8 * units_per_pixel(axes), table.iloc[2, 1] + 0.02)
    write(axes, *place, "backchannels that stop the agent", bbox={"color": "white", "pad": 1})
    write(axes, seconds.iloc[-1], table.iloc[-1, 2] + 0.08, "interruptions that do not", ha="right")
    told = "; ".join(
        f"{at:g} s: silent after {row.iloc[0]:.2f} s, {row.iloc[1]:.0%} and {row.iloc[2]:.0%}"
        for at, row in table.iterrows()
    )
    figure.set_label(
        f"Minimum of speech: seconds to silence, backchannels that stop the agent, interruptions that do not. {told}."
    )
    return figure


@drawn_in_style
def published_agents(table: pd.DataFrame = TAU_VOICE) -> Figure:
    """Draw how fast real agents yield, and how often they talk through a backchannel.

    Parameters
    ----------
    table : pandas.DataFrame
        Seconds to yield, share of interruptions yielded to, share of backchannels talked through.
    """
    figure, (axes,) = new_figure(2.8, left=0.75)
    x, y = table["yields after (s)"], table["ignores mm-hm"]
    axes.scatter(x, y, s=60, color=STAGE_COLOURS["agent"])
    axes.set(xlim=(0, 2.1), ylim=(-0.06, 1.06))
    axes.set(xlabel="mean seconds to yield (L_Y)", ylabel="ignores mm-hm (S_BC)")
    for name, row in table.iterrows():
        crowded = ((x > row.iloc[0]) & (x < row.iloc[0] + 0.2)).any()  # another one just to the right
        side, beside = ("right", -8) if crowded else ("left", 8)
        text = f"{name} (yields to {row['yields']:.0%})"
        write(axes, row.iloc[0] + beside * units_per_pixel(axes), row.iloc[2], text, ha=side)
    told = ", ".join(f"{name} {row.iloc[0]:.2f} s and {row.iloc[2]:.0%}" for name, row in table.iterrows())
    figure.set_label(f"Seconds to yield and backchannels talked through: {told}.")
    return figure
