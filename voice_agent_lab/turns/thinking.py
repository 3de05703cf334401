"""From the transcript to the text of the answer: the language model, its tools, and what is said meanwhile.

A model is asked, and yields text or calls of tools. Tools that were called at once work at once; then
the model is asked again, with their results. What the agent says of its own meanwhile, a filler or an
apology, is an `Aside`: text for the voice, but no part of the answer.

Conventions
-----------
Before a call and before an aside, aggregation hands over what it holds: nobody knows how long the rest
will take. An eager answer calls no tool before its bet is won, because what a tool does cannot be
withdrawn.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from voice_agent_lab.checks import check_kind
from voice_agent_lab.measure.log import record, to_the_nanosecond
from voice_agent_lab.stages.llm import LanguageModel, Message
from voice_agent_lab.stages.tools import ToolCall, Tools
from voice_agent_lab.streams import StageError, ended, guard, named

MINDS = ("llm", "tool")
"""The stages whose failure an apology can follow: the voice still works."""


class Aside(str):
    """Text that the agent says of its own, between two stretches of the answer's; may be empty.

    Attributes
    ----------
    why : str
        "filler", "apology", or "call" for the place, without text, where the model called.
    """

    __slots__ = ("why",)
    why: str

    def __new__(cls, text: str, why: str) -> "Aside":
        """Return the text with its reason."""
        aside = super().__new__(cls, text)
        aside.why = why
        return aside


def _nothing_before() -> Sequence[tuple[str, str]]:
    return ()


@dataclass(frozen=True)
class Thinking:
    """Makes the text of an answer.

    Parameters
    ----------
    llm : LanguageModel
        The component; one that has ``respond`` is given the conversation and the tools.
    tools : Tools
        What it may call.
    apology : str
        What is said if it fails; if empty, the failure is raised.
    history : callable
        Returns what was said before, as (role, text), of the answers only what was heard.
    """

    llm: LanguageModel
    tools: Tools = field(default_factory=Tools)
    apology: str = ""
    history: Callable[[], Sequence[tuple[str, str]]] = _nothing_before

    async def text(
        self, transcript: str, confirmed: Callable[[], Awaitable[object]] | None = None, **attempt: int
    ) -> AsyncGenerator[str]:
        """Yield the text of the answer to a transcript, tokens and asides.

        Parameters
        ----------
        transcript : str
            What the user said.
        confirmed : callable, optional
            Of an eager answer: returns when its bet is won.
        **attempt
            The number of an eager answer.
        """
        record("llm", "started", **attempt)
        try:
            async with aclosing(self._conversed(transcript, confirmed, attempt)) as tokens:
                async for token in tokens:
                    yield token
        except StageError as error:
            if not self.apology or error.stage not in MINDS:
                raise
        else:
            record("llm", "complete", **attempt)
            return
        yield _aside(self.apology, "apology", attempt)

    async def _conversed(
        self, transcript: str, confirmed: Callable[[], Awaitable[object]] | None, attempt: dict[str, int]
    ) -> AsyncGenerator[str]:
        """Ask the model, and again with the results of its calls, until it calls no more."""
        messages: list[Message] = []
        if hasattr(self.llm, "respond"):
            messages = [Message(role, text) for role, text in self.history()]
        messages.append(Message("user", transcript))
        for number in range(self.tools.max_rounds + 1):
            said, calls = "", list[ToolCall]()
            async with aclosing(self._asked(messages, number, calls, attempt)) as tokens:
                async for token in tokens:
                    said += token
                    yield token
            if not calls:
                return
            yield Aside("", "call")
            if confirmed is not None:
                await confirmed()
            results = list[str]()
            async with aclosing(self._used(calls, number, results, attempt)) as asides:
                async for aside in asides:
                    yield aside
            messages.append(Message("assistant", said, tuple(calls)))
            messages += [
                Message("tool", text, of=call.identity) for call, text in zip(calls, results, strict=True)
            ]

    async def _asked(
        self, messages: Sequence[Message], number: int, calls: list[ToolCall], attempt: dict[str, int]
    ) -> AsyncGenerator[str]:
        """Ask the model once: pass its tokens on, and gather its calls."""
        loop = asyncio.get_running_loop()
        if hasattr(self.llm, "respond"):
            offered = self.tools.offered if number < self.tools.max_rounds else ()
            stream = guard("llm", self.llm.respond, messages, offered)
        else:
            stream = guard("llm", self.llm.generate_response, messages[-1].text)
        asked, came = loop.time(), False
        async with aclosing(stream) as items:
            async for item in items:
                if isinstance(item, ToolCall):
                    if not calls:
                        took = to_the_nanosecond(loop.time() - asked)
                        record("llm", "call", tool=item.name, took=took, **attempt)
                    calls.append(item)
                    continue
                with named("llm"):
                    check_kind("a token", item, str)
                if not item:  # as many services begin: it says nothing, and is no first token
                    if not came:
                        record("llm", "empty_chunk", **attempt)
                    came = True
                    continue
                came = True
                took = to_the_nanosecond(loop.time() - asked)
                record("llm", "token", text=item, took=took, **attempt)
                yield item
                asked = loop.time()

    async def _used(
        self, calls: Sequence[ToolCall], number: int, results: list[str], attempt: dict[str, int]
    ) -> AsyncGenerator[Aside]:
        """Do what some calls wish, all at once; yield a filler if they take long, and give their results."""
        for call in calls:
            record("tool", "called", tool=call.name, arguments=call.arguments, round=number + 1)
        tasks = [asyncio.create_task(self.tools.use(call), name=f"tool {call.name}") for call in calls]
        try:
            if self.tools.filler and not number:
                _, working = await asyncio.wait(tasks, timeout=self.tools.filler_after)
                if working:
                    yield _aside(self.tools.filler, "filler", attempt)
            await asyncio.wait(tasks)
        finally:
            await ended(*tasks)
        results += [task.result() for task in tasks]


def _aside(text: str, why: str, attempt: dict[str, int]) -> Aside:
    """Return an aside that stands apart from the text around it, and record it."""
    aside = Aside(text.strip() + " ", why)
    record("agent", "aside", text=str(aside), why=why, **attempt)
    return aside
