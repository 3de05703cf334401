"""Speculative decoding: what it is worth to let a small model draft tokens that a large one checks.

Conventions
-----------
*a* is the acceptance rate, *g* the number of tokens drafted for each pass of the large model, and *c*
the time of one step of the draft model divided by that of one pass of the large one.
"""

import numpy as np

from voice_agent_lab.checks import check_seconds


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
    runs: np.ndarray = 1 + np.cumprod(accepted, axis=1).sum(axis=1)
    return runs
