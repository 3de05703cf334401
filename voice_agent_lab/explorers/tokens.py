"""Notebook 04: the first token, the rate of the others, and what drafting tokens is worth.

Conventions
-----------
Times are in seconds, token rates in tokens a second. A simulated token is a word with the space after
it; a real one is often a part of a word. For speculative decoding, *a* is the acceptance rate, *g* the
number of tokens drafted for each pass of the large model, and *c* the time of one step of the draft
model divided by that of one pass of the large one.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from voice_agent_lab.agent import StreamingVoiceAgent
from voice_agent_lab.distributions import StageLatencies
from voice_agent_lab.explorers.base import Explorer, slider
from voice_agent_lab.latency import check_seconds
from voice_agent_lab.llm import StreamingLLM
from voice_agent_lab.plots import STAGE_COLOURS, drawn_in_style, new_figure, turn_timeline
from voice_agent_lab.simulation import simulate
from voice_agent_lab.turn import Turn

HOSTED = {
    "gpt-oss-120b (Groq)": (98, 217, 2117),
    "gemma-4-31b (2x H100)": (489, 609, 38250),
    "gpt-4.1": (536, 1771, 5056),
    "gpt-4o": (546, 1369, 4897),
    "gemini-2.5-flash": (550, 850, 2352),
    "gpt-4o-mini": (553, 1947, 6497),
    "claude-haiku-4.5": (637, 1615, 3152),
    "gpt-5.1": (739, 1492, 4244),
    "claude-sonnet-4.6": (850, 4126, 9396),
}
"""Median, 95th percentile and longest time to the first answer token, in ms (aiewf-eval, 2026-08).

From the request to the first visible token of an answer or a tool call, in scripted conversations of
30 turns with a knowledge base of about 12,000 tokens in the prompt; the first turn is left out.
"""

STALLING = {50: 0.489, 95: 0.609, 99: 6.085, 99.9: 25.643}
"""Percentiles of the time to the first answer token of one hosted model, in seconds.

Gemma-4-31B on two dedicated H100s, 4,350 turns; computed from the raw latencies of aiewf-eval (2026-08).
"""

LONG_REPLY = (
    "Here is what I found for you about tomorrow. The morning will be cool, with some fog along the river. "
    "After that it will be sunny until the late afternoon, and the wind will stay light. In the evening "
    "there may be a short shower, so take an umbrella if you go out. The night will be clear and rather cold."
)
"""A reply of five sentences, about 20 s of speech."""

ASKED = "What's the weather like?"


# The stream of tokens.


def answered(ttft: float, tokens_per_second: float, reply: str | None = None) -> Turn:
    """Return a turn whose language model has this time to first token and token rate.

    Everything else is as in the article's budgets.

    Parameters
    ----------
    ttft : float
        Time to first token, in seconds.
    tokens_per_second : float
        Tokens a second after the first.
    reply : str, optional
        What the model answers; the canned reply if not given.
    """
    if not tokens_per_second > 0:
        raise ValueError(
            f"tokens_per_second is {tokens_per_second!r}; it must be a positive rate, such as 50"
        )
    wait = round(1 / tokens_per_second, 9)
    options = {} if reply is None else {"replies": {}, "default": reply}
    agent = StreamingVoiceAgent(
        latencies=StageLatencies(llm_first_token=ttft, llm_token_generation=wait),
        llm=StreamingLLM(ttft, wait, **options),
    )
    simulate(agent.process_turn(ASKED))
    return agent.turns[0]


def milestones(turn: Turn) -> dict[str, float]:
    """Return when the first token, the first sentence and the last token were there.

    Returns
    -------
    dict of str to float
        Seconds since the language model was asked.
    """
    m = turn.metrics
    moments = {
        "first token": m.llm_first_token,
        "first sentence": m.tts_started,
        "last token": m.llm_complete,
    }
    return {name: round(time - m.llm_started, 9) for name, time in moments.items()}


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
    figure, (axes,) = new_figure(3.2, left=0.75, right=0.35, top=0.15)
    looks = (("llm", "-"), ("endpointing", "--"), ("playback", "-."))
    marks = {"first token": "o", "first sentence": "s", "last token": "D"}
    told, right, most = [], 0.0, 1
    for turn, label, (stage, line) in zip(turns, labels, looks, strict=False):
        asked, moments = turn.metrics.llm_started, milestones(turn)
        times = [round(e.time - asked, 9) for e in turn.log.all("llm", "token")]
        counts = np.arange(1, len(times) + 1)
        axes.step([0, *times], [0, *counts], where="post", color=STAGE_COLOURS[stage], linestyle=line)
        for name, mark in marks.items():
            count = int(np.searchsorted(times, moments[name], side="right"))
            look = {"color": STAGE_COLOURS[stage], "markeredgecolor": "black", "zorder": 3}
            axes.plot([moments[name]], [count], mark, **look)
        axes.annotate(
            f"{label} ", (times[-1], counts[-1]), (-8, 0), textcoords="offset pixels",
            ha="right", va="center", size=9, weight="bold", color=STAGE_COLOURS[stage],
        )  # fmt: skip
        told.append(f"{label}: " + ", ".join(f"{name} {time:.3f} s" for name, time in moments.items()))
        right, most = max(right, times[-1]), max(most, int(counts[-1]))
    sentence = int(np.searchsorted(times, milestones(turns[-1])["first sentence"], side="right"))
    axes.axhline(sentence, color="black", linewidth=0.8, linestyle=":")
    axes.annotate(
        f"the first sentence: {sentence} tokens", (0, sentence), (6, 5), textcoords="offset pixels", size=8
    )
    axes.set(xlim=(0, 1.06 * right), ylim=(0, 1.12 * most), ylabel="tokens")
    axes.set_xlabel(
        "seconds since the model was asked; circle: first token, square: first sentence, diamond: last token"
    )
    figure.set_label(f"Tokens over time, seconds since the model was asked. {'; '.join(told)}.")
    return figure


def first_sentence() -> Explorer:
    """Return sliders over the time to first token and the token rate."""
    return Explorer(
        _draw_first_sentence,
        ttft=slider("time to first token (s)", 0.05, 2.0, 0.5, 0.05),
        rate=slider("tokens a second", 5, 200, 50, 5),
    )


_answered = lru_cache(maxsize=256)(answered)


def _draw_first_sentence(ttft: float, rate: int) -> tuple[Figure, str]:
    turn = _answered(round(ttft, 2), rate)
    (first, sentence, last), waited = milestones(turn).values(), turn.metrics.voice_to_voice
    return turn_timeline(turn), (
        f"First token after {first:.2f} s, first sentence after {sentence:.2f} s, last token after "
        f"{last:.2f} s. Voice-to-voice is {waited:.2f} s; of that, the rest of the first sentence takes "
        f"{sentence - first:.2f} s."
    )


def silences(turn: Turn) -> float:
    """Return the seconds of silence inside a spoken reply, because its text came too late."""
    return round(sum(span.end - span.start for span in turn.underruns), 9)


# Tails.


def hosted_models() -> pd.DataFrame:
    """Return `HOSTED` as a table, with the 95th percentile and the longest over the median."""
    table = pd.DataFrame.from_dict(HOSTED, orient="index", columns=["median", "p95", "longest"])
    table["p95/median"] = (table["p95"] / table["median"]).round(1)
    table["longest/median"] = (table["longest"] / table["median"]).round(1)
    return table


@drawn_in_style
def hosted_tails() -> Figure:
    """Draw `HOSTED` on a logarithmic axis: the median, the 95th percentile and the longest."""
    figure, (axes,) = new_figure(3.5, left=1.75, right=0.4, top=0.3)
    rows = range(len(HOSTED))
    medians, p95s, longest = (np.array(column) / 1000 for column in zip(*HOSTED.values(), strict=True))
    axes.hlines(rows, medians, longest, color=STAGE_COLOURS["llm"], linewidth=0.8, linestyle=":")
    axes.hlines(rows, medians, p95s, color=STAGE_COLOURS["llm"], linewidth=4)
    points = ((medians, "o", "median"), (p95s, "|", "95th percentile"), (longest, "x", "longest"))
    for values, mark, name in points:
        axes.plot(values, rows, mark, color=STAGE_COLOURS["llm"], markersize=8, markeredgewidth=2)
        axes.annotate(name, (values[0], 0), (0, 12), textcoords="offset pixels", size=8, ha="center")
    axes.set_xscale("log")
    axes.set(xlim=(0.07, 60), ylim=(len(HOSTED) - 0.5, -0.9))
    axes.set_xticks(
        [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50], ["0.1", "0.2", "0.5", "1", "2", "5", "10", "20", "50"]
    )
    axes.set_xticks([], minor=True)
    axes.set_yticks(rows, list(HOSTED))
    axes.set_xlabel("seconds to the first answer token (logarithmic)")
    ratios = p95s / medians
    figure.set_label(
        f"Time to first answer token of {len(HOSTED)} hosted models: medians {medians.min() * 1000:.0f} to "
        f"{medians.max() * 1000:.0f} ms, 95th percentiles {ratios.min():.1f} to {ratios.max():.1f} times the "
        f"median, the longest {longest.min():.1f} to {longest.max():.1f} s."
    )
    return figure


def compared(draws: Mapping[str, np.ndarray], measured: Mapping[float, float] = STALLING) -> pd.DataFrame:
    """Return the percentiles that were measured beside those of the draws, in seconds.

    Parameters
    ----------
    draws : mapping of str to ndarray
        For each name latencies in seconds.
    measured : mapping of float to float
        Percentiles that were measured, in seconds.
    """
    columns = {"measured": list(measured.values())}
    columns |= {name: np.percentile(values, list(measured)) for name, values in draws.items()}
    return pd.DataFrame(columns, index=[f"p{p:g}" for p in measured]).round(2)


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
    figure, (axes,) = new_figure(3.2, left=0.85, right=0.4, top=0.15)
    looks = (("llm", "--"), ("endpointing", "-"), ("playback", "-."))
    shares = np.concatenate([np.linspace(99.9, 5, 96), np.geomspace(5, 0.05, 60)[1:]])
    told = []
    for (name, values), (stage, line) in zip(draws.items(), looks, strict=False):
        times = np.percentile(values, 100 - shares)
        axes.plot(times, 10 * shares, color=STAGE_COLOURS[stage], linestyle=line, label=name)
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
    figure.set_label(f"Tails of the time to first answer token. Measured: {known}. {'; '.join(told)}.")
    return figure


# Speculative decoding.


def expected_tokens(a: float, g: int) -> float:
    """Return the mean number of tokens that one pass of the large model yields.

    Leviathan, Kalman & Matias (2023), equation 1: ``(1 - a**(g + 1)) / (1 - a)``.

    Parameters
    ----------
    a : float
        The chance that a drafted token is accepted, from 0 to 1.
    g : int
        How many tokens are drafted for each pass.
    """
    _check_draft(a, g, 0.0)
    return float(g + 1) if a == 1 else (1 - a ** (g + 1)) / (1 - a)


def speedup(a: float, g: int, c: float) -> float:
    """Return how many times faster tokens come; below 1, slower.

    Leviathan, Kalman & Matias (2023), theorem 3.8: `expected_tokens` divided by ``g * c + 1``.

    Parameters
    ----------
    a, g
        See `expected_tokens`.
    c : float
        The time of one draft step divided by that of one pass of the large model.
    """
    _check_draft(a, g, c)
    return expected_tokens(a, g) / (g * c + 1)


def _check_draft(a: float, g: int, c: float) -> None:
    if not 0 <= a <= 1:
        raise ValueError(f"a is {a!r}; an acceptance rate is between 0 and 1")
    if g < 0 or g != int(g):
        raise ValueError(f"g is {g!r}; draft a whole number of tokens, 0 or more")
    check_seconds("c", c)


def accepted_runs(a: float, g: int, passes: int, seed: int = 0) -> np.ndarray:
    """Draft and judge tokens at random; return how many tokens each pass of the large model yields.

    Every drafted token is accepted with chance `a`, whatever came before. The first that is not, and
    all after it, are thrown away. The pass itself always yields one token more.

    Returns
    -------
    ndarray of int, shape (passes,)
    """
    _check_draft(a, g, 0.0)
    accepted = np.random.default_rng(seed).random((passes, int(g))) < a
    return 1 + np.cumprod(accepted, axis=1).sum(axis=1)


@drawn_in_style
def speedup_curve(a: float = 0.8, g: int = 4, c: float = 0.1) -> Figure:
    """Draw the speed-up over the number of drafted tokens, with the mean of a small simulation.

    Parameters
    ----------
    a, g, c
        See `speedup`.
    """
    lengths = np.arange(0, 17)
    factors = np.array([speedup(a, int(k), c) for k in lengths])
    tried = np.array([accepted_runs(a, int(k), 500, seed=int(k)).mean() / (k * c + 1) for k in lengths])
    best = int(lengths[np.argmax(factors)])
    figure, (axes,) = new_figure(3.0, left=0.75, right=0.35, top=0.15)
    axes.plot(lengths, factors, "-", color=STAGE_COLOURS["llm"], label="formula")
    axes.plot(lengths, tried, "x", color=STAGE_COLOURS["endpointing"], label="mean of 500 simulated passes")
    axes.plot([g], [speedup(a, g, c)], "o", color=STAGE_COLOURS["llm"], markersize=9, markeredgecolor="black")
    axes.axhline(1, color="black", linewidth=0.8, linestyle="--")
    axes.annotate("no gain", (16, 1), (0, 4), textcoords="offset pixels", size=8, ha="right")
    axes.annotate(
        f"{speedup(a, g, c):.2f}", (g, speedup(a, g, c)), (0, 9), textcoords="offset pixels",
        size=9, weight="bold", ha="center",
    )  # fmt: skip
    axes.set(xlim=(-0.3, 16.3), ylim=(0, max(1.5, 1.25 * factors.max())), ylabel="times as fast")
    axes.set_xlabel("tokens drafted for each pass of the large model (g)")
    axes.legend(loc="lower left", frameon=False, fontsize=8, ncols=2)
    verdict = f"best with g = {best}: {factors.max():.2f} times" if best else "no draft length gains anything"
    figure.set_label(
        f"Acceptance a = {a:.2f}, g = {g} drafted tokens, cost ratio c = {c:.2f}: "
        f"{expected_tokens(a, g):.2f} tokens for each pass of the large model, "
        f"{speedup(a, g, c):.2f} times as fast; {verdict}."
    )
    return figure


def speculative() -> Explorer:
    """Return sliders over the acceptance rate, the draft length and the cost ratio."""
    return Explorer(
        _draw_speculative,
        a=slider("acceptance rate a", 0.0, 1.0, 0.8, 0.05),
        g=slider("tokens drafted, g", 0, 16, 4),
        c=slider("draft step / large pass, c", 0.0, 1.0, 0.1, 0.05),
    )


@lru_cache(maxsize=16)
def _without_drafts(rate: int) -> tuple[float, float]:
    turn = answered(0.5, rate)
    return milestones(turn)["first token"], milestones(turn)["first sentence"]


def _draw_speculative(a: float, g: int, c: float) -> tuple[Figure, str]:
    figure = speedup_curve(round(a, 2), g, round(c, 2))
    first, sentence = _without_drafts(20)
    faster = first + (sentence - first) / speedup(round(a, 2), g, round(c, 2))
    return figure, (
        f"{figure.get_label()} At 20 tokens a second without drafts, the first token comes after "
        f"{first:.2f} s with or without them, and the first sentence after {faster:.2f} s instead of "
        f"{sentence:.2f} s."
    )
