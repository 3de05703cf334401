"""Run modules of anyio's own tests with the virtual loop in the place of uvloop, for which they have a parameter.

    python tests/anyio_own.py FOLDER test_taskgroups [another module ...]

FOLDER is the unpacked source of an anyio, whose tests are run against itself; they are a package called
`tests`, as those here are. Prints, as JSON, how many
tests were run, and for each that failed, or passed where it was not to, the last line of the reason.
"""

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from voice_agent_lab.clock import VirtualTimeLoop

OPTIONS = ["-q", "-k", "uvloop", "-p", "no:cacheprovider", "-p", "no:nbval", "-p", "no:looptime_plugin"]
SETTINGS = """[pytest]
anyio_mode = auto
faulthandler_timeout = 60
filterwarnings = error
xfail_strict = true
"""
"""What is needed here of its own settings, which ask for more plugins."""


class Outcomes:
    """What came of each test."""

    def __init__(self):
        self.run, self.failed = 0, {}

    def pytest_runtest_logreport(self, report):
        self.run += report.when == "call"
        if report.failed:
            name = report.nodeid.removeprefix("tests/").replace("[asyncio+uvloop", "[virtual")
            self.failed[name] = str(report.longrepr).strip().splitlines()[-1]


def put_in_place():
    """Let the tests find the virtual loop as uvloop, and need no library for the certificates of a server."""
    uvloop = ModuleType("uvloop")
    uvloop.new_event_loop, uvloop.Loop = VirtualTimeLoop, VirtualTimeLoop
    uvloop.loop = SimpleNamespace(Loop=VirtualTimeLoop)
    sys.modules["uvloop"] = uvloop
    sys.modules["trustme"] = SimpleNamespace(CA=None)


def main(folder, *modules):
    """Run modules of the tests and print what came of them."""
    put_in_place()
    outcomes = Outcomes()
    settings = Path(folder, "pytest.ini")
    settings.write_text(SETTINGS)
    options = [*OPTIONS, "-c", str(settings), "--rootdir", folder]
    status = pytest.main([*options, *(f"{folder}/tests/{name}.py" for name in modules)], plugins=[outcomes])
    print(json.dumps({"status": int(status), "run": outcomes.run, "failed": outcomes.failed}))


if __name__ == "__main__":
    main(*sys.argv[1:])
