"""Print, as a Markdown table, how long each engine takes for the same turns, relative to `simulate`.

    python -m tests.benchmarks.report [--repetitions 5] [--turns 1000]

To be run from the top of the repository. Each run is timed in a fresh process after a short
warm-up. A repetition runs every engine once, in a shuffled order, and yields one ratio per engine;
the table shows the median of those ratios, which a busy machine disturbs far less than the times.
"""

from __future__ import annotations

import argparse
import importlib.util
import platform
import random
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

from tests.benchmarks.workloads import ENGINES, MODES, run

ROOT = Path(__file__).resolve().parents[2]
OURS = "simulate"


def time_once(engine: str, mode: str, turns: int) -> float:
    """Return the seconds that `turns` turns take in this process, after a warm-up of 30."""
    run(engine, mode, 30)
    began = time.perf_counter()
    run(engine, mode, turns)
    return time.perf_counter() - began


def time_in_fresh_process(engine: str, mode: str, turns: int) -> float:
    """Return what `time_once` returns in a Python process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.report", "--once", engine, mode, "--turns", str(turns)]
    return float(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)


def measure(engines: list[str], turns: int, repetitions: int) -> dict[tuple[str, str], list[float]]:
    """Return the seconds of every repetition for each (engine, mode)."""
    from tqdm import tqdm

    seconds: dict[tuple[str, str], list[float]] = {(e, m): [] for e in engines for m in MODES}
    with tqdm(total=repetitions * len(seconds), unit="run", file=sys.stderr) as progress:
        for _ in range(repetitions):
            for engine, mode in random.sample(list(seconds), len(seconds)):
                progress.set_postfix_str(f"{engine}, {mode}")
                seconds[engine, mode].append(time_in_fresh_process(engine, mode, turns))
                progress.update()
    return seconds


def table(engines: list[str], seconds: dict[tuple[str, str], list[float]], turns: int) -> str:
    """Return the Markdown table of median ratios to `simulate`, and its own time per turn."""
    lines = [f"| engine | {' | '.join(MODES)} |", "|---|" + "---:|" * len(MODES)]
    for engine in engines:
        cells = []
        for mode in MODES:
            ratios = [s / ours for s, ours in zip(seconds[engine, mode], seconds[OURS, mode], strict=True)]
            if engine == OURS:
                cells.append(f"1 ({statistics.median(seconds[OURS, mode]) / turns * 1e6:.0f} µs per turn)")
            else:
                cells.append(f"{statistics.median(ratios):.2f}")
        name = engine if engine == OURS else f"{engine} {version(engine)}"
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Parse the command line, measure, and print."""
    parser = argparse.ArgumentParser(description="Time engines relative to simulate().")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--turns", type=int, default=1000)
    parser.add_argument("--once", nargs=2, metavar=("ENGINE", "MODE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.once:
        print(time_once(*options.once, options.turns))
        return
    engines = [name for name in ENGINES if name == OURS or importlib.util.find_spec(name)]
    seconds = measure(engines, options.turns, options.repetitions)
    python = f"{platform.python_implementation()} {platform.python_version()}"
    print(f"Time for {options.turns:,} turns relative to simulate(), lower is faster.")
    print(f"{python}, median of {options.repetitions} repetitions.\n")
    print(table(engines, seconds, options.turns))


if __name__ == "__main__":
    main()
