"""How streams meet: running ahead, keeping a deadline, and naming the stage that failed.

A chain of async generators looks concurrent and is not: while the last one sleeps, the ones before
it stand still, because nobody asks them for the next item. `RunAhead` is the one cure used here: a
task that keeps asking, and a queue that keeps what it got.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from math import inf
from typing import Any, Generic, TypeVar

from voice_agent_lab.measure.log import record_failure, to_the_nanosecond

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

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel between processes as the sentence and the stage; a cause may not be able to."""
        return _stage_error, (str(self), self.stage), self.__dict__


def _stage_error(sentence: str, stage: str) -> StageError:
    error = StageError.__new__(StageError, sentence)
    RuntimeError.__init__(error, sentence)
    error.stage = stage
    return error


async def sleep_until(deadline: float) -> None:
    """Sleep until the loop's clock shows `deadline` seconds; return at once if it has passed.

    Absolute deadlines do not add up the small delays of each wake-up, as relative sleeps do.
    """
    delay = to_the_nanosecond(deadline - asyncio.get_running_loop().time())
    if delay > 0:
        await asyncio.sleep(delay)


class RunAhead(Generic[Item]):
    """A stream that runs on in a task of its own, from the moment this is made, however busy its reader is.

    It is read one item at a time, by ``async for`` or by ``anext``. A reader that is cancelled while it
    waits loses no item. After the end every further read ends in the same way.

    Parameters
    ----------
    stream : async iterator
        What to read. It is closed, if it can be, when its task ends.
    limit : int
        How many unread items may wait in the queue, beside the one in hand; 0 for any number.
    name : str, optional
        What to call the task.
    """

    def __init__(self, stream: AsyncIterator[Item], limit: int = 0, name: str | None = None) -> None:
        self._items: deque[Item] = deque()
        self._news, self._taken = asyncio.Event(), asyncio.Event()
        self._limit, self._over = limit or inf, False
        self._failure: BaseException | None = None
        self._stream, self._begun = stream, False
        name = name or f"run_ahead({getattr(stream, '__qualname__', stream)})"
        self._task = asyncio.create_task(self._pump(stream), name=name)

    async def _pump(self, stream: AsyncIterator[Item]) -> None:
        self._begun = True
        try:
            try:
                async for item in stream:
                    while len(self._items) >= self._limit:
                        self._taken.clear()
                        await self._taken.wait()
                    self._items.append(item)
                    self._news.set()
            finally:
                if hasattr(stream, "aclose"):
                    await stream.aclose()
        except BaseException as error:  # of any class: whoever reads must not wait for ever
            self._failure = error
            if isinstance(error, asyncio.CancelledError):
                raise
        finally:
            self._end()

    def _end(self) -> None:
        self._over = True
        self._news.set()

    def __aiter__(self) -> "RunAhead[Item]":
        return self

    async def __anext__(self) -> Item:
        """Return the next item; when there are no more, raise what the stream raised."""
        while not self._items:
            if self._over:
                raise self._failure or StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        self._taken.set()
        return self._items.popleft()

    def available(self) -> list[Item]:
        """Return the items that are there already, without waiting; raise what the stream raised, if it has."""
        if self._failure and not self._items:
            raise self._failure
        items = list(self._items)
        self._items.clear()
        self._taken.set()
        return items

    def put_back(self, item: Item) -> None:
        """Take an item back that a reader had taken and could not use; it is the next to be read."""
        self._items.appendleft(item)
        self._news.set()

    def cancel(self) -> None:
        """Begin to end the stream; `aclose` waits for that."""
        self._task.cancel()

    async def aclose(self) -> None:
        """End the task and close the stream."""
        await ended(self._task)
        if not self._begun:
            self._begun = True
            self._end()
            if hasattr(self._stream, "aclose"):
                await self._stream.aclose()


async def run_ahead(stream: AsyncIterator[Item], limit: int = 0) -> AsyncGenerator[Item]:
    """Yield the items of `stream`, which runs ahead of its reader from the first read on.

    The lazy form of `RunAhead`: what is never read never runs.

    Parameters
    ----------
    stream, limit
        As of `RunAhead`. The stream is closed, if it can be, when this generator is.

    Raises
    ------
    BaseException
        Whatever `stream` raises, after the items it gave before.
    """
    ahead = RunAhead(stream, limit)
    try:
        async for item in ahead:
            yield item
    finally:
        await ahead.aclose()


async def ended(*tasks: asyncio.Task[Any]) -> None:
    """Cancel some tasks and wait until they have ended, what they raise notwithstanding.

    A cancellation of the waiting itself reaches the tasks too, so that one that is slow to end is
    hurried, and is raised when all have ended. So nothing is left running, however often it is
    repeated.
    """
    cancelled = None
    for task in tasks:
        task.cancel()
    while unfinished := [task for task in tasks if not task.done()]:
        try:
            await asyncio.wait(unfinished)
        except asyncio.CancelledError as error:
            cancelled = error
            for task in unfinished:
                task.cancel()
    for task in tasks:
        if not task.cancelled():
            task.exception()  # seen; asyncio need not report it
    if cancelled is not None:
        raise cancelled


class named:  # noqa: N801  # reads as a statement; a generator would cost three times as much
    """Record any failure of what is done here, and raise `StageError` with the stage's name.

    An error that already names a stage further up the stream passes unchanged. A ``CancelledError``
    that nobody ordered is a failure like any other. What is no ``Exception`` otherwise, such as the
    outcome of ``pytest.fail``, is raised as it is, with the stage's name in a note.

    Parameters
    ----------
    stage : str
        Whose work is done here.
    """

    __slots__ = ("stage",)

    def __init__(self, stage: str) -> None:
        self.stage = stage

    def __enter__(self) -> None:
        """Begin the stage's work."""

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        """End it, and name the stage if it failed."""
        if error is None or isinstance(error, StageError):
            return
        if isinstance(error, GeneratorExit | KeyboardInterrupt | SystemExit):  # orders to stop, not failures
            return
        if (named_already := _stage_error_in(error)) is not None:
            raise named_already from error
        if _ordered(error) or not record_failure(self.stage, error):
            return
        if isinstance(error, Exception | asyncio.CancelledError):
            raise StageError(self.stage, error) from error
        error.add_note(f"in stage {self.stage!r} of the turn")


def _stage_error_in(error: BaseException) -> StageError | None:
    """Return the error that names a stage, in the group that a task group made of it."""
    if isinstance(error, BaseExceptionGroup):
        found = (
            _stage_error_in(one) if isinstance(one, BaseExceptionGroup) else one for one in error.exceptions
        )
        return next((one for one in found if isinstance(one, StageError)), None)
    return None


def _ordered(error: BaseException) -> bool:
    """Return whether an error is a cancellation that somebody has asked for."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0


async def guard(
    stage: str, begin: Callable[..., AsyncIterator[Item]], *arguments: object
) -> AsyncGenerator[Item]:
    """Yield the items of the stream ``begin(*arguments)``; a failure of either is the stage's: see `named`.

    The stream is closed at the end, if it can be.
    """
    stream: Any = None
    try:
        with named(stage):
            stream = begin(*arguments)
            async for item in stream:
                yield item
    except (Exception, asyncio.CancelledError):
        await asyncio.sleep(0)  # a generator that it read from and did not close is closed by the loop now
        raise
    finally:
        if hasattr(stream, "aclose"):
            with named(stage):
                await stream.aclose()
