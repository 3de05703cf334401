"""The second half of a turn: from the transcript to the last sound.

    language model -> aggregation -> synthesis -> playback

Who waits for whom is decided here. *Sequential*: synthesis waits for the whole reply. *Chained*: the
generators are composed, so the language model stands still while synthesis works. *Concurrent*: the
language model runs ahead of synthesis. *Eager*: it also starts before it is sure that the user has
finished.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import numpy as np

from voice_agent_lab.measure.recording import Recording
from voice_agent_lab.stages.aggregation import Aggregation
from voice_agent_lab.stages.playback import Loudspeaker
from voice_agent_lab.stages.tts import Synthesiser
from voice_agent_lab.streams import RunAhead, guard, run_ahead
from voice_agent_lab.turns.speculation import Eager, Speculation
from voice_agent_lab.turns.states import AgentState, StateMachine
from voice_agent_lab.turns.taps import all_first, in_pieces, opened, synthesised
from voice_agent_lab.turns.thinking import Thinking

Begun = AsyncGenerator[Any] | RunAhead[Any]
"""What an eager agent has of an answer already: tokens, or sound if its voice may start, too."""

OVERLAPS = ("sequential", "chained", "concurrent", "eager")
"""Who waits for whom, slowest first."""


class Answering:
    """Answers a transcript: thinks and speaks.

    Parameters
    ----------
    thinking : Thinking
        What makes the text of the answer.
    tts, playback
        The components.
    overlap : str
        One of `OVERLAPS`.
    aggregation : str, int or async generator function
        How much text the voice is given at a time.
    eager : Eager
        When an eager agent bets.
    states : StateMachine
        The agent's.
    recording : Recording
        Where what was heard is kept.
    """

    def __init__(
        self,
        thinking: Thinking,
        tts: Synthesiser,
        playback: Loudspeaker,
        *,
        overlap: str,
        aggregation: str | int | Aggregation,
        eager: Eager,
        states: StateMachine,
        recording: Recording,
    ) -> None:
        self.thinking, self.tts, self.playback = thinking, tts, playback
        self.overlap, self.aggregation, self.eager = overlap, aggregation, eager
        self.states, self.recording = states, recording

    @asynccontextmanager
    async def betting(self) -> AsyncIterator[Speculation | None]:
        """Give an eager agent what it bets with in a turn, and end all that it bet on with the turn."""
        bets = Speculation(self.eager, self._begin) if self.overlap == "eager" else None
        try:
            yield bets
        finally:
            if bets:
                await bets.aclose()

    async def speak(self, transcript: str, begun: Begun | None = None) -> None:
        """Think and speak; `begun` is what an eager agent has of the answer already."""
        if hasattr(self.playback, "resume"):
            self.playback.resume()  # a turn that failed while it was paused may have left it so
        try:
            async with AsyncExitStack() as streams:
                if begun is None or not self.eager.speak:
                    tokens = begun or self.overlapped(self.thinking.text(transcript))
                    chunks = await opened(streams, run_ahead(self._voiced(tokens)))
                else:
                    chunks = await opened(streams, _from_now_on(begun))
                sounds = guard("playback", self.playback.play, chunks, self.tts.sample_rate)
                async for _ in await opened(streams, sounds):
                    if self.states.state is AgentState.THINKING:
                        self.states.become(AgentState.SPEAKING)
        finally:
            for begins, samples in self.playback.heard:
                self.recording.add("agent", begins, samples, self.tts.sample_rate)

    def overlapped(self, tokens: AsyncGenerator[str]) -> AsyncGenerator[str]:
        """Decide whether the language model waits for its reader, runs ahead of it, or must finish first."""
        if self.overlap in ("concurrent", "eager"):
            return run_ahead(tokens)
        return all_first(tokens) if self.overlap == "sequential" else tokens

    async def _voiced(
        self, tokens: AsyncGenerator[str] | RunAhead[str], **attempt: int
    ) -> AsyncGenerator[tuple[float, np.ndarray]]:
        """Turn tokens into pieces of text, and these into sound."""
        async with AsyncExitStack() as streams:
            tokens = await opened(streams, tokens)
            pieces = await opened(streams, in_pieces(tokens, self.aggregation, **attempt))
            async for chunk in await opened(streams, synthesised(self.tts, pieces, **attempt)):
                yield chunk

    def _begin(
        self, transcript: str, attempt: int, confirmed: Callable[[], Awaitable[object]]
    ) -> AsyncGenerator[Any]:
        """Return an answer that begins before it is sure that the user has finished."""
        tokens = self.thinking.text(transcript, confirmed, attempt=attempt)
        return self._voiced(run_ahead(tokens), attempt=attempt) if self.eager.speak else tokens


async def _from_now_on(
    chunks: AsyncIterator[tuple[float, np.ndarray]],
) -> AsyncGenerator[tuple[float, np.ndarray]]:
    """Pass chunks on to playback; one that an eager voice made before is there from now on."""
    now = asyncio.get_running_loop().time()
    try:
        async for made, chunk in chunks:
            yield max(made, now), chunk
    finally:
        await chunks.aclose()  # type: ignore[attr-defined]  # a generator, or a stream that runs ahead
