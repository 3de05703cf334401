"""What can go wrong with virtual time: how it is noticed, and the sentence that says it.

Nothing can happen any more (`DeadlockError`), or things happen on and on and the clock cannot move
(`LivelockError`), or it moves on and on (`VirtualTimeExceeded`), or somebody waits for real, which
takes no virtual time (`BlockingCallWarning`).
"""

from __future__ import annotations

import asyncio
import math
import sys
import threading
import warnings
from collections.abc import Iterable
from time import perf_counter, process_time, sleep  # bound here, so that `bind_time` cannot replace them
from typing import Any

try:
    import resource
except ModuleNotFoundError:  # as on Windows
    resource = None  # type: ignore[assignment]

from voice_agent_lab.clock.asyncio_internals import describe, whereabouts
from voice_agent_lab.clock.handles import Entry, handle_of

#: So many seconds without computing are a blocking call. Shorter ones hide among the machine's own pauses.
BLOCKING = 0.1
#: Who computes gets more than this share of the time, even on a machine that others use as well.
COMPUTING = 0.1


class DeadlockError(RuntimeError):
    """Tasks are waiting and nothing is left that could wake them; the message says who waits where."""


class LivelockError(RuntimeError):
    """Callbacks follow one another without end at one instant; the message names them."""


class VirtualTimeExceeded(RuntimeError):  # noqa: N818 (it says what happened)
    """The simulation was about to run past its `max_virtual_time`."""


class BlockingCallWarning(RuntimeWarning):
    """A callback waited for real, which takes no virtual time; the message names it."""


def deadlock(now: float, waiting: Iterable[asyncio.Task[Any]], threads: list[str]) -> DeadlockError:
    """Return the error for tasks that wait for ever, and what else still runs."""
    tasks = [f"\n  {task.get_name()} {whereabouts(task)}" for task in waiting]
    who = f"these tasks wait:{''.join(tasks)}" if tasks else "no task is left."
    if threads:
        one = len(threads) == 1
        who += (
            f"\n{'A thread' if one else 'Threads'} ({', '.join(threads)}) {'is' if one else 'are'} still "
            "running, for which virtual time does not wait: use asyncio.to_thread or loop.run_in_executor, "
            "or run in real time, with asyncio.run()."
        )
    return DeadlockError(f"nothing can happen any more after {now} s of virtual time, and {who}")


def livelock(now: float, rounds: int, ready: Iterable[Entry]) -> LivelockError:
    """Return the error for callbacks that follow one another without end at one instant."""
    calls = [handle_of(entry)._call for entry in ready]
    names = list(dict.fromkeys(describe(call[0]) for call in calls if call is not None))
    named = "; ".join(names[:3]) + (f"; and {len(names) - 3} more" if len(names) > 3 else "")
    return LivelockError(
        f"callbacks have followed one another {rounds:,} times at {now} s of virtual time, and the clock "
        f"moves only when none is left: {named}. Await asyncio.sleep() with more than 0 s there."
    )


def exceeded(allowance: float, due: float, pending: Iterable[asyncio.Task[Any]]) -> VirtualTimeExceeded:
    """Return the error for a simulation that is about to last longer than it may."""
    return VirtualTimeExceeded(
        f"max_virtual_time of {allowance} s is used up and more is due at {due} s: allow more, or end the "
        f"task that keeps the clock going, one of {', '.join(task.get_name() for task in pending)}."
    )


class ThreadWatch:
    """Which threads have been started since, or are at work in a pool that is older."""

    def __init__(self) -> None:
        self._older = frozenset(thread.ident for thread in threading.enumerate())

    def at_work(self) -> list[str]:
        """Return the names of the threads for which somebody here may be waiting."""
        here = (threading.main_thread(), threading.current_thread())
        alive = [thread for thread in threading.enumerate() if thread not in here]
        if pools := {thread for thread in alive if thread.ident in self._older and not thread.daemon}:
            sleep(0.01)  # lets them take up what they were given a moment ago
        frames = sys._current_frames()

        def is_idle(thread: threading.Thread) -> bool:
            frame = frames.get(thread.ident or 0)
            return frame is None or frame.f_code.co_name == "_worker"  # where it waits for work

        return [t.name for t in alive if t.ident not in self._older or (t in pools and not is_idle(t))]


def _times_given_up() -> float:
    """Return how often this thread gave up its processor by itself, as who waits does."""
    if resource is None or sys.platform == "win32":
        return math.inf  # not known: perhaps often
    return resource.getrusage(getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF)).ru_nvcsw


def _queued() -> float:
    """Return for how many seconds this thread has been ready to run and had no processor, if Linux tells."""
    try:
        with open("/proc/thread-self/schedstat", "rb") as file:
            return int(file.read().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0


class BlockingWatch:
    """Notice a callback that waits for real: much time passes and next to nothing is computed.

    The loop reads the clock after each instant, and asks here when it is past the deadline that it got
    last. Time is compared with the computing of the whole process, and the thread must
    have given up its processor by itself: neither heavy computing, in whatever thread, nor a
    machine that is busy otherwise is taken for a wait.
    """

    INTERVAL = 0.01  # seconds between two looks, which is how exactly an instant's own time is known

    def __init__(self) -> None:
        self._excused = 0.0
        self._warned = False

    def begin(self) -> float:
        """Return the first deadline, as a reading of `time.perf_counter`."""
        self._wall, self._computed, self._given_up = perf_counter(), process_time(), _times_given_up()
        self._queued = _queued()
        return math.inf if self._warned else self._wall + self.INTERVAL

    def excuse(self, seconds: float) -> None:
        """Do not count seconds that have a virtual cost of their own."""
        self._excused += seconds

    def look(self, call: tuple[Any, ...] | None) -> float:
        """Warn if an instant, which began with this call, blocked; return the next deadline."""
        wall, computed, given_up = self._wall, self._computed, self._given_up
        excused = self._excused - self._queued
        deadline, self._excused = self.begin(), 0.0
        lasted = self._wall - wall - (excused + self._queued)  # others' turn on the processor is no wait
        computing = self._computed - computed
        waited = self._given_up > given_up or self._given_up == math.inf
        if waited and lasted > BLOCKING + self.INTERVAL and computing < COMPUTING * lasted:
            self._warned, deadline = True, math.inf  # once is enough
            warnings.warn(
                f"{describe(call[0]) if call else 'a callback'} blocked for {lasted:.1f} s of real time, "
                "which takes no virtual time. "
                "Instead of time.sleep() or waiting for a file, a network or a lock, await asyncio.sleep() "
                "or asyncio.to_thread() there.",
                BlockingCallWarning,
                stacklevel=6,  # whoever called simulate
            )
        return deadline
