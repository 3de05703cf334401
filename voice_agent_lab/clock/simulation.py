"""Virtual time: run asyncio code without waiting, exactly and repeatably.

The coroutine that `simulate` runs in a millisecond is the one that `asyncio.run` runs in real time,
and it cannot tell which of them does. The loop behind it is in `virtual_loop`.

>>> async def three_naps():
...     for _ in range(3):
...         await asyncio.sleep(0.1)
...     return asyncio.get_running_loop().time()
>>> simulate(three_naps())
0.3
"""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import closing, contextmanager, nullcontext
from typing import Any, TypeVar

from voice_agent_lab.clock.trouble import (
    BlockingCallWarning,
    DeadlockError,
    LivelockError,
    VirtualTimeExceeded,
)
from voice_agent_lab.clock.virtual_loop import VirtualTimeLoop

__all__ = [
    "BlockingCallWarning",
    "DeadlockError",
    "LivelockError",
    "VirtualTimeExceeded",
    "VirtualTimeLoop",
    "simulate",
]

T = TypeVar("T")


def simulate(
    coro: Coroutine[Any, Any, T],
    *,
    start: float = 0.0,
    max_virtual_time: float | None = None,
    worker_cost: float | None = None,
    bind_time: bool = False,
) -> T:
    """Run a coroutine in virtual time and return its result.

    This is a plain function call, wherever it is made: in a script, in a notebook cell or a
    coroutine (the loop already running there stands still meanwhile), or inside another
    simulation, which has a clock of its own. Tasks and async generators that the coroutine
    leaves behind are cancelled or closed, and awaited, before the call ends, however it ends.
    Meanwhile Python's search for reference cycles runs less often than by default.
    Ctrl-C cancels the coroutine, as it does under `asyncio.run`; a second one stops it at once.

    Parameters
    ----------
    coro : coroutine
        What to run, as for `asyncio.run`.
    start : float
        What the virtual clock reads at first, in seconds.
    max_virtual_time : float, optional
        How many virtual seconds the simulation may last; no limit by default. Ends a
        heartbeat that never stops.
    worker_cost : float, optional
        Virtual seconds that each function given to `asyncio.to_thread` or
        `loop.run_in_executor` takes. By default the real time it took, which differs from
        run to run.
    bind_time : bool
        Whether `time.time`, `time.monotonic`, `time.perf_counter` and their ``_ns`` variants
        read the virtual clock meanwhile, for libraries that do not ask the loop. All of them
        then give `loop.time()`, not seconds since 1970, and do so in every thread; another
        thread that wants to bind them waits. A function imported by name beforehand keeps
        real time, and so do `datetime.now()`, `time.localtime`, `time.strftime` and whatever else
        reads a clock by itself, and `time.process_time`.

    Returns
    -------
    object
        What the coroutine returned; what it raised is raised.

    Raises
    ------
    DeadlockError
        As soon as nothing can ever happen again. It names the tasks that wait, and the threads
        that still run: virtual time waits for none but those of `asyncio.to_thread`.
    LivelockError
        When callbacks have followed one another a million times and the clock could not move.
    VirtualTimeExceeded
        When something is due, but only after `max_virtual_time`.
    TypeError
        If `coro` is not a coroutine or a duration is not a number.
    ValueError
        If a duration is negative or not finite.

    Warns
    -----
    BlockingCallWarning
        Once, if a callback keeps the loop for more than 0.1 s of real time without computing, as
        `time.sleep` does: that takes no virtual time.

    Examples
    --------
    >>> async def wait_for_an_hour():
    ...     await asyncio.sleep(3600)
    ...     return asyncio.get_running_loop().time()
    >>> simulate(wait_for_an_hour())
    3600.0
    """
    if not isinstance(coro, Coroutine):
        raise TypeError(f"coro is {coro!r}, not a coroutine: call an async function, as in simulate(main()).")
    try:
        loop = VirtualTimeLoop(  # type: ignore[abstract]  # the methods that refuse are added by a loop
            start=start, max_virtual_time=max_virtual_time, worker_cost=worker_cost
        )
    except (TypeError, ValueError):
        coro.close()  # it will not run, and need not warn that nobody awaited it
        raise
    bound = _time_module_reading(loop) if bind_time else nullcontext()
    with closing(loop), bound, _collecting_garbage_seldom():
        try:
            main = loop.create_task(coro)
            with _interrupt_cancels(main, loop):
                result = loop.run_until_complete(main)
        except BaseException as error:
            try:
                loop.wind_up()
            except Exception as another:
                error.add_note(f"While the simulation was wound up: {type(another).__name__}: {another}")
            raise
        loop.wind_up()
        return result


@contextmanager
def _interrupt_cancels(main: asyncio.Task[Any], loop: VirtualTimeLoop) -> Iterator[None]:
    """Let Ctrl-C cancel the main task between two callbacks, as `asyncio.run` does.

    An interrupt in the middle of a callback could lose a wake-up, and then not all tasks could
    clean up. A second one does not wait, for code that never lets the loop run. The handler of a
    loop around this one (another simulation's, `asyncio.run`'s, a notebook cell's) could do nothing
    before this call ends, and steps aside; any other is left in place.
    """
    usual = signal.getsignal(signal.SIGINT)
    replaceable = usual is signal.default_int_handler or (callable(usual) and _inside_a_loop())
    if threading.current_thread() is not threading.main_thread() or not replaceable:
        yield
        return
    interrupted = False

    def interrupt(number: int, frame: object) -> None:
        nonlocal interrupted
        if interrupted or main.done():
            raise KeyboardInterrupt
        interrupted = True
        loop.call_soon(main.cancel)

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    except asyncio.CancelledError:
        if interrupted:
            raise KeyboardInterrupt from None
        raise
    finally:
        signal.signal(signal.SIGINT, usual)


def _inside_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


_time_module = threading.RLock()  # one thread at a time may bind it, or the last to end would leave it bound


@contextmanager
def _time_module_reading(loop: VirtualTimeLoop) -> Iterator[None]:
    """Let the functions of the `time` module read the clock of `loop` for a while."""
    names = ("time", "monotonic", "perf_counter")
    with _time_module:
        before = {name: getattr(time, name) for kind in names for name in (kind, f"{kind}_ns")}
        try:
            for name in before:
                setattr(time, name, (lambda: loop._now) if name.endswith("_ns") else loop.time)
            yield
        finally:
            for name, function in before.items():
                setattr(time, name, function)


@contextmanager
def _collecting_garbage_seldom() -> Iterator[None]:
    """Look for reference cycles every 10,000 new objects for a while, in the main thread.

    Many conversations at once are many live objects and hardly a cycle. To look through them as
    often as Python does by default took a fifth of the time of a thousand concurrent turns. The
    setting is the whole process's, so that simulations in several threads could not put it back.
    """
    youngest, *older = gc.get_threshold()
    if youngest == 0 or threading.current_thread() is not threading.main_thread():  # 0: it is turned off
        yield
        return
    gc.set_threshold(max(youngest, 10_000), *older)
    try:
        yield
    finally:
        gc.set_threshold(youngest, *older)
