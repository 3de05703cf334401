"""How far a sample speaks for what it was drawn from: percentiles, means and shares with size and interval.

A median of twenty turns is not the median. The interval says where the true value lies, whatever the
distribution: of 100 intervals that are made like this, 95 or more hold it.

Conventions
-----------
A percentile is numpy's, interpolated. Its interval runs between two of the measured values (order
statistics): how many of `n` values lie below the true percentile is binomially distributed. Where
the sample is too small for a bound there is none, and it is infinite; a median needs 6 values to have both.
The interval of a share is that of Clopper and Pearson, that of a mean the normal one. What is ``nan``
was not measured and is left out.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import inf, isinf, isnan, nan

import numpy as np

CONFIDENCE = 0.95
"""The least share of intervals that hold the true value."""


@dataclass(frozen=True)
class Estimate:
    """A statistic of a sample.

    Attributes
    ----------
    value : float
        What the sample says; ``nan`` if it is empty.
    low, high : float
        The interval; infinite on a side on which the sample is too small for a bound.
    n : int
        The size of the sample.
    """

    value: float
    low: float
    high: float
    n: int

    def __format__(self, spec: str) -> str:
        """Return the value with its interval, each formatted by `spec`: ``1.62 (1.58 to 1.70)``.

        Without `spec` it is as `str` gives it.
        """
        if not spec:
            return str(self)
        low, high = format(self.low, spec), format(self.high, spec)
        if isinf(self.low) and isinf(self.high):
            return f"{format(self.value, spec)} (no interval)"
        if isinf(self.high):
            return f"{format(self.value, spec)} ({low} or more)"
        if isinf(self.low):
            return f"{format(self.value, spec)} ({high} or less)"
        return f"{format(self.value, spec)} ({low} to {high})"

    def __str__(self) -> str:
        """Return the value, its interval and the size of the sample."""
        return f"{self:.2f}, n = {self.n}"


def percentile(values: Iterable[float], percent: float = 50) -> Estimate:
    """Return a percentile of a sample with its interval; the median, if nothing else is asked for.

    Parameters
    ----------
    values : iterable of float
        The sample; ``nan`` is left out.
    percent : float
        More than 0 and less than 100.

    Raises
    ------
    ValueError
        If `percent` is 0 or less, or 100 or more.
    """
    if not 0 < percent < 100:
        raise ValueError(f"percent is {percent!r}; it must be more than 0 and less than 100")
    ordered = np.sort([value for value in values if not isnan(value)])
    n = len(ordered)
    if not n:
        return Estimate(nan, -inf, inf, 0)
    tail = (1 - CONFIDENCE) / 2
    below = np.cumsum(_binomial(n, percent / 100))  # chance that so many values, or fewer, lie below
    lower = int(np.searchsorted(below, tail, side="right"))  # the rank of the lower bound, from 1
    upper = int(np.searchsorted(below, 1 - tail, side="left")) + 1
    low = float(ordered[lower - 1]) if lower >= 1 else -inf
    high = float(ordered[upper - 1]) if upper <= n else inf
    return Estimate(float(np.percentile(ordered, percent)), low, high, n)


def mean(values: Iterable[float]) -> Estimate:
    """Return the mean of a sample with its interval, 1.96 standard errors to each side.

    That is right for some thirty values or more, unless a few of them are very large.

    Parameters
    ----------
    values : iterable of float
        The sample; ``nan`` is left out. One value alone has no interval.
    """
    kept = np.array([value for value in values if not isnan(value)])
    n = len(kept)
    if n < 2:
        return Estimate(float(kept[0]) if n else nan, -inf, inf, n)
    error = 1.96 * float(kept.std(ddof=1)) / n**0.5
    middle = float(kept.mean())
    return Estimate(middle, middle - error, middle + error, n)


def share(hits: int, n: int) -> Estimate:
    """Return the share of `hits` among `n` with its interval, as a number from 0 to 1.

    Raises
    ------
    ValueError
        If there are more hits than cases, or fewer than none.
    """
    if not 0 <= hits <= n:
        raise ValueError(f"hits is {hits!r}; it must be between 0 and n, which is {n!r}")
    if not n:
        return Estimate(nan, 0.0, 1.0, 0)
    tail = (1 - CONFIDENCE) / 2
    low = _root(lambda p: _binomial(n, p)[hits:].sum() - tail) if hits else 0.0
    high = _root(lambda p: tail - _binomial(n, p)[: hits + 1].sum()) if hits < n else 1.0
    return Estimate(hits / n, low, high, n)


def _binomial(n: int, p: float) -> np.ndarray:
    """Return the chances of 0 to `n` hits, each with chance `p`."""
    k = np.arange(n + 1)
    # Through logarithms: the coefficients of a thousand draws are too large for a float.
    coefficients = np.concatenate(
        [[0.0], np.cumsum(np.log(np.arange(n, 0, -1)) - np.log(np.arange(1, n + 1)))]
    )
    chances: np.ndarray = np.exp(coefficients + k * np.log(p) + (n - k) * np.log1p(-p))
    return chances


def _root(rising: Callable[[float], float]) -> float:
    """Return where a rising function of a share crosses 0, by halving."""
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if rising(middle) > 0 else (middle, high)
    return (low + high) / 2
