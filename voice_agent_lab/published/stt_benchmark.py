"""stt-benchmark: how long after the end of speech hosted recognisers give their final transcript.

Source: `pipecat-ai/stt-benchmark`, README of 2026-06-22. It counts from the end of speech, so the 0.2 s
of silence with which its voice activity detector makes sure are inside.

Conventions
-----------
Seconds from the end of speech to the final transcript.
"""

SOURCE = "pipecat-ai/stt-benchmark, 2026-06, 1000 utterances"
"""How a table of sources names it. The rows were added by different people at different places."""

DEEPGRAM_NOVA_3 = {"median": 0.247, "p95": 0.298, "p99": 0.326}

NEMOTRON_3 = {"median": 0.221, "p95": 0.238}
"""NVIDIA Nemotron 3.0 ASR; where it ran is not said."""

FINAL_TRANSCRIPT = {
    "Deepgram nova-3": DEEPGRAM_NOVA_3,
    "Soniox v5": {"median": 0.260, "p99": 0.313},
    "Cartesia ink-2": {"median": 0.299, "p99": 1.584},
    "OpenAI gpt-4o-transcribe": {"median": 0.637, "p99": 1.655},
}
"""The models that `coval` has measured too."""
