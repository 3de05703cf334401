"""tau-voice, a benchmark in which simulated callers interrupt real agents and say "mm-hm" to them.

Source: its leaderboard of August 2026, and for gpt-live-1 its submission of 2026-09-09. It measures in steps
of 0.2 s. Each number is the mean of three domains, in which the counts differ: of the 47 backchannels to
gpt-live-1 the domains have 14, 31 and 2.
"""

import pandas as pd

AGENTS = (
    pd.DataFrame(
        [
            ("gpt-realtime-1.5", 0.42, 1.00, 0.02, None, None),
            ("gemini-3.1-flash-live", 0.82, 0.52, 0.90, None, None),
            ("LiveKit cascade", 0.87, 0.99, 0.67, None, None),
            ("qwen3.5-omni-plus", 0.93, 0.90, 0.84, None, None),
            ("gpt-live-1", 1.08, 0.36, 0.99, 1476, 47),
            ("grok-think-fast-1.0", 1.37, 0.94, 0.66, None, None),
        ],
        columns=["agent", "yields after (s)", "yields", "ignores mm-hm", "interruptions", "backchannels"],
    )
    .set_index("agent")
    .astype({"interruptions": "Int64", "backchannels": "Int64"})
)
"""Six agents: the mean seconds to yield of those that yield within 2 s (L_Y), the share of interruptions
to which they do (R_Y), and the share of backchannels through which they talk (S_BC); then how many
interruptions and backchannels that were, where we have seen it."""
