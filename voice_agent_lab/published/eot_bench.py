"""eot-bench, LiveKit's benchmark of end-of-turn detection: its English part.

Source: LiveKit, `livekit/eot-bench`, 2026. LiveKit competes with most of the makers of the others.

Conventions
-----------
Cut-offs are shares of pauses. A wait is the silence from the end of speech to the decision that the
user has finished, in seconds, without any computing; it is a mean over turns.
"""

from math import isnan, nan

import pandas as pd

SOURCE = "eot-bench, LiveKit, 2026, English"
"""How a table of sources names it."""

TURNS, PAUSES = 400, 705
"""How many turns of people talking to an agent there are, and how many pauses of 0.2 to 5 s in them."""

DETECTORS = pd.DataFrame(
    {
        "silence timer": (0.556, 0.217, 1.600, 1.000),
        "SmartTurn v3.2": (0.352, 0.148, 1.051, 0.739),
        "VAP": (0.470, 0.146, 1.131, 0.749),
        "AssemblyAI": (0.494, 0.146, 1.049, 0.713),
        "LiveKit v1-mini": (0.278, 0.121, 1.070, 0.698),
        "ultraVAD": (0.277, 0.119, 0.899, 0.663),
        "Deepgram Flux": (0.129, 0.099, 1.151, 0.548),
        "Baton": (0.123, 0.048, 0.577, 0.350),
        "Soniox": (nan, 0.055, 0.647, 0.512),
        "LiveKit v1": (0.099, 0.045, 0.543, 0.295),
    },
    index=["cut-offs at 0.3 s", "cut-offs at 0.6 s", "wait at 5 %", "wait at 10 %"],
).T
"""What each detector cuts off at a mean wait, and how long it waits at a share of cut-offs."""

LIVEKIT_V1 = {"detection_rate": 0.91, "delay": 0.3, "timeout": 3.0}
"""LiveKit v1 at 5 % cut-offs: the share of turn ends that it detects, and after how many seconds it acts
when it does and when it does not."""


def points(detector: str) -> dict[float, float]:
    """Return the published points of a detector: cut-offs by the mean wait, the shortest wait first."""
    early, late, wait_5, wait_10 = (float(value) for value in DETECTORS.loc[detector].to_numpy())
    shares = {0.3: early, 0.6: late, wait_10: 0.10, wait_5: 0.05}
    return {wait: shares[wait] for wait in sorted(shares) if not isnan(shares[wait])}
