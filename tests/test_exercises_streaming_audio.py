"""The exercises of notebook 02: what is right is accepted, however it is written, and nothing else is."""

import asyncio
import time

import numpy as np
import pytest

from voice_agent_lab.lessons.exercises import WrongAnswer
from voice_agent_lab.lessons.exercises.streaming_audio import (
    check_absolute_deadline,
    check_last_frame,
    check_shortest_frame,
)
from voice_agent_lab.streams import sleep_until


def now():
    return asyncio.get_running_loop().time()


def last_frame_late(frames, seconds, processing):
    return processing + (frames - 1) * max(0.0, processing - seconds)


def last_frame_late_by_a_queue(frames, seconds, processing):
    done = 0.0
    for k in range(1, frames + 1):
        done = max(done, k * seconds) + processing
    return done - frames * seconds


async def absolute(k, opened, seconds):
    left = opened + (k + 1) * seconds - now()
    if left > 0:
        await asyncio.sleep(left)


async def by_polling(k, opened, seconds):
    while now() < opened + (k + 1) * seconds:  # noqa: ASYNC110  # what a learner may write
        await asyncio.sleep(0.001)


async def never_below_zero(k, opened, seconds):
    await asyncio.sleep(max(0, opened + seconds * (k + 1) - now()))


async def by_a_timer(k, opened, seconds):
    waiting = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_at(opened + (k + 1) * seconds, waiting.set_result, None)
    await waiting


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (check_shortest_frame, lambda kbit: 320 / kbit),
        (check_shortest_frame, lambda kbit: 1000 / (kbit * 1000 / 320)),
        (check_shortest_frame, lambda kbit: round(320 / kbit, 1)),
        (check_shortest_frame, lambda kbit: int(np.ceil(round(320 / kbit, 6)))),
        (check_last_frame, last_frame_late),
        (check_last_frame, last_frame_late_by_a_queue),
        (check_last_frame, lambda *case: round(last_frame_late(*case), 2)),
        (check_last_frame, lambda n, s, p: p if p <= s else n * p - (n - 1) * s),
        (check_absolute_deadline, absolute),
        (check_absolute_deadline, by_polling),
        (check_absolute_deadline, never_below_zero),
        (check_absolute_deadline, by_a_timer),
        (check_absolute_deadline, lambda k, opened, seconds: sleep_until(opened + (k + 1) * seconds)),
    ],
)
def test_a_right_answer_is_accepted(check, answer, capsys):
    check(answer)
    assert capsys.readouterr().out.startswith("Right. ")


async def relative(k, opened, seconds):
    await asyncio.sleep(seconds)


async def a_frame_early(k, opened, seconds):
    await sleep_until(opened + k * seconds)


async def a_frame_late(k, opened, seconds):
    await sleep_until(opened + (k + 2) * seconds)


async def ignores_opened(k, opened, seconds):
    await sleep_until((k + 1) * seconds)


async def ignores_seconds(k, opened, seconds):
    await sleep_until(opened + (k + 1) * 0.1)


async def ignores_k(k, opened, seconds):
    await sleep_until(opened + seconds)


async def by_another_clock(k, opened, seconds):
    await asyncio.sleep(max(0.0, opened + (k + 1) * seconds - time.time()))


async def skips_the_work(k, opened, seconds):
    await asyncio.sleep(seconds if k == 0 else seconds - 0.002)


async def never_late(k, opened, seconds):
    left = opened + (k + 1) * seconds - now()
    await asyncio.sleep(left if left > 0 else seconds)


async def without_sleeping(k, opened, seconds):
    while now() < opened + (k + 1) * seconds:  # noqa: ASYNC110  # what a learner may write
        await asyncio.sleep(0)


def not_a_coroutine(k, opened, seconds):
    return None


@pytest.mark.parametrize(
    ("check", "answer", "refusal"),
    [
        (
            check_shortest_frame,
            lambda kbit: 20,
            r"shortest_frame\(32\) returned 20.0, and the model gives 10.0",
        ),
        (
            check_shortest_frame,
            lambda kbit: {16: 20, 32: 10, 3.2: 100}.get(kbit, 20),
            r"shortest_frame\(64\)",
        ),
        (check_shortest_frame, lambda kbit: 0.32 / kbit, "320 bits of headers each"),
        (check_shortest_frame, lambda kbit: 40 / kbit, "320 bits of headers each"),
        (check_shortest_frame, lambda kbit: kbit / 320, "50 packets a second"),
        (check_shortest_frame, lambda kbit: 1000 * kbit / 320, "returned 50.0"),
        (check_shortest_frame, lambda kbit: 320 * 10 // (kbit * 10), r"shortest_frame\(48\) returned 6"),
        (check_shortest_frame, lambda kbit: None, r"shortest_frame\(16\) returned None"),
        (check_shortest_frame, lambda kbit: "20 ms", "'20 ms', which is not a number"),
        # 19 frames after the first, whatever was said.
        (check_last_frame, lambda n, s, p: p + 19 * max(0.0, p - s), "model gives 1.3"),
        (check_last_frame, lambda n, s, p: p, "falls behind by 0.03 s with each frame after the first"),
        (
            check_last_frame,
            lambda n, s, p: p + n * max(0.0, p - s),
            "returned 0.73, and the model gives 0.70",
        ),
        (check_last_frame, lambda n, s, p: p + (n - 1) * (p - s), "nothing left to do"),
        (check_last_frame, lambda n, s, p: last_frame_late(n, 0.1, p), r"last_frame_late\(\d+, 0.04, 0.05\)"),
        (
            check_last_frame,
            lambda n, s, p: last_frame_late(n, s, 0.13),
            "returned 0.70, and the model gives 0.08",
        ),
        (check_last_frame, lambda n, s, p: n * p, "returned 1.60"),
        (check_last_frame, lambda n, s, p: 1000 * last_frame_late(n, s, p), "returned 80.00"),
        (check_last_frame, lambda n, s, p: None, r"last_frame_late\(20, 0.1, 0.08\) returned None"),
        (check_absolute_deadline, relative, "does not depend on the frames before it"),
        (check_absolute_deadline, a_frame_early, "It is complete at 0.100 s, not before"),
        (check_absolute_deadline, a_frame_late, "100 ms late"),
        (check_absolute_deadline, ignores_opened, "not before"),
        (check_absolute_deadline, ignores_seconds, "of 20 ms was given out 0.100 s after the opening"),
        (check_absolute_deadline, ignores_k, "Frame 1 of 100 ms was given out 0.102 s"),
        (check_absolute_deadline, by_another_clock, "not before"),
        (check_absolute_deadline, skips_the_work, "busy for 0.35 s"),
        (check_absolute_deadline, never_late, "waits for nothing"),
        (check_absolute_deadline, without_sleeping, "never sleeps"),
        (check_absolute_deadline, not_a_coroutine, "Does it begin with async def"),
    ],
)
def test_a_wrong_answer_is_refused_with_its_rule(check, answer, refusal):
    with pytest.raises(WrongAnswer, match=refusal):
        check(answer)


async def async_stub(k, opened, seconds):
    raise NotImplementedError("your answer goes here")


def stub(*arguments):
    raise NotImplementedError("your answer goes here")


@pytest.mark.parametrize(
    ("check", "answer"),
    [(check_shortest_frame, stub), (check_last_frame, stub), (check_absolute_deadline, async_stub)],
)
def test_without_an_answer_nothing_stops(check, answer, capsys):
    check(answer)
    assert capsys.readouterr().out.startswith("Not answered yet: ")
