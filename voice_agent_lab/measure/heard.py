"""What of a reply the user has heard: which sound was made of which text, and how much of it was played.

An agent that is interrupted must remember what it said, not what it was about to say: the rest was
never heard. The event log tells what text the voice was given and when, what sound it made and when,
and how much of the sound was played. What it cannot tell is which sound belongs to which text; that is
worked out here, in a model of what voices do:

* Most take a piece of text, speak it, and take the next: the sound between belongs to the piece.
* Some gather several pieces and then speak: the sound belongs to all that were taken since the last.
* Some read ahead: they make sound while they wait for more text. Then all sound belongs to all text.
* Sound before any text (a filler) belongs to no text, and text without sound was not heard.

Conventions
-----------
A `Passage` is text and the sound that belongs to it. Inside a passage a word's place in the text is
taken to be its place in the *audible* sound, so that silence, wherever it lies, says nothing. A word
was heard when its end was. Pauses lie at the ends of words: of one that ends where a pause begins, as
exactly as windows tell, the end was heard.
"""

from dataclasses import dataclass, field
from math import isnan, nan

from voice_agent_lab.measure.audible import WINDOW
from voice_agent_lab.measure.log import Event, EventLog, to_the_nanosecond
from voice_agent_lab.measure.words import joined, word_ends, words

CHARS_PER_SECOND = 15
"""How fast an unfinished passage is taken to be spoken if the reply has no finished one: the article's rate."""

_HALF_SAMPLE = 0.5 / 8000  # seconds, at the lowest rate in use: rounding to samples is no difference


@dataclass
class Passage:
    """A stretch of text and the sound that was made of it.

    Attributes
    ----------
    pieces : list of Event
        The pieces of text as the voice took them; none for sound that belongs to no text.
    chunks : list of Event
        The chunks of sound, in order.
    whole : bool
        Whether the sound is all of it, not cut short.
    """

    pieces: list[Event] = field(default_factory=list)
    chunks: list[Event] = field(default_factory=list)
    whole: bool = False

    @property
    def text(self) -> str:
        """The text, without the white space around it."""
        return "".join(piece.detail["text"] for piece in self.pieces).strip()

    @property
    def audible(self) -> float:
        """How much audible sound was made of it, in seconds."""
        return sum(end - start for chunk in self.chunks for start, end in _stretches(chunk))

    def first_chunks(self) -> list[tuple[Event, Event]]:
        """Return each piece with the first chunk that belongs to it."""
        if not (self.pieces and self.chunks):
            return []
        if len(self.pieces) == 1 or not self._read_ahead:
            return [(piece, self.chunks[0]) for piece in self.pieces]
        firsts, characters = [], 0
        rate = self.audible / max(1, sum(len(piece.detail["text"]) for piece in self.pieces))
        for piece in self.pieces:
            begins = characters * rate
            firsts.append((piece, self._chunk_at(begins)))
            characters += len(piece.detail["text"])
        return firsts

    @property
    def _read_ahead(self) -> bool:
        return self.pieces[-1].time > self.chunks[0].time

    def _chunk_at(self, audible: float) -> Event:
        for chunk in self.chunks:
            audible -= sum(end - start for start, end in _stretches(chunk))
            if audible < 0:
                return chunk
        return self.chunks[-1]


def passages(log: EventLog) -> list[Passage]:
    """Return the passages of a turn's reply, in order."""
    found: list[Passage] = []
    waiting, ahead = False, False  # for more text; having made sound meanwhile
    for event in log:
        if event.stage != "tts":
            continue
        if event.name == "piece":
            if not found or found[-1].chunks:
                found.append(Passage())
            found[-1].pieces.append(event)
            found[-1].whole = waiting = False
        elif event.name == "chunk":
            if not found:
                found.append(Passage())
            found[-1].chunks.append(event)
            ahead |= waiting
        elif event.name == "piece_complete":
            found[-1].whole, waiting = bool(found[-1].chunks), True
        elif event.name == "text_complete":
            waiting = False
    complete = not isnan(log.first("tts", "complete"))
    if ahead:
        found = _together(found)
    for number, passage in enumerate(found, start=1):
        passage.whole = complete or (not ahead and (passage.whole or number < len(found)))
    return found


def _together(parts: list[Passage]) -> list[Passage]:
    """Return all text and its sound as one passage, after the sound that came before any text."""
    first = next((k for k, passage in enumerate(parts) if passage.pieces), len(parts))
    one = Passage(
        [piece for part in parts[first:] for piece in part.pieces],
        [chunk for part in parts[first:] for chunk in part.chunks],
    )
    return [*parts[:first], one]


def text_heard(log: EventLog) -> str:
    """Return what was heard of a turn's reply, up to the end of the last word that was heard.

    The rest of a passage that was cut short is taken to be spoken as fast as the reply's finished
    passages, or at 15 characters a second.
    """
    left = _played(log)
    heard: list[str] = []  # pieces as they were given, the last one perhaps in part
    spoken = passages(log)
    rate = _rate(spoken)
    for passage in spoken:
        made = sum(chunk.detail["seconds"] for chunk in passage.chunks)
        text = "".join(piece.detail["text"] for piece in passage.pieces)
        length = passage.audible if passage.whole else max(passage.audible, len(passage.text) / rate)
        part = _until(text, _spoken_until(passage, left), length) if passage.audible else ""
        heard += _shared_out(part, passage.pieces)
        left -= made
        if left < -_HALF_SAMPLE or not passage.whole:
            break
    return _in_reply(heard, said(log))


def said(log: EventLog) -> str:
    """Return all text that was for the voice: the language model's tokens, and what the agent says of its own.

    Where a model calls a tool or the agent speaks of its own, a word has ended.
    """
    text = ""
    for event in log:
        kind = event.stage, event.name
        if kind in (("tool", "called"), ("agent", "aside")) and text and not text[-1].isspace():
            text += " "
        if kind in (("llm", "token"), ("agent", "aside")):
            text += event.detail["text"]
    return text


def begins_in(log: EventLog, piece: Event) -> tuple[Event, float] | None:
    """Return the chunk in which the sound of a piece begins, and its place in all sound of the turn, in seconds.

    None, if no sound was made of it.
    """
    before = 0.0  # seconds of sound
    for passage in passages(log):
        if piece in passage.pieces:
            texts = [taken.detail["text"] for taken in passage.pieces]
            rate = passage.audible / max(1, sum(map(len, texts)))
            left = rate * sum(map(len, texts[: passage.pieces.index(piece)]))
            for chunk in passage.chunks:
                for start, end in _stretches(chunk):
                    if end - start > left + _HALF_SAMPLE:
                        return chunk, before + start + left
                    left = max(0.0, left - (end - start))
                before += chunk.detail["seconds"]
            return None
        before += sum(chunk.detail["seconds"] for chunk in passage.chunks)
    return None


def audible_at(log: EventLog, place: float) -> tuple[float, float, float]:
    """Return when the sound at a place in all sound of the turn was heard, in seconds.

    Returns
    -------
    sounds : float
        When the chunk with it began to sound, or what was left of that after a pause.
    heard : float
        When the place itself was heard.
    free : float
        When the sound before that chunk ended. All three are ``nan`` if it was not played.
    """
    stretches: list[list[float]] = []  # from and to which place, and when it began
    for event in log:
        if event.stage != "playback":
            continue
        if event.name == "chunk":
            begins = stretches[-1][1] if stretches else 0.0
            stretches.append([begins, begins + event.detail["seconds"], event.time])
        elif event.name in ("paused", "stopped") and stretches:
            stretches[-1][1] -= event.detail["unheard"]
    free = nan
    for begins, ends, time in stretches:
        if place < ends - _HALF_SAMPLE:
            offset = max(0.0, place - begins)
            return time, to_the_nanosecond(time + offset), free
        free = to_the_nanosecond(time + ends - begins)
    return nan, nan, nan


def _played(log: EventLog) -> float:
    """Return how much of the sound was played, in seconds."""
    played: float = sum(event.detail["seconds"] for event in log.all("playback", "chunk"))
    cut = (e.detail["unheard"] for e in log if e.stage == "playback" and e.name in ("paused", "stopped"))
    return played - float(sum(cut))


def _rate(spoken: list[Passage]) -> float:
    """Return how many characters the finished passages have in a second of audible sound."""
    finished = [p for p in spoken if p.whole and p.text and p.audible]
    if not finished:
        return CHARS_PER_SECOND
    return sum(len(p.text) for p in finished) / sum(p.audible for p in finished)


def _stretches(chunk: Event) -> list[tuple[float, float]]:
    """Return the audible stretches of a chunk; all of it, where the log does not tell."""
    stretches: list[tuple[float, float]] = chunk.detail.get("audible", [(0.0, chunk.detail["seconds"])])
    return stretches


def _spoken_until(passage: Passage, seconds: float) -> float:
    """Return how much of a passage was spoken by then: in a pause, with what its edges may be off by."""
    reached, soon = _audible_until(passage, seconds), seconds + WINDOW / 2
    made = sum(chunk.detail["seconds"] for chunk in passage.chunks)
    in_pause = soon <= made and _audible_until(passage, soon) == reached
    return reached + 2 * WINDOW if in_pause else reached


def _audible_until(passage: Passage, seconds: float) -> float:
    """Return how much of a passage's audible sound lies within its first so many seconds."""
    total, reached = 0.0, 0.0
    for chunk in passage.chunks:
        for start, end in _stretches(chunk):
            total += max(0.0, min(reached + end, seconds) - (reached + start))
        reached += chunk.detail["seconds"]
    return total


def _until(text: str, seconds: float, length: float) -> str:
    """Return a text, evenly spoken in `length` seconds, up to the last word that ends within `seconds`."""
    before = len(text) - len(text.lstrip())
    spoken = len(text.strip())
    end = 0
    for at in word_ends(text):
        if (at - before) / spoken * length > seconds + _HALF_SAMPLE:
            break
        end = at
    return text[:end]


def _shared_out(text: str, pieces: list[Event]) -> list[str]:
    """Return what of each piece is in the beginning of them all together."""
    parts = []
    for piece in pieces:
        length = len(piece.detail["text"])
        parts.append(text[:length])
        text = text[length:]
    return [part for part in parts if part.strip()]


def _in_reply(heard: list[str], reply: str) -> str:
    """Return the heard pieces as they stand in the reply, or put together if they do not stand there."""
    begin = end = None
    for piece in heard:
        at = reply.find(piece.strip(), end or 0)
        if at < 0 or reply[end or 0 : at].strip():  # changed, or something was left out before it
            return joined(word for part in heard for word in words(part))
        begin, end = (at if begin is None else begin), at + len(piece.strip())
    return "" if begin is None else reply[begin:end]
