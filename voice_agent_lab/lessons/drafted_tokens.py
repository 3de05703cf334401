"""Speculative decoding, in notebook 04: what drafting tokens is worth.

Conventions
-----------
*a* is the acceptance rate, *g* the number of tokens
drafted for each pass of the large model, and *c* the time of one step of the draft model divided by
that of one pass of the large one.
"""

import numpy as np
from matplotlib.figure import Figure

from voice_agent_lab.checks import check_seconds
from voice_agent_lab.plots import STAGE_COLOURS, drawn_in_style, new_figure


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
