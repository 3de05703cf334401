"""Who speaks, and when the user has finished: in audio time, whatever the clock does."""

import asyncio
from math import inf, nan

import numpy as np
import pytest

from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.stages.endpointing import SilenceTimeout
from voice_agent_lab.stages.microphone import AudioInputStream
from voice_agent_lab.stages.speech import speech_like
from voice_agent_lab.stages.vad import EnergyVAD


def hears(vad, frame):
    return simulate(vad.hears_speech(np.asarray(frame, dtype=np.float32)))


def finished_at(policy, judgements, seconds=0.1):
    """Return in which frame, counted from 1, the policy first says that the user has finished."""
    for number, judgement in enumerate(judgements, start=1):
        if policy.finished(judgement == "#", seconds):
            return number
    return None


# --- Voice activity -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "speech"),
    [
        (np.zeros(160), False),
        (np.full(160, 0.0625), True),
        (np.full(160, -0.0625), True),
        (np.full(160, 0.04), False),
        (np.tile([0.08, -0.08], 80), True),
        (np.tile([0.08, 0.0], 80), False),
    ],
)
def test_a_frame_is_speech_when_its_mean_magnitude_is_above_the_threshold(frame, speech):
    assert hears(EnergyVAD(), frame) is speech


def test_a_frame_at_the_threshold_is_not_above_it():
    assert [hears(EnergyVAD(t), np.full(160, 0.25)) for t in (0.25, 0.2499)] == [False, True]


def test_it_judges_every_frame_alone():
    vad = EnergyVAD()
    loud, quiet = np.full(160, 0.1), np.zeros(160)
    assert [hears(vad, frame) for frame in (loud, quiet, loud, quiet)] == [True, False, True, False]
    vad.reset()
    assert hears(vad, quiet) is False


def test_it_costs_no_time():
    async def judged():
        await EnergyVAD().hears_speech(np.zeros(160, dtype=np.float32))
        return asyncio.get_running_loop().time()

    assert simulate(judged()) == 0.0


@pytest.mark.parametrize(
    "text", ["Hello, how are you today?", "What is the weather like?", "Set a timer for ten minutes.", "Hi!"]
)
def test_it_hears_the_simulated_user_with_no_pause_of_more_than_a_space(text):
    frames = AudioInputStream().samples_for(text).reshape(-1, 1600)
    heard = "".join("#" if hears(EnergyVAD(), frame) else "." for frame in frames)
    assert heard[0] == heard[-1] == "#"
    assert ".." not in heard


def test_it_does_not_hear_a_quiet_voice():
    assert hears(EnergyVAD(), 0.5 * speech_like("hello", 0.1)) is False


# --- The end of the turn --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("judgements", "frame"),
    [
        ("###.....", 8),
        ("###.......", 8),
        ("###....#.....", 13),
        ("#.....", 6),
        ("..........", None),
        ("##########", None),
        ("###....", None),
        (".......#.....", 13),
        ("#.#.#.#.....", 12),
    ],
)
def test_the_user_has_finished_after_half_a_second_of_silence_without_a_break(judgements, frame):
    assert finished_at(SilenceTimeout(), judgements) == frame


@pytest.mark.parametrize(
    ("timeout", "seconds", "frames"),
    [
        (0.3, 0.1, 3),
        (0.5, 0.02, 25),
        (0.8, 0.1, 8),
        (0.5, 0.032, 16),
        (0.48, 0.032, 15),
        (1.1, 0.01, 110),
        (0.0, 0.1, 1),
    ],
)
def test_the_timeout_is_exact_in_audio_time(timeout, seconds, frames):
    # A sum of floats would be late: 0.1 added up eight times is less than 0.8.
    assert finished_at(SilenceTimeout(timeout), "#" + "." * 200, seconds) == 1 + frames


def test_silence_counts_in_audio_and_not_on_the_clock():
    async def slowly():
        policy, answers = SilenceTimeout(0.3), []
        for judgement in "#...":
            await asyncio.sleep(10)
            answers.append(policy.finished(judgement == "#", 0.1))
        return answers

    assert simulate(slowly()) == [False, False, False, True]


def test_it_stays_finished_until_the_user_speaks_again():
    policy = SilenceTimeout(0.2)
    assert [policy.finished(judgement == "#", 0.1) for judgement in "#....#.."] == [
        False,
        False,
        True,
        True,
        True,
        False,
        False,
        True,
    ]


def test_reset_forgets_both_the_silence_and_the_speech():
    policy = SilenceTimeout(0.3)
    assert finished_at(policy, "##..") is None
    policy.reset()
    assert finished_at(policy, "......") is None
    assert finished_at(policy, "#...") == 4


def test_frames_of_different_lengths_add_up():
    policy = SilenceTimeout(0.5)
    steps = [(True, 0.1), (False, 0.2), (False, 0.25), (False, 0.05)]
    assert [policy.finished(speech, seconds) for speech, seconds in steps] == [False, False, False, True]


@pytest.mark.parametrize("timeout", [-0.1, nan, inf])
def test_a_timeout_that_cannot_be_is_refused(timeout):
    with pytest.raises(ValueError, match=f"^timeout is {timeout!r}; it must be a finite number of seconds"):
        SilenceTimeout(timeout)


@pytest.mark.parametrize("threshold", [-0.1, nan, 1.5])
def test_a_threshold_that_cannot_be_is_refused(threshold):
    with pytest.raises(ValueError, match=r"^threshold is"):
        EnergyVAD(threshold)
