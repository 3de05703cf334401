"""Playback: it starts with the first sound, drains in real time, and runs dry when synthesis is late."""

import asyncio
from contextlib import aclosing, suppress

import numpy as np
import pytest

from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.measure.log import EventLog
from voice_agent_lab.stages.playback import Playback
from voice_agent_lab.streams import run_ahead

RATE = 16000


def tone(seconds, level=0.1):
    return np.full(round(seconds * RATE), level, dtype=np.float32)


async def made_at(chunks):
    """Yield chunks, each made at its time."""
    loop = asyncio.get_running_loop()
    for time, chunk in chunks:
        await asyncio.sleep(time - loop.time())
        yield loop.time(), chunk


def play(chunks, playback=None, stop_after=None, rate=RATE):
    """Return what was yielded (when, to whom it began), the log, and when it was over."""

    async def plays():
        loop, log, began = asyncio.get_running_loop(), EventLog(), []
        with log.recording():
            sounds = (playback or Playback()).play(run_ahead(made_at(chunks)), rate)
            async with aclosing(sounds):
                async for begins, chunk in sounds:
                    began.append((loop.time(), begins, len(chunk) / rate))
                    if len(began) == stop_after:
                        break
        return began, [(e.time, e.name, e.detail) for e in log], loop.time(), len(asyncio.all_tasks())

    return simulate(plays())


def test_chunks_that_come_in_time_sound_one_after_the_other():
    began, events, over, _ = play([(1.0, tone(0.3)), (1.1, tone(0.2)), (1.2, tone(0.1))])
    assert began == [(1.0, 1.0, 0.3), (1.3, 1.3, 0.2), (1.5, 1.5, 0.1)]
    assert events == [
        (1.0, "chunk", {"seconds": 0.3}),
        (1.0, "started", {}),
        (1.3, "chunk", {"seconds": 0.2}),
        (1.5, "chunk", {"seconds": 0.1}),
        (1.6, "ended", {}),
    ]
    assert over == 1.6


def test_a_chunk_that_comes_just_as_the_last_one_ends_is_in_time():
    _, events, _, _ = play([(1.0 + 0.1 * k, tone(0.1)) for k in range(10)])
    assert [name for _, name, _ in events].count("underrun") == 0
    assert events[-1] == (2.0, "ended", {})


def test_a_late_chunk_leaves_a_gap_of_just_its_lateness():
    _, events, over, _ = play([(1.0, tone(0.1)), (1.35, tone(0.1)), (1.36, tone(0.1)), (2.0, tone(0.1))])
    assert [e for e in events if e[1] == "underrun"] == [
        (1.35, "underrun", {"seconds": 0.25}),
        (2.0, "underrun", {"seconds": 0.45}),
    ]
    assert over == 2.1


def test_a_gap_moves_all_that_follows():
    began, _, _, _ = play([(1.0, tone(0.1)), (1.3, tone(0.3)), (1.31, tone(0.1))])
    assert [begins for _, begins, _ in began] == [1.0, 1.3, 1.6]


def test_latency_delays_every_sound_and_makes_no_gap():
    chunks = [(1.0 + 0.1 * k, tone(0.1)) for k in range(3)]
    began, events, over, _ = play(chunks, Playback(latency=0.09))
    assert [begins for _, begins, _ in began] == [1.09, 1.19, 1.29]
    assert [name for _, name, _ in events].count("underrun") == 0
    assert over == 1.39


def test_it_has_started_with_the_first_audible_sample():
    quiet = np.concatenate([tone(0.05, 0.0), tone(0.05)])
    _, events, _, _ = play([(1.0, tone(0.1, 0.0)), (1.01, quiet), (1.02, tone(0.1))], Playback(latency=0.2))
    assert [(time, name) for time, name, _ in events] == [
        (1.2, "chunk"),
        (1.3, "chunk"),
        (1.35, "started"),
        (1.4, "chunk"),
        (1.5, "ended"),
    ]


def test_what_is_stopped_before_its_first_audible_sample_has_not_started():
    async def stopped(after):
        log = EventLog()
        with log.recording(), suppress(TimeoutError):
            async with asyncio.timeout(after):
                async for _ in Playback().play(
                    made_at([(1.0, np.concatenate([tone(0.1, 0.0), tone(0.1)]))]), RATE
                ):
                    pass
        return [(e.time, e.name) for e in log]

    assert simulate(stopped(1.05)) == [(1.0, "chunk"), (1.05, "stopped")]
    assert simulate(stopped(1.15)) == [(1.0, "chunk"), (1.1, "started"), (1.15, "stopped")]


def test_silence_is_played_but_never_starts():
    _, events, over, _ = play([(1.0, tone(0.1, 0.0)), (1.05, tone(0.1, 0.001))])
    assert [(time, name) for time, name, _ in events] == [(1.0, "chunk"), (1.1, "chunk"), (1.2, "ended")]
    assert over == 1.2


def test_nothing_to_play_is_no_playback():
    assert play([]) == ([], [], 0.0, 1)


@pytest.mark.parametrize("rate", [8000, 22050, 48000])
def test_a_chunk_lasts_as_long_as_its_samples_at_its_rate(rate):
    chunk = np.ones(rate // 2, dtype=np.float32)
    _, _, over, _ = play([(1.0, chunk), (1.0, chunk)], rate=rate)
    assert over == 2.0


def test_closing_it_stops_the_sound_and_leaves_no_end_and_no_task():
    began, events, over, tasks = play([(1.0 + 0.01 * k, tone(0.1)) for k in range(50)], stop_after=3)
    assert [begins for _, begins, _ in began] == [1.0, 1.1, 1.2]
    assert [name for _, name, _ in events] == ["chunk", "started", "chunk", "chunk", "stopped"]
    assert over == 1.2
    assert tasks == 2  # the source's own, which its owner closes; the agent's does


def test_a_negative_latency_is_refused():
    with pytest.raises(ValueError, match=r"^latency is -0.1; it must be a finite number of seconds"):
        Playback(latency=-0.1)
