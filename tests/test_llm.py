"""The simulated language model: what it says, and when each word comes."""

import asyncio

import numpy as np
import pytest

from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.stages.distributions import LogNormal
from voice_agent_lab.stages.llm import DEFAULT_REPLY, REPLIES, StreamingLLM

SMALL = {"time clock": "It is two.", "weather": "It is sunny.", "hi": "Hi."}


def tokens(llm, prompt, busy=0.0):
    async def reads():
        loop, got = asyncio.get_running_loop(), []
        async for token in llm.generate_response(prompt):
            got.append((loop.time(), token))
            await asyncio.sleep(busy)
        return got

    return simulate(reads())


def test_the_first_token_has_its_own_wait_and_the_others_flow():
    assert tokens(StreamingLLM(0.3, 0.02, replies=SMALL), "What time is it?") == [
        (0.3, "It "),
        (0.32, "is "),
        (0.34, "two. "),
    ]


def test_a_busy_reader_makes_the_model_stand_still():
    times = [time for time, _ in tokens(StreamingLLM(0.3, 0.02, replies=SMALL), "time", busy=1.0)]
    assert times == [0.3, 1.32, 2.34]


@pytest.mark.parametrize(
    ("prompt", "reply"),
    [
        ("time", "It is two."),
        ("What TIME is it?", "It is two."),
        ("clock!", "It is two."),
        ("sometimes it rains", "default"),
        ("overtime and timely", "default"),
        ("this", "default"),
        ("", "default"),
        ("?!", "default"),
    ],
)
def test_only_whole_words_call_for_a_reply(prompt, reply):
    assert StreamingLLM(replies=SMALL, default="default").reply_to(prompt) == reply


def test_the_first_known_word_of_the_prompt_wins_whatever_the_order_of_the_replies():
    for replies in (SMALL, dict(reversed(SMALL.items()))):
        llm = StreamingLLM(replies=replies)
        assert llm.reply_to("the weather at this time") == "It is sunny."
        assert llm.reply_to("the time of this weather") == "It is two."
        assert llm.reply_to("hi, what time is it in this weather?") == "Hi."


def test_every_canned_reply_can_be_called_for_by_each_of_its_words():
    llm = StreamingLLM()
    for words, reply in REPLIES.items():
        for word in words.split():
            assert llm.reply_to(f"Well, {word}, please") == reply
    assert llm.reply_to("Colourless green ideas") == DEFAULT_REPLY


def test_no_word_calls_for_two_replies():
    words = [word for words in REPLIES for word in words.split()]
    assert len(words) == len(set(words))


def test_the_tokens_put_together_are_the_reply():
    llm = StreamingLLM()
    for reply in [*REPLIES.values(), DEFAULT_REPLY]:
        prompt = next((words.split()[0] for words, r in REPLIES.items() if r == reply), "?")
        assert "".join(token for _, token in tokens(llm, prompt)) == reply + " "


def test_an_empty_reply_has_no_tokens():
    assert tokens(StreamingLLM(replies={"hi": ""}), "hi") == []


def test_the_same_seed_gives_the_same_times():
    def run(seed):
        return tokens(StreamingLLM(LogNormal(0.3), LogNormal(0.02), rng=np.random.default_rng(seed)), "hi")

    assert run(1) == run(1) != run(2)


@pytest.mark.parametrize("argument", ["time_to_first_token", "token_generation"])
def test_a_latency_that_cannot_be_is_named(argument):
    with pytest.raises(ValueError, match=f"^{argument} is -1; it must be a finite number of seconds"):
        StreamingLLM(**{argument: -1})


def test_the_words_of_the_replies_may_be_capitalised():
    assert StreamingLLM(replies={"Hello": "Hi."}).reply_to("Hello") == "Hi."
