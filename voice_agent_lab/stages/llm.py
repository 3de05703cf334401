"""The language model as a stream of tokens: a wait for the first one, then a steady flow.

The simulated model thinks of nothing. It finds a canned reply by the words of the prompt and yields
it a word at a time, with the timing of a real one. What it says does not matter here; when does.

A model needs one method, `generate_response`, which is given the words of the user. One that can do
more has a second, `respond`: it is given what was said and heard before, and may call tools.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from voice_agent_lab.stages.distributions import Distribution, drawn
from voice_agent_lab.stages.tools import Tool, ToolCall

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


@dataclass(frozen=True)
class Message:
    """Something that was said in the conversation, or done.

    Attributes
    ----------
    role : str
        Whose it is: "user", "assistant" or "tool".
    text : str
        The words; of an earlier answer only what was heard, of a tool its result.
    calls : tuple of ToolCall
        What the assistant called instead of saying more.
    of : str
        The identity of the call that a tool's result is of.
    """

    role: str
    text: str
    calls: tuple[ToolCall, ...] = ()
    of: str = ""


class ConversationalModel(LanguageModel, Protocol):
    """A language model that knows what was said before, and may call tools."""

    def respond(
        self, messages: Sequence[Message], tools: Sequence[Tool] = ()
    ) -> AsyncIterator[str | ToolCall]:
        """Yield the reply to the last message piece by piece, or calls; then it is asked again with their results."""
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


class ToolCallingLLM(StreamingLLM):
    """A simulated language model that calls a tool before it answers certain questions.

    Parameters
    ----------
    calls : mapping of str to str
        Names of tools under the words, separated by spaces, that call for them. A call comes after the
        time to the first token, and after its result the model takes that time again.
    preface : str
        What the model says before a call, if anything.
    **options
        As of `StreamingLLM`. In a reply, ``{result}`` stands for what the tool returned.

    Examples
    --------
    >>> from voice_agent_lab.stages.tools import Tools, simulated_tool
    >>> llm = ToolCallingLLM({"weather": "look_up"}, replies={"weather": "It is {result}."})
    >>> tools = Tools([simulated_tool("look_up", takes=0.8, result="sunny")], filler="One moment.")
    >>> agent = StreamingVoiceAgent(llm=llm, tools=tools)
    >>> metrics = simulate(agent.process_turn("How is the weather?"))
    >>> metrics.voice_to_voice, metrics.time_to_answer, agent.turns[0].reply  # seconds, seconds, and words
    (1.4, 2.54, 'One moment. It is sunny.')
    """

    def __init__(self, calls: Mapping[str, str], *arguments: Any, preface: str = "", **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._calls = {word: name for words, name in calls.items() for word in words.lower().split()}
        self._preface = preface

    async def respond(
        self, messages: Sequence[Message], tools: Sequence[Tool] = ()
    ) -> AsyncIterator[str | ToolCall]:
        """Yield a call if a word of the user's calls for a tool that is offered, else the reply."""
        prompt = next(message.text for message in reversed(messages) if message.role == "user")
        result = messages[-1].text if messages[-1].role == "tool" else None
        known = (self._calls.get(word) for word in re.findall(r"\w+", prompt.lower()))
        name = next((n for n in known if n in {tool.name for tool in tools}), None)
        said = self._preface if name and result is None else self.reply_to(prompt)
        wait = self.time_to_first_token
        for word in said.replace("{result}", result or "").split():
            await asyncio.sleep(wait())
            yield word + " "
            wait = self.token_generation
        if name and result is None:
            await asyncio.sleep(wait())
            yield ToolCall(name)
