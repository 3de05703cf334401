"""CPython's own tests of asyncio, with the virtual loop in place of the standard one.

A test that fails here must stand in the table of differences, under its reason. They are the
interpreter's: where it does not ship them, there is nothing to run. Run with ``-m foreign``.
"""

import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

pytestmark = [
    pytest.mark.foreign,
    pytest.mark.skipif(
        importlib.util.find_spec("test") is None or importlib.util.find_spec("test.test_asyncio") is None,
        reason="this Python does not ship test.test_asyncio",
    ),
    pytest.mark.skipif(not hasattr(signal, "alarm"), reason="needs POSIX alarms to end a test that hangs"),
]

#: For each module: reason, and the parts of the names of the tests that fail for it.
DIFFERENCES = {
    "test_base_events": {
        "needs the outside world, which does not follow a virtual clock": [
            "BaseEventLoopWithSelectorTests",
        ],
        "calls private methods of asyncio's own loops or replaces their selector": [
            "BaseEventLoopTests.test__add_callback",
            "BaseEventLoopTests.test__run_once",
            "BaseEventLoopTests.test_default_exc_handler_broken",
            "BaseEventLoopTests.test_not_implemented",
            "BaseEventLoopTests.test_run_forever_pre_stopped",
            "BaseEventLoopTests.test_set_default_executor",
            "BaseEventLoopTests.test_set_exc_handler_broken",
            "BaseEventLoopTests.test_set_exc_handler_custom",
            "BaseEventLoopTests.test_single_selecter_event_callback_after_stopping",
        ],
        "looks into handles, which here are not asyncio's": [
            "BaseEventLoopTests.test_call_later",
            "BaseEventLoopTests.test_call_soon",
        ],
        "waits for a real thread": ["BaseEventLoopTests.test_check_thread"],
        "a simulation may run inside another loop, on purpose": [
            "RunningLoopTests.test_running_loop_within_a_loop"
        ],
    },
    "test_tasks": {
        "moves the clock of its own test loop by hand": [
            "test_as_completed",
            "test_stop_while_run_in_complete",
            "test_wait_concurrent_complete",
            "test_wait_first_completed",
            "test_wait_first_exception",
            "test_wait_with_timeout",
        ],
        "calls private methods of asyncio's own loops": ["test_log_destroyed_pending_task"],
        "looks into handles, which here are not asyncio's": ["test_sleep_cancel"],
    },
    "test_futures": {},
    "test_futures2": {},
    "test_locks": {},
    "test_queues": {},
    "test_taskgroups": {},
    "test_timeouts": {},
    "test_waitfor": {},
    "test_runners": {},
    "test_pep492": {},
    "test_context": {},
    "test_threads": {},
}

#: Tests that would hang: a function in an executor waits for the loop, which waits for the function.
LEFT_OUT = ["RunCoroutineThreadsafeTests"]


@pytest.mark.parametrize("module", DIFFERENCES)
def test_asyncios_own_tests_pass_but_for_the_differences_that_have_a_reason(module):
    command = [sys.executable, "-m", "tests.cpython_asyncio", module, *LEFT_OUT]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout.splitlines()[-1])
    known = [part for parts in DIFFERENCES[module].values() for part in parts]
    assert outcome["run"] > 0
    assert {t: why for t, why in outcome["failed"].items() if not any(part in t for part in known)} == {}
    if sys.version_info[:2] == (3, 11):  # the table was made with it; another Python has other tests
        assert [part for part in known if not any(part in test for test in outcome["failed"])] == []
