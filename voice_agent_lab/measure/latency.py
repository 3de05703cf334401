"""What was promised and what happened: the stamps of one turn, its budgets, and the verdicts.

A *latency* is what happened; a *budget* is a promise made before. This module keeps the two
apart, so that a promise can be broken, and it keeps "not measured" apart from zero.

Conventions
-----------
* A stamp is a time in seconds since the turn began: since the microphone opened or, in a conversation,
  since the turn's first frame. A stamp that never happened is
  ``nan``; so is every interval that needs it.
* An interval is rounded to the nanosecond, the resolution of the clock, so that 3.18 s - 2.88 s
  keeps a budget of 0.3 s. An interval that ends before it starts is an error, not a number.
* A budget for a repeated item (a frame, a token, a chunk) is judged by its worst item.

The names of the first ten stamps, of the first seven budgets and of the two methods are those of the
article that this project takes apart.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from math import inf, isnan, nan
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from voice_agent_lab.checks import check_percentiles, check_seconds, shown
from voice_agent_lab.measure.samples import Estimate, percentile


def interval(start: float, end: float, name: str = "interval") -> float:
    """Return the seconds from `start` to `end`, or ``nan`` if either was not measured.

    Raises
    ------
    ValueError
        If `end` is before `start`: one of the two stamps is wrong.
    """
    if isnan(start) or isnan(end):
        return nan
    seconds = round(end - start, 9)
    if seconds < 0:
        raise ValueError(
            f"{name} is negative: it starts at {start} s and ends at {end} s; check which event each stamp comes from"
        )
    return seconds


def format_seconds(seconds: float) -> str:
    """Return seconds with millisecond digits for a person to read, or "not measured" for ``nan``."""
    return "not measured" if isnan(seconds) else f"{seconds:.3f} s"


class _Shown:
    """Anything with a `table()` shows itself: as text in a terminal, as HTML in a notebook."""

    def table(self) -> pd.DataFrame:
        raise NotImplementedError

    def __repr__(self) -> str:
        return str(self.table().to_string())

    def _repr_html_(self) -> str:
        return str(self.table().to_html())


@dataclass(frozen=True, repr=False)
class LatencyMetrics(_Shown):
    """When each thing happened in one turn, in seconds since the microphone opened.

    Attributes
    ----------
    audio_chunk_received : float
        The first audio frame reached the agent.
    asr_started, asr_partial, asr_complete : float
        Recognition began; its first partial; its final transcript.
    llm_started, llm_first_token, llm_complete : float
        The language model was asked; its first token; its last.
    tts_started, tts_first_chunk, tts_complete : float
        The first piece of text was handed to synthesis; its first audio; its last.
    speech_ended : float
        The true end of the user's speech. A person waits from here.
    end_of_turn : float
        Endpointing decided that the user had finished.
    playback_started, playback_ended : float
        The first audible sample at the user's ear, and the end of the sound.

    Examples
    --------
    >>> metrics = simulate(StreamingVoiceAgent().process_turn("What time is it?"))
    >>> metrics.speech_ended, metrics.playback_started
    (1.3, 3.04)
    >>> metrics.voice_to_voice
    1.74
    >>> LatencyMetrics(speech_ended=1.3).voice_to_voice  # nothing was heard: not measured, not zero
    nan
    """

    audio_chunk_received: float = nan
    asr_started: float = nan
    asr_partial: float = nan
    asr_complete: float = nan
    llm_started: float = nan
    llm_first_token: float = nan
    llm_complete: float = nan
    tts_started: float = nan
    tts_first_chunk: float = nan
    tts_complete: float = nan
    speech_ended: float = nan
    end_of_turn: float = nan
    playback_started: float = nan
    playback_ended: float = nan

    @property
    def voice_to_voice(self) -> float:
        """Seconds from the true end of speech to the first audible sample: what the user waits."""
        return interval(self.speech_ended, self.playback_started, "voice-to-voice")

    @property
    def time_to_first_token(self) -> float:
        """Seconds from asking the language model to its first token."""
        return interval(self.llm_started, self.llm_first_token, "time to first token")

    def get_time_to_first_audio(self) -> float:
        """Return the article's time to first audio: from the final transcript to the first audio chunk.

        It leaves out everything between the end of speech and the final transcript; compare
        `voice_to_voice`. If an eager voice had its first audio before the transcript was final, it
        is 0: nobody waited in between.
        """
        if self.llm_started < self.asr_complete and self.tts_first_chunk < self.asr_complete:
            return 0.0
        return interval(self.asr_complete, self.tts_first_chunk, "time to first audio")

    def get_total_latency(self) -> float:
        """Return the article's total latency: from the first audio frame to the last synthesised chunk."""
        return interval(self.audio_chunk_received, self.tts_complete, "total latency")

    def table(self) -> pd.DataFrame:
        """Return the stamps in the order in which they happened, then the intervals, as text."""
        stamps = {f.name: getattr(self, f.name) for f in fields(self)}
        in_order = sorted(stamps.items(), key=lambda item: inf if isnan(item[1]) else item[1])
        intervals = {
            "time to first token": self.time_to_first_token,
            "time to first audio (the article's)": self.get_time_to_first_audio(),
            "total latency (the article's)": self.get_total_latency(),
            "voice-to-voice": self.voice_to_voice,
        }
        return pd.DataFrame(
            {"time": {name: format_seconds(value) for name, value in [*in_order, *intervals.items()]}}
        )


@dataclass(frozen=True)
class LatencyBudgets:
    """The promises: the longest that each thing may take, in seconds.

    The names and defaults of the first seven are the article's. They are about parts; only the last one is
    about what the user waits.

    Attributes
    ----------
    asr_processing : float
        Recognition of one audio frame.
    asr_finalization : float
        From the last frame's recognition to the final transcript.
    llm_first_token : float
        From asking the language model to its first token.
    llm_token_generation : float
        Each token after the first.
    tts_first_chunk : float
        From handing over a piece of text to its first audio chunk.
    tts_chunk_generation : float
        Each later chunk of the same piece.
    time_to_first_audio : float
        From the final transcript to the first audio chunk.
    voice_to_voice : float or None
        From the true end of speech to the first audible sample. None, the default, promises nothing about
        it, and no verdict is given.

    Each may also be a mapping, for promises about percentiles of the items: ``{"p50": 1.2, "p95": 2.5}``.
    Such a promise is judged together with its uncertainty, and needs many items.

    Raises
    ------
    ValueError
        If a budget is negative or not finite, or a higher percentile is given less time.

    Examples
    --------
    >>> report = LatencyBudgets(llm_first_token=0.3).judge({"llm_first_token": [0.45]})
    >>> report["llm_first_token"].status
    'missed'
    >>> report["llm_first_token"].over  # seconds
    0.15
    >>> report["tts_first_chunk"].status
    'not measured'
    >>> tail = LatencyBudgets(voice_to_voice={"p50": 1.2, "p95": 2.5})
    >>> tail.judge({"voice_to_voice": [1.0] * 50})["voice_to_voice p50"].status
    'met'
    """

    asr_processing: Any = 0.1  # seconds, or seconds for each percentile
    asr_finalization: Any = 0.3
    llm_first_token: Any = 0.5
    llm_token_generation: Any = 0.02
    tts_first_chunk: Any = 0.2
    tts_chunk_generation: Any = 0.05
    time_to_first_audio: Any = 1.0
    voice_to_voice: Any = None

    def __post_init__(self) -> None:
        for field in fields(self):
            budget = getattr(self, field.name)
            if isinstance(budget, Mapping):
                check_percentiles(field.name, budget)
            elif budget is not None:
                check_seconds(field.name, budget)

    @property
    def promised(self) -> dict[str, float]:
        """Each budget for every item by its name, in seconds, without those that promise nothing of the kind."""
        budgets: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        return {n: b for n, b in budgets.items() if b is not None and not isinstance(b, Mapping)}

    @property
    def promises(self) -> list[tuple[str, float | None, float]]:
        """Each promise: the budget's name, the percentile, which is None for every item, and the seconds."""
        found: list[tuple[str, float | None, float]] = []
        for field in fields(self):
            budget = getattr(self, field.name)
            if isinstance(budget, Mapping):
                found += [(field.name, *promise) for promise in check_percentiles(field.name, budget).items()]
            elif budget is not None:
                found.append((field.name, None, budget))
        return found

    def judge(self, measured: Mapping[str, Any]) -> "BudgetReport":
        """Hold what was measured against the promises.

        Parameters
        ----------
        measured : mapping of str to sequence of float
            For each budget's name the latencies of all its items, in seconds, as
            `Turn.latencies` gives them. A missing or empty entry was not measured.

        Returns
        -------
        BudgetReport
            One verdict for each promise, in the order of the fields.

        Raises
        ------
        TypeError
            If `measured` is no mapping, or an entry a number.
        ValueError
            If `measured` has a name that is not a budget's, or a negative latency.
        """
        names = [f.name for f in fields(self)]
        if not hasattr(measured, "items"):
            raise TypeError(
                f"measured is {shown(measured)}; it must be a mapping, such as a turn's latencies"
            )
        for name, items in measured.items():
            if name not in names:
                raise ValueError(f"measured has {name!r}, which is no budget; there are {', '.join(names)}")
            if isinstance(items, Real):
                raise TypeError(
                    f"measured {name} is {shown(items)}; it must be a list, with one latency for each item"
                )
            if len(items) and np.nanmin(np.append(items, inf)) < 0:
                raise ValueError(f"measured {name} has the negative latency {min(items)} s; check its stamps")
        kept = {
            name: items if isinstance(items, np.ndarray) else tuple(items) for name, items in measured.items()
        }
        return BudgetReport(
            tuple(
                Verdict(name, budget, kept.get(name, ()), percent) for name, percent, budget in self.promises
            )
        )


@dataclass(frozen=True)
class Verdict:
    """One budget and what became of it.

    Attributes
    ----------
    name : str
        The budget's name.
    budget : float
        What was promised, in seconds.
    items : tuple of float or ndarray
        What each item took, in seconds; ``nan`` for one that was not measured.
    percent : float or None
        Which percentile of the items the promise is about; None for all of them.
    """

    name: str
    budget: float
    items: Sequence[float] | np.ndarray = ()
    percent: float | None = None

    @property
    def promise(self) -> str:
        """What was promised: the budget's name, with the percentile if it is about one."""
        return self.name if self.percent is None else f"{self.name} p{self.percent:g}"

    @property
    def worst(self) -> float:
        """The longest item in seconds, ``nan`` if nothing was measured."""
        return float(self._measured.max()) if len(self._measured) else nan

    @property
    def measured(self) -> Estimate:
        """The percentile with its interval; of a promise about every item the worst, which has none."""
        if self.percent is not None:
            return percentile(self._measured, self.percent)
        return Estimate(self.worst, self.worst, self.worst, len(self._measured))

    @property
    def over(self) -> float:
        """Seconds by which what was measured missed the budget; 0 if it kept it, ``nan`` if not measured."""
        value = self.measured.value
        return nan if isnan(value) else max(0.0, round(value - self.budget, 9))

    @property
    def missed(self) -> int:
        """How many items took longer than the budget."""
        return int((np.round(self._measured - self.budget, 9) > 0).sum())

    @property
    def status(self) -> str:
        """One of "met", "missed", "undecided" and "not measured".

        A promise about a percentile is met or missed if the whole interval is; between the two there are too
        few items to tell.
        """
        if not len(self._measured):
            return "not measured"
        measured = self.measured
        if round(measured.low - self.budget, 9) > 0:
            return "missed"
        return "met" if round(measured.high - self.budget, 9) <= 0 else "undecided"

    @property
    def _measured(self) -> np.ndarray:
        items = np.asarray(self.items, dtype=np.float64)
        return items[~np.isnan(items)]


@dataclass(frozen=True, repr=False)
class BudgetReport(_Shown):
    """The verdicts on all budgets of one turn."""

    verdicts: tuple[Verdict, ...]

    def __getitem__(self, name: str) -> Verdict:
        """Return the verdict on the budget called `name`; with percentiles ``"voice_to_voice p95"``."""
        for verdict in self.verdicts:
            if name in (verdict.promise, verdict.name):
                return verdict
        raise KeyError(
            f"no budget is called {name!r}; there are {', '.join(v.promise for v in self.verdicts)}"
        )

    @property
    def status(self) -> str:
        """The verdict on all together: "missed" if one is, else "undecided" if one is, else "met".

        What was not measured is left out; if that is everything, "not measured".
        """
        found = {verdict.status for verdict in self.verdicts}
        return next((s for s in ("missed", "undecided", "met") if s in found), "not measured")

    @property
    def sentence(self) -> str:
        """The verdict on all together in words, with what was missed by most."""
        counts = Counter(verdict.status for verdict in self.verdicts)
        said = ", ".join(
            f"{counts[s]} {s}" for s in ("met", "missed", "undecided", "not measured") if counts[s]
        )
        if self.status != "missed":
            return f"{self.status}: {said}"
        most = max((v for v in self.verdicts if v.status == "missed"), key=lambda v: v.over)
        return f"missed: {said}; by most {most.promise}, by {format_seconds(most.over)}"

    def table(self) -> pd.DataFrame:
        """Return one row for each promise: promised, worst item or percentile, verdict."""
        at_percentiles = any(v.percent is not None for v in self.verdicts)
        return pd.DataFrame(
            {
                "budget": [format_seconds(v.budget) for v in self.verdicts],
                "measured" if at_percentiles else "worst": [self._measured(v) for v in self.verdicts],
                "verdict": [self._sentence(v) for v in self.verdicts],
            },
            index=[v.promise for v in self.verdicts],
        )

    @staticmethod
    def _measured(verdict: Verdict) -> str:
        return format_seconds(verdict.worst) if verdict.percent is None else f"{verdict.measured:.3f} s"

    @staticmethod
    def _sentence(verdict: Verdict) -> str:
        if verdict.status != "missed":
            return verdict.status
        return f"missed by {format_seconds(verdict.over)} ({verdict.missed} of {len(verdict.items)})"
