"""Virtual time: what `simulate` promises, one behaviour per test, timelines compared by equality."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import gc
import hashlib
import inspect
import logging
import math
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_agent_lab.clock import event_loop, virtual_loop
from voice_agent_lab.clock.simulation import DeadlockError, VirtualTimeExceeded, VirtualTimeLoop, simulate

ROOT = Path(__file__).resolve().parents[1]
REAL_CLOCKS = {name: getattr(time, name) for name in ("time", "monotonic", "perf_counter")}


def now() -> float:
    """Return the running loop's time."""
    return asyncio.get_running_loop().time()


@pytest.fixture
def log():
    """Return a list that is also a function: ``log(what)`` appends ``(now, what)``."""

    class Log(list):
        def __call__(self, what):
            self.append((now(), what))

    return Log()


@pytest.fixture
def control_c():
    """Give SIGINT its usual handler, and afterwards the one it had."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.signal(signal.SIGINT, before) is signal.default_int_handler  # nobody left another


# --- the clock --------------------------------------------------------------------------------


def test_three_sleeps_of_a_tenth_end_at_exactly_three_tenths():
    async def main():
        for _ in range(3):
            await asyncio.sleep(0.1)
        return now()

    assert simulate(main()) == 0.3


def test_the_clock_starts_where_it_is_told():
    async def main():
        await asyncio.sleep(0.25)
        return now()

    assert simulate(main(), start=10.5) == 10.75


def test_every_millisecond_is_on_the_grid():
    async def main():
        loop = asyncio.get_running_loop()
        return [loop.call_later(tick / 1000, print).when() for tick in range(3000)]

    assert simulate(main()) == [tick / 1000 for tick in range(3000)]


def test_thousands_of_sleeps_do_not_drift():
    async def main():
        for _ in range(30_000):
            await asyncio.sleep(1e-3 / 3)  # which is 333,333 ns
        return now()

    assert simulate(main()) == 9.99999


def test_equal_sleeps_wake_in_the_order_in_which_they_began(log):
    async def sleeper(number):
        await asyncio.sleep(1.0)
        log(number)

    async def main():
        await asyncio.gather(*(sleeper(number) for number in range(20)))

    simulate(main())
    assert log == [(1.0, number) for number in range(20)]


def test_callbacks_go_before_the_tasks_that_wake_at_their_instant(log):
    async def sleeper(name):
        await asyncio.sleep(1.0)
        log(name)

    async def main():
        loop = asyncio.get_running_loop()
        sleepers = [asyncio.create_task(sleeper("first sleep"))]
        await asyncio.sleep(0)
        loop.call_later(1.0, log, "callback")
        loop.call_later(1.0, lambda: [task.cancel() for task in sleepers[1:]])
        sleepers.append(asyncio.create_task(sleeper("cancelled sleep")))
        last = asyncio.create_task(sleeper("last sleep"))
        await asyncio.gather(*sleepers, last, return_exceptions=True)

    simulate(main())
    assert log == [(1.0, "callback"), (1.0, "first sleep"), (1.0, "last sleep")]


@pytest.mark.parametrize("bystander", [False, True])
def test_a_timer_of_somebody_else_changes_no_order(log, bystander):
    async def sleeper():
        await asyncio.sleep(1.0)
        log("sleep")

    async def main():
        loop = asyncio.get_running_loop()
        if bystander:
            loop.call_later(1.0, int)
        task = asyncio.create_task(sleeper())
        await asyncio.sleep(0)
        loop.call_later(1.0, log, "callback")
        await task

    simulate(main())
    assert log == [(1.0, "callback"), (1.0, "sleep")]


def test_what_was_scheduled_first_for_an_instant_runs_first(log):
    async def main():
        loop = asyncio.get_running_loop()
        loop.call_at(0.3, log, "call_at")
        loop.call_later(0.3, log, "call_later")
        loop.call_later(0.1, lambda: loop.call_later(0.2, log, "0.1 + 0.2"))
        loop.call_later(0.3, loop.call_soon, log, "call_soon from 0.3")
        loop.call_later(0.3, log, "last timer")
        await asyncio.sleep(1)

    simulate(main())
    assert [what for _, what in log] == [
        "call_at",
        "call_later",
        "last timer",
        "0.1 + 0.2",
        "call_soon from 0.3",
    ]
    assert {when for when, _ in log} == {0.3}


def test_a_time_gone_by_means_now_and_the_clock_never_goes_back(log):
    async def main():
        loop = asyncio.get_running_loop()
        await asyncio.sleep(2)
        loop.call_soon(log, "soon")
        loop.call_at(1, log, "a second ago")
        loop.call_later(-1, log, "negative delay")
        loop.call_at(2, log, "this instant")
        loop.call_later(0.5, log, "later")
        await asyncio.sleep(1)
        log("end")

    simulate(main())
    assert log == [
        (2.0, "soon"),
        (2.0, "a second ago"),
        (2.0, "negative delay"),
        (2.0, "this instant"),
        (2.5, "later"),
        (3.0, "end"),
    ]


def test_the_clock_does_not_visit_cancelled_timers():
    async def main():
        async with asyncio.timeout(100):
            await asyncio.sleep(1)
        await asyncio.sleep(1)
        await asyncio.Event().wait()

    with pytest.raises(DeadlockError, match=r"after 2\.0 s"):
        simulate(main(), max_virtual_time=2)


def test_handles_report_and_honour_cancellation(log):
    async def main():
        loop = asyncio.get_running_loop()
        soon, later = loop.call_soon(log, "soon"), loop.call_at(1.5, log, "later")
        assert later.when() == 1.5
        assert not soon.cancelled()
        soon.cancel()
        later.cancel()
        assert soon.cancelled() and later.cancelled()
        await asyncio.sleep(2)

    simulate(main())
    assert log == []


@given(
    st.lists(
        st.lists(st.integers(0, 40).map(lambda tick: tick * 25), min_size=1, max_size=5),
        min_size=1,
        max_size=8,
    )
)
def test_any_sleeps_of_any_tasks_wake_in_order_of_time_then_of_start(programmes):
    """Each programme is the milliseconds that one task sleeps; the model is a sorted list."""
    trace, calls = [], []

    async def sleeper(number, programme):
        for milliseconds in programme:
            due = round(now() * 1000) + milliseconds
            entry = (due, len(calls), number)  # len(calls): the order in which the sleeps began
            calls.append(entry)
            await asyncio.sleep(milliseconds / 1000)
            trace.append((now(), entry))

    async def main():
        async with asyncio.TaskGroup() as group:
            for number, programme in enumerate(programmes):
                group.create_task(sleeper(number, programme))

    simulate(main())
    assert [entry for _, entry in trace] == sorted(calls)
    assert [when for when, _ in trace] == [due / 1000 for due, _, _ in sorted(calls)]


def test_who_sleeps_until_a_deadline_has_passed_gets_there_in_spite_of_rounding():
    async def main():
        deadline = 0.1 + 0.2  # which is more than 0.3 s, by less than a nanosecond
        while now() < deadline:  # noqa: ASYNC110 (the subject of this test)
            await asyncio.sleep(deadline - now())
        return now()

    assert simulate(main()) == 0.300000001


def test_an_infinite_delay_is_never_over_and_its_task_is_kept_until_the_end(log):
    async def endless():
        try:
            await asyncio.sleep(math.inf)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    async def main():
        asyncio.get_running_loop().call_later(-math.inf, log, "overdue")
        asyncio.create_task(endless())  # noqa: RUF006 (the loop must keep it)
        await asyncio.sleep(1)
        gc.collect()
        await asyncio.sleep(1)
        assert ended == []

    ended = []
    simulate(main())
    assert log == [(0.0, "overdue")]
    assert ended == ["cancelled"]


def test_a_sleep_gives_its_result_and_an_endless_one_can_be_timed_out():
    async def main():
        result = await asyncio.sleep(0.5, "rested")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.sleep(math.inf), 1)
        return result, await asyncio.sleep(0.5), now()

    assert simulate(main()) == ("rested", None, 2.0)


@pytest.mark.parametrize("shortcut", [virtual_loop.END_SLEEP, None], ids=["shortcut", "timers"])
def test_sleeps_keep_their_place_among_timers_with_and_without_the_shortcut(shortcut, monkeypatch, log):
    """A sleep is a future on the loop's list, unless asyncio has renamed what ends it."""
    assert virtual_loop.END_SLEEP is not None
    monkeypatch.setattr(virtual_loop, "END_SLEEP", shortcut)

    async def sleeper(name):
        try:
            await asyncio.sleep(1)
            log(name)
        except asyncio.CancelledError:
            log(f"{name} cancelled")

    async def main():
        loop = asyncio.get_running_loop()
        loop.call_later(1, lambda: (log("first timer"), tasks[1].cancel()))
        tasks = [asyncio.create_task(sleeper(name)) for name in "abc"]
        await asyncio.sleep(0)
        loop.call_later(1, lambda: (log("last timer"), tasks[2].cancel()))
        tasks[0].add_done_callback(lambda _: loop.call_later(1, log, "a second later"))
        await asyncio.sleep(3)

    simulate(main())
    assert log == [
        (1.0, "first timer"),
        (1.0, "last timer"),
        (1.0, "b cancelled"),
        (1.0, "a"),
        (1.0, "c cancelled"),
        (2.0, "a second later"),
    ]


# --- asyncio, unmodified ----------------------------------------------------------------------


def test_a_result_is_returned_and_an_exception_raised():
    async def answer():
        return 42

    async def fail():
        await asyncio.sleep(1)
        raise LookupError("no such caller")

    assert simulate(answer()) == 42
    with pytest.raises(LookupError, match="no such caller"):
        simulate(fail())


def test_a_bounded_queue_holds_the_producer_back(log):
    async def producer(queue):
        for number in range(4):
            await queue.put(number)
            log(f"put {number}")

    async def main():
        queue = asyncio.Queue(maxsize=1)
        async with asyncio.TaskGroup() as group:
            group.create_task(producer(queue))
            for _ in range(4):
                await asyncio.sleep(0.5)
                log(f"got {await queue.get()}")

    simulate(main())
    assert log == [
        (0.0, "put 0"),
        (0.5, "got 0"),
        (0.5, "put 1"),
        (1.0, "got 1"),
        (1.0, "put 2"),
        (1.5, "got 2"),
        (1.5, "put 3"),
        (2.0, "got 3"),
    ]


def test_event_and_condition_wake_their_waiters_in_order(log):
    async def main():
        event, condition = asyncio.Event(), asyncio.Condition()

        async def wait_for_event():
            await event.wait()
            log("event")

        async def wait_for_condition(number):
            async with condition:
                await condition.wait()
                log(f"condition {number}")

        async with asyncio.TaskGroup() as group:
            group.create_task(wait_for_event())
            group.create_task(wait_for_condition(1))
            group.create_task(wait_for_condition(2))
            await asyncio.sleep(1)
            event.set()
            await asyncio.sleep(1)
            async with condition:
                condition.notify_all()

    simulate(main())
    assert log == [(1.0, "event"), (2.0, "condition 1"), (2.0, "condition 2")]


def test_timeout_and_wait_for_expire_at_their_deadlines(log):
    async def main():
        try:
            async with asyncio.timeout(0.7):
                await asyncio.sleep(60)
        except TimeoutError:
            log("timeout")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 0.3)
        log("wait_for")
        assert await asyncio.wait_for(asyncio.sleep(1, "in time"), 1.5) == "in time"
        log("in time")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout_at(1.0):  # a second ago
                await asyncio.sleep(60)
        log("timeout_at")

    simulate(main())
    assert log == [(0.7, "timeout"), (1.0, "wait_for"), (2.0, "in time"), (2.0, "timeout_at")]


def test_a_failing_task_group_cancels_its_other_tasks(log):
    async def steady():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            log("cancelled")
            await asyncio.sleep(0.5)  # cleaning up takes time as well
            log("cleaned up")
            raise

    async def failing():
        await asyncio.sleep(1)
        raise ValueError("bad frame")

    async def main():
        async with asyncio.TaskGroup() as group:
            group.create_task(steady())
            group.create_task(failing())

    with pytest.raises(ExceptionGroup) as caught:
        simulate(main())
    assert caught.group_contains(ValueError, match="bad frame")
    assert log == [(1.0, "cancelled"), (1.5, "cleaned up")]


def test_gather_keeps_order_and_as_completed_follows_time(log):
    async def after(delay):
        await asyncio.sleep(delay)
        return delay

    async def main():
        assert await asyncio.gather(after(0.3), after(0.1), after(0.2)) == [0.3, 0.1, 0.2]
        for next_done in asyncio.as_completed([after(0.3), after(0.1), after(0.2)]):
            log(await next_done)
        outcomes = await asyncio.gather(after(-1), asyncio.wait_for(after(9), 1), return_exceptions=True)
        assert outcomes[0] == -1 and isinstance(outcomes[1], TimeoutError)

    simulate(main())
    assert log == [(0.4, 0.1), (0.5, 0.2), (0.6, 0.3)]


def test_each_task_and_callback_runs_in_its_own_context():
    caller = contextvars.ContextVar("caller", default="nobody")
    seen = []

    async def call(name):
        caller.set(name)
        asyncio.get_running_loop().call_later(1, lambda: seen.append(caller.get()))
        await asyncio.sleep(2)
        assert caller.get() == name

    async def main():
        assert caller.get() == "operator"
        await asyncio.gather(call("Ada"), call("Grace"))
        context = contextvars.copy_context()
        context.run(caller.set, "given")
        await asyncio.create_task(asyncio.sleep(0), context=context)
        asyncio.get_running_loop().call_soon(lambda: seen.append(caller.get()), context=context)
        await asyncio.sleep(0)
        seen.append(caller.get())
        caller.set("changed inside")

    caller.set("operator")
    simulate(main())
    assert seen == ["Ada", "Grace", "given", "operator"]
    assert caller.get() == "operator"


def test_an_abandoned_async_generator_is_closed_at_once_and_a_kept_one_at_the_end(log):
    kept = []

    async def frames(name):
        try:
            while True:
                await asyncio.sleep(0.1)
                yield name
        finally:
            await asyncio.sleep(0.5)
            log(f"{name} closed")

    async def main():
        kept.extend(frames(name) for name in ("first", "second"))
        for generator in kept:
            await anext(generator)
        async for _ in frames("abandoned"):
            break
        await asyncio.sleep(1)
        log("main ends")

    simulate(main())
    assert log == [
        (0.8, "abandoned closed"),
        (1.3, "main ends"),
        (1.8, "first closed"),
        (1.8, "second closed"),
    ]


def test_async_generator_hooks_are_put_back():
    async def main():
        return sys.get_asyncgen_hooks()

    before = sys.get_asyncgen_hooks()
    assert simulate(main()) != before
    assert sys.get_asyncgen_hooks() == before


def test_leftover_tasks_are_cancelled_and_awaited_in_order_of_creation(log):
    async def leftover(number):
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.1)
            log(number)

    async def main():
        tasks.extend(asyncio.create_task(leftover(number)) for number in range(10))
        await asyncio.sleep(1)

    tasks = []
    simulate(main())
    assert log == [(1.1, number) for number in range(10)]
    assert all(task.cancelled() for task in tasks)


def test_tasks_started_by_a_leftover_task_as_it_ends_are_ended_too():
    async def spawner():
        try:
            await asyncio.Event().wait()
        finally:
            tasks.append(asyncio.create_task(asyncio.Event().wait()))

    async def main():
        tasks.append(asyncio.create_task(spawner()))
        await asyncio.sleep(0)

    tasks = []
    simulate(main())
    assert [task.cancelled() for task in tasks] == [True, True]


def test_tasks_started_by_a_generator_as_it_ends_are_ended_too():
    async def late():
        try:
            await asyncio.sleep(5)
        finally:
            ended.append("late")

    async def generator():
        try:
            yield
        finally:
            tasks.append(asyncio.create_task(late()))
            await asyncio.sleep(0)

    async def main():
        kept.append(generator())
        await anext(kept[0])

    tasks, ended, kept = [], [], []
    simulate(main())
    assert ended == ["late"]
    assert tasks[0].cancelled()


def test_what_goes_wrong_while_cleaning_up_does_not_hide_what_went_wrong_first():
    async def stubborn():
        while True:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()

    async def main():
        task = asyncio.create_task(stubborn(), name="stubborn")
        await asyncio.sleep(1)
        raise LookupError(task)

    with pytest.raises(LookupError) as caught:
        simulate(main())
    assert "DeadlockError" in caught.value.__notes__[0]
    assert "stubborn" in caught.value.__notes__[0]


def test_errors_that_nobody_awaits_are_logged_as_asyncio_does(caplog):
    async def fails_when_cancelled():
        try:
            await asyncio.Event().wait()
        finally:
            raise OSError("line dropped")

    def fails():
        raise ZeroDivisionError("in a callback")

    async def main():
        task = asyncio.create_task(fails_when_cancelled())
        asyncio.get_running_loop().call_soon(fails)
        await asyncio.sleep(1)
        return task

    with caplog.at_level(logging.ERROR, "asyncio"):
        task = simulate(main())
    assert [type(record.exc_info[1]) for record in caplog.records] == [ZeroDivisionError, OSError]
    assert isinstance(task.exception(), OSError)


def test_an_exception_handler_gets_errors_and_may_itself_fail(caplog):
    contexts = []

    def handler(loop, context):
        contexts.append(context)
        raise RuntimeError("handler broke")

    async def main():
        loop = asyncio.get_running_loop()
        assert loop.get_exception_handler() is None
        loop.set_exception_handler(handler)
        assert loop.get_exception_handler() is handler
        loop.call_soon([].pop)
        await asyncio.sleep(1)

    with caplog.at_level(logging.ERROR, "asyncio"):
        simulate(main())
    assert [type(context["exception"]) for context in contexts] == [IndexError]
    assert [str(record.exc_info[1]) for record in caplog.records] == ["handler broke"]


def test_a_task_factory_makes_the_tasks_and_names_are_kept():
    made = []

    def factory(loop, coro, **options):
        task = asyncio.Task(coro, loop=loop, **options)
        made.append(task)
        return task

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_task_factory(factory)
        assert loop.get_task_factory() is factory
        task = asyncio.create_task(asyncio.sleep(1), name="nap")
        await task
        assert made == [task] and task.get_name() == "nap"

    simulate(main())


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
def test_eager_tasks_start_at_once(log):
    async def nap():
        log("started")
        await asyncio.sleep(1)
        log("woke")

    async def main():
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        task = asyncio.create_task(nap(), name="nap")
        log("created")
        await task

    simulate(main())
    assert log == [(0.0, "started"), (0.0, "created"), (1.0, "woke")]


def test_the_loop_serves_an_asyncio_runner():
    async def main():
        loop = asyncio.get_running_loop()
        assert loop.is_running() and not loop.is_closed() and not loop.get_debug()
        await asyncio.sleep(0.5)
        return loop

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        loop = runner.run(main())
        assert runner.run(main()).time() == 1.0
    assert loop.is_closed() and not loop.is_running()
    with pytest.raises(RuntimeError, match="closed"):
        loop.run_forever()


def test_a_running_loop_refuses_to_run_again_and_goes_on():
    async def main():
        loop, other = asyncio.get_running_loop(), asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="already running"):
            loop.run_until_complete(other)
        other.close()
        await asyncio.sleep(1)
        return now()

    assert simulate(main()) == 1.0


def test_stop_lets_what_is_ready_run_and_the_loop_can_go_on(log):
    def record(what):
        log.append((loop.time(), what))

    loop = VirtualTimeLoop()
    loop.call_soon(record, "before")
    for _ in range(3):
        loop.call_soon(loop.stop)
    loop.call_soon(record, "same instant")
    loop.call_later(1, record, "a second later")
    loop.call_later(1, loop.stop)
    loop.run_forever()
    record("stopped")
    loop.run_forever()
    loop.close()
    assert log == [
        (0.0, "before"),
        (0.0, "same instant"),
        (0.0, "stopped"),
        (1.0, "a second later"),
    ]


def test_a_stop_that_an_interrupt_overtook_does_not_stop_the_next_run(log):
    def interrupt():
        raise KeyboardInterrupt

    loop = VirtualTimeLoop()
    loop.call_soon(loop.stop)
    loop.call_soon(interrupt)
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    loop.call_later(1, log.append, "ran on")
    loop.call_later(1, loop.stop)
    loop.run_forever()
    loop.close()
    assert log == ["ran on"]


# --- dead ends --------------------------------------------------------------------------------


def test_two_tasks_that_wait_on_each_other_are_named_with_the_lines_where_they_wait():
    async def relay(source, sink):
        word = await source.get()  # both stay here
        await sink.put(word)

    async def main():
        left, right = asyncio.Queue(), asyncio.Queue()
        async with asyncio.TaskGroup() as group:
            tasks.append(group.create_task(relay(left, right), name="recogniser"))
            tasks.append(group.create_task(relay(right, left), name="synthesiser"))

    tasks = []
    with pytest.raises(DeadlockError) as caught:
        simulate(main())
    lines, first = inspect.getsourcelines(relay)
    line = first + next(number for number, text in enumerate(lines) if "both stay here" in text)
    place = f"waits for Queue.get in {relay.__qualname__}, test_simulation.py:{line}"
    assert str(caught.value).splitlines()[0] == (
        "nothing can happen any more after 0.0 s of virtual time, and these tasks wait:"
    )
    assert str(caught.value).splitlines()[2:] == [f"  recogniser {place}", f"  synthesiser {place}"]
    assert all(task.cancelled() for task in tasks)


def test_a_dead_end_inside_async_generators_is_found_in_the_innermost():
    async def microphone(queue):
        while True:
            yield await queue.get()

    async def recogniser(audio):
        async for frame in audio:
            yield frame

    async def main():
        async for _ in recogniser(microphone(asyncio.Queue())):
            pass

    with pytest.raises(DeadlockError, match=r"waits for Queue\.get in .*microphone, test_simulation"):
        simulate(main())


@pytest.mark.parametrize(
    "wait",
    [
        lambda: asyncio.get_running_loop().create_future(),
        lambda: asyncio.sleep(math.inf),
        lambda: asyncio.Event().wait(),
    ],
    ids=["future", "endless sleep", "event"],
)
def test_waiting_for_what_never_comes_is_a_dead_end_at_the_time_it_is_reached(wait):
    async def main():
        await asyncio.sleep(2.5)
        await wait()

    with pytest.raises(DeadlockError, match=r"after 2\.5 s .*\n.*waits .*main, test_simulation\.py:\d+$"):
        simulate(main())


def test_a_heartbeat_that_never_stops_is_stopped(log):
    async def heartbeat():
        try:
            while True:
                await asyncio.sleep(1)
                log("beat")
        finally:
            log("stopped")

    async def main():
        task = asyncio.create_task(heartbeat(), name="heartbeat")
        await asyncio.Event().wait()
        await task

    with pytest.raises(VirtualTimeExceeded) as caught:
        simulate(main(), start=10, max_virtual_time=3)
    assert "max_virtual_time of 3.0 s is used up and more is due at 14.0 s" in str(caught.value)
    assert "heartbeat" in str(caught.value)
    assert log == [(11.0, "beat"), (12.0, "beat"), (13.0, "beat"), (13.0, "stopped")]


def test_what_is_due_exactly_at_the_limit_still_happens():
    assert simulate(asyncio.sleep(3, "done"), max_virtual_time=3) == "done"


def test_cleaning_up_may_take_time_even_after_the_limit(log):
    async def main():
        await asyncio.sleep(0.75)
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.5)
            log("hung up")

    with pytest.raises(VirtualTimeExceeded):
        simulate(main(), max_virtual_time=1)
    assert log == [(1.25, "hung up")]


def test_a_task_that_refuses_to_end_is_reported_instead_of_hanging():
    async def stubborn(wait):
        while True:
            with contextlib.suppress(asyncio.CancelledError):
                await wait()

    async def main(wait):
        task = asyncio.create_task(stubborn(wait), name="stubborn")
        await asyncio.sleep(1)
        return task

    with pytest.raises(DeadlockError, match="stubborn"):
        simulate(main(asyncio.Event().wait))
    with pytest.raises(VirtualTimeExceeded, match="stubborn"):
        simulate(main(functools.partial(asyncio.sleep, 1)), max_virtual_time=5)


# --- functions run in a thread ----------------------------------------------------------------


def test_to_thread_takes_the_given_cost_and_other_events_go_first(log):
    async def ticker():
        for _ in range(3):
            await asyncio.sleep(0.2)
            log("tick")

    async def main():
        async with asyncio.TaskGroup() as group:
            group.create_task(ticker())
            log(await asyncio.to_thread(sum, [1, 2, 3]))

    simulate(main(), worker_cost=0.5)
    assert log == [(0.2, "tick"), (0.4, "tick"), (0.5, 6), (0.6, "tick")]


def test_to_thread_takes_the_measured_time_by_default(monkeypatch):
    """The measured clock is the one bound at import, which bind_time leaves alone."""
    readings = iter([100.0, 100.25])
    monkeypatch.setattr(event_loop, "perf_counter", lambda: next(readings))

    async def main():
        await asyncio.to_thread(len, "word")
        return now()

    assert simulate(main(), bind_time=True) == 0.25


def test_the_real_clock_is_what_measures_a_function():
    assert event_loop.perf_counter is REAL_CLOCKS["perf_counter"]

    async def main():
        await asyncio.get_running_loop().run_in_executor(None, sum, range(1000))
        return now()

    assert simulate(main(), bind_time=True) > 0


@pytest.mark.parametrize(
    ("error", "arrives_as"), [(KeyError("voice"), KeyError), (StopIteration(), RuntimeError)]
)
def test_the_exception_of_a_function_arrives_after_its_cost(error, arrives_as):
    def fail():
        raise error

    async def main():
        with pytest.raises(arrives_as):
            await asyncio.to_thread(fail)
        return now()

    assert simulate(main(), worker_cost=0.5) == 0.5


def test_waiting_for_a_function_can_be_cancelled(caplog):
    async def main():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.to_thread(len, "word"), 0.2)
        assert now() == 0.2
        await asyncio.sleep(1)

    simulate(main(), worker_cost=0.5)
    assert caplog.records == []


def test_a_function_sees_no_running_loop_and_may_run_a_simulation():
    def function():
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        return simulate(asyncio.sleep(5, "inner"))

    async def main():
        task = asyncio.current_task()
        assert await asyncio.to_thread(function) == "inner"
        assert asyncio.current_task() is task
        return now()

    assert simulate(main(), worker_cost=0.5) == 0.5


def test_another_thread_may_call_in_while_a_function_keeps_the_loop_busy(log):
    async def main():
        loop = asyncio.get_running_loop()

        def function():
            thread = threading.Thread(target=loop.call_soon_threadsafe, args=(log, "from a thread"))
            thread.start()
            thread.join()

        await asyncio.to_thread(function)
        log("function done")

    simulate(main(), worker_cost=0.5)
    assert log == [(0.0, "from a thread"), (0.5, "function done")]


# --- the time module --------------------------------------------------------------------------


def test_bind_time_makes_the_time_module_read_the_virtual_clock():
    async def main():
        await asyncio.sleep(0.3)
        return [getattr(time, f"{name}{suffix}")() for name in REAL_CLOCKS for suffix in ("", "_ns")]

    assert simulate(main(), bind_time=True) == [0.3, 300_000_000] * 3


def test_bind_time_is_undone_after_an_error_and_by_nesting():
    async def fail():
        raise RuntimeError("boom")

    async def inner():
        await asyncio.sleep(7)
        return time.time()

    async def outer():
        await asyncio.sleep(1)
        assert simulate(inner(), bind_time=True) == 7.0
        assert simulate(inner()) == 1.0
        return time.monotonic()

    assert simulate(outer(), bind_time=True) == 1.0
    with pytest.raises(RuntimeError, match="boom"):
        simulate(fail(), bind_time=True)
    with pytest.raises(DeadlockError):
        simulate(asyncio.Event().wait(), bind_time=True)
    assert {name: getattr(time, name) for name in REAL_CLOCKS} == REAL_CLOCKS


@pytest.mark.parametrize(
    ("before", "meanwhile"), [((700, 10, 10), 10_000), ((50_000, 5, 5), 50_000), ((0, 9, 9), 0)]
)
def test_garbage_is_collected_less_often_while_a_simulation_runs(before, meanwhile):
    async def outer():
        simulate(asyncio.sleep(1))
        raise ArithmeticError(gc.get_threshold())

    usual = gc.get_threshold()
    gc.set_threshold(*before)
    try:
        with pytest.raises(ArithmeticError) as caught:
            simulate(outer())
        assert caught.value.args == ((meanwhile, *before[1:]),)
        assert gc.get_threshold() == before
    finally:
        gc.set_threshold(*usual)


def test_simulations_in_threads_leave_the_process_as_it_was():
    """The second would begin while the first runs and end after it, if it did not have to wait."""

    async def first():
        began.set()
        await asyncio.to_thread(second_began.wait, 0.2)
        return time.time()

    async def second():
        second_began.set()
        await asyncio.to_thread(first_ended.wait, 10)
        return time.time()

    def run_first():
        times.append(simulate(first(), bind_time=True, worker_cost=0.25))
        first_ended.set()

    def run_second():
        began.wait(10)
        times.append(simulate(second(), bind_time=True, worker_cost=0.5))

    began, second_began, first_ended = (threading.Event() for _ in range(3))
    times, threshold = [], gc.get_threshold()
    threads = [threading.Thread(target=run) for run in (run_first, run_second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert times == [0.25, 0.5]
    assert {name: getattr(time, name) for name in REAL_CLOCKS} == REAL_CLOCKS
    assert gc.get_threshold() == threshold


def test_without_bind_time_the_time_module_is_left_alone():
    async def main():
        return {name: getattr(time, name) for name in REAL_CLOCKS}

    assert simulate(main()) == REAL_CLOCKS


# --- inside another loop ----------------------------------------------------------------------


def test_nested_simulations_have_clocks_of_their_own(log):
    async def inner():
        await asyncio.sleep(5)
        return now()

    async def outer():
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(0.5)).add_done_callback(lambda _: log("meanwhile"))
            await asyncio.sleep(1)
            log(simulate(inner(), start=100))
            await asyncio.sleep(1)
            log("end")

    simulate(outer())
    assert log == [(0.5, "meanwhile"), (1.0, 105.0), (2.0, "end")]


def test_inside_a_real_loop_the_outer_loop_and_task_are_left_as_they_were():
    async def main():
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert simulate(asyncio.sleep(3600, "an hour later")) == "an hour later"
        with pytest.raises(DeadlockError):
            simulate(asyncio.Event().wait())
        assert asyncio.get_running_loop() is loop
        assert asyncio.current_task() is task
        assert asyncio.all_tasks() == {task}
        await asyncio.sleep(0)
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(0))
        return "still running"

    assert asyncio.run(main()) == "still running"


def test_a_notebook_cell_may_simulate_and_await_afterwards():
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    cells = [
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "import asyncio\nfrom voice_agent_lab.clock.simulation import simulate",
        "async def nap():\n"
        "    await asyncio.sleep(60)\n"
        "    return asyncio.get_running_loop().time()\n"
        "print(simulate(nap()))",
        "await asyncio.sleep(0)\nprint('awaited', simulate(nap()))\n"
        "await asyncio.sleep(0)\nprint('and again')",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbclient.NotebookClient(notebook, timeout=120).execute()
    assert [output["text"] for cell in notebook.cells[1:] for output in cell.outputs] == [
        "60.0\n",
        "awaited 60.0\nand again\n",
    ]


# --- interruption -----------------------------------------------------------------------------


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_ends_every_task_and_generator_and_the_outer_loop_goes_on(error, log, caplog):
    async def frames():
        try:
            while True:
                await asyncio.sleep(0.1)
                yield
        finally:
            log("generator closed")

    async def listener():
        try:
            async for _ in generator:
                pass
        finally:
            await asyncio.sleep(0.5)
            log("listener ended")

    async def interrupted():
        tasks.append(asyncio.create_task(listener()))
        tasks.append(asyncio.create_task(asyncio.Event().wait()))
        await asyncio.sleep(1.05)
        raise error

    async def main():
        with pytest.raises(error):
            simulate(interrupted())
        await asyncio.sleep(0)
        return len(asyncio.all_tasks())

    gc.collect()  # what earlier tests left is not this one's
    caplog.clear()
    tasks, generator = [], frames()
    assert asyncio.run(main()) == 1
    assert all(task.cancelled() for task in tasks)
    assert log == [(1.05, "generator closed"), (1.55, "listener ended")]
    gc.collect()  # a task whose exception nobody saw would complain now
    assert caplog.records == []


def test_an_interrupt_in_a_task_at_the_instant_at_which_the_simulation_ends_still_cleans_up():
    async def interrupt():
        raise KeyboardInterrupt

    async def slow_to_end():
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(1)
            ended.append(now())

    async def main():
        tasks.append(asyncio.create_task(slow_to_end()))
        await asyncio.sleep(1)
        tasks.append(asyncio.create_task(interrupt()))

    tasks, ended = [], []
    with pytest.raises(KeyboardInterrupt):
        simulate(main())
    assert ended == [2.0]
    assert isinstance(tasks[1].exception(), KeyboardInterrupt)


@pytest.mark.skipif(os.name == "nt", reason="raises the signal as a POSIX terminal does")
def test_control_c_stops_an_endless_simulation(control_c):
    async def endless():
        beats = 0
        try:
            while True:
                await asyncio.sleep(1)
                beats += 1
                if beats == 100:
                    signal.raise_signal(signal.SIGINT)
        finally:
            ended.append(beats)

    ended = []
    with pytest.raises(KeyboardInterrupt):
        simulate(endless())
    assert ended == [100]


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a POSIX timer")
def test_control_c_at_any_moment_lets_every_task_clean_up(control_c):
    async def player(name, queue):
        try:
            while True:
                queue.put_nowait(await queue.get())
                await asyncio.sleep(0.001)
        finally:
            ended.append(name)

    async def main():
        queue = asyncio.Queue()
        queue.put_nowait("ball")
        playing = asyncio.gather(*(player(name, queue) for name in range(10)))
        await asyncio.sleep(0)  # on a busy machine the signal could come before they have begun
        signal.setitimer(signal.ITIMER_REAL, random.uniform(0.001, 0.004))
        await playing

    before = signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        for _ in range(50):
            ended = []
            with pytest.raises(KeyboardInterrupt):
                simulate(main())
            assert sorted(ended) == list(range(10))
    finally:
        signal.signal(signal.SIGALRM, before)


@pytest.mark.skipif(os.name == "nt", reason="raises the signal as a POSIX terminal does")
def test_a_second_control_c_stops_even_a_task_that_ignores_the_first(control_c):
    async def stubborn():
        for _ in range(2):
            with contextlib.suppress(asyncio.CancelledError):
                signal.raise_signal(signal.SIGINT)
                await asyncio.sleep(1)
        return "not stopped"

    with pytest.raises(KeyboardInterrupt):
        simulate(stubborn())


@pytest.mark.skipif(os.name == "nt", reason="raises the signal as a POSIX terminal does")
@pytest.mark.parametrize("run", [simulate, asyncio.run])
def test_control_c_in_a_simulation_inside_another_loop_ends_both(run, control_c):
    async def endless():
        asyncio.get_running_loop().call_later(3, signal.raise_signal, signal.SIGINT)
        try:
            await asyncio.sleep(math.inf)
        finally:
            ended.append(now())

    async def outer():
        await asyncio.sleep(0.01)
        try:
            simulate(endless())
        finally:
            ended.append("outer")

    ended = []
    with pytest.raises(KeyboardInterrupt):
        run(outer())
    assert ended == [3.0, "outer"]


@pytest.mark.skipif(os.name == "nt", reason="raises the signal as a POSIX terminal does")
def test_a_handler_of_the_users_own_is_left_in_place():
    async def main():
        signal.raise_signal(signal.SIGINT)
        await asyncio.sleep(1)
        return now()

    caught = []
    usual = signal.signal(signal.SIGINT, lambda *_: caught.append("mine"))
    try:
        assert simulate(main()) == 1.0
    finally:
        signal.signal(signal.SIGINT, usual)
    assert caught == ["mine"]


# --- determinism ------------------------------------------------------------------------------

TRACE = """
import asyncio, random
from voice_agent_lab.clock.simulation import simulate

trace = []

def record(*what):
    trace.append((asyncio.get_running_loop().time(), *what))

async def turn(name, rng, queue):
    try:
        for _ in range(20):
            await asyncio.sleep(rng.randrange(5) / 100)
            await queue.put(name)
            record("put", name)
            record("got", name, await queue.get())
        await asyncio.Event().wait()
    finally:
        record("ended", name)

async def main():
    rng, queue = random.Random(7), asyncio.Queue(3)
    tasks = {asyncio.create_task(turn(f"turn {n}", rng, queue)) for n in range(50)}
    await asyncio.to_thread(sum, [])
    await asyncio.sleep(10)
    record("main", len(tasks))

simulate(main(), worker_cost=0.01)
print(repr(trace))
"""


def test_five_processes_with_different_hash_seeds_give_the_same_trace():
    digests = set()
    for seed in ("0", "1", "2", "3", "random"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", TRACE]
        trace = subprocess.run(command, env=environment, capture_output=True, check=True).stdout
        assert trace.count(b"ended") == 50
        digests.add(hashlib.sha256(trace).hexdigest())
    assert len(digests) == 1


# --- what it refuses --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "use"),
    [
        ("create_connection", lambda: asyncio.open_connection("example.org", 80)),
        ("create_server", lambda: asyncio.start_server(lambda reader, writer: None, port=0)),
        ("subprocess_exec", lambda: asyncio.create_subprocess_exec("true")),
        ("subprocess_shell", lambda: asyncio.create_subprocess_shell("true")),
        ("getaddrinfo", lambda: asyncio.get_running_loop().getaddrinfo("example.org", 80)),
        ("add_signal_handler", lambda: asyncio.get_running_loop().add_signal_handler(2, print)),
        ("add_reader", lambda: asyncio.get_running_loop().add_reader(0, print)),
    ],
)
def test_sockets_subprocesses_and_signals_say_what_to_do_instead(name, use):
    async def main():
        await use()

    with pytest.raises(NotImplementedError) as caught:
        simulate(main())
    assert str(caught.value) == (
        f"loop.{name}() needs the outside world (a socket, subprocess or signal), which does not follow "
        "a virtual clock: run this coroutine in real time, with asyncio.run()."
    )


@pytest.mark.parametrize("wrong", [None, 3, now, [now]])
def test_anything_but_a_coroutine_is_refused(wrong):
    with pytest.raises(TypeError, match=r"^coro is .*, not a coroutine: call an async function"):
        simulate(wrong)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("argument", ["start", "max_virtual_time", "worker_cost"])
@pytest.mark.parametrize(
    ("value", "error", "sentence"),
    [
        (-0.5, ValueError, "{} is -0.5, negative or not finite: give 0 s or more."),
        (math.inf, ValueError, "{} is inf, negative or not finite: give 0 s or more."),
        (math.nan, ValueError, "{} is nan, negative or not finite: give 0 s or more."),
        ("1", TypeError, "{} is '1', not a number: give seconds, such as 1.5."),
    ],
)
def test_a_duration_that_makes_no_sense_is_refused_by_name(argument, value, error, sentence):
    coro = asyncio.sleep(1)
    with pytest.raises(error) as caught:
        simulate(coro, **{argument: value})
    assert str(caught.value) == sentence.format(argument)
    assert inspect.getcoroutinestate(coro) == inspect.CORO_CLOSED
