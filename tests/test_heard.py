"""What the user heard of a reply, to the word, whatever the voice does with its text.

The user interrupts, and how much of the sound was played is known by hand: everything happens on a grid
of 0.1 s, the agent speaks from the moment at which the script begins to count, and falls silent 0.3 s
after the user begins. The voices speak 15 characters a second.
"""

import asyncio

import pytest

from tests.components import (
    CHARS_PER_SECOND,
    Filler,
    Mute,
    ReadsAhead,
    ReadsAll,
    Tokens,
    Voice,
)
from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.measure.words import words
from voice_agent_lab.presets import preset
from voice_agent_lab.stages.aggregation import aggregate
from voice_agent_lab.stages.asr import StreamingASR
from voice_agent_lab.stages.tts import StreamingTTS
from voice_agent_lab.streams import StageError
from voice_agent_lab.turns.agent import StreamingVoiceAgent
from voice_agent_lab.turns.interruption import Interruption
from voice_agent_lab.turns.script import Say

TWICE = "One two. Three four. Five six."  # pieces of 8, 11 and 9 characters


def interrupted(played, reply, voice, **options):
    """Return the turn of an agent of whose reply so many seconds were played."""
    agent = StreamingVoiceAgent(
        asr=StreamingASR(0.0, 0.1),
        llm=Tokens([word + " " for word in reply.split(" ")] if isinstance(reply, str) else reply, 0.0, 0.1),
        tts=voice,
        interruption=Interruption(min_speech=0.3),
        **options,
    )
    simulate(agent.converse([Say("Hello."), Say("Stop it.", round(played - 0.3, 9), "speaking")]))
    turn = agent.turns[0]
    sounded = sum(event.detail["seconds"] for event in turn.log.all("playback", "chunk"))
    sounded -= sum(event.detail["unheard"] for event in turn.log.all("playback", "stopped"))
    assert round(sounded, 9) == played
    assert agent.history[0] == ("user", "Hello.")
    assert agent.history[1] == (("assistant", turn.heard) if turn.heard else ("user", "Stop it."))
    return turn


@pytest.mark.parametrize(
    ("voice", "played", "heard"),
    [
        # No silence: "Three" ends at (8 + 5) / 15 = 0.867 s, "four." at (8 + 11) / 15 = 1.267 s.
        (Voice(), 0.9, "One two. Three"),
        (Voice(), 1.2, "One two. Three"),
        (Voice(), 1.3, "One two. Three four."),
        # 0.16 s of silence before each piece: 1.187 and 1.587 s. The first chunk is silent.
        (Voice(leading=0.16), 1.1, "One two."),
        (Voice(leading=0.16), 1.2, "One two. Three"),
        # The silence is longer than five chunks: "One" ends at 0.5 + 0.2 = 0.7 s, "two." at 1.033 s.
        (Voice(leading=0.5), 0.6, ""),
        (Voice(leading=0.5), 0.8, "One"),
        (Voice(leading=0.5), 1.1, "One two."),
        # 0.4 s of silence after each piece: "two." still ends at 0.533, "Three" at 1.267 s.
        (Voice(trailing=0.4), 0.6, "One two."),
        (Voice(trailing=0.4), 1.2, "One two."),
        (Voice(trailing=0.4), 1.3, "One two. Three"),
        # 0.2 s in the middle of each piece: "Three" lies before the middle and ends at 1.067 s.
        (Voice(inside=0.2), 0.7, "One"),
        (Voice(inside=0.2), 0.8, "One two."),
        (Voice(inside=0.2), 1.1, "One two. Three"),
        # Other chunks: the words do not move.
        (Voice(chunk=0.02, later=0.001, leading=0.16), 1.1, "One two."),
        (Voice(chunk=0.02, later=0.001, leading=0.16), 1.2, "One two. Three"),
        (Voice(chunk=0.7, leading=0.16), 1.1, "One two."),
        (Voice(chunk=0.7, leading=0.16), 1.2, "One two. Three"),
        (Voice(chunk=5.0, leading=0.16), 1.2, "One two. Three"),
        # Two pieces at once, with the space between them: "Three" ends at 14 / 15 = 0.933 s.
        (Voice(gathers=2), 0.9, "One two."),
        (Voice(gathers=2), 1.0, "One two. Three"),
        (Voice(gathers=2, leading=0.3), 1.2, "One two."),
        (Voice(gathers=5), 1.0, "One two. Three"),
        # All text first: the same.
        (ReadsAll(), 0.9, "One two."),
        (ReadsAll(), 1.0, "One two. Three"),
        (ReadsAll(leading=0.3), 1.2, "One two."),
        (ReadsAll(leading=0.3), 1.3, "One two. Three"),
        # Reading ahead: the sound is the first voice's.
        (ReadsAhead(), 0.8, "One two."),
        (ReadsAhead(), 0.9, "One two. Three"),
        (ReadsAhead(leading=0.16), 0.3, ""),
        (ReadsAhead(leading=0.16), 0.5, "One"),
        # Half a second of filler belongs to no text: "One" ends at 0.7 s, "two." at 1.033 s.
        (Filler(), 0.4, ""),
        (Filler(), 0.6, ""),
        (Filler(), 0.8, "One"),
        (Filler(), 1.1, "One two."),
        (Filler(leading=0.2), 1.2, "One"),
    ],
)
def test_what_was_heard_is_what_sounded_to_the_word(voice, played, heard):
    assert interrupted(played, TWICE, voice).heard == heard


@pytest.mark.parametrize("aggregation", ["word", "clause", "sentence", 5, 20])
@pytest.mark.parametrize(
    "voice", [Voice(leading=0.2), Voice(trailing=0.2), Voice(gathers=3), ReadsAll(), ReadsAhead(), Filler()]
)
def test_a_reply_that_is_played_to_its_end_was_heard_to_its_end(voice, aggregation):
    agent = StreamingVoiceAgent(tts=voice, aggregation=aggregation, llm=Tokens(["One ", "two. ", "Three."]))
    simulate(agent.process_turn("Hello."))
    assert agent.turns[0].heard == "One two. Three."


@pytest.mark.parametrize("voice", [Mute(), Mute(silent=0.4)])
def test_of_a_voice_that_makes_no_sound_nothing_was_heard(voice):
    agent = StreamingVoiceAgent(tts=voice)
    metrics = simulate(agent.process_turn("Hello."))
    assert agent.turns[0].reply != ""
    assert agent.turns[0].heard == ""
    assert agent.history == [("user", "Hello.")]
    assert str(metrics.voice_to_voice) == "nan"


def test_a_piece_without_sound_hides_nothing_of_the_one_before():
    class SkipsTheSecond(Voice):
        def speaking(self, text, call):
            return super().speaking("" if "Three" in text else text, call)

    # Whose sound the second is cannot be told: the voice may as well have gathered two pieces.
    assert interrupted(0.6, TWICE, SkipsTheSecond()).heard == "One two."
    assert interrupted(0.4, TWICE, SkipsTheSecond()).heard == "One"


@pytest.mark.parametrize("chunk", [0.1, 0.07, 0.3, 1.0])
@pytest.mark.parametrize("played", [0.3, 0.4, 0.5])
def test_a_word_before_a_pause_was_heard_in_the_pause(played, chunk):
    # "Yes," is half of the text and ends at 0.267 s, which is in the middle of a window.
    assert interrupted(played, ["Yes, now"], Voice(inside=0.3, chunk=chunk)).heard == "Yes,"


def test_a_sound_that_was_never_made_is_no_pause():
    class BreaksOff(Voice):
        """Fails with its last chunk."""

        def speaking(self, text, call):
            *chunks, _ = super().speaking(text, call)
            yield from chunks
            raise OSError("the line is dead")

    # 0.08 + 4 / 15 = 0.347 s in chunks of 0.03 s: the last one, of 0.017 s, would be the end of the word.
    agent = StreamingVoiceAgent(llm=Tokens(["Yes."], 0.0), tts=BreaksOff(0.0, 0.1, 0.03, leading=0.08))
    with pytest.raises(StageError, match="the line is dead"):
        simulate(agent.process_turn("Hello."))
    assert agent.turns[0].metrics.playback_started > 0
    assert agent.turns[0].heard == ""


def test_the_simulated_voices_silence_is_not_taken_for_words():
    script = [Say("Tell me the weather."), Say("Stop, that is enough.", after=0.7, during="speaking")]
    agent = StreamingVoiceAgent(tts=StreamingTTS(leading_silence=0.16))
    simulate(agent.converse(script))
    # 1.34 s were played, 1.18 s of them speech: 17.7 characters of "It is sunny right now, …".
    assert agent.turns[0].heard == "It is sunny right"


def test_a_preset_as_shipped_claims_no_word_that_did_not_sound():
    script = [Say("Tell me the weather."), Say("Stop, that is enough.", after=0.7, during="speaking")]
    for name in ("livekit-defaults", "pipecat-defaults"):
        agent = preset(name).agent()
        simulate(agent.converse(script))
        turn = agent.turns[0]
        played = sum(event.detail["seconds"] for event in turn.log.all("playback", "chunk"))
        played -= sum(event.detail["unheard"] for event in turn.log.all("playback", "stopped"))
        speech = played - agent.tts.leading_silence  # of the first piece; a later one has it too
        assert 0 < len(turn.heard) <= speech * CHARS_PER_SECOND < len(turn.reply)


# --- When a piece of text has its first sound -----------------------------------------------------


def test_a_voice_that_reads_all_has_a_first_chunk_for_each_piece():
    agent = StreamingVoiceAgent(
        llm=Tokens(["One. ", "Two. ", "Three. ", "Four."], 0.1),
        tts=ReadsAll(first=0.2),
        aggregation="sentence",
    )
    simulate(agent.process_turn("Hello."))
    # The pieces come 0.1 s apart (the last with the end of the reply), the sound 0.2 s after the last.
    assert agent.turns[0].latencies["tts_first_chunk"] == [0.5, 0.4, 0.3, 0.2]


def test_a_voice_that_gathers_has_a_first_chunk_for_each_piece():
    agent = StreamingVoiceAgent(
        llm=Tokens(["One. ", "Two. ", "Three. ", "Four."], 0.1), tts=Voice(first=0.2, gathers=2)
    )
    simulate(agent.process_turn("Hello."))
    # "One. Two." has its sound 0.2 s after "Two.", and is made in 0.2 + 5 * 0.02 = 0.3 s. Then the voice
    # finds "Three." waiting and "Four." too, and needs 0.2 s more.
    assert agent.turns[0].latencies["tts_first_chunk"] == [0.3, 0.2, 0.2, 0.2]


# --- Scripts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "played", "heard"),
    [
        # Each character has its place; punctuation belongs to the one before it.
        ("今天天气很好，适合散步。", 0.4, "今天天气很"),  # 6 characters, of which the sixth needs its comma
        ("今天天气很好，适合散步。", 0.5, "今天天气很好，"),
        ("今天天气很好，适合散步。", 0.9, "今天天气很好，适合散步。"),
        ("はい、晴れています。", 0.4, "はい、晴れて"),  # 6 characters
        ("データはコーヒーです。", 0.4, "データはコー"),  # a lengthened Kana ends with its mark
        ("วันนี้อากาศดี", 0.4, "วันนี้"),  # 6 code points: four of them letters, two marks
        ("ສະບາຍດີ", 0.3, "ສະບາ"),  # 4.5 code points
        # Scripts with spaces: whole words.
        ("आज मौसम अच्छा है।", 0.4, "आज"),  # 6 code points; the second word ends with the seventh
        ("आज मौसम अच्छा है।", 0.8, "आज मौसम"),
        ("오늘 날씨가 좋아요.", 0.4, "오늘 날씨가"),
        ("الطقس جميل اليوم.", 0.4, "الطقس"),
        # Both in one sentence.
        ("我用 Python 写代码。", 0.6, "我用 Python"),  # 9 characters are these
        ("我用 Python 写代码。", 0.5, "我用"),
    ],
)
def test_words_are_counted_as_their_script_has_them(reply, played, heard):
    if played >= len(reply) / CHARS_PER_SECOND:
        agent = StreamingVoiceAgent(llm=Tokens([reply]), tts=Voice())
        simulate(agent.process_turn("Hello."))
        assert agent.turns[0].heard == heard
    else:
        assert interrupted(played, [reply], Voice()).heard == heard


@pytest.mark.parametrize("leading", [0.16, 0.3])
def test_silence_is_no_character_either(leading):
    # Of 0.9 s the silence takes its part: 11.1 and 9 characters sounded, and the eleventh needs its comma.
    heard = interrupted(0.9, ["今天天气很好，适合散步，我们走吧。"], Voice(leading=leading)).heard
    assert heard == {0.16: "今天天气很好，适合散", 0.3: "今天天气很好，适合"}[leading]


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("今天很好。明天会下雨！真的？", ["今天很好。", "明天会下雨！", "真的？"]),
        ("आज मौसम अच्छा है। कल बारिश होगी।", ["आज मौसम अच्छा है। ", "कल बारिश होगी।"]),
        ("كيف الحال؟ أنا بخير.", ["كيف الحال؟ ", "أنا بخير."]),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 100])
def test_a_sentence_ends_where_its_script_ends_it(text, ends, size):
    async def pieces():
        tokens = Tokens([text[at : at + size] for at in range(0, len(text), size)], 0.0)
        return [piece async for piece in aggregate(tokens.generate_response(""), "sentence")]

    assert asyncio.run(pieces()) == ends


@pytest.mark.parametrize(
    "said", ["请停下来我不想听了吧", "やめてください", "พอแล้วหยุดเถอะ", "रुको अब बस करो", "Stop it now please."]
)
def test_words_over_the_agent_count_in_every_script(said):
    agent = StreamingVoiceAgent(interruption=Interruption(min_words=2))
    simulate(agent.converse([Say("Tell me the weather."), Say(said, after=0.7, during="speaking")]))
    assert [turn.transcript for turn in agent.turns] == ["Tell me the weather.", said]


def test_a_closing_bracket_in_the_same_token_belongs_to_the_sentence():
    async def pieces():
        return [
            piece
            async for piece in aggregate(Tokens(["「はい", "。」晴れ", "です。"], 0.0).generate_response(""))
        ]

    assert asyncio.run(pieces()) == ["「はい。」", "晴れです。"]


# --- Tokens that are parts of words ---------------------------------------------------------------

PARTS = ["Antidis", "establish", "mentarian", "ism ", "is a ", "long ", "wo", "rd to", " say", "."]


@pytest.mark.parametrize("aggregation", [1, 5, 20, 28, 40, "word", "clause", "sentence"])
def test_no_word_is_spoken_in_two_pieces(aggregation):
    agent = StreamingVoiceAgent(llm=Tokens(PARTS, 0.01), tts=Voice(), aggregation=aggregation)
    simulate(agent.process_turn("Hello."))
    pieces = [event.detail["text"] for event in agent.turns[0].log.all("tts", "piece")]
    assert words("".join(pieces)) == [word for piece in pieces for word in words(piece)]
    assert agent.turns[0].heard == "Antidisestablishmentarianism is a long word to say."


@pytest.mark.parametrize(("played", "heard"), [(1.8, ""), (1.9, "Antidisestablishmentarianism")])
def test_a_long_word_is_heard_at_its_end(played, heard):
    # 28 characters last 1.867 s.
    assert interrupted(played, PARTS, Voice(), aggregation=20).heard == heard


@pytest.mark.parametrize(
    "reply", ["Well …  then — go!", "One\n\ntwo", "snow-white, e.g. “this”", "  Yes  ", "今天 很好，OK？"]
)
@pytest.mark.parametrize("aggregation", ["word", 5, "sentence"])
def test_what_was_heard_is_joined_as_the_reply_was(reply, aggregation):
    agent = StreamingVoiceAgent(llm=Tokens([reply], 0.0), tts=Voice(), aggregation=aggregation)
    simulate(agent.process_turn("Hello."))
    assert agent.turns[0].heard == reply.strip()
