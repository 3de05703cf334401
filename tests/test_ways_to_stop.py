"""Any way to stop: errors of every class, cancellation at every step, streams that end; nothing is left.

Each is tried in virtual and in real time, where nobody notices that nothing can happen any more.
"""

import asyncio

import pytest

from tests.components import ERRORS, METHODS, Alarm, SlowTimeout, Tokens, Trouble, Voice
from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.stages.asr import StreamingASR
from voice_agent_lab.stages.endpointing import SilenceTimeout
from voice_agent_lab.stages.llm import StreamingLLM
from voice_agent_lab.stages.microphone import AudioInputStream
from voice_agent_lab.stages.playback import Playback
from voice_agent_lab.stages.vad import EnergyVAD
from voice_agent_lab.streams import StageError
from voice_agent_lab.turns.agent import StreamingVoiceAgent
from voice_agent_lab.turns.interruption import Interruption
from voice_agent_lab.turns.script import Say
from voice_agent_lab.turns.states import AgentState

RUNS = {"virtual": lambda main: simulate(main, max_virtual_time=100), "real": asyncio.run}
"""How the time of a test passes; a turn of `components` takes a few hundredths of a second in real time."""


def components(**options):
    """Return components with a turn so short that it can run in real time."""
    return {
        "audio": AudioInputStream(chunk_duration_ms=10),
        "vad": EnergyVAD(),
        "endpointing": SilenceTimeout(0.02),
        "asr": StreamingASR(0.0, 0.005),
        "llm": Tokens(["Yes. ", "No. "], 0.005),
        "tts": Voice(0.005, 0.001, 0.01, chars_per_second=300),
        "playback": Playback(),
        "aggregation": "sentence",
        **options,
    }


async def stopped(turn, patience=5.0):
    """Return the error that ends a turn, and the tasks that it leaves; give up rather than hang."""
    before = asyncio.all_tasks()
    task = asyncio.create_task(turn)
    done, _ = await asyncio.wait([task], timeout=patience)
    left = asyncio.all_tasks() - before - {task}
    assert done, "it hangs"
    return (asyncio.CancelledError() if task.cancelled() else task.exception()), left


@pytest.mark.parametrize(
    ("overlap", "talks", "time"),
    [
        *((o, t, "virtual") for o in ("sequential", "chained", "concurrent", "eager") for t in (False, True)),
        ("concurrent", False, "real"),
        ("eager", True, "real"),
    ],
)
@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("stage", METHODS)
def test_whatever_a_component_raises_ends_the_turn_and_names_the_stage(stage, error, overlap, talks, time):
    options, trouble = components(overlap=overlap), Trouble(stage, 1, error)
    trouble.befalls(options)
    agent = StreamingVoiceAgent(**options)
    raised, left = RUNS[time](stopped(agent.converse([Say("a", 0.0)]) if talks else agent.process_turn("a")))
    if error == "BaseException":
        assert isinstance(raised, Alarm)
        assert raised.__notes__ == [f"in stage {stage!r} of the turn"]
    else:
        assert isinstance(raised, StageError)
        assert raised.stage == stage
        assert type(raised.__cause__) is type(ERRORS[error]())
    assert left == set()
    assert agent.state is AgentState.LISTENING
    if agent.turns:  # the microphone or the detector of a conversation fails before its first turn
        failed = [(event.stage, event.name) for event in agent.turns[0].log if event.name == "failed"]
        assert failed == [(stage, "failed")]
        assert len(agent.turns) == 1
    RUNS[time](agent.process_turn("a"))
    assert agent.turns[-1].heard == "Yes. No."


@pytest.mark.parametrize("time", RUNS)
@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("stage", ["microphone", "asr", "llm", "aggregation", "tts", "playback"])
def test_a_component_may_fail_as_it_is_closed(stage, error, time):
    options, trouble = components(), Trouble(stage, 0, error, closing=True)
    trouble.befalls(options)
    agent = StreamingVoiceAgent(**options)
    raised, left = RUNS[time](stopped(agent.process_turn("a")))
    assert getattr(raised, "stage", None) == stage or stage in str(raised.__notes__)
    assert left == set()
    assert agent.state is AgentState.LISTENING


@pytest.mark.parametrize("time", RUNS)
def test_a_learners_stub_that_calls_pytest_fail_comes_out(time):
    class Stub:
        async def generate_response(self, prompt):
            pytest.fail("write me")
            yield ""

    agent = StreamingVoiceAgent(**components(llm=Stub()))
    raised, left = RUNS[time](stopped(agent.process_turn("a")))
    assert isinstance(raised, pytest.fail.Exception)
    assert left == set()


@pytest.mark.parametrize("time", RUNS)
@pytest.mark.parametrize("error", ERRORS)
def test_a_recogniser_that_fails_on_words_over_the_agent_ends_the_conversation(error, time):
    class FailsTheSecondTime(StreamingASR):
        streams = 0

        async def transcribe_stream(self, audio_stream, ground_truth):
            self.streams += 1
            if self.streams == 2:
                raise ERRORS[error]()
            async for hypothesis in super().transcribe_stream(audio_stream, ground_truth):
                yield hypothesis

    options = components(
        asr=FailsTheSecondTime(0.0, 0.005), llm=Tokens(["word " * 20], 0.005), tts=Voice(0.0, 0.0, 0.02)
    )
    agent = StreamingVoiceAgent(**options, interruption=Interruption(min_speech=0.02, min_words=1))
    raised, left = RUNS[time](stopped(agent.converse([Say("a", 0.0), Say("a", 0.02, "speaking")])))
    assert getattr(raised, "stage", None) == "asr" or isinstance(raised, Alarm)
    assert left == set()
    assert agent.turns[0].heard == ""  # 0.08 s of the first word of 0.27 s


# --- Cancellation ---------------------------------------------------------------------------------

SCRIPT = [Say("Tell me."), Say("Stop it.", 0.7, "speaking"), Say("mm", 1.0, "speaking")]


async def cancelled(agent, at, *again):
    """Cancel a conversation at a moment, and again after so many steps of the loop; return what is left."""
    before = asyncio.all_tasks()
    task = asyncio.create_task(agent.converse(SCRIPT))
    await asyncio.sleep(at)
    task.cancel()
    for steps in again:
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
    await asyncio.wait([task])
    return asyncio.all_tasks() - before, task.done()


@pytest.mark.parametrize("again", [(), (1,), (2,), (3,), (5,), (1, 1, 1), (2, 3)])
@pytest.mark.parametrize("overlap", ["concurrent", "chained", "eager"])
def test_a_conversation_cancelled_once_twice_or_more_leaves_nothing(overlap, again):
    slow = {"llm": StreamingLLM(), "playback": Playback(0.2)} if overlap == "chained" else {}
    for at in range(9):
        words = [f"word{number}. " for number in range(40)]
        options = {"llm": Tokens(words, 0.1, closing=3.0), **slow}
        agent = StreamingVoiceAgent(overlap=overlap, interruption=Interruption(0.3, 1), **options)
        assert simulate(cancelled(agent, 0.05 + at, *again), max_virtual_time=100) == (set(), True)
        assert agent.state is AgentState.LISTENING


@pytest.mark.parametrize("again", [(), (1,), (2, 1)])
@pytest.mark.parametrize("at", [0.005, 0.03, 0.05, 0.08])
def test_a_conversation_cancelled_in_real_time_leaves_nothing(at, again):
    agent = StreamingVoiceAgent(
        **components(llm=Tokens(["word. "] * 20, 0.002, closing=0.02), tts=Voice(0.0, 0.0))
    )
    assert asyncio.run(cancelled(agent, at, *again)) == (set(), True)
    assert agent.state is AgentState.LISTENING


def test_a_turn_that_is_cancelled_is_kept_with_what_was_measured():
    agent = StreamingVoiceAgent(llm=Tokens(["A."], 0.1), tts=Voice(), asr=StreamingASR(0.0, 0.1))

    async def impatient():
        async with asyncio.timeout(1.15):
            await agent.process_turn("Hello.")

    with pytest.raises(TimeoutError):
        simulate(impatient())
    # 0.5 s of speech, 0.5 s of silence, 0.1 s of finalisation; then the first token would have come.
    turn = agent.turns[0]
    assert (turn.transcript, turn.reply, turn.heard) == ("Hello.", "", "")
    assert (turn.metrics.asr_complete, turn.metrics.llm_started) == (1.1, 1.1)
    assert agent.history == [("user", "Hello.")]


# --- Streams that end -----------------------------------------------------------------------------


class Ends(AudioInputStream):
    """A microphone whose stream ends after some frames."""

    def __init__(self, after, **options):
        super().__init__(**options)
        self.after = after

    async def frames(self):
        number = 0
        async for frame in super().frames():
            number += 1
            if number > self.after:
                return
            yield frame


@pytest.mark.parametrize("time", RUNS)
@pytest.mark.parametrize("after", [0, 1, 3, 12])
def test_a_microphone_that_ends_before_the_conversation_is_named(after, time):
    agent = StreamingVoiceAgent(**components(audio=Ends(after, chunk_duration_ms=10)))
    script = [Say("a", 0.0), Say("b", 0.1)]
    raised, left = RUNS[time](stopped(agent.converse(script)))
    assert isinstance(raised, StageError)
    assert raised.stage == "microphone"
    assert isinstance(raised.__cause__, EOFError)
    assert left == set()
    assert agent.state is AgentState.LISTENING


def test_what_was_said_before_a_microphone_ended_is_answered():
    agent = StreamingVoiceAgent(**components(audio=Ends(9, chunk_duration_ms=10)))
    with pytest.raises(StageError, match="its stream ended before the conversation did"):
        simulate(agent.converse([Say("a", 0.0)] * 2))  # 0.08 s of speech
    assert [turn.transcript for turn in agent.turns] == ["a"]
    assert agent.turns[0].heard == "Yes. No."


@pytest.mark.parametrize("time", RUNS)
def test_a_microphone_that_ends_while_the_agent_holds_its_sound_lets_it_go_on(time):
    # The user speaks over the agent, which pauses and waits for a word; then the microphone ends.
    audio = Ends(24, chunk_duration_ms=10)
    options = components(audio=audio, llm=Tokens(["word word word."], 0.005), tts=Voice(0.0, 0.0))
    agent = StreamingVoiceAgent(**options, interruption=Interruption(min_speech=0.02, min_words=9))
    raised, left = RUNS[time](stopped(agent.converse([Say("a", 0.0), Say("aaa", 0.05, "speaking")])))
    assert isinstance(raised, StageError) and raised.stage == "microphone"
    assert left == set()
    assert agent.turns[0].log.all("agent", "paused")
    assert agent.turns[0].heard == "word word word."


@pytest.mark.parametrize("time", RUNS)
@pytest.mark.parametrize("stage", ["llm", "tts", "asr", "playback", "aggregation"])
def test_a_stage_that_ends_early_hangs_nothing(stage, time):
    options, trouble = components(), Trouble(stage, 0, "end")
    trouble.befalls(options)
    agent = StreamingVoiceAgent(**options)
    raised, left = RUNS[time](stopped(agent.process_turn("a")))
    assert raised is None or raised.stage == stage  # a recogniser owes a final transcript
    assert left == set()
    assert agent.turns[0].heard == ""


# --- A failure in a pause -------------------------------------------------------------------------


@pytest.mark.parametrize("time", RUNS)
@pytest.mark.parametrize("error", ERRORS)
def test_a_loudspeaker_that_fails_while_it_is_paused_does_not_hold_the_next_turn(error, time):
    class FailsInAPause(Playback):
        working = False

        def pause(self):
            super().pause()
            self.held = True

        async def play(self, chunks, sample_rate):
            self.held = False
            async for sound in super().play(chunks, sample_rate):
                yield sound
                if self.held and not self.working:
                    raise ERRORS[error]()

    class Own:
        """A loudspeaker that keeps its own account of a pause, and forgets nothing by itself."""

        latency = 0.0

        def __init__(self):
            self.goes_on, self.heard, self.broken = None, [], True

        def pause(self):
            self.goes_on.clear()

        def resume(self):
            if self.goes_on is not None:
                self.goes_on.set()

        async def play(self, chunks, sample_rate):
            self.goes_on = self.goes_on or asyncio.Event()
            self.heard = []
            if self.broken:
                self.goes_on.set()
            async for made, chunk in chunks:
                if self.broken and not self.goes_on.is_set():
                    raise ERRORS[error]()
                await self.goes_on.wait()
                await asyncio.sleep(len(chunk) / sample_rate)
                yield made, chunk

    for playback in (FailsInAPause(), Own()):
        options = components(
            playback=playback,
            llm=Tokens(["word " * 4], 0.005),
            tts=Voice(0.0, 0.0, 0.01, chars_per_second=60),
        )
        agent = StreamingVoiceAgent(**options, interruption=Interruption(min_speech=0.02, min_words=9))

        async def both(agent=agent, playback=playback):
            raised, left = await stopped(agent.converse([Say("a", 0.0), Say("aaa", 0.05, "speaking")]))
            playback.working, playback.broken = True, False
            following, more = await stopped(agent.process_turn("a"))
            return raised, following, left | more

        raised, following, left = RUNS[time](both())
        assert raised is not None
        assert following is None
        assert left == set()


def test_a_slow_policy_is_closed_with_its_turn():
    agent = StreamingVoiceAgent(**components(endpointing=SlowTimeout(0.02, took=0.5)))
    assert simulate(cancelled(agent, 1.3, 1)) == (set(), True)
