"""Notebook 04: when the first sentence is there, how late a token can be, and what drafting is worth.

Conventions
-----------
Times are in seconds, token rates in tokens a second. A simulated token is a word with the space after
it; a real one is often a part of a word. For *a*, *g* and *c* see `models.drafting`.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.lessons.explorer import explorer, slider
from voice_agent_lab.measure.progress import milestones
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.models.drafting import speedup
from voice_agent_lab.plots import alt_text, turn_timeline
from voice_agent_lab.plots.drawing import axis_end
from voice_agent_lab.plots.tokens import speedup_curve
from voice_agent_lab.published.aiewf_eval import HOSTED_MS, STALLING
from voice_agent_lab.stages.distributions import StageLatencies
from voice_agent_lab.stages.llm import StreamingLLM
from voice_agent_lab.turns.agent import StreamingVoiceAgent

LONG_REPLY = (
    "Here is what I found for you about tomorrow. The morning will be cool, with some fog along the river. "
    "After that it will be sunny until the late afternoon, and the wind will stay light. In the evening "
    "there may be a short shower, so take an umbrella if you go out. The night will be clear and rather cold."
)
"""A reply of five sentences, about 20 s of speech."""

_ASKED = "What's the weather like?"
_AXIS_ENDS = (10, 15)  # seconds: where the axis of `first_sentence` ends


# The stream of tokens.


def answered(ttft: float, tokens_per_second: float, reply: str | None = None) -> Turn:
    """Return a turn whose language model has this time to first token and token rate.

    Everything else is as in the article's budgets.

    Parameters
    ----------
    ttft : float
        Time to first token, in seconds.
    tokens_per_second : float
        Tokens a second after the first.
    reply : str, optional
        What the model answers; the canned reply if not given.
    """
    if not tokens_per_second > 0:
        raise ValueError(
            f"tokens_per_second is {tokens_per_second!r}; it must be a positive rate, such as 50"
        )
    wait = round(1 / tokens_per_second, 9)
    options = {} if reply is None else {"replies": {}, "default": reply}
    agent = StreamingVoiceAgent(
        latencies=StageLatencies(llm_first_token=ttft, llm_token_generation=wait),
        llm=StreamingLLM(ttft, wait, **options),
    )
    simulate(agent.process_turn(_ASKED))
    return agent.turns[0]


@explorer(
    ttft=slider("time to first token (s)", 0.05, 2.0, 0.5, 0.05),
    rate=slider("tokens a second", 5, 200, 50, 5),
)
def first_sentence(ttft: float, rate: int) -> tuple[Figure, str]:
    """Show when the first sentence is there and heard, by the time to first token and the token rate."""
    turn = answered(ttft, rate)
    (first, sentence, last), waited = milestones(turn).values(), turn.metrics.voice_to_voice
    end = axis_end(turn.metrics.playback_ended, _AXIS_ENDS)
    return turn_timeline(turn, end=end), (
        f"First token after {first:.2f} s, first sentence after {sentence:.2f} s, last token after "
        f"{last:.2f} s. Voice-to-voice is {waited:.2f} s; of that, the rest of the first sentence takes "
        f"{sentence - first:.2f} s."
    )


# Tails.


def hosted_models() -> pd.DataFrame:
    """Return `published.aiewf_eval.HOSTED_MS` as a table, with the 95th percentile and the longest over the median."""
    table = pd.DataFrame.from_dict(HOSTED_MS, orient="index", columns=["median", "p95", "longest"])
    table["p95/median"] = (table["p95"] / table["median"]).round(1)
    table["longest/median"] = (table["longest"] / table["median"]).round(1)
    return table


def compared(draws: Mapping[str, np.ndarray], measured: Mapping[float, float] = STALLING) -> pd.DataFrame:
    """Return the percentiles that were measured beside those of the draws, in seconds.

    Parameters
    ----------
    draws : mapping of str to ndarray
        For each name latencies in seconds.
    measured : mapping of float to float
        Percentiles that were measured, in seconds.
    """
    columns = {"measured": list(measured.values())}
    columns |= {name: np.percentile(values, list(measured)) for name, values in draws.items()}
    return pd.DataFrame(columns, index=[f"p{p:g}" for p in measured]).round(2)


# Speculative decoding.


@explorer(
    a=slider("acceptance rate a", 0.0, 1.0, 0.8, 0.05),
    g=slider("tokens drafted, g", 0, 16, 4),
    c=slider("draft step / large pass, c", 0.0, 1.0, 0.1, 0.05),
)
def speculative(a: float, g: int, c: float) -> tuple[Figure, str]:
    """Show how much faster drafts make the tokens, and what that does for the first sentence."""
    figure = speedup_curve(a, g, c)
    first, sentence, _ = milestones(answered(0.5, 20)).values()
    faster = first + (sentence - first) / speedup(a, g, c)
    return figure, (
        f"{alt_text(figure)} At 20 tokens a second without drafts, the first token comes after "
        f"{first:.2f} s with or without them, and the first sentence after {faster:.2f} s instead of "
        f"{sentence:.2f} s."
    )
