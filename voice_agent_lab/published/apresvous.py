"""apresvous: one LiveKit agent, measured from outside it.

Source: `brijmohan/voice-agent-latency-lab`, README, seen in an excerpt on 2026-11-25. LiveKit 1.8.0 with
Silero's voice activity detection and Deepgram nova-3; ten turns.

Conventions
-----------
Seconds from the end of speech.
"""

SOURCE = "apresvous, 2026, LiveKit 1.8.0, 10 turns"
"""How a table of sources names it."""

TURNS = 10

TRANSCRIPTION_DELAY = {"median": 0.361, "p90": 1.256}
"""From the end of speech to the final transcript."""

END_OF_TURN_DELAY = {"median": 0.582, "p90": 2.501}
"""From the end of speech to the end of the turn, which waits for both the transcript and the endpointing."""

FAST_TURNS, FAST = 7, (0.580, 0.586)
"""How many of the ten turns ended between these two delays."""

SLOW_TURNS, SLOW = 2, 2.50
"""How many of them ended after this one: LiveKit's maximum delay."""
