"""Policies of endpointing: their waits exactly, and the same decisions frame by frame as at once."""

from math import ceil, inf, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.stages.distributions import StageLatencies
from voice_agent_lab.stages.endpointing import (
    HangoverTimeout,
    LearnedDetector,
    MinMaxDelay,
    Policy,
    SilenceTimeout,
    SmartTurnOrTimeout,
    TranscriptArrival,
)
from voice_agent_lab.stages.microphone import AudioInputStream
from voice_agent_lab.turns.agent import StreamingVoiceAgent

N = 10_000


def waits(policy, seed=0, n=N):
    """Return the policy's waits after users who have finished."""
    return policy.decides_after(np.zeros(n, dtype=bool), np.random.default_rng(seed))


def finished_after(policy, seconds=0.1, frames=1000):
    """Return how many frames of silence after a frame of speech the policy waits for."""
    policy.finished(True, seconds)
    return next((k for k in range(1, frames + 1) if policy.finished(False, seconds)), None)


# --- Timers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "seconds", "frames"),
    [
        (SilenceTimeout(), 0.5, 5),
        (SilenceTimeout(0.8), 0.8, 8),
        (SilenceTimeout(0.1 + 0.2), 0.3, 3),  # 0.30000000000000004, a frame too late if not rounded
        (SilenceTimeout(0.25), 0.25, 3),
        (SilenceTimeout(0), 0.0, 1),
        (HangoverTimeout(), 0.8, 8),
        (HangoverTimeout(0.1, 0.2), 0.3, 3),
        (HangoverTimeout(0.55, 0.5), 1.05, 11),
    ],
)
def test_a_timer_waits_the_same_after_every_silence(policy, seconds, frames):
    assert policy.mean_wait == seconds
    assert set(waits(policy)) == {seconds}
    assert set(policy.decides_after(np.ones(5, dtype=bool))) == {seconds}
    assert finished_after(policy) == frames


def test_no_silences_are_no_waits():
    for policy in (SilenceTimeout(), HangoverTimeout(), MinMaxDelay()):
        assert policy.decides_after(np.zeros(0, dtype=bool)).shape == (0,)


# --- The learned detector -------------------------------------------------------------------------


def test_the_mean_wait_is_livekits_published_one():
    # eot-bench, English, LiveKit v1: 0.91 * 0.3 s + 0.09 * 3.0 s = 0.543 s.
    assert LearnedDetector(0.91, 0.3, 3.0).mean_wait == 0.543


shares = st.floats(0, 1)
seconds = st.integers(0, 5_000_000_000).map(lambda ns: ns / 1e9)


@given(rate=shares, times=st.tuples(seconds, seconds), seed=st.integers(0, 2**32))
def test_the_mean_wait_is_the_identity_exactly(rate, times, seed):
    delay, timeout = sorted(times)
    detector = LearnedDetector(rate, delay, timeout)
    assert detector.mean_wait == round(rate * delay + (1 - rate) * timeout, 9)
    # And of any finite number of turns, with the share that was detected, in whole nanoseconds.
    got = waits(detector, seed, 100)
    detected = int((np.random.default_rng(seed).random(100) < rate).sum())
    nanoseconds = [round(wait * 1e9) for wait in got]
    assert sum(nanoseconds) == detected * round(delay * 1e9) + (100 - detected) * round(timeout * 1e9)


def test_it_detects_at_its_two_rates():
    detector = LearnedDetector(0.9, 0.3, 3.0, false_alarm_rate=0.2)
    rng = np.random.default_rng(1)
    for more, rate in ((False, 0.9), (True, 0.2)):
        fired = detector.decides_after(np.full(N, more), rng) == 0.3
        assert abs(fired.mean() - rate) < 4 * np.sqrt(rate * (1 - rate) / N)


def test_certainty_needs_no_luck():
    for rate, wait in ((1.0, 0.3), (0.0, 3.0)):
        assert set(waits(LearnedDetector(rate, 0.3, 3.0))) == {wait}
    never_wrong = LearnedDetector(1.0, 0.3, 3.0)
    assert set(never_wrong.decides_after(np.ones(N, dtype=bool))) == {3.0}


def test_it_asks_once_in_each_silence_whether_there_is_more_to_come():
    answers = iter([True, False])
    detector = LearnedDetector(1.0, 0.2, 1.0, more_to_come=lambda: next(answers))
    judged = [detector.finished(frame == "#", 0.1) for frame in "..##.....#..."]
    assert judged == [False] * 11 + [True] * 2


def test_whether_there_is_more_to_come_may_be_told_later():
    detector = MinMaxDelay(detection_rate=1.0)
    assert finished_after(detector) == 3
    detector.more_to_come = lambda: True
    assert finished_after(detector) == 25


def test_the_same_seed_decides_the_same():
    def decided(seed):
        detector = LearnedDetector(0.5, 0.3, 1.0, rng=np.random.default_rng(seed))
        return [finished_after(detector) for _ in range(50)]

    assert decided(1) == decided(1)
    assert decided(1) != decided(2)
    assert np.array_equal(waits(MinMaxDelay(), 3), waits(MinMaxDelay(), 3))
    first = LearnedDetector(0.5, 0.3, 1.0)
    assert [finished_after(first) for _ in range(50)] == decided(0)


def test_reset_forgets_the_silence_but_not_the_luck():
    detector = LearnedDetector(0.5, 0.3, 1.0)
    decided = []
    for _ in range(30):
        decided.append(finished_after(detector))
        detector.reset()
        assert finished_after(detector) in (3, 10)
        detector.reset()
        assert not any(detector.finished(False, 0.1) for _ in range(50))
    assert set(decided) == {3, 10}


# --- The two frameworks ---------------------------------------------------------------------------


def test_livekits_delays_count_from_the_end_of_speech():
    defaults = MinMaxDelay()
    assert (defaults.delay, defaults.timeout, defaults.detection_rate) == (0.3, 2.5, 0.91)
    without_streaming = MinMaxDelay(0.5, 3.0, 0.55, 0.91)
    assert (without_streaming.delay, without_streaming.timeout) == (0.55, 3.0)
    patient = MinMaxDelay(0.1, 0.2, 0.25, 0.91)
    assert (patient.delay, patient.timeout) == (0.25, 0.25)


def test_pipecats_timeout_counts_after_the_stop_of_voice_activity():
    defaults = SmartTurnOrTimeout(0.9)
    assert (defaults.delay, defaults.timeout) == (0.212, 3.2)
    cheap = SmartTurnOrTimeout(0.9, compute=0.06, false_alarm_rate=0.1)
    assert (cheap.delay, cheap.timeout, cheap.false_alarm_rate) == (0.26, 3.2, 0.1)


def test_a_policy_shows_what_it_does():
    assert repr(MinMaxDelay()) == (
        "MinMaxDelay(detection_rate=0.91, delay=0.3, timeout=2.5, false_alarm_rate=0.0)"
    )
    assert repr(SilenceTimeout()) == "SilenceTimeout(timeout=0.5)"


# --- Frame by frame and all at once ---------------------------------------------------------------

timers = st.builds(SilenceTimeout, seconds) | st.builds(HangoverTimeout, seconds, seconds)


@st.composite
def detectors(draw):
    delay, timeout = sorted(draw(st.tuples(seconds, seconds)))
    return LearnedDetector(draw(shares), delay, timeout, false_alarm_rate=draw(shares))


# Silences in frames, each with whether the user would go on after it.
silences = st.lists(st.tuples(st.integers(1, 400), st.booleans()), min_size=1, max_size=8)


@settings(max_examples=150, deadline=None)
@given(
    policy=timers | detectors(),
    silences=silences,
    frame_ns=st.sampled_from([10_000_000, 20_000_000, 32_000_000, 50_000_000, 62_500_001]),
    seed=st.integers(0, 2**32),
)
def test_frame_by_frame_is_all_at_once_rounded_up_to_frames(policy, silences, frame_ns, seed):
    frames, more = [list(column) for column in zip(*silences, strict=True)]
    at_once = policy.decides_after(np.array(more), np.random.default_rng(seed))
    # Decided in frame ceil(seconds / frame), in whole nanoseconds, and in the first at the earliest.
    expected = [max(1, ceil(round(wait * 1e9) / frame_ns)) for wait in at_once]

    policy.rng, told = np.random.default_rng(seed), iter(more)
    policy.more_to_come = lambda: next(told)
    for length, frame in zip(frames, expected, strict=True):
        assert policy.finished(True, frame_ns / 1e9) is False
        judged = [policy.finished(False, frame_ns / 1e9) for _ in range(length)]
        assert judged == [k >= frame for k in range(1, length + 1)]


def test_a_policy_of_your_own_needs_one_method():
    class Hesitant(Policy):
        def decides_after(self, more_to_come, rng=None):
            return np.where(more_to_come, 2.0, 0.4)

    policy = Hesitant()
    assert finished_after(policy) == 4
    policy.more_to_come = lambda: True
    assert finished_after(policy) == 20


# --- Bad arguments --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: SilenceTimeout(-1), "timeout is -1; it must be a finite number of seconds"),
        (lambda: HangoverTimeout(hangover=nan), "hangover is nan"),
        (lambda: HangoverTimeout(timeout=inf), "timeout is inf"),
        (lambda: LearnedDetector(1.5, 0.3, 3), "detection_rate is 1.5; it must be between 0 and 1"),
        (lambda: LearnedDetector(nan, 0.3, 3), "detection_rate is nan"),
        (lambda: LearnedDetector(0.9, -0.3, 3), "delay is -0.3"),
        (lambda: LearnedDetector(0.9, 0.3, inf), "timeout is inf"),
        (lambda: LearnedDetector(0.9, 0.3, 0.2), "timeout is 0.2, less than the delay of 0.3"),
        (lambda: LearnedDetector(0.9, 0.3, 3, false_alarm_rate=-0.1), "false_alarm_rate is -0.1"),
        (lambda: MinMaxDelay(0.5, 0.3), "max_delay is 0.3, less than the min_delay of 0.5"),
        (lambda: MinMaxDelay(vad_silence=-1), "vad_silence is -1"),
        (lambda: SmartTurnOrTimeout(0.9, vad_stop=-1), "vad_stop is -1"),
        (
            lambda: SmartTurnOrTimeout(0.9, compute=4.0),
            "incomplete_timeout is 3.0, less than the compute of 4.0",
        ),
    ],
)
def test_bad_arguments_are_named(make, words):
    with pytest.raises(ValueError, match=f"^{words}"):
        make()


@pytest.mark.parametrize("rate", ["often", True, None])
def test_a_rate_is_a_number(rate):
    with pytest.raises(TypeError, match=r"^detection_rate is"):
        LearnedDetector(rate, 0.3, 3.0)


def test_a_transcript_is_waited_for_but_not_for_ever():
    policy = TranscriptArrival(SilenceTimeout(0.3), longest_wait=0.4)
    frames = [policy.finished(speech, 0.1) for speech in [True] * 2 + [False] * 8]
    assert frames.index(True) == 2 + 3  # with the fourth frame of silence: from the end of speech
    policy.reset()
    assert not any(policy.finished(speech, 0.1) for speech in [True] * 2 + [False] * 2)
    policy.understood(" ")
    assert not policy.finished(False, 0.1)
    policy.understood("hello")
    assert policy.finished(False, 0.1)


def test_without_any_text_only_the_watchdog_ends_the_turn_five_seconds_after_the_end_of_speech():
    policy = TranscriptArrival(SmartTurnOrTimeout(1.0))
    frames = [policy.finished(speech, 0.1) for speech in [True] * 3 + [False] * 60]
    assert frames.index(True) == 3 + 50 - 1


def test_a_wait_for_a_transcript_starts_again_when_the_user_speaks_again():
    policy = TranscriptArrival(SilenceTimeout(0.2), longest_wait=0.5)
    frames = [policy.finished(speech, 0.1) for speech in [True, *[False] * 4, True, *[False] * 6]]
    assert frames.index(True) == 6 + 5 - 1


def test_a_slow_recogniser_holds_the_turn_open_until_it_has_understood_something():
    def ends(endpointing):
        agent = StreamingVoiceAgent(
            latencies=StageLatencies(asr_processing=0.35), endpointing=endpointing, audio=AudioInputStream()
        )
        simulate(agent.process_turn("Hello!"))
        return agent.metrics_history[0].end_of_turn, agent.turns[0].transcript

    # 6 characters are 0.48 s, five frames; the word is there when the fifth frame is processed, at
    # 0.1 + 5 * 0.35 = 1.85 s, and the turn ends with the frame after that.
    assert ends(SilenceTimeout(0.5)) == (1.0, "Hello!")
    assert ends(TranscriptArrival(SilenceTimeout(0.5), longest_wait=5.0)) == (1.9, "Hello!")


def test_a_simulated_detector_in_an_agent_knows_whether_more_is_to_come():
    text = 'Tell me the weather <break time="0.8s"/> in London.'
    sharp = StreamingVoiceAgent(endpointing=LearnedDetector(1.0, 0.2, 3.0, rng=np.random.default_rng(0)))
    simulate(sharp.process_turn(text))
    assert sharp.turns[0].transcript == "Tell me the weather in London."
    assert sharp.metrics_history[0].end_of_turn == pytest.approx(sharp.metrics_history[0].speech_ended + 0.2)
