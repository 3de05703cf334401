"""The explorers of notebook 09: the user talks over the agent, to interrupt it or only to say "mm-hm".

Conventions
-----------
*Barge-in to silence* runs from the beginning of the user's speech to the end of the agent's sound at
the user's ear. A moment "into the answer" is counted from its first sound there.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import inf, isnan

from matplotlib.figure import Figure

from voice_agent_lab.lessons.explorer import Explorer, choice, slider
from voice_agent_lab.lessons.talking_over import (
    PROMPT,
    REPLY,
    STOP,
    agent_speech,
    conversation_timeline,
    interrupted,
    span_times,
    user_speech,
)
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.plots import drawn_in_style, new_figure
from voice_agent_lab.plots.drawing import rows_only, tint, write
from voice_agent_lab.turns.interruption import Interruption

BACKCHANNELS = ("Mm-hm", "Uh-huh, right", "Yeah, okay, I see")
INTERRUPTIONS = ("Stop!", STOP, "No, that is the wrong day.")


def barge_in() -> Explorer:
    """Return controls over the moment of an interruption, and over what delays the silence."""
    return Explorer(
        _draw_barge_in,
        moment=slider("the user interrupts, into the answer (s)", 0.0, 5.0, 1.5, 0.1),
        min_speech=slider("minimum speech (s)", 0.1, 2.5, 0.5, 0.1),
        latency=slider("way to the user's ear (s)", 0.0, 0.5, 0.08, 0.02),
    )


def _draw_barge_in(moment: float, min_speech: float, latency: float) -> tuple[Figure, str]:
    agent = interrupted(round(moment, 3), Interruption(round(min_speech, 3)), round(latency, 3))
    turn = agent.turns[0]
    return conversation_timeline(agent.turns, (PROMPT, STOP)), _what_happened(turn)


def _what_happened(turn: Turn) -> str:
    """Return a sentence on what the interruption did to the answer."""
    first, took = turn.metrics.playback_started, turn.barge_in_to_silence
    last = agent_speech(turn)[-1][1]
    words, heard = len(REPLY.split()), len(turn.heard.split())
    if isnan(took):
        return f"The agent does not stop: its whole answer is heard, {words} words in {last - first:.2f} s."
    return (
        f"The agent falls silent {took:.2f} s after the user began to speak, {last - first:.2f} s into its answer. "
        f'The history keeps {heard} of {words} words: "{turn.heard}".'
    )


def policies() -> Explorer:
    """Return controls over what counts as an interruption, shown with a backchannel and an interruption."""
    return Explorer(
        _draw_policies,
        backchannel=choice("the user agrees", BACKCHANNELS, "Uh-huh, right"),
        interruption=choice("the user interrupts", INTERRUPTIONS, STOP),
        min_speech=slider("minimum speech (s)", 0.1, 1.5, 0.5, 0.05),
        min_words=slider("words to interrupt (0: none needed)", 0, 4, 0),
        resume_after=slider("silence before it resumes (s)", 0.2, 3.0, 2.0, 0.1),
    )


def _draw_policies(
    backchannel: str, interruption: str, min_speech: float, min_words: int, resume_after: float
) -> tuple[Figure, str]:
    policy = Interruption(round(min_speech, 3), min_words, round(resume_after, 3))
    runs = {text: interrupted(1.5, policy, 0.08, text).turns for text in (backchannel, interruption)}
    return both_answers(runs), " ".join(f'"{text}": {outcome(turns[0])}.' for text, turns in runs.items())


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


@drawn_in_style
def both_answers(runs: dict[str, Sequence[Turn]]) -> Figure:
    """Draw several answers and what was said over each, counted from its first sound.

    Parameters
    ----------
    runs : dict of str to sequence of Turn
        The turns of each conversation, under what the user said over its first answer.
    """
    figure, (axes,) = new_figure(0.75 + 1.05 * len(runs), left=0.75)
    ends, told = [], []
    for k, (text, turns) in enumerate(runs.items()):
        zero, turn = turns[0].metrics.playback_started, turns[0]
        spoken = [(a - zero, b - zero) for a, b in user_speech(turns) if a > zero]
        sounds = [(a - zero, b - zero) for a, b in agent_speech(turn)]
        ends += [spoken[-1][1], sounds[-1][1]]
        axes.broken_barh([(a, b - a) for a, b in spoken], (3 * k - 0.35, 0.7), facecolors=tint("user"))
        axes.broken_barh([(a, b - a) for a, b in sounds], (3 * k + 0.65, 0.7), facecolors=tint("playback"))
        write(axes, spoken[0][0], 3 * k - 0.75, f'"{text}": {outcome(turn)}')
        told.append(f'"{text}" {span_times(spoken)}, agent {span_times(sounds)}')
    axes.set(xlim=(0, 1.02 * max(*ends, 5.0)), xlabel="seconds into the answer")
    rows_only(axes, ["user", "agent", ""] * len(runs), ylim=(3 * len(runs) - 1.2, -1.1))
    figure.set_label(f"Speech over an answer: {'; '.join(told)}.")
    return figure
