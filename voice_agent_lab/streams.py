"""How streams meet: running ahead, keeping a deadline, and naming the stage that failed.

A chain of async generators looks concurrent and is not: while the last one sleeps, the ones before
it stand still, because nobody asks them for the next item. `run_ahead` is the one cure used here:
a task that keeps asking, and a queue that keeps what it got.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from math import inf
from typing import TypeVar

from voice_agent_lab.measure.log import record

Item = TypeVar("Item")


class StageError(RuntimeError):
    """A stage of the turn failed; `stage` is its name, ``__cause__`` the exception that it raised.

    Examples
    --------
    >>> class Unreachable(StreamingLLM):
    ...     def generate_response(self, prompt):
    ...         raise ConnectionError("the service does not answer")
    >>> agent = StreamingVoiceAgent(llm=Unreachable())
    >>> try:
    ...     simulate(agent.process_turn("Hello!"))
    ... except StageError as error:
    ...     print(error.stage, "|", error)
    llm | stage 'llm' failed: ConnectionError: the service does not answer
    """

    def __init__(self, stage: str, cause: BaseException) -> None:
        super().__init__(f"stage {stage!r} failed: {type(cause).__name__}: {cause}")
        self.stage = stage


async def sleep_until(deadline: float) -> None:
    """Sleep until the loop's clock shows `deadline` seconds; return at once if it has passed.

    Absolute deadlines do not add up the small delays of each wake-up, as relative sleeps do.
    """
    delay = round(deadline - asyncio.get_running_loop().time(), 9)
    if delay > 0:
        await asyncio.sleep(delay)


async def run_ahead(stream: AsyncIterator[Item], limit: int = 0) -> AsyncIterator[Item]:
    """Yield the items of `stream`, which runs on in a task of its own while the reader is busy.

    Parameters
    ----------
    stream : async iterator
        What to read. It is closed, if it can be, when this generator is.
    limit : int
        How many unread items may wait in the queue, beside the one in hand; 0 for any number.

    Raises
    ------
    Exception
        Whatever `stream` raises, after the items it gave before.
    """
    queue: asyncio.Queue[tuple[bool, Item | BaseException | None]] = asyncio.Queue()
    room = asyncio.Semaphore(limit or inf)  # for items; there is always room for the end

    async def pump() -> None:
        try:
            async for item in stream:
                await room.acquire()
                queue.put_nowait((True, item))
        except (Exception, asyncio.CancelledError) as error:  # cancelled from within or from without
            queue.put_nowait((False, error))
        else:
            queue.put_nowait((False, None))

    task = asyncio.create_task(pump(), name=f"run_ahead({getattr(stream, '__qualname__', stream)})")
    try:
        while True:
            is_item, value = await queue.get()
            if is_item:
                room.release()
                yield value
            elif value is None:
                return
            else:
                raise value
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if hasattr(stream, "aclose"):
            await stream.aclose()


@contextmanager
def named(stage: str) -> Iterator[None]:
    """Record any failure of what is done here, and raise `StageError` with the stage's name.

    An error that already names a stage further up the stream passes unchanged.
    """
    try:
        yield
    except StageError:
        raise
    except Exception as error:
        record(stage, "failed", error=f"{type(error).__name__}: {error}")
        raise StageError(stage, error) from error


async def guard(
    stage: str, begin: Callable[..., AsyncIterator[Item]], *arguments: object
) -> AsyncIterator[Item]:
    """Yield the items of the stream ``begin(*arguments)``; a failure of either is the stage's: see `named`.

    The stream is closed at the end, if it can be.
    """
    stream = None
    try:
        with named(stage):
            stream = begin(*arguments)
            async for item in stream:
                yield item
    finally:
        if hasattr(stream, "aclose"):
            with named(stage):
                await stream.aclose()
