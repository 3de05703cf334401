"""Is the change an improvement? Two sets of turns, held against each other at each percentile.

Where both were simulated with the same seed, the turns are pairs: the same chances, with one thing changed.
What the chances do to both alike cancels out, and a small difference shows in few turns. Turns that were measured
are no pairs, and need many more.

Conventions
-----------
A difference is the second less the first, in seconds: negative is faster. Its interval is that of the bootstrap
(pairs are drawn as pairs) or, beyond 5,000 turns, that of 40 batches.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf, isinf, nan
from typing import Any

import numpy as np
import pandas as pd

from voice_agent_lab.checks import shown
from voice_agent_lab.measure.latency import _Shown
from voice_agent_lab.measure.samples import Estimate, least_n
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.measure.waits import PERCENTS, Waits
from voice_agent_lab.models.monte_carlo import QUESTION, MakesAgents, monte_carlo
from voice_agent_lab.turns.agent import StreamingVoiceAgent

_RESAMPLES, _FEW, _BATCHES = 400, 5_000, 40
_T = 2.023  # Student's t, 97.5 %, for 39 degrees of freedom

Turns = StreamingVoiceAgent | MakesAgents | Waits | Sequence[Turn]
"""What can be compared: an agent or a preset, which is simulated; waits; turns with their logs."""


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(_Shown):
    """Two sets of turns side by side.

    Attributes
    ----------
    first, second : Waits
        The two.
    names : tuple of str
        What they are called.
    """

    first: Waits
    second: Waits
    names: tuple[str, str] = ("the first", "the second")

    @property
    def paired(self) -> bool:
        """Whether the turns are pairs, with the same chances."""
        return self.first.chances is not None and self.first.chances == self.second.chances

    def difference(self, percent: float = 50) -> Estimate:
        """Return how much longer the second makes its users wait at a percentile, in seconds.

        The interval is infinite if there are too few turns to see the percentile.
        """
        if percent in self._shown:
            return self._shown[percent]
        return differences(self._samples, [percent], paired=self.paired)[0]

    @cached_property
    def _shown(self) -> dict[float, Estimate]:
        found = differences(self._samples, PERCENTS, paired=self.paired)
        return dict(zip(PERCENTS, found, strict=True))

    @property
    def _samples(self) -> tuple[np.ndarray, np.ndarray]:
        """What was measured of both; of pairs, in both."""
        one, other = self.first.voice_to_voice, self.second.voice_to_voice
        unknown = [np.isnan(one), np.isnan(other)]
        if self.paired:
            unknown = [unknown[0] | unknown[1]] * 2
        return one[~unknown[0]], other[~unknown[1]]

    @property
    def sentence(self) -> str:
        """What the comparison says at the 95th percentile, or at the median if there are too few turns."""
        percent = 50 if isinf(self.difference(95).low) else 95
        estimate = self.difference(percent)
        where = "at the median" if percent == 50 else "at the 95th percentile"
        first, second = self.names
        turns = f"{estimate.n:,} {'pairs of turns' if self.paired else 'turns'}"
        if isinf(estimate.low):
            return f"There are too few turns to compare: {estimate.n}, and a median takes {least_n(50)}."
        interval = f"{estimate.low:+.3f} to {estimate.high:+.3f} s, {turns}"
        if estimate.low <= 0 <= estimate.high:
            return f"No difference is shown between {first} and {second} {where}: {estimate.value:+.3f} s ({interval})."
        less = "shorter" if estimate.value < 0 else "longer"
        return f"The wait of {second} is {abs(estimate.value):.3f} s {less} than that of {first} {where} ({interval})."

    def table(self) -> pd.DataFrame:
        """Return the voice-to-voice of both at each percentile, and the difference with its interval."""
        rows = {}
        for percent in PERCENTS:
            values = [w.summary().percentile(percent) for w in (self.first, self.second)]
            rows[f"p{percent}"] = [*(f"{value:.3f}" for value in values), f"{self.difference(percent):+.3f}"]
        return pd.DataFrame.from_dict(rows, orient="index", columns=[*self.names, "difference"])

    def __repr__(self) -> str:
        return f"{self.sentence}\n\n{self.table().to_string()}"

    def _repr_html_(self) -> str:
        return f"<p>{self.sentence}</p>{self.table().to_html()}"


def compare(
    first: Turns,
    second: Turns,
    n: int = 20_000,
    *,
    said: str | Sequence[str] = QUESTION,
    seed: int = 0,
    names: tuple[str, str] = ("the first", "the second"),
) -> Comparison:
    """Hold two agents, or two sets of turns, against each other.

    Parameters
    ----------
    first, second : StreamingVoiceAgent, preset, Waits or sequence of Turn
        An agent is simulated by `monte_carlo`. Of an agent that it refuses, and of turns that were measured,
        give the `Waits` or the turns themselves.
    n, said, seed
        For agents; see `monte_carlo`.
    names : tuple of str
        What to call the two.

    Examples
    --------
    >>> slow, fast = (StreamingVoiceAgent(overlap=overlap) for overlap in ("sequential", "concurrent"))
    >>> print(compare(slow, fast, 1000).difference(95))  # seconds
    -0.14 (-0.14 to -0.14), n = 1000
    """
    return Comparison(_waits("first", first, n, said, seed), _waits("second", second, n, said, seed), names)


def _waits(name: str, turns: Any, n: int, said: str | Sequence[str], seed: int) -> Waits:
    if isinstance(turns, Waits):
        return turns
    if isinstance(turns, StreamingVoiceAgent) or hasattr(turns, "agent"):
        return monte_carlo(turns, n, said=said, seed=seed)
    if isinstance(turns, Sequence) and not isinstance(turns, str):
        return Waits.of(turns)
    raise TypeError(f"{name} is {shown(turns)}; give an agent, a preset, waits or a list of turns")


def differences(
    samples: tuple[np.ndarray, np.ndarray], percents: Sequence[float], *, paired: bool
) -> list[Estimate]:
    """Return how much larger percentiles of the second sample are, each with its interval."""
    one, other = samples
    n = min(len(one), len(other))
    if not n:
        return [Estimate(nan, -inf, inf, 0) for _ in percents]
    values = np.percentile(other, percents) - np.percentile(one, percents)
    if n > _FEW:
        pairs = zip(*(np.array_split(sample, _BATCHES) for sample in samples), strict=True)
        found = np.array([np.percentile(b, percents) - np.percentile(a, percents) for a, b in pairs])
        error = _T * found.std(axis=0, ddof=1) / _BATCHES**0.5
        low, high = values - error, values + error
    else:
        low, high = np.percentile(_resampled(one, other, percents, paired), [2.5, 97.5], axis=0)
    return [
        Estimate(float(value), *((-inf, inf) if n < least_n(percent) else (float(lower), float(upper))), n)
        for percent, value, lower, upper in zip(percents, values, low, high, strict=True)
    ]


def _resampled(one: np.ndarray, other: np.ndarray, percents: Sequence[float], paired: bool) -> np.ndarray:
    rng = np.random.default_rng(0)
    found = np.empty((_RESAMPLES, len(percents)))
    for number in range(_RESAMPLES):
        ours = rng.integers(0, len(one), len(one))
        theirs = ours if paired else rng.integers(0, len(other), len(other))
        found[number] = np.percentile(other[theirs], percents) - np.percentile(one[ours], percents)
    return found
