"""The user's side of a conversation: a script of what is said when, and ears that never close.

A script is a list of lines. A line waits until the agent does what the line says (listens, thinks or
speaks), then for a while, and is spoken, whatever the agent does by then: that is how users interrupt.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from voice_agent_lab.checks import check_kind, check_seconds
from voice_agent_lab.stages.microphone import AudioInputStream
from voice_agent_lab.stages.speech import spoken_words
from voice_agent_lab.turns.states import AgentState


class Judged(NamedTuple):
    """A frame, whether it holds speech, and when it began, in seconds on the loop's clock."""

    frame: np.ndarray
    speech: bool
    begins: float


@dataclass(frozen=True)
class Say:
    """A line of the script.

    Parameters
    ----------
    text : str
        What the user says; ``<break time="0.8s"/>`` is a pause in it.
    after : float
        Seconds after the agent has begun to do what `during` says.
    during : AgentState or str
        What the agent is doing then: "listening" for a turn, "thinking" or "speaking" for an
        interruption, or for a "mm-hm" that is not meant as one.
    """

    text: str
    after: float = 1.0
    during: AgentState | str = AgentState.LISTENING

    def __post_init__(self) -> None:
        if not check_kind("text", self.text, str).strip():
            raise ValueError("text is empty; a line of the script needs words")
        check_seconds("after", self.after)
        try:
            object.__setattr__(self, "during", AgentState(self.during))
        except ValueError:
            states = ", ".join(repr(state.value) for state in AgentState)
            raise ValueError(f"during is {self.during!r}; use one of {states}") from None


class Partner(Protocol):
    """Whom the user talks to."""

    audio: AudioInputStream

    async def reached(self, state: AgentState) -> None:
        """Return when the partner is in `state`; raise TimeoutError if that will not be."""
        ...


async def play(script: Sequence[Say], partner: Partner) -> None:
    """Speak the lines of a script, each at its time."""
    for line in script:
        try:
            await partner.reached(line.during)
        except TimeoutError as error:
            raise TimeoutError(
                f"{line.text!r} is to be said while the agent is {line.during.value}, but {error}; give the "
                "line another `during`, or first a line that the agent answers"
            ) from error
        await asyncio.sleep(line.after)
        partner.audio.say(line.text)
        # Nobody begins the next line before the last is spoken.
        await asyncio.sleep(
            spoken_words(line.text)[1] + 2 * partner.audio.chunk_size / partner.audio.sample_rate
        )


class Ears:
    """The judged frames of an open microphone, kept until somebody listens.

    Unlike a generator it survives a listener who is cancelled in the middle of waiting.
    """

    def __init__(self, frames: AsyncIterator[Judged]) -> None:
        self._frames = frames
        self._queue: asyncio.Queue[Judged | BaseException] = asyncio.Queue()
        self._put_back: list[Judged] = []
        self._task = asyncio.create_task(self._listen(), name="ears")

    async def _listen(self) -> None:
        try:
            async for judged in self._frames:
                self._queue.put_nowait(judged)
        except Exception as error:
            self._queue.put_nowait(error)
        else:
            self._queue.put_nowait(EOFError("the microphone was closed"))

    async def next(self) -> Judged:
        """Return the next frame; raise what the microphone or the detector raised."""
        judged = self._put_back.pop() if self._put_back else await self._queue.get()
        if isinstance(judged, BaseException):
            raise judged
        return judged

    def put_back(self, judged: Judged) -> None:
        """Take a frame back that somebody had taken and could not use."""
        self._put_back.append(judged)

    async def speech(self, begun: list[Judged], over: Callable[[], bool]) -> list[Judged]:
        """Return the frames from the next speech on, those in `begun` first; none if it is `over`."""
        while True:
            while begun and not begun[0].speech:
                del begun[0]
            if begun or over():
                return begun
            begun = [await self.next()]

    async def following(self, begun: Sequence[Judged]) -> AsyncIterator[Judged]:
        """Yield the frames that were heard already, then all that follow."""
        for judged in begun:
            yield judged
        while True:
            yield await self.next()

    async def aclose(self) -> None:
        """Stop listening."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._frames.aclose()
