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
from functools import lru_cache
from math import inf, isinf, lgamma, log, nan

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
    return percentiles(values, [percent])[0]


def percentiles(values: Iterable[float], percents: Iterable[float]) -> list[Estimate]:
    """Return several percentiles of a sample, each with its interval; see `percentile`."""
    wanted = list(percents)
    for percent in wanted:
        if not 0 < percent < 100:
            raise ValueError(f"percent is {percent!r}; it must be more than 0 and less than 100")
    ordered = np.sort(_measured(values))
    n = len(ordered)
    if not n:
        return [Estimate(nan, -inf, inf, 0) for _ in wanted]
    found = []
    for percent in wanted:
        lower, upper = _ranks(n, percent)
        low = float(ordered[lower - 1]) if lower >= 1 else -inf
        high = float(ordered[upper - 1]) if upper <= n else inf
        found.append(Estimate(float(np.percentile(ordered, percent)), low, high, n))
    return found


def least_n(percent: float) -> int:
    """Return how many values it takes until a percentile has an interval with both bounds.

    Of so many turns the slowest is, with the usual confidence, slower than the percentile. With fewer turns
    a high percentile has not been seen at all.

    Examples
    --------
    >>> least_n(50), least_n(95), least_n(99)
    (6, 72, 368)
    """
    rarer = max(percent, 100 - percent) / 100
    n = max(1, int(log((1 - CONFIDENCE) / 2) / log(rarer)) - 1)
    while not (_ranks(n, percent)[0] >= 1 and _ranks(n, percent)[1] <= n):
        n += 1
    return n


def _measured(values: Iterable[float]) -> np.ndarray:
    """Return what was measured of a sample, as float64."""
    known = values if isinstance(values, np.ndarray) else np.array(list(values), dtype=np.float64)
    kept: np.ndarray = known[~np.isnan(known)].astype(np.float64, copy=False)
    return kept


@lru_cache(maxsize=256)
def _ranks(n: int, percent: float) -> tuple[int, int]:
    """Return the ranks, from 1, of the two values between which a percentile's interval runs."""
    tail = (1 - CONFIDENCE) / 2
    first, chances = _chances(n, percent / 100)
    below = np.cumsum(chances)  # chance that so many values, or fewer, lie below
    lower = first + int(np.searchsorted(below, tail, side="right"))
    upper = first + int(np.searchsorted(below, 1 - tail, side="left")) + 1
    return lower, upper


def mean(values: Iterable[float]) -> Estimate:
    """Return the mean of a sample with its interval, 1.96 standard errors to each side.

    That is right for some thirty values or more, unless a few of them are very large.

    Parameters
    ----------
    values : iterable of float
        The sample; ``nan`` is left out. One value alone has no interval.
    """
    kept = _measured(values)
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
    low = _root(lambda p: _as_many(n, p, hits) - tail) if hits else 0.0
    high = _root(lambda p: tail - _as_few(n, p, hits)) if hits < n else 1.0
    return Estimate(hits / n, low, high, n)


_MANY = 10_000  # of more draws, only the numbers of hits that happen are looked at


def _as_many(n: int, p: float, hits: int) -> float:
    first, chances = _chances(n, p)
    return float(chances[max(0, hits - first) :].sum())


def _as_few(n: int, p: float, hits: int) -> float:
    first, chances = _chances(n, p)
    return float(chances[: max(0, hits + 1 - first)].sum())


def _chances(n: int, p: float) -> tuple[int, np.ndarray]:
    """Return a number of hits, and the chances of so many and more; what is left out has no chance."""
    if n <= _MANY or not 0 < p < 1:
        return 0, _binomial(n, p)
    spread = 12 * (n * p * (1 - p)) ** 0.5 + 12
    first, last = max(0, int(n * p - spread)), min(n, int(n * p + spread))
    k = np.arange(first, last + 1)
    begins = lgamma(n + 1) - lgamma(first + 1) - lgamma(n - first + 1)
    coefficients = begins + np.concatenate([[0.0], np.cumsum(np.log((n - k[:-1]) / (k[:-1] + 1)))])
    chances: np.ndarray = np.exp(coefficients + k * np.log(p) + (n - k) * np.log1p(-p))
    return first, chances / chances.sum()


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
