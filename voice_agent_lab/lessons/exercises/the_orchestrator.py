"""The exercises of notebook 06: the first sound by hand, and "One moment." while the language model thinks."""

import asyncio
from collections.abc import AsyncIterator, Callable
from itertools import accumulate, product

from voice_agent_lab.clock import simulate
from voice_agent_lab.lessons.exercises import exercise, expect, expect_number, expect_stream, finished_turn
from voice_agent_lab.lessons.the_orchestrator import PROMPT
from voice_agent_lab.stages.distributions import StageLatencies
from voice_agent_lab.stages.llm import StreamingLLM
from voice_agent_lab.turns.agent import StreamingVoiceAgent

_OVERLAPS = ("sequential", "chained", "concurrent")


# The first sound.


@exercise("06")
def check_first_sound(first_sound: Callable[..., float]) -> str:
    """Compare with turns of replies as long as the notebook's, and of longer and shorter ones."""
    lengths = ((8, 3), (5, 4), (12, 1), (1, 6))
    speeds = ((0.5, 0.2, 0.2), (0.3, 0.13, 0.35))
    for overlap, (words, sentences), took in product(_OVERLAPS, lengths, speeds):
        waited_for = words * sentences if overlap == "sequential" else words
        expect_number(
            f"first_sound({overlap!r}, words={words}, sentences={sentences}, first_token={took[0]}, "
            f"word={took[1]}, first_chunk={took[2]})",
            first_sound(overlap, words, sentences, *took),
            _measured(overlap, words, sentences, *took),
            f"In this {overlap} turn the voice is given text when {waited_for} "
            f"{'word is' if waited_for == 1 else 'words are'} written.",
        )
    count = len(_OVERLAPS) * len(lengths) * len(speeds)
    return (
        f"{count} turns, {count} times as in their logs. Only a sequential agent makes its user wait longer when the "
        "reply is longer."
    )


def _measured(
    overlap: str, words: int, sentences: int, first_token: float, word: float, first_chunk: float
) -> float:
    """Return the seconds from asking the language model to the first sound, read off the log of a turn."""
    sentence = " ".join(["So", *["it"] * (words - 2), "goes."]) if words > 1 else "Yes."
    agent = StreamingVoiceAgent(
        latencies=StageLatencies(tts_first_chunk=first_chunk),
        overlap=overlap,
        llm=StreamingLLM(first_token, word, replies={}, default=" ".join([sentence] * sentences)),
    )
    metrics = finished_turn(agent, PROMPT).metrics
    return metrics.playback_started - metrics.llm_started


# One moment.

Heard = list[tuple[float, str]]
"""When each word was passed on, in seconds since the language model was asked, and the word."""

_FILLER = "One moment. "
_GAVE_UP = "A wait that gives up must not cancel the work, and asyncio.wait_for does."


@exercise("06")
def check_one_moment(one_moment: Callable[[AsyncIterator[str], float], AsyncIterator[str]]) -> str:
    """Let a quick, a slow and a faltering language model speak through it, and hang up on it."""
    for waits, patience in (
        ((0.3, 0.02, 0.02), 0.8),
        ((3.0, 0.02, 0.02), 0.8),
        ((0.6, 0.1, 0.1), 0.5),
        ((1.2, 0.1), 1.5),
        ((0.3, 1.0, 2.0), 0.8),
        ((2.5, 3.0), 0.2),
    ):
        _examine_words(one_moment, waits, patience)
    _examine_end(one_moment)
    slow = finished_turn(StreamingVoiceAgent(llm=StreamingLLM(3.0)), PROMPT).metrics.voice_to_voice
    polite = finished_turn(StreamingVoiceAgent(llm=_polite(one_moment)(3.0)), PROMPT).metrics.voice_to_voice
    return (
        f"A language model that takes 3 s to its first word, and a patience of 0.8 s: first sound after {polite:.1f} s "
        f"instead of {slow:.1f} s. With a quick one nothing changes."
    )


def _examine_words(
    one_moment: Callable[..., AsyncIterator[str]], waits: tuple[float, ...], patience: float
) -> None:
    """Refuse words that are not those of the model, or that come at other times."""
    words: Heard = [(round(time, 9), f"word{k} ") for k, time in enumerate(accumulate(waits), 1)]
    true = [(patience, _FILLER), *words] if waits[0] > patience else words

    async def listen() -> Heard:
        now = asyncio.get_running_loop().time
        return [
            (round(now(), 9), word)
            async for word in expect_stream("one_moment", one_moment, _words(waits), patience)
        ]

    case = f"The first word takes {waits[0]} s, the next {waits[1]} s, and patience is {patience} s"
    try:
        found = simulate(listen())
    except RuntimeError as error:
        expect(
            not isinstance(error.__cause__, StopAsyncIteration),
            f"{case}: anext found no word left. {_GAVE_UP}",
        )
        raise
    case += f": it yielded {_told(found)}, not {_told(true)}."
    passed_on = [word for _, word in found if word != _FILLER]
    expect(
        passed_on == [word for _, word in words],
        f"{case} Every word of the language model is passed on once, and nothing else but 'One moment. '. "
        f"(If words are missing: {_GAVE_UP[0].lower()}{_GAVE_UP[1:-1]}.)",
    )
    expect(
        [word for _, word in found] == [word for _, word in true],
        f"{case} 'One moment. ' comes once, before the first word, and only if that takes longer than the patience.",
    )
    expect(
        found == true,
        f"{case} A word is passed on as soon as it is there, 'One moment. ' when the patience is over.",
    )


def _examine_end(one_moment: Callable[..., AsyncIterator[str]]) -> None:
    """Refuse a generator that leaves a task behind when it is closed at its first yield."""

    async def hang_up() -> int:
        stream = expect_stream("one_moment", one_moment, _words((3.0, 0.1)), 0.8)
        await anext(stream)
        await stream.aclose()
        await asyncio.sleep(0.01)  # a task that is cancelled ends at its next step
        return len(asyncio.all_tasks()) - 1

    left = simulate(hang_up())
    expect(
        not left,
        f"The user hung up during 'One moment. ', and {left} task was still waiting for the language model: cancel it, "
        "whatever happens (try: ... finally: ...).",
    )


async def _words(waits: tuple[float, ...]) -> AsyncIterator[str]:
    for k, wait in enumerate(waits, 1):
        await asyncio.sleep(wait)
        yield f"word{k} "


def _told(heard: Heard) -> str:
    return ", ".join(f"{word!r} at {time:g} s" for time, word in heard) or "nothing"


def _polite(one_moment: Callable[..., AsyncIterator[str]]) -> type[StreamingLLM]:
    class Polite(StreamingLLM):
        async def generate_response(self, prompt: str) -> AsyncIterator[str]:
            async for word in one_moment(super().generate_response(prompt), patience=0.8):
                yield word

    return Polite
