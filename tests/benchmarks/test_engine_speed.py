"""How fast `simulate` runs a voice-agent turn, beside other ways to run it in virtual time.

Run with ``pytest tests/benchmarks``. Every timed run checks the marks of every turn; no test
asserts a time. Ratios between engines mean more than the numbers of one machine, and
``python -m tests.benchmarks.report`` prints them.
"""

from __future__ import annotations

import pytest
from workloads import ENGINES, MODES, run  # beside this file, where pytest looks

TURNS = 1000

pytest.importorskip("pytest_benchmark")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("mode", MODES)
def test_thousand_turns(benchmark, engine, mode):
    if engine != "simulate":
        pytest.importorskip(engine)
    benchmark.group = mode
    benchmark.extra_info["turns"] = TURNS
    run(engine, mode, 30)  # imports and caches
    benchmark.pedantic(run, args=(engine, mode, TURNS), rounds=3)
