"""Simulated recognition: nothing is known before it was heard, and what is late stays late."""

import asyncio

import numpy as np
import pytest

from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.stages.asr import StreamingASR
from voice_agent_lab.stages.distributions import LogNormal
from voice_agent_lab.stages.microphone import AudioInputStream
from voice_agent_lab.stages.speech import CHARS_PER_SECOND
from voice_agent_lab.streams import run_ahead

FRAME = 0.1


def transcribe(asr, text, frames, paced=True):
    """Return (time, text, final) of each hypothesis on so many frames of somebody saying `text`."""

    async def microphone():
        stream = AudioInputStream().stream_audio(text)
        for _ in range(frames):
            yield await anext(stream)
        await stream.aclose()

    async def recording():
        for _ in range(frames):
            yield np.zeros(1600, dtype=np.float32)

    async def reads():
        audio = run_ahead(microphone()) if paced else recording()
        loop = asyncio.get_running_loop()
        return [(loop.time(), *hypothesis) async for hypothesis in asr.transcribe_stream(audio, text)]

    return simulate(reads())


def spoken_by(words):
    """Return when so many characters of speech have been spoken, in seconds."""
    return len(words) / CHARS_PER_SECOND


def test_the_whole_timeline_of_a_recogniser_that_keeps_up():
    # "Hi" ends at 0.16 s, in frame 2; "you!" at 0.56 s, in frame 6. Each frame takes 0.05 s.
    assert transcribe(StreamingASR(0.05, 0.3), "Hi you!", 10) == [
        (0.25, "Hi", False),
        (0.65, "Hi you!", False),
        (1.35, "Hi you!", True),
    ]


def test_a_word_that_ends_with_a_frame_appears_with_it():
    # "Hello" ends at 0.4 s exactly.
    assert transcribe(StreamingASR(0.0, 0.0), "Hello", 4) == [(0.4, "Hello", False), (0.4, "Hello", True)]


@pytest.mark.parametrize("processing", [0.0, 0.05, 0.1, 0.25])
def test_no_word_appears_before_its_audio_was_processed(processing):
    text = "What is the weather like in Lisbon today?"
    done, processed = 0.0, []  # when each frame has been processed
    for k in range(60):
        done = round(max(done, (k + 1) * FRAME) + processing, 9)
        processed.append(done)
    expected = []
    words = text.split()
    for n in range(1, len(words) + 1):
        shown = " ".join(words[:n])
        frames = int(np.ceil(round(spoken_by(shown) / FRAME, 6)))
        expected.append((processed[frames - 1], shown, False))
    merged = {time: (time, shown, final) for time, shown, final in expected}  # two words in one frame
    got = transcribe(StreamingASR(processing, 0.3), text, 60)
    assert got == [*merged.values(), (round(processed[-1] + 0.3, 9), text, True)]


@pytest.mark.parametrize("seed", range(5))
def test_no_word_appears_early_however_the_latencies_fall(seed):
    asr = StreamingASR(LogNormal(0.1, 0.8), LogNormal(0.3), rng=np.random.default_rng(seed))
    text = "Could you tell me a joke about the weather please"
    hypotheses = transcribe(asr, text, 50)
    for time, shown, _ in hypotheses:
        assert text.startswith(shown)
        assert time > spoken_by(shown)
    assert [final for *_, final in hypotheses] == [False] * (len(hypotheses) - 1) + [True]
    assert hypotheses[-1][1] == text


def test_a_recogniser_slower_than_speech_is_late_by_its_whole_backlog():
    frames, processing = 30, 0.15
    (*_, last) = transcribe(StreamingASR(processing, 0.3), "Hello there", frames)
    assert last == (round(FRAME + frames * processing + 0.3, 9), "Hello there", True)
    (*_, punctual) = transcribe(StreamingASR(FRAME, 0.3), "Hello there", frames)
    assert punctual[0] == round(frames * FRAME + FRAME + 0.3, 9)


def test_audio_that_is_there_at_once_is_recognised_as_fast_as_it_can_be_processed():
    (*_, last) = transcribe(StreamingASR(0.01, 0.3), "Hello there", 30, paced=False)
    assert last == (0.6, "Hello there", True)


def test_a_wrong_word_shows_its_first_half_and_is_put_right_after_the_lag():
    # "Hello" ends at 0.4 s and "Bob" at 0.72 s; they are right 0.32 s of audio later.
    asr = StreamingASR(0.0, 0.3, revision_rate=1.0, revision_lag=0.32)
    assert transcribe(asr, "Hello Bob", 12) == [
        (0.4, "Hel", False),
        (0.8, "Hello Bo", False),
        (1.1, "Hello Bob", False),
        (1.5, "Hello Bob", True),
    ]


@pytest.mark.parametrize(("lag", "revised"), [(0.39, 0.8), (0.4, 0.8), (0.41, 0.9), (0.0, 0.4)])
def test_a_word_is_right_as_soon_as_the_lag_is_over(lag, revised):
    hypotheses = transcribe(StreamingASR(0.0, 0.3, revision_rate=1.0, revision_lag=lag), "Hello", 12)
    assert next(time for time, shown, _ in hypotheses if shown == "Hello") == revised


def test_revisions_wait_for_audio_and_not_for_the_clock():
    asr = StreamingASR(0.2, 0.3, revision_rate=1.0, revision_lag=0.32)
    assert [time for time, *_ in transcribe(asr, "Hello", 8)] == [0.9, 1.7, 2.0]


def test_the_final_transcript_has_no_wrong_words_however_early_it_comes():
    asr = StreamingASR(0.0, 0.3, revision_rate=1.0, revision_lag=10.0)
    assert transcribe(asr, "Hello Bob", 8) == [
        (0.4, "Hel", False),
        (0.8, "Hel Bo", False),
        (1.1, "Hello Bob", True),
    ]


@pytest.mark.parametrize(
    ("frames", "final"),
    [(0, ""), (3, ""), (4, "Hello"), (8, "Hello"), (9, "Hello there"), (12, "Hello there my")],
)
def test_the_final_transcript_holds_only_what_was_heard(frames, final):
    # The words end at 0.4, 0.88 and 1.12 s.
    assert transcribe(StreamingASR(0.0, 0.0), "Hello there my friend", frames)[-1][1:] == (final, True)


def test_as_many_words_are_revised_as_the_rate_says():
    asr = StreamingASR(0.0, 0.0, revision_rate=0.3, rng=np.random.default_rng(3))
    text = " ".join(["word"] * 2000)
    frames = round(len(text) / CHARS_PER_SECOND / FRAME) + 5
    hypotheses = transcribe(asr, text, frames, paced=False)
    revised = sum(shown.endswith("wo") for _, shown, _ in hypotheses)
    assert abs(revised / 2000 - 0.3) < 5 * (0.3 * 0.7 / 2000) ** 0.5


def test_the_same_seed_gives_the_same_transcripts_and_another_seed_others():
    def run(seed):
        rng = np.random.default_rng(seed)
        asr = StreamingASR(LogNormal(0.05), LogNormal(0.3), revision_rate=0.5, rng=rng)
        return transcribe(asr, "What is the weather like in Lisbon", 40)

    assert run(1) == run(1)
    assert run(1) != run(2)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"processing": -1}, "processing is -1; it must be a finite number of seconds"),
        ({"finalization": float("nan")}, "finalization is nan; it must be a finite number of seconds"),
        ({"revision_rate": 1.5}, "revision_rate is 1.5; it must be between 0 and 1"),
        ({"revision_rate": float("nan")}, "revision_rate is nan; it must be between 0 and 1"),
        ({"revision_lag": -0.1}, "revision_lag is -0.1; it must be a finite number of seconds"),
    ],
)
def test_a_recogniser_that_cannot_be_is_refused_in_a_sentence(options, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}"):
        StreamingASR(**options)


@pytest.mark.parametrize("rate", [0, -8000])
def test_a_sample_rate_that_cannot_be_is_refused(rate):
    with pytest.raises(ValueError, match=r"^sample_rate is"):
        StreamingASR(sample_rate=rate)
