"""An event loop whose clock jumps: the machinery behind `simulation.simulate`.

An event loop does two things. It runs the callbacks that are ready, and when there are none it
waits for the next timer. `VirtualTimeLoop` does the first as every asyncio loop does, and instead
of waiting it moves its clock. Tasks, queues, timeouts and async generators remain asyncio's own;
what a loop does for them, whatever its clock, is in `event_loop`.

**Conventions.** Callers see seconds as `float`, as in asyncio. Inside, the clock counts integer
nanoseconds, so that 3 x 0.1 s *is* 0.3 s and two things due at the same time tie. What is due at
one instant happens first in, first out; the tasks that it wakes go on after all of it, as in asyncio.
The clock moves only when nothing is left to do at the present instant, and never backwards. Seconds as
`float` tell nanoseconds apart for 26 days.
"""

from __future__ import annotations

import asyncio
import math
import sys
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context
from heapq import heappop, heappush
from numbers import Real
from typing import Any, NoReturn, TypeVar

from voice_agent_lab.clock.asyncio_internals import END_SLEEP, running_loop, whereabouts
from voice_agent_lab.clock.event_loop import LoopWithoutClock

T = TypeVar("T")


class DeadlockError(RuntimeError):
    """Tasks are waiting and nothing is left that could wake them; the message says who waits where."""


class VirtualTimeExceeded(RuntimeError):  # noqa: N818 (it says what happened)
    """The simulation was about to run past its `max_virtual_time`."""


class VirtualTimeLoop(LoopWithoutClock):
    """An asyncio event loop whose clock jumps to the next event.

    `simulate` is the usual way in; this is for code that takes a loop, such as
    ``asyncio.Runner(loop_factory=VirtualTimeLoop)``.

    Parameters
    ----------
    start, max_virtual_time, worker_cost : float
        As for `simulate`.
    """

    def __init__(
        self, *, start: float = 0.0, max_virtual_time: float | None = None, worker_cost: float | None = None
    ) -> None:
        super().__init__(None if worker_cost is None else _nanoseconds("worker_cost", worker_cost) / 1e9)
        self._now = _nanoseconds("start", start)
        self._allowance = math.inf
        if max_virtual_time is not None:
            self._allowance = _nanoseconds("max_virtual_time", max_virtual_time)
        self._limit = self._now + self._allowance
        self._ready: deque[_Handle] = deque()  # what to run at the present instant, in order
        self._instants: list[int] = []  # the later instants at which something is due: a heap
        # What is due at each, in order: ties need no rule. An endless sleep is due at no instant, but kept.
        self._due: dict[float, list[_Entry]] = {math.inf: []}
        self._awaited: asyncio.Future | None = None  # by run_until_complete
        self._stop_request: _Handle | None = None
        self.call_soon = self._make_call_soon()

    # --- time -----------------------------------------------------------------------------

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._now / 1e9

    # One of the next two runs for every event. Hence a closure, which costs a turn 3 % less than a
    # method but cannot be overridden; `*call` for (callback, *args), kept as the tuple that it is; and
    # no handle for a sleep.

    def _make_call_soon(self) -> Callable[..., _Handle]:
        append = self._ready.append

        def call_soon(*call: Any, context: Context | None = None) -> _Handle:
            """Call ``callback(*args)`` at the present instant, after all that is already ready."""
            handle = _Handle()
            handle._call = call
            handle._context = copy_context() if context is None else context
            append(handle)
            return handle

        return call_soon

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> _Handle:
        """Call ``callback(*args)`` in `delay` seconds, or at the present instant if that is negative."""
        try:  # at least 1 ns, or who sleeps until the clock has passed a deadline would never get there
            when = self._now + (round(delay * 1e9) or delay > 0)
        except OverflowError:
            when = math.inf if delay > 0 else self._now
        if callback is END_SLEEP and args[1] is None:
            entry, handle = args[0], _ASLEEP  # the future that is to have no result, as most sleeps do
        else:
            entry = handle = _timer(when, (callback, *args), context)
        if when in self._due:
            self._due[when].append(entry)
        elif when > self._now:
            self._due[when] = [entry]
            heappush(self._instants, when)
        else:
            self._ready.append(_handle_of(entry))
        return handle

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> _Handle:
        """Call ``callback(*args)`` when the clock reads `when` seconds, or now if it has."""
        return self.call_later(when - self.time(), callback, *args, context=context)

    def call_soon_threadsafe(self, *call: Any, context: Context | None = None) -> _Handle:
        """Do as `call_soon` does, from any thread.

        The loop never waits for real, so it hears another thread only while a function given
        to an executor keeps it busy; otherwise it may be over before the thread has called.
        """
        self._check_open()
        return self.call_soon(*call, context=context)  # appending to a deque is atomic

    def _end_of_events(self) -> NoReturn:
        waiting = [f"\n  {task.get_name()} {whereabouts(task)}" for task in self._pending()]
        raise DeadlockError(
            f"nothing can happen any more after {self.time()} s of virtual time, and "
            + (f"these tasks wait:{''.join(waiting)}" if waiting else "no task is left.")
        )

    def _end_of_allowance(self, when: int) -> None:
        if all(entry.cancelled() for entry in self._due[when]):
            return
        heappush(self._instants, when)  # the clean-up has an allowance of its own
        raise VirtualTimeExceeded(
            f"max_virtual_time of {self._allowance / 1e9} s is used up and more is due at {when / 1e9} s: "
            "allow more, or end the task that keeps the clock going, one of "
            f"{', '.join(task.get_name() for task in self._pending())}."
        )

    # --- running --------------------------------------------------------------------------

    def run_forever(self) -> None:
        """Run until `stop` is called, or nothing is left to run (`DeadlockError`)."""
        self._check_free()
        ready, next_ready = self._ready, self._ready.popleft
        instants, take_due = self._instants, self._due.pop
        hooks = sys.get_asyncgen_hooks()
        self._running = True
        try:
            sys.set_asyncgen_hooks(self._asyncgen_begun, self._asyncgen_dropped)
            with running_loop(self):
                while True:
                    while ready:
                        handle = next_ready()
                        if (call := handle._call) is not None:
                            try:
                                handle._context.run(*call)
                            except (SystemExit, KeyboardInterrupt, _Stop):
                                raise
                            except BaseException as error:
                                self._report(f"Exception in callback {call[0]!r}", error, handle=handle)
                    when = heappop(instants) if instants else self._end_of_events()
                    if when > self._limit:
                        self._end_of_allowance(when)
                    due = iter(take_due(when))
                    for entry in due:
                        if type(entry) is not _Handle:
                            if not entry.done():  # if all is cancelled, the clock need not stop here
                                self._now = when
                                entry.set_result(None)  # which makes its task ready
                        elif entry._call is not None:
                            self._now = when  # all callbacks go before tasks that wake, as in asyncio
                            ready.extendleft(reversed([entry, *map(_handle_of, due)]))
                            break
        except _Stop:
            pass
        finally:
            self._running = False
            sys.set_asyncgen_hooks(*hooks)
            if self._stop_request is not None:
                self._stop_request.cancel()  # or an interrupted loop would stop when run again
                self._stop_request = None

    def run_until_complete(self, future: Awaitable[T]) -> T:
        """Run until `future`, or a task made of it, is done; return its result or raise its exception."""
        self._check_free()
        future = asyncio.ensure_future(future, loop=self)
        future.add_done_callback(self._stop_when_done)
        self._awaited = future
        try:
            self.run_forever()
        except BaseException:
            if future.done() and not future.cancelled():
                future.exception()  # what is being raised: do not report it as never seen as well
            raise
        finally:
            self._awaited = None
            future.remove_done_callback(self._stop_when_done)
        if not future.done():
            raise RuntimeError("Event loop stopped before Future completed.")
        return future.result()

    def _stop_when_done(self, future: asyncio.Future) -> None:
        # After a KeyboardInterrupt this may come late, and must not stop the run that cleans up.
        if future is self._awaited:
            self.stop()

    def stop(self) -> None:
        """Stop after the callbacks that are ready now."""
        if self._stop_request is None:
            self._stop_request = self.call_soon(_raise_stop)

    def wind_up(self) -> None:
        """Cancel and await every task, then close every async generator, in order of creation."""
        self._limit = self._now + self._allowance  # for a task that cleans up for ever
        try:
            self._cancel_tasks()
        finally:
            self.run_until_complete(self.shutdown_asyncgens())
            self._cancel_tasks()  # those that the generators started as they ended

    def _cancel_tasks(self) -> None:
        while tasks := self._pending():  # cleaning up may start tasks of its own
            for task in tasks:
                task.cancel()
            self.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            for task in tasks:
                if not task.cancelled() and (error := task.exception()) is not None:
                    self._report("exception in a task that was cancelled at the end", error, task=task)


class _Handle:
    """A callback that is due, and its arguments; None once it is cancelled."""

    __slots__ = ("_call", "_context", "_when")

    def cancel(self) -> None:
        """Do not call back after all."""
        self._call = self._context = None

    def cancelled(self) -> bool:
        """Return whether the callback was cancelled."""
        return self._call is None

    def when(self) -> float:
        """Return when the timer is due, in seconds on the loop's clock."""
        return self._when / 1e9


_Entry = _Handle | asyncio.Future  # a sleep is kept as the future that it waits for
_ASLEEP = _Handle()  # what every sleep gets as its handle, and cancels at its end, to no effect


def _handle_of(entry: _Entry) -> _Handle:
    return entry if type(entry) is _Handle else _timer(0, (END_SLEEP, entry, None), None)


def _timer(when: float, call: tuple, context: Context | None) -> _Handle:
    handle = _Handle()
    handle._when = when
    handle._call = call
    handle._context = copy_context() if context is None else context
    return handle


class _Stop(BaseException):
    """Raised by the callback that `stop` schedules, to leave the loop."""


def _raise_stop() -> NoReturn:
    raise _Stop


def _nanoseconds(name: str, seconds: float) -> int:
    if not isinstance(seconds, Real):
        raise TypeError(f"{name} is {seconds!r}, not a number: give seconds, such as 1.5.")
    if not 0 <= seconds * 1e9 < math.inf:
        raise ValueError(f"{name} is {seconds!r}, negative or not finite: give 0 s or more.")
    return round(seconds * 1e9)
