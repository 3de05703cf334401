"""Virtual time for unmodified asyncio code: nothing waits, and every time is exact to the nanosecond.

Nothing here knows of voice agents; the room could leave as a package of its own. `simulation` is the
door, `virtual_loop` the clock that jumps, `event_loop` what any loop owes asyncio.
"""

from voice_agent_lab.clock.simulation import DeadlockError, VirtualTimeExceeded, VirtualTimeLoop, simulate

__all__ = ["DeadlockError", "VirtualTimeExceeded", "VirtualTimeLoop", "simulate"]
