"""Any language model that is served as OpenAI's chat completions are, by the official client ``openai``.

Conventions
-----------
The reply is streamed. What arrives is timed by who reads it: the first chunk, which many services send
before any text, and the first token. Here it is decided how long that may take: `patience` is a limit on
every silence of the service, from asking to the first chunk, retries and their waits included, and then
from one chunk to the next.

What goes wrong is raised as one sentence, `LanguageModelError`. It stands alone: the client's own errors
hold the request and so the key, which is shown nowhere.
"""

import asyncio
import os
import weakref
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Self
from urllib.parse import urlsplit

from voice_agent_lab.checks import check_component, check_kind, check_seconds
from voice_agent_lab.engines import optional
from voice_agent_lab.measure.log import record
from voice_agent_lab.stages.llm import LanguageModel, Message
from voice_agent_lab.stages.tools import Tool, ToolCall

INSTRUCTIONS = "You are a voice assistant. Answer in one or two short sentences, without lists or markup."
"""What the model is told first, if nothing else is given."""

_PASSING = (408, 409, 429)
"""The statuses below 500 that may be gone when asked again, as the official client has them."""

_FIRST_WAIT = 0.5  # seconds before the first retry, doubled for each other; the official client's
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class LanguageModelError(Exception):
    """What went wrong with a language model, in one sentence without secrets."""


class OpenAIChat:
    """A language model behind an OpenAI-compatible server, in the cloud or on your own machine.

    Parameters
    ----------
    model : str
        What the server calls it.
    base_url : str, optional
        Of the server, such as ``"http://127.0.0.1:8080/v1"``; that in the environment variable
        OPENAI_BASE_URL, or OpenAI's, if not given.
    api_key : str, optional
        That in OPENAI_API_KEY, if not given. A server of your own needs none.
    instructions : str
        What the model is told first.
    patience : float
        Seconds of silence after which the model has failed; see the module.
    retries : int
        How often to ask again when the server is not reached, is busy (429) or fails (5xx), if it has not
        begun to answer. A wait that the server asks for is kept; one beyond the patience is a failure.
    fallback : LanguageModel, optional
        Who is asked instead if this one fails before it has said anything.
    options : mapping
        Further arguments of the request, such as ``{"temperature": 0}``.

    Raises
    ------
    MissingExtra
        If the client is not installed.
    ValueError
        If there is no key, and no server that might need none.

    Examples
    --------
    An agent whose mind is real; it needs ``asyncio.run``, because a network keeps no virtual time::

        llm = OpenAIChat("a-model", base_url="http://127.0.0.1:8080/v1")
        asyncio.run(StreamingVoiceAgent(llm=llm).process_turn("What time is it?"))
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        instructions: str = INSTRUCTIONS,
        patience: float = 10.0,
        retries: int = 1,
        fallback: LanguageModel | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._openai: Any = optional("openai", "openai", "A language model over HTTP")
        self.model = check_kind("model", model, str)
        base_url = base_url or os.environ.get("OPENAI_BASE_URL") or None
        self._key = api_key or os.environ.get("OPENAI_API_KEY") or ""
        if not (self._key or base_url):
            raise ValueError(
                "there is no key: give api_key or set OPENAI_API_KEY, or give the base_url of a server that needs none"
            )
        self.instructions = instructions
        self.patience, self.retries = check_seconds("patience", patience), retries
        if fallback is not None:
            check_component("fallback", fallback, "generate_response")
        self.fallback = fallback
        self.options = dict(options or {})
        self._base_url = base_url
        self.server = _shown_url(base_url) if base_url else "https://api.openai.com/v1"
        self._loop: weakref.ref[asyncio.AbstractEventLoop] | None = None  # which the client is used in
        self._client = self._new_client()
        _ = self._client.chat.completions  # what the client imports only now, no turn waits for

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model!r}, base_url={self.server!r})"

    async def generate_response(self, prompt: str) -> AsyncGenerator[str]:
        """Yield the reply to a prompt, without a history and without tools."""
        async with aclosing(self.respond([Message("user", prompt)])) as items:
            async for item in items:
                yield str(item)

    async def respond(
        self, messages: Sequence[Message], tools: Sequence[Tool] = ()
    ) -> AsyncGenerator[str | ToolCall]:
        """Yield the reply to a conversation as it comes, empty chunks included, and calls of tools at its end.

        Raises
        ------
        LanguageModelError
            If the model fails.
        """
        said = False
        failure: LanguageModelError | None = None
        try:
            async with aclosing(self._streamed(messages, tools)) as items:
                async for item in items:
                    said = said or bool(item)
                    yield item
        except Exception as error:
            failure = self._explained(error)
        if failure is None:
            return
        if said or self.fallback is None:
            raise failure  # here, and not where the client's error is at hand: it would come along
        record("llm", "fallback", error=str(failure))
        async with aclosing(_asked(self.fallback, messages, tools)) as items:
            async for item in items:
                yield item

    async def aclose(self) -> None:
        """Close the connections to the server."""
        if self._loop is not None and self._loop() is asyncio.get_running_loop():
            await self._client.close()
            self._client, self._loop = self._new_client(), None

    async def __aenter__(self) -> Self:
        """Return the model itself."""
        return self

    async def __aexit__(self, *error: object) -> None:
        """Close the connections."""
        await self.aclose()

    # --- The request and its stream ---------------------------------------------------------------

    def _new_client(self) -> Any:
        here = urlsplit(self.server).hostname in _LOOPBACK  # no proxy leads there
        return self._openai.AsyncOpenAI(
            api_key=self._key or "none",
            base_url=self._base_url,
            timeout=None,  # the patience is ours
            max_retries=0,
            http_client=self._openai.DefaultAsyncHttpxClient(trust_env=False) if here else None,
        )

    def _of_this_loop(self) -> Any:
        """Return a client for the running loop: connections cannot be used in another one."""
        loop = asyncio.get_running_loop()
        if self._loop is not None and self._loop() is not loop:
            self._client = self._new_client()
        self._loop = weakref.ref(loop)
        return self._client

    async def _streamed(
        self, messages: Sequence[Message], tools: Sequence[Tool]
    ) -> AsyncGenerator[str | ToolCall]:
        """Yield the text of each chunk as it comes, then the calls."""
        now = asyncio.get_running_loop().time
        deadline = now() + self.patience
        stream = await self._opened(self._request(messages, tools), deadline)
        calls: dict[int, dict[str, str]] = {}
        whole = False
        try:
            while True:
                try:
                    async with asyncio.timeout_at(deadline):
                        chunk = await anext(stream)
                except StopAsyncIteration:
                    break
                for choice in (chunk.choices or ())[:1]:
                    _gather(calls, choice.delta.tool_calls or ())
                    whole = whole or bool(choice.finish_reason)
                    yield choice.delta.content or choice.delta.refusal or ""
                deadline = now() + self.patience
        finally:
            await stream.close()
        if not whole:
            raise EOFError("its stream ended before the reply did")
        for _, call in sorted(calls.items()):
            yield ToolCall(call["name"], call["arguments"] or "{}", call["id"])

    async def _opened(self, request: Mapping[str, Any], deadline: float) -> Any:
        """Return the stream of a request, which is sent again if that may help and there is time."""
        for attempt in range(self.retries + 1):
            try:
                async with asyncio.timeout_at(deadline):
                    return await self._of_this_loop().chat.completions.create(**request)
            except self._openai.APIError as error:
                wait = self._wait_before_retry(error, attempt)
                late = wait is not None and asyncio.get_running_loop().time() + wait >= deadline
                if wait is None or late or attempt == self.retries:
                    raise
                record("llm", "retry", error=str(self._explained(error)), wait=wait)
                await asyncio.sleep(wait)
        raise AssertionError("unreachable")

    def _wait_before_retry(self, error: Exception, attempt: int) -> float | None:
        """Return how many seconds to wait before asking again; None if that cannot help."""
        status = getattr(error, "status_code", None)
        if status is None:
            return _FIRST_WAIT * 2**attempt if isinstance(error, self._openai.APIConnectionError) else None
        if status not in _PASSING and status < 500:
            return None
        asked_for = _seconds_in(error.response.headers.get("retry-after"))  # type: ignore[attr-defined]
        return _FIRST_WAIT * 2**attempt if asked_for is None else asked_for

    def _request(self, messages: Sequence[Message], tools: Sequence[Tool]) -> dict[str, Any]:
        """Return the arguments of a chat completion."""
        said: list[dict[str, Any]] = [{"role": "system", "content": self.instructions}] * bool(
            self.instructions
        )
        request = {"model": self.model, "messages": said + [_as_sent(m) for m in messages], "stream": True}
        if tools:
            request["tools"] = [
                {
                    "type": "function",
                    "function": {
                        "name": tool.name,
                        "description": tool.description,
                        "parameters": dict(tool.parameters),
                    },
                }
                for tool in tools
            ]
        return {**request, **self.options}

    # --- What went wrong --------------------------------------------------------------------------

    def _explained(self, error: Exception) -> LanguageModelError:
        """Return what went wrong in one sentence of our own, with the server's words if there are any."""
        who, status = (
            f"the language model {self.model!r} at {self.server}",
            getattr(error, "status_code", None),
        )
        told = f": {words}" if (words := self._words_of(error)) else ""
        if isinstance(error, TimeoutError):
            what = f"sent nothing for {self.patience:g} s"
        elif status in (401, 403):
            what = f"refuses the key ({status}){told}; check api_key or OPENAI_API_KEY"
        elif status == 404:
            what = f"is not there (404){told}; check the model's name and the base_url"
        elif status == 429:
            wait = error.response.headers.get("retry-after")  # type: ignore[attr-defined]
            later = f"; it may be asked again in {wait} s" if _seconds_in(wait) is not None else ""
            what = f"is asked too often (429){told}{later}"
        elif status is not None:
            what = f"failed ({status}){told}"
        elif isinstance(error, self._openai.APIConnectionError) or _of_http(error):
            what = "cannot be reached, or the connection broke; check the base_url and that the server runs"
        elif isinstance(error, EOFError):
            what = f"broke off: {error}"
        elif isinstance(error, self._openai.APIError):
            what = f"failed in the middle of its reply{told}"
        else:
            what = f"sent what is no chat completion ({type(error).__name__})"
        return LanguageModelError(f"{who} {what}")

    def _words_of(self, error: Exception) -> str:
        """Return the server's own words about an error, in one short line and without the key."""
        body = getattr(error, "body", None)
        words = body.get("message") if isinstance(body, dict) else ""
        told = str(words or "")
        if self._key:
            told = told.replace(self._key, "…")
        return " ".join(told.split())[:160].rstrip(".")


async def _asked(
    llm: Any, messages: Sequence[Message], tools: Sequence[Tool]
) -> AsyncGenerator[str | ToolCall]:
    """Ask another language model, with the conversation if it can take that."""
    talks = hasattr(llm, "respond")
    stream: Any = llm.respond(messages, tools) if talks else llm.generate_response(messages[-1].text)
    async for item in stream:
        yield item


def _as_sent(message: Message) -> dict[str, Any]:
    """Return a message as the protocol has it."""
    if message.role == "tool":
        return {"role": "tool", "tool_call_id": message.of, "content": message.text}
    if not message.calls:
        return {"role": message.role, "content": message.text}
    calls = [
        {
            "id": call.identity,
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }
        for call in message.calls
    ]
    return {"role": message.role, "content": message.text or None, "tool_calls": calls}


def _gather(calls: dict[int, dict[str, str]], deltas: Sequence[Any]) -> None:
    """Add the pieces of calls that a chunk brings to those that came before."""
    for delta in deltas:
        call = calls.setdefault(delta.index, {"id": "", "name": "", "arguments": ""})
        call["id"] = delta.id or call["id"]
        call["name"] += (delta.function and delta.function.name) or ""
        call["arguments"] += (delta.function and delta.function.arguments) or ""


def _seconds_in(header: str | None) -> float | None:
    """Return the seconds that a header retry-after asks for; None if it has none, or a date."""
    try:
        seconds = float(header or "")
    except ValueError:
        return None
    return seconds if 0 <= seconds < 1e6 else None


def _of_http(error: Exception) -> bool:
    """Return whether an error is of the library below the client, which some versions of that let through."""
    return type(error).__module__.partition(".")[0] in ("httpx", "httpx2")


def _shown_url(url: str) -> str:
    """Return a URL without a user's name, password or query, which may be secrets."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}" if parts.scheme else host + parts.path
