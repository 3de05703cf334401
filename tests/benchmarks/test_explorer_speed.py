"""How fast an explorer answers: from a slider that was let go to the finished picture.

Run with ``pytest tests/benchmarks``. No test asserts a time, and
``python -m tests.benchmarks.explorers_report`` prints a table of all controls.
"""

from __future__ import annotations

from itertools import cycle

import pytest
from explorers_report import found, two_values  # beside this file, where pytest looks

pytest.importorskip("pytest_benchmark")


@pytest.mark.parametrize("maker", found().values(), ids=found().keys())
def test_a_slider_is_let_go(benchmark, maker):
    explorer = maker()
    slider = next(name for name, control in explorer.controls.items() if "step" in control.description)
    here, there = two_values(explorer, slider)
    expected = {value: explorer.set(**{slider: value}) for value in (there, here)}
    values = cycle([there, here])
    benchmark.group = "explorers"
    benchmark.extra_info["slider"] = slider

    def let_go():
        return {slider: next(values)}

    def moved(**value):
        assert explorer.set(**value) == expected[value[slider]]

    benchmark.pedantic(moved, setup=lambda: ((), let_go()), rounds=10, warmup_rounds=2)
