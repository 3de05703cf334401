"""eot-bench, LiveKit's benchmark of end-of-turn detection: its English part.

Source: LiveKit, `livekit/eot-bench`, 2026, the report of its English comparison as of commit `5bf5ac2`.
LiveKit competes with most of the makers of the others.

A detector has a threshold, a delay after which it acts on what it detected, and a timeout for the turn ends
that it did not detect. The benchmark tries all of them and publishes, for each of four budgets, the setting
that does best. The share of turn ends that is detected and the share of pauses that are cut off are outcomes.

Conventions
-----------
Cut-offs are shares of pauses. A wait is the silence from the end of speech to the decision that the
user has finished, in seconds, without any computing; it is a mean over turns.
"""

import pandas as pd

SOURCE = "eot-bench, LiveKit, 2026, English"
"""How a table of sources names it."""

TURNS, PAUSES = 400, 705
"""How many turns of people talking to an agent there are, and how many pauses of 0.2 to 5 s in them."""

SILENCE_TIMER = {0.3: 0.556, 0.6: 0.217, 1.0: 0.10, 1.6: 0.05}
"""What a silence timer cuts off, by its wait."""

BUDGETS = ("5 %", "10 %", "0.3 s", "0.6 s")
"""The four budgets: so many cut-offs at most, or so long a mean wait at most."""

# Mean wait, cut-offs, detection rate, threshold, delay, timeout; for the budgets in their order.
_ROWS = {
    "SmartTurn v3.2": (
        (1.051, 0.048, 0.848, 0.09, 0.7, 3.0),
        (0.739, 0.096, 0.970, 0.01, 0.7, 2.0),
        (0.294, 0.352, 0.882, 0.05, 0.2, 1.0),
        (0.599, 0.148, 0.802, 0.21, 0.5, 1.0),
    ),
    "VAP": (
        (1.131, 0.050, 0.762, 0.10, 0.7, 2.0),
        (0.749, 0.098, 0.990, 0.04, 0.7, 2.0),
        (0.268, 0.470, 0.998, 0.02, 0.2, 2.0),
        (0.589, 0.146, 0.990, 0.04, 0.5, 2.0),
    ),
    "AssemblyAI": (
        (1.049, 0.047, 0.935, 0.56, 0.9, 3.0),
        (0.713, 0.098, 0.962, 0.21, 0.6, 2.5),
        (0.296, 0.494, 0.975, 0.00, 0.2, 1.0),
        (0.595, 0.146, 0.970, 0.02, 0.5, 2.0),
    ),
    "LiveKit v1-mini": (
        (1.070, 0.050, 0.715, 0.43, 0.7, 2.0),
        (0.698, 0.098, 0.802, 0.36, 0.5, 1.5),
        (0.288, 0.278, 0.890, 0.25, 0.2, 1.0),
        (0.585, 0.121, 0.762, 0.39, 0.3, 1.5),
    ),
    "GPT Realtime 2": (
        (1.143, 0.047, 0.808, 0.99, 0.8, 2.5),
        (0.824, 0.099, 0.808, 0.99, 0.6, 1.5),
        None,
        None,
    ),
    "Cartesia Ink 2": (
        (1.056, 0.045, 0.942, 0.99, 0.2, 2.0),
        (0.911, 0.099, 0.532, 0.99, 0.2, 1.0),
        None,
        None,
    ),
    "Gradium": (
        (0.913, 0.050, 0.900, 0.56, 0.6, 2.0),
        (0.656, 0.099, 0.995, 0.31, 0.4, 2.5),
        (0.300, 0.556, 1.000, 0.00, 0.3, 1.0),
        (0.600, 0.126, 0.998, 0.20, 0.5, 2.5),
    ),
    "ultraVAD": (
        (0.899, 0.047, 0.955, 0.14, 0.8, 3.0),
        (0.663, 0.098, 0.955, 0.14, 0.6, 2.0),
        (0.300, 0.277, 0.875, 0.28, 0.2, 1.0),
        (0.590, 0.119, 0.955, 0.14, 0.5, 2.5),
    ),
    "Deepgram Flux": (
        (1.151, 0.050, 0.507, 0.79, 0.3, 2.0),
        (0.548, 0.099, 0.988, 0.68, 0.5, 3.0),
        (0.298, 0.129, 0.988, 0.70, 0.2, 2.5),
        (0.548, 0.099, 0.988, 0.68, 0.5, 3.0),
    ),
    "Baton": (
        (0.577, 0.048, 0.898, 0.76, 0.3, 3.0),
        (0.350, 0.094, 0.935, 0.63, 0.2, 2.5),
        (0.299, 0.123, 0.945, 0.53, 0.2, 2.0),
        (0.577, 0.048, 0.898, 0.76, 0.3, 3.0),
    ),
    "Soniox": (
        (0.647, 0.047, 0.865, 0.99, 0.2, 2.5),
        (0.512, 0.081, 0.865, 0.99, 0.2, 1.5),
        None,
        (0.580, 0.055, 0.865, 0.99, 0.2, 2.0),
    ),
    "LiveKit v1": (
        (0.543, 0.050, 0.910, 0.72, 0.3, 3.0),
        (0.295, 0.099, 0.948, 0.57, 0.2, 2.0),
        (0.295, 0.099, 0.948, 0.57, 0.2, 2.0),
        (0.588, 0.045, 0.910, 0.72, 0.3, 3.5),
    ),
}

OPERATING_POINTS = pd.DataFrame(
    [
        (detector, budget, *row)
        for detector, rows in _ROWS.items()
        for budget, row in zip(BUDGETS, rows, strict=True)
        if row
    ],
    columns=[
        "detector",
        "budget",
        "mean wait",
        "cut-offs",
        "detection rate",
        "threshold",
        "delay",
        "timeout",
    ],
).set_index(["detector", "budget"])
"""For each detector and budget the setting that does best, and what it does; a budget that a detector
cannot keep has no row."""

LATE = ("VAP", "AssemblyAI", "GPT Realtime 2", "Cartesia Ink 2", "Gradium", "Deepgram Flux", "Soniox")
"""The detectors whose mean wait is *not* that of their three numbers, detection rate, delay and timeout.

Detection rate * delay + (1 - detection rate) * timeout gives the published mean wait of the other five to
0.002 s in every row. Of these seven it gives too little, by 0.01 to 0.75 s; only Gradium's row with a threshold
of 0 agrees, and that is a timer. Most of them are streaming: they may fire later than after their delay, and
then act at once.
"""

DETECTORS = pd.DataFrame(
    {"silence timer": (SILENCE_TIMER[0.3], SILENCE_TIMER[0.6], 1.6, 1.0)}
    | {
        name: [
            OPERATING_POINTS[column].get((name, budget))
            for budget, column in (
                ("0.3 s", "cut-offs"),
                ("0.6 s", "cut-offs"),
                ("5 %", "mean wait"),
                ("10 %", "mean wait"),
            )
        ]
        for name in _ROWS
    },
    index=["cut-offs at 0.3 s", "cut-offs at 0.6 s", "wait at 5 %", "wait at 10 %"],
).T.astype(float)
"""What each detector cuts off with a mean wait of no more than that, and how long it waits with no more
cut-offs than that; ``nan`` where no setting keeps the budget."""


def setting(detector: str, budget: str) -> dict[str, float]:
    """Return the three numbers of a published row: detection rate, delay and timeout in seconds."""
    columns = {"detection_rate": "detection rate", "delay": "delay", "timeout": "timeout"}
    return {name: float(OPERATING_POINTS[column][detector, budget]) for name, column in columns.items()}


LIVEKIT_V1 = setting("LiveKit v1", "5 %")
"""LiveKit v1 at 5 % cut-offs: the share of turn ends that it detects, and after how many seconds it acts
when it does and when it does not."""


def points(detector: str) -> dict[float, float]:
    """Return the published points of a detector: cut-offs by the mean wait, the shortest wait first."""
    if detector == "silence timer":
        return SILENCE_TIMER
    rows = OPERATING_POINTS.loc[detector]
    return dict(sorted(zip(rows["mean wait"].tolist(), rows["cut-offs"].tolist(), strict=True)))
