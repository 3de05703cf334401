"""OpenTelemetry spans as files hold them: OTLP as JSON, and what the SDK's console exporter prints.

OTLP/JSON is that of the OpenTelemetry protocol 1.x (``resourceSpans``, a document or one on each line). The
console exporter prints one document after the other, with times to the microsecond.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from voice_agent_lab.measure.turns import Problem
from voice_agent_lab.traces.documents import Document, Trace, mapping


@dataclass(frozen=True)
class Span:
    """A span: what was done, within what, from when to when (seconds since 1970), and what is said of it."""

    name: str
    trace: str
    id: str
    parent: str
    start: float
    end: float
    attributes: Mapping[str, Any]
    events: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    line: int = 1


@dataclass
class Forest:
    """Spans in order of their start, and which lie within which."""

    spans: list[Span]
    within: dict[str, list[Span]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        self.spans.sort(key=lambda span: span.start)
        for span in self.spans:
            self.within[span.parent].append(span)

    def named(self, name: str) -> list[Span]:
        """Return all spans of a name."""
        return [span for span in self.spans if span.name == name]

    def below(self, span: Span) -> Iterator[Span]:
        """Yield what lies within a span, at any depth, in order of its start."""
        found, waiting = [], list(self.within[span.id])
        while waiting:
            inner = waiting.pop()
            found.append(inner)
            waiting += self.within[inner.id]
        yield from sorted(found, key=lambda each: each.start)

    def first(self, span: Span, *names: str) -> Span | None:
        """Return the first span of one of some names within another, None if there is none."""
        return next((inner for inner in self.below(span) if inner.name in names), None)


def recognises(trace: Trace) -> bool:
    """Return whether a trace holds spans."""
    return any(_is_otlp(each.value) or _is_printed(each.value) for each in _flat(trace.documents))


def spans_of(trace: Trace) -> Forest:
    """Return the spans of a trace; one that cannot be read is a problem."""
    spans: list[Span] = []
    for document in _flat(trace.documents):
        try:
            if _is_otlp(document.value):
                spans += _otlp(document, trace)
            elif _is_printed(document.value):
                spans.append(_printed(document))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            missing = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
            trace.problems.append(Problem(trace.place(document.line), f"no span: {missing}"))
    return Forest(spans)


def _flat(documents: Iterable[Document]) -> Iterator[Document]:
    for document in documents:
        values = document.value if isinstance(document.value, list) else [document.value]
        yield from (Document(value, document.line) for value in values)


def _is_otlp(value: Any) -> bool:
    return isinstance(value, Mapping) and "resourceSpans" in value


def _is_printed(value: Any) -> bool:
    return isinstance(value, Mapping) and "context" in value and "start_time" in value


def _printed(document: Document) -> Span:
    """Return a span that the console exporter printed."""
    value = document.value
    return Span(
        str(value["name"]),
        str(value["context"]["trace_id"]),
        str(value["context"]["span_id"]),
        str(value.get("parent_id") or ""),
        datetime.fromisoformat(value["start_time"]).timestamp(),
        datetime.fromisoformat(value["end_time"]).timestamp(),
        mapping(value.get("attributes"), "attributes"),
        tuple(
            (str(event["name"]), mapping(event.get("attributes"), "attributes"))
            for event in value.get("events") or ()
        ),
        document.line,
    )


def _otlp(document: Document, trace: Trace) -> Iterator[Span]:
    """Yield the spans of a document of OTLP."""
    scopes = (scope for each in document.value["resourceSpans"] for scope in each.get("scopeSpans", ()))
    for value in (span for scope in scopes for span in scope.get("spans", ())):
        yield Span(
            str(value["name"]),
            str(value["traceId"]),
            str(value["spanId"]),
            str(value.get("parentSpanId") or ""),
            int(value["startTimeUnixNano"]) / 1e9,
            int(value["endTimeUnixNano"]) / 1e9,
            _attributes(value),
            tuple((event["name"], _attributes(event)) for event in value.get("events", ())),
            trace.line_of(value["spanId"], document.line),
        )


def _attributes(value: Mapping[str, Any]) -> dict[str, Any]:
    return {str(each["key"]): _plain(each["value"]) for each in value.get("attributes", ())}


def _plain(value: Mapping[str, Any]) -> Any:
    """Return a value of OTLP as Python has it; 64-bit integers are strings there."""
    for kind, plain in value.items():
        if kind == "intValue":
            return int(plain)
        if kind == "arrayValue":
            return [_plain(each) for each in plain.get("values", ())]
        if kind == "kvlistValue":
            return {each["key"]: _plain(each["value"]) for each in plain.get("values", ())}
        return plain
    return None
