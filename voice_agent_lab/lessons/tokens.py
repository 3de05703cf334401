"""The explorers of notebook 04: when the first sentence is there, and what drafting is worth.

The notebook finds here also what it shows without sliders, from the modules that this one imports.

Conventions
-----------
Times are in seconds, token rates in tokens a second. A simulated token is a word with the space after
it; a real one is often a part of a word. For speculative decoding, *a* is the acceptance rate, *g* the
number of tokens drafted for each pass of the large model, and *c* the time of one step of the draft
model divided by that of one pass of the large one.
"""

from functools import lru_cache

from matplotlib.figure import Figure

from voice_agent_lab.lessons.drafted_tokens import accepted_runs, speedup, speedup_curve
from voice_agent_lab.lessons.explorer import Explorer, slider
from voice_agent_lab.lessons.token_streams import (
    LONG_REPLY,
    answered,
    compared,
    hosted_models,
    hosted_tails,
    milestones,
    silences,
    tails,
    token_stream,
)
from voice_agent_lab.plots import turn_timeline

__all__ = [
    "LONG_REPLY",
    "accepted_runs",
    "answered",
    "compared",
    "first_sentence",
    "hosted_models",
    "hosted_tails",
    "milestones",
    "silences",
    "speculative",
    "speedup",
    "speedup_curve",
    "tails",
    "token_stream",
]


def first_sentence() -> Explorer:
    """Return sliders over the time to first token and the token rate."""
    return Explorer(
        _draw_first_sentence,
        ttft=slider("time to first token (s)", 0.05, 2.0, 0.5, 0.05),
        rate=slider("tokens a second", 5, 200, 50, 5),
    )


_answered = lru_cache(maxsize=256)(answered)


def _draw_first_sentence(ttft: float, rate: int) -> tuple[Figure, str]:
    turn = _answered(round(ttft, 2), rate)
    (first, sentence, last), waited = milestones(turn).values(), turn.metrics.voice_to_voice
    return turn_timeline(turn), (
        f"First token after {first:.2f} s, first sentence after {sentence:.2f} s, last token after "
        f"{last:.2f} s. Voice-to-voice is {waited:.2f} s; of that, the rest of the first sentence takes "
        f"{sentence - first:.2f} s."
    )


def speculative() -> Explorer:
    """Return sliders over the acceptance rate, the draft length and the cost ratio."""
    return Explorer(
        _draw_speculative,
        a=slider("acceptance rate a", 0.0, 1.0, 0.8, 0.05),
        g=slider("tokens drafted, g", 0, 16, 4),
        c=slider("draft step / large pass, c", 0.0, 1.0, 0.1, 0.05),
    )


@lru_cache(maxsize=16)
def _without_drafts(rate: int) -> tuple[float, float]:
    turn = answered(0.5, rate)
    return milestones(turn)["first token"], milestones(turn)["first sentence"]


def _draw_speculative(a: float, g: int, c: float) -> tuple[Figure, str]:
    figure = speedup_curve(round(a, 2), g, round(c, 2))
    first, sentence = _without_drafts(20)
    faster = first + (sentence - first) / speedup(round(a, 2), g, round(c, 2))
    return figure, (
        f"{figure.get_label()} At 20 tokens a second without drafts, the first token comes after "
        f"{first:.2f} s with or without them, and the first sentence after {faster:.2f} s instead of "
        f"{sentence:.2f} s."
    )
