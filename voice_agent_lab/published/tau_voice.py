"""tau-voice, a benchmark in which simulated callers interrupt real agents and say "mm-hm" to them.

Source: its leaderboard of August 2026. It measures in steps of 0.2 s.
"""

import pandas as pd

AGENTS = pd.DataFrame(
    [
        ("gpt-realtime-1.5", 0.42, 1.00, 0.02),
        ("gemini-3.1-flash-live", 0.82, 0.52, 0.90),
        ("LiveKit cascade", 0.87, 0.99, 0.67),
        ("qwen3.5-omni-plus", 0.93, 0.90, 0.84),
        ("grok-think-fast-1.0", 1.37, 0.94, 0.66),
    ],
    columns=["agent", "yields after (s)", "yields", "ignores mm-hm"],
).set_index("agent")
"""Five agents: the mean seconds to yield of those that yield within 2 s (L_Y), the share of interruptions
to which they do (R_Y), and the share of backchannels through which they talk (S_BC)."""
