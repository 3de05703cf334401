"""Smart Turn as Pipecat runs it: one look after 0.2 s of silence, with a threshold of 0.5.

None of eot-bench's rows is this setting: their thresholds lie between 0.01 and 0.21. What was published about it
counts clips or pauses, and the numbers lie far apart. Clips that were recorded for the purpose are easier than
calls, and calls are easier than meetings.

Sources
-------
* The model card of Smart Turn v3.0, for all its 31,473 clips. What share of them is finished is not said.
* Four reports of others on v3.2 or on the stock rule, seen second hand: 200 English clips
  (`fikrikarim/parlor`, pull request 27); clips, and the same over a simulated phone line (`dograh`,
  discussion 971); 4,304 pauses in real meetings of the AMI corpus (`OpenHRI/smart-turn-streaming`, model card).

Conventions
-----------
Shares from 0 to 1.
"""

THRESHOLD = 0.5
"""What Pipecat compares the model's output with; fixed in its code (`local_smart_turn_v3.py`, 2026-08)."""

CLIPS = {"accuracy": 0.916, "false positives": 0.0468, "false negatives": 0.0372}
"""Smart Turn v3.0 on its own clips: all three are shares of *all* clips, finished or not."""

TAKEN_FOR_THE_END = {
    "200 English clips": 0.07,
    "clips": 0.099,
    "clips over a phone line": 0.181,
    "pauses in meetings": 0.42,
}
"""The share of unfinished clips, or of pauses, that the model takes for the end, by what was judged."""

COMPUTE_MS = (12, 60)
"""What a look of version 3 takes on a modern processor and on a cheap server (daily.co, September 2025)."""
