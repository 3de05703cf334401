"""Figures of the trade-offs of turn taking: what it costs to wait, to bet and to yield, and what it brings.

Conventions
-----------
A *wait* is the silence from the end of speech to the decision that the user has finished, in seconds.
*Cut-offs* are shares of pauses, as in eot-bench.
"""

from collections.abc import Mapping, Sequence
from math import exp, inf, log

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from voice_agent_lab.models.pauses import PauseModel
from voice_agent_lab.plots.drawing import (
    STAGE_COLOURS,
    drawn_in_style,
    headline,
    line_colour,
    new_figure,
    text_width,
    units_per_pixel,
    write,
    write_at,
    write_near,
)
from voice_agent_lab.published import eot_bench, tau_voice, telnyx

# To wait for the user.


@drawn_in_style
def chance_of_the_end(model: PauseModel) -> Figure:
    """Draw how sure a silence makes one that the user has finished.

    Parameters
    ----------
    model : PauseModel
        How users pause.
    """
    figure, (axes,) = new_figure(2.9, left=0.95, right=0.3, top=0.4)
    silence, colour = np.linspace(model.shortest, 2.4, 200), STAGE_COLOURS["endpointing"]
    axes.plot(silence, model.finished_after(silence), color=colour)
    known = {seconds: float(model.finished_after(seconds)) for seconds in (0.2, 0.6, 1.0, 2.0)}
    for seconds, chance in known.items():
        axes.plot(seconds, chance, "o", color=colour, markersize=6, clip_on=False)
        write_near(axes, f"{chance:.0%} after {seconds} s", (seconds, chance), (7, -10))
    _in_percent(axes.yaxis)
    axes.set(xlim=(0.2, 2.4), ylim=(0, 1.02), ylabel="chance that the\nuser has finished")
    axes.set_xlabel("length of the silence so far (s)")
    headline(figure, f"After 2 s of silence the user goes on in {1 - known[2.0]:.0%} of the cases")
    sure = ", ".join(f"{chance:.0%} after {seconds} s" for seconds, chance in known.items())
    figure.set_label(f"The chance that the user has finished, by the silence so far: {sure}.")
    return figure


@drawn_in_style
def pauses_that_last(model: PauseModel) -> Figure:
    """Draw how many pauses outlast a silence: as published, in our model, and if they were exponential.

    Parameters
    ----------
    model : PauseModel
        How users pause.
    """
    figure, (axes,) = new_figure(2.9, left=0.95, right=0.3, top=0.4)
    silence, published = np.linspace(model.shortest, 2.4, 200), eot_bench.points("silence timer")
    axes.plot(silence, model.exceeds(silence), color=line_colour("user"))
    rate = log(10) / 0.8  # through the published point at 1.0 s
    axes.plot(silence, np.exp(-rate * (silence - 0.2)), color="#666666", linestyle="--", linewidth=1)
    axes.plot(*zip(*published.items(), strict=True), "o", color="black", markersize=5)
    for seconds, share in published.items():
        steep = share > 0.2  # there the exponential is above the points, further on it is below
        offset = (-5, -9) if steep else (5, 7)
        write_near(axes, f"{share:.1%}", (seconds, share), offset, ha="right" if steep else "left")
    place = (1.9, float(model.exceeds(1.9)))
    write_near(axes, "our Pareto model", place, (0, 9), color=line_colour("user"))
    write_near(axes, "exponential", (0.5, exp(-rate * 0.3)), (6, 5), color="#555555")
    _in_percent(axes.yaxis)
    axes.set(xlim=(0, 2.4), ylim=(0, 1.02), ylabel="pauses that last longer")
    axes.set_xlabel("length of a pause (s)")
    off = {seconds: exp(-rate * (seconds - 0.2)) - share for seconds, share in published.items()}
    worst = max(off, key=lambda seconds: abs(off[seconds]))
    headline(
        figure,
        f"A Pareto model fits the pauses; an exponential is {100 * off[worst]:.0f} points off at {worst} s",
    )
    told = ", ".join(f"{share:.1%} after {seconds} s" for seconds, share in published.items())
    figure.set_label(
        f"Pauses still going on, published: {told}. The Pareto model with exponent {model.alpha:g} goes "
        "through the points, an exponential does not."
    )
    return figure


@drawn_in_style
def published_trade_off(name: str = "LiveKit v1", price: float = 0.05) -> Figure:
    """Draw the published rows of eot-bench over our curve for a silence timer.

    Parameters
    ----------
    name : str
        The row to name; the others are grey.
    price : float
        The share of pauses at which the waits of that row and of the timer are compared.
    """
    figure, (axes,) = new_figure(3.5, left=0.8, right=0.3, top=0.4)
    _draw_timer(axes, PauseModel())
    waits = {}
    for row in eot_bench.DETECTORS.index:
        points, colour = eot_bench.points(row), STAGE_COLOURS["llm"]
        waits[row] = {share: wait for wait, share in points.items()}
        if row == "silence timer":
            axes.plot(*zip(*points.items(), strict=True), "o", color="black", markersize=6, zorder=4)
        else:
            look = {"color": colour, "markersize": 6, "zorder": 3} if row == name else _GREY
            axes.plot(*zip(*points.items(), strict=True), marker="o", **look)
    there, timer = waits[name][price], waits["silence timer"][price]
    arrow = {"arrowstyle": "->", "color": colour, "shrinkA": 6, "shrinkB": 4, "linewidth": 1.6}
    axes.annotate("", (there, price), (timer, price), arrowprops=arrow, zorder=5)
    write_near(axes, f"{timer - there:.2f} s less", (1.35, price), (0, -9), color=colour, ha="center")
    write_near(axes, "silence timer", (0.8, float(PauseModel().exceeds(0.8))), (8, 4))
    write_near(axes, name, (there, price), (0, -16), color=colour, ha="center")
    others = f"{len(eot_bench.DETECTORS) - 2} other detectors"
    write_near(axes, others, (0.98, price), (0, -10), color="#666666", ha="center")
    headline(figure, f"At {price:.0%} cut-offs a timer makes users wait {timer:.2f} s, {name} {there:.2f} s")
    told = ", ".join(f"{name} {wait:.2f} s" for name, wait in eot_bench.DETECTORS["wait at 5 %"].items())
    figure.set_label(
        f"Cut-offs against the mean wait, English turns of eot-bench. At 5 % cut-offs the mean wait is: {told}."
    )
    return figure


_GREY = {"color": "#aaaaaa", "linewidth": 0.8, "markersize": 3}


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
    figure, (axes,) = new_figure(3.4, left=0.8, right=0.35, top=0.4)
    _draw_timer(axes, model)
    axes.set(xlim=(0, 5.2), xlabel="wait after the end of speech (s)")
    cut, mean, colour = float(model.exceeds(timer)), sum(s * x for s, x in waits), STAGE_COLOURS["llm"]
    axes.plot(timer, max(cut, _LOWEST), "o", color="black", markersize=8, zorder=4, clip_on=False)
    write_near(axes, "timer", (timer, max(cut, _LOWEST)), (9, 6))
    place = (mean, max(cut_offs, _LOWEST))
    axes.plot(*place, "s", color=colour, markersize=8, zorder=5, clip_on=False)
    _write_within(axes, "detector, mean", place, 0 if cut_offs > 1.5 * _LOWEST else 20, colour)
    for share, seconds in waits:
        if share:
            axes.plot(seconds, _LOWEST, "^", color=colour, markersize=3 + 6 * share, zorder=5, clip_on=False)
            _write_within(axes, f"{share:.0%} of its turns", (seconds, _LOWEST), 8, colour)
    headline(
        figure,
        f"Timer: {timer:.2f} s, {_cut_off(cut)}. Detector: {mean:.2f} s on average, {_cut_off(cut_offs)}",
    )
    each = ", ".join(f"{share:.0%} {seconds:.2f} s" for share, seconds in waits)
    figure.set_label(
        f"Cut-offs against the wait: a timer of {timer:.2f} s, {cut:.1%} of the pauses; a detector with a mean "
        f"wait of {mean:.2f} s ({each}), {cut_offs:.1%} of the pauses."
    )
    return figure


_LOWEST = 0.01  # the share of pauses at the foot of the axis


def _cut_off(share: float) -> str:
    return f"{share:.0%} cut off" if share >= _LOWEST else f"under {_LOWEST:.0%} cut off"


def _write_within(axes: Axes, text: str, place: tuple[float, float], up: float, colour: str) -> None:
    """Write to the right of a place, or to its left where the axes end."""
    left = place[0] + text_width(text) * units_per_pixel(axes) > 0.97 * axes.get_xlim()[1]
    write_near(axes, text, place, (-9 if left else 9, up), color=colour, ha="right" if left else "left")


def _draw_timer(axes: Axes, model: PauseModel) -> None:
    """Draw the share of pauses that a silence timer cuts off over its wait, and prepare the axes."""
    timer = np.linspace(0.2, 4.99, 300)
    axes.plot(timer, model.exceeds(timer), color="black", linewidth=1.2, zorder=2)
    axes.set(yscale="log", xlim=(0.2, 1.75), ylim=(_LOWEST, 1))
    axes.set(xlabel="mean wait after the end of speech (s)", ylabel="pauses cut off")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_yticks([0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1])
    _in_percent(axes.yaxis)
    axes.grid(axis="y")


def _in_percent(axis: Axis) -> None:
    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{share:.0%}"))


@drawn_in_style
def histograms_of_waits(waits: Mapping[str, np.ndarray]) -> Figure:
    """Draw how long each policy makes the users of many turns wait.

    Parameters
    ----------
    waits : mapping of str to ndarray, shape (turns,)
        The wait of each turn in seconds, under the name of the policy.
    """
    figure, rows = new_figure(1.2 + 0.95 * len(waits), left=1.5, shares=(1,) * len(waits), top=0.45)
    told, emptiest = [], inf
    for axes, (name, each) in zip(rows, waits.items(), strict=True):
        lengths, counts = np.unique(each, return_counts=True)
        shares, mean = counts / len(each), each.mean()
        axes.bar(lengths, shares, width=0.05, color=STAGE_COLOURS["endpointing"])
        axes.set(xlim=(0, 3.75), ylim=(0, 1.15), yticks=[])
        for seconds, share in zip(lengths, shares, strict=True):
            text, left = f"{share:.0%} wait {seconds:.2f} s", seconds > 2.9
            look = {"bbox": {"color": "white", "pad": 1}, "ha": "right" if left else "left"}
            write_near(axes, text, (seconds, share), (4, 6), **look)
        axes.axvline(mean, color="black", linestyle=":", linewidth=1)
        write_near(axes, f"mean {mean:.2f} s", (mean, 0.45), (5, 0))
        write_near(axes, name, (0, 0.5), (-14, 0), ha="right")
        emptiest = min(emptiest, *np.abs(lengths - mean))
        heaps = " and ".join(f"{s:.0%} {x:.3f} s" for x, s in zip(lengths, shares, strict=True))
        told.append(f"{name}: {heaps}, mean {mean:.3f} s")
    rows[-1].set_xlabel("wait from the end of speech to the decision that the user has finished (s)")
    headline(figure, f"Nobody waits the mean: the nearest wait is {emptiest:.2f} s away from it")
    figure.set_label(f"Waits in {max(map(len, waits.values())):,} turns. {'; '.join(told)}.")
    return figure


# To bet on the end.


@drawn_in_style
def saved_and_called(table: pd.DataFrame) -> Figure:
    """Draw what bets on the end of a turn bring, and below it what they cost.

    Parameters
    ----------
    table : pandas.DataFrame
        For each silence before a bet (its index, in seconds) the mean seconds saved, "saved (s)", and
        the additional calls of the language model as a share, "more calls".
    """
    figure, (upper, lower) = new_figure(3.6, left=0.95, right=1.4, shares=(1, 1), top=0.42)
    saved, calls, rows = table["saved (s)"], table["more calls"], range(len(table))
    best = saved.idxmax()
    for axes, values, form, published in (
        (upper, saved, "{:.2f} s", telnyx.FLUX_EAGER_SAVED),
        (lower, calls, "{:.0%}", telnyx.FLUX_EAGER_MORE_CALLS),
    ):
        colours = [STAGE_COLOURS["llm" if silence == best else "aggregation"] for silence in table.index]
        axes.bar(rows, values, 0.55, color=colours)
        for x, value in zip(rows, values, strict=True):
            write_near(axes, form.format(value), (x, value), (0, 6), ha="center")
        axes.axhspan(*published, color=STAGE_COLOURS["tts"], alpha=0.35, linewidth=0, zorder=0)
        write_at(axes, "axes fraction", "data", (1, sum(published) / 2), (4, 0), "Deepgram Flux,\npublished",
                 va="center")  # fmt: skip
        axes.set(xlim=(-0.6, len(table) - 0.4), ylim=(0, 1.25 * max(values.max(), published[1])))
    upper.set_ylabel("seconds saved")
    lower.set_ylabel("more calls")
    _in_percent(lower.yaxis)
    lower.set_xticks(rows, [f"bet after {silence:g} s" for silence in table.index])
    headline(
        figure, f"A bet after {best:g} s saves most, {saved[best]:.2f} s, for {calls[best]:.0%} more calls"
    )
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
    figure, (axes,) = new_figure(3.3, left=0.75, top=0.42)
    seconds = table["silent after (s)"]
    for column, stage in (("stopped by mm-hm", "endpointing"), ("talks on", "user")):
        axes.plot(seconds, table[column], color=line_colour(stage), marker="o", markersize=4)
    axes.set(xlim=(0, 1.06 * seconds.max()), ylim=(0, 1.05))
    axes.set(xlabel="barge-in to silence, median (s)", ylabel="share")
    _in_percent(axes.yaxis)
    pixel = units_per_pixel(axes)
    for policy, name in ((0.2, "0.2 s: Pipecat's default"), (0.5, "0.5 s: LiveKit's default")):
        if policy in table.index:
            axes.axvline(seconds[policy], color="#666666", linewidth=0.8, linestyle=(0, (3, 2)))
            write(axes, seconds[policy] + 4 * pixel, 1.01, name)
    place = (seconds.iloc[2] + 8 * pixel, table.iloc[2, 1] + 0.02)
    write(axes, *place, "backchannels that stop the agent", bbox={"color": "white", "pad": 1})
    write(axes, seconds.iloc[-1], table.iloc[-1, 2] + 0.08, "interruptions that do not", ha="right")
    headline(figure, _both_errors(table))
    told = "; ".join(
        f"{at:g} s: silent after {row.iloc[0]:.2f} s, {row.iloc[1]:.0%} and {row.iloc[2]:.0%}"
        for at, row in table.iterrows()
    )
    figure.set_label(
        f"Minimum of speech: seconds to silence, backchannels that stop the agent, interruptions that do not. {told}."
    )
    return figure


def _both_errors(table: pd.DataFrame) -> str:
    """Return both errors at a short and at a long minimum: where one is nearly gone, the other is not."""
    short = table.index[(table["talks on"] <= 0.025).to_numpy()].max()
    long = table.index[(table["stopped by mm-hm"] <= 0.025).to_numpy()].min()
    wrong, deaf = table["stopped by mm-hm"].get(short), table["talks on"].get(long)
    parts = [f"{short:g} s: {wrong:.0%} of mm-hms stop it"] if wrong is not None else []
    parts += [f"{long:g} s: it is deaf to {deaf:.0%} of interruptions"] if deaf is not None else []
    return f"One error for another. {'; '.join(parts)}" if parts else "One error for another"


@drawn_in_style
def published_agents(table: pd.DataFrame = tau_voice.AGENTS) -> Figure:
    """Draw how fast real agents yield, and how often they talk through a backchannel.

    Parameters
    ----------
    table : pandas.DataFrame
        Seconds to yield, share of interruptions yielded to, share of backchannels talked through.
    """
    figure, (axes,) = new_figure(3.1, left=0.75, top=0.42)
    x, y = table["yields after (s)"], table["ignores mm-hm"]
    axes.scatter(x, y, s=60, color=STAGE_COLOURS["agent"])
    axes.set(xlim=(0, 2.1), ylim=(-0.06, 1.06))
    axes.set(xlabel="mean seconds to yield to an interruption", ylabel="mm-hms ignored")
    _in_percent(axes.yaxis)
    for name, row in table.iterrows():
        text = f"{name} (yields to {row['yields']:.0%})"
        reach = row.iloc[0] + (text_width(text) + 16) * units_per_pixel(axes)
        crowded = ((x > row.iloc[0]) & (x < reach) & ((y - row.iloc[2]).abs() < 0.08)).any()
        side, beside = ("right", -8) if crowded else ("left", 8)
        write(axes, row.iloc[0] + beside * units_per_pixel(axes), row.iloc[2], text, ha=side)
    quick, calm = table.loc[x.idxmin()], table.loc[y.idxmax()]
    headline(
        figure,
        f"The fastest yields after {quick.iloc[0]:.2f} s and ignores {quick.iloc[2]:.0%} of mm-hms; "
        f"the calmest, {calm.iloc[0]:.2f} s and {calm.iloc[2]:.0%}",
    )
    told = ", ".join(f"{name} {row.iloc[0]:.2f} s and {row.iloc[2]:.0%}" for name, row in table.iterrows())
    figure.set_label(f"Seconds to yield and backchannels talked through: {told}.")
    return figure
