"""What the virtual loop keeps of each callback: a handle, or for a sleep only the future it waits for."""

from __future__ import annotations

import asyncio
from contextvars import Context, copy_context
from typing import Any

from voice_agent_lab.clock.asyncio_internals import END_SLEEP


class Handle:
    """A callback that is due, and its arguments; None once it is cancelled."""

    __slots__ = ("_call", "_context", "_when")
    _call: tuple[Any, ...] | None
    _context: Context
    _when: float  # nanoseconds

    def cancel(self) -> None:
        """Do not call back after all."""
        self._call = None

    def cancelled(self) -> bool:
        """Return whether the callback was cancelled."""
        return self._call is None

    def when(self) -> float:
        """Return when the timer is due, in seconds on the loop's clock."""
        return self._when / 1e9


Entry = Handle | asyncio.Future[Any]

#: What every sleep gets as its handle, and cancels at its end, to no effect.
ASLEEP = Handle()


def make_handle(when: float, call: tuple[Any, ...], context: Context | None = None) -> Handle:
    """Return the handle of a call, due at `when` nanoseconds, in this context if no other is given."""
    handle = Handle()
    handle._when = when
    handle._call = call
    handle._context = copy_context() if context is None else context
    return handle


def handle_of(entry: Entry) -> Handle:
    """Return a handle, or that which ends a sleep."""
    return entry if isinstance(entry, Handle) else make_handle(0, (END_SLEEP, entry, None))
