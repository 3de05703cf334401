"""What waiting for the user costs, and what it prevents: the numbers and figures of notebook 08.

The published numbers are those of eot-bench.

Conventions
-----------
A *wait* is the silence from the end of speech to the decision that the user has finished: what
endpointing adds to voice-to-voice, without any computing. *Cut-offs* are shares of pauses, as in
eot-bench, unless a name says that they are shares of turns.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import exp, isnan, log

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from voice_agent_lab.lessons.who_spoke import finished_turn, say
from voice_agent_lab.measure.reported import article_time_to_first_audio, livekit_e2e
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.models.pauses import PauseModel, trade_off
from voice_agent_lab.plots import STAGE_COLOURS, drawn_in_style, new_figure
from voice_agent_lab.presets import PRESETS
from voice_agent_lab.stages.endpointing import LearnedDetector, Policy

TIMER_POINTS = {0.3: 0.556, 0.6: 0.217, 1.0: 0.10, 1.6: 0.05}
"""What a silence timer cuts off, by its seconds: share of 705 English pauses (eot-bench, 2026)."""

EOT_BENCH = pd.DataFrame(
    {
        "silence timer": (0.556, 0.217, 1.600, 1.000),
        "SmartTurn v3.2": (0.352, 0.148, 1.051, 0.739),
        "VAP": (0.470, 0.146, 1.131, 0.749),
        "AssemblyAI": (0.494, 0.146, 1.049, 0.713),
        "LiveKit v1-mini": (0.278, 0.121, 1.070, 0.698),
        "ultraVAD": (0.277, 0.119, 0.899, 0.663),
        "Deepgram Flux": (0.129, 0.099, 1.151, 0.548),
        "Baton": (0.123, 0.048, 0.577, 0.350),
        "Soniox": (np.nan, 0.055, 0.647, 0.512),
        "LiveKit v1": (0.099, 0.045, 0.543, 0.295),
    },
    index=["cut-offs at 0.3 s", "cut-offs at 0.6 s", "wait at 5 %", "wait at 10 %"],
).T
"""Published rows of eot-bench, English: share of pauses cut off at a mean wait, and mean wait in seconds
at a share of cut-offs (LiveKit, 2026). LiveKit competes with most of the others."""


def finished_after(silence: float | np.ndarray, model: PauseModel) -> float | np.ndarray:
    """Return the chance that the user has finished, when nothing but the length of the silence is known.

    A turn has one end, and `model.per_turn` pauses of which some last as long.
    """
    return 1 / (1 + model.per_turn * model.exceeds(silence))


def turns_cut_off(cut_offs: float | np.ndarray, model: PauseModel) -> float | np.ndarray:
    """Return the share of turns that are cut off at least once, given the share of pauses that are.

    The number of pauses in a turn is Poisson distributed, which is our assumption.
    """
    return 1 - np.exp(-model.per_turn * np.asarray(cut_offs, dtype=np.float64))


def detector_cut_offs(detector: LearnedDetector, model: PauseModel) -> float:
    """Return the share of pauses that a learned detector cuts off, in closed form."""
    alarm = detector.false_alarm_rate
    return float(alarm * model.exceeds(detector.delay) + (1 - alarm) * model.exceeds(detector.timeout))


def preset_table(seeds: int = 20) -> pd.DataFrame:
    """Return, for each preset, the medians of what was reported and what was waited, in seconds.

    Parameters
    ----------
    seeds : int
        How many turns; each asks the same short question.
    """
    rows = {}
    for name, preset in PRESETS.items():
        turns = [_preset_turn(name, seed) for seed in range(seeds)]
        waits = [turn.metrics.voice_to_voice for turn in turns]
        rows[name] = (
            np.median([article_time_to_first_audio(turn).seconds for turn in turns]),
            np.median([livekit_e2e(turn).seconds for turn in turns]),
            np.median(waits),
            max(waits),
            preset.endpointing(np.random.default_rng(0)).mean_wait,
        )
    columns = ["article's TTFA", "frameworks", "voice-to-voice", "its maximum", "endpointing, mean"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).round(2)


@lru_cache(maxsize=256)
def _preset_turn(name: str, seed: int) -> Turn:
    return finished_turn("What's the weather like?", PRESETS[name].agent(seed=seed))


# Figures.


@drawn_in_style
def pauses_and_ends(model: PauseModel) -> Figure:
    """Draw how many pauses outlast a silence, and how sure that silence makes one of the end.

    Parameters
    ----------
    model : PauseModel
        How users pause.
    """
    figure, (upper, lower) = new_figure(4.0, left=1.0, shares=(1.2, 1))
    silence = np.linspace(model.shortest, 2.4, 200)
    upper.plot(silence, model.exceeds(silence), color=STAGE_COLOURS["user"])
    rate = log(10) / 0.8  # through the published point at 1.0 s
    upper.plot(silence, np.exp(-rate * (silence - 0.2)), color="#666666", linestyle="--", linewidth=1)
    upper.plot(*zip(*TIMER_POINTS.items(), strict=True), "o", color="black", markersize=5)
    for seconds, share in TIMER_POINTS.items():
        say(upper, f"{share:.1%}", (seconds, share), (5, 5))
    say(upper, "our Pareto model", (1.9, float(model.exceeds(1.9))), (0, 9), color=STAGE_COLOURS["user"])
    say(upper, "exponential", (0.5, exp(-rate * 0.3)), (6, 5), color="#555555")
    upper.set(ylim=(0, 1.02), yticks=(0, 0.5, 1), ylabel="share of pauses\nthat last longer")
    chance = finished_after(silence, model)
    lower.plot(silence, chance, color=STAGE_COLOURS["endpointing"])
    for seconds in (0.2, 0.6, 1.0, 2.0):
        known = float(finished_after(seconds, model))
        lower.plot(seconds, known, "o", color=STAGE_COLOURS["endpointing"], markersize=5, clip_on=False)
        say(lower, f"{known:.0%}", (seconds, known), (6, -9))
    lower.set(ylim=(0, 1.02), yticks=(0, 0.5, 1), ylabel="chance that the\nuser has finished")
    lower.set(xlabel="length of the silence so far (s)", xlim=(0.2, 2.4))
    told = ", ".join(f"{share:.1%} after {seconds} s" for seconds, share in TIMER_POINTS.items())
    sure = ", ".join(f"{float(finished_after(s, model)):.0%} after {s} s" for s in (0.2, 0.6, 1.0, 2.0))
    figure.set_label(
        f"Above: pauses still going on, published {told}; the Pareto model with exponent {model.alpha:g} goes "
        f"through the points, an exponential does not. Below: the chance that the user has finished, {sure}."
    )
    return figure


@drawn_in_style
def published_trade_off(names: Sequence[str] = ("LiveKit v1", "Deepgram Flux", "SmartTurn v3.2")) -> Figure:
    """Draw the published rows of eot-bench over our curve for a silence timer.

    Parameters
    ----------
    names : sequence of str
        The rows to name; the others are grey.
    """
    figure, (axes,) = new_figure(3.5, left=0.8, right=0.3)
    draw_timer(axes, PauseModel())
    looks = iter(zip(("llm", "tts", "playback"), "sDv", strict=True))
    told = []
    for name, row in EOT_BENCH.iterrows():
        points = sorted([(0.3, row.iloc[0]), (0.6, row.iloc[1]), (row.iloc[2], 0.05), (row.iloc[3], 0.10)])
        points = [(x, y) for x, y in points if not isnan(y)]
        if name == "silence timer":
            axes.plot(*zip(*points, strict=True), "o", color="black", markersize=6, zorder=4)
        elif name in names:
            stage, marker = next(looks)
            line = axes.plot(*zip(*points, strict=True), marker=marker, color=STAGE_COLOURS[stage], zorder=3)
            line[0].set_label(name)
        else:
            look = {"color": "#aaaaaa", "linewidth": 0.8, "markersize": 3}
            axes.plot(*zip(*points, strict=True), marker="o", **look)
        told.append(f"{name} {row.iloc[2]:.2f} s")
    axes.plot([], [], color="#aaaaaa", linewidth=0.8, marker="o", markersize=3, label="six other detectors")
    axes.legend(frameon=False, fontsize=8, loc="upper right")
    say(axes, "silence timer: points published, line from our model", (1.02, 0.105), (6, 4))
    figure.set_label(
        "Cut-offs against the mean wait, English turns of eot-bench. At 5 % cut-offs the mean wait is: "
        f"{', '.join(told)}."
    )
    return figure


def draw_timer(axes: Axes, model: PauseModel) -> None:
    """Draw the share of pauses that a silence timer cuts off over its wait, and prepare the axes."""
    timer = np.linspace(0.2, 4.9, 300)
    axes.plot(timer, model.exceeds(timer), color="black", linewidth=1.2, zorder=2)
    axes.set(yscale="log", xlim=(0.2, 1.75), ylim=(0.02, 1))
    axes.set(xlabel="mean wait after the end of speech (s)", ylabel="pauses cut off")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_yticks([0.02, 0.05, 0.1, 0.2, 0.5, 1])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share:.0%}"))
    axes.grid(axis="y")


@drawn_in_style
def waits_of(policies: Mapping[str, Policy], turns: int = 100_000, seed: int = 0) -> Figure:
    """Draw how long each policy makes the users of many turns wait.

    Parameters
    ----------
    policies : mapping of str to Policy
        The policies under their names.
    turns : int
        How many turns.
    seed : int
        Of the policies' chances.
    """
    figure, rows = new_figure(1.0 + 0.95 * len(policies), left=1.5, shares=(1,) * len(policies), top=0.25)
    told = []
    for axes, (name, policy) in zip(rows, policies.items(), strict=True):
        waits = trade_off(policy, PauseModel(), turns, np.random.default_rng(seed)).waits
        lengths, counts = np.unique(waits, return_counts=True)
        shares = counts / turns
        axes.bar(lengths, shares, width=0.05, color=STAGE_COLOURS["endpointing"])
        for seconds, share in zip(lengths, shares, strict=True):
            say(
                axes,
                f"{share:.0%} wait {seconds:.2f} s",
                (seconds, share),
                (4, 6),
                bbox={"color": "white", "pad": 1},
            )
        axes.axvline(waits.mean(), color="black", linestyle=":", linewidth=1)
        say(axes, f"mean {waits.mean():.2f} s: nobody waits this long", (waits.mean(), 0.45), (5, 0))
        say(axes, name, (0, 0.5), (-14, 0), ha="right")
        axes.set(xlim=(0, 3.75), ylim=(0, 1.15), yticks=[])
        each = " and ".join(f"{s:.0%} {x:.3f} s" for x, s in zip(lengths, shares, strict=True))
        told.append(f"{name}: {each}, mean {waits.mean():.3f} s")
    rows[-1].set_xlabel("wait from the end of speech to the decision that the user has finished (s)")
    figure.set_label(f"Waits in {turns:,} turns. {'; '.join(told)}.")
    return figure
