"""How far recognition and generation had come at each moment of a turn, read off its log.

Conventions
-----------
Times are in seconds.
"""

from math import isnan

import numpy as np

from voice_agent_lab.measure.turn import Turn


def waiting_frames(turn: Turn) -> tuple[np.ndarray, np.ndarray]:
    """Return how many frames had arrived and were not yet recognised, as steps.

    Returns
    -------
    times : ndarray
        When the number changes, in seconds.
    frames : ndarray of int
        The number from then on.
    """
    changes = [(e.time, -1) for e in turn.log.all("asr", "frame")]
    changes += [(e.time, 1) for e in turn.log.all("microphone", "frame")]
    changes.sort()
    return np.array([t for t, _ in changes]), np.cumsum([step for _, step in changes])


def three_clocks(turn: Turn) -> dict[str, float]:
    """Return the wait for one final transcript, in seconds, counted from three different moments."""
    m = turn.metrics
    starts = {
        "end of speech": m.speech_ended,
        "end of turn": m.end_of_turn,
        "last frame recognised": turn.log.last("asr", "frame"),
    }
    return {name: round(m.asr_complete - at, 9) for name, at in starts.items() if not isnan(at)}


def milestones(turn: Turn) -> dict[str, float]:
    """Return when the first token, the first sentence and the last token were there.

    The first sentence is there when the voice is given its first piece of text, whatever that is.

    Returns
    -------
    dict of str to float
        Seconds since the language model was asked.
    """
    m = turn.metrics
    moments = {
        "first token": m.llm_first_token,
        "first sentence": m.tts_started,
        "last token": m.llm_complete,
    }
    return {name: round(time - m.llm_started, 9) for name, time in moments.items()}
