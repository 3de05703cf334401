"""Other people's asyncio libraries, unmodified, in virtual time: each at times worked out by hand."""

import asyncio

import pytest

from voice_agent_lab.clock import simulate


def now():
    """Return the running loop's time."""
    return asyncio.get_running_loop().time()


def test_aiolimiter_lets_two_through_at_once_and_then_one_every_fifth_of_a_second():
    """Two in 0.4 s: the bucket leaks one in 0.2 s. A rounding rest may cost a nanosecond."""
    aiolimiter = pytest.importorskip("aiolimiter")

    async def main():
        limiter, times = aiolimiter.AsyncLimiter(2, 0.4), []

        async def user():
            async with limiter:
                times.append(now())

        await asyncio.gather(*(user() for _ in range(6)))
        return times

    assert simulate(main(), max_virtual_time=2) == pytest.approx([0, 0, 0.2, 0.4, 0.6, 0.8], abs=5e-9)


def test_tenacity_waits_one_two_and_four_seconds_between_four_attempts():
    tenacity = pytest.importorskip("tenacity")
    times = []

    @tenacity.retry(wait=tenacity.wait_exponential(multiplier=1), stop=tenacity.stop_after_attempt(4))
    async def dial():
        times.append(now())
        if len(times) < 4:
            raise ConnectionError
        return "connected"

    assert simulate(dial()) == "connected"
    assert times == [0, 1, 3, 7]


def test_backoff_waits_a_constant_half_second():
    backoff = pytest.importorskip("backoff")
    times = []

    @backoff.on_exception(backoff.constant, ConnectionError, interval=0.5, jitter=None, max_tries=3)
    async def dial():
        times.append(now())
        raise ConnectionError

    with pytest.raises(ConnectionError):
        simulate(dial())
    assert times == [0, 0.5, 1.0]


def test_janus_hands_over_from_a_function_in_a_thread_to_a_task():
    janus = pytest.importorskip("janus")

    async def main():
        queue, got = janus.Queue(), []

        def produce():
            for word in ("one", "two"):
                queue.sync_q.put(word)

        await asyncio.to_thread(produce)
        for _ in range(2):
            got.append(await queue.async_q.get())
            await asyncio.sleep(0.25)
        await queue.aclose()
        return got, now()

    assert simulate(main(), worker_cost=0.5) == (["one", "two"], 1.0)


def test_aiostream_merges_two_streams_that_come_at_intervals():
    """A number at once and then every 0.3 s, and one at once and then every 0.5 s."""
    stream = pytest.importorskip("aiostream").stream

    async def main():
        merged = stream.merge(stream.range(0, 3, interval=0.3), stream.range(10, 12, interval=0.5))
        async with merged.stream() as running:
            return [(now(), item) async for item in running]

    assert simulate(main()) == [(0, 0), (0, 10), (0.3, 1), (0.5, 11), (0.6, 2)]


def test_aiocache_keeps_a_value_until_its_time_is_over():
    aiocache = pytest.importorskip("aiocache")
    calls = []

    @aiocache.cached(ttl=10)
    async def look_up():
        calls.append(now())
        await asyncio.sleep(1)
        return len(calls)

    async def main():
        answers = []
        for _ in range(4):
            answers.append(await look_up())
            await asyncio.sleep(4)
        return answers

    assert simulate(main()) == [1, 1, 1, 2]
    assert calls == [0, 13]


def test_async_lru_keeps_a_value_until_its_time_is_over():
    async_lru = pytest.importorskip("async_lru")
    calls = []

    @async_lru.alru_cache(ttl=5)
    async def look_up():
        calls.append(now())
        return len(calls)

    async def main():
        answers = [await look_up()]
        await asyncio.sleep(4)
        answers.append(await look_up())
        await asyncio.sleep(4)
        return [*answers, await look_up()]

    assert simulate(main()) == [1, 1, 2]
    assert calls == [0, 8]


def test_async_timeout_ends_a_wait_at_its_deadline_even_when_that_is_moved():
    async_timeout = pytest.importorskip("async_timeout")

    async def main():
        with pytest.raises(TimeoutError):  # noqa: PT012 (the deadline is moved inside)
            async with async_timeout.timeout(1) as limit:
                limit.shift(0.5)
                await asyncio.sleep(60)
        return now()

    assert simulate(main()) == 1.5


def test_anyio_moves_on_after_a_while_and_its_streams_hold_the_producer_back():
    anyio = pytest.importorskip("anyio")

    async def main():
        with anyio.move_on_after(0.75):
            await anyio.sleep(60)
        send, receive = anyio.create_memory_object_stream(0)
        times = []

        async def produce():
            async with send:
                for number in range(3):
                    await send.send(number)
                    times.append(now())

        async with anyio.create_task_group() as group, receive:
            group.start_soon(produce)
            async for _ in receive:
                await anyio.sleep(0.5)
        return times, now()

    assert simulate(main()) == ([0.75, 1.25, 1.75], 2.25)


def test_asyncstdlib_and_aioitertools_take_items_as_they_come():
    asyncstdlib, aioitertools = pytest.importorskip("asyncstdlib"), pytest.importorskip("aioitertools")

    async def words():
        for word in ("one", "two", "three"):
            await asyncio.sleep(0.2)
            yield word

    async def main():
        first = [(now(), pair) async for pair in asyncstdlib.enumerate(words())]
        return first, await aioitertools.list(aioitertools.islice(words(), 2)), now()

    assert simulate(main()) == (
        [(0.2, (0, "one")), (0.4, (1, "two")), (0.6, (2, "three"))],
        ["one", "two"],
        1.0,
    )
