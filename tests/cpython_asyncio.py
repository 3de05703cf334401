"""Run a module of CPython's own asyncio tests with the virtual loop in place of the standard ones.

    python -m tests.cpython_asyncio test_tasks [a test that is not to be run ...]

Prints, as JSON, how many tests were run, and for each that failed the last line of its error.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import signal
import sys
import unittest
import warnings
from asyncio import base_events
from types import SimpleNamespace

from voice_agent_lab.clock import VirtualTimeLoop, event_loop

SECONDS = 60  # that a single test may take


class Loop(VirtualTimeLoop):
    """The virtual loop, made as the tests make theirs: some give the steps of a clock, which it has itself."""

    def __init__(self, steps=None):
        super().__init__()


class Policy(asyncio.DefaultEventLoopPolicy):
    """The policy with the virtual loop."""

    _loop_factory = Loop


class Hanging(BaseException):
    """Raised in a test that takes too long."""


def hang(*_):
    """Give up a test."""
    raise Hanging


class Result(unittest.TestResult):
    """What came of each test; each begins with the policy of ours."""

    def startTest(self, test):  # noqa: N802 (unittest's)
        super().startTest(test)
        asyncio.set_event_loop_policy(Policy())
        signal.alarm(SECONDS)

    def stopTest(self, test):  # noqa: N802 (unittest's)
        signal.alarm(0)
        super().stopTest(test)


def put_in_place():
    """Let the tests find the virtual loop where they look for a standard one, and its errors in their log."""
    from test.test_asyncio import utils

    utils.TestLoop = base_events.BaseEventLoop = asyncio.SelectorEventLoop = Loop
    close = utils.TestCase.close_loop
    utils.TestCase.close_loop = staticmethod(
        lambda loop: loop.close() if isinstance(loop, Loop) else close(loop)
    )
    event_loop.logging = SimpleNamespace(getLogger=lambda name: base_events.logger)  # which they replace
    signal.signal(signal.SIGALRM, hang)


def leaves(suite):
    """Yield the single tests of a suite."""
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from leaves(test)
        else:
            yield test


def main(name, *left_out):
    """Run one module's tests and print what came of them."""
    warnings.simplefilter("ignore")
    put_in_place()
    module = importlib.import_module(f"test.test_asyncio.{name}")
    tests = list(leaves(unittest.defaultTestLoader.loadTestsFromModule(module)))
    result = Result()
    unittest.TestSuite(t for t in tests if not any(part in t.id() for part in left_out)).run(result)
    failed = {
        test.id().partition(f"{name}.")[2].partition(" ")[0]: error.strip().splitlines()[-1]
        for test, error in result.failures + result.errors
    }
    print(json.dumps({"run": result.testsRun, "failed": failed}))


if __name__ == "__main__":
    main(*sys.argv[1:])
