"""A small HTTP server on loopback that behaves as a language model's, well or badly, as a test wishes."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

Act = Callable[[asyncio.StreamWriter], Awaitable[None]]
"""What the server does with a request."""


def chunk(content: str | None = None, finish: str | None = None, **delta: object) -> dict[str, object]:
    """Return a chunk of a chat completion."""
    if content is not None:
        delta["content"] = content
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice]}


def wishes(name: str, arguments: str = "{}", index: int = 0) -> list[dict[str, object]]:
    """Return the chunks of a call, whose arguments come in two parts."""
    half = len(arguments) // 2
    calls = [
        {
            "index": index,
            "id": f"call_{index}",
            "type": "function",
            "function": {"name": name, "arguments": ""},
        },
        {"index": index, "function": {"arguments": arguments[:half]}},
        {"index": index, "function": {"arguments": arguments[half:]}},
    ]
    return [chunk(tool_calls=[call]) for call in calls]


async def head(writer: asyncio.StreamWriter) -> None:
    """Begin a stream of events."""
    writer.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    await writer.drain()


async def send(writer: asyncio.StreamWriter, data: object) -> None:
    """Send one event: a chunk, or text as it is."""
    text = data if isinstance(data, str) else json.dumps(data)
    event = f"data: {text}\n\n".encode()
    writer.write(f"{len(event):x}\r\n".encode() + event + b"\r\n")
    await writer.drain()


def says(
    *texts: str, gap: float = 0.0, before: Sequence[dict[str, object]] = (), finish: str = "stop"
) -> Act:
    """Stream some texts as a whole reply; each but the first after a gap in seconds."""

    async def act(writer: asyncio.StreamWriter) -> None:
        await head(writer)
        await send(writer, chunk(role="assistant"))
        for data in before:
            await send(writer, data)
        for number, text in enumerate(texts):
            if number and gap:
                await asyncio.sleep(gap)
            await send(writer, chunk(text))
        await send(writer, chunk(finish=finish))
        await send(writer, "[DONE]")
        writer.write(b"0\r\n\r\n")

    return act


def calls(*chunks: dict[str, object]) -> Act:
    """Stream calls of tools as a whole reply."""
    return says(before=chunks, finish="tool_calls")


def begins(*events: object, then: Callable[[], Awaitable[None]] | None = None) -> Act:
    """Begin a reply and break off, after doing something if given."""

    async def act(writer: asyncio.StreamWriter) -> None:
        await head(writer)
        for event in events:
            await send(writer, event)
        if then:
            await then()

    return act


async def stalls() -> None:
    """Do nothing for longer than any test waits."""
    await asyncio.sleep(60)


async def silent(writer: asyncio.StreamWriter) -> None:
    """Send nothing at all."""
    await stalls()


def refuses(status: int, message: str = "", **headers: str) -> Act:
    """Answer with an error."""

    async def act(writer: asyncio.StreamWriter) -> None:
        body = json.dumps({"error": {"message": message, "type": "error"}}).encode()
        lines = [
            f"HTTP/1.1 {status} Error",
            "Content-Type: application/json",
            "Connection: close",
            f"Content-Length: {len(body)}",
        ]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)

    return act


class Server:
    """The server; each request is met by the next of its acts, those beyond by the last.

    Attributes
    ----------
    url : str
        Its base URL.
    bodies : list of dict
        What each request asked for.
    asked : asyncio.Event
        Set when a request has come.
    left : asyncio.Event
        Set when a client has gone before its reply was whole.
    left_after : list of int
        How many requests had come by then, each time.
    """

    def __init__(self, *acts: Act) -> None:
        self.acts, self.bodies, self.url = list(acts), [], ""
        self.asked, self.left, self.left_after = asyncio.Event(), asyncio.Event(), []
        self._tasks: set[asyncio.Task] = set()

    async def __aenter__(self) -> "Server":
        self._server = await asyncio.start_server(self._meet, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.current_task())
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                while await self._one(reader, writer):
                    pass
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Meet one request; return whether the connection can take another."""
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        self.bodies.append(json.loads(await reader.readexactly(int(headers["content-length"]))))
        self.asked.set()
        act = self.acts.pop(0) if len(self.acts) > 1 else self.acts[0]
        acting = asyncio.create_task(act(writer))
        gone = asyncio.create_task(reader.read(1))  # nothing more is sent before the reply is whole
        done, _ = await asyncio.wait({acting, gone}, return_when=asyncio.FIRST_COMPLETED)
        whole = acting in done and not acting.exception()
        if not whole:
            self.left.set()
            self.left_after.append(len(self.bodies))
        for task in (acting, gone):
            task.cancel()
        await asyncio.gather(acting, gone, return_exceptions=True)
        return False


@contextmanager
def serving(*acts: Act) -> Iterator[Server]:
    """Serve in a thread of its own, for whoever brings an event loop of his own."""
    loop, server = asyncio.new_event_loop(), Server(*acts)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result()
    finally:
        asyncio.run_coroutine_threadsafe(server.__aexit__(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
