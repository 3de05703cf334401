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
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Generator
from contextvars import Context, copy_context
from heapq import heappop, heappush
from numbers import Real
from operator import itemgetter
from time import perf_counter  # bound here, so that `bind_time` cannot replace it
from typing import Any, NoReturn, TypeVar, cast

from voice_agent_lab.clock.asyncio_internals import END_SLEEP, running_loop
from voice_agent_lab.clock.event_loop import Future, LoopWithoutClock, check_callback
from voice_agent_lab.clock.handles import ASLEEP, Entry, Handle, handle_of, make_handle
from voice_agent_lab.clock.trouble import ThreadWatch, deadlock, exceeded, livelock

T = TypeVar("T")

#: How many times callbacks may follow one another at one instant. It takes a second or two.
PATIENCE = 1_000_000
#: How many times timers that are overdue may do so before they are a nanosecond late.
PROMPTNESS = 1_000
#: How many times they may do so altogether.
LATENESS = 100_000
#: Among the overdue timers: the loop is to stop.
_STOP: tuple[float, Entry] = (-math.inf, ASLEEP)


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
        self._ready: deque[Handle] = deque()  # what to run at the present instant, in order
        self._overdue: list[tuple[float, Entry]] = []  # timers that were set for now or earlier
        self._overdue_rounds: tuple[float, int] = (0, 0)  # how often there were any until which instant
        self._instants: list[int] = []  # the later instants at which something is due: a heap
        # What is due at each, in order: ties need no rule. An endless sleep is due at no instant, but kept.
        self._due: dict[float, list[Entry]] = {math.inf: []}
        self._awaited: Future | None = None  # by run_until_complete
        self._stopping = False
        self._threads = ThreadWatch()
        self._schedule()

    def close(self) -> None:
        """Refuse to run again, and to call back."""
        super().close()
        self.call_soon = self.call_later = _closed  # type: ignore[method-assign, assignment]  # see below

    # --- time -----------------------------------------------------------------------------

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._now / 1e9

    # One of the next two runs for every event. Hence closures, which cost a turn 3 % less than
    # methods but cannot be overridden; `*call` for (callback, *args), kept as the tuple that it is;
    # no handle for a sleep; and debug mode's checks, in functions that take the place of these.

    def _schedule(self) -> None:
        """Make the functions that schedule."""
        ready, overdue, instants, all_due = self._ready.append, self._overdue, self._instants, self._due

        def call_soon(*call: Any, context: Context | None = None) -> Handle:
            """Call ``callback(*args)`` at the present instant, after all that is already ready."""
            handle = Handle()
            handle._call = call
            handle._context = copy_context() if context is None else context
            ready(handle)
            return handle

        def call_later(delay: float, *call: Any, context: Context | None = None) -> Handle:
            """Call ``callback(*args)`` in `delay` seconds, or at the present instant if that is negative."""
            now = self._now
            try:  # at least 1 ns, or who sleeps until the clock has passed a deadline would never get there
                when: Any = now + (round(delay * 1e9) or delay > 0)
            except OverflowError:
                when = delay  # infinite
            if call[0] is END_SLEEP and call[2] is None:
                entry, handle = call[1], ASLEEP  # the future that is to have no result, as most sleeps do
            else:
                entry = handle = make_handle(when, call, context)
            if when in all_due:
                all_due[when].append(entry)
            elif when > now:
                all_due[when] = [entry]
                heappush(instants, when)
            else:
                overdue.append((when, entry))
            return handle

        self.call_soon = call_soon  # type: ignore[method-assign, assignment]  # a closure, as said above
        self.call_later = call_later  # type: ignore[method-assign, assignment]

    def set_debug(self, enabled: bool) -> None:
        """Set debug mode, in which what is scheduled is checked."""
        super().set_debug(enabled)
        self._schedule()
        if not enabled:
            return
        call_soon, call_later = self.call_soon, self.call_later

        def checked_call_soon(*call: Any, context: Context | None = None) -> asyncio.Handle:
            self._check_caller(call[0], "call_soon")
            return call_soon(*call, context=context)

        def checked_call_later(delay: float, *call: Any, context: Context | None = None) -> asyncio.Handle:
            self._check_caller(call[0], "call_later")
            return call_later(delay, *call, context=context)

        self.call_soon = checked_call_soon  # type: ignore[method-assign, assignment]
        self.call_later = checked_call_later  # type: ignore[method-assign, assignment]

    def call_at(  # type: ignore[override]  # a handle of our own
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Handle:
        """Call ``callback(*args)`` when the clock reads `when` seconds, or now if it has."""
        return cast(Handle, self.call_later(when - self.time(), callback, *args, context=context))

    def call_soon_threadsafe(  # type: ignore[override]  # a handle of our own
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Handle:
        """Do as `call_soon` does, from any thread.

        The loop never waits for real, so it hears another thread only while a function given
        to an executor keeps it busy; otherwise it may be over before the thread has called.
        """
        self._check_open()
        if self._debug:
            check_callback(callback, "call_soon_threadsafe")
        handle = make_handle(self._now, (callback, *args), context)
        self._ready.append(handle)  # appending to a deque is atomic
        return handle

    # --- running --------------------------------------------------------------------------

    def run_forever(self) -> None:
        """Run until `stop` is called, nothing is left to run, or the clock stands still for ever."""
        self._check_free()
        hooks = sys.get_asyncgen_hooks()
        self._thread = threading.get_ident()
        try:
            sys.set_asyncgen_hooks(self._asyncgen_begun, self._asyncgen_dropped)
            with running_loop(self):
                self._run()
        finally:
            self._thread, self._stopping = None, False
            self._overdue[:] = [timer for timer in self._overdue if timer is not _STOP]
            sys.set_asyncgen_hooks(*hooks)

    def _run(self) -> None:
        # Callbacks go in rounds, as in asyncio: what is scheduled in one round is run in the next.
        # All in one function, because to call another for every instant would cost a turn a tenth;
        # and the real time is looked at once an instant, because once a callback would cost as much.
        ready, next_ready, overdue = self._ready, self._ready.popleft, self._overdue
        instants, take_due, limit = self._instants, self._due.pop, self._limit
        clock, deadline = perf_counter, self._blocking.begin()
        if overdue and not self._stopping:
            self._catch_up()
        first = ready[0] if ready else None  # of the instant
        while True:
            rounds = 0
            while ready:
                last = ready[-1]
                while True:
                    handle = next_ready()
                    if (call := handle._call) is not None:
                        try:
                            handle._context.run(*call)
                        except (SystemExit, KeyboardInterrupt):
                            raise
                        except BaseException as error:
                            self._report(f"Exception in callback {call[0]!r}", error, handle=handle)
                    if handle is last:
                        break
                if overdue and self._catch_up():
                    return
                rounds += 1
                if rounds > PATIENCE:
                    raise livelock(self.time(), PATIENCE, ready)
            if overdue and self._catch_up():  # nothing was ready at first
                return
            if ready:
                continue
            if clock() > deadline:
                deadline = self._blocking.look(first._call if first is not None else None)
            if not instants:
                self._check_alive()
                continue
            when = heappop(instants)
            if when > limit:
                self._check_allowance(when)
            due = iter(take_due(when))
            for entry in due:
                if type(entry) is not Handle:
                    if not entry.done():  # type: ignore[union-attr]  # a future; isinstance takes longer
                        self._now = when  # if all is cancelled, the clock need not stop here
                        entry.set_result(None)  # type: ignore[union-attr]  # which makes its task ready
                elif entry._call is not None:
                    self._now = when
                    # The tasks that are awake already go on after this round, as in asyncio. Nothing is
                    # lost that a thread or Ctrl-C adds meanwhile.
                    woken = [next_ready() for _ in range(len(ready))]
                    ready.extendleft(reversed([*map(handle_of, [entry, *due])]))
                    ready.appendleft(make_handle(when, (ready.extend, woken)))
                    first = entry
                    break
            else:
                first = ready[0] if ready else None  # of the instant

    def _check_alive(self) -> None:
        threads = self._threads.at_work()
        if not self._ready:  # not even from a thread, at the last moment
            raise deadlock(self.time(), self._pending(), threads)

    def _check_allowance(self, when: int) -> None:
        if not all(entry.cancelled() for entry in self._due[when]):
            heappush(self._instants, when)  # the clean-up has an allowance of its own
            raise exceeded(self._allowance / 1e9, when / 1e9, self._pending())

    def _catch_up(self) -> bool:
        """Make timers ready that were set for now or earlier: by time, then in order.

        Return whether the loop is to stop instead; then they wait for the next run.

        In real time, one that sets the next for the same instant again and again, because of a
        rest that was lost in rounding, is over soon: the clock has moved meanwhile. So it does here.
        """
        if self._stopping:
            return True
        instant, rounds = self._overdue_rounds
        rounds = rounds + 1 if instant == self._now else 1
        self._overdue_rounds = self._now, rounds
        entries: list[Entry] = [entry for _, entry in sorted(self._overdue, key=itemgetter(0))]
        if rounds <= PROMPTNESS:
            self._ready.extend(map(handle_of, entries))
        elif rounds > LATENESS:
            self._overdue_rounds = self._now, 0  # the clean-up has patience of its own
            raise livelock(self.time(), LATENESS, entries)
        else:
            soon = self._now + 1
            if soon not in self._due:
                heappush(self._instants, soon)
            self._due[soon] = entries + self._due.get(soon, [])
            self._overdue_rounds = soon, rounds
        self._overdue.clear()
        return False

    def run_until_complete(self, awaitable: Generator[Any, None, T] | Awaitable[T]) -> T:
        """Run until a future, or a task made of `awaitable`, is done; return its result or raise its error."""
        self._check_free()
        future: asyncio.Future[T] = asyncio.ensure_future(cast(Awaitable[T], awaitable), loop=self)
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

    def _stop_when_done(self, future: Future) -> None:
        # After a KeyboardInterrupt this may come late, and must not stop the run that cleans up.
        if future is self._awaited:
            self.stop()

    def stop(self) -> None:
        """Stop after this round of callbacks; what they schedule waits for the next run."""
        if not self._stopping:
            self._stopping = True
            self._overdue.append(_STOP)

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
            with running_loop(self):  # or gather would look for another, and make one where there is none
                ended = asyncio.gather(*tasks, return_exceptions=True)
            self.run_until_complete(ended)
            for task in tasks:
                if not task.cancelled() and (error := task.exception()) is not None:
                    self._report("exception in a task that was cancelled at the end", error, task=task)


def _closed(*call: object, context: Context | None = None) -> NoReturn:
    raise RuntimeError("Event loop is closed")


def _nanoseconds(name: str, seconds: float) -> int:
    if not isinstance(seconds, Real):
        raise TypeError(f"{name} is {seconds!r}, not a number: give seconds, such as 1.5.")
    if not 0 <= seconds * 1e9 < math.inf:
        raise ValueError(f"{name} is {seconds!r}, negative or not finite: give 0 s or more.")
    return round(seconds * 1e9)
