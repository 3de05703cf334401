"""What the virtual loop knows of asyncio's inside: all that is not public, in one place.

`running_loop` and `END_SLEEP` use private names of `asyncio`; `whereabouts` looks into the frames of its
coroutines and `describe` into its callbacks. Without `END_SLEEP` everything still works, only slower.
"""

import asyncio
import functools
import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import AsyncGeneratorType, FrameType
from typing import Any

_ASYNCIO = os.path.dirname(asyncio.__file__)

#: The callback with which `asyncio.sleep` ends: it gives its future a result, unless that is cancelled.
#: A loop that knows it can do so by itself, which saves a simulated turn an eighth of its time.
END_SLEEP = getattr(asyncio.futures, "_set_result_unless_cancelled", None)


@contextmanager
def running_loop(loop: asyncio.AbstractEventLoop | None) -> Iterator[None]:
    """Make `loop` this thread's running loop for a while, in place of the one that is, if any.

    Every third-party loop must set the running loop.
    asyncio refuses to run one loop inside another only because the outer one then stands still,
    which is what a simulation wants: it takes no time. From Python 3.14 on the current task
    belongs to the thread, not to the loop, so it has to step aside as well; it must do so while
    its own loop is the running one.
    """
    outer = asyncio._get_running_loop()
    task = None if outer is None else asyncio.current_task(outer)
    if outer is not None and task is not None:
        asyncio.tasks._leave_task(outer, task)
    asyncio._set_running_loop(loop)
    try:
        yield
    finally:
        asyncio._set_running_loop(outer)
        if outer is not None and task is not None:
            asyncio.tasks._enter_task(outer, task)


def whereabouts(task: asyncio.Task[Any]) -> str:
    """Say where a task waits: the innermost line outside asyncio, and what of asyncio it called."""
    place: FrameType | None = None
    called = ""
    awaited: object = task.get_coro()
    while awaited is not None:
        if type(awaited).__name__.startswith("async_generator_a"):  # a step, as `async for` awaits
            awaited = next((x for x in gc.get_referents(awaited) if isinstance(x, AsyncGeneratorType)), None)
        links = [name for name in ("cr_await", "ag_await", "gi_yieldfrom") if hasattr(awaited, name)]
        if not links:
            break  # a future, or an awaitable written in C: nothing to see inside
        inner = links[0]
        frame = getattr(awaited, f"{inner[:2]}_frame", None)
        if frame is None:
            break  # something that only looks like a coroutine
        if not frame.f_code.co_filename.startswith(_ASYNCIO):
            place, called = frame, ""
        elif not called:
            called = f" for {frame.f_code.co_qualname}"
        awaited = getattr(awaited, inner)
    if place is None:
        return f"waits{called}"
    code = place.f_code
    return f"waits{called} in {code.co_qualname}, {os.path.basename(code.co_filename)}:{place.f_lineno}"


def describe(callback: Callable[..., object]) -> str:
    """Name a callback of the loop: the task that it steps, and where that waits, or the function."""
    task = getattr(callback, "__self__", None)
    if isinstance(task, asyncio.Task):
        coro = getattr(task.get_coro(), "__qualname__", "a coroutine")
        return f"task {task.get_name()} ({coro}, which {'is done' if task.done() else whereabouts(task)})"
    while isinstance(callback, functools.partial):
        callback = callback.func
    code = getattr(callback, "__code__", None)
    place = f", {os.path.basename(code.co_filename)}:{code.co_firstlineno}" if code else ""
    return f"callback {getattr(callback, '__qualname__', repr(callback))}{place}"
