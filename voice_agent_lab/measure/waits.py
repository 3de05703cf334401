"""What many turns made their users wait, as arrays: of turns that were measured, or of simulated ones.

Conventions
-----------
Seconds, in arrays of shape (turns,), in the same order. ``nan`` was not measured: a user who was cut off, say,
has no end of speech to wait from. The parts of a turn sum to its voice-to-voice.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from math import nan

import numpy as np
import pandas as pd

from voice_agent_lab.checks import check_kind
from voice_agent_lab.measure.latency import BudgetReport, LatencyBudgets, _Shown, format_seconds
from voice_agent_lab.measure.samples import Estimate, percentile, percentiles, share
from voice_agent_lab.measure.turn import OWNERS, Turn

PERCENTS = (50, 95, 99)
"""The percentiles that are shown."""

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
    turns : sequence of Turn
        The turns with their logs, if they were kept.
    """

    voice_to_voice: np.ndarray
    parts: Mapping[str, np.ndarray]
    items: Mapping[str, np.ndarray] = field(default_factory=dict)
    underruns: np.ndarray = field(default_factory=lambda: np.zeros(0))
    origin: str = "measured"
    chances: object = None
    turns: Sequence[Turn] = ()

    def __len__(self) -> int:
        """Return how many turns there are."""
        return len(self.voice_to_voice)

    def __repr__(self) -> str:
        return f"<waits of {len(self):,} turns, {self.origin}>"

    def summary(self, budgets: LatencyBudgets | None = None) -> "Summary":
        """Return percentiles with their intervals, who owned the slowest waits, and the chance of each promise.

        Parameters
        ----------
        budgets : LatencyBudgets, optional
            The promises; the default ones, if not given.
        """
        return Summary(self, check_kind("budgets", budgets or LatencyBudgets(), LatencyBudgets))

    def judge(self, budgets: LatencyBudgets) -> BudgetReport:
        """Hold the slowest items of all turns against promises; see `LatencyBudgets.judge`."""
        return budgets.judge({**self.items, "voice_to_voice": self.voice_to_voice})

    @classmethod
    def of(cls, turns: "Iterable[Turn]", origin: str = "measured", chances: object = None) -> "Waits":
        """Return the waits of turns that have their logs.

        Raises
        ------
        ValueError
            If there is no turn.
        """
        if hasattr(turns, "waits"):  # they are columns already
            known: Waits = turns.waits()
            return known
        rows = [of_turn(check_kind("a turn", turn, Turn)) for turn in turns]
        if not rows:
            raise ValueError("turns is empty; give at least one turn")
        return cls.of_rows(rows, origin, chances)

    @classmethod
    def of_rows(
        cls,
        rows: "list[dict[str, float]]",
        origin: str,
        chances: object = None,
        turns: Sequence[Turn] = (),
    ) -> "Waits":
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
            turns,
        )


@dataclass(frozen=True, eq=False, repr=False)
class Summary(_Shown):
    """What many turns say, each number with its uncertainty.

    Parameters
    ----------
    waits : Waits
        Of the turns.
    budgets : LatencyBudgets
        The promises.
    """

    waits: Waits
    budgets: LatencyBudgets

    def percentile(self, percent: float, of: str = "voice_to_voice") -> Estimate:
        """Return a percentile of voice-to-voice, or of a part of the wait, with its interval in seconds."""
        return percentile(self._column(of), percent)

    def _column(self, name: str) -> np.ndarray:
        if name == "voice_to_voice":
            return self.waits.voice_to_voice
        if name not in self.waits.parts:
            raise KeyError(f"no part is called {name!r}; there are {', '.join(self.waits.parts)}")
        return self.waits.parts[name]

    def table(self) -> pd.DataFrame:
        """Return p50, p95 and p99 of each part and of voice-to-voice, with intervals, as text in seconds.

        The parts of a column do not add up to its last row: no turn is slow in everything.
        """
        rows = {name: self._row(part) for name, part in self.waits.parts.items()}
        rows["voice-to-voice"] = self._row(self.waits.voice_to_voice)
        return pd.DataFrame.from_dict(rows, orient="index", columns=[f"p{percent}" for percent in PERCENTS])

    @staticmethod
    def _row(column: np.ndarray) -> list[str]:
        if np.isnan(column).all():
            return ["not measured"] * len(PERCENTS)
        if column.strides == (0,):  # the same in all turns
            return [f"{column[0]:.3f}"] * len(PERCENTS)
        return [f"{estimate:.3f}" for estimate in percentiles(column, PERCENTS)]

    def owners(self) -> pd.DataFrame:
        """Return who owned the wait: the mean seconds of each part in all turns and in the slowest ones.

        The parts of a column sum to its last row, the mean wait of these turns.
        """
        waited, parts = self.waits.voice_to_voice, self.waits.parts
        known = np.flatnonzero(~np.isnan(waited))
        slowest_last = known[np.argsort(waited[known], kind="stable")]
        groups = {"all": known} if len(known) else {}
        for percent in (5, 1):
            if len(known) * percent >= 100:
                groups[f"slowest {percent} %"] = slowest_last[-(len(known) * percent // 100) :]
        table = pd.DataFrame(
            {
                "owner": [OWNERS[name] for name in parts],
                **{title: [part[turns].mean() for part in parts.values()] for title, turns in groups.items()},
            },
            index=list(parts),
        )
        table.loc["voice-to-voice"] = ["", *(waited[turns].mean() for turns in groups.values())]
        return table.round(3)

    def kept(self) -> pd.DataFrame:
        """Return how likely a turn keeps each promise, with an interval: all its items, for one about items.

        Of a promise about a percentile it is the share of turns within its seconds, which should be as large.
        """
        items = {**self.waits.items, "voice_to_voice": self.waits.voice_to_voice}
        rows = {}
        for name, percent, seconds in self.budgets.promises:
            its = items.get(name, np.zeros(0))
            its = its[~np.isnan(its)]
            if len(its):
                kept = share(int((np.round(its - seconds, 9) <= 0).sum()), len(its))
                rows[name if percent is None else f"{name} p{percent:g}"] = [
                    format_seconds(seconds),
                    f"{kept:.4f}",
                ]
        return pd.DataFrame.from_dict(rows, orient="index", columns=["budget", "share of turns that keep it"])

    def __repr__(self) -> str:
        return "\n\n".join([self._headline, *(table.to_string() for table in self._tables())])

    def _repr_html_(self) -> str:
        return f"<p>{self._headline}</p>" + "".join(table.to_html() for table in self._tables())

    def _tables(self) -> list[pd.DataFrame]:
        return [self.table(), self.owners(), self.kept()]

    @property
    def _headline(self) -> str:
        turns, silent = len(self.waits), int(np.isnan(self.waits.voice_to_voice).sum())
        unknown = f"; in {silent:,} of them no wait was measured" if silent else ""
        return f"{turns:,} turns, {self.waits.origin}{unknown}; seconds"


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
