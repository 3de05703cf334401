"""A conversation from the agent's side: turn after turn, with ears that never close.

A turn here is made of the same two halves, hearing and answering, with one difference: while it
answers, the agent attends to the user. Whoever speaks over it long enough gets the turn, and what was
taken of the interruption becomes the beginning of what is taken next.

Speech over the agent that is too short to interrupt it is ignored, also if the answer ends before it is
clear how long it is: it becomes a turn only if it goes on after the answer's last sound. Speech that
is long enough becomes a turn also if it reaches the agent only when there is nothing left to interrupt.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, aclosing
from functools import partial
from math import inf

from voice_agent_lab.measure.log import EventLog, record, record_in
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.stages.user import Saying
from voice_agent_lab.stages.vad import JudgedFrame
from voice_agent_lab.streams import RunAhead, ended, guard, named
from voice_agent_lab.turns.answering import Answering
from voice_agent_lab.turns.hearing import Hearing
from voice_agent_lab.turns.interruption import Attention, Interruption, Reaction, WordCount
from voice_agent_lab.turns.script import Say, play
from voice_agent_lab.turns.states import AgentState


class Ears:
    """The judged frames of an open microphone, kept until somebody takes them.

    Attributes
    ----------
    reached : float
        When the last frame that was taken ended, in seconds on the loop's clock.
    closed : bool
        Whether the microphone's stream has ended and all of it was taken.
    """

    def __init__(self, frames: AsyncIterator[JudgedFrame]) -> None:
        self._frames = RunAhead(frames, name="ears")
        self.reached, self.closed = -inf, False

    async def next(self) -> JudgedFrame:
        """Return the next frame; raise what the microphone or the detector raised."""
        try:
            frame = await anext(self._frames)
        except StopAsyncIteration:
            self.closed = True
            raise
        self.reached = frame.ended
        return frame

    def put_back(self, frame: JudgedFrame) -> None:
        """Take a frame back that was taken and could not be used."""
        self._frames.put_back(frame)
        self.reached, self.closed = frame.began, False

    async def speech(self, begun: list[JudgedFrame], over: Callable[[], bool]) -> list[JudgedFrame]:
        """Return the frames from the next speech on, those in `begun` first; none if it is `over`."""
        while True:
            while begun and not begun[0].speech:
                del begun[0]
            if begun or over():
                return begun
            try:
                begun = [await self.next()]
            except StopAsyncIteration:
                if not over():
                    with named("microphone"):
                        raise EOFError("its stream ended before the conversation did") from None

    async def following(self, begun: Sequence[JudgedFrame]) -> AsyncGenerator[JudgedFrame]:
        """Yield the frames that were taken already, then all that follow; take back what is not read of them."""
        left = list(begun)
        try:
            while left:
                yield left.pop(0)
        finally:
            for frame in reversed(left):
                self.put_back(frame)
        while True:
            try:
                frame = await self.next()
            except StopAsyncIteration:
                return
            yield frame

    async def aclose(self) -> None:
        """Close the microphone."""
        await self._frames.aclose()


class Conversation:
    """Holds a conversation.

    Parameters
    ----------
    hearing, answering
        The two halves of a turn.
    interruption : Interruption
        What counts as one.
    new_log : callable
        Given when a turn begins, in seconds on the loop's clock, returns its log.
    kept : callable
        Given a turn, returns the context in which it runs and after which it is kept.
    """

    def __init__(
        self,
        hearing: Hearing,
        answering: Answering,
        interruption: Interruption,
        new_log: Callable[[float], EventLog],
        kept: Callable[[Turn], AbstractContextManager[None]],
    ) -> None:
        self.hearing, self.answering, self.interruption = hearing, answering, interruption
        self.states, self.new_log, self.kept = hearing.states, new_log, kept

    async def hold(self, script: Sequence[Say] = ()) -> None:
        """Talk until everything in a script is said and answered; with a person, until the microphone ends."""
        now = asyncio.get_running_loop().time
        microphone, user = self.hearing.microphone, self.hearing.user
        with self.new_log(now()).recording():
            async with AsyncExitStack() as closing:
                ears = Ears(self.hearing.frames(guard("microphone", microphone.frames)))
                closing.push_async_callback(ears.aclose)
                lines = play(script, microphone, partial(self._reached, ears))
                speaking = asyncio.create_task(lines, name="user")
                closing.push_async_callback(ended, speaking)

                def over() -> bool:
                    if user is None:
                        return ears.closed
                    return speaking.done() and not user.talks_after(ears.reached)

                taken: list[JudgedFrame] = []
                while taken := await ears.speech(taken, over):
                    turn = Turn(self.new_log(taken[0].began))
                    record_in(turn.log)
                    with self.kept(turn):
                        attention = await self._take_turn(ears, taken)
                    record_in(self.new_log(now()))
                    taken = await self._carried_over(attention, ears) if attention else []
                speaking.result()

    async def _reached(self, ears: Ears, state: AgentState) -> None:
        """Wait until the agent is in a state; it listens for the next line when it has heard the last."""
        microphone, user = self.hearing.microphone, self.hearing.user
        frame = microphone.chunk_size / microphone.sample_rate
        while state is AgentState.LISTENING and user and user.talks_after(ears.reached):  # noqa: ASYNC110
            await asyncio.sleep(frame)
        await self.states.reached(state, self.hearing.max_listening + microphone.latency)

    async def _take_turn(self, ears: Ears, taken: list[JudgedFrame]) -> Attention | None:
        """Hear one turn out and answer it; return the attention paid meanwhile, None if nothing was answered."""
        user_input = self._words_from(taken[0])
        record("user", "input", text=str(user_input))
        async with self.answering.betting() as bets:
            async with aclosing(ears.following(taken)) as frames:
                transcript = await self.hearing.transcript(frames, user_input, bets)
            begun = bets.settle(transcript) if bets else None
            if not transcript:
                return None
            self.states.become(AgentState.THINKING)
            answer = asyncio.create_task(self.answering.speak(transcript, begun), name="answer")
            try:
                return await self._attend(ears, answer)
            finally:
                await ended(answer)

    async def _attend(self, ears: Ears, answer: asyncio.Task[None]) -> Attention:
        """Attend to the user until the answer is over or interrupted."""
        attention = Attention(self.interruption)
        words = WordCount(self.hearing.asr)
        listening: asyncio.Task[JudgedFrame] | None = None
        try:
            while True:
                listening = asyncio.create_task(ears.next(), name="attend")
                await asyncio.wait({listening, answer}, return_when=asyncio.FIRST_COMPLETED)
                if answer.done() or _is_over(listening):
                    if not _is_over(listening):
                        if listening.done():
                            ears.put_back(listening.result())
                    elif attention.paused:  # no word can follow
                        self._resume()
                    await answer
                    attention.answered = asyncio.get_running_loop().time()
                    return attention
                frame = listening.result()
                self.hearing.note_user(frame)
                words.take(frame)
                attention.words = words.so_far()
                reaction = attention.take(frame, asyncio.get_running_loop().time())
                if reaction is Reaction.PAUSE:
                    with named("playback"):
                        self.answering.playback.pause()
                    record("agent", "paused")
                    words.begin(attention.frames, self._words_from(attention.frames[0]))
                elif reaction is Reaction.RESUME:
                    self._resume()
                    await words.aclose()
                elif reaction is Reaction.INTERRUPT:
                    await self._stop(attention.frames[0].began)
                    return attention
        finally:
            async with AsyncExitStack() as closing:
                closing.push_async_callback(words.aclose)
                if listening is not None:
                    closing.push_async_callback(ended, listening)

    def _resume(self) -> None:
        with named("playback"):
            self.answering.playback.resume()
        record("agent", "resumed")

    def _words_from(self, frame: JudgedFrame) -> str:
        user = self.hearing.user
        return Saying(lambda: user.words_from(frame.began)) if user else ""

    async def _stop(self, began: float) -> None:
        """Begin to fall silent for an interruption that began at a moment."""
        record("agent", "barge_in", at=began)
        self.states.become(AgentState.INTERRUPTED)
        playback = self.answering.playback
        if playback.latency:  # the order to stop is on its way, and sound goes on
            playback.pause()
            await asyncio.sleep(playback.latency)

    async def _carried_over(self, attention: Attention, ears: Ears) -> list[JudgedFrame]:
        """Return what was taken over the agent and belongs to the next turn; see the module's rule."""
        while attention.answered < inf and not attention.paused:
            if ears.reached > attention.answered and (not attention.frames or attention.frames[-1].speech):
                break
            try:
                frame = await ears.next()
            except StopAsyncIteration:
                return []
            if attention.take(frame) is Reaction.INTERRUPT:
                break
        return attention.frames


def _is_over(listening: asyncio.Task[JudgedFrame]) -> bool:
    """Return whether the microphone's stream has ended."""
    return (
        listening.done()
        and not listening.cancelled()
        and isinstance(listening.exception(), StopAsyncIteration)
    )
