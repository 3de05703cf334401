"""Simulated synthesis: how text becomes speakable pieces, and when each chunk of sound is there."""

import asyncio

import numpy as np
import pytest

from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.stages.aggregation import aggregate
from voice_agent_lab.stages.distributions import LogNormal
from voice_agent_lab.stages.speech import speech_bounds
from voice_agent_lab.stages.tts import StreamingTTS

TOKENS = ["Well, ", "it ", "is ", "2:30 ", "now. ", "Is ", "that ", "late? ", "Not ", "yet"]


async def timed(tokens, every=0.0):
    for token in tokens:
        await asyncio.sleep(every)
        yield token


def pieces(tokens, unit, every=0.0):
    async def reads():
        loop = asyncio.get_running_loop()
        return [(loop.time(), piece) async for piece in aggregate(timed(tokens, every), unit)]

    return simulate(reads())


def chunks(tts, texts, every=0.0):
    async def reads():
        loop = asyncio.get_running_loop()
        return [(loop.time(), chunk) async for chunk in tts.synthesize_stream(timed(texts, every))]

    return simulate(reads())


# --- Aggregation ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("word", TOKENS),
        ("clause", ["Well, ", "it is 2:30 now. ", "Is that late? ", "Not yet"]),
        ("sentence", ["Well, it is 2:30 now. ", "Is that late? ", "Not yet"]),
        (20, ["Well, it is 2:30 now. ", "Is that late? Not yet"]),
        (1000, ["".join(TOKENS)]),
        (1, TOKENS),
    ],
)
def test_what_a_piece_is(unit, expected):
    assert [piece for _, piece in pieces(TOKENS, unit)] == expected


@pytest.mark.parametrize("unit", ["word", "clause", "sentence", 1, 20, 1000])
def test_no_text_is_lost_and_none_is_said_twice(unit):
    assert "".join(piece for _, piece in pieces(TOKENS, unit)) == "".join(TOKENS)


@pytest.mark.parametrize("unit", ["clause", "sentence", 20])
def test_the_last_piece_is_flushed_whatever_its_length(unit):
    assert pieces(["No"], unit) == [(0.0, "No")]


def test_a_piece_is_there_with_the_token_that_completes_it():
    assert pieces(["One. ", "Two ", "three. ", "Four"], "sentence", every=0.5) == [
        (0.5, "One. "),
        (1.5, "Two three. "),
        (2.0, "Four"),
    ]


@pytest.mark.parametrize("unit", ["word", "clause", "sentence", 20])
def test_no_text_makes_no_piece(unit):
    assert pieces([], unit) == []


@pytest.mark.parametrize("unit", ["clause", "sentence", 20])
def test_white_space_alone_is_no_last_piece(unit):
    assert [piece for _, piece in pieces(["It is surely so. ", " \n"], unit)][1:] in ([], ["so. "])


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("word", ["It ", "costs ", "3.50, ", "I ", "think. ", "Yes."]),
        ("clause", ["It costs 3.50, ", "I think. ", "Yes."]),
        ("sentence", ["It costs 3.50, I think. ", "Yes."]),
    ],
)
def test_tokens_that_are_parts_of_words_make_whole_pieces(unit, expected):
    tokens = ["It", " cost", "s ", "3", ".", "50", ",", " I", " think", ".", " Yes", "."]
    assert [piece for _, piece in pieces(tokens, unit)] == expected


@pytest.mark.parametrize("unit", ["word", 1])
def test_white_space_alone_is_never_a_piece(unit):
    assert [piece.strip() for _, piece in pieces(["", "Yes. ", " \n", "No. "], unit)] == ["Yes.", "No."]


@pytest.mark.parametrize("unit", ["paragraph", "", 0, -1, True, 2.5, None])
def test_what_is_no_unit_is_refused(unit):
    with pytest.raises(ValueError, match=r"^aggregation is .*; use 'word', 'clause', 'sentence', a positive"):
        pieces(TOKENS, unit)


# --- Synthesis ------------------------------------------------------------------------------------


def test_the_first_chunk_of_each_piece_has_its_own_wait():
    # At 10 characters a second "abc" is three chunks and "defgh" five.
    got = chunks(StreamingTTS(0.2, 0.05, chars_per_second=10), ["abc ", "defgh"])
    assert [time for time, _ in got] == [0.2, 0.25, 0.3, 0.5, 0.55, 0.6, 0.65, 0.7]


def test_synthesis_of_a_piece_begins_when_its_text_is_there():
    got = chunks(StreamingTTS(0.2, 0.05, chars_per_second=10), ["ab", "cd"], every=1.0)
    assert [time for time, _ in got] == [1.2, 1.25, 2.45, 2.5]


@pytest.mark.parametrize("characters", [1, 3, 7, 20])
@pytest.mark.parametrize("rate", [15, 12.7])
@pytest.mark.parametrize("milliseconds", [100, 32])
def test_speech_is_exact_to_the_sample(characters, rate, milliseconds):
    tts = StreamingTTS(chars_per_second=rate, chunk_duration_ms=milliseconds)
    sizes = [len(chunk) for _, chunk in chunks(tts, ["a" * characters])]
    assert sum(sizes) == round(characters / rate * 16000)
    assert set(sizes[:-1]) <= {round(16 * milliseconds)}
    assert 0 < sizes[-1] <= round(16 * milliseconds)


def test_the_spaces_around_a_piece_are_not_spoken():
    tts = StreamingTTS()
    np.testing.assert_array_equal(tts.speech_for(" Hello. \n"), tts.speech_for("Hello."))


def test_every_piece_begins_with_the_voices_silence():
    tts = StreamingTTS(leading_silence=0.15, chars_per_second=10)
    got = chunks(tts, ["abc", "def"])
    sound = np.concatenate([chunk for _, chunk in got])
    assert len(sound) == 2 * round(0.45 * 16000)
    for piece in np.split(sound, 2):
        assert not piece[:2400].any()
        assert speech_bounds(piece, 16000)[0] == 0.15
    # The silence is synthesised like any other sound: five chunks a piece, the last one half as long.
    assert [len(chunk) for _, chunk in got] == [1600, 1600, 1600, 1600, 800] * 2


def test_the_chunks_put_together_are_the_speech():
    tts = StreamingTTS(chunk_duration_ms=37)
    sound = np.concatenate([chunk for _, chunk in chunks(tts, ["Hello there."])])
    np.testing.assert_array_equal(sound, tts.speech_for("Hello there."))
    assert sound.dtype == np.float32


def test_no_text_makes_no_sound():
    assert chunks(StreamingTTS(), []) == []


def test_the_same_seed_gives_the_same_times():
    def run(seed):
        tts = StreamingTTS(LogNormal(0.2), LogNormal(0.05), rng=np.random.default_rng(seed))
        return [time for time, _ in chunks(tts, ["Hello there."])]

    assert run(1) == run(1) != run(2)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"time_to_first_chunk": -1}, "time_to_first_chunk is -1; it must be a finite number"),
        ({"chunk_generation": -1}, "chunk_generation is -1; it must be a finite number"),
        ({"chars_per_second": 0}, "chars_per_second is 0; it must be a positive speaking rate"),
        ({"chars_per_second": float("nan")}, "chars_per_second is nan; it must be a positive speaking rate"),
        ({"chunk_duration_ms": 0}, "chunk_duration_ms is 0; a chunk must hold at least one sample"),
        ({"chunk_duration_ms": -1}, "chunk_duration_ms is -1; it must be"),
        ({"leading_silence": -1}, "leading_silence is -1; it must be a finite number"),
    ],
)
def test_a_voice_that_cannot_be_is_refused_in_a_sentence(options, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}"):
        StreamingTTS(**options)


def test_the_sentence_about_milliseconds_does_not_speak_of_seconds():
    with pytest.raises(ValueError, match=r"^chunk_duration_ms is -1; (?!.* of seconds)"):
        StreamingTTS(chunk_duration_ms=-1)
