"""One agent, many turns: one axis of time, nothing shared by accident, no line lost, memory bounded on request."""

import asyncio
import gc

import numpy as np
import pytest

from tests.components import Tokens, Voice
from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.measure.log import Event
from voice_agent_lab.stages.asr import StreamingASR
from voice_agent_lab.stages.endpointing import (
    HangoverTimeout,
    LearnedDetector,
    SilenceTimeout,
    TranscriptArrival,
)
from voice_agent_lab.stages.microphone import AudioInputStream
from voice_agent_lab.turns.agent import StreamingVoiceAgent
from voice_agent_lab.turns.interruption import Interruption
from voice_agent_lab.turns.script import Say


def quick(**options):
    """Return an agent that takes 0.1 s for the final transcript, the first token and the first chunk."""
    made = {"asr": StreamingASR(0.0, 0.1), "llm": Tokens(["x" * 29 + "."], 0.1), "tts": Voice(first=0.1)}
    return StreamingVoiceAgent(**made | options)


def seconds(agent):
    return len(agent.recording.stereo()) / agent.recording.sample_rate


def transcripts(agent):
    return [turn.transcript for turn in agent.turns]


# --- One axis -------------------------------------------------------------------------------------


@pytest.mark.parametrize("turns", [2, 4])
def test_turns_in_simulations_of_their_own_follow_one_another(turns):
    agent = quick()
    for _ in range(turns):
        simulate(agent.process_turn("Hello."))
    # 0.5 s of speech, 0.5 s of silence, 0.3 s to the first chunk, 2 s of speech: 3.3 s each.
    assert [turn.log.origin for turn in agent.turns] == [round(3.3 * number, 9) for number in range(turns)]
    assert seconds(agent) == round(3.3 * turns, 9)
    assert len({turn.log.to_json().split("\n", 1)[1] for turn in agent.turns}) == 1


def test_a_recording_of_two_simulations_has_one_sound_after_the_other():
    agent = quick()
    simulate(agent.process_turn("Hello."))
    alone = agent.recording.stereo()
    simulate(agent.process_turn("Hello."))
    np.testing.assert_array_equal(agent.recording.stereo(), np.concatenate([alone, alone]))


def test_turns_in_one_simulation_and_in_two_stand_at_the_same_times():
    async def both(agent):
        await agent.process_turn("Hello.")
        await agent.process_turn("Good.")

    together, apart = quick(), quick()
    simulate(both(together))
    simulate(apart.process_turn("Hello."))
    simulate(apart.process_turn("Good."))
    assert [turn.log.to_json() for turn in together.turns] == [turn.log.to_json() for turn in apart.turns]


@pytest.mark.parametrize("first", [[Say("Hello.")], [Say("Hello."), Say("Stop it.", 0.5, "speaking")]])
def test_a_second_conversation_hears_only_its_own_user(first):
    agent = quick()
    simulate(agent.converse(first))
    heard = transcripts(agent)
    held = simulate(agent.converse([Say("What time is it?")]))
    assert [turn.transcript for turn in held] == ["What time is it?"]
    assert transcripts(agent) == [*heard, "What time is it?"]
    assert agent.turns[-1].log.origin > agent.turns[-2].log.origin


def test_a_turn_after_a_cancelled_one_is_a_fresh_agents_turn_later():
    agent, fresh = quick(), quick()

    async def cancelled():
        async with asyncio.timeout(2.05):
            await agent.process_turn("Hello.")

    with pytest.raises(TimeoutError):
        simulate(cancelled())
    simulate(agent.process_turn("Hello."))
    simulate(fresh.process_turn("Hello."))
    assert agent.turns[1].log.origin == 2.05
    assert agent.turns[1].log.to_json().split("\n", 1)[1] == fresh.turns[0].log.to_json().split("\n", 1)[1]


def test_an_agent_is_used_in_virtual_and_in_real_time_by_turns():
    def short():
        return quick(
            audio=AudioInputStream(chunk_duration_ms=20),
            endpointing=SilenceTimeout(0.04),
            asr=StreamingASR(0.0, 0.0),
            llm=Tokens(["A."], 0.0),
            tts=Voice(0.0, 0.0),
        )

    agent = short()
    simulate(agent.process_turn("a"))
    asyncio.run(agent.process_turn("a"))
    simulate(agent.process_turn("a"))
    origins = [turn.log.origin for turn in agent.turns]
    assert origins == sorted(origins)
    assert transcripts(agent) == ["a"] * 3
    assert seconds(agent) < 3.0  # whatever a real clock showed


# --- Speech over the end of an answer -------------------------------------------------------------


@pytest.mark.parametrize(
    ("before_the_end", "turns"),
    # The answer lasts 2 s and "mm" 0.2 s: it ends 0.4, 0.1 and 0 s before the answer, or 0.1 s after.
    [
        (0.6, ["Hello."]),
        (0.3, ["Hello."]),
        (0.2, ["Hello."]),
        (0.1, ["Hello.", "mm"]),
        (0.0, ["Hello.", "mm"]),
    ],
)
@pytest.mark.parametrize("latency", [0.0, 0.2, 0.6])
def test_a_backchannel_wholly_over_the_answer_is_ignored_however_near_its_end(before_the_end, turns, latency):
    agent = quick(audio=AudioInputStream(latency=latency))
    simulate(agent.converse([Say("Hello."), Say("mm", round(2.0 - before_the_end, 9), "speaking")]))
    assert transcripts(agent) == turns
    assert agent.turns[0].heard == agent.turns[0].reply


@pytest.mark.parametrize("latency", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("min_words", [0, 1])
def test_a_long_interruption_that_arrives_after_the_answer_becomes_a_turn(latency, min_words):
    # "Stop it." lasts 0.7 s and ends 0.2 s before the answer; it reaches the agent when that is over.
    agent = quick(audio=AudioInputStream(latency=latency), interruption=Interruption(0.5, min_words))
    simulate(agent.converse([Say("Hello."), Say("Stop it.", 1.1, "speaking")]), max_virtual_time=100)
    assert transcripts(agent) == ["Hello.", "Stop it."]


# --- Nothing of the caller's is written to --------------------------------------------------------


@pytest.mark.parametrize(
    "policy",
    [
        LearnedDetector(0.9, 0.2, 1.0, false_alarm_rate=0.3),
        SilenceTimeout(0.5),
        HangoverTimeout(),
        TranscriptArrival(LearnedDetector(0.9, 0.2, 1.0)),
    ],
)
def test_a_policy_can_be_given_to_many_agents(policy):
    said = 'Hello <break time="0.4s"/> there.'

    def alone():
        agent = quick(endpointing=policy)
        simulate(agent.process_turn(said))
        return agent.turns[0].log.to_json()

    expected, before = alone(), repr(policy)
    first, second = quick(endpointing=policy), quick(endpointing=policy)

    async def both():
        await asyncio.gather(first.process_turn("Hi."), second.process_turn(said))

    simulate(both())
    assert second.turns[0].log.to_json() == expected == alone()
    assert repr(policy) == before
    assert first.endpointing is not policy


def test_a_detector_asks_its_own_agents_user():
    certain = LearnedDetector(1.0, 0.2, 1.0)  # hears every end, and takes no pause for one
    first, second = quick(endpointing=certain), quick(endpointing=certain)
    simulate(first.process_turn("Hello there."))
    simulate(second.process_turn('Hello <break time="0.4s"/> there my friend.'))
    assert second.turns[0].transcript == "Hello there my friend."


# --- No line is lost ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "latency"), [("yes", 0.5), ("hello there", 1.2), ("a", 0.1), ("a", 3.0), ("はい", 1.0)]
)
@pytest.mark.parametrize("frame", [20, 100])
def test_what_is_said_is_heard_however_long_it_is_on_its_way(said, latency, frame):
    agent = quick(audio=AudioInputStream(chunk_duration_ms=frame, latency=latency))
    simulate(agent.converse([Say(said)]))
    assert [turn.transcript.replace(" ", "") for turn in agent.turns] == [said.replace(" ", "")]
    assert agent.turns[0].metrics.voice_to_voice >= latency + 0.5


@pytest.mark.parametrize("latency", [0.0, 0.7, 2.0])
def test_every_line_of_a_script_is_heard_in_its_turn(latency):
    lines = ["One.", "Two.", "Three."]
    agent = quick(audio=AudioInputStream(latency=latency))
    simulate(agent.converse([Say(line) for line in lines]))
    assert transcripts(agent) == lines


@pytest.mark.parametrize("finalization", [0.5, 2.0, 8.0])
def test_speech_during_a_finalisation_that_gives_nothing_is_the_next_turn(finalization):
    class UnderstandsTheSecond(StreamingASR):
        turns = 0

        async def transcribe_stream(self, audio_stream, ground_truth):
            self.turns += 1
            first = self.turns == 1
            async for text, final in super().transcribe_stream(audio_stream, ground_truth):
                yield "" if first else text, final

    agent = quick(asr=UnderstandsTheSecond(0.0, finalization))
    simulate(agent.converse([Say("Hello."), Say("Are you there?", 1.2, "processing_speech")]))
    # The first turn is decided 0.9 s after the agent began to process it; so this is said after that.
    assert transcripts(agent) == ["", "Are you there?"]


@pytest.mark.parametrize("min_words", [0, 1, 2])
@pytest.mark.parametrize("finalization", [0.5, 2.0, 6.0])
def test_speech_during_a_finalisation_interrupts_the_answer_however_many_words_that_takes(
    finalization, min_words
):
    agent = quick(asr=StreamingASR(0.01, finalization), interruption=Interruption(0.3, min_words))
    simulate(agent.converse([Say("Hello."), Say("Yes I am here.", 1.2, "processing_speech")]))
    assert transcripts(agent) == ["Hello.", "Yes I am here."]
    assert agent.turns[0].heard == ""


def test_of_an_interruption_with_a_pause_in_it_nothing_is_lost():
    # Words are known so late that the pause ends a turn of its own: the rest is the next one.
    class KnowsLate(StreamingASR):
        async def transcribe_stream(self, audio_stream, ground_truth):
            async for text, final in super().transcribe_stream(audio_stream, ground_truth):
                await asyncio.sleep(0 if final else 1.5)
                yield text, final

    agent = quick(asr=KnowsLate(0.0, 0.1), interruption=Interruption(0.3, 1), llm=Tokens(["word " * 40], 0.1))
    simulate(agent.converse([Say("Hello."), Say('Wait. <break time="1s"/> Go on now.', 0.5, "speaking")]))
    assert " ".join(transcripts(agent)) == "Hello. Wait. Go on now."
    assert len(agent.turns) == 3


# --- Memory ---------------------------------------------------------------------------------------


async def many(agent, number):
    for _ in range(number):
        await agent.process_turn("a")


def kept():
    """Return how many events and arrays there are."""
    gc.collect()
    # By type alone: to ask another package's proxy for its class may make it load something.
    return sum(type(thing) in (Event, np.ndarray) for thing in gc.get_objects())


def small(**options):
    return quick(endpointing=SilenceTimeout(0.1), llm=Tokens(["A."], 0.1), **options)


def test_an_agent_that_keeps_two_turns_and_no_recording_does_not_grow():
    agent = small(keep_turns=2, keep_recording=False)
    simulate(many(agent, 5))
    after_five = kept()
    simulate(many(agent, 50))
    assert kept() <= after_five + 5
    assert len(agent.turns) == 2
    assert agent.recording.sounds == []
    assert agent.history == [("user", "a"), ("assistant", "A.")] * 2


def test_an_agent_keeps_all_turns_and_the_recording_unless_told_otherwise():
    agent = small()
    simulate(many(agent, 5))
    after_five = kept()
    simulate(many(agent, 50))
    assert len(agent.turns) == 55
    assert kept() >= after_five + 50 * 10


@pytest.mark.parametrize("keep_turns", [1, 2])
def test_what_is_kept_is_the_newest_and_a_conversation_returns_no_more(keep_turns):
    agent = quick(keep_turns=keep_turns)
    held = simulate(agent.converse([Say("One."), Say("Two."), Say("Three.")]))
    assert transcripts(agent) == ["One.", "Two.", "Three."][-keep_turns:]
    assert held == agent.turns
    assert len(agent.metrics_history) == keep_turns


def test_the_next_turn_does_not_depend_on_what_is_kept():
    sparing, keeping = quick(keep_turns=1, keep_recording=False), quick()
    for agent in (sparing, keeping):
        simulate(agent.process_turn("Hello."))
        simulate(agent.process_turn("Good."))
    assert sparing.turns[-1].log.to_json() == keeping.turns[-1].log.to_json()


@pytest.mark.parametrize("bad", [0, -1, 1.5, True, "all"])
def test_a_number_of_turns_that_cannot_be_kept_is_named(bad):
    with pytest.raises((TypeError, ValueError), match="keep_turns"):
        StreamingVoiceAgent(keep_turns=bad)
