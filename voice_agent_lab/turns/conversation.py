"""A conversation from the agent's side: turn after turn, with ears that never close.

A turn here is made of the same two halves, hearing and answering, with one difference: while it
answers, the agent attends to the user. Whoever speaks over it long enough gets the turn, and what was
taken of the interruption becomes the beginning of what is taken next.

Speech over the agent that is too short to interrupt it is ignored, also if the answer ends before it is
clear how long it is: it becomes a turn only if it goes on after the answer's last sound. Speech that
is long enough becomes a turn also if it reaches the agent only when there is nothing left to interrupt.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, aclosing
from functools import partial
from math import inf

from voice_agent_lab.measure.log import EventLog, record, record_in
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.stages.vad import JudgedFrame
from voice_agent_lab.streams import RunAhead, StageError, ended, guard
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
    """

    def __init__(self, frames: AsyncIterator[JudgedFrame]) -> None:
        self._frames = RunAhead(frames, name="ears")
        self.reached = -inf

    async def next(self) -> JudgedFrame:
        """Return the next frame; raise what the microphone or the detector raised."""
        frame = await anext(self._frames)
        self.reached = frame.ended
        return frame

    def put_back(self, frame: JudgedFrame) -> None:
        """Take a frame back that was taken and could not be used."""
        self._frames.put_back(frame)
        self.reached = frame.began

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
                error = EOFError("its stream ended before the conversation did")
                raise StageError("microphone", error) from error

    async def following(self, begun: Sequence[JudgedFrame]) -> AsyncIterator[JudgedFrame]:
        """Yield the frames that were taken already, then all that follow."""
        for frame in begun:
            yield frame
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

    async def hold(self, script: Sequence[Say]) -> None:
        """Talk with a user who keeps to a script, until everything is said and answered."""
        now = asyncio.get_running_loop().time
        microphone = self.hearing.microphone
        with self.new_log(now()).recording():
            async with AsyncExitStack() as closing:
                ears = Ears(self.hearing.frames(guard("microphone", microphone.frames)))
                closing.push_async_callback(ears.aclose)
                user = asyncio.create_task(
                    play(script, microphone, partial(self._reached, ears)), name="user"
                )
                closing.push_async_callback(ended, user)

                def over() -> bool:
                    return user.done() and not microphone.user.talks_after(ears.reached)

                taken: list[JudgedFrame] = []
                while taken := await ears.speech(taken, over):
                    turn = Turn(self.new_log(taken[0].began))
                    record_in(turn.log)
                    with self.kept(turn):
                        attention = await self._take_turn(ears, taken)
                    record_in(self.new_log(now()))
                    taken = await self._carried_over(attention, ears) if attention else []
                user.result()

    async def _reached(self, ears: Ears, state: AgentState) -> None:
        """Wait until the agent is in a state; it listens for the next line when it has heard the last."""
        microphone = self.hearing.microphone
        frame = microphone.chunk_size / microphone.sample_rate
        while state is AgentState.LISTENING and microphone.user.talks_after(ears.reached):  # noqa: ASYNC110
            await asyncio.sleep(frame)
        await self.states.reached(state, self.hearing.max_listening + microphone.latency)

    async def _take_turn(self, ears: Ears, taken: list[JudgedFrame]) -> Attention | None:
        """Hear one turn out and answer it; return the attention paid meanwhile, None if nothing was answered."""
        user_input = self.hearing.microphone.user.words_from(taken[0].began)
        record("user", "input", text=user_input)
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

    async def _attend(self, ears: Ears, answer: asyncio.Task) -> Attention:
        """Attend to the user until the answer is over or interrupted."""
        attention = Attention(self.interruption)
        words = WordCount(self.hearing.asr)
        listening: asyncio.Task | None = None
        try:
            while True:
                listening = asyncio.create_task(ears.next(), name="attend")
                await asyncio.wait({listening, answer}, return_when=asyncio.FIRST_COMPLETED)
                if answer.done() or _is_over(listening):
                    if listening.done() and not _is_over(listening):
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
                reaction = attention.take(frame)
                if reaction is Reaction.PAUSE:
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
        self.answering.playback.resume()
        record("agent", "resumed")

    def _words_from(self, frame: JudgedFrame) -> str:
        return self.hearing.microphone.user.words_from(frame.began)

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


def _is_over(listening: asyncio.Task) -> bool:
    """Return whether the microphone's stream has ended."""
    return (
        listening.done()
        and not listening.cancelled()
        and isinstance(listening.exception(), StopAsyncIteration)
    )
