"""Barge-in: speech over the agent that interrupts it, and a cough or a "mm-hm" that does not.

The agent listens while it thinks and speaks. Speech that lasts long enough stops it, at once or on
probation: then playback is only paused, and goes on where it was if no words follow.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from math import inf

import numpy as np

from voice_agent_lab.checks import check_seconds
from voice_agent_lab.measure.log import to_the_nanosecond
from voice_agent_lab.measure.words import words
from voice_agent_lab.stages.asr import Recogniser, check_hypothesis
from voice_agent_lab.stages.vad import JudgedFrame
from voice_agent_lab.streams import RunAhead, guard, named

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
        until it has recognised that many.
    resume_after : float
        Seconds of silence, and of the pause, after which it was a false alarm, and playback goes on.
        The default is LiveKit's.

    Examples
    --------
    >>> script = [Say("Tell me the weather in London."), Say("mm-hm", after=1.0, during="speaking")]
    >>> for seconds in (0.2, 0.5):
    ...     agent = StreamingVoiceAgent(interruption=Interruption(min_speech=seconds))
    ...     turns = simulate(agent.converse(script))
    ...     print(agent.turns[0].heard)
    It is sunny right
    It is sunny right now, with 22 degrees outside. The evening will be cool and clear.
    """

    min_speech: float = 0.5
    min_words: int = 0
    resume_after: float = 2.0

    def __post_init__(self) -> None:
        check_seconds("min_speech", self.min_speech)
        check_seconds("resume_after", self.resume_after)
        if self.min_words < 0:
            raise ValueError(f"min_words is {self.min_words!r}; it must be 0 or more")


class Reaction(Enum):
    """What the agent should do about a frame that it took while it was answering."""

    GO_ON = "go on"
    PAUSE = "pause"
    INTERRUPT = "interrupt"
    RESUME = "resume"


@dataclass
class Attention:
    """Listens to the user while the agent answers, one frame at a time.

    Attributes
    ----------
    frames : list of JudgedFrame
        What was taken since the user began to speak.
    words : int
        How many words have been recognised in it; set by whoever recognises them.
    paused : bool
        Whether playback is held until it is clear that this is an interruption.
    answered : float
        When the answer was over, in seconds on the loop's clock; set by whoever attends to the end.
    """

    policy: Interruption
    frames: list[JudgedFrame] = field(default_factory=list)
    words: int = 0
    paused: bool = False
    answered: float = inf
    _speech: float = 0.0
    _silence: float = 0.0
    _since: float = 0.0  # when the pause began

    def take(self, frame: JudgedFrame, now: float | None = None) -> Reaction:
        """Take a frame; say what to do about it.

        Parameters
        ----------
        frame : JudgedFrame
            The next one.
        now : float, optional
            When it is taken, in seconds on the loop's clock; as it ends, if not given.
        """
        now = frame.ended if now is None else now
        if frame.speech or self.frames:
            self.frames.append(frame)
        self._speech = to_the_nanosecond(self._speech + frame.seconds * frame.speech)
        self._silence = 0.0 if frame.speech else to_the_nanosecond(self._silence + frame.seconds)
        if self.paused:
            return self._on_probation(now)
        if self._speech and self._speech >= self.policy.min_speech:
            if self.policy.min_words == 0:
                return Reaction.INTERRUPT
            self.paused, self._since = True, now
            return Reaction.PAUSE
        if self._silence >= GAP:
            self._forget()
        return Reaction.GO_ON

    def _on_probation(self, now: float) -> Reaction:
        if self.words >= self.policy.min_words:
            return Reaction.INTERRUPT
        # Frames that have waited come all at once, and recognition has had no time for them yet.
        if min(self._silence, now - self._since) >= self.policy.resume_after:
            self._forget()
            return Reaction.RESUME
        return Reaction.GO_ON

    def _forget(self) -> None:
        self.frames, self.words, self.paused, self._speech = [], 0, False, 0.0


class WordCount:
    """Counts the words in speech over the agent, with the agent's own recogniser."""

    def __init__(self, asr: Recogniser) -> None:
        self._asr, self._words, self._in_segments = asr, 0, 0
        self._frames: asyncio.Queue[np.ndarray] = asyncio.Queue()
        self._audio: AsyncGenerator[np.ndarray] | None = None
        self._hypotheses: RunAhead[tuple[str, bool]] | None = None

    def begin(self, taken: Sequence[JudgedFrame], user_input: str) -> None:
        """Begin to recognise what was taken so far and all that follows."""
        self._words, self._in_segments, self._frames = 0, 0, asyncio.Queue()
        for frame in taken:
            self._frames.put_nowait(frame.samples)
        self._audio = self._taken()
        hypotheses = guard("asr", self._asr.transcribe_stream, self._audio, user_input)
        self._hypotheses = RunAhead(hypotheses, name="words of an interruption")

    def take(self, frame: JudgedFrame) -> None:
        """Take a frame; before `begin` it is ignored."""
        if self._hypotheses:
            self._frames.put_nowait(frame.samples)

    def so_far(self) -> int:
        """Return how many words have been recognised; raise what the recogniser raised."""
        for hypothesis in self._hypotheses.available() if self._hypotheses else ():
            with named("asr"):
                text, final = check_hypothesis(hypothesis)
            self._words = self._in_segments + len(words(text))
            self._in_segments += len(words(text)) if final else 0
        return self._words

    async def _taken(self) -> AsyncGenerator[np.ndarray]:
        while True:
            yield await self._frames.get()

    async def aclose(self) -> None:
        """Stop counting."""
        if self._hypotheses and self._audio:
            try:
                await self._hypotheses.aclose()
            finally:
                await self._audio.aclose()  # a recogniser need not close what it reads from
                self._hypotheses = None
