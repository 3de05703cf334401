"""Who spoke when in a conversation, and what speech over an answer did to it; read off the turns' logs."""

from collections.abc import Sequence
from itertools import pairwise
from math import inf, isnan

from voice_agent_lab.measure.turn import Turn


def user_speech(turns: Sequence[Turn]) -> list[tuple[float, float]]:
    """Return when the user spoke, in seconds since the first turn began."""
    moments: dict[str, set[float]] = {"speech_started": set(), "speech_ended": set()}
    for turn in turns:
        for name, times in moments.items():
            since = turn.log.origin - turns[0].log.origin
            times.update(round(since + event.time, 6) for event in turn.log.all("user", name))
    return list(zip(*(sorted(times) for times in moments.values()), strict=False))


def agent_speech(turn: Turn) -> list[tuple[float, float]]:
    """Return when the agent was heard, in seconds since the turn began."""
    cuts = sorted(e.time for e in turn.log if e.stage == "playback" and e.name in ("paused", "stopped"))
    sounds: list[tuple[float, float]] = []
    for event in turn.log.all("playback", "chunk"):
        end = event.time + event.detail["seconds"]
        end = min([end, *(cut for cut in cuts if cut >= event.time)])
        start = sounds.pop()[0] if sounds and event.time - sounds[-1][1] < 1e-3 else event.time
        sounds.append((start, end))
    return [(start, end) for start, end in sounds if end > start]


def held_up(turn: Turn) -> float:
    """Return for how long the agent's answer was held up by pauses, in seconds; infinite if it was interrupted."""
    if not isnan(turn.log.first("agent", "barge_in")):
        return inf
    return round(sum(after[0] - before[1] for before, after in pairwise(agent_speech(turn))), 9)


def outcome(turn: Turn) -> str:
    """Return in a few words what speech over an answer did to it."""
    held, took = held_up(turn), turn.barge_in_to_silence
    if held == inf:
        return "it never begins" if isnan(took) else f"the agent stops after {took:.2f} s"
    return f"the agent pauses for {held:.2f} s and goes on" if held > 0.01 else "the agent goes on"
