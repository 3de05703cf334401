"""From measured turns to distributions: what a simulation of the same agent should draw from.

Each stage gets the family that its latencies do not contradict, and how well it fits is shown beside it; see
`families`. Endpointing, transport and the silence before the voice are taken as they were measured.

Conventions
-----------
A latency that was not measured is left out and counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan
from typing import Any

import numpy as np
import pandas as pd

from voice_agent_lab.checks import check_seconds, shown
from voice_agent_lab.measure.latency import _Shown
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.models.draws import NANOSECONDS, Latency, Rows, Seeded
from voice_agent_lab.models.families import Fitted, described, fitted
from voice_agent_lab.stages.distributions import Distribution, Measured, StageLatencies
from voice_agent_lab.stages.endpointing import Policy
from voice_agent_lab.stages.microphone import AudioInputStream
from voice_agent_lab.stages.playback import Playback
from voice_agent_lab.stages.tts import StreamingTTS
from voice_agent_lab.turns.agent import StreamingVoiceAgent

STAGES = tuple(StageLatencies.__dataclass_fields__)
_ENDPOINTING = ("endpointing", "voice activity", "end-of-turn model", "backlog")


class AsMeasured(Policy):
    """A policy that decides after silences as they were measured, whether the user goes on or not.

    Parameters
    ----------
    waits : sequence of float
        After how many seconds of silence it decided.
    rng : numpy.random.Generator, optional
        Seeded with 0 if not given.
    """

    def __init__(self, waits: Sequence[float] | np.ndarray, rng: np.random.Generator | None = None) -> None:
        self.waits = Measured(waits)
        self.rng = rng or np.random.default_rng(0)

    @property
    def mean_wait(self) -> float:
        """The mean wait in seconds."""
        return float(np.mean(self.waits.values))

    def decides_after(self, more_to_come: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
        """Draw one of the measured waits for each silence."""
        return self.waits.samples(rng or self.rng or np.random.default_rng(0), len(more_to_come))


@dataclass(frozen=True, eq=False, repr=False)
class Fit(_Shown):
    """Distributions of measured turns.

    Attributes
    ----------
    stages : mapping of str to Fitted
        What was found, for each stage by its name in `StageLatencies`.
    items : list of mapping of str to ndarray
        What was measured, for each turn; what was not is left out.
    """

    stages: Mapping[str, Fitted]
    items: Sequence[Mapping[str, np.ndarray]]

    @property
    def latencies(self) -> StageLatencies:
        """The distributions, as an agent takes them."""
        return StageLatencies(**{stage: fitted.distribution for stage, fitted in self.stages.items()})

    @property
    def endpointing(self) -> Policy | None:
        """A policy that decides after the silences that were measured; None if none were."""
        waits = self._all("endpointing")
        return AsMeasured(waits) if len(waits) else None

    def agent(self, **settings: Any) -> StreamingVoiceAgent:
        """Return an agent that takes as long as what was measured.

        Parameters
        ----------
        **settings
            What `StreamingVoiceAgent` takes: overlap and aggregation are not told by latencies, nor is what
            is answered. Transport and the silence before the voice are fixed at their measured medians.
        """
        took = self.latencies
        frame_ms = 1000 * (self._median("frame") or 0.1)
        components: dict[str, Any] = {
            "latencies": took,
            "endpointing": self.endpointing,
            "audio": AudioInputStream(
                settings.pop("sample_rate", 16000), frame_ms, latency=self._median("input transport")
            ),
            "tts": StreamingTTS(
                took.tts_first_chunk,
                took.tts_chunk_generation,
                leading_silence=self._median("leading silence"),
                rng=np.random.default_rng(settings.get("seed", 0)).spawn(3)[2],
            ),
            "playback": Playback(self._median("output transport")),
        }
        return StreamingVoiceAgent(**{**components, **settings})

    def whole_turns(self, latencies: Mapping[str, Distribution], seed: int = 0) -> "WholeTurns":
        """Return chances that keep together what happened together; for `monte_carlo`'s `chances`."""
        return WholeTurns(self.items, latencies, seed)

    def correlation(self) -> pd.DataFrame:
        """Return the rank correlation (Spearman's) between stages, from turn to turn; 0 if they do not go together.

        Of a stage with several items in a turn its median counts.
        """
        rows = [
            {stage: float(np.median(turn[stage])) for stage in STAGES if stage in turn} for turn in self.items
        ]
        table = pd.DataFrame(rows)
        varies = [stage for stage in table if np.ptp(table[stage].dropna().to_numpy()) > 0]
        return table[varies].corr(method="spearman").round(2)

    def table(self) -> pd.DataFrame:
        """Return one row for each stage and for endpointing: the family, its sample, and how well it fits."""
        rows = {
            stage: [found.family, found.n, found.left_out, *map(_distance, (found.distance, found.allowed))]
            for stage, found in self.stages.items()
        }
        waits = self._all("endpointing")
        if len(waits):
            rows["endpointing"] = [
                described(Measured(waits)),
                len(waits),
                len(self.items) - len(waits),
                "",
                "",
            ]
        columns = ["distribution", "latencies", "left out", "distance", "allowed"]
        return pd.DataFrame.from_dict(rows, orient="index", columns=columns)

    def _all(self, name: str) -> np.ndarray:
        return np.concatenate([np.zeros(0), *(turn[name] for turn in self.items if name in turn)])

    def _median(self, name: str) -> float:
        values = self._all(name)
        return float(np.median(values)) if len(values) else 0.0


def _distance(distance: float) -> str:
    return "" if isnan(distance) else f"{distance:.3f}"


class WholeTurns(Seeded):
    """Draws whole turns that were measured, with all their latencies; what a turn lacks is drawn by itself.

    A turn that needs more items than were measured begins with its first again.
    """

    def __init__(
        self, items: Sequence[Mapping[str, np.ndarray]], latencies: Mapping[str, Distribution], seed: int = 0
    ) -> None:
        super().__init__(latencies, seed)
        self._lengths = {
            name: np.array([len(turn.get(name, ())) for turn in items]) for name in (*STAGES, "endpointing")
        }
        self._flat = {
            name: np.concatenate([np.zeros(1), *(turn[name] for turn in items if name in turn)])
            for name in self._lengths
        }
        self._first = {name: 1 + np.cumsum(lengths) - lengths for name, lengths in self._lengths.items()}
        self._turns, self._chosen = len(items), np.zeros(0, dtype=np.int64)

    def begin(self, block: int, turns: int) -> None:
        """Choose a measured turn for each."""
        super().begin(block, turns)
        self._chosen = np.random.default_rng((self._seed, block)).integers(0, self._turns, turns)

    def take(self, stage: str, item: int, rows: Rows) -> Latency:
        """Return the chosen turns' own."""
        drawn = super().take(stage, item, rows)
        seconds = self._own(stage, item, self._chosen if isinstance(rows, int) else self._chosen[rows])
        return np.where(np.isnan(seconds), drawn, np.rint(seconds * NANOSECONDS))

    def decides_after(self, policy: Policy, silence: int, goes_on: bool, rows: int) -> Latency:
        """Return the chosen turns' own wait at their end; in a pause, the policy's."""
        drawn = super().decides_after(policy, silence, goes_on, rows)
        if goes_on:
            return drawn
        seconds = self._own("endpointing", 0, self._chosen)
        return np.where(np.isnan(seconds), drawn, seconds)

    def _own(self, name: str, item: int, chosen: np.ndarray) -> np.ndarray:
        lengths = self._lengths[name][chosen]
        place = np.where(lengths > 0, self._first[name][chosen] + item % np.maximum(lengths, 1), 0)
        return np.where(lengths > 0, self._flat[name][place], nan)


def fit(
    measured: Sequence[Turn] | Mapping[str, Sequence[float]], otherwise: StageLatencies | None = None
) -> Fit:
    """Fit distributions to measured turns.

    Parameters
    ----------
    measured : sequence of Turn, or mapping of str to sequence of float
        Turns with their logs; or for each stage, named as in `StageLatencies`, its latencies in seconds,
        one for each turn. ``nan`` was not measured.
    otherwise : StageLatencies, optional
        What to take for a stage of which nothing was measured; the article's latencies, if not given.

    Raises
    ------
    ValueError
        If there is no turn, or a latency is negative or infinite.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> measured = {"llm_first_token": LogNormal(0.45, 0.4).samples(rng, 200), "tts_first_chunk": [0.2] * 200}
    >>> fitted = fit(measured)
    >>> fitted.stages["llm_first_token"].family, fitted.stages["tts_first_chunk"].family
    ('log-normal, median 0.453 s, sigma 0.39', 'always 0.200 s')
    >>> waits = monte_carlo(fitted.agent(), 1000)
    """
    rows = _of_mapping(measured) if isinstance(measured, Mapping) else [_of_turn(turn) for turn in measured]
    if not rows:
        raise ValueError("measured is empty; give at least one turn")
    default = otherwise or StageLatencies()
    known: list[dict[str, np.ndarray]] = []
    left_out = dict.fromkeys(STAGES, 0)
    for number, row in enumerate(rows):
        kept = {}
        for name, values in row.items():
            good = np.asarray(values, dtype=np.float64)
            missing = np.isnan(good)
            for value in good[~missing & ~((good >= 0) & np.isfinite(good))]:
                check_seconds(f"{name} of turn {number + 1}", float(value))
            left_out[name] = left_out.get(name, 0) + int(missing.sum()) + (not len(good))
            if not missing.all():
                kept[name] = good[~missing]
        known.append(kept)
    stages = {
        stage: fitted(
            np.concatenate([np.zeros(0), *(row[stage] for row in known if stage in row)]),
            left_out[stage],
            getattr(default, stage),
        )
        for stage in STAGES
    }
    return Fit(stages, known)


def _of_mapping(measured: Mapping[str, Sequence[float]]) -> list[dict[str, Sequence[float]]]:
    unknown = set(measured) - {*STAGES, "endpointing"}
    if unknown:
        raise ValueError(
            f"measured has {min(unknown)!r}, which is no stage; there are {', '.join(STAGES)} and endpointing"
        )
    longest = max((len(values) for values in measured.values()), default=0)
    return [
        {name: values[turn : turn + 1] for name, values in measured.items() if turn < len(values)}
        for turn in range(longest)
    ]


def _of_turn(turn: Any) -> dict[str, Any]:
    """Return the latencies of a turn, and the settings that its parts tell."""
    if not isinstance(turn, Turn):
        raise TypeError(
            f"a turn is {shown(turn)}; it must be a Turn, as an agent keeps them or a trace gives them"
        )
    row: dict[str, Any] = {stage: turn.latencies[stage] for stage in STAGES}
    parts = {part.name: part.seconds for part in turn.parts}
    if not parts:
        return row
    frames = [event.time for event in turn.log.all("microphone", "frame")]
    frame = float(np.median(np.diff(frames))) if len(frames) > 1 else 0.0
    silence = sum(parts.get(name, 0.0) for name in _ENDPOINTING)
    if not isnan(turn.metrics.end_of_turn):
        row["endpointing"] = [max(0.0, silence - frame / 2)]  # decisions fall at the ends of frames
    if frame:
        row["frame"] = [frame]
    return {
        **row,
        **{
            name: [parts.get(name, 0.0)]
            for name in ("input transport", "output transport", "leading silence")
        },
    }
