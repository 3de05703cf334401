"""Notebook 02: frames, pulled or pushed, and how long they should be."""

import asyncio
import re

import numpy as np
import pytest

from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.lessons.streaming_audio import (
    frame_duration,
    frame_times,
    frames_heard,
    judged,
    pull_or_push,
    recorded_and_simulated,
)
from voice_agent_lab.models.frames import (
    HEADER_BYTES,
    frames_of,
    header_kbit_per_second,
    longest_hole,
)
from voice_agent_lab.plots import alt_text
from voice_agent_lab.stages.speech import speech_like

ONES = np.ones(700, dtype=np.float32)


def seconds(sentence):
    return [float(number) for number in re.findall(r"([\d.]+) s\b", sentence)]


@pytest.mark.parametrize(("frame_ms", "kbit"), [(10, 32.0), (20, 16.0), (100, 3.2), (200, 1.6)])
def test_forty_bytes_of_headers_for_each_frame(frame_ms, kbit):
    assert HEADER_BYTES == 40
    assert header_kbit_per_second(frame_ms) == pytest.approx(kbit)


@pytest.mark.parametrize(
    ("speech", "hole"),
    [("", 0), ("000", 0), ("1", 0), ("0011100", 0), ("1001", 2), ("10100010", 3), ("0110000", 0)],
)
def test_a_hole_is_inside_the_speech(speech, hole):
    assert longest_hole([letter == "1" for letter in speech]) == hole


def test_the_last_frame_is_filled_up_with_silence():
    cut = frames_of(ONES, 16000, 20)
    assert cut.shape == (3, 320)
    assert cut.sum() == 700
    assert judged(ONES, 16000, 20, 0.5) == [True, True, False]


def test_the_sentence_about_frames_has_that_arithmetic():
    _, sentence = frame_duration.draw(frame_ms=20, timeout=0.5, cost_ms=5)
    assert "50 packets a second, 16.0 kbit/s" in sentence
    assert "factor 0.35" in sentence  # 0.1 of the frame, and 5 ms of its 20


def test_the_end_is_decided_at_the_end_of_a_frame():
    # Speech ends at 1.93 s. 30 ms of it are too little for the frame from 1.9 to 2.0 s to be called speech.
    figure, sentence = frame_duration.draw(frame_ms=100, timeout=0.5, cost_ms=5)
    assert "decided 0.47 s after" in sentence
    _, *lines = (line.get_xdata()[0] for line in figure.axes[0].lines)
    assert lines == pytest.approx([1.93, 1.93 + 0.5, 1.9 + 0.5])


def test_a_timeout_below_a_pause_between_words_is_told():
    with pytest.raises(ValueError, match="choose a longer timeout"):
        frame_duration.draw(frame_ms=100, timeout=0.1, cost_ms=5)


@pytest.mark.parametrize(
    ("processing_ms", "factor", "pulled", "pushed"),
    [
        (80, "0.80", 20 * 0.18, 2.08),  # 20 frames of 100 ms with 80 ms of work each
        (200, "2.00", 20 * 0.3, 0.1 + 20 * 0.2),  # the pushed reader is late too
    ],
)
def test_pulled_frames_fall_behind_by_their_processing_and_pushed_ones_only_above_a_factor_of_1(
    processing_ms, factor, pulled, pushed
):
    explorer = pull_or_push()
    sentence = explorer.set(processing_ms=processing_ms)
    _, by_pulling, by_pushing = re.split("pulled|pushed", sentence)
    assert f"factor {factor}" in sentence
    assert seconds(by_pulling)[:2] == pytest.approx([pulled, pulled - 2.0])
    assert seconds(by_pushing)[0] == pytest.approx(pushed)


def test_a_reader_that_waits_for_deadlines_does_not_drift():
    async def relative(k, opened, seconds):
        await asyncio.sleep(seconds)

    async def absolute(k, opened, seconds):
        await asyncio.sleep(max(0.0, opened + (k + 1) * seconds - asyncio.get_running_loop().time()))

    drifting, steady = (simulate(frame_times(wait, lambda k: 0.002)) for wait in (relative, absolute))
    assert drifting[-1] == pytest.approx(2.0 + 19 * 0.002)
    assert steady == pytest.approx([0.1 * k for k in range(1, 21)])
    with pytest.raises(ValueError, match="busy is -1"):
        simulate(frame_times(absolute, lambda k: -1))


def test_what_a_detector_hears_is_told_for_each_duration():
    sound = np.concatenate([speech_like("Hello there", 1.0), np.zeros(8000, dtype=np.float32)])
    figure = frames_heard(sound, 16000, frame_ms=(100, 20))
    for axes, frames in zip(figure.axes, (15, 75), strict=True):
        assert len(axes.patches) == frames
    for frame_ms, frames in ((100, 15), (20, 75)):
        speech = judged(sound, 16000, frame_ms, 0.05)
        assert f"frames of {frame_ms} ms: {sum(speech)} of {frames}" in alt_text(figure)


def test_two_sounds_are_drawn_over_the_same_time():
    short, long = speech_like("Hello", 0.5), speech_like("Hello there", 1.0)
    figure = recorded_and_simulated(short, long, 16000)
    assert [axes.get_ylabel() for axes in figure.axes[::2]] == ["recorded", "simulated"]
    assert {axes.get_xlim() for axes in figure.axes} == {(0, 1.1)}
