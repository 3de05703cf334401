"""Turns from a table: CSV, Parquet or a DataFrame, with a column for each stamp or latency.

Conventions
-----------
A column's unit is in its name: ``llm_first_token_ms`` is in milliseconds, ``voice_to_voice_s`` in seconds. A column
without one is refused, because a guess would be wrong by a factor of a thousand. An empty cell, NaN and -1 (as
some tools write it) are not measured. A length of 0 is 0. Columns with names that are not known are left alone.
"""

import csv
import re
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from voice_agent_lab.checks import shown
from voice_agent_lab.measure.turns import EVENTS, Column, Problem, Source, Turns, out_of_order
from voice_agent_lab.traces.placing import LENGTHS, placed
from voice_agent_lab.traces.trouble import TraceError

SOURCE = Source(
    "a table",
    ("each part that has a column",),
    {
        "what has no column": "it is not measured; what of the wait no column accounts for is shown as hand-over",
        "the end of speech": "whatever the table's voice-to-voice starts from; few tools know the true end",
    },
    "that of whoever wrote it; stamps of one row must be on one clock",
    "latencies of stages that overlap are longer together than the wait: the overlap is taken as an early start of "
    "the language model",
)

UNITS = {
    "s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0,
    "ms": 1e-3, "msec": 1e-3, "msecs": 1e-3, "millis": 1e-3, "milliseconds": 1e-3,
}  # fmt: skip
"""What a name may end in after an underscore, and how many seconds that is."""

ALIASES = {
    "end_of_turn_delay": "endpointing",
    "end_of_utterance_delay": "endpointing",
    "eou_delay": "endpointing",
    "user_turn": "endpointing",
    "transcription_delay": "transcription",
    "stt_ttfb": "transcription",
    "ttfs": "transcription",
    "asr_finalization": "finalisation",
    "finalization": "finalisation",
    "on_user_turn_completed_delay": "hand_over",
    "ttft": "llm_first_token",
    "llm_ttft": "llm_first_token",
    "llm_ttfb": "llm_first_token",
    "llm_node_ttft": "llm_first_token",
    "time_to_first_token": "llm_first_token",
    "aggregation": "text_aggregation",
    "tts_ttfb": "tts_first_chunk",
    "tts_node_ttfb": "tts_first_chunk",
    "playback_latency": "output_transport",
    "e2e": "voice_to_voice",
    "e2e_latency": "voice_to_voice",
    "v2v": "voice_to_voice",
    "user_bot_latency": "voice_to_voice",
    "user_to_bot_latency": "voice_to_voice",
}
"""Names that others use, and ours."""

AT = "_at"
"""What the name of a stamp may end in before its unit. It must where a latency has the same name: then
``llm_first_token_at_s`` is when the token came, and ``llm_first_token_s`` how long it took."""

TEXTS = ("transcript", "reply")
_STAMPS = {f"{name}{AT}": name for name in EVENTS} | {name: name for name in EVENTS if name not in LENGTHS}
_LONGEST = 120.0  # seconds: a table whose median wait is longer is in milliseconds
_QUOTE = "quote a field with a comma in it"
_BAD_LINE = re.compile(r"line (\d+)[:,]? (expected \d+ fields, saw \d+)")


def read_csv(path: Path, columns: Mapping[str, str] | None = None) -> Turns:
    """Return the turns of a CSV or TSV file, with a header."""
    too_long = _too_long_at_first(path)
    bad = [Problem(f"{path}:{line}", f"{what}; {_QUOTE}") for line, what in too_long.items()]
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            table = pd.read_csv(
                path,
                sep="\t" if path.suffix == ".tsv" else ",",
                on_bad_lines="warn",
                skiprows=[line - 1 for line in too_long],
                skip_blank_lines=False,
                index_col=False,
                low_memory=False,
                encoding="utf-8-sig",
            )
    except pd.errors.EmptyDataError:
        raise TraceError(f"{path} is empty; its first line must name the columns") from None
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise TraceError(f"{path} is no table: {str(error).strip()}") from error
    for line, what in _BAD_LINE.findall(" ".join(str(each.message) for each in caught)):
        bad.append(Problem(f"{path}:{line}", f"{what}; {_QUOTE}"))
    lines = np.arange(2, 2 + len(table))
    for line in sorted(int(problem.place.rpartition(":")[2]) for problem in bad):
        lines[lines >= line] += 1
    kept = table.notna().any(axis=1)
    return read_frame(table[kept], columns, name=str(path), lines=lines[kept], problems=bad)


def _too_long_at_first(path: Path) -> dict[int, str]:
    """Return the rows at the beginning of a file that have more fields than its header; pandas cuts these off."""
    found: dict[int, str] = {}
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        rows = csv.reader(file, delimiter="\t" if path.suffix == ".tsv" else ",")
        width = len(next(rows, []))
        for row in rows:
            if row and len(row) <= width:
                break
            if row:
                found[rows.line_num] = f"Expected {width} fields, saw {len(row)}"
    return found


def read_parquet(path: Path, columns: Mapping[str, str] | None = None) -> Turns:
    """Return the turns of a Parquet file; pandas needs pyarrow for it."""
    try:
        table = pd.read_parquet(path)
    except ImportError as error:
        raise TraceError(
            f'{path} is Parquet, which pandas reads with pyarrow; pip install "voice-agent-lab[traces]" brings it'
        ) from error
    except Exception as error:
        raise TraceError(f"{path} is no Parquet file: {error}") from error
    return read_frame(table, columns, name=str(path))


def read_frame(
    table: pd.DataFrame,
    columns: Mapping[str, str] | None = None,
    *,
    name: str = "the table",
    lines: np.ndarray | None = None,
    problems: list[Problem] | None = None,
) -> Turns:
    """Return the turns of a DataFrame, one in each row.

    Parameters
    ----------
    table : DataFrame
        A row for each turn.
    columns : mapping of str to str, optional
        For names that are not known: theirs, and ours with its unit.
    name : str
        What to call it in errors.
    lines : array of int, optional
        The line of each row in its file.
    problems : list of Problem, optional
        What could not be read of it before.

    Raises
    ------
    TraceError
        If no column is known, one has no unit, two are the same, or no row is left.
    """
    problems = list(problems or [])
    chosen = _chosen([str(each) for each in table.columns], columns or {}, name)
    places = [f"{name}:{line}" for line in lines] if lines is not None and len(lines) < 1000 else None

    def place(row: int) -> str:
        return (
            places[row] if places else f"{name}:{lines[row]}" if lines is not None else f"{name}, row {row}"
        )

    if not len(table):
        raise TraceError(f"{name} has no row; give at least one turn")
    bad = np.zeros(len(table), bool)
    values: dict[str, Column] = {}
    for ours, (theirs, factor) in chosen.items():
        seconds, wrong, why = _numbers(table[theirs], factor, is_length=ours in LENGTHS)
        for row in np.flatnonzero(wrong & ~bad):
            problems.append(
                Problem(place(int(row)), f"{theirs} is {_written(table[theirs].iloc[row])}; {why}")
            )
        bad |= wrong
        values[ours] = seconds
        _check_scale(theirs, seconds[~wrong], factor, name, is_length=ours in LENGTHS)
    stamps, origin = _stamps(values)
    back, sentences = out_of_order(stamps)
    problems += [Problem(place(row), sentence) for row, sentence in sentences.items() if not bad[row]]
    keep = ~(bad | back)
    if not keep.any():
        raise TraceError(f"{name} has no row that can be read; {problems[0]}")
    texts = {
        each: table[each][keep].fillna("").astype(str).tolist() for each in TEXTS if each in table.columns
    }
    columns_kept = {key: column[keep] for key, column in {**stamps, "origin": origin}.items()}
    return Turns(columns_kept, texts, SOURCE, problems)


def _chosen(names: list[str], columns: Mapping[str, str], name: str) -> dict[str, tuple[str, float]]:
    """Return for each stamp and length that the table has its column, and the seconds of its unit."""
    for theirs in columns:
        if theirs not in names:
            raise TraceError(
                f"columns names {theirs!r}, which {name} does not have; it has {', '.join(names)}"
            )
    chosen: dict[str, tuple[str, float]] = {}
    for theirs in names:
        wanted = columns.get(theirs, theirs)
        ours, factor = _meaning(wanted)
        if ours is None:
            if theirs in columns:
                raise TraceError(
                    f"columns says that {theirs!r} is {wanted!r}, which is no stamp and no latency; there are "
                    f"{', '.join(LENGTHS)}, and the stamps {', '.join(f'{each}{AT}' for each in EVENTS)}"
                )
            continue
        if factor is None:
            raise TraceError(
                f"the column {theirs!r} of {name} has no unit; name it {theirs}_s or {theirs}_ms, "
                f"or give columns={{{theirs!r}: '{ours}_ms'}}"
            )
        if ours in chosen:
            raise TraceError(
                f"the columns {chosen[ours][0]!r} and {theirs!r} of {name} are both {ours}; leave one of them out"
            )
        chosen[ours] = (theirs, factor)
    if not chosen:
        raise TraceError(
            f"{name} has no column that is known ({', '.join(names) or 'none at all'}); name one voice_to_voice_s, "
            "or give columns={'theirs': 'voice_to_voice_s'}"
        )
    return chosen


def _meaning(name: str) -> tuple[str | None, float | None]:
    """Return our name for a column, and the seconds of its unit; None for what is not known."""
    plain = re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")
    stem, _, unit = plain.rpartition("_")
    factor = UNITS.get(unit) if stem else None
    stem = stem if factor else plain
    stem = ALIASES.get(stem, stem)
    if stem in LENGTHS:
        return stem, factor
    stamp = _STAMPS.get(stem)
    return (f"{stamp}{AT}", factor) if stamp else (None, None)


def _numbers(column: pd.Series, factor: float, *, is_length: bool) -> tuple[Column, np.ndarray, str]:
    """Return a column in seconds, which rows of it are wrong, and what would be right."""
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(float)
    unmeasured = column.isna().to_numpy() | (numbers == -1 if is_length else False)
    wrong = (np.isnan(numbers) | np.isinf(numbers)) & ~unmeasured
    if is_length:
        wrong |= (numbers < 0) & ~unmeasured
    seconds = np.where(unmeasured | wrong, np.nan, numbers) * factor
    what = "a finite number, 0 or more" if is_length else "a finite number"
    return seconds, wrong, f"it must be {what}, or empty if it was not measured"


def _written(value: object) -> str:
    return (
        shown(value) if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)
    )


def _check_scale(theirs: str, seconds: Column, factor: float, name: str, *, is_length: bool) -> None:
    """Refuse a column of latencies whose unit cannot be what its name says."""
    known = seconds[~np.isnan(seconds)]
    if is_length and factor == 1 and known.size and (middle := float(np.median(known))) > _LONGEST:
        raise TraceError(
            f"the column {theirs!r} of {name} is in seconds by its name, and its median is {middle:g}; "
            "if these are milliseconds, let its name end in _ms"
        )


def _stamps(values: Mapping[str, Column]) -> tuple[dict[str, Column], Column]:
    """Return stamps since each turn began, and when that was, from stamps on one clock and from lengths."""
    size = len(next(iter(values.values())))
    clock = {key.removesuffix(AT): column for key, column in values.items() if key not in LENGTHS}
    lengths = {key: column for key, column in values.items() if key in LENGTHS}
    stamps = placed(lengths) if lengths else {}
    if not clock:
        return stamps, np.zeros(size)
    first = np.full(size, np.nan)
    for column in clock.values():
        first = np.fmin(first, column)
    own = {key: column - first for key, column in clock.items()}
    speech_ended = own.get("speech_ended", np.zeros(size))
    for key, column in stamps.items():
        own[key] = np.where(np.isnan(own.get(key, np.nan)), column + speech_ended, own.get(key, np.nan))
    return own, first - np.nanmin(first)
