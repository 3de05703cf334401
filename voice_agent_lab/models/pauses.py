"""Users pause inside their turns: how long, how often, and what a policy of endpointing makes of it.

Every pause is a chance to cut the user off, and every turn ends with a wait. `trade_off` lets a policy
judge the pauses and the ends of many turns at once and counts both errors. What a cut-off *costs* is
not told here: that needs a conversation.

The pauses are those of eot-bench (LiveKit, 2026): 705 pauses of 0.2 to 5 s inside 400 English turns of
people talking to an agent. Its silence timer cuts off 55.6 %, 21.7 %, 10 % and 5 % of them after 0.3,
0.6, 1.0 and 1.6 s. These shares *are* the distribution: a timer cuts off the pauses that outlast it. A
Pareto distribution with exponent 1.43, fitted by us to these four points, gives 56.0 %, 20.8 %, 10.0 %
and 5.1 %. An exponential one does not fit: silence says less about the end the longer it lasts.

Conventions
-----------
Pauses shorter than `PauseModel.shortest` are not pauses. A decision that falls together with the end
of a pause cuts the user off, as it does frame by frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, nan
from numbers import Real

import numpy as np
import pandas as pd

from voice_agent_lab.checks import check_seconds, check_share
from voice_agent_lab.stages.endpointing import LearnedDetector, Policy


@dataclass(frozen=True)
class PauseModel:
    """How long and how often users pause inside a turn.

    The number of pauses in a turn is Poisson distributed: our assumption; eot-bench gives the mean only.

    Parameters
    ----------
    alpha : float
        The exponent of the Pareto distribution of lengths: larger means fewer long pauses. English is
        1.43; other languages of eot-bench lie between 1.5 and 2.3, and fit less well.
    shortest, longest : float
        Seconds; those of eot-bench. A pause that would be longer than `longest` lasts just `longest`,
        which happens to 1 % of them. The other way to keep to 5 s, drawing such a pause again, would
        give 55.6 %, 20.0 %, 9.1 % and 4.2 % at the four published points: further off at the last three.
    per_turn : float
        The mean number of pauses in a turn; 705 pauses in 400 turns are 1.76.
    """

    alpha: float = 1.43
    shortest: float = 0.2
    longest: float = 5.0
    per_turn: float = 1.76

    def __post_init__(self) -> None:
        if not (isinstance(self.alpha, Real) and 0 < self.alpha < inf):
            raise ValueError(f"alpha is {self.alpha!r}; it must be a positive exponent, such as 1.43")
        check_seconds("shortest", self.shortest)
        check_seconds("longest", self.longest)
        check_seconds("per_turn", self.per_turn, "pauses")
        if not 0 < self.shortest < self.longest:
            raise ValueError(
                f"shortest is {self.shortest!r} and longest {self.longest!r}; use 0 < shortest < longest"
            )

    def lengths(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Draw the lengths of `n` pauses: seconds, rounded to the nanosecond, shape (n,)."""
        drawn = self.shortest * (1 - rng.random(n)) ** (-1 / self.alpha)
        return np.round(np.minimum(drawn, self.longest), 9)

    def counts(self, rng: np.random.Generator, turns: int) -> np.ndarray:
        """Draw how many pauses each turn has, shape (turns,)."""
        return rng.poisson(self.per_turn, turns)

    def exceeds(self, seconds: float | np.ndarray) -> float | np.ndarray:
        """Return the chance that a pause lasts `seconds` or longer: the cut-offs of a timer per pause."""
        seconds = np.asarray(seconds, dtype=np.float64)
        beyond = (self.shortest / np.maximum(seconds, self.shortest)) ** self.alpha
        chance = np.where(seconds > self.longest, 0.0, beyond)
        return chance if chance.ndim else float(chance)

    def false_alarm_rate(self, cut_offs: float, delay: float, timeout: float) -> float:
        """Return the false alarm rate with which a learned detector cuts off so many pauses.

        A pause that outlasts the timeout is cut off in any case; one that outlasts the delay is cut off
        by a false alarm. That false alarms fall on long and short pauses alike is our assumption.

        Parameters
        ----------
        cut_offs : float
            The share of pauses that the detector cuts off, as published.
        delay, timeout : float
            The detector's, in seconds; see `endpointing.LearnedDetector`.

        Raises
        ------
        ValueError
            If no false alarm rate gives so many.
        """
        check_share("cut_offs", cut_offs)
        most = float(self.exceeds(check_seconds("delay", delay)))
        fewest = float(self.exceeds(check_seconds("timeout", timeout)))
        if not fewest <= cut_offs <= most or most == fewest:
            raise ValueError(
                f"cut_offs is {cut_offs!r}; acting after {delay} or {timeout} s cuts off between {fewest:.3f} "
                f"and {most:.3f} of the pauses"
            )
        return (cut_offs - fewest) / (most - fewest)

    def cut_offs(self, detector: LearnedDetector) -> float:
        """Return the share of pauses that a learned detector cuts off, in closed form."""
        alarm = detector.false_alarm_rate
        return float(alarm * self.exceeds(detector.delay) + (1 - alarm) * self.exceeds(detector.timeout))

    def turns_cut_off(self, cut_offs: float | np.ndarray) -> float | np.ndarray:
        """Return the share of turns that are cut off at least once, given the share of pauses that are.

        The number of pauses in a turn is Poisson distributed, which is our assumption.
        """
        return 1 - np.exp(-self.per_turn * np.asarray(cut_offs, dtype=np.float64))

    def finished_after(self, silence: float | np.ndarray) -> float | np.ndarray:
        """Return the chance that the user has finished, when only the seconds of silence so far are known.

        A turn has one end, and `per_turn` pauses of which some last as long.
        """
        return 1 / (1 + self.per_turn * self.exceeds(silence))


@dataclass(frozen=True, eq=False)
class TradeOff:
    """What a policy did to many turns: how long each waited at its end, how often each was cut off.

    Attributes
    ----------
    waits : ndarray of float64, shape (turns,)
        Seconds from the end of each turn to the decision: what endpointing adds to the wait.
    pauses : ndarray of int, shape (turns,)
        How many pauses each turn had.
    cut_offs : ndarray of int, shape (turns,)
        How many of them were taken for the end, each judged as if none had been before.
    """

    waits: np.ndarray
    pauses: np.ndarray
    cut_offs: np.ndarray

    @property
    def mean_wait(self) -> float:
        """The mean added wait in seconds."""
        return float(np.mean(self.waits))

    def wait_percentile(self, percent: float | Sequence[float]) -> float | np.ndarray:
        """Return the added wait in seconds that so many percent of the turns do not exceed."""
        waits: float | np.ndarray = np.percentile(self.waits, percent)
        return waits

    @property
    def cut_off_per_pause(self) -> float:
        """The share of pauses that were taken for the end; ``nan`` if there were none."""
        pauses = int(self.pauses.sum())
        return int(self.cut_offs.sum()) / pauses if pauses else nan

    @property
    def cut_off_per_turn(self) -> float:
        """The share of turns that were cut off at least once."""
        return float(np.mean(self.cut_offs > 0))


def trade_off(policy: Policy, model: PauseModel, turns: int, rng: np.random.Generator) -> TradeOff:
    """Let a policy judge the pauses and the end of every turn.

    The pauses are drawn before anything else, so that policies given generators of the same seed
    judge the same turns.

    Parameters
    ----------
    policy : Policy
        From `endpointing`, or your own.
    model : PauseModel
        How users pause.
    turns : int
        How many turns; 1 or more.
    rng : numpy.random.Generator
        For the pauses and the policy's chances.
    """
    if isinstance(turns, bool) or not isinstance(turns, int | np.integer) or turns < 1:
        raise ValueError(f"turns is {turns!r}; it must be a whole number of turns, 1 or more")
    pauses = model.counts(rng, turns)
    lengths = model.lengths(rng, int(pauses.sum()))
    cut = lengths >= policy.decides_after(np.ones(len(lengths), dtype=bool), rng)
    waits = policy.decides_after(np.zeros(turns, dtype=bool), rng)
    return TradeOff(waits, pauses, np.bincount(np.repeat(np.arange(turns), pauses)[cut], minlength=turns))


def trade_off_curve(
    policies: Sequence[Policy], model: PauseModel, turns: int = 10_000, seed: int = 0
) -> pd.DataFrame:
    """Return one row for each policy: its added wait in seconds and its cut-offs as shares.

    Parameters
    ----------
    policies : sequence of Policy
        All of them judge the same turns.
    model : PauseModel
        How users pause.
    turns : int
        How many turns.
    seed : int
        Of the pauses and the policies' chances.
    """
    outcomes = [trade_off(policy, model, turns, np.random.default_rng(seed)) for policy in policies]
    return pd.DataFrame(
        {
            "mean wait": [o.mean_wait for o in outcomes],
            "median wait": [float(o.wait_percentile(50)) for o in outcomes],
            "95th percentile": [float(o.wait_percentile(95)) for o in outcomes],
            "cut-offs per pause": [o.cut_off_per_pause for o in outcomes],
            "turns cut off": [o.cut_off_per_turn for o in outcomes],
        },
        index=pd.Index([repr(policy) for policy in policies], name="policy"),
    )
