"""anyio's own tests, with the virtual loop in place of uvloop.

anyio's cancel scopes lean on what an event loop does in which order more than most programs. The
tests are in its source distribution, of the version for which the table below was made; pip gets it
from where it gets the package itself. Run with ``-m foreign``.
"""

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
VERSION = "4.16.0"

pytestmark = pytest.mark.foreign

#: Modules of its tests that are run, and for each the tests that fail: reason, and parts of their names.
DIFFERENCES = {
    "test_concurrency_utils": {},
    "test_contextmanagers": {},
    "test_debugging": {},
    "test_eventloop": {},
    "test_functools": {},
    "test_futures": {},
    "test_itertools": {},
    "test_lowlevel": {},
    "test_synchronization": {},
    "test_taskgroups": {
        "is expected to fail, since a real clock goes on while a cancellation is on its way": [
            "test_fail_after_scope_cancelled_before_timeout",
        ],
    },
    "test_typedattr": {},
    "streams/test_buffered": {},
    "streams/test_memory": {},
    "streams/test_stapled": {},
    "streams/test_text": {},
}

#: Those that are not, by reason.
LEFT_OUT = {
    "wait for real threads, for which virtual time does not": [
        "test_fileio",
        "test_from_thread",
        "test_tempfile",
        "test_to_interpreter",
        "test_to_thread",
        "streams/test_file",
    ],
    "need the outside world, which does not follow a virtual clock": [
        "test_signals",
        "test_sockets",
        "test_subprocesses",
        "test_to_process",
        "streams/test_tls",
    ],
    "are of anyio's names and of its plugin for pytest, and use no loop that is given to them": [
        "test_all_attributes",
        "test_lazyimport",
        "test_pytest_plugin",
    ],
}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Return the folder of anyio's source, with its tests."""
    folder = tmp_path_factory.mktemp("anyio")
    options = ["--quiet", "--no-deps", "--no-binary", "anyio", "--dest", folder, f"anyio=={VERSION}"]
    got = subprocess.run([sys.executable, "-m", "pip", "download", *options], capture_output=True, text=True)
    if got.returncode:
        pytest.skip(f"pip does not get anyio's source: {(got.stderr.splitlines() or [''])[-1]}")
    with tarfile.open(folder / f"anyio-{VERSION}.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return folder / f"anyio-{VERSION}"


def test_each_of_anyios_modules_is_run_or_left_out_for_a_reason(source):
    tests = source / "tests"
    modules = {file.relative_to(tests).with_suffix("").as_posix() for file in tests.rglob("test_*.py")}
    assert modules == {*DIFFERENCES, *(name for names in LEFT_OUT.values() for name in names)}


def test_anyios_own_tests_pass_but_for_the_differences_that_have_a_reason(source):
    path = os.pathsep.join(map(str, (source / "src", source, ROOT)))
    command = [sys.executable, "-P", ROOT / "tests" / "anyio_own.py", source, *DIFFERENCES]
    done = subprocess.run(
        command, cwd=source, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout.splitlines()[-1])
    known = [part for reasons in DIFFERENCES.values() for parts in reasons.values() for part in parts]
    assert outcome["status"] == bool(outcome["failed"])  # not that they could not be collected
    assert outcome["run"] > 400
    assert {t: why for t, why in outcome["failed"].items() if not any(part in t for part in known)} == {}
    assert [part for part in known if not any(part in test for test in outcome["failed"])] == []
