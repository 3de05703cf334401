"""The article that this project takes apart: what it states, and what it published beside its program.

Source: a tutorial of 2026-01 on a streaming voice agent with latency budgets, published together with a
notebook in Marktechpost's repository `AI-Tutorial-Codes-Included`. What it states are the inputs and
settings of its demonstration. What it published are a text output and a figure, stored in that notebook;
they did not come from the listing, see `as_published.published_reports`.

Conventions
-----------
Seconds.
"""

from dataclasses import dataclass

# The inputs of the article's experiment. Other words would have other lengths and other times.
PROMPTS = ("Hello, how are you today?", "What's the weather like?", "Can you tell me the time?")
"""What the article's user says in its three turns."""

REPLIES = {
    "hello": "Hello! How can I help you today?",
    "weather": "The weather is sunny with a temperature of 72°F.",
    "time": "The current time is 2:30 PM.",
}
"""What the article's language model answers, by keyword."""

DEFAULT_REPLY = "I understand. Let me help you with that."
"""What it answers to everything else."""

DEMO_BUDGETS = {
    "asr_processing": 0.08,
    "llm_first_token": 0.3,
    "tts_first_chunk": 0.15,
    "time_to_first_audio": 0.8,
}
"""The budgets that its demonstration sets; the other three of the seven keep their defaults."""


@dataclass(frozen=True)
class Output:
    """What the published text output says about one turn."""

    speech: float
    frames: int
    partials: int
    first_token: float
    llm_total: float
    tokens: int
    tts_total: float
    chunks: int
    asr: float
    time_to_first_audio: float
    total: float


OUTPUT = (
    Output(2.0, 20, 5, 0.302, 0.473, 8, 0.803, 2, -0.0, 0.0, 4.936),
    Output(1.9, 19, 4, 0.302, 0.477, 8, 0.803, 2, -0.0, 0.0, 4.722),
    Output(2.0, 20, 6, 0.302, 0.472, 8, 0.803, 2, -0.0, 0.0, 4.923),
)
"""The published text output, a turn each. Recognition really is printed there as -0.000 s."""


@dataclass(frozen=True)
class Report:
    """What the published figure shows of a turn: four bars, and time to first audio."""

    asr: float
    llm_first_token: float
    llm_generation: float
    tts: float
    time_to_first_audio: float


FIGURE = (
    Report(0.0, 0.302, 0.171, 0.15, 0.0),
    Report(0.0, 0.302, 0.175, 0.15, 0.0),
    Report(0.0, 0.302, 0.17, 0.15, 0.0),
)
"""The published figure: time to first audio of all three turns, and the bars of the last one.

The bars of the other two are not in the figure; theirs are the text output's, where the generation is
the whole less the first token.
"""
