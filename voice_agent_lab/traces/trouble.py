"""What is said when a trace cannot be read, in whole or in part."""

import warnings
from collections.abc import Sequence

from voice_agent_lab.measure.turns import Problem


class TraceError(ValueError):
    """A trace that cannot be read; its sentence says where and why."""


class TraceWarning(UserWarning):
    """Something of a trace was left out; its sentence says how much, and where it began."""


def warn_of(problems: Sequence[Problem], name: str, turns: int) -> None:
    """Warn of what was left out of a trace, in one sentence, if anything was."""
    if problems:
        were = "was" if len(problems) == 1 else "were"
        warnings.warn(
            f"{name}: {len(problems):,} {were} left out, {turns:,} turns kept; {problems[0]}. "
            "All are in the `problems` of the turns",
            TraceWarning,
            stacklevel=4,
        )
