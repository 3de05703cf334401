"""The stream of tokens, in notebook 04: the first token, the rate of the others, and long tails.

Conventions
-----------
Times are in seconds, token rates in tokens a second. A simulated token is a word with the space after
it; a real one is often a part of a word.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.plots import STAGE_COLOURS, drawn_in_style, new_figure
from voice_agent_lab.stages.distributions import StageLatencies
from voice_agent_lab.stages.llm import StreamingLLM
from voice_agent_lab.turns.agent import StreamingVoiceAgent

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
