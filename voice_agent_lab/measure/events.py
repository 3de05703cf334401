"""The catalogue of events: each event of the log, what it means, and its details with their units.

This is all that a turn is measured from, and what a reader of another tool's trace has to provide.
A stamp whose event is missing is not measured; a part whose event is missing falls to the next one.

Conventions
-----------
Times are seconds. A detail called ``took`` is how long the stage worked, not how long it waited.
``attempt`` numbers an answer that an eager agent began before its time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

_ATTEMPT = {"attempt": "the number of an eager answer; absent if it is not one"}


@dataclass(frozen=True)
class EventKind:
    """A kind of event: the stage that it is of, its name, what it means, and its details.

    Attributes
    ----------
    stage, name : str
        As in the log.
    meaning : str
        What happened.
    details : mapping of str to str
        What each detail means, with its unit.
    """

    stage: str
    name: str
    meaning: str
    details: Mapping[str, str] = field(default_factory=dict)


CATALOGUE = (
    EventKind(
        "user", "input", "The user was given these words, or this file, to say.", {"text": "the words"}
    ),
    EventKind("user", "speech_started", "The user's speech truly began."),
    EventKind("user", "speech_ended", "The user's speech truly ended; the wait counts from here."),
    EventKind(
        "microphone",
        "frame",
        "A frame of this turn reached the agent.",
        {
            "vad_took": "seconds until voice activity detection was done with it, if nobody else was late",
            "policy_took": "seconds after that until the policy was, if nobody else was late",
        },
    ),
    EventKind("microphone", "speech_captured", "The frame with the end of speech was captured."),
    EventKind("microphone", "speech_delivered", "That frame reached the agent."),
    EventKind(
        "vad",
        "speech_ended",
        "A frame with speech ended; where nobody knows the truth, the last one stands for it.",
    ),
    EventKind(
        "endpointing",
        "end_of_turn",
        "Endpointing decided that the user had finished.",
        {
            "reason": "'finished', or 'max_listening' where the agent would not wait any longer",
            "vad_took": "as of the frame with which it decided",
            "policy_took": "as of that frame",
            "waited": "seconds after that until it decided, because somebody else was late",
        },
    ),
    EventKind("asr", "started", "Recognition began to listen."),
    EventKind("asr", "frame", "A frame was recognised.", {"took": "seconds of work on it"}),
    EventKind("asr", "partial", "The transcript changed.", {"text": "the transcript so far"}),
    EventKind("asr", "complete", "The transcript is final.", {"text": "the transcript"}),
    EventKind("llm", "started", "The language model was asked.", _ATTEMPT),
    EventKind(
        "llm", "token", "A token came.", {"text": "the token", "took": "seconds of work on it", **_ATTEMPT}
    ),
    EventKind(
        "llm",
        "empty_chunk",
        "The first chunk of an answer came, and held no text: time to first chunk ends here.",
        _ATTEMPT,
    ),
    EventKind(
        "llm",
        "call",
        "The language model wishes that a tool be called.",
        {"tool": "its name", "took": "seconds of work until the first call", **_ATTEMPT},
    ),
    EventKind(
        "llm",
        "retry",
        "The service did not answer, and is asked again.",
        {"error": "what went wrong", "wait": "seconds until then"},
    ),
    EventKind(
        "llm",
        "fallback",
        "The language model failed, and another one is asked.",
        {"error": "what went wrong"},
    ),
    EventKind("llm", "complete", "The reply is whole.", _ATTEMPT),
    EventKind(
        "llm",
        "kept",
        "An eager answer was right.",
        {**_ATTEMPT, "lead": "seconds by which it had begun before"},
    ),
    EventKind("llm", "withdrawn", "An eager answer was wrong.", {**_ATTEMPT, "why": "what showed it"}),
    EventKind(
        "tool",
        "called",
        "A tool began to work.",
        {
            "tool": "its name",
            "arguments": "a JSON object",
            "round": "which time the model called in this turn; what it calls at once is one round",
        },
    ),
    EventKind(
        "tool",
        "returned",
        "A tool has done its work.",
        {"tool": "its name", "text": "its result, as the model is given it"},
    ),
    EventKind(
        "tool",
        "failed",
        "A tool failed; the model is told.",
        {"error": "the error's class and message"},
    ),
    EventKind(
        "aggregation",
        "piece",
        "A piece of text was complete.",
        {
            "text": "the piece",
            "calls": "after how many rounds of tools it is; absent if none",
            "aside": "why the agent says it of its own; absent if it is the language model's",
            **_ATTEMPT,
        },
    ),
    EventKind("tts", "piece", "The voice took a piece of text.", {"text": "the piece", **_ATTEMPT}),
    EventKind("tts", "piece_complete", "The voice came back for the next piece.", _ATTEMPT),
    EventKind("tts", "text_complete", "There was no further piece for the voice.", _ATTEMPT),
    EventKind(
        "tts",
        "chunk",
        "A chunk of sound was made.",
        {
            "seconds": "how long the sound is",
            "took": "seconds of work on it",
            "first_of_piece": "whether the voice has taken text since its last chunk",
            "audible": "start and end of each audible stretch in it, in seconds since it began",
            **_ATTEMPT,
        },
    ),
    EventKind("tts", "complete", "All sound of the reply is made.", _ATTEMPT),
    EventKind(
        "playback", "chunk", "A chunk, or the rest of one, began to sound.", {"seconds": "how long it is"}
    ),
    EventKind("playback", "started", "The first audible sample reached the user's ear; the wait ends here."),
    EventKind("playback", "underrun", "Sound went on after a gap.", {"seconds": "how long the gap was"}),
    EventKind("playback", "paused", "Sound was held.", {"unheard": "seconds that were left of the chunk"}),
    EventKind("playback", "resumed", "Sound went on where it was held."),
    EventKind(
        "playback", "stopped", "Sound was cut off.", {"unheard": "seconds that were left of the chunk"}
    ),
    EventKind("playback", "ended", "The last sample reached the user's ear."),
    EventKind("agent", "state", "The agent's state changed.", {"state": "the new one"}),
    EventKind(
        "agent",
        "aside",
        "The agent says something of its own, which is no answer.",
        {
            "text": "the words",
            "why": "'filler' while a tool works, 'apology' when the language model failed",
            **_ATTEMPT,
        },
    ),
    EventKind("agent", "paused", "The agent held its sound, because the user spoke over it."),
    EventKind("agent", "resumed", "That was no interruption."),
    EventKind("agent", "barge_in", "The user's interruption began."),
    *(
        EventKind(
            stage,
            "failed",
            "The stage failed, and the turn with it.",
            {"error": "the error's class and message"},
        )
        for stage in ("microphone", "vad", "endpointing", "asr", "llm", "aggregation", "tts", "playback")
    ),
)
"""Every event that the agent and its parts record, in the order of the chain."""

STAGES = tuple(dict.fromkeys(kind.stage for kind in CATALOGUE))
"""The stages of the catalogue, in order."""


def catalogue() -> pd.DataFrame:
    """Return the catalogue as a table with a row for each kind of event."""
    rows = [
        (kind.stage, kind.name, kind.meaning, "; ".join(f"{k}: {v}" for k, v in kind.details.items()))
        for kind in CATALOGUE
    ]
    return pd.DataFrame(rows, columns=["stage", "name", "meaning", "details"]).set_index(["stage", "name"])
