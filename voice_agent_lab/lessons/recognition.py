"""The explorers of notebook 03: how long to wait before trust, and what a slow recogniser costs.

The notebook finds here also what it shows without sliders, from the modules that this one imports.

Conventions
-----------
Times and waits are in seconds. The *real-time factor* is compute time divided by audio time: above 1
the recogniser is slower than speech. A word is *trusted* when it has stood unchanged for as long as
the listener wants, or when the transcript is final.
"""

from functools import lru_cache

from matplotlib.figure import Figure

from voice_agent_lab.lessons.explorer import Explorer, slider
from voice_agent_lab.lessons.final_transcripts import (
    backlog_over_time,
    finalisation_benchmarks,
    finalisation_table,
    slow_turn,
    three_clocks,
    waiting_frames,
)
from voice_agent_lab.lessons.partials import (
    REQUESTS,
    SPHINX_OPEN,
    SPHINX_WITH_GRAMMAR,
    curves,
    edits,
    logged,
    many_turns,
    spurious_edits,
    word_histories,
    wrong_against_wait,
    wrong_and_late,
)
from voice_agent_lab.measure.turn import Turn

__all__ = [
    "REQUESTS",
    "SPHINX_OPEN",
    "SPHINX_WITH_GRAMMAR",
    "backlog",
    "backlog_over_time",
    "edits",
    "finalisation_benchmarks",
    "finalisation_table",
    "logged",
    "many_turns",
    "slow_turn",
    "spurious_edits",
    "stability",
    "three_clocks",
    "word_histories",
    "wrong_against_wait",
    "wrong_and_late",
]


def stability() -> Explorer:
    """Return sliders over the wait before trust and the rate of revisions."""
    for rate in range(0, 65, 5):  # simulated beforehand, so that a slider that is moved only draws
        curves(rate / 100)
    return Explorer(
        _draw_stability,
        wait_ms=slider("wait before trusting a word (ms)", 0, 800, 320, 20),
        revision_rate=slider("words that first appear wrong", 0.0, 0.6, 0.3, 0.05),
    )


def _draw_stability(wait_ms: int, revision_rate: float) -> tuple[Figure, str]:
    figure = wrong_against_wait(round(revision_rate, 2), wait_ms / 1000)
    return figure, figure.get_label()


_LONG = (REQUESTS[0][:-1] + ", and whether I should take an umbrella or a coat with me, ") * 3


def backlog() -> Explorer:
    """Return sliders over the real-time factor and the length of what the user says."""
    return Explorer(
        _draw_backlog,
        factor=slider("real-time factor", 0.1, 2.0, 1.2, 0.1),
        words=slider("length of the utterance (words)", 2, 40, 14),
    )


@lru_cache(maxsize=64)
def _spoken(factor: float, words: int) -> Turn:
    return slow_turn(factor, " ".join(_LONG.split()[:words]))


def _draw_backlog(factor: float, words: int) -> tuple[Figure, str]:
    turn = _spoken(round(factor, 2), words)
    m = turn.metrics
    figure = backlog_over_time([turn], [f"real-time factor {factor:.1f}"])
    recognition = sum(part.seconds for part in turn.parts if part.name == "recognition")
    return figure, (
        f"{words} words, {m.speech_ended:.1f} s of speech, real-time factor {factor:.1f}: at most "
        f"{int(waiting_frames(turn)[1].max())} frames of 0.1 s wait; recognition ends {recognition:.2f} s "
        f"after the end of the turn, and voice-to-voice is {m.voice_to_voice:.2f} s."
    )
