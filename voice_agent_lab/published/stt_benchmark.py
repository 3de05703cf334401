"""stt-benchmark: how long after the end of speech hosted recognisers give their final transcript.

Source: `pipecat-ai/stt-benchmark`, README of 2026-06-22. It counts from the end of speech, so the 0.2 s
of silence with which its voice activity detector makes sure are inside.
"""

SOURCE = "pipecat-ai/stt-benchmark, 2026-06"
"""How a table of sources names it."""

DEEPGRAM_NOVA_3 = {"median": 0.247, "p95": 0.298}
"""Seconds from the end of speech to the final transcript."""

NEMOTRON_3 = {"median": 0.221, "p95": 0.238}
"""NVIDIA Nemotron 3.0 ASR, in the same way; where it ran is not said."""

VAD_SILENCE = 0.2
"""Seconds of silence after which the benchmark's voice activity detector stops: Pipecat's default."""
