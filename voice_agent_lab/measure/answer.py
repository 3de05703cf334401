"""The wait for the answer itself, which a filler cannot shorten: when it is heard, and what comes before.

Conventions
-----------
The *answer* is the text that the language model gives after the last tool has done its work, or all
of its text where no tool was called. What is said before (a filler, an apology, what the model says
before a call) is sound, so voice-to-voice ends with it; time to answer does not. Where nothing is said
before the answer the two are the same.
"""

from dataclasses import dataclass
from math import isnan, nan

from voice_agent_lab.measure.heard import audible_at, begins_in, passages
from voice_agent_lab.measure.log import Event, EventLog

Row = tuple[str, str, str, float]
"""A part of the wait as it is looked up: its name, its stage, its owner, and when it ends in seconds."""


def tool_rounds(log: EventLog) -> int:
    """Return how many times the language model called tools."""
    return max((event.detail["round"] for event in log.all("tool", "called")), default=0)


def first_tokens(log: EventLog) -> list[Event]:
    """Return the first token after each time the language model was asked, where one came."""
    tokens = log.all("llm", "token")
    if not tool_rounds(log):
        return tokens[:1]
    firsts, fresh = [], True
    for event in log:
        if (event.stage, event.name) == ("llm", "token"):
            if fresh:
                firsts.append(event)
            fresh = False
        elif (event.stage, event.name) == ("tool", "called"):
            fresh = True
    return firsts


@dataclass(frozen=True)
class Answer:
    """When the answer came, step by step, in seconds since the turn began; ``nan`` for what did not.

    Attributes
    ----------
    token : float
        Its first token.
    ready : float
        Its first piece of text was complete, and the voice was at work on what is said before.
    piece : float
        Its first piece of text was handed to the voice.
    chunk : float
        The first chunk with sound of that piece was made.
    free : float
        The sound before it had ended: until then the answer could not be heard.
    sounds : float
        That chunk began to sound.
    audible : float
        The answer's first audible sample reached the user's ear.
    """

    token: float = nan
    ready: float = nan
    piece: float = nan
    chunk: float = nan
    free: float = nan
    sounds: float = nan
    audible: float = nan


def answer(log: EventLog) -> Answer:
    """Return when the answer of a turn came; its log must be without withdrawn attempts."""
    token = answer_text(log)
    if token is None:
        return Answer()
    played = log.first("playback", "started")
    if not _said_before(log):
        first = log.first
        handed_over = first("tts", "piece")
        chunk, sounds = first("tts", "chunk"), first("playback", "chunk")
        return Answer(token.time, handed_over, handed_over, chunk, nan, sounds, played)
    first_piece = _first_piece(log)
    begins = begins_in(log, first_piece) if first_piece else None
    if first_piece is None or begins is None:
        return Answer(token=token.time, piece=first_piece.time if first_piece else nan)
    made_in, at = begins
    sounds, audible, free = audible_at(log, at)
    ready = _ready(log, token, first_piece)
    heard = max(audible, played) if not isnan(played) else nan  # where what is said before makes no sound
    return Answer(token.time, ready, first_piece.time, made_in.time, free, sounds, heard)


def _ready(log: EventLog, token: Event, piece: Event) -> float:
    """Return when a piece was complete, if the voice was busy then; when it took the piece, if not."""
    tokens, taken = log.all("llm", "token"), log.all("tts", "piece")
    before = taken[taken.index(piece) - 1].time if taken.index(piece) else piece.time
    missing = len(piece.detail["text"])
    for event in tokens[tokens.index(token) :]:
        missing -= len(event.detail["text"])
        if missing <= 0:
            return min(max(event.time, before), piece.time)
    return piece.time


def answer_text(log: EventLog) -> Event | None:
    """Return the first token of the answer, if there is one."""
    tokens = log.all("llm", "token")
    if tool_rounds(log):
        in_order = list(log)
        last_call = max(
            k for k, event in enumerate(in_order) if event.stage == "tool" and event.name == "called"
        )
        later = {id(event) for event in in_order[last_call:]}
        tokens = [event for event in tokens if id(event) in later]
    return tokens[0] if tokens else None


def first_text(log: EventLog) -> Event | None:
    """Return the first token or aside of a turn: what is heard first is of it."""
    tokens = log.all("llm", "token")
    if not log.all("agent", "aside"):
        return tokens[0] if tokens else None
    return next(e for e in log if (e.stage, e.name) in (("llm", "token"), ("agent", "aside")))


def _said_before(log: EventLog) -> bool:
    """Return whether anything was to be heard before the answer: asides, text before a call, a voice's own sound."""
    first = log.all("aggregation", "piece")[:1]
    if first and ("aside" in first[0].detail or first[0].detail.get("calls", 0) < tool_rounds(log)):
        return True
    if log.first("tts", "chunk") > log.first("tts", "piece"):  # as voices do
        return False
    spoken = passages(log)
    return bool(spoken and not spoken[0].pieces)


def _first_piece(log: EventLog) -> Event | None:
    """Return the event with which the voice took the answer's first piece; pieces are taken in their order."""
    rounds, taken = tool_rounds(log), log.all("tts", "piece")
    for number, piece in enumerate(log.all("aggregation", "piece")):
        if "aside" not in piece.detail and piece.detail.get("calls", 0) == rounds:
            return taken[number] if number < len(taken) else None
    return None


def rows_of_tools(log: EventLog, until: Event) -> list[Row]:
    """Return the parts of the wait that tools have, before a text that was given after them."""
    rows: list[Row] = []
    for event in log:
        if event is until:
            break
        if event.stage == "tool":
            called = event.name == "called"
            rows.append(
                ("tool call", "llm", "service", event.time)
                if called
                else ("tool", "tool", "tool", event.time)
            )
    return rows
