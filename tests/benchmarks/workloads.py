"""One voice-agent turn, written for each engine that the benchmark compares.

The turn is the same everywhere. A microphone delivers 20 chunks, one every 0.1 s, and a
recogniser spends 0.02 s on each and reports a partial transcript after every third, the
final one after the last. Then a language model thinks for 0.3 s and yields 8 words, 0.02 s
apart; a synthesiser takes 0.15 s to start on the first word and 0.05 s to speak each. Three
tasks, three queues, 58 timers, no randomness: the five marks in `MARKS` are known in advance
and every run is checked against them, so that an engine cannot be fast by being wrong.

`run` is the whole interface. The peers are imported inside their own functions, so that
those that are not installed cost nothing.
"""

from __future__ import annotations

import asyncio

CHUNKS, CHUNK, RECOGNITION, PARTIAL_EVERY = 20, 0.1, 0.02, 3
WORDS, FIRST_TOKEN, PER_WORD = 8, 0.3, 0.02
FIRST_SOUND, SPEAKING = 0.15, 0.05

#: Seconds after the start of a turn, in the order in which they are reached.
MARKS = {"last chunk": 2.00, "final": 2.02, "first word": 2.34, "first audio": 2.54, "end": 2.89}

#: Engines on a float clock add up rounding errors of about 1e-12 s; a late timer is far larger.
TOLERANCE = 1e-9

MODES = ("sequential", "concurrent")


# --- asyncio: simulate, aiotools and looptime run this unchanged ---------------------------


async def asyncio_turn() -> list[float]:
    """Run one turn and return its five marks, in seconds from its start."""
    now = asyncio.get_running_loop().time
    start, marks = now(), []
    chunks, transcripts, words = asyncio.Queue(), asyncio.Queue(), asyncio.Queue()

    async def microphone():
        for number in range(1, CHUNKS + 1):
            await asyncio.sleep(CHUNK)
            await chunks.put(number)
        marks.append(now())
        await chunks.put(None)

    async def recogniser():
        while (number := await chunks.get()) is not None:
            await asyncio.sleep(RECOGNITION)
            if number % PARTIAL_EVERY == 0:
                await transcripts.put("partial")
        await transcripts.put("final")

    async def reply():
        await asyncio.sleep(FIRST_TOKEN)
        for number in range(WORDS):
            await asyncio.sleep(PER_WORD)
            yield number

    async def language_model():
        async for word in reply():
            if word == 0:
                marks.append(now())
            await words.put(word)
        await words.put(None)

    listening = asyncio.create_task(microphone())
    recognising = asyncio.create_task(recogniser())
    while await transcripts.get() != "final":
        pass
    marks.append(now())
    answering = asyncio.create_task(language_model())
    while (word := await words.get()) is not None:
        if word == 0:
            await asyncio.sleep(FIRST_SOUND)
        await asyncio.sleep(SPEAKING)
        if word == 0:
            marks.append(now())
    marks.append(now())
    for task in (listening, recognising, answering):
        await task
    return [mark - start for mark in marks]


async def asyncio_turns(mode: str, turns: int) -> list[list[float]]:
    """Run `turns` turns one after the other, or all at once."""
    if mode == "concurrent":
        return await asyncio.gather(*(asyncio_turn() for _ in range(turns)))
    return [await asyncio_turn() for _ in range(turns)]


def run_simulate(mode: str, turns: int) -> list[list[float]]:
    """Run the turns on this project's virtual-time loop."""
    from voice_agent_lab.clock.simulation import simulate

    return simulate(asyncio_turns(mode, turns))


def run_aiotools(mode: str, turns: int) -> list[list[float]]:
    """Run the turns on a standard loop patched by aiotools."""
    from aiotools import VirtualClock

    async def main():
        with VirtualClock().patch_loop():
            return await asyncio_turns(mode, turns)

    return asyncio.run(main())


def run_looptime(mode: str, turns: int) -> list[list[float]]:
    """Run the turns on looptime's loop, without its default 42 idle cycles per step."""
    import looptime

    loop = looptime.new_event_loop(noop_cycles=0)
    try:
        return loop.run_until_complete(asyncio_turns(mode, turns))
    finally:
        loop.close()


# --- SimPy: the same turn as processes and stores ------------------------------------------


def simpy_turn(env, simpy):
    """Run one turn as a SimPy process and return its five marks."""
    start, marks = env.now, []
    chunks, transcripts, words = simpy.Store(env), simpy.Store(env), simpy.Store(env)

    def microphone():
        for number in range(1, CHUNKS + 1):
            yield env.timeout(CHUNK)
            yield chunks.put(number)
        marks.append(env.now)
        yield chunks.put(None)

    def recogniser():
        while (number := (yield chunks.get())) is not None:
            yield env.timeout(RECOGNITION)
            if number % PARTIAL_EVERY == 0:
                yield transcripts.put("partial")
        yield transcripts.put("final")

    def language_model():
        yield env.timeout(FIRST_TOKEN)
        for word in range(WORDS):
            yield env.timeout(PER_WORD)
            if word == 0:
                marks.append(env.now)
            yield words.put(word)
        yield words.put(None)

    listening, recognising = env.process(microphone()), env.process(recogniser())
    while (yield transcripts.get()) != "final":
        pass
    marks.append(env.now)
    answering = env.process(language_model())
    while (word := (yield words.get())) is not None:
        if word == 0:
            yield env.timeout(FIRST_SOUND)
        yield env.timeout(SPEAKING)
        if word == 0:
            marks.append(env.now)
    marks.append(env.now)
    yield from (listening, recognising, answering)
    return [mark - start for mark in marks]


def run_simpy(mode: str, turns: int) -> list[list[float]]:
    """Run the turns in one SimPy environment."""
    import simpy

    env, results = simpy.Environment(), []

    def sequence():
        for _ in range(turns):
            results.append((yield env.process(simpy_turn(env, simpy))))  # noqa: PERF401 (a yield cannot stand in a list)

    if mode == "sequential":
        env.run(until=env.process(sequence()))
        return results
    processes = [env.process(simpy_turn(env, simpy)) for _ in range(turns)]
    env.run(until=env.all_of(processes))
    return [process.value for process in processes]


# --- Trio: the same turn with memory channels ----------------------------------------------


async def trio_turn(trio) -> list[float]:
    """Run one turn under Trio and return its five marks."""
    now, unbounded = trio.current_time, float("inf")
    start, marks = now(), []
    chunks_in, chunks_out = trio.open_memory_channel(unbounded)
    transcripts_in, transcripts_out = trio.open_memory_channel(unbounded)
    words_in, words_out = trio.open_memory_channel(unbounded)

    async def microphone():
        async with chunks_in:
            for number in range(1, CHUNKS + 1):
                await trio.sleep(CHUNK)
                await chunks_in.send(number)
            marks.append(now())

    async def recogniser():
        async for number in chunks_out:
            await trio.sleep(RECOGNITION)
            if number % PARTIAL_EVERY == 0:
                await transcripts_in.send("partial")
        await transcripts_in.send("final")

    async def reply():
        await trio.sleep(FIRST_TOKEN)
        for number in range(WORDS):
            await trio.sleep(PER_WORD)
            yield number

    async def language_model():
        async with words_in:
            async for word in reply():
                if word == 0:
                    marks.append(now())
                await words_in.send(word)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(microphone)
        nursery.start_soon(recogniser)
        while await transcripts_out.receive() != "final":
            pass
        marks.append(now())
        nursery.start_soon(language_model)
        async for word in words_out:
            if word == 0:
                await trio.sleep(FIRST_SOUND)
            await trio.sleep(SPEAKING)
            if word == 0:
                marks.append(now())
        marks.append(now())
    return [mark - start for mark in marks]


def run_trio(mode: str, turns: int) -> list[list[float]]:
    """Run the turns under Trio's mock clock, which jumps as soon as every task waits."""
    import trio
    from trio.testing import MockClock

    async def main():
        results = []

        async def one():
            results.append(await trio_turn(trio))

        if mode == "sequential":
            for _ in range(turns):
                await one()
        else:
            async with trio.open_nursery() as nursery:
                for _ in range(turns):
                    nursery.start_soon(one)
        return results

    return trio.run(main, clock=MockClock(autojump_threshold=0))


# --- the interface ---------------------------------------------------------------------------

#: Engine name to its runner; the name is also that of the distribution it comes from.
ENGINES = {
    "simulate": run_simulate,
    "simpy": run_simpy,
    "aiotools": run_aiotools,
    "looptime": run_looptime,
    "trio": run_trio,
}


def run(engine: str, mode: str, turns: int) -> None:
    """Run `turns` turns on `engine` and check every mark of every one.

    Parameters
    ----------
    engine : str
        A key of `ENGINES`.
    mode : str
        "sequential" (one turn after the other) or "concurrent" (all at once).
    turns : int
        How many turns to run.

    Raises
    ------
    AssertionError
        If a turn is missing, or a mark is off by more than `TOLERANCE` seconds.
    """
    results = ENGINES[engine](mode, turns)
    assert len(results) == turns, f"{engine} finished {len(results)} of {turns} turns"
    expected = list(MARKS.values())
    for marks in results:
        assert len(marks) == len(expected), f"{engine} reached {len(marks)} of {len(expected)} marks"
        for name, mark, due in zip(MARKS, marks, expected, strict=True):
            assert abs(mark - due) <= TOLERANCE, f"{engine}: {name} at {mark} s instead of {due} s"
