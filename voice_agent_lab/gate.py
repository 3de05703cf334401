"""The gate: promises in a file, held against an agent or a trace, with a verdict that a build can fail on.

The file is TOML. It names what is judged and what was promised, in seconds::

    agent = "livekit-defaults"            # a preset; or: trace = "turns.csv"
    turns = 100000                        # simulated ones
    seed = 1

    [budgets]                             # a plain number is for every item
    voice_to_voice = { p50 = 1.2, p95 = 2.5 }
    llm_first_token = { p95 = 2.0 }

    [columns]                             # of a table, where its names are not known
    "model ms" = "llm_first_token_ms"

A promise about a percentile is broken when the whole interval of the percentile is beyond it; as long as the
interval holds it, there are too few turns to tell. A promise about something that was not measured is not kept.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from voice_agent_lab.checks import check_count
from voice_agent_lab.measure.latency import BudgetReport, LatencyBudgets, Verdict, format_seconds
from voice_agent_lab.measure.turn import OWNERS
from voice_agent_lab.measure.waits import Waits
from voice_agent_lab.models.monte_carlo import monte_carlo
from voice_agent_lab.presets import preset
from voice_agent_lab.traces.reading import read_turns

TURNS = 100_000
"""Simulated turns, if the file does not say."""

_BUDGETS = [field.name for field in fields(LatencyBudgets)]
_KEYS = {"agent": str, "trace": str, "turns": int, "seed": int, "budgets": dict, "columns": dict}
_KINDS = {str: "a string", int: "a whole number", dict: "a table"}
_OF_THE_REPLY = {"llm_token_generation", "tts_first_chunk", "tts_chunk_generation"}
_OWNER = {"asr": "the recogniser", "llm": "the language model", "tts": "the voice"}


class GateError(ValueError):
    """A file of promises that says something else; the sentence names its line and key."""


@dataclass(frozen=True)
class Gate:
    """What is judged, and by which promises.

    Attributes
    ----------
    budgets : LatencyBudgets
        The promises, and no others.
    agent : str
        The name of a preset; empty for a trace.
    trace : Path or None
        The file of a trace.
    turns, seed : int
        How many turns of the preset are simulated, and the seed of their chances.
    columns : mapping of str to str
        See `read_turns`.
    """

    budgets: LatencyBudgets
    agent: str = ""
    trace: Path | None = None
    turns: int = TURNS
    seed: int = 0
    columns: Mapping[str, str] | None = None

    def waits(self) -> Waits:
        """Return what users waited: of the trace, or of the preset's simulated turns."""
        if self.trace is not None:
            return read_turns(self.trace, columns=self.columns).waits()
        promised = {name for name, *_ in self.budgets.promises}
        return monte_carlo(
            preset(self.agent), self.turns, seed=self.seed, reply=not promised.isdisjoint(_OF_THE_REPLY)
        )

    def judge(self) -> "Judgement":
        """Return the verdicts on all promises."""
        waits = self.waits()
        return Judgement(waits, waits.judge(self.budgets))


@dataclass(frozen=True)
class Judgement:
    """The verdicts on all promises, and what they were held against."""

    waits: Waits
    report: BudgetReport

    @property
    def passed(self) -> bool:
        """Whether no promise is broken beyond its interval, and each was measured."""
        return not any(verdict.status in ("missed", "not measured") for verdict in self.report.verdicts)

    def __str__(self) -> str:
        """Return a line for each promise, and one for all together."""
        width = max(len(verdict.promise) for verdict in self.report.verdicts)
        lines = (f"  {each.promise:<{width}}  {self.sentence(each)}" for each in self.report.verdicts)
        first, last = f"{len(self.waits):,} turns, {self.waits.origin}", "passed" if self.passed else "failed"
        return "\n".join([first, *lines, last])

    def sentence(self, verdict: Verdict) -> str:
        """Return what was promised, what was measured, the verdict, and of a broken promise the owner."""
        promised = f"promised {verdict.budget:.3f} s"
        if verdict.status == "not measured":
            return f"{promised}, not measured"
        measured = format_seconds(verdict.worst) if verdict.percent is None else f"{verdict.measured:.3f} s"
        said = f"{promised}, measured {measured}: {verdict.status}"
        return f"{said}; {self.owner(verdict)}" if verdict.status == "missed" else said

    def owner(self, verdict: Verdict) -> str:
        """Return whom to ask about a promise: of a wait the part that was longest in its slowest turns."""
        if verdict.name not in ("voice_to_voice", "time_to_first_audio"):
            return f"its owner is {_OWNER[verdict.name.partition('_')[0]]} (service)"
        waited, parts = self.waits.voice_to_voice, self.waits.parts
        if verdict.name == "time_to_first_audio":
            parts = {
                name: parts[name]
                for name in ("first token", "text aggregation", "first chunk")
                if name in parts
            }
        items = waited if verdict.name == "voice_to_voice" else self.waits.items[verdict.name]
        slowest = items >= min(verdict.measured.value, np.nanmax(items))
        means = {name: float(np.nanmean(part[slowest])) for name, part in parts.items()}
        if not means:
            return "its parts were not measured"
        most = max(means, key=lambda name: means[name])
        whole = float(np.nanmean(items[slowest]))
        return f"in these turns most of it is {most} ({OWNERS[most]}): {means[most]:.3f} s of {whole:.3f} s on average"

    def junit(self) -> str:
        """Return the verdicts as JUnit's XML: a broken promise is a failure, one that was not measured an error."""
        verdicts = self.report.verdicts
        suite = ElementTree.Element(
            "testsuite",
            name="voice-agent-lab check",
            tests=str(len(verdicts)),
            failures=str(sum(verdict.status == "missed" for verdict in verdicts)),
            errors=str(sum(verdict.status == "not measured" for verdict in verdicts)),
        )
        for verdict in verdicts:
            case = ElementTree.SubElement(suite, "testcase", classname="budgets", name=verdict.promise)
            outcome = {"missed": "failure", "not measured": "error"}.get(verdict.status, "system-out")
            sentence = self.sentence(verdict)
            inner = ElementTree.SubElement(
                case, outcome, {} if outcome == "system-out" else {"message": sentence}
            )
            inner.text = sentence
        ElementTree.indent(suite)
        return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def read_gate(path: str | Path, trace: str | Path | None = None) -> Gate:
    """Return the gate that a file describes.

    Parameters
    ----------
    path : str or Path
        The TOML file.
    trace : str or Path, optional
        A trace to judge instead of what the file names.

    Raises
    ------
    GateError
        If it is no TOML, or says what a gate does not know; the sentence names line and key.
    OSError
        If it cannot be read.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        said = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise GateError(f"{path} is no TOML: {error}") from error
    try:
        return _gate(said, path, trace)
    except _AtKeyError as error:
        line = _line_of(text, error.keys)
        place = f"{path}:{line}" if line else str(path)
        raise GateError(f"{place}: {'.'.join(error.keys)} {error.what}") from error


class _AtKeyError(Exception):
    """Something that is wrong with a key."""

    def __init__(self, keys: tuple[str, ...], what: str) -> None:
        super().__init__(what)
        self.keys, self.what = keys, what


def _gate(said: Mapping[str, Any], path: Path, trace: str | Path | None) -> Gate:
    for key, value in said.items():
        if key not in _KEYS:
            raise _AtKeyError((key,), f"is not known; there are {', '.join(_KEYS)}")
        if isinstance(value, bool) or not isinstance(value, _KEYS[key]):
            raise _AtKeyError((key,), f"is {value!r}; it must be {_KINDS[_KEYS[key]]}")
    if trace is None and "trace" in said:
        trace = path.parent / said["trace"]
    if trace is None and "agent" not in said:
        raise _AtKeyError(
            ("agent",), 'is missing, and so is trace; name a preset or a file: agent = "livekit-defaults"'
        )
    if "agent" in said and "trace" in said:
        raise _AtKeyError(("trace",), "stands beside agent; leave one of them out")
    if not said.get("budgets"):
        raise _AtKeyError(
            ("budgets",), "is missing or empty; promise something: voice_to_voice = { p95 = 2.5 }"
        )
    _check("agent", lambda: preset(said["agent"]) if "agent" in said else None)
    turns = _check("turns", lambda: check_count("turns", said.get("turns", TURNS), "turns"))
    if said.get("seed", 0) < 0:
        raise _AtKeyError(("seed",), f"is {said['seed']}; it must be 0 or more")
    for name, value in said.get("columns", {}).items():
        if not isinstance(value, str):
            raise _AtKeyError(("columns", name), f"is {value!r}; it must be our name with a unit, in quotes")
    return Gate(
        _budgets(said["budgets"]),
        said.get("agent", ""),
        None if trace is None else Path(trace),
        turns,
        said.get("seed", 0),
        said.get("columns"),
    )


def _budgets(said: Mapping[str, Any]) -> LatencyBudgets:
    """Return the promises of a file, and no others."""
    none = dict.fromkeys(_BUDGETS)
    for name, value in said.items():
        if name not in _BUDGETS:
            raise _AtKeyError(("budgets", name), f"is no budget; there are {', '.join(_BUDGETS)}")
        try:
            LatencyBudgets(**{**none, name: value})
        except (TypeError, ValueError) as error:
            raise _AtKeyError(("budgets", name), f"cannot be promised: {error}") from error
    return LatencyBudgets(**{**none, **said})


def _check(key: str, made: Any) -> Any:
    try:
        return made()
    except ValueError as error:
        raise _AtKeyError((key,), f"will not do: {error}") from error


def _line_of(text: str, keys: tuple[str, ...]) -> int:
    """Return the line on which a key stands, or the table that it is in; 0 if neither does."""
    for key in reversed(keys):
        pattern = re.compile(rf"^\s*(\[\s*)?['\"]?{re.escape(key)}['\"]?\s*(\]|=|\.)")
        for number, line in enumerate(text.splitlines(), start=1):
            if pattern.match(line):
                return number
    return 0
