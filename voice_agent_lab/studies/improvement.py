"""Which stage buys most? The same turns again, with one thing made better at a time.

At the 95th percentile that is often not the stage that takes longest, but the one whose tail the slow turns
share. `what_if` tries each stage; `WhatIf.split` goes the other way, from the wait that is wanted to what each stage
may take.

Conventions
-----------
All turns have the same chances; a stage that is made faster takes the same share less of each of its latencies.
Gains are in seconds, positive for better.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from voice_agent_lab.checks import check_count, check_seconds, check_share
from voice_agent_lab.measure.latency import LatencyBudgets, _Shown
from voice_agent_lab.measure.samples import Estimate, percentile
from voice_agent_lab.measure.waits import Waits
from voice_agent_lab.models.anatomy import Anatomy, take_apart
from voice_agent_lab.models.draws import Seeded, WithoutStalls
from voice_agent_lab.models.monte_carlo import QUESTION, MakesAgents, as_agent, simulated, texts
from voice_agent_lab.stages.distributions import WithStalls
from voice_agent_lab.studies.comparison import differences
from voice_agent_lab.turns.agent import StreamingVoiceAgent

PART_OF = {
    "asr_processing": "recognition",
    "asr_finalization": "finalisation",
    "llm_first_token": "first token",
    "llm_token_generation": "text aggregation",
    "tts_first_chunk": "first chunk",
}
"""Which part of the wait a stage's latency makes; later chunks make none."""

_STEP, _LEAST = 0.95, 0.05  # of a stage's latencies, as they are today


@dataclass(frozen=True, eq=False)
class _Turns:
    """Turns that can be had again with something changed."""

    anatomies: Sequence[Anatomy]
    n: int
    seed: int

    def with_factors(self, factors: Mapping[str, float], *, reply: bool = False) -> Waits:
        sources = [Seeded(anatomy.latencies, self.seed, factors) for anatomy in self.anatomies]
        return simulated(self.anatomies, sources, self.n, reply=reply)

    def without_stalls(self, stage: str) -> Waits:
        sources = []
        for anatomy in self.anatomies:
            calm = WithoutStalls(_stalling(anatomy, stage))
            sources.append(Seeded({**anatomy.latencies, stage: calm}, self.seed))
        return simulated(self.anatomies, sources, self.n, reply=False)


@dataclass(frozen=True, eq=False, repr=False)
class WhatIf(_Shown):
    """What each change would buy.

    Attributes
    ----------
    percent : float
        The percentile of voice-to-voice that is looked at.
    today : Estimate
        That percentile as it is, in seconds.
    gains : mapping of str to Estimate
        Under each change by how much it would fall, the largest gain first.
    """

    percent: float
    today: Estimate
    gains: Mapping[str, Estimate]
    _turns: _Turns

    @property
    def sentence(self) -> str:
        """What buys most, in words."""
        change, gain = next(iter(self.gains.items()))
        if not gain.value > 0:
            return f"None of these changes shortens the wait at p{self.percent:g}."
        return f"{change} buys most at p{self.percent:g}: {gain.value:.3f} of {self.today.value:.3f} s."

    def table(self) -> pd.DataFrame:
        """Return one row for each change: what it gains, with its interval, in seconds."""
        rows = {change: [f"{gain:.3f}"] for change, gain in self.gains.items()}
        return pd.DataFrame.from_dict(rows, orient="index", columns=[f"gain at p{self.percent:g}"])

    def __repr__(self) -> str:
        return f"{self.sentence}\n\n{self.table().to_string()}"

    def _repr_html_(self) -> str:
        return f"<p>{self.sentence}</p>{self.table().to_html()}"

    def split(self, seconds: float, costs: Mapping[str, float] | None = None) -> "Split":
        """Return what each stage may take so that the wait keeps a budget, at the least cost.

        Endpointing stays as it is: its price is not money but users who are cut off.

        Parameters
        ----------
        seconds : float
            What the percentile of voice-to-voice is to be, at most, its whole interval included.
        costs : mapping of str to float, optional
            What it costs to halve a stage's latencies, for the stages that can be made faster at all. All
            stages at the same cost, if not given.

        Raises
        ------
        ValueError
            If no split keeps the budget.
        """
        check_seconds("seconds", seconds)
        prices = dict.fromkeys(PART_OF, 1.0) if costs is None else dict(costs)
        for stage, cost in prices.items():
            if stage not in PART_OF or not cost > 0:
                raise ValueError(
                    f"costs has {stage!r} at {cost!r}; give a positive cost for any of {', '.join(PART_OF)}"
                )
        factors = _cheapened(self._turns, self.percent, seconds, prices)
        return Split(self.percent, seconds, factors, self._turns.with_factors(factors, reply=True))


@dataclass(frozen=True, eq=False, repr=False)
class Split(_Shown):
    """A wait divided among the stages.

    Attributes
    ----------
    percent, seconds : float
        The promise: at which percentile of voice-to-voice how many seconds.
    factors : mapping of str to float
        To which share of today's latencies each stage is brought.
    waits : Waits
        The turns with these.
    """

    percent: float
    seconds: float
    factors: Mapping[str, float]
    waits: Waits

    @property
    def budgets(self) -> LatencyBudgets:
        """The promises that follow: of each stage's slowest item in a turn, and of the whole wait."""
        each = {
            stage: {f"p{self.percent:g}": round(percentile(self.waits.items[stage], self.percent).value, 3)}
            for stage in self.factors
        }
        others = {"tts_chunk_generation": None, "time_to_first_audio": None}
        return LatencyBudgets(**{**others, **each}, voice_to_voice={f"p{self.percent:g}": self.seconds})

    def table(self) -> pd.DataFrame:
        """Return one row for each stage: its share of today's latency, and what its slowest item then takes."""
        budgets = self.budgets
        rows = {
            stage: [f"{factor:.0%}", f"{next(iter(getattr(budgets, stage).values())):.3f} s"]
            for stage, factor in self.factors.items()
        }
        whole = percentile(self.waits.voice_to_voice, self.percent)
        rows["voice_to_voice"] = ["", f"{whole.value:.3f} s"]
        return pd.DataFrame.from_dict(rows, orient="index", columns=["of today's", f"p{self.percent:g}"])


def what_if(
    agent: StreamingVoiceAgent | MakesAgents,
    n: int = 20_000,
    *,
    faster: float = 0.1,
    percent: float = 95,
    said: str | Sequence[str] = QUESTION,
    seed: int = 0,
) -> WhatIf:
    """Return what it would buy to make each stage faster, or to rid it of its stalls.

    Parameters
    ----------
    agent : StreamingVoiceAgent or preset
        Whose stages.
    n : int
        How many turns to simulate for each change.
    faster : float
        By which share to shorten each latency of a stage. Endpointing waits for whole frames: it may
        gain nothing, or a frame.
    percent : float
        Which percentile of voice-to-voice to look at.
    said, seed
        As of `monte_carlo`.

    Examples
    --------
    >>> question = what_if(preset("livekit-defaults"))
    >>> question.sentence
    'endpointing 10% faster buys most at p95: 0.156 of 4.274 s.'
    >>> question.split(3.8)  # what each stage may take, so that 95 of 100 turns wait 3.8 s or less
                         of today's      p95
    asr_processing             100%  0.000 s
    asr_finalization            86%  1.268 s
    llm_first_token             60%  1.059 s
    llm_token_generation       100%  0.010 s
    tts_first_chunk            100%  0.275 s
    voice_to_voice                   3.754 s
    """
    check_share("faster", faster)
    check_count("n", n, "turns")
    turns = _Turns([take_apart(as_agent(agent), text) for text in texts(said)], n, seed)
    today = turns.with_factors({})
    changed = {
        f"{stage} {faster:.0%} faster": turns.with_factors({stage: 1 - faster})
        for stage in [*turns.anatomies[0].latencies, "endpointing"]
    }
    for stage, distribution in turns.anatomies[0].latencies.items():
        if isinstance(distribution, WithStalls):
            changed[f"{stage} without stalls"] = turns.without_stalls(stage)
    gains = {change: _gain(today, waits, percent) for change, waits in changed.items()}
    ordered = sorted(gains.items(), key=lambda gain: -gain[1].value)
    return WhatIf(percent, percentile(today.voice_to_voice, percent), dict(ordered), turns)


def _gain(today: Waits, changed: Waits, percent: float) -> Estimate:
    known = ~(np.isnan(today.voice_to_voice) | np.isnan(changed.voice_to_voice))
    samples = changed.voice_to_voice[known], today.voice_to_voice[known]
    return differences(samples, [percent], paired=True)[0]


def _stalling(anatomy: Anatomy, stage: str) -> WithStalls:
    distribution = anatomy.latencies[stage]
    assert isinstance(distribution, WithStalls)
    return distribution


def _cheapened(turns: _Turns, percent: float, seconds: float, costs: Mapping[str, float]) -> dict[str, float]:
    """Return the factors of a split: step by step, the stage is made faster that gives most for its cost."""
    factors = dict.fromkeys(costs, 1.0)
    while not _keeps(waits := turns.with_factors(factors), percent, seconds):
        worth = {
            stage: _near(waits, stage, percent) / costs[stage] for stage in costs if factors[stage] > _LEAST
        }
        stage = max(worth, key=lambda stage: worth[stage], default="")
        if not worth.get(stage, 0.0) > 0:
            reached = percentile(waits.voice_to_voice, percent).value
            raise ValueError(
                f"seconds is {seconds!r}; even with {', '.join(costs)} as fast as can be, p{percent:g} is "
                f"{reached:.3f} s: change endpointing, transport or overlap"
            )
        factors[stage] *= _STEP
    for stage in sorted(costs, key=lambda stage: -costs[stage]):  # what turned out not to be needed
        while factors[stage] < 1:
            eased = {**factors, stage: min(1.0, factors[stage] / _STEP)}
            if not _keeps(turns.with_factors(eased), percent, seconds):
                break
            factors = eased
    return factors


def _keeps(waits: Waits, percent: float, seconds: float) -> bool:
    return percentile(waits.voice_to_voice, percent).high <= seconds


def _near(waits: Waits, stage: str, percent: float) -> float:
    """Return the mean of a stage's part in the turns whose wait is near a percentile: what a change there moves."""
    low, high = np.nanpercentile(waits.voice_to_voice, [max(0.0, percent - 2), min(100.0, percent + 2)])
    near = (waits.voice_to_voice >= low) & (waits.voice_to_voice <= high)
    part = waits.parts.get(PART_OF[stage])
    return 0.0 if part is None else float(part[near].mean())
