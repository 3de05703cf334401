"""The turn: whole timelines, by hand, and what must hold whatever happens."""

import asyncio
import subprocess
import sys
from contextlib import aclosing
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.measure.latency import LatencyBudgets
from voice_agent_lab.stages.asr import StreamingASR
from voice_agent_lab.stages.distributions import LogNormal, StageLatencies
from voice_agent_lab.stages.endpointing import SilenceTimeout
from voice_agent_lab.stages.llm import StreamingLLM
from voice_agent_lab.stages.microphone import AudioInputStream
from voice_agent_lab.stages.playback import Playback
from voice_agent_lab.stages.tts import StreamingTTS
from voice_agent_lab.stages.vad import EnergyVAD
from voice_agent_lab.streams import StageError
from voice_agent_lab.turns.agent import OVERLAPS, AgentState, StreamingVoiceAgent
from voice_agent_lab.turns.speculation import Eager
from voice_agent_lab.turns.states import LEGAL

PROMPT = "Hello, how are you today?"  # 25 characters: 2.0 s of speech, 20 frames


def one_turn(prompt=PROMPT, **options):
    agent = StreamingVoiceAgent(**options)
    simulate(agent.process_turn(prompt))
    return agent.turns[0]


# --- One whole timeline, worked out by hand -------------------------------------------------------


def test_the_default_turn_event_by_event():
    turn = one_turn("Hi!", llm=StreamingLLM(0.3, 0.02, replies={"hi": "Hi. Ok."}))
    # 3 characters are 0.24 s: three frames. Then 0.5 s of silence, a frame's recognition (0.1 s),
    # finalisation (0.3 s), 0.3 s to the first token, which is a sentence, and 0.2 s to its chunk.
    # Each sentence is 3 characters at 15 a second: two chunks of 0.1 s. The second sentence is handed
    # over when the first is synthesised, at 1.75 s; its chunk is 0.05 s late for the end of the first.
    got = sorted((e.time, e.stage, e.name) for e in turn.log)  # in any order within one moment
    assert got == sorted(
        [
            (0.0, "user", "input"),
            (0.0, "asr", "started"),
            (0.0, "user", "speech_started"),
            (0.1, "microphone", "frame"),
            (0.1, "agent", "state"),
            (0.2, "asr", "frame"),
            (0.2, "microphone", "frame"),
            (0.3, "user", "speech_ended"),
            (0.3, "microphone", "speech_captured"),
            (0.3, "microphone", "speech_delivered"),
            (0.3, "microphone", "frame"),
            (0.3, "asr", "frame"),
            (0.4, "asr", "partial"),
            (0.4, "asr", "frame"),
            (0.4, "microphone", "frame"),
            (0.5, "microphone", "frame"),
            (0.5, "asr", "frame"),
            (0.6, "asr", "frame"),
            (0.6, "microphone", "frame"),
            (0.7, "microphone", "frame"),
            (0.7, "asr", "frame"),
            (0.8, "asr", "frame"),
            (0.8, "microphone", "frame"),
            (0.8, "endpointing", "end_of_turn"),
            (0.9, "asr", "frame"),
            (1.2, "asr", "complete"),
            (1.2, "agent", "state"),
            (1.2, "llm", "started"),
            (1.5, "llm", "token"),
            (1.5, "aggregation", "piece"),
            (1.5, "tts", "piece"),
            (1.52, "llm", "token"),
            (1.52, "llm", "complete"),
            (1.7, "tts", "chunk"),
            (1.7, "playback", "chunk"),
            (1.7, "agent", "state"),
            (1.7, "playback", "started"),
            (1.75, "tts", "chunk"),
            (1.75, "aggregation", "piece"),
            (1.75, "tts", "piece"),
            (1.75, "tts", "piece_complete"),
            (1.8, "playback", "chunk"),
            (1.95, "tts", "chunk"),
            (1.95, "playback", "underrun"),
            (1.95, "playback", "chunk"),
            (2.0, "tts", "chunk"),
            (2.0, "tts", "complete"),
            (2.0, "tts", "piece_complete"),
            (2.0, "tts", "text_complete"),
            (2.05, "playback", "chunk"),
            (2.15, "playback", "ended"),
            (2.15, "agent", "state"),
        ]
    )


# --- Degrees of overlap ---------------------------------------------------------------------------

WORDS = 8  # in each sentence of the reply
SENTENCES = 3
SENTENCE = "Aaaa bbbb cccc dddd eeee ffff gggg hhh."  # 39 characters: 2.6 s at 15 a second
TTFT, TOKEN, FIRST, CHUNK = 0.5, 0.35, 0.2, 0.05
CHUNKS = 26  # of 0.1 s in a sentence


def overlap_turn(overlap):
    llm = StreamingLLM(TTFT, TOKEN, replies={"hello": " ".join([SENTENCE] * SENTENCES)})
    return one_turn(overlap=overlap, llm=llm, tts=StreamingTTS(FIRST, CHUNK))


def test_the_degrees_of_overlap_differ_by_what_a_hand_calculation_says():
    sequential, chained, concurrent = (overlap_turn(overlap).metrics for overlap in OVERLAPS[:3])
    asked = 2.0 + 0.5 + 0.1 + 0.3  # speech, silence, the last frame's recognition, finalisation
    for metrics in (sequential, chained, concurrent):
        assert metrics.llm_started == asked

    sentence_text = (WORDS - 1) * TOKEN  # after its first token
    whole_text = (WORDS * SENTENCES - 1) * TOKEN
    synthesis = FIRST + (CHUNKS - 1) * CHUNK  # of one sentence: 1.45 s

    # Chained and concurrent start to speak after the first sentence, sequential after the last.
    assert (
        chained.playback_started
        == concurrent.playback_started
        == round(asked + TTFT + sentence_text + FIRST, 9)
    )
    assert sequential.playback_started == round(asked + TTFT + whole_text + FIRST, 9)
    assert (
        round(sequential.playback_started - concurrent.playback_started, 9)
        == round(2 * WORDS * TOKEN, 9)
        == 5.6
    )

    # Sequential: all text, then all synthesis. Chained: the same work, in another order. Concurrent:
    # synthesis hides behind the text of the next sentence, and only the last one remains to be heard.
    assert (
        sequential.tts_complete == chained.tts_complete == round(asked + TTFT + whole_text + 3 * synthesis, 9)
    )
    assert concurrent.tts_complete == round(asked + TTFT + whole_text + synthesis, 9)
    # Nobody asks the chained model whether there is more before its last sentence is spoken.
    assert chained.llm_complete == chained.tts_complete
    assert concurrent.llm_complete == sequential.llm_complete == round(asked + TTFT + whole_text, 9)


def test_the_degrees_of_overlap_underrun_by_what_a_hand_calculation_says():
    gaps = {
        overlap: [round(u.end - u.start, 9) for u in overlap_turn(overlap).underruns] for overlap in OVERLAPS
    }
    synthesis, spoken, text = FIRST + (CHUNKS - 1) * CHUNK, 2.6, WORDS * TOKEN
    # The next sentence's first chunk comes a whole sentence of text after this one's first; chained
    # has to synthesise all of this sentence in between, and then pay for its own first chunk.
    assert gaps["concurrent"] == [round(text - spoken, 9)] * 2 == [0.2, 0.2]
    assert gaps["chained"] == [round(synthesis - FIRST + text + FIRST - spoken, 9)] * 2 == [1.65, 1.65]
    assert gaps["sequential"] == []
    ends = {overlap: overlap_turn(overlap).metrics.playback_ended for overlap in OVERLAPS}
    assert ends["concurrent"] < ends["chained"] < ends["sequential"]


# --- Attribution ----------------------------------------------------------------------------------


def test_every_part_has_its_owner_and_they_sum_to_the_wait():
    turn = one_turn(
        audio=AudioInputStream(latency=0.07),
        tts=StreamingTTS(0.2, leading_silence=0.15),
        playback=Playback(latency=0.09),
    )
    assert [(p.name, p.owner, p.seconds) for p in turn.parts] == [
        ("input transport", "network", 0.07),
        ("endpointing", "setting", 0.5),
        ("recognition", "service", 0.1),
        ("finalisation", "service", 0.3),
        ("first token", "service", 0.5),
        ("text aggregation", "setting", 0.02),
        ("first chunk", "service", 0.2),
        ("output transport", "network", 0.09),
        ("leading silence", "service", 0.15),
    ]
    assert turn.metrics.voice_to_voice == 1.93


def test_a_slow_recogniser_builds_a_backlog_that_the_wait_pays_for():
    turn = one_turn(latencies=StageLatencies(asr_processing=0.15))
    # 25 frames of 0.15 s end at 0.1 + 3.75 s; the microphone and endpointing did not wait for them.
    assert turn.metrics.end_of_turn == 2.5
    assert {p.name: p.seconds for p in turn.parts}["recognition"] == 1.35


def test_a_part_whose_event_is_missing_is_left_to_the_next():
    class NoEndpoint:
        def finished(self, speech, seconds):
            return False

        def reset(self):
            pass

    class ThreeSeconds(AudioInputStream):
        async def stream_audio(self, text):
            frames = 0
            async for frame in super().stream_audio(text):
                yield frame
                frames += 1
                if frames == 30:
                    return

    turn = one_turn(endpointing=NoEndpoint(), audio=ThreeSeconds())
    assert [p.name for p in turn.parts][:2] == ["recognition", "finalisation"]
    assert turn.parts[0].start == 2.0


# --- Budgets, defaults and errors at the boundary -------------------------------------------------


def test_with_budgets_alone_every_stage_takes_what_was_promised():
    turn = one_turn(latency_budgets=LatencyBudgets(llm_first_token=0.4))
    report = LatencyBudgets(llm_first_token=0.4).judge(turn.latencies)
    assert {v.name: v.status for v in report.verdicts} == dict.fromkeys(
        (v.name for v in report.verdicts), "met"
    )
    assert report["llm_first_token"].worst == 0.4


def test_latencies_apart_from_budgets_can_miss_them():
    budgets = LatencyBudgets()
    report = budgets.judge(
        one_turn(latency_budgets=budgets, latencies=StageLatencies(llm_first_token=0.8)).latencies
    )
    assert (report["llm_first_token"].status, report["llm_first_token"].over) == ("missed", 0.3)
    assert report["asr_processing"].status == "met"


def test_a_turn_gives_its_wait_to_whoever_promised_one():
    turn = one_turn()
    report = LatencyBudgets(voice_to_voice=2.0).judge(turn.latencies)
    assert report["voice_to_voice"].items == (turn.metrics.voice_to_voice,)
    assert report["voice_to_voice"].status == "met"


def test_a_turn_in_which_nobody_speaks_ends_and_has_no_times():
    agent = StreamingVoiceAgent(vad=EnergyVAD(threshold=0.9), max_listening=5.0, asr=Deaf())
    metrics = simulate(agent.process_turn(PROMPT))
    assert agent.turns[0].log.all("endpointing", "end_of_turn")[0].detail["reason"] == "max_listening"
    assert np.isnan(metrics.voice_to_voice)
    assert np.isnan(metrics.llm_started)
    assert agent.state is AgentState.LISTENING


class Deaf:
    async def transcribe_stream(self, audio_stream, ground_truth):
        async for _ in audio_stream:
            pass
        yield "", True


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"overlap": "parallel"}, "'sequential', 'chained', 'concurrent'"),
        ({"eager": Eager()}, "eager is given, but overlap is 'concurrent'"),
        ({"aggregation": "paragraph"}, "'word', 'clause', 'sentence'"),
        ({"aggregation": 0}, "positive number of characters"),
        ({"asr": StreamingASR(sample_rate=8000)}, "the recogniser takes 8000 Hz"),
        ({"max_listening": -1}, "max_listening is -1"),
    ],
)
def test_bad_options_are_named(options, words):
    with pytest.raises(ValueError, match=words):
        StreamingVoiceAgent(**options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"latency_budgets": StageLatencies()},
            "latency_budgets is .* must be an instance of LatencyBudgets",
        ),
        ({"latencies": {"llm_first_token": 1}}, "latencies is .* must be an instance of StageLatencies"),
        ({"aggregation": []}, "aggregation is"),
        ({"audio": object()}, r"audio is .* has no chunk_size"),
        ({"vad": Deaf()}, r"vad is .* has no hears_speech; it needs hears_speech, reset"),
        ({"endpointing": Deaf()}, r"endpointing is .* has no decides"),
        ({"asr": EnergyVAD()}, r"asr is .* has no transcribe_stream"),
        ({"llm": StreamingLLM}, r"llm is the class StreamingLLM; give an instance of it"),
        ({"tts": Deaf()}, r"tts is .* has no synthesize_stream"),
        ({"playback": Deaf()}, r"playback is .* has no play"),
        ({"eager": 0.2, "overlap": "eager"}, "eager is 0.2; it must be an instance of Eager"),
        ({"interruption": "words"}, "interruption is 'words'; it must be an instance of Interruption"),
    ],
)
def test_what_cannot_be_a_component_is_named(options, words):
    with pytest.raises((TypeError, ValueError), match=words):
        StreamingVoiceAgent(**options)


def test_what_cannot_be_said_is_named():
    with pytest.raises(TypeError, match="user_input is 5; it must be an instance of str"):
        one_turn(5)


def test_a_transcript_of_what_no_detector_took_for_speech_is_answered():
    class HearsNothing(EnergyVAD):
        async def hears_speech(self, frame):
            return False

    agent = StreamingVoiceAgent(vad=HearsNothing(), max_listening=4.0)
    simulate(agent.process_turn(PROMPT))
    assert agent.turns[0].transcript == PROMPT
    states = [event.detail["state"] for event in agent.turns[0].log.all("agent", "state")]
    assert states == ["processing_speech", "thinking", "speaking", "listening"]
    agent = StreamingVoiceAgent(vad=HearsNothing(), asr=Deaf(), max_listening=4.0)
    simulate(agent.process_turn(PROMPT))
    assert agent.turns[0].log.all("agent", "state") == []


def test_a_microphone_need_not_know_what_the_user_will_do():
    class Microphone:
        sample_rate, chunk_size, latency = 16000, 1600, 0.0
        stream_audio = AudioInputStream().stream_audio

    agent = StreamingVoiceAgent(audio=Microphone())
    assert simulate(agent.process_turn(PROMPT)).voice_to_voice == 1.62


class Tokens:
    """A language model that gives each of some tokens after a second."""

    def __init__(self, *tokens):
        self.tokens = tokens

    async def generate_response(self, prompt):
        for token in self.tokens:
            await asyncio.sleep(1)
            yield token


def test_an_empty_token_is_not_the_first():
    metrics = one_turn(llm=Tokens("", "Hello ", "", "there. ")).metrics
    assert metrics.time_to_first_token == 2.0


def test_an_empty_chunk_is_not_the_first():
    class Hesitant(StreamingTTS):
        async def synthesize_stream(self, text_stream):
            yield np.zeros(0, dtype=np.float32)
            async for chunk in super().synthesize_stream(text_stream):
                yield chunk

    assert (
        one_turn(tts=Hesitant()).metrics.tts_first_chunk
        == one_turn(tts=StreamingTTS()).metrics.tts_first_chunk
    )


def test_an_empty_utterance_is_refused_by_the_microphone():
    with pytest.raises(StageError, match="text is empty") as caught:
        one_turn("  ")
    assert caught.value.stage == "microphone"


def test_one_turn_at_a_time():
    agent = StreamingVoiceAgent()

    async def both():
        first = asyncio.create_task(agent.process_turn(PROMPT))
        await asyncio.sleep(1)
        with pytest.raises(RuntimeError, match="wait for the turn that is running"):
            await agent.process_turn(PROMPT)
        await first

    simulate(both())
    assert len(agent.turns) == 1


# --- Failures and cancellations -------------------------------------------------------------------


class Failing:
    """A component whose named stream fails when it is about to give its n-th item."""

    def __init__(self, component, method, after):
        self._component, self._method, self._after = component, method, after

    def __getattr__(self, name):
        value = getattr(self._component, name)
        if name != self._method:
            return value
        return self._stream if name != "hears_speech" else self._judge

    async def _stream(self, *arguments):
        given = 0
        async with aclosing(getattr(self._component, self._method)(*arguments)) as items:
            async for item in items:
                if given == self._after:
                    raise OSError("out of order")
                given += 1
                yield item
        raise OSError("out of order")

    async def _judge(self, frame):
        self._after -= 1
        if self._after < 0:
            raise OSError("out of order")
        return await self._component.hears_speech(frame)


STAGES = {
    "microphone": lambda n: {"audio": Failing(AudioInputStream(), "stream_audio", n)},
    "vad": lambda n: {"vad": Failing(EnergyVAD(), "hears_speech", n)},
    "asr": lambda n: {"asr": Failing(StreamingASR(), "transcribe_stream", n)},
    "llm": lambda n: {"llm": Failing(StreamingLLM(), "generate_response", n)},
    "tts": lambda n: {"tts": Failing(StreamingTTS(), "synthesize_stream", n)},
    "playback": lambda n: {"playback": Failing(Playback(), "play", n)},
}


async def failing_turn(agent):
    """Run a turn that fails; return the error and the tasks that are left."""
    before = asyncio.all_tasks()
    try:
        await agent.process_turn(PROMPT)
    except StageError as error:
        return error, asyncio.all_tasks() - before
    return None, asyncio.all_tasks() - before


@pytest.mark.parametrize("overlap", OVERLAPS)
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("after", [0, 1, 3, 1000])
def test_a_failing_stage_is_named_and_leaves_nothing_behind(stage, after, overlap):
    if after == 1000 and stage in ("microphone", "vad", "asr"):
        pytest.skip("the agent has what it needs before this stage fails")
    agent = StreamingVoiceAgent(overlap=overlap, **STAGES[stage](after))
    error, left = simulate(failing_turn(agent))
    assert error.stage == stage
    assert str(error) == f"stage '{stage}' failed: OSError: out of order"
    assert isinstance(error.__cause__, OSError)
    assert left == set()
    assert agent.state is AgentState.LISTENING
    assert len(agent.metrics_history) == 1
    (failed,) = [e for e in agent.turns[0].log if e.name == "failed"]
    assert (failed.stage, failed.detail["error"]) == (stage, "OSError: out of order")
    # What was measured before is kept; what was not is not a number.
    if stage in ("llm", "tts", "playback"):
        assert agent.metrics_history[0].asr_complete == 2.9
    if stage == "llm" and after == 0:
        assert np.isnan(agent.metrics_history[0].llm_first_token)
    # And the agent can go on.
    healthy = StreamingVoiceAgent()
    agent.audio, agent.vad, agent.asr = healthy.audio, healthy.vad, healthy.asr
    agent.llm, agent.tts, agent.playback = healthy.llm, healthy.tts, healthy.playback
    assert simulate(agent.process_turn(PROMPT)).voice_to_voice > 0


class Broken:
    """What fails in a place of its own choice."""

    def __init__(self, base, method):
        self._base = base
        setattr(self, method, self._fail)

    def __getattr__(self, name):
        return getattr(self._base, name)

    def _fail(self, *arguments):
        raise OSError("out of order")


class Gives:
    """A component whose stream gives one thing and ends, or raises it."""

    sample_rate = 16000

    def __init__(self, method, item):
        setattr(self, method, self._stream)
        self._item = item

    async def _stream(self, *arguments):
        if isinstance(self._item, BaseException):
            raise self._item
        yield self._item


@pytest.mark.parametrize("overlap", OVERLAPS)
@pytest.mark.parametrize(
    ("stage", "options"),
    [
        ("microphone", {"audio": Broken(AudioInputStream(), "stream_audio")}),
        ("endpointing", {"endpointing": Broken(SilenceTimeout(), "reset")}),
        ("endpointing", {"endpointing": Broken(SilenceTimeout(), "decides")}),
        ("endpointing", {"endpointing": Broken(SilenceTimeout(), "understood")}),
        ("asr", {"asr": Broken(StreamingASR(), "transcribe_stream")}),
        ("llm", {"llm": Broken(StreamingLLM(), "generate_response")}),
        ("asr", {"asr": Gives("transcribe_stream", "a transcript alone")}),
        ("llm", {"llm": Tokens("All ", None)}),
        ("tts", {"tts": Gives("synthesize_stream", None)}),
        ("tts", {"tts": Broken(StreamingTTS(), "synthesize_stream")}),
        ("playback", {"playback": Broken(Playback(), "play")}),
    ],
)
def test_a_stage_is_named_wherever_it_fails(stage, options, overlap):
    agent = StreamingVoiceAgent(overlap=overlap, **options)
    error, left = simulate(failing_turn(agent))
    assert error.stage == stage
    assert left == set()
    assert agent.state is AgentState.LISTENING
    assert [e.stage for e in agent.turns[0].log if e.name == "failed"] == [stage]


@pytest.mark.parametrize("overlap", OVERLAPS)
def test_a_cancellation_that_nobody_ordered_is_a_failure_of_its_stage(overlap):
    agent = StreamingVoiceAgent(overlap=overlap, llm=Gives("generate_response", asyncio.CancelledError()))
    error, left = simulate(failing_turn(agent))
    assert (error.stage, left) == ("llm", set())
    assert isinstance(error.__cause__, asyncio.CancelledError)
    assert agent.state is AgentState.LISTENING


def test_an_eager_answer_to_nothing_ends_with_the_turn():
    class Mumbles:
        async def transcribe_stream(self, audio_stream, ground_truth):
            async for _ in audio_stream:
                yield "...", False
            yield "", True

    async def turn(agent):
        await agent.process_turn(PROMPT)
        return asyncio.all_tasks() - {asyncio.current_task()}

    agent = StreamingVoiceAgent(overlap="eager", asr=Mumbles(), llm=Tokens(*["word "] * 60))
    assert simulate(turn(agent)) == set()
    assert agent.turns[0].log.all("llm", "kept") == []
    assert len(agent.turns[0].log.all("llm", "withdrawn")) == 1


def test_an_eager_answer_can_be_asked_again_after_its_end():
    class Insists(Playback):
        async def play(self, chunks, sample_rate):
            async for sound in super().play(chunks, sample_rate):
                yield sound
            assert await anext(chunks, "no more") == "no more"

    turn = one_turn(overlap="eager", eager=Eager(speak=True), playback=Insists())
    assert turn.log.all("llm", "kept")


def test_a_microphone_that_fails_as_it_closes_is_named_and_leaves_nothing():
    class Stuck(AudioInputStream):
        async def stream_audio(self, user_input):
            try:
                async for frame in super().stream_audio(user_input):
                    yield frame
            finally:
                raise OSError("stuck")

    error, left = simulate(failing_turn(StreamingVoiceAgent(overlap="eager", audio=Stuck())))
    assert (error.stage, left) == ("microphone", set())


times = st.floats(0.0, 9.0, allow_nan=False)
latency = st.one_of(st.floats(0.0, 0.4), st.floats(0.01, 0.4).map(LogNormal))
latencies = st.builds(StageLatencies, latency, latency, latency, latency, latency, latency)
options = st.fixed_dictionaries(
    {
        "overlap": st.sampled_from(OVERLAPS),
        "aggregation": st.sampled_from(["word", "clause", "sentence", 20]),
        "latencies": latencies,
        "seed": st.integers(0, 2**32),
    }
)


def assert_invariants(turn, eager=False):
    metrics, log = turn.metrics, list(turn.log)
    assert [e.time for e in log] == sorted(e.time for e in log)
    for earlier, later in [
        ("asr_started", "asr_complete"),
        ("end_of_turn", "asr_complete"),
        *([] if eager else [("asr_complete", "llm_started")]),
        ("llm_started", "llm_first_token"),
        ("llm_first_token", "tts_started"),
        ("tts_started", "tts_first_chunk"),
        ("tts_first_chunk", "playback_started"),
        ("playback_started", "playback_ended"),
    ]:
        assert not getattr(metrics, earlier) > getattr(metrics, later), (earlier, later)
    if turn.parts:
        assert turn.parts[0].start == metrics.speech_ended
        assert turn.parts[-1].end == metrics.playback_started
        for before, after in pairwise(turn.parts):
            assert before.end == after.start
        nanoseconds = sum(round(part.seconds * 1e9) for part in turn.parts)
        assert nanoseconds == round(metrics.voice_to_voice * 1e9)
    states = [AgentState.LISTENING, *(AgentState(e.detail["state"]) for e in log if e.name == "state")]
    for state, following in pairwise(states):
        assert following in LEGAL[state]
    assert states[-1] is AgentState.LISTENING
    pieces = "".join(e.detail["text"] for e in turn.counted.all("tts", "piece"))
    assert "".join(e.detail["text"] for e in turn.counted.all("llm", "token")).startswith(pieces)
    assert turn.reply.split()[: len(turn.heard.split())] == turn.heard.split()
    assert all(seconds >= 0 for items in turn.latencies.values() for seconds in items)


@settings(max_examples=60, deadline=None)
@given(options=options)
def test_whatever_the_latencies_the_invariants_hold(options):
    agent = StreamingVoiceAgent(**options)
    simulate(agent.process_turn(PROMPT))
    assert_invariants(agent.turns[0], options["overlap"] == "eager")
    assert agent.turns[0].heard == agent.turns[0].reply
    assert agent.turns[0].transcript == PROMPT
    assert not np.isnan(agent.turns[0].metrics.voice_to_voice)


@settings(max_examples=60, deadline=None)
@given(options=options, at=times, stage=st.sampled_from(sorted(STAGES)), after=st.integers(0, 30))
def test_whenever_a_turn_is_cancelled_or_fails_nothing_is_left(options, at, stage, after):
    agent = StreamingVoiceAgent(**options, **STAGES[stage](after))

    async def cancelled():
        before = asyncio.all_tasks()
        try:
            async with asyncio.timeout(at):
                await agent.process_turn(PROMPT)
        except (TimeoutError, StageError):
            pass
        return asyncio.all_tasks() - before

    assert simulate(cancelled()) == set()
    assert_invariants(agent.turns[0], options["overlap"] == "eager")


# --- Determinism and real time --------------------------------------------------------------------

LOG = """
from voice_agent_lab.turns.agent import StreamingVoiceAgent
from voice_agent_lab.stages.distributions import LogNormal, StageLatencies
from voice_agent_lab.clock.simulation import simulate
agent = StreamingVoiceAgent(latencies=StageLatencies(*map(LogNormal, (.05, .2, .4, .02, .2, .05))), seed=7)
simulate(agent.process_turn("What's the weather like?"))
print(agent.turns[0].log.to_json())
"""


def test_the_same_seed_gives_the_same_bytes_in_two_processes():
    logs = {
        subprocess.run([sys.executable, "-c", LOG], capture_output=True, check=True).stdout for _ in range(2)
    }
    assert len(logs) == 1
    assert len(logs.pop()) > 5000


def test_real_time_runs_the_same_turn():
    short = StageLatencies(0.001, 0.01, 0.01, 0.001, 0.01, 0.001)
    options = {
        "latencies": short,
        "audio": AudioInputStream(chunk_duration_ms=20),
        "endpointing": SilenceTimeout(0.1),
        "llm": StreamingLLM(0.01, 0.001, replies={"hi": "Yes."}),
        "asr": StreamingASR(0.001, 0.01),
    }
    virtual, real = StreamingVoiceAgent(**options), StreamingVoiceAgent(**options)
    simulate(virtual.process_turn("Hi!"))
    asyncio.run(real.process_turn("Hi!"))

    def names(turn, stage):
        return [e.name for e in turn.log if e.stage == stage]

    for stage in ("user", "agent", "endpointing", "asr", "llm", "tts"):
        assert names(real.turns[0], stage) == names(virtual.turns[0], stage)
    # Real sleeps are never shorter: the wait is at least the simulated one.
    assert real.metrics_history[0].voice_to_voice >= virtual.metrics_history[0].voice_to_voice
    assert_invariants(real.turns[0])
