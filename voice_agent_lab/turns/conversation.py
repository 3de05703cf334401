"""A conversation from the agent's side: turn after turn, with ears that never close.

A turn here is the agent's own two halves, hear and answer, with one difference: while it answers, it
attends to the user. Whoever speaks over it long enough gets the turn, and what was heard of the
interruption becomes the beginning of what is heard next.
"""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

from voice_agent_lab.checks import check_kind
from voice_agent_lab.measure.log import EventLog, record, record_in
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.streams import guard
from voice_agent_lab.turns.interruption import Attention, Verdict, WordCount
from voice_agent_lab.turns.script import Ears, Judged, Say, play
from voice_agent_lab.turns.states import AgentState

Agent = Any
"""A `StreamingVoiceAgent`; its module imports this one, and imports run one way."""


async def converse(agent: Agent, script: Sequence[Say]) -> list[Turn]:
    """Let the agent hold a conversation; see `StreamingVoiceAgent.converse`."""
    agent._states.begin()
    if isinstance(script, str | Say):
        raise TypeError(f"script is {script!r}; it must be a list of Say")
    script = [check_kind("a line of the script", line, Say) for line in script]
    first, log = len(agent.turns), EventLog(asyncio.get_running_loop().time())
    with log.recording():
        microphone = guard("microphone", agent.audio.frames)
        ears = Ears(guard("endpointing", agent._judged, microphone))
        user = asyncio.create_task(play(script, agent), name="user")
        heard: list[Judged] = []
        try:
            while heard := await ears.speech(heard, lambda: user.done() and not agent.audio.is_talking()):
                turn = Turn(EventLog(heard[0].begins))
                turn.log.adopt(log, ("user", "microphone"))
                record_in(turn.log)
                with agent._kept(turn):
                    heard = await _take_turn(agent, ears, heard)
                log = turn.log if heard else EventLog(asyncio.get_running_loop().time())
                record_in(log)
            user.result()
        finally:
            user.cancel()
            await asyncio.gather(user, return_exceptions=True)
            await ears.aclose()
    return agent.turns[first:]


async def _take_turn(agent: Agent, ears: Ears, heard: list[Judged]) -> list[Judged]:
    """Hear one turn out and answer it; return what was heard of the next one meanwhile."""
    said = agent.audio.words_from(heard[0].begins)
    record("user", "input", text=said)
    async with agent._betting() as bets:
        async with aclosing(ears.following(heard)) as frames:
            transcript, begun = await agent._hear(frames, said, bets)
        if not transcript:
            return []
        agent._become(AgentState.THINKING)
        answering = asyncio.create_task(agent._answer(transcript, begun), name="answer")
        try:
            return await _attend(agent, ears, answering)
        finally:
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)


async def _attend(agent: Agent, ears: Ears, answering: asyncio.Task) -> list[Judged]:
    """Listen while answering; return what was heard of an interruption, or since speech began."""
    attention = Attention(agent.interruption)
    seconds = agent.audio.chunk_size / agent.audio.sample_rate
    words, listening = WordCount(agent.asr), None
    try:
        while True:
            listening = asyncio.create_task(ears.next(), name="attend")
            await asyncio.wait({listening, answering}, return_when=asyncio.FIRST_COMPLETED)
            if answering.done():
                if listening.done():
                    ears.put_back(listening.result())
                await answering
                return attention.frames
            judged = listening.result()
            words.heard(judged)
            attention.words = words.so_far()
            verdict = attention.heard(judged, seconds)
            if verdict is Verdict.PAUSE:
                agent.playback.pause()
                record("agent", "paused")
                words.begin(attention.frames, agent.audio.words_from(attention.frames[0].begins))
            elif verdict is Verdict.RESUME:
                agent.playback.resume()
                record("agent", "resumed")
                await words.aclose()
            elif verdict is Verdict.INTERRUPT:
                record("agent", "barge_in", at=attention.frames[0].begins)
                agent._become(AgentState.INTERRUPTED)
                if agent.playback.latency:  # the order to stop is on its way, and sound goes on
                    agent.playback.pause()
                    await asyncio.sleep(agent.playback.latency)
                return attention.frames
    finally:
        if listening is not None:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
        await words.aclose()
