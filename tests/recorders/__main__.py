"""Record the sample traces: ``python -m tests.recorders pipecat FOLDER``, or ``livekit``.

It needs `pipecat-ai` or `livekit-agents`, and `opentelemetry-sdk`: the project's extra `frameworks`. It runs in
virtual time, to which the framework's clocks are bound, so that it takes seconds and gives the same latencies
each time. The framework is imported in there, because it takes ``time.time`` as a default when it is imported.
"""

import importlib
import sys
from pathlib import Path

from voice_agent_lab import simulate

BEGIN = 1_790_000_000.0  # seconds since 1970: 2026-09-21


async def recorded(framework, folder):
    """Record a conversation in a framework into files in a folder."""
    await importlib.import_module(f"tests.recorders.{framework}_run").record(Path(folder))


if __name__ == "__main__":
    simulate(recorded(*sys.argv[1:]), start=BEGIN, bind_time=True, worker_cost=0.0)
