"""What many turns made their users wait, as arrays: of turns that were measured, or of simulated ones.

Conventions
-----------
Seconds, in arrays of shape (turns,), in the same order. ``nan`` was not measured: a user who was cut off, say,
has no end of speech to wait from. The parts of a turn sum to its voice-to-voice.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from math import nan

import numpy as np

from voice_agent_lab.checks import check_kind
from voice_agent_lab.measure.latency import LatencyBudgets
from voice_agent_lab.measure.turn import OWNERS, Turn

BUDGETED = tuple(f.name for f in fields(LatencyBudgets))
"""What a budget can be about."""


@dataclass(frozen=True, eq=False)
class Waits:
    """The waits of many turns.

    Attributes
    ----------
    voice_to_voice : ndarray of float64, shape (turns,)
        What each user waited.
    parts : mapping of str to ndarray
        Each part of the wait by its name, in order; see `Turn.parts`. A part that a turn does not have is 0.
    items : mapping of str to ndarray
        Under each budget's name the slowest item of each turn.
    underruns : ndarray
        How long playback was silent inside each reply because it had run dry; empty if replies were not
        followed to their end.
    origin : str
        Where they come from, for a reader.
    chances : object
        What two sets must have in common for their turns to be pairs; None for turns that are no pairs.
    """

    voice_to_voice: np.ndarray
    parts: Mapping[str, np.ndarray]
    items: Mapping[str, np.ndarray] = field(default_factory=dict)
    underruns: np.ndarray = field(default_factory=lambda: np.zeros(0))
    origin: str = "measured"
    chances: object = None

    def __len__(self) -> int:
        """Return how many turns there are."""
        return len(self.voice_to_voice)

    def __repr__(self) -> str:
        return f"<waits of {len(self):,} turns, {self.origin}>"

    @classmethod
    def of(cls, turns: "Iterable[Turn]", origin: str = "measured", chances: object = None) -> "Waits":
        """Return the waits of turns that have their logs.

        Raises
        ------
        ValueError
            If there is no turn.
        """
        rows = [of_turn(check_kind("a turn", turn, Turn)) for turn in turns]
        if not rows:
            raise ValueError("turns is empty; give at least one turn")
        return cls.of_rows(rows, origin, chances)

    @classmethod
    def of_rows(cls, rows: "list[dict[str, float]]", origin: str, chances: object = None) -> "Waits":
        """Return the waits of rows as `of_turn` gives them."""
        columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
        budgets = [name for name in columns if name in BUDGETED]
        return cls(
            columns["voice_to_voice"],
            {name: columns[name] for name in OWNERS if np.nanmax(columns[name], initial=0.0) > 0},
            {name: columns[name] for name in budgets},
            columns["underruns"],
            origin,
            chances,
        )




def of_turn(turn: Turn) -> dict[str, float]:
    """Return what `Waits` keeps of a turn, as one row."""
    measured = turn.metrics.voice_to_voice
    parts = {part.name: part.seconds for part in turn.parts}
    missing = nan if np.isnan(measured) else 0.0
    heard = not np.isnan(turn.metrics.playback_started)
    gaps = [silence.end - silence.start for silence in turn.underruns]
    return {
        **{name: parts.get(name, missing) for name in OWNERS},
        **{name: max((x for x in items if x == x), default=nan) for name, items in turn.latencies.items()},
        "voice_to_voice": measured,
        "underruns": round(sum(gaps), 9) if heard else nan,
    }
