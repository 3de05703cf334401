"""Barge-in: speech over the agent that interrupts it, and a cough or a "mm-hm" that does not.

The agent listens while it thinks and speaks. Speech that lasts long enough stops it, at once or on
probation: then playback is only paused, and goes on where it was if no words follow.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from voice_agent_lab.checks import check_seconds
from voice_agent_lab.stages.asr import Recogniser
from voice_agent_lab.streams import guard
from voice_agent_lab.turns.script import Judged

GAP = 0.2
"""Seconds of silence that end a stretch of speech: the usual hangover of a VAD before a turn model."""


@dataclass(frozen=True)
class Interruption:
    """What counts as an interruption.

    Parameters
    ----------
    min_speech : float
        Seconds of speech before the agent reacts. LiveKit's default is 0.5; Pipecat reacts to the
        start of speech, 0.2 s.
    min_words : int
        How many words must be recognised. 0 interrupts at once; with 1 or more the agent pauses
        until it has heard that many.
    resume_after : float
        Seconds of silence after which a pause was a false alarm, and playback goes on. The default
        is LiveKit's.
    """

    min_speech: float = 0.5
    min_words: int = 0
    resume_after: float = 2.0

    def __post_init__(self) -> None:
        check_seconds("min_speech", self.min_speech)
        check_seconds("resume_after", self.resume_after)
        if self.min_words < 0:
            raise ValueError(f"min_words is {self.min_words!r}; it must be 0 or more")


class Verdict(Enum):
    """What the agent should do about a frame that it heard while it was answering."""

    GO_ON = "go on"
    PAUSE = "pause"
    INTERRUPT = "interrupt"
    RESUME = "resume"


@dataclass
class Attention:
    """Listens to the user while the agent answers, one frame at a time.

    Attributes
    ----------
    frames : list of Judged
        What was heard since the user began to speak.
    words : int
        How many words have been recognised in it; set by whoever recognises them.
    """

    policy: Interruption
    frames: list[Judged] = field(default_factory=list)
    words: int = 0
    paused: bool = False
    _speech: float = 0.0
    _silence: float = 0.0

    def heard(self, judged: Judged, seconds: float) -> Verdict:
        """Take a frame and its length in seconds; say what to do about it."""
        if judged.speech or self.frames:
            self.frames.append(judged)
        self._speech = round(self._speech + seconds * judged.speech, 9)
        self._silence = 0.0 if judged.speech else round(self._silence + seconds, 9)
        if self.paused:
            return self._on_probation()
        if self._speech and self._speech >= self.policy.min_speech:
            if self.policy.min_words == 0:
                return Verdict.INTERRUPT
            self.paused = True
            return Verdict.PAUSE
        if self._silence >= GAP:
            self._forget()
        return Verdict.GO_ON

    def _on_probation(self) -> Verdict:
        if self.words >= self.policy.min_words:
            return Verdict.INTERRUPT
        if self._silence >= self.policy.resume_after:
            self._forget()
            return Verdict.RESUME
        return Verdict.GO_ON

    def _forget(self) -> None:
        self.frames, self.words, self.paused, self._speech = [], 0, False, 0.0


class WordCount:
    """Counts the words in speech over the agent, with the agent's own recogniser."""

    def __init__(self, asr: Recogniser) -> None:
        self._asr, self._words = asr, 0
        self._frames: asyncio.Queue[np.ndarray] = asyncio.Queue()
        self._task: asyncio.Task | None = None

    def begin(self, heard: Sequence[Judged], said: str) -> None:
        """Begin to recognise what was heard so far and all that follows."""
        self._words, self._frames = 0, asyncio.Queue()
        for judged in heard:
            self._frames.put_nowait(judged.frame)
        self._task = asyncio.create_task(self._recognise(said), name="words of an interruption")

    def heard(self, judged: Judged) -> None:
        """Take a frame; before `begin` it is ignored."""
        if self._task:
            self._frames.put_nowait(judged.frame)

    def so_far(self) -> int:
        """Return how many words have been recognised; raise what the recogniser raised."""
        if self._task and self._task.done():
            self._task.result()
        return self._words

    async def _recognise(self, said: str) -> None:
        audio = self._queued()
        async with aclosing(audio), aclosing(guard("asr", self._asr.transcribe_stream, audio, said)) as texts:
            async for text, _ in texts:
                self._words = len(text.split())

    async def _queued(self) -> AsyncIterator[np.ndarray]:
        while True:
            yield await self._frames.get()

    async def aclose(self) -> None:
        """Stop counting."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
