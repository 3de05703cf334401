"""Notebook 01: a budget to share out.

The notebook's figures are in `plots.budgets`; what people are used to, and what a tuned agent takes,
is in `published`.
"""

from matplotlib.figure import Figure

from voice_agent_lab.lessons.explorer import explorer, slider
from voice_agent_lab.plots import alt_text
from voice_agent_lab.plots.budgets import shared_budget
from voice_agent_lab.published.primer import PRIMER_MS, TARGET_MS, TO_AGENT_MS, TO_USER_MS

_DEVICES_MS = sum(TO_AGENT_MS.values()) + sum(TO_USER_MS.values())


# They start at the primer's tuned agent, its 300 ms of transcription and endpointing split 200 to 100.
@explorer(
    budget=slider("promised voice-to-voice (ms)", 300, 2000, TARGET_MS, 50),
    endpointing=slider("endpointing: silence waited for (ms)", 0, 1500, 200, 10),
    finalisation=slider("recognition: finalisation (ms)", 0, 1000, 100, 10),
    first_token=slider(
        "language model: first token (ms)", 0, 2000, PRIMER_MS["language model, first token"], 10
    ),
    sentence=slider(
        "text of the first sentence (ms)", 0, 1000, PRIMER_MS["sentence aggregation"], 10, folded=True
    ),
    first_chunk=slider("synthesis: first chunk (ms)", 0, 1000, PRIMER_MS["synthesis, first audio"], 10),
    transport=slider("network and devices, both ways (ms)", 0, 600, _DEVICES_MS, 1),
)
def share_the_budget(
    budget: int,
    endpointing: int,
    finalisation: int,
    first_token: int,
    sentence: int,
    first_chunk: int,
    transport: int,
) -> tuple[Figure, str]:
    """Share a voice-to-voice budget among the six things that spend it."""
    figure = shared_budget(
        budget,
        {
            "endpointing": endpointing,
            "finalisation": finalisation,
            "first token": first_token,
            "first sentence": sentence,
            "first chunk": first_chunk,
            "network, devices": transport,
        },
    )
    return figure, alt_text(figure)
