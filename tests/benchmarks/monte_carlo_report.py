"""Print how long many turns take on arrays, and how many of them the event simulation runs meanwhile.

    python -m tests.benchmarks.monte_carlo_report [--repetitions 3]

To be run from the top of the repository. The conversation is the default one, with a random latency in every
stage. Each measurement is a process of its own, which imports the package, warms up with a small run and then times
one: the process's own time, and the most memory that it had at any moment.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
from tqdm import tqdm

ROOT = Path(__file__).parents[2]
SETUP = """
import resource, time
from voice_agent_lab import LogNormal, StageLatencies, StreamingVoiceAgent, monte_carlo, simulate
spread = StageLatencies(LogNormal(0.03), LogNormal(0.2), LogNormal(0.45, 0.4), LogNormal(0.02), LogNormal(0.15),
                        LogNormal(0.04))
agent = StreamingVoiceAgent(latencies=spread, keep_turns=1, keep_recording=False)

def events(turns):
    for _ in range(turns):
        simulate(agent.process_turn("What's the weather like?"))

def arrays(turns):
    return monte_carlo(agent, turns)

def replies(turns):
    return monte_carlo(agent, turns, reply=True)

{workload}(20)
began = time.process_time()
result = {workload}({turns})
print(time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""

WORKLOADS = {
    "the event simulation, one turn after the other": ("events", 200),
    "voice-to-voice with its parts": ("arrays", 1_000_000),
    "whole replies, with their underruns": ("replies", 1_000_000),
    "voice-to-voice with its parts, for an explorer": ("arrays", 10_000),
}
"""What each is called, its function in `SETUP`, and how many turns it runs."""


def run(workload: str, turns: int) -> tuple[float, float]:
    """Run a workload; return its processor time in seconds, and the process's peak memory in MiB."""
    code = SETUP.replace("{workload}", workload).replace("{turns}", str(turns))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    seconds, memory = done.stdout.split()
    return float(seconds), float(memory)


def main() -> None:
    """Parse the command line, measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repetitions", type=int, default=3)
    repetitions = parser.parse_args().repetitions
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in WORKLOADS}
    with tqdm(total=repetitions * len(WORKLOADS), unit="run") as progress:
        for _ in range(repetitions):
            for name, (workload, turns) in WORKLOADS.items():
                runs[name].append(run(workload, turns))
                progress.update()
    rates = {
        name: turns / statistics.median(seconds for seconds, _ in runs[name])
        for name, (_, turns) in WORKLOADS.items()
    }
    slowest = next(iter(rates.values()))
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, medians of {repetitions}\n")
    print("| | turns | s | turns a second | ratio | peak MiB |\n|---|---:|---:|---:|---:|---:|")
    for name, (_, turns) in WORKLOADS.items():
        seconds = turns / rates[name]
        memory = max(memory for _, memory in runs[name])
        ratio = rates[name] / slowest
        print(f"| {name} | {turns:,} | {seconds:.3f} | {rates[name]:,.0f} | {ratio:,.0f} | {memory:.0f} |")


if __name__ == "__main__":
    main()
