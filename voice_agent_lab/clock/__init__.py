"""Virtual time for unmodified asyncio code: nothing waits, and every time is exact to the nanosecond.

Nothing here knows of voice agents, and nothing of the package is imported; the room could leave as a
package of its own. It owns the loop and its clock, and what is said when virtual time cannot go on or
means something else than it seems to. `simulation` is the door, `virtual_loop` the clock that jumps,
`event_loop` what any loop owes asyncio, `handles` what is kept of a callback, `trouble` what can go wrong.
"""

from voice_agent_lab.clock.simulation import (
    BlockingCallWarning,
    DeadlockError,
    LivelockError,
    VirtualTimeExceeded,
    VirtualTimeLoop,
    simulate,
)

__all__ = [
    "BlockingCallWarning",
    "DeadlockError",
    "LivelockError",
    "VirtualTimeExceeded",
    "VirtualTimeLoop",
    "simulate",
]
