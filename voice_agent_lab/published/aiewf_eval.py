"""aiewf-eval: how long language models take to the first token of an answer.

Source: the repository `aiewf-eval`, state of 2026-08. Scripted conversations of 30 turns with a knowledge base of about
12,000 tokens in the prompt; the first turn is left out. From the request to the first visible token of an
answer or a tool call.

Conventions
-----------
Seconds, but for names that end in ``_MS``.
"""

SOURCE = "aiewf-eval, 2026-08"
"""How a table of sources names it."""

HOSTED_MS = {
    "gpt-oss-120b (Groq)": (98, 217, 2117),
    "gemma-4-31b (2x H100)": (489, 609, 38250),
    "gpt-4.1": (536, 1771, 5056),
    "gpt-4o": (546, 1369, 4897),
    "gemini-2.5-flash": (550, 850, 2352),
    "gpt-4o-mini": (553, 1947, 6497),
    "claude-haiku-4.5": (637, 1615, 3152),
    "gpt-5.1": (739, 1492, 4244),
    "claude-sonnet-4.6": (850, 4126, 9396),
}
"""Nine hosted models: median, 95th percentile and longest."""

NEMOTRON_LIGHTNING_MS = (62, 70, 80)
"""Nemotron 3.5 Lightning on an RTX 5090: median, 95th percentile and longest."""

STALLING = {50: 0.489, 95: 0.609, 99: 6.085, 99.9: 25.643}
"""Percentiles of one hosted model: Gemma-4-31B on two dedicated H100s, 4,350 turns, from its raw latencies."""
