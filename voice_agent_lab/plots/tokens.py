"""Figures of a language model's tokens: when they come, how late they can be, and what drafting is worth."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from voice_agent_lab.measure.progress import milestones
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.models.drafting import accepted_runs, expected_tokens, speedup
from voice_agent_lab.plots.drawing import (
    STAGE_COLOURS,
    axis_end,
    drawn_in_style,
    headline,
    line_colour,
    new_figure,
)
from voice_agent_lab.published.aiewf_eval import HOSTED_MS, STALLING

_BESIDE = {"textcoords": "offset pixels", "size": 8}


@drawn_in_style
def token_stream(turns: Sequence[Turn], labels: Sequence[str]) -> Figure:
    """Draw how many tokens are there over time, with the first token, the first sentence and the last.

    Parameters
    ----------
    turns : sequence of Turn
        Up to three turns with the same reply.
    labels : sequence of str
        A name for each.
    """
    figure, (axes,) = new_figure(3.4, left=0.75, right=0.35, top=0.37)
    looks = (("llm", "-"), ("endpointing", "--"), ("playback", "-."))
    marks = {"first token": "o", "first sentence": "s", "last token": "D"}
    told, right, most = [], 0.0, 1
    for turn, label, (stage, line) in zip(turns, labels, looks, strict=False):
        asked, moments = turn.metrics.llm_started, milestones(turn)
        times = [round(e.time - asked, 9) for e in turn.log.all("llm", "token")]
        counts = np.arange(1, len(times) + 1)
        axes.step([0, *times], [0, *counts], where="post", color=line_colour(stage), linestyle=line)
        for name, mark in marks.items():
            count = int(np.searchsorted(times, moments[name], side="right"))
            look = {"color": STAGE_COLOURS[stage], "markeredgecolor": "black", "zorder": 3}
            axes.plot([moments[name]], [count], mark, **look)
        axes.annotate(
            f"{label} ", (times[-1], counts[-1]), (-8, 0), textcoords="offset pixels",
            ha="right", va="center", size=9, weight="bold", color=line_colour(stage),
        )  # fmt: skip
        told.append(f"{label}: " + ", ".join(f"{name} {time:.3f} s" for name, time in moments.items()))
        right, most = max(right, times[-1]), max(most, int(counts[-1]))
    sentence = int(np.searchsorted(times, milestones(turns[-1])["first sentence"], side="right"))
    axes.axhline(sentence, color="black", linewidth=0.8, linestyle=":")
    axes.annotate(
        f"the first sentence: {sentence} tokens", (0, sentence), (6, 5), textcoords="offset pixels", size=8
    )
    axes.annotate("first token", (milestones(turns[0])["first token"], 1), (-8, 5), ha="right", **_BESIDE)
    axes.annotate(
        "last token",
        (milestones(turns[0])["last token"], len(turns[0].log.all("llm", "token"))),
        (-26, 0),
        ha="right",
        va="center",
        **_BESIDE,
    )
    axes.set(xlim=(0, 1.06 * right), ylim=(0, 1.12 * most), ylabel="tokens")
    axes.set_xlabel("seconds since the model was asked")
    headline(figure, _who_leads(dict(zip(labels, turns, strict=False))))
    figure.set_label(f"Tokens over time, seconds since the model was asked. {'; '.join(told)}.")
    return figure


def _who_leads(turns: Mapping[str, Turn]) -> str:
    """Return by how much the first turn is ahead of the last, or when it had its first sentence."""
    (name, one), (_, other) = next(iter(turns.items())), next(reversed(turns.items()))
    mine, others = milestones(one), milestones(other)
    if one is other:
        moments = (f"{moment} after {mine[moment]:.2f} s" for moment in ("first token", "first sentence"))
        return f"{name}: {', '.join(moments)}"
    ahead = {moment: others[moment] - mine[moment] for moment in ("first token", "first sentence")}
    leads = " and ".join(f"{seconds:.2f} s at the {moment}" for moment, seconds in ahead.items())
    return f"{name} leads by {leads}"


@drawn_in_style
def hosted_tails() -> Figure:
    """Draw `published.aiewf_eval.HOSTED_MS` on a logarithmic axis: the median, the 95th percentile and the longest."""
    figure, (axes,) = new_figure(3.75, left=1.75, right=0.4, top=0.55)
    rows = range(len(HOSTED_MS))
    medians, p95s, longest = (np.array(column) / 1000 for column in zip(*HOSTED_MS.values(), strict=True))
    axes.hlines(rows, medians, longest, color=STAGE_COLOURS["llm"], linewidth=0.8, linestyle=":")
    axes.hlines(rows, medians, p95s, color=STAGE_COLOURS["llm"], linewidth=4)
    points = ((medians, "o", "median"), (p95s, "|", "95th percentile"), (longest, "x", "longest"))
    for values, mark, name in points:
        axes.plot(values, rows, mark, color=STAGE_COLOURS["llm"], markersize=8, markeredgewidth=2)
        axes.annotate(name, (values[0], 0), (0, 12), textcoords="offset pixels", size=8, ha="center")
    axes.set_xscale("log")
    axes.set(xlim=(0.07, 60), ylim=(len(HOSTED_MS) - 0.5, -0.9))
    axes.set_xticks(
        [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50], ["0.1", "0.2", "0.5", "1", "2", "5", "10", "20", "50"]
    )
    axes.set_xticks([], minor=True)
    axes.set_yticks(rows, list(HOSTED_MS))
    axes.set_xlabel("seconds to the first answer token (logarithmic)")
    ratios = p95s / medians
    latest = f"the longest waits are {longest.min():.1f} to {longest.max():.1f} s"
    headline(figure, f"Medians are {medians.min():.2f} to {medians.max():.2f} s; {latest}")
    figure.set_label(
        f"Time to first answer token of {len(HOSTED_MS)} hosted models: medians {medians.min() * 1000:.0f} to "
        f"{medians.max() * 1000:.0f} ms, 95th percentiles {ratios.min():.1f} to {ratios.max():.1f} times the "
        f"median, the longest {longest.min():.1f} to {longest.max():.1f} s."
    )
    return figure


@drawn_in_style
def tails(draws: Mapping[str, np.ndarray], measured: Mapping[float, float] = STALLING) -> Figure:
    """Draw how many in a thousand requests take longer than a given time.

    Parameters
    ----------
    draws : mapping of str to ndarray
        For each name latencies in seconds; up to three.
    measured : mapping of float to float
        Percentiles that were measured, in seconds.
    """
    figure, (axes,) = new_figure(3.45, left=0.85, right=0.4, top=0.4)
    looks = (("llm", "--"), ("endpointing", "-"), ("playback", "-."))
    shares = np.concatenate([np.linspace(99.9, 5, 96), np.geomspace(5, 0.05, 60)[1:]])
    told = []
    for (name, values), (stage, line) in zip(draws.items(), looks, strict=False):
        times = np.percentile(values, 100 - shares)
        axes.plot(times, 10 * shares, color=line_colour(stage), linestyle=line, label=name)
        told.append(f"{name}: " + ", ".join(f"p{p:g} {np.percentile(values, p):.2f} s" for p in measured))
    axes.plot(
        list(measured.values()), [10 * (100 - p) for p in measured], "o", color="black", label="measured"
    )
    for p, time in measured.items():
        place = {"xytext": (9, 3), "ha": "left"} if time < 10 else {"xytext": (-9, -11), "ha": "right"}
        text, height = f"p{p:g} {time:.2f} s", 10 * (100 - p)
        axes.annotate(text, (time, height), textcoords="offset pixels", size=8, **place)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set(xlim=(0.3, 60), ylim=(0.5, 1300), ylabel="requests in 1000\nthat take longer")
    axes.set_xticks([0.5, 1, 2, 5, 10, 20, 50], ["0.5", "1", "2", "5", "10", "20", "50"])
    axes.set_yticks([1, 10, 100, 1000], ["1", "10", "100", "1000"])
    axes.minorticks_off()
    axes.set_xlabel("seconds to the first answer token (logarithmic)")
    axes.legend(loc="upper right", frameon=False, fontsize=8)
    known = ", ".join(f"p{p:g} {time:.2f} s" for p, time in measured.items())
    p, (name, values) = 99 if 99 in measured else max(measured), next(iter(draws.items()))
    headline(
        figure,
        f"At p{p:g} {measured[p]:.1f} s were measured; {name} draws give {np.percentile(values, p):.1f} s",
    )
    figure.set_label(f"Tails of the time to first answer token. Measured: {known}. {'; '.join(told)}.")
    return figure


@drawn_in_style
def speedup_curve(a: float = 0.8, g: int = 4, c: float = 0.1) -> Figure:
    """Draw the speed-up over the number of drafted tokens, with the mean of a small simulation.

    Parameters
    ----------
    a, g, c
        See `models.drafting.speedup`.
    """
    lengths = np.arange(0, 17)
    factors = np.array([speedup(a, int(k), c) for k in lengths])
    tried = np.array([accepted_runs(a, int(k), 500, seed=int(k)).mean() / (k * c + 1) for k in lengths])
    best = int(lengths[np.argmax(factors)])
    figure, (axes,) = new_figure(3.25, left=0.75, right=0.35, top=0.4)
    axes.plot(lengths, factors, "-", color=STAGE_COLOURS["llm"], label="formula")
    axes.plot(lengths, tried, "x", color=STAGE_COLOURS["endpointing"], label="mean of 500 simulated passes")
    axes.plot([g], [speedup(a, g, c)], "o", color=STAGE_COLOURS["llm"], markersize=9, markeredgecolor="black")
    axes.axhline(1, color="black", linewidth=0.8, linestyle="--")
    axes.annotate("no gain", (16, 1), (0, 4), textcoords="offset pixels", size=8, ha="right")
    axes.annotate(
        f"{speedup(a, g, c):.2f}", (g, speedup(a, g, c)), (0, 9), textcoords="offset pixels",
        size=9, weight="bold", ha="center",
    )  # fmt: skip
    axes.set(xlim=(-0.3, 16.3), ylim=(0, axis_end(1.2 * factors.max(), (3, 6, 12))), ylabel="times as fast")
    axes.set_xlabel("tokens drafted for each pass of the large model (g)")
    axes.legend(loc="lower left", frameon=False, fontsize=8, ncols=2)
    verdict = f"best with g = {best}: {factors.max():.2f} times" if best else "no draft length gains anything"
    told = f"at best {factors.max():.2f} times, with {best}" if best else "no number of them gains anything"
    drafted = "1 drafted token" if g == 1 else f"{g} drafted tokens"
    headline(figure, f"With {drafted} {speedup(a, g, c):.2f} times as fast; {told}")
    figure.set_label(
        f"Acceptance a = {a:.2f}, g = {g} drafted tokens, cost ratio c = {c:.2f}: "
        f"{expected_tokens(a, g):.2f} tokens for each pass of the large model, "
        f"{speedup(a, g, c):.2f} times as fast; {verdict}."
    )
    return figure
