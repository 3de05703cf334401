"""Virtual time where programs are odd: endless instants, stops, blocking calls, threads, debug mode."""

import ast
import asyncio
import os
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from voice_agent_lab import clock
from voice_agent_lab.clock import (
    BlockingCallWarning,
    DeadlockError,
    LivelockError,
    VirtualTimeLoop,
    simulate,
)

ROOT = Path(__file__).resolve().parents[1]


def now():
    """Return the running loop's time."""
    return asyncio.get_running_loop().time()


def test_the_clock_imports_nothing_of_the_package_but_itself():
    for path in Path(clock.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                assert not name.startswith("voice_agent_lab") or name.startswith("voice_agent_lab.clock")


# --- callbacks without end at one instant -------------------------------------------------------


@pytest.mark.parametrize("start", [0.0, 1e6])
def test_a_timer_that_sets_itself_again_because_of_a_rounding_rest_gets_there(start):
    """As rate limiters do: how long to wait still is computed from what is left, in floats."""

    async def main():
        loop, done = asyncio.get_running_loop(), asyncio.Event()
        deadline = loop.time() + 0.2
        rest = 1e-17  # too small to change a float's time

        def wake():
            if loop.time() > deadline:
                done.set()
            else:
                loop.call_at(deadline + rest, wake)

        wake()
        await done.wait()
        return loop.time() - deadline

    assert 0 < simulate(main(), start=start, max_virtual_time=1) < 1e-6


def again_soon(loop, callback):
    loop.call_soon(callback)


def again_later(loop, callback):
    loop.call_later(0, callback)


@pytest.mark.parametrize("limit", [None, 5])
@pytest.mark.parametrize("again", [again_soon, again_later])
def test_a_callback_that_schedules_itself_at_one_instant_for_ever_is_named(again, limit):
    async def main():
        loop = asyncio.get_running_loop()

        def spinning():
            again(loop, spinning)

        spinning()
        await asyncio.sleep(1)

    with pytest.raises(LivelockError, match=r"spinning, test_clock_faults\.py:\d+\. Await asyncio\.sleep"):
        simulate(main(), max_virtual_time=limit)


def test_a_task_that_polls_without_letting_the_clock_move_is_named_with_its_line():
    async def poll():
        while now() < 1:  # noqa: ASYNC110 (the subject of this test)
            await asyncio.sleep(0)

    async def main():
        await asyncio.create_task(poll(), name="poller")

    with pytest.raises(LivelockError, match=r"task poller \(.*poll, which waits .*test_clock_faults\.py:\d+"):
        simulate(main(), max_virtual_time=5)


def test_a_hundred_thousand_items_at_one_instant_are_no_livelock():
    async def main():
        queue, total = asyncio.Queue(1), 0

        async def produce():
            for _ in range(100_000):
                await queue.put(1)

        task = asyncio.create_task(produce())
        for _ in range(100_000):
            total += await queue.get()
        await task
        return total, now()

    assert simulate(main()) == (100_000, 0.0)


# --- rounds of callbacks, as in asyncio ---------------------------------------------------------


@pytest.fixture(params=[VirtualTimeLoop, asyncio.SelectorEventLoop], ids=["virtual", "asyncio"])
def loop(request):
    """Return a loop of ours, and one of asyncio's, which must do the same."""
    loop = request.param()
    yield loop
    loop.close()


def test_what_is_scheduled_in_the_round_of_a_stop_waits_for_the_next_run(loop):
    log = []
    loop.call_soon(lambda: loop.call_soon(log.append, "before the stop"))
    loop.call_soon(loop.stop)
    loop.call_soon(lambda: loop.call_soon(log.append, "after the stop"))
    loop.call_soon(log.append, "same round")
    loop.run_forever()
    assert log == ["same round"]
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert log == ["same round", "before the stop", "after the stop"]


def test_a_stop_before_the_run_lets_one_round_go(loop):
    log = []
    loop.call_soon(lambda: (log.append("first"), loop.call_soon(log.append, "second")))
    loop.stop()
    loop.run_forever()
    assert log == ["first"]


def test_a_stop_by_a_timer_leaves_the_tasks_that_wake_at_its_instant(loop):
    async def sleeper():
        await asyncio.sleep(0.01)
        log.append("woke")

    async def main():
        asyncio.get_running_loop().call_later(0.01, loop.stop)
        await sleeper()

    log, task = [], loop.create_task(main())
    loop.run_forever()
    assert log == []
    assert loop.run_until_complete(task) is None
    assert log == ["woke"]


def test_overdue_timers_run_in_the_order_of_their_times_after_what_is_ready(loop):
    log = []
    loop.call_later(-1, log.append, "a second late")
    loop.call_later(-2, log.append, "two seconds late")
    loop.call_soon(log.append, "ready")
    loop.call_soon(loop.call_soon, loop.stop)
    loop.run_forever()
    assert log == ["ready", "two seconds late", "a second late"]


# --- what asyncio refuses -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("set_it", "wrong"),
    [
        ("set_exception_handler", "spam"),
        ("set_task_factory", 1),
        ("set_default_executor", object()),
        ("set_default_executor", None),
    ],
)
def test_a_handler_factory_or_executor_that_is_none_is_refused(loop, set_it, wrong):
    with pytest.raises(TypeError, match=r"callable|ThreadPoolExecutor"):
        getattr(loop, set_it)(wrong)


def test_a_thread_pool_is_accepted_as_default_executor(loop):
    with ThreadPoolExecutor(1) as pool:
        loop.set_default_executor(pool)
        assert loop.run_until_complete(loop.run_in_executor(None, sum, [1, 2])) == 3


async def coroutine_function():
    """Do nothing."""


@pytest.mark.parametrize("method", ["call_soon", "call_soon_threadsafe", "call_later", "call_at"])
@pytest.mark.parametrize("wrong", ["no function", coroutine_function])
def test_debug_mode_refuses_what_cannot_be_called_back(loop, method, wrong):
    loop.set_debug(True)
    when = [loop.time() + 1] if method in ("call_later", "call_at") else []
    with pytest.raises(TypeError, match=r"callable object was expected|coroutines cannot be used"):
        getattr(loop, method)(*when, wrong)


def test_debug_mode_refuses_a_function_in_another_thread_that_is_not_for_threads(loop):
    async def main():
        errors = []

        def call():
            for schedule in (partial(loop.call_soon, print), partial(loop.call_later, 1, print)):
                try:
                    schedule()
                except RuntimeError as error:
                    errors.append(str(error))
            loop.call_soon_threadsafe(errors.append, "allowed")

        thread = threading.Thread(target=call)
        thread.start()
        thread.join()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return errors

    loop.set_debug(True)
    errors = loop.run_until_complete(main())
    assert [("Non-thread-safe" in error) for error in errors] == [True, True, False]


def test_debug_mode_can_be_left_again(loop):
    loop.set_debug(True)
    loop.set_debug(False)
    loop.call_soon("not refused, but reported when its turn comes").cancel()


def test_a_closed_loop_calls_nothing_back(loop):
    loop.close()
    for schedule in (loop.call_soon, loop.call_soon_threadsafe, partial(loop.call_later, 1)):
        with pytest.raises(RuntimeError, match="closed"):
            schedule(print)


# --- blocking calls ------------------------------------------------------------------------------


class Blocking:
    """Something that waits for real in the midst of virtual time."""

    async def work(self, wait):
        await asyncio.sleep(0.1)
        wait()
        await asyncio.sleep(0.2)
        return now()


@pytest.mark.parametrize(
    "wait",
    [partial(time.sleep, 0.3), partial(threading.Event().wait, 0.3)],
    ids=["time.sleep", "a lock"],
)
def test_a_blocking_call_is_warned_of_once_with_the_name_of_its_task(wait):
    async def main():
        for _ in range(2):
            end = await asyncio.create_task(Blocking().work(wait), name="llm")
        return end

    with pytest.warns(BlockingCallWarning) as caught:
        assert simulate(main()) == 0.6
    assert len(caught) == 1
    assert "task llm (Blocking.work, which waits for sleep in Blocking.work" in str(caught[0].message)
    assert caught[0].filename == __file__


def test_a_blocking_callback_is_named_as_well():
    def stall():
        time.sleep(0.3)

    async def main():
        asyncio.get_running_loop().call_later(1, stall)
        await asyncio.sleep(2)

    with pytest.warns(BlockingCallWarning, match=r"callback .*stall, test_clock_faults\.py:\d+ blocked for"):
        simulate(main())


def test_computing_and_functions_with_a_cost_of_their_own_are_no_blocking_calls():
    async def main():
        began = time.process_time()
        while time.process_time() - began < 0.3:
            sum(range(1000))
        await asyncio.sleep(0)
        await asyncio.to_thread(time.sleep, 0.3)
        return now()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert simulate(main(), worker_cost=0.5) == 0.5


# --- threads ------------------------------------------------------------------------------------


def test_waiting_for_a_real_thread_names_it():
    async def main():
        done = asyncio.get_running_loop().create_future()
        threading.Thread(target=release.wait, args=(10,), name="recogniser's own").start()
        await done

    release = threading.Event()
    with pytest.raises(DeadlockError) as caught:
        simulate(main())
    release.set()
    assert "A thread (recogniser's own) is still running" in str(caught.value)
    assert "use asyncio.to_thread or loop.run_in_executor, or run in real time" in str(caught.value)


def test_waiting_for_a_pool_that_is_older_than_the_simulation_names_its_busy_thread_only():
    async def main():
        await asyncio.wrap_future(pool.submit(release.wait, 10))

    release = threading.Event()
    with ThreadPoolExecutor(1, "pool") as pool, ThreadPoolExecutor(1, "idle") as idle:
        pool.submit(int).result()
        idle.submit(int).result()
        with pytest.raises(DeadlockError, match=r"A thread \(pool_0\) is still running"):
            simulate(main())
        release.set()


def test_waiting_for_a_thread_of_anyio_names_it():
    to_thread = pytest.importorskip("anyio.to_thread")

    async def main():
        await to_thread.run_sync(time.sleep, 0.05)

    with pytest.raises(DeadlockError, match=r"A thread \(AnyIO worker thread\) is still running"):
        simulate(main())


WITHOUT_THREADS = """
import _thread, asyncio, socket, threading

def refuse(*args, **options):
    raise RuntimeError("can't start new thread")

_thread.start_new_thread = threading._start_new_thread = socket.socketpair = refuse

class NoLoops(asyncio.DefaultEventLoopPolicy):
    get_event_loop = new_event_loop = refuse

asyncio.set_event_loop_policy(NoLoops())
from voice_agent_lab.clock import simulate

async def frames():
    while True:
        yield

async def main():
    kept.append(frames())
    await anext(kept[0])
    kept.append(asyncio.create_task(asyncio.Event().wait()))
    await asyncio.sleep(0.5)
    return await asyncio.to_thread(asyncio.get_running_loop().time)

kept = []
print(simulate(main(), worker_cost=0.25), kept[1].cancelled())
"""


def test_a_simulation_needs_no_threads_no_sockets_and_no_other_loop():
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "ignore", "-c", WITHOUT_THREADS]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("0.5 True\n", "")
