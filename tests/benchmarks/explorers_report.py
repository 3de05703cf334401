"""Print, as a Markdown table, how long each explorer takes from a moved control to its new picture.

    python -m tests.benchmarks.explorers_report [--rounds 10]

To be run from the top of the repository. Every control of every explorer goes back and forth between
where it starts and the value beside it. The table shows the median over all controls and the slowest
control. An explorer may remember what it simulated for a value, so the last column is about values
that it has not shown before: the slowest control again, in the median over six values.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import platform
import random
import statistics
import sys
import time
import typing
from collections.abc import Callable, Iterable
from inspect import getmembers, isfunction, signature

from voice_agent_lab import lessons as explorers
from voice_agent_lab.lessons.explorer import Explorer


def found() -> dict[str, Callable[[], Explorer]]:
    """Return the functions that make an explorer, as "module.function"."""
    makers = {}
    for info in pkgutil.iter_modules(explorers.__path__):
        module = importlib.import_module(f"{explorers.__name__}.{info.name}")
        for name, function in getmembers(module, isfunction):
            ours = function.__module__ == module.__name__ and not name.startswith("_")
            makes = typing.get_type_hints(function).get("return") is Explorer
            if ours and makes and not signature(function).parameters:
                makers[f"{info.name}.{name}"] = function
    return makers


def two_values(explorer: Explorer, name: str) -> tuple[object, object]:
    """Return where a control stands and the value beside it."""
    control = explorer.controls[name]
    about = control.description
    if "options" in about:
        return control.value, next(option for option in about["options"] if option != control.value)
    if "step" in about:
        step = about["step"] if control.value + about["step"] <= about["high"] else -about["step"]
        return control.value, control.value + step
    return control.value, not control.value


def new_values(explorer: Explorer, name: str, number: int = 6) -> list[object]:
    """Return values of a slider that are spread over its range, and none where it stands."""
    control, about = explorer.controls[name], explorer.controls[name].description
    if "step" not in about:
        return []
    steps = round((about["high"] - about["low"]) / about["step"])
    values = [about["low"] + about["step"] * round(steps * k / (number - 1)) for k in range(number)]
    return [value for value in dict.fromkeys(values) if value != control.value]


def timed(explorer: Explorer, name: str, values: Iterable[object]) -> list[float]:
    """Return the milliseconds of each move of a control."""
    took = []
    for value in values:
        began = time.perf_counter()
        explorer.set(**{name: value})
        took.append(1000 * (time.perf_counter() - began))
    return took


def measure(maker: Callable[[], Explorer], rounds: int) -> tuple[dict, dict]:
    """Return the milliseconds of each control's moves, between two values and to new ones."""
    explorer = maker()
    unseen, between = {}, {name: [] for name in explorer.controls}
    for name, control in explorer.controls.items():
        first = control.value
        unseen[name] = timed(explorer, name, new_values(explorer, name))
        explorer.set(**{name: first})
    values = {name: two_values(explorer, name) for name in explorer.controls}
    for name in explorer.controls:  # both values once, untimed
        timed(explorer, name, values[name][::-1])
    for _ in range(rounds):
        for name in random.sample(list(values), len(values)):
            between[name] += timed(explorer, name, values[name][::-1])
    return between, {name: took for name, took in unseen.items() if took}


def row(name: str, between: dict[str, list[float]], unseen: dict[str, list[float]]) -> str:
    """Return one row of the table."""

    def slowest(times: dict[str, list[float]]) -> str:
        control = max(times, key=lambda each: statistics.median(times[each]))
        return f"{control} ({statistics.median(times[control]):.0f} ms)"

    middle = statistics.median(took for times in between.values() for took in times)
    return f"| {name} | {middle:.0f} | {slowest(between)} | {slowest(unseen) if unseen else ''} |"


def main() -> None:
    """Parse the command line, measure, and print."""
    from tqdm import tqdm

    parser = argparse.ArgumentParser(description="Time the explorers.")
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    python = f"{platform.python_implementation()} {platform.python_version()}"
    rows = [
        row(name, *measure(maker, options.rounds))
        for name, maker in tqdm(found().items(), unit="explorer", file=sys.stderr)
    ]
    print("Time from a moved control to the finished picture.")
    print(f"{python}, {options.rounds} rounds.\n")
    print("| explorer | median (ms) | slowest control | slowest with new values |")
    print("|---|---:|---|---|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
