"""What every asyncio event loop owes its users, apart from running and from time.

It makes tasks and remembers them, closes async generators that were left unfinished, calls functions
that would run in a thread, and hands on the errors that nobody awaits. `virtual_loop` adds the clock.
What needs the outside world (sockets, subprocesses, signals) raises `NotImplementedError`, because it
does not follow a virtual clock.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from concurrent.futures import Executor, ThreadPoolExecutor
from itertools import count
from time import perf_counter  # bound here, so that `bind_time` cannot replace it
from typing import Any, NoReturn, TypeVar, TypeVarTuple
from weakref import WeakKeyDictionary

from voice_agent_lab.clock.asyncio_internals import running_loop
from voice_agent_lab.clock.trouble import BlockingWatch

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

Task = asyncio.Task[Any]  # whatever it returns
Future = asyncio.Future[Any]
AsyncStream = AsyncGenerator[Any, Any]
TaskFactory = Callable[..., Future]
ExceptionHandler = Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object]


class LoopWithoutClock(asyncio.AbstractEventLoop):
    """An event loop's tasks, async generators, worker functions and errors; its subclass runs them.

    Parameters
    ----------
    worker_cost : float or None
        As for `simulate`.
    """

    def __init__(self, worker_cost: float | None) -> None:
        # asyncio keeps tasks and generators in sets, whose order differs from run to run; these
        # keep the order of creation, in which they are reported and ended.
        self._births = count()
        self._tasks: WeakKeyDictionary[Future, int] = WeakKeyDictionary()
        self._asyncgens: WeakKeyDictionary[AsyncStream, None] = WeakKeyDictionary()
        self._closed = self._debug = False
        self._thread: int | None = None  # that which runs the loop
        self._worker_cost = worker_cost
        self._blocking = BlockingWatch()
        self._task_factory: TaskFactory | None = None
        self._exception_handler: ExceptionHandler | None = None

    def close(self) -> None:
        """Refuse to run again."""
        if self.is_running():
            raise RuntimeError("Cannot close a running event loop")
        self._closed = True

    def is_running(self) -> bool:
        """Return whether the loop is running."""
        return self._thread is not None

    def is_closed(self) -> bool:
        """Return whether the loop was closed."""
        return self._closed

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("Event loop is closed")

    def _check_free(self) -> None:
        self._check_open()
        if self.is_running():
            raise RuntimeError("This event loop is already running")

    # --- tasks and futures ----------------------------------------------------------------

    def create_future(self) -> Future:
        """Return a new future attached to this loop."""
        return asyncio.Future(loop=self)

    def create_task(
        self,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        name: str | None = None,
        **options: Any,
    ) -> asyncio.Task[T]:
        """Schedule a coroutine as a task; `options` are those of the running Python's `asyncio.Task`."""
        self._check_open()
        if self._task_factory is None:
            task = asyncio.Task(coro, loop=self, name=name, **options)
        else:
            options = {option: value for option, value in options.items() if value is not None}
            task = self._task_factory(self, coro, **options)  # type: ignore[assignment]  # any future
            if name is not None:
                task.set_name(name)
        self._tasks[task] = next(self._births)
        return task

    def set_task_factory(self, factory: TaskFactory | None) -> None:
        """Make tasks with ``factory(loop, coro, **options)``, or with `asyncio.Task` again if None."""
        self._task_factory = _callable_or_none("task factory must be a callable or None", factory)

    def get_task_factory(self) -> TaskFactory | None:
        """Return the task factory, or None."""
        return self._task_factory

    def _pending(self) -> list[Task]:
        return sorted(asyncio.all_tasks(self), key=lambda task: self._tasks.get(task, math.inf))

    # --- async generators -----------------------------------------------------------------

    def _asyncgen_begun(self, generator: AsyncStream) -> None:
        self._asyncgens[generator] = None

    def _asyncgen_dropped(self, generator: AsyncStream) -> None:
        self._asyncgens.pop(generator, None)
        if not self._closed:
            self.call_soon_threadsafe(self.create_task, generator.aclose())

    async def shutdown_asyncgens(self) -> None:
        """Close the async generators that were begun and neither exhausted nor closed."""
        generators = list(self._asyncgens)
        self._asyncgens.clear()
        closings = (generator.aclose() for generator in generators)
        outcomes = await asyncio.gather(*closings, return_exceptions=True)
        for generator, error in zip(generators, outcomes, strict=True):
            if isinstance(error, Exception):
                self._report("exception in an async generator that was closed", error, asyncgen=generator)

    # --- functions that would run in a thread ---------------------------------------------

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Call ``func(*args)`` here and now, and deliver its outcome when its cost has passed.

        Whatever else is due before that goes first, as it would with a real thread. The
        executor is not used. A function that itself waits for the loop would wait for ever.
        """
        self._check_open()
        if self._debug:
            check_callback(func, "run_in_executor")
        future: asyncio.Future[T] = self.create_future()
        result: T | None = None
        error: BaseException | None = None
        began = perf_counter()
        try:
            with running_loop(None):  # as in a thread, where no loop runs
                result = func(*args)
        except StopIteration as stop:  # which a future cannot carry
            error = RuntimeError("func raised StopIteration")
            error.__cause__ = stop
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as raised:
            error = raised
        took = perf_counter() - began
        self._blocking.excuse(took)  # it has a cost, which is its virtual time
        cost = took if self._worker_cost is None else self._worker_cost
        self.call_later(cost, _settle, future, result, error)
        return future

    def set_default_executor(self, executor: Executor) -> None:
        """Accept a `ThreadPoolExecutor`, which will not be used."""
        if not isinstance(executor, ThreadPoolExecutor):
            raise TypeError(f"executor must be ThreadPoolExecutor instance, got {executor!r}")

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 (asyncio's)
        """Do nothing, since there are no threads to join."""

    # --- errors nobody awaits -------------------------------------------------------------

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Hand an error to the exception handler, or log it if there is none or it fails."""
        try:
            (self._exception_handler or type(self).default_exception_handler)(self, context)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            message = "Unhandled error in exception handler"
            self.default_exception_handler({"message": message, "exception": error, "context": context})

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        """Log an error under the name "asyncio"."""
        lines = [context.get("message") or "Unhandled exception in event loop"]
        lines += [f"{k}: {v!r}" for k, v in context.items() if k not in ("message", "exception")]
        error = context.get("exception")
        details = False if error is None else (type(error), error, error.__traceback__)
        logging.getLogger("asyncio").error("\n".join(lines), exc_info=details)

    def _report(self, message: str, error: BaseException, **about: object) -> None:
        self.call_exception_handler({"message": message, "exception": error} | about)

    def set_exception_handler(self, handler: ExceptionHandler | None) -> None:
        """Handle errors with ``handler(loop, context)``, or log them again if None."""
        self._exception_handler = _callable_or_none(
            "A callable object or None is expected as exception handler", handler
        )

    def get_exception_handler(self) -> ExceptionHandler | None:
        """Return the exception handler, or None."""
        return self._exception_handler

    # --- debug mode -----------------------------------------------------------------------

    def get_debug(self) -> bool:
        """Return whether debug mode is on."""
        return self._debug

    def set_debug(self, enabled: bool) -> None:
        """Set whether asyncio records where futures and tasks were created, and the loop checks its callers.

        Then only functions may be called back, and only `call_soon_threadsafe` may be used in
        another thread than the loop's.
        """
        self._debug = enabled

    def _check_caller(self, callback: object, method: str) -> None:
        check_callback(callback, method)
        if self._thread is not None and self._thread != threading.get_ident():
            raise RuntimeError(
                f"Non-thread-safe operation invoked on an event loop other than the current one: "
                f"use call_soon_threadsafe() instead of {method}() in another thread."
            )


def check_callback(callback: object, method: str) -> None:
    """Raise TypeError if `callback`, given to `method`, is not a function, or one that makes a coroutine."""
    if inspect.iscoroutine(callback) or inspect.iscoroutinefunction(callback):
        raise TypeError(f"coroutines cannot be used with {method}(): {callback!r} needs create_task()")
    if not callable(callback):
        raise TypeError(f"a callable object was expected by {method}(), got {callback!r}")


def _callable_or_none(wanted: str, value: T) -> T:
    if value is not None and not callable(value):
        raise TypeError(f"{wanted}, got {value!r}")
    return value


def _settle(future: Future, result: object, error: BaseException | None) -> None:
    if not future.done():  # it may have been cancelled meanwhile
        future.set_result(result) if error is None else future.set_exception(error)


def _needs_the_outside_world(name: str) -> Callable[..., NoReturn]:
    def refuse(self: LoopWithoutClock, *args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError(
            f"loop.{name}() needs the outside world (a socket, subprocess or signal), which does not "
            "follow a virtual clock: run this coroutine in real time, with asyncio.run()."
        )

    return refuse


for _name, _method in vars(asyncio.AbstractEventLoop).items():
    if callable(_method) and not _name.startswith("_") and _name not in vars(LoopWithoutClock):
        setattr(LoopWithoutClock, _name, _needs_the_outside_world(_name))
