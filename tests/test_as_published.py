"""The article's own numbers, and what each mend is worth."""

from math import isnan

import pytest

from voice_agent_lab.as_published import (
    DEFAULT_REPLY,
    DEMO_BUDGETS,
    PROMPTS,
    REPLIES,
    Fault,
    PublishedVoiceAgent,
    published_reports,
    run_demo,
)
from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.stages.llm import StreamingLLM
from voice_agent_lab.turns.agent import AgentState, StreamingVoiceAgent

# prompt, speech, asr_complete, llm_first_token, llm_complete, tts_first_chunk, tts_complete, time to first audio:
# the article's listing, worked out by hand.
GOLDEN = [
    (2.00, 3.60, 3.90, 4.04, 4.19, 5.015, 0.59),
    (1.92, 3.42, 3.72, 3.90, 4.05, 5.275, 0.63),
    (2.00, 3.60, 3.90, 4.02, 4.17, 4.795, 0.57),
]


def test_the_listing_gives_the_golden_numbers():
    got = [
        (
            m.speech_ended,
            m.asr_complete,
            m.llm_first_token,
            m.llm_complete,
            m.tts_first_chunk,
            m.tts_complete,
            m.get_time_to_first_audio(),
        )
        for m in simulate(run_demo())
    ]
    assert got == GOLDEN


def test_the_published_figure_shows_zeros_because_a_stamp_was_never_set():
    for report in simulate(published_reports()):
        assert report.time_to_first_audio == 0.0
        assert report.asr == 0.0
        # The published bars, which include the overhead of real sleeps: 0.302, 0.17 and 0.15 s.
        assert (report.llm_first_token, report.llm_generation, report.tts) == (0.3, 0.16, 0.15)


def test_the_same_turns_with_every_stamp_set_are_not_zero():
    agent = PublishedVoiceAgent(replies={})
    simulate(agent.process_turn(PROMPTS[0]))
    turn = agent.turns[0]
    assert agent.reported_time_to_first_audio(turn, lost={"asr_complete"}) == 0.0
    assert agent.reported_time_to_first_audio(turn) == 0.61
    honest = PublishedVoiceAgent(replies={}, mended={Fault.HIDDEN_WAIT})
    assert honest.reported_time_to_first_audio(turn) == turn.metrics.voice_to_voice == 2.21


def test_the_last_words_are_dropped_until_that_is_mended():
    def spoken(mended):
        agent = PublishedVoiceAgent(mended=mended)
        simulate(agent.process_turn(PROMPTS[2]))
        return round(sum(e.detail["seconds"] for e in agent.turns[0].log.all("playback", "chunk")), 3)

    characters = len(REPLIES["time"]) + 1
    assert spoken(set(Fault) - {Fault.DROPPED_TAIL, Fault.UNITS_DRIFT}) == round(
        (characters - len("PM. ")) / 20, 3
    )
    assert spoken({Fault.DROPPED_TAIL}) == round(characters / 20, 3)


def test_a_reply_is_found_inside_another_word_until_that_is_mended():
    def reply(mended):
        agent = PublishedVoiceAgent(mended=mended)
        simulate(agent.process_turn("Sometimes I wonder."))
        return agent.turns[0].reply

    assert reply(()) == REPLIES["time"]
    assert reply({Fault.SUBSTRING_MATCH}) == DEFAULT_REPLY


def test_the_state_is_frozen_until_that_is_mended():
    frozen, mended = PublishedVoiceAgent(), PublishedVoiceAgent(mended={Fault.FROZEN_STATE})
    simulate(frozen.process_turn(PROMPTS[0]))
    simulate(mended.process_turn(PROMPTS[0]))
    assert frozen.turns[0].log.all("agent", "state") == []
    states = [e.detail["state"] for e in mended.turns[0].log.all("agent", "state")]
    assert states == ["processing_speech", "thinking", "speaking", "listening"]
    assert frozen.state is mended.state is AgentState.LISTENING


def test_voice_to_voice_after_each_mend():
    mended, after = [], [simulate(run_demo())[0].voice_to_voice]
    for fault in list(Fault)[:4]:
        mended.append(fault)
        after.append(simulate(run_demo(mended))[0].voice_to_voice)
    # Pushing saves 19 frames of recognition; the silence costs its 0.5 s, a frame's recognition less
    # nothing, and the fixed 0.2 s; real finalisation 0.1 s more; the first word need not wait for
    # seven tokens of 20 ms.
    assert after == [2.19, 0.67, 1.37, 1.47, 1.33]


@pytest.mark.parametrize("fault", Fault)
def test_every_fault_can_be_mended_alone(fault):
    for prompt in PROMPTS:
        agent = PublishedVoiceAgent(mended={fault})
        metrics = simulate(agent.process_turn(prompt))
        assert metrics.voice_to_voice > 0


def test_with_every_fault_mended_it_is_the_streaming_agent():
    mended = simulate(run_demo(Fault))
    agent = StreamingVoiceAgent(
        DEMO_BUDGETS, llm=StreamingLLM(0.3, 0.02, replies=REPLIES, default=DEFAULT_REPLY)
    )
    for got, prompt in zip(mended, PROMPTS, strict=True):
        expected = simulate(agent.process_turn(prompt))
        for stamp in (
            "speech_ended",
            "end_of_turn",
            "asr_complete",
            "llm_first_token",
            "tts_first_chunk",
            "tts_complete",
            "playback_ended",
        ):
            assert getattr(got, stamp) == getattr(expected, stamp), stamp


def test_a_lost_stamp_is_not_measured_once_zeros_are_mended():
    agent = PublishedVoiceAgent(replies={}, mended={Fault.ZERO_STAMPS})
    simulate(agent.process_turn(PROMPTS[0]))
    assert isnan(agent.reported_time_to_first_audio(agent.turns[0], lost={"asr_complete"}))
