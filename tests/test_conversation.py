"""Whose turn is it: eager answers, barge-in, backchannels and cut-offs, by hand and at every moment."""

import asyncio
import operator
from contextlib import aclosing, suppress
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.stages.distributions import StageLatencies
from voice_agent_lab.stages.endpointing import SilenceTimeout
from voice_agent_lab.stages.llm import StreamingLLM
from voice_agent_lab.stages.microphone import AudioInputStream
from voice_agent_lab.stages.playback import Playback
from voice_agent_lab.stages.speech import spoken_words
from voice_agent_lab.stages.tts import StreamingTTS
from voice_agent_lab.streams import StageError
from voice_agent_lab.turns.agent import StreamingVoiceAgent
from voice_agent_lab.turns.interruption import Interruption
from voice_agent_lab.turns.script import Say
from voice_agent_lab.turns.speculation import Eager, same_words
from voice_agent_lab.turns.states import LEGAL, AgentState

PROMPT = "Hello, how are you today?"  # 2.0 s; the transcript is final at 2.9 s
QUICK = StageLatencies(asr_processing=0.01, asr_finalization=0.1)


def talk(*script, **options):
    agent = StreamingVoiceAgent(**options)
    simulate(agent.converse(script), max_virtual_time=300)
    return agent


def moments(turn, *names):
    """Return (time, name) of the events of some names, the agent's states included."""
    events = ((e.time, e.detail.get("state", e.name)) for e in turn.log)
    return [(time, name) for time, name in events if name in names]


# --- Eager answers --------------------------------------------------------------------------------


def test_an_eager_hit_has_a_lead_and_saves_the_first_token():
    certain, eager = StreamingVoiceAgent(), StreamingVoiceAgent(overlap="eager")
    waited = simulate(certain.process_turn(PROMPT)).voice_to_voice
    saved = waited - simulate(eager.process_turn(PROMPT)).voice_to_voice
    turn = eager.turns[0]
    # The bet is made after 0.2 s of silence, the transcript is final 0.9 s after the end of speech:
    # a lead of 0.7 s, in which 0.5 s to the first token and 0.02 s to the first sentence have passed.
    assert moments(turn, "kept", "withdrawn") == [(2.9, "kept")]
    assert turn.lead == 0.7
    assert round(saved, 9) == 0.52
    assert turn.wasted_tokens == 0
    assert [part.name for part in turn.parts] == ["endpointing", "recognition", "finalisation", "first chunk"]


def test_an_eager_voice_saves_its_first_chunk_too():
    agent = StreamingVoiceAgent(overlap="eager", eager=Eager(speak=True))
    metrics = simulate(agent.process_turn(PROMPT))
    # Bet at 2.2 s, first token 2.7 s, first sentence 2.72 s, its chunk 2.92 s: 0.02 s after the final.
    assert metrics.playback_started == 2.92
    assert metrics.get_time_to_first_audio() == 0.02
    faster = StreamingVoiceAgent(
        StreamingVoiceAgent().budgets,
        StageLatencies(llm_first_token=0.1),
        overlap="eager",
        eager=Eager(speak=True),
    )
    metrics = simulate(faster.process_turn(PROMPT))
    assert metrics.tts_first_chunk == 2.52
    assert metrics.playback_started == metrics.asr_complete == 2.9  # never before the agent is sure
    assert metrics.get_time_to_first_audio() == 0.0


def test_an_eager_miss_is_withdrawn_and_its_tokens_are_counted():
    # A pause of 0.4 s invites a bet that the rest of the sentence withdraws.
    text = 'What is the time <break time="0.6s"/> in London?'
    agent = StreamingVoiceAgent(
        latencies=QUICK, overlap="eager", eager=Eager(silence=0.2), endpointing=SilenceTimeout(0.9)
    )
    agent.llm = StreamingLLM(0.1, 0.05)
    metrics = simulate(agent.process_turn(text))
    turn = agent.turns[0]
    # "What is the time" ends at 16 / 12.5 = 1.28 s, in the frame that ends at 1.3 s. The bet is made
    # with the frame at 1.5 s, the first token comes at 1.6 s and the next every 0.05 s, until the frame
    # at 2.0 s, which is heard as speech: 1.6, 1.65, ... 1.95 s are eight tokens.
    assert moments(turn, "withdrawn") == [(2.0, "withdrawn")]
    assert turn.wasted_tokens == 8
    assert turn.transcript == "What is the time in London?"
    assert turn.reply.startswith("It is half past two")
    assert metrics.llm_started == turn.log.all("llm", "started")[1].time
    assert turn.lead == round(metrics.asr_complete - metrics.llm_started, 9)


def test_bets_are_limited_in_number_and_by_the_length_of_speech():
    text = ' <break time="0.5s"/> '.join(["one two three", "four five six", "seven eight nine"])
    options = {"latencies": QUICK, "overlap": "eager", "endpointing": SilenceTimeout(0.9)}

    def bets(**eager):
        agent = StreamingVoiceAgent(**options, eager=Eager(**eager))
        simulate(agent.process_turn(text))
        return len(agent.turns[0].log.all("llm", "withdrawn")) + len(agent.turns[0].log.all("llm", "kept"))

    assert bets() == 3
    assert bets(max_attempts=2) == 2
    assert bets(max_speech=1.5) == 1
    assert bets(silence=0.8) == 1


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("What time is it?", "what time is it", True),
        ("it's ten", "its ten", False),
        ("two", "two two", False),
        ("", "?", True),
    ],
)
def test_only_words_count_for_a_bet(one, other, same):
    assert same_words(one, other) is same


@pytest.mark.parametrize("bad", [{"silence": -1}, {"max_attempts": 0}, {"max_speech": float("nan")}])
def test_bad_bets_are_named(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        Eager(**bad)


# --- Barge-in -------------------------------------------------------------------------------------


def test_a_barge_in_while_speaking():
    agent = talk(Say(PROMPT), Say("Stop that please.", 1.2, "speaking"))
    first, second = agent.turns
    # The agent speaks from 3.62 s. The user waits 1.2 s and speaks with the next frame, at 4.9 s (all
    # from the beginning of the first turn); after 0.5 s of speech, with the frame that arrives 0.1 s
    # after that, the agent gives way.
    assert moments(first, "speaking", "barge_in", "interrupted", "stopped", "listening") == [
        (3.62, "speaking"),
        (4.9, "barge_in"),
        (5.5, "interrupted"),
        (5.5, "stopped"),
        (5.5, "listening"),
    ]
    assert first.barge_in_to_silence == 0.6
    # "Hello there!" takes 0.8 s, 3.62 to 4.42 s. The rest was heard for 1.08 s: 16.2 characters of
    # "I am doing well, thank you." at 15 a second; "I am doing well," has 16.
    assert first.heard == "Hello there! I am doing well,"
    assert agent.history[:2] == [("user", PROMPT), ("assistant", "Hello there! I am doing well,")]
    assert second.transcript == "Stop that please."
    assert second.log.origin == first.log.origin + 4.9
    assert second.heard == second.reply


def test_a_barge_in_while_thinking_silences_what_was_never_heard():
    agent = talk(Say(PROMPT), Say("No, the weather please.", 0.1, "thinking"))
    first, second = agent.turns
    assert moments(first, "thinking", "interrupted", "speaking") == [(2.9, "thinking"), (3.6, "interrupted")]
    assert first.heard == ""
    assert np.isnan(first.metrics.voice_to_voice)
    assert np.isnan(first.barge_in_to_silence)  # there was no sound to stop
    assert second.reply.startswith("It is sunny")


def test_a_short_mm_hm_is_ignored_by_its_length():
    agent = talk(Say(PROMPT), Say("Mm-hm", 1.2, "speaking"))
    (turn,) = agent.turns
    assert moments(turn, "paused", "interrupted", "stopped") == []
    assert turn.heard == turn.reply
    assert turn.metrics.voice_to_voice == 1.62  # what the user said meanwhile is not the end of the question


def test_a_false_alarm_resumes_where_it_paused():
    policy = Interruption(min_speech=0.3, min_words=2, resume_after=1.0)
    undisturbed = talk(Say(PROMPT)).turns[0]
    (turn,) = talk(Say(PROMPT), Say("Mm-hm", 1.2, "speaking"), interruption=policy).turns
    # Speech from 4.9 to 5.3 s; paused after 0.3 s of it, resumed after 1.0 s of silence.
    assert moments(turn, "paused", "resumed") == [
        (5.2, "paused"),
        (5.2, "paused"),
        (6.3, "resumed"),
        (6.3, "resumed"),
    ]
    assert turn.heard == turn.reply
    assert turn.metrics.playback_ended == round(undisturbed.metrics.playback_ended + 1.1, 9)


def test_enough_words_turn_a_pause_into_an_interruption():
    policy = Interruption(min_speech=0.3, min_words=2, resume_after=1.0)
    first, second = talk(
        Say(PROMPT), Say("No, the weather please.", 1.2, "speaking"), interruption=policy, latencies=QUICK
    ).turns
    names = [name for _, name in moments(first, "paused", "resumed", "interrupted", "stopped")]
    assert names == ["paused", "paused", "stopped", "interrupted"]
    assert second.transcript == "No, the weather please."


def test_the_way_to_the_ear_delays_silence():
    near, far = (
        talk(Say(PROMPT), Say("Stop that please.", 1.2, "speaking"), playback=Playback(latency)).turns[0]
        for latency in (0.0, 0.08)
    )
    assert round(far.barge_in_to_silence - near.barge_in_to_silence, 9) == 0.08


def test_sound_on_its_way_is_heard_after_the_order_to_stop():
    options = {"playback": Playback(0.3), "tts": StreamingTTS(0.2, 0.02, chunk_duration_ms=50)}
    first = talk(Say(PROMPT), Say("Stop that please.", 1.2, "speaking"), **options).turns[0]
    # Half a second of speech and a frame, then 0.3 s until the order arrives: six chunks are heard in them.
    interrupted = first.log.first("agent", "barge_in") + 0.6
    assert first.barge_in_to_silence == pytest.approx(0.9)
    assert first.metrics.playback_ended == pytest.approx(interrupted + 0.3)
    played = sum(e.detail["seconds"] for e in first.log.all("playback", "chunk"))
    played -= sum(e.detail.get("unheard", 0.0) for e in first.log if e.stage == "playback")
    assert played == pytest.approx(first.metrics.playback_ended - first.metrics.playback_started)


def test_a_cut_off_costs_an_interruption_and_half_a_question():
    text = 'Tell me the weather <break time="0.8s"/> in London tomorrow.'
    first, second = talk(Say(text)).turns
    assert first.transcript == "Tell me the weather"
    assert second.transcript == "in London tomorrow."
    assert np.isnan(first.metrics.voice_to_voice)  # the agent answered before the user had finished
    assert moments(first, "end_of_turn", "interrupted")[0] == (2.0, "end_of_turn")
    assert second.metrics.voice_to_voice > 0
    (whole,) = talk(Say(text), endpointing=SilenceTimeout(1.0)).turns
    assert whole.transcript == "Tell me the weather in London tomorrow."


def test_a_conversation_goes_on_and_is_recorded_in_stereo():
    agent = talk(Say(PROMPT), Say("What's the weather like?", 2.0), Say("Thank you!", 0.5))
    assert [turn.transcript for turn in agent.turns] == [PROMPT, "What's the weather like?", "Thank you!"]
    assert [round(turn.metrics.voice_to_voice, 2) for turn in agent.turns] == [1.62, 1.76, 1.64]
    sound = agent.recording.stereo()
    assert abs(sound[:, 0]).max() > 0.1
    assert abs(sound[:, 1]).max() > 0.1
    for before, after in pairwise(agent.turns):
        assert after.log.origin > before.log.origin


def test_a_script_is_checked():
    with pytest.raises(ValueError, match="text is empty"):
        Say(" ")
    with pytest.raises(ValueError, match="after is -1"):
        Say("Hi", -1)
    with pytest.raises(ValueError, match="during is 'dancing'; use one of 'listening', "):
        Say("Hi", 1, "dancing")
    with pytest.raises(TypeError, match="text is None"):
        Say(None)
    for script in ("Hi", Say("Hi")):
        with pytest.raises(TypeError, match=r"script is .*; it must be a list of Say"):
            simulate(StreamingVoiceAgent().converse(script))
    with pytest.raises(TypeError, match="a line of the script is 'Hi'; it must be an instance of Say"):
        talk("Hi")


def test_a_script_may_be_read_only_once():
    agent = StreamingVoiceAgent()
    simulate(agent.converse(Say(text) for text in (PROMPT, "Thank you.")), max_virtual_time=300)
    assert [turn.transcript for turn in agent.turns] == [PROMPT, "Thank you."]


def test_an_agent_that_thinks_for_long_is_waited_for():
    slow = StreamingLLM(time_to_first_token=20.0)
    agent = talk(Say(PROMPT), Say("Stop that please.", 0.5, "speaking"), llm=slow, max_listening=5.0)
    assert agent.turns[0].metrics.playback_started > 20.0
    assert len(agent.turns) == 2


def test_a_piece_that_makes_no_sound_loses_no_words():
    class Terse(StreamingTTS):
        async def synthesize_stream(self, text_stream):
            async for piece in text_stream:
                seconds = 0.0 if piece.strip() == "..." else 1.0
                yield np.full(round(seconds * self.sample_rate), 0.1, dtype=np.float32)

    replies = {"hello": "Hello there. ... Goodbye my friend."}
    agent = StreamingVoiceAgent(llm=StreamingLLM(replies=replies), tts=Terse())
    simulate(agent.process_turn(PROMPT))
    assert [e.detail["text"].strip() for e in agent.turns[0].log.all("tts", "piece")][1] == "..."
    assert agent.turns[0].heard == "Hello there. ... Goodbye my friend."


class Silent:
    """A language model that has nothing to say."""

    async def generate_response(self, prompt):
        for token in ():
            yield token


@pytest.mark.parametrize("script", [(), (Say(PROMPT),)])
def test_a_line_that_waits_for_ever_ends_the_conversation_and_says_so(script):
    agent = StreamingVoiceAgent(llm=Silent(), max_listening=5.0)
    with pytest.raises(
        TimeoutError, match=r"'Stop!' is to be said while the agent is speaking, .* for 5 s; give the line"
    ):
        simulate(agent.converse([*script, Say("Stop!", during="speaking")]), max_virtual_time=300)
    assert len(agent.turns) == len(script)


def test_words_with_pauses_have_their_times():
    words, seconds = spoken_words('one two <break time="0.8s"/> three')
    assert [(w.text, w.starts, w.ends) for w in words] == [
        ("one", 0.0, 0.24),
        ("two", 0.32, 0.56),
        ("three", 1.36, 1.76),
    ]
    assert seconds == 1.76


# --- At every moment ------------------------------------------------------------------------------


def assert_conversation(agent):
    for turn in agent.turns:
        states = [
            AgentState.LISTENING,
            *(AgentState(e.detail["state"]) for e in turn.log if e.name == "state"),
        ]
        for state, following in pairwise(states):
            assert following in LEGAL[state]
        assert states[-1] is AgentState.LISTENING
        heard, reply = turn.heard.split(), turn.reply.split()
        assert reply[: len(heard)] == heard
        if turn.parts:
            nanoseconds = [round(part.seconds * 1e9) for part in turn.parts]
            assert sum(nanoseconds) == round(turn.metrics.voice_to_voice * 1e9)
            assert all(before.end == after.start for before, after in pairwise(turn.parts))
        assert_nothing_unheard(turn)
    assert agent.state is AgentState.LISTENING


def assert_nothing_unheard(turn):
    """Hold the words that count as heard against the sound: their share of it must have been played."""
    chunks = turn.counted.all("tts", "chunk")
    played = sum(e.detail["seconds"] for e in turn.log.all("playback", "chunk"))
    played -= sum(e.detail.get("unheard", 0.0) for e in turn.log if e.stage == "playback")
    assert played <= sum(e.detail["seconds"] for e in chunks) + 1e-6
    # The simulated voice speaks 15 characters a second, and not between pieces.
    pieces = [e.detail["text"].strip() for e in turn.counted.all("tts", "piece")]
    spoken = 0.0
    heard = len(turn.heard.split())
    for piece in pieces:
        words = piece.split()
        if heard >= len(words):
            spoken, heard = spoken + len(piece) / 15, heard - len(words)
        else:
            spoken += len(" ".join(words[:heard])) / 15
            break
    assert spoken <= played + 0.001


overlaps = st.one_of(
    st.fixed_dictionaries({"overlap": st.sampled_from(["concurrent", "chained"])}),
    st.fixed_dictionaries(
        {
            "overlap": st.just("eager"),
            "eager": st.builds(Eager, silence=st.sampled_from([0.1, 0.3]), speak=st.booleans()),
        }
    ),
)
components = st.fixed_dictionaries(
    {
        "aggregation": st.sampled_from(["word", "sentence", 20]),
        "interruption": st.builds(
            Interruption, st.sampled_from([0.1, 0.5]), st.integers(0, 2), st.sampled_from([0.3, 2.0])
        ),
        "latencies": st.builds(StageLatencies, *[st.floats(0.0, 0.3)] * 6),
    }
)
options = st.builds(operator.or_, overlaps, components)
line = st.builds(
    Say,
    st.sampled_from(["Stop that please.", "Mm-hm", 'What <break time="0.7s"/> is the time?']),
    st.floats(0.0, 6.0),
    st.sampled_from(["speaking", "thinking", "listening"]),
)


async def conversation(agent, script):
    before = asyncio.all_tasks()
    try:
        await agent.converse(script)
    except StageError as error:
        return error.stage, asyncio.all_tasks() - before
    return None, asyncio.all_tasks() - before


@settings(max_examples=80, deadline=None)
@given(options=options, second=line)
def test_whenever_the_user_speaks_the_conversation_stays_sound(options, second):
    agent = StreamingVoiceAgent(**options)
    failed, left = simulate(conversation(agent, [Say(PROMPT), second]), max_virtual_time=300)
    assert (failed, left) == (None, set())
    assert_conversation(agent)


class FailingAfter:
    """A component whose stream fails when it is about to give its n-th item."""

    def __init__(self, component, method, after):
        self._component, self._method, self._after = component, method, after

    def __getattr__(self, name):
        return self._stream if name == self._method else getattr(self._component, name)

    async def _stream(self, *arguments):
        async with aclosing(getattr(self._component, self._method)(*arguments)) as items:
            async for item in items:
                self._after -= 1
                if self._after < 0:
                    raise OSError("out of order")
                yield item


FAULTS = {
    "microphone": lambda n: {"audio": FailingAfter(AudioInputStream(), "frames", n)},
    "llm": lambda n: {"llm": FailingAfter(StreamingLLM(), "generate_response", n)},
    "tts": lambda n: {"tts": FailingAfter(StreamingTTS(), "synthesize_stream", n)},
    "playback": lambda n: {"playback": FailingAfter(Playback(), "play", n)},
}


@settings(max_examples=80, deadline=None)
@given(options=options, second=line, stage=st.sampled_from(sorted(FAULTS)), after=st.integers(0, 60))
def test_a_failure_during_an_interruption_is_named_and_leaves_nothing(options, second, stage, after):
    agent = StreamingVoiceAgent(**options, **FAULTS[stage](after))
    failed, left = simulate(conversation(agent, [Say(PROMPT), second]), max_virtual_time=300)
    assert failed in (None, stage)
    assert left == set()
    assert_conversation(agent)


@settings(max_examples=60, deadline=None)
@given(options=options, second=line, at=st.floats(0.0, 12.0))
def test_whenever_a_conversation_is_cancelled_nothing_is_left(options, second, at):
    agent = StreamingVoiceAgent(**options)

    async def cancelled():
        before = asyncio.all_tasks()
        with suppress(TimeoutError):
            async with asyncio.timeout(at):
                await agent.converse([Say(PROMPT), second])
        return asyncio.all_tasks() - before

    assert simulate(cancelled(), max_virtual_time=300) == set()
    assert_conversation(agent)


def test_an_interruption_at_every_event_of_a_turn():
    times = sorted({e.time for e in talk(Say(PROMPT)).turns[0].log if e.time > 2.9})
    for time in times:
        during, began = ("thinking", 2.9) if time < 3.62 else ("speaking", 3.62)
        agent = talk(Say(PROMPT), Say("Stop that please.", round(time - began, 9), during))
        assert_conversation(agent)
        assert agent.turns[-1].transcript == "Stop that please."
