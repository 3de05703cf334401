"""Components that behave as some real service does: the voices, models and troubles of the tests.

A voice here speaks 15 characters a second, evenly, and writes down the truth: which text it spoke when
in its sound. So what a user has heard can be told without asking the package.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

import numpy as np

from voice_agent_lab.stages.aggregation import aggregate
from voice_agent_lab.stages.endpointing import SilenceTimeout
from voice_agent_lab.stages.tools import ToolCall
from voice_agent_lab.stages.vad import JudgedFrame
from voice_agent_lab.streams import ended

RATE = 16000
CHARS_PER_SECOND = 15


def tone(seconds: float, rate: int = RATE) -> np.ndarray:
    """Return a sound that is audible from its first sample to its last."""
    time = np.arange(round(seconds * rate)) / rate
    return (0.2 * np.sin(2 * np.pi * 200 * time + 0.7)).astype(np.float32)


def silence(seconds: float, rate: int = RATE) -> np.ndarray:
    return np.zeros(round(seconds * rate), dtype=np.float32)


class Tokens:
    """A language model that yields the given tokens: the first after `first` seconds, each other after `wait`.

    It takes `closing` seconds to let go, however it is closed.
    """

    def __init__(self, tokens: Sequence[str], wait: float = 0.1, first: float | None = None, closing=0.0):
        self.tokens, self.wait, self.closing = tokens, wait, closing
        self.first = wait if first is None else first

    async def generate_response(self, prompt: str) -> AsyncIterator[str]:
        try:
            for number, token in enumerate(self.tokens):
                await asyncio.sleep(self.wait if number else self.first)
                yield token
        finally:
            if self.closing:
                await asyncio.sleep(self.closing)


class Calls(Tokens):
    """A model that calls tools before it yields its tokens, some rounds long; each time it says a preface."""

    def __init__(self, *arguments, rounds: int = 1, at_once: int = 1, preface: Sequence[str] = (), **options):
        super().__init__(*arguments, **options)
        self.rounds, self.at_once, self.preface = rounds, at_once, preface

    async def respond(self, messages, tools=()) -> AsyncIterator[object]:
        if sum(bool(message.calls) for message in messages) < self.rounds and tools:
            for token in self.preface:
                await asyncio.sleep(self.first)
                yield token
            await asyncio.sleep(self.wait)
            for number in range(self.at_once):
                yield ToolCall(tools[number % len(tools)].name, "{}", f"call {number}")
            return
        async with aclosing(self.generate_response(messages[-1].text)) as tokens:
            async for token in tokens:
                yield token


class Finals:
    """A recogniser that hears its audio out and then yields what it was given."""

    def __init__(self, *hypotheses: object) -> None:
        self.hypotheses = hypotheses

    async def transcribe_stream(self, audio_stream: AsyncIterator[np.ndarray], ground_truth: str):
        async for _ in audio_stream:
            pass
        for hypothesis in self.hypotheses:
            yield hypothesis


@dataclass
class Spoken:
    """Text, and the audible stretches of the voice's sound in which it was spoken, in seconds."""

    text: str
    stretches: list[tuple[float, float]]


@dataclass
class Call:
    """What a voice was given in one call, and what it spoke of it."""

    taken: list[tuple[float, str]] = field(default_factory=list)  # when, on the loop's clock, and what
    spoken: list[Spoken] = field(default_factory=list)
    made: float = 0.0  # seconds of sound

    def take(self, piece: str) -> None:
        self.taken.append((asyncio.get_running_loop().time(), piece))


class Voice:
    """A voice that takes a piece of text, speaks it, and takes the next.

    Parameters
    ----------
    first, later : float
        Seconds until the first chunk of a piece, and until each other.
    chunk : float
        How long a chunk is, in seconds.
    leading, inside, trailing : float
        Seconds of silence before each piece, in the middle of it, and after it.
    gathers : int
        How many pieces it takes before it speaks them together.
    chars_per_second : float
        How fast it speaks.
    """

    sample_rate = RATE

    def __init__(
        self,
        first: float = 0.1,
        later: float = 0.02,
        chunk: float = 0.1,
        *,
        leading: float = 0.0,
        inside: float = 0.0,
        trailing: float = 0.0,
        gathers: int = 1,
        chars_per_second: float = CHARS_PER_SECOND,
    ) -> None:
        self.first, self.later, self.size = first, later, round(chunk * RATE)
        self.leading, self.inside, self.trailing, self.gathers = leading, inside, trailing, gathers
        self.chars_per_second = chars_per_second
        self.calls: list[Call] = []

    async def synthesize_stream(self, text_stream: AsyncIterator[str]) -> AsyncIterator[np.ndarray]:
        call, gathered, number = self.begin(), "", 0
        async for piece in text_stream:
            call.take(piece)
            gathered, number = gathered + piece, number + 1
            if number % self.gathers == 0:
                for wait, chunk in self.speaking(gathered, call):
                    await asyncio.sleep(wait)
                    yield chunk
                gathered = ""
        for wait, chunk in self.speaking(gathered, call):
            await asyncio.sleep(wait)
            yield chunk

    def begin(self) -> Call:
        self.calls.append(Call())
        return self.calls[-1]

    def speaking(self, text: str, call: Call) -> Iterator[tuple[float, np.ndarray]]:
        """Yield the sound of a text, each chunk with the wait for it, and write down when it is spoken."""
        if not (text := text.strip()):
            return
        half = tone(len(text) / self.chars_per_second / 2)
        parts = [silence(self.leading), half, silence(self.inside), half, silence(self.trailing)]
        edges = call.made + np.cumsum([0] + [len(part) for part in parts]) / RATE
        call.spoken.append(Spoken(text, [(edges[1], edges[2]), (edges[3], edges[4])]))
        sound = np.concatenate(parts)
        for start in range(0, len(sound), self.size):
            chunk = sound[start : start + self.size]
            call.made += len(chunk) / RATE
            yield self.later if start else self.first, chunk


class ReadsAll(Voice):
    """Reads all the text, then speaks it."""

    async def synthesize_stream(self, text_stream: AsyncIterator[str]) -> AsyncIterator[np.ndarray]:
        call, text = self.begin(), ""
        async for piece in text_stream:
            call.take(piece)
            text += piece
        for wait, chunk in self.speaking(text, call):
            await asyncio.sleep(wait)
            yield chunk


class ReadsAhead(Voice):
    """Sends text as it comes and receives sound beside it, as voices over a websocket do."""

    async def synthesize_stream(self, text_stream: AsyncIterator[str]) -> AsyncIterator[np.ndarray]:
        call, sent = self.begin(), asyncio.Queue()

        async def send() -> None:
            try:
                async for piece in text_stream:
                    call.take(piece)
                    sent.put_nowait(piece)
            finally:
                sent.put_nowait(None)

        sending = asyncio.create_task(send())
        try:
            while (piece := await sent.get()) is not None:
                for wait, chunk in self.speaking(piece, call):
                    await asyncio.sleep(wait)
                    yield chunk
            await sending
        finally:
            await ended(sending)


class Filler(Voice):
    """Makes half a second of sound before it has any text."""

    async def synthesize_stream(self, text_stream: AsyncIterator[str]) -> AsyncIterator[np.ndarray]:
        call = self.begin()
        call.made += 0.5
        yield tone(0.5)
        async for piece in text_stream:
            call.take(piece)
            for wait, chunk in self.speaking(piece, call):
                await asyncio.sleep(wait)
                yield chunk


class Mute(Voice):
    """Reads all text and makes no sound of it; or only silence, for so many seconds a piece."""

    def __init__(self, silent: float = 0.0) -> None:
        super().__init__()
        self.silent = silent

    async def synthesize_stream(self, text_stream: AsyncIterator[str]) -> AsyncIterator[np.ndarray]:
        call = self.begin()
        async for piece in text_stream:
            call.take(piece)
            yield silence(self.silent)


class Gives:
    """A voice that gives the same chunk for each piece of text."""

    sample_rate = RATE

    def __init__(self, chunk: object) -> None:
        self.chunk = chunk

    async def synthesize_stream(self, text_stream: AsyncIterator[str]) -> AsyncIterator[object]:
        async for _ in text_stream:
            yield self.chunk


class SlowTimeout:
    """Endpointing by a timeout that takes a while to decide on each frame."""

    def __init__(self, timeout: float = 0.5, took: float = 0.0) -> None:
        self.policy, self.took = SilenceTimeout(timeout), took
        self.begun = 0

    async def decides(self, frame: JudgedFrame) -> bool:
        if self.took:
            await asyncio.sleep(self.took)
        return await self.policy.decides(frame)

    def reset(self) -> None:
        self.begun += 1
        self.policy.reset()


class Alarm(BaseException):
    """What is no `Exception`, such as the outcome of ``pytest.fail``."""


ERRORS: dict[str, Callable[[], BaseException]] = {
    "Exception": lambda: KeyError("no such voice"),
    "CancelledError": lambda: asyncio.CancelledError("by the component"),
    "BaseException": lambda: Alarm("no exception"),
}
"""How a component may fail, by its class."""

METHODS = {
    "microphone": ("audio", "stream_audio", "frames"),
    "vad": ("vad", "hears_speech"),
    "endpointing": ("endpointing", "decides"),
    "asr": ("asr", "transcribe_stream"),
    "llm": ("llm", "generate_response"),
    "aggregation": ("aggregation", ""),
    "tts": ("tts", "synthesize_stream"),
    "playback": ("playback", "play"),
}
"""Of each stage the agent's argument and the methods in which it can fail."""


class TheEnd(Exception):  # noqa: N818  # it is none
    """Ends a stream before its time."""


class Trouble:
    """Makes one stage fail once, with its nth item, or as it is closed.

    Parameters
    ----------
    stage : str
        Which stage.
    after : int
        How many items go well.
    error : str
        One of `ERRORS`, or "end" for a stream that only ends.
    closing : bool
        Whether it fails when its stream is closed instead.
    """

    def __init__(self, stage: str, after: int, error: str, closing: bool = False) -> None:
        self.stage, self.after, self.error, self.closing = stage, after, error, closing
        self.armed, self.fired = True, False

    def reached(self, *, closing: bool = False) -> None:
        """Fail, if it is time."""
        if not self.armed or closing is not self.closing:
            return
        if self.after:
            self.after -= 1
            return
        self.armed, self.fired = False, True
        raise TheEnd if self.error == "end" else ERRORS[self.error]()

    def befalls(self, options: dict[str, object]) -> None:
        """Make a stage among the agent's arguments fail."""
        name, *methods = METHODS[self.stage]
        if name == "aggregation":
            unit = options[name]
            options[name] = self._stream(lambda tokens: aggregate(tokens, unit))
            return
        if name == "endpointing":  # the agent makes a policy its own, and so would lose the trouble
            options[name] = Troubled(options[name], self)
            return
        for method in methods:
            works = getattr(options[name], method)
            wrapped = self._call if name == "vad" else self._stream
            setattr(options[name], method, wrapped(works))

    def _call(self, works: Callable) -> Callable:
        async def call(*arguments: object) -> object:
            self.reached()
            return await works(*arguments)

        return call

    def _stream(self, works: Callable) -> Callable:
        async def stream(*arguments: object) -> AsyncIterator[object]:
            try:
                async with aclosing(works(*arguments)) as items:
                    async for item in items:
                        self.reached()
                        yield item
            except TheEnd:
                return
            finally:
                self.reached(closing=True)

        return stream


class Troubled:
    """A policy of endpointing in which a trouble may come up."""

    def __init__(self, policy: object, trouble: Trouble) -> None:
        self.policy, self.trouble, self.reset = policy, trouble, policy.reset

    async def decides(self, frame: JudgedFrame) -> bool:
        self.trouble.reached()
        return await self.policy.decides(frame)

    def understood(self, text: str) -> None:
        if hasattr(self.policy, "understood"):
            self.policy.understood(text)
