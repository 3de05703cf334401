"""When the user stopped speaking, and what the wait from there is made of, whatever is late."""

import asyncio
from contextlib import aclosing

import pytest

from tests.components import SlowTimeout, Tokens, Voice
from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.stages.asr import StreamingASR
from voice_agent_lab.stages.microphone import AudioInputStream
from voice_agent_lab.stages.vad import EnergyVAD
from voice_agent_lab.turns.agent import StreamingVoiceAgent
from voice_agent_lab.turns.interruption import Interruption
from voice_agent_lab.turns.script import Say


def quick(**options):
    """Return an agent that takes 0.1 s for the final transcript, the first token and the first chunk."""
    made = {"asr": StreamingASR(0.0, 0.1), "llm": Tokens(["Yes. "], 0.1), "tts": Voice(first=0.1)}
    return StreamingVoiceAgent(**made | options)


def parts(turn):
    return {part.name: round(part.seconds, 9) for part in turn.parts}


# --- The end of the utterance that is answered ----------------------------------------------------


@pytest.mark.parametrize(
    ("finalization", "after"), [(6.0, 2.5), (6.0, 0.8), (2.0, 0.6), (2.0, 1.5), (20.0, 10.0)]
)
def test_the_wait_begins_at_the_end_of_what_is_answered_however_late_the_recogniser(finalization, after):
    agent = StreamingVoiceAgent(
        asr=StreamingASR(0.01, finalization), interruption=Interruption(min_speech=99)
    )
    script = [Say("Hello there."), Say("Are you still there?", after=after, during="processing_speech")]
    simulate(agent.converse(script))
    turn = agent.turns[0]
    # 12 characters at 12.5 a second, in frames of 0.1 s: 1 s of speech, then 0.5 s of silence. The wait is
    # that silence, 0.01 s for the last frame, finalisation, 0.5 s to the first token, 0.02 s to the end of
    # the first sentence, and 0.2 s to its first chunk. So 7.23 s with a finalisation of 6 s.
    assert turn.transcript == "Hello there."
    assert turn.metrics.speech_ended == 1.0
    assert turn.metrics.end_of_turn == 1.5
    assert turn.metrics.voice_to_voice == round(0.5 + 0.01 + finalization + 0.5 + 0.02 + 0.2, 9)
    assert parts(turn)["endpointing"] == 0.5
    assert parts(turn)["finalisation"] == finalization


def test_speech_over_the_answer_moves_no_end_of_speech():
    agent = quick(llm=Tokens(["Yes, of course it is. "], 0.1), interruption=Interruption(min_speech=99))
    simulate(agent.converse([Say("Hello."), Say("mm", 0.2, "speaking"), Say("Good.", 0.3, "listening")]))
    assert [turn.transcript for turn in agent.turns] == ["Hello.", "Good."]
    assert [turn.metrics.voice_to_voice for turn in agent.turns] == [0.8, 0.8]


def test_a_pause_in_an_utterance_is_not_its_end():
    agent = quick()
    simulate(agent.process_turn('Hello <break time="0.3s"/> there.'))
    # 5 and 6 characters are 0.88 s, with the pause 1.18: 12 frames.
    assert agent.turns[0].metrics.speech_ended == 1.2
    assert agent.turns[0].metrics.end_of_turn == 1.7


class Recorded:
    """A microphone that does not know what the user will do: recorded frames, then silence."""

    sample_rate, chunk_size, latency = 16000, 1600, 0.0

    def __init__(self):
        self._simulated = AudioInputStream()

    async def stream_audio(self, text):
        async with aclosing(self._simulated.stream_audio(text)) as frames:
            async for frame in frames:
                yield frame


def test_without_the_truth_the_last_frame_with_speech_stands_for_it():
    agent = quick(audio=Recorded(), asr=StreamingASR(0.0, 3.0))
    simulate(agent.process_turn("Hello there."))
    assert agent.turns[0].metrics.speech_ended == 1.0
    assert agent.turns[0].metrics.voice_to_voice == 0.5 + 3.0 + 0.2


@pytest.mark.parametrize("latency", [0.05, 0.4, 2.0])
@pytest.mark.parametrize("finalization", [0.1, 4.0])
def test_the_way_from_the_microphone_is_a_part_of_its_own(latency, finalization):
    agent = quick(audio=AudioInputStream(latency=latency), asr=StreamingASR(0.0, finalization))
    simulate(agent.process_turn("Hello there."))
    turn = agent.turns[0]
    assert turn.metrics.speech_ended == 1.0
    assert turn.metrics.voice_to_voice == round(latency + 0.5 + finalization + 0.2, 9)
    assert parts(turn)["input transport"] == latency


# --- What the agent itself is late with -----------------------------------------------------------


@pytest.mark.parametrize("closing", [0.0, 0.5, 3.0])
def test_an_answer_that_is_slow_to_close_is_the_pipelines(closing):
    words = [f"word{number}. " for number in range(40)]
    agent = quick(llm=Tokens(words, 0.1, closing=closing), interruption=Interruption(min_speech=0.3))
    simulate(agent.converse([Say("Hello."), Say("Stopstopstop!", 0.7, "speaking")]))
    turn = agent.turns[1]
    # 13 characters are 1.04 s: 11 frames. The agent lets go 0.3 s after their begin and closes until
    # 0.3 + closing; the turn is over at 1.1 + 0.5 s, if the agent was there by then.
    late = max(0.0, round(0.3 + closing - 1.6, 9))
    expected = {
        "endpointing": 0.5,
        "backlog": late,
        "finalisation": 0.1,
        "first token": 0.1,
        "first chunk": 0.1,
    }
    assert parts(turn) == {name: seconds for name, seconds in expected.items() if seconds}
    assert turn.metrics.voice_to_voice == round(0.8 + late, 9)
    assert {part.name: part.owner for part in turn.parts}.get("backlog", "pipeline") == "pipeline"


def test_a_policy_that_takes_its_time_is_a_part_of_its_own():
    agent = quick(endpointing=SlowTimeout(0.5, took=0.03))
    simulate(agent.process_turn("Hello."))
    assert parts(agent.turns[0]) == {
        "endpointing": 0.5,
        "end-of-turn model": 0.03,
        "finalisation": 0.1,
        "first token": 0.1,
        "first chunk": 0.1,
    }


# --- Frames are dated by their capture ------------------------------------------------------------


class Stalls(EnergyVAD):
    """A detector that takes long for some frames."""

    def __init__(self, stalls):
        super().__init__()
        self.stalls, self.number = stalls, 0

    async def hears_speech(self, frame):
        self.number += 1
        await asyncio.sleep(self.stalls.get(self.number, 0.0))
        return await super().hears_speech(frame)


@pytest.mark.parametrize("latency", [0.0, 0.25])
@pytest.mark.parametrize("stalls", [{}, {1: 0.35}, {5: 0.35}, {3: 0.2, 4: 0.9}, {9: 0.15}])
@pytest.mark.parametrize("talks", [False, True])
def test_a_frame_is_recorded_when_it_was_captured_whenever_it_was_judged(stalls, latency, talks):
    agent = quick(vad=Stalls(stalls), audio=AudioInputStream(latency=latency))
    simulate(agent.converse([Say("Hello there.", 0.0)]) if talks else agent.process_turn("Hello there."))
    frames = [at for speaker, at, _, _ in agent.recording.sounds if speaker == "user"]
    assert frames == [round(0.1 * number, 9) for number in range(len(frames))]
    turn = agent.turns[0]
    assert turn.metrics.audio_chunk_received == round(0.1 + latency, 9)
    assert turn.metrics.speech_ended == 1.0
    assert all(event.time >= 0 for event in turn.log)


@pytest.mark.parametrize("stall", [0.05, 0.35, 1.0])
def test_a_detector_that_stalls_at_the_decision_owns_the_wait_for_it(stall):
    agent = quick(vad=Stalls({11: stall}))
    simulate(agent.process_turn("Hello."))  # 5 frames of speech; the decision falls with the tenth
    before = parts(agent.turns[0])
    agent = quick(vad=Stalls({10: stall}))
    simulate(agent.process_turn("Hello."))
    assert "voice activity" not in before
    assert parts(agent.turns[0]) == {**before, "voice activity": stall}


def test_the_first_frame_of_a_turn_is_the_one_in_which_speech_began():
    turn, talk = quick(), quick()
    simulate(turn.process_turn("Hello there."))
    simulate(talk.converse([Say("Hello there.", 0.25), Say("And again.", 1.0)]))
    assert turn.turns[0].metrics.audio_chunk_received == 0.1
    assert [turn.metrics.audio_chunk_received for turn in talk.turns] == [0.1, 0.1]


def test_after_a_turn_without_an_answer_the_next_ones_stamps_are_in_order():
    class Deaf(StreamingASR):
        """A recogniser that understands nothing of its first turn, after a long finalisation."""

        turns = 0

        async def transcribe_stream(self, audio_stream, ground_truth):
            self.turns += 1
            if self.turns > 1:
                async for hypothesis in super().transcribe_stream(audio_stream, ground_truth):
                    yield hypothesis
                return
            async for _ in audio_stream:
                pass
            await asyncio.sleep(2.0)
            yield "", True

    agent = quick(asr=Deaf(0.0, 0.1))
    simulate(agent.converse([Say("Hello."), Say("Are you there?", after=1.5, during="processing_speech")]))
    assert [turn.transcript for turn in agent.turns] == ["", "Are you there?"]
    metrics = agent.turns[1].metrics
    # 14 characters are 1.12 s: 12 frames.
    assert (metrics.audio_chunk_received, metrics.speech_ended) == (0.1, 1.2)
    assert metrics.audio_chunk_received < metrics.end_of_turn
