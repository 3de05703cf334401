"""Your own traces: turns from what other tools have written, whoever it was.

`read_turns` recognises what a file is by what is in it. Each kind has a module, with a `Source` that says what
cannot be known from it.
"""

from collections.abc import Mapping
from os import PathLike
from pathlib import Path

import pandas as pd

from voice_agent_lab.checks import shown
from voice_agent_lab.measure.log import EventLog
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.measure.turns import OWN, Source, Turns
from voice_agent_lab.traces import genai, livekit, opentelemetry, perfetto, pipecat, spans, tables
from voice_agent_lab.traces.documents import Trace, parse
from voice_agent_lab.traces.trouble import TraceError, warn_of

SOURCES = (
    livekit.SOURCE,
    genai.LIVEKIT,
    pipecat.BREAKDOWN,
    pipecat.LOG,
    genai.PIPECAT,
    genai.GENAI,
    tables.SOURCE,
    OWN,
)
"""Every kind of trace that can be read, with what it knows."""

KINDS = (
    "a session report or chat history of LiveKit's (JSON)",
    "latency breakdowns of Pipecat's (JSON, one on a line)",
    "Pipecat's log of metrics",
    "OpenTelemetry spans (OTLP/JSON, or as the console exporter prints them)",
    "a table (.csv, .tsv, .parquet)",
    "an event log, Perfetto trace or spans of this package",
)
"""The kinds of files, for a reader."""

SAMPLES = Path(__file__).with_name("samples")
"""Traces that come with the package: recorded in Pipecat 1.14.0 and LiveKit Agents 1.8.9, with small parts of fixed
behaviour in the place of services, by ``tests/recorders``."""


def read_turns(
    source: "str | PathLike[str] | pd.DataFrame", *, columns: Mapping[str, str] | None = None
) -> Turns:
    """Return the turns of a trace, whichever tool has written it.

    Parameters
    ----------
    source : path or DataFrame
        A session report or chat history of LiveKit's, latency breakdowns or a log of metrics of Pipecat's, spans of
        OpenTelemetry's, a table with a column for each stamp or latency, or what this package has written.
    columns : mapping of str to str, optional
        For a table: the names of its columns that are not known, and ours with the unit:
        ``{"model ms": "llm_first_token_ms"}``.

    Returns
    -------
    Turns
        One for each turn of the trace. ``turns.source`` says what cannot be known from it, ``turns.problems``
        what could not be read.

    Raises
    ------
    TraceError
        If the file is of no known kind, or has no turn that can be read; it is a ValueError.
    OSError
        If it cannot be opened.

    Warns
    -----
    TraceWarning
        If a row or message could not be read; the rest is kept.

    Examples
    --------
    >>> from voice_agent_lab.traces.reading import sample_trace
    >>> turns = read_turns(sample_trace("livekit-report.json"))
    >>> turns
    <80 turns, voice-to-voice of 80, from LiveKit: metrics of chat messages>
    >>> for part in turns[0].parts:
    ...     print(f"{part.seconds:.3f} s {part.name} ({part.owner})")
    0.500 s endpointing (setting)
    1.236 s first token (service)
    0.157 s text aggregation (setting)
    0.102 s first chunk (service)
    >>> float(np.percentile(turns.voice_to_voice, 95).round(3))  # seconds
    1.6
    >>> turns.source.cannot_know["output transport"]
    'its first sound is the first frame handed to the audio track: network, jitter buffer and loudspeaker come after'
    """
    if isinstance(source, pd.DataFrame):
        turns, name = tables.read_frame(source, columns), "the table"
    elif isinstance(source, str | PathLike):
        path = Path(source)
        turns, name = _read_file(path, columns), str(path)
    else:
        raise TypeError(f"source is {shown(source)}; it must be the path of a file, or a DataFrame")
    warn_of(turns.problems, name, len(turns))
    return turns


def _read_file(path: Path, columns: Mapping[str, str] | None) -> Turns:
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        path.open("rb").close()
        return tables.read_parquet(path, columns)
    if suffix in (".csv", ".tsv"):
        return tables.read_csv(path, columns)
    trace = parse(path)
    if spans.recognises(trace):
        forest = spans.spans_of(trace)
        return (
            opentelemetry.read(trace, forest)
            if opentelemetry.recognises(forest)
            else genai.read(trace, forest)
        )
    for reader in (perfetto, pipecat, livekit):
        if reader.recognises(trace):
            found: Turns = reader.read(trace)
            return found
    if _is_event_log(trace):
        return Turns.of([Turn(EventLog.from_json(trace.text))])
    if pipecat.recognises_log(trace):
        return pipecat.read_log(trace)
    why = f" ({trace.problems[0]})" if trace.problems else ""
    raise TraceError(f"{path} is of no known kind{why}; there are {'; '.join(KINDS)}")


def _is_event_log(trace: Trace) -> bool:
    values = [document.value for document in trace.documents]
    return len(values) == 1 and isinstance(values[0], Mapping) and {"origin", "events"} <= values[0].keys()


def sample_trace(name: str) -> Path:
    """Return the path of a trace that comes with the package.

    Raises
    ------
    ValueError
        If there is none of this name; the sentence says which there are.
    """
    names = sorted(path.name for path in SAMPLES.iterdir() if path.suffix in (".json", ".jsonl", ".log"))
    if name not in names:
        raise ValueError(f"name is {name!r}; there are {', '.join(names)}")
    return SAMPLES / name


def sources_table() -> pd.DataFrame:
    """Return one row for each kind of trace: what it knows, what it cannot know, its clock, what it counts twice."""
    return pd.DataFrame({source.name: _row(source) for source in SOURCES}).T


def _row(source: Source) -> dict[str, str]:
    return {
        "knows": ", ".join(source.knows),
        "cannot know": "; ".join(f"{part}: {why}" for part, why in source.cannot_know.items()) or "nothing",
        "clock": source.clock,
        "counts twice": source.counts_twice,
    }
