"""Sound: the microphone that never waits, what is audible, and the recording of a conversation."""

import asyncio
import subprocess
import sys
from contextlib import aclosing
from itertools import islice
from math import inf, isnan, nan

import numpy as np
import pytest

from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.measure.audible import AUDIBLE_RMS
from voice_agent_lab.stages.microphone import AudioInputStream
from voice_agent_lab.stages.speech import speech_bounds, speech_like

RATE = 16000


class Playing(AudioInputStream):
    """A user whose sound is given."""

    def __init__(self, samples, **options):
        super().__init__(**options)
        self._samples = np.asarray(samples, dtype=np.float32)

    def samples_for(self, text):
        return self._samples


def tone(seconds, level=0.1):
    return np.full(round(seconds * RATE), level, dtype=np.float32)


def silence(seconds):
    return tone(seconds, 0.0)


def listen(microphone, frames, text="Hi!", busy=(), start=0.0):
    """Return when each frame reached a reader who is busy after some of them, the frames, and the truth."""

    async def reads():
        loop = asyncio.get_running_loop()
        await asyncio.sleep(start)
        times, got = [], []
        async with aclosing(microphone.stream_audio(text)) as stream:
            async for frame in stream:
                times.append(round(loop.time() - start, 9))
                got.append(frame)
                if len(got) == frames:
                    break
                await asyncio.sleep(dict(busy).get(len(got), 0.0))
        edges = microphone.user.edges(start, start + frames * microphone.chunk_size / microphone.sample_rate)
        return times, got, [(name, round(at - start, 9)) for name, at in edges]

    return simulate(reads())


# --- The microphone -------------------------------------------------------------------------------


@pytest.mark.parametrize("milliseconds", [100, 20, 32])
@pytest.mark.parametrize("start", [0.0, 12.5])
def test_a_frame_arrives_after_it_was_captured(milliseconds, start):
    times, frames, _ = listen(AudioInputStream(chunk_duration_ms=milliseconds), 40, start=start)
    seconds = milliseconds / 1000
    assert times == [round((k + 1) * seconds, 9) for k in range(40)]
    assert {frame.shape for frame in frames} == {(round(seconds * RATE),)}
    assert {frame.dtype for frame in frames} == {np.dtype(np.float32)}


def test_a_slow_reader_finds_what_it_missed_and_moves_no_later_frame():
    times, _, _ = listen(AudioInputStream(), 8, busy={2: 0.35, 6: 0.12})
    assert times == [0.1, 0.2, 0.55, 0.55, 0.55, 0.6, 0.72, 0.8]


@pytest.mark.parametrize(
    ("characters", "milliseconds", "frames"),
    [
        (1, 100, 1),
        (3, 100, 3),
        (5, 100, 4),
        (6, 100, 5),
        (24, 100, 20),
        (25, 100, 20),
        (26, 100, 21),
        (25, 32, 63),
    ],
)
def test_speech_is_rounded_up_to_whole_frames(characters, milliseconds, frames):
    microphone = AudioInputStream(chunk_duration_ms=milliseconds)
    assert len(microphone.samples_for("a" * characters)) == frames * microphone.chunk_size


def test_speech_ends_with_its_last_whole_frame_and_silence_follows_for_as_long_as_anyone_listens():
    _, frames, truth = listen(AudioInputStream(), 100)
    loud = [bool(np.any(frame)) for frame in frames]
    assert loud == [True] * 3 + [False] * 97
    assert truth == [("speech_started", 0.0), ("speech_ended", 0.3)]


def test_transport_delays_what_the_agent_gets_and_not_what_the_user_does():
    times, _, truth = listen(AudioInputStream(latency=0.07), 5)
    assert times == [0.17, 0.27, 0.37, 0.47, 0.57]
    assert truth == [("speech_started", 0.0), ("speech_ended", 0.3)]


def test_the_end_of_speech_is_that_of_its_sound_and_not_of_its_frame():
    samples = np.concatenate([silence(0.13), tone(0.3), silence(0.5)])
    times, frames, truth = listen(Playing(samples), 12)
    assert truth == [("speech_started", 0.13), ("speech_ended", 0.43)]
    np.testing.assert_array_equal(np.concatenate(frames)[: len(samples)], samples)
    assert times[-1] == 1.2


@pytest.mark.parametrize("begins", [0.0, 0.1, 0.3, 0.7, 0.69, 0.71])
def test_speech_starts_once_wherever_it_falls_between_the_frames(begins):
    microphone = Playing(np.concatenate([silence(begins), tone(0.2)]))
    listen(microphone, 15)
    by_frame = [list(microphone.user.edges(0.1 * k, 0.1 * (k + 1))) for k in range(15)]
    assert [at for edges in by_frame for name, at in edges if name == "speech_started"] == [begins]


def test_a_sound_that_does_not_fill_its_last_frame_is_padded_with_silence():
    _, frames, _ = listen(Playing(tone(0.25)), 4)
    assert [round(float(np.abs(frame).sum()), 1) for frame in frames] == [160.0, 160.0, 80.0, 0.0]


@pytest.mark.parametrize("text", ["", " ", "\n\t"])
def test_a_user_who_says_nothing_starts_no_turn(text):
    with pytest.raises(ValueError, match="text is empty"):
        listen(AudioInputStream(), 1, text)


def test_silent_audio_is_refused_before_anybody_waits_for_it():
    with pytest.raises(
        ValueError, match="the audio for 'Hi!' is silent; nothing in it is louder than -40 dBFS"
    ):
        listen(Playing(tone(1.0, 0.001)), 1)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"sample_rate": 0}, "sample_rate is 0; it must be a positive number of Hz"),
        ({"sample_rate": -8000}, "sample_rate is -8000; it must be a positive number of Hz"),
        ({"chunk_duration_ms": -20}, "chunk_duration_ms is -20; it must be"),
        ({"chunk_duration_ms": nan}, "chunk_duration_ms is nan; it must be"),
        ({"chunk_duration_ms": 0}, "chunk_duration_ms is 0; a frame must hold at least one sample"),
        ({"chunk_duration_ms": 0.01}, "chunk_duration_ms is 0.01; a frame must hold at least one sample"),
        ({"latency": -0.1}, "latency is -0.1; it must be a finite number of seconds"),
        ({"latency": inf}, "latency is inf; it must be a finite number of seconds"),
    ],
)
def test_a_microphone_that_cannot_be_is_refused_in_a_sentence(options, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}"):
        AudioInputStream(**options)


@pytest.mark.parametrize("rate", [nan, inf])
def test_a_sample_rate_that_is_no_number_is_named(rate):
    with pytest.raises(ValueError, match=r"^sample_rate is"):
        AudioInputStream(rate)


# --- What is audible ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("samples", "bounds"),
    [
        (tone(1.0), (0.0, 1.0)),
        (np.concatenate([silence(0.2), tone(0.3), silence(0.5)]), (0.2, 0.5)),
        (np.concatenate([silence(0.2), tone(0.1), silence(0.4), tone(0.1), silence(0.1)]), (0.2, 0.8)),
        (tone(1.0, -0.5), (0.0, 1.0)),
        (tone(1.0, AUDIBLE_RMS * 1.01), (0.0, 1.0)),
        (np.concatenate([silence(0.1), tone(0.0025)]), (0.1, 0.1025)),  # less than a window, at the end
        (np.concatenate([silence(0.1), tone(0.01, 0.9)[:1], silence(0.1)]), (0.1, 0.11)),  # a loud click
    ],
)
def test_speech_bounds_of_known_signals(samples, bounds):
    assert speech_bounds(samples, RATE) == bounds


@pytest.mark.parametrize(
    "samples",
    [silence(1.0), tone(1.0, AUDIBLE_RMS * 0.99), silence(0), silence(0.0001), tone(1.0, AUDIBLE_RMS)],
)
def test_speech_bounds_of_what_cannot_be_heard_are_not_numbers(samples):
    assert list(map(isnan, speech_bounds(samples, RATE))) == [True, True]


def test_speech_bounds_do_not_depend_on_the_sample_rate():
    for rate in (8000, 22050, 48000):
        sound = np.repeat(np.array([0, 1, 0], dtype=np.float32), rate)
        assert speech_bounds(sound, rate) == pytest.approx((1.0, 2.0), abs=0.01)


# --- Speech-like sound ----------------------------------------------------------------------------


def test_the_same_words_sound_the_same_in_every_process():
    script = "from voice_agent_lab.stages.speech import speech_like as s; print(hash(s('Hello', 0.5).tobytes().hex()))"
    environment = {"PYTHONHASHSEED": "0", "PYTHONPATH": ":".join(sys.path)}
    hashes = {
        subprocess.run(
            [sys.executable, "-c", script], capture_output=True, check=True, env=environment
        ).stdout
        for _ in range(2)
    }
    assert len(hashes) == 1


def test_other_words_pitches_and_lengths_sound_different():
    sounds = [speech_like("Hello", 0.5), speech_like("World", 0.5), speech_like("Hello", 0.5, pitch=190.0)]
    assert len({sound.tobytes() for sound in sounds}) == 3


def test_speech_cannot_be_changed_by_one_of_those_who_share_it():
    sound = speech_like("Hello", 0.5)
    with pytest.raises(ValueError, match="read-only"):
        sound[0] = 1.0


@pytest.mark.parametrize(("seconds", "rate"), [(0.5, 16000), (1.92, 16000), (0.3333, 22050), (1.0, 8000)])
def test_speech_lasts_as_long_as_was_asked_in_whole_samples(seconds, rate):
    sound = speech_like("Hello there", seconds, rate)
    assert (sound.shape, sound.dtype) == ((round(seconds * rate),), np.float32)
    assert np.abs(sound).max() <= 1


@pytest.mark.parametrize("text", ["a", "aeiou", "hello", "sssss", "The quick brown fox"])
def test_speech_has_the_level_of_the_articles_noise_in_every_letter(text):
    sound = np.abs(speech_like(text, len(text) / 12.5))
    for letter, level in zip(text, np.array_split(sound, len(text)), strict=True):
        if not letter.isspace():
            assert 0.04 < level.mean() < 0.1, letter
    letters_alone = np.abs(speech_like(text.replace(" ", ""), len(text) / 12.5))
    assert letters_alone.mean() == pytest.approx(0.08, rel=0.1)


def test_speech_of_nothing_is_refused():
    with pytest.raises(ValueError, match="text is empty"):
        speech_like("", 1.0)


def test_speech_of_no_length_is_empty():
    assert speech_like("a", 0.0).shape == (0,)


def test_frames_are_cut_from_one_sound_without_a_seam():
    microphone = AudioInputStream(chunk_duration_ms=20)
    _, frames, _ = listen(microphone, 12)
    np.testing.assert_array_equal(np.concatenate(list(islice(frames, 12))), microphone.samples_for("Hi!"))
