"""How long traces take to read: ``python -m tests.benchmarks.traces_report``.

A table of a million turns (four latencies each, as CSV), and the samples of the frameworks. Each time is the
least of three, in seconds of this process.
"""

import tempfile
from pathlib import Path
from time import process_time

import numpy as np
import pandas as pd

from voice_agent_lab import read_turns
from voice_agent_lab.traces.reading import SAMPLES

TURNS = 1_000_000


def table(path):
    """Write a table of a million turns."""
    rng = np.random.default_rng(0)
    medians = {"eou_delay_ms": 500, "ttft_ms": 450, "tts_ttfb_ms": 200, "e2e_ms": 1300}
    columns = {name: rng.lognormal(np.log(ms), 0.4, TURNS).round(1) for name, ms in medians.items()}
    pd.DataFrame(columns).to_csv(path, index=False)


def least(work):
    """Return the least seconds of processor time of three runs."""
    took = []
    for _ in range(3):
        begun = process_time()
        work()
        took.append(process_time() - begun)
    return min(took)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "turns.csv"
        table(path)
        turns = read_turns(path)
        print(
            f"{TURNS:,} turns as CSV, {path.stat().st_size / 1e6:.0f} MB: {least(lambda: read_turns(path)):.2f} s"
        )
        print(
            f"their parts: {least(turns.parts):.2f} s; "
            f"one of them as a Turn: {least(lambda: turns[TURNS // 2]) * 1e6:.0f} µs"
        )
    for sample in sorted(SAMPLES.glob("*.[jl]*")):
        found = read_turns(sample)
        print(
            f"{sample.name}, {len(found)} turns: {least(lambda sample=sample: read_turns(sample)) * 1000:.0f} ms"
        )
