"""Where latencies lie in a turn: stamps from lengths of time.

Tools report how long stages took, and seldom when. The lengths up to the decision that the user has
finished are laid forward from the end of speech. Those after it are laid backward from the first sound, if
the wait as a whole is known. What no number accounts for lies in between: the hand-over, of the pipeline.
If the numbers are longer than the wait, the language model began before the turn was decided, and the
overlap is nobody's wait. If the wait is not known, all is laid forward, and voice-to-voice stays not measured.

Conventions
-----------
Seconds, in arrays of shape (turns,); ``nan`` was not measured, and takes no room.
"""

from collections.abc import Mapping

import numpy as np

from voice_agent_lab.measure.turns import Column

TOGETHER = 0.005
"""Seconds: a turn that is decided within so much of its transcript waited for it. Pipecat names nothing shorter."""

FORWARD = {
    "endpointing": "from the end of speech to the decision that the user has finished",
    "transcription": "from the end of speech to the final transcript",
    "finalisation": "from the decision to the final transcript",
    "hand_over": "from the later of the two to asking the language model",
}
BACKWARD = {
    "llm_first_token": "from asking the language model to its first token",
    "text_aggregation": "from there to the first piece of text for the voice",
    "tts_first_chunk": "from there to its first sound",
    "output_transport": "from there to the user's ear",
    "leading_silence": "silence at the beginning of the sound",
}
WHOLE = {"voice_to_voice": "from the end of speech to the first sound that the user hears"}
LENGTHS = {**FORWARD, **BACKWARD, **WHOLE}
"""Each length of time that can be placed, and from where to where it is."""

_STAMPS = (
    "llm_started",
    "llm_first_token",
    "tts_started",
    "tts_first_chunk",
    "handed_over",
    "playback_started",
)
"""Between which the lengths of `BACKWARD` lie."""


def placed(lengths: Mapping[str, Column]) -> dict[str, Column]:
    """Return stamps, in seconds since the end of speech, from the lengths of `LENGTHS`.

    Examples
    --------
    >>> stamps = placed({"endpointing": np.array([0.5]), "llm_first_token": np.array([0.4]),
    ...                  "tts_first_chunk": np.array([0.2]), "voice_to_voice": np.array([1.25])})
    >>> {name: float(column[0].round(3)) for name, column in stamps.items()}
    {'speech_ended': 0.0, 'end_of_turn': 0.5, 'llm_started': 0.65, 'llm_first_token': 1.05, \
'tts_started': 1.05, 'tts_first_chunk': 1.25, 'playback_started': 1.25}
    """
    size = len(next(iter(lengths.values())))
    of = {name: np.asarray(lengths.get(name, np.full(size, np.nan)), float) for name in LENGTHS}
    end_of_turn = of["endpointing"]
    asr_complete = np.where(
        np.isnan(of["transcription"]), end_of_turn + of["finalisation"], of["transcription"]
    )
    stamps = {"speech_ended": np.zeros(size), "end_of_turn": end_of_turn, "asr_complete": asr_complete}
    whole = of["voice_to_voice"]
    taken = sum((np.nan_to_num(of[name]) for name in BACKWARD), np.zeros(size))
    decided = np.fmax(np.fmax(end_of_turn, asr_complete), 0.0) + np.nan_to_num(of["hand_over"])
    at = np.where(np.isnan(whole), decided, whole - taken)
    known = np.zeros(size, bool)
    for name, before, after in zip(BACKWARD, _STAMPS, _STAMPS[1:], strict=False):
        measured = ~np.isnan(of[name])
        until = at + np.nan_to_num(of[name])
        begins = measured | known | (~np.isnan(whole) if before == "llm_started" else False)
        stamps[before] = np.where(begins, at, np.nan)
        if after != "playback_started":
            stamps[after] = np.where(measured, until, np.nan)
        known, at = measured, until
    stamps["playback_started"] = whole
    return {name: column for name, column in stamps.items() if not np.isnan(column).all()}
