"""What of a reply the user has heard, when it was cut off: the words before the position of playback.

An agent that is interrupted must remember what it said, not what it was about to say: the rest was
never heard. The event log tells how much sound was played, and which sound was made of which piece
of text; inside a piece, a word's place in the text is taken to be its place in the sound.
"""

from math import isnan

from voice_agent_lab.measure.log import Event, EventLog

_SLOW = 10  # characters a second
_HALF_SAMPLE = 0.5 / 8000  # seconds, at the lowest rate in use: rounding to samples is no difference


def words_heard(log: EventLog) -> str:
    """Return the words of a turn's reply that were heard to their end.

    Of a piece whose synthesis was cut short the length is not known; it is taken to be spoken slowly,
    at 10 characters a second, so that a word that was not heard is never counted.
    """
    left = sum(e.detail["seconds"] for e in log.all("playback", "chunk"))
    left -= sum(e.detail["unheard"] for e in log if e.name in ("paused", "stopped") and e.stage == "playback")
    heard: list[str] = []
    finished, complete = not isnan(log.first("tts", "complete")), len(log.all("tts", "piece_complete"))
    for number, (piece, sound) in enumerate(_pieces(log)):
        made = sum(e.detail["seconds"] for e in sound)
        onset = sound[0].detail.get("onset", 0.0) if sound else 0.0
        whole = finished or number < complete
        length = made if whole else max(made, onset + len(piece) / _SLOW)
        heard += _words_until(piece, left - onset, length - onset)
        if left < made - _HALF_SAMPLE or not whole:
            break
        left -= made
    return " ".join(heard)


def _pieces(log: EventLog) -> list[tuple[str, list[Event]]]:
    """Return each piece of text with the chunks of sound made of it, which may be none."""
    pieces: list[tuple[str, list[Event]]] = []
    for event in log:
        if (event.stage, event.name) == ("tts", "piece"):
            pieces.append((event.detail["text"].strip(), []))
        elif (event.stage, event.name) == ("tts", "chunk"):
            pieces[-1][1].append(event)
    return pieces


def _words_until(text: str, seconds: float, length: float) -> list[str]:
    """Return the words of a text, spoken evenly in `length` seconds, that end within the first `seconds`."""
    words, end = [], 0
    for word in text.split():
        end = text.index(word, end) + len(word)
        if end / len(text) * length > seconds + _HALF_SAMPLE:
            break
        words.append(word)
    return words
