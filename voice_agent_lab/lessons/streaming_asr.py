"""Notebook 03: what a recogniser knows before the sentence is over, and what a slow one costs.

Conventions
-----------
Times and waits are in seconds. The *real-time factor* is compute time divided by audio time: above 1
the recogniser is slower than speech. A word is *trusted* when it has stood unchanged for as long as
the listener wants, or when the transcript is final.
"""

from collections.abc import AsyncIterator
from functools import lru_cache
from math import log

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.lessons.explorer import explorer, slider
from voice_agent_lab.measure.progress import waiting_frames
from voice_agent_lab.measure.revisions import WordHistory, logged, word_histories
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.plots import alt_text
from voice_agent_lab.plots.recognition import backlog_over_time, wrong_against_wait
from voice_agent_lab.published import coval, stt_benchmark
from voice_agent_lab.stages.asr import StreamingASR
from voice_agent_lab.stages.distributions import StageLatencies
from voice_agent_lab.stages.endpointing import SilenceTimeout
from voice_agent_lab.stages.speech import CHARS_PER_SECOND, spoken_words
from voice_agent_lab.turns.agent import StreamingVoiceAgent

REQUESTS = (
    "Can you tell me what the weather will be like in Paris tomorrow?",
    "Please set a timer for ten minutes and call me when it is over.",
    "What time does the last train to the airport leave this evening?",
    "Play something quiet for the afternoon, but nothing with a saxophone.",
    "Turn off the lights in the kitchen and leave the others as they are.",
    "Could you remind me to water the plants before leaving on Friday?",
)
"""What the simulated users of the stability experiment say, in turn."""

SPHINX_WITH_GRAMMAR = (
    (0.192, "can"),
    (0.320, "can you"),
    (0.448, "can you say"),
    (0.608, "can you set"),
    (0.736, "can you set a"),
    (1.024, "can you set a timer"),
    (1.184, "can you set a timer for"),
    (1.408, "can you set a timer for two"),
    (1.472, "can you set a timer for ten"),
    (1.856, "can you set a timer for twenty"),
    (1.984, "can you set a timer for ten minutes"),
    (2.592, "can you set a timer for ten minutes"),
)
"""What PocketSphinx believed of "Can you set a timer for ten minutes?", with the shipped grammar.

Each belief stands beside the seconds of audio taken in when it was first shown; the last one is final.
Speech ends at 2.08 s. Made once with PocketSphinx 5.1.1 (`engines.sphinx`), a synthetic user
(`engines.espeak`) and frames of 32 ms; another run differs a little, as that voice is never quite the same.
"""

SPHINX_OPEN = (
    (0.352, "can"),
    (0.384, "any"),
    (0.416, "can you"),
    (0.480, "and you'd"),
    (0.576, "can you to"),
    (0.640, "and your day"),
    (0.672, "can you to"),
    (0.704, "can you get"),
    (0.736, "can you tell"),
    (0.768, "can you kill"),
    (0.864, "and your daily"),
    (0.960, "can you delete"),
    (1.056, "can you tell me that"),
    (1.152, "can you deleted"),
    (1.216, "can you tell me that so"),
    (1.280, "can you tell me that tie"),
    (1.440, "can you delete a diet"),
    (1.472, "can you tell me that time"),
    (1.536, "can you deleted iowa"),
    (1.568, "can you delete a dial"),
    (1.600, "can you delete a diet"),
    (1.632, "can you delete a dial up"),
    (1.984, "can you believe that time"),
)
"""What it believed of "Can you tell me the time?" when any English words were possible.

Made in the same way; speech ends at 1.45 s.
"""


# Partials, and when to trust them.

_FRAME = 0.04  # of the stability experiment, in seconds
_TURNS = 60
_LATE = 0.1  # the share of revisions that come later than 0.32 s, see `many_turns`


def words_of(turn: Turn) -> list[WordHistory]:
    """Return the words of a finished turn of a simulated user, with what each was taken for over time."""
    words, _ = spoken_words(turn.user_input)
    return word_histories(turn, [word.ends for word in words])


@lru_cache(maxsize=16)
def many_turns(revision_rate: float = 0.3) -> tuple[WordHistory, ...]:
    """Return the words of 60 simulated turns in which words are revised.

    Each turn has a recogniser of its own, with a revision lag of its own. The lags are spread like an
    exponential distribution of which a tenth lies above 0.32 s. That number is borrowed from Baumann,
    Atterer & Schlangen (2009), who found a tenth of all edits to be spurious at that lag; the shape is
    a choice. Recognition itself takes no time here, takes in 40 ms at a time, and finalises after 0.6 s
    of silence.

    Parameters
    ----------
    revision_rate : float
        The chance that a word first appears wrong.
    """

    async def turns() -> list[Turn]:
        return [await _recognised(number, revision_rate) for number in range(_TURNS)]

    return tuple(word for turn in simulate(turns()) for word in words_of(turn))


async def _recognised(number: int, revision_rate: float) -> Turn:
    """Recognise one of the requests, and return the log of what was believed."""
    said = REQUESTS[number % len(REQUESTS)]
    lag = 0.32 * log(1 - (number + 0.5) / _TURNS) / log(_LATE)
    rng = np.random.default_rng(number)
    asr = StreamingASR(0, 0, revision_rate=revision_rate, revision_lag=lag, rng=rng)
    seconds = len(said) / CHARS_PER_SECOND
    taken = 0

    async def audio() -> AsyncIterator[np.ndarray]:
        nonlocal taken
        for taken in range(1, round((seconds + 0.6) / _FRAME) + 1):  # noqa: B007
            yield np.zeros(round(_FRAME * asr.sample_rate), dtype=np.float32)

    beliefs = [(round(taken * _FRAME, 9), text) async for text, _ in asr.transcribe_stream(audio(), said)]
    return logged(said, beliefs, seconds)


@explorer(
    wait_ms=slider("wait before trusting a word (ms)", 0, 800, 320, 20),
    revision_rate=slider("words that first appear wrong", 0.0, 0.6, 0.3, 0.05),
)
def stability(wait_ms: int, revision_rate: float) -> tuple[Figure, str]:
    """Show what waiting before trust buys and costs, at some rate of words that first appear wrong."""
    figure = wrong_against_wait(many_turns(revision_rate), wait_ms / 1000, revision_rate, _TURNS)
    return figure, alt_text(figure)


# A recogniser slower than real time.


def slow_turn(real_time_factor: float, text: str, timeout: float = 0.5) -> Turn:
    """Return a turn whose recogniser needs so many seconds of compute for a second of audio.

    Everything else is as in the article's budgets, and so are the frames of 0.1 s.

    Parameters
    ----------
    real_time_factor : float
        Compute time divided by audio time.
    text : str
        What the user says.
    timeout : float
        Seconds of silence that end the turn.
    """
    took = StageLatencies(asr_processing=round(real_time_factor * 0.1, 9))
    agent = StreamingVoiceAgent(latencies=took, endpointing=SilenceTimeout(timeout))
    simulate(agent.process_turn(text))
    return agent.turns[0]


_LONG = (REQUESTS[0][:-1] + ", and whether I should take an umbrella or a coat with me, ") * 3


@explorer(
    factor=slider("real-time factor", 0.1, 2.0, 1.2, 0.1),
    words=slider("length of the utterance (words)", 2, 40, 14),
)
def backlog(factor: float, words: int) -> tuple[Figure, str]:
    """Show the frames that wait for a recogniser, by its real-time factor and the length of the utterance."""
    turn = slow_turn(factor, " ".join(_LONG.split()[:words]))
    m = turn.metrics
    figure = backlog_over_time([turn], [f"real-time factor {factor:.1f}"])
    recognition = sum(part.seconds for part in turn.parts if part.name == "recognition")
    return figure, (
        f"{words} words, {m.speech_ended:.1f} s of speech, real-time factor {factor:.1f}: at most "
        f"{int(waiting_frames(turn)[1].max())} frames of 0.1 s wait; recognition ends {recognition:.2f} s "
        f"after the end of the turn, and voice-to-voice is {m.voice_to_voice:.2f} s."
    )


# The final transcript: one wait, two ways to count it.

FINALISATION = {
    model: {
        name: (round(1000 * wait["median"]), round(1000 * wait["p99"]))
        for name, wait in (
            ("stt-benchmark", stt_benchmark.FINAL_TRANSCRIPT[model]),
            ("Coval", coval.FINAL_TRANSCRIPT[model]),
        )
    }
    for model in coval.FINAL_TRANSCRIPT
}
"""Median and 99th percentile of the wait for the final transcript, in ms, for models in both benchmarks."""


def finalisation_table() -> pd.DataFrame:
    """Return `FINALISATION` as a table: medians in both benchmarks and their difference, in ms."""
    rows = {
        model: {name: median for name, (median, _) in waits.items()} for model, waits in FINALISATION.items()
    }
    table = pd.DataFrame.from_dict(rows, orient="index")
    table["difference"] = table["Coval"] - table["stt-benchmark"]
    return table
