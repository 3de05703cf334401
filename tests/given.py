"""The same chances for both simulations: latencies that are written down before a turn, not drawn in it."""

from dataclasses import dataclass, field

import numpy as np

from voice_agent_lab.stages.distributions import StageLatencies
from voice_agent_lab.stages.endpointing import Policy

STAGES = tuple(StageLatencies.__dataclass_fields__)


@dataclass
class Given:
    """The chances of many turns, for the array model.

    Latencies are whole nanoseconds of shape (items, turns), under each stage; `silences` are the seconds after
    which the policy decides in each silence, `wrong` which words come wrong, both with a column a turn.
    """

    latencies: dict[str, np.ndarray]
    silences: np.ndarray
    wrong: np.ndarray

    def begin(self, block: int, turns: int) -> None:
        pass

    def take(self, stage: str, item: int, rows: np.ndarray | int) -> np.ndarray:
        values = self.latencies[stage][item]
        return values if isinstance(rows, int) else values[rows]

    def decides_after(self, policy: Policy, silence: int, goes_on: bool, rows: int) -> np.ndarray:
        return self.silences[silence]

    def wrong_at_first(self, rate: float, words: int, rows: int) -> np.ndarray:
        return self.wrong[:words]

    def turn(self, number: int) -> "OneTurn":
        """Return the chances of one turn, for the event simulation."""
        latencies = {stage: values[:, number] / 1e9 for stage, values in self.latencies.items()}
        return OneTurn(latencies, self.silences[:, number], self.wrong[:, number])


@dataclass
class OneTurn:
    """The chances of one turn: distributions and a policy that give them one after the other."""

    latencies: dict[str, np.ndarray]
    silences: np.ndarray
    wrong: np.ndarray
    taken: dict[str, int] = field(default_factory=dict)

    def next(self, stage: str) -> float:
        if (
            stage == "llm_first_token"
        ):  # an answer begins, maybe not the first one of the turn: with the same chances
            self.taken = {name: number for name, number in self.taken.items() if name.startswith("asr")}
        number = self.taken.get(stage, 0)
        self.taken[stage] = number + 1
        return float(self.latencies[stage][number])

    def stages(self) -> StageLatencies:
        return StageLatencies(**{stage: Replayed(self, stage) for stage in STAGES})

    def policy(self) -> "Decides":
        return Decides(self.silences.tolist())

    def random(self, size: int) -> np.ndarray:
        """Stand for a recogniser's generator, which is asked which words come wrong."""
        return np.where(self.wrong[:size], 0.0, 1.0)


@dataclass
class Replayed:
    """A distribution that gives what was written down."""

    turn: OneTurn
    stage: str

    def samples(self, rng: object, size: int) -> np.ndarray:
        return np.array([self.turn.next(self.stage) for _ in range(size)])


class Decides(Policy):
    """A policy that decides in each silence after the time that was written down."""

    def __init__(self, after: list[float]) -> None:
        self.after, self.asked = after, 0

    def decides_after(self, more_to_come: np.ndarray, rng: object = None) -> np.ndarray:
        self.asked += 1
        return np.array([self.after[self.asked - 1]])
