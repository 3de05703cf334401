"""The event log: who writes to it, in which order it is read, and that it survives a file."""

import asyncio
import json
from contextlib import suppress
from math import inf, isnan, nan
from pathlib import Path

import numpy as np
import pytest

from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.measure.log import Event, EventLog, record


def events(log):
    return [(e.time, e.stage, e.name, e.detail) for e in log]


def test_outside_a_turn_nothing_is_recorded_and_nothing_fails():
    record("asr", "frame", took=0.1)  # not even a loop is running

    async def turnless():
        record("asr", "frame", took=0.1)

    simulate(turnless())


def test_events_are_stamped_in_seconds_since_the_origin_by_the_clock_of_the_loop():
    async def turn():
        await asyncio.sleep(5)
        log = EventLog(origin=asyncio.get_running_loop().time())
        with log.recording() as same:
            record("user", "input", text="Hi")
            await asyncio.sleep(0.1)
            await asyncio.sleep(0.2)
            record("asr", "frame", took=0.2)
            record("user", "speech_ended", at=5.15)
        record("asr", "frame", took=9.0)
        assert same is log
        return log

    log = simulate(turn())
    assert events(log) == [
        (0.0, "user", "input", {"text": "Hi"}),
        (0.15, "user", "speech_ended", {}),
        (0.3, "asr", "frame", {"took": 0.2}),
    ]
    assert len(log) == 3


def test_tasks_and_generators_started_in_a_turn_write_to_its_log_and_others_do_not():
    async def stage(name, delay):
        await asyncio.sleep(delay)
        record(name, "done")

    async def turn(name):
        log = EventLog()
        with log.recording():
            tasks = [asyncio.create_task(stage(f"{name}{k}", 0.1 * k)) for k in (2, 1)]
        await asyncio.gather(*tasks)  # they keep the log that they were born with
        return log

    async def two_turns():
        stray = asyncio.create_task(stage("stray", 0.15))
        logs = await asyncio.gather(turn("a"), turn("b"))
        await stray
        return logs

    assert [events(log) for log in simulate(two_turns())] == [
        [(0.1, "a1", "done", {}), (0.2, "a2", "done", {})],
        [(0.1, "b1", "done", {}), (0.2, "b2", "done", {})],
    ]


def test_a_log_within_a_log_gives_the_outer_one_back():
    outer, inner = EventLog(), EventLog()
    with outer.recording():
        with suppress(KeyError), inner.recording():
            record("a", "inside", at=1.0)
            raise KeyError
        record("a", "outside", at=2.0)
    assert events(outer) == [(2.0, "a", "outside", {})]
    assert events(inner) == [(1.0, "a", "inside", {})]


def test_the_log_is_in_order_of_time_and_ties_keep_the_order_of_their_recording():
    log = EventLog()
    for k, time in enumerate([0.3, 0.1, 0.3, 0.2, 0.1, 0.3]):
        log.record("asr", "zyxwvu"[k], at=time, k=k)
    assert [(e.time, e.detail["k"]) for e in log] == [
        (0.1, 1),
        (0.1, 4),
        (0.2, 3),
        (0.3, 0),
        (0.3, 2),
        (0.3, 5),
    ]
    assert log.all("asr", "y") == [Event(0.1, "asr", "y", {"k": 1})]


def test_times_are_rounded_to_the_nanosecond_so_that_ties_are_ties():
    log = EventLog(origin=0.1)
    log.record("a", "first", at=0.1 + 0.1 + 0.1)
    log.record("a", "second", at=0.3)
    assert [e.time for e in log] == [0.2, 0.2]


def test_first_and_last_are_times_and_nan_for_what_never_happened():
    log = EventLog(
        events=(Event(0.2, "llm", "token"), Event(0.1, "llm", "token"), Event(0.0, "asr", "token"))
    )
    assert (log.first("llm", "token"), log.last("llm", "token")) == (0.1, 0.2)
    assert isnan(log.first("llm", "complete"))
    assert isnan(log.last("tts", "token"))
    assert log.all("tts", "token") == []


def test_a_log_survives_json_and_the_same_log_gives_the_same_bytes():
    log = EventLog()
    log.record("user", "input", at=0.0, text='Où est-ce? "Là"\n')
    log.record("llm", "token", at=0.2, text="b", took=0.1)
    log.record("llm", "token", at=0.1, text="a", took=0.1, first=True)
    log.record("asr", "partial", at=0.2, words=["a", None, 3])
    text = log.to_json()
    read = EventLog.from_json(text)
    assert list(read) == list(log)
    assert read.to_json() == text
    assert json.loads(text)["events"][0] == {
        "time": 0.0,
        "stage": "user",
        "name": "input",
        "text": 'Où est-ce? "Là"\n',
    }
    assert text.count("\n") == len(log) + 2


def test_an_empty_log_survives_json():
    assert list(EventLog.from_json(EventLog().to_json())) == []


def test_a_log_read_from_json_keeps_its_origin():
    assert EventLog.from_json(EventLog(origin=12.5).to_json()).origin == 12.5


def test_a_detail_cannot_overwrite_the_time_of_its_event():
    log = EventLog(events=(Event(1.0, "asr", "frame", {"time": 7.0}),))
    assert EventLog.from_json(log.to_json()).first("asr", "frame") == 1.0


def test_what_falls_just_before_time_zero_by_rounding_is_at_zero():
    log = EventLog(origin=0.3)
    log.record("user", "speech_started", at=0.1 + 0.2 - 1e-10)
    assert '"time": 0.0' in log.to_json()


def strictly(text):
    """Read JSON as a browser does: without NaN and Infinity."""

    def refuse(word):
        raise AssertionError(f"{word} is not JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize(
    ("detail", "written", "read_back"),
    [
        (nan, None, nan),
        (inf, None, nan),
        (np.float32("nan"), None, nan),
        (np.float32(0.5), 0.5, 0.5),
        (np.int64(3), 3, 3),
        ([1.0, nan, {"p": -inf}], [1.0, None, {"p": None}], [1.0, None, {"p": None}]),
        (np.array([0.25, nan]), [0.25, None], [0.25, None]),
        ({1: nan}, {"1": None}, {"1": None}),
        (Path("a.wav"), "a.wav", "a.wav"),
        ("caf\udce9.wav", "caf\udce9.wav", "caf\udce9.wav"),  # a file name in Latin-1, as Python sees it
        ("天気 😀 \u2028", "天気 😀 \u2028", "天気 😀 \u2028"),
    ],
)
def test_whatever_was_recorded_a_log_is_strict_json_that_can_be_written_and_read(
    detail, written, read_back, tmp_path
):
    log = EventLog(events=(Event(0.5, "tts", "chunk", {"onset": detail}),))
    (tmp_path / "events.json").write_text(log.to_json(), encoding="utf-8")
    text = (tmp_path / "events.json").read_text(encoding="utf-8")
    assert strictly(text)["events"][0]["onset"] == written
    (event,) = EventLog.from_json(text)
    assert repr(event.detail["onset"]) == repr(read_back)
    assert EventLog.from_json(text).to_json() == text
