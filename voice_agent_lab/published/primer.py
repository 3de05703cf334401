"""The primer's budget of a tuned agent: "Voice AI & Voice Agents", voiceaiandvoiceagents.com, 2025-10.

Its table has sixteen rows, in milliseconds, from the microphone to the loudspeaker; in sum 993.
"""

TO_AGENT_MS = {
    "microphone": 40,
    "encoding": 21,
    "network": 10,
    "packet handling": 2,
    "jitter buffer": 40,
    "decoding": 1,
}
"""The way in. The codec is Opus."""

SERVICES_MS = {
    "transcription and endpointing": 300,
    "language model, first token": 350,
    "sentence aggregation": 20,
    "synthesis, first audio": 120,
}
"""What happens in the agent. The voice's row counts no silence before the voice."""

TO_USER_MS = {
    "encoding, way back": 21,
    "packet handling, way back": 2,
    "network, way back": 10,
    "jitter buffer, way back": 40,
    "decoding, way back": 1,
    "loudspeaker": 15,
}
"""The way out."""

PRIMER_MS = TO_AGENT_MS | SERVICES_MS | TO_USER_MS
"""The whole table, in its order."""

TARGET_MS = 800
"""What it calls a good target for voice-to-voice."""
