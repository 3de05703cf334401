"""Where the array model gets its chances from: latencies for many turns at once.

The recurrences ask for the latency of one item (the third token, the first chunk of the second piece)
in all turns at once, in the order in which the items come, and only for items that matter. `Seeded` draws
them. Each stage draws from a generator of its own in each block of turns, so that a change to one stage
leaves the chances of the others as they were: two agents with the same seed meet the same turns.

Conventions
-----------
Latencies are whole nanoseconds, the grid of the clock, held in floats: ``float64``, or ``float32`` where a
distribution is drawn in that. A float holds whole numbers exactly, so nothing is rounded afterwards.
A fixed latency is one number for all turns, and draws nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from voice_agent_lab.checks import shown
from voice_agent_lab.stages.distributions import (
    Distribution,
    Fixed,
    LeftAfter,
    LogNormal,
    Measured,
    WithStalls,
    as_distribution,
)
from voice_agent_lab.stages.endpointing import Policy

NANOSECONDS = 1e9
"""In a second."""

Rows = np.ndarray | int
"""Which turns of a block: their indices, or how many if it is all of them."""

Latency = np.ndarray | float
"""Of an item in each turn, or in all of them."""


class Source(Protocol):
    """Anything that tells what happened by chance in a block of turns; all in the order of the turn."""

    def begin(self, block: int, turns: int) -> None:
        """Get ready for a block of so many turns."""
        ...

    def take(self, stage: str, item: int, rows: Rows) -> Latency:
        """Return the latency of a stage's item, named as in `StageLatencies`, in nanoseconds."""
        ...

    def decides_after(self, policy: Policy, silence: int, goes_on: bool, rows: int) -> Latency:
        """Return after how many *seconds* of a silence the policy decides, were it the only one."""
        ...

    def wrong_at_first(self, rate: float, words: int, rows: int) -> np.ndarray:
        """Return which words first appear wrong, as bool of shape (words, turns)."""
        ...


class Seeded:
    """Draws from distributions.

    Parameters
    ----------
    latencies : mapping of str to Distribution
        Of each stage, named as in `StageLatencies`.
    seed : int
        The same seed gives the same draws.
    factors : mapping of str to float, optional
        What to multiply a stage's latencies by.
    """

    def __init__(
        self, latencies: Mapping[str, Distribution], seed: int = 0, factors: Mapping[str, float] | None = None
    ) -> None:
        self._latencies, self._seed, self._factors = latencies, seed, factors or {}
        self._rngs: dict[str, np.random.Generator] = {}

    def begin(self, block: int, turns: int) -> None:
        """Make the block's generators, one for each stage."""
        names = [*self._latencies, "endpointing", "revision"]
        self._rngs = {
            name: np.random.Generator(np.random.SFC64(np.random.SeedSequence((self._seed, block, number))))
            for number, name in enumerate(names)
        }

    def take(self, stage: str, item: int, rows: Rows) -> Latency:
        """Draw the next item."""
        turns = rows if isinstance(rows, int) else len(rows)
        took = nanoseconds(self._latencies[stage], self._rngs[stage], turns)
        return np.rint(took * self._factors[stage]) if stage in self._factors else took

    def decides_after(self, policy: Policy, silence: int, goes_on: bool, rows: int) -> Latency:
        """Let the policy judge the silence in every turn."""
        if type(policy).decides_after is Policy.decides_after:
            took: Latency = policy.mean_wait
        else:
            took = policy.decides_after(np.full(rows, goes_on), self._rngs["endpointing"])
        return took * self._factors["endpointing"] if "endpointing" in self._factors else took

    def wrong_at_first(self, rate: float, words: int, rows: int) -> np.ndarray:
        """Draw the words that come wrong."""
        wrong: np.ndarray = self._rngs["revision"].random((words, rows), dtype=np.float32) < rate
        return wrong


def nanoseconds(distribution: Distribution, rng: np.random.Generator, size: int) -> Latency:
    """Draw `size` latencies in whole nanoseconds; one number stands for all if they are the same.

    Raises
    ------
    ValueError
        If a distribution of the user's own draws something that is no latency.
    """
    return _WAYS.get(type(distribution), _any)(distribution, rng, size)


def _fixed(distribution: Any, rng: np.random.Generator, size: int) -> Latency:
    return float(np.rint(distribution.seconds * NANOSECONDS))


def _log_normal(distribution: Any, rng: np.random.Generator, size: int) -> Latency:
    draws = rng.standard_normal(size, dtype=np.float32)
    draws *= np.float32(distribution.sigma)
    np.exp(draws, out=draws)
    draws *= np.float32(distribution.median * NANOSECONDS)
    return np.rint(draws, out=draws)


def _measured(distribution: Any, rng: np.random.Generator, size: int) -> Latency:
    draws: np.ndarray = np.take(distribution.values, rng.integers(0, len(distribution.values), size))
    return np.rint(draws * NANOSECONDS)


def _with_stalls(distribution: Any, rng: np.random.Generator, size: int) -> Latency:
    body = as_distribution("body", distribution.body)
    draws = np.array(np.broadcast_to(nanoseconds(body, rng, size), size), dtype=np.float64)
    stalled = np.flatnonzero(rng.random(size, dtype=np.float32) < distribution.probability)
    draws[stalled] += nanoseconds(as_distribution("stall", distribution.stall), rng, len(stalled))
    return draws


def _left_after(distribution: Any, rng: np.random.Generator, size: int) -> Latency:
    whole = nanoseconds(as_distribution("latency", distribution.latency), rng, size)
    left: Latency = np.maximum(0.0, whole - np.rint(distribution.seconds * NANOSECONDS))
    return left


def _any(distribution: Distribution, rng: np.random.Generator, size: int) -> Latency:
    draws = np.asarray(distribution.samples(rng, size), dtype=np.float64)
    if draws.shape != (size,) or not (np.isfinite(draws).all() and (draws >= 0).all()):
        raise ValueError(
            f"{shown(distribution)} drew {shown(draws)}; samples(rng, {size}) must return so many finite "
            "numbers of seconds, each 0 or more"
        )
    return np.rint(draws * NANOSECONDS)


@dataclass(frozen=True)
class WithoutStalls:
    """A stalling distribution whose stalls are drawn and not waited for: all other chances stay as they were."""

    stalling: WithStalls

    def samples(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """Draw `size` latencies in seconds, and drop the stalls."""
        return np.array(np.broadcast_to(_without_stalls(self, rng, size), size)) / NANOSECONDS


def _without_stalls(distribution: Any, rng: np.random.Generator, size: int) -> Latency:
    body = nanoseconds(as_distribution("body", distribution.stalling.body), rng, size)
    stalled = rng.random(size, dtype=np.float32) < distribution.stalling.probability
    nanoseconds(as_distribution("stall", distribution.stalling.stall), rng, int(stalled.sum()))
    return body


_WAYS: dict[type, Callable[[Any, np.random.Generator, int], Latency]] = {
    Fixed: _fixed,
    LogNormal: _log_normal,
    Measured: _measured,
    WithStalls: _with_stalls,
    LeftAfter: _left_after,
    WithoutStalls: _without_stalls,
}
