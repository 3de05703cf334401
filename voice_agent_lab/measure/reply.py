"""A reply as it was spoken: its pieces of text, its gaps, and what speaking early cost.

Conventions
-----------
A *gap* is a silence inside the reply in which playback had run dry: an underrun. The silence at the
beginning of a piece of speech belongs to the sound and is not a gap.
"""

from collections.abc import Mapping

import pandas as pd

from voice_agent_lab.measure.latency import interval
from voice_agent_lab.measure.turn import Turn


def pieces(turn: Turn) -> list[str]:
    """Return the pieces of text that the voice was given in a turn, in order."""
    return [event.detail["text"] for event in turn.log.all("tts", "piece")]


def gaps(turn: Turn) -> list[float]:
    """Return the length of each silence inside the reply of a turn, in seconds."""
    return [interval(silence.start, silence.end) for silence in turn.underruns]


def cost_table(turns: Mapping[str, Turn]) -> pd.DataFrame:
    """Return how early each turn speaks and what that costs.

    Parameters
    ----------
    turns : mapping of str to Turn
        The turns under their names.

    Returns
    -------
    pandas.DataFrame
        For each turn its number of pieces, its voice-to-voice in seconds, the number of its gaps, and
        their sum and maximum in seconds.
    """
    rows = {
        name: {
            "pieces": len(pieces(turn)),
            "first audio (s)": turn.metrics.voice_to_voice,
            "gaps": len(gaps(turn)),
            "silence in gaps (s)": sum(gaps(turn)),
            "longest gap (s)": max(gaps(turn), default=0.0),
        }
        for name, turn in turns.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").round(3)
