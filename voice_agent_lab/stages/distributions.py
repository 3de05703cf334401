"""How long a stage takes: always the same, as measured once, or log-normal with rare stalls.

Every simulated latency is a `Distribution`, or a plain number, which stands for `Fixed`. A
distribution holds no random state: whoever draws brings a seeded `numpy.random.Generator`.

Conventions
-----------
All draws are seconds, 0 or more, as ``float64`` of shape ``(size,)``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log
from numbers import Real
from statistics import NormalDist
from typing import Protocol

import numpy as np

from voice_agent_lab.checks import check_percentiles, check_seconds
from voice_agent_lab.measure.latency import LatencyBudgets


class Distribution(Protocol):
    """Anything that can draw latencies."""

    def samples(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """Draw `size` latencies in seconds."""
        ...


@dataclass(frozen=True)
class Fixed:
    """Always the same number of seconds.

    Examples
    --------
    >>> Fixed(0.3).samples(np.random.default_rng(0), 2)
    array([0.3, 0.3])
    """

    seconds: float

    def __post_init__(self) -> None:
        check_seconds("seconds", self.seconds)

    def samples(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """Return `size` times the same latency; draws nothing from `rng`."""
        return np.full(size, float(self.seconds))


@dataclass(frozen=True, eq=False, repr=False)
class Measured:
    """Draws, with replacement, from latencies that were measured somewhere (seconds).

    An array of floats is not copied.

    Examples
    --------
    >>> Measured((0.2, 0.2, 0.9)).samples(np.random.default_rng(0), 4)
    array([0.9, 0.2, 0.2, 0.2])
    """

    values: Sequence[float] | np.ndarray

    def __post_init__(self) -> None:
        if isinstance(self.values, np.ndarray) and self.values.dtype.kind == "f":
            values = self.values.view()
        else:
            values = np.array([check_seconds("values", value) for value in self.values], dtype=np.float64)
        if values.ndim != 1 or not len(values):
            raise ValueError("values is empty; give at least one measured latency in seconds")
        bad = values[~(np.isfinite(values) & (values >= 0))]
        if len(bad):
            check_seconds("values", float(bad[0]))
        values.flags.writeable = False
        object.__setattr__(self, "values", values)

    def samples(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """Draw `size` of the measured latencies."""
        return rng.choice(np.asarray(self.values), size)

    def __eq__(self, other: object) -> bool:
        """Return whether the other holds the same latencies in the same order."""
        return isinstance(other, Measured) and np.array_equal(self.values, other.values)

    def __hash__(self) -> int:
        """Return a hash of all latencies."""
        return hash(np.asarray(self.values, dtype=np.float64).tobytes())

    def __repr__(self) -> str:
        values = np.asarray(self.values)
        shown = ", ".join(f"{value:g}" for value in values[:3])
        return (
            f"Measured(({shown}{',' * (len(values) == 1)}))"
            if len(values) <= 3
            else (f"Measured(({shown}, ...), {len(values):,} latencies)")
        )


@dataclass(frozen=True)
class LogNormal:
    """A log-normal latency.

    Parameters
    ----------
    median : float
        The median in seconds.
    sigma : float
        The standard deviation of the natural logarithm. Hosted recognisers and voices have bodies
        near 0.25 (the median of 25 recognisers is 0.26 at the 95th percentile, of 34 voices 0.28;
        Coval, 30 days to 2026-08-22), with a tail that is heavier: see `WithStalls`.

    Examples
    --------
    >>> first_token = LogNormal(0.45, sigma=0.4)
    >>> draws = first_token.samples(np.random.default_rng(0), 10_000)
    >>> np.quantile(draws, [0.5, 0.95]).round(2)
    array([0.45, 0.87])
    >>> LogNormal.from_quantiles(p50=0.45, p95=0.87)
    LogNormal(median=0.45, sigma=0.40079288398815915)
    """

    median: float
    sigma: float = 0.25

    def __post_init__(self) -> None:
        check_seconds("median", self.median)
        check_seconds("sigma", self.sigma)

    @classmethod
    def from_quantiles(cls, **seconds: float) -> "LogNormal":
        """Return the log-normal latency with two given quantiles, such as ``p50=0.45, p95=0.87``.

        Raises
        ------
        ValueError
            If there are not two, or the higher one is no longer than the lower.
        """
        known = check_percentiles("seconds", seconds)
        if len(known) != 2 or 0.0 in known.values():
            raise ValueError(
                f"seconds is {seconds!r}; give two quantiles above 0 s, such as p50=0.45, p95=0.87"
            )
        (low, less), (high, more) = known.items()
        below, above = (NormalDist().inv_cdf(percent / 100) for percent in (low, high))
        sigma = log(more / less) / (above - below)
        return cls(less * exp(-sigma * below), sigma)

    def samples(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """Draw `size` latencies."""
        return self.median * np.exp(self.sigma * rng.standard_normal(size))


@dataclass(frozen=True)
class WithStalls:
    """A distribution that now and then stalls: with a small probability a second latency is added.

    Parameters
    ----------
    body : Distribution or float
        What it takes as a rule.
    probability : float
        The chance of a stall. In 4,350 turns of one hosted 31-billion-parameter model 1.9 % took
        longer than a second (computed from the raw latencies of aiewf-eval, 2026-08).
    stall : Distribution or float
        What a stall adds. In those turns the median latency beyond a second was 6.2 s.

    Examples
    --------
    >>> first_token = WithStalls(LogNormal(0.45, 0.4), probability=0.02, stall=6.0)
    >>> draws = first_token.samples(np.random.default_rng(0), 10_000)
    >>> np.quantile(draws, [0.5, 0.99]).round(2)
    array([0.46, 6.43])
    """

    body: "Distribution | float"
    probability: float
    stall: "Distribution | float"

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise ValueError(f"probability is {self.probability!r}; it must be between 0 and 1")
        object.__setattr__(self, "body", as_distribution("body", self.body))
        object.__setattr__(self, "stall", as_distribution("stall", self.stall))

    def samples(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """Draw `size` latencies, stalls included."""
        body = as_distribution("body", self.body).samples(rng, size)
        stalled = rng.random(size) < self.probability
        return body + np.where(stalled, as_distribution("stall", self.stall).samples(rng, size), 0.0)


@dataclass(frozen=True)
class LeftAfter:
    """What is left of a latency when something that began with it has taken its time: often nothing.

    Parameters
    ----------
    latency : Distribution or float
        The whole latency.
    seconds : float
        How much of it has passed.
    """

    latency: "Distribution | float"
    seconds: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "latency", as_distribution("latency", self.latency))
        check_seconds("seconds", self.seconds)

    def samples(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """Draw what is left of `size` latencies."""
        return np.maximum(0.0, as_distribution("latency", self.latency).samples(rng, size) - self.seconds)


def as_distribution(name: str, latency: "Distribution | float") -> Distribution:
    """Return `latency` itself, or `Fixed` if it is a number.

    Raises
    ------
    TypeError, ValueError
        If it is neither, or a number that cannot be a latency; the sentence names the argument.
    """
    if hasattr(latency, "samples"):
        return latency
    if isinstance(latency, bool) or not isinstance(latency, Real):
        raise TypeError(
            f"{name} is {latency!r}; give seconds as a number, or a distribution such as LogNormal(0.3)"
        )
    return Fixed(float(check_seconds(name, latency)))


@dataclass(frozen=True)
class Drawn:
    """Draws one latency in seconds at each call, from a distribution, with a generator."""

    distribution: Distribution
    rng: np.random.Generator

    def __call__(self) -> float:
        """Draw; a fixed latency draws nothing."""
        if isinstance(self.distribution, Fixed):
            return self.distribution.seconds
        return float(self.distribution.samples(self.rng, 1)[0])


def drawn(name: str, latency: "Distribution | float", rng: np.random.Generator) -> Drawn:
    """Return what draws one latency in seconds at each call.

    Parameters
    ----------
    name : str
        What to call the argument if `latency` is not usable.
    latency : Distribution or float
        What to draw from.
    rng : numpy.random.Generator
        Where the randomness comes from.
    """
    return Drawn(as_distribution(name, latency), rng)


@dataclass(frozen=True)
class StageLatencies:
    """What the simulated stages really take: the counterpart of `LatencyBudgets`.

    Each is a distribution or a number of seconds; the defaults are the article's budgets, which it
    also used as its latencies. See `LatencyBudgets` for the meaning of each name.

    Examples
    --------
    >>> slow = StageLatencies(llm_first_token=1.0)
    >>> simulate(StreamingVoiceAgent(latencies=slow).process_turn("Hello!")).time_to_first_token
    1.0
    """

    asr_processing: Distribution | float = 0.1
    asr_finalization: Distribution | float = 0.3
    llm_first_token: Distribution | float = 0.5
    llm_token_generation: Distribution | float = 0.02
    tts_first_chunk: Distribution | float = 0.2
    tts_chunk_generation: Distribution | float = 0.05

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            as_distribution(name, getattr(self, name))

    @classmethod
    def exactly(cls, budgets: LatencyBudgets) -> "StageLatencies":
        """Return stages that take just what was promised, as in the article.

        Raises
        ------
        ValueError
            If a promise is about percentiles: how long one item takes does not follow from it.
        """
        for name in cls.__dataclass_fields__:
            if name not in budgets.promised:
                raise ValueError(f"{name} is promised at percentiles only; give the agent's latencies, too")
        return cls(**{name: getattr(budgets, name) for name in cls.__dataclass_fields__})
