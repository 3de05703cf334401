"""Components that behave oddly, as real ones do: what they give is measured right, or refused in a sentence."""

import asyncio

import numpy as np
import pytest

from voice_agent_lab import (
    AudioInputStream,
    Eager,
    Interruption,
    Playback,
    Say,
    SilenceTimeout,
    StageError,
    StreamingASR,
    StreamingLLM,
    StreamingTTS,
    StreamingVoiceAgent,
    simulate,
)
from voice_agent_lab.stages.aggregation import aggregate
from voice_agent_lab.streams import RunAhead

PROMPT = "Hello there."


def turn_of(**options):
    agent = StreamingVoiceAgent(**options)
    simulate(agent.process_turn(PROMPT))
    return agent.turns[-1]


def parts(turn):
    return {part.name: part.seconds for part in turn.parts}


class SlowPolicy:
    """Decides as a timer does, and takes its time over every frame."""

    def __init__(self, seconds):
        self.seconds, self.timer = seconds, SilenceTimeout(0.5)
        self.reset = self.timer.reset

    async def decides(self, frame):
        await asyncio.sleep(self.seconds)
        return await self.timer.decides(frame)


@pytest.mark.parametrize(("frame_ms", "model"), [(100, 0.04), (20, 1.48)])
def test_a_slow_policy_owns_what_it_takes_and_its_own_backlog(frame_ms, model):
    # With frames of 20 ms and 40 ms for each, 73 frames of 1.46 s take 2.92 s: it decides at 0.02 + 2.92 s.
    turn = turn_of(
        endpointing=SlowPolicy(0.04),
        audio=AudioInputStream(chunk_duration_ms=frame_ms),
        asr=StreamingASR(0, 0.3),
    )
    assert parts(turn)["end-of-turn model"] == pytest.approx(model)
    assert parts(turn)["finalisation"] == pytest.approx(0.3)
    assert "backlog" not in parts(turn)


def test_frames_that_come_late_are_late_by_the_network():
    class Late(AudioInputStream):
        async def stream_audio(self, text):
            async for frame in super().stream_audio(text):
                await asyncio.sleep(0.05)
                yield frame

    assert parts(turn_of(audio=Late()))["input transport"] == pytest.approx(0.05)


def test_a_microphone_that_uses_its_buffer_again_is_recorded_as_it_sounded():
    class Reusing(AudioInputStream):
        async def stream_audio(self, text):
            buffer = np.zeros(self.chunk_size, dtype=np.float32)
            async for frame in super().stream_audio(text):
                buffer[:] = frame
                yield buffer

    agents = [StreamingVoiceAgent(audio=audio) for audio in (Reusing(), AudioInputStream())]
    for agent in agents:
        simulate(agent.process_turn(PROMPT))
    np.testing.assert_array_equal(*(agent.recording.stereo() for agent in agents))


def test_a_voice_that_uses_its_buffer_again_is_recorded_as_it_sounded():
    class Reusing(StreamingTTS):
        async def synthesize_stream(self, text_stream):
            buffer = np.zeros(self.chunk_size, dtype=np.float32)
            async for chunk in super().synthesize_stream(text_stream):
                buffer[: len(chunk)] = chunk
                yield buffer[: len(chunk)]

    agents = [StreamingVoiceAgent(tts=tts) for tts in (Reusing(0.2, 0.05), StreamingTTS(0.2, 0.05))]
    for agent in agents:
        simulate(agent.process_turn(PROMPT))
    np.testing.assert_array_equal(*(agent.recording.stereo() for agent in agents))


def test_sound_that_is_not_scaled_is_refused():
    class Loud(StreamingTTS):
        async def synthesize_stream(self, text_stream):
            async for chunk in super().synthesize_stream(text_stream):
                yield np.round(chunk * 32767)

    with pytest.raises(StageError, match=r"tts.*samples must be in \[-1, 1\]: divide 16-bit ones by 32768"):
        turn_of(tts=Loud())


class Finals:
    """A recogniser that is sure of some words after some frames, as services are that cut turns into segments."""

    def __init__(self, after, leaves=False):
        self.after, self.leaves = after, leaves

    async def transcribe_stream(self, audio_stream, ground_truth):
        number = 0
        async for _ in audio_stream:
            number += 1
            if number in self.after:
                yield self.after[number], True
                if self.leaves:
                    return


@pytest.mark.parametrize("leaves", [False, True])
def test_a_final_before_the_end_of_the_turn_waits_for_it(leaves):
    turn = turn_of(asr=Finals({5: "Hello"}, leaves))
    assert turn.transcript == "Hello"
    assert turn.metrics.asr_complete >= turn.metrics.end_of_turn == 1.5
    assert turn.metrics.voice_to_voice > 0.5
    assert turn.latencies["asr_finalization"] == [0.0] or leaves


def test_the_words_of_an_interruption_may_come_in_segments():
    agent = StreamingVoiceAgent(
        asr=Finals(dict.fromkeys(range(3, 60, 2), "word")), interruption=Interruption(0.2, min_words=2)
    )
    simulate(
        agent.converse([Say(PROMPT), Say("Stop, that is enough now please.", after=0.7, during="speaking")])
    )
    assert len(agent.turns) == 2
    assert agent.turns[0].log.all("agent", "barge_in")


def test_a_line_that_is_said_while_the_agent_still_listens_belongs_to_the_turn():
    agent = StreamingVoiceAgent()
    line = Say("Play some music.", after=0.1, during="processing_speech")
    simulate(agent.converse([Say(PROMPT), line]))
    assert [turn.transcript for turn in agent.turns] == [f"{PROMPT} {line.text}"]


def test_an_empty_partial_is_none():
    class Mumbling(StreamingASR):
        async def transcribe_stream(self, audio_stream, ground_truth):
            yield "", False
            async for hypothesis in super().transcribe_stream(audio_stream, ground_truth):
                yield hypothesis
                yield hypothesis if not hypothesis[1] else ("", True)

    turn = turn_of(asr=Mumbling())
    assert turn.metrics.asr_partial == turn.partials[0][0] > 0
    assert len({text for _, text in turn.partials}) == len(turn.partials)


@pytest.mark.parametrize("latency", [0.0, 0.2, 0.5])
def test_an_eager_voice_is_heard_no_sooner_than_playback_can(latency):
    options = {
        "overlap": "eager",
        "eager": Eager(silence=0.3, speak=True),
        "endpointing": SilenceTimeout(2.0),
    }
    near, far = (turn_of(playback=Playback(delay), **options) for delay in (0.0, latency))
    wait = far.metrics.voice_to_voice - near.metrics.voice_to_voice
    assert wait == pytest.approx(latency)


def test_a_failure_inside_a_task_group_is_that_of_its_stage():
    class Hangs(StreamingLLM):
        async def generate_response(self, prompt):
            yield "One. "
            raise ConnectionError("gone")

    class Grouped(StreamingTTS):
        async def synthesize_stream(self, text_stream):
            texts = []

            async def read():
                texts.extend([text async for text in text_stream])

            async with asyncio.TaskGroup() as group:
                group.create_task(read())
            yield np.zeros(160, dtype=np.float32)

    with pytest.raises(StageError) as caught:
        turn_of(llm=Hangs(), tts=Grouped())
    assert caught.value.stage == "llm"


def test_a_component_that_counts_as_false_is_one():
    class Empty(StreamingLLM):
        def __len__(self):
            return 0

    assert turn_of(llm=Empty(default="Just so.", replies={})).reply == "Just so."


def test_a_second_turn_at_the_same_time_is_refused():
    async def two(agent):
        return await asyncio.gather(
            agent.process_turn(PROMPT), agent.process_turn(PROMPT), return_exceptions=True
        )

    agent = StreamingVoiceAgent()
    first, second = simulate(two(agent))
    assert first.voice_to_voice == 1.62
    assert "wait for the turn that is running" in str(second)
    assert len(agent.turns) == 1


def test_a_microphone_can_only_be_opened_by_one_agent_at_a_time():
    async def two(microphone):
        agents = [StreamingVoiceAgent(audio=microphone) for _ in range(2)]
        return await asyncio.gather(*(a.process_turn(PROMPT) for a in agents), return_exceptions=True)

    outcomes = simulate(two(AudioInputStream()))
    assert any("opened a second time" in str(outcome) for outcome in outcomes)


def test_text_that_was_left_out_was_not_heard():
    async def without_thoughts(tokens):
        async for token in tokens:
            if not token.startswith("<"):
                yield token

    class Thinks(StreamingLLM):
        async def generate_response(self, prompt):
            for token in ("Hello. ", "<think>secret</think> ", "Bye."):
                yield token

    assert turn_of(llm=Thinks(), aggregation=without_thoughts).heard == "Hello. Bye."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1. First item\n2. Second\n3. Third", ["1. First item\n", "2. Second\n", "3. Third"]),
        ("- one\n- two", ["- one\n", "- two"]),
        ("**Note.** Then go.", ["**Note.** ", "Then go."]),
    ],
)
def test_lists_and_marked_up_sentences_are_cut(text, expected):
    async def pieces():
        async def tokens():
            for character in text:
                yield character

        return [piece async for piece in aggregate(tokens(), "sentence")]

    assert simulate(pieces()) == expected


def test_a_stream_that_is_closed_before_it_began_is_closed_and_over():
    closed = []

    class Stream:
        def __aiter__(self):
            return self

        async def __anext__(self):
            return 1

        async def aclose(self):
            closed.append(True)

    async def early():
        ahead = RunAhead(Stream())
        await ahead.aclose()
        return await anext(ahead, "over")

    assert simulate(early()) == "over"
    assert closed == [True]


def test_the_simulated_recogniser_is_refused_where_nobody_knows_what_is_said():
    class Live:
        sample_rate, chunk_size, latency = 16000, 1600, 0.0

        async def frames(self):
            yield np.zeros(1600, dtype=np.float32)

    with pytest.raises(ValueError, match="give asr a real recogniser"):
        simulate(StreamingVoiceAgent(audio=Live()).converse())


@pytest.mark.parametrize("first", [0.4, 0.9])
def test_a_live_microphone_that_is_late_at_first_is_dated_by_its_soonest_frame(first):
    class Live:
        """Its first frames come together at `first` seconds, the others on time; it speaks for a second."""

        sample_rate, chunk_size, latency = 16000, 1600, 0.0

        async def frames(self):
            loop = asyncio.get_running_loop()
            opened = loop.time()
            for k in range(30):
                await asyncio.sleep(max(0.0, round(max(first, opened + 0.1 * (k + 1)) - loop.time(), 9)))
                yield np.full(1600, 0.2 if k < 10 else 0.0, dtype=np.float32)

    class Ears:
        async def transcribe_stream(self, audio_stream, ground_truth):
            async for _ in audio_stream:
                pass
            yield "words", True

    agent = StreamingVoiceAgent(audio=Live(), asr=Ears())
    simulate(agent.process_turn())
    assert agent.turns[0].metrics.speech_ended == pytest.approx(1.0)
