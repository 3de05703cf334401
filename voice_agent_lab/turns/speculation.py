"""Eager answers: the agent begins to answer before it is sure that the user has finished.

Endpointing waits to be sure. Meanwhile the agent may bet that the transcript is complete, and let
the language model (and the voice, if it may) start on it. If the user says nothing more, the bet is
won, and the answer has a lead. If not, the answer is withdrawn, and its tokens were wasted.

A bet is kept only if the final transcript has the same words; case and punctuation do not matter.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from voice_agent_lab.checks import check_seconds
from voice_agent_lab.measure.log import record, to_the_nanosecond
from voice_agent_lab.measure.words import same_words
from voice_agent_lab.streams import RunAhead


@dataclass(frozen=True)
class Eager:
    """When to bet, and how often.

    Parameters
    ----------
    silence : float
        Seconds of silence after which a transcript is taken to be complete. The default is
        Pipecat's VAD stop time.
    max_attempts : int
        How many bets a turn may have; the default is LiveKit's.
    max_speech : float
        Seconds of speech after which no bet is made: long turns are the likeliest to go on. The
        default is LiveKit's.
    speak : bool
        Whether the voice, too, starts on a bet. It is not heard before the bet is won.

    Examples
    --------
    >>> agent = StreamingVoiceAgent(overlap="eager", eager=Eager(silence=0.2))
    >>> metrics = simulate(agent.process_turn("What time is it?"))
    >>> metrics.voice_to_voice, agent.turns[0].lead  # seconds; the lead is what the bet was worth
    (1.1, 0.7)
    """

    silence: float = 0.2
    max_attempts: int = 3
    max_speech: float = 10.0
    speak: bool = False

    def __post_init__(self) -> None:
        check_seconds("silence", self.silence)
        check_seconds("max_speech", self.max_speech)
        if self.max_attempts < 1:
            raise ValueError(f"max_attempts is {self.max_attempts!r}; at least one bet must be allowed")


@dataclass
class _Attempt:
    """An answer that has begun before its time: what it gives is kept until somebody wants it."""

    number: int
    text: str
    began: float
    answer: RunAhead[Any]
    won: asyncio.Event


class Speculation:
    """The bets of one turn: at most one is open at a time.

    Parameters
    ----------
    settings : Eager
        When to bet.
    begin : callable
        Given a transcript, the number of the attempt, and what to await before doing anything that
        cannot be withdrawn, returns the stream of the answer.
    """

    def __init__(
        self,
        settings: Eager,
        begin: Callable[[str, int, Callable[[], Awaitable[object]]], AsyncIterator[Any]],
    ) -> None:
        self._settings, self._begin = settings, begin
        self._text, self._speech, self._silence = "", 0.0, 0.0
        self._attempts: list[_Attempt] = []
        self._open: _Attempt | None = None

    def take(self, speech: bool, seconds: float) -> None:
        """Take a frame's judgement: silence may begin a bet, speech withdraws it."""
        if speech:
            self._speech, self._silence = to_the_nanosecond(self._speech + seconds), 0.0
            self._withdraw("the user went on")
        else:
            self._silence = to_the_nanosecond(self._silence + seconds)
            self._consider()

    def understood(self, text: str) -> None:
        """Take a partial transcript: another one withdraws the bet on the last."""
        self._text = text
        if self._open and not same_words(text, self._open.text):
            self._withdraw("the transcript changed")
        self._consider()

    def _consider(self) -> None:
        if self._open or not self._text or not self._speech or self._silence < self._settings.silence:
            return
        if len(self._attempts) < self._settings.max_attempts and self._speech <= self._settings.max_speech:
            number = len(self._attempts) + 1
            won = asyncio.Event()
            answer = RunAhead(self._begin(self._text, number, won.wait), name=f"attempt {number}")
            self._open = _Attempt(number, self._text, asyncio.get_running_loop().time(), answer, won)
            self._attempts.append(self._open)

    def _withdraw(self, why: str) -> None:
        if self._open:
            self._open.answer.cancel()
            record("llm", "withdrawn", attempt=self._open.number, why=why)
            self._open = None

    def settle(self, final: str) -> RunAhead[Any] | None:
        """Return the answer that has begun, if its words are those of the final transcript."""
        if self._open and not (final and same_words(final, self._open.text)):
            self._withdraw("the final transcript differs")
        kept, self._open = self._open, None
        if kept is None:
            return None
        lead = to_the_nanosecond(asyncio.get_running_loop().time() - kept.began)
        record("llm", "kept", attempt=kept.number, lead=lead)
        kept.won.set()
        return kept.answer

    async def aclose(self) -> None:
        """Withdraw what is open, and end every answer that was begun, the one that was kept included."""
        self._withdraw("the turn ended")
        async with AsyncExitStack() as answers:  # all of them, whatever happens to one
            for attempt in self._attempts:
                answers.push_async_callback(attempt.answer.aclose)
