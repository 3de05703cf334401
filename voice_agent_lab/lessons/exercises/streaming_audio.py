"""The exercises of notebook 02: the shortest frame, a recogniser that falls behind, a steady microphone."""

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable

from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.clock.trouble import LivelockError
from voice_agent_lab.lessons.exercises import exercise, expect, expect_number, finished_turn
from voice_agent_lab.lessons.streaming_audio import arrivals, frame_times
from voice_agent_lab.models.frames import header_kbit_per_second
from voice_agent_lab.stages.distributions import StageLatencies
from voice_agent_lab.stages.microphone import AudioInputStream
from voice_agent_lab.turns.agent import StreamingVoiceAgent


@exercise("02")
def check_shortest_frame(shortest_frame: Callable[[float], float]) -> str:
    """Compare with the headers that frames send, for the durations of the notebook's table and others."""
    # The last frame is no whole number of milliseconds; the next longer one that is can be afforded too.
    for kbit, digits in ((16, 1), (32, 1), (3.2, 1), (64, 1), (48, 0)):
        true = header_kbit_per_second(1) / kbit
        expect_number(
            f"shortest_frame({kbit})",
            shortest_frame(kbit),
            true,
            f"Frames of {true:.1f} ms are {1000 / true:.0f} packets a second, with 320 bits of headers each.",
            digits=digits,
        )
    return (
        f"16 kbit/s of headers buy frames of {shortest_frame(16):.0f} ms, twice as much buys "
        f"{shortest_frame(32):.0f} ms. Half the delay costs double."
    )


_SHORT, _LONG = "Hello, how are you today?", "Hello, how are you today? And how was your weekend?"


def _last_frame(text: str, frame_ms: int, processing: float) -> tuple[int, float]:
    """Return how many frames a simulated user's speech has, and how late the last one is done."""
    agent = StreamingVoiceAgent(
        latencies=StageLatencies(asr_processing=processing),
        audio=AudioInputStream(chunk_duration_ms=frame_ms),
    )
    table = arrivals(finished_turn(agent, text), frame_ms)
    return len(table), table.late.iloc[-1]


@exercise("02")
def check_last_frame(last_frame_late: Callable[[int, float, float], float]) -> str:
    """Compare with a simulated agent, for two lengths of speech and two durations of a frame."""
    for text, frame_ms, processing in (
        (_SHORT, 100, 0.08),
        (_SHORT, 100, 0.13),
        (_SHORT, 100, 0.1),
        (_LONG, 100, 0.13),
        (_LONG, 100, 0.03),
        (_LONG, 40, 0.05),
        (_SHORT, 200, 0.13),
    ):
        frames, late = _last_frame(text, frame_ms, processing)
        seconds = frame_ms / 1000
        if processing > seconds:
            rule = f"This recogniser falls behind by {processing - seconds:.2f} s with each frame after the first."
        else:
            rule = "This recogniser has nothing left to do when the last frame comes."
        call = f"last_frame_late({frames}, {seconds:g}, {processing:g})"
        expect_number(call, last_frame_late(frames, seconds, processing), late, rule)
    return (
        f"At 80 ms per frame the last of 20 is {last_frame_late(20, 0.1, 0.08):.2f} s late, at 130 ms "
        f"{last_frame_late(20, 0.1, 0.13):.2f} s, and twice as much speech makes it "
        f"{last_frame_late(40, 0.1, 0.13):.2f} s."
    )


Wait = Callable[[int, float, float], Awaitable[None]]
_OPENED = 3.5  # on the loop's clock: a microphone seldom opens when the clock shows zero
_PROMPT = 0.1  # of a frame: how late one may be given out, for those who look every few milliseconds


def _times(absolute: Wait, busy: Callable[[int], float], frames: int, seconds: float) -> list[float]:
    async def wait(k: int, opened: float, seconds: float) -> None:
        waiting = absolute(k, opened, seconds)
        expect(
            isawaitable(waiting),
            f"absolute({k}, {opened}, {seconds}) returned {waiting!r}, which cannot be awaited. "
            "Does it begin with async def?",
        )
        await waiting

    async def opened_later() -> list[float]:
        await asyncio.sleep(_OPENED)
        return await frame_times(wait, busy, frames=frames, seconds=seconds)

    try:
        return simulate(opened_later())
    except LivelockError:
        expect(
            False, "absolute looks at the clock for ever and never sleeps. Sleep for the time that is left."
        )
        raise


def _expect_deadlines(absolute: Wait, seconds: float, once: float) -> None:
    """Read a hundred frames with a reader that is quick, but busy `once` for so long after frame 4."""
    busy = [0.02 * seconds] * 100
    busy[4] += once
    told = f", after a reader that was busy for {busy[4]:.2f} s," if once else ""
    ready = 0.0  # when the reader asks for the next frame
    for k, time in enumerate(_times(absolute, busy.__getitem__, len(busy), seconds)):
        complete = (k + 1) * seconds
        case = f"Frame {k} of {seconds * 1000:.0f} ms{told} was given out {time:.3f} s after the opening"
        expect(time > complete - 1e-6, f"{case}. It is complete at {complete:.3f} s, not before.")
        due = max(complete, ready)
        rule = "waits for nothing then" if ready > complete else "does not depend on the frames before it"
        expect(
            time < due + _PROMPT * seconds + 1e-6,
            f"{case}, {1000 * (time - due):.0f} ms late. It is complete at {complete:.3f} s and {rule}.",
        )
        ready = time + busy[k]


@exercise("02")
def check_absolute_deadline(absolute: Wait) -> str:
    """Read frames of two durations with a reader that is quick, and with one that was busy once for long."""
    for seconds in (0.1, 0.02):
        for once in (0.0, 3.5 * seconds):
            _expect_deadlines(absolute, seconds, once)
    steady = _times(absolute, lambda k: 0.002, 20, 0.1)
    stumbling = _times(absolute, lambda k: 0.35 if k == 4 else 0.002, 20, 0.1)
    return (
        f"The last of 20 frames comes at {steady[-1]:.3f} s. Even after a reader that was busy for 0.35 s: the next is "
        f"{1000 * (stumbling[5] - 0.6):.0f} ms late, the last one {abs(1000 * (stumbling[-1] - 2.0)):.0f} ms."
    )
