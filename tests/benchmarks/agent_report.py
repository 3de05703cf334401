"""Print, as a Markdown table, what turns of the agent cost: one, an hour of them, a thousand at once.

    python -m tests.benchmarks.agent_report [--repetitions 5] [--against PATH]

To be run from the top of the repository. With another checkout of it in `PATH` each workload also runs
there, in turns with this one, and the table shows the median ratio; a busy machine disturbs ratios far
less than times. Each run is a fresh process, and its processor time is counted after a warm-up.
"""

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[2]

SETUP = """
import asyncio, resource, time
from voice_agent_lab import Say, StreamingVoiceAgent, simulate
TALK = [Say("Tell me the weather."), Say("Stop, that is enough.", after=0.7, during="speaking"), Say("Bye.")]

def turn():
    simulate(StreamingVoiceAgent().process_turn("Hello, how are you today?"))

def conversation():
    simulate(StreamingVoiceAgent().converse(TALK))

def measured(agent=[]):
    if not agent:
        agent.append(StreamingVoiceAgent())
        simulate(agent[0].converse(TALK))
    for turn in agent[0].turns:
        turn.metrics, turn.parts, turn.heard, turn.latencies

def hour():
    agent = StreamingVoiceAgent()
    async def call():
        while asyncio.get_running_loop().time() < 3600:
            await agent.process_turn("Hello, how are you today?")
    simulate(call())

def thousand():
    async def all_at_once():
        agents = [StreamingVoiceAgent() for _ in range(1000)]
        await asyncio.gather(*(agent.process_turn("What time is it?") for agent in agents))
    simulate(all_at_once())

turn()
began = time.process_time()
for _ in range({times}):
    {workload}()
print((time.process_time() - began) / {times}, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""

WORKLOADS = {
    "one turn": ("turn", 20),
    "a conversation of three turns, with an interruption": ("conversation", 10),
    "all that is measured of these three turns": ("measured", 50),
    "an hour of turns in one agent": ("hour", 1),
    "1,000 agents at once": ("thousand", 1),
}
"""What each is called, its function in `SETUP`, and how often it runs in a process."""


def run(tree: Path, workload: str, times: int) -> tuple[float, float]:
    """Run a workload in a checkout; return its processor time in seconds, and the process's peak memory in MB."""
    code = SETUP.replace("{workload}", workload).replace("{times}", str(times))
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=True)
    seconds, memory = done.stdout.split()
    return float(seconds), float(memory)


def main() -> None:
    """Parse the command line, measure, and print."""
    parser = argparse.ArgumentParser(description="Time turns of the agent.")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--against", type=Path, help="another checkout, for the ratios")
    options = parser.parse_args()
    trees = [ROOT, *([options.against.resolve()] if options.against else [])]
    rows = []
    with tqdm(total=options.repetitions * len(WORKLOADS) * len(trees), unit="run") as progress:
        for name, (workload, times) in WORKLOADS.items():
            runs: list[list[tuple[float, float]]] = [[] for _ in trees]
            for _ in range(options.repetitions):
                for tree, its in zip(trees, runs, strict=True):
                    its.append(run(tree, workload, times))
                    progress.update()
            seconds = statistics.median(s for s, _ in runs[0])
            memory = statistics.median(m for _, m in runs[0])
            ratios = [ours[0] / theirs[0] for ours, theirs in zip(runs[0], runs[-1], strict=True)]
            rows.append(
                (name, f"{1000 * seconds:,.1f}", f"{memory:,.0f}", f"{statistics.median(ratios):.2f}")
            )
    print("| workload | ms of processor time | peak MB | ratio |\n|---|---:|---:|---:|")
    for row in rows:
        print(f"| {' | '.join(row if options.against else (*row[:3], ''))} |")


if __name__ == "__main__":
    main()
