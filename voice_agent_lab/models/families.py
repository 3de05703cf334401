"""Which family of distributions a stage's latencies come from.

The simplest one is taken that the latencies do not contradict: always the same; a log-normal; a log-normal body
with stalls; and, if none fits or there is too little to tell, the measured latencies themselves.

Conventions
-----------
The distance is Kolmogorov's: by how much, at most, the share of latencies below a point differs from the family's.
A log-normal fits if the distance is within what 95 of 100 samples of a log-normal keep to, with both parameters
estimated (Stephens 1974, "EDF Statistics for Goodness of Fit and Some Comparisons", case 3).
"""

from dataclasses import dataclass
from math import nan
from statistics import NormalDist

import numpy as np

from voice_agent_lab.stages.distributions import Distribution, Fixed, LogNormal, Measured, WithStalls

LEAST = 20
"""Fewer latencies than these fit any family, and so none."""

_SAME = 0.01  # of the median: what varies by less is fixed
_FAR = 3.5  # standard deviations of the body, in logarithms: one of 4,300 is beyond by chance
_MOST_STALLS = 0.2
_CRITICAL = 0.895  # 5 %


@dataclass(frozen=True)
class Fitted:
    """What was found for one stage.

    Attributes
    ----------
    distribution : Distribution or float
        To draw from.
    family : str
        Of which kind it is, in words.
    n, left_out : int
        How many latencies there were, and how many items had none.
    distance, allowed : float
        Kolmogorov's distance to the family, and the most that 95 of 100 samples show; ``nan`` where the
        family is the sample itself.
    """

    distribution: Distribution | float
    family: str
    n: int
    left_out: int
    distance: float = nan
    allowed: float = nan


def fitted(values: np.ndarray, left_out: int, otherwise: Distribution | float) -> Fitted:
    """Return the simplest family that a stage's latencies do not contradict."""
    n = len(values)
    if not n:
        return Fitted(otherwise, f"not measured; {described(otherwise)}", 0, left_out)
    median = float(np.median(values))
    if np.ptp(values) <= _SAME * median:
        return Fitted(Fixed(median), described(Fixed(median)), n, left_out)
    if n < LEAST or values.min() <= 0:
        return _empirical(values, left_out)
    logs = np.log(np.sort(values))
    distance, allowed, body = _log_normal(logs)
    if distance <= allowed:
        return Fitted(body, described(body), n, left_out, distance, allowed)
    spread = float(np.ptp(np.quantile(logs, [0.1587, 0.8413]))) / 2
    stalled = logs > np.median(logs) + _FAR * spread
    if 0 < stalled.mean() <= _MOST_STALLS:
        distance, allowed, body = _log_normal(logs[~stalled])
        if distance <= allowed:
            more = np.exp(logs[stalled]) - body.median
            stalling = WithStalls(body, float(stalled.mean()), Measured(more))
            return Fitted(stalling, described(stalling), n, left_out, distance, allowed)
    return _empirical(values, left_out)


def _empirical(values: np.ndarray, left_out: int) -> Fitted:
    return Fitted(Measured(values), described(Measured(values)), len(values), left_out)


def _log_normal(logs: np.ndarray) -> tuple[float, float, LogNormal]:
    """Return the distance of sorted logarithms to the normal distribution, how much is allowed, and the log-normal."""
    n, normal = len(logs), NormalDist(float(logs.mean()), max(float(logs.std(ddof=1)), 1e-12))
    below = np.array([normal.cdf(value) for value in logs.tolist()])
    rank = np.arange(n)
    distance = float(max((below - rank / n).max(), ((rank + 1) / n - below).max()))
    allowed = _CRITICAL / (n**0.5 - 0.01 + 0.85 / n**0.5)
    return distance, allowed, LogNormal(float(np.exp(normal.mean)), normal.stdev)


def described(distribution: Distribution | float) -> str:
    """Return a distribution in words."""
    if isinstance(distribution, LogNormal):
        return f"log-normal, median {distribution.median:.3f} s, sigma {distribution.sigma:.2f}"
    if isinstance(distribution, WithStalls):
        stall = described(distribution.stall)
        return f"{described(distribution.body)}; {distribution.probability:.1%} stall, {stall}"
    if isinstance(distribution, Measured):
        return f"as measured, median {float(np.median(distribution.values)):.3f} s"
    if isinstance(distribution, Fixed):
        return f"always {distribution.seconds:.3f} s"
    return f"always {distribution:.3f} s" if isinstance(distribution, int | float) else repr(distribution)
