"""The agent on one page has the stamps of the full agent."""

import asyncio
from math import isnan

import pytest

from voice_agent_lab import StreamingLLM, StreamingVoiceAgent, simulate, tiny
from voice_agent_lab.published.article import PROMPTS, REPLIES

TURNS = [
    *zip(PROMPTS, REPLIES.values(), strict=True),
    ("Hi!", "Yes."),
    ("Are you there?", "One two three four"),
]


async def full(text, reply):
    agent = StreamingVoiceAgent(llm=StreamingLLM(0.5, 0.02, replies={}, default=reply))
    return {k: v for k, v in (await agent.process_turn(text)).stamps.items() if not isnan(v)}


@pytest.mark.parametrize(("text", "reply"), TURNS)
def test_in_virtual_time_the_stamps_are_the_same(text, reply):
    assert simulate(tiny.turn(text, reply)) == simulate(full(text, reply))


def test_in_real_time_they_are_about_the_same():
    async def both():
        return await asyncio.gather(tiny.turn("Hi!", "Yes."), full("Hi!", "Yes."))

    small, large = asyncio.run(both())
    expected = simulate(full("Hi!", "Yes."))
    assert small == pytest.approx(expected, abs=0.25)
    assert large == pytest.approx(expected, abs=0.25)
