"""What pytest needs to know wherever it is started: a path in its options would be relative to that folder."""

from pathlib import Path

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Give nbval the rules for what is not compared in the outputs of notebooks."""
    if config.getoption("nbval_sanitize_with", None) is None:
        config.option.nbval_sanitize_with = str(Path(__file__).with_name("tests") / "nbval_sanitize.cfg")
