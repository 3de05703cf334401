"""The recording of a conversation, and the player: what was heard, where, and as what file."""

import base64
import io
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from voice_agent_lab.measure.recording import Recording, Sound, resample
from voice_agent_lab.stages.speech import speech_like

RATE = 16000


def tone(seconds, level=0.1):
    return np.full(round(seconds * RATE), level, dtype=np.float32)


def silence(seconds):
    return tone(seconds, 0.0)


# --- The recording --------------------------------------------------------------------------------


def test_the_user_is_on_the_left_and_the_agent_on_the_right_each_where_it_began():
    recording = Recording(RATE)
    recording.add("agent", 12.0, tone(0.5, 0.2), RATE)
    recording.add("user", 10.0, tone(1.0, 0.1), RATE)
    recording.add("user", 11.0, tone(0.25, 0.3), RATE)
    left = np.concatenate([tone(1.0, 0.1), tone(0.25, 0.3), silence(1.25)])
    right = np.concatenate([silence(2.0), tone(0.5, 0.2)])
    np.testing.assert_array_equal(recording.stereo(), np.stack([left, right], axis=1))


def test_sounds_of_one_speaker_at_the_same_time_add_up_and_are_clipped():
    recording = Recording(RATE)
    for _ in range(3):
        recording.add("agent", 0.0, tone(0.1, 0.4), RATE)
    recording.add("agent", 0.1, tone(0.1, 0.4), RATE)
    np.testing.assert_array_equal(recording.stereo()[:, 1], np.concatenate([tone(0.1, 1.0), tone(0.1, 0.4)]))


def test_sounds_at_another_rate_keep_their_place_and_their_length():
    pytest.importorskip("soxr")
    recording = Recording(RATE)
    recording.add("user", 0.0, tone(1.0, 0.2), RATE)
    at_22050 = 0.2 * np.sin(2 * np.pi * 440 * np.arange(22050) / 22050).astype(np.float32)
    recording.add("agent", 1.5, at_22050, 22050)
    mixed = recording.stereo()
    assert mixed.shape == (2.5 * RATE, 2)
    expected = 0.2 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    inner = slice(1000, -1000)  # away from the edges, which ring
    np.testing.assert_allclose(mixed[24000:, 1][inner], expected[inner], atol=0.002)
    assert np.abs(mixed[:23000, 1]).max() < 1e-3


def test_frames_of_another_rate_join_without_a_click():
    pytest.importorskip("soxr")
    wave = 0.5 * np.sin(2 * np.pi * 100 * np.arange(8000) / 8000).astype(np.float32)
    whole, in_frames = Recording(RATE), Recording(RATE)
    whole.add("user", 0.0, wave, 8000)
    for k in range(10):
        in_frames.add("user", k / 10, wave[k * 800 : (k + 1) * 800], 8000)
    np.testing.assert_array_equal(in_frames.stereo(), whole.stereo())


def test_a_recording_of_nothing_is_empty():
    assert Recording(RATE).stereo().shape == (0, 2)


def test_equal_rates_need_no_resampler(monkeypatch):
    monkeypatch.setitem(sys.modules, "soxr", None)
    assert resample(tone(0.1), RATE, RATE).tolist() == tone(0.1).tolist()
    with pytest.raises(ImportError, match=r'pip install "voice-agent-lab\[engines\]"'):
        resample(tone(0.1), RATE, 8000)


def conversation():
    recording = Recording(RATE)
    recording.add("user", 0.0, speech_like("hello there", 1.0), RATE)
    recording.add("agent", 1.5, speech_like("good morning", 1.0), RATE)
    return recording


def test_a_wav_file_holds_the_recording(tmp_path):
    conversation().write(tmp_path / "c.wav")
    samples, rate = soundfile.read(tmp_path / "c.wav", dtype="float32")
    assert rate == RATE
    np.testing.assert_allclose(samples, conversation().stereo(), atol=1 / 32768)


def test_an_ogg_file_holds_it_nearly(tmp_path):
    conversation().write(str(tmp_path / "c.ogg"))
    samples, rate = soundfile.read(tmp_path / "c.ogg", dtype="float32")
    assert (rate, samples.shape) == (RATE, (2.5 * RATE, 2))
    for channel in (0, 1):
        assert np.corrcoef(samples[:, channel], conversation().stereo()[:, channel])[0, 1] > 0.9


# --- A player in the notebook ---------------------------------------------------------------------


def heard(player):
    """Return the samples inside a player's HTML."""
    start, _, data = player._repr_html_().partition("base64,")
    assert "audio/ogg" in start
    return soundfile.read(io.BytesIO(base64.b64decode(data.partition('"')[0])))


def test_a_sound_plays_itself_and_its_text_does_not_change():
    sound = Sound(speech_like("hello", 1.25), RATE)
    assert repr(sound) == "<1.2 s of sound>"
    samples, rate = heard(sound)
    assert (samples.shape, rate) == ((1.25 * RATE,), RATE)


def test_a_recording_plays_itself_in_stereo():
    samples, rate = heard(conversation())
    assert (samples.shape, rate) == ((2.5 * RATE, 2), RATE)


def test_the_same_sound_gives_the_same_bytes_which_a_strict_reader_accepts():
    first, again = (Sound(speech_like("hello", 1.25), RATE).ogg for _ in range(2))
    assert first == again
    assert (
        len(soundfile.read(io.BytesIO(first))[0]) == 1.25 * RATE
    )  # libogg drops pages with a wrong checksum


def test_five_minutes_of_conversation_can_be_listened_to():
    script = "import numpy as np; from voice_agent_lab.measure.recording import Sound; Sound(np.zeros((4_800_000, 2)))"
    environment = {"PYTHONPATH": ":".join(sys.path)}
    assert subprocess.run([sys.executable, "-c", script], check=False, env=environment).returncode == 0


# --- A file, whole or not at all ------------------------------------------------------------------


@pytest.mark.parametrize("name", ["c.m4a", "c.mp4", "c", "c.txt", ".wav.bak"])
def test_an_ending_that_says_no_format_is_named_with_those_that_do(name, tmp_path):
    with pytest.raises(ValueError, match=r"path is .*; its ending must be \.wav, \.flac or \.ogg"):
        conversation().write(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["C.WAV", "c.flac", "c.Ogg"])
def test_an_ending_may_be_written_large(name, tmp_path):
    conversation().write(tmp_path / name)
    assert soundfile.info(tmp_path / name).format == name[2:].upper()
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_recording_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    (tmp_path / "c.wav").write_bytes(b"old")

    def full(file_number):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        conversation().write(tmp_path / "c.wav")
    assert (tmp_path / "c.wav").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["c.wav"]


def test_a_file_behind_a_link_is_replaced_and_the_link_stays(tmp_path):
    (tmp_path / "real.wav").write_bytes(b"old")
    (tmp_path / "real.wav").chmod(0o600)
    (tmp_path / "c.wav").symlink_to("real.wav")
    conversation().write(tmp_path / "c.wav")
    assert (tmp_path / "c.wav").is_symlink()
    assert soundfile.info(tmp_path / "real.wav").channels == 2
    assert (tmp_path / "real.wav").stat().st_mode & 0o777 == 0o600
