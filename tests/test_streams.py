"""Streams that run ahead, absolute deadlines, and the name of the stage that failed."""

import asyncio

import pytest

from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.measure.log import EventLog
from voice_agent_lab.streams import StageError, guard, run_ahead, sleep_until


class Source:
    """A stream that gives `count` numbers, one a second, then fails if it is to, and remembers all."""

    def __init__(self, count=5, error=None):
        self.made, self.closed, self._count, self._error = [], False, count, error

    async def stream(self):
        try:
            for k in range(self._count):
                await asyncio.sleep(1)
                self.made.append((now(), k))
                yield k
            if self._error:
                raise self._error
        finally:
            self.closed = True


def now():
    return asyncio.get_running_loop().time()


async def read(stream, busy=0.0):
    """Return the stream's items with the time at which each was given to a reader who is busy after it."""
    got = []
    async for item in stream:
        got.append((now(), item))
        await asyncio.sleep(busy)
    return got


# --- run_ahead ------------------------------------------------------------------------------------


def test_a_plain_generator_stands_still_while_its_reader_is_busy():
    source = Source(3)
    assert simulate(read(source.stream(), busy=2)) == [(1.0, 0), (4.0, 1), (7.0, 2)]
    assert source.made == [(1.0, 0), (4.0, 1), (7.0, 2)]


def test_a_stream_that_runs_ahead_does_not():
    source = Source(3)
    assert simulate(read(run_ahead(source.stream()), busy=2)) == [(1.0, 0), (3.0, 1), (5.0, 2)]
    assert source.made == [(1.0, 0), (2.0, 1), (3.0, 2)]


def test_it_does_not_start_before_somebody_reads():
    async def late():
        source = Source(1)
        stream = run_ahead(source.stream())
        await asyncio.sleep(10)
        return await read(stream)

    assert simulate(late()) == [(11.0, 0)]


def test_an_empty_stream_ends():
    assert simulate(read(run_ahead(Source(0).stream()))) == []


def test_a_limit_holds_the_stream_back():
    async def held_back():
        source = Source(100)
        stream = run_ahead(source.stream(), limit=2)
        await anext(stream)
        await asyncio.sleep(50)
        made = len(source.made)
        await stream.aclose()
        return made

    # One was read, two wait in the queue, and one is held by the task that waits for a free place.
    assert simulate(held_back()) == 4


def test_a_limit_changes_when_items_are_made_but_loses_none():
    source = Source(6)
    got = simulate(read(run_ahead(source.stream(), limit=1), busy=3))
    assert got == [(1.0 + 3 * k, k) for k in range(6)]
    assert source.made == [(1.0, 0), (2.0, 1), (3.0, 2), (5.0, 3), (8.0, 4), (11.0, 5)]


@pytest.mark.parametrize("limit", [0, 1, 2, 3])
def test_an_error_comes_after_the_items_that_were_made_before_it(limit):
    async def fails():
        stream = run_ahead(Source(3, OSError("unplugged")).stream(), limit)
        got = [await anext(stream)]
        await asyncio.sleep(10)  # by now it has failed
        got += [await anext(stream), await anext(stream)]
        with pytest.raises(OSError, match="unplugged"):
            await anext(stream)
        return got, now(), len(asyncio.all_tasks())

    assert simulate(fails()) == ([0, 1, 2], 11.0, 1)


@pytest.mark.parametrize("limit", [0, 1])
def test_closing_early_leaves_no_task_and_closes_the_source(limit):
    async def closes():
        source = Source(100)
        stream = run_ahead(source.stream(), limit)
        await anext(stream)
        await asyncio.sleep(3.5)
        assert len(asyncio.all_tasks()) == 2
        await stream.aclose()
        return now(), source.closed, len(asyncio.all_tasks())

    assert simulate(closes()) == (4.5, True, 1)


def test_cancelling_the_reader_leaves_no_task_and_closes_the_source():
    async def cancelled():
        source = Source(100)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3.5):
                await read(run_ahead(source.stream()))
        return now(), source.closed, len(asyncio.all_tasks())

    # The generator that was cancelled inside `anext` has cleaned up before the error came out of it.
    assert simulate(cancelled()) == (3.5, True, 1)


def test_streams_ahead_of_each_other_close_from_the_last_to_the_first():
    async def nested():
        source = Source(100)
        stream = run_ahead(guard("b", run_ahead, guard("a", source.stream)))
        await anext(stream)
        await stream.aclose()
        return source.closed, len(asyncio.all_tasks())

    assert simulate(nested()) == (True, 1)


def test_it_reads_an_iterator_that_cannot_be_closed():
    class Numbers:
        def __init__(self):
            self.left = 2

        def __aiter__(self):
            return self

        async def __anext__(self):
            self.left -= 1
            if self.left < 0:
                raise StopAsyncIteration
            return self.left

    assert simulate(read(run_ahead(Numbers()))) == [(0.0, 1), (0.0, 0)]


def test_a_stream_that_is_cancelled_from_within_ends_its_reader():
    async def gives_up():
        yield 1
        raise asyncio.CancelledError

    async def reads():
        with pytest.raises(asyncio.CancelledError):
            await read(run_ahead(gives_up()))

    simulate(reads())


# --- guard ----------------------------------------------------------------------------------------


def guarded(error):
    """Run three guarded stages, the first of which fails; return the error, the log and the source."""
    source, log = Source(2, error), EventLog()

    async def doubled(stream):
        async for item in stream:
            yield 2 * item

    async def turn():
        stream = guard("tts", doubled, guard("llm", doubled, guard("asr", source.stream)))
        got = []
        with log.recording():
            try:
                async for item in stream:
                    got.append(item)  # noqa: PERF401 - kept when the stream fails
            except Exception as caught:
                return got, caught
        return got, None

    return *simulate(turn()), log, source


def test_guard_names_the_first_failing_stage_only():
    cause = OSError("unplugged")
    got, error, log, source = guarded(cause)
    assert got == [0, 4]
    assert isinstance(error, StageError)
    assert (error.stage, str(error)) == ("asr", "stage 'asr' failed: OSError: unplugged")
    assert error.__cause__ is cause
    assert [(e.time, e.stage, e.name, e.detail) for e in log] == [
        (2.0, "asr", "failed", {"error": "OSError: unplugged"})
    ]
    assert source.closed


def test_guard_passes_a_healthy_stream_on_unchanged():
    got, error, log, source = guarded(None)
    assert (got, error, list(log), source.closed) == ([0, 4], None, [], True)


def test_guard_closes_its_stream_when_it_is_closed_and_calls_that_no_failure():
    async def closes():
        source, log = Source(5), EventLog()
        with log.recording():
            stream = guard("asr", source.stream)
            await anext(stream)
            await stream.aclose()
        return source.closed, list(log)

    assert simulate(closes()) == (True, [])


def test_guard_leaves_a_cancellation_alone():
    async def cancelled():
        source, log = Source(5), EventLog()
        with log.recording(), pytest.raises(TimeoutError):
            async with asyncio.timeout(1.5):
                await read(guard("asr", source.stream))
        return source.closed, list(log)

    assert simulate(cancelled()) == (True, [])


# --- sleep_until ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("deadline", "wakes"), [(7.25, 7.25), (5.0, 5.0), (2.0, 5.0), (-1.0, 5.0)])
def test_sleep_until_wakes_at_the_deadline_or_at_once(deadline, wakes):
    async def sleeps():
        await asyncio.sleep(5)
        await sleep_until(deadline)
        return now()

    assert simulate(sleeps()) == wakes


@pytest.mark.parametrize("frame", [0.1, 0.032, 1 / 30])
def test_absolute_deadlines_do_not_drift_over_a_thousand_frames(frame):
    async def frames():
        times = []
        for k in range(1000):
            await sleep_until((k + 1) * frame)
            times.append(now())
            await asyncio.sleep(0.007)  # work on the frame
        return times

    assert simulate(frames()) == [round((k + 1) * frame, 9) for k in range(1000)]


def test_a_late_wake_up_does_not_move_the_deadlines_after_it():
    async def frames():
        times = []
        for k in range(5):
            await sleep_until((k + 1) * 0.1)
            times.append(now())
            if k == 1:
                await asyncio.sleep(0.25)
        return times

    assert simulate(frames()) == [0.1, 0.2, 0.45, 0.45, 0.5]
