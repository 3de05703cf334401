"""Many turns as a table: a column for each stamp, from which a turn is made when it is asked for.

A trace of a million turns is a few arrays. Statistics read the arrays; whoever wants to look at one
turn gets it as an ordinary `Turn`, with a log that holds the events that were measured, and no others.

Conventions
-----------
Stamps are seconds since the turn began (its first known stamp, if nothing else is said), in arrays of
shape (turns,). ``nan`` was not measured. Latencies and parts are computed as for a `Turn`, so the parts
sum to voice-to-voice.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from math import isnan, nan
from typing import overload

import numpy as np
import pandas as pd

from voice_agent_lab.checks import check_kind
from voice_agent_lab.measure.latency import LatencyMetrics
from voice_agent_lab.measure.log import Event, EventLog
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.measure.waits import Waits, of_turn

EVENTS = {
    "speech_started": ("user", "speech_started"),
    "audio_chunk_received": ("microphone", "frame"),
    "asr_started": ("asr", "started"),
    "asr_partial": ("asr", "partial"),
    "speech_ended": ("user", "speech_ended"),
    "end_of_turn": ("endpointing", "end_of_turn"),
    "asr_complete": ("asr", "complete"),
    "llm_started": ("llm", "started"),
    "llm_first_token": ("llm", "token"),
    "llm_complete": ("llm", "complete"),
    "tts_started": ("tts", "piece"),
    "tts_first_chunk": ("tts", "chunk"),
    "tts_complete": ("tts", "complete"),
    "handed_over": ("playback", "chunk"),
    "playback_started": ("playback", "started"),
    "playback_ended": ("playback", "ended"),
}
"""Each stamp and the event that it is the time of, in the order of the chain."""

ORDER = (
    ("speech_started", "speech_ended"),
    ("speech_ended", "end_of_turn"),
    ("speech_ended", "playback_started"),
    ("asr_started", "asr_complete"),
    ("llm_started", "llm_first_token"),
    ("llm_first_token", "llm_complete"),
    ("tts_started", "tts_first_chunk"),
    ("tts_first_chunk", "tts_complete"),
    ("tts_first_chunk", "playback_started"),
    ("playback_started", "playback_ended"),
)
"""Pairs of stamps of which the second cannot come before the first."""

LATENCIES = {
    "asr_finalization": ("end_of_turn", "asr_complete"),
    "llm_first_token": ("llm_started", "llm_first_token"),
    "tts_first_chunk": ("tts_started", "tts_first_chunk"),
    "time_to_first_audio": ("asr_complete", "tts_first_chunk"),
    "voice_to_voice": ("speech_ended", "playback_started"),
}
"""Each budget that stamps tell about, from which to which."""

_PARTS = {
    "endpointing": "end_of_turn",
    "finalisation": "asr_complete",
    "hand-over": "llm_started",
    "first token": "llm_first_token",
    "text aggregation": "tts_started",
    "first chunk": "tts_first_chunk",
    "output transport": "handed_over",
    "leading silence": "playback_started",
}

Column = np.ndarray
"""Seconds, float64, shape (turns,)."""


@dataclass(frozen=True)
class Source:
    """What a trace can tell, and what it cannot.

    Attributes
    ----------
    name : str
        Whose trace it is, and which.
    knows : tuple of str
        The parts of the wait that can be read off it.
    cannot_know : mapping of str to str
        The parts that cannot, and why: they are not measured.
    clock : str
        On which clock its numbers are.
    counts_twice : str
        What a sum of its numbers counts twice, and what is done about it.
    """

    name: str
    knows: tuple[str, ...] = ()
    cannot_know: Mapping[str, str] = field(default_factory=dict)
    clock: str = "the event loop's, virtual or real"
    counts_twice: str = "nothing: stamps have no sum"


OWN = Source("voice-agent-lab: turns of this package", ("every part",))
"""Where turns come from that this package has recorded."""


@dataclass(frozen=True)
class Problem:
    """Something that could not be read: where, in words that an editor can jump to, and what is wrong."""

    place: str
    what: str

    def __str__(self) -> str:
        """Return both as a sentence."""
        return f"{self.place}: {self.what}"


class Turns(Sequence[Turn]):
    """Many turns, as columns; one of them is made when it is asked for.

    Parameters
    ----------
    columns : mapping of str to array of float
        Under the names of `EVENTS`, each stamp of all turns in seconds; ``nan`` where it was not measured.
        ``origin`` is when each turn began, on an axis that all share.
    texts : mapping of str to sequence of str
        What was said, if that is known: ``transcript`` and ``reply``.
    source : Source
        Where they come from.
    problems : iterable of Problem
        What of the source could not be read.
    logs : sequence of EventLog, optional
        The whole logs, for turns of which more is known than stamps.

    Examples
    --------
    >>> turns = Turns({"speech_ended": [1.0, 1.2], "playback_started": [1.9, float("nan")]})
    >>> turns.voice_to_voice
    array([0.9, nan])
    >>> turns[0].metrics.voice_to_voice
    0.9
    """

    def __init__(
        self,
        columns: Mapping[str, Sequence[float] | Column],
        texts: Mapping[str, Sequence[str]] | None = None,
        source: Source = OWN,
        problems: Iterable[Problem] = (),
        logs: Sequence[EventLog] | None = None,
    ) -> None:
        self.columns = {name: np.asarray(column, float) for name, column in columns.items()}
        unknown = [name for name in self.columns if name not in (*EVENTS, "origin")]
        if unknown:
            raise ValueError(f"columns has {unknown[0]!r}, which is no stamp; there are {', '.join(EVENTS)}")
        if len({column.shape for column in self.columns.values()}) != 1:
            raise ValueError("columns must all have as many numbers as there are turns")
        self.texts = dict(texts or {})
        self.source, self.problems, self._logs = source, tuple(problems), logs

    @classmethod
    def of(cls, turns: Iterable[Turn], source: Source = OWN, problems: Iterable[Problem] = ()) -> "Turns":
        """Return turns that have their logs as a table, in which they keep them.

        Raises
        ------
        ValueError
            If there is none.
        """
        rows = [check_kind("a turn", turn, Turn) for turn in turns]
        if not rows:
            raise ValueError("turns is empty; give at least one turn")
        metrics = [turn.metrics for turn in rows]
        stamps = EVENTS.keys() & {
            stamp.name for stamp in fields(LatencyMetrics)
        }  # the others are in the logs
        columns = {name: [getattr(m, name) for m in metrics] for name in stamps}
        for name in EVENTS.keys() - columns.keys():
            columns[name] = [turn.counted.first(*EVENTS[name]) for turn in rows]
        columns["origin"] = [turn.log.origin for turn in rows]
        texts = {"transcript": [t.transcript for t in rows], "reply": [t.reply for t in rows]}
        return cls(columns, texts, source, problems, [turn.log for turn in rows])

    def __len__(self) -> int:
        """Return how many turns there are."""
        return len(next(iter(self.columns.values())))

    def __repr__(self) -> str:
        measured = int(np.isfinite(self.voice_to_voice).sum())
        left_out = f", {len(self.problems):,} left out" if self.problems else ""
        return f"<{len(self):,} turns, voice-to-voice of {measured:,}, from {self.source.name}{left_out}>"

    @overload
    def __getitem__(self, index: int) -> Turn: ...
    @overload
    def __getitem__(self, index: slice) -> "Turns": ...
    def __getitem__(self, index: int | slice) -> "Turn | Turns":
        """Return one turn, or some of them as a table."""
        if isinstance(index, slice):
            return Turns(
                {name: column[index] for name, column in self.columns.items()},
                {name: texts[index] for name, texts in self.texts.items()},
                self.source,
                self.problems,
                None if self._logs is None else self._logs[index],
            )
        number = range(len(self))[index]
        return Turn(self._log(number) if self._logs is None else self._logs[number])

    def column(self, name: str) -> Column:
        """Return a stamp of all turns; all ``nan`` if the source has none."""
        column = self.columns.get(name)
        return np.full(len(self), nan) if column is None else column

    @property
    def voice_to_voice(self) -> Column:
        """What each user waited, in seconds, as far as the source can tell; see `Source.cannot_know`."""
        return self.latency("voice_to_voice")

    def latency(self, name: str) -> Column:
        """Return the latency of one name of `LATENCIES` in each turn, in seconds; ``nan`` if not measured.

        What was ready before it was asked for took no time.
        """
        start, end = LATENCIES[name]
        seconds: Column = np.round(np.maximum(self.column(end) - self.column(start), 0.0), 9)
        return seconds

    def parts(self) -> dict[str, Column]:
        """Return each part of the wait in seconds, in order; a part that a turn does not have is 0.

        They sum to voice-to-voice, and are ``nan`` where that was not measured. A part that no turn has is
        left out.
        """
        return dict(self.waits().parts)

    def waits(self) -> Waits:
        """Return what the users waited, for percentiles, budgets and comparisons."""
        if self._logs is not None:
            return Waits.of_rows([of_turn(turn) for turn in self], self.source.name)
        items = {name: self.latency(name) for name in LATENCIES}
        measured = {name: column for name, column in items.items() if np.isfinite(column).any()}
        return Waits(self.voice_to_voice, self._parts(), measured, origin=self.source.name)

    def _parts(self) -> dict[str, Column]:
        """Return the parts of turns of which only stamps are known."""
        end = self.column("playback_started")
        reached, parts = self.column("speech_ended") + 0 * end, {}
        for name, stamp in _PARTS.items():
            until = np.fmin(np.fmax(self.column(stamp), reached), end) + 0 * reached
            seconds = np.round(until - reached, 9)
            if np.nan_to_num(seconds).any():
                parts[name] = seconds
            reached = until
        return parts

    def frame(self) -> pd.DataFrame:
        """Return one row for each turn: its stamps, voice-to-voice and the parts, in seconds."""
        stamps = {name: column for name, column in self.columns.items() if np.isfinite(column).any()}
        columns = {**stamps, "voice-to-voice": self.voice_to_voice, **self.parts()}
        return pd.DataFrame(columns, index=pd.RangeIndex(1, len(self) + 1, name="turn"))

    def _log(self, number: int) -> EventLog:
        """Return the log of one turn: an event for each stamp, and no other."""
        at = {name: float(column[number]) for name, column in self.columns.items() if name in EVENTS}
        at = {name: round(time, 9) for name, time in at.items() if not isnan(time)}
        texts = {name: texts[number] for name, texts in self.texts.items()}
        details = _details(at, texts.get("transcript", ""), texts.get("reply", ""))
        events = [Event(at[name], *EVENTS[name], details.get(name, {})) for name in EVENTS if name in at]
        begun = at.get("llm_started", nan)
        lead = round(max(at.get("end_of_turn", nan), at.get("asr_complete", nan)) - begun, 9)
        if lead > 0 and "end_of_turn" in at:
            events.append(Event(round(begun + lead, 9), "llm", "kept", {"attempt": 1, "lead": lead}))
        origin = self.columns.get("origin")
        return EventLog(0.0 if origin is None else float(origin[number]), events)


def _details(at: Mapping[str, float], transcript: str, reply: str) -> dict[str, dict[str, object]]:
    """Return the details of the events of a turn of which only stamps and perhaps texts are known."""
    sounded = at.get("playback_ended", nan) - at.get("playback_started", nan)
    return {
        "end_of_turn": {"reason": "finished"},
        "asr_partial": {"text": ""},
        "asr_complete": {"text": transcript},
        "llm_first_token": {
            "text": reply,
            "took": at.get("llm_first_token", nan) - at.get("llm_started", nan),
        },
        "tts_started": {"text": ""},  # which of the reply the voice was given first is not known
        "tts_first_chunk": {
            "seconds": sounded,
            "took": at.get("tts_first_chunk", nan) - at.get("tts_started", nan),
            "first_of_piece": True,
        },
        "handed_over": {"seconds": sounded},
        "audio_chunk_received": {},
    }


def out_of_order(columns: Mapping[str, Column]) -> tuple[np.ndarray, dict[int, str]]:
    """Return which turns have a clock that goes back, and for each a sentence that says where."""
    bad = np.zeros(len(next(iter(columns.values()))), bool)
    sentences: dict[int, str] = {}
    for first, second in ORDER:
        if first in columns and second in columns:
            back = columns[second] - columns[first] < -1e-6
            for row in np.flatnonzero(back & ~bad):
                a, b = columns[first][row], columns[second][row]
                sentences[int(row)] = (
                    f"{second} ({b:.6g} s) is before {first} ({a:.6g} s): a clock that goes back"
                )
            bad |= back
    if {"asr_complete", "tts_first_chunk"} <= columns.keys():
        final, sound = columns["asr_complete"], columns["tts_first_chunk"]
        early = (
            columns.get("llm_started", np.full(len(bad), nan)) < final
        )  # an answer that was begun early may be so
        back = (sound - final < -1e-6) & ~early
        for row in np.flatnonzero(back & ~bad):
            sentences[int(row)] = (
                f"tts_first_chunk ({sound[row]:.6g} s) is before asr_complete ({final[row]:.6g} s), and the language "
                "model was not asked before it: a clock that goes back"
            )
        bad |= back
    return bad, sentences
