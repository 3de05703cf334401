"""Print what a turn of the agent costs: milliseconds of computing in virtual time, and memory that it keeps.

    python -m tests.benchmarks.turn_report [--turns 300]

To be run from the top of the repository. The time is the process's own, which a busy machine disturbs less
than the clock on the wall.
"""

import argparse
import gc
import platform
import time
import tracemalloc
from collections.abc import Callable

from voice_agent_lab import StreamingVoiceAgent, preset, simulate
from voice_agent_lab.measure.samples import Estimate, percentile

PROMPT = "What's the weather like?"
AGENTS: dict[str, Callable[[], StreamingVoiceAgent]] = {
    "as it comes": StreamingVoiceAgent,
    "`tuned-cascade-2025`": lambda: preset("tuned-cascade-2025").agent(),
    "`pipecat-defaults`": lambda: preset("pipecat-defaults").agent(),
}


def milliseconds(make: Callable[[], StreamingVoiceAgent], turns: int) -> Estimate:
    """Return the median milliseconds that a turn takes, after ten that warm up."""
    agent, took = make(), []
    for _ in range(10 + turns):
        began = time.process_time()
        simulate(agent.process_turn(PROMPT))
        took.append(1000 * (time.process_time() - began))
    return percentile(took[10:])


def kilobytes(make: Callable[[], StreamingVoiceAgent], turns: int) -> float:
    """Return the kilobytes of Python and numpy memory by which an agent grows with each turn."""
    agent = make()
    simulate(agent.process_turn(PROMPT))
    gc.collect()
    tracemalloc.start()
    for _ in range(turns):
        simulate(agent.process_turn(PROMPT))
    gc.collect()
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return grown / turns / 1000


def main() -> None:
    """Print one row for each agent."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--turns", type=int, default=300)
    turns = parser.parse_args().turns
    print(f"Python {platform.python_version()}, {turns} turns\n")
    print("| agent | ms a turn, median | kB a turn |\n|---|---:|---:|")
    for name, make in AGENTS.items():
        print(f"| {name} | {milliseconds(make, turns):.1f} | {kilobytes(make, 50):.0f} |")


if __name__ == "__main__":
    main()
