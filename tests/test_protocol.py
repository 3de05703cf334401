"""What a component must give and may give: each thing that will not do is one clear sentence about its stage."""

import asyncio
from contextlib import aclosing

import numpy as np
import pytest

from tests.components import Finals, Gives, Tokens, Voice, tone
from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.measure.words import same_words
from voice_agent_lab.stages.aggregation import aggregate
from voice_agent_lab.stages.asr import StreamingASR
from voice_agent_lab.stages.microphone import AudioInputStream
from voice_agent_lab.stages.speech import split_breaks
from voice_agent_lab.stages.vad import EnergyVAD
from voice_agent_lab.streams import StageError
from voice_agent_lab.turns.agent import StreamingVoiceAgent
from voice_agent_lab.turns.script import Say


def refused(stage, kind, *words, talks=False, **options):
    """Hold that a turn of an agent of these components ends in one sentence about a stage; return it."""
    agent = StreamingVoiceAgent(**options)
    with pytest.raises(StageError) as caught:
        simulate(agent.converse([Say("Hello.")]) if talks else agent.process_turn("Hello."))
    assert caught.value.stage == stage
    assert type(caught.value.__cause__) is kind
    sentence = str(caught.value.__cause__)
    assert all(word in sentence for word in words), sentence
    assert "\n" not in sentence
    assert len(sentence) < 250
    return sentence


# --- Sound ----------------------------------------------------------------------------------------

BAD_SOUNDS = [
    (np.zeros(1600, dtype=np.int16), TypeError, ("int16", "float32", "32768")),
    (np.zeros(1600, dtype=np.int32), TypeError, ("int32", "float32")),
    (np.zeros(1600, dtype=np.uint8), TypeError, ("uint8", "float32")),
    (np.zeros(1600, dtype=bool), TypeError, ("bool", "float32")),
    (np.zeros((1600, 1), dtype=np.float32), ValueError, ("(1600, 1)", "mono")),
    (np.zeros((1600, 2), dtype=np.float32), ValueError, ("(1600, 2)", "mono")),
    (np.zeros((1, 1600), dtype=np.float32), ValueError, ("(1, 1600)", "mono")),
    (np.full(1600, np.nan, dtype=np.float32), ValueError, ("finite",)),
    (np.where(np.arange(1600) == 1599, np.inf, 0.0), ValueError, ("finite",)),
    (b"\0" * 12_880, TypeError, ("ndarray",)),
    ([0.0] * 1600, TypeError, ("ndarray",)),
    (None, TypeError, ("ndarray",)),
]


@pytest.mark.parametrize(("sound", "kind", "words"), BAD_SOUNDS)
def test_a_voice_must_give_mono_floats(sound, kind, words):
    refused("tts", kind, "a chunk", *words, tts=Gives(sound))


class Microphone(AudioInputStream):
    """A microphone whose frames are what a function makes of them."""

    def __init__(self, made, **options):
        super().__init__(**options)
        self.made = made

    async def stream_audio(self, text):
        async with aclosing(super().stream_audio(text)) as frames:
            async for frame in frames:
                yield self.made(frame)

    async def frames(self):
        async with aclosing(super().frames()) as frames:
            async for frame in frames:
                yield self.made(frame)


@pytest.mark.parametrize("talks", [False, True])
@pytest.mark.parametrize(("sound", "kind", "words"), BAD_SOUNDS)
def test_a_microphone_must_give_mono_floats(sound, kind, words, talks):
    refused("microphone", kind, "a frame", *words, talks=talks, audio=Microphone(lambda frame: sound))


@pytest.mark.parametrize("talks", [False, True])
@pytest.mark.parametrize("size", [0, 1, 800, 1599, 1601, 3200])
def test_every_frame_must_be_as_long_as_chunk_size_says(size, talks):
    microphone = Microphone(lambda frame: np.resize(frame, size))
    refused("microphone", ValueError, f"{size} samples", "chunk_size is 1600", talks=talks, audio=microphone)


@pytest.mark.parametrize("kind", [np.float64, np.float16, np.float32])
def test_any_kind_of_float_is_sound(kind):
    agent = StreamingVoiceAgent(
        tts=Gives(tone(0.1).astype(kind)), audio=Microphone(lambda frame: frame.astype(kind))
    )
    simulate(agent.process_turn("Hello."))
    assert agent.turns[0].heard == agent.turns[0].reply
    assert np.isfinite(agent.recording.stereo()).all()


# --- Judgements -----------------------------------------------------------------------------------


class Judges(EnergyVAD):
    def __init__(self, judgement):
        super().__init__()
        self.judgement = judgement

    async def hears_speech(self, frame):
        return self.judgement


@pytest.mark.parametrize("talks", [False, True])
@pytest.mark.parametrize("judgement", [0.3, 0.0, 1, None, "speech", np.float32(0.9), np.array([True])])
def test_a_detector_must_say_yes_or_no(judgement, talks):
    refused("vad", TypeError, "hears_speech", "threshold", talks=talks, vad=Judges(judgement))


@pytest.mark.parametrize("judgement", [np.True_, True])
def test_numpys_yes_is_a_yes(judgement):
    agent = StreamingVoiceAgent(vad=Judges(judgement), max_listening=1.0)
    simulate(agent.process_turn("Hello."))
    assert agent.turns[0].transcript == "Hello."


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
@pytest.mark.parametrize("name", ["vad", "asr"])
def test_who_listens_must_take_the_microphones_sample_rate(name, rate):
    listener = {"vad": EnergyVAD(), "asr": StreamingASR()}[name]
    listener.sample_rate = rate
    with pytest.raises(ValueError, match=f"16000 Hz.*{rate} Hz"):
        StreamingVoiceAgent(**{name: listener})
    StreamingVoiceAgent(audio=AudioInputStream(rate), vad=EnergyVAD(), asr=StreamingASR(sample_rate=rate))


# --- Transcripts ----------------------------------------------------------------------------------


@pytest.mark.parametrize("blank", ["", " ", "  \n\t"])
def test_a_blank_transcript_is_none_and_is_not_answered(blank):
    agent = StreamingVoiceAgent(asr=Finals((blank, True)))
    metrics = simulate(agent.process_turn("Hello."))
    assert agent.turns[0].transcript == ""
    assert agent.history == []
    assert str(metrics.llm_started) == "nan"


@pytest.mark.parametrize(
    "hypothesis",
    [
        (None, True),
        "Hi",
        ("Hi",),
        ("Hi", True, 0.9),
        ("Hi", 1),
        ("Hi", None),
        (b"Hi", True),
        None,
        3,
        {"Hi": True},
    ],
)
def test_a_recogniser_must_yield_a_text_and_whether_it_is_final(hypothesis):
    refused("asr", TypeError, "transcribe_stream", "pairs", asr=Finals(hypothesis))


def test_what_a_recogniser_yielded_is_shown_shortened():
    assert len(refused("asr", TypeError, "transcribe_stream", asr=Finals("x" * 12_880))) < 250


@pytest.mark.parametrize("pairs", [[], [("Hello", False)]])
def test_a_recogniser_owes_a_final_transcript(pairs):
    refused("asr", RuntimeError, "final", asr=Finals(*pairs))


@pytest.mark.parametrize(
    ("finals", "transcript"),
    [
        (["Hello there.", "How are you?"], "Hello there. How are you?"),
        ([" Hello ", "", "  ", "you "], "Hello you"),
        (["今天", "很好。"], "今天很好。"),
        (["One.", "Two.", "Three."], "One. Two. Three."),
    ],
)
def test_several_finals_are_segments_of_one_transcript(finals, transcript):
    agent = StreamingVoiceAgent(asr=Finals(*((text, True) for text in finals)))
    metrics = simulate(agent.process_turn("Hello."))
    assert agent.turns[0].transcript == transcript
    # 0.5 s of silence, then at once the transcript, 0.5 s to the first token, and the simulated answer.
    assert metrics.asr_complete == 1.0
    assert metrics.voice_to_voice == round(metrics.playback_started - 0.5, 9)


def test_a_final_before_the_audio_ends_is_a_segment_and_no_end():
    class Segments:
        async def transcribe_stream(self, audio_stream, ground_truth):
            number = 0
            async for _ in audio_stream:
                number += 1
                if number == 3:
                    yield "Hello.", True
                if number == 8:
                    yield "How", False
            yield "How are you?", True

    agent = StreamingVoiceAgent(asr=Segments())
    metrics = simulate(agent.process_turn("Hello. How are you?"))
    # 19 characters are 1.52 s: 16 frames, and 5 of silence.
    assert agent.turns[0].transcript == "Hello. How are you?"
    assert agent.turns[0].partials == [(0.8, "Hello. How")]
    assert (metrics.speech_ended, metrics.end_of_turn, metrics.asr_complete) == (1.6, 2.1, 2.1)
    assert agent.turns[0].parts[0].start == 1.6


# --- Pauses in what the user says -----------------------------------------------------------------


@pytest.mark.parametrize(
    "tag",
    [
        '<break time="300ms"/>',
        "<break time='300ms'/>",
        '<break time=".3s"/>',
        '<break time="0.3s" />',
        '<break  time = "0.3s"/>',
        '<BREAK TIME="0.3S"/>',
        '<break time="0.30s"/>',
    ],
)
def test_a_pause_is_understood_as_it_may_be_written(tag):
    assert split_breaks(f"Oh {tag} no.") == ["Oh", 0.3, "no."]
    agent = StreamingVoiceAgent()
    simulate(agent.process_turn(f"Oh {tag} no."))
    assert agent.turns[0].transcript == "Oh no."
    # 2 and 3 characters are 0.4 s, and 0.3 s of pause.
    assert agent.turns[0].metrics.speech_ended == 0.7


@pytest.mark.parametrize(
    "tag", ["<break/>", '<break time="3"/>', '<break time="0.3s">', '<break time="-1s"/>', '<break time="long"/>',
            '<break strength="weak"/>', "<break", "< break />"]
)  # fmt: skip
def test_a_pause_that_does_not_say_how_long_it_is_is_refused(tag):
    with pytest.raises(ValueError, match="time="):
        Say(f"Oh {tag} no.")
    agent = StreamingVoiceAgent()
    with pytest.raises(StageError, match="time="):
        simulate(agent.process_turn(f"Oh {tag} no."))


@pytest.mark.parametrize("text", ["2 < 3 and 4 > 3", "breaktime <3", "a breakfast"])
def test_what_only_looks_like_a_tag_is_words(text):
    assert split_breaks(Say(text).text) == [text]


# --- Sentences ------------------------------------------------------------------------------------


def cut(text, unit="sentence", size=1):
    async def pieces():
        tokens = Tokens([text[at : at + size] for at in range(0, len(text), size)], 0.0)
        return [piece async for piece in aggregate(tokens.generate_response(""), unit)]

    return asyncio.run(pieces())


@pytest.mark.parametrize(
    "text",
    [
        "Dr. Smith is in.",
        "Use it, e.g. this one.",
        "Ask J. Smith today.",
        "Mr. and Mrs. Jones are here.",
        "See fig. 3 for that.",
        "It costs 3.5 pounds.",
        "Visit example.com today.",
        "1. First we go.",
        "At 9 a.m. we start.",
        "The U.S. market is big.",
    ],
)
@pytest.mark.parametrize("size", [1, 4, 100])
def test_a_dot_that_ends_no_sentence_cuts_none(text, size):
    assert cut(text, size=size) == [text]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ('He said "No." Then he left.', ['He said "No." ', "Then he left."]),
        ("(Yes.) It is.", ["(Yes.) ", "It is."]),
        ("“Really?” I asked.", ["“Really?” ", "I asked."]),
        ("Go! Now! Please.", ["Go! ", "Now! ", "Please."]),
        ("Wait... What? Yes.", ["Wait... ", "What? ", "Yes."]),
        ("Dr. Smith came. He left.", ["Dr. Smith came. ", "He left."]),
        ("It is 3.5. Good.", ["It is 3.5. ", "Good."]),
    ],
)
@pytest.mark.parametrize("size", [2, 5, 100])
def test_a_sentence_ends_with_what_closes_it(text, pieces, size):
    assert cut(text, size=size) == pieces


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("what’s the weather", "What's the weather?"),
        ("what`s that", "what´s that"),
        ("caf\u00e9 au lait", "cafe\u0301 au lait"),
        ("STRASSE", "straße"),
        ("ﬁne", "fine"),
        ("\u0928\u093f hai", "\u0928\u093f hai!"),
    ],
)
def test_an_eager_bet_is_won_by_the_same_words_however_they_are_written(one, other):
    assert same_words(one, other)

    class Revises:
        async def transcribe_stream(self, audio_stream, ground_truth):
            async for _ in audio_stream:
                yield one, False
            yield other, True

    agent = StreamingVoiceAgent(overlap="eager", asr=Revises())
    simulate(agent.process_turn("Hello."))
    assert agent.turns[0].lead > 0
    assert agent.turns[0].wasted_tokens == 0


@pytest.mark.parametrize(
    ("one", "other"), [("can", "can't"), ("cafe", "café"), ("its", "it is"), ("कि", "की")]
)
def test_other_words_lose_the_bet(one, other):
    assert not same_words(one, other)


# --- An aggregation of one's own ------------------------------------------------------------------


async def one_token_each(tokens):
    async for token in tokens:
        yield token


async def in_pairs(tokens):
    held = ""
    async for token in tokens:
        if held:
            yield held + token
        held = "" if held else token
    if held:
        yield held


@pytest.mark.parametrize("overlap", ["sequential", "chained", "concurrent", "eager"])
@pytest.mark.parametrize(
    ("aggregation", "pieces"),
    [(one_token_each, ["One ", "two ", "three."]), (in_pairs, ["One two ", "three."])],
)
def test_a_function_may_aggregate(aggregation, pieces, overlap):
    agent = StreamingVoiceAgent(
        aggregation=aggregation, overlap=overlap, llm=Tokens(["One ", "two ", "three."]), tts=Voice()
    )
    simulate(agent.process_turn("Hello."))
    assert [event.detail["text"] for event in agent.turns[0].log.all("tts", "piece")] == pieces
    assert agent.turns[0].heard == "One two three."


@pytest.mark.parametrize("piece", [None, 3, b"One"])
def test_a_function_must_give_text(piece):
    async def wrong(tokens):
        async for _ in tokens:
            yield piece

    refused("aggregation", TypeError, "a piece of text", aggregation=wrong)


@pytest.mark.parametrize("token", [None, 3, ("Hi", True)])
def test_a_language_model_must_give_text(token):
    refused("llm", TypeError, "a token", llm=Tokens([token]))
