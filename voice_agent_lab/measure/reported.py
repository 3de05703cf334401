"""What others would have reported for a turn, beside what the user waited.

The article and two large frameworks each report a latency for a turn, and none is voice-to-voice. They
start late, because a program hears of the end of speech after it, and stop early, because it does not
hear its sound arrive. A sum of stages also has holes in the middle, and counts time twice where stages
overlap. Here each is computed from the turn's own log, with what it leaves out.

Conventions
-----------
All are pure functions of the log; what was not measured is ``nan``. Definitions are those of Pipecat's
and LiveKit's source code of 2026-08. Both place the end of speech where the last frame with speech
reached the agent: at the detector's stop, less the silence that it needed to stop. The first sound is
that of the moment at which the first chunk is handed to the transport, silent or not. A chunk that is
ready before the turn is committed is handed over then.
"""

from dataclasses import dataclass, field
from itertools import pairwise
from math import isnan, nan

import pandas as pd

from voice_agent_lab.measure.latency import interval
from voice_agent_lab.measure.turn import Turn

TWICE = "counted twice"


@dataclass(frozen=True)
class Reported:
    """A latency as somebody would have reported it.

    Attributes
    ----------
    name : str
        Whose it is, and what they call it.
    seconds : float
        What would have been reported.
    leaves_out : dict of str to float
        The parts of the wait that are not in it, or what is left of them, in seconds. They make up the
        difference to voice-to-voice exactly: what it counts twice, or though nobody waits, is negative
        here, under "counted twice".
    windows : tuple of (float, float)
        The stretches of time that were added up, from and to, in seconds since the turn began.
    """

    name: str
    seconds: float
    leaves_out: dict[str, float] = field(default_factory=dict)
    windows: tuple[tuple[float, float], ...] = ()


def article_time_to_first_audio(turn: Turn) -> Reported:
    """Return the article's time to first audio: from the final transcript to the first audio chunk."""
    m = turn.metrics
    return _reported(turn, "article: time to first audio", (m.asr_complete, m.tts_first_chunk))


def pipecat_user_to_bot(turn: Turn) -> Reported:
    """Return Pipecat's user-to-bot latency: BotStartedSpeaking less (VAD stop less stop_secs)."""
    return _reported(turn, "Pipecat: user-to-bot latency", (_last_delivered(turn), _handed_over(turn)))


def livekit_e2e(turn: Turn) -> Reported:
    """Return LiveKit's e2e_latency: playback_started less last_speaking_time.

    Here it equals Pipecat's: both take the same two moments.
    """
    return _reported(turn, "LiveKit: e2e_latency", (_last_delivered(turn), _handed_over(turn)))


def livekit_sum(turn: Turn) -> Reported:
    """Return the sum in LiveKit's documentation: end_of_turn_delay + llm ttft + tts ttfb.

    It has holes where the agent hands over or gathers text, and if the language model starts before
    the turn is committed, it counts that time twice.
    """
    m = turn.metrics
    stages = (
        (_last_delivered(turn), m.asr_complete),
        (m.llm_started, m.llm_first_token),
        (m.tts_started, m.tts_first_chunk),
    )
    return _reported(turn, "LiveKit: end_of_turn_delay + ttft + ttfb", *stages)


def reported(turn: Turn) -> tuple[Reported, ...]:
    """Return what the article, Pipecat and LiveKit would each have reported for a turn."""
    return (
        article_time_to_first_audio(turn),
        pipecat_user_to_bot(turn),
        livekit_e2e(turn),
        livekit_sum(turn),
    )


def reported_table(turn: Turn) -> pd.DataFrame:
    """Return one row for each reported latency, then the true one, in seconds.

    The difference to voice-to-voice is the sum of the seconds under "what it leaves out".
    """
    waited, rows = turn.metrics.voice_to_voice, {}
    for one in reported(turn):
        short = round(waited - one.seconds, 9)
        parts = ", ".join(f"{name} {seconds:.3f} s" for name, seconds in one.leaves_out.items())
        rows[one.name] = (one.seconds, short, "not measured" if isnan(short) else parts or "nothing")
    rows["voice-to-voice"] = (waited, nan if isnan(waited) else 0.0, "")
    return pd.DataFrame.from_dict(
        rows, orient="index", columns=["reported", "short by", "what it leaves out"]
    )


def _last_delivered(turn: Turn) -> float:
    """Return when the last frame with speech reached the agent, in seconds."""
    delivered = (event.time for event in turn.log.all("microphone", "speech_delivered"))
    return min((time for time in delivered if time >= turn.metrics.speech_ended), default=nan)


def _handed_over(turn: Turn) -> float:
    """Return when the first chunk of audio was handed to the transport, in seconds."""
    made, committed = turn.metrics.tts_first_chunk, turn.metrics.asr_complete
    return max(made, committed) if made < committed else made


def _reported(turn: Turn, name: str, *windows: tuple[float, float]) -> Reported:
    """Return the sum of some stretches of time, and what of the wait it leaves out."""
    seconds = round(sum(interval(start, end, name) for start, end in windows), 9)
    leaves_out: dict[str, float] = {}
    if isnan(seconds) or not turn.parts:
        return Reported(name, seconds, windows=windows)
    parts = [(part.name, part.start, part.end) for part in turn.parts]
    edges = sorted({edge for _, *ends in parts for edge in ends} | {edge for w in windows for edge in w})
    for start, end in pairwise(edges):
        part = next((part for part, a, b in parts if a <= start < b), None)
        missing = (part is not None) - sum(a <= start < b for a, b in windows)
        if missing:
            key = part if part is not None and missing > 0 else TWICE
            leaves_out[key] = round(leaves_out.get(key, 0.0) + missing * (end - start), 9)
    return Reported(name, seconds, leaves_out, windows)
