"""Coval: how long hosted recognisers take to give their final transcript once told that speech has ended.

Source: Coval's benchmark of recognisers, seen through the OpenBenchmarks mirror; the 30 days to
2026-08-22, about 35,000 samples for each model. It counts from a given signal that speech has ended, and
forces the service to finalise.

Conventions
-----------
Seconds from that signal to the final transcript.
"""

FINAL_TRANSCRIPT = {
    "Deepgram nova-3": {"median": 0.096, "p99": 0.282},
    "Soniox v5": {"median": 0.063, "p99": 0.115},
    "Cartesia ink-2": {"median": 0.107, "p99": 0.171},
    "OpenAI gpt-4o-transcribe": {"median": 0.718, "p99": 1.502},
}
"""The models that `stt_benchmark` has measured too."""
