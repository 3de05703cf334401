"""The language model as a stream of tokens: a wait for the first one, then a steady flow.

The simulated model thinks of nothing. It finds a canned reply by the words of the prompt and yields
it a word at a time, with the timing of a real one. What it says does not matter here; when does.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from typing import Protocol

import numpy as np

from voice_agent_lab.stages.distributions import Distribution, drawn

REPLIES: Mapping[str, str] = {
    "hello hi hey": "Hello there! I am doing well, thank you. What can I do for you today?",
    "weather forecast rain": "It is sunny right now, with 22 degrees outside. The evening will be cool and clear.",
    "time clock": "It is half past two in the afternoon. Your next meeting starts at three.",
    "timer alarm": "Done, your timer is set. I will tell you when it is over.",
    "music song": "Here is something quiet for the afternoon. Tell me when you want it louder.",
    "light lights": "All right, I have changed the lights. Is it better now?",
    "joke": "I would tell you a joke about latency. But you would have to wait for it.",
    "thank thanks": "You are welcome. Just call me when you need me.",
    "stop bye goodbye": "All right, I will stop here. Goodbye!",
}
"""The canned replies, each under the words that call for it."""

DEFAULT_REPLY = "I am not sure that I understood. Could you say that in another way?"


class LanguageModel(Protocol):
    """Anything that answers a prompt with a stream of text."""

    def generate_response(self, prompt: str) -> AsyncIterator[str]:
        """Yield the reply piece by piece, spaces included; an empty piece counts for nothing."""
        ...


class StreamingLLM:
    """A simulated streaming language model.

    Parameters
    ----------
    time_to_first_token : Distribution or float
        Seconds from the prompt to the first token.
    token_generation : Distribution or float
        Seconds for each token after the first.
    replies : mapping of str to str
        Replies under the words, separated by spaces, that call for them.
    default : str
        The reply when no word of the prompt is known.
    rng : numpy.random.Generator, optional
        For the latencies; seeded with 0 if not given.

    Attributes
    ----------
    time_to_first_token, token_generation : Drawn
        What draws them.

    Examples
    --------
    >>> llm = StreamingLLM(0.3, 0.02, replies={"latency delay": "It is what the user waits."})
    >>> llm.reply_to("Why is there a delay?")
    'It is what the user waits.'
    >>> agent = StreamingVoiceAgent(llm=llm)
    """

    def __init__(
        self,
        time_to_first_token: Distribution | float = 0.3,
        token_generation: Distribution | float = 0.02,
        *,
        replies: Mapping[str, str] = REPLIES,
        default: str = DEFAULT_REPLY,
        rng: np.random.Generator | None = None,
    ) -> None:
        self.rng = rng or np.random.default_rng(0)
        self.time_to_first_token = drawn("time_to_first_token", time_to_first_token, self.rng)
        self.token_generation = drawn("token_generation", token_generation, self.rng)
        self._replies = {word: reply for words, reply in replies.items() for word in words.lower().split()}
        self._default = default

    def reply_to(self, prompt: str) -> str:
        """Return the reply under the first word of the prompt that has one; whole words count only."""
        words = re.findall(r"\w+", prompt.lower())
        return next((self._replies[word] for word in words if word in self._replies), self._default)

    async def generate_response(self, prompt: str) -> AsyncIterator[str]:
        """Yield the reply a word at a time, each with the space that follows it."""
        wait = self.time_to_first_token
        for word in self.reply_to(prompt).split():
            await asyncio.sleep(wait())
            yield word + " "
            wait = self.token_generation
