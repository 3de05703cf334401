"""JSON as tools write it: one document, one on each line, or one after the other; and turns from its rows.

A document that cannot be read is a problem with its line, and reading goes on at the next line that begins one.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite, nan
from pathlib import Path
from typing import Any

import numpy as np

from voice_agent_lab.checks import shown
from voice_agent_lab.measure.turns import EVENTS, Problem, Source, Turns, out_of_order
from voice_agent_lab.traces.trouble import TraceError

_BEGINS = re.compile(r"^[\[{]", re.MULTILINE)


@dataclass(frozen=True)
class Document:
    """A JSON value in a file, and the line on which it begins."""

    value: Any
    line: int


@dataclass
class Trace:
    """A file's text, the documents in it, and what of it could not be read."""

    path: Path
    text: str
    documents: list[Document] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def place(self, line: int) -> str:
        """Return where a line is, for an editor."""
        return f"{self.path}:{line}"

    def line_of(self, name: object, otherwise: int) -> int:
        """Return the first line on which a name stands in quotes."""
        at = self.text.find(f'"{name}"')
        return otherwise if at < 0 else self.text.count("\n", 0, at) + 1


def parse(path: Path) -> Trace:
    """Return the documents of a file.

    Raises
    ------
    TraceError
        If it is empty, or no text.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise TraceError(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}") from error
    if not text.strip():
        raise TraceError(f"{path} is empty")
    trace, decoder, at = Trace(path, text), json.JSONDecoder(), 0
    if text.lstrip()[0] not in "[{":
        return trace
    while (begins := re.compile(r"[^\s,]").search(text, at)) is not None:
        at = begins.start()
        line = text.count("\n", 0, at) + 1
        try:
            value, at = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            following = _BEGINS.search(text, at + 1)
            at = following.start() if following else len(text)
            cut_off = at <= error.pos  # it was noticed in the document after this one
            trace.problems.append(
                Problem(trace.place(line if cut_off else error.lineno), f"no JSON: {error.msg}")
            )
        else:
            trace.documents.append(Document(value, line))
    return trace


def mapping(value: object, name: str) -> Mapping[str, Any]:
    """Return an object of JSON, an empty one if there is none; raise TraceError if it is something else."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TraceError(f"{name} is {shown(value)}; it must be an object with names and values")
    return value


def objects(values: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Return the objects of JSON in a list under a name; raise TraceError if it is something else."""
    found = values[name]
    if not isinstance(found, list):
        raise TraceError(f"{name} is {shown(found)}; it must be a list of objects")
    return [mapping(each, f"one of {name}") for each in found]


_LATEST = 1e11  # seconds; clocks that count from 1970 read 2e9


def seconds(values: Mapping[str, Any], name: str, *, zero: bool = True) -> float:
    """Return the seconds under a name, ``nan`` if they were not measured: absent, None, -1, or 0 if not `zero`.

    Raises
    ------
    TraceError
        If it is something else that cannot be a length of time.
    """
    value = values.get(name)
    if value is None or value == -1 or (value == 0 and not zero):
        return nan
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _LATEST:
        raise TraceError(f"{name} is {shown(value)}; it must be a finite number of seconds, 0 or more")
    return float(value)


@dataclass
class Rows:
    """Turns that are read one after the other: stamps in seconds on one clock, and what was said."""

    trace: Trace
    source: Source
    stamps: list[dict[str, float]] = field(default_factory=list)
    texts: list[tuple[str, str]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)

    def add(self, line: int, stamps: Mapping[str, float], transcript: str = "", reply: str = "") -> None:
        """Add a turn, read from a line on."""
        self.stamps.append({name: time for name, time in stamps.items() if isfinite(time)})
        self.texts.append((transcript, reply))
        self.lines.append(line)

    def leave_out(self, line: int, why: object) -> None:
        """Say that a turn could not be read."""
        self.trace.problems.append(Problem(self.trace.place(line), str(why)))

    def turns(self) -> Turns:
        """Return what was read; each turn begins with its first stamp.

        Raises
        ------
        TraceError
            If there is no turn.
        """
        known = [bool(stamps) for stamps in self.stamps]
        origins = np.array([min(stamps.values(), default=nan) for stamps in self.stamps])
        columns = {
            name: np.array([stamps.get(name, nan) for stamps in self.stamps]) - origins
            for name in EVENTS
            if any(name in stamps for stamps in self.stamps)
        }
        problems = self.trace.problems
        keep = np.array(known, bool)
        if columns:
            back, sentences = out_of_order(columns)
            for row, sentence in sentences.items():
                self.leave_out(self.lines[row], sentence)
            keep &= ~back
        if not keep.any():
            why = f"; {problems[0]}" if problems else ""
            raise TraceError(f"{self.trace.path} has no turn that can be read{why}")
        # Seconds since 1970 in a double are no finer than a microsecond.
        kept = {name: np.round(column[keep], 6) for name, column in columns.items()}
        kept["origin"] = np.round(origins[keep] - origins[keep].min(), 6)
        texts = [text for text, ok in zip(self.texts, keep, strict=True) if ok]
        both = {"transcript": [t for t, _ in texts], "reply": [r for _, r in texts]}
        return Turns(kept, both, self.source, problems)
