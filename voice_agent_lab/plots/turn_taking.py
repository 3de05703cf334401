"""Figures of the trade-offs of turn taking: what it costs to wait, to bet and to yield, and what it brings.

Conventions
-----------
A *wait* is the silence from the end of speech to the decision that the user has finished, in seconds.
*Cut-offs* are shares of pauses, as in eot-bench.
"""

from collections.abc import Mapping, Sequence
from math import exp, log

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, NullLocator

from voice_agent_lab.models.pauses import PauseModel
from voice_agent_lab.plots.drawing import (
    STAGE_COLOURS,
    drawn_in_style,
    new_figure,
    units_per_pixel,
    write,
    write_near,
)
from voice_agent_lab.published import eot_bench, tau_voice, telnyx

# To wait for the user.


@drawn_in_style
def pauses_and_ends(model: PauseModel) -> Figure:
    """Draw how many pauses outlast a silence, and how sure that silence makes one of the end.

    Parameters
    ----------
    model : PauseModel
        How users pause.
    """
    figure, (upper, lower) = new_figure(4.0, left=1.0, shares=(1.2, 1))
    silence, published = np.linspace(model.shortest, 2.4, 200), eot_bench.points("silence timer")
    upper.plot(silence, model.exceeds(silence), color=STAGE_COLOURS["user"])
    rate = log(10) / 0.8  # through the published point at 1.0 s
    upper.plot(silence, np.exp(-rate * (silence - 0.2)), color="#666666", linestyle="--", linewidth=1)
    upper.plot(*zip(*published.items(), strict=True), "o", color="black", markersize=5)
    for seconds, share in published.items():
        write_near(upper, f"{share:.1%}", (seconds, share), (5, 5))
    place = (1.9, float(model.exceeds(1.9)))
    write_near(upper, "our Pareto model", place, (0, 9), color=STAGE_COLOURS["user"])
    write_near(upper, "exponential", (0.5, exp(-rate * 0.3)), (6, 5), color="#555555")
    upper.set(ylim=(0, 1.02), yticks=(0, 0.5, 1), ylabel="share of pauses\nthat last longer")
    lower.plot(silence, model.finished_after(silence), color=STAGE_COLOURS["endpointing"])
    known = {seconds: float(model.finished_after(seconds)) for seconds in (0.2, 0.6, 1.0, 2.0)}
    for seconds, chance in known.items():
        lower.plot(seconds, chance, "o", color=STAGE_COLOURS["endpointing"], markersize=5, clip_on=False)
        write_near(lower, f"{chance:.0%}", (seconds, chance), (6, -9))
    lower.set(ylim=(0, 1.02), yticks=(0, 0.5, 1), ylabel="chance that the\nuser has finished")
    lower.set(xlabel="length of the silence so far (s)", xlim=(0.2, 2.4))
    told = ", ".join(f"{share:.1%} after {seconds} s" for seconds, share in published.items())
    sure = ", ".join(f"{chance:.0%} after {seconds} s" for seconds, chance in known.items())
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
    _draw_timer(axes, PauseModel())
    looks = iter(zip(("llm", "tts", "playback"), "sDv", strict=True))
    for name in eot_bench.DETECTORS.index:
        points = list(zip(*eot_bench.points(name).items(), strict=True))
        if name == "silence timer":
            axes.plot(*points, "o", color="black", markersize=6, zorder=4)
        elif name in names:
            stage, marker = next(looks)
            axes.plot(*points, marker=marker, color=STAGE_COLOURS[stage], zorder=3, label=name)
        else:
            axes.plot(*points, marker="o", color="#aaaaaa", linewidth=0.8, markersize=3)
    others = len(eot_bench.DETECTORS) - 1 - len(names)
    label = f"{others} other detectors"
    axes.plot([], [], color="#aaaaaa", linewidth=0.8, marker="o", markersize=3, label=label)
    axes.legend(frameon=False, fontsize=8, loc="upper right")
    write_near(axes, "silence timer: points published, line from our model", (1.02, 0.105), (6, 4))
    told = ", ".join(f"{name} {wait:.2f} s" for name, wait in eot_bench.DETECTORS["wait at 5 %"].items())
    figure.set_label(
        f"Cut-offs against the mean wait, English turns of eot-bench. At 5 % cut-offs the mean wait is: {told}."
    )
    return figure


@drawn_in_style
def timer_and_detector(
    model: PauseModel, timer: float, waits: Sequence[tuple[float, float]], cut_offs: float
) -> Figure:
    """Draw a silence timer and a detector over our curve for all timers.

    Parameters
    ----------
    model : PauseModel
        How users pause.
    timer : float
        The timer's silence in seconds.
    waits : sequence of (float, float)
        What share of its turns the detector makes wait how many seconds.
    cut_offs : float
        The share of pauses that the detector cuts off.
    """
    figure, (axes,) = new_figure(3.2, left=0.8, right=0.3)
    _draw_timer(axes, model)
    axes.set(xlim=(0.2, 3.5))
    cut, mean, colour = float(model.exceeds(timer)), sum(s * x for s, x in waits), STAGE_COLOURS["llm"]
    axes.plot(timer, cut, "o", color="black", markersize=8, zorder=4, clip_on=False)
    write_near(axes, "timer", (timer, cut), (9, 6))
    place = (min(mean, 3.5), max(cut_offs, 0.02))
    axes.plot(*place, "s", color=colour, markersize=8, zorder=5, clip_on=False)
    write_near(axes, "detector, mean", place, (9, 0), color=colour)
    for share, seconds in waits:
        if share and seconds <= 3.5:
            axes.plot(seconds, 0.02, "^", color=colour, markersize=3 + 6 * share, zorder=5, clip_on=False)
            write_near(axes, f"{share:.0%} of its turns", (seconds, 0.02), (6, 8), color=colour)
    each = ", ".join(f"{share:.0%} {seconds:.2f} s" for share, seconds in waits)
    figure.set_label(
        f"Cut-offs against the wait: a timer of {timer:.2f} s, {cut:.1%} of the pauses; a detector with a mean "
        f"wait of {mean:.2f} s ({each}), {cut_offs:.1%} of the pauses."
    )
    return figure


def _draw_timer(axes: Axes, model: PauseModel) -> None:
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
def histograms_of_waits(waits: Mapping[str, np.ndarray]) -> Figure:
    """Draw how long each policy makes the users of many turns wait.

    Parameters
    ----------
    waits : mapping of str to ndarray, shape (turns,)
        The wait of each turn in seconds, under the name of the policy.
    """
    figure, rows = new_figure(1.0 + 0.95 * len(waits), left=1.5, shares=(1,) * len(waits), top=0.25)
    told = []
    for axes, (name, each) in zip(rows, waits.items(), strict=True):
        lengths, counts = np.unique(each, return_counts=True)
        shares, mean = counts / len(each), each.mean()
        axes.bar(lengths, shares, width=0.05, color=STAGE_COLOURS["endpointing"])
        for seconds, share in zip(lengths, shares, strict=True):
            text, place = f"{share:.0%} wait {seconds:.2f} s", (seconds, share)
            write_near(axes, text, place, (4, 6), bbox={"color": "white", "pad": 1})
        axes.axvline(mean, color="black", linestyle=":", linewidth=1)
        write_near(axes, f"mean {mean:.2f} s: nobody waits this long", (mean, 0.45), (5, 0))
        write_near(axes, name, (0, 0.5), (-14, 0), ha="right")
        axes.set(xlim=(0, 3.75), ylim=(0, 1.15), yticks=[])
        heaps = " and ".join(f"{s:.0%} {x:.3f} s" for x, s in zip(lengths, shares, strict=True))
        told.append(f"{name}: {heaps}, mean {mean:.3f} s")
    rows[-1].set_xlabel("wait from the end of speech to the decision that the user has finished (s)")
    figure.set_label(f"Waits in {max(map(len, waits.values())):,} turns. {'; '.join(told)}.")
    return figure


# To bet on the end.


@drawn_in_style
def saved_against_calls(table: pd.DataFrame) -> Figure:
    """Draw what bets on the end of a turn bring against what they cost.

    Parameters
    ----------
    table : pandas.DataFrame
        For each silence before a bet (its index, in seconds) the mean seconds saved, "saved (s)", and
        the additional calls of the language model as a share, "more calls".
    """
    figure, (axes,) = new_figure(3.0, left=0.9)
    axes.plot(table["more calls"], table["saved (s)"], "o-", color=STAGE_COLOURS["llm"])
    most = table["saved (s)"].idxmax()
    for silence, row in table.iterrows():
        offset = (9, -5) if silence > most else (2, 9)  # below the rising line, above the rest
        write_near(axes, f"bet after {silence:g} s", (row["more calls"], row["saved (s)"]), offset)
    (low, high), (few, many) = telnyx.FLUX_EAGER_SAVED, telnyx.FLUX_EAGER_MORE_CALLS
    axes.add_patch(Rectangle((few, low), many - few, high - low, color="#E69F00", alpha=0.5, linewidth=0))
    write_near(axes, "Deepgram Flux, as published", (few, low), (0, -8))
    axes.set(xlim=(0, 1.15 * table["more calls"].max() + 0.1), ylim=(0, 1.25 * table["saved (s)"].max()))
    axes.set(xlabel="more calls of the language model", ylabel="seconds saved, mean")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share:.0%}"))
    told = "; ".join(
        f"{silence:g} s: {row['saved (s)']:.2f} s for {row['more calls']:.0%} more calls"
        for silence, row in table.iterrows()
    )
    figure.set_label(f"Bets after so much silence. {told}.")
    return figure


# To yield to the user.


@drawn_in_style
def yield_or_ignore(table: pd.DataFrame) -> Figure:
    """Draw both errors of a minimum of speech over the time to silence that it gives.

    Parameters
    ----------
    table : pandas.DataFrame
        For each minimum of speech (its index, in seconds) the median seconds to silence, "silent after
        (s)", and the shares of backchannels that stop the agent, "stopped by mm-hm", and of
        interruptions that do not, "talks on".
    """
    figure, (axes,) = new_figure(3.0, left=0.75)
    seconds = table["silent after (s)"]
    for column, stage in (("stopped by mm-hm", "endpointing"), ("talks on", "user")):
        axes.plot(seconds, table[column], color=STAGE_COLOURS[stage], marker="o", markersize=4)
    axes.set(xlim=(0, 1.06 * seconds.max()), ylim=(0, 1.05))
    axes.set(xlabel="barge-in to silence, median (s)", ylabel="share")
    pixel = units_per_pixel(axes)
    for policy, name in ((0.2, "0.2 s: Pipecat's default"), (0.5, "0.5 s: LiveKit's default")):
        if policy in table.index:
            axes.axvline(seconds[policy], color="#666666", linewidth=0.8, linestyle=(0, (3, 2)))
            write(axes, seconds[policy] + 4 * pixel, 1.01, name)
    place = (seconds.iloc[2] + 8 * pixel, table.iloc[2, 1] + 0.02)
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
def published_agents(table: pd.DataFrame = tau_voice.AGENTS) -> Figure:
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
